"""One controller's loop: keys come from the informers, plans go to the API server."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable
from datetime import datetime
from functools import partial
from typing import Any, Generic, TypeVar

import msgspec

from netemu.client.contract import Client
from netemu.client.events import EventRecorder
from netemu.client.informer import Informers
from netemu.client.work_queue import WorkQueue
from netemu.core.control.commands import Failure
from netemu.core.control.contract import Controller, Environment, Watch
from netemu.daemons.controller_manager.execution import Execution, Outcome
from netemu.daemons.controller_manager.own_writes import Debt, OwnWrites
from netemu.daemons.controller_manager.view import CacheReader, CacheView, Stopwatch, answer
from netemu.errors import ApiError

K = TypeVar("K", bound=Hashable)
log = logging.getLogger(__name__)


class Pace(Generic[K]):
    """How long to wait for more changes before a key is worked on.

    A single change waits 10 ms. While a key keeps coming, the wait doubles up
    to 80 ms: a hundred Pods that become ready within a second cost a dozen
    writes of their Service's endpoints, not a hundred.
    """

    FIRST_S = 0.01
    LONGEST_S = 0.08
    _QUIET_S = 0.25
    _REMEMBERED = 1024

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._recent: dict[K, tuple[float, float]] = {}

    def wait_s(self, key: K) -> float:
        last, wait_s = self._recent.get(key, (0.0, self.FIRST_S))
        return wait_s if self._monotonic() - last < self._QUIET_S else self.FIRST_S

    def worked(self, key: K) -> None:
        now = self._monotonic()
        last, wait_s = self._recent.get(key, (-self._QUIET_S, self.FIRST_S))
        grown = min(wait_s * 2, self.LONGEST_S) if now - last < self._QUIET_S else self.FIRST_S
        self._recent[key] = (now, grown)
        if len(self._recent) > self._REMEMBERED:
            self._recent = {
                key: entry for key, entry in self._recent.items() if now - entry[0] < self._QUIET_S
            }


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What all loops of one process share."""

    client: Client
    informers: Informers
    reader: CacheReader
    own_writes: OwnWrites
    environment: Environment
    clock: Callable[[], datetime]
    monotonic: Callable[[], float]


class ControllerLoop(Generic[K]):
    def __init__(
        self, controller: Controller[K], around: Surroundings, recorder: EventRecorder
    ) -> None:
        self._controller = controller
        self._around = around
        self._recorder = recorder
        self._queue: WorkQueue[K] = WorkQueue()
        self._pace: Pace[K] = Pace(around.monotonic)
        self._stopwatch = Stopwatch(around.monotonic)
        self._failures: dict[K, Failure] = {}
        self._debts: dict[K, Debt] = {}
        self._deferred: set[K] = set()

    @property
    def name(self) -> str:
        return self._controller.name

    @property
    def idle(self) -> bool:
        return self._queue.idle

    def subscribe(self) -> None:
        """Follow the informers; what is there already is queued at once."""
        for watch in self._controller.watches:
            self._around.informers.of(watch.kind).subscribe(partial(self._changed, watch))

    async def run(self) -> None:
        """Work until cancelled, or until a key is too much; then this may be called again."""
        while True:
            key = await self._queue.get()
            worked = False
            try:
                await self._work(key)
                worked = True
            finally:
                if not worked:
                    self._queue.add_rate_limited(key)
                self._queue.done(key)

    def _changed(self, watch: Watch[Any, K], old: Any, new: Any) -> None:
        if old is not None and new is not None:
            if watch.matters is not None and not watch.matters(old, new):
                return
            concerned = {*watch.keys(new, self._around.reader)}
            # An object that moved concerns those it left, too.
            concerned.update(watch.keys(old, self._around.reader))
        else:
            concerned = {*watch.keys(new if new is not None else old, self._around.reader)}
        for key in concerned:
            if watch.settle:
                self._queue.add_after(key, self._pace.wait_s(key))
            else:
                self._queue.add(key)

    async def _work(self, key: K) -> None:
        if self._is_in_debt(key):
            return
        self._pace.worked(key)
        try:
            outcome = await self._reconcile(key)
        except ApiError as error:  # A live read failed.
            log.debug("%s %s: %s", self._controller.name, key, error)
            self._queue.add_rate_limited(key)
            return
        self._conclude(key, outcome)

    def _is_in_debt(self, key: K) -> bool:
        """Until its own writes are seen a key's view is wrong: come back when they are."""
        debt = self._debts.get(key)
        if debt is None:
            return False
        left_s = debt.expires - self._around.monotonic()
        if left_s <= 0:
            debt.forgive()
            del self._debts[key]
            return False
        self._deferred.add(key)
        self._queue.add_after(key, left_s)
        return True

    async def _reconcile(self, key: K) -> Outcome:
        around = self._around
        queries = self._controller.needs(key, around.reader)
        view = CacheView(
            around.reader,
            key=key,
            now=around.clock(),
            environment=around.environment,
            last_failure=self._failures.get(key),
            answers=await answer(queries, around.client) if queries else {},
            stopwatch=self._stopwatch,
        )
        commands = self._controller.reconcile(key, view)
        self._stopwatch.keep(key, view.asked)
        return await Execution(around.client, self._recorder).run(commands)

    def _conclude(self, key: K, outcome: Outcome) -> None:
        debt = self._around.own_writes.debt(outcome.writes, partial(self._paid, key))
        if debt is not None:
            self._debts[key] = debt
        if outcome.failure is not None:
            self._failures[key] = outcome.failure
            log.info("%s %s: %s", self._controller.name, key, outcome.failure.error)
        else:
            self._failures.pop(key, None)
        if outcome.retry:
            self._queue.add_rate_limited(key)
            return
        self._queue.forget(key)
        if outcome.requeue_after_s is not None:
            self._queue.add_after(key, outcome.requeue_after_s)

    def _paid(self, key: K) -> None:
        self._debts.pop(key, None)
        if key in self._deferred:
            self._deferred.discard(key)
            self._queue.add(key)
