/*
 * A carrier: what brings a stream's bytes to its client. The dispatcher knows it as this table.
 *
 * A carrier belongs to the dispatcher's thread from the moment it is posted until it is closed.
 * None of its functions ever blocks.
 */
#ifndef MRC_HUB_STREAM_CARRIER_H
#define MRC_HUB_STREAM_CARRIER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apr_thread_proc.h"

#include "hub/base/end.h"

struct mrc_carrier;
struct mrc_piece;

/* The most bytes that the dispatcher hands over at once: what httpd's core filter never blocks on.
 */
#define MRC_CARRIER_WRITE_BYTES ((size_t)32 * 1024)

/* The most pieces of one write. */
#define MRC_CARRIER_WRITE_PIECES 256

enum mrc_carrier_state {
    MRC_CARRIER_READY,   /* all that it was given is on its way; it takes more */
    MRC_CARRIER_PENDING, /* it holds some of it, until its descriptor is writable again */
    MRC_CARRIER_GONE     /* the client is gone */
};

struct mrc_carrier_ops {
    /*
     * Takes COUNT pieces, at most MRC_CARRIER_WRITE_BYTES and MRC_CARRIER_WRITE_PIECES of them,
     * and sends what can be sent. It keeps references of its own to the events that it still
     * needs. Never called while PENDING.
     */
    enum mrc_carrier_state (*write)(struct mrc_carrier *carrier, const struct mrc_piece *pieces,
                                    size_t count);

    /* Sends more of what it holds; called when the descriptor has become writable. */
    enum mrc_carrier_state (*flush)(struct mrc_carrier *carrier);

    /* Whether it may be closed now; false: ask again a little later. */
    bool (*may_close)(struct mrc_carrier *carrier, int64_t now_us);

    /* Ends the stream, in order unless the client is gone, and frees the carrier. */
    void (*close)(struct mrc_carrier *carrier, enum mrc_end end);

    /*
     * What the kernel holds that the client has not taken; it gets less by what is taken, even
     * where the descriptor is not writable yet. NULL: the carrier cannot tell.
     */
    size_t (*unsent_bytes)(const struct mrc_carrier *carrier);

    /*
     * It writes soon: has the processor fetch into its cache (hub/base/prefetch.h) what it points
     * to; it is there itself. NULL: it points to nothing.
     */
    void (*fetch)(const struct mrc_carrier *carrier);
};

/* What every carrier begins with. */
struct mrc_carrier {
    const struct mrc_carrier_ops *ops;
    int fd;               /* the client's socket: watched for writing and for hanging up */
    apr_thread_t *thread; /* set by the dispatcher: the thread that calls the operations */
};

#endif
