"""The `/etc/hosts` that the kubelet writes (control-plane-and-node.md, 3.7)."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address

from netemu.model.core_v1 import HostAlias

_HEADER = "# Kubernetes-managed hosts file.\n"
_HOST_NETWORK_HEADER = "# Kubernetes-managed hosts file (host network).\n"
_LOCAL = """\
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
fe00::0\tip6-mcastprefix
fe00::1\tip6-allnodes
fe00::2\tip6-allrouters
"""


def render(
    addresses: Iterable[IPv4Address],
    *,
    hostname: str,
    domain: str,
    aliases: Iterable[HostAlias] = (),
) -> str:
    """Return the file of a Pod with a network of its own."""
    names = f"{hostname}.{domain}\t{hostname}" if domain else hostname
    own = "".join(f"{address}\t{names}\n" for address in addresses)
    return _HEADER + _LOCAL + own + _aliases(aliases)


def render_host_network(node_file: str, *, aliases: Iterable[HostAlias] = ()) -> str:
    """Return the file of a hostNetwork Pod: the node's own and the aliases."""
    return _HOST_NETWORK_HEADER + node_file + _aliases(aliases)


def _aliases(aliases: Iterable[HostAlias]) -> str:
    lines = ["\t".join((alias.ip, *alias.hostnames)) + "\n" for alias in aliases]
    return "\n# Entries added by HostAliases.\n" + "".join(lines) if lines else ""
