#include "httpd/answer.h"

#include <jansson.h>

#include "apr_strings.h"
#include "http_protocol.h"

void mrc_answer_add_headers(request_rec *r)
{
    apr_table_setn(r->headers_out, "X-Content-Type-Options", "nosniff");
}

int mrc_answer_send(request_rec *r, int status, const char *content_type, struct mrc_bytes body)
{
    r->status = status;
    mrc_answer_add_headers(r);
    ap_set_content_type(r, content_type);
    ap_set_content_length(r, (apr_off_t)body.len);
    if (!r->header_only)
        ap_rwrite(body.ptr, (int)body.len, r);
    return OK;
}

static const char *title_of(int status)
{
    const char *line = ap_get_status_line(status); /* "404 Not Found" */

    return strlen(line) > 4 ? line + 4 : line;
}

/* The document as text in the request's pool; a fixed one if there is no memory for it. */
static const char *problem_text(request_rec *r, int status, const char *detail)
{
    json_t *problem = json_pack("{s:s, s:s, s:i, s:s}", "type", "about:blank", "title",
                                title_of(status), "status", status, "detail", detail);
    char *dumped = problem ? json_dumps(problem, JSON_COMPACT) : NULL;
    const char *text = dumped ? apr_pstrcat(r->pool, dumped, "\n", NULL) : "{}\n";

    free(dumped);
    json_decref(problem);
    return text;
}

int mrc_answer_problem(request_rec *r, int status, const char *detail)
{
    const char *text = problem_text(r, status, detail);

    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    return mrc_answer_send(r, status, "application/problem+json", mrc_bytes_of(text));
}

int mrc_answer_challenge(request_rec *r, int status, const char *error, const char *detail)
{
    const char *challenge = "Bearer";

    if (error)
        challenge = apr_psprintf(r->pool, "Bearer error=\"%s\"", error);
    apr_table_setn(r->headers_out, "WWW-Authenticate", challenge);
    return mrc_answer_problem(r, status, detail);
}
