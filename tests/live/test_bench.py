"""The benchmark of ./dev bench in its quick size: it runs, finds the hub correct and writes its results."""
import fcntl
import json
import os
import shutil
import subprocess

from env.httpd import find_module, live_dir

HERE = os.path.dirname(os.path.abspath(__file__))
FAN_OUT = {"cpu_us_per_delivery", "deliveries_per_s", "latency_p50_us", "latency_p99_us"}


def build():
    """Builds the programs of the benchmark, which nothing else needs; returns the build tree."""
    folder = os.environ.get("MERCURE_BUILD") or os.path.dirname(os.path.dirname(os.path.abspath(find_module())))
    with open(os.path.join(folder, "answer.lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run in parallel; make must not run twice in one tree
        subprocess.run(["make", "-C", folder, "tests/bench/load/load", "tests/bench/load_http2", "tests/bench/raw"],
                       check=True, capture_output=True, text=True, timeout=300)
    return folder


def test_quick_benchmark_finds_the_hub_correct(tmp_path):
    out, folder = tmp_path / "results.jsonl", build()

    def bench(*options):
        done = subprocess.run(
            ["/usr/bin/python3", os.path.join(HERE, "../bench/bench.py"), "--build", folder, *options],
            capture_output=True, text=True, timeout=300, env={**os.environ, "MERCURE_LIVE_DIR": live_dir()})
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    printed = bench("--quick", "--runs", "1", "--scenario", "fanout1k", "storm", "stalled2k", "--out", str(out))
    machine, *lines = map(json.loads, out.read_text(encoding="utf-8").splitlines())
    assert machine["machine"]["cpus"] >= 1
    assert [(line["scenario"], line["server"], line["verdict"]) for line in lines] == [
        ("fanout1k", "raw", "ok"), ("fanout1k", "raw-coalescing", "ok"), ("fanout1k", "hub", "ok"),
        ("storm", "raw", "ok"), ("storm", "hub", "ok"), ("stalled2k", "hub", "ok")]
    for line in lines[:5]:
        asked = line["asked"]
        # In a storm, one subscriber receives every update of the history; the others receive all but the first.
        due = asked["subscribers"] * asked["updates"] if line["scenario"] == "fanout1k" else \
            asked["updates"] + asked["subscribers"] * (asked["updates"] - 1)
        assert line["deliveries"] == due
    assert all(line[key] > 0 for line in lines[:3] for key in FAN_OUT)
    assert all(line["storm_s"] > 0 for line in lines[3:5])
    assert lines[5]["kernel_bytes_per_subscriber"] > 100000  # the sockets are full
    assert printed.count("| hub |") == 3 and str(out) in printed
    assert printed.startswith(bench("--table", str(out)).rstrip())


def test_quick_benchmark_of_http2():
    done = subprocess.run(
        ["/usr/bin/python3", os.path.join(HERE, "../bench/bench_http2.py"), build(), "--quick", "--runs", "1"],
        capture_output=True, text=True, timeout=300, env={**os.environ, "MERCURE_LIVE_DIR": live_dir()})
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in done.stdout.splitlines()
            if line.startswith("| ") and not line.startswith("| |")]
    traffic = [row for row in rows if len(row) == 8]
    php = ["PHP"] if shutil.which("php-fpm8.2", path=os.environ["PATH"] + ":/usr/sbin") else []
    assert [row[0] for row in traffic] == ["1 KB", "60 KB", "10 MB", "POST 1 KB", "POST 60 KB", "CGI", *php]
    assert all(float(cell.replace(",", "")) > 0 for row in traffic for cell in row[2:5])
    assert all(float(cell.replace(",", "")) > 0 for row in traffic[5:] for cell in row[5:])
    held = [row for row in rows if row[0] in ("20 x 1", "1 x 10")]
    assert len(held) == 2 and all(float(row[4]) > 0 and float(row[6]) > 0 for row in held)
    browsers = [row for row in rows if len(row) == 11 and row[0] == "25"]
    assert len(browsers) == 1 and all(float(cell.replace(",", "")) > 0 for cell in browsers[0][2:7])
