/* A walk through the ring, while the ring changes. */
#include "core/base/buf.h"
#include "core/protocol/update.h"
#include "hub/lineage/walk.h"
#include "store_unit.h"

static struct mrc_ring *ring;
static uint64_t appended;

/* Appends the records of COUNT entries, so large that the ring holds fewer than ten. */
static void append_some(unsigned count)
{
    static const char zeros[120 * 1024];
    struct mrc_bytes topic = mrc_bytes_of("t");
    const struct mrc_update update = {
        .topics = &topic, .topics_count = 1, .data = {zeros, sizeof(zeros)}};
    struct mrc_buf plain;

    mrc_buf_init(&plain, SIZE_MAX);
    mrc_update_encode(&update, &plain);
    for (; count > 0; count--) {
        const struct mrc_update_origin origin = {appended + 1, 1, appended + 1};
        struct mrc_buf record;
        uint64_t seq, pos;

        mrc_buf_init(&record, SIZE_MAX);
        ck_assert(mrc_update_add_origin(mrc_buf_bytes(&plain), &origin, &record));
        ck_assert_int_eq(mrc_ring_append(ring, mrc_bytes_of("id"), mrc_buf_bytes(&record), 1, 1,
                                         1000, &seq, &pos),
                         APR_SUCCESS);
        mrc_buf_free(&record);
        appended++;
    }
    mrc_buf_free(&plain);
}

struct walking {
    uint64_t last; /* number of the last record that it has seen */
    unsigned count;
};

/* When it sees the first record, the ring gets so many others that it drops those that follow. */
static bool overtake(void *ctx, const struct mrc_ring_record *record,
                     const struct mrc_update_origin *origin, size_t len)
{
    struct walking *walking = ctx;

    ck_assert_uint_gt(origin->number, walking->last);
    walking->last = origin->number;
    if (walking->count++ == 0)
        append_some(20);
    return true;
}

START_TEST(a_walk_that_the_tail_overtakes_continues_there)
{
    struct walking walking = {.last = 0};

    ring = store_ring(store_pool(), 1024 * 1024, (struct mrc_ring_bounds){.count = 0});
    append_some(5);
    ck_assert(_i ? mrc_walk_all(ring, overtake, &walking) : mrc_walk(ring, 0, overtake, &walking));
    ck_assert_uint_eq(walking.last, 25);
    ck_assert_uint_gt(walking.count, 2);
    ck_assert_uint_lt(walking.count, 11);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("walk");
    TCase *tcase = tcase_create("walk");

    tcase_add_loop_test(tcase, a_walk_that_the_tail_overtakes_continues_there, 0, 2);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
