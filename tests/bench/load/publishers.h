/* The publishers: each sends its updates in order, the next one when the last one was answered. */
#ifndef BENCH_PUBLISHERS_H
#define BENCH_PUBLISHERS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "histogram.h"
#include "ledger.h"
#include "options.h"
#include "wire.h"

struct publishers;

/* Makes publishers, which begin to connect. SENT_NS gets the time at which each update is due. */
struct publishers *publishers_make(const struct options *options, struct wire_loop *loop,
                                   struct ledger *ledger, uint64_t *sent_ns);

/* Whether all publishers are connected. */
bool publishers_are_connected(const struct publishers *publishers);

/*
 * Begins to publish all updates. With a rate, update u is due u / rate seconds from now, and its
 * latency begins then, even if its publisher still waits for an answer. Without a rate, an update
 * is due as soon as it can be sent.
 */
void publishers_start(struct publishers *publishers);

/* Sends the updates that are due. Returns when the next one is due, 0 if only after an answer. */
uint64_t publishers_step(struct publishers *publishers);

/* Whether all updates have been answered. */
bool publishers_are_done(const struct publishers *publishers);

/* The number of answers so far. */
uint32_t publishers_answered(const struct publishers *publishers);

/* The time from the start to the last answer, in seconds. */
double publishers_took_s(const struct publishers *publishers);

/* Prints members of a JSON object; returns whether every update was answered with success. */
bool publishers_report(const struct publishers *publishers, FILE *out);

#endif
