#include "core/pattern/literal.h"
#include "core/topic/anchor.h"
#include "core/topic/topic.h"
#include "pattern_gen.h"

#define BASE "https://example.com/hub"

/* Fails unless the literal text of VALUE at ANCHOR is WANT, which has spaces instead of NULs. */
static void check(enum mrc_matcher_type type, const char *value, enum mrc_anchor anchor,
                  const char *want)
{
    struct mrc_anchor_text text;
    struct mrc_matcher *matcher = NULL;

    ck_assert_int_eq(mrc_matcher_create(type, mrc_bytes_of(value), BASE, NULL, &matcher), MRC_OK);
    ck_assert(mrc_matcher_get_anchor(matcher, anchor, &text));
    for (size_t i = 0; i < text.len; i++)
        if (!text.bytes[i])
            text.bytes[i] = ' ';
    ck_assert_msg(mrc_bytes_eq_str(mrc_anchor_text_bytes(&text), want), "%s: \"%.*s\", not \"%s\"",
                  value, (int)text.len, text.bytes, want);
    mrc_matcher_free(matcher);
}

static void check_url(const char *value, enum mrc_anchor anchor, const char *want)
{
    check(MRC_MATCHER_URLPATTERN, value, anchor, want);
}

START_TEST(literal_text_of_patterns)
{
    check_url("https://example.com/orders/:id", MRC_ANCHOR_URL, "https example.com  /orders/");
    check_url("https://example.com:8080/a/7?a=1#h", MRC_ANCHOR_URL,
              "https example.com 8080 /a/7 a=1 h ");
    check_url("/orders/:id", MRC_ANCHOR_URL, "https example.com  /orders/");
    check_url("https://example.com/orders/(\\d+)/x", MRC_ANCHOR_URL, "https example.com  /orders/");
    check_url("https://example.com/orders/(\\d+)/x", MRC_ANCHOR_PATH_END, "x/");
    check_url("https://example.com/orders/{(\\d+)z}/x", MRC_ANCHOR_PATH_END, "x/z");
    check_url("https://example.com/orders/(\\d+)?/x", MRC_ANCHOR_URL, "https example.com  /orders");
    check_url("https://example.com/{a(\\d)z}+", MRC_ANCHOR_PATH, "/a");
    check_url("https://example.com/{a(\\d)z}+", MRC_ANCHOR_PATH_END, "z");
    check_url("https://example.com/{a(\\d)z}*", MRC_ANCHOR_PATH, "/");
    check_url("http{s}?://example.com/a", MRC_ANCHOR_URL, "http");
    check_url("http{s}?://example.com/a", MRC_ANCHOR_PATH, "/a ");
    check_url("*://*.example.com/*", MRC_ANCHOR_URL, "");
    check_url("*://*.example.com/*", MRC_ANCHOR_HOST_END, "moc.elpmaxe.");
    check_url("https://example.com/*\\?a=:a", MRC_ANCHOR_QUERY, "a=");
    check_url("https://example.com/*#:a", MRC_ANCHOR_FRAGMENT, "");
    check_url("https://example.com/*#h", MRC_ANCHOR_FRAGMENT, "h ");
    check_url("urn\\:isbn\\::id", MRC_ANCHOR_URL, "urn   isbn:");
    check_url("https://EXAMPLE.com/\xc3\xa9", MRC_ANCHOR_URL, "https example.com  /%C3%A9 ");
    check(MRC_MATCHER_TEMPLATE, "https://example.com/{x}/y", MRC_ANCHOR_TEXT,
          "https://example.com/");
    check(MRC_MATCHER_TEMPLATE, "https://example.com/{x}/y", MRC_ANCHOR_TEXT_END, "y/");
    check(MRC_MATCHER_TEMPLATE, "\xc3\xa9{x}", MRC_ANCHOR_TEXT, "");
    check(MRC_MATCHER_EXACT, "a", MRC_ANCHOR_TEXT_END, "a ");
    check(MRC_MATCHER_EXACT, "*", MRC_ANCHOR_TEXT, "");
}
END_TEST

/* Texts of the maximum length, and one byte longer, of topics and of literals. */
START_TEST(long_texts_are_cut)
{
    char value[MRC_ANCHOR_MAX_BYTES + 8];
    struct mrc_anchor_text text;

    for (size_t len = MRC_ANCHOR_MAX_BYTES - 2; len <= MRC_ANCHOR_MAX_BYTES + 1; len++) {
        size_t want = len < MRC_ANCHOR_MAX_BYTES ? len + 1 : MRC_ANCHOR_MAX_BYTES;
        const struct mrc_bytes topic = {value, len};
        const struct mrc_literal literal = {topic, topic, true};

        memset(value, 'a', sizeof(value));
        value[0] = '1';
        value[len - 1] = '2';
        mrc_anchor_of_text(MRC_ANCHOR_TEXT, topic, &text);
        ck_assert_uint_eq(text.len, want);
        ck_assert_int_eq(text.bytes[0], '1');
        mrc_anchor_of_text(MRC_ANCHOR_TEXT_END, topic, &text);
        ck_assert_uint_eq(text.len, want);
        ck_assert_int_eq(text.bytes[0], '2');
        mrc_anchor_of_literal(MRC_ANCHOR_TEXT_END, &literal, &text);
        ck_assert_uint_eq(text.len, want);
    }
}
END_TEST

/* A topic that matches begins with the literal text of the matcher, at each of its anchors. */
START_TEST(matching_topics_begin_with_the_literal_text)
{
    struct gen gen = {.random = (uint64_t)_i + 1};
    unsigned made = 0, matched = 0;

    for (unsigned round = 0; round < 1000; round++) {
        struct mrc_matcher *matcher = gen_matcher(&gen, BASE);

        made += matcher != NULL;
        for (unsigned i = 0; matcher && i < 200; i++) {
            char value[GEN_BYTES];
            struct mrc_topic topic;

            gen_topic(&gen, value);
            if (!mrc_matcher_matches(matcher, mrc_bytes_of(value)))
                continue;
            matched++;
            mrc_topic_init(&topic, mrc_bytes_of(value), mrc_matcher_get_base(matcher));
            for (int anchor = 0; anchor < MRC_ANCHORS; anchor++) {
                struct mrc_anchor_text literal, shown;

                if (!mrc_matcher_get_anchor(matcher, (enum mrc_anchor)anchor, &literal))
                    continue;
                ck_assert_int_eq(mrc_topic_get_anchor(&topic, (enum mrc_anchor)anchor, &shown),
                                 MRC_OK);
                ck_assert_msg(mrc_bytes_starts_with(mrc_anchor_text_bytes(&shown),
                                                    mrc_anchor_text_bytes(&literal)),
                              "seed %d: %s matches %.*s, but not at anchor %d", _i + 1, value,
                              (int)mrc_matcher_get_value(matcher).len,
                              mrc_matcher_get_value(matcher).ptr, anchor);
            }
            mrc_topic_clear(&topic);
        }
        mrc_matcher_free(matcher);
    }
    ck_assert_uint_gt(made, 700);
    ck_assert_uint_gt(matched, 1000);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("anchor");
    TCase *tcase = tcase_create("anchor");

    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, literal_text_of_patterns);
    tcase_add_test(tcase, long_texts_are_cut);
    tcase_add_loop_test(tcase, matching_topics_begin_with_the_literal_text, 0, 4);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
