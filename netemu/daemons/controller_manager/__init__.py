"""The controller manager: every controller of `netemu.core.controllers`, in one process.

It knows none of them by name: each is a `CONTROLLER`, and all are run by the
same loop. They share one informer per kind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any

from netemu import plugins
from netemu.client.contract import Client
from netemu.client.events import EventRecorder
from netemu.client.informer import Informers
from netemu.core import controllers
from netemu.core.control.contract import Controller, Environment, Timings, timings_of
from netemu.daemons.controller_manager.loop import ControllerLoop, Surroundings
from netemu.daemons.controller_manager.own_writes import OwnWrites
from netemu.daemons.controller_manager.view import CacheReader
from netemu.daemons.supervisor import keep_running
from netemu.model.schema import ApiObject
from netemu.model.settings import ClusterSettings


class ControllerManager:
    """Runs until cancelled; may be killed and started again at any moment."""

    def __init__(
        self,
        *,
        client: Client,
        settings: ClusterSettings,
        ca_certificate: str,
        clock: Callable[[], datetime],
        timings: Timings | None = None,
    ) -> None:
        self._client = client
        self._clock = clock
        self._environment = Environment(
            settings=settings,
            ca_certificate=ca_certificate,
            timings=timings or timings_of(settings),
        )
        self._controllers: list[Controller[Any]] = [
            *plugins.load(controllers, "CONTROLLER").values()
        ]

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            informers = Informers(self._client, task_group=tasks)
            around = await self._look_around(informers)
            loops = [self._loop(controller, around, tasks) for controller in self._controllers]
            for loop in loops:
                loop.subscribe()
            for loop in loops:
                # One controller's bug, or the object that it cannot digest, is not the others'.
                tasks.create_task(keep_running(f"controller {loop.name}", loop.run))

    async def _look_around(self, informers: Informers) -> Surroundings:
        """Start the informers; nothing is decided before all of them have the whole picture."""
        reader = CacheReader(informers)
        kinds = {watch.kind: None for one in self._controllers for watch in one.watches}
        all_kinds: list[type[ApiObject]] = list(kinds)
        reader.prepare(all_kinds, (index for one in self._controllers for index in one.indexes))
        await informers.synced()
        monotonic = asyncio.get_running_loop().time
        own_writes = OwnWrites(reader, monotonic)
        own_writes.follow(informers, all_kinds)
        return Surroundings(
            client=self._client,
            informers=informers,
            reader=reader,
            own_writes=own_writes,
            environment=self._environment,
            clock=self._clock,
            monotonic=monotonic,
        )

    def _loop(
        self, controller: Controller[Any], around: Surroundings, tasks: asyncio.TaskGroup
    ) -> ControllerLoop[Any]:
        recorder = EventRecorder(self._client, component=controller.component, clock=self._clock)
        tasks.create_task(recorder.run(), name=f"events of {controller.name}")
        return ControllerLoop(controller, around, recorder)
