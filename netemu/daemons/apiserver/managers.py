"""Who wrote which field: the record that server-side apply goes by.

Only objects that were applied once carry a record: a heartbeat must not pay for what
nobody asked.
"""

from __future__ import annotations

from typing import Any

from netemu.core.apiserver import apply as server_side
from netemu.daemons.apiserver.consistency import check_kind, check_name, converted, place
from netemu.daemons.apiserver.refusals import bad_request, not_found
from netemu.daemons.apiserver.watching import Kept
from netemu.errors import ApiError
from netemu.model import codec
from netemu.model.kinds import Resource
from netemu.model.meta_v1 import ManagedFieldsEntry
from netemu.model.schema import ApiObject, Time


def record(
    resource: Resource, new: ApiObject, old: ApiObject, *, manager: str, subresource: str, now: Time
) -> None:
    """Note in `new`, which has a record, who wrote it over `old`."""
    if new.metadata.managed_fields == [ManagedFieldsEntry()]:
        new.metadata.managed_fields = []  # How a client asks to forget it all.
        return
    after = codec.to_dict(new)
    before = codec.to_dict(old)
    # A client may send the record itself: kubectl does, to take over from its older self.
    before["metadata"]["managedFields"] = after["metadata"]["managedFields"]
    entries = server_side.record_update(
        resource.type, before, after, manager=manager, now=now, subresource=subresource
    )
    new.metadata.managed_fields = [codec.from_dict(entry, ManagedFieldsEntry) for entry in entries]


def applied(
    resource: Resource,
    live: Kept | None,
    wanted: Any,
    *,
    namespace: str,
    name: str,
    manager: str,
    force: bool,
    subresource: str,
    now: Time,
) -> ApiObject:
    """Return the object as `manager` wants it; ApiError 400, 404, 409 or 422."""
    if not isinstance(wanted, dict):
        raise bad_request("an apply patch is an object")
    if not (wanted.get("apiVersion") and wanted.get("kind")):
        raise bad_request("an apply patch says its apiVersion and kind")
    if live is None and subresource:
        raise not_found(resource, name)
    check_kind(resource, wanted)
    asked, unknown = converted(resource, wanted)  # Which makes quantities and times canonical.
    if unknown:
        raise _undeclared(resource, namespace, name, unknown)
    check_name(asked, name)
    place(resource, asked, namespace)
    merged = server_side.apply(
        resource.type,
        codec.to_dict(live.obj) if live else None,
        wanted,
        manager=manager,
        force=force,
        now=now,
        subresource=subresource,
    )
    check_kind(resource, merged)
    obj, _ = converted(resource, merged)
    check_name(obj, name)
    place(resource, obj, namespace)
    return obj


def _undeclared(resource: Resource, namespace: str, name: str, unknown: list[str]) -> ApiError:
    """Nobody can own a field that does not exist, so an apply never passes over one."""
    which = f"{namespace}/{name}" if namespace else name
    said = ", ".join(f".{path}: field not declared in schema" for path in unknown)
    return bad_request(
        f"failed to create typed patch object ({which}; {resource.api_version}, "
        f"Kind={resource.kind}): {said}"
    )
