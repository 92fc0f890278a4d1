#include "httpd/config/engine_name.h"

#include "httpd.h"

#include "apr_strings.h"

#include "core/base/buf.h"
#include "core/base/percent.h"
#include "httpd/config/hubs.h"
#include "httpd/config/transport.h"

const char *mrc_engine_name_of(apr_pool_t *pool, const struct mrc_hub_conf *hub)
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

const struct mrc_transport_spec *mrc_engine_name_add(apr_pool_t *pool,
                                                     const struct mrc_hub_conf *hub)
{
    const struct mrc_location *first = APR_ARRAY_IDX(hub->locations, 0, struct mrc_location *);
    const apr_array_header_t *identifiers = first->settings->location.resource_identifiers;
    struct mrc_transport_spec *spec =
        apr_pmemdup(pool, &hub->settings->transport->spec, sizeof(*spec));

    spec->name = mrc_engine_name_of(pool, hub);
    if (!spec->name)
        spec->name = ""; /* an error that the check of the configuration reports */
    spec->identity =
        apr_pstrcat(pool, APR_ARRAY_IDX(hub->url_paths, 0, const char *), identifiers ? " " : NULL,
                    identifiers ? APR_ARRAY_IDX(identifiers, 0, const char *) : NULL, NULL);
    return spec;
}
