"""
Fixtures: `httpd` is a private server, stopped and checked when the test ends; `mpm` its MPM, each of
event, worker and prefork in turn unless @pytest.mark.mpm says otherwise; `new_httpd` makes more servers.
"""
import os

import pytest

import env.hub
from env.httpd import MPMS, Httpd


def pytest_addoption(parser):
    parser.addoption("--soak", action="store_true", help="run only the tests marked soak")
    parser.addoption("--sanitize", action="store_true", help="run only the tests marked sanitize")
    parser.addoption("--once-more", metavar="FILE",
                     help="write the names of the failed tests to FILE, of those that deserve a second run")
    parser.addoption("--mpm", default=os.environ.get("MERCURE_MPM", ""),
                     help="run under these MPMs only (comma-separated)")


def pytest_collection_modifyitems(config, items):
    def wanted(item):
        if config.getoption("--sanitize") and not item.get_closest_marker("sanitize"):
            return False
        return bool(item.get_closest_marker("soak")) == config.getoption("--soak")

    dropped = [item for item in items if not wanted(item)]
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = [item for item in items if wanted(item)]


def pytest_generate_tests(metafunc):
    if "mpm" not in metafunc.fixturenames:
        return
    marker = metafunc.definition.get_closest_marker("mpm")
    names = marker.args if marker else MPMS
    only = [name for name in metafunc.config.getoption("--mpm").split(",") if name]
    metafunc.parametrize("mpm", [name for name in names if not only or name in only])


@pytest.fixture(params=["detached", "kept"])
def each_carrier(request, monkeypatch):
    """Plain streams leave httpd in one run, and stay in its filters, or hold a thread, in another."""
    if request.param == "kept":
        monkeypatch.setattr(env.hub, "DETACH", "Off")


@pytest.fixture
def servers():
    """All servers of the test; pytest_pyfunc_call below closes them as part of the test itself."""
    made = []
    yield made
    for server in made:
        server.abort()


@pytest.fixture
def new_httpd(servers, request):
    """new_httpd(mpm="event") makes one more private server."""

    def make(mpm="event"):
        server = Httpd(mpm, request.node.originalname.removeprefix("test_"))
        servers.append(server)
        return server

    return make


@pytest.fixture
def httpd(new_httpd, mpm):
    """A private server under the MPM of this run."""
    return new_httpd(mpm)


@pytest.hookimpl(hookwrapper=True)
def pytest_pyfunc_call(pyfuncitem):
    outcome = yield
    if outcome.excinfo is None:
        problems = []
        for server in pyfuncitem.funcargs.get("servers", []):
            try:
                server.close()
            except AssertionError as error:
                problems.append(str(error))
        if problems:
            pytest.fail("\n".join(problems), pytrace=False)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.when == "call" and report.failed:
        for server in getattr(item, "funcargs", {}).get("servers", []):
            report.sections.append((f"error log of {server.root}", server.log()[-6000:]))
            if server.crashes():
                report.user_properties.append(("crash", server.root))


def pytest_terminal_summary(terminalreporter, config):
    """A server that has crashed is a failure, however rare that is."""
    if not config.getoption("--once-more"):
        return
    failed = [report for outcome in ("failed", "error") for report in terminalreporter.stats.get(outcome, [])]
    with open(config.getoption("--once-more"), "w", encoding="utf-8") as out:
        for report in failed:
            if "crash" not in dict(getattr(report, "user_properties", ())):
                out.write(f"{report.nodeid}\n")
