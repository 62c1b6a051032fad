"""Which packets of pods change their source when they leave the node: flannel's rules.

Among pods nobody's address changes. What a pod sends elsewhere, to a node or to the
host, leaves under its node's address, for only nodes know a way back to pods. What
kube-proxy has marked is left to kube-proxy (control-plane-and-node.md, 4.3).
"""

from __future__ import annotations

from ipaddress import IPv4Network

from netemu.core.netfilter.tables import Jump, Rules, Tables

_POSTROUTING = "FLANNEL-POSTRTG"
_FORWARD = "FLANNEL-FWD"
_SAYS_MASQUERADE = '-m comment --comment "flanneld masq"'
_SAYS_FORWARD = '-m comment --comment "flanneld forward"'

# Behind kube-proxy's, as flannel appends them: what is accepted here by its source
# would never be refused there for want of endpoints.
JUMPS = (
    Jump("nat", "POSTROUTING", f"{_SAYS_MASQUERADE} -j {_POSTROUTING}", last=True),
    Jump("filter", "FORWARD", f"{_SAYS_FORWARD} -j {_FORWARD}", last=True),
)


def plan(*, cluster: IPv4Network, mine: IPv4Network, random_fully: bool) -> Tables:
    """Return the chains for a node whose pods have the range `mine`."""
    return {
        "nat": {_POSTROUTING: _masquerading(cluster, mine, random_fully=random_fully)},
        "filter": {
            _FORWARD: (
                f"-s {cluster} {_SAYS_FORWARD} -j ACCEPT",
                f"-d {cluster} {_SAYS_FORWARD} -j ACCEPT",
            )
        },
    }


def _masquerading(cluster: IPv4Network, mine: IPv4Network, *, random_fully: bool) -> Rules:
    masquerade = "-j MASQUERADE --random-fully" if random_fully else "-j MASQUERADE"
    return (
        f"-m mark --mark 0x4000/0x4000 {_SAYS_MASQUERADE} -j RETURN",
        f"-s {mine} -d {cluster} {_SAYS_MASQUERADE} -j RETURN",
        f"-s {cluster} -d {mine} {_SAYS_MASQUERADE} -j RETURN",
        f"! -s {cluster} -d {mine} {_SAYS_MASQUERADE} -j RETURN",
        f"-s {cluster} ! -d 224.0.0.0/4 {_SAYS_MASQUERADE} {masquerade}",
        f"! -s {cluster} -d {cluster} {_SAYS_MASQUERADE} {masquerade}",
    )


def ours(_table: str, chain: str) -> bool:
    """Tell whether a chain is one of these."""
    return chain.startswith("FLANNEL-")
