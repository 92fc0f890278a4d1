"""Clients that vanish without a FIN: the hub announces the end of their subscriptions."""
import json
import os
import subprocess
import sys

import pytest

from env import token
from env.hub import PATH, hub
from env.wait import wait_until

HEARTBEAT, TIMEOUT = 2, 3

CLIENT = """
import socket, sys, time
sock = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=60)
sock.sendall(b"GET " + sys.argv[3].encode() + b" HTTP/1.1\\r\\nHost: localhost\\r\\nAuthorization: Bearer " +
             sys.argv[4].encode() + b"\\r\\nAccept: text/event-stream\\r\\n\\r\\n")
assert b"200 OK" in sock.recv(4096)
print("open", flush=True)
while sock.recv(4096):
    pass
"""

HTTP2_CLIENT = """
import socket, sys
import h2.connection, h2.events
sock = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=60)
conn = h2.connection.H2Connection()
conn.initiate_connection()
conn.send_headers(1, [(":method", "GET"), (":path", sys.argv[3]), (":scheme", "http"), (":authority", "localhost"),
                      ("authorization", "Bearer " + sys.argv[4]), ("accept", "text/event-stream")], end_stream=True)
sock.sendall(conn.data_to_send())
while data := sock.recv(4096):
    for event in conn.receive_data(data):
        if isinstance(event, h2.events.ResponseReceived):
            assert dict(event.headers)[b":status"] == b"200"
            print("open", flush=True)
    sock.sendall(conn.data_to_send())
"""


def ip(*arguments):
    return subprocess.run(["ip", *arguments], capture_output=True, text=True, timeout=60)


@pytest.fixture
def far_away():
    """A network namespace at the other end of a cable to NEAR: (name, near, device)."""
    number = os.getpid() % 250
    name, near, far = f"mercure{os.getpid()}", f"10.211.{number}.1", f"10.211.{number}.2"
    here, there = f"mrcA{os.getpid()}"[:15], f"mrcB{os.getpid()}"[:15]
    made = ip("netns", "add", name)
    if made.returncode:
        pytest.skip(f"no network namespaces here: {made.stderr.strip()}")
    try:
        for command in (["link", "add", here, "type", "veth", "peer", "name", there, "netns", name],
                        ["addr", "add", f"{near}/30", "dev", here], ["link", "set", here, "up"],
                        ["-n", name, "addr", "add", f"{far}/30", "dev", there], ["-n", name, "link", "set", there, "up"]):
            done = ip(*command)
            assert done.returncode == 0, (command, done.stderr)
        yield name, near, there
    finally:
        ip("link", "del", here)
        ip("netns", "del", name)


def vanish(httpd, far_away, program, server=""):
    """A client loses its network while its stream is open; the hub must announce the end of its subscription."""
    name, near, device = far_away
    port = httpd.ports[0]
    httpd.start(f"Listen {near}:{port}\n{server}" + hub("MercureSubscriptions On", f"MercureHeartbeat {HEARTBEAT}",
                                                        f"MercureDispatchTimeout {TIMEOUT}",
                                                        "MercureConnectionLifetime 0"))
    events = f"{PATH}/subscriptions/:type/:match/:subscriber"
    watcher = httpd.subscribe([("match_urlpattern", events)], token=token.subscriber([("urlpattern", events)]))
    watcher.next()
    client = subprocess.Popen(["ip", "netns", "exec", name, sys.executable, "-c", program, near, str(port),
                               f"{PATH}?match=far", token.subscriber()], stdout=subprocess.PIPE, text=True)
    try:
        assert client.stdout.readline() == "open\n"
        began = json.loads(watcher.next().data)
        assert (began["match"], began["active"]) == ("far", True)
        assert ip("-n", name, "addr", "flush", "dev", device).returncode == 0  # packets to it are lost from now on
        ended = json.loads(watcher.next(deadline=19).data)  # the kernel alone gives up after 20 s
        assert (ended["subscriber"], ended["active"]) == (began["subscriber"], False)
    finally:
        client.kill()
        client.wait()
        watcher.close()
    wait_until(lambda: "stream ended: slow" in httpd.log(), what="the end in the log")


def test_a_client_that_vanishes(httpd, far_away, each_carrier):
    vanish(httpd, far_away, CLIENT)


@pytest.mark.mpm("event")
def test_a_client_that_vanishes_over_http2(httpd, far_away):
    vanish(httpd, far_away, HTTP2_CLIENT, "Protocols h2c http/1.1\nMercureHttp2 On\n")
