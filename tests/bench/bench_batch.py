#!/usr/bin/env python3
"""
Measures what an update costs in batches of several sizes, compared with one published alone:

    make tests/bench/load_post
    MERCURE_MODULE=….libs/mod_mercure.so python3 tests/bench/bench_batch.py tests/bench/load_post [ROUNDS]

For each store, one server (event MPM, one child, 16 threads, no access log, no subscribers) and 8 connections. The
sizes take turns, ROUNDS times (3). Prints updates a second and the CPU of the server for one update, in
microseconds: medians, and their ratio to publications of one update in a form.
"""
import json
import os
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../live"))

from bench_publish import BODY, SIZING, write_tokens  # noqa: E402
from env.httpd import Httpd  # noqa: E402
from env.hub import PATH, hub  # noqa: E402

UPDATE = {"topic": "https://example.com/books/1", "data": "x" * 100}
# The number of requests of each size of a batch; size 0 is a form.
STORES = {
    "memory": {0: 20000, 1: 20000, 10: 5000, 100: 1000, 1000: 200},
    "lmdb data": {0: 4000, 1: 4000, 10: 2000, 100: 500, 1000: 100},
}


def body_of(size):
    return json.dumps([UPDATE] * size, separators=(",", ":")) if size else BODY


def measure(load, store, rounds, folder):
    """{size: [(updates a second, microseconds for an update)…]}"""
    results = {}
    tokens = write_tokens(folder, "tokens", 1)
    with Httpd("event", "bench_batch") as httpd:
        httpd.sizing = SIZING
        httpd.start("CustomLog /dev/null live\n" + hub(f"MercureStore {store}"))
        for _ in range(rounds):
            for size, count in STORES[store].items():
                path = os.path.join(folder, f"body{size}")
                with open(path, "w", encoding="ascii") as out:
                    out.write(body_of(size))
                done = subprocess.run([load, str(httpd.port), PATH, "200", str(count), "8", f"@{path}", tokens,
                                       str(httpd.pid)], check=True, capture_output=True, text=True)
                rate, cpu = map(float, done.stdout.split())
                results.setdefault(size, []).append((rate * max(size, 1), cpu / max(size, 1)))
    return results


def show(results):
    rates, costs = ({size: statistics.median(pair[place] for pair in pairs) for size, pairs in results.items()}
                    for place in (0, 1))
    for size in results:
        name = f"batch of {size}" if size else "one update in a form"
        print(f"  {name:22} {rates[size]:10,.0f} updates/s  x{rates[size] / rates[0]:6.2f}   "
              f"{costs[size]:7.2f} us/update  x{costs[size] / costs[0]:.3f}")


def main():
    load = os.path.realpath(sys.argv[1])
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    for store in STORES:
        with tempfile.TemporaryDirectory() as folder:
            print(f"MercureStore {store.split()[0]}")
            show(measure(load, store, rounds, folder))


if __name__ == "__main__":
    main()
