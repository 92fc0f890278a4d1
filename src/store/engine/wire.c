#include "store/engine/wire.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <hiredis/hiredis.h>

#include "core/base/buf.h"
#include "store/base/clock.h"
#include "store/engine/lookup.h"
#include "store/engine/resp.h"
#include "store/engine/tls.h"

#define READ_BYTES 65536

/* The buffer of commands has room for the largest publication many times. */
#define OUT_MAX_BYTES ((size_t)2 << 30)

/* After this time, the kernel gives up a connection whose peer has vanished. */
#define USER_TIMEOUT_MS 5000

struct mrc_wire {
    int fd;
    struct mrc_tls_stream *tls; /* NULL: plain */
    redisReader *reader;
    struct mrc_resp resp;
    struct mrc_buf out;
    size_t sent;              /* bytes of OUT */
    uint64_t received;        /* bytes */
    bool write_waits_to_read; /* TLS needs to read before it can write more */
};

static bool fail(struct mrc_engine_error *error, enum mrc_engine_reason reason, const char *text)
{
    error->reason = reason;
    mrc_error_set(&error->text, MRC_EINVAL, "%s", text);
    return false;
}

/* Waits until FD is ready for EVENTS, or until UNTIL_US. */
static bool wait_for(int fd, short events, int64_t until_us, struct mrc_engine_error *error)
{
    for (;;) {
        struct pollfd poller = {.fd = fd, .events = events};
        int64_t left_us = until_us - mrc_clock_us();
        int n;

        if (left_us <= 0)
            return fail(error, MRC_ENGINE_TIMEOUT, "no answer in time");
        n = poll(&poller, 1, (int)(left_us / 1000 + 1 < INT_MAX ? left_us / 1000 + 1 : INT_MAX));
        if (n > 0)
            return true;
        if (n < 0 && errno != EINTR)
            return fail(error, MRC_ENGINE_CLOSED, strerror(errno));
    }
}

/* ---- connecting -------------------------------------------------------------------------------*/

static void set_options(int fd)
{
    const int on = 1;
    const unsigned timeout_ms = USER_TIMEOUT_MS;

    /* The local socket of a test has none of these options. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof(timeout_ms));
}

/* Connects to one address. -1: not possible. */
static int connect_to(const struct addrinfo *address, int64_t until_us,
                      struct mrc_engine_error *error)
{
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int err = 0;
    socklen_t len = sizeof(err);

    if (fd < 0) {
        fail(error, MRC_ENGINE_REFUSED, strerror(errno));
        return -1;
    }
    if (connect(fd, address->ai_addr, address->ai_addrlen) == 0)
        return fd;
    if (errno != EINPROGRESS)
        err = errno;
    else if (!wait_for(fd, POLLOUT, until_us, error))
        err = ETIMEDOUT;
    else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) != 0)
        err = errno;
    if (err == 0)
        return fd;
    fail(error, err == ETIMEDOUT ? MRC_ENGINE_TIMEOUT : MRC_ENGINE_REFUSED, strerror(err));
    close(fd);
    return -1;
}

static int connect_by_name(struct mrc_lookups *lookups, const struct mrc_engine_host *host,
                           int64_t until_us, struct mrc_engine_error *error)
{
    struct addrinfo *addresses = mrc_lookups_find(lookups, host, until_us - mrc_clock_us(), error);
    int fd = -1;

    if (!addresses)
        return -1;
    for (const struct addrinfo *one = addresses; one && fd < 0; one = one->ai_next)
        fd = connect_to(one, until_us, error);
    freeaddrinfo(addresses);
    return fd;
}

static bool shake_hands(struct mrc_wire *wire, int64_t until_us, struct mrc_engine_error *error)
{
    for (;;) {
        ssize_t n = mrc_tls_handshake(wire->tls, error);

        if (n > 0)
            return true;
        if (n == MRC_TLS_FAILED)
            return false;
        if (n == MRC_TLS_END)
            return fail(error, MRC_ENGINE_TLS, "the server closed the connection");
        if (!wait_for(wire->fd, n == MRC_TLS_WANTS_READ ? POLLIN : POLLOUT, until_us, error))
            return false;
    }
}

struct mrc_wire *mrc_wire_connect(struct mrc_lookups *lookups, const struct mrc_engine_host *host,
                                  const struct mrc_tls *tls, int64_t timeout_us,
                                  struct mrc_engine_error *error)
{
    int64_t until_us = mrc_clock_us() + timeout_us;
    struct mrc_wire *wire = calloc(1, sizeof(*wire));

    if (!wire) {
        fail(error, MRC_ENGINE_REFUSED, "out of memory");
        return NULL;
    }
    mrc_buf_init(&wire->out, OUT_MAX_BYTES);
    wire->fd = connect_by_name(lookups, host, until_us, error);
    if (wire->fd < 0) {
        mrc_wire_close(wire);
        return NULL;
    }
    set_options(wire->fd);
    wire->reader = redisReaderCreate();
    if (tls)
        wire->tls = mrc_tls_open(tls, wire->fd, host->name);
    if (!wire->reader || (tls && !wire->tls)) {
        fail(error, MRC_ENGINE_REFUSED, "out of memory");
        mrc_wire_close(wire);
        return NULL;
    }
    if (tls && !shake_hands(wire, until_us, error)) {
        mrc_wire_close(wire);
        return NULL;
    }
    return wire;
}

void mrc_wire_close(struct mrc_wire *wire)
{
    if (!wire)
        return;
    mrc_tls_close(wire->tls);
    if (wire->fd >= 0)
        close(wire->fd);
    if (wire->reader)
        redisReaderFree(wire->reader);
    mrc_buf_free(&wire->out);
    free(wire);
}

void mrc_wire_set_reply_max(struct mrc_wire *wire, uint64_t bytes)
{
    wire->resp.max = bytes;
}

int mrc_wire_fd(const struct mrc_wire *wire)
{
    return wire->fd;
}

/* ---- sending ----------------------------------------------------------------------------------*/

/* redisFormatCommandArgv() would need two arrays and a copy of each argument. */
void mrc_wire_begin(struct mrc_wire *wire, size_t count)
{
    mrc_buf_printf(&wire->out, "*%zu\r\n", count);
}

void mrc_wire_add_parts(struct mrc_wire *wire, const struct mrc_bytes *parts, size_t count)
{
    size_t len = 0;

    for (size_t i = 0; i < count; i++)
        len += parts[i].len;
    mrc_buf_printf(&wire->out, "$%zu\r\n", len);
    for (size_t i = 0; i < count; i++)
        mrc_buf_add_bytes(&wire->out, parts[i]);
    mrc_buf_add(&wire->out, "\r\n", 2);
}

void mrc_wire_add(struct mrc_wire *wire, struct mrc_bytes arg)
{
    mrc_wire_add_parts(wire, &arg, 1);
}

void mrc_wire_add_text(struct mrc_wire *wire, const char *text)
{
    mrc_wire_add(wire, mrc_bytes_of(text));
}

void mrc_wire_add_number(struct mrc_wire *wire, uint64_t number)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRIu64, number);
    mrc_wire_add_text(wire, text);
}

bool mrc_wire_has_more(const struct mrc_wire *wire)
{
    return wire->sent < wire->out.len && !wire->write_waits_to_read;
}

/* Bytes that were written, 0: not now, -1: the wire has failed. */
static ssize_t write_some(struct mrc_wire *wire, const char *data, size_t len,
                          struct mrc_engine_error *error)
{
    ssize_t n;

    if (wire->tls) {
        n = mrc_tls_write(wire->tls, data, len, error);
        wire->write_waits_to_read = n == MRC_TLS_WANTS_READ;
        if (n == MRC_TLS_END)
            fail(error, MRC_ENGINE_CLOSED, "the server closed the connection");
        return n > 0 ? n : n == MRC_TLS_FAILED || n == MRC_TLS_END ? -1 : 0;
    }
    do {
        n = send(wire->fd, data, len, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    if (n >= 0)
        return n;
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        return 0;
    fail(error, errno == ETIMEDOUT ? MRC_ENGINE_TIMEOUT : MRC_ENGINE_CLOSED, strerror(errno));
    return -1;
}

bool mrc_wire_flush(struct mrc_wire *wire, struct mrc_engine_error *error)
{
    if (mrc_buf_error(&wire->out))
        return fail(error, MRC_ENGINE_PROTOCOL, "no memory for a command");
    while (wire->sent < wire->out.len) {
        ssize_t n = write_some(wire, wire->out.ptr + wire->sent, wire->out.len - wire->sent, error);

        if (n < 0)
            return false;
        if (n == 0)
            return true;
        wire->sent += (size_t)n;
    }
    mrc_buf_reset(&wire->out);
    wire->sent = 0;
    return true;
}

/* ---- receiving --------------------------------------------------------------------------------*/

/* Bytes that were read, 0: not now, -1: the wire has failed. */
static ssize_t read_some(struct mrc_wire *wire, char *data, size_t len,
                         struct mrc_engine_error *error)
{
    ssize_t n;

    if (wire->tls) {
        n = mrc_tls_read(wire->tls, data, len, error);
        wire->write_waits_to_read = false;
        if (n == MRC_TLS_END)
            fail(error, MRC_ENGINE_CLOSED, "the server closed the connection");
        return n > 0 ? n : n == MRC_TLS_FAILED || n == MRC_TLS_END ? -1 : 0;
    }
    do {
        n = recv(wire->fd, data, len, 0);
    } while (n < 0 && errno == EINTR);
    if (n > 0)
        return n;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return 0;
    if (n == 0)
        fail(error, MRC_ENGINE_CLOSED, "the server closed the connection");
    else
        fail(error, errno == ETIMEDOUT ? MRC_ENGINE_TIMEOUT : MRC_ENGINE_CLOSED, strerror(errno));
    return -1;
}

bool mrc_wire_receive(struct mrc_wire *wire, struct mrc_engine_error *error)
{
    char data[READ_BYTES];

    for (;;) {
        ssize_t n = read_some(wire, data, sizeof(data), error);

        if (n <= 0)
            return n == 0;
        wire->received += (uint64_t)n;
        if (!mrc_resp_check(&wire->resp, data, (size_t)n))
            return fail(error, MRC_ENGINE_PROTOCOL,
                        "an answer breaks the protocol: is this a Redis server?");
        if (redisReaderFeed(wire->reader, data, (size_t)n) != REDIS_OK)
            return fail(error, MRC_ENGINE_PROTOCOL, "no memory for an answer");
        if ((size_t)n < sizeof(data) && !wire->tls)
            return true;
    }
}

bool mrc_wire_take(struct mrc_wire *wire, struct redisReply **ret_reply,
                   struct mrc_engine_error *error)
{
    void *reply = NULL;

    if (redisReaderGetReply(wire->reader, &reply) != REDIS_OK)
        return fail(error, MRC_ENGINE_PROTOCOL,
                    wire->reader->err == REDIS_ERR_OOM ? "no memory for an answer"
                                                       : "an answer breaks the protocol");
    *ret_reply = reply;
    return true;
}

void mrc_wire_free_reply(struct redisReply *reply)
{
    if (reply)
        freeReplyObject(reply);
}

/* Waits as long as bytes come within each TIMEOUT_US, but not after LAST_US. */
static struct redisReply *wait_until(struct mrc_wire *wire, int64_t timeout_us, int64_t last_us,
                                     struct mrc_engine_error *error)
{
    int64_t until_us = mrc_clock_us() + timeout_us;
    struct redisReply *reply = NULL;

    for (;;) {
        uint64_t received = wire->received;
        short events = POLLIN;

        if (!mrc_wire_flush(wire, error) || !mrc_wire_receive(wire, error) ||
            !mrc_wire_take(wire, &reply, error))
            return NULL;
        if (reply)
            return reply;
        if (wire->received != received)
            until_us = mrc_clock_us() + timeout_us;
        if (mrc_wire_has_more(wire))
            events |= POLLOUT;
        if (!wait_for(wire->fd, events, until_us < last_us ? until_us : last_us, error))
            return NULL;
    }
}

struct redisReply *mrc_wire_wait(struct mrc_wire *wire, int64_t timeout_us,
                                 struct mrc_engine_error *error)
{
    return wait_until(wire, timeout_us, mrc_clock_us() + timeout_us, error);
}

struct redisReply *mrc_wire_wait_long(struct mrc_wire *wire, int64_t timeout_us, int64_t most_us,
                                      struct mrc_engine_error *error)
{
    return wait_until(wire, timeout_us, mrc_clock_us() + most_us, error);
}
