#include "httpd/operator/revocations.h"

#include <inttypes.h>

#include "apr_strings.h"

#include "core/base/json.h"
#include "core/base/percent.h"
#include "core/protocol/update.h"
#include "httpd/access/authorize.h"
#include "httpd/answer/body.h"
#include "httpd/answer/failure.h"
#include "httpd/operator/call.h"
#include "hub/control/order.h"
#include "hub/hub/hub.h"
#include "hub/hub/revocation.h"
#include "store/regions/revocations.h"

#define SECOND_US ((int64_t)1000 * 1000)

/* ---- the list ---------------------------------------------------------------------------------*/

static void add_text(struct mrc_buf *out, const char *name, struct mrc_bytes text)
{
    if (!text.ptr)
        return;
    mrc_buf_printf(out, ",\"%s\":", name);
    mrc_json_add_string(out, text);
}

static void add_hash(struct mrc_buf *out, struct mrc_bytes hash)
{
    if (!hash.ptr)
        return;
    mrc_buf_add_str(out, ",\"token\":\"");
    for (size_t i = 0; i < hash.len; i++)
        mrc_buf_printf(out, "%02x", (unsigned char)hash.ptr[i]);
    mrc_buf_add_char(out, '"');
}

/* A NumericDate, with as many digits after the point as it needs. */
static void add_time(struct mrc_buf *out, const char *name, int64_t time_us)
{
    mrc_buf_printf(out, ",\"%s\":%" PRId64, name, time_us / SECOND_US);
    if (time_us % SECOND_US)
        mrc_buf_printf(out, ".%06" PRId64, time_us % SECOND_US);
}

static void add_entry(struct mrc_buf *out, const struct mrc_revocation *entry)
{
    struct mrc_order order;
    char id[MRC_UPDATE_ID_BYTES];

    if (mrc_order_decode(entry->data, &order) != MRC_OK)
        return; /* a later version has written it */
    mrc_update_id_make(entry->id, id);
    if (out->ptr[out->len - 1] == '}')
        mrc_buf_add_char(out, ',');
    mrc_buf_printf(out, "{\"id\":\"%s\"", id);
    add_text(out, "jti", order.jti);
    add_text(out, "sub", order.sub);
    add_hash(out, order.token);
    if (order.issued_before_us != INT64_MAX)
        add_time(out, "issued_before", order.issued_before_us);
    add_text(out, "iss", order.iss);
    add_time(out, "until", entry->until_us);
    mrc_buf_add_char(out, '}');
}

static void add_list(struct mrc_buf *out, struct mrc_bytes copy)
{
    int64_t now_us = apr_time_now();
    struct mrc_revocation entry;
    size_t at = 0;

    mrc_buf_add_str(out, "{\"revocations\":[");
    while (mrc_revocations_next(copy, &at, &entry) && !mrc_buf_error(out)) {
        if (entry.until_us > now_us)
            add_entry(out, &entry);
    }
    mrc_buf_add_str(out, "]}");
}

int mrc_operator_list_revocations(struct mrc_operator_call *call)
{
    const struct mrc_revocations *list = mrc_hub_revocations(call->hub);
    int status = mrc_body_discard(call->r);
    struct mrc_buf copy, out;

    if (status != DECLINED)
        return status;
    mrc_buf_init(&copy, SIZE_MAX);
    mrc_buf_init(&out, SIZE_MAX);
    if (list)
        mrc_revocations_copy(list, &copy);
    add_list(&out, mrc_buf_bytes(&copy));
    status = mrc_buf_error(&copy) || mrc_buf_error(&out)
                 ? mrc_failure_answer_no_memory(call->r)
                 : mrc_operator_answer(call, HTTP_OK, mrc_buf_bytes(&out));
    mrc_buf_free(&copy);
    mrc_buf_free(&out);
    return status;
}

/* ---- lifting ----------------------------------------------------------------------------------*/

int mrc_operator_lift(struct mrc_operator_call *call)
{
    char *decoded = apr_palloc(call->r->pool, strlen(call->item) + 1);
    size_t len = mrc_percent_decode(mrc_bytes_of(call->item), false, decoded);
    unsigned char id[MRC_REVOCATION_ID_BYTES];
    int status = mrc_body_discard(call->r);
    apr_status_t lifted = APR_NOTFOUND;

    if (status == DECLINED) /* a body may have taken its time */
        status = mrc_authorize_again(call->r, call->claim, MRC_ROLE_OPERATOR, &call->token);
    if (status != DECLINED)
        return status;
    if (mrc_update_id_parse((struct mrc_bytes){decoded, len}, id)) {
        call->fields = apr_pstrmemdup(call->r->pool, decoded, len);
        lifted = mrc_revocation_lift(call->hub, id, apr_time_now());
    }
    if (lifted == APR_NOTFOUND)
        return mrc_operator_refuse(call, HTTP_NOT_FOUND, "there is no such revocation");
    if (lifted != APR_SUCCESS)
        return mrc_operator_fail(call, lifted);
    return mrc_operator_answer(call, HTTP_NO_CONTENT, mrc_bytes_of(""));
}
