"""The README's tour is taken, command by command, on a real cluster."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from pathlib import Path

import pytest
from house_tree import ROOT, our_files, shown
from readme_session import Command, missing_line, play, read_commands

from netemu.core.control.contract import Controller
from netemu.lab.contract import Step

README = ROOT / "README.md"
_WITHIN_S = 180.0


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A home of its own, and a `netemu` as `netemu.sh link` makes it."""
    programs = tmp_path / "bin"
    programs.mkdir()
    netemu = programs / "netemu"
    netemu.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m netemu "$@"\n')
    netemu.chmod(0o755)
    kept = {key: value for key, value in os.environ.items() if not key.startswith("SUDO_")}
    path = f"{programs}:{os.environ['PATH']}:/usr/sbin:/sbin"
    return {**kept, "PATH": path, "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}


@pytest.mark.root
def test_the_tour_is_true(environment: dict[str, str]) -> None:
    """Each command of README.md ends well and prints what README.md says that it prints."""
    commands = read_commands(README.read_text(encoding="utf-8"))
    assert len(commands) > 20
    outcomes = play(
        commands,
        folder=ROOT,
        environment=environment,
        within_s=_WITHIN_S,
        # Clusters that other tests have left are not for a newcomer to see.
        inside=(str(ROOT / "tests/in-namespaces.sh"),),
    )
    for command, outcome in zip(commands, outcomes, strict=False):
        said = "\n".join(outcome.printed)
        where = f"README.md:{command.line}: $ {command.text}"
        assert outcome.exit_code == 0, f"{where}\nexit code {outcome.exit_code}:\n{said}"
        line = missing_line(command.expected, outcome.printed)
        assert line is None, f"{where}\nthis line did not come:\n{line}\nin:\n{said}"
    assert len(outcomes) == len(commands)


def test_a_session_is_read() -> None:
    """Commands, continued commands and what they print are told apart."""
    text = "x\n```console\n$ one \\\n    two\nout\n\n…\n$ three\n```\n```sh\n$ no\n```\n"
    assert read_commands(text) == [Command(3, "one two", ("out", "…")), Command(8, "three", ())]


@pytest.mark.parametrize(
    ("expected", "missing"),
    [
        (("web-1 Ready",), None),
        (("b c",), None),
        (("web-1 Ready", "…", "b c"), None),
        (("b c", "web-1 Ready"), "web-1 Ready"),
        (("web-1 Running",), "web-1 Running"),
        (("web-1 is Ready",), "web-1 is Ready"),
    ],
)
def test_lines_are_compared_loosely(expected: tuple[str, ...], missing: str | None) -> None:
    """Order counts, words with digits do not, nor does what stands between."""
    assert missing_line(expected, ("a", "web-8xk   Ready", "…", "b  c")) == missing


def test_a_shell_without_the_cluster_fails(environment: dict[str, str], tmp_path: Path) -> None:
    """A command that fails is seen as such, and what it said is kept."""
    commands = [Command(1, "sudo echo a; false", ()), Command(2, "printf 'no newline'", ())]
    first, second = play(commands, folder=tmp_path, environment=environment, within_s=10)
    assert (first.exit_code, first.printed) == (1, ("a",))
    assert (second.exit_code, second.printed) == (0, ("no newline",))


_LINK = re.compile(r"\]\(([^)#:\s]+)(#[\w-]+)?\)")


def test_links_lead_somewhere() -> None:
    """What a document points to is there."""
    lost = [
        f"{shown(path)}: {target}"
        for path in our_files(suffix=".md")
        for target, _ in _LINK.findall(path.read_text(encoding="utf-8"))
        if not (path.parent / target).exists()
    ]
    assert lost == []


_FILE = re.compile(r"`((?:core|host|daemons|cluster|lab|cli|client|model|storage|images)/[\w/.]+)`")


def test_the_files_that_the_house_names_are_there() -> None:
    """netemu/README.md does not lead to files that have moved on."""
    text = (ROOT / "netemu/README.md").read_text(encoding="utf-8")
    named = {name for name in _FILE.findall(text) if not re.search(r"/(x|podcount)\.py$", name)}
    assert len(named) > 50
    planned = {"core/policy/", "lab/faults/"}
    assert [name for name in named - planned if not (ROOT / "netemu" / name).exists()] == []


_EXAMPLES = [
    pytest.param(code, id=f"{shown(path)}-{number}")
    for path in our_files(suffix=".md")
    for number, code in enumerate(
        re.findall(
            r"^```python\n(.*?)^```$", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
        )
    )
]


@pytest.mark.parametrize("code", _EXAMPLES)
def test_an_example_of_a_plugin_is_whole(code: str, tmp_path: Path) -> None:
    """The code that a README shows can be copied into a file and is a plugin."""
    file = tmp_path / "example_of_readme.py"
    file.write_text(code, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
    try:
        spec.loader.exec_module(module)
        plugin = getattr(module, "CONTROLLER", None) or getattr(module, "STEP")  # noqa: B009
        assert isinstance(plugin, Controller) or issubclass(plugin, Step)
    finally:
        del sys.modules[file.stem]
