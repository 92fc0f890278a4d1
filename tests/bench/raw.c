/*
 * The raw writer, the yardstick of `./dev bench`: it does the least that a server of event streams
 * can do on this kernel. It takes the subscriptions and publications that the benchmark sends to
 * the hub, and sends each update to each receiver in one send() of bytes that were made once. It
 * has no tokens and no limits.
 *
 *     raw PORT [SLICE]     listens on 127.0.0.1, and prints "ready"
 *
 * Without SLICE, an update is sent to all its receivers before the next request is read. With
 * SLICE, the loop looks for further publications after that many sends, and answers them. All
 * updates that then wait for a receiver go out in one send().
 *
 *     topic   log of bytes, as they are sent           …[update][update][update]|
 *             listeners: connection, offset in the log          ^ two updates are left to send
 *
 * The id of an update holds the length of the log after it, so the position after an id needs no
 * search.
 */
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS        512
#define REQUEST_BYTES 65536
#define BUCKETS       (1 << 17)
#define ID            "urn:uuid:"
#define ID_DIGITS     16

struct topic;

struct listener {
    struct connection *connection;
    struct topic *topic;
    size_t offset;
    uint32_t place; /* in the topic's list */
};

struct connection {
    int fd;
    bool waits;               /* for room in the socket */
    uint32_t count;           /* listeners; 0 for a publisher */
    struct listener *list;    /* one for each topic of the subscription */
    struct listener *halfway; /* has sent a part of an update: the others must wait */
    char *request;
    size_t request_len;
};

struct topic {
    struct topic *same_bucket;
    char *name, *log;
    size_t len, room;
    struct listener **listeners;
    uint32_t count, listeners_room, at;
    struct topic *next_busy; /* with SLICE: topics with updates that are not sent yet */
    bool busy;
};

struct raw {
    int epoll_fd, listen_fd;
    long slice;
    struct topic *buckets[BUCKETS];
    struct topic *busy, **busy_end;
    char input[REQUEST_BYTES + 1];
};

static void die(const char *what)
{
    fprintf(stderr, "raw: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void *resize(void *old, size_t bytes)
{
    void *made = realloc(old, bytes);

    if (!made)
        die("memory");
    return made;
}

/* ---- topics -----------------------------------------------------------------------------------*/

static struct topic *find_topic(struct raw *raw, const char *name, size_t len)
{
    uint32_t hash = 2166136261;
    struct topic **at, *topic;

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)name[i]) * 16777619;
    for (at = &raw->buckets[hash % BUCKETS]; *at; at = &(*at)->same_bucket)
        if (strlen((*at)->name) == len && memcmp((*at)->name, name, len) == 0)
            return *at;
    topic = resize(NULL, sizeof(*topic));
    *topic = (struct topic){.name = resize(NULL, len + 1)};
    memcpy(topic->name, name, len);
    topic->name[len] = '\0';
    *at = topic;
    return topic;
}

static void join(struct listener *listener)
{
    struct topic *topic = listener->topic;

    if (topic->count == topic->listeners_room) {
        topic->listeners_room = topic->listeners_room ? topic->listeners_room * 2 : 1;
        topic->listeners =
            resize(topic->listeners, topic->listeners_room * sizeof(struct listener *));
    }
    listener->place = topic->count;
    topic->listeners[topic->count++] = listener;
}

/* The last listener takes the place of the one that leaves. */
static void leave(struct listener *listener)
{
    struct topic *topic = listener->topic;
    struct listener *last = topic->listeners[--topic->count];

    topic->listeners[listener->place] = last;
    last->place = listener->place;
}

/* Adds an update to the log: an HTTP chunk with the event. Its id is the length of the log. */
static void append(struct topic *topic, const char *data, size_t len)
{
    size_t event_len = strlen("id: " ID "\ndata: \n\n") + ID_DIGITS + len;
    size_t whole_len = event_len + strlen("00000000\r\n\r\n");
    int head;

    if (topic->len + whole_len + 1 > topic->room) {
        topic->room = (topic->len + whole_len + 1) * 2;
        topic->log = resize(topic->log, topic->room);
    }
    head = snprintf(topic->log + topic->len, whole_len + 1,
                    "%08zx\r\nid: " ID "%016zx\ndata: ", event_len, topic->len + whole_len);
    memcpy(topic->log + topic->len + head, data, len);
    memcpy(topic->log + topic->len + (size_t)head + len, "\n\n\r\n", 4);
    topic->len += whole_len;
}

/* ---- sending ----------------------------------------------------------------------------------*/

static void watch(struct raw *raw, struct connection *connection, bool writing)
{
    struct epoll_event event = {.events = EPOLLIN | (writing ? (uint32_t)EPOLLOUT : 0),
                                .data.ptr = connection};

    connection->waits = writing;
    epoll_ctl(raw->epoll_fd, EPOLL_CTL_MOD, connection->fd, &event);
}

/* Sends the rest of the log to LISTENER; false if the socket is full. */
static bool push(struct raw *raw, struct listener *listener)
{
    struct connection *connection = listener->connection;
    struct topic *topic = listener->topic;
    ssize_t sent;

    if (connection->waits)
        return false;
    sent = send(connection->fd, topic->log + listener->offset, topic->len - listener->offset,
                MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0)
        listener->offset += (size_t)sent;
    if (listener->offset == topic->len)
        return true;
    /* If the connection has ended, the next read notices it. */
    if (sent > 0 || errno == EAGAIN) {
        connection->halfway = listener;
        watch(raw, connection, true);
    }
    return false;
}

static void go_on(struct raw *raw, struct connection *connection)
{
    if (connection->waits)
        watch(raw, connection, false);
    if (connection->halfway && !push(raw, connection->halfway))
        return;
    connection->halfway = NULL;
    for (uint32_t i = 0; i < connection->count; i++)
        if (connection->list[i].offset < connection->list[i].topic->len &&
            !push(raw, &connection->list[i]))
            return;
}

/* With SLICE, does SLICE sends. A listener that was served before the next update came is served
 * again. */
static void work(struct raw *raw)
{
    long left = raw->slice;

    while (raw->busy && left > 0) {
        struct topic *topic = raw->busy;
        bool is_behind = false;

        while (topic->at < topic->count && left > 0) {
            struct listener *listener = topic->listeners[topic->at++];

            if (listener->offset < topic->len) {
                push(raw, listener);
                left--;
            }
        }
        if (topic->at < topic->count)
            return;
        for (uint32_t i = 0; i < topic->count && !is_behind; i++)
            is_behind =
                topic->listeners[i]->offset < topic->len && !topic->listeners[i]->connection->waits;
        topic->at = 0;
        if (is_behind)
            continue;
        topic->busy = false;
        raw->busy = topic->next_busy;
        if (!raw->busy)
            raw->busy_end = &raw->busy;
    }
}

static void broadcast(struct raw *raw, struct topic *topic)
{
    if (raw->slice == 0) {
        for (uint32_t i = 0; i < topic->count; i++)
            push(raw, topic->listeners[i]);
    } else if (!topic->busy) {
        topic->busy = true;
        topic->at = 0;
        topic->next_busy = NULL;
        *raw->busy_end = topic;
        raw->busy_end = &topic->next_busy;
    }
}

/* ---- requests ---------------------------------------------------------------------------------*/

static void drop(struct connection *connection)
{
    for (uint32_t i = 0; i < connection->count; i++)
        leave(&connection->list[i]);
    close(connection->fd);
    free(connection->list);
    free(connection->request);
    free(connection);
}

/* The value of the next parameter whose name begins with NAME; NULL if there is none before END. */
static const char *parameter(const char *at, const char *end, const char *name, size_t *ret_len)
{
    while (at < end) {
        const char *stop = memchr(at, '&', (size_t)(end - at));
        const char *equals;

        stop = stop ? stop : end;
        equals = memchr(at, '=', (size_t)(stop - at));
        if (equals && strncmp(at, name, strlen(name)) == 0) {
            *ret_len = (size_t)(stop - equals - 1);
            return equals + 1;
        }
        at = stop + 1;
    }
    return NULL;
}

/* The value of a field of the head; NULL if there is no such field. */
static const char *field(const char *head, const char *name)
{
    const char *found = strcasestr(head, name);

    return found ? found + strlen(name) : NULL;
}

static void subscribe(struct raw *raw, struct connection *connection, char *head)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                                 "Transfer-Encoding: chunked\r\n\r\n3\r\n:\n\n\r\n";
    const char *at = strchr(head, '?'), *after = field(head, "\r\nLast-Event-ID: " ID);
    const char *end = strstr(head, " HTTP/1.1");
    size_t len;

    at = at ? at + 1 : end;
    while (at && end && (at = parameter(at, end, "match", &len))) {
        struct topic *topic = find_topic(raw, at, len);

        connection->list =
            resize(connection->list, (connection->count + 1) * sizeof(struct listener));
        connection->list[connection->count++] = (struct listener){
            .connection = connection,
            .topic = topic,
            .offset = after ? (size_t)strtoull(after, NULL, 16) : topic->len,
        };
        at += len;
    }
    for (uint32_t i = 0; i < connection->count; i++)
        join(&connection->list[i]);
    free(connection->request);
    connection->request = NULL;
    send(connection->fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL | (after ? MSG_MORE : 0));
    go_on(raw, connection);
}

static void publish(struct raw *raw, struct connection *connection, const char *body, size_t len)
{
    char answer[256];
    const char *topic_name, *data;
    size_t topic_len, data_len;
    struct topic *topic;
    int answer_len;

    topic_name = parameter(body, body + len, "topic", &topic_len);
    data = parameter(body, body + len, "data", &data_len);
    if (!topic_name || !data)
        die("a publication has no topic or no data");
    topic = find_topic(raw, topic_name, topic_len);
    append(topic, data, data_len);
    broadcast(raw, topic);
    answer_len = snprintf(
        answer, sizeof(answer),
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n" ID "%016zx",
        strlen(ID) + ID_DIGITS, topic->len);
    send(connection->fd, answer, (size_t)answer_len, MSG_NOSIGNAL);
}

/* Takes a request of which LEN bytes have come; false if it is not complete. */
static bool take_request(struct raw *raw, struct connection *connection, char *request, size_t len)
{
    char *blank = strstr(request, "\r\n\r\n");
    const char *length;
    size_t body_len;

    if (!blank)
        return false;
    if (strncmp(request, "POST", 4) != 0) {
        subscribe(raw, connection, request);
        return true;
    }
    length = field(request, "\r\nContent-Length: ");
    body_len = length ? strtoul(length, NULL, 10) : 0;
    if ((size_t)(request + len - blank - 4) < body_len)
        return false;
    publish(raw, connection, blank + 4, body_len);
    connection->request_len = 0;
    return true;
}

static void read_request(struct raw *raw, struct connection *connection)
{
    ssize_t came = recv(connection->fd, raw->input, REQUEST_BYTES, 0);
    size_t len;

    if (came < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (came <= 0) {
        drop(connection);
        return;
    }
    if (connection->count)
        return;
    raw->input[came] = '\0';
    if (connection->request_len == 0 && take_request(raw, connection, raw->input, (size_t)came))
        return;
    len = connection->request_len + (size_t)came;
    connection->request = resize(connection->request, len + 1);
    memcpy(connection->request + connection->request_len, raw->input, (size_t)came + 1);
    connection->request_len = len;
    take_request(raw, connection, connection->request, len);
}

/* ---- the loop ---------------------------------------------------------------------------------*/

static void accept_all(struct raw *raw)
{
    int fd, on = 1;

    while ((fd = accept4(raw->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct connection *connection = resize(NULL, sizeof(*connection));
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};

        *connection = (struct connection){.fd = fd};
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        epoll_ctl(raw->epoll_fd, EPOLL_CTL_ADD, fd, &event);
    }
}

static void start(struct raw *raw, long port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    struct rlimit limit;
    int on = 1;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    signal(SIGPIPE, SIG_IGN);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    raw->busy_end = &raw->busy;
    raw->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    raw->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(raw->listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(raw->listen_fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(raw->listen_fd, 4096) < 0)
        die("listen");
    epoll_ctl(raw->epoll_fd, EPOLL_CTL_ADD, raw->listen_fd, &event);
    puts("ready");
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct raw *raw = calloc(1, sizeof(*raw));

    if (!raw || argc < 2) {
        fputs("usage: raw PORT [SLICE]\n", stderr);
        return 2;
    }
    raw->slice = argc > 2 ? strtol(argv[2], NULL, 10) : 0;
    start(raw, strtol(argv[1], NULL, 10));
    for (;;) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(raw->epoll_fd, events, EVENTS, raw->busy ? 0 : -1);

        for (int i = 0; i < count; i++) {
            struct connection *connection = events[i].data.ptr;

            if (!connection) {
                accept_all(raw);
                continue;
            }
            if (events[i].events & EPOLLOUT)
                go_on(raw, connection);
            if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                read_request(raw, connection);
        }
        work(raw);
    }
}
