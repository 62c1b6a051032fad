"""netemu's own kind `Scenario`: a cluster and the steps that are taken on it."""

from __future__ import annotations

from typing import Any

import msgspec

from netemu.model.cluster_v1alpha1 import ClusterSpec


class ScenarioMetadata(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    name: str


class ScenarioSpec(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    description: str = ""
    cluster: ClusterSpec = msgspec.field(default_factory=ClusterSpec)
    steps: list[dict[str, Any]]
    """Each has one key, the step's name, and perhaps `title`."""


class Scenario(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    api_version: str = msgspec.field(name="apiVersion")
    kind: str
    metadata: ScenarioMetadata
    spec: ScenarioSpec
