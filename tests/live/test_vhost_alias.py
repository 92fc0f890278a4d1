"""
Sites of VirtualDocumentRoot: each document root that exists is a site with its own hub, up to MercureSites.
"""
import os
import re

import pytest

from env import operator, token
from env.hub import PATH, hub
from env.wait import wait_until
from test_inside import build_module, php

pytestmark = pytest.mark.mpm("event")

TOPIC = "https://example.com/some/topic"
HTACCESS = {"keys": False, "anonymous": False, "identifier": None}
METRICS = '<Location "/metrics">\nSetHandler mercure-metrics\n</Location>\n'


class Sites:
    """Document roots sites/NAME.example/htdocs, in a virtual host for all names."""

    def __init__(self, httpd, *names):
        self.httpd = httpd
        httpd.load("vhost_alias")
        for name in names:
            self.add(name)

    def add(self, name):
        self.httpd.write(f"sites/{name}.example/htdocs/index.html", f"page of {name}")

    def config(self, *directives, server="MercureSites 20", pattern="%0/htdocs", **more):
        folder = self.httpd.path("sites")
        return (f'{server}\n<Directory "{folder}">\nAllowOverride AuthConfig\nRequire all granted\n</Directory>\n'
                + METRICS + self.httpd.vhost(f'VirtualDocumentRoot "{folder}/{pattern}"',
                                             hub(*directives, **{"identifier": None, **more}), name="all.example"))

    def host(self, name):
        return f"{name}.example:{self.httpd.port}"

    def token(self, name):
        return token.publisher(aud=f"http://{name}.example:{self.httpd.port}{PATH}")

    def publish(self, name, status=200, **more):
        return self.httpd.publish(TOPIC, "x", token=self.token(name), host=self.host(name), status=status, **more)

    def subscribe(self, name, **more):
        return self.httpd.subscribe([("match", TOPIC), ("last_event_id", "earliest")], host=self.host(name), **more)

    def history(self, name):
        """The ids in the history of the site, up to a new one."""
        end, got = self.publish(name).text, []
        with self.subscribe(name) as stream:
            while not got or got[-1] != end:
                got.append(stream.next().id)
        return got[:-1]


def test_each_document_root_is_a_site(httpd):
    sites = Sites(httpd, "one", "two")
    httpd.start(sites.config())
    assert httpd.get("/", host="one.example").text == "page of one"
    first, second = sites.publish("one").text, sites.publish("two").text
    assert sites.history("one")[0] == first and sites.history("two")[0] == second
    assert second not in sites.history("one") and first not in sites.history("two")
    # The audience of a token names the site.
    httpd.publish(TOPIC, "x", token=sites.token("one"), host=sites.host("two"), status=401)
    metadata = httpd.get(f"/.well-known/oauth-protected-resource{PATH}", host=sites.host("two")).json
    assert metadata["resource"] == f"http://two.example:{httpd.port}{PATH}"
    # A host without a document root has no hub, until it has one. Letters have no case.
    for name in ("three.example", "all.example"):
        answer = httpd.get(f"{PATH}?match=x", host=name)
        assert answer.status == 404 and "no site" in answer.json["detail"], answer
    sites.add("three")
    sites.publish("three")
    httpd.publish(TOPIC, "x", token=sites.token("one"), host=sites.host("ONE").replace("example", "EXAMPLE"))
    labels = set(re.findall(r'mercure_updates_total\{hub="([^"]*)"\} ', httpd.get("/metrics").text))
    assert {label for label in labels if label.endswith(PATH) and "/sites/" in label} == {
        httpd.path(f"sites/{name}.example/htdocs") + PATH for name in ("one", "two", "three")}
    # A dot at the end changes nothing.
    dotted = httpd.get(f"/.well-known/oauth-protected-resource{PATH}", host=f"two.example.:{httpd.port}").json
    assert dotted == metadata
    # A site whose document root is removed has no hub any more.
    os.rename(httpd.path("sites/three.example"), httpd.path("sites/gone"))
    assert httpd.get(f"{PATH}?match=x", host="three.example").status == 404


def test_a_reload_keeps_the_sites(httpd):
    sites = Sites(httpd, *"abcdefgh")
    httpd.start(sites.config(server="MercureSites 8"))
    ids = {name: sites.publish(name).text for name in "abcdefgh"}
    for text in (sites.config(server="MercureSites 8"),
                 sites.config("MercureHistory count=50 bytes=32M", server="MercureSites 8")):
        httpd.graceful(text)
        for name, first in ids.items():
            got = sites.history(name)
            assert got[0] == first and not set(got) & set(ids.values()) - {first}


def test_another_number_of_hubs_keeps_those_of_the_sites(httpd):
    """Their history, and above all their revocations: the log advises to raise the number."""
    sites = Sites(httpd, *"abcdefgh")
    control = f'MercureControlKey {operator.ISSUER} HS256 "{operator.KEY}"'
    httpd.start(sites.config(control, server="MercureSites 8"))
    ids = {name: sites.publish(name).text for name in "abcdefgh"}
    for name in ids:
        aud = f"http://{name}.example:{httpd.port}{PATH}"
        operator.call(httpd, "POST", "revoke", {"jti": f"revoked-{name}"}, operator.bearer(aud=aud),
                      host=sites.host(name), status=200)
    for directives, number in ((), 40), (("MercureHistory count=50 bytes=32M",), 9), ((), 1000), ((), 8):
        httpd.graceful(sites.config(control, *directives, server=f"MercureSites {number}"))
        for name, first in ids.items():
            revoked = token.publisher(aud=f"http://{name}.example:{httpd.port}{PATH}", jti=f"revoked-{name}")
            httpd.publish(TOPIC, "x", token=revoked, host=sites.host(name), status=401)
            got = sites.history(name)
            assert got[0] == first and not set(got) & set(ids.values()) - {first}
    # With fewer hubs than sites that have one, the others are as before.
    httpd.graceful(sites.config(control, server="MercureSites 5"))
    httpd.expect_log("MRC0502: ")
    answers = {name: sites.publish(name, status=None).status for name in ids}
    assert sorted(answers.values()) == [200] * 5 + [503] * 3
    assert all(sites.history(name)[0] == ids[name] for name, status in answers.items() if status == 200)


def test_the_site_after_the_last_one_gets_503(httpd):
    sites = Sites(httpd, "one", "two", "three")
    httpd.start(sites.config(server="MercureSites 2"))
    sites.publish("one")
    with sites.subscribe("two") as stream:
        httpd.expect_log(r"mercure:error.*MRC0502: hub .*three.example/htdocs has no hub.*MercureSites")
        refused = sites.publish("three", status=503)
        assert refused.header("Retry-After") and "as many sites" in refused.json["detail"]
        # This reason does not pass by itself, so an EventSource gets the same answer.
        assert httpd.get(f"{PATH}?match=x", {"Accept": "text/event-stream"}, host="three.example").status == 503
        sites.publish("two")
        assert stream.next().data == "x"
    sites.publish("one")
    httpd.graceful(sites.config(server="MercureSites 3"))
    sites.publish("three")


def test_a_site_without_memory_gets_503_alone(httpd):
    """The hub of a site is made when the site is first requested. Where there is no room, the log says so, and all
    other sites work as usual."""
    names = [f"n{i}" for i in range(12)]
    sites = Sites(httpd, *names)
    small = ("MercureHistory count=10 bytes=64K", "MercureLimit body=16K")
    httpd.expect_log("mercure:error.*MRC0236: hub .* cannot serve it now: no room .* MercureMemory")
    httpd.expect_log("MRC0714", required=False)  # of a hub that has been made, and has no room for its first update
    httpd.start(sites.config(*small, server="MercureSites 20\nMercureMemory 128K"))
    assert len(httpd.runtime_files()) == 3, "the control segment, the hub of the virtual host, and all sites"
    answers = {name: sites.publish(name, status=None).status for name in names}
    assert answers[names[0]] == 200 and answers[names[-1]] == 503, answers
    served = [name for name in names if answers[name] == 200]
    for name in served:
        sites.publish(name)
    assert httpd.get("/", host=f"{names[-1]}.example").text == f"page of {names[-1]}"
    httpd.graceful(sites.config(*small, server="MercureSites 20"))
    for name in names:
        sites.publish(name)


def test_several_names_of_one_document_root_are_one_site(httpd):
    sites = Sites(httpd)
    httpd.write("sites/shop/index.html", "shop")
    httpd.start(sites.config(server="MercureSites 1", pattern="%-2"))
    first = sites.publish("shop").text
    assert sites.history("www.shop") == [first]
    for i in range(20):
        sites.publish(f"x{i}.shop")


@pytest.mark.mpm("event", "worker", "prefork")
def test_pages_of_php_publish_to_their_own_site(httpd):
    """mod_php under prefork, php-fpm under the others. Meanwhile, streams are open and the server is reloaded."""
    sites = Sites(httpd, "one", "two")
    for name in ("one", "two"):
        httpd.write(f"sites/{name}.example/htdocs/send.php",
                    f"<?php header('Mercure-Publish: topic={TOPIC}&data=from+{name}'); echo 'sent by ', PHP_SAPI;")
    with php(httpd) as section:
        text = section + "\n" + sites.config() + '<Location "/">\nMercurePublishHeader On\n</Location>\n'
        httpd.start(text)
        sapi = "apache2handler" if httpd.mpm == "prefork" else "fpm-fcgi"
        for _ in range(2):
            with (httpd.subscribe([("match", TOPIC)], host=sites.host("one")) as one,
                  httpd.subscribe([("match", TOPIC)], host=sites.host("two")) as two):
                for name in ("one", "two", "one"):
                    answer = httpd.get("/send.php", host=f"{name}.example")
                    assert answer.text == f"sent by {sapi}" and not answer.header("Mercure-Publish")
                assert [event.data for event in one.take(2)] == ["from one"] * 2
                assert two.next().data == "from two"
            httpd.graceful()


def test_the_htaccess_file_of_the_site_counts(httpd):
    sites = Sites(httpd, "one", "two")
    for name in ("one", "two"):
        httpd.write(f"sites/{name}.example/htdocs/.htaccess",
                    f"MercureKey {token.ISSUER} HS256 key-of-{name}-0123456789abcdef0123456789abcdef\n")
    httpd.start(sites.config("MercureHtaccess On", keys=False, anonymous=False))
    for name, other in (("one", "two"), ("two", "one")):
        for key, status in ((name, 200), (other, 401)):
            minted = token.publisher(key=f"key-of-{key}-0123456789abcdef0123456789abcdef",
                                     aud=f"http://{name}.example:{httpd.port}{PATH}")
            httpd.publish(TOPIC, "x", token=minted, host=sites.host(name), status=status)


def test_a_site_without_keys_takes_no_hub(httpd):
    """Requests for the hubs of all sites do not take hubs from the sites that have keys."""
    sites = Sites(httpd, "one", "two", "none")
    key = "key-0123456789abcdef0123456789abcdef"
    httpd.write("sites/one.example/htdocs/.htaccess", f"MercureKey {token.ISSUER} HS256 {key}\n")
    httpd.write("sites/two.example/htdocs/.htaccess", "MercureKey nonsense\n")
    httpd.expect_log("MRC0501: .*two.example/htdocs/.htaccess")
    httpd.start(sites.config("MercureHtaccess On", keys=False, anonymous=False, server="MercureSites 1"))
    for name, status in (("none", 404), ("two", 500)):
        sites.publish(name, status=status)
    minted = token.publisher(key=key, aud=f"http://one.example:{httpd.port}{PATH}")
    httpd.publish(TOPIC, "x", token=minted, host=sites.host("one"))


ALLOWED = "AllowOverride AuthConfig", "AllowOverride AuthConfig FileInfo"
FIELD = "Mercure-Publish"
PUBLISHING = f'MercurePublishHeader On\nHeader set {FIELD} "topic={TOPIC}&data=page"\n'


def test_the_htaccess_file_of_a_site_publishes_to_its_hub(httpd):
    sites = Sites(httpd, "one", "two")
    for name in ("one", "two"):
        httpd.write(f"sites/{name}.example/htdocs/.htaccess", PUBLISHING)
    httpd.load("headers")
    httpd.start(sites.config("MercureHtaccess On").replace(*ALLOWED)
                + f'Alias "/other" "{httpd.path("sites/two.example/htdocs")}"\n')

    def page(path):
        answer = httpd.get(path, host=sites.host("one"))
        assert answer.status == 200 and not answer.header(FIELD), answer

    page("/index.html")
    assert len(sites.history("one")) == 1 and sites.history("two") == []
    # A file of another site does not publish to the site that is asked, nor to its own.
    page("/other/index.html")
    httpd.wait_log("mercure:notice.*MRC0806.*two.example/htdocs/.htaccess:1.*not in or below the document root")
    assert len(sites.history("one")) == 2 and len(sites.history("two")) == 1, "the ends of the histories above"


@pytest.mark.parametrize("kind", ["disk", "name", "address", "scripts"])
def test_no_htaccess_file_counts_for_a_hub_of_several_sites(httpd, kind):
    """Where the sites of a virtual host have one hub, a customer can neither publish there nor become its owner."""
    sites, key = Sites(httpd), "key-of-a-customer-0123456789abcdef0123456789abcdef"
    folder = httpd.path("sites")
    for root in (f"{folder}/one.example/htdocs", f"{folder}/127.0.0.1/htdocs", httpd.docroot):
        httpd.write(f"{root}/index.html", "page")
        httpd.write(f"{root}/.htaccess", f"MercureKey {token.ISSUER} HS256 {key}\n" + PUBLISHING)
    httpd.load("headers")
    text = sites.config("MercureHtaccess On", *([f"MercureStore lmdb {httpd.path('history')}"] if kind == "disk" else []),
                        identifier="https://hub.example", name="shared" if kind == "name" else None).replace(*ALLOWED)
    pattern = f'VirtualDocumentRoot "{folder}/%0/htdocs"'
    assert pattern in text
    text = text.replace(pattern, {
        "address": f'VirtualDocumentRootIP "{folder}/%0/htdocs"',
        "scripts": f'DocumentRoot "{folder}/one.example/htdocs"\nVirtualScriptAlias "{folder}/%0/cgi-bin"',
    }.get(kind, pattern))
    httpd.expect_log("MRC0238: MercureHtaccess On has no effect for the hub .*mod_vhost_alias makes several sites of all.example")
    httpd.start(text + f'<Directory "{httpd.docroot}">\nAllowOverride AuthConfig FileInfo\n</Directory>\n')
    answer = httpd.get("/index.html", host="one.example")
    assert answer.text == "page" and not answer.header(FIELD), answer
    httpd.wait_log("mercure:notice.*MRC0806.*/htdocs/.htaccess:2.*"
                   + ("without name=" if kind == "name" else "several sites share the hub"))
    forged = token.publisher(key=key, aud=f"https://hub.example{PATH}")
    httpd.publish(TOPIC, "x", token=forged, host="one.example", status=401)
    end = httpd.publish(TOPIC, "x", host="two.example").text
    with sites.subscribe("two") as stream:
        assert stream.next().id == end, "nothing else was published"


WHERE = """
#include <string.h>

#include "httpd.h"

#include "http_config.h"
#include "http_protocol.h"
#include "mod_mercure.h"

static int where(request_rec *r)
{
    APR_OPTIONAL_FN_TYPE(mercure_hub_url) *hub_url = APR_RETRIEVE_OPTIONAL_FN(mercure_hub_url);
    const char *url;

    if (!r->handler || strcmp(r->handler, "where"))
        return DECLINED;
    url = hub_url(r, NULL);
    ap_rputs(url ? url : "none", r);
    return OK;
}

static void register_hooks(apr_pool_t *pool)
{
    ap_hook_handler(where, NULL, NULL, APR_HOOK_MIDDLE);
}

AP_DECLARE_MODULE(where) = {STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks, 0};
"""


def test_pages_of_a_site_without_keys_take_no_hub(httpd):
    """Requests for pages that publish, or for the URLs of hubs, do not take hubs from the sites that have keys. A site
    that has removed its key publishes nothing, and nothing names its hub."""
    sites = Sites(httpd, "none", "asked", "keys")
    key = "key-0123456789abcdef0123456789abcdef"
    given = f"MercureAnonymous On\nMercureKey {token.ISSUER} HS256 {key}\n"
    for name in ("asked", "keys"):
        httpd.write(f"sites/{name}.example/htdocs/.htaccess", given)
    module = build_module(httpd.write("mod_where.c", WHERE))
    httpd.load("headers")
    httpd.start(sites.config("MercureHtaccess On", keys=False, anonymous=False, server="MercureSites 1")
                + f'LoadModule where_module "{module}"\n<Location "/where">\nSetHandler where\n</Location>\n'
                + '<Location "/index.html">\nMercurePublishHeader On\nMercureDiscovery On\n'
                + f'Header set Mercure-Publish "topic={TOPIC}&data=page"\n</Location>\n')

    def page(name, named=True):
        answer = httpd.get("/index.html", host=sites.host(name))
        assert answer.text == f"page of {name}" and not answer.header("Mercure-Publish")
        assert answer.header("Link") == (f'<{PATH}>; rel="mercure"' if named else None)
        url = f"http://{name}.example:{httpd.port}{PATH}" if named else "none"
        assert httpd.get("/where", host=sites.host(name)).text == url

    def expect_no_key(name):
        folder = httpd.path(f"sites/{name}.example/htdocs")
        httpd.expect_log(f"MRC0802: 1 update.* to the hub {folder}{PATH}: this site has no key for a hub")

    def wait(status):
        wait_until(lambda: all(httpd.request("HEAD", f"{PATH}?match=x", host=sites.host("keys")).status == status
                               for _ in range(8)), what="the change")

    assert httpd.get("/where", host=sites.host("asked")).text == f"http://asked.example:{httpd.port}{PATH}"
    expect_no_key("none")
    page("none", named=False)
    page("keys")
    with sites.subscribe("keys") as stream:
        assert stream.next().data == "page"
        # Now a site has the only hub, and keeps it even without keys, for when it has one again.
        httpd.expect_log("MRC0502: .*asked.example/htdocs has no hub")
        httpd.expect_log("MRC0802: 1 update.*: the server has as many sites")
        page("asked")
        httpd.write("sites/keys.example/htdocs/.htaccess", "")
        wait(404)
        expect_no_key("keys")
        page("keys", named=False)
        httpd.write("sites/keys.example/htdocs/.htaccess", given)
        wait(200)
        minted = token.publisher(key=key, aud=f"http://keys.example:{httpd.port}{PATH}")
        httpd.publish(TOPIC, "end", token=minted, host=sites.host("keys"))
        assert stream.next().data == "end"


@pytest.mark.parametrize("host", ["..", ".", ".one.example", "one..example", "%2e%2e", "a/../one.example", "",
                                  "one%2eexample", "one.example%00", "one.example@two.example", "one.example..", "[::1]"])
def test_no_host_leads_out_of_the_directory(httpd, host):
    sites = Sites(httpd, "one")
    httpd.write("index.html", "outside")
    httpd.start("HttpProtocolOptions Unsafe\n" + sites.config(pattern="%0"))
    assert httpd.get(f"{PATH}?match=x", host=host).status in (400, 404)


def test_a_hub_with_a_name_or_a_history_on_disk_is_one_for_all(httpd):
    sites = Sites(httpd, "one", "two")
    httpd.start(sites.config(f"MercureStore lmdb {httpd.path('history')}", identifier="https://hub.example"))
    first = httpd.publish(TOPIC, "x", host="one.example").text
    with sites.subscribe("two") as stream:
        assert stream.next().id == first
