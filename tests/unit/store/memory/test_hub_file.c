/*
 * Hubs on demand: many hubs in one file, each of which is made by the first process that needs it.
 */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "apr_time.h"
#include "core/base/siphash.h"
#include "store/base/status.h"
#include "store/hub/site.h"
#include "store/memory/hub_file.h"
#include "store/memory/hub_file_layout.h"
#include "store/memory/idle.h"
#include "store/memory/internal.h"
#include "store/memory/memory.h"
#include "store/memory/naming.h"
#include "store/shm/control_layout.h"
#include "store/shm/segment.h"
#include "store_unit.h"

#define SLOTS 4
#define MANY  200

static char keys[MANY][64];
static struct mrc_hub_shape shapes[MANY];
static const struct mrc_hub_shape *list[MANY];

static struct mrc_memory *open_memory(const char *dir)
{
    struct mrc_memory *memory;
    struct mrc_error error = {""};

    ck_assert_msg(mrc_memory_open(store_pool(), dir, SLOTS, &error, &memory) == APR_SUCCESS, "%s",
                  error.text);
    for (int i = 0; i < MANY; i++) {
        snprintf(keys[i], sizeof(keys[i]), "hub-%d", i);
        shapes[i] = (struct mrc_hub_shape){
            .key = keys[i],
            .history = {.count = 1000},
            .ring_bytes = 1 << 20,
            .body_max_bytes = 1000,
            .census_streams = 100,
            .is_controlled = true,
            .is_on_demand = true,
        };
        list[i] = &shapes[i];
    }
    return memory;
}

static void fail_of_warning(void *unused, const char *text)
{
    ck_abort_msg("%s", text);
}

static void reconcile(struct mrc_memory *memory, size_t n)
{
    struct mrc_error error = {""};
    apr_status_t status = mrc_memory_reconcile(memory, list, n, fail_of_warning, NULL, &error);

    ck_assert_msg(status == APR_SUCCESS, "%s", error.text);
}

static struct mrc_hub_segment *made(struct mrc_memory *memory, int i)
{
    return mrc_memory_hub(memory, keys[i]);
}

static apr_status_t make(struct mrc_memory *memory, int i, struct mrc_hub_segment **ret_segment)
{
    return mrc_memory_hub_make(mrc_memory_hub_find(memory, keys[i]), NULL, ret_segment);
}

static apr_status_t append(struct mrc_hub_segment *hub, const char *id)
{
    uint64_t seq;
    uint64_t pos;

    return mrc_ring_append(mrc_hub_segment_ring(hub), mrc_bytes_of(id), mrc_bytes_of("x"), 10,
                           apr_time_now(), MRC_RING_WAIT_FOREVER, &seq, &pos);
}

static uint64_t records(struct mrc_hub_segment *hub)
{
    struct mrc_ring_stats stats;

    mrc_ring_stats(mrc_hub_segment_ring(hub), &stats);
    return stats.records;
}

/* The number of files in DIR, and the bytes that they take. */
static unsigned files_in(const char *dir, uint64_t *ret_bytes)
{
    DIR *d = opendir(dir);
    struct dirent *entry;
    unsigned n = 0;
    struct stat st;

    *ret_bytes = 0;
    while ((entry = readdir(d)))
        if (entry->d_name[0] != '.') {
            n++;
            ck_assert_int_eq(fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW), 0);
            ck_assert_int_eq(st.st_mode & 07777, 0600);
            *ret_bytes += (uint64_t)st.st_blocks * 512;
        }
    closedir(d);
    return n;
}

static void finish(struct mrc_memory *memory, const char *dir)
{
    mrc_memory_close(memory);
    ck_assert_int_eq(rmdir(dir), 0);
}

/* A child of the server. It continues when the test writes to its pipe. */
struct child {
    pid_t pid;
    int go;
};

static struct child start_child(struct mrc_memory *memory, int (*run)(struct mrc_memory *memory))
{
    struct child child;
    int to_child[2];
    int ready[2];
    char c;

    ck_assert_int_eq(pipe(to_child), 0);
    ck_assert_int_eq(pipe(ready), 0);
    child.pid = fork();
    if (child.pid == 0) {
        if (mrc_control_claim(mrc_memory_control(memory), getpid(), 1) < 0 ||
            write(ready[1], "x", 1) != 1 || read(to_child[0], &c, 1) != 1)
            _exit(99);
        _exit(run(memory));
    }
    child.go = to_child[1];
    ck_assert_int_eq(read(ready[0], &c, 1), 1);
    return child;
}

/* Lets CHILD finish, which must succeed. */
static void ck_assert_child(struct mrc_memory *memory, struct child child)
{
    int status;

    ck_assert_int_eq(write(child.go, "x", 1), 1);
    ck_assert_int_eq(waitpid(child.pid, &status, 0), child.pid);
    ck_assert_int_eq(status, 0);
    mrc_control_mark_dead(mrc_memory_control(memory), child.pid);
}

/* ---- making -----------------------------------------------------------------------------------*/

START_TEST(idle_hubs_take_one_file_and_no_memory)
{
    const char *dir = store_dir();
    struct mrc_memory *memory = open_memory(dir);
    struct mrc_hub_segment *hub;
    uint64_t before, after;

    ck_assert_uint_eq(files_in(dir, &before), 1);
    reconcile(memory, MANY);
    ck_assert_uint_eq(files_in(dir, &after), 2);
    ck_assert_uint_le(after - before, MANY * 128);
    for (int i = 0; i < MANY; i++) {
        ck_assert_ptr_nonnull(mrc_memory_hub_find(memory, keys[i]));
        ck_assert_ptr_nonnull(mrc_memory_hub_at(memory, (size_t)i));
        ck_assert_ptr_null(made(memory, i));
    }
    ck_assert_ptr_null(mrc_memory_hub_at(memory, MANY));
    before = after;
    ck_assert_int_eq(make(memory, 7, &hub), APR_SUCCESS);
    ck_assert_str_eq(mrc_hub_segment_key(hub), keys[7]);
    ck_assert_ptr_eq(made(memory, 7), hub);
    files_in(dir, &after);
    ck_assert_uint_le(after - before, 128 << 10);
    ck_assert_ptr_null(made(memory, 6));
    finish(memory, dir);
}
END_TEST

static int use_hub(struct mrc_memory *memory)
{
    struct mrc_hub_segment *hub;

    if (make(memory, 3, &hub) != APR_SUCCESS || append(hub, "from a child") != APR_SUCCESS)
        return 1;
    mrc_counters_begin(mrc_hub_segment_counters(hub), 1);
    mrc_counters_add(mrc_hub_segment_counters(hub), 1, 7, 5);
    mrc_interests_add(mrc_hub_segment_interests(hub), 1);
    return mrc_census_add(mrc_hub_segment_census(hub), 1, 77) == 1 ? 0 : 2;
}

static int find_hub(struct mrc_memory *memory)
{
    struct mrc_hub_segment *hub;

    return make(memory, 3, &hub) == APR_SUCCESS && records(hub) == 1 &&
                   mrc_census_sum(mrc_hub_segment_census(hub), 77) == 1 &&
                   append(hub, "second") == APR_SUCCESS
               ? 0
               : 1;
}

START_TEST(a_hub_that_a_child_makes_is_there_for_all)
{
    const char *dir = store_dir();
    struct mrc_memory *memory = open_memory(dir);
    struct mrc_hub_segment *hub;
    unsigned char key[MRC_HUB_POSITION_KEY_BYTES];
    struct child first, second;
    uint64_t pos;

    reconcile(memory, MANY);
    first = start_child(memory, use_hub);
    second = start_child(memory, find_hub);
    ck_assert_child(memory, first);
    ck_assert_child(memory, second);
    hub = made(memory, 3);
    ck_assert_ptr_nonnull(hub);
    ck_assert_uint_eq(records(hub), 2);
    ck_assert_int_eq(mrc_ring_find(mrc_hub_segment_ring(hub), mrc_bytes_of("from a child"),
                                   apr_time_now(), &pos),
                     APR_SUCCESS);
    ck_assert_uint_eq(mrc_counters_sum(mrc_hub_segment_counters(hub), 7), 5);
    ck_assert_uint_eq(mrc_interests_listeners(mrc_hub_segment_interests(hub), 1), 1);
    memcpy(key, mrc_hub_segment_position_key(hub), sizeof(key));
    mrc_hub_segment_fold(hub, 1);
    /* A reload with the same hubs keeps the hub, and so does one with other bounds. */
    reconcile(memory, MANY);
    ck_assert_ptr_eq(made(memory, 3), hub);
    shapes[3].history.bytes = 10;
    reconcile(memory, MANY);
    ck_assert_ptr_eq(made(memory, 3), hub);
    ck_assert_uint_eq(records(hub), 1);
    ck_assert_mem_eq(mrc_hub_segment_position_key(hub), key, sizeof(key));
    finish(memory, dir);
}
END_TEST

/* Makes many hubs. Returns NULL on success. */
static void *make_many(void *memory)
{
    static char failed[] = "failed";

    for (int i = 0; i < MANY; i++) {
        struct mrc_hub_segment *hub;

        if (make(memory, i, &hub) != APR_SUCCESS || append(hub, "id") != APR_SUCCESS)
            return failed;
    }
    return NULL;
}

static int make_in_threads(struct mrc_memory *memory)
{
    pthread_t threads[2];
    void *problem = NULL;
    int failed = 0;

    for (int i = 0; i < 2; i++)
        failed |= pthread_create(&threads[i], NULL, make_many, memory);
    for (int i = 0; i < 2 && !failed; i++) {
        pthread_join(threads[i], &problem);
        failed |= problem != NULL;
    }
    return failed;
}

START_TEST(processes_that_make_a_hub_together_make_one)
{
    const char *dir = store_dir();
    struct mrc_memory *memory = open_memory(dir);
    struct child children[3];

    reconcile(memory, MANY);
    for (int i = 0; i < 3; i++)
        children[i] = start_child(memory, make_in_threads);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(write(children[i].go, "x", 1), 1);
    for (int i = 0; i < 3; i++)
        ck_assert_child(memory, children[i]);
    for (int i = 0; i < MANY; i++)
        ck_assert_uint_eq(records(made(memory, i)), 6);
    finish(memory, dir);
}
END_TEST

/* A shape that needs work in each child from the start is made at once, in its own file. */
START_TEST(a_hub_with_a_list_of_subscriptions_is_made_at_once)
{
    const char *dir = store_dir();
    struct mrc_memory *memory = open_memory(dir);
    uint64_t bytes;

    shapes[1].roster_subscribers = 10;
    reconcile(memory, 3);
    ck_assert_ptr_nonnull(made(memory, 1));
    ck_assert_ptr_null(made(memory, 2));
    ck_assert_uint_eq(files_in(dir, &bytes), 3);
    finish(memory, dir);
}
END_TEST

/* ---- reloads ----------------------------------------------------------------------------------*/

static int use_the_old_one(struct mrc_memory *memory)
{
    struct mrc_hub_segment *hub = made(memory, 3);

    /* The child gets no other hub in place of one that was never used. */
    if (append(hub, "late") != MRC_STATUS_SUPERSEDED || records(hub) != 2)
        return 1;
    return make(memory, 4, &hub) == MRC_STATUS_SUPERSEDED ? 0 : 2;
}

START_TEST(a_resize_moves_what_is_made)
{
    const char *dir = store_dir();
    struct mrc_memory *memory = open_memory(dir);
    struct mrc_hub_segment *hub;
    struct child child;
    uint64_t bytes;

    reconcile(memory, MANY);
    ck_assert_int_eq(make(memory, 3, &hub), APR_SUCCESS);
    ck_assert_int_eq(append(hub, "one"), APR_SUCCESS);
    ck_assert_int_eq(append(hub, "two"), APR_SUCCESS);
    child = start_child(memory, use_the_old_one);
    for (int i = 0; i < MANY; i++)
        shapes[i].ring_bytes *= 2;
    reconcile(memory, MANY);
    ck_assert_ptr_nonnull(made(memory, 3));
    ck_assert_ptr_ne(made(memory, 3), hub);
    ck_assert_uint_eq(records(made(memory, 3)), 2);
    ck_assert_ptr_null(made(memory, 4));
    ck_assert_child(memory, child);
    ck_assert_int_eq(make(memory, 4, &hub), APR_SUCCESS);
    ck_assert_uint_eq(files_in(dir, &bytes), 2); /* the file of the first hubs is gone */
    finish(memory, dir);
}
END_TEST

static int read_the_old_one(struct mrc_memory *memory)
{
    struct mrc_hub_segment *hub = made(memory, 3);

    mrc_memory_reclaim(memory); /* only the parent does that */
    return hub && records(hub) == 1 && mrc_ring_is_superseded(mrc_hub_segment_ring(hub)) ? 0 : 1;
}

/* The memory of a hub that a reload removes is kept for the children that may use it. */
START_TEST(memory_is_given_back_when_no_child_uses_it)
{
    const char *dir = store_dir();
    struct mrc_memory *memory = open_memory(dir);
    struct mrc_hub_segment *hub;
    uint64_t before, after, bytes;
    struct child child;

    reconcile(memory, MANY);
    files_in(dir, &before);
    ck_assert_int_eq(make(memory, 3, &hub), APR_SUCCESS);
    ck_assert_int_eq(append(hub, "id"), APR_SUCCESS);
    files_in(dir, &after);
    ck_assert_uint_gt(after, before);
    child = start_child(memory, read_the_old_one);
    reconcile(memory, 3);
    ck_assert_ptr_null(mrc_memory_hub_find(memory, keys[3]));
    mrc_memory_reclaim(memory);
    files_in(dir, &bytes);
    ck_assert_uint_ge(bytes, after);
    ck_assert_child(memory, child);
    finish(memory, dir);

    /* The same, with a child that ends before the memory is reclaimed. */
    dir = store_dir();
    memory = open_memory(dir);
    reconcile(memory, MANY);
    ck_assert_int_eq(make(memory, 3, &hub), APR_SUCCESS);
    child = start_child(memory, read_the_old_one);
    ck_assert_int_eq(append(hub, "id"), APR_SUCCESS);
    reconcile(memory, 3);
    ck_assert_child(memory, child);
    mrc_memory_reclaim(memory);
    files_in(dir, &bytes);
    ck_assert_uint_le(bytes, before + ((after - before) / 2)); /* a file system may keep some */
    reconcile(memory, MANY);
    ck_assert_int_eq(make(memory, 3, &hub), APR_SUCCESS);
    ck_assert_uint_eq(records(hub), 0);
    finish(memory, dir);
}
END_TEST

/* ---- what may go wrong ------------------------------------------------------------------------*/

START_TEST(without_room_the_next_try_makes_it)
{
    const char *dir = store_dir();
    struct mrc_memory *memory = open_memory(dir);
    const struct mrc_control *control = mrc_memory_control(memory);
    struct mrc_error error = {""};
    struct mrc_hub_segment *hub;
    uint64_t limit = 0;
    apr_status_t status;

    reconcile(memory, MANY);
    do { /* for every place where the room may end */
        limit += 4096;
        mrc_memory_set_limit(memory, limit);
        status = mrc_memory_hub_make(mrc_memory_hub_find(memory, keys[5]), &error, &hub);
        if (status) {
            ck_assert_int_eq(status, MRC_STATUS_NO_ROOM);
            ck_assert_ptr_nonnull(strstr(error.text, "MercureMemory"));
            ck_assert_ptr_nonnull(strstr(error.text, dir));
            ck_assert_uint_eq(mrc_control_counter(control, MRC_CONTROL_MEMORY_TAKEN), 0);
        }
    } while (status);
    ck_assert_uint_gt(limit, 16384);
    ck_assert_uint_eq(mrc_hub_segment_taken(hub), limit);
    ck_assert_uint_eq(mrc_control_counter(control, MRC_CONTROL_MEMORY_TAKEN), limit);
    mrc_memory_set_limit(memory, 0);
    ck_assert_int_eq(append(hub, "id"), APR_SUCCESS);
    finish(memory, dir);
}
END_TEST

/* A child dies while it makes a hub: the next one begins again, with zeros. */
START_TEST(a_half_made_hub_is_made_again)
{
    const char *dir = store_dir();
    struct mrc_memory *memory = open_memory(dir);
    struct mrc_control *control = mrc_memory_control(memory);
    const struct mrc_hub_file_args args = {
        .dir = dir,
        .nslots = SLOTS,
        .budget = mrc_control_budget(control),
        .making = mrc_control_making(control),
    };
    struct mrc_hub_segment *hub;
    struct mrc_hub_file *file;
    struct mrc_error error = {""};

    ck_assert_int_eq(mrc_hub_file_create(store_pool(), "file", &args, list, 2, &error, &file),
                     APR_SUCCESS);
    if (fork() == 0) {
        bool owner_died;
        char path[100];
        struct mrc_hub_file_entry entry;
        char garbage[256]; /* listeners in all slots */
        int fd;

        memset(garbage, 'x', sizeof(garbage));

        snprintf(path, sizeof(path), "%s/file", dir);
        fd = open(path, O_RDWR);
        mrc_lock_acquire(args.making, 0, &owner_died);
        if (pread(fd, &entry, sizeof(entry), 64 + 32) != sizeof(entry))
            _exit(1);
        atomic_store(&entry.state, MRC_HUB_FILE_MAKING);
        if (pwrite(fd, &entry, sizeof(entry), 64 + 32) != sizeof(entry) ||
            pwrite(fd, garbage, sizeof(garbage), (off_t)entry.offset + 8192) != sizeof(garbage))
            _exit(1);
        _exit(0);
    }
    wait(NULL);
    ck_assert_int_eq(mrc_hub_file_state(file, 1), MRC_HUB_FILE_MAKING);
    ck_assert_int_eq(mrc_hub_file_make(file, 1, store_pool(), list[1], &error, &hub), APR_SUCCESS);
    ck_assert_int_eq(mrc_hub_file_state(file, 1), MRC_HUB_FILE_MADE);
    ck_assert_int_eq(append(hub, "id"), APR_SUCCESS);
    ck_assert_uint_eq(mrc_ring_check(mrc_hub_segment_ring(hub), NULL, NULL), 0);
    for (unsigned slot = 0; slot < SLOTS; slot++)
        ck_assert_uint_eq(mrc_interests_listeners(mrc_hub_segment_interests(hub), slot), 0);
    ck_assert(mrc_hub_file_give_up_unmade(file, 0));
    ck_assert(!mrc_hub_file_give_up_unmade(file, 1));
    ck_assert_int_eq(mrc_hub_file_make(file, 0, store_pool(), list[0], &error, &hub),
                     MRC_STATUS_SUPERSEDED);
    ck_assert(mrc_hub_file_give_up(file, 1));
    ck_assert(!mrc_hub_file_give_up(file, 1));
    mrc_hub_file_close(file);
    mrc_hub_file_close(NULL);
    mrc_segment_remove(dir, "file");
    finish(memory, dir);
}
END_TEST

/* A hub that many requests try to make, without room for it. */
static _Atomic uint32_t *unmade;
static atomic_bool is_over;

static void *fail_to_make(void *unused)
{
    while (!atomic_load(&is_over)) {
        uint32_t empty = MRC_HUB_FILE_EMPTY, making = MRC_HUB_FILE_MAKING;

        atomic_compare_exchange_strong(unmade, &empty, MRC_HUB_FILE_MAKING);
        atomic_compare_exchange_strong(unmade, &making, MRC_HUB_FILE_EMPTY);
    }
    return unused;
}

START_TEST(a_hub_that_cannot_be_made_is_given_up)
{
    const char *dir = store_dir();
    struct mrc_memory *memory = open_memory(dir);
    const struct mrc_hub_file_args args = {.dir = dir, .nslots = SLOTS};
    struct mrc_hub_file *file;
    struct mrc_error error = {""};
    pthread_t thread;
    char path[100];
    char *base;
    int fd;

    ck_assert_int_eq(mrc_hub_file_create(store_pool(), "file", &args, list, 1, &error, &file),
                     APR_SUCCESS);
    snprintf(path, sizeof(path), "%s/file", dir);
    fd = open(path, O_RDWR);
    base = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ck_assert_ptr_ne(base, MAP_FAILED);
    close(fd);
    unmade =
        &((struct mrc_hub_file_entry *)(void *)(base + sizeof(struct mrc_hub_file_header)))->state;
    ck_assert_int_eq(pthread_create(&thread, NULL, fail_to_make, NULL), 0);
    for (int i = 0; i < 300000; i++) {
        ck_assert(mrc_hub_file_give_up_unmade(file, 0));
        ck_assert_int_eq(mrc_hub_file_state(file, 0), MRC_HUB_FILE_GONE);
        atomic_store(unmade, i % 2 ? MRC_HUB_FILE_EMPTY : MRC_HUB_FILE_MAKING);
    }
    atomic_store(&is_over, true);
    pthread_join(thread, NULL);
    munmap(base, 4096);
    mrc_hub_file_close(file);
    mrc_segment_remove(dir, "file");
    finish(memory, dir);
}
END_TEST

/* Where one mapping for all hubs is too large, each has its own as long as there are addresses; the
 * rest get no memory. */
START_TEST(a_lack_of_addresses_hurts_only_the_hubs_without)
{
    const char *dir = store_dir();
    struct mrc_memory *memory = open_memory(dir);
    struct mrc_error error = {""};
    struct mrc_hub_segment *hub;
    struct rlimit limit;
    unsigned long pages;
    FILE *statm = fopen("/proc/self/statm", "r");
    int with = 0;

    ck_assert_int_eq(fscanf(statm, "%lu", &pages), 1);
    fclose(statm);
    getrlimit(RLIMIT_AS, &limit);
    limit.rlim_cur = pages * (rlim_t)sysconf(_SC_PAGESIZE) + ((rlim_t)48 << 20);
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
    ck_assert_int_ne(mrc_memory_reconcile(memory, list, MANY, NULL, NULL, &error), APR_SUCCESS);
    ck_assert_ptr_nonnull(strstr(error.text, "cannot map"));
    for (int i = 0; i < MANY; i++) {
        if (!mrc_memory_hub_find(memory, keys[i]))
            continue;
        with++;
        ck_assert_int_eq(make(memory, i, &hub), APR_SUCCESS);
        ck_assert_int_eq(append(hub, "id"), APR_SUCCESS);
    }
    ck_assert_int_gt(with, 3);
    ck_assert_int_lt(with, MANY);
    finish(memory, dir);
}
END_TEST

/* ---- the names of sites -----------------------------------------------------------------------*/

static int claim_many(struct mrc_memory *memory)
{
    struct mrc_memory_hub *hubs[8];
    char name[32];
    size_t place;

    for (int i = 0; i < 8; i++)
        hubs[i] = mrc_memory_hub_find(memory, keys[i]);
    for (int n = 0; n < 8; n++) {
        snprintf(name, sizeof(name), "/srv/site-%d", n);
        if (mrc_naming_obtain(memory, hubs, 8, name, NULL, &place) != APR_SUCCESS)
            return 1;
    }
    return mrc_naming_obtain(memory, hubs, 8, "/srv/one too many", NULL, &place) == APR_ENOSPC ? 0
                                                                                               : 2;
}

START_TEST(each_site_gets_a_hub_of_its_own)
{
    const char *dir = store_dir();
    struct mrc_memory *memory = open_memory(dir);
    struct mrc_memory_hub *hubs[8];
    char name[MRC_SITE_NAME_MAX + 2];
    struct child children[3];
    bool taken[8] = {false};
    size_t place;

    reconcile(memory, 8);
    for (int i = 0; i < 8; i++) {
        hubs[i] = mrc_memory_hub_find(memory, keys[i]);
        ck_assert_ptr_null(mrc_naming_name_of(hubs[i]));
    }
    ck_assert_int_eq(mrc_naming_obtain(memory, hubs, 0, "x", NULL, &place), APR_ENOSPC);
    ck_assert_int_eq(mrc_naming_obtain(memory, hubs, 8, "", NULL, &place), APR_EINVAL);
    memset(name, 'x', sizeof(name));
    name[MRC_SITE_NAME_MAX + 1] = '\0';
    ck_assert_int_eq(mrc_naming_obtain(memory, hubs, 8, name, NULL, &place), APR_EINVAL);
    for (int i = 0; i < 3; i++)
        children[i] = start_child(memory, claim_many);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(write(children[i].go, "x", 1), 1);
    for (int i = 0; i < 3; i++)
        ck_assert_child(memory, children[i]);
    for (int n = 0; n < 8; n++) {
        snprintf(name, sizeof(name), "/srv/site-%d", n);
        ck_assert_int_eq(mrc_naming_obtain(memory, hubs, 8, name, NULL, &place), APR_SUCCESS);
        ck_assert(!taken[place]);
        taken[place] = true;
        ck_assert_str_eq(mrc_naming_name_of(hubs[place]), name);
    }
    finish(memory, dir);
}
END_TEST

/* Without room for its hub, a site gets neither a hub nor a name. */
START_TEST(a_site_without_room_gets_no_hub)
{
    const char *dir = store_dir();
    struct mrc_memory *memory = open_memory(dir);
    struct mrc_memory_hub *hub;
    size_t place;

    reconcile(memory, 1);
    hub = mrc_memory_hub_find(memory, keys[0]);
    mrc_memory_set_limit(memory, 4096);
    ck_assert_int_eq(mrc_naming_obtain(memory, &hub, 1, "a", NULL, &place), MRC_STATUS_NO_ROOM);
    mrc_memory_set_limit(memory, 0);
    ck_assert_int_eq(mrc_naming_obtain(memory, &hub, 1, "b", NULL, &place), APR_SUCCESS);
    ck_assert_str_eq(mrc_naming_name_of(hub), "b");
    ck_assert_int_eq(mrc_naming_obtain(memory, &hub, 1, "a", NULL, &place), APR_ENOSPC);
    /* The name goes with the hub to another segment. */
    shapes[0].ring_bytes *= 2;
    reconcile(memory, 1);
    ck_assert_str_eq(mrc_naming_name_of(mrc_memory_hub_find(memory, keys[0])), "b");
    finish(memory, dir);
}
END_TEST

/* Reloads as if no hub had been used for an hour and a look. */
static void reload_later(struct mrc_memory *memory, size_t n)
{
    memory->reclaimed_at = 0;
    mrc_memory_reclaim(memory);
    for (struct mrc_memory_hub *hub = memory->first; hub; hub = hub->next)
        if (hub->idle_since_us)
            hub->idle_since_us -= MRC_MEMORY_IDLE_US;
    memory->reclaimed_at = 0;
    mrc_memory_reclaim(memory);
    reconcile(memory, n);
}

static size_t place_of(struct mrc_memory *memory, size_t count, const char *name)
{
    struct mrc_memory_hub *hubs[8];
    size_t place = count;

    for (size_t i = 0; i < count; i++)
        hubs[i] = mrc_memory_hub_find(memory, keys[i]);
    ck_assert_int_eq(mrc_naming_obtain(memory, hubs, count, name, NULL, &place), APR_SUCCESS);
    return place;
}

/* The place where the search for NAME among eight hubs begins. */
static size_t home_of(const char *name)
{
    static const uint64_t key[2] = {0, 0};

    return (size_t)(mrc_siphash(key, mrc_bytes_of(name)) % 8);
}

static int publish_late(struct mrc_memory *memory)
{
    struct mrc_hub_segment *hub = made(memory, (int)place_of(memory, 8, "/srv/site-3"));

    return append(hub, "late") == MRC_STATUS_SUPERSEDED ? 0 : 1;
}

/* Eight sites occupy all hubs. Hubs with a history, a listener or a publication in the last hour
 * stay. */
START_TEST(a_reload_gives_idle_hubs_to_other_sites)
{
    const char *dir = store_dir();
    struct mrc_memory *memory = open_memory(dir);
    size_t places[8], place, moved = 8, other;
    struct mrc_hub_segment *hub;
    char name[32], moved_name[20], other_name[20];
    struct child child;

    for (int i = 0; i < 8; i++)
        shapes[i].history.off = true;
    reconcile(memory, 8);
    for (int n = 0; n < 8; n++) {
        snprintf(name, sizeof(name), "/srv/site-%d", n);
        places[n] = place_of(memory, 8, name);
        ck_assert_int_eq(append(made(memory, (int)places[n]), "id"), APR_SUCCESS);
        if (n != 3 && places[n] != home_of(name))
            moved = (size_t)n;
    }
    ck_assert_uint_lt(moved, 8); /* a search passes other hubs to find this one */
    other = moved == 1 ? 2 : 1;
    snprintf(moved_name, sizeof(moved_name), "/srv/site-%u", (unsigned)moved);
    snprintf(other_name, sizeof(other_name), "/srv/site-%u", (unsigned)other);
    mrc_interests_add(mrc_hub_segment_interests(made(memory, (int)places[moved])), 2);
    shapes[places[other]].history.off = false;
    reconcile(memory, 8);
    ck_assert_int_eq(append(made(memory, (int)places[other]), "kept"), APR_SUCCESS);
    child = start_child(memory, publish_late);
    reload_later(memory, 8);
    ck_assert_child(memory, child);
    ck_assert_ptr_nonnull(made(memory, (int)places[moved]));
    ck_assert_ptr_nonnull(made(memory, (int)places[other]));
    ck_assert_uint_eq(records(made(memory, (int)places[other])), 1);
    for (int n = 0; n < 8; n++) {
        if (n == (int)moved || n == (int)other)
            continue;
        ck_assert_ptr_null(made(memory, (int)places[n]));
    }
    /* These two are found where they are, although hubs before them are free; the others get places
     * again. */
    ck_assert_uint_eq(place_of(memory, 8, moved_name), places[moved]);
    ck_assert_uint_eq(place_of(memory, 8, other_name), places[other]);
    for (int n = 10; n < 16; n++) {
        snprintf(name, sizeof(name), "/srv/site-%d", n);
        ck_assert_int_eq(append(made(memory, (int)place_of(memory, 8, name)), "id"), APR_SUCCESS);
    }
    ck_assert_uint_eq(place_of(memory, 8, moved_name), places[moved]);
    ck_assert_uint_eq(place_of(memory, 8, other_name), places[other]);

    /* A publication after the first look. */
    memory->reclaimed_at = 0;
    mrc_memory_reclaim(memory);
    place = place_of(memory, 8, "/srv/site-10");
    hub = made(memory, (int)place);
    ck_assert_int_eq(append(hub, "id"), APR_SUCCESS);
    for (struct mrc_memory_hub *old = memory->first; old; old = old->next)
        if (old->idle_since_us)
            old->idle_since_us -= MRC_MEMORY_IDLE_US;
    reconcile(memory, 8);
    ck_assert_ptr_eq(made(memory, (int)place), hub);
    finish(memory, dir);
}
END_TEST

/* Makes the first N shapes a set for sites. */
static void make_set(size_t n)
{
    for (size_t i = 0; i < n; i++) {
        snprintf(keys[i], sizeof(keys[i]), "set #%zu of %zu", i, n);
        shapes[i].set_bytes = strlen("set #");
    }
}

static int use_old_set(struct mrc_memory *memory)
{
    struct mrc_memory_hub *hubs[8];
    size_t place;

    for (int i = 0; i < 8; i++)
        hubs[i] = mrc_memory_hub_find(memory, keys[i]);
    if (mrc_naming_obtain(memory, hubs, 8, "/srv/site-1", NULL, &place) != APR_SUCCESS ||
        append(mrc_memory_hub_segment(hubs[place]), "from a child") != APR_SUCCESS)
        return 1;
    return mrc_naming_obtain(memory, hubs, 8, "/srv/new", NULL, &place) == MRC_STATUS_SUPERSEDED
               ? 0
               : 2;
}

/* The hub that the site NAME has among COUNT; NULL: none. */
static struct mrc_hub_segment *site(struct mrc_memory *memory, size_t count, const char *name)
{
    struct mrc_memory_hub *hubs[MANY];
    size_t place;

    for (size_t i = 0; i < count; i++)
        hubs[i] = mrc_memory_hub_find(memory, keys[i]);
    return mrc_naming_obtain(memory, hubs, count, name, NULL, &place) == APR_SUCCESS
               ? mrc_memory_hub_segment(hubs[place])
               : NULL;
}

/* The children of both generations use the same hubs. */
START_TEST(sites_keep_their_hubs_in_a_set_of_another_size)
{
    static const size_t sizes[] = {8, 150, 5, 37, 8};
    const char *dir = store_dir();
    struct mrc_memory *memory = open_memory(dir);
    struct mrc_hub_segment *hubs[5];
    char name[32];
    struct child child;
    size_t with = 0;

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        make_set(sizes[i]);
        reconcile(memory, sizes[i]);
        for (int n = 0; n < 5; n++) {
            snprintf(name, sizeof(name), "/srv/site-%d", n);
            if (i == 0)
                ck_assert_int_eq(append(site(memory, 8, name), name), APR_SUCCESS);
            hubs[n] = site(memory, sizes[i], name);
            ck_assert_uint_eq(records(hubs[n]), i > 1 && n == 1 ? 2 : 1);
            for (int m = 0; m < n; m++)
                ck_assert_ptr_ne(hubs[m], hubs[n]);
        }
        if (i == 0)
            child = start_child(memory, use_old_set);
        if (i == 1)
            ck_assert_child(memory, child);
    }
    for (int n = 5; n < 8; n++) {
        snprintf(name, sizeof(name), "/srv/site-%d", n);
        ck_assert_uint_eq(records(site(memory, 8, name)), 0);
    }
    ck_assert_ptr_null(site(memory, 8, "/srv/new"));
    /* In a set that is too small, as many sites as possible keep theirs. */
    make_set(3);
    reconcile(memory, 3);
    for (int n = 0; n < 8; n++) {
        snprintf(name, sizeof(name), "/srv/site-%d", n);
        with += site(memory, 3, name) != NULL;
    }
    ck_assert_uint_eq(with, 3);
    finish(memory, dir);
}
END_TEST

/* A resize of the hubs and one of the set come together; another set is as before. */
START_TEST(a_set_is_arranged_alone)
{
    const char *dir = store_dir();
    struct mrc_memory *memory = open_memory(dir);
    struct mrc_hub_segment *other;

    make_set(8);
    for (int i = 4; i < 8; i++) {
        snprintf(keys[i], sizeof(keys[i]), "two #%d of 4", i);
        shapes[i].key = keys[i];
    }
    reconcile(memory, 8);
    ck_assert_int_eq(append(site(memory, 4, "/srv/a"), "id"), APR_SUCCESS);
    ck_assert_ptr_null(mrc_naming_name_of(mrc_memory_hub_find(memory, keys[4])));
    ck_assert_int_eq(make(memory, 4, &other), APR_SUCCESS);
    mrc_site_set_name(mrc_hub_segment_site(other), "/srv/a");
    for (int i = 0; i < 4; i++) {
        snprintf(keys[i], sizeof(keys[i]), "set #%d of 5", i);
        shapes[i].ring_bytes *= 2;
    }
    reconcile(memory, 8);
    ck_assert_uint_eq(records(site(memory, 4, "/srv/a")), 1);
    ck_assert_ptr_ne(site(memory, 4, "/srv/a"), other);
    ck_assert_ptr_eq(made(memory, 4), other);
    finish(memory, dir);
}
END_TEST

/* ---- the blank hub ----------------------------------------------------------------------------*/

START_TEST(a_blank_hub_has_nothing_and_takes_nothing)
{
    struct mrc_hub_segment *blank;
    struct mrc_ring_stats stats;

    ck_assert_int_eq(mrc_hub_segment_make_blank(store_pool(), SLOTS, NULL, &blank), APR_SUCCESS);
    mrc_ring_stats(mrc_hub_segment_ring(blank), &stats);
    ck_assert_uint_eq(stats.records + stats.head + stats.superseded, 0);
    ck_assert_uint_eq(mrc_hub_segment_taken(blank), 0);
    ck_assert_uint_eq(mrc_counters_sum(mrc_hub_segment_counters(blank), 1), 0);
    ck_assert_uint_eq(mrc_counters_gauge_sum(mrc_hub_segment_counters(blank), 1), 0);
    ck_assert_uint_eq(mrc_interests_listeners(mrc_hub_segment_interests(blank), 1), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hub_file");
    TCase *tcase = tcase_create("hub_file");

    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, idle_hubs_take_one_file_and_no_memory);
    tcase_add_test(tcase, a_hub_that_a_child_makes_is_there_for_all);
    tcase_add_test(tcase, processes_that_make_a_hub_together_make_one);
    tcase_add_test(tcase, a_hub_with_a_list_of_subscriptions_is_made_at_once);
    tcase_add_test(tcase, a_resize_moves_what_is_made);
    tcase_add_test(tcase, memory_is_given_back_when_no_child_uses_it);
    tcase_add_test(tcase, without_room_the_next_try_makes_it);
    tcase_add_test(tcase, a_half_made_hub_is_made_again);
    tcase_add_test(tcase, a_hub_that_cannot_be_made_is_given_up);
    tcase_add_test(tcase, a_lack_of_addresses_hurts_only_the_hubs_without);
    tcase_add_test(tcase, each_site_gets_a_hub_of_its_own);
    tcase_add_test(tcase, a_site_without_room_gets_no_hub);
    tcase_add_test(tcase, a_reload_gives_idle_hubs_to_other_sites);
    tcase_add_test(tcase, sites_keep_their_hubs_in_a_set_of_another_size);
    tcase_add_test(tcase, a_set_is_arranged_alone);
    tcase_add_test(tcase, a_blank_hub_has_nothing_and_takes_nothing);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
