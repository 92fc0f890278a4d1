/*
 * A piece of an event as a bucket of httpd's filters: shared, and never copied.
 */
#ifndef MRC_HTTPD_CARRIER_EVENT_BUCKET_H
#define MRC_HTTPD_CARRIER_EVENT_BUCKET_H

#include "apr_buckets.h"

struct mrc_event;
struct mrc_piece;

/* Adds PIECE to BRIGADE, whose buckets hold references of their own to the event. */
void mrc_event_bucket_append(apr_bucket_brigade *brigade, const struct mrc_piece *piece);

/* Adds all of EVENT, in the chunk that it lies in (hub/base/event.h). */
void mrc_event_bucket_append_chunk(apr_bucket_brigade *brigade, struct mrc_event *event);

#endif
