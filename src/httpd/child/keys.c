#include "httpd/child/keys.h"

#include "http_config.h"
#include "http_log.h"

#include "httpd/base/module.h"
#include "httpd/child/this_child.h"
#include "httpd/config/hubs.h"
#include "httpd/config/key_sources.h"
#include "hub/keys/keeper.h"
#include "hub/keys/keyring.h"
#include "store/memory/memory.h"

APLOG_USE_MODULE(mercure);

static void log_file(server_rec *server, const struct mrc_keeper_report *report)
{
    if (report->event == MRC_KEEPER_FILE_TAKEN)
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, server,
                     "MRC0214: the key file %s has changed: its keys are in force", report->name);
    else if (report->event == MRC_KEEPER_FILE_UNWATCHED)
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, server,
                     "MRC0218: the server's user may not read the key file %s (%s), so a change "
                     "takes effect only after a reload",
                     report->name, report->reason);
    else if (report->event == MRC_KEEPER_FILE_UNREADABLE)
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, server,
                     "MRC0219: the key file %s cannot be read (%s): the keys that were read before "
                     "stay in force",
                     report->name, report->reason);
    else
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, server,
                     "MRC0220: the key file %s has changed, and cannot be used: %s. The keys that "
                     "were read before stay in force",
                     report->name, report->reason);
}

static void log_url(server_rec *server, const struct mrc_keeper_report *report)
{
    const char *consequence = report->has_keys ? "The keys that were fetched before stay in force"
                                               : "No token of its issuer is accepted until then";

    if (report->event == MRC_KEEPER_URL_TAKEN)
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, server,
                     "MRC0221: the JWK Set %s has been fetched: its keys are in force",
                     report->name);
    else if (report->event == MRC_KEEPER_URL_UNREACHABLE)
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, server,
                     "MRC0222: the JWK Set %s cannot be fetched: %s. %s", report->name,
                     report->reason, consequence);
    else
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, server,
                     "MRC0223: the JWK Set %s cannot be used: %s. %s", report->name, report->reason,
                     consequence);
}

/* In the keeper's thread. */
static void log_report(void *server, const struct mrc_keeper_report *report)
{
    switch (report->event) {
    case MRC_KEEPER_FILE_TAKEN:
    case MRC_KEEPER_FILE_UNWATCHED:
    case MRC_KEEPER_FILE_UNREADABLE:
    case MRC_KEEPER_FILE_UNUSABLE:
        log_file(server, report);
        break;
    case MRC_KEEPER_URL_TAKEN:
    case MRC_KEEPER_URL_UNREACHABLE:
    case MRC_KEEPER_URL_UNUSABLE:
        log_url(server, report);
        break;
    }
}

apr_status_t mrc_keys_open(apr_pool_t *pchild, server_rec *main_server, struct mrc_memory *memory,
                           struct mrc_this_child *state)
{
    const struct mrc_key_sources_catalogue *catalogue =
        mrc_key_sources_catalogue(main_server->process->pconf);
    struct mrc_keeper_args args = {
        .sources = (const struct mrc_key_source *)catalogue->sources->elts,
        .count = (size_t)catalogue->sources->nelts,
        .ca_file = mrc_hubs_server_settings(main_server)->jwks_ca_file,
        .report = log_report,
        .ctx = main_server,
    };
    apr_status_t status = mrc_keyring_create(
        pchild, (const struct mrc_key_row *const *)catalogue->rows->elts,
        (size_t)catalogue->rows->nelts, mrc_memory_documents(memory), &state->keyring);

    if (status != APR_SUCCESS || args.count == 0)
        return status;
    args.keyring = state->keyring;
    return mrc_keeper_start(pchild, &args, &state->keeper);
}
