"""From what a person asked for to the settings that all parts agree on.

Everything that can be wrong with a cluster's description is said here, before
anything is made.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import PurePosixPath

from netemu.core.node_network import choose_underlay
from netemu.errors import UserError
from netemu.model.cluster_v1alpha1 import Cluster, ClusterNode, ClusterSpec
from netemu.model.settings import CONTROL_PLANE, ClusterSettings, NodeSettings

NAME_MAX = 20
NODE_NAME_MAX = 40
NODES_MAX = 100
FIRST_NODE = 11
_DNS_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_DOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")

_RESERVED = {
    "host": "that is this host",
    "switch": "that is the switch between the nodes",
    "underlay": "that is the switch between the nodes",
}

Complain = Callable[[str, str], UserError]
"""From a field's path and a sentence to the error that names file and line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """What the choice of addresses and flavours depends on."""

    networks_in_use: Collection[IPv4Network]
    """Of the host's addresses and routes, and of the other clusters."""
    iptables_flavour: str
    name_servers: tuple[str, ...]
    overlays: Collection[str]
    proxy_modes: Collection[str]


def plan_settings(
    cluster: Cluster,
    host: HostFacts,
    *,
    state_root: PurePosixPath,
    run_root: PurePosixPath,
    complain: Complain,
) -> ClusterSettings:
    """Return the settings of a new cluster; `complain`'s UserError for what cannot be."""
    spec = cluster.spec
    name = check_name(cluster.metadata.name, complain)
    pods = _network(spec.pod_cidr, "spec.podCIDR", complain, longest_prefix=22)
    services = _network(spec.service_cidr, "spec.serviceCIDR", complain, longest_prefix=24)
    if pods.overlaps(services) and spec.service_cidr == ClusterSpec().service_cidr:
        raise complain("spec.podCIDR", f"{pods} overlaps the Service range {services}")
    if pods.overlaps(services):
        raise complain("spec.serviceCIDR", f"{services} overlaps the Pod range {pods}")
    underlay = _underlay(spec, host, complain)
    for what, of, network in (("pod", "Pod", pods), ("service", "Service", services)):
        if network.overlaps(underlay) and spec.underlay:
            raise complain("spec.underlay", f"{underlay} overlaps the {of} range {network}")
        if network.overlaps(underlay):
            raise complain(f"spec.{what}CIDR", f"{network} overlaps the underlay {underlay}")
    if not _DOMAIN.fullmatch(spec.domain):
        raise complain("spec.domain", f'"{spec.domain}" is not a DNS domain in lower case')
    return ClusterSettings(
        name=name,
        underlay=underlay,
        nodes=_nodes(spec, underlay, complain),
        pod_cidr=pods,
        service_cidr=services,
        cluster_dns=_dns_address(spec, services, complain),
        domain=spec.domain,
        overlay=_one_of(spec.overlay, host.overlays, "spec.overlay", complain),
        proxy_mode=_one_of(spec.proxy_mode, host.proxy_modes, "spec.proxyMode", complain),
        iptables_flavour=_flavour(spec, host, complain),
        upstream_dns=host.name_servers,
        state_dir=state_root / name,
        run_dir=run_root / name,
    )


def check_name(name: str, complain: Complain) -> str:
    """Return the cluster's name if it can be one; it becomes part of names on the host."""
    if not _DNS_NAME.fullmatch(name) or len(name) > NAME_MAX:
        raise complain(
            "metadata.name",
            f'"{name}" cannot name a cluster: at most {NAME_MAX} lower-case letters, digits '
            "and hyphens, beginning and ending with a letter or digit",
        )
    return name


def check_node_name(name: str, complain: Complain, field: str = "") -> None:
    """Complain unless a node can have that name: it becomes part of names on the host, too."""
    if not _DNS_NAME.fullmatch(name) or len(name) > NODE_NAME_MAX:
        raise complain(field, f'"{name}" is not a DNS label of at most {NODE_NAME_MAX} characters')
    if name in _RESERVED:
        raise complain(field, f'"{name}" cannot name a node: {_RESERVED[name]}')


def _underlay(spec: ClusterSpec, host: HostFacts, complain: Complain) -> IPv4Network:
    if not spec.underlay:
        try:
            return choose_underlay(frozenset(host.networks_in_use))
        except UserError as error:
            raise complain("spec.underlay", error.message) from error
    wanted = _network(spec.underlay, "spec.underlay", complain, longest_prefix=24)
    if wanted.prefixlen != 24:
        raise complain("spec.underlay", f"{wanted} must be a /24")
    for network in host.networks_in_use:
        if network.overlaps(wanted):
            raise complain("spec.underlay", f"{wanted} overlaps {network}, which this host uses")
    return wanted


def _network(text: str, field: str, complain: Complain, *, longest_prefix: int) -> IPv4Network:
    try:
        network = IPv4Network(text)
    except ValueError as error:
        raise complain(
            field, f'"{text}" is not an IPv4 network such as 10.244.0.0/16: {error}'
        ) from error
    if network.prefixlen > longest_prefix:
        raise complain(field, f"{network} is too small: at least a /{longest_prefix} is needed")
    return network


def _dns_address(spec: ClusterSpec, services: IPv4Network, complain: Complain) -> IPv4Address:
    if not spec.cluster_dns:
        return services.network_address + 10
    try:
        address = IPv4Address(spec.cluster_dns)
    except ValueError as error:
        raise complain("spec.clusterDNS", f'"{spec.cluster_dns}" is not an IPv4 address') from error
    if address not in services or address == services.network_address + 1:
        raise complain(
            "spec.clusterDNS", f"{address} must be an address of {services} other than its first"
        )
    return address


def _one_of(value: str, known: Collection[str], field: str, complain: Complain) -> str:
    if value not in known:
        raise complain(field, f'no such choice "{value}"; there are: {", ".join(sorted(known))}')
    return value


def _flavour(spec: ClusterSpec, host: HostFacts, complain: Complain) -> str:
    if spec.iptables == "auto":
        return host.iptables_flavour
    return _one_of(spec.iptables, ("nft", "legacy"), "spec.iptables", complain)


def _nodes(
    spec: ClusterSpec, underlay: IPv4Network, complain: Complain
) -> tuple[NodeSettings, ...]:
    described = spec.nodes
    not_written = 0
    if isinstance(described, int):
        if not 1 <= described <= NODES_MAX:
            raise complain(
                "spec.nodes", f"{described} nodes: between 1 and {NODES_MAX} are possible"
            )
        described = [ClusterNode(role=CONTROL_PLANE)] + [ClusterNode()] * (described - 1)
    elif not any(node.role == CONTROL_PLANE for node in described):
        described = [ClusterNode(role=CONTROL_PLANE), *described]
        not_written = 1
    if len(described) > NODES_MAX:
        raise complain("spec.nodes", f"{len(described)} nodes: at most {NODES_MAX} are possible")
    nodes: list[NodeSettings] = []
    workers = 0
    for index, node in enumerate(described):
        field = f"spec.nodes[{index - not_written}]"
        is_control_plane = node.role == CONTROL_PLANE
        if is_control_plane and any(other.control_plane for other in nodes):
            raise complain(f"{field}.role", "a second control plane is not supported")
        _one_of(node.role, (CONTROL_PLANE, "worker"), f"{field}.role", complain)
        workers += not is_control_plane
        name = node.name or (CONTROL_PLANE if is_control_plane else f"worker-{workers}")
        check_node_name(name, complain, f"{field}.name")
        if any(other.name == name for other in nodes):
            raise complain(f"{field}.name", f'a second node named "{name}"')
        address = underlay.network_address + FIRST_NODE + index
        nodes.append(
            NodeSettings(
                name=name, address=address, control_plane=is_control_plane, labels=node.labels
            )
        )
    return tuple(nodes)
