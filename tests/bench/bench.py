#!/usr/bin/env python3
"""
The benchmark of `./dev bench`: runs the scenarios against the hub and the raw writer in turn.

    make tests/bench/load/load tests/bench/raw
    MERCURE_MODULE=….libs/mod_mercure.so python3 tests/bench/bench.py --build BUILD_TREE [OPTION…]

The servers are started anew for each measurement. A ratio compares with the raw writer in the same run; a
table shows the median of the runs, and their minimum and maximum. Each measurement is also written to a file,
as a line of JSON. The exit status is 0 if every subscriber of every measurement got everything once and in order.
"""
import argparse
import datetime
import json
import os
import platform
import signal
import subprocess
import sys

import scenarios
import table
from measure import measure
from servers import Hub, LeftOut, Nchan, Raw, Tls, descriptors, raise_descriptors

SLICE = 500  # sends of the coalescing raw writer before it looks for new requests


def parse(argv):
    names = [scenario.name for scenario in scenarios.ALL]
    what = "\n".join(f"  {scenario.name:12} {scenario.question}" for scenario in scenarios.ALL)
    parser = argparse.ArgumentParser(
        prog="./dev bench", description="Runs scenarios against the hub and the raw writer in turn.",
        epilog=f"scenarios (without --scenario: all but {', '.join(sorted(scenarios.NAMED))}):\n{what}",
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--scenario", nargs="+", choices=names, metavar="NAME", default=list(scenarios.DEFAULT))
    parser.add_argument("--runs", type=int, default=3, help="how many times each (3)")
    parser.add_argument("--quick", action="store_true", help="small sizes, only to show that the benchmark works")
    parser.add_argument("--carrier", choices=("detached", "suspended", "threaded"), action="append",
                        help="carrier of the hub's streams (detached); the others set MercureDetach Off; repeat it "
                             "to compare them in one run")
    parser.add_argument("--mpm", choices=("event", "worker", "prefork"),
                        help="MPM of httpd (event; worker for threaded streams)")
    parser.add_argument("--tls", action="store_true",
                        help="the hub and its peers use TLS; the raw writer does not")
    parser.add_argument("--resume", action="store_true", help="with --tls: clients resume TLS sessions")
    parser.add_argument("--children", type=int, default=2, help="child processes of httpd, workers of nginx (2)")
    parser.add_argument("--directive", action="append", default=[], metavar="TEXT",
                        help="one more directive for the hub, such as 'MercureHistory count=10'; repeatable")
    parser.add_argument("--peer", action="append", choices=("nchan",), default=[],
                        help="measure this server too (Debian's libnginx-mod-nchan)")
    parser.add_argument("--out", help="the file for the lines of JSON")
    parser.add_argument("--table", metavar="FILE", help="measure nothing, and print the tables of such a file")
    options = parser.parse_args(argv)
    if options.runs < 1 or options.children < 1:
        parser.error("--runs and --children must be at least 1")
    options.carrier = options.carrier or ["detached"]
    if options.mpm is None:
        options.mpm = "worker" if "threaded" in options.carrier else "event"
    if "suspended" in options.carrier and options.mpm != "event":
        parser.error("only the event MPM suspends streams; under worker and prefork they are detached or threaded")
    if "threaded" in options.carrier and options.mpm != "worker":
        parser.error("threaded streams are measured under worker only")
    if options.resume and not options.tls:
        parser.error("--resume needs --tls")
    return options


def machine():
    """Describes the machine and the sources that are measured."""
    with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
        models = {line.split(":", 1)[1].strip() for line in file if line.startswith("model name")}
    here = os.path.dirname(os.path.realpath(__file__))
    commit = subprocess.run(["git", "-c", "safe.directory=*", "-C", here, "describe", "--always", "--dirty"],
                            capture_output=True, text=True)
    return {"kernel": platform.release(), "cpus": os.cpu_count(), "cpu_models": sorted(models),
            "descriptors": descriptors(), "sources": commit.stdout.strip() or None}


def progress(text):
    print(text, file=sys.stderr, flush=True)


def run_all(options, servers, out):
    """{scenario: {server: [result…]}}; each result is also written to OUT."""
    results = {}
    for run in range(options.runs):
        for name in options.scenario:
            scenario = scenarios.BY_NAME[name]
            for server in servers:
                if not server.is_relevant(scenario):
                    continue
                try:
                    found = measure(options.load, server, scenario, options.quick)
                except LeftOut as reason:
                    if run == 0:
                        progress(f"{name}: {server.name} is left out: {reason}")
                    continue
                line = {"run": run + 1, "scenario": name, "server": server.name, **server.describe(),
                        "quick": options.quick, "asked": scenario.load(options.quick),
                        "load_average": os.getloadavg()[0],
                        "at": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), **found}
                out.write(json.dumps(line) + "\n")
                out.flush()
                results.setdefault(name, {}).setdefault(server.name, []).append(line)
                progress(f"run {run + 1}, {name}, {server.name}: {table.fault(line) or 'ok'}")
    return results


def read_results(path):
    """The results that run_all() wrote, and whether they have the quick size."""
    results, quick = {}, False
    with open(path, encoding="utf-8") as file:
        for line in map(json.loads, list(file)[1:]):
            results.setdefault(line["scenario"], {}).setdefault(line["server"], []).append(line)
            quick = line["quick"]
    return results, quick


def print_tables(results, quick):
    for name, rows in results.items():
        print(table.scenario_table(scenarios.BY_NAME[name], rows, quick))


def main():
    options = parse(sys.argv[1:])
    if options.table:
        print_tables(*read_results(options.table))
        return 0
    raise_descriptors()
    # The servers must end with this process, however that ends.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    options.load = os.path.join(options.build, "tests/bench/load/load")
    folder = os.environ.get("MERCURE_LIVE_DIR") or f"/var/tmp/mod_mercure-bench-{os.getuid()}"
    os.makedirs(folder, exist_ok=True)
    now = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    path = options.out or os.path.join(folder, f"results-{now}.jsonl")
    raw = os.path.join(options.build, "tests/bench/raw")
    tls = Tls(folder, options.resume) if options.tls else None
    servers = [Raw(raw), Raw(raw, SLICE)]
    servers += [Hub(folder, options.mpm, carrier, tls, options.children, options.directive)
                for carrier in options.carrier]
    if "nchan" in options.peer:
        servers.append(Nchan(folder, options.children, tls))
    with open(path, "w", encoding="utf-8") as out:
        out.write(json.dumps({"machine": machine(), "arguments": sys.argv[1:]}) + "\n")
        results = run_all(options, servers, out)
    print_tables(results, options.quick)
    print(f"Lines of JSON: {path}")
    bad = [line for rows in results.values() for lines in rows.values() for line in lines
           if line["verdict"] != "ok"]
    return 1 if bad or not results else 0


if __name__ == "__main__":
    sys.exit(main())
