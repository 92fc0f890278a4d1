"""Streams with commonly loaded modules: TLS, compression, logging, rate limits, mod_security."""
import base64
import contextlib
import hashlib
import os
import re
import socket
import time

import pytest

from env import token
from env.http import strict_context
from env.httpd import HAS_SANITIZER
from env.hub import PATH, hub
from env.wait import DEADLINE, in_time, wait_until
from env.watch import STATUS, number
from test_streams import REASON_LOG, TOPIC, wait_reason

event_only = pytest.mark.mpm("event")

ONE_CHILD = """
    StartServers 1
    ServerLimit 1
    ThreadsPerChild 16
    ThreadLimit 16
    MaxRequestWorkers 16
    AsyncRequestWorkerFactor 64
"""


def check_stream(httpd, headers=(), **more):
    """Every update arrives when it is published, and the stream is not compressed."""
    with httpd.subscribe([("match", TOPIC)], headers, **more) as stream:
        assert stream.response.header("Content-Encoding") is None
        for i in range(3):
            update = httpd.publish(TOPIC, f"update {i}", **more).text
            event = stream.next()
            assert (event.id, event.data) == (update, f"update {i}")


FILTERS = [
    ("deflate", ("filter", "deflate"), "SetOutputFilter DEFLATE"),
    ("deflate by type", ("filter", "deflate"), "AddOutputFilterByType DEFLATE text/event-stream text/html"),
    ("deflate by force", ("filter", "deflate", "env"), "SetOutputFilter DEFLATE\nSetEnv force-gzip 1"),
    ("brotli", ("filter", "brotli"), "SetOutputFilter BROTLI_COMPRESS"),
    ("brotli by type", ("filter", "brotli"), "AddOutputFilterByType BROTLI_COMPRESS text/event-stream"),
    ("buffer", ("buffer",), "SetOutputFilter BUFFER"),
    ("ratelimit", ("ratelimit", "env"), "SetOutputFilter RATE_LIMIT\nSetEnv rate-limit 1"),
    ("substitute", ("substitute", "filter"), 'SetOutputFilter SUBSTITUTE\nSubstitute "s/update/changed/"'),
    ("proxy html", ("xml2enc", "proxy_html"), "ProxyHTMLEnable On"),
    ("proxy html by name", ("xml2enc", "proxy_html"), "ProxyHTMLEnable On\nSetOutputFilter xml2enc;proxy-html"),
    ("sed", ("sed",), 'SetOutputFilter Sed\nOutputSed "s/update/changed/"'),
    ("charset", ("charset_lite",), "CharsetSourceEnc UTF-16\nCharsetDefault UTF-8\nCharsetOptions TranslateAllMimeTypes"),
    ("includes", ("include",), "SetOutputFilter INCLUDES\nOptions +Includes"),
    ("data", ("data",), "SetOutputFilter DATA"),
    ("program", ("ext_filter",), "SetOutputFilter chosen"),
    ("program behind the framing", ("ext_filter",), "SetOutputFilter late"),
    ("program by type", ("ext_filter", "filter"), "AddOutputFilterByType chosen text/event-stream"),
    ("provider", ("filter", "substitute"), 'Substitute "s/update/changed/"\nFilterDeclare mine\n'
     "FilterProvider mine SUBSTITUTE \"%{CONTENT_TYPE} =~ m#^text/#\"\nFilterChain mine"),
    ("several", ("filter", "deflate", "brotli", "buffer"),
     "SetOutputFilter BUFFER;DEFLATE\nAddOutputFilterByType BROTLI_COMPRESS text/event-stream"),
]


@pytest.mark.parametrize("name, modules, config", FILTERS, ids=[row[0].replace(" ", "-") for row in FILTERS])
@event_only
def test_output_filters_do_not_hold_back_a_stream(httpd, name, modules, config):
    httpd.load(*modules)
    programs = "".join(f'ExtFilterDefine {name} mode=output {more} cmd="/usr/bin/tr u U"\n'
                       for name, more in (("chosen", ""), ("late", "ftype=40"))) if "ext_filter" in modules else ""
    httpd.start(f'{programs}<Location "/">\n{config}\n</Location>\n' + hub() + hub(path="/second", name="second"))
    check_stream(httpd, {"Accept-Encoding": "gzip, br"})
    check_stream(httpd, {"Accept-Encoding": "gzip, br"})
    notices = [line for line in httpd.log().splitlines() if "MRC0713" in line]
    assert len(notices) == 1 and "[mercure:notice]" in notices[0], notices


@event_only
def test_answers_and_bodies_keep_their_encoding(httpd):
    """mod_charset_lite would translate the id that a publisher gets, and the body that it sends."""
    httpd.load("charset_lite", "sed")
    httpd.start('<Location "/">\nCharsetSourceEnc ISO-8859-1\nCharsetDefault UTF-8\nSetOutputFilter Sed\n'
                'OutputSed "s/e/E/"\n</Location>\n' + hub("MercureSubscriptions On"))
    body = f"topic={TOPIC}&id=\u00e9t\u00e9&data=\u20ac".encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Authorization": f"Bearer {token.publisher()}"}
    answer = httpd.request("POST", PATH, headers, body)
    assert (answer.status, answer.body.decode()) == (200, "\u00e9t\u00e9")
    with httpd.subscribe([("match", TOPIC), ("last_event_id", "earliest")]) as stream:
        event = stream.next()
        assert (event.id, event.data) == ("\u00e9t\u00e9", "\u20ac")
    assert httpd.get(f"{PATH}/subscriptions").json["title"] == "Unauthorized"


@pytest.mark.mpm("worker", "prefork")
def test_output_filters_do_not_hold_back_a_stream_with_a_thread(httpd):
    test_output_filters_do_not_hold_back_a_stream(httpd, *FILTERS[-1])


@pytest.mark.mpm("worker")
def test_debians_default_modules_do_not_make_a_stream_hold_a_thread(httpd):
    """These modules add filters to each connection, which a detached stream leaves behind."""
    httpd.load("access_compat", "auth_basic", "authn_file", "authz_host", "authz_user", "autoindex", "deflate", "env",
               "filter", "logio", "negotiation", "reqtimeout", "setenvif", "status")
    httpd.start("RequestReadTimeout header=20-40,MinRate=500 body=10,MinRate=500\nLogIOTrackTTFB On\n"
                "AddOutputFilterByType DEFLATE text/html text/plain\n" + hub() + STATUS)
    with httpd.subscribe([("match", TOPIC)]) as stream:
        wait_until(lambda: (number(httpd, "MercureSubscribers"), number(httpd, "MercureThreads")) == (1, 0),
                   what="a stream that holds no thread")
        update = httpd.publish(TOPIC, "x").text
        assert stream.next().id == update


FEW_WORKERS = ONE_CHILD.replace(" 16", " 4")


def burst(port, first):
    """Opens 100 connections at once, each of which sends FIRST; each gets an answer."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection(("127.0.0.1", port), DEADLINE)) for _ in range(100)]
        for client in clients:
            client.sendall(first)
        for client in clients:
            assert client.recv(1)


@event_only
def test_child_accepts_connections_after_all_workers_were_busy(httpd):
    """Before httpd 2.4.53, an idle worker does not wake the listener thread, and neither do suspended streams."""
    httpd.sizing = FEW_WORKERS
    httpd.load("filter", "deflate")
    httpd.start("Timeout 600\nSetOutputFilter DEFLATE\n" + hub())
    burst(httpd.port, f"GET {PATH}?match=x HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())


@event_only
def test_unknown_filter_makes_a_stream_hold_a_thread(httpd):
    """An unknown filter may block, and the dispatcher must not."""
    httpd.load("status", "filter")
    httpd.start("FilterDeclare unknown\nFilterChain unknown\n" + hub() + STATUS)
    with httpd.subscribe([("match", TOPIC)]) as stream:
        wait_until(lambda: number(httpd, "MercureThreads") == 1, what="the stream's thread")
        httpd.publish(TOPIC, "red")
        assert stream.next().data == "red"


def test_stream_works_with_many_modules_at_once(httpd):
    httpd.load("filter", "deflate", "brotli", "headers", "reqtimeout", "logio", "expires", "env", "setenvif",
               "unique_id", "log_forensic", "status")
    port = httpd.add_port()
    httpd.start(httpd.vhost(
        "RequestReadTimeout header=1-2,MinRate=500 body=1,MinRate=500",
        "Header always set X-Test yes", "ExpiresActive On", 'ExpiresDefault "access plus 1 day"',
        "ForensicLog logs/forensic.log", "SetOutputFilter DEFLATE",
        hub(), port=port, tls=True) + REASON_LOG)
    with in_time(lambda: httpd.subscribe([("match", TOPIC)], port=port, tls=True)) as stream:
        assert stream.response.header("X-Test") == "yes"
        time.sleep(2.5)  # longer than each limit of RequestReadTimeout
        update = in_time(lambda: httpd.publish(TOPIC, "x", port=port, tls=True)).text
        assert stream.next().id == update
    wait_reason(httpd, "client")

    def forensic(mark):
        return sum(line.startswith(mark) for line in httpd.lines("logs/forensic.log"))

    # The forensic log has a line for the beginning and one for the end of each request.
    wait_until(lambda: forensic("-") == forensic("+") >= 2, what="the ends of both requests in the forensic log")


HANGING_LOG = """#!/bin/sh
unset LD_PRELOAD # a sanitizer of the server
while [ ! -e "$1" ]; do sleep 0.1; done
exec cat >>"$2"
"""


@event_only
@pytest.mark.usefixtures("each_carrier")
def test_hanging_log_does_not_delay_deliveries(httpd):
    """Nothing reads the log's pipe: ended streams wait for it, deliveries do not, and no line is lost."""
    program, go, out = (httpd.path(f"logs/{name}") for name in ("hang.sh", "go", "lines"))
    with open(program, "w", encoding="utf-8") as file:
        file.write(HANGING_LOG)
    os.chmod(program, 0o755)
    httpd.load("setenvif", "status")
    httpd.start(hub() + STATUS + 'SetEnvIf Request_Method "^GET$" stream\nSetEnvIf Request_URI "^/server-status" !stream\n'
                f'LogFormat "%U {"x" * 4000} %{{mercure-reason}}n" long\n'
                f'CustomLog "|{program} {go} {out}" long env=stream\n')
    with httpd.subscribe([("match", TOPIC)]) as stream:
        # Their log lines together are far larger than a pipe's buffer.
        others = [httpd.subscribe([("match", "other")]) for _ in range(60)]
        httpd.publish("other", "x")
        for other in others:
            other.next()
            other.close()
        wait_until(lambda: number(httpd, "MercureSubscribers") == 1, what="the end of the other streams")
        # By now the writer of the log lines is blocked.
        wait_until(lambda: httpd.log().count("stream ended: client") >= 15, what="lines that fill the pipe")
        for i in range(20):
            update = httpd.publish(TOPIC, f"update {i}").text
            assert stream.next().id == update
        open(go, "x", encoding="utf-8").close()

    def lines():
        return [line for line in httpd.lines("logs/lines") if line.startswith(PATH + " x") and line.endswith("x client")]

    wait_until(lambda: len(lines()) == 61, what="a line for each stream")


@pytest.mark.usefixtures("each_carrier")
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_access_log_has_bytes_and_duration_of_a_stream(httpd, tls):
    httpd.load("logio")
    port = httpd.add_port()
    protocol = "%{SSL_PROTOCOL}x" if tls else "none"
    httpd.start(f'LogFormat "%m %I %O %B %D %^FB %>s %X %{{mercure-reason}}n {protocol}" bytes\n'
                'CustomLog logs/bytes.log bytes\n' +
                httpd.vhost(hub("MercureConnectionLifetime 3", "LogIOTrackTTFB On"), port=port, tls=tls))
    for _ in range(10):
        httpd.publish(TOPIC, "x" * 1000, port=port, tls=tls)
    begin = time.monotonic()
    with httpd.subscribe([("match", TOPIC), ("last_event_id", "earliest")], port=port, tls=tls) as stream:
        for _ in range(10):  # as many of these as there is time for
            httpd.publish(TOPIC, "x" * 1000, port=port, tls=tls)
        assert stream.wait_end()
        came = len(stream.parser.events)
    assert came >= 10

    def line():
        return next((entry.split() for entry in httpd.lines("logs/bytes.log") if entry.startswith("GET")), None)

    method, taken, sent, body, duration, first_byte, status, connection, reason, protocol = wait_until(
        line, what="the log's line")
    lasted = time.monotonic() - begin
    assert (method, status, connection, reason) == ("GET", "200", "-", "lifetime")
    assert protocol == ("TLSv1.3" if tls else "none")
    assert 100 < int(taken) < 5000
    assert came * 1000 < int(body) < came * 1100
    assert int(body) < int(sent) < int(body) + 10000
    assert 1.0 < int(duration) / 1e6 <= lasted + 0.5
    assert 0 < int(first_byte) < int(duration)


def strict_tls(sock):
    """TLS over SOCK, for which an end without close_notify is an error."""
    return strict_context().wrap_socket(sock, suppress_ragged_eofs=False)


@event_only
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("kept", [False, True], ids=["record", "kept"])
def test_stream_without_chunks_ends_with_its_connection(httpd, tls, kept):
    """A client of HTTP/1.0 sees a clean end and no truncation, whether its request has stayed in httpd or not."""
    port = httpd.add_port()
    logged = "".join(f" %{{X-{i}}}i" for i in range(10))
    httpd.start(f'CustomLog logs/ends.log "%{{mercure-reason}}n %X{logged}"\n' +
                httpd.vhost(hub("MercureConnectionLifetime 1", "MercureDetach Off"), port=port, tls=tls))
    # A record would be too large for all of these fields together.
    fields = "".join(f"X-{i}: {'x' * (7000 if kept else 1)}\r\n" for i in range(10))
    with socket.create_connection(("127.0.0.1", port), DEADLINE) as plain, strict_tls(plain) if tls else plain as sock:
        sock.sendall(f"GET {PATH}?match={TOPIC} HTTP/1.0\r\nHost: localhost\r\n{fields}\r\n".encode())
        came = b"".join(iter(lambda: sock.recv(65536), b""))
    head, _, body = came.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ") and b"Transfer-Encoding" not in head and body == b":\n"
    (line,) = wait_until(lambda: httpd.lines("logs/ends.log"), what="the log's line")
    assert line.startswith("lifetime - ")


# Every format of mod_log_config and mod_logio, except times, the client's port and the process id.
FORMAT = ('"%a %{c}a %A %B %b %{Sent}C %{UNIQUE}e %f %h %H %{Referer}i %{User-Agent}i %{nothing}i %I %k %l %m '
          '%{mercure-reason}n %O %{X-Sent}o %{Content-Type}o %p %{canonical}p %q \\"%r\\" %R %s %>s %S %u %U %v %V %X '
          '%!200{X-Other}i %200{X-Other}i"')


def test_detached_stream_is_logged_like_other_requests(httpd):
    """Compares a detached stream, one whose request may end before the stream, and one that holds a thread."""
    httpd.load("logio", "headers", "env", "setenvif", "auth_basic", "authn_file", "authz_user", "log_forensic",
               "filter")
    httpd.write("conf/users", "me:{SHA}" + base64.b64encode(hashlib.sha1(b"secret").digest()).decode() + "\n")
    access = f'AuthType Basic\nAuthName x\nAuthUserFile "{httpd.path("conf/users")}"\nRequire valid-user'
    httpd.start(
        f"LogFormat {FORMAT} all\n"
        'CustomLog logs/all.log all env=!quiet\nCustomLog logs/quiet.log "%m" env=quiet\n'
        "CustomLog logs/expr.log \"%m %{X-Odd}i\" \"expr=%{HTTP:X-Odd} == 'yes' && %{HTTP:X-Even} == 'no'\"\n"
        "CustomLog logs/root.log \"%m\" \"expr=%{DOCUMENT_ROOT} != '' && %{CONTEXT_PREFIX} == ''\"\n"
        "ForensicLog logs/forensic.log\n"
        "SetEnvIf X-Quiet . quiet\nSetEnvIf User-Agent (.*) UNIQUE=of-$1\nHeader always set X-Sent sent\n"
        + "".join(hub(access, "MercureConnectionLifetime 1", *more, path=path)
                  for path, more in (("/one", []), ("/two", ["MercureDetach Off"]),
                                     ("/six", ["FilterDeclare unknown", "FilterChain unknown"]))))
    headers = [("Authorization", "Basic " + base64.b64encode(b"me:secret").decode()), ("Referer", 'https://a/"b'),
               ("User-Agent", "Test/1"), ("Cookie", "Other=2; Sent=1"), ("X-Other", "o"), ("X-Odd", "yes"),
               ("X-Even", "no")]

    def lines(name):
        return httpd.lines(f"logs/{name}.log")

    def forensic(mark):
        return sorted(line[1:].split("|")[0] for line in lines("forensic") if line[0] == mark)

    for path in ("/one", "/two", "/six"):
        for more in ([], [("X-Quiet", "1")]):
            with httpd.subscribe([("match", TOPIC)], headers + more, path=path) as stream:
                assert stream.wait_end()
    wait_until(lambda: len(lines("all")) == 3 and len(lines("quiet")) == 3 and len(lines("expr")) == 6
               and len(lines("root")) == 6,
               what="the lines of six streams")
    detached, = [line for line in lines("all") if "/one" in line]
    for path in ("/two", "/six"):
        kept, = [line for line in lines("all") if path in line]
        assert detached.replace("/one", path) == kept
    for part in ("Test/1", "of-Test/1", 'https://a/\\"b', " me ", " sent ", "lifetime", " 1 "):
        assert part in detached, (part, detached)
    assert lines("quiet") == ["GET"] * 3 and lines("expr") == ["GET yes"] * 6
    wait_until(lambda: len(forensic("+")) == 6 and forensic("+") == forensic("-"),
               what="the ends of all requests in the forensic log")


@pytest.mark.mpm("prefork")
def test_buffered_log_is_written_by_the_only_thread_under_prefork(httpd):
    """Under prefork, mod_log_config does not lock its buffer, so no other thread may write to it."""
    httpd.load("status")
    httpd.start("BufferedLogs On\nCustomLog logs/buffered.log %m\n" + hub() + STATUS)
    with httpd.subscribe([("match", TOPIC)]) as stream:
        wait_until(lambda: number(httpd, "MercureThreads") == 1, what="the stream's thread")
        httpd.publish(TOPIC, "x")
        assert stream.next().data == "x"


@event_only
def test_detached_stream_with_too_large_a_log_record_is_ended(httpd):
    """
    The log record of a detached stream has a maximum size. A stream with a larger one is cut, and the
    log says so. A stream that stays in httpd keeps its request, so it needs no record.
    """
    names = [f"X-{i}" for i in range(10)]
    logged = "".join(f" %{{{name}}}i" for name in names)
    httpd.start(f'CustomLog logs/reasons.log "%{{mercure-reason}}n %>s %X %m %U{logged}"\n' + hub() +
                hub("MercureDetach Off", path="/kept"))
    for size, path, fits in ((6000, PATH, True), (7000, PATH, False), (6000, "/kept", True), (7000, "/kept", True)):
        with httpd.subscribe([("match", TOPIC)], [(name, name[-1] * size) for name in names], path=path) as stream:
            if fits:
                publisher = token.publisher(aud=f"https://hub.example{path}")
                update = httpd.publish(TOPIC, "x", path=path, token=publisher).text
                assert stream.next().id == update
            else:
                stream.wait_end()
            assert stream.ended != fits

    def lines():
        return sorted((line.split()[0], line.split()[4], len(line) // 10000)
                      for line in httpd.lines("logs/reasons.log") if " GET " in line)

    wait_until(lambda: len(lines()) == 4, what="the lines of four streams")
    assert lines() == [("client", PATH, 6), ("client", "/kept", 6), ("client", "/kept", 7), ("error", PATH, 7)]


@event_only
def test_unknown_log_module_gets_the_request_itself(httpd):
    """mod_log_debug reads the configuration of the request, which a log record does not hold."""
    httpd.load("log_debug")
    httpd.expect_log(r"log_debug:info.*the end of /")
    httpd.start("LogLevel log_debug:info\n" + hub("MercureDetach Off", 'LogMessage "the end of %{REQUEST_URI}" hook=log_transaction '
                    '"expr=%{REQUEST_METHOD} == \'GET\'"'))
    with httpd.subscribe([("match", TOPIC)]) as stream:
        httpd.publish(TOPIC, "x")
        assert stream.next().data == "x"
        assert "the end of" not in httpd.log()
    httpd.wait_log(r"the end of " + PATH)


def memory_kb(pids):
    """The private memory of the processes, in KB."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            total += next(int(line.split()[1]) for line in file if line.startswith("Pss_Anon"))
    return total


# KB for a stream with the suspended carrier; keeping its request would add 12.
COSTS = [("plain", {}, "MercureDetach Off", 16), ("tls", {"tls": True}, "MercureDetach Off", 45)]
no_sanitizer = pytest.mark.skipif(HAS_SANITIZER, reason="a sanitizer's memory is its own")


def check_cost(httpd, listen, count, most_kb):
    """Each call of listen() opens a stream. After 40 to warm up, COUNT more must take less than MOST_KB each."""
    for _ in range(40):
        listen()
    children = httpd.children()
    before = memory_kb(children)
    for _ in range(count):
        listen()
    assert (memory_kb(children) - before) / count < most_kb


@pytest.mark.parametrize("more, directive, most_kb", [row[1:] for row in COSTS], ids=[row[0] for row in COSTS])
@event_only
@no_sanitizer
def test_memory_of_a_stream_in_httpd_is_bounded(httpd, more, directive, most_kb):
    port = httpd.add_port()
    httpd.start(httpd.vhost(hub(directive, "MercureHeartbeat 0"), port=port, **more))
    with contextlib.ExitStack() as stack:

        def listen():
            stream = stack.enter_context(httpd.subscribe([("match", TOPIC)], port=port, **more))
            httpd.publish(TOPIC, "x", port=port, **more)
            assert stream.next().data == "x"

        check_cost(httpd, listen, 150, most_kb)


@event_only
@no_sanitizer
def test_large_requests_do_not_stay_in_memory_with_a_stream(httpd):
    """Neither the stream's own request nor an earlier one on its connection; httpd would keep a megabyte."""
    httpd.env["MALLOC_ARENA_MAX"] = "1"  # the C library would keep a megabyte in the arena of each thread
    httpd.sizing = ONE_CHILD
    httpd.start(hub("MercureDetach Off", "MercureHeartbeat 0"))
    large = [(f"X-{i}", "y" * 8000) for i in range(90)]
    with contextlib.ExitStack() as stack:

        def listen():
            for first, second in ((None, large), (large, [])):
                conn = stack.enter_context(httpd.connect())
                if first:
                    conn.request("GET", "/none", first)
                conn.send_request("GET", f"{PATH}?match={TOPIC}", second)
                assert conn.read_head().status == 200
                httpd.publish(TOPIC, "x")
                conn.read_until(b"data: x")  # the request is freed between the head and the first update

        check_cost(httpd, listen, 40, 2 * 20)


MODSECURITY = "/usr/lib/apache2/modules/mod_security2.so"
RECOMMENDED = "/etc/modsecurity/modsecurity.conf-recommended"


@pytest.mark.mpm("event", "prefork")
def test_stream_works_with_mod_security(httpd):
    """Debian's module, with its recommended rules switched on."""
    with open(RECOMMENDED, encoding="utf-8") as file:
        rules = file.read()
    rules = re.sub(r"(?m)^SecRuleEngine .*", "SecRuleEngine On", rules)
    rules = re.sub(r"(?m)^SecAuditLog .*", f'SecAuditLog {httpd.path("logs/audit.log")}', rules)
    rules = re.sub(r"(?m)^(SecUnicodeMapFile) unicode.mapping", r"\1 /etc/modsecurity/unicode.mapping", rules)
    rules = re.sub(r"(?m)^(SecTmpDir|SecDataDir) .*", rf'\1 {httpd.path("run")}', rules)
    httpd.write("conf/rules.conf", rules)
    httpd.load("unique_id", "status")
    httpd.expect_log(r"ModSecurity: ", required=False)
    httpd.expect_log(r":notice\].*ModSecurity for Apache")
    httpd.start(f'LoadModule security2_module "{MODSECURITY}"\nInclude conf/rules.conf\n' + hub() + REASON_LOG)
    check_stream(httpd)
    wait_reason(httpd, "client")
    # The rules are on, and this body violates them.
    assert httpd.request("POST", PATH, {"Content-Type": "application/json"}, "{no json").status in (400, 415)


def test_expect_100_continue_works_beside_a_stream(httpd):
    httpd.start(hub())
    body = f"topic={TOPIC}&data=x".encode()
    with httpd.subscribe([("match", TOPIC)]) as stream, httpd.connect() as conn:
        conn.send_request("POST", PATH, {
            "Authorization": f"Bearer {token.publisher()}", "Expect": "100-continue",
            "Content-Type": "application/x-www-form-urlencoded", "Content-Length": str(len(body))})
        assert conn.read_head().status == 100
        conn.send(body)
        assert stream.next().id == conn.read_response().text


@event_only
def test_head_takes_no_subscribers_place(httpd):
    httpd.load("status")
    httpd.start(hub("MercureMaxSubscribers 1") + STATUS)
    for _ in range(3):
        assert httpd.request("HEAD", f"{PATH}?match={TOPIC}").status == 200
    assert number(httpd, "MercureSubscribers") == 0
    httpd.subscribe([("match", TOPIC)]).close()
