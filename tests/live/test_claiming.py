"""
The hub's URLs belong to the hub: no other configuration and no form of a request takes them away or
changes them. httpd's access control still applies to them.
"""
import contextlib
import http.server
import threading

import pytest

from env import http as client
from env import token
from env.hub import PATH, hub
from env.wait import in_time

pytestmark = pytest.mark.mpm("event")

TOPIC = "https://example.com/some/topic"
OPEN = 'AllowOverride All\nRequire all granted\nOptions +FollowSymLinks\n'


def works(httpd, path=PATH, aud=None, url=None, **where):
    """
    The hub at PATH delivers a publication, and also answers the URLs below PATH. URL is PATH as the
    client sends it; AUD is the audience of the token.
    """
    url = url or path
    minted = token.publisher(aud=aud or f"https://hub.example{path}")
    with httpd.subscribe([("match", TOPIC)], path=url, **where) as stream:
        assert stream.response.header("Content-Type") == "text/event-stream", stream.response
        assert stream.response.header("Content-Encoding") is None, stream.response
        assert stream.response.header("Content-Language") is None, stream.response
        update = httpd.publish(TOPIC, "hello", token=minted, path=url, **where)
        assert update.header("Content-Type").startswith("text/plain"), update
        event = stream.next()
        assert (event.id, event.data) == (update.text, "hello")
    assert httpd.request("HEAD", f"{url}?match=x", **where).status == 200
    for below in ("none", "none%2Fmore", "none/", "%2F", "index.html"):
        is_ours(httpd.get(f"{url.rstrip('/')}/{below}", **where), 404)
    is_ours(httpd.request("PUT", url, **where), 405)


PAGES = ('<Location "/health">\nSetHandler Mercure-Health\n</Location>\n'
         '<Location "/metrics">\nSetHandler mercure-metrics\n</Location>\n')


def pages_work(httpd):
    for path in ("/health", "/health/ready", "/health/live", "/health/%6Cive", "/%68ealth", "//health"):
        answer = httpd.get(path)
        assert answer.status == 200 and answer.json == {"status": "ok"}, answer
        assert answer.header("Content-Type") == "application/json", answer
    metrics = httpd.get("/metrics")
    assert metrics.status == 200 and "mercure_updates_total" in metrics.text, metrics
    for path in ("/health/other", "/health/ready.html", "/health/a%2Fb", "/health/", "/metrics/x"):
        is_ours(httpd.get(path), 404)
    for path in ("/health", "/health/live", "/metrics"):
        is_ours(httpd.request("POST", path, body="x"), 405)
        assert httpd.request("HEAD", path).status == 200


def is_ours(response, status):
    assert response.status == status, response
    assert response.header("Content-Type") == "application/problem+json", response


def is_not_ours(response):
    assert response.header("Content-Type") not in ("application/problem+json", "text/event-stream"), response
    return response


# ---- neighbours ----------------------------------------------------------------------------------

SYMFONY = r"""
DirectoryIndex index.php
<IfModule mod_negotiation.c>
    Options -MultiViews
</IfModule>
RewriteEngine On
RewriteCond %{REQUEST_URI}::$0 ^(/.+)/(.*)::\2$
RewriteRule .* - [E=BASE:%1]
RewriteCond %{HTTP:Authorization} .+
RewriteRule ^ - [E=HTTP_AUTHORIZATION:%0]
RewriteCond %{ENV:REDIRECT_STATUS} =""
RewriteRule ^index\.php(?:/(.*)|$) %{ENV:BASE}/$1 [R=301,L]
RewriteCond %{REQUEST_FILENAME} !-f
RewriteRule ^ %{ENV:BASE}/index.php [L]
"""

# name: modules, configuration ({docroot}, {backend}), files, a URL that the neighbour serves, and its
# answer there (status, a word of the body). The hub's URL must not get this answer.
NEIGHBOURS = {
    "front controller in .htaccess": (
        "rewrite", '<Directory "{docroot}">\n' + OPEN + "</Directory>",
        {"htdocs/.htaccess": SYMFONY, "htdocs/index.php": "front controller"},
        "/any/page", 200, "front controller"),
    "front controller in .htaccess of a folder above the hub": (
        "rewrite", '<Directory "{docroot}">\n' + OPEN + "</Directory>",
        {"htdocs/.well-known/.htaccess": SYMFONY, "htdocs/.well-known/index.php": "front controller"},
        "/.well-known/other", 200, "front controller"),
    "FallbackResource": (
        "", '<Directory "{docroot}">\nFallbackResource /index.php\nRequire all granted\n</Directory>',
        {"htdocs/index.php": "fallback"}, "/any/page", 200, "fallback"),
    "RewriteRule of the server": (
        "rewrite", "RewriteEngine On\nRewriteRule ^ /index.php [L]",
        {"htdocs/index.php": "rewritten"}, "/any/page", 200, "rewritten"),
    "RewriteRule of the server that redirects": (
        "rewrite", "RewriteEngine On\nRewriteRule ^/(?!index) https://other.example/ [R=302,L]", {},
        "/any", 302, ""),
    "RewriteRule of the server that forbids": (
        "rewrite", "RewriteEngine On\nRewriteRule ^ - [F]", {}, "/any", 403, ""),
    "RewriteRule of the server to a proxy": (
        "rewrite proxy proxy_http", "RewriteEngine On\nRewriteRule ^(.*)$ {backend}$1 [P]", {},
        "/any", 200, "backend"),
    "RewriteRule in Directory": (
        "rewrite", '<Directory "{docroot}">\nRequire all granted\nOptions +FollowSymLinks\n'
        "RewriteEngine On\nRewriteRule ^ https://other.example/ [R=302,L]\n</Directory>", {},
        "/any", 302, ""),
    "RewriteRule in Location /": (
        "rewrite", '<Location "/">\nOptions +FollowSymLinks\nRewriteEngine On\n'
        "RewriteRule !index /index.php [L]\n</Location>",
        {"htdocs/index.php": "rewritten", "htdocs/any": "file"}, "/any", 200, "rewritten"),
    "ProxyPass /": (
        "proxy proxy_http", "ProxyPass / {backend}/", {}, "/any", 200, "backend"),
    "ProxyPass / with encoded mapping": (
        "proxy proxy_http", "ProxyPass / {backend}/ mapping=encoded", {}, "/any", 200, "backend"),
    "ProxyPassMatch": (
        "proxy proxy_http", "ProxyPassMatch ^(/.*)$ {backend}$1", {}, "/any", 200, "backend"),
    "ProxyPass in Location /": (
        "proxy proxy_http", '<Location "/">\nProxyPass {backend}/\n</Location>', {}, "/any", 200, "backend"),
    "SetHandler proxy": (
        "proxy proxy_http", '<Location "/">\nSetHandler "proxy:{backend}/"\n</Location>',
        {"htdocs/any": ""}, "/any", 200, "backend"),
    "Alias": (
        "", 'Alias "/.well-known" "{docroot}/static"',
        {"htdocs/static/mercure": "a file", "htdocs/static/other": "a file"},
        "/.well-known/other", 200, "a file"),
    "Alias to a folder": (
        "", 'Alias "/.well-known" "{docroot}/static"',
        {"htdocs/static/mercure/index.html": "a page", "htdocs/static/other": "a file"},
        "/.well-known/other", 200, "a file"),
    "Alias in Location /.well-known": (
        "", '<Location "/.well-known">\nAlias "{docroot}/one"\n</Location>',
        {"htdocs/one": "one for all"}, "/.well-known/other", 200, "one for all"),
    "AliasMatch": (
        "", 'AliasMatch "^/" "{docroot}/one"', {"htdocs/one": "one for all"}, "/any", 200, "one for all"),
    "ScriptAlias": (
        "cgi", 'ScriptAlias "/.well-known" "{docroot}/cgi"\n'
        '<Directory "{docroot}/cgi">\nRequire all granted\nOptions +ExecCGI\n</Directory>',
        {"htdocs/cgi/mercure": "#!/bin/sh\nprintf 'Content-Type: text/html\\n\\nscript\\n'\n",
         "htdocs/cgi/other": "#!/bin/sh\nprintf 'Content-Type: text/html\\n\\nscript\\n'\n"},
        "/.well-known/other", 200, "script"),
    "Redirect": ("", "Redirect / https://other.example/", {}, "/any", 302, ""),
    "RedirectMatch": ("", 'RedirectMatch 410 "^/"', {}, "/any", 410, ""),
    "Redirect in Location /": (
        "", '<Location "/">\nRedirect 410\n</Location>', {}, "/any", 410, ""),
    "Redirect in Location / to another site": (
        "", '<Location "/">\nRedirect https://other.example/\n</Location>', {}, "/any", 302, ""),
    "RedirectMatch in LocationMatch": (
        "", '<LocationMatch "^/">\nRedirectMatch 301 "^/(.*)$" "https://other.example/$1"\n</LocationMatch>', {}, "/any", 301, ""),
    "Redirect in If": ("", "<If \"true\">\nRedirect 410\n</If>", {}, "/any", 410, ""),
    "RewriteRule in Location / that redirects": (
        "rewrite", '<Location "/">\nOptions +FollowSymLinks\nRewriteEngine On\n'
        "RewriteRule ^ https://other.example/ [R=302,L]\n</Location>", {}, "/any", 302, ""),
    "RewriteRule in Location / that forbids": (
        "rewrite", '<Location "/">\nOptions +FollowSymLinks\nRewriteEngine On\nRewriteRule ^ - [F]\n</Location>', {}, "/any", 403, ""),
    "RewriteRule in Location / to a proxy": (
        "rewrite proxy proxy_http", '<Location "/">\nOptions +FollowSymLinks\nRewriteEngine On\n'
        "RewriteRule ^ {backend}/ [P]\n</Location>", {}, "/any", 200, "backend"),
    "RewriteRule in If": (
        "rewrite", "<If \"true\">\nRewriteEngine On\nRewriteRule ^ https://other.example/ [R=302,L]\n</If>", {}, "/any", 302, ""),
    "MultiViews": (
        "negotiation", '<Directory "{docroot}">\nOptions +MultiViews\nRequire all granted\n</Directory>',
        {"htdocs/.well-known/mercure.html": "a variant", "htdocs/page.html": "a variant"},
        "/page", 200, "a variant"),
    "Directory / denied": (
        "", '<Directory "/">\nRequire all denied\nAllowOverride None\n</Directory>',
        {"htdocs/any": ""}, "/any", 403, ""),
    "a real file": (
        "", "", {"htdocs/.well-known/mercure": "a file", "htdocs/any": "a file"}, "/any", 200, "a file"),
    "a real folder": (
        "autoindex", '<Directory "{docroot}">\nOptions +Indexes\nRequire all granted\n</Directory>',
        {"htdocs/.well-known/mercure/x": "a file", "htdocs/any/x": "a file"}, "/any/", 200, "Index of"),
    "SetHandler in Location /": (
        "status", '<Location "/">\nSetHandler server-status\n</Location>', {}, "/any", 200, "Server Status"),
    "SetHandler in Directory and Files": (
        "status", '<Directory "/">\nSetHandler server-status\n</Directory>\n'
        '<Files "*">\nSetHandler server-status\n</Files>', {"htdocs/any": ""}, "/any", 200, "Server Status"),
    "mod_status and mod_info": (
        "status info", 'ExtendedStatus On\n<Location "/server-status">\nSetHandler server-status\n</Location>\n'
        '<Location "/server-info">\nSetHandler server-info\n</Location>', {},
        "/server-info", 200, "MercurePublisherKey"),
    "Action and Script": (
        "actions cgi", 'Script POST "/script"\nScript GET "/script"\n'
        'Action a-type "/script" virtual\n<Location "/any">\nSetHandler a-type\n</Location>\n'
        'ScriptAlias "/script" "{docroot}/script"\n'
        '<Directory "{docroot}">\nRequire all granted\nOptions +ExecCGI\n</Directory>',
        {"htdocs/script": "#!/bin/sh\nprintf 'Content-Type: text/html\\n\\nscript\\n'\n"},
        "/any?x", 200, "script"),
    "VirtualDocumentRoot": (
        "vhost_alias", 'MercureSites 10\nVirtualDocumentRoot "{docroot}/%0"',
        {"htdocs/localhost/any": "a file", "htdocs/localhost/.well-known/mercure": "a file"},
        "/any", 200, "a file"),
    "CheckSpelling": (
        "speling", "CheckSpelling On", {"htdocs/.well-known/mercur": "a file", "htdocs/page": "a file"},
        "/pag", 301, ""),
    "MIME magic": (
        "mime_magic", "MimeMagicFile conf/magic",
        {"conf/magic": "0 string \\x25PDF application/pdf\n", "htdocs/any": "%PDF-1.4"}, "/any", 200, "PDF"),
    "Dav": (
        "dav dav_fs", 'DavLockDB run/dav\n<Location "/">\nDav On\n</Location>',
        {"htdocs/any": "a file"}, "/any", 200, "a file"),
    "mod_cache": (
        "cache cache_disk", 'CacheEnable disk "/"\nCacheRoot run\nCacheIgnoreNoLastMod On\n'
        "CacheDefaultExpire 3600\nCacheStoreNoStore On\nCacheStorePrivate On", {"htdocs/any": "a file"},
        "/any", 200, "a file"),
    "DEFLATE for everything": (
        "filter deflate", "SetOutputFilter DEFLATE\n"
        "AddOutputFilterByType DEFLATE text/event-stream text/plain application/problem+json",
        {"htdocs/any": "a file"}, "/any", 200, "a file"),
    "types by force": (
        "", '<Location "/">\nForceType text/html\nAddDefaultCharset utf-8\n</Location>',
        {"htdocs/any": "a file"}, "/any", 200, "a file"),
    "ErrorDocument": (
        "", "ErrorDocument 404 /missing.html\nErrorDocument 405 /missing.html",
        {"htdocs/missing.html": "our page"}, "/any", 404, "our page"),
    "AcceptPathInfo Off, AllowEncodedSlashes Off": (
        "", "AcceptPathInfo Off\nAllowEncodedSlashes Off", {"htdocs/any": ""}, "/any%2Fx", 404, ""),
    "UserDir": (
        "userdir", 'UserDir "{docroot}/*/public"', {"htdocs/joe/public/any": "a file"},
        "/~joe/any", 200, "a file"),
    "UseCanonicalName": ("", "UseCanonicalName On\nUseCanonicalPhysicalPort On", {}, "/any", 404, ""),
}


class Backend(http.server.BaseHTTPRequestHandler):
    """Answers every request with 200 and the word "backend"."""

    protocol_version = "HTTP/1.1"

    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", "7")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(b"backend")

    do_GET = do_POST = do_HEAD = do_PUT = do_OPTIONS = answer

    def log_message(self, *args):
        pass


@contextlib.contextmanager
def backend():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Backend)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("name", NEIGHBOURS)
def test_other_configuration_does_not_take_the_hubs_urls(httpd, name):
    modules, config, files, control, status, word = NEIGHBOURS[name]
    httpd.load("proxy", "proxy_http") if "proxy" in modules else None
    httpd.load(*modules.split())
    for path, content in files.items():
        httpd.write(path, content, 0o755)
    # Messages of httpd about these configurations.
    httpd.expect_log(r"AH0(1630|0035|3490|0094)|AH01276|proxy:error|AH00128|cgid:|AH00671", required=False)
    with backend() as url:
        httpd.start(hub() + PAGES + config.format(docroot=httpd.docroot, backend=url) + "\n")
        answer = httpd.get(control)
        assert answer.status == status and word in answer.text, f"the neighbour does not work: {answer}"
        is_not_ours(answer)
        works(httpd, headers={"Accept-Encoding": "gzip"})
        pages_work(httpd)


# ---- the pages of health and metrics -------------------------------------------------------------


def test_innermost_location_decides_whether_a_path_is_a_page(httpd):
    """The order of the sections does not matter. Other kinds of sections count only where no Location decides."""
    httpd.load("status")
    httpd.expect_log("AH01630", required=False)
    httpd.write("htdocs/file", "a file")
    inner = '<Location "/health/status">\nSetHandler server-status\n</Location>\n'
    all_of_it = '<Location "/">\nSetHandler server-status\n</Location>\n'
    none = '<Location "/health/file">\nSetHandler none\n</Location>\nAlias /health/file "{docroot}/file"\n'
    other = '<LocationMatch "^/also/.">\nSetHandler mercure-health\n</LocationMatch>\n'
    for text in (PAGES + inner, all_of_it + PAGES + inner, PAGES + inner + all_of_it):
        text = hub() + other + text + (none.format(docroot=httpd.docroot) if all_of_it not in text else "")
        httpd.restart(text) if httpd.running else httpd.start(text)
        pages_work(httpd)
        works(httpd)
        assert "Server Status" in httpd.get("/health/status").text
        assert "Server Status" in httpd.get("/health/status/live").text
        if all_of_it in text:
            assert "Server Status" in httpd.get("/healthx").text
        else:
            assert httpd.get("/health/file").text == "a file"
            assert httpd.get("/also/live").json == {"status": "ok"}
            assert httpd.get("/healthx").status == 404


def test_access_control_applies_to_pages(httpd):
    httpd.expect_log("AH01630")
    httpd.start(hub() + PAGES.replace("SetHandler", "Require all denied\nSetHandler"))
    for path in ("/health", "/health/live", "/%68ealth", "/health/%6Cive", "//health", "/x/../metrics", "/metrics"):
        assert httpd.get(path).status == 403, path
    httpd.restart(hub() + PAGES + '<Location "/health/live now">\nRequire all denied\n</Location>\n')
    pages_work(httpd)
    assert httpd.get("/health/live%20now").status == 403


def test_page_may_be_at_any_path(httpd):
    httpd.load("rewrite")
    httpd.write("htdocs/.htaccess", SYMFONY)
    httpd.write("htdocs/index.php", "front controller")
    pages = "".join(f'<Location "{path}">\nSetHandler mercure-health\n</Location>\n' for path in
                    ("/my health", "/ünder", "/slash/", "/health.php"))
    httpd.start(hub() + f'<Directory "{httpd.docroot}">\n' + OPEN + "</Directory>\n" + pages)
    for path in ("/my%20health", "/my%20health/live", "/%C3%BCnder/ready", "/slash/", "/slash/live", "/health.php"):
        assert httpd.get(path).json == {"status": "ok"}, path
    for path in ("/slash", "/my%2520health", "/my%20healthy", "/health"):
        assert httpd.get(path).text == "front controller", path


def test_server_side_include_of_a_page(httpd):
    httpd.load("include")
    httpd.write("htdocs/page.shtml", 'before <!--#include virtual="/health/live" --> after')
    httpd.start(hub() + PAGES + with_includes(httpd))
    assert httpd.get("/page.shtml").text.split() == ["before", '{"status":"ok"}', "after"]


# ---- the hub's path ------------------------------------------------------------------------------


def derived(httpd, path):
    return f"http://localhost:{httpd.port}{path}"


@pytest.mark.parametrize("path, url", [
    ("/", "/"),
    ("/hub", "/hub"),
    ("/hub/", "/hub/"),
    ("/a/b/c/d", "/a/b/c/d"),
    ("/my hub", "/my%20hub"),
    ("/ümläut", "/%C3%BCml%C3%A4ut"),
    ("/~joe", "/~joe"),
    ("/plus+and&more;x=1,2", "/plus+and&more;x=1,2"),
    ("/colon:at@", "/colon:at@"),
    ("/events.gz", "/events.gz"),
    ("/events.de.html", "/events.de.html"),
    ("/events.php", "/events.php"),
    ("/events.var", "/events.var"),
    ("/quote's", "/quote's"),
])
def test_hub_works_at_any_path(httpd, path, url):
    httpd.load("negotiation", "mime_magic", "userdir")
    httpd.write("conf/magic", "0 string x text/plain\n")
    httpd.start(
        "AddEncoding x-gzip .gz\nAddLanguage de .de\nAddHandler type-map .var\nAddType text/x-php .php\n"
        "MimeMagicFile conf/magic\nUserDir public\n" + hub(path=path, identifier=None))
    works(httpd, path, aud=derived(httpd, url), url=url)


def test_hub_path_with_a_slash_at_its_end_does_not_claim_the_path_without_it(httpd):
    httpd.start(hub(path="/hub/"))
    is_not_ours(httpd.get("/hub"))
    is_not_ours(httpd.get("/hubx"))


def test_similar_paths_are_not_claimed(httpd):
    httpd.write("htdocs/.well-known/mercurex", "a file")
    httpd.write("htdocs/.well-known/mercure.html", "a page")
    httpd.start(hub())
    assert httpd.get(f"{PATH}x").text == "a file"
    assert httpd.get(f"{PATH}.html").text == "a page"
    for path in ("/.well-known/mercur", "/.well-known/", "/.WELL-KNOWN/MERCURE",
                 "/.well-known%2Fmercure", "/.well-known/mercure%2F", "/.well-known/mercure%2Fx",
                 "/.well-known/mercure%00", "/x/.well-known/mercure", "/.well-known/mercure%20"):
        assert is_not_ours(httpd.get(path)).status in (400, 403, 404), path


def test_other_spellings_of_the_path_are_claimed(httpd):
    httpd.start(hub())
    for url in ("/.well-known/%6Dercure", "/%2Ewell-known/mercure", "/.well%2Dknown/mercure",
                "//.well-known/mercure", "/.well-known//mercure", "/x/../.well-known/mercure",
                "/./.well-known/./mercure", "/.well-known/x/%2E%2E/mercure", "/.well-known/mercure/x/.."):
        if url.endswith("/.."):
            is_ours(httpd.get(url), 301)  # the resolved path ends in a slash
        else:
            works(httpd, url=url)
    # Dot segments can lead out of the hub.
    httpd.write("htdocs/any", "a file")
    assert httpd.get(f"{PATH}/../../any").text == "a file"
    assert httpd.get(f"{PATH}/%2e%2e/%2e%2e/any").text == "a file"


def test_double_slashes_with_merge_slashes_off(httpd):
    httpd.start("MergeSlashes Off\n" + hub())
    works(httpd)
    is_not_ours(httpd.get("/.well-known//mercure?match=x"))
    is_ours(httpd.get(f"{PATH}//x"), 404)
    is_ours(httpd.get(f"{PATH}//"), 404)
    is_ours(httpd.get(f"{PATH}/"), 301)


@pytest.mark.parametrize("path, url", [(PATH, PATH), ("/my hub", "/my%20hub"), ("/ümläut", "/%C3%BCml%C3%A4ut")])
def test_slash_after_the_hubs_url_leads_to_the_hub(httpd, path, url):
    app = "https://app.example"
    httpd.start(hub(f"MercureCorsOrigins {app}", path=path, identifier=None))
    query = "match=https%3A%2F%2Fexample.com%2Fsome%2Ftopic&last_event_id=a+b&x=%22'"
    for asked in (f"{url}/", f"{url}//", f"{url}/./", f"{url}/x/.."):
        for method in ("GET", "HEAD"):
            answer = httpd.request(method, f"{asked}?{query}", {"Origin": app})
            is_ours(answer, 301)
            assert answer.header("Location") == f"{url}?{query}", answer
            assert answer.header("Access-Control-Allow-Origin") == app
            assert answer.header("Cache-Control") == "no-store", "a browser would remember it for ever"
    answer = httpd.get(f"{url}/")
    assert answer.header("Location") == url and "slash" in answer.json["detail"]
    with httpd.subscribe(path=answer.header("Location"), query=query) as stream:
        assert stream.status == 200
    # A method that changes something, or has a body, is not redirected.
    minted = token.publisher(aud=derived(httpd, url))
    for method in ("POST", "QUERY", "PUT", "DELETE", "PATCH"):
        answer = httpd.request(method, f"{url}/", {
            "Authorization": f"Bearer {minted}", "Content-Type": "application/x-www-form-urlencoded",
            "Origin": app}, f"topic={TOPIC}&match=x")
        is_ours(answer, 405)
        assert "no slash at its end" in answer.json["detail"], answer
        assert answer.header("Allow") == "GET, HEAD, OPTIONS" and answer.header("Location") is None
        assert answer.header("Access-Control-Allow-Origin") == app
    with httpd.subscribe([("match", TOPIC), ("last_event_id", "")], path=url) as stream:
        assert stream.response.header("Mercure-Last-Event-ID") == "earliest", "something was published"
    answer = httpd.request("OPTIONS", f"{url}/", {"Origin": app, "Access-Control-Request-Method": "GET"})
    assert answer.status == 204 and "GET" in answer.header("Access-Control-Allow-Methods"), answer


def test_token_in_a_url_with_a_slash_is_not_sent_back(httpd):
    """The field Location would show it to everything that logs answers."""
    secret = "an-old-secret-of-the-live-tests:0123456789"
    httpd.start(hub(f"MercureLegacyKey HS256 {secret}"))
    answer = httpd.get(f"{PATH}/?topic=x&authorization=a.secret.token")
    is_ours(answer, 404)
    assert "slash" in answer.json["detail"] and "secret" not in str(answer.headers) + answer.text


def test_access_control_comes_before_the_redirect(httpd):
    httpd.expect_log("AH01630")
    httpd.start(hub("Require all denied"))
    assert httpd.get(f"{PATH}/").status == 403
    httpd.restart(hub("MercurePublicURL https://hub.example"))
    is_ours(httpd.get(f"{PATH}/"), 421)


def test_invalid_escapes_get_400_or_404(httpd):
    httpd.expect_log("AH10244", required=False)
    httpd.start(hub())
    for below in ("%", "%2", "%zz", "a%00b", "%2F%zz"):
        assert httpd.get(f"{PATH}/{below}").status in (400, 404), below
    # httpd itself refuses the others before it chooses a handler.
    refused = httpd.get(f"{PATH}/subscriptions/exact/a%00b")
    assert refused.status == 400 and refused.header("Content-Type") == "application/problem+json"


def test_every_form_of_request_target(httpd):
    httpd.start(hub())
    host = f"localhost:{httpd.port}"
    works(httpd, url=f"http://{host}{PATH}")
    with httpd.connect() as conn:  # HTTP/1.0 has neither Host nor chunks
        conn.send(f"GET {PATH}?match={TOPIC} HTTP/1.0\r\n\r\n")
        assert conn.read_head().status == 200
        update = httpd.publish(TOPIC, "old client").text
        assert conn.read_until(b"\n\n").endswith(f"id: {update}\ndata: old client\n\n".encode())
    assert httpd.request("OPTIONS", "*").status == 200
    assert httpd.request("TRACE", PATH).status == 405
    assert httpd.request("CONNECT", host).status in (400, 405)
    assert httpd.request("HEAD", f"{PATH}?match=x", host="").status in (200, 400)
    assert httpd.request("TRACE", "/any").status == 200


def test_http_1_0_client_can_publish(httpd):
    httpd.start(hub())
    body = f"topic={TOPIC}&data=x"
    with httpd.connect() as conn:
        conn.send(f"POST {PATH} HTTP/1.0\r\nAuthorization: Bearer {token.publisher()}\r\nContent-Length: "
                  f"{len(body)}\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n{body}")
        assert conn.read_response().status == 200


def test_longest_path_wins_among_nested_hubs(httpd):
    """The order of the sections does not matter."""
    outer = hub(path="/hub", identifier=None)
    inner = hub(path="/hub/inner", identifier=None)
    for text in (outer + inner, inner + outer):
        if httpd.running:
            httpd.restart(text)
        else:
            httpd.start(text)
        tokens = {path: token.publisher(aud=derived(httpd, path)) for path in ("/hub", "/hub/inner")}
        for path, other in (("/hub", "/hub/inner"), ("/hub/inner", "/hub")):
            works(httpd, path, aud=derived(httpd, path))
            with httpd.subscribe([("match", TOPIC)], path=path) as stream:
                httpd.publish(TOPIC, "other", path=other, token=tokens[other])
                own = httpd.publish(TOPIC, "own", path=path, token=tokens[path]).text
                assert stream.next().id == own
        is_ours(httpd.get("/hub/innerx"), 404)


def test_hub_off_below_a_hub_leaves_the_hub_above_unchanged(httpd):
    """A Location with `MercureHub Off` inside a hub's path does not change the hub's URLs above it."""
    httpd.start(hub() + f'<Location "{PATH}/off">\nMercureHub Off\n</Location>\n')
    works(httpd)


# ---- virtual hosts -------------------------------------------------------------------------------


def test_virtual_hosts_of_one_site_share_an_inherited_hub(httpd):
    other = httpd.add_port()
    httpd.start(hub() + httpd.vhost() + httpd.vhost(port=other))
    works(httpd)
    works(httpd, port=other)
    assert len(httpd.runtime_files()) == 2, "expected the control segment and one hub"
    with httpd.subscribe([("match", TOPIC)], port=other) as stream:
        update = httpd.publish(TOPIC, "from the first").text
        assert stream.next().id == update
    with httpd.subscribe([("match", TOPIC), ("last_event_id", "earliest")]) as stream:
        update = httpd.publish(TOPIC, "from the other", port=other).text
        while stream.next().id != update:
            pass


def test_virtual_host_can_switch_an_inherited_hub_off(httpd):
    other = httpd.add_port()
    httpd.start(hub() + httpd.vhost() + httpd.vhost(
        f'<Location "{PATH}">\nMercureHub Off\n</Location>', port=other))
    works(httpd)
    assert is_not_ours(httpd.get(f"{PATH}?match=x", port=other)).status == 404


def test_locations_and_virtual_hosts_with_one_name_share_a_hub(httpd):
    other = httpd.add_port()
    httpd.start(
        httpd.vhost(hub(path="/one", name="shared"), hub(path="/two", name="shared"), hub(path="/three")) +
        httpd.vhost(hub(path="/four", name="shared"), hub(path="/five", name="shared2"), port=other))
    where = {"/one": httpd.port, "/two": httpd.port, "/four": other, "/five": other, "/three": httpd.port}
    together = ("/one", "/two", "/four")
    streams = {path: httpd.subscribe([("match", TOPIC)], path=path, port=port)
               for path, port in where.items()}
    sent = {path: httpd.publish(TOPIC, path, path=path, port=port,
                                token=token.publisher(aud=f"https://hub.example{path}")).text
            for path, port in where.items()}
    for path, stream in streams.items():
        wanted = [sent[p] for p in where if p in together] if path in together else [sent[path]]
        assert [event.id for event in stream.take(len(wanted))] == wanted
        stream.close()
    assert len(httpd.runtime_files()) == 1 + 3


def test_hubs_with_equal_topics_ids_and_keys_stay_separate(httpd):
    """Two hubs of one virtual host, and the same path in virtual hosts of two other names."""
    other = httpd.add_port()
    httpd.start(httpd.vhost(hub(path="/a"), hub(path="/b")) +
                httpd.vhost(hub(path="/a"), port=other, name="other.example") +
                httpd.vhost(hub(path="/a"), name="named.example"))
    places = {"one": ("/a", {}), "two": ("/b", {}), "three": ("/a", {"port": other}),
              "four": ("/a", {"host": f"named.example:{httpd.port}"})}
    streams = {}
    readers = {}
    for name, (path, where) in places.items():
        streams[name] = httpd.subscribe([("match", TOPIC)], path=path, **where)
        readers[name] = httpd.subscribe([("match", "*")], path=path, **where,
                                        token=token.subscriber(aud=[f"https://hub.example/{p}" for p in "ab"]))
    for name, (path, where) in places.items():
        minted = token.publisher(aud=f"https://hub.example{path}")
        assert httpd.publish(TOPIC, name, fields=[("id", "same")], path=path, token=minted,
                             **where).text == "same"
        httpd.publish(TOPIC, f"{name} in private", fields=[("private", "on")], path=path, token=minted, **where)
        httpd.publish(TOPIC, f"{name} again", path=path, token=minted, **where)
    for name, (path, where) in places.items():
        assert [event.data for event in streams[name].take(2)] == [name, f"{name} again"]
        assert [event.data for event in readers[name].take(3)] == [name, f"{name} in private", f"{name} again"]
        streams[name].close()
        readers[name].close()
        with httpd.subscribe([("match", TOPIC), ("last_event_id", "earliest")], path=path, **where) as stream:
            assert [event.data for event in stream.take(2)] == [name, f"{name} again"]
        with httpd.subscribe([("match", TOPIC)], {"Last-Event-ID": "same"}, path=path, **where) as stream:
            assert stream.response.header("Mercure-Last-Event-ID") == "same"
            assert stream.next().data == f"{name} again"


def test_token_of_one_hub_is_refused_by_another(httpd):
    """The second hub also refuses the token directly after the first hub has accepted it."""
    httpd.start(hub(path="/a") + hub(path="/b"))
    minted = token.publisher(aud="https://hub.example/a")
    for _ in range(20):  # so that every child sees the token
        httpd.publish(TOPIC, "x", path="/a", token=minted)
        httpd.publish(TOPIC, "x", path="/b", token=minted, status=401)


def test_virtual_hosts_with_the_same_name_are_allowed(httpd):
    """httpd serves only the first of them. The configuration is valid, so the server must start."""
    httpd.expect_log("AH00671", required=False)
    httpd.start(httpd.vhost(hub(), name="same.example") + httpd.vhost(hub(), name="same.example"))
    works(httpd, host=f"same.example:{httpd.port}")


# ---- access control ------------------------------------------------------------------------------


def forbidden(httpd, *urls):
    for url in urls:
        for method, body in (("GET", None), ("HEAD", None), ("POST", "topic=x")):
            response = httpd.request(method, url, {
                "Authorization": f"Bearer {token.publisher()}",
                "Content-Type": "application/x-www-form-urlencoded"}, body)
            assert response.status == 403, (method, url, response)


def test_require_in_the_hubs_location_applies_to_every_url(httpd):
    httpd.expect_log("AH01630")
    httpd.start(hub("Require all denied"))
    forbidden(httpd, f"{PATH}?match=x", PATH, f"{PATH}/x", f"{PATH}/%2F", "/.well-known/%6Dercure?match=x",
              f"//x/..{PATH}?match=x", f"http://localhost{PATH}?match=x")
    # Nothing was published.
    httpd.restart(hub())
    with httpd.subscribe([("match", "x"), ("last_event_id", "")]) as stream:
        assert stream.response.header("Mercure-Last-Event-ID") == "earliest"


def test_require_in_locations_above_and_below_applies(httpd):
    httpd.expect_log("AH01630")
    httpd.start(hub() + '<Location "/.well-known">\nRequire all denied\n</Location>\n')
    forbidden(httpd, f"{PATH}?match=x", f"{PATH}/x")
    httpd.restart(hub() + f'<Location "{PATH}/below">\nRequire all denied\n</Location>\n')
    works(httpd)
    forbidden(httpd, f"{PATH}/below", f"{PATH}/below/x", f"{PATH}/%62elow", f"{PATH}/below/%2F")
    is_ours(httpd.get(f"{PATH}/belowx"), 404)


def test_locations_below_match_decoded_paths(httpd):
    """As everywhere in httpd, `<Location>` matches the decoded path; only an encoded slash stays encoded."""
    httpd.expect_log("AH01630")
    below = f"{PATH}/subscriptions/my topic:é"
    httpd.start(hub() + f'<Location "{below}">\nRequire all denied\n</Location>\n'
                f'<LocationMatch "^{PATH}/x y">\nRequire all denied\n</LocationMatch>\n'
                f'<LocationMatch "^{PATH}/a%2Fb">\nRequire all denied\n</LocationMatch>\n')
    forbidden(httpd, f"{PATH}/subscriptions/my%20topic%3A%C3%A9", f"{PATH}/subscriptions/my%20topic:%c3%a9",
              f"{PATH}/x%20y", f"{PATH}/a%2Fb")


def test_require_any_admits_by_one_condition(httpd):
    httpd.expect_log("AH01630")
    httpd.load("authz_host", "authz_core", "setenvif")
    httpd.start(hub('SetEnvIf X-Secret "^open$" let_in',
                    "<RequireAny>", "Require ip 192.0.2.1", "Require env let_in", "</RequireAny>"))
    assert httpd.get(f"{PATH}?match=x").status == 403
    works(httpd, headers={"X-Secret": "open"})


def test_limit_section_applies_to_its_methods(httpd):
    """<Limit POST> refuses publications and not subscriptions."""
    httpd.expect_log("AH01630")
    httpd.start(hub("<Limit POST>", "Require all denied", "</Limit>"))
    assert httpd.publish(TOPIC, "x", status=None).status == 403
    httpd.subscribe([("match", "x")]).close()


def test_basic_authentication_applies_beside_tokens(httpd):
    """httpd checks the user; to publish, the user also needs a token of the hub."""
    httpd.expect_log("AH01617|AH01618|AH01614", required=False)
    httpd.load("auth_basic", "authn_file", "authz_user")
    httpd.write("conf/users", "joe:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n")  # secret
    httpd.start(hub("AuthType Basic", "AuthName hub", "AuthUserFile conf/users", "Require valid-user"))
    assert httpd.get(f"{PATH}?match=x").status == 401
    assert httpd.get(f"{PATH}?match=x").header("WWW-Authenticate").startswith("Basic")
    assert httpd.get(f"{PATH}?match=x", {"Authorization": "Basic am9lOndyb25n"}).status == 401
    good = {"Authorization": "Basic am9lOnNlY3JldA=="}
    with httpd.subscribe([("match", "x")], good) as stream:
        stream.wait_comment()
    is_ours(httpd.request("POST", PATH, {**good, "Content-Type": "application/x-www-form-urlencoded"},
                          "topic=x"), 401)


def test_error_document_replaces_a_refusal_by_httpd(httpd):
    httpd.expect_log("AH01630")
    httpd.write("htdocs/sorry.html", "sorry")
    httpd.start("ErrorDocument 403 /sorry.html\n" + hub("Require all denied"))
    response = httpd.get(f"{PATH}?match=x")
    assert (response.status, response.text) == (403, "sorry")


# ---- requests from inside httpd ------------------------------------------------------------------


def with_includes(httpd):
    """Enables server-side includes in .shtml files of the document root."""
    return (f'<Directory "{httpd.docroot}">\nOptions +Includes\nRequire all granted\n'
            "AddType text/html .shtml\nAddOutputFilter INCLUDES .shtml\n</Directory>\n")


def test_server_side_include_of_the_hub_gets_no_stream(httpd):
    """A page that includes a stream would never end."""
    httpd.load("include")
    httpd.expect_log("unable to include")
    httpd.write("htdocs/page.shtml", f'before <!--#include virtual="{PATH}?match=x" --> after')
    httpd.write("htdocs/.well-known/mercure", "a file in the hub's place")
    httpd.start(hub() + with_includes(httpd))
    response = httpd.get("/page.shtml")
    assert response.status == 200 and response.text.startswith("before ") and " after" in response.text
    assert "a file in the hub's place" not in response.text


def test_server_side_include_does_not_bypass_access_control(httpd):
    httpd.load("include", "proxy", "proxy_http")
    httpd.expect_log("unable to include")
    httpd.expect_log("AH01630", required=False)
    httpd.write("htdocs/page.shtml", f'<!--#include virtual="{PATH}/x" -->')
    with backend() as url:
        httpd.start(hub("Require all denied") + f"ProxyPass /.well-known {url}/\n" + with_includes(httpd))
        assert "backend" not in httpd.get("/page.shtml").text


def test_internal_redirect_reaches_the_hub(httpd):
    httpd.load("rewrite")
    httpd.start(hub() + f'<Directory "{httpd.docroot}">\nRequire all granted\nOptions +FollowSymLinks\n'
                f"RewriteEngine On\nRewriteRule ^events$ {PATH} [L]\n</Directory>\n"
                f"RewriteEngine On\nRewriteRule ^/events2$ {PATH} [PT]\n")
    with httpd.subscribe([("match", TOPIC)], path="/events") as stream:
        update = httpd.publish(TOPIC, "x", path="/events").text
        assert stream.next().id == update
    # With [PT] there is no new request: the hub claims the URL that arrived, not what rules make of it.
    assert httpd.get("/events2?match=x").status in (200, 404)


def test_error_document_that_is_the_hub_neither_hangs_nor_crashes(httpd):
    """Such a configuration is useless, but easy to make by mistake."""
    httpd.start(hub() + f"ErrorDocument 404 {PATH}\n")
    assert httpd.get("/missing").status in (400, 404)
    works(httpd)


def test_directory_index_that_is_the_hub_neither_hangs_nor_crashes(httpd):
    httpd.start(hub() + f"DirectoryIndex {PATH}\n")
    assert httpd.get("/?match=x").status in (200, 403, 404)
    works(httpd)


def test_request_timeouts_do_not_end_a_stream(httpd):
    httpd.load("reqtimeout")
    httpd.start("RequestReadTimeout header=1 body=1\nTimeout 1\nKeepAliveTimeout 1\n" + hub())
    with in_time(lambda: httpd.subscribe([("match", TOPIC)])) as stream:
        stream.expect_nothing(2.5)
        update = in_time(lambda: httpd.publish(TOPIC, "x")).text
        assert stream.next().id == update


# ---- the hub's identity --------------------------------------------------------------------------


def accepts(httpd, aud, host=None, port=None, path=PATH):
    response = httpd.publish(TOPIC, "x", token=token.publisher(aud=aud), status=None, path=path,
                             host=host, port=port or httpd.port)
    assert response.status in (200, 401), response
    return response.status == 200


def test_derived_audience_follows_the_servers_names(httpd):
    other = httpd.add_port()
    httpd.start(httpd.vhost(hub(identifier=None), name="hub.example", aliases=("alias.example", "*.wild.example"))
                + httpd.vhost(hub(identifier=None), name="https://tls.example:443", port=other)
                + httpd.vhost(hub(identifier=None), name="https://proxied.example", port=other))
    own = f"http://hub.example:{httpd.port}{PATH}"
    assert accepts(httpd, own, host=f"hub.example:{httpd.port}")
    # Whatever Host says, only an exact alias changes the hub's identity.
    for host in ("evil.example", f"x.wild.example:{httpd.port}", f"localhost:{httpd.port}", "hub.example:1"):
        assert accepts(httpd, own, host=host), host
        assert not accepts(httpd, f"http://{host}{PATH}", host=host), host
    assert accepts(httpd, f"http://alias.example:8080{PATH}", host="alias.example:8080")
    assert accepts(httpd, f"http://alias.example{PATH}", host="alias.example")
    assert not accepts(httpd, own, host="alias.example")
    assert not accepts(httpd, f"http://alias.example{PATH}", host="hub.example")
    assert accepts(httpd, f"https://tls.example{PATH}", port=other)
    # The scheme and the port of a ServerName replace those of the connection.
    assert accepts(httpd, f"https://proxied.example{PATH}", port=other, host="proxied.example")


def test_derived_audience_of_a_tls_host_is_https(httpd):
    httpd.start(httpd.vhost(hub(identifier=None), name="hub.example:443", tls=True))
    response = httpd.publish(TOPIC, "x", token=token.publisher(aud=f"https://hub.example{PATH}"), tls=True,
                             host="hub.example")
    assert response.status == 200


def test_unread_body_closes_the_connection(httpd):
    """When the hub does not read a body to its end, it closes the connection."""
    httpd.start(hub())
    with httpd.connect() as conn:
        conn.send_request("POST", PATH, {"Content-Length": "1000000"})
        assert conn.read_response().status == 401
        conn.wait_closed()
    assert client.request(httpd.port, "GET", f"{PATH}/none").status == 404
