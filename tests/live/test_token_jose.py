"""mercure-token --check with tokens of the npm package jose; and a table that is made with npm packages."""
import json
import os
import subprocess

import pytest

from env.httpd import find_module

HERE = os.path.dirname(os.path.abspath(__file__))
NODE_TESTS = os.path.join(HERE, "../node")

ALGORITHMS = ["HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512",
              "ES256", "ES384", "ES512", "EdDSA", "Ed25519"]
FORMS = ["raw", "jwk", "set"]

REFUSED = {
    "other_key": "signature does not match",
    "id_token": 'typ is "JWT"; at+jwt is expected',
    "expired": "(exp)",
    "early": "(nbf)",
    "forever": "there is no exp",
    "elsewhere": 'the audience (aud) is "https://x.example"',
}


def mercure_token():
    """The program that was built along with the module."""
    build = os.environ.get("MERCURE_BUILD")
    folder = build or os.path.dirname(os.path.dirname(os.path.abspath(find_module())))
    return os.path.join(folder, "mercure-token")


def node(script):
    """The output of SCRIPT of tests/node."""
    own = os.path.join(NODE_TESTS, "node_modules/.bin/node")
    program = own if os.path.exists(own) else "node"
    return subprocess.run([program, script], cwd=NODE_TESTS, check=True, capture_output=True,
                          text=True, timeout=120).stdout


@pytest.fixture(scope="module")
def made():
    return json.loads(node("make-tokens.mjs"))


def check(token, key, alg, tmp_path):
    """The exit status and the output of mercure-token --check for TOKEN."""
    key_file = tmp_path / "key"
    key_file.write_text(key)
    done = subprocess.run(
        [mercure_token(), "--check", "-", "--key", f"@{key_file}", "--alg", alg, "--iss",
         "https://issuer.example", "--aud", "https://hub.example/.well-known/mercure"],
        input=token, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    return done.returncode, done.stdout


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("alg", ALGORITHMS)
def test_tokens_made_by_jose_are_accepted_or_refused(made, alg, form, tmp_path):
    tokens, key = made[alg]["tokens"], made[alg][form]
    for name in ("good", "no_kid", "fraction"):
        status, words = check(tokens[name], key, alg, tmp_path)
        assert (status, words.splitlines()[0]) == (0, "accepted"), name
        assert 'subscribe  exact https://example.com/books/1 payload {"name":"é","n":0.1}' in words
        assert "publish    exact https://example.com/books/1" in words
    for name, why in REFUSED.items():
        status, words = check(tokens[name], key, alg, tmp_path)
        assert status == 1 and words.startswith("refused: ") and why in words, name
    # kid is a hint: it chooses among keys with ids.
    status, words = check(tokens["other_kid"], key, alg, tmp_path)
    assert status == (0 if form == "raw" else 1), words


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_token_is_refused_with_a_key_of_another_algorithm(made, alg, tmp_path):
    """A token of each algorithm, checked with the key of each other algorithm."""
    for other in ALGORITHMS:
        if other == alg:
            continue
        status, words = check(made[alg]["tokens"]["good"], made[other]["raw"], other, tmp_path)
        assert status == 1 and words.startswith("refused: "), other


def test_public_key_is_not_taken_for_a_secret(made, tmp_path):
    """Algorithm confusion is impossible: the configuration itself is refused."""
    key_file = tmp_path / "key"
    key_file.write_text(made["RS256"]["raw"])
    done = subprocess.run([mercure_token(), "--check", made["RS256"]["tokens"]["good"], "--key",
                           f"@{key_file}", "--alg", "HS256"],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "HS256 needs a secret, but this is an RSA public key" in done.stderr


def test_format_characters_are_those_of_unicode_17():
    """The table in the sources is the output of its script."""
    with open(os.path.join(HERE, "../../src/core/base/utf8_cf.h"), encoding="ascii") as table:
        assert table.read() == node("make-utf8-cf.mjs")
