"""Streams over mod_http2. Each holds a thread, so their number is limited and other requests are still served."""
import subprocess
import urllib.parse

import pytest

from env.h2 import Http2
from env.hub import PATH, hub
from env.wait import wait_until
from env.watch import STATUS, number, wait_subscribers
from test_streams import REASON_LOG, TOPIC, reasons, wait_reason

TARGET = f"{PATH}?{urllib.parse.urlencode([('match', TOPIC)])}"
STREAM = (("accept", "text/event-stream"),)

pytestmark = pytest.mark.mpm("event", "worker")


def start(httpd, *directives, tls=False, keep_alive=5):
    httpd.load("status", "http2")
    httpd.expect_log(r"AH10034|AH02951", required=False)  # mod_http2's comments on its configuration
    port = httpd.add_port()
    httpd.write("htdocs/page.html", "page")
    httpd.start(f"Protocols h2 h2c http/1.1\nKeepAliveTimeout {keep_alive}\n" +
                httpd.vhost("Protocols h2 h2c http/1.1", f"DocumentRoot {httpd.docroot}", hub(*directives),
                            port=port, tls=tls) + STATUS + REASON_LOG + "MercureHttp2 Off\n")
    return port


@pytest.mark.parametrize("tls", [False, True], ids=["h2c", "h2"])
def test_connection_holds_at_most_two_streams(httpd, tls):
    port = start(httpd, tls=tls)
    with Http2(port, tls) as conn:
        streams = [conn.open(TARGET, STREAM) for _ in range(5)]
        conn.wait(lambda: all(stream.status for stream in streams), "the answers")
        conn.wait(lambda: sum(stream.ended for stream in streams) == 3, "the end of the refused streams")
        held = [stream for stream in streams if not stream.ended]
        for stream in streams:
            assert stream.status == 200 and stream.headers["content-type"] == "text/event-stream"
            if stream.ended:
                assert 2000 <= stream.parser.retry <= 15000
        refused = conn.request(TARGET, (("accept", "*/*"),))
        assert refused.status == 503 and 2 <= int(refused.headers["retry-after"]) <= 15
        # Meanwhile the connection answers other requests, more than mod_http2 runs at once on a new connection.
        for _ in range(10):
            assert conn.request("/page.html").body == b"page"
        update = httpd.publish(TOPIC, "x", port=port, tls=tls).text
        conn.wait(lambda: all(stream.parser.events for stream in held), "the update")
        assert all(stream.parser.events.popleft().id == update for stream in held)
    wait_subscribers(httpd, 0)
    wait_until(lambda: number(httpd, "MercureThreads") == 0, what="all threads free")


def test_reset_stream_frees_its_thread(httpd):
    """A reloaded page uses the same connection again. No heartbeat would notice the reset."""
    port = start(httpd, "MercureHeartbeat 0")
    with Http2(port) as conn:
        for _ in range(3):
            streams = [conn.open(TARGET, STREAM) for _ in range(2)]
            conn.wait(lambda: all(stream.parser.comments for stream in streams), "both streams")
            for stream in streams:
                conn.reset(stream)
            wait_until(lambda: number(httpd, "MercureThreads") == 0, what="the threads free again")
    wait_subscribers(httpd, 0)


def test_stream_over_http2_ends_cleanly(httpd):
    port = start(httpd, "MercureConnectionLifetime 2")
    with Http2(port) as conn:
        stream = conn.request(TARGET, STREAM)
        assert stream.status == 200 and not stream.reset
    wait_reason(httpd, "lifetime")


def test_graceful_restart_ends_streams_over_http2_cleanly(httpd):
    port = start(httpd)
    with Http2(port) as conn:
        stream = conn.open(TARGET, STREAM)
        conn.wait(lambda: stream.parser.comments, "the stream")
        old = httpd.children()
        httpd.graceful()
        conn.wait(lambda: stream.ended, "the end of the stream")
        assert not stream.reset and 500 <= stream.parser.retry <= 3000
        wait_until(lambda: not set(old) & set(httpd.children()), 30, "the end of the old children", 0.1)


def test_sigterm_ends_streams_over_http2_cleanly(httpd):
    port = start(httpd, tls=True)
    with Http2(port, tls=True) as conn, Http2(port, tls=True) as other:
        streams = [conn.open(TARGET, STREAM) for _ in range(2)]
        streams.append(other.open(TARGET, STREAM))
        for held, count in ((conn, 2), (other, 1)):
            held.wait(lambda: sum(bool(stream.parser.comments) for stream in held.streams.values()) == count,
                      "the streams")
        update = httpd.publish(TOPIC, "the last", port=port, tls=True).text
        for held in (conn, other):
            held.wait(lambda: all(stream.parser.events for stream in held.streams.values()), "the update")
        httpd.stop(wait=False)
        for held in (conn, other):
            held.wait(lambda: all(stream.ended for stream in held.streams.values()), "the end of the streams")
    httpd.wait_stopped()
    for stream in streams:
        assert stream.parser.events.popleft().id == update
        assert not stream.reset and 500 <= stream.parser.retry <= 3000
    assert reasons(httpd).count("draining") == 3


@pytest.mark.mpm("event")
def test_dispatch_timeout_cuts_an_http2_client_that_reads_nothing(httpd):
    port = start(httpd, "MercureDispatchTimeout 1")
    with Http2(port) as conn:
        stream = conn.open(TARGET, STREAM)
        conn.wait(lambda: stream.parser.comments, "the stream")
        for _ in range(30):  # more than the windows of HTTP/2 and mod_http2's own buffer
            httpd.publish(TOPIC, "x" * 10000, port=port)
        wait_reason(httpd, "slow")
        wait_until(lambda: number(httpd, "MercureThreads") == 0, what="the thread free again")
        if "MRC0902" in httpd.log():  # mod_http2 before httpd 2.4.55 ends the connection
            conn.wait(lambda: conn.ended, "the end of the connection")
            return
        # The connection stays open and still serves requests.
        assert conn.request("/page.html").body == b"page"
        conn.wait(lambda: stream.reset, "the reset of the stream")


def test_420_streams_leave_threads_for_other_requests(httpd, mpm):
    """70 connections of 6 streams each, with the defaults of mod_http2."""
    # Many threads are busy at once, which httpd may report.
    httpd.expect_log(r"AH10159: server is within MinSpareThreads|AH00484: server reached MaxRequestWorkers"
                     r"|AH0028[678]: (server|scoreboard)", required=False)
    port = start(httpd, keep_alive=60)
    threads = 64 // 4  # a quarter of the MPM's threads here
    conns = [Http2(port) for _ in range(70 if mpm == "event" else 30)]
    try:
        for conn in conns:
            conn.open_all(6, TARGET, STREAM)

        def answered():
            for conn in conns:
                while conn.pump(0.001):
                    pass
            return all(stream.status for conn in conns for stream in conn.streams.values())

        if mpm == "event":
            wait_until(answered, 60, "an answer to every stream")
        wait_until(lambda: number(httpd, "MercureThreads") >= 1, what="a stream")
        assert number(httpd, "MercureThreads") <= threads
        # The server serves old and new connections, and both versions of HTTP.
        for _ in range(20):
            assert httpd.get("/page.html", port=port).text == "page"
        # Only connections that hold a stream: the others are idle and may end.
        if mpm == "event":
            busy = [conn for conn in conns
                    if not all(stream.ended for stream in conn.streams.values())]
            assert busy
            for conn in busy:
                assert conn.request("/page.html").body == b"page"
        with Http2(port) as conn:
            assert conn.request("/page.html").body == b"page"
        httpd.publish(TOPIC, "x", port=port)
    finally:
        for conn in conns:
            conn.close()
    wait_subscribers(httpd, 0)
    wait_until(lambda: number(httpd, "MercureThreads") == 0, what="all threads free")


@pytest.mark.mpm("event")
def test_curl_subscribes_over_http2(httpd):
    port = start(httpd)
    with subprocess.Popen(
            ["curl", "-sN", "--http2-prior-knowledge", "--max-time", "60", "-X", "QUERY", "-d", f"match={TOPIC}",
             f"http://127.0.0.1:{port}{PATH}"], stdout=subprocess.PIPE, text=True) as curl:
        assert curl.stdout.readline().startswith(":"), "no stream"
        update = httpd.publish(TOPIC, "to curl", port=port).text
        assert [curl.stdout.readline() for _ in range(3)] == [f"id: {update}\n", "data: to curl\n", "\n"]
        httpd.graceful()  # ends streams cleanly
        assert curl.stdout.readline().startswith("retry: ")
    assert curl.returncode == 0
