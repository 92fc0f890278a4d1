#include "httpd/operator/streams.h"

#include <inttypes.h>
#include <stdlib.h>

#include "apr_strings.h"

#include "core/base/buf.h"
#include "core/base/json.h"
#include "core/topic/matcher.h"
#include "httpd/answer/answer.h"
#include "httpd/answer/failure.h"
#include "httpd/child/this_child.h"
#include "httpd/operator/call.h"
#include "httpd/operator/fields.h"
#include "hub/child/inquire.h"
#include "hub/control/listing.h"
#include "hub/hub/hub.h"
#include "hub/hub/last_id.h"

#define LIMIT_DEFAULT 100
#define LIMIT_MAX     1000

/* A page ends when it has so many bytes. */
#define PAGE_BYTES_MAX ((size_t)4 * 1024 * 1024)

/* The longest `limit` and `after`. */
#define NUMBER_MAX ((size_t)16)
#define AFTER_MAX  ((size_t)80)

struct listing {
    struct mrc_operator_call *call;
    struct mrc_bytes limit_text, after_text;
    struct mrc_order order;
    uint32_t limit;
    struct mrc_inquire_place place; /* where the page begins; then of its last stream */
    struct mrc_buf out;
    uint32_t count;
    bool has_more;
    uint64_t next;      /* the id below is that of the record before this one; 0: of none */
    struct mrc_buf id;  /* as JSON */
    struct mrc_buf raw; /* the id itself */
};

/* ---- the fields -------------------------------------------------------------------------------*/

static int refuse(const struct listing *listing, const char *detail)
{
    return mrc_operator_refuse(listing->call, HTTP_BAD_REQUEST, detail);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int read_limit(struct listing *listing)
{
    const char *text =
        apr_pstrmemdup(listing->call->r->pool, listing->limit_text.ptr, listing->limit_text.len);
    char *end;
    unsigned long limit;

    listing->limit = LIMIT_DEFAULT;
    if (!listing->limit_text.ptr)
        return DECLINED;
    limit = strtoul(text, &end, 10);
    if (!is_digit(text[0]) || *end || limit < 1 || limit > LIMIT_MAX)
        return refuse(listing, "the field limit must be a number from 1 to 1000");
    listing->limit = (uint32_t)limit;
    return DECLINED;
}

/* The value that begins the page after PLACE. */
static const char *write_place(apr_pool_t *pool, const struct mrc_inquire_place *place)
{
    return apr_psprintf(pool, "%u.%ld.%u.%" PRIu32, place->slot, (long)place->pid, place->part,
                        place->serial);
}

static int read_place(struct listing *listing)
{
    const char *text =
        apr_pstrmemdup(listing->call->r->pool, listing->after_text.ptr, listing->after_text.len);
    uint64_t numbers[4];

    if (!listing->after_text.ptr)
        return DECLINED;
    for (int i = 0; i < 4; i++) {
        char *end;

        numbers[i] = strtoull(text, &end, 10);
        if (!is_digit(text[0]) || *end != (i < 3 ? '.' : '\0') || numbers[i] > UINT32_MAX)
            return refuse(listing, "the field after must be the member after of an answer");
        text = end + 1;
    }
    listing->place = (struct mrc_inquire_place){.slot = (unsigned)numbers[0],
                                                .pid = (pid_t)numbers[1],
                                                .part = (unsigned)numbers[2],
                                                .has_serial = true,
                                                .serial = (uint32_t)numbers[3]};
    return DECLINED;
}

static int check_matcher(const struct listing *listing)
{
    const struct mrc_order *order = &listing->order;
    enum mrc_matcher_type unused;

    if (order->match_type.ptr && !order->match.ptr)
        return refuse(listing, "the field match_type needs the field match");
    if (order->match_type.ptr && mrc_matcher_type_parse(order->match_type, &unused) != MRC_OK)
        return refuse(listing, "the field match_type must be exact or urlpattern");
    return DECLINED;
}

static int read_fields(struct listing *listing)
{
    const struct mrc_operator_field fields[] = {
        {"sub", &listing->order.sub, MRC_ORDER_FIELD_MAX, false},
        {"match", &listing->order.match, MRC_ORDER_FIELD_MAX, false},
        {"match_type", &listing->order.match_type, MRC_ORDER_FIELD_MAX, false},
        {"limit", &listing->limit_text, NUMBER_MAX, false},
        {"after", &listing->after_text, AFTER_MAX, false},
    };
    int status = mrc_operator_read_query(listing->call, fields, sizeof(fields) / sizeof(fields[0]));

    if (status == DECLINED)
        status = check_matcher(listing);
    if (status == DECLINED)
        status = read_limit(listing);
    return status == DECLINED ? read_place(listing) : status;
}

/* ---- the document -----------------------------------------------------------------------------*/

/* Adds the last event id of a stream that gets record NEXT next. Most streams have the same. */
static void add_last_id(struct listing *listing, uint64_t next)
{
    if (next && next != listing->next) {
        listing->next = next;
        mrc_buf_reset(&listing->raw);
        mrc_buf_reset(&listing->id);
        if (mrc_hub_last_id(listing->call->hub, next, apr_time_now(), &listing->raw) == APR_SUCCESS)
            mrc_json_add_string(&listing->id, mrc_buf_bytes(&listing->raw));
        else
            mrc_buf_add_str(&listing->id, "null");
    }
    mrc_buf_add_str(&listing->out, ",\"last_id\":");
    mrc_buf_add_bytes(&listing->out, next ? mrc_buf_bytes(&listing->id) : mrc_bytes_of("null"));
}

static void add_since(struct mrc_buf *out, uint32_t since_s)
{
    apr_time_exp_t time;

    apr_time_exp_gmt(&time, apr_time_from_sec((apr_time_t)since_s));
    mrc_buf_printf(out, ",\"since\":\"%04d-%02d-%02dT%02d:%02d:%02dZ\"", time.tm_year + 1900,
                   time.tm_mon + 1, time.tm_mday, time.tm_hour, time.tm_min, time.tm_sec);
}

static bool add_stream(void *ctx, const struct mrc_listing_entry *entry,
                       const struct mrc_inquire_place *place)
{
    struct listing *listing = ctx;
    struct mrc_buf *out = &listing->out;

    listing->has_more = listing->count == listing->limit || out->len > PAGE_BYTES_MAX;
    if (listing->has_more)
        return false;
    mrc_buf_add_str(out, listing->count ? ",{" : "{");
    mrc_buf_add_bytes(out, entry->json);
    add_since(out, entry->since_s);
    mrc_buf_printf(out, ",\"carrier\":\"%s\",\"waiting_bytes\":%" PRIu64,
                   mrc_carrier_kind_text(entry->carrier), entry->waiting);
    add_last_id(listing, entry->next);
    mrc_buf_add_char(out, '}');
    listing->place = *place;
    listing->count++;
    return true;
}

static void add_end(struct listing *listing, unsigned silent)
{
    struct mrc_buf *out = &listing->out;

    mrc_buf_add_char(out, ']');
    if (listing->has_more)
        mrc_buf_printf(out, ",\"after\":\"%s\"",
                       write_place(listing->call->r->pool, &listing->place));
    if (silent)
        mrc_buf_printf(out, ",\"unanswered\":%u", silent);
    mrc_buf_add_char(out, '}');
}

/* ---- the answer -------------------------------------------------------------------------------*/

static int list(struct listing *listing)
{
    struct mrc_operator_call *call = listing->call;
    apr_status_t status;
    unsigned silent = 0;

    mrc_buf_add_str(&listing->out, "{\"streams\":[");
    /* One more than the page has shows whether there are more. */
    status = mrc_child_inquire(mrc_this_child_get(), call->hub, &listing->order, listing->limit + 1,
                               listing->place, add_stream, listing, &silent);
    if (status == APR_TIMEUP) {
        mrc_operator_log(call, HTTP_SERVICE_UNAVAILABLE);
        return mrc_answer_retry(call->r, "the hub is busy with another list of streams: try again");
    }
    add_end(listing, silent);
    if (status != APR_SUCCESS || mrc_buf_error(&listing->out) || mrc_buf_error(&listing->id))
        return mrc_failure_answer_no_memory(call->r);
    return mrc_operator_answer(call, HTTP_OK, mrc_buf_bytes(&listing->out));
}

int mrc_operator_streams(struct mrc_operator_call *call)
{
    struct listing listing = {.call = call, .order = mrc_order_init(MRC_ORDER_DISCONNECT)};
    int status = read_fields(&listing);

    if (status != DECLINED)
        return status;
    mrc_buf_init(&listing.out, SIZE_MAX);
    mrc_buf_init(&listing.id, SIZE_MAX);
    mrc_buf_init(&listing.raw, SIZE_MAX);
    status = list(&listing);
    mrc_buf_free(&listing.out);
    mrc_buf_free(&listing.id);
    mrc_buf_free(&listing.raw);
    return status;
}
