#!/usr/bin/env python3
"""
The benchmark of `./dev bench http2`: HTTP/2 of the module (MercureHttp2 On) against mod_http2, over TLS.

    make tests/bench/load/load tests/bench/load_http2
    MERCURE_MODULE=….libs/mod_mercure.so python3 tests/bench/bench_http2.py BUILD_TREE [OPTION…]

Ordinary traffic: h2load asks one server on two virtual hosts in turn, one of the module and one of mod_http2. A row
shows the medians of the runs, of requests a second and of processor time for one request, and the median of the
ratios of the runs: above 1 the module is faster.

Streams: a server for itself holds subscriptions. A row shows its threads, the memory for each connection, how long an
update takes to all of them, what a delivery costs, and how long other requests take beside (the 99th percentile),
compared with the same server without the streams.
"""
import argparse
import os
import re
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../live"))

from servers import raise_descriptors, usage  # noqa: E402

from env.httpd import Httpd  # noqa: E402
from env.hub import PATH, hub  # noqa: E402

TOPIC = "https://example.com/books/1"
TARGET = f"{PATH}?match=https%3A%2F%2Fexample.com%2Fbooks%2F1"
PARTS = ("ordinary", "streams")

# Debian's mpm_event.conf.
DEBIAN = """
    StartServers 2
    MinSpareThreads 25
    MaxSpareThreads 75
    ThreadLimit 64
    ThreadsPerChild 25
    MaxRequestWorkers 150
    MaxConnectionsPerChild 0
"""
ONE_CHILD = """
    StartServers 1
    ServerLimit 1
    ThreadLimit 64
    ThreadsPerChild 25
    MaxRequestWorkers 25
    AsyncRequestWorkerFactor 400
    MaxConnectionsPerChild 0
"""

SMALL = ((1, 1, 3000), (1, 10, 12000), (1, 100, 15000), (10, 10, 15000), (10, 100, 15000))
MIDDLE = ((1, 1, 1500), (1, 10, 4000), (1, 100, 4000), (10, 10, 4000), (10, 100, 4000))
LARGE = ((1, 1, 30), (1, 10, 40), (10, 1, 40), (4, 4, 40))
POSTS = ((1, 1, 1500), (1, 10, 4000), (1, 100, 4000), (10, 10, 4000), (10, 100, 4000))
# name: (path, body of the request, (connections, streams of each, requests)…)
ROWS = {
    "1 KB": ("/1k.bin", None, SMALL),
    "60 KB": ("/60k.bin", None, MIDDLE),
    "10 MB": ("/10m.bin", None, LARGE),
    "POST 1 KB": ("/post/", "1k.bin", POSTS),
    "POST 60 KB": ("/post/", "60k.bin", ((1, 1, 1000), (1, 10, 2000), (10, 10, 2000))),
}
# (connections, subscriptions of each)
STREAMS = ((1000, 1), (50, 50), (5000, 1))
P99_REQUESTS, P99_TIMES = 2000, 5
UPDATES = 20


def parse(argv):
    parser = argparse.ArgumentParser(prog="./dev bench http2", description="Compares HTTP/2 of the module with mod_http2.")
    parser.add_argument("build", help=argparse.SUPPRESS)
    parser.add_argument("--runs", type=int, default=3, help="how many times each (3)")
    parser.add_argument("--quick", action="store_true", help="few requests and streams, only to show that it works")
    parser.add_argument("--part", choices=PARTS, action="append", help="only this part; repeatable")
    parser.add_argument("--row", action="append", metavar="TEXT", default=[],
                        help="only the rows of ordinary traffic whose name contains TEXT, such as '10 MB' or '1x1'")
    options = parser.parse_args(argv)
    options.part = options.part or list(PARTS)
    return options


def files(httpd):
    for name, size in (("1k.bin", 1000), ("60k.bin", 60_000), ("10m.bin", 10_000_000)):
        httpd.write(f"htdocs/{name}", b"x" * size)


BACKEND = """
    StartServers 1
    ServerLimit 1
    ThreadLimit 200
    ThreadsPerChild 200
    MaxRequestWorkers 200
"""


def start_backend(httpd):
    """A server that sends bodies back."""
    httpd.sizing = BACKEND
    httpd.module = None
    httpd.load("reflector")
    httpd.log_level = "warn"
    httpd.start("MaxKeepAliveRequests 0\nKeepAliveTimeout 300\n<Location /post/>\nSetHandler reflector\n</Location>\n")


def configuration(httpd, ours, theirs=None, backend=None):
    """The virtual hosts on the ports OURS and THEIRS. Those below /post/ are asked at the port BACKEND."""
    httpd.load("http2", "proxy", "proxy_http")
    httpd.log_level = "warn"
    both = [f"DocumentRoot {httpd.docroot}"]
    if backend:
        both.append(f"ProxyPass /post/ http://127.0.0.1:{backend}/post/")
    text = "Protocols h2 http/1.1\nMaxKeepAliveRequests 0\nKeepAliveTimeout 300\n"
    text += httpd.vhost("MercureHttp2 On", *both, hub(), port=ours, tls=True)
    if theirs:
        text += httpd.vhost(*both, port=theirs, tls=True)
    return text


# ---- ordinary traffic ----------------------------------------------------------------------------


def h2load(port, path, *options):
    done = subprocess.run(["h2load", *options, f"https://127.0.0.1:{port}{path}"], capture_output=True, text=True,
                          timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def shoot(httpd, load, port, row, shape, quick):
    """Requests a second, and microseconds of the server's processor time for one."""
    path, body, _ = ROWS[row]
    size = os.stat(httpd.path(f"htdocs/{body or path}")).st_size
    conns, streams, count = shape
    count = max(count // 20, conns, 10) if quick else count
    options = ["-c", str(conns), "-m", str(streams), "-n", str(count), "-t", "1"]
    if body:
        options += ["-d", httpd.path(f"htdocs/{body}")]
    before = usage(load, httpd.pid)["cpu_us"]
    said = h2load(port, path, *options)
    spent = usage(load, httpd.pid)["cpu_us"] - before
    assert f"status codes: {count} 2xx, 0 3xx, 0 4xx, 0 5xx" in said, said
    assert int(re.search(r"\((\d+)\) data", said)[1]) == count * size, said
    return float(re.search(r"finished in .*?, ([\d.]+) req/s", said)[1]), spent / count


def ordinary(load, options):
    print("| | connections x streams | req/s | mod_http2 | **ratio** | CPU us | mod_http2 | **ratio** |")
    print("|---|---|---:|---:|---:|---:|---:|---:|")
    with Httpd("event", "bench_backend") as backend, Httpd("event", "bench_http2") as httpd:
        start_backend(backend)
        ours, theirs = httpd.add_port(), httpd.add_port()
        httpd.sizing = DEBIAN
        files(httpd)
        httpd.start(configuration(httpd, ours, theirs, backend.port))
        for row, (_, _, shapes) in ROWS.items():
            for shape in shapes[:1] if options.quick else shapes:
                name = f"{shape[0]}x{shape[1]}"
                if options.row and not any(text in f"{row} {name}" for text in options.row):
                    continue
                pairs = []
                for run in range(options.runs):
                    order = (ours, theirs) if run % 2 == 0 else (theirs, ours)
                    found = {port: shoot(httpd, load, port, row, shape, options.quick) for port in order}
                    pairs.append((found[ours], found[theirs]))
                show_pairs(row, name, pairs)


def show_pairs(row, name, pairs):
    def median(values):
        return statistics.median(values)

    rate = [median(pair[side][0] for pair in pairs) for side in (0, 1)]
    cpu = [median(pair[side][1] for pair in pairs) for side in (0, 1)]
    rates = median(mine[0] / other[0] for mine, other in pairs)
    cpus = median(other[1] / max(mine[1], 0.1) for mine, other in pairs)
    print(f"| {row} | {name} | {rate[0]:,.0f} | {rate[1]:,.0f} | {rates:.2f} | {cpu[0]:,.0f} | {cpu[1]:,.0f} | {cpus:.2f} |",
          flush=True)


# ---- streams -------------------------------------------------------------------------------------


def p99_ms(httpd, port, quick):
    """The 99th percentile of the times of requests, one at a time; the median of some measurements."""
    return statistics.median(p99_once(httpd, port, quick) for _ in range(1 if quick else P99_TIMES))


def p99_once(httpd, port, quick):
    path = httpd.path(f"logs/h2load-{time.monotonic_ns()}")
    count = P99_REQUESTS // 20 if quick else P99_REQUESTS
    h2load(port, "/1k.bin", "-c", "1", "-m", "1", "-n", str(count), f"--log-file={path}")
    with open(path, encoding="ascii") as log:
        times = sorted(int(line.split("\t")[2]) for line in log)
    assert len(times) == count
    return times[count * 99 // 100] / 1000


class Holder:
    """Subscriptions that a process holds."""

    def __init__(self, build, port, conns, streams):
        self.process = subprocess.Popen(
            [os.path.join(build, "tests/bench/load_http2"), str(port), TARGET, str(conns), str(streams)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.at("open")

    def at(self, word):
        """The time at which the process has said WORD."""
        said = self.process.stdout.readline().split()
        assert said and said[0] == word, f"the process that holds subscriptions has ended, or said {said}"
        return float(said[1])

    def ask(self, events):
        self.process.stdin.write(f"{events}\n")
        self.process.stdin.flush()

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(60) == 0
        self.process.stdout.close()


def threads(httpd):
    return sum(len(os.listdir(f"/proc/{pid}/task")) for pid in httpd.children())


def fan_out(httpd, load, port, holder):
    """Publishes UPDATES: the seconds of each to all subscriptions, and the server's processor time of all, in us."""
    before, found = usage(load, httpd.pid)["cpu_us"], []
    for number in range(1, UPDATES + 1):
        holder.ask(number)
        start = time.monotonic()
        httpd.publish(TOPIC, "x" * 200, port=port, tls=True)
        found.append(holder.at("received") - start)
    return found, usage(load, httpd.pid)["cpu_us"] - before


def hold(build, load, conns, streams, quick):
    if quick:
        conns, streams = max(1, conns // 50), max(1, streams // 5)
    with Httpd("event", "bench_http2") as httpd:
        httpd.sizing = ONE_CHILD
        files(httpd)
        port = httpd.add_port()
        httpd.start(configuration(httpd, port))
        warm = Holder(build, port, 20, 2)
        p99_ms(httpd, port, quick)
        warm.close()
        time.sleep(2)
        alone = p99_ms(httpd, port, quick)
        before, threads_before = usage(load, httpd.pid)["pss_bytes"], threads(httpd)
        holder = Holder(build, port, conns, streams)
        time.sleep(2)
        held = usage(load, httpd.pid)["pss_bytes"] - before
        threads_held = threads(httpd) - threads_before
        beside = p99_ms(httpd, port, quick)
        times, spent = fan_out(httpd, load, port, holder)
        holder.close()
        print(f"| {conns} x {streams} | {threads_held:+d} | {held / 1024 / conns:,.1f} | {held / 1024 / conns / streams:,.2f} | "
              f"{statistics.median(times) * 1000:,.1f} | {spent / UPDATES / conns / streams:,.2f} | "
              f"{alone:,.2f} | {beside:,.2f} | {beside / alone:.2f} |", flush=True)


def streams_part(build, load, options):
    print("| streams | threads | KB for a connection | KB for a stream | update to all, ms | CPU us of a delivery "
          "| p99 ms of others without streams | with | ratio |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for conns, streams in STREAMS[:2] if options.quick else STREAMS:
        for _ in range(options.runs):
            hold(build, load, conns, streams, options.quick)


def main():
    options = parse(sys.argv[1:])
    load = os.path.join(options.build, "tests/bench/load/load")
    raise_descriptors()
    if "ordinary" in options.part:
        print(f"Ordinary traffic, medians of {options.runs} runs\n")
        ordinary(load, options)
    if "streams" in options.part:
        print("\nStreams\n")
        streams_part(options.build, load, options)


if __name__ == "__main__":
    main()
