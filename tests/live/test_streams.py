"""Idle, slow and many streams: none holds a worker, holds up another stream, or is lost silently."""
import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from env import token
from env.hub import PATH, hub
from env.http import Connection
from env.limits import descriptors_for
from env.sse import pump_all
from env.wait import wait_until
from env.watch import STATUS, auto, descriptors, number, wait_subscribers

event_only = pytest.mark.mpm("event")

pytestmark = pytest.mark.usefixtures("each_carrier")

TOPIC = "https://example.com/books/1"
# The reason why a stream ended, with its status and connection status.
REASON_LOG = 'CustomLog logs/reasons.log "%{mercure-reason}n %>s %X %m"\n'

# Room for thousands of suspended streams.
LARGE = """
    StartServers 2
    ServerLimit 8
    ThreadsPerChild 16
    ThreadLimit 16
    MaxRequestWorkers 32
    MinSpareThreads 16
    MaxSpareThreads 32
    AsyncRequestWorkerFactor 600
    MaxConnectionsPerChild 0
"""


def reasons(httpd):
    """The reasons of all streams that have ended, from the access log."""
    try:
        with open(httpd.path("logs/reasons.log"), encoding="utf-8") as log:
            return [line.split()[0] for line in log if line.endswith(" GET\n")]
    except FileNotFoundError:
        return []


def wait_reason(httpd, reason, count=1):
    wait_until(lambda: reasons(httpd).count(reason) >= count,
               what=f"{count} times {reason} in the access log, which has {reasons(httpd)}")


def resumed(httpd, stream, sent, **more):
    """
    All ids that STREAM gets, which was cut: those that it got before, and the rest by coming back with its last id; and
    how often it was cut again, which happens where the test itself is slow.
    """
    stream.wait_end()
    ids = [event.id for event in stream.parser.events]
    stream.close()
    assert len(ids) < len(sent), "the stream was not slow"
    cuts, end = 0, time.monotonic() + 60
    while len(ids) < len(sent):
        headers = {"Last-Event-ID": ids[-1]} if ids else {}
        query = [("match", TOPIC)] if ids else [("match", TOPIC), ("last_event_id", "earliest")]
        with httpd.subscribe(query, headers, **more) as again:
            while len(ids) < len(sent) and (again.parser.events or not again.ended):
                assert time.monotonic() < end, f"{len(ids)} of {len(sent)} came"
                again.pump(1.0)
                while again.parser.events:
                    ids.append(again.parser.events.popleft().id)
            cuts += len(ids) < len(sent)
    return ids, cuts


def start_at_port(httpd, tls, *directives):
    """Starts a hub on its own port, with or without TLS; returns the arguments for requests to it."""
    port = httpd.add_port()
    httpd.start(httpd.vhost(hub(*directives), port=port, tls=tls) + REASON_LOG)
    return {"port": port, "tls": tls}


# ---- idle ----------------------------------------------------------------------------------------


@event_only
def test_2000_idle_subscribers_hold_no_worker(httpd):
    httpd.load("status")
    httpd.sizing = LARGE
    httpd.write("htdocs/page.html", "page")
    httpd.start(hub() + STATUS)
    count = descriptors_for(2000)
    streams = [httpd.subscribe([("match", TOPIC)]) for _ in range(count)]
    wait_subscribers(httpd, count)
    wait_until(lambda: auto(httpd)["BusyWorkers"] == "1", what="no busy worker but that of mod_status")
    for _ in range(50):
        assert httpd.get("/page.html").text == "page"
    update = httpd.publish(TOPIC, "to all").text
    pump_all(streams, lambda: all(stream.parser.events for stream in streams), 60)
    assert all(stream.next().id == update for stream in streams)
    for stream in streams:
        stream.close()
    wait_subscribers(httpd, 0)


# ---- slow readers --------------------------------------------------------------------------------


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_dispatch_timeout_cuts_a_client_that_stops_reading(httpd, tls):
    more = start_at_port(httpd, tls, "MercureDispatchTimeout 1", "MercureSubscriberBacklog 200M")
    slow = httpd.subscribe([("match", TOPIC)], rcvbuf=4096, **more)
    sent = []
    with httpd.subscribe([("match", TOPIC)], **more) as fast:
        for i in range(60):
            sent.append(httpd.publish(TOPIC, str(i) * 20000, **more).text)
            assert fast.next().id == sent[-1]
        wait_reason(httpd, "slow")
        ids, cuts = resumed(httpd, slow, sent, **more)
        assert ids == sent
        # The fast stream was not cut.
        sent.append(httpd.publish(TOPIC, "the last", **more).text)
        assert fast.next().id == sent[-1]
    wait_reason(httpd, "client")
    wait_reason(httpd, "slow", 1 + cuts)
    assert reasons(httpd).count("slow") == 1 + cuts


@event_only
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_backlog_limit_cuts_a_client_that_stops_reading(httpd, tls):
    more = start_at_port(httpd, tls, "MercureDispatchTimeout 600", "MercureSubscriberBacklog 64K",
                         "MercureHistory bytes=32M")
    slow = httpd.subscribe([("match", TOPIC)], rcvbuf=4096, **more)
    sent = []
    with httpd.subscribe([("match", TOPIC)], **more) as fast:
        while "slow" not in reasons(httpd):
            assert len(sent) < 1000, "never cut"
            sent.append(httpd.publish(TOPIC, "x" * 20000, **more).text)
            assert fast.next().id == sent[-1]
            time.sleep(0.01)  # the log line may come a second later
        assert resumed(httpd, slow, sent, **more) == (sent, 0)
    wait_reason(httpd, "client")
    assert reasons(httpd).count("slow") == 1


@event_only
def test_client_that_reads_slowly_is_not_cut(httpd):
    """The timeout applies to clients that read nothing at all."""
    httpd.start(hub("MercureDispatchTimeout 4", "MercureSubscriberBacklog 200M") + REASON_LOG)
    with httpd.subscribe([("match", TOPIC)], rcvbuf=4096) as stream, ThreadPoolExecutor(1) as pool:
        publishing = pool.submit(lambda: [httpd.publish(TOPIC, "x" * 20000).text for _ in range(60)])
        stream.conn.sock.settimeout(20)
        end = time.monotonic() + 7
        while time.monotonic() < end or not publishing.done():
            data = stream.conn.sock.recv(3000)
            assert data, "cut"
            stream.conn.buffer += data
            time.sleep(0.2)
        stream._decode()
        sent = publishing.result()
        assert [event.id for event in stream.take(len(sent), 60)] == sent
    assert "slow" not in reasons(httpd)


@event_only
@pytest.mark.parametrize("dispatchers", [1, 3])
def test_burst_larger_than_the_backlog_does_not_cut_a_client_that_reads(httpd, dispatchers):
    """The limit counts what the client has not read, not what the hub has not sent yet."""
    httpd.start(f"MercureDispatchers {dispatchers}\n" + hub("MercureSubscriberBacklog 64K") + REASON_LOG)
    with httpd.subscribe([("match", TOPIC)]) as stream:
        stream.wait_comment()
        sent = [httpd.publish(TOPIC, str(i) * 10000).text for i in range(12)]
        assert [event.id for event in stream.take(len(sent))] == sent


@event_only
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_update_larger_than_the_backlog_is_delivered(httpd, tls):
    more = start_at_port(httpd, tls, "MercureSubscriberBacklog 64K")
    large = "0123456789" * 90000
    with httpd.subscribe([("match", TOPIC)], **more) as stream:
        httpd.publish(TOPIC, large, **more)
        assert stream.next().data == large
        httpd.publish(TOPIC, "before", **more)
        httpd.publish(TOPIC, large, **more)
        assert stream.next().data == "before"
        assert stream.next().data == large


# ---- churn ---------------------------------------------------------------------------------------

CHURN_REQUEST = f"GET {PATH}?match=*&x=y HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def churn(port, count, tls):
    """COUNT clients connect, send a request and hang up: at once, by a reset, after an answer, or by half a close."""
    for i in range(count):
        with Connection(port, tls=tls) as conn:
            conn.send(CHURN_REQUEST)
            if i % 4 == 1:
                conn.sock.setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")  # SO_LINGER 0: RST
            elif i % 4 == 2:
                conn.sock.settimeout(60)
                conn.sock.recv(1000)
            elif i % 4 == 3 and not tls:
                conn.sock.shutdown(1)


def churn_in_processes(port, count, tls, processes=2):
    pids = []
    for _ in range(processes):
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                churn(port, count // processes, tls)
                status = 0
            finally:
                os._exit(status)
        pids.append(pid)
    for pid in pids:
        assert os.waitpid(pid, 0)[1] == 0, "a client of the churn failed"


def check_churn(httpd, count, tls):
    httpd.load("status")
    httpd.sizing = LARGE
    port = httpd.add_port()
    httpd.start(httpd.vhost(hub(), port=port, tls=tls) + STATUS)
    wait_until(lambda: len(httpd.children()) == 2, what="both children")

    def held():
        return {pid: descriptors(pid) for pid in httpd.children()}

    before = held()
    churn_in_processes(port, count, tls)
    # The hub works while the remaining connections are being closed.
    with httpd.subscribe([("match", TOPIC)], port=port, tls=tls) as stream:
        update = httpd.publish(TOPIC, "x", port=port, tls=tls).text
        assert stream.next().id == update
    wait_subscribers(httpd, 0)
    # One thread of each child closes the remaining connections, and mod_status counts them late.
    wait_until(lambda: all(held()[pid] <= before[pid] + 4 for pid in before), 120, f"{before} descriptors", 0.1)
    wait_until(lambda: number(httpd, "ConnsTotal") <= 1, 60, "the end of all connections", 0.1)
    assert sorted(before) == httpd.children(), "a child has ended"
    ended = httpd.log().count("stream ended: client")
    assert ended <= count + 1
    return ended


@pytest.mark.sanitize
@event_only
def test_churn_leaves_nothing_open(httpd):
    check_churn(httpd, int(os.environ.get("MERCURE_CHURN", "10000")), False)


@pytest.mark.sanitize
@event_only
def test_churn_over_tls_leaves_nothing_open(httpd):
    check_churn(httpd, 1000, True)


@pytest.mark.soak
@event_only
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_long_churn_leaves_nothing_open(httpd, tls):
    check_churn(httpd, 100000 if not tls else 10000, tls)


@pytest.mark.mpm("worker", "prefork")
def test_churn_frees_every_thread(httpd):
    httpd.load("status")
    httpd.start(hub() + STATUS)
    churn_in_processes(httpd.port, 1000, False)
    wait_subscribers(httpd, 0)
    wait_until(lambda: number(httpd, "MercureThreads") == 0, what="all threads free")
    with httpd.subscribe([("match", TOPIC)]) as stream:
        update = httpd.publish(TOPIC, "x").text
        assert stream.next().id == update


# ---- how many ------------------------------------------------------------------------------------


def open_at_once(httpd, count, headers=()):
    """Sends COUNT subscriptions before it reads the first answer; returns the connections and the heads."""
    conns = [httpd.connect() for _ in range(count)]
    for conn in conns:
        conn.send_request("GET", f"{PATH}?match={TOPIC}", headers)
    return conns, [conn.read_head() for conn in conns]


@event_only
def test_max_subscribers_is_exact(httpd):
    """Neither more nor fewer streams open, although they come at once and through several children."""
    httpd.load("status")
    httpd.start(hub("MercureMaxSubscribers 40") + STATUS)
    for _ in range(5):
        conns, answers = open_at_once(httpd, 120)
        assert sorted(answer.status for answer in answers) == [200] * 40 + [429] * 80
        for conn in conns:
            conn.close()
        wait_subscribers(httpd, 0)


@event_only
def test_place_is_free_as_soon_as_its_client_has_gone(httpd):
    """An EventSource that gets 429 never comes back, so a client that is gone must not hold a place."""
    httpd.load("status")
    httpd.start(hub("MercureMaxSubscribers 1") + STATUS)

    def is_prompt():
        with httpd.subscribe([("match", TOPIC)]) as stream:
            stream.wait_comment()
        begin = time.monotonic()
        wait_until(lambda: number(httpd, "MercureSubscribers") == 0, what="a free place", pause=0.01)
        # Well before the server may close the connection itself.
        return time.monotonic() - begin < 0.7

    # On a busy machine, some places become free later.
    wait_until(lambda: is_prompt() and is_prompt() and is_prompt(), 60, "a place that is free at once")


SMALL = """
    StartServers 1
    ServerLimit 1
    ThreadsPerChild 8
    ThreadLimit 8
    MaxRequestWorkers 8
    MinSpareThreads 8
    MaxSpareThreads 8
    AsyncRequestWorkerFactor 8
    MaxConnectionsPerChild 0
"""


@event_only
def test_stream_limit_of_a_child_leaves_room_for_other_requests(httpd):
    httpd.load("status")
    httpd.sizing = SMALL  # a child of 8 threads takes 8 + 8 * 8 connections; 32 are for streams
    httpd.write("htdocs/page.html", "page")
    httpd.start(hub("MercureDetach Off") + STATUS)
    httpd.wait_log(r"holds \d+ streams over HTTP/1.1 \(\d+ in each of 1 children\), 32 \(32 in each child\) if .* and 2 over HTTP/2")
    with ThreadPoolExecutor(16) as pool:  # several at once: the limit is exact
        streams = list(pool.map(lambda _: httpd.subscribe([("match", TOPIC)]), range(50)))
    refused = [stream for stream in streams if stream.ended]
    assert len(refused) == 18
    for stream in refused:
        assert 2000 <= stream.parser.retry <= 15000
    assert len({stream.parser.retry for stream in refused}) > 3, "the retries are not spread"
    # A client that does not ask for an event stream gets an HTTP error.
    with httpd.subscribe([("match", TOPIC)], {"Accept": "*/*"}, status=503) as stream:
        assert 2 <= int(stream.response.header("Retry-After")) <= 15
    for _ in range(50):
        assert httpd.get("/page.html").text == "page"
    update = httpd.publish(TOPIC, "x").text
    for stream in streams:
        if stream not in refused:
            assert stream.next().id == update
            stream.close()
    wait_subscribers(httpd, 0)


@event_only
def test_streams_are_refused_when_descriptors_run_out(httpd, monkeypatch):
    wrapper = os.environ.get("MERCURE_HTTPD_WRAPPER", "")
    monkeypatch.setenv("MERCURE_HTTPD_WRAPPER", f"{wrapper} prlimit --nofile=200:200")
    httpd.load("status")
    httpd.sizing = SMALL.replace("WorkerFactor 8", "WorkerFactor 1000")
    httpd.write("htdocs/page.html", "page")
    httpd.start(hub() + STATUS)
    children = httpd.children()
    held = []
    for _ in range(180):
        stream = httpd.subscribe([("match", TOPIC)])
        if stream.ended:
            assert stream.response.header("Connection") == "close"
            stream.close()
        else:
            held.append(stream)
    assert 50 < len(held) < 150
    for _ in range(20):
        assert httpd.get("/page.html").text == "page"
    update = httpd.publish(TOPIC, "x").text
    assert all(stream.next().id == update for stream in held)
    assert httpd.children() == children
    for stream in held:
        stream.close()
    wait_subscribers(httpd, 0)


# ---- time ----------------------------------------------------------------------------------------


def test_silent_stream_has_heartbeats(httpd):
    httpd.start(hub("MercureHeartbeat 1"))
    with httpd.subscribe([("match", TOPIC)]) as stream:
        stream.wait_comment(4)
        update = httpd.publish(TOPIC, "x").text
        assert stream.next().id == update


@event_only
def test_heartbeat_0_sends_none(httpd):
    httpd.start(hub("MercureHeartbeat 0"))
    with httpd.subscribe([("match", TOPIC)]) as stream:
        stream.wait_comment(1)
        stream.expect_nothing(2.5)
        assert len(stream.parser.comments) == 1


def test_streams_end_after_their_lifetime(httpd):
    httpd.start(hub("MercureConnectionLifetime 5") + REASON_LOG)
    begin = time.monotonic()
    streams = [httpd.subscribe([("match", TOPIC)]) for _ in range(3)]
    for stream in streams:
        assert stream.wait_end(), "not ended cleanly"
    assert time.monotonic() - begin > 3.9  # 80 % of the lifetime
    wait_reason(httpd, "lifetime", 3)


@event_only
def test_lifetimes_are_spread(httpd):
    httpd.start(hub("MercureConnectionLifetime 5"))

    def lived():
        """The duration of each stream, in seconds, from the server's log."""
        with open(httpd.access_log, encoding="utf-8") as log:
            return [int(line.split()[-2]) / 1e6 for line in log if line.endswith("\n") and f"GET {PATH}" in line]

    def are_spread():
        before = len(lived())
        streams = [httpd.subscribe([("match", TOPIC)]) for _ in range(60)]
        for stream in streams:
            assert stream.wait_end(), "not ended cleanly"
            stream.close()
        wait_until(lambda: len(lived()) == before + 60, what="all of them in the log")
        times = lived()[before:]
        assert min(times) > 3.9
        return max(times) - min(times) > 0.3

    # If the server gets no CPU time at that moment, it ends them all at once afterwards.
    assert any(are_spread() for _ in range(3))


# ---- several dispatchers -------------------------------------------------------------------------


@event_only
def test_three_dispatchers_deliver_everything_in_order(httpd):
    httpd.load("status")
    httpd.start("MercureDispatchers 3\n" + hub() + STATUS)
    streams = [httpd.subscribe([("match", TOPIC)]) for _ in range(30)]
    sent = [httpd.publish(TOPIC, str(i)).text for i in range(200)]
    for stream in streams:
        assert [event.id for event in stream.take(200)] == sent
        stream.close()
    wait_subscribers(httpd, 0)


# ---- clients -------------------------------------------------------------------------------------


def test_streams_end_cleanly_for_every_kind_of_client(httpd):
    """The end is clean and nothing is lost, whatever Connection says and whatever else the client has sent."""
    port = httpd.add_port()
    hubs = hub("MercureConnectionLifetime 6")
    httpd.start(hubs + httpd.vhost("KeepAlive Off", hubs, port=port, name="other.example") + REASON_LOG)
    with httpd.connect() as old, httpd.subscribe([("match", TOPIC)], {"Connection": "close"}) as close, \
            httpd.subscribe([("match", TOPIC)], port=port) as off, httpd.subscribe([("match", TOPIC)]) as pipelined:
        # HTTP/1.0 has no chunks: the stream ends with the connection.
        old.send(f"GET {PATH}?match={TOPIC} HTTP/1.0\r\n\r\n")
        head = old.read_head()
        assert head.status == 200 and head.header("Transfer-Encoding") is None
        # Unread requests must not make the kernel discard what was sent.
        pipelined.conn.send("GET /page.html HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100)
        sent = [httpd.publish(TOPIC, "x" * 4000).text for _ in range(10)]
        update = httpd.publish(TOPIC, "x", port=port).text
        wait_reason(httpd, "lifetime", 4)
        time.sleep(0.3)  # by now the server has finished its work after their end
        for stream, ids in ((close, sent), (off, [update]), (pipelined, sent)):
            stream.wait_end()
            assert stream.clean, "the end was lost"
            assert [event.id for event in stream.parser.events] == ids
            # Kernels other than Linux discard what was not read yet when a connection is reset.
            assert stream.conn.sock.recv(1) == b"", "reset"
        old.wait_closed()
        assert old.buffer.startswith(b":\n") and all(f"id: {one}".encode() in old.buffer for one in sent)


def test_get_with_a_body_opens_a_stream(httpd):
    httpd.start(hub())
    with httpd.subscribe([("match", TOPIC)], body="x" * 5000) as stream:
        update = httpd.publish(TOPIC, "x").text
        assert stream.next().id == update


def test_half_closed_connection_ends_the_stream(httpd):
    """The server cannot tell the client from one that is gone. The client comes back with its last id."""
    httpd.start(hub() + REASON_LOG)
    with httpd.subscribe([("match", TOPIC)]) as stream:
        stream.conn.sock.shutdown(1)
        wait_reason(httpd, "client")


@event_only
def test_expired_token_ends_the_stream_and_is_logged(httpd):
    httpd.start(hub(anonymous=False) + REASON_LOG)

    def subscribe():
        """Returns a stream, or None if the test was so slow that the token has expired."""
        stream = httpd.subscribe([("match", TOPIC)], token=token.subscriber(exp=int(time.time()) + 3), status=None)
        assert stream.status in (200, 401)
        return stream if stream.status == 200 else stream.close()

    with wait_until(subscribe, what="a stream") as stream:
        assert stream.wait_end(), "not ended cleanly"
        wait_reason(httpd, "expired")
