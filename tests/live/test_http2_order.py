"""HTTP/2 of the module itself: the order of responses on one connection, and the end of a connection."""
import struct
import threading

import pytest

import h2.settings

from env.h2 import Http2
from env.hub import PATH, hub
from env.wait import wait_until
from env.watch import STATUS, wait_subscribers
from test_http2_abuse import DATA, GOAWAY, HEADERS, PING, Raw, frame
from test_streams import TOPIC

pytestmark = pytest.mark.mpm("event")

BIG = 6 << 20
HUGE = 20 << 20  # more than the sockets hold
STREAM = (("accept", "text/event-stream"),)


def start(httpd, *directives):
    httpd.load("status")
    httpd.write("htdocs/page.html", "page")
    httpd.write("htdocs/big.bin", bytes(BIG))
    httpd.write("htdocs/huge.bin", bytes(HUGE))
    httpd.start(f"Protocols h2c http/1.1\nMercureHttp2 On\n{STATUS}" + hub(*directives))


class Held(Http2):
    """A client whose streams get no body until it opens their windows."""

    def __init__(self, port):
        super().__init__(port)
        self.conn.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 0})
        self.conn.increment_flow_control_window((1 << 30))
        self._send()

    def let_go(self, *streams):
        for stream in streams:
            self.conn.increment_flow_control_window(HUGE, stream.number)
        self._send()

    def wait_heads(self, *streams):
        self.wait(lambda: all(stream.status for stream in streams), "the heads of the responses")

    def places(self, stream):
        """The places of the frames with the body of STREAM among all frames with bodies."""
        bodies = [number for kind, _, number, length in self.frames() if kind == DATA and length > 0]
        return [place for place, number in enumerate(bodies) if number == stream.number]


@pytest.mark.parametrize("first,second", [("u=1", "u=7"), ("u=3", "u=3"), ("u=1", None)])
def test_no_download_starves(httpd, first, second):
    start(httpd)
    with Held(httpd.port) as conn:
        urgent = conn.open("/big.bin", [("priority", first)])
        other = conn.open("/big.bin", [("priority", second)] if second else [])
        conn.wait_heads(urgent, other)
        conn.let_go(urgent, other)
        conn.wait(lambda: urgent.ended and other.ended, "the downloads")
        assert len(urgent.body) == len(other.body) == BIG
        urgent_places, other_places = conn.places(urgent), conn.places(other)
        early = sum(place < urgent_places[-1] for place in other_places)
        # Some of its frames come meanwhile, but far fewer than those of the urgent stream.
        assert 10 < early < len(urgent_places) / 4


def test_urgency(httpd):
    start(httpd)
    with Held(httpd.port) as conn:
        late = conn.open("/big.bin", [("priority", "u=6")])
        soon = conn.open("/big.bin", [("priority", "u=2, i")])
        conn.wait_heads(late, soon)
        conn.let_go(late, soon)
        conn.wait(lambda: late.ended and soon.ended, "the downloads")
        assert conn.places(soon)[-1] < conn.places(late)[-1] - 100


def test_priority_update(httpd):
    start(httpd)
    with Held(httpd.port) as conn:
        first = conn.open("/big.bin", [("priority", "u=2")])
        second = conn.open("/big.bin", [("priority", "u=4")])
        conn.wait_heads(first, second)
        for stream, field in ((first, b"u=6"), (second, b"u=1")):
            conn.sock.sendall(frame(0x10, payload=struct.pack(">I", stream.number) + field))
        conn.let_go(first, second)
        conn.wait(lambda: first.ended and second.ended, "the downloads")
        assert conn.places(second)[-1] < conn.places(first)[-1] - 100


def test_downloads_side_by_side_without_priorities(httpd):
    start(httpd)
    with Held(httpd.port) as conn:
        streams = [conn.open("/big.bin") for _ in range(2)]
        conn.wait_heads(*streams)
        conn.let_go(*streams)
        conn.wait(lambda: all(stream.ended for stream in streams), "the downloads")
        assert abs(conn.places(streams[0])[-1] - conn.places(streams[1])[-1]) < 50


@pytest.mark.parametrize("field", ["u=0", "u=0, i", "u=1"])
def test_events_do_not_wait_behind_downloads(httpd, field):
    start(httpd)
    with Held(httpd.port) as conn:
        download = conn.open("/huge.bin", [("priority", field)])
        events = conn.open(f"{PATH}?match={TOPIC}", STREAM)
        conn.wait_heads(events, download)
        conn.let_go(events)
        conn.wait(lambda: events.parser.comments, "the stream")
        conn.let_go(download)
        conn.wait(lambda: download.body, "the download")
        httpd.publish(TOPIC, "x")
        conn.wait(lambda: events.parser.events, "the update")
        assert not download.ended
        conn.wait(lambda: download.ended, "the download")


def test_graceful_end_in_two_steps(httpd):
    """A request that was on its way when the server began to end is answered."""
    start(httpd)
    with Raw(httpd.port) as conn:
        conn.send(conn.request(1, f"{PATH}?match={TOPIC}", extra=STREAM))
        wait_subscribers(httpd, 1)
        restart = threading.Thread(target=httpd.graceful)
        restart.start()

        def frames(kind):
            conn.read()
            return [payload for other, flags, _, payload in conn.frames if other == kind and not (kind == PING and flags)]

        wait_until(lambda: frames(GOAWAY) and frames(PING), what="the notice")
        assert int.from_bytes(frames(GOAWAY)[0][:4], "big") == (1 << 31) - 1
        conn.send(conn.request(3) + frame(PING, 1, payload=frames(PING)[0]))
        wait_until(lambda: len(frames(GOAWAY)) == 2, what="the end of the notice")
        assert frames(GOAWAY)[1] == struct.pack(">II", 3, 0)
        wait_until(lambda: any(kind == DATA and number == 3 and payload == b"page" for kind, _, number, payload in conn.frames),
                   what="the answer")
        conn.send(conn.request(5))
        wait_until(lambda: frames(DATA) and conn.closed, what="the end of the connection")
        assert not any(kind == HEADERS and number == 5 for kind, _, number, _ in conn.frames)
        restart.join()


def test_client_that_does_not_answer_the_notice(httpd):
    start(httpd)
    with Raw(httpd.port) as conn:
        conn.send(conn.request(1, f"{PATH}?match={TOPIC}", extra=STREAM))
        wait_subscribers(httpd, 1)
        old = httpd.children()
        httpd.graceful()
        conn.wait_closed()
        assert [payload[:4] for kind, _, _, payload in conn.frames if kind == GOAWAY] == [b"\x7f\xff\xff\xff", b"\0\0\0\1"]
        wait_until(lambda: not set(old) & set(httpd.children()), 60, "the end of the old children", 0.1)
