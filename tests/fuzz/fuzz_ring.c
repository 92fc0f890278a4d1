/*
 * The input damages the file of a hub's shared memory, as a crash of the machine may, and the
 * target walks through it as ringdump does: it reads nothing outside the file, and every walk ends.
 * Each piece of the input has a region (1 byte; 0: the head of the file), an offset in it (2
 * bytes), a length (1 byte), and as many bytes; with the length 0 the file ends there.
 *
 * Packages: apr-1
 * Sources: src/store/ring/ src/store/regions/ src/store/shm/
 * Sources: src/store/base/file.c src/store/base/futex.c src/store/base/lock.c
 * Sources: src/store/base/sparse.c src/store/base/status.c
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apr_general.h"
#include "apr_pools.h"

#include "fuzz.h"
#include "store/hub/layout.h"
#include "store/hub/segment.h"
#include "store/regions/link.h"
#include "store/regions/staging.h"

#define RECORDS 200
#define TIME_US 1700000000000000

/* A sound file, and a copy that is damaged. */
struct world {
    char *good, *bad;
    size_t size;
    int fd; /* of BAD */
    char path[40];
};

/* Makes the file the same each time. */
apr_status_t apr_generate_random_bytes(unsigned char *bytes, apr_size_t len)
{
    memset(bytes, 'r', len);
    return APR_SUCCESS;
}

static void fill(struct mrc_hub_segment *hub)
{
    uint64_t seq, pos;
    char id[20];

    mrc_interests_add(mrc_hub_segment_interests(hub), 2);
    for (int i = 0; i < RECORDS; i++) {
        snprintf(id, sizeof(id), "id%d", i);
        FUZZ_CHECK(mrc_ring_append(mrc_hub_segment_ring(hub), mrc_bytes_of(id),
                                   mrc_bytes_of("payload"), 10, TIME_US, 0, &seq,
                                   &pos) == APR_SUCCESS);
        if (i % 50 == 49)
            FUZZ_CHECK(mrc_ring_append_control(mrc_hub_segment_ring(hub), mrc_bytes_of("order"),
                                               TIME_US, 0, &pos) == APR_SUCCESS);
    }
}

static void make(struct world *world, apr_pool_t *pool)
{
    static _Atomic uint64_t counters[2];
    const struct mrc_sparse_budget budget = {.taken = counters, .limit = counters + 1, .fd = -1};
    const struct mrc_hub_shape shape = {
        .key = "hub",
        .history = {.count = 20},
        .ring_bytes = 3000,
        .body_max_bytes = 200,
        .staging_bytes = (uint32_t)mrc_staging_bytes(MRC_STAGING_SLOTS, MRC_STAGING_DATA_BYTES, 0),
        .has_link = true,
        .is_controlled = true,
    };
    char dir[] = "/tmp/mrc-fuzz-XXXXXX", path[sizeof(dir) + 8];
    struct mrc_error error = {""};
    struct mrc_hub_segment *hub;
    struct stat st;
    int fd;

    FUZZ_CHECK(mkdtemp(dir));
    FUZZ_CHECK(mrc_hub_segment_create(pool, dir, "hub", &shape, 4, &budget, &error, &hub) ==
               APR_SUCCESS);
    fill(hub);
    mrc_hub_segment_close(hub);
    snprintf(path, sizeof(path), "%s/hub", dir);
    fd = open(path, O_RDONLY);
    FUZZ_CHECK(fd >= 0 && fstat(fd, &st) == 0);
    world->size = (size_t)st.st_size;
    world->good = mmap(NULL, world->size, PROT_READ, MAP_PRIVATE, fd, 0);
    FUZZ_CHECK(world->good != MAP_FAILED && unlink(path) == 0 && rmdir(dir) == 0);
    close(fd);
    world->fd = memfd_create("bad", MFD_CLOEXEC);
    FUZZ_CHECK(world->fd >= 0 && ftruncate(world->fd, (off_t)world->size) == 0);
    world->bad = mmap(NULL, world->size, PROT_READ | PROT_WRITE, MAP_SHARED, world->fd, 0);
    FUZZ_CHECK(world->bad != MAP_FAILED);
    memcpy(world->bad, world->good, world->size);
    snprintf(world->path, sizeof(world->path), "/proc/self/fd/%d", world->fd);
}

/* Takes the place of the next piece; false if there is none. With LEN 0, the file ends there. */
static bool take_place(const struct world *world, struct mrc_bytes *rest, size_t *ret_at,
                       size_t *ret_len)
{
    const struct mrc_hub_header *header = (const struct mrc_hub_header *)world->good;
    const uint8_t *bytes = (const uint8_t *)rest->ptr;

    if (rest->len < 4)
        return false;
    *ret_at = (size_t)bytes[1] << 8 | bytes[2];
    if (bytes[0] % (MRC_HUB_REGION_USED + 1) > 0)
        *ret_at += header->region[bytes[0] % (MRC_HUB_REGION_USED + 1) - 1].offset;
    *ret_at %= world->size;
    *ret_len = bytes[3];
    rest->ptr += 4;
    rest->len -= 4;
    if (*ret_len > rest->len)
        *ret_len = rest->len;
    if (*ret_len > world->size - *ret_at)
        *ret_len = world->size - *ret_at;
    return true;
}

/* Damages the file, or makes it sound again. */
static void apply(struct world *world, struct mrc_bytes rest, bool repairs)
{
    size_t at, len;

    if (repairs)
        FUZZ_CHECK(ftruncate(world->fd, (off_t)world->size) == 0);
    while (take_place(world, &rest, &at, &len)) {
        if (repairs)
            memcpy(world->bad + at, world->good + at, len ? len : world->size - at);
        else if (len)
            memcpy(world->bad + at, rest.ptr, len);
        rest.ptr += len;
        rest.len -= len;
        if (!len && !repairs) { /* what follows would be past the end */
            FUZZ_CHECK(ftruncate(world->fd, (off_t)at) == 0);
            return;
        }
    }
}

static void say(void *ctx, const char *text)
{
    *(size_t *)ctx += strlen(text);
}

/* Goes through the records, as ringdump --payload does. */
static void walk(const struct mrc_ring *ring, const struct mrc_ring_stats *stats)
{
    struct mrc_ring_record record = {.buf = NULL};
    uint64_t pos = stats->tail, before;

    while (pos < stats->head && mrc_ring_read(ring, &pos, &record) == APR_SUCCESS) {
        FUZZ_CHECK(record.view.payload.ptr + record.view.payload.len <= record.buf + record.cap);
        if (record.view.is_control)
            mrc_ring_control_before(ring, record.pos + 1, &before);
    }
    mrc_ring_record_free(&record);
}

static void look_at(apr_pool_t *pool, const struct mrc_hub_segment *hub)
{
    const struct mrc_ring *ring = mrc_hub_segment_ring(hub);
    const struct mrc_interests *interests = mrc_hub_segment_interests(hub);
    uint64_t bytes = 0;
    void *region = mrc_hub_segment_region(hub, MRC_HUB_REGION_LINK, &bytes);
    struct mrc_ring_stats stats;
    struct mrc_ring_bounds bounds;
    struct mrc_link_status status;
    struct mrc_link *link;
    size_t said = 0;

    FUZZ_CHECK(strlen(mrc_hub_segment_key(hub)) > 0);
    for (unsigned slot = 0; slot < mrc_hub_segment_nslots(hub); slot++)
        mrc_interests_listeners(interests, slot);
    mrc_ring_stats(ring, &stats);
    mrc_ring_get_bounds(ring, &bounds);
    if (region && mrc_link_attach(pool, region, bytes, &link) == APR_SUCCESS)
        mrc_link_get_status(link, &status);
    walk(ring, &stats);
    FUZZ_CHECK((mrc_ring_check(ring, say, &said) > 0) == (said > 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world world;
    static apr_pool_t *all, *pool;
    struct mrc_bytes input = {(const char *)data, size};
    struct mrc_error error = {""};
    struct mrc_hub_segment *hub;

    if (!world.good) {
        FUZZ_CHECK(apr_initialize() == APR_SUCCESS && apr_pool_create(&all, NULL) == APR_SUCCESS &&
                   apr_pool_create(&pool, all) == APR_SUCCESS);
        make(&world, all);
    }
    apply(&world, input, false);
    if (mrc_hub_segment_open(pool, world.path, &error, &hub) == APR_SUCCESS) {
        look_at(pool, hub);
        mrc_hub_segment_close(hub);
    } else {
        FUZZ_CHECK(*error.text);
    }
    apr_pool_clear(pool);
    apply(&world, input, true);
    return 0;
}
