#include "store/regions/staging.h"

#include <stdatomic.h>
#include <string.h>

#include "store/base/futex.h"
#include "store/base/status.h"
#include "store/regions/staging_layout.h"
#include "store/shm/control_layout.h"

#define SLOTS_MAX 4096

_Static_assert(MRC_CONTROL_SLOTS_MAX <= MRC_STAGING_OWNERS_MAX, "a word has room for each child");

struct mrc_staging {
    struct mrc_staging_header *header;
    char *slots;
    unsigned count; /* from here on, this process's own copies; the shared ones are not trusted */
    unsigned total; /* COUNT, and the large slot if there is one */
    uint64_t data_bytes;
    uint64_t large_bytes;
    uint64_t stride;
    struct mrc_sparse *pages; /* NULL: all slots are allocated */
};

static uint64_t stride_of(uint64_t data_bytes)
{
    return sizeof(struct mrc_staging_slot) + ((data_bytes + 63) & ~UINT64_C(63));
}

uint64_t mrc_staging_bytes(unsigned slots, uint64_t data_bytes, uint64_t large_bytes)
{
    return sizeof(struct mrc_staging_header) + slots * stride_of(data_bytes) +
           (large_bytes ? stride_of(large_bytes) : 0);
}

uint64_t mrc_staging_head_bytes(void)
{
    return sizeof(struct mrc_staging_header);
}

void mrc_staging_use_sparse(struct mrc_staging *staging, struct mrc_sparse *pages)
{
    staging->pages = pages;
}

apr_status_t mrc_staging_create(void *region, uint64_t bytes, uint64_t large_bytes,
                                struct mrc_error *error)
{
    struct mrc_staging_header *header = region;
    uint64_t other = mrc_staging_bytes(0, MRC_STAGING_DATA_BYTES, large_bytes);
    uint64_t count = bytes > other ? (bytes - other) / stride_of(MRC_STAGING_DATA_BYTES) : 0;
    apr_status_t status;

    if (count == 0 || count > SLOTS_MAX)
        return mrc_status_set(error, APR_EINVAL, "a staging area cannot have this size");
    header->magic = MRC_STAGING_MAGIC;
    header->version = MRC_STAGING_VERSION;
    header->slot_count = (uint32_t)count;
    header->data_bytes = MRC_STAGING_DATA_BYTES;
    header->large_bytes = large_bytes;
    status = mrc_lock_init(&header->lock);
    return status ? mrc_status_set(error, status,
                                   "the system has no robust locks that processes can share")
                  : APR_SUCCESS;
}

apr_status_t mrc_staging_attach(apr_pool_t *pool, void *region, uint64_t bytes,
                                struct mrc_staging **ret_staging)
{
    struct mrc_staging_header *header = region;
    struct mrc_staging *staging;

    if (bytes < sizeof(*header) || header->magic != MRC_STAGING_MAGIC ||
        header->version != MRC_STAGING_VERSION || header->slot_count == 0 ||
        header->slot_count > SLOTS_MAX || header->data_bytes > bytes ||
        header->large_bytes > bytes ||
        mrc_staging_bytes(header->slot_count, header->data_bytes, header->large_bytes) > bytes)
        return MRC_STATUS_CORRUPT;
    staging = apr_pcalloc(pool, sizeof(*staging));
    staging->header = header;
    staging->slots = (char *)(header + 1);
    staging->count = header->slot_count;
    staging->total = header->slot_count + (header->large_bytes > 0);
    staging->data_bytes = header->data_bytes;
    staging->large_bytes = header->large_bytes;
    staging->stride = stride_of(header->data_bytes);
    *ret_staging = staging;
    return APR_SUCCESS;
}

static struct mrc_staging_slot *slot_at(const struct mrc_staging *staging, unsigned i)
{
    return (struct mrc_staging_slot *)(void *)(staging->slots + i * staging->stride);
}

/* Slot I, if it was ever used; NULL: it is not allocated, so it is free. */
static struct mrc_staging_slot *used_slot(const struct mrc_staging *staging, unsigned i)
{
    struct mrc_staging_slot *slot = slot_at(staging, i);

    return mrc_sparse_have(staging->pages, slot, sizeof(*slot)) ? slot : NULL;
}

/* The bytes that slot I has for data. */
static uint64_t room_of(const struct mrc_staging *staging, unsigned i)
{
    return i < staging->count ? staging->data_bytes : staging->large_bytes;
}

static enum mrc_staging_state state_of(uint32_t word)
{
    return (enum mrc_staging_state)(word & ((1U << MRC_STAGING_OWNER_SHIFT) - 1));
}

static unsigned owner_of(uint32_t word)
{
    return word >> MRC_STAGING_OWNER_SHIFT & (MRC_STAGING_OWNERS_MAX - 1);
}

/* WORD with state TO. A free slot has no owner, and keeps the number of its last claim. */
static uint32_t with_state(uint32_t word, enum mrc_staging_state to)
{
    unsigned shift = to == MRC_STAGING_FREE ? MRC_STAGING_CLAIM_SHIFT : MRC_STAGING_OWNER_SHIFT;

    return word >> shift << shift | (uint32_t)to;
}

static enum mrc_staging_state state_at(const struct mrc_staging *staging, unsigned i)
{
    const struct mrc_staging_slot *slot = used_slot(staging, i);

    return slot ? state_of(atomic_load(&slot->word)) : MRC_STAGING_FREE;
}

/* Changes the state of a slot from FROM to TO. False: it is not in FROM. */
static bool change(struct mrc_staging_slot *slot, enum mrc_staging_state from,
                   enum mrc_staging_state to)
{
    uint32_t word = atomic_load(&slot->word);

    while (state_of(word) == from)
        if (atomic_compare_exchange_weak(&slot->word, &word, with_state(word, to)))
            return true;
    return false;
}

/* ---- The publish lock -------------------------------------------------------------------------*/

apr_status_t mrc_staging_lock(struct mrc_staging *staging, int64_t wait_us)
{
    bool owner_died;
    apr_status_t status = mrc_lock_acquire(&staging->header->lock, wait_us, &owner_died);

    if (!status && owner_died)
        atomic_store(&staging->header->recovery, 1);
    return status;
}

static void nudge_one(struct mrc_staging *staging)
{
    for (unsigned i = 0; i < staging->total; i++) {
        struct mrc_staging_slot *slot = used_slot(staging, i);

        if (slot && change(slot, MRC_STAGING_STAGED, MRC_STAGING_NUDGED)) {
            mrc_futex_wake_all(&slot->word);
            return;
        }
    }
}

void mrc_staging_unlock(struct mrc_staging *staging)
{
    mrc_lock_release(&staging->header->lock);
    nudge_one(staging);
}

bool mrc_staging_needs_recovery(const struct mrc_staging *staging)
{
    return atomic_load(&staging->header->recovery) != 0;
}

void mrc_staging_recovered(struct mrc_staging *staging)
{
    atomic_store(&staging->header->recovery, 0);
}

uint64_t mrc_staging_epoch(const struct mrc_staging *staging, uint64_t *ret_offset)
{
    *ret_offset = atomic_load(&staging->header->offset);
    return atomic_load(&staging->header->epoch);
}

void mrc_staging_bind(struct mrc_staging *staging, uint64_t epoch, uint64_t offset)
{
    atomic_store(&staging->header->epoch, 0); /* a death in between leaves no epoch */
    atomic_store(&staging->header->offset, offset);
    atomic_store(&staging->header->epoch, epoch);
}

uint64_t mrc_staging_horizon(const struct mrc_staging *staging)
{
    return atomic_load(&staging->header->horizon);
}

void mrc_staging_set_horizon(struct mrc_staging *staging, uint64_t number)
{
    atomic_store(&staging->header->horizon, number);
}

bool mrc_staging_claim_left(struct mrc_staging *staging, unsigned owner)
{
    uint64_t reader = 0;

    return atomic_load(&staging->header->horizon) != 0 &&
           (atomic_compare_exchange_strong(&staging->header->left_reader, &reader,
                                           (uint64_t)owner + 1) ||
            reader == (uint64_t)owner + 1);
}

void mrc_staging_release_left(struct mrc_staging *staging, unsigned owner, bool is_done)
{
    uint64_t reader = (uint64_t)owner + 1;

    if (atomic_load(&staging->header->left_reader) != reader)
        return;
    if (is_done)
        atomic_store(&staging->header->horizon, 0);
    atomic_compare_exchange_strong(&staging->header->left_reader, &reader, 0);
}

uint64_t mrc_staging_commits(const struct mrc_staging *staging)
{
    return atomic_load(&staging->header->commits);
}

void mrc_staging_count_commit(struct mrc_staging *staging)
{
    atomic_fetch_add(&staging->header->commits, 1);
}

/* ---- Publishers -------------------------------------------------------------------------------*/

/* A ticket has the number of a slot, and above it the owner and the number of the claim. */
static struct mrc_staging_slot *slot_of(const struct mrc_staging *staging, int64_t ticket)
{
    return slot_at(staging, (unsigned)(ticket % (SLOTS_MAX + 1)));
}

static bool is_claimed_by(uint32_t word, int64_t ticket)
{
    return word >> MRC_STAGING_OWNER_SHIFT == (uint32_t)(ticket / (SLOTS_MAX + 1));
}

/* Claims slot I for FILLING, if it is free and there is memory for BYTES of data. Returns the
 * ticket, or -1. */
static int64_t try_claim(struct mrc_staging *staging, unsigned i, unsigned owner, uint64_t bytes)
{
    struct mrc_staging_slot *slot = slot_at(staging, i);
    uint32_t free_word, word;

    if (mrc_sparse_take(staging->pages, slot, sizeof(*slot) + bytes) != APR_SUCCESS)
        return -1;
    free_word = atomic_load(&slot->word);
    word = (free_word + (1U << MRC_STAGING_CLAIM_SHIFT)) | owner << MRC_STAGING_OWNER_SHIFT |
           MRC_STAGING_FILLING;
    if (state_of(free_word) != MRC_STAGING_FREE ||
        !atomic_compare_exchange_strong(&slot->word, &free_word, word))
        return -1;
    return (int64_t)(word >> MRC_STAGING_OWNER_SHIFT) * (SLOTS_MAX + 1) + i;
}

/* Claims a free slot with room for BYTES; -1: there is none. Children search from different places,
 * first among the slots that were used before. */
static int64_t claim(struct mrc_staging *staging, unsigned owner, uint64_t bytes)
{
    unsigned start = owner * 7;

    if (bytes > staging->data_bytes)
        return bytes <= staging->large_bytes ? try_claim(staging, staging->count, owner, bytes)
                                             : -1;
    for (int may_be_new = 0; may_be_new <= 1; may_be_new++) {
        for (unsigned n = 0; n < staging->count; n++) {
            unsigned i = (start + n) % staging->count;
            int64_t ticket = -1;

            if (may_be_new || used_slot(staging, i))
                ticket = try_claim(staging, i, owner, bytes);
            if (ticket >= 0)
                return ticket;
        }
    }
    return -1;
}

/* As change(), if the slot still has the claim of TICKET. */
static bool change_own(struct mrc_staging *staging, int64_t ticket, enum mrc_staging_state from,
                       enum mrc_staging_state to)
{
    struct mrc_staging_slot *slot = slot_of(staging, ticket);
    uint32_t word = atomic_load(&slot->word);

    while (state_of(word) == from && is_claimed_by(word, ticket))
        if (atomic_compare_exchange_weak(&slot->word, &word, with_state(word, to)))
            return true;
    return false;
}

uint64_t mrc_staging_largest(const struct mrc_staging *staging)
{
    return staging->large_bytes > staging->data_bytes ? staging->large_bytes : staging->data_bytes;
}

int64_t mrc_staging_stage(struct mrc_staging *staging, unsigned owner,
                          const struct mrc_record *record)
{
    struct mrc_staging_slot *slot;
    int64_t ticket;
    char *data;

    if (record->id.len > UINT32_MAX || record->payload.len > UINT32_MAX ||
        owner >= MRC_STAGING_OWNERS_MAX)
        return -1;
    ticket = claim(staging, owner, (uint64_t)record->id.len + record->payload.len);
    if (ticket < 0)
        return -1;
    slot = slot_of(staging, ticket);
    data = (char *)(slot + 1);
    atomic_store(&slot->number, 0);
    slot->id_bytes = (uint32_t)record->id.len;
    slot->payload_bytes = (uint32_t)record->payload.len;
    slot->stored_bytes = (uint32_t)record->stored_bytes;
    slot->time_us = record->time_us;
    slot->mark = (uint32_t)record->mark;
    slot->subject = record->subject;
    if (record->id.len)
        memcpy(data, record->id.ptr, record->id.len);
    if (record->payload.len)
        memcpy(data + record->id.len, record->payload.ptr, record->payload.len);
    change_own(staging, ticket, MRC_STAGING_FILLING, MRC_STAGING_STAGED);
    return ticket;
}

bool mrc_staging_poll(struct mrc_staging *staging, int64_t ticket, apr_status_t *ret_status)
{
    struct mrc_staging_slot *slot = slot_of(staging, ticket);
    uint32_t word = atomic_load(&slot->word);
    apr_status_t status;

    if (!is_claimed_by(word, ticket) || state_of(word) == MRC_STAGING_ORPHAN) {
        *ret_status = MRC_STATUS_UNCONFIRMED;
        return true;
    }
    if (state_of(word) != MRC_STAGING_DONE)
        return false;
    status = (apr_status_t)atomic_load(&slot->status);
    *ret_status = change_own(staging, ticket, MRC_STAGING_DONE, MRC_STAGING_FREE)
                      ? status
                      : MRC_STATUS_UNCONFIRMED;
    return true;
}

void mrc_staging_wait(struct mrc_staging *staging, int64_t ticket, int64_t wait_us)
{
    struct mrc_staging_slot *slot = slot_of(staging, ticket);
    uint32_t word = atomic_load(&slot->word);

    if (is_claimed_by(word, ticket) &&
        (state_of(word) == MRC_STAGING_STAGED || state_of(word) == MRC_STAGING_TAKEN))
        mrc_futex_wait(&slot->word, word, wait_us);
}

void mrc_staging_answer_nudge(struct mrc_staging *staging, int64_t ticket)
{
    change_own(staging, ticket, MRC_STAGING_NUDGED, MRC_STAGING_STAGED);
}

bool mrc_staging_withdraw(struct mrc_staging *staging, int64_t ticket)
{
    return change_own(staging, ticket, MRC_STAGING_STAGED, MRC_STAGING_FREE) ||
           change_own(staging, ticket, MRC_STAGING_NUDGED, MRC_STAGING_FREE);
}

bool mrc_staging_abandon(struct mrc_staging *staging, int64_t ticket)
{
    return change_own(staging, ticket, MRC_STAGING_TAKEN, MRC_STAGING_ORPHAN);
}

void mrc_staging_fold(struct mrc_staging *staging, unsigned owner)
{
    mrc_staging_release_left(staging, owner, false);
    for (unsigned i = 0; i < staging->total; i++) {
        struct mrc_staging_slot *slot = used_slot(staging, i);

        if (!slot || owner_of(atomic_load(&slot->word)) != owner)
            continue;
        if (!change(slot, MRC_STAGING_STAGED, MRC_STAGING_FREE) &&
            !change(slot, MRC_STAGING_NUDGED, MRC_STAGING_FREE) &&
            !change(slot, MRC_STAGING_TAKEN, MRC_STAGING_ORPHAN) &&
            !change(slot, MRC_STAGING_DONE, MRC_STAGING_FREE))
            change(slot, MRC_STAGING_FILLING, MRC_STAGING_FREE);
    }
}

/* ---- The leader -------------------------------------------------------------------------------*/

static void finish(struct mrc_staging_slot *slot, apr_status_t status)
{
    atomic_store(&slot->status, (uint32_t)status);
    if (change(slot, MRC_STAGING_TAKEN, MRC_STAGING_DONE))
        mrc_futex_wake_all(&slot->word);
    else
        change(slot, MRC_STAGING_ORPHAN, MRC_STAGING_FREE);
}

/* Views the update in slot I. False: its lengths are impossible. */
static bool view(const struct mrc_staging *staging, unsigned i, struct mrc_staged *ret_update)
{
    const struct mrc_staging_slot *slot = slot_at(staging, i);
    const char *data = (const char *)(slot + 1);

    if (slot->id_bytes > room_of(staging, i) ||
        slot->payload_bytes > room_of(staging, i) - slot->id_bytes)
        return false;
    *ret_update = (struct mrc_staged){
        .record =
            {
                .time_us = slot->time_us,
                .stored_bytes = slot->stored_bytes,
                .id = {data, slot->id_bytes},
                .payload = {data + slot->id_bytes, slot->payload_bytes},
                .mark = (enum mrc_record_mark)slot->mark,
                .subject = slot->subject,
            },
        .slot = (int)i,
    };
    return true;
}

unsigned mrc_staging_take(struct mrc_staging *staging, struct mrc_staged *updates, unsigned max)
{
    unsigned n = 0;

    for (unsigned i = 0; i < staging->total && n < max; i++) {
        struct mrc_staging_slot *slot = used_slot(staging, i);

        if (!slot || (!change(slot, MRC_STAGING_STAGED, MRC_STAGING_TAKEN) &&
                      !change(slot, MRC_STAGING_NUDGED, MRC_STAGING_TAKEN)))
            continue;
        if (view(staging, i, &updates[n]))
            n++;
        else
            finish(slot, MRC_STATUS_CORRUPT);
    }
    return n;
}

unsigned mrc_staging_adopt(struct mrc_staging *staging, struct mrc_staged *updates, unsigned max)
{
    unsigned n = 0;

    for (unsigned i = 0; i < staging->total && n < max; i++) {
        struct mrc_staging_slot *slot = used_slot(staging, i);

        if (!slot || change(slot, MRC_STAGING_ORPHAN, MRC_STAGING_FREE) ||
            state_of(atomic_load(&slot->word)) != MRC_STAGING_TAKEN)
            continue;
        if (!view(staging, i, &updates[n])) {
            finish(slot, MRC_STATUS_CORRUPT);
            continue;
        }
        updates[n++].record.seq = atomic_load(&slot->number);
    }
    return n;
}

unsigned mrc_staging_count(const struct mrc_staging *staging)
{
    unsigned n = 0;

    for (unsigned i = 0; i < staging->total; i++)
        n += state_at(staging, i) != MRC_STAGING_FREE;
    return n;
}

bool mrc_staging_has_staged(const struct mrc_staging *staging)
{
    for (unsigned i = 0; i < staging->total; i++) {
        enum mrc_staging_state state = state_at(staging, i);

        if (state == MRC_STAGING_STAGED || state == MRC_STAGING_NUDGED)
            return true;
    }
    return false;
}

bool mrc_staging_is_orphan(const struct mrc_staging *staging, int slot)
{
    return state_of(atomic_load(&slot_at(staging, (unsigned)slot)->word)) == MRC_STAGING_ORPHAN;
}

void mrc_staging_set_number(struct mrc_staging *staging, const struct mrc_staged *update)
{
    atomic_store(&slot_at(staging, (unsigned)update->slot)->number, update->record.seq);
}

void mrc_staging_finish(struct mrc_staging *staging, const struct mrc_staged *update)
{
    finish(slot_at(staging, (unsigned)update->slot), update->status);
}

void mrc_staging_recover(struct mrc_staging *staging, uint64_t last)
{
    for (unsigned i = 0; i < staging->total; i++) {
        struct mrc_staging_slot *slot = slot_at(staging, i);
        enum mrc_staging_state state = state_at(staging, i);
        uint64_t number;

        if (state != MRC_STAGING_TAKEN && state != MRC_STAGING_ORPHAN)
            continue;
        number = atomic_load(&slot->number);
        if (number && number <= last) {
            finish(slot, APR_SUCCESS);
            continue;
        }
        atomic_store(&slot->number, 0); /* before another leader takes it */
        if (change(slot, MRC_STAGING_TAKEN, MRC_STAGING_STAGED))
            mrc_futex_wake_all(&slot->word);
        else
            change(slot, MRC_STAGING_ORPHAN, MRC_STAGING_FREE);
    }
}
