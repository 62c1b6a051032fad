"""Informers that lag: a controller never acts twice on what it has already done."""

import asyncio
from datetime import UTC, datetime

import pytest

from netemu.core.control.commands import NORMAL, Create, Delete, Requeue, Say, Update
from netemu.daemons.controller_manager import ControllerManager
from netemu.daemons.controller_manager.execution import Execution
from netemu.daemons.controller_manager.loop import Pace
from netemu.errors import ApiError, Cause
from netemu.model.apps_v1 import Deployment
from netemu.model.core_v1 import ConfigMap, Namespace, Pod, ServiceAccount
from netemu.model.meta_v1 import ObjectMeta
from netemu.model.schema import copy_of

LAG_S = 0.05


class LaggingClient:
    """A client whose watches tell everything late, and which counts what is created."""

    def __init__(self, client):
        self._client = client
        self.created = []

    def __getattr__(self, name):
        return getattr(self._client, name)

    async def watch(self, kind, namespace="", **selection):
        queue = asyncio.Queue()
        loop = asyncio.get_running_loop()

        async def fill():
            async for event in self._client.watch(kind, namespace, **selection):
                queue.put_nowait((loop.time() + LAG_S, event))

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(fill())
            while True:
                due, event = await queue.get()
                await asyncio.sleep(max(0.0, due - loop.time()))
                yield event

    async def create(self, obj):
        made = await self._client.create(obj)
        self.created.append(made)
        return made


async def test_lagging_informers_do_not_make_too_many_pods(plane, make_deployment):
    """Thirty, and then sixty Pods are made with exactly sixty creates."""
    client = LaggingClient(plane.client)
    manager = ControllerManager(
        client=client, settings=plane.settings, ca_certificate="", clock=lambda: datetime.now(UTC)
    )
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(manager.run())
        await plane.until(lambda: plane.get(ServiceAccount, "default"))
        await plane.client.create(make_deployment(30))

        async def seen(count):
            deployment = await plane.get(Deployment, "web")
            return deployment.status.replicas == count

        await plane.until(lambda: seen(30))
        await plane.patch(Deployment, "web", {"spec": {"replicas": 60}})
        await plane.until(lambda: seen(60))
        running.cancel()
    assert len([obj for obj in client.created if isinstance(obj, Pod)]) == 60


class Recorder:
    def __init__(self):
        self.told = []

    def event(self, obj, type, reason, message, **_):
        self.told.append(message)


@pytest.fixture
def recorder():
    return Recorder()


def config_map(name, **data):
    return ConfigMap(metadata=ObjectMeta(name=name, namespace="default"), data=data)


async def test_two_writes_of_one_object_in_a_plan_are_no_conflict(plane, recorder):
    """The second is based on what the first returned."""
    made = await plane.client.create(config_map("c"))
    one, two = copy_of(made), copy_of(made)
    one.data, two.data = {"a": "1"}, {"a": "2"}
    outcome = await Execution(plane.client, recorder).run([Update(one), Update(two)])
    assert not outcome.retry
    assert (await plane.get(ConfigMap, "c")).data == {"a": "2"}


async def test_a_conflict_stops_the_plan_quietly(plane, recorder):
    """It is retried with a fresh view; nobody hears of it."""
    made = await plane.client.create(config_map("c"))
    await plane.patch(ConfigMap, "c", {"data": {"x": "y"}})
    stale = copy_of(made)
    stale.data = {"a": "1"}
    failed = Say(made, NORMAL, "Failed", "{error}")
    plan = [Update(stale, failed=failed), Create(config_map("never"))]
    outcome = await Execution(plane.client, recorder).run(plan)
    assert outcome.retry
    assert outcome.failure is None
    assert recorder.told == []
    assert await plane.get(ConfigMap, "never") is None


async def test_a_refusal_is_told_and_remembered(plane, recorder):
    """The event says the API server's words; what follows is not tried."""
    bad = config_map("Not A Name")
    failed = Say(bad, NORMAL, "FailedCreate", "Error creating: {error}")
    outcome = await Execution(plane.client, recorder).run([Create(bad, failed=failed)])
    assert outcome.failure is not None
    assert outcome.failure.error.code == 422
    assert recorder.told[0].startswith("Error creating: ConfigMap")


async def test_nothing_is_created_in_a_namespace_that_ends(plane, recorder):
    """It is no failure, and not tried again."""

    class Ending:
        async def create(self, _obj):
            raise ApiError(403, "Forbidden", "no", causes=[Cause("NamespaceTerminating", "", "")])

    outcome = await Execution(Ending(), recorder).run([Create(config_map("c"))])
    assert (outcome.retry, outcome.failure) == (False, None)


async def test_deleting_what_is_gone_or_replaced_is_success(plane, recorder):
    """The one that was meant is gone either way."""
    made = await plane.client.create(config_map("c"))
    await plane.client.delete(ConfigMap, "c", "default")
    await plane.client.create(config_map("c"))
    done = Say(made, NORMAL, "Deleted", "Deleted {name}")
    plan = [Delete(made, done=done), Requeue(5), Requeue(3)]
    outcome = await Execution(plane.client, recorder).run(plan)
    assert recorder.told == ["Deleted c"]
    assert outcome.requeue_after_s == 3
    assert await plane.get(ConfigMap, "c") is not None


async def test_nobody_creates_for_the_dead(plane, recorder):
    """An owner that is another by now stops the plan."""
    owner = await plane.client.create(Namespace(metadata=ObjectMeta(name="n")))
    dead = copy_of(owner)
    dead.metadata.uid = "another"
    plan = [Create(config_map("c"), only_if_alive=dead)]
    outcome = await Execution(plane.client, recorder).run(plan)
    assert outcome.retry
    assert await plane.get(ConfigMap, "c") is None


def test_the_pace_slows_down_under_load_and_recovers():
    """10, 20, 40, 80, 80 ms while a key keeps coming; 10 ms after a rest."""
    now = [0.0]
    pace = Pace(lambda: now[0])
    waits = []
    for _ in range(5):
        waits.append(pace.wait_s("key"))
        pace.worked("key")
        now[0] += waits[-1]
    assert waits == [0.01, 0.01, 0.02, 0.04, 0.08]
    now[0] += 1
    assert pace.wait_s("key") == 0.01
