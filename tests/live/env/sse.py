"""
A client of event streams (HTML standard, "Server-sent events") that hides nothing: ids, comments, retry, and how the
stream ended. It reads when the test asks, so a test decides which client is slow.
"""
import selectors
import time
from collections import deque

from .http import Connection, ProtocolError
from .wait import DEADLINE


class Event:
    """One dispatched event. `id` is the field in this event's block, None without one."""

    def __init__(self, data, name, event_id, last_event_id):
        self.data = data
        self.event = name
        self.id = event_id
        self.last_event_id = last_event_id

    def __repr__(self):
        return f"<Event id={self.id!r} event={self.event!r} data={self.data[:200]!r}>"


class Parser:
    """
    Bytes in, cut anywhere, and events out: `events`, `comments`, `retry` (ms), `last_event_id`. `positions`: the ids of
    blocks that only set the last event id; `position_events`: how many of them were events of the type for that.
    """

    def __init__(self):
        self.events = deque()
        self.comments = []
        self.positions = []
        self.position_events = 0
        self.retry = None
        self.last_event_id = ""
        self._bytes = bytearray()
        self._first = True
        self._reset()

    def _reset(self):
        self._data = []
        self._name = ""
        self._id = None

    def feed(self, data):
        self._bytes += data
        while True:
            ends = [i for i in (self._bytes.find(b"\r"), self._bytes.find(b"\n")) if i >= 0]
            if not ends:
                return
            end = min(ends)
            skip = 1
            if self._bytes[end] == 0x0D:
                if end + 1 == len(self._bytes):
                    return  # a CR at the end: LF may follow
                skip = 2 if self._bytes[end + 1] == 0x0A else 1
            line = bytes(self._bytes[:end]).decode("utf-8")
            del self._bytes[: end + skip]
            if self._first:
                line = line.removeprefix("\ufeff")
                self._first = False
            self._line(line)

    def _line(self, line):
        if line == "":
            if self._id is not None:
                self.last_event_id = self._id
                if not self._data or self._name == "mercure-position":
                    self.positions.append(self._id)
            if self._name == "mercure-position":
                self.position_events += 1
            elif self._data:
                self.events.append(Event("\n".join(self._data), self._name or "message",
                                         self._id, self.last_event_id))
            self._reset()
            return
        if line.startswith(":"):
            self.comments.append(line[1:].removeprefix(" "))
            return
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._name = value
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name == "retry" and value.isascii() and value.isdigit():
            self.retry = int(value)


class EventSource:
    """
    A subscription. `response` holds the head of the answer (its status may be an error: then
    `body` has the rest); events come from next(), comments and retry are in `parser`.
    """

    def __init__(self, port, target, headers=(), method="GET", body=None, host=None, **connection):
        self.conn = Connection(port, **connection)
        self.parser = Parser()
        self.ended = False  # no more bytes will come
        self.clean = False  # … and the end was a proper one: the last chunk was seen
        self._need = 0  # bytes left of the current chunk; -1: its line end
        self._fresh = True  # what came together with the head is not decoded yet
        pairs = list(headers.items() if isinstance(headers, dict) else headers)
        if not any(name.lower() == "accept" for name, _ in pairs):
            pairs.append(("Accept", "text/event-stream"))
        try:
            self.conn.send_request(method, target, pairs, body, host)
            self.response = self.conn.read_head()
            self.chunked = (self.response.header("Transfer-Encoding") or "").lower() == "chunked"
            length = self.response.header("Content-Length")
            self.body = b""
            if length is not None:
                self.body = self.conn.read_exactly(int(length))
                self.response.body = self.body
                if self.response.status == 200:
                    self.parser.feed(self.body)
                self.ended = self.clean = True
        except BaseException:
            self.conn.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        """Hangs up, as a browser's tab does."""
        self.conn.close()
        self.ended = True

    def fileno(self):
        return self.conn.fileno()

    @property
    def status(self):
        return self.response.status

    def _decode(self):
        """Decodes the chunks that have come."""
        buf = self.conn.buffer
        if not self.chunked:
            self.parser.feed(bytes(buf))
            buf.clear()
            return
        while buf and not self.ended:
            if self._need > 0:
                part = bytes(buf[: self._need])
                del buf[: len(part)]
                self._need -= len(part)
                self.parser.feed(part)
                if self._need == 0:
                    self._need = -1
            elif self._need == -1:
                if len(buf) < 2:
                    return
                if bytes(buf[:2]) != b"\r\n":
                    raise ProtocolError(f"a chunk does not end where it says: {bytes(buf[:40])!r}")
                del buf[:2]
                self._need = 0
            else:
                end = buf.find(b"\r\n")
                if end < 0:
                    return
                size = int(bytes(buf[:end]).split(b";")[0], 16)
                if size == 0 and buf.find(b"\r\n\r\n") < 0:
                    return
                del buf[: end + 2]
                if size == 0:
                    self.ended = self.clean = True
                self._need = size

    def pump(self, deadline):
        """Reads once, waiting at most DEADLINE seconds; False if nothing came, or the stream is over."""
        if self.ended:
            return False
        if self._fresh and self.conn.buffer:
            self._fresh = False
            self._decode()
            return True
        try:
            if not self.conn.receive(deadline):
                self.ended = True
                self.clean = not self.chunked
                return False
        except (TimeoutError, BlockingIOError):
            return False
        self._decode()
        return True

    def _pump_until(self, predicate, deadline, what):
        end = time.monotonic() + deadline
        while True:
            result = predicate()
            if result:
                return result
            left = end - time.monotonic()
            if left <= 0:
                raise AssertionError(f"not within {deadline} s: {what}")
            if not self.pump(left) and self.ended and not predicate():
                raise AssertionError(f"the stream ended before {what} (clean: {self.clean})")

    def next(self, deadline=DEADLINE):
        """The next event."""
        self._pump_until(lambda: self.parser.events, deadline, "the next event")
        return self.parser.events.popleft()

    def take(self, count, deadline=DEADLINE):
        """Returns the next COUNT events."""
        return [self.next(deadline) for _ in range(count)]

    def wait_comment(self, count=1, deadline=DEADLINE):
        """Until at least COUNT comments have come in all; returns them."""
        self._pump_until(lambda: len(self.parser.comments) >= count, deadline, "a comment")
        return self.parser.comments

    def wait_end(self, deadline=DEADLINE):
        """Waits until the server ends the stream; True if it did so properly. Events before it are kept."""
        end = time.monotonic() + deadline
        while not self.ended:
            left = end - time.monotonic()
            if left <= 0:
                raise AssertionError(f"not within {deadline} s: the end of the stream")
            self.pump(left)
        return self.clean

    def expect_nothing(self, seconds):
        """Fails if an event comes within SECONDS. Prefer a later event as proof where one can be had."""
        end = time.monotonic() + seconds
        while not self.ended and not self.parser.events and time.monotonic() < end:
            self.pump(end - time.monotonic())
        assert not self.parser.events, f"unexpected: {list(self.parser.events)}"


def pump_all(streams, done, deadline=DEADLINE):
    """Reads from many STREAMS at once until DONE() holds. For plain connections."""
    end = time.monotonic() + deadline
    with selectors.DefaultSelector() as selector:
        for stream in streams:
            if stream.conn.buffer:
                stream.pump(0)  # what came with the head wakes no selector
            if not stream.ended:
                selector.register(stream, selectors.EVENT_READ)
        while not done():
            left = end - time.monotonic()
            if left <= 0 or not selector.get_map():
                raise AssertionError(f"not within {deadline} s, {len(selector.get_map())} streams open")
            for key, _ in selector.select(min(left, 1.0)):
                key.fileobj.pump(1.0)
                if key.fileobj.ended:
                    selector.unregister(key.fileobj)
