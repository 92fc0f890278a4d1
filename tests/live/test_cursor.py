"""MercureCursor: even a client that has had no event yet has a cursor."""
import json
import os
import shutil
import subprocess
import time
import urllib.parse

import pytest

from env import token
from env.h2 import Http2
from env.hub import PATH, hub
from env.wait import wait_until
from test_clients import NODE
from test_streams import LARGE

TOPIC = "https://example.com/books/1"
OTHER = "https://example.com/books/2"

# What Chromium sends for an EventSource over plain http.
BROWSER = {"Accept": "text/event-stream", "Cache-Control": "no-cache", "Accept-Language": "en-US,en;q=0.9"}

each_carrier = pytest.mark.usefixtures("each_carrier")


def next_position(stream):
    """The next position in STREAM."""
    stream._pump_until(lambda: stream.parser.positions, 30, "a position")
    return stream.parser.positions.pop(0)


def position_of(httpd, query=(("match", TOPIC),), headers=BROWSER, **more):
    """The id with which a new stream begins."""
    with httpd.subscribe(list(query), headers, **more) as stream:
        return next_position(stream)


def check_position(text):
    assert len(text) == 61 and text[0] == "#", text
    return text


def replayed(httpd, cursor, end, field=True, **more):
    """The ids that a stream with CURSOR gets, up to END; and its Mercure-Last-Event-ID."""
    headers = {"Last-Event-ID": cursor} if field else {}
    query = [("match", TOPIC)] + ([] if field else [("last_event_id", cursor)])
    ids = []
    with httpd.subscribe(query, headers, **more) as stream:
        while not ids or ids[-1] != end:
            ids.append(stream.next().id)
        return ids, stream.response.header("Mercure-Last-Event-ID")


@pytest.mark.sanitize
@each_carrier
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_a_stream_begins_with_its_position(httpd, tls):
    port = httpd.add_port()
    more = {"port": port, "tls": tls}
    httpd.start(httpd.vhost(hub(), port=port, tls=tls))
    assert position_of(httpd, **more) == "earliest"
    first = httpd.publish(TOPIC, "1", **more).text
    position = check_position(position_of(httpd, **more))
    # Two positions at the same place differ, so they do not reveal whether there was an update in between.
    assert check_position(position_of(httpd, **more)) != position
    with httpd.subscribe([("match", TOPIC)], BROWSER, **more) as stream:
        check_position(next_position(stream))
        assert stream.parser.comments == [""] and not stream.parser.events
        second = httpd.publish(TOPIC, "2", **more).text
        assert stream.next().id == second
    third = httpd.publish(TOPIC, "3", **more).text
    for field in (True, False):
        assert replayed(httpd, position, third, field, **more) == ([second, third], position)
        assert replayed(httpd, "earliest", third, field, **more) == ([first, second, third], "earliest")
    # With a cursor, the position is the place after it: what follows is not replayed yet.
    with httpd.subscribe([("match", TOPIC)], BROWSER | {"Last-Event-ID": second}, **more) as stream:
        again = check_position(next_position(stream))
        assert stream.next().id == third
    assert replayed(httpd, again, third, **more) == ([third], again)
    # An unknown cursor is before everything in the history.
    with httpd.subscribe([("match", TOPIC)], BROWSER | {"Last-Event-ID": "unknown"}, **more) as stream:
        assert stream.response.header("Mercure-Last-Event-ID") == "earliest"
        again = check_position(next_position(stream))
    assert replayed(httpd, again, third, **more) == ([first, second, third], again)
    head = httpd.request("HEAD", f"{PATH}?match={TOPIC}", {"Last-Event-ID": position}, **more)
    assert head.header("Mercure-Last-Event-ID") == position


@pytest.mark.mpm("event")
@pytest.mark.parametrize("agent,is_event", [
    ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", True),
    ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15", True),
    ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36", False),
], ids=["firefox", "webkit", "chromium"])
def test_browsers_that_keep_only_ids_of_events_get_positions_as_events(httpd, agent, is_event):
    """At the beginning of a stream, and in place of heartbeats."""
    httpd.start(hub("MercureHeartbeat 1"))
    with httpd.subscribe([("match", TOPIC)], BROWSER | {"User-Agent": agent}) as stream:
        for _ in range(2):
            next_position(stream)
        assert stream.parser.position_events == 2 * is_event and not stream.parser.events


@pytest.mark.sanitize
@each_carrier
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_positions_take_the_place_of_heartbeats(httpd, tls):
    port = httpd.add_port()
    more = {"port": port, "tls": tls}
    httpd.start(httpd.vhost(hub("MercureHeartbeat 1"), port=port, tls=tls))
    with httpd.subscribe([("match", TOPIC)], BROWSER, **more) as stream, \
            httpd.subscribe([("match", TOPIC)], **more) as plain:
        assert next_position(stream) == "earliest"
        hidden = httpd.publish(OTHER, "not for this stream", **more).text
        before = check_position(next_position(stream))
        # Every heartbeat has a new position, even while nothing happens.
        same = check_position(next_position(stream))
        assert same != before
        private = httpd.publish(TOPIC, "private", fields=[("private", "on")], **more).text
        for _ in range(3):
            after = check_position(next_position(stream))
        seen = httpd.publish(TOPIC, "public", **more).text
        assert stream.next().id == seen
        del stream.parser.positions[:]  # from before the update
        position = check_position(next_position(stream))
        # Other clients get comments.
        assert plain.next().id == seen
        plain.wait_comment(3)
        assert plain.parser.last_event_id == seen
    assert stream.parser.comments == [""]
    end = httpd.publish(TOPIC, "the end", **more).text
    reader = {"token": token.mint(token.SUBSCRIBER_KEY, details=[token.detail(["subscribe"], ["*"])])}
    for cursor in (before, same):
        assert replayed(httpd, cursor, end, **reader, **more)[0] == [private, seen, end]
    assert replayed(httpd, after, end, **reader, **more)[0] == [seen, end]
    assert replayed(httpd, position, end, **reader, **more)[0] == [end]
    assert hidden not in (before, same, after)


AUTO = [
    ({}, True),
    ({"Accept-Language": None, "Sec-Fetch-Mode": "cors"}, True),
    ({"Accept-Language": None, "Sec-Fetch-Site": "same-origin"}, True),
    ({"Cache-Control": "No-Cache"}, True),
    ({"Last-Event-ID": "earliest"}, True),
    ({"Cookie": "a=b"}, True),
    ({"Accept-Language": None}, False),
    ({"Cache-Control": None}, False),
    ({"Cache-Control": "no-store"}, False),
    ({"Accept": None}, False),
    ({"Accept": "*/*"}, False),
    ({"Accept": "text/event-stream, */*"}, False),
    ({"Authorization": "Basic YTpi"}, False),
]


@pytest.mark.mpm("event")
def test_auto_recognizes_the_event_source_of_a_browser(httpd):
    httpd.start(hub())

    def begins_with_id(changes, method="GET"):
        headers = {name: value for name, value in (BROWSER | changes).items() if value}
        headers.setdefault("Accept", "")
        more = {}
        if method == "QUERY":
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            more = {"body": urllib.parse.urlencode([("match", TOPIC)])}
        query = [] if method == "QUERY" else [("match", TOPIC)]
        with httpd.subscribe(query, headers, method=method, **more) as stream:
            stream.wait_comment(1)
            return stream.parser.last_event_id != ""

    for changes, wanted in AUTO:
        assert begins_with_id(changes) == wanted, changes
    assert not begins_with_id({}, "QUERY")


@pytest.mark.mpm("event")
def test_on_and_off(httpd):
    httpd.start(hub("MercureCursor On", "MercureHeartbeat 1") + hub("MercureCursor Off", path="/off", name="off"))
    assert position_of(httpd, headers={}) == "earliest"
    httpd.publish(TOPIC, "1")
    with httpd.subscribe([("match", TOPIC)]) as stream:
        assert check_position(next_position(stream)) != check_position(next_position(stream))
    with httpd.subscribe([("match", TOPIC)], BROWSER, path="/off") as stream:
        stream.wait_comment(1)
        assert stream.parser.last_event_id == ""
    for value in ("on off", "yes", ""):
        checked = httpd.configtest(hub(f"MercureCursor {value}"))
        assert checked.status != 0 and "MercureCursor" in checked.output, checked


@pytest.mark.mpm("event")
@pytest.mark.parametrize("store", ["memory", "lmdb"])
def test_a_position_that_the_history_has_dropped_is_an_unknown_cursor(httpd, store):
    where = "MercureStore lmdb histories" if store == "lmdb" else "MercureStore memory"
    httpd.start(hub("MercureHistory count=3", "MercureLegacy On", where))
    httpd.publish(TOPIC, "0")
    position = check_position(position_of(httpd))
    ids = [httpd.publish(TOPIC, str(i)).text for i in range(3)]
    assert replayed(httpd, position, ids[-1]) == (ids, position)
    ids.append(httpd.publish(TOPIC, "3").text)
    assert replayed(httpd, position, ids[-1]) == (ids[1:], "earliest")
    with httpd.subscribe([("topic", TOPIC)], {"Last-Event-ID": position}) as stream:
        assert stream.response.header("Mercure-Last-Event-ID") == "earliest"
        assert stream.response.header("Last-Event-ID") == "earliest"
    # So is a forged position.
    fresh = check_position(position_of(httpd))
    for forged in (fresh[:-1] + ("A" if fresh[-1] != "A" else "B"), "#" + "A" * 60, "#", fresh[:-1], fresh + "A"):
        assert replayed(httpd, forged, ids[-1]) == (ids[1:], "earliest")
    httpd.publish(TOPIC, "0", fields=[("id", fresh)], status=400)


@pytest.mark.mpm("event")
def test_history_off_has_no_positions(httpd):
    httpd.start(hub("MercureHistory Off"))
    httpd.publish(TOPIC, "1")
    assert position_of(httpd) == "earliest"


@pytest.mark.mpm("event")
def test_an_expired_history_is_empty(httpd):
    httpd.start(hub("MercureHistory age=1"))
    httpd.publish(TOPIC, "1")
    position = position_of(httpd)
    wait_until(lambda: position_of(httpd) == "earliest", what="the end of the history")
    # Nothing was published since.
    with httpd.subscribe([("match", TOPIC)], {"Last-Event-ID": position}) as stream:
        assert stream.response.header("Mercure-Last-Event-ID") == position


@pytest.mark.parametrize("store", ["memory", "lmdb"])
def test_positions_survive_what_the_history_survives(httpd, store):
    def config(count, *more):
        where = "MercureStore lmdb histories" if store == "lmdb" else "MercureStore memory"
        return hub(f"MercureHistory count={count}", where, *more)

    httpd.start(config(100))
    httpd.publish(TOPIC, "0")
    position = position_of(httpd)
    ids = [httpd.publish(TOPIC, "1").text]

    def check(known=True):
        ids.append(httpd.publish(TOPIC, "more").text)
        got, header = replayed(httpd, position, ids[-1])
        assert (got, header) == (ids, position) if known else header == "earliest"

    check()
    httpd.graceful()
    check()
    httpd.graceful(config(200, "MercureLimit body=2M"))  # the hub moves to another segment
    check()
    httpd.kill_child()
    check()
    httpd.restart()  # SIGHUP
    check()
    if store == "lmdb":
        httpd.stop()
        httpd.start()
        check()
        httpd.expect_log(r"AH00098: pid file .* overwritten", required=False)
        httpd.crash()
        httpd.start()
        check()
    else:
        httpd.stop()
        httpd.start(config(100))
        ids.clear()
        check(known=False)


@pytest.mark.mpm("event")
def test_a_history_from_a_backup_does_not_know_newer_positions(httpd):
    """The numbers of the records that the backup lacks are used again."""

    def copy(source, target):
        subprocess.run(["cp", "-a", source, target], check=True)

    httpd.start(hub("MercureStore lmdb histories"))
    first = httpd.publish(TOPIC, "0").text
    httpd.stop()
    copy(httpd.path("histories"), httpd.path("backup"))
    httpd.start()
    httpd.publish(TOPIC, "1")
    httpd.publish(TOPIC, "2")
    position = position_of(httpd)
    assert replayed(httpd, position, httpd.publish(TOPIC, "3").text)[1] == position
    httpd.stop()
    shutil.rmtree(httpd.path("histories"))
    copy(httpd.path("backup"), httpd.path("histories"))
    httpd.start()
    assert replayed(httpd, position, first) == ([first], "earliest")
    time.sleep(6)  # longer than the clocks of machines may differ
    ids = [first] + [httpd.publish(TOPIC, "again").text for _ in range(3)]
    assert replayed(httpd, position, ids[-1]) == (ids, "earliest")


@pytest.mark.mpm("event")
@pytest.mark.parametrize("own", ["On", "Off"])
@pytest.mark.parametrize("tls", [False, True], ids=["h2c", "h2"])
def test_positions_over_http2(httpd, tls, own):
    httpd.load("http2")
    port = httpd.add_port()
    httpd.start("Protocols h2 h2c http/1.1\n" + httpd.vhost(f"MercureHttp2 {own}", hub("MercureHeartbeat 1"), port=port,
                                                            tls=tls))
    httpd.publish(TOPIC, "0", port=port, tls=tls)
    headers = [(name.lower(), value) for name, value in BROWSER.items()]
    with Http2(port, tls=tls) as client:
        stream = client.open(f"{PATH}?{urllib.parse.urlencode([('match', TOPIC)])}", headers)

        client.wait(lambda: len(stream.parser.positions) >= 3, "positions")
        for text in stream.parser.positions:
            check_position(text)


# ---- browsers ------------------------------------------------------------------------------------


class Pages:
    """A hundred EventSources of Chromium."""

    ADDRESSES, EACH = 20, 5

    def __init__(self, httpd):
        program = os.path.join(NODE, "node_modules/.bin/node")
        if not os.path.exists(program):
            pytest.skip("run npm ci in tests/node to install Node and the clients")
        pages = [f"http://127.0.0.{i + 1}:{httpd.port}/index.html" for i in range(self.ADDRESSES)]
        self._process = subprocess.Popen(
            [program, os.path.join(NODE, "cursor.mjs"), json.dumps({"pages": pages, "each": self.EACH})],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._process.stdin.close()
        self._process.wait(60)

    def _ask(self, **command):
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def open(self, url):
        """Opens URL in all of them, and waits until they are open."""
        self._ask(open=url)
        wait_until(lambda: all(state == 1 for state, _, _ in self._ask(look=True)), 60, "open EventSources")

    def away(self):
        """The number of streams that have ended and are not open again."""
        return sum(state == 0 for state, _, _ in self._ask(look=True))

    def data(self):
        return [data for _, _, data in self._ask(look=True)]


@pytest.mark.mpm("event")
@pytest.mark.skipif(not shutil.which("chromium"), reason="Debian's chromium is not installed")
def test_a_hundred_pages_that_have_seen_nothing_lose_nothing(httpd):
    httpd.sizing = LARGE
    httpd.write("htdocs/index.html", "<!doctype html><link rel=icon href='data:,'><title>page</title>\n")
    httpd.start("".join(f"Listen 127.0.0.{i + 1}:{httpd.port}\n" for i in range(1, Pages.ADDRESSES))
                + hub() + hub("MercureConnectionLifetime 5", path="/short", name="short"))

    def kill_all():
        for pid in httpd.children():
            httpd.kill_child(pid)

    ends = [("a kill of the children", PATH, kill_all, 20),
            ("a graceful restart", PATH, httpd.graceful, 20),
            ("the end of their lifetime", "/short", lambda: None, 10)]
    with Pages(httpd) as pages:
        for what, path, end, least in ends:
            topic = f"https://example.com/{what}"
            minted = token.publisher(aud=f"https://hub.example{path}")
            for before in ("an empty history", "a history"):
                url = f"{path}?{urllib.parse.urlencode([('match', topic + before)])}"
                pages.open(url)
                assert pages.data() == [[]] * 100
                end()
                wait_until(lambda: pages.away() >= least, 30, f"{least} pages without a stream")
                httpd.publish(topic + before, before, path=path, token=minted)
                wait_until(lambda: all(pages.data()), 60, f"the update, after {what}")
                assert pages.data() == [[before]] * 100
                httpd.publish(topic + before, "last", path=path, token=minted)
                wait_until(lambda: all("last" in data for data in pages.data()), 60, "the last update")
                assert pages.data() == [[before, "last"]] * 100
