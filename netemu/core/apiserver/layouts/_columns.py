"""What a layout is made of, and the cells that several layouts share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from netemu.core.apiserver.ages import age_of
from netemu.model.core_v1 import Container
from netemu.model.meta_v1 import LabelSelector
from netemu.model.schema import ApiObject
from netemu.model.selector import from_label_selector

NONE = "<none>"
UNSET = "<unset>"

Condition = dict[str, str]


@dataclass(frozen=True, slots=True)
class Column:
    """One column; kubectl shows those of priority 1 with `-o wide` only."""

    name: str
    type: str = "string"
    format: str = ""
    description: str = ""
    priority: int = 0


def no_conditions(_obj: Any) -> list[Condition]:
    return []


@dataclass(frozen=True, slots=True)
class Layout:
    """A resource's columns, and the cells of one of its objects."""

    columns: tuple[Column, ...]
    cells: Callable[[Any, datetime], list[Any]]
    conditions: Callable[[Any], list[Condition]] = no_conditions


NAME = Column("Name", format="name", description="Name must be unique within a namespace.")
AGE = Column("Age", description="Time since the object was created.")


def wide(name: str) -> Column:
    return Column(name, priority=1)


def age_cell(obj: ApiObject, now: datetime) -> str:
    return age_of(obj.metadata.creation_timestamp, now)


def name_and_age() -> Layout:
    """What is known of every object."""
    return Layout((NAME, AGE), lambda obj, now: [obj.metadata.name, age_cell(obj, now)])


def joined(values: Iterable[str], separator: str = ",") -> str:
    return separator.join(values) or NONE


def first_three(values: list[str]) -> str:
    """Three of the values, and how many more there are."""
    if len(values) <= 3:
        return joined(values)
    return f"{','.join(values[:3])} + {len(values) - 3} more..."


def selector_cell(labels: dict[str, str]) -> str:
    return joined(f"{key}={value}" for key, value in sorted(labels.items()))


def label_selector_cell(selector: LabelSelector | None) -> str:
    return str(from_label_selector(selector)) or NONE


def container_cells(containers: list[Container]) -> list[str]:
    """The cells Containers and Images."""
    names = ",".join(container.name for container in containers)
    return [names, ",".join(container.image for container in containers)]
