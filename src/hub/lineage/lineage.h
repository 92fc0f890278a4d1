/*
 * The lineage: which entries of the log a machine has in its ring, by their numbers, to find where
 * the engine has lost some of them.
 *
 * After a failover the log may continue from an earlier entry:
 *
 *     the ring      1 2 3 4 5 6        the log       1 2 3 4' 5' 6' 7'
 *                           ^ last                         ^ the fork is after 3
 *
 * The ring then continues with 4' 5' 6' 7'. Walking back through it, the numbers of the log as it
 * is now fall strictly (7' 6' 5' 4' 3 2 1); entries that break this order (6 5 4) are of a log that
 * is gone. The machine compares tokens with the engine, by bisection, to find the last entry that
 * both have.
 *
 * Pure: it knows no engine and no ring. One thread.
 */
#ifndef MRC_HUB_LINEAGE_LINEAGE_H
#define MRC_HUB_LINEAGE_LINEAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mrc_lineage_entry {
    uint64_t number;
    uint64_t writer, counter; /* these and the time: the token */
    int64_t time_us;
    uint64_t seq; /* in the ring */
};

/* Starts as {0}. */
struct mrc_lineage {
    struct mrc_lineage_entry *entries; /* from malloc() */
    size_t count, cap;
};

/* Adds the next entry of the ring, from older to newer. False: out of memory. */
bool mrc_lineage_add(struct mrc_lineage *lineage, const struct mrc_lineage_entry *entry);

/* After the last one: keeps only entries of the log as it was when the machine read it last. */
void mrc_lineage_close(struct mrc_lineage *lineage);

/* Frees its memory; it is {0} again. */
void mrc_lineage_free(struct mrc_lineage *lineage);

/*
 * The search for the fork. Entries [0, SHARED) are in the log too; those from GONE on are not. For
 * the entries [0, TRIMMED) that is assumed: the engine has removed the entries with their numbers,
 * as it does when the log grows.
 */
struct mrc_lineage_search {
    size_t trimmed, shared, gone;
};

/* Starts it. The engine has the numbers OLDEST to NEWEST. */
void mrc_lineage_begin(const struct mrc_lineage *lineage, uint64_t oldest, uint64_t newest,
                       struct mrc_lineage_search *ret_search);

/* The entry to compare next. False: the search has ended, and SHARED is GONE. */
bool mrc_lineage_next(const struct mrc_lineage_search *search, size_t *ret_entry);

/* Notes whether the engine has that entry, with the same token. */
void mrc_lineage_answer(struct mrc_lineage_search *search, size_t entry, bool is_there);

#endif
