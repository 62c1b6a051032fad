"""Control groups: version 1, version 2, and hosts that have both.

All of a cluster's groups are below one, `netemu-CLUSTER.ID`, in each hierarchy that
has a controller we use. What cannot be set is left: a host without the memory
controller still runs Pods, only without limits.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from netemu.model.runtime import Resources

CONTROLLERS = ("cpu", "memory", "pids")
PERIOD_US = 100_000
_LEAST_SHARES = 2
"""What a container has that asks for nothing."""
MOST_PROCESSES = 4096
"""A fork bomb in a container ends here, not at the host's last pid."""


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """One mounted tree of groups."""

    root: str
    version: int
    controllers: frozenset[str]


def observe_hierarchies(mountinfo: str = "/proc/self/mountinfo") -> tuple[Hierarchy, ...]:
    """Return the hierarchies that hold the controllers we use, each controller once.

    A hybrid host's version 2 tree has no controllers; it is left alone there.
    """
    with open(mountinfo, encoding="utf-8", errors="surrogateescape") as file:
        found = list(_parse_mounts(file.read().splitlines()))
    first = [h for h in found if h.version == 1 and h.controllers]
    # A version 2 mount whose controllers all went to version 1 has none to offer.
    return tuple(first) or tuple(h for h in found if h.version == 2)[:1]


def _parse_mounts(lines: list[str]) -> Iterator[Hierarchy]:
    seen: set[str] = set()
    for line in lines:
        mount, _, filesystem = line.partition(" - ")
        kind, _, options = filesystem.split(" ", 2)
        point = mount.split(" ")[4]
        if kind == "cgroup2":
            yield Hierarchy(point, 2, frozenset(_available(point)))
        elif kind == "cgroup":
            controllers = frozenset(options.split(",")) & frozenset(CONTROLLERS) - seen
            seen |= controllers
            yield Hierarchy(point, 1, controllers)


def _available(root: str) -> set[str]:
    return set(_read(f"{root}/cgroup.controllers").split()) & set(CONTROLLERS)


def cpu_weight(shares: int) -> int:
    """Return version 2's `cpu.weight` for version 1's shares, as runc ≥ 1.3.2 does."""
    if shares <= 2:
        return 1
    if shares >= 262_144:
        return 10_000
    log = math.log2(shares)
    return math.ceil(10 ** (log * log / 612 + 125 * log / 612 - 7 / 34))


class Cgroups:
    """The groups of one cluster."""

    def __init__(self, cluster: str, hierarchies: tuple[Hierarchy, ...] | None = None) -> None:
        self._top = f"netemu-{cluster}"
        self._hierarchies = observe_hierarchies() if hierarchies is None else hierarchies

    @property
    def unified(self) -> bool:
        return any(h.version == 2 for h in self._hierarchies)

    def enter(self, path: str, resources: Resources) -> None:
        """Make the group, where it has something to say, and move this process into it.

        A move makes every fork on the host wait for a moment, in each hierarchy of
        version 1 anew: a hundred Pods without limits notice.
        """
        for hierarchy in self._hierarchies:
            limits = dict(_limits(hierarchy, resources))
            if not limits and hierarchy.version == 1:
                continue
            if folder := self._make(hierarchy, path):
                for name, value in limits.items():
                    _write(f"{folder}/{name}", value)
                _write(f"{folder}/cgroup.procs", "0")

    def join(self, path: str) -> None:
        """Move this process into a group that is there."""
        for hierarchy in self._hierarchies:
            _write(f"{self._folder(hierarchy, path)}/cgroup.procs", "0")

    def kill(self, path: str = "") -> None:
        """SIGKILL every process in the group and below it."""
        for hierarchy in self._hierarchies:
            folder = self._folder(hierarchy, path)
            if not _write(f"{folder}/cgroup.kill", "1"):
                _walk(folder, _kill_members)

    def remove(self, path: str) -> None:
        """Remove the group and those below it. Gone, or not empty yet, is no error."""
        for hierarchy in self._hierarchies:
            _walk(self._folder(hierarchy, path), _remove_folder)

    def remove_all(self) -> None:
        """Remove the cluster's whole tree."""
        for hierarchy in self._hierarchies:
            _walk(f"{hierarchy.root}/{self._top}", _remove_folder)

    def oom_kills(self, path: str) -> int:
        """Return how many processes of the group the kernel killed for want of memory."""
        for hierarchy in self._hierarchies:
            if "memory" in hierarchy.controllers:
                name = "memory.events" if hierarchy.version == 2 else "memory.oom_control"
                for line in _read(f"{self._folder(hierarchy, path)}/{name}").splitlines():
                    if line.startswith("oom_kill "):
                        return int(line.split()[1])
        return 0

    def _folder(self, hierarchy: Hierarchy, path: str) -> str:
        return f"{hierarchy.root}/{self._top}/{path.strip('/')}".rstrip("/")

    def _make(self, hierarchy: Hierarchy, path: str) -> str:
        folder = self._folder(hierarchy, path)
        if os.path.isdir(folder):
            return folder
        _hand_down(hierarchy.root, hierarchy)
        made = hierarchy.root
        parts = folder[len(made) + 1 :].split("/")
        for index, part in enumerate(parts):
            made = f"{made}/{part}"
            try:
                os.mkdir(made)
            except FileExistsError:
                continue
            except OSError:
                # Read-only or forbidden, as in a container: run without limits.
                return ""
            if index < len(parts) - 1:
                _hand_down(made, hierarchy)
        return folder


def _hand_down(folder: str, hierarchy: Hierarchy) -> None:
    """Let the groups below `folder` have the controllers; version 2 only."""
    if hierarchy.version == 2:
        for controller in sorted(hierarchy.controllers):
            _write(f"{folder}/cgroup.subtree_control", f"+{controller}")


def _limits(hierarchy: Hierarchy, resources: Resources) -> Iterator[tuple[str, str]]:
    second = hierarchy.version == 2
    if "pids" in hierarchy.controllers:
        yield "pids.max", str(MOST_PROCESSES)
    if "memory" in hierarchy.controllers and resources.memory_bytes:
        yield from _memory_limits(second, str(resources.memory_bytes))
    if "cpu" in hierarchy.controllers:
        quota = resources.cpu_quota_us
        if resources.cpu_shares and second:
            yield "cpu.weight", str(cpu_weight(resources.cpu_shares))
        elif resources.cpu_shares > _LEAST_SHARES:
            yield "cpu.shares", str(resources.cpu_shares)
        if quota and second:
            yield "cpu.max", f"{quota} {PERIOD_US}"
        elif quota:
            yield "cpu.cfs_quota_us", str(quota)


def _memory_limits(second: bool, limit: str) -> Iterator[tuple[str, str]]:
    """No swap beyond the limit, as with Kubernetes; the hosts that count it have these files."""
    if second:
        yield "memory.max", limit
        yield "memory.swap.max", "0"
        # All of the container or nothing, not whichever process was the largest.
        yield "memory.oom.group", "1"
    else:
        # In this order: memory and swap together may not be less than memory alone.
        yield "memory.limit_in_bytes", limit
        yield "memory.memsw.limit_in_bytes", limit


def _walk(folder: str, act: Callable[[str], None]) -> None:
    """Act on each folder below `folder`, then on itself."""
    try:
        below = [entry.path for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return
    for path in below:
        _walk(path, act)
    act(folder)


def _remove_folder(folder: str) -> None:
    with contextlib.suppress(OSError):
        os.rmdir(folder)


def _kill_members(folder: str) -> None:
    for pid in _read(f"{folder}/cgroup.procs").split():
        with contextlib.suppress(ProcessLookupError):
            # 0 stands for a process outside our PID namespace.
            if pid != "0":
                os.kill(int(pid), signal.SIGKILL)


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            return file.read()
    except OSError:
        return ""


def _write(path: str, value: str) -> bool:
    # A plain descriptor: Python's text files cost a child pages of its own.
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        os.write(fd, value.encode())
    except OSError:
        return False
    finally:
        os.close(fd)
    return True
