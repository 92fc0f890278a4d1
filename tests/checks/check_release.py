#!/usr/bin/python3
"""
The parts of a release fit together: the version has one value, which CHANGELOG.md has, the links of the pages in the
root lead somewhere, docs/dependencies.md lists what is linked, and the workflows and issue forms are well-formed and
run commands that exist.
"""
import os
import re
import subprocess

import common
import yaml

DEPENDENCIES = "docs/dependencies.md"
PAGES = ("README.md", "README.zh-CN.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", DEPENDENCIES)
PROGRAMS = (".libs/mod_mercure.so", "mercure-token", "mercure-control", "mercure-history", "ringdump")
# Linked into every program, or by the compiler itself.
OF_THE_SYSTEM = {"libc.so", "libpthread.so", "libgcc_s.so", "ld-linux-x86-64.so", "libasan.so", "libubsan.so"}
# The names in Debian and Fedora of what pkg-config calls by these names.
DEBIAN = {"libcrypto": "libssl-dev", "libssl": "libssl-dev", "jansson": "libjansson-dev", "libpcre2-8": "libpcre2-dev",
          "libcurl": "libcurl4-openssl-dev", "icu-uc": "libicu-dev", "lmdb": "liblmdb-dev", "hiredis": "libhiredis-dev",
          "libnghttp2": "libnghttp2-dev", "check": "check"}


def version_of(root):
    return re.search(r"^AC_INIT\(\[mod_mercure\], \[([^]]+)\]\)", common.read(root, "configure.ac"), re.MULTILINE)[1]


def version_problems(root):
    version = version_of(root)
    for name, pattern in (("packaging/debian/changelog", r"\Amod-mercure \(([^)-]+)"),
                          ("packaging/rpm/mod_mercure.spec", r"^Version:\s*(\S+)"),
                          ("packaging/rpm/mod_mercure.spec", r"^%changelog\n\*[^\n]* - ([^\n-]+)-\d+$")):
        found = re.search(pattern, common.read(root, name), re.MULTILINE)
        if not found or found[1] != version:
            yield f"{name}: the version is {found and found[1]}, and {version} in configure.ac"


def changelog_problems(root):
    """The versions descend, each with its date; only the first may be unreleased. The version in configure.ac has an
    entry."""
    heads = re.findall(r"^## (.*)$", common.read(root, "CHANGELOG.md"), re.MULTILINE)
    numbers = []
    for index, head in enumerate(heads):
        found = re.fullmatch(r"(\d+)\.(\d+)\.(\d+) \((not released yet|\d{4}-\d\d-\d\d)\)", head)
        if not found:
            yield f"CHANGELOG.md: write '## {head}' as '## 1.2.3 (2026-01-31)', or '(not released yet)'"
            continue
        numbers.append(tuple(map(int, found.groups()[:3])))
        if "not released" in head and index > 0:
            yield f"CHANGELOG.md: {head}: only the first section may wait for its release"
    if numbers != sorted(numbers, reverse=True) or not numbers:
        yield "CHANGELOG.md: the newest version comes first"
    version = tuple(map(int, version_of(root).split(".")))
    if numbers and version in numbers and "not released" in heads[numbers.index(version)]:
        yield f"CHANGELOG.md: configure.ac has the version {heads[numbers.index(version)]}: give its date"
    if numbers and version > numbers[0]:
        yield f"CHANGELOG.md: no section for {version_of(root)}, the version in configure.ac"


def link_problems(root):
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", common.read(root, page)):
            if not os.path.exists(os.path.join(root, os.path.dirname(page), target)):
                yield f"{page}: links to {target}, which does not exist"


def rows(root):
    lines = [line for line in common.read(root, DEPENDENCIES).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def dependency_problems(root):
    """The table has the libraries of configure.ac in the same versions, and the packages require them."""
    found = re.findall(r"PKG_CHECK_MODULES\(\[\w+\], \[([\w.-]+) >= ([\d.]+)\]", common.read(root, "configure.ac"))
    asked = {name: version for name, version in found if name != "check"}
    named = {row[1]: row[2] for row in rows(root) if row[1]}
    for name in sorted({*asked, *named}):
        if asked.get(name) != named.get(name):
            yield f"{DEPENDENCIES}: {name} {named.get(name)}, and {asked.get(name)} in configure.ac"
    control, spec, dev = (common.read(root, name) for name in
                          ("packaging/debian/control", "packaging/rpm/mod_mercure.spec", "dev"))
    for name in sorted({*asked, "check"}):
        if name not in DEBIAN:
            yield f"tests/checks/check_release.py does not know Debian's name of {name}"
        elif not re.search(rf"(?<![\w-]){re.escape(DEBIAN[name])}(?![\w-])", control):
            yield f"packaging/debian/control: no {DEBIAN[name]} in Build-Depends"
        elif not re.search(rf"(?<![\w-]){re.escape(DEBIAN[name])}(?![\w-])", dev):
            yield f"dev: no {DEBIAN[name]} in the packages"
        if f"pkgconfig({name})" not in spec:
            yield f"packaging/rpm/mod_mercure.spec: no pkgconfig({name}) in BuildRequires"


def option_problems(root):
    """Each library that a build may leave out has its option in the table."""
    options = set(re.findall(r"\[(--without-[a-z0-9]+)\]", common.read(root, "configure.ac")))
    named = {row[6].strip("`") for row in rows(root) if row[6]}
    for name in sorted(options ^ named):
        yield f"{DEPENDENCIES}: {name} is {'missing' if name in options else 'no option of configure'}"


def linked_with(path):
    """The libraries that the file at PATH is linked with, without the number after .so."""
    done = subprocess.run(["readelf", "-dW", path], check=True, stdout=subprocess.PIPE, encoding="utf-8")
    return {re.sub(r"(\.so)[.\d]*$", r"\1", name) for name in re.findall(r"NEEDED.*\[(.*)\]", done.stdout)}


def linked_problems(root, linked):
    """LINKED: what the module and the programs are linked with."""
    named = {row[3] for row in rows(root)}
    for name in sorted(linked - named - OF_THE_SYSTEM):
        yield f"{DEPENDENCIES}: {name} is missing: something is linked with it"
    for name in sorted(named - linked):
        yield f"{DEPENDENCIES}: nothing is linked with {name}"


def built(build):
    """The module and the programs in the build tree; libtool puts a script in place of some."""
    for name in PROGRAMS:
        real = os.path.join(build, ".libs", name)
        yield real if os.path.exists(real) else os.path.join(build, name)


def dev_commands(root):
    return set(re.search(r"^    ((?:\w+ \| )+\w+)\) \"cmd_", common.read(root, "dev"), re.MULTILINE)[1].split(" | "))


def build_names(root):
    text = common.read(root, "tools/dev/builds.sh")
    return {name for words in re.findall(r"^(?:usual|other)_builds=\(([^)]*)\)", text, re.MULTILINE)
            for name in words.split()}


def expand(command, matrix):
    """COMMAND for each value of the matrix's keys that it names."""
    names = re.findall(r"\$\{\{ matrix\.(\w+) \}\}", command)
    if not names:
        return [command]
    return [found for value in matrix.get(names[0], [])
            for found in expand(command.replace(f"${{{{ matrix.{names[0]} }}}}", str(value)), matrix)]


def step_problems(root, step, matrix):
    if "uses" in step and not re.fullmatch(r"[\w./-]+@v\d+", step["uses"]):
        yield f"{step['uses']}: name a version, as in actions/checkout@v4"
    if ("uses" in step) == ("run" in step):
        yield "a step has either uses or run"
    if re.search(r"\$\{\{\s*github\.event", step.get("run", "")):
        yield "a command must not contain what others write, such as titles"
    expanded = expand(step.get("run", ""), matrix)
    if not expanded:
        yield f"{step['run']}: the matrix has no such value"
    for line in expanded:
        for command, name in re.findall(r"\./dev (\S+) ?(\S*)", line):
            if command not in dev_commands(root):
                yield f"./dev has no command {command}"
            elif command == "builds" and name not in build_names(root) and not re.fullmatch(r"httpd=/\S+", name):
                yield f"./dev builds has no {name}"


def workflow_problems(root):
    seen = set()
    for name in common.files(root, ".yml"):
        if not name.startswith(".github/workflows/"):
            continue
        # YAML 1.1 reads the key "on" as True.
        content = yaml.safe_load(common.read(root, name))
        if not isinstance(content, dict) or not {"name", True, "jobs", "permissions"} <= set(content):
            yield f"{name}: it needs name, on, permissions and jobs"
            continue
        if content["permissions"] != {"contents": "read"}:
            yield f"{name}: the tests may only read the sources"
        for job, body in content["jobs"].items():
            matrix = body.get("strategy", {}).get("matrix", {})
            if not {"runs-on", "timeout-minutes", "steps"} <= set(body):
                yield f"{name}: {job} needs runs-on, timeout-minutes and steps"
            for step in body.get("steps", []):
                seen |= {found for line in expand(step.get("run", ""), matrix)
                         for found in re.findall(r"\./dev (\S+)", line)}
                for problem in step_problems(root, step, matrix):
                    yield f"{name}: {job}: {problem}"
    for command in sorted({"test", "asan", "builds"} - seen):
        yield f".github/workflows: nothing runs ./dev {command}"


def form_problems(root):
    names = [name for name in common.files(root, ".yml") if name.startswith(".github/ISSUE_TEMPLATE/")
             and not name.endswith("config.yml")]
    for name in names:
        form = yaml.safe_load(common.read(root, name))
        if not {"name", "description", "body"} <= set(form):
            yield f"{name}: it needs name, description and body"
            continue
        for part in form["body"]:
            if part.get("type") not in ("markdown", "textarea", "input", "dropdown", "checkboxes"):
                yield f"{name}: {part.get('type')} is no type of a field"
            elif part["type"] != "markdown" and ("id" not in part or "label" not in part.get("attributes", {})):
                yield f"{name}: a field needs id and label"
    if not names:
        yield ".github/ISSUE_TEMPLATE has no form"


def tree(**changed):
    """A small tree that passes. CHANGED: names, with _ for other characters, and their changed content."""
    head = "| " + " | ".join(["x"] * 7) + " |\n" + "|---" * 7 + "|\n"
    files = {
        "configure.ac": "AC_INIT([mod_mercure], [1.2.0])\nAS_HELP_STRING([--without-lmdb], [])\n"
                        "PKG_CHECK_MODULES([LMDB], [lmdb >= 0.9])\nPKG_CHECK_MODULES([CHECK], [check >= 0.13])\n",
        "packaging/debian/changelog": "mod-mercure (1.2.0-1) unstable\n",
        "packaging/debian/control": "check, liblmdb-dev\n",
        "packaging/rpm/mod_mercure.spec": "Version: 1.2.0\npkgconfig(lmdb)\npkgconfig(check)\n"
                                          "%changelog\n* Sun Nov 22 2026 A <a@example> - 1.2.0-1\n",
        "dev": 'packages=(check liblmdb-dev)\n    test | asan | builds) "cmd_$command"\n',
        "tools/dev/builds.sh": "usual_builds=(clang)\nother_builds=(gcc)\n",
        "CHANGELOG.md": "## 1.2.0 (2026-01-02)\n## 1.1.9 (2026-01-01)\n",
        DEPENDENCIES: head + "| LMDB | lmdb | 0.9 | liblmdb.so | OLDAP | disk | `--without-lmdb` |\n",
        ".github/workflows/a.yml": "name: a\non: push\npermissions: {contents: read}\njobs:\n  a:\n    runs-on: x\n"
                                   "    timeout-minutes: 1\n    strategy: {matrix: {c: [test, asan]}}\n    steps:\n"
                                   "    - uses: actions/checkout@v4\n    - run: ./dev ${{ matrix.c }}\n"
                                   "    - run: ./dev builds gcc\n",
        ".github/ISSUE_TEMPLATE/a.yml": "name: a\ndescription: b\nbody:\n- type: input\n  id: a\n  attributes: {label: a}\n",
    }
    files.update({name: "" for name in PAGES if name not in files})
    for name, content in changed.items():
        key, = (key for key in files if re.sub(r"\W", "_", key).endswith(name))
        files[key] = content if isinstance(content, str) else files[key].replace(*content)
    return common.Tree(files)


CHECKS = (
    ("the version is the same everywhere", version_problems),
    ("CHANGELOG.md has the versions in order", changelog_problems),
    ("the links of the pages lead to files", link_problems),
    ("the table of dependencies and the packages fit configure.ac", dependency_problems),
    ("the table of dependencies has the options of configure", option_problems),
    ("the workflows run commands of ./dev", workflow_problems),
    ("the issue forms are complete", form_problems),
)


def self_test(tap):
    with tree() as root:
        for name, problems in CHECKS:
            tap.check(f"self-test: {name}", problems(root))
        tap.check("self-test: what is linked is listed", linked_problems(root, {"liblmdb.so", "libc.so"}))
        tap.finds("a library that is not listed", linked_problems(root, {"liblmdb.so", "libz.so"}), "libz.so is missing")
        tap.finds("a library that is not linked", linked_problems(root, set()), "nothing is linked with liblmdb.so")
    for name, problems, changed, words in (
            ("another version in a package", version_problems, {"control": "", "debian_changelog": "mod-mercure (1.1.0)"},
             ("debian/changelog", "1.1.0")),
            ("an older entry of the RPM", version_problems, {"spec": ("- 1.2.0-1", "- 1.1.0-1")}, ("spec", "1.1.0")),
            ("a version without a date", changelog_problems, {"CHANGELOG_md": "## 1.2.0 (not released yet)\n"}, ("date",)),
            ("a version that is not described", changelog_problems, {"CHANGELOG_md": "## 1.1.9 (2026-01-01)\n"},
             ("no section for 1.2.0",)),
            ("a head of another form", changelog_problems, {"CHANGELOG_md": ("## 1.1.9 (", "## 1.1.9 [")}, ("write",)),
            ("versions out of order", changelog_problems, {"CHANGELOG_md": ("1.1.9", "1.3.0")}, ("newest",)),
            ("a dead link", link_problems, {"SECURITY_md": "[a](docs/none.md)"}, ("docs/none.md",)),
            ("a library that the table lacks", dependency_problems,
             {"configure_ac": ("PKG_CHECK_MODULES([CHECK]", "PKG_CHECK_MODULES([JANSSON], [jansson >= 2])\n([CHECK]"),
              "control": "check, liblmdb-dev, libjansson-dev", "dev": ("check", "check libjansson-dev"),
              "spec": ("pkgconfig(check)", "pkgconfig(check) pkgconfig(jansson)")}, ("jansson None",)),
            ("another least version", dependency_problems, {"configure_ac": ("0.9", "0.8")}, ("lmdb 0.9", "0.8")),
            ("a package without a library", dependency_problems, {"control": "check"}, ("debian/control", "liblmdb-dev")),
            ("an RPM without a library", dependency_problems, {"spec": ("pkgconfig(lmdb)", "")}, ("spec", "lmdb")),
            ("an option that the table lacks", option_problems, {"configure_ac": ("lmdb]", "lmdb]\n[--without-icu]")},
             ("--without-icu is missing",)),
            ("an unknown command", workflow_problems, {"workflows_a_yml": ("asan]", "asan, dance]")}, ("no command dance",)),
            ("an unknown build", workflow_problems, {"workflows_a_yml": ("builds gcc", "builds tcc")}, ("no tcc",)),
            ("an action without a version", workflow_problems, {"workflows_a_yml": ("@v4", "@main")}, ("name a version",)),
            ("a workflow that may write", workflow_problems, {"workflows_a_yml": ("read", "write")}, ("only read",)),
            ("a matrix without the value", workflow_problems, {"workflows_a_yml": ("matrix.c }", "matrix.d }"), "dev":
             ("asan", "asan")}, ("no such value",)),
            ("a form with an unknown field", form_problems, {"TEMPLATE_a_yml": ("input", "number")}, ("number",)),
            ("a form without a description", form_problems, {"TEMPLATE_a_yml": ("description", "about")}, ("needs name",))):
        with tree(**changed) as root:
            found = list(problems(root))
            if "matrix" in name:  # this also means that nothing runs the commands
                found = [line for line in found if "nothing runs" not in line]
            tap.finds(name, found, *words)


def main():
    arguments = common.arguments(build=True)
    root = arguments.root
    tap = common.Tap()
    self_test(tap)
    for name, problems in CHECKS:
        tap.check(name, problems(root))
    tap.check("the table of dependencies has what is linked",
              linked_problems(root, set().union(*(linked_with(path) for path in built(arguments.build)))))
    tap.end()


if __name__ == "__main__":
    main()
