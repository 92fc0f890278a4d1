"""What the hub says about itself: its metadata document, its challenges and the names it answers to."""
import json

import pytest

from env import token
from env.hub import PATH, hub

pytestmark = pytest.mark.mpm("event")

PREFIX = "/.well-known/oauth-protected-resource"
FORM = ("Content-Type", "application/x-www-form-urlencoded")
APP = "https://app.example"


def document(httpd, path, **more):
    response = httpd.get(PREFIX + path, **more)
    assert response.status == 200, response
    assert response.header("Content-Type") == "application/json"
    assert response.header("Cache-Control")
    return response.json


def test_metadata_document_is_at_the_derived_path(httpd):
    other = httpd.add_port()
    httpd.load("rewrite")
    httpd.expect_log("AH01630: client denied by server configuration")
    httpd.start(
        '<Directory />\nRequire all denied\n</Directory>\n'
        "RewriteEngine On\nRewriteRule ^ /front.php [L]\n"
        + hub("MercureAuthorizationServer https://as.example",
              "MercureAuthorizationServer https://as.example/tenant https://as.example",
              "MercureSubscriptions On", "Require all denied", f"MercureCorsOrigins {APP}",
              "MercureResourceIdentifier https://hub.example/.well-known/mercure http://backend:8080/hub",
              identifier=None)
        + hub("MercureCookieName token", path="/a b/é", identifier=None)
        + f'<Location "{PREFIX}/a b/é">\nRequire all denied\n</Location>\n'
        + hub(path="/hubs/", identifier=None)
        + httpd.vhost(hub(path="/", identifier=None), port=other))
    # Every member that a document can have; the resource is the first identifier.
    assert document(httpd, PATH) == {
        "resource": "https://hub.example/.well-known/mercure",
        "authorization_servers": ["https://as.example", "https://as.example/tenant"],
        "bearer_methods_supported": ["header"],
        "authorization_details_types_supported": [token.DETAIL],
        "mercure_cookie": "__Secure-mercure_access_token",
        "mercure_matcher_types_supported": ["exact", "urlpattern"],
        "mercure_subscriptions": True,
    }
    # Access control applies: to the hub here, to its document there.
    assert httpd.get(f"{PATH}?match=a").status == 403
    assert httpd.get(f"{PREFIX}/a%20b/%C3%A9").status == 403
    # A slash at the end of the hub's path is kept, but the slash of the root path is left out.
    assert document(httpd, "/hubs/") == {
        "resource": f"http://localhost:{httpd.port}/hubs/",
        "bearer_methods_supported": ["header"],
        "authorization_details_types_supported": [token.DETAIL],
        "mercure_cookie": "__Secure-mercure_access_token",
        "mercure_matcher_types_supported": ["exact", "urlpattern"],
    }
    assert document(httpd, "", port=other)["resource"] == f"http://localhost:{other}/"
    assert document(httpd, "/", port=other)["resource"] == f"http://localhost:{other}/"
    answer = httpd.request("POST", "/", [FORM], "topic=a", port=other)
    assert answer.header("WWW-Authenticate") == f'Bearer resource_metadata="http://localhost:{other}{PREFIX}"'
    # Only these paths belong to the hub: nothing below the document, and not the prefix alone.
    for target in (f"{PREFIX}{PATH}/", f"{PREFIX}{PATH}/x", f"{PREFIX}/hubs", f"{PREFIX}/none", PREFIX,
                   f"{PREFIX}{PATH.replace('/', '%2F')}"):
        assert httpd.get(target).status in (403, 404), target
    # The methods, and reading from other origins.
    target = PREFIX + PATH
    head, get = httpd.request("HEAD", target), httpd.get(target)
    assert head.status == 200 and head.header("Content-Length") == get.header("Content-Length") != "0"
    refused = httpd.request("POST", target, body="x")
    assert refused.status == 405 and refused.header("Allow") == "GET, HEAD, OPTIONS"
    assert get.header("Vary") == "Origin" and get.header("Access-Control-Allow-Origin") is None
    assert httpd.get(target, [("Origin", APP)]).header("Access-Control-Allow-Origin") == APP
    preflight = httpd.request("OPTIONS", target, [("Origin", APP), ("Access-Control-Request-Method", "GET")])
    assert preflight.status == 204
    assert preflight.header("Access-Control-Allow-Methods") == "GET, HEAD, OPTIONS"


def test_every_challenge_names_the_metadata_document(httpd):
    httpd.start(hub(anonymous=False))
    where = f'resource_metadata="https://hub.example{PREFIX}{PATH}"'
    good = token.publisher(["a"])
    for headers, status, error in (
            ([], 401, None),
            ([("Authorization", "Bearer x.y.z")], 401, "invalid_token"),
            ([("Authorization", "Bearer")], 400, "invalid_request"),
            ([("Authorization", f"Bearer {good}")], 403, "insufficient_scope"),
            ([("Authorization", f"Bearer {token.publisher(aud='https://hub.example.evil')}")], 401, "invalid_token")):
        answer = httpd.request("POST", PATH, [FORM, *headers], "topic=b")
        assert answer.status == status
        wanted = f'Bearer error="{error}", {where}' if error else f"Bearer {where}"
        assert answer.header_all("WWW-Authenticate") == [wanted]
        assert json.loads(answer.body)["status"] == status
        assert status != 401 or error or "in the cookie __Secure-mercure_access_token" in answer.json["detail"]
        if status != 403:
            answer = httpd.get(f"{PATH}?match=a", headers)
            assert answer.status == status and answer.header_all("WWW-Authenticate") == [wanted]


def test_log_says_why_a_token_was_refused(httpd):
    """A developer who sees only 401 finds in the log what the token has, and what the hub expects."""
    other = "/other"
    httpd.start(hub(anonymous=False)
                + hub("MercureSubscriberKey https://a.example HS256 " + token.SUBSCRIBER_KEY,
                      "MercureSubscriberKey https://b.example HS256 " + token.SUBSCRIBER_KEY,
                      path=other, keys=False, anonymous=False))
    httpd.expect_log("nobody can publish to the hub")
    refused = []

    def refuse(minted, *reasons, path=PATH, status=401, field=None):
        before = len(httpd.log())
        headers = [FORM, ("Authorization", field or f"Bearer {minted}")]
        assert httpd.request("POST", path, headers, "topic=b").status == status
        line = httpd.log()[before:]
        assert line.count("[mercure:info]") == 1, line
        for reason in reasons:
            assert reason in line, line
        refused.append(minted)

    refuse(token.publisher(iss="https://x.example", header={"kid": "k-1"}),
           'issuer "https://x.example", kid "k-1": this issuer is not trusted here; "https://issuer.example" is')
    refuse(token.publisher(), "no issuer is trusted here: no key is configured for this role", path=other)
    refuse(token.publisher(aud="https://wrong.example"),
           f'issuer "{token.ISSUER}", kid none: the audience (aud) is "https://wrong.example"; '
           f'this hub expects "{token.AUDIENCE}"')
    refuse(token.publisher(aud=token.REMOVE), "there is no aud", token.AUDIENCE)
    refuse(token.publisher(key="x" * 64), "HS256 signature does not match")
    refuse(token.publisher(alg="HS512"), "HS512 is not configured for this issuer (HS256 is)")
    refuse(token.publisher(ttl=-5), "expired")
    refuse(token.publisher(nbf=4e9), "nbf")
    refuse(token.publisher(header={"typ": "JWT"}), 'typ is "JWT"; at+jwt is expected')
    refuse(token.publisher(["a"]), "grant publish on the topic", '"b"', token.ISSUER, status=403)
    refuse("a b", "no well-formed token", status=400)
    answer = httpd.get(f"{other}?match=a", [("Authorization", f"Bearer {token.subscriber()}")])
    assert answer.status == 401
    assert '"https://a.example" and others are' in httpd.log()
    assert "https://hub.example/other" in answer.json["detail"]
    log = httpd.log()
    for minted in refused:
        for part in minted.split("."):
            assert len(part) < 10 or part not in log


def test_client_cannot_choose_the_hubs_identity(httpd):
    """A derived identity follows the server's own names, never an invented Host."""
    port = httpd.port
    httpd.start(hub(identifier=None, path="/main")
                + httpd.vhost(hub(identifier=None), name="a.example", aliases=["b.example", "*.c.example"]))
    own = f"http://a.example:{port}{PATH}"
    for host, expected in (
            (f"a.example:{port}", own),
            (f"b.example:{port}", f"http://b.example:{port}{PATH}"),
            (f"B.Example:{port}", f"http://b.example:{port}{PATH}"),
            ("b.example", f"http://b.example{PATH}"),
            ("b.example:8443", f"http://b.example:8443{PATH}"),
            (f"x.c.example:{port}", own), (f"evil.example:{port}", own), (f"127.0.0.1:{port}", own),
            (f"a.example.evil:{port}", own), ("a.example:1", own)):
        assert document(httpd, PATH, host=host)["resource"] == expected, host
        answer = httpd.request("POST", PATH, [FORM], "topic=a", host=host)
        place = expected.replace(PATH, PREFIX + PATH)
        assert answer.header("WWW-Authenticate") == f'Bearer resource_metadata="{place}"', host
        minted = token.publisher(aud=expected)
        assert httpd.publish("a", "x", token=minted, host=host, status=None).status == 200, host
        foreign = token.publisher(aud=f"http://evil.example:{port}{PATH}")
        assert httpd.publish("a", "x", token=foreign, host=host, status=None).status == 401, host
    # The request's target takes precedence over Host.
    answer = httpd.get(f"http://b.example:{port}{PREFIX}{PATH}", host="a.example")
    assert answer.json["resource"] == f"http://b.example:{port}{PATH}"


def test_every_resource_identifier_is_accepted_as_audience(httpd):
    names = ["https://hub.example/.well-known/mercure", "https://internal.example:8443/hub", "http://x.example/"]
    httpd.start(hub("MercureResourceIdentifier " + " ".join(names), identifier=None))
    for aud in names + [["https://other.example", names[1]]]:
        assert httpd.publish("a", "x", token=token.publisher(aud=aud)).status == 200
    for aud in ("https://hub.example/.well-known/mercure/", "https://hub.example", [], "",
                "https://HUB.example/.well-known/mercure", [names[0] + "x"]):
        httpd.publish("a", "x", token=token.publisher(aud=aud), status=401)
    assert document(httpd, PATH)["resource"] == names[0]


def test_requests_for_other_origins_get_421(httpd):
    port = httpd.port
    httpd.start(hub(f"MercurePublicURL http://a.example:{port} http://*.b.example https://c.example",
                    f"MercureCorsOrigins {APP}"))
    for host in (f"a.example:{port}", f"A.EXAMPLE:{port}", "x.b.example", "x.y.b.example:80"):
        assert httpd.publish("a", "x", host=host).status == 200, host
        assert httpd.get(PREFIX + PATH, host=host).status == 200, host
    for host in ("a.example", f"a.example:{port + 1}", "b.example", "c.example", "c.example:443", f"localhost:{port}",
                 "a.example.evil", f"x.b.example:{port}"):
        for method, target in (("POST", PATH), ("GET", f"{PATH}?match=a"), ("OPTIONS", PATH), ("GET", PREFIX + PATH),
                               ("GET", f"{PATH}/subscriptions")):
            answer = httpd.request(method, target, [FORM, ("Origin", APP)], "topic=a", host=host)
            assert answer.status == 421, (host, method, target, answer)
            assert answer.json["detail"]
            assert answer.header("WWW-Authenticate") is None and answer.header("Access-Control-Allow-Origin") is None


def test_server_name_may_be_any_text(httpd):
    """The hub's URL is derived from it, even if it is not a valid host in the URL Standard."""
    httpd.start(httpd.vhost(hub(identifier=None, anonymous=False), name="hub|one"))
    answer = httpd.get(f"{PATH}?match=x")
    assert answer.status == 401
    assert f'resource_metadata="http://hub|one:{httpd.port}{PREFIX}{PATH}"' in answer.header("WWW-Authenticate")
