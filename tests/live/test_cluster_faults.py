"""
A soak of several machines: faults of Redis, of machines and of the network between them, one after the other in an
order that a seed decides, while all machines publish and have subscribers. MERCURE_SOAK_FAULTS is the number of faults,
and MERCURE_SOAK_SEED repeats an order.
"""
import itertools
import os
import random
import re
import shutil
import signal
import time
from types import SimpleNamespace

import pytest

from env import soak
from env.cluster import PAGES, new_redis, wait_up  # noqa: F401  (new_redis is a fixture)
from env.hub import hub
from env.redis import RedisError, Sentinel
from env.wait import wait_until
from test_cluster import has_role, sentinel_url, transport, wait_synced

pytestmark = [pytest.mark.soak, pytest.mark.mpm("event")]

MACHINES = 3

LEASE = 5


class Engine:
    """A primary, two replicas, and the Sentinels that watch them."""

    def __init__(self, new_redis):
        first = new_redis(repl_diskless_sync_delay=0)
        self.servers = [first] + [new_redis(repl_diskless_sync_delay=0, replicaof=["127.0.0.1", str(first.port)]) for _ in range(2)]
        wait_synced(*self.servers)
        self.watchers = [Sentinel(first, 2) for _ in range(3)]
        wait_until(lambda: all(len(watcher.ask("SENTINEL", "SENTINELS", "mine")) == 2
                               and len(watcher.ask("SENTINEL", "REPLICAS", "mine")) == 2 for watcher in self.watchers),
                   what="three Sentinels that know each other")

    def primary(self):
        """The server that the Sentinels name, once it is a primary."""
        def found():
            names = {watcher.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mine")[1] for watcher in self.watchers}
            named = [server for server in self.servers if {str(server.port)} == names]
            return named and has_role(named[0], "master") and named[0]

        return wait_until(found, what="a primary that all Sentinels name")

    def settle(self):
        """Waits until both replicas follow the primary and the Sentinels know it, so that each fault finds the same
        situation."""
        wait_until(self._is_settled, what="two replicas that follow")

    def _is_settled(self):
        primary = self.primary()
        others = [server for server in self.servers if server is not primary]
        return (all(has_role(server, "slave") and f"master_port:{primary.port}" in server.ask("INFO", "replication")
                    and "master_link_status:up" in server.ask("INFO", "replication") for server in others)
                and all(self._flags(watcher, "MASTERS") == ["master"] and self._flags(watcher, "REPLICAS", "mine") == 2 * ["slave"]
                        for watcher in self.watchers))

    @staticmethod
    def _flags(watcher, *question):
        found = [dict(zip(fields[::2], fields[1::2])) for fields in watcher.ask("SENTINEL", *question)]
        return [fields["flags"] for fields in found]

    def lose_tail(self, primary):
        """The replicas lose their connections and come back within a second; until then they get nothing."""
        primary.ask("CLIENT", "KILL", "TYPE", "replica")

    def kill(self, primary):
        """The primary dies, and comes back empty when another server has taken its place."""
        primary.kill()
        other = wait_until(lambda: (found := self.primary()) is not primary and found, what="another primary")
        shutil.rmtree(primary.root)
        os.mkdir(primary.root)
        primary.options["replicaof"] = ["127.0.0.1", str(other.port)]
        primary.start()


class Listener(soak.Listener):
    """`streams`: the ids of each stream."""

    def __init__(self, *args, **more):
        super().__init__(*args, **more)
        self.streams = []

    def _read(self, stream):
        self.streams.append([])
        super()._read(stream)

    def note(self, event):
        super().note(event)
        self.streams[-1].append(event.id)


class Doubts:
    """
    Which updates a client may get twice: those from between a loss and the moment when everything lost is back, which
    is at most twice the lease later.
    """

    def __init__(self, senders):
        self.senders = senders
        self._ranges = []  # [the numbers of the senders at its beginning, when it ends, those at its end]

    def _numbers(self):
        return {sender.name: sender.sent for sender in self.senders}

    def begin(self):
        self._ranges.append([self._numbers(), None, None])

    def end(self):
        """The machines have found the new primary."""
        self._ranges[-1][1] = time.monotonic() + 2 * LEASE + 3

    def look(self):
        for one in self._ranges:
            if one[1] and one[1] < time.monotonic() and one[2] is None:
                one[2] = self._numbers()

    def cover(self, event_id):
        name, number = event_id[len("urn:"):].rsplit(":", 1)
        name = name.split(".")[0]
        if name == "last":
            return any(after is None for _, _, after in self._ranges)
        # Updates that were on their way when it began also count.
        return any(before[name] - 30 <= int(number) and (after is None or int(number) <= after[name])
                   for before, _, after in self._ranges)


class Soak:
    def __init__(self, engine, machines, chance):
        self.engine, self.machines, self.chance = engine, machines, chance

    def _machine(self):
        return self.chance.choice(self.machines)

    def planned_failover(self):
        wait_until(lambda: self._ask_for_failover(), what="a failover")

    def _ask_for_failover(self):
        try:
            return self.engine.watchers[0].ask("SENTINEL", "FAILOVER", "mine") == "OK"
        except RedisError:  # for the Sentinels, the previous failover is not over
            time.sleep(0.5)
            return False

    def primary_killed(self):
        self.engine.kill(self.engine.primary())

    def primary_killed_ahead_of_its_replicas(self):
        primary = self.engine.primary()
        self.engine.lose_tail(primary)
        time.sleep(self.chance.uniform(0.1, 0.6))
        self.engine.kill(primary)

    def primary_and_a_machine_killed_ahead_of_the_replicas(self):
        """The others put back what the dead machine had published."""
        primary, machine = self.engine.primary(), self._machine()
        self.engine.lose_tail(primary)
        time.sleep(self.chance.uniform(0.1, 0.6))
        primary.signal(signal.SIGKILL)
        machine.crash()
        self.engine.kill(primary)
        machine.start()

    def primary_stopped_for_long(self):
        self._stop(self.engine.primary(), 3)

    def primary_stopped_for_a_moment(self):
        self._stop(self.engine.primary(), 0.6)

    @staticmethod
    def _stop(server, seconds):
        server.freeze()
        time.sleep(seconds)
        server.thaw()

    def connections_closed(self):
        self.engine.primary().ask("CLIENT", "KILL", "TYPE", "normal")

    def a_child_killed(self):
        machine = self._machine()
        machine.kill_child(self.chance.choice(machine.children()))

    def a_machine_killed(self):
        machine = self._machine()
        machine.crash()
        time.sleep(self.chance.uniform(0, 1))
        machine.start()

    def a_machine_stopped(self):
        """None of its processes runs for a while."""
        processes = self._machine().processes_left()
        for signum in (signal.SIGSTOP, signal.SIGCONT):
            for pid in processes:
                os.kill(pid, signum)
            time.sleep(3)

    def a_machine_reloaded(self):
        self._machine().graceful()

    # After these faults there is another primary, or a new process of the same one, which may have lost updates.
    LOSSES = (planned_failover, primary_killed, primary_killed_ahead_of_its_replicas,
              primary_and_a_machine_killed_ahead_of_the_replicas, primary_stopped_for_long)
    FAULTS = (planned_failover, primary_killed, primary_killed_ahead_of_its_replicas,
              primary_and_a_machine_killed_ahead_of_the_replicas, primary_stopped_for_long, primary_stopped_for_a_moment,
              connections_closed, a_child_killed, a_machine_killed, a_machine_stopped, a_machine_reloaded)


def test_nothing_is_lost_or_published_twice(new_httpd, new_redis):
    chance = random.Random(seed := soak.seed())
    count = soak.setting("FAULTS", 25)
    engine = Engine(new_redis)
    machines = [new_httpd() for _ in range(MACHINES)]
    text = PAGES + hub(f"MercureTransport {sentinel_url(engine.watchers)} sentinel=mine lease={LEASE}", "MercureHistory count=0 bytes=64M",
                       name="shared")
    report = soak.Report("cluster", f"seed {seed}")
    try:
        for machine in machines:
            machine.expect_log("MRC03(06|08|19)", required=False)
            machine.expect_log("AH00098", required=False)  # the pid file of a machine that was killed
            machine.start(text)
        for machine in machines:
            wait_up(machine)
        run(Soak(engine, machines, chance), new_httpd, text, count, report)
    finally:
        for watcher in engine.watchers:
            watcher.close()


def run(faults, new_httpd, text, count, report):
    machines, chance = faults.machines, faults.chance
    senders = [soak.Sender(machine, f"{number}-{one}") for number, machine in enumerate(machines) for one in range(2)]
    listeners = [Listener(lambda machine=machine: machine) for machine in machines]
    traveller = Listener(lambda: random.choice(machines), stay=1.5)
    doubts = Doubts(senders)
    workers = [*listeners, traveller, *senders]
    for worker in workers:
        worker.start()
    for number in range(count):
        fault = chance.choice(faults.FAULTS)
        time.sleep(chance.uniform(1, 3))
        begin = time.monotonic()
        doubts.look()
        if fault in faults.LOSSES:
            doubts.begin()
        fault(faults)
        engine_back = time.monotonic()
        for machine in machines:
            wait_up(machine)
        if fault in faults.LOSSES:
            doubts.end()
        report.line(f"{number + 1:3} {fault.__name__:52} {engine_back - begin:5.1f} s, up {time.monotonic() - engine_back:4.1f} s later, "
                    f"stored {sum(len(sender.stored) for sender in senders)}")
        faults.engine.settle()
    for sender in senders:
        sender.stop()
    doubts.look()
    last = [publish_last(machine, number) for number, machine in enumerate(machines)]
    stored = {event_id for sender in senders for event_id in sender.stored} | set(last)
    wait_until(lambda: all(set(last) <= set(listener.parts[-1]) for listener in (*listeners, traveller)), what="the last updates")
    lost = sum(int(number) for machine in machines for number in re.findall("MRC0308: .* has lost ([0-9]+) update", machine.log()))
    judge(report, senders, listeners, traveller, stored, lost, doubts)
    # A machine that knew nothing gets all of it from Redis.
    late = new_httpd()
    late.start(text)
    wait_up(late)
    fresh = soak.Listener(lambda: late).start()
    wait_until(lambda: set(last) <= set(fresh.ids), what="the last updates at a machine that has just started")
    for worker in (*listeners, traveller, fresh):
        worker.stop()
    report.line(f"a new machine: missing {len(soak.missing(stored, fresh))}, twice {len(soak.twice(fresh))}")
    assert not soak.missing(stored, fresh) and not soak.twice(fresh)
    for machine in (*machines, late):
        assert transport(machine, "skipped_total") == 0


def publish_last(machine, number):
    """Publishes an update; returns its id. For the machine, the last fault may not be over yet."""
    ids = (f"urn:last.{number}:{attempt}" for attempt in itertools.count())
    return wait_until(lambda: (answer := machine.publish(soak.TOPIC, "last", fields=[("id", next(ids))], status=None)).status == 200
                      and answer.text, what="an accepted update")


def judge(report, senders, listeners, traveller, stored, lost, doubts):
    """LOST: what Redis lost in all failovers, and the machines have put back."""
    refused = {event_id for sender in senders for event_id in sender.refused}
    named = [*((f"machine {number}", one) for number, one in enumerate(listeners)), ("all in turn", traveller)]
    for name, listener in named:
        report.line(f"{name}: got {len(listener.ids)}, streams {listener.turns}, told of a gap {len(listener.parts) - 1}, "
                    f"missing {len(soak.missing(stored, listener))}, twice {len(soak.twice(listener))}, "
                    f"of these without a loss {len(groundless(listener, doubts))}, "
                    f"refused and there {len(refused & set(listener.ids))}")
    orders = [soak.moved(list(dict.fromkeys(a.ids)), list(dict.fromkeys(b.ids))) for a in listeners for b in listeners if a is not b]
    report.line(f"stored {len(stored)}, refused {len(refused)}, unknown {sum(len(sender.unknown) for sender in senders)}, "
                f"lost by Redis {lost}, out of order between two machines at most {max(orders)}")
    for name, listener in named:
        assert not soak.missing(stored, listener), name
        assert not groundless(listener, doubts), name
        assert not refused & set(listener.ids), name
        for ids in listener.streams:
            assert len(ids) == len(set(ids)), name
    for listener in listeners:
        assert is_in_order(stored, listener)
    # On a machine that had not had them, updates that were put back are at another place.
    assert max(orders) <= len(stored) / 1000 + lost


def groundless(listener, doubts):
    """The updates that LISTENER got twice although nothing can have been lost at that time."""
    return [event_id for event_id in soak.twice(listener) if not doubts.cover(event_id)]


def is_in_order(stored, listener):
    """Whether each stream had the ids of STORED that are of one series in the order in which they were sent."""
    return soak.is_in_order(stored, SimpleNamespace(parts=listener.streams))
