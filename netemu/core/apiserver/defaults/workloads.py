"""Deployments and ReplicaSets: one replica, rolled out gently."""

from __future__ import annotations

from netemu.core.apiserver.defaults.pods import default_pod_spec
from netemu.model.apps_v1 import Deployment, ReplicaSet, RollingUpdateDeployment

_QUARTER = "25%"


def default_deployment(deployment: Deployment) -> None:
    spec = deployment.spec
    if spec.replicas is None:
        spec.replicas = 1
    if spec.revision_history_limit is None:
        spec.revision_history_limit = 10
    if spec.progress_deadline_seconds is None:
        spec.progress_deadline_seconds = 600
    strategy = spec.strategy
    strategy.type = strategy.type or "RollingUpdate"
    if strategy.type == "RollingUpdate":
        if strategy.rolling_update is None:
            strategy.rolling_update = RollingUpdateDeployment()
        rolling = strategy.rolling_update
        if rolling.max_unavailable is None:
            rolling.max_unavailable = _QUARTER
        if rolling.max_surge is None:
            rolling.max_surge = _QUARTER
    default_pod_spec(spec.template.spec)


def default_replica_set(replica_set: ReplicaSet) -> None:
    if replica_set.spec.replicas is None:
        replica_set.spec.replicas = 1
    default_pod_spec(replica_set.spec.template.spec)
