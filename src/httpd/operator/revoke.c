#include "httpd/operator/revoke.h"

#include <stdlib.h>

#include "apr_strings.h"

#include "core/jose/jws.h"
#include "core/protocol/update.h"
#include "core/token/token.h"
#include "httpd/operator/call.h"
#include "httpd/operator/fields.h"
#include "hub/control/order.h"
#include "hub/hub/hub.h"
#include "hub/hub/revocation.h"
#include "store/base/status.h"

#define SECOND_US ((int64_t)1000 * 1000)

/* How long a revocation lasts if neither the caller nor the token says it. */
#define DEFAULT_US (30 * 24 * 3600 * SECOND_US)

/* Ten years; and the last second of the year 9999. */
#define TTL_MAX_S  ((int64_t)10 * 366 * 24 * 3600)
#define TIME_MAX_S 253402300799LL

/* The claims of the entries in the list, which is bounded. */
#define CLAIM_MAX_BYTES 1024

/* The fields of the call, and the order that they make. */
struct revoking {
    struct mrc_operator_call *call;
    struct mrc_bytes token, issued_before, ttl, hint;
    unsigned char hash[MRC_TOKEN_HASH_BYTES];
    unsigned char bytes[MRC_REVOCATION_ID_BYTES];
    char id[MRC_UPDATE_ID_BYTES];
    int64_t now_us;
    struct mrc_order order;
};

static int read_fields(struct revoking *revoking)
{
    struct mrc_order *order = &revoking->order;
    const struct mrc_operator_field fields[] = {
        {"jti", &order->jti, CLAIM_MAX_BYTES, false},
        {"sub", &order->sub, CLAIM_MAX_BYTES, false},
        {"issued-before", &revoking->issued_before, 32, false},
        {"token", &revoking->token, MRC_JWS_MAX_BYTES, true},
        {"token_type_hint", &revoking->hint, CLAIM_MAX_BYTES, false},
        {"iss", &order->iss, CLAIM_MAX_BYTES, false},
        {"ttl", &revoking->ttl, 32, false},
    };

    return mrc_operator_read_body(revoking->call, fields, sizeof(fields) / sizeof(fields[0]));
}

static int refuse(const struct revoking *revoking, const char *detail)
{
    return mrc_operator_refuse(revoking->call, HTTP_BAD_REQUEST, detail);
}

static int check_fields(const struct revoking *revoking)
{
    const struct mrc_order *order = &revoking->order;
    int count = !!order->jti.ptr + !!order->sub.ptr + !!revoking->token.ptr;

    if (count != 1)
        return refuse(revoking, "say which tokens are revoked: give one of jti, sub and token");
    if (revoking->issued_before.ptr && !order->sub.ptr)
        return refuse(revoking, "the field issued-before needs the field sub");
    if (revoking->hint.ptr && !revoking->token.ptr)
        return refuse(revoking, "the field token_type_hint needs the field token");
    return DECLINED;
}

/*
 * Parses a number of seconds, perhaps with a fraction. -1: TEXT is not such a number, or above
 * MAX_S.
 */
static int64_t parse_seconds(apr_pool_t *pool, struct mrc_bytes text, int64_t max_s)
{
    const char *digits = apr_pstrmemdup(pool, text.ptr, text.len);
    double seconds;

    if (strspn(digits, "0123456789") != text.len &&
        (strspn(digits, "0123456789.") != text.len || digits[0] == '.' ||
         strchr(digits, '.') != strrchr(digits, '.')))
        return -1;
    seconds = strtod(digits, NULL);
    return seconds <= (double)max_s ? (int64_t)(seconds * (double)SECOND_US) : -1;
}

static int read_times(struct revoking *revoking)
{
    apr_pool_t *pool = revoking->call->r->pool;
    struct mrc_order *order = &revoking->order;
    int64_t ttl_us;

    order->until_us = revoking->now_us + DEFAULT_US;
    if (revoking->issued_before.ptr) {
        order->issued_before_us = parse_seconds(pool, revoking->issued_before, TIME_MAX_S);
        if (order->issued_before_us < 0)
            return refuse(revoking, "the field issued-before is not a time: give seconds since "
                                    "1970, as in the claim iat");
    }
    if (!revoking->ttl.ptr)
        return DECLINED;
    ttl_us = parse_seconds(pool, revoking->ttl, TTL_MAX_S);
    if (ttl_us <= 0)
        return refuse(revoking, "the field ttl is not a number of seconds from 1 to ten years");
    order->until_us = revoking->now_us + ttl_us;
    return DECLINED;
}

/* Reads a token, which is not verified: its hash is remembered until the time of its claim `exp`,
 * so a wrong claim only makes the list longer. */
static int read_token(struct revoking *revoking)
{
    struct mrc_bytes token = revoking->token;
    int64_t exp_us;
    enum mrc_err err;

    if (!token.ptr)
        return DECLINED;
    err = mrc_token_peek_exp_us(token, &exp_us);
    if (err == MRC_ENOMEM || !mrc_token_hash(token, revoking->hash))
        return mrc_operator_fail(revoking->call, APR_ENOMEM);
    if (err)
        return refuse(revoking, "the field token is not an access token");
    if (!revoking->ttl.ptr && exp_us != INT64_MAX)
        revoking->order.until_us = exp_us;
    revoking->order.token =
        (struct mrc_bytes){(const char *)revoking->hash, sizeof(revoking->hash)};
    return DECLINED;
}

static int carry_out(struct revoking *revoking)
{
    struct mrc_hub *hub = revoking->call->hub;
    apr_status_t status = mrc_hub_make_id(hub, revoking->id);

    if (status != APR_SUCCESS)
        return mrc_operator_fail(revoking->call, status);
    revoking->order.id = mrc_bytes_of(revoking->id);
    mrc_update_id_parse(revoking->order.id, revoking->bytes);
    if (revoking->order.until_us <= revoking->now_us)
        return DECLINED; /* the token has expired: nothing is left to refuse */
    status = mrc_revocation_add(hub, revoking->bytes, &revoking->order, revoking->now_us);
    if (status == APR_ENOSPC)
        return mrc_operator_refuse(revoking->call, HTTP_INSUFFICIENT_STORAGE,
                                   "the list of revocations, or the disk, is full: lift "
                                   "revocations that are not needed any more, or revoke a subject "
                                   "instead of single tokens");
    return status == APR_SUCCESS ? DECLINED : mrc_operator_fail(revoking->call, status);
}

int mrc_operator_revoke(struct mrc_operator_call *call)
{
    struct revoking revoking = {
        .call = call, .now_us = apr_time_now(), .order = mrc_order_init(MRC_ORDER_REVOKE)};
    int status = read_fields(&revoking);

    if (status == DECLINED)
        status = check_fields(&revoking);
    if (status == DECLINED)
        status = read_times(&revoking);
    if (status == DECLINED)
        status = read_token(&revoking);
    if (status == DECLINED)
        status = carry_out(&revoking);
    if (status != DECLINED)
        return status;
    return mrc_operator_answer(
        call, HTTP_OK, mrc_bytes_of(apr_psprintf(call->r->pool, "{\"id\":\"%s\"}", revoking.id)));
}
