"""The URLs of a resource, as far as clients look at them.

kubectl asks of a PATCH operation whether it takes `dryRun` and `fieldValidation`, and
finds it by its group, version and kind. Bodies are not described: then kubectl merges
with the types that it was built with.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from netemu.model.kinds import Resource

Json = dict[str, Any]

_WRITE = ("dryRun", "fieldManager", "fieldValidation")
_PARAMETERS = {
    "post": _WRITE,
    "put": _WRITE,
    "patch": (*_WRITE, "force"),
    "delete": ("dryRun", "gracePeriodSeconds", "orphanDependents", "propagationPolicy"),
    "get": (),
}
_LIST = ("continue", "fieldSelector", "labelSelector", "limit", "resourceVersion", "watch")
_TYPES = {
    "force": "boolean",
    "watch": "boolean",
    "orphanDependents": "boolean",
    "gracePeriodSeconds": "integer",
    "limit": "integer",
}
_METHODS = {"get": "get", "update": "put", "patch": "patch", "delete": "delete"}
_ACTIONS = {"put": "put", "patch": "patch", "delete": "delete", "post": "post", "get": "get"}


def path_items(resources: Iterable[Resource], *, version: int) -> Json:
    """Return the `paths` of a document."""
    items: Json = {}
    for resource in resources:
        items |= _items_of(resource, version)
    return items


def _items_of(resource: Resource, version: int) -> Json:
    collection = resource.path("{namespace}" if resource.namespaced else "")
    items: Json = {collection: {}}
    if "list" in resource.verbs:
        items[collection]["get"] = _operation(resource, "get", "list", _LIST, version)
    if "create" in resource.verbs:
        items[collection]["post"] = _operation(resource, "post", "post", _WRITE, version)
    one = {
        method: _operation(resource, method, _ACTIONS[method], _PARAMETERS[method], version)
        for verb, method in _METHODS.items()
        if verb in resource.verbs
    }
    if one:
        items[f"{collection}/{{name}}"] = one
    return items


def _operation(
    resource: Resource, method: str, action: str, parameters: Iterable[str], version: int
) -> Json:
    return {
        "operationId": f"{action}{resource.kind}{resource.version}{resource.group}".replace(
            ".", ""
        ),
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": {
            "group": resource.group,
            "version": resource.version,
            "kind": resource.kind,
        },
        "parameters": [_parameter(name, version) for name in parameters],
        "responses": {"201" if method == "post" else "200": {"description": "OK"}},
    }


def _parameter(name: str, version: int) -> Json:
    kind = {"type": _TYPES.get(name, "string")}
    place = {"name": name, "in": "query"}
    return place | ({"schema": kind} if version == 3 else kind)
