"""mpm-itk: each connection has its own process, which has the user of the virtual host and lacks the threads of the
child."""
import contextlib
import os
import shutil
import signal

import pytest

from env.httpd import HAS_SANITIZER, processes
from env.hub import hub
from env.wait import wait_until
from test_lifecycle import TOPIC, publish, replay
from test_programs import descriptors, programs
from test_subscriptions import next_document, subscribers, watch

pytestmark = pytest.mark.mpm("prefork")


@pytest.fixture
def itk(httpd):
    modules = os.environ.get("HTTPD_MODULES", "/usr/lib/apache2/modules")
    if os.getuid() != 0 or not os.path.exists(f"{modules}/mpm_itk.so"):
        pytest.skip("mpm-itk needs root, and libapache2-mpm-itk")
    if HAS_SANITIZER:
        pytest.skip("a process of mpm-itk that ends may get SIGTERM while the sanitizer's exit handler holds a lock")
    httpd.sizing += "MaxRequestWorkers 16\n"
    httpd.expect_log(r"mercure:notice.*MRC0116: with mpm-itk, each stream takes a process .* holds 4 of them")
    return f'LoadModule mpm_itk_module "{modules}/mpm_itk.so"\nAssignUserID nobody nogroup\n'


def connected(httpd):
    text = httpd.get("/metrics").text
    return [line.rsplit(" ", 1)[1] for line in text.splitlines() if line.startswith("mercure_subscribers_connected{")]


METRICS = '<Location "/metrics">\nSetHandler mercure-metrics\n</Location>\n'


def test_streams_are_held_in_their_processes(httpd, itk):
    """Updates arrive, and the places of streams that end are free again."""
    httpd.start(itk + METRICS + hub("MercureMaxSubscribers 3"))
    for _ in range(3):
        streams = [httpd.subscribe([("match", TOPIC)]) for _ in range(3)]
        assert httpd.request("GET", "/.well-known/mercure?match=x").status == 429
        assert connected(httpd) == ["3"]
        for _ in range(3):
            update = httpd.publish(TOPIC, "x").text
            assert [stream.next().id for stream in streams] == [update] * 3
        for stream in streams:
            stream.close()
        wait_until(lambda: connected(httpd) == ["0"], what="the end of the streams")
    # A graceful restart ends them in order.
    with httpd.subscribe([("match", TOPIC)]) as stream:
        stream.wait_comment()
        httpd.graceful()
        assert stream.wait_end(), "not ended cleanly"
    wait_until(lambda: connected(httpd) == ["0"], what="the end of the stream")
    sent = publish(httpd, 2)
    assert replay(httpd, 11)[-2:] == sent


def test_programs_inherit_nothing(httpd, itk):
    """A CGI of another user cannot read or write the history."""
    history = httpd.path("hist")
    os.mkdir(history)
    shutil.chown(history, "www-data")
    httpd.start(itk + programs(httpd) + hub(f"MercureStore lmdb {history}"))
    update = httpd.publish(TOPIC, "x").text
    with httpd.subscribe([("match", TOPIC)]) as stream:
        for _ in range(8):
            assert not [name for name in descriptors(httpd, httpd.get("/cgi/list").text) if "hist" in name or
                        "mercure" in name or "event" in name]
        assert httpd.publish(TOPIC, "y").text == stream.next().id != update


def forks(httpd):
    """The processes that mpm-itk has forked from the children."""
    children = httpd.children()
    return [pid for pid, parent, _, state in processes() if parent in children and state != "Z"]


def test_a_killed_process_leaves_its_place(httpd, itk):
    """The counts of a process that is killed in its stream do not stay."""
    httpd.expect_log("child died with signal 9|AH00052", required=False)
    httpd.start(itk + METRICS + hub("MercureMaxSubscribers 3", "MercureSubscriptions On"))
    for _ in range(3):
        streams = [httpd.subscribe([("match", TOPIC)]) for _ in range(3)]
        for pid in forks(httpd):
            with contextlib.suppress(ProcessLookupError):  # that of another request ends by itself
                os.kill(pid, signal.SIGKILL)
        for stream in streams:
            stream.close()
        wait_until(lambda: connected(httpd) == ["0"], what="the places of the killed processes")


def exists(pid):
    return any(found == pid and state != "Z" for found, _, _, state in processes())


def test_a_process_that_outlives_its_child_gives_nothing_back(httpd, itk):
    """What it has counted is folded, and its child's slot belongs to another child."""
    httpd.expect_log("child died with signal 9|AH00052", required=False)
    httpd.start(itk + METRICS + hub())
    stream = httpd.subscribe([("match", TOPIC)])
    stream.wait_comment()
    wait_until(lambda: len(forks(httpd)) == 1, what="the process of the stream alone")
    (fork,) = forks(httpd)
    os.kill(fork, signal.SIGSTOP)
    try:
        for child in httpd.children():
            httpd.kill_child(child)
        wait_until(lambda: httpd.get("/metrics").status == 200, what="new children")
        wait_until(lambda: connected(httpd) == ["0"], what="the fold of the dead children")
        # One of these children has the slot.
        others = [httpd.subscribe([("match", TOPIC)]) for _ in range(4)]
        for other in others:
            other.wait_comment()
        assert connected(httpd) == ["4"]
        os.kill(fork, signal.SIGCONT)
        wait_until(lambda: not exists(fork), what="the end of the process")
        assert connected(httpd) == ["4"]
        update = httpd.publish(TOPIC, "x").text
        for other in others:
            assert other.next().id == update
            other.close()
    finally:
        if exists(fork):
            os.kill(fork, signal.SIGKILL)
    stream.close()
    wait_until(lambda: connected(httpd) == ["0"], what="the end of the stream")


def test_subscriptions_are_announced_when_they_begin_and_end(httpd, itk):
    httpd.start(itk + hub("MercureSubscriptions On"))
    watcher, own = watch(httpd)
    for _ in range(3):
        with httpd.subscribe([("match", TOPIC)]) as stream:
            began = next_document(watcher)
            assert began["match"] == TOPIC and began["active"]
            assert {match for match, _ in subscribers(httpd)} >= {TOPIC}
            stream.wait_comment()
        ended = next_document(watcher)
        assert ended["subscriber"] == began["subscriber"] and not ended["active"]
    assert {subscriber for _, subscriber in subscribers(httpd)} == {own}
    watcher.close()


def test_a_stop_ends_streams(httpd, itk):
    """When the child is gone, its process also ends."""
    httpd.start(itk + hub())
    stream = httpd.subscribe([("match", TOPIC)])
    stream.wait_comment()
    httpd.stop(wait=False)
    stream.wait_end()
    stream.close()
    httpd.wait_stopped()
