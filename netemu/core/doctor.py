"""What a host must have to run clusters, what it should have, and what is said if it has not.

host/doctor tries and looks; what it found comes here as `Observation`s, and leaves as
`Finding`s in the order of the catalogue. `netemu doctor` shows them, `netemu up` stops
at the first that is missing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from ipaddress import IPv4Network

import msgspec

from netemu.core.node_network import UNDERLAY_POOL, choose_underlay
from netemu.errors import MissingFacility, UserError

KERNEL_MIN = (5, 4)
PYTHON_MIN = (3, 11)
OPEN_FILES_MIN = 8192
"""A Pod costs the zygote about eight descriptors."""


class Need(StrEnum):
    """What it means if a check is not fine."""

    NEEDED = "needed"
    OPTIONAL = "optional"
    NOTE = "note"
    """Nothing is missing; something is worth knowing."""


class Verdict(StrEnum):
    OK = "ok"
    MISSING = "missing"
    ABSENT = "absent"
    """Missing, but only some things need it."""
    NOTE = "note"
    UNKNOWN = "unknown"
    """It could not be tried: without root, most often."""


class Observation(msgspec.Struct, frozen=True):
    """How one check went; `fine` is None where nobody could look."""

    fine: bool | None
    detail: str = ""


class Check(msgspec.Struct, frozen=True):
    """One thing to look at: why it matters, and how to get it."""

    name: str
    need: Need
    why: str
    remedy: str


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A check and how it went."""

    name: str
    verdict: Verdict
    detail: str
    why: str
    remedy: str


def _module(name: str) -> str:
    return f"Try `modprobe {name}`; if there is none, boot your distribution's standard kernel."


def _package(name: str) -> str:
    return f"Install the package {name}."


_NEEDED, _OPTIONAL, _NOTE = Need.NEEDED, Need.OPTIONAL, Need.NOTE
_REMOVE = "`sudo netemu down NAME` removes what a cluster left, `sudo netemu up NAME` resumes it."

CATALOGUE: tuple[Check, ...] = (
    Check(
        "root",
        _NOTE,
        "all but this command needs root, and some checks do",
        "Run `sudo netemu doctor`.",
    ),
    Check(
        "kernel",
        _NEEDED,
        "processes are held by pidfd, and older ones were never tried",
        f"Boot Linux {KERNEL_MIN[0]}.{KERNEL_MIN[1]} or newer.",
    ),
    Check("python", _NEEDED, "netemu is written for it", "Install Python 3.11 or newer."),
    Check(
        "root directory",
        _NEEDED,
        "in a mere chroot nothing can get a root of its own: exec would land in the real one",
        "Run netemu outside of the chroot, or mount its folder onto itself and pivot_root there.",
    ),
    Check(
        "namespace support",
        _NEEDED,
        "nodes, Pods and containers are made of them",
        "Boot your distribution's standard kernel; in a container, run that one privileged.",
    ),
    Check("veth", _NEEDED, "every cable is a veth pair", _module("veth")),
    Check("bridge", _NEEDED, "nodes and Pods hang on bridges", _module("bridge")),
    Check(
        "br_netfilter",
        _NEEDED,
        "Services do not work between Pods of one node without it",
        _module("br_netfilter"),
    ),
    Check("vxlan", _NEEDED, "Pods of different nodes meet across it", _module("vxlan")),
    Check(
        "overlayfs",
        _NEEDED,
        "each container's root is an overlay of the host's",
        _module("overlay"),
    ),
    Check("iptables", _NEEDED, "Services are iptables rules", _package("iptables")),
    Check(
        "iptables rules",
        _NEEDED,
        "Services cannot be made without these matches and targets",
        "Load the named xt_ or ipt_ modules, or boot your distribution's standard kernel.",
    ),
    Check(
        "conntrack", _NEEDED, "every Service translates addresses", _module("nf_conntrack_netlink")
    ),
    Check(
        "addresses",
        _NEEDED,
        f"each cluster's nodes take a /24 of {UNDERLAY_POOL}",
        "Free one, or name another network with `underlay:` in the cluster file.",
    ),
    Check(
        "cgroups",
        _OPTIONAL,
        "containers' limits of processor, memory and processes are not kept without them",
        "Boot with systemd, or mount the cgroup hierarchies.",
    ),
    Check(
        "iptables-nft", _OPTIONAL, "clusters with `--iptables nft` need it", _module("nf_tables")
    ),
    Check(
        "iptables-legacy",
        _OPTIONAL,
        "clusters with `--iptables legacy` need it",
        _module("iptable_nat"),
    ),
    Check("nft", _OPTIONAL, "it shows and makes nftables rules", _package("nftables")),
    Check("ipvs", _OPTIONAL, "kube-proxy's ipvs mode needs it", _module("ip_vs")),
    Check(
        "netem", _OPTIONAL, "delay, loss and reordering are injected with it", _module("sch_netem")
    ),
    Check("wireguard", _OPTIONAL, "encrypted overlays need it", _module("wireguard")),
    Check(
        "dummy", _OPTIONAL, "ipvs mode and node-local DNS keep addresses on it", _module("dummy")
    ),
    Check(
        "ip", _OPTIONAL, "you look at namespaces, links and routes with it", _package("iproute2")
    ),
    Check(
        "kubectl",
        _OPTIONAL,
        "`netemu get` and the like stand in for it",
        _package("kubernetes-client"),
    ),
    Check("tcpdump", _OPTIONAL, "you watch packets with it", _package("tcpdump")),
    Check("dig", _OPTIONAL, "you ask the cluster's DNS with it", _package("bind9-dnsutils")),
    Check(
        "conntrack-tools",
        _OPTIONAL,
        "you look at tracked connections with it",
        _package("conntrack"),
    ),
    Check(
        "kvm",
        _OPTIONAL,
        "only virtual machines need it (Vagrant, `netemu vm`)",
        "Turn on virtualisation in the firmware, or nested virtualisation around this machine.",
    ),
    Check(
        "PATH",
        _NOTE,
        "netemu finds programs in /usr/sbin by itself, you do not",
        'Add it: `export PATH="$PATH:/usr/sbin"`.',
    ),
    Check(
        "open files",
        _NOTE,
        "hundreds of Pods need thousands of descriptors",
        f"Raise the hard limit to {OPEN_FILES_MIN} or more (`ulimit -Hn`, limits.conf).",
    ),
    Check("clusters", _NOTE, "each may be running, stopped or crashed", _REMOVE),
    Check("leftovers", _NOTE, "nobody knows this cluster any more", _REMOVE),
    Check(
        "firewalls",
        _NOTE,
        "the nodes' switch has a namespace of its own, so that they cannot break it; but they"
        " may drop what Pods send to the host",
        "Nothing needs to be done unless you want that.",
    ),
)

FOR_UP = (
    "namespace support",
    "root directory",
    "veth",
    "bridge",
    "br_netfilter",
    "vxlan",
    "overlayfs",
)
"""What `netemu up` makes sure of first, in the time of a blink."""


def judge(observations: Mapping[str, Observation]) -> list[Finding]:
    """Return a finding for each check that was looked at, in the catalogue's order."""
    return [
        Finding(
            name=check.name,
            verdict=_verdict(check.need, observations[check.name].fine),
            detail=observations[check.name].detail,
            why=check.why,
            remedy=check.remedy,
        )
        for check in CATALOGUE
        if check.name in observations
    ]


def _verdict(need: Need, fine: bool | None) -> Verdict:
    if fine is None:
        return Verdict.UNKNOWN
    if fine:
        return Verdict.OK
    return {_NEEDED: Verdict.MISSING, _OPTIONAL: Verdict.ABSENT, _NOTE: Verdict.NOTE}[need]


def stop_at_missing(findings: Iterable[Finding]) -> None:
    """Raise MissingFacility for the first finding that is missing, and name the others."""
    missing = [finding for finding in findings if finding.verdict is Verdict.MISSING]
    if not missing:
        return
    first, *others = missing
    more = f" Missing, too: {', '.join(other.name for other in others)}." if others else ""
    said = f" ({first.detail})" if first.detail else ""
    raise MissingFacility(
        first.name,
        why=f"{first.why}{said}",
        remedy=f"{first.remedy}{more} `sudo netemu doctor` tells all.",
    )


# --- what numbers and names come to ------------------------------------------


def see_version(text: str, least: tuple[int, int]) -> Observation:
    """Judge `6.1.0-18-amd64` or `3.11.2` by its first two numbers."""
    numbers = [
        int(part) for part in text.split("-", maxsplit=1)[0].split(".")[:2] if part.isdigit()
    ]
    return Observation(tuple(numbers) >= least if len(numbers) == 2 else None, text)


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
