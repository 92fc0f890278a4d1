"""README.zh-CN.md, the quick start in Chinese: its commands and configurations are run like those of the other
pages."""
import os
import re

import pytest

import test_docs
from env import token
from env.httpd import HAS_SANITIZER
from env.hub import PATH

pytestmark = pytest.mark.mpm("event")

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))


def read(name):
    with open(os.path.join(ROOT, name), encoding="utf-8") as file:
        return file.read()


@pytest.fixture(name="blocks")
def read_blocks(monkeypatch):
    """(name, language, mode, text) of all blocks of the page."""
    monkeypatch.setattr(test_docs, "PAGES", ("../README.zh-CN",))
    found = list(test_docs.blocks())
    assert len(found) == read("README.zh-CN.md").count("```") / 2, "a fence that this test does not read"
    return found


def test_every_block_is_of_a_known_kind(blocks):
    assert {(language, mode) for _, language, mode, _ in blocks} == {
        ("sh", "not-run"), ("sh", None), ("sh", "subscribe"), ("sh", "publish"), ("apache", None), ("js", None)}


def test_commands_that_are_not_run_are_those_of_other_pages(blocks):
    """Other tests run these commands, or try what they start."""
    variables = set(re.findall(r"\$\{(\w+):", read("compose.yaml")))
    known = {re.sub(r" +#.*", "", line.strip()) for page in ("README.md", "docs/getting-started.md")
             for line in read(page).splitlines()}
    known |= {f"export {name}=$(openssl rand -hex 32)" for name in variables} | {"docker compose up --build"}
    lines = [re.sub(r" +#.*", "", line) for _, _, mode, text in blocks if mode == "not-run" for line in text.splitlines()]
    assert [line for line in lines if line not in known] == []
    assert {"./dev run", "./dev test", "docker compose up --build"} <= set(lines) and len(variables) == 2


@pytest.mark.skipif(HAS_SANITIZER, reason="its commands start httpd without the sanitizer")
def test_commands_work(httpd, blocks):
    doc = test_docs.Doc(httpd)
    configuration, = [text for _, language, _, text in blocks if language == "apache" and "MercureHub" in text]
    (keys, check), (subscribe,), (publish,) = (
        [text for _, language, mode, text in blocks if (language, mode) == ("sh", wanted)]
        for wanted in (None, "subscribe", "publish"))
    doc.run("keys", "sh", keys)
    httpd.start(configuration.replace("file:mercure/", f"file:{httpd.path('etc')}/mercure/"))
    doc.run("configtest", "sh", check)
    minted = token.publisher(key=doc.publisher_key(), iss="https://example.com", aud=f"http://localhost:{httpd.port}{PATH}")
    doc.subscribe("subscribe", "sh", subscribe, minted)
    with httpd.subscribe("match=*") as stream:
        doc.run("publish", "sh", publish)
        assert stream.next().data == "hello"
