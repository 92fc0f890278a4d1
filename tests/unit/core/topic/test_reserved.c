#include "core/topic/reserved.h"
#include "core/url/url.h"
#include "unit.h"

#include <stdlib.h>

#define HUB_URL "https://hub.example.com/.well-known/mercure"

static bool covers_at(const char *topic, const char *hub_path)
{
    return mrc_reserved_covers(mrc_bytes_of(topic), HUB_URL, &hub_path, 1);
}

static bool covers(const char *topic)
{
    return covers_at(topic, "/.well-known/mercure");
}

START_TEST(covers_the_hub_and_all_below)
{
    static const char *const reserved[] = {
        "https://hub.example.com/.well-known/mercure",
        "https://hub.example.com/.well-known/mercure/",
        "https://hub.example.com/.well-known/mercure/subscriptions/exact/a/b",
        "https://hub.example.com/.well-known/mercure?a=b",
        "https://hub.example.com/.well-known/mercure#a",
        "/.well-known/mercure",
        "/.well-known/mercure/subscriptions",
        "mercure",
        "mercure/x",
        "./mercure",
        "../.well-known/mercure",
        "",
        "?a",
        "#a",
        "//other.example/.well-known/mercure",
        "https://other.example/.well-known/mercure/x",
        "http://hub.example.com/.well-known/mercure",
        "ftp://user:pw@hub.example.com:8021/.well-known/mercure",
        "file:///.well-known/mercure",
        "foo://x/.well-known/mercure",
        "foo:/.well-known/mercure/x",
        "web+demo:/.//.well-known/../../.well-known/mercure",
        "HTTPS://HUB.EXAMPLE.COM/.well-known/mercure",
        "https:/.well-known/mercure",
        "https:mercure",
        " /.well-known/mercure ",
        "/.well-\tknown/mer\ncure",
        "/.well-known/%6Dercure",
        "/.well-known/%6dercure/x",
        "/%2Ewell-known/mercure",
        "/%2ewell%2Dknown/%6D%65%72%63%75%72%65/x",
        "/.well-known/./mercure",
        "/.well-known/%2e/mercure",
        "/.well-known/mercure/../mercure",
        "/.well-known/mercure/%2E%2e/mercure",
        "/a/../.well-known/mercure",
        "/../../.well-known/mercure/.",
        "/.well-known/mercure/x/..",
        "/.well-known/x/.%2E/mercure",
        "\\.well-known\\mercure",
        "/.well-known\\mercure\\x",
        "https:\\\\hub.example.com\\.well-known\\mercure",
    };

    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
        ck_assert_msg(covers(reserved[i]), "%s", reserved[i]);
}
END_TEST

START_TEST(leaves_the_rest)
{
    static const char *const free_topics[] = {
        "https://hub.example.com/",
        "https://hub.example.com/books/1",
        "/.well-known/mercury",
        "/.well-known/mercur",
        "/.well-known/mercurex",
        "/.well-known/mercure-x/y",
        "/.well-known",
        "/.well-known/",
        "/.well-known/mercure/..",
        "/.well-known/mercure/../x",
        "/x/.well-known/mercure",
        "/.WELL-KNOWN/mercure",
        "/.well-known%2Fmercure",
        "/.well-known/mercure%2Fx",
        "/.well-known/%256Dercure",
        "/.well-known/mercure%00",
        "/x?/.well-known/mercure",
        "/x#/.well-known/mercure",
        "urn:/.well-known\\mercure",
        "urn:.well-known/mercure",
        "urn:uuid:e1ee88e2-532a-4d6f-ba70-f0f8bd584022",
        "data:,/.well-known/mercure",
        "https://[/.well-known/mercure",
        "https://a b/.well-known/mercure",
        "https://hub.example.com:x/.well-known/mercure",
        "books/1",
    };

    for (size_t i = 0; i < sizeof(free_topics) / sizeof(free_topics[0]); i++)
        ck_assert_msg(!covers(free_topics[i]), "%s", free_topics[i]);
}
END_TEST

/*
 * Topics put together of these pieces, three after a scheme. A space before a topic means nothing,
 * but keeps it from being told without the parser: with and without, the answer is the same.
 */
static const char *const schemes[] = {"http://", "https://", "HTTPS://", "https:/", "ftp://"};
static const char *const pieces[] = {
    "",         "a",     "hub.example.com",
    ":80",      ":x",    "u@h",
    "[::1]",    "[",     "/",
    "//",       "/hub",  "/.",
    "/..",      "/.hub", "/.../",
    "/hub/",    "hubs",  "?",
    "#/hub",    "%",     "/%68ub",
    "\\",       "\t",    " ",
    "\xc3\xbc",
};

START_TEST(tells_the_same_without_the_parser)
{
    static const char *const hub_paths[] = {"/hub", "/.hub/", "/a/%68"}; /* one is not plain */
    size_t count = sizeof(pieces) / sizeof(pieces[0]);
    size_t covered = 0, topics = 0;

    for (size_t n = 0; n < 5 * count * count * count; n++) {
        size_t paths = n % 2 ? 2 : 3;
        char topic[64];
        bool result;

        snprintf(topic, sizeof(topic), " %s%s%s%s", schemes[n % 5], pieces[n / 5 % count],
                 pieces[n / 5 / count % count], pieces[n / 5 / count / count]);
        result = mrc_reserved_covers(mrc_bytes_of(topic + 1), HUB_URL, hub_paths, paths);
        ck_assert_msg(mrc_reserved_covers(mrc_bytes_of(topic), HUB_URL, hub_paths, paths) == result,
                      "%s", topic);
        covered += result;
        topics++;
    }
    ck_assert(covered > 100);
    ck_assert(covered < topics - 100);
}
END_TEST

START_TEST(takes_any_hub_path)
{
    ck_assert(covers_at("/hub", "/hub"));
    ck_assert(covers_at("/hub/", "/hub"));
    ck_assert(covers_at("/my%20hub/x", "/my hub"));
    ck_assert(covers_at("/my hub/x", "/my hub"));
    ck_assert(covers_at("/h%C3%BCb", "/h\xc3\xbc"
                                     "b"));
    ck_assert(covers_at("/h%c3%bcb", "/h\xc3\xbc"
                                     "b"));
    ck_assert(covers_at("/a~b", "/a%7eb"));
    ck_assert(covers_at("/a/./b", "/a//../b"));
    ck_assert(covers_at("/100%", "/100%"));
    ck_assert(!covers_at("/a%2Fb", "/a/b"));
}
END_TEST

START_TEST(hub_path_with_slash_reserves_what_the_hub_makes)
{
    ck_assert(covers_at("/hub/", "/hub/"));
    ck_assert(covers_at("https://other.example/hub/", "/hub/"));
    ck_assert(covers_at("/hub//x", "/hub/"));
    ck_assert(covers_at("/hub/subscriptions", "/hub/"));
    ck_assert(covers_at("/h%75b/x/../%73ubscriptions/exact/a/b", "/hub/"));
    ck_assert(!covers_at("/hub/books/1", "/hub/"));
    ck_assert(!covers_at("/hub/subscriptionsx", "/hub/"));
    ck_assert(!covers_at("/subscriptions", "/hub/"));
    ck_assert(!covers_at("/hub", "/hub/"));
    ck_assert(!covers_at("/hubs", "/hub/"));
}
END_TEST

START_TEST(root_reserves_what_the_hub_makes)
{
    ck_assert(covers_at("/", "/"));
    ck_assert(covers_at("https://other.example", "/"));
    ck_assert(covers_at("/x/..", "/"));
    ck_assert(covers_at("/subscriptions", "/"));
    ck_assert(covers_at("/%73ubscriptions/exact/a/b", "/"));
    ck_assert(covers_at("https://hub.example.com//x", "/"));
    ck_assert(!covers_at("/books/1", "/"));
    ck_assert(!covers_at("/subscriptionsx", "/"));
}
END_TEST

START_TEST(takes_many_hub_paths)
{
    static const char *const paths[] = {"/a", "/b"};

    ck_assert(mrc_reserved_covers(mrc_bytes_of("/a/x"), HUB_URL, paths, 2));
    ck_assert(mrc_reserved_covers(mrc_bytes_of("/b"), HUB_URL, paths, 2));
    ck_assert(!mrc_reserved_covers(mrc_bytes_of("/c"), HUB_URL, paths, 2));
    ck_assert(!mrc_reserved_covers(mrc_bytes_of("/a"), HUB_URL, paths, 0));
}
END_TEST

START_TEST(refuses_what_it_cannot_decide)
{
    size_t len = MRC_URL_MAX_BYTES + 1;
    char *topic = calloc(1, len + 1);

    memset(topic, 'x', len);
    ck_assert(covers(topic));
    topic[len - 1] = '\0';
    ck_assert(!covers(topic));
    free(topic);
    ck_assert(mrc_reserved_covers(mrc_bytes_of("/x"), "no URL", NULL, 0));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("reserved");
    TCase *tcase = tcase_create("reserved");

    tcase_add_test(tcase, covers_the_hub_and_all_below);
    tcase_add_test(tcase, leaves_the_rest);
    tcase_add_test(tcase, tells_the_same_without_the_parser);
    tcase_add_test(tcase, takes_any_hub_path);
    tcase_add_test(tcase, hub_path_with_slash_reserves_what_the_hub_makes);
    tcase_add_test(tcase, root_reserves_what_the_hub_makes);
    tcase_add_test(tcase, takes_many_hub_paths);
    tcase_add_test(tcase, refuses_what_it_cannot_decide);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
