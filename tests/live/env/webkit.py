"""WebKitGTK's MiniBrowser on an invisible screen, driven by WebDriver."""
import http.client
import json
import os
import shutil
import subprocess

from .httpd import free_port, release_port
from .wait import DEADLINE, wait_until

PROGRAM = shutil.which("WebKitWebDriver") if shutil.which("Xvfb") else None


def end(process):
    process.terminate()
    try:
        process.wait(DEADLINE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class WebKit:
    """FOLDER gets its files."""

    def __init__(self, folder):
        self.port, self.session, self.screen, self.driver = free_port(), None, None, None
        try:
            self._start(folder)
        except BaseException:
            self.__exit__()
            raise

    def _start(self, folder):
        os.makedirs(os.path.join(folder, "run"), mode=0o700)
        with open(os.path.join(folder, "log"), "wb") as log:
            self.screen = subprocess.Popen(["Xvfb", "-displayfd", "1", "-screen", "0", "1024x768x24", "-nolisten", "tcp"],
                                           stdout=subprocess.PIPE, stderr=log)
            display = self.screen.stdout.readline().decode().strip()
            assert display, "Xvfb has ended"
            self.driver = subprocess.Popen(
                [PROGRAM, f"--port={self.port}", "--host=127.0.0.1"], stdout=log, stderr=log,
                env={**os.environ, "DISPLAY": f":{display}", "HOME": folder, "XDG_RUNTIME_DIR": os.path.join(folder, "run"),
                     "DBUS_SESSION_BUS_ADDRESS": "disabled:", "NO_AT_BRIDGE": "1", "GDK_BACKEND": "x11",
                     "LIBGL_ALWAYS_SOFTWARE": "1", "WEBKIT_DISABLE_DMABUF_RENDERER": "1"})

    def __enter__(self):
        try:
            wait_until(self._is_ready, what="WebKitWebDriver")
            created = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": {"acceptInsecureCerts": True}}})
            self.session = created["sessionId"]
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc):
        try:
            if self.session:
                self.do("DELETE", "")
        finally:
            if self.driver:
                end(self.driver)
            if self.screen:
                end(self.screen)
                self.screen.stdout.close()
            release_port(self.port)

    def _is_ready(self):
        assert self.driver.poll() is None, "WebKitWebDriver has ended"
        try:
            return self._ask("GET", "/status")["ready"]
        except OSError:
            return False

    def _ask(self, method, path, body=None):
        conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
        try:
            conn.request(method, path, None if body is None else json.dumps(body), {"Content-Type": "application/json"})
            response = conn.getresponse()
            value = json.loads(response.read())["value"]
        finally:
            conn.close()
        assert response.status == 200, (method, path, value)
        return value

    def do(self, method, path, **body):
        """A command of WebDriver; returns its value."""
        return self._ask(method, f"/session/{self.session}{path}", body if method == "POST" else None)

    def open(self, url):
        """A new tab with the page at URL; returns its handle."""
        tab = self.do("POST", "/window/new", type="tab")["handle"]
        self.load(tab, url)
        return tab

    def load(self, tab, url):
        """Loads the page at URL in a tab, even if it is already there."""
        self.do("POST", "/window", handle=tab)
        self.do("POST", "/url", url=url)

    def run(self, tab, script, *arguments):
        """Runs SCRIPT, the body of a function, in a tab; returns what it returns."""
        self.do("POST", "/window", handle=tab)
        return self.do("POST", "/execute/sync", script=script, args=list(arguments))
