/*
 * Orders: what an operator tells all children of a hub to do with its streams. An order travels
 * through the ring as the payload of a control record (store/ring/ring.h), and over a transport to
 * the other machines, so its bytes are the same on every machine.
 *
 *     version (1 byte) | kind (1 byte) | fields
 *     field: tag (1 byte) | length (4 bytes, little endian) | bytes
 *
 * A reader refuses an order with a field that it does not know: without that field, the order would
 * apply to more streams than the operator meant.
 */
#ifndef MRC_HUB_CONTROL_ORDER_H
#define MRC_HUB_CONTROL_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/bytes.h"
#include "core/topic/matcher.h"
#include "hub/base/end.h"

struct mrc_token;

/* The bytes of an address: of IPv6, or of IPv4 as `::ffff:a.b.c.d`. */
#define MRC_ORDER_ADDRESS_BYTES 16

/* The longest text of one field. */
#define MRC_ORDER_FIELD_MAX 4096

/* The SHA-256 of a token's text. */
#define MRC_ORDER_HASH_BYTES 32

enum mrc_order_kind {
    MRC_ORDER_DISCONNECT, /* ends streams, which may come back */
    MRC_ORDER_REVOKE,     /* ends the streams of tokens that are refused from now on */
    MRC_ORDER_LIFT        /* from machine to machine: the revocation ID is no longer in force */
};

/* A view { NULL, 0 } stands for any value. All views belong to the caller. */
struct mrc_order {
    enum mrc_order_kind kind;
    struct mrc_bytes subscriber; /* the id of a subscriber */
    struct mrc_bytes sub, jti, iss;
    struct mrc_bytes token;      /* MRC_ORDER_HASH_BYTES */
    struct mrc_bytes match;      /* the value of one of its matchers */
    struct mrc_bytes match_type; /* the name of the type of that matcher; only with MATCH */
    struct mrc_bytes address;    /* MRC_ORDER_ADDRESS_BYTES */
    struct mrc_bytes id;         /* of a revocation */
    int64_t issued_before_us;    /* tokens with an earlier iat, or without one; INT64_MAX: any */
    int64_t until_us;            /* of a revocation: when it ends, since 1970 */
};

/* An order of KIND that applies to every stream. */
struct mrc_order mrc_order_init(enum mrc_order_kind kind);

/* Adds the bytes of ORDER to BUF. */
void mrc_order_encode(const struct mrc_order *order, struct mrc_buf *buf);

/* Reads an order; its views point into BYTES. MRC_EINVAL: these are not the bytes of an order;
 * MRC_EUNSUPPORTED: a later version has written it. */
enum mrc_err mrc_order_decode(struct mrc_bytes bytes, struct mrc_order *ret_order);

/* A stream, as an order sees it. */
struct mrc_order_target {
    const struct mrc_token *token; /* NULL: anonymous */
    const char *subscriber;        /* its id */
    const unsigned char *address;  /* MRC_ORDER_ADDRESS_BYTES; NULL: not known */
    struct mrc_matcher *const *matchers;
    size_t matchers_count;
};

/* Whether ORDER applies to TARGET: every field of the order must fit. */
bool mrc_order_applies(const struct mrc_order *order, const struct mrc_order_target *target);

/* Whether the fields of ORDER that are about tokens fit TOKEN, which may be NULL. */
bool mrc_order_fits_token(const struct mrc_order *order, const struct mrc_token *token);

/* The reason for which the streams of ORDER end. */
enum mrc_end mrc_order_end(const struct mrc_order *order);

#endif
