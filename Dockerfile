# A Mercure hub in a container: httpd with mod_mercure, configured by environment variables. The head of
# tools/mercure-hub lists them; the command lines of the Go hub's image work, too. The hub runs as an ordinary
# user and writes only to /tmp and /var/lib/mercure: with a read-only root file system, make /tmp a tmpfs.
# It listens on port 8080, and also on port 80 (443 with TLS) if the container engine allows it, unless
# MERCURE_LISTEN_ADDR or SERVER_NAME names a port.

FROM debian:bookworm-slim AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        apache2-bin apache2-dev autoconf automake build-essential libcurl4-openssl-dev libhiredis-dev libicu-dev \
        libjansson-dev liblmdb-dev libnghttp2-dev libpcre2-dev libssl-dev libtool pkg-config \
    && rm -rf /var/lib/apt/lists/*
COPY . /src
WORKDIR /src
RUN autoreconf -i && ./configure && make -j"$(nproc)" && make install DESTDIR=/image

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        apache2-bin ca-certificates curl libcurl4 libhiredis0.14 libicu72 libjansson4 liblmdb0 libnghttp2-14 libpcre2-8-0 \
        libssl3 \
    && rm -rf /var/lib/apt/lists/* \
    && install -d -o www-data -g www-data -m 750 /var/lib/mercure
COPY --from=build /image/ /
ENV MERCURE_CONTAINER=1
USER www-data
EXPOSE 8080 80 443
VOLUME /var/lib/mercure
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=10s CMD ["mercure-hub", "--health"]
ENTRYPOINT ["mercure-hub"]
