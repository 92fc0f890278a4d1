"""Streams over TLS that leave httpd: what mod_ssl negotiated stays in force, and nothing of a connection is left
behind."""
import http.server
import os
import re
import socket
import ssl
import subprocess
import threading

import pytest

from env import openssl
from env.http import client_context, strict_context
from env.httpd import HAS_SANITIZER, switches
from env.hub import PATH, hub
from env.valgrind import under_valgrind
from env.wait import DEADLINE, wait_until
from env.watch import STATUS, auto, descriptors, number, owner, wait_subscribers
from test_carriers import check_cost, memory_kb
from test_stay import ONE_CHILD
from test_streams import REASON_LOG, TOPIC, wait_reason

event_only = pytest.mark.mpm("event")
no_sanitizer = pytest.mark.skipif(HAS_SANITIZER, reason="a sanitizer's memory is its own")


def start(httpd, *lines, directives=(), more=""):
    """Starts a hub at a port with TLS; returns the arguments for requests to it."""
    httpd.load("status")
    port = httpd.add_port()
    httpd.start(httpd.vhost(hub(*directives), *lines, port=port, tls=True) + STATUS + REASON_LOG + more)
    return {"port": port, "tls": True}


def carriers(httpd):
    """The number of streams of each carrier that has any."""
    found = {name.removeprefix("MercureStreams"): int(value) for name, value in auto(httpd).items()
             if name.startswith("MercureStreams") and name not in ("MercureStreams", "MercureStreamsHoldingThreads")}
    return {name: count for name, count in found.items() if count}


def wait_carriers(httpd, **wanted):
    wait_until(lambda: carriers(httpd) == wanted, what=f"streams by carrier {wanted}, which are {carriers(httpd)}")


def check_delivery(httpd, stream, more, count=3):
    for i in range(count):
        update = httpd.publish(TOPIC, f"update {i}", **more).text
        assert stream.next().id == update


def request():
    return f"GET {PATH}?match={TOPIC} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


# ---- leaving httpd -------------------------------------------------------------------------------


def test_stream_over_tls_leaves_httpd(httpd):
    """Under every MPM, no thread and no process is held, even with the modules that Debian enables."""
    httpd.load("reqtimeout", "logio", "setenvif", "deflate", "filter")
    more = start(httpd, "RequestReadTimeout header=20-40,MinRate=500 body=10,MinRate=500",
                 "AddOutputFilterByType DEFLATE text/html")
    streams = [httpd.subscribe([("match", TOPIC)], **more) for _ in range(60)]
    wait_carriers(httpd, Tls=60)
    assert number(httpd, "MercureThreads") == 0
    update = httpd.publish(TOPIC, "x", **more).text
    assert {stream.next().id for stream in streams} == {update}
    for stream in streams:
        stream.close()
    wait_subscribers(httpd, 0)
    wait_carriers(httpd)


@pytest.mark.parametrize("what, lines, modules", [
    ("off", "", ()), ("unknown filter", "DumpIOInput On\nLogLevel dumpio:trace7", ("dumpio",)),
])
@pytest.mark.mpm("event", "worker")
def test_stream_over_tls_stays_in_httpd(httpd, mpm, what, lines, modules):
    httpd.load(*modules)
    more = start(httpd, lines, directives=["MercureDetach Off"] if what == "off" else [])
    with httpd.subscribe([("match", TOPIC)], **more) as stream:
        wait_carriers(httpd, **({"Suspended": 1} if mpm == "event" else {"Threaded": 1}))
        check_delivery(httpd, stream, more)


def build_module(httpd, name, text):
    """Compiles TEXT as the module NAME; returns its path."""
    source, module = httpd.write(f"{name}.c", text), httpd.path(f"{name}.so")
    includes = [subprocess.run(["apxs", "-q", folder], check=True, capture_output=True, text=True).stdout.strip()
                for folder in ("INCLUDEDIR", "APR_INCLUDEDIR")]
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", module, source, *(f"-I{folder}" for folder in includes)], check=True)
    return module


OTHER_SSL = r"""
#include "httpd.h"
#include "http_config.h"
int SSL_write(void) { return 0; }
#undef STANDARD20_MODULE_STUFF
AP_DECLARE_MODULE(ssl) = {
    MODULE_MAGIC_NUMBER_MAJOR, MODULE_MAGIC_NUMBER_MINOR, -1, "mod_ssl.c", NULL, NULL, MODULE_MAGIC_COOKIE, NULL};
"""


@event_only
def test_start_says_why_tls_stays_in_httpd(httpd):
    """A mod_ssl with its own OpenSSL, here one that consists of a single function."""
    module = build_module(httpd, "other_ssl", OTHER_SSL)
    httpd.start(f'LoadModule ssl_module "{module}"\n' + hub())
    httpd.expect_log(r"mercure:notice.*MRC0119: streams over TLS stay in httpd's filters.* because mod_ssl uses "
                     r"\S+other_ssl\.so, and mod_mercure uses \S+libssl\.so\S+: build")
    httpd.wait_log(r"holds \d+ streams over HTTP/1.1 without TLS \(")


OTHER_TLS = r"""
#include "httpd.h"
#include "http_config.h"
#include "http_ssl.h"
static int is_ssl(conn_rec *c) { return DECLINED; }
static void register_hooks(apr_pool_t *pool) { ap_hook_ssl_conn_is_ssl(is_ssl, NULL, NULL, APR_HOOK_MIDDLE); }
AP_DECLARE_MODULE(other_tls) = {STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks, 0};
"""


@pytest.mark.parametrize("with_mod_ssl", [False, True])
@event_only
def test_start_says_that_streams_of_another_tls_module_stay_in_httpd(httpd, with_mod_ssl):
    """So do those of mod_gnutls and mod_tls, which have no hook for this module. Streams of mod_ssl leave httpd."""
    module = build_module(httpd, "other_tls", OTHER_TLS)
    port = httpd.add_port()
    with_tls = {"port": port, "tls": True} if with_mod_ssl else {}
    httpd.load("status", *(("socache_shmcb", "ssl") if with_mod_ssl else ()))
    httpd.start(f'LoadModule other_tls_module "{module}"\n' + STATUS + httpd.vhost(hub(), **with_tls))
    httpd.expect_log(r"mercure:notice.*MRC0119: streams over TLS stay in httpd's filters.* if other_tls\.c makes "
                     "their connection: use mod_ssl")
    with httpd.subscribe([("match", TOPIC)], **with_tls) as stream:
        wait_carriers(httpd, **({"Tls": 1} if with_mod_ssl else {"Detached": 1}))
        check_delivery(httpd, stream, with_tls)


def test_start_says_how_many_streams_over_tls_it_holds(httpd, mpm):
    start(httpd)
    httpd.wait_log(r"this configuration holds \d+ streams over HTTP/1\.1 \(" if mpm == "event" else
                   r"this configuration holds \d+ streams over HTTP/1\.1, and \d+ others")
    assert "MRC0119" not in httpd.log()


# ---- what was negotiated -------------------------------------------------------------------------


SUITES_12 = ("ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305",
             "ECDHE-ECDSA-AES128-SHA256")
SUITES_13 = ("TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256")


@pytest.mark.sanitize
def test_every_cipher_suite(httpd):
    httpd.load("status")
    ports, text = {}, ""
    for suite in (*SUITES_12, *SUITES_13):
        ports[suite] = httpd.add_port()
        version, of = ("-all +TLSv1.2", "") if suite in SUITES_12 else ("-all +TLSv1.3", "TLSv1.3 ")
        text += httpd.vhost(hub(), f"SSLProtocol {version}", f"SSLCipherSuite {of}{suite}", port=ports[suite], tls=True)
    httpd.start(text + STATUS)
    streams = {suite: httpd.subscribe([("match", TOPIC)], port=port, tls=True) for suite, port in ports.items()}
    wait_carriers(httpd, Tls=len(ports))
    for suite, stream in streams.items():
        assert stream.conn.sock.cipher()[0] == suite
    for size in (1, 5000, 300000):
        update = httpd.publish(TOPIC, "x" * size, port=ports[SUITES_13[0]], tls=True).text
        for stream in streams.values():
            event = stream.next()
            assert (event.id, len(event.data)) == (update, size)
    for stream in streams.values():
        stream.close()


def resume(httpd, more, context):
    """A stream, and one that resumes its session: whether it was resumed."""
    with httpd.subscribe([("match", TOPIC)], context=context, **more) as first:
        check_delivery(httpd, first, more)  # by now, a ticket of TLS 1.3 has also come
        session = first.conn.sock.session
    with httpd.subscribe([("match", TOPIC)], context=context, session=session, **more) as second:
        check_delivery(httpd, second, more)
        return second.conn.sock.session_reused


@pytest.mark.parametrize("version, tickets", [("TLSv1_3", True), ("TLSv1_2", True), ("TLSv1_2", False)])
@event_only
def test_session_of_a_stream_is_resumed(httpd, version, tickets):
    """The end of the stream removes nothing from the cache of sessions, although the client does not say goodbye."""
    more = start(httpd)
    context = client_context()
    context.maximum_version = context.minimum_version = ssl.TLSVersion[version]
    if not tickets:
        context.options |= ssl.OP_NO_TICKET
    assert resume(httpd, more, context)
    assert "MRC0119" not in httpd.log()


@pytest.mark.parametrize("version, tickets", [("TLSv1_3", True), ("TLSv1_2", True), ("TLSv1_2", False)])
def test_session_of_a_stream_is_resumed_in_another_child(httpd, version, tickets):
    more = start(httpd)
    context = client_context()
    context.maximum_version = context.minimum_version = ssl.TLSVersion[version]
    if not tickets:
        context.options |= ssl.OP_NO_TICKET
    streams = [httpd.subscribe([("match", TOPIC)], context=context, **more)]
    check_delivery(httpd, streams[0], more)  # by now, a ticket of TLS 1.3 has also come
    first, session = owner(httpd, streams[0].conn), streams[0].conn.sock.session
    streams[0].close()
    while len(streams) < 200 and (len(streams) == 1 or owner(httpd, streams[-1].conn) == first):
        streams.append(httpd.subscribe([("match", TOPIC)], context=context, session=session, **more))
        assert streams[-1].conn.sock.session_reused
    assert owner(httpd, streams[-1].conn) != first, "all streams were in the same child"
    check_delivery(httpd, streams[-1], more)
    for stream in streams:
        stream.close()


class Responder:
    """An OCSP responder for one certificate, on a port of its own."""

    def __init__(self, certificate, key, issuer, folder):
        serial = subprocess.run(["openssl", "x509", "-in", certificate, "-noout", "-serial"], check=True,
                                capture_output=True, text=True).stdout.strip().split("=")[1]
        index, request_file, answer = (os.path.join(folder, name) for name in ("index.txt", "ocsp.req", "ocsp.resp"))
        with open(index, "w", encoding="ascii") as out:
            out.write(f"V\t491231235959Z\t\t{serial}\tunknown\t/CN=localhost\n")

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                with open(request_file, "wb") as out:
                    out.write(self.rfile.read(int(self.headers["Content-Length"])))
                subprocess.run(["openssl", "ocsp", "-index", index, "-rsigner", issuer, "-rkey", key, "-CA", issuer,
                                "-reqin", request_file, "-respout", answer, "-nmin", "60"],
                               check=True, capture_output=True)
                with open(answer, "rb") as file:
                    body = file.read()
                self.send_response(200)
                self.send_header("Content-Type", "application/ocsp-response")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self._server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


def issued_certificate(httpd):
    """Gives the server a certificate of an authority: (file of the authority, its key)."""
    authority, key = httpd.path("conf/issuer.pem"), httpd.path("conf/issuer.key")
    cert, request_file = httpd.path("conf/cert.pem"), httpd.path("conf/server.csr")
    new = ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    for command in (
            [*new, "-x509", "-keyout", key, "-out", authority, "-subj", "/CN=issuer", "-days", "2"],
            [*new, "-keyout", httpd.path("conf/key.pem"), "-out", request_file, "-subj", "/CN=localhost"],
            ["openssl", "x509", "-req", "-in", request_file, "-CA", authority, "-CAkey", key, "-out", cert, "-days", "2"]):
        subprocess.run(command, check=True, capture_output=True)
    with open(cert, "a", encoding="ascii") as out, open(authority, encoding="ascii") as text:
        out.write(text.read())
    return authority, key


@event_only
def test_ocsp_response_comes_with_the_handshake_of_a_stream(httpd):
    authority, key = issued_certificate(httpd)
    responder = Responder(httpd.path("conf/cert.pem"), key, authority, httpd.path("conf"))
    more = start(httpd, "SSLUseStapling On", f"SSLStaplingForceURL http://127.0.0.1:{responder.port}/",
                 more="SSLStaplingCache shmcb:run/stapling(32768)\n")
    for version in (openssl.TLS1_2, openssl.TLS1_3):
        with openssl.Client(more["port"], version, ocsp=True) as client:
            said = subprocess.run(["openssl", "ocsp", "-respin", "-", "-noverify", "-text"], check=True,
                                  input=client.ocsp_response(), capture_output=True).stdout.decode()
            assert "OCSP Response Status: successful" in said and "Cert Status: good" in said, said
            client.write(request())
            client.read_until(b":\n")
            wait_carriers(httpd, Tls=1)
            update = httpd.publish(TOPIC, "x", **more).text
            assert update.encode() in client.read_until(b"data: x\n\n")
        wait_carriers(httpd)
    responder.close()


def certificates(httpd):
    """A certificate authority and a client: (file of the authority, file of the client's certificate and key)."""
    authority, client, both = (httpd.path(f"conf/{name}") for name in ("ca.pem", "client.pem", "both.pem"))
    key, request_file = httpd.path("conf/ca.key"), httpd.path("conf/client.csr")
    new = ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    for command in (
            [*new, "-x509", "-keyout", key, "-out", authority, "-subj", "/CN=authority", "-days", "2"],
            [*new, "-keyout", both, "-out", request_file, "-subj", "/CN=alice"],
            ["openssl", "x509", "-req", "-in", request_file, "-CA", authority, "-CAkey", key, "-out", client,
             "-days", "2"]):
        subprocess.run(command, check=True, capture_output=True)
    with open(both, "a", encoding="ascii") as out, open(client, encoding="ascii") as text:
        out.write(text.read())
    return authority, both


@pytest.mark.parametrize("version", ["TLSv1_3", "TLSv1_2"])
@pytest.mark.parametrize("where", ["server", "location"])
@event_only
def test_client_certificate(httpd, version, where):
    """Asked for in the handshake; or for the hub alone, after the request (1.2: by a renegotiation)."""
    authority, both = certificates(httpd)
    require = "SSLVerifyClient require"
    more = start(httpd, f'SSLCACertificateFile "{authority}"', require if where == "server" else "",
                 directives=[require] if where == "location" else [],
                 more='LogFormat "%{SSL_CLIENT_S_DN_CN}x %{subjectdn}c" client\nCustomLog logs/client.log client\n')
    context = client_context()
    context.maximum_version = context.minimum_version = ssl.TLSVersion[version]
    context.load_cert_chain(both)
    context.post_handshake_auth = True
    more["context"] = context
    with httpd.subscribe([("match", TOPIC)], **more) as stream:
        wait_carriers(httpd, Tls=1)
        check_delivery(httpd, stream, more)
    wait_reason(httpd, "client")
    assert set(httpd.lines("logs/client.log")) - {"- -"} == {"alice CN=alice"}


# ---- what the client sends -----------------------------------------------------------------------


@pytest.mark.parametrize("size", [500, 30000])
def test_bytes_after_the_request_and_later_are_dropped(httpd, size):
    more = start(httpd)
    with httpd.subscribe([("match", TOPIC)], {"Content-Length": "0"}, body=b"P" * size, **more) as stream:
        wait_carriers(httpd, Tls=1)
        check_delivery(httpd, stream, more)
        stream.conn.send(b"L" * 3000)
        check_delivery(httpd, stream, more)


@event_only
def test_client_that_sends_without_end_is_cut(httpd):
    more = start(httpd)
    with httpd.subscribe([("match", TOPIC)], **more) as stream, httpd.subscribe([("match", TOPIC)], **more) as other:
        with pytest.raises(OSError):
            for _ in range(1000):
                stream.conn.send(b"x" * 10000)
        wait_reason(httpd, "client")
        check_delivery(httpd, other, more)


@event_only
def test_key_update(httpd):
    """One follows the request, and one comes after the stream has begun. The hub answers, and updates continue."""
    more = start(httpd)
    with openssl.Client(more["port"]) as client:
        client.write(request())
        client.update_keys()
        client.read_until(b":\n")
        for i in range(5):
            update = httpd.publish(TOPIC, f"update {i}", **more).text
            assert update.encode() in client.read_until(f"data: update {i}\n\n".encode())
            client.update_keys()
        wait_carriers(httpd, Tls=1)


@event_only
def test_flood_of_key_updates_ends_the_stream(httpd):
    """Each makes the server compute new keys, so their number is limited."""
    more = start(httpd)
    with openssl.Client(more["port"]) as client, httpd.subscribe([("match", TOPIC)], **more) as other:
        client.write(request())
        client.read_until(b":\n")
        with pytest.raises(ConnectionError):
            for _ in range(100000):
                client.update_keys()
        wait_reason(httpd, "client")
        check_delivery(httpd, other, more)


@event_only
def test_renegotiation_is_refused(httpd):
    more = start(httpd)
    with openssl.Client(more["port"], openssl.TLS1_2) as client, httpd.subscribe([("match", TOPIC)], **more) as other:
        client.write(request())
        client.read_until(b":\n")
        with pytest.raises(ConnectionError):
            client.renegotiate()
            client.read_until(b"never")
        check_delivery(httpd, other, more)


@event_only
def test_broken_record_ends_the_stream(httpd):
    more = start(httpd)
    with httpd.subscribe([("match", TOPIC)], **more) as other:
        stream = httpd.subscribe([("match", TOPIC)], **more)
        with socket.socket(fileno=stream.conn.sock.detach()) as raw:  # without the client's TLS
            raw.sendall(b"\x17\x03\x03\x00\x20" + b"\0" * 32)
            wait_reason(httpd, "client")
        check_delivery(httpd, other, more)


@pytest.mark.sanitize
def test_client_that_is_refused_a_cipher_and_one_that_dies_in_an_update(httpd):
    """The server works as usual, and the other stream gets everything."""
    more = start(httpd, directives=["MercureLimit body=2M", "MercureHistory bytes=32M"])
    wrong = client_context()
    wrong.maximum_version = ssl.TLSVersion.TLSv1_2
    wrong.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")  # the server's key is not an RSA key
    with httpd.subscribe([("match", TOPIC)], **more) as other:
        for turn in range(10):
            with pytest.raises((ssl.SSLError, ConnectionError)):
                httpd.subscribe([("match", TOPIC)], context=wrong, **more)
            dying = httpd.subscribe([("match", TOPIC)], rcvbuf=4096, **more)
            update = httpd.publish(TOPIC, str(turn) * (1 << 20), **more).text
            dying.conn.receive()
            linger = b"\1\0\0\0\0\0\0\0" if turn % 2 else b"\0" * 8  # a reset, or a plain close
            dying.conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            dying.close()
            assert other.next().id == update
        wait_reason(httpd, "client", 10)


# ---- the end -------------------------------------------------------------------------------------


def said_goodbye(stream):
    """
    Reads STREAM, of a strict_context(), to its end: whether the answer ended with its last chunk, and TLS with a
    close_notify.
    """
    stream.conn.sock.suppress_ragged_eofs = False
    try:
        while data := stream.conn.sock.recv(65536):
            stream.conn.buffer += data
    except ssl.SSLError:
        return False
    while stream.conn.buffer and not stream.clean:
        before = len(stream.conn.buffer)
        stream._decode()
        if len(stream.conn.buffer) == before:
            break
    return stream.clean


@pytest.mark.parametrize("how", ["lifetime", "SIGTERM", "graceful"])
def test_close_notify_comes_at_the_end(httpd, how):
    more = start(httpd, directives=["MercureConnectionLifetime 1"] if how == "lifetime" else [])
    streams = [httpd.subscribe([("match", TOPIC)], context=strict_context(), **more) for _ in range(5)]
    if how == "SIGTERM":
        httpd.stop()
    elif how == "graceful":
        httpd.graceful()
    assert all(said_goodbye(stream) for stream in streams)
    for stream in streams:
        stream.close()


def new_connections(httpd, count=1):
    """Uses up COUNT connections of a child's MaxConnectionsPerChild."""
    for _ in range(count):
        assert httpd.get("/server-status?auto").status == 200


def end_by_connections(httpd, streams, pids):
    """Sends ordinary requests until each child of PIDS has reached MaxConnectionsPerChild."""
    def are_gone():
        new_connections(httpd, 10)
        return not set(pids) & set(httpd.children())

    wait_until(are_gone, what="the end of the children")


class Busy:
    """Incomplete requests, each of which holds a thread or a process."""

    def __init__(self, httpd):
        self._httpd, self._conns = httpd, []

    def add(self):
        self._conns.append(self._httpd.connect())
        self._conns[-1].send("GET / HTTP/1.1\r\n")

    def close(self):
        for conn in self._conns:
            conn.close()


def read_until(stream, count):
    """The ids of all updates of STREAM until it has had COUNT, or has ended, which must be a proper end."""
    while not stream.ended and len(stream.parser.events) < count:
        stream.pump(DEADLINE)
    assert stream.clean or not stream.ended
    return [event.id for event in stream.parser.events]


def check_ended(httpd, streams, owners, sent, more):
    """
    The streams of children that have ended were ended properly, and their clients miss nothing when they come back. The
    others continue, or end in the meantime. SENT: the ids of all updates.
    """
    left = httpd.children()
    ended = [stream for stream, pid in zip(streams, owners) if pid not in left]
    assert ended and all(said_goodbye(stream) for stream in ended)
    sent.append(httpd.publish(TOPIC, "last", **more).text)
    for stream in streams:
        got = read_until(stream, 0 if stream in ended else len(sent))
        stream.close()
        while got and len(got) < len(sent):  # the next child may also end
            with httpd.subscribe([("match", TOPIC)], {"Last-Event-ID": got[-1]}, **more) as again:
                got += read_until(again, len(sent) - len(got))
        assert got == sent


def test_streams_end_in_order_after_max_connections_per_child(httpd):
    httpd.sizing = httpd.sizing.replace("MaxConnectionsPerChild 0", "MaxConnectionsPerChild 30")
    more = start(httpd)
    streams = [httpd.subscribe([("match", TOPIC)], context=strict_context(), **more) for _ in range(12)]
    owners = [owner(httpd, stream.conn) for stream in streams]
    sent = [httpd.publish(TOPIC, f"update {i}", **more).text for i in range(3)]
    end_by_connections(httpd, streams, owners)
    check_ended(httpd, streams, owners, sent, more)


SPARE = {
    "event": "StartServers 1\nServerLimit 8\nThreadsPerChild 8\nThreadLimit 8\nMaxRequestWorkers 64\n"
             "MinSpareThreads 2\nMaxSpareThreads 10\nMaxConnectionsPerChild 0\n",
    "prefork": "StartServers 2\nServerLimit 32\nMaxRequestWorkers 32\nMinSpareServers 1\nMaxSpareServers 2\n"
               "MaxConnectionsPerChild 0\n",
}


def test_streams_end_in_order_when_their_idle_child_is_ended(httpd, mpm):
    """Busy threads or processes make httpd start more children; when they are idle again, it ends most of them."""
    httpd.sizing = SPARE["prefork" if mpm == "prefork" else "event"]
    more = start(httpd)
    busy, streams, owners = Busy(httpd), [], []
    while len(streams) < 60 and len(set(owners)) < 4:
        busy.add()
        streams.append(httpd.subscribe([("match", TOPIC)], context=strict_context(), **more))
        owners.append(owner(httpd, streams[-1].conn))
    assert len(set(owners)) == 4
    sent = [httpd.publish(TOPIC, f"update {i}", **more).text for i in range(3)]
    busy.close()
    wait_until(lambda: set(owners) - set(httpd.children()), what="the end of a child with streams")
    check_ended(httpd, streams, owners, sent, more)


@pytest.mark.sanitize
@event_only
def test_close_notify_of_the_client_ends_the_stream(httpd):
    more = start(httpd)
    stream = httpd.subscribe([("match", TOPIC)], **more)
    stream.conn.sock.unwrap()  # says goodbye, and waits for the answer
    wait_reason(httpd, "client")
    wait_subscribers(httpd, 0)
    stream.close()


# ---- the access log ------------------------------------------------------------------------------


class Counter:
    """Passes one connection on to PORT, and counts its bytes in both directions."""

    def __init__(self, port):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.to_server = self.to_client = 0
        self._target = port
        self._threads = [threading.Thread(target=self._run, daemon=True)]
        self._threads[0].start()

    def _run(self):
        client, _ = self.listener.accept()
        server = socket.create_connection(("127.0.0.1", self._target))
        back = threading.Thread(target=self._pump, args=(server, client, "to_client"), daemon=True)
        back.start()
        self._pump(client, server, "to_server")
        back.join()
        client.close()
        server.close()

    def _pump(self, source, target, name):
        try:
            while data := source.recv(65536):
                setattr(self, name, getattr(self, name) + len(data))
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        self._threads[0].join(30)
        self.listener.close()


@pytest.mark.parametrize("requests_before", [0, 2])
def test_access_log_has_the_true_bytes_and_the_variables_of_tls(httpd, requests_before):
    httpd.load("logio")
    httpd.write("htdocs/page.html", "page")
    more = start(httpd, directives=["MercureConnectionLifetime 2"],
                 more='LogFormat "%m %U %I %O %B %{SSL_PROTOCOL}x %{SSL_CIPHER}x %{version}c %{errcode}c '
                      '%{mercure-reason}n" tls\nCustomLog logs/tls.log tls\n')
    counter = Counter(more["port"])
    conn = httpd.connect(port=counter.port, tls=True)
    for _ in range(requests_before):
        conn.send_request("GET", "/page.html")
        assert conn.read_response().text == "page"
    conn.send(request())
    while b"data: xxx" not in conn.buffer:
        if b":\n" in conn.buffer and b"data" not in conn.buffer:
            httpd.publish(TOPIC, "xxx" * 100, **more)
        conn.receive()
    while conn.receive():
        pass
    protocol, cipher = conn.sock.version(), conn.sock.cipher()[0]
    conn.close()
    counter.close()

    def lines(path):
        return [line.split() for line in httpd.lines("logs/tls.log") if line.split()[1] == path and "GET" in line]

    wait_until(lambda: len(lines(PATH)) == 1, what="the line of the stream")
    got = [sum(int(line[i]) for line in lines(PATH) + lines("/page.html")) for i in (2, 3)]
    # httpd's count of the client's bytes may lack the last of them: a close_notify that answers the server's.
    assert 0 <= counter.to_server - got[0] <= 60
    assert got[1] == counter.to_client
    assert lines(PATH)[0][5:] == [protocol, cipher, protocol, "-", "lifetime"]
    assert int(lines(PATH)[0][4]) > 300


@event_only
def test_conditions_of_an_access_log_know_the_variables_of_tls(httpd):
    """A detached stream, whose connection is gone when its line is written, and one that is suspended."""
    conditions = {
        "protocol": "%{SSL_PROTOCOL} == 'TLSv1.3' && %{HTTPS} == 'on'", "off": "%{HTTPS} == 'off'",
        "none": "-z %{SSL_CLIENT_S_DN}", "old": "%{SSL_PROTOCOL} == 'TLSv1.2' || -n %{SSL_CLIENT_S_DN_CN}",
        "name": "%{SSL_TLS_SNI} =~ /^localhost$/ && %{SSL_CIPHER_USEKEYSIZE} -ge 128"}
    more = start(httpd, hub("MercureDetach Off", path="/kept"), more="".join(
        f'CustomLog logs/{name}.log "%m %U" "expr={text}"\n' for name, text in conditions.items()))
    for path in (PATH, "/kept"):
        with httpd.subscribe([("match", TOPIC)], path=path, **more):
            wait_carriers(httpd, **{"Tls" if path == PATH else "Suspended": 1})
        wait_carriers(httpd)  # a request without TLS
    wait_reason(httpd, "client", 2)
    both, other = [f"GET {path}" for path in sorted((PATH, "/kept"))], "GET /server-status"
    assert {name: sorted(set(httpd.lines(f"logs/{name}.log"))) for name in conditions} == {
        "protocol": both, "off": [other], "none": sorted([*both, other]), "old": [], "name": both}


# ---- memory --------------------------------------------------------------------------------------


def pss(httpd):
    total = 0
    for pid in httpd.children():
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            total += int(re.search(r"^Pss:\s+(\d+)", file.read(), re.M).group(1))
    return total


def most_kb(httpd):
    """The limit for a stream over TLS that has had an update. OpenSSL 3.0 itself takes 14, and 3.5 takes 28."""
    major, minor = httpd.wait_log(r" OpenSSL/(\d+)\.(\d+)\S* .*configured -- resuming").groups()
    return 16 if (int(major), int(minor)) < (3, 2) else 32


@no_sanitizer
def test_memory_of_a_stream_over_tls_is_bounded(httpd):
    more = start(httpd, directives=["MercureHeartbeat 0"])
    streams = []

    def listen():
        streams.append(httpd.subscribe([("match", TOPIC)], **more))
        if len(streams) % 100 == 0:
            update = httpd.publish(TOPIC, "x", **more).text
            assert {stream.next().id for stream in streams} == {update}

    for _ in range(260):  # the memory that a child allocates once, under prefork in each of four children
        listen()
    check_cost(httpd, listen, 500, most_kb(httpd))
    for stream in streams:
        stream.close()


@no_sanitizer
@event_only
def test_memory_goes_back_when_many_have_left(httpd):
    httpd.sizing = httpd.sizing.replace("StartServers 2", "StartServers 1").replace("MaxRequestWorkers 64",
                                                                                    "MaxRequestWorkers 16")
    more = start(httpd)
    before = pss(httpd)
    streams = [httpd.subscribe([("match", TOPIC)], **more) for _ in range(1000)]
    held = pss(httpd) - before
    assert 5000 < held < 1000 * most_kb(httpd) + 4000  # KB, including what the first streams allocate once
    for stream in streams:
        stream.close()
    wait_subscribers(httpd, 0)
    wait_until(lambda: pss(httpd) - before < held / 2, what="memory that is given back")


@no_sanitizer
@event_only
def test_memory_of_a_client_that_does_not_read_is_bounded(httpd):
    """OpenSSL holds one small record for it. The updates are in memory once, whatever the number of clients."""
    httpd.sizing = httpd.sizing.replace("StartServers 2", "StartServers 1").replace("MaxRequestWorkers 64",
                                                                                    "MaxRequestWorkers 16")
    more = start(httpd, directives=["MercureHeartbeat 0", "MercureDispatchTimeout 600", "MercureSubscriberBacklog 64M"])
    updates, data = 40, "x" * 16000
    streams = [httpd.subscribe([("match", TOPIC)], rcvbuf=4096, **more) for _ in range(300)]
    first = httpd.publish(TOPIC, "x", **more).text
    assert {stream.next().id for stream in streams} == {first}
    before = memory_kb(httpd.children())
    sent = [httpd.publish(TOPIC, data, **more).text for _ in range(updates)]
    wait_until(lambda: None not in [switches(pid) for pid in httpd.children()], what="idle children")
    grown = memory_kb(httpd.children()) - before - updates * 17
    assert grown / len(streams) < 4, f"{grown} KB"
    for stream in streams[:3]:
        assert [event.id for event in stream.take(updates)] == sent
    for stream in streams:
        stream.close()


# ---- for long ------------------------------------------------------------------------------------


class Churn:
    """Clients that come and go in every way: with TLS 1.2 and 1.3, resumed or not, reading or not, by a reset or
    politely."""

    def __init__(self, port, count, threads=4):
        self.port, self.bad, self._left, self._lock = port, [], count, threading.Lock()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(threads)]
        for thread in self._threads:
            thread.start()

    def _run(self, number):
        contexts = []
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            contexts.append(client_context())
            contexts[-1].maximum_version = version
        sessions = [None, None]
        while True:
            with self._lock:
                self._left -= 1
                turn = self._left
            if turn < 0:
                return
            try:
                self._one(turn, contexts, sessions)
            except (OSError, AssertionError) as error:
                self.bad.append(f"{turn}: {error!r}")

    def _one(self, turn, contexts, sessions):
        which = turn % 2
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        with contexts[which].wrap_socket(plain, server_hostname="localhost",
                                         session=sessions[which] if turn % 3 else None) as sock:
            sock.sendall(request() + (b"P" * 700 if turn % 5 == 0 else b""))
            if turn % 4:
                assert sock.recv(4096).startswith(b"HTTP/1.1 200")
            sessions[which] = sock.session
            if turn % 7 == 0:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            elif turn % 7 == 1:
                sock.setblocking(False)
                try:
                    sock.unwrap()
                except (ssl.SSLWantReadError, ssl.SSLError, OSError):
                    pass

    def join(self):
        for thread in self._threads:
            thread.join()
        assert self.bad == []


@pytest.mark.soak
@no_sanitizer
def test_20000_clients_come_and_go(httpd, mpm):
    """Meanwhile, 20 streams get everything. Neither descriptors nor memory grow, and no child dies."""
    httpd.log_level = "notice"
    httpd.sizing = re.sub(r"(Min|Max)Spare(Servers|Threads) \d+", lambda found: f"{found[1]}Spare{found[2]} "
                          + ("1" if found[1] == "Min" else "64"), httpd.sizing)
    # The kernel sometimes takes two file locks, of several threads each, for a deadlock.
    more = start(httpd, more="Mutex pthread ssl-cache\n")
    streams = [httpd.subscribe([("match", TOPIC)], **more) for _ in range(20)]
    Churn(more["port"], 2000).join()
    wait_subscribers(httpd, 20)
    children = set(httpd.children())
    open_before, pss_before = sum(map(descriptors, children)), pss(httpd)
    sent, churn = [], Churn(more["port"], 20000)
    while any(thread.is_alive() for thread in churn._threads):
        sent.append(httpd.publish(TOPIC, f"update {len(sent)}", **more).text)
        for stream in streams:
            assert stream.next().id == sent[-1]
    churn.join()
    wait_subscribers(httpd, 20)
    wait_carriers(httpd, Tls=20)
    assert set(httpd.children()) >= children
    wait_until(lambda: sum(map(descriptors, children)) <= open_before + 20, what="no descriptor that stays open")
    assert pss(httpd) < pss_before + 8000
    for stream in streams:
        stream.close()


@pytest.mark.soak
@event_only
@no_sanitizer
def test_valgrind_finds_no_leak_and_no_bad_access(httpd):
    httpd.sizing = ONE_CHILD
    port = httpd.add_port()
    httpd.configure(httpd.vhost(hub("MercureConnectionLifetime 5"), port=port, tls=True))
    with under_valgrind(httpd, port, "mod_mercure|libssl|mod_ssl"):
        streams = [httpd.subscribe([("match", TOPIC)], port=port, tls=True, context=strict_context()) for _ in range(10)]
        Churn(port, 200, threads=2).join()
        for stream in streams:  # each ends by its lifetime
            assert said_goodbye(stream)
            stream.close()


@pytest.mark.soak
@pytest.mark.mpm("prefork")
@no_sanitizer
def test_2000_streams_over_tls_on_10_processes_with_php(httpd):
    """Ordinary requests, including those of PHP, are served meanwhile."""
    modules = os.environ.get("HTTPD_MODULES", "/usr/lib/apache2/modules")
    php = next(name for name in sorted(os.listdir(modules)) if re.fullmatch(r"libphp[\d.]*\.so", name))
    httpd.sizing = "StartServers 10\nServerLimit 10\nMaxRequestWorkers 10\nMinSpareServers 1\nMaxSpareServers 10\n" \
        "MaxConnectionsPerChild 0\nMaxKeepAliveRequests 0\nListenBacklog 4096\n"
    httpd.log_level = "notice"
    httpd.expect_log("AH0016[01]: ", required=False)
    httpd.write("htdocs/page.php", '<?php echo "php ", 6 * 7;')
    more = start(httpd, more=f'LoadModule php_module "{modules}/{php}"\n<FilesMatch "\\.php$">\nSetHandler application/x-httpd-php\n</FilesMatch>\n')
    streams = [httpd.subscribe([("match", TOPIC)], **more) for _ in range(2000)]
    assert carriers(httpd) == {"Tls": 2000}
    assert len(httpd.children()) == 10
    for _ in range(200):
        assert httpd.get("/page.php").text == "php 42"
    update = httpd.publish(TOPIC, "x", **more).text
    assert {stream.next().id for stream in streams} == {update}
    for stream in streams:
        stream.close()
