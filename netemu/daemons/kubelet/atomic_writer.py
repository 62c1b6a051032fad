"""Files that change all at once: how ConfigMaps and their kin reach a container.

    volume/key      → ..data/key
    volume/..data   → ..2026_01_02_03_04_05.000000001
    volume/..2026_01_02_03_04_05.000000001/key

A change writes a new directory and renames one link, so that a reader sees all of the
old files or all of the new (control-plane-and-node.md, 3.6).
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress

_DATA = "..data"
_STAMP = "..%Y_%m_%d_%H_%M_%S."

Files = Mapping[str, tuple[bytes, int]]
"""Relative path → content and mode."""


def write(directory: str, files: Files, *, group: int | None = None) -> bool:
    """Make the directory hold exactly `files`; False if it did already."""
    if _holds(directory, files):
        return False
    fresh = tempfile.mkdtemp(prefix=time.strftime(_STAMP, time.gmtime()), dir=directory)
    os.chmod(fresh, 0o755)
    for name, (data, mode) in files.items():
        if "/" in name:
            os.makedirs(os.path.dirname(f"{fresh}/{name}"), mode=0o755, exist_ok=True)
        _write_file(f"{fresh}/{name}", data, mode, group)
    _link(os.path.basename(fresh), f"{directory}/{_DATA}")
    _link_names(directory, files)
    _remove_old(directory, fresh)
    return True


def _write_file(path: str, data: bytes, mode: int, group: int | None) -> None:
    with open(path, "wb") as file:
        file.write(data)
        if group is not None:
            os.fchown(file.fileno(), -1, group)
            mode |= 0o440
        os.fchmod(file.fileno(), mode)


def _remove_old(directory: str, fresh: str) -> None:
    """Remove what was current before, and what a crash left half-way.

    It is found by its name: a link could have been bent by a container.
    """
    for entry in os.scandir(directory):
        if entry.name.startswith("..") and entry.path != fresh and not entry.is_symlink():
            shutil.rmtree(entry.path, ignore_errors=True)


def _link(target: str, path: str) -> None:
    """Point the link at `target`, whether it is there or not, in one step."""
    with suppress(FileNotFoundError):
        os.unlink(f"{path}_tmp")  # Of a write that a crash interrupted.
    os.symlink(target, f"{path}_tmp")
    os.rename(f"{path}_tmp", path)


def _link_names(directory: str, files: Files) -> None:
    wanted = {name.split("/", 1)[0] for name in files}
    present = {name for name in os.listdir(directory) if not name.startswith("..")}
    for name in wanted - present:
        os.symlink(f"{_DATA}/{name}", f"{directory}/{name}")
    for name in present - wanted:
        with suppress(OSError):
            os.unlink(f"{directory}/{name}")


def _holds(directory: str, files: Files) -> bool:
    if not os.path.isdir(data := f"{directory}/{_DATA}"):
        return False
    return _names(data) == set(files) and all(
        _read(f"{data}/{name}") == content for name, (content, _) in files.items()
    )


def _names(data: str) -> set[str]:
    top = os.path.realpath(data)
    return {
        os.path.relpath(os.path.join(where, name), top)
        for where, _, names in os.walk(top)
        for name in names
    }


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
