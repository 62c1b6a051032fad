"""Options of the whole test suite, and two promises: nothing is skipped, root is asked for."""

from __future__ import annotations

import os

import pytest

_HOW = "run 'sudo ./netemu.sh test', or 'sudo tests/in-namespaces.sh .venv/bin/pytest …'"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="rewrite golden files with what came out"
    )


_ASKED_FOR = ("long", "vm")
"""Marks of tests that run only where `-m` names them."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what takes minutes or needs a machine of its own: `test --all` has it all."""
    expression = str(config.getoption("markexpr"))
    out = [mark for mark in _ASKED_FOR if mark not in expression]
    left = [item for item in items if any(item.get_closest_marker(mark) for mark in out)]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in left]


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-golden"))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test that cannot be run has failed: skipped tests are forgotten ones."""
    if item.get_closest_marker("root") is None:
        return
    if os.geteuid() != 0:
        pytest.fail(f"this test makes network namespaces, which needs root: {_HOW}", pytrace=False)
    if "NETEMU_TEST_NAMESPACES" not in os.environ:
        pytest.fail(f"this test would send packets from the host's own network: {_HOW}", False)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI a skipped test fails the run: what it wants can be installed."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    if skipped and os.environ.get("CI") == "true" and session.exitstatus == pytest.ExitCode.OK:
        reporter.write_line(f"{len(skipped)} tests were skipped; in CI that is a failure", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
