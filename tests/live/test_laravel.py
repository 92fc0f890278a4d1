"""
docs/laravel.md: its class runs with Debian's Illuminate components, and its hubs accept the tokens that Laravel's
driver and the package for earlier versions make, with the claims that their sources make of the page's settings.
"""
import json
import os
import re
import subprocess
import time
import urllib.parse

import pytest

from env import token
from env.hub import PATH
from env.wait import DEADLINE
from test_docs import DOCS
from test_legacy import bearer, old, post

pytestmark = pytest.mark.mpm("event")

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../php/laravel.php")
SITE = "https://example.com"
PREFIX = "https://laravel.alt/echo/"


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", read(os.path.join(DOCS, "laravel.md")), re.M | re.S)


def start(httpd, hub):
    """Starts a server with the apache block HUB of the page; returns the secret that its shell block makes."""
    def here(text):
        return text.replace(f"{SITE}/.well-known", f"http://localhost:{httpd.port}/.well-known") \
            .replace("file:mercure/", f"file:{httpd.path('etc')}/mercure/")

    httpd.write("app/.env", "APP_NAME=Laravel\n")
    shell, = blocks("sh")
    subprocess.run(["bash", "-euo", "pipefail", "-c", here(shell)], cwd=httpd.path("app"), check=True,
                   env={**os.environ, "ETC": httpd.path("etc")})
    httpd.start(here(blocks("apache")[hub]))
    secret = read(httpd.path("etc/mercure/laravel.key")).strip()
    assert f"APP_NAME=Laravel\nMERCURE_URL=http://localhost:{httpd.port}{PATH}\n" in read(httpd.path("app/.env"))
    return secret


def test_every_block_is_tested():
    page = read(os.path.join(DOCS, "laravel.md"))
    assert re.findall(r"^```(.+)$", page, re.M) == ["sh", "apache", "apache", "php", "php"]
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(#[^)]*)?\)", page):
        heads = [re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-")
                 for head in re.findall(r"^#+ (.*)$", read(os.path.join(DOCS, target or "laravel.md")), re.M)]
        assert not anchor or anchor[1:] in heads, f"{target}{anchor}"


@pytest.mark.skipif(not os.path.exists("/usr/share/php/Illuminate/Http/Client"),
                    reason="Debian's php-illuminate-http is not installed")
def test_without_broadcasting(httpd):
    start(httpd, 0)
    class_of_the_page, provider = blocks("php")
    httpd.write("app/Mercure.php", class_of_the_page)
    httpd.write("app/provider.php", "<?php\n" + provider)

    def publish(**update):
        done = subprocess.run(["php", SCRIPT, httpd.path("app"), json.dumps(update)], capture_output=True, text=True,
                              check=False, timeout=2 * DEADLINE)
        assert done.returncode == 0 and not done.stderr, done.stdout + done.stderr
        return done.stdout.strip()

    topic = "https://example.com/books/1"
    with httpd.subscribe([("match", topic)]) as stream:
        publish(topic=topic, data={"for": "nobody here"}, private=True)
        told = publish(topic=topic, data={"title": "ä & ö"})
        event = stream.next()
        assert (event.id, json.loads(event.data)) == (told, {"title": "ä & ö"})
    settings = read(httpd.path("app/.env"))
    httpd.write("app/.env", re.sub("SECRET=.*", "SECRET=" + "0" * 64, settings))
    assert publish(topic="x", data={}) == "401"


def test_the_driver(httpd):
    """Its grants: private channels, presence channels with the documents of their members, and whispers."""
    secret = start(httpd, 0)

    def mint(*details):
        now = int(time.time())
        return token.mint_raw({"alg": "HS256", "typ": "at+jwt"}, {
            "iss": SITE, "client_id": "Laravel", "aud": f"http://localhost:{httpd.port}{PATH}", "sub": "42", "iat": now,
            "exp": now + 300, "jti": "1", "authorization_details": [
                {"type": "https://mercure.rocks/authorization-detail", **detail} for detail in details]}, secret)

    def topic(kind, channel):
        return PREFIX + kind + "/" + urllib.parse.quote(channel, safe="-._~")

    def cookie(minted):
        return [("Cookie", f"__Secure-mercure_access_token={minted}")]

    private, presence = topic("channel", "private-orders.1"), topic("channel", "presence-room.1")
    whisper = topic("whisper", "private-orders.1")
    documents = f"{PATH}/subscriptions/:match_type/{urllib.parse.quote(presence, safe='')}{{/:subscriber}}?"
    member = mint(
        {"actions": ["subscribe"], "topics": [{"match": private}]},
        {"actions": ["subscribe"], "topics": [{"match": presence}, {"match": documents, "match_type": "urlpattern"}],
         "payload": {"user_id": 42}},
        {"actions": ["subscribe", "publish"], "topics": [{"match": whisper}]})
    server = mint({"actions": ["publish"], "topics": [{"match": "*"}]})
    query = [("match", private), ("match", presence), ("match", whisper)]
    with httpd.subscribe(query, headers=cookie(member)) as stream:
        listed = httpd.get(f"{PATH}/subscriptions/exact/{urllib.parse.quote(presence, safe='')}",
                           headers=cookie(member))
        assert listed.status == 200
        (subscription,) = json.loads(listed.text)["subscriptions"]
        assert (subscription["match"], subscription["payload"]) == (presence, {"user_id": 42})
        own = [*cookie(member), ("Origin", f"http://localhost:{httpd.port}")]
        told = [post(httpd, bearer(server), topic=private, private=True),
                post(httpd, own, topic=whisper, private=True)]
        assert [answer.status for answer in told] == [200, 200]
        assert [event.id for event in stream.take(2)] == [answer.text for answer in told]
        assert post(httpd, own, topic=private, private=True).status == 403


def test_the_package(httpd):
    secret = start(httpd, 1)
    topic = "https://example.com/user/1/messages"
    minted = old(key=secret, subscribe=[topic])
    with httpd.subscribe([("topic", topic)], headers=[("Cookie", f"mercureAuthorization={minted}")]) as stream:
        answer = post(httpd, bearer(old(key=secret, publish=["*"])), topic=topic, private=True)
        assert (answer.status, stream.next().id) == (200, answer.text)
