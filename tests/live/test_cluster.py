"""Several machines as one hub: private httpds that share a private Redis server."""
import itertools
import json
import os
import re
import signal
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from env import token
# pytest finds the fixtures by their names.
from env.cluster import PAGES, cluster, new_redis, redis, wait_up  # noqa: F401
from env.hub import PATH, hub
from env.operator import ISSUER, KEY, call
from env.redis import Sentinel, free_port
from env.wait import wait_until
from env.watch import STATUS, auto
from test_cursor import BROWSER, next_position

pytestmark = [pytest.mark.mpm("event")]

TOPIC = "https://example.com/t"

CONTROL = f'MercureControlKey {ISSUER} HS256 "{KEY}"'


def read(stream, count):
    return [event.data for event in stream.take(count)]


def resume(server, cursor, headers=(), **more):
    return server.subscribe([("match", TOPIC)], headers={"Last-Event-ID": cursor, **dict(headers)}, **more)


def publish_batch(server, batch):
    """Publishes the data of BATCH in one request; returns their ids."""
    body = json.dumps([{"topic": TOPIC, "data": data} for data in batch])
    response = server.request("POST", PATH, [("Authorization", "Bearer " + token.publisher()),
                                             ("Content-Type", "application/json")], body)
    assert response.status == 200 and len(response.json) == len(batch), response
    return response.json


def test_update_reaches_the_subscribers_of_all_machines(cluster):
    a, b = cluster(2)
    streams = [server.subscribe([("match", TOPIC)]) for server in (a, b)]
    a.publish(TOPIC, "from a")
    b.publish(TOPIC, "from b")
    for stream in streams:
        assert read(stream, 2) == ["from a", "from b"]
        stream.close()


def test_a_cursor_of_one_machine_is_a_cursor_on_the_other(cluster):
    a, b = cluster(2)
    ids = [a.publish(TOPIC, f"number {n}").text for n in range(20)]
    for at in (0, 7, 18):
        with resume(b, ids[at]) as stream:
            assert stream.response.header("Mercure-Last-Event-ID") == ids[at]
            assert read(stream, 19 - at) == [f"number {n}" for n in range(at + 1, 20)]
    newest = a.publish(TOPIC, "the newest").text
    with resume(b, newest) as stream:
        assert stream.response.header("Mercure-Last-Event-ID") == newest
        a.publish(TOPIC, "and one more")
        assert read(stream, 1) == ["and one more"]


def position_of(server):
    """The position with which the stream of a browser begins."""
    with server.subscribe([("match", TOPIC)], BROWSER) as stream:
        return next_position(stream)


def test_a_position_of_one_machine_is_a_cursor_on_the_other(cluster):
    a, b = cluster(2, "MercureHistory count=50", options="timeout=1")
    assert position_of(a) == position_of(b) == "earliest"
    for n in range(10):
        a.publish(TOPIC, f"number {n}")
    position = position_of(a)
    assert position.startswith("#") and position != position_of(a)
    for n in range(10, 20):
        b.publish(TOPIC, f"number {n}")
    for server in (a, b):
        with resume(server, position) as stream:
            assert stream.response.header("Mercure-Last-Event-ID") == position
            assert read(stream, 10) == [f"number {n}" for n in range(10, 20)]
    # The newest position, at once on the other machine, where the update may not have arrived yet.
    newest = position_of(a)
    with resume(b, newest) as stream:
        a.publish(TOPIC, "number 20")
        assert read(stream, 1) == ["number 20"]
        for n in range(21, 200):
            a.publish(TOPIC, f"number {n}")
        assert read(stream, 179) == [f"number {n}" for n in range(21, 200)]
    # A position that the history no longer reaches.
    with resume(b, position) as stream:
        assert stream.response.header("Mercure-Last-Event-ID") == "earliest"
        assert read(stream, 50)[-1] == "number 199"


def test_positions_survive_restarts_but_not_a_new_log(cluster, redis, new_httpd):
    a, b = cluster(2, CONTROL)
    for n in range(5):
        a.publish(TOPIC, f"number {n}")
    position = position_of(a)
    # Orders are in the log and not in the rings.
    for _ in range(3):
        call(a, "POST", "disconnect", {"sub": "nobody"}, status=202)
    a.publish(TOPIC, "number 5")
    b.restart()
    wait_up(b)
    with resume(b, position) as stream:
        assert stream.response.header("Mercure-Last-Event-ID") == position
        assert read(stream, 1) == ["number 5"]
    for server in (a, b):
        server.expect_log("MRC0310")
    redis.ask("FLUSHALL")
    b.publish(TOPIC, "number 6")
    for server in (a, b):
        server.wait_log("MRC0310")
    c = new_httpd()
    c.start(PAGES + hub(f"MercureTransport {redis.url}", CONTROL, name="shared"))
    wait_up(c)
    with resume(c, position) as stream:
        assert stream.response.header("Mercure-Last-Event-ID") == "earliest"
    # The key of positions is still that of all machines.
    b.publish(TOPIC, "number 7")  # number 6 was still on its way, so its place in the order may differ
    position = position_of(b)
    b.publish(TOPIC, "number 8")
    for server in (a, b, c):
        with resume(server, position) as stream:
            assert stream.response.header("Mercure-Last-Event-ID") == position
            assert read(stream, 1) == ["number 8"]


def test_an_unknown_cursor_is_answered_with_the_history_of_all(cluster):
    a, b = cluster(2)
    a.publish(TOPIC, "first")
    b.publish(TOPIC, "second")
    with resume(b, "urn:unknown") as stream:
        assert stream.response.header("Mercure-Last-Event-ID") == "earliest"
        assert read(stream, 2) == ["first", "second"]


def test_a_machine_that_starts_later_has_the_history(cluster, new_httpd, redis):
    (a,) = cluster(1)
    for n in range(300):
        a.publish(TOPIC, f"number {n}")
    b = new_httpd()
    b.start(PAGES + hub(f"MercureTransport {redis.url}", name="shared"))
    wait_ready(b)
    with resume(b, "earliest") as stream:
        assert read(stream, 300) == [f"number {n}" for n in range(300)]


def publish_all(server, prefix, count, failures, lock=threading.Lock()):
    with server.connect() as connection:
        for n in range(count):
            body = f"topic={TOPIC}&data={prefix}-{n}"
            response = connection.request("POST", PATH, [
                ("Authorization", "Bearer " + token.publisher()),
                ("Content-Type", "application/x-www-form-urlencoded")], body)
            if response.status != 200:
                with lock:
                    failures.append(response)


def test_all_machines_have_the_same_order(cluster):
    machines = cluster(3)
    streams = [server.subscribe([("match", TOPIC)]) for server in machines]
    failures = []
    threads = [threading.Thread(target=publish_all, args=(server, f"{number}-{thread}", 60, failures))
               for number, server in enumerate(machines) for thread in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    orders = [read(stream, 540) for stream in streams]
    assert orders[0] == orders[1] == orders[2]
    assert len(set(orders[0])) == 540
    for number in range(3):
        for thread in range(3):
            mine = [data for data in orders[0] if data.startswith(f"{number}-{thread}-")]
            assert mine == [f"{number}-{thread}-{n}" for n in range(60)]


def test_an_update_of_the_largest_body_passes(cluster):
    a, b = cluster(2, "MercureLimit body=1M")
    data = "x" * (1024 * 1024 - 200)
    with b.subscribe([("match", TOPIC)]) as stream:
        a.publish(TOPIC, data)
        assert read(stream, 1) == [data]
    assert a.publish(TOPIC, "x" * (1024 * 1024 + 1), status=None).status == 413


def transport(server, name):
    """The value of a metric of the transport."""
    for line in server.get("/metrics").text.splitlines():
        if line.startswith(f"mercure_transport_{name}") and " " in line:
            return float(line.rsplit(" ", 1)[1])
    raise AssertionError(name)


def is_up(server):
    return 'mercure_transport_up{hub="shared"} 1' in server.get("/metrics").text


def wait_ready(server):
    """Waits until the machine has read the hub from Redis once."""
    wait_until(lambda: server.get("/health/ready").status == 200, what="readiness")


def wait_down(server):
    wait_until(lambda: not is_up(server), what="the end of the connection with Redis")


def test_redis_is_killed_and_comes_back(cluster, new_redis):
    redis = new_redis(appendonly="yes", appendfsync="always")
    a, b = cluster(2, url=redis.url)
    for server in (a, b):
        server.expect_log("MRC0306")
    stream = b.subscribe([("match", TOPIC)])
    first = a.publish(TOPIC, "before").text
    redis.kill()
    wait_down(a)
    response = a.publish(TOPIC, "lost", status=503)
    assert "not stored" in response.text and response.header("Retry-After")
    # Subscribers stay, and new ones are served from the ring.
    with resume(a, "earliest") as other:
        assert read(other, 1) == ["before"]
    with resume(a, first) as other:
        assert other.response.header("Mercure-Last-Event-ID") == first
    assert resume(a, "urn:unknown", headers={"Accept": "*/*"}, status=503).response.header("Retry-After")
    refused = resume(a, "urn:unknown")
    refused.wait_end()
    assert refused.parser.retry
    redis.start()
    for server in (a, b):
        wait_up(server)
    a.publish(TOPIC, "after")
    assert read(stream, 2) == ["before", "after"]
    stream.close()
    assert not [line for server in (a, b) for line in server.log().splitlines() if "MRC0308" in line or "MRC0310" in line]


def test_an_unknown_cursor_waits_for_what_others_put_back(cluster, new_redis):
    """After a failover, a machine may not know yet what another one has delivered and puts back."""
    redis = new_redis(appendonly="yes", appendfsync="always")
    a, b = cluster(2, url=redis.url)
    for server in (a, b):
        server.expect_log("MRC0306")
        wait_until(lambda server=server: transport(server, "machines") == 2, what="two machines")
    a.publish(TOPIC, "before")
    assert resume(b, "urn:unknown").response.header("Mercure-Last-Event-ID") == "earliest"
    redis.kill()
    for server in (a, b):
        wait_down(server)
    redis.start()
    for server in (a, b):
        wait_up(server)
    a.publish(TOPIC, "after")
    assert resume(b, "urn:unknown", headers={"Accept": "*/*"}, status=503).response.header("Retry-After")
    wait_until(lambda: resume(b, "urn:unknown").response.header("Mercure-Last-Event-ID") == "earliest", what="the end of the wait")


def test_redis_stops_for_a_while(cluster, redis):
    a, b = cluster(2, options="timeout=1")
    for server in (a, b):
        server.expect_log("MRC0306", required=False)
    stream = b.subscribe([("match", TOPIC)])
    a.publish(TOPIC, "before")
    redis.freeze()
    try:
        # Redis may have missed a beat before; then the update is not even sent.
        answer = a.publish(TOPIC, "unknown", status=503).text
        assert "not known" in answer or "not stored" in answer
        wait_down(a)
        assert "not stored" in a.publish(TOPIC, "refused", status=503).text
    finally:
        redis.thaw()
    wait_up(a)
    wait_up(b)
    a.publish(TOPIC, "after")
    got = read(stream, 2)
    assert got[0] == "before"
    if got[1] == "unknown":  # it was still in the socket, and was stored after all: once
        assert "not known" in answer
        got += read(stream, 1)
    assert got[-1] == "after" and len(got) == len(set(got))
    stream.close()


def test_redis_is_emptied(cluster, redis):
    a, b = cluster(2)
    for server in (a, b):
        server.expect_log("MRC0310")
    stream = b.subscribe([("match", TOPIC)])
    first = a.publish(TOPIC, "before").text
    wait_until(lambda: resume(b, first).response.header("Mercure-Last-Event-ID") == first)
    redis.ask("FLUSHALL")
    a.publish(TOPIC, "after")
    b.publish(TOPIC, "and more")
    assert read(stream, 3) == ["before", "after", "and more"]
    # Each machine keeps its copy of the history.
    with resume(a, "earliest") as other:
        assert read(other, 3) == ["before", "after", "and more"]
    stream.close()


def test_redis_has_no_memory(cluster, redis):
    a, b = cluster(2)
    a.expect_log("MRC0313")
    b.expect_log("MRC0313", required=False)
    stream = b.subscribe([("match", TOPIC)])
    a.publish(TOPIC, "before")
    redis.ask("CONFIG", "SET", "maxmemory", "1mb")
    try:
        assert "not stored" in a.publish(TOPIC, "refused", status=503).text
        assert is_up(a) and is_up(b)
    finally:
        redis.ask("CONFIG", "SET", "maxmemory", "0")
    wait_until(lambda: a.publish(TOPIC, "after", status=None).status == 200, what="an accepted update")
    assert read(stream, 2) == ["before", "after"]
    a.wait_log("MRC0314")
    stream.close()


def test_a_wrong_password_is_told_and_a_new_one_is_read(new_redis, new_httpd):
    redis = new_redis(requirepass="secret")
    server = new_httpd()
    server.write("password", "mistaken\n", mode=0o644)
    server.expect_log("MRC0306.*[(]auth[)].*password=")
    server.start(PAGES + hub(f"MercureTransport {redis.url} password=file:password", name="shared"))
    server.wait_log("MRC0306.*[(]auth[)]")
    assert "mistaken" not in server.log()
    assert not is_up(server)
    assert server.get("/health/ready").status == 503
    server.subscribe([("match", TOPIC)], headers={"Accept": "*/*"}, status=503).close()
    assert "not stored" in server.publish(TOPIC, "data", status=503).text
    server.write("password", "secret\n", mode=0o644)
    wait_up(server)
    server.publish(TOPIC, "data")
    wait_until(lambda: server.get("/health/ready").status == 200, what="readiness")


def test_the_death_of_the_child_that_leads_is_not_noticed(cluster):
    a, b = cluster(2)
    stream = b.subscribe([("match", TOPIC)])
    failures, stop = [], threading.Event()
    published = []

    def publisher():
        for n in itertools.count():
            if stop.is_set():
                break
            try:
                response = a.publish(TOPIC, f"number {n}", status=None)
            except (OSError, AssertionError):
                continue  # the child that was killed served this one
            if response.status == 200:
                published.append(f"number {n}")
            else:
                failures.append(response)

    thread = threading.Thread(target=publisher)
    thread.start()
    for pid in a.children():  # one of them leads
        time.sleep(0.4)
        a.kill_child(pid)
    time.sleep(0.4)
    stop.set()
    thread.join()
    a.publish(TOPIC, "the end")
    got = []
    while not got or got[-1] != "the end":
        got += read(stream, 1)
    stream.close()
    assert not failures
    assert len(got) == len(set(got))
    assert [data for data in got if data in set(published)] == published


def test_graceful_restarts_lose_nothing(cluster):
    a, b = cluster(2)
    with b.subscribe([("match", TOPIC)]) as stream:
        with ThreadPoolExecutor(1) as pool:
            publisher = pool.submit(lambda: [a.publish(TOPIC, f"number {n}") for n in range(200)])
            for _ in range(3):
                a.graceful()
                wait_up(a)
            publisher.result()
        assert read(stream, 200) == [f"number {n}" for n in range(200)]


@contextmanager
def standing_still(server):
    for pid in server.children():
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in server.children():
            os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("history", ["count=10", "bytes=300K", "age=1", "Off"])
def test_a_machine_that_is_behind_for_longer_than_a_short_history_misses_nothing(cluster, redis, history):
    """The log keeps 1,000 updates and 1 MB for such a machine, and replay what MercureHistory says."""
    a, b = cluster(2, f"MercureHistory {history}", "MercureLimit body=64K", options="timeout=1")
    b.expect_log("MRC0306", required=False)
    sent = [f"number {n}" + 300 * "x" for n in range(1000)]
    with b.subscribe([("match", TOPIC)]) as stream:
        with standing_still(b):
            for at in range(0, 1000, 100):
                publish_batch(a, sent[at:at + 100])
        assert read(stream, 1000) == sent
    assert redis.ask("XLEN", "{mercure:shared}:log") == 1000
    if history == "count=10":
        for server in (a, b):
            with resume(server, "earliest") as stream:
                assert read(stream, 10) == sent[-10:]


def test_a_machine_that_was_away_for_too_long_says_so(cluster, new_redis):
    """It stands still while the others publish more than the history has, and more than the log must keep."""
    redis = new_redis()
    a, b = cluster(2, "MercureHistory count=50", url=redis.url, options="timeout=1")
    stream = b.subscribe([("match", TOPIC)])
    first = a.publish(TOPIC, "first").text
    assert read(stream, 1) == ["first"]
    b.expect_log("MRC0309")
    b.expect_log("MRC0306", required=False)
    with standing_still(b):
        publish_batch(a, ["not read"] * 200)
        publish_batch(a, [f"number {n}" for n in range(1000)])
        publish_batch(a, [f"number {n}" for n in range(1000, 1100)])
    stream.wait_end()
    assert stream.clean and stream.parser.retry  # all clients of the machine do not come back at once
    with resume(b, first) as again:
        assert again.response.header("Mercure-Last-Event-ID") == "earliest"
        wait_until(lambda: b.wait_log("MRC0309"))
        assert read(again, 1)[0].startswith("number ")
    stream.close()


@pytest.mark.parametrize("text, words", [
    (hub("MercureTransport redis://127.0.0.1:1", "MercureStore lmdb data", name="x"), ("MRC0302", "MercureStore")),
    (hub("MercureTransport redis://127.0.0.1:1", name="x")
     + hub("MercureTransport redis://127.0.0.1:2", path="/b", name="x"), ("MRC0108", "MercureTransport")),
])
def test_configtest_refuses_what_does_not_fit_together(httpd, text, words):
    result = httpd.configtest(text)
    assert result.status != 0
    for word in words:
        assert word in result.output


def test_configtest_refuses_a_hub_without_a_name(httpd):
    port = httpd.add_port()
    text = (f'<VirtualHost 127.0.0.1:{port}>\n' + hub("MercureTransport redis://127.0.0.1:1") + "</VirtualHost>\n")
    result = httpd.configtest(text)
    assert result.status != 0 and "MRC0301" in result.output, result


def test_configtest_connects_to_nothing_and_warns_of_a_password(httpd):
    text = hub("MercureTransport redis://user:geheim@127.0.0.1:1/3 replicas=1", name="x")
    assert httpd.configtest(text).status == 0
    httpd.expect_log("MRC0306")
    httpd.start(text)
    httpd.expect_log("MRC0316")
    httpd.wait_log("MRC0316.*hub x.*password=file:PATH")
    httpd.wait_log("MRC0306.*[(]refused[)]")
    assert "geheim" not in httpd.log()
    assert "not stored" in httpd.publish(TOPIC, "data", status=503).text


def test_metrics_of_a_hub_on_several_machines(cluster):
    a, b = cluster(2, options="lease=5")
    for n in range(5):
        a.publish(TOPIC, f"number {n}")
    wait_until(lambda: transport(a, "machines") == 2 == transport(b, "machines"), what="two machines")
    assert transport(a, "batches_total") == 5
    assert transport(a, "commit_seconds_count") == 5
    wait_until(lambda: transport(b, "lag_updates") == 0, what="no lag")
    for page in ("/health", "/health/ready"):
        health = a.get(page).json
        assert abs(health["transport"].pop("since") - time.time()) < 600
        assert health == {"status": "ok", "transport": {"up": True, "lag": 0, "machines": 2}}
    assert a.get("/health/live").json == {"status": "ok"}
    for name in ("lost_total", "restored_total", "skipped_total", "missed_total", "staged"):
        assert transport(b, name) == 0, name


def test_server_status_shows_the_transport(new_httpd, redis):
    """For the hub that has one; a hub without it has no such numbers."""
    server = new_httpd()
    server.load("status")
    server.start(PAGES + STATUS + hub(f"MercureTransport {redis.url}", name="shared") + hub(path="/local"))
    wait_up(server)
    names = ["Up", "Lag", "Machines", "Staged", "Reconnects"]

    def numbers():
        lines = auto(server)
        return [lines[f"MercureTransport{name}"] for name in names]

    wait_until(lambda: numbers()[:4] == ["1", "0", "1", "0"], what="the transport in /server-status")
    redis.kill()
    server.expect_log("MRC0306")
    wait_until(lambda: numbers()[0] == "0" and int(numbers()[4]) > 0, what="the end of the connection in /server-status")
    lines = auto(server)
    reasons = [int(text) for name, text in lines.items() if re.match("MercureTransportReconnects[A-Z]", name)]
    assert len(reasons) > 5 and sum(reasons) == int(lines["MercureTransportReconnects"])
    before = int(lines["MercureTransportStateSeconds"])
    wait_until(lambda: int(auto(server)["MercureTransportStateSeconds"]) > before, what="a second more")
    assert int(auto(server)["MercureTransportStateSeconds"]) < 600
    page = server.get("/server-status").text
    head, shared, local = [re.findall("<t[hd]>(.*?)</t[hd]>", row) for row in
                           re.findall("<tr>(.*?)</tr>", page.split("<h2>Mercure</h2>")[1].replace("\n", ""))[:3]]
    for title in ("Behind", "Since (s)", "Machines", "Waiting", "Reconnects"):
        at = head.index(title)
        assert re.match("[0-9]+( |$)", shared[at]) and local[at] == "-", (title, shared, local)


def test_an_entry_of_another_program_is_passed_over(cluster, redis):
    a, b = cluster(2)
    for server in (a, b):
        server.expect_log("MRC0315")
    with b.subscribe([("match", TOPIC)]) as stream:
        a.publish(TOPIC, "first")
        key = "{mercure:shared}:"
        generation = redis.ask("HGET", key + "head", "g")
        for number, fields in ((2, ("x", "y")), (3, ("h", "1 2 3 4", "b", "no blob")), (4, ("h", "1 1 ff 1", "b", b"\0" * 40))):
            redis.ask("XADD", key + "log", f"{number}-{generation}", *fields)
            redis.ask("HSET", key + "head", "n", number)
        a.publish(TOPIC, "last")
        assert read(stream, 2) == ["first", "last"]
    wait_until(lambda: transport(b, "skipped_total") == 3, what="three entries to be counted")


def test_hubs_of_two_names_share_nothing(new_httpd, redis):
    a, b = new_httpd(), new_httpd()
    a.start(PAGES + hub(f"MercureTransport {redis.url}", name="shared"))
    b.start(PAGES + hub(f"MercureTransport {redis.url} prefix=other", name="shared"))
    for server in (a, b):
        wait_up(server)
    with b.subscribe([("match", TOPIC)]) as stream:
        a.publish(TOPIC, "of a")
        b.publish(TOPIC, "of b")
        assert read(stream, 1) == ["of b"]


def test_another_hub_with_the_same_name_is_not_joined(cluster, new_httpd, redis):
    (a,) = cluster(1)
    b = new_httpd()
    b.expect_log("MRC0311.*name=NAME")
    b.start(PAGES + hub(f"MercureTransport {redis.url}", path="/other", name="shared"))
    b.wait_log("MRC0311")
    assert b.publish(TOPIC, "data", path="/other", token=token.publisher(aud="https://hub.example/other"), status=None).status == 503


def test_several_hubs_share_connections(new_httpd, redis):
    server, other = new_httpd(), new_httpd()
    names = [f"h{n}" for n in range(40)]
    for one in (server, other):
        one.start("".join(hub(f"MercureTransport {redis.url}", "MercureHistory bytes=4M", path=f"/{name}", name=name, identifier="https://hub.example")
                          for name in names))
        wait_until(lambda: one.log().count("MRC0305") >= 2, what="two links")
    wait_until(lambda: redis.ask("INFO", "clients").count("connected_clients:9"), what="two connections for 32 hubs")
    for name in (names[0], names[35]):
        mine = token.publisher(aud=f"https://hub.example/{name}")
        with other.subscribe([("match", TOPIC)], path=f"/{name}") as stream:
            server.publish(TOPIC, f"of {name}", path=f"/{name}", token=mine)
            assert read(stream, 1) == [f"of {name}"]


def test_a_hub_without_room_stops_no_other_hub(new_httpd, redis):
    """The hubs of a machine share a connection, and the memory of this machine is limited."""
    names = ["first", "large", "last"]
    text = PAGES + "".join(hub(f"MercureTransport {redis.url} timeout=1", "MercureHistory bytes=2M", "MercureLimit body=64K",
                               path=f"/{name}", name=name) for name in names)
    a, b = new_httpd(), new_httpd()
    for server, memory in ((a, "MercureMemory 2M\n"), (b, "")):
        server.start(memory + text)
        wait_until(lambda: server.get("/metrics").text.count("} 1\n") >= 3 and "transport_up" in server.get("/metrics").text)
    mine = {name: token.publisher(aud=f"https://hub.example/{name}") for name in names}
    streams = {name: a.subscribe([("match", TOPIC)], path=f"/{name}") for name in names}

    def publish(server, name, data, **more):
        return server.publish(TOPIC, data, path=f"/{name}", token=mine[name], **more)

    for name in names:
        publish(b, name, "before")
        assert read(streams[name], 1) == ["before"]
    a.expect_log("MRC0322: hub large: .*no room.*MercureMemory")
    for _ in range(40):
        publish(b, "large", "x" * 60000)
    a.wait_log("MRC0322")
    for n in range(3):
        for name in ("first", "last"):
            publish(b, name, f"meanwhile {n}")
            assert read(streams[name], 1) == [f"meanwhile {n}"]
            publish(a, name, f"from here {n}")
            assert read(streams[name], 1) == [f"from here {n}"]
    publish(a, "large", "refused", status=503)
    for stream in streams.values():
        stream.close()
    a.graceful("MercureMemory 32M\n" + text)
    wait_until(lambda: publish(a, "large", "there is room", status=None).status == 200, what="room")
    with a.subscribe([("match", TOPIC)], path="/large", headers={"Last-Event-ID": "earliest"}) as stream:
        got = read(stream, 30)
        while got[-1] != "there is room":
            got += read(stream, 1)
    assert set(got[:-1]) == {"x" * 60000}


# ---- failover --------------------------------------------------------------------------------------

def wait_synced(primary, *replicas):
    wait_until(lambda: all("master_link_status:up" in replica.ask("INFO", "replication") for replica in replicas)
               and len(re.findall("state=online,offset=[1-9]", primary.ask("INFO", "replication"))) == len(replicas),
               what="replicas that answer")


def has_role(server, role):
    """Whether the server has the role; Sentinels close the connections of a server whose role they change."""
    try:
        return f"role:{role}" in server.ask("INFO", "replication")
    except OSError:
        return False


def test_a_replica_that_was_behind_becomes_the_primary(cluster, new_redis, new_httpd):
    """Updates that were confirmed as stored are put back, once; subscribers get nothing twice."""
    first = new_redis(repl_diskless_sync_delay=0, repl_ping_replica_period=1)
    second = new_redis(replicaof=["127.0.0.1", str(first.port)])
    wait_synced(first, second)
    url = f"redis://127.0.0.1:{first.port},127.0.0.1:{second.port}"
    a, b = cluster(2, url=url)
    for server in (a, b):
        server.expect_log("MRC0306", required=False)
        server.expect_log("MRC0308")
    streams = [server.subscribe([("match", TOPIC)]) for server in (a, b)]
    sent = []

    def publish(count):
        for n in range(count):
            sent.append(f"number {len(sent)}")
            (a, b)[n % 2].publish(TOPIC, sent[-1])

    publish(20)
    wait_until(lambda: second.ask("XLEN", "{mercure:shared}:log") == 20, what="20 entries on the replica")
    second.ask("REPLICAOF", "127.0.0.1", "1")  # it gets nothing more
    publish(30)
    for stream in streams:
        assert read(stream, 50) == sent
    first.kill()
    second.ask("REPLICAOF", "NO", "ONE")
    for server in (a, b):
        server.wait_log("MRC0308")
        wait_up(server)
    publish(10)
    for stream in streams:
        assert sorted(read(stream, 10)) == sorted(sent[50:])
        stream.close()
    # A machine that knows nothing gets all of it from the new primary.
    c = new_httpd()
    c.start(PAGES + hub(f"MercureTransport redis://127.0.0.1:{second.port}", name="shared"))
    wait_ready(c)
    wait_until(lambda: second.ask("XLEN", "{mercure:shared}:log") == 60, what="all entries")
    with c.subscribe([("match", TOPIC)], headers={"Last-Event-ID": "earliest"}) as stream:
        got = read(stream, 60)
    assert sorted(got) == sorted(sent)
    for start in (0, 1):  # the order of each machine is kept
        mine = [data for data in sent[start::2]]
        assert [data for data in got if data in set(mine)] == mine
    assert transport(a, "restored_total") + transport(b, "restored_total") == 30
    # Updates that the other machine has already put back at the same place are no longer lost.
    lost = [transport(server, "lost_total") for server in (a, b)]
    assert max(lost) == 30 and min(lost) >= 15


def test_a_loss_is_found_in_a_log_that_is_shorter_than_the_rings(cluster, new_redis):
    """MercureHistory bounds the log, and a ring keeps much more: only what is lost counts as lost."""
    first = new_redis(repl_diskless_sync_delay=0, repl_ping_replica_period=1)
    second = new_redis(repl_diskless_sync_delay=0, repl_ping_replica_period=1, replicaof=["127.0.0.1", str(first.port)])
    wait_synced(first, second)
    a, b = cluster(2, "MercureHistory count=64", url=f"redis://127.0.0.1:{first.port},127.0.0.1:{second.port}")
    for server in (a, b):
        server.expect_log("MRC0306", required=False)
        server.expect_log("MRC0308: .* has lost [0-9]+ ")
    stream = b.subscribe([("match", TOPIC)])
    sent = [f"number {n}" for n in range(2010)]
    ids = publish_batch(a, sent[:1000]) + publish_batch(a, sent[1000:2000])
    wait_until(lambda: second.ask("HGET", "{mercure:shared}:head", "n") == "2000", what="2000 entries on the replica")
    assert second.ask("XLEN", "{mercure:shared}:log") < 1200
    second.ask("REPLICAOF", "127.0.0.1", "1")  # it gets nothing more
    for data in sent[2000:]:
        a.publish(TOPIC, data)
    assert read(stream, 2010) == sent
    first.kill()
    second.ask("REPLICAOF", "NO", "ONE")
    for server in (a, b):
        server.wait_log("MRC0308")
        wait_up(server)
    wait_until(lambda: second.ask("HGET", "{mercure:shared}:head", "n") == "2010", what="what is put back")
    # The machine that comes later may find what the other one has put back.
    assert transport(a, "lost_total") == 10 or transport(b, "lost_total") == 10
    assert max(transport(server, "lost_total") for server in (a, b)) == 10
    assert transport(a, "missed_total") == transport(b, "missed_total") == 0
    for server in (a, b):  # updates before the loss have one order
        with resume(server, ids[1989]) as again:
            assert again.response.header("Mercure-Last-Event-ID") == ids[1989]
            assert read(again, 20) == sent[1990:]
    a.publish(TOPIC, "after")
    assert read(stream, 1) == ["after"]
    stream.close()


def test_a_client_that_changes_its_machine_misses_nothing_after_a_loss(cluster, new_redis, new_httpd):
    """
    Updates that Redis has lost and gets back are at other places on machines that had them. A cursor of such a machine
    begins where all machines had the same.
    """
    first = new_redis(repl_diskless_sync_delay=0, repl_ping_replica_period=1)
    second = new_redis(replicaof=["127.0.0.1", str(first.port)])
    wait_synced(first, second)
    a, b = cluster(2, url=f"redis://127.0.0.1:{first.port},127.0.0.1:{second.port}", options="lease=60")
    for server in (a, b):
        server.expect_log("MRC0306", required=False)
        server.expect_log("MRC0308")
    log = "{mercure:shared}:log"

    def publish(server, *names):
        for name in names:
            server.publish(TOPIC, name, fields=[("id", f"urn:{name}")])

    def expect(server, cursor, *wanted):
        with resume(server, f"urn:{cursor}") as stream:
            assert stream.response.header("Mercure-Last-Event-ID") == f"urn:{cursor}"
            assert read(stream, len(wanted)) == [*wanted]

    publish(a, "before")
    wait_until(lambda: second.ask("XLEN", log) == 1, what="the entry on the replica")
    second.ask("REPLICAOF", "127.0.0.1", "1")  # it gets nothing more
    for server, name in ((b, "t1"), (a, "t2"), (b, "t3")):
        publish(server, name)
    for server in (a, b):
        expect(server, "before", "t1", "t2", "t3")
    stopped = b.children()
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        first.kill()
        second.ask("REPLICAOF", "NO", "ONE")
        a.wait_log("MRC0308")
        wait_up(a)
        publish(a, "n1")
        c = new_httpd()
        c.start(PAGES + hub(f"MercureTransport redis://127.0.0.1:{second.port} lease=60", name="shared"))
        wait_ready(c)
        expect(c, "before", "t2", "n1")
        for cursor in ("t2", "n1"):  # on the other machine, these come after updates that this one lacks
            expect(a, cursor, "t1", "t2", "t3", "n1")
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    wait_until(lambda: second.ask("XLEN", log) == 5, what="what the other machine puts back")
    expect(c, "t1", "t2", "n1", "t1", "t3")
    expect(b, "n1", "t1", "t2", "t3", "n1")
    position = position_of(b)
    publish(a, "n2")
    streams = [resume(server, "urn:n2") for server in (a, b, c)]
    publish(a, "n3")
    for stream in streams:  # updates after all of that are served as usual
        assert read(stream, 1) == ["n3"]
        stream.close()
    with resume(b, position) as stream:  # the machine's own order is not in doubt
        assert read(stream, 2) == ["n2", "n3"]
    a.graceful()
    expect(a, "t1", "t2", "t3", "n1", "n2", "n3")


def test_a_stream_that_resumed_before_a_loss_was_noticed_ends(cluster, new_redis):
    """It may have come from a machine that had noticed the loss, and had another order of the updates."""
    first = new_redis(repl_diskless_sync_delay=0, repl_ping_replica_period=1)
    second = new_redis(repl_diskless_sync_delay=0, repl_ping_replica_period=1, replicaof=["127.0.0.1", str(first.port)])
    wait_synced(first, second)
    (a,) = cluster(1, url=f"redis://127.0.0.1:{first.port},127.0.0.1:{second.port}")
    (b,) = cluster(1, url=first.url)
    for server in (a, b):
        server.expect_log("MRC0306", required=False)
        server.expect_log("MRC0308")
    stays = b.subscribe([("match", TOPIC)])
    a.publish(TOPIC, "before")
    wait_until(lambda: second.ask("XLEN", "{mercure:shared}:log") == 1, what="the entry on the replica")
    second.ask("REPLICAOF", "127.0.0.1", "1")  # it gets nothing more
    for server, name in ((b, "t1"), (a, "t2"), (b, "t3")):
        server.publish(TOPIC, name, fields=[("id", f"urn:{name}")])
    first.kill()
    second.ask("REPLICAOF", "NO", "ONE")
    a.wait_log("MRC0308")
    wait_until(lambda: second.ask("XLEN", "{mercure:shared}:log") == 2, what="what a machine puts back")
    wait_down(b)
    stream = resume(b, "urn:t2")  # elsewhere, this was the first update
    assert read(stream, 1) == ["t3"]
    first.options["replicaof"] = ["127.0.0.1", str(second.port)]
    first.start()
    wait_synced(second, first)
    first.ask("REPLICAOF", "NO", "ONE")
    b.wait_log("MRC0308")
    stream.wait_end()
    with resume(b, "urn:t3") as again:
        assert read(again, 3) == ["t1", "t2", "t3"]
    wait_up(b)
    b.publish(TOPIC, "after")
    assert read(stays, 5) == ["before", "t1", "t2", "t3", "after"]
    stays.close()


def test_what_a_dead_machine_had_published_is_put_back(cluster, new_redis, new_httpd):
    """Redis loses updates together with the machine that published them, but another machine has them."""
    first = new_redis(repl_diskless_sync_delay=0, repl_ping_replica_period=1)
    second = new_redis(replicaof=["127.0.0.1", str(first.port)])
    wait_synced(first, second)
    a, b = cluster(2, url=f"redis://127.0.0.1:{first.port},127.0.0.1:{second.port}", options="lease=5")
    for line in ("MRC0306", "MRC0308"):
        b.expect_log(line, required=False)
    a.publish(TOPIC, "on both")
    wait_until(lambda: second.ask("XLEN", "{mercure:shared}:log") == 1, what="the entry on the replica")
    with resume(b, "earliest") as stream:
        assert read(stream, 1) == ["on both"]
    second.ask("REPLICAOF", "127.0.0.1", "1")  # it gets nothing more
    with b.subscribe([("match", TOPIC)]) as stream:
        ids = [a.publish(TOPIC, f"of a: {n}").text for n in range(100)]
        a.publish(TOPIC, "x" * 1000000)
        b.publish(TOPIC, "of b")
        read(stream, 102)
        a.crash()
        first.kill()
        second.ask("REPLICAOF", "NO", "ONE")
        b.wait_log("MRC0308")
        b.wait_log("MRC0321: .* put 101 update")
        b.publish(TOPIC, "after")
        assert read(stream, 1) == ["after"]
    assert transport(b, "restored_total") == 102
    c = new_httpd()
    c.start(PAGES + hub(f"MercureTransport redis://127.0.0.1:{second.port}", name="shared"))
    wait_ready(c)
    with resume(c, "earliest") as stream:
        got = read(stream, 104)
    assert [data for data in got if data.startswith("of a")] == [f"of a: {n}" for n in range(100)]
    assert sorted(got) == sorted(["on both", "of b", "after", "x" * 1000000] + [f"of a: {n}" for n in range(100)])
    with resume(c, ids[-1]) as stream:
        assert stream.response.header("Mercure-Last-Event-ID") == ids[-1]


def test_a_machine_that_redis_has_forgotten_puts_nothing_back_that_is_there(cluster, redis):
    """Redis forgets the counter of a machine a month after it last saw the machine."""
    a, b = cluster(2)
    for server in (a, b):
        server.expect_log("MRC0306")
    for n in range(5):
        b.publish(TOPIC, f"number {n}")
    head = redis.ask("HGETALL", "{mercure:shared}:head")
    (writer,) = [field for field in head[::2] if field.startswith("w:")]
    with a.subscribe([("match", TOPIC), ("last_event_id", "earliest")]) as stream:
        assert read(stream, 5) == [f"number {n}" for n in range(5)]
        redis.ask("HDEL", "{mercure:shared}:head", writer)
        redis.ask("CLIENT", "KILL", "TYPE", "normal")
        for server in (a, b):
            server.wait_log("MRC0306")
            wait_up(server)
        b.publish(TOPIC, "number 5")
        assert read(stream, 1) == ["number 5"]
    assert redis.ask("XLEN", "{mercure:shared}:log") == 6
    assert transport(b, "restored_total") == 0


@pytest.fixture
def sentinels(new_redis):
    """A primary with a replica, watched by three Sentinels."""
    primary = new_redis(repl_diskless_sync_delay=0, repl_ping_replica_period=1)
    replica = new_redis(replicaof=["127.0.0.1", str(primary.port)])
    wait_synced(primary, replica)
    watchers = [Sentinel(primary, 2) for _ in range(3)]
    wait_until(lambda: all(len(watcher.ask("SENTINEL", "SENTINELS", "mine")) == 2
                           and len(watcher.ask("SENTINEL", "REPLICAS", "mine")) == 1 for watcher in watchers),
               what="three Sentinels that know each other")
    yield primary, replica, watchers
    for watcher in watchers:
        watcher.close()


def sentinel_url(watchers):
    return "redis://" + ",".join(f"127.0.0.1:{watcher.port}" for watcher in watchers)


@pytest.mark.parametrize("planned", [True, False])
def test_sentinel_names_the_new_primary(cluster, sentinels, planned):
    primary, replica, watchers = sentinels
    a, b = cluster(2, url=sentinel_url(watchers), options="sentinel=mine")
    for server in (a, b):
        for line in ("MRC0306", "MRC0308"):
            server.expect_log(line, required=False)
    sent, got = [], []
    with b.subscribe([("match", TOPIC)]) as stream:
        for n in range(20):
            sent.append(f"number {n}")
            a.publish(TOPIC, sent[-1])
        if planned:
            assert watchers[0].ask("SENTINEL", "FAILOVER", "mine") == "OK"
        else:
            primary.kill()
        wait_until(lambda: has_role(replica, "master"), what="a new primary")
        wait_until(lambda: f":{replica.port}, version" in a.log().rsplit("MRC0305", 1)[1]
                   and f":{replica.port}, version" in b.log().rsplit("MRC0305", 1)[1], what="connections with it")
        for n in range(20, 40):
            sent.append(f"number {n}")
            wait_until(lambda: a.publish(TOPIC, sent[-1], status=None).status == 200, what="an accepted update")
        got = read(stream, 40)
    assert got == sent


def redis_cluster(new_redis):
    """The nodes: three primaries."""
    nodes = [new_redis(port=free_port(55000), cluster_enabled="yes") for _ in range(3)]
    for node in nodes[1:]:
        nodes[0].ask("CLUSTER", "MEET", "127.0.0.1", node.port)
    for number, node in enumerate(nodes):
        node.ask("CLUSTER", "ADDSLOTSRANGE", *[(0, 5460), (5461, 10922), (10923, 16383)][number])
    wait_until(lambda: all("cluster_state:ok" in node.ask("CLUSTER", "INFO")
                           and node.ask("CLUSTER", "NODES").count("connected") == 3 for node in nodes), what="a cluster")
    return nodes


def on_redis_cluster(new_httpd, nodes, names, *directives):
    """Two machines with hubs of these names, at paths with the same names."""
    machines = [new_httpd(), new_httpd()]
    for server in machines:
        server.expect_log("MRC0306", required=False)
        server.start(PAGES + "".join(
            hub(f"MercureTransport redis://127.0.0.1:{nodes[0].port} cluster=on", *directives, path=f"/{name}", name=name)
            for name in names))
        wait_until(lambda: server.get("/metrics").text.count("mercure_transport_up{") == 3
                   and server.get("/metrics").text.count("} 1\n") and server.log().count("MRC0305") >= 3, what="three links")
    return machines


def test_a_redis_cluster(new_redis, new_httpd):
    """Three primaries; two hubs on different nodes; then the slot of one moves."""
    nodes = redis_cluster(new_redis)
    names = ["h1", "h2", "h3"]
    machines = on_redis_cluster(new_httpd, nodes, names)

    def exchange(text):
        for name in names:
            mine = token.publisher(aud=f"https://hub.example/{name}")
            with machines[1].subscribe([("match", TOPIC)], path=f"/{name}") as stream:
                wait_until(lambda: machines[0].publish(TOPIC, text, path=f"/{name}", token=mine, status=None).status == 200)
                assert read(stream, 1) == [text]

    exchange("before")
    slot = nodes[0].ask("CLUSTER", "KEYSLOT", "{mercure:h1}:log")
    ids = [node.ask("CLUSTER", "MYID") for node in nodes]
    source = next(n for n, node in enumerate(nodes) if any("{mercure:h1}" in key for key in node.ask("KEYS", "*")))
    target = (source + 1) % 3
    nodes[target].ask("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[source])
    nodes[source].ask("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[target])
    keys = nodes[source].ask("CLUSTER", "GETKEYSINSLOT", slot, 100)
    nodes[source].ask("MIGRATE", "127.0.0.1", nodes[target].port, "", 0, 5000, "KEYS", *keys)
    for node in (nodes[target], nodes[source]):
        node.ask("CLUSTER", "SETSLOT", slot, "NODE", ids[target])
    exchange("after")


def test_a_user_with_few_rights_and_tls(new_redis, new_httpd):
    """The rights are those of docs/cluster.md."""
    folder = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(folder, "..", "..", "docs", "cluster.md"), encoding="utf-8") as page:
        rule = page.read().split("ACL SETUSER mercure ", 1)[1].split("\n", 1)[0].replace("SECRET", "geheim").split()
    a, b = new_httpd(), new_httpd()
    certificate, key = make_certificate(a)
    redis = new_redis(tls_port=0, tls_cert_file=certificate, tls_key_file=key, tls_ca_cert_file=certificate,
                      tls_auth_clients="no")
    tls_port = free_port()
    redis.ask("CONFIG", "SET", "tls-port", tls_port)
    redis.ask("ACL", "SETUSER", "mercure", *rule)
    a.write("password", "geheim\n", mode=0o644)
    for server in (a, b):
        server.start(PAGES + hub(f"MercureTransport rediss://localhost:{tls_port} ca={certificate} user=mercure "
                                 f"password=file:{a.path('password')} lease=5", CONTROL, name="shared"))
        wait_up(server)
    with b.subscribe([("match", TOPIC)]) as stream:
        first = a.publish(TOPIC, "over TLS").text
        assert read(stream, 1) == ["over TLS"]
        wait_until(lambda: call(a, "GET", "streams", status=200).json["streams"], what="the stream of the other machine")
        a.publish(TOPIC, "x" * 500000)
        assert read(stream, 1) == ["x" * 500000]
    with resume(b, first) as stream:
        assert stream.response.header("Mercure-Last-Event-ID") == first
    assert resume(b, "urn:unknown").response.header("Mercure-Last-Event-ID") == "earliest"
    wait_until(lambda: transport(a, "machines") == 2, what="a beat")
    assert not redis.ask("ACL", "LOG")
    # The certificate does not name this address, and the system does not know its authority.
    c = new_httpd()
    for options in (f"ca={certificate}", ""):
        host = "127.0.0.1" if options else "localhost"
        c.expect_log("MRC0306.*[(]tls[)].*certificate")
        text = PAGES + hub(f"MercureTransport rediss://{host}:{tls_port} {options} user=mercure password=file:{a.path('password')}",
                           name="shared")
        if c.running:
            c.stop()
        c.start(text)
        c.wait_log("MRC0306.*[(]tls[)]")
    b.stop()  # it reads the certificate in the folder of A again when it connects again


def make_certificate(server):
    """A self-signed certificate for localhost."""
    certificate, key = server.path("cert.pem"), server.path("key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key,
                    "-out", certificate, "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
                   check=True, capture_output=True)
    for path in (certificate, key):
        os.chmod(path, 0o644)
    return certificate, key


def test_replicas_must_have_an_update(cluster, new_redis):
    primary = new_redis(repl_diskless_sync_delay=0, repl_ping_replica_period=1)
    replica = new_redis(replicaof=["127.0.0.1", str(primary.port)])
    wait_synced(primary, replica)
    (a,) = cluster(1, url=primary.url, options="replicas=1 timeout=1")
    a.publish(TOPIC, "on both")
    replica.freeze()
    try:
        assert "not known" in a.publish(TOPIC, "on one", status=503).text
    finally:
        replica.thaw()
    wait_until(lambda: a.publish(TOPIC, "on both again", status=None).status == 200, what="an accepted update")
    assert transport(a, 'publish_refused_total{hub="shared",reason="replicas"}') >= 1


def test_a_batch_is_in_one_piece_on_all_machines(cluster):
    a, b = cluster(2)
    batches = [[f"batch {batch}: {n}" for n in range(1000)] for batch in range(2)]
    streams = [server.subscribe([("match", TOPIC)]) for server in (a, b)]

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(publish_batch, server, batch) for server, batch in zip((a, b), batches)]:
            done.result()
    orders = [read(stream, 2000) for stream in streams]
    assert orders[0] == orders[1]
    assert orders[0] in (batches[0] + batches[1], batches[1] + batches[0])
    for stream in streams:
        stream.close()


def test_a_batch_is_one_script(cluster, redis):
    (a,) = cluster(1, options="timeout=30")  # MONITOR makes the server slow
    with a.subscribe([("match", TOPIC)]) as stream, redis.monitor() as commands:
        for size in (1, 10, 1000):
            updates = [{"topic": TOPIC, "data": f"batch of {size}, {n}"} for n in range(size)]
            response = a.request("POST", PATH, [("Authorization", "Bearer " + token.publisher()),
                                                ("Content-Type", "application/json")], json.dumps(updates))
            assert response.status == 200 and len(response.json) == size, response
            assert read(stream, size) == [update["data"] for update in updates]
        lines = commands()
    for size in (1, 10, 1000):
        scripts, others = [], []
        for line in lines:
            if f"batch of {size}," in line:
                (scripts if '"EVALSHA"' in line else others).append(line)
        assert len(scripts) == 1 and scripts[0].count(f"batch of {size},") == size
        assert all(" lua] " in line for line in others)  # the other lines are what the script does
