/*
 * A carrier: it brings the bytes of a stream to its client. The dispatcher uses it through this
 * table, and httpd's layer has the implementations (httpd/carrier).
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

#include "hub/base/end.h"

struct mrc_carrier;
struct mrc_piece;

/* The most bytes of one write: httpd's core filter never blocks on so few. */
#define MRC_CARRIER_WRITE_BYTES ((size_t)32 * 1024)

/* The most pieces of one write. */
#define MRC_CARRIER_WRITE_PIECES 256

enum mrc_carrier_state {
    MRC_CARRIER_READY,   /* everything that it was given is on its way; it takes more */
    MRC_CARRIER_PENDING, /* it holds some of it until its descriptor is writable again */
    MRC_CARRIER_GONE     /* the client is gone */
};

struct mrc_carrier_ops {
    /*
     * Takes COUNT pieces, at most MRC_CARRIER_WRITE_PIECES with MRC_CARRIER_WRITE_BYTES together,
     * and sends what can be sent. It takes references of its own to events that it still needs
     * afterwards. Never called while it is PENDING.
     */
    enum mrc_carrier_state (*write)(struct mrc_carrier *carrier, const struct mrc_piece *pieces,
                                    size_t count);

    /* Sends more of what it holds, when the descriptor has become writable. */
    enum mrc_carrier_state (*flush)(struct mrc_carrier *carrier);

    /* Whether it may be closed now; false: the loop asks again a little later. */
    bool (*may_close)(struct mrc_carrier *carrier, int64_t now_us);

    /* Ends the stream, in order unless the client is gone, and frees the carrier. */
    void (*close)(struct mrc_carrier *carrier, enum mrc_end end);

    /*
     * The number of bytes in the kernel that the client has not taken. It falls as the client takes
     * some, even while the descriptor is not writable yet. NULL: the carrier does not know.
     */
    size_t (*unsent_bytes)(const struct mrc_carrier *carrier);

    /*
     * It writes soon: fetches what it points to into the processor's cache (hub/base/prefetch.h);
     * the carrier itself is there. NULL: it points to nothing.
     */
    void (*fetch)(const struct mrc_carrier *carrier);

    /*
     * The stream has ended: sends the client the end of the response, although the carrier may not
     * be closed yet. Called once at most, never while it is PENDING, and not if the client is gone;
     * after it only may_close() and close(). NULL: close() does it.
     */
    void (*finish)(struct mrc_carrier *carrier);
};

/* Every carrier begins with this. */
struct mrc_carrier {
    const struct mrc_carrier_ops *ops;
    int fd;               /* the client's socket, watched for writing and for hanging up */
    apr_thread_t *thread; /* that calls the functions; the dispatcher sets it */
};

#endif
