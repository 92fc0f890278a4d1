#!/usr/bin/python3
"""
The layers: httpd -> hub -> store -> core. A layer includes its own and lower ones, nothing above; no
circles among headers; an include guard is named after its file's path; each folder tells what it is for.
"""
import os
import re

import common

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)

# What each layer may include of ours.
MAY_SEE = {
    "core": {"core"},
    "store": {"store", "core"},
    "hub": {"hub", "store", "core"},
    "httpd": {"httpd", "hub", "store", "core"},
    "tools": {"tools", "store", "core"},
}

APR = re.compile(r"^(apr|apu)[_a-z0-9]*\.h$")
HTTPD = re.compile(r"^(httpd|http_\w+|ap_\w+|util_\w+|mod_\w+|mpm_common|scoreboard|unixd|os)\.h$")

# The core is pure: what it may include is listed, and everything else is refused.
CORE_MAY = re.compile(
    r"^(assert|ctype|errno|float|inttypes|limits|locale|math|pthread|stdarg|stdatomic|stdbool|stddef|stdint|stdio"
    r"|stdlib|string|strings|wchar|time|endian|byteswap|sys/types"
    r"|openssl/\w+|jansson|pcre2|unicode/\w+)\.h$")


def layer_of(name):
    """The layer of a file of the tree, None for what has none."""
    parts = name.split("/")
    if name == "mod_mercure.c":
        return "httpd"
    if parts[0] == "src" and len(parts) > 2:
        return parts[1]
    if parts[0] == "tools" and len(parts) > 1:
        return "tools"
    return None


def includes(root, name):
    """(kind, what) of each include of a file."""
    return INCLUDE.findall(common.read(root, name))


def layer_problems(root):
    for name in common.files(root, ".c", ".h"):
        layer = layer_of(name)
        if layer is None:
            continue
        if layer not in MAY_SEE:
            yield f"{name}: no layer is called {layer}"
            continue
        for kind, what in includes(root, name):
            first = what.split("/")[0]
            if kind == '"' and "/" in what and first in MAY_SEE:
                if first not in MAY_SEE[layer]:
                    yield f"{name}: {layer} may not include {what}"
            elif what in ("banned.h", "mrc_config.h"):
                continue
            elif kind == '"' and "/" not in what and not (APR.match(what) or HTTPD.match(what) or
                                                          CORE_MAY.match(what)):
                yield f"{name}: write {what} with its folder"
            elif layer == "core" and not CORE_MAY.match(what):
                yield f"{name}: the core may not include {what}"
            elif layer != "httpd" and HTTPD.match(what):
                yield f"{name}: {layer} may not include httpd's {what}"


def circle_problems(root):
    headers = [name for name in common.files(root, ".h") if name.startswith(("src/", "tools/"))]
    graph = {}
    for name in headers:
        targets = {f"src/{what}" for _, what in includes(root, name)} | {what for _, what in includes(root, name)}
        graph[name] = sorted(targets & set(headers))
    state = {}

    def walk(name, path):
        state[name] = "open"
        for target in graph[name]:
            if state.get(target) == "open":
                yield " -> ".join([*path[path.index(target):], target])
            elif target not in state:
                yield from walk(target, [*path, target])
        state[name] = "done"

    for name in headers:
        if name not in state:
            yield from walk(name, [name])


def guard_problems(root):
    for name in common.files(root, ".h"):
        if not name.startswith(("src/", "tools/")):
            continue
        guard = "MRC_" + re.sub(r"\W", "_", name.removeprefix("src/")).upper()
        text = re.sub(r"/\*.*?\*/", "", common.read(root, name), flags=re.DOTALL)
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if lines[:2] != [f"#ifndef {guard}", f"#define {guard}"] or not lines[-1].startswith("#endif"):
            yield f"{name}: its include guard must be {guard}"


def readme_problems(root):
    folders = {os.path.dirname(name) for name in common.files(root) if name.startswith("src/")}
    for folder in sorted(folders - {"src"}):
        if not os.path.exists(os.path.join(root, folder, "README.md")):
            yield f"{folder}: no README.md"


def self_test(tap):
    def guarded(name, text):
        guard = "MRC_" + re.sub(r"\W", "_", name).upper()
        return f"/* x */\n#ifndef {guard}\n#define {guard}\n{text}\n#endif\n"

    good = {"src/core/a.c": '#include <stdio.h>\n#include "core/a.h"\n#include <openssl/evp.h>\n',
            "src/core/a.h": guarded("core/a.h", ""), "src/core/README.md": "",
            "src/store/a.h": guarded("store/a.h", '#include "core/a.h"\n#include "apr_pools.h"'),
            "src/store/README.md": "",
            "mod_mercure.c": '#include "httpd.h"\n#include "http_config.h"\n#include "httpd/a.h"\n',
            "tools/t.c": '#include "store/a.h"\n#include <sys/mman.h>\n'}
    with common.Tree(good) as root:
        problems = [*layer_problems(root), *circle_problems(root), *guard_problems(root),
                    *readme_problems(root)]
        tap.check("self-test: a good tree passes", problems)
    for what, name, line in (
            ("an upward include", "src/core/b.c", '#include "store/a.h"'),
            ("an upward include of a header", "src/store/b.c", '#include "hub/x.h"'),
            ("APR in the core", "src/core/b.c", "#include <apr_pools.h>"),
            ("a socket in the core", "src/core/b.c", "#  include <sys/socket.h>"),
            ("httpd in the hub", "src/hub/b.c", '#include "http_log.h"'),
            ("httpd in a tool", "tools/b.c", "#include <httpd.h>"),
            ("a layer that nobody knows", "src/extra/b.c", ""),
            ("an include without its folder", "src/hub/b.c", '#include "index.h"')):
        with common.Tree({name: line + "\n"}) as root:
            tap.finds(f"{what} is found", layer_problems(root), name)
    with common.Tree({"src/core/a.h": '#include "core/b.h"', "src/core/b.h": '#include "core/c.h"',
                      "src/core/c.h": '#include "core/a.h"'}) as root:
        tap.finds("a circle is found", circle_problems(root), "src/core/b.h -> src/core/c.h")
    with common.Tree({"src/core/a.h": guarded("core/b.h", "")}) as root:
        tap.finds("a wrong guard is found", guard_problems(root), "MRC_CORE_A_H")
    with common.Tree({"src/core/a.h": "", "src/README.md": ""}) as root:
        tap.finds("a missing README is found", readme_problems(root), "src/core")


def main():
    root = common.arguments().root
    tap = common.Tap()
    self_test(tap)
    tap.check("each layer includes only its own and lower ones", layer_problems(root))
    tap.check("no circle among headers", circle_problems(root))
    tap.check("include guards are named after their files", guard_problems(root))
    tap.check("each folder of src/ has a README.md", readme_problems(root))
    tap.end()


if __name__ == "__main__":
    main()
