"""The examples, served as their README says, in Chromium."""
import contextlib
import json
import os
import re
import shutil
import subprocess
import urllib.parse

import pytest

from env import token
from env.httpd import find_module
from env.hub import PATH
from test_debugger import NODE_FOLDER, drive
from test_inside import php

EXAMPLES = os.path.realpath(os.path.join(NODE_FOLDER, "../../examples"))
KEY = "key-of-the-examples:0123456789abcdef0123456789abcdef"


def minter():
    folder = os.environ.get("MERCURE_BUILD") or os.path.dirname(os.path.dirname(os.path.abspath(find_module())))
    return os.path.join(folder, "mercure-token")


def serve(httpd, before=""):
    """Serves the examples as their README says; returns the URL of the server and the environment of the scripts."""
    httpd.load("headers")
    httpd.env["MERCURE_JWT_KEY"] = KEY
    env = {**os.environ, "MERCURE_JWT_KEY": KEY}
    url = f"http://localhost:{httpd.port}"
    # The server's user may not be able to read the clone.
    for folder, _, names in os.walk(EXAMPLES):
        for name in names:
            with open(os.path.join(folder, name), "rb") as file:
                httpd.write(os.path.join("examples", os.path.relpath(folder, EXAMPLES), name), file.read())
    cookie = subprocess.run([os.path.join(EXAMPLES, "chat/cookie.sh"), url + PATH, minter()], env=env, check=True,
                            capture_output=True, text=True).stdout
    path = httpd.write("conf/cookie.conf", cookie)
    with open(os.path.join(EXAMPLES, "README.md"), encoding="utf-8") as file:
        block, = re.findall(r"```apache\n(.*?)```", file.read(), re.DOTALL)
    for written, here in (("/path/to/examples", httpd.path("examples")), ("/etc/apache2/mercure-chat-cookie.conf", path)):
        assert written in block
        block = block.replace(written, here)
    httpd.start("AddType text/javascript .js\nAddType text/css .css\n" + before + "\n" + block)
    return url, env


@pytest.mark.mpm("event", "prefork")
@pytest.mark.parametrize("with_php", [True, False])
def test_examples_work_as_their_readme_says(httpd, with_php):
    """In a browser; the chat with php-fpm or mod_php, and without PHP."""
    if httpd.mpm == "prefork" and not with_php:
        pytest.skip("without PHP the MPM makes no difference")
    # npm install makes this.
    turbo = "node_modules/@hotwired/turbo/dist/turbo.es2017-esm.js"
    with open(os.path.join(NODE_FOLDER, turbo), "rb") as file:
        httpd.write(f"examples/turbo/{turbo}", file.read())
    with php(httpd) if with_php else contextlib.nullcontext("") as section:
        url, env = serve(httpd, section)
        httpd.expect_log("AH01630.*examples")
        assert httpd.get("/examples/chat/cookie.sh").status == 403
        for name, *more in (("dashboard", "2"), ("turbo", "4", "0")):
            subprocess.run([os.path.join(EXAMPLES, name, "publish.sh"), url + PATH, minter(), *more], env=env, check=True)
        drive("examples.mjs", url, "/examples/chat/send.php" if with_php else PATH)


@pytest.mark.mpm("event", "prefork")
def test_chat_page_checks_what_it_publishes(httpd):
    room = {"room": "tea-1", "name": "Anna", "text": "Hi"}
    own = {"Sec-Fetch-Site": "same-origin", "Content-Type": "application/x-www-form-urlencoded"}

    def send(fields, headers=()):
        return httpd.request("POST", "/examples/chat/send.php", {**own, **dict(headers)}, urllib.parse.urlencode(fields)).status

    with php(httpd) as section:
        serve(httpd, section)
        # Whatever the characters are, the longest message fits in the field.
        longest = {"room": "r" * 40, "name": "\U0001F600" * 30, "text": "\U0001F600" * 500}
        escaped = {**room, "text": "\"/\\\u2028\x01" * 100}
        minted = token.mint(KEY, details=[token.detail(["subscribe"], ["*"])], iss="https://example.com",
                            aud=f"http://localhost:{httpd.port}{PATH}")
        with httpd.subscribe([("match", "*")], token=minted) as stream:
            for fields in (room, longest, escaped):
                assert send(fields) == 204
                event = stream.next()
                assert json.loads(event.data) == {"name": fields["name"], "text": fields["text"]}
            for fields, headers in (
                    ({**room, "room": "a/b"}, {}), ({**room, "room": "a\n"}, {}), ({**room, "name": ""}, {}),
                    ({**room, "text": "x" * 501}, {}), ({**room, "room": "r" * 41}, {}), ({"room": "a", "name": "b"}, {}),
                    ([("room", "a"), ("name", "b"), ("text[]", "c")], {}), ({**room, "text": b"\xff"}, {})):
                assert send(fields, headers) == 400, fields
            assert send(room, {"Sec-Fetch-Site": "cross-site"}) == 403
            assert httpd.get("/examples/chat/send.php", own).status == 403
            assert send(room) == 204
            assert json.loads(stream.next().data)["text"] == "Hi"


@pytest.mark.mpm("event")
def test_scripts_show_other_users_neither_key_nor_token(httpd, tmp_path):
    """Every local user can read the arguments of a program."""
    record, compose = tmp_path / "arguments", os.path.join(EXAMPLES, "../compose.yaml")
    for name, program in (("mercure-token", minter()), ("curl", shutil.which("curl"))):
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\nprintf '%s\\n' {name} \"$@\" >>{record}\nexec {program} \"$@\"\n", encoding="utf-8")
        path.chmod(0o755)
    url, env = serve(httpd)
    env["PATH"] = f"{tmp_path}:{env['PATH']}"
    record.unlink(missing_ok=True)
    minted = []
    out = subprocess.run([os.path.join(EXAMPLES, "chat/cookie.sh"), url + PATH], env=env, check=True, capture_output=True, text=True).stdout
    minted.append(re.search(r"access_token=([^;]+);", out)[1])
    for name, *more in (("dashboard", "1"), ("turbo", "1", "0")):
        subprocess.run([os.path.join(EXAMPLES, name, "publish.sh"), url + PATH, "mercure-token", *more], env=env, check=True)
    # The command in the head of compose.yaml.
    with open(compose, encoding="utf-8") as file:
        command = re.search(r"exec hub sh -c '(.*?)'", re.sub(r"^# *", "", file.read(), flags=re.MULTILINE), re.DOTALL)[1]
    out = subprocess.run(["sh", "-c", command], env={**env, "MERCURE_PUBLISHER_JWT_KEY": KEY}, check=True, capture_output=True, text=True).stdout
    minted.append(out.strip())
    for one in minted:
        assert subprocess.run([minter(), "--check", one, "--key", KEY], check=False).returncode == 0
    shown = record.read_text(encoding="utf-8").splitlines()
    # One for the dashboard; the turbo script publishes four times.
    assert (shown.count("mercure-token"), shown.count("curl")) == (4, 5)
    for word in (KEY, "eyJ"):
        assert not [one for one in shown if word in one], word
