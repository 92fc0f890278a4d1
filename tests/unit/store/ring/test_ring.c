#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "store/ring/codec.h"
#include "store/ring/index.h"
#include "store_unit.h"

#define NOW INT64_C(1700000000000000)

static apr_status_t append(struct mrc_ring *ring, const char *id, const char *payload, int64_t now)
{
    uint64_t seq;
    uint64_t pos;

    return mrc_ring_append(ring, mrc_bytes_of(id), mrc_bytes_of(payload),
                           strlen(id) + strlen(payload), now, 0, &seq, &pos);
}

static void say(void *ctx, const char *text)
{
    fprintf(stderr, "%s\n", text);
}

#define ck_assert_sound(ring) ck_assert_uint_eq(mrc_ring_check((ring), say, NULL), 0)

static uint64_t history_records(struct mrc_ring *ring)
{
    struct mrc_ring_stats stats;

    mrc_ring_stats(ring, &stats);
    return stats.records;
}

/* The number of records from POS on. */
static unsigned count_from(struct mrc_ring *ring, uint64_t pos)
{
    struct mrc_ring_record record = {.buf = NULL};
    unsigned n = 0;

    while (mrc_ring_read(ring, &pos, &record) == APR_SUCCESS)
        n++;
    mrc_ring_record_free(&record);
    return n;
}

START_TEST(reads_what_was_appended)
{
    struct mrc_ring *ring = store_ring(store_pool(), 4096, (struct mrc_ring_bounds){.count = 0});
    struct mrc_ring_record record = {.buf = NULL};
    uint64_t before = mrc_ring_head(ring);
    uint64_t pos = before;
    uint64_t seq;
    uint64_t end;

    ck_assert_int_eq(mrc_ring_read(ring, &pos, &record), APR_EOF);
    ck_assert_int_eq(mrc_ring_newest(ring, &record), APR_NOTFOUND);
    ck_assert_int_eq(mrc_ring_append(ring, mrc_bytes_of("id-1"), mrc_bytes_of("payload"), 99, NOW,
                                     MRC_RING_WAIT_FOREVER, &seq, &end),
                     APR_SUCCESS);
    ck_assert_uint_eq(seq, 1);
    ck_assert_uint_eq(end, mrc_ring_head(ring));
    ck_assert_int_eq(mrc_ring_read(ring, &pos, &record), APR_SUCCESS);
    ck_assert_uint_eq(pos, end);
    ck_assert_bytes_eq(record.view.id, "id-1");
    ck_assert_bytes_eq(record.view.payload, "payload");
    ck_assert_uint_eq(record.view.seq, 1);
    ck_assert_uint_eq(record.pos, before);
    ck_assert_int_eq(record.view.time_us, NOW);
    ck_assert_uint_eq(record.view.stored_bytes, 99);
    ck_assert_int_eq(mrc_ring_read(ring, &pos, &record), APR_EOF);
    ck_assert_int_eq(append(ring, "", "", NOW), APR_SUCCESS);
    ck_assert_int_eq(mrc_ring_newest(ring, &record), APR_SUCCESS);
    ck_assert_ptr_nonnull(record.view.id.ptr);
    ck_assert_uint_eq(record.view.id.len + record.view.payload.len, 0);
    ck_assert_uint_eq(record.view.seq, 2);
    ck_assert_sound(ring);
    mrc_ring_record_free(&record);
}
END_TEST

/*
 * Records of every size wrap at every word, in rings of several sizes; each is read back complete.
 */
START_TEST(wraps_at_every_alignment)
{
    apr_pool_t *pool = store_pool();
    struct mrc_ring_record record = {.buf = NULL};
    char id[64];
    char payload[256];
    uint64_t capacity;

    for (capacity = 1024; capacity <= 1024 + 9 * 8; capacity += 8) {
        struct mrc_ring *ring = store_ring(pool, capacity, (struct mrc_ring_bounds){.count = 0});
        uint64_t pos = 0;
        unsigned i;

        for (i = 0; i < 3000; i++) {
            size_t id_len = i % 23;
            size_t len = (i * 7) % 130;
            uint64_t seq;
            uint64_t end;

            memset(id, 'a' + (int)(i % 26), sizeof(id));
            memset(payload, 'A' + (int)(i % 26), sizeof(payload));
            ck_assert_int_eq(mrc_ring_append(ring, (struct mrc_bytes){id, id_len},
                                             (struct mrc_bytes){payload, len}, 1, NOW, 0, &seq,
                                             &end),
                             APR_SUCCESS);
            ck_assert_int_eq(mrc_ring_read(ring, &pos, &record), APR_SUCCESS);
            ck_assert_uint_eq(record.view.seq, i + 1);
            ck_assert_uint_eq(record.view.id.len, id_len);
            ck_assert_uint_eq(record.view.payload.len, len);
            ck_assert_mem_eq(record.view.id.ptr, id, id_len);
            ck_assert_mem_eq(record.view.payload.ptr, payload, len);
            ck_assert_uint_eq(pos, end);
            if (i % 50 == 0)
                ck_assert_sound(ring);
        }
        ck_assert_sound(ring);
    }
    mrc_ring_record_free(&record);
}
END_TEST

START_TEST(takes_the_largest_and_refuses_one_byte_more)
{
    struct mrc_ring *ring = store_ring(store_pool(), 4096, (struct mrc_ring_bounds){.count = 0});
    size_t largest = 4096 / 4 - MRC_RING_OVERHEAD_BYTES;
    struct mrc_bytes payload = {calloc(1, largest + 1), largest};
    uint64_t seq = 77;
    uint64_t end = 77;
    uint64_t sure = mrc_ring_largest(ring);

    ck_assert_uint_le(sure, largest);
    ck_assert_int_eq(mrc_ring_append(ring, mrc_bytes_of(""), payload, 0, NOW, 0, &seq, &end),
                     APR_SUCCESS);
    payload.len++;
    seq = 77;
    ck_assert_int_eq(mrc_ring_append(ring, mrc_bytes_of(""), payload, 0, NOW, 0, &seq, &end),
                     MRC_STATUS_TOO_LARGE);
    ck_assert_uint_eq(seq, 77);
    payload.len = sure - 3;
    ck_assert_int_eq(mrc_ring_append(ring, mrc_bytes_of("abc"), payload, 0, NOW, 0, &seq, &end),
                     APR_SUCCESS);
    ck_assert_int_eq(
        mrc_ring_append(ring, mrc_bytes_of("abc"), payload, UINT64_C(1) << 32, NOW, 0, &seq, &end),
        MRC_STATUS_TOO_LARGE);
    payload.len = sizeof(size_t) > 4 ? (size_t)(UINT64_C(8) * MRC_RING_RECORD_MAX) : SIZE_MAX / 2;
    ck_assert_int_eq(mrc_ring_append(ring, mrc_bytes_of(""), payload, 0, NOW, 0, &seq, &end),
                     MRC_STATUS_TOO_LARGE);
    ck_assert_sound(ring);
    free((char *)(uintptr_t)payload.ptr);
}
END_TEST

/* The computed capacity holds COUNT records with PAYLOAD bytes in all, and a largest one. */
START_TEST(holds_what_its_size_promises)
{
    const uint64_t count = 1000;
    const uint64_t bytes = 100000;
    uint64_t capacity = mrc_ring_capacity_for(bytes, count, 5000);
    struct mrc_ring *ring =
        store_ring(store_pool(), capacity, (struct mrc_ring_bounds){.count = count});
    char payload[5000] = {0};
    uint64_t seq;
    uint64_t end;
    unsigned i;

    for (i = 0; i < 3 * count; i++)
        ck_assert_int_eq(mrc_ring_append(ring, (struct mrc_bytes){payload, 1},
                                         (struct mrc_bytes){payload, bytes / count - 1}, 1, NOW, 0,
                                         &seq, &end),
                         APR_SUCCESS);
    ck_assert_uint_eq(history_records(ring), count);
    ck_assert_int_eq(mrc_ring_append(ring, (struct mrc_bytes){payload, 0},
                                     (struct mrc_bytes){payload, sizeof(payload)}, 1, NOW, 0, &seq,
                                     &end),
                     APR_SUCCESS);
    ck_assert_uint_eq(history_records(ring), count);
    ck_assert_uint_eq(mrc_ring_capacity_for(MRC_RING_CAPACITY_MAX + 1, 0, 0), 0);
    ck_assert_uint_eq(mrc_ring_capacity_for(0, 0, MRC_RING_RECORD_MAX), 0);
    ck_assert_uint_ge(mrc_ring_capacity_for(1, 0, 1000000), 4000000);
    ck_assert_uint_eq(mrc_ring_buckets_for(bytes, count), 1024);
}
END_TEST

START_TEST(history_keeps_exactly_the_last_count)
{
    struct mrc_ring *ring = store_ring(store_pool(), 65536, (struct mrc_ring_bounds){.count = 3});
    struct mrc_ring_record record = {.buf = NULL};
    uint64_t pos;
    char id[16];
    unsigned i;

    for (i = 1; i <= 10; i++) {
        snprintf(id, sizeof(id), "id%u", i);
        ck_assert_int_eq(append(ring, id, "x", NOW), APR_SUCCESS);
        ck_assert_uint_eq(count_from(ring, mrc_ring_oldest(ring, NOW)), i < 3 ? i : 3);
    }
    pos = mrc_ring_oldest(ring, NOW);
    ck_assert_int_eq(mrc_ring_read(ring, &pos, &record), APR_SUCCESS);
    ck_assert_bytes_eq(record.view.id, "id8");
    ck_assert_int_eq(mrc_ring_find(ring, mrc_bytes_of("id7"), NOW, &pos), APR_NOTFOUND);
    ck_assert_int_eq(mrc_ring_find(ring, mrc_bytes_of("id8"), NOW, &pos), APR_SUCCESS);
    ck_assert_uint_eq(count_from(ring, pos), 2);
    /*
     * A reader that is behind the history can still continue: the ring has not overwritten its
     * records.
     */
    ck_assert_uint_eq(count_from(ring, 0), 10);
    ck_assert_sound(ring);
    mrc_ring_record_free(&record);
}
END_TEST

START_TEST(history_counts_stored_bytes)
{
    struct mrc_ring *ring = store_ring(store_pool(), 65536, (struct mrc_ring_bounds){.bytes = 100});
    uint64_t seq;
    uint64_t end;
    unsigned i;

    for (i = 0; i < 10; i++)
        ck_assert_int_eq(
            mrc_ring_append(ring, mrc_bytes_of("id"), mrc_bytes_of("x"), 25, NOW, 0, &seq, &end),
            APR_SUCCESS);
    ck_assert_uint_eq(history_records(ring), 4);
    ck_assert_int_eq(
        mrc_ring_append(ring, mrc_bytes_of("id"), mrc_bytes_of("x"), 26, NOW, 0, &seq, &end),
        APR_SUCCESS);
    ck_assert_uint_eq(history_records(ring), 3); /* 25 + 25 + 26 */
    ck_assert_int_eq(
        mrc_ring_append(ring, mrc_bytes_of("id"), mrc_bytes_of("x"), 101, NOW, 0, &seq, &end),
        APR_SUCCESS);
    ck_assert_uint_eq(history_records(ring), 0);
    ck_assert_uint_eq(mrc_ring_oldest(ring, NOW), mrc_ring_head(ring));
    ck_assert_sound(ring);
}
END_TEST

START_TEST(history_forgets_by_age)
{
    struct mrc_ring *ring =
        store_ring(store_pool(), 65536, (struct mrc_ring_bounds){.age_us = 1000});
    uint64_t pos;
    char id[16];
    int i;

    for (i = 0; i < 100; i++) {
        snprintf(id, sizeof(id), "id%d", i);
        ck_assert_int_eq(append(ring, id, "x", NOW + i), APR_SUCCESS);
    }
    ck_assert_uint_eq(count_from(ring, mrc_ring_oldest(ring, NOW + 1000)), 100);
    ck_assert_int_eq(mrc_ring_find(ring, mrc_bytes_of("id0"), NOW + 1000, &pos), APR_SUCCESS);
    /* A lookup, without an append. */
    ck_assert_uint_eq(count_from(ring, mrc_ring_oldest(ring, NOW + 1001)), 99);
    ck_assert_int_eq(mrc_ring_find(ring, mrc_bytes_of("id0"), NOW + 1001, &pos), APR_NOTFOUND);
    ck_assert_int_eq(mrc_ring_find(ring, mrc_bytes_of("id1"), NOW + 1001, &pos), APR_SUCCESS);
    ck_assert_uint_eq(history_records(ring), 100);
    /* Many expired records: the lookup removes them from the history. */
    ck_assert_uint_eq(count_from(ring, mrc_ring_oldest(ring, NOW + 1090)), 10);
    ck_assert_uint_eq(history_records(ring), 10);
    /* An append. */
    ck_assert_int_eq(append(ring, "new", "x", NOW + 1095), APR_SUCCESS);
    ck_assert_uint_eq(history_records(ring), 6);
    ck_assert_int_eq(append(ring, "newer", "x", NOW + 5000), APR_SUCCESS);
    ck_assert_uint_eq(history_records(ring), 1);
    ck_assert_sound(ring);
}
END_TEST

START_TEST(history_off_is_empty)
{
    struct mrc_ring *ring = store_ring(store_pool(), 65536, (struct mrc_ring_bounds){.off = true});
    struct mrc_ring_record record = {.buf = NULL};
    uint64_t pos = mrc_ring_head(ring);

    ck_assert_int_eq(append(ring, "a", "x", NOW), APR_SUCCESS);
    ck_assert_uint_eq(mrc_ring_oldest(ring, NOW), mrc_ring_head(ring));
    ck_assert_uint_eq(history_records(ring), 0);
    ck_assert_int_eq(mrc_ring_find(ring, mrc_bytes_of("a"), NOW, &pos), APR_NOTFOUND);
    ck_assert_uint_eq(count_from(ring, pos), 1); /* live readers get it */
    ck_assert_int_eq(mrc_ring_newest(ring, &record), APR_SUCCESS);
    ck_assert_bytes_eq(record.view.id, "a");
    ck_assert_sound(ring);
    mrc_ring_record_free(&record);
}
END_TEST

START_TEST(bounds_change_in_place)
{
    struct mrc_ring *ring = store_ring(store_pool(), 65536, (struct mrc_ring_bounds){.count = 9});
    struct mrc_ring_bounds bounds;
    unsigned i;

    for (i = 0; i < 20; i++)
        ck_assert_int_eq(append(ring, "a", "x", NOW), APR_SUCCESS);
    ck_assert_int_eq(mrc_ring_set_bounds(ring, &(struct mrc_ring_bounds){.count = 5}, NOW, 0),
                     APR_SUCCESS);
    ck_assert_uint_eq(history_records(ring), 5);
    ck_assert_int_eq(mrc_ring_set_bounds(ring, &(struct mrc_ring_bounds){.off = true}, NOW, 0),
                     APR_SUCCESS);
    ck_assert_uint_eq(history_records(ring), 0);
    mrc_ring_get_bounds(ring, &bounds);
    ck_assert(bounds.off && bounds.count == 0);
    ck_assert_int_eq(mrc_ring_set_bounds(ring, &(struct mrc_ring_bounds){.count = 5}, NOW, 0),
                     APR_SUCCESS);
    ck_assert_int_eq(append(ring, "b", "x", NOW), APR_SUCCESS);
    ck_assert_uint_eq(history_records(ring), 1);
    ck_assert_sound(ring);
}
END_TEST

START_TEST(the_earliest_of_equal_ids_wins)
{
    struct mrc_ring *ring = store_ring(store_pool(), 65536, (struct mrc_ring_bounds){.count = 6});
    uint64_t pos;
    unsigned i;

    ck_assert_int_eq(append(ring, "other", "0", NOW), APR_SUCCESS);
    for (i = 0; i < 5; i++)
        ck_assert_int_eq(append(ring, "same", "x", NOW), APR_SUCCESS);
    ck_assert_int_eq(mrc_ring_find(ring, mrc_bytes_of("same"), NOW, &pos), APR_SUCCESS);
    ck_assert_uint_eq(count_from(ring, pos), 4);
    ck_assert_int_eq(append(ring, "last", "x", NOW), APR_SUCCESS);
    ck_assert_int_eq(append(ring, "last", "x", NOW), APR_SUCCESS);
    /* "other" and the first "same" have left the history: the second one is the earliest. */
    ck_assert_int_eq(mrc_ring_find(ring, mrc_bytes_of("other"), NOW, &pos), APR_NOTFOUND);
    ck_assert_int_eq(mrc_ring_find(ring, mrc_bytes_of("same"), NOW, &pos), APR_SUCCESS);
    ck_assert_uint_eq(count_from(ring, pos), 5);
    ck_assert_int_eq(mrc_ring_find(ring, mrc_bytes_of("sam"), NOW, &pos), APR_NOTFOUND);
    ck_assert_int_eq(mrc_ring_find(ring, mrc_bytes_of("samf"), NOW, &pos), APR_NOTFOUND);
    ck_assert_int_eq(mrc_ring_find(ring, mrc_bytes_of(""), NOW, &pos), APR_NOTFOUND);
}
END_TEST

/* Four buckets and many ids: every id in the history is found, every overwritten one is not. */
/* Record number I has the time NOW + I. */
static void check_seek(struct mrc_ring *ring, uint64_t oldest, uint64_t last, int64_t now_us)
{
    struct mrc_ring_record record = {.buf = NULL};

    for (uint64_t seq = 0; seq <= last + 2; seq++) {
        bool is_known = seq >= oldest && seq <= last + 1 && seq > 0;
        uint64_t pos = 1;
        int64_t before_us = -1;

        ck_assert_int_eq(mrc_ring_seek(ring, seq, now_us, &pos, &before_us),
                         is_known ? APR_SUCCESS : APR_NOTFOUND);
        if (!is_known)
            continue;
        ck_assert_int_eq(before_us, seq > oldest ? NOW + (int64_t)seq - 1 : 0);
        ck_assert_uint_eq(mrc_ring_seq_at(ring, pos), seq);
        if (seq == last + 1) {
            ck_assert_uint_eq(pos, mrc_ring_head(ring));
            continue;
        }
        ck_assert_int_eq(mrc_ring_read(ring, &pos, &record), APR_SUCCESS);
        ck_assert_uint_eq(record.view.seq, seq);
    }
    mrc_ring_record_free(&record);
}

START_TEST(records_are_found_by_number)
{
    struct mrc_ring *ring = store_ring(store_pool(), 8192, (struct mrc_ring_bounds){.count = 20});
    const struct mrc_ring_bounds off = {.off = true};
    const struct mrc_ring_bounds age = {.age_us = 10};
    uint64_t pos;
    int64_t before_us;

    check_seek(ring, 1, 0, NOW);
    for (uint64_t last = 1; last <= 200; last++) {
        ck_assert_int_eq(append(ring, "id", "payload", NOW + (int64_t)last), APR_SUCCESS);
        check_seek(ring, last > 20 ? last - 19 : 1, last, NOW + (int64_t)last);
    }
    ck_assert_int_eq(mrc_ring_set_bounds(ring, &age, NOW + 200, 0), APR_SUCCESS);
    check_seek(ring, 196, 200, NOW + 206);
    check_seek(ring, 201, 200, NOW + 1000);
    ck_assert_uint_eq(mrc_ring_seq_at(ring, 0), 0); /* overwritten */
    ck_assert_uint_eq(mrc_ring_seq_at(ring, mrc_ring_head(ring) + 8), 0);
    ck_assert_int_eq(mrc_ring_set_bounds(ring, &off, NOW + 200, 0), APR_SUCCESS);
    ck_assert_int_eq(mrc_ring_seek(ring, 201, NOW + 200, &pos, &before_us), APR_NOTFOUND);
}
END_TEST

START_TEST(ids_share_buckets_and_expire)
{
    struct mrc_ring *ring = store_ring(store_pool(), 8192, (struct mrc_ring_bounds){.count = 0});
    char id[32];
    uint64_t pos;
    int i;

    for (i = 0; i < 2000; i++) {
        struct mrc_ring_stats stats;

        snprintf(id, sizeof(id), "urn:uuid:%d", i);
        ck_assert_int_eq(append(ring, id, "payload", NOW), APR_SUCCESS);
        mrc_ring_stats(ring, &stats);
        if (i < 1000)
            continue;
        snprintf(id, sizeof(id), "urn:uuid:%d", i - (int)stats.records + 1);
        ck_assert_int_eq(mrc_ring_find(ring, mrc_bytes_of(id), NOW, &pos), APR_SUCCESS);
        ck_assert_uint_eq(count_from(ring, pos), stats.records - 1);
        snprintf(id, sizeof(id), "urn:uuid:%d", i - (int)stats.records);
        ck_assert_int_eq(mrc_ring_find(ring, mrc_bytes_of(id), NOW, &pos), APR_NOTFOUND);
    }
    ck_assert_sound(ring);
}
END_TEST

/* Appends COUNT records with the ids FIRST, FIRST + 1, … */
static apr_status_t append_group(struct mrc_ring *ring, unsigned first, size_t count, size_t len)
{
    struct mrc_record records[100];
    static char ids[100][16];
    char *payload = calloc(1, len + 1);
    uint64_t seq;
    apr_status_t status;

    for (size_t i = 0; i < count; i++) {
        snprintf(ids[i], sizeof(ids[i]), "%u", first + (unsigned)i);
        records[i] = (struct mrc_record){
            .id = mrc_bytes_of(ids[i]), .payload = {payload, len}, .stored_bytes = i};
    }
    status = mrc_ring_append_group(ring, records, count, NOW, 0, &seq);
    free(payload);
    return status;
}

/* Groups of every size in a small ring with few buckets, so that members share buckets and wrap. */
START_TEST(groups_are_linked_like_single_records)
{
    struct mrc_ring *ring = store_ring(store_pool(), 8192, (struct mrc_ring_bounds){.count = 0});
    struct mrc_ring_record record = {.buf = NULL};
    unsigned next = 0;
    uint64_t pos = 0;

    for (size_t size = 1; size <= 40; size++) {
        ck_assert_int_eq(append_group(ring, next, size, size % 11), APR_SUCCESS);
        for (size_t i = 0; i < size; i++, next++) {
            char id[16];
            uint64_t found;

            snprintf(id, sizeof(id), "%u", next);
            ck_assert_int_eq(mrc_ring_read(ring, &pos, &record), APR_SUCCESS);
            ck_assert_uint_eq(record.view.seq, next + 1);
            ck_assert_bytes_eq(record.view.id, id);
            ck_assert_uint_eq(record.view.stored_bytes, i);
            ck_assert_int_eq(record.view.time_us, NOW);
            ck_assert_int_eq(mrc_ring_find(ring, mrc_bytes_of(id), NOW, &found), APR_SUCCESS);
            ck_assert_uint_eq(found, pos);
        }
        ck_assert_sound(ring);
    }
    mrc_ring_record_free(&record);
}
END_TEST

START_TEST(group_takes_half_of_the_ring)
{
    struct mrc_ring *ring = store_ring(store_pool(), 4096, (struct mrc_ring_bounds){.count = 0});
    struct mrc_record records[3];
    uint64_t seq = 77;
    char *large = calloc(1, 4096);
    /* Two records of a quarter each fit together. */
    size_t len = 4096 / 4 - MRC_RING_OVERHEAD_BYTES - 8;

    for (size_t i = 0; i < 3; i++)
        records[i] = (struct mrc_record){.id = mrc_bytes_of("i"), .payload = {large, len}};
    ck_assert_uint_eq(mrc_ring_count_fitting(ring, records, 3), 2);
    ck_assert_int_eq(mrc_ring_append_group(ring, records, 3, NOW, 0, &seq), MRC_STATUS_TOO_LARGE);
    records[1].payload.len++;
    ck_assert_uint_eq(mrc_ring_count_fitting(ring, records, 2), 1);
    ck_assert_int_eq(mrc_ring_append_group(ring, records, 2, NOW, 0, &seq), MRC_STATUS_TOO_LARGE);
    ck_assert_uint_eq(seq, 77);
    ck_assert_uint_eq(mrc_ring_head(ring), 0);
    records[1].payload.len--;
    ck_assert_int_eq(mrc_ring_append_group(ring, records, 2, NOW, 0, &seq), APR_SUCCESS);
    ck_assert_uint_eq(seq, 1);
    ck_assert_uint_eq(mrc_ring_head(ring), 2048);
    ck_assert_sound(ring);
    free(large);
}
END_TEST

/* The bounds of the history are kept after a group, which may be larger than they are. */
START_TEST(group_is_trimmed_to_the_bounds)
{
    struct mrc_ring *ring = store_ring(store_pool(), 65536, (struct mrc_ring_bounds){.count = 3});
    uint64_t pos;

    ck_assert_int_eq(append_group(ring, 0, 5, 1), APR_SUCCESS);
    ck_assert_uint_eq(history_records(ring), 3);
    ck_assert_int_eq(mrc_ring_find(ring, mrc_bytes_of("1"), NOW, &pos), APR_NOTFOUND);
    ck_assert_int_eq(mrc_ring_find(ring, mrc_bytes_of("2"), NOW, &pos), APR_SUCCESS);
    ck_assert_uint_eq(count_from(ring, pos), 2);
    ck_assert_sound(ring);
}
END_TEST

START_TEST(reports_an_overrun_to_a_slow_reader)
{
    struct mrc_ring *ring = store_ring(store_pool(), 1024, (struct mrc_ring_bounds){.count = 0});
    struct mrc_ring_record record = {.buf = NULL};
    uint64_t slow = 0;
    uint64_t pos;
    int i;

    for (i = 0; i < 100; i++)
        ck_assert_int_eq(append(ring, "id", "x", NOW), APR_SUCCESS);
    ck_assert_int_eq(mrc_ring_read(ring, &slow, &record), MRC_STATUS_OVERRUN);
    ck_assert_uint_eq(slow, 0);
    pos = mrc_ring_oldest(ring, NOW);
    ck_assert_int_eq(mrc_ring_read(ring, &pos, &record), APR_SUCCESS);
    pos = mrc_ring_head(ring) + 8;
    ck_assert_int_eq(mrc_ring_read(ring, &pos, &record), MRC_STATUS_CORRUPT);
    pos = mrc_ring_head(ring) - 8;
    ck_assert_int_eq(mrc_ring_read(ring, &pos, &record), MRC_STATUS_CORRUPT);
    pos = mrc_ring_head(ring) - 1;
    ck_assert_int_eq(mrc_ring_read(ring, &pos, &record), MRC_STATUS_CORRUPT);
    mrc_ring_record_free(&record);
}
END_TEST

static uint64_t order(struct mrc_ring *ring, const char *payload)
{
    uint64_t pos;

    ck_assert_int_eq(mrc_ring_append_control(ring, mrc_bytes_of(payload), NOW, 0, &pos),
                     APR_SUCCESS);
    ck_assert_uint_eq(pos, mrc_ring_head(ring));
    return mrc_ring_control(ring);
}

/*
 * Numbers, counts, bytes, ids and the newest update are the same with and without control records.
 */
START_TEST(control_records_are_no_updates)
{
    struct mrc_ring *ring =
        store_ring(store_pool(), 65536, (struct mrc_ring_bounds){.count = 3, .bytes = 1000});
    struct mrc_ring_record record = {.buf = NULL};
    struct mrc_ring_stats stats;
    uint64_t pos, seq;

    ck_assert_uint_eq(mrc_ring_control(ring), 0);
    order(ring, "first");
    ck_assert_int_eq(mrc_ring_newest(ring, &record), APR_NOTFOUND);
    mrc_ring_end(ring, &pos, &seq);
    ck_assert_uint_eq(seq, 0);
    ck_assert_uint_eq(mrc_ring_oldest(ring, NOW), mrc_ring_head(ring));
    for (int i = 0; i < 4; i++) {
        char id[] = {(char)('a' + i), '\0'};

        ck_assert_int_eq(append(ring, id, "x", NOW), APR_SUCCESS);
        order(ring, "between");
        order(ring, "and again");
    }
    ck_assert_int_eq(mrc_ring_newest(ring, &record), APR_SUCCESS);
    ck_assert_bytes_eq(record.view.id, "d");
    ck_assert(!record.view.is_control);
    mrc_ring_end(ring, &pos, &seq);
    ck_assert_uint_eq(seq, 4);
    ck_assert_uint_eq(pos, mrc_ring_head(ring));
    mrc_ring_stats(ring, &stats);
    ck_assert_uint_eq(stats.records, 3);
    ck_assert_uint_eq(stats.bytes, 6);
    ck_assert_uint_eq(stats.last_seq, 4);
    pos = mrc_ring_oldest(ring, NOW);
    ck_assert_int_eq(mrc_ring_read(ring, &pos, &record), APR_SUCCESS);
    ck_assert_bytes_eq(record.view.id, "b");
    ck_assert_int_eq(mrc_ring_read(ring, &pos, &record), APR_SUCCESS);
    ck_assert(record.view.is_control);
    ck_assert_uint_eq(record.view.seq, 2);
    ck_assert_int_eq(mrc_ring_find(ring, mrc_bytes_of(""), NOW, &pos), APR_NOTFOUND);
    ck_assert_int_eq(mrc_ring_append_control_as(ring, mrc_bytes_of("an id"), mrc_bytes_of("order"),
                                                NOW - 1, NOW, 0),
                     APR_SUCCESS);
    ck_assert_int_eq(mrc_ring_find(ring, mrc_bytes_of("an id"), NOW, &pos), APR_NOTFOUND);
    pos = mrc_ring_control(ring) - 1;
    ck_assert_int_eq(mrc_ring_read(ring, &pos, &record), APR_SUCCESS);
    ck_assert_bytes_eq(record.view.id, "an id");
    ck_assert_int_eq(record.view.time_us, NOW - 1);
    ck_assert_int_eq(mrc_ring_find(ring, mrc_bytes_of("d"), NOW, &pos), APR_SUCCESS);
    ck_assert_sound(ring);
    mrc_ring_record_free(&record);
}
END_TEST

START_TEST(control_records_are_a_chain)
{
    struct mrc_ring *ring = store_ring(store_pool(), 2048, (struct mrc_ring_bounds){.count = 0});
    struct mrc_ring_record record = {.buf = NULL};
    uint64_t first = order(ring, "1"), second, before = 99, pos;

    ck_assert_int_eq(append(ring, "a", "x", NOW), APR_SUCCESS);
    second = order(ring, "2");
    ck_assert_uint_gt(second, first);
    ck_assert_int_eq(mrc_ring_control_before(ring, second, &before), APR_SUCCESS);
    ck_assert_uint_eq(before, first);
    ck_assert_int_eq(mrc_ring_control_before(ring, first, &before), APR_SUCCESS);
    ck_assert_uint_eq(before, 0);
    ck_assert_uint_eq(mrc_ring_seq_at(ring, first - 1), 1);
    ck_assert_uint_eq(mrc_ring_seq_at(ring, second - 1), 2);
    ck_assert_int_eq(mrc_ring_control_before(ring, 0, &before), APR_EINVAL);
    pos = first - 1;
    ck_assert_int_eq(mrc_ring_read(ring, &pos, &record), APR_SUCCESS);
    ck_assert_bytes_eq(record.view.payload, "1");
    ck_assert_int_eq(mrc_ring_control_before(ring, pos + 1, &before), MRC_STATUS_CORRUPT);
    for (int i = 0; i < 60; i++)
        ck_assert_int_eq(append(ring, "b", "x", NOW), APR_SUCCESS);
    ck_assert_int_eq(mrc_ring_control_before(ring, second, &before), MRC_STATUS_OVERRUN);
    ck_assert_sound(ring);
    mrc_ring_record_free(&record);
}
END_TEST

/*
 * More control records than the ring holds: the updates before them are gone, and so is the newest.
 */
START_TEST(control_records_overwrite_updates)
{
    struct mrc_ring *ring = store_ring(store_pool(), 2048, (struct mrc_ring_bounds){.count = 0});
    struct mrc_ring_record record = {.buf = NULL};
    uint64_t pos, seq;

    ck_assert_int_eq(append(ring, "a", "x", NOW), APR_SUCCESS);
    for (int i = 0; i < 100; i++) {
        order(ring, "an order that has some bytes");
        ck_assert_sound(ring);
    }
    ck_assert_int_eq(mrc_ring_newest(ring, &record), APR_NOTFOUND);
    ck_assert_uint_eq(history_records(ring), 0);
    mrc_ring_end(ring, &pos, &seq);
    ck_assert_uint_eq(seq, 1);
    ck_assert_int_eq(append(ring, "b", "x", NOW), APR_SUCCESS);
    ck_assert_int_eq(mrc_ring_newest(ring, &record), APR_SUCCESS);
    ck_assert_uint_eq(record.view.seq, 2);
    ck_assert_sound(ring);
    mrc_ring_record_free(&record);
}
END_TEST

START_TEST(control_records_do_not_move)
{
    apr_pool_t *pool = store_pool();
    struct mrc_ring *from = store_ring(pool, 2048, (struct mrc_ring_bounds){.count = 5});
    struct mrc_ring *to = store_ring(pool, 65536, (struct mrc_ring_bounds){.count = 100});
    struct mrc_ring_record record = {.buf = NULL};

    ck_assert_int_eq(append(from, "a", "x", NOW), APR_SUCCESS);
    order(from, "1");
    ck_assert_int_eq(append(from, "b", "x", NOW), APR_SUCCESS);
    order(from, "2");
    ck_assert_int_eq(mrc_ring_move(from, to, NOW, 0), APR_SUCCESS);
    ck_assert_uint_eq(mrc_ring_control(to), 0);
    ck_assert_uint_eq(count_from(to, mrc_ring_oldest(to, NOW)), 2);
    ck_assert_int_eq(mrc_ring_newest(to, &record), APR_SUCCESS);
    ck_assert_bytes_eq(record.view.id, "b");
    ck_assert_sound(to);
    mrc_ring_record_free(&record);
}
END_TEST

START_TEST(moves_to_a_larger_ring)
{
    apr_pool_t *pool = store_pool();
    struct mrc_ring *from = store_ring(pool, 2048, (struct mrc_ring_bounds){.count = 5});
    struct mrc_ring *to = store_ring(pool, 65536, (struct mrc_ring_bounds){.count = 100});
    struct mrc_ring_record record = {.buf = NULL};
    struct mrc_ring_stats stats;
    uint64_t pos;
    char id[16];
    int i;

    for (i = 1; i <= 50; i++) {
        snprintf(id, sizeof(id), "id%d", i);
        ck_assert_int_eq(append(from, id, "x", NOW + i), APR_SUCCESS);
    }
    ck_assert_int_eq(mrc_ring_move(from, to, NOW, 0), APR_SUCCESS);
    ck_assert_uint_eq(history_records(to), 5);
    pos = mrc_ring_oldest(to, NOW);
    ck_assert_int_eq(mrc_ring_read(to, &pos, &record), APR_SUCCESS);
    ck_assert_bytes_eq(record.view.id, "id46");
    ck_assert_uint_eq(record.view.seq, 46);
    ck_assert_int_eq(record.view.time_us, NOW + 46);
    ck_assert_int_eq(append(to, "next", "x", NOW), APR_SUCCESS);
    ck_assert_int_eq(mrc_ring_newest(to, &record), APR_SUCCESS);
    ck_assert_uint_eq(record.view.seq, 51);
    ck_assert_int_eq(append(from, "late", "x", NOW), MRC_STATUS_SUPERSEDED);
    mrc_ring_stats(from, &stats);
    ck_assert(stats.superseded);
    ck_assert_int_eq(mrc_ring_move(from, to, NOW, 0), MRC_STATUS_SUPERSEDED);
    ck_assert_sound(from);
    ck_assert_sound(to);
    mrc_ring_record_free(&record);
}
END_TEST

START_TEST(moves_to_a_smaller_ring)
{
    apr_pool_t *pool = store_pool();
    struct mrc_ring *from = store_ring(pool, 65536, (struct mrc_ring_bounds){.count = 0});
    struct mrc_ring *to = store_ring(pool, 2048, (struct mrc_ring_bounds){.count = 0});
    struct mrc_ring_record record = {.buf = NULL};
    struct mrc_bytes large = {calloc(1, 8000), 8000};
    uint64_t seq;
    uint64_t end;
    int i;

    for (i = 1; i <= 50; i++)
        ck_assert_int_eq(append(from, "id", "x", NOW + i), APR_SUCCESS);
    ck_assert_int_eq(mrc_ring_append(from, mrc_bytes_of("large"), large, 1, NOW, 0, &seq, &end),
                     APR_SUCCESS);
    ck_assert_int_eq(append(from, "last", "x", NOW), APR_SUCCESS);
    ck_assert_int_eq(mrc_ring_move(from, to, NOW, 0), APR_SUCCESS);
    ck_assert_int_eq(mrc_ring_newest(to, &record), APR_SUCCESS);
    ck_assert_bytes_eq(record.view.id, "last");
    ck_assert_uint_eq(record.view.seq, 52);
    ck_assert_int_eq(mrc_ring_find(to, mrc_bytes_of("large"), NOW, &end), APR_NOTFOUND);
    ck_assert_uint_eq(history_records(to), 2048 / 72); /* as many as fit */
    ck_assert_sound(to);
    mrc_ring_record_free(&record);
    free((char *)(uintptr_t)large.ptr);
}
END_TEST

START_TEST(moves_the_last_id_without_a_history)
{
    apr_pool_t *pool = store_pool();
    struct mrc_ring *from = store_ring(pool, 2048, (struct mrc_ring_bounds){.off = true});
    struct mrc_ring *to = store_ring(pool, 4096, (struct mrc_ring_bounds){.count = 10});
    struct mrc_ring_record record = {.buf = NULL};

    ck_assert_int_eq(append(from, "a", "x", NOW), APR_SUCCESS);
    ck_assert_int_eq(append(from, "b", "x", NOW), APR_SUCCESS);
    ck_assert_int_eq(mrc_ring_move(from, to, NOW, 0), APR_SUCCESS);
    ck_assert_uint_eq(history_records(to), 0);
    ck_assert_int_eq(mrc_ring_newest(to, &record), APR_SUCCESS);
    ck_assert_bytes_eq(record.view.id, "b");
    ck_assert_int_eq(append(to, "c", "x", NOW), APR_SUCCESS);
    ck_assert_uint_eq(history_records(to), 1);
    ck_assert_sound(to);
    mrc_ring_record_free(&record);
}
END_TEST

/* Forks a process that takes the lock of RING and dies with it, after DO_IT. */
static void die_with_the_lock(struct mrc_ring *ring, void (*do_it)(struct mrc_ring *))
{
    pid_t pid = fork();
    int status;

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        pthread_mutex_lock(&ring->header->lock.mutex);
        if (do_it)
            do_it(ring);
        raise(SIGKILL);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFSIGNALED(status));
}

START_TEST(keeps_its_deadline)
{
    struct mrc_ring *ring = store_ring(store_pool(), 1024, (struct mrc_ring_bounds){.count = 0});
    struct mrc_ring_bounds bounds = {.count = 1};
    uint64_t seq;
    uint64_t end;
    int status;
    pid_t pid;

    pthread_mutex_lock(&ring->header->lock.mutex);
    pid = fork();
    if (pid == 0) {
        if (append(ring, "a", "x", NOW) != APR_TIMEUP)
            _exit(1);
        if (mrc_ring_append(ring, mrc_bytes_of("a"), mrc_bytes_of("x"), 1, NOW, 50000, &seq,
                            &end) != APR_TIMEUP)
            _exit(2);
        if (mrc_ring_set_bounds(ring, &bounds, NOW, 1000) != APR_TIMEUP)
            _exit(3);
        mrc_ring_supersede(ring, 1000);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    pthread_mutex_unlock(&ring->header->lock.mutex);
    ck_assert_uint_eq(mrc_ring_head(ring), 0);
    ck_assert_int_eq(append(ring, "a", "x", NOW), MRC_STATUS_SUPERSEDED);
}
END_TEST

/* Writes the words of a record without moving the head. */
static void scribble(struct mrc_ring *ring)
{
    uint64_t at = mrc_ring_head(ring);
    int i;

    for (i = 0; i < 9; i++, at += 8)
        atomic_store(&ring->words[at % ring->capacity / 8], UINT64_C(0xdeadbeefdeadbeef));
}

static _Atomic uint64_t *bucket_of(struct mrc_ring *ring, uint64_t pos,
                                   const struct mrc_ring_meta *meta)
{
    return &ring->buckets[mrc_ring_index_bucket_at(ring, pos, meta->id_hash)];
}

/* Makes the state of a writer of three records that died after it moved the head. */
static void unlink_group(struct mrc_ring *ring)
{
    uint64_t end = mrc_ring_head(ring);

    for (int i = 0; i < 3; i++) {
        uint64_t total = mrc_ring_codec_footer(ring, end) & UINT32_MAX;
        struct mrc_ring_meta meta;

        mrc_ring_codec_load(ring, end - total, end, &meta);
        atomic_store(bucket_of(ring, end - total, &meta), meta.chain);
        atomic_store(&ring->header->last_seq, meta.seq - 1);
        end -= total;
    }
}

/* Makes the state of a writer that died after it moved the head and before it set the bucket. */
static void unlink_newest(struct mrc_ring *ring)
{
    struct mrc_ring_record record = {.buf = NULL};
    struct mrc_ring_meta meta;

    mrc_ring_newest(ring, &record);
    mrc_ring_codec_load(ring, record.pos, mrc_ring_head(ring), &meta);
    atomic_store(bucket_of(ring, record.pos, &meta), meta.chain);
    atomic_store(&ring->header->last_seq, meta.seq - 1);
    atomic_fetch_sub(&ring->header->history_records, 1);
    atomic_fetch_sub(&ring->header->history_bytes, record.view.stored_bytes);
    mrc_ring_record_free(&record);
}

START_TEST(a_dead_writer_leaves_nothing_half_done)
{
    struct mrc_ring *ring = store_ring(store_pool(), 65536, (struct mrc_ring_bounds){.count = 3});
    struct mrc_ring_record record = {.buf = NULL};
    struct mrc_ring_stats stats;
    uint64_t pos;

    ck_assert_int_eq(append(ring, "a", "x", NOW), APR_SUCCESS);
    die_with_the_lock(ring, NULL);
    ck_assert_int_eq(append(ring, "b", "x", NOW), APR_SUCCESS);
    die_with_the_lock(ring, scribble);
    ck_assert_int_eq(append(ring, "c", "x", NOW), APR_SUCCESS);
    ck_assert_sound(ring);
    die_with_the_lock(ring, unlink_newest);
    /* The newest record is found although it is not in its bucket. */
    ck_assert_int_eq(mrc_ring_find(ring, mrc_bytes_of("c"), NOW, &pos), APR_SUCCESS);
    ck_assert_uint_eq(pos, mrc_ring_head(ring));
    ck_assert_int_eq(append(ring, "d", "x", NOW), APR_SUCCESS);
    ck_assert_int_eq(mrc_ring_find(ring, mrc_bytes_of("c"), NOW, &pos), APR_SUCCESS);
    ck_assert_uint_eq(count_from(ring, pos), 1);
    ck_assert_int_eq(mrc_ring_newest(ring, &record), APR_SUCCESS);
    ck_assert_uint_eq(record.view.seq, 4);
    mrc_ring_stats(ring, &stats);
    ck_assert_uint_eq(stats.recoveries, 3);
    ck_assert_uint_eq(stats.resets, 0);
    ck_assert_uint_eq(stats.records, 3);
    ck_assert_sound(ring);
    mrc_ring_record_free(&record);
}
END_TEST

START_TEST(a_dead_writer_of_a_group_leaves_all_of_it)
{
    struct mrc_ring *ring = store_ring(store_pool(), 65536, (struct mrc_ring_bounds){.count = 0});
    static const char *const ids[] = {"0", "10", "11", "12"};
    uint64_t pos;

    ck_assert_int_eq(append_group(ring, 0, 5, 1), APR_SUCCESS);
    ck_assert_int_eq(append_group(ring, 10, 3, 1), APR_SUCCESS);
    die_with_the_lock(ring, unlink_group);
    for (int repaired = 0; repaired < 2; repaired++) {
        for (size_t i = 0; i < 4; i++)
            ck_assert_int_eq(mrc_ring_find(ring, mrc_bytes_of(ids[i]), NOW, &pos), APR_SUCCESS);
        ck_assert_int_eq(append(ring, "next", "x", NOW), APR_SUCCESS);
    }
    ck_assert_sound(ring);
}
END_TEST

START_TEST(a_dead_writer_without_a_history)
{
    struct mrc_ring *ring = store_ring(store_pool(), 65536, (struct mrc_ring_bounds){.off = true});
    struct mrc_ring_record record = {.buf = NULL};

    ck_assert_int_eq(append(ring, "a", "x", NOW), APR_SUCCESS);
    ck_assert_int_eq(append(ring, "b", "x", NOW), APR_SUCCESS);
    atomic_store(&ring->header->last_seq, 1);
    die_with_the_lock(ring, NULL);
    ck_assert_int_eq(append(ring, "c", "x", NOW), APR_SUCCESS);
    ck_assert_int_eq(mrc_ring_newest(ring, &record), APR_SUCCESS);
    ck_assert_uint_eq(record.view.seq, 3);
    ck_assert_sound(ring);
    mrc_ring_record_free(&record);
}
END_TEST

static void destroy(struct mrc_ring *ring)
{
    uint64_t i;

    for (i = 0; i < ring->capacity / 8; i++)
        atomic_store(&ring->words[i], UINT64_C(0xffffffffffffffff));
}

/* No death of a writer causes contradictions. The hub must still work, and report them. */
START_TEST(contradictions_end_in_a_reset)
{
    struct mrc_ring *ring = store_ring(store_pool(), 4096, (struct mrc_ring_bounds){.count = 0});
    struct mrc_ring_stats stats;
    uint64_t pos;
    int i;

    for (i = 0; i < 20; i++)
        ck_assert_int_eq(append(ring, "a", "x", NOW), APR_SUCCESS);
    die_with_the_lock(ring, destroy);
    ck_assert_int_eq(mrc_ring_find(ring, mrc_bytes_of("a"), NOW, &pos), APR_NOTFOUND);
    ck_assert_int_eq(append(ring, "b", "x", NOW), APR_SUCCESS);
    mrc_ring_stats(ring, &stats);
    ck_assert_uint_eq(stats.resets, 1);
    ck_assert_uint_eq(stats.records, 1);
    ck_assert_uint_eq(stats.last_seq, 21);
    ck_assert_sound(ring);
    destroy(ring); /* without a death, they are noticed when the tail moves */
    for (i = 0; i < 200; i++)
        ck_assert_int_eq(append(ring, "a", "x", NOW), APR_SUCCESS);
    mrc_ring_stats(ring, &stats);
    ck_assert_uint_eq(stats.resets, 2);
    ck_assert_sound(ring);
}
END_TEST

static void ignore(void *ctx, const char *text)
{
    ++*(unsigned *)ctx;
}

START_TEST(the_check_finds_contradictions)
{
    struct mrc_ring *ring = store_ring(store_pool(), 4096, (struct mrc_ring_bounds){.count = 0});
    uint64_t head;
    unsigned said = 0;
    uint64_t i;

    for (i = 0; i < 100; i++)
        ck_assert_int_eq(append(ring, "abc", "payload", NOW), APR_SUCCESS);
    ck_assert_sound(ring);
    head = mrc_ring_head(ring);
    for (i = 8; i <= MRC_RING_OVERHEAD_BYTES + 16; i += 8) {
        _Atomic uint64_t *word = &ring->words[(head - i) % ring->capacity / 8];
        uint64_t good = atomic_load(word);

        if (i == 16 || i == MRC_RING_OVERHEAD_BYTES + 16 - 8)
            continue; /* any payload and any time are valid */
        atomic_store(word, good ^ UINT64_C(0x100000000000010));
        ck_assert_msg(mrc_ring_check(ring, ignore, &said) > 0, "word %" PRIu64 " before the head",
                      i / 8);
        atomic_store(word, good);
        ck_assert_sound(ring);
    }
    atomic_fetch_add(&ring->header->history_records, 1);
    ck_assert_uint_eq(mrc_ring_check(ring, ignore, &said), 1);
    atomic_store(&ring->header->tail, head + 8);
    ck_assert_uint_eq(mrc_ring_check(ring, ignore, &said), 1);
    ck_assert_uint_gt(said, 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ring");
    TCase *tcase = tcase_create("ring");

    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, reads_what_was_appended);
    tcase_add_test(tcase, wraps_at_every_alignment);
    tcase_add_test(tcase, takes_the_largest_and_refuses_one_byte_more);
    tcase_add_test(tcase, holds_what_its_size_promises);
    tcase_add_test(tcase, history_keeps_exactly_the_last_count);
    tcase_add_test(tcase, history_counts_stored_bytes);
    tcase_add_test(tcase, history_forgets_by_age);
    tcase_add_test(tcase, history_off_is_empty);
    tcase_add_test(tcase, bounds_change_in_place);
    tcase_add_test(tcase, the_earliest_of_equal_ids_wins);
    tcase_add_test(tcase, records_are_found_by_number);
    tcase_add_test(tcase, ids_share_buckets_and_expire);
    tcase_add_test(tcase, groups_are_linked_like_single_records);
    tcase_add_test(tcase, group_takes_half_of_the_ring);
    tcase_add_test(tcase, group_is_trimmed_to_the_bounds);
    tcase_add_test(tcase, reports_an_overrun_to_a_slow_reader);
    tcase_add_test(tcase, control_records_are_no_updates);
    tcase_add_test(tcase, control_records_are_a_chain);
    tcase_add_test(tcase, control_records_overwrite_updates);
    tcase_add_test(tcase, control_records_do_not_move);
    tcase_add_test(tcase, moves_to_a_larger_ring);
    tcase_add_test(tcase, moves_to_a_smaller_ring);
    tcase_add_test(tcase, moves_the_last_id_without_a_history);
    tcase_add_test(tcase, keeps_its_deadline);
    tcase_add_test(tcase, a_dead_writer_leaves_nothing_half_done);
    tcase_add_test(tcase, a_dead_writer_of_a_group_leaves_all_of_it);
    tcase_add_test(tcase, a_dead_writer_without_a_history);
    tcase_add_test(tcase, contradictions_end_in_a_reset);
    tcase_add_test(tcase, the_check_finds_contradictions);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
