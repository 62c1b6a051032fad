"""Every field of a Pod's spec and what becomes of it: the page `docs/podspec.md`.

The types of the model are walked from `PodSpec` down; each field is looked up among what has
no effect (`not_honoured`) and what is said of the others (`honoured_fields`). A field that is
in neither, or in both, is an error, so the page cannot be wrong by being forgotten.
"""

from __future__ import annotations

import typing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from netemu.core.kubelet import not_honoured as gaps
from netemu.core.kubelet.honoured_fields import FIELDS, Fields
from netemu.model.core_v1 import Container, EphemeralContainer, PodSpec, Volume
from netemu.model.schema import fields_of
from netemu.model.wire import ApiStruct

Kind = type[ApiStruct]


class Verdict(StrEnum):
    """What becomes of a field; the words of the page."""

    DONE = "yes"
    BUT = "yes, but"
    NOTHING = "no"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Row:
    """One field."""

    name: str
    verdict: Verdict
    note: str = ""


class UnknownFieldError(Exception):
    """A field of the model of which nothing, or two things, are said."""


def types() -> list[Kind]:
    """Return PodSpec and every type below it of which something is done, in reading order."""
    found: list[Kind] = []

    def visit(kind: Kind) -> None:
        if kind in found:
            return
        found.append(kind)
        rows = {row.name: row for row in rows_of(kind)}
        for one in fields_of(kind):
            if rows[one.wire_name].verdict in (Verdict.DONE, Verdict.BUT):
                for below in _structs(one.type):
                    visit(below)

    visit(PodSpec)
    return found


def rows_of(kind: Kind) -> list[Row]:
    """Return what becomes of each field of a type; raises UnknownFieldError."""
    said = _said(FIELDS.get(kind, Fields()))
    # A debugging container is a container with more that is refused.
    base = Container if kind is EphemeralContainer else kind
    rows = []
    for one in fields_of(kind):
        name = one.wire_name
        found = [said[name]] if name in said else []
        found += [] if found and kind is EphemeralContainer else _gap_rows().get((base, name), [])
        if len(found) != 1:
            what = "nothing" if not found else "more than one thing"
            raise UnknownFieldError(f"{what} is said of {kind.__name__}.{name}")
        rows += found
    if extra := said.keys() - {one.wire_name for one in fields_of(kind)}:
        raise UnknownFieldError(f"{kind.__name__} has no {', '.join(sorted(extra))}")
    return rows


def _said(fields: Fields) -> dict[str, Row]:
    rows = {name: Row(name, Verdict.DONE) for name in fields.done.split()}
    for verdict, notes in (
        (Verdict.BUT, fields.but),
        (Verdict.NOTHING, fields.nothing),
        (Verdict.REFUSED, fields.refused),
    ):
        rows |= {name: Row(name, verdict, note) for name, note in notes.items()}
    return rows


@cache
def _gap_rows() -> dict[tuple[Kind, str], list[Row]]:
    """Return what `not_honoured` says, by type and field."""
    found: dict[tuple[Kind, str], list[Row]] = {}
    tables: Sequence[tuple[Kind, Sequence[gaps.Gap[typing.Never]]]] = (
        (PodSpec, (*gaps.POD_GAPS, *gaps.POD_CONTEXT_GAPS)),
        (Container, (*gaps.CONTAINER_GAPS, *gaps.CONTAINER_CONTEXT_GAPS)),
        (Volume, gaps.VOLUME_GAPS),
    )
    for root, table in tables:
        for gap in table:
            kind, name = _owner(root, gap.field)
            verdict = Verdict.BUT if gap.partly else Verdict.NOTHING
            row = Row(name, verdict, f"{gap.partly}: {gap.instead}" if gap.partly else gap.instead)
            if row not in (rows := found.setdefault((kind, name), [])):
                rows.append(row)
    return found


def _owner(root: Kind, path: str) -> tuple[Kind, str]:
    """Return the type that has the last field of a path from `root`."""
    *way, name = path.split(".")
    kind = root
    for step in way:
        (one,) = (one for one in fields_of(kind) if one.wire_name == step)
        (kind,) = _structs(one.type)
    return kind, name


def _structs(kind: object) -> Iterator[Kind]:
    for part in typing.get_args(kind):
        yield from _structs(part)
    if isinstance(kind, type) and issubclass(kind, ApiStruct):
        yield kind


_HEAD = """\
# What is honoured of a Pod's spec

Every field, and whether netemu does what Kubernetes says. This page is made from the code
(`netemu/core/kubelet/honoured.py`); a test keeps it true. All fields are stored and returned,
and checked as Kubernetes checks them.

- **yes**: it does what Kubernetes says.
- **yes, but**: it does, with the difference that is named.
- **no**: nothing comes of it, nor of anything below it. If that could matter, the Pod gets an
  event `NotHonoured` that says so.
- **refused**: the API server does not take it there.
"""


def render() -> str:
    """Return the page."""
    return _HEAD + "".join(_section(kind) for kind in types())


def _section(kind: Kind) -> str:
    rows = rows_of(kind)
    plain = [f"`{row.name}`" for row in rows if row.verdict is Verdict.DONE]
    others = [row for row in rows if row.verdict is not Verdict.DONE]
    text = f"\n## {kind.__name__}\n"
    if plain:
        text += f"\n**yes**: {', '.join(plain)}\n"
    if others:
        text += "\n| Field | Honoured | |\n| --- | --- | --- |\n"
        text += "".join(f"| `{row.name}` | {row.verdict} | {row.note} |\n" for row in others)
    return text
