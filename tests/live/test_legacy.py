"""Protocol 0.x at the hub's URL, alongside version 1: tokens, subscriptions, cursors, publications."""
import json
import re
import time
import urllib.parse

import pytest

from env import token
from env.hub import PATH, hub
from env.wait import wait_until

pytestmark = pytest.mark.mpm("event")

TOPIC = "https://example.com/books/1"
TEMPLATE = "https://example.com/books/{id}"
FORM = "application/x-www-form-urlencoded"
OLD_KEY = "the-old-secret-of-the-live-tests:0123456789abcdef"
OLD_SUBSCRIBER_KEY = "the-old-subscriber-secret-of-the-live-tests:0123456789"
SHORT_KEY = "!ChangeMe!"
ACCESS_LOG = 'CustomLog logs/legacy.log "%r|%U|%q|%>s"\n'


def old(key=OLD_KEY, claim="mercure", header=None, publish=None, subscribe=None, payload=None, **claims):
    """A token of protocol 0.x."""
    mercure = {name: value for name, value in
               (("publish", publish), ("subscribe", subscribe), ("payload", payload)) if value is not None}
    return token.mint_raw(header or {"alg": "HS256", "typ": "JWT"}, {claim: mercure, **claims}, key)


def bearer(text):
    return [("Authorization", f"Bearer {text}")]


def post(httpd, headers=(), topic=TOPIC, data="x", target=PATH, private=False, fields=()):
    pairs = [("topic", topic), ("data", data), *([("private", "on")] if private else []), *fields]
    return httpd.request("POST", target, [("Content-Type", FORM), *headers], urllib.parse.urlencode(pairs))


def status_of(httpd, query, headers=()):
    """The status of the answer to a subscription; a stream is closed."""
    with httpd.subscribe(query, headers=headers, status=None) as stream:
        return stream.status


def both_dialects(*more, path=PATH):
    return hub("MercureLegacyPublisherKey HS256 " + OLD_KEY, "MercureLegacySubscriberKey HS256 " + OLD_KEY, *more,
               path=path)


# ---- subscriptions -------------------------------------------------------------------------------


def test_topic_is_an_exact_value_a_template_or_the_wildcard(httpd):
    httpd.start(both_dialects("MercureLimit matchers=3"))
    cases = [
        ([("topic", TOPIC)], [True, False, False]),
        ([("topic", TEMPLATE)], [True, True, False]),
        ([("topic", "*")], [True, True, True]),
        ([("topic", "https://example.com/{x}/2"), ("match", "urn:x")], [False, True, True]),
    ]
    topics = [TOPIC, "https://example.com/books/2", "urn:x"]
    streams = [httpd.subscribe(query) for query, _ in cases]
    for topic in topics:
        httpd.publish(topic, topic)
    httpd.publish([TOPIC, "https://example.com/books/2", "urn:x"], "end")
    for stream, (query, matches) in zip(streams, cases):
        wanted = [topic for topic, match in zip(topics, matches) if match] + ["end"]
        assert [event.data for event in stream.take(len(wanted))] == wanted, query
        stream.close()
    assert status_of(httpd, [("topic", str(i)) for i in range(3)]) == 200
    assert status_of(httpd, [("topic", str(i)) for i in range(4)]) == 400
    assert status_of(httpd, [("topic", "a\nb")]) == 400
    assert status_of(httpd, [("topic", "x" * 4097)]) == 400
    assert status_of(httpd, [("match_template", "x")]) == 400
    assert status_of(httpd, [("Topic", "x")]) == 400
    with httpd.subscribe([("topic", "https://example.com/{unfinished")]) as stream:
        httpd.publish("https://example.com/{unfinished", "itself")
        assert stream.next().data == "itself"
    body = urllib.parse.urlencode([("topic", TEMPLATE), ("lastEventID", "earliest")])
    with httpd.subscribe(headers=[("Content-Type", FORM)], method="QUERY", body=body) as stream:
        assert stream.next().data == TOPIC


def test_every_spelling_of_a_cursor_is_accepted(httpd):
    httpd.start(both_dialects())
    ids = [httpd.publish(TOPIC, str(i)).text for i in range(3)]
    for name in ("lastEventID", "last_event_id", "Last-Event-ID", "lastEventId"):
        with httpd.subscribe([("topic", TOPIC), (name, ids[1])]) as stream:
            assert stream.next().id == ids[2], name
            assert stream.response.header("Last-Event-ID") == ids[1], name
            assert stream.response.header("Mercure-Last-Event-ID") == ids[1], name
    # symfony/mercure sends two of them at once, and the first may be empty.
    with httpd.subscribe([("topic", TOPIC), ("lastEventID", ""), ("Last-Event-ID", ids[0])]) as stream:
        assert [event.id for event in stream.take(2)] == ids[1:]
    with httpd.subscribe([("topic", TOPIC), ("lastEventID", ids[2])], headers=[("Last-Event-ID", ids[1])]) as stream:
        assert stream.next().id == ids[2]
    with httpd.subscribe([("topic", TOPIC), ("lastEventID", "nobody-knows")]) as stream:
        assert stream.response.header("Last-Event-ID") == "earliest"
        assert [event.id for event in stream.take(3)] == ids
    with httpd.subscribe([("topic", TOPIC)]) as stream:
        assert stream.response.header("Last-Event-ID") is None
    head = httpd.request("HEAD", PATH + "?" + urllib.parse.urlencode([("topic", TOPIC), ("lastEventId", ids[0])]))
    assert (head.status, head.header("Last-Event-ID")) == (200, ids[0])


# ---- active subscriptions ------------------------------------------------------------------------


ROOT = f"{PATH}/subscriptions"


def encode(text):
    return urllib.parse.quote(text, safe="-._~")


def test_active_subscriptions_are_shown_in_both_dialects(httpd):
    httpd.start(both_dialects("MercureSubscriptions On"))
    watches = old(subscribe=[ROOT + "{/topic}{/subscriber}"], payload={"watcher": True})
    modern = token.subscriber([("urlpattern", ROOT + "{/*}?")])
    with httpd.subscribe([("topic", ROOT + "/{topic}/{subscriber}")], headers=bearer(watches)) as watcher, \
            httpd.subscribe([("match_urlpattern", ROOT + "/:type/:match/:subscriber")], token=modern) as other:
        own = json.loads(watcher.next().data)
        assert own["topic"] == ROOT + "/{topic}/{subscriber}" and own["payload"] == {"watcher": True}
        assert json.loads(other.next().data)["match_type"] == "urlpattern"
        stream = httpd.subscribe([("topic", TEMPLATE), ("match", TOPIC)], headers=bearer(old(payload="p")))
        event = watcher.next()
        document = json.loads(event.data)
        subscriber = document["subscriber"]
        want = {"@context": "https://mercure.rocks/", "id": f"{ROOT}/{encode(TEMPLATE)}/{encode(subscriber)}",
                "type": "Subscription", "topic": TEMPLATE, "subscriber": subscriber, "active": True, "payload": "p"}
        assert (document, event.event) == (want, "message")
        event = other.next()
        document = json.loads(event.data)
        assert event.event == "mercure" and "@context" not in document
        assert (document["match_type"], document["match"], document["subscriber"]) == ("exact", TOPIC, subscriber)
        newest = event.id

        answer = httpd.get(ROOT, headers=bearer(watches))
        assert answer.header("Content-Type") == "application/ld+json"
        listed = answer.json
        assert {name: listed[name] for name in ("@context", "id", "type", "lastEventID")} == {
            "@context": "https://mercure.rocks/", "id": ROOT, "type": "Subscriptions", "lastEventID": newest}
        member = {name: value for name, value in want.items() if name != "@context"}
        assert [one for one in listed["subscriptions"] if one["topic"] == TEMPLATE] == [member]
        assert len(listed["subscriptions"]) == 2
        of_topic = httpd.get(f"{ROOT}/{encode(TEMPLATE)}", headers=bearer(watches)).json
        assert of_topic["subscriptions"] == [member]
        assert httpd.get(want["id"], headers=bearer(watches)).json == {**want, "lastEventID": newest}
        assert httpd.get(f"{ROOT}/{encode(TEMPLATE)}/urn%3Ax", headers=bearer(watches)).status == 404
        assert httpd.get(f"{ROOT}/a/b/c", headers=bearer(watches)).status == 404
        assert httpd.get(ROOT, headers=bearer(old(subscribe=["urn:x"]))).status == 403

        answer = httpd.get(ROOT, headers=bearer(modern))
        assert answer.header("Content-Type") == "application/json"
        assert sorted(one["match_type"] for one in answer.json["subscriptions"]) == ["exact", "urlpattern"]

        stream.close()
        event = watcher.next()
        assert (json.loads(event.data), event.event) == ({**want, "active": False}, "message")


# ---- tokens --------------------------------------------------------------------------------------


def test_tokens_of_both_protocols_work_side_by_side(httpd):
    httpd.start(both_dialects())
    assert post(httpd, bearer(old(publish=["*"]))).status == 200
    assert post(httpd, bearer(token.publisher())).status == 200
    good = [
        old(publish=[TEMPLATE]),
        old(publish=[TOPIC], claim="https://mercure.rocks/"),
        old(publish=["*"], header={"alg": "HS256"}),
        old(publish=["*"], iss="https://somebody.example", aud="elsewhere"),
        old(publish=["*"], exp=time.time() + 60, nbf=time.time() - 60),
    ]
    for text in good:
        answer = post(httpd, bearer(text))
        assert answer.status == 200, text
        assert answer.text.startswith("urn:uuid:") and answer.header("Content-Type").startswith("text/plain")
    refused = [
        (old(publish=["*"], exp=time.time() - 60), 401),
        (old(publish=["*"], nbf=time.time() + 600), 401),
        (old(publish=["*"], key=token.PUBLISHER_KEY), 401),
        (old(publish=["*"], iss=token.ISSUER), 401),
        (token.mint(OLD_KEY, publish=["*"]), 401),
        (token.publisher(header={"typ": "JWT"}), 401),
        (token.publisher(aud="elsewhere"), 401),
        (token.mint(token.PUBLISHER_KEY, mercure={"publish": ["*"]}), 403),
        (old(publish=[]), 403),
        (old(publish=["https://example.com/{a}"]), 403),
        (old(subscribe=["*"]), 403),
        (old(publish="*"), 401),
    ]
    for text, status in refused:
        assert post(httpd, bearer(text)).status == status, text
    # A private update reaches the subscribers to which a token of either protocol grants it.
    streams = {"old": httpd.subscribe([("topic", TEMPLATE)], headers=bearer(old(subscribe=[TEMPLATE]))),
               "modern": httpd.subscribe([("match", TOPIC)], token=token.subscriber([TOPIC])),
               "other": httpd.subscribe([("topic", TOPIC)], headers=bearer(old(subscribe=["urn:x"]))),
               "anonymous": httpd.subscribe([("topic", TOPIC)])}
    post(httpd, bearer(old(publish=["*"])), data="private", private=True)
    post(httpd, bearer(old(publish=["*"])), data="public")
    got = {name: stream.next().data for name, stream in streams.items()}
    assert got == {"old": "private", "modern": "private", "other": "public", "anonymous": "public"}
    for stream in streams.values():
        stream.close()


def test_key_of_one_role_does_not_open_the_other(httpd):
    httpd.start(hub("MercureLegacyPublisherKey HS256 " + OLD_KEY,
                    "MercureLegacySubscriberKey HS256 " + OLD_SUBSCRIBER_KEY, keys=False, anonymous=False))
    assert post(httpd, bearer(old(publish=["*"]))).status == 200
    assert post(httpd, bearer(old(publish=["*"], key=OLD_SUBSCRIBER_KEY))).status == 401
    assert status_of(httpd, [("topic", "*")], bearer(old(subscribe=["*"]))) == 401
    assert status_of(httpd, [("topic", "*")], bearer(old(subscribe=["*"], key=OLD_SUBSCRIBER_KEY))) == 200
    assert status_of(httpd, [("topic", "*")]) == 401


def test_new_cookie_comes_before_the_old_one(httpd):
    httpd.start(both_dialects("MercurePublishOrigins https://app.example", "MercureAnonymous Off"))
    text = old(publish=["*"], subscribe=["*"])
    assert status_of(httpd, [("topic", "*")], [("Cookie", f"a=b; mercureAuthorization={text}")]) == 200
    assert status_of(httpd, [("topic", "*")], [("Cookie", f"__Secure-mercure_access_token={text}")]) == 200
    # The new cookie is verified first, even if the old one would be valid.
    cookies = f"mercureAuthorization={text}; __Secure-mercure_access_token=nonsense"
    assert status_of(httpd, [("topic", "*")], [("Cookie", cookies)]) == 401
    cookie = ("Cookie", f"mercureAuthorization={text}")
    assert post(httpd, [cookie]).status == 403
    assert post(httpd, [cookie, ("Origin", "https://evil.example")]).status == 403
    assert post(httpd, [cookie, ("Origin", "https://app.example")]).status == 200


# ---- the token in the URL ------------------------------------------------------------------------


@pytest.mark.mpm("worker")  # there, a stream that is not detached holds a thread, and mod_status shows its request
def test_token_in_the_url_stays_out_of_the_logs(httpd):
    httpd.load("status", "log_forensic")
    httpd.expect_log("client denied by server configuration: mercure:" + PATH + "/closed")
    httpd.start(both_dialects("MercureAnonymous Off") + both_dialects("MercureDetach Off", path="/kept") + ACCESS_LOG +
                "ExtendedStatus On\nForensicLog logs/forensic.log\n"
                '<Location "/status">\nSetHandler server-status\n</Location>\n'
                '<Location "/.well-known/mercure/closed">\nRequire all denied\n</Location>\n')
    text, modern = old(publish=["*"], subscribe=["*"]), token.subscriber()
    secret = text.rsplit(".", 1)[1]

    def url(*pairs, path=PATH):
        return path + "?" + urllib.parse.urlencode(pairs)

    with httpd.subscribe([("authorization", text), ("topic", TOPIC)]) as stream:
        assert post(httpd, target=url(("authorization", text)), private=True).status == 200
        assert stream.next().data == "x"
    with httpd.subscribe([("authorization", text), ("topic", TOPIC)], path="/kept"):
        page = httpd.get("/status").text
        assert "GET /kept?authorization=xxx" in page and text[:10] not in page
    assert status_of(httpd, [("topic", "*"), ("authorization", modern)]) == 401
    assert status_of(httpd, [("topic", "*"), ("authorization", text), ("authorization", text)]) == 400
    assert status_of(httpd, [("topic", "*"), ("authorization", "")]) == 401
    # The Authorization field takes precedence.
    assert status_of(httpd, [("topic", "*"), ("authorization", text)], bearer("x" * 50)) == 401
    assert status_of(httpd, f"topic=a&%61uthorization={text}&b=c") == 200
    assert httpd.get(url(("authorization", text), path=PATH + "/closed")).status == 403
    assert httpd.get(url(("authorization", text), path=PATH + "/nothing")).status == 404

    # Likewise with other spellings of the path, and where httpd itself refuses the request.
    odd = "/./" + PATH.replace("m", "%6D") + "/?topic=a&authorization=" + text
    assert httpd.get(odd).status == 404
    with httpd.connect() as conn:
        conn.send(f"GET {PATH}?authorization={text}&d=e HTTP/1.1\r\n\r\n".encode())
        assert conn.read_response("GET").status == 400

    # URLs that are not those of a hub stay as they are.
    assert httpd.get("/else?authorization=mine").status == 404

    def lines(name="legacy"):
        """The complete lines of a log that is still being written."""
        with open(httpd.path(f"logs/{name}.log"), encoding="utf-8") as log:
            return [line for line in log if line.endswith("\n")]

    # The forensic log has each request before its answer; the access log has the line some time afterwards.
    forensic = [line for line in lines("forensic") if line[0] == "+"]
    assert len(forensic) >= 9 and not [line for line in forensic if secret in line.split("|")[1]]
    wait_until(lambda: len(lines()) == 14, what="a line for each request")
    for line in lines():
        assert secret not in line and modern[-40:] not in line, line
    assert any("&b=c " in line for line in lines()), "only the token is masked"
    assert any("&d=e" in line for line in lines()), "the bad request is in the log"
    assert any("topic=" in line and "authorization=xxxx" in line for line in lines())
    assert any("topic=" in line and "authorization=xxxx" in line for line in forensic)
    assert any("/else?authorization=mine" in line for line in lines())
    assert secret not in httpd.log()


# ---- configuration -------------------------------------------------------------------------------


def test_without_legacy_every_form_of_0x_is_refused(httpd):
    httpd.start(hub("MercureAnonymous On") + hub(path="/closed", anonymous=False) + ACCESS_LOG)
    newest = httpd.publish(TOPIC, "x").text
    answer = httpd.get(PATH + "?topic=a")
    assert answer.status == 400 and "MercureLegacy" in json.loads(answer.body)["detail"]
    assert status_of(httpd, [("match", "a"), ("topic", "a")]) == 400
    with httpd.subscribe([("match", TOPIC), ("lastEventID", "earliest")]) as stream:
        assert stream.response.header("Mercure-Last-Event-ID") is None
    with httpd.subscribe([("match", TOPIC), ("last_event_id", newest)]) as stream:
        assert stream.response.header("Last-Event-ID") is None
    assert post(httpd, bearer(old(publish=["*"]))).status == 401
    text = token.subscriber(aud="https://hub.example/closed")
    assert httpd.get("/closed?match=a", headers=[("Cookie", f"mercureAuthorization={text}")]).status == 401
    assert httpd.get("/closed?match=a&authorization=" + text).status == 401

    def log():
        with open(httpd.path("logs/legacy.log"), encoding="utf-8") as file:
            return file.read()

    wait_until(lambda: '/closed?match=a&authorization=' in log(), what="the log line of the ignored token")
    assert text.rsplit(".", 1)[1] not in log()


def test_legacy_keys_enable_0x_and_short_ones_are_logged(httpd):
    httpd.expect_log(r"a key of the hub .* for protocol 0\.x .*the secret has 10 bytes; HS256 needs 32")
    httpd.start("MercureLegacyKey HS256 " + SHORT_KEY + "\n" + hub(keys=False) +
                hub("MercureLegacy Off", path="/modern") + hub("MercureLegacy On", path="/no-key"))
    assert status_of(httpd, [("topic", "*")]) == 200
    assert post(httpd, bearer(old(publish=["*"], key=SHORT_KEY))).status == 200
    assert post(httpd, bearer(old(publish=["*"], key=SHORT_KEY)), target="/modern").status == 401
    assert httpd.get("/modern?topic=a").status == 400
    both = [f"MercureLegacyKey HS256 {OLD_KEY}", "MercureLegacy Off"]
    for lines in (both, both[::-1]):
        result = httpd.configtest(hub(*lines))
        assert not result.ok and "MercureLegacy Off and" in result.output and "contradict each other" in result.output


# ---- a token or a request of the other version ---------------------------------------------------


def test_the_wrong_version_names_the_directive_that_takes_it(httpd):
    """A client or a key of the other version is the most frequent mistake: the answer and the log name the
    directive."""
    httpd.expect_log("MRC0204: nobody can subscribe to the hub localhost/half")
    httpd.start(hub(anonymous=False) + hub(f"MercureLegacyKey HS256 {OLD_KEY}", keys=False, anonymous=False, path="/old") +
                hub(f"MercureLegacyKey HS256 {OLD_KEY}", anonymous=False, path="/both") +
                hub(f"MercurePublisherKey {token.ISSUER} HS256 {token.PUBLISHER_KEY}", keys=False, anonymous=False,
                    path="/half"))
    modern = {path: token.mint(OLD_KEY, publish=["*"], subscribe=["*"], aud=f"https://hub.example{path}")
              for path in ("/old", "/both")}
    both = {"publish": ["*"], "subscribe": ["*"]}
    rows = [
        # A token of protocol 0.x at a hub without keys for it, whatever signs it and whatever else it says.
        (PATH, old(**both), "this is a token of protocol 0.x: MercureLegacy{role}Key accepts it"),
        (PATH, old(**both, claim="https://mercure.rocks/"), "of protocol 0.x: MercureLegacy{role}Key accepts it"),
        (PATH, old(**both, key=token.PUBLISHER_KEY), "of protocol 0.x: MercureLegacy{role}Key accepts it"),
        (PATH, old(**both, iss=token.ISSUER, exp=1), "of protocol 0.x: MercureLegacy{role}Key accepts it"),
        (PATH, old(**both, header={"alg": "HS256", "typ": "at+jwt"}), "of protocol 0.x: MercureLegacy{role}Key accepts it"),
        # A token of version 1 at a hub with keys for protocol 0.x only, even if such a key has signed it.
        ("/old", token.publisher(), "this is a token of version 1: Mercure{role}Key accepts it"),
        ("/old", modern["/old"], "this is a token of version 1: Mercure{role}Key accepts it"),
        ("/old", token.mint(OLD_KEY, publish=["*"], header={"typ": "JWT"}), "of version 1: Mercure{role}Key accepts it"),
        # A token of protocol 0.x whose issuer has keys for version 1.
        ("/both", old(**both, iss=token.ISSUER), "MercureLegacy{role}Key accepts it without iss"),
    ]
    for path, text, words in rows:
        for role in ("Publisher", "Subscriber"):
            before = len(httpd.log())
            if role == "Publisher":
                answer = post(httpd, bearer(text), target=path)
            else:
                answer = httpd.get(f"{path}?match=a", headers=bearer(text))
            want = words.format(role=role)
            assert answer.status == 401 and want in answer.json["detail"], (path, answer)
            assert 'error="invalid_token"' in answer.header("WWW-Authenticate")
            assert want in httpd.log()[before:]
            for secret in (text, OLD_KEY, token.PUBLISHER_KEY, token.SUBSCRIBER_KEY):
                assert secret not in answer.body.decode() and secret not in httpd.log()
    # A hub with keys for protocol 0.x only does not ask for version 1.
    for text in (old(**both, exp=1), old(**both, key=SHORT_KEY), "nonsense"):
        for answer in (post(httpd, bearer(text), target="/old"), httpd.get("/old?topic=a", headers=bearer(text))):
            detail = answer.json["detail"]
            assert answer.status == 401 and "it accepts tokens of protocol 0.x (MercureLegacy" in detail, detail
            assert "at+jwt" not in detail and "audience" not in detail
    for answer in (post(httpd, target="/old"), httpd.get("/old?topic=a")):
        detail = answer.json["detail"]
        assert answer.status == 401 and "needs an access token of protocol 0.x" in detail
        assert "mercureAuthorization" in detail and "__Secure" not in detail
    # A role without any key.
    answer = httpd.get("/half?match=a", headers=bearer(token.subscriber()))
    assert answer.status == 401 and "it has no MercureSubscriberKey" in answer.json["detail"]
    # A token that is not of protocol 0.x in the URL.
    answer = httpd.get(f"/both?match=a&authorization={modern['/both']}")
    assert answer.status == 401 and "in an Authorization field" in answer.json["detail"]


def test_ignored_forms_of_0x_name_the_directive_that_takes_them(httpd):
    httpd.start(hub() + hub(path="/closed", anonymous=False))
    text = old(subscribe=["*"])
    for query, headers, place in (("?match=a", [("Cookie", f"mercureAuthorization={text}")], "cookie mercureAuthorization"),
                                  (f"?match=a&authorization={text}", [], "parameter authorization of the URL")):
        before = len(httpd.log())
        answer = httpd.get("/closed" + query, headers=headers)
        detail = answer.json["detail"]
        assert answer.status == 401 and place in detail and "MercureLegacySubscriberKey" in detail, detail
        line = f"MRC0604: .*ignores a token in the {place}.*MercureLegacySubscriberKey"
        httpd.wait_log(line)
        # The stream of an anonymous subscriber begins, so only the log can say why.
        with httpd.subscribe(query[1:], headers=headers) as stream:
            assert stream.status == 200
        assert len(re.findall(line, httpd.log()[before:])) == 2
        assert text not in httpd.log()
    httpd.get(PATH + "?topic=a")
    httpd.wait_log("MRC0710: .*the parameter topic belongs to protocol 0.x.*MercureLegacy On")
