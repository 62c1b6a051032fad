"""Fork, with a way for the child to say what went wrong.

Between parent and child there is a socket of packets. The child sends one packet
when it is ready or when a step failed; a child that execs says nothing, since the
socket closes by itself. It can carry a descriptor, too: a terminal's master.

A child does nothing before it is let go, and ends if that never comes: so whoever is
killed between forking it and writing down its pid leaves no process that nobody knows.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import NoReturn

from netemu.host.zygote import syscalls

START_ERROR = 128
"""The exit code of a container that could not be started, as containerd gives it."""
_GO = b"!"
_READY = b"+"
_FAILED = b"-"
_SIBLING = b"="


class StartError(Exception):
    """A child cannot become what it should; the text is for people."""

    def __init__(self, text: str, errno: int = 0) -> None:
        super().__init__(text)
        self.errno = errno


class Voice:
    """The child's end of the socket."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end

    def fileno(self) -> int:
        return self._socket.fileno()

    def ready(self) -> None:
        """Say that all is set up, and fall silent."""
        self._socket.send(_READY)
        self._socket.close()

    def hand_over(self, fd: int) -> None:
        socket.send_fds(self._socket, [_READY], [fd])

    def sibling(self, pid: int) -> None:
        """Say that another child of the parent goes on in this one's stead."""
        self._socket.send(_SIBLING + str(pid).encode())

    def failed(self, error: StartError) -> None:
        with contextlib.suppress(OSError):
            self._socket.send(_FAILED + f"{error.errno} {error}".encode())


class Ear:
    """The parent's end: what the child said, if anything."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self.error: StartError | None = None
        self.terminal = -1
        """The terminal's master, once the child has handed it over."""
        self.sibling = 0
        """The pid of the child that goes on in the first one's stead."""

    def fileno(self) -> int:
        return self._socket.fileno()

    def hear(self) -> bool:
        """Take one packet, or the end of the socket; tell whether that was all."""
        data, fds, _, _ = socket.recv_fds(self._socket, 4096, 1)
        if fds:
            self.terminal = fds[0]
            return False
        if data.startswith(_SIBLING):
            self.sibling = int(data[1:])
            return False
        if data.startswith(_FAILED):
            errno, _, text = data[1:].decode(errors="replace").partition(" ")
            self.error = StartError(text, int(errno))
        return True

    def let_go(self) -> None:
        """Let the child begin: it is on record."""
        with contextlib.suppress(OSError):
            self._socket.send(_GO)

    def close(self) -> None:
        self._socket.close()


class PidNamespaces:
    """Lets this process' next child be born in another PID namespace.

    The child is this process' own child all the same: one fork, not two.
    """

    def __init__(self) -> None:
        self._own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)

    @contextlib.contextmanager
    def new(self) -> Iterator[None]:
        syscalls.unshare(syscalls.CLONE_NEWPID)
        yield from self._then_back()

    @contextlib.contextmanager
    def of(self, pid: int) -> Iterator[None]:
        fd = os.open(f"/proc/{pid}/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        try:
            syscalls.setns(fd, syscalls.CLONE_NEWPID)
        finally:
            os.close(fd)
        yield from self._then_back()

    @staticmethod
    @contextlib.contextmanager
    def own() -> Iterator[None]:
        yield

    def _then_back(self) -> Iterator[None]:
        try:
            yield
        finally:
            # In the child this fails: it is in its namespace for good.
            with contextlib.suppress(OSError):
                syscalls.setns(self._own, syscalls.CLONE_NEWPID)


def fork(
    become: Callable[[Voice], int], *, born_in: contextlib.AbstractContextManager[None]
) -> tuple[int, Ear]:
    """Fork a child that, once let go, runs `become` and exits with what it returns."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with born_in:
        pid = os.fork()
        if pid == 0:
            ours.close()
            if not theirs.recv(1):
                os._exit(START_ERROR)
            _live(become, Voice(theirs))
    theirs.close()
    return pid, Ear(ours)


def _live(become: Callable[[Voice], int], voice: Voice) -> NoReturn:
    code = START_ERROR
    try:
        code = become(voice)
    except StartError as error:
        voice.failed(error)
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        voice.failed(StartError(f"{error.strerror}:{where}", error.errno or 0))
    except ValueError as error:
        # A NUL in a command, a variable or a path: no kernel takes it.
        voice.failed(StartError(f"{error}: invalid argument", errno.EINVAL))
        traceback.print_exc()
    except BaseException:
        # A bug of ours. The parent's log has it, and the container's state says so.
        voice.failed(StartError(traceback.format_exc()))
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
        os._exit(code)


def is_own(pid: int) -> bool:
    """Whether a process is a child of this one, alive or to be waited for."""
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def reset_signals() -> None:
    """Give a child the dispositions and the mask that a program expects."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in (signal.SIGPIPE, signal.SIGINT, signal.SIGHUP, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
