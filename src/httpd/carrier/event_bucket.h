/*
 * A bucket for httpd's filters that refers to an event: the bytes are shared by all streams, and
 * never copied.
 */
#ifndef MRC_HTTPD_CARRIER_EVENT_BUCKET_H
#define MRC_HTTPD_CARRIER_EVENT_BUCKET_H

#include "apr_buckets.h"

struct mrc_event;
struct mrc_piece;

/* Appends a bucket of PIECE to BRIGADE. The bucket takes a reference to the event. */
void mrc_event_bucket_append(apr_bucket_brigade *brigade, const struct mrc_piece *piece);

/* The same for all of EVENT, framed as one chunk (mrc_event_chunk()). */
void mrc_event_bucket_append_chunk(apr_bucket_brigade *brigade, struct mrc_event *event);

#endif
