"""A private Redis server for a test: its own port, directory and process."""
import contextlib
import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from .wait import wait_until

# Debian's redis-tools has one program for all roles, which chooses its role by its name.
PROGRAM = "/usr/bin/redis-check-rdb"


def free_port(below=65536):
    """A free port; a node of a cluster also needs the port that is 10000 higher."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        if port < below:
            return port


class RedisError(Exception):
    """An error that the server answers."""


class Redis:
    """A redis-server; OPTIONS are those of its command line, without the two hyphens."""

    role = "redis-server"

    def __init__(self, port=None, keep=None, **options):
        self.port = port or free_port()
        self.root = keep or tempfile.mkdtemp(prefix="mrc-redis-")
        self.options = {"appendonly": "no", "save": "", **options}
        self.proc = None
        self.start()

    def start(self):
        program = os.path.join(self.root, self.role)
        if not os.path.lexists(program):
            os.symlink(PROGRAM, program)
        command = [program, *self._arguments()]
        self.proc = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                     stderr=subprocess.DEVNULL)
        wait_until(self.answers, what=f"a Redis server on port {self.port}")
        return self

    def _arguments(self):
        found = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.root,
                 "--logfile", "server.log", "--loglevel", "notice"]
        for name, value in self.options.items():
            found += ["--" + name.replace("_", "-"), *(value if isinstance(value, list) else [str(value)])]
        return found

    def answers(self):
        try:
            return self.ask("PING") == "PONG"
        except RedisError as error:
            return "NOAUTH" in str(error)
        except OSError:
            return False

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}"

    def ask(self, *args, timeout=5):
        """Sends one command on its own connection; returns the reply."""
        with socket.create_connection(("127.0.0.1", self.port), timeout) as connection:
            if self.options.get("requirepass"):
                self._command(connection, "AUTH", self.options["requirepass"])
            return self._command(connection, *args)

    @contextlib.contextmanager
    def monitor(self):
        """A function that returns what the server has run since, as the lines of MONITOR. Call it once."""
        with socket.create_connection(("127.0.0.1", self.port), 5) as connection:
            assert self._command(connection, "MONITOR") == "OK"

            def commands():
                self.ask("PING", "until here")
                with connection.makefile(encoding="utf-8") as reader:
                    return list(itertools.takewhile(lambda line: '"until here"' not in line, reader))

            yield commands

    @staticmethod
    def _command(connection, *args):
        out = [b"*%d\r\n" % len(args)]
        for arg in args:
            arg = arg if isinstance(arg, bytes) else str(arg).encode()
            out.append(b"$%d\r\n%s\r\n" % (len(arg), arg))
        connection.sendall(b"".join(out))
        with connection.makefile("rb") as reader:
            return Redis._reply(reader)

    @staticmethod
    def _reply(reader):
        line = reader.readline()
        if not line:
            raise ConnectionError("the server closed the connection")
        kind, rest = line[:1], line[1:-2].decode()
        if kind == b"+":
            return rest
        if kind == b"-":
            raise RedisError(rest)
        if kind == b":":
            return int(rest)
        if kind == b"$":
            if int(rest) < 0:
                return None
            return reader.read(int(rest) + 2)[:-2].decode("utf-8", "surrogateescape")
        return None if int(rest) < 0 else [Redis._reply(reader) for _ in range(int(rest))]

    def signal(self, signum):
        os.kill(self.proc.pid, signum)

    def kill(self):
        """Sends SIGKILL, as if the machine failed."""
        self.proc.kill()
        self.proc.wait()

    def freeze(self):
        self.signal(signal.SIGSTOP)

    def thaw(self):
        self.signal(signal.SIGCONT)

    def restart(self):
        self.kill()
        self.start()

    def log(self):
        with open(os.path.join(self.root, "server.log"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def close(self):
        if self.proc.poll() is None:
            self.proc.kill()
            self.proc.wait()
        shutil.rmtree(self.root, ignore_errors=True)


class Sentinel(Redis):
    """A Sentinel that watches PRIMARY under the name `mine`; QUORUM Sentinels decide."""

    role = "redis-sentinel"

    def __init__(self, primary, quorum):
        self.primary, self.quorum = primary, quorum
        super().__init__()

    def _arguments(self):
        file = os.path.join(self.root, "sentinel.conf")
        if not os.path.exists(file):
            with open(file, "w", encoding="ascii") as out:
                out.write(f"port {self.port}\nbind 127.0.0.1\ndir {self.root}\nlogfile server.log\n"
                          f"sentinel monitor mine 127.0.0.1 {self.primary.port} {self.quorum}\n"
                          "sentinel down-after-milliseconds mine 1000\nsentinel failover-timeout mine 5000\n")
        return [file]
