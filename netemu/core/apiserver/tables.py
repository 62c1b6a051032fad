"""What `kubectl get` prints: the server makes the rows, the client only aligns them.

One file in `layouts/` knows one resource's columns; a resource without one shows its
name and age. Cells are taken from the structs directly: a watch makes a Table a event.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import cache
from typing import Any

from msgspec import Raw

from netemu import plugins
from netemu.core.apiserver import layouts
from netemu.core.apiserver.layouts._columns import Layout, name_and_age
from netemu.model import codec
from netemu.model.kinds import Resource
from netemu.model.schema import ApiObject


def to_table(
    resource: Resource,
    objects: Iterable[ApiObject],
    *,
    now: datetime,
    include_object: str = "Metadata",
    version: str = "v1",
    metadata: dict[str, Any] | None = None,
    with_columns: bool = True,
) -> dict[str, Any]:
    """Return the Table of `objects`, ready to be encoded; its rows hold structs.

    `include_object` is None, Object or Metadata. A watch sends the columns with its
    first event only: `with_columns`.
    """
    layout = layout_of(resource.plural)
    return {
        "kind": "Table",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": metadata or {},
        "columnDefinitions": _definitions(resource.plural) if with_columns else None,
        "rows": [_row(layout, obj, now, include_object, version) for obj in objects],
    }


@cache
def layout_of(plural: str) -> Layout:
    if plural in plugins.names(layouts):
        layout: Layout = plugins.load_one(layouts, plural, "LAYOUT")
        return layout
    return name_and_age()


@cache
def _definitions(plural: str) -> list[dict[str, Any]]:
    return [
        {
            "name": column.name,
            "type": column.type,
            "format": column.format,
            "description": column.description,
            "priority": column.priority,
        }
        for column in layout_of(plural).columns
    ]


def _row(
    layout: Layout, obj: ApiObject, now: datetime, include_object: str, version: str
) -> dict[str, Any]:
    row: dict[str, Any] = {"cells": layout.cells(obj, now)}
    conditions = layout.conditions(obj)
    if conditions:
        row["conditions"] = conditions
    if include_object == "Object":
        row["object"] = Raw(codec.encode(obj))
    elif include_object != "None":
        row["object"] = {
            "kind": "PartialObjectMetadata",
            "apiVersion": f"meta.k8s.io/{version}",
            "metadata": obj.metadata,
        }
    return row
