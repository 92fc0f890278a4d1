"""Who speaks HTTP/2 for a virtual host without MercureHttp2: this module or mod_http2."""
import re

import pytest

from env.h2 import Http2
from env.hub import PATH, hub

OURS, MOD_HTTP2 = 256, 100  # the streams that a connection may have
NOTICE = re.compile(r"MRC0237: .*")


def speaker(port, tls=False, server_name="localhost"):
    """The number of streams that the server allows, which shows who speaks."""
    with Http2(port, tls, server_name=server_name) as conn:
        conn.request("/")
        return conn.conn.remote_settings.max_concurrent_streams


def notices(httpd):
    return NOTICE.findall(httpd.log())


def load(httpd):
    httpd.load("http2")
    httpd.expect_log(r"AH10034|AH02951", required=False)  # mod_http2's comments on its configuration


@pytest.mark.mpm("event")
def test_default_of_virtual_hosts(httpd):
    """All hubs but one are inherited from the main server."""
    load(httpd)
    hosts = {
        "default": ("", OURS),
        "own": (hub().replace(PATH, "/other"), OURS),
        "explicit": ("MercureHttp2 On", OURS),
        "off": ("MercureHttp2 Off", MOD_HTTP2),
        "hubless": (f'<Location "{PATH}">\nMercureHub Off\n</Location>', MOD_HTTP2),
        "tuned": ("H2StreamMaxMemSize 65536", MOD_HTTP2),
        "tuned-below": ('<Location "/x">\nH2Push Off\n</Location>', MOD_HTTP2),
        "tuned-and-on": ("H2StreamMaxMemSize 65536\nMercureHttp2 On", OURS),
    }
    ports = {name: httpd.add_port() for name in hosts}
    tls = httpd.add_port()
    httpd.start("Protocols h2 h2c http/1.1\n" + hub() + "".join(
        httpd.vhost(text, port=ports[name], name=f"{name}.example") for name, (text, _) in hosts.items()) +
        httpd.vhost(port=tls, name="tls.example", tls=True))
    spoken = {name: speaker(port, server_name=f"{name}.example") for name, port in ports.items()}
    assert spoken == {name: expected for name, (_, expected) in hosts.items()}
    assert speaker(tls, tls=True, server_name="tls.example") == OURS
    assert speaker(httpd.port) == OURS
    told = sorted(notices(httpd), reverse=True)
    assert len(told) == 2 and all("mod_http2 speaks" in line for line in told), told
    assert "tuned.example" in told[0] and "H2StreamMaxMemSize" in told[0]
    assert "tuned-below.example" in told[1] and "H2Push" in told[1]


@pytest.mark.mpm("event")
def test_tuning_of_the_main_server_applies_to_all(httpd):
    load(httpd)
    ports = [httpd.add_port() for _ in range(3)]
    httpd.start("Protocols h2c http/1.1\nH2Direct On\n" + httpd.vhost(hub(), port=ports[0]) +
                httpd.vhost(hub(), port=ports[1], name="other.example") +
                httpd.vhost("MercureHttp2 On", hub(), port=ports[2], name="on.example"))
    assert [speaker(port) for port in ports] == [MOD_HTTP2, MOD_HTTP2, OURS]
    told = notices(httpd)
    assert len(told) == 1 and "H2Direct" in told[0] and "httpd.conf:" in told[0], told


@pytest.mark.mpm("event")
def test_without_the_protocol_there_is_no_notice(httpd):
    httpd.start(hub())
    assert not notices(httpd)


@pytest.mark.mpm("event")
def test_without_mod_http2_and_hosts_of_one_address(httpd):
    """A client with prior knowledge has no separate connection for a virtual host without a hub."""
    httpd.write("a/index.html", "a")
    httpd.write("b/index.html", "b")
    port = httpd.add_port()
    hosts = [httpd.vhost(f"DocumentRoot {httpd.path(name)}",
                         f"<Directory {httpd.path(name)}>\nRequire all granted\n</Directory>", *body, port=port,
                         name=f"{name}.example") for name, body in (("a", [hub()]), ("b", ["MercureHttp2 Off"]))]
    httpd.start("Protocols h2c http/1.1\n" + "".join(hosts))
    for name in ("a", "b"):
        with Http2(port, server_name=f"{name}.example") as conn:
            assert conn.request("/").body == name.encode()
            assert conn.conn.remote_settings.max_concurrent_streams == OURS


@pytest.mark.mpm("worker", "prefork")
def test_other_mpms_leave_http2_alone(httpd):
    httpd.start("Protocols h2c http/1.1\n" + hub())
    told = notices(httpd)
    assert len(told) == 1 and "event MPM" in told[0], told
