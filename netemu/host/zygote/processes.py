"""The processes that the zygote watches, its children and those of its predecessor.

Each has a pidfd in the loop. A child's exit status is reaped; of a process that an
earlier zygote started only the end can be seen, not how it ended.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Callable

from netemu.host.zygote.loop import Loop

Ended = Callable[[int | None], None]
"""Called with the wait status, or None if nobody can know it."""


class Processes:
    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._handles: dict[int, int] = {}

    def watch(self, pid: int, ended: Ended) -> None:
        """Call `ended` once, when the process has ended; ProcessLookupError if there is none."""
        handle = os.pidfd_open(pid)
        self._handles[pid] = handle
        self._loop.watch(handle, lambda _: self._reap(pid, ended), select.EPOLLIN)

    def kill(self, pid: int, number: int = signal.SIGKILL) -> None:
        """Signal a watched process. Gone already is success."""
        handle = self._handles.get(pid)
        if handle is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, number)

    def kill_group(self, pid: int) -> None:
        """SIGKILL the process group that a watched process leads, or will lead in a moment."""
        if pid in self._handles:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
            self.kill(pid)

    def pids(self) -> frozenset[int]:
        return frozenset(self._handles)

    def __len__(self) -> int:
        return len(self._handles)

    def __contains__(self, pid: int) -> bool:
        return pid in self._handles

    def _reap(self, pid: int, ended: Ended) -> None:
        status: int | None = None
        with contextlib.suppress(ChildProcessError):
            found, status = os.waitpid(pid, os.WNOHANG)
            if found == 0:
                return
        handle = self._handles.pop(pid)
        self._loop.forget(handle)
        os.close(handle)
        ended(status)
