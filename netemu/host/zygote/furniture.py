"""The layer that a built-in image puts on top of a container's root: files of its own.

Made once, by the first child that needs it, while that is still the host's: other images
pay nothing for it, and who dies over it leaves a half that the next one clears away.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib
import os
import shutil
from collections.abc import Iterator

_MADE_AT = 1
"""When its files were changed last, in seconds since the epoch."""


def layer_of(image: str, folder: str) -> str:
    """Return what the module `image` furnishes, kept below `folder`; empty if nothing."""
    if not image:
        return ""
    path = f"{folder}/{image}"
    if not os.path.isdir(path):
        with _alone_in(folder):
            if not os.path.isdir(path):
                _make(image, path)
    return path


def is_furniture(path: str) -> bool:
    """Whether a container's file came with it, and nobody has put another in its place."""
    return os.stat(path).st_mtime == _MADE_AT


@contextlib.contextmanager
def _alone_in(folder: str) -> Iterator[None]:
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _make(image: str, path: str) -> None:
    new = f"{path}.new"
    shutil.rmtree(new, ignore_errors=True)
    os.mkdir(new)
    importlib.import_module(image).furnish(new)
    for name in os.listdir(new):
        os.utime(f"{new}/{name}", (_MADE_AT, _MADE_AT), follow_symlinks=False)
    os.rename(new, path)
