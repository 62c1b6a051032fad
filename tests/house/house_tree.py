"""The files of the checkout that are ours: no environments, caches or history."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_HIDDEN_BUT_OURS = {".ci", ".gitignore"}


def our_files(*, suffix: str = "", under: str = "") -> list[Path]:
    """Return the files below `under` whose names end in `suffix`, sorted."""
    return sorted(path for path in _walk(ROOT / under) if path.name.endswith(suffix))


def _walk(folder: Path) -> Iterator[Path]:
    for entry in os.scandir(folder):
        hidden = entry.name.startswith(".") and entry.name not in _HIDDEN_BUT_OURS
        if hidden or entry.name == "__pycache__" or entry.name.endswith(".egg-info"):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path))
        else:
            yield Path(entry.path)


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))
