"""Leases: who holds them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from netemu.core.apiserver.layouts._columns import AGE, NAME, Column, Layout, age_cell
from netemu.model.coordination_v1 import Lease


def _cells(lease: Lease, now: datetime) -> list[Any]:
    return [lease.metadata.name, lease.spec.holder_identity or "", age_cell(lease, now)]


LAYOUT = Layout((NAME, Column("Holder", description="Who holds the Lease."), AGE), _cells)
