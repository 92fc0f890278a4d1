#include "httpd/inside/header.h"

#include <stdbool.h>

#include "apr_file_info.h"
#include "apr_strings.h"
#include "http_config.h"
#include "http_log.h"

#include "core/protocol/batch.h"
#include "core/protocol/form.h"
#include "httpd/base/module.h"
#include "httpd/config/hubs.h"
#include "httpd/inside/publisher.h"
#include "httpd/publish/limits.h"
#include "httpd/sites/sites.h"

APLOG_USE_MODULE(mercure);

#define FIELD "Mercure-Publish"

/* The updates of one response. The forms own the text of the updates. */
struct taking {
    request_rec *r;
    const struct mrc_location *location;
    struct mrc_update_limits limits;
    apr_array_header_t *forms;   /* of struct mrc_form * */
    apr_array_header_t *updates; /* of struct mrc_update */
};

static const struct mrc_publish_header *setting_of(const request_rec *r)
{
    const struct mrc_settings *settings = ap_get_module_config(r->per_dir_config, &mercure_module);
    const struct mrc_publish_header *header = settings ? settings->response.publish_header : NULL;

    return header && (header->is_on || header->is_below_on) ? header : NULL;
}

bool mrc_header_applies(const request_rec *r)
{
    return setting_of(r) != NULL;
}

/* The hub of TAKING for a line of the log. A site of VirtualDocumentRoot has a hub of its own,
 * which has this name in the metrics, too. */
static const char *name_hub(const struct taking *taking)
{
    const struct mrc_location *location = taking->location;
    const char *root = location->virtual_root ? mrc_sites_document_root(taking->r, location) : NULL;

    return root ? apr_pstrcat(taking->r->pool, root, location->path, NULL) : location->hub->label;
}

/* ---- one value --------------------------------------------------------------------------------*/

static enum mrc_err parse(struct taking *taking, struct mrc_bytes value, struct mrc_error *error)
{
    const struct mrc_hub_settings *settings = taking->location->hub->settings;
    struct mrc_form *form;
    struct mrc_update update;
    enum mrc_err err;

    if (value.len > (size_t)settings->limit_body_bytes)
        return mrc_error_set(error, MRC_ELIMIT, "it is longer than MercureLimit body= allows");
    err = mrc_form_parse(value, taking->limits.topics_max + MRC_PUBLISH_OTHER_FIELDS_MAX, error,
                         &form);
    if (err)
        return err;
    APR_ARRAY_PUSH(taking->forms, struct mrc_form *) = form;
    err = mrc_update_parse(form, &taking->limits, error, &update);
    if (!err)
        APR_ARRAY_PUSH(taking->updates, struct mrc_update) = update;
    return err;
}

static void take_update(struct taking *taking, struct mrc_bytes value)
{
    struct mrc_error error = {""};
    enum mrc_err err = parse(taking, value, &error);

    if (!err)
        return;
    if (err != MRC_ENOMEM)
        mrc_publisher_count_refusal(taking->location, MRC_REFUSAL_MALFORMED);
    ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, taking->r,
                  "MRC0801: a field " FIELD " of this response is not published to the hub %s: %s",
                  name_hub(taking), error.text[0] ? error.text : mrc_strerror(err));
}

/* Takes the first update of VALUE, and returns the rest; NULL: that was the last one. A value may
 * hold several updates: CGI joins equal fields with a comma and a space. A form has no spaces. */
static const char *split(const char *value, struct mrc_bytes *ret_first)
{
    static const char between[] = ", ";
    const char *end = strstr(value, between);

    *ret_first = end ? (struct mrc_bytes){value, (size_t)(end - value)} : mrc_bytes_of(value);
    return end ? end + sizeof(between) - 1 : NULL;
}

static void take_value(struct taking *taking, const char *value)
{
    struct mrc_bytes update;

    while (value) {
        value = split(value, &update);
        take_update(taking, update);
    }
}

/* ---- one response -----------------------------------------------------------------------------*/

static int collect(void *ctx, const char *name, const char *value)
{
    APR_ARRAY_PUSH((apr_array_header_t *)ctx, const char *) = value;
    return 1;
}

static void log_refusal(const struct taking *taking, apr_status_t status, size_t count,
                        const char *why)
{
    ap_log_rerror(APLOG_MARK, APLOG_ERR, status, taking->r,
                  "MRC0802: %" APR_SIZE_T_FMT " update(s) in fields " FIELD
                  " of this response are not published "
                  "to the hub %s: %s",
                  count, name_hub(taking), why);
}

static void publish(struct taking *taking)
{
    struct mrc_update *updates = (struct mrc_update *)taking->updates->elts;
    request_rec *r = taking->r;
    const char *why;
    apr_status_t status =
        mrc_publisher_publish(r, taking->location, updates, (size_t)taking->updates->nelts, &why);

    if (status)
        log_refusal(taking, status, (size_t)taking->updates->nelts, why);
    else
        apr_table_setn(r->notes, "mercure-id",
                       apr_pstrmemdup(r->pool, updates[0].id.ptr, updates[0].id.len));
}

/* The size of the updates of a response. */
struct size {
    size_t count;
    size_t bytes; /* without updates that are too long by themselves */
};

static struct size measure(const apr_array_header_t *values, size_t longest)
{
    struct size size = {0, 0};

    for (int i = 0; i < values->nelts; i++) {
        const char *value = APR_ARRAY_IDX(values, i, const char *);
        struct mrc_bytes update;

        while (value) {
            value = split(value, &update);
            size.count++;
            size.bytes += update.len <= longest ? update.len : 0;
        }
    }
    return size;
}

/* Whether the hub of TAKING takes VALUES together, as it would take a batch. If not, logs that. */
static bool are_few(const struct taking *taking, const apr_array_header_t *values)
{
    const size_t longest = (size_t)taking->location->hub->settings->limit_body_bytes;
    struct size size = measure(values, longest);
    bool are_many = size.count > MRC_BATCH_MAX;

    if (!are_many && size.bytes <= longest)
        return true;
    mrc_publisher_count_refusal(taking->location, MRC_REFUSAL_TOO_LARGE);
    log_refusal(taking, 0, size.count,
                are_many ? "a response publishes at most " APR_STRINGIFY(MRC_BATCH_MAX)
                         : "together they are longer than MercureLimit body= allows");
    return false;
}

static void publish_values(request_rec *r, const struct mrc_location *location,
                           const apr_array_header_t *values)
{
    struct taking taking = {
        .r = r,
        .location = location,
        .limits = mrc_publish_limits(location->hub, r->connection->base_server),
        .forms = apr_array_make(r->pool, values->nelts, sizeof(struct mrc_form *)),
        .updates = apr_array_make(r->pool, values->nelts, sizeof(struct mrc_update)),
    };

    if (!are_few(&taking, values))
        return;
    for (int i = 0; i < values->nelts; i++)
        take_value(&taking, APR_ARRAY_IDX(values, i, const char *));
    if (taking.updates->nelts)
        publish(&taking);
    for (int i = 0; i < taking.updates->nelts; i++)
        mrc_update_clear(&APR_ARRAY_IDX(taking.updates, i, struct mrc_update));
    for (int i = 0; i < taking.forms->nelts; i++)
        mrc_form_free(APR_ARRAY_IDX(taking.forms, i, struct mrc_form *));
}

void mrc_header_remove(request_rec *r, apr_table_t *fields)
{
    if (setting_of(r))
        apr_table_unset(fields, FIELD);
}

/*
 * Whether PATH, which httpd has normalized, is below the directory ROOT, which may be NULL. Both
 * are compared as text: a symbolic link below ROOT was made by its owner, and others do not count.
 */
static bool is_below(apr_pool_t *pool, const char *path, const char *root)
{
    char *normal;
    size_t len;

    if (!root || *root != '/' ||
        apr_filepath_merge(&normal, NULL, root, APR_FILEPATH_NOTRELATIVE, pool) != APR_SUCCESS)
        return false;
    len = strlen(normal);
    while (len > 0 && normal[len - 1] == '/')
        len--;
    return !strncmp(path, normal, len) && path[len] == '/';
}

/*
 * Why HEADER, of an .htaccess file, does not count for the hub of LOCATION, which may be NULL;
 * NULL: it does. A virtual host may also serve directories of others, as with mod_userdir: their
 * files must not publish to the hub of its site.
 */
static const char *find_obstacle(request_rec *r, const struct mrc_publish_header *header,
                                 const struct mrc_location *location)
{
    if (!location || !location->settings->location.htaccess || location->section->name)
        return "it needs a hub of the site with MercureHtaccess On and without name=";
    if (mrc_hubs_shared(location))
        return "several sites share the hub (MRC0238 says why)";
    if (!is_below(r->pool, header->where, mrc_sites_document_root(r, location)))
        return "the file is not in or below the document root of the site";
    return NULL;
}

/* The Location of the hub for HEADER, or for the outer setting in its place. NULL: there is none,
 * which is logged. */
static const struct mrc_location *choose(request_rec *r, const struct mrc_publish_header *header)
{
    const struct mrc_location *location = NULL;
    const char *error = "", *obstacle;

    for (; header && header->is_on; header = header->outer) {
        location = mrc_hubs_choose(r->server, header->path, &error);
        if (!header->is_htaccess)
            break;
        obstacle = find_obstacle(r, header, location);
        if (!obstacle)
            return location;
        location = NULL;
        ap_log_rerror(
            APLOG_MARK, APLOG_NOTICE, 0, r,
            "MRC0806: MercurePublishHeader On in an .htaccess file (%s) does not count: %s",
            header->where, obstacle);
    }
    if (!location && header && header->is_on)
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                      "MRC0803: the fields " FIELD " of this response are not published: "
                      "MercurePublishHeader On%s%s (%s) needs a hub, but the site %s",
                      header->path ? " " : "", header->path ? header->path : "", header->where,
                      error);
    return location;
}

void mrc_header_take(request_rec *r, apr_table_t *fields)
{
    const struct mrc_publish_header *header = setting_of(r);
    const struct mrc_location *location;
    apr_array_header_t *values;

    if (!header || !apr_table_get(fields, FIELD))
        return;
    values = apr_array_make(r->pool, 2, sizeof(const char *));
    apr_table_do(collect, values, fields, FIELD, NULL);
    apr_table_unset(fields, FIELD);
    location = choose(r, header);
    if (location)
        publish_values(r, location, values);
}
