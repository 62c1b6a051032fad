"""Which taints a Node's conditions put on it.

NoSchedule follows the conditions at once. NoExecute empties Nodes, so it is
dealt out slowly: one Node of a zone at a time, more slowly when much of the
zone is down, and not at all when every zone is: then it is the controller that
is cut off, not the Nodes (control-plane-and-node.md, 2.10).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from netemu.core.control.node_facts import condition_of, ready_status
from netemu.core.control.taints import (
    DISK_PRESSURE,
    MEMORY_PRESSURE,
    NETWORK_UNAVAILABLE,
    NO_EXECUTE,
    NO_SCHEDULE,
    NOT_READY,
    PID_PRESSURE,
    UNREACHABLE,
    UNSCHEDULABLE,
)
from netemu.model.clock import format_time, parse_time
from netemu.model.core_v1 import Node, Taint
from netemu.model.schema import Time

_BY_READY = {"False": NOT_READY, "Unknown": UNREACHABLE}
_BY_CONDITION = {
    "MemoryPressure": MEMORY_PRESSURE,
    "DiskPressure": DISK_PRESSURE,
    "PIDPressure": PID_PRESSURE,
    "NetworkUnavailable": NETWORK_UNAVAILABLE,
}
_OURS = {*_BY_READY.values(), *_BY_CONDITION.values(), UNSCHEDULABLE}
_LARGE_ZONE = 50
_PARTIAL_SHARE = 0.55


def _schedule_keys(node: Node) -> list[str]:
    keys = [_BY_READY[status]] if (status := ready_status(node)) in _BY_READY else []
    for type, key in _BY_CONDITION.items():
        condition = condition_of(node, type)
        if condition is not None and condition.status == "True":
            keys.append(key)
    return [*keys, UNSCHEDULABLE] if node.spec.unschedulable else keys


class Eviction(msgspec.Struct, frozen=True):
    """In how many seconds a Node that is not ready may be emptied; None is never."""

    wait_s: float | None


def zone_of(node: Node) -> tuple[str, str]:
    labels = node.metadata.labels
    return (
        labels.get("topology.kubernetes.io/region", ""),
        labels.get("topology.kubernetes.io/zone", ""),
    )


def eviction(node: Node, nodes: Sequence[Node], now: datetime, interval_s: float) -> Eviction:
    if all(ready_status(other) != "True" for other in nodes):
        return Eviction(None)
    zone = [other for other in nodes if zone_of(other) == zone_of(node)]
    down = sum(1 for other in zone if ready_status(other) != "True")
    if 2 < down < len(zone) and down / len(zone) >= _PARTIAL_SHARE:
        if len(zone) <= _LARGE_ZONE:
            return Eviction(None)
        interval_s *= 10
    latest = max((_emptied_at(other) for other in zone if other is not node), default=Time(""))
    if not latest:
        return Eviction(0.0)
    return Eviction(max(0.0, interval_s - (now - parse_time(latest)).total_seconds()))


def _emptied_at(node: Node) -> Time:
    times = [
        taint.time_added
        for taint in node.spec.taints
        if taint.effect == NO_EXECUTE and taint.key in _BY_READY.values() and taint.time_added
    ]
    return max(times, default=Time(""))


def wanted_taints(node: Node, may_evict: bool, now: datetime) -> list[Taint]:
    """All taints that the Node should have: others' as they are, ours by its conditions."""
    current = {(taint.key, taint.effect): taint for taint in node.spec.taints}
    wanted = [taint for taint in node.spec.taints if not _is_ours(taint)]
    wanted += _timed(((key, NO_SCHEDULE) for key in _schedule_keys(node)), current, now)
    key = _BY_READY.get(ready_status(node))
    swapped = any(taint.effect == NO_EXECUTE and _is_ours(taint) for taint in node.spec.taints)
    if key is not None and (may_evict or swapped):
        wanted += _timed([(key, NO_EXECUTE)], current, now)
    return wanted


def _is_ours(taint: Taint) -> bool:
    if taint.effect == NO_EXECUTE:
        return taint.key in _BY_READY.values()
    return taint.effect == NO_SCHEDULE and taint.key in _OURS


def _timed(
    wanted: Iterable[tuple[str, str]], current: dict[tuple[str, str], Taint], now: datetime
) -> list[Taint]:
    """A taint that is there keeps its time: tolerationSeconds count from it."""
    return [
        current.get((key, effect)) or Taint(key=key, effect=effect, time_added=format_time(now))
        for key, effect in wanted
    ]
