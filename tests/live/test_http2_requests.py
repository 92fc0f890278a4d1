"""HTTP/2 of the module itself (MercureHttp2): ordinary requests of a site."""
import hashlib
import re
import subprocess

import pytest

from env.h2 import Http2
from env.hub import hub
from env.wait import wait_until
from env.watch import STATUS, descriptors

pytestmark = pytest.mark.mpm("event")

LOG = 'LogFormat "%H %m %U %>s %B" http2\nCustomLog logs/http2.log http2\n'


def start(httpd, *body, tls=False, server="", modules=()):
    """A virtual host with a hub whose HTTP/2 is the module's; returns its port."""
    httpd.load("status", "env", "setenvif", *modules)
    port = httpd.add_port()
    httpd.write("htdocs/page.html", "page")
    httpd.write("htdocs/big.bin", bytes(i * 7 % 251 for i in range(1 << 20)) * 3)
    httpd.start(f"Protocols h2 h2c http/1.1\n{LOG}{STATUS}{server}" +
                httpd.vhost("MercureHttp2 On", f"DocumentRoot {httpd.docroot}", hub(), STATUS, *body, port=port,
                            tls=tls))
    return port


def curl(httpd, port, target, *options, tls=False, status=True):
    """What curl gets over HTTP/2: (status and version, body)."""
    scheme, prior = ("https", "--http2") if tls else ("http", "--http2-prior-knowledge")
    done = subprocess.run(["curl", "-sSk", prior, "--max-time", "30", "-w", "\n%{http_code} %{http_version}",
                           *options, f"{scheme}://localhost:{port}{target}"], capture_output=True, check=status)
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
