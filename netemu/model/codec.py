"""Between objects and bytes.

In: bytes become plain data (JSON, YAML) or an object at once (protobuf); a walker drops
nulls, notes unknown fields and makes quantities and times canonical; msgspec makes the
object. Out: msgspec writes JSON, and what says the kind is put in front.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from netemu.errors import ApiError, UserError
from netemu.model.convert import MisfitError, convert
from netemu.model.kinds import Resource, type_of
from netemu.model.meta_v1 import ListMeta
from netemu.model.schema import ApiStruct, Kinded
from netemu.model.walk import join_path

if TYPE_CHECKING:  # YAML is slow to import, and most processes never read any.
    from netemu.model.documents import Located

S = TypeVar("S", bound=ApiStruct)
T = TypeVar("T")

JSON = "application/json"
YAML = "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"
_YAML_NAMES = (YAML, "application/x-yaml", "text/yaml")

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
def _decoder(kind: Any) -> Callable[[bytes], Any]:
    return msgspec.json.Decoder(kind).decode


@cache
def _list_decoder(kind: Any) -> Callable[[bytes], Any]:
    return msgspec.json.Decoder(ObjectList[kind]).decode


def decode_stored(data: bytes, kind: type[S]) -> S:
    """Return an object of a known kind from JSON that `encode` made: no questions asked."""
    obj: S = _decoder(kind)(data)
    return obj


def decode_list(data: bytes, kind: type[S]) -> ObjectList[S]:
    """Return the objects of a list from our own API server."""
    decoded: ObjectList[S] = _list_decoder(kind)(data)
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
        decoded = _decode_plain(_json(data, expected), expected)
        decoded.duplicates = _json_duplicates(data, expected) if strict else []
        return decoded
    if media in _YAML_NAMES:
        return _decode_yaml(data, expected)
    if media == PROTOBUF:
        return _decode_protobuf(data, expected)
    raise unsupported(content_type)


def from_dict(data: dict[str, Any], expected: type[S] | None = None) -> S:
    """Return the object in plain data; ApiError 400 if there is none.

    The data is used up. Unknown fields are dropped silently.
    """
    obj: S = _decode_plain(data, expected).obj
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
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _unrecognized(expected, f"json parse error: {error}") from None


def _json_duplicates(data: bytes, expected: type[ApiStruct] | None) -> list[str]:
    """Return the paths of keys that an object has twice."""
    twice: dict[int, list[str]] = {}

    def note(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice[id(found)] = [name for name in found if names.count(name) > 1]
        return found

    try:
        root = json.loads(data, object_pairs_hook=note)
        return list(_paths_of(root, twice)) if twice else []
    except RecursionError as error:
        raise _unrecognized(expected, f"json parse error: {error}") from None


def _paths_of(data: Any, marked: dict[int, list[str]]) -> Iterator[str]:
    if isinstance(data, dict):
        yield from marked.get(id(data), ())
        for name, value in data.items():
            yield from (join_path(name, path) for path in _paths_of(value, marked))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from (join_path(f"[{index}]", path) for path in _paths_of(value, marked))


def parse_yaml(data: bytes) -> Any:
    """Return the plain data of a YAML body; ApiError 400."""
    from netemu.model import documents

    try:
        nodes = documents.compose(data)
        return documents.plain(nodes[0]) if nodes else None
    except UserError as error:
        raise _bad_request(f"yaml parse error: {error}") from None


def _decode_yaml(data: bytes, expected: type[ApiStruct] | None) -> Decoded:
    from netemu.model import documents

    try:
        nodes = documents.compose(data)
        plain = documents.plain(nodes[0]) if nodes else None
    except UserError as error:
        raise _unrecognized(expected, f"yaml parse error: {error}") from None
    decoded = _decode_plain(plain, expected)
    decoded.duplicates = list(documents.duplicates_in(nodes[0]))
    return decoded


def _decode_protobuf(data: bytes, expected: type[ApiStruct] | None) -> Decoded:
    from netemu.model import protobuf
    from netemu.model.protobuf_records import MalformedError

    try:
        api_version, kind, message = protobuf.open_envelope(data)
        named = _resolve(api_version, kind, expected)
        return _decode_as(protobuf.decode_message(message, named), named)
    except MalformedError as error:
        raise _unrecognized(expected, f"protobuf parse error: {error}") from None


def _unrecognized(expected: type[ApiStruct] | None, reason: str) -> ApiError:
    must_be = f" (must be of type {expected.__name__})" if expected else ""
    return _bad_request(
        f"the object provided is unrecognized{must_be}: couldn't get version/kind; {reason}"
    )


def _bad_request(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)


def _decode_plain(data: Any, expected: type[ApiStruct] | None) -> Decoded:
    if not isinstance(data, dict):
        raise _unrecognized(expected, "json parse error: the body is not an object")
    api_version, kind = data.get("apiVersion") or "", data.get("kind") or ""
    named = _resolve(api_version, kind, expected)
    if issubclass(named, Kinded):
        data.pop("apiVersion", None)
        data.pop("kind", None)
    return _decode_as(data, named)


def _decode_as(data: dict[str, Any], kind: type[ApiStruct]) -> Decoded:
    try:
        return Decoded(*convert(data, kind))
    except MisfitError as error:
        version = _version(getattr(kind, "API_VERSION", "v1"))
        name = kind.__name__
        raise _bad_request(
            f'{name} in version "{version}" cannot be handled as a {name}: {error}'
        ) from None


def _resolve(api_version: Any, kind: Any, expected: type[ApiStruct] | None) -> type[ApiStruct]:
    """Return the type that a body is of; ApiError 400 if it is none or the wrong one."""
    if expected is not None and (not kind or not issubclass(expected, Kinded)):
        return expected
    if not isinstance(api_version, str) or not isinstance(kind, str) or not kind:
        raise _unrecognized(expected, "Object 'Kind' is missing")
    named = type_of(api_version, kind)
    wanted = expected.__name__ if expected else kind
    if named is None:
        raise _bad_request(
            f'{kind} in version "{_version(api_version)}" cannot be handled as a {wanted}: '
            f'no kind "{kind}" is registered for version "{api_version}" in scheme "netemu"'
        )
    if expected is not None and named is not expected:
        raise _bad_request(_mismatch(named, api_version, expected))
    return named


def _mismatch(named: type[Kinded], api_version: str, expected: type[ApiStruct]) -> str:
    wanted = getattr(expected, "API_VERSION", api_version)
    if expected.__name__ == named.KIND and api_version != wanted:
        return (
            f"the API version in the data ({api_version}) does not match "
            f"the expected API version ({wanted})"
        )
    return (
        f'{named.KIND} in version "{_version(api_version)}" cannot be handled as a '
        f"{expected.__name__}: it is a {named.KIND}"
    )


def _version(api_version: str) -> str:
    return api_version.rpartition("/")[2]


def decode_manifest(
    text: str | bytes, file: str = "", *, also: Iterable[type[Kinded]] = ()
) -> list[Located]:
    """Return the objects of a YAML manifest: see `netemu.model.manifest`."""
    from netemu.model import manifest

    return manifest.decode_manifest(text, file, also=also)
