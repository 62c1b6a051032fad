"""The API types' common ground: what every object is, and how one is copied."""

from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, TypeVar

import msgspec

from netemu.model.meta_v1 import ObjectMeta
from netemu.model.wire import (
    ApiStruct,
    Base64,
    FieldInfo,
    FieldsV1,
    IntOrString,
    Kinded,
    MicroTime,
    Patch,
    Quantity,
    ResourceList,
    Time,
    always,
    fields_of,
    struct_in,
)

__all__ = [
    "ApiObject",
    "ApiStruct",
    "Base64",
    "FieldInfo",
    "FieldsV1",
    "IntOrString",
    "Kinded",
    "MicroTime",
    "Patch",
    "Quantity",
    "ResourceList",
    "Time",
    "always",
    "copy_of",
    "fields_of",
    "struct_in",
]

S = TypeVar("S", bound=ApiStruct)

_pack = msgspec.msgpack.Encoder().encode


class ApiObject(Kinded):
    """What can be stored: a kind with metadata."""

    metadata: Annotated[ObjectMeta, 1] = always(ObjectMeta)


def copy_of(obj: S) -> S:
    """Return a copy that shares nothing that can be changed with the original."""
    copied: S = _unpacker(type(obj))(_pack(obj))
    return copied


@cache
def _unpacker(kind: type[Any]) -> Callable[[bytes], Any]:
    return msgspec.msgpack.Decoder(kind).decode
