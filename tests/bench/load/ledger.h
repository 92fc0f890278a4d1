/*
 * Proves that nothing is lost, duplicated or reordered.
 *
 * Updates are numbered, and the number determines the topic and every byte of the data. Subscribers
 * of the same topics are a group. The hub must deliver to all members of a group in one order; the
 * first reader that gets an update determines its position:
 *
 *     group's order    17  21  18  30  …          each update has a position
 *     reader A         17  21  18  30  (next 4)   determined the order
 *     reader B         17  21  (next 2)           the next update must be at position 2
 *     reader C         17  18  (next 3)           a gap at 1: lost, or reordered if it comes later
 *
 * The cost of a delivery does not depend on the number of updates and readers.
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
 * Makes a ledger for at most UPDATES updates of DATA_BYTES each. Publisher u % PUBLISHERS sends
 * update u; each publisher sends its updates in order. TOPICS_EACH of the TOPICS make a group.
 */
struct ledger *ledger_make(uint32_t updates, uint32_t publishers, uint32_t topics,
                           uint32_t topics_each, size_t data_bytes);

/* The topic of an update: a pseudo-random one, but always the same for the same update. */
uint32_t ledger_topic(const struct ledger *ledger, uint32_t update);

/* Writes the data of an update: letters and digits, which need no escaping in a form. */
void ledger_write(const struct ledger *ledger, uint32_t update, char *ret_data);

/* Adds a subscriber of GROUP that begins at position FROM of the group's order. */
void ledger_join(struct ledger *ledger, struct ledger_reader *ret_reader, uint32_t group,
                 uint32_t from);

/* Notes that the hub has accepted an update, which the readers of its group must get. */
void ledger_accept(struct ledger *ledger, uint32_t update);

/* Takes the data of an event. Returns the number of its update, or UINT32_MAX if it is not one. */
uint32_t ledger_receive(struct ledger *ledger, struct ledger_reader *reader, const char *data,
                        size_t len);

struct ledger_counts {
    uint64_t received; /* different deliveries, including late ones */
    uint64_t lost;     /* deliveries that have not come */
    uint64_t doubled, reordered, misrouted;
    uint64_t corrupt; /* events whose data is not that of an update */
};

struct ledger_counts ledger_count(const struct ledger *ledger);

/* Whether all readers have received all accepted updates. */
bool ledger_is_complete(const struct ledger *ledger);

/* Prints the counts as members of a JSON object; returns whether all came once and in order. */
bool ledger_report(const struct ledger *ledger, FILE *out);

#endif
