"""Nodes: whether they take pods, and what they run."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from netemu.core.apiserver.layouts._columns import AGE, NAME, NONE, Column, Layout, age_cell, wide
from netemu.model.core_v1 import Node

_ROLE_PREFIX = "node-role.kubernetes.io/"
_ROLE_LABEL = "kubernetes.io/role"

_COLUMNS = (
    NAME,
    Column("Status", description="Whether the node is ready, and takes pods."),
    Column("Roles", description="The roles that its labels give it."),
    AGE,
    Column("Version", description="The kubelet's version."),
    wide("Internal-IP"),
    wide("External-IP"),
    wide("OS-Image"),
    wide("Kernel-Version"),
    wide("Container-Runtime"),
)


def _cells(node: Node, now: datetime) -> list[Any]:
    info = node.status.node_info
    return [
        node.metadata.name,
        _status(node),
        _roles(node),
        age_cell(node, now),
        info.kubelet_version,
        _address(node, "InternalIP"),
        _address(node, "ExternalIP"),
        info.os_image or "<unknown>",
        info.kernel_version or "<unknown>",
        info.container_runtime_version or "<unknown>",
    ]


def _status(node: Node) -> str:
    ready = next((c.status for c in node.status.conditions if c.type == "Ready"), "")
    word = {"True": "Ready", "": "Unknown"}.get(ready, "NotReady")
    return f"{word},SchedulingDisabled" if node.spec.unschedulable else word


def _roles(node: Node) -> str:
    roles = set()
    for key, value in node.metadata.labels.items():
        if key.startswith(_ROLE_PREFIX):
            roles.add(key.removeprefix(_ROLE_PREFIX))
        elif key == _ROLE_LABEL:
            roles.add(value)
    return ",".join(sorted(roles - {""})) or NONE


def _address(node: Node, kind: str) -> str:
    return next((a.address for a in node.status.addresses if a.type == kind), NONE)


LAYOUT = Layout(_COLUMNS, _cells)
