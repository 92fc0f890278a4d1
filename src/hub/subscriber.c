#include "hub/subscriber.h"

#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/matcher.h"
#include "core/sse.h"
#include "core/token.h"
#include "core/update.h"
#include "hub/hub.h"
#include "store/ring.h"

struct mrc_subscriber {
    struct mrc_hub *hub;
    struct mrc_matcher **matchers;
    size_t matchers_count;
    struct mrc_token *token;
    uint64_t pos;                  /* in the hub's ring: what it has not seen yet */
    struct mrc_ring_record record; /* reused from read to read */
    bool has_cursor;
    size_t last_event_id_len;
    char *last_event_id; /* malloc()ed */
};

static void free_subscription(struct mrc_subscription *subscription)
{
    for (size_t i = 0; i < subscription->matchers_count; i++)
        mrc_matcher_free(subscription->matchers[i]);
    free(subscription->matchers);
    mrc_token_unref(subscription->token);
    *subscription = (struct mrc_subscription){0};
}

static apr_status_t keep_last_event_id(struct mrc_subscriber *subscriber, struct mrc_bytes id)
{
    subscriber->last_event_id = malloc(id.len + 1);
    if (!subscriber->last_event_id)
        return APR_ENOMEM;
    memcpy(subscriber->last_event_id, id.ptr, id.len);
    subscriber->last_event_id_len = id.len;
    return APR_SUCCESS;
}

/*
 * An empty cursor asks for nothing that is past; what the answer tells then is the newest id. It is
 * read again when another update has come in between, so that id and position fit together.
 */
static apr_status_t start_at_newest(struct mrc_subscriber *subscriber, struct mrc_ring *ring)
{
    for (;;) {
        apr_status_t status;

        subscriber->pos = mrc_ring_head(ring);
        status = mrc_ring_newest(ring, &subscriber->record);
        if (mrc_ring_head(ring) != subscriber->pos)
            continue;
        if (status == APR_NOTFOUND)
            return keep_last_event_id(subscriber, mrc_bytes_of("earliest"));
        if (status != APR_SUCCESS)
            return status;
        return keep_last_event_id(subscriber, subscriber->record.id);
    }
}

/*
 * Where the stream begins. A cursor that the history does not know is answered with all that it
 * holds, and with `earliest`, so that the client can tell that something may be lost.
 */
static apr_status_t start(struct mrc_subscriber *subscriber, struct mrc_bytes cursor,
                          int64_t now_us)
{
    struct mrc_ring *ring = mrc_hub_ring(subscriber->hub);

    if (!subscriber->has_cursor) {
        subscriber->pos = mrc_ring_head(ring);
        return APR_SUCCESS;
    }
    if (cursor.len == 0)
        return start_at_newest(subscriber, ring);
    if (!mrc_bytes_eq_str(cursor, "earliest") &&
        mrc_ring_find(ring, cursor, now_us, &subscriber->pos) == APR_SUCCESS)
        return keep_last_event_id(subscriber, cursor);
    subscriber->pos = mrc_ring_oldest(ring, now_us);
    return keep_last_event_id(subscriber, mrc_bytes_of("earliest"));
}

apr_status_t mrc_subscriber_open(struct mrc_hub *hub, struct mrc_subscription *subscription,
                                 int64_t now_us, struct mrc_subscriber **ret_subscriber)
{
    struct mrc_subscriber *subscriber = calloc(1, sizeof(*subscriber));
    apr_status_t status;

    if (!subscriber) {
        free_subscription(subscription);
        return APR_ENOMEM;
    }
    subscriber->hub = hub;
    subscriber->matchers = subscription->matchers;
    subscriber->matchers_count = subscription->matchers_count;
    subscriber->token = subscription->token;
    subscriber->has_cursor = subscription->has_cursor;
    mrc_hub_listen(hub); /* before the position is taken: nothing falls between */
    status = start(subscriber, subscription->cursor, now_us);
    *subscription = (struct mrc_subscription){0};
    if (status != APR_SUCCESS) {
        mrc_subscriber_close(subscriber);
        return status;
    }
    *ret_subscriber = subscriber;
    return APR_SUCCESS;
}

void mrc_subscriber_close(struct mrc_subscriber *subscriber)
{
    if (!subscriber)
        return;
    mrc_hub_unlisten(subscriber->hub);
    free_subscription(&(struct mrc_subscription){
        .matchers = subscriber->matchers,
        .matchers_count = subscriber->matchers_count,
        .token = subscriber->token,
    });
    mrc_ring_record_free(&subscriber->record);
    free(subscriber->last_event_id);
    free(subscriber);
}

struct mrc_bytes mrc_subscriber_last_event_id(const struct mrc_subscriber *subscriber)
{
    return (struct mrc_bytes){subscriber->last_event_id, subscriber->last_event_id_len};
}

int64_t mrc_subscriber_expires_us(const struct mrc_subscriber *subscriber)
{
    return subscriber->token ? mrc_token_get_exp_us(subscriber->token) : INT64_MAX;
}

static bool listens_to(const struct mrc_subscriber *subscriber, const struct mrc_update *update)
{
    for (size_t m = 0; m < subscriber->matchers_count; m++) {
        for (size_t t = 0; t < update->topics_count; t++) {
            if (mrc_matcher_matches(subscriber->matchers[m], update->topics[t]))
                return true;
        }
    }
    return false;
}

/* Routing never widens what may be read: a private update needs a grant (draft, "Subscribers"). */
static bool may_read(const struct mrc_subscriber *subscriber, const struct mrc_update *update)
{
    return !update->is_private ||
           (subscriber->token && mrc_token_grants_any(subscriber->token, MRC_ACTION_SUBSCRIBE,
                                                      update->topics, update->topics_count));
}

static apr_status_t add_event(const struct mrc_subscriber *subscriber, struct mrc_buf *out)
{
    struct mrc_update update;

    switch (mrc_update_decode(subscriber->record.id, subscriber->record.payload, &update)) {
    case MRC_OK:
        break;
    case MRC_ENOMEM:
        return APR_ENOMEM;
    default:
        return MRC_STATUS_CORRUPT;
    }
    if (listens_to(subscriber, &update) && may_read(subscriber, &update))
        mrc_sse_add_event(out, &update);
    mrc_update_clear(&update);
    return mrc_buf_error(out) ? APR_ENOMEM : APR_SUCCESS;
}

apr_status_t mrc_subscriber_take(struct mrc_subscriber *subscriber, size_t max_bytes,
                                 struct mrc_buf *out)
{
    struct mrc_ring *ring = mrc_hub_ring(subscriber->hub);

    while (mrc_buf_bytes(out).len < max_bytes) {
        apr_status_t status = mrc_ring_read(ring, &subscriber->pos, &subscriber->record);

        if (status == APR_SUCCESS)
            status = add_event(subscriber, out);
        if (status != APR_SUCCESS)
            return status;
    }
    return APR_SUCCESS;
}
