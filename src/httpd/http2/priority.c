#include "httpd/http2/priority.h"

#include <string.h>

#include <nghttp2/nghttp2.h>

#include "httpd/exchange/exchange.h"
#include "httpd/exchange/priority_field.h"
#include "httpd/http2/session.h"

/* Only streams of events have the urgency 0. */
#define URGENCY_OF_EVENTS 0
#define URGENCY_MOST      1

/* After so many frames, the response that has waited longest sends one. */
#define FRAMES_BETWEEN 16

/* Tells nghttp2, which looks at what the client says no longer. */
static void set(struct mrc_http2_session *session, const struct mrc_exchange *exchange,
                struct mrc_priority priority)
{
    const nghttp2_extpri value = {.urgency = priority.urgency, .inc = priority.is_incremental};

    if (!session->is_broken)
        nghttp2_session_change_extpri_stream_priority(session->ng, exchange->id, &value, 1);
}

static void parse(const char *field, size_t len, struct mrc_priority *ret_priority)
{
    *ret_priority = (struct mrc_priority){.urgency = MRC_PRIORITY_URGENCY_DEFAULT};
    mrc_priority_field_parse(field, len, ret_priority);
    if (ret_priority->urgency < URGENCY_MOST)
        ret_priority->urgency = URGENCY_MOST;
}

void mrc_http2_priority_begin(struct mrc_http2_session *session, struct mrc_exchange *exchange)
{
    const char *field = mrc_exchange_fields_get(&exchange->request, "priority");

    /* A client that gives no priority gets its responses side by side. */
    exchange->priority = (struct mrc_priority){MRC_PRIORITY_URGENCY_DEFAULT, true};
    if (session->early_priority_id == exchange->id)
        exchange->priority = session->early_priority;
    else if (field)
        parse(field, strlen(field), &exchange->priority);
    exchange->frame_number = session->frames_sent;
    set(session, exchange, exchange->priority);
}

void mrc_http2_priority_update(struct mrc_http2_session *session, int32_t id, const char *field,
                               size_t len)
{
    struct mrc_exchange *exchange =
        id > 0 ? nghttp2_session_get_stream_user_data(session->ng, id) : NULL;
    struct mrc_priority priority;

    parse(field, len, &priority);
    if (!exchange) { /* it may be for a request that follows */
        session->early_priority_id = id;
        session->early_priority = priority;
    } else if (!exchange->attached) {
        exchange->priority = priority;
        if (exchange != session->promoted)
            set(session, exchange, priority);
    }
}

void mrc_http2_priority_of_events(struct mrc_http2_session *session, struct mrc_exchange *exchange)
{
    exchange->priority = (struct mrc_priority){URGENCY_OF_EVENTS, true};
    set(session, exchange, exchange->priority);
}

void mrc_http2_priority_note_frame(struct mrc_http2_session *session, struct mrc_exchange *exchange)
{
    exchange->frame_number = ++session->frames_sent;
}

/* Whether EXCHANGE has bytes of a body that it could send. */
static bool waits(struct mrc_http2_session *session, const struct mrc_exchange *exchange)
{
    return exchange->is_submitted && !exchange->is_deferred &&
           nghttp2_session_get_stream_remote_window_size(session->ng, exchange->id) > 0;
}

/* The response that has waited longest, if that is long; NULL: none. */
static struct mrc_exchange *find_waiting(struct mrc_http2_session *session)
{
    struct mrc_exchange *found = NULL;

    for (struct mrc_exchange *exchange = session->exchanges; exchange; exchange = exchange->next) {
        if (!exchange->attached &&
            session->frames_sent - exchange->frame_number >= FRAMES_BETWEEN &&
            (!found || exchange->frame_number < found->frame_number) && waits(session, exchange))
            found = exchange;
    }
    return found;
}

void mrc_http2_priority_balance(struct mrc_http2_session *session)
{
    const struct mrc_priority first = {URGENCY_OF_EVENTS, true};
    struct mrc_exchange *promoted = session->promoted;

    if (promoted && (promoted->is_deferred || promoted->frame_number > session->promoted_frame)) {
        set(session, promoted, promoted->priority);
        session->promoted = promoted = NULL;
    }
    if (promoted || session->frames_sent - session->promoted_frame < FRAMES_BETWEEN)
        return;
    session->promoted_frame = session->frames_sent;
    session->promoted = find_waiting(session);
    if (session->promoted)
        set(session, session->promoted, first);
}

void mrc_http2_priority_forget(struct mrc_http2_session *session, struct mrc_exchange *exchange)
{
    if (session->promoted == exchange)
        session->promoted = NULL;
}
