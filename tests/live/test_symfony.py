"""
docs/symfony.md: its files make a Symfony application of Debian's packages, which runs behind the hub that the page
configures. The page says what replaces the parts that Debian does not package.
"""
import base64
import contextlib
import json
import os
import re
import shutil
import subprocess
import time
import urllib.parse
from collections import Counter

import pytest
import yaml

from env import http, sse, token
from env.hub import PATH
from env.httpd import find_module, free_port, release_port
from env.launcher import page_script, running, wait_ready
from env.wait import DEADLINE, wait_until
from test_debugger import drive
from test_docs import DOCS, NODE, build_folder
from test_launcher import LAUNCHER, folder  # noqa: F401 (a fixture)
from test_legacy import bearer, post

pytestmark = [pytest.mark.mpm("event"), pytest.mark.skipif(
    not (shutil.which("php") and os.path.exists("/usr/share/php/Symfony/Bundle/FrameworkBundle")),
    reason="Debian's php-cli and php-symfony-framework-bundle are not installed")]

BLOCK = re.compile(r"^```(\S+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"(?:<\?php\n)?(?:#|//|\{#) (\S+\.\S+)")
APP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../php/symfony/app.php")
REFUSED = "When something is refused"
SECRET = "0123456789abcdef" * 4
SITE = "https://example.com"
BOOK, ORDER = f"{SITE}/books/1", f"{SITE}/orders/1"


class Block:
    """A fenced block of the page: its section, language, mode and text, and the name of the file that it is."""

    def __init__(self, section, language, mode, text):
        named = FILE.match(text)
        self.section, self.language, self.mode, self.text = section, language, mode, text
        self.file = named[1] if named else None

    def __repr__(self):
        return f"<{self.language} of {self.section!r}: {self.text[:40]!r}>"


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def secret_of(httpd):
    return read(httpd.path("etc/mercure/symfony.key")).rstrip("\n")


def blocks():
    parts = re.split(r"^##+ (.*)$", read(os.path.join(DOCS, "symfony.md")), flags=re.MULTILINE)
    for section, text in zip(["", *parts[1::2]], parts[::2]):
        for language, mode, body in BLOCK.findall(text):
            yield Block(section, language, mode, body)


def find(language, section, mode=""):
    found, = [block for block in blocks() if (block.language, block.mode) == (language, mode)
              and block.section.startswith(section)]
    return found.text


class Application:
    """The application of the page, in a folder below the server's root, and PHP's server that runs it."""

    def __init__(self, httpd, *sections):
        """Its YAML files are those of SECTIONS; all other files are those of the whole page."""
        self.httpd = httpd
        self.site = f"http://localhost:{httpd.port}"
        self.folder = httpd.path("app")
        self.env = {**os.environ, "ETC": httpd.path("etc"), "MERCURE_APP": self.folder, "LC_ALL": "C.UTF-8",
                    "PATH": f"{build_folder()}:{os.environ['PATH']}"}
        for block in blocks():
            if block.file and (block.language != "yaml" or block.section in sections):
                httpd.write(f"app/{block.file}", block.text)
        httpd.write("app/.env", "")
        httpd.write("app/bin/console", f"<?php require '{os.path.realpath(APP)}';\n")

    def here(self, text):
        """TEXT with this server's names."""
        return re.sub(rf"{SITE}/(\.well-known|api/)", rf"{self.site}/\1", text) \
            .replace("file:mercure/", f"file:{self.env['ETC']}/mercure/") \
            .replace("/var/log/apache2/error.log", self.httpd.error_log)

    def shell(self, text):
        """Runs TEXT in the folder of the application; returns (status, output)."""
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", self.here(text)], cwd=self.folder, env=self.env,
                              capture_output=True, text=True, timeout=2 * DEADLINE)
        return done.returncode, done.stdout + done.stderr

    def set_up(self):
        status, said = self.shell(find("sh", "1."))
        assert status == 0, said

    @contextlib.contextmanager
    def served(self):
        """The port of PHP's server, which runs during the block."""
        port, log = free_port(), self.httpd.path("logs/php.log")
        with open(log, "wb") as out, subprocess.Popen(["php", "-S", f"127.0.0.1:{port}", os.path.realpath(APP)],
                                                      env=self.env, cwd=self.folder, stdout=out, stderr=out) as php:
            try:
                def listens():
                    assert php.poll() is None, read(log)
                    with contextlib.suppress(OSError):
                        return http.request(port, "GET", "/books/1").status == 200

                wait_until(listens, what="the application")
                yield port
            finally:
                php.terminate()
                php.wait(DEADLINE)
                release_port(port)

    def virtual_host(self, hub, port):
        """The hub of the page, along with the application, which has all other URLs."""
        self.httpd.load("proxy", "proxy_http")
        return (self.here(hub) + self.here(find("apache", REFUSED)) +
                f"ProxyPreserveHost On\nProxyPass / http://127.0.0.1:{port}/\n")

    def post(self, path):
        return self.httpd.request("POST", path)


def claims_of(minted):
    part = minted.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def cookie_of(answer):
    """The cookie that an answer of the application sets: (name, value, attributes)."""
    pair, *attributes = [part.strip() for part in answer.header("Set-Cookie").split(";")]
    name, value = pair.split("=", 1)
    return name, value, {attribute.partition("=")[0].lower(): attribute.partition("=")[2] for attribute in attributes}


def complaint(httpd):
    """What the hub last logged at level info."""
    return [line for line in httpd.log().splitlines() if "mercure:info" in line][-1]


def test_every_block_is_tested(tmp_path):
    found = list(blocks())
    page = read(os.path.join(DOCS, "symfony.md"))
    assert len(found) == page.count("```") / 2, "a fence that this test does not see"
    assert Counter((block.language, block.mode) for block in found if not block.file) == {
        ("sh", ""): 1, ("sh", "mercure-hub"): 1, ("sh", "not-run"): 1, ("sh", "log"): 1, ("sh", "check"): 1,
        ("sh", "check-version-1"): 1, ("apache", ""): 5, ("json", ""): 1, ("html", ""): 1, ("javascript", ""): 1}
    assert {block.language for block in found if block.file} == {"yaml", "php", "twig"}
    for block in found:
        if block.language == "php":
            path = tmp_path / "block.php"
            path.write_text(block.text, encoding="utf-8")
            done = subprocess.run(["php", "-l", path], capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{block.file}: {done.stdout}"
        elif block.language == "yaml":
            assert yaml.safe_load(block.text), block
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(#[^)]*)?\)", page):
        heads = [re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-")
                 for head in re.findall(r"^#+ (.*)$", read(os.path.join(DOCS, target or "symfony.md")), re.MULTILINE)]
        assert not anchor or anchor[1:] in heads, f"{target}{anchor}"


def test_protocol_0(httpd):
    """Sections 1 to 8: an application, what it publishes, and what its pages and clients receive."""
    app = Application(httpd, "3. The bundle")
    app.set_up()
    secret = secret_of(httpd)
    assert len(secret) == 64 and f"MERCURE_JWT_SECRET={secret}\n" in read(httpd.path("app/.env.local"))
    with app.served() as port:
        httpd.start(app.virtual_host(find("apache", "2. The hub"), port))
        status, minted = app.shell("php bin/console app:mercure:token")
        assert (status, claims_of(minted.strip())) == (0, json.loads(find("json", "3.")))

        page = httpd.get("/orders/1")
        name, value, attributes = cookie_of(page)
        assert (name, attributes["path"], attributes["samesite"]) == ("mercureAuthorization", PATH, "strict")
        assert "httponly" in attributes and "secure" not in attributes and "domain" not in attributes
        assert 3590 < claims_of(value)["exp"] - time.time() <= 3601
        both = urllib.parse.urlencode([("topic", ORDER), ("topic", BOOK)])
        with httpd.subscribe(both) as public, httpd.subscribe(both, headers=[("Cookie", f"{name}={value}")]) as private:
            told = [json.loads(app.post(path).text)["published"] for path in ("/orders/1/pay", "/books/1/sell")]
            assert [event.id for event in private.take(2)] == told
            assert public.next().id == told[1]
        with httpd.subscribe(urllib.parse.urlencode([("topic", f"{SITE}/books/{number}") for number in (1, 3)])) as stream:
            told = json.loads(app.post("/sale").text)["published"]
            assert len(told) == 3
            assert [(event.id, event.data) for event in stream.take(2)] == [(told[0], '{"status":"sold"}'), (told[2], '{"status":"sold"}')]

        drive("symfony.mjs", json.dumps({"site": app.site, "element": app.here(find("html", "7."))}))
        follow_the_link(app)

        status, said = app.shell(find("sh", REFUSED, "check"))
        assert (status, "accepted" in said, "publish    everything" in said) == (0, True, True), said
        wrong_secret(app)


def follow_the_link(app):
    """Section 8: the client that finds the hub in an answer, with Node's EventSource."""
    script = app.httpd.write("scripts/link.mjs", app.here(find("javascript", "8.")))
    output = app.httpd.path("scripts/output")
    with open(output, "wb") as out, subprocess.Popen([NODE, "--experimental-eventsource", "--no-warnings", script],
                                                     stdout=out, stderr=subprocess.STDOUT) as process:
        try:
            def printed():
                assert process.poll() is None, "the client has ended: " + read(output)
                assert app.httpd.request("PATCH", "/api/books/1", body='{"status": "gone"}').status == 200
                return '{"status": "gone"}' in read(output)

            wait_until(printed, 60, "an update printed by the client", pause=0.2)
        finally:
            process.kill()


def wrong_secret(app):
    """The application's secret is not the hub's: the log and mercure-token say so."""
    settings = read(app.httpd.path("app/.env.local"))
    app.httpd.write("app/.env.local", re.sub("SECRET=.*", "SECRET=" + "0" * 64, settings))
    assert app.post("/books/1/sell").status == 500
    assert "Failed to send an update." in read(app.httpd.path("logs/php.log"))
    for mode, wanted in (("log", 0), ("check", 1)):
        status, said = app.shell(find("sh", REFUSED, mode))
        assert status == wanted and "signature" in said, said


def test_the_hub_for_development(httpd, folder):  # noqa: F811
    """Section 2: mercure-hub with the environment of the page, for an application of another origin."""
    app = Application(httpd, "3. The bundle")
    port, log = free_port(), folder / "log"
    block = find("sh", "A hub for development", "mercure-hub")
    assert "=127.0.0.1:8080\n" in block and "MERCURE_JWT_SECRET" in block
    script = page_script(block).replace(":8080", f":{port}")
    url = f"http://127.0.0.1:{port}{PATH}"
    httpd.write("app/.env.local", f"MERCURE_URL={url}\nMERCURE_PUBLIC_URL={url}\nMERCURE_JWT_SECRET={SECRET}\n")
    env = {"PATH": os.environ["PATH"], "TMPDIR": str(folder), "MERCURE_MODULE": find_module(),
           "MERCURE_JWT_SECRET": SECRET}
    with app.served() as here, running(["/bin/sh", "-c", script, LAUNCHER], env, log) as launcher:
        wait_ready(launcher, log)
        page = http.request(here, "GET", "/orders/1", host=f"127.0.0.1:{here}")
        name, value, _ = cookie_of(page)
        headers = [("Cookie", f"{name}={value}"), ("Origin", "http://127.0.0.1:8000")]
        with sse.EventSource(port, f"{PATH}?" + urllib.parse.urlencode([("topic", ORDER)]), headers) as stream:
            assert stream.response.header("Access-Control-Allow-Origin") == "http://127.0.0.1:8000"
            assert stream.response.header("Access-Control-Allow-Credentials") == "true"
            told = json.loads(http.request(here, "POST", "/orders/1/pay").text)["published"]
            assert stream.next().id == told
        launcher.terminate()
        assert launcher.wait(timeout=60) == 0, log.read_text()
    release_port(port)


def test_version_1_with_a_token_factory(httpd):
    """The token factory of the page makes tokens of version 1 for the component that Debian has."""
    section = "With MercureBundle 0.3 and 0.4"
    app = Application(httpd, section)
    app.set_up()
    with app.served() as port:
        httpd.start(app.virtual_host(find("apache", section), port))
        status, said = app.shell(find("sh", REFUSED, "check-version-1"))
        assert (status, "accepted" in said, "publish    everything" in said) == (0, True, True), said
        name, value, _ = cookie_of(httpd.get("/orders/1"))
        assert {"iss", "aud", "sub", "client_id", "iat", "exp", "jti"} <= set(claims_of(value))
        with httpd.subscribe([("topic", ORDER)], headers=[("Cookie", f"{name}={value}")]) as stream:
            told = json.loads(app.post("/orders/1/pay").text)["published"]
            assert stream.next().id == told
        # The hub has no key for 0.x.
        assert post(httpd, bearer(token.mint_raw({"typ": "JWT", "alg": "HS256"}, {"mercure": {"publish": ["*"]}},
                                                 secret_of(httpd)))).status == 401


def test_version_1_with_the_bundle(httpd):
    """The hub accepts tokens with the claims that MercureBundle 0.5 makes of the page's configuration."""
    app = Application(httpd)
    app.set_up()
    httpd.start(app.here(find("apache", "Protocol version 1") + find("apache", REFUSED)))
    hub = yaml.safe_load(find("yaml", "With MercureBundle 0.5"))["mercure"]["hubs"]["default"]
    assert hub["protocol_version"] == "1.0" and hub["public_url"] == "%env(MERCURE_PUBLIC_URL)%"
    claims = hub["jwt"]["claims"]
    assert set(claims) == {"iss", "sub", "client_id"}

    def mint(action, topics, key=None, head=None, **more):
        now = int(time.time())
        details = [{"type": "https://mercure.rocks/authorization-detail", "actions": [action], "topics": topics}]
        return token.mint_raw(
            {"typ": "at+jwt", "alg": "HS256", **(head or {})},
            {"aud": app.site + PATH, "iat": now, "exp": now + 3600, "jti": "1", "authorization_details": details,
             **claims, **more}, key or secret_of(httpd))

    everything = [{"match": topic} for topic in hub["jwt"]["publish"]]
    cookie = mint("subscribe", [{"match": "https://example.com/orders/:id", "match_type": "urlpattern"}])
    query = urllib.parse.urlencode([("match_urlpattern", "https://example.com/orders/:id")])
    with httpd.subscribe(query, headers=[("Cookie", f"__Secure-mercure_access_token={cookie}")]) as stream:
        answer = post(httpd, bearer(mint("publish", everything)), topic=ORDER, private=True)
        assert (answer.status, stream.next().id) == (200, answer.text)

    # The rows of the table.
    rows = {
        "signature": mint("publish", everything, key="0" * 64),
        "typ": mint("publish", everything, head={"typ": "JWT"}),
        "issuer": mint("publish", everything, iss="https://other.example"),
        "aud": mint("publish", everything, aud="http://127.0.0.1" + PATH),
        "expired": mint("publish", everything, exp=int(time.time()) - 3600),
    }
    page = read(os.path.join(DOCS, "symfony.md"))
    table = page[page.index("### 401"):page.index("### 403")]
    assert re.findall(r"^\| [^|`]*`(\w+)`", table, re.MULTILINE) == list(rows)
    for word, minted in rows.items():
        assert post(httpd, bearer(minted)).status == 401
        assert word in complaint(httpd)
    before = complaint(httpd)
    assert (post(httpd).status, complaint(httpd)) == (401, before)
    assert post(httpd, bearer(mint("publish", [{"match": BOOK}])), topic=ORDER).status == 403


def test_cors(httpd):
    app = Application(httpd)
    app.set_up()
    httpd.start(app.here(find("apache", "CORS")))
    for origin, allowed in (("https://www.example.com", "https://www.example.com"), ("https://other.example", None)):
        with httpd.subscribe([("topic", BOOK)], headers=[("Origin", origin)]) as stream:
            assert stream.response.header("Access-Control-Allow-Origin") == allowed
