#!/usr/bin/env python3
"""
Measures a hub on several machines that share a private Redis server, all on this computer:

    make tests/bench/load_post
    MERCURE_MODULE=….libs/mod_mercure.so python3 tests/bench/bench_cluster.py tests/bench/load_post [--quick]

Prints updates a second that one machine publishes over 1 and over 32 connections, one in each request and 100 in each
request, and the CPU of Redis for each update; the latency from a publication at one machine to the event at another;
the CPU of Redis for each update with 1, 4 and 16 machines that read it; and the time until 2000 clients with a cursor
that is 100 updates old have these updates, while Redis is stopped. For comparison, a hub without a transport.
"""
import argparse
import json
import os
import resource
import select
import socket
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../live"))

from env import token  # noqa: E402
from env.httpd import Httpd  # noqa: E402
from env.hub import PATH, hub  # noqa: E402
from env.redis import PROGRAM, Redis  # noqa: E402
from env.wait import wait_until  # noqa: E402

TOPIC = "https://example.com/books/1"
DATA = "x" * 100
ONE = f"topic=https%3A%2F%2Fexample.com%2Fbooks%2F1&data={DATA}"
BATCH = 100
MANY = json.dumps([{"topic": TOPIC, "data": "x" * 40}] * BATCH, separators=(",", ":"))
BEHIND = 100
HEAD = "CustomLog /dev/null live\nLogLevel warn mercure:notice\nMaxKeepAliveRequests 0\n" \
       "<Location /metrics>\nSetHandler mercure-metrics\n</Location>\n"
TICK = os.sysconf("SC_CLK_TCK")


def cpu_s(pid):
    """The CPU time of a process."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


class Machines:
    """COUNT machines; without a transport, if REDIS is None."""

    def __init__(self, redis, count):
        self.redis = redis
        transport = [f"MercureTransport {redis.url}"] if redis else []
        self.all = [Httpd("event", f"bench_cluster{number}") for number in range(count)]
        for httpd in self.all:
            httpd.sizing = ("StartServers 1\nServerLimit 1\nThreadsPerChild 48\nMaxRequestWorkers 48\nMinSpareThreads 1\n"
                            "MaxSpareThreads 48\n")
            httpd.start(HEAD + hub(*transport, "MercureHeartbeat 0", name="bench"))
        for httpd in self.all:
            wait_until(lambda httpd=httpd: 'mercure_transport_up{hub="bench"} 1' in httpd.get("/metrics").text,
                       what="a connection with Redis")

    def __enter__(self):
        return self.all

    def __exit__(self, *unused):
        for httpd in self.all:
            httpd.close()


class Bench:
    def __init__(self, load, folder, seconds):
        self.load = load
        self.seconds = seconds
        self.token = os.path.join(folder, "token")
        with open(self.token, "w", encoding="ascii") as out:
            out.write(token.publisher() + "\n")

    def post(self, httpd, count, connections, body):
        """Requests a second."""
        done = subprocess.run([self.load, str(httpd.port), PATH, "200", str(count), str(connections), body, self.token,
                               str(httpd.pid)], check=True, capture_output=True, text=True)
        return float(done.stdout.split()[0])

    def rate(self, httpd, connections, body, redis=None):
        """Updates a second, and microseconds of Redis' CPU for each."""
        each = BATCH if body is MANY else 1
        count = max(connections, int(self.post(httpd, 20 * connections, connections, body) * self.seconds))
        before = cpu_s(redis.proc.pid) if redis else 0
        rate = self.post(httpd, count, connections, body)
        used = cpu_s(redis.proc.pid) - before if redis else 0
        return rate * each, used / count / each * 1e6

    def publishing(self, name, httpd, redis=None):
        for connections in (1, 32):
            for text, body in (("one by one", ONE), (f"{BATCH} at once", MANY)):
                rate, used = self.rate(httpd, connections, body, redis)
                cpu = f"   Redis {used:6.2f} us of CPU" if redis else ""
                print(f"  {name}, {connections:2} connections, {text:12} {rate:9.0f} updates/s{cpu}", flush=True)


def latencies(source, target, samples):
    """Seconds from the start of a publication at SOURCE to its event at TARGET."""
    found = []
    with target.subscribe([("match", TOPIC)]) as stream, source.connect() as connection:
        fields = {"Authorization": f"Bearer {token.publisher()}", "Content-Type": "application/x-www-form-urlencoded"}
        for _ in range(samples):
            start = time.monotonic()
            connection.request("POST", PATH, fields, f"topic={TOPIC}&data=x")
            stream.next()
            found.append(time.monotonic() - start)
            time.sleep(0.002)
    return sorted(found)


def show_latency(name, found):
    print(f"  {name:34} median {statistics.median(found) * 1000:6.2f} ms   p99 {found[len(found) * 99 // 100] * 1000:6.2f} ms",
          flush=True)


def storm(httpd, cursor, clients):
    """Seconds until all of CLIENTS clients have the updates after CURSOR."""
    request = (f"GET {PATH}?match={TOPIC} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n"
               f"Last-Event-ID: {cursor}\r\nAuthorization: Bearer {token.subscriber()}\r\n\r\n").encode()
    poll, left = select.epoll(), {}
    start = time.monotonic()
    sockets = []
    for _ in range(clients):
        one = socket.create_connection(("127.0.0.1", httpd.port))
        one.sendall(request)
        one.setblocking(False)
        poll.register(one, select.EPOLLIN)
        left[one.fileno()] = [one, BEHIND]
        sockets.append(one)
    while left:
        for number, _ in poll.poll(30):
            if number not in left:
                continue
            data = left[number][0].recv(1 << 20)
            left[number][1] -= data.count(b"\ndata:")
            if not data or left[number][1] <= 0:
                assert data, "a stream has ended"
                del left[number]
    took = time.monotonic() - start
    for one in sockets:
        one.close()
    return took


def prepare_storm(httpd):
    cursor = httpd.publish(TOPIC, "first").text
    for number in range(BEHIND):
        httpd.publish(TOPIC, f"{number} {DATA}")
    return cursor


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("load")
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    if not os.access(PROGRAM, os.X_OK):
        sys.exit(f"bench_cluster: there is no {PROGRAM}: install redis-tools")
    resource.setrlimit(resource.RLIMIT_NOFILE, (8192, max(8192, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))
    clients, samples = (200, 300) if args.quick else (2000, 2000)
    redis = Redis()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(os.path.realpath(args.load), folder, 0.3 if args.quick else 3)
        print("without a transport", flush=True)
        with Machines(None, 1) as (local,):
            bench.publishing("publishing", local)
            show_latency("publication to event", latencies(local, local, samples))
            print(f"  {clients} cursors at once {storm(local, prepare_storm(local), clients):6.2f} s", flush=True)
        print("two machines", flush=True)
        with Machines(redis, 2) as (a, b):
            bench.publishing("publishing", a, redis)
            show_latency("publication at A to event at B", latencies(a, b, samples))
            cursor = prepare_storm(a)
            with b.subscribe([("match", TOPIC)], headers={"Last-Event-ID": cursor}) as stream:
                stream.take(BEHIND)
            redis.freeze()
            print(f"  {clients} cursors at once at B, Redis stopped {storm(b, cursor, clients):6.2f} s", flush=True)
            redis.thaw()
        for count in (1, 4) if args.quick else (1, 4, 16):
            redis.ask("FLUSHALL")
            with Machines(redis, count) as machines:
                rate, used = bench.rate(machines[0], 32, MANY, redis)
                print(f"{count:2} machines: {rate:9.0f} updates/s   Redis {used:6.2f} us of CPU for an update", flush=True)
    redis.close()


if __name__ == "__main__":
    main()
