"""Subscribing with QUERY, whose body can hold parameters too; and HEAD, which opens no stream."""
import json

import pytest

from env import token
from env.hub import PATH, hub
from env.wait import wait_until
from env.watch import STATUS

pytestmark = pytest.mark.mpm("event")

FORM = ("Content-Type", "application/x-www-form-urlencoded")


def query(httpd, body, target=PATH, status=200, headers=(), **more):
    pairs = [FORM, *headers]
    return httpd.subscribe(path=target, headers=pairs, method="QUERY", body=body, status=status, **more)


def test_query_component_and_body_are_combined(httpd):
    httpd.start(hub())
    for name in ("a", "b", "c", "d"):
        httpd.publish(name, name, fields=[("id", f"id-{name}")])
    with query(httpd, "match=b&match_urlpattern=/x/:id&last_event_id=id-c", f"{PATH}?match=a") as stream:
        assert stream.response.header("Mercure-Last-Event-ID") == "id-c"
        assert stream.response.header("Content-Type") == "text/event-stream"
        for name in ("c", "a", "d", "b", "https://hub.example/x/1"):
            httpd.publish(name, name)
        assert [event.data for event in stream.take(3)] == ["a", "b", "https://hub.example/x/1"]
    # The cursor comes from the field, else from the query component, else from the body.
    for target, body, field, answered in (
            (f"{PATH}?match=a&last_event_id=id-a", "last_event_id=id-c", None, "id-a"),
            (f"{PATH}?last_event_id=", "match=a&last_event_id=id-c", None, None),
            (PATH, "match=a&last_event_id=id-b&last_event_id=id-c", None, "id-b"),
            (f"{PATH}?match=a&last_event_id=id-a", "last_event_id=id-c", "id-b", "id-b"),
            (PATH, "match=a&last_event_id=id-c", "", "id-c")):
        headers = [] if field is None else [("Last-Event-ID", field)]
        with query(httpd, body, target, headers=headers) as stream:
            header = stream.response.header("Mercure-Last-Event-ID")
            if answered:
                assert header == answered, (target, body)
            else:
                assert header not in ("id-a", "id-b", "id-c", "earliest"), (target, body)
    # A body may be chunked, have a charset, and be longer than a URL.
    chunks = "".join(f"{len(part):x}\r\n{part}\r\n" for part in ("mat", "ch=", "%E2%82%AC")) + "0\r\n\r\n"
    with query(httpd, chunks, headers=[("Transfer-Encoding", "chunked")]) as stream:
        httpd.publish("€", "euro")
        assert stream.next().data == "euro"
    with httpd.subscribe(method="QUERY", body="match=" + "x" * 4000 + "&match=a",
                         headers=[("Content-Type", f"{FORM[1].upper()}; charset=utf-8")]) as stream:
        httpd.publish("a", "again")
        assert stream.next().data == "again"


def test_invalid_query_requests_are_refused(httpd):
    httpd.start(hub("MercureLimit matchers=3 pattern=40 body=4000", anonymous=False))
    good = token.subscriber(["a"])
    rows = [
        # name, target, body, headers, status, word
        ("no token", PATH, "match=a", [FORM, ("Authorization", "Basic eDp5")], 401, "token"),
        ("no content type", PATH, "match=a", [], 415, "form-urlencoded"),
        ("no content at all", f"{PATH}?match=a", "", [], 415, "form-urlencoded"),
        ("JSON", PATH, '{"match": "a"}', [("Content-Type", "application/json")], 415, "form-urlencoded"),
        ("no matcher", PATH, "last_event_id=x", [FORM], 400, "topic"),
        ("an unknown matcher type", PATH, "match_regexp=a", [FORM], 400, "match"),
        ("another case", PATH, "MATCH=a", [FORM], 400, "match"),
        ("the wildcard of an unknown type", PATH, "match_unknown=*", [FORM], 400, "match"),
        ("a bad pattern", PATH, "match_urlpattern=(", [FORM], 400, ""),
        ("a pattern too long", PATH, "match=" + "x" * 41, [FORM], 400, "40"),
        ("too many in the body", PATH, "&".join(["match=a"] * 4), [FORM], 400, "3"),
        ("too many in both", f"{PATH}?match=a&match=b", "match=c&match=d", [FORM], 400, "3"),
        ("too many pairs", PATH, "match=a&" + "&".join(["a"] * 1100), [FORM], 400, ""),
        ("a body too long", PATH, "match=a&x=" + "x" * 3991, [FORM], 413, "4000"),
        ("a control character", PATH, "match=a%0Ab", [FORM], 400, ""),
        ("invalid UTF-8", PATH, "match=%FF", [FORM], 400, ""),
    ]
    wrong = []
    for name, target, body, headers, status, word in rows:
        if not any(field == "Authorization" for field, _ in headers):
            headers = [*headers, ("Authorization", f"Bearer {good}")]
        response = httpd.request("QUERY", target, headers, body)
        document = json.loads(response.body)
        if response.status != status or word not in document["detail"]:
            wrong.append(f"{name}: {response}")
    assert not wrong, "\n".join(wrong)
    with query(httpd, "match=a&x=" + "x" * 3990, token=good):
        pass
    with query(httpd, "match=c", f"{PATH}?match=a&match=b", token=good) as stream:
        httpd.publish("c", "both", fields=[("private", "on")])
        httpd.publish("a", "own", fields=[("private", "on")])
        assert stream.next().data == "own"


def test_head_opens_no_stream(httpd):
    httpd.load("status")
    httpd.start(hub("MercureMaxSubscribers 1") + STATUS)

    def subscribers():
        return "MercureSubscribers: 1" in httpd.get("/server-status?auto").text

    first = httpd.publish("a", "1").text
    with httpd.subscribe("match=a"):
        wait_until(subscribers, what="the stream in /server-status")
        with httpd.connect() as conn:
            for i in range(3):
                response = conn.request("HEAD", f"{PATH}?match=a&last_event_id={first}")
                assert response.status == 200, response
                assert response.header("Mercure-Last-Event-ID") == first
                assert response.header("Content-Type") == "text/event-stream"
                assert "no-store" in response.header("Cache-Control")
            assert conn.request("HEAD", f"{PATH}?match=a").header("Mercure-Last-Event-ID") is None
            assert conn.request("HEAD", f"{PATH}?match=a", {"Last-Event-ID": "no"}).header(
                "Mercure-Last-Event-ID") == "earliest"
            assert conn.request("HEAD", f"{PATH}?match=a&last_event_id=").header(
                "Mercure-Last-Event-ID") == first
            assert conn.request("HEAD", f"{PATH}?match=a", {"Authorization": "Bearer x.y.z"}).status == 401
            assert conn.request("HEAD", f"{PATH}?match_x=a").status == 400
        assert subscribers()


def test_other_methods_get_405(httpd):
    httpd.start(hub())
    with httpd.connect() as conn:
        for method in ("PUT", "DELETE", "PATCH", "PROPFIND", "TRACE", "BREW", "query", "get"):
            # The text of the body is not another request.
            body = None if method == "TRACE" else f"GET {PATH}/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
            response = conn.request(method, PATH, body=body)
            assert response.status == 405, (method, response)
            assert response.header("Allow") == "GET, HEAD, QUERY, POST, OPTIONS"
            assert response.json["detail"] and response.header("Content-Type") == "application/problem+json"
        response = conn.request("OPTIONS", PATH, body="match=a")
        assert response.status == 204 and response.header("Allow") == "GET, HEAD, QUERY, POST, OPTIONS"
        assert conn.request("PUT", f"{PATH}/x", body="x").status == 404
        assert conn.request("GET", f"{PATH}/x").status == 404


def test_every_stream_has_its_own_subscriber_id(httpd):
    httpd.start(hub() + 'CustomLog logs/live.log "%m %{mercure-subscriber}n"\n')
    minted = token.subscriber(["a"])
    for _ in range(2):
        httpd.subscribe("match=a&subscriber=urn:uuid:forged", token=minted,
                        headers=[("mercure-subscriber", "forged")]).close()

    def names():
        with open(httpd.path("logs/live.log"), encoding="utf-8") as log:
            return [line.split()[1] for line in log if line.startswith("GET") and line.endswith("\n")]

    wait_until(lambda: len(names()) == 2, what="both streams in the access log")
    one, other = names()
    assert one != other and one.startswith("urn:uuid:") and one[23] == "4" and len(one) == 45
