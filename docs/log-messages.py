#!/usr/bin/python3
"""
Prints docs/log-messages.md: the lines that the module writes to the error log, by id. The level and the text of
each come from the sources, its cause and its fix from docs/log-messages.in.

    docs/log-messages.py [ROOT]
"""
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
CALL = re.compile(r"\bap_log_(?:r|c)?error\(")
LEVELS = {"CRIT": "crit", "ERR": "error", "WARNING": "warn", "NOTICE": "notice", "INFO": "info", "DEBUG": "debug",
          "TRACE1": "trace1"}

HEAD = """# Log messages

<!-- Generated from the sources and docs/log-messages.in by `make docs`. -->

Every line that mod_mercure writes to the error log begins with an id, such as `MRC0601`. An id never changes and is never
used for another line, so you can search for it, and set up alerts for it. The first two digits name the part of the
module. Mistakes in the configuration that httpd reports as `AH00526: Syntax error` have no id: they name the directive.

Each entry shows the level and the text of the line; `…` stands for values that differ each time. Lines of level info and
debug appear with `LogLevel mercure:info` and `LogLevel mercure:debug`, and those of level trace1 with `LogLevel mercure:trace1`.
"""


class Message:
    def __init__(self, where, levels, text):
        self.where, self.levels, self.text = where, levels, text
        match = re.match(r"MRC(\d{4}): ", text)
        self.id = match[1] if match else None


def arguments(text, start):
    """The text between the parenthesis before START and its end."""
    depth, at, quoted = 1, start, False
    while depth:
        if text[at] == "\\":
            at += 1
        elif text[at] == '"':
            quoted = not quoted
        elif not quoted:
            depth += {"(": 1, ")": -1}.get(text[at], 0)
        at += 1
    return text[start:at - 1]


def literal(text, macros):
    """The first string of TEXT with all that is concatenated to it; MACROS are strings, others such as APR_INT64_T_FMT
    conversions."""
    match = re.search(r'"(?:[^"\\]|\\.)*"(?:\s*(?:"(?:[^"\\]|\\.)*"|[A-Z][A-Z0-9_]+(?=\s*["A-Z])|[A-Z0-9_]+_FMT))*', text)
    if not match:
        return ""
    words = "".join(macros.get(name, "") if name else part
                    for part, name in re.findall(r'"((?:[^"\\]|\\.)*)"|\b([A-Z][A-Z0-9_]+)', match[0]))
    return words.replace('\\"', '"').replace("\\n", " ")


def shown(text):
    """A format string as people will see its result."""
    return re.sub(r"%(?:[-0-9.*]*(?:pp|l*[a-zA-Z])|(?=\W|$))", "…", text)


def messages(root):
    for folder, _, names in sorted(os.walk(os.path.join(root, "src", "httpd"))):
        for name in sorted(names):
            if name.endswith(".c"):
                path = os.path.join(folder, name)
                with open(path, encoding="utf-8") as file:
                    source = file.read()
                macros = dict(re.findall(r'^#define (\w+) "(.*)"$', source, re.M))
                for call in CALL.finditer(source):
                    inside = arguments(source, call.end())
                    levels = [LEVELS[word] for word in re.findall(r"APLOG_(\w+)", inside) if word in LEVELS]
                    if "STARTUP_ERROR" in inside:
                        levels = ["error"]
                    line = source.count("\n", 0, call.start()) + 1
                    yield Message(f"{os.path.relpath(path, root)}:{line}", levels, literal(inside, macros))


def entries(root):
    """id -> (heading of its part, cause and fix) of docs/log-messages.in, in the order of the file."""
    found, part = {}, ""
    with open(os.path.join(root, "docs", "log-messages.in"), encoding="utf-8") as file:
        for block in re.split(r"\n(?=##+ )", "\n" + file.read()):
            head, _, text = block.strip().partition("\n")
            if match := re.fullmatch(r"### MRC(\d{4})", head):
                found[match[1]] = (part, text.strip())
            elif head.startswith("## "):
                part = head[3:]
    return found


def page(root):
    known = {message.id: message for message in messages(root)}
    lines, last = [HEAD], None
    for number, (part, text) in entries(root).items():
        if part != last:
            lines.append(f"## {part}\n")
            last = part
        message = known.get(number)
        if message:
            lines.append(f"### MRC{number}\n`{' or '.join(message.levels)}`: "
                         f"``{shown(message.text).removeprefix(f'MRC{number}: ')}``\n\n"
                         + text.replace("\nFix: ", "\n\n**Fix:** ") + "\n")
    return "\n".join(lines).rstrip("\n") + "\n"


if __name__ == "__main__":
    sys.stdout.write(page(sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(HERE)))
