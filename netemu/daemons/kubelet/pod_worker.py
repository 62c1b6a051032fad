"""One Pod on its node: plan, act, plan again, until it is gone.

`lifecycle.plan` says what is due; this carries it out and keeps the Pod's memory true.
Exits, probe verdicts, new versions of the Pod and the clock wake the worker; its status
is written by `StatusWriter`, so that a slow API server holds up no container.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress

from netemu.core.kubelet import lifecycle, memory, status
from netemu.core.kubelet.cri_log import last_lines
from netemu.core.kubelet.field_refs import ContainerConfigError
from netemu.core.kubelet.memory import ContainerMemory, Hook, PodMemory, Run, SandboxPhase
from netemu.core.kubelet.volumes import VolumeError
from netemu.daemons.kubelet.container_starter import ContainerStarter, Prepared, is_stand_in
from netemu.daemons.kubelet.context import NodeContext
from netemu.daemons.kubelet.handlers import Handlers
from netemu.daemons.kubelet.hooks import Hooks
from netemu.daemons.kubelet.pod_dir import PodDir
from netemu.daemons.kubelet.prober import Probed, Prober, has_probes
from netemu.errors import ApiError, HostBusyError, HostError
from netemu.model.core_v1 import Pod
from netemu.model.runtime import ContainerState

log = logging.getLogger(__name__)

_RETRY_S = 2.0
_CONFIG_RETRY_S = 10.0
_CREATING_SHOWN_AFTER_S = 0.5
"""A Pod that is up sooner goes from Pending to Running in one status."""
_COMPLAINTS_AFTER_S = 1.0
_LAST_WORDS_MAX = 4096
_LOG_WORDS_MAX = 2048
_LOG_LINES_MAX = 80


class PodWorker:
    """Keeps one Pod as it should be."""

    def __init__(
        self,
        pod: Pod,
        *,
        node: NodeContext,
        handlers: Handlers,
        known: PodMemory,
        publish: Callable[[PodWorker, float], None],
        publish_now: Callable[[PodWorker], Awaitable[None]],
    ) -> None:
        self.pod = pod
        self.memory = known
        self.removed = False
        """The API object is gone: nothing to write any more."""
        self.dir = PodDir(pod, state_dir=node.state_dir, run_dir=node.settings.run_dir)
        self._node = node
        self._publish = publish
        self._publish_now = publish_now
        self._starter = ContainerStarter(node, self.dir)
        self._prober = Prober(node, handlers)
        self._hooks = Hooks(node, handlers)
        self._wake = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: dict[str, asyncio.Task[None]] = {}
        """The prober, or hook, of each run."""
        self._early_exits: dict[str, ContainerState] = {}
        """Exits that came before the answer to the start."""
        self._volumes_stale = False
        self._sandbox_made_at = 0.0
        self._done = False

    # --- what others tell it ---------------------------------------------------------

    def wake(self) -> None:
        self._wake.set()

    def update(self, pod: Pod) -> None:
        """Take a newer version of the Pod."""
        if int(pod.metadata.resource_version or 0) < int(self.pod.metadata.resource_version or 0):
            return
        before = self.pod
        self.pod = pod
        meta = pod.metadata
        if meta.deletion_timestamp != before.metadata.deletion_timestamp:
            self.terminate(float(meta.deletion_grace_period_seconds or 0))
        elif _labels(before) != _labels(pod):
            self._volumes_stale = True  # Downward API files tell labels and annotations.
        self.wake()

    def terminate(self, grace_s: float) -> None:
        self.memory.terminating_since = self._node.now()
        self.memory.grace_s = grace_s
        self.wake()

    def remove(self) -> None:
        """The API object is gone: end everything, write nothing."""
        self.removed = True
        if self.memory.terminating_since is None:
            self.terminate(0.0)
        self.wake()

    def sources_changed(self) -> None:
        """A ConfigMap or Secret that the Pod uses is another."""
        self._volumes_stale = True
        self.memory.retry_at = 0.0
        for known in self.memory.containers.values():
            known.retry_at = 0.0
        self.wake()

    def network_came(self) -> None:
        self.memory.retry_at = 0.0
        self.wake()

    def sandbox_lost(self, seen_at: float) -> None:
        """The runtime had no living sandbox of this Pod at that time."""
        if self.memory.sandbox is SandboxPhase.READY and self._sandbox_made_at < seen_at:
            self.memory.sandbox = SandboxPhase.LOST
            self.wake()

    def exited(self, state: ContainerState) -> None:
        """Note the end of a run."""
        known = self.memory.of(state.name)
        if known.run is None or known.run.id != state.id:
            self._early_exits[state.id] = state
            return
        if not known.run.running:
            return
        memory.note_exit(known.run, state, message=self._last_words(known.run, state.name))
        self._cancel_task(state.name)
        self.wake()

    def tick(self) -> None:
        """Look at what time alone brings about: tokens to renew."""
        due = self._starter.tokens_renewed_at
        if due is not None and self._node.now() >= due:
            self._starter.tokens_renewed_at = None
            self._volumes_stale = True
            self.wake()

    # --- its own loop ----------------------------------------------------------------

    async def run(self) -> None:
        """Work until the Pod is gone."""
        try:
            self._publish(self, _CREATING_SHOWN_AFTER_S)
            while not self._done:
                self._wake.clear()
                await self._turn()
        finally:
            self._cancel_timer()
            for name in list(self._tasks):
                self._cancel_task(name)

    async def _turn(self) -> None:
        plan = lifecycle.plan(self.pod, self.memory, self._node.now())
        for action in plan.actions:
            await self._do(action)
        if plan.actions:
            return
        if self._volumes_stale:
            await self._refresh_volumes()
        self._publish(self, 0.0)
        self._tell_back_off()
        self._set_timer(plan.wake_at)
        await self._wake.wait()

    def _set_timer(self, at: float | None) -> None:
        self._cancel_timer()
        if at is not None:
            delay_s = max(at - self._node.now(), 0.001)
            self._timer = asyncio.get_running_loop().call_later(delay_s, self.wake)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _do(self, action: lifecycle.Action) -> None:
        match action:
            case lifecycle.MakeSandbox():
                await self._make_sandbox()
            case lifecycle.DropSandbox():
                await self._drop_sandbox()
            case lifecycle.Start(name):
                await self._start(name)
            case lifecycle.BeginStop(name, grace_s, message):
                self._begin_stop(name, grace_s, message)
            case lifecycle.RunHook(name, hook):
                self._begin_hook(name, hook)
            case lifecycle.Send(name, signal):
                await self._send(name, signal)
            case lifecycle.Fail(reason, message):
                self.fail(reason, message)
            case lifecycle.TearDown():
                await self._tear_down()
            case lifecycle.Forget():
                await self._forget()

    # --- sandbox ---------------------------------------------------------------------

    async def _make_sandbox(self) -> None:
        node, pod = self._node, self.pod
        if not pod.spec.host_network and not node.network_ready.is_set():
            text = "network is not ready: container runtime network not ready"
            node.tell(pod, "NetworkNotReady", text, warning=True)
            self.memory.retry_at = node.now() + _RETRY_S
            return
        async with node.creating:
            try:
                await self._starter.set_up_volumes(pod)
                address = await self._starter.make_sandbox(pod)
            except (VolumeError, HostError, ApiError) as error:
                self._sandbox_failed(error)
                return
        self._volumes_stale = False
        self._sandbox_made_at = node.now()
        self.memory.generation += 1
        self.memory.pod_ip = address
        self.memory.sandbox = SandboxPhase.READY

    def _sandbox_failed(self, error: Exception) -> None:
        self.memory.retry_at = self._node.now() + _RETRY_S
        if isinstance(error, VolumeError):
            self._node.tell(self.pod, "FailedMount", str(error), warning=True)
        elif not isinstance(error, HostBusyError):
            text = f"Failed to create pod sandbox: {error}"
            self._node.tell(self.pod, "FailedCreatePodSandBox", text, warning=True)
        self._publish(self, 0.0)

    async def _drop_sandbox(self) -> None:
        text = "Pod sandbox changed, it will be killed and re-created."
        self._node.tell(self.pod, "SandboxChanged", text)
        await self._remove_sandbox()
        now = self._node.now()
        for known, run in self.memory.runs():
            self._cancel_task(known.name)
            if run.running:
                run.running, run.ready, run.finished_at = False, False, now
                run.reason, run.exit_code = "ContainerStatusUnknown", 137
        self.memory.sandbox = SandboxPhase.NONE

    async def _remove_sandbox(self) -> None:
        if not self.pod.spec.host_network:
            await self._node.network.detach(sandbox_id=self.pod.metadata.uid)
        await self._node.runtime.remove_sandbox(self.pod.metadata.uid)

    async def _refresh_volumes(self) -> None:
        self._volumes_stale = False
        if self.memory.sandbox is not SandboxPhase.READY:
            return
        try:
            await self._starter.set_up_volumes(self.pod, self.memory.pod_ip)
        except (VolumeError, ApiError) as error:
            self._node.tell(self.pod, "FailedMount", str(error), warning=True)

    # --- containers ------------------------------------------------------------------

    async def _start(self, name: str) -> None:
        node, pod, known = self._node, self.pod, self.memory.of(name)
        container = memory.container_of(pod, name)
        address = self.memory.pod_ip
        if container is None or address is None:
            return
        try:
            prepared = await self._starter.prepare(
                pod, container, attempt=known.next_attempt, address=address
            )
        except ContainerConfigError as error:
            self._config_error(known, str(error))
            return
        node.tell(pod, "Pulled", prepared.resolution.pulled, container=name)
        node.tell(pod, "Created", f"Created container: {name}", container=name)
        try:
            state = await node.runtime.start_container(prepared.spec)
        except HostError as error:
            known.waiting_reason, known.waiting_message = "CreateContainerError", str(error)
            known.retry_at = node.now() + _CONFIG_RETRY_S
            node.tell(pod, "Failed", f"Error: {error}", container=name, warning=True)
            return
        await self._started(known, prepared, state)

    def _config_error(self, known: ContainerMemory, message: str) -> None:
        known.waiting_reason, known.waiting_message = "CreateContainerConfigError", message
        known.retry_at = self._node.now() + _CONFIG_RETRY_S
        text = f"Error: {message}"
        self._node.tell(self.pod, "Failed", text, container=known.name, warning=True)

    async def _started(
        self, known: ContainerMemory, prepared: Prepared, state: ContainerState
    ) -> None:
        resolution = prepared.resolution
        run = memory.run_of(state, image=resolution.image, image_id=resolution.image_id)
        run.generation = self.memory.generation
        outlived, known.last, known.run = known.last, known.run, run
        known.waiting_reason = known.waiting_message = ""
        if known.last is not None:
            known.back_off.note_restart(self._node.now(), known.last.finished_at)
        if outlived is not None:
            await self._node.runtime.remove_container(outlived.id)
            self.dir.remove_log(known.name, outlived.attempt)
        if run.running:
            text = f"Started container {known.name}"
            self._node.tell(self.pod, "Started", text, container=known.name)
            self._watch_over(known, run)
            if is_stand_in(run.image_id):
                self._listen_for_complaints(known.name, run)
        else:
            text = f"Error: {run.message}"
            self._node.tell(self.pod, "Failed", text, container=known.name, warning=True)
        if early := self._early_exits.pop(run.id, None):
            self.exited(early)

    def _watch_over(self, known: ContainerMemory, run: Run, *, adopted: bool = False) -> None:
        container = memory.container_of(self.pod, known.name)
        if container is None or self.memory.pod_ip is None:
            return
        hooks = container.lifecycle
        if hooks is not None and hooks.post_start is not None and not adopted:
            run.post_start = Hook.DUE
        if not has_probes(container):
            run.started = run.ready = True
            return
        run.started = run.started or container.startup_probe is None
        run.ready = run.started and container.readiness_probe is None
        probed = Probed(
            worker=self,
            container=container,
            run=run,
            pod_ip=self.memory.pod_ip,
            stand_in=is_stand_in(run.image_id),
        )
        self._tasks[known.name] = self._node.tasks.create_task(self._prober.follow(probed))

    def _listen_for_complaints(self, name: str, run: Run) -> None:
        """Make events of the ports that a stand-in says it cannot listen on."""

        def hear() -> None:
            with suppress(OSError), open(self.dir.last_words(name, run.attempt)) as file:
                for line in file:
                    text = f"stand-in: {line.partition(': ')[2].strip()}"
                    self._node.tell(self.pod, "PortNotServed", text, container=name, warning=True)

        asyncio.get_running_loop().call_later(_COMPLAINTS_AFTER_S, hear)

    def adopt(self) -> None:
        """Watch over the runs that an earlier kubelet left running."""
        for known, run in self.memory.runs():
            if run.running:
                self._watch_over(known, run, adopted=True)

    def _begin_stop(self, name: str, grace_s: float, message: str) -> None:
        run = self.memory.of(name).run
        container = memory.container_of(self.pod, name)
        if run is None or container is None:
            return
        run.stop = lifecycle.new_stop(container, now=self._node.now(), grace_s=grace_s)
        self._node.tell(self.pod, "Killing", message, container=name)
        if run.unhealthy:
            self._cancel_task(name)

    def _begin_hook(self, name: str, hook: str) -> None:
        run = self.memory.of(name).run
        container = memory.container_of(self.pod, name)
        if run is None or container is None or self.memory.pod_ip is None:
            return
        if hook == "postStart":
            run.post_start = Hook.RUNNING
        elif run.stop is not None:
            run.stop.pre_stop = Hook.RUNNING
        work = self._hooks.carry_out(self, container, run, self.memory.pod_ip, hook)
        self._tasks[f"{name}/{hook}"] = self._node.tasks.create_task(work)

    async def _send(self, name: str, signal: int) -> None:
        run = self.memory.of(name).run
        if run is None or run.stop is None:
            return
        if signal == lifecycle.SIGKILL:
            run.stop.killed_at = self._node.now()
        else:
            run.stop.terminated_at = self._node.now()
        await self._node.runtime.signal_container(run.id, signal)

    def _cancel_task(self, name: str) -> None:
        for key in (name, f"{name}/postStart", f"{name}/preStop"):
            if (task := self._tasks.pop(key, None)) is not None:
                task.cancel()

    def _tell_back_off(self) -> None:
        for known, run in self.memory.runs():
            container = memory.container_of(self.pod, known.name)
            if run.running or run.back_off_told or container is None:
                continue
            due = lifecycle.start_due_at(
                self.pod, container, known, init=container in self.pod.spec.init_containers
            )
            if due is not None and due > self._node.now() and not known.waiting_reason:
                run.back_off_told = True
                label = status.pod_label(self.pod)
                text = f"Back-off restarting failed container {known.name} in pod {label}"
                self._node.tell(self.pod, "BackOff", text, container=known.name, warning=True)

    def _last_words(self, run: Run, name: str) -> str:
        """Return the termination message."""
        data = b""
        with suppress(OSError), open(self.dir.last_words(name, run.attempt), "rb") as file:
            data = file.read(_LAST_WORDS_MAX)
        container = memory.container_of(self.pod, name)
        policy = container.termination_message_policy if container else ""
        if data or policy != "FallbackToLogsOnError":
            return data.decode(errors="replace")
        with suppress(OSError), open(self.dir.log(name, run.attempt), "rb") as file:
            file.seek(max(os.fstat(file.fileno()).st_size - 4 * _LOG_WORDS_MAX, 0))
            return last_lines(file.read(), lines=_LOG_LINES_MAX, max_bytes=_LOG_WORDS_MAX)
        return ""

    # --- the end ---------------------------------------------------------------------

    def fail(self, reason: str, message: str) -> None:
        self.memory.failed_reason = reason
        self.memory.failed_message = message
        self._node.tell(self.pod, reason, message, warning=True)

    async def _tear_down(self) -> None:
        for known in self.memory.containers.values():
            self._cancel_task(known.name)
        await self._remove_sandbox()
        if self.memory.terminating_since is not None:
            self.dir.remove_volumes()
        self.memory.sandbox = SandboxPhase.NONE
        self.memory.torn_down = True

    async def _forget(self) -> None:
        """Write the last status, delete the API object."""
        meta = self.pod.metadata
        if not self.removed:
            await self._publish_now(self)
            try:
                await self._node.client.delete(
                    Pod, meta.name, meta.namespace, uid=meta.uid, grace_period_s=0
                )
            except ApiError as error:
                if not (error.not_found or error.conflict):
                    log.warning("deleting pod %s/%s: %s", meta.namespace, meta.name, error)
                    await asyncio.sleep(_RETRY_S)
                    return
        self.dir.remove()
        self._done = True


def _labels(pod: Pod) -> tuple[dict[str, str], dict[str, str]]:
    return pod.metadata.labels, pod.metadata.annotations
