"""The hub's main job, seen from outside: publish, subscribe, refuse, replay."""
import gzip
import json
import re
import time
import urllib.parse

import pytest

from env import token
from env.hub import PATH, hub
from env.http import Connection
from env.wait import DEADLINE, wait_until

event_only = pytest.mark.mpm("event")

TOPIC = "https://example.com/books/1"
FORM = "application/x-www-form-urlencoded"
# Logs the process that served each request, its method, its status and the id of its update.
PID_LOG = 'CustomLog logs/pids.log "%P %m %>s %{mercure-id}n"\n'


def pids(httpd, method):
    return {int(line.split()[0]) for line in httpd.lines("logs/pids.log") if line.split()[1] == method}


def problem(response):
    """Checks the problem document of RESPONSE; returns its detail."""
    assert response.header("Content-Type") == "application/problem+json", response
    assert response.header("Cache-Control") == "no-store", response
    document = json.loads(response.body)
    assert document["status"] == response.status and document["type"] == "about:blank"
    assert document["title"] and len(document["detail"]) > 10
    return document["detail"]


def table(rows, run):
    """Runs every row, so that one run shows all failures."""
    wrong = []
    for row in rows:
        try:
            run(*row)
        except AssertionError as error:
            wrong.append(f"{row[0]}: {error}")
    assert not wrong, "\n".join(wrong)


# ---- the main job --------------------------------------------------------------------------------


@pytest.mark.sanitize
def test_update_published_in_one_child_reaches_another(httpd):
    httpd.start(hub() + PID_LOG)
    sent = []
    with httpd.subscribe([("match", TOPIC)]) as stream:
        stream.wait_comment()
        # Until at least two children have served a publication: one of them is not the stream's.
        while len(sent) < 3 or len(pids(httpd, "POST")) < 2:
            assert len(sent) < 2000, "all publications went to one child"
            sent.append(httpd.publish(TOPIC, f"data {len(sent)}").text)
        events = stream.take(len(sent))
    assert [event.id for event in events] == sent
    assert [event.data for event in events] == [f"data {i}" for i in range(len(sent))]
    wait_until(lambda: pids(httpd, "GET"), what="the stream's line in the access log")
    assert pids(httpd, "POST") - pids(httpd, "GET"), "no update came from another child"


def test_updates_reach_every_subscriber_once_and_in_order(httpd):
    httpd.start(hub())
    streams = [httpd.subscribe([("match", TOPIC)]) for _ in range(6)]
    sent = [httpd.publish(TOPIC, str(i)).text for i in range(30)]
    for stream in streams:
        assert [event.id for event in stream.take(30)] == sent
        stream.close()


@event_only
def test_publication_is_answered_with_its_id(httpd):
    httpd.start(hub() + PID_LOG)
    response = httpd.publish(TOPIC, "x")
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
                        response.text)
    assert response.header("Content-Type").startswith("text/plain")
    assert httpd.publish(TOPIC, "x", fields=[("id", "my-id")]).text == "my-id"
    given = httpd.publish(TOPIC, "x", fields=[("id", "")]).text
    assert given.startswith("urn:uuid:") and given != response.text

    def logged():
        return {line.split()[3] for line in httpd.lines("logs/pids.log")}

    wait_until(lambda: logged() == {response.text, "my-id", given}, what="the ids in the access log")


@event_only
def test_stream_has_the_required_header_fields(httpd):
    httpd.start(hub())
    with httpd.subscribe([("match", TOPIC)]) as stream:
        assert stream.response.header("Content-Type") == "text/event-stream"
        assert "no-store" in stream.response.header("Cache-Control")
        assert stream.response.header("X-Accel-Buffering") == "no"
        assert stream.response.header("Connection") == "close"
        assert stream.response.header("Transfer-Encoding") == "chunked"
        assert stream.response.header("Mercure-Last-Event-ID") is None
        stream.wait_comment()


@event_only
def test_every_field_of_an_update_is_delivered(httpd):
    httpd.start(hub())
    with httpd.subscribe([("match", TOPIC)]) as stream:
        httpd.publish(["https://example.com/other", TOPIC], "one\ntwo\r\nthree\rfour",
                      fields=[("id", "ä id"), ("type", "book"), ("retry", "1234"), ("unknown", "x")])
        event = stream.next()
        assert (event.id, event.event, event.data) == ("ä id", "book", "one\ntwo\nthree\nfour")
        assert stream.parser.retry == 1234
        httpd.publish(TOPIC)  # no data at all
        httpd.publish(TOPIC, "data: x\n\nid: y")
        # An EventSource reports no event with empty data or none, so the next one is the third.
        while True:
            event = stream.next()
            if event.data:
                break
        assert event.data == "data: x\n\nid: y"


@event_only
def test_update_of_several_topics_is_delivered_once(httpd):
    httpd.start(hub())
    with httpd.subscribe([("match", "https://example.com/a"), ("match", "https://example.com/b"),
                          ("match", "*")]) as stream:
        first = httpd.publish(["https://example.com/a", "https://example.com/b"], "1").text
        second = httpd.publish("https://example.com/c", "2").text
        assert [event.id for event in stream.take(2)] == [first, second]


@event_only
def test_topics_are_compared_byte_by_byte(httpd):
    httpd.start(hub())
    with httpd.subscribe([("match", "https://example.com/é")]) as stream:
        for other in ("https://example.com/e", "https://example.com/%C3%A9", "HTTPS://example.com/é",
                      "https://example.com/é/", "https://example.com/e\u0301"):
            httpd.publish(other, "no")
        last = httpd.publish("https://example.com/é", "yes").text
        assert stream.next().id == last


def test_large_update_is_delivered_whole(httpd):
    httpd.start(hub())
    data = "0123456789abcdef" * 60000  # just below the largest body
    with httpd.subscribe([("match", TOPIC)]) as stream:
        httpd.publish(TOPIC, data)
        assert stream.next().data == data


@event_only
def test_chunked_publication_is_accepted(httpd):
    httpd.start(hub())
    with httpd.subscribe([("match", TOPIC)]) as stream:
        body = urllib.parse.urlencode([("topic", TOPIC), ("data", "in pieces")])
        chunks = "".join(f"{len(part):x}\r\n{part}\r\n" for part in (body[:5], body[5:]))
        response = httpd.request("POST", PATH, {
            "Authorization": f"Bearer {token.publisher()}", "Content-Type": FORM,
            "Transfer-Encoding": "chunked"}, body=chunks + "0\r\n\r\n")
        assert response.status == 200
        assert stream.next().data == "in pieces"


@event_only
def test_one_connection_takes_many_publications(httpd):
    httpd.start(hub())
    head = {"Authorization": f"Bearer {token.publisher()}", "Content-Type": FORM}
    with httpd.subscribe([("match", TOPIC)]) as stream, httpd.connect() as conn:
        sent = [conn.request("POST", PATH, head, f"topic={TOPIC}&data={i}").text for i in range(20)]
        # A refusal is answered on the same connection.
        assert conn.request("POST", PATH, head, "data=no-topic").status == 400
        assert [event.id for event in stream.take(20)] == sent


# ---- publications that are refused ---------------------------------------------------------------

PUBLISH_ERRORS = [
    # name, form, status, a word of the detail
    ("no topic", "data=x", 400, "topic"),
    ("nothing", "", 400, "topic"),
    ("the wildcard as a topic", "topic=*", 400, "reserved"),
    ("a reserved id", f"topic={TOPIC}&id=earliest", 400, "earliest"),
    ("an id that begins with #", f"topic={TOPIC}&id=%23x", 400, "#"),
    ("an id with a line end", f"topic={TOPIC}&id=a%0Ab", 400, "id"),
    ("an id with NUL", f"topic={TOPIC}&id=a%00b", 400, "id"),
    ("an id that begins with a space", f"topic={TOPIC}&id=+b", 400, "space"),
    ("an id that ends with a space", f"topic={TOPIC}&id=a%20", 400, "space"),
    ("an id that begins with a tab", f"topic={TOPIC}&id=%09b", 400, "tab"),
    ("an id that ends with a tab", f"topic={TOPIC}&id=a%09", 400, "tab"),
    ("an id of spaces", f"topic={TOPIC}&id=++", 400, "space"),
    ("an id that begins with a byte order mark", f"topic={TOPIC}&id=%EF%BB%BFa", 400, "U+FEFF"),
    ("a topic with a line end", "topic=a%0Ab", 400, "topic"),
    ("an empty topic", "topic=", 400, "topic is empty"),
    ("an empty topic after another one", f"topic={TOPIC}&topic=&data=x", 400, "topic is empty"),
    ("a topic that is not UTF-8", "topic=%FF", 400, ""),
    ("data that is not UTF-8", f"topic={TOPIC}&data=%C3", 400, ""),
    ("the hub's own type", f"topic={TOPIC}&type=mercure", 400, "type"),
    ("a type with a line end", f"topic={TOPIC}&type=a%0Dx", 400, "type"),
    ("retry in words", f"topic={TOPIC}&retry=soon", 400, "retry"),
    ("a negative retry", f"topic={TOPIC}&retry=-1", 400, "retry"),
    ("too many topics", "&".join(f"topic=a{i}" for i in range(6)), 413, "5"),
    ("a body that is too long", f"topic={TOPIC}&data=" + "x" * 4000, 413, "2000"),
    ("a field that is too long", f"topic={TOPIC}&data=" + "x" * 600, 413, "500"),
]


# These ids have everything that a field of a request can hold.
ODD_IDS = ("a b", "a  b", "a,b", ", a", '"a"', "a;b", ":a", "%20", "a#", "Earliest", "\u00e9\u00ff", "\u20ac \U0001f600",
           "\u2028", "i" * 4096, "\u00e9" * 2048)


def cursor(httpd, value, path=PATH):
    """The answer to a subscription whose Last-Event-ID is VALUE, bytes, and its first event's data."""
    with httpd.connect() as conn:
        conn.send(f"GET {path}?match=* HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: ".encode() + value +
                  b"\r\n\r\n")
        head = conn.read_head()
        assert head.status == 200, head
        return head, conn.read_until(b"\n\n").decode()


@event_only
def test_every_accepted_id_comes_back_as_a_cursor(httpd):
    """In UTF-8, as an EventSource sends it, and in ISO-8859-1, as fetch() does."""
    old_key = "an-old-secret-of-the-live-tests:0123456789"
    httpd.start(hub(path="/modern") + hub(f"MercureLegacyKey HS256 {old_key}", path="/legacy"))
    for path in ("/modern", "/legacy"):
        minted = token.publisher(aud=f"https://hub.example{path}")
        for number, one in enumerate(ODD_IDS):
            assert httpd.publish(TOPIC, "first", token=minted, path=path, fields=[("id", one)]).text == one
            httpd.publish(TOPIC, f"after {number}", token=minted, path=path)
        for number, one in enumerate(ODD_IDS):
            spellings = [one.encode()]
            if not one.isascii() and all(ord(c) < 0x100 for c in one):
                spellings.append(one.encode("latin-1"))
            for spelling in spellings:
                head, event = cursor(httpd, spelling, path)
                assert head.header("Mercure-Last-Event-ID").encode("latin-1") == one.encode(), one
                assert f"data: after {number}\n" in event, (one, event)


@event_only
def test_ids_are_as_long_as_clients_can_send_them_back(httpd):
    def check(length, letter, **more):
        for one in (letter * length, "\u00e9" * (length // 2 - 1) + letter * (length % 2 + 2)):
            assert httpd.publish(TOPIC, "x", fields=[("id", one)], **more).text == one
            answer = httpd.publish(TOPIC, "x", fields=[("id", one + "i")], status=413, **more)
            assert f"{length} bytes" in problem(answer), answer
            last = httpd.publish(TOPIC, "the next one", **more).text
            with httpd.subscribe([("match", TOPIC)], {"Last-Event-ID": one}, port=more.get("port", httpd.port)) as stream:
                assert stream.next().id == last, "it is not found"

    small, large = httpd.add_port(), httpd.add_port()
    httpd.start(hub())
    check(4096, "a")
    # Of the virtual hosts of a hub, the one that accepts the shortest fields counts.
    httpd.restart("LimitRequestFieldSize 16000\n" + hub() +
                  httpd.vhost(hub(name="shared"), "LimitRequestFieldSize 1001", port=small) +
                  httpd.vhost(hub(name="shared"), "LimitRequestFieldSize 16000", port=large))
    check(4096, "b")
    # Tokens do not fit into a field of 1001 bytes, except for this one.
    assert len(token.publisher()) < 900
    check(500, "c", port=small)
    check(500, "d", port=large)


@event_only
def test_retry_is_bounded(httpd):
    """Timers of JavaScript hold 31 bits: a client would reconnect at once after a larger delay."""
    httpd.start(hub())
    with httpd.subscribe([("match", TOPIC)]) as stream:
        for sent, received in (("2147483647", 2147483647), ("0", 0), ("2147483648", 2147483647), ("0015", 15),
                               ("99999999999999999999", 2147483647)):
            httpd.publish(TOPIC, "x", fields=[("retry", sent)])
            stream.next()
            assert stream.parser.retry == received, sent


@event_only
def test_invalid_publications_are_refused(httpd):
    httpd.start(hub("MercureLimit topics=5 body=2000 field=500"))

    def run(name, form, status, word):
        response = httpd.request("POST", PATH, {"Authorization": f"Bearer {token.publisher()}",
                                                "Content-Type": FORM}, form)
        assert response.status == status, response
        assert word in problem(response), response

    table(PUBLISH_ERRORS, run)
    # None of the refused publications has left an update.
    last = httpd.publish(TOPIC, "the only one").text
    with httpd.subscribe([("match", "*"), ("last_event_id", "earliest")]) as stream:
        assert stream.next().id == last


@event_only
def test_limits_are_exact(httpd):
    httpd.start(hub("MercureLimit topics=5 body=2000 field=500 matchers=3 pattern=40"))
    head = {"Authorization": f"Bearer {token.publisher()}", "Content-Type": FORM}

    def post(form):
        return httpd.request("POST", PATH, head, form).status

    assert post("&".join(f"topic=a{i}" for i in range(5))) == 200
    assert post("topic=a&data=" + "x" * 500) == 200 and post("topic=a&data=" + "x" * 501) == 413
    assert post("topic=" + "x" * 500) == 200 and post("topic=" + "x" * 501) == 413
    form = "topic=a&type=" + "y" * 400 + "&data=" + "x" * 500 + "&other="
    assert post(form + "z" * (2000 - len(form))) == 200
    assert post(form + "z" * (2001 - len(form))) == 413
    chunked = {**head, "Transfer-Encoding": "chunked"}
    for size, status in ((2000, 200), (2001, 413)):
        body = form + "z" * (size - len(form))
        assert httpd.request("POST", PATH, chunked,
                             f"{len(body):x}\r\n{body}\r\n0\r\n\r\n").status == status
    httpd.subscribe([("match", str(i)) for i in range(3)]).close()
    httpd.subscribe([("match", str(i)) for i in range(4)], status=400).close()
    httpd.subscribe([("match", "x" * 40)]).close()
    httpd.subscribe([("match", "x" * 41)], status=400).close()


@event_only
def test_limit_request_body_of_httpd_applies(httpd):
    """The answer is like that of the hub's own limits, and is sent once. ErrorDocument can replace it."""
    httpd.expect_log(r"AH01587|AH01588|AH01590|AH00588|Requested content-length|larger than the conf", required=False)
    identifier = f"MercureResourceIdentifier https://hub.example{PATH}"
    httpd.start("".join(
        hub(identifier, "MercureSubscriptions On", *more, path=path, identifier=None)
        for path, *more in ((PATH, "LimitRequestBody 100"), ("/none", "LimitRequestBody 0"),
                            ("/own", "LimitRequestBody 100", 'ErrorDocument 413 "by the administrator"'))))
    head = {"Authorization": f"Bearer {token.publisher()}", "Content-Type": FORM}
    chunked = {**head, "Transfer-Encoding": "chunked"}
    body = f"topic={TOPIC}&data=" + "x" * 200
    chunks = "".join(f"{len(part):x}\r\n{part}\r\n" for part in (body[:90], body[90:180], body[180:])) + "0\r\n\r\n"

    def ask(method, target, headers, body):
        with Connection(httpd.port) as conn:
            answer = conn.request(method, target, headers, body)
            conn.wait_closed()
            assert answer.header("Connection") == "close" and not conn.buffer, "more than one answer"
            return answer

    assert httpd.publish(TOPIC, "x" * 10).status == 200
    for method, target, headers, sent in (
            ("POST", PATH, head, body), ("POST", PATH, chunked, chunks), ("QUERY", PATH, {"Content-Type": FORM}, body),
            ("GET", f"{PATH}?match=a", {}, body), ("GET", f"{PATH}/subscriptions", {}, body),
            ("PUT", PATH, {}, body), ("OPTIONS", PATH, {}, body), ("GET", f"{PATH}/nothing", chunked, chunks)):
        answer = ask(method, target, headers, sent)
        assert answer.status == 413 and "100 bytes" in problem(answer), (method, target, answer)
        answer = ask(method, target.replace(PATH, "/own"), headers, sent)
        assert (answer.status, answer.text) == (413, "by the administrator"), (method, target, answer)
    # The size of this chunk does not fit into a number, so the answer names no limit.
    answer = ask("POST", "/none", chunked, "f" * 18 + "\r\n")
    assert answer.status == 413 and "too large" in problem(answer), answer
    # Another reason why a body cannot be read.
    answer = ask("POST", PATH, chunked, "nonsense\r\n")
    assert answer.status == 400 and "could not be read" in problem(answer), answer


@event_only
def test_publication_must_be_a_form_or_json(httpd):
    httpd.start(hub())
    head = {"Authorization": f"Bearer {token.publisher()}"}

    def run(content_type, status):
        more = {} if content_type is None else {"Content-Type": content_type}
        response = httpd.request("POST", PATH, {**head, **more}, f"topic={TOPIC}")
        assert response.status == status, response
        if status == 415:
            assert FORM in problem(response) and "application/json" in problem(response)

    table([(None, 415), ("text/plain", 415), ("application/json", 400), ("multipart/form-data", 415),
           (FORM + "x", 415), ("", 415), (FORM, 200), (FORM.upper(), 200), (FORM + ";charset=utf-8", 200),
           (FORM + " ; charset=utf-8", 200)], run)


@event_only
def test_encoded_bodies_are_decoded_or_refused(httpd):
    """An encoded body is accepted where a filter of httpd decodes it, and is never read as plain text."""
    httpd.expect_log(r"AH01387|AH10491|AH02805|Zlib|inflat", required=False)
    httpd.load("deflate")
    inflating = "MercureLimit body=10000\nSetInputFilter DEFLATE"
    httpd.start(hub() + hub(inflating, path="/inflating"))
    plain = urllib.parse.urlencode({"topic": TOPIC, "data": "x" * 100}).encode()
    zipped = gzip.compress(plain)

    def run(path, method, body, encoding, status, accepted=None):
        target = f"{path}?match=a" if method == "QUERY" else path
        headers = [("Content-Type", FORM), *(("Content-Encoding", one) for one in encoding)]
        if method == "POST":
            headers.append(("Authorization", f"Bearer {token.publisher(aud='https://hub.example' + path)}"))
        response = httpd.request(method, target, headers, body)
        assert response.status == status, response
        assert response.header("Accept-Encoding") == accepted, response
        if status == 415:
            assert "Content-Encoding" in problem(response)

    table([(PATH, "POST", plain, [], 200),
           (PATH, "POST", plain, ["identity"], 200),
           (PATH, "POST", zipped, ["gzip"], 415, "identity"),
           (PATH, "POST", plain, ["gzip"], 415, "identity"),
           (PATH, "POST", plain, ["identity, br"], 415, "identity"),
           (PATH, "POST", plain, ["identity", "x"], 415, "identity"),
           (PATH, "POST", plain, [";"], 415, "identity"),
           (PATH, "POST", plain, [", Identity ,"], 200),
           (PATH, "QUERY", gzip.compress(b"match=b"), ["gzip"], 415, "identity"),
           ("/inflating", "POST", plain, [], 200),
           ("/inflating", "POST", zipped, ["gzip"], 200),
           ("/inflating", "POST", zipped, ["x-gzip"], 200),
           ("/inflating", "POST", gzip.compress(zipped), ["gzip, gzip"], 415, "gzip, identity"),
           ("/inflating", "POST", zipped, ["br"], 415, "gzip, identity"),
           ("/inflating", "POST", plain, ["gzip"], 400),
           ("/inflating", "POST", zipped[:-20], ["gzip"], 400),
           ("/inflating", "POST", gzip.compress(plain.ljust(10000, b"x")), ["gzip"], 200),
           ("/inflating", "POST", gzip.compress(plain.ljust(10001, b"x")), ["gzip"], 413)], run)


# ---- tokens --------------------------------------------------------------------------------------


def refusal(reason):
    """A regular expression for the log line of a token that is refused for REASON."""
    return rf"mercure:info.*refuses a token: .*{reason}"


@event_only
def test_tokens_that_may_not_publish_are_refused(httpd):
    httpd.start(hub())
    good = token.publisher()
    header, payload, signature = good.split(".")
    rows = [
        ("no token", None, 401),
        ("no JWS", "Bearer rubbish", 401),
        ("two parts", f"Bearer {header}.{payload}", 401),
        ("another signature", f"Bearer {header}.{payload}.{signature[:-4]}AAAA", 401),
        ("no signature", f"Bearer {header}.{payload}.", 401),
        ("the subscribers' key", f"Bearer {token.mint(token.SUBSCRIBER_KEY, publish=['*'])}", 401),
        ("another issuer", f"Bearer {token.publisher(iss='https://evil.example')}", 401),
        ("another audience", f"Bearer {token.publisher(aud='https://other.example')}", 401),
        ("no audience", f"Bearer {token.publisher(aud=token.REMOVE)}", 401),
        ("another type", f"Bearer {token.publisher(header={'typ': 'JWT'})}", 401),
        ("an algorithm not configured", f"Bearer {token.publisher(alg='HS512')}", 401),
        ("alg none", f"Bearer {token.mint('', publish=['*'], alg='none')}", 401),
        ("expired", f"Bearer {token.publisher(ttl=-120)}", 401),
        ("no expiry", f"Bearer {token.publisher(exp=token.REMOVE)}", 401),
        ("details that are not an array", f"Bearer {token.publisher(authorization_details={})}", 401),
        ("another topic", f"Bearer {token.publisher(['https://example.com/other'])}", 403),
        ("subscribe only", f"Bearer {token.mint(token.PUBLISHER_KEY, subscribe=['*'])}", 403),
        ("no details", f"Bearer {token.publisher(details=[])}", 403),
        ("an empty token", "Bearer ", 400),
        ("nothing after Bearer", "Bearer", 400),
        ("two tokens", f"Bearer {good} {good}", 400),
        ("two in a list", f"Bearer {good}, Bearer {good}", 400),
        ("a character that no token has", "Bearer a\"b", 400),
        ("a tab for the space", f"Bearer\t{good}", 400),
        ("no space", f"Bearer={good}", 400),
        ("another scheme", "Basic dTpw", 401),
        ("a scheme that begins alike", f"Bearerx {good}", 401),
        ("another scheme", f"Bearer-2 {good}", 401),
    ]

    def run(name, field, status):
        head = [("Content-Type", FORM)] + ([("Authorization", field)] if field is not None else [])
        response = httpd.request("POST", PATH, head, f"topic={TOPIC}&data=x")
        assert response.status == status, response
        challenge = response.header("WWW-Authenticate")
        error = {400: 'error="invalid_request"', 403: 'error="insufficient_scope"',
                 401: 'error="invalid_token"'}[status]
        if name in ("no token", "another scheme", "a scheme that begins alike"):
            assert challenge.startswith("Bearer") and "error=" not in challenge, challenge
        else:
            assert challenge.startswith("Bearer ") and error in challenge, challenge
        detail = problem(response)
        assert good not in detail and token.PUBLISHER_KEY not in detail

    table(rows, run)
    # The log says which rule refused the token, but not the token; the client learns neither.
    assert re.search(refusal("issuer"), httpd.log()) and re.search(refusal("expired"), httpd.log())
    assert signature not in httpd.log() and payload not in httpd.log()
    assert httpd.publish(TOPIC, "x").status == 200


@event_only
def test_repeated_authorization_fields_are_refused(httpd):
    httpd.start(hub())
    good = f"Bearer {token.publisher()}"
    for fields in ([good, good], [good, "Basic dTpw"], ["Basic dTpw", good]):
        head = [("Content-Type", FORM)] + [("Authorization", field) for field in fields]
        assert httpd.request("POST", PATH, head, f"topic={TOPIC}").status == 400, fields


@event_only
def test_the_scheme_is_case_insensitive(httpd):
    httpd.start(hub())
    for scheme in ("bearer", "BEARER", "Bearer  "):
        head = {"Content-Type": FORM, "Authorization": f"{scheme} {token.publisher()}"}
        assert httpd.request("POST", PATH, head, f"topic={TOPIC}").status == 200, scheme


@event_only
def test_tokens_that_may_publish_are_accepted(httpd):
    httpd.start(hub())

    def run(name, minted):
        assert httpd.publish(TOPIC, name, token=minted, status=None).status == 200

    table([
        ("everything", token.publisher()),
        ("this topic", token.publisher([TOPIC])),
        ("a list of audiences", token.publisher(aud=["https://other.example", token.AUDIENCE])),
        ("two details", token.mint(token.PUBLISHER_KEY, details=[
            {"type": "https://other.example/type"}, token.detail(["subscribe", "publish"], [TOPIC])])),
        ("unknown claims", token.publisher(custom={"a": [1]})),
    ], run)


@event_only
def test_publication_needs_a_grant_for_each_topic(httpd):
    httpd.start(hub())
    minted = token.publisher(["https://example.com/a"])
    httpd.publish(["https://example.com/a"], "x", token=minted)
    httpd.publish(["https://example.com/a", "https://example.com/b"], "x", token=minted, status=403)


@event_only
def test_every_kind_of_key_verifies_its_issuers_tokens(httpd):
    made = {}
    lines = []
    for alg, kind in (("RS256", "rsa2048"), ("PS512", "rsa2048"), ("ES256", "p256"), ("ES384", "p384"),
                      ("ES512", "p521"), ("EdDSA", "ed25519"), ("Ed25519", "ed25519"), ("Ed448", "ed448")):
        if kind not in made:
            made[kind] = token.make_key(kind)
            httpd.write(f"conf/{kind}.pem", made[kind][1])
        lines.append(f"MercurePublisherKey https://{alg}.example {alg} file:conf/{kind}.pem")
    httpd.start(hub(*lines))
    for alg, kind in (("RS256", "rsa2048"), ("PS512", "rsa2048"), ("ES256", "p256"), ("ES384", "p384"),
                      ("ES512", "p521"), ("EdDSA", "ed25519"), ("Ed25519", "ed25519"), ("Ed448", "ed448")):
        minted = token.mint(made[kind][0], publish=[TOPIC], alg=alg, iss=f"https://{alg}.example")
        assert httpd.publish(TOPIC, alg, token=minted, status=None).status == 200, alg
        # The key of one issuer does not verify another issuer's tokens.
        minted = token.mint(made[kind][0], publish=[TOPIC], alg=alg)
        assert httpd.publish(TOPIC, alg, token=minted, status=None).status == 401, alg


@event_only
def test_claims_that_the_hub_does_not_use_hold_any_json(httpd):
    """They are ignored, and claims that the hub uses are not read past a NUL."""
    httpd.start(hub())
    deep = []
    for _ in range(40):
        deep = [deep]
    for claims in ({"name": "a\0b"}, {"name": "\ud83d"}, {"\0": 1, "\udc00": "\udc00"}, {"x": deep},
                   {"mercure": {"publish": ["\0"]}}, {"acr": None, "amr": [{"x": "\ud83d"}]}):
        assert httpd.publish(TOPIC, "x", token=token.publisher(**claims), status=None).status == 200, claims
    header = {"x": "\ud83d\0", "jwk": deep}
    assert httpd.publish(TOPIC, "x", token=token.publisher(header=header), status=None).status == 200
    for claims in ({"sub": "a\0b"}, {"iss": token.ISSUER + "\0"}, {"aud": token.AUDIENCE + "\0"}, {"sub": "\ud83d"},
                   {"aud": [token.AUDIENCE, "\ud83d"]}):
        assert httpd.publish(TOPIC, "x", token=token.publisher(**claims), status=None).status == 401, claims


@event_only
def test_two_keys_of_one_issuer_are_both_accepted(httpd):
    """While a key is being replaced, tokens of the old and of the new key are accepted."""
    new = "the-new-key-of-the-live-tests:0123456789abcdef"
    httpd.start(hub(f"MercurePublisherKey {token.ISSUER} HS256 {new}"))
    assert httpd.publish(TOPIC, "old").status == 200
    assert httpd.publish(TOPIC, "new", token=token.publisher(key=new)).status == 200


def test_a_stream_ends_when_its_token_expires(httpd):
    httpd.start(hub(anonymous=False))

    def run(seconds):
        """Returns false if the token expired before the stream was open or before the update came."""
        exp = int(time.time()) + seconds
        with httpd.subscribe([("match", TOPIC)], token=token.subscriber(exp=exp), status=None) as stream:
            update = httpd.publish(TOPIC, "before").text
            clean = stream.status == 200 and stream.wait_end(DEADLINE + seconds)
            if time.time() > exp - 1 and [event.id for event in stream.parser.events] != [update]:
                return False
            assert stream.status == 200 and [event.id for event in stream.parser.events] == [update]
            assert clean, "not ended cleanly"
            assert time.time() > exp - 1  # a little before the token expires, never after
        time.sleep(max(0, exp - time.time()))
        httpd.subscribe([("match", TOPIC)], token=token.subscriber(exp=exp), status=401).close()
        return True

    assert any(run(seconds) for seconds in (3, 10, 30))


# ---- private updates -----------------------------------------------------------------------------


@event_only
def test_private_update_reaches_only_authorized_subscribers(httpd):
    httpd.start(hub())
    granted = token.subscriber([TOPIC])
    other = token.subscriber(["https://example.com/other"])
    publishes = token.mint(token.SUBSCRIBER_KEY, publish=["*"])
    query = [("match", "*"), ("last_event_id", "earliest")]
    with httpd.subscribe(query, token=granted) as one, httpd.subscribe(query, token=other) as two, \
            httpd.subscribe(query) as nobody, httpd.subscribe(query, token=publishes) as publisher:
        private = httpd.publish(TOPIC, "secret", fields=[("private", "")]).text
        both = httpd.publish([TOPIC, "https://example.com/other"], "x", fields=[("private", "on")]).text
        public = httpd.publish(TOPIC, "public").text
        assert [event.id for event in one.take(3)] == [private, both, public]
        assert [event.id for event in two.take(2)] == [both, public]
        assert nobody.next().id == public
        assert publisher.next().id == public
    # The same in a replay.
    with httpd.subscribe(query, token=granted) as one, httpd.subscribe(query) as nobody:
        assert [event.id for event in one.take(3)] == [private, both, public]
        assert nobody.next().id == public


# ---- subscriptions that are refused --------------------------------------------------------------


@event_only
def test_invalid_subscriptions_are_refused(httpd):
    httpd.start(hub())

    def run(query, word):
        with httpd.subscribe(query, status=None) as stream:
            assert stream.status == 400, stream.response
            assert word in problem(stream.response)

    table([
        ("", "topic"),
        ("topic=x", "topic"),
        ("last_event_id=earliest", "topic"),
        ("match_regexp=x", "match"),
        ("match_unknown=*", "match"),
        ("matchx=x", "match"),
        ("Match=x", "match"),
        ("match_=x", "match"),
        ("match=a%0Ab", ""),
        ("match=a%00b", ""),
        ("match=%FF", ""),
        ("match=" + "x" * 4097, "4096"),
        ("&".join(["match=x"] * 101), "100"),
        ("match=x&match_exact=y&match_nothing=z", "match"),
    ], run)


@event_only
def test_subscribers_need_a_valid_token(httpd):
    httpd.start(hub(anonymous=False))
    with httpd.subscribe([("match", TOPIC)], status=401) as stream:
        assert stream.response.header("WWW-Authenticate").startswith("Bearer")
        problem(stream.response)
    for bad in (token.publisher(), token.subscriber(ttl=-60), "x.y.z"):
        with httpd.subscribe([("match", TOPIC)], token=bad, status=401) as stream:
            assert 'error="invalid_token"' in stream.response.header("WWW-Authenticate")
    with httpd.subscribe([("match", TOPIC)], headers={"Authorization": "Bearer"}, status=400):
        pass
    # A token that grants no private updates opens the stream too: public updates need no grant.
    with httpd.subscribe([("match", TOPIC)], token=token.subscriber(["other"])) as stream:
        update = httpd.publish(TOPIC, "x").text
        assert stream.next().id == update


@event_only
def test_invalid_token_is_refused_where_anonymous_is_allowed(httpd):
    httpd.start(hub())
    httpd.subscribe([("match", TOPIC)], token="x.y.z", status=401).close()


# ---- paths below the hub -------------------------------------------------------------------------


@event_only
def test_unknown_paths_below_the_hub_get_404(httpd):
    httpd.start(hub())
    for target in (f"{PATH}/x", f"{PATH}/x/", f"{PATH}/debug/x", f"{PATH}/index.html"):
        response = httpd.get(target)
        assert response.status == 404, (target, response)
        problem(response)


# ---- the last event id ---------------------------------------------------------------------------


def ids(stream, count):
    return [event.id for event in stream.take(count)]


@event_only
def test_last_event_id_selects_the_replay(httpd):
    httpd.start(hub("MercureHistory count=5"))
    with httpd.subscribe([("match", "*"), ("last_event_id", "")]) as stream:
        assert stream.response.header("Mercure-Last-Event-ID") == "earliest"  # the history is empty
    sent = [httpd.publish(TOPIC, str(i), fields=[("id", f"id-{i}")]).text for i in range(8)]
    kept = sent[3:]

    def run(name, field, parameter, answered, replayed):
        query = [("match", TOPIC)] + ([("last_event_id", parameter)] if parameter is not None else [])
        headers = {} if field is None else {"Last-Event-ID": field}
        with httpd.subscribe(query, headers) as stream:
            assert stream.response.header("Mercure-Last-Event-ID") == answered
            end = httpd.publish(TOPIC, "end", fields=[("id", "end " + name)]).text
            got = []
            while not got or got[-1] != end:
                got += ids(stream, 1)
            assert got[:-1] == replayed
        # This pushes the "end" out of the history again.
        for i in sent:
            httpd.publish(TOPIC, "again", fields=[("id", i)])

    table([
        ("none", None, None, None, []),
        ("parameter", None, "id-5", "id-5", sent[6:]),
        ("field", "id-5", None, "id-5", sent[6:]),
        ("the newest", "id-7", None, "id-7", []),
        ("the oldest kept", "id-3", None, "id-3", sent[4:]),
        ("the field goes first", "id-6", "id-4", "id-6", sent[7:]),
        ("earliest", None, "earliest", "earliest", kept),
        ("earliest in the field", "earliest", None, "earliest", kept),
        ("discarded", "id-2", None, "earliest", kept),
        ("unknown", None, "never-was", "earliest", kept),
        ("empty field", "", None, "id-7", []),
        ("empty parameter", None, "", "id-7", []),
        ("empty field beside a parameter", "", "id-6", "id-6", sent[7:]),
        ("very long", None, "x" * 5000, "earliest", kept),
    ], run)


@event_only
def test_earliest_of_equal_ids_is_the_cursor(httpd):
    """So an update may come twice, but none is lost."""
    httpd.start(hub())
    for i, name in enumerate(("a", "same", "b", "same", "c")):
        httpd.publish(TOPIC, str(i), fields=[("id", name)])
    with httpd.subscribe([("match", TOPIC)], {"Last-Event-ID": "same"}) as stream:
        assert ids(stream, 3) == ["b", "same", "c"]


@event_only
def test_replay_is_filtered_by_the_matchers(httpd):
    httpd.start(hub())
    for i in range(10):
        httpd.publish(f"https://example.com/{i % 2}", str(i))
    with httpd.subscribe([("match", "https://example.com/1"), ("last_event_id", "earliest")]) as stream:
        assert [event.data for event in stream.take(5)] == ["1", "3", "5", "7", "9"]
    # The position is in the history, whatever part of it the subscriber sees.
    with httpd.subscribe([("match", "https://example.com/none"), ("last_event_id", "earliest")]) as stream:
        assert stream.response.header("Mercure-Last-Event-ID") == "earliest"


@event_only
def test_nothing_is_replayed_with_history_off(httpd):
    httpd.start(hub("MercureHistory Off"))
    first = httpd.publish(TOPIC, "1").text
    with httpd.subscribe([("match", TOPIC)], {"Last-Event-ID": first}) as stream:
        assert stream.response.header("Mercure-Last-Event-ID") == "earliest"
        second = httpd.publish(TOPIC, "2").text
        assert ids(stream, 1) == [second]


@event_only
def test_replay_longer_than_one_write_is_complete(httpd):
    httpd.start(hub())
    sent = [httpd.publish(TOPIC, "x" * 3000).text for _ in range(60)]
    with httpd.subscribe([("match", TOPIC), ("last_event_id", "earliest")]) as stream:
        assert ids(stream, 60) == sent


# ---- clients that misbehave ----------------------------------------------------------------------


def test_clients_that_hang_up_free_their_threads(httpd):
    httpd.start(hub())
    for count in range(1, 13):
        streams = [httpd.subscribe([("match", TOPIC)]) for _ in range(2)]
        for stream in streams:
            stream.wait_comment()
            stream.close()
        # If the old streams still held their threads, the next ones would find none.
        wait_until(lambda: httpd.log().count("stream ended: client") == 2 * count, what="their end")
    with httpd.subscribe([("match", TOPIC)]) as stream:
        update = httpd.publish(TOPIC, "x").text
        assert stream.next().id == update


@event_only
def test_incomplete_publication_is_not_stored(httpd):
    httpd.start(hub())
    with Connection(httpd.port) as conn:
        conn.send(f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {FORM}\r\n"
                  f"Authorization: Bearer {token.publisher()}\r\nContent-Length: 1000\r\n\r\n"
                  f"topic={TOPIC}&data=half")
    last = httpd.publish(TOPIC, "whole").text
    with httpd.subscribe([("match", TOPIC), ("last_event_id", "earliest")]) as stream:
        assert ids(stream, 1) == [last]


@event_only
def test_expect_100_continue_is_answered_after_the_token_is_checked(httpd):
    httpd.start(hub())
    body = f"topic={TOPIC}&data=x".encode()
    for minted, statuses in ((token.publisher(), [100, 200]), ("x.y.z", [401])):
        with httpd.connect() as conn:
            conn.send_request("POST", PATH, {
                "Authorization": f"Bearer {minted}", "Content-Type": FORM, "Expect": "100-continue",
                "Content-Length": str(len(body))})
            got = [conn.read_head().status]
            if got == [100]:
                conn.send(body)
                got.append(conn.read_response().status)
            assert got == statuses
