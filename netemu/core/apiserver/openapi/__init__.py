"""OpenAPI: the types, for clients that check manifests and explain fields.

Everything is made from the structs by reflection, at the first request, once. Old
clients read version 2 as protobuf, new ones version 3 as JSON, a document a group and
version (kube-api.md, 2.3, 2.4).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache
from typing import Any

import msgspec

from netemu.core.apiserver.openapi import gnostic
from netemu.core.apiserver.openapi.paths import path_items
from netemu.core.apiserver.openapi.schemas import definitions, name_of, reachable
from netemu.model.kinds import RESOURCES, REVIEWS, Resource

Json = dict[str, Any]

_SERVED: tuple[Resource, ...] = RESOURCES + REVIEWS
_TITLE = "Kubernetes"


@cache
def v2_json() -> bytes:
    """GET /openapi/v2, for those who did not ask for protobuf."""
    return msgspec.json.encode(_v2())


@cache
def v2_protobuf() -> bytes:
    """GET /openapi/v2, as kubectl up to 1.28 wants it."""
    return gnostic.encode_document(_v2())


def v3_index() -> Json:
    """GET /openapi/v3: where the documents are; a changed document has a new address."""
    return {
        "paths": {
            path: {"serverRelativeURL": f"/openapi/v3/{path}?hash={etag(v3_document(path))}"}
            for path in v3_paths()
        }
    }


def v3_paths() -> tuple[str, ...]:
    """Return what can be asked of `v3_document`: `api/v1`, `apis/apps/v1`, …"""
    return tuple(dict.fromkeys(_root(resource) for resource in _SERVED))


@cache
def v3_document(path: str) -> bytes:
    """GET /openapi/v3/PATH; KeyError if there is no such document."""
    resources = [resource for resource in _SERVED if _root(resource) == path]
    if not resources:
        raise KeyError(path)
    document: Json = {
        "openapi": "3.0.0",
        "info": {"title": _TITLE, "version": "v1.33.0"},
        "paths": path_items(resources, version=3),
        "components": {"schemas": _definitions(resources, version=3)},
    }
    return msgspec.json.encode(document)


@cache
def etag(content: bytes) -> str:
    """Return a short name for what the content is."""
    return hashlib.sha256(content).hexdigest()[:32].upper()


def _v2() -> Json:
    return {
        "swagger": "2.0",
        "info": {"title": _TITLE, "version": "v1.33.0"},
        "paths": path_items(_SERVED, version=2),
        "definitions": _definitions(_SERVED, version=2),
    }


def _root(resource: Resource) -> str:
    return resource.path().removesuffix(f"/{resource.plural}").removeprefix("/")


def _definitions(resources: Iterable[Resource], *, version: int) -> Json:
    listed = list(resources)
    return definitions(reachable(listed), listed, version=version)


__all__ = ["etag", "name_of", "v2_json", "v2_protobuf", "v3_document", "v3_index", "v3_paths"]
