"""Lint, format, types, layers and shell: each tool runs once over the whole tree."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
_GUEST = "netemu/host/virtual_machine/guest"
SHELL_SCRIPTS = [
    *("netemu.sh", ".ci/run", "tests/in-namespaces.sh"),
    *(f"{_GUEST}/netemu", f"{_GUEST}/start"),
]

TOOLS = {
    "lint": ["ruff", "check", "--quiet"],
    "format": ["ruff", "format", "--check", "--quiet"],
    "types": ["mypy"],
    "layers": ["lint-imports", "--no-logo"],
    "shell": ["shellcheck", *SHELL_SCRIPTS],
}


@pytest.mark.parametrize("tool", TOOLS)
def test_the_tree_is_clean(tool: str) -> None:
    """What a tool complains of is printed as it says it."""
    program, *arguments = TOOLS[tool]
    done = subprocess.run(
        [BIN / program, *arguments],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{tool}:\n{done.stdout}"


def test_every_script_is_checked() -> None:
    """A shell script that nobody lints is found by its first line."""
    hidden = {".git", ".venv"}
    found = {
        str(path.relative_to(ROOT))
        for path in ROOT.rglob("*")
        if path.is_file()
        and not hidden & {part[: len(".venv")] for part in path.relative_to(ROOT).parts}
        and path.read_bytes()[:9] == b"#!/bin/sh"
    }
    assert found == set(SHELL_SCRIPTS)
