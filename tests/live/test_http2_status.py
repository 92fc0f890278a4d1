"""HTTP/2 of the module itself: what mod_status, logs and configurations see of its requests."""
import json
import re

import pytest

from env.h2 import Http2
from env.hub import PATH, hub
from env.wait import wait_until
from env.watch import STATUS, number, owner
from test_http2_requests import curl
from test_streams import TOPIC

pytestmark = pytest.mark.mpm("event")

# The slow script ends when its file exists in its folder.
CGI = """#!/usr/bin/python3
import json, os, sys, time
body = sys.stdin.buffer.read()
while os.environ["QUERY_STRING"] and not os.path.exists(os.environ["QUERY_STRING"]):
    time.sleep(0.02)
try:
    print("Content-Type: application/json\\n")
    print(json.dumps(dict(os.environ)), flush=True)
except BrokenPipeError:
    os._exit(0)
"""


def start(httpd, *body, server="", modules=(), tls=False):
    httpd.load("status", "cgid", "env", "headers", *modules)
    httpd.write("htdocs/page.html", "page")
    httpd.write("cgi/env", CGI, mode=0o755)
    port = httpd.add_port()
    httpd.start(f"Protocols h2 h2c http/1.1\nExtendedStatus On\n{STATUS}{server}" +
                httpd.vhost("MercureHttp2 On", f"DocumentRoot {httpd.docroot}", hub(),
                            f"ScriptAlias /cgi/ {httpd.path('cgi')}/",
                            f"<Directory {httpd.path('cgi')}>\nRequire all granted\nOptions ExecCGI\n</Directory>",
                            *body, port=port, tls=tls))
    return port


def give_free_places(httpd):
    """Makes the MPM leave places of the scoreboard free."""
    httpd.sizing = re.sub(r"ThreadLimit\s+16", "ThreadLimit 20", httpd.sizing)


def wait_busy(httpd, count):
    wait_until(lambda: number(httpd, "BusyWorkers") == count, what=f"{count} busy workers, one of them that of mod_status")


@pytest.mark.parametrize("free", [True, False], ids=["free", "full"])
def test_requests_are_counted(httpd, free):
    if free:
        give_free_places(httpd)
    port = start(httpd)
    with Http2(port) as conn:
        before = number(httpd, "Total Accesses")
        streams = conn.open_all(40, "/page.html")
        conn.wait(lambda: all(stream.ended for stream in streams), "the answers")
        streams = conn.open_all(3, "/none")
        conn.wait(lambda: all(stream.ended for stream in streams), "the answers")
        wait_until(lambda: number(httpd, "Total Accesses") - before >= 43, what="43 requests counted")
        # The requests for the status page are also counted.
        assert number(httpd, "Total Accesses") - before <= 43 + 30


def test_running_requests_are_shown(httpd):
    give_free_places(httpd)
    port = start(httpd)
    with Http2(port) as conn:
        slow = conn.open_all(3, "/cgi/env?flag")
        wait_busy(httpd, 4)
        page = httpd.get("/server-status").text
        assert page.count("GET /cgi/env?flag HTTP/2.0") == 3 and "127.0.0.1" in page
        more = conn.open_all(6, "/cgi/env?flag")  # the last place has several threads
        wait_busy(httpd, 5)
        httpd.write("cgi/flag", "")
        conn.wait(lambda: all(stream.ended and stream.status == 200 for stream in slow + more), "the answers")
        wait_busy(httpd, 1)


def test_child_that_dies_leaves_no_busy_worker(httpd):
    # mod_cgid may be about to read or answer a request of the child.
    httpd.expect_log("AH01248|AH01239|AH00052", required=False)
    give_free_places(httpd)
    port = start(httpd)
    with Http2(port) as conn:
        conn.open_all(2, "/cgi/env?flag")
        wait_busy(httpd, 3)
        httpd.kill_child(owner(httpd, conn))
        wait_busy(httpd, 1)
    httpd.write("cgi/flag", "")


def test_environment(httpd):
    port = start(httpd, 'Header set X-Http2 "expr=%{HTTP2}"', '<If "%{HTTP2} == \'on\'">', "Header set X-If yes", "</If>",
                 "Header set X-Env %{H2_STREAM_TAG}e")
    with Http2(port) as conn:
        env = json.loads(conn.request("/cgi/env").body)
        assert env["HTTP2"] == "on" and env["H2PUSH"] == env["H2_PUSH"] == "off"
        assert env["H2_PUSHED"] == env["H2_PUSHED_ON"] == ""
        assert env["H2_STREAM_ID"] == "1" and re.fullmatch(r"\d+-\d+-1", env["H2_STREAM_TAG"])
        page = conn.request("/page.html")
        assert page.headers["x-http2"] == "on" and page.headers["x-if"] == "yes"
        assert page.headers["x-env"] == re.sub("1$", "3", env["H2_STREAM_TAG"])
    page = httpd.get("/page.html", port=port)
    assert page.header("X-Http2") == "off" and page.header("X-If") is None
    assert "HTTP2" not in httpd.get("/cgi/env", port=port).json


def test_foreign_host_field(httpd):
    port = start(httpd)
    with Http2(port) as conn:
        conn.conn.config.validate_outbound_headers = False
        env = json.loads(conn.request("/cgi/env", [("host", "other.example")]).body)
        assert env["H2_ORIGINAL_HOST"] == "other.example" and env["HTTP_HOST"] == conn.authority


def test_bytes_in_the_log(httpd):
    httpd.load("logio")
    port = start(httpd, 'CustomLog logs/bytes.log "%m %U %I %O %B %H"')
    body = b"b" * 100000
    httpd.write("body", body)
    assert curl(httpd, port, "/page.html")[0] == "200 2"
    assert curl(httpd, port, "/cgi/env", "--data-binary", f"@{httpd.path('body')}")[0] == "200 2"
    assert curl(httpd, port, "/cgi/env", "-X", "PUT", "-T", "-", data=body)[0] == "200 2"
    wait_until(lambda: len(httpd.lines("logs/bytes.log")) == 3, what="the access log")
    page, post, put = [line.split() for line in httpd.lines("logs/bytes.log")]
    # The fields are compressed on the way to the server.
    assert 9 < int(page[2]) < 200 and 4 < int(page[3]) < 400 and page[4] == "4"
    for request in post, put:  # the heads of the frames
        assert len(body) + 2 * 9 < int(request[2]) < len(body) + 1000
        assert int(request[3]) > int(request[4]) > 100


def test_downloads_in_the_log(httpd):
    """A long file is sent without a thread, and logged when the client has received it or is gone."""
    httpd.load("logio")
    size = 8 << 20
    httpd.write("htdocs/big.bin", bytes(size))
    port = start(httpd, 'CustomLog logs/big.log "%U%q %X %B %O"')
    with Http2(port) as conn, Http2(port) as gone:
        assert len(conn.request("/big.bin?whole").body) == size
        wait_until(lambda: len(httpd.lines("logs/big.log")) == 1, what="the first line")
        reset = conn.open("/big.bin?reset")
        left = gone.open("/big.bin?left")
        conn.wait(lambda: reset.body, "the beginning")
        gone.wait(lambda: left.body, "the beginning")
        assert conn.request("/page.html").status == 200
        wait_until(lambda: "/page.html" in httpd.lines("logs/big.log")[-1], what="the line of a later request")
        assert len(httpd.lines("logs/big.log")) == 2
        conn.reset(reset)
        gone.close()
        wait_until(lambda: len(httpd.lines("logs/big.log")) == 4, what="the other lines")
    whole, _, *cut = [line.split() for line in httpd.lines("logs/big.log")]
    assert whole[:3] == ["/big.bin?whole", "-", str(size)] and size < int(whole[3]) < size + size // 500
    assert {line[0] for line in cut} == {"/big.bin?reset", "/big.bin?left"}
    assert all(line[1] == "X" and 0 < int(line[3]) < size // 2 for line in cut)


def test_bytes_of_a_stream_in_the_log(httpd):
    httpd.load("logio")
    port = start(httpd, 'CustomLog logs/bytes.log "%m %U %I %O %B %{mercure-reason}n"')
    with Http2(port) as conn:
        before = len(conn.received)
        stream = conn.open(f"{PATH}?match={TOPIC}", [("accept", "text/event-stream")])
        conn.wait(lambda: stream.parser.comments, "the stream")
        httpd.publish(TOPIC, "x" * 5000, port=port)
        conn.wait(lambda: stream.parser.events, "the update")
        conn.reset(stream)
        wait_until(lambda: any("client" in line for line in httpd.lines("logs/bytes.log")), what="the access log")
        method, _, sent, received, body, _ = next(line for line in httpd.lines("logs/bytes.log") if "client" in line).split()
        assert method == "GET" and int(body) == len(stream.body)
        frames = [frame for frame in conn.frames(before) if frame[2] == stream.number]
        assert int(received) == sum(9 + frame[3] for frame in frames)
        assert 9 < int(sent) < 300


def test_ids_and_addresses_in_the_error_log(httpd):
    """fail2ban and others look for [client …], and %{c}L tells the connections apart."""
    httpd.expect_log("AH01630", required=True)
    port = start(httpd, "<Location /denied>\nRequire all denied\n</Location>",
                 'CustomLog logs/ids.log "%U %{c}L %L"', server="")
    for _ in range(2):
        with Http2(port) as conn:
            for _ in range(2):
                assert conn.request("/denied").status == 403
    wait_until(lambda: len(httpd.lines("logs/ids.log")) == 4, what="the access log")
    assert len(re.findall(r"\[client 127\.0\.0\.1:\d+\] AH01630", httpd.log())) == 4
    connections = [line.split()[1] for line in httpd.lines("logs/ids.log")]
    requests = [line.split()[2] for line in httpd.lines("logs/ids.log")]
    assert connections[0] == connections[1] != connections[2] == connections[3]
    assert "-" not in connections + requests and len(set(requests)) == 4
