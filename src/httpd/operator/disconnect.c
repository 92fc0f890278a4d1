#include "httpd/operator/disconnect.h"

#include "apr_strings.h"

#include "core/base/buf.h"
#include "core/protocol/update.h"
#include "core/topic/matcher.h"
#include "httpd/access/client.h"
#include "httpd/answer/failure.h"
#include "httpd/operator/call.h"
#include "httpd/operator/fields.h"
#include "hub/control/order.h"
#include "hub/hub/hub.h"

/* The fields of the call, and the order that they make. */
struct disconnecting {
    struct mrc_operator_call *call;
    struct mrc_bytes address, all;
    unsigned char address_bytes[MRC_ORDER_ADDRESS_BYTES];
    char id[MRC_UPDATE_ID_BYTES];
    struct mrc_order order;
};

static int read_fields(struct disconnecting *disconnecting)
{
    struct mrc_order *order = &disconnecting->order;
    const struct mrc_operator_field fields[] = {
        {"subscriber", &order->subscriber, MRC_ORDER_FIELD_MAX, false},
        {"sub", &order->sub, MRC_ORDER_FIELD_MAX, false},
        {"jti", &order->jti, MRC_ORDER_FIELD_MAX, false},
        {"match", &order->match, MRC_ORDER_FIELD_MAX, false},
        {"match_type", &order->match_type, MRC_ORDER_FIELD_MAX, false},
        {"address", &disconnecting->address, MRC_ORDER_FIELD_MAX, false},
        {"all", &disconnecting->all, MRC_ORDER_FIELD_MAX, false},
    };

    return mrc_operator_read_body(disconnecting->call, fields, sizeof(fields) / sizeof(fields[0]));
}

static int refuse(const struct disconnecting *disconnecting, const char *detail)
{
    return mrc_operator_refuse(disconnecting->call, HTTP_BAD_REQUEST, detail);
}

static int read_address(struct disconnecting *disconnecting)
{
    struct mrc_bytes address = disconnecting->address;
    const char *text;

    if (!address.ptr)
        return DECLINED;
    text = apr_pstrmemdup(disconnecting->call->r->pool, address.ptr, address.len);
    if (!mrc_client_parse(text, disconnecting->address_bytes))
        return refuse(disconnecting, "the field address is not an IP address: give one such as "
                                     "192.0.2.1 or 2001:db8::1");
    disconnecting->order.address = (struct mrc_bytes){(const char *)disconnecting->address_bytes,
                                                      sizeof(disconnecting->address_bytes)};
    return DECLINED;
}

static int check_fields(struct disconnecting *disconnecting)
{
    const struct mrc_order *order = &disconnecting->order;
    struct mrc_bytes all = disconnecting->all;
    enum mrc_matcher_type unused;

    if (all.ptr && !mrc_bytes_eq_str(all, "1"))
        return refuse(disconnecting, "the field all takes the value 1 only");
    if (!order->subscriber.ptr && !order->sub.ptr && !order->jti.ptr && !order->match.ptr &&
        !order->address.ptr && !all.ptr)
        return refuse(disconnecting, "say which streams should end: give subscriber, sub, jti, "
                                     "match or address, or all=1 for all streams of the hub");
    if (order->match_type.ptr && !order->match.ptr)
        return refuse(disconnecting, "the field match_type needs the field match");
    if (order->match_type.ptr && mrc_matcher_type_parse(order->match_type, &unused) != MRC_OK)
        return refuse(disconnecting, "the field match_type must be exact or urlpattern");
    return DECLINED;
}

static int give_order(struct disconnecting *disconnecting)
{
    struct mrc_hub *hub = disconnecting->call->hub;
    struct mrc_buf buf;
    apr_status_t status = mrc_hub_make_id(hub, disconnecting->id);

    if (status != APR_SUCCESS)
        return mrc_operator_fail(disconnecting->call, status);
    disconnecting->order.id = mrc_bytes_of(disconnecting->id);
    mrc_buf_init(&buf, SIZE_MAX);
    mrc_order_encode(&disconnecting->order, &buf);
    status =
        mrc_buf_error(&buf) ? APR_ENOMEM : mrc_hub_order(hub, mrc_buf_bytes(&buf), apr_time_now());
    mrc_buf_free(&buf);
    return status == APR_SUCCESS ? DECLINED : mrc_operator_fail(disconnecting->call, status);
}

int mrc_operator_disconnect(struct mrc_operator_call *call)
{
    struct disconnecting disconnecting = {.call = call,
                                          .order = mrc_order_init(MRC_ORDER_DISCONNECT)};
    int status = read_fields(&disconnecting);

    if (status == DECLINED)
        status = read_address(&disconnecting);
    if (status == DECLINED)
        status = check_fields(&disconnecting);
    if (status == DECLINED)
        status = give_order(&disconnecting);
    if (status != DECLINED)
        return status;
    return mrc_operator_answer(
        call, HTTP_ACCEPTED,
        mrc_bytes_of(apr_psprintf(call->r->pool, "{\"id\":\"%s\"}", disconnecting.id)));
}
