"""Where the virtual machine's files are: one folder of the user's cache, and nothing else.

    ~/.cache/netemu/vm/
      KEY/             an image: root.ext4, vmlinuz, initramfs
      building-PID-…/  one that is being built
      run-PID-…/       what one machine needs while it runs
      kvm.json         whether this host's KVM works

What a process left behind that was killed is removed by the next one that looks.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from netemu.host.processes import ProcessId

CHECKOUT = Path(__file__).resolve().parents[3]
GUEST_FILES = Path(__file__).parent / "guest"


@dataclass(frozen=True, slots=True)
class Image:
    """The files of one image."""

    folder: Path

    @property
    def disk(self) -> Path:
        return self.folder / "root.ext4"

    @property
    def kernel(self) -> Path:
        return self.folder / "vmlinuz"

    @property
    def initramfs(self) -> Path:
        return self.folder / "initramfs"

    @property
    def exists(self) -> bool:
        return all(path.exists() for path in (self.disk, self.kernel, self.initramfs))


def cache_folder() -> Path:
    """Return the folder of everything; it need not exist."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base, "netemu", "vm")


def own_folder(purpose: str) -> Path:
    """Make a folder that lives no longer than this process; remove those of dead ones."""
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    _sweep(cache)
    owner = ProcessId.of(os.getpid())
    assert owner is not None
    folder = cache / f"{purpose}-{owner.pid}-{owner.start}"
    folder.mkdir()
    return folder


def _sweep(cache: Path) -> None:
    for folder in cache.iterdir():
        purpose, _, owner = folder.name.partition("-")
        pid, _, start = owner.partition("-")
        owned = purpose in ("building", "run") and pid.isdigit() and start.isdigit()
        if owned and not ProcessId(int(pid), int(start)).alive:
            shutil.rmtree(folder, ignore_errors=True)


def images() -> list[Image]:
    """Return the images that are there."""
    cache = cache_folder()
    folders = list(cache.iterdir()) if cache.exists() else []
    # One that is being built has all its files, too, shortly before it gets its name.
    found = [Image(folder) for folder in folders if "-" not in folder.name]
    return [image for image in found if image.exists]


def clean() -> int:
    """Remove the whole cache; return how many bytes that gave back."""
    cache = cache_folder()
    size = sum(path.lstat().st_blocks * 512 for path in cache.rglob("*") if not path.is_dir())
    if cache.exists():
        shutil.rmtree(cache)
    return size
