"""A mercure-hub under test, which is started, waited for, and never left behind."""
import contextlib
import glob
import os
import signal
import subprocess

from env.httpd import kill_for_good, sanitized
from env.wait import wait_until


def processes_below(place):
    """Pids of launchers and of the httpds that they started, whose files are below the folder PLACE."""
    mark = os.fsencode(os.path.join(str(place), "mercure-hub."))
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as file:
                if mark in file.read():
                    yield int(path.split("/")[2])
        except OSError:
            pass  # it has ended


def end_all(launcher, place):
    """Ends LAUNCHER and its httpd, which has its own session and may have outlived it."""
    if launcher.poll() is None:
        os.killpg(launcher.pid, signal.SIGKILL)
        launcher.wait()

    def gone():
        left = list(processes_below(place))
        for pid in left:
            kill_for_good(pid)
        return not left

    wait_until(gone, what="the end of all processes")


def page_script(block):
    """BLOCK of a page, which ends with `mercure-hub`, as a script that becomes the launcher named by its $0."""
    variables, name, rest = block.rpartition("\nmercure-hub\n")
    assert name and not rest, block
    return variables + '\nexec "$0"\n'


@contextlib.contextmanager
def running(command, env, log, **more):
    """COMMAND, a launcher, writing to the file LOG, until the block ends; it has its own TMPDIR."""
    env = sanitized(env)
    with open(log, "wb") as out:
        launcher = subprocess.Popen(command, env=env, stderr=out, stdin=subprocess.DEVNULL, start_new_session=True,
                                    **more)
    try:
        yield launcher
    finally:
        end_all(launcher, env["TMPDIR"])


def wait_ready(launcher, log):
    """Waits until LAUNCHER serves; fails with its output if it ends."""
    wait_until(lambda: launcher.poll() is not None or "resuming normal operations" in log.read_text(), 60,
               "the hub's start")
    assert launcher.poll() is None, log.read_text()
