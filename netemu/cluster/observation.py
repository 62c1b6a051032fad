"""What is already on this host, as far as a new cluster must know it."""

from __future__ import annotations

import os
import shutil
from ipaddress import IPv4Address, IPv4Network

from netemu import plugins
from netemu.core.overlay import backends
from netemu.core.plans import HostFacts
from netemu.core.proxy import modes
from netemu.errors import MissingFacility
from netemu.host import clusters, underlay

_IPTABLES_REMEDY = "Install it, on Debian or Ubuntu: apt-get install iptables"


def observe_host() -> HostFacts:
    """Look at addresses, routes, other clusters, iptables and name servers.

    Raises MissingFacility when there is no iptables at all.
    """
    return HostFacts(
        networks_in_use=[*underlay.taken_networks(), *_other_clusters()],
        iptables_flavour=iptables_flavour(),
        name_servers=_name_servers(),
        overlays=plugins.names(backends),
        proxy_modes=plugins.names(modes),
    )


def iptables_flavour() -> str:
    """Return `nft` or `legacy`: what the host's own `iptables` is."""
    path = _which("iptables")
    if path is None:
        raise MissingFacility(
            "iptables", why="kube-proxy's rules are loaded with it", remedy=_IPTABLES_REMEDY
        )
    # Debian's alternatives and everybody else's links end in a program named by its flavour.
    real = os.path.realpath(path)
    return "legacy" if "legacy" in os.path.basename(real) else "nft"


def _which(program: str) -> str | None:
    path = os.environ.get("PATH", os.defpath)
    return shutil.which(program, path=f"{path}:/usr/sbin:/sbin")


def _other_clusters() -> list[IPv4Network]:
    return [
        clusters.load_settings(name).underlay for name in clusters.known() if clusters.exists(name)
    ]


def _name_servers() -> tuple[str, ...]:
    """The host's IPv4 name servers; a stub resolver on loopback is reachable from there."""
    try:
        with open("/etc/resolv.conf", encoding="utf-8", errors="replace") as file:
            lines = [line.split() for line in file]
    except FileNotFoundError:
        return ()
    found = [words[1] for words in lines if len(words) > 1 and words[0] == "nameserver"]
    return tuple(address for address in found if _is_ipv4(address))[:3]


def _is_ipv4(text: str) -> bool:
    try:
        IPv4Address(text)
    except ValueError:
        return False
    return True
