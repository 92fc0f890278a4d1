"""HTTP/2 of the module itself: what a hostile client gets while another client is served."""
import itertools
import socket
import struct
import threading
import time

import hpack
import pytest

from env.h2 import Http2
from env.httpd import HAS_SANITIZER
from env.hub import PATH, hub
from env.wait import DEADLINE, wait_until
from env.watch import STATUS, number

pytestmark = [pytest.mark.mpm("event"), pytest.mark.sanitize]

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 2, 3, 4, 6, 7, 8, 9
PROTOCOL_ERROR, REFUSED_STREAM, CANCEL, ENHANCE_YOUR_CALM = 1, 7, 8, 11
END_STREAM, END_HEADERS, PADDED = 1, 4, 8


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


class Raw:
    """A connection (h2c) on which the test writes frames."""

    def __init__(self, port, settings=b"", preface=True):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)
        self.port = port
        self.encoder = hpack.Encoder()
        self.bytes = b""
        self.frames = []
        self.closed = False
        if preface:
            self.send(PREFACE + frame(SETTINGS, payload=settings))

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.sock.close()

    def send(self, data):
        """Returns False if the server has closed the connection."""
        self.sock.settimeout(DEADLINE)
        try:
            self.sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            self.closed = True
        return not self.closed

    def request(self, stream, path="/page.html", method="GET", flags=END_STREAM | END_HEADERS, extra=()):
        block = self.encoder.encode([(":method", method), (":path", path), (":scheme", "http"),
                                     (":authority", f"localhost:{self.port}"), *extra])
        return frame(HEADERS, flags, stream, block)

    def read(self, seconds=0.05):
        """Reads what has come."""
        self.sock.settimeout(seconds)
        try:
            data = self.sock.recv(1 << 20)
            self.closed = self.closed or not data
        except TimeoutError:
            return
        except ConnectionResetError:
            self.closed = True
            return
        self.bytes += data
        while len(self.bytes) >= 9 and len(self.bytes) >= 9 + int.from_bytes(self.bytes[:3], "big"):
            end = 9 + int.from_bytes(self.bytes[:3], "big")
            self.frames.append((self.bytes[3], self.bytes[4], int.from_bytes(self.bytes[5:9], "big"), self.bytes[9:end]))
            self.bytes = self.bytes[end:]

    def goaway(self):
        """The error code of the server's GOAWAY; None if none has come."""
        return next((int.from_bytes(payload[4:8], "big") for kind, _, _, payload in self.frames if kind == GOAWAY), None)

    def wait_closed(self):
        end = time.monotonic() + DEADLINE
        while not self.closed:
            assert time.monotonic() < end, f"still open; {[kind for kind, *_ in self.frames]}"
            self.read(0.2)


# Requests of HTTP/2 have 40 threads.
ONE_CHILD = """
    StartServers 1
    ServerLimit 1
    ThreadsPerChild 16
    ThreadLimit 16
    MaxRequestWorkers 16
    AsyncRequestWorkerFactor 64
"""


def start(httpd, *body, timeout=30):
    httpd.load("status")
    port = httpd.add_port()
    httpd.write("htdocs/page.html", "page")
    httpd.write("htdocs/big.bin", bytes(8 << 20))
    # With its filter, the kernel would keep a silent connection for half a minute.
    httpd.start(f"AcceptFilter http none\nProtocols h2c http/1.1\nTimeout {timeout}\n{STATUS}" +
                httpd.vhost("MercureHttp2 On", f"DocumentRoot {httpd.docroot}", hub(), *body, port=port))
    return port


def flood(port, frames, opening=b"", settings=b"", calm=True):
    """Sends FRAMES(raw, i) until the server ends the connection; another client is served all the time."""
    with Http2(port) as other, Raw(port, settings) as raw:
        if opening:
            raw.send(opening(raw))
        for i in range(2000):
            if not raw.send(frames(raw, i)):
                break
            raw.read(0.001)
            if i % 100 == 0:
                assert other.request("/page.html").body == b"page"
            if raw.closed:
                break
        assert raw.closed or raw.goaway() is not None, "the server takes a flood without end"
        raw.wait_closed()
        if calm and raw.goaway() is not None:
            assert raw.goaway() == ENHANCE_YOUR_CALM
        assert other.request("/page.html").body == b"page"


FLOODS = {
    "ping": lambda raw, i: frame(PING, payload=bytes(8)) * 100,
    "settings": lambda raw, i: frame(SETTINGS) * 100,
    "priority": lambda raw, i: frame(PRIORITY, stream=1, payload=struct.pack(">IB", 0, 1)) * 100,
    "window_update": lambda raw, i: frame(WINDOW_UPDATE, payload=struct.pack(">I", 1)) * 100,
    "unknown": lambda raw, i: frame(0xee, payload=bytes(8)) * 100,
    # nghttp2 ignores it, because of its length.
    "long_priority_update": lambda raw, i: frame(0x10, payload=struct.pack(">I", 1) + b"u=3" + b" " * 100) * 100,
    "rapid_reset": lambda raw, i: b"".join(
        raw.request(2 * (i * 100 + k) + 1) + frame(RST_STREAM, stream=2 * (i * 100 + k) + 1, payload=struct.pack(">I", 8))
        for k in range(100)),
    # No such method exists, so the server resets the request.
    "long_method": lambda raw, i: b"".join(
        raw.request(stream, method="M" * 101) for stream in range(200 * i + 1, 200 * i + 201, 2)),
    # The fields after the body are not a request.
    "rapid_reset_after_trailers": lambda raw, i: b"".join(
        raw.request(stream, method="POST", flags=END_HEADERS) +
        frame(HEADERS, END_STREAM | END_HEADERS, stream, raw.encoder.encode([("x-sum", "1")])) +
        frame(RST_STREAM, stream=stream, payload=struct.pack(">I", CANCEL))
        for stream in range(200 * i + 1, 200 * i + 201, 2)),
}


@pytest.mark.parametrize("kind", FLOODS)
def test_flood(httpd, kind):
    httpd.expect_log("MRC130[12]", required=False)
    port = start(httpd, "LimitRequestLine 100")
    flood(port, FLOODS[kind])
    wait_until(lambda: number(httpd, "BusyWorkers") <= 1, what="idle workers")


@pytest.mark.parametrize("field", [b"\x01a\x03b\x01b", b"\x03a b\x01b", b"\x01A\x01b"], ids=["value", "name", "upper_case"])
def test_field_that_http_does_not_allow(httpd, field):
    """The request is reset; without the field, it would not be the request that the client meant."""
    port = start(httpd)
    with Raw(port) as raw:
        good = raw.encoder.encode([(":method", "GET"), (":path", "/page.html"), (":scheme", "http"),
                                   (":authority", "localhost")])
        raw.send(frame(HEADERS, END_STREAM | END_HEADERS, 1, good + b"\x00" + field) + raw.request(3))
        end = time.monotonic() + DEADLINE
        while not any(kind == DATA and stream == 3 for kind, _, stream, _ in raw.frames):
            assert time.monotonic() < end and not raw.closed
            raw.read(0.2)
        assert [(kind, payload) for kind, _, stream, payload in raw.frames if stream == 1] == \
            [(RST_STREAM, struct.pack(">I", PROTOCOL_ERROR))]


@pytest.mark.parametrize("host", [":authority", "host"])
@pytest.mark.parametrize("path", ["/page.html", "http://localhost/page.html", "@localhost/page.html", ":80/page.html",
                                  "page.html", "*"])
def test_scheme_that_is_not_http(httpd, host, path):
    """nghttp2 does not check the path of such a request."""
    port = start(httpd)
    with Raw(port) as raw:
        block = sorted([(":method", "GET"), (":path", path), (":scheme", "ftp"), (host, "localhost")])
        raw.send(frame(HEADERS, END_STREAM | END_HEADERS, 1, raw.encoder.encode(block)))
        end = time.monotonic() + DEADLINE
        while not any(stream == 1 for *_, stream, _ in raw.frames):
            assert time.monotonic() < end and not raw.closed
            raw.read(0.2)
        fields = next(payload for kind, _, stream, payload in raw.frames if (kind, stream) == (HEADERS, 1))
        assert dict(hpack.Decoder().decode(fields))[":status"] == "400"


def test_requests_that_are_reset_before_a_thread_is_free(httpd):
    """Their responses would go nowhere, so no thread handles them."""
    httpd.sizing = ONE_CHILD
    port = start(httpd, 'CustomLog logs/reset.log "%U"', timeout=300)
    with Raw(port) as raw:
        # These requests have all threads that the connection may have.
        raw.send(b"".join(raw.request(2 * i + 1, f"/held/{i}", "POST", END_HEADERS) for i in range(20)))
        cancel = struct.pack(">I", CANCEL)
        raw.send(b"".join(raw.request(2 * i + 1, "/reset") + frame(RST_STREAM, stream=2 * i + 1, payload=cancel)
                          for i in range(20, 40)) + raw.request(81, "/last"))
        raw.send(b"".join(frame(DATA, END_STREAM, 2 * i + 1) for i in range(20)))
        wait_until(lambda: "/last" in httpd.lines("logs/reset.log"), what="the last request")
    assert "/reset" not in httpd.lines("logs/reset.log")


def test_flood_of_fields_for_a_closed_stream(httpd):
    port = start(httpd)
    flood(port, lambda raw, i: raw.request(1) * 100,
          opening=lambda raw: raw.request(1) + frame(RST_STREAM, stream=1, payload=struct.pack(">I", CANCEL)))


@pytest.mark.parametrize("data", [frame(DATA, stream=1), frame(DATA, PADDED, 1, b"\0"), frame(DATA, PADDED, 1, b"\2\0\0")],
                         ids=["empty", "empty_padding", "padding"])
def test_flood_of_empty_data(httpd, data):
    port = start(httpd)
    flood(port, lambda raw, i: data * 100, opening=lambda raw: raw.request(1, method="POST", flags=END_HEADERS))


@pytest.mark.parametrize("data", [frame(DATA, stream=1), frame(DATA, stream=1, payload=b"x")], ids=["empty", "byte"])
def test_flood_of_data_for_a_closed_stream(httpd, data):
    """nghttp2 ignores it, and does not report it."""
    port = start(httpd)
    flood(port, lambda raw, i: data * 100,
          opening=lambda raw: raw.request(1, method="POST", flags=END_HEADERS) +
          frame(RST_STREAM, stream=1, payload=struct.pack(">I", CANCEL)))


def test_uploads_on_their_way_to_closed_streams(httpd):
    """All that the window of a connection allows may come for streams that are closed."""
    port = start(httpd)
    with Raw(port) as raw:
        end = time.monotonic() + DEADLINE
        while window(raw) < 1_000_000:
            assert time.monotonic() < end and not raw.closed
            raw.read(0.2)
        cancel = struct.pack(">I", CANCEL)
        raw.send(b"".join(raw.request(stream, method="POST", flags=END_HEADERS) +
                          frame(RST_STREAM, stream=stream, payload=cancel) + body_frames(stream, 60_000)
                          for stream in range(1, 33, 2)) + raw.request(101))
        while not body_of(raw, 101):
            assert time.monotonic() < end and not raw.closed
            raw.read(0.2)


def test_flood_of_continuation(httpd):
    port = start(httpd)
    flood(port, lambda raw, i: frame(CONTINUATION, stream=1, payload=b"\x00\x01a\x01b" * 100) * 20,
          opening=lambda raw: raw.request(1, flags=END_STREAM), calm=False)


def test_flood_of_fields_without_a_name(httpd):
    port = start(httpd)
    bad = b"\x00\x00\x01v"  # a literal with an empty name
    flood(port, lambda raw, i: b"".join(
        frame(HEADERS, END_STREAM | END_HEADERS, 2 * (i * 50 + k) + 1,
              raw.encoder.encode([(":method", "GET"), (":path", "/page.html"), (":scheme", "http"),
                                  (":authority", "localhost")]) + bad * 100) for k in range(50)))


def test_client_that_does_not_read_its_socket(httpd):
    """Its windows are open, but its socket accepts nothing: the connection ends after Timeout."""
    port = start(httpd, timeout=2)
    with Http2(port) as other, Raw(port, struct.pack(">HI", 4, 0x7fffffff)) as raw:
        raw.send(frame(WINDOW_UPDATE, payload=struct.pack(">I", 0x7fff0000)))
        for i in range(10):
            raw.send(raw.request(2 * i + 1, "/big.bin"))
        for _ in range(20):
            assert other.request("/page.html").body == b"page"
        time.sleep(4)
        raw.wait_closed()
        assert sum(len(payload) for kind, _, _, payload in raw.frames if kind == DATA) < 80 << 20


def test_made_you_reset(httpd):
    """Each request is made faulty after it was sent, so that the server resets it (CVE-2025-8671)."""
    port = start(httpd)
    flood(port, lambda raw, i: b"".join(
        raw.request(2 * (i * 50 + k) + 1, "/big.bin") +
        frame(WINDOW_UPDATE, stream=2 * (i * 50 + k) + 1, payload=struct.pack(">I", 0x7fffffff)) for k in range(50)))


def test_large_blocks_of_fields(httpd):
    """A block that unpacks to many bytes: one field of 4,000 bytes, and references to it."""
    port = start(httpd)
    with Http2(port) as other, Raw(port) as raw:
        field = b"\x40\x01a" + b"\x7f" + bytes([0xa1, 0x1e]) + b"v" * 4000  # literal, indexed as 62
        block = raw.encoder.encode([(":method", "GET"), (":path", "/page.html"), (":scheme", "http"),
                                    (":authority", "localhost")])
        raw.send(frame(HEADERS, END_STREAM | END_HEADERS, 1, block + field + b"\xbe" * 12000))
        while not any(kind == HEADERS and stream == 1 for kind, _, stream, _ in raw.frames) and not raw.closed:
            raw.read(1)
        assert other.request("/page.html").body == b"page"


@pytest.mark.parametrize("opening", [b"", PREFACE[:10], PREFACE, PREFACE + frame(SETTINGS),
                                     PREFACE + frame(SETTINGS) + frame(HEADERS, 0, 1, b"\x82" * 100)[:50]],
                         ids=["silent", "half_preface", "preface", "settings", "half_frame"])
def test_connection_that_goes_on_no_further(httpd, opening):
    port = start(httpd, timeout=2)
    with Raw(port, preface=False) as raw:
        raw.send(opening)
        raw.wait_closed()


def test_half_preface_has_the_time_of_a_request(httpd):
    """Such a connection holds a thread of the MPM no longer than a request line of HTTP/1.1 would."""
    httpd.load("reqtimeout")
    port = start(httpd, "RequestReadTimeout header=1", timeout=300)
    with Raw(port, preface=False) as raw:
        raw.send(PREFACE[:10])
        raw.wait_closed()


def test_block_of_fields_without_end(httpd):
    port = start(httpd, timeout=2)
    with Raw(port) as raw:
        raw.send(raw.request(1, flags=END_STREAM))  # CONTINUATION would have to follow
        raw.wait_closed()


def test_client_that_keeps_its_windows_closed(httpd):
    """The client takes nothing of 100 downloads: others are served, and the streams are reset in the end."""
    port = start(httpd, timeout=3)
    with Http2(port) as other, Raw(port, struct.pack(">HI", 4, 0)) as raw:
        for i in range(100):
            raw.send(raw.request(2 * i + 1, "/big.bin"))
        for _ in range(20):
            assert other.request("/page.html").body == b"page"
        resets = set()
        end = time.monotonic() + 60
        while len(resets) < 100 and not raw.closed:
            assert time.monotonic() < end
            raw.read(0.2)
            resets = {stream for kind, _, stream, _ in raw.frames if kind == RST_STREAM}


def test_requests_that_give_a_stalled_one_no_more_time(httpd):
    """Each of these requests is answered before its body has come, and gets a moment for the rest."""
    port = start(httpd, timeout=2)
    with Raw(port) as raw:
        # The window of the stream stays closed after 64 KB.
        raw.send(frame(WINDOW_UPDATE, payload=struct.pack(">I", 1 << 20)) + raw.request(1, "/big.bin"))
        end, stream = time.monotonic() + DEADLINE, 3
        while not any(kind == RST_STREAM and stream == 1 for kind, _, stream, _ in raw.frames):
            assert time.monotonic() < end and not raw.closed
            raw.send(raw.request(stream, PATH, "POST", END_HEADERS))
            stream += 2
            time.sleep(0.5)
            raw.read(0.01)


def test_body_that_does_not_come(httpd):
    port = start(httpd, timeout=2)
    with Raw(port) as raw:
        raw.send(raw.request(1, method="POST", flags=END_HEADERS))
        end = time.monotonic() + DEADLINE
        while not any(kind in (HEADERS, RST_STREAM) and stream == 1 for kind, _, stream, _ in raw.frames):
            assert time.monotonic() < end and not raw.closed
            raw.read(0.2)


def test_streams_above_the_limit(httpd):
    port = start(httpd)
    with Raw(port, struct.pack(">HI", 4, 0)) as raw:  # no window, so that no stream ends
        for i in range(300):
            raw.send(raw.request(2 * i + 1, "/big.bin"))
        refused = set()
        end = time.monotonic() + DEADLINE
        while len(refused) < 44:
            assert time.monotonic() < end and not raw.closed, len(refused)
            raw.read(0.2)
            refused |= {stream for kind, _, stream, payload in raw.frames if kind == RST_STREAM}


def body_frames(stream, count):
    return b"".join(frame(DATA, stream=stream, payload=bytes(size)) for size in
                    [16384] * (count // 16384) + [count % 16384])


def window(raw, window=65535):
    """The bytes that the client may still send on the connection."""
    return window + sum(int.from_bytes(payload, "big") for kind, _, stream, payload in raw.frames
                        if kind == WINDOW_UPDATE and stream == 0)


def upload(raw, first, count, each=60_000):
    """Sends COUNT requests with a body of EACH bytes and no end, as far as the window of the connection allows; returns
    their number."""
    sent = 0
    for i in range(count):
        end = time.monotonic() + 2
        while window(raw) < sent + each and time.monotonic() < end and not raw.closed:
            raw.read(0.05)
        if window(raw) < sent + each:
            return i
        stream = first + 2 * i
        raw.send(raw.request(stream, method="POST", flags=END_HEADERS) + body_frames(stream, each))
        sent += each
    return count


def test_requests_without_end_leave_threads_for_others(httpd):
    """There are more requests than threads, and their bodies do not come: a connection gets half of the threads."""
    httpd.sizing = ONE_CHILD
    port = start(httpd, timeout=300)
    with Raw(port) as raw, Http2(port) as other:
        raw.send(b"".join(raw.request(2 * i + 1, method="POST", flags=END_HEADERS) for i in range(100)))
        for _ in range(20):
            assert other.request("/page.html").body == b"page"


def trickle(raws, stop):
    """Sends a byte of each request from time to time, so that none waits for Timeout."""
    while not stop.wait(0.2):
        for raw in raws:
            raw.send(b"".join(frame(DATA, stream=2 * i + 1, payload=b"x") for i in range(30)))


def ask(conn, seconds):
    """Sends a request, and waits for its answer for at most SECONDS."""
    page, end = conn.open("/page.html"), time.monotonic() + seconds
    while not page.ended and time.monotonic() < end:
        conn.pump(0.1)
    return page


def test_slow_bodies_on_two_connections(httpd):
    """They occupy all threads. When others wait for a thread, a request whose body comes this slowly ends."""
    httpd.expect_log("AH0|request body", required=False)
    httpd.sizing = ONE_CHILD
    port = start(httpd, timeout=2)
    stop = threading.Event()
    with Raw(port) as raw, Raw(port) as another, Http2(port) as other:
        for each in (raw, another):
            each.send(b"".join(each.request(2 * i + 1, method="POST", flags=END_HEADERS) for i in range(30)))
        slow = threading.Thread(target=trickle, args=((raw, another), stop))
        slow.start()
        try:
            page = other.request("/page.html")
            for _ in range(20):  # until all threads are busy
                if page.ended:
                    time.sleep(0.1)
                    page = ask(other, 1)
            other.wait(lambda: page.ended, "the page")
            assert page.body == b"page"
        finally:
            stop.set()
            slow.join()
    httpd.wait_log("MRC1305")


def test_bodies_that_nobody_reads_yet(httpd):
    """The server accepts a limited part of the bodies of a connection whose requests wait for a thread."""
    httpd.sizing = ONE_CHILD
    port = start(httpd, timeout=300)
    with Raw(port) as raw, Http2(port) as other:
        raw.read(0.5)
        # 20 threads read bodies; the other bodies wait in memory.
        sent = upload(raw, 1, 250)
        assert 60 < sent < 130, sent
        assert other.request("/page.html").body == b"page"


def is_refused(raw, stream):
    return (RST_STREAM, 0, stream, struct.pack(">I", REFUSED_STREAM)) in raw.frames


def test_memory_of_a_child_is_limited(httpd):
    """Above the limit of all connections, requests of a connection that holds much are refused, and may be repeated."""
    httpd.sizing = ONE_CHILD
    port = start(httpd, timeout=300)
    raws = [Raw(port) for _ in range(140)]
    for raw in raws[:80]:
        assert upload(raw, 1, 17) == 17
    with Raw(port) as raw:  # from half of the limit on, a connection may hold its window, but no more
        assert 17 <= upload(raw, 1, 70) < 50
    for raw in raws[80:]:
        assert upload(raw, 1, 17) == 17
    streams = itertools.count(101, 2)

    def refused():
        stream = next(streams)
        raws[-1].send(raws[-1].request(stream))  # its bodies wait for threads
        raws[-1].read(0.5)
        return is_refused(raws[-1], stream)

    wait_until(refused, what="a request that is refused")  # the server may not have read all of the bodies
    httpd.wait_log("MRC1304.* more than 134217728 bytes")
    with Http2(port) as other:
        page = other.open("/page.html")  # waits for a thread
        wait_until(refused, what="a request that is refused while another one waits")
        for raw in raws:
            raw.sock.close()
        other.wait(lambda: page.ended, "the page")
        assert not page.reset and page.body == b"page"


def anonymous_mb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon")) / 1024


def test_field_that_comes_many_times(httpd):
    """600 fields of one byte each on the wire become a field of 60 KB, and no more than that is copied."""
    httpd.sizing = ONE_CHILD
    port = start(httpd, "LimitRequestFieldSize 65536", timeout=300)
    with Raw(port) as raw, Http2(port) as other:
        assert other.request("/page.html").body == b"page"
        child, = httpd.children()
        before = anonymous_mb(child)
        fields = [("expect", "100-continue"), *[("x-field", "v" * 100)] * 500, *[("cookie", "c" * 100)] * 80]
        for stream in range(1, 41, 2):
            raw.send(raw.request(stream, method="POST", flags=END_HEADERS, extra=fields))
        end = time.monotonic() + DEADLINE
        while sum(kind == HEADERS for kind, *_ in raw.frames) < 20:  # 100: a thread waits for the body
            assert time.monotonic() < end and not raw.closed
            raw.read(0.2)
        assert anonymous_mb(child) - before < 40 or HAS_SANITIZER


@pytest.mark.parametrize("count,status", [(9, "200"), (10, "431")])
def test_bytes_of_all_fields(httpd, count, status):
    """The limit is 64 KB plus the size of one field (LimitRequestFieldSize, 8,190)."""
    port = start(httpd)
    with Http2(port) as conn:
        answer = conn.request("/page.html", [(f"x-{i}", "~" * 7900) for i in range(count)])
        assert str(answer.status) == status


def test_window_of_one_byte(httpd):
    """A client that takes one byte at a time gets the whole response, and delays no other."""
    port = start(httpd)
    with Http2(port) as other, Raw(port, struct.pack(">HI", 4, 1)) as raw:
        raw.send(raw.request(1))
        body, end = b"", time.monotonic() + DEADLINE
        while not any(kind == DATA and flags & END_STREAM for kind, flags, _, _ in raw.frames):
            assert time.monotonic() < end and not raw.closed
            before = len(raw.frames)
            raw.read(1)
            for kind, _, stream, payload in raw.frames[before:]:
                if kind == DATA and payload:
                    assert len(payload) == 1
                    body += payload
                    raw.send(frame(WINDOW_UPDATE, stream=1, payload=struct.pack(">I", 1)))
                    assert other.request("/page.html").body == b"page"
        assert body == b"page"


def test_window_that_is_never_opened_for_a_subscription(httpd):
    """The stream is reset with CANCEL after MercureDispatchTimeout; other streams get their events."""
    httpd.load("status")
    port = httpd.add_port()
    httpd.start("Protocols h2c http/1.1\n" + STATUS +
                httpd.vhost("MercureHttp2 On", hub("MercureDispatchTimeout 1"), port=port))
    target = f"{PATH}?match=https%3A%2F%2Fexample.com%2F1"
    with Http2(port) as other, Raw(port, struct.pack(">HI", 4, 0)) as raw:
        stream = other.open(target, (("accept", "text/event-stream"),))
        other.wait(lambda: stream.parser.comments, "the stream")
        raw.send(raw.request(1, target))
        end = time.monotonic() + DEADLINE
        while not any(kind == RST_STREAM for kind, *_ in raw.frames):
            assert time.monotonic() < end and not raw.closed
            raw.read(0.2)
        assert [(stream, int.from_bytes(payload, "big")) for kind, _, stream, payload in raw.frames
                if kind == RST_STREAM] == [(1, CANCEL)]
        httpd.publish("https://example.com/1", "x", port=port)
        other.wait(lambda: stream.parser.events, "the update")


CGI = """#!/usr/bin/python3
import os, sys
body = sys.stdin.buffer.read(1)
sys.stdout.buffer.write(b"Content-Type: text/plain\\n\\n" + b"x" * int(os.environ["QUERY_STRING"]))
sys.stdout.flush()
sys.stdin.buffer.read()
"""


def start_cgi(httpd):
    httpd.load("cgi")
    httpd.write("cgi/out", CGI, mode=0o755)
    return start(httpd, f"ScriptAlias /cgi/ {httpd.path('cgi')}/",
                 f"<Directory {httpd.path('cgi')}>\nRequire all granted\nOptions ExecCGI\n</Directory>", timeout=300)


def crowd(httpd, raw):
    """Requests responses of more than 4 MB in total, of which the client takes nothing yet; returns their streams."""
    sizes = {2 * i + 1: 200_000 if i < 20 else 15_000 for i in range(50)}
    raw.send(b"".join(raw.request(stream, f"/cgi/out?{size}") for stream, size in sizes.items()))
    end = time.monotonic() + DEADLINE
    while not sizes.keys() <= {stream for kind, _, stream, _ in raw.frames if kind == HEADERS}:
        assert time.monotonic() < end and not raw.closed
        raw.read(0.2)
    wait_until(lambda: number(httpd, "BusyWorkers") <= 1, what="idle workers")
    return list(sizes)


def body_of(raw, stream):
    return sum(len(payload) for kind, _, other, payload in raw.frames if kind == DATA and other == stream)


def test_response_in_a_crowd(httpd):
    """While a connection holds 4 MB for its client, a response continues as the client takes it."""
    port = start_cgi(httpd)
    with Raw(port, struct.pack(">HI", 4, 0)) as raw:
        crowd(httpd, raw)
        raw.send(raw.request(101, "/cgi/out?28000") + frame(WINDOW_UPDATE, stream=101, payload=struct.pack(">I", 30_000)))
        end = time.monotonic() + DEADLINE
        while body_of(raw, 101) < 28_000:
            assert time.monotonic() < end and not raw.closed, body_of(raw, 101)
            raw.read(0.2)


def test_upload_after_a_crowd(httpd):
    """The window of a connection, which is closed because of what it holds, opens again when the client has taken
    that."""
    httpd.expect_log("AH01225", required=False)
    port = start_cgi(httpd)
    with Raw(port, struct.pack(">HI", 4, 0)) as raw:
        streams = crowd(httpd, raw)
        for stream in range(101, 141, 2):  # as far as the window allows
            raw.send(raw.request(stream, "/cgi/out?1", "POST", END_HEADERS) + body_frames(stream, 50_000))
        for _ in range(20):  # meanwhile the bodies are read
            raw.read(0.1)
        opened = window(raw)
        assert opened < 1_100_000
        raw.send(b"".join(frame(WINDOW_UPDATE, stream=stream, payload=struct.pack(">I", 200_000))
                          for stream in streams + [0] * 30))
        end = time.monotonic() + DEADLINE
        while window(raw) == opened:
            assert time.monotonic() < end and not raw.closed
            raw.read(0.2)


NPH = """#!/usr/bin/python3
import sys
while True:
    sys.stdout.buffer.write(b"HTTP/1.1 102 Processing\\r\\n\\r\\n" * 1000)
"""


def test_script_that_never_ends_its_interim_responses(httpd):
    """They hold little memory, although their client does not read, and end with the stream."""
    httpd.sizing = ONE_CHILD
    httpd.write("cgi/nph-interim", NPH, mode=0o755)
    port = start_cgi(httpd)
    with Raw(port) as raw, Http2(port) as other:
        assert other.request("/page.html").body == b"page"
        child, = httpd.children()
        before = anonymous_mb(child)
        raw.send(raw.request(1, "/cgi/nph-interim"))
        for _ in range(20):
            assert other.request("/page.html").body == b"page"
            time.sleep(0.1)
        assert anonymous_mb(child) - before < 20 or HAS_SANITIZER
        raw.send(frame(RST_STREAM, stream=1, payload=struct.pack(">I", CANCEL)))
        wait_until(lambda: number(httpd, "BusyWorkers") <= 1, what="idle workers")
