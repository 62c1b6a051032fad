"""Which Pods a ReplicaSet gives up first.

The order of control-plane-and-node.md 2.1: what serves least, or would be
missed least, goes first. The lowest rank is deleted first.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from netemu.core.control.pods import is_ready, ready_since
from netemu.model.clock import parse_time
from netemu.model.core_v1 import Pod

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}

Rank = tuple[int, int, int, int, int, int, int, int, str]


def rank(pod: Pod, neighbours: Mapping[str, int], now: datetime) -> Rank:
    """Sort key; `neighbours` counts a node's active Pods of the same owner's ReplicaSets."""
    node = pod.spec.node_name
    return (
        1 if node else 0,
        _PHASES.get(pod.status.phase, 0),
        1 if is_ready(pod) else 0,
        _deletion_cost(pod),
        -neighbours.get(node, 0),
        _bucket(ready_since(pod), now),
        -max((status.restart_count for status in pod.status.container_statuses), default=0),
        _bucket(_created(pod), now),
        pod.metadata.uid,
    )


def _deletion_cost(pod: Pod) -> int:
    try:
        return int(pod.metadata.annotations.get(DELETION_COST, "0"))
    except ValueError:
        return 0


def _created(pod: Pod) -> datetime | None:
    stamp = pod.metadata.creation_timestamp
    return parse_time(stamp) if stamp else None


def _bucket(since: datetime | None, now: datetime) -> int:
    """Powers of two: of two Pods that are about equally old, neither is preferred."""
    if since is None:
        return 0
    return max(0, int((now - since).total_seconds())).bit_length()
