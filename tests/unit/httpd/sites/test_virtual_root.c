#include "httpd/sites/virtual_root.h"

#include "apr_general.h"
#include "failing_calls.h"
#include "unit.h"

static const struct {
    const char *pattern, *host, *root;
} rows[] = {
    {"/srv/%0", "www.shop.example", "/srv/www.shop.example"},
    {"/srv/%0/htdocs/", "shop.example", "/srv/shop.example/htdocs"},
    {"/srv/%1", "www.shop.example", "/srv/www"},
    {"/srv/%2", "www.shop.example", "/srv/shop"},
    {"/srv/%3", "www.shop.example", "/srv/example"},
    {"/srv/%4", "www.shop.example", "/srv/_"},
    {"/srv/%-1", "www.shop.example", "/srv/example"},
    {"/srv/%-2", "www.shop.example", "/srv/shop"},
    {"/srv/%-4", "www.shop.example", "/srv/_"},
    {"/srv/%2+", "www.shop.example", "/srv/shop.example"},
    {"/srv/%-2+", "www.shop.example", "/srv/www.shop"},
    {"/srv/%1+", "www.shop.example", "/srv/www.shop.example"},
    {"/srv/%-1+", "www.shop.example", "/srv/www.shop.example"},
    {"/srv/%2.1/%2.2/%2", "www.shop.example", "/srv/s/h/shop"},
    {"/srv/%2.-1", "www.shop.example", "/srv/p"},
    {"/srv/%2.2+", "www.shop.example", "/srv/hop"},
    {"/srv/%2.-2+", "www.shop.example", "/srv/sho"},
    {"/srv/%2.9", "www.shop.example", "/srv/_"},
    {"/srv/%0.1", "www.shop.example", "/srv/w"},
    {"/srv/%p/%%/%0", "a", "/srv/8080/%/a"},
    {"/srv/%1", "", "/srv/_"},
    {"/srv/%1", ".", "/srv/_"},
    {"/srv/all", "a", "/srv/all"},
    {"/", "a", "/"},
    {"/srv/%", "a", NULL},
    {"/srv/%x", "a", NULL},
    {"/srv/%-", "a", NULL},
    {"/srv/%1.", "a", NULL},
    {"/srv/%1.x", "a", NULL},
};

START_TEST(expands_a_pattern)
{
    const char *root = NULL;
    apr_pool_t *pool;
    apr_status_t status;

    ck_assert_int_eq(apr_initialize(), APR_SUCCESS);
    ck_assert_int_eq(apr_pool_create(&pool, NULL), APR_SUCCESS);
    status = mrc_virtual_root_expand(pool, rows[_i].pattern, rows[_i].host, 8080, &root);
    ck_assert_int_eq(status, rows[_i].root ? APR_SUCCESS : APR_EINVAL);
    if (rows[_i].root)
        ck_assert_str_eq(root, rows[_i].root);
    else
        ck_assert_ptr_null(root);
    apr_pool_destroy(pool);
}
END_TEST

/* A pattern and a host name together may be too long. */
START_TEST(a_root_has_a_limit)
{
    static char pattern[3000], host[3000];
    const char *root;
    apr_pool_t *pool;

    ck_assert_int_eq(apr_initialize(), APR_SUCCESS);
    ck_assert_int_eq(apr_pool_create(&pool, NULL), APR_SUCCESS);
    memset(pattern, 'p', sizeof(pattern) - 3);
    memcpy(pattern + sizeof(pattern) - 3, "%0", 3);
    memset(host, 'h', 1000);
    ck_assert_int_eq(mrc_virtual_root_expand(pool, pattern, host, 1, &root), APR_SUCCESS);
    memset(host, 'h', sizeof(host) - 1);
    ck_assert_int_eq(mrc_virtual_root_expand(pool, pattern, host, 1, &root), APR_EINVAL);
    apr_pool_destroy(pool);
}
END_TEST

static apr_pool_t *memory;

static bool expand(void)
{
    const char *root = NULL;
    apr_status_t status = mrc_virtual_root_expand(memory, "/srv/%2.1/%0/htdocs",
                                                  "a.host.with.a.long.name.example", 80, &root);

    ck_assert(!status || status == APR_ENOMEM);
    ck_assert_int_eq(root == NULL, status != APR_SUCCESS);
    return status == APR_SUCCESS;
}

/* A site without memory is not one that does not exist. */
START_TEST(each_allocation_may_fail)
{
    ck_assert_int_eq(apr_initialize(), APR_SUCCESS);
    ck_assert_int_eq(apr_pool_create(&memory, NULL), APR_SUCCESS);
    fail_in_turn_strictly("expand", expand, 1, 0);
    apr_pool_destroy(memory);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("virtual_root");
    TCase *tcase = tcase_create("virtual_root");

    tcase_add_loop_test(tcase, expands_a_pattern, 0, sizeof(rows) / sizeof(*rows));
    tcase_add_test(tcase, a_root_has_a_limit);
    tcase_add_test(tcase, each_allocation_may_fail);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
