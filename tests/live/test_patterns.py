"""
What subscribers can make the hub store and evaluate: the patterns of all subscribers together are bounded,
and hostile patterns do not hold up the updates of others.
"""
import random
import urllib.parse

import pytest

from env.hub import PATH, hub
from env.sse import pump_all
from env.wait import wait_until
from env.watch import STATUS, number, owner

pytestmark = pytest.mark.mpm("event")

BASE = "https://example.com"
PLAIN = {"Accept": "*/*"}


def patterns(*values):
    return [("match_urlpattern", value) for value in values]


def query(httpd, pairs, status=200):
    """Subscribes with QUERY: many long patterns do not fit into a URL."""
    return httpd.subscribe(method="QUERY", body=urllib.parse.urlencode(pairs), status=status, headers=[
        ("Content-Type", "application/x-www-form-urlencoded"), *PLAIN.items()])


def wait_patterns(httpd, count):
    wait_until(lambda: number(httpd, "MercurePatterns") == count, what=f"{count} patterns", pause=0.1)


def check_turned_away(httpd, pairs):
    """The refusal is temporary: a plain client gets 503, an EventSource gets a stream that says when to come back."""
    with httpd.subscribe(pairs, PLAIN, status=503) as refused:
        assert refused.response.header("Content-Type") == "application/problem+json"
        assert "URL Patterns" in refused.response.json["detail"]
        assert int(refused.response.header("Retry-After")) > 0
    with httpd.subscribe(pairs) as refused:
        refused.wait_end()
        assert refused.parser.retry >= 2000


def test_number_of_patterns_is_bounded(httpd):
    httpd.load("status")
    httpd.expect_log("use as many patterns as MercureLimit patterns=3 compiled=2097152 allows")
    httpd.start(hub("MercureLimit patterns=3 compiled=2M") + STATUS)
    with httpd.subscribe(patterns("/1", "/2", "/3", "/4"), PLAIN, status=400) as refused:
        assert "at most 3 URL Patterns" in refused.response.json["detail"]
    wait_patterns(httpd, 0)
    first = httpd.subscribe(patterns("/a/:x", "/b/:x"))
    second = httpd.subscribe(patterns("/c/:x"))
    wait_patterns(httpd, 3)
    assert number(httpd, "MercurePatternBytes") > 3 * 800
    for _ in range(3):
        check_turned_away(httpd, patterns("/d/:x"))
    wait_patterns(httpd, 3)
    httpd.subscribe([("match", f"{BASE}/exact"), ("match_urlpattern", "*")]).close()
    # When a stream ends, its patterns are freed.
    second.close()
    wait_patterns(httpd, 2)
    with httpd.subscribe(patterns("/d/:x")) as third:
        # When a child dies, the patterns of all its streams are freed.
        killed = owner(httpd, first.conn)
        left = 1 if owner(httpd, third.conn) != killed else 0
        httpd.kill_child(killed)
        wait_patterns(httpd, left)
        first.close()
    wait_patterns(httpd, 0)
    with httpd.subscribe(patterns("/e/1", "/e/2", "/e/3")) as last:
        # When a new generation replaces the children, their patterns are freed; they count as long as a child lives.
        httpd.graceful()
        assert last.wait_end()
        wait_patterns(httpd, 0)
        with httpd.subscribe(patterns("/e/4", "/e/5", "/e/6")):
            wait_patterns(httpd, 3)
    wait_patterns(httpd, 0)
    assert httpd.log().count("use as many patterns") == 1, "logged more than once"


def test_memory_of_patterns_is_bounded(httpd):
    """A pattern takes about 37 KB: one subscription can have 27 of them, and two such subscriptions fill the hub."""
    def large(name, count):
        return patterns(*(f"{BASE}/{name}{i}/" + "*a" * 1980 for i in range(count)))

    httpd.load("status")
    httpd.expect_log("use as many patterns as MercureLimit patterns=20000 compiled=2097152 allows")
    httpd.start(hub("MercureLimit compiled=2M") + STATUS)
    with query(httpd, large("a", 30), status=400) as refused:
        assert "1048576 bytes" in refused.response.json["detail"]
    wait_patterns(httpd, 0)
    with query(httpd, large("a", 27)), query(httpd, large("b", 27)):
        wait_patterns(httpd, 54)
        assert 1900000 < number(httpd, "MercurePatternBytes") <= 2 << 20
        query(httpd, large("c", 27), status=503).close()
        wait_patterns(httpd, 54)
    wait_patterns(httpd, 0)
    assert number(httpd, "MercurePatternBytes") == 0


# Ends of patterns that match the end of /NUMBER/y/aaa…a! slowly, or give up.
HOSTILE = [
    "((?:a|aa)*b|(?:a|aa)*c)",
    "((?:a+)+b)",
    "((?:a?){60}a{60}b)",
    "((?:" + "|".join("a" * n for n in range(1, 80)) + ")*b)",
    "{a}*{aa}*" * 200 + ":x",
    "*a" * 400 + "b",
    "".join(f":g{n}(a*)" for n in range(60)) + "b",
    "(a*)" * 60 + "b",
]


def test_hostile_patterns_do_not_hold_up_others(httpd):
    """
    100 subscribers have expensive patterns, all different, and one has a cheap one: it gets every update,
    the publisher gets every answer, and the rest of the site works as usual.
    """
    httpd.load("status")
    httpd.start(hub() + STATUS)
    rng = random.Random(5)
    hostile = [query(httpd, [("match", f"{BASE}/last"),
                             *patterns(*(f"{BASE}/:any/{{x{i}}}?y/{end}" for end in HOSTILE))])
               for i in range(100)]
    wait_until(lambda: number(httpd, "MercureSubscribers") == 100, what="100 hostile subscribers")
    with httpd.subscribe(patterns(BASE + "/:n/:rest+")) as normal:
        for n in range(20):
            topic = f"{BASE}/{n}/y/" + "a" * rng.choice([30, 120, 400]) + "!"
            update = httpd.publish(topic, "x").text
            assert normal.next().id == update
            assert httpd.get("/server-status?auto").status == 200
    # The hostile subscribers are served too.
    last = httpd.publish(f"{BASE}/last", "last").text
    pump_all(hostile, lambda: all(stream.parser.events and stream.parser.events[-1].id == last
                                  for stream in hostile), 60)
    for stream in hostile:
        stream.close()


def test_regular_expressions_are_taken_or_named(httpd):
    """The hub accepts what a browser's URLPattern accepts, or its answer names the part that is not supported."""
    httpd.start(hub())
    taken = [
        (r"/(\p{L}+)", ["/abc"], ["/abc1"]),
        (r"/((?!admin)[^\/]+)/:rest+", ["/users/1"], ["/admin/1"]),
        (r"/*((?<=-)\d+)", ["/x-12"], ["/x12"]),
        (r"/((?i:books)-\d)", ["/BooKs-1"], ["/BooKs-x"]),
        (r"/((?<year>\d{4})-(?<month>\d\d))", ["/2024-12"], ["/24-12"]),
        (r"/([\p{Lu}--[A-C]]+)", ["/XYZ"], ["/ABC"]),
        (r"/([\q{ab|c}]+)", ["/abcab"], ["/aca"]),
        (r"/:a/(\1-(?<b>.)\k<b>)", ["/x/x-yy"], ["/x/x-yz"]),
    ]
    for pattern, matching, others in taken:
        with httpd.subscribe(patterns(BASE + pattern)) as stream:
            for topic in others + matching:
                httpd.publish(BASE + topic, topic)
            assert [stream.next().data for _ in matching] == matching, pattern
    refused = [
        (r"/((?<a>.)+\k<a>)", "a backreference to a group that is repeated"),
        (r"/(.)(\2\3)", "a backreference to a group that does not exist"),
        (r"/*((?<=a+)b)", "a lookbehind of which an alternative has no fixed length"),
        (r"/(\p{Nothing})", "a Unicode property that ECMAScript does not have"),
        (r"/((?>a))", "a group of a kind that ECMAScript does not have"),
        ("/(" + "(?=a)" * 51 + "a)", "more than 50 lookaheads"),
    ]
    for pattern, words in refused:
        with httpd.subscribe(patterns(BASE + pattern), status=400) as stream:
            assert words in stream.response.json["detail"], stream.response
