#!/usr/bin/env python3
"""
The benchmark of `./dev bench http2`: HTTP/2 of the module (MercureHttp2 On) against mod_http2, over TLS.

    make tests/bench/load/load tests/bench/load_http2
    MERCURE_MODULE=….libs/mod_mercure.so python3 tests/bench/bench_http2.py BUILD_TREE [OPTION…]

Ordinary traffic: h2load asks one server on two virtual hosts in turn, one of the module and one of mod_http2. A row
shows the medians of the runs, for requests a second and for processor time per request, and the median of the ratios of
the runs: above 1 the module is faster.

Streams: a separate server holds subscriptions. A row shows its threads, the memory for each connection, how long an
update takes to reach all of them, what a delivery costs, and how long other requests take meanwhile (the 99th
percentile), compared with the same server without the streams.

Slow: requests that take a second each, by mod_cgid and, where it is installed, php-fpm. A row shows how long all of
them take, and how long pages take meanwhile (the 99th percentile), with both modules: above 1 the module is faster.

Browsers: each holds a subscription, while others load pages of several files. A row shows the memory for each browser,
how long an update takes to reach all of them, and the pages, with both modules, without the subscriptions and with
them. mod_http2 keeps a thread for each of them, so the hub refuses most.
"""
import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../live"))

from servers import raise_descriptors, usage  # noqa: E402

from env.httpd import Httpd  # noqa: E402
from env.hub import PATH, hub  # noqa: E402
from env.wait import wait_until  # noqa: E402

TOPIC = "https://example.com/books/1"
TARGET = f"{PATH}?match=https%3A%2F%2Fexample.com%2Fbooks%2F1"
PARTS = ("ordinary", "streams", "slow", "browsers")

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
# (connections, requests of each at a time)
SLOW = ((1, 200), (10, 20), (50, 4))
SLOW_REQUESTS = 200
SLOW_CGI = "#!/bin/sh\nsleep 1\nprintf 'Content-Type: text/plain\\r\\n\\r\\ndone\\n'\n"
SLOW_PHP = "<?php sleep(1); echo 'done';"
SLOW_PAGES = 20  # requested one after the other
SLOW_SECONDS = 20  # at most, for these pages; also counts as the time of a page that gets no answer
BROWSERS = 500
BROWSERS_SECONDS = 60  # until all have arrived
# Connections, files of a page, and files in all.
PAGES = (50, 6, 6000)


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


def configuration(httpd, ours, theirs=None, both=()):
    """The virtual hosts on the ports OURS and THEIRS. BOTH: what they have in common."""
    httpd.load("http2", "proxy", "proxy_http")
    httpd.log_level = "warn"
    both = [f"DocumentRoot {httpd.docroot}", *both]
    text = "Protocols h2 http/1.1\nMaxKeepAliveRequests 0\nKeepAliveTimeout 300\n"
    text += httpd.vhost("MercureHttp2 On", *both, hub(), port=ours, tls=True)
    if theirs:
        text += httpd.vhost(*both, port=theirs, tls=True)
    return text


# ---- ordinary traffic ----------------------------------------------------------------------------


def h2load(port, path, *options, timeout=300):
    done = subprocess.run(["h2load", *options, f"https://127.0.0.1:{port}{path}"], capture_output=True, text=True,
                          timeout=timeout)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def shoot(httpd, load, port, row, shape, quick):
    """Requests a second, and microseconds of the server's processor time for each."""
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
    return rate(said), spent / count


def ordinary(load, options):
    print("| | connections x streams | req/s | mod_http2 | **ratio** | CPU us | mod_http2 | **ratio** |")
    print("|---|---|---:|---:|---:|---:|---:|---:|")
    with Httpd("event", "bench_backend") as backend, Httpd("event", "bench_http2") as httpd:
        start_backend(backend)
        ours, theirs = httpd.add_port(), httpd.add_port()
        httpd.sizing = DEBIAN
        files(httpd)
        httpd.start(configuration(httpd, ours, theirs, [f"ProxyPass /post/ http://127.0.0.1:{backend.port}/post/"]))
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
    return percentile(times_ms(httpd, port, (1, 1, P99_REQUESTS // 20 if quick else P99_REQUESTS))[0])


def times_ms(httpd, port, shape, timeout=300, strict=True):
    """How long requests of a small file take, and what h2load says. SHAPE: connections, requests of each at a time, requests."""
    path = httpd.path(f"logs/h2load-{time.monotonic_ns()}")
    conns, streams, count = shape
    said = h2load(port, "/1k.bin", "-c", str(conns), "-m", str(streams), "-n", str(count), "-t", "1", f"--log-file={path}",
                  timeout=timeout)
    with open(path, encoding="ascii") as log:
        times = [int(line.split("\t")[2]) / 1000 for line in log]
    assert not strict or (len(times) == count and f"status codes: {count} 2xx" in said), said
    return times, said


def percentile(times, part=99):
    return sorted(times)[len(times) * part // 100]


def rate(said):
    """Requests a second."""
    return float(re.search(r"finished in .*?, ([\d.]+) req/s", said)[1])


class Holder:
    """Subscriptions that a process holds."""

    def __init__(self, build, port, conns, streams, errors=None):
        self.process = subprocess.Popen(
            [os.path.join(build, "tests/bench/load_http2"), str(port), TARGET, str(conns), str(streams)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True)
        limit = threading.Timer(BROWSERS_SECONDS, self.process.kill)
        limit.start()
        try:
            self.at("open")
        except AssertionError:
            self.process.wait()
            self.process.stdin.close()
            self.process.stdout.close()
            raise
        finally:
            limit.cancel()

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


# ---- slow requests -------------------------------------------------------------------------------


class PhpFpm:
    """php-fpm with a process for each request; None as its configuration where it is not installed."""

    def __init__(self, httpd, count):
        self.httpd, self.count, self.process = httpd, count, None

    def __enter__(self):
        program = next(filter(None, map(shutil.which, ("php-fpm8.2", "/usr/sbin/php-fpm8.2"))), None)
        if not program:
            return None
        sock = self.httpd.path("run/fpm.sock")
        self.httpd.load("proxy", "proxy_fcgi")
        conf = self.httpd.write("conf/fpm.conf", f"[global]\nerror_log = {self.httpd.path('logs/fpm.log')}\ndaemonize = no\n"
                                f"[www]\nuser = www-data\ngroup = www-data\nlisten = {sock}\nlisten.mode = 0666\n"
                                f"listen.backlog = 1024\npm = static\npm.max_children = {self.count}\n")
        self.process = subprocess.Popen([program, "-n", "-R", "-F", "-y", conf], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        wait_until(lambda: os.path.exists(sock), what="php-fpm")
        return f'<FilesMatch "\\.php$">\nSetHandler "proxy:unix:{sock}|fcgi://localhost"\n</FilesMatch>'

    def __exit__(self, *exc):
        if self.process:
            self.process.terminate()
            self.process.wait()


def slow_once(httpd, port, path, shape, count):
    """The seconds that COUNT slow requests take, and the times of pages beside."""
    command = ["h2load", "-c", str(shape[0]), "-m", str(shape[1]), "-n", str(count), "-t", "1",
               f"https://127.0.0.1:{port}{path}"]
    beside = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            try:
                beside += times_ms(httpd, port, (1, 1, SLOW_PAGES), SLOW_SECONDS, strict=False)[0]
            except subprocess.TimeoutExpired:  # mod_http2 may leave a page without an answer
                beside.append(SLOW_SECONDS * 1000)
        said = process.stdout.read()
    assert f"status codes: {count} 2xx, 0 3xx, 0 4xx, 0 5xx" in said, said
    return count / rate(said), percentile(beside)


def show_slow(name, shape, pairs):
    seconds, pages = ([statistics.median(pair[side][at] for pair in pairs) for side in (0, 1)] for at in (0, 1))
    ratios = [statistics.median(other[at] / mine[at] for mine, other in pairs) for at in (0, 1)]
    print(f"| {name} | {shape[0]}x{shape[1]} | {seconds[0]:,.2f} | {seconds[1]:,.2f} | {ratios[0]:.2f} | "
          f"{pages[0]:,.1f} | {pages[1]:,.1f} | {ratios[1]:.2f} |", flush=True)


def slow_part(options):
    print("| | connections x streams | s for all | mod_http2 | **ratio** "
          "| p99 ms of pages beside | mod_http2 | **ratio** |")
    print("|---|---|---:|---:|---:|---:|---:|---:|")
    count = SLOW_REQUESTS // 20 if options.quick else SLOW_REQUESTS
    with Httpd("event", "bench_http2") as httpd, PhpFpm(httpd, count) as php:
        ours, theirs = httpd.add_port(), httpd.add_port()
        httpd.sizing = DEBIAN
        httpd.load("cgid")
        files(httpd)
        httpd.write("cgi/slow", SLOW_CGI, 0o755)
        httpd.write("htdocs/slow.php", SLOW_PHP)
        httpd.start(configuration(httpd, ours, theirs, [
            f"ScriptAlias /cgi/ {httpd.path('cgi')}/",
            f"<Directory {httpd.path('cgi')}>\nRequire all granted\nOptions ExecCGI\n</Directory>", *filter(None, [php])]))
        for name, path in (("CGI", "/cgi/slow"), *([("PHP", "/slow.php")] if php else [])):
            for shape in SLOW[:1] if options.quick else SLOW:
                pairs = []
                for run in range(options.runs):
                    order = (ours, theirs) if run % 2 == 0 else (theirs, ours)
                    found = {port: slow_once(httpd, port, path, shape, count) for port in order}
                    pairs.append((found[ours], found[theirs]))
                show_slow(name, shape, pairs)


# ---- browsers ------------------------------------------------------------------------------------


def pages(httpd, port, quick):
    """Files a second, the 99th percentile of their times, and how many failed, because mod_http2 may end
    connections."""
    conns, streams, count = PAGES
    times, said = times_ms(httpd, port, (conns, streams, count // 10 if quick else count), strict=False)
    return rate(said), percentile(times), int(re.search(r"(\d+) failed", said)[1])


def show_pages(found):
    return " | ".join(f"{part[0]:,.0f}{f' ({part[2]} failed)' if part[2] else ''} | {part[1]:,.1f}" if part else "refused | –"
                      for part in found)


def browsers(build, load, count, quick):
    with Httpd("event", "bench_http2") as httpd:
        # As in docs/sizing.md: httpd ends no child, whose connections would end too.
        httpd.sizing = DEBIAN.replace("MaxSpareThreads 75", "MaxSpareThreads 150") + "AsyncRequestWorkerFactor 800\n"
        files(httpd)
        ours, theirs = httpd.add_port(), httpd.add_port()
        httpd.start(configuration(httpd, ours, theirs))
        alone = [pages(httpd, port, quick) for port in (ours, theirs)]
        time.sleep(2)
        before = usage(load, httpd.pid)["pss_bytes"]
        holder = Holder(build, ours, count, 1)
        time.sleep(2)
        held = usage(load, httpd.pid)["pss_bytes"] - before
        mine = pages(httpd, ours, quick)
        updates, _ = fan_out(httpd, load, ours, holder)
        holder.close()
        try:
            holder = Holder(build, theirs, count, 1, subprocess.DEVNULL)
            other = pages(httpd, theirs, quick)
            holder.close()
        except AssertionError:
            other = None
        print(f"| {count} | {held / 1024 / count:,.1f} | {statistics.median(updates) * 1000:,.1f} | "
              f"{show_pages([alone[0], mine, alone[1], other])} |", flush=True)


def browsers_part(build, load, options):
    print("| browsers | KB for each | update to all, ms | files/s without them | p99 ms | with them | p99 ms "
          "| mod_http2 without them | p99 ms | with them | p99 ms |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    for _ in range(options.runs):
        browsers(build, load, BROWSERS // 20 if options.quick else BROWSERS, options.quick)


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
    if "slow" in options.part:
        print(f"\nSlow requests, medians of {options.runs} runs\n")
        slow_part(options)
    if "browsers" in options.part:
        print("\nBrowsers\n")
        browsers_part(options.build, load, options)


if __name__ == "__main__":
    main()
