"""YAML documents that know their lines.

Kubernetes' dialect of YAML, as far as manifests notice: `yes` is true and `0644` is
octal, but `12:30` and `2020-01-01` are text, and every key is text.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeVar

import yaml

from netemu.errors import UserError
from netemu.model.convert import MisfitError, convert
from netemu.model.schema import ApiStruct, fields_of, struct_in
from netemu.model.walk import join_path

S = TypeVar("S", bound=ApiStruct)

_MOST_NODES = 200_000
"""Aliases of aliases can make a few lines as large as the universe."""
_DEEPEST = 200
"""The fast loader goes down on the stack of C, whose end is the end of the process."""


@dataclass(slots=True)
class Located:
    """Something that was read from a file, and where it stands."""

    obj: Any
    """An object, or plain data."""
    file: str = ""
    line: int = 0
    node: yaml.Node | None = field(default=None, repr=False, compare=False)

    def line_of(self, path: str) -> int:
        """Return the line of a field (`spec.ports[0].name`), or of the nearest that exists."""
        return _find(self.node, path)[1] or self.line

    def at(self, path: str) -> Located:
        """Return a part of plain data; what is not there is None."""
        node, line = _find(self.node, path, exact=True)
        data = _value_at(self.obj, path)
        return Located(data, self.file, line or self.line_of(path), node)

    def error(self, message: str, path: str = "") -> UserError:
        """Return an error about this, or about the field at `path`, with file and line."""
        return UserError(message, file=self.file, line=self.line_of(path))

    def into(self, kind: type[S]) -> S:
        """Return plain data as an object; UserError with file and line if it does not fit."""
        if not isinstance(self.obj, dict):
            raise self.error(f"expected the fields of a {kind.__name__}, got {self.obj!r}")
        try:
            obj, unknown = convert(self.obj, kind)
        except MisfitError as error:
            if not (error.unknown and "missing" in error.reason):
                raise self.error(misfit(error), error.path) from None
            unknown = error.unknown
        if unknown:
            raise self.error(unknown_field(kind, unknown[0]), unknown[0])
        return obj


_PLAIN_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "fields",
    "null": "nothing",
}


def misfit(error: MisfitError) -> str:
    """Return the sentence about a value that does not fit, in words of YAML."""
    where = f"{error.path}: " if error.path else ""
    if found := re.fullmatch(r"object missing required field (\w+)", error.reason):
        return f"{join_path(error.path, found[1])} is missing"
    if isinstance(error.hint, type) and issubclass(error.hint, Enum):
        choices = ", ".join(str(member.value) for member in error.hint)
        return f'{where}no such choice "{error.value}"; there are: {choices}'
    if found := re.fullmatch(r"expected ([\w| ]+), got (\w+)", error.reason):
        wanted = " or ".join(_PLAIN_WORDS.get(word, word) for word in found[1].split(" | "))
        got = _PLAIN_WORDS.get(found[2], found[2])
        if isinstance(error.value, str):
            got = f'"{error.value}"'
        elif wanted == "text" and isinstance(error.value, int | float):
            got = f'{got}; text that looks like one needs quotes: "{error.value}"'
        return f"{where}expected {wanted}, got {got}"
    return f"{where}{error.reason}"


def unknown_field(kind: type[ApiStruct], path: str) -> str:
    """Return the sentence about a field that does not exist, with the nearest that does."""
    parent, _, name = path.rpartition(".")
    inner: type[ApiStruct] | None = kind
    for step in re.findall(r"[^.\[\]]+", re.sub(r"\[\d+\]", "", parent)):
        found = (info.type for info in fields_of(inner) if info.wire_name == step) if inner else ()
        inner = next((struct_in(hint) for hint in found), None)
    names = [info.wire_name for info in fields_of(inner)] if inner else []
    return f'unknown field "{path}"' + did_you_mean(name, names)


def did_you_mean(word: str, words: list[str]) -> str:
    spelled = {each.lower(): each for each in words}
    near = difflib.get_close_matches(word.lower(), spelled, n=1, cutoff=0.6)
    return f' (did you mean "{spelled[near[0]]}"?)' if near else ""


# --- reading ---------------------------------------------------------------------------


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """The fast loader, with Kubernetes' idea of what is a number."""

    yaml_implicit_resolvers = {
        first: [
            (tag, form)
            for tag, form in resolvers
            if tag.rpartition(":")[2] not in ("timestamp", "int", "float")
        ]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    _depth = 0

    def descend_resolver(self, current_node: yaml.Node | None, current_index: Any) -> None:
        """Called at the beginning of each node: the only place to see how deep it lies."""
        self._depth += 1
        if self._depth > _DEEPEST:
            raise yaml.MarkedYAMLError(
                problem=f"more than {_DEEPEST} levels deep",
                problem_mark=current_node.start_mark if current_node else None,
            )

    def ascend_resolver(self) -> None:
        self._depth -= 1


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int",
    re.compile(r"[-+]?(?:0b[01_]+|0[0-7_]*|[1-9][0-9_]*|0x[0-9a-fA-F_]+)$"),
    list("-+0123456789"),
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(?:\d[\d_]*\.[\d_]*|\.\d[\d_]*)(?:[eE][-+]\d+)?$"),
    list("-+0123456789."),
)


def read_documents(text: str | bytes, file: str = "") -> list[Located]:
    """Return the documents of a YAML or JSON text as plain data; empty ones are left out.

    UserError if it is not YAML, or if a key is there twice.
    """
    read = []
    for node in compose(text, file):
        document = Located(None, file, node.start_mark.line + 1, node)
        for path in duplicates_in(node):
            raise document.error(f'duplicate field "{path}"', path)
        document.obj = plain(node, file)
        if document.obj is not None:
            read.append(document)
    return read


def compose(text: str | bytes, file: str = "") -> list[yaml.Node]:
    """Return the nodes of the documents of a text; UserError if it is not YAML."""
    try:
        return list(yaml.compose_all(text, Loader=_Loader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 0
        reason = error.problem or error.context
        raise UserError(f"not YAML: {reason}", file=file, line=line) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"not YAML: {error}", file=file) from None


def plain(node: yaml.Node, file: str = "") -> Any:
    """Return a node as plain data."""
    loader = _Loader("")
    left = _MOST_NODES

    def build(node: yaml.Node) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise UserError("aliases make this document too large", file=file)
        if isinstance(node, yaml.MappingNode):
            loader.flatten_mapping(node)
            return {str(key.value): build(value) for key, value in node.value}
        if isinstance(node, yaml.SequenceNode):
            return [build(item) for item in node.value]
        if node.tag == "tag:yaml.org,2002:str":
            return node.value
        return loader.construct_object(node)

    try:
        return build(node)
    except (yaml.MarkedYAMLError, ValueError) as error:
        reason = getattr(error, "problem", None) or error
        raise UserError(f"not YAML: {reason}", file=file, line=node.start_mark.line + 1) from None
    except RecursionError:
        raise UserError("an alias contains itself", file=file) from None
    finally:
        loader.dispose()


def duplicates_in(node: yaml.Node, seen: set[int] | None = None) -> Iterator[str]:
    """Yield the paths of keys that a mapping has twice; what aliases repeat, once."""
    seen = set() if seen is None else seen
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        keys: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            if name in keys and name != "<<":
                yield name
            keys.add(name)
            yield from (join_path(name, path) for path in duplicates_in(value, seen))
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from (join_path(f"[{index}]", path) for path in duplicates_in(item, seen))


# --- paths -----------------------------------------------------------------------------


def _find(
    node: yaml.Node | None, path: str, *, exact: bool = False
) -> tuple[yaml.Node | None, int]:
    """Return the node at a path and its line; if not `exact`, of the nearest that exists."""
    line = 0
    while node is not None and path:
        found = next(
            (
                (key, value, rest)
                for name, key, value in _children(node)
                if (rest := _after(path, name)) is not None
            ),
            None,
        )
        if found is None:
            return (None, 0) if exact else (node, line)
        key, node, path = found
        line = key.start_mark.line + 1
    return node, line


def _children(node: yaml.Node) -> list[tuple[str, yaml.Node, yaml.Node]]:
    """Return name, key node and value node of the parts of a node, longest names first."""
    if isinstance(node, yaml.MappingNode):
        parts = [(str(key.value), key, value) for key, value in node.value]
        return sorted(parts, key=lambda part: len(part[0]), reverse=True)
    if isinstance(node, yaml.SequenceNode):
        return [(f"[{index}]", item, item) for index, item in enumerate(node.value)]
    return []


def _after(path: str, name: str) -> str | None:
    """Return what is left of a path behind its first part, or None if that is not `name`."""
    if not path.startswith(name):
        return None
    rest = path[len(name) :]
    if rest.startswith("."):
        return rest[1:]
    return rest if not rest or rest.startswith("[") else None


def _value_at(data: Any, path: str) -> Any:
    while path:
        parts = (
            data.items()
            if isinstance(data, dict)
            else ((f"[{index}]", item) for index, item in enumerate(data))
            if isinstance(data, list)
            else ()
        )
        matches = [
            (len(name), value, rest)
            for name, value in parts
            if (rest := _after(path, name)) is not None
        ]
        if not matches:
            return None
        _, data, path = max(matches, key=lambda match: match[0])
    return data
