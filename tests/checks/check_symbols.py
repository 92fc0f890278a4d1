#!/usr/bin/python3
"""
Checks the compiled objects: the module exports its record and nothing else, and no object has writable variables of
file scope except those that are listed here with their reason.
"""
import glob
import os
import re
import subprocess
import tempfile

import common

EXPORTED = {"mercure_module"}

# Source of the object -> its variables that may be writable.
WRITABLE = {
    # httpd writes the record's index and links when it loads the module.
    "mod_mercure.c": {"mercure_module"},
    # The C library calls the handlers of pthread_atfork() without an argument.
    "src/store/base/fork.c": {"fork_lock", "fork_once"},
    # The root of all state of a child process.
    "src/httpd/child/this_child.c": {"this_child"},
    # mod_lua calls its hooks, and Lua calls a script's functions, without an argument that leads to these.
    "src/httpd/inside/lua.c": {"lua", "mod_lua_index"},
}

# address, flags, section, size, visibility?, name
SYMBOL = re.compile(r"^[0-9a-f]+ (.{7}) (\S+)\t[0-9a-f]+\s+(?:\.\w+ )?(\S+)$")
WRITABLE_SECTION = re.compile(r"^(\.data(?!\.rel\.ro)|\.bss|\.tdata|\.tbss|\.lbss|\.ldata|\*COM\*)")


def run(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.decode()


def exported_problems(module):
    names = {line.split()[-1] for line in run("nm", "-D", "--defined-only", module).splitlines()}
    for name in sorted(names - EXPORTED):
        yield f"exported: {name}"
    for name in sorted(EXPORTED - names):
        yield f"not exported: {name}"


def source_of(build, path):
    """The source of an object: src/core/base/buf.c for src/core/base/.libs/libmrccore_la-buf.o."""
    folder, name = os.path.split(os.path.relpath(path, build))
    folder = folder.removesuffix(".libs").rstrip("/")
    return os.path.join(folder, re.sub(r"^\w+_la-", "", name).removesuffix(".o") + ".c")


def objects(build):
    """The position-independent objects that make up the module."""
    return sorted(glob.glob(os.path.join(build, ".libs", "mod_mercure_la-*.o")) +
                  glob.glob(os.path.join(build, "src", "**", ".libs", "*.o"), recursive=True))


def writable_problems(build, paths):
    for path in paths:
        source = source_of(build, path)
        for line in run("objdump", "-t", path).splitlines():
            match = SYMBOL.match(line)
            if not match or not WRITABLE_SECTION.match(match[2]) or match[3].startswith("."):
                continue
            if match[3] not in WRITABLE.get(source, ()):
                yield f"{source}: {match[3]} can be written ({match[2]})"


def self_test(tap):
    with tempfile.TemporaryDirectory() as build:
        folder = os.path.join(build, "src/core/.libs")
        os.makedirs(folder)

        def compile_one(text):
            path = os.path.join(folder, "libmrccore_la-a.o")
            subprocess.run([os.environ.get("CC", "cc"), "-x", "c", "-fPIC", "-c", "-", "-o", path],
                           input=text.encode(), check=True)
            return writable_problems(build, [path])

        tap.check("self-test: constants pass", compile_one(
            'static const char *const names[] = {"a", "b"}; const char **get(int i);\n'
            "const char **get(int i) { return (const char **)&names[i]; }\n"))
        for what, text in (("a variable", "int counter = 1;"), ("an uninitialized variable", "int counter;"),
                           ("a static in a function", "int f(void) { static int counter; return counter++; }"),
                           ("a thread-local variable", "_Thread_local int counter;"),
                           ("a table without const",
                            'static const char *counter[] = {"a"}; const char **f(void) { return counter; }')):
            tap.finds(f"{what} is found", compile_one(text + "\n"), "src/core/a.c", "counter")
        module = os.path.join(build, "m.so")
        subprocess.run([os.environ.get("CC", "cc"), "-x", "c", "-fPIC", "-shared", "-nostdlib", "-o", module,
                        "-"], input=b"int mercure_module; int helper(void) { return 1; }\n", check=True)
        tap.finds("a second export is found", exported_problems(module), "exported: helper")


def main():
    args = common.arguments(build=True)
    tap = common.Tap()
    self_test(tap)
    tap.check("the module exports its record and nothing else",
              exported_problems(os.path.join(args.build, ".libs/mod_mercure.so")))
    found = objects(args.build)
    tap.check("there are objects to check", [] if found else [f"none in {args.build}"])
    tap.check("no writable variables of file scope", writable_problems(args.build, found))
    tap.end()


if __name__ == "__main__":
    main()
