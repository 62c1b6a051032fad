"""What a proxy mode is: from Services to what a node's kernel should hold.

A mode decides only. It returns data; `daemons.kube_proxy` compares it with what was
there and has the differences applied. A mode that needs more than netfilter rules
(addresses, virtual servers, listeners) adds a field to `ProxyState`, and a host
module that applies it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import Any, Protocol

from netemu.core.netfilter.tables import Jump, Tables
from netemu.core.proxy.choice import Choice, choose, depends_on_node
from netemu.core.proxy.endpoints import Endpoint
from netemu.core.proxy.services import Address, Network, ServicePort

_LOOPBACK = IPv4Network("127.0.0.0/8")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyNode:
    """The node as its proxy sees it."""

    name: str
    zone: str = ""
    address: Address
    addresses: tuple[Address, ...] = ()
    """All its own addresses, for `nodePortAddresses`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyConfig:
    """kube-proxy's configuration, as far as it shapes rules."""

    cluster_cidr: Network | None = None
    """Detects local traffic: what comes from here is a pod's. None: no detector."""
    masquerade_all: bool = False
    masquerade_bit: int = 14
    localhost_node_ports: bool = True
    node_port_addresses: tuple[Network, ...] = ()
    """Empty is all."""
    random_fully: bool = True
    tcp_be_liberal: bool = False
    """conntrack lets strange TCP through: then INVALID packets are not dropped."""
    large_cluster_endpoints: int = 1000
    """With more endpoints than this the longest comments are left out."""

    @property
    def masquerade_mark(self) -> str:
        return f"{1 << self.masquerade_bit:#x}"

    @property
    def serves_localhost(self) -> bool:
        """NodePorts on localhost need 127.0.0.0/8 among the NodePort addresses."""
        if not self.localhost_node_ports or not self.node_port_addresses:
            return self.localhost_node_ports
        ranges = (n for n in self.node_port_addresses if isinstance(n, IPv4Network))
        return any(network.overlaps(_LOOPBACK) for network in ranges)


@dataclass(frozen=True, slots=True, eq=False)
class ServedPort:
    """A Service's port and all of its endpoints: replaced, never changed.

    `derived` is where pure functions keep what they made of it, for other nodes and
    the next sync: nothing in it can become untrue, and it goes when this goes.
    """

    port: ServicePort
    endpoints: tuple[Endpoint, ...] = ()
    derived: dict[Any, Any] = field(default_factory=dict)

    def choice(self, node: ProxyNode) -> Choice:
        shared = not depends_on_node(self.port, self.endpoints)
        key = "choice" if shared else ("choice", node.name, node.zone)
        choice: Choice | None = self.derived.get(key)
        if choice is None:
            choice = choose(self.port, self.endpoints, node=node.name, zone=node.zone)
            self.derived[key] = choice
        return choice


ServiceTable = tuple[ServedPort, ...]
"""All that is proxied in a cluster, sorted by Service and port."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyState:
    """What a node should hold."""

    tables: Tables = field(default_factory=dict)
    jumps: tuple[Jump, ...] = ()
    sysctls: Mapping[str, str] = field(default_factory=dict)


class ProxyMode(Protocol):
    """A way of carrying Services, in a file of its own in `modes/`, as `MODE`."""

    def plan(self, services: ServiceTable, node: ProxyNode, config: ProxyConfig) -> ProxyState:
        """Return what the node should hold. Cheap if little changed since the last call."""

    def owns(self, table: str, chain: str) -> bool:
        """Is this chain one of the mode's, to be deleted when it is not planned?"""


def count_endpoints(services: Iterable[ServedPort]) -> int:
    return sum(len(served.endpoints) for served in services)
