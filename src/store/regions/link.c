#include "store/regions/link.h"

#include <stdatomic.h>
#include <string.h>

#include "apr_general.h"

#include "store/base/clock.h"
#include "store/base/futex.h"
#include "store/base/status.h"
#include "store/regions/link_layout.h"

_Static_assert(MRC_LINK_KEY_BYTES == MRC_LINK_KEY_MAX, "a caller has room for a key");
_Static_assert(MRC_LINK_COUNTER_COUNT <= (int)MRC_LINK_COUNTERS, "each counter has a place");

/* By how much the state of the key grows with each change; below that, it is the length. */
#define KEY_CHANGE 256
_Static_assert(MRC_LINK_KEY_MAX < KEY_CHANGE, "the state of the key has room for the length");

struct mrc_link {
    struct mrc_link_layout *layout;
    uint64_t writer; /* this process's own copy */
};

uint64_t mrc_link_bytes(void)
{
    return sizeof(struct mrc_link_layout);
}

apr_status_t mrc_link_create(void *region)
{
    struct mrc_link_layout *layout = region;
    apr_status_t status =
        apr_generate_random_bytes((unsigned char *)&layout->writer, sizeof(layout->writer));

    if (status)
        return status;
    layout->writer |= 1; /* not 0 */
    layout->magic = MRC_LINK_MAGIC;
    layout->version = MRC_LINK_VERSION;
    return mrc_lock_init(&layout->leader);
}

apr_status_t mrc_link_attach(apr_pool_t *pool, void *region, uint64_t bytes,
                             struct mrc_link **ret_link)
{
    struct mrc_link_layout *layout = region;
    struct mrc_link *link;

    if (bytes < sizeof(*layout) || layout->magic != MRC_LINK_MAGIC ||
        layout->version != MRC_LINK_VERSION || layout->writer == 0)
        return MRC_STATUS_CORRUPT;
    link = apr_pcalloc(pool, sizeof(*link));
    link->layout = layout;
    link->writer = layout->writer;
    *ret_link = link;
    return APR_SUCCESS;
}

/* The records have kept their numbers. */
static void carry_window(const struct mrc_link_window *window, struct mrc_link *to)
{
    uint64_t first = atomic_load(&window->first), dead = atomic_load(&window->dead);

    mrc_link_unsettle(to, first, atomic_load(&window->last), 0);
    if (dead)
        mrc_link_bury(to, first, dead);
}

void mrc_link_carry(const struct mrc_link *from, struct mrc_link *to)
{
    struct mrc_link_position position;
    char key[MRC_LINK_KEY_MAX + 1];
    size_t key_bytes = mrc_link_get_key(from, key);
    uint64_t seq, number;

    mrc_link_get_position(from, &position);
    mrc_link_set_position(to, &position);
    key[key_bytes] = '\0';
    if (key_bytes)
        mrc_link_set_key(to, key);
    for (unsigned i = 0; i < MRC_LINK_COUNTERS; i++)
        mrc_link_count(to, i, mrc_link_get_count(from, i));
    atomic_store(&to->layout->joined, atomic_load(&from->layout->joined));
    mrc_link_set_debts(to, mrc_link_get_debts(from));
    if (mrc_link_get_fork(from, &seq, &number))
        mrc_link_note_fork(to, seq, number);
    for (unsigned i = 0; i < MRC_LINK_WINDOWS; i++) {
        if (atomic_load(&from->layout->windows[i].last))
            carry_window(&from->layout->windows[i], to);
    }
}

uint64_t mrc_link_writer(const struct mrc_link *link)
{
    return link->writer;
}

/* ---- the leader -------------------------------------------------------------------------------*/

bool mrc_link_lead(struct mrc_link *link)
{
    bool owner_died; /* the next leader always looks at everything */

    return mrc_lock_acquire(&link->layout->leader, 0, &owner_died) == APR_SUCCESS;
}

void mrc_link_resign(struct mrc_link *link)
{
    mrc_lock_release(&link->layout->leader);
}

static struct mrc_link_position load_position(const struct mrc_link_layout *layout)
{
    return (struct mrc_link_position){
        .generation = (uint32_t)atomic_load(&layout->generation),
        .number = atomic_load(&layout->number),
        .token_writer = atomic_load(&layout->token_writer),
        .token_counter = atomic_load(&layout->token_counter),
        .token_time_us = atomic_load(&layout->token_time_us),
        .since_seq = atomic_load(&layout->since_seq),
        .old_generation = (uint32_t)atomic_load(&layout->old_generation),
        .old_number = atomic_load(&layout->old_number),
    };
}

/* A reload reads the position while the leader may be changing it: values that are read twice in a
 * row were all there at one moment. */
void mrc_link_get_position(const struct mrc_link *link, struct mrc_link_position *ret_position)
{
    struct mrc_link_position before, now = load_position(link->layout);

    do {
        before = now;
        now = load_position(link->layout);
    } while (now.number != before.number || now.token_writer != before.token_writer ||
             now.token_counter != before.token_counter ||
             now.token_time_us != before.token_time_us);
    *ret_position = now;
}

/*
 * Within a generation, a death in between leaves the token of another entry, as in
 * mrc_link_advance(). A place without a generation would not do: the next leader would read the log
 * from its beginning, and mistake entries that the ring no longer has for new ones.
 */
void mrc_link_set_position(struct mrc_link *link, const struct mrc_link_position *position)
{
    struct mrc_link_layout *layout = link->layout;
    bool is_other = atomic_load(&layout->generation) != position->generation;

    atomic_store(&layout->old_number, position->old_number);
    atomic_store(&layout->old_generation, position->old_generation);
    if (is_other) {
        atomic_store(&layout->has_beaten, 0);
        atomic_store(&layout->generation, 0); /* a death in between leaves no position */
    }
    mrc_link_advance(link, position->number, position->token_writer, position->token_counter,
                     position->token_time_us);
    atomic_store(&layout->since_seq, position->since_seq);
    atomic_store(&layout->generation, position->generation);
}

/*
 * A death in between leaves the token of another entry, or one with the counter 0. The engine then
 * finds a fork, and the next leader reads some entries again. A writer never stands with the
 * counter of another one: the next leader would take its entries up to there for known.
 */
void mrc_link_advance(struct mrc_link *link, uint64_t number, uint64_t token_writer,
                      uint64_t token_counter, int64_t token_time_us)
{
    atomic_store_explicit(&link->layout->token_counter, 0, memory_order_release);
    atomic_store_explicit(&link->layout->token_time_us, token_time_us, memory_order_release);
    atomic_store_explicit(&link->layout->token_writer, token_writer, memory_order_release);
    atomic_store_explicit(&link->layout->token_counter, token_counter, memory_order_release);
    atomic_store_explicit(&link->layout->number, number, memory_order_release);
}

uint64_t mrc_link_counter(const struct mrc_link *link)
{
    return atomic_load(&link->layout->counter);
}

void mrc_link_set_counter(struct mrc_link *link, uint64_t counter)
{
    atomic_store(&link->layout->counter, counter);
}

void mrc_link_set_state(struct mrc_link *link, enum mrc_link_state state, int64_t now_us)
{
    if (atomic_load(&link->layout->state) != (uint32_t)state)
        atomic_store(&link->layout->since_us, now_us);
    atomic_store(&link->layout->state, (uint32_t)state);
}

void mrc_link_note_back(struct mrc_link *link, int64_t now_us)
{
    atomic_store(&link->layout->back_us, now_us);
}

void mrc_link_set_newest(struct mrc_link *link, uint64_t number)
{
    atomic_store_explicit(&link->layout->newest, number, memory_order_relaxed);
}

void mrc_link_set_machines(struct mrc_link *link, uint64_t count)
{
    atomic_store_explicit(&link->layout->machines, count, memory_order_relaxed);
}

void mrc_link_set_others(struct mrc_link *link, uint64_t subscribers)
{
    atomic_store_explicit(&link->layout->others, subscribers, memory_order_relaxed);
}

uint64_t mrc_link_get_others(const struct mrc_link *link)
{
    return atomic_load_explicit(&link->layout->others, memory_order_relaxed);
}

bool mrc_link_has_beaten(const struct mrc_link *link)
{
    return atomic_load(&link->layout->has_beaten) != 0;
}

void mrc_link_set_beaten(struct mrc_link *link, bool has_beaten)
{
    atomic_store(&link->layout->has_beaten, has_beaten);
}

void mrc_link_note_reaped(struct mrc_link *link)
{
    atomic_fetch_add(&link->layout->reaped, 1);
}

uint64_t mrc_link_get_reaped(const struct mrc_link *link)
{
    return atomic_load(&link->layout->reaped);
}

/* A death in between leaves no key; the next leader gets it when it joins. */
void mrc_link_set_key(struct mrc_link *link, const char *key)
{
    uint64_t state = atomic_load(&link->layout->key_state);
    char known[MRC_LINK_KEY_MAX];
    size_t len = strlen(key);

    if (len == 0 || len > MRC_LINK_KEY_MAX ||
        (mrc_link_get_key(link, known) == len && !memcmp(known, key, len)))
        return;
    state = state - state % KEY_CHANGE + KEY_CHANGE;
    atomic_store(&link->layout->key_state, state);
    for (size_t at = 0; at < len; at += sizeof(uint64_t)) {
        uint64_t word = 0;

        memcpy(&word, key + at, len - at < sizeof(word) ? len - at : sizeof(word));
        atomic_store(&link->layout->key[at / sizeof(word)], word);
    }
    atomic_store(&link->layout->key_state, state + len);
}

unsigned mrc_link_get_debts(const struct mrc_link *link)
{
    return (unsigned)atomic_load(&link->layout->debts);
}

void mrc_link_set_debts(struct mrc_link *link, unsigned debts)
{
    atomic_store(&link->layout->debts, debts);
}

void mrc_link_set_joined(struct mrc_link *link)
{
    atomic_store(&link->layout->joined, 1);
}

void mrc_link_note_gap(struct mrc_link *link)
{
    atomic_fetch_add(&link->layout->gap, 1);
}

/* A death in between leaves a place that is too early. */
void mrc_link_note_fork(struct mrc_link *link, uint64_t seq, uint64_t number)
{
    uint64_t fork = atomic_load(&link->layout->fork);

    if (fork == 0 || number < atomic_load(&link->layout->fork_number))
        atomic_store(&link->layout->fork_number, number);
    if (fork == 0 || seq + 1 < fork)
        atomic_store(&link->layout->fork, seq + 1);
}

bool mrc_link_get_fork(const struct mrc_link *link, uint64_t *ret_seq, uint64_t *ret_number)
{
    uint64_t fork = atomic_load(&link->layout->fork);

    if (fork == 0)
        return false;
    *ret_seq = fork - 1;
    *ret_number = atomic_load(&link->layout->fork_number);
    return true;
}

void mrc_link_clear_fork(struct mrc_link *link)
{
    atomic_store(&link->layout->fork, 0);
}

void mrc_link_note_loss(struct mrc_link *link, uint64_t seq)
{
    atomic_store(&link->layout->lost_after, seq);
    atomic_fetch_add(&link->layout->losses, 1);
}

uint64_t mrc_link_get_losses(const struct mrc_link *link, uint64_t *ret_seq)
{
    uint64_t losses = atomic_load(&link->layout->losses);

    *ret_seq = atomic_load(&link->layout->lost_after);
    return losses;
}

/* ---- windows ----------------------------------------------------------------------------------*/

/* Makes all windows that overlap FIRST to LAST, or adjoin it, cover it. False: there are none. */
static bool widen(struct mrc_link_layout *layout, uint64_t first, uint64_t last)
{
    bool is_covered = false;

    for (unsigned i = 0; i < MRC_LINK_WINDOWS; i++) {
        struct mrc_link_window *window = &layout->windows[i];
        uint64_t window_last = atomic_load(&window->last);

        if (window_last == 0 || first - 1 > window_last || atomic_load(&window->first) - 1 > last)
            continue;
        if (first < atomic_load(&window->first))
            atomic_store(&window->first, first);
        if (last > window_last)
            atomic_store(&window->last, last);
        is_covered = true;
    }
    return is_covered;
}

/* The window that begins first, apart from NOT. */
static struct mrc_link_window *find_earliest(struct mrc_link_layout *layout,
                                             const struct mrc_link_window * not )
{
    struct mrc_link_window *earliest = NULL;

    for (unsigned i = 0; i < MRC_LINK_WINDOWS; i++) {
        struct mrc_link_window *window = &layout->windows[i];

        if (window !=
            not &&(!earliest || atomic_load(&window->first) < atomic_load(&earliest->first)))
            earliest = window;
    }
    return earliest;
}

/* A place for a window, after all are taken. */
static struct mrc_link_window *join_two(struct mrc_link_layout *layout)
{
    struct mrc_link_window *first = find_earliest(layout, NULL);
    struct mrc_link_window *second = find_earliest(layout, first);
    uint64_t last = atomic_load(&second->last), dead = atomic_load(&second->dead);

    if (dead > atomic_load(&first->dead))
        atomic_store(&first->dead, dead);
    if (last > atomic_load(&first->last))
        atomic_store(&first->last, last);
    return second;
}

static struct mrc_link_window *find_place(struct mrc_link_layout *layout, uint64_t oldest)
{
    for (unsigned i = 0; i < MRC_LINK_WINDOWS; i++) {
        uint64_t last = atomic_load(&layout->windows[i].last);

        if (last == 0 || last < oldest)
            return &layout->windows[i];
    }
    return join_two(layout);
}

/* A death in between leaves windows that cover what they covered before. */
void mrc_link_unsettle(struct mrc_link *link, uint64_t first, uint64_t last, uint64_t oldest)
{
    struct mrc_link_window *window;

    if (first == 0)
        first = 1;
    if (last < first || widen(link->layout, first, last))
        return;
    window = find_place(link->layout, oldest);
    /* A reader that has looked for the records of this window elsewhere looks again. */
    atomic_fetch_add(&link->layout->joinings, 1);
    atomic_store(&window->last, 0);
    atomic_store(&window->dead, 0);
    atomic_store(&window->first, first);
    atomic_store(&window->last, last);
}

void mrc_link_settle(struct mrc_link *link, uint64_t last)
{
    for (unsigned i = 0; i < MRC_LINK_WINDOWS; i++) {
        struct mrc_link_window *window = &link->layout->windows[i];

        if (atomic_load(&window->last) == MRC_LINK_OPEN)
            atomic_store(&window->last, last);
    }
}

bool mrc_link_is_open(const struct mrc_link *link)
{
    for (unsigned i = 0; i < MRC_LINK_WINDOWS; i++) {
        if (atomic_load(&link->layout->windows[i].last) == MRC_LINK_OPEN)
            return true;
    }
    return false;
}

void mrc_link_bury(struct mrc_link *link, uint64_t first, uint64_t last)
{
    for (unsigned i = 0; i < MRC_LINK_WINDOWS; i++) {
        struct mrc_link_window *window = &link->layout->windows[i];

        if (atomic_load(&window->first) <= first && first <= atomic_load(&window->last) &&
            last > atomic_load(&window->dead))
            atomic_store(&window->dead, last);
    }
}

bool mrc_link_is_dead(const struct mrc_link *link, uint64_t seq)
{
    for (unsigned i = 0; i < MRC_LINK_WINDOWS; i++) {
        const struct mrc_link_window *window = &link->layout->windows[i];

        if (atomic_load(&window->last) && atomic_load(&window->first) <= seq &&
            seq <= atomic_load(&window->dead))
            return true;
    }
    return false;
}

bool mrc_link_next_dead(const struct mrc_link *link, unsigned *at, uint64_t *ret_first,
                        uint64_t *ret_last)
{
    while (*at < MRC_LINK_WINDOWS) {
        const struct mrc_link_window *window = &link->layout->windows[(*at)++];
        uint64_t first = atomic_load(&window->first), dead = atomic_load(&window->dead);

        if (atomic_load(&window->last) == 0 || dead < first)
            continue;
        *ret_first = first;
        *ret_last = dead;
        return true;
    }
    return false;
}

bool mrc_link_find_window(const struct mrc_link *link, uint64_t seq, uint64_t *ret_first)
{
    const struct mrc_link_layout *layout = link->layout;
    uint64_t joinings, found;

    do {
        joinings = atomic_load(&layout->joinings);
        found = UINT64_MAX;
        for (unsigned i = 0; i < MRC_LINK_WINDOWS; i++) {
            uint64_t first = atomic_load(&layout->windows[i].first);

            if (first <= seq && seq <= atomic_load(&layout->windows[i].last) && first < found)
                found = first;
        }
    } while (atomic_load(&layout->joinings) != joinings);
    if (found == UINT64_MAX)
        return false;
    *ret_first = found;
    return true;
}

void mrc_link_set_napping(struct mrc_link *link, bool is_napping)
{
    atomic_store(&link->layout->napping, is_napping);
}

/* ---- everybody --------------------------------------------------------------------------------*/

void mrc_link_get_status(const struct mrc_link *link, struct mrc_link_status *ret_status)
{
    const struct mrc_link_layout *layout = link->layout;
    uint64_t number = atomic_load(&layout->number);
    uint64_t newest = atomic_load(&layout->newest);

    *ret_status = (struct mrc_link_status){
        .state = (enum mrc_link_state)atomic_load(&layout->state),
        .since_us = atomic_load(&layout->since_us),
        .back_us = atomic_load(&layout->back_us),
        .has_joined = atomic_load(&layout->joined) != 0,
        .lag = newest > number ? newest - number : 0,
        .machines = atomic_load(&layout->machines),
    };
}

uint64_t mrc_link_get_gap(const struct mrc_link *link)
{
    return atomic_load(&link->layout->gap);
}

bool mrc_link_is_napping(const struct mrc_link *link)
{
    return atomic_load(&link->layout->napping) != 0;
}

/* Nobody sees a part of one key and a part of another: the state changes with each change. */
size_t mrc_link_get_key(const struct mrc_link *link, char *key)
{
    const struct mrc_link_layout *layout = link->layout;
    uint64_t state;
    size_t len;

    do {
        state = atomic_load(&layout->key_state);
        len = state % KEY_CHANGE;
        if (len > MRC_LINK_KEY_MAX)
            return 0;
        for (size_t at = 0; at < len; at += sizeof(uint64_t)) {
            uint64_t word = atomic_load(&layout->key[at / sizeof(word)]);

            memcpy(key + at, &word, len - at < sizeof(word) ? len - at : sizeof(word));
        }
    } while (atomic_load(&layout->key_state) != state);
    return len;
}

uint32_t mrc_link_ask(struct mrc_link *link)
{
    return atomic_fetch_add(&link->layout->asked, 1) + 1;
}

apr_status_t mrc_link_wait(struct mrc_link *link, uint32_t ticket, int64_t wait_us)
{
    int64_t until_us = mrc_clock_us() + wait_us;

    for (;;) {
        uint32_t answered = atomic_load(&link->layout->answered);
        int64_t left_us = until_us - mrc_clock_us();

        if ((int32_t)(answered - ticket) >= 0) /* even when the numbers have wrapped */
            return APR_SUCCESS;
        if (left_us <= 0)
            return APR_TIMEUP;
        mrc_futex_wait(&link->layout->answered, answered, left_us);
    }
}

uint32_t mrc_link_asked(const struct mrc_link *link)
{
    return atomic_load(&link->layout->asked);
}

uint32_t mrc_link_answered(const struct mrc_link *link)
{
    return atomic_load(&link->layout->answered);
}

void mrc_link_answer(struct mrc_link *link, uint32_t ticket)
{
    atomic_store(&link->layout->answered, ticket);
    mrc_futex_wake_all(&link->layout->answered);
}

/* ---- numbers ----------------------------------------------------------------------------------*/

const char *mrc_link_refusal_text(enum mrc_link_refusal refusal)
{
    static const char *const texts[] = {
        [MRC_LINK_REFUSED_DOWN] = "down",         [MRC_LINK_REFUSED_TIMEOUT] = "timeout",
        [MRC_LINK_REFUSED_FULL] = "full",         [MRC_LINK_REFUSED_READONLY] = "readonly",
        [MRC_LINK_REFUSED_REPLICAS] = "replicas",
    };

    return texts[refusal];
}

void mrc_link_set_refusal(struct mrc_link *link, enum mrc_link_refusal refusal)
{
    atomic_store_explicit(&link->layout->refusal, refusal, memory_order_relaxed);
}

void mrc_link_count_refused(struct mrc_link *link)
{
    uint64_t refusal = atomic_load_explicit(&link->layout->refusal, memory_order_relaxed);

    if (refusal >= MRC_LINK_REFUSALS)
        refusal = MRC_LINK_REFUSED_DOWN;
    mrc_link_count(link, (unsigned)MRC_LINK_REFUSED + (unsigned)refusal, 1);
}

void mrc_link_count(struct mrc_link *link, unsigned counter, uint64_t n)
{
    atomic_fetch_add_explicit(&link->layout->counters[counter], n, memory_order_relaxed);
}

uint64_t mrc_link_get_count(const struct mrc_link *link, unsigned counter)
{
    return atomic_load_explicit(&link->layout->counters[counter], memory_order_relaxed);
}
