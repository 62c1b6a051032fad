"""One node with a real kubelet, a zygote and an API server in this process, for tests."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Network
from pathlib import PurePosixPath

import yaml

from netemu.client.contract import Client
from netemu.daemons.apiserver.server import ApiServer
from netemu.daemons.kubelet import Kubelet
from netemu.errors import ApiError
from netemu.host.netns import Netns
from netemu.host.pod_network import LinuxPodNetwork
from netemu.host.processes import ProcessId
from netemu.host.runtime import ZygoteRuntime
from netemu.model.codec import from_dict
from netemu.model.core_v1 import (
    Event,
    Node,
    Pod,
)
from netemu.model.settings import ClusterSettings, NodeSettings

RUN = PurePosixPath("/run/netemu/kubelet-test")
STATE = PurePosixPath("/var/lib/netemu/kubelet-test")
NODE = NodeSettings(name="worker-1", address=IPv4Address("198.18.0.12"), control_plane=True)
SETTINGS = ClusterSettings(
    name="kubelet-test",
    underlay=IPv4Network("198.18.0.0/24"),
    nodes=(NODE,),
    state_dir=STATE,
    run_dir=RUN,
)
WITHIN_S = 40.0
"""A busy machine gets its time; a quiet one does not take it."""
PRELOAD = ("netemu.images.agnhost", "netemu.images.standin")


def clock() -> datetime:
    return datetime.now(UTC)


@dataclass
class Cluster:
    """A node, and what a test asks of it."""

    server: ApiServer
    client: Client
    runtime: ZygoteRuntime
    network: LinuxPodNetwork
    netns: Netns
    kubelet: Kubelet = field(init=False)
    running: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def start_kubelet(self) -> None:
        self.kubelet = Kubelet(
            client=self.client,
            settings=SETTINGS,
            node=NODE,
            runtime=self.runtime,
            network=self.network,
            netns=self.netns,
            clock=clock,
            state_dir=STATE,
        )
        await self.running.enter_async_context(_running(self.kubelet.run()))
        await self.until(self._has_node)
        await self.client.patch(
            Node,
            NODE.name,
            "",
            {"spec": {"podCIDR": "10.244.1.0/24", "podCIDRs": ["10.244.1.0/24"]}},
        )
        await self.until(self._node_is_ready)

    async def stop_kubelet(self) -> None:
        await self.running.aclose()
        self.running = AsyncExitStack()

    async def _has_node(self) -> bool:
        try:
            await self.client.get(Node, NODE.name)
        except ApiError:
            return False
        return True

    async def _node_is_ready(self) -> bool:
        node = await self.client.get(Node, NODE.name)
        return any(c.type == "Ready" and c.status == "True" for c in node.status.conditions)

    async def apply(self, text: str) -> Pod:
        """Create a Pod of this node, as the scheduler would leave it."""
        made = from_dict(yaml.safe_load(text), Pod)
        made.spec.node_name = NODE.name
        return await self.client.create(made)

    async def pod(self, name: str) -> Pod:
        return await self.client.get(Pod, name, "default")

    async def until(self, check: Callable[[], object], within_s: float = WITHIN_S) -> None:
        """Wait until the check holds."""
        deadline = time.monotonic() + within_s
        while True:
            found = check()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return
            assert time.monotonic() < deadline, f"not within {within_s} s: {check}"
            await asyncio.sleep(0.01)

    async def ready(self, name: str, within_s: float = WITHIN_S) -> Pod:
        await self.until(lambda: self._is_ready(name), within_s)
        return await self.pod(name)

    async def _is_ready(self, name: str) -> bool:
        conditions = (await self.pod(name)).status.conditions
        return any(c.type == "Ready" and c.status == "True" for c in conditions)

    async def waits_for(
        self, name: str, holds: Callable[[Pod], object], within_s: float = WITHIN_S
    ) -> Pod:
        async def check() -> bool:
            return bool(holds(await self.pod(name)))

        await self.until(check, within_s)
        return await self.pod(name)

    async def gone(self, name: str, within_s: float = WITHIN_S) -> None:
        async def check() -> bool:
            try:
                await self.pod(name)
            except ApiError as error:
                return error.not_found
            return False

        await self.until(check, within_s)

    async def exec(self, name: str, *argv: str) -> str:
        pod = await self.pod(name)
        session = await self.kubelet.open_exec(
            pod, pod.spec.containers[0].name, argv, stdin=False, tty=False
        )
        out = b"".join([data async for _, data in session.output()])
        assert await session.wait() == 0, out
        return out.decode()

    async def log(self, name: str, **options: object) -> str:
        pod = await self.pod(name)
        read = self.kubelet.read_log(pod, pod.spec.containers[0].name, **options)
        return b"".join([data async for data in read]).decode()

    async def events(self, name: str) -> list[tuple[str, str]]:
        found = await self.client.list(Event, "default")
        return [
            (event.reason, event.message)
            for event in found.items
            if event.involved_object.name == name
        ]


async def kill_zygote(runtime: ZygoteRuntime) -> None:
    """Kill it and wait until it is gone."""
    zygote = ProcessId.of(await runtime.pid())
    assert zygote is not None
    await asyncio.to_thread(zygote.end, grace_s=0.0)


@asynccontextmanager
async def _running(work) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(work)
        try:
            yield
        finally:
            task.cancel()
