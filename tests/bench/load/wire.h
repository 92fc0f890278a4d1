/*
 * Connections of the load generator, plain or with TLS, in one loop on one thread. Received bytes
 * come through callbacks. wire_send() keeps the bytes that the kernel does not take yet.
 */
#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wire;
struct wire_loop;
typedef struct ssl_st SSL;

/* The callbacks of a connection's owner, which may close the wire in each of them. */
struct wire_owner {
    void (*opened)(struct wire *wire);
    void (*came)(struct wire *wire, const char *bytes, size_t len);
    void (*ended)(struct wire *wire); /* WIRE is closed already; not called after wire_close() */
};

/* Must be the first member of its owner's struct. fd is -1 while the wire is closed. */
struct wire {
    int fd;
    bool open, watches_writing;
    struct wire_loop *loop;
    const struct wire_owner *owner;
    SSL *ssl;
    char *unsent;
    size_t unsent_len, unsent_at;
};

/*
 * SOURCES is the number of addresses (127.0.0.1, 127.0.0.2 …) that connections use in turn.
 * RESUMES: each connection resumes the TLS session of an earlier one, as a client that comes back
 * does.
 */
struct wire_loop *wire_loop_make(const struct sockaddr_in *target, unsigned sources, bool tls,
                                 bool resumes);

/*
 * Waits for at most TIMEOUT_MS, and at most until DUE_NS on the monotonic clock unless that is 0.
 * Calls the owners of the connections that have received something.
 */
void wire_loop_step(struct wire_loop *loop, int timeout_ms, uint64_t due_ns);

/* Begins to connect; calls OWNER when that is done. */
void wire_open(struct wire_loop *loop, struct wire *wire, const struct wire_owner *owner);
void wire_send(struct wire *wire, const char *bytes, size_t len);
void wire_close(struct wire *wire);

#endif
