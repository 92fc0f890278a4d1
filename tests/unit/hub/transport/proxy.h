/*
 * A proxy between a link and its server, which passes the server's answers slowly, or stops in the
 * middle of them.
 */
#ifndef MRC_TESTS_HUB_TRANSPORT_PROXY_H
#define MRC_TESTS_HUB_TRANSPORT_PROXY_H

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "store/engine/redis_unit.h"

#define PIECE_BYTES (16 * 1024)
#define READER      "mod_mercure-r" /* the name of a connection that reads logs */

static _Atomic useconds_t pause_us;     /* after each piece of the server's answers */
static _Atomic size_t connection_bytes; /* of answers on one connection; the rest does not come */
static atomic_bool is_reader_silent;    /* nothing comes on the connections that read logs */
static struct mrc_engine_host proxy_host = {.name = "127.0.0.1"};
static int listening;

static int connect_to_server(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(redis_port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static _Thread_local char piece[PIECE_BYTES];

/* Passes at most MAX bytes on. Returns their number; 0: the connection has ended. */
static size_t pass(int from, int to, size_t max)
{
    ssize_t n = read(from, piece, max < sizeof(piece) ? max : sizeof(piece));
    ssize_t at = 0;

    while (at < n) {
        ssize_t sent = send(to, piece + at, (size_t)(n - at), MSG_NOSIGNAL);

        if (sent <= 0)
            return 0;
        at += sent;
    }
    return n > 0 ? (size_t)n : 0;
}

static void *serve(void *arg)
{
    int client = (int)(intptr_t)arg, server = connect_to_server();
    size_t left = connection_bytes;
    bool goes_on = true, reads = false;

    while (goes_on) {
        bool is_silent = left == 0 || (reads && is_reader_silent);
        struct pollfd fds[] = {{.fd = client, .events = POLLIN},
                               {.fd = is_silent ? -1 : server, .events = POLLIN}};

        if (poll(fds, 2, -1) < 0)
            break;
        if (fds[0].revents) {
            size_t n = pass(client, server, PIECE_BYTES);

            goes_on = n > 0;
            reads = reads || memmem(piece, n, READER, strlen(READER));
        }
        if (fds[1].revents && !(reads && is_reader_silent)) {
            size_t n = pass(server, client, left);

            goes_on = goes_on && n > 0;
            left -= n;
            if (n == PIECE_BYTES)
                usleep(pause_us);
        }
    }
    close(client);
    close(server);
    return NULL;
}

static void *accept_all(void *unused)
{
    for (;;) {
        int fd = accept(listening, NULL, NULL);
        pthread_t thread;

        if (fd < 0)
            return NULL;
        ck_assert_int_eq(pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd), 0);
        pthread_detach(thread);
    }
}

static void start_proxy(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof(address);
    pthread_t thread;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listening = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(listening, (struct sockaddr *)&address, len), 0);
    ck_assert_int_eq(listen(listening, 16), 0);
    ck_assert_int_eq(getsockname(listening, (struct sockaddr *)&address, &len), 0);
    proxy_host.port = ntohs(address.sin_port);
    ck_assert_int_eq(pthread_create(&thread, NULL, accept_all, NULL), 0);
    pthread_detach(thread);
}

#endif
