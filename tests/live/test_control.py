"""HUB/control/: who may call, what the answers are, and how streams are ended."""
import json
import re
import time
import urllib.parse

import pytest

from env import token
from env.hub import PATH, hub
from env.operator import ISSUER, KEY, bearer, call, controlled, problem
from env.sse import pump_all
from env.wait import DEADLINE, wait_until
from env.watch import owner

event_only = pytest.mark.mpm("event")

TOPIC = "https://example.com/books/1"
UUID = r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


def disconnect(httpd, status=202, **fields):
    return call(httpd, "POST", "disconnect", fields, status=status)


def wait_ended(stream):
    """The time in the retry field of a stream that ends in order."""
    stream.wait_end()
    assert stream.clean
    return stream.parser.retry


def subscribe(httpd, query=(("match", TOPIC),), **claims):
    """A stream with a token that has these claims."""
    return httpd.subscribe(list(query), token=token.subscriber(**claims))


def assert_live(httpd, *streams):
    """The streams get an update, whatever they listen to."""
    marker = httpd.publish(TOPIC, "live?").text
    for stream in streams:
        assert stream.next().id == marker


# ---- who may call --------------------------------------------------------------------------------


@event_only
def test_without_a_key_there_is_no_control(httpd):
    httpd.start(hub())
    for name in ("disconnect", "", "streams"):
        problem(call(httpd, "POST", name, {"all": 1}), 404)
        problem(call(httpd, "GET", name), 404)


@event_only
def test_only_operators_may_call(httpd):
    """No token, another key, another audience, a publisher's or subscriber's token, a cookie: 401, and no effect."""
    httpd.start(controlled("MercureCookieName session"))
    stream = httpd.subscribe([("match", TOPIC)])
    now = int(time.time())
    refused = [
        token.publisher(), token.subscriber(), bearer(aud="https://other.example/"), bearer(iss=token.ISSUER),
        token.mint("another-key-of-the-live-tests:0123456789abcdef0123456789abcdef", iss=ISSUER),
        bearer(exp=now - 10), bearer(exp=token.REMOVE), bearer(header={"typ": "JWT"}), "nonsense",
    ]
    for text in refused:
        response = call(httpd, "POST", "disconnect", {"all": 1}, authorization=text)
        problem(response, 401)
        assert 'error="invalid_token"' in response.header("WWW-Authenticate"), text
    response = call(httpd, "POST", "disconnect", {"all": 1}, authorization=None)
    assert "Bearer resource_metadata=" in response.header("WWW-Authenticate")
    assert "MercureControlKey" in problem(response, 401)
    for cookie in ("session", "__Secure-mercure_access_token"):
        response = call(httpd, "POST", "disconnect", {"all": 1}, authorization=None,
                        headers=[("Cookie", f"{cookie}={bearer()}"), ("Origin", "https://hub.example")])
        problem(response, 401)
    target = f"disconnect?authorization={bearer()}"
    problem(call(httpd, "POST", target, {"all": 1}, authorization=None), 401)
    # The token of an operator serves no other purpose.
    httpd.publish(TOPIC, "x", token=bearer(), status=401)
    httpd.subscribe([("match", TOPIC)], token=bearer(), status=401).close()
    assert_live(httpd, stream)
    stream.close()
    assert "MRC1101" not in httpd.log()


@event_only
def test_methods_and_paths(httpd):
    httpd.start(controlled("MercureCorsOrigins https://admin.example"))
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        response = call(httpd, method, "disconnect")
        problem(response, 405)
        assert response.header("Allow") == "POST, OPTIONS"
    for name in ("", "disconnect/", "disconnect/x", "Disconnect", "disconnec", "%64isconnect/", "unknown"):
        problem(call(httpd, "POST", name, {"all": 1}), 404)
    response = httpd.request("OPTIONS", f"{PATH}/control/disconnect")
    assert response.status == 204 and response.header("Allow") == "POST, OPTIONS"
    response = httpd.request("OPTIONS", f"{PATH}/control/disconnect", {
        "Origin": "https://admin.example", "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization"})
    assert response.status == 204
    assert response.header("Access-Control-Allow-Origin") == "https://admin.example"
    # The URL accepts no publications.
    httpd.publish(f"{PATH}/control/disconnect", "x", status=400)


@event_only
def test_every_call_is_a_line_in_the_log(httpd):
    httpd.log_level = "notice"
    httpd.start(controlled())
    call(httpd, "POST", "disconnect", {"sub": 'a"b\nc'}, authorization=bearer("röot\n[notice] x"), status=202)
    call(httpd, "POST", "disconnect", {"nonsense": "x"}, authorization=bearer("second"), status=400)
    call(httpd, "POST", "disconnect", {"all": 1}, authorization=bearer(token.REMOVE), status=202)
    lines = [line for line in httpd.log().splitlines() if "MRC1101" in line]
    assert len(lines) == 3 and all("mercure:notice" in line and ISSUER in line for line in lines)
    assert 'called POST disconnect sub="a?b?c": 202' in lines[0] and '"r??ot?[notice] x"' in lines[0]
    assert '"second"' in lines[1] and lines[1].endswith(": 400")
    assert "without a sub" in lines[2] and 'all="1": 202' in lines[2]
    assert not any(line.startswith("[notice] x") for line in httpd.log().splitlines())


def test_the_key_of_users_is_an_error(new_httpd):
    """configtest refuses an issuer and a source that another key of the Location has, however they are written."""
    httpd = new_httpd()
    users = f'MercureSubscriberKey https://a.example HS256 "{KEY}"'
    secret = httpd.write("conf/secret", KEY + "\n")
    httpd.env["SECRET"] = KEY
    for source in (f'"{KEY}"', "env:SECRET", f"file:{secret}"):
        text = hub(users, f"MercureControlKey https://a.example HS256 {source}", keys=False)
        result = httpd.configtest(text)
        assert not result.ok and "MRC0118" in result.output and KEY not in result.output
    text = hub(f'MercureKey https://a.example HS256 "{KEY}"', f'MercureControlKey https://a.example HS256 "{KEY}"',
               keys=False)
    assert not httpd.configtest(text).ok
    # Another issuer with the same key, or the same issuer with another key.
    for issuer, key in (("https://b.example", KEY), ("https://a.example", KEY[::-1])):
        text = hub(users, f'MercureControlKey {issuer} HS256 "{key}"', keys=False)
        assert httpd.configtest(text).ok
    for wrong in ("MercureControlKey", f"MercureControlKey {ISSUER} HS256", f"MercureControlKey {ISSUER} HS256 short"):
        assert not httpd.configtest(hub(wrong)).ok


@event_only
def test_an_inner_section_cannot_undo_the_check(httpd):
    httpd.expect_log("MRC1103")
    httpd.start(controlled() + f'<Location "{PATH}/control/">\n'
                f'MercureControlKey {token.ISSUER} HS256 "{token.SUBSCRIBER_KEY}"\n</Location>\n')
    problem(call(httpd, "POST", "disconnect", {"all": 1}, authorization=token.subscriber()), 500)


@event_only
def test_access_control_of_httpd_applies(httpd):
    httpd.start(controlled() + f'<Location "{PATH}/control/">\nRequire all denied\n</Location>\n')
    httpd.expect_log("AH01630", required=False)
    assert call(httpd, "POST", "disconnect", {"all": 1}).status == 403
    assert httpd.subscribe([("match", TOPIC)]).status == 200


# ---- fields --------------------------------------------------------------------------------------


@event_only
@pytest.mark.parametrize("body, word", [
    ("", "say which"), ("all=0", "all"), ("all=", "empty"), ("all=1&all=1", "twice"), ("sub=", "empty"),
    ("sub=a&sub=b", "twice"), ("subject=a", "unknown"), ("=a", "unknown"), ("sub=%ff", "UTF-8"),
    ("sub=a%00b", "UTF-8"), ("sub=" + "a" * 4097, "too long"), ("all=1&match_type=exact", "match_type"),
    ("match=a&match_type=regexp", "match_type"), ("match=a&match_type=template", "match_type"),
    ("address=localhost", "address"), ("address=1.2.3", "address"), ("address=::1%25lo", "address"),
    ("address=127.0.0.1%2F8", "address"), ("&".join(f"x{i}=1" for i in range(17)), "16"),
])
def test_bad_fields(new_httpd, body, word):
    """One server for each case: a call with a bad field has no effect at all."""
    httpd = new_httpd().start(controlled())
    with httpd.subscribe([("match", TOPIC)]) as stream:
        response = httpd.request("POST", f"{PATH}/control/disconnect", {
            "Authorization": f"Bearer {bearer()}", "Content-Type": "application/x-www-form-urlencoded"}, body)
        assert word in problem(response, 400)
        assert_live(httpd, stream)


@event_only
def test_bodies_that_are_no_form_or_too_large(httpd):
    httpd.start(controlled())
    head = [("Authorization", f"Bearer {bearer()}")]
    response = httpd.request("POST", f"{PATH}/control/disconnect", [*head, ("Content-Type", "application/json")], "{}")
    problem(response, 415)
    wait_until(lambda: "called POST disconnect: 415" in httpd.log(), what="the call in the log")
    assert "say which" in problem(httpd.request("POST", f"{PATH}/control/disconnect", head), 400)
    form = [*head, ("Content-Type", "application/x-www-form-urlencoded")]
    response = httpd.request("POST", f"{PATH}/control/disconnect", form, "sub=" + "a" * (256 * 1024))
    problem(response, 413)
    long = "sub=" + "%C3%BC" * 2048  # as long as a field may be
    assert httpd.request("POST", f"{PATH}/control/disconnect", form, long).status == 202


# ---- disconnect ----------------------------------------------------------------------------------


def test_disconnect_ends_the_streams_of_a_subject(httpd, mpm, each_carrier):
    """It does so on every child and with every carrier, with spread retry times; other streams continue, and the client
    may come back."""
    httpd.start(controlled())
    count = {"event": 12, "worker": 2, "prefork": 3}[mpm]  # few streams may hold a thread
    alice = [subscribe(httpd, sub="alice") for _ in range(count)]
    others = [subscribe(httpd, sub="alice2"), httpd.subscribe([("match", TOPIC)])]
    while mpm == "event" and len({owner(httpd, stream.conn) for stream in alice}) < 2:
        alice.append(subscribe(httpd, sub="alice"))
    count = len(alice)
    response = disconnect(httpd, sub="alice")
    assert re.fullmatch(UUID, json.loads(response.text)["id"])
    assert response.header("Content-Type") == "application/json"
    retries = [wait_ended(stream) for stream in alice]
    assert all(500 <= retry <= 3000 for retry in retries) and (len(retries) < 4 or len(set(retries)) > 1)
    assert_live(httpd, *others)
    back = subscribe(httpd, sub="alice")
    assert_live(httpd, back, *others)
    for stream in [*others, back]:
        stream.close()
    wait_until(lambda: httpd.log().count("stream ended: disconnected") == count, what="the ends in the log")


@event_only
def test_disconnect_by_each_field(httpd):
    """All given fields must match."""
    httpd.start(controlled("MercureSubscriptions On") + 'CustomLog logs/names.log "%{mercure-subscriber}n"\n')
    pattern = ("match_urlpattern", "https://example.com/*")

    def streams():
        return {"one": subscribe(httpd, sub="a", jti="1"), "two": subscribe(httpd, sub="a", jti="2"),
                "pattern": httpd.subscribe([pattern]), "star": httpd.subscribe([("match", "*")]),
                "anonymous": httpd.subscribe([("match", TOPIC)])}

    cases = [
        ({"jti": "1"}, {"one"}), ({"sub": "a"}, {"one", "two"}), ({"sub": "a", "jti": "2"}, {"two"}),
        ({"sub": "b", "jti": "2"}, set()), ({"match": TOPIC}, {"one", "two", "anonymous"}),
        ({"match": TOPIC, "match_type": "urlpattern"}, set()), ({"match": pattern[1]}, {"pattern"}),
        ({"match": pattern[1], "match_type": "urlpattern", "address": "127.0.0.1"}, {"pattern"}),
        ({"match": pattern[1], "match_type": "exact"}, set()), ({"match": "*"}, {"star"}),
        ({"address": "127.0.0.2"}, set()), ({"address": "::ffff:127.0.0.1", "sub": "a"}, {"one", "two"}),
        ({"address": "127.0.0.1"}, {"one", "two", "pattern", "star", "anonymous"}),
        ({"all": "1"}, {"one", "two", "pattern", "star", "anonymous"}), ({"all": "1", "jti": "1"}, {"one"}),
    ]
    opened = streams()
    for fields, ended in cases:
        disconnect(httpd, **fields)
        for name in ended:
            assert wait_ended(opened[name]) is not None, fields
        assert_live(httpd, *(stream for name, stream in opened.items() if name not in ended))
        fresh = streams()
        for name, stream in fresh.items():
            if name in ended:
                opened[name] = stream
            else:
                stream.close()
    for stream in opened.values():
        stream.close()


@event_only
def test_disconnect_by_the_id_of_the_subscriber(httpd):
    httpd.start(controlled("MercureSubscriptions On"))
    root = f"{PATH}/subscriptions"
    reader = token.subscriber([("urlpattern", f"{root}{{/*}}?")])
    first, second = subscribe(httpd), subscribe(httpd)
    listed = httpd.get(root, {"Authorization": f"Bearer {reader}"}).json["subscriptions"]
    assert len(listed) == 2
    disconnect(httpd, subscriber=listed[0]["subscriber"])
    pump_all([first, second], lambda: first.ended or second.ended)
    left = second if first.ended else first
    assert_live(httpd, left)
    left.close()


def test_no_update_after_the_order(httpd, each_carrier):
    """An update that is published after the answer of disconnect never reaches the streams that it ended."""
    httpd.start(controlled())
    for number in range(20):
        streams = [subscribe(httpd, sub="alice") for _ in range(2)]
        before = httpd.publish(TOPIC, "before").text
        disconnect(httpd, sub="alice")
        httpd.publish(TOPIC, f"after {number}")
        for stream in streams:
            wait_ended(stream)
            assert [event.id for event in stream.parser.events] in ([], [before])


@event_only
def test_orders_leave_no_trace_in_the_history(httpd):
    """count=, the newest id, replay and `earliest` are the same as without orders."""
    httpd.start(controlled("MercureHistory count=3"))
    with httpd.subscribe([("match", "*"), ("last_event_id", "")]) as stream:
        assert stream.response.header("Mercure-Last-Event-ID") == "earliest"
    disconnect(httpd, sub="nobody")
    with httpd.subscribe([("match", "*"), ("last_event_id", "")]) as stream:
        assert stream.response.header("Mercure-Last-Event-ID") == "earliest"
    ids = []
    for number in range(5):
        ids.append(httpd.publish(TOPIC, str(number)).text)
        for _ in range(4):
            disconnect(httpd, sub="nobody")
    with httpd.subscribe([("match", "*"), ("last_event_id", "")]) as stream:
        assert stream.response.header("Mercure-Last-Event-ID") == ids[4]
    streams = [httpd.subscribe([("match", "*"), ("last_event_id", cursor)])
               for cursor in ("earliest", ids[0], ids[2], ids[4])]
    marker = httpd.publish(TOPIC, "marker").text
    for stream, want in zip(streams, (ids[2:], ids[2:], ids[3:], [])):
        assert [stream.next().id for _ in range(len(want) + 1)] == [*want, marker]
        stream.close()


@event_only
def test_orders_with_a_history_on_disk(httpd):
    store = httpd.path("store")
    config = controlled(f"MercureStore lmdb {store}", "MercureHistory count=4")
    httpd.start(config)
    stream = subscribe(httpd, sub="alice")
    ids = []
    for number in range(6):
        ids.append(httpd.publish(TOPIC, str(number)).text)
        disconnect(httpd, sub="nobody")
    assert [event.id for event in stream.take(len(ids))] == ids
    disconnect(httpd, sub="alice")
    wait_ended(stream)
    assert not stream.parser.events
    with httpd.subscribe([("match", "*"), ("last_event_id", "earliest")]) as stream:
        assert [stream.next().id for _ in range(4)] == ids[2:]
    httpd.crash()
    httpd.expect_log("AH00098")
    httpd.start(config)
    with httpd.subscribe([("match", "*"), ("last_event_id", ids[3])]) as stream:
        assert [stream.next().id for _ in range(2)] == ids[4:]
    httpd.stop()


@event_only
def test_a_reload_forgets_no_stream(httpd):
    """The streams of old children obey as well, while these children still end their requests."""
    config = controlled("MercureConnectionLifetime 0")
    httpd.start(config)
    httpd.graceful(config)
    stream = subscribe(httpd, sub="alice")
    httpd.graceful(controlled("MercureConnectionLifetime 0", "MercureHistory count=10 bytes=32M"))
    disconnect(httpd, sub="alice")
    wait_ended(stream)


@event_only
def test_a_slow_client_is_ended_at_once(httpd):
    """A client that reads nothing is disconnected all the same, live or in the middle of a replay."""
    httpd.start(controlled("MercureDispatchTimeout 60", "MercureSubscriberBacklog 64M", "MercureLimit body=1M",
                           "MercureHistory bytes=64M") + 'CustomLog logs/ends.log "%{mercure-reason}n"\n')
    large = "x" * 500_000
    live = subscribe(httpd, sub="alice")
    for _ in range(40):
        httpd.publish(TOPIC, large)
    replaying = subscribe(httpd, [("match", TOPIC), ("last_event_id", "earliest")], sub="alice")
    time.sleep(0.5)
    disconnect(httpd, sub="alice")
    wait_until(lambda: httpd.lines("logs/ends.log").count("disconnected") == 2, DEADLINE, "the end of both")
    live.close()
    replaying.close()


@event_only
def test_hubs_are_separate(httpd):
    other = "/other"
    httpd.start(controlled() + controlled(path=other))
    one = subscribe(httpd, sub="alice")
    two = httpd.subscribe([("match", TOPIC)], path=other,
                          token=token.subscriber(sub="alice", aud=f"https://hub.example{other}"))
    aud = f"https://hub.example{other}"
    problem(call(httpd, "POST", "disconnect", {"all": 1}, path=other), 401)
    call(httpd, "POST", "disconnect", {"all": 1}, path=other, authorization=bearer(aud=aud), status=202)
    wait_ended(two)
    assert_live(httpd, one)
    one.close()


@event_only
def test_too_many_calls(httpd):
    """One operator is answered 429 after a burst; another one is not."""
    httpd.start(controlled() + "MaxKeepAliveRequests 0\n")
    with httpd.connect() as conn:
        head = {"Authorization": f"Bearer {bearer()}"}
        statuses = []
        while not statuses or statuses[-1] == 200:
            response = conn.request("GET", f"{PATH}/control/revocations", head)
            statuses.append(response.status)
            assert len(statuses) < 20000
    assert len(statuses) > 2000 and statuses[-1] == 429 and 1 <= int(response.header("Retry-After")) <= 60
    assert "100 calls a second" in problem(response, 429)
    call(httpd, "GET", "revocations", authorization=bearer("other"), status=200)
    wait_until(lambda: call(httpd, "GET", "revocations").status == 200, what="the next call")
    assert "called GET revocations: 429" in httpd.log()


@event_only
def test_many_orders_at_once(httpd):
    """During a flood of orders with updates in between, streams that no order concerns get every update."""
    httpd.start(controlled("MercureHistory count=1000 bytes=4M") + "MaxKeepAliveRequests 0\n")
    stream = subscribe(httpd, sub="bob")
    ids = []
    with httpd.connect() as conn:
        head = {"Authorization": f"Bearer {bearer()}", "Content-Type": "application/x-www-form-urlencoded"}
        for number in range(300):
            body = urllib.parse.urlencode({"sub": f"user{number}", "jti": "x" * 1000})
            assert conn.request("POST", f"{PATH}/control/disconnect", head, body).status == 202
            if number % 10 == 0:
                ids.append(httpd.publish(TOPIC, "x").text)
    assert [stream.next().id for _ in ids] == ids
    stream.close()
