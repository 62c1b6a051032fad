"""What happens to plain data before it becomes an object.

Clients send more than types say: nulls, which Kubernetes takes for absent; fields that
do not exist, which are reported and dropped; quantities and times in any form. One
walker a type is compiled at its first use; it changes the data in place.
"""

from __future__ import annotations

import binascii
import types
from base64 import b64decode, b64encode
from collections.abc import Callable
from functools import cache
from typing import Any, Union, get_args, get_origin

from netemu.model.clock import canonical_micro_time, canonical_time
from netemu.model.quantity import canonical
from netemu.model.wire import ApiStruct, Base64, FieldsV1, MicroTime, Quantity, Time, fields_of

# Every other number of Kubernetes' API has 32 bits.
_LONG = frozenset(
    (
        "active_deadline_seconds",
        "capacity",
        "deletion_grace_period_seconds",
        "expiration_seconds",
        "fs_group",
        "generation",
        "gid",
        "grace_period_seconds",
        "observed_generation",
        "remaining_item_count",
        "run_as_group",
        "run_as_user",
        "seconds",
        "size_bytes",
        "supplemental_groups",
        "termination_grace_period_seconds",
        "toleration_seconds",
        "uid",
    )
)

Unknown = list[str]
Walker = Callable[[Any, Unknown], Any]
"""Takes a value and returns what should stand in its place; adds paths of unknown fields."""


class WrongValueError(ValueError):
    """A scalar whose text is wrong, and the path to it as it unwinds."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.path = ""


def join_path(parent: str, child: str) -> str:
    return f"{parent}.{child}" if parent and child and child[0] != "[" else parent + child


@cache
def walker_of(kind: type[ApiStruct]) -> Walker:
    """Return the walker of a struct."""
    children = {
        field.wire_name: _walker_for(field.type, 64 if field.attribute in _LONG else 32)
        for field in fields_of(kind)
    }

    def walk_struct(data: Any, unknown: Unknown) -> Any:
        if type(data) is not dict:
            return data
        nulls = False
        for name, value in data.items():
            if value is None:
                nulls = True
            elif name not in children:
                unknown.append(name)
            elif walk := children[name]:
                data[name] = _walk_child(walk, name, value, unknown)
        if nulls:
            drop_nulls(data)
        return data

    return walk_struct


def _walk_child(walk: Walker, name: str, value: Any, unknown: Unknown) -> Any:
    before = len(unknown)
    try:
        value = walk(value, unknown)
    except WrongValueError as error:
        error.path = join_path(name, error.path)
        raise
    if len(unknown) > before:
        unknown[before:] = [join_path(name, path) for path in unknown[before:]]
    return value


def drop_nulls(data: dict[str, Any]) -> None:
    for name in [name for name, value in data.items() if value is None]:
        del data[name]


def _walker_for(hint: Any, bits: int) -> Walker | None:
    """Return the walker of a field, or None where there is nothing to do."""
    if hint is int:
        return _integer_walker(bits)
    if hint in _SCALARS:
        return _scalar_walker(_SCALARS[hint])
    if hint is FieldsV1 or hint is Any:
        return None
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        walkers = (_walker_for(member, bits) for member in get_args(hint))
        return next((walk for walk in walkers if walk is not None), None)
    if origin is list:
        return _list_walker(_walker_for(get_args(hint)[0], bits))
    if origin is dict:
        return _dict_walker(_walker_for(get_args(hint)[1], bits))
    if isinstance(hint, type) and issubclass(hint, ApiStruct):
        return walker_of(hint)
    return None


def _canonical_base64(text: str) -> Base64:
    try:
        return Base64(b64encode(b64decode(text.replace("\n", ""), validate=True)).decode())
    except (binascii.Error, UnicodeError, ValueError) as error:
        raise ValueError(f"illegal base64 data: {error}") from None


_SCALARS: dict[Any, Callable[[Any], Any]] = {
    Base64: _canonical_base64,
    Quantity: canonical,
    Time: canonical_time,
    MicroTime: canonical_micro_time,
}


@cache
def _integer_walker(bits: int) -> Walker:
    least, end = -1 << (bits - 1), 1 << (bits - 1)

    def walk_integer(data: Any, _unknown: Unknown) -> Any:
        if type(data) is int and not least <= data < end:
            raise WrongValueError(f"{data} is not a number of {bits} bits")
        return data

    return walk_integer


def _scalar_walker(make_canonical: Callable[[Any], Any]) -> Walker:
    takes = (str, int, float) if make_canonical is canonical else (str,)

    def walk_scalar(data: Any, _unknown: Unknown) -> Any:
        if type(data) not in takes or (data == "" and make_canonical is not canonical):
            return data
        try:
            return make_canonical(data)
        except ValueError as error:
            raise WrongValueError(str(error)) from None

    return walk_scalar


def _list_walker(item: Walker | None) -> Walker:
    def walk_list(data: Any, unknown: Unknown) -> Any:
        if type(data) is not list:
            return data
        if None in data:
            data = [value for value in data if value is not None]
        if item is None:
            return data
        for index, value in enumerate(data):
            data[index] = _walk_child(item, f"[{index}]", value, unknown)
        return data

    return walk_list


def _dict_walker(item: Walker | None) -> Walker:
    def walk_dict(data: Any, unknown: Unknown) -> Any:
        if type(data) is not dict:
            return data
        if None in data.values():
            drop_nulls(data)
        if item is None:
            return data
        for name, value in data.items():
            data[name] = _walk_child(item, name, value, unknown)
        return data

    return walk_dict
