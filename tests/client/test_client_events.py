"""Events are told once, counted when repeated, and never in the way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from netemu.client.events import EventRecorder
from netemu.model.core_v1 import Event, Namespace, ServiceAccount


async def events(served) -> list[Event]:
    return (await served.client.list(Event)).items


async def until(condition: Callable) -> None:
    async with asyncio.timeout(5):
        while not await condition():
            await asyncio.sleep(0.005)


async def test_repeated_event_is_counted(served):
    """The same event again raises the count of the first."""
    recorder = EventRecorder(served.client, component="kubelet", host="worker-1")
    running = asyncio.ensure_future(recorder.run())
    account = await served.client.get(ServiceAccount, "default", "default")
    recorder.event(account, "Warning", "BackOff", "back-off restarting", field_path="spec.x")
    recorder.event(account, "Normal", "Started", "started")

    async def two() -> bool:
        return len(await events(served)) == 2

    await until(two)
    recorder.event(account, "Warning", "BackOff", "back-off restarting", field_path="spec.x")

    async def counted() -> bool:
        return sorted(event.count for event in await events(served)) == [1, 2]

    await until(counted)
    (told,) = [event for event in await events(served) if event.reason == "BackOff"]
    assert told.metadata.namespace == "default"
    assert told.involved_object.kind == "ServiceAccount"
    assert told.involved_object.uid == account.metadata.uid
    assert told.involved_object.field_path == "spec.x"
    assert (told.source.component, told.source.host) == ("kubelet", "worker-1")
    running.cancel()


async def test_event_of_a_cluster_wide_object_lives_in_default(served):
    """Events of objects without a namespace are in `default`."""
    recorder = EventRecorder(served.client, component="tester")
    running = asyncio.ensure_future(recorder.run())
    recorder.event(await served.client.get(Namespace, "kube-system"), "Normal", "Seen", "seen")

    async def one() -> bool:
        return len(await events(served)) == 1

    await until(one)
    (told,) = await events(served)
    assert told.metadata.namespace == "default"
    assert told.involved_object.namespace == ""
    running.cancel()
