/*
 * What a server takes: the time on CPU and the memory of a process and of all that descend from it,
 * as the kernel tells them.
 */
#ifndef BENCH_USAGE_H
#define BENCH_USAGE_H

#include <stdio.h>

#define USAGE_PROCESSES_MAX 512

struct usage_process {
    long pid;
    double cpu_us;
    double pss_bytes; /* proportional set: what is shared is divided among those who share it */
    long sockets;     /* descriptors that are sockets */
};

struct usage {
    double cpu_us; /* of all, with those that have ended and were waited for */
    double pss_bytes;
    double tcp_bytes;  /* of the machine: what sockets hold that nobody has read yet */
    double slab_bytes; /* of the machine: the kernel's objects, sockets among them */
    int count;
    struct usage_process processes[USAGE_PROCESSES_MAX]; /* the root first */
};

/* The CPU alone, in microseconds: quick enough for the edges of what is timed. */
double usage_cpu_us(long root);

/* Everything. Memory of processes of other users is 0 unless root asks. */
void usage_take(long root, struct usage *ret_usage);

/* As one JSON object on one line. */
void usage_print(FILE *out, const struct usage *usage);

#endif
