"""Sizes: how many replicas each ReplicaSet of a Deployment gets next.

All functions answer with new sizes by ReplicaSet name, and only for those that
change. control-plane-and-node.md, 2.2.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from netemu.core.control.proportions import share_of
from netemu.core.controllers.deployment.revisions import (
    DESIRED,
    MAXIMUM,
    oldest_first,
    size_of,
    wanted_replicas,
)
from netemu.model.apps_v1 import Deployment, ReplicaSet

Sizes = dict[str, int]


class Bounds(msgspec.Struct, frozen=True):
    """How far a rolling update may stray from the wanted size."""

    wanted: int
    surge: int
    unavailable: int

    @property
    def most(self) -> int:
        return self.wanted + self.surge if self.wanted else 0

    @property
    def fewest_available(self) -> int:
        return self.wanted - self.unavailable


def bounds_of(deployment: Deployment) -> Bounds:
    wanted = wanted_replicas(deployment)
    if deployment.spec.strategy.type == "Recreate":
        return Bounds(wanted, surge=0, unavailable=wanted)
    rolling = deployment.spec.strategy.rolling_update
    surge = share_of(rolling.max_surge if rolling else "25%", wanted, round_up=True)
    unavailable = share_of(rolling.max_unavailable if rolling else "25%", wanted, round_up=False)
    if surge == 0 and unavailable == 0:
        # Validation refuses 0 and 0, but 10% of few may round to it: it would never move.
        unavailable = 1
    return Bounds(wanted, surge, min(unavailable, wanted))


def first_size(bounds: Bounds, old: Sequence[ReplicaSet], current: int = 0) -> int:
    """The new ReplicaSet's size, grown as far as the surge allows."""
    total = sum(map(size_of, old)) + current
    room = max(0, bounds.wanted + bounds.surge - total)
    return current + min(room, max(0, bounds.wanted - current))


def roll_up(bounds: Bounds, new: ReplicaSet, old: Sequence[ReplicaSet]) -> Sizes:
    current = size_of(new)
    if current > bounds.wanted:
        return {new.metadata.name: bounds.wanted}
    size = first_size(bounds, old, current)
    return {new.metadata.name: size} if size != current else {}


def roll_down(bounds: Bounds, new: ReplicaSet, old: Sequence[ReplicaSet]) -> Sizes:
    """Old replicas that can go: first those that serve nobody, then what availability allows."""
    total = sum(map(size_of, old)) + size_of(new)
    new_unavailable = size_of(new) - new.status.available_replicas
    budget = total - bounds.fewest_available - new_unavailable
    if budget <= 0:
        return {}
    sizes = {replica_set.metadata.name: size_of(replica_set) for replica_set in old}
    _drop_unhealthy(oldest_first(old), sizes, budget)
    available = sum(rs.status.available_replicas for rs in [*old, new])
    _drop_available(oldest_first(old), sizes, available - bounds.fewest_available)
    return {
        replica_set.metadata.name: sizes[replica_set.metadata.name]
        for replica_set in old
        if sizes[replica_set.metadata.name] != size_of(replica_set)
    }


def _drop_unhealthy(old: Sequence[ReplicaSet], sizes: Sizes, budget: int) -> None:
    for replica_set in old:
        name = replica_set.metadata.name
        unhealthy = max(0, sizes[name] - replica_set.status.available_replicas)
        dropped = min(budget, unhealthy)
        sizes[name] -= dropped
        budget -= dropped


def _drop_available(old: Sequence[ReplicaSet], sizes: Sizes, budget: int) -> None:
    for replica_set in old:
        name = replica_set.metadata.name
        dropped = max(0, min(budget, sizes[name]))
        sizes[name] -= dropped
        budget -= dropped


def to_zero(old: Sequence[ReplicaSet]) -> Sizes:
    return {replica_set.metadata.name: 0 for replica_set in old if size_of(replica_set)}


def is_scaling(deployment: Deployment, sets: Sequence[ReplicaSet]) -> bool:
    """The Deployment's size changed since an active ReplicaSet last looked."""
    wanted = str(wanted_replicas(deployment))
    return any(
        replica_set.metadata.annotations.get(DESIRED, wanted) != wanted
        for replica_set in sets
        if size_of(replica_set)
    )


def rescale(bounds: Bounds, new: ReplicaSet | None, old: Sequence[ReplicaSet]) -> Sizes:
    """Sizes after the Deployment's own size changed, in the midst of a rollout or not."""
    sets = [*old, new] if new else list(old)
    active = [replica_set for replica_set in sets if size_of(replica_set)]
    if len(active) <= 1:
        only = active[0] if active else new or max(sets, key=_born, default=None)
        return {only.metadata.name: bounds.wanted} if only else {}
    if new is not None and _is_saturated(bounds, new):
        return to_zero(old)
    return _proportional(bounds, active)


def _born(replica_set: ReplicaSet) -> str:
    return replica_set.metadata.creation_timestamp or ""


def _is_saturated(bounds: Bounds, new: ReplicaSet) -> bool:
    return (
        size_of(new) == bounds.wanted
        and new.metadata.annotations.get(DESIRED) == str(bounds.wanted)
        and new.status.available_replicas == bounds.wanted
    )


def _proportional(bounds: Bounds, active: Sequence[ReplicaSet]) -> Sizes:
    to_add = bounds.most - sum(map(size_of, active))
    by_age = sorted(active, key=_born, reverse=to_add > 0)
    ranked = sorted(by_age, key=size_of, reverse=True)
    sizes: Sizes = {}
    left = to_add
    for replica_set in ranked:
        share = _clip(_share(bounds, replica_set), left) if to_add else 0
        sizes[replica_set.metadata.name] = size_of(replica_set) + share
        left -= share
    largest = ranked[0].metadata.name
    sizes[largest] = max(0, sizes[largest] + left)
    return sizes


def _share(bounds: Bounds, replica_set: ReplicaSet) -> int:
    if not bounds.most:
        return -size_of(replica_set)
    size = size_of(replica_set)
    before = replica_set.metadata.annotations.get(MAXIMUM, "")
    maximum = int(before) if before.isdecimal() and int(before) else bounds.most
    # Half away from zero, in integers: Python's round() would go to even.
    return (2 * size * bounds.most + maximum) // (2 * maximum) - size


def _clip(share: int, left: int) -> int:
    return max(0, min(share, left)) if left > 0 else min(0, max(share, left))
