"""What a struct type says about the JSON under each of its keys.

Patches, server-side apply and OpenAPI walk plain JSON side by side with the type
that it belongs to. `shape_of` looks through `X | None`, and answers None where the
JSON is free-form, so that walkers need no knowledge of `typing`.
"""

from __future__ import annotations

import types
from functools import cache
from typing import Annotated, Any, NewType, Union, get_args, get_origin

import msgspec

from netemu.model.schema import FieldInfo, fields_of


@cache
def fields_by_wire_name(struct: type) -> dict[str, FieldInfo]:
    return {field.wire_name: field for field in fields_of(struct)}


def is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def plain(kind: Any) -> Any:
    """Strip `Annotated`, `NewType` and `| None` from a type."""
    while True:
        if get_origin(kind) is Annotated:
            kind = get_args(kind)[0]
        elif isinstance(kind, NewType):
            kind = kind.__supertype__
        elif get_origin(kind) in (Union, types.UnionType):
            choices = [choice for choice in get_args(kind) if choice is not type(None)]
            if len(choices) != 1:
                return kind
            kind = choices[0]
        else:
            return kind


def element_of(kind: Any) -> Any:
    """Return what a list or a map holds; None where that is anybody's guess."""
    kind = plain(kind)
    if get_origin(kind) is list:
        return plain(get_args(kind)[0])
    if get_origin(kind) is dict:
        return plain(get_args(kind)[1])
    return None


def field_at(kind: Any, key: str) -> FieldInfo | None:
    """Return the field that `key` names in a JSON object of type `kind`."""
    kind = plain(kind)
    return fields_by_wire_name(kind).get(key) if is_struct(kind) else None


def type_at(kind: Any, key: str) -> Any:
    """Return the type of the value under `key`; None where it is free-form."""
    found = field_at(kind, key)
    if found is not None:
        return plain(found.type)
    return element_of(kind) if get_origin(plain(kind)) is dict else None
