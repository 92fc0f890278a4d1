"""
The servers that are measured: the hub in a private httpd, the raw writer, and peers. Each is started
for one measurement, on a free port of 127.0.0.1, and ended by its pid.
"""
import json
import os
import pwd
import resource
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../live"))

from env import token  # noqa: E402
from env.httpd import Httpd, free_port, release_port  # noqa: E402
from env.hub import hub  # noqa: E402
from env.wait import wait_until  # noqa: E402

TOPIC = "https%3A%2F%2Fexample.com%2Ft%2F{n}"
HOURS = 12 * 3600
THREADS = 16
# Streams may hold a quarter of a child's threads, and children get uneven shares: this is enough for a thousand.
THREADED_CHILDREN, THREADED_THREADS = 4, 2400
THREADED_SUBSCRIBERS = 1000
# Under prefork, each connection of a publisher occupies a child.
PREFORK_CHILDREN = 16
DESCRIPTORS_SPARE = 500


class LeftOut(Exception):
    """The reason why this server cannot be measured in a scenario."""


def descriptors():
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def raise_descriptors():
    most = descriptors()
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class Tls:
    """What servers and clients with TLS have in common. RESUME: clients resume sessions."""

    def __init__(self, folder, resume=False):
        self.resume = resume
        self.cert, self.key = (os.path.join(folder, f"tls-{os.getpid()}-{name}.pem") for name in ("cert", "key"))

    def make(self):
        """Makes the files of a certificate like that of the live tests: P-256, self-signed."""
        if not os.path.exists(self.cert):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                            "-keyout", self.key, "-out", self.cert, "-days", "2", "-subj", "/CN=localhost"],
                           check=True, capture_output=True)
        return self.cert, self.key

    def load_options(self):
        return ["--tls", "--resume"] if self.resume else ["--tls"]


class Server:
    """with Hub(…).started(scenario, quick) as server: server.pid, server.load_options()"""
    name = ""
    abilities = frozenset()

    def __init__(self):
        self.scenario = None
        self.quick = False
        self.port = 0

    def describe(self):
        """The members of a result line that describe this server, besides its name."""
        return {}

    def is_relevant(self, scenario):
        """Whether figures of this server in SCENARIO would be of use."""
        return scenario.kind != "stalled"

    def check(self, scenario, quick):
        """Raises LeftOut if this server cannot run SCENARIO."""
        missing = sorted(scenario.wants - self.abilities)
        if missing and not quick:
            raise LeftOut(f"it does not support {', '.join(missing)}")
        if "many descriptors" not in self.abilities and scenario.connections(quick) > descriptors():
            raise LeftOut(f"it needs {scenario.connections(quick)} descriptors, and a process may have {descriptors()}")

    def started(self, scenario, quick):
        self.check(scenario, quick)
        self.scenario, self.quick = scenario, quick
        return self

    def load_options(self):
        return ["--target", f"127.0.0.1:{self.port}"]


class MercureLike(Server):
    """A server that takes the requests of the protocol."""

    def load_options(self):
        match, topic = "match", TOPIC
        if self.scenario.patterns:
            topic = TOPIC + "%2Fx"
            match = self.pattern_match()
        else:
            match = f"match={TOPIC}"
        private = "&private=on" if self.scenario.private else ""
        return [*super().load_options(), "--match", match, "--body", f"topic={topic}{private}&data={{data}}"]

    def pattern_match(self):
        return f"match_urlpattern={TOPIC}%2F%3Ax"


class Hub(MercureLike):
    """mod_mercure in httpd."""
    abilities = frozenset({"many topics", "history", "many descriptors"})

    def __init__(self, folder, mpm="event", carrier="detached", tls=None, children=2, directives=()):
        super().__init__()
        self.folder, self.mpm, self.carrier, self.tls = folder, mpm, carrier, tls
        self.children, self.directives = children, tuple(directives)
        self.name = "hub" if carrier == "detached" else f"hub, {carrier}"
        self.httpd = None

    def describe(self):
        return {"mpm": self.mpm, "carrier": self.carrier, "tls": bool(self.tls),
                "resume": bool(self.tls and self.tls.resume),
                "children": self._children(), "directives": list(self.directives)}

    def is_relevant(self, scenario):
        return True

    def _children(self):
        if self.carrier == "threaded":
            return THREADED_CHILDREN
        if self.mpm == "prefork":
            return PREFORK_CHILDREN
        count = self.children
        if self.scenario:
            # The kernel does not spread connections evenly, so a child is planned for two thirds of its descriptors.
            wanted = self.scenario.subscribers(self.quick)
            count = max(count, -(-wanted * 3 // (2 * (descriptors() - DESCRIPTORS_SPARE))))
        return count

    def check(self, scenario, quick):
        super().check(scenario, quick)
        if self.carrier == "threaded" and scenario.subscribers(quick) > THREADED_SUBSCRIBERS:
            raise LeftOut(f"at most {THREADED_SUBSCRIBERS} subscribers may hold a thread each")

    def _sizing(self):
        children = self._children()
        if self.mpm == "prefork":
            return (f"StartServers {children}\nServerLimit {children}\nMaxRequestWorkers {children}\n"
                    f"MinSpareServers 1\nMaxSpareServers {children}\n")
        threads = THREADED_THREADS if self.carrier == "threaded" else THREADS
        lines = [f"StartServers {children}", f"ServerLimit {children}", f"ThreadLimit {threads}",
                 f"ThreadsPerChild {threads}", f"MaxRequestWorkers {children * threads}", "MinSpareThreads 1",
                 f"MaxSpareThreads {children * threads}"]
        if self.mpm == "event":
            # Streams that stay in httpd get half of threads × factor in each child.
            lines.append(f"AsyncRequestWorkerFactor {2 * descriptors() // threads}")
        return "\n".join(lines) + "\n"

    def _text(self):
        directives = list(self.directives)
        if self.carrier != "detached":
            directives.append("MercureDetach Off")
        if self.scenario.kind == "idle" and self.quick:
            directives.append("MercureHeartbeat 1")
        if self.scenario.kind == "stalled":
            directives += ["MercureDispatchTimeout 600", "MercureSubscriberBacklog 64M", "MercureHeartbeat 0"]
        section = hub(*directives)
        return self.httpd.vhost(section, tls=True) if self.tls else section

    def __enter__(self):
        os.environ["MERCURE_LIVE_DIR"] = self.folder
        self.httpd = Httpd(self.mpm, "bench")
        self.httpd.sizing = self._sizing() + "MaxConnectionsPerChild 0\nMaxKeepAliveRequests 0\nListenBacklog 4096\n"
        self.httpd.log_level = "notice"
        self.httpd.left_deadline = 60
        # All threads may be busy when all clients connect at once. The MPMs log it, but refuse nobody.
        self.httpd.expect_log("AH(00161|00286|00287|00484|10159): ", required=False)
        self.port = self.httpd.port
        try:
            self.httpd.start(self._text())
        except BaseException:
            self.httpd.abort()
            raise
        return self

    def __exit__(self, kind, value, trace):
        if kind is None:
            self.httpd.close()
        else:
            self.httpd.abort()

    @property
    def pid(self):
        return self.httpd.pid

    def load_options(self):
        options = [*super().load_options(), "--publish-token", token.publisher(["*"], ttl=HOURS)]
        if self.scenario.private:
            options += ["--tokens", self._tokens()]
        return options + (self.tls.load_options() if self.tls else [])

    def publish(self, data):
        """Publishes DATA to all subscribers of the topic with number 0."""
        self.httpd.publish("https://example.com/t/0", data, token=token.publisher(["*"], ttl=HOURS),
                           tls=bool(self.tls))

    def _tokens(self):
        """A file with a token for each subscriber, which grants only the subscriber's own topic."""
        path = self.httpd.path("tokens")
        with open(path, "w", encoding="ascii") as out:
            for number in range(self.scenario.subscribers(self.quick)):
                topic = f"https://example.com/t/{number}"
                out.write(token.subscriber([topic], sub=f"reader-{number}", ttl=HOURS) + "\n")
        return path


class Process(Server):
    """A server that is one command in the foreground."""

    def __init__(self):
        super().__init__()
        self.process = None

    def command(self):
        raise NotImplementedError

    def __enter__(self):
        self.port = free_port()
        self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        start_new_session=True)
        try:
            self.wait_ready()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def wait_ready(self):
        raise NotImplementedError

    def __exit__(self, kind, value, trace):
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        release_port(self.port)

    @property
    def pid(self):
        return self.process.pid


class Raw(Process, MercureLike):
    """tests/bench/raw.c: one send() for each update and receiver; with SLICE it coalesces updates."""
    abilities = frozenset({"many topics", "history"})

    def __init__(self, program, slice_sends=0):
        super().__init__()
        self.program, self.slice_sends = program, slice_sends
        self.name = "raw-coalescing" if slice_sends else "raw"

    def command(self):
        return [self.program, str(self.port), *([str(self.slice_sends)] if self.slice_sends else [])]

    def is_relevant(self, scenario):
        # Where each update has one receiver, there is nothing to coalesce.
        return super().is_relevant(scenario) and (not self.slice_sends or scenario.is_fanout())

    def wait_ready(self):
        assert self.process.stdout.readline() == b"ready\n", "the raw writer did not start"

    def pattern_match(self):
        # The raw writer does not match patterns: its subscribers name the topics.
        return f"match={TOPIC}%2Fx"


class Nchan(Process):
    """Debian's nginx with libnginx-mod-nchan."""
    name = "nchan"
    abilities = frozenset({"history"})
    MODULE = "/usr/lib/nginx/modules/ngx_nchan_module.so"

    def __init__(self, folder, workers=2, tls=None):
        super().__init__()
        self.folder, self.workers, self.root, self.tls = folder, workers, None, tls

    def describe(self):
        return {"workers": self.workers, "tls": bool(self.tls)}

    def check(self, scenario, quick):
        super().check(scenario, quick)
        if scenario.private or scenario.patterns or scenario.name == "topics100k":
            raise LeftOut("it does not support this")

    def _config(self):
        user = f"user {pwd.getpwuid(33).pw_name};" if os.getuid() == 0 else ""
        ssl = ""
        if self.tls:
            cert, key = self.tls.make()
            ssl = f"ssl_certificate {cert}; ssl_certificate_key {key}; ssl_session_cache shared:tls:10m;"
        return f"""
            load_module {self.MODULE};
            {user}
            daemon off;
            worker_processes {self.workers};
            worker_rlimit_nofile {descriptors()};
            pid {self.root}/pid;
            error_log {self.root}/error.log;
            events {{ worker_connections {descriptors()}; }}
            http {{
                access_log {self.root}/access.log;
                keepalive_requests 1000000000;
                client_body_temp_path {self.root}/body;
                proxy_temp_path {self.root}/proxy;
                fastcgi_temp_path {self.root}/fastcgi;
                uwsgi_temp_path {self.root}/uwsgi;
                scgi_temp_path {self.root}/scgi;
                nchan_shared_memory_size 512M;
                server {{
                    listen 127.0.0.1:{self.port} {"ssl" if self.tls else ""} backlog=4096;
                    {ssl}
                    location ~ ^/publish/([0-9]+)$ {{
                        nchan_publisher http;
                        nchan_channel_id $1;
                        nchan_message_buffer_length 100000;
                        nchan_message_timeout 1h;
                    }}
                    location ~ ^/subscribe/([0-9]+)$ {{
                        nchan_subscriber eventsource;
                        nchan_channel_id $1;
                        nchan_subscriber_first_message newest;
                        nchan_eventsource_ping_interval {1 if self.quick else 20};
                        nchan_eventsource_ping_comment ping;
                    }}
                }}
            }}"""

    def __enter__(self):
        self.root = tempfile.mkdtemp(prefix="nchan-", dir=self.folder)
        os.chmod(self.root, 0o755)
        return super().__enter__()

    def command(self):
        path = os.path.join(self.root, "nginx.conf")
        with open(path, "w", encoding="ascii") as out:
            out.write(self._config())
        return [shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin"), "-c", path, "-e", "stderr"]

    def wait_ready(self):
        def ready():
            assert self.process.poll() is None, "nginx did not start"
            with open(f"/proc/{self.pid}/task/{self.pid}/children", encoding="ascii") as file:
                return len(file.read().split()) >= self.workers

        wait_until(ready, what="nginx")
        time.sleep(1)  # until its workers know each other, updates are lost, and nothing shows when that ends

    def __exit__(self, kind, value, trace):
        super().__exit__(kind, value, trace)
        shutil.rmtree(self.root, ignore_errors=True)

    def load_options(self):
        return [*super().load_options(), "--subscribe-path", "/subscribe/{n}", "--publish-path", "/publish/{n}",
                "--type", "text/plain", "--body", "{data}", *(self.tls.load_options() if self.tls else [])]


def usage(load, pid):
    """A server's CPU and memory, as the load generator measures them."""
    done = subprocess.run([load, "usage", str(pid)], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)
