"""The kubelet: makes what the API server says of one node come true on the host.

It watches the Pods bound to its node, gives each a worker, and tells the workers what
the runtime and the API server say. After a restart it adopts what runs: the same UIDs,
restart counts and addresses; sandboxes that belong to no Pod any more are removed.
"""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import PurePosixPath

from netemu.client.contract import Client
from netemu.client.events import EventRecorder
from netemu.client.informer import Informer, Informers
from netemu.core.kubelet.admission import admit
from netemu.core.kubelet.cri_log import LogFilter
from netemu.core.kubelet.memory import Run, container_of
from netemu.core.kubelet.not_honoured import not_honoured
from netemu.core.kubelet.status import previous_run, why_no_log
from netemu.core.kubelet.volumes import names_used
from netemu.daemons.kubelet import adoption, attach, host_facts, logs
from netemu.daemons.kubelet.attach import Attached, RefusedExec
from netemu.daemons.kubelet.context import NodeContext
from netemu.daemons.kubelet.handlers import Handlers
from netemu.daemons.kubelet.host_port_rules import HostPortRules
from netemu.daemons.kubelet.network_watch import NetworkWatch
from netemu.daemons.kubelet.node_agent import NodeAgent
from netemu.daemons.kubelet.pod_dir import folders_of_all, remove_folder
from netemu.daemons.kubelet.pod_worker import PodWorker
from netemu.daemons.kubelet.sources import ObjectSources
from netemu.daemons.kubelet.status_writer import StatusWriter
from netemu.errors import ApiError, HostError
from netemu.host.contract import ExecSession, PodNetwork, Runtime, SandboxPorts
from netemu.host.netns import Netns
from netemu.model.core_v1 import Node, Pod
from netemu.model.keys import ObjectKey
from netemu.model.runtime import ContainerPhase, SandboxKind, SandboxState
from netemu.model.settings import ClusterSettings, NodeSettings

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 10.0
_RECONNECT_S = 0.2
_YOUNG_S = 10.0
_SHELL_CODES = {errno.ENOENT: 127, errno.EACCES: 126}
"""What a shell says of a program that is not there, or that may not be run."""
_TERMINAL = ("Succeeded", "Failed")


class Kubelet:
    """One node's kubelet."""

    def __init__(
        self,
        *,
        client: Client,
        settings: ClusterSettings,
        node: NodeSettings,
        runtime: Runtime,
        network: PodNetwork,
        netns: Netns,
        clock: Callable[[], datetime],
        state_dir: PurePosixPath,
    ) -> None:
        self._client = client
        self._settings = settings
        self._node = node
        self._runtime = runtime
        self._network = network
        self._netns = netns
        self._clock = clock
        self._state_dir = state_dir
        self._workers: dict[str, PodWorker] = {}
        self._finished: set[str] = set()
        """UIDs whose worker is done but whose removal has not been seen yet."""
        self._world = adoption.World()
        self._look_now = asyncio.Event()

    async def run(self) -> None:
        """Run until cancelled. Containers go on without it."""
        self._workers.clear()
        self._finished.clear()
        async with asyncio.TaskGroup() as tasks:
            informers = Informers(self._client, task_group=tasks)
            self._context = self._make_context(informers, tasks)
            self._handlers = Handlers(netns=self._netns, runtime=self._runtime)
            self._statuses = StatusWriter(self._context)
            self._agent = NodeAgent(
                self._context,
                informer=informers.of(Node, fields=f"metadata.name={self._node.name}"),
                network_came=self._network_came,
            )
            self._network_watch = NetworkWatch(self._context, self._agent)
            tasks.create_task(self._context.events.run())
            tasks.create_task(self._agent.run())
            tasks.create_task(self._statuses.run())
            tasks.create_task(self._follow_exits())
            pods = informers.of(Pod, fields=f"spec.nodeName={self._node.name}")
            await self._adopt(pods)
            tasks.create_task(self._keep_looking())
            tasks.create_task(self._keep_host_ports())

    # --- what the API server's streams ask for -----------------------------------------

    def require_running(self, pod: Pod, container: str) -> Run:
        """Return the container's run; ApiError if there is none."""
        run = self._run_of(pod, container)
        if run is None or not run.running:
            raise _not_running(container)
        return run

    async def open_exec(
        self,
        pod: Pod,
        container: str,
        argv: Sequence[str],
        *,
        stdin: bool,
        tty: bool,
    ) -> ExecSession:
        """Start a process in a running container; ApiError if there is none."""
        run = self.require_running(pod, container)
        try:
            return await self._runtime.exec(run.id, argv, tty=tty, stdin=stdin)
        except HostError as error:
            if error.errno in _SHELL_CODES:
                why = f"OCI runtime exec failed: {error.answer}: unknown"
                return RefusedExec(why, exit_code=_SHELL_CODES[error.errno])
            raise ApiError(500, "InternalError", f"error executing command: {error}") from error

    async def open_attach(self, pod: Pod, container: str, *, stdin: bool = False) -> ExecSession:
        """Join a running container's output, and its input if it has one."""
        run = self.require_running(pod, container)
        try:
            session = await self._runtime.attach(run.id, stdin=stdin)
        except HostError as error:
            raise ApiError(500, "InternalError", f"error attaching: {error}") from error
        before: list[tuple[int, bytes]] = []
        worker = self._workers.get(pod.metadata.uid)
        if worker is not None and self._context.now() - run.started_at < _YOUNG_S:
            path = worker.dir.log(container, run.attempt)
            before = await asyncio.to_thread(attach.read_before, path, session.logged_bytes)
        if stdin and not session.has_input:
            declared = container_of(pod, container)
            has_ended = declared is not None and declared.stdin
            before.append((2, attach.INPUT_ENDED if has_ended else attach.NO_INPUT))
        return Attached(session, before)

    async def open_ports(self, pod: Pod) -> SandboxPorts:
        """Find the way to the Pod's ports; ApiError if it has no sandbox."""
        from netemu.host.sandbox_ports import LinuxSandboxPorts

        meta = pod.metadata
        try:
            for sandbox in await self._runtime.sandboxes():
                if sandbox.id == meta.uid and sandbox.alive:
                    return LinuxSandboxPorts.open(sandbox)
        except HostError as error:
            raise ApiError(500, "InternalError", f"error forwarding ports: {error}") from error
        text = f'unable to upgrade connection: pod not found ("{meta.name}_{meta.namespace}")'
        raise ApiError(500, "InternalError", text)

    async def read_log(
        self,
        pod: Pod,
        container: str,
        *,
        follow: bool = False,
        previous: bool = False,
        since: float | None = None,
        tail_lines: int | None = None,
        timestamps: bool = False,
        limit_bytes: int | None = None,
    ) -> AsyncIterator[bytes]:
        """Yield a container's log, of what is younger than `since`; ApiError if there is none."""
        worker = self._workers.get(pod.metadata.uid)
        run = self._run_of(pod, container, previous=previous)
        if worker is None or run is None:
            raise _no_log(pod, container, previous=previous)
        chosen = LogFilter(
            since=None if since is None else datetime.fromtimestamp(since, UTC),
            tail_lines=tail_lines,
            timestamps=timestamps,
            limit_bytes=limit_bytes,
        )
        path = worker.dir.log(container, run.attempt)
        try:
            async for data in logs.read(
                path, chosen, follow=follow and not previous, running=lambda: run.running
            ):
                yield data
        except FileNotFoundError:
            raise _no_log(pod, container, previous=previous) from None

    def _run_of(self, pod: Pod, container: str, *, previous: bool = False) -> Run | None:
        worker = self._workers.get(pod.metadata.uid)
        if worker is None:
            return None
        known = worker.memory.containers.get(container)
        if known is None:
            return None
        return previous_run(pod, known) if previous else known.run

    # --- Pods ------------------------------------------------------------------------

    def _make_context(self, informers: Informers, tasks: asyncio.TaskGroup) -> NodeContext:
        return NodeContext(
            client=self._client,
            settings=self._settings,
            node=self._node,
            runtime=self._runtime,
            network=self._network,
            netns=self._netns,
            clock=self._clock,
            state_dir=self._state_dir,
            facts=host_facts.observe(),
            events=EventRecorder(
                self._client, component="kubelet", host=self._node.name, clock=self._clock
            ),
            sources=ObjectSources(informers, changed=self._source_changed),
            tasks=tasks,
            host_ports=HostPortRules(settings=self._settings, node=self._node, netns=self._netns),
        )

    async def _adopt(self, pods: Informer[Pod]) -> None:
        """Take over what runs, then follow the Pods, then remove what is nobody's."""
        self._world = await self._observe()
        await pods.synced()
        pods.subscribe(self._pod_changed)
        mine = {pod.metadata.uid for pod in pods.list()}
        await self._network.prune(mine)
        for uid in self._world.sandboxes.keys() - mine:
            await self._runtime.remove_sandbox(uid)
        await self._clear_folders()

    async def _clear_folders(self) -> None:
        """Remove the files of Pods that went while no kubelet looked, of whatever node."""
        # Looked at first: a folder that comes later belongs to a Pod that is known by then.
        folders = folders_of_all(state_dir=self._state_dir, run_dir=self._settings.run_dir)
        known = {sandbox.id for sandbox in await self._runtime.sandboxes()}
        known |= {pod.metadata.uid for pod in (await self._client.list(Pod)).items}
        for uid in folders.keys() - known:
            for folder in folders[uid]:
                await asyncio.to_thread(remove_folder, folder)

    async def _keep_host_ports(self) -> None:
        """Follow the node's host ports, once all Pods that have them are known."""
        await self._context.network_ready.wait()
        await self._context.host_ports.follow(inherited=bool(self._world.sandboxes))

    async def _observe(self) -> adoption.World:
        sandboxes = await self._runtime.sandboxes()
        containers = await self._runtime.containers()
        mine = [
            sandbox
            for sandbox in sandboxes
            if sandbox.node == self._node.name and sandbox.kind is SandboxKind.POD
        ]
        return adoption.World.of(mine, containers)

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        if old is not None and (new is None or new.metadata.uid != old.metadata.uid):
            self._pod_gone(old)
        if new is None or new.metadata.uid in self._finished:
            return
        worker = self._workers.get(new.metadata.uid)
        if worker is not None:
            worker.update(new)
        else:
            self._begin(new)

    def _pod_gone(self, pod: Pod) -> None:
        self._finished.discard(pod.metadata.uid)
        if (worker := self._workers.get(pod.metadata.uid)) is not None:
            worker.remove()

    def _begin(self, pod: Pod) -> None:
        """Give the Pod a worker."""
        context = self._context
        known = adoption.remember(pod, self._world, now=context.now())
        worker = PodWorker(
            pod,
            node=context,
            handlers=self._handlers,
            known=known,
            publish=self._statuses.soon,
            publish_now=self._statuses.write,
        )
        if not pod.status.start_time:
            self._admit(worker)
            if gaps := not_honoured(pod):
                context.tell(pod, "NotHonoured", gaps.message, warning=gaps.matters)
        self._workers[pod.metadata.uid] = worker
        worker.adopt()
        if pod.metadata.deletion_timestamp:
            worker.terminate(float(pod.metadata.deletion_grace_period_seconds or 0))
        context.tasks.create_task(self._work(worker), name=f"pod {pod.metadata.name}")

    def _admit(self, worker: PodWorker) -> None:
        others = [
            other.pod
            for other in self._workers.values()
            if other.pod.status.phase not in _TERMINAL
            and not (other.removed or other.memory.failed_reason or other.memory.torn_down)
        ]
        labels = self._agent.labels()
        refusal = admit(worker.pod, others=others, labels=labels, max_pods=self._node.max_pods)
        if refusal is not None:
            worker.fail(refusal.reason, refusal.message)

    async def _work(self, worker: PodWorker) -> None:
        uid = worker.pod.metadata.uid
        while True:
            try:
                await worker.run()
                break
            except (HostError, ApiError, OSError) as error:
                meta = worker.pod.metadata
                log.warning("pod %s/%s: %s", meta.namespace, meta.name, error)
                await asyncio.sleep(_RECONNECT_S)  # Level-triggered: it plans anew.
        if not worker.removed:
            self._finished.add(uid)
        self._workers.pop(uid, None)
        self._statuses.forget(uid)

    # --- news ------------------------------------------------------------------------

    def _network_came(self) -> None:
        for worker in self._workers.values():
            worker.network_came()

    def _source_changed(self, kind: str, key: ObjectKey) -> None:
        for worker in self._workers.values():
            if worker.pod.metadata.namespace == key.namespace:
                config_maps, secrets = names_used(worker.pod)
                if key.name in (config_maps if kind == "ConfigMap" else secrets):
                    worker.sources_changed()

    async def _follow_exits(self) -> None:
        while True:
            try:
                async for state in self._runtime.events():
                    if isinstance(state, SandboxState):
                        # Only a hint: by now there may be another one of that name.
                        if state.id in self._workers:
                            self._look_now.set()
                    elif (worker := self._workers.get(state.sandbox)) is not None:
                        worker.exited(state)
            except HostError as error:
                log.warning("following the runtime's events: %s", error)
            await asyncio.sleep(_RECONNECT_S)

    async def _keep_looking(self) -> None:
        while True:
            try:
                await self.look_around()
            except HostError as error:
                log.warning("looking at the runtime: %s", error)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._look_now.wait(), _LOOK_EVERY_S)
            self._look_now.clear()

    async def look_around(self) -> None:
        """Find what no event has told: the kubelet's relist. It happens now and then."""
        began_at = self._context.now()
        world = await self._observe()
        for uid, worker in list(self._workers.items()):
            worker.tick()
            await worker.evict_if_overfull()
            sandbox = world.sandboxes.get(uid)
            if sandbox is None or not sandbox.alive:
                worker.sandbox_lost(began_at)
            for state in world.containers.get(uid, ()):
                if state.phase is not ContainerPhase.RUNNING:
                    worker.exited(state)
        await self._network_watch.look(world.sandboxes.values(), self._workers)


def _not_running(container: str) -> ApiError:
    return ApiError(500, "InternalError", f'container "{container}" is not running', kind="pods")


def _no_log(pod: Pod, container: str, *, previous: bool) -> ApiError:
    name = pod.metadata.name
    if previous:
        text = f'previous terminated container "{container}" in pod "{name}" not found'
    else:
        why = why_no_log(pod, container)
        text = f'container "{container}" in pod "{name}" is waiting to start: {why}'
    return ApiError(400, "BadRequest", text)
