"""Firefox without a window, driven by its Marionette protocol."""
import json
import os
import shutil
import socket
import subprocess

from .httpd import free_port, release_port
from .wait import DEADLINE, wait_until

PROGRAM = shutil.which("firefox-esr") or shutil.which("firefox")

# It contacts nothing but the pages that a test opens.
PREFS = {
    "app.update.auto": False,
    "browser.newtabpage.enabled": False,
    "browser.region.network.url": "",
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "browser.safebrowsing.provider.mozilla.updateURL": "",
    "browser.search.update": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.getAddons.cache.enabled": False,
    "extensions.update.enabled": False,
    "media.gmp-manager.updateEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.http.http3.enable": False,
    "services.settings.server": "data:,",
    "toolkit.telemetry.reportingpolicy.firstRun": False,
}


class Firefox:
    """FOLDER gets its profile."""

    def __init__(self, folder):
        self.port, self.number, self.socket = free_port(), 0, None
        os.makedirs(folder)
        with open(os.path.join(folder, "user.js"), "w", encoding="ascii") as out:
            for name, value in {**PREFS, "marionette.port": self.port}.items():
                out.write(f"user_pref({json.dumps(name)}, {json.dumps(value)});\n")
        with open(os.path.join(folder, "log"), "wb") as log:
            self.process = subprocess.Popen(
                [PROGRAM, "--headless", "--no-remote", "--marionette", "-profile", folder],
                env={**os.environ, "HOME": folder, "MOZ_CRASHREPORTER_DISABLE": "1"}, stdout=log, stderr=log)

    def __enter__(self):
        try:
            wait_until(self._connect, what="Firefox")
            self._receive()  # what it says about itself
            self.do("WebDriver:NewSession", acceptInsecureCerts=True)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc):
        if self.socket:
            self.socket.close()
        self.process.terminate()
        try:
            self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        release_port(self.port)

    def _connect(self):
        assert self.process.poll() is None, "Firefox has ended"
        try:
            self.socket = socket.create_connection(("127.0.0.1", self.port), DEADLINE)
        except OSError:
            return False
        return True

    def _receive(self):
        """A message: its length, a colon and JSON."""
        length = b""
        while not length.endswith(b":"):
            length += self._read(1)
        return json.loads(self._read(int(length[:-1])))

    def _read(self, count):
        found = b""
        while len(found) < count:
            part = self.socket.recv(count - len(found))
            assert part, "Firefox has closed the connection"
            found += part
        return found

    def do(self, command, **arguments):
        """A command of WebDriver; returns its value."""
        self.number += 1
        message = json.dumps([0, self.number, command, arguments]).encode()
        self.socket.sendall(b"%d:%s" % (len(message), message))
        _, number, error, result = self._receive()
        assert number == self.number and error is None, (command, error)
        return result

    def open(self, url):
        """A new tab with the page at URL; returns its handle."""
        tab = self.do("WebDriver:NewWindow", type="tab", focus=False)["handle"]
        self.load(tab, url)
        return tab

    def load(self, tab, url):
        """Loads the page at URL in a tab, even if it is already there."""
        self.do("WebDriver:SwitchToWindow", handle=tab)
        self.do("WebDriver:Navigate", url=url)

    def run(self, tab, script, *arguments):
        """Runs SCRIPT, the body of a function, in a tab; returns what it returns."""
        self.do("WebDriver:SwitchToWindow", handle=tab)
        return self.do("WebDriver:ExecuteScript", script=script, args=list(arguments), newSandbox=False, sandbox=None)["value"]
