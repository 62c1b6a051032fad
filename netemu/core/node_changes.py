"""A cluster's settings with one node more or less, without power, or cut off.

Pure: the settings that are in, the settings that should be out, or the sentence that says
why that cannot be. The daemon makes come true what the settings say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import IPv4Address

from netemu.core.node_plans import (
    FIRST_NODE,
    NODES_MAX,
    check_node_name,
    node_labels,
    ranges_in,
)
from netemu.errors import UserError
from netemu.model.settings import CONTROL_PLANE, ClusterSettings, NodeSettings


def find(settings: ClusterSettings, name: str) -> NodeSettings:
    """Return the node of that name; UserError names those that there are."""
    node = settings.node(name)
    if node is None:
        there = ", ".join(node.name for node in settings.nodes)
        raise UserError(f'cluster "{settings.name}" has no node "{name}"; there are: {there}')
    return node


def with_node(
    settings: ClusterSettings,
    name: str,
    *,
    role: str = "worker",
    labels: Mapping[str, str] | None = None,
    zone: str = "",
) -> ClusterSettings:
    """Return the settings with a node more, which gets the lowest free address."""
    if role == CONTROL_PLANE:
        raise UserError("a second control plane is not supported; --role worker is")
    name = name or _next_name(settings)
    check_node_name(name, _complain)
    if settings.node(name) is not None:
        raise UserError(f'cluster "{settings.name}" has a node "{name}" already')
    if len(settings.nodes) >= NODES_MAX:
        raise UserError(
            f'cluster "{settings.name}" has {NODES_MAX} nodes, and no more are possible'
        )
    if len(settings.nodes) >= (room := ranges_in(settings.pod_cidr)):
        raise UserError(f"the Pod range {settings.pod_cidr} has room for {room} nodes, and no more")
    roles = [] if role == "worker" else [role]
    all_labels = node_labels(labels or {}, roles, zone, "", _complain)
    node = NodeSettings(name=name, address=_next_address(settings), labels=all_labels)
    return replace(settings, nodes=(*settings.nodes, node))


def without_node(settings: ClusterSettings, name: str) -> ClusterSettings:
    if find(settings, name).control_plane:
        raise UserError(
            f'"{name}" is the only control plane: '
            f"'sudo netemu down {settings.name}' removes the cluster"
        )
    return replace(settings, nodes=tuple(node for node in settings.nodes if node.name != name))


def powered(settings: ClusterSettings, name: str, *, on: bool) -> ClusterSettings:
    """Return the settings with the node's power switched on or off."""
    node = find(settings, name)
    if node.control_plane and not on:
        raise UserError(
            f'"{name}" is the only control plane: without it nobody could see what becomes of '
            f"the cluster; 'sudo netemu node partition {name}' cuts it off instead"
        )
    return _with(settings, replace(node, powered=on))


def cabled(settings: ClusterSettings, name: str, *, plugged: bool) -> ClusterSettings:
    """Return the settings with the node's cable plugged in or cut."""
    return _with(settings, replace(find(settings, name), cabled=plugged))


def _complain(_field: str, message: str) -> UserError:
    return UserError(message)


def _with(settings: ClusterSettings, changed: NodeSettings) -> ClusterSettings:
    nodes = (changed if node.name == changed.name else node for node in settings.nodes)
    return replace(settings, nodes=tuple(nodes))


def _next_name(settings: ClusterSettings) -> str:
    numbers = range(1, NODES_MAX + 1)
    return next(name for n in numbers if settings.node(name := f"worker-{n}") is None)


def _next_address(settings: ClusterSettings) -> IPv4Address:
    taken = {node.address for node in settings.nodes}
    first = settings.underlay.network_address + FIRST_NODE
    return next(first + n for n in range(NODES_MAX) if first + n not in taken)
