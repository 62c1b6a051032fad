"""How much there may be of things: processes, connections, neighbours, watches, room on disk."""

from __future__ import annotations

import os
import resource

from netemu.core.doctor import sights
from netemu.core.doctor.findings import Observation
from netemu.host import clusters

_SYS = "/proc/sys"


def look() -> dict[str, Observation]:
    """Read what the kernel allows; nothing here needs root."""
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    tracked = "net/netfilter/nf_conntrack_"
    return {
        "open files": sights.see_open_files(most_files),
        "process ids": sights.see_most(number("kernel/pid_max"), sights.PIDS_MIN),
        "connection table": sights.see_connections(number(f"{tracked}count"), _most_tracked()),
        "neighbour table": sights.see_most(
            number("net/ipv4/neigh/default/gc_thresh3"), sights.NEIGHBOURS_MIN
        ),
        "inotify": sights.see_most(number("fs/inotify/max_user_instances"), sights.INOTIFY_MIN),
        "state folder": _state_folder(str(clusters.STATE_ROOT)),
    }


def number(setting: str) -> int | None:
    """Return a setting below /proc/sys; None if there is none or it is no number."""
    try:
        with open(f"{_SYS}/{setting}", encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return None


def _most_tracked() -> int | None:
    return number("net/netfilter/nf_conntrack_max") or number("net/nf_conntrack_max")


def _state_folder(path: str) -> Observation:
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    room = os.statvfs(path)
    return sights.see_state_folder(
        free_bytes=room.f_bavail * room.f_frsize,
        free_inodes=room.f_favail,
        inodes=room.f_files,
        writable=not room.f_flag & os.ST_RDONLY,
    )
