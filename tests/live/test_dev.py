"""./dev: the packages that it installs, the progress that it shows, and the hub that ./dev run starts."""
import base64
import contextlib
import json
import os
import pathlib
import pty
import re
import select
import signal
import subprocess
import tempfile
import time

import pytest

from env.httpd import HAS_SANITIZER, find_module, free_port, live_dir, release_port
from env.launcher import end_all
from env.token import make_key
from env.wait import DEADLINE, wait_until

DEV = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../dev"))
BUILD = os.path.dirname(os.path.dirname(os.path.abspath(find_module())))


def environment(folder, **more):
    return {"PATH": os.environ["PATH"], "MERCURE_DEV_DIR": str(folder), **more}


def dev(folder, script, **more):
    """The result of SCRIPT, which may call the functions of ./dev; FOLDER holds its state."""
    (folder / "log").mkdir(exist_ok=True)
    return subprocess.run(["bash", "-c", f". {DEV}\n{script}"], env=environment(folder, **more), timeout=60, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


@pytest.fixture
def folder():
    """A folder that www-data may pass through, where programs can run: /tmp may be mounted noexec."""
    with tempfile.TemporaryDirectory(prefix="dev-", dir=live_dir()) as path:
        os.chmod(path, 0o755)
        yield pathlib.Path(path)


# ---- packages ------------------------------------------------------------------------------------

DPKG_QUERY = """#!/bin/sh
case "$*" in
*Depends*) echo 'perl:any, libapr1 (>= 1.7.0), libc6 (>= 2.36), libdb1 | libdb2, libssl3 (>= 3.0.0), zlib1g (>= 1:1.1.4)' ;;
*)
    printf 'installed %s\\n' 'apache2-bin 2' 'libapr1 1' 'libc6 1' "libssl3 $(cat "$FAKE/libssl3")" 'zlib1g 1' 'perl 5' |
        while read -r status name version; do
            case " $* " in *" $name "*) echo "$status $name $version" ;; esac
        done
    exit 1 # some are not installed
    ;;
esac
"""
APT_GET = """#!/bin/sh
echo "$*" >>"$FAKE/calls"
case "$*:$(cat "$FAKE/libssl3")" in
*--simulate*:1) printf '%s\\n' 'Inst libssl3 [1] (2 Debian)' 'Conf libssl3 (2 Debian)' ;;
*--simulate*) ;;
*:*) if [ -e "$FAKE/locked" ]; then
        rm "$FAKE/locked"
        echo 'E: Could not get lock /var/lib/dpkg/lock-frontend.'
        exit 100
    fi ;;
esac
case "$*:$(cat "$FAKE/libssl3")" in
*--simulate*) ;;
*:1) [ ! -e "$FAKE/offline" ] && echo 2 >"$FAKE/libssl3" ;;
esac
"""
UPDATE = 'id() { echo "$USER_ID"; }\napt_pause=0\nupdate_libraries\n'


@pytest.fixture
def debian(folder):
    """Debian's tools on a machine whose libssl3 1 is older than the one that apt has."""
    for name, text in (("bin/dpkg-query", DPKG_QUERY), ("bin/apt-get", APT_GET), ("libssl3", "1\n"), ("calls", "")):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    class Debian:
        """The tools that were called, and a run of update_libraries."""
        file = folder

        @staticmethod
        def update(user_id="0"):
            done = dev(folder, UPDATE, PATH=f"{folder}/bin:{os.environ['PATH']}", FAKE=str(folder), USER_ID=user_id)
            calls = (folder / "calls").read_text().splitlines()
            (folder / "calls").write_text("")
            return done.returncode, done.stdout, calls

    return Debian


def test_old_libraries_of_httpd_are_upgraded_once(debian):
    status, said, (simulated, upgraded) = debian.update()
    assert status == 0 and said.endswith("expects: libssl3\n"), said
    assert simulated.startswith("-qq --simulate ") and simulated.split(" install ")[1] == upgraded.split(" install ")[1]
    # Installed libraries that apache2-bin names, and nothing else.
    assert upgraded.endswith(" --only-upgrade --no-remove --no-install-recommends libapr1 libssl3 zlib1g"), upgraded
    assert debian.update() == (0, "", [])


def test_new_libraries_of_httpd_are_left_alone(debian):
    (debian.file / "libssl3").write_text("2\n")
    status, said, calls = debian.update()
    assert (status, said) == (0, "") and ["--simulate" in call for call in calls] == [True]
    assert debian.update() == (0, "", [])
    (debian.file / "libssl3").write_text("1\n")  # another version: apt is asked again
    assert "libssl3" in debian.update()[1]


def test_libraries_that_cannot_be_upgraded_are_no_failure(debian):
    (debian.file / "offline").write_text("")
    status, said, calls = debian.update()
    assert status == 0 and "the upgrade failed" in said, said
    assert [call.split()[-1] for call in calls] == ["zlib1g", "zlib1g", "update"]
    assert debian.update() == (0, "", [])


def test_another_apt_get_is_waited_for(debian):
    (debian.file / "locked").write_text("")
    status, said, calls = debian.update()
    assert status == 0 and said.endswith("\nwaiting for another apt-get\n") and "failed" not in said, said
    assert len(calls) == 3 and calls[1] == calls[2]


def test_a_user_is_told_how_root_upgrades_libraries(debian):
    status, said, calls = debian.update(user_id="1000")
    assert status == 0 and said.endswith("as root: apt-get install --only-upgrade libssl3\n") and len(calls) == 1


# ---- progress ------------------------------------------------------------------------------------

STEP = """
step compiling 3 files '^  CC  '
quietly make sh -c 'echo "  CC   a.o"; echo "  CC   b.o"; until [ -e "$0" ]; do sleep 0.1; done' "$state/go"
add unit 2 0 0 0
"""


def test_progress_in_lines(tmp_path):
    (tmp_path / "go").write_text("")
    done = dev(tmp_path, STEP)
    assert done.returncode == 0
    assert re.fullmatch(r"compiling 3 files\n== unit: 2 ok, 0 not ok, 0 left out \(\d+ s since the start\)\n", done.stdout)


def test_progress_on_a_terminal(tmp_path):
    (tmp_path / "log").mkdir()
    pid, fd = pty.fork()
    if pid == 0:
        os.execvpe("bash", ["bash", "-c", f". {DEV}\n{STEP}"], environment(tmp_path, TERM="xterm"))
    seen, end = b"", time.monotonic() + DEADLINE
    with contextlib.suppress(OSError):  # the terminal's end
        while time.monotonic() < end and select.select([fd], [], [], DEADLINE)[0]:
            seen += os.read(fd, 4096)
            if b"2 of 3" in seen:
                (tmp_path / "go").write_text("")
    os.close(fd)
    assert os.waitpid(pid, 0)[1] == 0, seen
    shown, _, result = seen.partition(b"== unit")
    assert set(re.split(rb"\x1b\[K\r|\r|\x1b\[K", shown)) - {b"compiling 0 of 3 files"} == {b"", b"compiling 2 of 3 files"}
    assert result.startswith(b": 2 ok") and shown.endswith(b"\r\x1b[K")


def test_the_log_of_a_command_that_fails_is_shown(tmp_path):
    done = dev(tmp_path, "step configuring\nquietly configure sh -c 'echo why; exit 3'\n")
    assert done.returncode == 3
    assert done.stdout == "configuring\nwhy\ndev: failed with status 3: sh -c echo why; exit 3\n"


# ---- ./dev run -----------------------------------------------------------------------------------

RUN = """
prepare() { mkdir -p "$state/log"; }
need_build() { :; }
build() { tree=$BUILD; }
src=${clone}
cmd_run --listen "127.0.0.1:$PORT"
"""


class Run:
    """./dev run on a port of its own, with the hub that is built already."""

    def __init__(self, folder, **more):
        self.port = free_port()
        self.path = folder / "output"
        self.state = folder / "state"
        with open(self.path, "wb") as out:
            # As from a terminal, because jobs in the background of a script ignore SIGINT.
            self.process = subprocess.Popen(
                ["env", "--default-signal=INT", "bash", "-c", f". {DEV}\n{RUN}"],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, cwd=folder,
                env=environment(self.state, BUILD=BUILD, PORT=str(self.port), MERCURE_MAX_SUBSCRIBERS="100", **more))
        try:
            wait_until(lambda: "Ctrl-C ends the hub.\n" in self.output() or self.process.poll() is not None, 60,
                       "the greeting")
            assert self.process.poll() is None, self.output()
        except BaseException:
            self.__exit__()
            raise

    def output(self):
        return self.path.read_text(encoding="utf-8")

    def line(self, start):
        """The only line of the greeting that begins with START."""
        line, = [line for line in self.output().splitlines() if line.startswith(start)]
        return line

    def __enter__(self):
        return self

    def __exit__(self, *_):
        end_all(self.process, self.state / "tmp")
        release_port(self.port)


@pytest.fixture
def run(folder):
    """run(VARIABLE="value") starts a hub, which ends with the test."""
    with contextlib.ExitStack() as stack:
        yield lambda **more: stack.enter_context(Run(folder, **more))


def paste(line):
    """LINE of the greeting in a shell; returns what it prints."""
    return subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=60, check=True).stdout


class Pasted:
    """LINE of the greeting in a shell, for as long as the block lasts."""

    def __init__(self, line, path):
        self.path = path
        with open(path, "wb") as out:
            self.process = subprocess.Popen(["bash", "-c", f"exec {line}"], stdout=out, stderr=subprocess.DEVNULL)
        self.wait(":")  # the stream has begun

    def wait(self, text):
        wait_until(lambda: text in self.path.read_text(), what=f"{text} from curl")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def claims_of(token):
    return json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))


@pytest.mark.skipif(HAS_SANITIZER, reason="its commands start httpd without the sanitizer")
def test_run_greets_with_lines_to_paste(run, tmp_path):
    hub = run()
    before, _, greeting = hub.output().partition("\nThe hub is at ")
    assert "resuming normal operations" in before and " AH00094: " in before
    assert "[pid " not in greeting  # nothing comes after it
    token = hub.line("eyJ")
    assert set(re.findall(r"eyJ[\w.-]+", greeting)) == {token} and len(token) < 520
    assert claims_of(token).keys() == {"iss", "aud", "sub", "client_id", "iat", "exp", "jti", "authorization_details"}
    subscribe, publish = hub.line("curl -N "), hub.line("curl -H ")
    with Pasted(subscribe, tmp_path / "everybody") as everybody, \
            Pasted(f"{subscribe} -H 'Authorization: Bearer {token}'", tmp_path / "reader") as reader:
        paste(publish.replace("data=hello", "data=secret -d private=on"))
        reader.wait("secret")
        paste(publish)
        everybody.wait("data: hello\n")
        assert "secret" not in everybody.path.read_text()
    os.killpg(hub.process.pid, signal.SIGINT)  # Ctrl-C
    assert hub.process.wait(DEADLINE) == 0
    assert "caught SIGTERM" in hub.output().splitlines()[-1]


@pytest.mark.skipif(HAS_SANITIZER, reason="its commands start httpd without the sanitizer")
def test_run_with_keys_of_its_caller(run, folder, tmp_path):
    """Another algorithm, a file that is named from the current folder, and a public key that signs nothing."""
    (folder / "key").write_text("k" * 64 + "\n")
    hub = run(MERCURE_PUBLISHER_JWT_KEY_FILE="key",
              MERCURE_PUBLISHER_JWT_ALG="HS512,HS384",
              MERCURE_SUBSCRIBER_JWT_KEY=make_key("p256")[1], MERCURE_SUBSCRIBER_JWT_ALG="ES256",
              MERCURE_TRUSTED_ISSUERS="https://a.example, https://b.example", http_proxy="http://127.0.0.1:9")
    claims = claims_of(hub.line("eyJ"))
    assert claims["iss"] == "https://a.example"
    assert [detail["actions"] for detail in claims["authorization_details"]] == [["publish"]]
    publish = hub.line("curl --noproxy '*' -H ")
    with Pasted(hub.line("curl --noproxy '*' -N "), tmp_path / "reader") as reader:
        paste(publish)
        reader.wait("data: hello\n")
    hub.process.terminate()
    assert hub.process.wait(DEADLINE) == 0


def test_run_reports_what_the_launcher_refuses(run):
    with pytest.raises(AssertionError, match="mercure-hub: MERCURE_METRICS: must be 0 or 1"):
        run(MERCURE_METRICS="On")


GREETING = 'MERCURE_ALLOW_ANONYMOUS=0 MERCURE_DEBUGGER=0 MERCURE_PLAYGROUND=0\n'


def test_the_greeting_of_a_hub_that_asks_every_subscriber_for_a_token(tmp_path):
    said = dev(tmp_path, GREETING + "greeting https://h/.well-known/mercure eyJ publish subscribe").stdout
    assert "curl -k -N -H 'Authorization: Bearer eyJ' 'https://h/.well-known/mercure?match=" in said
    assert "debugger" not in said


def test_the_greeting_of_a_hub_with_keys_that_sign_nothing(tmp_path):
    said = dev(tmp_path, GREETING + "greeting http://h/.well-known/mercure").stdout
    assert "mercure-token --help" in said and "Bearer" not in said and said.count("curl ") == 1
