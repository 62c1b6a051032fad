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
from netemu.core.apiserver.validation.context import Context
from netemu.model.apps_v1 import Deployment, ReplicaSet
from netemu.model.coordination_v1 import Lease
from netemu.model.core_v1 import ConfigMap, Endpoints, Event, Node, Pod, Secret, Service
from netemu.model.discovery_v1 import EndpointSlice
from netemu.model.schema import ApiObject

T = TypeVar("T", bound=ApiObject)

Validate = Callable[[Any, Context], list[FieldError]]
ValidateUpdate = Callable[[Any, Any, Context], list[FieldError]]


def validate_create(obj: ApiObject, ctx: Context) -> list[FieldError]:
    """Return what is wrong with an object that is to be stored for the first time."""
    errors = metadata.validate_metadata(obj)
    validate = _VALIDATE.get(type(obj))
    return errors + validate(obj, ctx) if validate is not None else errors


def validate_update(new: T, old: T, ctx: Context) -> list[FieldError]:
    """Return what is wrong with `new`, which is to replace `old`."""
    errors = metadata.validate_metadata_update(new, old)
    validate = _VALIDATE.get(type(new))
    # What is stored was valid once; a Deployment's status needs no second look at its spec.
    if validate is not None and _content(new) != _content(old):
        errors += validate(new, ctx)
    update = _UPDATE.get(type(new))
    return errors + update(new, old, ctx) if update is not None else errors


def _content(obj: ApiObject) -> list[Any]:
    return [
        getattr(obj, attribute)
        for attribute in obj.__struct_fields__
        if attribute not in ("metadata", "status")
    ]


_VALIDATE: dict[type, Validate] = {
    Pod: lambda obj, _: pods.validate_pod(obj),
    Service: services.validate_service,
    Deployment: lambda obj, _: workloads.validate_deployment(obj),
    ReplicaSet: lambda obj, _: workloads.validate_replica_set(obj),
    Endpoints: lambda obj, _: endpoints.validate_endpoints(obj),
    EndpointSlice: lambda obj, _: endpoints.validate_endpoint_slice(obj),
    ConfigMap: lambda obj, _: configuration.validate_config_map(obj),
    Secret: lambda obj, _: configuration.validate_secret(obj),
    Node: lambda obj, _: nodes.validate_node(obj),
    Lease: lambda obj, _: nodes.validate_lease(obj),
    Event: lambda obj, _: configuration.validate_event(obj),
}

_UPDATE: dict[type, ValidateUpdate] = {
    Pod: lambda new, old, _: pod_updates.validate_pod_update(new, old),
    Service: lambda new, old, _: services.validate_service_update(new, old),
    Deployment: lambda new, old, _: workloads.validate_selector_update(new, old),
    ReplicaSet: lambda new, old, _: workloads.validate_selector_update(new, old),
    EndpointSlice: lambda new, old, _: endpoints.validate_endpoint_slice_update(new, old),
    ConfigMap: lambda new, old, _: configuration.validate_config_map_update(new, old),
    Secret: lambda new, old, _: configuration.validate_secret_update(new, old),
    Node: lambda new, old, _: nodes.validate_node_update(new, old),
}

__all__ = [
    "Context",
    "FieldError",
    "Reason",
    "invalid",
    "validate_create",
    "validate_update",
]
