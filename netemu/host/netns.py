"""Network namespaces: acting in them, and showing them to `ip netns`.

A thread that calls setns(2) lives in that namespace from then on, and what it
opens or starts stays there: a socket opened by it can be used from any other
thread ever after, and a program that it starts needs no nsenter. So a `Netns`
is one worker thread. That suits the handful of nodes of a cluster; for hundreds
of pods one thread goes `inside` one after the other.

A published namespace is a bind mount of `/proc/PID/ns/net` on `/run/netns/NAME`,
which is all that `ip netns` knows about namespaces.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ParamSpec, Self, TypeVar

from netemu.errors import HostError

P = ParamSpec("P")
T = TypeVar("T")

NETNS_DIR = "/run/netns"
_MARK = "/run/netemu/run-netns-is-ours"
"""Says what `publish` had to make, so that `tidy` can unmake it."""

_CLONE_NEWNET = 0x40000000
_MS_BIND = 1 << 12
_MS_REC = 1 << 14
_MS_SHARED = 1 << 20
_MNT_DETACH = 2

_libc = ctypes.CDLL(None, use_errno=True)  # Python 3.11 has neither setns nor mount.


@dataclass(frozen=True, slots=True)
class Completed:
    """How a program ended, and what it said."""

    exit_code: int
    stdout: bytes
    stderr: bytes


class Netns:
    """A network namespace this process can act in, through one thread that lives in it."""

    def __init__(self, *, name: str, path: str, worker: ThreadPoolExecutor) -> None:
        self.name = name
        self.path = path
        self._worker = worker

    @classmethod
    def open(cls, path: str, *, name: str) -> Self:
        """Enter the namespace at `path`: `/run/netns/NAME` or `/proc/PID/ns/net`."""
        worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"netns-{name}")
        try:
            worker.submit(enter, path).result()
        except BaseException:
            worker.shutdown(wait=False)
            raise
        return cls(name=name, path=path, worker=worker)

    def path_by_thread(self) -> str:
        """Return a path that leads here as long as this is open, whoever else has left."""
        return self.call_sync(
            lambda: f"/proc/{os.getpid()}/task/{threading.get_native_id()}/ns/net"
        )

    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `function` inside the namespace, while the event loop goes on."""
        return await asyncio.wrap_future(self._worker.submit(function, *args, **kwargs))

    def call_sync(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return self._worker.submit(function, *args, **kwargs).result()

    async def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        timeout_s: float = 30,
        env: Mapping[str, str] | None = None,
    ) -> Completed:
        """Run a program inside the namespace to its end.

        `env` is added to this process' environment. HostError if the program
        cannot be started or takes longer than `timeout_s`; then it is killed.
        """
        started = self._worker.submit(self._spawn, argv, env)
        try:
            process = await asyncio.shield(asyncio.wrap_future(started))
        except asyncio.CancelledError:
            # What is being started has nobody to wait for it.
            if not started.cancel():
                started.add_done_callback(_end)
            raise
        # Waiting elsewhere leaves the namespace's thread free for others.
        loop = asyncio.get_running_loop()
        ended = loop.run_in_executor(_waiters, self._finish, process, stdin, timeout_s)
        try:
            return await asyncio.shield(ended)
        except asyncio.CancelledError:
            process.kill()
            with contextlib.suppress(HostError):
                await ended
            raise

    def run_sync(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        timeout_s: float = 30,
        env: Mapping[str, str] | None = None,
    ) -> Completed:
        return self._finish(self.call_sync(self._spawn, argv, env), stdin, timeout_s)

    def socket(
        self, family: int = socket.AF_INET, type: int = socket.SOCK_STREAM, proto: int = 0
    ) -> socket.socket:
        """Return a socket of this namespace; any thread may use it."""
        return self.call_sync(socket.socket, family, type, proto)

    def close(self) -> None:
        """Let the thread go. The namespace lives as long as something else holds it."""
        self._worker.shutdown(wait=True)

    def _spawn(self, argv: Sequence[str], env: Mapping[str, str] | None) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=None if env is None else {**os.environ, **env},
            )
        except OSError as error:
            raise _host_error(error, f"starting {argv[0]}", self.name) from error

    def _finish(
        self, process: subprocess.Popen[bytes], stdin: bytes, timeout_s: float
    ) -> Completed:
        with process:
            try:
                stdout, stderr = process.communicate(stdin, timeout_s)
            except subprocess.TimeoutExpired as error:
                process.kill()
                program = str(process.args[0]) if isinstance(process.args, list) else "program"
                answer = f"still running after {timeout_s:g} s"
                raise HostError(f"running {program}", where=self.name, answer=answer) from error
        return Completed(process.returncode, stdout, stderr)


def _end(started: Future[subprocess.Popen[bytes]]) -> None:
    if started.exception() is None:
        with started.result() as process:
            process.kill()


_waiters = ThreadPoolExecutor(max_workers=64, thread_name_prefix="netns-program")
"""Who wait for programs. The event loop's own few threads are for short work."""

_prepared = False


@contextmanager
def inside(path: str) -> Iterator[None]:
    """Let the calling thread be in the namespace at `path` for a while, then return.

    For pods, of which there are too many for a thread each: open a socket, write a
    sysctl. Not for the event loop's thread, whose other work would come along.
    """
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        enter(path)
        try:
            yield
        finally:
            # Staying would keep a namespace alive that everybody else has left.
            if _libc.setns(home, _CLONE_NEWNET) != 0:
                raise _last_error()
    finally:
        os.close(home)


def netns_of(pid: int) -> str:
    """Return the path of a process' network namespace."""
    return f"/proc/{pid}/ns/net"


def publish(pid: int, name: str) -> str:
    """Show the namespace of process `pid` to `ip netns` as `name`; return its path.

    Repeating it with the same namespace changes nothing; a name that shows another
    namespace, left by a dead holder, is pointed to this one.
    """
    source = netns_of(pid)
    target = f"{NETNS_DIR}/{name}"
    _prepare_netns_dir()
    if _same_file(source, target):
        return target
    withdraw(name)
    with open(target, "a", encoding="ascii"):
        pass
    try:
        _mount(source, target, _MS_BIND)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(target)
        raise _host_error(error, f"publishing network namespace {name}", source) from error
    return target


def is_published(pid: int, name: str) -> bool:
    """Whether `ip netns` shows the namespace of process `pid` as `name`."""
    return _same_file(netns_of(pid), f"{NETNS_DIR}/{name}")


def lasting(name: str) -> str:
    """Return a path by which anybody finds the published namespace; "" if there is none.

    It leads through this process, since mounts of its may not reach all mount namespaces.
    """
    target = f"{NETNS_DIR}/{name}"
    with contextlib.suppress(FileNotFoundError):
        if os.stat(target).st_dev == os.stat("/proc/self/ns/net").st_dev:
            return f"/proc/{os.getpid()}/root{target}"
    return ""


def withdraw(name: str) -> None:
    """Take the name away. The namespace lives as long as a process does in it."""
    target = f"{NETNS_DIR}/{name}"
    # More than one may lie on each other, if two daemons published at once.
    while _libc.umount2(target.encode(), _MNT_DETACH) == 0:
        pass
    error = _last_error()
    if error.errno not in (errno.EINVAL, errno.ENOENT):  # Neither mounted nor there: good.
        raise _host_error(error, f"withdrawing network namespace {name}", target)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(target)


def published(prefix: str) -> list[str]:
    """Return the published names that begin with `prefix`, sorted."""
    try:
        return sorted(name for name in os.listdir(NETNS_DIR) if name.startswith(prefix))
    except FileNotFoundError:
        return []


def tidy() -> None:
    """Unmake `/run/netns` itself if netemu made it and nobody uses it any more."""
    global _prepared
    if not os.path.exists(_MARK) or published(""):
        return
    with open(_MARK, encoding="ascii") as file:
        made = file.read().split()
    if "mount" in made:
        _libc.umount2(NETNS_DIR.encode(), _MNT_DETACH)
    if "directory" in made:
        with contextlib.suppress(OSError):
            os.rmdir(NETNS_DIR)
    os.unlink(_MARK)
    with contextlib.suppress(OSError):
        os.rmdir(os.path.dirname(_MARK))
    _prepared = False


def _prepare_netns_dir() -> None:
    # Once a process: reading mountinfo takes longer the more is published.
    global _prepared
    if not _prepared or not os.path.isdir(NETNS_DIR):
        _share_netns_dir()
        _prepared = True


def _share_netns_dir() -> None:
    """Make `/run/netns` a shared mount, as `ip netns` does.

    Then an unmount reaches every mount namespace that has a copy, and a namespace
    does not live on in the copy of some service.
    """
    mount = _mount_of(NETNS_DIR)
    if mount and any(field.startswith("shared:") for field in mount[6:]):
        return
    to_make = [] if os.path.isdir(NETNS_DIR) else ["directory"]
    to_make += [] if mount else ["mount"]
    if to_make:
        _note(to_make)
        os.makedirs(NETNS_DIR, mode=0o755, exist_ok=True)
    if not mount:
        _mount(NETNS_DIR, NETNS_DIR, _MS_BIND | _MS_REC)
    _mount("", NETNS_DIR, _MS_SHARED | _MS_REC)


def _note(to_make: list[str]) -> None:
    """Say what will be ours, before it is: whoever is killed in between leaves no riddle."""
    os.makedirs(os.path.dirname(_MARK), mode=0o755, exist_ok=True)
    with open(_MARK, "a", encoding="ascii") as file:
        file.write("".join(f"{part} " for part in to_make))


def _mount_of(path: str) -> list[str] | None:
    """Return what mountinfo (proc(5)) says of the mount on `path`; None if it is no mount.

    `os.path.ismount` does not see that a directory is mounted on itself, and a look for
    the path alone finds mounts that lie hidden below a later one of a parent.
    """
    try:
        mount_id = _mount_id(path)
    except FileNotFoundError:
        return None
    with open("/proc/thread-self/mountinfo", encoding="utf-8", errors="replace") as file:
        for line in file:
            fields = line.partition(" - ")[0].split()
            if fields[0] == mount_id:
                return fields if fields[4] == path else None
    return None


def _mount_id(path: str) -> str:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        with open(f"/proc/thread-self/fdinfo/{descriptor}", encoding="ascii") as file:
            facts = dict(line.split(":", 1) for line in file if ":" in line)
        return facts["mnt_id"].strip()
    finally:
        os.close(descriptor)


def _same_file(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)
    except FileNotFoundError:
        return False


def _mount(source: str, target: str, flags: int) -> None:
    if _libc.mount(source.encode(), target.encode(), b"none", flags, None) != 0:
        raise _last_error()


def enter(path: str) -> None:
    """Move the calling thread into the namespace, for good."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if _libc.setns(descriptor, _CLONE_NEWNET) != 0:
                raise _last_error()
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _host_error(error, "entering network namespace", path) from error


def _last_error() -> OSError:
    problem = ctypes.get_errno()
    return OSError(problem, os.strerror(problem))


def _host_error(error: OSError, doing: str, where: str) -> HostError:
    return HostError(doing, where=where, answer=error.strerror or "", errno=error.errno or 0)
