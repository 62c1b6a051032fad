"""What a field selector may ask of each kind, and what an object answers.

Names and namespaces can be asked of everything; the rest is a fixed list a kind, as in
Kubernetes (kube-api.md, 4.9). An unset field equals the empty string.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from netemu.errors import ApiError
from netemu.model.apps_v1 import ReplicaSet
from netemu.model.core_v1 import Event, Namespace, Node, Pod, Secret
from netemu.model.schema import ApiObject

Getters = dict[str, Callable[[Any], str]]

_EVERY: Getters = {
    "metadata.name": lambda obj: obj.metadata.name,
    "metadata.namespace": lambda obj: obj.metadata.namespace,
}

_OF_KIND: dict[type, Getters] = {
    Pod: {
        "spec.nodeName": lambda pod: pod.spec.node_name,
        "spec.restartPolicy": lambda pod: pod.spec.restart_policy,
        "spec.schedulerName": lambda pod: pod.spec.scheduler_name,
        "spec.serviceAccountName": lambda pod: pod.spec.service_account_name,
        "spec.hostNetwork": lambda pod: _bool(pod.spec.host_network),
        "status.phase": lambda pod: pod.status.phase,
        "status.podIP": lambda pod: pod.status.pod_ip,
        "status.nominatedNodeName": lambda pod: pod.status.nominated_node_name,
    },
    Node: {"spec.unschedulable": lambda node: _bool(node.spec.unschedulable)},
    Namespace: {
        "status.phase": lambda namespace: namespace.status.phase,
        "name": lambda namespace: namespace.metadata.name,
    },
    Secret: {"type": lambda secret: secret.type},
    ReplicaSet: {"status.replicas": lambda replica_set: str(replica_set.status.replicas)},
    Event: {
        "involvedObject.kind": lambda event: event.involved_object.kind,
        "involvedObject.namespace": lambda event: event.involved_object.namespace,
        "involvedObject.name": lambda event: event.involved_object.name,
        "involvedObject.uid": lambda event: event.involved_object.uid,
        "involvedObject.apiVersion": lambda event: event.involved_object.api_version,
        "involvedObject.resourceVersion": lambda event: event.involved_object.resource_version,
        "involvedObject.fieldPath": lambda event: event.involved_object.field_path,
        "reason": lambda event: event.reason,
        "reportingComponent": lambda event: event.reporting_component or event.source.component,
        "source": lambda event: event.source.component or event.reporting_component,
        "type": lambda event: event.type,
    },
}


def _bool(value: bool) -> str:
    return "true" if value else "false"


def _getters(kind: type) -> Getters:
    return _EVERY | _OF_KIND.get(kind, {})


def field_values(obj: ApiObject) -> dict[str, str]:
    """Return all that a field selector may ask of `obj`."""
    return {label: get(obj) for label, get in _getters(type(obj)).items()}


def field_value(obj: ApiObject, label: str) -> str:
    """Return one answer; ApiError 400 if objects of this kind cannot be asked for it."""
    getter = _EVERY.get(label) or _OF_KIND.get(type(obj), {}).get(label)
    if getter is None:
        raise _unsupported(label)
    return getter(obj)


def check_labels(kind: type, labels: Iterable[str]) -> None:
    """Raise ApiError 400 if a selector asks for what objects of `kind` do not answer."""
    known = _getters(kind)
    for label in labels:
        if label not in known:
            raise _unsupported(label)


def _unsupported(label: str) -> ApiError:
    return ApiError(400, "BadRequest", f"field label not supported: {label}")
