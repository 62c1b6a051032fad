"""Endpoints: the ready addresses behind a Service."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from netemu.core.apiserver.layouts._columns import AGE, NAME, Column, Layout, age_cell, first_three
from netemu.model.core_v1 import Endpoints


def _cells(endpoints: Endpoints, now: datetime) -> list[Any]:
    return [
        endpoints.metadata.name,
        first_three(_ready(endpoints)),
        age_cell(endpoints, now),
    ]


def _ready(endpoints: Endpoints) -> list[str]:
    found = []
    for subset in endpoints.subsets:
        for port in subset.ports:
            found += [f"{address.ip}:{port.port}" for address in subset.addresses]
        if not subset.ports:
            found += [address.ip for address in subset.addresses]
    return found


LAYOUT = Layout(
    (NAME, Column("Endpoints", description="Addresses and ports that take connections."), AGE),
    _cells,
)
