#include "hub/control/order.h"

#include <string.h>

#include "core/token/token.h"

#define VERSION    1
#define HEAD_BYTES 2 /* version and kind */
#define TAG_BYTES  5 /* tag and length */

/* A tag never gets another meaning: machines with different versions exchange orders. */
enum tag {
    TAG_SUBSCRIBER = 1,
    TAG_SUB,
    TAG_JTI,
    TAG_ISS,
    TAG_TOKEN,
    TAG_MATCH,
    TAG_MATCH_TYPE,
    TAG_ADDRESS,
    TAG_ID,
    TAG_ISSUED_BEFORE,
    TAG_UNTIL
};

struct mrc_order mrc_order_init(enum mrc_order_kind kind)
{
    return (struct mrc_order){.kind = kind, .issued_before_us = INT64_MAX};
}

/* ---- bytes ------------------------------------------------------------------------------------*/

static void add_field(struct mrc_buf *buf, enum tag tag, struct mrc_bytes bytes)
{
    const unsigned char head[TAG_BYTES] = {
        (unsigned char)tag,
        (unsigned char)bytes.len,
        (unsigned char)(bytes.len >> 8),
        (unsigned char)(bytes.len >> 16),
        (unsigned char)(bytes.len >> 24),
    };

    if (!bytes.ptr)
        return;
    mrc_buf_add(buf, head, sizeof(head));
    mrc_buf_add_bytes(buf, bytes);
}

static void add_time(struct mrc_buf *buf, enum tag tag, int64_t time_us)
{
    char bytes[8];

    for (int i = 0; i < 8; i++)
        bytes[i] = (char)((uint64_t)time_us >> (8 * i));
    add_field(buf, tag, (struct mrc_bytes){bytes, sizeof(bytes)});
}

void mrc_order_encode(const struct mrc_order *order, struct mrc_buf *buf)
{
    const char head[HEAD_BYTES] = {VERSION, (char)order->kind};

    mrc_buf_add(buf, head, sizeof(head));
    add_field(buf, TAG_SUBSCRIBER, order->subscriber);
    add_field(buf, TAG_SUB, order->sub);
    add_field(buf, TAG_JTI, order->jti);
    add_field(buf, TAG_ISS, order->iss);
    add_field(buf, TAG_TOKEN, order->token);
    add_field(buf, TAG_MATCH, order->match);
    add_field(buf, TAG_MATCH_TYPE, order->match_type);
    add_field(buf, TAG_ADDRESS, order->address);
    add_field(buf, TAG_ID, order->id);
    if (order->issued_before_us != INT64_MAX)
        add_time(buf, TAG_ISSUED_BEFORE, order->issued_before_us);
    if (order->until_us)
        add_time(buf, TAG_UNTIL, order->until_us);
}

/* The field of ORDER for TAG; NULL: it has none that is a text. */
static struct mrc_bytes *field_of(struct mrc_order *order, unsigned char tag)
{
    switch (tag) {
    case TAG_SUBSCRIBER:
        return &order->subscriber;
    case TAG_SUB:
        return &order->sub;
    case TAG_JTI:
        return &order->jti;
    case TAG_ISS:
        return &order->iss;
    case TAG_TOKEN:
        return &order->token;
    case TAG_MATCH:
        return &order->match;
    case TAG_MATCH_TYPE:
        return &order->match_type;
    case TAG_ADDRESS:
        return &order->address;
    case TAG_ID:
        return &order->id;
    default:
        return NULL;
    }
}

static enum mrc_err read_time(struct mrc_bytes bytes, int64_t *ret_us)
{
    uint64_t time_us = 0;

    if (bytes.len != 8)
        return MRC_EINVAL;
    for (int i = 0; i < 8; i++)
        time_us |= (uint64_t)(unsigned char)bytes.ptr[i] << (8 * i);
    *ret_us = (int64_t)time_us;
    return MRC_OK;
}

static enum mrc_err read_field(unsigned char tag, struct mrc_bytes bytes, struct mrc_order *order)
{
    struct mrc_bytes *field = field_of(order, tag);

    if ((tag == TAG_TOKEN && bytes.len != MRC_ORDER_HASH_BYTES) ||
        (tag == TAG_ADDRESS && bytes.len != MRC_ORDER_ADDRESS_BYTES) ||
        bytes.len > MRC_ORDER_FIELD_MAX)
        return MRC_EINVAL;
    if (tag == TAG_ISSUED_BEFORE)
        return read_time(bytes, &order->issued_before_us);
    if (tag == TAG_UNTIL)
        return read_time(bytes, &order->until_us);
    if (!field)
        return MRC_EUNSUPPORTED;
    if (field->ptr)
        return MRC_EINVAL; /* twice */
    *field = bytes;
    return MRC_OK;
}

enum mrc_err mrc_order_decode(struct mrc_bytes bytes, struct mrc_order *ret_order)
{
    struct mrc_order order;
    size_t at = HEAD_BYTES;

    if (bytes.len < HEAD_BYTES)
        return MRC_EINVAL;
    if (bytes.ptr[0] != VERSION || (unsigned char)bytes.ptr[1] > MRC_ORDER_LIFT)
        return MRC_EUNSUPPORTED;
    order = mrc_order_init((enum mrc_order_kind)bytes.ptr[1]);
    while (at < bytes.len) {
        const unsigned char *head = (const unsigned char *)bytes.ptr + at;
        enum mrc_err err;
        size_t len;

        if (bytes.len - at < TAG_BYTES)
            return MRC_EINVAL;
        len = head[1] | (size_t)head[2] << 8 | (size_t)head[3] << 16 | (size_t)head[4] << 24;
        at += TAG_BYTES;
        if (len > bytes.len - at)
            return MRC_EINVAL;
        err = read_field(head[0], (struct mrc_bytes){bytes.ptr + at, len}, &order);
        if (err)
            return err;
        at += len;
    }
    *ret_order = order;
    return MRC_OK;
}

/* ---- what it applies to -----------------------------------------------------------------------*/

/* Whether WANTED (any, if it has no pointer) is TEXT (NULL: none). */
static bool fits(struct mrc_bytes wanted, const char *text)
{
    return !wanted.ptr || (text && mrc_bytes_eq_str(wanted, text));
}

bool mrc_order_fits_token(const struct mrc_order *order, const struct mrc_token *token)
{
    if (!token)
        return !order->sub.ptr && !order->jti.ptr && !order->iss.ptr && !order->token.ptr &&
               order->issued_before_us == INT64_MAX;
    return fits(order->sub, mrc_token_get_subject(token)) &&
           fits(order->jti, mrc_token_get_id(token)) &&
           fits(order->iss, mrc_token_get_issuer(token)) &&
           mrc_token_get_issued_us(token) < order->issued_before_us &&
           (!order->token.ptr ||
            memcmp(order->token.ptr, mrc_token_get_hash(token), MRC_ORDER_HASH_BYTES) == 0);
}

static bool fits_matcher(const struct mrc_order *order, const struct mrc_matcher *matcher)
{
    const char *type = mrc_matcher_type_name(mrc_matcher_get_type(matcher));

    return mrc_bytes_eq(order->match, mrc_matcher_get_value(matcher)) &&
           fits(order->match_type, type);
}

static bool fits_matchers(const struct mrc_order *order, const struct mrc_order_target *target)
{
    for (size_t i = 0; i < target->matchers_count; i++) {
        if (fits_matcher(order, target->matchers[i]))
            return true;
    }
    return !order->match.ptr;
}

bool mrc_order_applies(const struct mrc_order *order, const struct mrc_order_target *target)
{
    return mrc_order_fits_token(order, target->token) &&
           fits(order->subscriber, target->subscriber) &&
           (!order->address.ptr || (target->address && !memcmp(order->address.ptr, target->address,
                                                               order->address.len))) &&
           fits_matchers(order, target);
}

enum mrc_end mrc_order_end(const struct mrc_order *order)
{
    return order->kind == MRC_ORDER_REVOKE ? MRC_END_REVOKED : MRC_END_DISCONNECTED;
}
