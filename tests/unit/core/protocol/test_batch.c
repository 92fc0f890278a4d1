#include "core/protocol/batch.h"

#include <stdlib.h>

#include "failing_alloc.h"
#include "unit.h"
#include "vectors.h"

static const struct mrc_update_limits roomy = {
    .topics_max = 100, .field_max_bytes = 1000, .id_max_bytes = 100};

static void check_field(const char *name, const json_t *want, struct mrc_bytes got)
{
    const json_t *value = json_object_get(want, name);
    struct mrc_bytes text = {json_string_value(value), json_string_length(value)};

    ck_assert_msg(mrc_bytes_eq(got, text), "%s: \"%.*s\"", name, (int)got.len, got.ptr);
}

static void check_update(const json_t *want, const struct mrc_update *got)
{
    const json_t *topics = json_object_get(want, "topics");

    ck_assert_uint_eq(got->topics_count, json_array_size(topics));
    for (size_t i = 0; i < got->topics_count; i++)
        ck_assert_bytes_eq(got->topics[i], json_string_value(json_array_get(topics, i)));
    check_field("data", want, got->data);
    check_field("id", want, got->id);
    check_field("type", want, got->type);
    check_field("retry", want, got->retry);
    ck_assert_int_eq(got->is_private, json_is_true(json_object_get(want, "private")));
    ck_assert_int_eq(got->id.ptr != NULL, json_object_get(want, "id") != NULL);
}

static void check_accepted(const json_t *vector, enum mrc_err err, const struct mrc_error *error,
                           const struct mrc_batch *batch)
{
    const json_t *updates = json_object_get(vector, "updates");

    ck_assert_msg(err == MRC_OK, "%s", error->text);
    ck_assert(!batch->has_bad);
    ck_assert_int_eq(batch->is_array, json_is_true(json_object_get(vector, "array")));
    ck_assert_uint_eq(batch->count, json_array_size(updates));
    for (size_t i = 0; i < batch->count; i++)
        check_update(json_array_get(updates, i), &batch->updates[i]);
}

static void check_refused(const json_t *vector, enum mrc_err err, const struct mrc_error *error,
                          const struct mrc_batch *batch)
{
    const char *word = json_string_value(json_object_get(vector, "error"));
    const json_t *index = json_object_get(vector, "index");

    ck_assert_int_eq(err, MRC_EINVAL);
    ck_assert_msg(strstr(error->text, word), "\"%s\" does not say %s", error->text, word);
    ck_assert_int_eq(batch->has_bad, index != NULL);
    if (index)
        ck_assert_int_eq((json_int_t)batch->count, json_integer_value(index));
}

static void check_vector(const json_t *vector)
{
    const json_t *body = json_object_get(vector, "body");
    size_t len = json_string_length(body);
    char *text = malloc(len ? len : 1); /* of the exact size, for AddressSanitizer */
    struct mrc_error error = {""};
    struct mrc_batch batch;
    enum mrc_err err;

    memcpy(text, json_string_value(body), len);
    err = mrc_batch_parse((struct mrc_bytes){text, len}, &roomy, &error, &batch);
    if (json_object_get(vector, "error"))
        check_refused(vector, err, &error, &batch);
    else
        check_accepted(vector, err, &error, &batch);
    mrc_batch_clear(&batch);
    free(text);
}

START_TEST(reads_the_vectors)
{
    json_t *root = vectors_load("batch/batch.json");
    json_t *vector;
    size_t i;

    json_array_foreach(root, i, vector)
    {
        fprintf(stderr, "# %s\n", json_string_value(json_object_get(vector, "name")));
        check_vector(vector);
    }
    ck_assert_uint_gt(i, 80);
    json_decref(root);
}
END_TEST

static enum mrc_err parse(struct mrc_bytes text, const struct mrc_update_limits *limits,
                          bool *ret_has_bad, size_t *ret_count)
{
    struct mrc_batch batch;
    struct mrc_error error = {""};
    enum mrc_err err = mrc_batch_parse(text, limits, &error, &batch);

    alloc_left = -1;
    ck_assert_int_eq(err == MRC_EINVAL || err == MRC_ELIMIT, error.text[0] != '\0');
    *ret_has_bad = batch.has_bad;
    *ret_count = batch.count;
    mrc_batch_clear(&batch);
    return err;
}

/* COUNT updates, followed by BAD elements that are not updates. */
static char *array_of(size_t count, size_t bad)
{
    struct mrc_buf buf;

    mrc_buf_init(&buf, SIZE_MAX);
    for (size_t i = 0; i < count + bad; i++)
        mrc_buf_printf(&buf, "%c%s", i ? ',' : '[', i < count ? "{\"topic\":\"a\"}" : "{}");
    mrc_buf_add_char(&buf, ']');
    return mrc_buf_take(&buf, NULL);
}

START_TEST(batch_has_at_most_1000_updates)
{
    char *full = array_of(MRC_BATCH_MAX, 0), *over = array_of(MRC_BATCH_MAX + 1, 0);
    char *bad = array_of(MRC_BATCH_MAX, 1);
    bool has_bad;
    size_t count;

    ck_assert_int_eq(parse(mrc_bytes_of(full), &roomy, &has_bad, &count), MRC_OK);
    ck_assert_uint_eq(count, 1000);
    ck_assert_int_eq(parse(mrc_bytes_of(over), &roomy, &has_bad, &count), MRC_ELIMIT);
    ck_assert(!has_bad);
    ck_assert_int_eq(parse(mrc_bytes_of(bad), &roomy, &has_bad, &count), MRC_ELIMIT);
    ck_assert(!has_bad);
    free(full);
    free(over);
    free(bad);
}
END_TEST

static const struct {
    const char *body;
    size_t topics_max, field_max_bytes, id_max_bytes;
    enum mrc_err want;
} limited[] = {
    {"[{\"topic\":[\"a\",\"b\"]}]", 2, 100, 100, MRC_OK},
    {"[{\"topic\":[\"a\",\"b\",\"c\"]}]", 2, 100, 100, MRC_ELIMIT},
    {"[{\"topic\":\"abc\"}]", 2, 3, 100, MRC_OK},
    {"[{\"topic\":\"abcd\"}]", 2, 3, 100, MRC_ELIMIT},
    {"[{\"topic\":\"a\",\"data\":\"\\u0061bc\"}]", 2, 3, 100, MRC_OK},
    {"[{\"topic\":\"a\",\"data\":\"\\u0061bcd\"}]", 2, 3, 100, MRC_ELIMIT},
    {"[{\"topic\":\"a\",\"retry\":1234}]", 2, 3, 100, MRC_ELIMIT},
    {"[{\"topic\":\"a\",\"id\":\"ab\"}]", 2, 100, 2, MRC_OK},
    {"[{\"topic\":\"a\",\"id\":\"abc\"}]", 2, 100, 2, MRC_ELIMIT},
};

START_TEST(updates_keep_to_the_limits)
{
    const struct mrc_update_limits limits = {
        .topics_max = limited[_i].topics_max,
        .field_max_bytes = limited[_i].field_max_bytes,
        .id_max_bytes = limited[_i].id_max_bytes,
    };
    bool has_bad;
    size_t count;

    ck_assert_int_eq(parse(mrc_bytes_of(limited[_i].body), &limits, &has_bad, &count),
                     limited[_i].want);
    ck_assert_int_eq(has_bad, limited[_i].want != MRC_OK);
}
END_TEST

START_TEST(invalid_utf8_is_refused)
{
    static const char *const bodies[] = {
        "{\"topic\":\"\xff\"}",
        "{\"topic\":\"a\",\"data\":\"\xc0\x80\"}",
        "{\"topic\":\"a\",\"data\":\"\xed\xa0\xbd\xed\xb8\x80\"}", /* surrogates */
        "{\"topic\":\"a\"}\x80",
    };

    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct mrc_error error = {""};
        struct mrc_batch batch;

        ck_assert_int_eq(mrc_batch_parse(mrc_bytes_of(bodies[i]), &roomy, &error, &batch),
                         MRC_EINVAL);
        ck_assert_str_eq(error.text, "not valid JSON: invalid UTF-8");
        mrc_batch_clear(&batch);
    }
}
END_TEST

/* A NUL byte between values is not white space, and does not end the text. */
START_TEST(nul_bytes_are_no_end)
{
    static const char text[] = "{\"topic\":\"a\"}\0", inside[] = "{\"topic\":\0\"a\"}";
    bool has_bad;
    size_t count;

    ck_assert_int_eq(parse((struct mrc_bytes){text, sizeof(text) - 1}, &roomy, &has_bad, &count),
                     MRC_EINVAL);
    ck_assert_int_eq(
        parse((struct mrc_bytes){inside, sizeof(inside) - 1}, &roomy, &has_bad, &count),
        MRC_EINVAL);
}
END_TEST

/* Strings with escapes are copied, and the copies stay where they are. */
START_TEST(copies_do_not_move)
{
    struct mrc_error error = {""};
    struct mrc_batch batch;
    struct mrc_buf text;

    mrc_buf_init(&text, SIZE_MAX);
    for (int i = 0; i < 500; i++)
        mrc_buf_printf(&text, "%c{\"topic\":\"\\u0061%d\",\"data\":\"no escape\"}", i ? ',' : '[',
                       i);
    mrc_buf_add_char(&text, ']');
    ck_assert_int_eq(mrc_batch_parse(mrc_buf_bytes(&text), &roomy, &error, &batch), MRC_OK);
    for (size_t i = 0; i < 500; i++) {
        struct mrc_bytes topic = batch.updates[i].topics[0];

        ck_assert(topic.ptr >= batch.strings.ptr &&
                  topic.ptr + topic.len <= batch.strings.ptr + batch.strings.len);
        ck_assert(batch.updates[i].data.ptr > text.ptr &&
                  batch.updates[i].data.ptr < text.ptr + text.len);
    }
    ck_assert_bytes_eq(batch.updates[0].topics[0], "a0");
    ck_assert_bytes_eq(batch.updates[499].topics[0], "a499");
    mrc_batch_clear(&batch);
    mrc_buf_free(&text);
}
END_TEST

/* What a hostile publisher sends costs no more than a few times its length. */
START_TEST(memory_grows_with_the_text)
{
    static const char *const pieces[] = {"{", "[", "\"\\u0061\",", "{\"topic\":\"a\"},", "0,"};

    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        struct mrc_error error = {""};
        struct mrc_batch batch;
        struct mrc_buf buf;
        long before, taken, left;
        enum mrc_err err;

        mrc_buf_init(&buf, SIZE_MAX);
        mrc_buf_add_str(&buf, i == 2 ? "[{\"topic\":[" : "[");
        while (buf.len < 100000)
            mrc_buf_add_str(&buf, pieces[i]);
        before = alloc_bytes;
        err = mrc_batch_parse(mrc_buf_bytes(&buf), &roomy, &error, &batch);
        taken = alloc_bytes - before;
        mrc_batch_clear(&batch);
        left = alloc_bytes - before;
        ck_assert_int_ne(err, MRC_OK);
        ck_assert_msg(taken < 500000, "%s: %ld bytes", pieces[i], taken);
        ck_assert_int_eq(left, 0);
        mrc_buf_free(&buf);
    }
}
END_TEST

START_TEST(each_allocation_may_fail)
{
    static const char text[] =
        "[{\"topic\":[\"a\",\"b\",\"c\"],\"data\":\"\\u0061\"},{\"topic\":\"\\u0062\"},"
        "{\"topic\":\"d\"}]";
    bool has_bad;
    size_t count;
    enum mrc_err err = MRC_ENOMEM;
    long i;

    for (i = 0; err; i++) {
        alloc_left = i;
        err = parse(mrc_bytes_of(text), &roomy, &has_bad, &count);
        ck_assert(err == MRC_OK || err == MRC_ENOMEM);
    }
    ck_assert_int_gt(i, 5);
    ck_assert_uint_eq(count, 3);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("batch");
    TCase *tcase = tcase_create("batch");

    tcase_add_test(tcase, reads_the_vectors);
    tcase_add_test(tcase, batch_has_at_most_1000_updates);
    tcase_add_loop_test(tcase, updates_keep_to_the_limits, 0, sizeof(limited) / sizeof(limited[0]));
    tcase_add_test(tcase, invalid_utf8_is_refused);
    tcase_add_test(tcase, nul_bytes_are_no_end);
    tcase_add_test(tcase, copies_do_not_move);
    tcase_add_test(tcase, memory_grows_with_the_text);
    tcase_add_test(tcase, each_allocation_may_fail);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
