"""Metrics, health, mod_status, and the notes for access logs."""
import os
import re

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from env import token
from env.hub import PATH, hub
from env.operator import call, controlled
from env.wait import wait_until
from env.watch import STATUS, auto

SOURCES = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))
# Of the hub in the main server.
LABEL = f"localhost{PATH}"
TOPIC = "https://example.com/a"
PAGES = (STATUS + "<Location /metrics>\nSetHandler mercure-metrics\n</Location>\n"
         "<Location /health>\nSetHandler mercure-health\n</Location>\n")
# The documented names, each with its labels beside `hub`.
DOCUMENTED = {
    "mercure_subscribers_connected": set(), "mercure_subscribers_total": set(), "mercure_updates_total": set(),
    "mercure_deliveries_total": set(), "mercure_publish_rejected_total": {"reason"},
    "mercure_subscribers_refused_total": {"reason"}, "mercure_subscribers_ended_total": {"reason"},
    "mercure_history_updates": set(), "mercure_history_bytes": set(), "mercure_memory_bytes": {"kind"}, "mercure_dispatch_seconds_bucket": {"le"},
    "mercure_dispatch_seconds_sum": set(), "mercure_dispatch_seconds_count": set(),
    "mercure_ring_lag_updates": {"child"}, "mercure_transport_up": set(),
}


def samples(httpd):
    """All samples: {(name, labels as sorted pairs): value}."""
    response = httpd.get("/metrics")
    assert response.status == 200, response
    assert response.header("Content-Type") == "text/plain; version=0.0.4; charset=utf-8"
    found = {}
    for family in text_string_to_metric_families(response.text):
        assert family.documentation and family.type in ("counter", "gauge", "histogram"), family
        for sample in family.samples:
            key = sample.name, tuple(sorted(sample.labels.items()))
            assert key not in found, f"{key} comes twice"
            found[key] = sample.value
    return found


def value(httpd, name, label=LABEL, **labels):
    return samples(httpd)[name, tuple(sorted({"hub": label, **labels}.items()))]


def wait_value(httpd, expected, name, **labels):
    wait_until(lambda: value(httpd, name, **labels) == expected, what=f"{name}{labels} to be {expected}")


def total(httpd, name):
    return sum(v for (n, _), v in samples(httpd).items() if n == name)


@pytest.mark.mpm("event", "worker")
def test_metrics_count_and_survive_reloads_and_dead_children(httpd):
    """Checks every documented name, what changes it, and that a reload or a dead child does not reset it."""
    httpd.load("status")
    httpd.start(hub("MercureLimit body=200 topics=2", "MercureMaxSubscribers 2", "MercureHeartbeat 1") + PAGES)
    found = samples(httpd)
    for name, labels in DOCUMENTED.items():
        mine = [dict(pairs) for n, pairs in found if n == name]
        assert mine, name
        assert all(set(pairs) == {"hub"} | labels and pairs["hub"] == LABEL for pairs in mine), (name, mine)
    assert value(httpd, "mercure_transport_up") == 1

    with httpd.subscribe([("match", TOPIC)]) as stream:
        # An update published while the stream opens would come from the history, which is not a dispatch.
        stream.wait_comment(2)
        sent = [httpd.publish(TOPIC, f"data {n}").text for n in range(3)]
        assert [event.id for event in stream.take(3)] == sent
        assert value(httpd, "mercure_subscribers_connected") == 1
        assert value(httpd, "mercure_subscribers_total") == 1
        assert value(httpd, "mercure_updates_total") == 3 == value(httpd, "mercure_history_updates")
        stored = sum(len(TOPIC) + len(sent[0]) + len(f"data {n}") for n in range(3))
        assert value(httpd, "mercure_history_bytes") == stored
        wait_value(httpd, 3, "mercure_deliveries_total")
        wait_value(httpd, 3, "mercure_dispatch_seconds_count")
        assert value(httpd, "mercure_dispatch_seconds_bucket", le="+Inf") == 3
        assert 0 <= value(httpd, "mercure_dispatch_seconds_bucket", le="0.0001") <= 3
        assert 0 < value(httpd, "mercure_dispatch_seconds_sum") < 60

        def lags():
            return [v for (name, _), v in samples(httpd).items() if name == "mercure_ring_lag_updates"]

        wait_until(lambda: len(lags()) >= len(httpd.children()) and set(lags()) == {0}, what="no lag in any child")
        assert httpd.request("HEAD", f"{PATH}?match=x").status == 200
        assert value(httpd, "mercure_subscribers_total") == 1, "HEAD is not a stream"
        with httpd.subscribe([("match", TOPIC)]):
            httpd.subscribe([("match", TOPIC)], status=429).close()
    wait_value(httpd, 0, "mercure_subscribers_connected")
    wait_value(httpd, 2, "mercure_subscribers_ended_total", reason="client")
    assert value(httpd, "mercure_subscribers_total") == 2 == total(httpd, "mercure_subscribers_ended_total")

    assert httpd.publish(TOPIC, token=None, status=None).status == 401
    assert httpd.publish(TOPIC, token=token.publisher(["x"]), status=None).status == 403
    assert httpd.publish([TOPIC] * 3, status=None).status == 413
    assert httpd.publish(data="no topic", status=None).status == 400
    bearer = {"Authorization": f"Bearer {token.publisher()}"}
    assert httpd.request("POST", PATH, {**bearer, "Content-Type": "text/plain"}, "x").status == 415
    for reason in ("unauthorized", "forbidden", "too_large", "malformed", "media_type"):
        wait_value(httpd, 1, "mercure_publish_rejected_total", reason=reason)
    assert value(httpd, "mercure_updates_total") == 3
    httpd.subscribe("match_nonsense=x", status=400).close()
    httpd.subscribe("match=x", token="x.y.z", status=401).close()
    for reason in ("malformed", "unauthorized", "limit"):
        wait_value(httpd, 1, "mercure_subscribers_refused_total", reason=reason)

    before = {key: v for key, v in samples(httpd).items() if key[0].endswith(("_total", "_count", "_sum"))}
    old = httpd.children()
    httpd.graceful()
    stream = httpd.subscribe([("match", TOPIC)])
    wait_until(lambda: not set(old) & set(httpd.children()), 60, "the end of the old children")
    wait_value(httpd, 1, "mercure_subscribers_connected")
    for child in httpd.children():
        httpd.kill_child(child)
    stream.close()
    wait_until(lambda: httpd.children(), what="new children")
    wait_value(httpd, 0, "mercure_subscribers_connected")
    after = samples(httpd)
    assert all(after[key] >= v for key, v in before.items())
    assert value(httpd, "mercure_updates_total") == 3

    # mod_status shows the same.
    expected = {"MercureSubscribers": "0", "MercureUpdates": "3", "MercureDeliveries": "3", "MercureThreads": "0",
                "MercureSubscribersTotal": "3", "MercurePublishRejected": "5", "MercurePublishRejectedTooLarge": "1",
                "MercureSubscribersRefused": "3", "MercureSubscribersRefusedLimit": "1",
                "MercureSubscribersEnded": "2", "MercureSubscribersEndedClient": "2", "MercureHistoryUpdates": "3",
                "MercureHistoryBytes": str(stored), "MercureDispatchCount": "3", "MercureRingLag": "0",
                "MercureTransportUp": "1"}
    lines = {}

    def shown():
        lines.update(auto(httpd))
        return {key: lines.get(key) for key in expected} == expected

    wait_until(shown, what=f"{expected} in /server-status")
    assert [key for key in lines if key.startswith("MercureTransport")] == ["MercureTransportUp"]
    assert 0 < float(lines["MercureDispatchSeconds"]) < 60
    page = httpd.get("/server-status").text
    assert f"<td>{LABEL}</td>" in page and "<td>5 (" in page and "too_large 1" in page


@pytest.mark.mpm("event")
def test_labels_differ_and_only_get_and_head_are_allowed(httpd):
    """Hubs at the same path of different hosts have different labels; labels are escaped."""
    port = httpd.add_port()
    other = httpd.add_port()
    third = httpd.add_port()
    httpd.start(PAGES.replace(STATUS, "") + hub(path="/q", name='x"y\\z') +
                httpd.vhost(hub(), port=port) + httpd.vhost(hub(), port=other, name="other.example") +
                httpd.vhost("<Location />\nSetHandler mercure-metrics\n</Location>", port=third))
    httpd.publish(TOPIC, "x", port=other)
    labels = [dict(pairs)["hub"] for name, pairs in samples(httpd) if name == "mercure_updates_total"]
    assert sorted(labels) == [f"localhost{PATH}", f"other.example{PATH}", 'x"y\\z']
    assert total(httpd, "mercure_updates_total") == 1
    for query, label in (("hub=other.example" + PATH, f"other.example{PATH}"), ("a&hub=x%22y%5Cz", r'x\"y\\z')):
        assert set(re.findall(r'hub="(.*?)"[,}]', httpd.get("/metrics?" + query).text)) == {label}, query
    for query in ("hub=other", "hub=", "hub=other.example" + PATH + "%00"):
        assert httpd.get("/metrics?" + query).json["status"] == 404, query
    for page in ("/metrics", "/health"):
        response = httpd.request("POST", page, body="x")
        assert response.status == 405 and response.header("Allow") == "GET, HEAD"
        head = httpd.request("HEAD", page)
        assert head.status == 200 and head.header("Cache-Control") == "no-store"
    for page in ("/metrics/", "/metrics/x", "/metrics/live"):
        assert httpd.get(page).status == httpd.request("POST", page, body="x").status == 404, page
        assert httpd.get(page).json["status"] == 404
    assert httpd.get("/metrics", port=third).status == httpd.get("/", port=third).status == 200


@pytest.mark.mpm("event")
def test_health_reports_live_and_ready(httpd):
    more = "".join(f"<{section}>\nSetHandler mercure-health\n</{section.split()[0]}>\n" for section in (
        "Location /live", "Location /slash/", 'LocationMatch "^/match/.*$"', "Location /health/inner"))
    httpd.start(hub() + PAGES.replace(STATUS, "") + more)
    for path in ("/health", "/health/ready", "/health/live", "/live", "/slash/", "/slash/live", "/match/any",
                 "/health/inner", "/health/inner/live", "/health?x=y"):
        response = httpd.get(path)
        assert (response.status, response.json) == (200, {"status": "ok"}), path
        assert response.header("Content-Type") == "application/json"
    for path in ("/health/", "/health/x", "/health/ready/", "/health/live/ready", "/health/Live", "/live/x",
                 "/slash/x", "/health/inner/", "/health//"):
        assert httpd.get(path).status == 404, path
        assert httpd.request("HEAD", path).status == 404
        assert httpd.request("POST", path, body="x").status == 404
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "ANY"):
        response = httpd.request(method, "/health/live", body="x")
        assert response.status == 405 and response.header("Allow") == "GET, HEAD", method
    assert httpd.request("HEAD", "/health/live").status == 200
    # Without a hub the server is live, but not ready.
    httpd.graceful(PAGES.replace(STATUS, ""))
    assert httpd.get("/health/live").status == 200
    for path in ("/health", "/health/ready"):
        response = httpd.get(path)
        assert response.status == 503 and response.json["status"] == "unavailable" and response.json["reason"]
    assert httpd.get("/metrics").status == 200


@pytest.mark.mpm("event")
def test_streams_that_an_operator_ends_are_counted(httpd):
    httpd.load("status")
    httpd.start(controlled() + PAGES)
    for reason, (name, fields) in {"disconnected": ("disconnect", {"sub": "anna"}),
                                   "revoked": ("revoke", {"sub": "otto", "ttl": "60"})}.items():
        assert value(httpd, "mercure_subscribers_ended_total", reason=reason) == 0
        with httpd.subscribe([("match", TOPIC)], token=token.subscriber(sub=fields["sub"])) as stream:
            assert call(httpd, "POST", name, fields).status in (200, 202)
            stream.wait_end()
        wait_value(httpd, 1, "mercure_subscribers_ended_total", reason=reason)
    assert total(httpd, "mercure_subscribers_ended_total") == 2 == total(httpd, "mercure_subscribers_total")


@pytest.mark.mpm("event", "worker")
def test_notes_name_update_subscriber_and_reason(httpd):
    """LogFormat can show the id of a publication, the subscriber of a stream, and why a request was refused."""
    log = httpd.path("logs/notes.log")
    httpd.start(hub(anonymous=False) + 'LogFormat "%m %>s %{mercure-id}n %{mercure-subscriber}n %{mercure-reason}n" '
                f'notes\nCustomLog "{log}" notes\n')
    sent = httpd.publish(TOPIC, "x").text
    httpd.publish(TOPIC, "x", token=None, status=None)
    httpd.subscribe("match=x", status=401).close()
    httpd.subscribe("match=x", token=token.subscriber()).close()

    def lines():
        with open(log, encoding="utf-8") as file:
            return [line[:-1] for line in file if line.endswith("\n")]

    wait_until(lambda: len(lines()) == 4, what="four lines in the access log")
    # Children write their lines in no particular order.
    stream = next(line for line in lines() if line.startswith("GET 200"))
    assert re.fullmatch(r"GET 200 - urn:uuid:[0-9a-f-]{36} client", stream), stream
    assert sorted(set(lines()) - {stream}) == sorted(
        [f"POST 200 {sent} - -", "POST 401 - - unauthorized", "GET 401 - - unauthorized"])


@pytest.mark.mpm("event")
def test_dashboard_and_alerts_use_existing_metrics(httpd):
    """Every metric in the files for Grafana and Prometheus exists, with the labels that they use."""
    httpd.start(hub() + PAGES.replace(STATUS, ""))
    known = {}
    values = {}
    for name, pairs in samples(httpd):
        known.setdefault(name, set()).update(dict(pairs))
        for label, text in pairs:
            values.setdefault((name, label), set()).add(text)
    folder = os.path.join(SOURCES, "conf/monitoring")
    with open(os.path.join(folder, "alerts.yaml"), encoding="utf-8") as file:
        rules = [rule for group in yaml.safe_load(file)["groups"] for rule in group["rules"]]
    with open(os.path.join(folder, "grafana.json"), encoding="utf-8") as file:
        panels = yaml.safe_load(file)["panels"]
    queries = [rule["expr"] for rule in rules] + [target["expr"] for panel in panels for target in
                                                  panel.get("targets", [])]
    assert len(rules) >= 5 and len(queries) > 12
    used = set()
    for query in queries:
        for name, selector in re.findall(r"\b(mercure_\w+)(?:\{([^}]*)\})?", query):
            assert name in known, f"{name} is not a metric: {query}"
            assert set(re.findall(r"(\w+)\s*[=!]", selector)) <= known[name] | {"instance", "job"}, query
            for label, texts in re.findall(r'(\w+)=~?"([\w|]+)"', selector):
                assert set(texts.split("|")) <= values[name, label], query
            used.add(name)
        for by in re.findall(r"\bby\s*\(([^)]*)\)", query):
            assert set(re.split(r"[,\s]+", by.strip())) <= {"hub", "reason", "le", "child", "instance", "carrier"}, query
    missing = set(DOCUMENTED) - used - {"mercure_dispatch_seconds_sum", "mercure_dispatch_seconds_count",
                                      "mercure_subscribers_total"}
    assert not missing, f"no panel and no alert uses {missing}"
    for rule in rules:
        assert rule["annotations"]["summary"] and rule["labels"]["severity"] in ("warning", "critical")
