"""JSON Patch (RFC 6902), as the API server applies it.

Whatever goes wrong with an operation, Kubernetes says the same sentence; only a
patch that is not a list of operations is a bad request.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from netemu.errors import ApiError

_REFUSED = "the server rejected our request due to an error in our request"
_OPERATIONS = frozenset(("add", "remove", "replace", "move", "copy", "test"))
_MISSING = object()


def apply_json_patch(document: Any, patch: Any) -> Any:
    """Return `document` with the operations applied; the argument stays as it was."""
    if not isinstance(patch, list):
        raise ApiError(400, "BadRequest", "a JSON patch must be an array of operations")
    document = deepcopy(document)
    for operation in patch:
        document = _apply_one(document, operation)
    return document


def _refused() -> ApiError:
    return ApiError(422, "Invalid", _REFUSED)


def _apply_one(document: Any, operation: Any) -> Any:
    if not isinstance(operation, dict) or operation.get("op") not in _OPERATIONS:
        raise _refused()
    path = _parts(operation.get("path"))
    match operation["op"]:
        case "add":
            return _add(document, path, _value(operation))
        case "remove":
            return _remove(document, path)
        case "replace":
            return _replace(document, path, _value(operation))
        case "test":
            # An absent member equals null here, as in the library that Kubernetes uses.
            found = _find(document, path)
            if not _equal(None if found is _MISSING else found, operation.get("value")):
                raise _refused()
            return document
    source = _parts(operation.get("from"))
    moved = _find(document, source)
    if moved is _MISSING:
        raise _refused()
    if operation["op"] == "move":
        if path[: len(source)] == source and len(path) > len(source):
            raise _refused()  # A value cannot be moved into itself.
        document = _remove(document, source)
    return _add(document, path, deepcopy(moved))


def _parts(pointer: Any) -> list[str]:
    """Split a JSON pointer (RFC 6901)."""
    if not isinstance(pointer, str) or (pointer and not pointer.startswith("/")):
        raise _refused()
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def _value(operation: dict[str, Any]) -> Any:
    if "value" not in operation:
        raise _refused()
    return deepcopy(operation["value"])


def _equal(left: Any, right: Any) -> bool:
    """JSON's equality: unlike Python's, `1` is not `true`."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_equal(left[k], right[k]) for k in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_equal, left, right))
    return bool(left == right)


def _index(part: str, length: int) -> int:
    if not part.isascii() or not part.isdigit() or (part[0] == "0" and part != "0"):
        raise _refused()
    if int(part) >= length:
        raise _refused()
    return int(part)


def _find(document: Any, path: list[str]) -> Any:
    for part in path:
        if isinstance(document, dict) and part in document:
            document = document[part]
        elif isinstance(document, list) and part.isdigit() and int(part) < len(document):
            document = document[_index(part, len(document))]
        else:
            return _MISSING
    return document


def _parent(document: Any, path: list[str]) -> Any:
    parent = _find(document, path[:-1])
    if not isinstance(parent, (dict, list)):
        raise _refused()
    return parent


def _add(document: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    parent, last = _parent(document, path), path[-1]
    if isinstance(parent, dict):
        parent[last] = value
    elif last == "-":
        parent.append(value)
    else:
        parent.insert(_index(last, len(parent) + 1), value)
    return document


def _remove(document: Any, path: list[str]) -> Any:
    if not path:
        raise _refused()
    parent, last = _parent(document, path), path[-1]
    if isinstance(parent, list):
        del parent[_index(last, len(parent))]
    elif last in parent:
        del parent[last]
    else:
        raise _refused()
    return document


def _replace(document: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    parent, last = _parent(document, path), path[-1]
    if isinstance(parent, list):
        parent[_index(last, len(parent))] = value
    elif last in parent:
        parent[last] = value
    else:
        raise _refused()
    return document
