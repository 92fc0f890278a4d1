#!/usr/bin/python3
"""docs/security-model.md: each statement names tests that exist."""
import re

import common
from check_conformance import tests_of

PAGE = "docs/security-model.md"
LAST = "tests"


def tables(root):
    """(line number, cells, whether it is a header or the line below it) of each row of a table."""
    before = ""
    for number, line in enumerate(common.read(root, PAGE).splitlines(), 1):
        if line.startswith("|"):
            cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
            yield number, cells, not before.startswith("|") or set(line) <= set("|-")
        before = line


def test_problems(root, where, text, known):
    for test in re.findall(r"`((?:live|unit)/[^`]*)`", text):
        name, colons, function = test.partition("::")
        if name not in known:
            known[name] = tests_of(root, name)
        if not colons or known[name] is None:
            yield f"{where}: {test}: there is no file tests/{name}"
        elif function not in known[name]:
            yield f"{where}: {test}: there is no such test"


def problems(root):
    known = {}
    width = statements = 0
    for number, cells, is_head in tables(root):
        where = f"{PAGE}:{number}"
        if is_head:
            width = len(cells)
            if set("".join(cells)) - set("-") and cells[-1] != LAST:
                yield f"{where}: the last column of a table must be {LAST}"
            continue
        statements += 1
        if len(cells) != width or not all(cells):
            yield f"{where}: a statement must have {width} cells, and none may be empty"
        elif not re.fullmatch(r"(`(live|unit)/[^`]+` ?)+", cells[-1]):
            yield f"{where}: the last cell must name tests, each between backquotes, and nothing else"
    text = common.read(root, PAGE)
    for number, line in enumerate(text.splitlines(), 1):
        yield from test_problems(root, f"{PAGE}:{number}", line, known)
    if statements == 0:
        yield f"{PAGE} has no statement"


def self_test(tap):
    head = "| statement | tests |\n|---|---|\n"
    files = {"tests/live/test_a.py": "def test_one(httpd):\n    pass\n", "tests/unit/test_b.c": "START_TEST(two)\n"}
    good = "| They cannot. | `live/test_a.py::test_one` `unit/test_b.c::two` |\n"
    with common.Tree({PAGE: head + good, **files}) as root:
        tap.check("self-test: a correct page passes", problems(root))
    for name, text, words in (
            ("a missing test is found", head + good.replace("::test_one", "::test_two"), ("test_two", "no such test")),
            ("a missing file is found", head + good.replace("test_a.py", "test_c.py"), ("no file tests/live/test_c.py",)),
            ("a missing test in a sentence is found", head + good + "\n(`unit/test_b.c::six`)\n", ("no such test",)),
            ("a statement without a test is found", head + "| They cannot. | none |\n", ("must name tests",)),
            ("an empty statement is found", head + good.replace(" They cannot. ", ""), ("none may be empty",)),
            ("a table without tests is found", head.replace("tests", "why") + good, ("last column",)),
            ("a page without statements is found", "", ("no statement",))):
        with common.Tree({PAGE: text, **files}) as root:
            tap.finds(name, problems(root), *words)


def main():
    root = common.arguments().root
    tap = common.Tap()
    self_test(tap)
    tap.check("each statement of docs/security-model.md names tests that exist", problems(root))
    tap.end()


if __name__ == "__main__":
    main()
