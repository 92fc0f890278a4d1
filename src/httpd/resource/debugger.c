#include "httpd/resource/debugger.h"

#include "apr_strings.h"
#include "http_protocol.h"

#include "httpd/answer/answer.h"
#include "httpd/answer/body.h"
#include "httpd/config/hubs.h"
#include "httpd/config/settings.h"
#include "httpd/resource/debugger_files.h"
#include "httpd/resource/playground.h"
#include "httpd/route/claim.h"
#include "httpd/route/paths.h"

#define INDEX      "index.html"
#define PLAYGROUND "playground.json"

/* No inline code, nothing from other sites, no frame around the page. */
#define CONTENT_SECURITY_POLICY                                                                    \
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; " \
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

static const char *type_of(const char *name)
{
    const char *end = strrchr(name, '.');

    if (!strcmp(end, ".js"))
        return "text/javascript; charset=utf-8";
    return !strcmp(end, ".css") ? "text/css; charset=utf-8" : "text/html; charset=utf-8";
}

/* Redirects to the URL with a slash at its end: the page loads its files relative to that. */
static int redirect(request_rec *r, const struct mrc_claim *claim)
{
    const char *slash = *claim->rest == '/' ? "/" : "";

    apr_table_setn(r->headers_out, "Location",
                   ap_os_escape_path(r->pool,
                                     apr_pstrcat(r->pool, claim->location->path, slash,
                                                 MRC_PATHS_DEBUGGER "/", NULL),
                                     1));
    return mrc_answer_problem(r, HTTP_MOVED_PERMANENTLY, "the debugger is at debug/");
}

/*
 * Adds a link to the hub to the page, because the page's own URL does not show whether the path of
 * the hub ends with a slash.
 */
static struct mrc_bytes name_hub(request_rec *r, const struct mrc_claim *claim,
                                 const struct mrc_debugger_file *file)
{
    const char *page = apr_pstrmemdup(r->pool, (const char *)file->bytes, file->len);
    const char *end = strstr(page, "</head>");
    const char *path = ap_os_escape_path(r->pool, claim->location->path, 1);

    return mrc_bytes_of(apr_pstrcat(
        r->pool, apr_pstrmemdup(r->pool, page, (apr_size_t)(end - page)),
        "<link rel=\"mercure\" href=\"", ap_escape_html(r->pool, path), "\">\n", end, NULL));
}

int mrc_debugger_serve(request_rec *r, const struct mrc_claim *claim)
{
    const struct mrc_location_settings *settings = mrc_claim_settings(r, claim);
    const char *name = mrc_paths_skip_debugger(claim->rest);
    const struct mrc_debugger_file *file = mrc_debugger_files;
    int status = mrc_body_discard(r);

    if (status != DECLINED)
        return status;
    if (*name == '\0')
        return redirect(r, claim);
    name = name[1] ? name + 1 : INDEX;
    if (settings->playground && !strcmp(name, PLAYGROUND))
        return mrc_playground_serve_token(r, claim);
    while (file->name && strcmp(file->name, name))
        file++;
    if (!file->name)
        return mrc_answer_problem(
            r, HTTP_NOT_FOUND,
            "the debugger has no such file: its page is at debug/ below the hub");
    apr_table_setn(r->headers_out, "Content-Security-Policy", CONTENT_SECURITY_POLICY);
    apr_table_setn(r->headers_out, "Referrer-Policy", "no-referrer");
    apr_table_setn(r->headers_out, "Cross-Origin-Opener-Policy", "same-origin");
    apr_table_setn(r->headers_out, "Cache-Control", "no-cache");
    return mrc_answer_ok(r, type_of(file->name),
                         strcmp(file->name, INDEX)
                             ? (struct mrc_bytes){(const char *)file->bytes, file->len}
                             : name_hub(r, claim, file));
}
