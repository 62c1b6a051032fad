"""A container's input: a FIFO or a terminal that others may write to, and who keeps it open.

A reader sees the end of its input when nobody has it open for writing any more, and a
terminal hangs up when its master is closed. So both are held twice: by the zygote and by
a process that does nothing else, which outlives the zygote and ends with the container.
The next zygote gets a terminal's master back from it.
"""

from __future__ import annotations

import gc
import os
import select

import setproctitle

from netemu.host.processes import start_ticks
from netemu.host.zygote import children, syscalls
from netemu.host.zygote.children import PidNamespaces, reset_signals
from netemu.host.zygote.confinement import give_up_all_powers
from netemu.host.zygote.processes import Processes

_HELD = 0
"""The holder's number of what it holds: its standard input."""


class Input:
    """What is written to reach one container's standard input."""

    def __init__(self, fd: int, *, fifo: str, once: bool, holder: int) -> None:
        """`fifo` is its path, or empty where `fd` is a terminal's master."""
        self._fd = fd
        self._fifo = fifo
        self._once = once and bool(fifo)
        self.holder = holder

    @property
    def ends(self) -> bool:
        """Whether the container's input ends with that of the first who attaches to it."""
        return self._once

    def for_writer(self) -> int:
        """Return a descriptor for one who attaches; -1 once nobody reads."""
        if self._fd < 0:
            return -1
        if not self._fifo:
            return os.dup(self._fd)
        return open_fifo(self._fifo)

    def close(self, processes: Processes) -> None:
        """Let go of it: the container reads its input's end when all writers have left."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
            processes.kill(self.holder)


def open_fifo(path: str) -> int:
    """Return a descriptor to write to a FIFO; -1 if nobody has it open for reading."""
    try:
        return os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return -1


def hold(fd: int, container: int, title: str, processes: Processes) -> int:
    """Have `fd` held as long as the process `container` lives; return the holder's pid."""
    handle = os.pidfd_open(container)
    try:
        pid, ear = children.fork(
            lambda _: _become_holder(fd, handle, title),
            born_in=PidNamespaces.own(),
        )
    finally:
        os.close(handle)
    processes.watch(pid, lambda _: None)
    ear.let_go()
    ear.close()
    return pid


def _become_holder(fd: int, container: int, title: str) -> int:
    gc.freeze()
    reset_signals()
    os.setsid()
    setproctitle.setproctitle(f"netemu: input of {title.removeprefix('netemu: ')}")
    os.dup2(fd, _HELD)
    syscalls.close_from(1, keep=(container,))
    give_up_all_powers()
    ended = select.poll()
    ended.register(container, select.POLLIN)
    ended.poll()
    return 0


def take_back(holder: int, started: int) -> int:
    """Return what an earlier zygote's holder holds; -1 if it is not there any more."""
    if not holder or start_ticks(holder) != started:
        return -1
    try:
        return syscalls.take_descriptor(holder, _HELD)
    except OSError:
        return -1
