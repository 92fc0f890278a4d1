/* clang-format off */
/*
 * An exchange: one request of HTTP/2 and its response. Two threads share it while the request
 * runs: the loop of its session, and the worker that handles the request.
 *
 *     session (loop's thread)                             worker
 *       | request, fields                                   |
 *       +------ the job --------------------------------->  | the request, as httpd sees it
 *       | DATA --> in ------------------------------------> | reads its body
 *       | <------------------------------- heads, out <---- | writes its response
 *       | <------------------------------- a note <-------- | there is something to send
 *       |                                                   v
 *       | the last frame
 *       v
 *     closed
 *
 * References keep an exchange: the session has one until its stream is closed, the job has one, and
 * so has a note that is posted. A subscription continues without its exchange
 * (httpd/http2/stream.h).
 */
/* clang-format on */
#ifndef MRC_HTTPD_EXCHANGE_EXCHANGE_H
#define MRC_HTTPD_EXCHANGE_EXCHANGE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "apr_errno.h"
#include "apr_time.h"

#include "httpd/exchange/fields.h"
#include "httpd/exchange/priority_field.h"
#include "httpd/exchange/queue.h"
#include "httpd/exchange/workers.h"
#include "hub/base/list.h"
#include "hub/stream/session.h"

struct conn_rec;
struct mrc_exchange;
struct mrc_http2_attached;
struct mrc_http2_stream;
struct mrc_kept;

enum mrc_exchange_head_kind {
    MRC_EXCHANGE_HEAD_INTERIM, /* 1xx; others follow */
    MRC_EXCHANGE_HEAD_FINAL,   /* the body follows */
    MRC_EXCHANGE_HEAD_TRAILERS /* after the body */
};

/* Fields that a worker wants to be sent. */
struct mrc_exchange_head {
    struct mrc_list_link link;
    enum mrc_exchange_head_kind kind;
    int status;
    struct mrc_exchange_fields fields;
};

/* What all exchanges of a session have in common. It lives as long as any of their jobs. */
struct mrc_exchange_origin {
    struct mrc_sessions *sessions; /* that the session belongs to; notes go there */
    void (*take_note)(struct mrc_call *note);
    /* A job begins that is posted later. Any thread. */
    void (*job_begins)(struct mrc_exchange_origin *origin);
    /* Any thread; ORIGIN may be freed then. */
    void (*job_ended)(struct mrc_exchange_origin *origin);
    /* Whether a request waits for a thread. Any thread. */
    bool (*threads_are_short)(struct mrc_exchange_origin *origin);
    struct conn_rec *c;      /* the client's connection */
    const char *protocol;    /* "h2" or "h2c" */
    void *socket;            /* an apr_socket_t without a client, for modules that ask for one */
    unsigned long number;    /* of the session in its child, from 0 */
    unsigned requests;       /* so far; of the loop's thread */
    int sb_child, sb_thread; /* the place of C in the scoreboard (scoreboard.h) */
    struct mrc_exchange_files *files; /* of the child */
    struct mrc_exchange_held held;    /* requests and responses of the session; ALL: of the child */
};

struct mrc_exchange {
    struct mrc_call note;         /* the first member */
    struct mrc_exchange_job job;  /* handles the request */
    struct mrc_exchange_job load; /* reads a part of a file */
    atomic_int refs;
    struct mrc_exchange_origin *origin; /* as long as the stream is not closed, or the job runs */
    int32_t id;                         /* of the stream */

    /* Frames of this stream from the client, with their heads; the loop's thread counts. */
    atomic_size_t wire_in_bytes;

    /* The request: of the loop's thread until the job is posted, then of the job. */
    struct mrc_exchange_fields request;
    int refused;     /* an HTTP status, if a limit was exceeded; 0: none */
    bool has_length; /* Content-Length */
    bool has_body;   /* DATA follows */
    bool is_begun;   /* its fields are complete */
    unsigned number; /* of the request in its session, from 0 */

    /* Of the loop's thread. */
    struct mrc_http2_stream *stream;     /* NULL: it is closed, or needs the exchange no longer */
    struct mrc_exchange_fields trailers; /* of the request */
    struct mrc_exchange_fields out_trailers; /* of the response */
    struct mrc_priority priority;            /* of the response */
    uint64_t frame_number;                   /* of its last frame, of all in its session */
    size_t wire_out_bytes; /* frames of this stream to the client, with their heads */
    bool is_posted;        /* the job was posted */
    bool is_answered;      /* the whole response is sent, not all has been read */
    bool expects_continue; /* the client waits for 100, which was not sent */

    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* Under the lock. */
    struct mrc_exchange_queue in;
    bool in_ended;         /* the whole body is in IN; the loop's thread writes it */
    bool in_is_broken;     /* a part of it is missing in IN, which is not read any more */
    size_t in_unread;      /* bytes of DATA that the client's window does not have again */
    size_t in_read;        /* of these, what the worker has read since the last note */
    uint64_t in_total;     /* bytes of DATA so far */
    struct mrc_list heads; /* of struct mrc_exchange_head */
    struct mrc_exchange_queue out;
    bool out_ended;     /* the whole body is in OUT */
    bool out_is_broken; /* the body is not complete: the stream is reset after OUT */
    bool out_waits;     /* the worker waits for room in OUT */
    uint64_t out_total; /* bytes that the worker has written so far */
    int64_t waited_us;  /* the time that the worker has waited for the client */
    bool gave_up;       /* the client is too slow while threads are short */
    bool lasts;         /* a subscription: OUT is empty most of the time */
    bool is_loading;    /* the first chunk of OUT, which stays there, is to be read from its file */
    bool load_runs;     /* it is being read */
    bool load_is_posted; /* LOAD waits for a thread */
    bool has_begun;      /* the job handles the request */
    bool is_closed;      /* nothing is sent or received any more */
    bool is_noted;       /* the note is posted */
    uint32_t reset;      /* an error code of HTTP/2: the stream is reset with it; 0: no */
    bool is_whole;       /* the session has taken the whole response */
    struct mrc_http2_attached *attaching; /* the session is to adopt it */
    struct mrc_kept *kept;                /* the request that ends with the stream; NULL: none */
};

/* A worker that waits for room in OUT continues when no more than this is left. */
#define MRC_EXCHANGE_OUT_LOW ((size_t)128 * 1024)

/* While the requests and responses of a session, or of a child, hold more bytes than this, a
 * response may hold few, so workers wait for clients that do not read. */
#define MRC_EXCHANGE_HELD_SESSION ((size_t)4 * 1024 * 1024)
#define MRC_EXCHANGE_HELD_CHILD   ((size_t)64 * 1024 * 1024)

/* The bytes of the response that are in memory. Under the lock. */
static inline size_t mrc_exchange_out_held(const struct mrc_exchange *exchange)
{
    return exchange->out.bytes - exchange->out.file_bytes;
}

/* What a request holds until its job has run, besides its body. Its fields are freed with its
 * stream, if the job has not begun by then. */
static inline size_t mrc_exchange_request_held(const struct mrc_exchange *exchange)
{
    return sizeof(*exchange) + exchange->request.cap;
}

/* Whether its session, or its child, holds too many bytes. Any thread. */
bool mrc_exchange_is_crowded(const struct mrc_exchange_origin *origin);

/* The exchange of the stream ID, with the session's reference. NULL: out of memory. */
struct mrc_exchange *mrc_exchange_create(struct mrc_exchange_origin *origin, int32_t id);

/* Adds a reference, and returns EXCHANGE. Any thread. */
struct mrc_exchange *mrc_exchange_ref(struct mrc_exchange *exchange);

/* Releases a reference; the last one frees the exchange. Any thread. */
void mrc_exchange_unref(struct mrc_exchange *exchange);

/* Frees a head. Accepts NULL. */
void mrc_exchange_head_destroy(struct mrc_exchange_head *head);

/* ---- for the loop's thread --------------------------------------------------------------------*/

/* Adds LEN bytes of the body, of which the worker learns with mrc_exchange_wake(). False: out of
 * memory, now or before; the worker gets no more of the body. */
bool mrc_exchange_add_body(struct mrc_exchange *exchange, const char *bytes, size_t len);

/* Wakes the worker if it waits. */
void mrc_exchange_wake(struct mrc_exchange *exchange);

/* The end of the body, of which the worker learns at once. TRAILERS, the fields after it, may be
 * empty. */
void mrc_exchange_end_body(struct mrc_exchange *exchange,
                           const struct mrc_exchange_fields *trailers);

/* Finds who reads the part of a file for which OUT may be blocked. True: the caller posts LOAD.
 * Under the lock. */
bool mrc_exchange_begin_load(struct mrc_exchange *exchange);

/* LOAD could not be posted. The caller resets the stream. */
void mrc_exchange_give_up_load(struct mrc_exchange *exchange);

/* The stream is closed: wakes the worker. */
void mrc_exchange_close(struct mrc_exchange *exchange);

/* ---- for the worker ---------------------------------------------------------------------------*/

/* The job begins. False: the stream is closed, so nobody gets a response, and the fields of the
 * request are freed. */
bool mrc_exchange_begin(struct mrc_exchange *exchange);

/* Whether the stream is closed: nobody gets what is written. */
bool mrc_exchange_is_closed(struct mrc_exchange *exchange);

/* Whether the response waits for bytes of a file that the session sends later. */
bool mrc_exchange_has_file(struct mrc_exchange *exchange);

/* Frees the fields of the request, which has ended. */
void mrc_exchange_free_request(struct mrc_exchange *exchange);

/* How a read of the body waits and what it takes. */
struct mrc_exchange_read {
    size_t max;
    bool is_line;  /* up to the end of the first line */
    bool is_peek;  /* the bytes stay */
    bool may_wait; /* up to TIMEOUT_US */
    int64_t timeout_us;
};

/* Reads some of the body into RET_BYTES. APR_EOF: there is no more. APR_EAGAIN, APR_TIMEUP;
 * APR_ECONNABORTED: the stream is closed, or there was no memory for a part of the body. */
apr_status_t mrc_exchange_read(struct mrc_exchange *exchange, const struct mrc_exchange_read *read,
                               char *ret_bytes, size_t *ret_len);

/* Sends HEAD, which it takes over. */
void mrc_exchange_put_head(struct mrc_exchange *exchange, struct mrc_exchange_head *head);

/*
 * Adds LEN bytes of the response, and waits up to TIMEOUT_US whenever too many are not sent.
 * APR_ECONNABORTED: the stream is closed. APR_TIMEUP; APR_ENOMEM.
 */
apr_status_t mrc_exchange_write(struct mrc_exchange *exchange, const char *bytes, size_t len,
                                int64_t timeout_us);

/* Adds LEN bytes of the file FD from OFFSET on. Long files are read when they are sent, so the
 * worker does not wait for the client. Otherwise like mrc_exchange_write(). */
apr_status_t mrc_exchange_write_file(struct mrc_exchange *exchange, int fd, off_t offset,
                                     size_t len, int64_t timeout_us);

/* For LOAD: reads the part of a file for which OUT is blocked, unless that was done meanwhile. */
void mrc_exchange_load(struct mrc_exchange *exchange);

/* Tells the session that there is something to send. */
void mrc_exchange_flush(struct mrc_exchange *exchange);

/* The same, if there is more than a little to send: the worker may write no more for a while. */
void mrc_exchange_offer(struct mrc_exchange *exchange);

/* The end of the response. IS_WHOLE: it is complete; otherwise the stream is reset. */
void mrc_exchange_end(struct mrc_exchange *exchange, bool is_whole);

/* Whether the session has all of the response: its body, and its heads, the trailers among them.
 * Under the lock. */
bool mrc_exchange_has_ended(const struct mrc_exchange *exchange);

/* Resets the stream with an error code of HTTP/2, in place of a response. */
void mrc_exchange_reset(struct mrc_exchange *exchange, uint32_t error);

/* The response becomes a subscription; before its first bytes are written. */
void mrc_exchange_set_lasting(struct mrc_exchange *exchange);

/* Hands ATTACHED to the session. */
void mrc_exchange_attach(struct mrc_exchange *exchange, struct mrc_http2_attached *attached);

#endif
