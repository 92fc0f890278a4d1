"""
Each directive of the table: its default, inheritance, contexts, documentation and configtest errors.
The program directives-doc lists the table, so a directive without a row here is a failure.
"""
import os
import subprocess

import pytest

from env import token
from env.hub import PATH, hub
from env.httpd import find_module
from env.jwks import Key, jwk_set

pytestmark = pytest.mark.mpm("event")

TOPIC = "https://example.com/some/topic"
KEY = token.PUBLISHER_KEY
OTHER_KEY = "another-key-of-the-live-tests:0123456789abcdef0123456789abcdef"
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
SOURCES = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def doc_program():
    """The path of directives-doc, beside the module in the build tree."""
    folder = os.path.dirname(find_module())
    for path in (folder, os.path.dirname(folder)):
        program = os.path.join(path, "directives-doc")
        if os.path.exists(program):
            return program
    return pytest.skip("no directives-doc beside the module")


def listed():
    """{name: (scope, default)} of the table; options have names such as "MercureLimit body="."""
    done = subprocess.run([doc_program(), "--list"], check=True, capture_output=True, text=True)
    return {name: (scope, default) for name, scope, default in
            (line.split("\t") for line in done.stdout.splitlines())}


# Valid arguments, and invalid ones, each with a word that the error must contain.
ROWS = {
    "MercureHub": ("On", [("", "On"), ("Yes", "Off"), ("On name=", "name=NAME"), ("On label=x", "label=x"),
                          ("Off name=x", "Off"), ("On name=a b", "Off"), (f"On name={'x' * 65}", "64")]),
    "MercureKey": (f"https://a.example HS256 {KEY}", [("", "ISSUER ALGS SOURCE"), ("a HS256", "ISSUER ALGS")]),
    "MercurePublisherKey": (f"https://a.example HS256 {KEY}", [("", "ISSUER ALGS SOURCE")]),
    "MercureSubscriberKey": (f"https://a.example HS256,HS384 {KEY}", [("", "ISSUER ALGS SOURCE")]),
    "MercureControlKey": (f"https://operators.example HS256 {OTHER_KEY}", [
        ("", "ISSUER ALGS SOURCE"), (f"HS256 {KEY}", "ISSUER ALGS SOURCE")]),
    "MercureLegacy": ("On", [("", "On or Off"), ("0.x", "On or Off")]),
    "MercureLegacyKey": (f"HS256 {KEY}", [("", "ALGS SOURCE"), (f"https://a.example HS256 {KEY}", "ALGS SOURCE"),
                                          (f"HS1 {KEY}", "HS1"), ("HS256 env:MISSING_VARIABLE", "MISSING_VARIABLE")]),
    "MercureLegacyPublisherKey": (f"HS256,HS512 {KEY}", [("HS256", "ALGS SOURCE")]),
    "MercureLegacySubscriberKey": (f"HS256 {KEY}", [("HS256", "ALGS SOURCE")]),
    "MercureDetach": ("Off", [("", "auto or Off"), ("On", "auto or Off"), ("auto Off", "auto or Off")]),
    "MercureCursor": ("On", [("", "auto, On or Off"), ("yes", "auto, On or Off"), ("On Off", "auto, On or Off")]),
    "MercureHtaccess": ("On", [("", "On or Off"), ("auto", "On or Off"), ("On Off", "On or Off")]),
    "MercureAnonymous": ("On", [("", "On or Off"), ("maybe", "On or Off"), ("On Off", "On or Off")]),
    "MercureDebugger": ("On", [("", "On or Off"), ("yes", "On or Off")]),
    "MercurePlayground": ("On", [("", "On or Off"), ("yes", "On or Off"), ("On On", "On or Off")]),
    "MercureResourceIdentifier": ("https://a.example/x http://b.example/", [
        ("", "URL"), ("hub", "https://"), ("/path", "https://"), ("ftp://a.example/", "ftp://a.example/"),
        ("https://a.example/#x", "#"), ("https:///x", "https:///x")]),
    "MercureAuthorizationServer": ("https://as.example https://as.example/tenant", [
        ("", "URL"), ("as.example", "https://"), ("https://as.example/#x", "#")]),
    "MercurePublicURL": ("https://a.example https://*.b.example:8443", [
        ("", "one or more origins"), ("a.example", "a.example"), ("https://a.example/x", "without a path"), ("*", "Leave it out")]),
    "MercureCookieName": ("__Host-token", [("", "NAME"), ("a b", "NAME"), ("a;b", "a;b"), ("a=b", "a=b")]),
    "MercureCorsOrigins": ("https://a.example https://*.b.example:8443", [
        ("", "one or more origins"), ("a.example", "a.example"), ("https://a.example/x", "https://a.example/x"),
        ("https://a.example:65979", "65979"), ("https://a.example:0", ":0"), ("* https://a.example", "*"), ("https://a.*.example", "*"), ("https://*", "*"), ("https://*.", "*")]),
    "MercurePublishOrigins": ("https://a.example", [("", "one or more origins"), ("*", "*"), ("null", "null")]),
    "MercureHistory": ("count=10 bytes=8M age=60", [
        ("", "count=N"), ("On", "On"), ("count=-1", "-1"), ("count=x", "x"), ("count=", "count="),
        ("count=1K", "1K"), ("bytes=1T", "1T"), ("bytes=99999999999999999999", "99999999999999999999"),
        ("bytes=9000000000G", "9000000000G"), ("bytes=2000G", "2000G"), ("age=1m", "1m"), ("size=1", "size=1"),
        ("Off count=1", "Off"), ("count", "count")]),
    "MercureTransport": ("local", [
        ("", "local"), ("other", "local"), ("redis:cache.example", "local"), ("local local", "local"),
        (f"kafka://user:{KEY}@cache.example", "kafka:...: there is no such transport"),
        ("redis://", "host is empty"), ("redis://a,,b", "host is empty"), ("redis://a:0", "port 0"),
        ("redis://a:65536", "65536"), ("redis://a:x", "the port"), ("redis://a/x", "the database /... "), ("redis://a/1000001", "the database /1000001"), ("redis://a?x", "the host ... "),
        ("redis://" + ",".join("abcdefghijklmnopq"), "16"), ("env:MISSING_VARIABLE", "MISSING_VARIABLE"),
        (f"redis://u:{KEY}@a password=env:HOME", "password is given in the URL"), ("redis://u@a", "has no password"),
        ("redis://u:p@a user=v", "user is given in the URL"), ("redis://a user=", "user= is empty"),
        ("redis://a password=secret", "file:PATH"), ("redis://a password=env:MISSING_VARIABLE", "MISSING_VARIABLE"),
        ("redis://a password=file:missing", "missing"), ("redis://a ca=x.pem", "rediss://"), ("redis://:${UNDEFINED_VARIABLE}@a", "${"),
        ("rediss://a ca=missing.pem", "missing.pem"), ("rediss://a cert=conf/httpd.conf", "needs key=PATH"),
        ("rediss://a key=conf/httpd.conf", "needs cert=PATH"), ("redis://a prefix=", "1 to 64"),
        ("redis://a prefix=a:b", "a:b"), (f"redis://a prefix={'x' * 65}", "1 to 64"), ("redis://a machine=a/b", "a/b"),
        ("redis://a replicas=-1", "-1"), ("redis://a replicas=17", "17"), ("redis://a timeout=0", "from 1 to 30"),
        ("redis://a timeout=31", "31"), ("redis://a lease=4", "from 5 to 300"), ("redis://a lease=301", "301"),
        ("redis://a ready=x", "ready=x"), ("redis://a ready=1 ready=2", "twice"), ("redis://a colour=red", "colour"),
        ("redis://a secret", "machine="), ("redis://a cluster=1", "cluster=1"),
        ("redis://a/1 cluster=on", "database"), ("redis://a cluster=on sentinel=b", "exclude"),
        ("redis://a sentinel=", "1 to 64"), ("redis://a sentinel-user=x", "need sentinel="),
        ("redis://a sentinel=x sentinel-password=y", "env:NAME")]),
    "MercureStore": ("memory", [
        ("", "memory"), ("disk", "memory"), ("memory x", "memory"), ("lmdb", "path"), ("lmdb data x", "sync=group"),
        ("lmdb data sync=", "sync=group"), ("lmdb data sync=full x", "path"), ("lmdb sync=full", "path")]),
    "MercureLimit": ("matchers=1 pattern=1K topics=1 body=64K field=1K details=1 patterns=1 compiled=2M", [
        ("", "matchers=N"), ("matchers=0", "0"), ("matchers=100001", "100001"), ("pattern=0", "0"),
        ("topics=x", "x"), ("body=0", "0"), ("body=2G", "2G"), ("field=-1", "-1"), ("details=1.5", "1.5"),
        ("unknown=1", "unknown=1")]),
    "MercureHeartbeat": ("0", [("", "SECONDS"), ("-1", "-1"), ("86401", "86401"), ("1s", "1s")]),
    "MercureConnectionLifetime": ("0", [("", "SECONDS"), ("x", "x")]),
    "MercureDispatchTimeout": ("1", [("", "SECONDS"), ("0", "0")]),
    "MercureSubscriberBacklog": ("64K", [("", "SIZE"), ("1T", "1T")]),
    "MercureMaxSubscribers": ("0 per-address=5 per-token=3", [
        ("", "N"), ("-1", "-1"), ("per-address=1", "per-address=1"), ("1 per-address=-1", "-1"),
        ("1 per-token=x", "x"), ("1 2", "2"), ("1 per-user=3", "per-user=3")]),
    "MercurePublishRate": ("100/s burst=5 per-token=3", [
        ("", "N"), ("-1", "-1"), ("/s", "/s"), ("1/m", "1/m"), ("1s", "1s"), ("1000001", "1000001"),
        ("burst=1", "burst=1"), ("1 burst=0", "0"), ("1 burst=1000001", "1000001"), ("1 per-token=x", "x"),
        ("1 2", "2"), ("1 per-address=3", "per-address=3")]),
    "MercureSubscriptions": ("On", [("", "On or Off"), ("1", "On or Off"), ("On Off", "On or Off")]),
    "MercureHttp2": ("Off", [("", "On or Off"), ("yes", "On or Off"), ("On On", "On or Off")]),
    "MercureSites": ("50", [("", "N"), ("0", "0"), ("100001", "100001"), ("x", "x")]),
    "MercureDispatchers": ("2", [("", "N"), ("0", "0"), ("65", "65")]),
    "MercureJwksCACertificateFile": (CERTIFICATES, [("", "PATH"), ("/nonexistent", "/nonexistent")]),
    "MercurePublishHeader": ("Off", [
        ("", "On PATH"), ("yes", "On PATH"), ("Off /hub", "Off"), ("On hub", "begins with /"), ("On /a /b", "On PATH")]),
    "MercureDiscovery": ("Off", [
        ("", "On"), ("yes", "Off"), ("Off /hub", "Off"), ("On hub", "begins with /"), ("On ftp://a.example/", "http"),
        ('On "/a b"', "encoded"), ("On /<a>", "encoded"), ("On https://a.example/ä", "encoded")]),
    "MercureMemory": ("1G", [("", "SIZE"), ("1X", "1X"), ("-5", "-5"), ("99999999G", "99999999G")]),
}

# The defaults that the table must have.
DEFAULTS = {
    "MercureAuthorizationServer": "none", "MercurePublicURL": "every one that the virtual host serves",
    "MercureCookieName": "__Secure-mercure_access_token", "MercureCorsOrigins": "none",
    "MercurePublishOrigins": "the hub's own origin",
    "MercureHub": "Off", "MercureAnonymous": "Off", "MercureDebugger": "Off",
    "MercurePlayground": "Off", "MercureKey": "", "MercurePublisherKey": "",
    "MercureControlKey": "",
    "MercureLegacy": "Off", "MercureLegacyKey": "", "MercureLegacyPublisherKey": "",
    "MercureLegacySubscriberKey": "",
    "MercureSubscriberKey": "", "MercureMemory": "0", "MercureJwksCACertificateFile": "", "MercureDispatchers": "1", "MercureSites": "1000", "MercureHttp2": "On",
    "MercureHeartbeat": "20",
    "MercureConnectionLifetime": "600", "MercureDetach": "auto", "MercureCursor": "auto", "MercureDispatchTimeout": "5", "MercureSubscriberBacklog": "1M",
    "MercureMaxSubscribers": "0", "MercureMaxSubscribers per-address=": "0", "MercureMaxSubscribers per-token=": "0", "MercureSubscriptions": "Off",
    "MercureHtaccess": "Off", "MercurePublishRate": "0", "MercurePublishRate burst=": "N", "MercurePublishRate per-token=": "0",
    "MercureHistory": "count=100000 bytes=16M age=0", "MercureStore": "memory", "MercureTransport": "local",
    "MercureHistory count=": "100000", "MercureHistory bytes=": "16M", "MercureHistory age=": "0",
    "MercureLimit": "matchers=100 pattern=4096 topics=1000 body=1M field=body details=100 patterns=20000 compiled=64M",
    "MercureLimit matchers=": "100", "MercureLimit pattern=": "4096", "MercureLimit topics=": "1000",
    "MercureLimit body=": "1M", "MercureLimit field=": "body", "MercureLimit details=": "100",
    "MercureLimit patterns=": "20000", "MercureLimit compiled=": "64M",
    "MercurePublishHeader": "Off", "MercureDiscovery": "Off",
    "MercureResourceIdentifier": "scheme, ServerName, port and path of the hub",
}

# Where a directive of each scope is allowed. {} is the directive.
PLACES = {
    "server": "{}",
    "virtual host": "<VirtualHost 127.0.0.1:1>\n{}\n</VirtualHost>",
    "Location": '<Location "/x">\n{}\n</Location>',
    "Location in a virtual host": '<VirtualHost 127.0.0.1:1>\n<Location "/x">\n{}\n</Location>\n</VirtualHost>',
    "IfModule in Location": '<Location "/x">\n<IfModule mercure_module>\n{}\n</IfModule>\n</Location>',
    "LocationMatch": '<LocationMatch "^/x">\n{}\n</LocationMatch>',
    "Location ~": '<Location ~ "^/x">\n{}\n</Location>',
    "Location with *": '<Location "/x/*">\n{}\n</Location>',
    "Location with ?": '<Location "/x?">\n{}\n</Location>',
    "Location with []": '<Location "/[xy]">\n{}\n</Location>',
    "If": '<If "true">\n{}\n</If>',
    "If in Location": '<Location "/x">\n<If "true">\n{}\n</If>\n</Location>',
    "Directory": '<Directory "/x">\n{}\n</Directory>',
    "DirectoryMatch": '<DirectoryMatch "^/x">\n{}\n</DirectoryMatch>',
    "Files": '<Files "x">\n{}\n</Files>',
    "FilesMatch": '<FilesMatch "x">\n{}\n</FilesMatch>',
    "Proxy": '<Proxy "http://x/">\n{}\n</Proxy>',
    "Limit": '<Location "/x">\n<Limit GET>\n{}\n</Limit>\n</Location>',
    "LimitExcept": '<Location "/x">\n<LimitExcept GET>\n{}\n</LimitExcept>\n</Location>',
}
LITERAL = {"Location", "Location in a virtual host", "IfModule in Location"}
OUTSIDE = {"server", "virtual host"}
ALLOWED = {
    "section": LITERAL,
    "hub": LITERAL | OUTSIDE,
    "location": LITERAL | OUTSIDE | {"LocationMatch", "Location ~", "Location with *", "Location with ?",
                                     "Location with []", "If", "If in Location"},
    "server": {"server"},
    "response": set(PLACES) - {"Limit", "LimitExcept"},
    "host": OUTSIDE,
}
RESPONSES = {"MercurePublishHeader", "MercureDiscovery"}


def is_refused(result, *words):
    assert not result.ok and result.status != 0, result
    for word in words:
        assert word in result.output, f"{word!r} is missing: {result}"


# ---- the table -----------------------------------------------------------------------------------


def test_every_directive_has_a_row_and_its_default():
    table = listed()
    names = {name for name in table if not name.endswith("=")}
    assert names == set(ROWS), "a directive without a row in this test, or a row without a directive"
    assert {name: default for name, (_, default) in table.items()} == DEFAULTS


def test_directives_page_is_up_to_date():
    page = os.path.join(SOURCES, "docs/directives.md")
    made = subprocess.run([doc_program()], check=True, capture_output=True, text=True).stdout
    with open(page, encoding="utf-8") as file:
        assert file.read() == made, "docs/directives.md is out of date: run make docs"
    for name in ROWS:
        assert f"\n## {name}\n" in made and f"](#{name.lower()})" in made


@pytest.mark.parametrize("name", ROWS)
def test_arguments_are_checked(httpd, name):
    scope = listed()[name][0]
    place = "{}\n" if scope in ("server", "host") else '<Location "/x">\n{}\n</Location>\n'
    good, bad = ROWS[name]
    result = httpd.configtest(place.format(f"{name} {good}"))
    assert result.ok, result
    for args, word in bad:
        result = httpd.configtest(place.format(f"{name} {args}"))
        is_refused(result, name, word)
        assert KEY not in result.output
        # The error names the value, unless the value may hold a secret.
        assert not args or "Key" in name or "Transport" in name or any(arg in result.output for arg in args.split()), result
    assert httpd.runtime_files() == []


# Lists of any length: the first argument that is not of the list, if there is one, and its elements.
LISTS = {
    "MercureResourceIdentifier": ("", "https://a{}.example/"), "MercureAuthorizationServer": ("", "https://a{}.example/"),
    "MercurePublicURL": ("", "https://a{}.example"), "MercureCorsOrigins": ("", "https://a{}.example"),
    "MercurePublishOrigins": ("", "https://a{}.example"), "MercureDiscovery": ("On ", "/a{}"),
}


@pytest.mark.parametrize("name", LISTS)
def test_no_argument_of_a_long_line_is_lost(httpd, name):
    """httpd passes on the first 64 arguments of a line only."""
    first, element = LISTS[name]

    def line(count):
        return f"{name} {first}" + " ".join(element.format(n) for n in range(count - len(first.split())))

    place = '<Location "/x">\n{}\n</Location>\n'
    for count in (64, 65):
        is_refused(httpd.configtest(place.format(line(count))), name, "at most 63 arguments in a line", "several lines")
    for count in (63, 2):
        result = httpd.configtest(place.format(line(count)))
        assert result.ok, result
    if name != "MercureDiscovery":  # its targets have a limit of their own
        result = httpd.configtest(place.format("\n".join([line(63)] * 2)))
        assert result.ok, result


def test_no_argument_of_a_long_line_of_options_is_lost(httpd):
    result = httpd.configtest('<Location "/x">\nMercureHistory ' + "count=1 " * 64 + "\n</Location>\n")
    is_refused(result, "MercureHistory", "at most 63 arguments in a line")
    assert "several lines" not in result.output


@pytest.mark.parametrize("name", ROWS)
def test_directive_is_allowed_only_in_its_contexts(httpd, name):
    httpd.load("proxy")
    httpd.add_port()
    allowed = ALLOWED[listed()[name][0]]
    wrong = []
    for place, text in PLACES.items():
        result = httpd.configtest(text.format(f"{name} {ROWS[name][0]}") + "\n")
        if result.ok != (place in allowed):
            wrong.append(f"{place}: {result}")
        elif not result.ok and name not in result.output:
            wrong.append(f"{place}: the error does not name the directive: {result}")
        elif KEY in result.output:
            wrong.append(f"{place}: the error shows a secret")
    assert not wrong, "\n".join(wrong)
    assert httpd.runtime_files() == []


@pytest.mark.parametrize("place", PLACES)
def test_hub_is_switched_off_in_a_location_or_a_virtual_host(httpd, place):
    httpd.load("proxy")
    httpd.add_port()
    result = httpd.configtest(PLACES[place].format("MercureHub Off") + "\n")
    assert result.ok == (place in LITERAL | {"virtual host"}), result
    assert result.ok or "MercureHub" in result.output


@pytest.mark.parametrize("name", [name for name in ROWS if name not in RESPONSES])
def test_directive_is_refused_in_htaccess(httpd, name):
    httpd.expect_log(f"{name}.*not allowed")
    httpd.write("htdocs/folder/.htaccess", f"{name} {ROWS[name][0]}\n")
    httpd.start(f'<Directory "{httpd.docroot}">\nAllowOverride All\nRequire all granted\n</Directory>\n')
    assert httpd.get("/folder/x").status == 500


# ---- keys ----------------------------------------------------------------------------------------


def test_unusable_keys_are_errors_that_do_not_show_the_secret(httpd):
    """Each error says why the key cannot be used, and does not show the secret."""
    private, public = token.make_key("rsa2048")
    _, small = token.make_key("rsa1024")
    _, ec = token.make_key("p256")
    secret = "S3CRET-" * 6
    files = {
        "private.pem": private, "public.pem": public, "small.pem": small, "ec.pem": ec, "empty": "",
        "newline": "\n", "secret": secret + "\n", "short": "short-secret\n", "unset": "${UNDEFINED}" * 4,
        "oct.jwk": '{"kty":"oct","k":"' + token.b64(secret) + '"}',
        "public.jwk": '{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}',
        "private.jwk": '{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",'
                       '"x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}',
        "ec.set": jwk_set(Key("ec")), "no.set": '{"keys":[]}', "broken.json": '{"keys":', "broken.pem": public[:80],
        "both.pem": public + private,
    }
    for name, content in files.items():
        httpd.write(f"conf/{name}", content)
    httpd.env["EMPTY"] = ""
    httpd.env["SECRET"] = secret
    httpd.env["SHORT"] = "short-secret"
    rows = [
        ("HS256 env:NOT_SET", "NOT_SET is not set"), ("HS256 env:EMPTY", "EMPTY is empty"),
        ("HS256 env:SHORT", "HS256 needs 32"), ("HS512 env:SECRET", "HS512 needs 64"),
        ("HS256,HS512 env:SECRET", "HS512 needs 64"),
        ("HS256 env:", "environment"), (f"HS256 env:{secret}", "no environment variable"),
        ("HS256 file:conf/missing", "conf/missing"), ("HS256 file:conf", "conf"), ("HS256 file:", "file"),
        ("HS256 file:conf/empty", "empty"), ("HS256 file:conf/newline", "empty"),
        ("HS256 file:conf/short", "HS256 needs 32"), ("HS256 file:conf/unset", "${"),
        ("HS256 '${UNDEFINED_VARIABLE}-0123456789-0123456789'", "${"),
        ("HS256 file:conf/public.pem", "HS256 needs a secret"), ("HS256 file:conf/public.jwk", "HS256"),
        ("HS256,RS256 file:conf/public.pem", "HS256 needs a secret"),
        ("HS256,ES256 file:conf/secret", "ES256 needs a public key"), ("HS256,ES256 file:conf/ec.set", "directive of their own"),
        ("ES384,EdDSA file:conf/public.pem", "none of the configured algorithms fits an RSA public key"),
        ("Ed448 file:conf/public.jwk", "Ed448 does not fit an Ed25519 public key"), ("Ed25519 env:SECRET", "Ed25519 needs"),
        ("RS256 file:conf/secret", "RS256 needs a public key"), (f"RS256 {secret}", "RS256 needs a public key"),
        ("EdDSA env:SECRET", "EdDSA needs a public key"), ("RS256 file:conf/oct.jwk", "RS256"),
        ("ES256 file:conf/public.pem", "ES256 does not fit"), ("RS256 file:conf/ec.pem", "RS256 does not fit"),
        ("ES384 file:conf/ec.pem", "ES384 does not fit"),
        ("RS256 file:conf/private.pem", "private key"), ("RS256 file:conf/both.pem", "private key"),
        ("EdDSA file:conf/private.jwk", "private"), ("HS256 file:conf/private.pem", "private key"),
        ("RS256 file:conf/small.pem", "1024"), ("RS256 file:conf/broken.pem", "PEM"),
        ("RS256 file:conf/no.set", "JWK Set"), ("RS256 file:conf/broken.json", "JSON"),
        ("HS257 env:SECRET", "HS257"), ("none env:SECRET", "none"), ("hs256 env:SECRET", "hs256"),
        (f"{secret} HS256", "not an algorithm"), ("'' env:SECRET", "algorithm"), ("HS256, env:SECRET", ""), ("RS256 http://a.example/jwks", "file:PATH"),
    ]
    wrong = []
    for directive in ("MercurePublisherKey", "MercureSubscriberKey", "MercureKey"):
        for args, word in rows if directive == "MercureKey" else rows[:1]:
            result = httpd.configtest(hub(f"{directive} https://a.example {args}", keys=False))
            named = " file:" not in args or args.rpartition(" file:")[2] in result.output
            if result.ok or directive not in result.output or word not in result.output or not named:
                wrong.append(f"{args} ({word}): {result}")
            for hidden in (secret, "short-secret", "nWGxne", private[100:140]):
                if hidden in result.output:
                    wrong.append(f"{args}: the error shows the secret: {result}")
    result = httpd.configtest(hub(f"MercureLegacyKey {secret} HS256", keys=False))
    assert not result.ok and "not an algorithm" in result.output and secret not in result.output, result
    for issuer in (secret, f"https://user:{secret}@a.example", f"https://a.example/?key={secret}"):
        result = httpd.configtest(hub(f"MercureKey {issuer} HS256 https://a.example", keys=False))
        assert "MercureKey ... HS256: HS256 needs a secret" in result.output and secret not in result.output, result
    result = httpd.configtest(hub(f"MercureKey https://a.example RS256 'https://user:{secret}@a.example/{{x}}'", keys=False))
    assert not result.ok and "not a valid URL" in result.output and secret not in result.output, result
    assert not wrong, "\n".join(wrong)
    for args in ("HS256 env:SECRET", "HS256 file:conf/secret", "RS256,PS512 file:conf/public.pem",
                 "RS256,ES256 file:conf/public.pem", "RS256,ES256 file:conf/ec.pem", "RS256,ES256 file:conf/ec.set", "Ed25519,ES256 file:conf/public.jwk",
                 "EdDSA file:conf/public.jwk", "HS256 file:conf/oct.jwk", f"HS256 {secret}"):
        result = httpd.configtest(hub(f"MercureKey https://a.example {args}", keys=False))
        assert result.ok, (args, result)
    is_refused(httpd.configtest(hub("MercureKey '' HS256 env:SECRET")), "MercureKey", "issuer")
    assert httpd.runtime_files() == []


@pytest.mark.parametrize("args, word", [
    ("S3cretS", "no such transport"), ("S3cretS:x", "no such transport"), ("env:WRONG", "no such transport"),
    ("env:redis://:S3cretS@a", "no environment variable"), ("redis://S3cretS@a", "has no password"),
    ("redis://u:S3cretS", "the port"), ("redis://:S3/cretS", "the port"), ("redis://a S3cretS", "machine="),
    ("redis://a S3cretS=", "machine="), ("redis://a password=env:S3cretS", "no environment variable"),
    ("redis://a password=S3cretS", "file:PATH"), ("redis://a?auth=S3cretS", "the host"), ("redis://a#S3cretS", "the host"),
    ("redis://a,b?S3cretS", "the host"), ("redis://a:1?S3cretS", "the port"), ("redis://a:6379/0?password=S3cretS", "the database"),
    ("redis://a/S3cretS", "the database"), ("redis://a/0#S3cretS", "the database"), ("redis://a/0/S3cretS", "the database"),
    ("redis://a/0?S3cretS colour=red", "the database"), ("'redis://a S3cretS'", "the host"), ("env:QUERY", "the database"), ("env:HOST", "the host")])
def test_password_in_the_wrong_place_of_a_transport_is_not_shown(httpd, args, word):
    httpd.env["WRONG"] = "S3cretS"
    httpd.env["QUERY"] = "redis://a:6379/0?password=S3cretS"
    httpd.env["HOST"] = "redis://a?auth=S3cretS"
    result = httpd.configtest(hub(f"MercureTransport {args}"))
    is_refused(result, "MercureTransport", word)
    assert "S3" not in result.output and "cretS" not in result.output, result


# ---- impossible hubs -----------------------------------------------------------------------------


def test_impossible_hubs_are_errors(httpd):
    port = httpd.add_port()
    rows = [
        (hub("MercureHistory bytes=0"), ["MercureHistory bytes=0", "bytes=16M"]),
        (hub("MercureHistory bytes=4194303"), ["MercureHistory bytes=4194303", "4194304", "MercureLimit body="]),
        (hub("MercureLimit body=5M"), ["MercureHistory bytes=16777216", "MercureLimit body=5242880"]),
        ("MercureMemory 1M\n" + hub(), ["MercureMemory 1048576", "MercureHistory"]),
        ("MercureMemory 40M\n" + hub() + hub("MercureHistory bytes=41M", path="/two"), ["MercureMemory 41943040", "/two", "42991616"]),
        (hub(path="/a", name="n") + hub("MercureHistory count=5", path="/b", name="n"),
         ["MercureHistory", "disagree", "httpd.conf:"]),
        (hub(path="/a", name="n") + hub("MercureLimit topics=5", path="/b", name="n"), ["MercureLimit", "disagree"]),
        (hub() + httpd.vhost("MercureHistory count=5") + httpd.vhost("MercureHistory count=6", port=port),
         ["MercureHistory", "disagree"]),
        (hub() + hub(), ["MercureHub", "twice", PATH]),
        (hub(path="/a", name="x") + hub(path="/a", name="y"), ["MercureHub", "twice"]),
        (hub("MercureHub Off"), ["MercureHub", "once"]),
        (hub(path="hub"), ["MercureHub", "begins with /"]), (hub(path="/a//b"), ["MercureHub", "/a//b"]),
        (hub(path="/a/../b"), ["MercureHub", ".."]), (hub(path="/a/."), ["MercureHub", "/a/."]),
        (hub(path="/a/.."), ["MercureHub", "/a/.."]), (hub(path="/a%20b"), ["MercureHub", "decoded"]),
    ]
    wrong = []
    for text, words in rows:
        result = httpd.configtest(text)
        if result.ok or not all(word in result.output for word in words):
            wrong.append(f"{text}{words}: {result}")
    assert not wrong, "\n".join(wrong)
    assert httpd.runtime_files() == []
    for text in (hub("MercureHistory bytes=4M"), hub("MercureHistory bytes=64K", "MercureLimit body=16K"),
                 hub("MercureHistory Off", "MercureLimit body=512M"), "MercureMemory 16M\n" + hub() + hub(path="/two"),
                 hub(path="/a", name="n") + hub(path="/b", name="n")):
        result = httpd.configtest(text)
        assert result.ok, (text, result)


# ---- inheritance ---------------------------------------------------------------------------------


def test_inner_settings_replace_outer_ones(httpd):
    """From the server to virtual hosts and Locations: lists are replaced as a whole, options one by one."""
    bare = {"keys": False, "anonymous": False, "identifier": None}
    outer = (f"MercureKey {token.ISSUER} HS256 {KEY}\nMercureAnonymous On\n"
             f"MercureResourceIdentifier {token.AUDIENCE}\nMercureHistory count=3\nMercureLimit topics=2 matchers=2\n")
    port = httpd.add_port()
    httpd.start(
        outer + httpd.vhost(hub(path="/outer", **bare)) +
        httpd.vhost(
            "MercureAnonymous Off", "MercureLimit topics=3", hub(path="/vhost", **bare),
            hub(f"MercurePublisherKey {token.ISSUER} HS256 {OTHER_KEY}", "MercureAnonymous On",
                "MercureResourceIdentifier https://inner.example/", "MercureHistory age=1000",
                "MercureLimit topics=1", path="/inner", **bare), port=port))

    def status(path, key, where, topics=1, aud=token.AUDIENCE):
        return httpd.publish([f"{TOPIC}/{i}" for i in range(topics)], "x", path=path, port=where, status=None,
                             token=token.publisher(key=key, aud=aud)).status

    inner = "https://inner.example/"
    assert status("/outer", KEY, httpd.port) == 200 and status("/vhost", KEY, port) == 200
    assert status("/inner", OTHER_KEY, port, aud=inner) == 200
    assert status("/inner", KEY, port, aud=inner) == 401, "the outer list still counts"
    assert status("/inner", OTHER_KEY, port) == 401, "the outer audience still counts"
    assert status("/vhost", OTHER_KEY, port) == 401, "the inner list counts outside"
    # The inner Location inherits the outer list of subscribers' keys.
    httpd.subscribe([("match", "x")], path="/inner", port=port, token=token.subscriber(key=KEY, aud=inner)).close()
    for path, where, most in (("/outer", httpd.port, 2), ("/vhost", port, 3)):
        assert status(path, KEY, where, most) == 200 and status(path, KEY, where, most + 1) == 413
    assert status("/inner", OTHER_KEY, port, 1, inner) == 200 and status("/inner", OTHER_KEY, port, 2, inner) == 413
    for path, where, anonymous in (("/outer", httpd.port, 200), ("/vhost", port, 401), ("/inner", port, 200)):
        httpd.subscribe([("match", "x")], path=path, port=where, status=anonymous).close()
    # Each of them inherits matchers= from the server, whatever other options its own MercureLimit sets.
    for path, where in (("/outer", httpd.port), ("/inner", port)):
        httpd.subscribe([("match", "x")] * 2, path=path, port=where).close()
        httpd.subscribe([("match", "x")] * 3, path=path, port=where, status=400).close()
    # They inherit count= too.
    sent = [httpd.publish(TOPIC, "x", path="/inner", port=port,
                          token=token.publisher(key=OTHER_KEY, aud=inner)).text for _ in range(5)]
    with httpd.subscribe([("match", "*"), ("last_event_id", "earliest")], path="/inner", port=port) as stream:
        assert [event.id for event in stream.take(3)] == sent[2:]


def test_hub_without_settings_behaves_by_the_defaults(httpd):
    """Without a token, a subscriber is refused; the limits are those of docs/directives.md."""
    httpd.start("LimitRequestFieldSize 65536\n" + hub(anonymous=False))
    httpd.subscribe([("match", "x")], status=401).close()
    minted = token.subscriber()
    httpd.subscribe([("match", "x")] * 100, token=minted).close()
    httpd.subscribe([("match", "x")] * 101, token=minted, status=400).close()
    httpd.subscribe([("match", "x" * 4096)], token=minted).close()
    httpd.subscribe([("match", "x" * 4097)], token=minted, status=400).close()
    assert httpd.publish([f"t{i}" for i in range(1000)], status=None).status == 200
    assert httpd.publish([f"t{i}" for i in range(1001)], status=None).status == 413
    body = "x" * ((1 << 20) - len("topic=t&data="))
    assert httpd.publish("t", body, status=None).status == 200
    assert httpd.publish("t", body + "x", status=None).status == 413
    details = [token.detail(["publish"], ["t"])]
    assert httpd.publish("t", token=token.publisher(details=details * 100), status=None).status == 200
    assert httpd.publish("t", token=token.publisher(details=details * 101), status=None).status == 401


def test_location_settings_may_depend_on_the_request(httpd):
    httpd.start(hub('<If "-n %{req:X-Open}">', "MercureAnonymous On", "</If>", anonymous=False))
    httpd.subscribe([("match", "x")], status=401).close()
    httpd.subscribe([("match", "x")], {"X-Open": "1"}).close()


def test_start_warns_of_a_hub_that_nobody_can_use(httpd):
    httpd.expect_log("mercure:warn.*nobody can publish")
    httpd.expect_log("mercure:warn.*nobody can subscribe")
    httpd.start(hub(keys=False, anonymous=False))
