#!/usr/bin/python3
"""docs/conformance.md: each rule of the draft has its level, a description of what the hub does, and tests that
exist."""
import os
import re

import common

PAGE = "docs/conformance.md"
LEVELS = ("MUST", "MUST NOT", "SHOULD", "SHOULD NOT")
HEAD = ["level", "rule", "this hub", "tests"]


def tests_of(root, name):
    """The names of the tests in the file NAME below tests/; None if there is no such file."""
    if not os.path.isfile(os.path.join(root, "tests", name)):
        return None
    text = common.read(root, f"tests/{name}")
    pattern = r"^START_TEST\((\w+)\)" if name.endswith(".c") else r"^(?:async )?def (test_\w+)\("
    return set(re.findall(pattern, text, re.MULTILINE))


def rows(root):
    """(line number, cells) of each row of a table."""
    for number, line in enumerate(common.read(root, PAGE).splitlines(), 1):
        if line.startswith("|"):
            yield number, [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]


def problems(root):
    known = {}
    rules = 0
    for number, cells in rows(root):
        where = f"{PAGE}:{number}"
        if cells == HEAD or all(set(cell) <= set("-") for cell in cells):
            continue
        rules += 1
        if len(cells) != len(HEAD) or not all(cells):
            yield f"{where}: a rule must have {len(HEAD)} cells, and none may be empty"
            continue
        if cells[0] not in LEVELS:
            yield f"{where}: {cells[0]} is not a level: use one of {', '.join(LEVELS)}"
        named = re.findall(r"`([^`]*)`", cells[3])
        if not named or re.sub(r"`[^`]*`", "", cells[3]).strip():
            yield f"{where}: the last cell must name tests, each between backquotes, and nothing else"
        for test in named:
            name, colons, function = test.partition("::")
            if name not in known:
                known[name] = tests_of(root, name)
            if not colons or known[name] is None:
                yield f"{where}: {test}: there is no file tests/{name}"
            elif function not in known[name]:
                yield f"{where}: {test}: there is no such test"
    if rules == 0:
        yield f"{PAGE} has no rule"


def self_test(tap):
    head = f"| {' | '.join(HEAD)} |\n|---|---|---|---|\n"
    files = {"tests/live/test_a.py": "def test_one(httpd):\n    pass\n", "tests/unit/test_b.c": "START_TEST(two)\n"}
    good = "| MUST | rule | yes | `live/test_a.py::test_one` `unit/test_b.c::two` |\n"
    with common.Tree({PAGE: head + good, **files}) as root:
        tap.check("self-test: a correct page passes", problems(root))
    for name, text, words in (
            ("a missing test is found", good.replace("::test_one", "::test_two"), ("test_two", "no such test")),
            ("a missing test in C is found", good.replace("::two", "::tw"), ("no such test",)),
            ("a missing file is found", good.replace("test_a.py", "test_c.py"), ("no file tests/live/test_c.py",)),
            ("a rule without a test is found", "| MUST | rule | yes | none yet |\n", ("must name tests",)),
            ("an unknown level is found", good.replace("MUST", "MAY"), ("not a level",)),
            ("an empty cell is found", good.replace(" yes ", " "), ("none may be empty",)),
            ("a page without rules is found", "", ("no rule",))):
        with common.Tree({PAGE: head + text, **files}) as root:
            tap.finds(name, problems(root), *words)


def main():
    root = common.arguments().root
    tap = common.Tap()
    self_test(tap)
    tap.check("each rule of docs/conformance.md names tests that exist", problems(root))
    tap.end()


if __name__ == "__main__":
    main()
