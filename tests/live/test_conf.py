"""The files of conf/, used as a Debian administrator would use them."""
import os
import re

import pytest

from env import token
from env.httpd import find_module
from env.hub import PATH
from env.watch import owner
from test_streams import TOPIC

CONF = os.path.join(os.path.dirname(__file__), "..", "..", "conf")
# Debian's mods-available/mpm_event.conf, which is read after mercure.conf.
MPM_EVENT = """
    StartServers 2
    MinSpareThreads 25
    MaxSpareThreads {spare}
    ThreadLimit 64
    ThreadsPerChild 25
    MaxRequestWorkers 150
    MaxConnectionsPerChild 0
"""


def shipped(httpd, spare):
    """A configuration that includes the two files, with the example hub uncommented."""
    with open(os.path.join(CONF, "mercure.load"), encoding="utf-8") as file:
        load = file.read()
    with open(os.path.join(CONF, "mercure.conf"), encoding="utf-8") as file:
        conf = file.read()
    assert re.match(r"# Depends: [a-z_ ]+\n", load)
    path = "/usr/lib/apache2/modules/mod_mercure.so"
    assert path in load
    httpd.write("conf/mercure.load", load.replace(path, find_module()))
    example = conf[conf.index('#<Location'):]
    httpd.write("conf/mercure.conf", conf[:-len(example)] + re.sub(r"(?m)^#", "", example))
    httpd.module = None
    httpd.sizing = ""
    httpd.env |= {"MERCURE_PUBLISHER_JWT_KEY": token.PUBLISHER_KEY,
                  "MERCURE_SUBSCRIBER_JWT_KEY": token.SUBSCRIBER_KEY}
    return ("Include conf/mercure.load\nInclude conf/mercure.conf\n" + MPM_EVENT.format(spare=spare) +
            f"<Location {PATH}>\nMercureResourceIdentifier {token.AUDIENCE}\n</Location>\n")


@pytest.mark.mpm("event")
def test_shipped_configuration_serves_a_hub(httpd):
    text = shipped(httpd, 150)
    assert httpd.configtest(text).ok, httpd.configtest(text)
    httpd.start(text)
    httpd.wait_log(r"holds \d+ streams over HTTP/1.1 \(\d+ in each of 6 children\), 60000 \(10000 in each child\) if they stay")
    assert re.search(r"mercure:notice\](?!.*MRC0114)", httpd.log()) is None  # the number of streams
    minted = token.publisher(iss="https://example.com")
    with httpd.subscribe([("match", TOPIC)]) as stream:
        assert owner(httpd, stream.conn)
        update = httpd.publish(TOPIC, "x", token=minted).text
        assert stream.next().id == update


@pytest.mark.mpm("event")
def test_start_reports_settings_that_limit_streams(httpd):
    text = shipped(httpd, 75).replace("MaxConnectionsPerChild 0", "MaxConnectionsPerChild 1000")
    httpd.start(text + f"AsyncRequestWorkerFactor 2\nServerLimit 6\n<Location {PATH}>\nMercureDetach Off\n</Location>\n")
    httpd.wait_log(r"holds \d+ streams over HTTP/1.1 \(\d+ in each of 6 children\), 150 \(25 in each child\) if they stay")
    httpd.wait_log(r"mercure:notice\].*MaxSpareThreads 75 is below MaxRequestWorkers 150.*Set MaxSpareThreads 150")
    httpd.wait_log(r"mercure:notice\].*MaxConnectionsPerChild 1000.*Set MaxConnectionsPerChild 0")
    httpd.wait_log(r"mercure:notice\].*only 25 streams that stay in httpd: raise AsyncRequestWorkerFactor")
    httpd.wait_log(r"mercure:notice\].*ServerLimit 6 leaves no room.*Set ServerLimit 12")


@pytest.mark.mpm("worker", "prefork")
def test_start_reports_how_many_streams_may_hold_a_worker(httpd, mpm):
    httpd.start('<Location "/hub">\nMercureHub On\nMercureAnonymous On\n</Location>\n')
    httpd.expect_log(r"nobody can publish to the hub")
    httpd.wait_log(rf"holds \d+ streams over HTTP/1.1, and {16 if mpm == 'worker' else 8} others, each of which takes a worker")
