"""The nodes of a cluster file: names, roles, labels, taints, capacity, ranges of addresses."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network
from typing import Any

from netemu.core.plan_checks import DNS_NAME, DOMAIN, Complain, between, one_of, parse_network
from netemu.model import quantity
from netemu.model.cluster_v1alpha1 import ClusterNode, ClusterSpec, ClusterTaint
from netemu.model.settings import CONTROL_PLANE, NodeSettings, TaintSettings

NODE_NAME_MAX = 40
NODES_MAX = 100
FIRST_NODE = 11
ZONE_LABEL = "topology.kubernetes.io/zone"
ROLE_LABEL = "node-role.kubernetes.io/"
_LABEL_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_MOST_PODS = 253
"""What a /24 has addresses for."""
_RESERVED = {
    "host": "that is this host",
    "switch": "that is the switch between the nodes",
    "underlay": "that is the switch between the nodes",
}


def plan_nodes(
    spec: ClusterSpec, underlay: IPv4Network, pods: IPv4Network, complain: Complain
) -> tuple[NodeSettings, ...]:
    """Return the nodes of a cluster file, or complain of the first that cannot be."""
    described, not_written = _described(spec, pods, complain)
    nodes: list[NodeSettings] = []
    workers = 0
    for index, node in enumerate(described):
        field = f"spec.nodes[{index - not_written}]"
        is_control_plane = node.role == CONTROL_PLANE
        if is_control_plane and any(other.control_plane for other in nodes):
            raise complain(f"{field}.role", "a second control plane is not supported")
        one_of(node.role, (CONTROL_PLANE, "worker"), f"{field}.role", complain)
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


def _described(
    spec: ClusterSpec, pods: IPv4Network, complain: Complain
) -> tuple[list[ClusterNode], int]:
    """Return the nodes one by one, and how many of the first nobody wrote down."""
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
    return described, not_written


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
        "max_pods": between(
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


def check_node_name(name: str, complain: Complain, field: str = "") -> None:
    """Complain unless a node can have that name: it becomes part of names on the host, too."""
    if not DNS_NAME.fullmatch(name) or len(name) > NODE_NAME_MAX:
        raise complain(field, f'"{name}" is not a DNS label of at most {NODE_NAME_MAX} characters')
    if name in _RESERVED:
        raise complain(field, f'"{name}" cannot name a node: {_RESERVED[name]}')


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
        or (slash and not DOMAIN.fullmatch(prefix))
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
    one_of(taint.effect, effects, f"{field}.effect", complain)
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
    wanted = parse_network(node.pod_cidr, field, complain, longest_prefix=24)
    if wanted.prefixlen != 24 or not wanted.subnet_of(pods):
        raise complain(field, f"{wanted} must be a /24 of {pods}")
    for other in others:
        if other.pod_range == wanted:
            raise complain(field, f'{wanted} is that of node "{other.name}"')
    return wanted
