/*
 * The input is an order, as a ring or another machine delivers it. An order that is accepted is
 * encoded to one that means the same, and applies to a stream without a token only if it names no
 * token.
 *
 * Sources: src/hub/control/order.c
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "fuzz.h"
#include "hub/control/order.h"

static void check_field(struct mrc_bytes field, struct mrc_bytes again, size_t exact)
{
    FUZZ_CHECK(!field.ptr == !again.ptr && mrc_bytes_eq(field, again));
    FUZZ_CHECK(field.len <= MRC_ORDER_FIELD_MAX);
    FUZZ_CHECK(!field.ptr || !exact || field.len == exact);
}

static void check_equal(const struct mrc_order *order, const struct mrc_order *again)
{
    FUZZ_CHECK(order->kind == again->kind);
    check_field(order->subscriber, again->subscriber, 0);
    check_field(order->sub, again->sub, 0);
    check_field(order->jti, again->jti, 0);
    check_field(order->iss, again->iss, 0);
    check_field(order->token, again->token, MRC_ORDER_HASH_BYTES);
    check_field(order->match, again->match, 0);
    check_field(order->match_type, again->match_type, 0);
    check_field(order->address, again->address, MRC_ORDER_ADDRESS_BYTES);
    check_field(order->id, again->id, 0);
    FUZZ_CHECK(order->issued_before_us == again->issued_before_us);
    FUZZ_CHECK(order->until_us == again->until_us);
}

/* An anonymous stream without a matcher, an id or a known address. */
static void check_stream(const struct mrc_order *order)
{
    const struct mrc_order_target target = {.token = NULL, .subscriber = ""};
    bool names_token = order->sub.ptr || order->jti.ptr || order->iss.ptr || order->token.ptr ||
                       order->issued_before_us != INT64_MAX;
    bool names_more = order->match.ptr || order->address.ptr || order->subscriber.len > 0;

    FUZZ_CHECK(mrc_order_applies(order, &target) == !(names_token || names_more));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mrc_order order, again;
    struct mrc_buf buf;
    enum mrc_err err = mrc_order_decode((struct mrc_bytes){(const char *)data, size}, &order);

    if (err) {
        FUZZ_CHECK(err == MRC_EINVAL || err == MRC_EUNSUPPORTED);
        return 0;
    }
    mrc_buf_init(&buf, SIZE_MAX);
    mrc_order_encode(&order, &buf);
    FUZZ_CHECK(!mrc_buf_error(&buf));
    FUZZ_CHECK(mrc_order_decode(mrc_buf_bytes(&buf), &again) == MRC_OK);
    check_equal(&order, &again);
    check_stream(&order);
    mrc_buf_free(&buf);
    return 0;
}
