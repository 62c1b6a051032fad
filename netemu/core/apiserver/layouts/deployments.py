"""Deployments: how far a rollout is."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from netemu.core.apiserver.layouts._columns import (
    AGE,
    NAME,
    Column,
    Layout,
    age_cell,
    container_cells,
    label_selector_cell,
    wide,
)
from netemu.model.apps_v1 import Deployment

_COLUMNS = (
    NAME,
    Column("Ready", description="Ready pods, of those asked for."),
    Column("Up-to-date", description="Pods of the current template."),
    Column("Available", description="Pods that have been ready for long enough."),
    AGE,
    wide("Containers"),
    wide("Images"),
    wide("Selector"),
)


def _cells(deployment: Deployment, now: datetime) -> list[Any]:
    status = deployment.status
    return [
        deployment.metadata.name,
        f"{status.ready_replicas}/{deployment.spec.replicas or 0}",
        status.updated_replicas,
        status.available_replicas,
        age_cell(deployment, now),
        *container_cells(deployment.spec.template.spec.containers),
        label_selector_cell(deployment.spec.selector),
    ]


LAYOUT = Layout(_COLUMNS, _cells)
