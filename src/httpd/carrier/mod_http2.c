#include "httpd/carrier/mod_http2.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "apr_portable.h"
#include "apr_strings.h"
#include "http_config.h"
#include "http_core.h"
#include "http_log.h"

#include "httpd/base/module.h"
#include "httpd/carrier/client_socket.h"
#include "httpd/config/hubs.h"
#include "httpd/http2/http2.h"
#include "httpd/route/route.h"

APLOG_USE_MODULE(mercure);

/* ---- the dispatch timeout ---------------------------------------------------------------------*/

/* The hub that R subscribes to. NULL: R is not a subscription. */
static const struct mrc_hub_conf *find_hub(request_rec *r)
{
    const struct mrc_location *location;
    const char *rest = "";

    if (!r->uri || r->uri[0] != '/' || r->method_number == M_POST)
        return NULL;
    location = mrc_route_find(r->server, r->uri, &rest);
    return location && !*rest ? location->hub : NULL;
}

int mrc_mod_http2_post_read_request(request_rec *r)
{
    ap_conf_vector_t *vector;
    ap_directive_t directive = {.directive = "H2StreamTimeout"};
    cmd_parms parms = {
        .limited = -1,
        .override = RSRC_CONF | ACCESS_CONF | OR_ALL,
        .pool = r->pool,
        .temp_pool = r->pool,
        .server = r->server,
        .path = apr_pstrdup(r->pool, "/"), /* without a path, mod_http2 would set the server's */
        .directive = &directive,
    };
    const struct mrc_hub_conf *hub;
    const char *problem;

    if (!r->connection->master || mrc_http2_carries(r) || !(hub = find_hub(r)))
        return DECLINED;
    directive.args = apr_psprintf(r->pool, "%" APR_INT64_T_FMT,
                                  hub->settings->limits.dispatch_timeout_us / APR_USEC_PER_SEC);
    vector = ap_create_request_config(r->pool); /* an empty one serves for directories, too */
    problem = ap_walk_config(&directive, &parms, vector);
    if (problem)
        ap_log_rerror(APLOG_MARK, APLOG_DEBUG, 0, r,
                      "MRC0902: the stream has httpd's Timeout instead of MercureDispatchTimeout, "
                      "because mod_http2 does not accept H2StreamTimeout: %s",
                      problem);
    else
        r->per_dir_config = ap_merge_per_dir_configs(r->pool, r->per_dir_config, vector);
    return DECLINED;
}

/* ---- the end of the child ---------------------------------------------------------------------*/

/* How long the streams may take to end. */
#define END_S 2

/* A connection with streams. */
struct held {
    conn_rec *c;
    unsigned streams;
    int spare_fd; /* a duplicate of its descriptor; -1: it has replaced the descriptor */
    struct held *next;
};

struct mrc_mod_http2 {
    pthread_mutex_t lock;
    pthread_cond_t none_left;
    struct held *first; /* under the lock */
};

/* The argument of release(), in the pool of a secondary connection. */
struct hold {
    struct mrc_mod_http2 *http2;
    conn_rec *master;
};

struct mrc_mod_http2 *mrc_mod_http2_create(apr_pool_t *pool)
{
    struct mrc_mod_http2 *http2 = apr_pcalloc(pool, sizeof(*http2));
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&http2->lock, NULL);
    pthread_cond_init(&http2->none_left, &attr);
    pthread_condattr_destroy(&attr);
    return http2;
}

/* The place of the connection C in the list; the end of the list if C is not there. */
static struct held **find(struct mrc_mod_http2 *http2, const conn_rec *c)
{
    struct held **at = &http2->first;

    while (*at && (*at)->c != c)
        at = &(*at)->next;
    return at;
}

static apr_status_t create_held(conn_rec *c, struct held **ret_held)
{
    struct held *held = malloc(sizeof(*held));
    apr_status_t status;

    if (!held)
        return APR_ENOMEM;
    *held = (struct held){.c = c};
    status = mrc_client_socket_dup(c, &held->spare_fd);
    if (status == APR_SUCCESS)
        *ret_held = held;
    else
        free(held);
    return status;
}

/* Cleanup of a secondary connection's pool, which mod_http2 destroys once it has sent the last
 * frame. */
static apr_status_t release(void *data)
{
    const struct hold *hold = data;
    struct mrc_mod_http2 *http2 = hold->http2;
    struct held **at, *held;

    pthread_mutex_lock(&http2->lock);
    at = find(http2, hold->master);
    held = *at;
    if (--held->streams == 0) {
        *at = held->next;
        if (held->spare_fd >= 0)
            close(held->spare_fd);
        free(held);
    }
    if (!http2->first)
        pthread_cond_broadcast(&http2->none_left);
    pthread_mutex_unlock(&http2->lock);
    return APR_SUCCESS;
}

apr_status_t mrc_mod_http2_hold(struct mrc_mod_http2 *http2, conn_rec *c)
{
    struct hold *hold = apr_palloc(c->pool, sizeof(*hold));
    apr_status_t status = APR_SUCCESS;
    struct held **at;

    *hold = (struct hold){http2, c->master};
    pthread_mutex_lock(&http2->lock);
    at = find(http2, c->master);
    if (!*at)
        status = create_held(c->master, at);
    if (status == APR_SUCCESS)
        (*at)->streams++;
    pthread_mutex_unlock(&http2->lock);
    if (status == APR_SUCCESS)
        apr_pool_cleanup_register(c->pool, hold, release, apr_pool_cleanup_null);
    return status;
}

void mrc_mod_http2_open_again(struct mrc_mod_http2 *http2)
{
    pthread_mutex_lock(&http2->lock);
    for (struct held *held = http2->first; held; held = held->next) {
        apr_socket_t *socket = ap_get_conn_socket(held->c);
        apr_os_sock_t fd = -1;

        apr_os_sock_get(&fd, socket);
        if (fd >= 0 || held->spare_fd < 0)
            continue;
        apr_os_sock_put(&socket, &held->spare_fd, held->c->pool);
        held->spare_fd = -1;
    }
    pthread_mutex_unlock(&http2->lock);
}

void mrc_mod_http2_wait(struct mrc_mod_http2 *http2)
{
    struct timespec until;
    int err = 0;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += END_S;
    pthread_mutex_lock(&http2->lock);
    while (http2->first && !err)
        err = pthread_cond_timedwait(&http2->none_left, &http2->lock, &until);
    pthread_mutex_unlock(&http2->lock);
}
