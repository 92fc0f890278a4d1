"""Several machines as one hub: private httpds that share a private Redis server."""
import os
import shutil
import threading
import time

import pytest

from env import token
from env.hub import PATH, hub
from env.redis import PROGRAM, Redis, RedisError
from env.wait import wait_until

pytestmark = [pytest.mark.mpm("event")]

PAGES = ("<Location /metrics>\nSetHandler mercure-metrics\n</Location>\n"
         "<Location /health>\nSetHandler mercure-health\n</Location>\n")

TOPIC = "https://example.com/t"


@pytest.fixture
def new_redis():
    made = []

    def make(**options):
        server = Redis(**options)
        made.append(server)
        return server

    yield make
    for server in made:
        server.close()


@pytest.fixture
def redis(new_redis):
    return new_redis()


@pytest.fixture
def cluster(new_httpd, redis):
    """cluster(2) makes two machines of one hub."""

    def make(count, *directives, options="", url=None, **more):
        machines = []
        for _ in range(count):
            server = new_httpd()
            server.start(PAGES + hub(f"MercureTransport {url or redis.url} {options}", *directives, name="shared", **more))
            machines.append(server)
        for server in machines:
            wait_up(server)
        return machines

    return make


def wait_up(server):
    wait_until(lambda: server.get("/metrics").text.count('mercure_transport_up{hub="shared"} 1'),
               what="a connection with Redis")


def read(stream, count):
    return [event.data for event in stream.take(count)]


def test_update_reaches_the_subscribers_of_all_machines(cluster):
    a, b = cluster(2)
    streams = [server.subscribe([("match", TOPIC)]) for server in (a, b)]
    a.publish(TOPIC, "from a")
    b.publish(TOPIC, "from b")
    for stream in streams:
        assert read(stream, 2) == ["from a", "from b"]
        stream.close()
