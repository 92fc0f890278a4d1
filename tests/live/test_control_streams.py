"""HUB/control/streams: the open streams of all children, with every carrier."""
import calendar
import os
import re
import signal
import time
import urllib.parse

import pytest

import env.hub
from env import token
from env.h2 import Http2
from env.hub import PATH, hub
from env.operator import bearer, call, controlled, problem
from env.wait import wait_until
from env.watch import owner
from test_control import TOPIC, UUID, disconnect, subscribe, wait_ended

event_only = pytest.mark.mpm("event")

MEMBERS = ["subscriber", "sub", "matchers", "address", "since", "carrier", "waiting_bytes", "last_id"]


def page(httpd, connection=None, **fields):
    return call(httpd, "GET", "streams", fields, status=200, **(connection or {})).json


def listed(httpd, **fields):
    """All streams, page by page."""
    found, after = [], {}
    while True:
        document = page(httpd, **fields, **after)
        assert "unanswered" not in document
        found += document["streams"]
        if "after" not in document:
            return found
        after = {"after": document["after"]}


def wait_listed(httpd, count, **fields):
    """The streams, once there are COUNT of them."""
    found = []

    def complete():
        found[:] = listed(httpd, **fields)
        return len(found) == count

    wait_until(complete, what=f"{count} streams in the list")
    return found


def test_what_is_said_of_a_stream(httpd, mpm, each_carrier):
    httpd.start(controlled())
    assert page(httpd) == {"streams": []}
    began = time.time()
    alice = subscribe(httpd, [("match", TOPIC), ("match_urlpattern", "https://example.com/:a")], sub="alice")
    anonymous = httpd.subscribe([("match", "*")])
    wait_until(lambda: [one["last_id"] for one in listed(httpd)] == ["earliest"] * 2, what="both streams, which have begun")
    found = {stream["sub"]: stream for stream in listed(httpd)}
    assert set(found) == {"alice", None}
    stream = found["alice"]
    assert list(stream) == MEMBERS
    assert re.fullmatch(UUID, stream["subscriber"]) and stream["subscriber"] != found[None]["subscriber"]
    assert stream["matchers"] == [{"match": TOPIC, "match_type": "exact"},
                                  {"match": "https://example.com/:a", "match_type": "urlpattern"}]
    assert stream["address"] == "127.0.0.1"
    since = time.strptime(stream["since"], "%Y-%m-%dT%H:%M:%SZ")
    assert began - 2 < calendar.timegm(since) < time.time() + 2
    kept = "suspended" if mpm == "event" else "threaded"
    assert stream["carrier"] == (kept if env.hub.DETACH else "detached")
    newest = httpd.publish(TOPIC, "x" * 10).text
    assert alice.next().id == anonymous.next().id == newest

    def all_written():
        return all(one["last_id"] == newest and one["waiting_bytes"] == 0 for one in listed(httpd))

    wait_until(all_written, what="the id of the update, and nothing that waits")
    assert [one["sub"] for one in listed(httpd, sub="alice")] == ["alice"]
    assert [one["sub"] for one in listed(httpd, match="*")] == [None]
    assert [one["sub"] for one in listed(httpd, match=TOPIC, match_type="exact")] == ["alice"]
    assert listed(httpd, match=TOPIC, match_type="urlpattern") == listed(httpd, sub="bob") == []
    disconnect(httpd, subscriber=stream["subscriber"])
    wait_ended(alice)
    assert [one["sub"] for one in wait_listed(httpd, 1)] == [None]
    anonymous.close()
    wait_listed(httpd, 0)


@event_only
def test_pages_over_several_children(httpd):
    """Each stream that stays is listed once, however the list is cut into pages."""
    httpd.start(controlled())
    streams = [subscribe(httpd, sub=f"user {number}") for number in range(50)]
    while len({owner(httpd, stream.conn) for stream in streams}) < 2:
        streams.append(subscribe(httpd, sub=f"user {len(streams)}"))
    names = {f"user {number}" for number in range(len(streams))}
    assert {one["sub"] for one in wait_listed(httpd, len(streams))} == names
    for limit in (1, 7, len(streams) - 1, len(streams), 1000):
        found = [one["sub"] for one in listed(httpd, limit=limit)]
        assert len(found) == len(names) and set(found) == names
        first = page(httpd, limit=limit)
        assert len(first["streams"]) == min(limit, len(streams)) and ("after" in first) == (limit < len(streams))
    # Streams that come and go between two pages.
    first = page(httpd, limit=10)
    gone = first["streams"][-1]["sub"]
    disconnect(httpd, sub=gone)
    wait_ended(streams[int(gone.split()[1])])
    late = subscribe(httpd, sub="late")
    wait_listed(httpd, len(streams))
    rest, after = [], first["after"]
    while after:
        document = page(httpd, limit=10, after=after)
        rest += [one["sub"] for one in document["streams"]]
        after = document.get("after")
    seen = [one["sub"] for one in first["streams"]] + [sub for sub in rest if sub != "late"]
    assert len(seen) == len(set(seen)) == len(names) and set(seen) == names
    late.close()
    for stream in streams:
        stream.close()


@event_only
def test_many_streams(httpd):
    httpd.start(controlled() + "ListenBacklog 2000\nMercureDispatchers 2\n")
    streams = [httpd.subscribe([("match", TOPIC)]) for _ in range(1200)]
    assert len(wait_listed(httpd, 1200, limit=1000)) == 1200
    assert len({one["subscriber"] for one in listed(httpd, limit=333)}) == 1200
    assert len(page(httpd)["streams"]) == 100
    for stream in streams:
        stream.close()


@event_only
@pytest.mark.parametrize("tls", [False, True], ids=["h2c", "h2"])
def test_http2(httpd, tls):
    """Streams of HTTP/2 are listed, disconnected and revoked like all others."""
    port = httpd.add_port()
    httpd.start("Protocols h2 h2c http/1.1\n" + httpd.vhost("MercureHttp2 On", controlled(), port=port, tls=tls))
    where = {"port": port, "tls": tls}
    target = f"{PATH}?{urllib.parse.urlencode([('match', TOPIC)])}"
    head = [("accept", "text/event-stream")]

    def open_as(conn, count, **claims):
        return conn.open_all(count, target, [*head, ("authorization", f"Bearer {token.subscriber(**claims)}")])

    def opened(streams):
        return lambda: all(stream.parser.comments for stream in streams)

    def names():
        return sorted(one["sub"] for one in page(httpd, where)["streams"])

    with Http2(port, tls) as conn:
        alice, bob, carol = open_as(conn, 3, sub="alice"), open_as(conn, 2, sub="bob"), open_as(conn, 1, sub="carol")
        conn.wait(opened([*alice, *bob, *carol]), "six streams")
        assert names() == ["alice"] * 3 + ["bob"] * 2 + ["carol"]
        assert {one["carrier"] for one in page(httpd, where)["streams"]} == {"http2"}
        newest = httpd.publish(TOPIC, "x", **where).text
        conn.wait(lambda: all(len(stream.parser.events) == 1 for stream in [*alice, *bob, *carol]), "the update")
        assert {one["last_id"] for one in page(httpd, where)["streams"]} == {newest}
        call(httpd, "POST", "disconnect", {"sub": "alice"}, status=202, **where)
        conn.wait(lambda: all(stream.ended for stream in alice), "the end of alice's streams")
        assert all(500 <= stream.parser.retry <= 3000 for stream in alice)
        call(httpd, "POST", "revoke", {"sub": "bob"}, status=200, **where)
        conn.wait(lambda: all(stream.ended for stream in bob), "the end of bob's streams")
        assert all(stream.parser.retry is None for stream in bob)
        assert names() == ["carol"] and not carol[0].ended
        # The connection stays: alice may come back, bob may not.
        again, refused = open_as(conn, 1, sub="alice"), open_as(conn, 1, sub="bob")
        conn.wait(lambda: again[0].parser.comments and refused[0].ended, "an answer to both")
        assert refused[0].status == 401
        assert names() == ["alice", "carol"]


@event_only
def test_tls(httpd):
    port = httpd.add_port()
    httpd.start(httpd.vhost(controlled(), port=port, tls=True))
    stream = httpd.subscribe([("match", TOPIC)], port=port, tls=True)
    found = wait_until(lambda: page(httpd, {"port": port, "tls": True})["streams"], what="the stream")
    assert [one["carrier"] for one in found] == ["tls"]
    stream.close()


@event_only
def test_a_slow_client(httpd):
    httpd.start(controlled("MercureDispatchTimeout 600", "MercureSubscriberBacklog 64M"))
    stream = httpd.subscribe([("match", TOPIC)], rcvbuf=4096)
    ids = [httpd.publish(TOPIC, "x" * 100000).text for _ in range(80)]

    def waiting():
        one = listed(httpd)[0]
        return one["waiting_bytes"] > 1_000_000 and one["last_id"] == ids[-1]

    wait_until(waiting, what="bytes that wait for the client")
    assert [stream.next().id for _ in range(80)] == ids
    wait_until(lambda: listed(httpd)[0]["waiting_bytes"] == 0, what="nothing that waits")
    stream.close()


@event_only
def test_the_last_id_with_a_history_on_disk(httpd):
    httpd.start(controlled(f"MercureStore lmdb {httpd.path('store')}"))
    ids = [httpd.publish(TOPIC, str(number)).text for number in range(5)]
    stream = subscribe(httpd, [("match", TOPIC), ("last_event_id", ids[1])])
    assert [stream.next().id for _ in range(3)] == ids[2:]
    wait_until(lambda: [one["last_id"] for one in listed(httpd)] == [ids[-1]], what="the newest id")
    stream.close()


@event_only
def test_hubs_are_separate(httpd):
    httpd.start(controlled() + controlled(path="/other") + hub(path="/third"))
    first, second = httpd.subscribe([("match", "first")]), httpd.subscribe([("match", "second")], path="/other")
    assert [one["matchers"][0]["match"] for one in wait_listed(httpd, 1)] == ["first"]
    other = call(httpd, "GET", "streams", path="/other", status=200, authorization=bearer(aud="https://hub.example/other"))
    assert [one["matchers"][0]["match"] for one in other.json["streams"]] == ["second"]
    problem(call(httpd, "GET", "streams", path="/third"), 404)
    first.close()
    second.close()


@event_only
def test_a_child_that_does_not_answer(httpd):
    """The streams of the others are listed, and the document says that one child is missing; later all are listed
    again."""
    httpd.start(controlled())
    streams = [httpd.subscribe([("match", TOPIC)])]
    while len({owner(httpd, stream.conn) for stream in streams}) < 2:
        streams.append(httpd.subscribe([("match", TOPIC)]))
    wait_listed(httpd, len(streams))
    stopped = owner(httpd, streams[0].conn)
    os.kill(stopped, signal.SIGSTOP)
    try:
        document = None
        while document is None:  # the stopped child also accepts connections
            with httpd.connect(deadline=15) as conn:
                try:
                    response = conn.request("GET", f"{PATH}/control/streams", {"Authorization": f"Bearer {bearer()}"})
                    document = response.json
                except TimeoutError:
                    pass
    finally:
        os.kill(stopped, signal.SIGCONT)
    assert document["unanswered"] == 1 and 0 < len(document["streams"]) < len(streams)
    wait_listed(httpd, len(streams))
    for stream in streams:
        stream.close()


@event_only
def test_bad_fields(httpd):
    httpd.start(controlled())
    for fields, word in (({"limit": "0"}, "limit"), ({"limit": "1001"}, "limit"), ({"limit": "x"}, "limit"),
                         ({"limit": "-1"}, "limit"), ({"limit": "9" * 17}, "limit"), ({"after": "x"}, "after"),
                         ({"after": "1.2.3"}, "after"), ({"after": "1.2.3.4.5"}, "after"), ({"after": "9" * 81}, "after"),
                         ({"after": "1.2.3.99999999999"}, "after"), ({"match_type": "exact"}, "match"),
                         ({"match": "a", "match_type": "regexp"}, "match_type"), ({"jti": "1"}, "jti"),
                         ({"sub": "x" * 4097}, "sub")):
        assert word in problem(call(httpd, "GET", "streams", fields), 400)
    for text in (None, token.subscriber(), token.publisher()):
        problem(call(httpd, "GET", "streams", authorization=text), 401)
    response = call(httpd, "POST", "streams")
    problem(response, 405)
    assert response.header("Allow") == "GET, HEAD, OPTIONS"
    assert page(httpd, after="4000000000.1.2.3") == {"streams": []}
    assert page(httpd, sub="", match="", match_type="", limit="", after="") == {"streams": []}
    assert httpd.log().count("called GET streams") == 16


@event_only
def test_a_reload(httpd):
    """The streams of a child that ends do not stay in the list, and those of the new child are in it."""
    httpd.start(controlled())
    old = httpd.subscribe([("match", TOPIC)])
    wait_listed(httpd, 1)
    httpd.graceful(controlled())
    old.wait_end()
    new = httpd.subscribe([("match", "new")])
    assert [one["matchers"][0]["match"] for one in wait_listed(httpd, 1)] == ["new"]
    new.close()
