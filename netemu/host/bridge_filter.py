"""br_netfilter: what is switched on a bridge passes netfilter, too.

Pods of one node talk across a bridge, and Services between them need it. It is built
into some kernels and a module of others. Loading the module turns it on everywhere at
once, so the host's own bridges are told at once to go on as they did; nodes and switch
have settings of their own. It is unloaded when the last cluster goes, if it was netemu
that loaded it and the host has not taken to it since.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess

from netemu.errors import MissingFacility

_MODULE = "br_netfilter"
_SETTINGS = "/proc/sys/net/bridge"
_CALLS = ("bridge-nf-call-iptables", "bridge-nf-call-ip6tables", "bridge-nf-call-arptables")
_MARK = "/run/netemu/br-netfilter-is-ours"


def require(*, settings: str = _SETTINGS, mark: str = _MARK) -> None:
    """Load it if it is not there. To be called in the host's namespace."""
    if os.path.isdir(settings):
        return
    # Before it is: whoever is killed in between leaves no riddle.
    os.makedirs(os.path.dirname(mark), mode=0o755, exist_ok=True)
    _write(mark, "")
    answer = _modprobe(_MODULE)
    if not os.path.isdir(settings):
        os.unlink(mark)
        raise MissingFacility(
            f"the kernel's {_MODULE}",
            why=f"Services do not work between pods of one node without it ({answer})",
            remedy=f"Install the kernel module and load it: `modprobe {_MODULE}`.",
        )
    for call in _CALLS:
        with contextlib.suppress(FileNotFoundError):
            _write(f"{settings}/{call}", "0")


def is_ours(mark: str = _MARK) -> bool:
    """Whether netemu loaded it."""
    return os.path.exists(mark)


def release(*, settings: str = _SETTINGS, mark: str = _MARK) -> None:
    """Unload it if netemu loaded it and nobody on the host uses it by now."""
    if not os.path.exists(mark):
        return
    if not any(_is_on(f"{settings}/{call}") for call in _CALLS):
        _modprobe("-r", _MODULE)  # In use all the same: then it stays.
    with contextlib.suppress(FileNotFoundError):
        os.unlink(mark)


def _modprobe(*argv: str) -> str:
    program = shutil.which("modprobe") or shutil.which("modprobe", path="/usr/sbin:/sbin")
    if program is None:
        return "there is no modprobe"
    done = subprocess.run([program, *argv], capture_output=True, text=True, check=False)
    return done.stderr.strip() or "modprobe did not say why"


def _is_on(path: str) -> bool:
    try:
        with open(path, encoding="ascii") as file:
            return file.read().strip() != "0"
    except FileNotFoundError:
        return False


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
