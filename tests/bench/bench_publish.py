#!/usr/bin/env python3
"""
Measures the cost of a publication without subscribers, compared with a POST that httpd itself answers:

    make tests/bench/load_post
    MERCURE_MODULE=….libs/mod_mercure.so python3 tests/bench/bench_publish.py tests/bench/load_post [ROUNDS [COUNT]]

One server (event MPM, one child, 16 threads, no access log) and 8 connections. The cases take turns,
ROUNDS times (3), COUNT requests each (20000). Prints the CPU of the server for one request, in microseconds,
and requests a second: medians, and their ratio to the case that httpd answers with `Redirect 204`.
"""
import os
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../live"))

from env import token  # noqa: E402
from env.httpd import Httpd  # noqa: E402
from env.hub import PATH, hub  # noqa: E402

SIZING = "StartServers 1\nServerLimit 1\nThreadsPerChild 16\nMaxRequestWorkers 16\nMinSpareThreads 1\n" \
         "MaxSpareThreads 16\nMaxKeepAliveRequests 0\n"
BODY = "topic=https%3A%2F%2Fexample.com%2Fbooks%2F1&data=" + "x" * 100


def write_tokens(folder, name, count):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="ascii") as out:
        for number in range(count):
            out.write(token.publisher(["https://example.com/books/1"], jti=f"{name}{number}") + "\n")
    return path


def main():
    load = os.path.realpath(sys.argv[1])
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 20000
    results = {}
    with Httpd("event", "bench_publish") as httpd, tempfile.TemporaryDirectory() as folder:
        httpd.sizing = SIZING
        httpd.load("alias")
        httpd.start("CustomLog /dev/null live\nRedirect 204 /floor\n" + hub())

        def run(name, path, status, tokens):
            done = subprocess.run([load, str(httpd.port), path, str(status), str(count), "8", BODY, tokens,
                                   str(httpd.pid)], check=True, capture_output=True, text=True)
            rate, cpu = map(float, done.stdout.split())
            results.setdefault(name, []).append((cpu, rate))

        cached = write_tokens(folder, "cached", 1)
        for number in range(rounds):
            run("Redirect 204", "/floor", 204, cached)
            run("publication, token cached", PATH, 200, cached)
            run("publication, new token", PATH, 200, write_tokens(folder, f"round{number}-", count))
    floor = statistics.median(cpu for cpu, _ in results["Redirect 204"])
    floor_rate = statistics.median(rate for _, rate in results["Redirect 204"])
    for name, pairs in results.items():
        cpu = statistics.median(cpu for cpu, _ in pairs)
        rate = statistics.median(rate for _, rate in pairs)
        print(f"{name:28} {cpu:8.2f} us  x{cpu / floor:.2f}   {rate:8.0f}/s  x{rate / floor_rate:.2f}")


if __name__ == "__main__":
    main()
