"""
A soak of everything together, for MERCURE_SOAK_SECONDS (two minutes without it): two machines of one hub over a Redis
server, and a third server with its history on disk, publish and serve streams of all carriers, while operators look and
disconnect, children are killed, clocks are set, logs are rotated, the Redis server fails, and the servers are reloaded
each minute. A fourth server is never reloaded, so its children show what grows with time; a fifth one without the
module shows what grows in httpd itself when it is reloaded. Nothing may be lost, come twice, or be left behind.
MERCURE_SOAK_SEED repeats the order of the events. The curves are in MERCURE_SOAK_DIR.
"""
import json
import os
import random
import struct
import subprocess
import time

import pytest

from env import soak, token
from env.cluster import PAGES, new_redis, wait_up  # noqa: F401  (new_redis is a fixture)
from env.curves import Curves, sample
from env.hub import PATH, hub
from env.operator import ISSUER, KEY, bearer, call
from env.wait import wait_until
from test_subscriptions import EVENTS, listed

pytestmark = [pytest.mark.soak, pytest.mark.mpm("event")]

KEPT = "/kept"
CONTROL = f'MercureControlKey {ISSUER} HS256 "{KEY}"'
HISTORY = "MercureHistory count=20000 bytes=16M"
RELOAD_SECONDS = 60
# Longer than a run: a child remembers each token that it has seen, so the lasting children see only these.
LASTING = 24 * 3600
# Runs that are compared with the limits take longer than this; in a shorter one, memory has not settled.
LONG_SECONDS = 3600


def preloaded(name, folder):
    """Builds the library of env/NAME.c in FOLDER, and returns its path."""
    library = os.path.join(folder, f"{name}.so")
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "env", f"{name}.c")
    subprocess.run(["cc", "-O1", "-fPIC", "-shared", "-o", library, source, "-ldl"], check=True)
    return library


class Clock:
    """The time of day of servers, which a test sets."""

    def __init__(self, folder):
        self.path, self.library = os.path.join(folder, "clock"), preloaded("clock", folder)
        self.set(0)
        os.chmod(self.path, 0o644)

    def set(self, seconds):
        with open(self.path, "r+b" if os.path.exists(self.path) else "wb") as out:
            out.write(struct.pack("=q", seconds))


class Heap:
    """What the processes of a server have allocated and not freed."""

    def __init__(self, folder):
        self.path, self.library = os.path.join(folder, "heap"), preloaded("heap", folder)
        with open(self.path, "wb") as out:
            out.write(bytes(64 * 16))
        os.chmod(self.path, 0o666)

    def sample(self, pids):
        with open(self.path, "rb") as file:
            notes = dict(struct.iter_unpack("=qq", file.read()))
        return {"heap KB": sum(notes.get(pid, 0) for pid in pids) // 1024}


class Mix:
    def __init__(self, redis, new_httpd, chance):
        self.redis, self.chance, self.operator = redis, chance, soak.Token(lambda ttl: bearer(ttl=ttl), kept=LASTING)
        self.a, self.b, self.disk, self.steady, self.bare = (
            new_httpd(), new_httpd(), new_httpd("worker"), new_httpd(), new_httpd())
        self.restless = [self.a, self.b, self.disk]
        self.hubs = [*self.restless, self.steady]
        self.old_logs = {server.root: b"" for server in (*self.restless, self.bare)}

    def start(self):
        self.clock, self.heap = Clock(self.a.root), Heap(self.steady.root)
        self.tls = {server: server.add_port() for server in (self.a, self.b, self.steady, self.bare)}
        for server in self.hubs:
            server.env.setdefault("LD_PRELOAD", self.clock.library)
            server.env["SOAK_CLOCK"] = self.clock.path
        # What the C library keeps of freed memory for each thread, and APR for each connection, grows for hours.
        self.steady.env |= {"LD_PRELOAD": f"{self.steady.env['LD_PRELOAD']}:{self.heap.library}", "SOAK_HEAP": self.heap.path,
                            "MALLOC_ARENA_MAX": "1", "GLIBC_TUNABLES": "glibc.malloc.tcache_count=0"}
        shared = hub(f"MercureTransport {self.redis.url} lease=5", HISTORY, CONTROL, "MercureSubscriptions On", name="shared")
        kept = hub("MercureDetach Off", HISTORY, path=KEPT, name="kept")
        alone = hub(HISTORY, CONTROL, "MercureSubscriptions On", name="alone")
        for server, main in ((self.a, shared), (self.b, shared), (self.steady, alone)):
            server.load("socache_shmcb", "ssl")
            if server is not self.steady:
                server.expect_log("MRC03(06|19)", required=False)
            server.start(("MaxMemFree 64\n" if server is self.steady else "") + "Protocols h2 http/1.1\n" + PAGES + main + kept
                         + server.vhost("MercureHttp2 On", PAGES, main, kept, port=self.tls[server], tls=True))
        self.bare.module, self.bare.log_level = None, "info"
        self.bare.load("socache_shmcb", "ssl")
        self.bare.start(PAGES + self.bare.vhost(PAGES, port=self.tls[self.bare], tls=True))
        self.disk.start(PAGES + hub(f"MercureStore lmdb {self.disk.path('run/history')} sync=group", HISTORY, CONTROL)
                        + hub("MercureDetach Off", HISTORY, path=KEPT, name="kept"))
        for server in (self.a, self.b):
            wait_up(server)

    # ---- the load ----------------------------------------------------------------------------------

    def listeners(self):
        """{name: (the path of its hub, the servers of its hub, the listener)}"""
        a, b, disk, steady = self.a, self.b, self.disk, self.steady

        def on(server, **more):
            return soak.Listener(lambda: server, **more)

        def mine(kept=300):
            return soak.Token(lambda ttl: token.subscriber(sub="soak", ttl=ttl), kept)

        machines = (a, b)
        return {
            "detached": (PATH, machines, on(a, bearer=mine())),
            "tls": (PATH, machines, on(a, tls=True, port=self.tls[a])),
            "http2": (PATH, machines, on(b, http2=True, port=self.tls[b])),
            "all in turn": (PATH, machines, soak.Listener(lambda: random.choice(machines), stay=2)),
            "suspended": (KEPT, (a,), on(a, path=KEPT)),
            "suspended tls": (KEPT, (b,), on(b, path=KEPT, tls=True, port=self.tls[b])),
            "on disk": (PATH, (disk,), on(disk)),
            "threaded": (KEPT, (disk,), on(disk, path=KEPT)),
            "comes and goes": (PATH, (disk,), on(disk, stay=1)),
            "steady": (PATH, (steady,), on(steady, bearer=mine(LASTING))),
            "steady tls": (PATH, (steady,), on(steady, tls=True, port=self.tls[steady])),
            "steady http2": (PATH, (steady,), on(steady, http2=True, port=self.tls[steady])),
            "steady suspended": (KEPT, (steady,), on(steady, path=KEPT)),
            "steady, comes and goes": (PATH, (steady,), on(steady, stay=0.5, bearer=mine(LASTING))),
            "steady tls, comes and goes": (PATH, (steady,), on(steady, stay=0.5, tls=True, port=self.tls[steady])),
            "steady http2, comes and goes": (PATH, (steady,), on(steady, stay=0.5, http2=True, port=self.tls[steady])),
        }

    def senders(self):
        """{(path, servers of the hub): its senders}"""
        names = (((PATH, (self.a, self.b)), (self.a, self.b)), ((KEPT, (self.a,)), (self.a,)), ((KEPT, (self.b,)), (self.b,)),
                 ((PATH, (self.disk,)), (self.disk,)), ((KEPT, (self.disk,)), (self.disk,)),
                 ((PATH, (self.steady,)), (self.steady,)), ((KEPT, (self.steady,)), (self.steady,)))
        return {key: [soak.Sender(server, f"{at}-{number}", rate=15, path=key[0], kept=LASTING if server is self.steady else 300)
                      for number, server in enumerate(servers)]
                for at, (key, servers) in enumerate(names)}

    # ---- events ------------------------------------------------------------------------------------

    def child_killed(self):
        server = self.chance.choice(self.restless)
        server.kill_child(self.chance.choice(server.children()))

    def clock_set(self):
        self.clock.set(self.chance.randrange(-soak.Token.STEP_MAX, soak.Token.STEP_MAX))

    def logs_rotated(self):
        for server in (*self.restless, self.bare):
            for name in (server.error_log, server.access_log):
                os.rename(name, f"{name}.1")
            server.graceful()
            with open(f"{server.error_log}.1", "rb") as file:
                self.old_logs[server.root] += file.read()

    def engine_stopped(self):
        self.redis.freeze()
        time.sleep(self.chance.choice((0.3, 3)))
        self.redis.thaw()

    def engine_killed(self):
        self.redis.restart()

    def connections_closed(self):
        self.redis.ask("CLIENT", "KILL", "TYPE", "normal")

    def operator_looks(self):
        server = self.chance.choice(self.hubs)
        for name in ("stats", "streams"):
            answer = self._call(server, "GET", name)
            assert answer is None or answer.status in (200, 503), answer

    def operator_disconnects(self):
        server = self.chance.choice((self.a, self.steady))
        answer = self._call(server, "POST", "disconnect", {"sub": "soak"})
        assert answer is None or answer.status in (202, 503), answer

    def operator_revokes(self):
        server = self.chance.choice(self.hubs)
        answer = self._call(server, "POST", "revoke", {"jti": f"j{self.chance.randrange(1 << 30)}", "ttl": 120})
        assert answer is None or answer.status in (200, 503), answer
        if answer is not None and answer.status == 200:
            answer = self._call(server, "DELETE", f"revocations/{answer.json['id']}")
            assert answer is None or answer.status in (204, 404, 503), answer

    def _call(self, *args):
        try:
            return call(*args, authorization=self.operator())
        except soak.BROKEN:
            return None

    EVENTS = (child_killed, clock_set, logs_rotated, engine_stopped, engine_killed, connections_closed, operator_looks,
              operator_disconnects, operator_revokes)

    def reload_all(self):
        for server in (*self.restless, self.bare):
            server.graceful()


class Watcher(soak.Listener):
    """Notes the events of active subscriptions: `told` has, for each subscriber, whether each event said that it was
    active."""

    def __init__(self, server):
        super().__init__(lambda: server, query=[("match_urlpattern", EVENTS[1])],
                         bearer=lambda: token.subscriber([EVENTS]))
        self.told = {}

    def note(self, event):
        super().note(event)
        document = json.loads(event.data)
        self.told.setdefault(document["subscriber"], []).append(document["active"])


def gauges(server, name):
    return [float(line.rsplit(" ", 1)[1]) for line in server.get("/metrics").text.splitlines() if line.startswith(name + "{")]


def measure(mix, curves):
    for name, server in zip(("a", "b", "disk", "steady"), mix.hubs):
        curves.add(name, sample(server.children()))
        curves.add(f"{name}, parent", sample([server.pid]))
    curves.add("steady", mix.heap.sample(mix.steady.children()))
    curves.add("bare, parent", sample([mix.bare.pid]))


def test_everything_together(new_httpd, new_redis):
    chance = random.Random(seed := soak.seed())
    seconds = soak.setting("SECONDS", 120)
    report = soak.Report("mix", f"seed {seed}, {seconds} s")
    redis = new_redis(appendonly="yes", appendfsync="always")
    mix = Mix(redis, new_httpd, chance)
    mix.start()
    curves = Curves()
    listeners, senders, watcher = mix.listeners(), mix.senders(), Watcher(mix.b)
    workers = [watcher, *(listener for _, _, listener in listeners.values()), *(sender for some in senders.values() for sender in some)]
    for worker in workers:
        worker.start()
    try:
        counts = go_on(mix, curves, seconds, report)
        report.line(", ".join(f"{name} {count}" for name, count in sorted(counts.items())))
        report.line(f"curves: {curves.draw(os.path.join(report.folder, 'mix.png'))}")
        finish(mix, listeners, senders, watcher, report)
        measure(mix, curves)
        judge_curves(mix, curves, seconds, report)
    finally:
        join_logs(mix)


def join_logs(mix):
    """Stops the servers, and puts what was rotated away before the end of their error logs."""
    for server in (*mix.hubs, mix.bare):
        server.stop()
        with open(server.error_log, "rb") as file:
            text = mix.old_logs.get(server.root, b"") + file.read()
        with open(server.error_log, "wb") as file:
            file.write(text)


def go_on(mix, curves, seconds, report):
    """Lets events happen, and returns how many of each kind have."""
    begin = time.monotonic()
    reload_at, counts = begin + RELOAD_SECONDS / 2, {}
    while time.monotonic() < begin + seconds:
        measure(mix, curves)
        time.sleep(mix.chance.uniform(1, 3))
        event = mix.chance.choice(mix.EVENTS)
        if time.monotonic() >= reload_at:
            event, reload_at = Mix.reload_all, reload_at + RELOAD_SECONDS
        event(mix)
        counts[event.__name__] = counts.get(event.__name__, 0) + 1
    mix.clock.set(0)
    return counts


def finish(mix, listeners, senders, watcher, report):
    """Stops the load, and checks what the clients have received and what the servers still count."""
    for some in senders.values():
        for sender in some:
            sender.stop()
    for server in (mix.a, mix.b):
        wait_up(server)
    for number, ((path, servers), some) in enumerate(senders.items()):
        last = servers[-1].publish(soak.TOPIC, "last", path=path, fields=[("id", f"urn:last:{number}")],
                                   token=token.publisher(aud=f"https://hub.example{path}")).text
        stored = {event_id for sender in some for event_id in sender.stored} | {last}
        refused = {event_id for sender in some for event_id in sender.refused}
        mine = [(name, listener) for name, (its_path, its, listener) in listeners.items() if (its_path, its) == (path, servers)]
        for name, listener in mine:
            wait_until(lambda listener=listener: last in listener.parts[-1], what=f"the last update at the listener {name}")
            report.line(f"{name}: stored {len(stored)}, got {len(listener.ids)}, streams {listener.turns}, told of a gap "
                        f"{len(listener.parts) - 1}, missing {len(soak.missing(stored, listener))}, twice {len(soak.twice(listener))}")
            for event_id in soak.twice(listener)[:10]:
                report.line("\n    ".join([f"{event_id} twice:", *soak.streams_with(listener, event_id)]))
        for name, listener in mine:
            listener.stop()
            assert not soak.missing(stored, listener), name
            assert not soak.twice(listener), name
            assert not refused & set(listener.ids), name
            assert soak.is_in_order(stored, listener), name
    orders = [listener.ids for path, its, listener in listeners.values() if path == PATH and len(its) == 2]
    assert max(soak.moved(one, other) for one in orders for other in orders) == 0
    judge_subscriptions(mix, watcher, report)
    for server in mix.hubs:
        for name in ("mercure_subscribers_connected", "mercure_streams"):
            wait_until(lambda: not any(gauges(server, name)), what=f"{name} of 0: {gauges(server, name)}")


def judge_subscriptions(mix, watcher, report):
    """Each subscription has begun and ended, in turn, and only that of the watcher is active."""
    wait_until(lambda: len(listed(mix.a)["subscriptions"]) == 1, what="a list with one subscription")
    (own,) = [entry["subscriber"] for entry in listed(mix.a)["subscriptions"]]
    wait_until(lambda: all(told[-1] is False for subscriber, told in watcher.told.items() if subscriber != own),
               what="the ends of all subscriptions")
    watcher.stop()
    report.line(f"subscriptions {len(watcher.told)}, told of a gap {len(watcher.parts) - 1}")
    for subscriber, told in watcher.told.items():
        assert told == [number % 2 == 0 for number in range(len(told))], (subscriber, told)
    wait_until(lambda: not listed(mix.a)["subscriptions"], what="an empty list")


def judge_curves(mix, curves, seconds, report):
    """Neither a parent nor a long-lived child grows, apart from what httpd itself allocates for reloads."""
    for name, base in (("a, parent", "bare, parent"), ("b, parent", "bare, parent"), ("disk, parent", None),
                       ("steady, parent", None), ("steady", None)):
        growth = {quantity: curves.growth(quantity, name) - (curves.growth(quantity, base) if base else 0)
                  for quantity in curves.quantities(name) - {"processes"}}
        report.line(f"{name}: growth in an hour" + (f", more than {base}, " if base else " ")
                    + ", ".join(f"{quantity} {value:+.2%}" for quantity, value in sorted(growth.items())))
        if seconds >= LONG_SECONDS:
            assert all(value < 0.01 for value in growth.values()), (name, growth)
    crashes = [line for server in mix.hubs for line in server.crashes()]
    assert not crashes, crashes
