"""Between objects and bytes.

In: bytes become plain data (JSON, YAML) or an object at once (protobuf); a walker drops
nulls, notes unknown fields and makes quantities and times canonical; msgspec makes the
object. Out: msgspec writes JSON, and what says the kind is put in front.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Generic, TypeVar

import msgspec

from netemu.errors import ApiError
from netemu.model.kinds import Resource, type_of
from netemu.model.meta_v1 import ListMeta
from netemu.model.schema import ApiStruct, Kinded
from netemu.model.walk import WrongValueError, join_path, walker_of
from netemu.model.wire import fields_of

T = TypeVar("T")

JSON = "application/json"
YAML = "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"

_encode = msgspec.json.Encoder().encode
_parse_json = msgspec.json.Decoder().decode


@dataclass(slots=True)
class Decoded:
    """An object, and what in the body the object does not hold."""

    obj: Any
    unknown: list[str] = field(default_factory=list)
    """Paths of fields that do not exist: `spec.template.spec.containers[0].foo`."""
    duplicates: list[str] = field(default_factory=list)
    """Paths of fields that are there twice: the last one won. Filled when asked for."""


# --- out ---------------------------------------------------------------------------


@cache
def _opening(kind: type[Kinded]) -> bytes:
    return b'{"kind":"%b","apiVersion":"%b"' % (kind.KIND.encode(), kind.API_VERSION.encode())


def encode(obj: Kinded) -> bytes:
    """Return the object as JSON, with its kind and version first."""
    body = _encode(obj)
    opening = _opening(type(obj))
    return opening + b"}" if len(body) == 2 else b"%b,%b" % (opening, body[1:])


def to_dict(obj: ApiStruct) -> dict[str, Any]:
    """Return the object as plain data, with kind and version if it is of a kind."""
    data: dict[str, Any] = msgspec.to_builtins(obj)
    if isinstance(obj, Kinded):
        return {"kind": obj.KIND, "apiVersion": obj.API_VERSION, **data}
    return data


def encode_list(
    resource: Resource,
    items: Iterable[bytes],
    resource_version: str,
    *,
    continue_: str = "",
    remaining: int | None = None,
) -> bytes:
    """Return a list of objects that are encoded already."""
    meta = ListMeta(
        resource_version=resource_version, continue_=continue_, remaining_item_count=remaining
    )
    opening = f'{{"kind":"{resource.list_kind}","apiVersion":"{resource.api_version}","metadata":'
    return b'%b%b,"items":[%b]}' % (opening.encode(), _encode(meta), b",".join(items))


# --- in: what netemu itself encoded ---------------------------------------------------


class ObjectList(msgspec.Struct, Generic[T]):
    """Any list of objects, as it arrives."""

    items: list[T]
    metadata: ListMeta


@cache
def _list_of(kind: Any) -> Any:
    return ObjectList[kind]


@cache
def _decoder(kind: Any) -> Callable[[bytes], Any]:
    return msgspec.json.Decoder(kind).decode


def decode_stored(data: bytes, kind: type[T]) -> T:
    """Return an object of a known kind from JSON that `encode` made: no questions asked."""
    obj: T = _decoder(kind)(data)
    return obj


def decode_list(data: bytes, kind: type[T]) -> ObjectList[T]:
    """Return the objects of a list from our own API server."""
    decoded: ObjectList[T] = _decoder(_list_of(kind))(data)
    return decoded


# --- in: what anyone sent ---------------------------------------------------------------


def decode(
    data: bytes,
    *,
    content_type: str = JSON,
    expected: type[ApiStruct] | None = None,
    strict: bool = False,
) -> Decoded:
    """Return the object in a request's body; ApiError 400 or 415 if there is none.

    `expected` is what a body is that does not say its kind, and what one that does must
    be. `strict` also looks for duplicated fields.
    """
    media = content_type.partition(";")[0].strip().lower()
    if media in ("", JSON):
        return _decode_plain(_json(data, expected), expected)
    raise unsupported(content_type)


def from_dict(data: dict[str, Any], expected: type[T] | None = None) -> T:
    """Return the object in plain data; ApiError 400 if there is none.

    The data is used up. Unknown fields are dropped silently.
    """
    obj: T = _decode_plain(data, expected).obj  # type: ignore[arg-type]
    return obj


def unsupported(content_type: str) -> ApiError:
    return ApiError(
        415,
        "UnsupportedMediaType",
        f"the body of the request was in an unknown format ({content_type}) - "
        f"accepted media types include: {JSON}, {YAML}, {PROTOBUF}",
    )


def _json(data: bytes, expected: type[ApiStruct] | None) -> Any:
    try:
        return _parse_json(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise unrecognized(expected, f"json parse error: {error}") from error


def unrecognized(expected: type[ApiStruct] | None, reason: str) -> ApiError:
    must_be = f" (must be of type {expected.__name__})" if expected else ""
    return bad_request(
        f"the object provided is unrecognized{must_be}: couldn't get version/kind; {reason}"
    )


def bad_request(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)


def _decode_plain(data: Any, expected: type[ApiStruct] | None) -> Decoded:
    if not isinstance(data, dict):
        raise unrecognized(expected, "json parse error: the body is not an object")
    api_version, kind = data.pop("apiVersion", None) or "", data.pop("kind", None) or ""
    return convert(data, resolve(api_version, kind, expected))


def resolve(api_version: Any, kind: Any, expected: type[ApiStruct] | None) -> type[ApiStruct]:
    """Return the type that a body is of; ApiError 400 if it is none or the wrong one."""
    if expected is not None and (not kind or not issubclass(expected, Kinded)):
        return expected
    if not isinstance(api_version, str) or not isinstance(kind, str) or not kind:
        raise unrecognized(expected, "Object 'Kind' is missing")
    named = type_of(api_version, kind)
    wanted = expected.__name__ if expected else kind
    if named is None:
        raise bad_request(
            f'{kind} in version "{version_of(api_version)}" cannot be handled as a {wanted}: '
            f'no kind "{kind}" is registered for version "{api_version}" in scheme "netemu"'
        )
    if expected is not None and named is not expected:
        raise bad_request(_mismatch(named, api_version, expected))
    return named


def _mismatch(named: type[Kinded], api_version: str, expected: type[ApiStruct]) -> str:
    wanted = getattr(expected, "API_VERSION", api_version)
    if expected.__name__ == named.KIND and api_version != wanted:
        return (
            f"the API version in the data ({api_version}) does not match "
            f"the expected API version ({wanted})"
        )
    return (
        f'{named.KIND} in version "{version_of(api_version)}" cannot be handled as a '
        f"{expected.__name__}: it is a {named.KIND}"
    )


def version_of(api_version: str) -> str:
    return api_version.rpartition("/")[2]


def convert(data: dict[str, Any], kind: type[ApiStruct]) -> Decoded:
    """Make an object of plain data without apiVersion and kind; the data is used up."""
    unknown: list[str] = []
    try:
        walker_of(kind)(data, unknown)
        return Decoded(msgspec.convert(data, kind), unknown)
    except WrongValueError as error:
        raise _cannot_handle(kind, error.path, str(error)) from None
    except msgspec.ValidationError as error:
        path, reason = locate_type_error(data, kind) or ("", str(error))
        raise _cannot_handle(kind, path, reason) from None


def _cannot_handle(kind: type[ApiStruct], path: str, reason: str) -> ApiError:
    version = version_of(getattr(kind, "API_VERSION", "v1"))
    where = f"{path}: " if path else ""
    name = kind.__name__
    return bad_request(
        f'{name} in version "{version}" cannot be handled as a {name}: {where}{reason}'
    )


def locate_type_error(data: Any, hint: Any) -> tuple[str, str] | None:
    """Return where plain data does not fit a type, and why: msgspec leaves indexes out."""
    try:
        msgspec.convert(data, hint)
    except msgspec.ValidationError as error:
        for name, value, inner in _parts(data, hint):
            found = locate_type_error(value, inner)
            if found:
                return join_path(name, found[0]), found[1]
        reason = str(error).partition(" - at ")[0].replace("`", "").replace(" | null", "")
        return "", reason[:1].lower() + reason[1:]
    return None


def _parts(data: Any, hint: Any) -> Iterable[tuple[str, Any, Any]]:
    members: tuple[Any, ...] = getattr(hint, "__args__", ())
    if isinstance(hint, type) and issubclass(hint, ApiStruct) and isinstance(data, dict):
        for info in fields_of(hint):
            if info.wire_name in data:
                yield info.wire_name, data[info.wire_name], info.type
    elif isinstance(data, list) and getattr(hint, "__origin__", None) is list:
        yield from ((f"[{index}]", value, members[0]) for index, value in enumerate(data))
    elif isinstance(data, dict) and getattr(hint, "__origin__", None) is dict:
        yield from ((name, value, members[1]) for name, value in data.items())
    elif members:
        for member in members:
            if member is not type(None):
                yield from _parts(data, member)
