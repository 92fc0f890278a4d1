"""An HTTP/1.1 client on a bare socket: it sends exactly the bytes that the test gives it."""
import json
import socket
import ssl
import time

from .wait import DEADLINE


class ProtocolError(AssertionError):
    """The server sent something that is not HTTP/1.1."""


class Response:
    """A response; `headers` is a list of (name, value) as sent."""

    def __init__(self, status, reason, headers):
        self.status = status
        self.reason = reason
        self.headers = headers
        self.body = b""

    def header_all(self, name):
        return [v for n, v in self.headers if n.lower() == name.lower()]

    def header(self, name, default=None):
        """The value of the field; several lines are joined with commas, as HTTP says."""
        values = self.header_all(name)
        return ", ".join(values) if values else default

    @property
    def text(self):
        return self.body.decode("utf-8")

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.reason} {self.headers} {self.body[:300]!r}>"


def encode_headers(headers):
    """HEADERS is a dict, or a list of pairs when a name repeats."""
    pairs = headers.items() if isinstance(headers, dict) else headers
    return "".join(f"{name}: {value}\r\n" for name, value in pairs)


def client_context():
    """A context for clients that accepts the test's own certificate, on loopback."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def strict_context():
    """The same, for clients that get ssl.SSLError at an end without close_notify if they do not suppress_ragged_eofs."""
    context = client_context()
    context.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
    return context


class Connection:
    """One connection. It reads only when asked: a test that does not read is a slow client."""

    def __init__(self, port, address="127.0.0.1", tls=False, server_name="localhost",
                 alpn=None, rcvbuf=None, source=None, deadline=DEADLINE, context=None, session=None):
        """CONTEXT, an ssl.SSLContext for TLS; SESSION, the TLS session to resume. Both may be left out."""
        self.deadline = deadline
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.settimeout(deadline)
        if rcvbuf is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        if source is not None:
            sock.bind((source, 0))
        try:
            sock.connect((address, port))
            if tls:
                context = context or client_context()
                if alpn:
                    context.set_alpn_protocols(alpn)
                sock = context.wrap_socket(sock, server_hostname=server_name, session=session)
        except BaseException:
            sock.close()
            raise
        self.sock = sock
        self.host = f"localhost:{port}"
        self.buffer = bytearray()
        self.eof = False

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        self.sock.close()

    def fileno(self):
        return self.sock.fileno()

    def send(self, data):
        """Sends bytes as they are."""
        self.sock.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))

    def send_request(self, method, target, headers=(), body=None, host=None):
        """TARGET is sent as it is. Host and Content-Length are added unless HEADERS has them."""
        pairs = list(headers.items() if isinstance(headers, dict) else headers)
        names = {name.lower() for name, _ in pairs}
        if isinstance(body, str):
            body = body.encode("utf-8")
        if "host" not in names:
            pairs.insert(0, ("Host", host or self.host))
        if body is not None and not names & {"content-length", "transfer-encoding"}:
            pairs.append(("Content-Length", str(len(body))))
        head = f"{method} {target} HTTP/1.1\r\n{encode_headers(pairs)}\r\n"
        self.send(head.encode("utf-8") + (body or b""))

    def receive(self, deadline=None):
        """Reads what has come, waiting for at least one byte; returns False at the end of the stream."""
        if self.eof:
            return False
        self.sock.settimeout(max(0.001, self.deadline if deadline is None else deadline))
        try:
            data = self.sock.recv(65536)
        except (ssl.SSLEOFError, ConnectionResetError):
            data = b""
        if not data:
            self.eof = True
            return False
        self.buffer += data
        return True

    def read_until(self, mark):
        while mark not in self.buffer:
            if not self.receive():
                raise ProtocolError(f"the connection ended before {mark!r}: {bytes(self.buffer)!r}")
        end = self.buffer.index(mark) + len(mark)
        data = bytes(self.buffer[:end])
        del self.buffer[:end]
        return data

    def read_exactly(self, count):
        while len(self.buffer) < count:
            if not self.receive():
                raise ProtocolError(f"{count} bytes wanted, {len(self.buffer)} came")
        data = bytes(self.buffer[:count])
        del self.buffer[:count]
        return data

    def read_head(self):
        """The status line and the fields of the next response (1xx included)."""
        lines = self.read_until(b"\r\n\r\n").decode("latin-1").split("\r\n")[:-2]
        version, _, rest = lines[0].partition(" ")
        status, _, reason = rest.partition(" ")
        if not version.startswith("HTTP/1.") or not status.isdigit():
            raise ProtocolError(f"no status line: {lines[0]!r}")
        headers = []
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if not colon or name != name.strip():
                raise ProtocolError(f"no field: {line!r}")
            headers.append((name, value.strip()))
        return Response(int(status), reason, headers)

    def read_response(self, method="GET"):
        """The next response with its whole body."""
        response = self.read_head()
        if method == "HEAD" or response.status in (204, 304) or response.status < 200:
            return response
        if (response.header("Transfer-Encoding") or "").lower() == "chunked":
            body = b""
            while True:
                size = int(self.read_until(b"\r\n").split(b";")[0], 16)
                if size == 0:
                    self.read_until(b"\r\n")
                    break
                body += self.read_exactly(size)
                if self.read_exactly(2) != b"\r\n":
                    raise ProtocolError("a chunk does not end where it says")
            response.body = body
        elif response.header("Content-Length") is not None:
            response.body = self.read_exactly(int(response.header("Content-Length")))
        else:
            while self.receive():
                pass
            response.body = bytes(self.buffer)
            self.buffer.clear()
        return response

    def request(self, method, target, headers=(), body=None, host=None):
        self.send_request(method, target, headers, body, host)
        return self.read_response(method)

    def wait_closed(self, deadline=DEADLINE):
        """Waits until the server ends the connection; what comes before is kept in `buffer`."""
        end = time.monotonic() + deadline
        while self.receive(end - time.monotonic()):
            pass


def request(port, method, target, headers=(), body=None, host=None, **connection):
    """One request on a connection of its own."""
    with Connection(port, **connection) as conn:
        return conn.request(method, target, headers, body, host)
