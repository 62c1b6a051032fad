"""Apply a manifest's objects: create them, or patch what is there towards them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

from netemu.client.contract import Client, PatchType
from netemu.client.https import HttpsClient
from netemu.core.three_way import LAST_APPLIED, three_way_patch
from netemu.errors import ApiError
from netemu.model import kinds
from netemu.model.codec import to_dict
from netemu.model.core_v1 import Namespace
from netemu.model.documents import Located
from netemu.model.schema import ApiObject, copy_of


async def apply_all(
    client: HttpsClient, manifest: Sequence[Located], *, namespace: str
) -> AsyncIterator[tuple[str, ApiObject]]:
    """Apply each object and yield what was done; nothing at all if the server refuses one."""
    rehearsal = HttpsClient(client.access, dry_run=True)
    try:
        await _rehearse(rehearsal, manifest, namespace)
    finally:
        await rehearsal.close()
    for located in manifest:
        yield await apply_object(client, located, namespace=namespace)


async def _rehearse(client: Client, manifest: Sequence[Located], namespace: str) -> None:
    """Let the server check every object, as far as it can before any is there."""
    to_come = {each.obj.metadata.name for each in manifest if isinstance(each.obj, Namespace)}
    for located in manifest:
        if (located.obj.metadata.namespace or namespace) in to_come:
            continue
        try:
            await apply_object(client, located, namespace=namespace)
        except ApiError as error:
            if error.code not in (400, 422):
                raise
            field = error.causes[0].field if error.causes else ""
            raise located.error(error.message, field) from error


async def apply_object(
    client: Client, located: Located, *, namespace: str
) -> tuple[str, ApiObject]:
    """Return what was done (`created`, `configured`, `unchanged`) and the object.

    An object without a namespace goes to `namespace`.
    """
    wanted = _in_namespace(located.obj, namespace)
    kind, name, where = type(wanted), wanted.metadata.name, wanted.metadata.namespace
    manifest = to_dict(wanted)
    text = json.dumps(manifest, separators=(",", ":"), sort_keys=True)
    try:
        live = await client.get(kind, name, where)
    except ApiError as error:
        if not error.not_found:
            raise
        wanted.metadata.annotations = {**wanted.metadata.annotations, LAST_APPLIED: text}
        return "created", await client.create(wanted)
    patch = three_way_patch(kind, _last_applied(live), manifest)
    patch.setdefault("metadata", {}).setdefault("annotations", {})[LAST_APPLIED] = text
    done = await client.patch(kind, name, where, patch, how=PatchType.STRATEGIC)
    changed = done.metadata.resource_version != live.metadata.resource_version
    return "configured" if changed else "unchanged", done


def _in_namespace(obj: ApiObject, namespace: str) -> ApiObject:
    wanted = copy_of(obj)
    if kinds.by_type(type(obj)).namespaced and not wanted.metadata.namespace:
        wanted.metadata.namespace = namespace
    return wanted


def _last_applied(live: ApiObject) -> dict[str, Any]:
    try:
        last = json.loads(live.metadata.annotations.get(LAST_APPLIED, "{}"))
    except json.JSONDecodeError:
        return {}
    return last if isinstance(last, dict) else {}
