"""The ledger: which processes the zygote has made, on a disk that outlives the run folder.

The records say far more, but they lie in the run folder and are lost with it. As long as
the zygote lives it ends everything then; if it has died, too, its containers and their
holders would be nobody's. The ledger is how the next zygote, `up`'s or `down`'s, finds
and ends them. One line a process: `pid start boot`. A line too many does no harm: what it
names is gone, or has another start time.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Collection, Iterator

from netemu.host.processes import ProcessId, boot_id, start_ticks

_NAME = "processes"
_NEW_PAGE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC
_LINES_TO_SPARE = 1000


class Ledger:
    """The ledger of one cluster, as its zygote writes it."""

    def __init__(self, state_dir: str, *, ours: Callable[[], Collection[int]]) -> None:
        """`ours` tells the pids of all that the zygote keeps now."""
        self._path = f"{state_dir}/{_NAME}"
        self._ours = ours
        self._boot = boot_id()
        self._fd = -1
        self._lines = 0

    def begin(self) -> int:
        """End what is on it and not ours, and begin a new page; return how many ended."""
        ours = self._ours()
        strangers = [process for process in living_on(self._path) if process.pid not in ours]
        for process in strangers:
            process.signal(signal.SIGKILL)
        for process in strangers:
            process.end(grace_s=0.0)  # Waits.
        self._turn_page()
        return len(strangers)

    def note(self, pid: int, start: int) -> None:
        """Add a process. A full disk is no reason not to start it: the records have it."""
        if self._lines > 4 * len(self._ours()) + _LINES_TO_SPARE:
            self._turn_page()
        self._write(pid, start)

    def _turn_page(self) -> None:
        """Write down what is ours now, and forget all that has ended."""
        before, self._fd = self._fd, -1
        with contextlib.suppress(OSError):
            os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
            self._fd = os.open(f"{self._path}.new", _NEW_PAGE, 0o600)
        self._lines = 0
        for pid in (os.getpid(), *self._ours()):
            self._write(pid, start_ticks(pid) or 0)
        with contextlib.suppress(OSError):
            os.rename(f"{self._path}.new", self._path)
        if before >= 0:
            os.close(before)

    def _write(self, pid: int, start: int) -> None:
        self._lines += 1
        with contextlib.suppress(OSError):
            os.write(self._fd, f"{pid} {start} {self._boot}\n".encode())


def has_living(state_dir: str | os.PathLike[str]) -> bool:
    """Whether anything lives that a zygote of this cluster has made."""
    return any(living_on(f"{os.fspath(state_dir)}/{_NAME}"))


def living_on(path: str) -> Iterator[ProcessId]:
    """Yield the processes of a ledger that are alive; none if it cannot be read."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            lines = file.read().splitlines()
    except OSError:
        return
    now = boot_id()
    for line in lines:
        words = line.split()
        # A crash of the host may have left half a line, or zeros.
        if len(words) == 3 and words[2] == now and words[0].isdigit() and words[1].isdigit():
            process = ProcessId(int(words[0]), int(words[1]))
            if process.alive:
                yield process
