"""Shared by the checks: TAP on standard output, the files of the tree, and small trees for self-tests."""
import argparse
import os
import subprocess
import sys
import tempfile


class Tap:
    """Prints one line per check; the exit status says whether all passed."""

    def __init__(self):
        self.count = 0
        self.failed = 0

    def check(self, name, problems):
        """PROBLEMS: a line for each problem. The check passes if there is none."""
        self.count += 1
        problems = list(problems)
        if problems:
            self.failed += 1
        print(f"{'not ok' if problems else 'ok'} {self.count} - {name}")
        for problem in problems:
            print(f"#   {problem}")

    def finds(self, name, problems, *words):
        """A self-test: PROBLEMS must be one line that contains all WORDS."""
        problems = list(problems)
        good = len(problems) == 1 and all(word in problems[0] for word in words)
        self.check(f"self-test: {name}", [] if good else [f"got {problems}, expected one line with {words}"])

    def end(self):
        print(f"1..{self.count}")
        sys.exit(1 if self.failed else 0)


def arguments(build=False):
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", default=os.path.dirname(os.path.dirname(os.path.dirname(
        os.path.abspath(__file__)))), help="the source tree")
    if build:
        parser.add_argument("--build", help="a finished build tree", required=True)
    return parser.parse_args()


def files(root, *suffixes):
    """The files of the tree that git tracks or would track, relative to ROOT, sorted."""
    if os.path.exists(os.path.join(root, ".git")):
        names = subprocess.run(
            ["git", "-c", "safe.directory=*", "ls-files", "-co", "--exclude-standard", "-z"],
            cwd=root, check=True, stdout=subprocess.PIPE).stdout.decode("utf-8").split("\0")
    else:
        names = [os.path.relpath(os.path.join(folder, name), root)
                 for folder, _, found in os.walk(root) for name in found]
    return sorted({name for name in names if name and os.path.isfile(os.path.join(root, name))
                   and (not suffixes or name.endswith(suffixes))})


def read(root, name):
    with open(os.path.join(root, name), encoding="utf-8", errors="replace") as file:
        return file.read()


class Tree:
    """A small tree for a self-test: with Tree({"src/core/a.c": "…"}) as root: …"""

    def __init__(self, content):
        self.content = content

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        for name, text in self.content.items():
            path = os.path.join(self.folder.name, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as out:
                out.write(text)
        return self.folder.name

    def __exit__(self, *exc):
        self.folder.cleanup()
