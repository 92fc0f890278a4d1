"""A server under valgrind."""
import contextlib
import glob
import re
import shutil
import socket
import subprocess

from .wait import wait_until


def _accepts(port):
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


@contextlib.contextmanager
def under_valgrind(httpd, port, suspects):
    """
    Runs HTTPD, which is configured and listens on PORT. Fails at the end if valgrind has reported a leak or a bad
    access in SUSPECTS, a pattern of names of libraries.
    """
    valgrind, log = shutil.which("valgrind"), httpd.path("logs/valgrind")
    assert valgrind, "valgrind is not installed"
    httpd.expect_log("AH03490: ", required=False)  # the parent checks before the slow child has its threads
    run = subprocess.Popen([valgrind, "--leak-check=full", "--show-leak-kinds=definite", "--trace-children=yes",
                            f"--log-file={log}.%p", *httpd._command("-DFOREGROUND")], env=httpd._environment(), cwd=httpd.root)
    try:
        wait_until(lambda: _accepts(port), 300, what="httpd under valgrind")
        yield
    finally:
        run.terminate()
        run.wait(300)
    text = ""
    for name in glob.glob(f"{log}.*"):
        with open(name, encoding="utf-8", errors="replace") as file:
            text += file.read()
    assert text.count("LEAK SUMMARY") > 1, "the parent and a child"
    for block in re.split(r"^==\d+== *$", text, flags=re.M):
        is_bad = re.search(r"Invalid (read|write)|definitely lost|uninitialised", block)
        assert not (is_bad and re.search(suspects, block)), block
