"""Conventions that can be seen in the files themselves."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

import pytest
from house_tree import ROOT, our_files, shown

BANNED_NAMES = {"util", "utils", "helper", "helpers", "common", "misc", "manager", "base"}
MOST_LINES = {"netemu": 500, "tests": 600}
"""Above this a file has become two; tables in tests may be longer than code."""

MODULES = our_files(suffix=".py", under="netemu")
TESTS = our_files(suffix=".py", under="tests")


def test_the_tree_is_seen() -> None:
    """The lists that the tests below go through are not empty."""
    assert len(MODULES) > 300
    assert len(TESTS) > 80


def test_every_module_opens_with_a_docstring() -> None:
    """A file tells its story at its top; its first line stands for itself."""
    silent = [shown(path) for path in [*MODULES, *TESTS] if not _docstring(path).strip()]
    assert silent == []


def _docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""


def test_every_test_says_what_it_shows() -> None:
    """A test's docstring is the sentence that it proves."""
    silent = [
        f"{shown(path)}: {node.name}"
        for path in TESTS
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and path.name.startswith("test_")
        and not ast.get_docstring(node)
    ]
    assert silent == []


def test_names_say_something() -> None:
    """`utils` and its like name where something was put, not what it is."""
    parts = {part for path in [*MODULES, *TESTS] for part in path.relative_to(ROOT).parts}
    assert {part.removesuffix(".py").strip("_") for part in parts} & BANNED_NAMES == set()


@pytest.mark.parametrize("folder", MOST_LINES)
def test_files_stay_small(folder: str) -> None:
    """A file that tells one story fits into one reading."""
    long = {
        shown(path): lines
        for path in our_files(suffix=".py", under=folder)
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > MOST_LINES[folder]
    }
    assert long == {}


def test_no_two_test_files_share_a_name() -> None:
    """Tests are imported by file name alone: the second would shadow the first."""
    names = Counter(path.name for path in TESTS if path.name != "conftest.py")
    assert [name for name, count in names.items() if count > 1] == []


def test_tests_mirror_the_house() -> None:
    """Each folder of tests is about a folder of netemu, the house, long proofs or a host."""
    layers = {path.name for path in (ROOT / "netemu").iterdir() if path.is_dir()}
    parts = [path.relative_to(ROOT / "tests").parts for path in TESTS]
    folders = {each[0] for each in parts if len(each) > 1}
    assert folders - {"house", "long", "vm"} <= layers


def test_nothing_is_skipped_or_mocked() -> None:
    """What a test needs it makes or asks for: the real thing, or a small fake that is passed."""
    banned = re.compile(r"pytest\.(mark\.)?(skip|skipif|importorskip)\b|unittest[.]mock")
    here = Path(__file__)
    found = [
        f"{shown(path)}:{number}: {line.strip()}"
        for path in TESTS
        if path != here
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if banned.search(line)
    ]
    assert found == []


_PRIVATE = {
    "somebody's home": re.compile(r"(?<![\w.{}])/(home|Users)/[a-z][\w.-]+/"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----\s*\n?[A-Za-z0-9+/=]{40}"),
    "a cloud key": re.compile(r"\b(AKIA|ASIA)[A-Z0-9]{16}\b"),
    "a GitHub token": re.compile(r"\bgh[pousr]_[A-Za-z0-9]{30}"),
    "a bearer token": re.compile(r"\beyJ[\w-]{20,}\.[\w-]{20,}\.[\w-]{20,}"),
}


@pytest.mark.parametrize("what", _PRIVATE)
def test_nothing_private_is_in_the_tree(what: str) -> None:
    """Neither a developer's machine nor a secret is told of."""
    found = [
        f"{shown(path)}: {match[0][:60]}"
        for path in our_files()
        for match in _PRIVATE[what].finditer(path.read_text(encoding="utf-8", errors="replace"))
    ]
    assert found == []
