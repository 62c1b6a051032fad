"""What a cluster is made with: names, addresses, choices. Resolved once, at `up`."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from pathlib import PurePosixPath

CONTROL_PLANE = "control-plane"
POD_CIDR = IPv4Network("10.244.0.0/16")
SERVICE_CIDR = IPv4Network("10.96.0.0/16")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaintSettings:
    key: str
    value: str = ""
    effect: str = "NoSchedule"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSettings:
    """What runs in the place of the images that match a pattern; one of the lists, or none."""

    pattern: str
    stand_in: tuple[str, ...] | None = None
    """Ports with their protocols: `8080/tcp`."""
    agnhost: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSettings:
    """One node: its name and its place on the underlay."""

    name: str
    address: IPv4Address
    control_plane: bool = False
    labels: dict[str, str] = field(default_factory=dict)
    taints: tuple[TaintSettings, ...] = ()
    cpu: str = ""
    """What the scheduler may count on; empty: what the host has."""
    memory: str = ""
    max_pods: int = 110
    pod_range: IPv4Network | None = None
    """Its pods' addresses, where they were chosen; else the next free ones."""
    powered: bool = True
    """False after `netemu node kill`, until `netemu node start`."""
    cabled: bool = True
    """False after `netemu node partition`, until `netemu node heal`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSettings:
    """Everything that the parts of one cluster agree on."""

    name: str
    underlay: IPv4Network
    """A /24: the host is .1, nodes are .11 and up, the upper half is for LoadBalancers."""
    nodes: tuple[NodeSettings, ...]

    pod_cidr: IPv4Network = POD_CIDR
    service_cidr: IPv4Network = SERVICE_CIDR
    cluster_dns: IPv4Address = IPv4Address("10.96.0.10")
    domain: str = "cluster.local"
    overlay: str = "vxlan"
    proxy_mode: str = "iptables"
    iptables_flavour: str = "nft"
    """`nft` or `legacy`: the programs `iptables-nft-restore` or `iptables-legacy-restore`."""
    api_port: int = 6443
    dns_replicas: int = 2
    images: tuple[ImageSettings, ...] = ()
    strict_images: bool = False
    """No stand-ins but those that `images` asks for."""
    node_grace_s: float = 40.0
    """How long a node may be silent before it is NotReady: --node-monitor-grace-period."""
    toleration_s: int = 300
    """How long pods stay on a node that is not ready, unless they say otherwise."""
    upstream_dns: tuple[str, ...] = ()
    """Name servers of the host, reached through sockets opened in the host's namespace."""

    state_dir: PurePosixPath
    """`/var/lib/netemu/NAME`: what survives a reboot."""
    run_dir: PurePosixPath
    """`/run/netemu/NAME`: sockets and what is of this boot only."""

    @property
    def host_address(self) -> IPv4Address:
        """The host's own address on the underlay."""
        return self.underlay.network_address + 1

    @property
    def api_service_address(self) -> IPv4Address:
        """The first Service address: `kubernetes.default`."""
        return self.service_cidr.network_address + 1

    @property
    def control_plane(self) -> NodeSettings:
        return next(node for node in self.nodes if node.control_plane)

    @property
    def powered_nodes(self) -> tuple[NodeSettings, ...]:
        return tuple(node for node in self.nodes if node.powered)

    @property
    def reachable_nodes(self) -> tuple[NodeSettings, ...]:
        """Those that have power, and cables all the way to the API server."""
        connected = self.control_plane.cabled
        nodes = self.powered_nodes
        return tuple(n for n in nodes if n.control_plane or (connected and n.cabled))

    def node(self, name: str) -> NodeSettings | None:
        return next((node for node in self.nodes if node.name == name), None)
