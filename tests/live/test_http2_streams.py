"""HTTP/2 of the module itself (MercureHttp2): subscriptions hold no thread."""
import contextlib
import itertools
import urllib.parse

import pytest

from env.h2 import Http2
from env.hub import PATH, hub
from env.valgrind import under_valgrind
from env.wait import wait_until
from env.watch import STATUS, auto, descriptors, number, wait_subscribers
from test_carriers import FEW_WORKERS, burst, check_cost, no_sanitizer
from test_streams import REASON_LOG, TOPIC, reasons, wait_reason

TARGET = f"{PATH}?{urllib.parse.urlencode([('match', TOPIC)])}"
STREAM = (("accept", "text/event-stream"),)
LOG = 'LogFormat "%H %U %>s %B %{mercure-reason}n" http2\nCustomLog logs/http2.log http2\n'

# Requests of HTTP/2 have 40 threads.
ONE_CHILD = """
    StartServers 1
    ServerLimit 1
    ThreadsPerChild 16
    ThreadLimit 16
    MaxRequestWorkers 16
    AsyncRequestWorkerFactor 64
"""

pytestmark = pytest.mark.mpm("event")


def start(httpd, *directives, tls=False, keep_alive=5, server=""):
    httpd.load("status")
    port = httpd.add_port()
    httpd.write("htdocs/page.html", "page")
    httpd.write("htdocs/big.bin", bytes(1 << 20) * 20)
    httpd.start(f"Protocols h2 h2c http/1.1\nKeepAliveTimeout {keep_alive}\n{server}" +
                httpd.vhost("MercureHttp2 On", f"DocumentRoot {httpd.docroot}", hub(*directives), STATUS,
                            port=port, tls=tls) + STATUS + REASON_LOG + LOG)
    return port


def open_streams(conn, count):
    streams = conn.open_all(count, TARGET, STREAM)
    conn.wait(lambda: all(stream.parser.comments for stream in streams), f"{count} streams", 60)
    return streams


def lines(httpd):
    with open(httpd.path("logs/http2.log"), encoding="utf-8") as log:
        return log.read().splitlines()


def test_child_accepts_connections_after_all_workers_were_busy(httpd):
    """The test of this name in test_carriers says why."""
    httpd.sizing = FEW_WORKERS
    port = start(httpd, keep_alive=600, server="Timeout 600\n")
    burst(port, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))


@pytest.mark.sanitize
@pytest.mark.parametrize("tls", [False, True], ids=["h2c", "h2"])
def test_streams_of_one_connection_and_pages_beside(httpd, tls):
    port = start(httpd, tls=tls)
    with Http2(port, tls) as conn:
        streams = open_streams(conn, 60)
        assert all(stream.status == 200 and stream.headers["content-type"] == "text/event-stream"
                   for stream in streams)
        wait_subscribers(httpd, 60)
        for _ in range(10):
            assert conn.request("/page.html").body == b"page"
        # No thread waits for any of the streams.
        wait_until(lambda: number(httpd, "BusyWorkers") == 1, what="all workers idle but that of mod_status")
        assert number(httpd, "MercureThreads") == 0
        ids = [httpd.publish(TOPIC, f"event {i}", port=port, tls=tls).text for i in range(20)]
        conn.wait(lambda: all(len(stream.parser.events) == 20 for stream in streams), "the updates")
        for stream in streams:
            assert [event.id for event in stream.parser.events] == ids
        for stream in streams[:30]:
            conn.reset(stream)
        wait_subscribers(httpd, 30)
        wait_until(lambda: reasons(httpd).count("client") == 30, what="the log of the reset streams")
    wait_subscribers(httpd, 0)
    wait_until(lambda: sum(line.startswith(f"HTTP/2.0 {PATH} 200") for line in lines(httpd)) == 60,
               what="a line of the access log for each stream")
    assert "MRC0902" not in httpd.log()  # mod_http2 is not involved


def test_as_many_streams_as_a_connection_may_have(httpd):
    port = start(httpd, tls=True)
    with Http2(port, tls=True) as conn:
        streams = open_streams(conn, 256)
        update = httpd.publish(TOPIC, "x", port=port, tls=True).text
        conn.wait(lambda: all(stream.parser.events for stream in streams), "the update")
        assert all([event.id for event in stream.parser.events] == [update] for stream in streams)
        assert conn.conn.remote_settings.max_concurrent_streams == 256
        for stream in streams:
            conn.reset(stream)
        wait_subscribers(httpd, 0)
        assert conn.request("/page.html").body == b"page"


def test_replay(httpd):
    port = start(httpd)
    ids = [httpd.publish(TOPIC, "x" * 3000, port=port).text for _ in range(100)]
    with Http2(port) as conn:
        stream = conn.open(f"{TARGET}&last_event_id={urllib.parse.quote(ids[0])}", STREAM)
        conn.wait(lambda: len(stream.parser.events) == 99, "the replay")
        assert [event.id for event in stream.parser.events] == ids[1:]


@pytest.mark.sanitize
@pytest.mark.parametrize("tls", [False, True], ids=["h2c", "h2"])
def test_client_that_disappears(httpd, tls):
    httpd.sizing = ONE_CHILD  # a second child would open more descriptors with its first client
    port = start(httpd, tls=tls)
    before = None
    for _ in range(5):
        conns = [Http2(port, tls) for _ in range(4)]
        for conn in conns:
            open_streams(conn, 10)
            conn.open_all(3, "/big.bin")
            conn.pump(0.1)
        for conn in conns:
            conn.close()
        wait_subscribers(httpd, 0)
        # Connections are freed a second after their beginning at the earliest.
        wait_until(lambda: number(httpd, "ConnsTotal") <= 1, what="the connections freed")
        wait_until(lambda: before is None or sum(map(descriptors, httpd.children())) <= before + 4,
                   what=f"the descriptors closed, of which there were {before}")
        before = before or sum(map(descriptors, httpd.children()))


@pytest.mark.sanitize
@pytest.mark.parametrize("tls", [False, True], ids=["h2c", "h2"])
def test_graceful_restart(httpd, tls):
    port = start(httpd, tls=tls)
    with Http2(port, tls) as conn:
        streams = open_streams(conn, 20)
        old = httpd.children()
        httpd.graceful()
        conn.wait(lambda: all(stream.ended for stream in streams), "the end of the streams")
        assert conn.goaway
        assert all(not stream.reset and 500 <= stream.parser.retry <= 3000 for stream in streams)
        wait_until(lambda: not set(old) & set(httpd.children()), 30, "the end of the old children", 0.1)
    with Http2(port, tls) as conn:
        open_streams(conn, 2)


@pytest.mark.parametrize("tls", [False, True], ids=["h2c", "h2"])
def test_sigterm(httpd, tls):
    port = start(httpd, tls=tls)
    with Http2(port, tls) as conn:
        streams = open_streams(conn, 20)
        update = httpd.publish(TOPIC, "the last", port=port, tls=tls).text
        conn.wait(lambda: all(stream.parser.events for stream in streams), "the update")
        httpd.stop(wait=False)
        conn.wait(lambda: all(stream.ended for stream in streams), "the end of the streams")
        assert all(not stream.reset and 500 <= stream.parser.retry <= 3000 for stream in streams)
        assert all(stream.parser.events.popleft().id == update for stream in streams)
    httpd.wait_stopped()
    assert reasons(httpd).count("draining") == 20


def test_lifetime(httpd):
    port = start(httpd, "MercureConnectionLifetime 2")
    with Http2(port) as conn:
        stream = conn.request(TARGET, STREAM)
        assert stream.status == 200 and not stream.reset
        assert conn.request("/page.html").body == b"page"
    wait_reason(httpd, "lifetime")


def test_slow_stream_is_cut_and_delays_no_other(httpd):
    port = start(httpd, "MercureDispatchTimeout 1")
    with Http2(port) as slow, Http2(port) as conn:
        stream, = open_streams(slow, 1)
        other, = open_streams(conn, 1)
        for _ in range(10):  # more than the window of 65,535 bytes, which the client does not open again
            httpd.publish(TOPIC, "x" * 10000, port=port)
        conn.wait(lambda: len(other.parser.events) == 10, "the updates")
        wait_reason(httpd, "slow")
        slow.wait(lambda: stream.reset, "the reset")
        assert slow.request("/page.html").body == b"page"


@pytest.mark.parametrize("tls", [False, True], ids=["h2c", "h2"])
def test_downloads_of_slow_clients_hold_no_thread(httpd, tls):
    """More downloads whose clients do not read than there are threads. They are complete when the clients read."""
    httpd.sizing = ONE_CHILD
    port = start(httpd, tls=tls, server="Timeout 300\n")
    httpd.write("htdocs/big.bin", bytes(range(256)) * 1200)
    conns = [Http2(port, tls) for _ in range(3)]
    downloads = [conn.open_all(60, "/big.bin") for conn in conns]
    with Http2(port, tls) as other:
        for _ in range(10):
            assert other.request("/page.html").body == b"page"
    for conn in conns[1:]:
        conn.close()
    conns[0].wait(lambda: all(stream.ended for stream in downloads[0]), "the downloads", 60)
    assert all(stream.body == bytes(range(256)) * 1200 and not stream.reset for stream in downloads[0])
    conns[0].close()


def test_idle_connection_ends(httpd):
    port = start(httpd, keep_alive=1)
    with Http2(port) as conn:
        assert conn.request("/page.html").body == b"page"
        while not conn.ended:
            conn.pump(1)
        assert conn.goaway
        with Http2(port) as other:
            stream, = open_streams(other, 1)
            other.pump(2.5)  # a stream keeps the connection open
            assert not stream.ended and not other.goaway


def test_connections_without_streams_make_room(httpd):
    """Event accepts 48 connections here. Those without a stream end earlier, in order."""
    httpd.sizing = ONE_CHILD.replace("AsyncRequestWorkerFactor 64", "AsyncRequestWorkerFactor 2")
    port = start(httpd, keep_alive=300)
    holder = Http2(port)
    stream, = open_streams(holder, 1)
    conns = []
    for _ in range(80):
        conns.append(Http2(port))
        assert conns[-1].request("/page.html").body == b"page"
    while not conns[0].ended:
        conns[0].pump(1)
    assert conns[0].goaway
    update = httpd.publish(TOPIC, "x", port=port).text
    holder.wait(lambda: stream.parser.events, "the update")
    assert stream.parser.events[0].id == update and not holder.goaway
    for conn in [holder, *conns]:
        conn.close()


def test_streams_become_polls_before_no_connection_is_accepted(httpd):
    httpd.expect_log("MRC0712", required=True)
    httpd.sizing = ONE_CHILD.replace("AsyncRequestWorkerFactor 64", "AsyncRequestWorkerFactor 2")
    port = start(httpd, keep_alive=300)
    assert "16 in each child) if they stay in httpd's filters, as many connections with streams over HTTP/2" in httpd.log()
    conns = [Http2(port) for _ in range(17)]
    for conn in conns[:16]:
        open_streams(conn, 2)
    poll = conns[16].request(TARGET, STREAM)
    assert poll.status == 200 and poll.parser.retry and not poll.reset
    assert conns[16].request("/page.html").body == b"page"
    conns[0].close()
    wait_subscribers(httpd, 30)
    wait_until(lambda: not (stream := conns[16].open(TARGET, STREAM)).ended and wait_begun(conns[16], stream),
               what="a stream in place of the one that has ended")
    for conn in conns[1:]:
        conn.close()


def wait_begun(conn, stream):
    """Whether STREAM is a stream, and not a poll."""
    conn.wait(lambda: stream.parser.comments or stream.ended, "the answer")
    conn.pump(0.3)
    return not stream.ended


def test_limits_of_subscribers(httpd):
    port = start(httpd, "MercureMaxSubscribers 3")
    with Http2(port) as conn:
        open_streams(conn, 3)
        assert conn.request(TARGET, (("accept", "*/*"),)).status == 429


def test_head_and_errors_of_the_hub(httpd):
    port = start(httpd)
    with Http2(port) as conn:
        head = conn.request(TARGET, method="HEAD")
        assert head.status == 200 and head.headers["content-type"] == "text/event-stream" and not head.body
        assert conn.request(PATH).status == 400
        assert conn.request(TARGET, method="DELETE").status == 405
    status = auto(httpd)
    assert status["MercureSubscribers"] == "0"


# ---- memory --------------------------------------------------------------------------------------


def test_head_of_a_stream_takes_no_room_in_the_table_of_hpack(httpd):
    port = start(httpd)
    with Http2(port) as conn:
        open_streams(conn, 2)
        assert list(conn.conn.decoder.header_table.dynamic_entries) == []
        conn.request("/page.html")
        assert conn.conn.decoder.header_table.dynamic_entries


MOST_KB = 45  # for a connection with TLS and one stream
MOST_FURTHER_KB = 1.1  # for a further stream


@no_sanitizer
def test_memory_of_a_connection_with_a_stream_is_bounded(httpd):
    httpd.sizing = ONE_CHILD
    port = start(httpd, "MercureHeartbeat 0", tls=True)
    with contextlib.ExitStack() as stack:

        def listen():
            open_streams(stack.enter_context(Http2(port, tls=True)), 1)

        for _ in range(100):  # the memory that the child allocates once
            listen()
        check_cost(httpd, listen, 250, MOST_KB)


@no_sanitizer
def test_memory_of_a_further_stream_is_bounded(httpd):
    httpd.sizing = ONE_CHILD
    port = start(httpd, "MercureHeartbeat 0")
    with contextlib.ExitStack() as stack:
        conns = itertools.cycle([stack.enter_context(Http2(port)) for _ in range(16)])

        def listen():
            open_streams(next(conns), 5)

        for _ in range(160):
            listen()
        check_cost(httpd, listen, 600, 5 * MOST_FURTHER_KB)


@pytest.mark.soak
@no_sanitizer
@pytest.mark.parametrize("tls", [False, True], ids=["h2c", "h2"])
def test_valgrind_finds_no_leak_and_no_bad_access(httpd, tls):
    """Streams, pages, bodies, downloads that are given up half-way, and connections that break."""
    httpd.sizing = ONE_CHILD
    port = httpd.add_port()
    httpd.write("htdocs/page.html", "page")
    httpd.write("htdocs/big.bin", bytes(1 << 20))
    httpd.configure("Protocols h2 h2c http/1.1\n" +
                    httpd.vhost("MercureHttp2 On", f"DocumentRoot {httpd.docroot}", hub(), port=port, tls=tls))
    with under_valgrind(httpd, port, "mod_mercure|libnghttp2"):
        for number in range(20):
            conn = Http2(port, tls)
            streams = open_streams(conn, 5)
            update = httpd.publish(TOPIC, "x" * 1000, port=port, tls=tls).text
            conn.wait(lambda: all(stream.parser.events for stream in streams), "the update", 60)
            assert {stream.parser.events.popleft().id for stream in streams} == {update}
            assert conn.request("/page.html").body == b"page"
            assert conn.post(PATH, b"x" * 50000, [("content-type", "text/plain")]).status == 401
            conn.open("/big.bin")
            conn.reset(streams[0])
            if number % 2:
                conn.pump(0.1)
            conn.close()
