"""`python -m netemu.host.zygote`: become the zygote of one cluster.

The process that was started forks the zygote and waits until it listens; its exit
code tells whoever started it whether it does.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import gc
import importlib
import os
import resource
import signal
import socket
import sys
from collections.abc import Iterator, Sequence

import setproctitle

from netemu.host.processes import start_ticks
from netemu.host.zygote import syscalls
from netemu.host.zygote.server import Zygote

_FILES = 1 << 16
# Imported by the standard library at first use, which in a container is too late:
# Python's own files may be hidden there.
_LAZY = (
    "concurrent.futures.thread",
    "encodings.idna",
    "fcntl",
    "linecache",
    "stringprep",
    "termios",
    "tokenize",
    "traceback",
)


def main(arguments: Sequence[str]) -> int:
    options = _parse(arguments)
    heard, said = os.pipe()
    if os.fork():
        os.close(said)
        return 0 if os.read(heard, 1) else 1
    os.close(heard)
    if options.hold >= 0:
        os.close(options.hold)  # The starter's business.
    try:
        _become_independent(options.run_dir)
    except FileNotFoundError:
        return 1  # The cluster has been removed before it began.
    with _only_one(options.run_dir) as alone:
        if not alone:
            os.write(said, b"+")  # Another one listens, or will in a moment.
            return 0
        _live(options, said)
    return 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="netemu.host.zygote")
    parser.add_argument("--cluster", required=True)
    parser.add_argument("--run-dir", required=True)
    parser.add_argument("--state-dir", required=True)
    parser.add_argument("--preload", action="append", default=[])
    parser.add_argument("--hold", type=int, default=-1, help="closed when the zygote listens")
    return parser.parse_args(arguments)


def _become_independent(run_dir: str) -> None:
    """Leave the starter's session and streams; keep what goes wrong in a log."""
    os.setsid()
    os.chdir("/")
    os.umask(0o022)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _raise_file_limit()
    null = os.open("/dev/null", os.O_RDONLY)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    log = os.open(f"{run_dir}/zygote.log", flags, 0o640)
    for target, source in ((0, null), (1, log), (2, log)):
        os.dup2(source, target)
    os.close(null)
    os.close(log)


def _raise_file_limit() -> None:
    """Allow a thousand Pods, each of which needs five descriptors here."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    for limit in (max(most, _FILES), most):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
            return


@contextlib.contextmanager
def _only_one(run_dir: str) -> Iterator[bool]:
    """Hold the lock that says: the zygote of this directory is me."""
    path = f"{run_dir}/zygote.pid"
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whoever removes the cluster holds the lock, and takes its file away.
        alone = os.path.samestat(os.fstat(fd), os.stat(path))
    except (BlockingIOError, FileNotFoundError):
        alone = False
    if not alone:
        yield False
        return
    os.ftruncate(fd, 0)
    os.write(fd, f"{os.getpid()} {start_ticks(os.getpid())}\n".encode())
    yield True


def _live(options: argparse.Namespace, said: int) -> None:
    setproctitle.setproctitle(f"netemu: zygote {options.cluster}")
    programs = _preload(options.preload)
    host_mounts = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    syscalls.unshare(syscalls.CLONE_NEWNS)
    syscalls.mount("", "/", flags=syscalls.MS_REC | syscalls.MS_SLAVE)
    syscalls.prctl(syscalls.PR_SET_THP_DISABLE, 1)
    zygote = Zygote(
        cluster=options.cluster,
        run_dir=options.run_dir,
        state_dir=options.state_dir,
        programs=programs,
        host_mounts=host_mounts,
    )
    listener = _listen(f"{options.run_dir}/zygote.sock")
    # What is there now is shared with every child, as long as nobody touches it.
    gc.collect()
    gc.freeze()
    os.write(said, b"+")
    os.close(said)
    zygote.serve(listener)


def _preload(modules: Sequence[str]) -> dict[str, str]:
    """Import what containers will run; return the programs that the modules offer."""
    programs: dict[str, str] = {}
    for name in _LAZY:
        importlib.import_module(name)
    for name in modules:
        module = importlib.import_module(name)
        programs |= getattr(module, "PROGRAMS", {})
    return programs


def _listen(path: str) -> socket.socket:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    os.chmod(path, 0o600)
    listener.listen(64)
    return listener


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
