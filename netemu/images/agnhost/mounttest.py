"""`mounttest`: tell type, mode, owner and content of files, and write new ones.

In this order, whatever the order of the flags: a path's type, a new file in it, its content.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
import time
from collections.abc import Callable

from netemu.images.flags import Command, Flag, Flags

CONTENT = "mount-tester new file\n"
_RETRY_S = 2.0
_LIBC = ctypes.CDLL(None, use_errno=True)
_STATFS_SIZE = 120
_TMPFS = 0x01021994


def _run(flags: Flags, rest: list[str]) -> int:
    del rest
    os.umask(0)
    works: list[tuple[str, Callable[[str], None]]] = [("fs_type", _tell_type)]
    works += [(f"new_file_{mode:04o}", _writer(mode)) for mode in (0o644, 0o666, 0o660, 0o777)]
    works += [
        ("file_mode", lambda path: _say(f'mode of file "{path}": {mode_text(_mode(path))}')),
        ("file_perm", lambda path: _say(f'perms of file "{path}": {_permissions(path)}')),
        ("file_owner", _tell_owner),
        ("file_content", _tell_content),
    ]
    failed = [name for name, work in works if not _tried(work, flags.text(name))]
    if path := flags.text("file_content_in_loop"):
        once = flags.on("break_on_expected_content")
        failed += [] if _watch(path, flags.number("retry_time"), once=once) else ["in_loop"]
    return 1 if failed else 0


def _tried(work: Callable[[str], None], path: str) -> bool:
    if path:
        try:
            work(path)
        except OSError as error:
            _say(f'error of "{path}": {(error.strerror or "").lower()}')
            return False
    return True


def _mode(path: str) -> int:
    return os.stat(path).st_mode


def _permissions(path: str) -> str:
    return mode_text(stat.S_IMODE(_mode(path)) & 0o777)


def mode_text(mode: int) -> str:
    """Return a mode as Go writes it: `drwxr-xr-x`, `-rw-r--r--`, `dtrwxrwxrwx`, `-gr--r-----`."""
    kinds = {stat.S_IFDIR: "d", stat.S_IFLNK: "L", stat.S_IFIFO: "p", stat.S_IFSOCK: "S"}
    kinds |= {stat.S_IFBLK: "D", stat.S_IFCHR: "Dc"}
    marks = kinds.get(stat.S_IFMT(mode), "")
    for bit, mark in ((stat.S_ISUID, "u"), (stat.S_ISGID, "g"), (stat.S_ISVTX, "t")):
        marks += mark if mode & bit else ""
    return (marks or "-") + stat.filemode(mode & 0o777)[1:]


def _writer(mode: int) -> Callable[[str], None]:
    def write(path: str) -> None:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        os.write(fd, CONTENT.encode())
        os.close(fd)
        _tell_content(path)

    return write


def _tell_type(path: str) -> None:
    room = ctypes.create_string_buffer(_STATFS_SIZE)
    if _LIBC.statfs(path.encode(), room):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    (kind,) = struct.unpack_from("l", room)  # The first field, on every Linux.
    _say(f'mount type of "{path}": {"tmpfs" if kind == _TMPFS else kind}')


def _tell_owner(path: str) -> None:
    status = os.stat(path)
    _say(f'owner UID of "{path}": {status.st_uid}')
    _say(f'owner GID of "{path}": {status.st_gid}')


def _read(path: str) -> str:
    with open(path, "rb") as file:
        return file.read().decode(errors="replace")


def _tell_content(path: str) -> None:
    _say(f'content of file "{path}": {_read(path)}')


def _watch(path: str, for_s: float, *, once: bool) -> bool:
    """Tell the content again and again, until it is what is expected or the time is over."""
    ends_at, good = time.monotonic() + for_s, False
    while time.monotonic() < ends_at:
        good = _tried(_tell_content, path)
        if good and once and _read(path) == CONTENT:
            return True
        time.sleep(_RETRY_S)
    return good


def _say(text: str) -> None:
    os.write(1, f"{text}\n".encode(errors="replace"))


COMMAND = Command(
    "Writes files with given permissions, tells type, owner, mode and content of files",
    _run,
    {
        "fs_type": Flag("", "Path whose file system to tell"),
        "file_mode": Flag("", "Path whose mode to tell"),
        "file_perm": Flag("", "Path whose permissions to tell"),
        "file_owner": Flag("", "Path whose UID and GID to tell"),
        "new_file_0644": Flag("", "Path to write to and read from, with mode 0644"),
        "new_file_0666": Flag("", "Path to write to and read from, with mode 0666"),
        "new_file_0660": Flag("", "Path to write to and read from, with mode 0660"),
        "new_file_0777": Flag("", "Path to write to and read from, with mode 0777"),
        "file_content": Flag("", "Path whose content to tell"),
        "file_content_in_loop": Flag("", "Path whose content to tell every two seconds"),
        "retry_time": Flag(180, "For how many seconds"),
        "break_on_expected_content": Flag(True, "Until it is what new files are written with"),
    },
)
