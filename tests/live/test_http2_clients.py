"""HTTP/2 of the module itself, and the clients that people use."""
import shutil
import subprocess

import pytest

from env import firefox, webkit
from env.hub import PATH, hub
from env.token import publisher
from env.wait import DEADLINE, wait_until
from env.watch import STATUS, number, wait_subscribers
from test_clients import node
from test_streams import TOPIC

pytestmark = pytest.mark.mpm("event")


def start(httpd, tls=True, *directives):
    httpd.load("status")
    httpd.write("htdocs/index.html", "<!doctype html><link rel=icon href='data:,'><title>page</title>\n")
    port = httpd.add_port()
    httpd.start("Protocols h2 h2c http/1.1\nDirectoryIndex index.html\n" + STATUS + httpd.vhost(
        "MercureHttp2 On", f"DocumentRoot {httpd.docroot}", 'CustomLog logs/requests.log "%q %{Last-Event-ID}i"', hub(*directives),
        port=port, tls=tls))
    return port


@pytest.mark.skipif(not shutil.which("chromium"), reason="Debian's chromium is not installed")
@pytest.mark.parametrize("tabs", [[1, 3, 8], pytest.param([30, 60], marks=pytest.mark.soak)], ids=["few", "many"])
def test_tabs_of_a_browser(httpd, tabs):
    port = start(httpd)
    base = f"https://localhost:{port}/"
    found = node("tabs.mjs", {"base": base, "hub": f"https://localhost:{port}{PATH}", "topic": TOPIC, "tabs": tabs, "updates": 5,
                              "token": publisher(), "deadline": DEADLINE})
    assert found == [{"tabs": count, "protocol": "h2", "complete": count} for count in tabs]


LISTEN = """
const [url] = arguments;
window.events = [];
window.opens = 0;
window.source = new EventSource(url);
window.source.onopen = () => { window.opens++; };
window.source.onmessage = ({data}) => window.events.push(data);
"""


BROWSERS = [
    pytest.param(firefox.Firefox, marks=pytest.mark.skipif(not firefox.PROGRAM, reason="Debian's firefox-esr is not installed")),
    pytest.param(webkit.WebKit, marks=pytest.mark.skipif(not webkit.PROGRAM, reason="webkit2gtk-driver or xvfb is not installed")),
]


@pytest.mark.soak
@pytest.mark.parametrize("program", BROWSERS, ids=["firefox", "webkit"])
def test_tabs_of_other_browsers(httpd, program):
    port = start(httpd)
    base, sent, begun = f"https://localhost:{port}/", [], {}

    def publish(data):
        sent.append(data)
        httpd.publish(TOPIC, data, port=port, tls=True)

    def are_complete(browser):
        return all(browser.run(tab, "return window.events;") == sent[first:] for tab, first in begun.items())

    def listen(browser, tab):
        browser.run(tab, LISTEN, f"https://localhost:{port}{PATH}?match={TOPIC}")
        begun[tab] = len(sent)

    with program(httpd.path("browser")) as browser:
        for count in (1, 8, 30):
            while len(begun) < count:
                listen(browser, browser.open(base))
            wait_until(lambda: all(browser.run(tab, "return window.opens;") == 1 for tab in begun), what=f"{count} open streams")
            assert {browser.run(tab, "return performance.getEntriesByType('navigation')[0].nextHopProtocol;")
                    for tab in begun} == {"h2"}
            for i in range(5):
                publish(f"{count}/{i}")
            wait_until(lambda: are_complete(browser), what=f"the updates in {count} tabs")
        # A stream that has had no event: only its position tells the hub where it resumes.
        browser.run(list(begun)[1], "window.quiet = new EventSource(arguments[0]);", f"https://localhost:{port}{PATH}?match=quiet")
        wait_subscribers(httpd, 31)
        httpd.graceful()
        publish("after the reload")
        wait_until(lambda: are_complete(browser), what="the update after the reload")
        wait_subscribers(httpd, 31)
        for tab in list(begun)[::3]:
            browser.load(tab, base)
            listen(browser, tab)
            wait_until(lambda: browser.run(tab, "return window.opens;") == 1, what="the stream of a page that was loaded again")
        wait_subscribers(httpd, 31)
        publish("after pages were loaded again")
        wait_until(lambda: are_complete(browser), what="the last update")
    wait_subscribers(httpd, 0)
    wait_until(lambda: any(line.startswith("?match=quiet #") for line in httpd.lines("logs/requests.log")), what="the position")


@pytest.mark.parametrize("tls", [False, True], ids=["h2c", "h2"])
@pytest.mark.parametrize("client", ["curl", "nghttp"])
def test_programs_subscribe(httpd, client, tls):
    if not shutil.which(client):
        pytest.skip(f"no {client}")
    port = start(httpd, tls, "MercureConnectionLifetime 3")
    url = f"http{'s' if tls else ''}://localhost:{port}{PATH}?match={TOPIC}"
    command = {"curl": ["curl", "-skN", "--http2" if tls else "--http2-prior-knowledge", url],
               "nghttp": ["nghttp", "--no-verify-peer", url]}[client]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        wait_subscribers(httpd, 1)
        update = httpd.publish(TOPIC, "to a client", port=port, tls=tls).text
        assert f"id: {update}\ndata: to a client\n".encode() in process.stdout.read()
    assert process.returncode == 0


NODE = """
const http2 = require('node:http2');
const [base, path, count] = [process.argv[1], process.argv[2], Number(process.argv[3])];
const session = http2.connect(base, {rejectUnauthorized: false});
let open = 0;
session.on('error', (error) => { console.log(String(error)); process.exit(1); });
for (let i = 0; i < count; i++) {
  const stream = session.request({':path': path, accept: 'text/event-stream'});
  let text = '', seen = false;
  stream.setEncoding('utf8');
  stream.on('data', (chunk) => {
    text += chunk;
    if (!seen && text.includes('data: last\\n')) { seen = true; if (++open === count) { console.log('all'); session.destroy(); } }
  });
}
"""


@pytest.mark.parametrize("tls", [False, True], ids=["h2c", "h2"])
def test_node_has_many_streams_of_one_session(httpd, tls):
    port = start(httpd, tls)
    base = f"http{'s' if tls else ''}://localhost:{port}"
    with subprocess.Popen(["node", "-e", NODE, base, f"{PATH}?match={TOPIC}", "100"], stdout=subprocess.PIPE) as process:
        wait_subscribers(httpd, 100)
        for i in range(10):
            httpd.publish(TOPIC, f"{i}" * 2000, port=port, tls=tls)
        httpd.publish(TOPIC, "last", port=port, tls=tls)
        assert process.stdout.read() == b"all\n"
    wait_subscribers(httpd, 0)


@pytest.mark.skipif(not shutil.which("h2load"), reason="no h2load")
@pytest.mark.parametrize("tls", [False, True], ids=["h2c", "h2"])
def test_h2load(httpd, tls):
    port = start(httpd, tls)
    done = subprocess.run(["h2load", "-n", "2000", "-c", "10", "-m", "20", f"http{'s' if tls else ''}://localhost:{port}/index.html"],
                          capture_output=True, text=True, check=True).stdout
    assert "2000 succeeded, 0 failed, 0 errored, 0 timeout" in done
    wait_until(lambda: number(httpd, "BusyWorkers") == 1, what="idle workers")
