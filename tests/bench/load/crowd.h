/* The subscribers connect, a limited number at a time, and report their events to the ledger. */
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
    uint32_t open;     /* streams that were answered with 200 and have not ended */
    uint32_t refused;  /* answered with another status, or not with HTTP */
    uint32_t ended;    /* streams that the server ended cleanly */
    uint32_t cut;      /* streams that broke off, and connections that failed */
    int status;        /* of the last refused stream */
    uint64_t comments; /* comment lines, such as heartbeats */
};

/*
 * Makes COUNT subscribers, none of which is connected. Subscriber i belongs to group i modulo the
 * number of groups. SENT_NS has the time at which each update was sent; LATENCY gets the time from
 * then to each delivery.
 */
struct crowd *crowd_make(const struct options *options, struct wire_loop *loop,
                         struct ledger *ledger, uint32_t count, const uint64_t *sent_ns,
                         struct histogram *latency);

/*
 * Begins to connect the subscribers; crowd_step() continues.
 *
 *     AFTER     the last event id that each subscriber sends, or NULL
 *     FROM      the position after that event in the group's order
 *     UNTIL     a subscriber at this position has caught up; 0: this is not measured
 *     CAUGHT_UP gets the time from now until each subscriber has caught up
 */
void crowd_connect(struct crowd *crowd, const char *after, uint32_t from, uint32_t until,
                   struct histogram *caught_up);

/* Connects more subscribers, as far as the options allow. Returns whether all have an answer. */
bool crowd_step(struct crowd *crowd);

const struct crowd_counts *crowd_counts(const struct crowd *crowd);

/* A number that grows with each stream that opens or ends. */
uint64_t crowd_answers(const struct crowd *crowd);

/* The id of the event that the first subscriber got at POSITION (0 or 1); "" if there is none. */
const char *crowd_event_id(const struct crowd *crowd, uint32_t position);

/* The time at which the last update came; 0 if none has. */
uint64_t crowd_last_ns(const struct crowd *crowd);

/* Prints members of a JSON object; returns whether all are connected and none has ended. */
bool crowd_report(const struct crowd *crowd, FILE *out);

#endif
