/*
 * A carrier sends the bytes of a stream to its client. The dispatcher uses it through this table of
 * functions; httpd's layer has the implementations (httpd/carrier).
 *
 * A carrier belongs to the thread of its dispatcher loop from the moment its stream is posted until
 * it is closed. None of its functions ever blocks.
 */
#ifndef MRC_HUB_STREAM_CARRIER_H
#define MRC_HUB_STREAM_CARRIER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apr_thread_proc.h"

#include "hub/base/carrier_kind.h"
#include "hub/base/end.h"

struct mrc_carrier;
struct mrc_piece;

/* The most bytes of one write: httpd's core filter never blocks on so few, and as one chunk of
 * HTTP/1.1 they fill two records of TLS. */
#define MRC_CARRIER_WRITE_BYTES ((size_t)(32 * 1024 - 32))

/* The most pieces of one write. */
#define MRC_CARRIER_WRITE_PIECES 256

enum mrc_carrier_state {
    MRC_CARRIER_READY,   /* all bytes that it got are on their way; it accepts more */
    MRC_CARRIER_PENDING, /* it still holds bytes, until its descriptor is writable again */
    MRC_CARRIER_GONE     /* the client is gone */
};

struct mrc_carrier_ops {
    enum mrc_carrier_kind kind;

    /*
     * Takes COUNT pieces, at most MRC_CARRIER_WRITE_PIECES with at most MRC_CARRIER_WRITE_BYTES in
     * total, and sends what the socket accepts. Adds a reference to each event that it still needs
     * afterwards. Never called while the carrier is PENDING.
     */
    enum mrc_carrier_state (*write)(struct mrc_carrier *carrier, const struct mrc_piece *pieces,
                                    size_t count);

    /* Sends more of the bytes that it holds, when the descriptor has become writable. */
    enum mrc_carrier_state (*flush)(struct mrc_carrier *carrier);

    /* Whether the carrier may be closed now. False: the loop asks again a little later. */
    bool (*may_close)(struct mrc_carrier *carrier, int64_t now_us);

    /* Ends the stream, cleanly unless the client is gone, and frees the carrier. */
    void (*close)(struct mrc_carrier *carrier, enum mrc_end end);

    /*
     * The number of bytes in the kernel that the client has not accepted yet. It falls as the
     * client accepts bytes, even while the descriptor is not writable. NULL: the carrier does not
     * know it.
     */
    size_t (*unsent_bytes)(const struct mrc_carrier *carrier);

    /*
     * For how long the client has acknowledged nothing, in microseconds, although the kernel has
     * bytes for it; 0: it has acknowledged everything. NULL: the carrier does not know it.
     */
    int64_t (*silence_us)(const struct mrc_carrier *carrier);

    /*
     * Called shortly before a write: fetches the memory that the carrier points to into the
     * processor's cache (hub/base/prefetch.h); the carrier itself is there already. NULL: there is
     * nothing to fetch.
     */
    void (*fetch)(const struct mrc_carrier *carrier);

    /*
     * The stream has ended: sends the client the end of the response, although the carrier may not
     * be closed yet. Called once at most, never while it is PENDING, and not if the client is gone;
     * only may_close() and close() follow. NULL: close() sends the end.
     */
    void (*finish)(struct mrc_carrier *carrier);

    /*
     * The client has sent something, or the stream begins. GONE: the client is gone; otherwise
     * READY, even while the carrier is PENDING. NULL: the descriptor is not watched for reading.
     */
    enum mrc_carrier_state (*read)(struct mrc_carrier *carrier);
};

/* Every carrier begins with this. */
struct mrc_carrier {
    const struct mrc_carrier_ops *ops;
    int fd; /* the client's socket, watched for writing, for hanging up, and if OPS->read for
               reading; -1: the carrier is part of a session (session.h) */
    apr_thread_t *thread; /* the thread that calls the functions; the dispatcher sets it */
};

#endif
