#include "httpd/config/spec.h"

#include <string.h>

#include "apr_strings.h"

#include "core/base/buf.h"
#include "core/base/percent.h"
#include "core/protocol/batch.h"
#include "core/protocol/update.h"
#include "httpd/config/hubs.h"
#include "httpd/config/sizing.h"
#include "httpd/config/transport.h"
#include "store/engine/entry.h"
#include "store/history/dir.h"
#include "store/regions/staging.h"

/* The ring of a hub whose history is not in it: enough for a burst, until slow readers catch up. */
#define LIVE_RING_MIN_BYTES ((uint64_t)4 << 20)

/* A server with more hubs than this makes each hub when the first request for it comes, because
 * most of them are idle; except for the first, which has numbers of the whole child. With fewer
 * hubs, a start reports a hub that has no room. */
#define AT_ONCE_MAX 64

/* The number of streams for which clients are counted, without MercureMaxSubscribers. */
#define CENSUS_STREAMS 65536

/* The size of a record without its body: its other fields, and an id. */
#define RECORD_EXTRA_BYTES                                                                         \
    (MRC_UPDATE_RECORD_EXTRA_BYTES + MRC_UPDATE_ID_BYTES + MRC_UPDATE_ORIGIN_BYTES)

/* The largest list of active subscriptions without MercureMaxSubscribers. The number of descriptors
 * may allow millions. */
#define LISTED_DEFAULT_MAX 32768

/*
 * The size of the text around the matcher in a topic, and in the document, of a subscription event.
 */
#define EVENT_EXTRA_BYTES 256

/*
 * The number of subscribers that the list of active subscriptions can hold; 0: the hub has no list.
 */
static uint64_t listed_subscribers(const struct mrc_hub_settings *settings)
{
    uint64_t count = settings->limits.subscribers_max;

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
static uint64_t census_streams(const struct mrc_hub_settings *settings)
{
    const struct mrc_hub_limits *limits = &settings->limits;

    if (!limits->per_address_max && !limits->per_token_max)
        return 0;
    return limits->subscribers_max ? limits->subscribers_max : CENSUS_STREAMS;
}

/*
 * The bytes of payload that the ring of HUB must hold. LARGEST is the size of its largest update.
 */
static uint64_t ring_bytes(const struct mrc_hub_settings *settings, uint64_t largest)
{
    bool is_in_ring = !settings->store_path && !settings->history.off;
    uint64_t bytes = is_in_ring ? settings->history.bytes : LIVE_RING_MIN_BYTES;
    uint64_t bodies = largest * MRC_SPEC_BODIES_IN_RING;

    return bytes > bodies ? bytes : bodies;
}

static bool is_controlled(const struct mrc_hub_conf *hub)
{
    for (int i = 0; i < hub->locations->nelts; i++) {
        if (APR_ARRAY_IDX(hub->locations, i, struct mrc_location *)
                ->settings->location.control_keys)
            return true;
    }
    return false;
}

/* The size of the large slot of the staging area: the largest publication as a package. A
 * subscription event has an operation, too, which is shorter than the event. */
static uint64_t large_slot_bytes(uint64_t body, uint64_t event)
{
    uint64_t largest = body > 2 * event ? body : 2 * event;

    return largest + MRC_BATCH_MAX * (RECORD_EXTRA_BYTES + MRC_ENTRY_BLOB_EXTRA_BYTES +
                                      MRC_ENTRY_PACKAGE_EXTRA_BYTES);
}

/* The name of HUB in the engine that it shares with other machines: its name=, or else its
 * ServerName and path, percent-encoded. NULL: it has neither. */
static const char *engine_name(apr_pool_t *pool, const struct mrc_hub_conf *hub)
{
    const struct mrc_location *first = APR_ARRAY_IDX(hub->locations, 0, struct mrc_location *);
    struct mrc_buf buf;
    const char *name;

    if (!first->section->name && !hub->site)
        return NULL;
    mrc_buf_init(&buf, SIZE_MAX);
    mrc_percent_encode(&buf,
                       mrc_bytes_of(first->section->name
                                        ? first->section->name
                                        : apr_pstrcat(pool, hub->site, first->path, NULL)),
                       MRC_PERCENT_PATH);
    name = apr_pstrmemdup(pool, buf.ptr ? buf.ptr : "", mrc_buf_bytes(&buf).len);
    mrc_buf_free(&buf);
    return name;
}

/* The transport of HUB's settings, with the name (empty: it has none) and the identity of HUB. */
static const struct mrc_transport_spec *transport_of(apr_pool_t *pool,
                                                     const struct mrc_hub_conf *hub)
{
    const struct mrc_location *first = APR_ARRAY_IDX(hub->locations, 0, struct mrc_location *);
    const apr_array_header_t *identifiers = first->settings->location.resource_identifiers;
    struct mrc_transport_spec *spec =
        apr_pmemdup(pool, &hub->settings->transport->spec, sizeof(*spec));

    spec->name = engine_name(pool, hub);
    if (!spec->name)
        spec->name = ""; /* an error that the check of the configuration reports */
    spec->identity =
        apr_pstrcat(pool, APR_ARRAY_IDX(hub->url_paths, 0, const char *), identifiers ? " " : NULL,
                    identifiers ? APR_ARRAY_IDX(identifiers, 0, const char *) : NULL, NULL);
    return spec;
}

/* IS_LATE: hubs are made on demand where they can be. */
static void fill(apr_pool_t *pool, struct mrc_hub_conf *hub, bool is_late)
{
    const struct mrc_hub_settings *settings = hub->settings;
    const char *key = hub->spec.shape.key;
    size_t set_bytes = hub->spec.shape.set_bytes;
    uint64_t event = largest_event(hub);
    uint64_t body = (uint64_t)settings->limit_body_bytes;
    uint64_t largest = body > event ? body : event;
    bool durable = settings->store_path && !settings->history.off;
    uint64_t large = settings->transport ? large_slot_bytes(body, event) : 0;

    hub->spec = (struct mrc_hub_spec){
        .shape =
            {
                .key = key,
                .set_bytes = set_bytes,
                .history = settings->history,
                .ring_bytes = ring_bytes(settings, largest),
                .body_max_bytes = largest + RECORD_EXTRA_BYTES,
                .staging_bytes = durable || large
                                     ? (uint32_t)mrc_staging_bytes(MRC_STAGING_SLOTS,
                                                                   MRC_STAGING_DATA_BYTES, large)
                                     : 0,
                .staging_large = (uint32_t)large,
                .roster_subscribers = listed_subscribers(settings),
                .census_streams = census_streams(settings),
                .is_controlled = is_controlled(hub),
                .has_link = settings->transport != NULL,
                .is_on_demand = is_late || hub->is_of_site,
            },
        .limits = settings->limits,
        .paths = (const char *const *)hub->url_paths->elts,
        .paths_count = (size_t)hub->url_paths->nelts,
        .history_dir = durable ? mrc_history_dir_name(pool, settings->store_path, key) : NULL,
        .history_sync = settings->store_sync,
        .is_controlled = is_controlled(hub),
        .transport = settings->transport ? transport_of(pool, hub) : NULL,
    };
}

void mrc_spec_fill(apr_pool_t *pool, const apr_array_header_t *hubs)
{
    for (int i = 0; i < hubs->nelts; i++)
        fill(pool, APR_ARRAY_IDX(hubs, i, struct mrc_hub_conf *),
             hubs->nelts > AT_ONCE_MAX && i > 0);
}

const struct mrc_hub_spec *const *mrc_spec_list(apr_pool_t *pool, const apr_array_header_t *hubs)
{
    static const struct mrc_hub_spec none = {.shape = {.key = ""}};
    const struct mrc_hub_spec **specs = apr_palloc(pool, sizeof(*specs) * (hubs->nelts + 1));

    for (int i = 0; i < hubs->nelts; i++) {
        const struct mrc_hub_conf *hub = APR_ARRAY_IDX(hubs, i, struct mrc_hub_conf *);

        specs[i] = hub->is_down ? &none : &hub->spec;
    }
    return specs;
}

const struct mrc_hub_shape *const *mrc_spec_shapes(apr_pool_t *pool, const apr_array_header_t *hubs)
{
    const struct mrc_hub_shape **shapes = apr_palloc(pool, sizeof(*shapes) * (hubs->nelts + 1));

    for (int i = 0; i < hubs->nelts; i++)
        shapes[i] = &APR_ARRAY_IDX(hubs, i, struct mrc_hub_conf *)->spec.shape;
    return shapes;
}
