#include "httpd/child/links.h"

#include "http_config.h"
#include "http_log.h"
#include "http_main.h"

#include "httpd/base/module.h"
#include "httpd/child/this_child.h"
#include "httpd/config/hubs.h"
#include "hub/child/child.h"
#include "hub/hub/hub.h"
#include "hub/transport/transport.h"
#include "store/memory/memory.h"

APLOG_USE_MODULE(mercure);

/* What an administrator can do about REASON. */
static const char *fix_of(enum mrc_engine_reason reason)
{
    switch (reason) {
    case MRC_ENGINE_REFUSED:
        return "check that the server runs, and host and port of MercureTransport";
    case MRC_ENGINE_TIMEOUT:
        return "check the network and the load of the server; timeout= of MercureTransport is the "
               "limit";
    case MRC_ENGINE_CLOSED:
        return "the log of the Redis server says why";
    case MRC_ENGINE_READONLY:
        return "name the primary in MercureTransport; after a failover, this machine looks for it "
               "again";
    case MRC_ENGINE_AUTH:
        return "check user= and password= of MercureTransport, and the rights of the user "
               "(docs/cluster.md)";
    case MRC_ENGINE_TLS:
        return "check ca=, cert= and key= of MercureTransport, and the name in the certificate";
    case MRC_ENGINE_LOADING:
        return "the server is busy and is asked again";
    case MRC_ENGINE_FULL:
        return "give the server more memory or room on its disk";
    default:
        return "check that the address is that of a Redis server of version 7 or later";
    }
}

static const char *label_of(const apr_array_header_t *hubs, size_t index)
{
    return APR_ARRAY_IDX(hubs, (int)index, const struct mrc_hub_conf *)->label;
}

static void log_connection(const char *label, const struct mrc_link_report *report)
{
    const char *others = report->hubs > 1 ? " (and other hubs)" : "";

    if (report->event == MRC_LINK_EVENT_UP)
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, ap_server_conf,
                     "MRC0305: hub %s%s: connected with the Redis server %s", label, others,
                     report->text);
    else if (report->event == MRC_LINK_EVENT_DOWN)
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, ap_server_conf,
                     "MRC0306: hub %s%s: no connection with its Redis server (%s): %s. Updates are "
                     "refused with 503 until there is one; %s",
                     label, others, mrc_engine_reason_text(report->reason), report->text,
                     fix_of(report->reason));
    else
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, ap_server_conf,
                     "MRC0307: hub %s%s: its Redis server may evict the keys of the hub, because "
                     "its maxmemory-policy is %s: set noeviction or one of volatile-*",
                     label, others, report->text);
}

static void log_verdict(const char *label, const struct mrc_link_report *report)
{
    if (report->event == MRC_LINK_EVENT_FORK)
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, ap_server_conf,
                     "MRC0308: hub %s: its Redis server has lost %" APR_UINT64_T_FMT
                     " update(s) that this machine has, as after a failover; this machine puts the "
                     "%" APR_UINT64_T_FMT " that were published here back",
                     label, report->a, report->b);
    else if (report->event == MRC_LINK_EVENT_RESTORED)
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, ap_server_conf,
                     "MRC0321: hub %s: put %" APR_UINT64_T_FMT
                     " update(s) back that its Redis server had lost, and that were published on "
                     "machines that have not come back themselves",
                     label, report->a);
    else if (report->event == MRC_LINK_EVENT_GAP)
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, ap_server_conf,
                     "MRC0309: hub %s: this machine has missed %" APR_UINT64_T_FMT
                     " update(s) that its Redis server no longer has; it ends its streams, so that "
                     "their clients learn of it. Raise MercureHistory if this machine was away for "
                     "long",
                     label, report->a);
    else
        ap_log_error(
            APLOG_MARK, APLOG_WARNING, 0, ap_server_conf,
            "MRC0310: hub %s: its Redis server has lost its data: it has none of the updates "
            "up to number %" APR_UINT64_T_FMT ". This machine keeps its copy",
            label, report->a);
}

static void log_trouble(const char *label, const struct mrc_link_report *report)
{
    if (report->event == MRC_LINK_EVENT_REFUSED)
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, ap_server_conf,
                     "MRC0311: hub %s: its name in the Redis server is taken by another hub, or by "
                     "another version of the module (%s): give one of them another name with "
                     "MercureHub On name=NAME, or another prefix= of MercureTransport",
                     label, report->text);
    else if (report->event == MRC_LINK_EVENT_BOUNDS)
        ap_log_error(
            APLOG_MARK, APLOG_WARNING, 0, ap_server_conf,
            "MRC0312: hub %s: another machine of this hub has another MercureHistory: give "
            "all of them the same",
            label);
    else if (report->event == MRC_LINK_EVENT_FULL)
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, ap_server_conf,
                     "MRC0313: hub %s: its Redis server accepts no updates: %s. They are refused "
                     "with 503 until it does",
                     label, report->text);
    else if (report->event == MRC_LINK_EVENT_STUCK)
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, ap_server_conf,
                     "MRC0322: hub %s: %s. Until there is room, this machine refuses updates with "
                     "503, and its streams get none: raise MercureMemory, or free memory",
                     label, report->text);
    else if (report->event == MRC_LINK_EVENT_TAKES)
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, ap_server_conf,
                     "MRC0314: hub %s: its Redis server accepts updates again", label);
    else
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, ap_server_conf,
                     "MRC0315: hub %s: the entry number %" APR_UINT64_T_FMT
                     " in its Redis server is passed over: %s. Others like it are counted only "
                     "(mercure_transport_skipped_total)",
                     label, report->a, report->text);
}

static void log_machine(const char *label, const struct mrc_link_report *report)
{
    if (report->event == MRC_LINK_EVENT_DIED)
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, ap_server_conf,
                     "MRC0318: hub %s: the machine %s sends no signs of life: its subscriptions "
                     "have ended",
                     label, report->text);
    else if (report->event == MRC_LINK_EVENT_REVOCATIONS)
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, ap_server_conf,
                     "MRC0320: hub %s: the list of revoked tokens is full, so this machine accepts "
                     "some of them: lift revocations that are not needed any more",
                     label);
    else
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, ap_server_conf,
                     "MRC0319: hub %s: other machines have taken this one for dead; it announces "
                     "its subscriptions again. If the network has not failed, raise lease= of "
                     "MercureTransport",
                     label);
}

/* In the thread of a link. */
static void log_report(void *hubs, const struct mrc_link_report *report)
{
    const char *label = label_of(hubs, report->hub);

    switch (report->event) {
    case MRC_LINK_EVENT_UP:
    case MRC_LINK_EVENT_DOWN:
    case MRC_LINK_EVENT_POLICY:
        log_connection(label, report);
        break;
    case MRC_LINK_EVENT_FORK:
    case MRC_LINK_EVENT_RESTORED:
    case MRC_LINK_EVENT_GAP:
    case MRC_LINK_EVENT_RESET:
        log_verdict(label, report);
        break;
    case MRC_LINK_EVENT_DIED:
    case MRC_LINK_EVENT_REAPED:
    case MRC_LINK_EVENT_REVOCATIONS:
        log_machine(label, report);
        break;
    default:
        log_trouble(label, report);
        break;
    }
}

/* The responder to other machines, for STATE. NULL: none. */
static const struct mrc_responder *make_responder(apr_pool_t *pchild,
                                                  const struct mrc_this_child *state)
{
    struct mrc_responder *responder = apr_pcalloc(pchild, sizeof(*responder));

    *responder = (struct mrc_responder){state->respond, state->child};
    return state->respond ? responder : NULL;
}

apr_status_t mrc_links_start(apr_pool_t *pchild, const apr_array_header_t *hubs,
                             struct mrc_memory *memory, struct mrc_this_child *state)
{
    struct mrc_hub **open = apr_pcalloc(pchild, ((size_t)hubs->nelts + 1) * sizeof(*open));

    for (int i = 0; i < hubs->nelts; i++) {
        /* Others are opened when they are asked for. */
        if (APR_ARRAY_IDX(hubs, i, const struct mrc_hub_conf *)->spec.transport)
            open[i] = mrc_child_hub(state->child, (size_t)i);
    }
    return mrc_transport_start(pchild, open, (size_t)hubs->nelts, mrc_memory_notify(memory),
                               log_report, (void *)(uintptr_t)hubs, make_responder(pchild, state),
                               &state->transport);
}
