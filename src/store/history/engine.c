/*
 * The history of a hub with a transport. A publisher stages its updates as one package; the link of
 * one child of this machine sends them to the engine, and appends to the ring what comes back, from
 * this machine and from the others. Everything else is like the history in memory.
 */
#include <string.h>

#include "apr_thread_proc.h"
#include "apr_time.h"

#include "core/base/buf.h"
#include "core/base/siphash.h"
#include "core/protocol/update.h"
#include "store/base/clock.h"
#include "store/base/status.h"
#include "store/engine/entry.h"
#include "store/history/backend.h"
#include "store/history/history.h"
#include "store/hub/segment.h"
#include "store/regions/link.h"
#include "store/regions/staging.h"
#include "store/ring/ring.h"
#include "store/shm/notify.h"

/* A waiting publisher looks for its result after this time, even if it is not woken. */
#define LOOK_US ((int64_t)100 * 1000)

/*
 * The most records of one package, unless they have to stay together: the engine serves nobody else
 * while it stores a package.
 */
#define PACKAGE_RECORDS_MAX 64

/* The most records that the search for a position reads. */
#define SEEK_TRIES 16

/* The same, in a part of the ring where several records may have one number. */
#define SEEK_READS 4096

/*
 * When the engine is back, the other machines put back what it has lost within this time: the
 * longest pause between two attempts to connect, with some margin.
 */
#define RETURN_US ((int64_t)3000 * 1000)

/* The pause of a publisher that finds no free slot. */
#define FULL_PAUSE_US ((int64_t)1000)

struct engine_history {
    struct mrc_history base;
    struct mrc_staging *staging;
    struct mrc_link *link;
    unsigned slot; /* of this child */
    int64_t timeout_us;
};

static struct engine_history *engine_of(const struct mrc_history *history)
{
    return (struct engine_history *)(uintptr_t)history;
}

/* ---- publishing -------------------------------------------------------------------------------*/

static apr_status_t refuse(struct engine_history *history, enum mrc_link_refusal refusal,
                           apr_status_t status)
{
    mrc_link_count(history->link, (unsigned)MRC_LINK_REFUSED + (unsigned)refusal, 1);
    return status;
}

static bool is_down(const struct engine_history *history)
{
    struct mrc_link_status status;

    mrc_link_get_status(history->link, &status);
    return status.state == MRC_LINK_DOWN;
}

static void ring_bell(const struct engine_history *history)
{
    if (mrc_link_is_napping(history->link))
        mrc_notify_ring_bell(history->base.notify);
}

/* The publisher stops waiting. False: the result is known after all. */
static bool give_up(struct engine_history *history, int64_t ticket, apr_status_t *ret_status)
{
    if (mrc_staging_withdraw(history->staging, ticket)) {
        *ret_status = refuse(history, MRC_LINK_REFUSED_TIMEOUT, MRC_STATUS_UNREACHABLE);
        return true;
    }
    if (mrc_staging_abandon(history->staging, ticket)) {
        *ret_status = refuse(history, MRC_LINK_REFUSED_TIMEOUT, MRC_STATUS_UNCONFIRMED);
        return true;
    }
    return false;
}

/* Waits until the package of TICKET is decided. */
static apr_status_t wait_for(struct engine_history *history, int64_t ticket, int64_t until_us)
{
    apr_status_t status;

    for (;;) {
        int64_t left_us;

        mrc_staging_answer_nudge(history->staging, ticket);
        if (mrc_staging_poll(history->staging, ticket, &status))
            return status;
        left_us = until_us - mrc_clock_us();
        if (left_us <= 0 && give_up(history, ticket, &status))
            return status;
        mrc_staging_wait(history->staging, ticket,
                         left_us < 1         ? 1
                         : left_us < LOOK_US ? left_us
                                             : LOOK_US);
    }
}

/* Stages PACKAGE, which may have to wait for a free slot. */
static apr_status_t stage(struct engine_history *history, const struct mrc_record *package,
                          int64_t until_us, int64_t *ret_ticket)
{
    for (;;) {
        if (mrc_ring_is_superseded(history->base.ring))
            return MRC_STATUS_SUPERSEDED;
        if (is_down(history)) {
            mrc_link_count_refused(history->link);
            return MRC_STATUS_UNREACHABLE;
        }
        *ret_ticket = mrc_staging_stage(history->staging, history->slot, package);
        if (*ret_ticket >= 0)
            return APR_SUCCESS;
        if (mrc_clock_us() >= until_us)
            return refuse(history, MRC_LINK_REFUSED_TIMEOUT, MRC_STATUS_UNREACHABLE);
        ring_bell(history);
        apr_sleep(FULL_PAUSE_US);
    }
}

static apr_status_t append_package(struct engine_history *history, struct mrc_bytes bytes)
{
    const struct mrc_record package = {.payload = bytes};
    int64_t until_us = mrc_clock_us() + history->timeout_us;
    int64_t ticket = -1;
    apr_status_t status = stage(history, &package, until_us, &ticket);

    if (status)
        return status;
    ring_bell(history);
    return wait_for(history, ticket, until_us);
}

static apr_status_t append_batch(struct mrc_history *base, const struct mrc_record *records,
                                 size_t count, int64_t now_us)
{
    struct engine_history *history = engine_of(base);
    uint64_t largest = mrc_ring_largest(base->ring);
    apr_status_t status = APR_SUCCESS;
    struct mrc_buf package;

    for (size_t i = 0; i < count; i++) {
        if (records[i].stored_bytes > MRC_RECORD_STORED_BYTES_MAX || records[i].id.len > largest ||
            records[i].payload.len > largest - records[i].id.len)
            return MRC_STATUS_TOO_LARGE;
    }
    mrc_buf_init(&package, mrc_staging_largest(history->staging));
    mrc_entry_add_package(&package, records, count);
    if (mrc_buf_error(&package))
        status = mrc_buf_error(&package) == MRC_ENOMEM ? APR_ENOMEM : MRC_STATUS_TOO_LARGE;
    if (!status)
        status = append_package(history, mrc_buf_bytes(&package));
    mrc_buf_free(&package);
    return status;
}

/* The number of RECORDS, at least one, that one package takes. */
static size_t count_packed(const struct mrc_record *records, size_t count)
{
    size_t bytes = 0, n = 0;

    while (n < count && n < PACKAGE_RECORDS_MAX) {
        bytes += records[n].id.len + records[n].payload.len + records[n].operation.len +
                 MRC_ENTRY_BLOB_EXTRA_BYTES + MRC_ENTRY_PACKAGE_EXTRA_BYTES;
        if (n > 0 && bytes > MRC_STAGING_DATA_BYTES)
            break;
        n++;
    }
    return n;
}

static apr_status_t append(struct mrc_history *base, const struct mrc_record *records, size_t count,
                           int64_t now_us, size_t *ret_done)
{
    apr_status_t status = APR_SUCCESS;
    size_t done = 0;

    while (done < count && !status) {
        size_t n = count_packed(records + done, count - done);

        status = append_batch(base, records + done, n, now_us);
        if (!status)
            done += n;
    }
    *ret_done = done;
    return status;
}

static apr_status_t append_control(struct mrc_history *base, struct mrc_bytes payload,
                                   struct mrc_bytes operation, int64_t now_us)
{
    const struct mrc_record order = {
        .id = mrc_bytes_of(""),
        .payload = payload,
        .operation = operation,
        .is_control = true,
    };

    return append_batch(base, &order, 1, now_us);
}

/* ---- positions --------------------------------------------------------------------------------*/

/*
 * The numbers of the ring differ between machines, so a position names the record before it by its
 * origin: its number in the log of the engine, and a hash of writer and counter, because after a
 * loss the engine gives numbers again.
 *
 * In a window (mrc_link_unsettle()), what a client has had before this record depends on the
 * machine, so the hash covers the machine too. On that machine the position is exact, so that a
 * client makes progress, even if it needs many streams to read the window. The others do not know
 * it.
 */

static int hex_value(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool get_position_key(const struct mrc_history *base, unsigned char *key)
{
    char text[MRC_LINK_KEY_BYTES];

    if (mrc_link_get_key(engine_of(base)->link, text) != (size_t)2 * MRC_HUB_POSITION_KEY_BYTES)
        return false;
    for (size_t i = 0; i < MRC_HUB_POSITION_KEY_BYTES; i++) {
        int high = hex_value(text[2 * i]), low = hex_value(text[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        key[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

/* Whose order of the updates a position refers to. */
enum order { ORDER_OF_ALL, ORDER_OF_MACHINE };

/* The origin of RECORD, as two words. False: it has none. */
static bool origin_of(const struct mrc_history *base, const struct mrc_ring_record *record,
                      enum order order, uint64_t *ret_first, int64_t *ret_second)
{
    size_t token_bytes = order == ORDER_OF_MACHINE ? 3 * sizeof(uint64_t) : 2 * sizeof(uint64_t);
    unsigned char key[MRC_HUB_POSITION_KEY_BYTES];
    struct mrc_update_origin origin;
    uint64_t token[3], siphash_key[2];
    size_t unused;

    if (!mrc_update_get_origin(record->view.payload, &origin, &unused) || !origin.writer ||
        !get_position_key(base, key))
        return false;
    memcpy(siphash_key, key, sizeof(siphash_key));
    token[0] = origin.writer;
    token[1] = origin.counter;
    token[2] = mrc_link_writer(engine_of(base)->link);
    *ret_first = origin.number;
    *ret_second =
        (int64_t)mrc_siphash(siphash_key, (struct mrc_bytes){(const char *)token, token_bytes});
    return true;
}

/* Reads the record SEQ of the history. RET_PLACE: after it. */
static bool read_record(const struct mrc_history *base, uint64_t seq, int64_t now_us,
                        struct mrc_ring_record *record, struct mrc_place *ret_place)
{
    int64_t unused;
    uint64_t pos;

    if (mrc_ring_seek(base->ring, seq, now_us, &pos, &unused) != APR_SUCCESS ||
        mrc_ring_read(base->ring, &pos, record) != APR_SUCCESS || record->view.seq != seq)
        return false;
    *ret_place = (struct mrc_place){.next = seq + 1, .until = seq + 1, .pos = pos};
    return true;
}

static bool make_position(const struct mrc_history *base, uint64_t number, int64_t now_us,
                          uint64_t *ret_first, int64_t *ret_second)
{
    struct mrc_ring_record record = {.buf = NULL};
    struct mrc_place unused;
    uint64_t unused_first;
    enum order order;
    bool has_one;

    /* Most streams are just after the newest record. */
    has_one =
        (mrc_ring_newest(base->ring, &record) == APR_SUCCESS && record.view.seq + 1 == number) ||
        read_record(base, number - 1, now_us, &record, &unused);
    order = mrc_link_find_window(engine_of(base)->link, number - 1, &unused_first)
                ? ORDER_OF_MACHINE
                : ORDER_OF_ALL;
    has_one = has_one && origin_of(base, &record, order, ret_first, ret_second);
    mrc_ring_record_free(&record);
    return has_one;
}

/*
 * PLACE is after the last record that a client has received, from any machine: moves it back to
 * where all machines have had the same records before it. After the first record of a window, it
 * stays: what is before that record is the same on all of them. APR_NOTFOUND: the history does not
 * reach that far.
 */
static apr_status_t go_back(struct mrc_history *base, int64_t now_us, struct mrc_place *place)
{
    uint64_t last = place->next - 1, first;
    int64_t unused;

    if (!mrc_link_find_window(engine_of(base)->link, last, &first) || first == last)
        return APR_SUCCESS;
    return mrc_history_memory_seek(base, first, now_us, place, &unused);
}

static apr_status_t find(struct mrc_history *base, struct mrc_bytes id, int64_t now_us,
                         struct mrc_place *ret_place)
{
    struct mrc_place place;
    apr_status_t status = mrc_history_memory_find(base, id, now_us, &place);

    if (status == APR_SUCCESS)
        status = go_back(base, now_us, &place);
    if (status == APR_SUCCESS)
        *ret_place = place;
    return status;
}

/* A search for the record that a position names. */
struct seeking {
    struct mrc_history *base;
    uint64_t first; /* the words of the position */
    int64_t second;
    int64_t now_us;
    struct mrc_ring_record record; /* that was read last */
    struct mrc_place place;        /* after it */
    enum order order;              /* of the position; if the record is found */
};

/* Whether the record that was read last is the one. RET_NUMBER gets its number; 0: it has none. */
static bool is_found(struct seeking *seeking, uint64_t *ret_number)
{
    static const enum order orders[] = {ORDER_OF_ALL, ORDER_OF_MACHINE};
    int64_t hash;

    for (size_t i = 0; i < 2; i++) {
        if (!origin_of(seeking->base, &seeking->record, orders[i], ret_number, &hash)) {
            *ret_number = 0;
            return false;
        }
        if (*ret_number == seeking->first && hash == seeking->second) {
            seeking->order = orders[i];
            return true;
        }
    }
    return false;
}

/* Reads on, up to the record LAST. False: none of them is the one. */
static bool seek_on(struct seeking *seeking, uint64_t last)
{
    struct mrc_place *place = &seeking->place;

    for (int reads = 0; reads < SEEK_READS && place->next <= last; reads++) {
        uint64_t unused;

        if (mrc_ring_read(seeking->base->ring, &place->pos, &seeking->record) != APR_SUCCESS)
            break;
        place->next = place->until = seeking->record.view.seq + 1;
        if (is_found(seeking, &unused))
            return true;
    }
    return false;
}

/* Reads the records FIRST to LAST. */
static bool seek_from(struct seeking *seeking, uint64_t first, uint64_t last)
{
    int64_t unused;
    uint64_t pos;

    if (mrc_ring_seek(seeking->base->ring, first, seeking->now_us, &pos, &unused) != APR_SUCCESS)
        return false;
    seeking->place = (struct mrc_place){.next = first, .until = first, .pos = pos};
    return seek_on(seeking, last);
}

/*
 * Looks among the records FIRST to LAST. The numbers of the ring and of the log grow alike, except
 * where the log has entries that are not in the ring. So a guess is close, and each record that is
 * read gives a better one.
 */
static bool guess(struct seeking *seeking, uint64_t first, uint64_t last)
{
    uint64_t seq = last, before = 0;

    for (int tries = 0; tries < SEEK_TRIES && seq != before; tries++) {
        uint64_t number;

        if (seq < first ||
            !read_record(seeking->base, seq, seeking->now_us, &seeking->record, &seeking->place))
            break;
        if (is_found(seeking, &number))
            return true;
        if (number == seeking->first)
            return seek_on(seeking, last);
        if (number == 0 || (number > seeking->first && number - seeking->first >= seq))
            break;
        before = seq;
        seq = seq + seeking->first - number; /* even if that is less */
        if (seq < first)
            seq = first;
        if (seq > last)
            seq = last;
    }
    return false;
}

/*
 * Looks where the numbers are of a log that is gone; other records with the same ones come after
 * them. The ring has no record before OLDEST.
 */
static bool seek_dead(struct seeking *seeking, uint64_t oldest)
{
    const struct mrc_link *link = engine_of(seeking->base)->link;
    uint64_t first, last;
    unsigned at = 0;

    while (mrc_link_next_dead(link, &at, &first, &last)) {
        if (first < oldest)
            first = oldest;
        if (guess(seeking, first, last) || seek_from(seeking, first, last))
            return true;
    }
    return false;
}

static apr_status_t seek_position(struct mrc_history *base, uint64_t first, int64_t second,
                                  int64_t now_us, struct mrc_place *ret_place)
{
    struct seeking seeking = {.base = base, .first = first, .second = second, .now_us = now_us};
    uint64_t oldest = mrc_ring_seq_at(base->ring, mrc_ring_oldest(base->ring, now_us));
    apr_status_t status = APR_NOTFOUND;
    struct mrc_ring_stats stats;

    mrc_ring_stats(base->ring, &stats);
    if (guess(&seeking, oldest, stats.last_seq) || seek_dead(&seeking, oldest))
        status = APR_SUCCESS;
    mrc_ring_record_free(&seeking.record);
    if (status == APR_SUCCESS && seeking.order == ORDER_OF_ALL)
        status = go_back(base, now_us, &seeking.place);
    if (status == APR_SUCCESS)
        *ret_place = seeking.place;
    return status;
}

/* ---- reading ----------------------------------------------------------------------------------*/

static apr_status_t catch_up(struct mrc_history *base, int64_t wait_us)
{
    struct engine_history *history = engine_of(base);
    uint32_t ticket;

    if (is_down(history))
        return MRC_STATUS_UNREACHABLE;
    ticket = mrc_link_ask(history->link);
    ring_bell(history);
    return mrc_link_wait(history->link, ticket, wait_us);
}

/* The other machines lose the engine, and find it again, at about the same time. */
static bool may_come(const struct mrc_history *base, int64_t now_us)
{
    struct mrc_link_status status;

    mrc_link_get_status(((const struct engine_history *)base)->link, &status);
    return status.back_us && status.machines > 1 && now_us >= status.back_us &&
           now_us - status.back_us < RETURN_US;
}

static const struct mrc_history_ops engine_ops = {
    .append = append,
    .append_batch = append_batch,
    .append_control = append_control,
    .oldest = mrc_history_memory_oldest,
    .find = find,
    .seek = mrc_history_memory_seek,
    .count = mrc_history_memory_count,
    .make_position = make_position,
    .seek_position = seek_position,
    .get_position_key = get_position_key,
    .catch_up = catch_up,
    .may_come = may_come,
};

apr_status_t mrc_history_open_engine(apr_pool_t *pool, struct mrc_hub_segment *segment,
                                     const struct mrc_notify *notify, unsigned slot,
                                     int64_t timeout_us, struct mrc_error *error,
                                     struct mrc_history **ret_history)
{
    struct engine_history *history = apr_pcalloc(pool, sizeof(*history));

    history->base = (struct mrc_history){
        .ops = &engine_ops,
        .segment = segment,
        .notify = notify,
        .ring = mrc_hub_segment_ring(segment),
    };
    history->staging = mrc_hub_segment_staging(segment);
    history->link = mrc_hub_segment_link(segment);
    history->slot = slot;
    history->timeout_us = timeout_us;
    if (!history->staging || !history->link)
        return mrc_status_set(error, APR_EINVAL,
                              "the hub has no room for its transport in the shared memory");
    *ret_history = &history->base;
    return APR_SUCCESS;
}
