/*
 * The machines of a hub, as this one sees them: each reports a value that changes with every beat.
 * A machine whose value has not changed for a lease, by this machine's own clock, counts as dead;
 * no clocks are compared.
 *
 *     name     NAME.WRITER     the writer is another one after a restart of the machine
 *     value    beats, writer, number of its last entry, subscribers, version; or - (engine.h)
 *
 * Half a lease is enough for a machine with this machine's own NAME: it is this machine before a
 * restart.
 *
 * One thread.
 */
#ifndef MRC_HUB_TRANSPORT_MACHINES_H
#define MRC_HUB_TRANSPORT_MACHINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/bytes.h"

/* More machines than these are not watched; they count as living. */
#define MRC_MACHINES_MAX 256

#define MRC_MACHINES_TEXT_BYTES 160 /* of a name, and of a value, with the terminator */

struct mrc_machine {
    char name[MRC_MACHINES_TEXT_BYTES];
    char value[MRC_MACHINES_TEXT_BYTES];
    int64_t since_us; /* since when this machine knows the value */
    bool is_there;    /* in the report that is being read */
    bool is_left;     /* to other machines to remove, as long as it has this value */
};

/* Starts as {0}. */
struct mrc_machines {
    struct mrc_machine *machines; /* from malloc() */
    size_t count;
    size_t others;   /* in the report that is being read, and not watched */
    const char *own; /* the name of this machine, with its writer; NULL: none */
};

/* Reads a report: begin, one call for each machine, end. */
void mrc_machines_begin(struct mrc_machines *machines);
void mrc_machines_see(struct mrc_machines *machines, struct mrc_bytes name, struct mrc_bytes value,
                      int64_t now_us);

/* Forgets the machines that were not in the report. Returns the number of those that live. */
size_t mrc_machines_end(struct mrc_machines *machines, int64_t lease_us, int64_t now_us);

/* The subscribers of all machines that live, except this one. */
uint64_t mrc_machines_subscribers(const struct mrc_machines *machines, int64_t lease_us,
                                  int64_t now_us);

/* A machine that is dead and not left to others; NULL: none is. */
const struct mrc_machine *mrc_machines_find_dead(const struct mrc_machines *machines,
                                                 int64_t lease_us, int64_t now_us);

/* This machine cannot remove the machine NAME. If it comes back and dies again, that is looked at
 * anew. */
void mrc_machines_leave(struct mrc_machines *machines, const char *name);

/* This machine itself was without the engine, or the engine accepted no beats: no machine counts as
 * dead because of that time. */
void mrc_machines_forgive(struct mrc_machines *machines, int64_t now_us);

/* Frees its memory; it has no machines again. */
void mrc_machines_free(struct mrc_machines *machines);

#endif
