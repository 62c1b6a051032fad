"""ConfigMaps: how many keys they have."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from netemu.core.apiserver.layouts._columns import AGE, NAME, Column, Layout, age_cell
from netemu.model.core_v1 import ConfigMap


def _cells(config_map: ConfigMap, now: datetime) -> list[Any]:
    keys = len(config_map.data) + len(config_map.binary_data)
    # A number in a column of strings, as Kubernetes has it.
    return [config_map.metadata.name, keys, age_cell(config_map, now)]


LAYOUT = Layout((NAME, Column("Data", description="Number of keys."), AGE), _cells)
