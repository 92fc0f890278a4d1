"""docs/migrating.md: every configuration of the page runs and does what the page says."""
import os
import re
import urllib.parse

import pytest

from env import http, sse, token
from env.hub import PATH
from env.httpd import find_module, free_port, live_dir, release_port
from env.launcher import page_script, running, wait_ready
from env.token import PUBLISHER_KEY, SUBSCRIBER_KEY
from test_launcher import LAUNCHER, folder  # noqa: F401 (a fixture)
from test_legacy import FORM, bearer, old

pytestmark = pytest.mark.mpm("event")

PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/migrating.md")
APP = "https://app.example.com"
TOPIC = "https://example.com/books/1"
SHORT_SECRET = "!ChangeThisMercureHubJWTSecretKey!"  # the secret of the page, and of many hubs
OLD_PUBLISHER_KEY = "old-publisher-key-of-the-live-tests:0123456789abcdef"
OLD_SUBSCRIBER_KEY = "old-subscriber-key-of-the-live-tests:0123456789abcdef"


def blocks(language):
    with open(PAGE, encoding="utf-8") as page:
        return re.findall(rf"^```{language}\n(.*?)^```$", page.read(), re.S | re.M)


def test_every_block_of_the_page_is_tested():
    with open(PAGE, encoding="utf-8") as page:
        fences = re.findall(r"^```(.+)$", page.read(), re.M)
    assert sorted(fences) == ["apache"] * 4 + ["diff"] + ["sh"] * 3


def publish(port, minted):
    answer = http.request(port, "POST", PATH, [("Content-Type", FORM), *bearer(minted)],
                          urllib.parse.urlencode([("topic", TOPIC), ("data", "hello"), ("private", "on")]))
    return answer.status


def old_client_is_served(port, publisher, subscriber):
    """Whether an unchanged client of 0.x can publish a private update and receive it."""
    minted = old(subscribe=["https://example.com/books/{id}"], key=subscriber)
    query = urllib.parse.urlencode([("topic", "https://example.com/books/{id}"), ("authorization", minted)])
    with sse.EventSource(port, f"{PATH}?{query}") as stream:
        if stream.status != 200:
            return False
        assert publish(port, old(publish=["*"], key=publisher)) == 200
        return stream.next().data == "hello"


def new_client_is_served(port, publisher, subscriber, audience):
    minted = token.mint(subscriber, subscribe=[TOPIC], iss=APP, aud=audience)
    with sse.EventSource(port, f"{PATH}?" + urllib.parse.urlencode([("match", TOPIC)]), bearer(minted)) as stream:
        if stream.status != 200:
            return False
        assert publish(port, token.mint(publisher, publish=["*"], iss=APP, aud=audience)) == 200
        return stream.next().data == "hello"


def test_configurations_of_the_page_serve_the_clients_they_name(httpd):
    apache, (proxied,) = blocks("apache"), blocks("diff")
    backend, ports = httpd.add_port(), [httpd.add_port() for _ in range(5)]
    httpd.env |= {"MERCURE_PUBLISHER_JWT_KEY": OLD_PUBLISHER_KEY, "MERCURE_SUBSCRIBER_JWT_KEY": OLD_SUBSCRIBER_KEY,
                  "MERCURE_APP_PUBLISHER_KEY": PUBLISHER_KEY, "MERCURE_APP_SUBSCRIBER_KEY": SUBSCRIBER_KEY}
    httpd.load("proxy", "proxy_http")
    sides = {sign: "".join(line[1:] + "\n" for line in proxied.splitlines() if line[0] in sign + " ")
             .replace(":8000/", f":{backend}/") for sign in "-+"}
    result = httpd.configtest(sides["-"])
    assert result.ok, result
    texts = [*apache, sides["+"]]
    httpd.write("htdocs/backend.txt", "the backend")
    httpd.start(httpd.vhost(port=backend) + "".join(
        httpd.vhost(text, port=port, name=f"site-{port}.example", aliases=["localhost"])
        for text, port in zip(texts, ports)))
    for text, port in zip(texts, ports):
        legacy, modern = "MercureLegacyPublisherKey" in text, "MercurePublisherKey" in text
        assert legacy or modern
        assert old_client_is_served(port, OLD_PUBLISHER_KEY, OLD_SUBSCRIBER_KEY) == legacy, text
        audience = f"http://localhost:{port}{PATH}"
        assert new_client_is_served(port, PUBLISHER_KEY, SUBSCRIBER_KEY, audience) == modern, text
        # A token that names an issuer counts as one of version 1, even if an old key has signed it.
        status = publish(port, old(publish=["*"], iss=APP, key=OLD_PUBLISHER_KEY))
        assert status == (200 if legacy and not modern else 401), text
    many = urllib.parse.urlencode([("topic", str(i)) for i in range(600)])
    with sse.EventSource(ports[1], f"{PATH}?{many}") as stream:
        assert stream.status == 200
    assert http.request(ports[4], "GET", "/backend.txt").text == "the backend"


def test_command_line_of_the_page_serves(folder):  # noqa: F811
    """A shell function takes the place of docker, and runs the launcher with the variables and arguments of the page."""
    port, log = free_port(), folder / "log"
    script = """docker() {
        shift
        while [ "$1" != mod_mercure ]; do
            if [ "$1" = -e ]; then export "$2"; fi
            shift
        done
        shift
        exec "$LAUNCHER" "$@"
    }
    """ + blocks("sh")[0]
    env = {"PATH": os.environ["PATH"], "TMPDIR": str(folder), "MERCURE_DATA_DIR": str(folder), "LAUNCHER": LAUNCHER,
           "MERCURE_MODULE": find_module(), "MERCURE_LISTEN_ADDR": f"127.0.0.1:{port}"}
    with running(["/bin/sh", "-c", script], env, log) as launcher:
        wait_ready(launcher, log)
        assert old_client_is_served(port, SHORT_SECRET, SHORT_SECRET)
        with sse.EventSource(port, f"{PATH}?topic=a", [("Origin", "https://any.example")]) as stream:
            assert stream.status == 200 and stream.response.header("Access-Control-Allow-Origin") == "*"
        assert http.request(port, "GET", "/healthz").status == 200
        launcher.terminate()
        assert launcher.wait(timeout=60) == 0, log.read_text()
        assert re.search("^mercure-hub: caddy run: ", log.read_text(), re.M), log.read_text()
        assert f"the history is in files below {folder} " in log.read_text(), log.read_text()
    release_port(port)


@pytest.mark.parametrize("index", (1, 2))
def test_environments_of_the_page_serve_the_clients_they_name(folder, index):  # noqa: F811
    block, port = blocks("sh")[index], free_port()
    assert "MERCURE_LISTEN_ADDR=:8080\n" in block
    script = page_script(block).replace("=:8080", f"=127.0.0.1:{port}")
    env = {"PATH": os.environ["PATH"], "TMPDIR": str(folder), "MERCURE_DATA_DIR": str(folder),
           "MERCURE_MODULE": find_module()}
    log = folder / "log"
    with running(["/bin/sh", "-c", script, LAUNCHER], env, log) as launcher:
        wait_ready(launcher, log)
        assert old_client_is_served(port, SHORT_SECRET, SHORT_SECRET)
        modern = "MERCURE_TRUSTED_ISSUERS" in block
        audience = f"http://localhost:{port}{PATH}"
        minted = token.mint(SHORT_SECRET, publish=["*"], iss=APP, aud=audience)
        assert publish(port, minted) == (200 if modern else 401)
        launcher.terminate()
        assert launcher.wait(timeout=60) == 0, log.read_text()
        # The launcher's output is complete now.
        assert ("MERCURE_TRUSTED_ISSUERS is not set" in log.read_text()) == (not modern)
    release_port(port)
