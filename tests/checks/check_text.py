#!/usr/bin/python3
"""
Checks the text of the files: C has the layout of clang-format, shellcheck accepts the scripts, no mark of unfinished
work is left, and lines end properly.
"""
import os
import re
import shutil
import subprocess

import common

# Split, so that this file does not contain the words.
UNFINISHED = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b")
# Data and texts of others, which stay as they are.
NOT_OURS = ("tests/vectors/", "LICENSE")


def ours(root, *suffixes):
    return [name for name in common.files(root, *suffixes) if not name.startswith(NOT_OURS)]


def format_problems(root):
    names = ours(root, ".c", ".h")
    if not names:
        return
    done = subprocess.run(["clang-format", "--dry-run", "-Werror", *names], cwd=root, check=False,
                          stderr=subprocess.PIPE)
    seen = set()
    for line in done.stderr.decode(errors="replace").splitlines():
        match = re.match(r"([^:]+):(\d+):.*clang-formatted", line)
        if match and match[1] not in seen:
            seen.add(match[1])
            yield f"{match[1]}:{match[2]}: not formatted by clang-format: run ./dev fmt"
    if done.returncode and not seen:
        yield done.stderr.decode(errors="replace")


def unfinished_problems(root):
    for name in ours(root):
        for number, line in enumerate(common.read(root, name).splitlines(), 1):
            if UNFINISHED.search(line):
                yield f"{name}:{number}: {line.strip()[:100]}"


def is_script(root, name):
    with open(os.path.join(root, name), "rb") as file:
        return re.match(rb"#!\s*/\S*(/env )?\s*\S*\b(ba)?sh\b", file.readline()) is not None


def shell_problems(root):
    for name in ours(root):
        if is_script(root, name):
            done = subprocess.run(["shellcheck", "-f", "gcc", name], cwd=root, check=False,
                                  stdout=subprocess.PIPE)
            yield from done.stdout.decode().splitlines()


def space_problems(root):
    for name in ours(root, ".c", ".h", ".py", ".sh", ".md", ".am", ".ac"):
        text = common.read(root, name)
        if text and not text.endswith("\n"):
            yield f"{name}: the last line has no line end"
        for number, line in enumerate(text.splitlines(), 1):
            if line != line.rstrip():
                yield f"{name}:{number}: space at the end of the line"


def self_test(tap):
    with common.Tree({"a.c": "int f(void);\n", ".clang-format": "BasedOnStyle: LLVM\n",
                      "b": "#!/bin/sh\necho ok\n", "c.md": "fine\n"}) as root:
        tap.check("self-test: a good tree passes", [*format_problems(root), *unfinished_problems(root),
                                                   *shell_problems(root), *space_problems(root)])
    with common.Tree({"a.c": "int   f( void );\n", ".clang-format": "BasedOnStyle: LLVM\n"}) as root:
        tap.finds("another layout is found", format_problems(root), "a.c:1")
    with common.Tree({"a.py": "# TO" + "DO later\n"}) as root:
        tap.finds("a mark of unfinished work is found", unfinished_problems(root), "a.py:1")
    with common.Tree({"a": "#!/usr/bin/env bash\nrm $1\n"}) as root:
        tap.finds("a script with an unquoted variable is found", shell_problems(root), "SC2086")
    with common.Tree({"a.md": "x \n"}) as root:
        tap.finds("a space at the end of a line is found", space_problems(root), "a.md:1")


def main():
    root = common.arguments().root
    tap = common.Tap()
    for tool in ("clang-format", "shellcheck"):
        tap.check(f"{tool} is installed", [] if shutil.which(tool) else [f"install {tool}"])
    if not tap.failed:
        self_test(tap)
        tap.check("C files have the layout of clang-format", format_problems(root))
        tap.check("nothing is marked as unfinished", unfinished_problems(root))
        tap.check("shellcheck has no objections", shell_problems(root))
        tap.check("lines end without spaces, and files with a line end", space_problems(root))
    tap.end()


if __name__ == "__main__":
    main()
