"""A client of HTTP/2 for many streams of one connection, on python3-h2; it reads only when asked."""
import socket
import ssl
import time

import h2.config
import h2.connection
import h2.errors
import h2.events

from .sse import Parser
from .wait import DEADLINE


class Stream:
    def __init__(self, number):
        self.number = number
        self.status = None
        self.headers = {}
        self.interim = []  # the fields of each interim response, a dict
        self.trailers = {}
        self.body = b""
        self.parser = Parser()
        self.ended = False
        self.reset = False
        self.error = None  # the error code of a reset


class Http2:
    """One connection: h2c with prior knowledge, or TLS."""

    def __init__(self, port, tls=False, deadline=DEADLINE, server_name="localhost", certificate=None, opening=b""):
        """CERTIFICATE: the files of the client's certificate and key. OPENING: bytes that are sent before all
        others."""
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=deadline)
        self.sock.sendall(opening)
        self.authority = f"{server_name}:{port}"
        self.scheme = "https" if tls else "http"
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE  # the test's own certificate, on loopback
            context.set_alpn_protocols(["h2"])
            if certificate:
                context.load_cert_chain(*certificate)
            self.sock = context.wrap_socket(self.sock, server_hostname=server_name)
            assert self.sock.selected_alpn_protocol() == "h2"
        self.conn = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.conn.initiate_connection()
        self.streams = {}
        self.goaway = False  # the server takes no new streams
        self.ended = False
        self.received = bytearray()  # all bytes so far
        self._bytes = bytearray()
        self._send()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        self.sock.close()

    def _send(self):
        self.sock.sendall(self.conn.data_to_send())

    def open_all(self, count, target, headers=()):
        """Sends COUNT requests in one write, so that the server sees no idle connection between them."""
        streams = [self.open(target, headers, send=False) for _ in range(count)]
        self._send()
        return streams

    def open(self, target, headers=(), method="GET", send=True):
        """Sends a request without a body; its answer comes with pump()."""
        number = self.conn.get_next_available_stream_id()
        self.conn.send_headers(number, [
            (":method", method), (":path", target), (":scheme", self.scheme),
            (":authority", self.authority), *headers], end_stream=True)
        if send:
            self._send()
        self.streams[number] = Stream(number)
        return self.streams[number]

    def post(self, target, body, headers=(), trailers=(), method="POST"):
        """Sends a request with a BODY that fits into the windows, and waits for the answer."""
        number = self.conn.get_next_available_stream_id()
        stream = self.streams[number] = Stream(number)
        self.conn.send_headers(number, [(":method", method), (":path", target), (":scheme", self.scheme),
                                        (":authority", self.authority), *headers])
        for at in range(0, len(body), 16000):
            self.conn.send_data(number, body[at:at + 16000], end_stream=at + 16000 >= len(body) and not trailers)
        if trailers:
            self.conn.send_headers(number, trailers, end_stream=True)
        self._send()
        self.wait(lambda: stream.ended, f"the answer to {method} {target}")
        return stream

    def reset(self, stream):
        """As browsers do it. mod_http2 before httpd 2.4.55 ignores a reset without an error."""
        self.conn.reset_stream(stream.number, h2.errors.ErrorCodes.CANCEL)
        self._send()

    def _take(self, event):
        stream = self.streams.get(getattr(event, "stream_id", None))
        if stream is None:
            return
        elif isinstance(event, h2.events.ResponseReceived):
            stream.headers = dict(event.headers)
            stream.status = int(stream.headers[":status"])
        elif isinstance(event, h2.events.InformationalResponseReceived):
            stream.interim.append(dict(event.headers))
        elif isinstance(event, h2.events.DataReceived):
            stream.body += event.data
            if "event-stream" in stream.headers.get("content-type", ""):
                stream.parser.feed(event.data)
            self.conn.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.TrailersReceived):
            stream.trailers = dict(event.headers)
        elif isinstance(event, h2.events.StreamEnded):
            stream.ended = True
        elif isinstance(event, h2.events.StreamReset):
            stream.ended = stream.reset = True
            stream.error = int(event.error_code)

    def _frames(self):
        """The whole frames that have come. GOAWAY is kept from the library, which would stop at it."""
        frames = b""
        while len(self._bytes) >= 9:
            size = 9 + int.from_bytes(self._bytes[:3], "big")
            if len(self._bytes) < size:
                break
            if self._bytes[3] == 7:
                self.goaway = True
            else:
                frames += self._bytes[:size]
            del self._bytes[:size]
        return frames

    def frames(self, start=0):
        """(type, flags, stream, length) of the frames that have come, the first of which is at START of the received bytes."""
        while len(self.received) >= start + 9:
            head = self.received[start:start + 9]
            length = int.from_bytes(head[:3], "big")
            yield head[3], head[4], int.from_bytes(head[5:], "big"), length
            start += 9 + length

    def pump(self, deadline):
        """Reads once; False when nothing came."""
        self.sock.settimeout(max(0.001, deadline))
        try:
            data = self.sock.recv(65536)
        except (TimeoutError, ssl.SSLWantReadError):
            return False
        except (ConnectionResetError, ssl.SSLEOFError):
            data = b""
        if not data:
            self.ended = True
            return False
        self._bytes += data
        self.received += data
        for event in self.conn.receive_data(self._frames()):
            self._take(event)
        try:
            self._send()
        except OSError:
            self.ended = True
        return True

    def wait(self, predicate, what, deadline=DEADLINE):
        end = time.monotonic() + deadline
        while not predicate():
            left = end - time.monotonic()
            assert left > 0 and not self.ended, f"{what}: not within {deadline} s, or the connection ended"
            self.pump(min(left, 1.0))

    def request(self, target, headers=(), method="GET"):
        stream = self.open(target, headers, method)
        self.wait(lambda: stream.ended, f"the answer to {method} {target}")
        return stream
