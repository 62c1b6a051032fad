"""Notices that somebody removed the run folder, by what the kernel tells (inotify(7)).

With it go the socket by which the zygote is reached and the records by which its
successor would find what it holds: it would live on for nobody.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable

from netemu.host.zygote.loop import READ, Loop

_IN_DELETE = 0x200
_IN_DELETE_SELF = 0x400
_CLOEXEC_NONBLOCK = os.O_CLOEXEC | os.O_NONBLOCK
_BUFFER = 4096

_libc = ctypes.CDLL(None, use_errno=True)


def watch(loop: Loop, file: str, *, lost: Callable[[], None]) -> None:
    """Call `lost` when the file is gone. A kernel that cannot tell is no obstacle."""
    fd = _libc.inotify_init1(_CLOEXEC_NONBLOCK)
    if fd < 0:
        return
    folder = os.path.dirname(file).encode()
    if _libc.inotify_add_watch(fd, folder, _IN_DELETE | _IN_DELETE_SELF) < 0:
        os.close(fd)
        return

    def look(_: int) -> None:
        os.read(fd, _BUFFER)
        if not os.path.exists(file):
            loop.forget(fd)
            os.close(fd)
            lost()

    loop.watch(fd, look, READ)
