"""One version of an object: how it is stamped with its revision, and lies in the store."""

from __future__ import annotations

import asyncio
import copy

from netemu.daemons.apiserver.watching import Happening, Kept
from netemu.model import codec
from netemu.model.kinds import Resource
from netemu.model.schema import ApiObject


def prefix(resource: Resource) -> str:
    """Return what the keys of all objects of a resource begin with."""
    return f"/registry/{resource.group or 'core'}/{resource.plural}/"


def key(resource: Resource, obj: ApiObject) -> str:
    meta = obj.metadata
    place = f"{meta.namespace}/{meta.name}" if meta.namespace else meta.name
    return prefix(resource) + place


def stamped(obj: ApiObject, revision: int) -> Kept:
    """Return the object, which is nobody else's yet, as the version of a revision."""
    obj.metadata.resource_version = str(revision)
    return Kept(obj, codec.encode(obj), revision)


def restamped(kept: Kept, revision: int) -> Kept:
    """Return the same version of the object under another revision."""
    metadata = copy.copy(kept.obj.metadata)
    obj = copy.copy(kept.obj)
    obj.metadata = metadata
    return stamped(obj, revision)


def decode(resource: Resource, value: bytes, revision: int) -> Kept:
    obj = codec.decode_stored(value, resource.type)
    if obj.metadata.resource_version == str(revision):
        return Kept(obj, value, revision)
    return stamped(obj, revision)


def happening(kept: Kept, old: Kept | None, *, deleted: bool) -> Happening:
    seconds = asyncio.get_running_loop().time()
    return Happening(kept, old, deleted=deleted, seconds=seconds, stamp=restamped)
