/*
 * A page of the list of the open streams of this machine, as JSON.
 */
#ifndef MRC_HTTPD_OPERATOR_STREAMS_PAGE_H
#define MRC_HTTPD_OPERATOR_STREAMS_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apr_errno.h"

#include "core/base/buf.h"
#include "core/base/bytes.h"
#include "hub/child/inquire.h"

struct mrc_child;
struct mrc_hub;
struct mrc_order;

/* The caller fills the first part; the rest begins as 0. */
struct mrc_streams_page {
    struct mrc_child *child;
    const struct mrc_hub *hub;
    const struct mrc_order *order;  /* only streams to which it would apply */
    struct mrc_buf *out;            /* gets objects with commas between them; may have some */
    size_t bytes_max;               /* the page ends when OUT has this many */
    uint32_t limit;                 /* of streams; 0 only finds out whether there are any */
    struct mrc_inquire_place place; /* where the page begins; then of its last stream */

    uint32_t count;    /* of the streams that were added */
    bool has_more;     /* there are others */
    unsigned silent;   /* children that did not answer */
    uint64_t next;     /* the id below is that of the record before this one; 0: of none */
    struct mrc_buf id; /* as JSON */
};

/* Waits at most WAIT_US. The errors are those of mrc_child_inquire(). */
apr_status_t mrc_streams_page_fill(struct mrc_streams_page *page, int64_t wait_us);

#endif
