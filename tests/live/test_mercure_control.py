"""mercure-control: its calls, its messages, and what it keeps to itself."""
import json
import os
import re
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from env import token
from env.hub import PATH
from env.operator import ISSUER, KEY, bearer, controlled
from env.wait import DEADLINE
from test_control import TOPIC, UUID, assert_live, subscribe, wait_ended
from test_mercure_token import program as token_program

event_only = pytest.mark.mpm("event")


def program():
    return os.path.join(os.path.dirname(token_program()), "mercure-control")


def run(*arguments, stdin="", **env):
    return subprocess.run([program(), *arguments], input=stdin, capture_output=True, text=True, timeout=60,
                          env={"PATH": "/usr/bin:/bin", **env})


def who(httpd, key=KEY):
    return ["--hub", f"http://127.0.0.1:{httpd.port}{PATH}", "--aud", token.AUDIENCE, "--key", key, "--iss", ISSUER]


def ok(httpd, *arguments, **more):
    done = run(*who(httpd), *arguments, **more)
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


@event_only
def test_calls(httpd):
    httpd.start(controlled())
    alice, bob = subscribe(httpd, sub="alice"), subscribe(httpd, sub="bob & co+=%")
    assert re.fullmatch(UUID, json.loads(ok(httpd, "disconnect", "--sub", "alice"))["id"])
    wait_ended(alice)
    assert_live(httpd, bob)
    number = json.loads(ok(httpd, "revoke", "--sub", "bob & co+=%", "--issued-before", "4000000000"))["id"]
    bob.wait_end()
    entries = json.loads(ok(httpd, "revocations"))["revocations"]
    assert [(entry["id"], entry["sub"], entry["issued_before"]) for entry in entries] == [
        (number, "bob & co+=%", 4000000000)]
    assert ok(httpd, "lift", number) == ""
    carol = [subscribe(httpd, sub="carol & +=%") for _ in range(2)]
    first = json.loads(ok(httpd, "streams", "--sub", "carol & +=%", "--match", TOPIC, "--match_type", "exact", "--limit", "1"))
    rest = json.loads(ok(httpd, "streams", "--sub", "carol & +=%", "--after", first["after"]))
    assert [one["sub"] for one in first["streams"] + rest["streams"]] == ["carol & +=%"] * 2 and "after" not in rest
    assert json.loads(ok(httpd, "stats"))["subscribers"] == 2
    for stream in carol:
        stream.close()
    everybody = httpd.subscribe([("match", TOPIC)])
    ok(httpd, "--as", "jane", "disconnect", "--all")
    wait_ended(everybody)
    assert re.search(r'the operator "jane" of ".*" called POST disconnect all="1": 202', httpd.log())


@event_only
def test_keys_and_tokens(httpd):
    httpd.start(controlled())
    for name, content, option, stdin in (("key", KEY + "\n", "--key", ""), ("token", bearer(), "--token", "")):
        path = httpd.write(f"conf/{name}", content)
        done = run(*(who(httpd) if option == "--key" else who(httpd)[:4]), option, f"@{path}", "revocations")
        assert (done.returncode, done.stderr) == (0, "")
    done = run(*who(httpd, "@-"), "revocations", stdin=KEY)
    assert done.returncode == 0
    for wrong in (["--key", KEY[::-1], "--iss", ISSUER], ["--token", "nonsense"], ["--token", token.subscriber()]):
        done = run(*who(httpd)[:4], *wrong, "revocations")
        assert done.returncode == 1 and done.stdout == ""
        assert done.stderr.startswith("mercure-control: the hub answered 401: ") and KEY not in done.stderr


@event_only
def test_refusals(httpd):
    httpd.start(controlled())
    done = run(*who(httpd), "disconnect")
    assert done.returncode == 1 and "the hub answered 400: say which streams" in done.stderr
    done = run(*who(httpd), "lift", "../x y")
    assert done.returncode == 1 and "404" in done.stderr
    httpd.stop()
    done = run(*who(httpd), "revocations")
    assert done.returncode == 3 and done.stderr.startswith("mercure-control: the hub did not answer: ")


@pytest.mark.parametrize("arguments, words", [
    ([], "the command is missing"), (["nonsense"], "nonsense is not a command"), (["disconnect"], "--hub is missing"),
    (["--hub", "http://x", "revocations"], "give --key and --iss"),
    (["--hub", "http://x", "--key", KEY, "revocations"], "give --key and --iss"),
    (["--hub", "http://x", "--token", "t", "lift"], "lift needs an ID"),
    (["--hub", "http://x", "--token", "t", "disconnect", "--subject", "x"], "disconnect does not take --subject"),
    (["--hub", "http://x", "--token", "t", "disconnect", "--sub"], "--sub needs a value"),
    (["--hub", "http://x", "--token", "t", "disconnect", "x"], "disconnect does not take x"),
    (["--hub", "http://x", "--token", "t", "disconnect"] + ["--sub", "x"] * 17, "more than 16 fields"),
    (["--hub", "http://x", "--key", "@/nonexistent", "--iss", "i", "revocations"], "/nonexistent: No such file"),
    (["--hub", "http://x", "--key", KEY, "--iss", "i", "--alg", "HS1", "revocations"], "HS1 is not an algorithm"),
    (["--hub", "http://x", "--key", KEY, "--iss", "i", "--alg", "ES256", "revocations"], "no token can be made"),
])
def test_bad_usage(arguments, words):
    done = run(*arguments)
    assert done.returncode == 2 and done.stdout == "" and words in done.stderr and KEY not in done.stderr


def test_help():
    done = run("--help")
    assert done.returncode == 0 and done.stdout.startswith("Usage: mercure-control ")


CONTROLS = "\x1b[31m\x7f\x80\x9b31m\x9f"
ORDERS = "\u061c\u200e\u200f\u202a\u202e\u2066\u2069\ufeff\U000e0041"  # reorder others, or are invisible
ESCAPED = r"\u061c\u200e\u200f\u202a\u202e\u2066\u2069\ufeff\udb40\udc41"


@event_only
def test_what_clients_have_chosen_does_not_affect_the_terminal(httpd):
    httpd.start(controlled())
    with subscribe(httpd, sub=f"é{CONTROLS}\xa0{ORDERS}"):
        printed = ok(httpd, "streams")
        assert r"\u0080\u009b31m\u009f" in printed and ESCAPED in printed and not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", printed)
        assert [stream["sub"] for stream in json.loads(printed)["streams"]] == [f"é{CONTROLS}\xa0{ORDERS}"]


def test_the_reason_of_a_refusal_does_not_affect_the_terminal():
    class Hub(BaseHTTPRequestHandler):
        def do_GET(self):
            body = json.dumps({"detail": f"no{CONTROLS}{ORDERS}"}).encode()
            self.send_response(400)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Hub) as hub:
        hub.timeout = DEADLINE
        thread = threading.Thread(target=hub.handle_request)
        thread.start()
        done = run("--hub", f"http://127.0.0.1:{hub.server_port}/", "--token", "t", "stats")
        thread.join()
    assert done.returncode == 1
    assert done.stderr == r"mercure-control: the hub answered 400: no\u001b[31m\u007f\u0080\u009b31m\u009f" + ESCAPED + "\n"
