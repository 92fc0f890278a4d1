#!/usr/bin/python3
"""
Includes respect the layers and their rooms.

A layer includes its own and lower ones: httpd -> hub -> store -> core. A room (src/LAYER/ROOM) includes only rooms of
lower floors that its README lists, and only the headers that their READMEs call their face. Units, each a .c file and
its header, form no circle. An include guard is named after its file's path.
"""
import os
import re

import common

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)

# Which layers each layer may include.
MAY_SEE = {
    "core": {"core"},
    "store": {"store", "core"},
    "hub": {"hub", "store", "core"},
    "httpd": {"httpd", "hub", "store", "core"},
    "tools": {"tools", "store", "core"},
}

# From the ground up; the rooms of one floor do not see each other.
FLOORS = [
    {"core/base"},
    {"core/jose", "core/pattern", "core/protocol", "core/url"},
    {"core/urlpattern"},
    {"core/topic"},
    {"core/token"},
    {"store/base"},
    {"store/engine"},
    {"store/documents", "store/ring", "store/shm"},
    {"store/regions"},
    {"store/hub"},
    {"store/lmdb"},
    {"store/history", "store/memory"},
    {"hub/base"},
    {"hub/control", "hub/index"},
    {"hub/hub", "hub/keys"},
    {"hub/lineage"},
    {"hub/transport"},
    {"hub/presence"},
    {"hub/subscriber"},
    {"hub/stream"},
    {"hub/child"},
    {"httpd/base"},
    {"httpd/answer", "httpd/config", "httpd/tls"},
    {"httpd/route"},
    {"httpd/htaccess"},
    {"httpd/child"},
    {"httpd/exchange", "httpd/log", "httpd/sites"},
    {"httpd/http2"},
    {"httpd/access", "httpd/carrier", "httpd/monitor"},
    {"httpd/operator", "httpd/publish"},
    {"httpd/inside", "httpd/resource"},
    {"httpd/life"},
]

MOST_FILES = 30

APR = re.compile(r"^(apr|apu)[_a-z0-9]*\.h$")
HTTPD = re.compile(r"^(httpd|http_\w+|ap_\w+|util_\w+|mod_\w+|mpm_common|scoreboard|unixd|os)\.h$")

# The core is pure: it may include only what is listed.
CORE_MAY = re.compile(
    r"^(assert|ctype|errno|float|inttypes|limits|locale|math|pthread|stdarg|stdatomic|stdbool|stddef|stdint|stdio"
    r"|stdlib|string|strings|wchar|time|endian|byteswap|sys/types"
    r"|openssl/\w+|jansson|pcre2|unicode/\w+)\.h$")


def layer_of(name):
    """The layer of a file of the tree; None if it has none."""
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


def room_of(name):
    """The room of a file of the tree or of an include (core/url/url.h); None outside the rooms."""
    parts = name.removeprefix("src/").split("/")
    return "/".join(parts[:2]) if len(parts) == 3 and parts[0] in MAY_SEE and parts[0] != "tools" else None


def unit_of(name):
    return re.sub(r"\.[ch]$", "", name)


def edges(root):
    """(file, include) for each include of a header of the project by a file of the project."""
    names = common.files(root, ".c", ".h")
    for name in names:
        if layer_of(name) is not None or name.startswith("docs/"):
            for _, what in includes(root, name):
                if f"src/{what}" in names:
                    yield name, f"src/{what}"


def circle_problems(root):
    graph = {}
    for name, target in edges(root):
        if unit_of(name) != unit_of(target):
            graph.setdefault(unit_of(name), set()).add(unit_of(target))
    state = {}

    def walk(unit, path):
        state[unit] = "open"
        for target in sorted(graph.get(unit, ())):
            if state.get(target) == "open":
                yield " -> ".join([*path[path.index(target):], target])
            elif target not in state:
                yield from walk(target, [*path, target])
        state[unit] = "done"

    for unit in sorted(graph):
        if unit not in state:
            yield from walk(unit, [unit])


def readme_list(root, room, label):
    """The names between backquotes in the README's line `- **LABEL**: …`; None without such a line."""
    path = f"src/{room}/README.md"
    if not os.path.exists(os.path.join(root, path)):
        return None
    line = re.search(rf"^- \*\*{label}\*\*: (.*(?:\n  .*)*)", common.read(root, path), re.MULTILINE)
    return set(re.findall(r"`([^`]+)`", line[1])) if line else None


def rooms(root):
    return sorted({room_of(name) for name in common.files(root, ".c", ".h") if room_of(name)})


def floor_problems(root):
    """Each room has a floor, not too many files, and a README that lists what it includes and shows."""
    floor = {room: number for number, level in enumerate(FLOORS) for room in level}
    for room in rooms(root):
        if room not in floor:
            yield f"src/{room}: the room has no floor (FLOORS)"
            continue
        may, face = readme_list(root, room, "May include"), readme_list(root, room, "Face")
        if may is None or face is None:
            yield f"src/{room}/README.md: it needs the lines `- **Face**: …` and `- **May include**: …`"
            continue
        for other in sorted(may):
            if floor.get(other, len(FLOORS)) >= floor[room]:
                yield f"src/{room}/README.md: {other} is not on a lower floor"
        for header in sorted(face):
            if not os.path.exists(os.path.join(root, "src", room, header)):
                yield f"src/{room}/README.md: there is no {header}"
        count = sum(name.endswith((".c", ".h")) for name in os.listdir(os.path.join(root, "src", room)))
        if count > MOST_FILES:
            yield f"src/{room}: {count} files are too many for one room ({MOST_FILES})"


def door_problems(root):
    """A room includes only the face of another room, and only if its README lists that room."""
    seen = {room: set() for room in rooms(root)}
    shown = {room: set() for room in rooms(root)}
    for name, target in edges(root):
        room, other = room_of(name), room_of(target)
        if other is None or other == room:
            continue
        shown[other].add(os.path.basename(target))
        if os.path.basename(target) not in (readme_list(root, other, "Face") or ()):
            yield f"{name}: {target} is not in the face of {other}"
        if room is not None:
            seen[room].add(other)
            if other not in (readme_list(root, room, "May include") or ()):
                yield f"{name}: {room} does not list {other} in its README"
    for room in seen:
        for other in sorted((readme_list(root, room, "May include") or set()) - seen[room]):
            yield f"src/{room}/README.md: nothing here includes {other}"
        for header in sorted((readme_list(root, room, "Face") or set()) - shown[room]):
            yield f"src/{room}/README.md: nothing outside includes {header}"


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


def guarded(name, text):
    guard = "MRC_" + re.sub(r"\W", "_", name).upper()
    return f"/* x */\n#ifndef {guard}\n#define {guard}\n{text}\n#endif\n"


def readme(face="", may=""):
    return f"# x\n\n- **Face**: {face}\n- **May include**: {may}\n"


GOOD = {"src/core/base/a.c": '#include <stdio.h>\n#include "core/base/a.h"\n#include <openssl/evp.h>\n',
        "src/core/base/a.h": guarded("core/base/a.h", ""),
        "src/core/base/README.md": readme("`a.h`", "no other room"), "src/core/README.md": "",
        "src/core/url/a.h": guarded("core/url/a.h", '#include "core/base/a.h"'),
        "src/core/url/README.md": readme("none", "`core/base`"),
        "src/store/base/a.h": guarded("store/base/a.h", '#include "core/base/a.h"\n#include "apr_pools.h"'),
        "src/store/base/README.md": readme("`a.h`", "`core/base`"), "src/store/README.md": "",
        "mod_mercure.c": '#include "httpd.h"\n#include "http_config.h"\n#include "core/base/a.h"\n',
        "tools/t.c": '#include "store/base/a.h"\n#include <sys/mman.h>\n'}

CHECKS = (
    ("each layer includes only its own and lower ones", layer_problems),
    ("no circle among units", circle_problems),
    ("each room has a floor, and its README lists only lower ones", floor_problems),
    ("rooms see only what their READMEs list, and only faces", door_problems),
    ("include guards are named after their files", guard_problems),
    ("each folder of src/ has a README.md", readme_problems),
)


def self_test(tap):
    with common.Tree(GOOD) as root:
        tap.check("self-test: a good tree passes", [problem for _, check in CHECKS for problem in check(root)])
    for what, name, line in (
            ("an upward include", "src/core/base/b.c", '#include "store/base/a.h"'),
            ("an upward include of a header", "src/store/base/b.c", '#include "hub/base/x.h"'),
            ("APR in the core", "src/core/base/b.c", "#include <apr_pools.h>"),
            ("a socket in the core", "src/core/base/b.c", "#  include <sys/socket.h>"),
            ("httpd in the hub", "src/hub/base/b.c", '#include "http_log.h"'),
            ("httpd in a tool", "tools/b.c", "#include <httpd.h>"),
            ("an unknown layer", "src/extra/base/b.c", ""),
            ("an include without its folder", "src/hub/base/b.c", '#include "index.h"')):
        with common.Tree({name: line + "\n"}) as root:
            tap.finds(f"{what} is found", layer_problems(root), name)
    with common.Tree({"src/core/url/a.h": '#include "core/url/b.h"', "src/core/url/b.h": "",
                      "src/core/url/b.c": '#include "core/url/a.h"'}) as root:
        tap.finds("a circle of units is found", circle_problems(root),
                  "src/core/url/a -> src/core/url/b -> src/core/url/a")
    for what, check, files, words in (
            ("a room without a floor", floor_problems, {"src/core/attic/a.h": ""}, ("src/core/attic", "no floor")),
            ("a README without its lists", floor_problems, {"src/core/base/README.md": "# x\n"}, ("Face",)),
            ("a README that lists a room of its own floor", floor_problems,
             {"src/core/url/README.md": readme("none", "`core/base`, `core/jose`")}, ("core/jose", "lower floor")),
            ("a face that is gone", floor_problems, {"src/core/base/README.md": readme("`a.h`, `c.h`")},
             ("no c.h",)),
            ("a crowded room", floor_problems, {f"src/core/base/u{n}.h": "" for n in range(MOST_FILES)},
             ("too many",)),
            ("a room that the README does not list", door_problems, {"src/core/url/README.md": readme()},
             ("src/core/url/a.h", "does not list core/base")),
            ("a header that is not in the face", door_problems,
             {"src/core/base/c.h": "", "src/core/url/c.c": '#include "core/base/c.h"\n'}, ("core/base/c.h", "face")),
            ("a room that is listed for nothing", door_problems,
             {"src/core/url/README.md": readme("none", "`core/base`, `core/jose`")}, ("includes core/jose",)),
            ("a face that nobody looks at", door_problems, {"src/core/url/README.md": readme("`a.h`", "`core/base`")},
             ("outside includes a.h",))):
        with common.Tree({**GOOD, **files}) as root:
            tap.finds(f"{what} is found", check(root), *words)
    with common.Tree({"src/core/base/a.h": guarded("core/base/b.h", "")}) as root:
        tap.finds("a wrong guard is found", guard_problems(root), "MRC_CORE_BASE_A_H")
    with common.Tree({"src/core/base/a.h": "", "src/core/README.md": ""}) as root:
        tap.finds("a missing README is found", readme_problems(root), "src/core/base")


def main():
    root = common.arguments().root
    tap = common.Tap()
    self_test(tap)
    for what, check in CHECKS:
        tap.check(what, check(root))
    tap.end()


if __name__ == "__main__":
    main()
