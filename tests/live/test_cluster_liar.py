"""A Redis server that answers nonsense, or is hostile: the machine reports why, and recovers when the server does."""
import time

import pytest

# pytest finds the fixtures by their names.
from env.cluster import PAGES, cluster, new_redis, redis, wait_up  # noqa: F401
from env.hub import hub
from env.liar import Liar
from env.operator import call
from env.wait import wait_until
from test_cluster import CONTROL, TOPIC, is_up, read
from test_subscriptions import listed

pytestmark = [pytest.mark.mpm("event")]


@pytest.fixture
def liar(redis):
    made = Liar(redis)
    yield made
    made.close()


def is_script(command, keys):
    return command[0] == b"EVALSHA" and command[2] == keys


def is_publish(command):
    return is_script(command, b"4") and len(command) > 12 and b":r" in command[6]


def is_join(command):
    return is_script(command, b"2") and command[4].endswith(b":head")


def is_beat(command):
    return is_script(command, b"2") and command[4].endswith(b":m")


def is_read(command):
    return command[0] == b"XREAD"


def slowly(data):
    for at in range(len(data)):
        time.sleep(0.001)
        yield data[at:at + 1]


def half_then_nothing(data):
    yield data[:len(data) // 2]
    time.sleep(4)


def entry(number, generation=b"1", head=b"1764360000000000 10 00000000000000ff 1"):
    fields = b"*4\r\n$1\r\nh\r\n$%d\r\n%s\r\n$1\r\nb\r\n$5\r\n\0\0\0\0\0\r\n" % (len(head), head)
    name = b"%d-%s" % (number, generation)
    log = b"{mercure:shared}:log"
    return b"*1\r\n*2\r\n$%d\r\n%s\r\n*1\r\n*2\r\n$%d\r\n%s\r\n%s" % (len(log), log, len(name), name, fields)


# Which command gets which answer, and the reason in the log.
LIES = {
    "loading": (is_publish, b"-LOADING Redis is loading the dataset in memory\r\n", "loading"),
    "busy": (is_beat, b"-BUSY Redis is busy running a script\r\n", "loading"),
    "clusterdown": (is_join, b"-CLUSTERDOWN The cluster is down\r\n", "loading"),
    "readonly": (is_publish, b"-READONLY You can't write against a read only replica.\r\n", "readonly"),
    "unblocked": (is_read, b"-UNBLOCKED force unblock from blocking operation\r\n", "readonly"),
    "noperm": (is_publish, b"-NOPERM this user has no permissions\r\n", "auth"),
    "an error without a code": (is_publish, b"-what?\r\n", "protocol"),
    "a number for a publication": (is_publish, b":5\r\n", "protocol"),
    "nothing for a beat": (is_beat, b"$-1\r\n", "protocol"),
    "numbers that are too large": (is_publish, b"*2\r\n$21\r\n999999999999999999999\r\n$1\r\n1\r\n", "protocol"),
    "a negative number": (is_publish, b"*2\r\n:-5\r\n:1\r\n", "protocol"),
    "a status for a read": (is_read, b"+OK\r\n", "protocol"),
    "an entry without fields": (is_read, b"*1\r\n*2\r\n$1\r\nx\r\n*1\r\n*0\r\n", "protocol"),
    "no protocol at all": (is_beat, b"HTTP/1.1 400 Bad Request\r\n\r\n", "protocol"),
    "a string of 4 GB": (is_read, b"$4294967296\r\n", "protocol"),
    "too many elements": (is_read, b"*2147483647\r\n", "protocol"),
    "too deep": (is_read, b"*1\r\n" * 100, "protocol"),
    "an answer too many": (is_publish, b"+OK\r\n+OK\r\n+OK\r\n", "protocol"),
    "the end": (is_publish, None, "closed"),
    "half an answer, and the end": (is_beat, b"*4\r\n$1\r\n", "timeout"),
    "a role of nobody": (lambda command: command[0] == b"ROLE", b"*0\r\n", "readonly"),
    "an old version": (lambda command: command[:2] == [b"INFO", b"server"],
                       b"$39\r\nredis_version:6.2.0\r\nrun_id:0123456789ab\r\n\r\n", "protocol"),
    "no hash of a script": (lambda command: command[0] == b"SCRIPT", b"$3\r\nabc\r\n", "protocol"),
    "an unknown verdict": (is_join, b"*7\r\n$1\r\n1\r\n$1\r\n0\r\n$1\r\n1\r\n$4\r\nwhat\r\n$1\r\n0\r\n$0\r\n\r\n$0\r\n\r\n",
                           "protocol"),
}


def start(new_httpd, redis, liar, options="timeout=1"):
    a, b = new_httpd(), new_httpd()
    for server, url in ((a, liar.url), (b, redis.url)):
        server.start(PAGES + hub(f"MercureTransport {url} {options}", name="shared"))
        wait_up(server)
    return a, b


@pytest.mark.parametrize("name", LIES)
def test_a_lie_is_reported_and_forgiven(new_httpd, redis, liar, name):
    wanted, answer, reason = LIES[name]
    a, b = start(new_httpd, redis, liar)
    stream = a.subscribe([("match", TOPIC)])
    a.publish(TOPIC, "before")
    a.expect_log(rf"MRC0306.*[(]{reason}[)]")
    a.expect_log("MRC0306", required=False)
    liar.lie = lambda command, reply: answer if wanted(command) else reply
    if wanted not in (is_publish, is_read, is_beat):
        b.expect_log("MRC0306")
        redis.ask("CLIENT", "KILL", "TYPE", "normal")
    a.publish(TOPIC, "lie", status=None)
    a.wait_log(rf"MRC0306.*[(]{reason}[)]")
    liar.lie = None
    wait_up(a)
    b.publish(TOPIC, "after")
    got = read(stream, 2)
    while got[-1] != "after":
        got += read(stream, 1)
    assert got[0] == "before" and set(got) <= {"before", "lie", "after"} and len(got) == len(set(got))
    assert a.publish(TOPIC, "and again").status == 200
    stream.close()


@pytest.mark.parametrize("answer", [entry(9), entry(10 ** 30), entry(5, b"7"), entry(1, b"4294967296"), entry(-1)])
def test_entries_that_do_not_go_on_are_refused(new_httpd, redis, liar, answer):
    a, b = start(new_httpd, redis, liar)
    stream = a.subscribe([("match", TOPIC)])
    a.publish(TOPIC, "before")
    a.expect_log("MRC0306", required=False)
    liar.lie = lambda command, reply: answer if is_read(command) else reply
    b.publish(TOPIC, "during")
    wait_until(lambda: liar.told > 1, what="a lie")
    liar.lie = None
    b.publish(TOPIC, "after")
    assert read(stream, 3) == ["before", "during", "after"]
    stream.close()


@pytest.mark.parametrize("command", [b"DEL", b"ZADD"])
def test_what_a_server_has_lost_is_entered_although_the_connection_ends_meanwhile(new_httpd, redis, liar, command):
    """Once the machine has found its place in the new log, nothing in the log shows that something is missing."""
    a = new_httpd()
    a.start(PAGES + hub(f"MercureTransport {liar.url} timeout=1", CONTROL, "MercureSubscriptions On", name="shared"))
    wait_up(a)
    stream = a.subscribe([("match", TOPIC)])
    call(a, "POST", "revoke", {"jti": "one"}, status=200)

    def entered():
        keys = redis.ask("KEYS", "{mercure:shared}:p:*")
        return [redis.ask("ZCARD", key) for key in keys], redis.ask("ZCARD", "{mercure:shared}:r")

    wait_until(lambda: entered() == ([1], 1), what="a subscription and a revocation")
    a.expect_log("MRC0310")
    a.expect_log("MRC0306.*[(]closed[)]", required=False)
    liar.lie = lambda words, reply: None if words[0] == command else reply
    redis.ask("FLUSHALL")
    wait_until(lambda: liar.told > 1, what="connections that end")
    redis.ask("DEL", *(redis.ask("KEYS", "{mercure:shared}:p:*") or ["none"]), "{mercure:shared}:r")
    liar.lie = None
    wait_up(a)
    wait_until(lambda: entered() == ([1], 1), what="both of them again")
    stream.close()


def bulk(*texts):
    return b"*%d\r\n" % len(texts) + b"".join(b"$%d\r\n%s\r\n" % (len(text), text) for text in texts)


def test_questions_that_nobody_reads_are_passed_over(new_httpd, redis, liar):
    """No operator controls the hub, so no machine answers questions of others."""
    a, b = start(new_httpd, redis, liar)
    ask = bulk(b"n", b"0123", b"f", b"somebody", b"t", b"*", b"q", b'{"ask":"stats"}')
    answer = b"*1\r\n*2\r\n$18\r\n{mercure:shared}:q\r\n*1\r\n*2\r\n$3\r\n1-1\r\n" + ask
    stream = a.subscribe([("match", TOPIC)])
    children = a.children()
    liar.lie = lambda command, reply: answer if is_read(command) and liar.told < 10 else reply
    b.publish(TOPIC, "during")
    wait_until(lambda: liar.told >= 10, what="lies")
    b.publish(TOPIC, "after")
    assert read(stream, 2) == ["during", "after"]
    assert a.children() == children
    stream.close()


def test_a_list_without_an_end_ends(new_httpd, redis, liar):
    a = new_httpd()
    a.start(PAGES + hub(f"MercureTransport {liar.url} timeout=1", CONTROL, "MercureSubscriptions On", name="shared"))
    wait_up(a)
    wait_until(lambda: redis.ask("HLEN", "{mercure:shared}:m") == 1, what="the machine in the list")
    member = b"exact/topic/urn:uuid:01234567-89ab-4def-8123-456789abcdef\0-"
    liar.lie = lambda command, reply: bulk(member) if command[0] == b"ZRANGEBYLEX" else reply
    with pytest.raises(Exception):  # the end of the stream is missing
        listed(a)
    assert liar.told < 10
    told = liar.told
    liar.lie = lambda command, reply: bulk(*[b"nonsense"] * 1000) if command[0] == b"ZRANGE" else reply
    redis.ask("CLIENT", "KILL", "TYPE", "normal")
    a.expect_log("MRC0306", required=False)
    wait_until(lambda: liar.told > told, what="a lie")
    wait_up(a)
    liar.lie = None


def test_a_server_that_answers_slowly_is_served(new_httpd, redis, liar):
    a, b = start(new_httpd, redis, liar, "timeout=10")
    liar.lie = lambda command, reply: slowly(reply) if len(reply) < 1000 else reply
    with b.subscribe([("match", TOPIC)]) as stream:
        a.publish(TOPIC, "slowly")
        assert read(stream, 1) == ["slowly"]
    liar.lie = None
    assert is_up(a)


def test_half_an_answer_is_not_waited_for(new_httpd, redis, liar):
    a, b = start(new_httpd, redis, liar)
    a.expect_log("MRC0306.*[(]timeout[)]")
    liar.lie = lambda command, reply: half_then_nothing(reply) if is_publish(command) else reply
    a.publish(TOPIC, "half")  # its entry comes back on the other connection
    a.wait_log("MRC0306.*[(]timeout[)]")
    liar.lie = None
    wait_up(a)
    with b.subscribe([("match", TOPIC)]) as stream:
        a.publish(TOPIC, "after")
        assert read(stream, 1) == ["after"]
