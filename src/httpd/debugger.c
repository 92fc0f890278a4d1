#include "httpd/debugger.h"

#include "apr_strings.h"
#include "http_protocol.h"

#include "httpd/answer.h"
#include "httpd/claim.h"
#include "httpd/debugger_files.h"
#include "httpd/playground.h"
#include "httpd/registry.h"
#include "httpd/settings.h"

#define PATH       "/debug"
#define INDEX      "index.html"
#define PLAYGROUND "playground.json"

/* Nothing inline, nothing from elsewhere, in no frame. */
#define CONTENT_SECURITY_POLICY                                                                    \
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; " \
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

bool mrc_debugger_is_at(const struct mrc_claim *claim, const struct mrc_settings *settings)
{
    size_t len = sizeof(PATH) - 1;

    return (settings->debugger || settings->playground) && claim->claimed == MRC_CLAIMED_HUB &&
           !strncmp(claim->rest, PATH, len) &&
           (claim->rest[len] == '\0' || claim->rest[len] == '/');
}

static const char *type_of(const char *name)
{
    const char *end = strrchr(name, '.');

    if (!strcmp(end, ".js"))
        return "text/javascript; charset=utf-8";
    return !strcmp(end, ".css") ? "text/css; charset=utf-8" : "text/html; charset=utf-8";
}

/* What the page loads is found beside it: its URL ends with a slash. */
static int redirect(request_rec *r, const struct mrc_claim *claim)
{
    apr_table_setn(
        r->headers_out, "Location",
        ap_os_escape_path(r->pool, apr_pstrcat(r->pool, claim->location->path, PATH "/", NULL), 1));
    return mrc_answer_problem(r, HTTP_MOVED_PERMANENTLY, "the debugger is at debug/");
}

int mrc_debugger_serve(request_rec *r, const struct mrc_claim *claim)
{
    const struct mrc_settings *settings = mrc_claim_settings(r, claim);
    const char *name = claim->rest + sizeof(PATH) - 1;
    const struct mrc_debugger_file *file = mrc_debugger_files;

    if (ap_discard_request_body(r) != OK)
        return HTTP_BAD_REQUEST;
    if (*name == '\0')
        return redirect(r, claim);
    name = name[1] ? name + 1 : INDEX;
    if (settings->playground && !strcmp(name, PLAYGROUND))
        return mrc_playground_serve_token(r, claim);
    while (file->name && strcmp(file->name, name))
        file++;
    if (!file->name)
        return mrc_answer_problem(r, HTTP_NOT_FOUND, "the debugger has no such file");
    apr_table_setn(r->headers_out, "Content-Security-Policy", CONTENT_SECURITY_POLICY);
    apr_table_setn(r->headers_out, "Referrer-Policy", "no-referrer");
    apr_table_setn(r->headers_out, "Cross-Origin-Opener-Policy", "same-origin");
    apr_table_setn(r->headers_out, "Cache-Control", "no-cache");
    return mrc_answer_send(r, HTTP_OK, type_of(file->name),
                           (struct mrc_bytes){(const char *)file->bytes, file->len});
}
