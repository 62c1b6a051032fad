"""From what a person asked for to the settings that all parts agree on.

Everything that can be wrong with a cluster's description is said here, before
anything is made.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import PurePosixPath
from typing import Any

from netemu.core.node_network import choose_underlay
from netemu.errors import UserError
from netemu.model import quantity
from netemu.model.cluster_v1alpha1 import (
    Cluster,
    ClusterNode,
    ClusterSpec,
    ClusterTaint,
    ImageRule,
)
from netemu.model.duration import parse_duration
from netemu.model.settings import (
    CONTROL_PLANE,
    ClusterSettings,
    ImageSettings,
    NodeSettings,
    TaintSettings,
)

NAME_MAX = 20
NODE_NAME_MAX = 40
NODES_MAX = 100
FIRST_NODE = 11
_DNS_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_DOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")

ZONE_LABEL = "topology.kubernetes.io/zone"
ROLE_LABEL = "node-role.kubernetes.io/"
_LABEL_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_SHORTEST_GRACE_S = 1
_LONGEST_GRACE_S = 3600
_LONGEST_TOLERATION_S = 7 * 24 * 3600
_MOST_PODS = 253
"""What a /24 has addresses for."""

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
        nodes=_nodes(spec, underlay, pods, complain),
        pod_cidr=pods,
        service_cidr=services,
        cluster_dns=_dns_address(spec, services, complain),
        domain=spec.domain,
        overlay=_one_of(spec.overlay, host.overlays, "spec.overlay", complain),
        proxy_mode=_one_of(spec.proxy_mode, host.proxy_modes, "spec.proxyMode", complain),
        iptables_flavour=_flavour(spec, host, complain),
        upstream_dns=host.name_servers if spec.dns.upstream else (),
        dns_replicas=_between(spec.dns.replicas, 0, 20, "spec.dns.replicas", complain),
        images=_images(spec, complain),
        strict_images=spec.strict_images,
        node_grace_s=_grace_s(spec.node_monitor_grace_period, complain),
        toleration_s=_between(
            spec.default_toleration_seconds,
            0,
            _LONGEST_TOLERATION_S,
            "spec.defaultTolerationSeconds",
            complain,
        ),
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


def _between(value: int, least: int, most: int, field: str, complain: Complain) -> int:
    if not least <= value <= most:
        raise complain(field, f"{value} is not between {least} and {most}")
    return value


def _grace_s(text: str, complain: Complain) -> float:
    field = "spec.nodeMonitorGracePeriod"
    try:
        grace_s = parse_duration(text)
    except ValueError as error:
        raise complain(field, str(error)) from error
    if not _SHORTEST_GRACE_S <= grace_s <= _LONGEST_GRACE_S:
        raise complain(field, f"{text} is not between {_SHORTEST_GRACE_S} s and an hour")
    return grace_s


def _images(spec: ClusterSpec, complain: Complain) -> tuple[ImageSettings, ...]:
    return tuple(_image(pattern, rule, complain) for pattern, rule in spec.images.items())


def _image(pattern: str, rule: ImageRule, complain: Complain) -> ImageSettings:
    field = f"spec.images.{pattern}"
    given = [rule.stand_in, rule.agnhost, rule.command, rule.none or None]
    if sum(choice is not None for choice in given) != 1:
        raise complain(field, "give one of standIn, agnhost, command, none: true")
    for name, words in (("agnhost", rule.agnhost), ("command", rule.command)):
        if words == []:
            raise complain(field, f"{name} is empty: say what is to be run")
    ports = rule.stand_in
    return ImageSettings(
        pattern=pattern,
        stand_in=None if ports is None else tuple(_port(port, field, complain) for port in ports),
        agnhost=None if rule.agnhost is None else tuple(rule.agnhost),
        command=None if rule.command is None else tuple(rule.command),
    )


def _port(port: int | str, field: str, complain: Complain) -> str:
    number, _, protocol = str(port).partition("/")
    if not number.isdecimal() or not 0 < int(number) < 65536:
        raise complain(field, f'standIn: "{port}" is no port: write 8080 or 53/UDP')
    if (protocol or "TCP").upper() not in ("TCP", "UDP"):
        raise complain(field, f'standIn: "{port}": a protocol is TCP or UDP')
    return f"{number}/{(protocol or 'TCP').upper()}"


def _nodes(
    spec: ClusterSpec, underlay: IPv4Network, pods: IPv4Network, complain: Complain
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
    if len(described) > (room := ranges_in(pods)):
        raise complain("spec.podCIDR", f"{pods} has room for {room} nodes, not {len(described)}")
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
        traits = _traits(node, field, complain)
        pod_range = _pod_range(node, field, pods, nodes, complain)
        nodes.append(
            NodeSettings(
                name=name,
                address=address,
                control_plane=is_control_plane,
                pod_range=pod_range,
                **traits,
            )
        )
    return tuple(nodes)


def _traits(node: ClusterNode, field: str, complain: Complain) -> dict[str, Any]:
    """Return what a node says of itself beside its name and its addresses."""
    return {
        "labels": node_labels(node.labels, node.roles, node.zone, field, complain),
        "taints": tuple(
            _taint(taint, f"{field}.taints[{number}]", complain)
            for number, taint in enumerate(node.taints)
        ),
        "cpu": _amount(node.capacity.cpu, f"{field}.capacity.cpu", complain),
        "memory": _amount(node.capacity.memory, f"{field}.capacity.memory", complain),
        "max_pods": _between(
            110 if node.capacity.pods is None else node.capacity.pods,
            0,
            _MOST_PODS,
            f"{field}.capacity.pods",
            complain,
        ),
    }


def ranges_in(pods: IPv4Network) -> int:
    """Return how many nodes can have a /24 of their own."""
    return 1 << max(0, 24 - pods.prefixlen)


def node_labels(
    labels: Mapping[str, str], roles: Sequence[str], zone: str, field: str, complain: Complain
) -> dict[str, str]:
    """Return all of a node's labels, or complain of the first that cannot be one."""
    for key, value in labels.items():
        if why := _label_fault(key, value):
            raise complain(f"{field}.labels", why)
    for number, role in enumerate(roles):
        if not role or (why := _label_fault(ROLE_LABEL + role, "")):
            raise complain(f"{field}.roles[{number}]", f'"{role}" cannot be a role')
    if zone and (why := _label_fault(ZONE_LABEL, zone)):
        raise complain(f"{field}.zone", why)
    zones = {ZONE_LABEL: zone} if zone else {}
    return {**labels, **zones, **{ROLE_LABEL + role: "" for role in roles}}


def _label_fault(key: str, value: str) -> str:
    prefix, slash, name = key.rpartition("/")
    if (
        not _LABEL_NAME.fullmatch(name)
        or len(name) > 63
        or (slash and not _DOMAIN.fullmatch(prefix))
    ):
        return f'"{key}" cannot be a key: such as disk or example.com/disk'
    if len(value) > 63 or (value and not _LABEL_NAME.fullmatch(value)):
        return (
            f'"{value}" cannot be the value of {key}: at most 63 letters, digits, '
            '"-", "_" and ".", beginning and ending with a letter or digit'
        )
    return ""


def _taint(taint: ClusterTaint, field: str, complain: Complain) -> TaintSettings:
    if why := _label_fault(taint.key, taint.value):
        raise complain(field, why)
    effects = ("NoSchedule", "PreferNoSchedule", "NoExecute")
    _one_of(taint.effect, effects, f"{field}.effect", complain)
    return TaintSettings(key=taint.key, value=taint.value, effect=taint.effect)


def _amount(text: str, field: str, complain: Complain) -> str:
    if not text:
        return ""
    try:
        amount = quantity.canonical(text)
    except ValueError:
        amount = quantity.canonical(0)
    if quantity.milli(amount) <= 0:
        raise complain(field, f'"{text}" is no amount, such as 4, 500m or 8Gi')
    return amount


def _pod_range(
    node: ClusterNode,
    field: str,
    pods: IPv4Network,
    others: Sequence[NodeSettings],
    complain: Complain,
) -> IPv4Network | None:
    if not node.pod_cidr:
        return None
    field = f"{field}.podCIDR"
    wanted = _network(node.pod_cidr, field, complain, longest_prefix=24)
    if wanted.prefixlen != 24 or not wanted.subnet_of(pods):
        raise complain(field, f"{wanted} must be a /24 of {pods}")
    for other in others:
        if other.pod_range == wanted:
            raise complain(field, f'{wanted} is that of node "{other.name}"')
    return wanted
