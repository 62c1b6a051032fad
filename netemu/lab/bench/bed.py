"""A cluster of the bench's own, made and removed as people do it: by the command line.

What is timed is the whole command, the interpreter's start included. The cluster is
there when somebody asks for it, and is removed at the end, also of an interrupted run.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self, TypeVar

from netemu.client.contract import EventType, PatchType
from netemu.client.https import HttpsClient
from netemu.cluster.access import open_client
from netemu.errors import HostError
from netemu.host import clusters
from netemu.host.runtime import ZygoteRuntime
from netemu.lab.bench.memory import descriptors
from netemu.model.apps_v1 import Deployment, DeploymentSpec
from netemu.model.core_v1 import Container, ContainerPort, PodSpec, PodTemplateSpec
from netemu.model.meta_v1 import LabelSelector, ObjectMeta
from netemu.model.runtime import ContainerState, SandboxState

T = TypeVar("T")

PODS = 100
"""How many Pods the figures that need many are about."""
NODES = 3
"""As many as `up` makes without being asked."""

_NAMESPACE = "default"
_DEPLOYMENT = "bench"
_LABELS = {"app": _DEPLOYMENT}
_COMMAND_WITHIN_S = 120.0
_READY_WITHIN_S = 120.0
_LEAVE_WITHIN_S = 2.0
_LOOK_EVERY_S = 0.005


class Bed:
    """One run's cluster."""

    def __init__(self, *, pods: int = PODS, nodes: int = NODES) -> None:
        self.name = ""
        self.node_count = nodes
        self.up_s = 0.0
        self.stages: list[tuple[str, float]] = []
        self.pod_count = pods
        self._pods_s: float | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self.name:
            self.down()

    def up(self) -> None:
        """Make the cluster, unless it is there."""
        if self.name:
            return
        self.name = f"bench-{secrets.token_hex(2)}"
        nodes = str(self.node_count)
        self.up_s = timed("up", self.name, "--nodes", nodes, "--no-context", "--quiet")
        record = self.record()
        self.stages = list(record.stages)

    def down(self) -> float:
        """Remove the cluster; return how long that took."""
        took_s = timed("down", self.name)
        self.name, self._pods_s = "", None
        return took_s

    def record(self) -> clusters.DaemonRecord:
        record = clusters.daemon_of(self.name)
        if record is None:
            raise HostError("measuring", where=self.name, answer="the cluster's daemon has died")
        return record

    def pods(self) -> float:
        """Have all Pods Ready; return the seconds that took from `scale`."""
        self.up()
        if self._pods_s is None:
            self._pods_s = self.talk(lambda client: _scale(client, self.pod_count))
        return self._pods_s

    def scale(self, count: int) -> None:
        """Have another number of Pods, all Ready."""
        self.pods()
        self.talk(lambda client: _rescale(client, count))

    def talk(self, work: Callable[[HttpsClient], Awaitable[T]]) -> T:
        """Run something with the administrator's client."""

        async def run() -> T:
            before = descriptors(os.getpid())
            client = open_client(self.name)
            try:
                return await work(client)
            finally:
                await client.close()
                await _closed_to(before)

        return asyncio.run(run())

    def processes(self) -> tuple[int, list[SandboxState], list[ContainerState]]:
        """Return the zygote's pid, and what it keeps."""

        async def ask() -> tuple[int, list[SandboxState], list[ContainerState]]:
            runtime = await ZygoteRuntime.connect(clusters.ClusterFolders(self.name).run)
            try:
                return await runtime.pid(), await runtime.sandboxes(), await runtime.containers()
            finally:
                runtime.close()

        return asyncio.run(ask())


async def _closed_to(count: int) -> None:
    """Wait until no more files are open: TLS takes leave, and the loop must not end before."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_LEAVE_WITHIN_S):
            while descriptors(os.getpid()) > count:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(_LOOK_EVERY_S)


def timed(*arguments: str) -> float:
    """Run one netemu command to its end; return the seconds it took. HostError if it fails."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "netemu", *arguments],
        env={**os.environ, "NETEMU_BEGAN": repr(began)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_COMMAND_WITHIN_S,
        check=False,
    )
    took_s = time.monotonic() - began
    if done.returncode != 0:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise HostError(f"running netemu {' '.join(arguments)}", answer=said)
    return took_s


async def _scale(client: HttpsClient, count: int) -> float:
    """Scale a Deployment of stand-ins from nothing; return the seconds until all are Ready."""
    await client.create(_deployment())
    await _ready(client, 0)
    return await _rescale(client, count)


async def _rescale(client: HttpsClient, count: int) -> float:
    """Ask for another number of Pods; return the seconds until there are as many, Ready."""
    began = time.monotonic()
    await client.patch(
        Deployment, _DEPLOYMENT, _NAMESPACE, {"spec": {"replicas": count}}, how=PatchType.MERGE
    )
    await _ready(client, count)
    return time.monotonic() - began


async def _ready(client: HttpsClient, count: int) -> None:
    """Wait until the Deployment has been seen by its controller and has `count` ready Pods."""
    async with asyncio.timeout(_READY_WITHIN_S):
        deployment = await client.get(Deployment, _DEPLOYMENT, _NAMESPACE)
        events = client.watch(
            Deployment, _NAMESPACE, resource_version=deployment.metadata.resource_version
        )
        while not _settled(deployment, count):
            event = await anext(events)
            if event.type is not EventType.BOOKMARK:
                deployment = event.object


def _settled(deployment: Deployment, count: int) -> bool:
    status = deployment.status
    seen = status.observed_generation >= deployment.metadata.generation
    return seen and status.replicas == status.ready_replicas == count


def _deployment() -> Deployment:
    container = Container(name="web", image="nginx", ports=[ContainerPort(container_port=80)])
    return Deployment(
        metadata=ObjectMeta(name=_DEPLOYMENT, namespace=_NAMESPACE),
        spec=DeploymentSpec(
            replicas=0,
            selector=LabelSelector(match_labels=_LABELS),
            template=PodTemplateSpec(
                metadata=ObjectMeta(labels=_LABELS), spec=PodSpec(containers=[container])
            ),
        ),
    )
