#include "httpd/operator/streams_page.h"

#include <inttypes.h>

#include "apr_time.h"

#include "core/base/json.h"
#include "hub/control/listing.h"
#include "hub/hub/last_id.h"

/* ---- streams ----------------------------------------------------------------------------------*/

/* Adds the last event id of a stream that gets record NEXT next. Most streams have the same. */
static void add_last_id(struct mrc_streams_page *page, uint64_t next)
{
    if (next && next != page->next) {
        struct mrc_buf raw;

        page->next = next;
        mrc_buf_init(&raw, SIZE_MAX);
        mrc_buf_reset(&page->id);
        if (mrc_hub_last_id(page->hub, next, apr_time_now(), &raw) == APR_SUCCESS &&
            !mrc_buf_error(&raw))
            mrc_json_add_string(&page->id, mrc_buf_bytes(&raw));
        else
            mrc_buf_add_str(&page->id, "null");
        mrc_buf_free(&raw);
    }
    mrc_buf_add_str(page->out, ",\"last_id\":");
    mrc_buf_add_bytes(page->out, next ? mrc_buf_bytes(&page->id) : mrc_bytes_of("null"));
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
    struct mrc_streams_page *page = ctx;
    struct mrc_buf *out = page->out;

    page->has_more = page->count == page->limit || out->len > page->bytes_max;
    if (page->has_more)
        return false;
    mrc_buf_add_str(out, out->len ? ",{" : "{");
    mrc_buf_add_bytes(out, entry->json);
    add_since(out, entry->since_s);
    mrc_buf_printf(out, ",\"carrier\":\"%s\",\"waiting_bytes\":%" PRIu64,
                   mrc_carrier_kind_text(entry->carrier), entry->waiting);
    add_last_id(page, entry->next);
    mrc_buf_add_char(out, '}');
    page->place = *place;
    page->count++;
    return true;
}

apr_status_t mrc_streams_page_fill(struct mrc_streams_page *page, int64_t wait_us)
{
    apr_status_t status;

    mrc_buf_init(&page->id, SIZE_MAX);
    /* One more than the page has shows whether there are more. */
    status = mrc_child_inquire(page->child, page->hub, page->order, page->limit + 1, page->place,
                               wait_us, add_stream, page, &page->silent);
    if (status == APR_SUCCESS && (mrc_buf_error(page->out) || mrc_buf_error(&page->id)))
        status = APR_ENOMEM;
    mrc_buf_free(&page->id);
    return status;
}
