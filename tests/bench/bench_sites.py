#!/usr/bin/env python3
"""
Measures what many sites on one server cost:

    make tests/bench/load_post
    MERCURE_MODULE=….libs/mod_mercure.so python3 tests/bench/bench_sites.py tests/bench/load_post [SITES …]

For each number of SITES (100 1000), it starts a server (event MPM, two children) with so many virtual hosts that
inherit one section, and for comparison one with the same virtual hosts and no hub. It prints the time of configtest and
from the start to the first answer, the shared memory of the hubs, the private memory of a child, and the time of the
first publication of a hub. The last lines are the latency of one site (from the publication to the event), while no other
site publishes and while another one is flooded by eight connections.
"""
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
TOPIC = "https://example.com/books/1"


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


def measure(httpd, text):
    """Starts HTTPD on TEXT: seconds of configtest and of the start, private memory of a child."""
    httpd.configure(text)
    check = timed(lambda: httpd.configtest(text))
    httpd._spawn()
    start = timed(lambda: wait_answer(httpd.port))
    time.sleep(2)
    return check, start, statistics.median(private_bytes(pid) for pid in httpd.children())


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


def run(load, count, folder):
    with Httpd("event", "bench_sites") as httpd, Httpd("event", "bench_plain") as plain:
        vhosts = [httpd.vhost(name=f"site-{i}.example") for i in range(count)]
        head = "CustomLog /dev/null live\nLogLevel warn\nMaxKeepAliveRequests 0\n"
        check0, start0, private0 = measure(plain, head + "".join(v.replace(f":{httpd.port}", f":{plain.port}") for v in vhosts))
        check, start, private = measure(httpd, head + hub(*SMALL) + "".join(vhosts))
        cold = timed(lambda: httpd.publish(TOPIC, "x", host=f"site-{count - 1}.example"))
        print(f"{count} sites")
        print(f"  configtest               {check * 1000:8.0f} ms   without hubs {check0 * 1000:8.0f} ms")
        print(f"  start to first answer    {start * 1000:8.0f} ms   without hubs {start0 * 1000:8.0f} ms   x{start / start0:.2f}")
        print(f"  shared memory            {shared_bytes(httpd) / 1e6:8.1f} MB   for each hub {shared_bytes(httpd) / (count + 1) / 1024:8.1f} KB")
        print(f"  private memory of a child{private / 1e6:8.1f} MB   without hubs {private0 / 1e6:8.1f} MB   for each hub "
              f"{(private - private0) / (count + 1) / 1024:8.2f} KB")
        print(f"  first publication of a hub {cold * 1000:6.1f} ms")
        fairness(httpd, load, folder)


def main():
    load = os.path.realpath(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        for count in [int(arg) for arg in sys.argv[2:]] or [100, 1000]:
            run(load, count, folder)


if __name__ == "__main__":
    main()
