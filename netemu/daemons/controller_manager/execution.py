"""Carrying out a plan: commands become requests, in order, up to the first refusal."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from netemu.client.contract import Client
from netemu.client.events import EventRecorder
from netemu.core.control.commands import (
    Command,
    Create,
    Delete,
    Emit,
    Failure,
    Requeue,
    Say,
    Update,
)
from netemu.daemons.controller_manager.own_writes import Writes
from netemu.errors import ApiError
from netemu.model.keys import ObjectKey, key_of
from netemu.model.schema import ApiObject

_BREATH = 8
"""Requests after which the others in this process get their turn."""


@dataclass(slots=True)
class Outcome:
    writes: Writes = field(default_factory=Writes)
    failure: Failure | None = None
    retry: bool = False
    """Try again soon; a conflict is no failure, only an old view."""
    requeue_after_s: float | None = None


class Execution:
    """One plan's way through the API server."""

    def __init__(self, client: Client, recorder: EventRecorder) -> None:
        self._client = client
        self._recorder = recorder
        self._outcome = Outcome()
        self._revisions: dict[tuple[type[ApiObject], ObjectKey], str] = {}

    async def run(self, commands: Sequence[Command]) -> Outcome:
        for number, command in enumerate(commands, 1):
            if isinstance(command, Emit):
                self._tell(command.say)
            elif isinstance(command, Requeue):
                self._requeue(command.after_s)
            elif not await self._attempt(command):
                break
            if number % _BREATH == 0:
                await asyncio.sleep(0)
        return self._outcome

    def _requeue(self, after_s: float) -> None:
        earlier = self._outcome.requeue_after_s
        self._outcome.requeue_after_s = after_s if earlier is None else min(after_s, earlier)

    async def _attempt(self, command: Create | Update | Delete) -> bool:
        try:
            name = await self._carry_out(command)
        except ApiError as error:
            return self._judge(command, error)
        if command.done is not None:
            self._tell(command.done, name=name)
        return True

    async def _carry_out(self, command: Create | Update | Delete) -> str:
        match command:
            case Create():
                await self._check_alive(command.only_if_alive)
                written = await self._client.create(command.object)
                self._outcome.writes.wrote(written)
                return written.metadata.name
            case Update():
                await self._check_alive(command.only_if_alive)
                return await self._update(command)
            case Delete():
                return await self._delete(command)

    async def _update(self, command: Update) -> str:
        obj = command.object
        place = (type(obj), key_of(obj))
        # An earlier command of this plan wrote the same object: nobody came between.
        obj.metadata.resource_version = self._revisions.get(place, obj.metadata.resource_version)
        written = await self._client.update(obj, subresource=command.subresource)
        self._revisions[place] = written.metadata.resource_version
        self._outcome.writes.wrote(written)
        return obj.metadata.name

    async def _delete(self, command: Delete) -> str:
        meta = command.object.metadata
        try:
            await self._client.delete(
                type(command.object),
                meta.name,
                meta.namespace,
                uid=meta.uid,
                grace_period_s=command.grace_period_s,
                propagation=command.propagation,
            )
        except ApiError as error:
            # Gone, or another of the same name has taken its place: both are what was wanted.
            if not (error.not_found or error.conflict):
                raise
        self._outcome.writes.removed(command.object)
        return meta.name

    async def _check_alive(self, obj: ApiObject | None) -> None:
        if obj is None:
            return
        meta = obj.metadata
        live = await self._client.get(type(obj), meta.name, meta.namespace)
        if live.metadata.uid != meta.uid or live.metadata.deletion_timestamp:
            raise ApiError(409, "Conflict", f"{meta.name} is gone or going")

    def _judge(self, command: Create | Update | Delete, error: ApiError) -> bool:
        """Whether to go on after a refusal."""
        if any(cause.reason == "NamespaceTerminating" for cause in error.causes):
            return False  # Nothing is created there any more, and nobody wants to hear of it.
        self._outcome.retry = True
        if error.conflict or (error.not_found and not isinstance(command, Create)):
            return False
        self._outcome.failure = Failure(command, error)
        if command.failed is not None and not error.already_exists:
            self._tell(command.failed, error=error.message)
        return False

    def _tell(self, say: Say, *, name: str = "", error: str = "") -> None:
        message = say.filled(name=name, error=error)
        self._recorder.event(say.about, say.type, say.reason, message)
