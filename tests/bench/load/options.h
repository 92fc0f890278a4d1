/* What the load generator was asked to do. */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct options {
    struct sockaddr_in target;
    const char *host;           /* for the field Host */
    const char *subscribe_path; /* {n}: the first topic's number */
    const char *match;          /* one parameter of the query, for each topic; {n}; NULL: none */
    const char *publish_path;   /* {n} */
    const char *type;           /* Content-Type of a publication */
    const char *body;           /* {n}, {data} */
    const char *publish_token, *subscribe_token; /* NULL: none */
    char **tokens; /* of subscribers, by number, instead of subscribe_token; NULL: none */
    size_t tokens_count;
    uint32_t subscribers, topics, topics_each, updates, publishers;
    size_t data_bytes;
    double rate;      /* updates a second; 0: as fast as they are answered */
    unsigned sources; /* addresses that connections come from */
    unsigned burst;   /* subscribers that connect at the same time */
    double stall_s;   /* without any progress so long, what is missing is lost */
    bool tls;
    long pid; /* the server's main process, 0: nobody's CPU */
};

/* Reads ARGV after the command; ends the process with words if something is wrong. */
void options_read(int argc, char **argv, struct options *ret_options);

#endif
