#include "store/regions/roster.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "store/regions/roster_layout.h"

#define COUNT_MASK ((UINT64_C(1) << MRC_ROSTER_OWNER_SHIFT) - 1)
#define HEAD_BYTES ((MRC_ROSTER_CELL_WORDS - MRC_ROSTER_HEAD_WORDS) * 8)
#define PART_BYTES ((MRC_ROSTER_CELL_WORDS - MRC_ROSTER_PART_WORDS) * 8)

/* The states of a listed entry, as a bit set. */
#define LISTED (1u << MRC_ROSTER_ACTIVE | 1u << MRC_ROSTER_TOLD)

/* A reader tries at most this often to copy an entry that changes in the meantime. */
#define READ_TRIES 16

/* At least this many cells are allocated at once; later a quarter of those that exist. */
#define STEP_CELLS 32

/* The end of a chain. */
#define NO_CELL UINT32_MAX

struct mrc_roster {
    struct mrc_roster_header *header;
    _Atomic uint64_t *words;
    struct mrc_roster_cell *cells;
    uint32_t own_count, cell_count;
    atomic_uint next_own, next_shared; /* of this process: where to search for a free cell first */
    struct mrc_sparse *pages;          /* NULL: all cells are allocated */
};

/* ---- Words ------------------------------------------------------------------------------------*/

static unsigned state_of(uint64_t word)
{
    return (unsigned)(word >> MRC_ROSTER_STATE_SHIFT);
}

static bool is_listed(uint64_t word)
{
    return (LISTED >> state_of(word) & 1) != 0;
}

static uint64_t owner_of(uint64_t word)
{
    return word >> MRC_ROSTER_OWNER_SHIFT & MRC_ROSTER_ORPHAN;
}

/* The word after WORD, with STATE and OWNER. */
static uint64_t next_word(uint64_t word, unsigned state, uint64_t owner)
{
    return (uint64_t)state << MRC_ROSTER_STATE_SHIFT | owner << MRC_ROSTER_OWNER_SHIFT |
           ((word + 1) & COUNT_MASK);
}

static uint64_t load(const struct mrc_roster *roster, uint32_t cell)
{
    return atomic_load_explicit(&roster->words[cell], memory_order_acquire);
}

/* Changes CELL, which the caller owns: no other process changes the word. */
static void set(struct mrc_roster *roster, uint32_t cell, unsigned state, uint64_t owner)
{
    uint64_t word = load(roster, cell);

    atomic_store_explicit(&roster->words[cell], next_word(word, state, owner),
                          memory_order_release);
}

static void set_state(struct mrc_roster *roster, uint32_t cell, unsigned state)
{
    set(roster, cell, state, owner_of(load(roster, cell)));
}

/* Changes CELL if its word still is WORD. */
static bool take(struct mrc_roster *roster, uint32_t cell, uint64_t word, unsigned state,
                 uint64_t owner)
{
    return atomic_compare_exchange_strong(&roster->words[cell], &word,
                                          next_word(word, state, owner));
}

/* ---- The region -------------------------------------------------------------------------------*/

void mrc_roster_measure(uint64_t subscribers, uint32_t *ret_own, uint32_t *ret_shared)
{
    uint32_t own = (uint32_t)subscribers * MRC_ROSTER_OWN_CELLS;

    *ret_own = own;
    *ret_shared = own > MRC_ROSTER_SHARED_CELLS_MIN ? own : MRC_ROSTER_SHARED_CELLS_MIN;
}

static uint64_t cells_offset(uint64_t count)
{
    return sizeof(struct mrc_roster_header) + (count * sizeof(uint64_t) + 63) / 64 * 64;
}

uint64_t mrc_roster_bytes(uint32_t own, uint32_t shared)
{
    uint64_t count = (uint64_t)own + shared;

    return cells_offset(count) + count * sizeof(struct mrc_roster_cell);
}

struct mrc_roster *mrc_roster_create(apr_pool_t *pool, void *region, uint32_t own, uint32_t shared)
{
    struct mrc_roster *roster = apr_pcalloc(pool, sizeof(*roster));

    roster->header = region;
    roster->header->magic = MRC_ROSTER_MAGIC;
    roster->header->version = MRC_ROSTER_VERSION;
    roster->header->own_count = own;
    roster->header->cell_count = own + shared;
    atomic_store(&roster->header->orphans, 1); /* left by servers before this one, on the disk */
    roster->own_count = own;
    roster->cell_count = own + shared;
    roster->words = (_Atomic uint64_t *)(roster->header + 1);
    roster->cells = (void *)((char *)region + cells_offset(roster->cell_count));
    atomic_store(&roster->next_shared, own);
    atomic_store(&roster->header->own_ready, own);
    atomic_store(&roster->header->shared_ready, shared);
    return roster;
}

uint64_t mrc_roster_head_bytes(void)
{
    return sizeof(struct mrc_roster_header);
}

void mrc_roster_use_sparse(struct mrc_roster *roster, struct mrc_sparse *pages)
{
    roster->pages = pages;
    if (!pages)
        return;
    atomic_store(&roster->header->own_ready, 0);
    atomic_store(&roster->header->shared_ready, 0);
}

uint64_t mrc_roster_cells(size_t match_len, size_t payload_len)
{
    uint64_t bytes = (uint64_t)match_len + payload_len;

    return bytes <= HEAD_BYTES ? 1 : 1 + (bytes - HEAD_BYTES + PART_BYTES - 1) / PART_BYTES;
}

uint32_t mrc_roster_count(const struct mrc_roster *roster)
{
    return roster->cell_count;
}

uint32_t mrc_roster_from(const struct mrc_roster *roster, uint32_t cell)
{
    if (cell < roster->own_count && cell >= atomic_load(&roster->header->own_ready))
        cell = roster->own_count;
    if (cell >= roster->own_count &&
        cell - roster->own_count >= atomic_load(&roster->header->shared_ready))
        cell = roster->cell_count;
    return cell;
}

uint32_t mrc_roster_used(const struct mrc_roster *roster)
{
    uint32_t used = 0;

    for (uint32_t cell = mrc_roster_from(roster, 0); cell < roster->cell_count;
         cell = mrc_roster_from(roster, cell + 1))
        used += state_of(load(roster, cell)) != MRC_ROSTER_FREE;
    return used;
}

/* ---- Cells and chains -------------------------------------------------------------------------*/

static uint64_t get(const struct mrc_roster *roster, uint32_t cell, unsigned i)
{
    return atomic_load_explicit(&roster->cells[cell].word[i], memory_order_acquire);
}

static void put(struct mrc_roster *roster, uint32_t cell, unsigned i, uint64_t value)
{
    atomic_store_explicit(&roster->cells[cell].word[i], value, memory_order_release);
}

/* The cell after CELL in its chain, or NO_CELL. */
static uint32_t next_of(const struct mrc_roster *roster, uint32_t cell)
{
    uint64_t next = get(roster, cell, 0);

    return next == 0 || next > roster->cell_count ? NO_CELL : (uint32_t)next - 1;
}

/* The small cells, or the shared ones. */
struct range {
    uint32_t first, count;
    _Atomic uint32_t *ready; /* of these, allocated; in shared memory */
    atomic_uint *hint;
};

/* Claims a free cell of those in RANGE that are allocated. NO_CELL: all are taken. */
static uint32_t claim_ready(struct mrc_roster *roster, const struct range *range, uint64_t owner)
{
    uint32_t cell = atomic_load_explicit(range->hint, memory_order_relaxed);
    uint32_t ready = atomic_load(range->ready);

    for (uint32_t tries = ready; tries > 0; tries--, cell++) {
        uint64_t word;

        if (cell < range->first || cell - range->first >= ready)
            cell = range->first;
        word = load(roster, cell);
        if (state_of(word) == MRC_ROSTER_FREE &&
            take(roster, cell, word, MRC_ROSTER_CLAIMED, owner)) {
            atomic_store_explicit(range->hint, cell + 1, memory_order_relaxed);
            return cell;
        }
    }
    return NO_CELL;
}

/* Allocates COUNT more cells of RANGE after the first READY ones. */
static bool take_cells(struct mrc_roster *roster, const struct range *range, uint32_t ready,
                       uint32_t count)
{
    uint32_t first = range->first + ready;

    if (count > range->count - ready)
        count = range->count - ready;
    if (count == 0 || mrc_sparse_take(roster->pages, (void *)&roster->words[first], count * 8) ||
        mrc_sparse_take(roster->pages, &roster->cells[first], count * sizeof(*roster->cells)))
        return false;
    /* If another thread has allocated others in the meantime, they will do. */
    atomic_compare_exchange_strong(range->ready, &ready, ready + count);
    return true;
}

/* Allocates more cells of RANGE. False: it has all, or there is no room. */
static bool extend(struct mrc_roster *roster, const struct range *range)
{
    uint32_t ready = atomic_load(range->ready);

    return (ready / 4 > STEP_CELLS && take_cells(roster, range, ready, ready / 4)) ||
           take_cells(roster, range, ready, STEP_CELLS);
}

static uint32_t claim_in(struct mrc_roster *roster, const struct range *range, uint64_t owner)
{
    uint32_t cell;

    do {
        cell = claim_ready(roster, range, owner);
    } while (cell == NO_CELL && extend(roster, range));
    return cell;
}

static uint32_t claim(struct mrc_roster *roster, uint64_t owner, bool is_small)
{
    const struct range own = {0, roster->own_count, &roster->header->own_ready, &roster->next_own};
    const struct range shared = {
        roster->own_count,
        roster->cell_count - roster->own_count,
        &roster->header->shared_ready,
        &roster->next_shared,
    };
    uint32_t cell = is_small ? claim_in(roster, &own, owner) : NO_CELL;

    return cell == NO_CELL ? claim_in(roster, &shared, owner) : cell;
}

/* Frees the chain of HEAD, all of which the caller has CLAIMED. The head comes last: it leads to
 * the parts, in case the process dies before it has freed them. */
static void free_chain(struct mrc_roster *roster, uint32_t head)
{
    uint32_t part = next_of(roster, head);

    for (uint32_t left = roster->cell_count; part != NO_CELL && left > 0; left--) {
        uint32_t next = next_of(roster, part);

        set(roster, part, MRC_ROSTER_FREE, 0);
        part = next;
    }
    set(roster, head, MRC_ROSTER_FREE, 0);
}

/* Gives the parts of HEAD, but not the head, to OWNER. */
static void retag_parts(struct mrc_roster *roster, uint32_t head, uint64_t owner)
{
    uint32_t part = next_of(roster, head);

    for (uint32_t left = roster->cell_count; part != NO_CELL && left > 0; left--) {
        set(roster, part, MRC_ROSTER_CLAIMED, owner);
        part = next_of(roster, part);
    }
}

/* Claims COUNT cells and links them; the last one is the head. */
static apr_status_t claim_chain(struct mrc_roster *roster, uint64_t owner, uint64_t count,
                                bool is_small, uint32_t *ret_head)
{
    uint32_t head = NO_CELL;

    while (count-- > 0) {
        uint32_t cell = claim(roster, owner, is_small);

        if (cell == NO_CELL) {
            if (head != NO_CELL)
                free_chain(roster, head);
            return APR_ENOSPC;
        }
        put(roster, cell, 0, head == NO_CELL ? 0 : (uint64_t)head + 1);
        head = cell;
    }
    *ret_head = head;
    return APR_SUCCESS;
}

/* ---- Bytes of an entry ------------------------------------------------------------------------*/

/* The place of the next word of an entry's bytes. */
struct place {
    uint32_t cell;
    unsigned word;
};

static void advance(const struct mrc_roster *roster, struct place *place)
{
    if (++place->word < MRC_ROSTER_CELL_WORDS)
        return;
    place->cell = next_of(roster, place->cell);
    place->word = MRC_ROSTER_PART_WORDS;
}

static uint64_t lengths_of(const struct mrc_roster_entry *entry)
{
    return (uint64_t)entry->type << 56 | (uint64_t)(entry->payload.ptr ? 1 : 0) << 48 |
           (uint64_t)entry->match.len << 20 | entry->payload.len;
}

#define PAYLOAD_LEN(lengths) ((size_t)((lengths)&0xfffff))
#define MATCH_LEN(lengths)   ((size_t)((lengths) >> 20 & 0xfffffff))
#define HAS_PAYLOAD(lengths) (((lengths) >> 48 & 1) != 0)
#define TYPE(lengths)        ((unsigned)((lengths) >> 56))

_Static_assert(MRC_ROSTER_PAYLOAD_MAX <= 0xfffff, "a payload's length has 20 bits");
_Static_assert(MRC_ROSTER_MATCH_MAX <= 0xfffffff, "a matcher's length has 28 bits");

/* Writes BYTES to the chain; AT is their offset in the bytes of the entry. */
static void write_bytes(struct mrc_roster *roster, struct place *place, size_t at,
                        struct mrc_bytes bytes)
{
    while (bytes.len > 0) {
        size_t room = 8 - at % 8;
        size_t len = bytes.len < room ? bytes.len : room;
        uint64_t word = at % 8 ? get(roster, place->cell, place->word) : 0;

        memcpy((char *)&word + at % 8, bytes.ptr, len);
        put(roster, place->cell, place->word, word);
        at += len;
        bytes = (struct mrc_bytes){bytes.ptr + len, bytes.len - len};
        if (at % 8 == 0)
            advance(roster, place);
    }
}

static void write_entry(struct mrc_roster *roster, uint32_t head,
                        const struct mrc_roster_entry *entry)
{
    struct place place = {head, MRC_ROSTER_HEAD_WORDS};
    uint64_t word;

    for (unsigned i = 0; i < 2; i++) {
        memcpy(&word, entry->subscriber + i * 8, 8);
        put(roster, head, 1 + i, word);
    }
    put(roster, head, 3, lengths_of(entry));
    write_bytes(roster, &place, 0, entry->match);
    write_bytes(roster, &place, entry->match.len, entry->payload);
}

static apr_status_t make_room(struct mrc_roster_entry *entry, size_t len)
{
    char *buf;

    if (len <= entry->cap && entry->buf)
        return APR_SUCCESS;
    buf = realloc(entry->buf, len + 8);
    if (!buf)
        return APR_ENOMEM;
    entry->buf = buf;
    entry->cap = len + 8;
    return APR_SUCCESS;
}

/* Copies an entry that may change in the meantime. APR_EGENERAL: it has changed. */
static apr_status_t copy_entry(const struct mrc_roster *roster, uint32_t head,
                               struct mrc_roster_entry *entry)
{
    struct place place = {head, MRC_ROSTER_HEAD_WORDS};
    uint64_t lengths = get(roster, head, 3);
    size_t len = MATCH_LEN(lengths) + PAYLOAD_LEN(lengths);
    apr_status_t status;
    uint64_t word;

    if (MATCH_LEN(lengths) > MRC_ROSTER_MATCH_MAX || PAYLOAD_LEN(lengths) > MRC_ROSTER_PAYLOAD_MAX)
        return APR_EGENERAL;
    status = make_room(entry, len + 8);
    if (status)
        return status;
    for (size_t i = 0; i < len; i += 8) {
        if (place.cell == NO_CELL)
            return APR_EGENERAL;
        word = get(roster, place.cell, place.word);
        memcpy(entry->buf + i, &word, 8);
        advance(roster, &place);
    }
    for (unsigned i = 0; i < 2; i++) {
        word = get(roster, head, 1 + i);
        memcpy(entry->subscriber + i * 8, &word, 8);
    }
    entry->type = TYPE(lengths);
    entry->match = (struct mrc_bytes){entry->buf, MATCH_LEN(lengths)};
    entry->payload = HAS_PAYLOAD(lengths)
                         ? (struct mrc_bytes){entry->buf + MATCH_LEN(lengths), PAYLOAD_LEN(lengths)}
                         : (struct mrc_bytes){NULL, 0};
    return APR_SUCCESS;
}

/* Reads the entry at CELL, in one of the states in the bit set STATES. */
static apr_status_t read_in(const struct mrc_roster *roster, uint32_t cell, unsigned states,
                            struct mrc_roster_entry *entry)
{
    if (mrc_roster_from(roster, cell) != cell)
        return APR_NOTFOUND;
    for (int tries = 0; tries < READ_TRIES; tries++) {
        uint64_t word = load(roster, cell);
        apr_status_t status;

        if (!(states >> state_of(word) & 1))
            return APR_NOTFOUND;
        status = copy_entry(roster, cell, entry);
        if (status == APR_ENOMEM)
            return status;
        if (load(roster, cell) == word)
            return status == APR_SUCCESS ? status : APR_NOTFOUND;
    }
    return APR_NOTFOUND;
}

apr_status_t mrc_roster_read(const struct mrc_roster *roster, uint32_t cell,
                             struct mrc_roster_entry *entry)
{
    return read_in(roster, cell, LISTED, entry);
}

apr_status_t mrc_roster_read_untold(const struct mrc_roster *roster, unsigned slot, uint32_t cell,
                                    struct mrc_roster_entry *entry)
{
    return mrc_roster_from(roster, cell) == cell && owner_of(load(roster, cell)) == slot
               ? read_in(roster, cell, 1u << MRC_ROSTER_ACTIVE, entry)
               : APR_NOTFOUND;
}

apr_status_t mrc_roster_read_told(const struct mrc_roster *roster, uint32_t cell,
                                  struct mrc_roster_entry *entry)
{
    return read_in(roster, cell, 1u << MRC_ROSTER_TOLD | 1u << MRC_ROSTER_ENDING, entry);
}

apr_status_t mrc_roster_read_ending(const struct mrc_roster *roster, uint32_t id,
                                    struct mrc_roster_entry *entry)
{
    return read_in(roster, id, 1u << MRC_ROSTER_ENDING, entry);
}

void mrc_roster_entry_free(struct mrc_roster_entry *entry)
{
    if (!entry)
        return;
    free(entry->buf);
    *entry = (struct mrc_roster_entry){.type = 0};
}

/* ---- The life of an entry ---------------------------------------------------------------------*/

static apr_status_t add_for(struct mrc_roster *roster, uint64_t owner,
                            const struct mrc_roster_entry *entry, bool is_small, uint32_t *ret_id)
{
    uint64_t count = mrc_roster_cells(entry->match.len, entry->payload.len);
    apr_status_t status;
    uint32_t head;

    if (entry->match.len > MRC_ROSTER_MATCH_MAX || entry->payload.len > MRC_ROSTER_PAYLOAD_MAX)
        return APR_ENOSPC;
    status = claim_chain(roster, owner, count, is_small, &head);
    if (status)
        return status;
    write_entry(roster, head, entry);
    *ret_id = head;
    return APR_SUCCESS;
}

apr_status_t mrc_roster_add(struct mrc_roster *roster, unsigned slot,
                            const struct mrc_roster_entry *entry, bool is_small, uint32_t *ret_id)
{
    return add_for(roster, slot, entry, is_small, ret_id);
}

static void count_change(struct mrc_roster *roster)
{
    atomic_fetch_add(&roster->header->changes, 1);
}

/* Changes the state of the entry ID, which may be listed before or after. */
static void relist(struct mrc_roster *roster, uint32_t id, unsigned state)
{
    bool was_listed = is_listed(load(roster, id));

    set_state(roster, id, state);
    if (was_listed != (state == MRC_ROSTER_ACTIVE))
        count_change(roster);
}

/* Changes the state of CELL to TO, if it is FROM. */
static void change_state(struct mrc_roster *roster, uint32_t cell, unsigned from, unsigned to)
{
    uint64_t word = load(roster, cell);

    while (state_of(word) == from && !take(roster, cell, word, to, owner_of(word)))
        word = load(roster, cell);
}

void mrc_roster_set_told(struct mrc_roster *roster, uint32_t id)
{
    change_state(roster, id, MRC_ROSTER_ACTIVE, MRC_ROSTER_TOLD);
}

void mrc_roster_untell(struct mrc_roster *roster)
{
    for (uint32_t cell = mrc_roster_from(roster, 0); cell < roster->cell_count;
         cell = mrc_roster_from(roster, cell + 1))
        change_state(roster, cell, MRC_ROSTER_TOLD, MRC_ROSTER_ACTIVE);
}

void mrc_roster_activate(struct mrc_roster *roster, uint32_t id)
{
    relist(roster, id, MRC_ROSTER_ACTIVE);
}

void mrc_roster_end(struct mrc_roster *roster, uint32_t id)
{
    relist(roster, id, MRC_ROSTER_ENDING);
}

void mrc_roster_release(struct mrc_roster *roster, uint32_t id)
{
    relist(roster, id, MRC_ROSTER_CLAIMED);
    free_chain(roster, id);
}

uint64_t mrc_roster_changes(const struct mrc_roster *roster)
{
    return atomic_load(&roster->header->changes);
}

/* ---- Entries of dead children -----------------------------------------------------------------*/

bool mrc_roster_has_orphans(const struct mrc_roster *roster)
{
    return atomic_load(&roster->header->orphans) != 0;
}

void mrc_roster_expect_orphans(struct mrc_roster *roster)
{
    atomic_store(&roster->header->orphans, 1);
}

bool mrc_roster_take_orphans(struct mrc_roster *roster)
{
    return mrc_roster_has_orphans(roster) && atomic_exchange(&roster->header->orphans, 0) != 0;
}

/* The parts first: after an interruption, the head is still found. */
static void make_orphan(struct mrc_roster *roster, uint32_t head)
{
    retag_parts(roster, head, MRC_ROSTER_ORPHAN);
    set(roster, head, MRC_ROSTER_ENDING, MRC_ROSTER_ORPHAN);
}

void mrc_roster_fold(struct mrc_roster *roster, unsigned slot)
{
    for (uint32_t cell = mrc_roster_from(roster, 0); cell < roster->cell_count;
         cell = mrc_roster_from(roster, cell + 1)) {
        uint64_t word = load(roster, cell);

        if (owner_of(word) == slot && (is_listed(word) || state_of(word) == MRC_ROSTER_ENDING))
            make_orphan(roster, cell);
    }
    for (uint32_t cell = mrc_roster_from(roster, 0); cell < roster->cell_count;
         cell = mrc_roster_from(roster, cell + 1)) {
        uint64_t word = load(roster, cell);

        if (owner_of(word) == slot && state_of(word) == MRC_ROSTER_CLAIMED)
            set(roster, cell, MRC_ROSTER_FREE, 0);
    }
    /* Always: the dead child may have changed the list without counting it. */
    count_change(roster);
    /*
     * Even if there are none now: the dead child may have taken the flag and adopted nothing yet.
     */
    mrc_roster_expect_orphans(roster);
}

void mrc_roster_disown(struct mrc_roster *roster, uint32_t id)
{
    make_orphan(roster, id);
    mrc_roster_expect_orphans(roster);
}

bool mrc_roster_adopt(struct mrc_roster *roster, unsigned slot, uint32_t *cursor, uint32_t *ret_id)
{
    while ((*cursor = mrc_roster_from(roster, *cursor)) < roster->cell_count) {
        uint32_t cell = (*cursor)++;
        uint64_t word = load(roster, cell);

        if (state_of(word) != MRC_ROSTER_ENDING || owner_of(word) != MRC_ROSTER_ORPHAN ||
            !take(roster, cell, word, MRC_ROSTER_ENDING, slot))
            continue;
        retag_parts(roster, cell, slot);
        *ret_id = cell;
        return true;
    }
    return false;
}

uint64_t mrc_roster_carry(const struct mrc_roster *from, struct mrc_roster *to)
{
    const unsigned states = LISTED | 1u << MRC_ROSTER_ENDING;
    struct mrc_roster_entry entry = {.type = 0};
    uint64_t lost = 0;
    uint32_t id;

    for (uint32_t cell = mrc_roster_from(from, 0); cell < from->cell_count;
         cell = mrc_roster_from(from, cell + 1)) {
        apr_status_t status = read_in(from, cell, states, &entry);

        if (status == APR_NOTFOUND)
            continue;
        if (status == APR_SUCCESS)
            status = add_for(to, MRC_ROSTER_ORPHAN, &entry, true, &id);
        if (status == APR_SUCCESS)
            mrc_roster_end(to, id);
        else
            lost++;
    }
    mrc_roster_entry_free(&entry);
    mrc_roster_expect_orphans(to);
    return lost;
}
