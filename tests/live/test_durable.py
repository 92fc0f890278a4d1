"""The durable history: an update answered with 200 survives every kind of end, once and in order."""
import glob
import json
import os
import random
import re
import shutil
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from env import token
from env.httpd import Httpd
from env.hub import PATH, hub
from env.wait import DEADLINE, wait_until
from test_lifecycle import EARLIEST, TOPIC, Publishers, ids_until, publish, read_all, replay

pytestmark = pytest.mark.mpm("event")


@pytest.fixture(autouse=True, scope="module")
def needs_lmdb():
    with Httpd("event", "needs_lmdb") as server:
        if "this build has no LMDB" in server.configtest(hub("MercureStore lmdb data")).output:
            pytest.skip("built without LMDB")


def durable(*directives, sync=None, path="data", **more):
    return hub(f"MercureStore lmdb {path}" + (f" sync={sync}" if sync else ""), *directives, **more)


def place(name):
    """The path of one of a server's hubs, and the directory of its history."""
    return f"/{name}", f"data-{name}"


def durable_at(name, *directives, **more):
    """The configuration of the hub at place(NAME)."""
    path, data = place(name)
    return durable(*directives, path=data, name=name, **more).replace(PATH, path)


def start(httpd, *directives, **more):
    return httpd.start("MaxKeepAliveRequests 0\n" + durable(*directives, **more))


def files(httpd, pattern="history-*.mdb", data="data"):
    return glob.glob(os.path.join(glob.escape(httpd.path(data)), "*", pattern))


def the_file(httpd, data="data"):
    found = files(httpd, data=data)
    assert len(found) == 1, found
    return found[0]


def end_of(httpd):
    """The id of the newest update."""
    with httpd.subscribe([("match", TOPIC), ("last_event_id", "")]) as stream:
        return stream.response.header("Mercure-Last-Event-ID")


def publish_many(httpd, ids, size=1, threads=8, path=PATH):
    """Publishes IDS over several connections at once; each must be answered with 200."""
    minted = token.publisher(aud=f"https://hub.example{path}")
    head = {"Authorization": f"Bearer {minted}", "Content-Type": "application/x-www-form-urlencoded"}
    rest, problems = list(reversed(ids)), []

    def run():
        with httpd.connect() as conn:
            while rest and not problems:
                try:
                    name = rest.pop()
                except IndexError:
                    return
                response = conn.request("POST", path, head, f"topic={TOPIC}&id={name}&data={'x' * size}")
                if response.status != 200:
                    problems.append(response)

    workers = [threading.Thread(target=run) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not problems, problems[:3]


# ---- the configuration ---------------------------------------------------------------------------


def test_configtest_refuses_an_unusable_store(httpd):
    os.makedirs(httpd.path("there"))
    httpd.write("file", "")
    for text, words in (
            (durable(path="file"), "file is not a directory"),
            (durable(path="no/such/data"), "such is not a directory: create it"),
            (durable(sync="perhaps"), "sync=full"),
            (hub("MercureStore lmdb"), "takes the path"),
            (hub("MercureStore disk"), "MercureStore disk is not valid: the directive takes"),
            (durable(name="a") + durable(path="there", name="a", identifier=None).replace(PATH, "/b"), "disagree"),
            (durable(name="a") + durable(sync="none", name="a").replace(PATH, "/b"), "disagree")):
        result = httpd.configtest(text)
        assert not result.ok and "MercureStore" in result.output and words in result.output, (text, result)
    assert httpd.configtest(durable() + durable("MercureHistory count=0 bytes=0", name="a").replace(PATH, "/b")).ok
    assert not os.path.exists(httpd.path("data")), "configtest has created the directory"
    # A directory that cannot be created is an error at the start. Not even root can create one here.
    output = httpd.start_fails(durable(path="/proc/data"))
    assert "MercureStore lmdb" in output and "/proc" in output


# ---- restarts ------------------------------------------------------------------------------------


def test_history_survives_stop_and_start(httpd):
    """The first request after a start finds the history, its last id and its order; a reload changes its bounds."""
    httpd.start("MaxKeepAliveRequests 0\n<Location /metrics>\nSetHandler mercure-metrics\n</Location>\n" +
                durable("MercureHistory count=0 bytes=64M", sync="none"))
    publish_many(httpd, [f"m{n}" for n in range(2500)])
    wait_until(lambda: re.search(r"^mercure_history_updates\{.*\} 2500$", httpd.get("/metrics").text, re.MULTILINE),
               what="2500 updates in the metrics")
    httpd.stop()
    httpd.start()
    before = end_of(httpd)
    got = read_all(httpd)
    assert sorted(got) == sorted(f"m{n}" for n in range(2500)) and got[-1] == before
    # A subscriber that comes back gets all that it has missed, however much that is, and nothing twice.
    with httpd.subscribe([("match", TOPIC)], {"Last-Event-ID": got[99]}) as stream:
        assert stream.response.header("Mercure-Last-Event-ID") == got[99]
        assert [event.id for event in stream.take(2400)] == got[100:]
        assert stream.next().data == "end"
        live = httpd.publish(TOPIC, "live").text
        assert stream.next().id == live
    httpd.graceful(durable("MercureHistory count=20", sync="none"))
    kept = read_all(httpd)
    assert len(kept) == 20 and kept[-1] == live
    with httpd.subscribe([("match", TOPIC)], {"Last-Event-ID": got[99]}) as stream:
        assert stream.response.header("Mercure-Last-Event-ID") == "earliest"
        assert len(stream.take(20)) == 20
    httpd.stop()
    # The history belongs to the hub and comes back only under the hub's name.
    httpd.start(durable(name="other"))
    assert replay(httpd, 0) == []


def test_history_survives_a_change_of_store(httpd):
    httpd.start(hub())
    sent = publish(httpd, 5)
    for store in (durable(), hub(), durable()):
        httpd.graceful(store)
        got = read_all(httpd)
        assert got == sent, "updates are lost, or those that both stores have came twice"
        sent = [*got, end_of(httpd)]
        sent += publish(httpd, 3)
    httpd.stop()
    httpd.start()
    assert read_all(httpd) == sent


def test_every_sync_setting_survives_a_crash_of_httpd(httpd):
    httpd.start("".join(durable_at(sync, sync=sync) for sync in ("full", "group", "none")))
    sent = {sync: publish(httpd, 3, path=f"/{sync}") for sync in ("full", "group", "none")}
    httpd.crash()
    httpd.expect_log(r"AH00098: pid file .* overwritten", required=False)
    httpd.start()
    for sync, ids in sent.items():
        assert replay(httpd, 3, path=f"/{sync}") == ids


# ---- bounds --------------------------------------------------------------------------------------


def size_of(path):
    """The size of a file on disk, in bytes."""
    return os.stat(path).st_blocks * 512


def test_file_stops_growing_at_its_bound(httpd):
    """Ten times the bound is published; the file reuses the room of dropped updates."""
    httpd.start("MaxKeepAliveRequests 0\n" + "".join(
        durable_at(f"{size}", f"MercureHistory count=0 bytes={300 * size}", "MercureLimit body=64K", sync="none")
        for size in (700, 9000)))
    for size in (700, 9000):
        path, data = place(f"{size}")
        sizes = []
        for n in range(10):
            publish_many(httpd, [f"{n}-{i}" for i in range(300)], size=size, path=path)
            sizes.append(size_of(the_file(httpd, data)))
        assert sizes[9] <= 1.25 * sizes[2], (size, sizes)
        got = read_all(httpd, path)
        assert 280 <= len(got) < 300 and set(got) <= {f"{n}-{i}" for n in (8, 9) for i in range(300)}


# ---- damage and full disks -----------------------------------------------------------------------


def damage_middle(path):
    pages = os.path.getsize(path) // 4096
    with open(path, "r+b") as file:
        for page in range(2, pages):
            file.seek(page * 4096 + 20)
            file.write(os.urandom(600))


def damage_end(path):
    os.truncate(path, os.path.getsize(path) // 2)


def damage_data(path):
    """Changes a few bytes of one update's data."""
    with open(path, "r+b") as file:
        at = file.read().rindex(b"y" * 50)
        file.seek(at)
        file.write(b"z" * 9)


def damage_all(path):
    os.truncate(path, 0)  # a full disk may also leave an empty file


DAMAGES = {"middle": damage_middle, "end": damage_end, "data": damage_data, "all": damage_all}


def test_damaged_file_is_set_aside(httpd):
    """One hub for each kind of damage, and one whose file is intact."""
    httpd.start("MaxKeepAliveRequests 0\n" + "".join(durable_at(name, sync="none") for name in (*DAMAGES, "whole")))
    last = {}
    for name in (*DAMAGES, "whole"):
        path, _ = place(name)
        publish_many(httpd, [f"m{n}" for n in range(300)], size=400, path=path)
        last[name], = publish(httpd, 1, path=path, prefix="y" * 50)
    httpd.stop()
    for name, damage in DAMAGES.items():
        _, data = place(name)
        damage(the_file(httpd, data))
        httpd.expect_log(rf"MercureStore lmdb: the history in .*/{data}/.* is damaged .*set aside")
    httpd.expect_log(r"mdb\.c:\d+: Assertion", required=False)
    httpd.start()
    for name in DAMAGES:
        path, data = place(name)
        assert len(files(httpd, "history-1.mdb.damaged-*", data)) == 1, name
        with httpd.subscribe([("match", TOPIC)], {"Last-Event-ID": last[name]}, path=path) as stream:
            assert stream.response.header("Mercure-Last-Event-ID") == "earliest", name
            update, = publish(httpd, 1, path=path)
            assert stream.next().id == update
        assert read_all(httpd, path) == [update], name
    path, data = place("whole")
    assert not files(httpd, "*damaged*", data) and read_all(httpd, path)[-1] == last["whole"]


@pytest.mark.skipif(not shutil.which("prlimit"), reason="no prlimit")
def test_full_disk_refuses_publications_and_ends_no_stream(httpd, monkeypatch):
    """Publishers get 503 with Retry-After until there is room again; no stream ends."""
    monkeypatch.setenv("MERCURE_HTTPD_WRAPPER", "prlimit --fsize=20000000:unlimited")
    httpd.expect_log(r"mercure:error.*an update was not stored", required=False)
    start(httpd, "MercureHistory count=0 bytes=0", "MercureLimit body=400K")
    stream = httpd.subscribe([("match", TOPIC)])
    sent = []
    while True:
        response = httpd.publish(TOPIC, "x" * 300_000, status=None)
        if response.status != 200:
            break
        sent.append(response.text)
        assert stream.next().id == response.text
        assert len(sent) < 100, "the file size limit was never reached"
    assert response.status == 503 and response.header("Retry-After").isdigit(), response
    assert response.header("Content-Type") == "application/problem+json"
    children = httpd.children()
    for pid in children:
        subprocess.run(["prlimit", "--pid", str(pid), "--fsize=unlimited"], check=True,
                       **({"user": "www-data", "group": "www-data"} if os.getuid() == 0 else {}))
    update = httpd.publish(TOPIC, "room").text
    assert stream.next().id == update
    assert set(children) <= set(httpd.children()), "a child has died"
    stream.close()
    assert read_all(httpd) == [*sent, update]


def test_child_that_cannot_open_the_history_reports_it(httpd):
    """The child answers requests to the hub with 503, and /health reports the reason. It opens the hub when it can."""
    httpd.start(durable() + '<Location "/health">\nSetHandler mercure-health\n</Location>\n')
    folder = os.path.dirname(the_file(httpd))
    httpd.expect_log(r"this child does not serve a hub whose history cannot be opened")
    httpd.expect_log(r"MRC0236: hub .*: this child cannot serve it now: ", required=False)
    httpd.expect_log(r"AH1039[23]: children are killed successively", required=False)
    os.chmod(folder, 0)
    for pid in httpd.children():
        httpd.kill_child(pid)
    wait_until(lambda: httpd.get("/health").status == 503, what="children that cannot serve the hub")
    assert "could not be opened" in httpd.get("/health").json["reason"]
    assert httpd.get("/health/live").status == 200
    for response in (httpd.publish(TOPIC, "x", status=None), httpd.get(f"{PATH}?match=a")):
        assert response.status == 503 and response.header("Retry-After").isdigit(), response
    children = httpd.children()
    os.chmod(folder, 0o700)

    # Each child tries again after a pause of its own, and any of them may get a request.
    def published():
        response = httpd.publish(TOPIC, "x", status=None)
        return response.status == 200 and response.text

    def subscribed():
        """A stream with the first update. A child that does not serve the hub yet ends it, and says when to come again."""
        stream = httpd.subscribe(EARLIEST)
        while not stream.parser.events and stream.pump(DEADLINE):
            pass
        if stream.parser.events:
            return stream
        stream.close()
        return None

    update = wait_until(published, what="a child that can publish")
    with wait_until(subscribed, what="a child that can serve a stream") as stream:
        end = wait_until(published, what="a child that can publish")
        assert ids_until(stream, end)[-1] == update
    wait_until(lambda: httpd.get("/health").status == 200, what="a healthy child")
    assert set(children) <= set(httpd.children())


# ---- the tool ------------------------------------------------------------------------------------


def tool(*args, text=None, status=0):
    """Runs mercure-history; returns its standard output, or its standard error where STATUS is not 0."""
    program = os.path.join(os.environ["MERCURE_BUILD"], "mercure-history")
    done = subprocess.run([program, *args], input=text, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == status, done
    return done.stdout if status == 0 else done.stderr


@pytest.mark.skipif("MERCURE_BUILD" not in os.environ, reason="MERCURE_BUILD is not set: the tool cannot be found")
def test_tool_lists_exports_imports_and_compacts(httpd):
    """The tool works while the hub runs, and while it is stopped."""
    start(httpd, "MercureHistory count=0 bytes=0", sync="none")
    folder = os.path.dirname(the_file(httpd))
    httpd.publish([TOPIC, TOPIC + "/b"], 'q"\n\u20ac', fields=[("id", "first"), ("type", "t"), ("retry", "7")])
    publish_many(httpd, [f"m{n}" for n in range(1200)], size=500, threads=4)
    stream = httpd.subscribe([("match", TOPIC)])
    lines = tool("export", folder).splitlines()
    exported = [json.loads(line) for line in lines]
    assert [one["id"] for one in exported] == read_all(httpd)
    first = exported[0]
    assert (first["topic"], first["data"], first["type"], first["retry"]) == (
        [TOPIC, TOPIC + "/b"], 'q"\n\u20ac', "t", "7")
    assert abs(first["time_us"] / 1e6 - time.time()) < 600
    assert "1202 updates" in tool("list", httpd.path("data")) and "well-known" in tool("list", httpd.path("data"))
    assert tool("list", folder).splitlines()[0].split()[3:5] == ["first", TOPIC]
    # The next publication makes imported updates visible, in order and once.
    assert stream.next().data == "end"
    more = "".join(json.dumps({"id": f"i{n}", "topic": [TOPIC], "data": f"{n}"}) + "\n" for n in range(700))
    tool("import", folder, text=lines[0] + "\n" + more)
    last = httpd.publish(TOPIC, "after").text
    assert [event.id for event in stream.take(701)] == [f"i{n}" for n in range(700)] + [last]
    before = size_of(the_file(httpd))
    httpd.graceful(durable("MercureHistory count=100", sync="none"))
    kept = [*read_all(httpd), end_of(httpd)]
    publish_many(httpd, [f"c{n}" for n in range(60)])
    # Updates that are published while the tool works are all kept, however long it takes.
    httpd.graceful(durable("MercureHistory count=0 bytes=0", sync="none"))
    with Publishers(httpd, 2) as load:
        load.more(5)
        tool("compact", folder)
        load.more(5)
    load.check([one for one in read_all(httpd) if one in load.tried])
    assert os.path.basename(the_file(httpd)) == "history-2.mdb" and size_of(the_file(httpd)) < before / 2
    assert len(kept) == 101 and kept[-2] == last
    httpd.stop()
    found = tool("export", folder).splitlines()
    tool("compact", folder)
    assert tool("export", folder).splitlines() == found
    tool("import", folder, text=more.replace('"i', '"j').replace('"jd', '"id'))
    for bad, why in (("{}", "id"), ('{"id":"x"}', "topic"), ('{"id":"x","topic":[]}', "topic"), ("x", "JSON"),
                     ('{"id":"a\\nb","topic":["t"]}', "line 1"), ('{"id":"x","topic":["t"],"retry":"x"}', "retry")):
        assert why in tool("import", folder, text=bad + "\n", status=1), bad
    assert tool("list", httpd.path("nothing"), status=1) and tool("forget", folder, status=2)
    httpd.start()
    assert read_all(httpd)[-5:] == [f"j{n}" for n in range(695, 700)]


@pytest.mark.skipif("MERCURE_BUILD" not in os.environ, reason="MERCURE_BUILD is not set: the tool cannot be found")
def test_ids_of_an_old_history_stay_readable(httpd):
    """No publisher may give such ids any more, because a field of a request cannot hold them."""
    start(httpd, sync="none")
    folder = os.path.dirname(the_file(httpd))
    old = [" a", "b ", "c" * 8177]
    tool("import", folder, text="".join(json.dumps({"id": one, "topic": [TOPIC], "data": "x"}) + "\n" for one in old))
    last = httpd.publish(TOPIC, "last").text
    with httpd.subscribe([("match", TOPIC), ("last_event_id", "earliest")]) as stream:
        assert [event.id for event in stream.take(4)] == [*old, last]
    for number, one in enumerate(old[:2]):
        with httpd.subscribe([("match", TOPIC), ("last_event_id", one)]) as stream:
            assert stream.next().id == [*old, last][number + 1]
    exported = tool("export", folder)
    assert [json.loads(line)["id"] for line in exported.splitlines()] == [*old, last]
    tool("import", folder, text=exported)


@pytest.mark.skipif("MERCURE_BUILD" not in os.environ, reason="MERCURE_BUILD is not set: the tool cannot be found")
def test_tool_imports_the_hubs_own_events(httpd):
    start(httpd, "MercureSubscriptions On", sync="none")
    folder, other = os.path.dirname(the_file(httpd)), httpd.path("other")
    with httpd.subscribe([("match", TOPIC)]):
        httpd.publish(TOPIC, "x")
        wait_until(lambda: '"mercure"' in tool("export", folder), what="the event of the subscription")
    httpd.stop()
    os.mkdir(other)
    lines = tool("export", folder)
    events = [json.loads(line) for line in lines.splitlines()]
    assert "mercure" in [event.get("type") for event in events]
    tool("import", other, text=lines)
    assert tool("export", other) == lines
    # The hub's own events are private: a public one of this type is not from the hub.
    forged = json.dumps({"id": "x", "topic": ["t"], "type": "mercure"})
    assert "reserved" in tool("import", other, text=forged + "\n", status=1)
    # The path of the store is not the directory of a hub; the tool leaves it unchanged.
    path = os.path.dirname(folder)
    before = os.listdir(path)
    assert "name the directory of a hub" in tool("import", path, text=lines, status=1) and os.listdir(path) == before


# ---- faults --------------------------------------------------------------------------------------


class Stream(threading.Thread):
    """A subscriber that listens all the time and comes back with its last id; `ids` is what it received."""

    def __init__(self, httpd):
        super().__init__()
        self.httpd, self.ids, self.stopping, self.problem = httpd, [], False, None

    def run(self):
        while not self.stopping:
            headers = {"Last-Event-ID": self.ids[-1]} if self.ids else {}
            query = [("match", TOPIC)] + ([] if self.ids else [("last_event_id", "earliest")])
            try:
                with self.httpd.subscribe(query, headers, status=None) as stream:
                    if stream.response.status != 200:
                        continue
                    answered = stream.response.header("Mercure-Last-Event-ID")
                    if self.ids and answered not in (None, self.ids[-1]):
                        self.problem = f"the hub no longer knows {self.ids[-1]}, and starts after {answered}"
                        return
                    while not stream.ended and not self.stopping:
                        stream.pump(0.2)
                        self.ids += [event.id for event in stream.parser.events]
                        stream.parser.events.clear()
            except (OSError, AssertionError, EOFError):
                time.sleep(0.02)


def kill_one(httpd):
    httpd.kill_child(random.choice(httpd.children()))


def kill_all(httpd):
    httpd.crash()
    httpd.start()


def check_faults(httpd, rounds, fault, publishers=6):
    """FAULT happens at random moments under load; afterwards every acknowledged update is there."""
    httpd.expect_log(r"AH00098: pid file .* overwritten", required=False)
    httpd.expect_log(r"AH10392: children are killed successively", required=False)
    streams = [Stream(httpd) for _ in range(2)]
    for stream in streams:
        stream.start()
    try:
        with Publishers(httpd, publishers) as load:
            for _ in range(rounds):
                load.more(3)
                time.sleep(random.random() * 0.2)
                fault(httpd)
            load.more(3)
        end = httpd.publish(TOPIC, "end").text
        for stream in streams:
            wait_until(lambda: stream.problem or stream.ids[-1:] == [end], 60, "the last update")
    finally:
        for stream in streams:
            stream.stopping = True
            stream.join()
    got = read_all(httpd)
    assert got[-1] == end
    load.check(got[:-1])
    for stream in streams:
        assert not stream.problem, stream.problem
        assert stream.ids == got, "a stream has lost or doubled an update, or has another order"


def test_second_server_cannot_use_the_history_of_the_first(httpd, new_httpd):
    """The second server waits, and does not get the history when a child of the first dies or the first reloads."""
    start(httpd, "MercureHistory count=0 bytes=64M")
    other = new_httpd()
    faults = [FAULTS["child"]] * 5 + [FAULTS["graceful"]] * 3
    with ThreadPoolExecutor(1) as pool:
        refusal = pool.submit(other.start_fails, durable(path=httpd.path("data")))
        check_faults(httpd, len(faults), lambda server: faults.pop(0)(server))
        output = refusal.result()
    assert "another server" in output and "MercureStore" in output


def subscription_events(httpd, path, cursor, until):
    """The subscription events of the hub at PATH after CURSOR, up to now: [(match, active)]. Waits for UNTIL."""
    pattern = f"{path}/subscriptions/:type/:match/:subscriber"
    minted = token.subscriber([("urlpattern", pattern)], aud=f"https://hub.example{path}")
    query = [("match_urlpattern", pattern), ("match", TOPIC), ("last_event_id", cursor)]
    found, end = [], None
    with httpd.subscribe(query, path=path, token=minted) as watcher:
        while True:
            event = watcher.next()
            if event.event == "mercure":
                one = json.loads(event.data)
                found.append((one["match"], one["active"]))
            elif event.id == end:
                return [one for one in found if one[0] in ("urn:left", "urn:ended")]
            if until in found and not end:
                end = publish(httpd, 1, path)[0]


def test_ends_that_a_crash_left_are_announced_once(httpd):
    """All processes die, and so do those of the next server. The history of one hub has trimmed the beginnings."""
    httpd.expect_log(r"AH00098: pid file .* overwritten", required=False)
    path, trimmed = (place(name)[0] for name in ("one", "two"))
    httpd.start(durable_at("one", "MercureSubscriptions On") +
                durable_at("two", "MercureSubscriptions On", "MercureHistory count=2"))
    cursor = publish(httpd, 1, path)[0]
    left = [httpd.subscribe([("match", "urn:left")], path=one) for one in (path, trimmed)]
    httpd.subscribe([("match", "urn:ended")], path=path).close()
    began = [("urn:left", True), ("urn:ended", True), ("urn:ended", False)]
    assert subscription_events(httpd, path, cursor, began[-1]) == began
    publish(httpd, 3, trimmed)
    bearer = {"Authorization": f"Bearer {token.subscriber(aud=f'https://hub.example{trimmed}')}"}
    before = httpd.get(f"{trimmed}/subscriptions", bearer)
    assert len(before.json["subscriptions"]) == 1
    for _ in range(2):
        kill_all(httpd)
    assert subscription_events(httpd, path, cursor, ("urn:left", False)) == began + [("urn:left", False)]
    assert ("urn:left", False) in subscription_events(httpd, trimmed, "earliest", ("urn:left", False))
    # The client's list is not the current one.
    after = httpd.get(f"{trimmed}/subscriptions", {**bearer, "If-None-Match": before.header("ETag")})
    assert after.status == 200 and "urn:left" not in [one["match"] for one in after.json["subscriptions"]]
    httpd.restart()
    assert subscription_events(httpd, path, cursor, ("urn:left", False)) == began + [("urn:left", False)]
    for stream in left:
        stream.close()


FAULTS = {"child": kill_one, "all": kill_all, "graceful": lambda httpd: httpd.graceful()}


def test_history_survives_crashes_under_load(httpd):
    """All processes die at once; a test above causes the other faults."""
    start(httpd, "MercureHistory count=0 bytes=64M")
    check_faults(httpd, 5, FAULTS["all"])


@pytest.mark.soak
@pytest.mark.parametrize("fault", FAULTS)
def test_history_survives_many_faults_under_load(httpd, fault):
    start(httpd, "MercureHistory count=0 bytes=256M")
    check_faults(httpd, 20 if fault == "graceful" else 50, FAULTS[fault], 12)


@pytest.mark.soak
@pytest.mark.parametrize("fault", ["child", "graceful"])
def test_history_in_memory_survives_many_faults_under_load(httpd, fault):
    httpd.start(hub("MercureHistory count=0 bytes=64M"))
    check_faults(httpd, 20 if fault == "graceful" else 50, FAULTS[fault])


@pytest.mark.parametrize("fault", ["child", "graceful"])
def test_history_in_memory_survives_faults_under_load(httpd, fault):
    httpd.start(hub("MercureHistory count=0 bytes=64M"))
    check_faults(httpd, 3, FAULTS[fault])


@pytest.mark.mpm("event", "prefork")
def test_a_reload_without_the_directory_serves_the_rest(httpd):
    """The hub whose directory cannot be used answers 503 until a reload finds that it can."""
    here = hub(path="/here")
    httpd.start(here)
    file = httpd.write("conf/file", "x")
    bad = hub(f"MercureStore lmdb {file}/hist", path="/there")
    assert not httpd.configtest(here + bad).ok
    httpd.expect_log(r"mercure:crit.*MRC0209: MercureStore lmdb: .*conf/file")
    httpd.expect_log(r"mercure:error.*MRC0225: the hub .*/there refuses all requests with 503")
    httpd.graceful(here + bad)
    publish(httpd, 1, path="/here")
    bearer = token.publisher(aud="https://hub.example/there")
    assert httpd.publish("x", "1", token=bearer, path="/there", status=503).header("Retry-After")
    assert httpd.get("/there?match=x", {"Accept": "text/plain"}).status == 503
    os.unlink(file)
    os.mkdir(file)
    if os.getuid() == 0:
        os.chmod(file, 0o777)
    httpd.graceful()
    sent = publish(httpd, 1, path="/there")
    assert replay(httpd, 1, path="/there") == sent


@pytest.mark.skipif("MERCURE_BUILD" not in os.environ, reason="MERCURE_BUILD is not set: the tool cannot be found")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_tool_of_root_acts_as_the_owner_of_each_directory(httpd):
    """It opens no file with root's rights in a directory that another user controls, and follows no link of that user."""
    start(httpd, sync="none")
    httpd.publish(TOPIC, "x")
    httpd.stop()
    file = the_file(httpd)
    folder, path = os.path.dirname(file), httpd.path("data")
    owner = os.stat(folder)
    assert owner.st_uid != 0
    assert "1 updates" in tool("list", path) and folder in tool("list", path)
    os.remove(file + "-lock")
    tool("list", path)
    made = os.stat(file + "-lock")
    assert (made.st_uid, made.st_gid) == (owner.st_uid, owner.st_gid)
    lines = tool("export", folder + "/")
    # A file that only root may open.
    os.chmod(file, 0o600)
    os.chown(file, 0, 0)
    for command in ("list", "export", "import", "compact"):
        refused = tool(command, folder, text="", status=1)
        assert folder in refused and "Permission denied" in refused, refused
    refused = tool("list", path, status=1)
    assert folder in refused and "Permission denied" in refused, refused
    os.chown(file, owner.st_uid, owner.st_gid)
    # A link to a directory that belongs to root.
    secret, link = httpd.path("secret"), os.path.join(path, "link")
    os.mkdir(secret)
    os.chown(secret, 0, 0)
    tool("import", secret, text=lines)
    before = sorted(os.listdir(secret))
    os.symlink(secret, link)
    os.lchown(link, owner.st_uid, owner.st_gid)
    for command in ("list", "export", "import", "compact"):
        for name in (link, link + "/", link + "/."):
            refused = tool(command, name, text=lines, status=1)
            assert f"{name}: this is a symbolic link" in refused, refused
    assert f"{link}: this is a symbolic link" in tool("list", path, status=1)
    assert sorted(os.listdir(secret)) == before
