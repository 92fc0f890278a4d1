"""Browsers: CORS, the cookie, and the sites that may publish with it."""
import pytest

from env import token
from env.h2 import Http2
from env.hub import PATH, hub
from env.token import subscriber

pytestmark = pytest.mark.mpm("event")

TOPIC = "https://example.com/a"
APP = "https://app.example"
COOKIE = "__Secure-mercure_access_token"
FORM = ("Content-Type", "application/x-www-form-urlencoded")
BODY = b"topic=https%3A%2F%2Fexample.com%2Fa&data=x"


def post(httpd, *headers, path=PATH):
    return httpd.request("POST", path, [FORM, *headers], BODY)


def preflight(httpd, origin, method="POST"):
    return httpd.request("OPTIONS", PATH, [("Origin", origin),
                                           ("Access-Control-Request-Method", method),
                                           ("Access-Control-Request-Headers", "authorization")])


def cookie(name=COOKIE, value=None):
    return ("Cookie", f"theme=dark; {name}={value or token.publisher()}; last=1")


# ---- CORS ----------------------------------------------------------------------------------------


def test_without_the_directive_there_are_no_cors_fields(httpd):
    httpd.start(hub())
    for answer in (preflight(httpd, APP), post(httpd, ("Origin", APP))):
        assert answer.header("Access-Control-Allow-Origin") is None
        assert answer.header("Vary") is None


def test_listed_origins_may_read_answers_with_credentials(httpd):
    httpd.start(hub(f"MercureCorsOrigins {APP} https://*.sub.example HTTP://Plain.Example:80"))
    for origin in (APP, "https://a.sub.example", "https://a.b.sub.example", "http://plain.example",
                   "HTTPS://APP.EXAMPLE:443"):
        answer = post(httpd, ("Origin", origin))
        assert answer.status == 401
        assert answer.header("Access-Control-Allow-Origin") == origin
        assert answer.header("Access-Control-Allow-Credentials") == "true"
        assert answer.header("Vary") == "Origin"
        exposed = answer.header("Access-Control-Expose-Headers")
        assert "Link" in exposed and "Mercure-Last-Event-ID" in exposed


@pytest.mark.parametrize("origin", [
    "https://app.example.evil", "https://evilapp.example", "http://app.example", "null", "https://app.example:444",
    "https://sub.example", "https://evilsub.example", "http://a.sub.example", "https://a/.sub.example",
    "https://a.sub.example:1", "https://.sub.example.evil", "https://app.example, https://app.example", "*", "",
    "https://app.example/", "https://user@app.example", "https://app.example.", "https://evil.example\\.sub.example",
    "https://evil.example\\@app.example", "https:\\\\app.example", "https://app\t.example", "https://app.example#"])
def test_other_origins_get_no_cors_fields(httpd, origin):
    httpd.start(hub(f"MercureCorsOrigins {APP} https://*.sub.example"))
    answer = post(httpd, ("Origin", origin))
    assert answer.header("Access-Control-Allow-Origin") is None
    assert answer.header("Access-Control-Allow-Credentials") is None
    assert answer.header("Vary") == "Origin"
    assert preflight(httpd, origin).header("Access-Control-Allow-Methods") is None


def test_lines_of_one_section_add_up(httpd):
    """Those of another section with the same path replace them."""
    any_origin = "MercureCorsOrigins *"
    lists = [f"MercureCorsOrigins {APP}", "MercureCorsOrigins https://*.sub.example",
             "MercurePublishOrigins https://one.example", f"MercurePublishOrigins {APP}"]
    httpd.start(hub(*lists) + hub(*lists, path="/inner") + hub(any_origin, any_origin, path="/any")
                + '<Location "/inner">\nMercureCorsOrigins https://inner.example\n</Location>\n')

    def allowed(path, *origins):
        return [post(httpd, ("Origin", origin), path=path).header("Access-Control-Allow-Origin") for origin in origins]

    assert allowed(PATH, APP, "https://a.sub.example", "https://inner.example") == [APP, "https://a.sub.example", None]
    assert allowed("/inner", APP, "https://inner.example") == [None, "https://inner.example"]
    assert allowed("/any", APP) == ["*"]
    for origin, status in ((APP, 200), ("https://one.example", 200), ("https://two.example", 403)):
        assert post(httpd, cookie(), ("Origin", origin)).status == status, origin


def test_preflight_allows_the_hubs_methods_and_fields(httpd):
    httpd.start(hub(f"MercureCorsOrigins {APP}"))
    answer = preflight(httpd, APP)
    assert answer.status == 204 and answer.body == b""
    assert answer.header("Access-Control-Allow-Origin") == APP
    assert {"GET", "HEAD", "QUERY", "POST"} <= set(answer.header("Access-Control-Allow-Methods").split(", "))
    query = preflight(httpd, APP, "QUERY")
    assert query.status == 204 and query.header("Vary") == "Origin"
    assert query.header("Access-Control-Allow-Credentials") == "true"
    allowed = answer.header("Access-Control-Allow-Headers").lower()
    assert {"authorization", "last-event-id", "content-type", "if-none-match"} <= set(allowed.split(", "))


def test_options_without_preflight_lists_the_methods(httpd):
    httpd.start(hub())
    answer = httpd.request("OPTIONS", PATH)
    assert answer.status == 204 and "POST" in answer.header("Allow")


def test_any_origin_is_allowed_only_without_credentials(httpd):
    httpd.start(hub("MercureCorsOrigins *"))
    answer = post(httpd, ("Origin", APP))
    assert answer.header("Access-Control-Allow-Origin") == "*"
    assert answer.header("Access-Control-Allow-Credentials") is None
    # A request with the hub's cookie has credentials, even if another token counts.
    for headers in ([cookie()], [cookie(), ("Authorization", f"Bearer {token.publisher()}")]):
        answer = post(httpd, ("Origin", APP), *headers)
        assert answer.header("Access-Control-Allow-Origin") is None
        assert answer.header("Access-Control-Expose-Headers") is None
    answer = post(httpd, ("Origin", APP), cookie("other"))
    assert answer.header("Access-Control-Allow-Origin") == "*"
    # A cache must not give one client the answer to another client's request.
    answer = httpd.get("/.well-known/oauth-protected-resource" + PATH)
    assert answer.status == 200 and answer.header("Access-Control-Allow-Origin") is None
    assert answer.header("Vary").split(",") == ["Origin", "Cookie"]


def test_stream_has_cors_fields(httpd):
    httpd.start(hub(f"MercureCorsOrigins {APP}"))
    with httpd.subscribe([("match", TOPIC)], headers=[("Origin", APP)]) as stream:
        assert stream.response.header("Access-Control-Allow-Origin") == APP
        assert stream.response.header("Vary") == "Origin"


@pytest.mark.parametrize("line, words", [
    ("MercureCorsOrigins * https://app.example", "alone"),
    ("MercureCorsOrigins https://app.example *", "alone"),
    ("MercureCorsOrigins https://app.example\nMercureCorsOrigins *", "alone"),
    ("MercureCorsOrigins *\nMercureCorsOrigins https://app.example", "alone"),
    ("MercureCorsOrigins https://app.example/", "without a path"),
    ("MercureCorsOrigins https://app.example/x", "without a path"),
    ("MercureCorsOrigins https://app.*.example", "subdomains"),
    ("MercureCorsOrigins https://*", "MercureCorsOrigins"),
    ("MercureCorsOrigins https://*.", "MercureCorsOrigins"),
    ("MercureCorsOrigins https://*.*.example", "subdomains"),
    ("MercureCorsOrigins app.example", "https://example.com"),
    ("MercureCorsOrigins null", "https://example.com"),
    ("MercureCorsOrigins https://app.example\\x", "more than an origin"),
    ("MercureCorsOrigins https://user@app.example", "more than an origin"),
    ("MercureCorsOrigins https://app.example,https://www.example", "more than an origin"),
    ("MercureCorsOrigins https:app.example", "is not an origin"),
    ("MercureCorsOrigins https://app.example:70000", "is not an origin (not a URL"),
    ("MercureCorsOrigins https://exam<ple", "no host may have"),
    ("MercureCorsOrigins https://300.1.1.1", "IPv4"),
    ("MercureCorsOrigins file://app.example", "it has no host"),
    ("MercurePublicURL https://exam<ple", "MercurePublicURL https://exam<ple"),
    ("MercurePublicURL https://app.example/", "without a path"),
    ("MercurePublishOrigins https://[::1", "IPv6"),
    ("MercureResourceIdentifier https://exam<ple/hub", "not an absolute http or https URL"),
    ("MercureCorsOrigins", "MercureCorsOrigins"),
    ("MercureCorsOrigins *\nMercureCookieName token", "without credentials"),
    ("MercureCorsOrigins *\nMercurePublishOrigins https://app.example", "without credentials"),
    ("MercurePublishOrigins https://app.example\nMercureCorsOrigins *", "MercurePublishOrigins"),
    ("MercurePublishOrigins *", "Name the origins"),
    ("MercurePublishOrigins https://app.example/x", "without a path"),
    ("MercureCookieName", "MercureCookieName"),
    ("MercureCookieName \"a b\"", "a b"),
    ("MercureCookieName a=b", "a=b"),
])
def test_invalid_origins_and_cookie_names_are_errors(httpd, line, words):
    result = httpd.configtest(hub(line))
    assert not result.ok and words in result.output, result.output


# ---- the cookie ----------------------------------------------------------------------------------


def test_cookie_authorizes_subscribers(httpd):
    httpd.start(hub(anonymous=False))
    value = subscriber([TOPIC])
    with httpd.subscribe([("match", TOPIC)], headers=[cookie(value=value)]) as stream:
        httpd.publish(TOPIC, "for you", fields=[("private", "on")])
        assert stream.next().data == "for you"
    assert httpd.get(f"{PATH}?match=a", [("Cookie", f"{COOKIE}=x")]).status == 401
    assert httpd.get(f"{PATH}?match=a", [("Cookie", f"x{COOKIE}={value}")]).status == 401
    assert httpd.get(f"{PATH}?match=a", [("Cookie", f"{COOKIE}=")]).status == 401
    with httpd.subscribe([("match", TOPIC)], headers=[("Cookie", f'{COOKIE}="{value}"')]):
        pass


@pytest.mark.mpm("event")
def test_cookie_is_found_between_semicolons_only(httpd):
    """How the cookies are spread over fields does not matter. Text after a comma may belong to another cookie's
    value."""
    httpd.load("http2")
    httpd.expect_log(r"AH10034|AH02951", required=False)  # mod_http2's comments on its configuration
    httpd.start("Protocols h2c http/1.1\n" + hub(anonymous=False))
    ours = f"{COOKIE}={subscriber([TOPIC])}"
    rows = (
        (200, f"a=1; {ours}"),
        (200, f"a=1,2, 3; {ours}; b=4, 5"),
        (200, f'a="1; {ours}; b=2"'),
        (200, "a=1", f"b=2; {ours}"),
        (200, ours, "a=1"),
        (200, f"a=1; {ours}", "b=2; c=3"),
        (401, "a=1", ours),  # joined by httpd, these fields are those of the next row
        (401, f"a=1, {ours}"),
        (401, f'a="1, {ours}"'),
        (401, f"a=1,{ours}"),
        (401, f"a=1;, {ours}"),
        (401, f", {ours}"),
        (401, f"{ours},a=1"),
        (401, f"{COOKIE}=x.y.z; {ours}"),
    )
    for status, *fields in rows:
        headers = [("Cookie", field) for field in fields]
        assert httpd.request("HEAD", f"{PATH}?match=a", headers).status == status, fields
    with Http2(httpd.port) as conn:  # mod_http2 joins fields with semicolons
        for status, *fields in ((200, "a=1", ours), (200, ours, "a=1"), (200, "a=1, 2", ours, "b=3"),
                                (401, f"a=1, {ours}", "b=2")):
            headers = [("cookie", field) for field in fields]
            assert conn.request(f"{PATH}?match=a", headers, "HEAD").status == status, fields


def test_cookie_name_can_be_configured(httpd):
    httpd.start(hub("MercureCookieName other", anonymous=False))
    value = subscriber([TOPIC])
    with httpd.subscribe([("match", TOPIC)], headers=[cookie("other", value)]):
        pass
    assert httpd.get(f"{PATH}?match=a", [cookie(value=value)]).status == 401


def test_authorization_field_comes_before_the_cookie(httpd):
    httpd.start(hub(anonymous=False))
    good, bad = subscriber([TOPIC]), "x.y.z"
    with httpd.subscribe([("match", TOPIC)], token=good, headers=[cookie(value=bad)]):
        pass
    answer = httpd.get(f"{PATH}?match=a", [("Authorization", f"Bearer {bad}"), cookie(value=good)])
    assert answer.status == 401 and 'error="invalid_token"' in answer.header("WWW-Authenticate")
    # A field of another scheme belongs to httpd, so the cookie counts.
    with httpd.subscribe([("match", TOPIC)], headers=[("Authorization", "Basic YTpi"), cookie(value=good)]):
        pass


def own(httpd):
    return f"http://localhost:{httpd.port}"


def test_own_and_listed_origins_can_publish_with_the_cookie(httpd):
    httpd.start(hub(f"MercurePublishOrigins {APP} https://*.sub.example http://[2001:DB8::0:1] app://Local HTTP://0x7f.1:80"))
    for header in [("Origin", own(httpd)), ("Referer", own(httpd) + "/page?x#y"), ("Origin", "https://hub.example"),
                   ("Origin", APP), ("Referer", APP + "/page"), ("Origin", "https://x.sub.example"),
                   # Other spellings of these origins.
                   ("Origin", "HTTPS://HUB.EXAMPLE"), ("Origin", "https://hub.example:443"),
                   ("Referer", "HTTPS://Hub.Example:443/Page"), ("Referer", "https://h%75b.example/"),
                   ("Origin", "http://[2001:db8::1]"), ("Origin", "http://127.0.0.1"), ("Origin", "app://local"),
                   ("Referer", "https://hub.example?x"), ("Referer", "https://hub.example\\page")]:
        assert post(httpd, cookie(), header, ("Host", f"localhost:{httpd.port}")).status == 200, header


# Pages of evil.example, whatever else the text holds, and texts that are not origins at all.
FOREIGN = [
    [],
    [("Origin", "https://evil.example")],
    [("Origin", "null")],
    [("Origin", "")],
    [("Origin", "https://evil.example"), ("Referer", "https://hub.example/")],
    [("Origin", "null"), ("Referer", "https://hub.example/")],
    [("Origin", ""), ("Referer", "https://hub.example/")],
    [("Origin", "https://hub.example.evil")],
    [("Origin", "https://hub.example.")],
    [("Origin", "http://hub.example")],
    [("Origin", "https://hub.example:8443")],
    [("Origin", "https://hub.example:0443x")],
    [("Origin", "https://hub.example@evil.example")],
    [("Origin", "https://evil.example\\@hub.example")],
    [("Origin", "https://evil@hub.example")],
    [("Origin", "https://hub.example/")],
    [("Origin", "https://hub\t.example")],
    [("Origin", "https://hub.example"), ("Origin", "https://hub.example")],
    [("Origin", "https://hub.example"), ("Origin", "https://evil.example")],
    [("Origin", "https://hub.example https://evil.example")],
    [("Origin", "https://hub.example,")],
    [("Origin", "blob:https://hub.example")],
    [("Origin", "file://hub.example")],
    [("Origin", "wss://hub.example")],
    [("Origin", "//hub.example")],
    [("Origin", "hub.example")],
    [("Origin", "https://\u210dub.example\u3002evil")],
    [("Origin", "https://hub.example%00")],
    [("Origin", "https://hub.example%2F.evil.example")],
    [("Origin", "https://[::ffff:7f00:1")],
    [("Referer", "https://evil.example/page")],
    [("Referer", "not a URL")],
    [("Referer", "about:blank")],
    [("Referer", "data:text/html,x")],
    [("Referer", "blob:https://hub.example/1")],
    [("Referer", "https://evil.example/?https://hub.example/")],
    [("Referer", "https://evil.example\\@hub.example/")],
    [("Referer", "https://evil.example\\.hub.example/")],
    [("Referer", "https:\\\\evil.example\\@hub.example/")],
    [("Referer", "https:/\\evil.example/@hub.example/")],
    [("Referer", "https:evil.example/@hub.example/")],
    [("Referer", "https://evil.example?@hub.example/")],
    [("Referer", "https://evil.example#@hub.example/")],
    [("Referer", "https://hub.example@evil.example/")],
    [("Referer", "https://hub.example:443@evil.example/")],
    [("Referer", "https://a@hub.example@evil.example/")],
    [("Referer", "https://hub.example\t.evil.example/")],
    [("Referer", "https://hub.example\u3002evil.example/")],
    [("Referer", "https://hub.example./")],
    [("Referer", "https://hub.example:444/")],
    [("Referer", "https://hub.example%5C.evil.example/")],
    [("Referer", "https://hub.example%40evil.example/")],
    [("Referer", "https://hub.example/"), ("Referer", "https://evil.example/")],
    [("Referer", "https://evil.example/"), ("Referer", "https://hub.example/")],
    [("Referer", "/page")],
    [("Referer", "//hub.example/")],
]


def test_other_origins_cannot_publish_with_the_cookie(httpd):
    httpd.start(hub())
    wrong = []
    for headers in FOREIGN:
        answer = post(httpd, cookie(), *headers)
        if answer.status != 403 or "origin" not in answer.json["detail"]:
            wrong.append((headers, answer))
    assert not wrong, wrong
    with httpd.subscribe([("match", TOPIC), ("last_event_id", "")]) as stream:
        assert stream.response.header("Mercure-Last-Event-ID") == "earliest"


def test_repeated_origins_of_http2_are_foreign(httpd):
    httpd.load("http2")
    httpd.expect_log(r"AH10034|AH02951", required=False)  # mod_http2's comments on its configuration
    httpd.start("Protocols h2c http/1.1\n" + hub(f"MercureCorsOrigins {APP}"))
    with Http2(httpd.port) as conn:
        for fields, allowed in (([("origin", APP)], APP), ([("origin", APP)] * 2, None),
                                ([("origin", APP), ("origin", "https://evil.example")], None)):
            answer = conn.request(f"{PATH}?match=a", fields, "HEAD")
            assert answer.status == 200 and answer.headers.get("access-control-allow-origin") == allowed, fields


def test_public_url_is_compared_as_an_origin(httpd):
    httpd.start(hub("MercurePublicURL HTTP://Hub.Example:80 http://[2001:DB8::0:1]:8080"))
    for host, status in (("hub.example", 200), ("HUB.example:80", 200), ("hub.example:81", 421), ("hub.example.", 421),
                         ("[2001:db8:0::1]:8080", 200), ("[2001:db8::2]:8080", 421)):
        assert httpd.request("HEAD", f"{PATH}?match=x", host=host).status == status, host


def test_authorization_field_publishes_from_any_origin(httpd):
    httpd.start(hub())
    bearer = ("Authorization", f"Bearer {token.publisher()}")
    assert post(httpd, bearer, ("Origin", "https://evil.example"), cookie()).status == 200
