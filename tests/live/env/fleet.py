"""Many subscribers that come back as browsers do: after the retry time, with their last id."""
import random
import selectors
import threading
import time

from .wait import DEADLINE


class Member:
    def __init__(self):
        self.stream = None
        self.ids = []  # of all events, over all streams
        self.ends = []  # (clean, retry in ms) of every stream that ended
        self.due = 0.0  # when to come back

    @property
    def last(self):
        return self.ids[-1] if self.ids else None


class Fleet:
    """
    COUNT subscribers of QUERY on the server HTTPD, read by a thread of their own from start() to stop(). A member that
    is turned away, or cannot connect, tries again. LEAST: the shortest time before a member comes back, in seconds;
    retry times are cut to MOST.
    """

    def __init__(self, httpd, count, query, most=3.0, least=0.05, **connection):
        self.httpd = httpd
        self.query = query
        self.connection = connection
        self.most, self.least = most, least
        self.members = [Member() for _ in range(count)]
        self.problem = None
        self._selector = selectors.DefaultSelector()
        self._stop = threading.Event()
        self._thread = None

    def _open(self, member):
        headers = {"Last-Event-ID": member.last} if member.last else {}
        try:
            stream = self.httpd.subscribe(self.query, headers, status=None, **self.connection)
        except (OSError, AssertionError):
            member.due = time.monotonic() + random.uniform(0.1, 0.3)
            return
        if stream.status != 200:
            stream.close()
            raise AssertionError(f"turned away: {stream.response}")
        member.stream = stream
        self._selector.register(stream, selectors.EVENT_READ, member)
        self._take(member, 0)

    def _take(self, member, deadline):
        stream = member.stream
        try:
            while stream.pump(deadline):
                deadline = 0
        except OSError:
            stream.ended = True
        while stream.parser.events:
            member.ids.append(stream.parser.events.popleft().id)
        if stream.ended:
            retry = stream.parser.retry
            member.ends.append((stream.clean, retry))
            self._selector.unregister(stream)
            stream.close()
            member.stream = None
            seconds = 0 if retry is None else retry / 1000
            member.due = time.monotonic() + min(max(seconds, self.least), self.most)

    def _run(self):
        try:
            while not self._stop.is_set():
                for key, _ in self._selector.select(0.02):
                    self._take(key.data, 0.5)
                now = time.monotonic()
                for member in self.members:
                    if member.stream is None and member.due <= now:
                        self._open(member)
                    if self._stop.is_set():
                        break
        except BaseException as error:  # stop() raises it
            self.problem = error

    def start(self):
        for member in self.members:
            self._open(member)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def connected(self):
        return sum(member.stream is not None for member in self.members)

    def wait(self, predicate, what, deadline=60):
        end = time.monotonic() + deadline
        while not predicate():
            if self.problem:
                raise self.problem
            if time.monotonic() > end:
                raise AssertionError(f"not within {deadline} s: {what}")
            time.sleep(0.05)

    def wait_for_id(self, event_id, deadline=60):
        """Waits until every member has received the event EVENT_ID."""
        self.wait(lambda: all(event_id == member.last for member in self.members),
                  f"the event {event_id} at all subscribers", deadline)

    def stop(self):
        self._stop.set()
        if self._thread:
            self._thread.join(3 * DEADLINE)
        for member in self.members:
            if member.stream:
                member.stream.close()
        self._selector.close()
        if self.problem:
            raise self.problem

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, value, trace):
        try:
            self.stop()
        except BaseException:
            if kind is None:
                raise


class Publisher:
    """Publishes to TOPIC without a break, in its own thread; `ids` are in the order of sending."""

    def __init__(self, httpd, topic, pause=0.02, **connection):
        self.httpd, self.topic, self.pause, self.connection = httpd, topic, pause, connection
        self.ids = []
        self.repeated = set()  # ids that were sent more than once because no answer came
        self.problem = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        try:
            while not self._stop.is_set():
                self.once()
                time.sleep(self.pause)
        except BaseException as error:  # raised in the test later
            self.problem = error

    def once(self):
        """Publishes one update, again until the hub accepts it: an id may come twice, but is not lost."""
        name = f"urn:n:{len(self.ids)}"
        while True:
            try:
                response = self.httpd.publish(self.topic, name, fields=[("id", name)], status=None,
                                              **self.connection)
                if response.status == 200:
                    self.ids.append(name)
                    return
                assert response.status == 503, response
            except (OSError, EOFError):
                pass
            except AssertionError:
                if self._stop.is_set():
                    raise
            self.repeated.add(name)
            time.sleep(0.05)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc):
        self._stop.set()
        self._thread.join(3 * DEADLINE)
        if self.problem and exc[0] is None:
            raise self.problem
