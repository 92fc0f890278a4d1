#include "wire.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base.h"

#define EVENTS       512
#define BUFFER_BYTES 262144

struct wire_loop {
    int epoll_fd, timer_fd;
    struct sockaddr_in target;
    unsigned sources, next_source;
    SSL_CTX *tls;
    SSL_SESSION *session; /* the last one, for the next connections; NULL: none is resumed */
    char buffer[BUFFER_BYTES];
};

/* Keeps SESSION for the next connections. Returns whether it takes SESSION over. */
static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    struct wire_loop *loop = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

    SSL_SESSION_free(loop->session);
    loop->session = session;
    return 1;
}

struct wire_loop *wire_loop_make(const struct sockaddr_in *target, unsigned sources, bool tls,
                                 bool resumes)
{
    struct wire_loop *loop = base_alloc(1, sizeof(*loop));
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};

    loop->target = *target;
    loop->sources = sources;
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (loop->epoll_fd < 0 || loop->timer_fd < 0 ||
        epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->timer_fd, &event) < 0)
        base_die("the event loop cannot be set up: %s", strerror(errno));
    if (tls) {
        loop->tls = SSL_CTX_new(TLS_client_method());
        if (!loop->tls)
            base_die("TLS cannot be set up");
        /* The benchmark's server has just signed its own certificate. */
        SSL_CTX_set_verify(loop->tls, SSL_VERIFY_NONE, NULL);
        SSL_CTX_set_mode(loop->tls, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                        SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        if (resumes) {
            SSL_CTX_set_app_data(loop->tls, loop);
            SSL_CTX_set_session_cache_mode(loop->tls,
                                           SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
            SSL_CTX_sess_set_new_cb(loop->tls, keep_session);
        }
    }
    return loop;
}

static void watch(struct wire *wire, bool writing)
{
    struct epoll_event event = {.events = EPOLLIN | (writing ? (uint32_t)EPOLLOUT : 0),
                                .data.ptr = wire};

    if (writing == wire->watches_writing)
        return;
    wire->watches_writing = writing;
    epoll_ctl(wire->loop->epoll_fd, EPOLL_CTL_MOD, wire->fd, &event);
}

void wire_close(struct wire *wire)
{
    if (wire->ssl)
        SSL_free(wire->ssl);
    if (wire->fd >= 0)
        close(wire->fd);
    free(wire->unsent);
    wire->ssl = NULL;
    wire->unsent = NULL;
    wire->unsent_len = wire->unsent_at = 0;
    wire->fd = -1;
    wire->open = false;
}

static void lose(struct wire *wire)
{
    wire_close(wire);
    wire->owner->ended(wire);
}

/* Sets the source address of a connection. With only one address, the kernel chooses it. */
static void choose_source(struct wire_loop *loop, int fd)
{
    struct sockaddr_in source = {.sin_family = AF_INET};
    int on = 1;

    if (loop->sources < 2)
        return;
    source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + loop->next_source++ % loop->sources);
    /* The kernel chooses the port when it knows the target, so each address can use all ports. */
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&source, sizeof(source)) < 0)
        base_die("bind: %s", strerror(errno));
}

void wire_open(struct wire_loop *loop, struct wire *wire, const struct wire_owner *owner)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = wire};
    int on = 1;

    *wire = (struct wire){.loop = loop, .owner = owner, .watches_writing = true};
    wire->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (wire->fd < 0)
        base_die("socket: %s (descriptors: ulimit -n)", strerror(errno));
    setsockopt(wire->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    choose_source(loop, wire->fd);
    if (connect(wire->fd, (const struct sockaddr *)&loop->target, sizeof(loop->target)) < 0 &&
        errno != EINPROGRESS)
        base_die("connect: %s (ports: --sources)", strerror(errno));
    if (loop->tls) {
        wire->ssl = SSL_new(loop->tls);
        if (!wire->ssl || SSL_set_fd(wire->ssl, wire->fd) != 1)
            base_die("TLS cannot be set up");
        SSL_set_connect_state(wire->ssl);
        if (loop->session)
            SSL_set_session(wire->ssl, loop->session);
    }
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, wire->fd, &event) < 0)
        base_die("epoll: %s", strerror(errno));
}

/* The number of bytes sent; 0 if none can be sent now, -1 if the connection has ended. */
static ssize_t push(struct wire *wire, const char *bytes, size_t len)
{
    ssize_t sent;

    if (wire->ssl) {
        int took = SSL_write(wire->ssl, bytes, (int)len);
        int why = took > 0 ? 0 : SSL_get_error(wire->ssl, took);

        if (took > 0)
            return took;
        return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? 0 : -1;
    }
    sent = send(wire->fd, bytes, len, MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    return sent;
}

/* Sends the waiting bytes; false if the connection has ended and is closed now. */
static bool flush(struct wire *wire)
{
    while (wire->unsent_at < wire->unsent_len) {
        ssize_t sent =
            push(wire, wire->unsent + wire->unsent_at, wire->unsent_len - wire->unsent_at);

        if (sent < 0) {
            lose(wire);
            return false;
        }
        if (sent == 0)
            break;
        wire->unsent_at += (size_t)sent;
    }
    if (wire->unsent_at == wire->unsent_len) {
        free(wire->unsent);
        wire->unsent = NULL;
        wire->unsent_len = wire->unsent_at = 0;
    }
    watch(wire, wire->unsent != NULL);
    return true;
}

void wire_send(struct wire *wire, const char *bytes, size_t len)
{
    ssize_t sent = wire->unsent ? 0 : push(wire, bytes, len);

    /* If the connection has ended, the next read notices it. */
    if (sent < 0 || (size_t)sent == len)
        return;
    len -= (size_t)sent;
    wire->unsent = base_resize(wire->unsent, wire->unsent_len + len);
    memcpy(wire->unsent + wire->unsent_len, bytes + sent, len);
    wire->unsent_len += len;
    watch(wire, true);
}

/*
 * Completes the connection, and with TLS the handshake. False while it is in progress or if it
 * failed.
 */
static bool is_open(struct wire *wire)
{
    int error = 0, done, why;
    socklen_t size = sizeof(error);

    if (wire->open)
        return true;
    if (getsockopt(wire->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 || error) {
        lose(wire);
        return false;
    }
    if (wire->ssl) {
        done = SSL_do_handshake(wire->ssl);
        why = done == 1 ? 0 : SSL_get_error(wire->ssl, done);
        if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
            watch(wire, why == SSL_ERROR_WANT_WRITE);
            return false;
        }
        if (why) {
            lose(wire);
            return false;
        }
    }
    wire->open = true;
    watch(wire, false);
    wire->owner->opened(wire);
    return wire->fd >= 0;
}

/* The number of bytes read; 0 if there are none now, -1 if the connection has ended. */
static ssize_t pull(struct wire *wire, char *ret_bytes, size_t size)
{
    ssize_t came;

    if (wire->ssl) {
        int got = SSL_read(wire->ssl, ret_bytes, (int)size);
        int why = got > 0 ? 0 : SSL_get_error(wire->ssl, got);

        if (got > 0)
            return got;
        return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? 0 : -1;
    }
    came = recv(wire->fd, ret_bytes, size, 0);
    if (came < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    return came > 0 ? came : -1;
}

static void read_all(struct wire_loop *loop, struct wire *wire)
{
    for (;;) {
        int fd = wire->fd;
        ssize_t came = pull(wire, loop->buffer, sizeof(loop->buffer));

        if (came < 0) {
            lose(wire);
            return;
        }
        if (came > 0)
            wire->owner->came(wire, loop->buffer, (size_t)came);
        /* epoll reports unread bytes of a socket, but not those inside TLS. */
        if (came == 0 || wire->fd != fd || !wire->ssl)
            return;
    }
}

static void set_timer(struct wire_loop *loop, uint64_t due_ns)
{
    struct itimerspec at = {.it_value = {.tv_sec = (time_t)(due_ns / 1000000000),
                                         .tv_nsec = (long)(due_ns % 1000000000)}};

    timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &at, NULL);
}

void wire_loop_step(struct wire_loop *loop, int timeout_ms, uint64_t due_ns)
{
    struct epoll_event events[EVENTS];
    uint64_t rang;
    int count;

    if (due_ns)
        set_timer(loop, due_ns);
    count = epoll_wait(loop->epoll_fd, events, EVENTS, timeout_ms);
    for (int i = 0; i < count; i++) {
        struct wire *wire = events[i].data.ptr;

        if (!wire && read(loop->timer_fd, &rang, sizeof(rang)) >= 0)
            continue;
        /* An owner may have closed it since the kernel reported the event. */
        if (!wire || wire->fd < 0 || !is_open(wire))
            continue;
        if (wire->unsent && !flush(wire))
            continue;
        if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
            read_all(loop, wire);
    }
}
