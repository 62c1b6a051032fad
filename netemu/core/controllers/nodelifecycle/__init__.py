"""Node lifecycle: a Node whose kubelet is silent becomes Unknown, is tainted, and comes back.

A kubelet shows that it lives by renewing its Lease or its status. What counts
is when *this* process saw that change, by its own clock: nobody's clocks need
to agree. Pods of a silent Node are marked not ready, so that their Services
forget them; the taints do the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from netemu.core.control.commands import NORMAL, WARNING, Command, Emit, Requeue, Say, Update
from netemu.core.control.contract import Controller, Reader, View, Watch, own_key
from netemu.core.control.node_facts import PODS_BY_NODE, condition_of, ready_status
from netemu.core.control.pods import is_ready
from netemu.core.controllers.nodelifecycle.tainting import eviction, wanted_taints
from netemu.model.clock import format_time
from netemu.model.coordination_v1 import Lease
from netemu.model.core_v1 import Node, NodeCondition, Pod
from netemu.model.keys import ObjectKey
from netemu.model.schema import copy_of

LEASE_NAMESPACE = "kube-node-lease"
_SILENCED = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")


def reconcile(key: ObjectKey, view: View) -> Sequence[Command]:
    node = view.get(Node, key)
    if node is None:
        return ()
    left_s = _seconds_left(node, view)
    commands = _greeting(node, view)
    judged = node if left_s > 0 else _silenced(node, view)
    if judged is not node:
        commands.append(Update(judged, subresource="status"))
    ready = ready_status(judged)
    commands += _taint(judged, view)
    if ready != "True":
        commands += _unready_pods(node, judged, view)
    if left_s > 0:
        commands.append(Requeue(left_s))
    return commands


def _seconds_left(node: Node, view: View) -> float:
    """Until the kubelet has been silent for too long; 0 or less if it has."""
    lease = view.get(Lease, ObjectKey(LEASE_NAMESPACE, node.metadata.name))
    ready = condition_of(node, "Ready")
    renewed = lease.spec.renew_time if lease is not None else None
    reported = ready.last_heartbeat_time if ready is not None and _is_kubelets(ready) else None
    timings = view.environment.timings
    never = renewed is None and ready is None
    grace_s = timings.node_startup_grace_s if never else timings.node_grace_s
    silent_s = view.elapsed_s(f"{node.metadata.uid} renewed {renewed} reported {reported}")
    if renewed is None and reported is None and not never:
        return 0.0  # Silent already when it was last judged.
    return grace_s - silent_s


def _is_kubelets(ready: NodeCondition) -> bool:
    """Said by the kubelet, not by us on its behalf."""
    return ready.status != "Unknown"


def _silenced(node: Node, view: View) -> Node:
    stale = [type for type in _SILENCED if not _is_unknown(node, type)]
    if not stale:
        return node
    changed = copy_of(node)
    others = [c for c in changed.status.conditions if c.type not in stale]
    changed.status.conditions = [*others, *(_unknown(node, type, view) for type in stale)]
    return changed


def _is_unknown(node: Node, type: str) -> bool:
    condition = condition_of(node, type)
    return condition is not None and condition.status == "Unknown"


def _unknown(node: Node, type: str, view: View) -> NodeCondition:
    before = condition_of(node, type)
    now = format_time(view.now)
    if before is None:
        reason, message = "NodeStatusNeverUpdated", "Kubelet never posted node status."
        heartbeat = node.metadata.creation_timestamp
    else:
        reason, message = "NodeStatusUnknown", "Kubelet stopped posting node status."
        heartbeat = before.last_heartbeat_time
    return NodeCondition(
        type=type,
        status="Unknown",
        reason=reason,
        message=message,
        last_heartbeat_time=heartbeat,
        last_transition_time=now,
    )


def _greeting(node: Node, view: View) -> list[Command]:
    name = node.metadata.name
    if view.elapsed_s(f"{node.metadata.uid} is known") > 0:
        return []
    message = f"Node {name} event: Registered Node {name} in Controller"
    return [Emit(Say(node, NORMAL, "RegisteredNode", message))]


def _taint(node: Node, view: View) -> list[Command]:
    wait_s = _eviction_wait_s(node, view) if ready_status(node) != "True" else 0.0
    # The other Nodes' fate decides over this one's: ask again.
    commands: list[Command] = [Requeue(wait_s)] if wait_s else []
    taints = wanted_taints(node, not wait_s, view.now)
    if taints == node.spec.taints:
        return commands
    changed = copy_of(node)
    changed.spec.taints = taints
    return [Update(changed), *commands]


def _eviction_wait_s(node: Node, view: View) -> float:
    """How long a Node that is not ready keeps its Pods; 0 if they may go now."""
    timings = view.environment.timings
    watched_s = view.elapsed_s(f"{node.metadata.uid} is not ready")
    if watched_s < timings.node_monitor_period_s:
        return timings.node_monitor_period_s - watched_s
    others = [other for other in view.all(Node) if other.metadata.uid != node.metadata.uid]
    interval_s = timings.eviction_interval_s
    wait_s = eviction(node, [*others, node], view.now, interval_s).wait_s
    return interval_s if wait_s is None else wait_s


def _unready_pods(before: Node, node: Node, view: View) -> list[Command]:
    """Silent Nodes' Pods are not ready; those of a Node that says so itself are told once."""
    condition = condition_of(node, "Ready")
    since = condition.last_transition_time if condition else ""
    first = view.elapsed_s(f"{node.metadata.uid} not ready since {since}") == 0
    silent = ready_status(node) == "Unknown"
    if not (first or silent):
        return []
    ready_pods = [pod for pod in view.by(PODS_BY_NODE, node.metadata.name) if is_ready(pod)]
    commands: list[Command] = []
    if ready_status(before) == "True" or (first and ready_pods):
        message = f"Node {node.metadata.name} status is now: NodeNotReady"
        commands.append(Emit(Say(node, NORMAL, "NodeNotReady", message)))
    for pod in ready_pods:
        commands.append(Update(_not_ready(pod, view), subresource="status"))
        commands.append(Emit(Say(pod, WARNING, "NodeNotReady", "Node is not ready")))
    return commands


def _not_ready(pod: Pod, view: View) -> Pod:
    changed = copy_of(pod)
    for condition in changed.status.conditions:
        if condition.type == "Ready":
            condition.status = "False"
            condition.last_transition_time = format_time(view.now)
    return changed


def _of_lease(lease: Lease, _reader: Reader) -> Iterable[ObjectKey]:
    meta = lease.metadata
    return (ObjectKey("", meta.name),) if meta.namespace == LEASE_NAMESPACE else ()


CONTROLLER: Controller[ObjectKey] = Controller(
    name="nodelifecycle",
    component="node-controller",
    watches=(Watch(Node, own_key), Watch(Lease, _of_lease)),
    reconcile=reconcile,
    indexes=(PODS_BY_NODE,),
)
