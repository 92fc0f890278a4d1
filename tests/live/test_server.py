"""httpd with the module loaded starts, serves, restarts and stops under each MPM."""
import os
import re

import pytest

from env.httpd import HAS_SANITIZER
from env.hub import hub
from env.wait import wait_until


@pytest.mark.sanitize
def test_server_starts_serves_and_stops(httpd):
    httpd.write("htdocs/index.html", "hello")
    httpd.start()
    assert httpd.get("/").text == "hello"
    if HAS_SANITIZER:  # a sanitizer must really be loaded
        with open(f"/proc/{httpd.children()[0]}/maps", encoding="utf-8") as maps:
            assert re.search(r"lib[at]san\.so", maps.read())
    httpd.stop()


def test_configtest_accepts_and_refuses(httpd):
    result = httpd.configtest("")
    assert result.ok and "Syntax OK" in result.output
    assert httpd.runtime_files() == []
    result = httpd.configtest("NoSuchDirective On\n")
    assert not result.ok and "NoSuchDirective" in result.output


@pytest.mark.sanitize
def test_graceful_restart_makes_new_children(httpd):
    httpd.start()
    old = set(httpd.children())
    httpd.graceful()
    wait_until(lambda: not old & set(httpd.children()), what="the end of the old generation")
    assert httpd.get("/missing").status == 404


def test_server_serves_after_a_restart(httpd):
    httpd.start()
    httpd.write("htdocs/index.html", "again")
    httpd.restart()
    assert httpd.get("/").text == "again"


def test_graceful_stop_ends_the_server(httpd):
    httpd.start()
    httpd.graceful_stop()
    assert not httpd.running


def test_killed_children_are_replaced(httpd):
    """Each of them is killed: an httpd before 2.4.53 replaces no child while the others have spare threads."""
    httpd.start()
    killed = set(httpd.children())
    for pid in killed:
        httpd.kill_child(pid)
    wait_until(lambda: set(httpd.children()) - killed, what="another child")
    assert not killed & set(httpd.children())
    assert httpd.get("/missing").status == 404


def test_server_starts_after_a_crash_of_the_parent(httpd):
    httpd.start()
    httpd.crash()
    httpd.expect_log(r"AH00098: pid file .* overwritten", required=False)
    httpd.start()
    assert httpd.get("/missing").status == 404


@pytest.mark.skipif(os.getuid() != 0, reason="only root changes the user of the children")
def test_children_drop_root(httpd):
    httpd.start()

    def users():
        found = set()
        for pid in httpd.children():
            with open(f"/proc/{pid}/status", encoding="utf-8") as file:
                found |= {line for line in file if line.startswith("Uid:")}
        return found

    # A new child runs as root for a moment.
    wait_until(lambda: all("0" not in line.split() for line in users()), what="children that are not root")


def test_two_servers_run_side_by_side(httpd, new_httpd):
    other = new_httpd(httpd.mpm)
    httpd.start()
    other.start()
    httpd.stop()
    assert other.get("/missing").status == 404


@pytest.mark.sanitize
def test_hub_delivers_before_and_after_every_restart(httpd):
    """One update after the start and each restart, and an end without a crash."""
    httpd.start(hub())
    for again in (httpd.graceful, httpd.restart, httpd.graceful):
        topic = "https://example.com/a"
        with httpd.subscribe([("match", topic)]) as stream:
            published = httpd.publish(topic, "hello")
            event = stream.next()
            assert (event.id, event.data) == (published.text, "hello")
        again()
    httpd.stop()
    assert httpd.runtime_files() == []


@pytest.mark.soak
def test_many_restarts_leave_nothing_behind(httpd):
    """The server serves after each restart, and files, processes and log lines do not accumulate."""
    httpd.write("htdocs/index.html", "hello")
    httpd.start(hub())
    files = httpd.runtime_files()
    for turn in range(40):
        if turn % 4 == 3:
            httpd.restart()
        else:
            httpd.graceful()
        assert httpd.get("/").text == "hello"
    assert httpd.runtime_files() == files
