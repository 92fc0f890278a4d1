#include "hub/index/prefix_tree.h"

#include <stdlib.h>

/* Children are sorted by the first byte of their labels; these bytes are all different. */
struct child {
    unsigned char first;
    struct mrc_prefix_node *node;
};

struct mrc_prefix_node {
    struct mrc_prefix_node *parent; /* NULL: the root */
    void *value;                    /* NULL: it only leads to its children */
    char *label;                    /* malloc()ed; the rest of the key after the parent's */
    size_t label_len;
    struct child *children;
    unsigned count, cap; /* of children */
};

static struct mrc_bytes label_of(const struct mrc_prefix_node *node)
{
    return (struct mrc_bytes){node->label, node->label_len};
}

static void free_node(struct mrc_prefix_node *node)
{
    if (!node)
        return;
    free(node->label);
    free(node->children);
    free(node);
}

static struct mrc_prefix_node *make_node(struct mrc_bytes label, void *value)
{
    struct mrc_prefix_node *node = calloc(1, sizeof(*node));

    if (!node)
        return NULL;
    node->label = malloc(label.len ? label.len : 1);
    if (!node->label) {
        free(node);
        return NULL;
    }
    if (label.len)
        memcpy(node->label, label.ptr, label.len);
    node->label_len = label.len;
    node->value = value;
    return node;
}

/* ---- children ---------------------------------------------------------------------------------*/

/* The index at which the child that begins with FIRST is, or would be. */
static unsigned find_place(const struct mrc_prefix_node *node, unsigned char first)
{
    unsigned low = 0, high = node->count;

    while (low < high) {
        unsigned middle = (low + high) / 2;

        if (node->children[middle].first < first)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct mrc_prefix_node *find_child(const struct mrc_prefix_node *node, unsigned char first)
{
    unsigned place = find_place(node, first);

    return place < node->count && node->children[place].first == first ? node->children[place].node
                                                                       : NULL;
}

static bool reserve_child(struct mrc_prefix_node *node)
{
    unsigned cap = node->cap ? node->cap * 2 : 2;
    struct child *children;

    if (node->count < node->cap)
        return true;
    children = realloc(node->children, cap * sizeof(*children));
    if (!children)
        return false;
    node->children = children;
    node->cap = cap;
    return true;
}

/* Inserts CHILD; there is room for it. */
static void add_child(struct mrc_prefix_node *node, struct mrc_prefix_node *child)
{
    unsigned char first = (unsigned char)child->label[0];
    unsigned place = find_place(node, first);

    memmove(&node->children[place + 1], &node->children[place],
            (node->count - place) * sizeof(*node->children));
    node->children[place] = (struct child){first, child};
    node->count++;
    child->parent = node;
}

/* Puts CHILD in the place of the child whose label begins with the same byte. */
static void replace_child(struct mrc_prefix_node *node, struct mrc_prefix_node *child)
{
    node->children[find_place(node, (unsigned char)child->label[0])].node = child;
    child->parent = node;
}

static void remove_child(struct mrc_prefix_node *node, const struct mrc_prefix_node *child)
{
    unsigned place = find_place(node, (unsigned char)child->label[0]);
    struct child *children;

    node->count--;
    memmove(&node->children[place], &node->children[place + 1],
            (node->count - place) * sizeof(*node->children));
    if (node->count == 0) {
        free(node->children);
        node->children = NULL;
        node->cap = 0;
    } else if (node->count <= node->cap / 4) {
        children = realloc(node->children, node->cap / 2 * sizeof(*children));
        if (children) {
            node->children = children;
            node->cap /= 2;
        }
    }
}

/* ---- the tree ---------------------------------------------------------------------------------*/

static size_t common_len(struct mrc_bytes a, struct mrc_bytes b)
{
    size_t len = 0;

    while (len < a.len && len < b.len && a.ptr[len] == b.ptr[len])
        len++;
    return len;
}

static struct mrc_bytes behind(struct mrc_bytes bytes, size_t len)
{
    return len ? (struct mrc_bytes){bytes.ptr + len, bytes.len - len} : bytes;
}

/* The deepest node whose key is a prefix of KEY; RET_REST is the rest of KEY. */
static struct mrc_prefix_node *descend(const struct mrc_prefix_tree *tree, struct mrc_bytes key,
                                       struct mrc_bytes *ret_rest)
{
    struct mrc_prefix_node *node = tree->root, *child = node;

    while (child && mrc_bytes_starts_with(key, label_of(child))) {
        key = behind(key, child->label_len);
        node = child;
        child = key.len ? find_child(node, (unsigned char)key.ptr[0]) : NULL;
    }
    *ret_rest = key;
    return node;
}

struct mrc_prefix_node *mrc_prefix_tree_find(const struct mrc_prefix_tree *tree,
                                             struct mrc_bytes key)
{
    struct mrc_bytes rest;
    struct mrc_prefix_node *node = descend(tree, key, &rest);

    return node && !rest.len && node->value ? node : NULL;
}

/*
 * Puts a new node between NODE and its parent, with the first LEN bytes of NODE's label. NODE keeps
 * its address, because callers hold it. NULL: out of memory.
 */
static struct mrc_prefix_node *split(struct mrc_prefix_node *node, size_t len)
{
    struct mrc_prefix_node *upper = make_node((struct mrc_bytes){node->label, len}, NULL);
    size_t lower_len = node->label_len - len;
    char *label = malloc(lower_len);

    if (!upper || !label || !reserve_child(upper)) {
        free_node(upper);
        free(label);
        return NULL;
    }
    memcpy(label, node->label + len, lower_len);
    replace_child(node->parent, upper);
    free(node->label);
    node->label = label;
    node->label_len = lower_len;
    add_child(upper, node);
    return upper;
}

/* Replaces NODE, which has no value and one child, by that child. */
static void join(struct mrc_prefix_node *node)
{
    struct mrc_prefix_node *child = node->children[0].node;
    char *label = realloc(child->label, node->label_len + child->label_len);

    if (!label)
        return; /* the tree keeps one node more than it needs */
    memmove(label + node->label_len, label, child->label_len);
    memcpy(label, node->label, node->label_len);
    child->label = label;
    child->label_len += node->label_len;
    replace_child(node->parent, child);
    free_node(node);
}

/* Frees NODE and the nodes above it that have neither a value nor children any more. */
static void tidy(struct mrc_prefix_tree *tree, struct mrc_prefix_node *node)
{
    while (node && !node->value && node->count == 0) {
        struct mrc_prefix_node *parent = node->parent;

        if (parent)
            remove_child(parent, node);
        else
            tree->root = NULL;
        free_node(node);
        node = parent;
    }
    if (node && node->parent && !node->value && node->count == 1)
        join(node);
}

/* Adds a node with VALUE for REST, the rest of a key, below NODE, the deepest node on its path. */
static struct mrc_prefix_node *add_below(struct mrc_prefix_node *node, struct mrc_bytes rest,
                                         void *value)
{
    struct mrc_prefix_node *child = find_child(node, (unsigned char)rest.ptr[0]);
    struct mrc_prefix_node *leaf;

    if (child) {
        size_t len = common_len(label_of(child), rest);

        node = split(child, len);
        if (!node)
            return NULL;
        rest = behind(rest, len);
        if (!rest.len) {
            node->value = value;
            return node;
        }
    }
    leaf = make_node(rest, value);
    if (leaf && reserve_child(node)) {
        add_child(node, leaf);
        return leaf;
    }
    free_node(leaf);
    if (child)
        join(node);
    return NULL;
}

struct mrc_prefix_node *mrc_prefix_tree_add(struct mrc_prefix_tree *tree, struct mrc_bytes key,
                                            void *value)
{
    struct mrc_prefix_node *node, *added;
    struct mrc_bytes rest;

    if (!tree->root)
        tree->root = make_node((struct mrc_bytes){"", 0}, NULL);
    if (!tree->root)
        return NULL;
    node = descend(tree, key, &rest);
    if (!rest.len) {
        node->value = value;
        return node;
    }
    added = add_below(node, rest, value);
    if (!added)
        tidy(tree, tree->root);
    return added;
}

void *mrc_prefix_tree_get(const struct mrc_prefix_node *node)
{
    return node->value;
}

void mrc_prefix_tree_remove(struct mrc_prefix_tree *tree, struct mrc_prefix_node *node)
{
    node->value = NULL;
    tidy(tree, node);
}

/* ---- walking ----------------------------------------------------------------------------------*/

void mrc_prefix_walk_start(struct mrc_prefix_walk *walk, const struct mrc_prefix_tree *tree,
                           struct mrc_bytes text)
{
    walk->node = tree->root;
    walk->rest = text;
}

void *mrc_prefix_walk_next(struct mrc_prefix_walk *walk)
{
    void *value = NULL;

    while (walk->node && !value) {
        const struct mrc_prefix_node *node = walk->node;

        walk->node = NULL;
        if (!mrc_bytes_starts_with(walk->rest, label_of(node)))
            break;
        value = node->value;
        walk->rest = behind(walk->rest, node->label_len);
        if (walk->rest.len)
            walk->node = find_child(node, (unsigned char)walk->rest.ptr[0]);
    }
    return value;
}
