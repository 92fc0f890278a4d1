#include "store/base/sparse.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "store/base/status.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define WORD_BITS      64
#define PAGE_BYTES_MIN 4096

struct mrc_sparse {
    char *base;
    uint64_t total_bytes;
    uint64_t page_bytes; /* this process's own copies */
    uint64_t groups;
    struct mrc_sparse_layout *layout;
    char *group_base;
    const struct mrc_sparse_budget *budget; /* NULL: a tool's view */
};

static uint64_t system_page_bytes(void)
{
    long bytes = sysconf(_SC_PAGESIZE);

    return bytes > 0 ? (uint64_t)bytes : 4096;
}

static uint64_t groups_for(uint64_t total_bytes, uint64_t page_bytes)
{
    uint64_t count = (total_bytes + page_bytes - 1) / page_bytes;

    return (count + MRC_SPARSE_GROUP_BITS - 1) / MRC_SPARSE_GROUP_BITS;
}

uint64_t mrc_sparse_bytes(uint64_t total_bytes)
{
    uint64_t page_bytes = system_page_bytes();
    uint64_t groups = groups_for(total_bytes, page_bytes);

    /* The groups are a part of what they describe. */
    groups = groups_for(total_bytes + (groups + 1) * MRC_SPARSE_GROUP_BYTES, page_bytes);
    return groups * MRC_SPARSE_GROUP_BYTES;
}

/* ---- Bits -------------------------------------------------------------------------------------*/

static bool is_set(const _Atomic uint64_t *words, uint64_t bit)
{
    return atomic_load(&words[bit / WORD_BITS]) >> bit % WORD_BITS & 1;
}

/* False: another thread has set it. */
static bool set(_Atomic uint64_t *words, uint64_t bit)
{
    uint64_t mask = UINT64_C(1) << bit % WORD_BITS;

    return !(atomic_fetch_or(&words[bit / WORD_BITS], mask) & mask);
}

static void clear(_Atomic uint64_t *words, uint64_t bit)
{
    atomic_fetch_and(&words[bit / WORD_BITS], ~(UINT64_C(1) << bit % WORD_BITS));
}

static _Atomic uint64_t *group_at(const struct mrc_sparse *pages, uint64_t group)
{
    return (_Atomic uint64_t *)(void *)(pages->group_base + group * MRC_SPARSE_GROUP_BYTES);
}

static bool has_page(const struct mrc_sparse *pages, uint64_t page)
{
    uint64_t group = page / MRC_SPARSE_GROUP_BITS;

    return is_set(pages->layout->top, group) &&
           is_set(group_at(pages, group), page % MRC_SPARSE_GROUP_BITS);
}

static uint64_t page_of(const struct mrc_sparse *pages, const void *at)
{
    return (uint64_t)((const char *)at - pages->base) / pages->page_bytes;
}

bool mrc_sparse_have(const struct mrc_sparse *pages, const void *from, uint64_t bytes)
{
    uint64_t last;

    if (!pages || bytes == 0)
        return true;
    last = page_of(pages, (const char *)from + bytes - 1);
    for (uint64_t page = page_of(pages, from); page <= last; page++)
        if (!has_page(pages, page))
            return false;
    return true;
}

/* ---- The budget -------------------------------------------------------------------------------*/

/* Whether the file system has room for BYTES; true if it cannot tell. */
static bool has_room(const struct mrc_sparse_budget *budget, uint64_t bytes)
{
    uint64_t reserve = MRC_SPARSE_RESERVE_BYTES;
    struct statvfs fs;

    if (budget->fd < 0 || fstatvfs(budget->fd, &fs) != 0 || fs.f_blocks == 0)
        return true;
    if (reserve > (uint64_t)fs.f_blocks * fs.f_frsize / MRC_SPARSE_RESERVE_PART)
        reserve = (uint64_t)fs.f_blocks * fs.f_frsize / MRC_SPARSE_RESERVE_PART;
    return bytes + reserve <= (uint64_t)fs.f_bavail * fs.f_frsize;
}

static bool reserve(const struct mrc_sparse_budget *budget, uint64_t bytes)
{
    uint64_t limit = atomic_load(budget->limit);
    uint64_t taken = atomic_load(budget->taken);

    do {
        if (limit && (taken > limit || bytes > limit - taken))
            return false;
    } while (!atomic_compare_exchange_weak(budget->taken, &taken, taken + bytes));
    if (has_room(budget, bytes))
        return true;
    atomic_fetch_sub(budget->taken, bytes);
    return false;
}

/* ---- Taking -----------------------------------------------------------------------------------*/

/* Returns 0 or an errno. */
static int populate(char *from, uint64_t bytes)
{
    int err;

    do {
        err = madvise(from, bytes, MADV_POPULATE_WRITE) == 0 ? 0 : errno;
    } while (err == EINTR || err == EAGAIN);
    return err;
}

bool mrc_sparse_is_possible(void *page)
{
    return populate(page, system_page_bytes()) != EINVAL;
}

/*
 * Allocates the BYTES at FROM, which are whole pages, and counts them. A process that dies here
 * leaves the budget too small by at most this much, until the server stops.
 */
static apr_status_t allocate(const struct mrc_sparse *pages, char *from, uint64_t bytes)
{
    int err;

    if (!reserve(pages->budget, bytes))
        return MRC_STATUS_NO_ROOM;
    err = populate(from, bytes);
    if (err == 0)
        return APR_SUCCESS;
    atomic_fetch_sub(pages->budget->taken, bytes);
    return err == EINVAL ? APR_ENOTIMPL : MRC_STATUS_NO_ROOM;
}

/* Counts COUNT pages that were allocated, NEWER of which another thread has allocated meanwhile. */
static void settle(const struct mrc_sparse *pages, uint64_t count, uint64_t newer)
{
    atomic_fetch_add(&pages->layout->taken, (count - newer) * pages->page_bytes);
    if (newer)
        atomic_fetch_sub(pages->budget->taken, newer * pages->page_bytes);
}

/* Makes the bits of GROUP writable. They may share a page with other groups. */
static apr_status_t take_group(struct mrc_sparse *pages, uint64_t group)
{
    uint64_t first = page_of(pages, group_at(pages, group));
    uint64_t end = page_of(pages, (char *)group_at(pages, group) + MRC_SPARSE_GROUP_BYTES - 1) + 1;
    apr_status_t status;

    if (is_set(pages->layout->top, group))
        return APR_SUCCESS;
    status =
        allocate(pages, pages->base + first * pages->page_bytes, (end - first) * pages->page_bytes);
    if (!status)
        settle(pages, end - first, set(pages->layout->top, group) ? 0 : end - first);
    return status;
}

/* Allocates the pages from FIRST to END - 1, none of which is allocated; all are of one group. */
static apr_status_t take_run(struct mrc_sparse *pages, uint64_t first, uint64_t end)
{
    uint64_t group = first / MRC_SPARSE_GROUP_BITS;
    uint64_t newer = 0;
    apr_status_t status = take_group(pages, group);

    if (!status)
        status = allocate(pages, pages->base + first * pages->page_bytes,
                          (end - first) * pages->page_bytes);
    if (status)
        return status;
    for (uint64_t page = first; page < end; page++)
        newer += !set(group_at(pages, group), page % MRC_SPARSE_GROUP_BITS);
    settle(pages, end - first, newer);
    return APR_SUCCESS;
}

apr_status_t mrc_sparse_take(struct mrc_sparse *pages, const void *from, uint64_t bytes)
{
    apr_status_t status = APR_SUCCESS;
    uint64_t page, end;

    if (!pages || bytes == 0)
        return APR_SUCCESS;
    page = page_of(pages, from);
    end = page_of(pages, (const char *)from + bytes - 1) + 1;
    while (page < end && !status) {
        uint64_t next = page;

        while (next < end && !has_page(pages, next) &&
               next / MRC_SPARSE_GROUP_BITS == page / MRC_SPARSE_GROUP_BITS)
            next++;
        if (next > page)
            status = take_run(pages, page, next);
        page = next > page ? next : page + 1;
    }
    return status;
}

/* ---- Giving back ------------------------------------------------------------------------------*/

/*
 * Frees the pages from FIRST to END - 1, all allocated and of one group. Returns their bytes; 0:
 * the file system cannot free them. A process that dies here leaves the budget too small.
 */
static uint64_t give_run(struct mrc_sparse *pages, uint64_t first, uint64_t end)
{
    _Atomic uint64_t *words = group_at(pages, first / MRC_SPARSE_GROUP_BITS);
    uint64_t bytes = (end - first) * pages->page_bytes;

    /* First the bits: a page with a bit must be allocated. */
    for (uint64_t page = first; page < end; page++)
        clear(words, page % MRC_SPARSE_GROUP_BITS);
    if (madvise(pages->base + first * pages->page_bytes, bytes, MADV_REMOVE) != 0) {
        for (uint64_t page = first; page < end; page++)
            set(words, page % MRC_SPARSE_GROUP_BITS);
        return 0;
    }
    atomic_fetch_sub(&pages->layout->taken, bytes);
    atomic_fetch_sub(pages->budget->taken, bytes);
    return bytes;
}

uint64_t mrc_sparse_give_back(struct mrc_sparse *pages, const void *from, uint64_t bytes)
{
    uint64_t given = 0;
    uint64_t page, end;

    if (!pages || bytes < pages->page_bytes)
        return 0;
    page = page_of(pages, (const char *)from + pages->page_bytes - 1);
    end = page_of(pages, (const char *)from + bytes);
    while (page < end) {
        uint64_t group_end = (page / MRC_SPARSE_GROUP_BITS + 1) * MRC_SPARSE_GROUP_BITS;
        uint64_t next = page, run;

        if (group_end > end)
            group_end = end;
        if (!is_set(pages->layout->top, page / MRC_SPARSE_GROUP_BITS)) {
            page = group_end;
            continue;
        }
        while (next < group_end && has_page(pages, next))
            next++;
        if (next == page) {
            page++;
            continue;
        }
        run = give_run(pages, page, next);
        if (run == 0)
            break;
        given += run;
        page = next;
    }
    return given;
}

uint64_t mrc_sparse_taken(const struct mrc_sparse *pages)
{
    return pages ? atomic_load(&pages->layout->taken) : 0;
}

void mrc_sparse_release(struct mrc_sparse *pages)
{
    if (pages)
        atomic_fetch_sub(pages->budget->taken, mrc_sparse_taken(pages));
}

/* ---- Making and opening -----------------------------------------------------------------------*/

static struct mrc_sparse *attach(apr_pool_t *pool, const void *base, uint64_t total_bytes,
                                 uint64_t offset, uint64_t groups_offset)
{
    struct mrc_sparse *pages = apr_pcalloc(pool, sizeof(*pages));

    pages->base = (char *)(uintptr_t)base;
    pages->total_bytes = total_bytes;
    pages->page_bytes = system_page_bytes();
    pages->groups = groups_for(total_bytes, pages->page_bytes);
    pages->layout = (struct mrc_sparse_layout *)(void *)(pages->base + offset);
    pages->group_base = pages->base + groups_offset;
    return pages;
}

apr_status_t mrc_sparse_create(apr_pool_t *pool, void *base, uint64_t total_bytes, uint64_t offset,
                               uint64_t groups_offset, uint64_t first_bytes,
                               const struct mrc_sparse_budget *budget,
                               struct mrc_sparse **ret_pages)
{
    struct mrc_sparse *pages = attach(pool, base, total_bytes, offset, groups_offset);
    uint64_t head = page_of(pages, pages->base + first_bytes - 1) + 1;
    apr_status_t status;

    pages->budget = budget;
    if (pages->groups > MRC_SPARSE_GROUPS_MAX)
        return APR_EINVAL;
    status = allocate(pages, pages->base, head * pages->page_bytes);
    if (status)
        return status;
    pages->layout->page_bytes = pages->page_bytes;
    pages->layout->groups = pages->groups;
    settle(pages, head, 0);
    set(pages->layout->top, 0);
    for (uint64_t page = 0; page < head; page++)
        set(group_at(pages, 0), page);
    *ret_pages = pages;
    return APR_SUCCESS;
}

struct mrc_sparse *mrc_sparse_attach(apr_pool_t *pool, void *base, uint64_t total_bytes,
                                     uint64_t offset, uint64_t groups_offset,
                                     const struct mrc_sparse_budget *budget)
{
    struct mrc_sparse *pages = attach(pool, base, total_bytes, offset, groups_offset);

    pages->budget = budget;
    return pages;
}

struct mrc_sparse *mrc_sparse_open(apr_pool_t *pool, const void *base, uint64_t total_bytes,
                                   uint64_t offset, uint64_t groups_offset, uint64_t groups_bytes)
{
    struct mrc_sparse *pages = attach(pool, base, total_bytes, offset, groups_offset);

    pages->page_bytes = pages->layout->page_bytes;
    if (pages->page_bytes < PAGE_BYTES_MIN || pages->page_bytes & (pages->page_bytes - 1))
        return NULL;
    pages->groups = groups_for(total_bytes, pages->page_bytes);
    return pages->groups == pages->layout->groups && pages->groups <= MRC_SPARSE_GROUPS_MAX &&
                   pages->groups * MRC_SPARSE_GROUP_BYTES <= groups_bytes
               ? pages
               : NULL;
}
