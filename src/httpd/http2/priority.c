#include "httpd/http2/priority.h"

#include <string.h>

#include <nghttp2/nghttp2.h>

#include "httpd/exchange/exchange.h"
#include "httpd/exchange/priority_field.h"
#include "httpd/http2/session.h"
#include "httpd/http2/stream.h"

/* Only streams of events have the urgency 0. */
#define URGENCY_OF_EVENTS 0
#define URGENCY_MOST      1

/* After this many frames, the response that has waited longest sends one. */
#define FRAMES_BETWEEN 16

/* Tells nghttp2, which then ignores what the client says. */
static void set(struct mrc_http2_session *session, const struct mrc_http2_stream *stream,
                struct mrc_priority priority)
{
    const nghttp2_extpri value = {.urgency = priority.urgency, .inc = priority.is_incremental};

    if (!session->is_broken)
        nghttp2_session_change_extpri_stream_priority(session->ng, stream->id, &value, 1);
}

static void parse(const char *field, size_t len, struct mrc_priority *ret_priority)
{
    *ret_priority = (struct mrc_priority){.urgency = MRC_PRIORITY_URGENCY_DEFAULT};
    mrc_priority_field_parse(field, len, ret_priority);
    if (ret_priority->urgency < URGENCY_MOST)
        ret_priority->urgency = URGENCY_MOST;
}

void mrc_http2_priority_begin(struct mrc_http2_session *session, struct mrc_http2_stream *stream)
{
    struct mrc_exchange *exchange = stream->exchange;
    const char *field = mrc_exchange_fields_get(&exchange->request, "priority");

    /* A client that gives no priority gets its responses side by side. */
    exchange->priority = (struct mrc_priority){MRC_PRIORITY_URGENCY_DEFAULT, true};
    if (session->early_priority_id == stream->id)
        exchange->priority = session->early_priority;
    else if (field)
        parse(field, strlen(field), &exchange->priority);
    exchange->frame_number = session->frames_sent;
    set(session, stream, exchange->priority);
}

void mrc_http2_priority_update(struct mrc_http2_session *session, int32_t id, const char *field,
                               size_t len)
{
    struct mrc_http2_stream *stream =
        id > 0 ? nghttp2_session_get_stream_user_data(session->ng, id) : NULL;
    struct mrc_priority priority;

    parse(field, len, &priority);
    if (!stream) { /* it may be for a request that follows */
        session->early_priority_id = id;
        session->early_priority = priority;
    } else if (!stream->has_events) {
        stream->exchange->priority = priority;
        if (stream != session->promoted)
            set(session, stream, priority);
    }
}

void mrc_http2_priority_of_events(struct mrc_http2_session *session,
                                  struct mrc_http2_stream *stream)
{
    if (session->promoted == stream)
        session->promoted = NULL;
    set(session, stream, (struct mrc_priority){URGENCY_OF_EVENTS, true});
}

void mrc_http2_priority_note_frame(struct mrc_http2_session *session,
                                   struct mrc_http2_stream *stream)
{
    session->frames_sent++;
    if (!stream->has_events)
        stream->exchange->frame_number = session->frames_sent;
}

/* Whether STREAM, which is not a subscription, has waited long. */
static bool has_waited(const struct mrc_http2_session *session,
                       const struct mrc_http2_stream *stream)
{
    return session->frames_sent - stream->exchange->frame_number >= FRAMES_BETWEEN;
}

/* Whether STREAM has bytes of a body that it could send. */
static bool waits(struct mrc_http2_session *session, const struct mrc_http2_stream *stream)
{
    return stream->is_submitted && !stream->is_deferred &&
           nghttp2_session_get_stream_remote_window_size(session->ng, stream->id) > 0;
}

/* The response that has waited longest, if that is long; NULL: none. */
static struct mrc_http2_stream *find_waiting(struct mrc_http2_session *session)
{
    struct mrc_http2_stream *found = NULL;

    for (struct mrc_http2_stream *stream = session->streams; stream; stream = stream->next) {
        if (!stream->has_events && has_waited(session, stream) &&
            (!found || stream->exchange->frame_number < found->exchange->frame_number) &&
            waits(session, stream))
            found = stream;
    }
    return found;
}

void mrc_http2_priority_balance(struct mrc_http2_session *session)
{
    const struct mrc_priority first = {URGENCY_OF_EVENTS, true};
    struct mrc_http2_stream *promoted = session->promoted;

    if (promoted &&
        (promoted->is_deferred || promoted->exchange->frame_number > session->promoted_frame)) {
        set(session, promoted, promoted->exchange->priority);
        session->promoted = promoted = NULL;
    }
    if (promoted || session->frames_sent - session->promoted_frame < FRAMES_BETWEEN)
        return;
    session->promoted_frame = session->frames_sent;
    session->promoted = find_waiting(session);
    if (session->promoted)
        set(session, session->promoted, first);
}

void mrc_http2_priority_forget(struct mrc_http2_session *session, struct mrc_http2_stream *stream)
{
    if (session->promoted == stream)
        session->promoted = NULL;
}
