/*
 * Sends POST requests over connections that stay open, and measures what they cost a server in CPU:
 *
 *     load_post PORT PATH STATUS COUNT CONNECTIONS BODY TOKENS PID
 *
 * Sends COUNT requests with BODY, one at a time on each connection; every answer must have STATUS.
 * BODY is a form, or @FILE, whose content is a form, or JSON that begins with a bracket. TOKENS is
 * a file with an access token in each line, which are sent in turn ("-": none). PID is the server's
 * main process: the CPU time of all its threads and children is read from /proc. Prints one line:
 * requests a second, and microseconds of CPU for one request.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 256
#define ANSWER_BYTES    65536

struct connection {
    int fd;
    size_t len;
    char answer[ANSWER_BYTES + 1];
};

struct load {
    const char *path, *body;
    int status;
    char **tokens;
    size_t tokens_count;
    long sent, done, count;
};

static void die(const char *what)
{
    fprintf(stderr, "load_post: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- CPU --------------------------------------------------------------------------------------*/

/* The first number of a file; -1 if there is no such file. */
static double read_number(const char *path)
{
    FILE *file = fopen(path, "r");
    double number = -1;

    if (file) {
        if (fscanf(file, "%lf", &number) != 1)
            number = -1;
        fclose(file);
    }
    return number;
}

/* The CPU time of all threads of PID and of its children, in microseconds. */
static double cpu_us(long pid)
{
    char path[512];
    struct dirent *entry;
    double sum = 0;
    DIR *tasks;

    snprintf(path, sizeof(path), "/proc/%ld/task", pid);
    tasks = opendir(path);
    while (tasks && (entry = readdir(tasks))) {
        long child;
        FILE *children;

        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "/proc/%ld/task/%.20s/schedstat", pid, entry->d_name);
        sum += read_number(path) / 1000;
        snprintf(path, sizeof(path), "/proc/%ld/task/%.20s/children", pid, entry->d_name);
        children = fopen(path, "r");
        while (children && fscanf(children, "%ld", &child) == 1)
            sum += cpu_us(child);
        if (children)
            fclose(children);
    }
    if (tasks)
        closedir(tasks);
    return sum;
}

/* ---- requests ---------------------------------------------------------------------------------*/

static void read_tokens(struct load *load, const char *path)
{
    FILE *file;
    char *line = NULL;
    size_t size = 0, cap = 0;
    ssize_t len;

    if (strcmp(path, "-") == 0)
        return;
    file = fopen(path, "r");
    if (!file)
        die(path);
    while ((len = getline(&line, &size, file)) > 0) {
        if (line[len - 1] == '\n')
            line[--len] = '\0';
        if (load->tokens_count == cap) {
            cap = cap ? cap * 2 : 64;
            load->tokens = realloc(load->tokens, cap * sizeof(*load->tokens));
            if (!load->tokens)
                die("tokens");
        }
        load->tokens[load->tokens_count++] = strdup(line);
    }
    free(line);
    fclose(file);
}

/* BODY, or the content of the file in @FILE. */
static const char *read_body(const char *body)
{
    FILE *file;
    char *content = NULL;
    size_t size = 0;

    if (body[0] != '@')
        return body;
    file = fopen(body + 1, "r");
    if (!file || getdelim(&content, &size, '\0', file) < 0)
        die(body);
    fclose(file);
    return content;
}

static void open_connection(struct connection *connection, int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int one = 1;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection->fd < 0 ||
        connect(connection->fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        die("connect");
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static void send_request(struct load *load, struct connection *connection)
{
    const char *token =
        load->tokens_count ? load->tokens[(size_t)load->sent % load->tokens_count] : NULL;
    char *request;
    int len = asprintf(&request,
                       "POST %s HTTP/1.1\r\nHost: localhost\r\n%s%s%s"
                       "Content-Type: application/%s\r\n"
                       "Content-Length: %zu\r\n\r\n%s",
                       load->path, token ? "Authorization: Bearer " : "", token ? token : "",
                       token ? "\r\n" : "", load->body[0] == '[' ? "json" : "x-www-form-urlencoded",
                       strlen(load->body), load->body);

    if (len < 0 || send(connection->fd, request, (size_t)len, 0) != len)
        die("send");
    free(request);
    connection->len = 0;
    load->sent++;
}

/* Whether the answer is complete; ends the process if its status is wrong. */
static int is_whole(const struct load *load, struct connection *connection)
{
    const char *head_end, *field;
    size_t body_len = 0;
    int status;

    connection->answer[connection->len] = '\0';
    head_end = strstr(connection->answer, "\r\n\r\n");
    if (!head_end)
        return 0;
    if (sscanf(connection->answer, "HTTP/1.1 %d", &status) != 1 || status != load->status) {
        fprintf(stderr, "load_post: expected status %d, got:\n%s\n", load->status,
                connection->answer);
        exit(1);
    }
    field = strcasestr(connection->answer, "\r\nContent-Length:");
    if (field && field < head_end)
        body_len = strtoul(field + 17, NULL, 10);
    return connection->len >= (size_t)(head_end + 4 - connection->answer) + body_len;
}

static void take_answer(struct load *load, struct connection *connection)
{
    ssize_t len = recv(connection->fd, connection->answer + connection->len,
                       ANSWER_BYTES - connection->len, 0);

    if (len <= 0)
        die("recv");
    connection->len += (size_t)len;
    if (!is_whole(load, connection))
        return;
    load->done++;
    if (load->sent < load->count)
        send_request(load, connection);
}

static void run(struct load *load, struct connection *connections, int count, int port)
{
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event events[CONNECTIONS_MAX];

    for (int i = 0; i < count; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &connections[i]};

        open_connection(&connections[i], port);
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, connections[i].fd, &event);
        if (load->sent < load->count)
            send_request(load, &connections[i]);
    }
    while (load->done < load->count) {
        int ready = epoll_wait(epoll_fd, events, CONNECTIONS_MAX, 30000);

        if (ready <= 0)
            die("the server does not answer");
        for (int i = 0; i < ready; i++)
            take_answer(load, events[i].data.ptr);
    }
    for (int i = 0; i < count; i++)
        close(connections[i].fd);
    close(epoll_fd);
}

int main(int argc, char **argv)
{
    struct connection *connections;
    struct load load = {.done = 0};
    double start_s, start_us, took_s;
    int count;
    long pid;

    if (argc != 9) {
        fprintf(stderr, "usage: load_post PORT PATH STATUS COUNT CONNECTIONS BODY TOKENS PID\n");
        return 2;
    }
    load.path = argv[2];
    load.status = (int)strtol(argv[3], NULL, 10);
    load.count = strtol(argv[4], NULL, 10);
    count = (int)strtol(argv[5], NULL, 10);
    load.body = read_body(argv[6]);
    pid = strtol(argv[8], NULL, 10);
    if (count < 1 || count > CONNECTIONS_MAX || load.count < count)
        return 2;
    read_tokens(&load, argv[7]);
    connections = calloc((size_t)count, sizeof(*connections));
    if (!connections)
        die("memory");
    start_us = cpu_us(pid);
    start_s = now_s();
    run(&load, connections, count, (int)strtol(argv[1], NULL, 10));
    took_s = now_s() - start_s;
    printf("%.0f %.2f\n", (double)load.done / took_s, (cpu_us(pid) - start_us) / (double)load.done);
    return 0;
}
