#include "core/protocol/update.h"
#include "hub/transport/listed.h"
#include "store/regions/roster.h"
#include "unit.h"

static const unsigned char subscriber[16] = "0123456789abcde";

static void check_round(unsigned type, struct mrc_bytes match, struct mrc_bytes payload)
{
    const struct mrc_roster_entry entry = {.type = type, .match = match, .payload = payload};
    struct mrc_roster_entry read = {.type = 0}, with_id = entry;
    char id[MRC_UPDATE_ID_BYTES], again[MRC_UPDATE_ID_BYTES];
    struct mrc_buf member, prefix;

    memcpy(with_id.subscriber, subscriber, 16);
    mrc_update_id_make(subscriber, id);
    mrc_buf_init(&member, SIZE_MAX);
    mrc_buf_init(&prefix, SIZE_MAX);
    mrc_listed_add(&member, &with_id);
    ck_assert_int_eq(mrc_listed_parse(mrc_buf_bytes(&member), &read), MRC_OK);
    ck_assert_uint_eq(read.type, type);
    ck_assert(mrc_bytes_eq(read.match, match));
    ck_assert(mrc_bytes_eq(read.payload, payload));
    ck_assert(!read.payload.ptr == !payload.ptr);
    mrc_update_id_make(read.subscriber, again);
    ck_assert_str_eq(again, id);
    mrc_listed_add_prefix(&prefix, (enum mrc_matcher_type)type, match, (struct mrc_bytes){"", 0});
    ck_assert(mrc_bytes_starts_with(mrc_buf_bytes(&member), mrc_buf_bytes(&prefix)));
    mrc_buf_reset(&prefix);
    mrc_listed_add_prefix(&prefix, (enum mrc_matcher_type)type, match, mrc_bytes_of(id));
    ck_assert(mrc_bytes_starts_with(mrc_buf_bytes(&member), mrc_buf_bytes(&prefix)));
    mrc_buf_free(&member);
    mrc_buf_free(&prefix);
    mrc_roster_entry_free(&read);
}

START_TEST(what_is_written_is_read)
{
    const struct mrc_bytes none = {NULL, 0};

    check_round(MRC_MATCHER_EXACT, mrc_bytes_of("https://example.com/a/b?c#d"), none);
    check_round(MRC_MATCHER_URLPATTERN, mrc_bytes_of("/books/:id%2F"), mrc_bytes_of("{\"a\":1}"));
    check_round(MRC_MATCHER_TEMPLATE, mrc_bytes_of("{+x}"), mrc_bytes_of(""));
    check_round(MRC_MATCHER_EXACT, (struct mrc_bytes){"a\0/b", 4}, (struct mrc_bytes){"\0\0/", 3});
    check_round(MRC_MATCHER_EXACT, mrc_bytes_of(""), none);
}
END_TEST

/* Another program, or an attacker with the rights of the hub, may have entered such members. */
START_TEST(other_members_are_refused)
{
    static const struct mrc_bytes bad[] = {
        {"", 0},
        {"exact", 5},
        {"exact/", 6},
        {"exact/a/", 8},
        {"exact/a/urn:uuid:00000000-0000-4000-8000-000000000000", 53},
        {"exact/a/urn:uuid:00000000-0000-4000-8000-000000000000\0", 54},
        {"exact/a/urn:uuid:00000000-0000-4000-8000-000000000000\0x", 55},
        {"exact/a/urn:uuid:00000000-0000-4000-8000-000000000000\0-x", 56},
        {"exact/a/urn:uuid:00000000-0000-4000-8000-00000000000\0-", 54},
        {"other/a/urn:uuid:00000000-0000-4000-8000-000000000000\0-", 55},
        {"exact/a/b/urn:uuid:00000000-0000-4000-8000-000000000000\0-", 57},
    };
    const struct mrc_bytes good = {"exact/a/urn:uuid:00000000-0000-4000-8000-000000000000\0-", 55};
    struct mrc_roster_entry entry = {.type = 0};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(mrc_listed_parse(bad[i], &entry) == MRC_EINVAL, "%zu", i);
    ck_assert_int_eq(mrc_listed_parse(good, &entry), MRC_OK);
    mrc_roster_entry_free(&entry);
}
END_TEST

START_TEST(a_payload_past_the_limit_is_refused)
{
    struct mrc_roster_entry entry = {.type = 0};
    struct mrc_buf buf;
    char *payload;

    mrc_buf_init(&buf, SIZE_MAX);
    mrc_buf_add(&buf, "exact/a/urn:uuid:00000000-0000-4000-8000-000000000000\0p", 55);
    payload = mrc_buf_extend(&buf, MRC_ROSTER_PAYLOAD_MAX);
    memset(payload, 'x', MRC_ROSTER_PAYLOAD_MAX);
    ck_assert_int_eq(mrc_listed_parse(mrc_buf_bytes(&buf), &entry), MRC_OK);
    mrc_buf_add_char(&buf, 'x');
    ck_assert_int_eq(mrc_listed_parse(mrc_buf_bytes(&buf), &entry), MRC_EINVAL);
    mrc_buf_free(&buf);
    mrc_roster_entry_free(&entry);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("listed");
    TCase *tcase = tcase_create("listed");

    tcase_add_test(tcase, what_is_written_is_read);
    tcase_add_test(tcase, other_members_are_refused);
    tcase_add_test(tcase, a_payload_past_the_limit_is_refused);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
