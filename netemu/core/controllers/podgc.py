"""PodGC: Pods that no kubelet will ever clean up.

Those whose Node is gone (after a quarantine, and after asking live), those
that are terminating without ever having been placed, and those terminating on
a Node that is out of service.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from netemu.core.control.commands import Command, Delete, Requeue, Update
from netemu.core.control.contract import (
    Controller,
    Lookup,
    Query,
    Reader,
    View,
    Watch,
    own_key,
)
from netemu.core.control.disruption import disrupted
from netemu.core.control.node_facts import PODS_BY_NODE, ready_status
from netemu.core.control.pods import TERMINAL_PHASES
from netemu.core.control.taints import OUT_OF_SERVICE
from netemu.model.core_v1 import Node, Pod
from netemu.model.keys import ObjectKey, key_of
from netemu.model.schema import copy_of


def needs(key: ObjectKey, reader: Reader) -> Sequence[Query]:
    """Whether a Node that the cache lacks is really gone."""
    pod = reader.get(Pod, key)
    if pod is None or not pod.spec.node_name:
        return ()
    node_key = ObjectKey("", pod.spec.node_name)
    return () if reader.get(Node, node_key) is not None else (Lookup(Node, node_key),)


def reconcile(key: ObjectKey, view: View) -> Sequence[Command]:
    pod = view.get(Pod, key)
    if pod is None:
        return ()
    terminating = bool(pod.metadata.deletion_timestamp)
    if not pod.spec.node_name:
        return _force_delete(pod, view) if terminating else ()
    node_key = ObjectKey("", pod.spec.node_name)
    node = view.get(Node, node_key) or view.looked_up(Node, node_key)
    if node is None:
        left = view.environment.timings.pod_gc_quarantine_s - view.elapsed_s("node is gone")
        return [Requeue(left)] if left > 0 else _force_delete(pod, view)
    if terminating and _is_out_of_service(node):
        return _force_delete(pod, view)
    return ()


def _is_out_of_service(node: Node) -> bool:
    tainted = any(taint.key == OUT_OF_SERVICE for taint in node.spec.taints)
    return tainted and ready_status(node) != "True"


def _force_delete(pod: Pod, view: View) -> list[Command]:
    commands: list[Command] = []
    if pod.spec.node_name and pod.status.phase not in TERMINAL_PHASES:
        message = "PodGC: node no longer exists"
        failed = copy_of(disrupted(pod, "DeletionByPodGC", message, view.now))
        failed.status.phase = "Failed"
        commands.append(Update(failed, subresource="status"))
    return [*commands, Delete(pod, grace_period_s=0)]


def _of_pod(pod: Pod, reader: Reader) -> Iterable[ObjectKey]:
    """Pods that are well, on a Node that exists, are nobody's garbage."""
    if not pod.metadata.deletion_timestamp:
        node = pod.spec.node_name
        if not node or reader.get(Node, ObjectKey("", node)) is not None:
            return ()
    return own_key(pod, reader)


def _pod_matters(old: Pod, new: Pod) -> bool:
    return (
        old.spec.node_name != new.spec.node_name
        or old.metadata.deletion_timestamp != new.metadata.deletion_timestamp
    )


def _node_matters(old: Node, new: Node) -> bool:
    return old.spec.taints != new.spec.taints


def _of_node(node: Node, reader: Reader) -> Iterable[ObjectKey]:
    return [key_of(pod) for pod in reader.by(PODS_BY_NODE, node.metadata.name)]


CONTROLLER: Controller[ObjectKey] = Controller(
    name="podgc",
    component="pod-garbage-collector",
    watches=(
        Watch(Pod, _of_pod, matters=_pod_matters),
        Watch(Node, _of_node, matters=_node_matters),
    ),
    reconcile=reconcile,
    indexes=(PODS_BY_NODE,),
    needs=needs,
)
