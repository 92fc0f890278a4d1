"""Publications in JSON: one update, or a batch that is stored as a whole or not at all."""
import gzip
import itertools
import json
import threading

import pytest

from env import token
from env.http import ProtocolError
from env.hub import PATH, hub
from env.wait import wait_until
from test_hub import TOPIC, problem, table

event_only = pytest.mark.mpm("event")

JSON = "application/json"
METRICS = '<Location "/metrics">\nSetHandler mercure-metrics\n</Location>\n'
STORES = ["memory", "lmdb data"]


def post(httpd, body, content_type=JSON, bearer=None, **more):
    """POSTs BODY, which is converted to JSON unless it is text."""
    if not isinstance(body, (str, bytes)):
        body = json.dumps(body)
    return httpd.request("POST", PATH, {"Authorization": f"Bearer {bearer or token.publisher()}",
                                        "Content-Type": content_type}, body, **more)


def post_ok(httpd, updates):
    """Publishes a batch; returns its ids."""
    response = post(httpd, updates)
    assert response.status == 200, response
    assert response.header("Content-Type") == JSON
    ids = json.loads(response.body)
    assert len(ids) == len(updates)
    return ids


def index_of(response):
    """The index in a problem document, or None if it has none."""
    problem(response)
    return json.loads(response.body).get("index")


def stored(httpd):
    """The number of updates that the hub has stored, according to its metrics."""
    text = httpd.get("/metrics").text
    return int(next(line for line in text.splitlines() if line.startswith("mercure_updates_total{")).split()[-1])


def start(httpd, *directives, store="memory"):
    httpd.configure(hub(f"MercureStore {store}", *directives) + METRICS)
    if "this build has no LMDB" in httpd.configtest().output:
        pytest.skip("built without LMDB")
    return httpd.start()


# ---- one update ----------------------------------------------------------------------------------


@event_only
def test_object_is_one_update_with_every_field(httpd):
    start(httpd)
    with httpd.subscribe([("match", "https://example.com/b")]) as stream:
        response = post(httpd, {"topic": [TOPIC, "https://example.com/b"], "data": "ä\n\U0001F600",
                                "id": "my id", "type": "book", "retry": 1234, "private": False})
        assert (response.status, response.text) == (200, "my id")
        assert response.header("Content-Type") == "text/plain; charset=utf-8"
        event = stream.next()
        assert (event.id, event.event, event.data) == ("my id", "book", "ä\n\U0001F600")
        assert stream.parser.retry == 1234
        for empty in ({}, {"id": ""}):
            given = post(httpd, {"topic": "https://example.com/b", **empty}).text
            assert given.startswith("urn:uuid:")


@event_only
def test_private_update_in_json_is_private(httpd):
    start(httpd)
    with httpd.subscribe([("match", TOPIC)]) as anonymous, \
            httpd.subscribe([("match", TOPIC)], token=token.subscriber()) as authorized:
        assert post(httpd, {"topic": TOPIC, "id": "secret", "data": "x", "private": True}).status == 200
        ids = post_ok(httpd, [{"topic": TOPIC, "data": "1", "private": True}, {"topic": TOPIC, "data": "2"}])
        assert [event.id for event in authorized.take(3)] == ["secret", *ids]
        assert anonymous.next().id == ids[1]


# ---- batches -------------------------------------------------------------------------------------


@pytest.mark.sanitize
@pytest.mark.parametrize("store", STORES)
def test_batch_is_delivered_and_replayed_in_its_order(httpd, store):
    start(httpd, store=store)
    with httpd.subscribe([("match", TOPIC)]) as stream:
        first = post_ok(httpd, [{"topic": TOPIC, "data": str(i)} for i in range(1000)])
        second = post_ok(httpd, [{"topic": TOPIC, "id": "same", "data": "a"},
                                 {"topic": "https://example.com/other", "data": "b"},
                                 {"topic": TOPIC, "id": "same", "data": "c"}])
        assert len(set(first)) == 1000 and second[0] == second[2] == "same"
        events = stream.take(1002)
    assert [event.id for event in events] == [*first, "same", "same"]
    assert [event.data for event in events] == [*map(str, range(1000)), "a", "c"]
    assert stored(httpd) == 1003
    with httpd.subscribe([("match", "*"), ("last_event_id", first[499])], token=token.subscriber()) as stream:
        assert [event.id for event in stream.take(503)] == [*first[500:], *second]
    # Of equal ids, the earliest is the cursor, as with single publications.
    with httpd.subscribe([("match", TOPIC), ("last_event_id", "same")]) as stream:
        assert stream.next().data == "c"


@event_only
def test_batch_of_one_is_answered_with_an_array(httpd):
    start(httpd)
    assert post_ok(httpd, [{"topic": TOPIC, "id": "ä\"\\"}]) == ["ä\"\\"]


@event_only
def test_bad_publications_are_refused_and_nothing_is_stored(httpd):
    start(httpd, "MercureLimit topics=3 field=2000")
    good = {"topic": TOPIC}

    def run(name, body, status, index, *words):
        response = post(httpd, body)
        assert response.status == status, response
        assert index_of(response) == index, response.text
        assert all(word in problem(response) for word in words), response.text

    table([
        ("empty body", "", 400, None, "object"),
        ("no JSON", "topic=a", 400, None, "object"),
        ("null", "null", 400, None),
        ("empty array", [], 400, None, "empty"),
        ("empty object", {}, 400, None, "topic"),
        ("null member", {**good, "data": None}, 400, None, "data", "null"),
        ("unknown member", {**good, "event": "x"}, 400, None, '"event"'),
        ("unknown member with null", [{**good, "x": None}], 400, 0),
        ("repeated member", f'{{"topic":"{TOPIC}","topic":"{TOPIC}"}}', 400, None, "repeated"),
        ("repeated member in a batch", '[{"topic":"a"},{"topic":"b","id":"1","id":"1"}]', 400, 1, "repeated"),
        ("data that is no string", {**good, "data": {"a": 1}}, 400, None, "string"),
        ("private as in a form", {**good, "private": "on"}, 400, None, "true"),
        ("retry below zero", {**good, "retry": -1}, 400, None, "retry"),
        ("retry with a fraction", {**good, "retry": 1.5}, 400, None, "retry"),
        ("topic that is empty", {"topic": ""}, 400, None),
        ("reserved topic", [good, {"topic": f"{PATH}/x"}], 400, 1, "namespace"),
        ("null in the array", [good, None, good], 400, 1, "null"),
        ("array in the array", [[good]], 400, 0),
        ("bad id", [good, good, {**good, "id": "#x"}], 400, 2, "#"),
        ("the first bad one counts", [good, {"topic": f"{PATH}/x"}, {"topic": None}], 400, 1, "namespace"),
        ("the first bad one counts, turned", [good, {"topic": None}, {"topic": f"{PATH}/x"}], 400, 1, "null"),
        ("syntax after a good one", '[{"topic":"a"},{"topic":"b"', 400, 1),
        ("text after the value", '[{"topic":"a"}] x', 400, None),
        ("invalid UTF-8", b'{"topic":"a\xff"}', 400, None, "UTF-8"),
        ("half of a pair", r'{"topic":"a","data":"\ud800"}', 400, None, "surrogate"),
        ("depth", "[" * 100000, 400, 0),
        ("too many topics", [good, {"topic": ["a", "b", "c", "d"]}], 413, 1, "3"),
        ("a field that is too long", [{**good, "data": "x" * 2001}], 413, 0, "2000"),
        ("an id that is too long", {**good, "id": "x" * 4097}, 413, None),
        ("1001 updates", [good] * 1001, 413, None, "1000"),
        ("1001 of which the last is bad", [good] * 1000 + [{}], 413, None, "1000"),
    ], run)
    assert stored(httpd) == 0
    assert len(post_ok(httpd, [good] * 1000)) == 1000


@event_only
def test_each_update_of_a_batch_needs_a_grant(httpd):
    start(httpd)
    bearer = token.publisher(["https://example.com/a", "https://example.com/b"])
    updates = [{"topic": "https://example.com/a"}, {"topic": ["https://example.com/b", "https://example.com/a"]}]
    assert post(httpd, updates, bearer=bearer).status == 200
    response = post(httpd, [*updates, {"topic": ["https://example.com/a", "https://example.com/c"]}, {}], bearer=bearer)
    assert response.status == 403 and index_of(response) == 2
    assert "insufficient_scope" in response.header("WWW-Authenticate")
    assert post(httpd, {"topic": "https://example.com/c"}, bearer=bearer).status == 403
    assert stored(httpd) == 2
    no_token = httpd.request("POST", PATH, {"Content-Type": JSON}, json.dumps(updates))
    assert no_token.status == 401 and index_of(no_token) is None


@event_only
def test_body_has_the_limit_of_a_form(httpd):
    start(httpd, "MercureLimit body=1000")
    shell = len(json.dumps({"topic": "a", "data": ""}))
    assert post(httpd, {"topic": "a", "data": "x" * (1000 - shell)}).status == 200
    response = post(httpd, {"topic": "a", "data": "x" * (1001 - shell)})
    assert response.status == 413 and "1000" in problem(response)


@event_only
def test_content_type_decides_on_the_form_of_the_body(httpd):
    start(httpd)
    body = json.dumps({"topic": TOPIC})

    def run(content_type, status):
        assert post(httpd, body, content_type).status == status

    table([(JSON, 200), ("application/json; charset=utf-8", 200), ("Application/JSON", 200), ("application/json ", 200),
           ("application/jsonp", 415), ("application/ld+json", 415), ("text/json", 415), ("", 415)], run)
    # A form whose content is JSON is a form without a topic, and a form sent as JSON is not JSON.
    assert post(httpd, body, "application/x-www-form-urlencoded").status == 400
    encoded = httpd.request("POST", PATH, {"Authorization": f"Bearer {token.publisher()}", "Content-Type": JSON,
                                           "Content-Encoding": "gzip"}, gzip.compress(body.encode()))
    assert encoded.status == 415
    query = httpd.request("QUERY", PATH, {"Content-Type": JSON}, '{"match": "a"}')
    assert query.status == 415


@event_only
def test_scripts_of_other_origins_may_send_json(httpd):
    start(httpd, "MercureCorsOrigins https://app.example")
    preflight = httpd.request("OPTIONS", PATH, {
        "Origin": "https://app.example", "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, content-type"})
    assert preflight.status == 204
    assert "Content-Type" in preflight.header("Access-Control-Allow-Headers")


@event_only
def test_batch_that_the_memory_cannot_take_at_once_is_refused(httpd):
    """In this small hub, each update fits, but together they would be more than half of its ring."""
    start(httpd, "MercureLimit body=4K", "MercureHistory bytes=16K count=10")
    small = [{"topic": "a"}] * 120
    response = post(httpd, small)
    assert response.status == 413 and "smaller batches" in problem(response)
    assert stored(httpd) == 0
    assert post(httpd, small[:20]).status == 200
    assert stored(httpd) == 20


@event_only
def test_log_has_the_first_id_and_the_index(httpd):
    httpd.start(hub() + 'CustomLog logs/ids.log "%>s %{mercure-id}n %{mercure-index}n"\n')
    post(httpd, [{"topic": "a", "id": "one"}, {"topic": "a", "id": "two"}])
    post(httpd, [{"topic": "a", "id": "one"}, {"topic": None}])
    wait_until(lambda: sorted(httpd.lines("logs/ids.log")) == ["200 one -", "400 - 1"], what="the lines of the log")


# ---- all or none, and nothing in between ---------------------------------------------------------


class Batches:
    """Publishers that send batches and single updates until they are stopped."""

    def __init__(self, httpd, size):
        self.httpd, self.size, self.over = httpd, size, threading.Event()
        self.acknowledged = set()
        self.threads = [threading.Thread(target=self.run, args=(n,)) for n in range(4)]
        for thread in self.threads:
            thread.start()

    def run(self, publisher):
        for number in itertools.count():
            if self.over.is_set():
                return
            name = f"{publisher}.{number}"
            size = 1 if publisher == 0 else self.size
            updates = [{"topic": TOPIC, "id": f"{name}/{i}", "data": "x" * 50} for i in range(size)]
            try:
                if post(self.httpd, updates).status == 200:
                    self.acknowledged.add(name)
            except (OSError, ProtocolError):
                pass  # the child has been killed

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join()


def check_whole(ids, size):
    """Checks that every batch in IDS is complete, with nothing between its updates; returns their names."""
    names = []
    for name, group in itertools.groupby(ids, lambda one: one.split("/")[0]):
        numbers = [one.split("/")[1] for one in group]
        wanted = 1 if name.startswith("0.") else size
        assert numbers == [str(i) for i in range(wanted)], (name, numbers)
        names.append(name)
    assert len(names) == len(set(names)), "a batch is there twice"
    return set(names)


def read_to(stream, end):
    ids = []
    while not ids or ids[-1] != end:
        ids.append(stream.next().id)
    return ids[:-1]


@pytest.mark.parametrize("store", STORES)
def test_batches_of_many_publishers_do_not_mix(httpd, store):
    start(httpd, "MercureHistory bytes=64M count=0", store=store)
    with httpd.subscribe([("match", TOPIC)]) as stream:
        batches = Batches(httpd, 20)
        live = [stream.next().id for _ in range(3000)]
        batches.stop()
        post_ok(httpd, [{"topic": TOPIC, "id": "end"}])
        live += read_to(stream, "end")
    assert check_whole(live, 20) == batches.acknowledged
    with httpd.subscribe([("match", TOPIC), ("last_event_id", "earliest")]) as stream:
        assert read_to(stream, "end") == live


@pytest.mark.parametrize("store", STORES)
def test_child_that_is_killed_leaves_whole_batches(httpd, store):
    start(httpd, "MercureHistory bytes=64M count=0", store=store)
    batches = Batches(httpd, 100)
    for _ in range(6):
        before = len(batches.acknowledged)
        wait_until(lambda: len(batches.acknowledged) > before + 5, what="more batches")
        httpd.kill_child()
        wait_until(httpd.children, what="new children")
    batches.stop()
    wait_until(lambda: post(httpd, [{"topic": TOPIC, "id": "end"}]).status == 200, what="the last update")
    with httpd.subscribe([("match", TOPIC), ("last_event_id", "earliest")]) as stream:
        assert check_whole(read_to(stream, "end"), 100) >= batches.acknowledged
