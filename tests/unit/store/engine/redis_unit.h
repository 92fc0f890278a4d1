/*
 * Shared by the tests that need a Redis server: starts Debian's redis-server on a free port, in a
 * directory of its own.
 */
#ifndef MRC_TESTS_REDIS_UNIT_H
#define MRC_TESTS_REDIS_UNIT_H

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/engine/engine.h"
#include "store_unit.h"

/* The program of Debian's package redis-tools is the server if it is run under that name. */
#define REDIS_PROGRAM "/usr/bin/redis-check-rdb"

static pid_t redis_pid;
static uint16_t redis_port;
static const char *redis_dir;
static struct mrc_engine_host redis_host;
static struct mrc_engine_spec redis_spec;

static inline uint16_t redis_free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, len), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    close(fd);
    return ntohs(address.sin_port);
}

static inline bool redis_answers(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(redis_port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    char reply[8] = "";
    bool answers;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    answers = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
              write(fd, "PING\r\n", 6) == 6 && read(fd, reply, 7) == 7 &&
              !memcmp(reply, "+PONG\r\n", 7);
    close(fd);
    return answers;
}

/* Starts the server. The test process ends it, even when the test fails. */
static inline void redis_start(void)
{
    char port[8];

    redis_dir = store_dir();
    redis_port = redis_free_port();
    snprintf(port, sizeof(port), "%u", (unsigned)redis_port);
    redis_pid = fork();
    ck_assert_int_ge(redis_pid, 0);
    if (redis_pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execl(REDIS_PROGRAM, "redis-server", "--port", port, "--bind", "127.0.0.1", "--dir",
              redis_dir, "--save", "", "--appendonly", "no", "--loglevel", "warning", "--logfile",
              "server.log", NULL);
        _exit(1);
    }
    for (int i = 0; i < 1000 && !redis_answers(); i++)
        usleep(10000);
    ck_assert_msg(redis_answers(), "redis-server does not answer (package redis-tools)");
    redis_host = (struct mrc_engine_host){"127.0.0.1", redis_port};
    redis_spec = (struct mrc_engine_spec){
        .hosts = &redis_host, .hosts_count = 1, .timeout_us = 5 * 1000 * 1000};
}

static inline void redis_stop(void)
{
    char path[200];

    kill(redis_pid, SIGKILL);
    waitpid(redis_pid, NULL, 0);
    snprintf(path, sizeof(path), "%s/server.log", redis_dir);
    unlink(path);
    rmdir(redis_dir);
}

#endif
