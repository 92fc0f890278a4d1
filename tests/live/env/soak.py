"""
Load for soak tests: senders and listeners that note everything that happens, and functions that compare what
they noted.
"""
import bisect
import datetime
import os
import random
import threading
import time
import urllib.parse

from . import token
from .h2 import Http2
from .hub import PATH
from .http import ProtocolError
from .wait import DEADLINE

# What a client sees while a server ends, starts, or is killed.
BROKEN = (OSError, ProtocolError, EOFError)

TOPIC = "https://example.com/soak"


def setting(name, default):
    """The number in the variable MERCURE_SOAK_NAME."""
    return int(os.environ.get(f"MERCURE_SOAK_{name}", default))


def seed():
    """MERCURE_SOAK_SEED, or a fresh one."""
    return setting("SEED", random.randrange(1 << 30))


class Token:
    """
    A client's token, which is used for KEPT seconds. MAKE(ttl=…) makes a token. It is valid for longer than any step of the
    servers' clocks.
    """

    STEP_MAX = 600

    def __init__(self, make, kept=300):
        self._make, self._kept, self._text, self._until = make, kept, None, 0

    def __call__(self):
        if time.monotonic() >= self._until:
            self._text = self._make(ttl=2 * self._kept + self.STEP_MAX)
            self._until = time.monotonic() + self._kept
        return self._text


class Worker:
    """A thread that calls once() until stop(), which raises what has failed."""

    def __init__(self):
        self.problem = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        try:
            while not self._stopping.is_set():
                self.once()
        except BaseException as error:  # stop() raises it
            self.problem = error

    def pause(self, seconds):
        self._stopping.wait(seconds)

    def start(self):
        self._thread.start()
        return self

    def stop(self):
        self._stopping.set()
        self._thread.join(3 * DEADLINE)
        if self.problem:
            raise self.problem
        assert not self._thread.is_alive(), "a thread of the test does not end"


class Sender(Worker):
    """
    Publishes updates with the ids `urn:NAME.SERIES:NUMBER` to TOPIC, each once. `stored`: the ids that were answered
    with 200; `refused`: those that are not stored, according to the answer; `unknown`: the others; `sent`: their
    number, which is that of the next id. After a connection breaks, a new series begins, because the server may be
    another one.
    """

    def __init__(self, httpd, name, rate=30, path=PATH, kept=300, **connection):
        super().__init__()
        self.httpd, self.name, self.rate, self.path = httpd, name, rate, path
        self.stored, self.refused, self.unknown = [], set(), set()
        self.sent = self._series = 0
        self._parameters = connection
        self._token = Token(lambda ttl: token.publisher(aud=f"https://hub.example{path}", ttl=ttl), kept)
        self._connection = None

    def once(self):
        event_id = f"urn:{self.name}.{self._series}:{self.sent}"
        self.sent += 1
        try:
            self._connection = self._connection or self.httpd.connect(**self._parameters)
            response = self._connection.request(
                "POST", self.path, [("Authorization", f"Bearer {self._token()}"),
                                    ("Content-Type", "application/x-www-form-urlencoded")],
                f"topic={TOPIC}&id={event_id}&data={event_id}")
        except BROKEN:
            self.unknown.add(event_id)
            self._series += 1
            self.drop()
            self.pause(0.1)
            return
        if response.status == 200:
            self.stored.append(event_id)
        elif response.status == 503:
            (self.unknown if "not known" in response.text else self.refused).add(event_id)
            self.pause(0.1)
        else:
            raise AssertionError(f"no answer to {event_id} that was expected: {response}")
        if response.header("Connection", "").lower() == "close":
            self.drop()
        self.pause(random.expovariate(self.rate))

    def drop(self):
        if self._connection:
            self._connection.close()
        self._connection = None

    def stop(self):
        super().stop()
        self.drop()


class Http2Stream:
    """One stream over HTTP/2 and TLS, with the parts of an EventSource that Listener needs."""

    def __init__(self, port, target, headers):
        self.conn = Http2(port, tls=True)
        self.stream = self.conn.open(target, [(name.lower(), value) for name, value in headers.items()])
        try:
            self.conn.wait(lambda: self.stream.status or self.stream.ended, "the head of a stream")
            if not self.stream.status:
                raise ConnectionError("the stream was reset")
        except AssertionError as error:
            self.close()
            raise ConnectionError(str(error)) from error
        except BaseException:
            self.close()
            raise
        self.status, self.parser, self.response = self.stream.status, self.stream.parser, self

    def header(self, name, default=None):
        return self.stream.headers.get(name.lower(), default)

    @property
    def ended(self):
        return self.stream.ended or self.conn.ended

    def pump(self, deadline):
        return self.conn.pump(deadline)

    def close(self):
        self.conn.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


class Listener(Worker):
    """
    A subscriber that always comes back with its last id, to the server that CHOOSE() returns. `parts`: the ids of
    the events that it got; a new part begins when a server says that the listener may have missed something.
    `turns`: the number of its streams. `begun`: for each stream, how many ids it had before, when and where the stream
    began, and with which cursor.
    """

    def __init__(self, choose, stay=None, query=(("match", TOPIC),), path=PATH, bearer=None, http2=False, **connection):
        """
        STAY: the seconds after which it leaves a stream on its own; None: never. BEARER: a function that returns its
        token. HTTP2: whether it speaks HTTP/2, with TLS.
        """
        super().__init__()
        self.choose, self.stay, self.connection = choose, stay, connection
        self.query, self.path, self.bearer, self.http2 = urllib.parse.urlencode(query), path, bearer, http2
        self.cursor = "earliest"
        self.parts, self.turns, self.begun = [[]], 0, []

    @property
    def ids(self):
        return [event_id for part in self.parts for event_id in part]

    def _open(self):
        headers = {"Accept": "text/event-stream", "Last-Event-ID": self.cursor}
        if self.bearer:
            headers["Authorization"] = f"Bearer {self.bearer()}"
        server = self.choose()
        self.begun.append((sum(len(part) for part in self.parts),
                           f"{datetime.datetime.now():%T.%f}, server at port {server.port}, cursor {self.cursor}"))
        if self.http2:
            return Http2Stream(self.connection["port"], f"{self.path}?{self.query}", headers)
        return server.subscribe(self.query, headers, path=self.path, status=None, **self.connection)

    def note(self, event):
        self.parts[-1].append(event.id)

    def once(self):
        try:
            stream = self._open()
        except BROKEN:
            self.pause(0.1)
            return
        with stream:
            if stream.status != 200:
                assert stream.status == 503, stream.response
                self.pause(0.2)
                return
            self.turns += 1
            if stream.response.header("Mercure-Last-Event-ID", self.cursor) != self.cursor:
                self.parts.append([])
            self._read(stream)
        self.pause(0.05)

    def _read(self, stream):
        until = time.monotonic() + self.stay if self.stay else None
        while not stream.ended and not self._stopping.is_set() and (until is None or time.monotonic() < until):
            try:
                stream.pump(0.2)
            except BROKEN:
                break
            while stream.parser.events:
                self.note(stream.parser.events.popleft())
            self.cursor = stream.parser.last_event_id or self.cursor


# ---- what must be true -----------------------------------------------------------------------------

def missing(stored, listener):
    """The ids of STORED that LISTENER did not get."""
    return sorted(set(stored) - set(listener.ids))


def twice(listener):
    """The ids that LISTENER got more than once although no server told it to begin anew."""
    found = []
    for part in listener.parts:
        had = set()
        for event_id in part:
            (found.append if event_id in had else had.add)(event_id)
    return found


def streams_with(listener, event_id):
    """Where LISTENER got an event with that id: the beginnings of these streams, and of the ones before and after."""
    places = [place for place, other in enumerate(listener.ids) if other == event_id]
    found = set()
    for place in places:
        at = bisect.bisect_right(listener.begun, (place, "~")) - 1
        found.update(range(max(at - 1, 0), min(at + 2, len(listener.begun))))
    return [f"after {before} events: {text}" for before, text in (listener.begun[at] for at in sorted(found))]


def moved(ours, theirs):
    """How many ids of OURS must be moved to put them in the order of THEIRS."""
    places = {event_id: place for place, event_id in enumerate(theirs)}
    both = [places[event_id] for event_id in ours if event_id in places]
    tails = []  # the last elements of the rising sequences of each length
    for place in both:
        at = bisect.bisect_left(tails, place)
        tails[at:at + 1] = [place]
    return len(both) - len(tails)


def is_in_order(stored, listener):
    """Whether the ids of STORED that are of one series came in the order in which they were sent."""
    for part in listener.parts:
        newest = {}
        for event_id in part:
            series, _, number = event_id.rpartition(":")
            if event_id in stored and newest.get(series, -1) > int(number):
                return False
            newest[series] = int(number)
    return True


class Report:
    """The report of a soak: lines in a file in MERCURE_SOAK_DIR, and on standard output."""

    def __init__(self, name, *lines):
        self.folder = os.environ.get("MERCURE_SOAK_DIR", "/tmp")
        self.path = os.path.join(self.folder, f"{name}.txt")
        with open(self.path, "w", encoding="utf-8"):
            pass
        for line in lines:
            self.line(line)

    def line(self, text):
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(text + "\n")
        print(text, flush=True)
