"""An operator looks at a hub of several machines: its streams and figures are those of all machines."""
import json
import threading
import time

import pytest

from env import token
# pytest finds the fixtures by their names.
from env.cluster import PAGES, cluster, new_redis, redis, wait_up  # noqa: F401
from env.hub import hub
from env.liar import Liar
from env.operator import bearer, call
from env.wait import wait_until
from test_cluster import CONTROL, on_redis_cluster, redis_cluster
from test_control import TOPIC
from test_control_streams import page

pytestmark = [pytest.mark.mpm("event")]


def subscribe(server, sub="alice", matches=(("match", TOPIC),)):
    return server.subscribe(list(matches), token=token.subscriber(sub=sub))


def pages(servers, **fields):
    """All streams, page by page, each page of the next of SERVERS in turn; and the pages."""
    found, after, documents = [], {}, []
    while True:
        documents.append(page(servers[len(documents) % len(servers)], **fields, **after))
        found += [stream["subscriber"] for stream in documents[-1]["streams"]]
        if "after" not in documents[-1]:
            return found, documents
        after = {"after": documents[-1]["after"]}


def wait_listed(server, count, **fields):
    wait_until(lambda: len(pages([server], limit=1000, **fields)[0]) == count, what=f"{count} streams in the list")


def stats(server):
    return call(server, "GET", "stats", status=200).json


def test_streams_of_all_machines_are_listed_page_by_page(cluster):
    a, b = cluster(2, CONTROL)
    streams = [subscribe(server, sub) for server in (a, b) for sub in ("alice", "alice", "bob")]
    wait_listed(a, 6)
    wait_listed(b, 6)
    whole, documents = pages([a])
    assert len(documents) == 1 and set(documents[0]) == {"streams"}
    assert len(set(whole)) == 6 and pages([b])[0] == whole
    for limit in (1, 2, 3, 4, 6):
        found, documents = pages([a, b], limit=limit)
        assert found == whole and len(documents) == -(-6 // limit), limit
    assert len(pages([b, a], sub="alice", limit=1)[0]) == 4 and len(pages([a], sub="bob")[0]) == 2
    assert len(pages([a], match=TOPIC)[0]) == 6 and pages([b], match="https://example.com/other")[0] == []
    one = page(a, limit=1)
    assert list(one["streams"][0]) == ["subscriber", "sub", "matchers", "address", "since", "carrier", "waiting_bytes", "last_id"]
    assert one["streams"][0]["last_id"] == "earliest"
    call(a, "GET", "streams", {"after": one["after"].partition(".")[2]}, status=400)
    for stream in streams:
        stream.close()


def test_a_page_goes_on_after_its_machine_has_left(cluster):
    machines = dict(zip("ab", cluster(2, CONTROL)))
    streams = [subscribe(server, sub) for sub, server in machines.items() for _ in range(3)]
    for server in machines.values():
        wait_listed(server, 6)
    whole = [stream["subscriber"] for stream in page(machines["a"])["streams"]]
    begin = page(machines["a"], limit=2)
    first = begin["streams"][0]["sub"]
    staying = machines["b" if first == "a" else "a"]
    machines[first].crash()
    rest = page(staying, after=begin["after"])
    assert [stream["subscriber"] for stream in rest["streams"]] == whole[3:] and rest["machines_unanswered"] == 1
    for stream in streams:
        stream.close()


def test_long_streams_of_another_machine_need_several_answers(cluster):
    a, b = cluster(2, CONTROL)
    long = [("match", f"https://example.com/{number}/" + "x" * 200) for number in range(30)]
    streams = [subscribe(b, f"user {number}", long) for number in range(60)]
    wait_listed(a, 60)
    found = page(a, limit=1000)
    assert len(json.dumps(found)) > 400_000 and set(found) == {"streams"}
    assert {stream["sub"] for stream in found["streams"]} == {f"user {number}" for number in range(60)}
    assert len(page(a, limit=40)["streams"]) == 40 and len(pages([a, b], limit=40)[0]) == 60
    for stream in streams:
        stream.close()


def test_hubs_on_different_nodes_of_a_redis_cluster(new_redis, new_httpd):
    """Each hub is on one node: its questions and answers are also there."""
    nodes = redis_cluster(new_redis)
    names = ["h1", "h2", "h3"]
    machines = on_redis_cluster(new_httpd, nodes, names, CONTROL)
    homes = {next(n for n, node in enumerate(nodes) if any(f"{{mercure:{name}}}" in key for key in node.ask("KEYS", "*")))
             for name in names}
    assert len(homes) > 1
    streams = [server.subscribe([("match", TOPIC)], path=f"/{name}") for server in machines for name in names]

    def ask(server, name, what, **fields):
        mine = bearer(aud=f"https://hub.example/{name}")
        return call(server, "GET", what, fields, path=f"/{name}", authorization=mine, status=200).json

    for _ in range(2):  # a connection for questions serves hubs on several nodes in turn
        for name in names:
            for server in machines:
                wait_until(lambda: len(ask(server, name, "streams")["streams"]) == 2, what=f"both streams of {name}")
                found = ask(server, name, "streams", limit=1)
                assert len(found["streams"]) == 1 and set(found) == {"streams", "after"}
                rest = ask(server, name, "streams", limit=1, after=found["after"])
                assert len(rest["streams"]) == 1 and set(rest) == {"streams"}
                assert rest["streams"][0]["subscriber"] != found["streams"][0]["subscriber"]
                wait_until(lambda: ask(server, name, "stats")["subscribers"] == 2, what=f"figures of {name}")
                assert ask(server, name, "stats")["machines"] == 2
    for stream in streams:
        stream.close()


def test_figures_add_up(cluster):
    a, b = cluster(2, CONTROL)
    assert stats(a)["subscribers"] == 0  # now both machines begin to measure
    streams = [subscribe(a), subscribe(b), subscribe(b)]
    for server in (a, b):
        for _ in range(4):
            server.publish(TOPIC, "x")
    b.publish("https://example.com/other", "y")
    for stream in streams:
        stream.take(8)

    published = 9

    def complete(server):
        nonlocal published
        # The rates are of the last seconds, and each machine learns the other's in its own time.
        server.publish(TOPIC, "x")
        published += 1
        now = stats(server)
        counts = {kind: {one["topic"]: one["count"] for one in now["topics"][kind]} for kind in now["topics"]}
        return (now["subscribers"] == 3 and now["latency_ms"]["p50"] is not None and now["deliveries_per_s"] > 0
                and now["children"] >= 4  # all have started
                and counts["receivers"].get(TOPIC, 0) > 16 and counts["updates"].get(TOPIC, 0) > 4 and now)

    one, other = (wait_until(lambda server=server: complete(server), what="figures of both machines") for server in (a, b))
    assert list(one) == ["subscribers", "publications_per_s", "deliveries_per_s", "latency_ms", "topics", "history",
                         "memory_bytes", "children", "machines"]
    assert one["machines"] == 2 == other["machines"]
    wait_until(lambda: len({stats(server)["children"] for server in (a, b)}) == 1, what="the same children of both machines")
    wait_until(lambda: [stats(server)["history"]["updates"] for server in (a, b)] == [published] * 2,
               what="all updates in both histories")
    for stream in streams:
        stream.close()


def test_without_redis_an_operator_sees_one_machine(cluster, redis):
    a, b = cluster(2, CONTROL, options="lease=5")
    streams = [subscribe(a), subscribe(b)]
    wait_listed(a, 2)
    # Those that it has learned from a beat: it knows them without Redis, too.
    wait_until(lambda: 'mercure_transport_machines{hub="shared"} 2' in a.get("/metrics").text, what="two machines")
    redis.kill()
    a.expect_log("MRC0306")
    b.expect_log("MRC0306", required=False)
    a.expect_log("MRC1104: hub shared: the other machines cannot be asked, so streams shows this machine alone")
    found = page(a)
    assert len(found["streams"]) == 1 and found["machines_unanswered"] == 1
    a.expect_log("MRC1104: hub shared: the other machines cannot be asked, so stats shows this machine alone")
    figures = stats(a)
    assert figures["subscribers"] == 1 and figures["machines_unanswered"] == 1 and figures["machines"] == 2
    for stream in streams:
        stream.close()


# What a machine that is broken or hostile may answer: to a question for streams, and to one for figures.
GOOD = {"subscriber": "urn:x", "matchers": []}
LIES = {
    "nothing": b"{}",
    "no JSON": b'{"streams":[{"subscriber":"x"]}',
    "too long": b'{"streams":[],"more":false,"unanswered":0,"x":"' + b"x" * 600_000 + b'"}',
    "no objects": b'{"streams":["x"],"after":"0.1.0.1","more":false,"unanswered":0}',
    "too many": json.dumps({"streams": [GOOD] * 101, "after": "0.1.0.1", "more": False, "unanswered": 0}).encode(),
    "more for ever": b'{"streams":[],"more":true,"unanswered":0}',
    "a bad place": json.dumps({"streams": [GOOD], "after": "0.1.0", "more": True, "unanswered": 0}).encode(),
    "no place": json.dumps({"streams": [GOOD], "more": True, "unanswered": 0}).encode(),
    "a negative number": b'{"streams":[],"more":false,"unanswered":-1}',
    "deep": b'{"streams":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    "figures that overflow": b'{"version":1,"subscribers":1e400}',
}


class Pretender:
    """A machine that exists only in Redis, and answers each question with ANSWER."""

    def __init__(self, redis):
        self.redis, self.answer, self._after = redis, b"", "$"
        self.questions = []
        self._stopping = False
        redis.ask("HSET", "{mercure:shared}:m", "0.0000000000000001", "1 0000000000000001 0 0 1")
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._stopping:
            for entry_id, fields in (self.redis.ask("XREVRANGE", "{mercure:shared}:q", "+", "-", "COUNT", "1") or []):
                if entry_id == self._after:
                    continue
                self._after = entry_id
                ask = dict(zip(fields[::2], fields[1::2]))
                self.questions.append(ask)
                self.redis.ask("SET", f"{{mercure:shared}}:a:{ask['n']}.0.0000000000000001", self.answer, "PX", "5000")
            time.sleep(0.005)

    def stop(self):
        self._stopping = True
        self._thread.join()


def test_nonsense_of_another_machine_counts_as_no_answer(cluster, redis):
    a, = cluster(1, CONTROL, options="lease=300")
    pretender = Pretender(redis)
    with subscribe(a) as stream:
        wait_until(lambda: len(page(a)["streams"]) == 1, what="a stream in the list")
        for name, pretender.answer in LIES.items():
            found = page(a, limit=100)
            assert len(found["streams"]) == 1 and found["machines_unanswered"] == 1 and "after" not in found, name
            figures = stats(a)
            assert figures["subscribers"] == 1 and figures["machines_unanswered"] == 1, name
        pretender.answer = json.dumps({"streams": [GOOD], "after": "0.1.0.1", "more": False, "unanswered": 3}).encode()
        found = page(a)
        assert GOOD in found["streams"] and len(found["streams"]) == 2 and found["unanswered"] == 3
        stream.close()
    pretender.stop()


def test_questions_that_are_nonsense_are_passed_over(cluster, redis):
    """Anybody who can write to Redis can ask; the hub works as usual, and its answers take bounded space for a bounded
    time."""
    a, = cluster(1, CONTROL)
    key = "{mercure:shared}:q"
    for fields in (["x", "y"], ["n", "../..", "f", "x", "t", "*", "q", '{"ask":"stats"}'],
                   ["n", "00", "f", "x", "t", "*", "q", "no JSON"], ["n", "01", "f", "x", "t", "*", "q", '{"ask":"secrets"}'],
                   ["n", "02", "f", "x", "t", "*", "q", '{"ask":"streams","limit":5000}'],
                   ["n", "03", "f", "x", "t", "*", "q", "x" * 200_000]):
        redis.ask("XADD", key, "*", *fields)
    redis.ask("XADD", key, "*", "n", "04", "f", "x", "t", "*", "q", '{"ask":"streams","limit":5}')
    wait_until(lambda: redis.ask("KEYS", "*:a:*"), what="an answer")
    (answer,) = redis.ask("KEYS", "*:a:*")
    assert answer.startswith("{mercure:shared}:a:04.") and 0 < int(redis.ask("PTTL", answer)) <= 5000
    assert json.loads(redis.ask("GET", answer)) == {"streams": [], "more": False, "unanswered": 0}
    for _ in range(40):
        redis.ask("XADD", key, "*", "n", "05", "f", "x", "t", "other", "q", "{}")
    b, = cluster(1, CONTROL)
    assert page(b) == {"streams": []} and int(redis.ask("XLEN", key)) == 16
    a.publish(TOPIC, "x")
    redis.ask("DEL", key)
    redis.ask("SET", key, "a key of another type")
    for server in (a, b):
        server.expect_log("MRC0306.*WRONGTYPE", required=False)
    a.publish(TOPIC, "x", status=None)
    wait_up(a)
    wait_until(lambda: a.publish(TOPIC, "x", status=None).status == 200, what="a hub that goes on")


def test_a_slow_redis_costs_an_operator_a_limited_time(new_httpd, redis):
    liar = Liar(redis)
    try:
        a, b = new_httpd(), new_httpd()
        for server, url in ((a, liar.url), (b, redis.url)):
            server.start(PAGES + hub(f"MercureTransport {url}", CONTROL, name="shared"))
            wait_up(server)
        with subscribe(a), subscribe(b):
            wait_listed(a, 2)

            def silent(command, reply):
                return b"$0\r\n\r\n" if command[0] == b"GETRANGE" else reply

            liar.lie = silent
            found = page(a)
            assert len(found["streams"]) == 1 and found["machines_unanswered"] == 1
            liar.lie = lambda command, reply: b"-NOPERM no rights\r\n" if command[0] == b"XADD" else reply
            a.expect_log("MRC1104")
            a.expect_log("MRC0306", required=False)  # the lie may also hit another XADD of the machine
            found = page(a)
            assert len(found["streams"]) == 1 and found["machines_unanswered"] == 1
            liar.lie = None
            wait_listed(a, 2)
    finally:
        liar.close()
