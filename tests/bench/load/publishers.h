/* The publishers: each sends its updates in order, and the next when the last was answered. */
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

/* SENT_NS: where it is written down when each update was due. All of OPTIONS' publishers connect.
 */
struct publishers *publishers_make(const struct options *options, struct wire_loop *loop,
                                   struct ledger *ledger, uint64_t *sent_ns);

/* Whether all have a connection. */
bool publishers_are_connected(const struct publishers *publishers);

/*
 * They publish all updates: update u is due at u / rate seconds from now, which is when its clock
 * starts, even if its publisher still waits for an answer; or, without a rate, as soon as it can be
 * sent.
 */
void publishers_start(struct publishers *publishers);

/* Sends what is due; when the next is (0: when an answer has come). */
uint64_t publishers_step(struct publishers *publishers);

/* Whether all updates have been answered. */
bool publishers_are_done(const struct publishers *publishers);

/* Answers so far. */
uint32_t publishers_answered(const struct publishers *publishers);

/* From start to the last answer, in seconds. */
double publishers_took_s(const struct publishers *publishers);

/* Members of a JSON object; false if an update was not answered with success. */
bool publishers_report(const struct publishers *publishers, FILE *out);

#endif
