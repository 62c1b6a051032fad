"""The system calls of containers that Python 3.11 does not offer.

Each raises OSError with what was attempted in `filename`, so that the text of the
error alone says which step of a container's birth the kernel refused.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
from collections.abc import Iterable

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_REMOUNT = 0x20
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 1 << 18
MS_SLAVE = 1 << 19
MS_SHARED = 1 << 20
MNT_DETACH = 2

PR_SET_DUMPABLE = 4
PR_CAPBSET_READ = 23
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38
PR_SET_THP_DISABLE = 41
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4

_CAPABILITY_VERSION_3 = 0x20080522
_CLONE3 = 435  # These and those below have the same number on every architecture.
_CLONE_PARENT = 0x00008000
_CLONE = {"x86_64": 56, "aarch64": 220}
"""Where there is a filter of system calls, which cannot look into clone3's arguments."""
_CLOSE_RANGE = 436
_OPENAT2 = 437
_RESOLVE_NO_MAGICLINKS = 0x02
_RESOLVE_BENEATH = 0x08
_RESOLVE_IN_ROOT = 0x10
_LOOKS_AT_PATH = 1000
_OPEN_TREE = 428
_OPEN_TREE_CLONE = 1
_AT_EMPTY_PATH = 0x1000
_AT_RECURSIVE = 0x8000
_MOVE_MOUNT = 429
_MOVE_MOUNT_EMPTY_PATHS = 0x04 | 0x40
_PIDFD_GETFD = 438
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "riscv64": 41, "ppc64le": 203, "s390x": 217}

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mount.argtypes = [
    ctypes.c_char_p,
    ctypes.c_char_p,
    ctypes.c_char_p,
    ctypes.c_ulong,
    ctypes.c_char_p,
]
_libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
_libc.syscall.restype = ctypes.c_long


def _check(result: int, what: str) -> int:
    if result < 0:
        errno = ctypes.get_errno()
        raise OSError(errno, os.strerror(errno), what)
    return result


def unshare(flags: int) -> None:
    _check(_libc.unshare(flags), f"unshare {flags:#x}")


def setns(fd: int, flags: int = 0) -> None:
    _check(_libc.setns(fd, flags), f"setns {flags:#x}")


def join_namespaces(pid: int, kinds: Iterable[str]) -> None:
    """Enter the namespaces (`net`, `uts`, …) of a process, all or none."""
    fds = [(os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)) for kind in kinds]
    try:
        for fd in fds:
            setns(fd)
    finally:
        for fd in fds:
            os.close(fd)


def join_namespace(path: str) -> None:
    """Enter the namespace behind a file: /run/netns/NAME."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        setns(fd)
    finally:
        os.close(fd)


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    answer = _libc.mount(
        os.fsencode(source),
        os.fsencode(target),
        kind.encode() or None,
        flags,
        os.fsencode(data) or None,
    )
    _check(answer, f"mount {kind or source} on {target}")


def copy_mount(folder: int) -> int:
    """Return a copy of what the O_PATH descriptor leads to, with what is mounted below it.

    It is mounted nowhere yet: `move_mount` does that, in another mount namespace, too.
    """
    flags = _OPEN_TREE_CLONE | os.O_CLOEXEC | _AT_EMPTY_PATH | _AT_RECURSIVE
    return _check(_libc.syscall(_OPEN_TREE, folder, b"", flags), "open_tree")


def move_mount(tree: int, target: int) -> None:
    """Mount a copy; both are descriptors, so that no path can change meanwhile."""
    answer = _libc.syscall(_MOVE_MOUNT, tree, b"", target, b"", _MOVE_MOUNT_EMPTY_PATHS)
    _check(answer, "move_mount")


def unmount(target: str, flags: int = MNT_DETACH) -> None:
    _check(_libc.umount2(os.fsencode(target), flags), f"unmount {target}")


def pivot_root(new_root: str, put_old: str) -> None:
    number = _PIVOT_ROOT[platform.machine()]
    answer = _libc.syscall(number, os.fsencode(new_root), os.fsencode(put_old))
    _check(answer, f"pivot_root {new_root}")


def prctl(option: int, argument: int = 0, argument3: int = 0) -> int:
    return _check(_libc.prctl(option, argument, argument3, 0, 0), f"prctl {option}")


def close_from(first: int, keep: Iterable[int] = ()) -> None:
    """Close every descriptor from `first` up, but for those in `keep`."""
    start = first
    for fd in sorted(set(keep)):
        if fd >= start:
            _close_range(start, fd - 1)
            start = fd + 1
    _close_range(start, 0xFFFFFFFF)


def _close_range(first: int, last: int) -> None:
    if first > last:
        return
    answer = _libc.syscall(_CLOSE_RANGE, ctypes.c_uint(first), ctypes.c_uint(last), 0)
    if answer < 0:  # Linux before 5.9.
        os.closerange(first, min(last, os.sysconf("SC_OPEN_MAX")) + 1)


class _OpenHow(ctypes.Structure):
    _fields_ = (
        ("flags", ctypes.c_uint64),
        ("mode", ctypes.c_uint64),
        ("resolve", ctypes.c_uint64),
    )


def fork_sibling() -> int:
    """Fork a child of this process' parent; return 0 in it, its pid here."""
    if (clone := _CLONE.get(platform.machine())) is not None:
        return _check(_libc.syscall(clone, _CLONE_PARENT, 0, 0, 0, 0), "clone")
    arguments = (ctypes.c_uint64 * 8)(_CLONE_PARENT)
    size = ctypes.c_size_t(ctypes.sizeof(arguments))
    return _check(_libc.syscall(_CLONE3, ctypes.byref(arguments), size), "clone3")


def take_descriptor(pid: int, number: int) -> int:
    """Return a descriptor of what another process has open under a number."""
    handle = os.pidfd_open(pid)
    try:
        taken = _libc.syscall(_PIDFD_GETFD, handle, number, 0)
        return _check(taken, f"pidfd_getfd {pid} {number}")
    finally:
        os.close(handle)


def open_beneath(folder: int, path: str) -> int:
    """Return an O_PATH descriptor of `path` below the open `folder`.

    The kernel itself follows the links in it, and refuses (EXDEV) those that lead out:
    whoever owns the folder may change them at any moment.
    """
    return _open_within(folder, path, _RESOLVE_BENEATH)


def open_in_root(root: int, path: str) -> int:
    """Return an O_PATH descriptor of `path` as who has the open folder as its root sees it.

    Links lead where they would lead there; those of /proc that lead anywhere are refused.
    """
    return _open_within(root, path, _RESOLVE_IN_ROOT)


def _open_within(folder: int, path: str, resolve: int) -> int:
    how = _OpenHow(os.O_PATH | os.O_CLOEXEC, 0, resolve | _RESOLVE_NO_MAGICLINKS)
    size = ctypes.c_size_t(ctypes.sizeof(how))
    for _ in range(_LOOKS_AT_PATH):
        answer = _libc.syscall(_OPENAT2, folder, os.fsencode(path), ctypes.byref(how), size)
        if answer >= 0 or ctypes.get_errno() != errno.EAGAIN:
            break  # With a `..` in it: something was mounted or renamed meanwhile.
    return _check(answer, path)


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _CapabilityData(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def set_capabilities(*, effective: int, permitted: int, inheritable: int) -> None:
    """Set this process' three sets, each a mask with bit n for capability n."""
    header = _CapabilityHeader(_CAPABILITY_VERSION_3, 0)
    words = (_CapabilityData * 2)()
    for index in range(2):
        words[index].effective = effective >> 32 * index & 0xFFFFFFFF
        words[index].permitted = permitted >> 32 * index & 0xFFFFFFFF
        words[index].inheritable = inheritable >> 32 * index & 0xFFFFFFFF
    _check(_libc.capset(ctypes.byref(header), words), "capset")
