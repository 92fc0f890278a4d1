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

START_TEST(reserves_the_hub_and_everything_below)
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

START_TEST(other_topics_are_free)
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
 * All topics of a scheme and three of these pieces. A space before a topic means nothing, but the
 * shortcut does not accept it: the answers with and without the space have to be equal.
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

START_TEST(shortcut_and_parser_agree)
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

START_TEST(any_hub_path_is_reserved)
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

START_TEST(path_with_a_slash_reserves_the_resources)
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

START_TEST(root_path_reserves_the_resources)
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

START_TEST(several_hub_paths_are_reserved)
{
    static const char *const paths[] = {"/a", "/b"};

    ck_assert(mrc_reserved_covers(mrc_bytes_of("/a/x"), HUB_URL, paths, 2));
    ck_assert(mrc_reserved_covers(mrc_bytes_of("/b"), HUB_URL, paths, 2));
    ck_assert(!mrc_reserved_covers(mrc_bytes_of("/c"), HUB_URL, paths, 2));
    ck_assert(!mrc_reserved_covers(mrc_bytes_of("/a"), HUB_URL, paths, 0));
}
END_TEST

START_TEST(reserves_topics_without_an_answer)
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

    tcase_add_test(tcase, reserves_the_hub_and_everything_below);
    tcase_add_test(tcase, other_topics_are_free);
    tcase_add_test(tcase, shortcut_and_parser_agree);
    tcase_add_test(tcase, any_hub_path_is_reserved);
    tcase_add_test(tcase, path_with_a_slash_reserves_the_resources);
    tcase_add_test(tcase, root_path_reserves_the_resources);
    tcase_add_test(tcase, several_hub_paths_are_reserved);
    tcase_add_test(tcase, reserves_topics_without_an_answer);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
