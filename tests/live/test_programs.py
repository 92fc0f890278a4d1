"""Programs that httpd's children start get no descriptor of the module."""
import os
import re
import shutil
import socket

import pytest

from env.httpd import HAS_SANITIZER
from env.hub import hub

TOPIC = "https://example.com/a"
LIST = "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\nexec ls -l /proc/self/fd\n"


def descriptors(httpd, text):
    """What a listing of /proc/self/fd shows, without the numbers of pipes and sockets and the listing's own."""
    found = re.findall(r"(\d+) -> (\S+)", text)
    assert len(found) >= 3, text
    return sorted(re.sub(rf"\[\d+\]|/proc/\d+/fd|{httpd.root}", "", target) for fd, target in found if int(fd) > 2)


def programs(httpd):
    """The configuration of a CGI /cgi/list and the filter of /filtered."""
    httpd.load("cgi", "ext_filter")
    httpd.write("cgi/list", LIST, 0o755)
    httpd.write("filter", "#!/bin/sh\ncat > /dev/null\nexec ls -l /proc/self/fd\n", 0o755)
    httpd.write("htdocs/filtered", "x")
    return (f'ScriptAlias "/cgi" "{httpd.path("cgi")}"\n<Directory "{httpd.path("cgi")}">\nRequire all granted\n'
            f'</Directory>\nExtFilterDefine list cmd="{httpd.path("filter")}"\n'
            '<Location "/filtered">\nSetOutputFilter list\n</Location>\n')


def inherited(httpd):
    """The descriptors that programs of each kind get."""
    return {name: descriptors(httpd, httpd.get(name).text) for name in ("/cgi/list", "/filtered")}


@pytest.fixture
def plain(new_httpd, mpm):
    """A server without the module."""
    server = new_httpd(mpm)
    server.module, server.log_level = None, "info"
    return server


def test_programs_inherit_nothing(httpd, plain):
    """Compares a server with a durable history, streams and a fetch in progress with one without the module."""
    history = httpd.path("hist")
    silent = socket.create_server(("127.0.0.1", 0))  # accepts, and never answers
    url = f"https://localhost:{silent.getsockname()[1]}/jwks"
    httpd.expect_log("the JWK Set .* cannot be fetched", required=False)
    os.mkdir(history)
    if os.getuid() == 0:
        shutil.chown(history, "www-data")
    httpd.start(programs(httpd) + hub(f"MercureStore lmdb {history}", "MercureSubscriptions On",
                                      f"MercureKey https://other.example ES256 {url}"))
    plain.start(programs(plain))
    expected = inherited(plain)
    streams = [httpd.subscribe([("match", TOPIC)]) for _ in range(3)]
    update = httpd.publish(TOPIC, "x").text
    assert [stream.next().id for stream in streams] == [update] * 3
    for _ in range(8):
        assert inherited(httpd) == expected
    # The same in the children after a reload, whose descriptors have other numbers.
    for stream in streams:
        stream.close()
    httpd.graceful()
    with httpd.subscribe([("match", TOPIC)]):
        for _ in range(4):
            assert inherited(httpd) == expected
    silent.close()


@pytest.mark.mpm("prefork")
def test_commands_of_php_inherit_nothing(httpd, plain):
    """mod_php runs its commands with popen()."""
    modules = os.environ.get("HTTPD_MODULES", "/usr/lib/apache2/modules")
    php = next((name for name in sorted(os.listdir(modules)) if re.fullmatch(r"libphp[\d.]*\.so", name)), None)
    if not php:
        pytest.skip("no mod_php: install libapache2-mod-php")
    if HAS_SANITIZER:
        pytest.skip("PHP loads opcache with RTLD_DEEPBIND, which no sanitizer allows")
    history = httpd.path("hist")
    os.mkdir(history)
    if os.getuid() == 0:
        shutil.chown(history, "www-data")
    listings = {}
    for server in (plain, httpd):
        server.write("htdocs/list.php", "<?php echo shell_exec('ls -l /proc/self/fd');")
        text = (f'LoadModule php_module "{modules}/{php}"\n<FilesMatch "\\.php$">\n'
                'SetHandler application/x-httpd-php\n</FilesMatch>\n')
        if server is httpd:
            text += hub(f"MercureStore lmdb {history}")
        server.start(text)
        listings[server] = descriptors(server, server.get("/list.php").text)
    httpd.publish(TOPIC, "x")
    with httpd.subscribe([("match", TOPIC)]):
        assert descriptors(httpd, httpd.get("/list.php").text) == listings[plain] == listings[httpd]
