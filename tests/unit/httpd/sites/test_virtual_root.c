#include "httpd/sites/virtual_root.h"

#include "apr_general.h"
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
    apr_pool_t *pool;
    const char *root;

    ck_assert_int_eq(apr_initialize(), APR_SUCCESS);
    ck_assert_int_eq(apr_pool_create(&pool, NULL), APR_SUCCESS);
    root = mrc_virtual_root_expand(pool, rows[_i].pattern, rows[_i].host, 8080);
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
    apr_pool_t *pool;

    ck_assert_int_eq(apr_initialize(), APR_SUCCESS);
    ck_assert_int_eq(apr_pool_create(&pool, NULL), APR_SUCCESS);
    memset(pattern, 'p', sizeof(pattern) - 3);
    memcpy(pattern + sizeof(pattern) - 3, "%0", 3);
    memset(host, 'h', 1000);
    ck_assert_ptr_nonnull(mrc_virtual_root_expand(pool, pattern, host, 1));
    memset(host, 'h', sizeof(host) - 1);
    ck_assert_ptr_null(mrc_virtual_root_expand(pool, pattern, host, 1));
    apr_pool_destroy(pool);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("virtual_root");
    TCase *tcase = tcase_create("virtual_root");

    tcase_add_loop_test(tcase, expands_a_pattern, 0, sizeof(rows) / sizeof(*rows));
    tcase_add_test(tcase, a_root_has_a_limit);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
