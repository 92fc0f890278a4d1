"""The promises of the frame itself: what it must notice, and what its clients must show."""
import datetime
import os
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest

from env import token
from env.http import Connection, ProtocolError
from env.sse import EventSource, Parser
from env.httpd import StartError
from env.wait import wait_until
from env.watch import owner

pytestmark = pytest.mark.mpm("event")

ERROR_LINE = "[Sun Nov 22 05:00:00.000000 2026] [mercure:{}] [pid 1:tid 1] something happened\n"


def append_log(server, line):
    with open(server.error_log, "a", encoding="utf-8") as log:
        log.write(line)


def assert_fails(server, reason):
    """Ending the server must report REASON; after that, the test itself is clean."""
    with pytest.raises(AssertionError, match=reason):
        server.close()
    shutil.rmtree(server.root)


# ---- the proof at the end ------------------------------------------------------------------------


@pytest.mark.parametrize("level", ["warn", "error", "crit", "alert", "emerg"])
def test_an_unexpected_line_fails(httpd, level):
    httpd.start()
    append_log(httpd, ERROR_LINE.format(level))
    assert_fails(httpd, f"unexpected in the error log: .*mercure:{level}")


def test_lower_levels_pass(httpd):
    httpd.start()
    for level in ("notice", "info", "debug", "trace1"):
        append_log(httpd, ERROR_LINE.format(level))
    assert httpd.log_problems() == []


def test_a_line_in_no_format_fails(httpd):
    httpd.start()
    append_log(httpd, "free(): invalid pointer\n")
    assert_fails(httpd, "invalid pointer")


def test_an_expected_line_passes(httpd):
    httpd.expect_log(r"mercure:error.*something happened")
    httpd.start()
    append_log(httpd, ERROR_LINE.format("error"))


def test_an_expected_line_that_does_not_come_fails(httpd):
    httpd.expect_log("something that never happens")
    httpd.start()
    assert_fails(httpd, "did not come: something that never happens")


def test_a_closed_pollset_is_httpds_own_only_at_a_hard_stop(httpd):
    httpd.start()
    line = ("[{:%a %b %d %H:%M:%S.%f %Y}] [mpm_event:error] [pid 1:tid 1] (9)Bad file descriptor: "
            "AH03092: process_lingering_close: apr_pollset_add failure\n")
    httpd.stop()
    append_log(httpd, line.format(datetime.datetime.now()))
    assert httpd.log_problems() == []
    append_log(httpd, line.format(datetime.datetime.now() - datetime.timedelta(seconds=30)))
    assert_fails(httpd, "AH03092")


def test_what_httpd_says_where_the_processor_is_crowded_passes(httpd):
    httpd.start()
    line = "[{:%a %b %d %H:%M:%S.%f %Y}] [{}] [pid 1:tid 1] {}\n"
    full = "AH03490: scoreboard is full, not at MaxRequestWorkers.Increase ServerLimit."

    def log(module, text, ago=0):
        append_log(httpd, line.format(datetime.datetime.now() - datetime.timedelta(seconds=ago), module, text))

    log("core:warn", "AH00045: child process 7 still did not exit, sending a SIGTERM")
    assert httpd.log_problems() == []
    httpd.graceful()
    log("mpm_event:error", full)
    assert httpd.log_problems() == []
    log("mpm_event:error", full, 3600)  # before the reload
    assert len(httpd.log_problems()) == 1
    log("core:error", "AH00046: child process 7 still did not exit, sending a SIGKILL")
    assert_fails(httpd, "AH00046")


def test_the_log_has_the_time_of_the_tests(httpd_in_kolkata):
    """The time of a line is that of a moment in the test, whatever the time zone."""
    httpd_in_kolkata.start()
    line = next(line for line in httpd_in_kolkata.lines(httpd_in_kolkata.error_log) if "resuming" in line)
    assert httpd_in_kolkata._is_soon(line, [time.time() - 600], 600.1)


@pytest.fixture
def httpd_in_kolkata(monkeypatch, new_httpd):
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    yield new_httpd()
    monkeypatch.undo()
    time.tzset()


MACHINE_LINES = (
    ("ssl", "AH01882: Init: this version of mod_ssl was compiled against a newer library (OpenSSL 3.0.22 25 Aug 2026 "
            "(OpenSSL 3.0.19 27 Jan 2026), version currently loaded is 0x300000130) - may result in undefined or "
            "erroneous behavior"),
    ("security2", "ModSecurity: Loaded APR do not match with compiled!"),
    ("security2", "ModSecurity: Loaded PCRE do not match with compiled!"),
    ("", "ModSecurity: Loaded PCRE do not match with compiled!"),
    ("core", "(92)Protocol not available: AH00076: Failed to enable APR_TCP_DEFER_ACCEPT"),
)


def test_warnings_about_the_machine_pass(httpd):
    httpd.start()
    for module, text in MACHINE_LINES:
        append_log(httpd, f"[Sun Nov 22 05:00:00.000000 2026] [{module}:warn] [pid 1:tid 1] {text}\n")
    assert httpd.log_problems() == []


@pytest.mark.parametrize("line", [
    "[ssl:warn] [pid 1:tid 1] AH01909: localhost:443:0 server certificate does NOT include an ID",
    "[ssl:emerg] [pid 1:tid 1] AH01882: Init: this version of mod_ssl was compiled against a newer library (x)",
    "[security2:warn] [pid 1:tid 1] ModSecurity: Request body no files data length is larger than the limit",
    "[mercure:error] [pid 1:tid 1] [ssl:warn] AH00076: Failed to enable APR_TCP_DEFER_ACCEPT",
    "[core:warn] [pid 1:tid 1] AH00075: Failed to enable the 'httpready' Accept Filter",
    "[mercure:warn] [pid 1:tid 1] AH00076: Failed to enable APR_TCP_DEFER_ACCEPT",
])
def test_other_warnings_of_the_same_modules_fail(httpd, line):
    httpd.start()
    append_log(httpd, f"[Sun Nov 22 05:00:00.000000 2026] {line}\n")
    assert_fails(httpd, "unexpected in the error log")


def test_after_a_reload_no_old_child_listens(httpd):
    """Clients that connect then are served as the new configuration says."""
    httpd.start()
    old = httpd.children()
    assert all(httpd._listens(pid) for pid in old)
    with httpd.connect() as conn:
        conn.send("GET / HTTP/1.1\r\n")  # which holds up its child
        holder = owner(httpd, conn)
        httpd.graceful()
        assert holder in old and not any(httpd._listens(pid) for pid in old)
        assert any(httpd._listens(pid) for pid in httpd.children())


def test_a_crashed_child_fails(httpd):
    httpd.start()
    os.kill(httpd.children()[0], signal.SIGSEGV)
    httpd.wait_log("AH0005[12]: child pid")
    assert_fails(httpd, "exit signal Segmentation fault")


def test_a_crash_of_the_parent_at_its_end_fails(httpd):
    httpd.start()
    for pid in httpd.children():
        httpd.expect_log(f"AH00052: child pid {pid}", required=False)
    os.kill(httpd.pid, signal.SIGSEGV)
    httpd.proc.wait()
    assert "signal 11" in httpd.crashes()[-1]
    assert_fails(httpd, "httpd ended with status -11")


def test_a_file_left_in_the_runtime_directory_fails(httpd):
    httpd.start()
    httpd.write("run/mercure-left", "")
    assert_fails(httpd, "left in the runtime directory.*mercure-left")


def test_a_process_left_fails(httpd):
    httpd.left_deadline = 0.5
    httpd.start()
    stray = subprocess.Popen(["sleep", "600"], start_new_session=True)
    httpd.sessions.append(stray.pid)
    try:
        assert_fails(httpd, "the end of all processes")
    finally:
        stray.wait()


def test_a_server_that_dies_is_no_pass(httpd):
    with pytest.raises(StartError, match="NoSuchDirective"):
        httpd.start("NoSuchDirective On\n")
    httpd.abort(keep=False)


def test_start_fails_tells_why(httpd):
    assert "NoSuchDirective" in httpd.start_fails("NoSuchDirective On\n")
    httpd.start("")


def test_expectations_reach_pytest(pytestconfig, tmp_path):
    """A test that leaves an error line behind counts as failed for pytest."""
    live = os.path.dirname(os.path.abspath(__file__))
    (tmp_path / "test_inner.py").write_text(
        "import pytest\n"
        "@pytest.mark.mpm('event')\n"
        "def test_inner(httpd):\n"
        "    httpd.start()\n"
        "    with open(httpd.error_log, 'a') as log:\n"
        f"        log.write({ERROR_LINE.format('error')!r})\n"
    )
    for name in ("conftest.py", "pytest.ini", "env"):
        (tmp_path / name).symlink_to(os.path.join(live, name))
    done = subprocess.run(
        ["/usr/bin/python3", "-m", "pytest", "-q", "--mpm=event", str(tmp_path)],
        cwd=tmp_path, env={**os.environ, "MERCURE_LIVE_DIR": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
    assert done.returncode == 1 and "1 failed" in done.stdout, done.stdout
    assert "unexpected in the error log" in done.stdout


# ---- the clients ---------------------------------------------------------------------------------


def serve_bytes(*pieces, hold=False):
    """A server for one connection that sends PIECES one by one; returns its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def run():
        conn, _ = listener.accept()
        with conn, listener:
            conn.recv(65536)
            for piece in pieces:
                conn.sendall(piece)
                threading.Event().wait(0.002)
            if hold:
                conn.recv(1)

    threading.Thread(target=run, daemon=True).start()
    return listener.getsockname()[1]


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunks(data, size):
    parts = [data[i:i + size] for i in range(0, len(data), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)


@pytest.mark.parametrize("size, cut", [(1, 1), (2, 3), (7, 1), (7, 10000), (10000, 1), (10000, 10000)])
def test_event_source_reads_any_cut(size, cut):
    body = chunks(b": hello\n\nretry: 1500\nid: 1\nevent: x\ndata: a\ndata:b\r\n\r\ndata: \xc3\xa9\n\n", size)
    wire = body + b"0\r\n\r\n"
    port = serve_bytes(HEAD, *[wire[i:i + cut] for i in range(0, len(wire), cut)])
    with EventSource(port, "/") as stream:
        first, second = stream.take(2)
        assert (first.id, first.event, first.data) == ("1", "x", "a\nb")
        assert (second.id, second.event, second.data, second.last_event_id) == (None, "message", "é", "1")
        assert stream.wait_end()
        assert stream.parser.retry == 1500 and stream.parser.comments == ["hello"]


def test_event_source_sees_a_dirty_end():
    port = serve_bytes(HEAD + chunks(b"data: a\n\n", 100))
    with EventSource(port, "/") as stream:
        assert stream.next().data == "a"
        assert not stream.wait_end()


def test_event_source_waits_no_longer_than_told():
    port = serve_bytes(HEAD, hold=True)
    with EventSource(port, "/") as stream:
        stream.expect_nothing(0.1)
        with pytest.raises(AssertionError, match="not within 0.1 s"):
            stream.next(0.1)


def test_parser_follows_the_standard():
    parser = Parser()
    parser.feed(b"\xef\xbb\xbfdata\n\ndata\ndata\n\nid: 5\n\nid: bad\0\ndata:x\r\rid\ndata:  y\nnoise: z\n\n")
    parser.feed(b"retry: 1x\ndata: unfinished\n")
    got = [(e.data, e.id, e.last_event_id) for e in parser.events]
    assert got == [("", None, ""), ("\n", None, ""), ("x", None, "5"), (" y", "", "")]
    assert parser.retry is None


def test_requests_go_out_as_written(httpd):
    httpd.write("htdocs/a.txt", "abc")
    httpd.start()
    with httpd.connect() as conn:
        assert conn.request("GET", "/a.txt").text == "abc"
        assert conn.request("HEAD", "/a.txt").header("Content-Length") == "3"
        assert conn.request("GET", "/x%2Fy").status == 404
        conn.send("NONSENSE\r\n\r\n")
        assert conn.read_response().status == 400
        conn.wait_closed()
    wait_until(lambda: any(r'"GET /x%2Fy HTTP/1.1" 404' in line for line in httpd.lines("logs/access.log")),
               what="the request's line in the access log")


def test_tls_and_virtual_hosts(httpd):
    port = httpd.add_port()
    httpd.write("htdocs/index.html", "secret")
    httpd.load("headers")
    httpd.start(httpd.vhost("Header always set X-Vhost tls", port=port, tls=True))
    response = httpd.get("/", port=port, tls=True)
    assert response.text == "secret" and response.header("x-vhost") == "tls"


def test_responses_must_be_http():
    port = serve_bytes(b"hello\r\n\r\n")
    with Connection(port) as conn:
        with pytest.raises(ProtocolError):
            conn.request("GET", "/")


# ---- tokens --------------------------------------------------------------------------------------


@pytest.mark.parametrize("alg, kind", [("RS256", "rsa2048"), ("PS384", "rsa2048"), ("ES256", "p256"),
                                       ("ES512", "p521"), ("EdDSA", "ed25519")])
def test_tokens_are_signed_by_their_key(alg, kind, tmp_path):
    private, public = token.make_key(kind)
    text = token.mint(private, publish=["*"], alg=alg)
    signing_input, _, signature = text.rpartition(".")
    raw = token.base64.urlsafe_b64decode(signature + "==")
    assert len(raw) == {"rsa2048": 256, "p256": 64, "p521": 132, "ed25519": 64}[kind]
    if alg in ("RS256", "EdDSA"):
        (tmp_path / "sig").write_bytes(raw)
        (tmp_path / "pub").write_text(public)
        (tmp_path / "in").write_text(signing_input)
        command = (["openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", "pub", "-in", "in",
                    "-sigfile", "sig"] if alg == "EdDSA" else
                   ["openssl", "dgst", "-sha256", "-verify", "pub", "-signature", "sig", "in"])
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)


def test_claims_can_be_bent():
    text = token.mint("k" * 32, publish=["a", ("urlpattern", "/b/*")], header={"typ": token.REMOVE},
                      exp=token.REMOVE, extra=1)
    head, payload = (token.json.loads(token.base64.urlsafe_b64decode(part + "=="))
                     for part in text.split(".")[:2])
    assert head == {"alg": "HS256"}
    assert "exp" not in payload and payload["extra"] == 1
    assert payload["authorization_details"] == [
        {"type": token.DETAIL, "actions": ["publish"],
         "topics": [{"match": "a"}, {"match": "/b/*", "match_type": "urlpattern"}]}]
