"""Publishing from inside httpd: with the field Mercure-Publish of responses; and the hub's discovery."""
import http.server
import os
import re
import shutil
import subprocess
import threading
import urllib.parse

import pytest

from env import token
from env.h2 import Http2
from env.httpd import HAS_SANITIZER
from env.hub import PATH, hub
from env.wait import wait_until
from test_docs import BLOCK, read

event_only = pytest.mark.mpm("event")

TOPIC = "https://example.com/books/1"
FIELD = "Mercure-Publish"
SOURCES = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def update(data, **fields):
    """An update in the form of the field."""
    return urllib.parse.urlencode({"topic": TOPIC, "data": data, **fields})


def escaped(data):
    """The same for the directive Header, where a percent sign begins a format."""
    return update(data).replace("%", "%%")


def cgi(httpd, name, *lines, body="ok"):
    """A CGI script that prints LINES as the fields of its response, and then BODY."""
    text = "\n".join(["#!/bin/sh", "cat <<'END'", *lines, "", body, "END", ""])
    httpd.write(f"htdocs/{name}", text, 0o755)


def config(httpd, *sections):
    """The configuration of a server with a hub, and CGI scripts in its folder of documents."""
    httpd.load("headers", "cgi")
    return (f'<Directory "{httpd.docroot}">\nOptions +ExecCGI +FollowSymLinks +Includes\nAddHandler cgi-script .cgi\n'
            "Require all granted\nAllowOverride FileInfo\n</Directory>\n" + hub() + "\n".join(sections) + "\n")


def on(path="/", argument="", *lines):
    return "\n".join([f'<Location "{path}">', f"MercurePublishHeader On {argument}", *lines, "</Location>"])


class Inbox:
    """Everything that the hub publishes from now on."""

    def __init__(self, httpd):
        self.httpd, self.stream = httpd, httpd.subscribe([("match", "*")], token=token.subscriber())
        self.stream.wait_comment()

    def take(self):
        """The data of all updates until now; this method publishes a last one to find the end."""
        end = self.httpd.publish(TOPIC, "end").text
        found = []
        while True:
            event = self.stream.next()
            if event.id == end:
                return found
            found.append(event.data)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stream.close()


def check_hidden(response):
    assert response.header(FIELD) is None, response
    return response


# ---- the sources of responses --------------------------------------------------------------------


@pytest.mark.sanitize
def test_cgi_script_publishes_before_its_response_is_sent(httpd):
    cgi(httpd, "one.cgi", "Content-Type: text/plain", f"{FIELD}: {update('1')}", "X-Other: x")
    cgi(httpd, "two.cgi", "Content-Type: text/plain", f"{FIELD}: {update('2')}",
        f"mercure-publish: {update('3, and more')}", f"{FIELD}: {update('4', private='on', id='four')}")
    httpd.start(config(httpd, on()))
    with Inbox(httpd) as inbox:
        response = check_hidden(httpd.get("/one.cgi"))
        assert (response.status, response.text, response.header("X-Other")) == (200, "ok\n", "x")
        # The update is stored by the time the response arrives.
        with httpd.subscribe([("match", TOPIC), ("last_event_id", "earliest")]) as stream:
            assert stream.next().data == "1"
        check_hidden(httpd.get("/two.cgi"))
        assert inbox.take() == ["1", "2", "3, and more", "4"]
        head = httpd.request("HEAD", "/one.cgi")
        assert check_hidden(head).status == 200
        assert inbox.take() == ["1"]


def test_static_file_publishes_with_mod_headers(httpd):
    httpd.write("htdocs/a.html", "hello")
    httpd.start(config(httpd, on("/a.html", "", f'Header set {FIELD} "{escaped("file")}"')))
    with Inbox(httpd) as inbox:
        response = check_hidden(httpd.get("/a.html"))
        assert response.text == "hello"
        assert inbox.take() == ["file"]
        fresh = httpd.get("/a.html", {"If-None-Match": response.header("ETag")})
        assert check_hidden(fresh).status == 304
        inbox.take()
        partial = httpd.get("/a.html", {"Range": "bytes=0-1"})
        assert check_hidden(partial).status == 206 and partial.text == "he"
        assert inbox.take() == ["file"]


class Backend(http.server.ThreadingHTTPServer):
    """An application behind mod_proxy. Its paths say what it answers."""

    daemon_threads = True

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            path = urllib.parse.urlsplit(self.path).path
            self.server.requests.append(dict(self.headers.items()))
            if path == "/socket":
                self.wfile.write(f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: test\r\nConnection: Upgrade\r\n{FIELD}: x\r\n"
                                 "\r\n".encode())
                while data := self.connection.recv(65536):
                    self.connection.sendall(data)
                self.close_connection = True
                return
            for fields in self.server.interim:
                self.wfile.write("".join(["HTTP/1.1 103 Early Hints\r\n", *(f"{name}: {value}\r\n" for name, value in fields),
                                          "\r\n"]).encode())
            self.send_response({"/failing": 500, "/missing": 404}.get(path, 200))
            for name, value in self.server.fields:
                self.send_header(name, value)
            self.send_header("Content-Type", "text/plain")
            if path == "/trailers":
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                self.wfile.write(f"2\r\nhi\r\n0\r\n{FIELD}: {update('trailer')}\r\n\r\n".encode())
                return
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"hi")

        def log_message(self, *args):
            pass

    def __init__(self, *fields):
        super().__init__(("127.0.0.1", 0), self.Handler)
        self.fields, self.requests = list(fields), []
        self.interim = []  # the fields of each interim response
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *exc):
        self.shutdown()
        super().__exit__(*exc)


def proxy(httpd, backend, *lines, path="/app/", options=""):
    httpd.load("proxy", "proxy_http")
    return "\n".join([f'<Location "{path}">', f"ProxyPass http://127.0.0.1:{backend.server_port}/ {options}", *lines,
                      "</Location>"])


def test_proxied_application_publishes(httpd):
    with Backend((FIELD, update("1")), ("X-Other", "x"), (FIELD, update("2"))) as backend:
        httpd.start(config(httpd, proxy(httpd, backend, "MercurePublishHeader On")))
        with Inbox(httpd) as inbox:
            response = check_hidden(httpd.get("/app/"))
            assert (response.text, response.header("X-Other")) == ("hi", "x")
            assert inbox.take() == ["1", "2"]


def test_error_of_an_application_publishes_once(httpd):
    httpd.write("htdocs/sorry.html", "sorry")
    with Backend((FIELD, update("1"))) as backend:
        httpd.start(config(httpd, proxy(httpd, backend, "MercurePublishHeader On"),
                           proxy(httpd, backend, "MercurePublishHeader On", "ProxyErrorOverride On", path="/text/"),
                           proxy(httpd, backend, "MercurePublishHeader On", "ProxyErrorOverride On",
                                 "ErrorDocument 500 /sorry.html", path="/page/")))
        with Inbox(httpd) as inbox:
            for path, text in (("/app", "hi"), ("/text", "Internal Server Error"), ("/page", "sorry")):
                response = check_hidden(httpd.get(f"{path}/failing"))
                assert response.status == 500 and text in response.text
                assert inbox.take() == ["1"], path


def test_php_publishes(httpd):
    httpd.write("htdocs/a.php", f"<?php header('{FIELD}: {update('php 1')}'); header('{FIELD}: {update('php 2')}', false);\n"
                                "http_response_code(203); echo 'hello';")
    page = "\n".join(match[4] for match in BLOCK.finditer(read("publishing")) if match[3] == "response")
    httpd.write("htdocs/doc.php", page)
    with php(httpd) as section:
        httpd.start(config(httpd, section, on()))
        with Inbox(httpd) as inbox:
            check_hidden(httpd.get("/doc.php"))
            assert inbox.take() == ['{"hello":"from a response"}']
            response = check_hidden(httpd.get("/a.php"))
            assert (response.status, response.text) == (203, "hello")
            assert inbox.take() == ["php 1", "php 2"]


class php:
    """mod_php under prefork, and php-fpm with mod_proxy_fcgi under the other MPMs."""

    def __init__(self, httpd):
        self.httpd, self.process = httpd, None

    def __enter__(self):
        if self.httpd.mpm == "prefork":
            if HAS_SANITIZER:
                pytest.skip("PHP loads its extensions with RTLD_DEEPBIND, which sanitizers refuse")
            return ("<IfModule !php_module>\nLoadModule php_module /usr/lib/apache2/modules/libphp8.2.so\n</IfModule>\n"
                    '<FilesMatch "\\.php$">\nSetHandler application/x-httpd-php\n</FilesMatch>')
        program = next(filter(None, map(shutil.which, ("php-fpm8.2", "/usr/sbin/php-fpm8.2"))), None)
        if not program:
            pytest.skip("no php-fpm")
        sock = self.httpd.path("run/fpm.sock")
        self.httpd.load("proxy", "proxy_fcgi")
        conf = self.httpd.write("conf/fpm.conf", f"[global]\nerror_log = {self.httpd.path('logs/fpm.log')}\ndaemonize = no\n"
                                f"[www]\nuser = www-data\ngroup = www-data\nlisten = {sock}\nlisten.mode = 0666\n"
                                "pm = static\npm.max_children = 1\n")
        self.process = subprocess.Popen([program, "-n", "-R", "-F", "-y", conf], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        wait_until(lambda: os.path.exists(sock), what="php-fpm")
        return f'<FilesMatch "\\.php$">\nSetHandler "proxy:unix:{sock}|fcgi://localhost"\n</FilesMatch>'

    def __exit__(self, *exc):
        if self.process:
            self.process.terminate()
            self.process.wait()


def test_http2_responses_publish(httpd):
    if httpd.mpm == "prefork":
        pytest.skip("mod_http2 and prefork")
    httpd.load("http2")
    cgi(httpd, "one.cgi", "Content-Type: text/plain", f"{FIELD}: {update('1')}")
    with Backend((FIELD, update("2"))) as backend:
        httpd.start("Protocols h2c http/1.1\n" + config(httpd, on("/one.cgi"), proxy(httpd, backend, "MercurePublishHeader On")))
        with Inbox(httpd) as inbox, Http2(httpd.port) as client:
            for target, body in (("/one.cgi", b"ok\n"), ("/app/", b"hi"), ("/app/trailers", b"hi")):
                stream = client.request(target)
                assert bytes(stream.body) == body
                assert FIELD.lower() not in dict(stream.headers)
                assert FIELD.lower() not in stream.trailers
            assert inbox.take() == ["1", "2", "2"]


# Names that begin like the field, and heads that httpd writes in several pieces.
INTERIM = [
    [("Link", "</a.css>; rel=preload"), (FIELD, update("early")), ("X-Last", "1")],
    [("mercure-publish", update("early")), ("MERCURE-PUBLISH", update("early")), ("Mercure-Publisher", "x"), ("M", "y")],
    [(FIELD, update("early"))],
    [(f"X-{n}", "x" * (3000 + n)) for n in range(8)] + [(FIELD, update("e" * 5000)), ("X-Last", "2")],
    [(f"Mercure-{n}", "m" * 1990) for n in range(12)] + [(FIELD, update("e" * 5000))] * 4 + [("X-Last", "3")],
]
KEPT = [[pair for pair in fields if pair[0].lower() != FIELD.lower()] for fields in INTERIM]


def read_interim(conn, path):
    """GETs PATH; returns the fields of the interim responses, and the final one."""
    conn.send_request("GET", path)
    interim = []
    while (response := conn.read_response()).status < 200:
        assert response.status == 103
        interim.append(response.headers)
    return interim, response


def test_interim_responses_do_not_show_the_field(httpd):
    httpd.write("htdocs/a.html", "hello")
    with Backend((FIELD, update("final"))) as backend:
        backend.interim = INTERIM
        httpd.start(config(httpd, proxy(httpd, backend, "MercurePublishHeader On"),
                           proxy(httpd, backend, path="/other/"),
                           '<Location "/metrics">\nSetHandler mercure-metrics\n</Location>') + "MaxKeepAliveRequests 0\n")
        with Inbox(httpd) as inbox, httpd.connect() as conn:
            for _ in range(3):
                interim, response = read_interim(conn, "/app/")
                assert (interim, check_hidden(response).text) == (KEPT, "hi")
                # A section without the directive, on the same connection.
                interim, response = read_interim(conn, "/other/")
                assert (interim, response.header(FIELD)) == (INTERIM, update("final"))
                assert conn.request("GET", "/a.html").text == "hello"
            # The next request comes before the response to the one before it has gone.
            conn.send("".join(f"GET {path} HTTP/1.1\r\nHost: {conn.host}\r\n\r\n" for path in ("/app/", "/a.html", "/app/")))
            for wanted in ("hi", "hello", "hi"):
                while (response := conn.read_response()).status < 200:
                    assert FIELD.lower() not in {name.lower() for name, _ in response.headers}
                assert check_hidden(response).text == wanted
            assert inbox.take() == ["final"] * 5
            # A stream on such a connection holds no thread.
            conn.send_request("GET", f"{PATH}?match=*")
            assert conn.read_head().status == 200
            assert re.search(r'mercure_streams_holding_threads(\{.*\})? 0\n', httpd.get("/metrics").text)


def test_other_protocols_pass_after_an_interim_response(httpd):
    with Backend() as backend:
        httpd.start(config(httpd, proxy(httpd, backend, "MercurePublishHeader On", options="upgrade=ANY")))
        with httpd.connect() as conn:
            conn.send_request("GET", "/app/socket", [("Connection", "Upgrade"), ("Upgrade", "test")])
            response = check_hidden(conn.read_head())
            assert (response.status, response.header("Upgrade")) == (101, "test")
            for sent in (f"HTTP/1.1 103 Early Hints\r\n{FIELD}: x\r\n\r\n", f"{FIELD}: x\r\n"):
                conn.send(sent)
                assert conn.read_exactly(len(sent)) == sent.encode()


@pytest.mark.parametrize("carrier", ["MercureHttp2 On", "MercureHttp2 Off\nH2EarlyHints On\nH2Push Off"])
def test_interim_responses_over_http2_do_not_show_the_field(httpd, carrier):
    if httpd.mpm == "prefork" or (carrier == "MercureHttp2 On" and httpd.mpm != "event"):
        pytest.skip("HTTP/2 is not spoken so under this MPM")
    httpd.load("http2")
    with Backend((FIELD, update("final"))) as backend:
        backend.interim = INTERIM[:3]
        httpd.start(f"Protocols h2c http/1.1\n{carrier}\n" +
                    config(httpd, proxy(httpd, backend, "MercurePublishHeader On")))
        with Inbox(httpd) as inbox, Http2(httpd.port) as client:
            for _ in range(3):
                stream = client.request("/app/")
                assert bytes(stream.body) == b"hi"
                assert [[pair for pair in fields.items() if pair[0] != ":status"] for fields in stream.interim] == [
                    [(name.lower(), value) for name, value in fields] for fields in KEPT[:3]]
            assert inbox.take() == ["final"] * 3


# ---- internal redirects, error pages, subrequests ------------------------------------------------


@event_only
def test_internal_redirects_publish_once_each(httpd):
    httpd.load("rewrite", "include", "dir", "negotiation")
    cgi(httpd, "local.cgi", f"{FIELD}: {update('local')}", "Location: /target.cgi")
    cgi(httpd, "target.cgi", "Content-Type: text/plain", f"{FIELD}: {update('target')}")
    cgi(httpd, "moved.cgi", f"{FIELD}: {update('moved')}", "Status: 302", "Location: https://example.com/")
    cgi(httpd, "missing.cgi", f"{FIELD}: {update('missing')}", "Status: 404", "Content-Type: text/plain", body="own page")
    cgi(httpd, "dir/index.cgi", "Content-Type: text/plain", f"{FIELD}: {update('index')}")
    httpd.write("htdocs/page.shtml", '<!--#include virtual="/target.cgi" --> and <!--#include virtual="/target.cgi" -->')
    httpd.start(config(httpd, "AddOutputFilter INCLUDES .shtml", "DirectoryIndex index.cgi", on(),
                       f'<Directory "{httpd.docroot}">\nRewriteEngine On\nRewriteRule ^front/ /target.cgi [L]\n</Directory>'))
    with Inbox(httpd) as inbox:
        for path, status, text, wanted in (
                ("/local.cgi", 200, "ok", ["local", "target"]),
                ("/moved.cgi", 302, "", ["moved"]),
                ("/missing.cgi", 404, "own page", ["missing"]),
                ("/dir/", 200, "ok", ["index"]),
                ("/front/x", 200, "ok", ["target"]),
                ("/page.shtml", 200, "ok\n and ok", ["target", "target"])):
            response = check_hidden(httpd.get(path))
            assert response.status == status and text in response.text, (path, response)
            assert inbox.take() == wanted, path


@event_only
def test_error_documents_publish_once(httpd):
    """The error page comes from a script, from mod_headers, or from httpd itself."""
    cgi(httpd, "page.cgi", "Content-Type: text/plain", f"{FIELD}: {update('page')}", body="my page")
    httpd.write("htdocs/page.html", "my page")
    httpd.start(config(
        httpd, on("/a/", "", "ErrorDocument 404 /page.cgi"), on("/page.cgi"),
        on("/b/", "", "ErrorDocument 404 /page.html", f'Header always set {FIELD} "{escaped("always")}"'),
        on("/c/", "", f'Header always set {FIELD} "{escaped("always")}"'),
        on("/d/", "", "Require all denied", f'Header always set {FIELD} "{escaped("denied")}"')))
    with Inbox(httpd) as inbox:
        for path, status, text, wanted in (
                ("/a/x", 404, "my page", ["page"]),
                ("/b/x", 404, "my page", []),  # mod_headers looks at the section of the page
                ("/c/x", 404, "Not Found", ["always"]),
                ("/d/x", 403, "Forbidden", ["denied"])):
            response = check_hidden(httpd.get(path))
            assert response.status == status and text in response.text, (path, response)
            assert inbox.take() == wanted, path
    httpd.expect_log("AH01630", required=False)


@event_only
def test_fields_of_a_request_follow_its_own_section(httpd):
    """A script whose section is Off inside On publishes nothing, whatever the sections of other requests say."""
    httpd.write("htdocs/sorry.html", "sorry")
    for name, target in (("off/to-on.cgi", "/on/target.cgi"), ("on/to-off.cgi", "/off/target.cgi")):
        cgi(httpd, name, f"{FIELD}: {update(name)}", f"Location: {target}")
    for name in ("on/target.cgi", "off/target.cgi"):
        cgi(httpd, name, "Content-Type: text/plain", f"{FIELD}: {update(name)}")
    cgi(httpd, "off/plain.cgi", "Content-Type: text/plain", f"{FIELD}: {update('never')}")
    httpd.start(config(httpd, on(), '<Location "/off/">\nMercurePublishHeader Off\n</Location>',
                       '<Location "/off/deeper/">\nMercurePublishHeader Off\n</Location>'))
    with Inbox(httpd) as inbox:
        for path, wanted in (("/off/plain.cgi", []), ("/off/to-on.cgi", ["on/target.cgi"]),
                             ("/on/to-off.cgi", ["on/to-off.cgi"])):
            assert check_hidden(httpd.get(path)).text == "ok\n"
            assert inbox.take() == wanted, path


@event_only
def test_fields_outside_of_a_section_are_left_alone(httpd):
    cgi(httpd, "one.cgi", "Content-Type: text/plain", f"{FIELD}: {update('1')}")
    httpd.start(config(httpd, "MercurePublishHeader Off", on("/inside/")))
    with Inbox(httpd) as inbox:
        assert httpd.get("/one.cgi").header(FIELD) == update("1")
        # Nor is a field of the request published.
        check_hidden(httpd.get("/inside/", {FIELD: update("client")}))
        assert inbox.take() == []


@event_only
def test_cached_response_publishes_when_it_is_made(httpd):
    httpd.load("cache", "cache_disk")
    os.mkdir(httpd.path("cache"))
    os.chmod(httpd.path("cache"), 0o777)
    cgi(httpd, "one.cgi", "Content-Type: text/plain", "Cache-Control: max-age=600", f"{FIELD}: {update('1')}")
    httpd.start(config(httpd, "CacheEnable disk /one.cgi", f'CacheRoot "{httpd.path("cache")}"', "CacheHeader On", on()))
    with Inbox(httpd) as inbox:
        assert "MISS" in check_hidden(httpd.get("/one.cgi")).header("X-Cache")
        assert inbox.take() == ["1"]
        assert "HIT" in check_hidden(httpd.get("/one.cgi")).header("X-Cache")
        assert inbox.take() == []


# ---- bad fields ----------------------------------------------------------------------------------


@event_only
def test_bad_fields_do_not_change_the_response_and_are_logged(httpd):
    bad = {"data=x": "topic is missing", "topic=*": "reserved for the wildcard", "topic=a&id=%23x": "must not start with #",
           f"topic={PATH}/x": "own namespace", "topic=": "empty", "": "topic is missing", "topic=a%FF": "UTF-8"}
    for number, value in enumerate(bad):
        cgi(httpd, f"{number}.cgi", "Content-Type: text/plain", f"{FIELD}: {value}", f"{FIELD}: {update(str(number))}")
    cgi(httpd, "large.cgi", "Content-Type: text/plain", f"{FIELD}: {update('x' * 7000)}")
    httpd.start(config(httpd, on()).replace("MercureHub On", "MercureHub On\nMercureLimit field=5000 body=6000"))
    httpd.expect_log(r"mercure:warn.*MRC0801.*(topic|\bid\b|longer)")
    httpd.expect_log(r"mercure:error.*MRC0802.*(namespace|empty)")
    with Inbox(httpd) as inbox:
        for number, words in enumerate(bad.values()):
            assert check_hidden(httpd.get(f"/{number}.cgi")).text == "ok\n"
            httpd.wait_log(re.escape(words))
            wanted = [] if words in ("own namespace", "empty") else [str(number)]
            assert inbox.take() == wanted, words
        assert check_hidden(httpd.get("/large.cgi")).text == "ok\n"
        httpd.wait_log("MRC0801.*MercureLimit body=")
        assert inbox.take() == []


@event_only
def test_updates_of_a_response_have_the_limits_of_a_batch(httpd):
    """Either all updates of a response are stored, or none."""
    for count in (1000, 1001):
        cgi(httpd, f"{count}.cgi", "Content-Type: text/plain", *[f"{FIELD}: topic=t&data={number}" for number in range(count)])
    for count in (4, 5):
        cgi(httpd, f"{count}.cgi", "Content-Type: text/plain", *[f"{FIELD}: topic=t&data={'x' * 4987}"] * count)
    metrics = '<Location "/metrics">\nSetHandler mercure-metrics\n</Location>'
    httpd.start(config(httpd, on(), metrics).replace("MercureHub On", "MercureHub On\nMercureLimit body=20000"))
    httpd.expect_log("MRC0802: 1001 update.*at most 1000")
    httpd.expect_log("MRC0802: 5 update.*MercureLimit body=")
    with Inbox(httpd) as inbox:
        for count in (1001, 5):
            assert check_hidden(httpd.get(f"/{count}.cgi")).text == "ok\n"
            assert inbox.take() == [], count
        assert len(re.findall("MRC080", httpd.log())) == 2
        check_hidden(httpd.get("/1000.cgi"))
        assert inbox.take() == [str(number) for number in range(1000)]
        check_hidden(httpd.get("/4.cgi"))
        assert inbox.take() == ["x" * 4987] * 4
    assert re.search(r'mercure_publish_rejected_total\{.*reason="too_large"\} 2\n', httpd.get("/metrics").text)


@event_only
def test_longest_field_of_a_script_is_published(httpd):
    """httpd reads lines of 8,189 bytes from a script; a longer one is an error of the script."""
    room = 8189 - len(f"{FIELD}: topic={urllib.parse.quote(TOPIC, '')}&data=")
    for name, count in (("one", room), ("long", room + 1)):
        cgi(httpd, f"{name}.cgi", "Content-Type: text/plain",
            f"{FIELD}: topic={urllib.parse.quote(TOPIC, '')}&data=" + "x" * count)
    httpd.start(config(httpd, on()))
    httpd.expect_log("Premature end of script headers: long.cgi")
    with Inbox(httpd) as inbox:
        assert httpd.get("/long.cgi").status == 500
        assert check_hidden(httpd.get("/one.cgi")).text == "ok\n"
        assert inbox.take() == ["x" * room]


@event_only
def test_rate_and_refusals_are_counted(httpd):
    cgi(httpd, "one.cgi", "Content-Type: text/plain", f"{FIELD}: {update('1')}")
    cgi(httpd, "bad.cgi", "Content-Type: text/plain", f"{FIELD}: data=x")
    httpd.start(config(httpd, on(), '<Location "/metrics">\nSetHandler mercure-metrics\n</Location>').replace(
        "MercureHub On", "MercureHub On\nMercurePublishRate 1 burst=1 per-token=1"))
    httpd.expect_log("MRC0801")
    httpd.expect_log("MRC0802.*updates come faster than")
    for _ in range(3):
        check_hidden(httpd.get("/one.cgi"))
    check_hidden(httpd.get("/bad.cgi"))
    text = httpd.get("/metrics").text
    assert re.search(r'mercure_publish_rejected_total\{.*reason="malformed"\} 1\n', text)
    assert re.search(r'mercure_publish_rejected_total\{.*reason="limit"\} [12]\n', text)


# ---- which hub -----------------------------------------------------------------------------------


@event_only
def test_path_chooses_the_hub(httpd):
    cgi(httpd, "one.cgi", "Content-Type: text/plain", f"{FIELD}: {update('1')}")
    httpd.start(config(httpd, hub(path="/other"), on("/one.cgi", "/other")))
    with httpd.subscribe([("match", TOPIC)]) as stream, httpd.subscribe([("match", TOPIC)], path="/other") as other:
        check_hidden(httpd.get("/one.cgi"))
        assert other.next().data == "1"
        httpd.publish(TOPIC, "end")
        assert stream.next().data == "end"


@event_only
@pytest.mark.parametrize("directive", ["MercurePublishHeader", "MercureDiscovery"])
def test_configuration_needs_a_hub(httpd, directive):
    def refused(text, *words):
        result = httpd.configtest(text)
        assert not result.ok and all(word in result.output for word in ("MRC0120", directive, *words)), result

    here = f'<Location "/a">\n{directive} On\n</Location>\n'
    refused(here, "has no hub")
    refused(hub() + hub(path="/other") + here, "several hubs")
    refused(hub() + httpd.vhost(f'<Location "{PATH}">\nMercureHub Off\n</Location>', here,
                                name="b.example"), "has no hub")
    assert httpd.configtest(hub() + here).ok
    # The section of the main server may be meant for a virtual host.
    assert httpd.configtest(here + httpd.vhost(hub(), name="b.example")).ok
    assert httpd.configtest(hub() + hub(path="/other") + here.replace("On", "On /other")).ok
    if directive == "MercurePublishHeader":
        refused(hub() + here.replace("On", "On /nowhere"), "/nowhere", "at this path")


@event_only
def test_request_that_shows_no_hub_is_logged(httpd):
    """The section is inherited by a site without a hub."""
    cgi(httpd, "one.cgi", "Content-Type: text/plain", f"{FIELD}: {update('1')}")
    httpd.start(config(httpd, on(), "MercureDiscovery On",
                       httpd.vhost(f'DocumentRoot "{httpd.docroot}"', name="main.example"),
                       httpd.vhost(f'DocumentRoot "{httpd.docroot}"', f'<Location "{PATH}">\nMercureHub Off\n</Location>',
                                   name="b.example")))
    httpd.expect_log("MRC0803.*has no hub")
    httpd.expect_log("MRC0804.*has no hub")
    response = check_hidden(httpd.get("/one.cgi", host="b.example"))
    assert response.text == "ok\n" and response.header("Link") is None


@event_only
def test_htaccess_counts_only_where_the_hub_allows_it(httpd):
    cgi(httpd, "dir/one.cgi", "Content-Type: text/plain", f"{FIELD}: {update('1')}")
    httpd.write("htdocs/dir/.htaccess", "MercurePublishHeader On\nMercureDiscovery On https://other.example/hub\n")
    plain = config(httpd)
    httpd.start(plain)
    with Inbox(httpd) as inbox:
        response = check_hidden(httpd.get("/dir/one.cgi"))
        assert response.status == 200 and response.header("Link") == '<https://other.example/hub>; rel="mercure"'
        httpd.wait_log("mercure:notice.*MRC0806.*.htaccess:1")
        assert inbox.take() == []
    for allowed, wanted in (("MercureHub On\nMercureHtaccess On", ["1"]), ("MercureHub On name=x\nMercureHtaccess On", []),
                            ("MercureHub On", ["1"])):
        # In the last case, the setting of the server counts in place of that of the file.
        httpd.graceful(plain.replace("MercureHub On", allowed) + ("MercurePublishHeader On\n" if allowed.endswith("Hub On") else ""))
        with Inbox(httpd) as inbox:
            check_hidden(httpd.get("/dir/one.cgi"))
            assert inbox.take() == wanted, allowed
    httpd.write("htdocs/dir/.htaccess", "MercurePublishHeader Off\n")
    with Inbox(httpd) as inbox:
        check_hidden(httpd.get("/dir/one.cgi"))
        assert inbox.take() == []


@event_only
def test_htaccess_file_outside_of_the_document_root_does_not_count(httpd):
    """A virtual host that also serves the directories of other users, who must not publish to its hub."""
    httpd.load("userdir")
    for folder in ("home/joe/public", "htdocs/dir"):
        httpd.write(f"{folder}/a.html", "hello")
        httpd.write(f"{folder}/.htaccess", f'MercurePublishHeader On\nHeader set {FIELD} "{escaped("joe")}"\n')
    httpd.write("htdocs-joe/a.html", "hello")  # a name that only begins like that of the document root
    httpd.write("htdocs-joe/.htaccess", f'MercurePublishHeader On\nHeader set {FIELD} "{escaped("joe")}"\n')
    os.symlink(httpd.path("home/joe/public"), httpd.path("htdocs/link"))
    folders = "".join(f'<Directory "{httpd.path(name)}">\nRequire all granted\nAllowOverride FileInfo\n</Directory>\n'
                      for name in ("home", "htdocs-joe"))
    httpd.start(config(httpd, folders, f'UserDir "{httpd.path("home")}/*/public"', f'Alias "/alias" "{httpd.path("htdocs-joe")}"')
                .replace("MercureHub On", "MercureHub On\nMercureHtaccess On"))
    with Inbox(httpd) as inbox:
        for path, wanted in (("/dir/a.html", ["joe"]), ("/~joe/a.html", []), ("/alias/a.html", []),
                             ("/link/a.html", ["joe"])):  # a link that the owner of the document root has made
            assert check_hidden(httpd.get(path)).text == "hello", path
            assert inbox.take() == wanted, path
    for name in ("home/joe/public", "htdocs-joe"):
        httpd.wait_log(f"mercure:notice.*MRC0806.*/{name}/.htaccess:1.*not in or below the document root")


def test_php_publishes_where_an_htaccess_file_says_so(httpd):
    httpd.write("htdocs/dir/a.php", f"<?php header('{FIELD}: {update('php')}'); echo 'hello';")
    httpd.write("htdocs/dir/.htaccess", '<Files "a.php">\nMercurePublishHeader On\n</Files>\n')
    with php(httpd) as section:
        httpd.start(config(httpd, section).replace("MercureHub On", "MercureHub On\nMercureHtaccess On"))
        with Inbox(httpd) as inbox:
            assert check_hidden(httpd.get("/dir/a.php")).text == "hello"
            assert inbox.take() == ["php"]


# ---- other modules -------------------------------------------------------------------------------


def build_module(source):
    """Builds the httpd module in the file SOURCE, in its folder. Returns the path of the module."""
    apxs = shutil.which("apxs") or shutil.which("apxs2")
    if not apxs:
        pytest.skip("no apxs")
    folder, name = os.path.split(source)
    done = subprocess.run([apxs, "-c", "-Wc,-Wall -Wextra -Werror -Wno-unused-parameter", "-I", os.path.join(SOURCES, "include"),
                           source], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return os.path.join(folder, ".libs", name.replace(".c", ".so"))


@pytest.fixture(scope="module")
def announce(tmp_path_factory):
    """The example module, built as its first comment says, but not installed."""
    return build_module(shutil.copy(os.path.join(SOURCES, "examples/module/mod_announce.c"), tmp_path_factory.mktemp("module")))


def test_another_module_publishes(httpd, announce):
    module = shutil.copy(announce, httpd.path("mod_announce.so"))
    section = f'LoadModule announce_module "{module}"\n<Location "/announce">\nSetHandler announce\n</Location>'
    httpd.start(config(httpd, section))
    with Inbox(httpd) as inbox:
        response = httpd.get("/announce?hello")
        name, url = response.text.split()
        assert response.status == 200 and name.startswith("urn:uuid:") and url == f"https://hub.example{PATH}"
        assert inbox.take() == ["hello"]
    # A module that knows nothing of the site.
    httpd.graceful(config(httpd, section).replace("MercureHub On", "MercureHub Off"))
    assert httpd.get("/announce?hello").status == 503
    httpd.wait_log("mercure:info.*MRC0805.*the site has no hub")


@event_only
def test_example_module_works_without_the_hub(httpd, announce):
    module = shutil.copy(announce, httpd.path("mod_announce.so"))
    httpd.module, httpd.log_level = None, "info"
    httpd.start(f'LoadModule announce_module "{module}"\n<Location "/announce">\nSetHandler announce\n</Location>\n')
    assert httpd.get("/announce?hello").status == 404


@event_only
def test_lua_script_of_the_page_publishes(httpd):
    httpd.load("lua")
    page, = [match[4] for match in BLOCK.finditer(read("publishing")) if match[2] == "lua"]
    httpd.write("htdocs/publish.lua", page)
    httpd.start(config(httpd, '<FilesMatch "[.]lua$">\nSetHandler lua-script\n</FilesMatch>'))
    with Inbox(httpd) as inbox:
        assert httpd.get("/publish.lua").text.startswith("urn:uuid:")
        assert inbox.take() == ["hello from Lua"]


def lua_site(httpd, script, *sections):
    """A site with SCRIPT as /publish.lua, whose response is its id, or "nil: " and why."""
    httpd.load("lua")
    httpd.write("htdocs/publish.lua", "function handle(r)\n  r.content_type = 'text/plain'\n"
                f"  local id, why = {script}\n  r:puts(id or 'nil: ' .. why)\n  return apache2.OK\nend\n")
    return config(httpd, '<FilesMatch "[.]lua$">\nSetHandler lua-script\n</FilesMatch>', *sections)


def test_lua_script_publishes(httpd):
    httpd.start(lua_site(httpd, "r:mercure_publish{topic = {'https://example.com/books/1', 'https://example.com/b'}, "
                         "data = r.method .. '\\0' .. r.uri, type = 'sold', id = 'urn:x:' .. r.args, retry = 1500, private = true}"))
    with httpd.subscribe([("match", "https://example.com/b")], token=token.subscriber(["https://example.com/b"])) as stream:
        stream.wait_comment()
        assert httpd.get("/publish.lua?1").text == "urn:x:1"
        event = stream.next()
        assert (event.id, event.event, event.data, stream.parser.retry) == ("urn:x:1", "sold", "GET\0/publish.lua", 1500)
    with httpd.subscribe([("match", TOPIC)], token=token.subscriber(["https://example.com/b/none"])) as public, \
            Inbox(httpd) as inbox:
        public.wait_comment()
        assert httpd.get("/publish.lua?2").text == "urn:x:2"
        assert httpd.publish(TOPIC, "last").status == 200
        assert public.next().data == "last"  # the other update is private
        assert inbox.take() == ["GET\0/publish.lua", "last"]


@pytest.mark.parametrize("argument, why", [
    ("", "the argument must be a table"),
    ("{data = 'x'}", "topic"),
    ("{topic = {}}", "topic"),
    ("{topic = false}", '"topic" must be a string'),
    ("{topic = {'https://example.com/a', {}}}", '"topic" must be a string'),
    ("{topic = 'https://example.com/a\\0b'}", '"topic" holds a NUL byte'),
    ("{topic = 'x', data = {}}", '"data" must be a string'),
    ("{topic = 'x', private = 'yes'}", '"private" must be a boolean'),
    ("{topic = 'x', retry = 'soon'}", '"retry" must be a number of milliseconds'),
    ("{topic = 'x', retry = -1}", '"retry" must be a number of milliseconds'),
    ("{topic = 'x', retry = 1.5}", '"retry" must be a whole number'),
    ("{topic = 'x', Data = 'x'}", 'the table has the key "Data"'),
    ("{'x'}", 'the table has the key ""'),
    ("{topic = 'x', hub = '/other'}", "the site has no hub at"),
    ("{topic = 'x', data = string.rep('x', 1048577)}", "1,?048,?576"),
    (f"{{topic = 'https://hub.example{PATH}/subscriptions/x'}}", "reserved"),
])
@event_only
def test_lua_script_learns_why_an_update_is_refused(httpd, argument, why):
    httpd.start(lua_site(httpd, f"r:mercure_publish({argument})"))
    with Inbox(httpd) as inbox:
        assert re.match(f"nil: .*{why}", httpd.get("/publish.lua").text)
        assert inbox.take() == []
    httpd.wait_log(f"mercure:info.*MRC0807: .*{why}")


@event_only
def test_lua_function_needs_a_request(httpd):
    httpd.start(lua_site(httpd, "r.mercure_publish({}, {topic = 'x'})"))
    assert httpd.get("/publish.lua").status == 500
    httpd.expect_log("lua:warn.*Apache2.Request expected")
    httpd.wait_log("Apache2.Request expected")


# ---- discovery -----------------------------------------------------------------------------------


LINK = f'<{PATH}>; rel="mercure"'


@event_only
def test_responses_name_the_hub(httpd):
    httpd.write("htdocs/a.html", "hello")
    cgi(httpd, "linked.cgi", "Content-Type: text/plain", "Link: </style.css>; rel=preload")
    cgi(httpd, "own.cgi", "Content-Type: text/plain", 'Link: <https://hub.example/>; title="a, b"; rel="preload Mercure"')
    cgi(httpd, "similar.cgi", "Content-Type: text/plain", 'Link: <x;rel=mercure>; rel="mercure2"; title=rel=mercure')
    httpd.start(config(httpd, "MercureDiscovery On"))
    first = httpd.get("/a.html")
    assert first.header_all("Link") == [LINK] and first.header("Vary") is None
    fresh = httpd.get("/a.html", {"If-None-Match": first.header("ETag")})
    assert fresh.status == 304 and fresh.header_all("Link") == [LINK]
    assert httpd.request("HEAD", "/a.html").header("Link") == LINK
    assert httpd.get("/missing").header("Link") == LINK
    assert httpd.get("/linked.cgi").header("Link") in (f"</style.css>; rel=preload, {LINK}", f"{LINK}, </style.css>; rel=preload")
    assert httpd.get("/own.cgi").header("Link") == '<https://hub.example/>; title="a, b"; rel="preload Mercure"'
    assert LINK in httpd.get("/similar.cgi").header("Link")
    with httpd.subscribe([("match", TOPIC)]) as stream:
        assert stream.response.header("Link") is None
        stream.wait_comment()


@event_only
def test_discovery_names_paths_and_urls(httpd):
    httpd.write("htdocs/a.html", "hello")
    httpd.write("htdocs/off/a.html", "hello")
    httpd.start(config(httpd, "MercureDiscovery On /hub https://hub.example/x?y",
                       '<Location "/off/">\nMercureDiscovery Off\n</Location>',
                       '<Location "/own/">\nMercureDiscovery On\nMercureDiscovery On /hub\n</Location>'))
    assert httpd.get("/a.html").header("Link") == '</hub>; rel="mercure", <https://hub.example/x?y>; rel="mercure"'
    assert httpd.get("/off/a.html").header("Link") is None
    assert httpd.get("/own/a.html").header("Link") == f'{LINK}, </hub>; rel="mercure"'


@event_only
@pytest.mark.parametrize("place", ["configuration", "htaccess"])
def test_section_names_a_limited_number_of_hubs(httpd, place):
    """Its targets count, not its directives. More are an error of configtest, or of the responses below the file."""
    httpd.write("htdocs/a.html", "hello")
    targets = [f"/{number}" for number in range(64)]
    lines = [f"MercureDiscovery On {' '.join(some)}" for some in (targets[:30], targets[20:50], targets[50:])]
    more = [*lines, "MercureDiscovery On https://hub.example/"]
    wanted = ", ".join(f'<{target}>; rel="mercure"' for target in targets)
    if place == "configuration":
        result = httpd.configtest(config(httpd, *more))
        assert not result.ok and "MercureDiscovery: at most 64 paths and URLs" in result.output, result
        httpd.start(config(httpd, *lines))
    else:
        httpd.start(config(httpd))
        httpd.expect_log("MercureDiscovery: at most 64 paths and URLs")
        httpd.write("htdocs/.htaccess", "\n".join(more) + "\n")
        assert httpd.get("/a.html").status == 500
        httpd.write("htdocs/.htaccess", "\n".join(lines) + "\n")
    response = httpd.get("/a.html")
    assert response.text == "hello" and response.header_all("Link") == [wanted]


@pytest.mark.mpm("worker")
def test_streams_need_no_thread_although_the_site_has_these_directives(httpd):
    httpd.start(config(httpd, "MercurePublishHeader On", "MercureDiscovery On",
                       '<Location "/metrics">\nSetHandler mercure-metrics\n</Location>'))
    with httpd.subscribe([("match", TOPIC)]) as stream:
        stream.wait_comment()
        assert re.search(r'mercure_subscribers_connected\{.*\} 1\n', httpd.get("/metrics").text)
        assert re.search(r'mercure_streams_holding_threads(\{.*\})? 0\n', httpd.get("/metrics").text)
