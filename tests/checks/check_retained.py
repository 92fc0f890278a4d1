#!/usr/bin/python3
"""
Checks that src/httpd/life/retained.c names the layout of what survives a reload, which another build of the module may
read: each struct, union and enum of the rooms below, and each constant of their layout headers. If one of them
changes, RETAINED_VERSION changes, too, because otherwise that build would take the bytes of one for those of another.
"""
import hashlib
import os
import re

import common

ROOMS = ("base", "hub", "memory", "regions", "ring", "shm")
RETAINED = "src/httpd/life/retained.c"
FILES = (RETAINED, "src/store/history/dir.c")

COMMENT = re.compile(r"/\*.*?\*/", re.S)
BEGINNING = re.compile(r"^(?:struct|union|enum)\b[^;{}()=]*\{", re.M)
CONSTANT = re.compile(r"^#define\s+(\w+)\s+(\S(?:[^\n]|\\\n)*)", re.M)


def definitions(text):
    """The definitions of types in TEXT, each as far as its closing brace."""
    for match in BEGINNING.finditer(text):
        depth, end = 1, match.end()
        while depth:
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        yield text[match.start():end]


def layout(root):
    parts = []
    rooms = tuple(f"src/store/{room}/" for room in ROOMS)
    for name in common.files(root, ".c", ".h"):
        if name.startswith(rooms) or name in FILES:
            text = COMMENT.sub(" ", common.read(root, name))
            parts += definitions(text)
            if name.endswith("layout.h"):
                parts += [" ".join(match.groups()) for match in CONSTANT.finditer(text)]
    return hashlib.sha256("\n".join(" ".join(part.split()) for part in parts).encode()).hexdigest()[:16]


def problems(root):
    text = common.read(root, RETAINED)
    version = re.search(r"^#define RETAINED_VERSION (\d+)$", text, re.M)
    named = re.search(r"^ \* Layout: ([0-9a-f]{16})$", text, re.M)
    found = layout(root)
    if not version or not named or named[1] != found:
        following = int(version[1]) + 1 if version else 1
        yield (f"{RETAINED}: the layout of what survives a reload has changed: write \"Layout: {found}\", and "
               f"RETAINED_VERSION {following} unless the former one was never installed")


# ---- self-tests ----------------------------------------------------------------------------------


def self_test(tap):
    layouts = set()
    files = {"src/store/base/a.c": "struct a {\n    int b; /* one */\n};\n", RETAINED: "",
             "src/store/hub/layout.h": "#define SHIFT 3\nenum c { C };\n", "src/store/engine/d.h": "struct d { int e; };\n"}
    changes = (
        ("nothing", None, "", "", False),
        ("a comment", "src/store/base/a.c", "one", "two", False),
        ("a room that retains nothing", "src/store/engine/d.h", "int", "long", False),
        ("a struct", "src/store/base/a.c", "int", "long", True),
        ("an enum", "src/store/hub/layout.h", "{ C }", "{ B, C }", True),
        ("a constant", "src/store/hub/layout.h", "3", "4", True))
    for what, name, old, new, counts in changes:
        changed = {**files, **({name: files[name].replace(old, new)} if name else {})}
        with common.Tree(changed) as root:
            found = layout(root)
        layouts.add(found)
        with common.Tree({**changed, RETAINED: f"/*\n * Layout: {min(layouts) if not counts else '0' * 16}\n */\n"
                          "#define RETAINED_VERSION 7\n"}) as root:
            if counts:
                tap.finds(f"{what} is found", problems(root), "RETAINED_VERSION 8", found)
            else:
                tap.check(f"self-test: {what} changes nothing", problems(root))
    tap.check("self-test: each change counts", [] if len(layouts) == 4 else [str(layouts)])


def main():
    root = common.arguments().root
    tap = common.Tap()
    self_test(tap)
    tap.check("RETAINED_VERSION is that of the layout", problems(root))
    tap.end()


if __name__ == "__main__":
    main()
