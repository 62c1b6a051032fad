"""ReplicaSets: pods asked for, pods there."""

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
from netemu.model.apps_v1 import ReplicaSet

_COLUMNS = (
    NAME,
    Column("Desired", "integer", description="Pods asked for."),
    Column("Current", "integer", description="Pods there."),
    Column("Ready", "integer", description="Pods that are ready."),
    AGE,
    wide("Containers"),
    wide("Images"),
    wide("Selector"),
)


def _cells(replica_set: ReplicaSet, now: datetime) -> list[Any]:
    return [
        replica_set.metadata.name,
        replica_set.spec.replicas or 0,
        replica_set.status.replicas,
        replica_set.status.ready_replicas,
        age_cell(replica_set, now),
        *container_cells(replica_set.spec.template.spec.containers),
        label_selector_cell(replica_set.spec.selector),
    ]


LAYOUT = Layout(_COLUMNS, _cells)
