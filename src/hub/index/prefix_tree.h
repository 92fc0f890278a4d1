/*
 * Values by a key, to be found by every text that begins with the key: a radix tree.
 *
 *     (root) --"/orders/"--> [value] --"1"--> [value]
 *                               |
 *                               +-----"2/"--> [value]
 *
 * A text is looked up along one path, at a cost that depends on its own length. A node without a
 * value has two children at least, so that the tree has at most twice as many nodes as values, and
 * holds no byte of a key that is gone. Belongs to one thread.
 */
#ifndef MRC_HUB_INDEX_PREFIX_TREE_H
#define MRC_HUB_INDEX_PREFIX_TREE_H

#include "core/base/bytes.h"

struct mrc_prefix_node;

/* Zeroed, it is empty; empty, it holds no memory. */
struct mrc_prefix_tree {
    struct mrc_prefix_node *root;
};

/* The place of KEY; it stays where it is until it is removed. NULL: there is none. */
struct mrc_prefix_node *mrc_prefix_tree_find(const struct mrc_prefix_tree *tree,
                                             struct mrc_bytes key);

/* A place for KEY, which has none yet, with VALUE, which is not NULL. NULL: out of memory. */
struct mrc_prefix_node *mrc_prefix_tree_add(struct mrc_prefix_tree *tree, struct mrc_bytes key,
                                            void *value);

void *mrc_prefix_tree_get(const struct mrc_prefix_node *node);

/* Takes NODE, of a key of its own, out of TREE, and frees it. Never fails. */
void mrc_prefix_tree_remove(struct mrc_prefix_tree *tree, struct mrc_prefix_node *node);

/* A way along all keys with which TEXT begins, the shortest first; TREE must not change. */
struct mrc_prefix_walk {
    const struct mrc_prefix_node *node; /* where to look next; NULL: nowhere */
    struct mrc_bytes rest;              /* of the text, behind that node */
};

void mrc_prefix_walk_start(struct mrc_prefix_walk *walk, const struct mrc_prefix_tree *tree,
                           struct mrc_bytes text);

/* The next value, or NULL. */
void *mrc_prefix_walk_next(struct mrc_prefix_walk *walk);

#endif
