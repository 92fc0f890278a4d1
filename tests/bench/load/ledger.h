/*
 * The proof that nothing is lost, doubled or reordered.
 *
 * Updates are numbered; number and topic determine every byte of an update's data. Subscribers of
 * the same topics are a group, and a hub owes all of a group one order. Whoever is ahead writes it
 * down:
 *
 *     group's order    17  21  18  30  …          a position in the order for each update
 *     reader A         17  21  18  30  (next 4)   it wrote the order down
 *     reader B         17  21  (next 2)           each update must be at "next"
 *     reader C         17  18  (next 3)           a gap at 1: lost, or reordered if it comes later
 *
 * That costs the same for each delivery, however many updates and readers there are.
 */
#ifndef BENCH_LEDGER_H
#define BENCH_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define LEDGER_DATA_MIN 16 /* bytes of an update's data */

struct ledger;
struct ledger_gap;

struct ledger_reader {
    uint32_t group, next;
    struct ledger_gap *gaps;
};

/*
 * UPDATES: how many there may be; PUBLISHERS send them, UPDATE number u by publisher u %
 * PUBLISHERS, in order. TOPICS are of groups of TOPICS_EACH. DATA_BYTES: of each update.
 */
struct ledger *ledger_make(uint32_t updates, uint32_t publishers, uint32_t topics,
                           uint32_t topics_each, size_t data_bytes);

/* The topic of an update: any of them, but always the same. */
uint32_t ledger_topic(const struct ledger *ledger, uint32_t update);

/* Writes the DATA_BYTES of an update: letters and digits, which no form needs to escape. */
void ledger_write(const struct ledger *ledger, uint32_t update, char *ret_data);

/* A subscriber of GROUP that begins with the update at position FROM of the group's order. */
void ledger_join(struct ledger *ledger, struct ledger_reader *ret_reader, uint32_t group,
                 uint32_t from);

/* The hub has taken an update, which its group's readers must get. */
void ledger_accept(struct ledger *ledger, uint32_t update);

/* An event came, with these bytes of data; the update's number, or UINT32_MAX if it is no update.
 */
uint32_t ledger_receive(struct ledger *ledger, struct ledger_reader *reader, const char *data,
                        size_t len);

struct ledger_counts {
    uint64_t received; /* deliveries that came once, late ones too */
    uint64_t lost;     /* that have not come */
    uint64_t doubled, reordered, misrouted;
    uint64_t corrupt; /* whose data is of no update */
};

struct ledger_counts ledger_count(const struct ledger *ledger);

/* Whether all readers have got all that was accepted. */
bool ledger_is_complete(const struct ledger *ledger);

/* Members of a JSON object: the counts; false unless all of them are as they must be. */
bool ledger_report(const struct ledger *ledger, FILE *out);

#endif
