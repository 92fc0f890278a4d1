"""Active subscriptions and limits of a hub on several machines that share a Redis server."""
import json
import os
import signal

import pytest

from env import token
# pytest finds the fixtures by their names.
from env.cluster import PAGES, cluster, new_redis, redis, wait_up  # noqa: F401
from env.hub import PATH, hub
from env.wait import wait_until
from test_cluster import wait_synced
from test_subscriptions import ALL, ROOT, TOPIC, document, listed, url, watch

pytestmark = [pytest.mark.mpm("event")]

LEASE = "lease=5 timeout=1"
LOG = "{mercure:shared}:log"


@pytest.fixture
def machines(cluster):
    def make(count, *directives, options=LEASE, **more):
        return cluster(count, "MercureSubscriptions On", *directives, options=options, **more)

    return make


def subscribe(server, topic=TOPIC, **more):
    return server.subscribe([("match", topic)], token=token.subscriber(), **more)


def next_of(stream, match=TOPIC):
    """The next event of a subscription with this matcher."""
    while True:
        found = json.loads(stream.next().data)
        if found["match"] == match:
            return found


def matches(server):
    return sorted(entry["match"] for entry in listed(server)["subscriptions"])


def listed_topics(server):
    return [match for match in matches(server) if match.startswith("https:")]


def lists(redis):
    """How many times the server has listed subscriptions."""
    return int(redis.ask("INFO", "commandstats").split("cmdstat_zrangebylex:calls=")[1].split(",")[0])


def members(redis):
    return sum(int(redis.ask("ZCARD", key)) for key in redis.ask("KEYS", "{mercure:shared}:p:*"))


def test_every_machine_lists_and_announces_the_subscribers_of_all(machines):
    a, b = machines(2)
    watchers = [watch(server)[0] for server in (a, b)]
    next_of(watchers[0], watchers_pattern := f"{ROOT}/:type/:match/:subscriber")  # of the second watcher
    stream = subscribe(b)
    began = [next_of(watcher) for watcher in watchers]
    assert began[0] == began[1] and began[0]["active"]
    assert began[0] == document("exact", TOPIC, began[0]["subscriber"])
    for server in (a, b):
        assert listed_topics(server) == [TOPIC]
        assert matches(server).count(watchers_pattern) == 2
        # The subscriptions of one matcher, and a single one.
        assert [entry["subscriber"] for entry in listed(server, url("exact", TOPIC))["subscriptions"]] == [
            began[0]["subscriber"]]
        assert listed(server, began[0]["id"]) == began[0]
        assert listed(server, url("exact", TOPIC + "/other"))["subscriptions"] == []
        for missing in (url("exact", TOPIC, "urn:uuid:00000000-0000-4000-8000-000000000000"), url("exact", TOPIC) + "/"):
            bearer = {"Authorization": f"Bearer {token.subscriber([ALL])}"}
            assert server.get(missing, bearer).status == 404
    stream.close()
    ended = [next_of(watcher) for watcher in watchers]
    assert ended[0] == ended[1] == {**began[0], "active": False}
    wait_until(lambda: listed_topics(a) == [] == listed_topics(b), what="an empty list")
    for watcher in watchers:
        watcher.close()


def test_a_list_that_is_long_comes_in_pieces(machines):
    a, b = machines(2)
    topics = [f"https://example.com/{n:04}" for n in range(600)]
    streams = [a.subscribe([("match", topic) for topic in topics[at:at + 100]],
                           token=token.subscriber([("exact", "*")])) for at in range(0, 600, 100)]
    assert listed_topics(b) == topics
    for stream in streams:
        stream.close()
    wait_until(lambda: listed_topics(b) == [], what="an empty list")


def test_an_etag_of_a_list_asks_the_server_nothing(machines, redis):
    a, b = machines(2)
    bearer = {"Authorization": f"Bearer {token.subscriber([ALL])}"}
    with subscribe(b):
        wait_until(lambda: listed_topics(a) == [TOPIC])
        tag = a.get(ROOT, bearer).header("ETag")
        before = lists(redis)
        assert a.get(ROOT, {**bearer, "If-None-Match": tag}).status == 304
        assert lists(redis) == before
    wait_until(lambda: a.get(ROOT, {**bearer, "If-None-Match": tag}).status == 200, what="another list")


def test_a_machine_starts_while_redis_stores_nothing(new_httpd, redis):
    """It cannot enter its subscriptions, and serves subscribers of both hubs of its link all the same."""
    paths = {"shared": PATH, "other": "/other"}
    tokens = {name: token.publisher(aud=f"https://hub.example{path}") for name, path in paths.items()}
    server = new_httpd()

    def publish(name, data):
        return server.publish(TOPIC, data, path=paths[name], token=tokens[name], status=None).status

    server.start(PAGES + hub(f"MercureTransport {redis.url} {LEASE}", "MercureSubscriptions On", name="shared")
                 + hub(f"MercureTransport {redis.url} {LEASE}", path="/other", name="other"))
    for name in paths:
        wait_until(lambda: publish(name, "before") == 200, what="an accepted update")
    server.stop()
    redis.ask("CONFIG", "SET", "min-replicas-to-write", "1")
    server.expect_log("MRC0313")
    server.start()
    wait_until(lambda: server.get("/metrics").text.count("mercure_transport_up{") == 2
               and all(f'mercure_transport_up{{hub="{name}"}} 1' in server.get("/metrics").text for name in paths),
               what="two hubs that have joined")
    for name, path in paths.items():
        with server.subscribe([("match", TOPIC)], path=path, headers={"Last-Event-ID": "earliest"}) as stream:
            assert stream.next().data == "before"
        assert publish(name, "refused") == 503
    with subscribe(server):
        redis.ask("CONFIG", "SET", "min-replicas-to-write", "0")
        wait_until(lambda: listed_topics(server) == [TOPIC], what="a subscription that is listed")
    for name in paths:
        wait_until(lambda: publish(name, "after") == 200, what="an accepted update")


def test_a_machine_that_dies_is_announced_once(machines, redis):
    a, b, c = machines(3)
    stream = watch(b)[0]
    other = subscribe(c, "https://example.com/stays")
    dying = [subscribe(a, f"https://example.com/{n}") for n in range(70)]
    seen = {json.loads(stream.next().data)["match"] for n in range(71)}
    assert len(seen) == 71
    a.crash()
    ended = [json.loads(stream.next().data) for n in range(70)]
    assert not any(event["active"] for event in ended)
    assert {event["match"] for event in ended} == seen - {"https://example.com/stays"}
    assert listed_topics(b) == ["https://example.com/stays"]
    wait_until(lambda: redis.ask("HLEN", "{mercure:shared}:m") == 2, what="the machine to be removed")
    assert any("MRC0318" in server.log() for server in (b, c))
    # Nothing is announced twice: the next event is that of the last subscription.
    other.close()
    assert json.loads(stream.next().data)["match"] == "https://example.com/stays"
    stream.close()
    for each in dying:
        each.close()


def test_ends_that_are_in_the_log_are_not_put_back(machines, new_redis):
    """A failover loses an update of a machine that dies: another machine ends its subscriptions, and puts the update
    back."""
    first, second = new_redis(repl_diskless_sync_delay=0, repl_ping_replica_period=1), new_redis()
    second.ask("REPLICAOF", "127.0.0.1", str(first.port))
    wait_synced(first, second)
    a, b = machines(2, url=f"redis://127.0.0.1:{first.port},127.0.0.1:{second.port}")
    for line in ("MRC0306", "MRC0308"):
        b.expect_log(line, required=False)
    stream, reader = watch(b)[0], subscribe(b)
    topics = {f"https://example.com/{n}" for n in range(30)}
    dying = [subscribe(a, topic) for topic in topics]
    wait_until(lambda: topics < set(listed_topics(b)), what="all subscriptions")
    began = first.ask("XLEN", LOG)
    wait_until(lambda: second.ask("XLEN", LOG) == began, what="the entries on the replica")
    second.ask("REPLICAOF", "127.0.0.1", "1")  # it gets nothing more
    a.publish(TOPIC, "lost")
    assert reader.next().data == "lost"
    a.crash()
    first.kill()
    second.ask("REPLICAOF", "NO", "ONE")
    b.wait_log("MRC0321: .* put 1 update")
    while topics:
        event = json.loads(stream.next().data)
        if not event["active"]:
            topics.remove(event["match"])
    heads = [tuple(entry[1][1].split()[2:]) for entry in second.ask("XRANGE", LOG, "-", "+")]
    assert len(heads) == began + 31 and len(set(heads)) == len(heads)
    for one in (stream, reader, *dying):
        one.close()


def test_a_machine_that_starts_anew_ends_what_it_had(machines):
    a, b = machines(2)
    stream = watch(b)[0]
    lost = subscribe(a)
    assert next_of(stream)["active"]
    a.crash()
    a.expect_log("AH00098")  # its pid file is still there
    a.start()
    wait_up(a)
    assert not next_of(stream)["active"]
    with subscribe(a):
        assert next_of(stream)["active"]
        assert listed_topics(b) == [TOPIC]
    lost.close()
    stream.close()


def test_a_machine_that_was_taken_for_dead_comes_back(machines):
    a, b = machines(2)
    stream = watch(b)[0]
    alive = subscribe(a)
    first = next_of(stream)
    a.expect_log("MRC0306", required=False)
    a.expect_log("MRC0319")
    pids = [a.pid, *a.children()]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        assert next_of(stream) == {**first, "active": False}
        assert listed_topics(b) == []
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    assert next_of(stream) == first
    wait_until(lambda: listed_topics(b) == [TOPIC])
    alive.close()
    assert next_of(stream) == {**first, "active": False}
    stream.close()


def test_subscriptions_begin_and_end_while_the_server_is_away(machines, new_redis):
    server = new_redis(appendonly="yes", appendfsync="always")
    a, b = machines(2, url=server.url)
    for each in (a, b):
        each.expect_log("MRC0306")
    stream = watch(b)[0]
    ends = subscribe(a, "https://example.com/ends")
    assert next_of(stream, "https://example.com/ends")["active"]
    server.kill()
    bearer = {"Authorization": f"Bearer {token.subscriber([ALL])}"}
    wait_until(lambda: a.get(ROOT, bearer).status == 503, what="a list that is refused")
    assert a.get(ROOT, bearer).header("Retry-After")
    begins = subscribe(a, "https://example.com/begins")
    short = subscribe(a, "https://example.com/short")
    short.close()
    ends.close()
    server.start()
    for each in (a, b):
        wait_up(each)
    got = [next_of_any(stream), next_of_any(stream)]
    assert sorted((event["match"], event["active"]) for event in got) == [
        ("https://example.com/begins", True), ("https://example.com/ends", False)]
    wait_until(lambda: listed_topics(b) == ["https://example.com/begins"], what="the list")
    begins.close()
    assert next_of_any(stream)["match"] == "https://example.com/begins"
    stream.close()


def next_of_any(stream):
    return json.loads(stream.next().data)


def test_a_server_that_was_emptied_knows_the_subscriptions_again(machines, redis):
    a, b = machines(2)
    for each in (a, b):
        each.expect_log("MRC0310")
    stream = watch(b)[0]
    with subscribe(a):
        began = next_of(stream)
        redis.ask("FLUSHALL")
        wait_until(lambda: listed_topics(b) == [TOPIC], what="the list")
    assert next_of(stream) == {**began, "active": False}
    stream.close()


def test_a_graceful_restart_and_a_stop_announce_each_end_once(machines, redis):
    a, b = machines(2)
    stream = watch(b)[0]
    first = subscribe(a)
    assert next_of(stream)["active"]
    a.graceful()
    assert not next_of(stream)["active"]
    first.wait_end()
    second = subscribe(a)
    assert next_of(stream)["active"]
    a.stop()
    assert not next_of(stream)["active"]
    second.close()
    wait_until(lambda: members(redis) == 1, what="only the watcher to be listed")
    stream.close()


def test_limit_of_subscribers_counts_all_machines(machines):
    a, b = machines(2, "MercureMaxSubscribers 4")
    streams = [subscribe(a) for n in range(3)]

    def refused():
        with subscribe(b, status=None) as one, subscribe(b, status=None) as two:
            return (one.status, two.status) == (200, 429)

    wait_until(refused, what="a limit that counts the other machine")
    for stream in streams:
        stream.close()

    def accepted():
        with subscribe(b, status=None) as one, subscribe(b, status=None) as two:
            return (one.status, two.status) == (200, 200)

    wait_until(accepted, what="free seats")
