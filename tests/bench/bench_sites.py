#!/usr/bin/env python3
"""
Measures what many sites on one server cost:

    make tests/bench/load_post tests/bench/load/load
    MERCURE_MODULE=….libs/mod_mercure.so python3 tests/bench/bench_sites.py tests/bench/load_post [SITES …]

For each number of SITES (100 1000), it starts a server (event MPM, two children) with that many virtual hosts that
inherit one section, and for comparison one with the same virtual hosts and no hub. It prints the time of configtest,
the time and the CPU time of all processes from the start to the first answer (medians of several starts of both servers
in turn), the CPU time of the main process for a graceful restart, the shared memory of the hubs, the private memory of
a child, and the time of the first publication of a hub. Set TMPDIR to a file system in memory for figures of a server
whose DefaultRuntimeDir is one, such as /run. The last lines are the latency of one site (from the publication to the
event), while no other site publishes and while another one is flooded by eight connections, and of one site with 1,000
subscribers (CPU is that of the server), which the load generator of `./dev bench` checks: everything arrives once and
in order.
"""
import glob
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../live"))

from env import http, token  # noqa: E402
from env.httpd import Httpd  # noqa: E402
from env.hub import PATH, hub  # noqa: E402

SMALL = ("MercureHistory count=100 bytes=64K", "MercureLimit body=16K")
SAMPLES = 500
STARTS = 7
RECEIVERS = {"subscribers": 1000, "updates": 100, "rate": 10, "publishers": 4}
TOPIC = "https://example.com/books/1"
LOAD_TOPIC = "https%3A%2F%2Fexample.com%2Ft%2F0"


def timed(function):
    start = time.monotonic()
    function()
    return time.monotonic() - start


def wait_answer(port):
    while True:
        try:
            return http.request(port, "GET", "/", host="site-1.example")
        except OSError:
            time.sleep(0.005)


def private_bytes(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith("Private_")) * 1024


def shared_bytes(httpd):
    paths = [os.path.join(httpd.runtime_dir, name) for name in httpd.runtime_files()]
    return sum(os.stat(path).st_blocks for path in paths) * 512


def cpu_seconds(*pids):
    """What the processes have used so far, by the scheduler's clock."""
    total = 0
    for path in (path for pid in pids for path in glob.glob(f"/proc/{pid}/task/*/schedstat")):
        with open(path, encoding="ascii") as file:
            total += int(file.read().split()[0])
    return total / 1e9


def measure_starts(servers):
    """Starts each of SERVERS several times, in turn. Returns the medians (seconds, CPU seconds) of each; all run in the end."""
    found = [[] for _ in servers]
    for i in range(STARTS):
        for httpd, costs in zip(servers, found):
            if i:
                httpd.stop()
            httpd._spawn()
            took = timed(lambda port=httpd.port: wait_answer(port))
            costs.append((took, cpu_seconds(httpd.pid, *httpd.children())))
    return [tuple(statistics.median(values) for values in zip(*costs)) for costs in found]


def reload_cpu(httpd):
    """CPU seconds of the main process for a graceful restart."""
    costs = []
    for _ in range(STARTS):
        before = cpu_seconds(httpd.pid)
        httpd.graceful()
        costs.append(cpu_seconds(httpd.pid) - before)
    return statistics.median(costs)


def child_private_bytes(httpd):
    time.sleep(2)
    return statistics.median(private_bytes(pid) for pid in httpd.children())


def latencies(httpd, host, minted):
    """Seconds from a publication to its event, for SAMPLES publications of HOST."""
    found = []
    with httpd.subscribe([("match", TOPIC)], host=host) as stream, httpd.connect() as connection:
        body = f"topic={TOPIC}&data=x"
        for _ in range(SAMPLES):
            start = time.monotonic()
            connection.request("POST", PATH, {"Authorization": f"Bearer {minted}", "Content-Type":
                                              "application/x-www-form-urlencoded"}, body, host)
            stream.next()
            found.append(time.monotonic() - start)
            time.sleep(0.005)
    return sorted(found)


def show_latency(name, found):
    print(f"  {name:24} median {statistics.median(found) * 1000:8.2f} ms   p99 {found[len(found) * 99 // 100] * 1000:8.2f} ms")


def fairness(httpd, load, folder):
    minted = token.publisher()
    path = os.path.join(folder, "token")
    with open(path, "w", encoding="ascii") as out:
        out.write(minted + "\n")
    show_latency("one site, quiet", latencies(httpd, "site-1.example", minted))
    # httpd answers requests without a known host in the first virtual host, site-0.
    with subprocess.Popen([load, str(httpd.port), PATH, "200", "100000000", "8", f"topic={TOPIC}&data={'x' * 100}", path,
                           str(httpd.pid)], stdout=subprocess.DEVNULL) as flood:
        time.sleep(1)
        show_latency("while another is flooded", latencies(httpd, "site-1.example", minted))
        flood.terminate()


def fanout(httpd, load):
    command = [os.path.join(os.path.dirname(load), "load/load"), "run", "--target", f"127.0.0.1:{httpd.port}",
               "--host", "site-1.example", "--match", f"match={LOAD_TOPIC}", "--body", f"topic={LOAD_TOPIC}&data={{data}}",
               "--publish-token", token.publisher(), "--pid", str(httpd.pid)]
    for name, value in RECEIVERS.items():
        command += [f"--{name}", str(value)]
    result = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.splitlines()[-1])
    print(f"  {RECEIVERS['subscribers']} receivers of one site    median {result['latency_p50_us'] / 1000:8.2f} ms   "
          f"p99 {result['latency_p99_us'] / 1000:8.2f} ms   CPU {result['cpu_us_per_delivery']:.2f} us for each delivery")


def run(load, count, folder):
    with Httpd("event", "bench_sites") as httpd, Httpd("event", "bench_plain") as plain:
        vhosts = [httpd.vhost(name=f"site-{i}.example") for i in range(count)]
        head = "CustomLog /dev/null live\nLogLevel warn\nMaxKeepAliveRequests 0\n"
        plain.configure(head + "".join(v.replace(f":{httpd.port}", f":{plain.port}") for v in vhosts))
        httpd.configure(head + hub(*SMALL) + "".join(vhosts))
        check, check0 = timed(httpd.configtest), timed(plain.configtest)
        (start, cpu), (start0, cpu0) = measure_starts((httpd, plain))
        private, private0 = child_private_bytes(httpd), child_private_bytes(plain)
        again, again0 = reload_cpu(httpd), reload_cpu(plain)
        cold = timed(lambda: httpd.publish(TOPIC, "x", host=f"site-{count - 1}.example"))
        print(f"{count} sites")
        print(f"  configtest               {check * 1000:8.0f} ms   without hubs {check0 * 1000:8.0f} ms")
        print(f"  start to first answer    {start * 1000:8.0f} ms   without hubs {start0 * 1000:8.0f} ms   x{start / start0:.2f}")
        print(f"  CPU of a start           {cpu * 1000:8.0f} ms   without hubs {cpu0 * 1000:8.0f} ms   x{cpu / cpu0:.2f}")
        print(f"  CPU of a graceful restart{again * 1000:8.0f} ms   without hubs {again0 * 1000:8.0f} ms   x{again / again0:.2f}")
        print(f"  shared memory            {shared_bytes(httpd) / 1e6:8.1f} MB   for each hub {shared_bytes(httpd) / (count + 1) / 1024:8.1f} KB")
        print(f"  private memory of a child{private / 1e6:8.1f} MB   without hubs {private0 / 1e6:8.1f} MB   for each hub "
              f"{(private - private0) / (count + 1) / 1024:8.2f} KB")
        print(f"  first publication of a hub {cold * 1000:6.1f} ms")
        fairness(httpd, load, folder)
        fanout(httpd, load)


def main():
    load = os.path.realpath(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        for count in [int(arg) for arg in sys.argv[2:]] or [100, 1000]:
            run(load, count, folder)


if __name__ == "__main__":
    main()
