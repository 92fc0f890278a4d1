#include "core/base/buf.h"
#include "core/protocol/form.h"
#include "core/protocol/sse.h"
#include "core/protocol/update.h"
#include "unit.h"

#include <stdlib.h>

static const struct mrc_update_limits roomy = {
    .topics_max = 1000, .field_max_bytes = 1 << 20, .id_max_bytes = MRC_UPDATE_ID_MAX_BYTES};

/* Parses BODY under LIMITS. The caller frees the form. */
static enum mrc_err parse(const char *body, const struct mrc_update_limits *limits,
                          struct mrc_error *error, struct mrc_form **ret_form,
                          struct mrc_update *ret_update)
{
    ck_assert_int_eq(mrc_form_parse(mrc_bytes_of(body), 10000, NULL, ret_form), MRC_OK);
    return mrc_update_parse(*ret_form, limits, error, ret_update);
}

static void check_refused(const char *body, const struct mrc_update_limits *limits,
                          enum mrc_err want, const char *word)
{
    struct mrc_update update = {.topics_count = 77};
    struct mrc_error error = {""};
    struct mrc_form *form;

    ck_assert_msg(parse(body, limits, &error, &form, &update) == want, "%s", body);
    ck_assert_msg(strstr(error.text, word), "%s: \"%s\" does not say %s", body, error.text, word);
    ck_assert_uint_eq(update.topics_count, 77); /* untouched on failure */
    mrc_form_free(form);
}

START_TEST(reads_every_field)
{
    struct mrc_update update;
    struct mrc_form *form;

    ck_assert_int_eq(parse("topic=a&data=x%0Ay&private&id=i1&type=t&retry=15&topic=b&foo=bar",
                           &roomy, NULL, &form, &update),
                     MRC_OK);
    ck_assert_uint_eq(update.topics_count, 2);
    ck_assert_bytes_eq(update.topics[0], "a");
    ck_assert_bytes_eq(update.topics[1], "b");
    ck_assert_bytes_eq(update.data, "x\ny");
    ck_assert_bytes_eq(update.id, "i1");
    ck_assert_bytes_eq(update.type, "t");
    ck_assert_bytes_eq(update.retry, "15");
    ck_assert(update.is_private);
    ck_assert_uint_eq(mrc_update_stored_bytes(&update), 1 + 1 + 3 + 2 + 1);
    mrc_update_clear(&update);
    mrc_form_free(form);
}
END_TEST

START_TEST(first_of_a_single_field_counts)
{
    struct mrc_update update;
    struct mrc_form *form;

    ck_assert_int_eq(parse("topic=a&data=1&data=2&id=&id=x", &roomy, NULL, &form, &update), MRC_OK);
    ck_assert_bytes_eq(update.data, "1");
    ck_assert_ptr_null(update.id.ptr); /* an empty id counts as missing */
    ck_assert(!update.is_private);
    mrc_update_clear(&update);
    mrc_form_free(form);
}
END_TEST

static const struct {
    const char *body, *word;
} refused[] = {
    {"data=x", "topic"},
    {"", "topic"},
    {"topic=*", "wildcard"},
    {"topic=a&topic=*", "wildcard"},
    {"topic=a%0Ab", "topic"},
    {"topic=a%C2%85b", "topic"},       /* C1 */
    {"topic=a%7Fb", "topic"},          /* DEL */
    {"topic=a%E2%80%8Bb", "topic"},    /* zero width space, Cf */
    {"topic=a%F3%A0%80%A0b", "topic"}, /* tag space, Cf past the BMP */
    {"topic=%FF", "topic"},
    {"topic=a&data=%C0%80", "data"},
    {"topic=a&id=%23x", "#"},
    {"topic=a&id=earliest", "earliest"},
    {"topic=a&id=a%0Db", "id"},
    {"topic=a&id=a%E2%80%AEb", "id"}, /* right-to-left override */
    {"topic=a&id=%EF%BB%BFa", "id"},  /* byte order mark */
    {"topic=a&id=a%00", "id"},
    {"topic=a&id=a+", "space"},
    {"topic=a&id=%20a", "space"},
    {"topic=a&id=+", "space"},
    {"topic=a&id=a%09", "tab"},
    {"topic=a&id=%09a", "tab"},
    {"topic=a&id=a%09b", "U+0009"},
    {"topic=a&id=+earliest", "space"},
    {"topic=a&type=a%00b", "type"},
    {"topic=a&type=mercure", "mercure"},
    {"topic=a&type=a%0Aid:%20x", "type"},
    {"topic=a&retry=1s", "retry"},
    {"topic=a&retry=-1", "retry"},
    {"topic=a&retry=%D9%A1", "retry"}, /* a digit that is not ASCII */
    {"topic=a&retry=", "retry"},
    {"topic=a&private=%FF", "private"},
};

START_TEST(refuses_invalid_fields)
{
    check_refused(refused[_i].body, &roomy, MRC_EINVAL, refused[_i].word);
}
END_TEST

/* An id may hold everything that a field of a request can hold. */
START_TEST(keeps_other_ids)
{
    static const char *const ids[] = {"a b",      "a  b",         "a,b",         "\"a\"",
                                      "a:b",      "%20",          "a#",          "Earliest",
                                      "\xc3\xa9", "\xe2\x82\xac", "\xe2\x80\xa8"};

    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        struct mrc_update update;
        struct mrc_form *form;
        struct mrc_buf body;
        char *text;

        mrc_buf_init(&body, 1000);
        mrc_buf_add_str(&body, "topic=a&id=");
        for (const char *c = ids[i]; *c; c++)
            mrc_buf_printf(&body, "%%%02X", (unsigned char)*c);
        text = mrc_buf_take(&body, NULL);
        ck_assert_msg(parse(text, &roomy, NULL, &form, &update) == MRC_OK, "%s", text);
        ck_assert_bytes_eq(update.id, ids[i]);
        mrc_update_clear(&update);
        mrc_form_free(form);
        free(text);
    }
}
END_TEST

START_TEST(limits_the_length_of_ids)
{
    const struct mrc_update_limits tight = {
        .topics_max = 1, .field_max_bytes = 100, .id_max_bytes = 4};
    struct mrc_update update;
    struct mrc_form *form;

    ck_assert_int_eq(parse("topic=a&data=12345&id=1234", &tight, NULL, &form, &update), MRC_OK);
    mrc_update_clear(&update);
    mrc_form_free(form);
    check_refused("topic=a&id=12345", &tight, MRC_ELIMIT, "4 bytes");
    check_refused("topic=a&id=%C3%A912+", &tight, MRC_ELIMIT, "4 bytes");
}
END_TEST

/* What an older version has stored can be imported. The other rules have always applied. */
START_TEST(imports_ids_that_older_versions_have_accepted)
{
    struct mrc_update_limits limits = roomy;
    struct mrc_update update;
    struct mrc_form *form;

    limits.is_import = true;
    ck_assert_int_eq(parse("topic=a&id=+a+", &limits, NULL, &form, &update), MRC_OK);
    ck_assert_bytes_eq(update.id, " a ");
    mrc_update_clear(&update);
    mrc_form_free(form);
    check_refused("topic=a&id=%23a", &limits, MRC_EINVAL, "#");
    check_refused("topic=a&id=a%0A", &limits, MRC_EINVAL, "id");
}
END_TEST

START_TEST(refuses_publications_past_the_limits)
{
    const struct mrc_update_limits tight = {
        .topics_max = 2, .field_max_bytes = 3, .id_max_bytes = 100};
    struct mrc_update update;
    struct mrc_form *form;

    ck_assert_int_eq(
        parse("topic=abc&topic=b&data=123&unknown=12345", &tight, NULL, &form, &update), MRC_OK);
    mrc_update_clear(&update);
    mrc_form_free(form);
    check_refused("topic=a&topic=b&topic=c", &tight, MRC_ELIMIT, "2 topics");
    check_refused("topic=abcd", &tight, MRC_ELIMIT, "topic");
    check_refused("topic=a&data=1234", &tight, MRC_ELIMIT, "data");
    check_refused("topic=a&id=1234", &tight, MRC_ELIMIT, "id");
    check_refused("topic=a&type=1234", &tight, MRC_ELIMIT, "type");
    check_refused("topic=a&retry=1234", &tight, MRC_ELIMIT, "retry");
    check_refused("topic=a&private=1234", &tight, MRC_ELIMIT, "private");
}
END_TEST

START_TEST(records_decode_to_the_same_update)
{
    struct mrc_update update, back;
    struct mrc_form *form;
    struct mrc_buf buf;

    ck_assert_int_eq(parse("topic=a&topic=%C3%A9&data=x%00y&private=&type=t&retry=9", &roomy, NULL,
                           &form, &update),
                     MRC_OK);
    mrc_buf_init(&buf, 1000);
    mrc_update_encode(&update, &buf);
    ck_assert_int_eq(mrc_buf_error(&buf), MRC_OK);
    ck_assert_int_eq(mrc_update_decode(mrc_bytes_of("the-id"), mrc_buf_bytes(&buf), &back), MRC_OK);
    ck_assert_uint_eq(back.topics_count, 2);
    ck_assert_bytes_eq(back.topics[1], "\xc3\xa9");
    ck_assert_uint_eq(back.data.len, 3);
    ck_assert_bytes_eq(back.id, "the-id");
    ck_assert_bytes_eq(back.type, "t");
    ck_assert_bytes_eq(back.retry, "9");
    ck_assert(back.is_private);
    mrc_update_clear(&back);
    mrc_update_clear(&update);
    mrc_form_free(form);
    mrc_buf_free(&buf);
}
END_TEST

/* Every shorter record is refused and not read past its end: the copies have the exact size. */
START_TEST(refuses_truncated_records)
{
    struct mrc_update update, back;
    struct mrc_form *form;
    struct mrc_buf buf;

    ck_assert_int_eq(parse("topic=a&topic=bb&data=xyz&type=t", &roomy, NULL, &form, &update),
                     MRC_OK);
    mrc_buf_init(&buf, 1000);
    mrc_update_encode(&update, &buf);
    for (size_t len = 0; len < buf.len; len++) {
        char *copy = malloc(len ? len : 1);

        memcpy(copy, buf.ptr, len);
        ck_assert_int_eq(mrc_update_decode(mrc_bytes_of("i"), (struct mrc_bytes){copy, len}, &back),
                         MRC_EINVAL);
        free(copy);
    }
    mrc_update_clear(&update);
    mrc_form_free(form);
    mrc_buf_free(&buf);
}
END_TEST

/* Decodes topics from the shortest possible record, and no more topics than the caller allows. */
START_TEST(decodes_topics_alone)
{
    struct mrc_bytes topics[2];
    struct mrc_update update;
    struct mrc_form *form;
    struct mrc_buf buf;
    size_t count = 0, needed;

    ck_assert_int_eq(parse("topic=a&topic=bb&data=xyz&type=t", &roomy, NULL, &form, &update),
                     MRC_OK);
    mrc_buf_init(&buf, 1000);
    mrc_update_encode(&update, &buf);
    ck_assert_int_eq(mrc_update_peek_topics(mrc_buf_bytes(&buf), topics, 1, &count), MRC_ELIMIT);
    ck_assert_uint_eq(count, 0);
    ck_assert_int_eq(mrc_update_peek_topics(mrc_buf_bytes(&buf), topics, 2, &count), MRC_OK);
    ck_assert_uint_eq(count, 2);
    ck_assert_bytes_eq(topics[0], "a");
    ck_assert_bytes_eq(topics[1], "bb");
    needed = (size_t)(topics[1].ptr + topics[1].len - mrc_buf_bytes(&buf).ptr);
    ck_assert_uint_lt(needed, buf.len);
    for (size_t len = 0; len < buf.len; len++) {
        char *copy = malloc(len ? len : 1);

        memcpy(copy, buf.ptr, len);
        ck_assert_int_eq(mrc_update_peek_topics((struct mrc_bytes){copy, len}, topics, 2, &count),
                         len < needed ? MRC_EINVAL : MRC_OK);
        free(copy);
    }
    mrc_update_clear(&update);
    mrc_form_free(form);
    mrc_buf_free(&buf);
}
END_TEST

START_TEST(ids_are_uuids_of_version_4)
{
    unsigned char random[16];
    char id[MRC_UPDATE_ID_BYTES];

    memset(random, 0xff, sizeof(random));
    mrc_update_id_make(random, id);
    ck_assert_str_eq(id, "urn:uuid:ffffffff-ffff-4fff-bfff-ffffffffffff");
    memset(random, 0, sizeof(random));
    mrc_update_id_make(random, id);
    ck_assert_str_eq(id, "urn:uuid:00000000-0000-4000-8000-000000000000");
}
END_TEST

static const struct {
    const char *data, *want;
} events[] = {
    {"", "id: i\ndata: \n\n"},
    {"x", "id: i\ndata: x\n\n"},
    {" x", "id: i\ndata:  x\n\n"},
    {"a\nb", "id: i\ndata: a\ndata: b\n\n"},
    {"a\r\nb", "id: i\ndata: a\ndata: b\n\n"},
    {"a\rb", "id: i\ndata: a\ndata: b\n\n"},
    {"a\n\nb", "id: i\ndata: a\ndata: \ndata: b\n\n"},
    {"a\n\rb", "id: i\ndata: a\ndata: \ndata: b\n\n"},
    {"a\n", "id: i\ndata: a\ndata: \n\n"},
    {"\r\n", "id: i\ndata: \ndata: \n\n"},
    {"a\nid: forged\nevent: x", "id: i\ndata: a\ndata: id: forged\ndata: event: x\n\n"},
};

START_TEST(each_line_of_data_is_a_field)
{
    struct mrc_bytes topic = mrc_bytes_of("a");
    struct mrc_update update = {.topics = &topic, .topics_count = 1, .id = mrc_bytes_of("i")};
    struct mrc_buf buf;

    update.data = mrc_bytes_of(events[_i].data);
    mrc_buf_init(&buf, 1000);
    mrc_sse_add_event(&buf, &update);
    ck_assert_bytes_eq(mrc_buf_bytes(&buf), events[_i].want);
    mrc_buf_free(&buf);
}
END_TEST

START_TEST(type_and_retry_are_fields)
{
    struct mrc_bytes topic = mrc_bytes_of("a");
    struct mrc_update update = {
        .topics = &topic,
        .topics_count = 1,
        .id = mrc_bytes_of("i"),
        .type = mrc_bytes_of("t"),
        .retry = mrc_bytes_of("007"),
        .data = mrc_bytes_of("x"),
    };
    struct mrc_buf buf;

    mrc_buf_init(&buf, 1000);
    mrc_sse_add_event(&buf, &update);
    mrc_sse_add_comment(&buf);
    mrc_sse_add_retry(&buf, 42);
    mrc_sse_add_id(&buf, mrc_bytes_of("#p"));
    mrc_sse_add_id_event(&buf, mrc_bytes_of("#q"));
    ck_assert_bytes_eq(mrc_buf_bytes(&buf),
                       "event: t\nretry: 007\nid: i\ndata: x\n\n:\nretry: 42\n\n"
                       "id: #p\n\nevent: mercure-position\nid: #q\ndata: \n\n");
    mrc_buf_free(&buf);
}
END_TEST

static const struct {
    const char *retry, *want;
} retries[] = {
    {"0", "0"},
    {"00", "00"},
    {"2147483647", "2147483647"},
    {"0002147483647", "0002147483647"},
    {"2147483648", "2147483647"},
    {"0002147483648", "2147483647"},
    {"9999999999", "2147483647"},
    {"10000000000", "2147483647"},
    {"18446744073709551616", "2147483647"},
};

/* A delay that a timer of JavaScript cannot hold would make clients reconnect at once. */
START_TEST(retry_is_bounded)
{
    struct mrc_bytes topic = mrc_bytes_of("a");
    struct mrc_update update = {.topics = &topic, .topics_count = 1, .id = mrc_bytes_of("i")};
    struct mrc_buf buf;
    char want[100];

    update.retry = mrc_bytes_of(retries[_i].retry);
    mrc_buf_init(&buf, 1000);
    mrc_sse_add_event(&buf, &update);
    snprintf(want, sizeof(want), "retry: %s\nid: i\ndata: \n\n", retries[_i].want);
    ck_assert_bytes_eq(mrc_buf_bytes(&buf), want);
    mrc_buf_free(&buf);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("update");
    TCase *tcase = tcase_create("update");
    TCase *sse = tcase_create("sse");

    tcase_add_test(tcase, reads_every_field);
    tcase_add_test(tcase, first_of_a_single_field_counts);
    tcase_add_loop_test(tcase, refuses_invalid_fields, 0, sizeof(refused) / sizeof(refused[0]));
    tcase_add_test(tcase, keeps_other_ids);
    tcase_add_test(tcase, limits_the_length_of_ids);
    tcase_add_test(tcase, imports_ids_that_older_versions_have_accepted);
    tcase_add_test(tcase, refuses_publications_past_the_limits);
    tcase_add_test(tcase, records_decode_to_the_same_update);
    tcase_add_test(tcase, refuses_truncated_records);
    tcase_add_test(tcase, decodes_topics_alone);
    tcase_add_test(tcase, ids_are_uuids_of_version_4);
    tcase_add_loop_test(sse, each_line_of_data_is_a_field, 0, sizeof(events) / sizeof(events[0]));
    tcase_add_test(sse, type_and_retry_are_fields);
    tcase_add_loop_test(sse, retry_is_bounded, 0, sizeof(retries) / sizeof(retries[0]));
    suite_add_tcase(suite, tcase);
    suite_add_tcase(suite, sse);
    return unit_run(suite);
}
