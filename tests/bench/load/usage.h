/*
 * The CPU time and the memory of a server: of a process and all its descendants, as reported by the
 * kernel.
 */
#ifndef BENCH_USAGE_H
#define BENCH_USAGE_H

#include <stdio.h>

#define USAGE_PROCESSES_MAX 512

struct usage_process {
    long pid;
    double cpu_us;
    double pss_bytes; /* proportional set size: shared memory is divided among its users */
    long sockets;     /* number of open sockets */
};

struct usage {
    double cpu_us; /* of all processes, including ended ones that were waited for */
    double pss_bytes;
    double tcp_bytes;  /* of the machine: memory of TCP sockets, mostly unread data */
    double slab_bytes; /* of the machine: kernel objects, including sockets */
    int count;
    struct usage_process processes[USAGE_PROCESSES_MAX]; /* ROOT comes first */
};

/* Only the CPU time, in microseconds: fast enough for the start and the end of a measurement. */
double usage_cpu_us(long root);

/* Everything. The memory of other users' processes is 0 unless the caller is root. */
void usage_take(long root, struct usage *ret_usage);

/* Prints USAGE as one line of JSON. */
void usage_print(FILE *out, const struct usage *usage);

#endif
