#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "core/base/siphash.h"
#include "store/ring/codec.h"
#include "store/ring/index.h"
#include "store/ring/ring.h"

/* At most this many contradictions are described; the others are only counted. */
#define SAY_MAX 50

struct check {
    const struct mrc_ring *ring;
    mrc_ring_say_fn *say;
    void *ctx;
    uint64_t found;
    uint64_t head;
    uint64_t tail;
    uint64_t history;
    uint64_t records; /* from the tail on */
};

static void __attribute__((format(printf, 2, 3))) say(struct check *check, const char *fmt, ...)
{
    char text[200];
    va_list args;

    if (check->found++ >= SAY_MAX)
        return;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    check->say(check->ctx, text);
}

/* Whether the marks are in order; if not, the ring cannot be walked. */
static bool check_marks(struct check *check)
{
    if ((check->tail | check->history | check->head) % 8 == 0 && check->tail <= check->history &&
        check->history <= check->head && check->head - check->tail <= check->ring->capacity)
        return true;
    say(check,
        "the marks are out of order: tail %" PRIu64 ", history %" PRIu64 ", head %" PRIu64
        ", capacity %" PRIu64,
        check->tail, check->history, check->head, check->ring->capacity);
    return false;
}

static void check_record(struct check *check, uint64_t pos, const struct mrc_ring_meta *meta,
                         struct mrc_ring_record *record)
{
    uint64_t footer = mrc_ring_codec_footer(check->ring, pos + meta->total_bytes);
    uint64_t next = pos;

    if (footer != mrc_ring_codec_footer_of(meta->total_bytes))
        say(check, "record at %" PRIu64 ": its last word is %016" PRIx64 " instead of its size",
            pos, footer);
    if (meta->is_control && meta->id_hash > pos)
        say(check, "control record at %" PRIu64 ": the one before it is at %" PRIu64, pos,
            meta->id_hash - 1);
    if (meta->chain > pos)
        say(check, "record at %" PRIu64 ": its chain leads forward, to %" PRIu64, pos,
            meta->chain - 1);
    if (!meta->is_control && mrc_ring_read(check->ring, &next, record) == APR_SUCCESS &&
        mrc_siphash(check->ring->hash_key, record->view.id) != meta->id_hash)
        say(check, "record at %" PRIu64 ": its hash does not match its id", pos);
}

/* Every record from tail to head, and the numbers that the header has for them. */
static void check_records(struct check *check)
{
    const struct mrc_ring_header *header = check->ring->header;
    struct mrc_ring_record record = {.buf = NULL};
    struct mrc_ring_meta meta = {.seq = 0};
    uint64_t last_seq = 0;
    uint64_t records = 0;
    uint64_t bytes = 0;
    uint64_t pos;

    for (pos = check->tail; pos < check->head; pos += meta.total_bytes) {
        if (mrc_ring_codec_load(check->ring, pos, check->head, &meta) != APR_SUCCESS) {
            say(check, "there is no record at %" PRIu64, pos);
            goto leave;
        }
        if (meta.is_control ? last_seq && meta.seq != last_seq : meta.seq <= last_seq)
            say(check, "record at %" PRIu64 ": seq %" PRIu64 " after %" PRIu64, pos, meta.seq,
                last_seq);
        last_seq = meta.seq;
        check_record(check, pos, &meta, &record);
        if (pos < check->history && pos + meta.total_bytes > check->history)
            say(check, "the history begins inside the record at %" PRIu64, pos);
        check->records += !meta.is_control;
        if (pos >= check->history) {
            records += !meta.is_control;
            bytes += meta.stored_bytes;
        }
    }
    if (records != atomic_load(&header->history_records) ||
        bytes != atomic_load(&header->history_bytes))
        say(check,
            "the history holds %" PRIu64 " records of %" PRIu64 " bytes, the header says %" PRIu64
            " of %" PRIu64,
            records, bytes, atomic_load(&header->history_records),
            atomic_load(&header->history_bytes));
    if (check->records && last_seq > atomic_load(&header->last_seq))
        say(check, "the newest record has seq %" PRIu64 ", the header says %" PRIu64, last_seq,
            atomic_load(&header->last_seq));
leave:
    mrc_ring_record_free(&record);
}

/* Every chain: each record must be in the chain of its bucket, and in no other. */
static void check_chains(struct check *check)
{
    const struct mrc_ring *ring = check->ring;
    uint64_t linked = 0;
    uint64_t bucket;

    for (bucket = 0; bucket < mrc_ring_index_total(ring->bucket_count); bucket++) {
        uint64_t link = mrc_ring_index_load(ring, bucket);
        uint64_t limit = check->head;

        while (link && link - 1 >= check->tail && linked <= check->records) {
            struct mrc_ring_meta meta;
            uint64_t pos = link - 1;

            if (pos >= limit || mrc_ring_codec_load(ring, pos, check->head, &meta) != APR_SUCCESS) {
                say(check, "bucket %" PRIu64 " leads to %" PRIu64 ", where there is no record",
                    bucket, pos);
                break;
            }
            if (meta.is_control || mrc_ring_index_bucket_at(ring, pos, meta.id_hash) != bucket) {
                say(check,
                    "bucket %" PRIu64 " leads to the record at %" PRIu64 " of another bucket",
                    bucket, pos);
                break;
            }
            linked++;
            limit = pos;
            link = meta.chain;
        }
    }
    if (linked != check->records)
        say(check, "%" PRIu64 " records, but the index leads to %" PRIu64, check->records, linked);
}

uint64_t mrc_ring_check(const struct mrc_ring *ring, mrc_ring_say_fn *say_fn, void *ctx)
{
    struct check check = {
        .ring = ring,
        .say = say_fn,
        .ctx = ctx,
        .tail = atomic_load(&ring->header->tail),
        .history = atomic_load(&ring->header->history),
    };

    check.head = mrc_ring_head(ring);
    if (check_marks(&check)) {
        check_records(&check);
        if (!check.found)
            check_chains(&check);
    }
    return check.found;
}
