#!/usr/bin/python3
"""Functions are short: of those in src/, nine in ten have at most P90 lines, and none has more than MOST."""
import common

P90 = 30
MOST = 80


def functions(text):
    """(name, lines) of each function, in the layout of clang-format: its braces stand alone at the margin."""
    head = start = None
    for number, line in enumerate(text.splitlines()):
        if start is None and line[:1].isalpha() and "(" in line:
            head = line
        elif line == "{" and head is not None:
            start = number
        elif line == "}" and start is not None:
            yield head.partition("(")[0].split()[-1].lstrip("*"), number - start - 1
            head = start = None


def lengths(root):
    return sorted((lines, f"{name}: {function}()") for name in common.files(root, ".c")
                  if name.startswith("src/") for function, lines in functions(common.read(root, name)))


def quantile(values, share):
    return values[min(len(values) - 1, int(len(values) * share))][0]


def problems(root):
    found = lengths(root)
    if found and quantile(found, 0.9) > P90:
        yield f"one function in ten has more than {P90} lines ({quantile(found, 0.9)})"
    for lines, where in found:
        if lines > MOST:
            yield f"{where} has {lines} lines, at most {MOST} are allowed"


def self_test(tap):
    def function(lines):
        return "static int f(int a,\n             int b)\n{\n" + "    a++;\n" * lines + "}\n\n"

    with common.Tree({"src/a.c": function(P90) + "struct s {\n" + "    int a;\n" * 200 + "};\n"}) as root:
        tap.check("self-test: short functions and long structs pass", problems(root))
    with common.Tree({"src/a.c": function(1) * 10 + function(MOST + 1)}) as root:
        tap.finds("a long function is found", problems(root), "src/a.c: f()", str(MOST + 1))
    with common.Tree({"src/a.c": function(1) * 8 + function(P90 + 1) * 2}) as root:
        tap.finds("many rather long functions are found", problems(root), "one function in ten")


def main():
    root = common.arguments().root
    tap = common.Tap()
    self_test(tap)
    tap.check("functions are short", problems(root))
    found = lengths(root)
    print(f"# {len(found)} functions: p50 {quantile(found, 0.5)}, p90 {quantile(found, 0.9)}, max {found[-1][0]} lines")
    tap.end()


if __name__ == "__main__":
    main()
