"""Plain data becomes an object, or it is said where it does not fit and why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec

from netemu.model.walk import WrongValueError, join_path, walker_of
from netemu.model.wire import ApiStruct, fields_of

S = TypeVar("S", bound=ApiStruct)


class MisfitError(ValueError):
    """Where plain data does not fit a type, and why."""

    def __init__(self, path: str, reason: str, value: Any = None, hint: Any = None) -> None:
        super().__init__(f"{path}: {reason}" if path else reason)
        self.path = path
        self.reason = reason
        self.value = value
        """What stands there."""
        self.hint = hint
        """The type that it does not fit."""
        self.unknown: list[str] = []
        """Fields that do not exist either, which may be the cause."""


def convert(data: dict[str, Any], kind: type[S]) -> tuple[S, list[str]]:
    """Return the object and the paths of unknown fields; the data is used up."""
    unknown: list[str] = []
    try:
        walker_of(kind)(data, unknown)
        return msgspec.convert(data, kind), unknown
    except WrongValueError as error:
        raise MisfitError(error.path, str(error)) from None
    except msgspec.ValidationError as error:
        misfit = _locate(data, kind) or MisfitError("", str(error))
        misfit.unknown = unknown
        raise misfit from None


def _locate(data: Any, hint: Any) -> MisfitError | None:
    """Look for the misfit from the root down: msgspec's own paths lack the indexes."""
    try:
        msgspec.convert(data, hint)
    except msgspec.ValidationError as error:
        for name, value, inner in _parts(data, hint):
            found = _locate(value, inner)
            if found:
                path = join_path(name, found.path)
                return MisfitError(path, found.reason, found.value, found.hint)
        reason = str(error).partition(" - at ")[0].replace("`", "").replace(" | null", "")
        return MisfitError("", reason[:1].lower() + reason[1:], data, hint)
    return None


def _parts(data: Any, hint: Any) -> Iterator[tuple[str, Any, Any]]:
    members: tuple[Any, ...] = getattr(hint, "__args__", ())
    origin = getattr(hint, "__origin__", None)
    if isinstance(hint, type) and issubclass(hint, ApiStruct) and isinstance(data, dict):
        for info in fields_of(hint):
            if info.wire_name in data:
                yield info.wire_name, data[info.wire_name], info.type
    elif origin is list and isinstance(data, list):
        yield from ((f"[{index}]", value, members[0]) for index, value in enumerate(data))
    elif origin is dict and isinstance(data, dict):
        yield from ((name, value, members[1]) for name, value in data.items())
    elif origin is None and members:
        for member in members:
            yield from _parts(data, member)
