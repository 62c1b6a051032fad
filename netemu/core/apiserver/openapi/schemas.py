"""A struct type as a JSON schema, with what kubectl wants to know besides.

`x-kubernetes-group-version-kind` leads from a manifest to its schema; the patch
extensions tell `kubectl apply` how lists merge.
"""

from __future__ import annotations

import types
from collections.abc import Iterable
from typing import Any, Union, get_args, get_origin

from netemu.core.apiserver.shapes import is_struct, plain
from netemu.model import descriptions
from netemu.model.kinds import Resource, type_of
from netemu.model.meta_v1 import DeleteOptions, ListMeta, Status
from netemu.model.schema import (
    Base64,
    FieldInfo,
    FieldsV1,
    Kinded,
    MicroTime,
    Quantity,
    Time,
    fields_of,
    struct_in,
)

Json = dict[str, Any]

_REFERENCE = {2: "#/definitions/", 3: "#/components/schemas/"}
_META = "io.k8s.apimachinery.pkg.apis.meta.v1"
_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"

_GVK = "x-kubernetes-group-version-kind"
_STRATEGY = "x-kubernetes-patch-strategy"
_MERGE_KEY = "x-kubernetes-patch-merge-key"

_SCALARS: dict[Any, Json] = {
    Time: {"type": "string", "format": "date-time"},
    MicroTime: {"type": "string", "format": "date-time"},
    Base64: {"type": "string", "format": "byte"},
    FieldsV1: {"type": "object"},
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer", "format": "int64"},
    float: {"type": "number", "format": "double"},
}
_INT_OR_STRING = {"type": "string", "format": "int-or-string"}
# Always written, yet nobody need say it.
_OPTIONAL = frozenset((("Event", "reportingComponent"), ("Event", "reportingInstance")))


def name_of(kind: type) -> str:
    """Return a definition's name: `io.k8s.api.core.v1.Container`."""
    module = kind.__module__.removeprefix("netemu.model.").split(".")[0]
    if module == "meta_v1":
        return f"{_META}.{kind.__name__}"
    group, _, version = module.rpartition("_")
    return f"io.k8s.api.{group}.{version}.{kind.__name__}"


def reachable(resources: Iterable[Resource]) -> list[type]:
    """Return the types of the resources and of all that is in them, each once."""
    found: dict[type, None] = {DeleteOptions: None, Status: None, ListMeta: None}
    waiting: list[type] = [*found]
    for resource in resources:
        waiting.append(resource.type)
        for part in resource.subresources:
            body = type_of(_api_version(part.group, part.version, resource), part.kind)
            if body is not None:
                waiting.append(body)
    while waiting:
        kind = waiting.pop()
        found[kind] = None
        for field in fields_of(kind):
            inner = struct_in(field.type)
            if inner is not None and inner not in found:
                waiting.append(inner)
    return sorted(found, key=name_of)


def _api_version(group: str, version: str, resource: Resource) -> str:
    if not version:
        return resource.api_version
    return f"{group}/{version}" if group else version


def definitions(kinds: Iterable[type], resources: Iterable[Resource], *, version: int) -> Json:
    """Return the schemas by name."""
    schemas: Json = {_QUANTITY: {"type": "string", "description": "A fixed-point number."}}
    for kind in kinds:
        schemas[name_of(kind)] = _schema_of_struct(kind, version)
    for resource in resources:
        schemas[f"{name_of(resource.type)}List"] = _schema_of_list(resource, version)
    return schemas


def _schema_of_struct(kind: type, version: int) -> Json:
    fields = fields_of(kind)
    properties: Json = {}
    if issubclass(kind, Kinded):
        properties = {"apiVersion": _described(_API_VERSION), "kind": _described(_KIND)}
    properties |= {field.wire_name: _schema_of_field(kind, field, version) for field in fields}
    schema: Json = {
        "type": "object",
        "description": descriptions.of_type(kind),
        "properties": properties,
    }
    required = [
        field.wire_name
        for field in fields
        if field.required and (kind.__name__, field.wire_name) not in _OPTIONAL
    ]
    if required:
        schema["required"] = required
    if issubclass(kind, Kinded):
        schema[_GVK] = [_gvk(kind.API_VERSION, kind.KIND)]
    return schema


_API_VERSION = "The versioned schema of this representation of an object."
_KIND = "The resource that this object represents."


def _described(description: str) -> Json:
    return {"type": "string", "description": description}


def _schema_of_list(resource: Resource, version: int) -> Json:
    return {
        "type": "object",
        "description": f"A list of {resource.plural}.",
        "required": ["items"],
        "properties": {
            "apiVersion": _described(_API_VERSION),
            "kind": _described(_KIND),
            "metadata": _reference(ListMeta, version),
            "items": {"type": "array", "items": _reference(resource.type, version)},
        },
        _GVK: [_gvk(resource.api_version, resource.list_kind)],
    }


def _gvk(api_version: str, kind: str) -> Json:
    group, _, version = api_version.rpartition("/")
    return {"group": group, "version": version, "kind": kind}


def _schema_of_field(kind: type, field: FieldInfo, version: int) -> Json:
    schema = dict(schema_of(field.type, version))
    if said := descriptions.of_field(kind, field.wire_name):
        schema["description"] = said
    if field.patch_strategy:
        schema[_STRATEGY] = field.patch_strategy
    if field.patch_merge_key:
        schema[_MERGE_KEY] = field.patch_merge_key
    return schema


def schema_of(hint: Any, version: int) -> Json:
    """Return the schema of a field's type."""
    hint = _not_none(hint)
    if hint in _SCALARS:
        return _SCALARS[hint]
    if hint is Quantity:
        return _by_name(_QUANTITY, version)
    if get_origin(hint) in (Union, types.UnionType):
        return _INT_OR_STRING
    if get_origin(hint) is list:
        return {"type": "array", "items": schema_of(get_args(hint)[0], version)}
    if get_origin(hint) is dict:
        values = get_args(hint)[1]
        return {"type": "object", "additionalProperties": schema_of(values, version)}
    if is_struct(plain(hint)):
        return _reference(plain(hint), version)
    return {"type": "object"}


def _not_none(hint: Any) -> Any:
    if get_origin(hint) in (Union, types.UnionType):
        choices = [choice for choice in get_args(hint) if choice is not type(None)]
        return choices[0] if len(choices) == 1 else Union[tuple(choices)]  # noqa: UP007
    return hint


def _reference(kind: type, version: int) -> Json:
    return _by_name(name_of(kind), version)


def _by_name(name: str, version: int) -> Json:
    reference = {"$ref": _REFERENCE[version] + name}
    # In version 3 nothing may stand beside a reference, so it is wrapped.
    return {"allOf": [reference]} if version == 3 else reference
