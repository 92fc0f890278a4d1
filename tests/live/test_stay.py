"""Under event, a worker thread waits for the next request of a quick publisher, unless others need the threads."""
import re
import time
from contextlib import ExitStack

import pytest

from env import token
from env.http import encode_headers
from env.hub import PATH, hub
from env.wait import DEADLINE

WAITED = "MRC0715: a worker thread has waited for the next request of a publisher"
ONE_CHILD = """
    StartServers 1
    ServerLimit 1
    ThreadsPerChild 4
    ThreadLimit 4
    MaxRequestWorkers 4
    MinSpareThreads 1
    MaxSpareThreads 4
"""
ID_LENGTH = len("urn:uuid:") + 36


METRICS = '<Location "/metrics">\nSetHandler mercure-metrics\n</Location>\n'


def start(httpd, tls=False):
    httpd.log_level = "info mercure:trace1"
    httpd.start("MaxKeepAliveRequests 0\n" + (httpd.vhost(hub(), METRICS, tls=True) if tls else hub() + METRICS))
    headers = encode_headers([("Authorization", f"Bearer {token.publisher()}"),
                              ("Content-Type", "application/x-www-form-urlencoded")])
    return f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 14\r\n{headers}\r\ntopic=a&data=b".encode()


def publish(conn, request, count):
    """Publishes as fast as Python can: nothing is parsed."""
    for _ in range(count):
        conn.send(request)
        assert conn.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 200 ")
        assert conn.read_exactly(ID_LENGTH).startswith(b"urn:uuid:")


def waits(httpd):
    return len(re.findall(WAITED, httpd.log()))


def publish_until_waited(httpd, conn, request):
    """Publishes until a thread has waited; how fast this process is depends on the machine."""
    before, end = waits(httpd), time.monotonic() + DEADLINE
    while waits(httpd) == before:
        assert time.monotonic() < end, "no thread has waited"
        publish(conn, request, 50)


@pytest.mark.mpm("event")
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_thread_waits_for_a_quick_publisher(httpd, tls):
    request = start(httpd, tls=tls)
    with httpd.connect(tls=tls) as conn:
        publish_until_waited(httpd, conn, request)
        # The stream that follows on the same connection leaves httpd all the same.
        conn.send_request("GET", f"{PATH}?match=a")
        assert conn.read_head().status == 200
        carrier = "tls" if tls else "detached"
        assert re.search(f'mercure_streams{{.*carrier="{carrier}"}} 1\n', httpd.get("/metrics", tls=tls).text)
        httpd.publish("a", "to the stream", tls=tls)
        conn.read_until(b"to the stream")


@pytest.mark.mpm("event")
def test_no_thread_waits_while_half_of_them_are_busy(httpd):
    # With fewer threads, httpd may find all of them busy for a moment, and end the publisher's connection.
    httpd.sizing = ONE_CHILD.replace("4", "8")
    request = start(httpd)
    with httpd.connect() as conn:
        publish_until_waited(httpd, conn, request)
        with ExitStack() as stack:
            for _ in range(4):  # of eight threads; the publisher's own thread is also busy
                busy = stack.enter_context(httpd.connect())
                busy.send(request.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n")[:-1])
                busy.read_until(b"100 Continue")
            # The thread that waits now may have begun before.
            publish(conn, request, 1)
            before = waits(httpd)
            publish(conn, request, 300)
            assert waits(httpd) == before
        publish_until_waited(httpd, conn, request)


@pytest.mark.mpm("event")
def test_thread_does_not_wait_for_a_request_that_it_has(httpd):
    request = start(httpd)
    with httpd.connect() as conn:
        for _ in range(100):
            conn.send(request * 3)
            assert [conn.read_response("POST").status for _ in range(3)] == [200] * 3
    assert waits(httpd) <= 100  # after the last of each three


@pytest.mark.mpm("worker")
def test_thread_that_keeps_its_connection_does_not_wait(httpd):
    request = start(httpd)
    with httpd.connect() as conn:
        publish(conn, request, 300)
    assert waits(httpd) == 0
