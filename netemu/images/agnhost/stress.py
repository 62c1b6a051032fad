"""`stress`: use memory and CPU until somebody ends it, such as the kernel for want of memory."""

from __future__ import annotations

import os
import signal
import time

from netemu.images.flags import Command, Flag, Flags

_UNITS = {"": 1, "k": 1000, "K": 1000, "M": 1000**2, "G": 1000**3}
_UNITS |= {"Ki": 1024, "Mi": 1024**2, "Gi": 1024**3}
_PAGE = 4096


def bytes_of(text: str) -> int:
    """Return how many bytes `100Mi` are; ValueError if it is no amount."""
    number = text.rstrip("kKMGi")
    if not number.isdecimal() or text[len(number) :] not in _UNITS:
        raise ValueError(f'"{text}" is no amount of memory, such as 100Mi')
    return int(number) * _UNITS[text[len(number) :]]


def _run(flags: Flags, rest: list[str]) -> int:
    del rest
    try:
        total, step = (bytes_of(flags.text(name)) for name in ("mem-total", "mem-alloc-size"))
    except ValueError as error:
        os.write(2, f"stress: {error}\n".encode())
        return 1
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    os.write(2, f"Allocating {total} bytes, in {step} byte chunks\n".encode())
    for _ in range(flags.number("cpus")):
        _burn()
    held: list[bytearray] = []
    for begin in range(0, total, max(step, 1)):
        held.append(_touched(min(step, total - begin)))
        time.sleep(flags.seconds("mem-alloc-sleep"))
    os.write(2, b"Allocated\n")
    signal.pause()
    return 0


def _touched(size: int) -> bytearray:
    """Return memory that the kernel has had to give."""
    room = bytearray(size)
    room[::_PAGE] = b"\x01" * len(range(0, size, _PAGE))
    return room


def _burn() -> None:
    """Use up one CPU, in a process of its own: threads of Python share one."""
    if os.fork() == 0:
        while True:
            pass


COMMAND = Command(
    "Uses memory and CPU",
    _run,
    {
        "mem-total": Flag("0", "How much memory, such as 100Mi"),
        "mem-alloc-size": Flag("4Ki", "How much of it at a time"),
        "mem-alloc-sleep": Flag(0.001, "How long to wait between, such as 1ms", duration=True),
        "cpus": Flag(0, "How many CPUs"),
    },
)
