"""HUB/control/revoke and revocations: tokens that are taken back, and how long that lasts."""
import hashlib
import re
import threading
import time
import urllib.parse

import pytest

from env import token
from env.hub import PATH, hub
from env.operator import bearer, call, controlled, problem
from env.wait import wait_until
from test_control import TOPIC, UUID, assert_live, subscribe

event_only = pytest.mark.mpm("event")

LEGACY_KEY = "legacy-key-of-the-live-tests:0123456789abcdef0123456789abcdef01234567"


def revoke(httpd, status=200, **fields):
    response = call(httpd, "POST", "revoke", {name.replace("_", "-"): value for name, value in fields.items()},
                    status=status)
    return response.json["id"] if status == 200 else response


def listed(httpd):
    return call(httpd, "GET", "revocations", status=200).json["revocations"]


def accepts(httpd, bearer_token):
    """Whether the hub accepts TOKEN from a subscriber; all children must agree."""
    statuses = set()
    for _ in range(6):
        with httpd.subscribe([("match", TOPIC)], token=bearer_token, status=None) as stream:
            statuses.add(stream.status)
            if stream.status != 200:
                assert stream.status == 401
                assert 'error="invalid_token"' in stream.response.header("WWW-Authenticate")
    assert len(statuses) == 1
    return statuses == {200}


def test_revoke_ends_streams_and_refuses_tokens(httpd, mpm, each_carrier):
    """The streams of the token end on every child, and it is refused from the answer on; other tokens still work."""
    httpd.start(controlled())
    count = {"event": 8, "worker": 2, "prefork": 3}[mpm]  # few streams may hold a thread
    alice = token.subscriber(sub="alice", jti="a1")
    streams = [httpd.subscribe([("match", TOPIC)], token=alice) for _ in range(count)]
    others = [subscribe(httpd, sub="alice", jti="a2"), subscribe(httpd, sub="bob")]
    revoke(httpd, jti="a1")
    assert not accepts(httpd, alice)
    httpd.publish(TOPIC, "after")
    for stream in streams:
        stream.wait_end()
        assert stream.clean and not stream.parser.events
    for stream in others:
        assert stream.next().data == "after"
        stream.close()
    wait_until(lambda: httpd.log().count("stream ended: revoked") == count, what="the ends in the log")
    assert re.search(r"MRC0605: .*issuer \"[^\"]+\", kid none, sub \"alice\": an operator has revoked it", httpd.log())


@event_only
def test_all_kinds_of_tokens_are_refused(httpd):
    """Publishers, subscribers, the subscription API and operators alike; the answer is 401 invalid_token."""
    httpd.start(controlled("MercureSubscriptions On"))
    claims = {"sub": "mallory", "jti": "m1"}
    publisher = token.publisher(**claims)
    reader = token.subscriber([("urlpattern", f"{PATH}/subscriptions{{/*}}?")], **claims)
    operator = bearer("mallory", jti="m1")
    assert httpd.publish(TOPIC, "x", token=publisher).status == 200
    assert httpd.get(f"{PATH}/subscriptions", {"Authorization": f"Bearer {reader}"}).status == 200
    call(httpd, "GET", "revocations", authorization=operator, status=200)
    revoke(httpd, sub="mallory")
    responses = [httpd.publish(TOPIC, "x", token=publisher, status=None),
                 httpd.get(f"{PATH}/subscriptions", {"Authorization": f"Bearer {reader}"}),
                 call(httpd, "GET", "revocations", authorization=operator)]
    for response in responses:
        assert "revoked" in problem(response, 401)
        assert 'error="invalid_token"' in response.header("WWW-Authenticate")
    # The same with a cookie.
    cookie = {"Cookie": f"__Secure-mercure_access_token={token.subscriber(**claims)}"}
    assert httpd.subscribe([("match", TOPIC)], cookie, status=None).status == 401


@event_only
def test_a_revocation_counts_while_a_body_comes(httpd):
    """A client may begin requests before its token is revoked, and end them afterwards."""
    httpd.start(controlled())
    requests = {
        PATH: (token.publisher(sub="mallory"), f"topic={TOPIC}&data=late"),
        f"{PATH}/control/disconnect": (bearer(sub="mallory"), "all=1"),
    }
    with httpd.subscribe([("match", TOPIC)]) as stream:
        for target, (minted, body) in requests.items():
            with httpd.connect() as conn:
                conn.send_request("POST", target, {
                    "Authorization": f"Bearer {minted}", "Content-Type": "application/x-www-form-urlencoded",
                    "Expect": "100-continue", "Content-Length": str(len(body))})
                assert conn.read_head().status == 100  # the token was good
                lifted = revoke(httpd, sub="mallory")
                conn.send(body.encode())
                response = conn.read_response()
                assert response.status == 401 and 'error="invalid_token"' in response.header("WWW-Authenticate")
                call(httpd, "DELETE", f"revocations/{lifted}", status=204)
        httpd.publish(TOPIC, "after")
        assert stream.next().data == "after"


@event_only
def test_a_token_that_expires_while_a_body_comes_is_refused(httpd):
    """A client may begin requests with a token that is good then, and choose what they do afterwards."""
    httpd.expect_log(r"MRC0606: hub \S+ refuses a token: it expired \d+ seconds ago \(exp\)")
    httpd.start(controlled())
    requests = {
        PATH: (token.publisher, f"topic={TOPIC}&data=late"),
        f"{PATH}/control/disconnect": (bearer, "all=1"),
    }
    with httpd.subscribe([("match", TOPIC)]) as stream:
        for target, (mint, body) in requests.items():
            with httpd.connect() as conn:
                expires = int(time.time()) + 2
                conn.send_request("POST", target, {
                    "Authorization": f"Bearer {mint(exp=expires)}", "Content-Type": "application/x-www-form-urlencoded",
                    "Expect": "100-continue", "Content-Length": str(len(body))})
                assert conn.read_head().status == 100
                wait_until(lambda: time.time() > expires, what="the end of the token")
                conn.send(body.encode())
                response = conn.read_response()
                assert response.status == 401 and 'error="invalid_token"' in response.header("WWW-Authenticate")
        httpd.publish(TOPIC, "after")
        assert stream.next().data == "after"


@event_only
def test_what_a_revocation_matches(httpd):
    httpd.start(controlled(f'MercureLegacySubscriberKey HS256 "{LEGACY_KEY}"'))
    now = int(time.time())
    text = token.subscriber(sub="t", jti="t1")
    tokens = {
        "text": text, "same claims": token.subscriber(sub="t", jti="t1", extra=1),
        "old": token.subscriber(sub="u", iat=now - 100), "new": token.subscriber(sub="u", iat=now - 10),
        "no iat": token.subscriber(sub="u", iat=token.REMOVE), "odd iat": token.subscriber(sub="u", iat="x"),
        "jti": token.subscriber(sub="v", jti="J"), "odd jti": token.subscriber(sub="v", jti=7),
        "legacy": token.mint_raw({"alg": "HS256"}, {"mercure": {"subscribe": ["*"]}, "sub": "v", "jti": "J"},
                                 LEGACY_KEY),
        "none": token.subscriber(sub=token.REMOVE),
    }
    cases = [
        ({"token": text}, {"text"}), ({"sub": "t"}, {"text", "same claims"}),
        ({"sub": "u", "issued_before": now - 50}, {"old", "no iat", "odd iat"}),
        ({"sub": "u", "issued_before": f"{now - 10}.5"}, {"old", "new", "no iat", "odd iat"}),
        ({"sub": "u", "issued_before": now - 10}, {"old", "no iat", "odd iat"}),
        ({"sub": "u"}, {"old", "new", "no iat", "odd iat"}), ({"sub": "U"}, set()),
        ({"jti": "J"}, {"jti", "legacy"}), ({"jti": "J", "iss": token.ISSUER}, {"jti"}),
        ({"jti": "J", "iss": "https://other.example"}, set()), ({"sub": "v", "iss": token.ISSUER}, {"jti", "odd jti"}),
        ({"token": text, "iss": "https://other.example"}, set()), ({"jti": "7"}, set()),
    ]
    for fields, refused in cases:
        streams = {name: httpd.subscribe([("match", TOPIC)], token=one) for name, one in tokens.items()}
        number = revoke(httpd, **fields)
        for name, one in tokens.items():
            with httpd.subscribe([("match", TOPIC)], token=one, status=None) as stream:
                assert stream.status == (401 if name in refused else 200), (fields, name)
        for name, stream in streams.items():
            if name in refused:
                stream.wait_end()
        assert_live(httpd, *(stream for name, stream in streams.items() if name not in refused))
        for stream in streams.values():
            stream.close()
        call(httpd, "DELETE", f"revocations/{number}", status=204)
        assert listed(httpd) == []


@event_only
def test_the_list(httpd):
    httpd.start(controlled())
    now = time.time()
    assert listed(httpd) == []
    text = token.subscriber(ttl=500)
    ids = [revoke(httpd, jti='j"\\é'), revoke(httpd, sub="s", issued_before="12.5", iss="https://a.example", ttl=60),
           revoke(httpd, token=text)]
    ids.append(call(httpd, "POST", "revoke", {"token": text, "token_type_hint": "access_token", "ttl": "30.5"},
                    status=200).json["id"])
    response = call(httpd, "GET", "revocations", status=200)
    assert response.header("Content-Type") == "application/json" and response.header("Cache-Control") == "no-store"
    entries = response.json["revocations"]
    assert [entry["id"] for entry in entries] == ids and all(re.fullmatch(UUID, one) for one in ids)
    until = [entry.pop("until") for entry in entries]
    for entry in entries:
        del entry["id"]
    digest = hashlib.sha256(text.encode("ascii")).hexdigest()
    assert entries == [{"jti": 'j"\\é'}, {"sub": "s", "issued_before": 12.5, "iss": "https://a.example"},
                       {"token": digest}, {"token": digest}]
    for got, want in zip(until, (30 * 86400, 60, 500, 30.5)):
        assert abs(got - now - want) < 20
    assert call(httpd, "HEAD", "revocations").status == 200
    # An expired token needs no entry, and a ttl ends.
    revoke(httpd, token=token.subscriber(exp=int(now) - 10))
    assert len(listed(httpd)) == 4
    revoke(httpd, sub="short", ttl="0.2")
    short = token.subscriber(sub="short")

    def is_taken():
        with httpd.subscribe([("match", TOPIC)], token=short, status=None) as stream:
            return stream.status == 200

    wait_until(is_taken, what="the end of a revocation")
    wait_until(lambda: len(listed(httpd)) == 4, what="the end in the list")


@event_only
def test_lifting(httpd):
    httpd.start(controlled())
    alice = token.subscriber(sub="alice")
    one, two = revoke(httpd, sub="alice"), revoke(httpd, sub="alice")
    call(httpd, "DELETE", f"revocations/{one}", status=204)
    assert not accepts(httpd, alice)
    problem(call(httpd, "DELETE", f"revocations/{one}"), 404)
    call(httpd, "DELETE", "revocations/" + two.replace(":", "%3A"), status=204)
    assert accepts(httpd, alice)
    for name in ("x", "urn:uuid:", two.upper(), two + "0", two[:-1], "a/b", "../control/revoke", two + "%2F"):
        assert call(httpd, "DELETE", f"revocations/{name}").status == 404
    for method, name, allow in (("GET", f"revocations/{one}", "DELETE, OPTIONS"), ("POST", "revocations", "GET, HEAD, OPTIONS"),
                                ("GET", "revoke", "POST, OPTIONS")):
        response = call(httpd, method, name)
        problem(response, 405)
        assert response.header("Allow") == allow
    problem(call(httpd, "DELETE", f"revocations/{one}", authorization=token.publisher()), 401)
    assert "MRC1101" in httpd.log() and alice not in httpd.log()


@event_only
@pytest.mark.parametrize("fields, word", [
    ({}, "give one"), ({"jti": "a", "sub": "b"}, "give one"), ({"iss": "a"}, "give one"),
    ({"jti": "a", "issued-before": "1"}, "needs the field sub"), ({"sub": "a", "issued-before": "x"}, "issued-before"),
    ({"sub": "a", "issued-before": "-1"}, "issued-before"), ({"sub": "a", "issued-before": "1e3"}, "issued-before"),
    ({"sub": "a", "issued-before": "1.2.3"}, "issued-before"), ({"sub": "a", "issued-before": "9" * 31}, "issued-before"),
    ({"sub": "a", "issued_before": "1"}, "unknown"), ({"sub": "a", "ttl": "0"}, "ttl"), ({"sub": "a", "ttl": "-1"}, "ttl"),
    ({"sub": "a", "ttl": "1d"}, "ttl"), ({"sub": "a", "ttl": "999999999999"}, "ttl"), ({"sub": "a", "ttl": "0x10"}, "ttl"),
    ({"sub": "a", "ttl": "inf"}, "ttl"), ({"token": "nonsense"}, "token"), ({"token": "a.b.c"}, "token"),
    ({"sub": "a", "token_type_hint": "x"}, "token_type_hint"), ({"sub": "a" * 1025}, "too long"),
    ({"all": "1"}, "unknown"), ({"jti": ""}, "empty"), ({"jti": "\udcff"}, "UTF-8"),
])
def test_bad_fields(new_httpd, fields, word):
    httpd = new_httpd().start(controlled())
    body = urllib.parse.urlencode(fields, errors="surrogateescape")
    response = httpd.request("POST", f"{PATH}/control/revoke", {
        "Authorization": f"Bearer {bearer()}", "Content-Type": "application/x-www-form-urlencoded"}, body)
    assert word in problem(response, 400)
    assert listed(httpd) == []


@event_only
def test_revocations_survive_reloads_and_resizing(httpd):
    httpd.start(controlled())
    alice = token.subscriber(sub="alice")
    number = revoke(httpd, sub="alice")
    for config in (controlled(), controlled("MercureHistory bytes=32M"), controlled("MercureMaxSubscribers 10")):
        httpd.graceful(config)
        assert not accepts(httpd, alice) and [entry["id"] for entry in listed(httpd)] == [number]
    httpd.restart(controlled())
    assert not accepts(httpd, alice)
    httpd.kill_child()
    assert not accepts(httpd, alice)


@event_only
def test_revocations_survive_restarts_with_a_history_on_disk(httpd):
    httpd.expect_log("AH00098", required=False)
    config = controlled(f"MercureStore lmdb {httpd.path('store')}")
    httpd.start(config)
    alice = token.subscriber(sub="alice")
    revoke(httpd, sub="short", ttl="0.1")
    lifted = revoke(httpd, sub="alice", issued_before=1)
    number = revoke(httpd, sub="alice")
    call(httpd, "DELETE", f"revocations/{lifted}", status=204)
    httpd.stop()
    httpd.start(config)
    assert not accepts(httpd, alice) and [entry["id"] for entry in listed(httpd)] == [number]
    httpd.crash()
    httpd.start(config)
    assert not accepts(httpd, alice)
    call(httpd, "DELETE", f"revocations/{number}", status=204)
    httpd.stop()
    httpd.start(config)
    assert accepts(httpd, alice) and listed(httpd) == []
    httpd.stop()


@event_only
def test_revocations_get_into_the_file_of_another_store(httpd):
    """A reload that changes the store puts the revocations into the new file, and those in the file into force."""
    def lmdb(data):
        return controlled(f"MercureStore lmdb {httpd.path(data)}")

    def check(*ids):
        assert sorted(entry["id"] for entry in listed(httpd)) == sorted(ids)
        for name, bearer_token in tokens.items():
            assert accepts(httpd, bearer_token) == (numbers.get(name) not in ids), name

    numbers = {}
    tokens = {name: token.subscriber(sub=name) for name in ("alice", "bob", "carol", "dave")}
    httpd.start(controlled())
    numbers["alice"] = revoke(httpd, sub="alice")
    httpd.graceful(lmdb("one"))
    check(numbers["alice"])
    httpd.stop()
    httpd.start(lmdb("one"))
    check(numbers["alice"])
    # Another file has its own.
    httpd.stop()
    httpd.start(lmdb("two"))
    check()
    numbers["bob"] = revoke(httpd, sub="bob")
    httpd.graceful(lmdb("one"))
    check(numbers["alice"], numbers["bob"])
    httpd.stop()
    httpd.start(lmdb("one"))
    check(numbers["alice"], numbers["bob"])
    # Between two times with the same file.
    httpd.graceful(controlled())
    numbers["carol"] = revoke(httpd, sub="carol")
    httpd.graceful(lmdb("one"))
    numbers["dave"] = revoke(httpd, sub="dave")
    httpd.stop()
    httpd.start(lmdb("one"))
    check(*numbers.values())
    httpd.stop()


@event_only
def test_a_full_list_says_so(httpd):
    """The list is bounded; a full list does not revoke by halves, and lifting an entry makes room."""
    httpd.start(controlled() + "MaxKeepAliveRequests 0\n")
    head = {"Authorization": f"Bearer {bearer()}", "Content-Type": "application/x-www-form-urlencoded"}
    with httpd.connect() as conn:
        for number in range(1200):
            body = f"sub={number:04}" + "x" * 1000
            response = conn.request("POST", f"{PATH}/control/revoke", head, body)
            if response.status != 200:
                break
    assert "full" in problem(response, 507)
    entries = listed(httpd)
    assert len(entries) == number > 800
    assert accepts(httpd, token.subscriber(sub=f"{number:04}" + "x" * 1000))
    assert not accepts(httpd, token.subscriber(sub="0000" + "x" * 1000))
    call(httpd, "DELETE", f"revocations/{entries[0]['id']}", status=204)
    revoke(httpd, sub="y" * 900)
    assert len(listed(httpd)) == number


@event_only
def test_revoking_races_with_subscribing(httpd):
    """A stream that begins while its token is revoked ends all the same."""
    httpd.start(controlled())
    for number in range(15):
        alice = token.subscriber(sub=f"alice{number}")
        opened = []

        def subscribe_often():
            for _ in range(12):
                stream = httpd.subscribe([("match", TOPIC)], token=alice, status=None)
                opened.append(stream)
                if stream.status != 200:
                    return

        thread = threading.Thread(target=subscribe_often)
        thread.start()
        time.sleep(0.002 * (number % 5))
        revoke(httpd, sub=f"alice{number}")
        thread.join()
        for stream in opened:
            if stream.status == 200:
                stream.wait_end()
            stream.close()


@event_only
def test_without_a_control_key_nothing_is_revoked(httpd):
    """A hub that loses its key also loses its revocations; when it gets the key again, it begins without any."""
    httpd.start(controlled())
    alice = token.subscriber(sub="alice")
    revoke(httpd, sub="alice")
    httpd.graceful(hub())
    assert accepts(httpd, alice)
    problem(call(httpd, "GET", "revocations"), 404)
    httpd.graceful(controlled())
    assert listed(httpd) == []
