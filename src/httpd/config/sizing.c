#include "httpd/config/sizing.h"

#include <sys/resource.h>

#include "ap_mpm.h"
#include "http_config.h"
#include "http_log.h"

#include "httpd/base/connection.h"
#include "httpd/base/module.h"
#include "httpd/config/hubs.h"
#include "httpd/config/settings.h"

APLOG_USE_MODULE(mercure);

#define DEFAULT_FACTOR 2

/* Descriptors of a child for files and logs. from_descriptors() adds those of threads and slots. */
#define OTHER_DESCRIPTORS 64

/* Streams may hold at most one in this many threads. */
#define THREADED_SHARE 4

static int query(int code)
{
    int value = 0;

    return ap_mpm_query(code, &value) == APR_SUCCESS && value > 0 ? value : 0;
}

unsigned mrc_sizing_slots(void)
{
    unsigned daemons = (unsigned)query(AP_MPMQ_HARD_LIMIT_DAEMONS);

    return daemons ? daemons * 2 : 2;
}

/* The last AsyncRequestWorkerFactor of the configuration. The MPM does not export its value. */
static double find_factor(const ap_directive_t *directive, double factor)
{
    for (; directive; directive = directive->next) {
        if (!ap_cstr_casecmp(directive->directive, "AsyncRequestWorkerFactor") && directive->args) {
            double value = strtod(directive->args, NULL);

            if (value > 0)
                factor = value;
        }
        factor = find_factor(directive->first_child, factor);
    }
    return factor;
}

/* The number of streams in one child that the limit of open files allows. */
static unsigned from_descriptors(unsigned threads)
{
    unsigned others = OTHER_DESCRIPTORS + threads * 2 + mrc_sizing_slots();
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
        return UINT_MAX;
    return limit.rlim_cur > others ? (unsigned)(limit.rlim_cur - others) : 0;
}

bool mrc_sizing_forks(void)
{
    return ap_find_linked_module("mpm_itk.c") != NULL;
}

struct mrc_sizing mrc_sizing_compute(void)
{
    unsigned threads = (unsigned)query(AP_MPMQ_MAX_THREADS);
    unsigned daemons = (unsigned)query(AP_MPMQ_MAX_DAEMONS);
    unsigned descriptors;
    struct mrc_sizing sizing = {0};

    if (threads == 0)
        threads = 1;
    sizing.threaded_per_child = threads / THREADED_SHARE ? threads / THREADED_SHARE : 1;
    sizing.threaded_total = threads * daemons / THREADED_SHARE;
    if (sizing.threaded_total == 0)
        sizing.threaded_total = 1;
    descriptors = from_descriptors(threads);
    if (mrc_sizing_forks())
        return sizing; /* all streams are threaded */
    sizing.dispatched_per_child = descriptors;
    if (query(AP_MPMQ_IS_ASYNC)) {
        double room = threads * find_factor(ap_conftree, DEFAULT_FACTOR) / 2;

        sizing.suspended_per_child = room < descriptors ? (unsigned)room : descriptors;
    }
    return sizing;
}

uint64_t mrc_sizing_total(void)
{
    struct mrc_sizing sizing = mrc_sizing_compute();

    return (uint64_t)sizing.dispatched_per_child * (unsigned)query(AP_MPMQ_MAX_DAEMONS) +
           sizing.threaded_total;
}

/* Whether a Location of HUB keeps its streams in httpd. */
static bool keeps_streams(const struct mrc_hub_conf *hub)
{
    for (int i = 0; i < hub->locations->nelts; i++) {
        if (!APR_ARRAY_IDX(hub->locations, i, struct mrc_location *)->settings->location.detach)
            return true;
    }
    return false;
}

static bool any_hub_keeps_streams(server_rec *main_server)
{
    const apr_array_header_t *hubs = mrc_hubs_hubs(main_server);

    for (int i = 0; i < hubs->nelts; i++) {
        if (keeps_streams(APR_ARRAY_IDX(hubs, i, struct mrc_hub_conf *)))
            return true;
    }
    return false;
}

/* KEEPS_STREAMS: some streams are suspended. */
static void warn_of_async(server_rec *main_server, const struct mrc_sizing *sizing,
                          bool keeps_streams)
{
    int workers = query(AP_MPMQ_MAX_DAEMONS) * query(AP_MPMQ_MAX_THREADS);
    int threads = query(AP_MPMQ_MAX_THREADS);

    if (query(AP_MPMQ_MAX_SPARE_THREADS) < workers)
        ap_log_error(
            APLOG_MARK, APLOG_NOTICE, 0, main_server,
            "MRC0110: MaxSpareThreads %d is below MaxRequestWorkers %d: httpd ends children whose "
            "threads are idle, and their streams must reconnect. Set MaxSpareThreads %d",
            query(AP_MPMQ_MAX_SPARE_THREADS), workers, workers);
    if (query(AP_MPMQ_MAX_REQUESTS_DAEMON))
        ap_log_error(
            APLOG_MARK, APLOG_NOTICE, 0, main_server,
            "MRC0111: MaxConnectionsPerChild %d ends a child with all its streams after that many "
            "connections. Set MaxConnectionsPerChild 0",
            query(AP_MPMQ_MAX_REQUESTS_DAEMON));
    /* During a reload, old children end their streams while new ones start. */
    if (query(AP_MPMQ_HARD_LIMIT_DAEMONS) < 2 * query(AP_MPMQ_MAX_DAEMONS))
        ap_log_error(
            APLOG_MARK, APLOG_NOTICE, 0, main_server,
            "MRC0112: ServerLimit %d leaves no room for new children during a reload, while old "
            "children still end their streams: the new ones start late. Set ServerLimit %d",
            query(AP_MPMQ_HARD_LIMIT_DAEMONS), 2 * query(AP_MPMQ_MAX_DAEMONS));
    if (keeps_streams && sizing->suspended_per_child < (unsigned)threads * 4)
        ap_log_error(
            APLOG_MARK, APLOG_NOTICE, 0, main_server,
            "MRC0113: each child holds only %u streams that stay in httpd: raise "
            "AsyncRequestWorkerFactor to twice "
            "the number of streams that you want in a child, divided by ThreadsPerChild (%d), and "
            "raise the limit of open files (ulimit -n) above the number of streams in a child",
            sizing->suspended_per_child, threads);
}

/* The number of streams with a thread: two limits apply. */
static unsigned count_threaded(const struct mrc_sizing *sizing)
{
    unsigned in_children = sizing->threaded_per_child * (unsigned)query(AP_MPMQ_MAX_DAEMONS);

    return in_children < sizing->threaded_total ? in_children : sizing->threaded_total;
}

/* Whether a virtual host has HTTP/2 without threads. */
static bool speaks_http2(const server_rec *main_server)
{
    for (const server_rec *server = main_server; server; server = server->next) {
        if (mrc_hubs_speaks_http2(server))
            return true;
    }
    return false;
}

static void log_async(server_rec *main_server, const struct mrc_sizing *sizing,
                      const char *without_tls)
{
    bool is_ours = speaks_http2(main_server);
    const char *http2 =
        is_ours ? "as many connections with streams over HTTP/2 (MercureHttp2), and " : "and ";
    unsigned daemons = (unsigned)query(AP_MPMQ_MAX_DAEMONS);

    ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, main_server,
                 "MRC0114: this configuration holds %u streams over HTTP/1.1%s (%u in each of %u "
                 "children), %u (%u in each child) if they stay in httpd's filters, %s%u over "
                 "HTTP/2%s (%d in each connection)",
                 sizing->dispatched_per_child * daemons, without_tls, sizing->dispatched_per_child,
                 daemons, sizing->suspended_per_child * daemons, sizing->suspended_per_child, http2,
                 count_threaded(sizing), is_ours ? " of mod_http2" : "",
                 MRC_CONNECTION_THREADS_MAX);
}

/* The MPM is worker or prefork. */
static void log_threads(server_rec *main_server, const struct mrc_sizing *sizing,
                        const char *without_tls)
{
    ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, main_server,
                 "MRC0115: this configuration holds %u streams over HTTP/1.1%s, and %u others, "
                 "each of which takes a worker (filters, MercureDetach Off, HTTP/2): the event MPM "
                 "would hold thousands of them",
                 sizing->dispatched_per_child * (unsigned)query(AP_MPMQ_MAX_DAEMONS), without_tls,
                 count_threaded(sizing));
}

void mrc_sizing_log(server_rec *main_server, const char *tls_problem)
{
    struct mrc_sizing sizing = mrc_sizing_compute();
    const char *without_tls = tls_problem ? " without TLS" : "";

    if (mrc_sizing_forks()) {
        ap_log_error(
            APLOG_MARK, APLOG_NOTICE, 0, main_server,
            "MRC0116: with mpm-itk, each stream takes a process of httpd until it ends, and this "
            "configuration holds %u of them (a quarter of MaxRequestWorkers %d). Without mpm-itk, "
            "the event MPM would hold thousands",
            sizing.threaded_total, query(AP_MPMQ_MAX_DAEMONS));
        return;
    }
    if (tls_problem)
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, main_server,
                     "MRC0119: streams over TLS stay in httpd's filters, where each costs more "
                     "memory or a worker, %s",
                     tls_problem);
    if (query(AP_MPMQ_IS_ASYNC)) {
        log_async(main_server, &sizing, without_tls);
        warn_of_async(main_server, &sizing, tls_problem || any_hub_keeps_streams(main_server));
    } else {
        log_threads(main_server, &sizing, without_tls);
    }
}
