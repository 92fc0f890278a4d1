"""The debugger and the playground: what httpd serves, and the page itself in Chromium."""
import json
import os
import subprocess
import urllib.parse

import pytest

from env import token
from env.hub import PATH, hub
from env.operator import bearer, controlled

pytestmark = pytest.mark.mpm("event")

DEBUG = f"{PATH}/debug/"
NODE_FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../node")
INSECURE = "INSECURE: with MercurePlayground On"


def drive(script, *args):
    """Runs a script of tests/node; MERCURE_SCREENSHOTS names a folder for screenshots."""
    node = os.path.join(NODE_FOLDER, "node_modules/.bin/node")
    done = subprocess.run([node, os.path.join(NODE_FOLDER, script), *args, os.environ.get("MERCURE_SCREENSHOTS", "")],
                          capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr


def test_debugger_is_served_under_a_strict_policy(httpd):
    """The page and its parts are served; nothing is where the debugger is off."""
    httpd.start(hub("MercureDebugger On") + hub(path="/other") +
                hub("MercureDebugger On", path="/a b/", identifier=None) + '<Location "/closed">\n</Location>\n')
    page = httpd.get(DEBUG)
    assert page.status == 200 and page.header("Content-Type") == "text/html; charset=utf-8"
    policy = page.header("Content-Security-Policy")
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
    assert page.header("X-Content-Type-Options") == "nosniff" and page.header("Referrer-Policy") == "no-referrer"
    for word in (" style=", "<style", " onclick", "<script>", "http://", "//cdn"):
        assert word not in page.text, word
    for name, kind in (("debugger.css", "text/css"), ("debugger.js", "text/javascript"), ("token.js", "text/javascript")):
        part = httpd.get(DEBUG + name)
        assert part.status == 200 and part.header("Content-Type") == f"{kind}; charset=utf-8"
        source = os.path.join(NODE_FOLDER, "../../src/debugger", name)
        with open(source, "rb") as file:
            assert part.body == file.read(), "the module serves other bytes than the source file has"
        assert httpd.request("HEAD", DEBUG + name).body == b""
    moved = httpd.get(DEBUG[:-1])
    assert moved.status == 301 and moved.header("Location").endswith(DEBUG)
    for path in (DEBUG + "nothing.js", DEBUG + "playground.json", DEBUG + "../debug/x", DEBUG + "%2e%2e/x",
                 f"{PATH}/debugger", "/other/debug/", "/other/debug", "/playground/x"):
        assert httpd.get(path).status == 404, path
    assert f'<link rel="mercure" href="{PATH}">' in page.text
    page = httpd.get("/a%20b/debug/")
    assert page.status == 200 and '<link rel="mercure" href="/a%20b/">' in page.text
    moved = httpd.get("/a%20b/debug")
    assert moved.status == 301 and moved.header("Location").endswith("/a%20b/debug/")
    posted = httpd.request("POST", DEBUG, body="x")
    assert posted.status == 405 and "GET" in posted.header("Allow")


def test_access_control_applies_to_the_debugger(httpd):
    httpd.load("authz_host")
    httpd.start(hub("MercureDebugger On") + f'<Location "{DEBUG}">\nRequire all denied\n</Location>\n')
    httpd.expect_log("AH01630: client denied by server configuration: mercure:.*/debug/")
    assert httpd.get(DEBUG).status == 403 and httpd.get(DEBUG + "debugger.js").status == 403
    httpd.subscribe("match=x").close()


def test_debugger_works_in_chromium(httpd):
    httpd.load("headers")
    httpd.write("htdocs/page.html", "<!DOCTYPE html><title>x</title>")
    # The hub of the active subscriptions speaks both protocols, and has a path with characters that are syntax in a
    # pattern.
    path = "/hub (a+b)"
    old_key = "the-old-secret-of-the-debugger:0123456789abcdef"
    both = hub("MercureDebugger On", "MercureSubscriptions On", f"MercureLegacySubscriberKey HS256 {old_key}",
               path=path, identifier=None)
    httpd.start(f'<Files page.html>\nHeader set Link "<{PATH}>; rel=\\"mercure\\""\n</Files>\n' +
                hub("MercureDebugger On", identifier=None) + both)
    url = f"http://localhost:{httpd.port}"
    minted = token.publisher(aud=url + PATH, client_id="x", jti="x")
    reader = token.subscriber([("urlpattern", "https://example.com/:any"), "https://example.com/books/1"],
                              aud=url + PATH)
    drive("debugger.mjs", url + DEBUG, minted, reader)

    hub_url = url + urllib.parse.quote(path, safe="/()+")
    root = urllib.parse.urlsplit(hub_url).path + "/subscriptions"
    bearers = {"all": token.subscriber(aud=hub_url),
               "list": token.subscriber([root], aud=hub_url),
               "none": token.subscriber(["https://example.com/books/1"], aud=hub_url),
               "old": token.mint_raw({"alg": "HS256", "typ": "JWT"},
                                     {"mercure": {"subscribe": ["*"], "payload": "old"}}, old_key)}
    drive("presence.mjs", hub_url + "/debug/", json.dumps(bearers))


def test_live_view_in_chromium(httpd):
    httpd.start(controlled("MercureDebugger On", identifier=None) + hub("MercureDebugger On", path="/outside", identifier=None))
    url = f"http://localhost:{httpd.port}"
    drive("live.mjs", url + DEBUG, bearer(aud=url + PATH), token.publisher(aud=url + PATH),
          token.subscriber(aud=url + PATH, sub="alice"), f"{url}/outside/debug/")
    assert 'the operator "root" of ' in httpd.log() and "called POST disconnect subscriber=" in httpd.log()


def test_playground_is_open_and_its_token_ends_with_a_reload(httpd):
    """The log warns of the playground at every start, and a reload draws a new key."""
    httpd.expect_log(INSECURE)
    config = hub("MercurePlayground On", "MercureSubscriptions On", identifier=None, keys=False, anonymous=False) + hub(path="/safe")
    httpd.start(config)
    url = f"http://localhost:{httpd.port}"
    drive("playground.mjs", url + DEBUG)
    minted = httpd.get(DEBUG + "playground.json").json["token"]
    update = httpd.publish("https://example.com/a", "x", token=minted, fields=[("private", "on")])
    with httpd.subscribe("match=https://example.com/a&last_event_id=earliest", token=minted) as stream:
        assert stream.next().id == update.text
    open_answer = httpd.request("OPTIONS", PATH, [("Origin", "https://anybody.example"),
                                                  ("Access-Control-Request-Method", "POST")])
    assert open_answer.header("Access-Control-Allow-Origin") == "*"
    assert open_answer.header("Access-Control-Allow-Credentials") is None
    foreign = httpd.get(DEBUG + "playground.json", {"Origin": "https://anybody.example"})
    assert foreign.header("Access-Control-Allow-Origin") is None, "any site could read the token"
    # Its token is refused by another hub, and by this one after a reload.
    assert httpd.publish("x", token=minted, path="/safe", status=None).status == 401
    httpd.expect_log("hub .* refuses a token", required=False)
    httpd.graceful(config)
    assert httpd.publish("x", token=minted, status=None).status == 401


def test_playground_serves_a_resource_for_discovery(httpd):
    httpd.expect_log(INSECURE)
    httpd.start(hub("MercurePlayground On", path="/a hub", identifier=None))
    echo = httpd.get("/playground/books/%2F1")
    assert echo.status == 200 and echo.header("Content-Type") == "application/ld+json"
    assert '</a%20hub>; rel="mercure"' in echo.header("Link") and 'rel="self"' in echo.header("Link")
    assert echo.json["@id"].startswith(f"http://localhost:{httpd.port}/playground/books/")
    assert "sandbox" in echo.header("Content-Security-Policy")
    plain = httpd.get("/playground/x?body=%3Cscript%3E")
    assert plain.text == "<script>" and plain.header("Content-Type") == "text/plain; charset=utf-8"
    assert plain.header("X-Content-Type-Options") == "nosniff"
    assert httpd.get("/playground/x?body=%7B%22a%22:1%7D").json == {"a": 1}
    assert httpd.get("/playground").status == 404
    assert httpd.request("POST", "/playground/x", body="x").status == 405
    assert "\r" not in httpd.get("/playground/%0d%0aX:%201").header("Link")
    assert httpd.get("/playground/%0d%0aX:%201").header("X") is None
