"""HTTP/2 of the module itself, and other modules of httpd that handle or watch its requests."""
import os
import socket
import ssl
import subprocess
import threading

import pytest

from env.h2 import Http2
from env.http import client_context
from env.httpd import HAS_SANITIZER
from env.hub import PATH, hub
from env.wait import wait_until
from env.watch import STATUS
from test_inside import php as php_fpm
from test_modsecurity import MODULE as SECURITY
from test_tls import build_module, certificates

pytestmark = pytest.mark.mpm("event")

HERE = os.path.dirname(os.path.abspath(__file__))

HTTP_1_1_REQUIRED = 13
MISDIRECTED = 421


def start(httpd, *body, server="", modules=(), tls=False):
    """Starts a virtual host with a hub whose HTTP/2 is the module's; returns its port."""
    httpd.load("status", "env", "headers", *modules)
    httpd.write("htdocs/page.html", "page")
    port = httpd.add_port()
    httpd.start(f"Protocols h2 h2c http/1.1\n{STATUS}{server}" +
                httpd.vhost("MercureHttp2 On", f"DocumentRoot {httpd.docroot}", hub(), *body, port=port, tls=tls))
    return port


def folder(path, *body):
    return "\n".join([f"<Directory {path}>", "Require all granted", *body, "</Directory>"])


# ---- applications --------------------------------------------------------------------------------


class Origin:
    """A server of HTTP/1.1 behind a proxy: it keeps each request as it came, and answers with trailers."""

    # httpd's filters pass on 8,000 bytes at a time.
    LONG = {f"x-long-{number}": str(number) * 3000 for number in range(4)}
    ANSWER = (b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\nX-Bad: a\x01b\r\n" +
              "".join(f"{name}: {value}\r\n" for name, value in LONG.items()).encode() + b"\r\n"
              b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\nServer: origin\r\n\r\n"
              b"5\r\nhello\r\n0\r\nX-Sum: 42\r\n\r\n")

    def __init__(self):
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        self.requests = []
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    @staticmethod
    def is_whole(data):
        head, end, body = data.partition(b"\r\n\r\n")
        return bool(end) and (b"chunked" not in head or (b"\r\n0\r\n" in b"\r\n" + body and body.endswith(b"\r\n\r\n")))

    def run(self):
        while True:
            try:
                conn, _ = self.listening.accept()
            except OSError:
                return
            with conn:
                data = b""
                while not self.is_whole(data):
                    more = conn.recv(65536)
                    if not more:
                        break
                    data += more
                if data:
                    self.requests.append(data.decode())
                    conn.sendall(self.ANSWER)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()
        self.thread.join()


def test_proxy_with_trailers_and_interim_responses(httpd):
    with Origin() as origin:
        port = start(httpd, f"ProxyPass /o/ http://127.0.0.1:{origin.port}/ disablereuse=on",
                     'CustomLog logs/trailers.log "%U %{X-End}^ti %{X-Sum}^to"', modules=("proxy", "proxy_http"))
        with Http2(port) as conn:
            page = conn.request("/o/page")
            assert page.status == 200 and page.body == b"hello" and page.headers["server"] == "origin"
            assert page.interim == [{":status": "103", "link": "</style.css>; rel=preload", **origin.LONG}]
            assert page.trailers == {"x-sum": "42"} and "transfer-encoding" not in page.headers
            posted = conn.post("/o/post", b"body", [("content-type", "text/plain")], [("x-end", "yes")])
            assert posted.status == 200 and posted.trailers == {"x-sum": "42"}
        assert "HTTP/1.1\r\n" in origin.requests[0] and "X-Forwarded-For: 127.0.0.1" in origin.requests[0]
        wait_until(lambda: httpd.lines("logs/trailers.log") == ["/o/page - 42", "/o/post yes 42"], what="the access log")


def test_request_that_does_not_end_with_its_child(httpd):
    """The request waits for another server, which does not answer: the child ends without that thread, and frees
    nothing before."""
    httpd.expect_log("MRC0240")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = start(httpd, f"ProxyPass /o/ http://127.0.0.1:{silent.getsockname()[1]}/", modules=("proxy", "proxy_http"))
        with Http2(port) as conn:
            conn.open("/o/page")
            with silent.accept()[0]:
                httpd.stop()


def test_php_fpm(httpd):
    httpd.write("htdocs/a.php", "<?php header('X-Php: ' . $_SERVER['SERVER_PROTOCOL'] . ' ' . ($_SERVER['HTTP2'] ?? ''));"
                "if ($_SERVER['REQUEST_METHOD'] == 'POST') { echo strlen(file_get_contents('php://input')); exit; }"
                "http_response_code(203); for ($i = 0; $i < 3; $i++) { echo $i; flush(); }")
    with php_fpm(httpd) as config:
        port = start(httpd, config)
        with Http2(port) as conn:
            page = conn.request("/a.php")
            assert (page.status, page.body) == (203, b"012") and page.headers["x-php"] == "HTTP/2.0 on"
            form = [("content-type", "a/b"), ("content-length", "40000")]
            assert conn.post("/a.php", b"x" * 40000, form).body == b"40000"
            many = conn.open_all(20, "/a.php")
            conn.wait(lambda: all(stream.ended and stream.body == b"012" for stream in many), "the answers")


def test_page_that_takes_long(httpd):
    """As over HTTP/1.1, the client gets the first part of the page meanwhile."""
    httpd.write("htdocs/slow.php", "<?php echo str_repeat('x', 10000); flush();"
                f"while (!file_exists('{httpd.path('htdocs/go')}')) {{ usleep(10000); clearstatcache(); }} echo 'end';")
    with php_fpm(httpd) as config:
        port = start(httpd, config)
        with Http2(port) as conn:
            page = conn.open("/slow.php")
            conn.wait(lambda: len(page.body) >= 8000, "the first part")
            httpd.write("htdocs/go", "")
            conn.wait(lambda: page.ended, "the rest")
            assert page.body == b"x" * 10000 + b"end"


# ---- filters and fields --------------------------------------------------------------------------


def test_mod_security(httpd):
    httpd.expect_log(r"ModSecurity: ", required=True)
    httpd.expect_log(r":notice\].*ModSecurity for Apache", required=False)
    httpd.load("unique_id")
    httpd.write("htdocs/secret.html", "the secret word")
    rules = ("SecRuleEngine On", "SecRequestBodyAccess On", "SecResponseBodyAccess On", "SecResponseBodyMimeType text/html",
             'SecRule ARGS:q "@contains attack" "id:1,phase:2,deny,status:403"',
             'SecRule REQUEST_PROTOCOL "!@streq HTTP/2.0" "id:2,phase:1,deny,status:505"',
             'SecRule RESPONSE_BODY "@contains secret word" "id:3,phase:4,deny,status:404"',
             f"SecTmpDir {httpd.path('run')}")
    port = start(httpd, *rules, server=f'LoadModule security2_module "{SECURITY}"\nSecDataDir {httpd.path("run")}\n')
    form = [("content-type", "application/x-www-form-urlencoded")]
    with Http2(port) as conn:
        assert conn.request("/page.html").body == b"page"
        assert conn.request("/page.html?q=attack").status == 403
        assert conn.post("/page.html", b"q=attack", form).status == 403
        assert conn.post("/page.html", b"q=fine", form).status == 200
        assert conn.request("/secret.html").status == 404
        assert conn.request(PATH + "?match=https%3A%2F%2Fexample.com%2F", method="HEAD").status == 200


def test_remote_address_from_a_proxy(httpd):
    httpd.expect_log("AH01630", required=True)
    port = start(httpd, "RemoteIPHeader X-Forwarded-For", "RemoteIPInternalProxy 127.0.0.1",
                 "<Location /page.html>\nRequire ip 192.0.2.7\n</Location>", 'CustomLog logs/a.log "%a %{c}a %U"',
                 modules=("remoteip", "authz_host"))
    with Http2(port) as conn:
        assert conn.request("/page.html", [("x-forwarded-for", "192.0.2.7")]).status == 200
        assert conn.request("/page.html", [("x-forwarded-for", "192.0.2.8")]).status == 403
        assert conn.request("/page.html").status == 403
    wait_until(lambda: len(httpd.lines("logs/a.log")) == 3, what="the access log")
    assert httpd.lines("logs/a.log")[0] == "192.0.2.7 127.0.0.1 /page.html"


def test_basic_authentication(httpd):
    httpd.expect_log("AH01617|AH01618", required=False)
    httpd.write("conf/users", "alice:$apr1$x9Zk7nKq$PjcVrfs6rLxqGzC0Qf0xk.\nbob:{SHA}" "W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n")
    port = start(httpd, folder(httpd.docroot, "AuthType Basic", "AuthName x", f"AuthUserFile {httpd.path('conf/users')}",
                               "Require valid-user").replace("Require all granted\n", ""),
                 modules=("auth_basic", "authn_file", "authz_user"))
    with Http2(port) as conn:
        refused = conn.request("/page.html")
        assert refused.status == 401 and refused.headers["www-authenticate"].startswith("Basic")
        assert conn.request("/page.html", [("authorization", "Basic Ym9iOnBhc3N3b3Jk")]).body == b"page"  # bob:password


def test_substitute_and_deflate(httpd):
    httpd.write("htdocs/words.html", "one two " * 2000)
    port = start(httpd, folder(httpd.docroot, "AddOutputFilterByType SUBSTITUTE;DEFLATE text/html",
                               "Substitute s/two/three/"), modules=("filter", "substitute", "deflate"))
    with Http2(port) as conn:
        assert conn.request("/words.html").body == b"one three " * 2000
        packed = conn.request("/words.html", [("accept-encoding", "gzip")])
        assert packed.headers["content-encoding"] == "gzip" and len(packed.body) < 1000


def test_rate_limit_delays_no_other_request(httpd):
    httpd.write("htdocs/slow.bin", bytes(400000))
    port = start(httpd, "<Location /slow.bin>\nSetOutputFilter RATE_LIMIT\nSetEnv rate-limit 200\n</Location>",
                 modules=("ratelimit",))
    with Http2(port) as conn:
        slow = conn.open("/slow.bin")
        conn.wait(lambda: slow.status, "the head")
        for _ in range(5):
            assert conn.request("/page.html").body == b"page"
        conn.wait(lambda: slow.ended, "the slow response")
        assert len(slow.body) == 400000 and not slow.reset


def test_cache(httpd):
    httpd.load("cache", "cache_socache", "socache_shmcb")
    port = start(httpd, "CacheEnable socache /", "CacheSocache shmcb", "CacheHeader on", "CacheQuickHandler on",
                 "<Location />\nHeader set Cache-Control max-age=60\n</Location>")
    with Http2(port) as conn:
        assert "MISS" in conn.request("/page.html").headers["x-cache"]
        again = conn.request("/page.html")
        assert again.body == b"page" and "HIT" in again.headers["x-cache"]


# ---- TLS and virtual hosts -----------------------------------------------------------------------


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_client_certificate_for_a_location(httpd, version):
    """The request has to be repeated over HTTP/1.1, where mod_ssl can ask for the certificate."""
    httpd.expect_log("AH02034|AH10129|AH02261|AH02225|AH10158", required=False)
    authority, both = certificates(httpd)
    port = start(httpd, f"SSLProtocol {version}", f'SSLCACertificateFile "{authority}"',
                 "<Location /private.html>\nSSLVerifyClient require\n</Location>",
                 "<Location /documented.html>\nSSLVerifyClient require\nErrorDocument 403 /page.html\n</Location>", tls=True)
    httpd.write("htdocs/private.html", "private")
    with Http2(port, tls=True) as conn:
        for target in ("/private.html", "/documented.html"):
            stream = conn.request(target)
            assert stream.reset and stream.error == HTTP_1_1_REQUIRED and stream.status is None
        assert conn.request("/page.html").body == b"page"
    got = subprocess.run(["curl", "-sk", "--http1.1", "--cert", both, f"https://localhost:{port}/private.html"],
                         capture_output=True, check=True).stdout
    assert got == b"private"


@pytest.mark.parametrize("version,chosen", [("TLSv1_1", "http/1.1"), ("TLSv1_2", "h2"), ("TLSv1_3", "h2")])
def test_old_tls_gets_http_1_1(httpd, version, chosen):
    port = start(httpd, "SSLProtocol all -SSLv3", "SSLCipherSuite ALL:@SECLEVEL=0", tls=True)
    context = client_context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    with httpd.connect(port=port, tls=True, context=context, alpn=["h2", "http/1.1"]) as conn:
        assert conn.sock.selected_alpn_protocol() == chosen


def test_client_certificate_of_the_virtual_host(httpd):
    authority, both = certificates(httpd)
    port = start(httpd, f'SSLCACertificateFile "{authority}"', "SSLVerifyClient require", "SSLOptions +StdEnvVars",
                 'Header set X-Client "expr=%{SSL_CLIENT_S_DN_CN}"', 'CustomLog logs/client.log "%{SSL_CLIENT_S_DN_CN}x %{SSL_PROTOCOL}x"',
                 "<Location /page.html>\nRequire expr %{SSL_CLIENT_S_DN_CN} == 'alice'\n</Location>", tls=True)
    with Http2(port, tls=True, certificate=(both, both)) as conn:
        page = conn.request("/page.html")
        assert page.body == b"page" and page.headers["x-client"] == "alice"
    wait_until(lambda: httpd.lines("logs/client.log") == ["alice TLSv1.3"], what="the access log")


def test_name_of_the_client_certificate_as_user(httpd):
    """mod_ssl keeps the name for all requests of a connection."""
    httpd.expect_log("AH02036", required=False)
    authority, both = certificates(httpd)
    users = httpd.write("conf/users", "/CN=alice:xxj31ZMTZzkVA\n")  # mod_ssl's password
    port = start(httpd, f'SSLCACertificateFile "{authority}"', "SSLVerifyClient require", "SSLOptions +FakeBasicAuth",
                 f'<Location />\nAuthType Basic\nAuthName x\nAuthUserFile "{users}"\nRequire valid-user\n</Location>',
                 'Header always set X-User "expr=%{REMOTE_USER}"', tls=True, modules=("auth_basic", "authn_file", "authz_user"))
    with Http2(port, tls=True, certificate=(both, both)) as conn:
        for i in range(20):  # each request has other memory in the place where the first one had the name
            page = conn.request("/page.html", [(f"x-{k}", "/CN=mallory" * i) for k in range(i)])
            assert (page.status, page.headers["x-user"]) == (200, "/CN=alice"), i


@pytest.mark.skipif(HAS_SANITIZER, reason="a sanitizer is preloaded")
@pytest.mark.parametrize("proxy", [b"", b"PROXY TCP4 192.0.2.7 192.0.2.1 1234 80\r\n", b"PROXY UNKNOWN 192.0.2.7 192.0.2.1 1234 80\r\n"],
                         ids=["direct", "proxy", "proxy_without_address"])
def test_requests_look_up_names_at_the_same_time(httpd, monkeypatch, proxy):
    """Each request has its own address, in whose memory APR keeps the name; the PROXY protocol has one address for
    all."""
    httpd.expect_log("AH10184: failed reading input", required=False)  # mod_remoteip of httpd 2.4.52, about any end
    library = httpd.path("names.so")
    subprocess.run(["gcc", "-O1", "-shared", "-fPIC", "-o", library, f"{HERE}/env/names.c"], check=True)
    monkeypatch.setenv("MERCURE_LD_PRELOAD", library)
    port = start(httpd, "HostnameLookups On", 'Header set X-Name "expr=%{REMOTE_HOST}"',
                 *["RemoteIPProxyProtocol On"][:len(proxy)], modules=("remoteip",))
    with Http2(port, opening=proxy) as conn:
        pages = conn.open_all(2, "/page.html")
        conn.wait(lambda: all(page.ended for page in pages), "the answers")
        assert [page.headers["x-name"] for page in pages] == ["own.example"] * 2


# What mod_http2 before httpd 2.4.55 does with each secondary connection: it reads the context of its own.
OLD_HTTP2 = r"""
#include "httpd.h"
#include "http_config.h"
#include "http_connection.h"
struct h2_ctx { void *protocol, *session, *task; };
extern module http2_module;
static int pre_connection(conn_rec *c, void *socket)
{
    struct h2_ctx *ctx = c->master ? ap_get_module_config(c->conn_config, &http2_module) : NULL;
    return c->master && ctx->task ? HTTP_INTERNAL_SERVER_ERROR : OK;
}
static void register_hooks(apr_pool_t *pool) { ap_hook_pre_connection(pre_connection, NULL, NULL, APR_HOOK_FIRST); }
#undef STANDARD20_MODULE_STUFF
module http2_module = {
    MODULE_MAGIC_NUMBER_MAJOR, MODULE_MAGIC_NUMBER_MINOR, -1, "mod_http2.c", NULL, NULL, MODULE_MAGIC_COOKIE, NULL,
    NULL, NULL, NULL, NULL, NULL, register_hooks, 0};
"""


def test_mod_http2_before_httpd_2_4_55_is_loaded(httpd):
    module = build_module(httpd, "old_http2", OLD_HTTP2)
    port = start(httpd, server=f'LoadModule http2_module "{module}"\n')
    with Http2(port) as conn:
        for _ in range(3):
            assert conn.request("/page.html").body == b"page"


def test_requests_for_other_virtual_hosts(httpd):
    """The answer is 421 where the connection's TLS or protocol is not that of the virtual host."""
    httpd.expect_log("AH02032", required=True)
    httpd.load("socache_shmcb", "ssl", "http2")
    httpd.expect_log("AH10034|AH02951", required=False)
    port = httpd.add_port()

    def host(name, *body):
        httpd.write(f"{name}/page.html", name)
        return httpd.vhost(f"DocumentRoot {httpd.path(name)}", folder(httpd.path(name)), *body, port=port,
                           name=f"{name}.example", tls=True)

    httpd.start("Protocols h2 http/1.1\n" + host("hub", "MercureHttp2 On", hub()) + host("same", "MercureHttp2 On") +
                host("plain", "Protocols http/1.1") + host("theirs", "MercureHttp2 Off") +
                host("strict", "MercureHttp2 On", "SSLProtocol TLSv1.2"))
    with Http2(port, tls=True, server_name="hub.example") as conn:
        def ask(name):
            conn.authority = f"{name}.example:{port}"
            return conn.request("/page.html")

        assert ask("hub").body == b"hub" and ask("same").body == b"same"
        assert ask("plain").status == ask("theirs").status == ask("strict").status == MISDIRECTED
        assert ask("hub").body == b"hub"
    # Each virtual host serves its own clients.
    with Http2(port, tls=True, server_name="theirs.example") as conn:
        assert conn.request("/page.html").body == b"theirs"
        conn.authority = f"hub.example:{port}"
        assert conn.request("/page.html").body == b"hub"
    got = subprocess.run(["curl", "-sk", "--http2", "--resolve", f"plain.example:{port}:127.0.0.1", "-w", " %{http_version}",
                          f"https://plain.example:{port}/page.html"], capture_output=True, check=True).stdout
    assert got == b"plain 1.1"


def test_acme_challenge(httpd):
    """mod_md answers challenges for a certificate on the virtual host."""
    httpd.load("watchdog", "md")
    httpd.expect_log("AH10[0-9]{3}", required=False)
    port = start(httpd, server=f"MDStoreDir {httpd.path('md')}\nMDomain localhost manual\nMDRenewMode manual\n"
                 f"MDCertificateAgreement accepted\nMDPortMap 80:{httpd.port}\n")
    httpd.write("md/challenges/localhost/acme-http-01.txt", "the key authorization")
    os.chmod(httpd.path("md/challenges/localhost"), 0o755)
    os.chmod(httpd.path("md/challenges"), 0o755)
    os.chmod(httpd.path("md"), 0o755)
    with Http2(port) as conn:
        got = conn.request("/.well-known/acme-challenge/x")
        assert (got.status, got.body) == (200, b"the key authorization")
