"""MercureMaxSubscribers limits a hub, an address and a token, over all children together."""
import pytest

from env import token
from env.hub import PATH, hub
from env.wait import wait_until

pytestmark = pytest.mark.mpm("event")

OTHER = "/other"


def refused(httpd, word, path=PATH, **more):
    """
    Waits until eight connections in a row, which reach several children, are refused with WORD in the
    reason. They send what an EventSource sends. A stream that has just ended may hold its place a moment
    longer, which can cause an earlier refusal.
    """
    def reason():
        with httpd.subscribe("match=a", path=path, status=429, **more) as stream:
            assert stream.response.header("Content-Type") == "application/problem+json"
            return stream.response.json["detail"]

    wait_until(lambda: all(word in reason() for _ in range(8)), what=f"{word} in the reason")


def opens(httpd, count, **more):
    """Opens COUNT streams, as soon as there is room for them."""
    streams = []

    def one_more():
        stream = httpd.subscribe("match=a", status=None, **more)
        if stream.status == 200:
            streams.append(stream)
        else:
            assert stream.status == 429, stream.response
            stream.close()
        return len(streams) == count

    wait_until(one_more, what=f"room for {count} streams")
    return streams


def wait_ends(streams):
    for stream in streams:
        stream.wait_end()
        stream.close()


def test_limits_count_over_all_children(httpd):
    httpd.load("remoteip")
    httpd.start("RemoteIPHeader X-Real\nRemoteIPInternalProxy 127.0.0.9\n"
                + hub("MercureMaxSubscribers 7 per-address=3 per-token=2")
                + hub("MercureMaxSubscribers 0 per-address=3", path=OTHER))
    first = opens(httpd, 3)
    refused(httpd, "address")
    # HEAD requests and publications are not streams; another address and another hub have their own counts.
    assert httpd.request("HEAD", f"{PATH}?match=a").status == 200
    httpd.publish("a", "x")
    elsewhere = opens(httpd, 3, path=OTHER)
    refused(httpd, "address", path=OTHER)
    behind = [opens(httpd, 1, source="127.0.0.9", headers=[("X-Real", f"192.0.2.{i}")])[0] for i in (1, 1, 2)]
    # IPv6 addresses count by their network; one that stands for an IPv4 address counts as that address.
    for full, same, others in (
            ("2001:db8:0:1::1", ["2001:db8:0:1::2", "2001:DB8:0:1:ffff:ffff:ffff:ffff"], ["2001:db8:0:2::1", "2001:db8::1"]),
            ("192.0.2.1", ["::ffff:192.0.2.1", "::ffff:c000:201", "64:ff9b::192.0.2.1"], ["::ffff:192.0.2.3", "64:ff9b::1"])):
        def at(address, **more):
            return {"source": "127.0.0.9", "headers": [("X-Real", address)], "path": OTHER, **more}

        streams = [opens(httpd, 1, **at(address))[0] for address in (full, same[0], same[-1])]
        for address in [full, *same]:
            refused(httpd, "address", **at(address))
        streams += [opens(httpd, 1, **at(address))[0] for address in others]
        for stream in streams:
            stream.close()
    # Tokens are told apart by their text, wherever they come from and however they are sent.
    one, two = token.subscriber(["a"], jti="1"), token.subscriber(["a"], jti="2")
    with httpd.subscribe("match=a", token=one, source="127.0.0.3"):
        refused(httpd, "hub has", source="127.0.0.4")
    for stream in behind:
        stream.close()
    tokens = opens(httpd, 1, token=one, source="127.0.0.3")
    tokens += opens(httpd, 1, source="127.0.0.4", headers=[("Cookie", f"__Secure-mercure_access_token={one}")])
    refused(httpd, "token", token=one, source="127.0.0.5")
    # A refused stream holds no place, neither of its address nor of the hub.
    tokens += opens(httpd, 2, token=two, source="127.0.0.5")
    refused(httpd, "hub has", source="127.0.0.6")
    for stream in tokens + first:
        stream.close()
    # Closed streams have given back their places.
    first = opens(httpd, 3)
    refused(httpd, "address")

    # The counts of a dead child are gone.
    for pid in httpd.children():
        httpd.kill_child(pid)
    wait_ends(first + elsewhere)
    first, elsewhere = opens(httpd, 3), opens(httpd, 3, path=OTHER)
    refused(httpd, "address")
    refused(httpd, "address", path=OTHER)

    # In a graceful restart the streams of the old children count until they end.
    httpd.graceful()
    wait_ends(first + elsewhere)
    first = opens(httpd, 3)
    refused(httpd, "address")
    # A lower limit applies to the next generation of children.
    httpd.graceful(hub("MercureMaxSubscribers 7 per-address=1 per-token=2"))
    wait_ends(first)
    first = opens(httpd, 1)
    refused(httpd, "address")
    first[0].close()


def test_mod_rpaf_leaves_the_address_of_the_proxy(httpd):
    """mod_rpaf sets the address of the connection, but not that of the request: docs/proxies.md says to use
    mod_remoteip."""
    httpd.load("rpaf")
    httpd.start("RPAFenable On\nRPAFproxy_ips 127.0.0.9\nRPAFheader X-Real\n"
                'LogFormat "%a %{c}a" rpaf\nCustomLog logs/rpaf.log rpaf\n' + hub("MercureMaxSubscribers 0 per-address=2"))
    proxied = [opens(httpd, 1, source="127.0.0.9", headers=[("X-Real", f"192.0.2.{i}")])[0] for i in (1, 2)]
    refused(httpd, "address", source="127.0.0.9", headers=[("X-Real", "192.0.2.3")])
    for stream in proxied:
        stream.close()
    httpd.stop()
    with open(httpd.path("logs/rpaf.log"), encoding="ascii") as log:
        assert {tuple(line.split()) for line in log} >= {("127.0.0.9", f"192.0.2.{i}") for i in (1, 2, 3)}
