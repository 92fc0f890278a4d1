"""One measurement: a scenario against a server that has just started."""
import json
import signal
import subprocess
import time

from servers import DESCRIPTORS_SPARE, descriptors, usage

HEARTBEAT_S = 20  # MercureHeartbeat's default
PORTS_EACH = 20000  # connections from one address; leaves enough of its ports free
WARM_UP = 100
TIMEOUT_S = 900


def arguments(options):
    """{"topics-each": 3} as ["--topics-each", "3"]."""
    return [text for name, value in options.items() for text in (f"--{name}", str(value))]


def sources(subscribers):
    """The option of the load generator that sets the number of addresses for so many connections."""
    return ["--sources", str(1 + subscribers // PORTS_EACH * 2 + 2)]


class Holders:
    """Processes of the load generator that hold subscribers, each as many as its descriptors allow."""

    def __init__(self, load, server, subscribers):
        room = descriptors() - DESCRIPTORS_SPARE
        count = -(-subscribers // room)
        self.processes = []
        for number in range(count):
            share = subscribers * (number + 1) // count - subscribers * number // count
            self.processes.append(subprocess.Popen(
                [load, "hold", *server.load_options(), *sources(subscribers), "--subscribers", str(share),
                 "--pid", str(server.pid)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))

    def read(self):
        """Reads the next line of each process."""
        lines = [process.stdout.readline() for process in self.processes]
        assert all(lines), "a process that holds subscribers has ended"
        return [json.loads(line) for line in lines]

    def ask(self):
        for process in self.processes:
            process.stdin.write("\n")
            process.stdin.flush()
        return self.read()

    def signal(self, number):
        for process in self.processes:
            process.send_signal(number)

    def close(self):
        for process in self.processes:
            process.stdin.close()
        for process in self.processes:
            process.wait(60)
            process.stdout.close()


def children_of(taken):
    """{pid: sockets} of the children; of the server itself if it has no children."""
    rows = taken["processes"][1:] or taken["processes"]
    return {row["pid"]: row["sockets"] for row in rows}


def sockets(taken):
    return sum(row["sockets"] for row in taken["processes"])


def wait_left(load, server, before):
    """Waits until the server has closed the connections of clients that have left; returns its usage then."""
    end = time.monotonic() + TIMEOUT_S
    while True:
        taken = usage(load, server.pid)
        if sockets(taken) <= sockets(before) or time.monotonic() > end:
            return taken
        time.sleep(0.1)


def idle(load, server, scenario, quick):
    """Measures the memory of idle subscribers, the CPU of a heartbeat period, and their spread over children."""
    subscribers = scenario.subscribers(quick)
    empty = usage(load, server.pid)
    warm = Holders(load, server, WARM_UP)
    warm.read()
    warm.close()
    before = wait_left(load, server, empty)
    began = time.monotonic()
    holders = Holders(load, server, subscribers)
    try:
        connected = holders.read()
        connect_s = time.monotonic() - began
        time.sleep(0.2 if quick else 2)
        held = usage(load, server.pid)
        first = holders.ask()
        start, cpu_us = time.monotonic(), usage(load, server.pid)["cpu_us"]
        time.sleep(1 if quick else HEARTBEAT_S)
        spent_us = usage(load, server.pid)["cpu_us"] - cpu_us
        window_s = time.monotonic() - start
        last = holders.ask()
        leaving = usage(load, server.pid)
    finally:
        holders.close()
    left = wait_left(load, server, before)
    grown = children_of(held)
    for pid, count in children_of(before).items():
        if pid in grown:
            grown[pid] -= count
    good = all(line["verdict"] == "ok" for line in [*connected, *last])
    total = sum(line["subscribers"] for line in last)
    return {
        "subscribers": total,
        "pss_bytes_per_subscriber": (held["pss_bytes"] - before["pss_bytes"]) / subscribers,
        "kernel_bytes_per_subscriber":
            (held["slab_bytes"] + held["tcp_bytes"] - before["slab_bytes"] - before["tcp_bytes"]) / subscribers,
        "pss_bytes_before": before["pss_bytes"],
        "connects_per_s": subscribers / connect_s,
        "connect_cpu_us": (held["cpu_us"] - before["cpu_us"]) / subscribers,
        "leave_cpu_us": (left["cpu_us"] - leaving["cpu_us"]) / subscribers,
        "idle_cpu_percent": spent_us / window_s / 1e4,
        "idle_cpu_us_per_s": spent_us / window_s,
        "heartbeats": sum(line["comments"] for line in last) - sum(line["comments"] for line in first),
        "subscribers_by_child": sorted(grown.values()),
        "spread": max(grown.values()) * len(grown) / max(sum(grown.values()), 1),
        "ended": sum(line["ended"] for line in last),
        "cut": sum(line["cut"] for line in last),
        "refused": sum(line["refused"] for line in last),
        "verdict": "ok" if good and total == subscribers else "bad",
    }


def settled(load, server):
    """Waits until the server has used no CPU for a second; returns its usage."""
    taken, before = usage(load, server.pid), None
    while before is None or taken["cpu_us"] - before["cpu_us"] > 20000:
        time.sleep(1)
        taken, before = usage(load, server.pid), taken
    return taken


def stalled(load, server, scenario, quick):
    """Measures the memory of subscribers that are stopped while more is published than their sockets hold."""
    options = scenario.load(quick)
    subscribers, data = options["subscribers"], "x" * options["data-bytes"]
    warm = Holders(load, server, WARM_UP)
    warm.read()
    warm.close()
    before = settled(load, server)
    holders = Holders(load, server, subscribers)
    try:
        holders.read()
        server.publish("warm")  # so that each stream has had an update
        idle_usage = settled(load, server)
        holders.signal(signal.SIGSTOP)
        for _ in range(options["updates"]):
            server.publish(data)
        held = settled(load, server)
        holders.signal(signal.SIGCONT)
        last = holders.ask()
    finally:
        holders.signal(signal.SIGCONT)
        holders.close()
    ended = sum(line["ended"] + line["cut"] for line in last)
    total = sum(line["subscribers"] for line in last)
    return {
        "subscribers": total,
        "pss_bytes_per_subscriber": (idle_usage["pss_bytes"] - before["pss_bytes"]) / subscribers,
        "stalled_bytes_per_subscriber": (held["pss_bytes"] - idle_usage["pss_bytes"]) / subscribers,
        "kernel_bytes_per_subscriber": (held["tcp_bytes"] - idle_usage["tcp_bytes"]) / subscribers,
        "ended": ended,
        "verdict": "ok" if not ended and total == subscribers else "bad",
    }


def loaded(load, server, scenario, quick):
    """Runs a command of the load generator that measures everything itself."""
    options = scenario.load(quick)
    done = subprocess.run([load, scenario.kind, *server.load_options(), *arguments(options),
                           *sources(scenario.subscribers(quick)), "--pid", str(server.pid)],
                          capture_output=True, text=True, timeout=TIMEOUT_S)
    if not done.stdout.strip():
        return {"verdict": "bad", "error": done.stderr.strip() or f"load ended with status {done.returncode}"}
    return json.loads(done.stdout)


def measure(load, server, scenario, quick):
    """The figures of SCENARIO against SERVER, which is started and stopped for it. May raise LeftOut."""
    result = {}
    try:
        with server.started(scenario, quick):
            result = {"idle": idle, "stalled": stalled}.get(scenario.kind, loaded)(load, server, scenario, quick)
    except (AssertionError, subprocess.TimeoutExpired) as error:
        # A timeout, or a failed check of the server: of its error log, its end, or what it left behind.
        result = {**result, "verdict": "bad", "error": str(error)}
    return result
