"""Namespaces: Active, or on their way out."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from netemu.core.apiserver.layouts._columns import AGE, NAME, Column, Layout, age_cell
from netemu.model.core_v1 import Namespace


def _cells(namespace: Namespace, now: datetime) -> list[Any]:
    return [namespace.metadata.name, namespace.status.phase, age_cell(namespace, now)]


LAYOUT = Layout((NAME, Column("Status", description="Active or Terminating."), AGE), _cells)
