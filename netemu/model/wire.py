"""What an API type is made of: wire names, field numbers, how a list is patched.

A type is a struct whose attributes are Kubernetes' fields in snake_case. Each carries
its protobuf field number, and, where strategic merge patch wants to know, how it merges:

    class PodSpec(ApiStruct):
        containers: Annotated[list[Container], 2, merge_by("name")] = always_list()
        host_network: Annotated[bool, 11] = False
        os: Annotated[PodOS | None, 36] = None

What equals its default is left out when it is encoded, as Go's `omitempty` does;
`always` marks what Go writes even when it is empty. Go embeds some structs in others
without a name in JSON, but with a number in protobuf: here that is a base class, and
the heir says the number as `INLINE`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import (
    Any,
    ClassVar,
    NewType,
    TypeVar,
    dataclass_transform,
    get_origin,
    get_type_hints,
)

import msgspec

T = TypeVar("T")

Time = NewType("Time", str)
"""RFC 3339, whole seconds, `Z`; empty when unset."""
MicroTime = NewType("MicroTime", str)
"""RFC 3339 with six digits after the second."""
Quantity = NewType("Quantity", str)
"""`500m`, `1Gi`: canonical, see `netemu.model.quantity`."""
Base64 = NewType("Base64", str)
"""Bytes, as JSON carries them."""
FieldsV1 = NewType("FieldsV1", dict[str, Any])
"""A set of fields in the form of managedFields: opaque here."""
IntOrString = int | str
ResourceList = dict[str, Quantity]

JSON_ONLY = 0
"""The number of a field that has none that we know: protobuf bodies lack it."""


@dataclass(frozen=True, slots=True)
class Patch:
    """How strategic merge patch treats a field that it does not simply replace."""

    strategy: str
    key: str = ""


def merge_by(key: str, *, retain_keys: bool = False) -> Patch:
    """Elements with the same `key` are merged, others are added."""
    return Patch("merge,retainKeys" if retain_keys else "merge", key)


MERGED = Patch("merge")
"""A list of scalars: the union."""
RETAIN_KEYS = Patch("retainKeys")
"""A map whose patch may name all keys that may stay."""


def always(kind: Callable[[], T]) -> T:
    """Return a default that is written even when it is empty, as Go does without omitempty."""
    default: T = msgspec.field(default_factory=kind)
    return default


def odd(name: str, kind: Callable[[], T]) -> T:
    """Return the same for a field whose wire name follows no rule."""
    default: T = msgspec.field(default_factory=kind, name=name)
    return default


def _new_list() -> list[Any]:
    # msgspec leaves out what `list` made and is empty, but not what this made.
    return []


def always_list() -> list[Any]:
    """Return the default of a list that is written even when it is empty."""
    return always(_new_list)


_ACRONYMS = {
    "api": "API",
    "cidr": "CIDR",
    "cidrs": "CIDRs",
    "fqdn": "FQDN",
    "id": "ID",
    "ids": "IDs",
    "io": "IO",
    "ip": "IP",
    "ipc": "IPC",
    "ips": "IPs",
    "pid": "PID",
    "uri": "URI",
    "urls": "URLs",
    "uuid": "UUID",
    "wwns": "WWNs",
}


def wire_name(attribute: str) -> str:
    """Return Kubernetes' name of an attribute: `pod_ips` → `podIPs`, `from_` → `from`."""
    first, *rest = attribute.rstrip("_").split("_")
    return first + "".join(_ACRONYMS.get(word) or word.capitalize() for word in rest)


# Tells type checkers that what derives from this takes keywords only, too.
@dataclass_transform(kw_only_default=True, field_specifiers=(msgspec.field,))
# No cycle can be made of decoded JSON, so the collector need not look at structs (gc=False).
class ApiStruct(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False, rename=wire_name):
    """A piece of the API."""

    INLINE: ClassVar[int] = 0
    """The protobuf number of the base class's message, when Go embeds it."""


class Kinded(ApiStruct):
    """What says `apiVersion` and `kind` on the wire; the codec writes and checks them."""

    API_VERSION: ClassVar[str]
    KIND: ClassVar[str]


@dataclass(frozen=True, slots=True)
class FieldInfo:
    """One field of an API type, for whoever works on types instead of objects."""

    wire_name: str
    attribute: str
    number: int
    """Protobuf's; JSON_ONLY if unknown."""
    inline: int
    """The number of the embedded message that holds it; 0 if it is the type's own."""
    type: Any
    """Without `Annotated`, with `| None` where absence differs from the zero value."""
    required: bool
    """A scalar or list that is written even when it is empty."""
    patch_strategy: str = ""
    patch_merge_key: str = ""


@cache
def fields_of(kind: type[ApiStruct]) -> tuple[FieldInfo, ...]:
    """Return the fields of a type, those of its base classes first."""
    hints = get_type_hints(kind, include_extras=True)
    owner = {
        name: base
        for base in reversed(kind.__mro__)
        for name in vars(base).get("__annotations__", {})
    }
    return tuple(
        _field_info(kind, field, hints[field.name], owner[field.name])
        for field in msgspec.structs.fields(kind)
    )


def _field_info(
    kind: type[ApiStruct], field: msgspec.structs.FieldInfo, hint: Any, owner: type
) -> FieldInfo:
    marks = getattr(hint, "__metadata__", ())
    patch = next((mark for mark in marks if isinstance(mark, Patch)), Patch(""))
    return FieldInfo(
        wire_name=field.encode_name,
        attribute=field.name,
        number=next((mark for mark in marks if isinstance(mark, int)), JSON_ONLY),
        inline=0 if owner is kind else kind.INLINE,
        type=hint.__origin__ if marks else hint,
        required=field.default_factory in (str, int, bool, _new_list),
        patch_strategy=patch.strategy,
        patch_merge_key=patch.key,
    )


def struct_in(hint: Any) -> type[ApiStruct] | None:
    """Return the API type within `X`, `X | None`, `list[X]` or `dict[str, X]`."""
    if isinstance(hint, type) and get_origin(hint) is None:
        return hint if issubclass(hint, ApiStruct) else None
    inner = [struct_in(argument) for argument in getattr(hint, "__args__", ())]
    return next((found for found in inner if found is not None), None)
