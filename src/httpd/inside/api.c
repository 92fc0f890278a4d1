#include "httpd/inside/api.h"

#include "apr_strings.h"
#include "http_log.h"

#include "httpd/access/identity.h"
#include "httpd/base/module.h"
#include "httpd/config/hubs.h"
#include "httpd/inside/publisher.h"
#include "httpd/publish/limits.h"
#include "httpd/sites/sites.h"

APLOG_USE_MODULE(mercure);

/* Sets the field NAME of UPDATE to TEXT; NULL: none. */
static enum mrc_err set(struct mrc_update *update, const char *name, const char *text, size_t len,
                        const struct mrc_update_limits *limits, struct mrc_error *error)
{
    const struct mrc_bytes value = {text, len};

    return text ? mrc_update_set_field(update, mrc_bytes_of(name), value, limits, error) : MRC_OK;
}

static size_t length_of(const char *text)
{
    return text ? strlen(text) : 0;
}

/* Checks FROM, and fills UPDATE with views of it; RETRY has room for the digits of a number. */
static enum mrc_err fill(const mercure_update *from, const struct mrc_update_limits *limits,
                         char *retry, struct mrc_update *update, struct mrc_error *error)
{
    enum mrc_err err = MRC_OK;

    for (size_t i = 0; !err && from->topics && from->topics[i]; i++)
        err = mrc_update_add_topic(update, mrc_bytes_of(from->topics[i]), limits, error);
    if (!err)
        err = set(update, "data", from->data, from->data_len, limits, error);
    if (!err)
        err = set(update, "id", from->id, length_of(from->id), limits, error);
    if (!err)
        err = set(update, "type", from->type, length_of(from->type), limits, error);
    if (!err && from->retry_ms >= 0)
        err = set(update, "retry", retry, strlen(retry), limits, error);
    update->is_private = from->is_private != 0;
    return err ? err : mrc_update_finish(update, error);
}

static apr_status_t publish(request_rec *r, const struct mrc_location *location,
                            const mercure_update *from, const char **ret_id, const char **ret_why)
{
    const struct mrc_update_limits limits =
        mrc_publish_limits(location->hub, r->connection->base_server);
    struct mrc_error error = {""};
    struct mrc_update update = {0};
    enum mrc_err err = fill(
        from, &limits, apr_psprintf(r->pool, "%" APR_INT64_T_FMT, from->retry_ms), &update, &error);
    apr_status_t status = APR_EINVAL;

    if (!err) {
        status = mrc_publisher_publish(r, location, &update, 1, ret_why);
    } else if (err == MRC_ENOMEM) {
        status = APR_ENOMEM;
        *ret_why = mrc_strerror(err);
    } else {
        mrc_publisher_count_refusal(location, MRC_REFUSAL_MALFORMED);
        *ret_why = apr_pstrdup(r->pool, error.text);
    }
    if (!status && ret_id)
        *ret_id = apr_pstrmemdup(r->pool, update.id.ptr, update.id.len);
    mrc_update_clear(&update);
    return status;
}

apr_status_t mrc_api_publish(request_rec *r, const char *hub_path, const mercure_update *update,
                             const char **ret_id, const char **ret_why)
{
    const struct mrc_location *location;

    if (!update || update->size < sizeof(*update)) {
        *ret_why = "the size of the update is wrong: set it to sizeof(mercure_update)";
        return APR_EINVAL;
    }
    location = mrc_hubs_choose(r->server, hub_path, ret_why);
    if (location)
        return publish(r, location, update, ret_id, ret_why);
    *ret_why = apr_pstrcat(r->pool, "the site ", *ret_why, NULL);
    return APR_ENOENT;
}

static apr_status_t mercure_publish(request_rec *r, const char *hub_path,
                                    const mercure_update *update, const char **ret_id)
{
    const char *why;
    apr_status_t status = mrc_api_publish(r, hub_path, update, ret_id, &why);

    if (status)
        ap_log_rerror(APLOG_MARK, APLOG_INFO, status, r,
                      "MRC0805: an update of another module is not published: %s", why);
    return status;
}

static const char *mercure_hub_url(request_rec *r, const char *hub_path)
{
    const char *unused;
    const struct mrc_location *location = mrc_hubs_choose(r->server, hub_path, &unused);
    const apr_array_header_t *audiences;

    if (!location || mrc_sites_look(r, location, &unused) == HTTP_NOT_FOUND)
        return NULL;
    audiences = mrc_identity_audiences(r, location, &location->settings->location);
    return APR_ARRAY_IDX(audiences, 0, const char *);
}

void mrc_api_register(void)
{
    APR_REGISTER_OPTIONAL_FN(mercure_publish);
    APR_REGISTER_OPTIONAL_FN(mercure_hub_url);
}
