"""One file adds one thing: each plugin loads, is documented and has its golden files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import click
import pytest
from click.testing import CliRunner
from house_tree import ROOT, our_files

from netemu import cli, plugins
from netemu.cli._program import program
from netemu.core import controllers
from netemu.core.apiserver import layouts
from netemu.core.overlay import backends
from netemu.core.proxy import modes
from netemu.core.scheduling import filters, scores
from netemu.images import agnhost
from netemu.lab import steps
from netemu.lab.bench import figures
from netemu.lab.scenario import load_scenario


@dataclass(frozen=True)
class Folder:
    """A folder that offers a choice."""

    package: ModuleType
    constant: str
    documented_in: str
    """The README that has a row for each plugin."""


FOLDERS = [
    Folder(modes, "MODE", "core/proxy/modes/README.md"),
    Folder(backends, "BACKEND", "core/overlay/backends/README.md"),
    Folder(controllers, "CONTROLLER", "core/controllers/README.md"),
    Folder(filters, "FILTER", "core/scheduling/README.md"),
    Folder(scores, "SCORE", "core/scheduling/README.md"),
    Folder(layouts, "LAYOUT", "core/apiserver/layouts/README.md"),
    Folder(agnhost, "COMMAND", "images/README.md"),
    Folder(steps, "STEP", "lab/steps/README.md"),
    Folder(figures, "FIGURE", "lab/bench/README.md"),
    Folder(cli, "COMMAND", "cli/README.md"),
]
_IDS = [folder.package.__name__ for folder in FOLDERS]
VERBS = plugins.names(cli)


@pytest.mark.parametrize("folder", FOLDERS, ids=_IDS)
def test_every_plugin_loads(folder: Folder) -> None:
    """A file in the folder has the folder's constant."""
    loaded = plugins.load(folder.package, folder.constant)
    assert loaded
    assert None not in loaded.values()


@pytest.mark.parametrize("folder", FOLDERS, ids=_IDS)
def test_every_plugin_has_a_row(folder: Folder) -> None:
    """A README's table names each plugin."""
    readme = ROOT / "netemu" / folder.documented_in
    rows = {
        name.replace("_", "-")
        for line in readme.read_text(encoding="utf-8").splitlines()
        if line.startswith("|")
        for name in re.findall(r"`([\w-]+)/?`", line.split("|")[1])
    }
    there = plugins.names(folder.package)
    assert [name for name in there if name not in rows] == []


def test_a_proxy_mode_has_its_golden_files() -> None:
    """Each golden case has one expected file for each mode."""
    folder = ROOT / "tests/core/proxy/golden"
    cases = [path.name.removesuffix(".input.yaml") for path in folder.glob("*.input.yaml")]
    wanted = {f"{case}.{mode}.rules" for case in cases for mode in plugins.names(modes)}
    assert wanted - {path.name for path in folder.iterdir()} == set()


def test_an_overlay_has_its_golden_file() -> None:
    """Each backend's plan stands beside the others'."""
    folder = ROOT / "tests/core/overlay/golden"
    wanted = {f"{name}.expected.txt" for name in plugins.names(backends)}
    assert wanted - {path.name for path in folder.iterdir()} == set()


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_shows_examples(verb: str) -> None:
    """`netemu VERB --help` says in one line what it does, and has examples to copy."""
    done = CliRunner().invoke(program, [verb, "--help"])
    assert done.exit_code == 0, done.output
    assert "Examples:" in done.output
    assert f"netemu {verb}" in done.output.partition("Examples:")[2]


def test_the_list_of_verbs_is_whole() -> None:
    """`netemu --help` shows every verb with a sentence that is not cut off."""
    done = CliRunner().invoke(program, ["--help"])
    listed = dict(re.findall(r"^  ([a-z-]+)  +(\S.*)$", done.output, re.MULTILINE))
    assert set(VERBS) <= set(listed)
    assert [verb for verb in VERBS if listed[verb].endswith("...")] == []
    assert all(isinstance(plugins.load_one(cli, verb, "COMMAND"), click.Command) for verb in VERBS)


SCENARIOS = our_files(suffix=".yaml", under="scenarios")


@pytest.mark.parametrize(
    "path",
    [path for path in SCENARIOS if path.parent.name == "scenarios"],
    ids=lambda path: path.stem,
)
def test_every_scenario_can_be_read(path: Path) -> None:
    """A scenario that is shipped is right, the manifests that it names included."""
    loaded = load_scenario(str(path))
    assert loaded.name == path.stem
    assert loaded.description
