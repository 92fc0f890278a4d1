#include "httpd/config/origin.h"

#include "apr_general.h"

#include "failing_calls.h"
#include "mrc_config.h"
#include "unit.h"

static apr_pool_t *pool;

static void setup(void)
{
    apr_initialize();
    apr_pool_create(&pool, NULL);
}

static void teardown(void)
{
    apr_terminate();
}

/* Adds ARGS, which end with NULL, to a list. Returns NULL or the error. */
static const char *add_all(struct mrc_origins *ret_origins, const char *const *args)
{
    const char *error = NULL;

    *ret_origins = (struct mrc_origins){.any = false};
    while (*args && !error)
        error = mrc_origin_add(pool, ret_origins, *args++);
    return error;
}

#define ADD(origins, ...) add_all(origins, (const char *const[]){__VA_ARGS__, NULL})

START_TEST(normalizes_the_origin_of_a_url)
{
    static const struct {
        const char *url, *origin;
    } rows[] = {
        {"https://example.com/a?b#c", "https://example.com"},
        {"HTTPS://Example.COM:443", "https://example.com"},
        {"http://example.com:80/", "http://example.com"},
        {"http://example.com:443", "http://example.com:443"},
        {"https://example.com:", "https://example.com"},
        {"https://example.com:065", "https://example.com:65"},
        {"https://user:secret@example.com", "https://example.com"},
        {"http://[2001:DB8:0::1]:8080/x", "http://[2001:db8::1]:8080"},
        {"http://0x7f.1/", "http://127.0.0.1"},
        {"https://example.com./", "https://example.com."},
        {"https://xn--bcher-kva.example/", "https://xn--bcher-kva.example"},
        {"https://ex%61mple.com/", "https://example.com"},
        {"wss://example.com:443/", "wss://example.com"},
        {"other://Example.com:1", "other://example.com:1"}, /* such as chrome-extension: */
        /* URLs that a browser reads differently from how they look. */
        {"https://evil.example\\@example.com/", "https://evil.example"},
        {"https://evil.example\\.example.com/", "https://evil.example"},
        {"https:\\\\evil.example\\@example.com", "https://evil.example"},
        {"https://evil.example?@example.com", "https://evil.example"},
        {"https://evil.example#@example.com", "https://evil.example"},
        {"https://example.com@evil.example/", "https://evil.example"},
        {"https://example.com:443@evil.example/", "https://evil.example"},
        {"https://a@example.com@evil.example/", "https://evil.example"},
        {"https:evil.example/https://example.com/", "https://evil.example"},
        {"https:///evil.example/", "https://evil.example"},
        {"https://exa\tmple.com\r\n.evil.example/", "https://example.com.evil.example"},
#ifdef HAVE_ICU
        {"https://b\xc3\xbc"
         "cher.example/",
         "https://xn--bcher-kva.example"},
        {"https://example\xe3\x80\x82"
         "com/",
         "https://example.com"},
        {"https://\xef\xbd\x85xample\xef\xbc\x8e"
         "com/",
         "https://example.com"},
#endif
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *origin = mrc_origin_of_url(pool, rows[i].url);

        ck_assert_msg(origin && !strcmp(origin, rows[i].origin), "%s: got %s, want %s", rows[i].url,
                      origin ? origin : "NULL", rows[i].origin);
    }
}
END_TEST

START_TEST(other_texts_have_no_origin)
{
    static const char *const texts[] = {
        "",
        "null",
        "about:blank",
        "data:,x",
        "blob:https://example.com/1",
        "file:///path",
        "file://example.com/path",
        "example.com",
        "/path",
        "//example.com",
        "mailto:user@example.com",
        "https://",
        "https://?",
        "other:///path",
        "https://example.com:65536",
        "https://:1",
        "https://example.com:131515", /* 443 in 16 bits */
        "https://exam ple.com/",
        "https://example.com%00.evil.example/",
        "https://example.com%2Fevil.example/",
        "https://[::1/",
        "https://256.1.1.1/",
        "https://\xff/",
#ifndef HAVE_ICU
        "https://b\xc3\xbc"
        "cher.example/",
        "https://example\xe3\x80\x82"
        "com/",
#endif
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        ck_assert_msg(!mrc_origin_of_url(pool, texts[i]), "%s", texts[i]);
}
END_TEST

START_TEST(field_names_only_an_origin)
{
    static const struct {
        const char *field, *origin;
    } rows[] = {
        {"https://example.com", "https://example.com"},
        {"HTTPS://Example.COM:443", "https://example.com"},
        {"http://[::1]:8080", "http://[::1]:8080"},
        {"chrome-extension://abc", "chrome-extension://abc"},
        {"https://example.com/", NULL},
        {"https://example.com/x", NULL},
        {"https://example.com\\", NULL},
        {"https://example.com?", NULL},
        {"https://example.com#", NULL},
        {"https://user@example.com", NULL},
        {"https://evil.example\\@example.com", NULL},
        {"https:example.com", NULL},
        {"https:\\\\example.com", NULL},
        {"https://exam\tple.com", NULL},
        {"https://example.com, https://example.com", NULL}, /* joined by httpd */
        {"https://example.com https://example.com", NULL},  /* RFC 6454, 7.1 */
        {"null", NULL},
        {"", NULL},
        {"*", NULL},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *origin = mrc_origin_of_field(pool, rows[i].field);

        ck_assert_msg(origin ? rows[i].origin && !strcmp(origin, rows[i].origin) : !rows[i].origin,
                      "%s: got %s, want %s", rows[i].field, origin ? origin : "NULL",
                      rows[i].origin ? rows[i].origin : "NULL");
    }
}
END_TEST

START_TEST(lists_exact_origins_and_subdomains)
{
    static const char *const listed[] = {
        "https://example.com",
        "https://EXAMPLE.com:443",
        "https://a.example.net:8443",
        "https://b.a.example.net:8443",
        "https://x-1_y.example.net:8443",
        "http://[2001:db8::1]",
        "http://127.0.0.1",
        "capacitor://localhost",
    };
    static const char *const others[] = {
        "http://example.com",        "https://example.com.",
        "https://example.com:444",   "https://example.com.evil.example",
        "https://example.net:8443",  "https://.example.net:8443",
        "https://a.example.net",     "http://a.example.net:8443",
        "https://aexample.net:8443", "ionic://localhost",
    };
    struct mrc_origins origins;

    ck_assert_ptr_null(ADD(&origins, "HTTPS://Example.com:443", "https://*.example.net:8443",
                           "http://[2001:DB8::0:1]:80", "http://0x7f000001",
                           "capacitor://Localhost"));
    for (size_t i = 0; i < sizeof(listed) / sizeof(listed[0]); i++)
        ck_assert_msg(mrc_origin_is_listed(&origins, mrc_origin_of_field(pool, listed[i])), "%s",
                      listed[i]);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        ck_assert_msg(!mrc_origin_is_listed(&origins, mrc_origin_of_field(pool, others[i])), "%s",
                      others[i]);
    ck_assert(!mrc_origin_is_listed(NULL, "https://example.com"));
}
END_TEST

START_TEST(an_asterisk_means_any_origin_and_lists_none)
{
    struct mrc_origins origins;

    ck_assert_ptr_null(ADD(&origins, "*"));
    ck_assert(origins.any);
    ck_assert(!mrc_origin_is_listed(&origins, "https://example.com"));
    ck_assert_ptr_nonnull(strstr(ADD(&origins, "*", "https://example.com"), "alone"));
    ck_assert_ptr_nonnull(strstr(ADD(&origins, "https://example.com", "*"), "alone"));
    ck_assert_ptr_nonnull(strstr(ADD(&origins, "https://*.example.com", "*"), "alone"));
    ck_assert_ptr_nonnull(strstr(ADD(&origins, "*", "*"), "alone"));
}
END_TEST

START_TEST(an_error_says_what_is_wrong)
{
    static const struct {
        const char *arg, *words;
    } rows[] = {
        {"example.com", "is not an origin"},
        {"null", "is not an origin"},
        {"https:example.com", "is not an origin"},
        {"https:\\\\example.com", "is not an origin"},
        {" https://example.com", "is not an origin"},
        {"https://exam\tple.com", "is not an origin"},
        {"https://example.com,https://example.net", "is more than an origin"},
        {"https://example.com:70000", "is not an origin (not a URL"},
        {"https://example.com:0", "is not an origin (no server has the port 0)"},
        {"https://exam<ple.com", "is not an origin (the host holds"},
        {"https://example.com:x", "is not an origin (not a URL"},
        {"https://256.1.1.1", "is not an origin (the host is not a valid IPv4 address)"},
        {"https://[::1", "is not an origin (the host is not a valid IPv6 address)"},
        {"file://example.com", "is not an origin (it has no host)"},
        {"other://", "is not an origin (it has no host)"},
#ifndef HAVE_ICU
        {"https://b\xc3\xbc"
         "cher.example",
         "is not an origin (this build has no ICU"},
#endif
        {"https://example.com\\", "is more than an origin"},
        {"https://example.com/", "more than an origin"},
        {"https://example.com?a", "more than an origin"},
        {"https://example.com#a", "more than an origin"},
        {"https://user@example.com", "more than an origin"},
        {"https://*", "https://*.example.com"},
        {"https://*.", "https://*.example.com"},
        {"https://a.*.example.com", "https://*.example.com"},
        {"https://*.*.example.com", "https://*.example.com"},
        {"https://*a.example.com", "https://*.example.com"},
    };
    struct mrc_origins origins;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *error = ADD(&origins, rows[i].arg);

        ck_assert_msg(error && strstr(error, rows[i].words) && strstr(error, rows[i].arg),
                      "%s: got %s", rows[i].arg, error ? error : "no error");
    }
}
END_TEST

/* All in the first block of the pool, which is there already. */
static bool read_some(void)
{
    struct mrc_origins origins = {.any = false};
    const char *of_url, *of_field, *why;

    apr_pool_clear(pool);
    of_url = mrc_origin_of_url(pool, "https://A.example:8443/x?y");
    of_field = mrc_origin_of_field(pool, "https://b.example");
    why = mrc_origin_add(pool, &origins, "https://*.c.example");
    if (of_url)
        ck_assert_str_eq(of_url, "https://a.example:8443");
    if (of_field)
        ck_assert_str_eq(of_field, "https://b.example");
    if (why)
        ck_assert_ptr_nonnull(strstr(why, "out of memory"));
    ck_assert_int_eq(mrc_origin_is_listed(&origins, "https://x.c.example"), !why);
    return of_url && of_field && !why;
}

/* Without memory, a URL has no origin, and a list gets none. */
START_TEST(each_allocation_may_fail)
{
    fail_in_turn_strictly("read", read_some, 3, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("origin");
    TCase *tcase = tcase_create("origin");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, normalizes_the_origin_of_a_url);
    tcase_add_test(tcase, other_texts_have_no_origin);
    tcase_add_test(tcase, field_names_only_an_origin);
    tcase_add_test(tcase, lists_exact_origins_and_subdomains);
    tcase_add_test(tcase, an_asterisk_means_any_origin_and_lists_none);
    tcase_add_test(tcase, an_error_says_what_is_wrong);
    tcase_add_test(tcase, each_allocation_may_fail);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
