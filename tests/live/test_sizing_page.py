"""docs/sizing.md: each column of its table is a configuration that starts, and holds as many streams as the page
says."""
import os
import re
import resource
import textwrap

import pytest

from env.hub import hub

pytestmark = pytest.mark.mpm("event")

PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/sizing.md")
COLUMNS = (100, 1000, 10000, 100000)


def read():
    with open(PAGE, encoding="utf-8") as page:
        return page.read()


def table():
    """The rows of the page's first table: {name: [cell, …]}."""
    text = read()
    lines = text[text.index("\n| subscribers |"):].lstrip().split("\n\n")[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if not line.startswith("|--")]
    return {cells[0]: cells[1:] for cells in rows}


def number(cell):
    return int(cell.replace(",", ""))


def directives(column):
    """The directives of a column: {name: value}."""
    return {name.strip("`"): cells[column] for name, cells in table().items()
            if re.fullmatch(r"`[A-Z]\w+`", name) and cells[column] != "–"}


def test_the_table_and_the_blocks_agree():
    rows = table()
    assert [number(cell) for cell in rows["subscribers"]] == list(COLUMNS)
    for i, subscribers in enumerate(COLUMNS):
        each, started = (number(rows[name][i]) for name in ("streams in each child process",
                                                            "streams in the child processes that start"))
        assert each * int(rows["`StartServers`"][i]) == started >= 2 * subscribers
        assert int(rows["`ulimit -n`"][i]) > each + 500
    blocks = [dict(line.split() for line in textwrap.dedent(block).splitlines())
              for block in re.findall(r"^ *```apache\n(.*?)^ *```$", read(), re.S | re.M)]
    assert blocks == [directives(2), directives(3)]


@pytest.mark.parametrize("column", range(len(COLUMNS)))
def test_each_column_holds_what_it_says(httpd, column):
    settings = directives(column)
    httpd.sizing = ""
    httpd.start(hub() + "".join(f"{name} {value}\n" for name, value in settings.items()))
    children = int(settings["MaxRequestWorkers"]) // int(settings["ThreadsPerChild"])
    each = number(table()["streams in each child process"][column])
    # Descriptors that are not for streams: those of threads, of child processes in two generations, and others.
    others = 64 + 2 * int(settings["ThreadsPerChild"]) + 2 * int(settings["ServerLimit"])
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit != resource.RLIM_INFINITY:
        each = min(each, limit - others)
    httpd.wait_log(rf"holds \d+ streams over HTTP/1.1 \(\d+ in each of {children} children\), "
                   rf"{each * children} \({each} in each child\) if they stay")
    notices = [line for line in httpd.log().splitlines() if "[mercure:notice]" in line]
    assert len(notices) == 1 and "MRC0114" in notices[0]
