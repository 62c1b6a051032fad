"""The first file system: a shell, the modules that a disk needs, and a script.

Debian's own would work as well and is ten times as big; unpacking it under software
emulation takes longer than all that this one does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

DISK_MODULES = ("virtio_pci", "virtio_blk")
_TRAILER = "TRAILER!!!"
_FOLDER, _FILE, _DEVICE = 0o040755, 0o100755, 0o020600


@dataclass(frozen=True, slots=True)
class Entry:
    """One file, folder or device of the archive."""

    path: str
    mode: int
    content: bytes = b""
    device: tuple[int, int] = (0, 0)


def modules_in_order(modules_dep: str, wanted: Iterable[str]) -> list[str]:
    """Return the files of the modules and of all they need, in the order to load them.

    `modules_dep` is depmod's list: a file, then what it needs, the deepest last. What it
    does not name is built into the kernel.
    """
    needs: dict[str, list[str]] = {}
    for line in modules_dep.splitlines():
        file, _, rest = line.partition(":")
        needs[file] = rest.split()
    by_name = {module_name(file): file for file in needs}
    order: dict[str, None] = {}
    for name in wanted:
        found = by_name.get(name)
        if found is not None:
            order |= dict.fromkeys([*reversed(needs[found]), found])
    return list(order)


def module_name(file: str) -> str:
    return file.rpartition("/")[2].partition(".")[0].replace("-", "_")


def initramfs(init: str, busybox: bytes, modules: Mapping[str, bytes]) -> bytes:
    """Pack the script, its shell and the modules (name → content, in order)."""
    entries = [Entry(folder, _FOLDER) for folder in ("dev", "proc", "bin", "root", "modules")]
    # Without it the script has nowhere to say what goes wrong.
    entries.append(Entry("dev/console", _DEVICE, device=(5, 1)))
    entries += [Entry("init", _FILE, init.encode()), Entry("bin/busybox", _FILE, busybox)]
    entries += [
        Entry(f"modules/{place:02}-{name}.ko", _FILE, content)
        for place, (name, content) in enumerate(modules.items())
    ]
    return archive(entries)


def archive(entries: Iterable[Entry]) -> bytes:
    """Return a cpio archive (newc), all of it owned by root."""
    parts = []
    for number, entry in enumerate([*entries, Entry(_TRAILER, 0)], start=1):
        name = entry.path.encode() + b"\0"
        numbers = (number, entry.mode, 0, 0, 1, 0, len(entry.content), 0, 0, *entry.device)
        head = "070701" + "".join(f"{n:08x}" for n in (*numbers, len(name), 0))
        parts += [_padded(head.encode() + name), _padded(entry.content)]
    return b"".join(parts)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
