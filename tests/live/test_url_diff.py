"""The hub's URLs and URL Patterns against those of Node 24: tests/diff/diff.mjs asks both the same generated
questions."""
import fcntl
import os
import subprocess

import pytest

from env.httpd import find_module

HERE = os.path.dirname(os.path.abspath(__file__))
NODE = os.path.join(HERE, "../node/node_modules/.bin/node")


@pytest.fixture(scope="module")
def answer():
    """Builds the program that gives the hub's answers, which nothing else needs; returns its path."""
    build = os.environ.get("MERCURE_BUILD")
    folder = build or os.path.dirname(os.path.dirname(os.path.abspath(find_module())))
    with open(os.path.join(folder, "answer.lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run in parallel; make must not run twice in one tree
        subprocess.run(["make", "-C", folder, "tests/diff/answer"], check=True, capture_output=True,
                       text=True, timeout=300)
    return os.path.join(folder, "tests/diff/answer")


@pytest.mark.parametrize("seed", ["1", "2"])
def test_urls_and_patterns_agree_with_node(answer, seed):
    if not os.path.exists(NODE):
        pytest.skip("run npm ci in tests/node to install a Node that has URL Patterns")
    done = subprocess.run([NODE, os.path.join(HERE, "../diff/diff.mjs"), answer, "20000", seed],
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("\nok ") == 4
