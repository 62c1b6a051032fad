"""Facts about a Node that several controllers ask for."""

from __future__ import annotations

from netemu.core.control.contract import Index
from netemu.model.core_v1 import Node, NodeCondition, Pod

PODS_BY_NODE = Index("node", Pod, lambda pod: (pod.spec.node_name,) if pod.spec.node_name else ())


def condition_of(node: Node, type: str) -> NodeCondition | None:
    for condition in node.status.conditions:
        if condition.type == type:
            return condition
    return None


def ready_status(node: Node) -> str:
    """`True`, `False` or `Unknown`."""
    condition = condition_of(node, "Ready")
    return condition.status if condition else "Unknown"
