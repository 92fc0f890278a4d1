"""mod_security2 with Debian's Core Rule Set in front of the hub, and conf/modsecurity-crs.conf between them."""
import os
import re
import urllib.parse

import pytest

from env import token
from env.hub import PATH, hub
from test_streams import TOPIC

MODULE = "/usr/lib/apache2/modules/mod_security2.so"
RECOMMENDED = "/etc/modsecurity/modsecurity.conf-recommended"
SETUP = "/etc/modsecurity/crs/crs-setup.conf"
RULES = "/usr/share/modsecurity-crs/rules/*.conf"
EXCLUSIONS = os.path.join(os.path.dirname(__file__), "..", "..", "conf", "modsecurity-crs.conf")

# Data that applications publish, and that the Core Rule Set takes for attacks.
DATA = (
    '<p onclick="x()">hi</p>',
    "<turbo-stream action=\"append\"><template><script>a()</script></template></turbo-stream>",
    '{"@context":"https://schema.org"}',
    "SELECT name FROM users WHERE id = 1 OR 1=1; -- ",
    "<?php system($_GET['c']); ?>",
    "../../etc/passwd; cat /etc/shadow && wget http://127.0.0.1/x",
    "first\r\nsecond\r\nSet-Cookie: a=b",
    "${jndi:ldap://127.0.0.1/a} %25%32%66 \u00fc\u2028",
)


def start(httpd, level=1, exclusions=True):
    with open(RECOMMENDED, encoding="utf-8") as file:
        rules = file.read()
    rules = re.sub(r"(?m)^SecRuleEngine .*", "SecRuleEngine On", rules)
    rules = re.sub(r"(?m)^SecAuditLog .*", f'SecAuditLog {httpd.path("logs/audit.log")}', rules)
    rules = re.sub(r"(?m)^(SecUnicodeMapFile) unicode.mapping", r"\1 /etc/modsecurity/unicode.mapping", rules)
    rules = re.sub(r"(?m)^(SecTmpDir|SecDataDir) .*", rf'\1 {httpd.path("run")}', rules)
    rules += f'SecAction "id:900000,phase:1,nolog,pass,t:none,setvar:tx.paranoia_level={level}"\n'
    if exclusions:
        rules += f'Include "{os.path.abspath(EXCLUSIONS)}"\n'
    rules += f'Include "{SETUP}"\nInclude "{RULES}"\n'
    httpd.write("conf/rules.conf", rules)
    httpd.load("unique_id")
    httpd.expect_log(r"ModSecurity: ", required=False)
    httpd.expect_log(r":notice\].*ModSecurity for Apache")
    httpd.start(f'LoadModule security2_module "{MODULE}"\nInclude conf/rules.conf\n' + hub())


def publish(httpd, **fields):
    return httpd.request("POST", PATH, {"Authorization": f"Bearer {token.publisher()}", "User-Agent": "app/1",
                                        "Accept": "*/*", "Content-Type": "application/x-www-form-urlencoded"},
                         urllib.parse.urlencode(fields))


@pytest.mark.mpm("event")
@pytest.mark.parametrize("level", [1, 4])
def test_publications_and_subscriptions_pass_the_core_rule_set(httpd, level):
    start(httpd, level)
    headers = {"Content-Type": "application/x-www-form-urlencoded", "User-Agent": "app/1", "Accept": "*/*"}
    with httpd.connect() as conn:
        conn.send_request("QUERY", PATH, headers, f"match={urllib.parse.quote(TOPIC)}")
        assert conn.read_head().status == 200
    pattern = urllib.parse.quote("https://example.com/books/:id(\\d+|a.*)*", safe="")
    for name, value in (("match", TOPIC), ("match_urlpattern", pattern)):
        with httpd.connect() as conn:
            conn.send_request("GET", f"{PATH}?{name}={urllib.parse.quote(value, safe='%')}",
                              {"User-Agent": "app/1", "Accept": "text/event-stream"})
            assert conn.read_head().status == 200, name
    with httpd.subscribe([("match", TOPIC)], headers={"User-Agent": "app/1", "Accept": "text/event-stream"}) as stream:
        for data in DATA:
            answer = publish(httpd, topic=TOPIC, data=data)
            assert answer.status == 200, (data, answer.text)
            event = stream.next()
            assert (event.id, event.data.splitlines()) == (answer.text, data.splitlines())


@pytest.mark.mpm("event")
def test_the_core_rule_set_still_inspects_everything_else(httpd):
    start(httpd)
    assert httpd.request("GET", f"/?a={urllib.parse.quote(DATA[0])}", {"User-Agent": "app/1"}).status == 403
    assert httpd.request("GET", f"{PATH}?match={TOPIC}", {"User-Agent": "sqlmap/1.0"}).status == 403
    assert httpd.request("GET", f"{PATH}x?a={urllib.parse.quote(DATA[0])}", {"User-Agent": "app/1"}).status == 403


@pytest.mark.mpm("event")
def test_without_the_exclusions_the_core_rule_set_refuses_them(httpd):
    """Otherwise the tests above prove nothing."""
    start(httpd, exclusions=False)
    assert publish(httpd, topic=TOPIC, data=DATA[0]).status == 403
    assert publish(httpd, topic=TOPIC, data=DATA[5]).status == 403
    assert httpd.request("QUERY", PATH, {"Content-Type": "application/x-www-form-urlencoded"},
                         f"match={TOPIC}").status == 403
