r"""Kubernetes' protobuf: what kubectl sends since 1.32 when it makes things itself.

A body is four bytes `k8s\0` and an Unknown, which says the kind and holds the object's
message. Messages are decoded to the plain data that JSON would have given, so that the
rest of the way is the same. Everything is driven by the numbers in the types. It is
proto2: scalars are written even when they are zero, absent means nil.
"""

from __future__ import annotations

import json
import types
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Union, get_args, get_origin

from netemu.model.clock import format_micro_time, format_time, parse_time
from netemu.model.protobuf_records import (
    BYTES,
    VARINT,
    MalformedError,
    read_varint,
    record,
    records,
    varint,
)
from netemu.model.wire import (
    JSON_ONLY,
    ApiStruct,
    Base64,
    FieldInfo,
    FieldsV1,
    IntOrString,
    Kinded,
    MicroTime,
    Quantity,
    Time,
    fields_of,
)

MAGIC = b"k8s\0"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Decode = Callable[[Any], Any]
"""From an int or bytes, as the wire type gives it, to plain data."""
Encode = Callable[[Any], tuple[int, bytes]]
"""From a value of a struct to its wire type and payload."""


# --- the envelope ------------------------------------------------------------------------


def open_envelope(body: bytes) -> tuple[str, str, bytes]:
    """Return apiVersion, kind and the object's message."""
    if not body.startswith(MAGIC):
        raise MalformedError("the body does not start with k8s\\0")
    unknown = _Unknown()
    for number, value in records(memoryview(body)[4:]):
        if number == 1:
            for part, text in records(_bytes(value)):
                unknown.type_meta[part] = _text(text)
        elif number == 2:
            unknown.raw = bytes(_bytes(value))
    return unknown.type_meta.get(1, ""), unknown.type_meta.get(2, ""), unknown.raw


class _Unknown:
    def __init__(self) -> None:
        self.type_meta: dict[int, str] = {}
        self.raw = b""


def encode(obj: Kinded) -> bytes:
    """Return the object in its envelope."""
    type_meta = record(1, _of_text(obj.API_VERSION)) + record(2, _of_text(obj.KIND))
    parts = (
        record(1, (BYTES, type_meta)),
        record(2, (BYTES, encode_message(obj))),
        record(3, _of_text("")),
        record(4, _of_text("")),
    )
    return MAGIC + b"".join(parts)


# --- messages to plain data ---------------------------------------------------------------


def decode_message(message: bytes | memoryview, kind: type[ApiStruct]) -> dict[str, Any]:
    """Return what JSON would have given for a message of a type."""
    data: dict[str, Any] = {}
    _decode_into(data, memoryview(message), _decoders(kind))
    return data


Decoders = dict[int, "tuple[str, str, Any]"]
"""By number: wire name, how it goes into the data, and what decodes it."""


def _decode_into(data: dict[str, Any], message: memoryview, decoders: Decoders) -> None:
    for number, value in records(message):
        if number not in decoders:
            continue
        name, how, decode = decoders[number]
        if how == "list":
            elements = data.setdefault(name, [])
            if decode is _integer and not isinstance(value, int):
                elements.extend(_packed(value))
            else:
                elements.append(decode(value))
        elif how == "map":
            key, item = _entry(_bytes(value), decode)
            data.setdefault(name, {})[key] = item
        elif how == "inline":
            _decode_into(data, _bytes(value), decode)
        else:
            data[name] = decode(value)


def _entry(message: memoryview, decode: Decode) -> tuple[str, Any]:
    key, item = "", None
    for number, value in records(message):
        if number == 1:
            key = _text(value)
        elif number == 2:
            item = decode(value)
    return key, decode(memoryview(b"")) if item is None else item


def _packed(value: memoryview) -> Iterator[int]:
    at = 0
    while at < len(value):
        number, at = read_varint(value, at)
        yield _signed(number)


@cache
def _decoders(kind: type[ApiStruct]) -> Decoders:
    inline: dict[int, Decoders] = {}
    decoders: Decoders = {}
    for info in fields_of(kind):
        if info.number == JSON_ONLY:
            continue
        how, hint = _shape(info.type)
        target = inline.setdefault(info.inline, {}) if info.inline else decoders
        target[info.number] = (info.wire_name, how, _decoder(hint))
    for number, embedded in inline.items():
        decoders[number] = ("", "inline", embedded)
    return decoders


def _shape(hint: Any) -> tuple[str, Any]:
    """Return how values of a type stand in a message, and the type of one of them."""
    hint = _without_none(hint)
    origin = get_origin(hint)
    if origin is list:
        return "list", get_args(hint)[0]
    if origin is dict:
        return "map", get_args(hint)[1]
    return "one", hint


def _without_none(hint: Any) -> Any:
    if get_origin(hint) in (Union, types.UnionType) and hint != IntOrString:
        members = [member for member in get_args(hint) if member is not type(None)]
        return members[0] if len(members) == 1 else IntOrString
    return hint


def _decoder(hint: Any) -> Decode:
    if hint in _SCALARS:
        return _SCALARS[hint][0]
    if get_origin(hint) is list:  # As the value of a map: a message {items = 1}.
        return _decode_items
    return lambda value: decode_message(_bytes(value), hint)


def _decode_items(value: Any) -> list[str]:
    return [_text(item) for number, item in records(_bytes(value)) if number == 1]


def _decode_time(format_it: Callable[[datetime], str]) -> Decode:
    def decode(value: Any) -> str | None:
        parts = dict(records(_bytes(value)))
        seconds, nanos = _integer(parts.get(1, 0)), _integer(parts.get(2, 0))
        if not seconds and not nanos:
            return None
        try:
            time = _EPOCH + timedelta(seconds=seconds, microseconds=nanos // 1000)
        except OverflowError:
            raise MalformedError("a time is out of range") from None
        return format_it(time)

    return decode


def _decode_int_or_string(value: Any) -> int | str:
    parts = dict(records(_bytes(value)))
    return _text(parts.get(3, b"")) if parts.get(1) else _integer(parts.get(2, 0))


def _decode_quantity(value: Any) -> str:
    return _text(dict(records(_bytes(value))).get(1, b""))


def _decode_fields(value: Any) -> Any:
    raw = bytes(_bytes(dict(records(_bytes(value))).get(1, b"")))
    try:
        return json.loads(raw or b"{}")
    except ValueError:
        raise MalformedError("a set of managed fields is not JSON") from None


def _integer(value: Any) -> int:
    if not isinstance(value, int):
        raise MalformedError("a number is not where one should be")
    return _signed(value)


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _text(value: Any) -> str:
    try:
        return bytes(_bytes(value)).decode()
    except UnicodeDecodeError:
        raise MalformedError("a text is not UTF-8") from None


def _bytes(value: Any) -> memoryview:
    if isinstance(value, int):
        raise MalformedError("a number is where none should be")
    return memoryview(value)


# --- objects to messages --------------------------------------------------------------------


def encode_message(obj: ApiStruct) -> bytes:
    fields: dict[int, list[bytes]] = {}
    embedded: dict[int, list[bytes]] = {}
    for info, how, encode_one in _encoders(type(obj)):
        value = getattr(obj, info.attribute)
        target = (
            embedded.setdefault(info.inline, [])
            if info.inline
            else fields.setdefault(info.number, [])
        )
        if value is not None:
            target.extend(_encode_field(info.number, how, encode_one, value))
    for number, parts in embedded.items():
        fields[number] = [record(number, (BYTES, b"".join(parts)))]
    return b"".join(part for number in sorted(fields) for part in fields[number])


def _encode_field(number: int, how: str, encode_one: Encode, value: Any) -> Iterator[bytes]:
    if how == "list":
        yield from (record(number, encode_one(item)) for item in value)
    elif how == "map":
        for key in sorted(value):
            entry = record(1, _of_text(key)) + record(2, encode_one(value[key]))
            yield record(number, (BYTES, entry))
    else:
        yield record(number, encode_one(value))


@cache
def _encoders(kind: type[ApiStruct]) -> list[tuple[FieldInfo, str, Encode]]:
    found = []
    for info in fields_of(kind):
        if info.number != JSON_ONLY:
            how, hint = _shape(info.type)
            found.append((info, how, _encoder(hint)))
    return sorted(found, key=lambda entry: entry[0].number)


def _encoder(hint: Any) -> Encode:
    if hint in _SCALARS:
        return _SCALARS[hint][1]
    if get_origin(hint) is list:
        return lambda value: (BYTES, b"".join(record(1, _of_text(item)) for item in value))
    return lambda value: (BYTES, encode_message(value))


def _of_integer(value: int) -> tuple[int, bytes]:
    return VARINT, varint(value)


def _of_text(value: str) -> tuple[int, bytes]:
    return BYTES, value.encode()


def _of_time(value: Time | MicroTime) -> tuple[int, bytes]:
    if not value:
        return BYTES, b""
    since = parse_time(value) - _EPOCH
    seconds, nanos = since.days * 86400 + since.seconds, since.microseconds * 1000
    return BYTES, record(1, _of_integer(seconds)) + record(2, _of_integer(nanos))


def _of_int_or_string(value: int | str) -> tuple[int, bytes]:
    text, number = (value, 0) if isinstance(value, str) else ("", value)
    parts = (_of_integer(isinstance(value, str)), _of_integer(number), _of_text(text))
    return BYTES, b"".join(record(index, part) for index, part in enumerate(parts, 1))


def _of_quantity(value: Quantity) -> tuple[int, bytes]:
    return BYTES, record(1, _of_text(value or "0"))


def _of_fields(value: FieldsV1) -> tuple[int, bytes]:
    return BYTES, record(1, _of_text(json.dumps(value, separators=(",", ":"))))


_SCALARS: dict[Any, tuple[Decode, Encode]] = {
    str: (_text, _of_text),
    int: (_integer, _of_integer),
    bool: (lambda value: bool(_integer(value)), _of_integer),
    Base64: (
        lambda value: b64encode(_bytes(value)).decode(),
        lambda value: (BYTES, b64decode(value)),
    ),
    Quantity: (_decode_quantity, _of_quantity),
    Time: (_decode_time(format_time), _of_time),
    MicroTime: (_decode_time(format_micro_time), _of_time),
    IntOrString: (_decode_int_or_string, _of_int_or_string),
    FieldsV1: (_decode_fields, _of_fields),
}
