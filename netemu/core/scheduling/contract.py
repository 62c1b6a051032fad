"""What a filter and a score are. Each is one file; `profile` states the filters' order.

Both have a `prepare` that looks at the Pod once; what it answers is handed to
the function that looks at each Node. `SKIP` means: nothing to look at.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import Any, Final

import msgspec

from netemu.core.scheduling.cluster import Cluster, NodeInfo
from netemu.core.scheduling.requests import PodInfo
from netemu.model.selector import Selector


class Skip(Enum):
    SKIP = auto()


SKIP: Final = Skip.SKIP


class Wake(Enum):
    """What may happen to a cluster, as far as it can make a Pod fit."""

    NODE_ADDED = auto()
    NODE_LABELS = auto()
    NODE_TAINTS = auto()
    NODE_ALLOCATABLE = auto()
    POD_REMOVED = auto()
    POD_PLACED = auto()


class Rejection(msgspec.Struct, frozen=True):
    """Why a Node will not do."""

    reasons: tuple[str, ...]
    resolvable: bool = True
    """Whether removing Pods from the Node could help."""


class Candidate(msgspec.Struct, frozen=True):
    """The Pod to place, and what its surroundings say about it."""

    info: PodInfo
    group: Selector | None = None
    """Means the Pods of the same Services and ReplicaSet; None if there are none."""


def nothing_to_prepare(_candidate: Candidate, _cluster: Cluster) -> None:
    return None


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    check: Callable[[Candidate, NodeInfo, Any], Rejection | None]
    prepare: Callable[[Candidate, Cluster], Any] = nothing_to_prepare
    retry_on: frozenset[Wake] = msgspec.field(default_factory=frozenset)
    """What may change its mind."""


MOST = 100


def as_they_are(scores: Sequence[float]) -> Sequence[float]:
    return scores


def share_of_best(scores: Sequence[float]) -> Sequence[float]:
    """The best gets 100, the others in proportion."""
    best = max(scores)
    return [MOST * score // best for score in scores] if best else scores


def inverse_share(scores: Sequence[float]) -> Sequence[float]:
    """0 gets 100, the highest gets 0."""
    worst = max(scores)
    return [MOST - MOST * score // worst for score in scores] if worst else [MOST] * len(scores)


class Score(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    weight: int
    score: Callable[[Candidate, NodeInfo, Any], float]
    prepare: Callable[[Candidate, Cluster, Sequence[NodeInfo]], Any]
    normalise: Callable[[Sequence[float]], Sequence[float]] = as_they_are
