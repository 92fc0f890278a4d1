"""An https server of JWK Sets, with its own authority, that answers whatever the test wants."""
import base64
import http.server
import json
import os
import ssl
import subprocess
import threading

from . import token
from .httpd import free_port, release_port


def _openssl(*args):
    subprocess.run(["openssl", *args], check=True, capture_output=True)


def make_authority(folder):
    """A new authority and a certificate for localhost that it vouches for: (ca, certificate, key)."""
    names = {name: os.path.join(folder, f"{name}.pem") for name in ("ca", "cakey", "cert", "key", "csr", "ext")}
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    os.makedirs(folder, exist_ok=True)
    _openssl("req", "-x509", *curve, "-keyout", names["cakey"], "-out", names["ca"], "-days", "2",
             "-subj", "/CN=the tests' authority")
    _openssl("req", *curve, "-keyout", names["key"], "-out", names["csr"], "-subj", "/CN=localhost")
    with open(names["ext"], "w", encoding="ascii") as out:
        out.write("subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n")
    _openssl("x509", "-req", "-in", names["csr"], "-CA", names["ca"], "-CAkey", names["cakey"], "-days", "2",
             "-out", names["cert"], "-extfile", names["ext"])
    os.chmod(names["ca"], 0o644)
    return names["ca"], names["cert"], names["key"]


class Key:
    """A key pair on P-256 with a name."""

    def __init__(self, kid):
        self.kid = kid
        self.private, self.public = token.make_key("p256")

    @property
    def jwk(self):
        der = base64.b64decode("".join(self.public.splitlines()[1:-1]))
        return {"kty": "EC", "crv": "P-256", "kid": self.kid, "use": "sig",
                "x": token.b64(der[-64:-32]), "y": token.b64(der[-32:])}

    def token(self, **more):
        """A token that may publish everything."""
        return token.publisher(key=self.private, alg="ES256", header={"kid": self.kid}, **more)


def jwk_set(*keys):
    return json.dumps({"keys": [key.jwk for key in keys]})


class JwksServer:
    """
    `answers` maps paths to (status, headers, body); the body may be text, bytes or a function, which
    is called. `hits` counts the requests for each path. Ends with stop().
    """

    def __init__(self, cert, key):
        self.cert, self.key = cert, key
        self.answers, self.hits = {}, {}
        self.port = free_port()
        self._server = None

    def url(self, path="/jwks", host="localhost"):
        return f"https://{host}:{self.port}{path}"

    def start(self):
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            timeout = 30

            def do_GET(self):
                outer.hits[self.path] = outer.hits.get(self.path, 0) + 1
                status, headers, body = outer.answers.get(self.path, (404, {}, ""))
                body = body() if callable(body) else body
                body = body.encode() if isinstance(body, str) else body
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, request, address):
                pass  # a client that does not trust the server hangs up

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, self.key)
        self._server = Server(("127.0.0.1", self.port), Handler)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True,
                                                  do_handshake_on_connect=False)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def stop(self):
        """Stops listening; start() may follow."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def close(self):
        self.stop()
        release_port(self.port)
