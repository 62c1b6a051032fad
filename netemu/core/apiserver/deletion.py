"""What a DELETE does: rarely does an object go at once.

A pod gets time to stop: the first DELETE sets when it must be gone, its kubelet sends
the last one, with grace 0. An object with finalizers waits for those who put them
there. A namespace waits for its contents. Everything else is gone (kube-api.md, 4.5).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from netemu.core.apiserver.field_errors import FieldError, bad_value, invalid_kind, unsupported
from netemu.errors import ApiError
from netemu.model.clock import format_time, parse_time
from netemu.model.core_v1 import Event, Namespace, Pod
from netemu.model.kinds import Resource
from netemu.model.meta_v1 import DeleteOptions, Status, StatusDetails
from netemu.model.schema import ApiObject, Time, copy_of

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"
_POLICIES = ("Background", "Foreground", "Orphan")
_LONGEST_GRACE_S = 2**31 - 1
"""A calendar ends; grace periods have 64 bits."""


@dataclass(frozen=True, slots=True)
class Deletion:
    """What is to be done with the store, and what the client is told."""

    object: ApiObject
    """The object as it is to be stored, or as it was in the end: a copy."""
    remove: bool
    """Take it out of the store."""
    changed: bool
    """Store it, unless it is to be removed; False if the DELETE was no news."""
    answer: ApiObject | Status


def plan_delete(
    obj: ApiObject, options: DeleteOptions | None, *, resource: Resource, now: Time
) -> Deletion:
    """Decide what a DELETE of the stored `obj` does; ApiError if a precondition fails."""
    options = options or DeleteOptions()
    _check_options(options)
    _check_preconditions(obj, options, resource)
    gone = copy_of(obj)
    _set_finalizers(gone, options)
    if isinstance(gone, Namespace):
        remove = _end_namespace(gone, now)
    elif isinstance(gone, Pod):
        remove = _end_pod(gone, options, now)
    else:
        remove = _end(gone, 0, now)
    changed = gone != obj
    plain = remove and not isinstance(gone, (Pod, Namespace))
    answer = success(gone, resource) if plain else gone
    return Deletion(gone, remove, changed, answer)


def after_update(obj: ApiObject) -> bool:
    """Say whether an object that was just updated has nothing left to wait for."""
    meta = obj.metadata
    if not meta.deletion_timestamp or meta.finalizers or meta.deletion_grace_period_seconds:
        return False
    return not (isinstance(obj, Namespace) and obj.spec.finalizers)


def success(obj: ApiObject, resource: Resource) -> Status:
    """The answer to a DELETE of something that is gone."""
    details = StatusDetails(
        name=obj.metadata.name,
        group=resource.group,
        kind=resource.plural,
        uid=obj.metadata.uid,
    )
    return Status(status="Success", details=details)


def _end(gone: ApiObject, grace_s: int, now: Time) -> bool:
    """Mark the object as ending; return whether it can go at once."""
    meta = gone.metadata
    if not meta.deletion_timestamp:
        ends = parse_time(now) + timedelta(seconds=grace_s)
        meta.deletion_timestamp = format_time(ends)
        meta.deletion_grace_period_seconds = grace_s
        if meta.generation:
            meta.generation += 1
    return not meta.finalizers and not meta.deletion_grace_period_seconds


def _end_pod(pod: Pod, options: DeleteOptions, now: Time) -> bool:
    meta = pod.metadata
    asked = options.grace_period_seconds
    if asked is not None and asked < 0:
        asked = 1
    if not meta.deletion_timestamp:
        return _end(pod, _grace_s(pod, asked), now)
    # A second DELETE may only make it shorter.
    left = meta.deletion_grace_period_seconds or 0
    if asked is not None and asked < left:
        ends = parse_time(meta.deletion_timestamp) - timedelta(seconds=left - asked)
        meta.deletion_timestamp = format_time(ends)
        meta.deletion_grace_period_seconds = asked
    return not meta.finalizers and not meta.deletion_grace_period_seconds


def _grace_s(pod: Pod, asked: int | None) -> int:
    # There is no process to wait for, or none any more.
    if not pod.spec.node_name or pod.status.phase in ("Succeeded", "Failed"):
        return 0
    default = pod.spec.termination_grace_period_seconds
    wanted = asked if asked is not None else 30 if default is None else default
    return min(wanted, _LONGEST_GRACE_S)


def _end_namespace(namespace: Namespace, now: Time) -> bool:
    if not namespace.metadata.deletion_timestamp:
        namespace.metadata.deletion_timestamp = now
        namespace.status.phase = "Terminating"
    return not namespace.spec.finalizers and not namespace.metadata.finalizers


def _set_finalizers(obj: ApiObject, options: DeleteOptions) -> None:
    """Let the garbage collector do what the propagation policy asks for."""
    policy = options.propagation_policy
    if options.orphan_dependents is not None:
        policy = "Orphan" if options.orphan_dependents else "Background"
    if not policy or isinstance(obj, Event):
        return  # What is there already stays. An Event owns nothing, and nobody watches for it.
    wanted = {"Foreground": FOREGROUND, "Orphan": ORPHAN}.get(policy, "")
    kept = [f for f in obj.metadata.finalizers if f not in (FOREGROUND, ORPHAN) or f == wanted]
    if wanted and wanted not in kept:
        kept.append(wanted)
    obj.metadata.finalizers = kept


def _check_options(options: DeleteOptions) -> None:
    errors: list[FieldError] = []
    policy = options.propagation_policy
    if policy is not None and options.orphan_dependents is not None:
        detail = "orphanDependents and deletionPropagation cannot be both set"
        errors.append(bad_value("propagationPolicy", policy, detail))
    elif policy and policy not in _POLICIES:
        errors.append(unsupported("propagationPolicy", policy, (*_POLICIES, "nil")))
    if any(stage != "All" for stage in options.dry_run):
        errors.append(unsupported("dryRun", options.dry_run, ("All",)))
    if errors:
        raise invalid_kind("meta.k8s.io", "DeleteOptions", "", errors)


def _check_preconditions(obj: ApiObject, options: DeleteOptions, resource: Resource) -> None:
    wanted = options.preconditions
    if wanted is None:
        return
    meta = obj.metadata
    if wanted.uid is not None and wanted.uid != meta.uid:
        raise _conflict(
            obj,
            resource,
            f"the UID in the precondition ({wanted.uid}) does not match the UID in record "
            f"({meta.uid}). The object might have been deleted and then recreated",
        )
    if wanted.resource_version is not None and wanted.resource_version != meta.resource_version:
        raise _conflict(
            obj,
            resource,
            f"the ResourceVersion in the precondition ({wanted.resource_version}) does not match "
            f"the ResourceVersion in record ({meta.resource_version}). The object might have "
            "been modified",
        )


def _conflict(obj: ApiObject, resource: Resource, what: str) -> ApiError:
    head = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    name = obj.metadata.name
    return ApiError(
        409,
        "Conflict",
        f'Operation cannot be fulfilled on {head} "{name}": {what}',
        group=resource.group,
        kind=resource.kind,
        name=name,
    )
