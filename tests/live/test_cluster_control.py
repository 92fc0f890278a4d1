"""Orders of an operator on a hub of several machines: every machine carries them out, and revocations stay."""
import threading
import time

import pytest

from env import token
# pytest finds the fixtures by their names.
from env.cluster import PAGES, cluster, new_redis, redis, wait_up  # noqa: F401
from env.hub import hub
from env.liar import Liar
from env.operator import call
from env.wait import wait_until
from test_cluster import CONTROL, transport
from test_control import TOPIC

pytestmark = [pytest.mark.mpm("event")]


def subscribe(server, status=200, **claims):
    return server.subscribe([("match", TOPIC)], token=token.subscriber(**claims), status=status)


def revoke(server, **fields):
    return call(server, "POST", "revoke", {name.replace("_", "-"): value for name, value in fields.items()},
                status=200).json["id"]


def revoked(server):
    return [entry["id"] for entry in call(server, "GET", "revocations", status=200).json["revocations"]]


def refuses(server, **claims):
    with subscribe(server, status=None, **claims) as stream:
        assert stream.status in (200, 401)
        return stream.status == 401


def test_disconnect_ends_streams_of_all_machines(cluster):
    a, b = cluster(2, CONTROL)
    ends = [subscribe(server, sub="alice") for server in (a, b) for _ in range(3)]
    stays = [subscribe(server, sub="bob") for server in (a, b)]
    call(a, "POST", "disconnect", {"sub": "alice"}, status=202)
    for stream in ends:
        stream.wait_end()
        assert stream.clean and stream.parser.retry
    b.publish(TOPIC, "after")
    for stream in stays:
        assert stream.next().data == "after"
        stream.close()
    subscribe(b, sub="alice").close()
    assert transport(a, "skipped_total") == 0 == transport(b, "skipped_total")


def test_a_revocation_counts_on_all_machines_and_is_lifted_on_all(cluster):
    a, b = cluster(2, CONTROL)
    stream = subscribe(b, sub="mallory")
    entry = revoke(a, sub="mallory")
    assert refuses(a, sub="mallory")
    stream.wait_end()
    assert refuses(b, sub="mallory") and not refuses(b, sub="alice")
    assert revoked(a) == revoked(b) == [entry]
    call(b, "DELETE", f"revocations/{entry}", status=204)
    assert not refuses(b, sub="mallory")
    wait_until(lambda: revoked(a) == [], what="a list without it")
    assert not refuses(a, sub="mallory")
    call(a, "DELETE", f"revocations/{entry}", status=404)


def test_revocations_survive_restarts_of_machines_and_of_the_server(cluster, new_redis, new_httpd):
    redis = new_redis(appendonly="yes", appendfsync="always")
    a, b = cluster(2, CONTROL, url=redis.url)
    entry = revoke(a, sub="mallory", ttl=3600)
    wait_until(lambda: revoked(b) == [entry])
    lifted = revoke(a, sub="eve")
    wait_until(lambda: len(revoked(b)) == 2)
    b.stop()
    call(a, "DELETE", f"revocations/{lifted}", status=204)
    b.start()
    wait_up(b)
    assert revoked(b) == [entry] and refuses(b, sub="mallory") and not refuses(b, sub="eve")
    a.crash()
    a.expect_log("AH00098")  # its pid file is still there
    a.start()
    wait_up(a)
    assert revoked(a) == [entry]
    for server in (a, b):
        server.expect_log("MRC0306")
    redis.kill()
    wait_until(lambda: "MRC0306" in a.log(), what="the loss of the connection")
    assert refuses(b, sub="mallory")
    response = call(a, "POST", "revoke", {"sub": "bob"})
    assert response.status == 503 and not refuses(a, sub="bob")
    redis.start()
    c = new_httpd()
    c.start(PAGES + hub(f"MercureTransport {redis.url}", CONTROL, name="shared"))
    for server in (a, b, c):
        wait_up(server)
    assert revoked(c) == [entry] and refuses(c, sub="mallory")


def test_a_revoked_token_publishes_on_no_machine_that_has_just_started(cluster, new_httpd, redis):
    (a,) = cluster(1, CONTROL, options="timeout=30")
    revoke(a, sub="mallory")
    c, answers = new_httpd(), []
    redis.freeze()  # so that the machine serves before it has joined
    try:
        c.start(PAGES + hub(f"MercureTransport {redis.url} timeout=30", CONTROL, name="shared"))
        publisher = threading.Thread(target=lambda: answers.append(
            c.publish(TOPIC, "of mallory", token=token.publisher(sub="mallory"), status=None)))
        publisher.start()
        time.sleep(0.3)  # it may have passed the check by now
    finally:
        redis.thaw()
    publisher.join()
    assert answers[0].status in (401, 503)
    wait_up(c)
    assert c.publish(TOPIC, "of mallory", token=token.publisher(sub="mallory"), status=401)
    with subscribe(a) as stream:
        c.publish(TOPIC, "of somebody else", token=token.publisher(sub="alice"))
        assert stream.next().data == "of somebody else"


def test_a_revocation_whose_order_was_lost_ends_streams(cluster, redis):
    """After a failover, the log may lack the order, although the revocation was entered again."""
    (a,) = cluster(1, CONTROL)
    key = "{mercure:shared}:r"
    entry = revoke(a, sub="mallory")
    member, score = redis.ask("ZRANGE", key, 0, -1, "WITHSCORES")
    call(a, "DELETE", f"revocations/{entry}", status=204)
    ends, stays = subscribe(a, sub="mallory"), subscribe(a, sub="alice")
    a.expect_log("MRC0306", required=False)
    redis.ask("ZADD", key, score, member.encode("utf-8", "surrogateescape"))
    redis.ask("CLIENT", "KILL", "TYPE", "normal")
    ends.wait_end()
    assert refuses(a, sub="mallory")
    a.publish(TOPIC, "after")
    assert stays.next().data == "after"
    stays.close()


def test_a_server_that_was_emptied_gets_the_revocations_again(cluster, new_httpd, redis):
    a, b = cluster(2, CONTROL)
    for server in (a, b):
        server.expect_log("MRC0310")
    entry = revoke(a, jti="j1")
    with subscribe(b) as stream:  # both have read as far then; otherwise, one may miss the entry of the order
        a.publish(TOPIC, "after")
        assert stream.next().data == "after"
    redis.ask("FLUSHALL")
    wait_until(lambda: redis.ask("ZCARD", "{mercure:shared}:r") == 1, what="the revocation in Redis")
    c = new_httpd()
    c.start(PAGES + hub(f"MercureTransport {redis.url}", CONTROL, name="shared"))
    wait_up(c)
    assert revoked(c) == [entry] and refuses(c, jti="j1")
    for server in (a, b):  # each of them, when it reads next
        server.wait_log("MRC0310")


def test_a_machine_that_joined_an_emptied_server_first_learns_the_revocations(new_httpd, redis):
    """A proxy keeps the machine that knows the revocation away until the other one has joined."""
    liar, a, c = Liar(redis), new_httpd(), new_httpd()
    try:
        a.start(PAGES + hub(f"MercureTransport {liar.url} timeout=1", CONTROL, name="shared"))
        wait_up(a)
        entry = revoke(a, jti="j1")
        a.expect_log("MRC0306", required=False)
        a.expect_log("MRC0310")
        liar.lie = lambda command, reply: None
        wait_until(lambda: liar.told > 1, what="connections that end")
        redis.ask("FLUSHALL")
        c.start(PAGES + hub(f"MercureTransport {redis.url}", CONTROL, name="shared"))
        wait_up(c)
        stream = subscribe(c, jti="j1")
        liar.lie = None
        stream.wait_end()
        assert revoked(c) == [entry] and refuses(c, jti="j1")
        a.wait_log("MRC0310")
    finally:
        liar.close()


def test_an_order_of_a_later_version_is_passed_over(cluster, redis):
    a, b = cluster(2, CONTROL)
    for server in (a, b):
        server.expect_log("MRC0315")
    stream = subscribe(b)
    key = "{mercure:shared}:"
    generation = redis.ask("HGET", key + "head", "g")
    # Flags (2: an order), no id, then version 9; and version 1 with an unknown field.
    for number, order in ((1, b"\x09\x00"), (2, b"\x01\x00\x63\x01\x00\x00\x00x"), (3, b"\x01\x07"), (4, b"")):
        redis.ask("XADD", key + "log", f"{number}-{generation}", "h", f"1 1 00000000000000ff {number}",
                  "b", b"\x02\x00\x00\x00\x00" + order)
        redis.ask("HSET", key + "head", "n", number)
    a.publish(TOPIC, "after")
    assert stream.next().data == "after"
    wait_until(lambda: transport(b, "skipped_total") == 4, what="four entries to be counted")
    stream.close()
