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
#include "httpd/operator/machines.h"
#include "httpd/operator/question.h"
#include "httpd/operator/streams_page.h"
#include "hub/control/order.h"
#include "store/base/clock.h"

#define LIMIT_DEFAULT 100
#define LIMIT_MAX     1000

/* A page ends when it has this many bytes. */
#define PAGE_BYTES_MAX ((size_t)4 * 1024 * 1024)

/* The waits for the children of this machine, and for all machines together. */
#define CHILDREN_US ((int64_t)7000 * 1000)
#define MACHINES_US ((int64_t)5000 * 1000)

/* The longest `limit` and `after`. */
#define NUMBER_MAX ((size_t)16)
#define AFTER_MAX  ((size_t)80)

/* Of the id of a machine, in `after`. */
#define MACHINE_DIGITS 16

struct listing {
    struct mrc_operator_call *call;
    struct mrc_bytes limit_text, after_text;
    struct mrc_order order;
    uint32_t limit; /* of the streams that may still be added */
    struct mrc_machine_list machines;
    uint64_t machine;               /* where the list continues: this machine... */
    struct mrc_inquire_place place; /* ...after this stream; and that of the last stream */
    struct mrc_buf out;
    bool has_more;
    unsigned silent;        /* children that did not answer */
    size_t silent_machines; /* and machines */
    apr_status_t status;
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

/* MACHINE.PLACE if several machines may share the hub, otherwise PLACE. */
static int read_after(struct listing *listing)
{
    const char *text =
        apr_pstrmemdup(listing->call->r->pool, listing->after_text.ptr, listing->after_text.len);
    bool is_good = true;
    char *end = NULL;

    if (!listing->after_text.ptr)
        return DECLINED;
    if (listing->machines.is_shared) {
        listing->machine = strtoull(text, &end, 16);
        is_good = end - text == MACHINE_DIGITS && *end == '.';
        text = end + 1;
    } else {
        listing->machine = listing->machines.names[0].id;
    }
    if (!is_good || !mrc_question_read_place(text, &listing->place))
        return refuse(listing, "the field after must be the member after of an answer");
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
    return status == DECLINED ? read_after(listing) : status;
}

/* ---- this machine -----------------------------------------------------------------------------*/

static void list_own(struct listing *listing)
{
    struct mrc_streams_page page = {
        .child = mrc_this_child_get(),
        .hub = listing->call->hub,
        .order = &listing->order,
        .out = &listing->out,
        .bytes_max = PAGE_BYTES_MAX,
        .limit = listing->limit,
        .place = listing->place,
    };

    listing->status = mrc_streams_page_fill(&page, CHILDREN_US);
    listing->limit -= page.count;
    listing->has_more = page.has_more;
    listing->silent += page.silent;
    if (page.count)
        listing->place = page.place;
}

/* ---- other machines ---------------------------------------------------------------------------*/

struct asking {
    struct listing *listing;
    struct mrc_question question;
    uint32_t count; /* of the streams in the last answer */
    bool has_more;  /* it did not have all of them */
};

static bool take_answer(void *ctx, struct mrc_bytes text)
{
    struct asking *asking = ctx;
    struct listing *listing = asking->listing;
    struct mrc_question_streams streams;

    if (!mrc_question_read_streams(text, asking->question.limit, &listing->out, &streams))
        return false;
    asking->count = streams.count;
    asking->has_more = streams.has_more;
    listing->silent += streams.silent;
    if (streams.count)
        listing->place = streams.place;
    return true;
}

/* Asks the machine at I, as often as its answer has no room for all that is wanted. */
static void list_other(struct listing *listing, size_t i, int64_t until_us)
{
    struct asking asking = {.listing = listing};
    size_t silent;

    do {
        struct mrc_buf text;

        asking.question = (struct mrc_question){
            .kind = MRC_QUESTION_STREAMS,
            .order = listing->order,
            .limit = listing->out.len > PAGE_BYTES_MAX ? 0 : listing->limit,
            .place = listing->place,
        };
        asking.count = 0;
        asking.has_more = false;
        mrc_buf_init(&text, SIZE_MAX);
        mrc_question_encode(&asking.question, &text);
        silent =
            mrc_buf_error(&text) || mrc_clock_us() > until_us
                ? 1
                : mrc_machines_ask(listing->call->r->pool, listing->call->hub, &listing->machines,
                                   i, mrc_buf_bytes(&text), take_answer, &asking);
        mrc_buf_free(&text);
        listing->limit -= asking.count;
    } while (silent == 0 && asking.has_more && asking.count > 0 && listing->limit > 0);
    listing->silent_machines += silent;
    listing->has_more = asking.has_more;
}

/* ---- all machines -----------------------------------------------------------------------------*/

/* Lists the machines in the order of their ids, which is the same on all of them. */
static void list_all(struct listing *listing)
{
    int64_t until_us = mrc_clock_us() + MACHINES_US;
    const struct mrc_machine_list *machines = &listing->machines;
    uint64_t from = listing->machine, last = from;

    for (size_t i = 0; i < machines->count && !listing->has_more && !listing->status; i++) {
        struct mrc_inquire_place before = listing->place;
        uint32_t limit = listing->limit;

        if (machines->names[i].id < from)
            continue;
        if (machines->names[i].id != from || !listing->after_text.ptr)
            listing->place = (struct mrc_inquire_place){0};
        if (machines->names[i].name)
            list_other(listing, i, until_us);
        else
            list_own(listing);
        if (listing->limit < limit)
            last = machines->names[i].id;
        else
            listing->place = before; /* `after` is the place of the last stream */
    }
    listing->machine = last;
}

/* ---- the document -----------------------------------------------------------------------------*/

static void add_after(const struct listing *listing, struct mrc_buf *out)
{
    mrc_buf_add_str(out, ",\"after\":\"");
    if (listing->machines.is_shared)
        mrc_buf_printf(out, "%016" PRIx64 ".", listing->machine);
    mrc_question_add_place(out, &listing->place);
    mrc_buf_add_char(out, '"');
}

static void add_document(const struct listing *listing, struct mrc_buf *out)
{
    mrc_buf_add_str(out, "{\"streams\":[");
    mrc_buf_add_bytes(out, mrc_buf_bytes(&listing->out));
    mrc_buf_add_char(out, ']');
    if (listing->has_more)
        add_after(listing, out);
    if (listing->silent)
        mrc_buf_printf(out, ",\"unanswered\":%u", listing->silent);
    if (listing->silent_machines)
        mrc_buf_printf(out, ",\"machines_unanswered\":%" APR_SIZE_T_FMT, listing->silent_machines);
    mrc_buf_add_char(out, '}');
}

/* ---- the answer -------------------------------------------------------------------------------*/

static int answer(struct listing *listing)
{
    struct mrc_operator_call *call = listing->call;
    struct mrc_buf out;
    int status;

    if (listing->status == APR_TIMEUP) {
        mrc_operator_log(call, HTTP_SERVICE_UNAVAILABLE);
        return mrc_answer_retry(call->r, "the hub is busy with another list of streams: try again");
    }
    mrc_buf_init(&out, SIZE_MAX);
    add_document(listing, &out);
    if (listing->status != APR_SUCCESS || mrc_buf_error(&listing->out) || mrc_buf_error(&out))
        status = mrc_failure_answer_no_memory(call->r);
    else
        status = mrc_operator_answer(call, HTTP_OK, mrc_buf_bytes(&out));
    mrc_buf_free(&out);
    return status;
}

int mrc_operator_streams(struct mrc_operator_call *call)
{
    struct listing listing = {.call = call, .order = mrc_order_init(MRC_ORDER_DISCONNECT)};
    int status;

    mrc_machines_list(call->r->pool, call->hub, &listing.machines);
    status = read_fields(&listing);
    if (status != DECLINED)
        return status;
    mrc_buf_init(&listing.out, SIZE_MAX);
    list_all(&listing);
    if (listing.machines.is_unreachable) {
        mrc_machines_log_unreachable(call);
        if (listing.silent_machines == 0)
            listing.silent_machines = listing.machines.known - 1;
    }
    status = answer(&listing);
    mrc_buf_free(&listing.out);
    return status;
}
