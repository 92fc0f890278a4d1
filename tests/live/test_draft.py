"""Rules of the draft that no other live test covers; docs/conformance.md lists the tests of each rule."""
import pytest

from env import token
from env.hub import PATH, hub

pytestmark = pytest.mark.mpm("event")

FORM = ("Content-Type", "application/x-www-form-urlencoded")
TOPIC = "https://example.com/a"
# Controls (C0, DEL, C1), a bidirectional control, zero-width characters, a soft hyphen and a tag, percent-encoded.
INVISIBLE = ["%00", "%09", "%0A", "%0D", "%1F", "%7F", "%C2%80", "%C2%85", "%C2%9F", "%E2%80%AE", "%E2%80%8B", "%C2%AD",
             "%EF%BB%BF", "%F3%A0%81%81"]
MALFORMED = ["%FF", "%C3", "%C0%AF", "%ED%A0%80", "%F4%90%80%80"]


def escaped(text):
    return "".join(f"%{byte:02X}" for byte in text.encode())


def post(httpd, body, minted=None):
    return httpd.request("POST", PATH, [FORM, ("Authorization", f"Bearer {minted or token.publisher()}")], body)


def test_tokens_in_the_url_or_the_body_are_ignored(httpd):
    httpd.start(hub(anonymous=False))
    subscriber, publisher = token.subscriber(), token.publisher()
    for name in ("access_token", "authorization", "token"):
        assert httpd.get(f"{PATH}?match=a&{name}={subscriber}").status == 401
        assert httpd.request("QUERY", PATH, [FORM], f"match=a&{name}={subscriber}").status == 401
        assert httpd.request("POST", f"{PATH}?{name}={publisher}", [FORM], "topic=a").status == 401
        assert httpd.request("POST", PATH, [FORM], f"topic=a&{name}={publisher}").status == 401
    for answer in (httpd.get(f"{PATH}?match=a"), httpd.request("POST", PATH, [FORM], "topic=a")):
        assert answer.status == 401 and "error=" not in answer.header("WWW-Authenticate")


def test_topics_in_the_hubs_namespace_are_refused(httpd):
    """This holds whatever the token grants, in every spelling, and for canonical and alternate topics."""
    httpd.start(hub() + hub(path="/hubs/é", identifier=None))
    everything, nothing = token.publisher(), token.publisher(details=[])
    for topic in (PATH, f"{PATH}/", f"{PATH}/subscriptions/exact/a/b", f"https://hub.example{PATH}/x",
                  f"http://other.example:8080{PATH}", "/.well-known/%6Dercure/x", "/.well-known/mercure/../mercure/x",
                  "/x/../.well-known/mercure", "/.well-known/%2e%2e/.well-known/mercure", "mercure", "./mercure/x", "",
                  f"{PATH}?query", f"{PATH}#fragment", "\\.well-known\\mercure\\x", f"//evil.example{PATH}"):
        encoded = escaped(topic)
        for body in (f"topic={encoded}", f"topic=a&topic={encoded}&private=on"):
            for minted in (everything, nothing):
                answer = post(httpd, body, minted)
                assert answer.status == 400, (topic, answer)
    for topic in ("/.well-known/mercurex", "/.well-known", "/.well-known/mercure%2Fx", "mercure:x", "https://[bad/x",
                  "/.well-known/Mercure", "/hubs/%C3%A9"):
        assert post(httpd, f"topic={escaped(topic)}").status == 200, topic
    # The wildcard is not a topic, whatever the token grants.
    assert post(httpd, "topic=a&topic=*", nothing).status == 400
    assert post(httpd, "topic=**").status == 200


def test_invisible_characters_and_malformed_utf8_are_refused(httpd):
    httpd.start(hub())
    wrong = []
    for part in INVISIBLE + MALFORMED:
        for name, status in (
                ("topic", post(httpd, f"topic=a{part}b").status),
                ("alternate", post(httpd, f"topic=a&topic={part}").status),
                ("id", post(httpd, f"topic=a&id=a{part}").status),
                ("type", post(httpd, f"topic=a&type={part}a").status),
                ("match", httpd.request("HEAD", f"{PATH}?match={part}").status),
                ("match_urlpattern", httpd.request("HEAD", f"{PATH}?match_urlpattern=/{part}").status)):
            if status != 400:
                wrong.append((part, name, status))
    for part in MALFORMED:
        if post(httpd, f"topic=a&data={part}").status != 400:
            wrong.append((part, "data"))
    for part in INVISIBLE:  # data may hold any UTF-8
        if post(httpd, f"topic=a&data={part}").status != 200:
            wrong.append((part, "data"))
    for part in ("%E2%82%AC", "%F0%9F%98%80", "%C2%A0", "%20"):
        if post(httpd, f"topic={part}x&id=y{part}x&type={part}").status != 200:
            wrong.append((part, "visible"))
    assert not wrong, wrong


def test_presence_of_the_field_makes_an_update_private(httpd):
    httpd.start(hub())
    with httpd.subscribe("match=*") as anyone, httpd.subscribe("match=*", token=token.subscriber()) as reader:
        for body in ("private", "private=", "private=0", "private=off", "private=false&private=on"):
            assert post(httpd, f"topic=a&data={body.replace('=', '-').replace('&', '-')}&{body}").status == 200
        last = post(httpd, "topic=a&data=public&Private=on&privat=on").text
        assert len(reader.take(6)) == 6
        assert anyone.next().id == last


def test_invalid_or_too_many_details_refuse_the_token(httpd):
    httpd.start(hub("MercureLimit details=2 topics=3 pattern=20"))
    other = {"type": "https://other.example/type"}
    one = token.detail(["publish"], ["a"])
    for details, status in (
            ([one, one], 200), ([one, other, other, one], 200), ([one, one, one], 401),
            ([token.detail(["publish"], ["a", "b", "c"])], 200), ([token.detail(["publish"], ["a", "b", "c", "d"])], 401),
            ([token.detail(["publish"], ["a", "b"]), token.detail(["subscribe"], ["a", "b"])], 401),
            ([token.detail(["publish"], ["a", "x" * 20])], 200), ([token.detail(["publish"], ["a", "x" * 21])], 401),
            # One bad detail refuses the token, whatever the others grant. Unknown types and actions grant nothing.
            ([one, token.detail(["publish"], [("regexp", "a")])], 401), ([one, token.detail(["publish"], [])], 401),
            ([one, token.detail([], ["a"])], 401), ([one, token.detail([7], ["a"])], 401),
            ([one, token.detail(["publish"], [("urlpattern", "(")])], 401), ([one, {"type": token.DETAIL}], 401),
            ([one, token.detail(["subscribe"], ["a"], payload="text")], 401), ([one, "text"], 401),
            ([token.detail(["publish", "juggle"], ["a"])], 200), ([token.detail(["juggle"], ["a"])], 403),
            ([token.detail(["publish"], [("regexp", "*")])], 200), ([token.detail(["publish"], [("Exact", "a")])], 401),
            ([{**one, "type": token.DETAIL.upper()}], 403), ({"type": token.DETAIL}, 401)):
        minted = token.publisher(details=details)
        answer = post(httpd, "topic=a", minted)
        assert answer.status == status, (details, answer)
        if status != 200:
            error = {401: "invalid_token", 403: "insufficient_scope"}[status]
            assert f'error="{error}"' in answer.header("WWW-Authenticate")


def test_token_may_be_as_large_as_the_limits_allow(httpd):
    httpd.start("LimitRequestFieldSize 70000\n" + hub())
    topics = [f"https://example.com/{n}" for n in range(1000)]
    assert httpd.publish(topics[-1], "x", token=token.publisher(topics)).status == 200
    httpd.publish(topics[-1], "x", token=token.publisher([*topics, "more"]), status=401)
    details = [token.detail(["publish"], [topic]) for topic in topics[:100]]
    assert httpd.publish(topics[99], "x", token=token.publisher(details=details)).status == 200
    httpd.publish(topics[99], "x", token=token.publisher(details=[*details, details[0]]), status=401)


def test_replay_is_authorized_by_the_current_token(httpd):
    """Grants at the time of the publication do not count."""
    httpd.start(hub())
    ids = [httpd.publish(f"https://example.com/{name}", name, fields=[("private", "on")]).text for name in "abc"]
    wide = token.subscriber([("urlpattern", "https://example.com/:x")])
    with httpd.subscribe("match=*&last_event_id=earliest", token=wide) as stream:
        assert [event.data for event in stream.take(3)] == ["a", "b", "c"]
    end = httpd.publish("x", "end").text
    with httpd.subscribe([("match", "*")], {"Last-Event-ID": ids[0]}, token=token.subscriber(["https://example.com/c"])) as stream:
        # The token may not read the cursor's update; the answer reveals only that the update existed.
        assert stream.response.header("Mercure-Last-Event-ID") == ids[0]
        assert [event.id for event in stream.take(2)] == [ids[2], end]
    with httpd.subscribe([("match", "*")], {"Last-Event-ID": ids[0]}) as stream:
        assert stream.next().id == end
