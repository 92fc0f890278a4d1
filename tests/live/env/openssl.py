"""TLS clients that Python's ssl module cannot be: they update keys, renegotiate, and ask for OCSP responses."""
import ctypes
import ctypes.util
import socket

from .wait import DEADLINE

KEY_UPDATE_REQUESTED = 1
FAILED = -1


def _library():
    library = ctypes.CDLL(ctypes.util.find_library("ssl"), use_errno=True)
    for name in ("TLS_client_method", "SSL_CTX_new", "SSL_new"):
        getattr(library, name).restype = ctypes.c_void_p
    for name, types in {
        "SSL_CTX_new": [ctypes.c_void_p], "SSL_CTX_free": [ctypes.c_void_p], "SSL_new": [ctypes.c_void_p],
        "SSL_free": [ctypes.c_void_p], "SSL_set_fd": [ctypes.c_void_p, ctypes.c_int],
        "SSL_connect": [ctypes.c_void_p], "SSL_do_handshake": [ctypes.c_void_p],
        "SSL_write": [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int],
        "SSL_read": [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int],
        "SSL_key_update": [ctypes.c_void_p, ctypes.c_int], "SSL_renegotiate": [ctypes.c_void_p],
        "SSL_CTX_ctrl": [ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_void_p],
        "SSL_ctrl": [ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_void_p],
    }.items():
        getattr(library, name).argtypes = types
    return library


MAX_VERSION = 124  # SSL_CTRL_SET_MAX_PROTO_VERSION
TLS1_2 = 0x0303
TLS1_3 = 0x0304
SET_STATUS_TYPE = 65  # SSL_CTRL_SET_TLSEXT_STATUS_REQ_TYPE
GET_STATUS_RESPONSE = 70  # SSL_CTRL_GET_TLSEXT_STATUS_REQ_OCSP_RESP
STATUS_TYPE_OCSP = 1


class Client:
    """A blocking client. Its methods raise ConnectionError when the server has ended the connection."""

    def __init__(self, port, max_version=0, ocsp=False):
        """OCSP: asks the server for the OCSP response of its certificate."""
        self._ssl = _library()
        self._context = self._ssl.SSL_CTX_new(self._ssl.TLS_client_method())
        self._ssl.SSL_CTX_ctrl(self._context, MAX_VERSION, max_version, None)
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)
        self.sock.settimeout(None)  # OpenSSL reads the descriptor itself
        self._ssl_of = self._ssl.SSL_new(self._context)
        self._ssl.SSL_set_fd(self._ssl_of, self.sock.fileno())
        if ocsp:
            self._ssl.SSL_ctrl(self._ssl_of, SET_STATUS_TYPE, STATUS_TYPE_OCSP, None)
        self._check(self._ssl.SSL_connect(self._ssl_of))

    @staticmethod
    def _check(result):
        if result <= 0:
            raise ConnectionError(f"OpenSSL returned {result}")
        return result

    def write(self, data):
        self._check(self._ssl.SSL_write(self._ssl_of, data, len(data)))

    def update_keys(self):
        """Sends a KeyUpdate that asks for one in return."""
        self._check(self._ssl.SSL_key_update(self._ssl_of, KEY_UPDATE_REQUESTED))
        self._check(self._ssl.SSL_do_handshake(self._ssl_of))

    def renegotiate(self):
        """Sends a ClientHello; the answer comes with the next read."""
        self._check(self._ssl.SSL_renegotiate(self._ssl_of))
        self._check(self._ssl.SSL_do_handshake(self._ssl_of))

    def ocsp_response(self):
        """The OCSP response that came with the handshake, in DER; b"" if none came."""
        response = ctypes.c_void_p()
        size = self._ssl.SSL_ctrl(self._ssl_of, GET_STATUS_RESPONSE, 0, ctypes.byref(response))
        return ctypes.string_at(response, size) if size > 0 else b""

    def read_until(self, mark):
        """All bytes until MARK has come."""
        got, buffer = b"", ctypes.create_string_buffer(16384)
        while mark not in got:
            size = self._check(self._ssl.SSL_read(self._ssl_of, buffer, 16384))
            got += buffer.raw[:size]
        return got

    def close(self):
        self._ssl.SSL_free(self._ssl_of)
        self._ssl.SSL_CTX_free(self._context)
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
