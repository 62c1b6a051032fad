"""The reference of scenario steps, made from the steps' own structs and docstrings.

A field's meaning is the text below it in the code; Python keeps none of these, so the
source is read.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import textwrap
from enum import Enum
from functools import cache
from pathlib import Path
from types import ModuleType, UnionType
from typing import Any, get_args, get_origin

import msgspec

from netemu import plugins
from netemu.lab import steps
from netemu.lab.contract import Step
from netemu.lab.scenario import load_scenario
from netemu.model.schema import ApiStruct, fields_of, struct_in

_WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false"}


def reference() -> str:
    """Return a section for each step, with a row for each of its fields."""
    return "\n".join(_section(name) for name in plugins.names(steps))


def shipped(folder: Path) -> str:
    """Return the table of the scenarios in a folder, and what each is about."""
    lines = ["| Scenario | Shows |", "| --- | --- |"]
    for path in sorted(folder.glob("*.yaml")):
        loaded = load_scenario(str(path))
        lines.append(f"| [`{loaded.name}`](../scenarios/{path.name}) | {loaded.description} |")
    return "\n".join(lines) + "\n"


def rows() -> str:
    """Return the table of steps: what each does, and its short form."""
    lines = ["| Step | Does | Short form |", "| --- | --- | --- |"]
    for name in plugins.names(steps):
        kind: type[Step] = plugins.load_one(steps, name, "STEP")
        short = f"`{name}: {kind.SHORTHAND.upper()}`" if kind.SHORTHAND else ""
        lines.append(f"| `{name}` | {_purpose(_module(name))} | {short} |")
    return "\n".join(lines) + "\n"


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"{steps.__name__}.{name.replace('-', '_')}")


def _purpose(module: ModuleType) -> str:
    """Return what the module's first line says after the step's name."""
    first = (module.__doc__ or "").partition("\n")[0]
    return first.partition(": ")[2].rstrip(".")


def _section(name: str) -> str:
    module = _module(name)
    kind: type[Step] = plugins.load_one(steps, name, "STEP")
    purpose = _purpose(module)
    parts = [f"### `{name}`\n\n{purpose[0].upper()}{purpose[1:]}.\n"]
    if "__doc__" in vars(kind) and kind.__doc__ and _is_ours(kind):
        parts.append(_flowing(kind.__doc__) + "\n")
    if kind.SHORTHAND:
        parts.append(f"Short form: `{name}: {kind.SHORTHAND.upper()}`.\n")
    parts.append(_table(kind))
    for field in fields_of(kind):
        inner = struct_in(field.type)
        if inner is not None:
            parts.append(f"`{field.wire_name}`: {_flowing(inner.__doc__ or '')}\n")
            parts.append(_table(inner))
    return "\n".join(parts)


def _is_ours(kind: type[Step]) -> bool:
    """Whether the class says something itself; a struct inherits its base's docstring."""
    return _source(kind).docstring != ""


def _table(kind: type[ApiStruct]) -> str:
    meanings = _source(kind).meanings
    lines = ["| Field | Is | Default | |", "| --- | --- | --- | --- |"]
    for field in fields_of(kind):
        default = _default(kind, field.attribute)
        meaning = meanings[field.attribute]
        lines.append(f"| `{field.wire_name}` | {_words(field.type)} | {default} | {meaning} |")
    return "\n".join(lines) + "\n"


class _Source:
    """What only the source of a class knows."""

    def __init__(self, kind: type) -> None:
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
        assert isinstance(tree, ast.ClassDef)
        self.docstring = ast.get_docstring(tree) or ""
        self.meanings: dict[str, str] = {}
        for line, below in zip(tree.body, tree.body[1:], strict=False):
            if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
                self.meanings[line.target.id] = _text_of(below)


@cache
def _source(kind: type) -> _Source:
    return _Source(kind)


def _text_of(node: ast.stmt) -> str:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return _flowing(str(node.value.value)).replace("|", "\\|")
    return ""


def _flowing(text: str) -> str:
    return " ".join(text.split())


def _words(hint: Any) -> str:
    """Return a type in words of YAML."""
    if get_origin(hint) is UnionType:
        return " or ".join(_words(each) for each in get_args(hint) if each is not type(None))
    if get_origin(hint) is list:
        return f"list of {_words(get_args(hint)[0])}"
    if isinstance(hint, type) and issubclass(hint, Enum):
        return "one of these"
    return _WORDS.get(hint, "fields")


def _default(kind: type[ApiStruct], attribute: str) -> str:
    field = next(f for f in msgspec.structs.fields(kind) if f.name == attribute)
    if field.required:
        return "must be given"
    value = field.default
    if value is msgspec.NODEFAULT or value is None or value == "":
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"
