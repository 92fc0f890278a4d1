#include "httpd/publish/limits.h"

#include "http_core.h"

#include "httpd/config/hubs.h"

_Static_assert(DEFAULT_LIMIT_REQUEST_FIELDSIZE + 2 >= 2 * MRC_UPDATE_ID_MAX_BYTES,
               "the longest id takes half of a field");

/*
 * The longest id that clients can send back: httpd refuses a request with a field that is longer
 * than LimitRequestFieldSize, and half of it is left for what a client or a proxy adds. httpd reads
 * the fields before it knows the virtual host, so the default server of the address counts, too.
 */
static size_t id_max_bytes(const struct mrc_hub_conf *hub, const server_rec *server)
{
    int field_bytes = server->limit_req_fieldsize;

    for (int i = 0; i < hub->locations->nelts; i++) {
        server = APR_ARRAY_IDX(hub->locations, i, struct mrc_location *)->server;
        if (server->limit_req_fieldsize < field_bytes)
            field_bytes = server->limit_req_fieldsize;
    }
    /* httpd's default is 8 KB without the line end, and stands for the whole 4096 bytes. */
    if (field_bytes >= DEFAULT_LIMIT_REQUEST_FIELDSIZE)
        return MRC_UPDATE_ID_MAX_BYTES;
    return (size_t)field_bytes / 2;
}

struct mrc_update_limits mrc_publish_limits(const struct mrc_hub_conf *hub,
                                            const server_rec *server)
{
    const struct mrc_hub_settings *settings = hub->settings;

    return (struct mrc_update_limits){
        .topics_max = (size_t)settings->limit_topics,
        .field_max_bytes = (size_t)(settings->limit_field_bytes ? settings->limit_field_bytes
                                                                : settings->limit_body_bytes),
        .id_max_bytes = id_max_bytes(hub, server),
    };
}
