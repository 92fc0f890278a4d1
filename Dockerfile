# A Mercure hub in a container: httpd with mod_mercure. The environment configures it; tools/mercure-hub lists
# the variables. It runs as an ordinary user on port 8080 and writes to /tmp and /var/lib/mercure only, so the
# root file system may be read-only, with a tmpfs as /tmp.

FROM debian:bookworm-slim AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        apache2-bin apache2-dev autoconf automake build-essential libcurl4-openssl-dev libicu-dev \
        libjansson-dev liblmdb-dev libpcre2-dev libssl-dev libtool pkg-config \
    && rm -rf /var/lib/apt/lists/*
COPY . /src
WORKDIR /src
RUN autoreconf -i && ./configure && make -j"$(nproc)" && make install DESTDIR=/image

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        apache2-bin ca-certificates curl libcurl4 libicu72 libjansson4 liblmdb0 libpcre2-8-0 libssl3 \
    && rm -rf /var/lib/apt/lists/* \
    && install -d -o www-data -g www-data -m 750 /var/lib/mercure
COPY --from=build /image/ /
ENV MERCURE_LISTEN_ADDR=:8080
USER www-data
EXPOSE 8080
VOLUME /var/lib/mercure
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=10s CMD ["mercure-hub", "--health"]
ENTRYPOINT ["mercure-hub"]
