"""Streams when children end: all end cleanly, come back at different times, and lose nothing."""
import time

import pytest

from env.fleet import Fleet, Publisher
from env.hub import hub
from env.wait import wait_until
from env.watch import STATUS, owner, wait_subscribers
from test_streams import LARGE, REASON_LOG, TOPIC, churn_in_processes, reasons

event_only = pytest.mark.mpm("event")

pytestmark = pytest.mark.usefixtures("each_carrier")

# These are fewer than the 8 streams that threads may hold under worker and prefork, because the last stream would
# search for a place for a long time.
COUNT = {"event": 40, "worker": 6, "prefork": 6}


def wait_replaced(httpd, old, what="the end of the old children"):
    """Waits until none of the children OLD is left."""
    wait_until(lambda: not set(old) & set(httpd.children()), 60, what, 0.1)


def stop_publishing(publisher):
    publisher._stop.set()
    publisher._thread.join(20)


def check_last_update(fleet, publisher):
    """Ends the publications; a last update must reach every member."""
    stop_publishing(publisher)
    publisher.once()
    fleet.wait_for_id(publisher.ids[-1])


def check_order(fleet, publisher):
    """Every member got every update in order, and none twice unless it was published twice."""
    for member in fleet.members:
        ids, seen = [], set()
        for event_id in member.ids:
            if event_id in publisher.repeated and event_id in seen:
                continue
            seen.add(event_id)
            ids.append(event_id)
        assert ids == publisher.ids[publisher.ids.index(ids[0]):], "lost, twice, or out of order"


def check_restart(httpd, count, restart):
    """Calls RESTART while COUNT subscribers listen and a publisher publishes; returns the ends of the streams."""
    with Fleet(httpd, count, [("match", TOPIC)]) as fleet, Publisher(httpd, TOPIC) as publisher:
        fleet.wait(lambda: all(member.ids for member in fleet.members), "the first updates")
        restart()
        fleet.wait(lambda: all(member.ends for member in fleet.members), "the end of all streams")
        fleet.wait(lambda: all(member.stream or len(member.ends) > 1 for member in fleet.members), "each has come back")
        stop_publishing(publisher)  # as long as connections come, children may end with their streams
        fleet.wait(lambda: fleet.connected() == count, "all of them are back")
        check_last_update(fleet, publisher)
        ends = [end for member in fleet.members for end in member.ends]
    check_order(fleet, publisher)
    return ends


# ---- graceful restarts ---------------------------------------------------------------------------


def check_graceful(httpd, count):
    old = httpd.children()

    def restart():
        httpd.graceful()
        wait_replaced(httpd, old)

    ends = check_restart(httpd, count, restart)
    unclean = [end for end in ends if not end[0]]
    assert not unclean, f"{len(unclean)} of {len(ends)} streams did not end cleanly"
    retries = [retry for _, retry in ends]
    assert None not in retries, f"{retries.count(None)} of {len(retries)} got no retry:"
    assert all(500 <= retry <= 15000 for retry in retries)
    return retries


@pytest.mark.sanitize
def test_graceful_restart_ends_streams_cleanly_and_loses_nothing(httpd, mpm):
    httpd.load("status")
    if mpm == "event":
        httpd.sizing = LARGE
    httpd.start(hub() + STATUS + REASON_LOG)
    retries = check_graceful(httpd, COUNT[mpm])
    # Each retry time is one of 16 values.
    assert len(set(retries)) > (3 if len(retries) >= 40 else 1), "the retries are not spread"
    wait_subscribers(httpd, 0)


@event_only
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_graceful_restart_with_500_streams_loses_nothing(httpd, tls):
    count = 100 if tls else 500  # Python's own TLS costs more than the server's
    httpd.load("status")
    httpd.sizing = LARGE
    port = httpd.add_port()
    httpd.start(httpd.vhost(hub(), port=port, tls=tls) + STATUS)
    old = httpd.children()
    with Fleet(httpd, count, [("match", TOPIC)], port=port, tls=tls) as fleet, \
            Publisher(httpd, TOPIC, port=port, tls=tls, pause=0.1) as publisher:
        fleet.wait(lambda: all(member.ids for member in fleet.members), "the first updates")
        httpd.graceful()
        wait_replaced(httpd, old)
        fleet.wait(lambda: all(member.ends for member in fleet.members), "the end of all streams")
        fleet.wait(lambda: fleet.connected() == count, "all of them are back")
        check_last_update(fleet, publisher)
    check_order(fleet, publisher)
    ends = [end for member in fleet.members for end in member.ends]
    assert all(clean for clean, _ in ends)
    assert len({retry for _, retry in ends}) > 8, "the retries are not spread"
    wait_subscribers(httpd, 0)


@pytest.mark.sanitize
@event_only
def test_graceful_restarts_during_churn(httpd):
    """Streams have just ended, and are not closed yet, when their child is told to end."""
    httpd.load("status")
    httpd.sizing = LARGE
    httpd.start(hub() + STATUS)
    for _ in range(3):
        old = httpd.children()
        churn_in_processes(httpd.port, 600, False)
        httpd.graceful()
        wait_replaced(httpd, old)
    wait_subscribers(httpd, 0)


# ---- stops and restarts --------------------------------------------------------------------------


def open_all(httpd, count, **more):
    """Opens COUNT streams; some may be refused first where a child has few threads."""
    streams = []
    end = time.monotonic() + 60
    while len(streams) < count:
        assert time.monotonic() < end, "too few streams"
        stream = httpd.subscribe([("match", TOPIC)], **more)
        stream.pump(2)
        if stream.ended:
            stream.close()
        else:
            streams.append(stream)
    return streams


@pytest.mark.sanitize
@pytest.mark.parametrize("how, tls", [("SIGTERM", False), ("SIGTERM", True), ("graceful-stop", False),
                                      ("SIGHUP", False)])
def test_stop_and_restart_end_streams_cleanly(httpd, mpm, how, tls):
    port = httpd.add_port()
    httpd.start(httpd.vhost(hub(), port=port, tls=tls) + REASON_LOG)
    streams = open_all(httpd, COUNT[mpm], port=port, tls=tls)
    update = httpd.publish(TOPIC, "the last", port=port, tls=tls).text
    for stream in streams:
        assert stream.next().id == update
    if how == "SIGTERM":
        httpd.stop(wait=False)
    elif how == "graceful-stop":
        httpd.graceful_stop(wait=False)
    else:
        httpd.restart()
    for stream in streams:
        stream.wait_end()
        stream.close()
    if how != "SIGHUP":
        httpd.wait_stopped()
    assert [stream.clean for stream in streams] == [True] * len(streams)
    assert all(stream.parser.retry for stream in streams)
    assert reasons(httpd).count("draining") == len(streams)


# ---- single children that end --------------------------------------------------------------------


@pytest.mark.sanitize
def test_killed_child_cuts_only_its_own_streams(httpd, mpm):
    httpd.load("status")
    httpd.start(hub() + STATUS)
    with Fleet(httpd, COUNT[mpm], [("match", TOPIC)]) as fleet, Publisher(httpd, TOPIC) as publisher:
        fleet.wait(lambda: fleet.connected() == COUNT[mpm] and all(member.ids for member in fleet.members),
                   "the first updates")
        # All streams may be in one child.
        owners = [owner(httpd, member.stream.conn) for member in fleet.members]
        before = [len(member.ends) for member in fleet.members]
        victim = httpd.kill_child(owners[0])
        fleet.wait(lambda: all(len(member.ends) > count for member, count, pid in zip(fleet.members, before, owners)
                               if pid == victim), "the end of its streams")
        fleet.wait(lambda: fleet.connected() == COUNT[mpm], "all of them are back")
        check_last_update(fleet, publisher)
        assert all(len(member.ends) == count for member, count, pid in zip(fleet.members, before, owners)
                   if pid != victim), "streams of other children were cut"
        # The counts of the dead child are gone.
        wait_subscribers(httpd, COUNT[mpm])
    check_order(fleet, publisher)
    wait_subscribers(httpd, 0)


@event_only
def test_streams_return_after_max_connections_per_child(httpd):
    """Each child ends after 60 connections."""
    httpd.load("status")
    httpd.sizing = httpd.sizing.replace("MaxConnectionsPerChild 0", "MaxConnectionsPerChild 60")
    httpd.start(hub() + STATUS)
    old = httpd.children()

    ends = check_restart(httpd, 6, lambda: wait_replaced(httpd, old, "other children"))
    assert all(clean for clean, _ in ends), "not ended cleanly"
    wait_subscribers(httpd, 0)


def keep_threads_busy(httpd, count):
    """Sends COUNT incomplete requests; closes them when httpd has started another child."""
    before = set(httpd.children())
    conns = [httpd.connect() for _ in range(count)]
    for conn in conns:
        conn.send("GET / HTTP/1.1\r\n")
    try:
        wait_until(lambda: set(httpd.children()) - before, 30, "another child", 0.1)
    finally:
        for conn in conns:
            conn.close()


@event_only
def test_streams_return_after_idle_children_are_ended(httpd):
    """MaxSpareThreads is so low that httpd ends idle children."""
    httpd.load("status")
    httpd.sizing = httpd.sizing.replace("StartServers 2", "StartServers 4").replace(
        "MaxSpareThreads 64", "MaxSpareThreads 32")
    httpd.start(hub() + STATUS)
    assert "MaxSpareThreads 32 is below MaxRequestWorkers 64" in httpd.log()
    with Fleet(httpd, 60, [("match", TOPIC)]) as fleet, Publisher(httpd, TOPIC, pause=0.1) as publisher:
        def are_ended():
            return sum(bool(member.ends) for member in fleet.members) > 3

        # If two of the four children had ended before the streams were open, no other is idle. Busy threads make httpd
        # start more children.
        for _ in range(10):
            try:
                fleet.wait(are_ended, "the first to be ended", 10)
                break
            except AssertionError:
                keep_threads_busy(httpd, 30)
        fleet.wait(are_ended, "the first to be ended")
        fleet.wait(lambda: fleet.connected() == 60, "all of them are back")
        check_last_update(fleet, publisher)
    check_order(fleet, publisher)
    ends = [end for member in fleet.members for end in member.ends]
    assert all(clean and retry for clean, retry in ends)
    wait_subscribers(httpd, 0)
