#include "core/protocol/subscription_doc.h"

#include "core/base/buf.h"
#include "core/base/json.h"
#include "unit.h"

#define HUB  "/.well-known/mercure"
#define UUID "urn:uuid:bb3de268-05b0-4c65-b44e-8f9acefc29d6"

static struct mrc_subscription_ref ref(unsigned variables, const char *type, const char *match,
                                       const char *subscriber)
{
    return (struct mrc_subscription_ref){
        .variables = variables,
        .match_type = mrc_bytes_of(type),
        .match = mrc_bytes_of(match),
        .subscriber = mrc_bytes_of(subscriber),
    };
}

static void check_text(struct mrc_buf *buf, const char *want)
{
    ck_assert_int_eq(mrc_buf_error(buf), MRC_OK);
    ck_assert_bytes_eq(mrc_buf_bytes(buf), want);
    mrc_buf_free(buf);
}

/* ---- URLs -------------------------------------------------------------------------------------*/

/* The draft, "Subscription Events": URLs are percent-encoded exactly once, as in RFC 6570. */
START_TEST(urls)
{
    static const struct {
        unsigned variables;
        const char *match, *want;
    } rows[] = {
        {0, "", HUB "/subscriptions"},
        {2, "https://example.com/:selector",
         HUB "/subscriptions/urlpattern/https%3A%2F%2Fexample.com%2F%3Aselector"},
        {3, "a",
         HUB "/subscriptions/urlpattern/a/urn%3Auuid%3Abb3de268-05b0-4c65-b44e-8f9acefc29d6"},
        {2, "a%2Fb%25", HUB "/subscriptions/urlpattern/a%252Fb%2525"},
        {2, "AZaz09-._~", HUB "/subscriptions/urlpattern/AZaz09-._~"},
        {2, "!\"#$&'()*+,/:;<=>?@[\\]^`{|} ",
         HUB
         "/subscriptions/urlpattern/"
         "%21%22%23%24%26%27%28%29%2A%2B%2C%2F%3A%3B%3C%3D%3E%3F%40%5B%5C%5D%5E%60%7B%7C%7D%20"},
        {2, "\xc3\xa9", HUB "/subscriptions/urlpattern/%C3%A9"},
        {2, "", HUB "/subscriptions/urlpattern/"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct mrc_subscription_ref one = ref(rows[i].variables, "urlpattern", rows[i].match, UUID);
        struct mrc_subscription_ref back;
        char scratch[256];
        struct mrc_buf buf;

        mrc_buf_init(&buf, SIZE_MAX);
        mrc_subscription_doc_add_url(&buf, HUB, &one);
        ck_assert_bytes_eq(mrc_buf_bytes(&buf), rows[i].want);
        ck_assert(mrc_subscription_doc_parse(mrc_bytes_of(rows[i].want + strlen(HUB)), false,
                                             scratch, &back));
        ck_assert_uint_eq(back.variables, rows[i].variables);
        if (rows[i].variables > 0)
            ck_assert_bytes_eq(back.match, rows[i].match);
        if (rows[i].variables > 2)
            ck_assert_bytes_eq(back.subscriber, UUID);
        mrc_buf_free(&buf);
    }
}
END_TEST

START_TEST(refuses_other_urls)
{
    static const char *const rows[] = {
        "",
        "/",
        "/subscription",
        "/subscriptionsx",
        "/subscriptions/",
        "/subscriptions/exact",
        "/subscriptions/exact/a/b/c",
        "/subscriptions/exact/a/b/",
        "/Subscriptions",
        "/sub%73criptions",
        "subscriptions",
    };
    struct mrc_subscription_ref found;
    char scratch[64];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        ck_assert_msg(!mrc_subscription_doc_parse(mrc_bytes_of(rows[i]), false, scratch, &found),
                      "%s", rows[i]);
}
END_TEST

/* ---- documents --------------------------------------------------------------------------------*/

START_TEST(a_document)
{
    struct mrc_subscription_doc doc = {
        .ref = ref(3, "exact", "a\"b\\c\x01\xc3\xa9", "urn:x"),
        .active = true,
    };
    struct mrc_buf buf;

    mrc_buf_init(&buf, SIZE_MAX);
    mrc_subscription_doc_add(&buf, "/h", &doc);
    check_text(&buf,
               "{\"id\":\"/h/subscriptions/exact/a%22b%5Cc%01%C3%A9/urn%3Ax\",\"type\":"
               "\"subscription\",\"match_type\":\"exact\",\"match\":\"a\\\"b\\\\c\\u0001\xc3\xa9\","
               "\"subscriber\":\"urn:x\",\"active\":true}");
    doc.ref = ref(3, "urlpattern", "*", "urn:x");
    doc.active = false;
    doc.payload = mrc_bytes_of("{\"a\":[1,null]}");
    mrc_subscription_doc_add(&buf, "", &doc);
    check_text(&buf, "{\"id\":\"/subscriptions/urlpattern/%2A/urn%3Ax\",\"type\":\"subscription\","
                     "\"match_type\":\"urlpattern\",\"match\":\"*\",\"subscriber\":\"urn:x\","
                     "\"active\":false,\"payload\":{\"a\":[1,null]}}");
}
END_TEST

START_TEST(a_list)
{
    struct mrc_subscription_doc doc = {.ref = ref(3, "exact", "a", "b"), .active = true};
    struct mrc_subscription_ref all = ref(0, "", "", "");
    json_t *list;
    struct mrc_error error = {""};
    struct mrc_buf buf;

    mrc_buf_init(&buf, SIZE_MAX);
    mrc_subscription_doc_begin_list(&buf, "/h", &all, mrc_bytes_of("id"));
    mrc_subscription_doc_add(&buf, "/h", &doc);
    mrc_buf_add_char(&buf, ',');
    mrc_subscription_doc_add(&buf, "/h", &doc);
    mrc_subscription_doc_end_list(&buf);
    ck_assert_msg(mrc_json_parse_object(mrc_buf_bytes(&buf), &error, &list) == MRC_OK, "%s",
                  error.text);
    ck_assert_str_eq(json_string_value(json_object_get(list, "id")), "/h/subscriptions");
    ck_assert_str_eq(json_string_value(json_object_get(list, "type")), "subscriptions");
    ck_assert_uint_eq(json_array_size(json_object_get(list, "subscriptions")), 2);
    ck_assert_uint_eq(json_object_size(list), 3);
    json_decref(list);
    mrc_buf_free(&buf);
}
END_TEST

/*
 * The document of an active subscription becomes the one that says that the subscription has ended.
 */
START_TEST(documents_of_ended_subscriptions)
{
    static const char odd[] = "a\",\"active\":true,\"b\\";
    struct mrc_buf active, ended, made;

    for (unsigned is_legacy = 0; is_legacy < 2; is_legacy++) {
        struct mrc_subscription_doc doc = {
            .ref = ref(3, "exact", odd, odd),
            .payload = mrc_bytes_of("{\"active\":true,\"x\":[{\"y\":1,\"active\":true}]}"),
            .active = true,
        };

        doc.ref.is_legacy = is_legacy;
        mrc_buf_init(&active, SIZE_MAX);
        mrc_buf_init(&ended, SIZE_MAX);
        mrc_buf_init(&made, SIZE_MAX);
        mrc_subscription_doc_add(&active, "/h\"", &doc);
        doc.active = false;
        mrc_subscription_doc_add(&ended, "/h\"", &doc);
        ck_assert(mrc_subscription_doc_add_ended(&made, mrc_buf_bytes(&active)));
        ck_assert(mrc_bytes_eq(mrc_buf_bytes(&made), mrc_buf_bytes(&ended)));
        ck_assert(!mrc_subscription_doc_add_ended(&made, mrc_bytes_of("{\"active\":true}")));
        ck_assert(!mrc_subscription_doc_add_ended(&made, (struct mrc_bytes){NULL, 0}));
        ck_assert(mrc_bytes_eq(mrc_buf_bytes(&made), mrc_buf_bytes(&ended)));
        mrc_buf_free(&active);
        mrc_buf_free(&ended);
        mrc_buf_free(&made);
    }
}
END_TEST

/* Text that does not fit marks the buffer as failed, at any position. */
START_TEST(full_buffers_fail)
{
    struct mrc_subscription_doc doc = {.ref = ref(3, "exact", "a", "b"), .active = true};

    for (size_t max = 0; max < 120; max++) {
        struct mrc_buf buf;

        mrc_buf_init(&buf, max);
        mrc_subscription_doc_add(&buf, "/h", &doc);
        ck_assert_int_eq(mrc_buf_error(&buf), MRC_ELIMIT);
        mrc_buf_free(&buf);
    }
}
END_TEST

START_TEST(ids_in_fields)
{
    struct mrc_buf buf;

    mrc_buf_init(&buf, SIZE_MAX);
    mrc_subscription_doc_add_quoted(&buf, mrc_bytes_of("a \"b\" 50%\\\xc3\xa9"));
    check_text(&buf, "\"a \\\"b\\\" 50%\\\\\xc3\xa9\"");
}
END_TEST

/* ---- protocol 0.x -----------------------------------------------------------------------------*/

START_TEST(legacy_urls)
{
    static const struct {
        unsigned variables;
        const char *match, *subscriber, *want;
    } rows[] = {
        {0, "", "", "/h/subscriptions"},
        {2, "https://example.com/{id}", "",
         "/h/subscriptions/https%3A%2F%2Fexample.com%2F%7Bid%7D"},
        {3, "exact", "urn:x", "/h/subscriptions/exact/urn%3Ax"},
    };
    struct mrc_subscription_ref found;
    char scratch[64];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct mrc_subscription_ref one =
            ref(rows[i].variables, "unused", rows[i].match, rows[i].subscriber);
        struct mrc_buf buf;

        one.is_legacy = true;
        mrc_buf_init(&buf, SIZE_MAX);
        mrc_subscription_doc_add_url(&buf, "/h", &one);
        check_text(&buf, rows[i].want);
        ck_assert(
            mrc_subscription_doc_parse(mrc_bytes_of(rows[i].want + 2), true, scratch, &found));
        ck_assert(found.is_legacy);
        ck_assert_uint_eq(found.variables, rows[i].variables);
        ck_assert_bytes_eq(found.match, rows[i].match);
        ck_assert_bytes_eq(found.subscriber, rows[i].subscriber);
    }
    ck_assert(
        !mrc_subscription_doc_parse(mrc_bytes_of("/subscriptions/a/b/c"), true, scratch, &found));
}
END_TEST

START_TEST(legacy_documents)
{
    struct mrc_subscription_doc doc = {.ref = ref(3, "", "/{a}", "urn:x"), .active = true};
    struct mrc_subscription_ref all = {.is_legacy = true};
    struct mrc_buf buf;

    doc.ref.is_legacy = true;
    mrc_buf_init(&buf, SIZE_MAX);
    mrc_subscription_doc_add(&buf, "/h", &doc);
    check_text(&buf,
               "{\"@context\":\"https://mercure.rocks/\",\"id\":\"/h/subscriptions/%2F%7Ba%7D/"
               "urn%3Ax\",\"type\":\"Subscription\",\"topic\":\"/{a}\",\"subscriber\":"
               "\"urn:x\",\"active\":true}");
    doc.last_event_id = mrc_bytes_of("i\"");
    doc.payload = mrc_bytes_of("[1]");
    doc.active = false;
    mrc_subscription_doc_begin_list(&buf, "/h", &all, mrc_bytes_of("i\""));
    doc.is_member = true;
    mrc_subscription_doc_add(&buf, "/h", &doc);
    mrc_subscription_doc_end_list(&buf);
    check_text(&buf,
               "{\"@context\":\"https://mercure.rocks/\",\"id\":\"/h/subscriptions\",\"type\":"
               "\"Subscriptions\",\"lastEventID\":\"i\\\"\",\"subscriptions\":[{\"id\":"
               "\"/h/subscriptions/%2F%7Ba%7D/urn%3Ax\",\"type\":\"Subscription\",\"topic\":"
               "\"/{a}\",\"subscriber\":\"urn:x\",\"active\":false,\"lastEventID\":"
               "\"i\\\"\",\"payload\":[1]}]}");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("subscription_doc");
    TCase *tcase = tcase_create("subscription_doc");

    tcase_add_test(tcase, urls);
    tcase_add_test(tcase, refuses_other_urls);
    tcase_add_test(tcase, a_document);
    tcase_add_test(tcase, a_list);
    tcase_add_test(tcase, full_buffers_fail);
    tcase_add_test(tcase, documents_of_ended_subscriptions);
    tcase_add_test(tcase, ids_in_fields);
    tcase_add_test(tcase, legacy_urls);
    tcase_add_test(tcase, legacy_documents);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
