"""tools/mercure-hub takes over from the Go hub: the documented command lines work as they are."""
import json
import os
import re
import subprocess
import urllib.parse

import pytest

from env import http, sse, token
from env.hub import PATH
from env.token import ISSUER, PUBLISHER_KEY, SUBSCRIBER_KEY, make_key
from test_launcher import LAUNCHER, assert_refused, env, folder, hub_lines, launch, serving  # noqa: F401 (fixtures)
from test_legacy import FORM, bearer, old

pytestmark = pytest.mark.mpm("event")

SECRETS = {"MERCURE_PUBLISHER_JWT_KEY": "your-publisher-secret", "MERCURE_SUBSCRIBER_JWT_KEY": "your-subscriber-secret"}
KEY = "a key of 32 bytes for an issuer!"


@pytest.fixture
def go(env):  # noqa: F811
    """The environment of a user of the Go hub, with a port of the loopback interface."""
    del env["MERCURE_TRUSTED_ISSUERS"]
    return env | SECRETS | {"MERCURE_MAX_SUBSCRIBERS": "100"}


def post(port, minted, topic="a", data="hello", **more):
    body = urllib.parse.urlencode({"topic": topic, "data": data})
    return http.request(port, "POST", PATH, [("Content-Type", FORM), *bearer(minted)], body, **more)


def translated(env, text, **variables):  # noqa: F811
    """The lines for httpd that MERCURE_EXTRA_DIRECTIVES is translated to."""
    status, config, stderr = launch({**env, **variables, "MERCURE_EXTRA_DIRECTIVES": text}, "--print-config")
    assert status == 0, stderr
    return config.partition("# extra.conf:\n")[2].splitlines()


# ---- documented command lines ----------------------------------------------------------------------

def test_documented_docker_command_serves(go, folder):  # noqa: F811
    go |= {"MERCURE_EXTRA_DIRECTIVES": "cors_origins *", "MERCURE_ALLOW_ANONYMOUS": "1"}
    with serving(go, folder) as (port, log):
        for path in ("/healthz", "/health", "/health/ready"):
            assert http.request(port, "GET", path).json == {"status": "ok"}
        with sse.EventSource(port, f"{PATH}?topic=a", [("Origin", "https://any.example")]) as stream:
            assert stream.status == 200 and stream.response.header("Access-Control-Allow-Origin") == "*"
            sent = post(port, old(publish=["*"], key=SECRETS["MERCURE_PUBLISHER_JWT_KEY"]))
            assert sent.status == 200, sent
            assert stream.next().data == "hello"
        # The warnings on the short secrets name the variables, and no file that the launcher has written.
        for name, secret in SECRETS.items():
            assert f"({name}) is weak: the secret has {len(secret)} bytes" in log.read_text(), log.read_text()
        assert "httpd.conf:" not in log.read_text()


def test_documented_directives_of_several_lines_serve(go, folder):  # noqa: F811
    go["MERCURE_EXTRA_DIRECTIVES"] = ("anonymous\nsubscriptions\npublish_origins https://app.example\nheartbeat 30s\n"
                                      "transport bolt {\n    path /data/mercure.db\n}\n")
    with serving(go, folder) as (port, log):
        assert ("mercure-hub: MERCURE_EXTRA_DIRECTIVES: line 5: transport: the history is in files below "
                f"{folder}/data (MERCURE_STORE, MERCURE_DATA_DIR)") in log.read_text()
        with sse.EventSource(port, f"{PATH}?topic=a") as stream:
            assert stream.status == 200
        minted = old(subscribe=["*"], key=SECRETS["MERCURE_SUBSCRIBER_JWT_KEY"])
        assert http.request(port, "GET", f"{PATH}/subscriptions", bearer(minted)).status == 200
        cookie = [("Content-Type", FORM), ("Origin", "https://app.example"),
                  ("Cookie", "mercureAuthorization=" + old(publish=["*"], key=SECRETS["MERCURE_PUBLISHER_JWT_KEY"]))]
        assert http.request(port, "POST", PATH, cookie, "topic=a").status == 200
        cookie[1] = ("Origin", "https://other.example")
        assert http.request(port, "POST", PATH, cookie, "topic=a").status == 403


def test_playground_needs_no_keys(go, folder):  # noqa: F811
    for name in SECRETS:
        del go[name]
    go["MERCURE_EXTRA_DIRECTIVES"] = "\nplayground"
    with serving(go, folder) as (port, log):
        minted = http.request(port, "GET", f"{PATH}/debug/playground.json").json["token"]
        assert post(port, minted).status == 200
        assert f"url={PATH}/debug/" in http.request(port, "GET", "/").text
        assert re.search(r"INSECURE.*\(MERCURE_EXTRA_DIRECTIVES: line 2\)", log.read_text()), log.read_text()


@pytest.mark.parametrize("arguments, remark", [
    (["caddy", "run", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile"], "the Caddyfile is not read"),
    (["/usr/bin/caddy", "run", "-config", "/etc/caddy/Caddyfile.dev"], "dev.Caddyfile is not read"),
    (["./mercure", "run"], "the Caddyfile is not read")])
def test_command_line_of_caddy_is_one_remark(go, folder, arguments, remark):  # noqa: F811
    go |= {"GLOBAL_OPTIONS": "debug", "CADDY_EXTRA_CONFIG": "(x) {\nCADDY_NO=1\n}",
           "CADDY_SERVER_EXTRA_DIRECTIVES": "encode gzip"}
    with serving(go, folder, *arguments) as (port, log):
        remarks = [line for line in log.read_text().splitlines() if line.startswith("mercure-hub: ")]
        assert remarks[0].startswith(f"mercure-hub: caddy run: {remark}"), remarks
        assert remarks[1].startswith("mercure-hub: GLOBAL_OPTIONS CADDY_EXTRA_CONFIG CADDY_SERVER_EXTRA_DIRECTIVES: "
                                     "ignored"), remarks
        assert len(remarks) == 3 and "MERCURE_TRUSTED_ISSUERS is not set" in remarks[2], remarks
        development = "dev" in arguments[-1]
        with sse.EventSource(port, f"{PATH}?topic=a") as stream:
            assert stream.status == (200 if development else 401)
        assert http.request(port, "GET", f"{PATH}/debug/").status == (200 if development else 404)


def test_other_commands_of_caddy_are_refused(go):
    for command in (["caddy", "validate"], ["caddy"], ["caddy", "mercure-token", "--dev"]):
        status, _, stderr = launch(go, *command)
        assert status == 2 and re.fullmatch(r"mercure-hub: caddy ?[a-z-]*: [^\n]+\n", stderr), stderr


# ---- transports ------------------------------------------------------------------------------------

@pytest.mark.parametrize("url, history", [
    ("bolt://mercure.db?size=1000&cleanup_frequency=0.5", "MercureHistory count=1000"),
    ("bolt:///data/mercure.db", None), ("bolt://mercure.db?size=0", None), ("local://local", "MercureHistory Off")])
def test_transports_of_the_go_hub_are_accepted(go, folder, url, history):  # noqa: F811
    block = {"bolt": "transport bolt {\n path x\n size 1000\n bucket_name b\n}", "local": "transport local {\n}"}
    for variables in ({"MERCURE_TRANSPORT_URL": url}, {"MERCURE_EXTRA_DIRECTIVES": f"transport_url {url}"},
                      {"MERCURE_EXTRA_DIRECTIVES": block[url.split(":")[0]] if history else "transport bolt"}):
        hub = hub_lines({**go, **variables})[0]
        assert [line for line in hub if "MercureHistory" in line] == ([history] if history else []), hub
        assert any("MercureStore lmdb" in line for line in hub) == url.startswith("bolt"), hub
    with serving({**go, "MERCURE_TRANSPORT_URL": url}, folder) as (_, log):
        remark, = re.findall(r"^mercure-hub: MERCURE_TRANSPORT_URL: (.*MERCURE_STORE.*)$", log.read_text(), re.M)
        assert f"{folder}/data" in remark or "no history" in remark


@pytest.mark.parametrize("store", ["memory", "lmdb"])
def test_a_local_transport_has_the_history_that_the_store_says(go, folder, store):  # noqa: F811
    variables = {**go, "MERCURE_TRANSPORT_URL": "local://local", "MERCURE_STORE": store}
    hub = hub_lines(variables)[0]
    assert not any("MercureHistory" in line for line in hub), hub
    assert any("MercureStore lmdb" in line for line in hub) == (store == "lmdb"), hub
    with serving(variables, folder) as (_, log):
        remark, = re.findall(r"^mercure-hub: MERCURE_TRANSPORT_URL: the history is (.*MERCURE_STORE.*)$", log.read_text(), re.M)
        assert ("memory" in remark) == (store == "memory")


def test_directive_comes_before_the_variable_of_the_transport(go):
    hub = hub_lines({**go, "MERCURE_TRANSPORT_URL": "bolt://x?size=7", "MERCURE_EXTRA_DIRECTIVES": "transport bolt"})[0]
    assert not any("MercureHistory" in line for line in hub)


@pytest.mark.parametrize("url", ["redis://user:geheim@host", "rediss://:geheim@host stream=x", "postgres://geheim@host",
                                 "REDIS://geheim", "geheim", "bolt:geheim", "bolt://x?size=many"])
def test_other_transports_are_refused_without_showing_a_password(go, url):
    for variable in ("MERCURE_TRANSPORT_URL", "MERCURE_EXTRA_DIRECTIVES")[url.lower().startswith("redis"):]:
        value = url if variable == "MERCURE_TRANSPORT_URL" else f'transport_url "{url}"'
        status, output, stderr = launch({**go, variable: value}, "--print-config")
        assert (status, output) == (2, "") and re.fullmatch(rf"mercure-hub: {variable}: [^\n]+\n", stderr), stderr
        assert "geheim" not in stderr, stderr


# ---- translation -----------------------------------------------------------------------------------

TRANSLATED = [
    ("anonymous", ["MercureAnonymous On"]),
    ("\tanonymous # everybody\r\n  subscriptions\r\n", ["MercureAnonymous On", "MercureSubscriptions On", ""]),
    ("ui\ndebugger", ["MercureDebugger On"] * 2),
    ("demo", ["MercureDebugger On"]),  # the Go hub's demo gives out no token
    ("playground", ["MercurePlayground On"]),
    ("heartbeat 30s", ["MercureHeartbeat 30"]), ("heartbeat 0s", ["MercureHeartbeat 0"]),
    ("heartbeat\t1m30s", ["MercureHeartbeat 90"]), ("heartbeat 1000ms", ["MercureHeartbeat 1"]),
    ("write_timeout 1.5h", ["MercureConnectionLifetime 5400"]), ("write_timeout 1d", ["MercureConnectionLifetime 86400"]),
    ("dispatch_timeout \\\n 7s\nanonymous", ["MercureDispatchTimeout 7", "MercureAnonymous On"]),
    ("cors_origins *", ["MercureCorsOrigins *"]), ('cors_origins "*"', ["MercureCorsOrigins *"]),
    ("cors_origins https://a.example *", ["MercureCorsOrigins *"]),  # * alone counts, as in the Go hub
    ("cors_origins https://a.example http://b:81", ['MercureCorsOrigins "https://a.example"', 'MercureCorsOrigins "http://b:81"']),
    ("publish_origins https://*.a.example", ['MercurePublishOrigins "https://*.a.example"']),
    ("public_urls https://a.example/.well-known/mercure?x", ['MercurePublicURL "https://a.example"']),
    ("resource_identifier https://a.example/hub", ['MercureResourceIdentifier "https://a.example/hub"']),
    ("cookie_name `my\"name`", ['MercureCookieName "my\\"name"']),
    ('cookie_name "my\\"na\\me"', ['MercureCookieName "my\\"na\\\\me"']),
    ("max_request_body_size 1MiB", ["MercureLimit body=1048576"]),
    ("max_request_body_size 512KB", ["MercureLimit body=512000"]),
    ("max_request_body_size 1048577", ["MercureLimit body=1048577"]),
    # Placeholders: {$…} may stand for several words, {env.…} and quoted ones for one.
    ("cors_origins {$ORIGINS}", ['MercureCorsOrigins "https://a"', 'MercureCorsOrigins "https://b"']),
    ('cookie_name "{env.COOKIE}-1"', ['MercureCookieName "c-1"']),
    ("cookie_name {$NOT_SET:other}", ['MercureCookieName "other"']),
    ("cors_origins {$ORIGINS} {env.NOT_SET}", ['MercureCorsOrigins "https://a"', 'MercureCorsOrigins "https://b"']),
    # Lines of httpd stay as they are, and in their order.
    ("MercureAnonymous Off\nanonymous\nHeader set A '{env.HOME}' \\\n anonymous\n# anonymous\n\nsubscriptions",
     ["MercureAnonymous Off", "MercureAnonymous On", "Header set A '{env.HOME}' \\", " anonymous", "# anonymous", "",
      "MercureSubscriptions On"]),
    # httpd accepts its own names in any case; the names of a Caddyfile are in lower case.
    ("Anonymous guest\nHEADER unset B", ["Anonymous guest", "HEADER unset B"]),
]


@pytest.mark.parametrize("text, lines", TRANSLATED)
def test_directives_of_a_caddyfile_become_directives_of_httpd(go, text, lines):
    assert translated(go, text, ORIGINS="https://a https://b", COOKIE="c") == lines


def test_name_becomes_the_name_of_the_hub(go):
    assert hub_lines({**go, "MERCURE_EXTRA_DIRECTIVES": 'name "my hub"'})[0][0] == 'MercureHub On "name=my hub"'


def test_compatibility_enables_protocol_0x_beside_issuers(go):
    go["MERCURE_TRUSTED_ISSUERS"] = ISSUER
    go |= {"MERCURE_PUBLISHER_JWT_KEY": PUBLISHER_KEY, "MERCURE_SUBSCRIBER_JWT_KEY": SUBSCRIBER_KEY}
    text = "protocol_version_compatibility 8"
    assert not any("Legacy" in line for line in hub_lines(go)[0])
    hub = hub_lines({**go, "MERCURE_EXTRA_DIRECTIVES": text})[0]
    assert "MercureLegacyPublisherKey HS256 env:MERCURE_PUBLISHER_JWT_KEY" in hub
    assert_refused({**go, "MERCURE_EXTRA_DIRECTIVES": text, "MERCURE_LEGACY": "0"}, "MERCURE_EXTRA_DIRECTIVES: line 1",
                   "MERCURE_LEGACY=0")


REFUSED = [
    # These have no counterpart: the error says what to do instead.
    ("publish_origins *", 1, "Name the origins"), ("\nsubscriptions\npublish_origins https://a *", 3, "Name the origins"),
    ("dispatch_timeout 0s", 1, "MercureDispatchTimeout"), ("max_request_body_size 0", 1, "MercureLimit body="),
    ("topic_selector_cache -1", 1, "MercureLimit patterns="), ("topic_matcher_cache 0", 1, "remove the line"),
    ("cache 6e7 1e8", 1, "remove the line"), ("subscriber_list_cache_size 0", 1, "remove the line"),
    ("drain_timeout 10s", 1, "remove the line"), ("import other", 1, "write their directives here"),
    ("transport redis {\n address x\n}", 1, "MERCURE_TRANSPORT_URL"), ("transport kafka", 1, "MERCURE_STORE"),
    ("mercure {\nanonymous\n}", 1, "the block only"), ("anonymous\n}", 2, "remove it"), ("{\n", 1, "remove it"),
    # Mistakes.
    ("heartbeat", 1, "takes one value"), ("heartbeat 1 2", 1, "takes one value"), ("heartbeat 30", 1, "no duration"),
    ("heartbeat 1.5s", 1, "whole seconds"), ("heartbeat -1s", 1, "no duration"), ("heartbeat 1e3s", 1, "no duration"),
    ("heartbeat 99999999999d", 1, "too long"), ("heartbeat 2d", 1, "MercureHeartbeat 172800"),
    ("max_request_body_size big", 1, "no size"), ("anonymous yes", 1, "Anonymous"), ("anonymous {\n}", 1, "remove it"),
    ("cors_origins", 1, "needs a value"), ("cors_origins {$NOT_SET}", 1, "NOT_SET is empty"),
    ("cors_origins a.example", 1, "not an origin"), ("cookie_name a b", 1, "takes one value"),
    ('\ncookie_name "a b"', 2, "MercureCookieName"), ("cookie_name {http.request.host}", 1, "placeholder"),
    ("cookie_name {file./etc/hostname}", 1, "placeholder"), ('cookie_name "a', 1, "does not end"),
    ("cookie_name <<END\na\nEND", 1, "heredocs"), ("protocol_version_compatibility 6", 1, "no such version"),
    ("transport bolt {\n size many\n}", 2, "number"), ("transport bolt {\n colour red\n}", 2, "colour"),
    ("transport bolt {\n size 1", 1, "does not end"), ("transport", 1, "needs a name"),
    ("transport bolt {path x}", 1, "does not belong"), ("heartbeat {30s}", 1, "space before and after"),
    ("# a comment \\\nanonymous", 1, "backslash"), ("anonymous\nNoSuchDirective", 2, "'NoSuchDirective'"),
    ("issuer a", 1, "needs a block"), ("issuer {\n}", 1, "one identifier"), ("issuer a {\n colour\n}", 2, "colour"),
    ("issuer a {\n publisher {\n }\n}", 2, "no key"), ("issuer a {\npublisher {\njwt a\njwks_uri b\n}\n}", 4, "only one"),
    ("issuer a {\n publisher {\n jwt {env.NOT_SET}\n}\n}", 3, "NOT_SET"), ("publisher_jwt", 1, "needs a key"),
    ("publisher_jwt a HS256 b", 1, "remove b"), ("publisher_jwt a none", 1, "no algorithm"),
    ("publisher_jwt {env.NOT_SET}", 1, "NOT_SET"), ("subscriber_jwt {file./nonexistent}", 1, "/nonexistent"),
    ("publisher_jwks_url jwks.json", 1, "no URL"), ("subscriber_jwks_url http://a.example/", 1, "https"),
    ('publisher_jwt "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----"', 1, "HS"),
    # The line is that of the variable, after blocks, continued lines and several directives for one line.
    ("transport bolt {\n path x\n}\nissuer a {\npublisher {\njwt 0123456789abcdef0123456789abcdef\n}\n}\nFoo", 9, "'Foo'"),
    ("Header set A \\\n b\nanonymous\nMercureAnonymous Perhaps", 4, "Perhaps"),
]


@pytest.mark.parametrize("text, line, word", REFUSED)
def test_mistakes_are_reported_with_their_line(go, folder, text, line, word):  # noqa: F811
    status, _, stderr = launch({**go, "MERCURE_EXTRA_DIRECTIVES": text})
    assert status == 2, stderr
    assert re.fullmatch(rf"mercure-hub: MERCURE_EXTRA_DIRECTIVES: line {line}: [^\n]+\n", stderr), stderr
    assert word in stderr and str(folder) not in stderr, stderr
    assert os.listdir(folder) == ["data"]


# ---- values that try to change the configuration -----------------------------------------------------

EVIL = ["a\nMercureAnonymous On", "a\" \"b", "a\\", "${HOME}", "</Location>\nListen 1", "a\rb", "x\" MercureAnonymous On",
        "'; touch /tmp/owned; '", "$(touch /tmp/owned)"]


@pytest.mark.parametrize("value", EVIL)
@pytest.mark.parametrize("directive", ["cookie_name", "resource_identifier", "cors_origins", "name", "heartbeat", "issuer"])
def test_value_cannot_leave_its_directive(go, directive, value):
    """A value makes the launcher end, or stays one argument of one directive."""
    text = f"{directive} {{env.VALUE}}" + (" { publisher { jwt {env.KEY} } }" if directive == "issuer" else "")
    status, config, stderr = launch({**go, "VALUE": value, "KEY": KEY, "MERCURE_EXTRA_DIRECTIVES": text}, "--print-config")
    if status:
        assert status == 2 and stderr.startswith("mercure-hub: MERCURE_EXTRA_DIRECTIVES: line 1: "), stderr
        return
    assert not re.search(r"[\n\r]|\$\{", value), config
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    line, = [text for text in config.splitlines() if escaped in text]
    assert line.count(f'"{escaped}"') == 1 or f'"name={escaped}"' in line, line
    assert "MercureAnonymous On" not in config.splitlines() and "Listen 1" not in config.splitlines()


def test_quoted_value_cannot_leave_its_directive(go):
    for text in ('cookie_name "a\nMercureAnonymous On"', "cookie_name `a\n`", 'cookie_name "${HOME}"', "cookie_name ${HOME}"):
        assert_refused({**go, "MERCURE_EXTRA_DIRECTIVES": text}, "MERCURE_EXTRA_DIRECTIVES: line 1")


def test_awk_programs_agree(go):
    """The translation is the same with every awk that is installed."""
    program = os.path.join(os.path.dirname(LAUNCHER), "launcher/caddyfile.awk")
    texts = [text for text, *_ in TRANSLATED + REFUSED]
    texts.append("".join(f"issuer i{n} {{ publisher {{ jwt it's\"{value}\" }} }}\n" for n, value in enumerate("ab")))

    def run(awk, text):
        done = subprocess.run([*awk, "-f", program], env={**go, "LC_ALL": "C", "MERCURE_EXTRA_DIRECTIVES": text},
                              capture_output=True, check=False, timeout=60)
        return done.returncode, done.stdout, done.stderr

    awks = [awk for awk in (["mawk"], ["gawk"], ["gawk", "--posix"], ["busybox", "awk"], ["original-awk"])
            if subprocess.run(["which", awk[0]], check=False, capture_output=True).returncode == 0]
    assert awks
    for text in texts:
        expected = run(["awk"], text)
        assert expected[0] in (0, 2)
        for awk in awks:
            assert run(awk, text) == expected, awk


# ---- keys and issuers --------------------------------------------------------------------------------

def test_keys_of_directives_replace_those_of_variables(go, folder):  # noqa: F811
    """A key never becomes part of the configuration; its text is only bytes."""
    secret = "it's \"quoted\" \\ and `more` ${HOME}{x} 0123456789"
    (folder / "key").write_text(KEY)
    (folder / "key").chmod(0o644)
    go |= {"MY_KEY": secret, "MERCURE_EXTRA_DIRECTIVES":
           f"anonymous\npublisher_jwt {{env.MY_KEY}} {{env.MY_ALG}}\nsubscriber_jwt {{file.{folder}/key}} HS256"}
    del go["MERCURE_PUBLISHER_JWT_KEY"]
    status, config, stderr = launch({**go, "MY_KEY": "k" * 40}, "--print-config")
    assert status == 0, stderr
    assert "MercureLegacyPublisherKey HS256 env:MY_KEY\n" in config
    assert f'MercureLegacySubscriberKey HS256 "file:{folder}/key"\n' in config
    assert_refused(go, "MERCURE_EXTRA_DIRECTIVES: line 2", "${")  # a variable that was not filled in
    secret = secret.replace("${", "$ {")
    text = '"' + secret.replace('"', '\\"') + '"'
    go["MERCURE_EXTRA_DIRECTIVES"] = f"\npublisher_jwt {text}\nsubscriber_jwt tiny"
    config = launch(go, "--print-config")[1]
    assert "it's" not in config and "tiny" not in config
    with serving(go, folder) as (port, log):
        assert post(port, old(publish=["*"], key=secret)).status == 200
        assert post(port, old(publish=["*"], key=SECRETS["MERCURE_SUBSCRIBER_JWT_KEY"])).status == 401
        assert "(MERCURE_EXTRA_DIRECTIVES: line 3) is weak: the secret has 4 bytes" in log.read_text(), log.read_text()


def test_public_key_of_several_lines(go, folder):  # noqa: F811
    private, public = make_key("p256")
    go["MERCURE_EXTRA_DIRECTIVES"] = f'publisher_jwt "{public}" ES256\nanonymous'
    with serving(go, folder) as (port, _):
        minted = token.mint_raw({"alg": "ES256"}, {"mercure": {"publish": ["*"]}}, private, "ES256")
        assert post(port, minted).status == 200


def test_issuers_bring_their_own_keys(go, folder):  # noqa: F811
    """Keys of protocol 0.x are then not required; a JWK Set may have keys of several families."""
    numbers = {"kty": "oct", "alg": "HS256", "k": token.b64(KEY.encode())}
    (folder / "jwks.json").write_text(json.dumps({"keys": [numbers]}))
    (folder / "jwks.json").chmod(0o644)
    for name in SECRETS:
        del go[name]
    go["MERCURE_EXTRA_DIRECTIVES"] = (
        "issuer https://a.example {\n\tauthorization_server\n\tpublisher {\n\t\tjwt {env.A_KEY} HS256\n\t}\n"
        f"\tsubscriber {{\n\t\tjwks_uri file://{folder}/jwks.json HS256 HS384\n\t}}\n}}\n"
        f"issuer https://b.example {{ publisher {{ jwt tiny }} authorization_server }}\n"
        "issuer {env.C} { subscriber { jwks_uri https://jwks.invalid/keys } }\n")
    go |= {"A_KEY": KEY, "C": "https://c.example"}
    # The secret of the second issuer is too short for version 1.
    status, _, stderr = launch(go)
    assert status == 2 and re.fullmatch(r"mercure-hub: MERCURE_EXTRA_DIRECTIVES: line 10: MercurePublisherKey https://b.example "
                                        r"HS256: the secret has 4 bytes[^\n]*\n", stderr), stderr
    go["MERCURE_EXTRA_DIRECTIVES"] = go["MERCURE_EXTRA_DIRECTIVES"].replace("tiny", f'"{KEY}"')
    with serving(go, folder) as (port, log):
        audience = f"http://localhost:{port}{PATH}"
        assert "MERCURE_TRUSTED_ISSUERS" not in log.read_text()
        for issuer in ("https://a.example", "https://b.example"):
            assert post(port, token.mint(KEY, publish=["*"], iss=issuer, aud=audience)).status == 200
        assert post(port, token.mint(KEY, publish=["*"], iss="https://c.example", aud=audience)).status == 401
        with sse.EventSource(port, f"{PATH}?match=a", bearer(token.mint(KEY, subscribe=["*"], iss="https://a.example",
                                                                        aud=audience))) as stream:
            assert stream.status == 200
        metadata = http.request(port, "GET", "/.well-known/oauth-protected-resource" + PATH).json
        assert metadata["authorization_servers"] == ["https://a.example", "https://b.example"]
        assert post(port, old(publish=["*"], key=KEY)).status == 401  # no protocol 0.x


def test_trusted_issuers_need_keys_beside_other_issuers(go):
    for name in SECRETS:
        del go[name]
    go |= {"MERCURE_TRUSTED_ISSUERS": ISSUER, "MERCURE_EXTRA_DIRECTIVES": f'issuer a {{ publisher {{ jwt "{KEY}" }} }}'}
    assert_refused(go, "MERCURE_PUBLISHER_JWT_KEY")
