"""netemu's own kind `Scenario`: a cluster and the steps that are taken on it."""

from __future__ import annotations

from typing import Any

import msgspec

from netemu.model.cluster_v1alpha1 import ClusterSpec
from netemu.model.wire import ApiStruct


class ScenarioMetadata(ApiStruct, kw_only=True):
    name: str
    labels: dict[str, str] = {}


class ScenarioSpec(ApiStruct, kw_only=True):
    description: str = ""
    cluster: ClusterSpec = msgspec.field(default_factory=ClusterSpec)
    steps: list[dict[str, Any]]
    """Each has one key, the step's name, and perhaps `at` and `title` beside it."""


class Scenario(ApiStruct, kw_only=True):
    api_version: str
    kind: str
    metadata: ScenarioMetadata
    spec: ScenarioSpec
