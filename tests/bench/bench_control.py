#!/usr/bin/env python3
"""
Measures what a MercureControlKey costs per delivery: the busiest topics are counted, and streams are indexed.

    make tests/bench/load/load
    MERCURE_MODULE=….libs/mod_mercure.so python3 tests/bench/bench_control.py tests/bench/load/load [SUBSCRIBERS [ROUNDS]]

One server (event MPM, one child) with two hubs that differ only in the key, and SUBSCRIBERS streams (2500) on each. The
cases take turns, ROUNDS times (40): a burst of publications on one hub, until all are delivered. In the third case, an
operator watches control/stats once a second. Prints the CPU of the server for one delivery, in nanoseconds (medians),
and the median of the ratios of neighbours.
"""
import glob
import json
import os
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../live"))

from env import sse, token  # noqa: E402
from env.httpd import Httpd  # noqa: E402
from env.hub import hub  # noqa: E402
from env.operator import bearer, controlled  # noqa: E402

TOPIC = "https://example.com/books/1"
BURST = 40
SIZING = "StartServers 1\nServerLimit 1\nThreadsPerChild 64\nMaxRequestWorkers 64\nMinSpareThreads 1\n" \
         "MaxSpareThreads 64\nMaxKeepAliveRequests 0\nAsyncRequestWorkerFactor 100\n"


def hold(load, httpd, path, count):
    process = subprocess.Popen([load, "hold", "--target", f"127.0.0.1:{httpd.port}", "--subscribe-path", path, "--match",
                                f"match={TOPIC}", "--subscribers", str(count), "--pid", str(httpd.pid)],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline(), "the subscribers did not connect"
    return process


def cpu_ns(pid):
    total = 0
    for name in glob.glob(f"/proc/{pid}/task/*/schedstat"):
        with open(name, encoding="ascii") as file:
            total += int(file.read().split()[0])
    return total


def deliveries(httpd, path):
    text = httpd.get("/metrics").text
    return next(int(float(line.rsplit(" ", 1)[1])) for line in text.splitlines()
                if line.startswith("mercure_deliveries_total") and f'{path}"' in line)


def main():
    load = os.path.realpath(sys.argv[1])
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 2500
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 40
    costs = {"without": [], "with": [], "watched": []}
    with Httpd("event", "bench_control") as httpd:
        httpd.sizing = SIZING
        httpd.start("CustomLog /dev/null live\n" + hub("MercureConnectionLifetime 0", path="/without") +
                    controlled("MercureConnectionLifetime 0", path="/with") +
                    "<Location /metrics>\nSetHandler mercure-metrics\n</Location>\n")
        (child,) = httpd.children()
        holders = [hold(load, httpd, path, count) for path in ("/without", "/with")]
        hubs = ["https://hub.example/with", "https://hub.example/without"]
        head = {"Authorization": f"Bearer {token.publisher([TOPIC], aud=hubs)}",
                "Content-Type": "application/x-www-form-urlencoded"}
        operator = {"Authorization": f"Bearer {bearer(aud=hubs[0])}"}

        def burst(conn, path):
            done = deliveries(httpd, path) + BURST * count
            before = cpu_ns(child)
            for _ in range(BURST):
                body = f"topic={TOPIC}&data={'x' * 100}".encode()
                assert conn.request("POST", path, dict(head), body).status == 200
            while deliveries(httpd, path) < done:
                time.sleep(0.05)
            time.sleep(0.1)
            return (cpu_ns(child) - before) / (BURST * count)

        with httpd.connect() as conn:
            for number in range(rounds + 1):
                taken = {}
                order = ["without", "with"] if number % 2 else ["with", "without"]
                for name in order:
                    taken[name] = burst(conn, f"/{name}")
                with sse.EventSource(httpd.port, "/with/control/stats", operator) as watcher:
                    watcher.next()
                    taken["watched"] = burst(conn, "/with")
                if number:  # the first round warms up
                    for name, cost in taken.items():
                        costs[name].append(cost)
        for holder in holders:
            holder.stdin.close()
            holder.wait(60)
    for name, values in costs.items():
        ratios = [value / base for value, base in zip(values, costs["without"])]
        print(json.dumps({"case": name, "cpu_ns": round(statistics.median(values)),
                          "ratio": round(statistics.median(ratios), 4)}))


if __name__ == "__main__":
    main()
