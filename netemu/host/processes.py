"""Processes by identity: a pid alone may be somebody else's by now.

A process is known by its pid and its start time (clock ticks since boot, field 22
of /proc/PID/stat). Nothing here ever signals by name or pattern.
"""

from __future__ import annotations

import os
import select
import signal as signals
from dataclasses import dataclass

from netemu.errors import HostError


@dataclass(frozen=True, slots=True)
class ProcessId:
    """One process, and no other that later gets its pid."""

    pid: int
    start: int

    @classmethod
    def of(cls, pid: int) -> ProcessId | None:
        """Return the identity of the process that has `pid` now, None if there is none."""
        start = start_ticks(pid)
        return None if start is None else cls(pid, start)

    @property
    def alive(self) -> bool:
        return start_ticks(self.pid) == self.start

    def signal(self, number: int) -> bool:
        """Send a signal; False if the process is gone."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return False
        try:
            # The pidfd pins the process; only now does the start time prove who it is.
            if not self.alive:
                return False
            signals.pidfd_send_signal(handle, number)
        except ProcessLookupError:
            return False
        finally:
            os.close(handle)
        return True

    def wait(self, timeout_s: float) -> bool:
        """Wait until the process has ended; False if it has not within the bound."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return True
        try:
            if not self.alive:
                return True
            poller = select.poll()
            poller.register(handle, select.POLLIN)
            return bool(poller.poll(timeout_s * 1000))
        finally:
            os.close(handle)

    def end(self, *, grace_s: float) -> None:
        """SIGTERM, then SIGKILL after `grace_s`; HostError if even that does not end it."""
        if self.signal(signals.SIGTERM) and self.wait(grace_s):
            return
        if self.signal(signals.SIGKILL) and not self.wait(5.0):
            raise HostError(f"ending process {self.pid}", answer="it survives SIGKILL")


def start_ticks(pid: int) -> int | None:
    """Return the start time of a process in clock ticks since boot; None if it is gone.

    A zombie counts as gone: it does nothing any more.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command's name is in parentheses and may itself hold spaces and parentheses.
    fields = text[text.rindex(b")") + 2 :].split()
    if fields[0] in (b"Z", b"X"):
        return None
    return int(fields[19])


def boot_id() -> str:
    """Return what names this boot of the host: after another, pids mean nothing."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()
