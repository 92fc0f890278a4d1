/* The subscribers: they connect, a number of them at a time, and tell the ledger what they get. */
#ifndef BENCH_CROWD_H
#define BENCH_CROWD_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "histogram.h"
#include "ledger.h"
#include "options.h"
#include "wire.h"

struct crowd;

struct crowd_counts {
    uint32_t open;     /* their response has begun with 200 */
    uint32_t refused;  /* another status, or no HTTP */
    uint32_t ended;    /* streams that the server ended in order */
    uint32_t cut;      /* streams that broke off, and connections that failed */
    int status;        /* of the last that was refused */
    uint64_t comments; /* lines that are comments: heartbeats */
};

/*
 * COUNT subscribers, none of which is connected. Subscriber i is of group i modulo the number of
 * groups. SENT_NS: by update, when it was sent; the histogram gets the time from there to each
 * delivery.
 */
struct crowd *crowd_make(const struct options *options, struct wire_loop *loop,
                         struct ledger *ledger, uint32_t count, const uint64_t *sent_ns,
                         struct histogram *latency);

/*
 * They connect from now on; crowd_step() goes on with it. AFTER: the last event id that each sends
 * (NULL: none), and FROM: the position that follows it in the group's order. UNTIL: a subscriber
 * that is at that position has caught up; the histogram gets the time that it took from now (0: not
 * watched).
 */
void crowd_connect(struct crowd *crowd, const char *after, uint32_t from, uint32_t until,
                   struct histogram *caught_up);

/* Lets more of them connect if there is room; whether all have an answer. */
bool crowd_step(struct crowd *crowd);

const struct crowd_counts *crowd_counts(const struct crowd *crowd);

/* How many have come in, or gone: grows as long as something happens to the connections. */
uint64_t crowd_answers(const struct crowd *crowd);

/* The id of the last event that the first subscriber got while it was at POSITION; "" if none. */
const char *crowd_event_id(const struct crowd *crowd, uint32_t position);

/* When the last update came; 0: none has. */
uint64_t crowd_last_ns(const struct crowd *crowd);

/* Members of a JSON object; false unless all are connected, and none has ended. */
bool crowd_report(const struct crowd *crowd, FILE *out);

#endif
