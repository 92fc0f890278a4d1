"""Features that configure can leave out: a directive that needs one is an error of configtest that says so."""
import os
import re

import pytest

from env.hub import hub
from test_docs import build_folder

pytestmark = [pytest.mark.mpm("event")]

PARTS = [
    ("HIREDIS", lambda httpd: hub("MercureTransport redis://127.0.0.1:1", name="shared"), "not built into this module.*libhiredis-dev"),
    ("LMDB", lambda httpd: hub(f"MercureStore lmdb {httpd.path('history')}"), "this build has no LMDB.*liblmdb-dev"),
    ("HTTP2", lambda httpd: "Protocols h2c http/1.1\n" + httpd.vhost("MercureHttp2 On", hub(), port=httpd.add_port()),
     "built without nghttp2"),
]


def has(part):
    """Whether this build has the feature."""
    with open(os.path.join(build_folder(), "config.status"), encoding="utf-8") as file:
        (mark,) = re.findall(rf'^S\["HAVE_{part}_TRUE"\]="(#?)"$', file.read(), re.MULTILINE)
    return not mark


@pytest.mark.parametrize("part, text, error", PARTS, ids=[part for part, _, _ in PARTS])
def test_a_directive_for_a_part_that_is_left_out(httpd, part, text, error):
    result = httpd.configtest(text(httpd))
    if has(part):
        assert result.ok, result
    else:
        assert not result.ok and re.search(error, result.output), result


def test_a_hub_needs_no_part(httpd):
    httpd.start(hub("MercureTransport local", "MercureStore memory"))
    with httpd.subscribe([("match", "https://example.com/t")]) as stream:
        httpd.publish("https://example.com/t", "hello")
        assert stream.next().data == "hello"
