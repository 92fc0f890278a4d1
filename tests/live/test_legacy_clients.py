"""The clients of protocol 0.x that people use: Symfony's component in PHP, browsers, and a polyfill from npm."""
import json
import os
import shutil
import subprocess
import urllib.parse

import pytest

from env import token
from env.hub import PATH, hub
from env.wait import wait_until
from test_clients import DEADLINE, node
from test_legacy import OLD_KEY, both_dialects, old

pytestmark = pytest.mark.mpm("event")

PUBLISH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../php/publish.php")
SYMFONY = "/usr/share/php/Symfony/Component/Mercure/autoload.php"
TOPIC = "https://example.com/books/1"


def php(**ask):
    return subprocess.run(["php", PUBLISH, json.dumps(ask)], capture_output=True, text=True, check=False,
                          timeout=2 * DEADLINE)


@pytest.mark.skipif(not (shutil.which("php") and os.path.exists(SYMFONY)),
                    reason="Debian's php-cli and php-symfony-mercure are not installed")
def test_symfony(httpd):
    httpd.start(both_dialects("MercureAnonymous Off"))
    url = f"http://127.0.0.1:{httpd.port}{PATH}"
    updates = [
        {"topics": [TOPIC], "data": json.dumps({"title": "ä & ö", "lines": "1\n2"})},
        {"topics": [TOPIC, "https://example.com/users/1"], "data": "private + more", "private": True},
        {"topics": ["https://example.com/books/2"], "data": "typed", "id": "urn:x:1", "type": "book", "retry": 5000},
        {"topics": [TOPIC], "data": "line 1\nline 2"},
    ]
    done = php(url=url, token=old(publish=["*"], subscribe=["https://example.com/{kind}/{id}"]), updates=updates)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    name, value, path = told["cookie"]
    assert (name, path) == ("mercureAuthorization", PATH)
    # What the component's function mercure() makes of a topic and a last event id.
    query = urllib.parse.urlencode([("topic", "https://example.com/books/{id}"), ("Last-Event-ID", "earliest")])
    with httpd.subscribe(query, headers=[("Cookie", f"{name}={value}")]) as stream:
        events = stream.take(4)
        assert [event.id for event in events] == told["ids"] and told["ids"][2] == "urn:x:1"
        assert [event.data for event in events] == [update["data"] for update in updates]
        assert [event.event for event in events] == ["message", "message", "book", "message"]
        assert stream.parser.retry == 5000
    refused = php(url=url, token=old(publish=["https://example.com/other"]), updates=updates)
    assert refused.returncode != 0 and "Failed to send an update" in refused.stdout + refused.stderr


@pytest.mark.skipif(not shutil.which("chromium"), reason="Debian's chromium is not installed")
def test_browser_and_polyfill(httpd):
    listed = httpd.add_port()
    minted = old(publish=["*"], subscribe=["https://example.com/books/{id}"])
    httpd.write("htdocs/index.html", "<!doctype html><link rel=icon href='data:,'><title>page</title>\n")
    httpd.load("headers")
    httpd.start(
        "DirectoryIndex index.html\n" +
        httpd.vhost(hub(f"MercureLegacyKey HS256 {OLD_KEY}", f"MercureCorsOrigins http://localhost:{listed}",
                        "MercureConnectionLifetime 2", keys=False, anonymous=False),
                    f'Header set Set-Cookie "mercureAuthorization={minted}; Path={PATH}; HttpOnly; SameSite=Strict"') +
        httpd.vhost(port=listed))
    told = node("legacy-clients.mjs", {
        "hub": f"http://localhost:{httpd.port}{PATH}", "own": f"http://localhost:{httpd.port}/",
        "listed": f"http://localhost:{listed}/", "token": minted, "deadline": DEADLINE})
    assert set(told["clients"]) == {"EventSource", "polyfill"}
    for name, client in told["clients"].items():
        assert client["events"] == told["sent"][-len(client["events"]):], name
        assert client["opens"] > client["first"], name

    def lines():
        with open(httpd.access_log, encoding="utf-8") as log:
            return log.read().splitlines()

    wait_until(lambda: any("lastEventId=urn" in line and "topic=" in line for line in lines()),
               what="how the polyfill comes back")
