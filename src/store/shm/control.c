#include "store/shm/control.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "apr_time.h"
#include "store/base/status.h"
#include "store/shm/control_layout.h"
#include "store/shm/segment.h"

#define PID_MASK ((UINT64_C(1) << MRC_CONTROL_PID_BITS) - 1)

struct mrc_control {
    struct mrc_segment segment;
    struct mrc_control_header geometry; /* this process's own copy; the shared one is not trusted */
    struct mrc_control_slot *slots;
    _Atomic uint64_t *counters;
    struct mrc_sparse_budget budget;
};

/* ---- The word of a slot -----------------------------------------------------------------------*/

static uint64_t word_of(enum mrc_control_state state, pid_t pid, pid_t reaper)
{
    return (uint64_t)state << (2 * MRC_CONTROL_PID_BITS) |
           ((uint64_t)reaper & PID_MASK) << MRC_CONTROL_PID_BITS | ((uint64_t)pid & PID_MASK);
}

static enum mrc_control_state word_state(uint64_t word)
{
    return (enum mrc_control_state)(word >> (2 * MRC_CONTROL_PID_BITS));
}

static pid_t word_pid(uint64_t word)
{
    return (pid_t)(word & PID_MASK);
}

static pid_t word_reaper(uint64_t word)
{
    return (pid_t)(word >> MRC_CONTROL_PID_BITS & PID_MASK);
}

/* ---- The segment ------------------------------------------------------------------------------*/

static void lay_out(unsigned nslots, struct mrc_control_header *ret_header)
{
    struct mrc_control_header header = {
        .magic = MRC_CONTROL_MAGIC,
        .version = MRC_CONTROL_VERSION,
        .nslots = nslots,
    };

    header.slots_offset = sizeof(header);
    header.counters_offset = header.slots_offset + nslots * sizeof(struct mrc_control_slot);
    header.total_bytes = header.counters_offset + MRC_CONTROL_COUNTERS * sizeof(uint64_t);
    *ret_header = header;
}

uint64_t mrc_control_size(unsigned nslots)
{
    struct mrc_control_header header;

    lay_out(nslots, &header);
    return header.total_bytes;
}

static struct mrc_control *attach(apr_pool_t *pool, const struct mrc_segment *segment,
                                  const struct mrc_control_header *header)
{
    struct mrc_control *control = apr_pcalloc(pool, sizeof(*control));
    char *base = segment->base;

    control->segment = *segment;
    control->geometry = *header;
    control->slots = (struct mrc_control_slot *)(void *)(base + header->slots_offset);
    control->counters = (_Atomic uint64_t *)(void *)(base + header->counters_offset);
    control->budget = (struct mrc_sparse_budget){
        .taken = &control->counters[MRC_CONTROL_MEMORY_TAKEN],
        .limit = &control->counters[MRC_CONTROL_MEMORY_LIMIT],
        .fd = mrc_segment_fd(segment),
    };
    return control;
}

static apr_status_t init_locks(struct mrc_control_header *header)
{
    apr_status_t status = mrc_lock_init(&header->making);

    return status ? status : mrc_lock_init(&header->naming);
}

apr_status_t mrc_control_create(apr_pool_t *pool, const char *dir, const char *name,
                                unsigned nslots, struct mrc_error *error,
                                struct mrc_control **ret_control)
{
    struct mrc_control_header header;
    struct mrc_segment segment;
    apr_status_t status;

    if (nslots == 0 || nslots > MRC_CONTROL_SLOTS_MAX)
        return mrc_status_set(error, APR_EINVAL, "%u child slots: 1 to %d are possible", nslots,
                              MRC_CONTROL_SLOTS_MAX);
    lay_out(nslots, &header);
    header.created_us = apr_time_now();
    header.owner_pid = (uint64_t)getpid();
    status = mrc_segment_create(pool, dir, name, header.total_bytes, error, &segment);
    if (status)
        return status;
    *(struct mrc_control_header *)segment.base = header;
    status = init_locks(segment.base);
    if (status) {
        mrc_segment_remove(dir, name);
        mrc_segment_close(&segment);
        return mrc_status_set(error, status,
                              "the system has no robust locks that processes can share");
    }
    *ret_control = attach(pool, &segment, &header);
    return APR_SUCCESS;
}

apr_status_t mrc_control_open(apr_pool_t *pool, const char *path, struct mrc_error *error,
                              struct mrc_control **ret_control)
{
    struct mrc_control_header expected;
    struct mrc_control_header header;
    struct mrc_segment segment;
    const char *why = NULL;
    apr_status_t status;

    status = mrc_segment_open(pool, path, error, &segment);
    if (status)
        return status;
    if (segment.size < sizeof(header)) {
        why = "it is too short";
        goto refuse;
    }
    header = *(const struct mrc_control_header *)segment.base;
    lay_out(header.nslots, &expected);
    if (header.magic != MRC_CONTROL_MAGIC)
        why = "its first bytes are different";
    else if (header.version != MRC_CONTROL_VERSION)
        why = "its layout has another version";
    else if (header.nslots > MRC_CONTROL_SLOTS_MAX ||
             header.slots_offset != expected.slots_offset ||
             header.counters_offset != expected.counters_offset ||
             header.total_bytes != expected.total_bytes || header.total_bytes > segment.size)
        why = "its header contradicts itself or the size of the file";
refuse:
    if (why) {
        mrc_segment_close(&segment);
        return mrc_status_set(error, MRC_STATUS_CORRUPT, "%.150s is not a control segment: %s",
                              path, why);
    }
    *ret_control = attach(pool, &segment, &header);
    return APR_SUCCESS;
}

void mrc_control_close(struct mrc_control *control)
{
    if (control)
        mrc_segment_close(&control->segment);
}

int mrc_control_fd(const struct mrc_control *control)
{
    return mrc_segment_fd(&control->segment);
}

unsigned mrc_control_nslots(const struct mrc_control *control)
{
    return control->geometry.nslots;
}

/* ---- The life of a slot -----------------------------------------------------------------------*/

int mrc_control_claim(struct mrc_control *control, pid_t pid, uint64_t generation)
{
    unsigned slot;

    if (pid <= 0 || (uint64_t)pid > PID_MASK)
        return -1;
    for (slot = 0; slot < control->geometry.nslots; slot++) {
        uint64_t expected = word_of(MRC_CONTROL_FREE, 0, 0);

        if (atomic_compare_exchange_strong(&control->slots[slot].word, &expected,
                                           word_of(MRC_CONTROL_LIVE, pid, 0))) {
            atomic_store(&control->slots[slot].generation, generation);
            atomic_fetch_add(&control->slots[slot].claims, 1);
            return (int)slot;
        }
    }
    return -1;
}

bool mrc_control_is_fresh(const struct mrc_control *control, unsigned slot)
{
    return atomic_load(&control->slots[slot].claims) == 1;
}

void mrc_control_release(struct mrc_control *control, unsigned slot, pid_t pid)
{
    uint64_t word = word_of(MRC_CONTROL_LIVE, pid, 0);

    if (slot >= control->geometry.nslots || atomic_load(&control->slots[slot].word) != word)
        return;
    atomic_store(&control->slots[slot].generation, 0);
    atomic_compare_exchange_strong(&control->slots[slot].word, &word,
                                   word_of(MRC_CONTROL_FREE, 0, 0));
}

unsigned mrc_control_mark_dead(struct mrc_control *control, pid_t pid)
{
    unsigned marked = 0;
    unsigned slot;

    for (slot = 0; slot < control->geometry.nslots; slot++) {
        uint64_t word = atomic_load(&control->slots[slot].word);
        bool lived = word_state(word) == MRC_CONTROL_LIVE && word_pid(word) == pid;
        bool reaped = word_state(word) == MRC_CONTROL_REAPING && word_reaper(word) == pid;

        /* PID has ended, so no other process changes this word now. */
        if ((lived || reaped) &&
            atomic_compare_exchange_strong(&control->slots[slot].word, &word,
                                           word_of(MRC_CONTROL_DEAD, word_pid(word), 0)))
            marked++;
    }
    return marked;
}

static bool has_ended(pid_t pid)
{
    return pid > 0 && kill(pid, 0) != 0 && errno == ESRCH;
}

unsigned mrc_control_mark_ended(struct mrc_control *control)
{
    unsigned marked = 0;

    for (unsigned slot = 0; slot < control->geometry.nslots; slot++) {
        uint64_t word = atomic_load(&control->slots[slot].word);
        enum mrc_control_state state = word_state(word);
        pid_t pid = state == MRC_CONTROL_LIVE      ? word_pid(word)
                    : state == MRC_CONTROL_REAPING ? word_reaper(word)
                                                   : 0;

        if (has_ended(pid))
            marked += mrc_control_mark_dead(control, pid);
    }
    return marked;
}

unsigned mrc_control_reap(struct mrc_control *control, pid_t my_pid, uint64_t my_generation,
                          mrc_control_fold_fn *fold, void *ctx)
{
    unsigned freed = 0;
    unsigned slot;

    for (slot = 0; slot < control->geometry.nslots; slot++) {
        uint64_t word = atomic_load(&control->slots[slot].word);
        uint64_t mine;

        if (word_state(word) != MRC_CONTROL_DEAD ||
            atomic_load(&control->slots[slot].generation) > my_generation)
            continue;
        mine = word_of(MRC_CONTROL_REAPING, word_pid(word), my_pid);
        if (!atomic_compare_exchange_strong(&control->slots[slot].word, &word, mine))
            continue;
        fold(slot, word_pid(mine), ctx);
        atomic_store(&control->slots[slot].generation, 0);
        if (atomic_compare_exchange_strong(&control->slots[slot].word, &mine,
                                           word_of(MRC_CONTROL_FREE, 0, 0)))
            freed++;
    }
    return freed;
}

void mrc_control_note_children(const struct mrc_control *control, uint64_t *ret_children)
{
    for (unsigned slot = 0; slot < control->geometry.nslots; slot++)
        ret_children[slot] = atomic_load(&control->slots[slot].word);
}

bool mrc_control_any_lives(const struct mrc_control *control, const uint64_t *children)
{
    for (unsigned slot = 0; slot < control->geometry.nslots; slot++)
        if (word_state(children[slot]) == MRC_CONTROL_LIVE &&
            children[slot] == atomic_load(&control->slots[slot].word))
            return true;
    return false;
}

bool mrc_control_get(const struct mrc_control *control, unsigned slot,
                     struct mrc_control_child *ret_child)
{
    uint64_t word;

    if (slot >= control->geometry.nslots)
        return false;
    word = atomic_load(&control->slots[slot].word);
    *ret_child = (struct mrc_control_child){
        .state = word_state(word),
        .pid = word_pid(word),
        .reaper = word_reaper(word),
        .generation = atomic_load(&control->slots[slot].generation),
    };
    return true;
}

union mrc_lock *mrc_control_making(const struct mrc_control *control)
{
    return &((struct mrc_control_header *)control->segment.base)->making;
}

union mrc_lock *mrc_control_naming(const struct mrc_control *control)
{
    return &((struct mrc_control_header *)control->segment.base)->naming;
}

/* ---- Server-wide numbers ----------------------------------------------------------------------*/

uint64_t mrc_control_counter_add(struct mrc_control *control, unsigned index, uint64_t n)
{
    return index < MRC_CONTROL_COUNTERS ? atomic_fetch_add(&control->counters[index], n) + n : 0;
}

uint64_t mrc_control_counter(const struct mrc_control *control, unsigned index)
{
    return index < MRC_CONTROL_COUNTERS ? atomic_load(&control->counters[index]) : 0;
}

const struct mrc_sparse_budget *mrc_control_budget(const struct mrc_control *control)
{
    return &control->budget;
}

void mrc_control_set_memory_limit(struct mrc_control *control, uint64_t bytes)
{
    atomic_store(&control->counters[MRC_CONTROL_MEMORY_LIMIT], bytes);
}
