"""What is seen on a host, judged: each `see_` turns numbers and names into an Observation."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from ipaddress import IPv4Network

from netemu.core.doctor.findings import Observation
from netemu.core.node_network import UNDERLAY_POOL, choose_underlay
from netemu.errors import UserError

KERNEL_MIN = (5, 6)
PYTHON_MIN = (3, 11)
OPEN_FILES_MIN = 8192
"""A Pod costs the zygote about eight descriptors."""
STATE_MIN_BYTES = 32 << 20
KUBECTL_MIN = (1, 20)
KUBECTL_KNOWN = (1, 35)
"""One minor version above the API server's: as far as Kubernetes promises anything."""
PIDS_MIN = 32768
CONNECTIONS_MIN = 65536
NEIGHBOURS_MIN = 1024
INOTIFY_MIN = 128


def see_version(text: str, least: tuple[int, int]) -> Observation:
    """Judge `6.1.0-18-amd64` or `3.11.2` by its first two numbers."""
    numbers = [
        int(part) for part in text.split("-", maxsplit=1)[0].split(".")[:2] if part.isdigit()
    ]
    return Observation(tuple(numbers) >= least if len(numbers) == 2 else None, text)


def see_kubectl(seen: Observation) -> Observation:
    """Too old to be spoken to, or newer than anybody promises?"""
    numbers = re.match(r"v?(\d+)\.(\d+)", seen.detail)
    if not seen.fine or not numbers:
        return seen
    version = (int(numbers[1]), int(numbers[2]))
    if version < KUBECTL_MIN:
        return Observation(False, f"{seen.detail}: older than any that was tried")
    newer = ", newer than what Kubernetes promises for 1.34" if version > KUBECTL_KNOWN else ""
    return Observation(True, seen.detail + newer)


def see_addresses(taken: Iterable[IPv4Network], ours: Collection[IPv4Network]) -> Observation:
    """Is a /24 left for the next cluster, and who else uses the range?"""
    strangers = sorted(
        network
        for network in taken
        if network.prefixlen >= UNDERLAY_POOL.prefixlen
        and network.overlaps(UNDERLAY_POOL)
        and not any(network.overlaps(underlay) for underlay in ours)
    )
    used = f"; this host uses {', '.join(map(str, strangers))}" if strangers else ""
    try:
        free = choose_underlay([*strangers, *ours])
    except UserError:
        return Observation(False, f"no /24 of {UNDERLAY_POOL} is free{used}")
    return Observation(True, f"the next cluster gets {free}{used}")


def see_open_files(most: int) -> Observation:
    """`most` is the hard limit; -1 is none."""
    return Observation(most < 0 or most >= OPEN_FILES_MIN, "no limit" if most < 0 else f"{most}")


def see_path(path: str) -> Observation:
    there = {folder.rstrip("/") for folder in path.split(":")}
    if {"/usr/sbin", "/sbin"} & there:
        return Observation(True, "has /usr/sbin")
    return Observation(False, "/usr/sbin is not in it")


def see_cgroups(hierarchies: Iterable[tuple[int, Collection[str]]]) -> Observation:
    """Each hierarchy is its version and the controllers that it offers."""
    found = list(hierarchies)
    controllers = {name for _, offered in found for name in offered}
    lacking = sorted({"cpu", "memory", "pids"} - controllers)
    if not found:
        return Observation(False, "none is mounted")
    versions = "v1 and v2" if len({version for version, _ in found}) > 1 else f"v{found[0][0]}"
    if lacking:
        return Observation(False, f"{versions}, without {', '.join(lacking)}")
    return Observation(True, f"{versions}: {', '.join(sorted(controllers))}")


def see_clusters(states: Mapping[str, str]) -> Observation:
    """`states` says of each cluster `running`, `stopped` or so."""
    if not states:
        return Observation(True, "none")
    told = ", ".join(f"{name} ({state})" for name, state in sorted(states.items()))
    return Observation(all(state == "running" for state in states.values()), told)


def see_most(number: int | None, least: int) -> Observation:
    """A limit of the kernel that should not be lower."""
    if number is None:
        return Observation(True, "the host's, and not shown in this namespace")
    return Observation(number >= least, str(number))


def see_connections(count: int | None, most: int | None) -> Observation:
    """How many of the tracked connections that fit are there."""
    if most is None:
        return Observation(True, "not limited yet: nothing is tracked")
    told = f"{count or 0} of {most}"
    return Observation(most >= CONNECTIONS_MIN and (count or 0) < most * 0.9, told)


def see_state_folder(
    *, free_bytes: int, free_inodes: int, inodes: int, writable: bool
) -> Observation:
    """Is there room for a store that grows? File systems without a count of inodes have 0."""
    told = f"{free_bytes >> 20} MiB free"
    if not writable:
        return Observation(False, "read-only")
    if inodes and free_inodes < 1000:
        return Observation(False, f"{told}, but only {free_inodes} inodes")
    return Observation(free_bytes >= STATE_MIN_BYTES, told)


def see_pod_ranges(taken: Iterable[IPv4Network], ranges: Iterable[IPv4Network]) -> Observation:
    """Which routes of the host lead to what Pods and Services are called in clusters?"""
    inner = list(ranges)
    same = sorted(n for n in taken if n.prefixlen >= 8 and any(n.overlaps(r) for r in inner))
    told = ", ".join(map(str, same))
    return Observation(not same, told or "none")


def see_contexts(contexts: Iterable[str], known: Collection[str]) -> Observation:
    """Contexts `netemu-NAME` whose cluster is gone."""
    gone = sorted(c for c in contexts if c.removeprefix("netemu-") not in known)
    return Observation(not gone, ", ".join(gone) or "all are of clusters that are there")


def see_flavours(*, legacy: Collection[str], nft: Collection[str]) -> Observation:
    """`legacy` are its tables that hold rules, `nft` the tables of iptables-nft."""
    if legacy and nft:
        return Observation(
            False, f"legacy ({', '.join(sorted(legacy))}), nft ({', '.join(sorted(nft))})"
        )
    return Observation(True, "legacy" if legacy else "nft" if nft else "neither holds rules")


def see_machine(kind: str, *, privileged: bool) -> Observation:
    """`kind` is what systemd-detect-virt would say; containers begin with `container`."""
    return Observation(not kind.startswith("container") or privileged, kind)


def see_name_servers(resolv_conf: str) -> Observation:
    words = [line.split() for line in resolv_conf.splitlines()]
    servers = [line[1] for line in words if len(line) > 1 and line[0] == "nameserver"]
    stub = " (a stub on the host: fine)" if any(s.startswith("127.") for s in servers) else ""
    return Observation(bool(servers), f"{', '.join(servers)}{stub}" if servers else "none")
