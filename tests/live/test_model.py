"""
The hub against a model of it. Publishers work through several children; subscribers listen to different topics, hang up
at any moment and come back with their last id. Each subscriber must have received what the model says: everything that
it listens to and may read, once, in the order of the hub.
"""
import random
import select
import threading
import time

import pytest

from env import token
from env.hub import hub
from env.wait import DEADLINE

BASE = "https://example.com"
TOPICS = [f"{BASE}/{kind}/{number}" for kind in ("books", "films") for number in range(8)]


class Matcher:
    """A topic matcher with the model's own implementation of matching."""

    def __init__(self, rng):
        self.kind, self.value = rng.choice(
            [("exact", rng.choice(TOPICS))] * 4
            + [("urlpattern", f"{BASE}/books/:id"), ("urlpattern", f"{BASE}/:kind/{rng.randrange(8)}"),
               ("urlpattern", f"{BASE}/films/([0-3])"), ("exact", "*")])

    def matches(self, topic):
        kind, number = topic.rsplit("/", 2)[1:]
        if self.value == "*" or self.value == topic:
            return True
        if self.kind == "exact":
            return False
        if self.value.endswith("/:id"):
            return kind == "books"
        if "([0-3])" in self.value:
            return kind == "films" and number in "0123"
        return number == self.value[-1]

    def parameter(self):
        return ("match" if self.kind == "exact" else "match_urlpattern", self.value)

    def entry(self):
        return {"match": self.value, "match_type": self.kind}


class Subscriber:
    def __init__(self, httpd, rng):
        self.httpd, self.rng = httpd, rng
        self.matchers = [Matcher(rng) for _ in range(rng.randrange(1, 5))]
        self.grants = [Matcher(rng) for _ in range(rng.randrange(0, 3))]
        self.token = None
        if self.grants:
            details = [{"type": "https://mercure.rocks/authorization-detail", "actions": ["subscribe"],
                        "topics": [grant.entry() for grant in self.grants]}]
            self.token = token.mint(token.SUBSCRIBER_KEY, details=details)
        self.seen = []
        self.connections = 0
        self.connect()

    def connect(self):
        headers = [("Last-Event-ID", self.seen[-1])] if self.seen else []
        # Before the first event there is no last id, so the subscriber asks for the whole history.
        query = [matcher.parameter() for matcher in self.matchers]
        if self.connections and not self.seen:
            query.append(("last_event_id", "earliest"))
        self.stream = self.httpd.subscribe(query, headers, self.token)
        self.stream.pump(0)
        self.collect()  # events that came together with the head
        self.connections += 1

    def collect(self):
        events = self.stream.parser.events
        while events:
            self.seen.append(events.popleft().id)

    def hang_up(self):
        self.collect()
        self.stream.close()
        self.connect()

    def expects(self, update):
        topics, private = update
        return any(m.matches(t) for m in self.matchers for t in topics) and (
            not private or any(g.matches(t) for g in self.grants for t in topics))


def read(readers, seconds):
    """Reads the events that have come or come within SECONDS."""
    streams = {reader.stream: reader for reader in readers}
    for stream in select.select(list(streams), [], [], seconds)[0]:
        stream.pump(1.0)
        streams[stream].collect()
        if stream.ended:
            streams[stream].hang_up()


def publish(httpd, rng, count, pause, sent, failures):
    try:
        for number in range(count):
            topics = rng.sample(TOPICS, rng.choice([1, 1, 1, 2, 3]))
            private = rng.random() < 0.4
            fields = [("private", "on")] if private else []
            time.sleep(rng.random() * pause)
            answer = httpd.publish(topics, f"{number}\n{'x' * rng.randrange(300)}", fields=fields)
            sent[answer.text] = (topics, private)
    except Exception as error:  # noqa: B902 - the test reports it from another thread
        failures.append(error)


def order_of(httpd, count):
    """All COUNT ids in the hub's order."""
    everything = token.subscriber(["*"])
    ids = []
    # Subscribers that have just hung up may still hold all threads. Then a new stream ends at once, and the
    # reader comes back, as an EventSource does.
    end = time.monotonic() + 3 * DEADLINE
    while len(ids) < count and time.monotonic() < end:
        with httpd.subscribe([("match", "*"), ("last_event_id", ids[-1] if ids else "earliest")],
                             token=everything) as stream:
            while not stream.ended and len(ids) < count and stream.pump(1.0):
                ids += [event.id for event in stream.parser.events]
                stream.parser.events.clear()
    return ids


def run(httpd, seed, publishers, subscribers, each, pause=0.04):
    rng = random.Random(seed)
    readers = [Subscriber(httpd, rng) for _ in range(subscribers)]
    sent, failures = {}, []
    threads = [threading.Thread(target=publish, args=(httpd, random.Random(seed + i + 1), each, pause,
                                                       sent, failures))
               for i in range(publishers)]
    for thread in threads:
        thread.start()
    connections = sum(reader.connections for reader in readers)
    # However long that takes, some subscribers hang up while publications go on, and some after that.
    while any(thread.is_alive() for thread in threads) or \
            sum(reader.connections for reader in readers) <= connections + 10:
        read(readers, 0.01)
        for reader in rng.sample(readers, 2):
            reader.hang_up()
    assert not failures, failures
    order = order_of(httpd, publishers * each)
    assert sorted(order) == sorted(sent), "the history differs from the acknowledged updates"
    end = time.monotonic() + 3 * DEADLINE
    wanted = {reader: [i for i in order if reader.expects(sent[i])] for reader in readers}
    while time.monotonic() < end:
        read(readers, 0.05)
        if all(len(reader.seen) >= len(wanted[reader]) for reader in readers):
            break
    # Another moment, for events that should not come.
    read(readers, 0.2)
    for number, reader in enumerate(readers):
        reader.collect()
        reader.stream.close()
        assert reader.seen == wanted[reader], f"seed {seed}, subscriber {number}"


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.mpm("event")
def test_every_subscriber_sees_what_the_model_says(httpd, seed):
    httpd.start(hub())
    run(httpd, seed, publishers=8, subscribers=50, each=60)


@pytest.mark.mpm("worker")
def test_every_subscriber_sees_what_the_model_says_with_threads(httpd):
    httpd.start(hub())
    run(httpd, 3, publishers=4, subscribers=6, each=60)


@pytest.mark.soak
@pytest.mark.mpm("event")
def test_every_subscriber_sees_what_the_model_says_for_long(httpd):
    httpd.start(hub("MercureHistory count=0 bytes=64M") + "MercureDispatchers 3\n")
    run(httpd, random.randrange(1 << 30), publishers=8, subscribers=200, each=2000)
