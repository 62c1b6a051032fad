"""What a write may not decide: the server's own fields, and the other half of an object.

An object has two halves. `spec` is written through the resource itself, `status` through
its `/status`; each write leaves the other half as it was (kube-api.md, 4.4). Names and
uids never change, times and generations are the server's.
"""

from __future__ import annotations

from typing import Any

import msgspec

from netemu.core.apiserver import service_fields
from netemu.core.apiserver.defaults import apply_defaults
from netemu.core.apiserver.field_errors import bad_value, invalid
from netemu.core.apiserver.quality_of_service import quality_of_service
from netemu.errors import ApiError
from netemu.model.core_v1 import Namespace, Node, Pod, PodCondition, PodStatus, Service
from netemu.model.kinds import Resource
from netemu.model.schema import ApiObject, Time, copy_of

NAME_BASE_MAX = 58
NAMESPACE_FINALIZER = "kubernetes"

# Kinds whose controllers compare `status.observedGeneration` with it.
_WITH_GENERATION = frozenset(
    (
        "deployments",
        "replicasets",
        "daemonsets",
        "statefulsets",
        "networkpolicies",
        "ingresses",
        "endpointslices",
    )
)
_ANY_CONTENT_COUNTS = frozenset(("endpointslices",))


def prepare_create(
    obj: ApiObject, *, resource: Resource, now: Time, uid: str, name_suffix: str
) -> None:
    """Make a decoded, defaulted object one that can be stored for the first time."""
    meta = obj.metadata
    if meta.resource_version:
        raise ApiError(
            500,
            "InternalError",
            "resourceVersion should not be set on objects to be created",
        )
    if not meta.name and meta.generate_name:
        meta.name = meta.generate_name[:NAME_BASE_MAX] + name_suffix
        apply_defaults(obj)  # Some depend on the name.
    meta.uid = uid
    meta.creation_timestamp = now
    meta.deletion_timestamp = meta.deletion_grace_period_seconds = None
    meta.self_link = ""
    meta.generation = 1 if resource.plural in _WITH_GENERATION else 0
    if resource.namespaced is False:
        meta.namespace = ""
    _begin_status(obj, resource, now)


def _begin_status(obj: ApiObject, resource: Resource, now: Time) -> None:
    """Forget the status that the client sent; a kubelet alone brings its own, for its Node."""
    match obj:
        case Pod():
            obj.status = PodStatus(phase="Pending", qos_class=quality_of_service(obj.spec))
            obj.spec.ephemeral_containers = []
            if obj.spec.scheduling_gates:
                obj.status.conditions = [_gated(now)]
        case Namespace():
            obj.status = type(obj.status)(phase="Active")
            if NAMESPACE_FINALIZER not in obj.spec.finalizers:
                obj.spec.finalizers.append(NAMESPACE_FINALIZER)
        case Service():
            obj.status = type(obj.status)()
            service_fields.align_cluster_ips(obj.spec)
        case Node():
            pass
        case _ if resource.subresource("status"):
            status: Any = getattr(obj, "status", None)
            if status is not None:
                setattr(obj, "status", type(status)())  # noqa: B010 - not every kind has one.


def _gated(now: Time) -> PodCondition:
    return PodCondition(
        type="PodScheduled",
        status="False",
        reason="SchedulingGated",
        message="Scheduling is blocked due to non-empty scheduling gates",
        last_transition_time=now,
    )


def prepare_update(
    new: ApiObject, old: ApiObject, *, resource: Resource, subresource: str = ""
) -> None:
    """Make a decoded, defaulted object one that may replace `old`."""
    _keep_identity(new, old, resource)
    match subresource:
        case "" | "scale":
            _keep_status(new, old, resource)
        case "status":
            _keep_all_but_status(new, old)
        case "finalize":
            _keep_all_but(new, old, ("metadata", "spec"))
        case "ephemeralcontainers":
            _keep_all_but_ephemeral_containers(new, old)
    if resource.plural in _WITH_GENERATION and _content_changed(new, old, resource):
        new.metadata.generation = old.metadata.generation + 1


def _keep_identity(new: ApiObject, old: ApiObject, resource: Resource) -> None:
    meta, before = new.metadata, old.metadata
    if meta.name and meta.name != before.name:
        error = bad_value("metadata.name", meta.name, "field is immutable")
        raise invalid(resource, before.name, [error])
    if meta.uid and meta.uid != before.uid:
        raise uid_conflict(old, meta.uid, resource)
    meta.name, meta.namespace, meta.uid = before.name, before.namespace, before.uid
    meta.creation_timestamp = before.creation_timestamp
    meta.deletion_timestamp = before.deletion_timestamp
    meta.deletion_grace_period_seconds = before.deletion_grace_period_seconds
    meta.generation = before.generation
    meta.self_link = before.self_link
    # A body that does not speak of its managers does not mean that there are none.
    meta.managed_fields = meta.managed_fields or before.managed_fields


def uid_conflict(obj: ApiObject, wanted_uid: str, resource: Resource) -> ApiError:
    """The client means another object of the same name."""
    meta = obj.metadata
    return ApiError(
        409,
        "Conflict",
        f'Operation cannot be fulfilled on {resource.qualified} "{meta.name}": Precondition '
        f"failed: UID in precondition: {wanted_uid}, UID in object meta: {meta.uid}",
        group=resource.group,
        kind=resource.plural,
        name=meta.name,
    )


def _keep_status(new: ApiObject, old: ApiObject, resource: Resource) -> None:
    if resource.subresource("status"):
        setattr(new, "status", copy_of(getattr(old, "status")))  # noqa: B009, B010
    match new, old:
        case Pod(), Pod():
            _keep_priority(new, old)
            # Debugging containers come in through a subresource of their own.
            new.spec.ephemeral_containers = copy_of(old.spec).ephemeral_containers
        case Service(), Service():
            service_fields.carry_over(new, old)
        case Namespace(), Namespace():
            new.spec.finalizers = list(old.spec.finalizers)


def _keep_priority(new: Pod, old: Pod) -> None:
    """Keep what admission worked out when the pod came."""
    if new.spec.priority_class_name == old.spec.priority_class_name:
        if new.spec.priority is None:
            new.spec.priority = old.spec.priority
        if new.spec.preemption_policy is None:
            new.spec.preemption_policy = old.spec.preemption_policy


def _keep_all_but_status(new: ApiObject, old: ApiObject) -> None:
    owners = copy_of(old.metadata).owner_references
    _keep_all_but(new, old, ("metadata", "status"))
    if isinstance(new, Pod):
        new.metadata.owner_references = owners
        new.status.qos_class = new.status.qos_class or quality_of_service(new.spec)
    elif type(new).API_VERSION.startswith("apps/"):
        new.metadata.labels = dict(old.metadata.labels)


def _keep_all_but_ephemeral_containers(new: ApiObject, old: ApiObject) -> None:
    if isinstance(new, Pod) and isinstance(old, Pod):
        added = new.spec.ephemeral_containers
        _keep_all_but(new, old, ("metadata",))
        new.spec.ephemeral_containers = added


def _keep_all_but(new: ApiObject, old: ApiObject, changeable: tuple[str, ...]) -> None:
    before = copy_of(old)
    for attribute in new.__struct_fields__:
        if attribute not in changeable:
            setattr(new, attribute, getattr(before, attribute))


def _content_changed(new: ApiObject, old: ApiObject, resource: Resource) -> bool:
    if resource.plural in _ANY_CONTENT_COUNTS:
        return any(
            getattr(new, attribute) != getattr(old, attribute)
            for attribute in new.__struct_fields__
            if attribute != "metadata"
        )
    return bool(getattr(new, "spec", None) != getattr(old, "spec", None))


def is_noop(new: ApiObject, old: ApiObject) -> bool:
    """Say whether storing `new` would change nothing; such a write makes no revision."""
    meta = new.metadata
    aligned = msgspec.structs.replace(
        meta,
        resource_version=old.metadata.resource_version,
        managed_fields=old.metadata.managed_fields,
    )
    if aligned != old.metadata:
        return False
    if _without_times(meta.managed_fields) != _without_times(old.metadata.managed_fields):
        return False
    return all(
        getattr(new, attribute) == getattr(old, attribute)
        for attribute in new.__struct_fields__
        if attribute != "metadata"
    )


def _without_times(entries: list[Any]) -> list[Any]:
    """Writing the same again is not news, though it happens later."""
    return [msgspec.structs.replace(entry, time=None) for entry in entries]
