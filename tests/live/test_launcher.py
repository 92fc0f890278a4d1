"""tools/mercure-hub: the values it refuses, the configuration it writes, and how it starts and ends."""
import contextlib
import glob
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile

import pytest

from env import http, sse, token
from env.h2 import Http2
from env.hub import hub
from env.httpd import HARD_STOP, Httpd, find_module, free_port, live_dir, release_port, sanitized
from env.launcher import processes_below, running, wait_ready
from env.redis import Redis
from env.token import ISSUER, PUBLISHER_KEY, SUBSCRIBER_KEY, make_key
from env.wait import wait_until

LAUNCHER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tools/mercure-hub")
HUB = "/.well-known/mercure"


def module_has_directives():
    with open(find_module(), "rb") as module:
        return b"MercureHub\0" in module.read()


needs_directives = pytest.mark.skipif(not module_has_directives(),
                                      reason="the module has no directives yet")


@pytest.fixture
def folder():
    """A folder that the server's user can enter and write to."""
    with tempfile.TemporaryDirectory(prefix="launcher-", dir=live_dir()) as path:
        os.chmod(path, 0o777)
        yield pathlib.Path(path)


@pytest.fixture
def env(folder):
    data = folder / "data"
    data.mkdir()
    data.chmod(0o777)
    return {"PATH": os.environ["PATH"], "TMPDIR": str(folder), "MERCURE_MODULE": find_module(),
            "MERCURE_DATA_DIR": str(data),
            "MERCURE_LISTEN_ADDR": "127.0.0.1:18080", "MERCURE_TRUSTED_ISSUERS": ISSUER,
            "MERCURE_PUBLISHER_JWT_KEY": PUBLISHER_KEY, "MERCURE_SUBSCRIBER_JWT_KEY": SUBSCRIBER_KEY}


def launch(env, *args):
    """Runs the launcher until it ends: (status, standard output, standard error)."""
    launcher = subprocess.Popen([LAUNCHER, *args], env=sanitized(env), stdin=subprocess.DEVNULL, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        output, stderr = launcher.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        launcher.terminate()  # which also ends its httpd
        output, stderr = launcher.communicate()
        pytest.fail(f"the launcher has not ended within 60 s: {output}{stderr}", pytrace=False)
    return launcher.returncode, output, stderr


@contextlib.contextmanager
def serving(env, folder, *args, errors=None):
    """
    (port, log) of a hub that runs until the block ends. It must then end with status 0, and have logged no
    error but those that match ERRORS.
    """
    port, log = free_port(), folder / "log"
    env = {**env, "MERCURE_LISTEN_ADDR": f"127.0.0.1:{port}"}
    with running([LAUNCHER, *args], env, log) as launcher:
        wait_ready(launcher, log)
        wait_until(lambda: "AH00094" in log.read_text(), what="the launcher's remarks, which come before this line")
        yield port, log
        launcher.terminate()
        assert launcher.wait(timeout=60) == 0, log.read_text()
        assert [line for line in serious(log) if not errors or not re.search(errors, line)] == [], log.read_text()
    release_port(port)


def publish(port, bearer, data, **more):
    """Publishes to a hub that the launcher has started."""
    sent = http.request(port, "POST", HUB, body=f"topic=a&data={data}", headers={
        "Authorization": f"Bearer {bearer}", "Content-Type": "application/x-www-form-urlencoded"}, **more)
    assert sent.status == 200, sent


def assert_refused(env, variable, *words):
    status, output, stderr = launch(env, "--print-config")
    assert (status, output) == (2, ""), stderr
    assert re.fullmatch(rf"mercure-hub: {variable}: [^\n]+\n", stderr), stderr
    for word in words:
        assert word in stderr


BAD = [
    ("MERCURE_LISTEN_ADDR", "8080"), ("MERCURE_LISTEN_ADDR", "localhost"), ("MERCURE_LISTEN_ADDR", ":0"),
    ("MERCURE_LISTEN_ADDR", ":65536"), ("MERCURE_LISTEN_ADDR", ":99999999999999999999"),
    ("MERCURE_LISTEN_ADDR", ":80 :x"), ("MERCURE_LISTEN_ADDR", "::1:80"), ("MERCURE_LISTEN_ADDR", " "),
    ("MERCURE_LISTEN_ADDR", ':80" x'), ("MERCURE_LISTEN_ADDR", "*:80"),
    ("MERCURE_DEBUGGER", "yes"), ("MERCURE_PLAYGROUND", "2"), ("MERCURE_METRICS", "On"),
    ("SERVER_NAME", "a b"), ("SERVER_NAME", 'a"b'), ("SERVER_NAME", "a\nListen 1"), ("SERVER_NAME", "a:b"),
    ("SERVER_NAME", "${HOME}"), ("SERVER_NAME", "-a"), ("SERVER_NAME", "http://"),
    ("SERVER_NAME", "[::1]"), ("SERVER_NAME", "http://[::1]:80"),
    ("MERCURE_PUBLISHER_JWT_KEY", ""), ("MERCURE_PUBLISHER_JWT_KEY", "short"),
    ("MERCURE_SUBSCRIBER_JWT_KEY", ""), ("MERCURE_SUBSCRIBER_JWT_KEY", "k" * 31),
    ("MERCURE_SUBSCRIBER_JWT_KEY", "${MERCURE_KEY}" + "k" * 32),
    ("MERCURE_PUBLISHER_JWT_ALG", "HS128"), ("MERCURE_PUBLISHER_JWT_ALG", "none"),
    ("MERCURE_SUBSCRIBER_JWT_ALG", "HS256\nHS384"), ("MERCURE_SUBSCRIBER_JWT_ALG", '"'),
    ("MERCURE_TRUSTED_ISSUERS", " , "), ("MERCURE_LEGACY", "yes"), ("MERCURE_SUBSCRIPTIONS", "On"),
    ("MERCURE_CORS_ORIGINS", "a.example"), ("MERCURE_CORS_ORIGINS", "https://a.example/x"),
    ("MERCURE_CORS_ORIGINS", 'https://a.example" x'), ("MERCURE_CORS_ORIGINS", "https://a\\"),
    ("MERCURE_CORS_ORIGINS", "${X}"), ("MERCURE_CORS_ORIGINS", "https://${X}"),
    ("MERCURE_PUBLISH_ORIGINS", "*"), ("MERCURE_PUBLISH_ORIGINS", "null"),
    ("MERCURE_DATA_DIR", "/nonexistent"), ("MERCURE_DATA_DIR", "/etc/passwd"),
    ("MERCURE_DATA_DIR", "/tmp\nx"), ("MERCURE_STORE", "disk"), ("MERCURE_STORE", "LMDB"),
    ("MERCURE_LISTEN_ADDR", ":80 :80"), ("SERVER_NAME", "a:0"), ("SERVER_NAME", "a:65536"),
    ("MERCURE_PUBLISHER_JWT_ALG", ","), ("MERCURE_PUBLISHER_JWT_ALG", "RS256"), ("MERCURE_SUBSCRIBER_JWT_ALG", "HS256,EdDSA"),
    ("MERCURE_CORS_ORIGINS", ","), ("MERCURE_PUBLISH_ORIGINS", " "), ("MERCURE_HTTPD", "/bin/true"),
    ("MERCURE_MAX_SUBSCRIBERS", "0"), ("MERCURE_MAX_SUBSCRIBERS", "-1"), ("MERCURE_MAX_SUBSCRIBERS", "1e3"),
    ("MERCURE_MAX_SUBSCRIBERS", "99999999"), ("MERCURE_MAX_SUBSCRIBERS", "many"),
    ("MERCURE_TRUSTED_ISSUERS", 'https://a.example/"'), ("MERCURE_TRUSTED_ISSUERS", "a\nb"),
    ("MERCURE_TRUSTED_ISSUERS", "${ISSUER}"), ("MERCURE_TRUSTED_ISSUERS", "a\\"),
    ("MERCURE_ALLOW_ANONYMOUS", "yes"), ("MERCURE_ALLOW_ANONYMOUS", "01"), ("MERCURE_DEBUG", "true"),
    ("MERCURE_MODULE", "/nonexistent.so"), ("MERCURE_HTTPD", "/nonexistent"),
    ("MERCURE_HTTPD_MODULES", "/nonexistent"),
]


@pytest.mark.parametrize("variable, value", BAD)
def test_bad_values_are_refused(env, variable, value):
    env[variable] = value
    assert_refused(env, variable)


def test_transport_over_redis(env):
    env["MERCURE_TRANSPORT_URL"] = "redis://user:geheim@localhost:1/2 timeout=3 prefix=x"
    status, config, stderr = launch(env, "--print-config")
    assert status == 0 and "geheim" not in config + stderr, stderr
    assert '    MercureTransport env:MERCURE_TRANSPORT_ADDRESS "timeout=3" "prefix=x"\n' in config
    assert "MercureStore" not in config


@pytest.mark.parametrize("url, words", [
    ("kafka://geheim", "kafka"), ("redis://geheim@:1", "host is empty"), ("redis://localhost:x", "the port"),
    ("redis://localhost timeout=99", "timeout=99"), ("redis://localhost geheim", "machine=")])
def test_bad_transport_is_refused(env, url, words):
    env["MERCURE_TRANSPORT_URL"] = url
    status, output, stderr = launch(env)
    assert (status, output) == (2, "") and re.fullmatch(r"mercure-hub: MERCURE_TRANSPORT_URL: [^\n]+\n", stderr), stderr
    assert words in stderr and "geheim" not in stderr


def test_transport_and_history_on_disk_exclude_each_other(env):
    env.update(MERCURE_TRANSPORT_URL="redis://localhost", MERCURE_STORE="lmdb")
    assert_refused(env, "MERCURE_STORE")


def test_server_name_may_hold_an_underscore(env):
    env["SERVER_NAME"] = "my_hub"
    status, config, stderr = launch(env, "--print-config")
    assert status == 0 and "ServerName my_hub\n" in config, stderr


def test_switches_accept_0(env):
    env.update(MERCURE_LEGACY="0", MERCURE_SUBSCRIPTIONS="0", MERCURE_DEBUGGER="0")
    assert launch(env, "--print-config")[0] == 0


def test_history_is_on_disk_by_default(env, folder):
    """Only MERCURE_STORE=memory keeps it in memory. The data directory must be usable, even the default one."""
    line = f'MercureStore lmdb "{folder}/data"'
    assert hub_lines(env)[0][1] == line
    env["MERCURE_STORE"] = "lmdb"
    assert hub_lines(env)[0][1] == line
    env["MERCURE_STORE"] = "memory"
    assert not any("MercureStore" in text for text in hub_lines(env)[1])
    del env["MERCURE_STORE"], env["MERCURE_DATA_DIR"]
    status, config, stderr = launch(env, "--print-config")
    if status == 0:  # root creates it when the hub is run; an existing one is used
        assert 'MercureStore lmdb "/var/lib/mercure"' in config
    else:
        assert re.fullmatch(r"mercure-hub: MERCURE_DATA_DIR: [^\n]+MERCURE_STORE=memory\n", stderr), stderr


def test_variables_become_directives(env):
    env.update(MERCURE_LISTEN_ADDR=":8080 127.0.0.1:8081 [::1]:8082", SERVER_NAME="https://hub.example:8443",
               MERCURE_TRUSTED_ISSUERS="https://a.example, https://b.example/?x=*", MERCURE_DEBUG="1",
               MERCURE_PUBLISHER_JWT_ALG="HS256,HS512", MERCURE_ALLOW_ANONYMOUS="1")
    status, config, stderr = launch(env, "--print-config")
    assert (status, stderr) == (0, "")
    lines = [line.strip() for line in config.splitlines()]
    assert [line for line in lines if line.startswith("Listen ")] == [
        "Listen 8080", "Listen 127.0.0.1:8081", "Listen [::1]:8082"]
    assert "ServerName https://hub.example:8443" in lines
    assert "LogLevel notice mercure:debug" in lines
    hub = lines[lines.index(f'<Location "{HUB}">') + 1:lines.index("</Location>")]
    assert hub == [
        "MercureHub On name=mercure",
        f'MercureStore lmdb "{env["MERCURE_DATA_DIR"]}"',
        'MercurePublisherKey "https://a.example" HS256,HS512 env:MERCURE_PUBLISHER_JWT_KEY',
        'MercureSubscriberKey "https://a.example" HS256 env:MERCURE_SUBSCRIBER_JWT_KEY',
        'MercurePublisherKey "https://b.example/?x=*" HS256,HS512 env:MERCURE_PUBLISHER_JWT_KEY',
        'MercureSubscriberKey "https://b.example/?x=*" HS256 env:MERCURE_SUBSCRIBER_JWT_KEY',
        "MercureAnonymous On"]
    assert PUBLISHER_KEY not in config and SUBSCRIBER_KEY not in config
    assert "mercure-metrics" not in config and "Debugger" not in config and "Playground" not in config


@pytest.mark.parametrize("issuers", ["https://a.example, https://b.example", ""])
def test_the_key_of_operators(env, issuers):
    """The hub has the key for each issuer that it trusts, or for an issuer of its own. A short or shared key is
    refused."""
    secret = "operator-key-of-the-launcher-tests:0123456789abcdef"
    env.update(MERCURE_TRUSTED_ISSUERS=issuers, MERCURE_CONTROL_JWT_KEY=secret)
    lines, _, stderr = hub_lines(env)
    wanted = issuers.split(", ") if issuers else ["mercure-control"]
    assert [line for line in lines if "Control" in line] == [
        f'MercureControlKey "{issuer}" HS256 env:MERCURE_CONTROL_JWT_KEY' for issuer in wanted]
    for changes, words in (({"MERCURE_CONTROL_JWT_KEY": "short"}, "MERCURE_CONTROL_JWT_KEY: has 5 bytes"),
                           ({"MERCURE_CONTROL_JWT_ALG": "HS1"}, "MERCURE_CONTROL_JWT_ALG: "),
                           ({"MERCURE_CONTROL_JWT_KEY": "", "MERCURE_CONTROL_JWT_ALG": "HS256"},
                            "MERCURE_CONTROL_JWT_ALG: needs MERCURE_CONTROL_JWT_KEY")):
        status, _, stderr = launch({**env, **changes}, "--print-config")
        assert status == 2 and stderr.startswith(f"mercure-hub: {words}"), stderr
    if issuers:
        status, _, stderr = launch({**env, "MERCURE_CONTROL_JWT_KEY": SUBSCRIBER_KEY})
        assert status == 2 and stderr.startswith("mercure-hub: MERCURE_CONTROL_JWT_KEY: "), stderr


def hub_lines(env):
    """The lines of the hub's Location, all lines of the configuration, and standard error."""
    status, config, stderr = launch(env, "--print-config")
    assert status == 0, stderr
    lines = [line.strip() for line in config.splitlines()]
    return lines[lines.index(f'<Location "{HUB}">') + 1:lines.index("</Location>")], lines, stderr


def test_origins_and_switches_become_directives(env):
    env.update(MERCURE_CORS_ORIGINS="https://a.example https://*.b.example:8443,http://[::1]:80",
               MERCURE_PUBLISH_ORIGINS="https://c.example https://d.example", MERCURE_SUBSCRIPTIONS="1")
    hub, lines, stderr = hub_lines(env)
    assert hub[4:] == ["MercureCorsOrigins https://a.example", "MercureCorsOrigins https://*.b.example:8443",
                       "MercureCorsOrigins http://[::1]:80", "MercurePublishOrigins https://c.example",
                       "MercurePublishOrigins https://d.example", "MercureSubscriptions On"]
    assert not stderr and "SSLEngine on" not in lines
    env["MERCURE_CORS_ORIGINS"] = "*"
    assert_refused(env, "MERCURE_CORS_ORIGINS", "MERCURE_PUBLISH_ORIGINS")
    del env["MERCURE_PUBLISH_ORIGINS"]
    assert "MercureCorsOrigins *" in hub_lines(env)[0]


def test_errors_that_only_httpd_finds_name_the_variable(env, folder):
    for variable, value in (("MERCURE_CORS_ORIGINS", "https://a.*.example"), ("MERCURE_CORS_ORIGINS", "* https://a"),
                            ("MERCURE_PUBLISH_ORIGINS", "https://a.example:x"),
                            ("MERCURE_LISTEN_ADDR", "999.1.1.1:18080"), ("MERCURE_MODULE", "/etc/passwd"),
                            ("MERCURE_HTTPD_MODULES", "/tmp")):
        status, _, stderr = launch({**env, variable: value, "MERCURE_MAX_SUBSCRIBERS": "1"})
        assert status == 2 and re.fullmatch(rf"mercure-hub: {variable}: [^\n]+\n", stderr), stderr
    assert os.listdir(folder) == ["data"]


def test_protocol_0x_must_be_asked_for_beside_issuers(env):
    """Without issuers, the hub speaks protocol 0.x only; beside issuers, MERCURE_LEGACY must ask for it."""
    publisher = "HS256 env:MERCURE_PUBLISHER_JWT_KEY"
    assert not any("Legacy" in line for line in hub_lines(env)[0])
    env["MERCURE_LEGACY"] = "1"
    hub = hub_lines(env)[0]
    assert f"MercureLegacyPublisherKey {publisher}" in hub
    assert f'MercurePublisherKey "{ISSUER}" {publisher}' in hub
    del env["MERCURE_TRUSTED_ISSUERS"], env["MERCURE_LEGACY"]
    env["MERCURE_SUBSCRIBER_JWT_KEY"] = "short"  # the hub only warns of it
    env["MERCURE_STORE"] = "memory"
    assert hub_lines(env)[0] == ["MercureHub On name=mercure", f"MercureLegacyPublisherKey {publisher}",
                                 "MercureLegacySubscriberKey HS256 env:MERCURE_SUBSCRIBER_JWT_KEY"]
    env["MERCURE_LEGACY"] = "0"
    assert_refused(env, "MERCURE_TRUSTED_ISSUERS", "MERCURE_LEGACY")


def test_sizing_follows_max_subscribers(env):
    def factor():
        return next(int(line.split()[1]) for line in hub_lines(env)[1] if line.startswith("AsyncRequest"))

    # Four children of 64 threads; each holds half of 64 times the factor.
    assert 4 * 32 * factor() >= 100000
    env["MERCURE_MAX_SUBSCRIBERS"] = "1000000"
    assert 4 * 32 * factor() >= 1000000


def test_tls_needs_certificate_and_key(env, folder):
    cert, key = folder / "cert.pem", folder / "key.pem"
    cert.write_text("-----BEGIN CERTIFICATE-----\n")
    key.write_text("-----BEGIN EC PRIVATE KEY-----\n")
    env["MERCURE_TLS_CERT"] = str(cert)
    assert_refused(env, "MERCURE_TLS_KEY", "together with MERCURE_TLS_CERT")
    env["MERCURE_TLS_KEY"] = str(cert)
    assert_refused(env, "MERCURE_TLS_KEY", "no PRIVATE KEY")
    env["MERCURE_TLS_KEY"] = str(key)
    assert {"SSLEngine on", f'SSLCertificateFile "{cert}"', f'SSLCertificateKeyFile "{key}"'} <= set(hub_lines(env)[1])


def test_secret_cannot_change_the_configuration(env):
    """Characters that would break a configuration have no meaning in a secret."""
    env["MERCURE_PUBLISHER_JWT_KEY"] = 'a"b\\c\n</Location>\nListen 1\n$(id)`id`%{x}' + "k" * 32
    status, config, _ = launch(env, "--print-config")
    assert status == 0 and "Listen 1\n" not in config and "$(id)" not in config


def test_keys_can_come_from_files(env, folder):
    path = folder / 'a key "1" \\'
    path.write_text("k" * 32 + "\n")
    del env["MERCURE_PUBLISHER_JWT_KEY"]
    env["MERCURE_PUBLISHER_JWT_KEY_FILE"] = str(path)
    status, config, stderr = launch(env, "--print-config")
    assert status == 0, stderr
    quoted = str(path).replace("\\", "\\\\").replace('"', '\\"')
    assert f'MercurePublisherKey "{ISSUER}" HS256 "file:{quoted}"' in config
    path.write_text("k" * 31 + "\n")
    assert_refused(env, "MERCURE_PUBLISHER_JWT_KEY_FILE", "31 bytes")
    env["MERCURE_PUBLISHER_JWT_KEY_FILE"] = str(folder / "missing")
    assert_refused(env, "MERCURE_PUBLISHER_JWT_KEY_FILE")
    env["MERCURE_PUBLISHER_JWT_KEY"] = PUBLISHER_KEY
    assert_refused(env, "MERCURE_PUBLISHER_JWT_KEY", "MERCURE_PUBLISHER_JWT_KEY_FILE")


@pytest.mark.parametrize("line", ["a\nListen 1", "${HOME}/key"])
def test_file_name_cannot_change_the_configuration(env, folder, line):
    path = folder / line
    path.parent.mkdir(exist_ok=True)
    path.write_text("k" * 32)
    del env["MERCURE_PUBLISHER_JWT_KEY"]
    env["MERCURE_PUBLISHER_JWT_KEY_FILE"] = str(path)
    assert_refused(env, "MERCURE_PUBLISHER_JWT_KEY_FILE")


@pytest.mark.parametrize("kind, alg", [("p256", "ES256"), ("ed25519", "EdDSA"), ("ed25519", "Ed25519"), ("ed448", "Ed448")])
def test_pem_key_needs_its_algorithm(env, kind, alg):
    env["MERCURE_SUBSCRIBER_JWT_KEY"] = make_key(kind)[1]
    assert_refused(env, "MERCURE_SUBSCRIBER_JWT_ALG", "PEM")
    env["MERCURE_SUBSCRIBER_JWT_ALG"] = "HS256"
    assert_refused(env, "MERCURE_SUBSCRIBER_JWT_ALG", "never with HS")
    env["MERCURE_SUBSCRIBER_JWT_ALG"] = alg
    status, config, stderr = launch(env, "--print-config")
    assert status == 0, stderr
    assert f'MercureSubscriberKey "{ISSUER}" {alg} env:MERCURE_SUBSCRIBER_JWT_KEY' in config


def test_longest_hash_sets_the_minimum_length_of_a_secret(env):
    env["MERCURE_PUBLISHER_JWT_KEY"] = "k" * 63
    env["MERCURE_PUBLISHER_JWT_ALG"] = "HS256,HS512"
    assert_refused(env, "MERCURE_PUBLISHER_JWT_KEY", "make it 64 or more")


@needs_directives
@pytest.mark.parametrize("text", ["NoSuchDirective On", "</Location>\nListen 1", "MercureAnonymous Perhaps",
                                  "# fine\nMercureAnonymous"])
def test_bad_extra_directives_are_refused(env, folder, text):
    env["MERCURE_EXTRA_DIRECTIVES"] = text
    status, _, stderr = launch(env)
    assert status == 2 and stderr.count("\n") == 1, stderr
    assert re.match(r"mercure-hub: MERCURE_EXTRA_DIRECTIVES: line \d+: ", stderr), stderr
    assert os.listdir(folder) == ["data"]


def test_key_that_httpd_refuses_is_reported_with_its_variable(env, folder):
    public = make_key("p256")[1]
    (folder / "key.pem").write_text(public)
    env.update(MERCURE_SUBSCRIBER_JWT_ALG="EdDSA", MERCURE_SUBSCRIBER_JWT_KEY=public)
    status, _, stderr = launch(env)
    assert status == 2 and re.fullmatch(r"mercure-hub: MERCURE_SUBSCRIBER_JWT_KEY: [^\n]+ES256\n", stderr), stderr
    del env["MERCURE_SUBSCRIBER_JWT_KEY"]
    env["MERCURE_SUBSCRIBER_JWT_KEY_FILE"] = str(folder / "key.pem")
    status, _, stderr = launch(env)
    assert status == 2 and re.fullmatch(r"mercure-hub: MERCURE_SUBSCRIBER_JWT_KEY_FILE: [^\n]+ES256\n", stderr), stderr


def test_extra_directives_that_do_not_fit_the_hub_are_refused(env, folder):
    """httpd's error names a line that the launcher has written, but the report names the variable."""
    env.update(MERCURE_STORE="memory", MERCURE_EXTRA_DIRECTIVES="MercureHistory bytes=1")
    status, _, stderr = launch(env)
    assert status == 2, stderr
    assert re.fullmatch(r"mercure-hub: MERCURE_EXTRA_DIRECTIVES: MRC0103: MercureHistory bytes=1 [^\n]+\n", stderr), stderr
    assert os.listdir(folder) == ["data"]


def test_errors_at_the_start_name_the_variable(env, folder):
    """A port in use, a key of another certificate, and a folder that only root can enter."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        # Too few descriptors and a missing issuer cause a warning, but not when the start fails.
        for more in ({"MERCURE_MAX_SUBSCRIBERS": "9999999", "MERCURE_TRUSTED_ISSUERS": ""}, {"MERCURE_MAX_SUBSCRIBERS": "1"}):
            status, _, stderr = launch({**env, "MERCURE_LISTEN_ADDR": address, **more})
            assert status == 2, stderr
            assert re.fullmatch(rf"mercure-hub: MERCURE_LISTEN_ADDR: [^\n]*{address}[^\n]*\n", stderr), stderr
    env["MERCURE_MAX_SUBSCRIBERS"] = "1"
    server, other = Httpd(name="launcher-cert"), Httpd(name="launcher-key")
    port = free_port()
    env["MERCURE_LISTEN_ADDR"] = f"127.0.0.1:{port}"
    try:
        status, _, stderr = launch({**env, "MERCURE_TLS_CERT": server.certificate()[0],
                                  "MERCURE_TLS_KEY": other.certificate()[1]})
        assert status == 2 and "mercure-hub: MERCURE_TLS_CERT: " in stderr and "do not match" in stderr, stderr
        if os.getuid() == 0:
            (folder / "data").chmod(0o700)
            status, _, stderr = launch(env)
            assert status == 2 and "mercure-hub: MERCURE_DATA_DIR: the server's user cannot " in stderr, stderr
        assert os.listdir(folder) == ["data"]
    finally:
        server.abort(keep=False)
        other.abort(keep=False)
        release_port(port)


HTTPD = """#!/bin/sh
case $* in
-V) echo ' -D HTTPD_ROOT="/nonexistent"' ;;
*-DFOREGROUND*) printf '%s\\n' {} >&2 ;;
esac
"""


def use_fake_httpd(env, folder, *lines):
    """Makes the launcher start a program that prints LINES and ends, instead of httpd."""
    program = folder / "httpd"
    program.write_text(HTTPD.format(" ".join(f"'{line}'" for line in lines)))
    program.chmod(0o755)
    env.update(MERCURE_HTTPD=str(program), MERCURE_HTTPD_MODULES="/tmp")


def test_every_line_of_httpd_is_printed(env, folder):
    """A serious message at the start is held back until it is clear whether httpd gives up."""
    lines = ["[a:notice] one", "[a:crit] two", "[a:info] three", "AH00489: resuming normal operations", "[a:crit] four"]
    env["MERCURE_MAX_SUBSCRIBERS"] = "1"
    for count in (len(lines), 3):
        use_fake_httpd(env, folder, *lines[:count])
        assert launch(env) == (0, "", "\n".join(lines[:count]) + "\n")


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("argument", ["-V", "-t"])
def test_signal_during_the_start_ends_the_launcher_with_status_0(env, folder, argument, signum):
    """The signal comes while a httpd runs that only answers a question. No httpd is started then, and nothing stays."""
    use_fake_httpd(env, folder)
    program, asked, go = folder / "httpd", folder / "asked", folder / "go"
    program.write_text(program.read_text().replace("case $* in\n", f"""case " $* " in
*' {argument} '*) : >'{asked}'; while [ ! -e '{go}' ]; do sleep 0.01; done ;;
*-DFOREGROUND*) : >'{folder}/started' ;;
esac
case $* in
"""))
    log = folder / "log"
    with running([LAUNCHER], env, log, preexec_fn=heed_signals) as launcher:
        wait_until(lambda: launcher.poll() is not None or asked.exists(), what="the question to httpd")
        launcher.send_signal(signum)
        go.touch()
        assert launcher.wait(timeout=60) == 0, log.read_text()
    assert log.read_text() == ""
    assert sorted(os.listdir(folder)) == ["asked", "data", "go", "httpd", "log"]


def test_signal_that_ends_a_check_of_the_health_is_no_health(env, folder):
    """A launcher that asks for the health does not take a signal for a wish to end the hub."""
    curl = folder / "curl"
    curl.write_text("#!/bin/sh\nkill -TERM $PPID\n")
    curl.chmod(0o755)
    env["PATH"] = f"{folder}:{env['PATH']}"
    assert launch(env, "--health")[0] == -signal.SIGTERM


def test_start_warns_of_missing_issuers_and_descriptors(env, folder):
    use_fake_httpd(env, folder, "[a:notice] AH00489: resuming normal operations")
    env["MERCURE_MAX_SUBSCRIBERS"] = "9999999"
    del env["MERCURE_TRUSTED_ISSUERS"]
    status, _, stderr = launch(env)
    assert status == 0 and "MERCURE_TRUSTED_ISSUERS is not set" in stderr and "need ulimit -n 5000999" in stderr, stderr


@pytest.mark.parametrize("arguments", [["--listen"], ["--listen", "8080"], ["--listen=localhost:"], ["--listen", ":1", "x"],
                                       ["--port=80"]])
def test_dev_run_takes_only_an_address(arguments):
    dev = os.path.join(os.path.dirname(os.path.dirname(LAUNCHER)), "dev")
    run = subprocess.run([dev, "run", *arguments], capture_output=True, text=True, timeout=60)
    assert run.returncode == 1 and re.fullmatch(r"dev: run takes --listen ADDRESS:PORT[^\n]*\n", run.stderr), run.stderr


def test_dev_run_needs_a_free_port():
    """Another server there would be taken for the hub."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        place = f"127.0.0.1:{other.getsockname()[1]}"
        run = subprocess.run([os.path.join(os.path.dirname(os.path.dirname(LAUNCHER)), "dev"), "run", "--listen", place],
                             capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stdout) == (1, "") and f"something listens at {place} already" in run.stderr, run.stderr


def test_arguments_that_httpd_refuses_end_the_launcher(env, folder):
    for directive in ("NoSuchDirective On", "MercureStore disk", "MercureHub On"):
        status, _, stderr = launch(env, "-c", directive)
        assert status == 2 and stderr.startswith("mercure-hub: httpd refuses the configuration: "), stderr
    assert os.listdir(folder) == ["data"]


@pytest.fixture(params=["root", "ordinary"])
def command(request):
    """The launcher, started by root and by an unprivileged user."""
    if os.getuid() != 0:
        if request.param == "root":
            pytest.skip("the tests do not run as root")
        return [LAUNCHER]
    if request.param == "root":
        return [LAUNCHER]
    return ["setpriv", "--reuid=www-data", "--regid=www-data", "--init-groups", LAUNCHER]


@needs_directives
def test_keys_alone_make_a_hub_of_protocol_0x(env, folder):
    """The launcher needs nothing but keys; here it also has TLS. It says that the hub accepts tokens of 0.x."""
    port = free_port()
    server = Httpd(name="launcher-tls")
    cert, key = server.certificate()
    for path in (cert, key):
        os.chmod(path, 0o644)
    del env["MERCURE_TRUSTED_ISSUERS"]
    env.update(MERCURE_LISTEN_ADDR=f"127.0.0.1:{port}", SERVER_NAME="localhost", MERCURE_MAX_SUBSCRIBERS="500",
               MERCURE_TLS_CERT=cert, MERCURE_TLS_KEY=key)
    assert launch(env, "--health")[0] == 1
    log = folder / "log"
    with running([LAUNCHER], env, log) as launcher:
        wait_until(lambda: launcher.poll() is not None or launch(env, "--health")[0] == 0, 60, "the hub's health")
        assert launcher.poll() is None, log.read_text()
        wait_until(lambda: "mercure-hub: MERCURE_TRUSTED_ISSUERS is not set: this hub accepts tokens of" in log.read_text(),
                   what="the launcher's remark on a hub that serves")
        bearer = token.mint_raw({"alg": "HS256"}, {"mercure": {"publish": ["*"]}}, PUBLISHER_KEY)
        publish(port, bearer, "hello", tls=True)
        with Http2(port, tls=True) as conn:
            assert conn.request("/healthz").status == 200 and conn.request(f"{HUB}?topic=x").status == 401
        launcher.terminate()
        assert launcher.wait(timeout=60) == 0, log.read_text()
        assert not serious(log), log.read_text()
    release_port(port)
    server.abort(keep=False)


def serious(log):
    """The lines that should not be in LOG, the log of a launcher that has ended."""
    return [line for line in log.read_text().splitlines()
            if re.search(r"\[[a-z_]+:(error|crit|alert|emerg)\]", line) and not HARD_STOP.search(line)]


def heed_signals():
    """Restores what background jobs of a shell, or nohup, ignore; a script cannot restore it."""
    for signum in (signal.SIGINT, signal.SIGHUP):
        signal.signal(signum, signal.SIG_DFL)


@needs_directives
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_hub_starts_serves_and_ends_cleanly(env, folder, command, signum):
    port = free_port()
    env["MERCURE_LISTEN_ADDR"] = f"127.0.0.1:{port}"
    env["SERVER_NAME"] = f"localhost:{port}"
    env["MERCURE_EXTRA_DIRECTIVES"] = "MercureAnonymous On"
    env.update(MERCURE_DEBUGGER="1", MERCURE_METRICS="1")
    (folder / "index.html").write_text("hello")
    log = folder / "log"
    with running([*command, "-c", f'DocumentRoot "{folder}"'], env, log, preexec_fn=heed_signals) as launcher:
        wait_ready(launcher, log)
        # The module has no remarks on the launcher's configuration. Another hub cannot use the same history.
        assert re.search(r"\[mercure:(notice|warn|error|crit)\](?!.*MRC0114)", log.read_text()) is None, log.read_text()
        other = free_port()
        status, _, stderr = launch({**env, "MERCURE_LISTEN_ADDR": f"127.0.0.1:{other}"})
        assert status == 2 and "mercure-hub: MERCURE_DATA_DIR: " in stderr, stderr
        release_port(other)
        page = http.request(port, "GET", "/index.html")
        assert page.text == "hello" and page.header("Upgrade") is None
        with Http2(port) as conn:  # as a proxy that terminates TLS may do
            assert conn.request("/index.html").body == b"hello"
        assert http.request(port, "PUT", HUB).status == 405
        assert http.request(port, "GET", f"{HUB}/debug/").status == 200
        for path in ("/health", "/health/ready", "/healthz", "/healthz/live"):
            assert http.request(port, "GET", path).json == {"status": "ok"}
        assert "mercure_updates_total{" in http.request(port, "GET", "/metrics").text
        with sse.EventSource(port, f"{HUB}?match=a" + "".join(f"&match={n:0290}" for n in range(99))) as stream:
            publish(port, token.publisher(aud=f"http://localhost:{port}{HUB}"), "hello")
            assert stream.next().data == "hello"
        private, = glob.glob(str(folder / "mercure-hub.*"))
        assert os.stat(private).st_mode & 0o066 == 0
        wait_until(lambda: f'"PUT {HUB} HTTP/1.1" 405' in log.read_text(), what="the access log")
        launcher.send_signal(signum)
        assert launcher.wait(timeout=60) == 0, log.read_text()
        assert not os.path.exists(private)
        assert not serious(log), log.read_text()
    release_port(port)


@needs_directives
def test_every_origin_of_a_long_list_counts(env, folder, command):
    port = free_port()
    origins = [f"https://app{n}.example" for n in range(70)]
    env.update(MERCURE_LISTEN_ADDR=f"127.0.0.1:{port}", MERCURE_CORS_ORIGINS=" ".join(origins))
    with running(command, env, folder / "log") as launcher:
        wait_ready(launcher, folder / "log")
        for origin in (origins[0], origins[-1]):
            answer = http.request(port, "OPTIONS", HUB, {"Origin": origin, "Access-Control-Request-Method": "POST"})
            assert answer.header("Access-Control-Allow-Origin") == origin, answer
    release_port(port)


@needs_directives
def test_playground_start_page_leads_to_the_debugger(env, folder):
    port = free_port()
    env.update(MERCURE_LISTEN_ADDR=f"127.0.0.1:{port}", SERVER_NAME=f"localhost:{port}", MERCURE_PLAYGROUND="1")
    log = folder / "log"
    with running([LAUNCHER], env, log) as launcher:
        wait_ready(launcher, log)
        page = http.request(port, "GET", "/")
        assert page.status == 200 and f"url={HUB}/debug/" in page.text, page
        assert http.request(port, "GET", f"{HUB}/debug/playground.json").json["token"]
        assert http.request(port, "GET", "/metrics").status == 404
        wait_until(lambda: "INSECURE" in log.read_text(), what="the warning")
        launcher.terminate()
        assert launcher.wait(timeout=60) == 0, log.read_text()
    release_port(port)


@needs_directives
def test_history_survives_a_killed_launcher(env, folder):
    """A killed launcher leaves httpd behind, which the test ends. The next launcher has what was published."""
    port, log = free_port(), folder / "log"
    env.update(MERCURE_LISTEN_ADDR=f"127.0.0.1:{port}", SERVER_NAME=f"localhost:{port}", MERCURE_ALLOW_ANONYMOUS="1",
               MERCURE_MAX_SUBSCRIBERS="100")
    with running([LAUNCHER], env, log) as launcher:
        wait_ready(launcher, log)
        publish(port, token.publisher(aud=f"http://localhost:{port}{HUB}"), "kept")
        launcher.kill()
        launcher.wait()
        assert list(processes_below(folder))
    assert not list(processes_below(folder))
    with running([LAUNCHER], env, log) as launcher:
        wait_ready(launcher, log)
        with sse.EventSource(port, f"{HUB}?match=a&last_event_id=earliest") as stream:
            assert stream.next().data == "kept"
    release_port(port)


@needs_directives
def test_files_of_a_killed_launcher_are_removed(env, folder):
    """The next start removes them, but none of a launcher or httpd that lives, of one that starts, or of another user."""
    env.update(MERCURE_STORE="memory", MERCURE_MAX_SUBSCRIBERS="10")
    next_start = dict(env)
    use_fake_httpd(next_start, folder, "[a:notice] AH00489: resuming normal operations")

    def start_again():
        assert launch(next_start)[0] == 0
        return set(glob.glob(str(folder / "mercure-hub.*")))

    starting, linked = folder / "mercure-hub.starting", folder / "mercure-hub.linked"
    starting.mkdir()
    linked.symlink_to(folder / "data")
    (folder / "data/held").touch()
    kept = {str(starting), str(linked)}
    if os.getuid() == 0:
        foreign = folder / "mercure-hub.foreign"
        foreign.mkdir()
        (foreign / "held").touch()
        os.chown(foreign, 65534, 65534)
        kept.add(str(foreign))
    port, log = free_port(), folder / "log"
    with running([LAUNCHER], {**env, "MERCURE_LISTEN_ADDR": f"127.0.0.1:{port}"}, log) as launcher:
        wait_ready(launcher, log)
        living = set(glob.glob(str(folder / "mercure-hub.*")))
        assert len(living - kept) == 1
        assert start_again() == living
        launcher.kill()
        launcher.wait()
        assert start_again() == living
        assert http.request(port, "GET", "/health").status == 200
    assert os.path.isdir(*(living - kept))
    # A process that is killed closes its files some time after it has lost its command line.
    wait_until(lambda: start_again() == kept, what="the removal of the files")
    assert (folder / "data/held").exists()
    release_port(port)


OLD_PUBLISHER = token.mint_raw({"alg": "HS256"}, {"mercure": {"publish": ["*"]}}, PUBLISHER_KEY)


def take_earliest(port, count, **more):
    """The data of the first COUNT updates of the history."""
    with sse.EventSource(port, f"{HUB}?topic=a&lastEventID=earliest", **more) as stream:
        return [event.data for event in stream.take(count)]


@needs_directives
def test_history_does_not_depend_on_the_server_name(env, folder):
    """Neither another name and port, nor names that change their order, make another hub."""
    del env["MERCURE_TRUSTED_ISSUERS"]
    env.update(MERCURE_ALLOW_ANONYMOUS="1", MERCURE_METRICS="1", MERCURE_MAX_SUBSCRIBERS="10")
    names = ["http://localhost", "https://other.example:8443", "a.example,http://localhost", ":1"]
    for count, name in enumerate(names, 1):
        with serving({**env, "SERVER_NAME": name}, folder) as (port, _):
            publish(port, OLD_PUBLISHER, name.replace(":", "%3A"))
            assert take_earliest(port, count) == names[:count]
            text = http.request(port, "GET", "/metrics").text
    assert 'mercure_updates_total{hub="mercure"} 1\n' in text
    assert len(os.listdir(folder / "data")) == 1


@needs_directives
@pytest.mark.parametrize("name", ["Hub-1.example", "a-name.that-is-longer-than-what-the-directory-shows.example"])
def test_history_named_after_the_server_name_is_kept(env, folder, name):
    """Such a history is used, if no other hub uses it. That of a hub with another name stays."""
    del env["MERCURE_TRUSTED_ISSUERS"]
    env.update(MERCURE_ALLOW_ANONYMOUS="1", MERCURE_MAX_SUBSCRIBERS="10", SERVER_NAME=f"https://{name}:8443, b.example")
    data = folder / "data"
    with Httpd(name="launcher-former") as server:
        server.start("".join(server.vhost(hub(f'MercureStore lmdb "{data}"'), name=host) for host in (name, "other.example")))
        server.publish("a", "kept", host=name)
        server.publish("a", "foreign", host="other.example")
        status, _, stderr = launch({**env, "MERCURE_LISTEN_ADDR": f"127.0.0.1:{server.add_port()}"})
        assert status == 2 and re.fullmatch(r"mercure-hub: MERCURE_DATA_DIR: another server uses [^\n]+\n", stderr), stderr
    former = set(os.listdir(data))
    assert len(former) == 2
    for count in (2, 3):
        with serving(env, folder) as (port, _):
            publish(port, OLD_PUBLISHER, "new")
            assert take_earliest(port, count) == ["kept", "new", "new"][:count]
    assert len(former & set(os.listdir(data))) == 1 and len(os.listdir(data)) == 2


@needs_directives
def test_machines_with_different_server_names_are_one_hub(env, folder):
    del env["MERCURE_TRUSTED_ISSUERS"], env["MERCURE_DATA_DIR"]
    redis = Redis()
    try:
        env.update(MERCURE_ALLOW_ANONYMOUS="1", MERCURE_MAX_SUBSCRIBERS="10", MERCURE_TRANSPORT_URL=f"redis://127.0.0.1:{redis.port}")
        with contextlib.ExitStack() as machines:
            ports = []
            for name in ("a.example", "https://b.example"):
                place = folder / name[-9:]
                place.mkdir()
                place.chmod(0o777)
                ports.append(machines.enter_context(serving({**env, "SERVER_NAME": name, "TMPDIR": str(place)}, place))[0])
            for port in ports:
                wait_until(lambda: http.request(port, "GET", "/health/ready").status == 200, what="a machine that has read the hub")
            with sse.EventSource(ports[0], f"{HUB}?topic=a") as one, sse.EventSource(ports[1], f"{HUB}?topic=a") as two:
                publish(ports[0], OLD_PUBLISHER, "to all")
                assert one.next().data == two.next().data == "to all"
    finally:
        redis.close()


@needs_directives
def test_no_line_of_the_access_log_is_longer_than_a_pipe_takes_at_once(env, folder):
    """The kernel may divide a longer line, and put lines of other processes in between. A long query is not in the line."""
    env["MERCURE_MAX_SUBSCRIBERS"] = "10"
    short = f"{HUB}/{'s' * 800}"
    requests = [("GET", f"{HUB}/{'a' * 30000}"), ("GET", f"{HUB}/{'%01' * 9000}"), ("GET", f"{HUB}/{'%0A' * 1000}"),
                ("GET", f"{HUB}/{'%01' * 880}"), ("M" * 5000, HUB), ("GET", short), ("GET", f"{HUB}?match={'q' * 20000}")]
    with serving(env, folder) as (port, log):
        def access_lines():
            return [line for line in log.read_bytes().split(b"\n")[:-1] if line.startswith(b"127.0.0.1 ")]

        for count, (method, target) in enumerate(requests, 1):
            assert http.request(port, method, target).status >= 400
            wait_until(lambda: len(access_lines()) == count, what="the line of the request")
        lines = access_lines()
        assert max(len(line) + 1 for line in lines) <= 4096
        assert [b'"(the path or the method is too long) HTTP/1.1" ' in line for line in lines] == [True] * 3 + [False, True, False, False]
        assert b"\\x01" * 880 in lines[3]
        assert f'"GET {short} HTTP/1.1" '.encode() in lines[5] and f'"GET {HUB} HTTP/1.1" '.encode() in lines[6]


# ---- addresses and names -------------------------------------------------------------------------

@pytest.mark.parametrize("name, lines", [
    (":80", ["Listen 80", "ServerName localhost"]), ("http://:3000", ["Listen 3000", "ServerName localhost"]),
    ("hub.example", ["Listen 80", "ServerName hub.example"]),
    ("hub.example:8443", ["Listen 8443", "ServerName hub.example:8443"]),
    ("https://hub.example", ["Listen 80", "ServerName https://hub.example"]),
    ("https://hub.example:8443/", ["Listen 8443", "ServerName https://hub.example:8443"]),
    (":8080,:8081 , http://:8080", ["Listen 8080", "Listen 8081", "ServerName localhost"]),
    ("localhost, php:81", ["Listen 81", "ServerName localhost", "<VirtualHost *>", "ServerName localhost",
                           "ServerAlias php", "</VirtualHost>"]),
    ("a.example,*.b.example,https://c.example:82", ["Listen 82", "ServerName a.example", "<VirtualHost *>",
                                                    "ServerName a.example", "ServerAlias *.b.example c.example", "</VirtualHost>"])])
def test_server_name_gives_names_and_ports(env, name, lines):
    del env["MERCURE_LISTEN_ADDR"]
    env["SERVER_NAME"] = name

    def found():
        return [line for line in hub_lines(env)[1] if re.match(r"Listen |Server(Name|Alias) |</?VirtualHost", line)]

    assert found() == lines
    env["MERCURE_LISTEN_ADDR"] = "127.0.0.1:18080"
    assert [line for line in found() if line.startswith("Listen")] == ["Listen 127.0.0.1:18080"]


def test_bare_name_without_certificate_is_reported(env, folder):
    for name, reported in (("localhost", True), ("http://localhost", False), ("https://localhost", False), ("localhost:1", False)):
        with serving({**env, "SERVER_NAME": name, "MERCURE_MAX_SUBSCRIBERS": "1"}, folder) as (_, log):
            assert ("mercure-hub: SERVER_NAME: localhost is served over HTTP" in log.read_text()) == reported, log.read_text()
            assert ("MERCURE_TLS_CERT" in log.read_text()) == reported, log.read_text()


@needs_directives
def test_aliases_are_names_of_the_hub(env, folder):
    env.update(SERVER_NAME="localhost, alias.example", MERCURE_MAX_SUBSCRIBERS="10")
    server = Httpd(name="launcher-alias")
    cert, key = server.certificate()
    for path in (cert, key):
        os.chmod(path, 0o644)
    for tls in (False, True):
        if tls:
            env.update(MERCURE_TLS_CERT=cert, MERCURE_TLS_KEY=key)
        with serving(env, folder) as (port, log):
            for host in ("localhost", "alias.example"):
                own = f"http{'s' if tls else ''}://{host}:{port}{HUB}"
                metadata = http.request(port, "GET", f"/.well-known/oauth-protected-resource{HUB}", host=f"{host}:{port}", tls=tls)
                assert metadata.json["resource"] == own
            assert "SSLSessionCache" not in log.read_text()
    server.abort(keep=False)


def test_container_listens_on_8080_and_80_where_it_may(env):
    """Root may listen on every port; an ordinary user may where the kernel allows it."""
    del env["MERCURE_LISTEN_ADDR"]
    env["MERCURE_CONTAINER"] = "1"
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding="ascii") as file:
        free_for_all = int(file.read()) <= 80
    assert [line for line in hub_lines(env)[1] if line.startswith("Listen ")] == [
        "Listen 8080", *(["Listen 80"] if free_for_all or os.getuid() == 0 else [])]
    if os.getuid() == 0:
        ordinary = subprocess.run(["setpriv", "--reuid=www-data", "--regid=www-data", "--init-groups", LAUNCHER, "--print-config"],
                                  env=env, capture_output=True, text=True, timeout=60, check=True).stdout
        assert re.findall("^Listen .*", ordinary, re.M) == ["Listen 8080", *(["Listen 80"] if free_for_all else [])]
    for variable, value, expected in (("SERVER_NAME", "localhost:3000", "Listen 3000"), ("MERCURE_LISTEN_ADDR", ":81", "Listen 81")):
        lines = hub_lines({**env, variable: value})[1]
        assert [line for line in lines if line.startswith("Listen ")] == [expected]


def test_port_of_server_name_in_use_is_reported(env):
    del env["MERCURE_LISTEN_ADDR"]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        env.update(SERVER_NAME=f":{taken.getsockname()[1]}", MERCURE_MAX_SUBSCRIBERS="1")
        status, _, stderr = launch(env)
    assert status == 2 and re.fullmatch(r"mercure-hub: SERVER_NAME: httpd cannot listen there [^\n]+\n", stderr), stderr


def test_encrypted_key_is_refused(env, folder):
    cert, key = folder / "cert.pem", folder / "key.pem"
    cert.write_text("-----BEGIN CERTIFICATE-----\n")
    env.update(MERCURE_TLS_CERT=str(cert), MERCURE_TLS_KEY=str(key))
    for text in ("-----BEGIN ENCRYPTED PRIVATE KEY-----\n", "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n"):
        key.write_text(text)
        assert_refused(env, "MERCURE_TLS_KEY", "encrypted")


# ---- modules -------------------------------------------------------------------------------------

def loaded(folder):
    """The modules that the running launcher has added for directives of httpd."""
    path, = glob.glob(str(folder / "mercure-hub.*" / "modules.conf"))
    with open(path, encoding="utf-8") as file:
        return re.findall(r"LoadModule (\w+)_module", file.read())


@needs_directives
def test_directives_of_httpd_load_their_modules(env, folder):
    env.update(MERCURE_ALLOW_ANONYMOUS="1", MERCURE_MAX_SUBSCRIBERS="10")
    with serving(env, folder):
        assert loaded(folder) == []
    env["MERCURE_EXTRA_DIRECTIVES"] = "\n".join((
        "heartbeat 30s", "<RequireAny>", "Require ip 192.0.2.1", "Require env insider", "</RequireAny>",
        "SetEnvIf X-Inside yes insider", "Header always set X-Hub one", "<IfModule mod_env.c>", "SetEnv A b", "</IfModule>"))
    with serving(env, folder, errors="AH01630: client denied") as (port, _):
        assert sorted(loaded(folder)) == ["authz_host", "env", "headers", "setenvif"]
        assert http.request(port, "HEAD", f"{HUB}?match=a").status == 403
        answer = http.request(port, "HEAD", f"{HUB}?match=a", [("X-Inside", "yes")])
        assert answer.status == 200 and answer.header("X-Hub") == "one"


@needs_directives
def test_basic_authentication_works(env, folder):
    hashed = subprocess.run(["openssl", "passwd", "-apr1", "secret"], check=True, capture_output=True, text=True).stdout
    (folder / "users").write_text(f"anna:{hashed}")
    (folder / "users").chmod(0o644)
    env.update(MERCURE_ALLOW_ANONYMOUS="1", MERCURE_MAX_SUBSCRIBERS="10", MERCURE_EXTRA_DIRECTIVES="\n".join((
        "AuthType Basic", 'AuthName "the hub"', f'AuthUserFile "{folder}/users"', "Require valid-user")))
    with serving(env, folder) as (port, log):
        assert http.request(port, "HEAD", f"{HUB}?match=a").status == 401
        answer = http.request(port, "HEAD", f"{HUB}?match=a", [("Authorization", "Basic YW5uYTpzZWNyZXQ=")])
        assert answer.status == 200, log.read_text()


@needs_directives
def test_modules_that_are_built_in_are_not_loaded(env, folder):
    """Some systems have such modules in httpd's program, and no files for them."""
    modules, httpd = folder / "modules", folder / "httpd"
    modules.mkdir()
    for path in glob.glob("/usr/lib/apache2/modules/mod_*.so"):
        if os.path.basename(path) not in ("mod_headers.so", "mod_setenvif.so"):
            (modules / os.path.basename(path)).symlink_to(path)
    httpd.write_text("#!/bin/sh\nexec /usr/sbin/apache2 -C 'LoadModule headers_module /usr/lib/apache2/modules/mod_headers.so' \"$@\"\n")
    httpd.chmod(0o755)
    env.update(MERCURE_HTTPD=str(httpd), MERCURE_HTTPD_MODULES=str(modules), MERCURE_MAX_SUBSCRIBERS="10",
               MERCURE_EXTRA_DIRECTIVES="Header set X-Hub one\nRequire ip 127.0.0.1")
    with serving(env, folder) as (port, _):
        assert loaded(folder) == ["authz_host"]
        assert http.request(port, "GET", f"{HUB}?match=a").header("X-Hub") == "one"
    env["MERCURE_EXTRA_DIRECTIVES"] = "SetEnvIf A b c"
    status, _, stderr = launch(env)
    assert status == 2 and re.fullmatch(r"mercure-hub: MERCURE_EXTRA_DIRECTIVES: line 1: Invalid command 'SetEnvIf': no module in "
                                        r"[^\n]+/modules has this directive[^\n]+\n", stderr), stderr
    argument = "LoadModule setenvif_module /usr/lib/apache2/modules/mod_setenvif.so"
    with serving(env, folder, "-C", argument):
        assert loaded(folder) == []


@needs_directives
def test_arguments_load_their_modules_too(env, folder):
    env["MERCURE_MAX_SUBSCRIBERS"] = "10"
    with serving(env, folder, "-c", "Header always set X-Hub two") as (port, _):
        assert http.request(port, "GET", "/health").header("X-Hub") == "two"
