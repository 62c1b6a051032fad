"""What a write must not contradict: the URL that it came by, and the object that it means."""

from __future__ import annotations

from typing import Any

from netemu.daemons.apiserver.refusals import bad_request, conflict
from netemu.daemons.apiserver.watching import Kept
from netemu.model.convert import MisfitError, convert
from netemu.model.kinds import Resource
from netemu.model.schema import ApiObject


def place(resource: Resource, obj: ApiObject, namespace: str) -> None:
    """Put the object into the namespace of the request, which it must not contradict."""
    meta = obj.metadata
    if not resource.namespaced:
        meta.namespace = ""
    elif not meta.namespace:
        meta.namespace = namespace
    elif meta.namespace != namespace:
        raise bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )


def check_kind(resource: Resource, data: dict[str, Any]) -> None:
    """A patch may repeat what the object is, and not change it."""
    said = (data.pop("apiVersion", resource.api_version), data.pop("kind", resource.kind))
    if said != (resource.api_version, resource.kind):
        raise bad_request(f"a {resource.kind} cannot be patched into a {said[1]} of {said[0]}")


def converted(resource: Resource, data: dict[str, Any]) -> tuple[ApiObject, list[str]]:
    try:
        return convert(data, resource.type)
    except MisfitError as error:
        kind = resource.kind
        raise bad_request(
            f'{kind} in version "{resource.version}" cannot be handled as a {kind}: {error}'
        ) from None


def check_name(obj: ApiObject, name: str) -> None:
    if obj.metadata.name and obj.metadata.name != name:
        raise bad_request(
            f"the name of the object ({obj.metadata.name}) does not match "
            f"the name on the URL ({name})"
        )
    obj.metadata.name = name


def check_preconditions(resource: Resource, new: ApiObject, old: Kept) -> None:
    """A resourceVersion or a uid in the new object says which old one it is meant for."""
    meta, present = new.metadata, old.obj.metadata
    if meta.resource_version and meta.resource_version != present.resource_version:
        raise conflict(resource, meta.name)
    if meta.uid and meta.uid != present.uid:
        raise conflict(
            resource,
            meta.name,
            f"Precondition failed: UID in precondition: {meta.uid}, "
            f"UID in object meta: {present.uid}",
        )
