"""
Allocations and descriptors fail, sometimes under load, or each in turn while one request is served: nothing crashes,
others lose nothing, and nothing is left behind.
"""
import collections
import json
import os
import re
import struct
import subprocess
import threading
import time
import urllib.parse

import pytest

from env import token
from env.h2 import Http2
from env.http import ProtocolError
from env.httpd import HAS_SANITIZER
from env.hub import PATH, hub
from env.operator import call, controlled
from env.wait import DEADLINE, wait_until
from env.watch import STATUS, wait_subscribers
from test_stay import METRICS
from test_streams import TOPIC

HERE = os.path.dirname(os.path.abspath(__file__))
TARGET = f"{PATH}?{urllib.parse.urlencode([('match', TOPIC)])}"
STREAM = (("accept", "text/event-stream"),)
SECONDS = float(os.environ.get("MERCURE_FAILING_SECONDS", "4"))


pytestmark = pytest.mark.skipif(HAS_SANITIZER, reason="a sanitizer has its own malloc()")


class Failing:
    """env/failing.c, loaded into HTTPD."""

    def __init__(self, httpd, monkeypatch):
        library = httpd.path("failing.so")
        subprocess.run(["gcc", "-O1", "-shared", "-fPIC", "-o", library, f"{HERE}/env/failing.c", "-ldl"], check=True)
        self.switches = httpd.write("failing", bytes(12))
        monkeypatch.setenv("MERCURE_LD_PRELOAD", library)
        httpd.env["FAILING"] = self.switches

    def _set(self, at, value):
        with open(self.switches, "r+b") as file:
            file.seek(at)
            file.write(struct.pack("I", value))

    def one_of(self, count):
        """One of COUNT calls fails; 0: none does."""
        self._set(0, count)

    def after(self, count):
        """The call after COUNT more calls fails; None: none does."""
        self._set(8, 0 if count is None else count + 1)

    def count(self):
        """The number of calls that have failed."""
        with open(self.switches, "rb") as file:
            return struct.unpack("III", file.read(12))[1]


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
        except Exception as error:  # such as one about a frame that the protocol does not allow
            problems.append(repr(error))


@pytest.mark.mpm("event")
def test_no_memory_over_http2(httpd, monkeypatch):
    failing = Failing(httpd, monkeypatch)
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
        failing.one_of(count)
        time.sleep(SECONDS / 4)
    failing.one_of(0)
    assert failing.count() > 20
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


# ---- each call in turn ---------------------------------------------------------------------------

ONE_CHILD = """
    StartServers 1
    ServerLimit 1
    ThreadsPerChild 12
    ThreadLimit 12
    MaxRequestWorkers 12
    MinSpareThreads 1
    MaxSpareThreads 12
"""
FORM = ("Content-Type", "application/x-www-form-urlencoded")
KEPT = "/kept"  # the streams of this hub stay in httpd
SITE_KEY = "key-of-the-site:0123456789abcdef0123456789abcdef0123"
PAGE = (f'<Location "/page.html">\nMercurePublishHeader On {PATH}\n'
        f'Header set Mercure-Publish "topic={urllib.parse.quote(TOPIC, safe="").replace("%", "%%")}&data=x"\n</Location>\n')


class Witness:
    """A client that no failure concerns: it gets every update once, over as many streams as that takes."""

    def __init__(self, httpd):
        self.httpd, self.stream, self.last, self.got, self.published = httpd, None, None, collections.Counter(), []

    def note(self, response):
        """RESPONSE may be that of a publication: over HTTP/1.1, or a stream of HTTP/2."""
        if response is not None and response.status == 200:
            text = response.body.decode()
            self.published += json.loads(text) if text.startswith("[") else [text]

    def _read(self):
        if self.stream is None or self.stream.ended:
            if self.stream is not None:
                self.stream.close()
            query = [("match", "*"), ("last_event_id", self.last or "earliest")]
            self.stream = self.httpd.subscribe(query, token=token.subscriber())
        self.stream.pump(DEADLINE)
        while self.stream.parser.events:
            self.last = self.stream.parser.events.popleft().id
            self.got[self.last] += 1

    def check(self):
        """Checks, while nothing fails, that everything that was published until now comes."""
        self.note(self.httpd.publish(TOPIC, "from the witness"))
        end = time.monotonic() + DEADLINE
        while self.published[-1] not in self.got:
            assert time.monotonic() < end, "an update that does not come"
            self._read()
        for one in self.published:
            assert self.got[one] == 1, f"{one} has come {self.got[one]} times"
        self.published.clear()

    def close(self):
        self.stream.close()


class Requests:
    """The requests of a client: each method makes a few, and returns the answer to a publication, if there is one."""

    def __init__(self, httpd):
        self.httpd, self.number, self.tls, self.problems = httpd, 0, httpd.add_port(), []

    def config(self):
        httpd, site = self.httpd, self.httpd.path("site")
        httpd.load("status", "headers", "vhost_alias")
        httpd.write("htdocs/page.html", "page")
        httpd.write("site/index.html", "page")
        httpd.write("sites/one.example/index.html", "page")
        page = PAGE + f'<Location "/page.html">\nMercureDiscovery On {PATH}\n</Location>\n'
        hubs = controlled("MercureSubscriptions On", "MercureCursor On") + hub("MercureDetach Off", path=KEPT)
        own = {"keys": False, "anonymous": False, "identifier": None}
        return (f'MercureSites 500\nCustomLog "{httpd.path("fields_log")}" "%h %U %>s %{{Accept}}i %{{Content-Type}}o"\n'
                f'<Directory "{site}*">\nAllowOverride AuthConfig\nRequire all granted\n</Directory>\n'
                + httpd.vhost(hubs, STATUS, METRICS, page)
                + httpd.vhost(hubs, port=self.tls, tls=True)
                + httpd.vhost(f'DocumentRoot "{site}"', hub("MercureHtaccess On", **own), name="site.example")
                + httpd.vhost(f'VirtualDocumentRoot "{httpd.path("sites")}/%0"', hub(identifier=None), name="one.example",
                              aliases=["*.example"]))

    def publication(self):
        return self.httpd.publish([TOPIC, "https://example.com/other"], "x" * 3000, status=None)

    def batch(self):
        updates = [{"topic": [TOPIC], "data": "a"}, {"topic": [TOPIC], "data": "b" * 2000}]
        return self.httpd.request("POST", PATH, {"Authorization": f"Bearer {token.publisher()}",
                                                 "Content-Type": "application/json"}, json.dumps(updates))

    @staticmethod
    def _wait(stream):
        """Waits until STREAM gets an event, or ends."""
        while not stream.parser.events and stream.pump(DEADLINE):
            pass
        assert stream.parser.events or stream.ended, "neither an update nor the end of the stream"

    def _stream(self, path=PATH, **more):
        query = [("match", TOPIC), ("match_urlpattern", "https://example.com/:a/*"), ("last_event_id", "earliest")]
        with self.httpd.subscribe(query, path=path, status=None, **more) as stream:
            answer = self.httpd.publish(TOPIC, "x" * 5000, path=path, status=None,
                                        token=token.publisher(aud=f"https://hub.example{path}"))
            if stream.status == 200 and answer.status == 200:
                self._wait(stream)
        return answer if path == PATH else None

    def stream(self):
        return self._stream(token=token.subscriber())

    def stream_over_tls(self):
        return self._stream(port=self.tls, tls=True)

    def stream_that_stays_in_httpd(self):
        return self._stream(path=KEPT)

    def stream_over_http2(self):
        answer = None
        with Http2(self.httpd.port) as conn:
            stream = conn.open(TARGET, STREAM)
            try:
                conn.wait(lambda: stream.status or stream.ended, "the head of the stream")  # threads start in any order
                answer = conn.post(PATH, body_of(1), [("content-type", FORM[1]), ("authorization", f"Bearer {token.publisher()}")])
                conn.wait(lambda: stream.parser.events or stream.ended or answer.status != 200, "the update")
            except AssertionError:
                assert conn.ended
        return answer if answer and not answer.reset else None

    def list_of_subscriptions(self):
        with self.httpd.subscribe([("match", TOPIC)], status=None):
            self.httpd.get(f"{PATH}/subscriptions", {"Authorization": f"Bearer {token.subscriber()}"})

    def page_that_publishes(self):
        self.httpd.get("/page.html")

    def pages_of_the_server(self):
        for target in ("/server-status?auto", "/metrics", f"/.well-known/oauth-protected-resource{PATH}"):
            self.httpd.get(target)

    def list_of_streams(self):
        with self.httpd.subscribe([("match", TOPIC)], status=None):
            call(self.httpd, "GET", "streams")
            call(self.httpd, "GET", "stats")

    def revocation(self):
        """An error of the answer means that nothing is revoked."""
        self.number += 1
        answer = call(self.httpd, "POST", "revoke", {"jti": f"jti-{self.number}"})
        listed = call(self.httpd, "GET", "revocations")
        if listed.status == 200 and len(listed.json["revocations"]) != (answer.status == 200):
            self.problems.append(f"{answer}, and {listed.text}")
        if answer.status == 200 and call(self.httpd, "DELETE", f"revocations/{answer.json['id']}").status != 204:
            call(self.httpd, "DELETE", f"revocations/{answer.json['id']}", status=204)

    def disconnection(self):
        with self.httpd.subscribe([("match", "https://example.com/ended")], status=None) as stream:
            answer = call(self.httpd, "POST", "disconnect", {"match": "https://example.com/ended"})
            if answer.status == 200 and stream.status == 200:
                stream.wait_end()

    def site_with_htaccess(self):
        self.number += 1
        path = self.httpd.write("site/new", f"MercureKey {token.ISSUER} HS256 {SITE_KEY}\nMercureCookieName c{self.number}\n")
        os.rename(path, self.httpd.path("site/.htaccess"))
        bearer = token.publisher(key=SITE_KEY, aud=f"http://site.example:{self.httpd.port}{PATH}")
        wait_until(lambda: self.httpd.publish("x", "y", token=bearer, host="site.example", status=None).status == 200,
                   what="the site served as its file says")

    def site_of_virtual_document_root(self):
        self.number += 1
        self.httpd.write(f"sites/s{self.number}.example/index.html", "page")
        host = f"s{self.number}.example:{self.httpd.port}"
        bearer = token.publisher(aud=f"http://{host}{PATH}")
        wait_until(lambda: self.httpd.publish("x", "y", token=bearer, host=host, status=None).status == 200,
                   what="the site served")


NAMES = [name for name in vars(Requests) if not name.startswith("_") and name != "config"]


def metric(httpd, name):
    return sum(float(line.split()[-1]) for line in httpd.get("/metrics").text.splitlines()
               if re.match(rf"{name}[ {{]", line))


@pytest.mark.mpm("event")
@pytest.mark.parametrize("name", NAMES)
def test_each_call_fails_in_turn(httpd, monkeypatch, name):
    failing, requests = Failing(httpd, monkeypatch), Requests(httpd)
    httpd.sizing = ONE_CHILD
    httpd.expect_log(r"MRC\d+", required=False)
    httpd.start("Protocols h2c http/1.1\nMercureHttp2 On\n" + requests.config())
    run, witness = getattr(requests, name), Witness(httpd)
    child, = httpd.children()
    witness.note(run())  # libraries now have what they allocate once
    witness.check()
    calls, has_failed = 0, True
    while has_failed:
        before = failing.count()
        failing.after(calls)
        try:
            witness.note(run())
        except (ConnectionError, ProtocolError):
            pass  # the server has ended the connection
        failing.after(None)
        has_failed = failing.count() > before
        witness.check()
        calls += 1 + calls // 30
    witness.note(run())
    witness.check()
    witness.close()
    assert calls > 1
    assert not requests.problems
    assert httpd.children() == [child]
    wait_subscribers(httpd, 0)
    for gauge in ("mercure_patterns", "mercure_pattern_bytes", "mercure_streams", "mercure_streams_holding_threads"):
        wait_until(lambda: metric(httpd, gauge) == 0, what=f"{gauge} 0")

    def is_empty():
        answer = httpd.get(f"{PATH}/subscriptions", {"Authorization": f"Bearer {token.subscriber()}"})
        return answer.json["subscriptions"] == []

    wait_until(is_empty, what="the list of subscriptions empty")
    assert call(httpd, "GET", "revocations", status=200).json["revocations"] == []


def restart_until_failed(httpd, failing, line):
    """Children start with each of their calls failing in turn, until one writes LINE."""
    for calls in range(100):
        before = httpd.children()
        failing.after(calls)
        httpd.kill_child(before[0])
        wait_until(lambda: len(httpd.children()) == 1 and httpd.children() != before, what="another child")
        httpd.get("/")  # the child serves
        failing.after(None)
        if line in httpd.log():
            break


@pytest.mark.mpm("event")
@pytest.mark.parametrize("target", [PATH, "/page.html"])
def test_child_that_could_not_start_serves_later(httpd, monkeypatch, target):
    """Requests for its hub make the child try again, and so do publications of other pages."""
    failing = Failing(httpd, monkeypatch)
    httpd.load("headers")
    httpd.write("htdocs/page.html", "page")
    httpd.sizing = ONE_CHILD
    httpd.expect_log("MRC0217: this child serves no hub, because it could not start its hubs")
    httpd.expect_log("MRC0241: this child serves its hubs now")
    httpd.expect_log(r"MRC0\d+", required=False)
    httpd.start(hub("MercureSubscriptions On") + PAGE)
    restart_until_failed(httpd, failing, "MRC0217")
    child = httpd.children()
    wait_until(lambda: httpd.get(target).status and "MRC0241" in httpd.log(), what="the hub served")
    with httpd.subscribe([("match", TOPIC)]) as stream:
        update = httpd.publish(TOPIC, "y")
        assert stream.next().id == update.text
    assert httpd.children() == child
    httpd.graceful()


@pytest.mark.mpm("event")
def test_child_whose_start_left_a_thread_says_so(httpd, monkeypatch):
    failing = Failing(httpd, monkeypatch)
    httpd.sizing = ONE_CHILD
    httpd.env["LATE"] = "1"
    httpd.expect_log("MRC0217")
    httpd.expect_log("MRC0242: this child serves no hub until it ends")
    httpd.expect_log("MRC0240")
    httpd.expect_log(r"MRC0\d+", required=False)
    httpd.start(hub("MercureSubscriptions On"))
    restart_until_failed(httpd, failing, "MRC0242")
    assert httpd.publish(TOPIC, "x", status=None).status == 503
    httpd.stop()
