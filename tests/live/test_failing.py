"""Memory that fails now and then, under load: nothing crashes, and nothing is left of it."""
import os
import struct
import subprocess
import threading
import time
import urllib.parse

import pytest

from env import token
from env.h2 import Http2
from env.hub import PATH, hub
from env.wait import wait_until
from env.watch import STATUS, wait_subscribers
from test_streams import TOPIC

HERE = os.path.dirname(os.path.abspath(__file__))
TARGET = f"{PATH}?{urllib.parse.urlencode([('match', TOPIC)])}"
STREAM = (("accept", "text/event-stream"),)
SECONDS = float(os.environ.get("MERCURE_FAILING_SECONDS", "4"))


def failing_library(httpd, monkeypatch):
    """Loads env/failing.c into HTTPD; returns a function that sets of how many calls one fails, and
    returns how many have failed."""
    library = httpd.path("failing.so")
    subprocess.run(["gcc", "-O1", "-shared", "-fPIC", "-o", library, f"{HERE}/env/failing.c", "-ldl"], check=True)
    switches = httpd.write("failing", struct.pack("II", 0, 0))
    monkeypatch.setenv("MERCURE_LD_PRELOAD", library)
    httpd.env["FAILING"] = switches

    def one_of(count):
        with open(switches, "r+b") as file:
            failed = struct.unpack("II", file.read(8))[1]
            file.seek(0)
            file.write(struct.pack("I", count))
        return failed

    return one_of


def body_of(number):
    return urllib.parse.urlencode([("topic", TOPIC), ("data", f"{number}:" + "x" * (number * 997 % 20000))]).encode()


def load(port, tls, stop, problems):
    """Streams, publications and requests of one client, whose connections may end at any time."""
    headers = [("content-type", "application/x-www-form-urlencoded"), ("authorization", f"Bearer {token.publisher()}")]
    number = 0
    while not stop.is_set():
        try:
            with Http2(port, tls, 10) as conn:
                for _ in range(8):
                    conn.open_all(4, TARGET, STREAM)
                    conn.open_all(2, "/big.bin")
                    number += 1
                    answer = conn.post(PATH, body_of(number), headers)
                    if answer.status == 200 and not answer.reset and not answer.body:
                        problems.append("a publication without an id")
        except (OSError, AssertionError):
            pass  # the server has ended the connection, or a stream of it
        except Exception as error:  # such as a frame that the protocol does not allow
            problems.append(repr(error))


@pytest.mark.mpm("event")
@pytest.mark.skipif("MERCURE_LD_PRELOAD" in os.environ, reason="a sanitizer has its own malloc()")
def test_no_memory_over_http2(httpd, monkeypatch):
    one_of = failing_library(httpd, monkeypatch)
    httpd.load("status")
    port = httpd.add_port()
    httpd.write("htdocs/big.bin", bytes(300000))
    httpd.expect_log(r"MRC\d+", required=False)
    hubs = hub("MercureSubscriptions On", "MercureCursor On")
    httpd.start("Protocols h2 h2c http/1.1\nKeepAliveTimeout 2\n" + STATUS +
                httpd.vhost("MercureHttp2 On", f"DocumentRoot {httpd.docroot}", hubs, STATUS, port=port, tls=True) +
                "MercureHttp2 On\n" + hubs)
    problems, stop = [], threading.Event()
    clients = [threading.Thread(target=load, args=(at, tls, stop, problems))
               for at, tls in ((port, True), (httpd.port, False)) for _ in range(2)]
    for client in clients:
        client.start()
    for count in (200, 50, 10, 1000):
        one_of(count)
        time.sleep(SECONDS / 4)
    assert one_of(0) > 20
    stop.set()
    for client in clients:
        client.join()
    assert not problems
    wait_subscribers(httpd, 0)
    with Http2(port, True) as conn:
        stream = conn.open(TARGET, STREAM)
        conn.wait(lambda: stream.parser.comments, "the stream")
        httpd.publish(TOPIC, "after")
        conn.wait(lambda: stream.parser.events, "the update")
    httpd.graceful()
    wait_until(lambda: len(httpd.children()) > 0, what="new children")
