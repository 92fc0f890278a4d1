"""The operator of a hub: its key, its tokens and its calls."""
import json
import urllib.parse

from . import token
from .hub import PATH, hub

ISSUER = "https://operators.example"
KEY = "operator-key-of-the-live-tests:0123456789abcdef0123456789abcdef01234"


def controlled(*directives, **more):
    """A hub with a MercureControlKey."""
    return hub(f'MercureControlKey {ISSUER} HS256 "{KEY}"', *directives, **more)


def bearer(sub="root", **more):
    """A token of an operator. It has no authorization_details."""
    return token.mint(KEY, iss=more.pop("iss", ISSUER), sub=sub,
                      **{"authorization_details": token.REMOVE, **more})


def call(httpd, method, name, fields=None, authorization=True, path=PATH, headers=(), status=None, **more):
    """
    One call below HUB/control/; the response. FIELDS: pairs or a dict, sent in the body of a POST and in the
    query of anything else. AUTHORIZATION: True stands for bearer(), None for none. STATUS: what the answer must have.
    """
    head = list(headers.items() if isinstance(headers, dict) else headers)
    if authorization is not None:
        head.append(("Authorization", f"Bearer {bearer() if authorization is True else authorization}"))
    target, body = f"{path}/control/{name}", None
    encoded = urllib.parse.urlencode(fields) if fields is not None else ""
    if method == "POST":
        body = encoded
        if not any(key.lower() == "content-type" for key, _ in head):
            head.append(("Content-Type", "application/x-www-form-urlencoded"))
    elif encoded:
        target += "?" + encoded
    response = httpd.request(method, target, head, body, **more)
    assert status is None or response.status == status, f"{status} wanted: {response} {response.text}"
    return response


def problem(response, status):
    """The detail of a problem document, whose status must be STATUS."""
    assert response.status == status, f"{status} wanted: {response} {response.text}"
    assert response.header("Content-Type") == "application/problem+json"
    document = json.loads(response.text)
    assert document["status"] == status
    return document["detail"]
