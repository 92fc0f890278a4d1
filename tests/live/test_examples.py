"""The examples, served as their README says, in Chromium."""
import os
import re
import subprocess

import pytest

from env.httpd import find_module
from env.hub import PATH
from test_debugger import NODE_FOLDER, drive

pytestmark = pytest.mark.mpm("event")

EXAMPLES = os.path.realpath(os.path.join(NODE_FOLDER, "../../examples"))
KEY = "key-of-the-examples:0123456789abcdef0123456789abcdef"


def minter():
    folder = os.environ.get("MERCURE_BUILD") or os.path.dirname(os.path.dirname(os.path.abspath(find_module())))
    return os.path.join(folder, "mercure-token")


def test_examples_work_as_their_readme_says(httpd):
    httpd.load("headers")
    httpd.env["MERCURE_JWT_KEY"] = KEY
    env = {**os.environ, "MERCURE_JWT_KEY": KEY}
    url = f"http://localhost:{httpd.port}"
    # The server's user may not be able to read the clone.
    for folder, _, names in os.walk(EXAMPLES):
        for name in names:
            with open(os.path.join(folder, name), "rb") as file:
                httpd.write(os.path.join("examples", os.path.relpath(folder, EXAMPLES), name), file.read())
    cookie = subprocess.run([os.path.join(EXAMPLES, "chat/cookie.sh"), url + PATH, minter()], env=env, check=True,
                            capture_output=True, text=True).stdout
    path = httpd.write("conf/cookie.conf", cookie)
    with open(os.path.join(EXAMPLES, "README.md"), encoding="utf-8") as file:
        block, = re.findall(r"```apache\n(.*?)```", file.read(), re.DOTALL)
    for written, here in (("/path/to/examples", httpd.path("examples")), ("/etc/apache2/mercure-chat-cookie.conf", path)):
        assert written in block
        block = block.replace(written, here)
    httpd.start("AddType text/javascript .js\nAddType text/css .css\n" + block)
    httpd.expect_log("AH01630.*examples")
    assert httpd.get("/examples/chat/cookie.sh").status == 403
    subprocess.run([os.path.join(EXAMPLES, "dashboard/publish.sh"), url + PATH, minter(), "2"], env=env, check=True)
    drive("examples.mjs", url)
