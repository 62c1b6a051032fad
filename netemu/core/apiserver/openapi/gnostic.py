"""An OpenAPI v2 document as protobuf: the message `openapi.v2.Document` of gnostic.

Only what kubectl reads is written: definitions, and the PATCH operations with their
parameters. Field numbers are gnostic's (kube-api.md, 2.3); an extension's value is
YAML text, of which JSON is a part.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

Json = dict[str, Any]

_EXTENSION = "x-"


def encode_document(document: Json) -> bytes:
    """Return the document as protobuf."""
    info = document["info"]
    paths = (
        _message(2, _named(path, _path_item(item)))
        for path, item in document["paths"].items()
        if "patch" in item
    )
    schemas = (
        _message(1, _named(name, _schema(schema)))
        for name, schema in document["definitions"].items()
    )
    return b"".join(
        (
            _text(1, document["swagger"]),
            _message(2, _text(1, info["title"]) + _text(2, info["version"])),
            _message(8, b"".join(paths)),
            _message(9, b"".join(schemas)),
        )
    )


def _schema(schema: Json) -> bytes:
    parts: list[bytes] = []
    if "$ref" in schema:
        parts.append(_text(1, schema["$ref"]))
    if "format" in schema:
        parts.append(_text(2, schema["format"]))
    if schema.get("description"):
        parts.append(_text(4, schema["description"]))
    parts += [_text(19, name) for name in schema.get("required", ())]
    if "additionalProperties" in schema:
        parts.append(_message(21, _message(1, _schema(schema["additionalProperties"]))))
    if "type" in schema:
        parts.append(_message(22, _text(1, schema["type"])))
    if "items" in schema:
        parts.append(_message(23, _message(1, _schema(schema["items"]))))
    if "properties" in schema:
        properties = (
            _message(1, _named(name, _schema(below)))
            for name, below in schema["properties"].items()
        )
        parts.append(_message(25, b"".join(properties)))
    parts += _extensions(31, schema)
    return b"".join(parts)


def _path_item(item: Json) -> bytes:
    operation = item["patch"]
    parameters = (_message(8, _query_parameter(p)) for p in operation["parameters"])
    return _message(8, b"".join((*parameters, *_extensions(13, operation))))


def _query_parameter(parameter: Json) -> bytes:
    query = _text(2, "query") + _text(4, parameter["name"]) + _text(6, parameter["type"])
    # ParametersItem.parameter → Parameter.non_body_parameter → its query form.
    return _message(1, _message(2, _message(3, query)))


def _extensions(number: int, holder: Json) -> Iterable[bytes]:
    for name, value in holder.items():
        if name.startswith(_EXTENSION):
            yaml = value if isinstance(value, str) else json.dumps(value)
            yield _message(number, _named(name, _text(2, yaml + "\n")))


def _named(name: str, value: bytes) -> bytes:
    return _text(1, name) + _message(2, value)


def _text(number: int, text: str) -> bytes:
    return _message(number, text.encode())


def _message(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
