"""Taint eviction: Pods that do not tolerate a Node's NoExecute taints have to go.

At once, or after the shortest time that their matching tolerations allow,
counted from when the taint was put on (its timeAdded) or, for taints without
one, from when this process first saw it. A taint that is gone is forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from netemu.core.control.commands import NORMAL, Command, Delete, Emit, Requeue, Say, Update
from netemu.core.control.contract import Controller, Reader, View, Watch, own_key
from netemu.core.control.disruption import disrupted
from netemu.core.control.node_facts import PODS_BY_NODE
from netemu.core.control.taints import NO_EXECUTE, tolerates
from netemu.model.clock import parse_time
from netemu.model.core_v1 import Node, Pod, Taint
from netemu.model.keys import ObjectKey, key_of


def reconcile(key: ObjectKey, view: View) -> Sequence[Command]:
    pod = view.get(Pod, key)
    if pod is None or pod.metadata.deletion_timestamp or not pod.spec.node_name:
        return ()
    node = view.get(Node, ObjectKey("", pod.spec.node_name))
    taints = [] if node is None else _no_execute(node)
    waits = [wait for taint in taints if (wait := _seconds_left(pod, taint, view)) is not None]
    if not waits:
        return ()
    if min(waits) > 0:
        return [Requeue(min(waits))]
    return _evict(pod, view)


def _no_execute(node: Node) -> list[Taint]:
    return [taint for taint in node.spec.taints if taint.effect == NO_EXECUTE]


def _seconds_left(pod: Pod, taint: Taint, view: View) -> float | None:
    """Until the Pod has to go; None if it may stay for ever."""
    matching = [one for one in pod.spec.tolerations if tolerates(one, taint)]
    if not matching:
        return 0.0
    limits = [one.toleration_seconds for one in matching if one.toleration_seconds is not None]
    if not limits:
        return None
    return max(0.0, max(0, min(limits)) - _age_s(taint, view))


def _age_s(taint: Taint, view: View) -> float:
    if taint.time_added:
        return (view.now - parse_time(taint.time_added)).total_seconds()
    return view.elapsed_s(f"taint {taint.key}={taint.value}")


def _evict(pod: Pod, view: View) -> list[Command]:
    meta = pod.metadata
    message = "Taint manager: deleting due to NoExecute taint"
    marked = disrupted(pod, "DeletionByTaintManager", message, view.now)
    text = f"Marking for deletion Pod {meta.namespace}/{meta.name}"
    commands: list[Command] = [Emit(Say(pod, NORMAL, "TaintManagerEviction", text))]
    if marked is not pod:
        commands.append(Update(marked, subresource="status"))
    return [*commands, Delete(pod)]


def _pod_matters(old: Pod, new: Pod) -> bool:
    return old.spec.node_name != new.spec.node_name or old.spec.tolerations != new.spec.tolerations


def _of_node(node: Node, reader: Reader) -> Iterable[ObjectKey]:
    return [key_of(pod) for pod in reader.by(PODS_BY_NODE, node.metadata.name)]


def _of_pod(pod: Pod, reader: Reader) -> Iterable[ObjectKey]:
    """Only Pods on a tainted Node are worth a look; the Node's own change finds the others."""
    if not pod.spec.node_name:
        return ()
    node = reader.get(Node, ObjectKey("", pod.spec.node_name))
    return own_key(pod, reader) if node is not None and _no_execute(node) else ()


CONTROLLER: Controller[ObjectKey] = Controller(
    name="tainteviction",
    component="taint-eviction-controller",
    watches=(
        Watch(Pod, _of_pod, matters=_pod_matters),
        Watch(Node, _of_node, matters=lambda old, new: _no_execute(old) != _no_execute(new)),
    ),
    reconcile=reconcile,
    indexes=(PODS_BY_NODE,),
)
