#!/usr/bin/python3
"""Every header compiles on its own, with only the include path of its own layer."""
import os
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


def main():
    args = common.arguments(build=True)
    tap = common.Tap()
    self_test(tap)
    tap.check("every header compiles on its own", header_problems(args.root, os.path.abspath(args.build)))
    tap.end()


if __name__ == "__main__":
    main()
