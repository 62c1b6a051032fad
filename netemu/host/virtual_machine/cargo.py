"""The cargo: the checkout, an order and some files, as an archive that is read as a disk.

Compiled Python travels along where it fits, because compiling fifty thousand lines takes
half a minute under emulation.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

from netemu.core.virtual_machine.order import CHECKOUT, Order, script
from netemu.host.virtual_machine import places

_PARTS = (
    "netemu scenarios tests docs vagrant pyproject.toml packages.txt netemu.sh README.md LICENSE"
).split()
_CACHES = (".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".import_linter_cache")


def write_cargo(path: Path, order: Order, files: Mapping[str, Path]) -> None:
    """Write the archive: this checkout, the order, and files (path inside → path here)."""
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as archive:
        for part in _PARTS:
            source = places.CHECKOUT / part
            if source.exists():
                archive.add(source, f"{CHECKOUT[1:]}/{part}", filter=_of_root)
        for inside, source in files.items():
            archive.add(source, inside.lstrip("/"), filter=_of_root)
        _add_text(archive, "order/start", (places.GUEST_FILES / "start").read_text())
        _add_text(archive, "order/command", script(order))
        if order.terminal:
            _add_text(archive, "order/terminal", "")


def _of_root(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    name = entry.name.rpartition("/")[2]
    if name in _CACHES or (name.endswith(".pyc") and "cpython-311" not in name):
        return None
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    return entry


def _add_text(archive: tarfile.TarFile, name: str, text: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data := text.encode())
    entry.mode = 0o755
    archive.addfile(entry, io.BytesIO(data))
