#include "store/memory/hub_file.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include "store/base/status.h"
#include "store/memory/hub_file_layout.h"
#include "store/shm/segment.h"

/* The alignment of a segment, at least. */
#define ALIGNMENT 4096

/* Making a hub takes well below a millisecond. */
#define WAIT_US ((int64_t)2 * 1000 * 1000)

struct mrc_hub_file {
    struct mrc_segment segment;
    const struct mrc_hub_file_args *args; /* NULL: read-only */
    struct mrc_hub_file_entry *entries;   /* only their states are read from here */
    uint64_t *offsets; /* this process's own copies: of COUNT segments, and of the end */
    size_t count;
};

bool mrc_hub_file_can_have(const struct mrc_hub_shape *shape)
{
    return !shape->staging_bytes && !shape->roster_subscribers && !shape->has_link;
}

static uint64_t round_up(uint64_t bytes)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

    return (bytes + page - 1) / page * page;
}

static uint64_t head_bytes(size_t count)
{
    return sizeof(struct mrc_hub_file_header) + count * sizeof(struct mrc_hub_file_entry);
}

static struct mrc_hub_file_entry *entries_of(const struct mrc_segment *segment)
{
    return (struct mrc_hub_file_entry *)(void *)((struct mrc_hub_file_header *)segment->base + 1);
}

/* Where the segments of SHAPES begin and end. */
static apr_status_t lay_out(apr_pool_t *pool, const struct mrc_hub_file_args *args,
                            const struct mrc_hub_shape *const *shapes, size_t count,
                            struct mrc_error *error, uint64_t **ret_offsets)
{
    uint64_t *offsets = apr_palloc(pool, sizeof(*offsets) * (count + 1));

    offsets[0] = round_up(head_bytes(count));
    for (size_t i = 0; i < count; i++) {
        uint64_t size = mrc_hub_shape_bytes(shapes[i], args->nslots, error);

        if (size == 0)
            return APR_EINVAL;
        if (size > INT64_MAX - offsets[i] - round_up(1))
            return mrc_status_set(error, APR_EINVAL, "the hubs are too large for one file");
        offsets[i + 1] = offsets[i] + round_up(size);
    }
    *ret_offsets = offsets;
    return APR_SUCCESS;
}

static void fill_head(const struct mrc_hub_file *file)
{
    struct mrc_hub_file_header *header = file->segment.base;

    *header = (struct mrc_hub_file_header){
        .magic = MRC_HUB_FILE_MAGIC,
        .version = MRC_HUB_FILE_VERSION,
        .count = (uint32_t)file->count,
        .total_bytes = file->segment.size,
        .head_bytes = file->offsets[0],
    };
    for (size_t i = 0; i < file->count; i++) {
        file->entries[i].offset = file->offsets[i];
        file->entries[i].size = file->offsets[i + 1] - file->offsets[i];
    }
}

apr_status_t mrc_hub_file_create(apr_pool_t *pool, const char *name,
                                 const struct mrc_hub_file_args *args,
                                 const struct mrc_hub_shape *const *shapes, size_t count,
                                 struct mrc_error *error, struct mrc_hub_file **ret_file)
{
    struct mrc_hub_file *file = apr_pcalloc(pool, sizeof(*file));
    apr_status_t status = lay_out(pool, args, shapes, count, error, &file->offsets);

    if (!status)
        status = mrc_segment_create_sparse(pool, args->dir, name, file->offsets[count], error,
                                           &file->segment);
    if (status)
        return status;
    file->args = args;
    file->count = count;
    status = mrc_segment_allocate(&file->segment, file->offsets[0], args->dir, error);
    if (!status && !mrc_sparse_is_possible(file->segment.base))
        status = APR_ENOTIMPL;
    if (status) {
        mrc_segment_remove(args->dir, name);
        mrc_segment_close(&file->segment);
        return status;
    }
    mrc_segment_close_fd(&file->segment);
    file->entries = entries_of(&file->segment);
    fill_head(file);
    *ret_file = file;
    return APR_SUCCESS;
}

void mrc_hub_file_close(struct mrc_hub_file *file)
{
    if (file)
        mrc_segment_close(&file->segment);
}

/* ---- The hubs ---------------------------------------------------------------------------------*/

static void *base_of(const struct mrc_hub_file *file, size_t i)
{
    return (char *)file->segment.base + file->offsets[i];
}

enum mrc_hub_file_state mrc_hub_file_state(const struct mrc_hub_file *file, size_t i)
{
    return (enum mrc_hub_file_state)atomic_load(&file->entries[i].state);
}

/* False: the state is another one. */
static bool change(struct mrc_hub_file *file, size_t i, uint32_t from, uint32_t to)
{
    return atomic_compare_exchange_strong(&file->entries[i].state, &from, to);
}

static bool clear(const struct mrc_hub_file *file, size_t i)
{
    return madvise(base_of(file, i), file->offsets[i + 1] - file->offsets[i], MADV_REMOVE) == 0;
}

void mrc_hub_file_clear(struct mrc_hub_file *file, size_t i)
{
    clear(file, i);
}

struct mrc_hub_segment *mrc_hub_file_attach(const struct mrc_hub_file *file, size_t i,
                                            apr_pool_t *pool, const struct mrc_hub_shape *shape)
{
    return mrc_hub_segment_attach(pool, base_of(file, i), shape, file->args->nslots,
                                  file->args->budget);
}

static apr_status_t superseded(struct mrc_error *error)
{
    return mrc_status_set(error, MRC_STATUS_SUPERSEDED, "a reload has replaced the hub");
}

/* Makes hub I, whose state is MAKING; the pages are as in a new file. */
static apr_status_t make_new(struct mrc_hub_file *file, size_t i, apr_pool_t *pool,
                             const struct mrc_hub_shape *shape, struct mrc_error *error,
                             struct mrc_hub_segment **ret_segment)
{
    const struct mrc_hub_file_args *args = file->args;
    struct mrc_hub_segment *segment;
    apr_status_t status = mrc_hub_segment_make(pool, base_of(file, i), args->dir, shape,
                                               args->nslots, args->budget, error, &segment);

    if (!status && change(file, i, MRC_HUB_FILE_MAKING, MRC_HUB_FILE_MADE)) {
        *ret_segment = segment;
        return APR_SUCCESS;
    }
    if (!status) { /* the parent has given it up meanwhile */
        mrc_hub_segment_release(segment);
        clear(file, i);
        return superseded(error);
    }
    /* Otherwise the next process, which finds MAKING, could not begin again either. */
    if (clear(file, i))
        change(file, i, MRC_HUB_FILE_MAKING, MRC_HUB_FILE_EMPTY);
    return status;
}

/* Under the lock. */
static apr_status_t make(struct mrc_hub_file *file, size_t i, apr_pool_t *pool,
                         const struct mrc_hub_shape *shape, struct mrc_error *error,
                         struct mrc_hub_segment **ret_segment)
{
    switch (mrc_hub_file_state(file, i)) {
    case MRC_HUB_FILE_EMPTY:
        if (!change(file, i, MRC_HUB_FILE_EMPTY, MRC_HUB_FILE_MAKING))
            return superseded(error);
        break;
    case MRC_HUB_FILE_MAKING: /* by a process that has died */
        if (!clear(file, i))
            return mrc_status_set(error, MRC_STATUS_NO_ROOM,
                                  "a process died while it made the hub, and the file system of "
                                  "%.80s cannot free its memory",
                                  file->args->dir);
        break;
    case MRC_HUB_FILE_MADE:
        *ret_segment = mrc_hub_file_attach(file, i, pool, shape);
        return *ret_segment ? APR_SUCCESS : APR_EINVAL;
    case MRC_HUB_FILE_GONE:
        return superseded(error);
    }
    return make_new(file, i, pool, shape, error, ret_segment);
}

apr_status_t mrc_hub_file_make(struct mrc_hub_file *file, size_t i, apr_pool_t *pool,
                               const struct mrc_hub_shape *shape, struct mrc_error *error,
                               struct mrc_hub_segment **ret_segment)
{
    bool owner_died; /* the state says what it left */
    apr_status_t status = mrc_lock_acquire(file->args->making, WAIT_US, &owner_died);

    if (status)
        return mrc_status_set(error, status, "another process makes a hub, and does not end");
    status = make(file, i, pool, shape, error, ret_segment);
    mrc_lock_release(file->args->making);
    return status;
}

bool mrc_hub_file_give_up(struct mrc_hub_file *file, size_t i)
{
    return atomic_exchange(&file->entries[i].state, MRC_HUB_FILE_GONE) == MRC_HUB_FILE_MADE;
}

bool mrc_hub_file_give_up_unmade(struct mrc_hub_file *file, size_t i)
{
    for (;;) {
        enum mrc_hub_file_state state = mrc_hub_file_state(file, i);

        if (state == MRC_HUB_FILE_MADE)
            return false;
        if (state == MRC_HUB_FILE_GONE || change(file, i, state, MRC_HUB_FILE_GONE))
            return true;
        /* Without room, it changes between EMPTY and MAKING with each request for the hub. */
    }
}

/* ---- Tools ------------------------------------------------------------------------------------*/

/* Copies the places of the segments. NULL, or what is wrong with them. */
static const char *read_head(apr_pool_t *pool, struct mrc_hub_file *file)
{
    struct mrc_hub_file_header header;

    if (file->segment.size < sizeof(header))
        return "it is too short";
    header = *(const struct mrc_hub_file_header *)file->segment.base;
    if (header.magic != MRC_HUB_FILE_MAGIC)
        return "its first bytes are different";
    if (header.version != MRC_HUB_FILE_VERSION)
        return "its layout has another version";
    if (header.total_bytes > file->segment.size || header.head_bytes > header.total_bytes ||
        head_bytes(header.count) > header.head_bytes || header.head_bytes % ALIGNMENT)
        return "its header is broken";
    file->entries = entries_of(&file->segment);
    file->offsets = apr_palloc(pool, sizeof(*file->offsets) * (header.count + (size_t)1));
    file->offsets[0] = header.head_bytes;
    for (size_t i = 0; i < header.count; i++) {
        uint64_t size = file->entries[i].size;

        if (file->entries[i].offset != file->offsets[i] || size % ALIGNMENT ||
            size > header.total_bytes - file->offsets[i])
            return "its hubs do not fit";
        file->offsets[i + 1] = file->offsets[i] + size;
    }
    file->count = header.count;
    return NULL;
}

apr_status_t mrc_hub_file_open(apr_pool_t *pool, const char *path, struct mrc_error *error,
                               struct mrc_hub_file **ret_file)
{
    struct mrc_hub_file *file = apr_pcalloc(pool, sizeof(*file));
    apr_status_t status = mrc_segment_open(pool, path, error, &file->segment);
    const char *why;

    if (status)
        return status;
    why = read_head(pool, file);
    if (why) {
        mrc_segment_close(&file->segment);
        return mrc_status_set(error, MRC_STATUS_CORRUPT, "%.150s is not a file of hubs: %s", path,
                              why);
    }
    *ret_file = file;
    return APR_SUCCESS;
}

size_t mrc_hub_file_count(const struct mrc_hub_file *file)
{
    return file->count;
}

apr_status_t mrc_hub_file_open_hub(const struct mrc_hub_file *file, size_t i, apr_pool_t *pool,
                                   struct mrc_error *error, struct mrc_hub_segment **ret_segment)
{
    return mrc_hub_segment_open_part(pool, base_of(file, i),
                                     file->offsets[i + 1] - file->offsets[i], error, ret_segment);
}
