"""Active subscriptions: their events, the API that lists them, and what happens to them when children end."""
import json
import time
import urllib.parse

import pytest

from env import token
from env.fleet import Fleet
from env.hub import PATH, hub
from env.wait import DEADLINE, wait_until
from env.watch import STATUS, owner

event_only = pytest.mark.mpm("event")

ROOT = f"{PATH}/subscriptions"
EVENTS = ("urlpattern", f"{ROOT}/:type/:match/:subscriber")
ALL = ("urlpattern", f"{ROOT}{{/*}}?")
TOPIC = "https://example.com/books/1"
SUBSCRIBER = r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


def encode(text):
    """Percent-encodes all but unreserved characters, as RFC 6570 does."""
    return urllib.parse.quote(text, safe="-._~")


def url(match_type, match, subscriber=None, path=PATH):
    end = "" if subscriber is None else "/" + encode(subscriber)
    return f"{path}/subscriptions/{match_type}/{encode(match)}{end}"


def document(match_type, match, subscriber, active=True, path=PATH, **payload):
    return {"id": url(match_type, match, subscriber, path), "type": "subscription", "match_type": match_type,
            "match": match, "subscriber": subscriber, "active": active, **payload}


def watch(httpd, path=PATH, **more):
    """Opens a stream of subscription events and takes the event about itself; returns (stream, its subscriber id)."""
    pattern = ("urlpattern", EVENTS[1].replace(PATH, path))
    bearer = token.subscriber([pattern], aud=f"https://hub.example{path}")
    stream = httpd.subscribe([("match_urlpattern", pattern[1])], token=bearer, path=path, **more)
    own = next_document(stream)
    assert own["match"] == pattern[1] and own["active"]
    return stream, own["subscriber"]


def next_document(stream):
    """The document of the next event, which must be a subscription event."""
    event = stream.next()
    assert event.event == "mercure", event
    return json.loads(event.data)


def listed(httpd, target=ROOT, topics=(ALL,), **more):
    response = httpd.get(target, {"Authorization": f"Bearer {token.subscriber(topics)}"}, **more)
    assert response.status == 200, response
    return response.json


def subscribers(httpd, **more):
    """{(match, subscriber)} of the list."""
    return {(one["match"], one["subscriber"]) for one in listed(httpd, **more)["subscriptions"]}


# ---- events --------------------------------------------------------------------------------------


@event_only
def test_subscriptions_are_announced_when_they_begin_and_end(httpd):
    httpd.start(hub("MercureSubscriptions On"))
    watcher, _ = watch(httpd)
    strange = 'https://example.com/a b?c="d"\\é&%41%2F*~'
    pattern = "https://example.com/:id(\\d+)/*"
    details = [token.detail(["publish"], ["*"], payload={"no": 1}),
               token.detail(["subscribe"], [TOPIC], payload={"first": ["é", 1.5, None]}),
               token.detail(["subscribe"], [("urlpattern", "https://example.com/*")], payload={"second": 2}),
               token.detail(["subscribe"], ["*"])]
    bearer = token.mint(token.SUBSCRIBER_KEY, details=details)
    query = [("match", TOPIC), ("match_exact", strange), ("match_urlpattern", pattern), ("match", "*"),
             ("match", TOPIC), ("match", "relative")]
    others = [httpd.subscribe([("match", "*")]),
              httpd.subscribe([("match", "*")], token=token.subscriber([TOPIC, f"{ROOT}/exact"]))]
    assert [next_document(watcher)["match"] for _ in others] == ["*", "*"]

    stream = httpd.subscribe(query, token=bearer)
    began = [watcher.next() for _ in range(5)]
    subscriber = json.loads(began[0].data)["subscriber"]
    payloads = [{"payload": {"first": ["é", 1.5, None]}}, {"payload": {"second": 2}}, {}, {}, {}]
    # The pattern has a group of its own, so it may not be a URL that the second detail matches.
    payloads[2] = {"payload": {"second": 2}} if "payload" in json.loads(began[2].data) else {}
    matchers = [("exact", TOPIC), ("exact", strange), ("urlpattern", pattern), ("exact", "*"), ("exact", "relative")]
    want = [document(*matcher, subscriber, **payload) for matcher, payload in zip(matchers, payloads)]
    assert [json.loads(event.data) for event in began] == want
    assert "%2541%252F%2A~" in want[1]["id"] and "%20" in want[1]["id"] and "%C3%A9" in want[1]["id"]
    assert len({event.id for event in began}) == 5 and all(event.event == "mercure" for event in began)

    stream.close()
    assert [next_document(watcher) for _ in range(5)] == [{**one, "active": False} for one in want]
    # Subscribers that may not read these events got none of them.
    last = httpd.publish(TOPIC, "the last").text
    for other in others:
        assert other.next().id == last
        other.close()
    # With a cursor the events are replayed to subscribers that may read them.
    bearer = token.subscriber([EVENTS])
    with httpd.subscribe([("match_urlpattern", EVENTS[1]), ("last_event_id", began[4].id)], token=bearer) as replay:
        assert [next_document(replay) for _ in range(5)] == [{**one, "active": False} for one in want]
    watcher.close()


@event_only
def test_subscriber_ids_are_unique_and_not_chosen_by_clients(httpd):
    """Each connection has its own id, which is also in the access log."""
    httpd.start(hub("MercureSubscriptions On") + 'CustomLog logs/names.log "%{mercure-subscriber}n"\n')
    watcher, _ = watch(httpd)
    bearer = token.subscriber()
    names = []
    for _ in range(2):
        stream = httpd.subscribe([("match", TOPIC), ("subscriber", "urn:uuid:mine"), ("id", "mine")], token=bearer)
        names += [next_document(watcher)["subscriber"]]
        stream.close()
        assert next_document(watcher)["subscriber"] == names[-1]
    assert names[0] != names[1]

    def logged():
        with open(httpd.path("logs/names.log"), encoding="utf-8") as log:
            return {line.strip() for line in log}

    wait_until(lambda: set(names) <= logged(), what="the names in the access log")
    watcher.close()


@event_only
def test_hubs_do_not_see_subscriptions_of_each_other(httpd):
    port = httpd.add_port()
    one = hub("MercureSubscriptions On", path="/one")
    two = hub("MercureSubscriptions On", path="/two")
    httpd.start(one + two + httpd.vhost(one, port=port, name="other.example"))
    places = [("/one", httpd.port), ("/two", httpd.port), ("/one", port)]
    watchers = [watch(httpd, path, port=at)[0] for path, at in places]
    for (path, at), watcher in zip(places, watchers):
        with httpd.subscribe([("match", TOPIC)], path=path, port=at):
            assert next_document(watcher)["id"].startswith(f"{path}/subscriptions/exact/")
            bearer = token.subscriber(aud=f"https://hub.example{path}")
            found = httpd.get(f"{path}/subscriptions", {"Authorization": f"Bearer {bearer}"}, port=at).json
            assert len(found["subscriptions"]) == 2 and found["id"] == f"{path}/subscriptions"
        assert not next_document(watcher)["active"]
        watcher.close()


@event_only
def test_hub_with_two_paths_announces_under_both(httpd):
    """Every event is announced under each path."""
    identity = "MercureResourceIdentifier https://hub.example/b"
    httpd.start("".join(hub("MercureSubscriptions On", identity, path=path, name="x", identifier=None)
                        for path in ("/a b/", "/b")))
    first, second = "/a%20b", "/b"
    streams = []
    for path in (first, second):
        pattern = f"{path}/subscriptions/:t/:m/:s"
        bearer = token.subscriber([("urlpattern", pattern)], aud="https://hub.example/b")
        streams.append(httpd.subscribe([("match_urlpattern", pattern)], token=bearer, path="/b"))
    for stream in streams:
        wait_until(lambda: (next_document(stream)["match"].startswith("/b/")), what="the second watcher's own event")
    with httpd.subscribe([("match", TOPIC)], path="/b"):
        documents = [next_document(stream) for stream in streams]
        assert documents[0] == documents[1] and documents[0]["match"] == TOPIC
        bearer = token.subscriber(aud="https://hub.example/b")
        found = httpd.get("/b/subscriptions", {"Authorization": f"Bearer {bearer}"}).json["subscriptions"]
        assert url("exact", TOPIC, documents[0]["subscriber"], "/b") in [one["id"] for one in found]
        for path, link in ((first, "</a%20b/>; "), (second, "</b>; ")):
            answer = httpd.get(f"{path}/subscriptions", {"Authorization": f"Bearer {bearer}"})
            assert answer.header("Link").startswith(link), answer
    for stream in streams:
        stream.close()


# ---- the API -------------------------------------------------------------------------------------


@event_only
def test_api_lists_active_subscriptions(httpd):
    httpd.start(hub("MercureSubscriptions On", "MercureCorsOrigins https://app.example"))
    bearer = {"Authorization": f"Bearer {token.subscriber([ALL])}"}
    assert httpd.get(ROOT, bearer).json == {"id": ROOT, "type": "subscriptions", "subscriptions": []}
    assert 'last-event-id="earliest"' in httpd.get(ROOT, bearer).header("Link")

    payload = {"payload": {"custom": "é"}}
    details = [token.detail(["subscribe"], ["*"], **payload)]
    stream = httpd.subscribe([("match", TOPIC), ("match_urlpattern", "/x/:id")],
                             token=token.mint(token.SUBSCRIBER_KEY, details=details))
    other = httpd.subscribe([("match", TOPIC)])
    found = listed(httpd)["subscriptions"]
    names = {one["subscriber"]: "payload" in one for one in found}
    first, = (name for name, has_payload in names.items() if has_payload)
    second, = (name for name, has_payload in names.items() if not has_payload)
    want = [document("exact", TOPIC, first, **payload), document("urlpattern", "/x/:id", first, **payload),
            document("exact", TOPIC, second)]

    def by_id(documents):
        return sorted(documents, key=lambda one: one["id"])

    assert by_id(found) == by_id(want)

    by_matcher = listed(httpd, url("exact", TOPIC))
    assert by_matcher["id"] == url("exact", TOPIC) and by_matcher["type"] == "subscriptions"
    assert by_id(by_matcher["subscriptions"]) == by_id([want[0], want[2]])
    assert listed(httpd, url("urlpattern", TOPIC))["subscriptions"] == []
    assert listed(httpd, want[1]["id"]) == want[1]
    # The client may spell the URL differently; the id has the hub's spelling.
    lower = ROOT + "/exact/" + urllib.parse.quote(TOPIC, safe="").lower() + "/" + first
    assert listed(httpd, lower) == want[0]
    assert listed(httpd, f"{ROOT}?{'x' * 100}=1")["id"] == ROOT

    # The cursor in Link leads to the events that follow.
    last = httpd.publish(TOPIC, "x", fields=[("id", 'it"s 100% \\é')]).text
    response = httpd.get(ROOT, bearer)
    assert response.header("Link") == (
        f'<{PATH}>; rel="mercure"; last-event-id="it\\"s 100% \\\\é"; type="mercure"; '
        'content-type="application/json"').encode("utf-8").decode("latin-1")
    assert "must-revalidate" in response.header("Cache-Control") and "private" in response.header("Cache-Control")
    assert response.header("Content-Type") == "application/json"
    stream.close()
    watcher = httpd.subscribe([("match_urlpattern", EVENTS[1]), ("last_event_id", last)],
                              token=token.subscriber([EVENTS]))
    events = [next_document(watcher) for _ in range(3)]  # including its own
    assert [one for one in events if one["subscriber"] == first] == [{**one, "active": False} for one in want[:2]]
    assert first not in {one["subscriber"] for one in listed(httpd)["subscriptions"]}
    gone = httpd.get(want[0]["id"], bearer)
    assert gone.status == 404 and gone.header("ETag") is None

    # Conditional requests. No more events come that would change the entity tag.
    for target, weak in ((ROOT, "W/"), (url("exact", TOPIC), "W/"), (want[2]["id"], "")):
        etag = httpd.get(target, bearer).header("ETag")
        opaque = etag.removeprefix("W/")
        assert etag == weak + opaque
        for given, status in ((etag, 304), (f'"x", {etag}', 304), (f'W/{opaque}, "x"', 304), (opaque, 304), ("*", 304),
                              ('"x"', 200), (etag[:-1], 200)):
            for method in ("GET", "HEAD"):
                response = httpd.request(method, target, {**bearer, "If-None-Match": given})
                assert (response.status, response.header("ETag")) == (status, etag), (target, given)
                assert (response.body != b"") == (method == "GET" and status == 200)
    assert httpd.get(want[0]["id"], {**bearer, "If-None-Match": "*"}).status == 404

    # Requests of another origin.
    response = httpd.get(ROOT, {**bearer, "Origin": "https://app.example"})
    assert "Link" in response.header("Access-Control-Expose-Headers")
    preflight = httpd.request("OPTIONS", ROOT, {"Origin": "https://app.example", "Access-Control-Request-Method": "GET"})
    assert preflight.status == 204 and preflight.header("Access-Control-Allow-Origin") == "https://app.example"
    other.close()
    watcher.close()


@event_only
def test_entity_tags_follow_the_list(httpd):
    """Lists with the same last event id have different tags if they differ; the tag of a subscription does not depend
    on the id."""
    old_key = "the-old-secret-of-the-live-tests:0123456789abcdef"
    httpd.start(hub("MercureSubscriptions On", f"MercureLegacySubscriberKey HS256 {old_key}"))
    bearer = {"Authorization": f"Bearer {token.subscriber([ALL])}"}
    kept, other = (httpd.subscribe([("match", TOPIC)]) for _ in range(2))
    names = [one["subscriber"] for one in listed(httpd)["subscriptions"]]

    def repeat_id():
        assert httpd.publish("urn:x", "x", fields=[("id", "same")]).text == "same"

    def tags(headers=bearer):
        """The entity tags of the lists, and of the existing subscriptions."""
        found = {}
        for target in (ROOT, url("exact", TOPIC), *(url("exact", TOPIC, name) for name in names)):
            responses = [httpd.request(method, target, headers) for method in ("GET", "HEAD")]
            if responses[0].status == 200:
                found[target] = responses[0].header("ETag")
            assert responses[0].status == responses[1].status
            assert responses[0].header("ETag") == responses[1].header("ETag")
        return found

    repeat_id()
    before = tags()
    assert len(before) == 4 and tags() == before
    other.close()
    wait_until(lambda: len(listed(httpd)["subscriptions"]) == 1, what="the end of a subscription")
    wait_until(lambda: httpd.get(ROOT, bearer).header("Link").find('id="same"') < 0, what="its event")
    repeat_id()
    after = tags()
    (single,) = (target for target in after if target not in (ROOT, url("exact", TOPIC)))
    for target in (ROOT, url("exact", TOPIC)):
        assert after[target] != before[target]
        response = httpd.get(target, {**bearer, "If-None-Match": before[target]})
        assert response.status == 200 and len(response.json["subscriptions"]) == 1
    assert after[single] == before[single]
    assert httpd.get(single, {**bearer, "If-None-Match": before[single]}).status == 304
    # The same URL has another list for a token of protocol 0.x.
    old = token.mint_raw({"alg": "HS256", "typ": "JWT"}, {"mercure": {"subscribe": ["*"]}}, old_key)
    response = httpd.get(ROOT, {"Authorization": f"Bearer {old}", "If-None-Match": after[ROOT]})
    assert response.status == 200 and response.json["type"] == "Subscriptions"
    # Every update changes the cursor.
    httpd.publish("urn:x", "x")
    assert tags()[ROOT] != after[ROOT]
    kept.close()


@event_only
def test_api_needs_a_grant_on_its_url(httpd):
    httpd.start(hub("MercureSubscriptions On") + hub(path="/off"))
    single = url("exact", "x", "urn:uuid:0")
    by_matcher = url("exact", "x")
    rows = [  # topics of the token, and the statuses for the collection, a matcher and a single subscription
        (None, 401, 401, 401),
        ([], 403, 403, 403),
        ([TOPIC], 403, 403, 403),
        (["*"], 200, 200, 404),
        ([ROOT], 200, 403, 403),
        ([by_matcher], 403, 200, 403),
        ([single], 403, 403, 404),
        ([ROOT + "/"], 403, 403, 403),
        ([("urlpattern", f"{ROOT}/*")], 403, 200, 404),
        ([("urlpattern", f"https://hub.example{ROOT}/exact/:match")], 403, 200, 403),
        ([("urlpattern", f"https://other.example{ROOT}/*")], 403, 403, 403),
        ([EVENTS], 403, 403, 404),
    ]
    for topics, *statuses in rows:
        headers = {} if topics is None else {
            "Authorization": f"Bearer {token.mint(token.SUBSCRIBER_KEY, subscribe=topics or None)}"}
        for target, status in zip((ROOT, by_matcher, single), statuses):
            for query in ("", "?match=*"):
                response = httpd.get(target + query, headers)
                assert response.status == status, (topics, target, response)
                assert (response.header("WWW-Authenticate") is None) == (status not in (401, 403))
    # A backslash is no slash.
    with httpd.subscribe([("match", "x\\y")]):
        grant = token.mint(token.SUBSCRIBER_KEY, subscribe=[("urlpattern", f"{ROOT}/exact/x/:subscriber")])
        assert httpd.get(f"{ROOT}/exact/x\\y", {"Authorization": f"Bearer {grant}"}).status == 403
    # A publisher's token is not a subscriber's.
    response = httpd.get(ROOT, {"Authorization": f"Bearer {token.publisher()}"})
    assert response.status == 401
    bearer = {"Authorization": f"Bearer {token.subscriber()}"}
    for target in ("/", "x", "/exact", "/exact/a/b/c", "/exact/a/b/", "/unknown/x", "/Exact/x"):
        response = httpd.get(ROOT + target, bearer)
        assert response.status == 404 and response.header("Content-Type") == "application/problem+json", target
    for method in ("POST", "PUT", "DELETE", "QUERY", "X"):
        response = httpd.request(method, ROOT, bearer, body="x")
        assert response.status == 405 and response.header("Allow") == "GET, HEAD, OPTIONS", method
    # Where MercureSubscriptions is off, there is no API.
    bearer = {"Authorization": f"Bearer {token.subscriber(aud='https://hub.example/off')}"}
    assert httpd.get("/off/subscriptions", bearer).status == 404


def many(httpd, connections, matchers, length=30):
    """Opens CONNECTIONS streams of MATCHERS matchers each, which are at least LENGTH bytes long."""
    streams = []
    for i in range(connections):
        query = [("match", f"https://example.com/{i}/{k}/".ljust(length, "x")) for k in range(matchers)]
        streams.append(httpd.subscribe(query))
    return streams


def check_a_long_list(httpd, connections):
    """The list is complete, and nothing waits for a slow reader of it."""
    streams = many(httpd, connections, 100)
    with httpd.subscribe([("match", TOPIC)]) as stream, httpd.connect(rcvbuf=4096) as reader:
        reader.send_request("GET", ROOT, {"Authorization": f"Bearer {token.subscriber()}"})
        reader.receive()
        assert httpd.publish(TOPIC, "meanwhile").text == stream.next().id
        assert len(listed(httpd, url("exact", "https://example.com/0/5/".ljust(30, "x")))["subscriptions"]) == 1
        response = reader.read_response()
        assert response.status == 200
        found = response.json["subscriptions"]
        assert len(found) == connections * 100 + 1
        assert len({one["id"] for one in found}) == len(found)
    for one in streams:
        one.close()


@event_only
def test_list_is_complete_and_a_slow_reader_delays_nobody(httpd):
    httpd.start(hub("MercureSubscriptions On"))
    check_a_long_list(httpd, 10)


@pytest.mark.soak
@event_only
def test_list_of_20000_subscriptions_is_complete(httpd):
    httpd.start(hub("MercureSubscriptions On", "MercureMaxSubscribers 20000"))
    check_a_long_list(httpd, 200)
    wait_until(lambda: not listed(httpd)["subscriptions"], 60, "the end of all subscriptions")


# ---- bounds --------------------------------------------------------------------------------------


@event_only
def test_full_list_refuses_only_large_subscribers(httpd):
    """Subscribers with many long matchers share a part of the list; small ones have room of their own."""
    httpd.expect_log(r"its list of active subscriptions is full")
    httpd.start(hub("MercureSubscriptions On", "MercureMaxSubscribers 40"))
    large = []
    query = [("match", f"{k:04}".ljust(4096, "x")) for k in range(100)]
    form = {"headers": {"Content-Type": "application/x-www-form-urlencoded"}, "body": urllib.parse.urlencode(query)}

    def join():
        """Opens a stream that needs much room. It ends if it is refused, or if no place is free yet."""
        stream = httpd.subscribe(method="QUERY", status=None, **form)
        assert stream.status in (200, 429), stream.response
        while not stream.ended and not stream.parser.comments:
            stream.pump(DEADLINE)
        return stream

    while True:
        stream = join()
        if stream.ended:
            break
        large.append(stream)
        assert len(large) < 20, "the list has no bound"
    assert stream.parser.retry and not stream.parser.events
    refused = httpd.request("QUERY", PATH, **form)
    assert refused.status == 503 and refused.header("Retry-After") and "topic matchers" in refused.text
    small = [httpd.subscribe([("match", "x" * 300)]) for _ in range(40 - len(large))]

    def count(match):
        return len(listed(httpd, url("exact", match))["subscriptions"])

    # Nothing of the refused subscribers is listed, not even their first matchers.
    assert [count(match) for match in (query[0][1], query[99][1], "x" * 300)] == [len(large), len(large), len(small)]
    assert httpd.subscribe([("match", "x")], status=None).status == 429
    large.pop().close()
    wait_until(lambda: count(query[99][1]) == len(large), what="the end of one large subscriber")
    # Its room is free once its end has been announced.
    back = wait_until(lambda: next((one for one in [join()] if not one.ended), None), what="room for another")
    assert count(query[99][1]) == len(large) + 1
    for stream in [*large, *small, back]:
        stream.close()


@event_only
def test_empty_matcher_is_listed(httpd):
    """The URL of an empty matcher has two slashes in a row, which httpd would merge into one (MergeSlashes)."""
    httpd.expect_log(r"AH01630: client denied by server configuration")
    httpd.start(hub("MercureSubscriptions On") +
                "<Location /shut/subscriptions>\nRequire all denied\n</Location>\n" +
                hub("MercureSubscriptions On", path="/shut"))
    stream = httpd.subscribe([("match", ""), ("match_urlpattern", ""), ("match", TOPIC)])
    found = {one["id"]: one for one in listed(httpd)["subscriptions"]}
    name = next(iter(found.values()))["subscriber"]
    assert sorted(found) == sorted([url("exact", "", name), url("urlpattern", "", name), url("exact", TOPIC, name)])
    for target, one in found.items():
        assert listed(httpd, target) == one
        # The same by an absolute URL, and with a token that grants only this URL.
        assert listed(httpd, f"http://localhost:{httpd.port}{target}?x=//y", topics=(target,)) == one
    for target in (url("exact", ""), url("exact", "") + "?x", ROOT + "/./exact/"):
        assert [one["id"] for one in listed(httpd, target)["subscriptions"]] == [url("exact", "", name)]
    # Slashes in a row elsewhere are merged, as everywhere in httpd.
    for target in (f"//{ROOT}", ROOT.replace("/sub", "//sub"), ROOT + "//exact/" + encode(TOPIC), f"{ROOT}/x//..//exact/"):
        assert listed(httpd, target)["subscriptions"], target
    # None of this bypasses httpd's access control.
    bearer = {"Authorization": f"Bearer {token.subscriber(['*'], aud='https://hub.example/shut')}"}
    for target in ("/shut/subscriptions", "/shut/subscriptions/exact//x", "/shut//subscriptions/exact//x",
                   "/x//../shut/subscriptions/exact//x", "/shut/subscriptions/exact//../x", "//shut/subscriptions/exact//x",
                   "/shut/x//../../shut/subscriptions/exact//x", "http://localhost//shut/subscriptions/exact//x"):
        assert httpd.get(target, bearer).status == 403, target
    stream.close()


@event_only
def test_configtest_limits_the_size_of_the_list(httpd):
    for directives, ok in (("MercureMaxSubscribers 4194304", True), ("MercureMaxSubscribers 4194305", False)):
        result = httpd.configtest(hub("MercureSubscriptions On", directives))
        assert result.ok == ok, result
    assert "MercureMaxSubscribers 4194305" in result.output and "4194304" in result.output
    assert httpd.configtest(hub("MercureMaxSubscribers 4194305")).ok


# ---- children that end ---------------------------------------------------------------------------


def collect(stream, done, what):
    """Takes events until DONE(state) holds; returns the state, {(match, subscriber): active}."""
    state = {}
    end = time.monotonic() + 60
    while not done(state):
        assert time.monotonic() < end, f"not within 60 s: {what}: {state}"
        one = next_document(stream)
        state[one["match"], one["subscriber"]] = one["active"]
    return state


@pytest.mark.sanitize
@pytest.mark.mpm("event", "prefork")
def test_subscriptions_of_a_killed_child_end(httpd, mpm):
    """Their ends are announced, although the child itself can no longer announce them."""
    httpd.start(hub("MercureSubscriptions On") + STATUS)
    watcher, own = watch(httpd)
    pid = owner(httpd, watcher.conn)
    streams = []

    def one_elsewhere():
        streams.append(httpd.subscribe([("match", f"{TOPIC}/{len(streams)}")]))
        return owner(httpd, streams[-1].conn) != pid

    wait_until(one_elsewhere, what="a stream of another child")
    victim = owner(httpd, streams[-1].conn)
    lost = {f"{TOPIC}/{i}" for i, stream in enumerate(streams) if owner(httpd, stream.conn) == victim}
    began = collect(watcher, lambda state: len(state) == len(streams), "their beginnings")
    httpd.kill_child(victim)
    ended = collect(watcher, lambda state: len(state) == len(lost), "the ends")
    assert ended == {key: False for key in began if key[0] in lost}
    assert subscribers(httpd) == {key for key in began if key[0] not in lost} | {(EVENTS[1], own)}
    for stream in streams:
        stream.close()
    collect(watcher, lambda state: len(state) == len(streams) - len(lost), "the other ends")
    watcher.close()


@event_only
def test_next_child_announces_the_ends_of_a_killed_only_child(httpd):
    httpd.sizing = httpd.sizing.replace("StartServers 2", "StartServers 1").replace("MinSpareThreads 16", "MinSpareThreads 1")
    httpd.start(hub("MercureSubscriptions On"))
    stream = httpd.subscribe([("match", TOPIC)])
    watcher, own = watch(httpd)
    (key,) = subscribers(httpd) - {(EVENTS[1], own)}
    cursor = httpd.publish(TOPIC, "x").text
    httpd.kill_child()
    wait_until(httpd.children, what="another child")
    with httpd.subscribe([("match_urlpattern", EVENTS[1]), ("last_event_id", cursor)],
                         token=token.subscriber([EVENTS])) as again:
        state = collect(again, lambda state: {key, (EVENTS[1], own)} <= set(state), "the ends")
        assert not state[key] and not state[EVENTS[1], own]
        assert len(subscribers(httpd)) == 1
    stream.close()
    watcher.close()


def check_reload(httpd, text):
    """Reloads with TEXT: the end and the return of every subscriber are announced."""
    old = httpd.children()
    bearer = token.subscriber([EVENTS])
    cursor = httpd.publish("urn:x", "x").text
    with Fleet(httpd, 20, [("match", TOPIC)]) as fleet:
        before = subscribers(httpd)
        assert len(before) == 20
        httpd.graceful(text)
        wait_until(lambda: not set(old) & set(httpd.children()), 60, "the end of the old children", 0.1)
        fleet.wait(lambda: all(member.ends for member in fleet.members), "the end of all streams")
        fleet.wait(lambda: fleet.connected() == 20, "all of them are back")
        after = subscribers(httpd)
        assert len(after) == 20 and not before & after
        with httpd.subscribe([("match_urlpattern", EVENTS[1]), ("last_event_id", cursor)], token=bearer) as watcher:
            assert watcher.response.header("Mercure-Last-Event-ID") == cursor
            state = collect(watcher, lambda state: before | after <= set(state) and
                            not any(state[key] for key in before), "ends and returns")
            assert {key for key, active in state.items() if active and key[0] == TOPIC} == after
    wait_until(lambda: not subscribers(httpd), what="the end of all subscriptions")


@pytest.mark.sanitize
@event_only
def test_reload_announces_every_end_and_return(httpd):
    text = hub("MercureSubscriptions On")
    httpd.start(text)
    check_reload(httpd, text)


@pytest.mark.soak
@event_only
def test_reload_that_resizes_the_list_announces_every_end_and_return(httpd):
    httpd.start(hub("MercureSubscriptions On"))
    check_reload(httpd, hub("MercureSubscriptions On", "MercureMaxSubscribers 30000"))
    httpd.graceful(hub())
    assert httpd.get(ROOT, {"Authorization": f"Bearer {token.subscriber()}"}).status == 404


@pytest.mark.mpm("worker")
def test_streams_that_hold_a_thread_are_announced(httpd):
    httpd.start(hub("MercureSubscriptions On"))
    watcher, _ = watch(httpd)
    streams = [httpd.subscribe([("match", f"{TOPIC}/{i}")]) for i in range(3)]
    began = collect(watcher, lambda state: len(state) == 3, "their beginnings")
    assert set(began) <= subscribers(httpd)
    for stream in streams:
        stream.close()
    assert collect(watcher, lambda state: len(state) == 3, "their ends") == {key: False for key in began}
    watcher.close()
