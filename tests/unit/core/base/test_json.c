#include <stdlib.h>

#include "core/base/json.h"
#include "core/base/json_pick.h"
#include "core/base/json_scan.h"
#include "failing_calls.h"
#include "unit.h"

static const struct mrc_json_pick inner[] = {{.name = "b"}, {.name = "type"}, {.name = NULL}};
static const struct mrc_json_pick picks[] = {{.name = "a"},
                                             {.name = "list", .members = inner},
                                             {.name = "typed", .members = inner, .type = "ours"},
                                             {.name = NULL}};

/* Fails unless TEXT is picked to the compact JSON WANT. */
static void pick(struct mrc_bytes text, const char *want)
{
    struct mrc_error error = {""};
    json_t *object = NULL;
    char *got;

    ck_assert_msg(mrc_json_pick(text, picks, &error, &object) == MRC_OK, "%.80s: %s", text.ptr,
                  error.text);
    got = json_dumps(object, JSON_COMPACT);
    ck_assert_str_eq(got, want);
    free(got);
    json_decref(object);
}

static void refuse(struct mrc_bytes text, enum mrc_err want, const char *words)
{
    struct mrc_error error = {""};
    json_t *object = NULL;
    enum mrc_err err = mrc_json_pick(text, picks, &error, &object);

    ck_assert_msg(err == want, "%.80s: %d, %s", text.ptr, err, error.text);
    ck_assert_msg(strstr(error.text, words) != NULL, "%.80s: %s, want %s", text.ptr, error.text,
                  words);
    ck_assert_ptr_null(object);
}

#define PICK(text, want)    pick(mrc_bytes_of(text), want)
#define REFUSE(text, words) refuse(mrc_bytes_of(text), MRC_EINVAL, words)

/* BEFORE, then DEPTH opening and closing brackets, then AFTER. The caller free()s it. */
static char *nest(const char *before, size_t depth, const char *after)
{
    struct mrc_buf buf;

    mrc_buf_init(&buf, SIZE_MAX);
    mrc_buf_add_str(&buf, before);
    for (size_t i = 0; i < depth; i++)
        mrc_buf_add_char(&buf, '[');
    for (size_t i = 0; i < depth; i++)
        mrc_buf_add_char(&buf, ']');
    mrc_buf_add_str(&buf, after);
    return mrc_buf_take(&buf, NULL);
}

START_TEST(members_that_are_not_used_hold_any_value)
{
    char *text;

    PICK("{\"a\":1,\"x\":\"a\\u0000b\"}", "{\"a\":1,\"x\":null}");
    PICK("{\"x\":\"\\ud83d\",\"a\":1}", "{\"x\":null,\"a\":1}");
    PICK("{\"x\":\"\\ude00\\ud83d\\u0041\"}", "{\"x\":null}");
    PICK("{\"x\":{\"y\":1,\"y\":2}}", "{\"x\":null}");
    PICK("{\"x\":1e999,\"y\":-98765432109876543210,\"a\":0}", "{\"x\":null,\"y\":null,\"a\":0}");
    PICK(" { \"x\" : [ 1 , { } , [ ] , \"]\" , true ] , \"a\" : false } ",
         "{\"x\":null,\"a\":false}");
    PICK("{}", "{}");
    /* A name that no parser can hold is left out. */
    PICK("{\"\\u0000\":1,\"a\\ud800\":2,\"\\u0000\":3,\"a\":4}", "{\"a\":4}");
    PICK("{\"\\ud83d\\ude00\":1}", "{\"\xf0\x9f\x98\x80\":null}");
    text = nest("{\"x\":", 20000, ",\"a\":1}");
    PICK(text, "{\"x\":null,\"a\":1}");
    free(text);
}
END_TEST

START_TEST(members_of_a_member_are_picked_in_objects_and_arrays)
{
    PICK("{\"list\":{\"b\":1,\"c\":\"\\u0000\"}}", "{\"list\":{\"b\":1,\"c\":null}}");
    PICK("{\"list\":[{\"c\":\"\\ud800\",\"b\":[]},\"s\",7,[{\"c\":1}]]}",
         "{\"list\":[{\"c\":null,\"b\":[]},\"s\",7,[{\"c\":1}]]}");
    PICK("{\"list\":[]}", "{\"list\":[]}");
    PICK("{\"list\":[ {} , {} ]}", "{\"list\":[{},{}]}");
    PICK("{\"list\":null}", "{\"list\":null}");
    PICK("{\"typed\":[{\"type\":\"ours\",\"b\":1},{\"b\":\"\\u0000\",\"type\":\"theirs\"}]}",
         "{\"typed\":[{\"type\":\"ours\",\"b\":1},{\"type\":\"\"}]}");
    PICK("{\"typed\":[{\"type\":\"\\u0000\",\"b\":\"\\ud800\"}]}", "{\"typed\":[{\"type\":\"\"}]}");
    PICK("{\"typed\":[{\"type\":1,\"b\":2}]}", "{\"typed\":[{\"type\":1,\"b\":2}]}");
    PICK("{\"typed\":[{\"\\u0074ype\":\"our\\u0073\",\"b\":2}]}",
         "{\"typed\":[{\"type\":\"ours\",\"b\":2}]}");
}
END_TEST

START_TEST(members_that_are_used_are_strict)
{
    char *text;

    REFUSE("{\"a\":\"a\\u0000b\"}", "not valid JSON: a NUL character");
    REFUSE("{\"\\u0061\":\"a\\u0000b\"}", "not valid JSON: a NUL character");
    REFUSE("{\"a\":[{\"x\":\"\\u0000\"}]}", "a NUL character");
    REFUSE("{\"a\":{\"\\u0000\":1}}", "a NUL character");
    REFUSE("{\"a\":\"\\ud83d\"}", "not valid JSON: half of a surrogate pair");
    REFUSE("{\"a\":\"\\ude00\\ud83d\"}", "half of a surrogate pair");
    REFUSE("{\"list\":[{\"b\":\"\\u0000\"}]}", "a NUL character");
    REFUSE("{\"list\":\"\\u0000\"}", "a NUL character");
    REFUSE("{\"typed\":[{\"type\":\"ours\",\"b\":\"\\u0000\"}]}", "a NUL character");
    REFUSE("{\"typed\":[{\"type\":\"x\",\"type\":\"ours\",\"b\":\"\\u0000\"}]}",
           "a duplicate member");
    REFUSE("{\"typed\":[{\"type\":\"ours\",\"type\":\"x\",\"b\":\"\\u0000\"}]}",
           "a duplicate member");
    REFUSE("{\"typed\":[{\"type\":\"x\",\"type\":\"y\"}]}", "a duplicate member");
    REFUSE("{\"a\":1,\"a\":2}", "not valid JSON: a duplicate member");
    REFUSE("{\"a\":1,\"\\u0061\":2}", "a duplicate member");
    REFUSE("{\"x\":1,\"\\u0078\":2}", "a duplicate member");
    REFUSE("{\"list\":{\"b\":1,\"b\":2}}", "a duplicate member");
    text = nest("{\"a\":", 31, "}");
    pick(mrc_bytes_of(text), text);
    free(text);
    text = nest("{\"a\":", 32, "}");
    refuse(mrc_bytes_of(text), MRC_ELIMIT, "JSON with more than 32 levels");
    free(text);
}
END_TEST

START_TEST(the_whole_text_must_be_json)
{
    static const char *const syntax[] = {
        "{a:1}",
        "{\"x\":1,}",
        "{\"x\"}",
        "{\"x\":}",
        "{,}",
        "{\"x\":01}",
        "{\"x\":1.}",
        "{\"x\":.5}",
        "{\"x\":+1}",
        "{\"x\":-}",
        "{\"x\":1e}",
        "{\"x\":nul}",
        "{\"x\":True}",
        "{\"x\":'a'}",
        "{\"x\":[1,]}",
        "{\"x\":[,]}",
        "{\"x\":[1 2]}",
        "{\"x\":{\"y\"}}",
        "{\"x\":{1:2}}",
        "{\"x\":[}",
        "{\"x\":[1}",
        "{\"x\":{]}",
        "{\"x\":{\"y\":1]}",
        "{\"x\" 1}",
        "{\"x\":\"\\x\"}",
        "{\"x\":\"\\u12\"}",
        "{\"x\":\"\\u12g4\"}",
        "{\"x\":\"\n\"}",
        "{\"x\":\"\t\"}",
        "{\"x\":1 \"y\":2}",
        "\"a\"",
        "1",
        "null",
        "x",
        "{\"x\":[]]}",
        "{\"list\":[{\"c\":}]}",
        "{\"list\":[{},]}",
        "{\"list\":[{}}",
        "{\"list\":{\"b\":1]}",
        "{\"x\":NaN}",
        "{\"x\":1,\"a\":2;}",
        "{\"x\":0x1}",
        "{\"x\":--1}",
        "{\"x\":\"\\U0041\"}",
        "\xc2\xa0{}",
    };
    static const char *const ends[] = {
        "",
        "  ",
        "{",
        "{\"x",
        "{\"x\"",
        "{\"x\":",
        "{\"x\":[",
        "{\"x\":[1",
        "{\"x\":{\"y\":",
        "{\"x\":1",
        "{\"x\":1,",
        "{\"x\":\"a",
        "{\"list\":[{",
        "{\"list\":[",
    };
    char *text;

    for (size_t i = 0; i < sizeof(syntax) / sizeof(syntax[0]); i++)
        REFUSE(syntax[i], "not valid JSON: a syntax error at byte ");
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
        REFUSE(ends[i], "not valid JSON: an unexpected end at byte ");
    REFUSE("{\"x\":\"\\", "not valid JSON: ");
    REFUSE("{\"x\":\"\\u00", "not valid JSON: ");
    REFUSE("{\"x\":1}}", "not valid JSON: text after the value at byte 7");
    REFUSE("{} {}", "text after the value at byte 3");
    refuse((struct mrc_bytes){"{}\0", 3}, MRC_EINVAL, "text after the value at byte 2");
    refuse((struct mrc_bytes){"{\"x\":\"\0\"}", 9}, MRC_EINVAL, "a syntax error at byte 6");
    REFUSE("[]", "JSON, but not an object");
    REFUSE("{\"x\":\"\xc0\x80\"}", "not valid JSON: invalid UTF-8");
    REFUSE("{\"x\":\"\xed\xa0\x80\"}", "not valid JSON: invalid UTF-8");
    REFUSE("\xef\xbb\xbf{}", "a syntax error at byte 0");
    text = nest("{\"x\":", 20000, "]}");
    REFUSE(text, "a syntax error at byte 40005");
    free(text);
}
END_TEST

/* Both parsers agree on texts made of pieces of JSON. */
START_TEST(agrees_with_the_parser)
{
    static const char *const pieces[] = {
        "{",           "}",  "[",       "]",        ",",    ":",    "\"a\"", "\"x\"",
        "\"\\u0041\"", "1",  "-0.5e-7", "01",       "true", "null", " ",     "\"\\n\"",
        "\"",          "\\", "{\"x\":", "\"y\":1}", "1.0",  "e",    "fals",  "\xc3\xa9",
    };
    struct mrc_buf text;
    uint32_t state = 1;
    size_t valid = 0;

    mrc_buf_init(&text, 256);
    for (int round = 0; round < 200000; round++) {
        struct mrc_json_scan scan;
        struct mrc_bytes value;
        json_t *parsed;
        bool scanned;

        mrc_buf_reset(&text);
        mrc_buf_add_str(&text, "{\"x\":");
        for (int count = 1 + round % 9; count; count--) {
            state = state * 1664525 + 1013904223;
            mrc_buf_add_str(&text, pieces[(state >> 16) % (sizeof(pieces) / sizeof(pieces[0]))]);
        }
        mrc_buf_add_str(&text, round % 2 ? "}" : "");
        mrc_json_scan_begin(mrc_buf_bytes(&text), NULL, &scan);
        scanned = mrc_json_scan_value(&scan, &value) == MRC_OK && !mrc_json_scan_peek(&scan);
        mrc_json_scan_end(&scan);
        parsed = json_loadb(text.ptr, text.len, JSON_DECODE_ANY, NULL);
        ck_assert_msg(scanned == (parsed != NULL), "%.*s: %d", (int)text.len, text.ptr, scanned);
        valid += scanned;
        json_decref(parsed);
    }
    mrc_buf_free(&text);
    ck_assert_uint_gt(valid, 1000);
}
END_TEST

/* The parser would accept some of these. */
START_TEST(nul_bytes_are_refused)
{
    static const char *const texts[] = {
        "{\"a\":true#,\"b\":1}", "{\"a\":1#}", "[null#]", "{}#", "#{}", "{\"a#\":1}"};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct mrc_error error = {""};
        json_t *value = NULL;
        char text[32];
        size_t len = strlen(texts[i]);

        memcpy(text, texts[i], len);
        *(char *)memchr(text, '#', len) = '\0';
        ck_assert_msg(mrc_json_parse((struct mrc_bytes){text, len}, &error, &value) == MRC_EINVAL,
                      "%s", texts[i]);
        ck_assert_msg(error.text[0], "%s", texts[i]);
        ck_assert_ptr_null(value);
    }
}
END_TEST

/* What the parser refuses for another reason is not taken for a lack of memory. */
START_TEST(refused_texts_are_no_lack_of_memory)
{
    static const char *const pieces[] = {
        "{\"x\":", "\"a\"",       "}",           "[",           "]",    ",",    ":",  "1",
        "1e999",   "\"\\ud83d\"", "\"\\u0000\"", "\"\xff\"",    "\x01", "{},",  "\"", "\xef",
        "-0",      "[1,2]",       "{\"\":{}}",   "\"\\udc00\"", "\\",   "01",   " ",  "\"\x01\"",
        "\"y\":1", "null",        "{\"y\":1}",   "\"\\u0041\"", "tru",  "true", "{",  "\xc3\xa9",
    };
    size_t refused = 0, objects = 0;
    struct mrc_buf text;
    uint32_t state = 1;

    mrc_buf_init(&text, 256);
    for (int round = 0; round < 100000; round++) {
        enum mrc_err err;
        json_t *parsed;

        mrc_buf_reset(&text);
        for (int count = 1 + round % 5; count; count--) {
            state = state * 1664525 + 1013904223;
            mrc_buf_add_str(&text, pieces[(state >> 16) % (sizeof(pieces) / sizeof(pieces[0]))]);
        }
        err = mrc_json_parse(mrc_buf_bytes(&text), NULL, &parsed);
        ck_assert_msg(err == MRC_OK || err == MRC_EINVAL, "%.*s", (int)text.len, text.ptr);
        if (!err)
            json_decref(parsed);
        refused += err != MRC_OK;
        err = mrc_json_parse_object(mrc_buf_bytes(&text), NULL, &parsed);
        ck_assert_msg(err == MRC_OK || err == MRC_EINVAL, "%.*s", (int)text.len, text.ptr);
        if (!err)
            json_decref(parsed);
        objects += err == MRC_OK;
    }
    mrc_buf_free(&text);
    ck_assert_uint_gt(refused, 1000);
    ck_assert_uint_gt(objects, 1000);
}
END_TEST

/* Strings, names and numbers for which the parser needs more memory than it begins with. */
#define LONG_TEXTS                                                                                 \
    "{\"a name of more than sixteen "                                                              \
    "characters\":\"https://example.com/a/topic/of/many/characters\","                             \
    "\"b\":[1767225600123456789,-1234567890.12345678901234,123456789012345678901234567890,1e999,"  \
    "\"with \\\"escapes\\\", \\u00e9 and \\ud83d\\ude00, and a "                                   \
    "line\\n\",true,null,0,-0,1.5,\"\"]}"

static json_t *want;

static bool parse_long_texts(void)
{
    json_t *got = NULL;
    enum mrc_err err = mrc_json_parse(mrc_bytes_of(LONG_TEXTS), NULL, &got);
    long left = fail_later();

    ck_assert_int_eq(err, got ? MRC_OK : MRC_ENOMEM);
    ck_assert(!got || json_equal(got, want));
    json_decref(got);
    fail_again(left);
    return got != NULL;
}

static bool pick_long_texts(void)
{
    static const struct mrc_json_pick all[] = {
        {.name = "a name of more than sixteen characters"}, {.name = "b"}, {.name = NULL}};
    json_t *got = NULL;
    enum mrc_err err = mrc_json_pick(mrc_bytes_of(LONG_TEXTS), all, NULL, &got);
    long left = fail_later();

    ck_assert_int_eq(err, got ? MRC_OK : MRC_ENOMEM);
    ck_assert(!got || json_equal(got, want));
    json_decref(got);
    fail_again(left);
    return got != NULL;
}

START_TEST(no_character_is_missing_without_memory)
{
    json_set_alloc_funcs(malloc, free); /* the program's own functions */
    ck_assert_int_eq(mrc_json_parse(mrc_bytes_of(LONG_TEXTS), NULL, &want), MRC_OK);
    fail_in_turn("parse", parse_long_texts, 30);
    fail_in_turn("pick", pick_long_texts, 30);
    json_decref(want);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("json");
    TCase *tcase = tcase_create("json");

    tcase_add_test(tcase, members_that_are_not_used_hold_any_value);
    tcase_add_test(tcase, members_of_a_member_are_picked_in_objects_and_arrays);
    tcase_add_test(tcase, members_that_are_used_are_strict);
    tcase_add_test(tcase, the_whole_text_must_be_json);
    tcase_add_test(tcase, agrees_with_the_parser);
    tcase_add_test(tcase, nul_bytes_are_refused);
    tcase_add_test(tcase, refused_texts_are_no_lack_of_memory);
    tcase_add_test(tcase, no_character_is_missing_without_memory);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
