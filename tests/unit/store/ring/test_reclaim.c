/* The memory of old records is given back, and nothing that a reader may still want. */
#include "store/ring/internal.h"
#include "store/ring/reclaim.h"
#include "store_unit.h"

#define NOW          INT64_C(1700000000000000)
#define SECOND       INT64_C(1000000)
#define CAPACITY     ((uint64_t)1 << 20)
#define RECORD_BYTES 4000
#define DATA_OFFSET  ((uint64_t)16384) /* of the ring in its segment */

struct place {
    struct mrc_ring *ring;
    struct mrc_sparse *pages;
    uint64_t passed;
    uint64_t appended;
};

/* A ring whose memory is allocated page by page. */
static struct place open_place(struct mrc_ring_bounds bounds)
{
    const uint64_t region = mrc_ring_region_bytes(CAPACITY), buckets = 64;
    const uint64_t bytes = DATA_OFFSET + region + mrc_ring_index_bytes(buckets);
    char *base = store_shared(bytes);
    struct place place = {.passed = 0};
    struct mrc_error error = {""};

    ck_assert_int_eq(mrc_sparse_create(store_pool(), base, bytes, 2048, 4096,
                                       DATA_OFFSET + MRC_RING_HEAD_BYTES, store_budget(),
                                       &place.pages),
                     APR_SUCCESS);
    ck_assert_msg(mrc_ring_create(store_pool(), base + DATA_OFFSET, CAPACITY,
                                  base + DATA_OFFSET + region, buckets, &bounds, &error,
                                  &place.ring) == APR_SUCCESS,
                  "%s", error.text);
    mrc_ring_use_sparse(place.ring, place.pages);
    return place;
}

/* Appends a record; the payload of record N has N in each word. */
static void append(struct place *place, size_t bytes, int64_t now_us)
{
    uint64_t payload[RECORD_BYTES / 8], seq, pos;
    char id[24];

    place->appended++;
    for (size_t i = 0; i < RECORD_BYTES / 8; i++)
        payload[i] = place->appended;
    snprintf(id, sizeof(id), "id-%llu", (unsigned long long)place->appended);
    ck_assert_int_eq(mrc_ring_append(place->ring, mrc_bytes_of(id),
                                     (struct mrc_bytes){(const char *)payload, bytes}, bytes,
                                     now_us, 0, &seq, &pos),
                     APR_SUCCESS);
    ck_assert_uint_eq(seq, place->appended);
}

static void say(void *ctx, const char *text)
{
    fprintf(stderr, "%s\n", text);
}

/* Reads all records of the history, whose contents must be right. Returns their number. */
static unsigned read_history(const struct place *place, int64_t now_us)
{
    struct mrc_ring_record record = {.buf = NULL};
    uint64_t pos = mrc_ring_oldest(place->ring, now_us);
    uint64_t last = 0;
    unsigned n = 0;

    for (; mrc_ring_read(place->ring, &pos, &record) == APR_SUCCESS; n++) {
        ck_assert(last == 0 || record.view.seq == last + 1);
        last = record.view.seq;
        for (size_t i = 0; i + 8 <= record.view.payload.len; i += 8)
            ck_assert_int_eq(memcmp(record.view.payload.ptr + i, &last, 8), 0);
    }
    ck_assert(last == 0 || last == place->appended);
    mrc_ring_record_free(&record);
    ck_assert_uint_eq(mrc_ring_check(place->ring, say, NULL), 0);
    return n;
}

START_TEST(old_records_go_in_two_steps)
{
    struct place place = open_place((struct mrc_ring_bounds){.count = 10});
    struct mrc_ring_record record = {.buf = NULL};
    uint64_t start = mrc_ring_head(place.ring);
    uint64_t full, pos;

    for (int i = 0; i < 200; i++)
        append(&place, RECORD_BYTES, NOW);
    (void)mrc_ring_reclaim(place.ring, &place.passed,
                           NOW); /* gives back what was allocated ahead */
    full = mrc_sparse_taken(place.pages);
    ck_assert_uint_ge(full, 200 * RECORD_BYTES);
    ck_assert_uint_eq(mrc_ring_reclaim(place.ring, &place.passed, NOW + MRC_RING_KEEP_US), 0);
    pos = start;
    ck_assert_int_eq(mrc_ring_read(place.ring, &pos, &record), APR_SUCCESS);
    ck_assert_uint_eq(mrc_ring_reclaim(place.ring, &place.passed, NOW + MRC_RING_KEEP_US + 1), 0);
    pos = start;
    ck_assert_int_eq(mrc_ring_read(place.ring, &pos, &record), MRC_STATUS_OVERRUN);
    ck_assert_uint_eq(mrc_sparse_taken(place.pages), full);
    ck_assert_uint_ge(mrc_ring_reclaim(place.ring, &place.passed, NOW + MRC_RING_KEEP_US + 2),
                      180 * RECORD_BYTES);
    ck_assert_uint_le(mrc_sparse_taken(place.pages), full - 180 * RECORD_BYTES);
    ck_assert_uint_eq(read_history(&place, NOW), 10);
    /* The ids of records that are gone lead nowhere, others to their records. */
    ck_assert_int_eq(mrc_ring_find(place.ring, mrc_bytes_of("id-5"), NOW, &pos), APR_NOTFOUND);
    ck_assert_int_eq(mrc_ring_find(place.ring, mrc_bytes_of("id-195"), NOW, &pos), APR_SUCCESS);
    ck_assert_uint_eq(mrc_ring_reclaim(place.ring, &place.passed, NOW + MRC_RING_KEEP_US + 3), 0);
    /* The memory is allocated again, even across the end of the data. */
    for (int i = 0; i < 600; i++)
        append(&place, RECORD_BYTES, NOW + 2 * MRC_RING_KEEP_US);
    ck_assert_uint_eq(read_history(&place, NOW + 2 * MRC_RING_KEEP_US), 10);
    mrc_ring_record_free(&record);
}
END_TEST

START_TEST(the_newest_update_stays)
{
    struct place place = open_place((struct mrc_ring_bounds){.count = 100, .age_us = SECOND});
    struct mrc_ring_record record = {.buf = NULL};
    int64_t later = NOW + 2 * MRC_RING_KEEP_US;
    uint64_t pos;

    for (int i = 0; i < 100; i++)
        append(&place, RECORD_BYTES, NOW);
    ck_assert_int_eq(mrc_ring_append_control(place.ring, mrc_bytes_of("order"), NOW, 0, &pos),
                     APR_SUCCESS);
    for (int i = 0; i < 3; i++)
        (void)mrc_ring_reclaim(place.ring, &place.passed, later + i);
    ck_assert_uint_le(mrc_sparse_taken(place.pages), DATA_OFFSET + 8 * 4096);
    ck_assert_int_eq(mrc_ring_newest(place.ring, &record), APR_SUCCESS);
    ck_assert_bytes_eq(record.view.id, "id-100");
    ck_assert_uint_eq(read_history(&place, later), 0);
    append(&place, RECORD_BYTES, later);
    ck_assert_uint_eq(read_history(&place, later), 1);
    mrc_ring_record_free(&record);
}
END_TEST

START_TEST(a_writer_is_not_waited_for)
{
    struct place place = open_place((struct mrc_ring_bounds){.off = true});
    uint64_t full;
    bool unused;

    ck_assert_uint_eq(mrc_ring_reclaim(place.ring, &place.passed, NOW), 0); /* nothing yet */
    for (int i = 0; i < 100; i++)
        append(&place, RECORD_BYTES, NOW);
    full = mrc_sparse_taken(place.pages);
    ck_assert_int_eq(mrc_lock_acquire(&place.ring->header->lock, 0, &unused), APR_SUCCESS);
    for (int i = 0; i < 2; i++)
        ck_assert_uint_eq(mrc_ring_reclaim(place.ring, &place.passed, NOW + 2 * MRC_RING_KEEP_US),
                          0);
    mrc_lock_release(&place.ring->header->lock);
    ck_assert_uint_eq(mrc_sparse_taken(place.pages), full);
    for (int i = 0; i < 2; i++)
        (void)mrc_ring_reclaim(place.ring, &place.passed, NOW + 2 * MRC_RING_KEEP_US);
    ck_assert_uint_le(mrc_sparse_taken(place.pages), DATA_OFFSET + 8 * 4096);
}
END_TEST

/* Publications, sizes and calls come in any order. */
START_TEST(at_random)
{
    struct place place = open_place((struct mrc_ring_bounds){.count = 20, .age_us = 3600 * SECOND});
    unsigned random = 1;
    uint64_t given = 0;
    int64_t now = NOW;

    for (int i = 0; i < 2000; i++) {
        random = random * 1103515245 + 12345;
        now += (int64_t)(random >> 16 & 63) * SECOND;
        if ((random >> 8 & 7) == 0)
            now += MRC_RING_KEEP_US / 2;
        if ((random >> 24 & 3) == 0)
            given += mrc_ring_reclaim(place.ring, &place.passed, now);
        append(&place, (random >> 4) % RECORD_BYTES / 8 * 8, now);
        if (i % 20 == 0)
            ck_assert_uint_ge(read_history(&place, now), 1);
    }
    ck_assert_uint_gt(given, CAPACITY);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("reclaim");
    TCase *tcase = tcase_create("reclaim");

    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, old_records_go_in_two_steps);
    tcase_add_test(tcase, the_newest_update_stays);
    tcase_add_test(tcase, a_writer_is_not_waited_for);
    tcase_add_test(tcase, at_random);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
