"""Kernel settings below /proc/sys, named as sysctl(8) names them.

What lies below `net` belongs to the namespace of the thread that opens it, so these
run inside: `await netns.call(sysctl.write, settings)`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from netemu.core.netstate import Sysctl
from netemu.errors import HostError, MissingFacility

_SWAPPED = str.maketrans("./", "/.")

_REMEDIES = {
    "net.bridge.": (
        "br_netfilter",
        "Services do not work between pods of one bridge without it",
        "Load it with `modprobe br_netfilter`.",
    ),
}


def path_of(name: str) -> str:
    """Return the file: `net.ipv4.conf.flannel/1.forwarding` is below `conf/flannel.1`."""
    return f"/proc/sys/{name.translate(_SWAPPED)}"


def write(settings: Iterable[Sysctl]) -> None:
    for setting in settings:
        try:
            with open(path_of(setting.name), "wb", buffering=0) as file:
                file.write(setting.value.encode())
        except FileNotFoundError as error:
            if not setting.optional:
                raise _missing(setting) from error
        except OSError as error:
            answer = error.strerror or ""
            raise HostError(f"setting {setting}", answer=answer, errno=error.errno or 0) from error


def read(names: Iterable[str]) -> frozenset[Sysctl]:
    """Return those of the settings that exist."""
    return frozenset(
        Sysctl(name=name, value=value) for name in names if (value := _value(name)) is not None
    )


def _value(name: str) -> str | None:
    try:
        with open(path_of(name), encoding="ascii") as file:
            return " ".join(file.read().split())
    except FileNotFoundError:
        return None


def _missing(setting: Sysctl) -> MissingFacility | HostError:
    for beginning, (what, why, remedy) in _REMEDIES.items():
        if setting.name.startswith(beginning):
            return MissingFacility(what, why=why, remedy=remedy)
    return HostError(f"setting {setting}", answer=os.strerror(2), errno=2)
