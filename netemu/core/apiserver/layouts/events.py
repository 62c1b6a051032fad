"""Events: who said what about whom, and how often."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from netemu.core.apiserver.ages import UNKNOWN, age_of
from netemu.core.apiserver.layouts._columns import NAME, Column, Layout, wide
from netemu.model.core_v1 import Event

_COLUMNS = (
    Column("Last Seen", description="Time since it was last observed."),
    Column("Type", description="Normal or Warning."),
    Column("Reason", description="Why, in one word."),
    Column("Object", description="What it is about."),
    wide("Subobject"),
    wide("Source"),
    Column("Message", description="Why, in a sentence."),
    wide("First Seen"),
    wide("Count"),
    Column("Name", format="name", priority=1, description=NAME.description),
)


def _cells(event: Event, now: datetime) -> list[Any]:
    about = event.involved_object
    target = about.kind.lower() if about.kind else ""
    first = age_of(event.first_timestamp or event.event_time, now)
    last = age_of(event.last_timestamp, now) if event.last_timestamp else first
    count = event.count
    if event.series is not None:
        last, count = age_of(event.series.last_observed_time, now), event.series.count
    elif not count:
        count = 1  # Events of the newer form happened once when they carry no series.
    return [
        last or UNKNOWN,
        event.type,
        event.reason,
        f"{target}/{about.name}" if target else about.name,
        about.field_path,
        _source(event),
        event.message.strip(),
        first,
        count,
        event.metadata.name,
    ]


def _source(event: Event) -> str:
    component = event.source.component or event.reporting_component
    host = event.source.host or event.reporting_instance
    return ", ".join(part for part in (component, host) if part)


LAYOUT = Layout(_COLUMNS, _cells)
