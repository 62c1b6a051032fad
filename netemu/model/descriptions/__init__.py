"""What types and fields mean, in a sentence each: what `kubectl explain` shows.

The sentences stand in tables, apart from the types, which are read far more often than
they are explained; nothing of this is imported before the first client asks. A table
has a line a type, below it indented ones for its fields, and deeper ones that go on:

    ServicePort: One port of a Service.
        port: The port on which the Service is reached.
        targetPort: The port of the pods, as a number or as the name of a container's port;
            the same as `port` if it is left out.

Fields below `*` are those that every kind has. Types of the same name share their lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

_OF_ALL = "*"
_TYPE_INDENT, _FIELD_INDENT = 0, 4


def of_type(kind: type) -> str:
    """Return what a type is; nothing if no table knows it."""
    return _lines().get((kind.__name__, ""), "")


def of_field(kind: type, wire_name: str) -> str:
    """Return what a field means, of the type itself or of one that it embeds."""
    for name in (*(base.__name__ for base in kind.__mro__), _OF_ALL):
        if found := _lines().get((name, wire_name)):
            return found
    return ""


@cache
def _lines() -> dict[tuple[str, str], str]:
    """Return all sentences, by type and field; the type's own has no field."""
    return {key: said for text in tables() for key, said in entries(text)}


def tables() -> tuple[str, ...]:
    """Return the tables, which are imported now and not before."""
    from netemu.model.descriptions import (
        cluster,
        metadata,
        networking,
        pods,
        volumes,
        workloads,
    )

    modules = (metadata, cluster, pods, volumes, networking, workloads)
    return tuple(module.TEXT for module in modules)


def entries(text: str) -> Iterator[tuple[tuple[str, str], str]]:
    """Yield a table's sentences; ValueError where its form is wrong."""
    kind = field = ""
    said: list[str] = []
    for line in text.strip("\n").splitlines():
        words = line.strip()
        indent = len(line) - len(line.lstrip())
        if indent > _FIELD_INDENT:
            said.append(words)
            continue
        if said:
            yield (kind, field), " ".join(said)
        name, colon, rest = words.partition(": ")
        if not colon:
            raise ValueError(f"{line!r} has no name and sentence")
        kind, field = (name, "") if indent == _TYPE_INDENT else (kind, name)
        said = [rest]
    if said:
        yield (kind, field), " ".join(said)
