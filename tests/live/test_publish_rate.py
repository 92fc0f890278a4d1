"""MercurePublishRate limits how fast a hub and a token may publish, over all children together."""
import json
import time

import pytest

from env import token
from env.hub import PATH, hub

pytestmark = pytest.mark.mpm("event")

OTHER = "/other"


def publish(httpd, **more):
    """Publishes on its own connection, which any child may get; returns whether the hub accepted the update, and the
    answer."""
    answer = httpd.publish("a", "x", status=None, **more)
    assert answer.status in (200, 429), answer
    return answer.status == 200, answer


def take(httpd, tries, **more):
    """How many of TRIES publications the hub accepts, and how many seconds they take."""
    start = time.monotonic()
    return sum(publish(httpd, **more)[0] for _ in range(tries)), time.monotonic() - start


def test_rate_counts_over_all_children(httpd):
    httpd.start(hub("MercurePublishRate 1/s burst=20", "MercureHistory count=1000") + hub(path=OTHER))
    taken, seconds = take(httpd, 60)
    assert 20 <= taken <= 20 + seconds + 1, (taken, seconds)
    ok, answer = publish(httpd)
    if not ok:
        assert answer.header("Content-Type") == "application/problem+json", answer
        assert 1 <= int(answer.header("Retry-After")) <= 2 and "Retry-After" in answer.json["detail"], answer
    httpd.wait_log(f"mercure:notice.*MRC0711: hub localhost{PATH} refuses updates")
    # Another hub has no limit, and nothing that was refused is in the history.
    assert take(httpd, 60, path=OTHER, token=token.publisher(aud=f"https://hub.example{OTHER}"))[0] == 60
    with httpd.subscribe("match=a&last_event_id=earliest") as stream:
        assert len(stream.take(taken)) == taken
    # After the seconds of Retry-After there is room again.
    while not ok:
        time.sleep(int(answer.header("Retry-After")))
        again, answer = publish(httpd)
        assert again, answer
        ok = True


def test_requests_that_are_refused_for_another_reason_do_not_count(httpd):
    httpd.start(hub("MercurePublishRate 1 burst=5"))
    for _ in range(10):
        httpd.publish("a", "x", token=None, status=401)
        httpd.publish("b", "x", token=token.publisher(topics=["a"]), status=403)
        httpd.publish("", "x", status=400)
    assert take(httpd, 5)[0] == 5


def test_token_that_is_too_fast_leaves_room_for_others(httpd):
    httpd.start(hub("MercurePublishRate 1000 burst=60 per-token=5"))
    tokens = [token.publisher(sub=name) for name in ("greedy", "other")]
    start = time.monotonic()
    taken, seconds = take(httpd, 40, token=tokens[0])
    assert 5 <= taken <= 5 + 5 * seconds + 1, (taken, seconds)
    assert take(httpd, 5, token=tokens[1])[0] == 5
    while publish(httpd, token=tokens[1])[0]:
        assert time.monotonic() - start < 60, "the limit of the token is never reached"
    assert "token" in publish(httpd, token=tokens[0])[1].text or time.monotonic() - start > 1


def test_limit_of_a_token_needs_no_limit_of_the_hub(httpd):
    httpd.start(hub("MercurePublishRate 0 per-token=3"))
    # The token is minted once, because those of different seconds differ.
    taken, seconds = take(httpd, 30, token=token.publisher())
    assert 3 <= taken <= 3 + 3 * seconds + 1, (taken, seconds)
    for i in range(30):  # each with a token of its own
        assert publish(httpd, token=token.publisher(sub=str(i)))[0]


def test_subscription_events_and_sites_are_not_limited_by_each_other(httpd):
    """Each site that inherits the directive has its own limit; what the hub itself publishes is not counted."""
    httpd.start(hub("MercurePublishRate 1 burst=3", "MercureSubscriptions On") +
                httpd.vhost(name="a.example") + httpd.vhost(name="b.example"))
    reader = token.subscriber()
    with httpd.subscribe([("match", "*")], token=reader, host="a.example") as watcher:
        for _ in range(10):
            with httpd.subscribe([("match", "x")], token=reader, host="a.example"):
                while "active" not in watcher.next().data:
                    pass
        assert take(httpd, 3, host="a.example")[0] == 3
    while publish(httpd, host="a.example")[0]:
        pass
    assert take(httpd, 3, host="b.example")[0] == 3


def test_limit_can_change_at_a_reload(httpd):
    httpd.start(hub("MercurePublishRate 1 burst=100"))
    httpd.publish("a", "kept")
    httpd.graceful(hub("MercurePublishRate 1 burst=2"))
    while publish(httpd)[0]:
        pass
    httpd.graceful(hub())
    assert take(httpd, 20)[0] == 20
    with httpd.subscribe("match=a&last_event_id=earliest") as stream:
        assert stream.next().data == "kept"


def test_each_update_of_a_batch_counts(httpd):
    httpd.start(hub("MercurePublishRate 1 burst=100 per-token=70"))

    def batch(count, bearer):
        return httpd.request("POST", PATH, {"Authorization": f"Bearer {bearer}", "Content-Type": "application/json"},
                             json.dumps([{"topic": "a"}] * count))

    first, second = token.publisher(sub="first"), token.publisher(sub="second")
    for count in (71, 101):  # above the burst of a token, and of the hub
        refused = batch(count, first)
        assert refused.status == 413 and refused.header("Retry-After") is None, refused
    assert batch(60, first).status == 200
    # The hub has room for 40 and one more for each second, and the token of the first publisher for 10.
    refused = batch(70, second)
    assert refused.status == 429 and int(refused.header("Retry-After")) >= 1, refused
    assert batch(40, second).status == 200, "the batch before was counted"
