"""Several machines as one hub: fixtures for private httpds that share a private Redis server."""
import pytest

from .hub import hub
from .redis import Redis
from .wait import wait_until

PAGES = ("<Location /metrics>\nSetHandler mercure-metrics\n</Location>\n"
         "<Location /health>\nSetHandler mercure-health\n</Location>\n")


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
