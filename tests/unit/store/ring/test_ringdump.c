/* The program ringdump, on segments that are sound, in use, truncated or full of wrong bytes. */
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "apr_time.h"
#include "store/hub/segment.h"
#include "store/memory/hub_file.h"
#include "store/memory/hub_file_layout.h"
#include "store/regions/link.h"
#include "store/regions/staging.h"
#include "store/ring/layout.h"
#include "store/shm/control.h"
#include "store/shm/segment.h"
#include "store_unit.h"

static struct mrc_hub_segment *make_hub(const char *dir)
{
    const struct mrc_hub_shape shape = {
        .key = "a\nhub",
        .history = {.count = 20},
        .ring_bytes = 3000,
        .body_max_bytes = 200,
    };
    struct mrc_hub_segment *hub;
    struct mrc_error error = {""};
    int i;

    ck_assert_msg(mrc_hub_segment_create(store_pool(), dir, "hub", &shape, 4, store_budget(),
                                         &error, &hub) == APR_SUCCESS,
                  "%s", error.text);
    mrc_interests_add(mrc_hub_segment_interests(hub), 2);
    for (i = 0; i < 200; i++) {
        uint64_t seq;
        uint64_t pos;
        char id[20];

        snprintf(id, sizeof(id), "id%d", i);
        ck_assert_int_eq(mrc_ring_append(mrc_hub_segment_ring(hub), mrc_bytes_of(id),
                                         mrc_bytes_of("two\nlines\x01"), 10, 1700000000000000, 0,
                                         &seq, &pos),
                         APR_SUCCESS);
    }
    return hub;
}

/* Runs ringdump; RET_OUT gets its output. Returns the exit status, or -1 if a signal ended it. */
static int run(const char *path, const char *option, char *ret_out, size_t size)
{
    int out[2];
    size_t len = 0;
    ssize_t got;
    int status;
    pid_t pid;
    char rest[4096];

    ck_assert_int_eq(pipe(out), 0);
    pid = fork();
    if (pid == 0) {
        dup2(out[1], 1);
        dup2(out[1], 2);
        close(out[0]);
        execl("./ringdump", "ringdump", option, path, NULL);
        _exit(127);
    }
    close(out[1]);
    while (len + 1 < size && (got = read(out[0], ret_out + len, size - 1 - len)) > 0)
        len += (size_t)got;
    ret_out[len] = '\0';
    while (read(out[0], rest, sizeof(rest)) > 0)
        ;
    close(out[0]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static char out[200000];

#define ck_assert_says(text) ck_assert_msg(strstr(out, (text)) != NULL, "%s", out)

START_TEST(shows_a_hub)
{
    const char *dir = store_dir();
    struct mrc_hub_segment *hub = make_hub(dir);
    char path[100];

    snprintf(path, sizeof(path), "%s/hub", dir);
    ck_assert_int_eq(run(path, "--records", out, sizeof(out)), 0);
    ck_assert_says("a\\nhub\n");
    ck_assert_says("bounds: count 20\n");
    ck_assert_says("slot 2: 1\n");
    ck_assert_says("seq 200 2023-11-14T22:13:20.000000Z history id id199 stored 10 payload 10\n");
    ck_assert_says("seq 180 2023-11-14T22:13:20.000000Z past id id179");
    ck_assert_says("check     sound\n");
    ck_assert_int_eq(run(path, "--payload", out, sizeof(out)), 0);
    ck_assert_says("payload 10: two\\nlines\\x01\n");
    mrc_ring_supersede(mrc_hub_segment_ring(hub), 0);
    ck_assert_int_eq(run(path, "--records", out, sizeof(out)), 0);
    ck_assert_says("state     superseded\n");
    mrc_hub_segment_close(hub);
    mrc_segment_remove(dir, "hub");
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

START_TEST(shows_a_link)
{
    const struct mrc_hub_shape shape = {
        .key = "hub",
        .ring_bytes = 3000,
        .body_max_bytes = 200,
        .staging_bytes = (uint32_t)mrc_staging_bytes(MRC_STAGING_SLOTS, MRC_STAGING_DATA_BYTES, 0),
        .has_link = true,
    };
    const struct mrc_link_position position = {
        .generation = 77, .number = 12, .token_writer = 0xab, .token_counter = 9};
    const char *dir = store_dir();
    struct mrc_hub_segment *hub;
    struct mrc_error error = {""};
    struct mrc_link *link_of_hub;
    char path[100];

    ck_assert_msg(mrc_hub_segment_create(store_pool(), dir, "hub", &shape, 4, store_budget(),
                                         &error, &hub) == APR_SUCCESS,
                  "%s", error.text);
    link_of_hub = mrc_hub_segment_link(hub);
    mrc_link_set_position(link_of_hub, &position);
    mrc_link_set_newest(link_of_hub, 15);
    mrc_link_set_machines(link_of_hub, 2);
    mrc_link_set_counter(link_of_hub, 5);
    mrc_link_set_state(link_of_hub, MRC_LINK_UP, 1700000000000000);
    snprintf(path, sizeof(path), "%s/hub", dir);
    ck_assert_int_eq(run(path, "--records", out, sizeof(out)), 0);
    ck_assert_says("link      up since 2023-11-14T22:13:20.000000Z, 2 machines with 0 other ");
    ck_assert_says("log       generation 77, entry 12 (writer 00000000000000ab, 9), 3 behind, 0 ");
    ck_assert_says(", last counter 5\n");
    mrc_hub_segment_close(hub);
    mrc_segment_remove(dir, "hub");
}
END_TEST

START_TEST(shows_a_server)
{
    const char *dir = store_dir();
    struct mrc_control *control;
    char path[100];

    snprintf(path, sizeof(path), "%s/c", dir);
    ck_assert_int_eq(mrc_control_create(store_pool(), dir, "c", 3, NULL, &control), APR_SUCCESS);
    mrc_control_claim(control, 101, 1);
    mrc_control_claim(control, 102, 7);
    mrc_control_mark_dead(control, 101);
    ck_assert_int_eq(run(path, "--records", out, sizeof(out)), 0);
    ck_assert_says("slot 0    dead pid 101");
    ck_assert_says("slot 1    live pid 102 generation 7\n");
    mrc_control_close(control);
    mrc_segment_remove(dir, "c");
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

START_TEST(reports_what_it_cannot_read)
{
    ck_assert_int_eq(run("/tmp/mrc-does-not-exist", "--records", out, sizeof(out)), 2);
    ck_assert_says("cannot open");
    ck_assert_int_eq(run("/proc/self/exe", "--records", out, sizeof(out)), 3);
    ck_assert_says("not a hub's segment");
    ck_assert_int_eq(run("--what", "--records", out, sizeof(out)), 2);
    ck_assert_says("usage");
}
END_TEST

/* One to eight wrong bytes anywhere, and truncated files. */
START_TEST(survives_any_bytes)
{
    enum { RUNS = 300 };
    const char *dir = store_dir();
    struct mrc_hub_segment *hub = make_hub(dir);
    size_t size = (size_t)mrc_hub_segment_bytes(hub);
    uint64_t random = (uint64_t)apr_time_now() | 1;
    unsigned contradictions = 0;
    char *good = malloc(size);
    char *bad = malloc(size);
    char path[100];
    int fd;
    int i;

    fprintf(stderr, "# seed %" PRIu64 "\n", random);
    snprintf(path, sizeof(path), "%s/hub", dir);
    mrc_hub_segment_close(hub);
    fd = open(path, O_RDWR);
    ck_assert_int_eq(read(fd, good, size), (ssize_t)size);
    for (i = 0; i < RUNS; i++) {
        size_t end = size;
        int flips;
        int status;

        memcpy(bad, good, size);
        for (flips = i % 8; flips >= 0; flips--) {
            size_t at;

            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            /* Every other change is in the headers, where it does the most harm. */
            at = flips % 2 ? random % size : random % (2048 + 256);
            bad[at] = (char)(random >> 33);
        }
        if (i % 10 == 0)
            end = random % size;
        ck_assert_int_eq(ftruncate(fd, 0), 0);
        ck_assert_int_eq(pwrite(fd, bad, end, 0), (ssize_t)end);
        status = run(path, "--payload", out, sizeof(out));
        if (end < size)
            ck_assert_msg(status == (end ? 3 : 2), "run %d, cut to %zu: exit status %d", i, end,
                          status);
        else
            ck_assert_msg(status == 0 || status == 1 || status == 3, "run %d: exit status %d", i,
                          status);
        contradictions += status == 1;
    }
    ck_assert_uint_gt(contradictions, 0);
    close(fd);
    free(good);
    free(bad);
    mrc_segment_remove(dir, "hub");
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

/* The sizes agree with each other, but not with the file. */
/* It shows those of the many hubs in a file that are made. */
START_TEST(shows_the_hubs_of_a_file)
{
    const char *dir = store_dir();
    const struct mrc_hub_shape shapes[] = {
        {.key = "first", .ring_bytes = 3000, .body_max_bytes = 200},
        {.key = "second", .ring_bytes = 3000, .body_max_bytes = 200},
        {.key = "third", .ring_bytes = 3000, .body_max_bytes = 200},
    };
    const struct mrc_hub_shape *const list[] = {&shapes[0], &shapes[1], &shapes[2]};
    const struct mrc_hub_file_args args = {
        .dir = dir,
        .nslots = 4,
        .budget = store_budget(),
        .making = store_shared(sizeof(union mrc_lock)),
    };
    struct mrc_hub_file *file;
    struct mrc_hub_segment *hub;
    struct mrc_hub_file_header header;
    struct mrc_error error = {""};
    uint64_t seq, pos;
    char path[100];
    int fd;

    ck_assert_int_eq(mrc_lock_init(args.making), APR_SUCCESS);
    ck_assert_msg(mrc_hub_file_create(store_pool(), "hubs", &args, list, 3, &error, &file) ==
                      APR_SUCCESS,
                  "%s", error.text);
    snprintf(path, sizeof(path), "%s/hubs", dir);
    ck_assert_int_eq(run(path, "--records", out, sizeof(out)), 0);
    ck_assert_says("3 hubs, 0 with memory");
    ck_assert_int_eq(mrc_hub_file_make(file, 1, store_pool(), list[1], &error, &hub), APR_SUCCESS);
    ck_assert_int_eq(mrc_ring_append(mrc_hub_segment_ring(hub), mrc_bytes_of("an-id"),
                                     mrc_bytes_of("x"), 10, 1700000000000000, 0, &seq, &pos),
                     APR_SUCCESS);
    ck_assert_int_eq(run(path, "--records", out, sizeof(out)), 0);
    ck_assert_says("hub       second");
    ck_assert_says("an-id");
    ck_assert_says("3 hubs, 1 with memory");
    ck_assert_ptr_null(strstr(out, "first"));

    fd = open(path, O_RDWR);
    ck_assert_int_eq(pread(fd, &header, sizeof(header), 0), sizeof(header));
    header.count = 1000;
    ck_assert_int_eq(pwrite(fd, &header, sizeof(header), 0), sizeof(header));
    ck_assert_int_eq(run(path, "--records", out, sizeof(out)), 3);
    header.count = 3;
    header.total_bytes *= 2;
    ck_assert_int_eq(pwrite(fd, &header, sizeof(header), 0), sizeof(header));
    ck_assert_int_eq(run(path, "--records", out, sizeof(out)), 3);
    header.total_bytes /= 2;
    ck_assert_int_eq(pwrite(fd, &header, sizeof(header), 0), sizeof(header));
    close(fd);
    mrc_hub_file_close(file);
    mrc_segment_remove(dir, "hubs");
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

START_TEST(rejects_sizes_that_exceed_the_file)
{
    const char *dir = store_dir();
    struct mrc_hub_segment *hub = make_hub(dir);
    const uint64_t large = UINT64_C(1) << 30;
    struct mrc_hub_header header;
    struct mrc_ring_header ring;
    struct mrc_hub_header *file;
    struct mrc_ring_header *ring_file;
    struct mrc_segment segment;
    char path[100];

    snprintf(path, sizeof(path), "%s/hub", dir);
    ck_assert_int_eq(mrc_segment_open(store_pool(), path, NULL, &segment), APR_SUCCESS);
    file = mmap(NULL, segment.size, PROT_READ | PROT_WRITE, MAP_SHARED, open(path, O_RDWR), 0);
    ck_assert_ptr_ne(file, MAP_FAILED);
    ring_file =
        (struct mrc_ring_header *)(void *)((char *)file + file->region[MRC_HUB_REGION_RING].offset);
    header = *file;
    ring = *ring_file;

    file->region[MRC_HUB_REGION_RING].size = large;
    ring_file->capacity = large - sizeof(ring);
    ck_assert_int_eq(run(path, "--records", out, sizeof(out)), 3);
    ck_assert_says("regions do not fit");
    file->total_bytes = 4 * large;
    ck_assert_int_eq(run(path, "--records", out, sizeof(out)), 3);
    ck_assert_says("shorter than its header says");
    *file = header;
    ck_assert_int_eq(run(path, "--records", out, sizeof(out)), 3);
    ck_assert_says("this is not a ring");
    *ring_file = ring;
    ring_file->bucket_count *= 1024;
    ck_assert_int_eq(run(path, "--records", out, sizeof(out)), 3);
    *ring_file = ring;
    file->region[MRC_HUB_REGION_CENSUS].size = 64;
    ck_assert_int_eq(run(path, "--records", out, sizeof(out)), 3);
    ck_assert_says("regions do not fit");
    *file = header;
    file->nslots = 65536;
    ck_assert_int_eq(run(path, "--records", out, sizeof(out)), 3);
    ck_assert_says("too small");
    *file = header;
    ck_assert_int_eq(run(path, "--records", out, sizeof(out)), 0);
    mrc_segment_close(&segment);
    mrc_hub_segment_close(hub);
    mrc_segment_remove(dir, "hub");
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ringdump");
    TCase *tcase = tcase_create("ringdump");

    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, shows_a_hub);
    tcase_add_test(tcase, shows_a_link);
    tcase_add_test(tcase, shows_the_hubs_of_a_file);
    tcase_add_test(tcase, shows_a_server);
    tcase_add_test(tcase, reports_what_it_cannot_read);
    tcase_add_test(tcase, survives_any_bytes);
    tcase_add_test(tcase, rejects_sizes_that_exceed_the_file);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
