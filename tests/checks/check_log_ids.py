#!/usr/bin/python3
"""Each line of the error log has its own id, and docs/log-messages.md explains its cause and its fix."""
import importlib.util
import os

import common

PAGE = "docs/log-messages.md"


def generator():
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "log-messages.py")
    spec = importlib.util.spec_from_file_location("log_messages", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATOR = generator()


def problems(root):
    known = {}
    entries = GENERATOR.entries(root)
    for message in GENERATOR.messages(root):
        if message.id is None:
            yield f"{message.where}: the line has no id: {message.text[:60]}"
        elif message.id in known:
            yield f"{message.where}: MRC{message.id} is also at {known[message.id]}"
        elif message.id not in entries:
            yield f"{message.where}: docs/log-messages.in has no entry for MRC{message.id}"
        elif not message.levels:
            yield f"{message.where}: the level of MRC{message.id} is not found"
        known.setdefault(message.id, message.where)
    for number, (_, text) in entries.items():
        if number not in known:
            yield f"docs/log-messages.in: no line has MRC{number}"
        if not text:
            yield f"docs/log-messages.in: MRC{number} has no text"


def page_problems(root):
    if common.read(root, PAGE) != GENERATOR.page(root):
        yield f"{PAGE} is not what `make docs` makes"


def self_test(tap):
    def tree(calls, entries):
        source = "".join(f"void f{n}(void)\n{{\n    {call}\n}}\n" for n, call in enumerate(calls))
        return {"src/httpd/base/a.c": source, "docs/log-messages.in": "## Part\n\n" + entries}

    call = 'ap_log_error(APLOG_MARK, APLOG_ERR, 0, s, "MRC0101: %d files (%s) "\n"are \\"left\\"", n, name(a, ")"));'
    entry = "### MRC0101\nCause.\n"
    with common.Tree(tree([call], entry)) as root:
        tap.check("self-test: a line with an id and an entry passes", problems(root))
        text = "" if '`error`: ``… files (…) are "left"``\n\nCause.' in GENERATOR.page(root) else GENERATOR.page(root)
        tap.check("self-test: the page shows level and text", [text] if text else [])
    for what, calls, entries, words in (
            ("a line without an id", ['ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r, "no id");'], "", ("no id",)),
            ("an id that stands twice", [call, call], entry, ("src/httpd/base/a.c:8", "MRC0101", "is also at")),
            ("a line without an entry", [call], "", ("no entry for MRC0101",)),
            ("an entry without a line", [], entry, ("no line has MRC0101",)),
            ("an entry without a text", [call], "### MRC0101\n", ("no text",)),
            ("a line without a level", [call.replace("APLOG_ERR", "level")], entry, ("level", "not found"))):
        with common.Tree(tree(calls, entries)) as root:
            tap.finds(f"{what} is found", problems(root), *words)
    with common.Tree({**tree([call], entry), PAGE: "old\n"}) as root:
        tap.finds("an old page is found", page_problems(root), "make docs")


def main():
    root = common.arguments().root
    tap = common.Tap()
    self_test(tap)
    tap.check("each line of the error log has an id and an entry", problems(root))
    tap.check("the page of the log messages is up to date", page_problems(root))
    tap.end()


if __name__ == "__main__":
    main()
