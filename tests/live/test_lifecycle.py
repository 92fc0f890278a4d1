"""The hub while httpd reloads, crashes and ends, and its shared memory meanwhile."""
import contextlib
import glob
import os
import random
import re
import shutil
import signal
import stat
import struct
import subprocess
import threading
import time

import pytest

from env import http, token
from env.hub import PATH, hub
from env.wait import wait_until

event_only = pytest.mark.mpm("event")

TOPIC = "https://example.com/some/topic"
EARLIEST = [("match", TOPIC), ("last_event_id", "earliest")]


def publisher(path):
    """A token that may publish to the hub at PATH."""
    return token.publisher(aud=f"https://hub.example{path}")


def publish(httpd, count, path=PATH, prefix="", size=1):
    """Publishes COUNT updates of SIZE bytes; returns their ids, PREFIX0, PREFIX1, … if there is a PREFIX."""
    minted = publisher(path)
    return [httpd.publish(TOPIC, "x" * size, path=path, token=minted,
                          fields=[("id", f"{prefix}{i}")] if prefix else ()).text for i in range(count)]


def publish_end(httpd, path=PATH):
    """Publishes an update that marks the end of the history; returns its id."""
    return httpd.publish(TOPIC, "end", path=path, token=publisher(path)).text


def replay(httpd, count, path=PATH, **more):
    """The ids of the COUNT updates that the history holds; it must hold no more."""
    with httpd.subscribe(EARLIEST, path=path, **more) as stream:
        end = publish_end(httpd, path)
        events = stream.take(count + 1)
    assert events[-1].id == end, f"{count} updates were expected, and more came: {events}"
    return [event.id for event in events[:-1]]


def ids_until(stream, end):
    """The ids of the events of STREAM before the one with the id END."""
    got = []
    while not got or got[-1] != end:
        got.append(stream.next().id)
    return got[:-1]


def read_all(httpd, path=PATH):
    """All ids in the history, up to a marker that is published at its end."""
    with httpd.subscribe(EARLIEST, path=path) as stream:
        return ids_until(stream, publish_end(httpd, path))


class Publishers:
    """
    with Publishers(httpd, 2) as publishers: …       They publish continuously, each in its own order.
    Afterwards `acknowledged` has the ids of each publisher that were answered with 200; `tried` has all ids.
    """

    def __init__(self, httpd, count):
        self.httpd = httpd
        self.stop = threading.Event()
        self.acknowledged = [[] for _ in range(count)]
        self.tried = set()
        self.strange = []
        self.threads = [threading.Thread(target=self.run, args=(n,)) for n in range(count)]

    def run(self, n):
        number = 0
        head = {"Authorization": f"Bearer {token.publisher()}",
                "Content-Type": "application/x-www-form-urlencoded"}
        while not self.stop.is_set():
            name = f"{n}-{number}"
            number += 1
            self.tried.add(name)
            try:
                response = http.request(self.httpd.port, "POST", PATH, head, f"topic={TOPIC}&id={name}&data=x")
            except (OSError, AssertionError):
                time.sleep(0.01)
                continue  # the update may have arrived or not
            if response.status == 200:
                self.acknowledged[n].append(name)
            elif response.status != 503:
                self.strange.append(response)
            time.sleep(0.002)

    def count(self):
        return sum(len(ids) for ids in self.acknowledged)

    def more(self, count=20):
        """Waits until each publisher has COUNT more acknowledged updates."""
        wanted = [len(ids) + count for ids in self.acknowledged]
        wait_until(lambda: all(len(ids) >= w for ids, w in zip(self.acknowledged, wanted)), 60,
                   what="publications going on")

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *exc):
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def check(self, got):
        """Checks that GOT, the ids in the history, has each acknowledged id once, in its publisher's order."""
        assert not self.strange, self.strange[:3]
        assert len(got) == len(set(got)), "an update came twice"
        assert set(got) <= self.tried, "an update came that nobody published"
        for ids in self.acknowledged:
            known = set(ids)
            assert [one for one in got if one in known] == ids


# ---- what the shared memory holds ----------------------------------------------------------------


def segment(httpd, pattern):
    paths = glob.glob(os.path.join(httpd.runtime_dir, pattern))
    assert len(paths) == 1, paths
    with open(paths[0], "rb") as file:
        return file.read()


def slots(httpd):
    """(state, pid) of the child slots (src/store/shm/control_layout.h); 0 is FREE, 1 LIVE."""
    data = segment(httpd, "mercure-*.control")
    magic, version, count, _, offset = struct.unpack_from("<8sIIQQ", data)
    assert (magic, version) == (b"MRCCTRL1", 4), "the layout has changed: fix this test"
    words = [struct.unpack_from("<Q", data, offset + i * 64)[0] for i in range(count)]
    return [(word >> 60, word & (1 << 30) - 1) for word in words]


def live_pids(httpd):
    return {pid for state, pid in slots(httpd) if state != 0}


def interest(httpd):
    """How many streams each child slot has (src/store/regions/interests_layout.h)."""
    data = segment(httpd, "mercure-*.hub-*")
    magic, version, count = struct.unpack_from("<8sII", data)
    assert (magic, version) == (b"MRCHUBS1", 6), "the layout has changed: fix this test"
    kind, layout, offset, size = struct.unpack_from("<IIQQ", data, 64)
    assert (kind, layout) == (0, 3) and size == 64 + count * 64, "the layout has changed: fix this test"
    return [struct.unpack_from("<Q", data, offset + 64 + 64 * slot)[0] for slot in range(count)]


@event_only
def test_runtime_files_are_private_and_small(httpd):
    httpd.start(hub())
    names = httpd.runtime_files()
    assert len(names) == 2
    for name in names:
        status = os.stat(os.path.join(httpd.runtime_dir, name))
        assert stat.S_IMODE(status.st_mode) == 0o600
        if name.endswith(".control"):
            assert status.st_blocks * 512 >= status.st_size, f"{name} is sparse"
        else:
            assert 8192 <= status.st_blocks * 512 <= 131_072 < status.st_size, f"{name} is not sparse"
        assert status.st_uid == os.getuid()


@event_only
def test_server_without_a_hub_has_no_runtime_files(httpd):
    httpd.start("")
    assert httpd.runtime_files() == []


def test_configtest_does_not_disturb_a_running_server(httpd):
    text = hub("MercureHistory bytes=8M")
    result = httpd.configtest(text)
    assert result.ok and httpd.runtime_files() == []
    httpd.start(text)
    before = httpd.runtime_files()
    with httpd.subscribe([("match", TOPIC)]) as stream:
        assert httpd.configtest(hub("MercureHistory bytes=32M")).ok
        assert httpd.configtest(hub() + hub(path="/other")).ok
        assert not httpd.configtest(hub("MercureHistory bytes=0")).ok
        assert httpd.runtime_files() == before
        update = httpd.publish(TOPIC, "x").text
        assert stream.next().id == update


# ---- reloads -------------------------------------------------------------------------------------


def test_graceful_restart_ends_streams_and_keeps_the_history(httpd):
    httpd.start(hub())
    sent = publish(httpd, 3)
    with httpd.subscribe([("match", TOPIC)]) as stream:
        stream.wait_comment()
        old = set(httpd.children())
        httpd.graceful()
        assert stream.wait_end(), "not ended cleanly"
        assert stream.parser.retry is not None and 0 < stream.parser.retry <= 60000
        assert not stream.parser.events
    with httpd.subscribe([("match", TOPIC)], {"Last-Event-ID": sent[0]}) as stream:
        assert stream.response.header("Mercure-Last-Event-ID") == sent[0]
        assert [event.id for event in stream.take(2)] == sent[1:]
    assert replay(httpd, 3) == sent
    wait_until(lambda: not old & set(httpd.children()), what="the end of the old children")
    wait_until(lambda: live_pids(httpd) <= set(httpd.children()), what="free slots of the old children")


def test_graceful_restarts_lose_no_publication(httpd):
    httpd.start(hub())
    with Publishers(httpd, 2) as publishers:
        for _ in range(3):
            publishers.more()
            httpd.graceful()
        publishers.more()
    publishers.check(read_all(httpd))


@pytest.mark.mpm("worker")
def test_child_keeps_its_slot_when_a_new_one_takes_its_place_in_the_scoreboard(httpd):
    """Under worker, httpd gives the place of a child that still has a request to a new one, and tells the modules."""
    httpd.sizing = ("StartServers 1\nServerLimit 1\nThreadsPerChild 16\nThreadLimit 16\n"
                    "MaxRequestWorkers 16\nMinSpareThreads 1\nMaxSpareThreads 16\n")
    httpd.log_level += " mpm_worker:debug"
    httpd.start(hub())
    [old] = httpd.children()
    data = f"topic={TOPIC}&data=slow".encode()
    with httpd.connect() as conn:
        conn.send_request("POST", PATH, {
            "Authorization": f"Bearer {publisher(PATH)}", "Content-Type": "application/x-www-form-urlencoded",
            "Expect": "100-continue", "Content-Length": str(len(data))})
        assert conn.read_head().status == 100  # it reads the body, in a thread of the old child
        httpd.graceful()

        def taken_over():
            with httpd.connect():  # httpd may fail to wake the thread that accepts, which then goes on until the next one
                return re.search(f"taking over scoreboard slot from {old}\\b", httpd.log())

        wait_until(taken_over, what="the new child", pause=0.5)
        with httpd.subscribe([("match", TOPIC)]) as stream:
            stream.wait_comment()
            assert (1, old) in slots(httpd), "the slot of a child that runs was given away"
            conn.send(data)
            update = conn.read_response("POST")
            assert update.status == 200
            wait_until(lambda: old not in httpd.children(), what="the end of the old child")
            wait_until(lambda: old not in live_pids(httpd), what="its free slot")
            last = httpd.publish(TOPIC, "last").text
            assert [event.id for event in stream.take(2)] == [update.text, last]


def test_restart_ends_streams_and_keeps_the_history(httpd):
    """SIGHUP ends the streams too; the shared memory stays."""
    httpd.start(hub())
    sent = publish(httpd, 3)
    with httpd.subscribe([("match", TOPIC)]) as stream:
        stream.wait_comment()
        httpd.restart()
        stream.wait_end()
    assert replay(httpd, 3) == sent
    wait_until(lambda: live_pids(httpd) <= set(httpd.children()), what="free slots of the old children")


@event_only
def test_failed_reload_leaves_no_files(httpd):
    """httpd ends when the new configuration is wrong."""
    for wrong in ("NoSuchDirective On\n", hub("MercureHistory bytes=0"), "<Location /x>\n"):
        httpd.start(hub())
        httpd.configure(wrong)
        httpd.expect_log(".", required=False)
        os.kill(httpd.pid, signal.SIGUSR1)
        assert httpd.proc.wait(timeout=60) != 0
        wait_until(lambda: not httpd.processes_left(), 60, what="the end of the children")
        assert httpd.runtime_files() == [], wrong
    httpd._crashed = True  # it has ended, as was expected


@event_only
def test_reload_resizes_a_hub(httpd):
    httpd.start(hub("MercureHistory bytes=16M"))
    size = 100_000
    sent = publish(httpd, 80, size=size)  # 8 MB
    httpd.graceful(hub("MercureHistory bytes=32M"))
    assert replay(httpd, 80) == sent
    httpd.graceful(hub("MercureHistory bytes=4M"))
    kept = read_all(httpd)
    assert 30 <= len(kept) <= 42 and kept == [*sent, kept[-1]][-len(kept):]
    httpd.graceful(hub("MercureHistory bytes=16M"))
    again = read_all(httpd)
    assert again[: -1] == kept[-len(again) + 1:] and len(again) >= len(kept) - 1
    assert len(httpd.runtime_files()) == 2


@event_only
def test_reload_changes_the_bounds_of_the_history(httpd):
    httpd.start(hub())
    sent = publish(httpd, 10)
    httpd.graceful(hub("MercureHistory count=5"))
    assert replay(httpd, 5) == sent[5:]
    httpd.graceful(hub("MercureHistory count=100"))
    assert len(read_all(httpd)) >= 5
    httpd.graceful(hub("MercureHistory Off"))
    assert replay(httpd, 0) == []
    httpd.graceful(hub())
    publish(httpd, 1, prefix="new")
    assert read_all(httpd)[-1] == "new0"


@event_only
def test_reload_adds_and_removes_hubs(httpd):
    one, two = hub(path="/one"), hub(path="/two")
    httpd.start(one)
    first = publish(httpd, 2, path="/one")
    httpd.graceful(one + two)
    assert replay(httpd, 2, path="/one") == first and replay(httpd, 0, path="/two") == []
    assert len(httpd.runtime_files()) == 3
    httpd.graceful(two)
    assert httpd.get("/one?match=x").header("Content-Type") != "application/problem+json"
    assert len(httpd.runtime_files()) == 2
    httpd.graceful("")
    assert not glob.glob(os.path.join(httpd.runtime_dir, "mercure-*.hub-*"))
    httpd.graceful(one)
    assert replay(httpd, 0, path="/one") == [], "a hub that was removed came back with its history"


@event_only
def test_name_identifies_a_hub(httpd):
    httpd.start(hub(path="/one", name="a"))
    sent = publish(httpd, 2, path="/one")
    httpd.graceful(hub(path="/moved", name="a"))  # the same hub at another path
    assert replay(httpd, 2, path="/moved") == sent
    httpd.graceful(hub(path="/moved", name="b"))
    assert replay(httpd, 0, path="/moved") == []


@event_only
def test_no_publication_is_lost_while_a_hub_is_resized(httpd):
    """An old child refuses a publication with 503 and Retry-After, or stores it where all children find it."""
    httpd.start(hub("MercureHistory bytes=16M"))
    with Publishers(httpd, 2) as publishers:
        for size in ("24M", "12M", "16M"):
            publishers.more()
            httpd.graceful(hub(f"MercureHistory bytes={size}"))
        publishers.more()
    publishers.check(read_all(httpd))


# ---- stops ---------------------------------------------------------------------------------------


def test_stop_ends_streams_cleanly(httpd):
    httpd.start(hub())
    stream = httpd.subscribe([("match", TOPIC)])
    stream.wait_comment()
    httpd.stop(wait=False)
    assert stream.wait_end(), "not ended cleanly"
    stream.close()
    httpd.wait_stopped()


@pytest.mark.mpm("event")
def test_a_child_ends_although_its_log_is_stuck(httpd):
    """A program that does not read the log blocks the thread that writes it, but not the end of the child."""
    httpd.expect_log("MRC0240")
    httpd.start(hub() + f'LogFormat "{"x" * 8000}" long\nCustomLog "|/bin/sleep 300" long\n')
    streams = [httpd.subscribe([("match", TOPIC)]) for _ in range(40)]
    httpd.stop(wait=False)
    for stream in streams:
        stream.wait_end()
        stream.close()
    httpd.wait_stopped()


def test_graceful_stop_ends_streams_cleanly(httpd):
    httpd.start(hub())
    with httpd.subscribe([("match", TOPIC)]) as stream:
        stream.wait_comment()
        httpd.graceful_stop(wait=False)
        assert stream.wait_end(), "not ended cleanly"
    httpd.wait_stopped()


# ---- crashes -------------------------------------------------------------------------------------


def test_no_publication_is_lost_when_children_are_killed(httpd):
    httpd.start(hub())
    streams = [httpd.subscribe([("match", TOPIC)]) for _ in range(3)]
    with Publishers(httpd, 2) as publishers:
        for _ in range(2):
            publishers.more(10)
            killed = httpd.kill_child()
            publishers.more(10)
            wait_until(lambda: killed not in live_pids(httpd), what="the free slot of the killed child")
    publishers.check(read_all(httpd))
    for stream in streams:
        stream.close()
    wait_until(lambda: sum(interest(httpd)) == 0, what="no interest of closed streams")
    # A new stream is served as before.
    with httpd.subscribe([("match", TOPIC)]) as stream:
        assert sum(interest(httpd)) == 1
        update = httpd.publish(TOPIC, "after").text
        assert stream.next().id == update


def test_slots_of_killed_children_are_used_again(httpd):
    if httpd.mpm == "prefork":
        httpd.sizing = "StartServers 2\nServerLimit 2\nMaxRequestWorkers 2\nMinSpareServers 2\n"
    else:
        httpd.sizing = ("StartServers 2\nServerLimit 2\nThreadsPerChild 16\nThreadLimit 16\n"
                        "MaxRequestWorkers 32\nMinSpareThreads 17\nMaxSpareThreads 48\n")
    httpd.start(hub())
    count = len(slots(httpd))
    assert count == 4
    for n in range(3):
        for pid in httpd.children():
            httpd.kill_child(pid)
        wait_until(lambda: len(httpd.children()) == 2 and live_pids(httpd) == set(httpd.children()),
                   what="two new children in their slots")
    with httpd.subscribe([("match", TOPIC)]) as stream:
        update = httpd.publish(TOPIC, "x").text
        assert stream.next().id == update
    assert "serves no hub" not in httpd.log()


@event_only
def test_slots_of_children_that_end_without_the_module_are_freed(httpd):
    """A generation without the module is not told when the children of the earlier one end."""
    httpd.start(hub())
    module, log_level, old = httpd.module, httpd.log_level, httpd.children()

    def kill_old():
        wait_until(lambda: set(httpd.children()) - set(old), what="children without the module")
        for pid in old:
            os.kill(pid, signal.SIGKILL)

    stream = httpd.subscribe(EARLIEST)
    for pid in old:
        os.kill(pid, signal.SIGSTOP)  # otherwise it would end its streams
    killer = threading.Thread(target=kill_old)
    killer.start()
    httpd.module, httpd.log_level = None, "info"
    httpd.graceful("")
    killer.join()
    wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in old), what="httpd has waited for the old children")
    httpd.module, httpd.log_level = module, log_level
    httpd.graceful(hub() + "<Location /metrics>\nSetHandler mercure-metrics\n</Location>\n")
    stream.close()
    wait_until(lambda: live_pids(httpd) == set(httpd.children()), what="slots of the living alone")
    assert re.search(r"^mercure_subscribers_connected\{.*\} 0$", httpd.get("/metrics").text, re.M)


def test_start_after_a_crash_replaces_the_runtime_files(httpd):
    httpd.start(hub())
    publish(httpd, 2)
    httpd.crash()
    stale = httpd.runtime_files()
    assert len(stale) == 2
    httpd.expect_log(r"AH00098: pid file .* overwritten", required=False)
    httpd.start(hub())
    assert len(httpd.runtime_files()) == 2 and not set(stale) & set(httpd.runtime_files())
    assert replay(httpd, 0) == []


def test_start_leaves_the_files_of_surviving_children_alone(httpd):
    """Only the parent is killed. Its children may still serve, so a new server must not take their files."""
    httpd.start(hub())
    os.kill(httpd.pid, signal.SIGKILL)
    httpd.proc.wait()
    httpd._kill_sessions()
    httpd._crashed = True
    httpd.expect_log(r"AH00098: pid file .* overwritten", required=False)
    httpd.start(hub())
    assert replay(httpd, 0) == []


# ---- the runtime directory -----------------------------------------------------------------------


@event_only
def test_two_servers_can_share_a_runtime_directory(httpd, new_httpd):
    other = new_httpd()
    other.runtime_dir = httpd.runtime_dir
    httpd.start(hub())
    mine = httpd.runtime_files()
    other.start(hub())
    assert set(mine) < set(httpd.runtime_files()) and len(httpd.runtime_files()) == 4
    one, two = publish(httpd, 2), publish(other, 3)
    assert replay(httpd, 2) == one and replay(other, 3) == two
    httpd.graceful()
    assert len(httpd.runtime_files()) == 4
    other.stop(wait=False)
    assert other.proc.wait(timeout=60) == 0
    assert httpd.runtime_files() == mine
    publish(httpd, 1)
    other.runtime_dir = other.path("run")


@event_only
def test_other_files_in_the_runtime_directory_stay(httpd):
    names = ("mercure-notes.txt", "mercure-0123.control", "other", "mercure-0123456789abcdef01234567.hub-x")
    for name in names:
        httpd.write(f"run/{name}", "mine")
    os.mkdir(httpd.path("run/mercure-0123456789abcdef01234567.control"))
    httpd.start(hub())
    for name in names:
        with open(httpd.path(f"run/{name}"), encoding="utf-8") as file:
            assert file.read() == "mine"
        os.unlink(httpd.path(f"run/{name}"))
    os.rmdir(httpd.path("run/mercure-0123456789abcdef01234567.control"))


@event_only
def test_start_fails_in_a_read_only_runtime_directory(httpd):
    httpd.runtime_dir = "/proc"  # not even root can write there
    output = httpd.start_fails(hub())
    assert "without their shared memory: cannot create" in output and "/proc" in output
    httpd.runtime_dir = httpd.path("run")


@event_only
def test_start_under_a_small_file_size_limit(httpd, monkeypatch):
    """The server starts, and the hub answers 503."""
    if not shutil.which("prlimit"):
        pytest.skip("no prlimit")
    monkeypatch.setenv("MERCURE_HTTPD_WRAPPER", "prlimit --fsize=4000000")
    httpd.expect_log(r"mercure:crit.*MRC0211: a hub has no shared memory: .*ulimit -f")
    httpd.expect_log(r"mercure:error.*MRC0225")
    httpd.start(hub())
    assert httpd.publish(TOPIC, "x", status=503).header("Retry-After")


@event_only
def test_reload_goes_on_when_the_bound_of_the_memory_is_too_small(httpd):
    """A start and configtest refuse such a bound."""
    httpd.start(hub())
    sent = publish(httpd, 1)
    httpd.expect_log(r"mercure:error.*MRC0107: MercureMemory 1048576 is too small.*This reload goes on")
    httpd.graceful("MercureMemory 1M\n" + hub())
    assert replay(httpd, 1) == sent
    publish(httpd, 1)
    assert not httpd.configtest("MercureMemory 1M\n" + hub()).ok


@contextlib.contextmanager
def small_runtime_dir(httpd, size):
    """Mounts a file system of SIZE on the runtime directory; skips the test where that is not possible."""
    if os.getuid() != 0:
        pytest.skip("only root can mount a file system")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", httpd.runtime_dir], check=False,
                          capture_output=True)
    if done.returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", httpd.runtime_dir], check=True)


@event_only
def test_start_without_room_serves_the_rest(httpd):
    """The server starts, the hub answers 503, and a reload that finds room opens the hub."""
    with small_runtime_dir(httpd, "1m"):
        httpd.write("htdocs/index.html", "here")
        httpd.write("run/filler", "x" * 970_000)
        httpd.expect_log(r"mercure:crit.*MRC0211: a hub has no shared memory: no room for .*make room.*MercureMemory")
        httpd.expect_log(r"mercure:error.*MRC0225: the hub .* refuses all requests with 503")
        httpd.start(hub())
        assert httpd.get("/index.html").text == "here"
        refused = httpd.publish(TOPIC, "x", status=503)
        assert refused.header("Retry-After") and "does not serve the hub" in refused.json["detail"]
        assert httpd.get(f"{PATH}?match=x", {"Accept": "text/plain"}).status == 503
        os.unlink(httpd.path("run/filler"))
        httpd.graceful()
        sent = publish(httpd, 1)
        assert replay(httpd, 1) == sent
        httpd.stop()


def publish_until_full(httpd, path=PATH, size=20_000):
    """Publishes until the hub has no room: the ids of the updates, and the last answer."""
    ids = []
    while True:
        result = httpd.publish(TOPIC, "x" * size, path=path, token=publisher(path), status=None)
        if result.status != 200:
            return ids, result
        ids.append(result.text)
        assert len(ids) < 1000


@event_only
@pytest.mark.parametrize("bound", ["file system", "MercureMemory"])
def test_a_hub_without_room_answers_503_and_the_others_go_on(httpd, bound):
    """The server starts with hubs that may take more memory than there is. configtest warns of that."""
    few, many = hub(path="/hub0"), "".join(hub(path=f"/hub{n}") for n in range(5))
    if bound == "MercureMemory":
        few, many = (f"MercureMemory 3M\n{text}" for text in (
            hub("MercureHistory bytes=3M", "MercureLimit body=512K", path="/hub0"),
            "".join(hub("MercureHistory bytes=3M", "MercureLimit body=512K", path=f"/hub{n}") for n in range(5))))
    with small_runtime_dir(httpd, "4m" if bound == "file system" else "200m"):
        result = httpd.configtest(many)
        assert result.ok, result
        if bound == "file system":
            warning = re.search(r"MRC0117: the 5 hub\(s\) may take (\d+) bytes of shared memory together, and (\S+) has "
                                r"(\d+) bytes.*MercureHistory bytes=.*MercureMemory.*DefaultRuntimeDir", result.output)
            assert warning and int(warning[1]) > int(warning[3]) > 0 and httpd.runtime_dir in warning[2], result
        else:
            assert "MRC0117" not in result.output
        httpd.start(many)
        publish(httpd, 1, path="/hub1")
        with httpd.subscribe([("match", TOPIC)], path="/hub1") as stream:
            httpd.expect_log(r"mercure:error.*MRC0714: hub localhost/hub0: .*MercureMemory.*MercureHistory.*DefaultRuntimeDir")
            ids, refused = publish_until_full(httpd, "/hub0")
            assert refused.status == 503 and "no memory left" in refused.json["detail"] and refused.header("Retry-After")
            assert len(ids) > 50
            with httpd.subscribe(EARLIEST, path="/hub0") as other:
                assert [event.id for event in other.take(len(ids))] == ids
            sent = publish(httpd, 1, path="/hub1", prefix="small")  # in a page that the hub already has
            assert stream.next().id == sent[0]
            with httpd.subscribe([("match", TOPIC)], path="/hub2"):  # a subscriber needs no room
                pass
        # A reload that removes the other hubs makes room.
        httpd.graceful(few)
        assert replay(httpd, len(ids), path="/hub0") == ids
        publish(httpd, 1, path="/hub0", prefix="after")
        httpd.stop()


@event_only
def test_reload_without_room_keeps_the_old_memory(httpd):
    """The hub keeps the memory that it has, and the log says so."""
    with small_runtime_dir(httpd, "4m"):
        httpd.start(hub())
        sent = publish(httpd, 20, size=100_000)
        httpd.expect_log(r"mercure:warn.*keeps the memory and history bounds it had before: no room for a copy")
        httpd.graceful(hub("MercureHistory bytes=200M"))
        assert replay(httpd, 20) == sent
        publish(httpd, 1, prefix="after")
        httpd.stop()


# ---- the history ---------------------------------------------------------------------------------


@event_only
def test_history_count_is_exact(httpd):
    httpd.start(hub("MercureHistory count=7"))
    for n in range(1, 16):
        publish(httpd, 1, prefix=f"{n}-")
        if n in (1, 6, 7, 8, 15):
            with httpd.subscribe(EARLIEST) as stream:
                wanted = [f"{i}-0" for i in range(max(1, n - 6), n + 1)]
                assert [event.id for event in stream.take(len(wanted))] == wanted


@event_only
def test_history_age_drops_old_updates_only(httpd):
    """Younger updates stay, and another hub with a longer age keeps what this one drops."""
    long, short = "/long", "/short"
    httpd.start(hub("MercureHistory age=1", path=short) + hub("MercureHistory age=600", path=long))
    for path in (long, short):
        publish(httpd, 1, path=path, prefix="old")
    wait_until(lambda: "old0" not in read_all(httpd, short), what="the end of the old update")
    assert read_all(httpd, long) == ["old0"]
    # A young update is there, unless the test is slow.
    wait_until(lambda: publish(httpd, 1, path=short)[0] in read_all(httpd, short), what="an update of this second")
    for path, answered in ((long, "old0"), (short, "earliest")):
        with httpd.subscribe([("match", TOPIC)], {"Last-Event-ID": "old0"}, path=path) as stream:
            assert stream.response.header("Mercure-Last-Event-ID") == answered


def test_replay_during_publication_is_complete_and_in_order(httpd):
    """No update is lost or duplicated, and all subscribers see the same order, whenever they join."""
    httpd.start(hub())
    streams = []
    with Publishers(httpd, 2) as publishers:
        for _ in range(4):
            publishers.more(15 + random.randrange(10))
            streams.append(httpd.subscribe(EARLIEST))
    end = publish_end(httpd)
    orders = []
    for stream in streams:
        orders.append(ids_until(stream, end))
        stream.close()
    publishers.check(orders[0])
    assert all(order == orders[0] for order in orders)
