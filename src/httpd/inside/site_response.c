#include "httpd/inside/site_response.h"

#include <stdbool.h>

#include "util_filter.h"

#include "httpd/inside/header.h"
#include "httpd/inside/interim.h"
#include "httpd/inside/link.h"
#include "httpd/route/claim.h"

#define FILTER "MERCURE_RESPONSE"

static void take_own(request_rec *r)
{
    mrc_header_take(r, r->headers_out);
    mrc_header_take(r, r->err_headers_out);
}

/* The first brigade comes before the first byte. Afterwards the filter waits for the end, because
 * mod_proxy adds trailers, which HTTP/2 sends. */
static apr_status_t filter_response(ap_filter_t *filter, apr_bucket_brigade *brigade)
{
    request_rec *r = filter->r;

    if (!filter->ctx) {
        filter->ctx = r;
        take_own(r);
        if (!r->main)
            mrc_link_add(r);
    }
    if (!APR_BRIGADE_EMPTY(brigade) && APR_BUCKET_IS_EOS(APR_BRIGADE_LAST(brigade))) {
        mrc_header_remove(r, r->trailers_out);
        ap_remove_output_filter(filter);
    }
    return ap_pass_brigade(filter->next, brigade);
}

/*
 * Takes the fields of the requests before R in a chain of internal redirects. R has no fields yet;
 * it shares the table of fields that survive errors with the others, so these are the fields of the
 * request before it.
 */
static void take_former(request_rec *r)
{
    for (request_rec *former = r->prev; former; former = former->prev)
        mrc_header_take(former, former->headers_out);
    if (r->prev)
        mrc_header_take(r->prev, r->err_headers_out);
}

/* Streams must be able to leave httpd's filters, so the hub's own answers have no filter. */
static bool needs_filter(const request_rec *r)
{
    return !mrc_claim_get(r) && (mrc_header_applies(r) || (!r->main && mrc_link_applies(r)));
}

void mrc_site_response_insert_filter(request_rec *r)
{
    take_former(r);
    if (!needs_filter(r))
        return;
    ap_add_output_filter(FILTER, NULL, r, r->connection);
    if (mrc_header_applies(r))
        mrc_interim_filter(r);
}

/* httpd clears the fields of a response that an error page replaces, after this hook. */
void mrc_site_response_insert_error_filter(request_rec *r)
{
    take_own(r);
    if (needs_filter(r))
        ap_add_output_filter(FILTER, NULL, r, r->connection);
}

void mrc_site_response_register(void)
{
    ap_register_output_filter(FILTER, filter_response, NULL, AP_FTYPE_CONTENT_SET);
    mrc_interim_register();
}
