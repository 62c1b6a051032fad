"""Secrets: their type and how many keys they have, never what is in them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from netemu.core.apiserver.layouts._columns import AGE, NAME, Column, Layout, age_cell
from netemu.model.core_v1 import Secret


def _cells(secret: Secret, now: datetime) -> list[Any]:
    return [secret.metadata.name, secret.type, len(secret.data), age_cell(secret, now)]


LAYOUT = Layout(
    (
        NAME,
        Column("Type", description="What the data is for."),
        Column("Data", description="Number of keys."),
        AGE,
    ),
    _cells,
)
