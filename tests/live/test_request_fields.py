"""
Fields of a request that httpd or other modules act on: none of them changes what the hub answers, or acts after an update
is stored.
"""

import pytest

from env import token
from env.h2 import Http2
from env.hub import PATH, hub

pytestmark = pytest.mark.mpm("event")

TOPIC = "https://example.com/books/1"
FORM = ("Content-Type", "application/x-www-form-urlencoded")
PAST, FUTURE = "Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 2094 08:49:37 GMT"
PAGES = ("<Location /metrics>\nSetHandler mercure-metrics\n</Location>\n"
         "<Location /health>\nSetHandler mercure-health\n</Location>\n")

FIELDS = [
    [("Range", "bytes=0-3")], [("Range", "bytes=1000-")], [("Range", "bytes=99999999-")], [("Range", "bytes=-1")],
    [("Range", "bytes=0-0,2-3")], [("Range", "bytes=0-")], [("Range", "lines=1-2")], [("Range", "nonsense")],
    [("Request-Range", "bytes=0-3")], [("Content-Range", "bytes 0-3/10")],
    [("Range", "bytes=0-3"), ("If-Range", '"x"')], [("Range", "bytes=0-3"), ("If-Range", FUTURE)],
    [("If-Match", "*")], [("If-Match", '"x"')], [("If-None-Match", '"x"')], [("If-None-Match", "*")],
    [("If-Modified-Since", FUTURE)], [("If-Unmodified-Since", PAST)],
    [("TE", "trailers, gzip")], [("Trailer", "Range")], [("Expect", "100-continue")], [("Max-Forwards", "0")],
    [("Upgrade", "websocket"), ("Connection", "Upgrade")], [("Upgrade", "TLS/1.2"), ("Connection", "Upgrade")],
    [("Upgrade", "h2c"), ("Connection", "Upgrade, HTTP2-Settings")],
    [("X-HTTP-Method-Override", "DELETE")], [("X-HTTP-Method", "PUT")], [("X-Method-Override", "GET")],
    [("Accept-Encoding", "gzip, br")], [("Accept-Encoding", "identity;q=0")], [("Accept-Charset", "utf-16")],
    [("Accept-Language", "xx")], [("Cache-Control", "only-if-cached")], [("Pragma", "no-cache")],
    [("Content-Language", "de")], [("Content-Location", "/x")], [("Content-MD5", "x")], [("Content-Encoding", "identity")],
    [("Prefer", "respond-async, return=minimal")], [("Want-Digest", "sha-256")], [("Early-Data", "1")],
    [("Depth", "0")], [("Destination", "/x")], [("Overwrite", "F")], [("Translate", "f")], [("Negotiate", "trans")],
]


def ask(httpd, method, target, headers, body=None):
    """The final answer, after any interim ones."""
    with httpd.connect() as conn:
        conn.send_request(method, target, headers, body)
        while True:
            answer = conn.read_response(method)
            if answer.status >= 200:
                return answer


def look_of(answer):
    """The parts of an answer that must not depend on the fields."""
    names = ("Content-Type", "Content-Range", "Content-Encoding", "Location", "Cache-Control", "ETag", "Allow")
    body = answer.body
    if answer.header("Content-Type", "").startswith("text/plain; version"):
        body = body.split(b"\n")[0]  # the counters change
    return answer.status, [answer.header(name) for name in names], body


def start(httpd, *more):
    # A site may have a cache, compression and the fields of trailers.
    httpd.load("deflate", "filter", "dav", "dav_fs", "negotiation")
    httpd.start("MergeTrailers On\nMaxKeepAliveRequests 0\nDavLockDB run/dav\n" +
                hub("MercureSubscriptions On", "MercureDebugger On", *more) + PAGES)


def bearer(minted):
    return ("Authorization", f"Bearer {minted}")


def test_fields_change_no_publication(httpd):
    """Each is answered 200 with the whole id, and its update is stored once."""
    start(httpd)
    ids = []
    for fields in FIELDS:
        answer = ask(httpd, "POST", PATH, [FORM, bearer(token.publisher()), *fields], f"topic={TOPIC}&data={len(ids)}")
        assert answer.status == 200 and answer.header("Content-Range") is None, (fields, answer)
        assert answer.text.startswith("urn:uuid:") and len(answer.text) == 45, (fields, answer)
        ids.append(answer.text)
    with httpd.subscribe([("match", TOPIC), ("last_event_id", "earliest")]) as stream:
        assert [event.id for event in stream.take(len(ids))] == ids
        last = httpd.publish(TOPIC, "last").text
        assert stream.next().id == last
    # A refusal is also the same.
    for fields in FIELDS:
        for minted, status in ((token.publisher(), 400), ("x.y.z", 401)):
            answer = ask(httpd, "POST", PATH, [FORM, bearer(minted), *fields], "data=x")
            assert answer.status == status and answer.json["status"] == status, (fields, answer)


def test_fields_change_no_stream(httpd):
    start(httpd)
    sent = [httpd.publish(TOPIC, f"{n}").text for n in range(3)]
    query = f"match={TOPIC}&last_event_id={sent[0]}"
    for fields in FIELDS:
        with httpd.subscribe(query, headers=fields) as stream:
            assert stream.response.header("Content-Type") == "text/event-stream", (fields, stream.response)
            assert stream.response.header("Mercure-Last-Event-ID") == sent[0]
            assert stream.response.header("Content-Range") is None
            assert [event.id for event in stream.take(2)] == sent[1:], fields
        if ("Expect", "100-continue") not in fields:
            with httpd.subscribe("", [FORM, *fields], method="QUERY", body=query) as stream:
                assert [event.id for event in stream.take(2)] == sent[1:], fields


RESOURCES = [
    ("HEAD", f"{PATH}?match=x"), ("OPTIONS", PATH), ("PUT", PATH), ("GET", f"{PATH}/"), ("GET", f"{PATH}/none"),
    ("GET", f"{PATH}?match_x=y"), ("GET", f"{PATH}/subscriptions"), ("HEAD", f"{PATH}/subscriptions"),
    ("GET", f"{PATH}/subscriptions/exact/none"), ("GET", "/.well-known/oauth-protected-resource" + PATH),
    ("HEAD", "/.well-known/oauth-protected-resource" + PATH), ("GET", f"{PATH}/debug/"), ("GET", f"{PATH}/debug"),
    ("GET", f"{PATH}/debug/debugger.css"), ("GET", "/health"), ("HEAD", "/health"), ("GET", "/health/live"),
    ("GET", "/health/none"), ("GET", "/metrics"), ("POST", "/metrics"),
]


@pytest.mark.parametrize("method, target", RESOURCES)
def test_fields_change_no_other_answer(httpd, method, target):
    start(httpd)
    reader = bearer(token.subscriber())
    plain = look_of(ask(httpd, method, target, [reader]))
    assert plain[0] in (200, 204, 301, 400, 404, 405), plain
    for fields in FIELDS:
        if "/subscriptions" in target and ("If-None-Match", "*") in fields:
            continue  # the only documents that have an entity tag
        assert look_of(ask(httpd, method, target, [reader, *fields])) == plain, fields


def test_conditional_request_for_subscriptions_ignores_ranges(httpd):
    start(httpd)
    reader = bearer(token.subscriber())
    whole = httpd.get(f"{PATH}/subscriptions", [reader])
    tag = whole.header("ETag")
    strong = tag.removeprefix("W/")
    for fields, status in (([("If-None-Match", tag)], 304), ([("If-None-Match", f'"x", W/{strong}')], 304),
                           ([("If-None-Match", "*"), ("Range", "bytes=0-3")], 304),
                           ([("If-Range", tag), ("Range", "bytes=0-3")], 200)):
        answer = httpd.get(f"{PATH}/subscriptions", [reader, *fields])
        assert answer.status == status and (status == 304 or answer.body == whole.body), (fields, answer)


def test_compression_keeps_conditional_requests_working(httpd):
    """mod_deflate and mod_brotli append the encoding to the entity tag."""
    httpd.load("deflate", "brotli", "filter")
    for name, coding in (("DEFLATE", "gzip"), ("BROTLI_COMPRESS", "br")):
        text = f"SetOutputFilter {name}\n" + hub("MercureSubscriptions On")
        httpd.restart(text) if httpd.running else httpd.start(text)
        fields = [bearer(token.subscriber()), ("Accept-Encoding", coding)]
        with httpd.subscribe([("match", TOPIC)]), httpd.subscribe([("match", TOPIC)]):
            answer = httpd.get(f"{PATH}/subscriptions", fields)
            tag = answer.header("ETag")
            assert answer.status == 200 and answer.header("Content-Encoding") == coding
            for known in (tag, f'"x", {tag}', tag.replace(f"-{coding}", "")):
                assert httpd.get(f"{PATH}/subscriptions", [*fields, ("If-None-Match", known)]).status == 304, known
            for other in (tag.replace(coding, "zstd"), tag.replace(f"-{coding}", "x")):
                assert httpd.get(f"{PATH}/subscriptions", [*fields, ("If-None-Match", other)]).status == 200, other


def test_trailers_change_no_answer(httpd):
    """With MergeTrailers On, httpd adds them to the fields when the body has been read."""
    start(httpd)
    body = f"topic={TOPIC}&data=x"
    for trailer in ("Range: bytes=0-3", "Range: bytes=1000-", "Authorization: Bearer x", "Content-Type: text/plain",
                    "Origin: https://evil.example", "Content-Length: 3", "If-Match: \"x\""):
        with httpd.connect() as conn:
            conn.send_request("POST", PATH, [FORM, bearer(token.publisher()), ("Transfer-Encoding", "chunked"),
                                             ("Trailer", trailer.split(":")[0])])
            conn.send(f"{len(body):x}\r\n{body}\r\n0\r\n{trailer}\r\n\r\n")
            answer = conn.read_response()
            assert answer.status == 200 and len(answer.text) == 45, (trailer, answer)


def test_expectation_that_httpd_does_not_know_stores_nothing(httpd):
    """httpd itself answers 417, before the hub sees the request."""
    start(httpd)
    answer = ask(httpd, "POST", PATH, [FORM, bearer(token.publisher()), ("Expect", "a-miracle")], f"topic={TOPIC}")
    assert answer.status == 417
    assert httpd.request("HEAD", f"{PATH}?match=x&last_event_id=").header("Mercure-Last-Event-ID") == "earliest"


def test_ranges_over_http2(httpd):
    httpd.load("http2")
    httpd.expect_log(r"AH10034|AH02951", required=False)  # mod_http2's comments on its configuration
    httpd.start("Protocols h2c http/1.1\n" + hub() + PAGES)
    with Http2(httpd.port) as conn:
        for target in ("/health", "/.well-known/oauth-protected-resource" + PATH):
            plain = conn.request(target, [])
            for value in ("bytes=0-3", "bytes=1000-"):
                answer = conn.request(target, [("range", value)])
                assert (answer.status, answer.body) == (200, plain.body), (target, value, answer.headers)
    # A request that asks for an upgrade is published once.
    answer = ask(httpd, "POST", PATH, [FORM, bearer(token.publisher()), ("Connection", "Upgrade, HTTP2-Settings"),
                                       ("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABkAAQAAP__")], f"topic={TOPIC}")
    assert answer.status == 200 and len(answer.text) == 45
    with httpd.subscribe([("match", TOPIC), ("last_event_id", "earliest")]) as stream:
        assert stream.next().id == answer.text
        last = httpd.publish(TOPIC, "last").text
        assert stream.next().id == last


def test_stream_that_is_turned_away_has_no_range(httpd):
    """Its answer is a short text of known length, which httpd would cut."""
    httpd.expect_log("use as many patterns as MercureLimit patterns=1")
    httpd.start(hub("MercureLimit patterns=1"))
    with httpd.subscribe([("match_urlpattern", "https://example.com/:a")]):
        with httpd.subscribe([("match_urlpattern", "https://example.com/:b")], {"Range": "bytes=0-3"}) as stream:
            assert stream.wait_end() and stream.parser.retry >= 2000, stream.response
