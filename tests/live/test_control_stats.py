"""HUB/control/stats: a single document, or one each second."""
import json
import time

import pytest

from env import sse, token
from env.hub import PATH
from env.operator import bearer, call, controlled, problem
from env.wait import wait_until
from test_control import TOPIC

event_only = pytest.mark.mpm("event")


def stats(httpd, **more):
    return call(httpd, "GET", "stats", status=200, **more).json


@event_only
def test_the_document(httpd):
    httpd.start(controlled("MercureHistory count=5"))
    first = stats(httpd)
    assert list(first) == ["subscribers", "publications_per_s", "deliveries_per_s", "latency_ms", "topics", "history",
                           "memory_bytes", "children", "machines"]
    assert first["latency_ms"] == {"p50": None, "p90": None, "p99": None}
    assert first["topics"] == {"receivers": [], "updates": []} and first["history"] == {"updates": 0, "bytes": 0}
    assert first["subscribers"] == 0 and 4096 < first["memory_bytes"] <= 131_072 and first["machines"] == 1
    assert first["children"] >= 2
    streams = [httpd.subscribe([("match", TOPIC)]) for _ in range(6)]
    quiet = 'https://example.com/"quiet"\\é'
    for _ in range(7):
        httpd.publish([TOPIC, "https://example.com/other"], "x" * 100)
    for _ in range(3):
        httpd.publish(quiet, "x")
    for stream in streams:
        stream.take(7)

    now = stats(httpd)  # whichever child answers, it knows of the samples that others have kept
    assert now["subscribers"] == 6
    counts = {kind: {one["topic"]: one["count"] for one in now["topics"][kind]} for kind in now["topics"]}
    # An estimate, because no process waits for another one that is counting.
    most = {"updates": {TOPIC: 7, "https://example.com/other": 7, quiet: 3},
            "receivers": {TOPIC: 42, "https://example.com/other": 42}}
    for kind, topics in most.items():
        assert set(counts[kind]) == set(topics)
        assert all(0 < counts[kind][topic] <= count for topic, count in topics.items()), counts
        assert list(counts[kind].values()) == sorted(counts[kind].values(), reverse=True)  # the busiest come first
    assert now["history"]["updates"] == 5 and now["history"]["bytes"] > 0
    latency = now["latency_ms"]
    assert 0 < latency["p50"] <= latency["p90"] <= latency["p99"]
    for stream in streams:
        stream.close()


@event_only
def test_rates(httpd):
    """The rates are those of the last seconds, whichever child answers."""
    httpd.start(controlled())
    assert stats(httpd)["publications_per_s"] == 0
    with httpd.subscribe([("match", "*")]) as stream:
        def measured():
            for _ in range(40):
                httpd.publish(TOPIC, "x")
            stream.take(40)
            now = stats(httpd)
            return min(now["publications_per_s"], now["deliveries_per_s"]) > 0

        # Within ten seconds, which a busy machine may take for it.
        wait_until(measured, what="rates")


@event_only
def test_many_topics(httpd):
    """The list is bounded, long topics are cut between characters, and the busiest is never missing."""
    httpd.start(controlled() + "MaxKeepAliveRequests 0\n")
    long = "https://example.com/" + "é" * 500
    head = {"Authorization": f"Bearer {token.publisher()}", "Content-Type": "application/x-www-form-urlencoded"}
    with httpd.connect() as conn:
        for number in range(400):
            for topic in ([f"https://example.com/{number}"] + [long] * (number % 4 == 0)):
                assert conn.request("POST", PATH, head, f"topic={topic}&data=x".encode()).status == 200
    updates = stats(httpd)["topics"]["updates"]
    assert len(updates) == 20 and all(one["count"] >= 1 for one in updates)
    assert updates[0]["count"] >= 90 and long.startswith(updates[0]["topic"]) and len(updates[0]["topic"]) > 100


def test_a_stream_of_stats(httpd):
    httpd.start(controlled())
    with sse.EventSource(httpd.port, f"{PATH}/control/stats", {"Authorization": f"Bearer {bearer()}"}) as stream:
        assert stream.status == 200 and stream.response.header("Content-Type") == "text/event-stream"
        documents = [json.loads(stream.next().data) for _ in range(3)]
        assert all(document["subscribers"] == 0 for document in documents)
        call(httpd, "POST", "revoke", {"sub": "root"}, authorization=bearer("other"), status=200)
        stream.wait_end()
    assert httpd.log().count("called GET stats: 200") == 1
    short = bearer("short", exp=int(time.time()) + 4)
    with sse.EventSource(httpd.port, f"{PATH}/control/stats", {"Authorization": f"Bearer {short}"}) as stream:
        stream.next()
        stream.wait_end()
        assert stream.clean
    left = sse.EventSource(httpd.port, f"{PATH}/control/stats", {"Authorization": f"Bearer {bearer('left')}"})
    left.next()
    httpd.stop(wait=False)
    left.wait_end()
    left.close()
    httpd.wait_stopped()


@event_only
def test_who_may_look(httpd):
    httpd.start(controlled())
    for text in (None, token.subscriber(), token.publisher()):
        problem(call(httpd, "GET", "stats", authorization=text), 401)
    response = call(httpd, "POST", "stats")
    problem(response, 405)
    assert response.header("Allow") == "GET, HEAD, OPTIONS"
    assert call(httpd, "HEAD", "stats", headers={"Accept": "text/event-stream"}).status == 200
