#!/usr/bin/python3
"""
Every header compiles on its own, with only the include path of its own layer. A struct of ours is defined once, and each
status has a number of its own.
"""
import os
import re
import subprocess
import tempfile

import common
from check_layers import layer_of


def query(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.decode().split()


def flags(layer):
    """The include path of a layer, as Makefile.am sets it."""
    libraries = ["libcrypto", "jansson"]
    for more in ("libpcre2-8", "icu-uc"):
        if subprocess.run(["pkg-config", "--exists", more], check=False).returncode == 0:
            libraries.append(more)
    found = query("pkg-config", "--cflags", *libraries) if layer in ("core", "tools", "httpd") else []
    if layer != "core":
        config = query("apxs", "-q", "APR_CONFIG")
        found += query(*(config or ["apr-1-config"]), "--includes", "--cppflags")
        found += ["-I" + query("apxs", "-q", "APU_INCLUDEDIR")[0]]
    if layer == "httpd":
        found += ["-I" + query("apxs", "-q", "INCLUDEDIR")[0]]
    return found


def header_problems(root, build, get_flags=flags):
    known = {}
    for name in common.files(root, ".h"):
        layer = layer_of(name)
        if layer is None:
            continue
        if layer not in known:
            known[layer] = get_flags(layer)
        with tempfile.NamedTemporaryFile("w", suffix=".c") as source:
            # Included twice, so that the guard is also tested.
            source.write(f'#include "{os.path.join(root, name)}"\n' * 2 + "int not_empty;\n")
            source.flush()
            more = ["-include", os.path.join(root, "src/banned.h")] if build else []
            done = subprocess.run(
                [os.environ.get("CC", "cc"), "-std=gnu11", "-fsyntax-only", "-Wall", "-Wextra", "-Werror",
                 "-Wno-unused-parameter", *([f"-I{build}"] if build else []),
                 f"-I{os.path.join(root, 'src')}", f"-I{root}", f"-I{os.path.join(root, 'include')}", *more, *known[layer], source.name],
                stderr=subprocess.PIPE, check=False)
        if done.returncode:
            first = [line for line in done.stderr.decode(errors="replace").splitlines() if "error" in line]
            yield f"{name}: {first[0] if first else 'does not compile'}"


STRUCT = re.compile(r"^(?:struct|union|enum) (mrc_\w+)(?= \{)", re.MULTILINE)
STATUS = re.compile(r"^#define MRC_STATUS_\w+\s+\((APR_OS_START_USERERR \+ \d+)\)", re.MULTILINE)


def twin_problems(root):
    """Structs with one name, and statuses with one number: the compiler sees only one of them at a time."""
    first = {}
    for name in common.files(root, ".h", ".c"):
        if layer_of(name) is None:
            continue
        text = common.read(root, name)
        for found in [*sorted(set(STRUCT.findall(text))), *STATUS.findall(text)]:
            if found in first:
                yield f"{name}: {found} is also in {first[found]}"
            first.setdefault(found, name)


def self_test(tap):
    good = {"src/core/a.h": "#ifndef A\n#define A\n#include <stddef.h>\nstatic inline size_t f(void)\n"
                            "{ return 0; }\n#endif\n"}
    with common.Tree(good) as root:
        tap.check("self-test: a header that compiles on its own passes", header_problems(root, None, lambda _: []))
    with common.Tree({"src/core/a.h": "size_t f(void);\n"}) as root:
        tap.finds("a header that needs another is found", header_problems(root, None, lambda _: []),
                  "src/core/a.h", "size_t")
    with common.Tree({"src/core/a.h": "static inline int f(void) { return 0; }\n"}) as root:
        tap.finds("a header without a guard is found", header_problems(root, None, lambda _: []),
                  "redefinition")
    good = {"src/core/a.h": "struct mrc_a {\n};\n", "src/store/b.c": "struct mrc_b {\n};\n#else\nstruct mrc_b {\n};\nstruct mrc_a *a;\n"}
    with common.Tree(good) as root:
        tap.check("self-test: structs with different names pass", twin_problems(root))
    with common.Tree({"src/hub/base/list.h": "struct mrc_a {\n};\n", "src/store/b.c": "struct mrc_a {\n};\n"}) as root:
        tap.finds("a struct that is defined twice is found", twin_problems(root), "src/store/b.c", "mrc_a", "list.h")
    number = "(APR_OS_START_USERERR + 7301)\n"
    with common.Tree({"src/hub/a.h": f"#define MRC_STATUS_A {number}#define MRC_STATUS_BC   {number}"}) as root:
        tap.finds("two statuses with one number are found", twin_problems(root), "src/hub/a.h", "7301")


def main():
    args = common.arguments(build=True)
    tap = common.Tap()
    self_test(tap)
    tap.check("every header compiles on its own", header_problems(args.root, os.path.abspath(args.build)))
    tap.check("structs and statuses have no twins", twin_problems(args.root))
    tap.end()


if __name__ == "__main__":
    main()
