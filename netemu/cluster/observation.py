"""What is already on this host, as far as a new cluster must know it."""

from __future__ import annotations

import contextlib
from ipaddress import IPv4Address, IPv4Network

from netemu import plugins
from netemu.core.overlay import backends
from netemu.core.plans import HostFacts
from netemu.core.proxy import modes
from netemu.errors import UserError
from netemu.host import clusters, netfilter, underlay


def observe_host() -> HostFacts:
    """Look at addresses, routes, other clusters, iptables and name servers.

    Raises MissingFacility when there is no iptables at all.
    """
    return HostFacts(
        networks_in_use=[*underlay.taken_networks(), *_other_clusters()],
        iptables_flavour=netfilter.detect().flavour,
        name_servers=_name_servers(),
        overlays=plugins.names(backends),
        proxy_modes=plugins.names(modes),
    )


def _other_clusters() -> list[IPv4Network]:
    found = []
    for name in clusters.known():
        # One whose settings cannot be read has not got anywhere.
        with contextlib.suppress(UserError):
            found.append(clusters.load_settings(name).underlay)
    return found


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
