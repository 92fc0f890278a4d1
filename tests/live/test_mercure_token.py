"""mercure-token: the tokens it makes, what it refuses, and its messages."""
import base64
import json
import os
import re
import subprocess
import time

import pytest

from env.httpd import find_module
from env.hub import hub

ISSUER = "https://issuer.example"
AUDIENCE = "https://hub.example/.well-known/mercure"
SECRET = "0123456789abcdef0123456789abcdef"
WHO = ["--iss", ISSUER, "--aud", AUDIENCE]


def program():
    folder = os.environ.get("MERCURE_BUILD") or os.path.dirname(
        os.path.dirname(os.path.abspath(find_module())))
    return os.path.join(folder, "mercure-token")


def run(*arguments, stdin=""):
    return subprocess.run([program(), *arguments], input=stdin, capture_output=True, text=True,
                          timeout=60)


def make(*arguments, **more):
    done = run(*WHO, "--key", SECRET, *arguments, **more)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def decode(token):
    """Header and claims."""
    return tuple(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
                 for part in token.split(".")[:2])


def test_a_token_carries_every_claim_of_rfc_9068():
    before = int(time.time())
    header, claims = decode(make("--publish", "a", "--publish", "b", "--subscribe-urlpattern",
                                 "https://example.com/:id", "--payload", '{"x": [1, 0.1, "é"]}',
                                 "--kid", "k", "--ttl", "90"))
    assert header == {"alg": "HS256", "typ": "at+jwt", "kid": "k"}
    detail = {"type": "https://mercure.rocks/authorization-detail"}
    assert claims.pop("authorization_details") == [
        {**detail, "actions": ["publish"], "topics": [{"match": "a"}, {"match": "b"}]},
        {**detail, "actions": ["subscribe"], "payload": {"x": [1, 0.1, "é"]},
         "topics": [{"match": "https://example.com/:id", "match_type": "urlpattern"}]}]
    assert before <= claims["iat"] <= time.time() and claims["exp"] == claims["iat"] + 90
    assert (claims["iss"], claims["aud"], claims["client_id"]) == (ISSUER, AUDIENCE, ISSUER)
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
                        claims["jti"])
    assert claims["sub"].startswith("urn:uuid:") and claims["sub"] != claims["jti"]
    assert set(claims) == {"iss", "exp", "aud", "sub", "client_id", "iat", "jti"}


def test_options_set_the_claims():
    _, claims = decode(make("--sub", "s", "--client-id", "c", "--aud", "https://other.example/"))
    assert (claims["sub"], claims["client_id"]) == ("s", "c")
    assert claims["aud"] == [AUDIENCE, "https://other.example/"]
    assert claims["authorization_details"] == []
    assert claims["exp"] == claims["iat"] + 3600
    for ttl, seconds in (("1", 1), ("5s", 5), ("2m", 120), ("3h", 10800), ("1d", 86400)):
        _, claims = decode(make("--ttl", ttl))
        assert claims["exp"] == claims["iat"] + seconds


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_key_can_come_from_a_file_or_standard_input(end, tmp_path):
    key = tmp_path / "key"
    key.write_bytes((SECRET + end).encode())
    token = make("--publish", "*")
    for source, stdin in ((f"@{key}", ""), ("@-", SECRET + end)):
        done = run("--check", token, "--key", source, *WHO, stdin=stdin)
        assert done.returncode == 0, done.stdout
    done = run(*WHO, "--key", f"@{key}", "--publish", "*")
    assert run("--check", "-", "--key", SECRET, *WHO, stdin=done.stdout).returncode == 0


def test_check_lists_the_grants():
    token = make("--publish", "*", "--subscribe", "/a", "--subscribe-urlpattern", "/b/:id", "--payload",
                 '{"a":1}', "--sub", "alice")
    done = run("--check", token, "--key", SECRET, *WHO)
    assert done.returncode == 0 and done.stderr == ""
    lines = [re.sub(r"\s+", " ", line.strip()) for line in done.stdout.splitlines()]
    assert lines[:3] == ["accepted", f"issuer {ISSUER}", "subject alice"]
    assert re.fullmatch(r"expires \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ, in 3\d\d\d s", lines[3])
    assert lines[4:] == ["publish everything *", 'subscribe exact /a payload {"a":1}',
                         'subscribe urlpattern /b/:id payload {"a":1}']
    done = run("--check", make(), "--key", SECRET)
    assert "it does not allow publishing" in done.stdout
    assert "it does not allow receiving private updates" in done.stdout
    assert "the issuer was not compared" in done.stdout
    assert "was not compared (no --aud)" in done.stdout


@pytest.mark.parametrize("who", [WHO, ["--legacy"]])
def test_check_prints_payloads_without_commands_for_the_terminal(who):
    """C1 characters, which may be commands, and format characters, which change the order of others, get escapes."""
    payload = {"name": "\u009b2J\u202eé\U000e0001\x7f\n"}
    made = run(*who, "--key", SECRET, "--subscribe", "*", "--payload", json.dumps(payload))
    assert (made.returncode, made.stderr) == (0, "")
    done = run("--check", made.stdout.strip(), "--key", SECRET, *who)
    assert done.returncode == 0 and done.stderr == ""
    for each in "\u009b\u202e\U000e0001\x7f":
        assert each not in done.stdout
    shown, = re.findall(r"payload +(.*)", done.stdout)
    assert json.loads(shown) == payload and "é" in shown


def test_check_says_why_a_token_is_refused():
    token = make("--publish", "*", "--kid", "k")
    for arguments, words in (
            (["--iss", "https://x.example"], "this issuer is not trusted here"),
            (["--aud", "https://x.example"], 'this hub expects "https://x.example"'),
            (["--key", SECRET + "x"], "the HS256 signature does not match"),
            (["--alg", "HS384", "--key", SECRET + SECRET], "HS256 is not configured")):
        if "--key" not in arguments:
            arguments = ["--key", SECRET, *arguments]
        done = run("--check", token, *arguments)
        assert done.returncode == 1
        assert done.stdout.startswith(f'refused: issuer "{ISSUER}", kid "k": '), done.stdout
        assert words in done.stdout
        assert token[:20] not in done.stdout
    done = run("--check", "nonsense", "--key", SECRET)
    assert (done.returncode, done.stdout) == (
        1, "refused: a token has three parts separated by dots; this one has 1\n")


def test_check_uses_the_tokens_algorithm_by_default(tmp_path):
    private, public = str(tmp_path / "private"), str(tmp_path / "public")
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", private], check=True)
    subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True)
    token = run(*WHO, "--key", f"@{private}", "--alg", "EdDSA", "--publish", "*").stdout.strip()
    done = run("--check", token, "--key", f"@{public}", *WHO)
    assert done.returncode == 0 and "the algorithm, EdDSA, was not compared (no --alg)" in done.stdout, done
    done = run("--check", token, "--key", f"@{public}", "--alg", "EdDSA", *WHO)
    assert done.returncode == 0 and "compared" not in done.stdout
    done = run("--check", token, "--key", f"@{public}", "--alg", "ES256,Ed25519", *WHO)
    assert done.returncode == 0 and "compared" not in done.stdout
    token = run(*WHO, "--key", f"@{private}", "--alg", "Ed25519", "--publish", "*").stdout.strip()
    assert decode(token)[0]["alg"] == "Ed25519"
    done = run("--check", token, "--key", f"@{public}", "--alg", "EdDSA", *WHO)
    assert done.returncode == 0 and "compared" not in done.stdout
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed448", "-out", private], check=True)
    subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True)
    token = run(*WHO, "--key", f"@{private}", "--alg", "EdDSA", "--publish", "*").stdout.strip()
    assert run("--check", token, "--key", f"@{public}", "--alg", "Ed448", *WHO).returncode == 0
    for token in (make("--publish", "*"), "nonsense"):
        done = run("--check", token, "--key", f"@{public}", *WHO)
        assert done.returncode == 2 and "HS256 needs a secret" in done.stderr


def test_tokens_of_protocol_0x_are_made_and_checked():
    before = int(time.time())
    made = run("--legacy", "--key", SECRET, "--publish", "*", "--subscribe", "https://example.com/{id}",
               "--subscribe", "/b", "--payload", '"any JSON"', "--kid", "k", "--ttl", "90")
    assert (made.returncode, made.stderr) == (0, "")
    header, claims = decode(made.stdout.strip())
    assert header == {"alg": "HS256", "typ": "JWT", "kid": "k"}
    assert claims.pop("mercure") == {"publish": ["*"], "subscribe": ["https://example.com/{id}", "/b"],
                                     "payload": "any JSON"}
    assert before <= claims.pop("iat") <= time.time() and claims.keys() == {"exp"}
    token = made.stdout.strip()
    done = run("--check", token, "--legacy", "--key", SECRET)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [re.sub(r"\s+", " ", line.strip()) for line in done.stdout.splitlines()]
    assert lines[0] == "accepted" and lines[1].startswith("expires ")
    assert lines[2:] == ["publish everything *", "subscribe template https://example.com/{id}",
                         "subscribe template /b", 'payload "any JSON"']
    # A token of one protocol is refused as one of the other, and the message names its protocol.
    done = run("--check", token, "--key", SECRET, *WHO)
    assert done.returncode == 1 and "at+jwt is expected" in done.stdout
    assert "it is a token of protocol 0.x: add --legacy" in done.stdout
    done = run("--check", make("--publish", "a"), "--legacy", "--key", SECRET)
    assert done.returncode == 1 and "it is a token of version 1: leave out --legacy" in done.stdout
    done = run("--check", token, "--legacy", "--key", SECRET + "x")
    assert done.returncode == 1 and "the HS256 signature does not match" in done.stdout
    done = run("--check", make("--publish", "a"), "--key", SECRET + "x", *WHO)
    assert done.returncode == 1 and "--legacy" not in done.stdout
    done = run("--check", token, "--legacy", "--key", "short")
    assert done.returncode == 1 and done.stderr.startswith("mercure-token: warning: the secret has 5 bytes")
    _, claims = decode(run("--legacy", "--key", SECRET, "--sub", "s").stdout.strip())
    assert claims["sub"] == "s" and claims["mercure"] == {"publish": [], "subscribe": []}


@pytest.mark.mpm("event")
def test_hub_decides_as_check_says(httpd):
    """The hub accepts the tokens that --check accepts, and no others, of both protocols."""
    aud = "https://hub.example/.well-known/mercure"
    httpd.start(hub(f"MercureKey {ISSUER} HS256 {SECRET}", f"MercureLegacyKey HS256 {SECRET}", keys=False))
    for arguments, who in ((["--legacy"], ["--legacy"]), (["--iss", ISSUER, "--aud", aud],) * 2):
        for topic, status in (("https://example.com/a", 200), ("https://example.com/b", 403)):
            minted = run(*arguments, "--key", SECRET, "--publish", "https://example.com/a").stdout.strip()
            assert run("--check", minted, "--key", SECRET, *who).returncode == 0
            httpd.publish(topic, "x", token=minted, status=status)
        wrong = run(*arguments, "--key", SECRET[::-1], "--publish", "*").stdout.strip()
        assert run("--check", wrong, "--key", SECRET, *who).returncode == 1
        httpd.publish("https://example.com/a", "x", token=wrong, status=401)


@pytest.mark.parametrize("arguments, words", [
    ([], "--key is missing"),
    (["--key", SECRET], "--iss is missing"),
    (["--key", SECRET, "--iss", "i"], "--aud is missing"),
    (["--key", "", *WHO], "the key is empty"),
    (["--key", "${X}", *WHO], "still holds ${"),
    (["--key", "@/nonexistent", *WHO], "/nonexistent: No such file"),
    (["--key", SECRET, *WHO, "--alg", "none"], "--alg none"),
    (["--key", SECRET, *WHO, "--alg", "RS256"], "a private key in PEM"),
    (["--key", "-----BEGIN PRIVATE KEY-----\n", *WHO, "--publish", "a"], "name the algorithm of the private key with --alg"),
    (["--key", SECRET, *WHO, "--ttl", "0"], "--ttl 0"),
    (["--key", SECRET, *WHO, "--ttl", "-1"], "--ttl -1"),
    (["--key", SECRET, *WHO, "--ttl", "1w"], "--ttl 1w"),
    (["--key", SECRET, *WHO, "--ttl", "99999999999999999999"], "--ttl 9"),
    (["--key", SECRET, *WHO, "--payload", "{}"], "--payload needs --subscribe"),
    (["--key", SECRET, *WHO, "--subscribe", "a", "--payload", "[]"], "must be a JSON object"),
    (["--key", SECRET, *WHO, "--subscribe", "a", "--payload", "{"], "must be a JSON object"),
    (["--key", SECRET, *WHO, "--publish", "a\tb"], "the control character U+0009"),
    (["--key", SECRET, *WHO, "--iss", "x"], "--iss is given twice"),
    (["--key", SECRET, *WHO, "rest"], "unexpected argument: rest"),
    (["--bogus"], "--bogus: no such option"),
    (["--key"], "--key: no such option, or its value is missing"),
    (["--legacy", "--key", SECRET, "--publish-urlpattern", "/:a"], "no URL Patterns"),
    (["--legacy", "--key", SECRET, *WHO], "--legacy cannot be combined with --iss"),
    (["--legacy", "--key", SECRET, "--subscribe", "a", "--payload", "{"], "must be JSON"),
    (["--check", "a.b.c", "--legacy", "--key", SECRET, "--iss", "x"], "--legacy cannot be combined with --iss and --aud"),
    (["--check", "a.b.c"], "--key is missing"),
    (["--check", "-", "--key", "@-"], "only one of --check and --key"),
    (["--check", "a.b.c", "--key", SECRET, "--publish", "a"], "--check cannot be combined with --publish"),
    (["--check", "a.b.c", "--key", SECRET, "--alg", "HS256,x"], '"x" is not an algorithm'),
    (["--check", "a.b.c", "--key", "short"], "the secret has 5 bytes; HS256 needs 32"),
])
def test_bad_usage_prints_one_line_and_returns_2(arguments, words):
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"mercure-token: [^\n]+\n", done.stderr), done.stderr
    assert words in done.stderr
    assert SECRET not in done.stderr


def test_help_is_printed_and_a_short_secret_warned_of():
    done = run("--help")
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("Usage: mercure-token ")
    done = run(*WHO, "--key", "short", "--publish", "a")
    assert done.returncode == 0 and done.stdout.count(".") == 2
    assert done.stderr.startswith("mercure-token: warning: the secret has 5 bytes")
