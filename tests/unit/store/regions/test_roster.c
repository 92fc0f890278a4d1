#include "store/regions/roster.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "store/regions/roster_layout.h"
#include "store_unit.h"

#define OWN    8
#define SHARED 24

static struct mrc_roster *roster;
static struct mrc_roster_entry got;

static struct mrc_roster *make(uint32_t own, uint32_t shared)
{
    void *region = store_shared(mrc_roster_bytes(own, shared));

    return mrc_roster_create(store_pool(), region, own, shared);
}

static void setup(void)
{
    roster = make(OWN, SHARED);
}

static void teardown(void)
{
    mrc_roster_entry_free(&got);
    ck_assert_uint_eq(mrc_roster_used(roster), 0);
}

/* Bytes that show which entry they belong to. */
static struct mrc_bytes text(size_t len, char first)
{
    char *bytes = malloc(len + 1);

    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)(first + i % 23);
    return (struct mrc_bytes){bytes, len};
}

static struct mrc_roster_entry entry_of(size_t match_len, size_t payload_len, char name)
{
    struct mrc_roster_entry entry = {.type = (unsigned char)name, .match = text(match_len, name)};

    memset(entry.subscriber, name, sizeof(entry.subscriber));
    if (payload_len)
        entry.payload = text(payload_len, (char)(name - 32));
    return entry;
}

static void free_texts(const struct mrc_roster_entry *entry)
{
    free((char *)entry->match.ptr);
    free((char *)entry->payload.ptr);
}

static apr_status_t try_add(unsigned slot, size_t match_len, size_t payload_len, char name,
                            bool is_small, uint32_t *ret_id)
{
    struct mrc_roster_entry entry = entry_of(match_len, payload_len, name);
    apr_status_t status = mrc_roster_add(roster, slot, &entry, is_small, ret_id);

    free_texts(&entry);
    return status;
}

static uint32_t add(unsigned slot, size_t match_len, size_t payload_len, char name, bool is_small)
{
    uint32_t id = UINT32_MAX;

    ck_assert_int_eq(try_add(slot, match_len, payload_len, name, is_small, &id), APR_SUCCESS);
    return id;
}

static void check_is(const struct mrc_roster_entry *have, size_t match_len, size_t payload_len,
                     char name)
{
    struct mrc_roster_entry want = entry_of(match_len, payload_len, name);

    ck_assert_uint_eq(have->type, want.type);
    ck_assert_mem_eq(have->subscriber, want.subscriber, 16);
    ck_assert(mrc_bytes_eq(have->match, want.match));
    ck_assert(mrc_bytes_eq(have->payload, want.payload));
    ck_assert((have->payload.ptr != NULL) == (payload_len > 0));
    free_texts(&want);
}

static unsigned listed(void)
{
    unsigned count = 0;

    for (uint32_t cell = 0; cell < mrc_roster_count(roster); cell++)
        count += mrc_roster_read(roster, cell, &got) == APR_SUCCESS;
    return count;
}

/*
 * Adopts and releases all orphans for SLOT, each of which must be complete. Returns their number.
 */
static unsigned adopt_all(unsigned slot, size_t match_len, size_t payload_len, char name)
{
    uint32_t cursor = 0, id;
    unsigned count = 0;

    for (; mrc_roster_adopt(roster, slot, &cursor, &id); count++) {
        ck_assert_int_eq(mrc_roster_read_ending(roster, id, &got), APR_SUCCESS);
        check_is(&got, match_len, payload_len, name);
        mrc_roster_release(roster, id);
    }
    return count;
}

/* ---- One entry --------------------------------------------------------------------------------*/

START_TEST(the_life_of_an_entry)
{
    /* Around the capacities of one, two and three cells, in the matcher or the payload. */
    static const size_t lens[] = {0, 1, 7, 8, 95, 96, 97, 215, 216, 217, 336, 337, 700};

    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        for (size_t split = 0; split < 3; split++) {
            size_t payload = split == 0 ? 0 : split == 1 ? lens[i] / 2 : lens[i];
            uint32_t id = add(3, lens[i] - payload, payload, 'x', false);

            ck_assert_uint_eq(mrc_roster_used(roster),
                              mrc_roster_cells(lens[i] - payload, payload));
            ck_assert_uint_eq(listed(), 0);
            ck_assert_int_eq(mrc_roster_read_ending(roster, id, &got), APR_NOTFOUND);
            mrc_roster_activate(roster, id);
            ck_assert_uint_eq(listed(), 1);
            ck_assert_int_eq(mrc_roster_read(roster, id, &got), APR_SUCCESS);
            check_is(&got, lens[i] - payload, payload, 'x');
            mrc_roster_end(roster, id);
            ck_assert_uint_eq(listed(), 0);
            ck_assert_int_eq(mrc_roster_read_ending(roster, id, &got), APR_SUCCESS);
            check_is(&got, lens[i] - payload, payload, 'x');
            mrc_roster_release(roster, id);
            ck_assert_uint_eq(mrc_roster_used(roster), 0);
        }
    }
}
END_TEST

START_TEST(an_empty_payload_is_one)
{
    struct mrc_roster_entry entry = {.match = mrc_bytes_of("m"), .payload = mrc_bytes_of("")};
    uint32_t id;

    ck_assert_int_eq(mrc_roster_add(roster, 3, &entry, false, &id), APR_SUCCESS);
    mrc_roster_activate(roster, id);
    ck_assert_int_eq(mrc_roster_read(roster, id, &got), APR_SUCCESS);
    ck_assert(got.payload.ptr && got.payload.len == 0);
    mrc_roster_release(roster, id);
}
END_TEST

/* The other machines learn of an entry, and later of its end. */
START_TEST(its_child_tells_of_an_entry)
{
    uint32_t id = add(3, 10, 0, 'x', false);

    ck_assert_int_eq(mrc_roster_read_untold(roster, 3, id, &got), APR_NOTFOUND);
    mrc_roster_activate(roster, id);
    ck_assert_int_eq(mrc_roster_read_untold(roster, 4, id, &got), APR_NOTFOUND);
    ck_assert_int_eq(mrc_roster_read_untold(roster, 3, id, &got), APR_SUCCESS);
    ck_assert_int_eq(mrc_roster_read_told(roster, id, &got), APR_NOTFOUND);
    mrc_roster_set_told(roster, id);
    ck_assert_int_eq(mrc_roster_read_untold(roster, 3, id, &got), APR_NOTFOUND);
    ck_assert_int_eq(mrc_roster_read_told(roster, id, &got), APR_SUCCESS);
    ck_assert_uint_eq(listed(), 1);
    mrc_roster_untell(roster);
    ck_assert_int_eq(mrc_roster_read_untold(roster, 3, id, &got), APR_SUCCESS);
    mrc_roster_end(roster, id);
    mrc_roster_set_told(roster, id); /* it has ended meanwhile */
    ck_assert_int_eq(mrc_roster_read_ending(roster, id, &got), APR_SUCCESS);
    ck_assert_int_eq(mrc_roster_read_told(roster, id, &got), APR_SUCCESS);
    mrc_roster_release(roster, id);
}
END_TEST

/* Fails unless CHANGED says whether the list has changed since the last call. */
static void ck_assert_changed(bool changed)
{
    static uint64_t before;
    uint64_t now = mrc_roster_changes(roster);

    ck_assert(changed == (now != before));
    before = now;
}

START_TEST(changes_of_the_list_are_counted)
{
    uint32_t first = add(3, 10, 0, 'x', false), second = add(3, 10, 0, 'y', false), third;

    ck_assert_changed(false);
    mrc_roster_activate(roster, first);
    ck_assert_changed(true);
    mrc_roster_activate(roster, second);
    ck_assert_changed(true);
    mrc_roster_end(roster, first);
    ck_assert_changed(true);
    mrc_roster_release(roster, first); /* no longer listed */
    ck_assert_changed(false);
    mrc_roster_release(roster, second); /* it could not be announced */
    ck_assert_changed(true);
    third = add(3, 10, 0, 'z', false);
    mrc_roster_activate(roster, third);
    ck_assert_changed(true);
    mrc_roster_fold(roster, 3);
    ck_assert_changed(true);
    ck_assert_uint_eq(adopt_all(4, 10, 0, 'z'), 1);
    ck_assert_changed(false);
}
END_TEST

START_TEST(lengths_have_bounds)
{
    uint32_t id;

    ck_assert_int_eq(try_add(0, MRC_ROSTER_MATCH_MAX + 1, 0, 'x', false, &id), APR_ENOSPC);
    ck_assert_int_eq(try_add(0, 0, MRC_ROSTER_PAYLOAD_MAX + 1, 'x', false, &id), APR_ENOSPC);
    roster = make(0, 700);
    id = add(0, 10, MRC_ROSTER_PAYLOAD_MAX, 'x', false);
    mrc_roster_activate(roster, id);
    ck_assert_int_eq(mrc_roster_read(roster, id, &got), APR_SUCCESS);
    check_is(&got, 10, MRC_ROSTER_PAYLOAD_MAX, 'x');
    mrc_roster_release(roster, id);
    roster = make(0, 200000);
    id = add(0, MRC_ROSTER_MATCH_MAX, 1, 'x', false);
    mrc_roster_activate(roster, id);
    ck_assert_int_eq(mrc_roster_read(roster, id, &got), APR_SUCCESS);
    check_is(&got, MRC_ROSTER_MATCH_MAX, 1, 'x');
    mrc_roster_release(roster, id);
}
END_TEST

START_TEST(small_entries_have_cells_of_their_own)
{
    uint32_t large[SHARED], small[OWN], id;

    for (unsigned i = 0; i < SHARED; i++)
        large[i] = add(1, 10, 0, 'l', false);
    ck_assert_int_eq(try_add(1, 10, 0, 'l', false, &id), APR_ENOSPC);
    for (unsigned i = 0; i < OWN; i++)
        small[i] = add(2, 10, 0, 's', true);
    ck_assert_int_eq(try_add(2, 10, 0, 's', true, &id), APR_ENOSPC);
    ck_assert_uint_eq(mrc_roster_used(roster), OWN + SHARED);
    mrc_roster_release(roster, large[5]);
    mrc_roster_release(roster, large[20]);
    /* An entry that does not fit completely takes no cell. */
    ck_assert_int_eq(try_add(1, 500, 0, 'l', false, &id), APR_ENOSPC);
    ck_assert_uint_eq(mrc_roster_used(roster), OWN + SHARED - 2);
    large[5] = add(2, 10, 0, 's', true); /* one more than the capacity, so it takes a shared cell */
    large[20] = add(1, 10, 0, 'l', false);
    for (unsigned i = 0; i < SHARED; i++)
        mrc_roster_release(roster, large[i]);
    for (unsigned i = 0; i < OWN; i++)
        mrc_roster_release(roster, small[i]);
}
END_TEST

START_TEST(the_capacity_grows_with_the_subscribers)
{
    uint32_t own, shared;

    mrc_roster_measure(1, &own, &shared);
    ck_assert_uint_eq(own, MRC_ROSTER_OWN_CELLS);
    ck_assert_uint_eq(shared, MRC_ROSTER_SHARED_CELLS_MIN);
    mrc_roster_measure(20000, &own, &shared);
    ck_assert_uint_eq(own, 20000 * MRC_ROSTER_OWN_CELLS);
    ck_assert_uint_eq(shared, own);
    mrc_roster_measure(MRC_ROSTER_SUBSCRIBERS_MAX, &own, &shared);
    ck_assert_uint_eq((uint64_t)own + shared,
                      MRC_ROSTER_SUBSCRIBERS_MAX * MRC_ROSTER_OWN_CELLS * 2);
    ck_assert_uint_gt(mrc_roster_bytes(own, shared), (uint64_t)own * 2 * 128);
}
END_TEST

/* ---- Dead children ----------------------------------------------------------------------------*/

/* The number of pages of BYTES from BASE on that have memory. */
static size_t count_pages(void *base, size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), pages = (bytes + page - 1) / page, count = 0;
    unsigned char *has = malloc(pages);

    ck_assert_int_eq(mincore(base, bytes, has), 0);
    for (size_t i = 0; i < pages; i++)
        count += has[i] & 1;
    free(has);
    return count;
}

/* Touching one on a full file system would end the process. */
START_TEST(cells_that_are_not_allocated_are_not_touched)
{
    const uint32_t own = 16384, shared = 16384;
    const size_t head = 65536, bytes = head + mrc_roster_bytes(own, shared);
    char *base = store_shared(bytes);
    struct mrc_sparse *pages;
    size_t before, found = 0;
    apr_status_t status;
    uint32_t id;

    status = mrc_sparse_create(store_pool(), base, bytes, 2048, 4096, head + 4096, store_budget(),
                               &pages);
    if (status == APR_ENOTIMPL) {
        fprintf(stderr, "# the kernel cannot allocate pages one by one: not tested\n");
        return;
    }
    ck_assert_int_eq(status, APR_SUCCESS);
    roster = mrc_roster_create(store_pool(), base + head, own, shared);
    mrc_roster_use_sparse(roster, pages);
    id = add(1, 10, 10, 'a', true);
    mrc_roster_activate(roster, id);
    before = count_pages(base, bytes);
    for (uint32_t cell = 0; cell < mrc_roster_count(roster); cell++) {
        found += mrc_roster_read_untold(roster, 1, cell, &got) == APR_SUCCESS;
        found += mrc_roster_read_told(roster, cell, &got) == APR_SUCCESS;
    }
    mrc_roster_set_told(roster, id);
    mrc_roster_untell(roster);
    ck_assert_int_eq(mrc_roster_read_untold(roster, 1, id, &got), APR_SUCCESS);
    ck_assert_uint_eq(found, 1);
    ck_assert_uint_eq(count_pages(base, bytes), before);
    mrc_roster_release(roster, id);
}
END_TEST

START_TEST(entries_of_dead_children_become_orphans)
{
    uint32_t his = add(7, 300, 20, 'x', false);
    uint32_t ending = add(7, 300, 20, 'x', false);
    uint32_t others = add(8, 300, 20, 'o', false);
    uint32_t cursor = 0, id;

    add(7, 300, 20, 'c', false); /* never activated */
    mrc_roster_activate(roster, his);
    mrc_roster_activate(roster, ending);
    mrc_roster_activate(roster, others);
    mrc_roster_end(roster, ending);
    /* A new roster expects orphans of earlier servers. */
    ck_assert(mrc_roster_has_orphans(roster));
    ck_assert(mrc_roster_take_orphans(roster));
    ck_assert(!mrc_roster_has_orphans(roster));
    ck_assert(!mrc_roster_take_orphans(roster));
    mrc_roster_fold(roster, 7);
    mrc_roster_fold(roster, 7);
    ck_assert(mrc_roster_has_orphans(roster));
    ck_assert(mrc_roster_take_orphans(roster));
    ck_assert(!mrc_roster_take_orphans(roster));
    ck_assert_uint_eq(listed(), 1);
    ck_assert_uint_eq(mrc_roster_used(roster), 3 * mrc_roster_cells(300, 20));
    /* A child that adopts an orphan and cannot announce its end, and one that dies with its
     * orphans. */
    ck_assert(mrc_roster_adopt(roster, 8, &cursor, &id));
    mrc_roster_disown(roster, id);
    ck_assert(mrc_roster_take_orphans(roster));
    cursor = 0;
    ck_assert(mrc_roster_adopt(roster, 9, &cursor, &id));
    ck_assert(mrc_roster_adopt(roster, 9, &cursor, &id));
    ck_assert(!mrc_roster_adopt(roster, 9, &cursor, &id));
    mrc_roster_fold(roster, 9);
    ck_assert_uint_eq(adopt_all(8, 300, 20, 'x'), 2);
    ck_assert_uint_eq(listed(), 1);
    mrc_roster_release(roster, others);
}
END_TEST

START_TEST(a_roster_moves)
{
    struct mrc_roster *from = roster;
    uint32_t id[3] = {add(1, 100, 5, 'x', true), add(2, 100, 5, 'x', false),
                      add(3, 100, 5, 'x', false)};

    mrc_roster_activate(from, id[0]);
    mrc_roster_activate(from, id[1]);
    mrc_roster_end(from, id[1]); /* the third is not active yet */
    roster = make(4, 4);
    ck_assert_uint_eq(mrc_roster_carry(from, roster), 0);
    ck_assert(mrc_roster_take_orphans(roster));
    ck_assert_uint_eq(listed(), 0);
    ck_assert_uint_eq(adopt_all(0, 100, 5, 'x'), 2);
    ck_assert_uint_eq(mrc_roster_used(roster), 0);
    roster = make(1, 1);
    mrc_roster_activate(from, id[2]);
    ck_assert_uint_eq(mrc_roster_carry(from, roster), 2);
    ck_assert_uint_eq(adopt_all(0, 100, 5, 'x'), 1);
}
END_TEST

/* ---- Readers and writers at the same time -----------------------------------------------------*/

static atomic_bool stop;

static void *churn(void *arg)
{
    unsigned slot = *(unsigned *)arg;

    for (unsigned i = 0; i < 20000; i++) {
        uint32_t id;
        size_t len = (i * 37 + slot * 11) % 400;

        if (try_add(slot, len, 0, (char)('a' + len % 26), i % 2 == 0, &id) != APR_SUCCESS)
            continue;
        mrc_roster_activate(roster, id);
        mrc_roster_end(roster, id);
        mrc_roster_release(roster, id);
    }
    return NULL;
}

static void *read_all(void *arg)
{
    struct mrc_roster_entry entry = {.type = 0};

    while (!atomic_load(&stop)) {
        for (uint32_t cell = 0; cell < mrc_roster_count(roster); cell++) {
            if (mrc_roster_read(roster, cell, &entry) == APR_SUCCESS)
                check_is(&entry, entry.match.len, 0, (char)('a' + entry.match.len % 26));
        }
    }
    mrc_roster_entry_free(&entry);
    return NULL;
}

START_TEST(readers_see_whole_entries)
{
    pthread_t writers[3], reader;
    unsigned slots[3] = {0, 1, 2};

    ck_assert_int_eq(pthread_create(&reader, NULL, read_all, NULL), 0);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(pthread_create(&writers[i], NULL, churn, &slots[i]), 0);
    for (int i = 0; i < 3; i++)
        pthread_join(writers[i], NULL);
    atomic_store(&stop, true);
    pthread_join(reader, NULL);
}
END_TEST

/*
 * ---- Death at every instruction --------------------------------------------------------------- A
 * process is single-stepped with ptrace and then killed; on a system that forbids ptrace, nothing
 * is tested. MRC_CRASH_STRIDE=1 tests every instruction; the default is every 61st, with another
 * start in each run.
 */

#define MATCH_LEN   110
#define PAYLOAD_LEN 7
#define VICTIM      5
#define REAPER      6
#define LAST        7

/* The progress of the victim, as far as other processes can know it. */
static struct {
    atomic_bool is_listed; /* it was activated */
    atomic_bool is_told;   /* its end was announced, although it may still be in the roster */
} * progress;

static struct mrc_roster_entry
    victims; /* made in advance, because making an entry is not under test */

/* The complete life of an entry. */
static void live(void)
{
    uint32_t id;

    if (mrc_roster_add(roster, VICTIM, &victims, false, &id) != APR_SUCCESS)
        _exit(1);
    mrc_roster_activate(roster, id);
    atomic_store(&progress->is_listed, true);
    mrc_roster_end(roster, id);
    atomic_store(&progress->is_told, true);
    mrc_roster_release(roster, id);
}

/* The work of a reaper. */
static void reap(void)
{
    uint32_t cursor = 0, id;

    mrc_roster_fold(roster, VICTIM);
    if (!mrc_roster_adopt(roster, REAPER, &cursor, &id))
        _exit(1);
    atomic_store(&progress->is_told, true);
    mrc_roster_release(roster, id);
}

/* Runs WORK in a process that dies after STEPS instructions. 1: it was killed; 0: it had ended
 * before; -1: the system forbids ptrace. */
static int die_after(unsigned steps, void (*work)(void))
{
    int status;
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
            _exit(77);
        raise(SIGSTOP);
        work();
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status))
        return -1;
    while (steps--) {
        if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) != 0)
            return -1;
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status)) {
            ck_assert_int_eq(WEXITSTATUS(status), 0);
            return 0;
        }
    }
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    return 1;
}

#define FILLERS (OWN + SHARED)

/* Adds entries of another child until no cell is free. Some of the cells belonged to the dead. */
static unsigned fill(uint32_t fillers[FILLERS], unsigned count)
{
    while (count < FILLERS && try_add(1, 20, 0, 'o', true, &fillers[count]) == APR_SUCCESS)
        mrc_roster_activate(roster, fillers[count++]);
    return count;
}

/* Checks that all fillers are intact, and releases them. */
static void clear(const uint32_t fillers[FILLERS], unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        ck_assert_int_eq(mrc_roster_read(roster, fillers[i], &got), APR_SUCCESS);
        check_is(&got, 20, 0, 'o');
        mrc_roster_release(roster, fillers[i]);
    }
}

/* Folds the dead children. An entry whose end was not announced must be found, complete, and in the
 * end no cell may be lost. */
static void judge(unsigned steps)
{
    uint32_t fillers[FILLERS];
    unsigned found, count;

    count = fill(fillers, 0);
    for (uint32_t cell = 0; cell < mrc_roster_count(roster); cell++) {
        if (mrc_roster_read(roster, cell, &got) == APR_SUCCESS && got.type != 'o')
            check_is(&got, MATCH_LEN, PAYLOAD_LEN, 'v');
    }
    mrc_roster_fold(roster, REAPER);
    mrc_roster_fold(roster, VICTIM);
    count = fill(fillers, count);
    ck_assert(mrc_roster_take_orphans(roster));
    found = adopt_all(LAST, MATCH_LEN, PAYLOAD_LEN, 'v');
    ck_assert_uint_le(found, 1);
    clear(fillers, count);
    if (progress->is_listed && !progress->is_told)
        ck_assert_msg(found == 1, "after %u steps: its end would never be announced", steps);
    ck_assert_msg(mrc_roster_used(roster) == mrc_roster_cells(100, 0),
                  "after %u steps: %u cells are lost", steps,
                  (unsigned)(mrc_roster_used(roster) - mrc_roster_cells(100, 0)));
    ck_assert_uint_eq(listed(), 1);
}

/* Lets processes die in WORK, one after the other. PREPARED: the victim already has an entry. */
static void die_everywhere(void (*work)(void), bool prepared)
{
    unsigned step = unit_crash_stride(61), steps = (unsigned)getpid() % step;
    uint32_t other = add(1, 100, 0, 'o', false);
    int killed = 1;

    progress = store_shared(sizeof(*progress));
    victims = entry_of(MATCH_LEN, PAYLOAD_LEN, 'v');
    mrc_roster_activate(roster, other);
    for (; killed == 1; steps += step) {
        progress->is_listed = prepared;
        progress->is_told = false;
        if (prepared)
            mrc_roster_activate(roster, add(VICTIM, MATCH_LEN, PAYLOAD_LEN, 'v', false));
        killed = die_after(steps, work);
        if (killed == -1) {
            fprintf(stderr, "# ptrace is forbidden here: not tested\n");
            break;
        }
        judge(steps);
    }
    fprintf(stderr, "# %u instructions, every %uth\n", steps, step);
    ck_assert(killed == -1 || steps > 100);
    mrc_roster_fold(roster, VICTIM);
    ck_assert_uint_le(adopt_all(LAST, MATCH_LEN, PAYLOAD_LEN, 'v'), 1);
    mrc_roster_release(roster, other);
}

START_TEST(a_child_dies_at_every_instruction)
{
    die_everywhere(live, false);
}
END_TEST

START_TEST(a_reaper_dies_at_every_instruction)
{
    die_everywhere(reap, true);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("roster");
    TCase *tcase = tcase_create("roster");

    tcase_set_timeout(tcase, 300);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, the_life_of_an_entry);
    tcase_add_test(tcase, an_empty_payload_is_one);
    tcase_add_test(tcase, its_child_tells_of_an_entry);
    tcase_add_test(tcase, changes_of_the_list_are_counted);
    tcase_add_test(tcase, lengths_have_bounds);
    tcase_add_test(tcase, small_entries_have_cells_of_their_own);
    tcase_add_test(tcase, the_capacity_grows_with_the_subscribers);
    tcase_add_test(tcase, cells_that_are_not_allocated_are_not_touched);
    tcase_add_test(tcase, entries_of_dead_children_become_orphans);
    tcase_add_test(tcase, a_roster_moves);
    tcase_add_test(tcase, readers_see_whole_entries);
    tcase_add_test(tcase, a_child_dies_at_every_instruction);
    tcase_add_test(tcase, a_reaper_dies_at_every_instruction);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
