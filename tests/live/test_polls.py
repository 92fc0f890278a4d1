"""A stream that is refused for a temporary reason is a poll: its client gets updates late, but gets them all."""
import time
import urllib.parse

import pytest

from env import token
from env.h2 import Http2
from env.hub import PATH, hub
from env.operator import ISSUER, KEY, call
from env.wait import wait_until
from test_cursor import BROWSER, OTHER, TOPIC, check_position, replayed

# One thread may be held by a stream.
ONE_STREAM = {"worker": "StartServers 1\nServerLimit 1\nThreadsPerChild 4\nThreadLimit 4\nMaxRequestWorkers 4\n"
                        "MinSpareThreads 1\nMaxSpareThreads 4\n",
              "prefork": "StartServers 5\nServerLimit 5\nMaxRequestWorkers 5\nMinSpareServers 1\nMaxSpareServers 5\n"}
EVENT_ONE_STREAM = ("StartServers 1\nServerLimit 1\nThreadsPerChild 4\nThreadLimit 4\nMaxRequestWorkers 4\n"
                    "MinSpareThreads 1\nMaxSpareThreads 4\nAsyncRequestWorkerFactor 0.5\n")
NOTICE = r"\[mercure:notice\].*MRC0712: hub \S+ refuses streams, whose clients now get their updates some seconds late: .*{names}"


def poll(httpd, cursor=None, query=(("match", TOPIC),), **more):
    """A refused stream: (ids of its events, its position)."""
    headers = dict(BROWSER)
    if cursor is not None:
        headers["Last-Event-ID"] = cursor
    with httpd.subscribe(list(query), headers, **more) as stream:
        assert stream.wait_end()
        assert 2000 <= stream.parser.retry <= 15000
        assert stream.response.header("Mercure-Last-Event-ID") == (None if cursor is None else cursor)
        assert len(stream.parser.positions) == 1
        position = stream.parser.positions[0]
        assert stream.parser.last_event_id == position, "the position is the last block"
        return [event.id for event in stream.parser.events], position


@pytest.fixture(name="full")
def full_server(httpd, mpm):
    """A server with one stream, which has no place for another one."""
    opened = []

    def start(*directives):
        httpd.sizing = EVENT_ONE_STREAM if mpm == "event" else ONE_STREAM[mpm]
        httpd.start(hub("MercureDetach Off", *directives))
        opened.append(httpd.subscribe([("match", OTHER)]))
        opened[0].wait_comment()
        return httpd

    yield start
    for stream in opened:
        stream.close()


def test_a_browser_that_keeps_only_ids_of_events_polls(full):
    httpd = full()
    for agent, is_event in (("Gecko/20100101 Firefox/140.0", True), ("curl/8", False)):
        with httpd.subscribe([("match", TOPIC)], BROWSER | {"User-Agent": agent}) as stream:
            assert stream.wait_end() and stream.parser.positions == ["earliest"]
            assert stream.parser.position_events == is_event and not stream.parser.events


@pytest.mark.sanitize
@pytest.mark.parametrize("cursor", ["", "MercureCursor Off"], ids=["auto", "off"])
def test_a_refused_stream_is_a_poll(full, mpm, cursor):
    httpd = full(cursor)
    assert poll(httpd) == ([], "earliest")
    first = httpd.publish(TOPIC, "1").text
    got, position = poll(httpd, "earliest")
    assert got == [first]
    assert poll(httpd, check_position(position))[0] == []
    httpd.publish(OTHER, "not for it")
    httpd.publish(TOPIC, "not for it", fields=[("private", "on")])
    second = [httpd.publish(TOPIC, str(i)).text for i in range(5)]
    got, position = poll(httpd, position)
    assert got == second
    got, again = poll(httpd, second[2])
    assert got == second[3:]
    assert again != position
    # A client without a cursor gets the newest position alone.
    got, position = poll(httpd)
    assert got == []
    third = httpd.publish(TOPIC, "3").text
    assert poll(httpd, check_position(position))[0] == [third]
    # Without Accept, it is an error.
    answer = httpd.get(f"{PATH}?{urllib.parse.urlencode([('match', TOPIC)])}", {"Accept": "*/*"})
    assert answer.status == 503 and 2 <= int(answer.header("Retry-After")) <= 15
    names = {"event": "AsyncRequestWorkerFactor", "worker": "ThreadsPerChild", "prefork": "MaxRequestWorkers"}
    notices = [line for line in httpd.log().splitlines() if "MRC0712" in line]
    assert len(notices) <= len(httpd.children())  # one of each child, at first
    httpd.wait_log(NOTICE.format(names=names[mpm]))


@pytest.mark.mpm("event")
def test_a_poll_has_a_bound_and_goes_on_there(full):
    httpd = full("MercureSubscriberBacklog 64K")
    ids = [httpd.publish(TOPIC, "x" * 20000).text for _ in range(20)]
    cursor, got, polls = "earliest", [], 0
    while len(got) < len(ids):
        more, cursor = poll(httpd, cursor)
        assert 1 <= len(more) <= 5, "64 KB, and what is over them of one update"
        got += more
        polls += 1
    assert got == ids and polls >= 4
    large = httpd.publish(TOPIC, "y" * 500000).text
    assert poll(httpd, cursor)[0] == [large]


@pytest.mark.mpm("event")
def test_a_poll_is_authorized(full):
    httpd = full()
    private = httpd.publish(TOPIC, "1", fields=[("private", "on")]).text
    public = httpd.publish(TOPIC, "2").text
    assert poll(httpd, "earliest")[0] == [public]
    granted = token.mint(token.SUBSCRIBER_KEY, details=[token.detail(["subscribe"], [TOPIC])])
    assert poll(httpd, "earliest", token=granted)[0] == [private, public]
    other = token.mint(token.SUBSCRIBER_KEY, details=[token.detail(["subscribe"], [OTHER])])
    assert poll(httpd, "earliest", token=other)[0] == [public]


@pytest.mark.mpm("event")
def test_a_poll_is_counted_and_announced_as_a_refusal(full):
    httpd = full("MercureSubscriptions On")
    position = poll(httpd)[1]
    assert check_position(position)  # the announcement of the other stream
    reader = token.mint(token.SUBSCRIBER_KEY, details=[token.detail(["subscribe"], ["*"])])
    answer = httpd.get(f"{PATH}/subscriptions", {"Authorization": f"Bearer {reader}"})
    assert [one["match"] for one in answer.json["subscriptions"]] == [OTHER]


@pytest.mark.mpm("event")
def test_a_client_without_a_cursor_gets_one_before_its_subscription_is_known(httpd):
    """The hub has no room for the client's patterns, so it cannot tell what the client has missed."""
    httpd.start(hub("MercureLimit patterns=1", "MercureCursor Off"))
    first = httpd.publish(TOPIC, "1").text
    pattern = [("match_urlpattern", "https://example.com/books/:id")]
    httpd.expect_log("MRC0704")
    with httpd.subscribe([("match_urlpattern", "/other/:id")]) as other:
        other.wait_comment()
        position = poll(httpd, query=pattern)[1]
        for more in ({"headers": BROWSER | {"Last-Event-ID": first}, "query": pattern},
                     {"headers": BROWSER, "query": pattern + [("last_event_id", first)]}):
            with httpd.subscribe(**more) as stream:  # the client keeps its cursor
                assert stream.wait_end() and stream.parser.retry
                assert not stream.parser.positions and not stream.parser.events
    second = httpd.publish(TOPIC, "2").text
    assert replayed(httpd, check_position(position), second)[0] == [second]


@pytest.mark.mpm("event", "worker")
def test_eight_tabs_over_http2_hear_everything(httpd):
    """Two of them have streams; the others poll."""
    httpd.load("http2")
    httpd.expect_log(r"AH10034|AH02951", required=False)  # mod_http2's comments on its configuration
    port = httpd.add_port()
    httpd.start("Protocols h2 h2c http/1.1\n" + httpd.vhost("Protocols h2 h2c http/1.1", "MercureHttp2 Off", hub(),
                                                                   port=port))
    target = f"{PATH}?{urllib.parse.urlencode([('match', TOPIC)])}"
    headers = [(name.lower(), value) for name, value in BROWSER.items()]
    sent = [[] for _ in range(8)]
    with Http2(port) as conn:
        tabs = [conn.open(target, headers) for _ in range(8)]
        conn.wait(lambda: sum(tab.ended for tab in tabs) == 6 and all(tab.parser.positions for tab in tabs), "6 polls")
        for data in ("1", "2", "3"):
            httpd.publish(TOPIC, data, port=port)
            for i, tab in enumerate(tabs):
                if tab.ended:
                    cursor = tab.parser.last_event_id
                    tabs[i] = tab = conn.request(target, headers + [("last-event-id", cursor)])
                    assert tab.ended and tab.parser.retry
                conn.wait(lambda: tab.parser.events, "the update")
                while tab.parser.events:
                    sent[i].append(tab.parser.events.popleft().data)
    assert sent == [["1", "2", "3"]] * 8
    httpd.wait_log(NOTICE.format(names="MercureHttp2"))


@pytest.mark.mpm("event", "worker", "prefork")
def test_the_number_of_streams_is_a_notice_at_the_start(httpd, mpm):
    httpd.start(hub())
    wait_until(lambda: "MRC0114" in httpd.log() or "MRC0115" in httpd.log(), what="the number")
    lines = [line for line in httpd.log().splitlines() if "MRC0114" in line or "MRC0115" in line]
    assert lines and all("[mercure:notice]" in line for line in lines)


@pytest.mark.mpm("worker")
@pytest.mark.parametrize("end", ["revoked", "expired"])
def test_a_token_that_ends_while_a_body_comes_gets_no_poll(full, end):
    """What a token does not grant any more is not in the answer, although the request began in time."""
    httpd = full(f'MercureControlKey {ISSUER} HS256 "{KEY}"')
    httpd.expect_log("MRC060[56]")
    httpd.publish(TOPIC, "secret", fields=[("private", "on")])
    body = urllib.parse.urlencode([("match", TOPIC)])
    with httpd.connect() as conn:
        expires = int(time.time()) + (2 if end == "expired" else 60)
        conn.send_request("QUERY", PATH, BROWSER | {
            "Authorization": f"Bearer {token.subscriber(sub='mallory', exp=expires)}", "Last-Event-ID": "earliest",
            "Content-Type": "application/x-www-form-urlencoded", "Expect": "100-continue",
            "Content-Length": str(len(body))})
        assert conn.read_head().status == 100
        if end == "revoked":
            call(httpd, "POST", "revoke", {"sub": "mallory"}, status=200)
        else:
            wait_until(lambda: time.time() > expires, what="the end of the token")
        conn.send(body.encode())
        response = conn.read_response()
        assert response.status == 401 and "secret" not in response.text
