"""A container's output, from its pipes into a file of the CRI's format.

    2024-11-20T23:48:01.123456789Z stdout F a whole line
    2024-11-20T23:48:01.123456789Z stderr P the beginning of one without an end

The pipes are FIFOs with names, and the container has its ends open for reading,
too: with the zygote dead they neither break nor lose what fits into them, and the
next zygote opens them again.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from typing import Protocol

_LONGEST_LINE = 16 << 10
_ROTATE_AT = 10 << 20
_FILES = 5
_READ = 64 << 10
_RESERVE_BYTES = 16 << 20
_RESERVE_PART = 20
"""A log leaves 16 MiB of its disk, or a twentieth: the store is on it, too."""
_PIPE_MAX = 1 << 20
"""What a pipe holds at most: /proc/sys/fs/pipe-max-size as the kernel sets it."""


class Follower(Protocol):
    """Who is told of a stream's bytes as they come."""

    def hear(self, stream: bytes, data: bytes) -> None: ...


class LogFile:
    """One `0.log` and the older parts of it: at most five files of 10 MiB."""

    def __init__(self, path: str, *, rotate_at: int = _ROTATE_AT) -> None:
        self._path = path
        self._rotate_at = rotate_at
        self._fd = -1
        self._size = 0
        self._stamp = ""
        self._of_this_second = 0
        self._dropped_bytes = 0

    def write(self, entries: bytes) -> None:
        if not self._path:
            return
        written = 0
        with contextlib.suppress(OSError):  # A full disk must not stop the container.
            if self._fd < 0:
                self._open()
            if not _is_nearly_full(self._fd):
                if self._dropped_bytes:
                    self._tell_of_gap()
                written = os.write(self._fd, entries)
        self._size += written
        self._dropped_bytes += len(entries) - written
        if self._size >= self._rotate_at:
            self._rotate()

    def size(self) -> int:
        """Return how much was written since the last rotation."""
        try:
            return self._size if self._fd >= 0 else os.stat(self._path).st_size
        except FileNotFoundError:
            return 0

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        try:
            self._fd = os.open(self._path, flags, 0o640)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(self._path), mode=0o755, exist_ok=True)
            self._fd = os.open(self._path, flags, 0o640)
        self._size = os.fstat(self._fd).st_size

    def _tell_of_gap(self) -> None:
        text = b"netemu: the disk was full: %d bytes are missing here" % self._dropped_bytes
        self._size += os.write(self._fd, entry(b"stderr", b"F", text, time.time_ns()))
        self._dropped_bytes = 0

    def _rotate(self) -> None:
        old = f"{self._path}.{self._next_stamp()}"
        with contextlib.suppress(OSError):
            os.rename(self._path, old)
            self.close()
        folder, name = os.path.split(self._path)
        with contextlib.suppress(OSError):
            parts = sorted(entry for entry in os.listdir(folder) if entry.startswith(f"{name}."))
            for entry in parts[: 1 - _FILES]:
                os.unlink(f"{folder}/{entry}")

    def _next_stamp(self) -> str:
        """Return the time, and a number if more files than one are full within a second."""
        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
        self._of_this_second = self._of_this_second + 1 if stamp == self._stamp else 0
        self._stamp = stamp
        return f"{stamp}.{self._of_this_second:03}" if self._of_this_second else stamp


def _is_nearly_full(fd: int) -> bool:
    """Whether the file's disk has no more room than whoever has to clear up needs."""
    disk = os.fstatvfs(fd)
    reserve = min(_RESERVE_BYTES, disk.f_blocks * disk.f_frsize // _RESERVE_PART)
    return disk.f_bavail * disk.f_frsize < reserve


class Pump:
    """Carries one stream into the log."""

    def __init__(self, fd: int, stream: str, log: LogFile) -> None:
        self.fd = fd
        self.stream = stream.encode()
        self.rest = b""
        """The beginning of a line without an end."""
        self.followers: Sequence[Follower] = ()
        self._log = log

    def carry(self) -> bool:
        """Carry what is there now; False at the end of the stream."""
        try:
            data = os.read(self.fd, _READ)
        except BlockingIOError:
            return True
        except OSError:  # EIO: how a terminal's master says that it ends.
            data = b""
        if data:
            self._take(data)
        elif self.rest:
            self._log.write(entry(self.stream, b"F", self.rest, time.time_ns()))
            self.rest = b""
        return bool(data)

    def drain(self) -> None:
        """Carry what is left, but no more than fits: somebody may be writing for ever."""
        for _ in range(_PIPE_MAX // _READ):
            try:
                data = os.read(self.fd, _READ)
            except OSError:
                break
            if not data:
                break
            self._take(data)
        if self.rest:
            self._log.write(entry(self.stream, b"F", self.rest, time.time_ns()))
            self.rest = b""

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def _take(self, data: bytes) -> None:
        now = time.time_ns()
        *lines, rest = (self.rest + data).split(b"\n")
        entries = [part for line in lines for part in _cut(self.stream, line, now)]
        while len(rest) >= _LONGEST_LINE:
            entries.append(entry(self.stream, b"P", rest[:_LONGEST_LINE], now))
            rest = rest[_LONGEST_LINE:]
        self.rest = rest
        if entries:
            self._log.write(b"".join(entries))
        for follower in tuple(self.followers):
            follower.hear(self.stream, data)


def _cut(stream: bytes, line: bytes, now_ns: int) -> list[bytes]:
    """Return the entries of one whole line: one, unless it is very long."""
    entries = []
    while len(line) > _LONGEST_LINE:
        entries.append(entry(stream, b"P", line[:_LONGEST_LINE], now_ns))
        line = line[_LONGEST_LINE:]
    entries.append(entry(stream, b"F", line, now_ns))
    return entries


def entry(stream: bytes, tag: bytes, text: bytes, now_ns: int) -> bytes:
    seconds, nanos = divmod(now_ns, 1_000_000_000)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return b"%s.%09dZ %s %s %s\n" % (stamp.encode(), nanos, stream, tag, text)


class Pipes:
    """The FIFOs of one container, below the cluster's run directory."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def make(self, *, user_id: int, stdin: bool) -> list[int]:
        """Make them; return the container's ends: stdin (or -1), stdout, stderr."""
        os.makedirs(self._folder, mode=0o700, exist_ok=True)
        ends = [self._make_input(user_id) if stdin else -1]
        return [*ends, self._make("stdout", user_id), self._make("stderr", user_id)]

    def _make(self, name: str, user_id: int) -> int:
        path = f"{self._folder}/{name}"
        with contextlib.suppress(FileExistsError):
            os.mkfifo(path, 0o600)
        # Reading and writing: so it is never the last reader's end that breaks.
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        if user_id:
            os.fchown(fd, user_id, -1)
        return fd

    def _make_input(self, user_id: int) -> int:
        """Return an end that only reads: it sees the end when the last writer has left."""
        both = self._make("stdin", user_id)  # Without a writer the next line would wait.
        reading = os.open(self.input_path, os.O_RDONLY | os.O_CLOEXEC)
        os.close(both)
        return reading

    @property
    def input_path(self) -> str:
        return f"{self._folder}/stdin"

    def open(self, log: LogFile) -> list[Pump]:
        """Open our ends; those that are missing are left out."""
        pumps = []
        for name in ("stdout", "stderr"):
            with contextlib.suppress(FileNotFoundError):
                flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
                pumps.append(Pump(os.open(f"{self._folder}/{name}", flags), name, log))
        return pumps

    def remove(self) -> None:
        for name in ("stdin", "stdout", "stderr"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{self._folder}/{name}")
        with contextlib.suppress(FileNotFoundError):
            os.rmdir(self._folder)
