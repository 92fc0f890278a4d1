#include "httpd/config/directive_table.h"

#include <stdbool.h>
#include <string.h>

#include "unit.h"

START_TEST(parses_numbers)
{
    static const struct {
        const char *text;
        enum mrc_unit unit;
        int64_t value;
    } rows[] = {
        {"0", MRC_UNIT_COUNT, 0},
        {"007", MRC_UNIT_SECONDS, 7},
        {"16M", MRC_UNIT_BYTES, 16 << 20},
        {"1k", MRC_UNIT_BYTES, 1024},
        {"3G", MRC_UNIT_BYTES, (int64_t)3 << 30},
        {"0G", MRC_UNIT_BYTES, 0},
        {"9223372036854775799", MRC_UNIT_COUNT, INT64_C(9223372036854775799)},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        ck_assert_msg(mrc_directive_parse_number(rows[i].text, rows[i].unit) == rows[i].value, "%s",
                      rows[i].text);
}
END_TEST

START_TEST(refuses_other_texts)
{
    static const char *const texts[] = {
        "",
        "-1",
        "+1",
        " 1",
        "1 ",
        "1.5",
        "0x10",
        "K",
        "1KB",
        "1KK",
        "1T",
        "1m1",
        "M1",
        "1,000",
        "99999999999999999999", /* more than 64 bits */
        "9223372036854775807G", /* too large only with the suffix */
        "9000000000G",
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        ck_assert_msg(mrc_directive_parse_number(texts[i], MRC_UNIT_BYTES) == -1, "%s", texts[i]);
    ck_assert_int_eq(mrc_directive_parse_number("1K", MRC_UNIT_COUNT), -1);
    ck_assert_int_eq(mrc_directive_parse_number("1M", MRC_UNIT_SECONDS), -1);
}
END_TEST

static void assert_default(const char *name, const char *text, enum mrc_unit unit, int64_t min,
                           int64_t max)
{
    int64_t value = mrc_directive_parse_number(text, unit);

    ck_assert_msg(value >= min && value <= max, "the default of %s is %s", name, text);
}

START_TEST(every_default_is_within_its_limits)
{
    for (size_t i = 0; i < mrc_directives_count; i++) {
        const struct mrc_directive *row = &mrc_directives[i];
        bool is_number = row->type == MRC_TYPE_NUMBER || row->type == MRC_TYPE_BOUND ||
                         row->type == MRC_TYPE_RATE;

        if (is_number && row->default_text)
            assert_default(row->name, row->default_text, row->unit, row->min, row->max);
        for (size_t k = 0; k < row->options_count; k++) {
            const struct mrc_directive_option *option = &row->options[k];

            if (!option->zero_word || strcmp(option->default_text, option->zero_word))
                assert_default(option->name, option->default_text, option->unit, option->min,
                               option->max);
        }
    }
}
END_TEST

/* A field that two rows write would have two defaults. Keys are lists to which rows append. */
START_TEST(every_field_has_one_row)
{
    unsigned rows[MRC_FIELD_COUNT] = {0};

    for (size_t i = 0; i < mrc_directives_count; i++) {
        const struct mrc_directive *row = &mrc_directives[i];

        if (row->type != MRC_TYPE_KEY && row->type != MRC_TYPE_LEGACY_KEY) {
            rows[row->field]++;
            rows[row->field2]++;
        }
        for (size_t k = 0; k < row->options_count; k++)
            rows[row->options[k].field]++;
    }
    for (int field = MRC_FIELD_NONE + 1; field < MRC_FIELD_COUNT; field++) {
        bool is_key = field == MRC_FIELD_PUBLISHER_KEYS || field == MRC_FIELD_SUBSCRIBER_KEYS ||
                      field == MRC_FIELD_CONTROL_KEYS || field == MRC_FIELD_LEGACY_PUBLISHER_KEYS ||
                      field == MRC_FIELD_LEGACY_SUBSCRIBER_KEYS;

        ck_assert_msg(rows[field] == !is_key, "field %d has %u rows", field, rows[field]);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("directive_table");
    TCase *tcase = tcase_create("directive_table");

    tcase_add_test(tcase, parses_numbers);
    tcase_add_test(tcase, refuses_other_texts);
    tcase_add_test(tcase, every_default_is_within_its_limits);
    tcase_add_test(tcase, every_field_has_one_row);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
