"""What a controller is: what it watches, under which keys, and one pure decision.

    objects change → Watch.keys → work queue → reconcile(key, view) → commands

`reconcile` sees the world through a `View` and returns commands. It must be
level-triggered: it looks at what is, never at what happened, so it may be
called at any time, any number of times. The daemon promises that a key's own
writes are visible in the view before the key is reconciled again: that
replaces the bookkeeping of "expectations".
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from netemu.core.control.commands import Command, Failure
from netemu.model.keys import ObjectKey
from netemu.model.schema import ApiObject
from netemu.model.settings import ClusterSettings

T = TypeVar("T", bound=ApiObject)
K = TypeVar("K", bound=Hashable)


class Index(msgspec.Struct, Generic[T], frozen=True, eq=False):
    """A way to find objects without walking all of them."""

    name: str
    kind: type[T]
    values: Callable[[T], Iterable[str]]


class Lookup(msgspec.Struct, frozen=True):
    """One object read live, past the cache."""

    kind: type[ApiObject]
    key: ObjectKey


class Inventory(msgspec.Struct, frozen=True):
    """All objects of a kind in a namespace, read live."""

    kind: type[ApiObject]
    namespace: str


Query = Lookup | Inventory


class Timings(msgspec.Struct, frozen=True, kw_only=True):
    """The clocks of node failure; tests wind them up."""

    node_grace_s: float = 40.0
    """How long a kubelet may be silent."""
    node_startup_grace_s: float = 60.0
    """The same for a Node that never reported."""
    node_monitor_period_s: float = 5.0
    """How long a Node must be seen not ready before it is emptied: not while it starts."""
    eviction_interval_s: float = 10.0
    """At most one node of a zone is emptied in this time."""
    pod_gc_quarantine_s: float = 40.0
    """How long a Node may be missing before its Pods are taken for lost."""


def timings_of(settings: ClusterSettings) -> Timings:
    """Return the clocks that go with a cluster's grace period, no slower than Kubernetes'."""
    usual = Timings()
    share = min(1.0, settings.node_grace_s / usual.node_grace_s)
    return Timings(
        node_grace_s=settings.node_grace_s,
        node_startup_grace_s=usual.node_startup_grace_s,
        node_monitor_period_s=usual.node_monitor_period_s * share,
        eviction_interval_s=usual.eviction_interval_s * share,
        pod_gc_quarantine_s=usual.pod_gc_quarantine_s * share,
    )


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """What all controllers of one cluster know beforehand."""

    settings: ClusterSettings
    ca_certificate: str
    timings: Timings = msgspec.field(default_factory=Timings)


class Reader(Protocol):
    """The cache: what this process has seen so far. Never change what comes out of it."""

    def get(self, kind: type[T], key: ObjectKey) -> T | None: ...

    def all(self, kind: type[T], namespace: str | None = None) -> list[T]: ...

    def by(self, index: Index[T], value: str) -> list[T]: ...


class View(Reader, Protocol):
    """All that one `reconcile` may know."""

    @property
    def now(self) -> datetime: ...

    @property
    def environment(self) -> Environment: ...

    @property
    def last_failure(self) -> Failure | None: ...

    def elapsed_s(self, tag: str) -> float:
        """How long, by the daemon's own clock, this key's reconciles have been asking for `tag`.

        0 the first time. A tag that one reconcile does not ask for is forgotten.
        """

    def looked_up(self, kind: type[T], key: ObjectKey) -> T | None: ...

    def inventory(self, kind: type[T], namespace: str) -> list[T]: ...


class Watch(msgspec.Struct, Generic[T, K], frozen=True):
    """Which keys an object's change concerns."""

    kind: type[T]
    keys: Callable[[T, Reader], Iterable[K]]
    matters: Callable[[T, T], bool] | None = None
    """Whether an update (old, new) is worth a look; additions and deletions always are."""
    settle: bool = False
    """Wait a little for more of the same: many Pods become ready at once."""


def no_queries(_key: Any, _view: Reader) -> Sequence[Query]:
    return ()


class Controller(msgspec.Struct, Generic[K], frozen=True, kw_only=True):
    name: str
    component: str
    """The source of its events."""
    watches: tuple[Watch[Any, K], ...]
    reconcile: Callable[[K, View], Sequence[Command]]
    indexes: tuple[Index[Any], ...] = ()
    needs: Callable[[K, Reader], Sequence[Query]] = no_queries
    """What must be read live before `reconcile` can decide."""


def own_key(obj: ApiObject, _reader: Reader) -> tuple[ObjectKey]:
    """The key of most primary objects: their own."""
    return (ObjectKey(obj.metadata.namespace, obj.metadata.name),)
