#include "hub/transport/outbox.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "hub/hub/numbers.h"
#include "store/base/status.h"
#include "store/engine/entry.h"
#include "store/regions/link.h"
#include "store/regions/staging.h"

/* Limits of one batch, so that the engine serves others soon. */
#define BATCH_ENTRIES_MAX 64
#define BATCH_BYTES_MAX   ((size_t)1024 * 1024)

/* All slots of a staging area. */
#define SLOTS_MAX (MRC_STAGING_SLOTS + 1)

enum parcel_state { WAITS, FLIES, STORED };

/* A package. */
struct parcel {
    int slot;  /* -1: it is put back */
    char *own; /* the package that is put back, from malloc() */
    struct mrc_bytes package;
    uint64_t first, last; /* counters */
    enum parcel_state state;
    bool has_arrived;  /* in the ring */
    bool is_confirmed; /* by the replicas */
    bool was_sent;     /* perhaps by an earlier leader */
    bool is_again;     /* the engine had lost it, or may have, after the entry FORK */
    uint64_t fork;
    uint64_t number; /* while STORED: it has arrived once the ring has this entry */
    int64_t sent_us;
};

struct mrc_outbox {
    struct mrc_staging *staging;
    struct mrc_link *link;
    bool has_replicas;
    struct parcel *parcels; /* in the order of their counters */
    size_t count, cap;
    size_t slots;     /* the number of parcels in slots */
    bool is_flying;   /* a batch */
    bool has_arrived; /* some parcels that are in the ring may not be removed yet */
    uint64_t restored;
};

struct mrc_outbox *mrc_outbox_create(struct mrc_staging *staging, struct mrc_link *link,
                                     bool has_replicas)
{
    struct mrc_outbox *outbox = calloc(1, sizeof(*outbox));

    if (!outbox)
        return NULL;
    outbox->staging = staging;
    outbox->link = link;
    outbox->has_replicas = has_replicas;
    return outbox;
}

void mrc_outbox_free(struct mrc_outbox *outbox)
{
    if (!outbox)
        return;
    for (size_t i = 0; i < outbox->count; i++)
        free(outbox->parcels[i].own);
    free(outbox->parcels);
    free(outbox);
}

/* ---- parcels ----------------------------------------------------------------------------------*/

static bool reserve(struct mrc_outbox *outbox, size_t more)
{
    size_t cap = outbox->cap ? outbox->cap : 2 * SLOTS_MAX;
    struct parcel *grown;

    while (cap < outbox->count + more)
        cap *= 2;
    if (cap == outbox->cap)
        return true;
    grown = reallocarray(outbox->parcels, cap, sizeof(*grown));
    if (!grown)
        return false;
    outbox->parcels = grown;
    outbox->cap = cap;
    return true;
}

static void answer(struct mrc_outbox *outbox, const struct parcel *parcel, apr_status_t status)
{
    const struct mrc_staged staged = {.slot = parcel->slot, .status = status};

    if (parcel->slot >= 0)
        mrc_staging_finish(outbox->staging, &staged);
}

/* Removes the parcels for which the callback answers true, and keeps the order of the others. */
static void remove_if(struct mrc_outbox *outbox,
                      bool (*is_over)(struct mrc_outbox *outbox, struct parcel *parcel, void *ctx),
                      void *ctx)
{
    size_t kept = 0;

    for (size_t i = 0; i < outbox->count; i++) {
        struct parcel *parcel = &outbox->parcels[i];

        if (is_over(outbox, parcel, ctx)) {
            outbox->slots -= parcel->slot >= 0;
            free(parcel->own);
            continue;
        }
        outbox->parcels[kept++] = *parcel;
    }
    outbox->count = kept;
}

static int by_counter(const void *a, const void *b)
{
    uint64_t first_a = ((const struct parcel *)a)->first;
    uint64_t first_b = ((const struct parcel *)b)->first;

    return (first_a > first_b) - (first_a < first_b);
}

static void sort(struct mrc_outbox *outbox)
{
    if (outbox->count)
        qsort(outbox->parcels, outbox->count, sizeof(*outbox->parcels), by_counter);
}

/* Gives the package in UPDATE its counters. They are in its slot before the link's counter moves,
 * and before it is sent: a leader after this one finds them there. */
static void number(struct mrc_outbox *outbox, struct mrc_staged *update, uint32_t entries)
{
    uint64_t counter = mrc_link_counter(outbox->link);

    update->record.seq = counter + 1;
    mrc_staging_set_number(outbox->staging, update);
    mrc_link_set_counter(outbox->link, counter + entries);
}

/* Adds UPDATE, a taken slot. Room is reserved. */
static void add(struct mrc_outbox *outbox, struct mrc_staged *update)
{
    uint32_t entries = mrc_entry_package_count(update->record.payload);
    bool was_sent = false;

    if (entries == 0) {
        update->status = MRC_STATUS_CORRUPT;
        mrc_staging_finish(outbox->staging, update);
        return;
    }
    if (update->record.seq == 0)
        number(outbox, update, entries);
    else
        was_sent = true;
    outbox->parcels[outbox->count++] = (struct parcel){
        .was_sent = was_sent,
        .slot = update->slot,
        .package = update->record.payload,
        .first = update->record.seq,
        .last = update->record.seq + entries - 1,
    };
    outbox->slots++;
}

/* ---- taking over ------------------------------------------------------------------------------*/

/* The counter of the last entry of UPDATE, which has its number. */
static uint64_t last_of(const struct mrc_staged *update)
{
    return update->record.seq + mrc_entry_package_count(update->record.payload) - 1;
}

bool mrc_outbox_adopt(struct mrc_outbox *outbox, uint64_t seen)
{
    struct mrc_staged updates[SLOTS_MAX];
    uint64_t counter = mrc_link_counter(outbox->link);
    unsigned n;

    if (!reserve(outbox, SLOTS_MAX))
        return false;
    n = mrc_staging_adopt(outbox->staging, updates, SLOTS_MAX);
    if (seen > counter)
        counter = seen;
    /* A leader may have died between the number of a slot and its own counter. */
    for (unsigned i = 0; i < n; i++) {
        if (updates[i].record.seq && last_of(&updates[i]) > counter)
            counter = last_of(&updates[i]);
    }
    mrc_link_set_counter(outbox->link, counter);
    for (unsigned i = 0; i < n; i++) {
        if (updates[i].record.seq == 0 || last_of(&updates[i]) > seen) {
            add(outbox, &updates[i]);
        } else {
            /* The leader before this one may not have known, either, which replicas have it. */
            updates[i].status = outbox->has_replicas ? MRC_STATUS_UNCONFIRMED : APR_SUCCESS;
            mrc_staging_finish(outbox->staging, &updates[i]);
        }
    }
    sort(outbox);
    return true;
}

struct settling {
    uint64_t last, newest;
    bool will_come;
};

static bool settle(struct mrc_outbox *outbox, struct parcel *parcel, void *ctx)
{
    const struct settling *settling = ctx;

    if (parcel->last > settling->last) {
        /* Its publisher has been told that the result is unknown. */
        if (parcel->slot >= 0 && mrc_staging_is_orphan(outbox->staging, parcel->slot)) {
            answer(outbox, parcel, MRC_STATUS_UNCONFIRMED);
            return true;
        }
        parcel->state = WAITS;
        parcel->is_confirmed = false;
        return false;
    }
    parcel->state = STORED;
    parcel->number = settling->newest;
    if (settling->will_come && (!outbox->has_replicas || parcel->slot < 0))
        return false;
    /* It is too late to ask which replicas have it. */
    answer(outbox, parcel, outbox->has_replicas ? MRC_STATUS_UNCONFIRMED : APR_SUCCESS);
    return true;
}

void mrc_outbox_settle(struct mrc_outbox *outbox, uint64_t last, uint64_t newest, bool will_come)
{
    struct settling settling = {last, newest, will_come};

    outbox->is_flying = false;
    remove_if(outbox, settle, &settling);
    if (last > mrc_link_counter(outbox->link))
        mrc_link_set_counter(outbox->link, last);
}

void mrc_outbox_doubt(struct mrc_outbox *outbox, uint64_t fork)
{
    for (size_t i = 0; i < outbox->count; i++) {
        struct parcel *parcel = &outbox->parcels[i];

        if (parcel->state != WAITS || !parcel->was_sent)
            continue;
        if (!parcel->is_again || fork < parcel->fork)
            parcel->fork = fork;
        parcel->is_again = true;
    }
}

/* Puts PARCEL in its place, which is mostly the last one. Room is reserved. */
static void insert(struct mrc_outbox *outbox, const struct parcel *parcel)
{
    size_t i = outbox->count++;

    for (; i > 0 && outbox->parcels[i - 1].first > parcel->first; i--)
        outbox->parcels[i] = outbox->parcels[i - 1];
    outbox->parcels[i] = *parcel;
}

bool mrc_outbox_put_back(struct mrc_outbox *outbox, uint64_t counter, uint64_t stored_bytes,
                         struct mrc_bytes id, struct mrc_bytes record, uint64_t fork)
{
    const struct mrc_record lost = {.stored_bytes = stored_bytes, .id = id, .payload = record};
    struct mrc_buf package;
    struct parcel parcel = {
        .slot = -1,
        .first = counter,
        .last = counter,
        .is_again = true,
        .fork = fork,
    };

    mrc_buf_init(&package, SIZE_MAX);
    mrc_entry_add_package(&package, &lost, 1);
    if (mrc_buf_error(&package) || !reserve(outbox, 1)) {
        mrc_buf_free(&package);
        return false;
    }
    parcel.package.len = package.len;
    parcel.own = mrc_buf_take(&package, NULL);
    if (!parcel.own)
        return false;
    parcel.package.ptr = parcel.own;
    mrc_entry_mark_again(parcel.own);
    insert(outbox, &parcel);
    return true;
}

/* ---- sending ----------------------------------------------------------------------------------*/

/* Takes what is staged, as far as there are slots. */
static void take(struct mrc_outbox *outbox)
{
    struct mrc_staged updates[SLOTS_MAX];
    unsigned n;

    if (!reserve(outbox, SLOTS_MAX))
        return;
    n = mrc_staging_take(outbox->staging, updates, SLOTS_MAX);
    for (unsigned i = 0; i < n; i++)
        add(outbox, &updates[i]);
}

static size_t entries_of(const struct parcel *parcel)
{
    return (size_t)(parcel->last - parcel->first + 1);
}

static bool have_one_fork(const struct parcel *a, const struct parcel *b)
{
    return a->is_again == b->is_again && a->fork == b->fork;
}

/* The number of parcels from FIRST on that can be sent together: without a gap between their
 * counters, and with one fork. */
static size_t measure(const struct mrc_outbox *outbox, size_t first, size_t *ret_entries)
{
    size_t entries = 0, bytes = 0, n = 0;

    for (size_t i = first; i < outbox->count; i++, n++) {
        const struct parcel *parcel = &outbox->parcels[i];

        if (n > 0 && (parcel->first != parcel[-1].last + 1 || !have_one_fork(parcel, parcel - 1) ||
                      entries + entries_of(parcel) > BATCH_ENTRIES_MAX ||
                      bytes + parcel->package.len > BATCH_BYTES_MAX))
            break;
        entries += entries_of(parcel);
        bytes += parcel->package.len;
    }
    *ret_entries = entries;
    return n;
}

static void add_entries(struct mrc_redis *redis, const struct parcel *parcel)
{
    struct mrc_bytes rest = {parcel->package.ptr + sizeof(uint32_t),
                             parcel->package.len - sizeof(uint32_t)};
    struct mrc_entry_part part;

    while (mrc_entry_next(&rest, &part))
        mrc_redis_entry_add(redis, part.stored_bytes, part.blob, part.operation);
}

bool mrc_outbox_send(struct mrc_outbox *outbox, struct mrc_redis *redis,
                     const struct mrc_redis_keys *keys, struct mrc_redis_publish *publish,
                     int64_t now_us)
{
    size_t first = 0, n;

    if (outbox->is_flying)
        return false;
    take(outbox);
    while (first < outbox->count && outbox->parcels[first].state != WAITS)
        first++;
    if (first == outbox->count)
        return false;
    n = measure(outbox, first, &publish->entries);
    publish->writer = mrc_link_writer(outbox->link);
    publish->counter = outbox->parcels[first].first;
    publish->is_again = outbox->parcels[first].is_again;
    publish->fork = outbox->parcels[first].fork;
    mrc_redis_publish_add(redis, keys, publish);
    for (size_t i = first; i < first + n; i++) {
        add_entries(redis, &outbox->parcels[i]);
        outbox->parcels[i].state = FLIES;
        outbox->parcels[i].was_sent = true;
        outbox->parcels[i].sent_us = now_us;
    }
    outbox->is_flying = true;
    mrc_link_count(outbox->link, MRC_LINK_BATCHES, 1);
    return true;
}

/* ---- replies ----------------------------------------------------------------------------------*/

static void count_time(struct mrc_outbox *outbox, int64_t us)
{
    mrc_link_count(outbox->link, (unsigned)MRC_LINK_COMMIT + mrc_numbers_bucket(us), 1);
    mrc_link_count(outbox->link, MRC_LINK_COMMIT_US, us > 0 ? (uint64_t)us : 0);
}

/* Answers a parcel that is in the ring, and whose replicas are known. */
static bool is_done(struct mrc_outbox *outbox, struct parcel *parcel, void *ctx)
{
    const int64_t *now_us = ctx;

    if (!parcel->has_arrived ||
        (outbox->has_replicas && parcel->slot >= 0 && !parcel->is_confirmed))
        return false;
    if (parcel->slot >= 0 && parcel->sent_us)
        count_time(outbox, *now_us - parcel->sent_us);
    answer(outbox, parcel, APR_SUCCESS);
    outbox->restored += parcel->slot < 0;
    return true;
}

void mrc_outbox_stored(struct mrc_outbox *outbox, uint64_t newest)
{
    for (size_t i = 0; i < outbox->count; i++) {
        struct parcel *parcel = &outbox->parcels[i];

        if (parcel->state == FLIES) {
            parcel->state = STORED;
            parcel->number = newest;
        }
    }
    if (!outbox->has_replicas)
        outbox->is_flying = false;
}

static bool is_short_of_replicas(struct mrc_outbox *outbox, struct parcel *parcel, void *ctx)
{
    if (parcel->state != STORED || parcel->is_confirmed || parcel->slot < 0)
        return false;
    mrc_link_count(outbox->link, (unsigned)MRC_LINK_REFUSED + MRC_LINK_REFUSED_REPLICAS, 1);
    answer(outbox, parcel, MRC_STATUS_UNCONFIRMED);
    return true;
}

void mrc_outbox_confirmed(struct mrc_outbox *outbox, bool is_enough, int64_t now_us)
{
    outbox->is_flying = false;
    if (!is_enough) {
        remove_if(outbox, is_short_of_replicas, NULL);
        return;
    }
    for (size_t i = 0; i < outbox->count; i++) {
        if (outbox->parcels[i].state == STORED)
            outbox->parcels[i].is_confirmed = true;
    }
    remove_if(outbox, is_done, &now_us);
}

static bool is_refused(struct mrc_outbox *outbox, struct parcel *parcel, void *ctx)
{
    if (parcel->state != FLIES)
        return false;
    if (parcel->slot < 0) {
        parcel->state = WAITS;
        return false;
    }
    mrc_link_count(outbox->link, (unsigned)MRC_LINK_REFUSED + MRC_LINK_REFUSED_FULL, 1);
    answer(outbox, parcel, MRC_STATUS_UNREACHABLE);
    return true;
}

void mrc_outbox_refused(struct mrc_outbox *outbox)
{
    if (!outbox->has_replicas) /* otherwise what comes next answers for this batch, too */
        outbox->is_flying = false;
    remove_if(outbox, is_refused, NULL);
}

static bool is_waiting(struct mrc_outbox *outbox, struct parcel *parcel, void *ctx)
{
    if (parcel->slot < 0 || parcel->state != WAITS)
        return false;
    mrc_link_count(outbox->link, (unsigned)MRC_LINK_REFUSED + MRC_LINK_REFUSED_FULL, 1);
    answer(outbox, parcel, parcel->was_sent ? MRC_STATUS_UNCONFIRMED : MRC_STATUS_UNREACHABLE);
    return true;
}

void mrc_outbox_refuse(struct mrc_outbox *outbox)
{
    take(outbox);
    remove_if(outbox, is_waiting, NULL);
}

/* Thousands may be put back, so those are removed together. */
void mrc_outbox_arrived(struct mrc_outbox *outbox, uint64_t counter, int64_t now_us)
{
    bool has_publisher = false;

    for (size_t i = 0; i < outbox->count && outbox->parcels[i].last <= counter; i++) {
        struct parcel *parcel = &outbox->parcels[i];

        has_publisher = has_publisher || (parcel->slot >= 0 && !parcel->has_arrived);
        outbox->has_arrived = parcel->has_arrived = true;
    }
    if (has_publisher)
        remove_if(outbox, is_done, &now_us);
}

void mrc_outbox_reached(struct mrc_outbox *outbox, uint64_t number, int64_t now_us)
{
    bool has_any = outbox->has_arrived;

    outbox->has_arrived = false;
    for (size_t i = 0; i < outbox->count; i++) {
        struct parcel *parcel = &outbox->parcels[i];

        if (parcel->state == STORED && !parcel->has_arrived && parcel->number <= number)
            has_any = parcel->has_arrived = true;
    }
    if (has_any)
        remove_if(outbox, is_done, &now_us);
}

/* What was to be put back is found again when the hub is joined. What was sent over an earlier
 * connection may still be in a socket of the engine, which then stores it. */
static bool is_unsent(struct mrc_outbox *outbox, struct parcel *parcel, void *ctx)
{
    if (parcel->slot < 0)
        return true;
    if (parcel->state != WAITS)
        return false;
    mrc_link_count_refused(outbox->link);
    answer(outbox, parcel, parcel->was_sent ? MRC_STATUS_UNCONFIRMED : MRC_STATUS_UNREACHABLE);
    return true;
}

void mrc_outbox_lost(struct mrc_outbox *outbox)
{
    outbox->is_flying = false;
    remove_if(outbox, is_unsent, NULL);
}

void mrc_outbox_refuse_staged(struct mrc_outbox *outbox)
{
    struct mrc_staged updates[SLOTS_MAX];
    unsigned n = mrc_staging_take(outbox->staging, updates, SLOTS_MAX);

    for (unsigned i = 0; i < n; i++) {
        mrc_link_count_refused(outbox->link);
        updates[i].status = MRC_STATUS_UNREACHABLE;
        mrc_staging_finish(outbox->staging, &updates[i]);
    }
}

bool mrc_outbox_has_work(const struct mrc_outbox *outbox)
{
    if (outbox->is_flying)
        return false;
    for (size_t i = 0; i < outbox->count; i++) {
        if (outbox->parcels[i].state == WAITS)
            return true;
    }
    return mrc_staging_has_staged(outbox->staging);
}

bool mrc_outbox_is_empty(const struct mrc_outbox *outbox)
{
    return outbox->count == 0;
}

bool mrc_outbox_restores(const struct mrc_outbox *outbox)
{
    for (size_t i = 0; i < outbox->count; i++) {
        if (outbox->parcels[i].slot < 0 && !outbox->parcels[i].has_arrived)
            return true;
    }
    return false;
}

uint64_t mrc_outbox_take_restored(struct mrc_outbox *outbox)
{
    uint64_t restored = outbox->restored;

    outbox->restored = 0;
    return restored;
}
