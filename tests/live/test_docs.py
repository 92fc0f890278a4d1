"""
The pages for users: every command, program and configuration in them is run as it is, except for the host name. After
its language, a fenced block says what it does: `publish` (it must publish an update for each "hello" in it),
`subscribe` (it must print an update), `library` (it publishes with a library that Debian does not have), nothing (it
must succeed), or `not-run`.
"""
import json
import os
import re
import signal
import subprocess
import textwrap

import pytest
import yaml

from env import token
from env.httpd import HAS_SANITIZER, find_module, find_program, free_port, release_port
from env.hub import PATH
from env.wait import DEADLINE, wait_until

pytestmark = pytest.mark.mpm("event")

HERE = os.path.dirname(os.path.abspath(__file__))
DOCS = os.path.realpath(os.path.join(HERE, "../../docs"))
PAGES = ("getting-started", "tokens", "publishing", "browsers", "http2", "proxies", "security", "monitoring", "troubleshooting",
         "history", "hosting")
NODE = os.path.join(HERE, "../node/node_modules/.bin/node")
BLOCK = re.compile(r"^( *)```(\S+)(?: (\S+))?\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
TOPIC = "https://example.com/books/1"
SECRET = "change-this-secret-of-32-characters-or-more"  # of the .htaccess file in hosting.md
JWKS = '{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}'
PROGRAMS = {"sh": ("bash", "-euo", "pipefail"), "php": ("php",), "python": ("/usr/bin/python3",),
            "javascript": (NODE, "--experimental-eventsource", "--no-warnings")}
SUFFIXES = {"sh": ".sh", "php": ".php", "python": ".py", "javascript": ".mjs"}


def read(page):
    with open(os.path.join(DOCS, page + ".md"), encoding="utf-8") as file:
        return file.read()


def blocks(*languages):
    """(name, language, mode, text) of the blocks in LANGUAGES, page by page."""
    for page in PAGES:
        text = read(page)
        for match in BLOCK.finditer(text):
            line = text[:match.start()].count("\n") + 1
            if not languages or match[2] in languages:
                yield f"{page}.md:{line}", match[2], match[3], textwrap.dedent(match[4])


def only(language):
    (_, _, _, text), = blocks(language)
    return text


def build_folder():
    return os.environ.get("MERCURE_BUILD") or os.path.dirname(os.path.dirname(os.path.abspath(find_module())))


def test_every_block_is_of_a_known_kind():
    found = list(blocks())
    assert len(found) == sum(read(page).count("```") for page in PAGES) / 2, "a fence that this test does not read"
    known = {*PROGRAMS, "apache", "nginx", "haproxy", "json", "lua", "yaml"}
    assert [name for name, language, _, _ in found if language not in known] == []
    # test_inside.py runs the blocks of the kind response, and those in Lua.
    assert {mode for _, _, mode, _ in found} <= {None, "publish", "subscribe", "library", "response", "not-run"}
    # tests/packages/try installs the package.
    assert [name.split(":")[0] for name, _, mode, _ in found if mode == "not-run"] == ["getting-started.md"]
    for _, _, _, text in blocks("json"):
        json.loads(text)
    for _, _, _, text in blocks("yaml"):
        yaml.safe_load(text)


def test_links_lead_to_an_existing_section():
    for page in PAGES:
        for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(#[^)]*)?\)", read(page)):
            path = os.path.join(DOCS, target) if target else os.path.join(DOCS, page + ".md")
            assert os.path.exists(path), f"{page}.md links to {target}, which does not exist"
            if anchor:
                with open(path, encoding="utf-8") as file:
                    heads = [re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-")
                             for head in re.findall(r"^#+ (.*)$", file.read(), re.MULTILINE)]
                assert anchor[1:] in heads, f"{page}.md links to {target}{anchor}, which does not exist"


def test_configurations_pass_configtest(httpd):
    httpd.load("authz_host", "headers", "lua", "macro", "proxy", "proxy_http", "remoteip", "reqtimeout", "status",
               "vhost_alias")
    for name in ("publisher", "subscriber", "publisher-new"):
        httpd.write(f"mercure/{name}.key", "0123456789abcdef" * 4 + "\n")
    httpd.write("mercure/keys.jwks", JWKS)
    httpd.env["MERCURE_SUBSCRIBER_JWT_KEY"] = "0123456789abcdef" * 4
    wrong = []
    for name, _, _, text in blocks("apache"):
        text = text.replace("/var/lib/mercure", httpd.path("history"))  # which only root could create
        text = text.replace("LoadModule lua_module modules/mod_lua.so\n", "")
        result = httpd.configtest(text.replace("modules/mod_mercure.so", find_module()))
        if not result.ok:
            wrong.append(f"{name}: {result}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, _, _, text in blocks("apache")
                                  if name.startswith("hosting.md") and "MercureHub " in text])
def test_configurations_of_hosting_serve_each_site(httpd, text):
    """Each virtual host of the block has a hub, or the log says that it has no key or that its hub is off."""
    httpd.load("macro", "vhost_alias")
    for name in ("publisher", "subscriber"):
        httpd.write(f"mercure/{name}.key", "0123456789abcdef" * 4 + "\n")
    for folder in ("www/sites.example", "shop", "blog"):
        httpd.write(f"srv/{folder}/htdocs/index.html", "page")
    text = re.sub(r"\*:(80|443)", f"127.0.0.1:{httpd.port}", text.replace('"/srv/', f'"{httpd.path("srv")}/'))
    httpd.start(text)
    names = re.findall(r"ServerName +([a-z.]+)|^Use Site ([a-z.]+)", text, re.MULTILINE)
    for host in [one or other for one, other in names] or ["localhost"]:
        path = "/hub" if host == "admin.example" else PATH
        answer = httpd.request("HEAD", f"{path}?match=x", host=host)  # a stream would not end
        if host == "static.example":
            assert "problem+json" not in (answer.header("Content-Type") or "") and answer.status == 404
        elif host == "shop.example" and "MercureAnonymous On" in text:
            assert answer.status == 200
        else:
            assert answer.header("Content-Type") == "application/problem+json" and answer.status in (401, 404), answer


class Doc:
    """A server set up as docs/getting-started.md says, and methods that run the blocks of the pages."""

    def __init__(self, httpd):
        self.httpd = httpd
        self.env = {**os.environ, "ETC": httpd.path("etc"), "LC_ALL": "C.UTF-8",
                    "PATH": f"{httpd.path('bin')}:{build_folder()}:{os.environ['PATH']}"}
        httpd.write("bin/apachectl", f"#!/bin/sh\n[ \"$1\" = configtest ]\nexec {find_program()} -d {httpd.root} "
                    f"-f {httpd.config_file} -t\n", 0o755)
        self.count = 0

    def command(self, language, text):
        text = re.sub(r"https://example\.com/(\.well-known|metrics|health)",
                      rf"http://localhost:{self.httpd.port}/\1", text)
        text = text.replace("export ETC=/etc/apache2 ", f"export ETC={self.env['ETC']} ")
        assert "=/etc/" not in text
        if SECRET in text:
            text = text.replace(SECRET, self.publisher_key())
        self.count += 1
        return [*PROGRAMS[language],
                self.httpd.write(f"scripts/{self.count}{SUFFIXES[language]}", text)]

    def publisher_key(self):
        with open(self.httpd.path("etc/mercure/publisher.key"), encoding="ascii") as file:
            return file.read().strip()

    def run(self, name, language, text):
        done = subprocess.run(self.command(language, text), env=self.env, capture_output=True, text=True, timeout=180)
        assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"

    def publish(self, name, language, text, minted):
        with self.httpd.subscribe("match=*") as stream:
            self.run(name, language, text)
            events = stream.take(text.count("hello"))
            assert events and all("hello" in event.data for event in events), f"{name}: {events}"
            end = self.httpd.publish(TOPIC, "end", token=minted).text
            assert stream.next().id == end, f"{name} has published more"

    def subscribe(self, name, language, text, minted):
        path = self.httpd.path("scripts/output")
        with open(path, "wb") as out, subprocess.Popen(self.command(language, text), env=self.env, stdout=out,
                                                       stderr=subprocess.STDOUT, start_new_session=True) as process:
            try:
                def printed():
                    assert process.poll() is None, f"{name} has ended"
                    self.httpd.publish(TOPIC, "hello, page", token=minted)
                    with open(path, encoding="utf-8", errors="replace") as file:
                        return "hello, page" in file.read()

                wait_until(printed, 60, f"an update printed by {name}", pause=0.2)
            finally:
                os.killpg(process.pid, signal.SIGKILL)  # and the processes that the script started


def start(doc):
    """The server of the pages, with the keys of their first command. Returns a publisher's token."""
    httpd = doc.httpd
    name, language, _, text = next(block for block in blocks(*PROGRAMS) if block[2] != "not-run")
    assert "openssl rand" in text
    doc.run(name, language, text)
    configuration = next(text for name, _, _, text in blocks("apache") if "MercurePublisherKey" in text)
    httpd.start(configuration.replace("file:mercure/", f"file:{httpd.path('etc')}/mercure/") +
                "<Location /metrics>\nSetHandler mercure-metrics\n</Location>\n"
                "<Location /health>\nSetHandler mercure-health\n</Location>\n")
    return token.publisher(key=doc.publisher_key(), iss="https://example.com", aud=f"http://localhost:{httpd.port}{PATH}")


@pytest.mark.skipif(HAS_SANITIZER, reason="its commands start httpd without the sanitizer")
def test_commands_and_programs_work(httpd):
    """All blocks run against one server."""
    doc = Doc(httpd)
    minted = start(doc)
    doc.env["TOKEN"] = minted
    os.symlink(os.path.realpath(os.path.join(HERE, "../node/node_modules")), httpd.path("scripts/node_modules"))
    shown = [block for block in blocks(*PROGRAMS) if block[2] not in ("not-run", "response", "library")]
    for name, language, mode, text in shown[1:]:
        if mode in ("subscribe", "publish"):
            (doc.publish if mode == "publish" else doc.subscribe)(name, language, text, minted)
        else:
            doc.run(name, language, text)
    assert doc.count > 10


def test_php_library(httpd):
    """The program with lcobucci/jwt. Without its sources, only its syntax is checked."""
    (name, language, _, text), = [block for block in blocks("php") if block[2] == "library"]
    doc = Doc(httpd)
    checked = subprocess.run(["php", "-l"], input=text, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout
    sources = os.environ.get("MERCURE_LCOBUCCI_JWT")
    if not sources:
        pytest.skip("MERCURE_LCOBUCCI_JWT does not name the sources of lcobucci/jwt")
    httpd.write("scripts/vendor/autoload.php", f"""<?php
        namespace Psr\\Clock {{ interface ClockInterface {{ public function now(): \\DateTimeImmutable; }} }}
        namespace {{
            spl_autoload_register(fn ($name) => require strtr($name, ['Lcobucci\\JWT' => '{sources}/src', '\\\\' => '/']) . '.php');
        }}
    """)
    doc.publish(name, language, text, start(doc))


@pytest.mark.parametrize("proxy", ["nginx", "haproxy"])
def test_proxies_pass_updates_and_heartbeats_at_once(httpd, proxy):
    port = free_port()
    text = only(proxy).replace("127.0.0.1:8080", f"127.0.0.1:{httpd.port}")
    folder = httpd.path("proxy")
    if proxy == "nginx":
        temps = "".join(f"{name}_temp_path {folder}/{name};\n" for name in
                        ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        text = (f"daemon off;\nmaster_process off;\npid {folder}/pid;\nerror_log stderr;\nevents {{}}\n"
                f"http {{\naccess_log off;\n{temps}{text.replace('listen 8443', f'listen 127.0.0.1:{port}')}}}\n")
        path = httpd.write("proxy/nginx.conf", text)
        command = ["nginx", "-p", folder, "-c", path, "-e", "stderr"]
    else:
        command = ["haproxy", "-db", "-f", httpd.write("proxy/haproxy.cfg", text.replace(":8443", f":{port}"))]
    configuration = next(text for name, _, _, text in blocks("apache") if name.startswith("proxies.md"))
    for old, new in (("file:mercure/publisher.key", token.PUBLISHER_KEY), ("Heartbeat           20", "Heartbeat 1"),
                     ("</Location>", "MercureAnonymous On\n</Location>")):
        assert old in configuration
        configuration = configuration.replace(old, new)
    httpd.start(configuration)
    env = {**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin"}
    with open(httpd.path("logs/proxy.log"), "wb") as out, subprocess.Popen(command, env=env, stdout=out,
                                                                           stderr=out) as process:
        try:
            def connect():
                assert process.poll() is None, open(httpd.path("logs/proxy.log"), encoding="utf-8").read()
                try:
                    return httpd.subscribe("match=*", port=port, host="example.com")
                except OSError:
                    return None

            minted = token.publisher(iss="https://example.com", aud=f"https://example.com{PATH}")
            with wait_until(connect, what=f"a stream through {proxy}") as stream:
                for data in ("one", "two"):
                    httpd.publish(TOPIC, data, token=minted, port=port, host="example.com")
                    assert stream.next().data == data
                stream.wait_comment(2)
        finally:
            process.terminate()
            process.wait(DEADLINE)
            release_port(port)
