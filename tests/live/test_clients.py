"""Real clients: browsers, npm packages and curl. tests/node/clients.mjs drives the first two."""
import json
import os
import shutil
import subprocess
import urllib.parse

import pytest

from env import token
from env.hub import PATH, hub
from env.token import ISSUER, SUBSCRIBER_KEY

pytestmark = pytest.mark.mpm("event")

NODE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../node")
DEADLINE = 60
TOPIC = "https://example.com/books/1"


def node(script, argument):
    program = os.path.join(NODE, "node_modules/.bin/node")
    if not os.path.exists(program):
        pytest.skip("run npm ci in tests/node to install Node and the clients")
    done = subprocess.run([program, os.path.join(NODE, script), json.dumps(argument)], capture_output=True,
                          text=True, timeout=4 * DEADLINE, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.mark.skipif(not shutil.which("chromium"), reason="Debian's chromium is not installed")
def test_browsers_and_npm_clients_get_every_update_once_and_in_order(httpd):
    listed, other = httpd.add_port(), httpd.add_port()
    url = f"http://localhost:{httpd.port}{PATH}"
    minted = token.mint(SUBSCRIBER_KEY, details=[token.detail(["publish", "subscribe"], ["*"])], aud=url)
    httpd.write("htdocs/index.html", "<!doctype html><link rel=icon href='data:,'><title>page</title>\n")
    httpd.load("headers")
    httpd.start(f"""
        Header set Set-Cookie "__Secure-mercure_access_token={minted}; Path={PATH}; Secure; HttpOnly; SameSite=Strict"
        DirectoryIndex index.html
    """ + httpd.vhost(hub(f"MercureKey {ISSUER} HS256 {SUBSCRIBER_KEY}", f"MercureCorsOrigins http://localhost:{listed}",
                          "MercureConnectionLifetime 2", keys=False, anonymous=False, identifier=None))
        + httpd.vhost(port=listed) + httpd.vhost(port=other))
    found = node("clients.mjs", {
        "hub": url, "own": f"http://localhost:{httpd.port}/", "listed": f"http://localhost:{listed}/",
        "other": f"http://localhost:{other}/", "token": minted, "deadline": DEADLINE})
    clients = found["clients"]
    # A page of an origin that is not listed receives nothing, although the browser sends the cookie.
    foreign = clients.pop("Chromium EventSource, foreign origin")
    assert foreign["events"] == [] and foreign["opens"] == 0 and foreign["errors"] > 0
    assert len(clients) == 5
    for name, client in clients.items():
        assert client["events"] == found["sent"], name
        assert client["opens"] > 1, name
    # Scripts of a listed origin can read from which event the hub resumes.
    connections = clients["Chromium fetch, other origin"]["cursors"]
    assert connections[0] == [None, "earliest"] and len(connections) > 1
    assert all((asked or "earliest") == answered for asked, answered in connections)

    tries = found["tries"]
    assert all(page["cookie"] == "" for page in tries.values())
    assert {name: page["publish"] for name, page in tries.items()} == {
        "own": 200, "listed": 403, "other": "blocked"}
    assert [page["publishBlindly"] for page in tries.values()] == [200, 0, 0]
    assert {name: page["publishWithField"] for name, page in tries.items()} == {
        "own": 200, "listed": 200, "other": "blocked"}
    where = f'Bearer resource_metadata="http://localhost:{httpd.port}/.well-known/oauth-protected-resource{PATH}"'
    assert {name: page["challenge"] for name, page in tries.items()} == {
        "own": where, "listed": where, "other": "blocked"}
    assert {name: page["metadata"] for name, page in tries.items()} == {
        "own": url, "listed": url, "other": "blocked"}
    # Whatever the browser reported, the history has no publication with the cookie from another origin.
    with httpd.subscribe([("match", "https://example.com/tries"), ("last_event_id", "earliest")], token=minted) as stream:
        end = httpd.publish("https://example.com/tries", "end", token=minted).text
        got = []
        while not got or got[-1].id != end:
            got.append(stream.next())
    origins = [event.data for event in got[:-1]]
    assert origins == [f"http://localhost:{httpd.port}"] * 3 + [f"http://localhost:{listed}"]


def test_curl_publishes_and_subscribes(httpd):
    httpd.start(hub())
    url = f"http://127.0.0.1:{httpd.port}{PATH}"

    def curl(*args):
        return subprocess.run(["curl", "-sS", "-m", str(DEADLINE), *args], check=True, capture_output=True,
                              text=True).stdout

    bearer = f"Authorization: Bearer {token.publisher()}"
    ids = [curl("-H", bearer, "-d", f"topic={TOPIC}", "--data-urlencode", f"data=line {i}\nmore", url) for i in range(3)]
    query = urllib.parse.urlencode([("match", TOPIC), ("last_event_id", ids[0])])
    for args in (["-N", f"{url}?{query}"], ["-N", "-X", "QUERY", "-d", query, url],
                 ["-N", "--http1.0", f"{url}?{query}"]):
        with subprocess.Popen(["curl", "-sS", "-m", str(DEADLINE), *args], stdout=subprocess.PIPE, text=True) as process:
            lines = []
            while lines.count("data: more\n") < 2:
                lines.append(process.stdout.readline())
                assert lines[-1], lines
            process.terminate()
        text = "".join(lines)
        assert f"id: {ids[1]}\ndata: line 1\ndata: more\n" in text and f"id: {ids[2]}\n" in text and ids[0] not in text
    head = curl("-I", f"{url}?{query}")
    assert "200 OK" in head and f"Mercure-Last-Event-ID: {ids[0]}" in head
    assert json.loads(curl("-d", f"topic={TOPIC}", url))["status"] == 401
