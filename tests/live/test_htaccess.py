"""
MercureHtaccess: a site's own .htaccess file gives the keys of its hub. Its owner is a customer who makes mistakes, or
tries to harm the server or other customers.
"""
import contextlib
import ctypes
import os
import random
import re
import shutil
import subprocess
import threading
import time

import pytest

from env import token
from env.fuse import HangingFileSystem
from env.hub import PATH, hub
from env.wait import DEADLINE, wait_until
from test_stay import ONE_CHILD

pytestmark = pytest.mark.mpm("event")

TOPIC = "https://example.com/some/topic"
KEYS = {name: f"key-of-the-site-{name}:0123456789abcdef0123456789abcdef" for name in ("a", "b")}
HUB = {"keys": False, "anonymous": False, "identifier": None}
SPARE = 22222  # a user who owns nothing else here


class Sites:
    """Sites a.example and b.example, each with a folder of its own, of which htdocs is the document root."""

    def __init__(self, httpd):
        self.httpd = httpd
        for name in KEYS:
            httpd.write(f"sites/{name}/htdocs/index.html", f"page of {name}")

    def path(self, name, file):
        return self.httpd.path(f"sites/{name}/{file}")

    def write(self, name, text, file="htdocs/.htaccess", owner=SPARE):
        """Replaces FILE of the site NAME atomically."""
        path = self.httpd.write(f"sites/{name}/{file}.new", text)
        if os.getuid() == 0:
            os.chown(path, owner, owner)
        os.rename(path, self.path(name, file))

    def key(self, name, *more):
        """An .htaccess file with the key of the site, and MORE lines."""
        self.write(name, "\n".join([f"MercureKey {token.ISSUER} HS256 {KEYS[name]}", *more]) + "\n")

    def folders(self, override="AllowOverride AuthConfig FileInfo Options"):
        return f'<Directory "{self.path("*", "htdocs")}">\n{override}\nRequire all granted\n</Directory>\n'

    def vhost(self, site, *body, **more):
        """A virtual host with the document root of SITE."""
        return self.httpd.vhost(f'DocumentRoot "{self.path(site, "htdocs")}"', *body,
                                **{"name": f"{site}.example", **more})

    def config(self, *directives, override="AllowOverride AuthConfig FileInfo Options", **more):
        return (self.folders(override) + hub("MercureHtaccess On", *directives, **{**HUB, **more})
                + "".join(self.vhost(name) for name in KEYS))

    def token(self, name, key=None):
        return token.publisher(key=key or KEYS[name], aud=f"http://{name}.example:{self.httpd.port}{PATH}")

    def publish(self, name, **more):
        """The status of a publication with the key of the site."""
        return self.httpd.publish(TOPIC, "x", token=self.token(name, **more), host=f"{name}.example",
                                  status=None).status

    def wait(self, name, status, **more):
        """Waits until every child answers a publication with that status: a change counts within two seconds."""
        wait_until(lambda: all(self.publish(name, **more) == status for _ in range(8)),
                   what=f"status {status} of the site {name}")

    def get(self, name, **more):
        return self.httpd.get(f"{PATH}?match=x", host=f"{name}.example", **more)


@pytest.fixture
def sites(httpd):
    return Sites(httpd)


def test_each_site_has_the_keys_of_its_file(httpd, sites):
    sites.key("a")
    httpd.start(sites.config())
    assert sites.publish("a") == 200
    # The other site has no file, and so no hub.
    answer = sites.get("b")
    assert answer.status == 404 and "MercureKey" in answer.json["detail"], answer
    assert answer.header("Content-Type") == "application/problem+json"
    for path in (PATH, f"{PATH}/", f"{PATH}/subscriptions", f"/.well-known/oauth-protected-resource{PATH}"):
        assert httpd.get(path, host="b.example").status == 404, path
    assert httpd.request("OPTIONS", PATH, host="b.example").status == 404
    # Keys count for their own site only.
    sites.key("b")
    sites.wait("b", 200)
    assert sites.publish("b", key=KEYS["a"]) == sites.publish("a", key=KEYS["b"]) == 401
    assert httpd.get("/", host="a.example").text == "page of a"
    metadata = httpd.get(f"/.well-known/oauth-protected-resource{PATH}", host="a.example").json
    assert metadata["resource"] == f"http://a.example:{httpd.port}{PATH}"


@pytest.mark.parametrize("target", ["", PATH])
def test_only_a_site_with_a_key_names_its_hub(httpd, sites, target):
    sites.key("a")
    httpd.start(sites.config() + f'<Location "/">\nMercureDiscovery On {target}\n</Location>\n')

    def link(name):
        answer = httpd.get("/", host=f"{name}.example")
        assert answer.text == f"page of {name}"
        return answer.header("Link")

    named = f'<{PATH}>; rel="mercure"'
    assert link("a") == named and link("b") is None
    sites.key("b")
    sites.wait("b", 200)
    wait_until(lambda: all(link("b") == named for _ in range(8)), what="the link")
    # A hub that a mistake has stopped is still the site's.
    httpd.expect_log("MRC0501: .*On or Off")
    sites.write("b", "MercureAnonymous Perhaps\n")
    sites.wait("b", 500)
    assert link("b") == named


def test_changes_count_soon_and_end_no_stream(httpd, sites):
    sites.key("a", "MercureAnonymous On")
    httpd.start(sites.config())
    with httpd.subscribe([("match", TOPIC)], host="a.example") as stream:
        assert sites.publish("a") == 200 and stream.next().data == "x"
        sites.write("a", f"MercureKey {token.ISSUER} HS256 {KEYS['b']}\n")
        sites.wait("a", 401)
        httpd.subscribe([("match", TOPIC)], host="a.example", status=401).close()
        sites.wait("a", 200, key=KEYS["b"])
        assert stream.next().data == "x"
        os.remove(sites.path("a", "htdocs/.htaccess"))
        sites.wait("a", 404)
        sites.key("a")
        sites.wait("a", 200)


def test_all_directives_of_a_site(httpd, sites):
    """The directives in the file replace those of the server; lists are replaced as a whole."""
    server_key = "key-of-the-server:0123456789abcdef0123456789abcdef"
    httpd.start(sites.config(f"MercureKey {token.ISSUER} HS256 {server_key}", "MercureAnonymous On"))
    assert sites.publish("b", key=server_key) == 200
    legacy = "secret-of-protocol-0.x:0123456789abcdef"
    sites.key("a", "MercureAnonymous Off", f"MercureLegacyPublisherKey HS256 {legacy}",
              f"MercureLegacySubscriberKey HS256 {legacy}", "MercureCorsOrigins https://app.example",
              "MercureCorsOrigins https://page.example", "MercurePublishOrigins https://page.example", "MercureCookieName own")
    sites.wait("a", 200)
    assert sites.publish("a", key=server_key) == 401 and sites.publish("b", key=server_key) == 200
    assert sites.get("a").status == 401
    old = token.mint_raw({"alg": "HS256", "typ": "JWT"}, {"mercure": {"publish": ["*"]}}, legacy)
    assert httpd.publish(TOPIC, "x", token=old, host="a.example", status=None).status == 200
    assert httpd.publish(TOPIC, "x", token=old, host="b.example", status=None).status == 401
    for origin in ("https://page.example", "https://app.example"):
        for host, allowed in (("a.example", origin), ("b.example", None)):
            answer = httpd.request("HEAD", f"{PATH}?match=x", {"Origin": origin}, host=host)
            assert answer.header("Access-Control-Allow-Origin") == allowed, answer
    cookie = {"Cookie": f"own={sites.token('a')}", "Origin": "https://page.example"}
    assert httpd.publish(TOPIC, "x", token=None, headers=cookie, host="a.example", status=None).status == 200
    sites.write("a", f"MercureSubscriberKey {token.ISSUER} HS256 {KEYS['a']}\n")
    sites.wait("a", 401)
    assert sites.publish("a", key=server_key) == 200, "the list of publishers is the server's"


def test_key_file(httpd, sites):
    """The key file is beside the document root; a new one counts without a change of the .htaccess file."""
    sites.write("a", KEYS["a"], "publisher.key")
    sites.write("a", f"MercurePublisherKey {token.ISSUER} HS256 file:publisher.key\n")
    sites.write("b", KEYS["b"], "keys/publisher.key")
    sites.write("b", f"MercureKey {token.ISSUER} HS256 file:{sites.path('b', 'keys/publisher.key')}\n")
    httpd.start(sites.config())
    assert sites.publish("a") == sites.publish("b") == 200
    sites.write("a", KEYS["b"] + "\n", "publisher.key")
    sites.wait("a", 200, key=KEYS["b"])
    sites.wait("a", 401)
    httpd.expect_log("MRC0501: .*publisher.key cannot be read: No such file")
    os.remove(sites.path("a", "publisher.key"))
    sites.wait("a", 500)
    sites.write("a", KEYS["a"], "publisher.key")
    sites.wait("a", 200)


# name: the lines of the file, and words of the line in the log
MISTAKES = {
    "arguments": ("MercureKey https://issuer.example", "takes three arguments"),
    "algorithm": (f"MercureKey {token.ISSUER} HS1 {KEYS['a']}", "HS1"),
    "short secret": (f"MercureKey {token.ISSUER} HS256 short", "MercureKey https://issuer.example HS256"),
    "value": ("MercureAnonymous Perhaps", "On or Off"),
    "any origin and the cookie": ("MercureCorsOrigins *\nMercureCookieName c", "MercureCookieName is about the cookie"),
    "setting of the server": ("MercureHistory Off", "MercureHistory is not allowed in an .htaccess file"),
    "hub": ("MercureHub On", "MercureHub is not allowed in an .htaccess file"),
    "itself": ("MercureHtaccess On", "MercureHtaccess is not allowed in an .htaccess file"),
    "unknown directive": ("MercureKay x", "Invalid command 'MercureKay'"),
    "variable": (f"MercureKey {token.ISSUER} HS256 env:HOME", "a secret or file:PATH"),
    "URL": (f"MercureKey {token.ISSUER} RS256 https://issuer.example/keys", "a secret or file:PATH"),
    "key file elsewhere": (f"MercureKey {token.ISSUER} HS256 file:/etc/passwd", "not below the directory"),
    "key file above": (f"MercureKey {token.ISSUER} HS256 file:../b/secret", "not below the directory"),
    "key file of another customer by a link": (
        f"MercureKey {token.ISSUER} HS256 file:link", "a symbolic link leads to it"),
    "key file in a folder that is a link": (
        f"MercureKey {token.ISSUER} HS256 file:folder/secret", "cannot be read"),
    "key file of another owner": (f"MercureKey {token.ISSUER} HS256 file:foreign", "owner of the .htaccess file"),
    "endless key file": (f"MercureKey {token.ISSUER} HS256 file:zero", "a symbolic link leads to it"),
    "pipe as key file": (f"MercureKey {token.ISSUER} HS256 file:pipe", "not a regular file"),
    "large key file": (f"MercureKey {token.ISSUER} HS256 file:large", "too long"),
    "macro": ("<Macro X>\nMercureAnonymous On\n</Macro>\nUse X", "<Macro not allowed here"),
    "too many keys": (f"MercureKey {token.ISSUER} HS256 {KEYS['a']}\n" * 33, "too many keys"),
    "file too long": ("# comment\n" * 110000, "too long"),
    "sections in sections": ("<IfDefine !x>\n" * 70000, "more than 32 deep"),
    "sections that are left out": ("<IfModule x>\n#\\\n</IfModule>\n" * 30000, "more than 32 deep"),
    "sections that do not end": ("<Files *>\n" * 100000, "more than 32 deep"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake_of_one_site_reaches_no_other(httpd, sites, name):
    lines, words = MISTAKES[name]
    httpd.load("macro")
    sites.write("b", KEYS["b"], "secret")
    sites.write("a", KEYS["a"], "foreign", owner=SPARE + 1)
    sites.write("a", "x" * 100000, "large")
    os.symlink(sites.path("b", "secret"), sites.path("a", "link"))
    os.symlink(sites.path("b", ""), sites.path("a", "folder"))
    os.symlink("/dev/zero", sites.path("a", "zero"))
    os.mkfifo(sites.path("a", "pipe"))
    if name == "key file of another owner" and os.getuid() != 0:
        pytest.skip("only root can give a file to another user")
    sites.write("a", lines + "\n")
    sites.key("b")
    httpd.start(sites.config())
    httpd.expect_log(f"MRC0501: the hub a.example{PATH} answers 500")
    answer = sites.get("a")
    assert answer.status == 500 and answer.header("Content-Type") == "application/problem+json", answer
    assert KEYS["b"] not in answer.text and "secret" not in answer.json["detail"]
    assert sites.publish("b") == 200
    line = httpd.wait_log("MRC0501: .*").group()
    assert "sites/a/htdocs/.htaccess" in line and words in line and KEYS["b"] not in line, line
    if "cannot be read" not in line and name != "any origin and the cookie":
        assert re.search(r"\.htaccess:(1|33|97): ", line), line
    sites.key("a")
    sites.wait("a", 200)


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_file_of_another_kind_is_not_read(httpd, sites, kind):
    """Not even a link of another owner, which httpd itself would follow; httpd would also wait for a pipe."""
    if kind == "link" and os.getuid() != 0:
        pytest.skip("only root can give a file to another user")
    sites.key("b")
    path = sites.path("a", "htdocs/.htaccess")
    if kind == "link":
        os.symlink(sites.path("b", "htdocs/.htaccess"), path)
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        os.mkdir(path)
    httpd.expect_log("MRC0501: .*(symbolic link|not a regular file)")
    httpd.start(sites.config())
    assert sites.get("a").status == 500 and sites.publish("b") == 200
    if kind == "folder":
        os.rmdir(path)
    else:
        os.remove(path)
    sites.key("a")
    sites.wait("a", 200)


def test_link_to_a_file_of_the_same_owner(httpd, sites):
    """As a deployment makes it: .htaccess leads to a file that all releases share, or that each release has."""
    def link(to, file):
        path = sites.path("a", file)
        os.symlink(to, path + ".new")
        if os.getuid() == 0:
            os.lchown(path + ".new", SPARE, SPARE)
        os.rename(path + ".new", path)

    def text(name):
        return f"MercureKey {token.ISSUER} HS256 {KEYS[name]}\n"

    for name in ("a", "b"):
        sites.write("a", text(name), f"releases/{name}/.htaccess")
    link("releases/a", "current")
    link("../current/.htaccess", "htdocs/.htaccess")
    httpd.start(sites.config())
    assert sites.publish("a") == 200
    link("releases/b", "current")
    sites.wait("a", 200, key=KEYS["b"])
    sites.wait("a", 401)
    sites.write("a", text("a"), "releases/b/.htaccess")
    sites.wait("a", 200)
    # A link that leads to no file is no file, as for httpd.
    os.remove(sites.path("a", "releases/b/.htaccess"))
    sites.wait("a", 404)
    sites.write("a", text("b"), "releases/b/.htaccess")
    sites.wait("a", 200, key=KEYS["b"])
    httpd.expect_log("MRC0501: .*symbolic links cannot be followed")
    link(".htaccess", "htdocs/.htaccess")
    sites.wait("a", 500)


@contextlib.contextmanager
def hanging(folder, name):
    """A file system that hangs, in FOLDER."""
    with contextlib.ExitStack() as stack:
        try:
            file_system = stack.enter_context(HangingFileSystem(folder, name, SPARE))
        except OSError as error:
            pytest.skip(f"this user may not mount a file system: {error}")
        yield file_system


def test_key_file_on_a_file_system_that_hangs(httpd, sites):
    """A key file that is not on the file system of its site is refused without being opened."""
    sites.key("b")
    sites.write("a", f"MercureKey {token.ISSUER} HS256 file:hanging/secret\n")
    os.mkdir(sites.path("a", "hanging"))
    with hanging(sites.path("a", "hanging"), "secret") as file_system:
        httpd.expect_log("MRC0501: .*hanging/secret cannot be read: it is on another file system")
        httpd.start(sites.config())
        assert sites.get("a").status == 500 and sites.publish("b") == 200
        assert not file_system.waiting


@contextlib.contextmanager
def coarse_clock(folder):
    """A file system in FOLDER whose times have steps of milliseconds, even for files that are watched."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"coarse", folder.encode(), b"ramfs", 0, b"mode=755") != 0:
        pytest.skip(f"this user may not mount a file system: {os.strerror(ctypes.get_errno())}")
    try:
        yield
    finally:
        libc.umount2(folder.encode(), 2)  # MNT_DETACH


@pytest.mark.parametrize("file", ["htdocs/.htaccess", "publisher.key"])
def test_second_change_within_a_step_of_the_clock_counts(httpd, sites, file):
    """The file has the same size and times as when it was read, but other content."""
    httpd.sizing = ONE_CHILD
    folder = sites.path("a", "")
    with coarse_clock(folder):
        httpd.write("sites/a/htdocs/index.html", "page of a")
        if os.getuid() == 0:
            os.chown(folder, SPARE, SPARE)
        text = {name: key if file == "publisher.key" else f"MercureKey {token.ISSUER} HS256 {key}\n" for name, key in KEYS.items()}
        sites.write("a", f"MercureKey {token.ISSUER} HS256 file:publisher.key\n")
        sites.write("a", text["a"], file)
        httpd.start(sites.config())
        with open(sites.path("a", file), "r+", encoding="ascii") as out:

            def write(name):
                out.seek(0)
                out.write(text[name])
                out.flush()
                found = os.fstat(out.fileno())
                return found.st_mtime_ns, found.st_ctime_ns, found.st_size

            for _ in range(30):
                fields = {"Authorization": f"Bearer {sites.token('a')}", "Content-Type": "application/x-www-form-urlencoded"}
                with httpd.connect() as connection:
                    time.sleep(1.1)  # so that the child looks at the file
                    first = write("a")
                    was_read = connection.request("POST", PATH, fields, f"topic={TOPIC}&data=x", "a.example").status == 200
                    if write("b") == first and was_read:
                        break
                sites.wait("a", 200, key=KEYS["b"])
            else:
                pytest.skip("the clock of this file system is too fine")
            sites.wait("a", 200, key=KEYS["b"])


def test_site_on_a_file_system_that_hangs(httpd, sites):
    """It blocks one thread of a child, and not one for each request: otherwise all sites would stand still."""
    sites.key("b")
    httpd.start("StartServers 1\nServerLimit 1\nThreadsPerChild 8\nMaxRequestWorkers 8\n" + sites.config())
    httpd.expect_log("MRC0501: .*htdocs/.htaccess cannot be read: Input/output error")
    with httpd.connect() as first:
        with hanging(sites.path("a", "htdocs"), ".htaccess") as file_system:
            first.send_request("GET", f"{PATH}?match=x", host="a.example")
            assert file_system.opened.wait(DEADLINE)
            for _ in range(20):
                assert sites.get("a").status == 503
                assert sites.publish("b") == 200
            assert len(file_system.waiting) == 1
        assert first.read_response().status == 500
    sites.key("a")
    sites.wait("a", 200)


@contextlib.contextmanager
def few_descriptors(pid, free):
    """Leaves process PID only FREE descriptors during the block."""
    def limit(soft):
        subprocess.run(["prlimit", "--pid", str(pid), f"--nofile={soft}:"], check=True,
                       **({"user": "www-data", "group": "www-data"} if os.getuid() == 0 else {}))

    used = {int(fd) for fd in os.listdir(f"/proc/{pid}/fd")}
    limit(min(set(range(len(used) + 1)) - used) + free)
    try:
        yield
    finally:
        limit(1000)


@pytest.mark.skipif(not shutil.which("prlimit"), reason="no prlimit")
@pytest.mark.parametrize("free", (0, 1), ids=("file", "key file"))
def test_lack_of_descriptors_passes(httpd, sites, free):
    """A changed file that cannot be read now is not a mistake: the answer is 503 until it can be. An unchanged file
    counts."""
    sites.write("a", KEYS["a"], file="secret")
    sites.write("a", f"MercureKey {token.ISSUER} HS256 file:secret\n")
    sites.key("b")
    httpd.sizing = ONE_CHILD
    httpd.start("MaxKeepAliveRequests 0\n" + sites.config())
    child, = httpd.children()

    def publish(name, key, conn):
        headers = {"Authorization": f"Bearer {sites.token(name, KEYS[key])}",
                   "Content-Type": "application/x-www-form-urlencoded"}
        return conn.request("POST", PATH, headers, "topic=x&data=y", host=f"{name}.example")

    def is_settled():  # a file that has just changed is read again
        changed = os.stat(sites.path("b", "htdocs/.htaccess")).st_ctime
        return sites.publish("b") == 200 and time.time() > changed + 3

    httpd.expect_log("MRC0503: the hub .* cannot be read: Too many open files")
    wait_until(is_settled, what="the file of the other site read for good")
    with contextlib.ExitStack() as stack:
        # New connections are impossible then, and an answer of 503 ends its connection.
        first, second, third = (stack.enter_context(httpd.connect()) for _ in range(3))
        for conn in (first, second, third):
            assert publish("a", "a", conn).status == 200
        with few_descriptors(child, free):
            sites.write("a", KEYS["b"], file="secret")
            answer = wait_until(lambda: (answer := publish("a", "a", first)).status != 200 and answer,
                                what="the change noticed")
            assert answer.status == 503 and answer.header("Retry-After"), answer
            assert publish("a", "b", second).status == 503
            assert publish("b", "b", third).status == 200
    assert sites.publish("a", key=KEYS["b"]) == 200 and sites.publish("a") == 401


def test_file_that_becomes_readable_without_a_change(httpd, sites):
    """The key file is behind a link until the folder itself is moved there."""
    sites.write("a", KEYS["a"], file="moved/secret")
    os.symlink("moved", sites.path("a", "keys"))
    sites.write("a", f"MercureKey {token.ISSUER} HS256 file:keys/secret\n")
    httpd.expect_log("MRC0501: .*a symbolic link leads to it")
    httpd.start(sites.config())
    changed = os.stat(sites.path("a", "moved/secret")).st_ctime
    wait_until(lambda: sites.publish("a") == 500 and time.time() > changed + 3, what="the link read for good")
    os.remove(sites.path("a", "keys"))
    os.rename(sites.path("a", "moved"), sites.path("a", "keys"))
    assert os.stat(sites.path("a", "keys/secret")).st_ctime == changed
    sites.wait("a", 200)


def test_other_directives_in_the_file_are_not_the_hubs(httpd, sites):
    """A front controller gets no URL of the hub; a mistake in a directive of another module does not concern the
    hub."""
    httpd.load("rewrite")
    controller = ("RewriteEngine On", "RewriteCond %{REQUEST_FILENAME} !-f", "RewriteRule ^ /index.html [L]")
    sites.key("a", *controller, "<IfModule mod_rewrite.c>", "MercureAnonymous On", "</IfModule>",
              "<IfModule !mod_rewrite.c>", "MercureAnonymous Off", "</IfModule>",
              '<Files "x">', "MercureAnonymous Off", "</Files>", *["# a line"] * 10000)
    sites.key("b", "NoSuchDirective")
    httpd.start(sites.config())
    assert httpd.get("/any", host="a.example").text == "page of a"
    assert sites.publish("a") == 200
    with httpd.subscribe([("match", TOPIC)], host="a.example") as stream:
        assert sites.publish("a") == 200 and stream.next().data == "x"
    httpd.expect_log("Invalid command 'NoSuchDirective'")
    assert httpd.get("/", host="b.example").status == 500
    assert sites.publish("b") == 200


PAGES = ("mercure-metrics", "mercure-health")


@pytest.mark.parametrize("line", (
    "SetHandler {}", '<Files "x.html">\nSetHandler {}\n</Files>', '<If "true">\nSetHandler {}\n</If>',
    '<Files "x.html">\n<If "true">\nSetHandler {}\n</If>\n</Files>', 'SetHandler "%{{tolower:{}}}"', "AddHandler {} .html",
    "ForceType {}", "RewriteEngine On\nRewriteRule . - [H={}]"))
def test_file_makes_no_page_about_all_hubs(httpd, sites, line):
    """The owner of a site reads nothing about the hubs of other sites."""
    httpd.load("rewrite")
    for page in PAGES:
        httpd.write(f"sites/a/htdocs/{page}/x.html", "page of a")
        sites.write("a", line.format(page) + "\n", file=f"htdocs/{page}/.htaccess")
    httpd.start(sites.config() + '<Location "/metrics">\nSetHandler mercure-metrics\n</Location>\n')
    for page in PAGES:
        answer = httpd.get(f"/{page}/x.html", host="a.example")
        assert (answer.status, answer.text) == (200, "page of a"), page
        assert "b.example" not in httpd.get(f"/{page}/", host="a.example").text
    assert f'hub="b.example{PATH}"' in httpd.get("/metrics").text


@pytest.mark.parametrize("section", (
    '<Directory "{0}/p">\n{1}\n</Directory>', '<DirectoryMatch "^{0}/p/">\n{1}\n</DirectoryMatch>',
    '<Directory "{0}/p">\n<Files "x.html">\n{1}\n</Files>\n</Directory>',
    '<Directory "{0}/p">\n<If "true">\n{1}\n</If>\n</Directory>', '<Files "x.html">\n{1}\n</Files>',
    '<If "true">\n{1}\n</If>', '<LocationMatch "^/p/x">\n{1}\n</LocationMatch>', "{1}"))
def test_pages_of_the_server_stay_where_files_of_sites_are(httpd, sites, section):
    httpd.write("sites/a/htdocs/p/x.html", "page of a")
    sites.write("a", "RewriteEngine On\nAddHandler x .y\nErrorDocument 404 x\n")
    sites.write("a", "RewriteEngine On\nAddHandler x .y\nErrorDocument 404 x\n", file="htdocs/p/.htaccess")
    httpd.load("rewrite")
    inner = section.format(sites.path("a", "htdocs"), "SetHandler mercure-metrics")
    httpd.start(sites.folders() + hub("MercureHtaccess On", **HUB) + sites.vhost("a", inner) + sites.vhost("b"))
    assert f'hub="b.example{PATH}"' in httpd.get("/p/x.html", host="a.example").text


@pytest.mark.parametrize("directive", ("MercureCorsOrigins", "MercurePublishOrigins"))
def test_file_names_a_limited_number_of_origins(httpd, sites, directive):
    lines = [f"{directive} {' '.join(f'https://o{n}.example' for n in some)}" for some in (range(63), range(63, 64), range(64, 65))]
    sites.key("a", *lines)
    sites.key("b", *lines[:2])
    httpd.start(sites.config())
    httpd.expect_log(f"MRC0501: .*{directive}: at most 64 origins in an .htaccess file")
    assert sites.publish("a") == 500 and sites.publish("b") == 200


def test_allow_override_decides(httpd, sites):
    sites.key("a")
    httpd.start(sites.config(override="AllowOverride None"))
    assert sites.get("a").status == 404
    httpd.expect_log("MRC0501: .*MercureKey not allowed here")
    httpd.restart(sites.config(override="AllowOverride FileInfo"))
    assert sites.get("a").status == 500
    for override in ("AllowOverride All", "AllowOverride None\nAllowOverrideList MercureKey"):
        httpd.restart(sites.config(override=override))
        assert sites.publish("a") == 200, override
    nearer = f'<Directory "{sites.path("a", "htdocs")}">\nAllowOverride None\n</Directory>\n'
    httpd.restart(sites.config(override="AllowOverride All") + nearer)
    assert sites.get("a").status == 404


def test_without_the_directive_the_file_has_no_part(httpd, sites):
    sites.key("a")
    httpd.start(sites.config().replace("MercureHtaccess On", f"MercureKey {token.ISSUER} HS256 {KEYS['b']}"))
    assert sites.publish("a") == 401 and sites.publish("a", key=KEYS["b"]) == 200
    httpd.expect_log("MercureKey is not allowed here, because this site has no hub with MercureHtaccess On")
    assert httpd.get("/", host="a.example").status == 500


def environments(httpd):
    """The initial environments of the server's processes, as the system shows them."""
    for pid in (httpd.pid, *httpd.children()):
        with open(f"/proc/{pid}/environ", "rb") as file:
            yield file.read().decode()


def test_no_file_shows_the_secrets_of_the_environment(httpd, sites):
    """httpd replaces ${NAME} in .htaccess files, too. In the configuration of the server, that goes on to work."""
    secret, password = "key-of-the-server:0123456789abcdef0123456789abcdef", "password-of-the-redis-server"
    httpd.env.update({"MRC_SECRET": secret, "MRC_PASSWORD": password, "MRC_OPEN": "open"})
    httpd.load("auth_basic", "authz_user", "headers")
    shared = hub("MercureTransport redis://127.0.0.1:1 password=env:MRC_PASSWORD", path="/shared", name="shared")
    httpd.expect_log("MRC03", required=False)  # nothing listens there
    text = (sites.config(f"MercureKey {token.ISSUER} HS256 env:MRC_SECRET") + shared
            + '<Location "/own">\nHeader always set X-Own "${MRC_SECRET} ${MRC_PASSWORD}"\n</Location>\n')
    sites.write("b", 'AuthType Basic\nAuthName "${MRC_SECRET} ${MRC_PASSWORD} ${MRC_OPEN}"\nRequire valid-user\n'
                     'Header always set X-Seen "expr=[%{osenv:MRC_SECRET}]"\n')
    httpd.expect_log("AH00111: .*MRC_(SECRET|PASSWORD)")
    httpd.start(text)
    for again in (httpd.graceful, httpd.restart, lambda: None):
        answer = httpd.get("/", host="b.example")
        assert answer.header("WWW-Authenticate") == 'Basic realm="${MRC_SECRET} ${MRC_PASSWORD} open"', answer
        assert answer.header("X-Seen") == "[]", answer
        assert httpd.get("/own").header("X-Own") == f"{secret} {password}"
        assert sites.publish("a", key=secret) == 200
        for shown in environments(httpd):
            assert "MRC_OPEN=open" in shown and secret not in shown and password not in shown
        again()
    # The same way does not lead around the rule that a key in such a file is no variable.
    httpd.expect_log("MRC0501: .*[$]{")
    sites.write("b", f'MercureKey {token.ISSUER} HS256 "${{MRC_SECRET}}"\n')
    sites.wait("b", 500, key=secret)


def test_two_sites_with_one_document_root(httpd, sites):
    """They have the same keys. Their audiences and hubs differ."""
    sites.key("a")
    shutil.rmtree(sites.path("b", "htdocs"))
    httpd.start(sites.config().replace(sites.path("b", "htdocs"), sites.path("a", "htdocs")))
    assert sites.publish("a") == sites.publish("b", key=KEYS["a"]) == 200
    answer = httpd.publish(TOPIC, "x", token=sites.token("a"), host="b.example", status=None)
    assert answer.status == 401, "the token of the other site"


def test_no_file_counts_for_a_hub_that_sites_share(httpd, sites):
    """The owner of one site must not become the owner of the hub of another one, which has the same name=."""
    server_key = "key-of-the-server:0123456789abcdef0123456789abcdef"
    for name in KEYS:
        sites.key(name, "MercureAnonymous On")
    httpd.expect_log("MRC0238: MercureHtaccess On has no effect for the hub shared .*the document root of localhost is ")
    httpd.start(sites.config(f"MercureKey {token.ISSUER} HS256 {server_key}", name="shared"))
    for name in KEYS:
        assert sites.publish(name, key=server_key) == 200 and sites.publish(name) == 401, name
        assert httpd.request("HEAD", f"{PATH}?match=x", host=f"{name}.example").status == 401, name
        assert httpd.get("/", host=f"{name}.example").text == f"page of {name}"
    assert len(re.findall("MRC0238", httpd.log())) == 1
    # One site alone may give its hub a name.
    httpd.restart(sites.folders() + sites.vhost("a", hub("MercureHtaccess On", name="own", **HUB)) + sites.vhost("b"))
    assert sites.publish("a") == 200
    assert len(re.findall("MRC0238", httpd.log())) == 1


def test_shared_hub_without_keys_is_warned_of(httpd, sites):
    sites.key("a")
    for number in ("MRC0203: nobody can publish", "MRC0204: nobody can subscribe", "MRC0238"):
        httpd.expect_log(f"{number}.* the hub shared")
    httpd.start(sites.config(name="shared"))
    assert sites.publish("a") == 401


def test_virtual_hosts_of_one_name(httpd, sites):
    """They are one site, so the file in their document root counts for its hub, whichever of them is asked. With two
    document roots, none counts. A virtual host that only redirects has that of the other one, not the main server's."""
    ports = httpd.port, httpd.add_port()
    sites.key("a")
    sites.write("b", f"MercureKey {token.ISSUER} HS256 {KEYS['b']}\n")
    httpd.write("htdocs/.htaccess", f"MercureKey {token.ISSUER} HS256 {KEYS['b']}\n")
    main = f'<Directory "{httpd.docroot}">\nAllowOverride AuthConfig\n</Directory>\n'

    def config(first, second, **more):
        hosts = [(sites.vhost(root, sites.folders(), port=port, name="a.example") if root
                  else httpd.vhost(port=port, name="a.example")) for root, port in zip((first, second), ports)]
        return main + hub("MercureHtaccess On", **{**HUB, **more}) + "".join(hosts)

    def publish(port, name):
        minted = token.publisher(key=KEYS[name], aud=f"http://a.example:{port}{PATH}")
        return httpd.publish(TOPIC, "x", token=minted, host="a.example", port=port, status=None).status

    def answers():
        return [(publish(port, "a"), publish(port, "b")) for port in ports]

    httpd.start(config("a", "a"))
    assert answers() == [(200, 401)] * 2
    httpd.restart(config(None, None))
    assert answers() == [(401, 200)] * 2, "both have the document root of the main server"
    httpd.restart(config(None, "a"))
    assert answers() == [(200, 401)] * 2, "the other one is the site"
    # The keys and the settings of the server do not count where the site has replaced them.
    sites.key("a", "MercureAnonymous Off")
    httpd.restart(config(None, "a", keys=True, anonymous=True))
    for port in ports:
        minted = token.publisher(aud=f"http://a.example:{port}{PATH}")
        assert httpd.publish(TOPIC, "x", token=minted, host="a.example", port=port, status=None).status == 401
        assert httpd.request("HEAD", f"{PATH}?match=x", host="a.example", port=port).status == 401
    assert "MRC0238" not in httpd.log()
    httpd.expect_log("MRC0238: .* for the hub a.example.*the document root of a.example is .*, and that of a.example is ")
    httpd.restart(config("a", "b", anonymous=True, keys=True))
    assert answers() == [(401, 401)] * 2


def test_file_that_changes_all_the_time(httpd, sites):
    """Every other version has a mistake. The other site does not notice, and the log grows by one line a second."""
    sites.key("a")
    sites.key("b")
    httpd.start(sites.config())
    httpd.expect_log("MRC0501", required=False)
    start, end = time.monotonic(), threading.Event()

    def change():
        while not end.wait(0.01):
            sites.key("a", "MercureAnonymous On")
            sites.write("a", "MercureKey\n")

    writer = threading.Thread(target=change)
    writer.start()
    try:
        while time.monotonic() - start < 4:
            assert sites.publish("a") in (200, 500)
            assert sites.publish("b") == 200
    finally:
        end.set()
        writer.join()
    children = len(httpd.children()) + 2
    assert httpd.log().count("MRC0501") <= children * (time.monotonic() - start + 1)
    sites.key("a")
    sites.wait("a", 200)


# Pieces of files. A random file consists of some of them, in lines or not, with some bytes changed.
PIECES = (
    "MercureKey", "MercurePublisherKey", "MercureSubscriberKey", "MercureLegacyKey HS256", "MercureAnonymous On", "MercureHub On",
    "MercureCorsOrigins", "MercureCookieName", "MercurePublishHeader On /x", "MercureHistory bytes=1G", "mercurekey",
    token.ISSUER, "HS256", "RS256,HS256", "EdDSA", KEYS["b"], "file:secret", "file:../../b/htdocs/.htaccess", "file:/proc/self/environ",
    "env:PATH", "https://127.0.0.1:1/jwks", "${PATH}", "%{ENV:PATH}", '"', "'", "\\", "\\\n", "<", ">", "<Files *>", "</Files>",
    "<If \"true\">", "</If>", "<IfModule mercure_module>", "</IfModule>", "<IfModule !x>", "<IfDefine !x>", "</IfDefine>",
    "<Limit GET>", "</Limit>", "<IfVersion >= 2>", "Include /etc/passwd", "Define x y", "Require all denied", "ErrorDocument 404 x",
    "SetHandler mercure-metrics", "RewriteEngine On", "AllowOverride All", "#", "\0", "\r", "\xff\xfe", "é", "x" * 9000, " ", "\t")


def random_file(rng):
    text = "".join(rng.choice(PIECES) + rng.choice(("\n", "\n", " ", " ", "")) for _ in range(rng.randrange(1, 40)))
    content = bytearray(text.encode("utf-8", "surrogatepass"))
    for _ in range(rng.choice((0, 0, 1, 5))):
        content[rng.randrange(len(content))] = rng.randrange(256)
    return bytes(content)


def test_files_of_random_content(httpd, sites):
    """Whatever a customer writes, the hub answers, no key of another site counts, and other sites do not notice."""
    rng = random.Random(20261128)
    sites.key("a")
    sites.key("b")
    config = sites.config()
    names = [f"r{number}" for number in range(150)]
    for name in names:
        httpd.write(f"sites/{name}/htdocs/index.html", "page")
        httpd.write(f"sites/{name}/secret", KEYS["a"])
        sites.write(name, random_file(rng))
        config += httpd.vhost(f'DocumentRoot "{sites.path(name, "htdocs")}"', name=f"{name}.example")
    httpd.expect_log("MRC0501", required=False)
    httpd.start(config)
    seen = set()
    for name in names:
        seen.add(sites.get(name).status)
        assert sites.publish(name, key="the key of nobody:0123456789abcdef0123456789abcdef") in (401, 404, 500), name
    assert sites.publish("a") == sites.publish("b") == 200
    assert seen >= {404, 500} and seen <= {200, 401, 404, 500}, seen
