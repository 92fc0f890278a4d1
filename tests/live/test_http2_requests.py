"""HTTP/2 of the module itself (MercureHttp2): ordinary requests of a site."""
import hashlib
import re
import socket
import subprocess

import pytest

from env.h2 import Http2, Stream
from env.hub import hub
from env.wait import DEADLINE, wait_until
from env.watch import STATUS, descriptors

pytestmark = pytest.mark.mpm("event")

INTERNAL_ERROR = 2

LOG = 'LogFormat "%H %m %U %>s %B" http2\nCustomLog logs/http2.log http2\n'


def start(httpd, *body, tls=False, server="", modules=()):
    """Starts a virtual host with a hub whose HTTP/2 is the module's; returns its port."""
    httpd.load("status", "env", "setenvif", *modules)
    port = httpd.add_port()
    httpd.write("htdocs/page.html", "page")
    httpd.write("htdocs/big.bin", bytes(i * 7 % 251 for i in range(1 << 20)) * 3)
    httpd.start(f"Protocols h2 h2c http/1.1\n{LOG}{STATUS}{server}" +
                httpd.vhost("MercureHttp2 On", f"DocumentRoot {httpd.docroot}", hub(), STATUS, *body, port=port,
                            tls=tls))
    return port


def curl(httpd, port, target, *options, tls=False, data=None):
    """What curl gets over HTTP/2: (status and version, body)."""
    scheme, prior = ("https", "--http2") if tls else ("http", "--http2-prior-knowledge")
    done = subprocess.run(["curl", "-sSk", prior, "--max-time", "30", "-w", "\n%{http_code} %{http_version}",
                           *options, f"{scheme}://localhost:{port}{target}"], capture_output=True, check=True, input=data)
    body, _, tail = done.stdout.rpartition(b"\n")
    return tail.decode(), body


@pytest.mark.parametrize("tls", [False, True], ids=["h2c", "h2"])
def test_files(httpd, tls):
    port = start(httpd, tls=tls)
    assert curl(httpd, port, "/page.html", tls=tls) == ("200 2", b"page")
    status, body = curl(httpd, port, "/big.bin", tls=tls)
    with open(httpd.path("htdocs/big.bin"), "rb") as file:
        assert status == "200 2" and hashlib.sha256(body).digest() == hashlib.sha256(file.read()).digest()
    status, body = curl(httpd, port, "/none", tls=tls)
    assert status == "404 2" and b"Not Found" in body
    status, head = curl(httpd, port, "/page.html", "-I", tls=tls)
    assert status == "200 2" and b"content-length: 4" in head.lower() and b"date:" in head.lower()
    etag = re.search(rb'etag: (.*)\r', head, re.IGNORECASE)[1].decode()
    assert curl(httpd, port, "/page.html", "-H", f"If-None-Match: {etag}", tls=tls) == ("304 2", b"")
    assert curl(httpd, port, "/page.html", "-r", "1-2", tls=tls) == ("206 2", b"ag")
    # HTTP/1.1 on the same port.
    assert httpd.get("/page.html", port=port, tls=tls).text == "page"
    wait_until(lambda: open(httpd.path("logs/http2.log"), encoding="utf-8").read().count("HTTP/2.0") == 6,
               what="the access log")
    assert "HTTP/2.0 GET /none 404" in open(httpd.path("logs/http2.log"), encoding="utf-8").read()


def test_many_requests_on_one_connection(httpd):
    port = start(httpd, tls=True)
    with Http2(port, tls=True) as conn:
        streams = conn.open_all(100, "/page.html")
        conn.wait(lambda: all(stream.ended for stream in streams), "the answers")
        assert all(stream.status == 200 and stream.body == b"page" for stream in streams)
        streams = conn.open_all(4, "/big.bin")
        conn.wait(lambda: all(stream.ended for stream in streams), "the downloads")
        assert all(len(stream.body) == 3 << 20 and not stream.reset for stream in streams)


CGI = """#!/usr/bin/python3
import os, sys
body = sys.stdin.buffer.read()
out = sys.stdout.buffer
query = os.environ["QUERY_STRING"]
if query == "status":
    out.write(b"Status: 418 teapot\\n")
elif query == "interim":
    out.write(b"Status: 103 Early Hints\\n")
elif query == "redirect":
    out.write(b"Location: /page.html\\n\\n")
    sys.exit()
elif query == "big":
    out.write(b"Content-Type: text/plain\\n\\n" + b"x" * 3000000)
    sys.exit()
elif query == "bad":
    out.write(b"X-Bad: a\\x01b\\n")
elif query == "die":
    out.write(b"Content-Type: text/plain\\nContent-Length: 100\\n\\nabc")
    sys.exit()
elif query.startswith("fields="):
    for i in range(int(query[7:])):
        out.write(b"X-Field-%d: %s\\n" % (i, b"f" * 1000))
out.write(b"Content-Type: text/plain\\n\\n")
for name in ("HTTP2", "SERVER_PROTOCOL", "REQUEST_METHOD", "HTTPS", "CONTENT_LENGTH", "HTTP_COOKIE", "HTTP_HOST"):
    out.write(f"{name}={os.environ.get(name, '-')}\\n".encode())
out.write(b"body=%d %d\\n" % (len(body), sum(body) % 65521))
"""


def cgi(httpd, **more):
    httpd.write("cgi/env", CGI, mode=0o755)
    return start(httpd, f"ScriptAlias /cgi/ {httpd.path('cgi')}/",
                 f"<Directory {httpd.path('cgi')}>\nRequire all granted\nOptions ExecCGI\n</Directory>",
                 modules=("cgi",), **more)


def fields(body):
    return dict(line.split("=", 1) for line in body.decode().splitlines())


@pytest.mark.parametrize("tls", [False, True], ids=["h2c", "h2"])
def test_cgi(httpd, tls):
    port = cgi(httpd, tls=tls)
    status, body = curl(httpd, port, "/cgi/env", "-H", "Cookie: a=1", "-H", "Cookie: b=2", tls=tls)
    env = fields(body)
    assert status == "200 2"
    assert env == {"HTTP2": "on", "SERVER_PROTOCOL": "HTTP/2.0", "REQUEST_METHOD": "GET", "HTTPS": "on" if tls else "-",
                   "CONTENT_LENGTH": "-", "HTTP_COOKIE": "a=1; b=2", "HTTP_HOST": f"localhost:{port}", "body": "0 0"}
    assert curl(httpd, port, "/cgi/env?status", tls=tls)[0] == "418 2"
    assert curl(httpd, port, "/cgi/env?redirect", tls=tls) == ("200 2", b"page")
    status, body = curl(httpd, port, "/cgi/env?big", tls=tls)
    assert status == "200 2" and body == b"x" * 3000000


@pytest.mark.parametrize("tls", [False, True], ids=["h2c", "h2"])
def test_bodies(httpd, tls):
    port = cgi(httpd, tls=tls)
    data = bytes(i * 31 % 253 for i in range(1 << 20)) * 5 + b"x"
    path = httpd.write("body", data)
    expected = f"{len(data)} {sum(data) % 65521}"
    status, body = curl(httpd, port, "/cgi/env", "--data-binary", f"@{path}", tls=tls)
    assert status == "200 2" and fields(body)["body"] == expected
    assert fields(body)["CONTENT_LENGTH"] == str(len(data))
    # Without a length.
    status, body = curl(httpd, port, "/cgi/env", "-T", "-", "-X", "POST", tls=tls, data=data)
    assert status == "200 2" and fields(body)["body"] == expected
    status, body = curl(httpd, port, "/cgi/env", "--data-binary", f"@{path}", "-H", "Expect: 100-continue", tls=tls)
    assert status == "200 2" and fields(body)["body"] == expected
    status, body = curl(httpd, port, "/cgi/env", "-X", "POST", "--data-binary", "", tls=tls)
    assert status == "200 2" and fields(body)["body"] == "0 0"
    # When nothing reads the body, the client is told to stop.
    assert curl(httpd, port, "/page.html", "--data-binary", f"@{path}", tls=tls) == ("200 2", b"page")
    assert curl(httpd, port, "/none", "--data-binary", f"@{path}", tls=tls)[0] == "404 2"


def test_length_after_the_body(httpd):
    """Content-Length counts only if it comes before the body, all of which httpd gets."""
    port = cgi(httpd)
    with Http2(port) as conn:
        answer = conn.post("/cgi/env", b"hello", [("content-type", "a/b")], [("content-length", "5")])
        assert answer.status == 200 and fields(answer.body)["body"] == "5 532"


def test_long_fields_of_a_response(httpd):
    """Browsers accept 256 KB. A response with more ends at once."""
    httpd.expect_log("MRC1352")
    port = cgi(httpd)
    with Http2(port) as conn:
        conn.conn.decoder.max_header_list_size = 1 << 20
        answer = conn.request("/cgi/env?fields=240")
        assert answer.status == 200 and answer.headers["x-field-239"] == "f" * 1000
        assert conn.request("/cgi/env?fields=270").error == INTERNAL_ERROR
        assert conn.request("/page.html").body == b"page"


def test_body_that_no_handler_reads(httpd):
    """The hub answers a publication without a token at once. The client is told not to send the rest."""
    port = start(httpd)
    with Http2(port) as conn:
        number = conn.conn.get_next_available_stream_id()
        stream = conn.streams[number] = Stream(number)
        conn.conn.send_headers(number, [(":method", "POST"), (":path", "/.well-known/mercure"),
                                        (":scheme", conn.scheme), (":authority", conn.authority),
                                        ("content-type", "application/x-www-form-urlencoded")])
        conn._send()
        conn.wait(lambda: stream.ended, "the response")
        assert stream.status == 401 and not stream.reset
        for _ in range(3):
            conn.conn.send_data(number, bytes(16384))
        conn._send()
        assert conn.request("/page.html").body == b"page" and not stream.reset
        conn.conn.send_data(number, bytes(16383))  # the whole window
        conn._send()
        conn.wait(lambda: stream.reset, "the reset")


def test_bad_responses(httpd):
    httpd.expect_log("MRC1351: .*X-Bad", required=True)
    httpd.expect_log(r"AH0|malformed|Premature", required=False)
    port = cgi(httpd, server="SetEnv ap_trust_cgilike_cl yes\n")  # else httpd ignores the Content-Length of scripts
    assert curl(httpd, port, "/cgi/env?bad")[0] == "500 2"
    with Http2(port) as conn:
        assert conn.request("/cgi/env?die").reset
        assert conn.request("/page.html").body == b"page"


def test_status_that_ends_no_request(httpd):
    httpd.expect_log("MRC1353")
    port = cgi(httpd)
    with Http2(port) as conn:
        assert conn.request("/cgi/env?interim").status == 500
        assert conn.request("/page.html").body == b"page"


NPH = """#!/usr/bin/python3
import os, sys
out = sys.stdout.buffer
version = os.environ["SERVER_PROTOCOL"].encode()
query = os.environ["QUERY_STRING"]
if query == "empty_lines":
    while True:
        out.write(b"\\r\\n\\r\\n")
elif query == "fields":
    out.write(version + b" 200 OK\\n")
    while True:
        out.write(b"X-Field: value\\n")
elif query == "small_fields":
    out.write(version + b" 200 OK\\n" + b"a:b\\n" * 60000 + b"\\nhello")
elif query == "small_interim":
    out.write(b"HTTP/1.1 103 Early Hints\\n" + b"a:b\\n" * 60000 + b"\\n" + version + b" 200 OK\\n\\nhello")
elif query == "line":
    out.write(version + b" 200 ")
    while True:
        out.write(b"x" * 1000)
elif query == "no_head":
    out.write(b"Content-Type: text/plain\\n\\nhello")
elif query == "chunked":
    out.write(version + b" 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n0\\r\\n\\r\\n")
elif query == "nothing":
    sys.exit()
else:
    out.write(b"HTTP/1.1 103 Early Hints\\r\\nLink: </style.css>\\r\\n\\r\\n")
    out.write(version + b" 201 Made\\nContent-Type: text/plain\\nX-Bad: a\\x01b\\nX-Bad: a\\rX-Own: b\\r\\nConnection: close\\n\\n")
    while query == "endless":
        out.write(b"x" * 1000)
    out.write(b"x" * 3000000)
"""


def nph(httpd):
    httpd.write("cgi/nph-page", NPH, mode=0o755)
    return cgi(httpd)


def test_script_that_writes_the_whole_response(httpd):
    port = nph(httpd)
    with Http2(port) as conn:
        page = conn.request("/cgi/nph-page")
        assert page.status == 201 and not page.reset and page.body == b"x" * 3000000
        assert page.headers == {":status": "201", "content-type": "text/plain"}
        assert page.interim == [{":status": "103", "link": "</style.css>"}]
        for query in ("", "?endless"):
            page = conn.request(f"/cgi/nph-page{query}", method="HEAD")
            assert page.status == 201 and not page.reset and page.body == b""
        assert conn.request("/cgi/nph-page?nothing").status == 500
        page = conn.request("/cgi/nph-page?small_interim")  # too long as HTTP/2 sends it
        assert page.status == 200 and page.body == b"hello" and not page.interim and not page.reset
        assert conn.request("/page.html").body == b"page"


@pytest.mark.parametrize("kind", ["empty_lines", "fields", "small_fields", "line", "no_head", "chunked"])
def test_script_whose_text_is_no_response(httpd, kind):
    """It would write for ever, but its request ends at once."""
    httpd.expect_log("MRC1354: the response to /cgi/nph-page is replaced")
    port = nph(httpd)
    with Http2(port) as conn:
        page = conn.request(f"/cgi/nph-page?{kind}")
        assert page.status == 500 and not page.reset
        assert conn.request("/page.html").body == b"page"


def test_limits_of_requests(httpd):
    port = start(httpd, "LimitRequestFieldSize 200\nLimitRequestFields 10\nLimitRequestLine 210\nLimitRequestBody 100")
    with Http2(port) as conn:
        assert conn.request("/page.html", [("x-a", "v" * 150)]).status == 200
        assert conn.request("/page.html", [("x-a", "v" * 250)]).status == 431
        assert conn.request("/page.html", [(f"x-{i}", "v") for i in range(10)]).status == 200
        assert conn.request("/page.html", [(f"x-{i}", "v") for i in range(11)]).status == 431
        # Fields with the same name count as one, because httpd joins them.
        assert conn.request("/page.html", [("cookie", f"c{i}=v") for i in range(25)]).status == 200
        assert conn.request("/page.html", [("x-a", "v" * 98), ("x-a", "v" * 95)]).status == 200
        assert conn.request("/page.html", [("x-a", "v" * 98), ("x-a", "v" * 96)]).status == 431
        assert conn.request("/page.html", method="M" * 211).reset
        assert conn.request("/" + "p" * 200).status == 404
        assert conn.request("/" + "p" * 210).status == 414
    assert curl(httpd, port, "/.well-known/mercure", "--data-binary", "x" * 101)[0] in ("413 2", "401 2")


def test_redirects_error_documents_and_subrequests(httpd):
    httpd.write("htdocs/gone.html", "it is gone")
    httpd.write("htdocs/long.html", "long " * 1000)
    httpd.write("htdocs/inc.shtml", 'a<!--#include virtual="/page.html" -->b')
    port = start(httpd, "ErrorDocument 404 /gone.html", "Redirect /old /page.html", "AddType text/html .shtml",
                 "AddOutputFilter INCLUDES .shtml", f"<Directory {httpd.docroot}>\nOptions +Includes\n"
                 "Header set X-Set yes\nHeader always set X-Always yes\nDirectoryIndex page.html\n</Directory>",
                 "AddOutputFilterByType DEFLATE text/html", modules=("include", "headers", "filter", "deflate"))
    with Http2(port) as conn:
        gone = conn.request("/none")
        assert gone.status == 404 and gone.body == b"it is gone"
        moved = conn.request("/old")
        assert moved.status == 302 and moved.headers["location"].endswith("/page.html")
        assert conn.request("/inc.shtml").body == b"apageb"
        page = conn.request("/")
        assert page.body == b"page" and page.headers["x-set"] == page.headers["x-always"] == "yes"
        packed = conn.request("/long.html", [("accept-encoding", "gzip")])
        assert packed.headers["content-encoding"] == "gzip" and "vary" in packed.headers


@pytest.mark.parametrize("tls", [False, True], ids=["h2c", "h2"])
def test_proxy(httpd, new_httpd, tls):
    """The site is a proxy; the origin speaks HTTP/1.1."""
    origin = new_httpd()
    origin.write("htdocs/page.html", "from the origin")
    origin.write("htdocs/big.bin", bytes(1 << 20))
    origin.load("headers")
    origin.start(hub() + "Header set X-Origin yes\n")
    port = start(httpd, f"ProxyPass /o/ http://127.0.0.1:{origin.port}/", tls=tls, modules=("proxy", "proxy_http"))
    with Http2(port, tls) as conn:
        page = conn.request("/o/page.html")
        assert page.status == 200 and page.body == b"from the origin" and page.headers["x-origin"] == "yes"
        assert len(conn.request("/o/big.bin").body) == 1 << 20
        assert conn.request("/o/none").status == 404


def test_two_virtual_hosts_on_one_connection(httpd):
    """A virtual host without a hub is served on the connection; a request for one with HTTP/2 by mod_http2 gets 421."""
    httpd.load("socache_shmcb", "ssl")
    port = httpd.add_port()
    httpd.write("a/page.html", "a")
    httpd.write("b/page.html", "b")
    httpd.write("c/page.html", "c")
    httpd.write("d/page.html", "d")

    def host(name, *body):
        return httpd.vhost(f"DocumentRoot {httpd.path(name)}",
                           f"<Directory {httpd.path(name)}>\nRequire all granted\n</Directory>", *body, port=port,
                           name=f"{name}.example", tls=True)

    httpd.start("Protocols h2 http/1.1\n" + host("a", "MercureHttp2 On", hub()) + host("b", "MercureHttp2 On") +
                host("c", "MercureHttp2 Off") + host("d"))
    for name, expected in (("a", ("200 2", b"a")), ("b", ("200 2", b"b")), ("d", ("200 2", b"d"))):
        got = subprocess.run(["curl", "-sSk", "--http2", "-w", "\n%{http_code} %{http_version}", "-H", f"Host: {name}.example",
                              "--resolve", f"a.example:{port}:127.0.0.1", f"https://a.example:{port}/page.html"],
                             capture_output=True, check=True).stdout
        assert got == expected[1] + b"\n" + expected[0].encode()
    got = subprocess.run(["curl", "-sSk", "--http2", "-o", "/dev/null", "-w", "%{http_code}", "-H", "Host: c.example",
                          "--resolve", f"a.example:{port}:127.0.0.1", f"https://a.example:{port}/page.html"],
                         capture_output=True, check=True).stdout
    assert got == b"421"


def test_preface_after_a_request(httpd):
    """A connection that has had a request of HTTP/1.1 stays with that version."""
    port = start(httpd)
    with socket.create_connection(("127.0.0.1", port), DEADLINE) as sock:
        sock.sendall(b"GET /page.html HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = b""
        while not answer.endswith(b"page"):
            answer += sock.recv(65536)
        sock.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
        assert sock.recv(9).startswith(b"HTTP/1.1")


def test_explicit_on_needs_the_protocol(httpd):
    done = httpd.configtest(httpd.vhost("MercureHttp2 On", hub()))
    assert not done.ok and "MRC0125" in done.output and "Protocols h2" in done.output
    assert httpd.configtest("Protocols h2 http/1.1\n" + httpd.vhost("MercureHttp2 On", hub())).ok
    assert httpd.configtest("MercureHttp2 On\nProtocols h2c http/1.1\n" + hub()).ok
    done = httpd.configtest("Protocols h2 http/1.1\n<Location /x>\nMercureHttp2 On\n</Location>\n")
    assert not done.ok


@pytest.mark.mpm("worker", "prefork")
def test_explicit_on_needs_the_event_mpm(httpd):
    done = httpd.configtest("Protocols h2 http/1.1\n" + httpd.vhost("MercureHttp2 On", hub()))
    assert not done.ok and "event MPM" in done.output
