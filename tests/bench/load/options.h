/* The options of the load generator. */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct options {
    struct sockaddr_in target;
    const char *host; /* value of the Host field */
    /* Templates: {n} stands for the number of a topic, {data} for the data of an update. */
    const char *subscribe_path; /* {n}: the first topic */
    const char *match;          /* {n}; a query parameter for each topic, or NULL */
    const char *publish_path;   /* {n} */
    const char *type;           /* Content-Type of a publication, not a template */
    const char *body;           /* {n} and {data} */
    const char *publish_token, *subscribe_token; /* or NULL */
    char **tokens; /* a token for each subscriber, in place of subscribe_token; or NULL */
    size_t tokens_count;
    uint32_t subscribers, topics, topics_each, updates, publishers;
    size_t data_bytes;
    double rate;      /* updates a second; 0: as fast as they are answered */
    unsigned sources; /* number of addresses that connections come from */
    unsigned burst;   /* number of subscribers that connect at the same time */
    double stall_s;   /* after this time without progress, missing updates are lost */
    bool tls, resumes;
    long pid; /* the server's main process; 0: its CPU is not measured */
};

/* Reads ARGV, which begins with the command; ends the process with a message on an error. */
void options_read(int argc, char **argv, struct options *ret_options);

#endif
