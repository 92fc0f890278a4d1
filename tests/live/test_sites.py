"""
A hub belongs to a site: virtual hosts with the same written ServerName have one hub for a path, others have hubs of
their own, even if they inherit the same section. Nothing passes from one site to another.
"""
import contextlib
import os
import re
import threading

import pytest

from env import token
from env.hub import PATH, hub
from env.wait import wait_until

pytestmark = pytest.mark.mpm("event")

TOPIC = "https://example.com/some/topic"
FIRST, SECOND, THIRD = "first.example", "second.example", "third.example"


def delivers(httpd, publisher, subscriber, **more):
    """
    Whether an update that is published at the address PUBLISHER reaches a subscriber of the address
    SUBSCRIBER, who gets a second update there in any case.
    """
    with httpd.subscribe([("match", TOPIC)], **subscriber) as stream:
        first = httpd.publish(TOPIC, "published elsewhere", **more, **publisher).text
        second = httpd.publish(TOPIC, "published here", **more, **subscriber).text
        seen = [stream.next().id]
        if seen != [second]:
            seen.append(stream.next().id)
    assert seen in ([second], [first, second]), (first, second, seen)
    return seen[0] == first


def nameless(port, *body):
    return "\n".join([f"<VirtualHost 127.0.0.1:{port}>", *body, "</VirtualHost>"]) + "\n"


def labels(httpd):
    return sorted(set(re.findall(r'mercure_updates_total\{hub="([^"]*)"\}', httpd.get("/metrics").text)))


METRICS = '<Location "/metrics">\nSetHandler mercure-metrics\n</Location>\n'


# ---- one section for all sites -------------------------------------------------------------------


def test_no_update_leaves_its_site(httpd):
    """One section of the main server. An anonymous subscriber of one site never gets updates of another site."""
    main = {"port": httpd.add_port()}
    httpd.start(hub("MercureSubscriptions On") + METRICS + httpd.vhost(name=FIRST) + httpd.vhost(name=SECOND))
    for here, other in ((FIRST, SECOND), (SECOND, FIRST)):
        here, other = {"host": here}, {"host": other}
        assert delivers(httpd, here, here)
        assert not delivers(httpd, other, here)
    reader = token.subscriber()
    topic = f"{TOPIC}/2"
    httpd.publish(topic, "secret", fields=[("private", "on"), ("id", "secret")], host=FIRST)
    httpd.publish(topic, "open", fields=[("id", "open")], host=FIRST)
    for where in ({"host": SECOND}, main):
        # Neither the history nor the list of subscriptions has anything of the other site.
        with httpd.subscribe([("match", topic), ("last_event_id", "earliest")], token=reader, **where) as stream:
            httpd.publish(topic, "own", fields=[("id", "own")], **where)
            assert stream.next().id == "own"
        with httpd.subscribe([("match", topic)], {"Last-Event-ID": "open"}, token=reader, **where) as stream:
            assert stream.response.header("Mercure-Last-Event-ID") == "earliest"
    with httpd.subscribe([("match", topic), ("last_event_id", "earliest")], token=reader, host=FIRST) as stream:
        assert [event.id for event in stream.take(2)] == ["secret", "open"]
        for host, count in ((FIRST, 1), (SECOND, 0)):
            answer = httpd.get(f"{PATH}/subscriptions", {"Authorization": f"Bearer {reader}"}, host=host)
            assert len(answer.json["subscriptions"]) == count, answer.json
    assert labels(httpd) == [f"{FIRST}{PATH}", f"localhost{PATH}", f"{SECOND}{PATH}"]
    assert "MRC0230: the section at" in httpd.log() and "is divided into 3 hubs" in httpd.log()


def test_token_of_one_site_is_refused_by_another(httpd):
    """The sites share the keys of one section, but their audiences come from their own names."""
    httpd.start(hub(identifier=None) + httpd.vhost(name=FIRST) + httpd.vhost(name=SECOND))
    for here, other in ((FIRST, SECOND), (SECOND, FIRST)):
        minted = token.publisher(aud=f"http://{here}:{httpd.port}{PATH}")
        for _ in range(10):  # so that every child sees the token
            httpd.publish(TOPIC, "x", token=minted, host=here)
            httpd.publish(TOPIC, "x", token=minted, host=other, status=401)


def test_site_replaces_the_keys_of_the_server(httpd):
    """A list of keys in the virtual host replaces the server's list, and so does one in its own Location."""
    key, other = (f"key-of-a-site-{n}:0123456789abcdef0123456789abcdef" for n in (1, 2))
    own = f'<Location "{PATH}">\nMercurePublisherKey {token.ISSUER} HS256 {key}\n</Location>'
    httpd.start(hub(keys=False) +
                f"MercurePublisherKey {token.ISSUER} HS256 {token.PUBLISHER_KEY}\n" +
                httpd.vhost(own, name=FIRST) + httpd.vhost(name=SECOND) +
                httpd.vhost(f"MercurePublisherKey {token.ISSUER} HS256 {other}", name=THIRD))
    for host, right in ((FIRST, key), (SECOND, token.PUBLISHER_KEY), (THIRD, other)):
        for used in (key, token.PUBLISHER_KEY, other):
            httpd.publish(TOPIC, "x", token=token.publisher(key=used), host=host,
                          status=200 if used == right else 401)


def test_site_without_keys_is_warned_of_alone(httpd):
    """The section of the main server has no keys; all sites but one bring their own."""
    key = f"MercureKey {token.ISSUER} HS256 {token.PUBLISHER_KEY}"
    httpd.expect_log(f"MRC0203: nobody can publish to the hub {SECOND}{PATH}:")
    httpd.expect_log(f"MRC0204: nobody can subscribe to the hub {SECOND}{PATH}:")
    httpd.start(hub(keys=False, anonymous=False) + httpd.vhost(key, name=FIRST) + httpd.vhost(name=SECOND) +
                httpd.vhost(key, name=THIRD))
    assert len(re.findall("MRC020[34]", httpd.log())) == 2


def test_sites_may_have_different_settings(httpd):
    """Settings of a hub may differ between sites that inherit one section: they are different hubs."""
    httpd.start(hub() + httpd.vhost("MercureHistory count=2", name=FIRST) +
                httpd.vhost(f'<Location "{PATH}">\nMercureHistory count=4\n</Location>', name=SECOND))
    for host, kept in ((FIRST, 2), (SECOND, 4)):
        for i in range(6):
            httpd.publish(TOPIC, str(i), fields=[("id", f"{i}")], host=host)
        with httpd.subscribe([("match", TOPIC), ("last_event_id", "earliest")], host=host) as stream:
            assert [event.id for event in stream.take(kept)] == [f"{i}" for i in range(6)][-kept:]


def test_site_can_switch_the_hub_off(httpd):
    httpd.start(hub() + METRICS + httpd.vhost(f'<Location "{PATH}">\nMercureHub Off\n</Location>', name=FIRST) +
                httpd.vhost(name=SECOND))
    assert httpd.get(f"{PATH}?match=x", host=FIRST).status == 404
    assert delivers(httpd, {"host": SECOND}, {"host": SECOND})
    assert labels(httpd) == [f"localhost{PATH}", f"{SECOND}{PATH}"]


def test_site_can_switch_all_inherited_hubs_off(httpd):
    """`MercureHub Off` directly in a virtual host leaves the hubs of its own Locations."""
    httpd.start(hub() + hub(path="/b") + METRICS + httpd.vhost("MercureHub Off", hub(path="/b"), name=FIRST) +
                httpd.vhost("MercureHub off", name=SECOND) + httpd.vhost(name=THIRD))
    for host, path, status in ((FIRST, PATH, 404), (FIRST, "/b", 200), (SECOND, PATH, 404), (SECOND, "/b", 404),
                               (THIRD, PATH, 200), (THIRD, "/b", 200)):
        assert httpd.request("HEAD", f"{path}?match=x", host=host).status == status, (host, path)
    assert labels(httpd) == [f"{FIRST}/b", f"localhost{PATH}", "localhost/b", f"{THIRD}{PATH}", f"{THIRD}/b"]


def test_floods_of_one_site_stop_no_other(httpd):
    """Publications, streams and announced subscriptions of one site, as fast as possible. Another site works as
    usual."""
    httpd.start(hub("MercureSubscriptions On", "MercurePublishRate 20", "MercureMaxSubscribers 30") +
                httpd.vhost(name=FIRST) + httpd.vhost(name=SECOND))
    end, seen = threading.Event(), {"publication": set(), "stream": set()}

    def publish():
        while not end.is_set():
            seen["publication"].add(httpd.publish(TOPIC, "x" * 1000, host=FIRST, status=None).status)

    def subscribe():
        while not end.is_set():
            with contextlib.ExitStack() as stack:
                for _ in range(20):
                    stream = httpd.subscribe([("match", "*")], token=token.subscriber(), host=FIRST, status=None)
                    seen["stream"].add(stack.enter_context(stream).response.status)

    floods = [threading.Thread(target=target) for target in (publish, publish, subscribe, subscribe)]
    for flood in floods:
        flood.start()
    try:
        wait_until(lambda: all(statuses == {200, 429} for statuses in seen.values()), what="floods past their limits")
        with httpd.subscribe([("match", TOPIC)], host=SECOND) as stream:
            for i in range(15):
                httpd.publish(TOPIC, str(i), host=SECOND)
                assert stream.next().data == str(i)
            for i in range(10):
                with httpd.subscribe([("match", f"{TOPIC}/{i}")], host=SECOND):
                    pass
    finally:
        end.set()
        for flood in floods:
            flood.join()
    assert all(statuses == {200, 429} for statuses in seen.values()), seen


# ---- one hub for a site --------------------------------------------------------------------------


def test_both_halves_of_a_site_share_a_hub(httpd):
    """The virtual hosts of http and https, each with its own section or an inherited one."""
    port = httpd.add_port()
    for body in ([hub(), hub()], ["", ""]):
        outer = "" if body[0] else hub()
        http = httpd.vhost(body[0], name=FIRST)
        https = httpd.vhost(body[1], name=f"https://{FIRST}:443", port=port, tls=True)
        (httpd.restart if httpd.running else httpd.start)(outer + METRICS + http + https)
        secure = {"host": FIRST, "port": port, "tls": True}
        assert delivers(httpd, {"host": FIRST}, secure)
        assert delivers(httpd, secure, {"host": FIRST})
        assert f"{FIRST}{PATH}" in labels(httpd)
    assert "MRC0231: 2 sections are joined into the hub" in httpd.log()


def test_name_is_compared_in_any_case_and_without_port(httpd):
    port, third = httpd.add_port(), httpd.add_port()
    httpd.start(METRICS + httpd.vhost(hub(), name="First.Example:80") +
                httpd.vhost(hub(), name="https://FIRST.example", port=port) +
                httpd.vhost(hub(), name="first.example.org", port=third))
    assert delivers(httpd, {"host": FIRST}, {"host": FIRST, "port": port})
    assert not delivers(httpd, {"host": FIRST}, {"host": "first.example.org", "port": third})
    assert labels(httpd) == [f"first.example.org{PATH}", f"{FIRST}{PATH}"]


def test_main_server_is_a_site_like_others(httpd):
    """It shares the hub of a virtual host with its name, and of no other."""
    port, other = httpd.add_port(), httpd.add_port()
    httpd.start(hub() + httpd.vhost(name="LOCALHOST", port=port) + httpd.vhost(name=FIRST, port=other))
    assert delivers(httpd, {}, {"port": port})
    assert not delivers(httpd, {}, {"port": other})


def test_aliases_and_unknown_hosts_reach_the_site_that_httpd_chooses(httpd):
    httpd.start(METRICS + hub() + httpd.vhost(name=FIRST, aliases=["alias.example", "*.wild.example"]) +
                httpd.vhost(name=SECOND, aliases=["other.example"]))
    for host in ("alias.example", "any.wild.example", "ALIAS.example", "unknown.example", "127.0.0.1"):
        assert delivers(httpd, {"host": host}, {"host": FIRST}), host
        assert not delivers(httpd, {"host": host}, {"host": SECOND}), host
    assert delivers(httpd, {"host": "other.example"}, {"host": SECOND})
    # No name that a client sends becomes a hub.
    assert labels(httpd) == [f"{FIRST}{PATH}", f"localhost{PATH}", f"{SECOND}{PATH}"]


def test_virtual_hosts_without_a_name_are_sites_of_their_own(httpd):
    """httpd gives them the name of the main server, which must not join their hubs with its hub."""
    ports = [httpd.add_port() for _ in range(2)]
    httpd.start(hub() + METRICS + "".join(nameless(port) for port in ports))
    places = [{}, *({"port": port} for port in ports)]
    for here in places:
        for there in places:
            assert delivers(httpd, here, there) == (here == there), (here, there)
    assert labels(httpd) == sorted([f"localhost{PATH}", *(f"127.0.0.1:{port}{PATH}" for port in ports)])


def test_two_virtual_hosts_without_a_name_at_one_address_start(httpd):
    """httpd serves only the first of them."""
    port = httpd.add_port()
    httpd.expect_log("AH00(671|548)", required=False)
    httpd.start(hub() + METRICS + 2 * nameless(port))
    assert delivers(httpd, {"port": port}, {"port": port})
    assert labels(httpd) == sorted([f"localhost{PATH}", f"127.0.0.1:{port}{PATH}", f"127.0.0.1:{port}{PATH} #2"])


def test_name_joins_locations_of_several_sites(httpd):
    """The paths of all of them then form the reserved namespace of the hub."""
    httpd.start(httpd.vhost(hub("MercureSubscriptions On", path="/one", name="shared"), name=FIRST) +
                httpd.vhost(hub("MercureSubscriptions On", path="/two", name="shared"), name=SECOND))
    one, two = ({"path": path, "host": host, "token": token.publisher(aud=f"https://hub.example{path}")}
                for path, host in (("/one", FIRST), ("/two", SECOND)))
    with httpd.subscribe([("match", TOPIC)], path="/two", host=SECOND) as stream:
        sent = httpd.publish(TOPIC, "x", **one).text
        assert stream.next().id == sent
    for where in (one, two):
        for path in ("/one", "/two"):
            httpd.publish(f"{path}/subscriptions/exact/x", "x", status=400, **where)
        httpd.publish("/three/subscriptions/exact/x", "x", **where)


# ---- reloads and histories -----------------------------------------------------------------------


def history_of(httpd, count, **where):
    with httpd.subscribe([("match", TOPIC), ("last_event_id", "earliest")], **where) as stream:
        return [event.id for event in stream.take(count)]


def test_each_site_keeps_its_history_over_reloads(httpd):
    """Other virtual hosts, in another order, do not change which hub a site belongs to."""
    def vhosts(*hosts):
        return hub() + "".join(httpd.vhost(name=host) for host in hosts)

    httpd.start(vhosts(FIRST, SECOND))
    for host in (FIRST, SECOND):
        httpd.publish(TOPIC, "x", fields=[("id", f"of {host}")], host=host)
    httpd.graceful(vhosts(THIRD, SECOND, FIRST))
    httpd.publish(TOPIC, "x", fields=[("id", f"of {THIRD}")], host=THIRD)
    httpd.graceful(vhosts(SECOND, THIRD, FIRST.upper()))
    for host in (FIRST, SECOND, THIRD):
        httpd.publish(TOPIC, "x", fields=[("id", "last")], host=host)
        assert history_of(httpd, 2, host=host) == [f"of {host}", "last"]


@pytest.mark.parametrize("place", [0, 1])
def test_sites_that_have_only_aliases_keep_their_histories_over_reloads(httpd, place):
    """One of them does not get the hub of another one that is removed, wherever that was."""
    port = httpd.add_port()
    httpd.expect_log("AH00(671|548)", required=False)

    def vhosts(*hosts):
        return hub() + "".join(nameless(port, f"ServerAlias {aliases}") for aliases in hosts)

    names = [f"{SECOND} *.{SECOND}"]
    names.insert(place, FIRST)
    httpd.start(vhosts(*names))
    for host in (FIRST, SECOND):
        httpd.publish(TOPIC, "x", fields=[("id", f"of {host}")], host=host, port=port)
    httpd.graceful(vhosts(f"*.{SECOND.upper()} {SECOND}"))
    httpd.publish(TOPIC, "x", fields=[("id", "last")], host=SECOND, port=port)
    assert history_of(httpd, 2, host=SECOND, port=port) == [f"of {SECOND}", "last"]


def siphash(text):
    """SipHash-2-4 with a key of zeros; the names of directories end with it."""
    mask = (1 << 64) - 1
    v = [0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573]

    def rotate(x, n):
        return (x << n | x >> (64 - n)) & mask

    def rounds(n):
        for _ in range(n):
            v[0] = (v[0] + v[1]) & mask
            v[2] = (v[2] + v[3]) & mask
            v[1] = rotate(v[1], 13) ^ v[0]
            v[3] = rotate(v[3], 16) ^ v[2]
            v[0] = rotate(v[0], 32)
            v[2] = (v[2] + v[1]) & mask
            v[0] = (v[0] + v[3]) & mask
            v[1] = rotate(v[1], 17) ^ v[2]
            v[3] = rotate(v[3], 21) ^ v[0]
            v[2] = rotate(v[2], 32)

    data = text.encode()
    data += b"\0" * (7 - len(data) % 8) + bytes([len(data) & 255])
    for i in range(0, len(data), 8):
        word = int.from_bytes(data[i:i + 8], "little")
        v[3] ^= word
        rounds(2)
        v[0] ^= word
    v[2] ^= 0xFF
    rounds(4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def directory(key):
    """The name of the directory with the history of the hub KEY."""
    shown = re.sub("[^A-Za-z0-9._]+", "-", key).lstrip("-.")[:40]
    return f"{shown}{'' if shown.endswith('-') else '-'}{siphash(key):016x}"


@pytest.fixture
def durable(httpd):
    if "this build has no LMDB" in httpd.configtest(hub("MercureStore lmdb data")).output:
        pytest.skip("built without LMDB")

    def make(**more):
        return hub("MercureStore lmdb data", **more)

    return make


def pretend_earlier(httpd, host, former, when):
    """Renames the directory of site HOST of the stopped server to that of the FORMER key, last written at WHEN."""
    data = httpd.path("data")
    path = os.path.join(data, directory(former))
    os.rename(os.path.join(data, directory(f"site={host} {PATH}")), path)
    for file in os.listdir(path):
        os.utime(os.path.join(path, file), (when, when))
    return path


def test_joined_hub_goes_on_with_the_newest_history(httpd, durable):
    """Earlier versions had a hub for each half of a site. The history of the other half is kept and named."""
    port = httpd.add_port()
    halves = {FIRST: httpd.port, SECOND: port}  # with two names, only to make two histories
    httpd.start("".join(httpd.vhost(durable(), name=host, port=port) for host, port in halves.items()))
    for host, at in halves.items():
        httpd.publish(TOPIC, "x", fields=[("id", f"at {host}")], host=host, port=at)
    httpd.stop()
    older = pretend_earlier(httpd, FIRST, f"{PATH} {FIRST} 127.0.0.1:{httpd.port}", 1000)
    pretend_earlier(httpd, SECOND, f"{PATH} {FIRST} 127.0.0.1:{port}", 2000)
    httpd.expect_log(f"MRC0232: the history in {re.escape(older)} is older than another one")
    joined = httpd.vhost(durable(), name=FIRST) + httpd.vhost(durable(), name=FIRST, port=port)
    httpd.start(joined)
    for at in halves.values():
        httpd.publish(TOPIC, "x", fields=[("id", f"then {at}")], host=FIRST, port=at)
    wanted = [f"at {SECOND}", *(f"then {at}" for at in halves.values())]
    assert history_of(httpd, 3, host=FIRST, port=port) == wanted
    assert sorted(os.listdir(httpd.path("data"))) == sorted(
        [directory(f"site={FIRST} {PATH}"), os.path.basename(older) + ".kept"])
    # The next start logs nothing about histories.
    said = len(re.findall("MRC023[2-5]", httpd.log()))
    httpd.stop()
    httpd.start(joined)
    assert history_of(httpd, 3, host=FIRST) == wanted
    assert len(re.findall("MRC023[2-5]", httpd.log())) == said == 2


def test_history_of_several_sites_goes_to_none_of_them(httpd, durable):
    """Earlier versions had one hub for all virtual hosts that inherited a section."""
    former = f"{PATH} (main) :0"
    httpd.start(httpd.vhost(durable(), name=FIRST))
    httpd.publish(TOPIC, "x", fields=[("id", "of everybody")], host=FIRST)
    httpd.stop()
    mixed = pretend_earlier(httpd, FIRST, former, 1000)
    httpd.expect_log(f"MRC0232: the history in {re.escape(mixed)} has updates of several sites")
    httpd.start(durable() + httpd.vhost(name=FIRST) + httpd.vhost(name=SECOND))
    for host in (FIRST, SECOND, "localhost"):
        httpd.publish(TOPIC, "x", fields=[("id", "own")], host=host)
        assert history_of(httpd, 1, host=host) == ["own"]
    assert os.path.isdir(mixed + ".kept") and not os.path.exists(mixed)


def test_only_site_of_a_server_keeps_the_history_of_the_section(httpd, durable):
    """The main server does not count beside a single site: its section was meant for that site."""
    httpd.start(httpd.vhost(durable(), name=FIRST))
    httpd.publish(TOPIC, "x", fields=[("id", "before")], host=FIRST)
    httpd.stop()
    pretend_earlier(httpd, FIRST, f"{PATH} (main) :0", 1000)
    httpd.start(durable() + httpd.vhost(name=FIRST))
    httpd.publish(TOPIC, "x", fields=[("id", "after")], host=FIRST)
    assert history_of(httpd, 2, host=FIRST) == ["before", "after"]
    assert "MRC0235: the hub first.example" in httpd.log()


# ---- many sites ----------------------------------------------------------------------------------


def check_many_sites(httpd, count):
    """Each of COUNT sites has its own updates, before and after reloads that add and remove sites."""
    hosts = [f"site-{i}.example" for i in range(count)]
    small = hub("MercureHistory count=100 bytes=64K", "MercureLimit body=16K", "MercurePublishRate 100")

    def config(some):
        return small + METRICS + "".join(httpd.vhost(name=host) for host in some)

    httpd.start(config(hosts))
    assert len(labels(httpd)) == count + 1
    for host in hosts:
        httpd.publish(TOPIC, host, fields=[("id", host)], host=host)
    for text in (config(reversed(hosts)), config([*hosts[: count // 2], "new.example", *hosts[count // 2:]])):
        httpd.graceful(text)
        for host in hosts:
            with httpd.subscribe([("match", TOPIC), ("last_event_id", "earliest")], host=host) as stream:
                assert stream.next().data == host
    httpd.publish(TOPIC, "x", fields=[("id", "first")], host="new.example")
    assert history_of(httpd, 1, host="new.example") == ["first"]
    httpd.graceful(config(hosts[:10]))
    assert len(labels(httpd)) == 11 and len(httpd.runtime_files()) == 3
    assert history_of(httpd, 1, host=hosts[9]) == [hosts[9]]


def test_idle_sites_take_no_memory(httpd):
    """Each of many hubs is made when it is first used. All are in the metrics, and one that a child has made serves all
    children."""
    count = 100
    httpd.load("status")
    httpd.start(hub() + METRICS + '<Location "/server-status">\nSetHandler server-status\n</Location>\n'
                '<Location "/health">\nSetHandler mercure-health\n</Location>\n'
                + "".join(httpd.vhost(name=f"site-{i}.example") for i in range(count)))

    def taken():
        return sum(os.stat(os.path.join(httpd.runtime_dir, name)).st_blocks * 512 for name in httpd.runtime_files())

    before = taken()
    assert len(httpd.runtime_files()) == 3, "the control segment, the first hub, and all others"
    assert len(labels(httpd)) == count + 1
    assert httpd.get("/server-status?auto").status == httpd.get("/health").status == 200
    assert taken() == before, "reading the numbers has made hubs"
    httpd.publish(TOPIC, "x", fields=[("id", "first")], host="site-7.example")
    assert before < taken() <= before + (128 << 10)
    for _ in range(8):  # every child has the hub
        assert history_of(httpd, 1, host="site-7.example") == ["first"]
    # The others fold what a dying child leaves in the hubs that are made.
    httpd.kill_child()
    with httpd.subscribe([("match", TOPIC)], host="site-8.example") as stream:
        httpd.publish(TOPIC, "x", host="site-8.example")
        assert stream.next().data == "x"
    text = httpd.get("/metrics").text
    assert f'mercure_updates_total{{hub="site-7.example{PATH}"}} 1\n' in text
    assert f'mercure_updates_total{{hub="site-9.example{PATH}"}} 0\n' in text
    httpd.graceful()
    assert history_of(httpd, 1, host="site-7.example") == ["first"]


def test_two_hundred_sites(httpd):
    check_many_sites(httpd, 200)


@pytest.mark.soak
def test_a_thousand_sites(httpd):
    check_many_sites(httpd, 1000)
