/*
 * Holds streams of events over HTTP/2 with TLS, and counts what they receive:
 *
 *     load_http2 PORT TARGET CONNECTIONS STREAMS
 *
 * Opens CONNECTIONS connections with STREAMS subscriptions each, and prints "open SECONDS" when all
 * of them have been answered with status 200. Then, for each number that comes in a line of
 * standard input, it waits until every stream has received that many events since the start, and
 * prints "received SECONDS". The times are those of CLOCK_MONOTONIC. It ends with the input. A
 * stream that ends, or is refused, ends the program with status 1.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>

/* This many handshakes run at a time. */
#define OPENING_MAX 16
#define EVENTS_MAX  256
#define READ_BYTES  16384

/* What begins the data of an event. */
static const char data_line[] = "\ndata:";
#define DATA_LINE_LEN (sizeof(data_line) - 1)

struct load;

struct stream {
    unsigned long events;
    unsigned matched; /* bytes of data_line */
};

struct conn {
    struct load *load;
    int fd;
    SSL *ssl;
    nghttp2_session *ng; /* NULL: the handshake is not complete */
    struct stream *streams;
    unsigned opened;
};

struct load {
    int port, epoll_fd;
    const char *target;
    char authority[32];
    unsigned conns_count, streams_each;
    SSL_CTX *tls;
    nghttp2_session_callbacks *callbacks;
    struct conn *conns;
    unsigned begun, opening; /* connections */
    unsigned long opened,
        reached;         /* streams: all that are open; those that have the events asked for */
    unsigned long asked; /* events; 0: none is asked for */
};

static void die(const char *what)
{
    fprintf(stderr, "load_http2: %s: %s\n", what, errno ? strerror(errno) : "error");
    exit(1);
}

static void say(const char *word)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    printf("%s %ld.%06ld\n", word, (long)now.tv_sec, now.tv_nsec / 1000);
    fflush(stdout);
}

static unsigned long all_streams(const struct load *load)
{
    return (unsigned long)load->conns_count * load->streams_each;
}

/* ---- frames -----------------------------------------------------------------------------------*/

static struct stream *find(nghttp2_session *ng, int32_t id)
{
    return nghttp2_session_get_stream_user_data(ng, id);
}

static int on_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *data)
{
    struct conn *conn = data;
    struct load *load = conn->load;

    (void)ng, (void)frame, (void)flags;
    if (name_len != 7 || memcmp(name, ":status", 7) != 0)
        return 0;
    if (value_len != 3 || memcmp(value, "200", 3) != 0) {
        fprintf(stderr, "load_http2: status %.*s\n", (int)value_len, (const char *)value);
        exit(1);
    }
    if (++conn->opened == load->streams_each)
        load->opening--;
    if (++load->opened == all_streams(load))
        say("open");
    return 0;
}

static void count_event(struct load *load, struct stream *stream)
{
    if (++stream->events == load->asked && ++load->reached == all_streams(load)) {
        load->asked = 0;
        say("received");
    }
}

static int on_data(nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *bytes, size_t len,
                   void *data)
{
    struct stream *stream = find(ng, id);
    struct conn *conn = data;

    (void)flags;
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] != (uint8_t)data_line[stream->matched])
            stream->matched = bytes[i] == '\n';
        else if (++stream->matched == DATA_LINE_LEN) {
            stream->matched = 0;
            count_event(conn->load, stream);
        }
    }
    return 0;
}

static int on_close(nghttp2_session *ng, int32_t id, uint32_t error, void *data)
{
    (void)ng, (void)data;
    fprintf(stderr, "load_http2: stream %d ended with error %u\n", (int)id, (unsigned)error);
    exit(1);
}

static ssize_t send_bytes(nghttp2_session *ng, const uint8_t *bytes, size_t len, int flags,
                          void *data)
{
    struct conn *conn = data;
    int count = SSL_write(conn->ssl, bytes, (int)len);

    (void)ng, (void)flags;
    return count > 0 ? count : NGHTTP2_ERR_WOULDBLOCK;
}

static nghttp2_session_callbacks *make_callbacks(void)
{
    nghttp2_session_callbacks *callbacks;

    if (nghttp2_session_callbacks_new(&callbacks) != 0)
        die("memory");
    nghttp2_session_callbacks_set_send_callback(callbacks, send_bytes);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    return callbacks;
}

static nghttp2_nv field(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)name, (uint8_t *)value, strlen(name), strlen(value), 0};
}

/* Sends the requests of CONN, whose handshake is complete. */
static void begin_session(struct conn *conn)
{
    const struct load *load = conn->load;
    const nghttp2_nv fields[] = {field(":method", "GET"), field(":scheme", "https"),
                                 field(":authority", load->authority), field(":path", load->target),
                                 field("accept", "text/event-stream")};

    if (nghttp2_session_client_new(&conn->ng, load->callbacks, conn) != 0 ||
        nghttp2_submit_settings(conn->ng, NGHTTP2_FLAG_NONE, NULL, 0) != 0)
        die("session");
    conn->streams = calloc(load->streams_each, sizeof(*conn->streams));
    for (unsigned i = 0; conn->streams && i < load->streams_each; i++) {
        if (nghttp2_submit_request(conn->ng, NULL, fields, sizeof(fields) / sizeof(*fields), NULL,
                                   &conn->streams[i]) < 0)
            die("request");
    }
}

/* ---- connections ------------------------------------------------------------------------------*/

static void begin_conn(struct load *load)
{
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons((uint16_t)load->port)};
    struct conn *conn = &load->conns[load->begun++];
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = conn};
    static const unsigned char alpn[] = {2, 'h', '2'};
    int on = 1;

    load->opening++;
    conn->load = load;
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    conn->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (conn->fd < 0 || connect(conn->fd, (struct sockaddr *)&server, sizeof(server)) < 0)
        die("connect");
    fcntl(conn->fd, F_SETFL, O_NONBLOCK);
    setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    conn->ssl = SSL_new(load->tls);
    if (!conn->ssl || !SSL_set_fd(conn->ssl, conn->fd) ||
        SSL_set_alpn_protos(conn->ssl, alpn, sizeof(alpn)) != 0)
        die("TLS");
    if (epoll_ctl(load->epoll_fd, EPOLL_CTL_ADD, conn->fd, &event) < 0)
        die("epoll");
}

static void read_conn(struct conn *conn)
{
    unsigned char bytes[READ_BYTES];
    int count;

    while ((count = SSL_read(conn->ssl, bytes, sizeof(bytes))) > 0) {
        if (nghttp2_session_mem_recv(conn->ng, bytes, (size_t)count) < 0)
            die("frames");
    }
    if (SSL_get_error(conn->ssl, count) != SSL_ERROR_WANT_READ)
        die("the server has closed a connection");
}

static void on_events(struct conn *conn)
{
    int status;

    if (!conn->ng) {
        status = SSL_connect(conn->ssl);
        if (status <= 0 && SSL_get_error(conn->ssl, status) != SSL_ERROR_WANT_READ)
            die("handshake");
        if (status <= 0)
            return;
        begin_session(conn);
    }
    read_conn(conn);
    if (nghttp2_session_send(conn->ng) != 0)
        die("send");
}

/* ---- the program ------------------------------------------------------------------------------*/

/* Takes a number from the input. */
static void take_line(struct load *load)
{
    char line[32];

    if (!fgets(line, sizeof(line), stdin))
        exit(0);
    load->asked = strtoul(line, NULL, 10);
    load->reached = 0;
    for (unsigned i = 0; i < load->conns_count; i++) {
        for (unsigned j = 0; j < load->streams_each; j++)
            load->reached += load->conns[i].streams[j].events >= load->asked;
    }
    if (load->reached == all_streams(load)) {
        load->asked = 0;
        say("received");
    }
}

static void prepare(struct load *load)
{
    struct epoll_event input = {.events = EPOLLIN, .data.ptr = NULL};

    load->tls = SSL_CTX_new(TLS_client_method());
    load->conns = calloc(load->conns_count, sizeof(*load->conns));
    load->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    load->callbacks = make_callbacks();
    if (!load->tls || !load->conns || load->epoll_fd < 0)
        die("memory");
    SSL_CTX_set_mode(load->tls, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    snprintf(load->authority, sizeof(load->authority), "localhost:%d", load->port);
    setvbuf(stdin, NULL, _IONBF, 0); /* so that epoll knows of each line */
    if (epoll_ctl(load->epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &input) < 0)
        die("standard input");
}

int main(int argc, char **argv)
{
    struct load load = {.opened = 0};
    struct epoll_event events[EVENTS_MAX];

    if (argc != 5) {
        fprintf(stderr, "load_http2 PORT TARGET CONNECTIONS STREAMS\n");
        return 2;
    }
    load.port = (int)strtol(argv[1], NULL, 10);
    load.target = argv[2];
    load.conns_count = (unsigned)strtoul(argv[3], NULL, 10);
    load.streams_each = (unsigned)strtoul(argv[4], NULL, 10);
    prepare(&load);
    for (;;) {
        int count;

        while (load.begun < load.conns_count && load.opening < OPENING_MAX)
            begin_conn(&load);
        count = epoll_wait(load.epoll_fd, events, EVENTS_MAX, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr)
                on_events(events[i].data.ptr);
            else
                take_line(&load);
        }
    }
}
