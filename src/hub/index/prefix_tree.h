/*
 * A radix tree: stores values by key, and finds the values of all keys with which a text begins.
 *
 *     (root) --"/orders/"--> [value] --"1"--> [value]
 *                               |
 *                               +-----"2/"--> [value]
 *
 * A lookup follows one path, and takes time in proportion to the length of the text. A node without
 * a value has at least two children, so the tree has at most twice as many nodes as values, and
 * keeps no part of a key that was removed. Belongs to one thread.
 */
#ifndef MRC_HUB_INDEX_PREFIX_TREE_H
#define MRC_HUB_INDEX_PREFIX_TREE_H

#include "core/base/bytes.h"

struct mrc_prefix_node;

/* Zeroed: empty. An empty tree holds no memory. */
struct mrc_prefix_tree {
    struct mrc_prefix_node *root;
};

/* The node of KEY, which stays in place until it is removed. NULL: there is none. */
struct mrc_prefix_node *mrc_prefix_tree_find(const struct mrc_prefix_tree *tree,
                                             struct mrc_bytes key);

/* Adds KEY, which the tree does not have, with VALUE, which is not NULL. NULL: out of memory. */
struct mrc_prefix_node *mrc_prefix_tree_add(struct mrc_prefix_tree *tree, struct mrc_bytes key,
                                            void *value);

/* The value of NODE. */
void *mrc_prefix_tree_get(const struct mrc_prefix_node *node);

/* Removes NODE, which is one of mrc_prefix_tree_add(). Never fails. */
void mrc_prefix_tree_remove(struct mrc_prefix_tree *tree, struct mrc_prefix_node *node);

/* A walk along the keys that are a prefix of a text, the shortest first. TREE must not change. */
struct mrc_prefix_walk {
    const struct mrc_prefix_node *node; /* to look at next; NULL: the walk has ended */
    struct mrc_bytes rest;              /* of the text, from that node on */
};

/* Begins a walk for TEXT, which must outlive it. */
void mrc_prefix_walk_start(struct mrc_prefix_walk *walk, const struct mrc_prefix_tree *tree,
                           struct mrc_bytes text);

/* The next value, or NULL. */
void *mrc_prefix_walk_next(struct mrc_prefix_walk *walk);

#endif
