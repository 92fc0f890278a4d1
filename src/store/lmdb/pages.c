#include "store/lmdb/pages.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "store/base/clock.h"

/* ---- the format of LMDB 0.9 -------------------------------------------------------------------*/

#define VERSION      1
#define HEADS        2 /* the first pages of a file */
#define DEPTH_MAX    32
#define KEY_MAX      511
#define NO_PAGE      (~(size_t)0)
#define PAGE_BRANCH  0x01
#define PAGE_LEAF    0x02
#define PAGE_LONG    0x04 /* the first page of a long value */
#define PAGE_DIRTY   0x10
#define PAGE_FIXED   0x20 /* a leaf of keys of one length, without nodes */
#define PAGE_SUB     0x40 /* a page inside a node */
#define NODE_LONG    0x01
#define NODE_TREE    0x02 /* its value is a struct tree */
#define NODE_DUPS    0x04
#define TREE_INTEGER 0x08
#define TREE_DUPS    0x04
#define TREE_NAMED   0x4000 /* of the free pages: the file was named, not its directory */

struct page {
    size_t number;
    uint16_t key_bytes; /* of a PAGE_FIXED */
    uint16_t flags;
    uint16_t lower, upper; /* of the free space; of a PAGE_LONG: the count of pages */
};

struct tree {
    uint32_t pad;
    uint16_t flags, depth;
    size_t branches, leaves, longs, entries, root;
};

struct head {
    struct page page;
    uint32_t magic, version;
    void *address;
    size_t map_bytes;
    struct tree trees[2]; /* free pages, main */
    size_t last;          /* the highest page in use */
    size_t txn;
};

struct node {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    uint16_t low, high;
#else
    uint16_t high, low;
#endif
    uint16_t flags; /* of a branch: more bits of the number */
    uint16_t key_bytes;
};

#define PAGE_BYTES (offsetof(struct page, lower) + 4) /* the head of a page */

/* ---- the walk ---------------------------------------------------------------------------------*/

struct walk {
    const char *map;
    size_t page_bytes, last;
    unsigned char *seen; /* a bit for each page */
    int64_t until_us;
    bool is_out_of_time;
};

/* What was found below a page. */
struct found {
    size_t branches, leaves, longs, entries;
};

static bool walk_tree(struct walk *walk, const struct tree *tree, bool is_main,
                      size_t *ret_entries);

static const struct page *page_at(const struct walk *walk, size_t number)
{
    return (const struct page *)(const void *)(walk->map + number * walk->page_bytes);
}

/* Marks page NUMBER as used; false: it cannot be, or it was used before. */
static bool use(struct walk *walk, size_t number)
{
    if (number < HEADS || number > walk->last || walk->seen[number / 8] & 1 << number % 8)
        return false;
    walk->seen[number / 8] |= (unsigned char)(1 << number % 8);
    return true;
}

static size_t count_of(const struct page *page)
{
    return (page->lower - PAGE_BYTES) / sizeof(uint16_t);
}

/* Whether the numbers of PAGE, which has SIZE bytes, fit together. */
static bool is_page(const struct page *page, size_t size)
{
    return page->lower >= PAGE_BYTES && page->lower <= page->upper && page->upper <= size &&
           page->lower % 2 == 0 && count_of(page) > 0;
}

/* Whether PAGE, which has SIZE bytes, holds keys of one length. */
static bool is_fixed(const struct page *page, size_t size)
{
    return page->key_bytes > 0 && count_of(page) * page->key_bytes <= size - PAGE_BYTES;
}

/* Node I of PAGE; NULL: it is not within the page. */
static const struct node *node_of(const struct walk *walk, const struct page *page, size_t i)
{
    const char *bytes = (const char *)page;
    uint16_t at;

    memcpy(&at, bytes + PAGE_BYTES + i * sizeof(at), sizeof(at));
    return at >= page->upper && at % 2 == 0 && at + sizeof(struct node) <= walk->page_bytes
               ? (const struct node *)(const void *)(bytes + at)
               : NULL;
}

/* Whether the key and BYTES of a value, of a node of PAGE, are within the page. */
static bool fits(const struct walk *walk, const struct page *page, const struct node *node,
                 size_t bytes)
{
    size_t at = (size_t)((const char *)node - (const char *)page) + sizeof(*node);

    return node->key_bytes <= KEY_MAX && bytes <= walk->page_bytes &&
           at + node->key_bytes + bytes <= walk->page_bytes;
}

/* A value of BYTES on pages of its own, from page NUMBER on. */
static bool walk_long(struct walk *walk, size_t number, size_t bytes, struct found *found)
{
    size_t count = (PAGE_BYTES + bytes + walk->page_bytes - 1) / walk->page_bytes;
    const struct page *page;
    uint32_t pages;

    for (size_t i = 0; i < count; i++) {
        if (!use(walk, number + i))
            return false;
    }
    page = page_at(walk, number);
    memcpy(&pages, &page->lower, sizeof(pages));
    found->longs += count;
    return page->number == number && page->flags == PAGE_LONG && pages == count;
}

/* Several values of one key, in BYTES at VALUE. */
static bool walk_sub_page(const char *value, size_t bytes, struct found *found)
{
    struct page page;

    if (bytes < PAGE_BYTES)
        return false;
    memcpy(&page, value, PAGE_BYTES);
    found->entries += count_of(&page);
    return (page.flags & ~PAGE_DIRTY) == (PAGE_LEAF | PAGE_FIXED | PAGE_SUB) &&
           is_page(&page, bytes) && is_fixed(&page, bytes);
}

/* A node of a leaf of TREE. */
static bool walk_leaf_node(struct walk *walk, const struct page *page, const struct node *node,
                           const struct tree *tree, bool is_main, struct found *found)
{
    size_t bytes = node->low | (size_t)node->high << 16, number, entries = 0;
    const char *value = (const char *)(node + 1) + node->key_bytes;
    struct tree below;

    if (!fits(walk, page, node, node->flags & NODE_LONG ? sizeof(number) : bytes) ||
        (tree->flags & TREE_INTEGER && node->key_bytes != 4 && node->key_bytes != 8))
        return false;
    switch (node->flags) {
    case 0:
        found->entries++;
        return true;
    case NODE_LONG:
        memcpy(&number, value, sizeof(number));
        found->entries++;
        return walk_long(walk, number, bytes, found);
    case NODE_DUPS:
        return tree->flags & TREE_DUPS && walk_sub_page(value, bytes, found);
    case NODE_TREE:
    case NODE_TREE | NODE_DUPS:
        if (bytes != sizeof(below) ||
            (node->flags & NODE_DUPS ? !(tree->flags & TREE_DUPS) : !is_main))
            return false;
        memcpy(&below, value, sizeof(below));
        if (!walk_tree(walk, &below, false, &entries))
            return false;
        found->entries += node->flags & NODE_DUPS ? entries : 1;
        return true;
    default:
        return false;
    }
}

static bool walk_leaf(struct walk *walk, const struct page *page, const struct tree *tree,
                      bool is_main, struct found *found)
{
    size_t count = count_of(page);

    found->leaves++;
    if (page->flags == (PAGE_LEAF | PAGE_FIXED)) {
        found->entries += count;
        return page->key_bytes == tree->pad && is_fixed(page, walk->page_bytes);
    }
    for (size_t i = 0; i < count && page->flags == PAGE_LEAF; i++) {
        const struct node *node = node_of(walk, page, i);

        if (!node || !walk_leaf_node(walk, page, node, tree, is_main, found))
            return false;
    }
    return page->flags == PAGE_LEAF;
}

/* The page NUMBER and all below it; LEVELS of branches are between it and the leaves. */
static bool walk_page(struct walk *walk, size_t number, unsigned levels, const struct tree *tree,
                      bool is_main, struct found *found)
{
    const struct page *page;

    if (!use(walk, number))
        return false;
    page = page_at(walk, number);
    if (page->number != number || !is_page(page, walk->page_bytes))
        return false;
    if (levels == 0)
        return walk_leaf(walk, page, tree, is_main, found);
    found->branches++;
    walk->is_out_of_time = walk->is_out_of_time || mrc_clock_us() > walk->until_us;
    for (size_t i = 0; i < count_of(page) && !walk->is_out_of_time; i++) {
        const struct node *node = node_of(walk, page, i);
        size_t below;

        if (!node || !fits(walk, page, node, 0))
            return false;
        below = node->low | (size_t)node->high << 16;
        if (sizeof(below) > 4)
            below |= (size_t)node->flags << 16 << 16;
        if (!walk_page(walk, below, levels - 1, tree, is_main, found))
            return false;
    }
    return page->flags == PAGE_BRANCH && count_of(page) > 1;
}

static bool walk_tree(struct walk *walk, const struct tree *tree, bool is_main, size_t *ret_entries)
{
    struct found found = {0};

    if (tree->root != NO_PAGE &&
        (tree->depth < 1 || tree->depth > DEPTH_MAX ||
         !walk_page(walk, tree->root, tree->depth - 1U, tree, is_main, &found)))
        return false;
    *ret_entries = tree->entries;
    return walk->is_out_of_time ||
           (found.branches == tree->branches && found.leaves == tree->leaves &&
            found.longs == tree->longs && found.entries == tree->entries);
}

/* ---- the free pages ---------------------------------------------------------------------------*/

/* Whether VALUE, of the tree of free pages, lists pages that are not used. It is the count of the
 * pages that a transaction has freed, and their numbers in descending order. */
static bool is_free_list(struct walk *walk, const MDB_val *value)
{
    const size_t *list = value->mv_data;
    size_t count, below = walk->last + 1;

    if (value->mv_size < sizeof(*list) || value->mv_size % sizeof(*list))
        return false;
    count = list[0]; /* VALUE may be longer than the list */
    if (count > value->mv_size / sizeof(*list) - 1)
        return false;
    for (size_t i = 1; i <= count; below = list[i++]) {
        if (list[i] >= below || !use(walk, list[i]))
            return false;
    }
    return true;
}

static int check_free_lists(struct walk *walk, MDB_txn *txn)
{
    MDB_cursor *cursor = NULL;
    MDB_val key, value;
    int rc = mdb_cursor_open(txn, 0, &cursor); /* LMDB's own database, which readers may open */

    if (rc)
        return rc > 0 ? rc : MDB_CORRUPTED;
    while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == MDB_SUCCESS) {
        if (key.mv_size != sizeof(size_t) || !is_free_list(walk, &value))
            break;
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? MDB_SUCCESS : MDB_CORRUPTED;
}

/* ---- the file ---------------------------------------------------------------------------------*/

/* The head that TXN has read; NULL: a later transaction has replaced it. */
static const struct head *find_head(const struct walk *walk, MDB_txn *txn)
{
    for (size_t i = 0; i < HEADS; i++) {
        const struct head *head = (const struct head *)(const void *)page_at(walk, i);

        if (head->txn == mdb_txn_id(txn))
            return head;
    }
    return NULL;
}

static int check(struct walk *walk, MDB_txn *txn)
{
    const struct head *head = find_head(walk, txn);
    int rc = MDB_CORRUPTED;
    size_t unused;

    if (!head || head->version != VERSION)
        return MDB_SUCCESS;
    walk->last = head->last;
    walk->seen = calloc(head->last / 8 + 1, 1);
    if (!walk->seen)
        return ENOMEM;
    if (head->trees[0].flags == (TREE_INTEGER | TREE_NAMED) && head->trees[1].flags == 0 &&
        walk_tree(walk, &head->trees[0], false, &unused) &&
        walk_tree(walk, &head->trees[1], true, &unused))
        rc = check_free_lists(walk, txn);
    free(walk->seen);
    return rc;
}

int mrc_lmdb_pages_check(MDB_txn *txn, int64_t until_us)
{
    struct walk walk = {.until_us = until_us};
    MDB_env *env = mdb_txn_env(txn);
    MDB_stat stats;
    struct stat st;
    void *map;
    int fd, rc = mdb_env_get_fd(env, &fd);

    if (!rc)
        rc = mdb_env_stat(env, &stats);
    if (rc)
        return rc;
    if (fstat(fd, &st) != 0)
        return errno;
    map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        return errno;
    walk.map = map;
    walk.page_bytes = stats.ms_psize;
    rc = check(&walk, txn);
    munmap(map, (size_t)st.st_size);
    return rc;
}
