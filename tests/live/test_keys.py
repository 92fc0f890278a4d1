"""Keys that change while the server runs: key files, and JWK Sets that are fetched by https."""
import gzip
import json
import os
import re
import threading
import zlib

import pytest

from env import token
from env.hub import hub
from env.jwks import JwksServer, Key, jwk_set, make_authority
from env.wait import wait_until

pytestmark = pytest.mark.mpm("event")

TOPIC = "https://example.com/a"
PUBLISHER = "0123456789abcdef" * 4


@pytest.fixture
def new_jwks(tmp_path):
    """
    new_jwks() makes a server of JWK Sets, which is not started yet and outlives httpd. Its `ca` is the
    certificate file of its authority.
    """
    made = []

    def make():
        ca, cert, key = make_authority(str(tmp_path / f"authority{len(made)}"))
        made.append(JwksServer(cert, key))
        made[-1].ca = ca
        return made[-1]

    yield make
    for server in made:
        server.close()


@pytest.fixture
def jwks(new_jwks):
    return new_jwks()


def config(httpd, jwks, *lines):
    """A hub with the keys of LINES, which trusts the certificate authority of JWKS."""
    ca = httpd.write("conf/ca.pem", open(jwks.ca, "rb").read())
    return f'MercureJwksCACertificateFile "{ca}"\n' + hub(*lines, keys=False)


def status_of(httpd, bearer):
    return httpd.publish(TOPIC, "x", token=bearer, status=None).status


def wait_status(httpd, bearer, status, deadline=60):
    """Waits until every child answers a publication with STATUS; each child takes new keys at its own time."""
    wait_until(lambda: all(status_of(httpd, bearer) == status for _ in range(8)), deadline,
               f"publications answered {status}", 0.1)


def replace(httpd, name, content, mode=0o644):
    """Replaces a file as administrators should: writes it under another name, and renames it."""
    os.rename(httpd.write(f"{name}.new", content, mode), httpd.path(name))


@pytest.mark.sanitize
def test_changed_key_file_takes_effect(httpd):
    """The new key counts soon; the old one and its cached tokens no longer do. A bad file changes nothing."""
    old, new, last = (f"{name}-{'0123456789abcdef' * 4}" for name in ("old", "new", "last"))
    httpd.write("conf/key", old)
    rows = [f"MercurePublisherKey {token.ISSUER} HS256 file:conf/key"]
    if os.getuid() == 0:
        httpd.write("conf/private/key", old)
        os.chmod(httpd.path("conf/private"), 0o700)
        rows.append(f"MercureSubscriberKey {token.ISSUER} HS256 file:conf/private/key")
    httpd.start(hub(*rows, keys=False))
    tokens = {key: token.publisher(key=key) for key in (old, new, last)}
    assert (status_of(httpd, tokens[old]), status_of(httpd, tokens[new])) == (200, 401)
    replace(httpd, "conf/key", new + "\n")
    wait_status(httpd, tokens[new], 200)
    wait_status(httpd, tokens[old], 401)

    httpd.expect_log(r"mercure:warn.*key file .*/conf/key has changed, and cannot be used: the secret has 5 bytes")
    replace(httpd, "conf/key", "short")
    httpd.wait_log("has changed, and cannot be used")
    wait_status(httpd, tokens[old], 401)
    wait_status(httpd, tokens[new], 200)
    httpd.expect_log(r"mercure:warn.*key file .*/conf/key cannot be read \(No such file")
    os.unlink(httpd.path("conf/key"))
    httpd.wait_log(r"conf/key cannot be read")
    # A child that starts now uses the keys of the other children, not those that the main process has read.
    for pid in httpd.children():
        httpd.kill_child(pid)
    wait_until(httpd.children, what="new children")
    assert [status_of(httpd, tokens[key]) for key in (old, new) for _ in range(4)] == [401] * 4 + [200] * 4
    replace(httpd, "conf/key", last)
    wait_status(httpd, tokens[last], 200)
    wait_status(httpd, tokens[new], 401)
    in_force = r"mercure:notice.*key file .*/conf/key has changed: its keys are in force"
    wait_until(lambda: len(re.findall(in_force, httpd.log())) == 2, what="a line about each of the two keys")
    log = httpd.log()
    assert log.count("and cannot be used") == 1 and log.count("/conf/key cannot be read") == 1
    for secret in (old, new, last):
        assert secret not in log
    if os.getuid() == 0:
        assert len(re.findall(r"mercure:notice.*may not read the key file .*/conf/private/key", log)) == 1
        sub = token.subscriber(key=old)
        httpd.subscribe([("match", TOPIC)], token=sub).close()
        # A reload also reads files that the children cannot read.
        replace(httpd, "conf/private/key", new)
        httpd.graceful()
        wait_until(lambda: httpd.subscribe([("match", TOPIC)], token=token.subscriber(key=new),
                                           status=None).status == 200, what="the reloaded key")


def test_key_file_may_change_its_kind(httpd):
    """With ALGS of several kinds, a file may change from one kind to another, but not to a secret."""
    kinds = {kind: token.make_key(kind) for kind in ("rsa2048", "p256", "ed25519", "p384")}
    algs = {"rsa2048": "RS256", "p256": "ES256", "ed25519": "Ed25519", "p384": "ES384"}
    tokens = {kind: token.publisher(key=private, alg=algs[kind]) for kind, (private, _) in kinds.items()}
    row = f"MercurePublisherKey {token.ISSUER} RS256,ES256,EdDSA file:conf/key"
    for kind in ("ed25519", "p256", "rsa2048"):
        httpd.write("conf/key", kinds[kind][1])
        assert httpd.configtest(hub(row, keys=False)).ok, kind
    httpd.start()
    assert {kind: status_of(httpd, text) for kind, text in tokens.items()} == {
        "rsa2048": 200, "p256": 401, "ed25519": 401, "p384": 401}
    for old, new in (("rsa2048", "p256"), ("p256", "ed25519"), ("ed25519", "rsa2048")):
        replace(httpd, "conf/key", kinds[new][1])
        wait_status(httpd, tokens[new], 200)
        wait_status(httpd, tokens[old], 401)
    for name, content, words in (
            ("a curve without an algorithm", kinds["p384"][1], "none of the configured algorithms fits an EC public key"),
            ("a secret", "0123456789abcdef" * 4, "RS256 needs a public key")):
        httpd.expect_log(rf"mercure:warn.*/conf/key has changed, and cannot be used: {words}")
        replace(httpd, "conf/key", content)
        httpd.wait_log(words)
        assert status_of(httpd, tokens["rsa2048"]) == 200, name
        assert status_of(httpd, tokens["p384"]) == 401
        replace(httpd, "conf/key", kinds["rsa2048"][1])


@pytest.mark.sanitize
def test_jwk_set_may_come_late_and_rotate(httpd, jwks):
    """
    The set's server is down when httpd starts. It comes up, goes down while the children are killed, and
    then rotates the keys under load.
    """
    first, second = Key("first"), Key("second")
    row = f"MercurePublisherKey {token.ISSUER} ES256 {jwks.url()}"
    httpd.expect_log(r"mercure:warn.*the JWK Set https://localhost:\d+/jwks cannot be fetched: .*"
                     r"No token of its issuer is accepted until then")
    assert httpd.configtest(config(httpd, jwks, row)).ok
    httpd.start()
    httpd.wait_log("cannot be fetched")
    refused = httpd.publish(TOPIC, "x", token=first.token(), status=503)
    assert 1 <= int(refused.header("Retry-After")) <= 15 and "try again" in refused.json["detail"]
    httpd.wait_log(rf'mercure:info.*refuses a token: issuer "{token.ISSUER}", kid "first": the keys of this '
                   "issuer have not been fetched yet")
    assert status_of(httpd, first.token(iss="https://other.example")) == 401
    # Other keys of the hub are not affected.
    assert status_of(httpd, "nonsense") == 401

    jwks.answers["/jwks"] = (200, {}, jwk_set(first))
    jwks.start()
    wait_status(httpd, first.token(), 200)
    # httpd keeps the set although its children and the set's server are gone.
    jwks.stop()
    for pid in httpd.children():
        httpd.kill_child(pid)
    wait_until(httpd.children, what="new children")
    assert [status_of(httpd, first.token()) for _ in range(8)] == [200] * 8

    httpd.expect_log(r"cannot be fetched: .*The keys that were fetched before stay in force", required=False)
    jwks.answers["/jwks"] = (200, {}, jwk_set(second, first))
    jwks.start()
    done, answers = threading.Event(), []

    def load(key):
        bearer = key.token()
        while not done.is_set():
            answers.append((key, status_of(httpd, bearer)))

    threads = [threading.Thread(target=load, args=(first,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        wait_status(httpd, second.token(), 200)
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert {status for _, status in answers} == {200}, "the rotation broke a request"
    # However many unknown keys come, there is one fetch in half a minute, and the last one was just now.
    hits = jwks.hits["/jwks"]
    unknown = Key("unknown")
    for _ in range(20):
        assert status_of(httpd, unknown.token()) == 401
    assert jwks.hits["/jwks"] <= hits + 1
    # The issuer withdraws the first key; a reload fetches at once.
    jwks.answers["/jwks"] = (200, {}, jwk_set(second))
    httpd.graceful()
    wait_status(httpd, first.token(), 401)
    wait_status(httpd, second.token(), 200)


def test_unusable_jwk_sets_are_refused_with_their_reason(httpd, jwks, new_jwks):
    """Every fault of a server is logged with its reason; other answers are accepted."""
    key = Key("key")
    good = jwk_set(key)
    plain = httpd.add_port()
    stranger = new_jwks()
    stranger.answers["/stranger"] = (200, {}, good)
    largest = good + " " * (256 * 1024 - len(good))
    jwks.answers = {
        "/good": (200, {}, good), "/largest": (200, {}, largest),
        "/moved": (302, {"Location": jwks.url("/good")}, ""),
        "/longer": (200, {}, largest + " "), "/error": (500, {}, good), "/text": (200, {}, "no JSON at all"),
        "/html": (200, {}, "<html>"), "/pem": (200, {}, key.public), "/one": (200, {}, json.dumps(key.jwk)),
        "/empty": (200, {}, '{"keys":[]}'),
        "/rsa": (200, {}, '{"keys":[{"kty":"oct","k":"' + "A" * 64 + '"}]}'),
        "/plain": (302, {"Location": f"http://127.0.0.1:{plain}/good"}, ""),
        "/loop": (302, {"Location": jwks.url("/loop")}, ""),
        "/file": (302, {"Location": "file:///etc/passwd"}, ""),
    }
    # Forms that servers send unasked: encoded, with a byte order mark, with many other keys.
    encryption = {**Key("other").jwk, "use": "enc", "alg": "ECDH-ES"}
    nulls = {**key.jwk, "use": None, "alg": None, "key_ops": None, "x5c": None, "name": "a\0b"}
    accepted = {
        "/gzip": ({"Content-Encoding": "gzip"}, gzip.compress(good.encode())),
        "/deflate": ({"Content-Encoding": "deflate"}, zlib.compress(good.encode())),
        "/twice": ({"Content-Encoding": "gzip, gzip"}, gzip.compress(gzip.compress(good.encode()))),
        "/largest-gzip": ({"Content-Encoding": "gzip"}, gzip.compress(largest.encode())),
        "/mark": ({}, "\ufeff" + good),
        "/many": ({}, json.dumps({"keys": [encryption] * 300 + [key.jwk]})),
        "/nulls": ({}, json.dumps({"keys": [nulls]})),
        "/surrogate": ({}, good[:-1] + ',"x":"\\ud83d","y":' + "[" * 99 + "]" * 99 + "}"),
    }
    jwks.answers |= {name: (200, *answer) for name, answer in accepted.items()}
    encoded = {"Content-Encoding": "gzip"}
    jwks.answers |= {
        "/bomb": (200, encoded, gzip.compress(b" " * (100 << 20), 9)),
        "/bomb-twice": (200, {"Content-Encoding": "gzip, gzip"}, gzip.compress(gzip.compress(b" " * (100 << 20), 9))),
        "/empty-blocks": (200, encoded, gzip.compress(b"")[:10] + b"\0\0\0\xff\xff" * 60000),
        "/broken-gzip": (200, encoded, gzip.compress(good.encode())[:-20]),
        "/not-gzip": (200, encoded, good), "/unknown": (200, {"Content-Encoding": "rot13"}, good),
        "/too-many": (200, {}, json.dumps({"keys": [{**key.jwk, "kid": str(n)} for n in range(65)]})),
    }
    httpd.write("htdocs/good", good)
    reasons = {
        "/bomb": "it is longer than 262144 bytes", "/bomb-twice": "it is longer than 262144 bytes",
        "/empty-blocks": "it is longer than 262144 bytes", "/broken-gzip": "", "/not-gzip": "ncod", "/unknown": "ncod",
        "/too-many": "more than 64 usable keys",
        "/longer": "it is longer than 262144 bytes", "/error": "status 500", "/text": "not a JWK Set",
        "/html": "not a JWK Set", "/pem": "not a JWK Set", "/one": "no member keys", "/empty": "no usable key", "/rsa": "no usable key",
        "/plain": "http", "/loop": "redirects", "/file": "file", "/missing": "status 404",
    }
    urls = {name: jwks.url(name) for name in (*jwks.answers, "/missing")}
    urls["/stranger"] = stranger.url("/stranger")
    urls["/name"] = jwks.url("/good", host="127.0.0.1")
    reasons |= {"/stranger": "certificate", "/name": "127.0.0.1'"}
    for name, reason in reasons.items():
        httpd.expect_log(rf"mercure:warn.*the JWK Set {re.escape(urls[name])} cannot be (fetched|used): .*{reason}")
    # A server of this test that answers too late, because it gets little CPU time, is asked again.
    httpd.expect_log(r"the JWK Set .* cannot be fetched: .*timed out", required=False)
    text = config(httpd, jwks, *(f"MercureKey https://issuer.example{name} ES256 {url}"
                                 for name, url in urls.items()))
    jwks.start()
    stranger.start()
    assert httpd.configtest(text).ok and not jwks.hits and not stranger.hits, "configtest must not connect"
    httpd.start()
    for name in ("/good", "/moved", "/largest", *accepted):
        wait_status(httpd, key.token(iss=f"https://issuer.example{name}"), 200)
    for name, reason in reasons.items():
        httpd.wait_log(rf"the JWK Set {re.escape(urls[name])} cannot be (fetched|used): .*{reason}", 60)
        assert status_of(httpd, key.token(iss=f"https://issuer.example{name}")) == 503
    # Requests do not fetch, and only one child fetches.
    assert "timed out" in httpd.log() or (jwks.hits["/moved"] == 1 and jwks.hits["/largest"] == 1)
    assert not os.path.exists(httpd.access_log) or "/good" not in open(httpd.access_log, encoding="utf-8").read()


def test_configtest_checks_urls_and_the_authoritys_file(httpd, jwks):
    httpd.write("conf/none.pem", "no certificate")
    rows = [
        ("RS256 http://a.example/jwks", "https://"), ("HS256 https://a.example/jwks", "HS256 needs a secret"),
        ("HS256,RS256 https://a.example/jwks", "HS256 needs a secret"), ("RS256 https://", "not a valid URL"),
        ("RS256 https:///jwks", "not a valid URL"), ("RS256 https://u:S3CRET@a.example/", "user"),
        ("RS256 https://a.example/#x", "fragment"), ("RS256 'https://a.example/ x'", "not a valid URL"),
        (f"RS256 https://a.example/{'x' * 2031}", "2048"),
    ]
    for args, words in rows:
        result = httpd.configtest(hub(f"MercureKey https://a.example {args}", keys=False))
        assert not result.ok and "MercureKey" in result.output and words in result.output, (args, result)
        assert "S3CRET" not in result.output
    longest = f"MercureKey https://a.example RS256 https://a.example/{'x' * 2030}"
    assert httpd.configtest(hub(longest, keys=False)).ok
    for path, words in (("conf/none.pem", "no certificate"), ("conf/missing", "No such file"), ("conf", "read")):
        result = httpd.configtest(f"MercureJwksCACertificateFile {path}\n")
        assert not result.ok and "MercureJwksCACertificateFile" in result.output and words in result.output, result
    assert httpd.configtest(config(httpd, jwks)).ok


def test_configtest_opens_nothing_but_regular_files(httpd):
    """A pipe would block any process that opens it, and its writer would find a reader."""
    os.mkfifo(httpd.path("conf/pipe"))
    os.mkdir(httpd.path("conf/folder"))
    httpd.write("conf/large", "x" * (256 * 1024 + 1))
    os.symlink("pipe", httpd.path("conf/link"))
    texts = [hub(f"MercureKey {token.ISSUER} HS256 file:{{}}", keys=False),
             hub("MercureLegacyKey HS256 file:{}", keys=False), "MercureJwksCACertificateFile {}\n"]
    for name in ("conf/pipe", "conf/link", "conf/folder", "/dev/zero"):
        for text in texts:
            result = httpd.configtest(text.format(name))
            assert not result.ok and "it is not a regular file" in result.output, (name, text, result)
    for text in texts[:2]:
        result = httpd.configtest(text.format("conf/large"))
        assert not result.ok and "longer than 262144 bytes" in result.output, result
    # A history does not go through a pipe either.
    result = httpd.configtest(hub(f"MercureStore lmdb {httpd.path('conf/pipe')}"))
    assert not result.ok and "is not a directory" in result.output
    with pytest.raises(OSError):  # nothing reads the pipe
        os.close(os.open(httpd.path("conf/pipe"), os.O_WRONLY | os.O_NONBLOCK))
    # A pipe that replaces a file of a running server changes nothing.
    httpd.write("conf/key", PUBLISHER)
    httpd.start(hub(f"MercurePublisherKey {token.ISSUER} HS256 file:conf/key", keys=False))
    httpd.expect_log(r"mercure:warn.*the key file .*/conf/key cannot be read \(.*\): the keys that were read before "
                     "stay in force")
    os.rename(httpd.path("conf/pipe"), httpd.path("conf/key"))
    httpd.wait_log("stay in force")
    assert status_of(httpd, token.publisher(key=PUBLISHER)) == 200


@pytest.mark.mpm("event", "prefork")
@pytest.mark.parametrize("how", ["missing", "short", "pipe", "large", "unreadable"])
def test_a_reload_keeps_the_keys_of_a_bad_file(httpd, how):
    """configtest refuses the configuration and a start fails; a running server keeps the keys, and says so."""
    httpd.write("conf/key", PUBLISHER)
    rows = [f"MercurePublisherKey {token.ISSUER} HS256 file:conf/key"]
    httpd.start(hub(*rows, keys=False))
    bearer = token.publisher(key=PUBLISHER)
    assert status_of(httpd, bearer) == 200
    os.unlink(httpd.path("conf/key"))
    if how == "short":
        httpd.write("conf/key", "short")
    elif how == "pipe":
        os.mkfifo(httpd.path("conf/key"))
    elif how == "large":
        httpd.write("conf/key", "x" * (256 * 1024 + 1))
    elif how == "unreadable":
        os.mkdir(httpd.path("conf/key"))
    assert not httpd.configtest().ok
    httpd.expect_log(r"mercure:error.*MRC0224: after this reload, .*conf/key.*keys that this file had before stay in")
    # The children also watch the file.
    httpd.expect_log(r"mercure:warn.*MRC02(19|20).*stay in force", required=False)
    httpd.graceful()
    assert [status_of(httpd, bearer) for _ in range(8)] == [200] * 8
    httpd.restart()
    assert [status_of(httpd, bearer) for _ in range(8)] == [200] * 8
    # A key that is good again is in force without a reload.
    os.rename(httpd.path("conf/key"), httpd.path("conf/bad")) if how != "missing" else None
    replace(httpd, "conf/key", PUBLISHER[::-1])
    wait_status(httpd, token.publisher(key=PUBLISHER[::-1]), 200)
    assert status_of(httpd, bearer) == 401


def test_a_reload_with_new_keys_that_are_missing_serves_the_rest(httpd):
    """A new Location whose key cannot be read has no keys; a running server cannot get a new variable."""
    httpd.start(hub())
    good = token.publisher()
    other = "/other"
    httpd.expect_log(r"mercure:error.*MRC0224.*conf/new cannot be read: No such file")
    httpd.expect_log(r"mercure:error.*MRC0224.*the environment variable MRC_NONE is not set")
    httpd.expect_log(r"mercure:error.*MRC0224.*MercureJwksCACertificateFile conf/none.pem: the file cannot be read")
    httpd.expect_log("mercure:warn.*MRC0219.*conf/new cannot be read", required=False)
    httpd.graceful("MercureJwksCACertificateFile conf/none.pem\n" + hub() +
                   hub("MercurePublisherKey https://a.example HS256 file:conf/new",
                       "MercurePublisherKey https://b.example HS256 env:MRC_NONE", path=other))
    assert [status_of(httpd, good) for _ in range(4)] == [200] * 4
    for issuer in ("https://a.example", "https://b.example"):
        bearer = token.publisher(key=PUBLISHER, iss=issuer, aud=f"https://hub.example{other}")
        assert httpd.publish(TOPIC, "x", token=bearer, path=other, status=None).status == 503, issuer
    httpd.write("conf/new", PUBLISHER)
    bearer = token.publisher(key=PUBLISHER, iss="https://a.example", aud=f"https://hub.example{other}")
    wait_until(lambda: httpd.publish(TOPIC, "x", token=bearer, path=other, status=None).status == 200,
               what="the new key")
    assert not httpd.configtest().ok
    # A mistake in the text still ends httpd, as any mistake does: the text can be checked beforehand.
