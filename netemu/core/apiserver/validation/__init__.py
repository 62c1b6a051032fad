"""Is this object one that Kubernetes would take, and if not, what would it say.

One file a theme; each returns `FieldError`s in the order of the fields, so that a
manifest with three mistakes is told three. Objects come defaulted, so what is empty
here was left out by the client and has no default.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from netemu.core.apiserver.field_errors import FieldError, Reason, invalid
from netemu.core.apiserver.validation import (
    configuration,
    endpoints,
    metadata,
    nodes,
    pod_updates,
    pods,
    services,
    workloads,
)
from netemu.model.apps_v1 import Deployment, ReplicaSet
from netemu.model.coordination_v1 import Lease
from netemu.model.core_v1 import ConfigMap, Endpoints, Event, Namespace, Node, Pod, Secret, Service
from netemu.model.discovery_v1 import EndpointSlice
from netemu.model.kinds import Resource
from netemu.model.schema import ApiObject

T = TypeVar("T", bound=ApiObject)

Validate = Callable[[Any], list[FieldError]]
ValidateUpdate = Callable[[Any, Any], list[FieldError]]


def validate_create(obj: ApiObject, resource: Resource) -> list[FieldError]:
    """Return what is wrong with an object that is to be stored for the first time."""
    errors = metadata.validate_metadata(obj, resource)
    validate = _VALIDATE.get(type(obj))
    return errors + validate(obj) if validate is not None else errors


def validate_update(new: T, old: T, _resource: Resource) -> list[FieldError]:
    """Return what is wrong with `new`, which is to replace `old`."""
    errors = metadata.validate_metadata_update(new, old)
    validate = _VALIDATE.get(type(new))
    # What is stored was valid once; a Deployment's status needs no second look at its spec.
    if validate is not None and _content(new) != _content(old):
        errors += validate(new)
    update = _UPDATE.get(type(new))
    return errors + update(new, old) if update is not None else errors


def _content(obj: ApiObject) -> list[Any]:
    return [
        getattr(obj, attribute)
        for attribute in obj.__struct_fields__
        if attribute not in ("metadata", "status")
    ]


_VALIDATE: dict[type, Validate] = {
    Pod: pods.validate_pod,
    Service: services.validate_service,
    Deployment: workloads.validate_deployment,
    ReplicaSet: workloads.validate_replica_set,
    Endpoints: endpoints.validate_endpoints,
    EndpointSlice: endpoints.validate_endpoint_slice,
    ConfigMap: configuration.validate_config_map,
    Secret: configuration.validate_secret,
    Namespace: metadata.validate_namespace,
    Node: nodes.validate_node,
    Lease: nodes.validate_lease,
    Event: configuration.validate_event,
}

_UPDATE: dict[type, ValidateUpdate] = {
    Pod: pod_updates.validate_pod_update,
    Service: services.validate_service_update,
    Deployment: workloads.validate_selector_update,
    ReplicaSet: workloads.validate_selector_update,
    EndpointSlice: endpoints.validate_endpoint_slice_update,
    ConfigMap: configuration.validate_config_map_update,
    Secret: configuration.validate_secret_update,
    Node: nodes.validate_node_update,
}

__all__ = [
    "FieldError",
    "Reason",
    "invalid",
    "validate_create",
    "validate_update",
]
