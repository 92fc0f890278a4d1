#include "httpd/config/shape.h"

#include <string.h>

#include "core/protocol/update.h"
#include "httpd/config/hubs.h"
#include "httpd/config/sizing.h"
#include "store/history/dir.h"
#include "store/memory/memory.h"
#include "store/regions/staging.h"

/* The ring of a hub whose history is not in it: enough for a burst, until slow readers follow. */
#define LIVE_RING_MIN_BYTES ((uint64_t)4 << 20)

/* The number of streams for which clients are counted, without MercureMaxSubscribers. */
#define CENSUS_STREAMS 65536

/* The size of a record without its body: its other fields, and an id. */
#define RECORD_EXTRA_BYTES (MRC_UPDATE_RECORD_EXTRA_BYTES + MRC_UPDATE_ID_BYTES)

/* The largest list of active subscriptions without MercureMaxSubscribers. The number of descriptors
 * may allow millions. */
#define LISTED_DEFAULT_MAX 32768

/* The size of the text around the matcher in a topic, and in the document, of a subscription event.
 */
#define EVENT_EXTRA_BYTES 256

/* The number of subscribers that the list of active subscriptions can hold; 0: the hub has no list.
 */
static uint64_t listed_subscribers(const struct mrc_settings *settings)
{
    uint64_t count = (uint64_t)settings->max_subscribers;

    if (!settings->subscriptions)
        return 0;
    if (count)
        return count;
    count = mrc_sizing_total();
    if (count == 0)
        return 1;
    return count < LISTED_DEFAULT_MAX ? count : LISTED_DEFAULT_MAX;
}

/*
 * The size of the largest subscription event. It has a topic for each of the hub's paths, and a
 * document with the first topic, the matcher again, and the payload.
 */
static uint64_t largest_event(const struct mrc_hub_conf *hub)
{
    uint64_t match = (uint64_t)hub->settings->limit_pattern_bytes;
    uint64_t bytes = MRC_ROSTER_PAYLOAD_MAX + EVENT_EXTRA_BYTES;

    if (!hub->settings->subscriptions)
        return 0;
    if (match > MRC_ROSTER_MATCH_MAX)
        match = MRC_ROSTER_MATCH_MAX;
    for (int i = -1; i < hub->url_paths->nelts; i++)
        bytes += strlen(APR_ARRAY_IDX(hub->url_paths, i < 0 ? 0 : i, const char *)) * 2 +
                 match * 3 + EVENT_EXTRA_BYTES;
    return bytes + match * 2;
}

/* The number of streams for which clients are counted; 0: clients are not counted. */
static uint64_t census_streams(const struct mrc_settings *settings)
{
    if (!settings->max_per_address && !settings->max_per_token)
        return 0;
    return settings->max_subscribers ? (uint64_t)settings->max_subscribers : CENSUS_STREAMS;
}

static void fill(apr_pool_t *pool, struct mrc_hub_conf *hub)
{
    const struct mrc_settings *settings = hub->settings;
    uint64_t event = largest_event(hub);
    uint64_t body = (uint64_t)settings->limit_body_bytes;
    uint64_t largest = body > event ? body : event;
    uint64_t bodies = largest * MRC_SHAPE_BODIES_IN_RING;
    bool durable = settings->store_path && !settings->history_off;
    uint64_t ring =
        durable || settings->history_off ? LIVE_RING_MIN_BYTES : (uint64_t)settings->history_bytes;

    hub->shape = (struct mrc_hub_shape){
        .key = hub->key,
        .history_count = (uint64_t)settings->history_count,
        .history_bytes = (uint64_t)settings->history_bytes,
        .history_age_us = settings->history_age_s * APR_USEC_PER_SEC,
        .history_off = settings->history_off != 0,
        .ring_bytes = ring > bodies ? ring : bodies,
        .body_max_bytes = largest + RECORD_EXTRA_BYTES,
        .staging_bytes =
            durable ? (uint32_t)mrc_staging_bytes(MRC_STAGING_SLOTS, MRC_STAGING_DATA_BYTES) : 0,
        .roster_subscribers = listed_subscribers(settings),
        .census_streams = census_streams(settings),
    };
    if (durable)
        hub->history_dir = mrc_history_dir_name(pool, settings->store_path, hub->key);
}

void mrc_shape_fill(apr_pool_t *pool, const apr_array_header_t *hubs)
{
    for (int i = 0; i < hubs->nelts; i++)
        fill(pool, APR_ARRAY_IDX(hubs, i, struct mrc_hub_conf *));
}

struct mrc_hub_shape *mrc_shape_list(apr_pool_t *pool, const apr_array_header_t *hubs)
{
    struct mrc_hub_shape *shapes = apr_pcalloc(pool, sizeof(*shapes) * (hubs->nelts + 1));

    for (int i = 0; i < hubs->nelts; i++)
        shapes[i] = APR_ARRAY_IDX(hubs, i, struct mrc_hub_conf *)->shape;
    return shapes;
}
