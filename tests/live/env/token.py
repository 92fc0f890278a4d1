"""Makes tokens, valid and forged: at+jwt with authorization_details, and any header or claim."""
import base64
import hashlib
import hmac
import json
import os
import subprocess
import tempfile
import time

DETAIL = "https://mercure.rocks/authorization-detail"

ISSUER = "https://issuer.example"
AUDIENCE = "https://hub.example/.well-known/mercure"
# Long enough for HS512.
PUBLISHER_KEY = "publisher-key-of-the-live-tests:0123456789abcdef0123456789abcdef"
SUBSCRIBER_KEY = "subscriber-key-of-the-live-tests:0123456789abcdef0123456789abcdef"

REMOVE = object()  # as the value of a claim or header field: leave it out


def b64(data):
    if isinstance(data, str):
        data = data.encode("utf-8")
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def matcher(value):
    """"text" is an exact matcher, ("urlpattern", "text") one of another type, and a dict is used as it is."""
    if isinstance(value, dict):
        return value
    if isinstance(value, tuple):
        return {"match": value[1], "match_type": value[0]}
    return {"match": value}


def detail(actions, topics, **more):
    """One authorization detail; ACTIONS and TOPICS are lists."""
    return {"type": DETAIL, "actions": list(actions), "topics": [matcher(t) for t in topics], **more}


def sign(alg, key, signing_input):
    """The signature of SIGNING_INPUT (bytes). KEY: the secret, or a private key in PEM."""
    if alg == "none":
        return b""
    size = alg[-3:]
    if alg.startswith("HS"):
        secret = key.encode("utf-8") if isinstance(key, str) else key
        return hmac.new(secret, signing_input, getattr(hashlib, f"sha{size}")).digest()
    with tempfile.TemporaryDirectory() as folder:
        key_file = os.path.join(folder, "key.pem")
        input_file = os.path.join(folder, "input")
        with open(key_file, "w", encoding="ascii") as out:
            out.write(key)
        with open(input_file, "wb") as out:
            out.write(signing_input)
        if alg in ("EdDSA", "Ed25519", "Ed448"):
            command = ["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", key_file, "-in", input_file]
        else:
            command = ["openssl", "dgst", f"-sha{size}", "-sign", key_file]
            if alg.startswith("PS"):
                command += ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"]
            command.append(input_file)
        signature = subprocess.run(command, check=True, capture_output=True).stdout
    if alg.startswith("ES"):
        return _der_to_raw(signature, {"256": 32, "384": 48, "512": 66}[size])
    return signature


def _der_to_raw(der, width):
    """An ECDSA signature as JWS wants it: r and s, each WIDTH bytes."""

    def integer(at):
        assert der[at] == 0x02
        length = der[at + 1]
        return int.from_bytes(der[at + 2:at + 2 + length], "big"), at + 2 + length

    at = 2 if der[1] < 0x80 else 2 + (der[1] & 0x7F)
    r, at = integer(at)
    s, at = integer(at)
    return r.to_bytes(width, "big") + s.to_bytes(width, "big")


def mint_raw(header, payload, key, alg="HS256"):
    """HEADER and PAYLOAD: objects, or strings that are used as they are; signed with ALG whatever HEADER says."""
    head = header if isinstance(header, str) else json.dumps(header)
    body = payload if isinstance(payload, str) else json.dumps(payload)
    signing_input = f"{b64(head)}.{b64(body)}"
    return f"{signing_input}.{b64(sign(alg, key, signing_input.encode('ascii')))}"


def mint(key, publish=None, subscribe=None, alg="HS256", iss=ISSUER, aud=AUDIENCE, ttl=600,
         header=None, details=None, **claims):
    """
    An access token. PUBLISH and SUBSCRIBE: lists of topics (see matcher()). HEADER and CLAIMS add or
    replace fields; the value REMOVE leaves one out. DETAILS replaces all authorization details.
    """
    now = int(time.time())
    if details is None:
        details = []
        if publish is not None:
            details.append(detail(["publish"], publish))
        if subscribe is not None:
            details.append(detail(["subscribe"], subscribe))
    head = {"typ": "at+jwt", "alg": alg, **(header or {})}
    payload = {"iss": iss, "aud": aud, "iat": now, "exp": now + ttl, "sub": "live-test",
               "authorization_details": details, **claims}
    head = {k: v for k, v in head.items() if v is not REMOVE}
    payload = {k: v for k, v in payload.items() if v is not REMOVE}
    return mint_raw(head, payload, key, alg)


def publisher(topics=("*",), key=PUBLISHER_KEY, **more):
    """A token for the publisher key of hub()."""
    return mint(key, publish=list(topics), **more)


def subscriber(topics=("*",), key=SUBSCRIBER_KEY, **more):
    """A token for the subscriber key of hub()."""
    return mint(key, subscribe=list(topics), **more)


def make_key(kind):
    """A fresh key pair in PEM, (private, public). KIND: rsa2048, rsa1024, p256, p384, p521, ed25519, ed448."""
    options = {
        "ed25519": ["-algorithm", "ed25519"],
        "ed448": ["-algorithm", "ed448"],
        "p256": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
        "p384": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
        "p521": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"],
    }
    if kind.startswith("rsa"):
        options[kind] = ["-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{kind[3:]}"]
    private = subprocess.run(["openssl", "genpkey", *options[kind]], check=True,
                             capture_output=True).stdout
    public = subprocess.run(["openssl", "pkey", "-pubout"], input=private, check=True,
                            capture_output=True).stdout
    return private.decode("ascii"), public.decode("ascii")
