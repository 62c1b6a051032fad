"""A child process in namespaces of its own, in which things are tried out.

When it ends, the kernel throws away all that it made. Without root it becomes the root
of a user namespace first, as far as the host allows that.
"""

from __future__ import annotations

import errno
import os
import select
import signal
from collections.abc import Callable, Mapping

import msgspec

from netemu.core.doctor.findings import Observation
from netemu.errors import HostError
from netemu.host.zygote import syscalls

Probe = Callable[[str], Observation]
"""Tries one thing; gets the path of an empty tmpfs."""

SCRATCH = "/tmp"
_CLONE_NEWUSER = 0x10000000
_PATIENCE_S = 90.0
"""For who hangs: loading a dozen modules takes an emulated machine its time."""
_NOT_ALLOWED = (errno.EPERM, errno.EACCES)


def run(probes: Mapping[str, Probe]) -> dict[str, Observation]:
    """Run the probes in order, in a child; what cannot be tried is unknown."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            os.write(writing, msgspec.json.encode(_try_all(probes)))
        finally:
            os._exit(0)
    os.close(writing)
    try:
        answer = _read_all(reading)
    finally:
        os.close(reading)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    try:
        return msgspec.json.decode(answer, type=dict[str, Observation])
    except msgspec.DecodeError:
        unknown = Observation(None, "the process that was to try it died")
        return dict.fromkeys(probes, unknown)


def _read_all(pipe: int) -> bytes:
    data = b""
    while select.select([pipe], [], [], _PATIENCE_S)[0]:
        piece = os.read(pipe, 65536)
        if not piece:
            break
        data += piece
    return data


def _try_all(probes: Mapping[str, Probe]) -> dict[str, Observation]:
    # What an ordinary user may not, root may; what root may not, nobody may here.
    refused = False if os.geteuid() == 0 else None
    try:
        _enter()
    except OSError as error:
        told = _judge(error.errno, f"{error.filename}: {error.strerror}", refused)
        unknown = Observation(None, "needs root" if refused is None else "needs namespaces")
        return {name: told if name == "namespace support" else unknown for name in probes}
    return {name: _try(probe, refused) for name, probe in probes.items()}


def _enter() -> None:
    flags = syscalls.CLONE_NEWNET | syscalls.CLONE_NEWNS
    if os.geteuid() != 0:
        user, group = os.geteuid(), os.getegid()
        syscalls.unshare(_CLONE_NEWUSER | flags)
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"0 {user} 1")
        _write("/proc/self/gid_map", f"0 {group} 1")
    else:
        syscalls.unshare(flags)
    syscalls.mount("", "/", flags=syscalls.MS_REC | syscalls.MS_PRIVATE)
    syscalls.mount("tmpfs", SCRATCH, "tmpfs", syscalls.MS_NODEV, "mode=755,size=1m")


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def _try(probe: Probe, refused: bool | None) -> Observation:
    try:
        return probe(SCRATCH)
    except HostError as error:
        return _judge(error.errno, error.answer, refused)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return _judge(error.errno, f"{place}{error.strerror}", refused)


def _judge(problem: int | None, said: str, refused: bool | None) -> Observation:
    if problem not in _NOT_ALLOWED:
        return Observation(False, said)
    return Observation(refused, "needs root" if refused is None else f"{said}, even to root")
