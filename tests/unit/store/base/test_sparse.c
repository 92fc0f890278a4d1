#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "store/base/sparse.h"
#include "store/base/status.h"
#include "store_unit.h"

#define OFFSET        2048
#define GROUPS_OFFSET 4096

/* A mapped sparse file in a directory, and its pages. */
struct place {
    int fd;
    char *base;
    uint64_t bytes;
    struct mrc_sparse *pages;
    struct mrc_sparse_budget *budget;
};

static struct place open_place(const char *dir, uint64_t bytes)
{
    struct place place = {.bytes = bytes};
    struct mrc_sparse_budget *budget = store_shared(sizeof(*budget));
    _Atomic uint64_t *counters = (_Atomic uint64_t *)store_shared(16);
    char path[100];

    snprintf(path, sizeof(path), "%s/file", dir);
    place.fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
    ck_assert_int_ge(place.fd, 0);
    ck_assert_int_eq(ftruncate(place.fd, (off_t)bytes), 0);
    place.base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, place.fd, 0);
    ck_assert_ptr_ne(place.base, MAP_FAILED);
    *budget = (struct mrc_sparse_budget){counters, counters + 1, place.fd};
    place.budget = budget;
    ck_assert_int_eq(mrc_sparse_create(store_pool(), place.base, bytes, OFFSET, GROUPS_OFFSET,
                                       GROUPS_OFFSET + 4096, budget, &place.pages),
                     APR_SUCCESS);
    return place;
}

static uint64_t on_disk(const struct place *place)
{
    struct stat st;

    ck_assert_int_eq(fstat(place->fd, &st), 0);
    return (uint64_t)st.st_blocks * 512;
}

/* Mounts a file system of SIZE at a new directory; NULL if this user may not. */
static const char *small_file_system(const char *size)
{
    const char *dir = store_dir();

    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", dir, "tmpfs", 0, size) != 0)
        return NULL;
    return dir;
}

START_TEST(takes_what_is_needed)
{
    struct place place = open_place(store_dir(), (uint64_t)1 << 30);
    uint64_t first = mrc_sparse_taken(place.pages);
    char *at = place.base + ((uint64_t)300 << 20) + 100;

    ck_assert_uint_le(first, 4 * 4096);
    ck_assert(mrc_sparse_have(place.pages, place.base, OFFSET + sizeof(struct mrc_sparse_layout)));
    ck_assert(!mrc_sparse_have(place.pages, at, 1));
    ck_assert_int_eq(mrc_sparse_take(place.pages, at, 5000), APR_SUCCESS);
    ck_assert(mrc_sparse_have(place.pages, at, 5000));
    ck_assert(!mrc_sparse_have(place.pages, at, 20000));
    memset(at, 'x', 5000);
    ck_assert_int_eq(mrc_sparse_take(place.pages, at - 4096, 20000), APR_SUCCESS);
    ck_assert_int_eq(at[4999], 'x'); /* it stays */
    ck_assert_uint_eq(mrc_sparse_taken(place.pages), atomic_load(place.budget->taken));
    ck_assert_uint_le(mrc_sparse_taken(place.pages), first + 8 * 4096);
    ck_assert_uint_le(on_disk(&place), mrc_sparse_taken(place.pages));
    /* The end of the file is in another group of bits. */
    ck_assert_int_eq(mrc_sparse_take(place.pages, place.base + place.bytes - 1, 1), APR_SUCCESS);
    place.base[place.bytes - 1] = 'y';
    ck_assert_int_eq(mrc_sparse_take(place.pages, at, 0), APR_SUCCESS);
    mrc_sparse_release(place.pages);
    ck_assert_uint_eq(atomic_load(place.budget->taken), 0);
}
END_TEST

START_TEST(without_pages_all_is_there)
{
    static const char bytes[100];

    ck_assert(mrc_sparse_have(NULL, bytes, sizeof(bytes)));
    ck_assert_int_eq(mrc_sparse_take(NULL, bytes, sizeof(bytes)), APR_SUCCESS);
    ck_assert_uint_eq(mrc_sparse_taken(NULL), 0);
    mrc_sparse_release(NULL);
}
END_TEST

START_TEST(the_budget_is_a_bound)
{
    struct place place = open_place(store_dir(), (uint64_t)1 << 24);
    uint64_t taken = mrc_sparse_taken(place.pages);

    atomic_store((_Atomic uint64_t *)place.budget->limit, taken + 8192);
    ck_assert_int_eq(mrc_sparse_take(place.pages, place.base + 40960, 3 * 4096),
                     MRC_STATUS_NO_ROOM);
    ck_assert(!mrc_sparse_have(place.pages, place.base + 40960, 1));
    ck_assert_uint_eq(atomic_load(place.budget->taken), taken);
    ck_assert_int_eq(mrc_sparse_take(place.pages, place.base + 40960, 2 * 4096), APR_SUCCESS);
    ck_assert_int_eq(mrc_sparse_take(place.pages, place.base + 81920, 1), MRC_STATUS_NO_ROOM);
    ck_assert_int_eq(mrc_sparse_take(place.pages, place.base + 40960, 2 * 4096), APR_SUCCESS);
    atomic_store((_Atomic uint64_t *)place.budget->limit, 1); /* lower than what is allocated */
    ck_assert_int_eq(mrc_sparse_take(place.pages, place.base + 81920, 1), MRC_STATUS_NO_ROOM);
    atomic_store((_Atomic uint64_t *)place.budget->limit, 0);
    ck_assert_int_eq(mrc_sparse_take(place.pages, place.base + 81920, 1), APR_SUCCESS);
}
END_TEST

/* Filling a file system of 1 MB ends with an error and not a signal, and leaves room to others. */
START_TEST(a_full_file_system_is_an_error)
{
    const char *dir = small_file_system("size=1m");
    struct place place;
    char path[100];
    uint64_t at;
    int fd;

    if (!dir)
        return;
    place = open_place(dir, (uint64_t)1 << 24);
    for (at = 65536; at < place.bytes; at += 8192) {
        if (mrc_sparse_take(place.pages, place.base + at, 8192) != APR_SUCCESS)
            break;
        memset(place.base + at, 'x', 8192);
    }
    ck_assert_uint_gt(at, 512 << 10);
    ck_assert_uint_lt(at, 1200 << 10);
    ck_assert(!mrc_sparse_have(place.pages, place.base + at, 8192));
    ck_assert_uint_eq(atomic_load(place.budget->taken), mrc_sparse_taken(place.pages));
    snprintf(path, sizeof(path), "%s/pid", dir);
    fd = open(path, O_WRONLY | O_CREAT, 0600);
    ck_assert_int_eq(write(fd, path, 50), 50);
    close(fd);
    /* Without the reserve for others, it is the kernel that refuses. */
    place.budget->fd = -1;
    while (mrc_sparse_take(place.pages, place.base + at, 4096) == APR_SUCCESS)
        at += 4096;
    ck_assert_int_eq(mrc_sparse_take(place.pages, place.base + at, 4096), MRC_STATUS_NO_ROOM);
    ck_assert_uint_eq(atomic_load(place.budget->taken), mrc_sparse_taken(place.pages));
    umount2(dir, MNT_DETACH);
}
END_TEST

struct taker {
    struct place *place;
    unsigned number; /* below 4 */
};

static void *take_all(void *data)
{
    const struct taker *taker = data;

    for (uint64_t at = (taker->number + 2) * UINT64_C(4096); at + 10000 < taker->place->bytes;
         at += 4096) {
        ck_assert_int_eq(mrc_sparse_take(taker->place->pages, taker->place->base + at, 10000),
                         APR_SUCCESS);
        taker->place->base[at + 9996 + taker->number] = 'x'; /* no other thread writes there */
    }
    return NULL;
}

START_TEST(simultaneous_callers_count_once)
{
    struct place place = open_place(store_dir(), (uint64_t)4 << 20);
    struct taker takers[4];
    pthread_t threads[4];
    int status;
    pid_t pid = fork();

    for (unsigned i = 0; i < 4; i++) {
        takers[i] = (struct taker){&place, i};
        pthread_create(&threads[i], NULL, take_all, &takers[i]);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    if (pid == 0)
        _exit(0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    ck_assert_uint_eq(atomic_load(place.budget->taken), mrc_sparse_taken(place.pages));
    ck_assert_uint_le(mrc_sparse_taken(place.pages), place.bytes + 4096);
    ck_assert_uint_le(on_disk(&place), mrc_sparse_taken(place.pages));
}
END_TEST

/*
 * A process may die between allocating a page and setting its bit: the next one allocates it again.
 */
START_TEST(a_page_whose_bit_is_missing_keeps_its_bytes)
{
    struct place place = open_place(store_dir(), (uint64_t)4 << 20);
    char *at = place.base + 409600;
    _Atomic uint64_t *bits = (_Atomic uint64_t *)(void *)(place.base + GROUPS_OFFSET);

    ck_assert_int_eq(mrc_sparse_take(place.pages, at, 10), APR_SUCCESS);
    memcpy(at, "precious", 9);
    atomic_fetch_and(&bits[100 / 64], ~(UINT64_C(1) << 100 % 64));
    ck_assert(!mrc_sparse_have(place.pages, at, 10));
    ck_assert_int_eq(mrc_sparse_take(place.pages, at, 10), APR_SUCCESS);
    ck_assert_str_eq(at, "precious");
}
END_TEST

/* A file system that cannot free pages of a file gives nothing back. */
START_TEST(whole_pages_go_back)
{
    struct place place = open_place(store_dir(), (uint64_t)1 << 30);
    char *at = place.base + 40960;
    uint64_t before, given;

    ck_assert_int_eq(mrc_sparse_take(place.pages, at, 10 * 4096), APR_SUCCESS);
    memset(at, 'x', 10 * 4096);
    before = mrc_sparse_taken(place.pages);
    ck_assert_uint_eq(mrc_sparse_give_back(place.pages, at + 1, 4096), 0);
    given = mrc_sparse_give_back(place.pages, at + 1, 4 * 4096);
    ck_assert_uint_eq(mrc_sparse_taken(place.pages), before - given);
    ck_assert_uint_eq(atomic_load(place.budget->taken), before - given);
    if (given > 0) {
        ck_assert_uint_eq(given, 3 * 4096);
        ck_assert(!mrc_sparse_have(place.pages, at + 4096, 1));
        ck_assert(!mrc_sparse_have(place.pages, at + 4 * 4096 - 1, 1));
        ck_assert_uint_le(on_disk(&place), before - given);
        ck_assert_int_eq(mrc_sparse_take(place.pages, at, 10 * 4096), APR_SUCCESS);
        ck_assert_int_eq(at[4096], 0);
        /* The range extends over groups that were never used, to the end of the file. */
        ck_assert_uint_eq(mrc_sparse_give_back(place.pages, at + 4096, place.bytes - 45056),
                          9 * 4096);
    }
    ck_assert_int_eq(at[4095], 'x');
    ck_assert(mrc_sparse_have(place.pages, at, 4096));
    ck_assert_uint_eq(mrc_sparse_give_back(NULL, at, 4096), 0);
}
END_TEST

START_TEST(a_tool_sees_the_same)
{
    struct place place = open_place(store_dir(), (uint64_t)1 << 30);
    uint64_t groups_bytes = mrc_sparse_bytes(place.bytes);
    struct mrc_sparse *view;

    ck_assert_int_eq(mrc_sparse_take(place.pages, place.base + 500000000, 10), APR_SUCCESS);
    view =
        mrc_sparse_open(store_pool(), place.base, place.bytes, OFFSET, GROUPS_OFFSET, groups_bytes);
    ck_assert_ptr_nonnull(view);
    ck_assert(mrc_sparse_have(view, place.base + 500000000, 10));
    ck_assert(!mrc_sparse_have(view, place.base + 600000000, 10));
    ck_assert_ptr_null(
        mrc_sparse_open(store_pool(), place.base, place.bytes, OFFSET, GROUPS_OFFSET, 4096));
    ((struct mrc_sparse_layout *)(void *)(place.base + OFFSET))->page_bytes = 1000;
    ck_assert_ptr_null(mrc_sparse_open(store_pool(), place.base, place.bytes, OFFSET, GROUPS_OFFSET,
                                       groups_bytes));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sparse");
    TCase *tcase = tcase_create("sparse");

    tcase_add_test(tcase, takes_what_is_needed);
    tcase_add_test(tcase, without_pages_all_is_there);
    tcase_add_test(tcase, the_budget_is_a_bound);
    tcase_add_test(tcase, a_full_file_system_is_an_error);
    tcase_add_test(tcase, simultaneous_callers_count_once);
    tcase_add_test(tcase, a_page_whose_bit_is_missing_keeps_its_bytes);
    tcase_add_test(tcase, whole_pages_go_back);
    tcase_add_test(tcase, a_tool_sees_the_same);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
