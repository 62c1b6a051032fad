"""Events: what a component did to an object, told where `kubectl describe` shows it.

Telling is fire and forget: `event` returns at once and never fails, `run` sends. The
same event again within ten minutes raises the count of the first instead of making
another. Nobody's work stops for want of an Event: what cannot be sent is dropped.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from netemu.client.contract import Client, PatchType
from netemu.core.names import short_hash
from netemu.errors import ApiError
from netemu.model.clock import format_time
from netemu.model.core_v1 import Event, EventSource, ObjectReference
from netemu.model.kinds import by_type
from netemu.model.meta_v1 import ObjectMeta
from netemu.model.schema import ApiObject

log = logging.getLogger(__name__)

_REMEMBERED = 1024
_SAME_FOR_S = 600
_MOST_UNSENT = 10_000


@dataclass(slots=True)
class _Told:
    """An Event that was sent, or is about to be."""

    event: Event
    since: datetime
    sent: bool = False
    queued: bool = False


class EventRecorder:
    """One component's voice."""

    def __init__(
        self,
        client: Client,
        *,
        component: str,
        host: str = "",
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client = client
        self._source = EventSource(component=component, host=host)
        self._clock = clock
        self._told: OrderedDict[tuple[str, ...], _Told] = OrderedDict()
        self._unsent: deque[_Told] = deque(maxlen=_MOST_UNSENT)
        self._wake = asyncio.Event()

    def event(
        self, obj: ApiObject, type: str, reason: str, message: str, *, field_path: str = ""
    ) -> None:
        """Tell of `obj` that `reason` happened; `type` is Normal or Warning."""
        now = self._clock()
        same = (obj.KIND, obj.metadata.uid, obj.metadata.name, type, reason, message, field_path)
        told = self._told.get(same)
        if told is None or (now - told.since).total_seconds() > _SAME_FOR_S:
            told = _Told(self._first(obj, type, reason, message, field_path, now), now)
            self._told[same] = told
            if len(self._told) > _REMEMBERED:
                self._told.popitem(last=False)
        else:
            told.event.count += 1
            told.event.last_timestamp = format_time(now)
        if not told.queued:
            told.queued = True
            self._unsent.append(told)
            self._wake.set()

    async def run(self) -> None:
        """Send what is told, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._unsent:
                told = self._unsent.popleft()
                told.queued = False
                try:
                    await self._send(told)
                except ApiError as error:
                    log.debug("event %s dropped: %s", told.event.metadata.name, error)

    async def _send(self, told: _Told) -> None:
        event = told.event
        if not told.sent:
            await self._client.create(event)
            told.sent = True
            return
        counted = {"count": event.count, "lastTimestamp": event.last_timestamp}
        meta = event.metadata
        try:
            await self._client.patch(Event, meta.name, meta.namespace, counted, how=PatchType.MERGE)
        except ApiError as error:
            if not error.not_found:
                raise
            await self._client.create(event)  # It expired: it begins again.

    def _first(
        self,
        obj: ApiObject,
        type: str,
        reason: str,
        message: str,
        field_path: str,
        now: datetime,
    ) -> Event:
        meta = obj.metadata
        nanoseconds = int(now.timestamp() * 1e6) * 1000
        # Two objects of one name and one moment, a Pod and its Service, must not meet.
        suffix = short_hash(f"{obj.KIND}{meta.uid}{reason}{message}{field_path}", 5)
        return Event(
            metadata=ObjectMeta(
                name=f"{meta.name}.{nanoseconds:x}{suffix}",
                # Cluster-scoped objects' Events live in `default`.
                namespace=meta.namespace or "default",
            ),
            involved_object=ObjectReference(
                kind=obj.KIND,
                namespace=meta.namespace if by_type(obj.__class__).namespaced else "",
                name=meta.name,
                uid=meta.uid,
                api_version=obj.API_VERSION,
                resource_version=meta.resource_version,
                field_path=field_path,
            ),
            reason=reason,
            message=message,
            type=type,
            source=self._source,
            count=1,
            first_timestamp=format_time(now),
            last_timestamp=format_time(now),
            reporting_component=self._source.component,
            reporting_instance=self._source.host,
        )
