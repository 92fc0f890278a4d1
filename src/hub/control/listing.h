/*
 * The list of streams that an operator asks for: the bytes of a question to one child, and of its
 * answer (store/shm/inquiry.h).
 *
 *     question     version | limit | newest | key of the hub | order
 *     answer       version | parts | more | entries
 *     entry        length | since | serial | next | waiting | carrier | JSON
 *
 * Numbers have the byte order of the machine, because they never leave it. A child lists the
 * streams of one part after the other: a part is a loop of its dispatcher, and the last part has
 * the streams that hold a thread. In a part the newest stream comes first, and each has a serial
 * number, from which the next question continues.
 */
#ifndef MRC_HUB_CONTROL_LISTING_H
#define MRC_HUB_CONTROL_LISTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/bytes.h"
#include "core/base/err.h"
#include "hub/base/carrier_kind.h"
#include "hub/control/order.h"

/* The most bytes of JSON in one entry. An answer has room for at least one. */
#define MRC_LISTING_JSON_MAX ((size_t)128 * 1024)

struct mrc_listing_question {
    struct mrc_bytes hub;   /* its key */
    struct mrc_order order; /* only streams to which it would apply */
    uint32_t limit;         /* of entries */
    bool has_after;         /* only streams that are older than the one with the serial AFTER */
    uint32_t after;
};

/* A stream. */
struct mrc_listing_entry {
    uint32_t since_s; /* when it began, since 1970 */
    uint32_t serial;
    uint64_t next;    /* the number in the history of the next record that it gets; 0: not known */
    uint64_t waiting; /* bytes that its client has not taken yet */
    enum mrc_carrier_kind carrier;
    struct mrc_bytes json; /* members of an object: subscriber, sub, matchers, address */
};

struct mrc_listing_answer {
    uint32_t parts; /* of the child */
    bool has_more;  /* streams in this part that did not fit, or are above the limit */
    struct mrc_bytes entries;
};

/* These add the bytes to BUF, or read them; the views that are read point into BYTES. MRC_EINVAL:
 * they are not what is expected. */
void mrc_listing_add_question(struct mrc_buf *buf, const struct mrc_listing_question *question);
enum mrc_err mrc_listing_read_question(struct mrc_bytes bytes,
                                       struct mrc_listing_question *ret_question);

void mrc_listing_add_entry(struct mrc_buf *buf, const struct mrc_listing_entry *entry);
void mrc_listing_add_answer(struct mrc_buf *buf, const struct mrc_listing_answer *answer);
enum mrc_err mrc_listing_read_answer(struct mrc_bytes bytes, struct mrc_listing_answer *ret_answer);

/* Reads the first of ENTRIES, and removes it from them. False: there is none, or it is damaged. */
bool mrc_listing_next(struct mrc_bytes *entries, struct mrc_listing_entry *ret_entry);

/* The bytes of the head of an answer, and of an entry without its JSON. */
size_t mrc_listing_answer_bytes(void);
size_t mrc_listing_entry_bytes(void);

#endif
