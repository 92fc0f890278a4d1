#include "hub/index/prefix_tree.h"

#include "failing_alloc.h"
#include "hub_unit.h"

static struct mrc_prefix_node *add(struct mrc_prefix_tree *tree, const char *key)
{
    struct mrc_prefix_node *node;

    ck_assert_ptr_null(mrc_prefix_tree_find(tree, mrc_bytes_of(key)));
    node = mrc_prefix_tree_add(tree, mrc_bytes_of(key), (void *)(uintptr_t)key);
    ck_assert_ptr_nonnull(node);
    ck_assert_ptr_eq(mrc_prefix_tree_find(tree, mrc_bytes_of(key)), node);
    ck_assert_ptr_eq(mrc_prefix_tree_get(node), key);
    return node;
}

/* Fails unless WANT are the keys that are a prefix of TEXT, shortest first. */
static void check(const struct mrc_prefix_tree *tree, const char *text, const char *want)
{
    struct mrc_prefix_walk walk;
    char found[256] = "";
    const char *key;

    mrc_prefix_walk_start(&walk, tree, mrc_bytes_of(text));
    while ((key = mrc_prefix_walk_next(&walk)))
        snprintf(found + strlen(found), sizeof(found) - strlen(found), "(%s)", key);
    ck_assert_ptr_null(mrc_prefix_walk_next(&walk));
    ck_assert_str_eq(found, want);
}

START_TEST(finds_all_prefixes)
{
    struct mrc_prefix_tree tree = {NULL};
    struct mrc_prefix_node *nodes[7];

    check(&tree, "abc", "");
    nodes[0] = add(&tree, "abc");
    nodes[1] = add(&tree, "abd"); /* splits the first one */
    nodes[2] = add(&tree, "ab");  /* at the split */
    nodes[3] = add(&tree, "");
    nodes[4] = add(&tree, "abcdef");
    nodes[5] = add(&tree, "a"); /* within a label */
    nodes[6] = add(&tree, "x\xff");
    check(&tree, "abcdefg", "()(a)(ab)(abc)(abcdef)");
    check(&tree, "abcde", "()(a)(ab)(abc)");
    check(&tree, "abd", "()(a)(ab)(abd)");
    check(&tree, "x\xff", "()(x\xff)");
    check(&tree, "x", "()");
    check(&tree, "", "()");
    mrc_prefix_tree_remove(&tree, nodes[2]);
    check(&tree, "abcdefg", "()(a)(abc)(abcdef)");
    mrc_prefix_tree_remove(&tree, nodes[0]);
    check(&tree, "abcdefg", "()(a)(abcdef)");
    mrc_prefix_tree_remove(&tree, nodes[1]); /* what is left is joined again */
    check(&tree, "abcdefg", "()(a)(abcdef)");
    mrc_prefix_tree_remove(&tree, nodes[3]);
    mrc_prefix_tree_remove(&tree, nodes[5]);
    check(&tree, "abcdefg", "(abcdef)");
    mrc_prefix_tree_remove(&tree, nodes[4]);
    mrc_prefix_tree_remove(&tree, nodes[6]);
    ck_assert_ptr_null(tree.root);
}
END_TEST

/* Any byte may come next. */
START_TEST(has_as_many_children_as_there_are_bytes)
{
    struct mrc_prefix_tree tree = {NULL};
    struct mrc_prefix_node *nodes[256];
    char keys[256][3];

    for (unsigned i = 0; i < 256; i++) {
        unsigned byte = i * 37 % 256;

        memcpy(keys[i], (char[]){'a', (char)byte, '!'}, 3);
        nodes[i] = mrc_prefix_tree_add(&tree, (struct mrc_bytes){keys[i], 3}, keys[i]);
        ck_assert_ptr_nonnull(nodes[i]);
    }
    for (unsigned i = 0; i < 256; i++) {
        struct mrc_prefix_walk walk;

        mrc_prefix_walk_start(&walk, &tree, (struct mrc_bytes){keys[i], 3});
        ck_assert_ptr_eq(mrc_prefix_walk_next(&walk), keys[i]);
        ck_assert_ptr_null(mrc_prefix_walk_next(&walk));
        mrc_prefix_tree_remove(&tree, nodes[i]);
        ck_assert_ptr_null(mrc_prefix_tree_find(&tree, (struct mrc_bytes){keys[i], 3}));
    }
    ck_assert_ptr_null(tree.root);
}
END_TEST

#define KEYS 400

struct keyed {
    char key[12];
    size_t len;
    struct mrc_prefix_node *node;
};

static void compare(const struct mrc_prefix_tree *tree, const struct keyed *all, uint64_t *random)
{
    const struct keyed *one = &all[hub_random_below(random, KEYS)], *found;
    char text[16];
    size_t len = one->len + hub_random_below(random, 4), want = 0, got = 0;
    struct mrc_prefix_walk walk;

    memset(text, 'a' + (int)hub_random_below(random, 2), sizeof(text));
    memcpy(text, one->key, one->len);
    for (size_t i = 0; i < KEYS; i++)
        want += all[i].node && all[i].len <= len && !memcmp(all[i].key, text, all[i].len);
    mrc_prefix_walk_start(&walk, tree, (struct mrc_bytes){text, len});
    for (size_t last = 0; (found = mrc_prefix_walk_next(&walk)); last = found->len + 1, got++) {
        ck_assert_ptr_nonnull(found->node);
        ck_assert_uint_ge(found->len + 1, last);
        ck_assert(!memcmp(found->key, text, found->len));
    }
    ck_assert_uint_eq(got, want);
}

/* The keys have few distinct letters. Sometimes memory runs out, and the tree must not change. */
START_TEST(random_changes_against_a_model)
{
    struct mrc_prefix_tree tree = {NULL};
    struct keyed *all = calloc(KEYS, sizeof(*all));
    uint64_t random = (uint64_t)_i + 1;
    long held = 0;
    unsigned failures = 0;

    for (int step = 0; step < 20000; step++) {
        struct keyed *one = &all[hub_random_below(&random, KEYS)];

        if (one->node && (step / 1000 % 2 || hub_random_below(&random, 3) == 0)) {
            held -= alloc_bytes;
            mrc_prefix_tree_remove(&tree, one->node);
            held += alloc_bytes;
            one->node = NULL;
        } else if (!one->node) {
            one->len = hub_random_below(&random, sizeof(one->key) + 1);
            for (size_t i = 0; i < one->len; i++)
                one->key[i] = (char)('a' + (int)hub_random_below(&random, 2));
            if (mrc_prefix_tree_find(&tree, (struct mrc_bytes){one->key, one->len}))
                continue;
            held -= alloc_bytes;
            alloc_left = hub_random_below(&random, 12);
            one->node = mrc_prefix_tree_add(&tree, (struct mrc_bytes){one->key, one->len}, one);
            alloc_left = -1;
            held += alloc_bytes;
            failures += !one->node;
        }
        compare(&tree, all, &random);
    }
    held -= alloc_bytes;
    for (size_t i = 0; i < KEYS; i++)
        if (all[i].node)
            mrc_prefix_tree_remove(&tree, all[i].node);
    held += alloc_bytes;
    ck_assert_uint_gt(failures, 100);
    ck_assert_ptr_null(tree.root);
    ck_assert_int_eq(held, 0);
    free(all);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("prefix_tree");
    TCase *tcase = tcase_create("prefix_tree");

    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, finds_all_prefixes);
    tcase_add_test(tcase, has_as_many_children_as_there_are_bytes);
    tcase_add_loop_test(tcase, random_changes_against_a_model, 0, 4);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
