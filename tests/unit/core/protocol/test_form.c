#include "core/base/utf8.h"
#include "core/protocol/form.h"
#include "unit.h"
#include "vectors.h"

static struct mrc_form *parse(const char *body)
{
    struct mrc_form *form = NULL;

    ck_assert_int_eq(mrc_form_parse(mrc_bytes_of(body), 100, NULL, &form), MRC_OK);
    return form;
}

/* Appends IN with U+FFFD in place of everything that is not UTF-8. */
static void add_lossy(struct mrc_buf *buf, struct mrc_bytes in)
{
    while (in.len) {
        uint32_t cp;
        size_t len = mrc_utf8_decode(in, &cp, NULL);

        mrc_utf8_add(buf, cp);
        in = (struct mrc_bytes){in.ptr + len, in.len - len};
    }
}

/* The standard's parser decodes UTF-8 as its last step; this one leaves that to its caller. */
static void check_lossy(struct mrc_bytes got, const json_t *want, const char *input)
{
    struct mrc_bytes text = vectors_bytes(want);
    struct mrc_buf buf;

    mrc_buf_init(&buf, 1000);
    add_lossy(&buf, got);
    ck_assert_msg(mrc_bytes_eq(mrc_buf_bytes(&buf), text), "%s: got %.*s, want %.*s", input,
                  (int)got.len, got.ptr, (int)text.len, text.ptr);
    mrc_buf_free(&buf);
}

START_TEST(passes_the_vectors)
{
    json_t *root = vectors_load("wpt-url/urlencoded-parser-data.json");
    size_t i, cases = 0;
    json_t *entry;

    json_array_foreach(root, i, entry)
    {
        const char *input = json_string_value(json_object_get(entry, "input"));
        json_t *want = json_object_get(entry, "output");
        struct mrc_form *form;

        if (!input)
            continue;
        form = parse(input);
        ck_assert_msg(mrc_form_count(form) == json_array_size(want), "%s: %zu pairs", input,
                      mrc_form_count(form));
        for (size_t j = 0; j < mrc_form_count(form); j++) {
            struct mrc_form_pair pair = mrc_form_get(form, j);
            json_t *want_pair = json_array_get(want, j);

            check_lossy(pair.name, json_array_get(want_pair, 0), input);
            check_lossy(pair.value, json_array_get(want_pair, 1), input);
        }
        mrc_form_free(form);
        cases++;
    }
    ck_assert_uint_ge(cases, 35);
    json_decref(root);
}
END_TEST

START_TEST(semicolons_and_stray_percents_are_data)
{
    struct mrc_form *form = parse("a=1;b=2&data=the%20content 100%&x=%2&y=%zz&%3D%26=%3d%26");

    ck_assert_uint_eq(mrc_form_count(form), 5);
    ck_assert_bytes_eq(mrc_form_get(form, 0).name, "a");
    ck_assert_bytes_eq(mrc_form_get(form, 0).value, "1;b=2");
    ck_assert_bytes_eq(mrc_form_get(form, 1).value, "the content 100%");
    ck_assert_bytes_eq(mrc_form_get(form, 2).value, "%2");
    ck_assert_bytes_eq(mrc_form_get(form, 3).value, "%zz");
    ck_assert_bytes_eq(mrc_form_get(form, 4).name, "=&");
    ck_assert_bytes_eq(mrc_form_get(form, 4).value, "=&");
    mrc_form_free(form);
}
END_TEST

START_TEST(keeps_raw_bytes)
{
    struct mrc_form *form = parse("%00=%ff\xfe");
    struct mrc_form_pair pair = mrc_form_get(form, 0);

    ck_assert_uint_eq(pair.name.len, 1);
    ck_assert_int_eq(pair.name.ptr[0], 0);
    ck_assert_bytes_eq(pair.value, "\xff\xfe");
    mrc_form_free(form);
}
END_TEST

START_TEST(bounds_the_pairs)
{
    struct mrc_form *form = NULL;
    struct mrc_error error = {""};

    ck_assert_int_eq(mrc_form_parse(mrc_bytes_of("&a&&b&"), 2, &error, &form), MRC_OK);
    ck_assert_uint_eq(mrc_form_count(form), 2);
    mrc_form_free(form);
    form = NULL;
    ck_assert_int_eq(mrc_form_parse(mrc_bytes_of("a&b&c"), 2, &error, &form), MRC_ELIMIT);
    ck_assert_ptr_null(form);
    ck_assert_str_eq(error.text, "there are more than 2 form fields");
    ck_assert_int_eq(mrc_form_parse((struct mrc_bytes){NULL, 0}, 0, NULL, &form), MRC_OK);
    ck_assert_uint_eq(mrc_form_count(form), 0);
    mrc_form_free(form);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("form");
    TCase *tcase = tcase_create("form");

    tcase_add_test(tcase, passes_the_vectors);
    tcase_add_test(tcase, semicolons_and_stray_percents_are_data);
    tcase_add_test(tcase, keeps_raw_bytes);
    tcase_add_test(tcase, bounds_the_pairs);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
