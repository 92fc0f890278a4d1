"""
A private httpd: its own server root, ports, log and processes. It ends with a proof: nothing
unexpected in the error log, no process and no file of the module left behind.
"""
import datetime
import fcntl
import glob
import os
import pwd
import random
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse

from . import http, sse, token
from .hub import PATH
from .wait import DEADLINE, wait_until

MPMS = ("event", "worker", "prefork")

# Loaded in every server unless built in; load() adds more. The order is that of Debian.
BASE_MODULES = ("authn_core", "authz_core", "unixd", "log_config", "mime", "dir", "alias")

SIZING = {
    "event": """
        StartServers 2
        ServerLimit 8
        ThreadsPerChild 16
        ThreadLimit 16
        MaxRequestWorkers 64
        MinSpareThreads 16
        MaxSpareThreads 64
        AsyncRequestWorkerFactor 64
        MaxConnectionsPerChild 0
    """,
    "worker": """
        StartServers 2
        ServerLimit 8
        ThreadsPerChild 16
        ThreadLimit 16
        MaxRequestWorkers 64
        MinSpareThreads 16
        MaxSpareThreads 64
        MaxConnectionsPerChild 0
    """,
    "prefork": """
        StartServers 4
        ServerLimit 32
        MaxRequestWorkers 32
        MinSpareServers 4
        MaxSpareServers 32
        MaxConnectionsPerChild 0
    """,
}

# A line of the error log, in httpd's default format.
LOG_LINE = re.compile(r"^\[(?P<time>[^]]*)\] \[(?P<module>[^:\]]*):(?P<level>[a-z0-9]+)\] \[pid (?P<pid>\d+)")
BAD_LEVELS = ("emerg", "alert", "crit", "error", "warn")
READY = "resuming normal operations"
# The event MPM logs this about a connection that a worker finishes while its child is ended at once (SIGTERM, SIGHUP):
# the child's pollset is closed before its workers end. At any other time it is a problem.
HARD_STOP = re.compile(r"\(9\)Bad file descriptor: AH(0309[0-9]|03465|10503): process_\w+: apr_pollset_add failure")
HARD_STOP_SECONDS = 20
# The MPMs log this when processes get little processor time, and it is harmless: they wait longer than three seconds
# for a child (one that stays is killed after nine: AH00046), and after a reload, children that are still ending take
# the place of new ones.
SLOW_END = re.compile(r"AH00045: child process \d+ still did not exit, sending a SIGTERM")
SLOW_RELOAD = re.compile(r"AH(03490|00288): scoreboard is full")
SLOW_RELOAD_SECONDS = 60
# Once a second, the MPMs count the busy threads, and log this when few are left. The tests have few threads, so one
# that is busy for a moment may be enough. If the module kept threads busy, the clients of the test would fail.
BUSY = re.compile(r"AH(00484|10159|00286|00287|00161): server (reached MaxRequestWorkers|is within MinSpareThreads)")
# Warnings about the machine, in spite of which the server works:
MACHINE = re.compile(r"^\[[^]]*\] (?:" + "|".join((
    # libssl3 is older than the one that Debian built mod_ssl with. Both have the same ABI.
    r"\[ssl:warn\] .*AH01882: Init: this version of mod_ssl was compiled against a newer library ",
    # mod_security2 says the same for any difference between the version strings, older or newer.
    r"\[(?:security2)?:warn\] .*ModSecurity: Loaded (?:APR|PCRE) do not match with compiled!",
    # The kernel, or a sandbox in its place, lacks this socket option, so httpd accepts a connection earlier.
    r"\[core:warn\] .*AH00076: Failed to enable APR_TCP_DEFER_ACCEPT",
)) + ")")
CRASH = re.compile(r"AH0005[012]: |exit signal|Sanitizer|runtime error: ")
FAULTS = (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE)


def without_races_of_httpd(text):
    """
    TEXT without TSan's reports on httpd. httpd and APR are not compiled for TSan, which sees neither the queues with
    which they pass connections and their memory from thread to thread, nor their locks: their accesses look like races
    with whatever used that memory before. A report counts if both accesses are in the module, except for httpd's counts
    of requests, which it does not lock where threads share a place of the scoreboard (src/httpd/exchange/scoreboard.h).
    A thread that is never joined counts if the module started it.
    """
    kept, report = [], None
    for line in text.splitlines():
        if LOG_LINE.match(line):
            kept.append(line)
        elif re.search("WARNING: ThreadSanitizer: (data race|thread leak)", line):
            report = [line]
        elif report is not None:
            report.append(line)
            if line.startswith("SUMMARY: ThreadSanitizer"):
                parts = "\n".join(report).split("\n\n")
                accesses = parts[:2] if "data race" in report[0] else parts[:1]
                if all("mod_mercure.so" in access and " ap_increment_counts " not in access
                       for access in accesses):
                    kept += report
                report = None
        elif not re.fullmatch(r"=+|ThreadSanitizer: reported \d+ warnings", line):
            kept.append(line)
    return "\n".join(kept)


def find_program():
    program = os.environ.get("HTTPD")
    if program:
        return program
    for name in ("apache2", "httpd"):
        found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        if found:
            return found
    raise RuntimeError("no httpd: install apache2-bin, or set HTTPD")


# A sanitizer is preloaded into the programs that tests start: it has memory and a malloc() of its own.
HAS_SANITIZER = "MERCURE_LD_PRELOAD" in os.environ


def sanitized(env):
    """ENV for an httpd, or a program that starts one, which loads a module that may be built with a sanitizer."""
    names = ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS")
    env = {**env, **{name: os.environ[name] for name in names if name in os.environ}}
    if "MERCURE_LD_PRELOAD" in os.environ:
        env["LD_PRELOAD"] = os.environ["MERCURE_LD_PRELOAD"]
    return env


def find_module():
    module = os.environ.get("MERCURE_MODULE")
    if not module:
        raise RuntimeError("MERCURE_MODULE must name the built mod_mercure.so (./dev test sets it)")
    return module


def live_dir():
    """Where server roots are: the path is short, because socket paths are limited, and open to the server's user."""
    folder = os.environ.get("MERCURE_LIVE_DIR") or f"/var/tmp/mod_mercure-live-{os.getuid()}"
    os.makedirs(folder, exist_ok=True)
    return folder


_port_locks = {}


def free_port():
    """
    A free loopback port, below the range that outgoing connections use, held with a lock file
    against other runs on this machine for as long as this process lives.
    """
    folder = f"/tmp/mod_mercure-ports-{os.getuid()}"
    os.makedirs(folder, exist_ok=True)
    while True:
        port = random.randrange(15000, 32000)
        lock = os.open(os.path.join(folder, str(port)), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(lock).st_nlink == 0:
                raise OSError("its holder has just let go of it, and the file is not that of the name")
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            os.close(lock)
            continue
        _port_locks[port] = lock
        return port


def release_port(port):
    lock = _port_locks.pop(port, None)
    if lock is not None:
        os.unlink(f"/tmp/mod_mercure-ports-{os.getuid()}/{port}")
        os.close(lock)


def switches(pid):
    """How many context switches each thread of PID has had, or None while one of them runs."""
    counts = {}
    try:
        for path in glob.glob(f"/proc/{pid}/task/*/status"):
            with open(path, encoding="ascii", errors="replace") as file:
                fields = dict(line.split(":\t", 1) for line in file if ":\t" in line)
            if not fields["State"].startswith("S"):
                return None
            counts[path] = fields["voluntary_ctxt_switches"], fields["nonvoluntary_ctxt_switches"]
    except (OSError, KeyError):
        return None  # a thread has ended meanwhile
    return counts


def processes():
    """(pid, parent, session, state) of all processes."""
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                text = file.read()
        except OSError:
            continue
        fields = text[text.rindex(")") + 2:].split()
        yield int(text.split(" ", 1)[0]), int(fields[1]), int(fields[3]), fields[0]


def kill_for_good(pid):
    """
    Sends SIGKILL to PID, if it exists, and waits for its end, when its files are closed: that is later than /proc
    shows.
    """
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(process, signal.SIGKILL)
        end = select.poll()  # select() would fail in a test that has many streams
        end.register(process, select.POLLIN)
        end.poll(DEADLINE * 1000)
    except ProcessLookupError:
        pass
    finally:
        os.close(process)


class StartError(AssertionError):
    """httpd did not start, or did not start again."""


class Configtest:
    """What `httpd -t` says."""

    def __init__(self, status, output):
        self.status = status
        self.output = output
        self.ok = status == 0

    def __repr__(self):
        return f"<configtest {self.status}: {self.output}>"


class Httpd:
    """
    with Httpd("event") as server:      (or the fixture `httpd`)
        server.load("rewrite")
        server.start(hub() + more configuration)
        …
    Leaving the block stops the server and checks what it left.
    """

    def __init__(self, mpm="event", name="server"):
        self.mpm = mpm
        self.root = tempfile.mkdtemp(prefix=re.sub(r"\W+", "-", name)[:24] + "-", dir=live_dir())
        os.chmod(self.root, 0o755)
        for folder in ("conf", "run", "logs", "htdocs"):
            os.mkdir(os.path.join(self.root, folder))
        self.runtime_dir = self.path("run")
        self.error_log = self.path("logs/error.log")
        self.access_log = self.path("logs/access.log")
        self.docroot = self.path("htdocs")
        self.config_file = self.path("conf/httpd.conf")
        self.ports = [free_port()]
        self.modules = list(BASE_MODULES)
        self.sizing = SIZING[mpm]
        self.log_level = "info mercure:debug"
        self.module = find_module()  # None: a server without mod_mercure
        self.env = {"PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), "LANG": "C.UTF-8"}
        if "TZ" in os.environ:
            self.env["TZ"] = os.environ["TZ"]  # the times of the log are compared with this process's
        self.proc = None
        self.sessions = []  # every process started here, and its children, is in one of these
        self._expected = []  # [compiled, required, seen]
        self._text = ""
        self._hard_stops = []  # when a generation was told to end at once
        self._reloads = []  # … and when one was told to end its requests first
        self._crashed = False
        self._closed = False
        self.left_deadline = 30.0  # how long a process may outlive a stop, in seconds

    # ---- configuration ---------------------------------------------------------------------------

    def path(self, name):
        return os.path.join(self.root, name)

    def write(self, name, content, mode=0o644):
        """A file below the server root (folders are made); returns its path."""
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as out:
            out.write(content if isinstance(content, bytes) else content.encode("utf-8"))
        os.chmod(path, mode)
        return path

    @property
    def port(self):
        """The main server's port on 127.0.0.1."""
        return self.ports[0]

    def add_port(self):
        """One more port to listen on, for a virtual host."""
        self.ports.append(free_port())
        return self.ports[-1]

    def load(self, *names):
        """Debian's modules, without mod_ and .so, in the order they should be loaded."""
        self.modules += [name for name in names if name not in self.modules]

    def vhost(self, *body, port=None, name="localhost", aliases=(), tls=False):
        """A <VirtualHost> with its own folder of documents; with TLS it has a fresh certificate."""
        port = port or self.port
        lines = [f"<VirtualHost 127.0.0.1:{port}>",
                 f"ServerName {name}" if ":" in name else f"ServerName {name}:{port}"]
        lines += [f"ServerAlias {alias}" for alias in aliases]
        if tls:
            self.load("socache_shmcb", "ssl")
            cert, key = self.certificate()
            lines += ["SSLEngine on", f'SSLCertificateFile "{cert}"', f'SSLCertificateKeyFile "{key}"']
        lines += body
        lines.append("</VirtualHost>")
        return "\n".join(lines) + "\n"

    def certificate(self):
        """A certificate for localhost and *.example, self-signed: (certificate, key)."""
        cert, key = self.path("conf/cert.pem"), self.path("conf/key.pem")
        if not os.path.exists(cert):
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                 "-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=localhost",
                 "-addext", "subjectAltName=DNS:localhost,DNS:*.example,IP:127.0.0.1",
                 "-addext", "basicConstraints=critical,CA:FALSE"],
                check=True, capture_output=True)
        return cert, key

    def full_config(self, text):
        modules_dir = os.environ.get("HTTPD_MODULES", "/usr/lib/apache2/modules")
        lines = [
            f'ServerRoot "{self.root}"',
            f'DefaultRuntimeDir "{self.runtime_dir}"',
            "PidFile run/httpd.pid",
            'Mutex "file:run" default',
            f"ServerName localhost:{self.port}",
            *(f"Listen 127.0.0.1:{port}" for port in self.ports),
        ]
        for name in (f"mpm_{self.mpm}", *self.modules):
            lines += [f"<IfModule !{name}_module>",
                      f'LoadModule {name}_module "{modules_dir}/mod_{name}.so"', "</IfModule>"]
        if self.module:
            lines.append(f'LoadModule mercure_module "{self.module}"')
        if os.getuid() == 0:
            lines += ["User www-data", "Group www-data"]
        lines += [
            f'ErrorLog "{self.error_log}"',
            f"LogLevel {self.log_level}",
            r'LogFormat "%h %t \"%r\" %>s %B %D %X" live',
            f'CustomLog "{self.access_log}" live',
            "TypesConfig /dev/null",
            "AddType text/html .html",
            f'DocumentRoot "{self.docroot}"',
            "Timeout 30",
            "KeepAliveTimeout 5",
            "GracefulShutdownTimeout 15",
        ]
        lines += [line.strip() for line in self.sizing.strip().splitlines()]
        if "ssl" in self.modules:
            lines += ["SSLSessionCache shmcb:run/ssl(65536)"]
        return "\n".join(lines) + "\n" + text

    def configure(self, text):
        """Writes the configuration: TEXT after what every test needs."""
        self._text = text
        with open(self.config_file, "w", encoding="utf-8") as out:
            out.write(self.full_config(text))

    def _command(self, *args):
        wrapper = os.environ.get("MERCURE_HTTPD_WRAPPER", "").split()
        return [*wrapper, find_program(), "-d", self.root, "-f", self.config_file, *args]

    def _environment(self):
        return sanitized(self.env)

    def configtest(self, text=None):
        """`httpd -t` on TEXT (or on the current configuration)."""
        if text is not None:
            self.configure(text)
        done = subprocess.run(self._command("-t"), env=self._environment(), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
        return Configtest(done.returncode, done.stdout.decode("utf-8", "replace"))

    # ---- life ------------------------------------------------------------------------------------

    @property
    def pid(self):
        return self.proc.pid

    @property
    def running(self):
        return self.proc is not None and self.proc.poll() is None

    def _spawn(self):
        self._console = self.path("logs/console.log")
        with open(self._console, "ab") as console:
            self.proc = subprocess.Popen(
                self._command("-DFOREGROUND"), env=self._environment(), cwd=self.root,
                stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True)
        self.sessions.append(self.proc.pid)

    def _tail(self, lines=40):
        text = ""
        for path in (self.path("logs/console.log"), self.error_log):
            if os.path.exists(path):
                with open(path, encoding="utf-8", errors="replace") as file:
                    text += "".join(file.readlines()[-lines:])
        return text

    def _ready_count(self):
        return self.log().count(READY)

    def _is_up(self, pid):
        """Whether child PID has all its threads: httpd itself may crash on a signal before that."""
        threads = re.findall(r"ThreadsPerChild\s+(\d+)", self.sizing + self._text)
        if self.mpm == "prefork" or not threads:
            return True
        try:
            return len(os.listdir(f"/proc/{pid}/task")) >= int(threads[-1]) + 2
        except OSError:
            return False

    def _wait_ready(self, count, what, old=()):
        """Waits until httpd has logged COUNT + 1 times that it is ready, and all children but the OLD ones are up."""

        def ready():
            if not self.running:
                raise StartError(f"httpd ended while {what} (status {self.proc.poll()}):\n{self._tail()}")
            new = [pid for pid in self.children() if pid not in old]
            return new and self._ready_count() > count and all(self._is_up(pid) for pid in new)

        wait_until(ready, 60, f"httpd ready while {what}")

    def start(self, text=None):
        """Starts httpd on TEXT and waits until it serves."""
        assert not self.running, "already running"
        if text is not None or not os.path.exists(self.config_file):
            self.configure(text or "")
        before = self._ready_count()
        wait_until(self._ports_are_free, what=f"the ports {self.ports} being free")
        self._spawn()
        self._crashed = False
        self._wait_ready(before, "starting")
        for port in self.ports:
            with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE):
                pass
        return self

    def start_fails(self, text=None):
        """Starts httpd on TEXT, which must make it give up; returns its output, including the log."""
        if text is not None:
            self.configure(text)
        self._spawn()
        status = self.proc.wait(timeout=60)
        assert status != 0, "httpd was expected to refuse this, and ended with status 0"
        self._crashed = True  # it has ended, as was expected
        with open(self._console, encoding="utf-8", errors="replace") as file:
            said = file.read() + self.log()
        open(self._console, "w", encoding="utf-8").close()
        if os.path.exists(self.error_log):
            os.rename(self.error_log, f"{self.error_log}.refused")
        return said

    def graceful(self, text=None):
        """
        SIGUSR1: the next generation starts, the old one ends when its requests have. When this returns, all
        new connections go to the new one: the old children may learn of it later than the log says.
        """
        self._reloads.append(time.time())
        old = self.children()
        self._again(signal.SIGUSR1, text, "restarting gracefully")
        wait_until(lambda: not any(self._listens(pid) for pid in old), 60, "the old children listening no more")

    def _listens(self, pid):
        """Whether process PID has one of the sockets that listen on the server's ports."""
        sockets = set()
        for name in ("/proc/net/tcp", "/proc/net/tcp6"):
            if os.path.exists(name):
                with open(name, encoding="ascii") as table:
                    rows = [line.split() for line in table][1:]
                sockets |= {f"socket:[{row[9]}]" for row in rows
                            if row[3] == "0A" and int(row[1].rsplit(":", 1)[1], 16) in self.ports}
        try:
            for fd in os.listdir(f"/proc/{pid}/fd"):
                try:
                    if os.readlink(f"/proc/{pid}/fd/{fd}") in sockets:
                        return True
                except FileNotFoundError:
                    continue  # closed meanwhile
        except OSError:
            pass  # it has ended
        return False

    def _settle(self):
        """
        Waits until no child does anything (for at most 2 s, on a server under load): event and worker may crash, even
        without any module, when they are stopped at the very moment at which a worker releases its connection (their
        close_worker_sockets() reads sockets that workers free).
        """
        end = time.monotonic() + 2
        before = None
        while time.monotonic() < end:
            now = [switches(pid) for pid in self.children()]
            if None not in now and now == before:
                return
            before = now
            time.sleep(0.01)

    def restart(self, text=None):
        """SIGHUP: the old generation is ended at once."""
        self._settle()
        self._hard_stops.append(time.time())
        self._again(signal.SIGHUP, text, "restarting")

    def _again(self, signum, text, what):
        if text is not None:
            self.configure(text)
        before, old = self._ready_count(), self.children()
        os.kill(self.pid, signum)
        self._wait_ready(before, what, old)

    def _wait_exit(self, deadline):
        """Waits for the end, which must be a proper one; returns the exit status."""
        try:
            status = self.proc.wait(timeout=deadline)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"httpd did not end within {deadline} s:\n{self._tail()}") from None
        assert status == 0, f"httpd ended with status {status}:\n{self._tail()}"
        return status

    def stop(self, deadline=60, wait=True):
        """
        Sends SIGTERM, and checks that httpd ended properly and left nothing. A client that keeps its connection open
        delays the end by two seconds; without WAIT, the test can close it first, and then call wait_stopped().
        """
        self._settle()
        self._hard_stops.append(time.time())
        os.kill(self.pid, signal.SIGTERM)
        if wait:
            self.wait_stopped(deadline)

    def graceful_stop(self, deadline=60, wait=True):
        """Sends SIGWINCH: httpd takes no new connections, and ends when the last request has ended."""
        os.kill(self.pid, signal.SIGWINCH)
        if wait:
            self.wait_stopped(deadline)

    def wait_stopped(self, deadline=60):
        """Waits for the end after stop(wait=False) or graceful_stop(wait=False)."""
        self._wait_exit(deadline)
        self._check_left()

    def _is_cgid(self, pid):
        """Whether PID is the daemon of mod_cgid, a child that serves no client: it listens on a socket in the file system."""
        if "cgid" not in self.modules:
            return False
        with open("/proc/net/unix", encoding="utf-8", errors="replace") as table:
            sockets = {f"socket:[{row.split()[6]}]" for row in table if f"{self.runtime_dir}/cgisock" in row}
        return any(os.readlink(f"/proc/{pid}/fd/{fd}") in sockets for fd in os.listdir(f"/proc/{pid}/fd"))

    def children(self):
        """Pids of the child processes that serve (all generations)."""
        if not self.running:
            return []
        exe = os.path.realpath(find_program())
        found = []
        for pid, parent, _, state in processes():
            try:
                if (parent == self.pid and state != "Z" and os.path.realpath(f"/proc/{pid}/exe") == exe
                        and not self._is_cgid(pid)):
                    found.append(pid)
            except OSError:
                continue
        return sorted(found)

    def kill_child(self, pid=None, signum=signal.SIGKILL):
        """Kills one child (by default the first) and waits until it is gone; returns its pid."""
        pid = pid or self.children()[0]
        assert pid in self.children(), f"{pid} is no child of this server"
        self.expect_log(rf"AH00052: child pid {pid} exit signal", required=False)
        os.kill(pid, signum)
        wait_until(lambda: pid not in self.children(), what=f"the end of child {pid}")
        return pid

    def crash(self):
        """Sends SIGKILL to the parent and then to its children, as if the machine ran out of memory."""
        os.kill(self.pid, signal.SIGKILL)
        self.proc.wait()
        self._kill_sessions()
        self._crashed = True

    def _ports_are_free(self):
        """Whether all listening sockets are closed."""
        try:
            for port in self.ports:
                with socket.socket() as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True

    def processes_left(self):
        """Pids of all live processes that came from this server."""
        return sorted(pid for pid, _, session, state in processes()
                      if session in self.sessions and state != "Z")

    def _kill_sessions(self):
        def gone():
            left = [(pid, state) for pid, _, session, state in processes() if session in self.sessions]
            for pid, _ in left:
                kill_for_good(pid)
            # A process that no parent waits for stays a zombie.
            return all(state == "Z" for _, state in left)

        wait_until(gone, what="the end of the server's processes")

    def runtime_files(self):
        """The files of the module in the runtime directory."""
        return sorted(name for name in os.listdir(self.runtime_dir) if name.startswith("mercure-"))

    def _check_left(self):
        wait_until(lambda: not self.processes_left(), self.left_deadline,
                   f"the end of all processes of the server, {self.processes_left()}")
        left = self.runtime_files()
        assert not left, f"left in the runtime directory after a clean stop: {left}"

    # ---- the error log ---------------------------------------------------------------------------

    def log(self):
        """The whole error log."""
        try:
            with open(self.error_log, encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def lines(self, name):
        """The complete lines of a file below the server root, such as a log; [] without the file."""
        try:
            with open(self.path(name), encoding="utf-8", errors="replace") as file:
                return file.read().split("\n")[:-1]
        except FileNotFoundError:
            return []

    def wait_log(self, regex, deadline=DEADLINE):
        """Waits for a line that REGEX matches anywhere; returns the match."""
        return wait_until(lambda: re.search(regex, self.log(), re.MULTILINE), deadline,
                          f"a line {regex!r} in the error log")

    def expect_log(self, regex, required=True):
        """Lines that REGEX matches are expected; the test fails if none comes, unless not REQUIRED."""
        self._expected.append([re.compile(regex), required, False])

    @staticmethod
    def _is_soon(line, moments, seconds):
        """Whether LINE of the error log was written within SECONDS of one of MOMENTS."""
        match = LOG_LINE.match(line)
        if not match:
            return False
        at = datetime.datetime.strptime(match["time"], "%a %b %d %H:%M:%S.%f %Y").timestamp()
        return any(-0.01 < at - moment < seconds for moment in moments)

    def _in_hard_stop(self, line):
        """Whether LINE of the error log was written soon after children were told to end at once."""
        return self._is_soon(line, self._hard_stops, HARD_STOP_SECONDS)

    def _is_httpds_own(self, line):
        """Whether LINE of the error log is a harmless one that httpd itself writes, with any module."""
        return bool(MACHINE.search(line) or SLOW_END.search(line) or BUSY.search(line) or (HARD_STOP.search(line) and self._in_hard_stop(line)) or
                    (SLOW_RELOAD.search(line) and self._is_soon(line, self._reloads, SLOW_RELOAD_SECONDS)))

    def log_problems(self):
        """What the error log should not have, or lacks; changes nothing, so it may be called again."""
        problems = []
        for expected in self._expected:
            expected[2] = False
        text = self.log()
        console = self.path("logs/console.log")
        if os.path.exists(console):
            with open(console, encoding="utf-8", errors="replace") as file:
                text = file.read() + text
        for line in without_races_of_httpd(text).splitlines():
            known = False
            for expected in self._expected:
                if expected[0].search(line):
                    expected[2] = known = True
            match = LOG_LINE.match(line)
            bad = match is None or match["level"] in BAD_LEVELS or CRASH.search(line)
            if line.strip() and bad and not known and not self._is_httpds_own(line):
                problems.append(f"unexpected in the error log: {line}")
        problems += [f"expected in the error log, but it did not come: {expected[0].pattern}"
                     for expected in self._expected if expected[1] and not expected[2]]
        return problems

    def crashes(self):
        """
        Unexpected lines of the error log about a crash or a sanitizer's finding, except those of a child that was told
        to end at once, where event and worker may crash on their own.
        """
        lines = [problem for problem in self.log_problems() if CRASH.search(problem)
                 and not ("AH0005" in problem and self._in_hard_stop(problem.partition("log: ")[2]))]
        if self.proc is not None and self.proc.poll() in [-number for number in FAULTS]:
            lines.append(f"httpd itself ended by signal {-self.proc.returncode}")  # which no log shows
        return lines

    # ---- the end ---------------------------------------------------------------------------------

    def close(self):
        """Stops the server if it runs; raises AssertionError with everything that is wrong."""
        if self._closed:
            return
        problems = []
        try:
            if self.running:
                self.stop()
            elif self.proc is not None and not self._crashed:
                self._wait_exit(0)
                self._check_left()
        except AssertionError as error:
            problems.append(str(error))
        problems += self.log_problems()
        self.abort(keep=bool(problems))
        if problems:
            raise AssertionError("\n".join([*problems, f"(kept: {self.root})"]))

    def abort(self, keep=True):
        """Ends everything at once, without any check; the server root stays if KEEP."""
        if self._closed:
            return
        self._closed = True
        self._kill_sessions()
        if self.proc is not None:
            self.proc.wait()
        for port in self.ports:
            release_port(port)
        if not keep:
            shutil.rmtree(self.root, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is None:
            self.close()
        else:
            self.abort()

    # ---- clients ---------------------------------------------------------------------------------

    def connect(self, **connection):
        """A Connection to the main port (or port=…, tls=True …)."""
        return http.Connection(connection.pop("port", self.port), **connection)

    def request(self, method, target, headers=(), body=None, host=None, **connection):
        """Sends a request and reads its whole response; TARGET is sent as it is."""
        port = connection.pop("port", self.port)
        return http.request(port, method, target, headers, body, host, **connection)

    def get(self, target, headers=(), **more):
        return self.request("GET", target, headers, **more)

    def subscribe(self, query="", headers=(), token=None, path=PATH, status=200, **more):
        """
        An EventSource on the hub at PATH. QUERY: a string as it goes on the wire, or pairs to encode:
        [("match", "https://example.com/a"), …]. The answer must have STATUS (None: any).
        """
        if not isinstance(query, str):
            query = urllib.parse.urlencode(query)
        pairs = list(headers.items() if isinstance(headers, dict) else headers)
        if token is not None:
            pairs.append(("Authorization", f"Bearer {token}"))
        target = f"{path}?{query}" if query else path
        stream = sse.EventSource(more.pop("port", self.port), target, pairs, **more)
        if status is not None and stream.status != status:
            stream.close()
            raise AssertionError(f"{status} wanted: {stream.response}")
        return stream

    def publish(self, topic=None, data=None, token=True, path=PATH, headers=(), status=200, fields=(),
                **more):
        """
        A publication; returns the response, whose text is the id. TOPIC: one or a list. TOKEN: True stands for
        publisher(), None for none. FIELDS: further pairs, such as [("private", "on")]. The answer must have STATUS
        (None: any).
        """
        pairs = [("topic", one) for one in ([topic] if isinstance(topic, str) else topic or [])]
        if data is not None:
            pairs.append(("data", data))
        pairs += list(fields.items() if isinstance(fields, dict) else fields)
        head = list(headers.items() if isinstance(headers, dict) else headers)
        if token is not None:
            head.append(("Authorization", f"Bearer {_publisher() if token is True else token}"))
        head.append(("Content-Type", "application/x-www-form-urlencoded"))
        response = self.request("POST", path, head, urllib.parse.urlencode(pairs), **more)
        assert status is None or response.status == status, f"{status} wanted: {response}"
        return response


def _publisher():
    return token.publisher()


def http_user():
    """The user that the children run as."""
    return "www-data" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
