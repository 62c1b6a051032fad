"""`lifecycle.stopSignal`: the signal that asks a container to end, SIGTERM if none is named."""

from __future__ import annotations

import signal

from netemu.core.kubelet.memory import SIGTERM
from netemu.model.core_v1 import Container

_REAL_TIME_FIRST, _REAL_TIME_LAST = 34, 64
"""What glibc leaves of the kernel's 32 to 64."""
_PLAIN = (
    "SIGABRT SIGALRM SIGBUS SIGCHLD SIGCLD SIGCONT SIGFPE SIGHUP SIGILL SIGINT SIGIO SIGIOT SIGKILL"
    " SIGPIPE SIGPOLL SIGPROF SIGPWR SIGQUIT SIGSEGV SIGSTKFLT SIGSTOP SIGSYS SIGTERM SIGTRAP"
    " SIGTSTP SIGTTIN SIGTTOU SIGURG SIGUSR1 SIGUSR2 SIGVTALRM SIGWINCH SIGXCPU SIGXFSZ"
).split()
_REAL_TIME = {
    "SIGRTMIN": _REAL_TIME_FIRST,
    **{f"SIGRTMIN+{n}": _REAL_TIME_FIRST + n for n in range(1, 16)},
    **{f"SIGRTMAX-{n}": _REAL_TIME_LAST - n for n in range(14, 0, -1)},
    "SIGRTMAX": _REAL_TIME_LAST,
}
NAMES = (*_PLAIN, *_REAL_TIME)
"""All that a manifest may name."""


def named(container: Container) -> str | None:
    """Return the name that the container gives, if it gives one."""
    return container.lifecycle.stop_signal if container.lifecycle else None


def stop_signal(container: Container) -> int:
    """Return the number of the container's stop signal."""
    name = named(container) or "SIGTERM"
    return _REAL_TIME.get(name) or int(getattr(signal, name, SIGTERM))
