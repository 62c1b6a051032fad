"""What controllers see: the informers' cache, and what was read live for one reconcile."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from datetime import datetime
from typing import Any, TypeVar, cast

from netemu.client.contract import Client
from netemu.client.informer import Informers
from netemu.core.control.commands import Failure
from netemu.core.control.contract import Environment, Index, Inventory, Lookup, Query
from netemu.errors import ApiError
from netemu.model.keys import ObjectKey
from netemu.model.schema import ApiObject

T = TypeVar("T", bound=ApiObject)
Answers = dict[Query, Any]


class CacheReader:
    """The informers of this process, as controllers ask them."""

    def __init__(self, informers: Informers) -> None:
        self._informers = informers
        self._indexes: set[Index[Any]] = set()

    def prepare(self, kinds: Iterable[type[ApiObject]], indexes: Iterable[Index[Any]]) -> None:
        """Start the informers and keep the indexes."""
        for kind in kinds:
            self._informers.of(kind)
        for index in indexes:
            self._informers.of(index.kind).add_index(index.name, index.values)

    def get(self, kind: type[T], key: ObjectKey) -> T | None:
        return self._informers.of(kind).get(key)

    def all(self, kind: type[T], namespace: str | None = None) -> list[T]:
        return self._informers.of(kind).list(namespace)

    def by(self, index: Index[T], value: str) -> list[T]:
        return list(self._informers.of(index.kind).by_index(index.name, value))


class Stopwatch:
    """How long each key's reconciles have been asking for a tag (see `View.elapsed_s`)."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._started: dict[Hashable, dict[str, float]] = {}

    def elapsed_s(self, key: Hashable, tag: str, asked: dict[str, float]) -> float:
        now = self._monotonic()
        since = asked.get(tag)
        if since is None:
            since = self._started.get(key, {}).get(tag, now)
            asked[tag] = since
        return now - since

    def keep(self, key: Hashable, asked: dict[str, float]) -> None:
        """Forget the tags of a key that its last reconcile did not ask for."""
        if asked:
            self._started[key] = asked
        else:
            self._started.pop(key, None)


class CacheView(CacheReader):
    """One reconcile's view."""

    def __init__(
        self,
        reader: CacheReader,
        *,
        key: Hashable,
        now: datetime,
        environment: Environment,
        last_failure: Failure | None,
        answers: Answers,
        stopwatch: Stopwatch,
    ) -> None:
        super().__init__(reader._informers)  # noqa: SLF001 - the same cache, one look at it.
        self._key = key
        self.now = now
        self.environment = environment
        self.last_failure = last_failure
        self._answers = answers
        self._stopwatch = stopwatch
        self.asked: dict[str, float] = {}

    def elapsed_s(self, tag: str) -> float:
        return self._stopwatch.elapsed_s(self._key, tag, self.asked)

    def looked_up(self, kind: type[T], key: ObjectKey) -> T | None:
        return cast("T | None", self._answers.get(Lookup(kind, key)))

    def inventory(self, kind: type[T], namespace: str) -> list[T]:
        return cast("list[T]", self._answers.get(Inventory(kind, namespace), []))


async def answer(queries: Sequence[Query], client: Client) -> Answers:
    """Read live what a controller needs to know for sure."""
    answers: Answers = {}
    for query in queries:
        if isinstance(query, Inventory):
            answers[query] = (await client.list(query.kind, query.namespace)).items
            continue
        try:
            answers[query] = await client.get(query.kind, query.key.name, query.key.namespace)
        except ApiError as error:
            if not error.not_found:
                raise
            answers[query] = None
    return answers
