"""The containers of one Pod: started, watched over, stopped, and what is known of them.

`PodWorker` decides when; this asks the runtime and writes what came of it into the
Pod's memory.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from netemu.core.kubelet import lifecycle, memory, status
from netemu.core.kubelet.cri_log import last_lines
from netemu.core.kubelet.field_refs import ContainerConfigError
from netemu.core.kubelet.image_rules import (
    InvalidImageNameError,
    NeverPulledError,
    NoSuchImageError,
    next_pull_delay_s,
)
from netemu.core.kubelet.memory import ContainerMemory, Hook, PodMemory, Run
from netemu.daemons.kubelet.container_starter import ContainerStarter, Prepared, is_stand_in
from netemu.daemons.kubelet.context import NodeContext
from netemu.daemons.kubelet.handlers import Handlers
from netemu.daemons.kubelet.hooks import Hooks
from netemu.daemons.kubelet.pod_dir import PodDir
from netemu.daemons.kubelet.prober import Probed, Prober, has_probes
from netemu.errors import HostError
from netemu.model.core_v1 import Container, EphemeralContainer, Pod
from netemu.model.runtime import ContainerState

if TYPE_CHECKING:
    from netemu.daemons.kubelet.pod_worker import PodWorker

_CONFIG_RETRY_S = 10.0
_IMAGE_EVENTS = {
    NeverPulledError.reason: NeverPulledError.reason,
    InvalidImageNameError.reason: "InspectFailed",
}
_PULL_FAILURE_SHOWN_S = 2.0
"""Before ErrImagePull becomes ImagePullBackOff."""
_COMPLAINTS_AFTER_S = 1.0
_LAST_WORDS_MAX = 4096
_LOG_WORDS_MAX = 2048
_LOG_LINES_MAX = 80


class Containers:
    """One Pod's containers."""

    def __init__(
        self, worker: PodWorker, *, node: NodeContext, handlers: Handlers, starter: ContainerStarter
    ) -> None:
        self._worker = worker
        self._node = node
        self._starter = starter
        self._prober = Prober(node, handlers)
        self._hooks = Hooks(node, handlers)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        """The prober, or hook, of each run."""
        self._early_exits: dict[str, ContainerState] = {}
        """Exits that came before the answer to the start."""

    @property
    def _pod(self) -> Pod:
        return self._worker.pod

    @property
    def _memory(self) -> PodMemory:
        return self._worker.memory

    @property
    def _dir(self) -> PodDir:
        return self._worker.dir

    def note_exit(self, state: ContainerState) -> bool:
        """Write the end of a run down; False if it is not news."""
        known = self._memory.of(state.name)
        if known.run is None or known.run.id != state.id:
            self._early_exits[state.id] = state
            return False
        if not known.run.running:
            return False
        memory.note_exit(known.run, state, message=self._last_words(known.run, state.name))
        self._cancel(state.name)
        if known.run.reason == "OOMKilled":
            self._tell_oom(state.name)
        return True

    def _tell_oom(self, name: str) -> None:
        container = memory.container_of(self._pod, name)
        limit = container.resources.limits.get("memory") if container else None
        text = f"Container {name} was killed: it wanted more memory than its limit"
        text += f" of {limit}" if limit else ""
        self._node.tell(self._pod, "OOMKilling", text, container=name, warning=True)

    def abandon(self) -> None:
        """Stop probing and hooking."""
        for key in list(self._tasks):
            self._tasks.pop(key).cancel()

    def lose(self) -> None:
        """Write down that all runs ended with their sandbox."""
        self.abandon()
        for _, run in self._memory.runs():
            if run.running:
                run.running, run.ready, run.finished_at = False, False, self._node.now()
                run.reason, run.exit_code = "ContainerStatusUnknown", 137

    async def start(self, name: str) -> None:
        node, pod, known = self._node, self._pod, self._memory.of(name)
        container = memory.container_of(pod, name)
        address = self._memory.pod_ip
        if container is None or address is None:
            return
        try:
            prepared = await self._starter.prepare(
                pod,
                container,
                attempt=known.next_attempt,
                address=address,
                pid_of=self._target_of(container),
            )
        except NoSuchImageError as error:
            self._not_pulled(known, error)
            return
        except ContainerConfigError as error:
            self._config_error(known, str(error), reason=error.reason)
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

    def _target_of(self, container: Container) -> str:
        """Return the run whose processes an ephemeral container asks to see, or nothing."""
        if not isinstance(container, EphemeralContainer) or not container.target_container_name:
            return ""
        target = self._memory.current(container.target_container_name)
        if target is None or not target.running:
            name = container.target_container_name
            raise ContainerConfigError(f'target container "{name}" is not running')
        return target.id

    def _config_error(self, known: ContainerMemory, message: str, *, reason: str) -> None:
        known.waiting_reason, known.waiting_message = reason, message
        known.retry_at = self._node.now() + _CONFIG_RETRY_S
        text = f"Error: {message}"
        if reason in _IMAGE_EVENTS:
            event = _IMAGE_EVENTS[reason]
            self._node.tell(self._pod, event, message, container=known.name, warning=True)
            text = f"Error: {reason}"
        self._node.tell(self._pod, "Failed", text, container=known.name, warning=True)

    def _not_pulled(self, known: ContainerMemory, error: NoSuchImageError) -> None:
        """Fail like a pull, then wait like a kubelet that will try again."""
        now, waits = self._node.now(), f'Back-off pulling image "{error.image}"'
        if now < known.pull_at:
            known.waiting_reason = "ImagePullBackOff"
            known.waiting_message = f"{waits}: ErrImagePull: {error}"
            known.retry_at = known.pull_at
            self._node.tell(self._pod, "BackOff", waits, container=known.name)
        else:
            known.pull_delay_s = next_pull_delay_s(known.pull_delay_s)
            known.pull_at = now + known.pull_delay_s
            known.waiting_reason, known.waiting_message = error.reason, str(error)
            known.retry_at = now + _PULL_FAILURE_SHOWN_S
            pulling = f'Pulling image "{error.image}"'
            failed = f'Failed to pull image "{error.image}": {error}'
            self._node.tell(self._pod, "Pulling", pulling, container=known.name)
            self._node.tell(self._pod, "Failed", failed, container=known.name, warning=True)
        text = f"Error: {known.waiting_reason}"
        self._node.tell(self._pod, "Failed", text, container=known.name, warning=True)

    async def _started(
        self, known: ContainerMemory, prepared: Prepared, state: ContainerState
    ) -> None:
        resolution = prepared.resolution
        run = memory.run_of(state, image=resolution.image, image_id=resolution.image_id)
        run.generation = self._memory.generation
        outlived, known.last, known.run = known.last, known.run, run
        known.waiting_reason = known.waiting_message = ""
        known.pull_delay_s = known.pull_at = 0.0
        if known.last is not None:
            known.back_off.note_restart(self._node.now(), known.last.finished_at)
        if outlived is not None:
            await self._node.runtime.remove_container(outlived.id)
            self._dir.remove_log(known.name, outlived.attempt)
        if run.running:
            text = f"Started container {known.name}"
            self._node.tell(self._pod, "Started", text, container=known.name)
            self._watch_over(known, run)
            if is_stand_in(run.image_id):
                self._listen_for_complaints(known.name, run)
        else:
            text = f"Error: {run.message}"
            self._node.tell(self._pod, "Failed", text, container=known.name, warning=True)
        if early := self._early_exits.pop(run.id, None):
            self.note_exit(early)

    def _watch_over(self, known: ContainerMemory, run: Run, *, adopted: bool = False) -> None:
        container = memory.container_of(self._pod, known.name)
        if container is None or self._memory.pod_ip is None:
            return
        hooks = container.lifecycle
        if hooks is not None and hooks.post_start is not None and not adopted:
            run.post_start = Hook.DUE
        if not has_probes(container):
            run.started = run.ready = True
            return
        run.started = run.started or container.startup_probe is None
        run.ready = run.started and (run.ready or container.readiness_probe is None)
        probed = Probed(
            worker=self._worker,
            container=container,
            run=run,
            pod_ip=self._memory.pod_ip,
            stand_in=is_stand_in(run.image_id),
        )
        self._tasks[known.name] = self._node.tasks.create_task(self._prober.follow(probed))

    def _listen_for_complaints(self, name: str, run: Run) -> None:
        """Make events of the ports that a stand-in says it cannot listen on."""

        def hear() -> None:
            with suppress(OSError), open(self._dir.last_words(name, run.attempt)) as file:
                for line in file:
                    text = f"stand-in: {line.partition(': ')[2].strip()}"
                    self._node.tell(self._pod, "PortNotServed", text, container=name, warning=True)

        asyncio.get_running_loop().call_later(_COMPLAINTS_AFTER_S, hear)

    def adopt(self) -> None:
        """Watch over the runs that an earlier kubelet left running."""
        for known, run in self._memory.runs():
            if run.running:
                run.generation = self._memory.generation
                self._watch_over(known, run, adopted=True)

    def begin_stop(self, name: str, grace_s: float, message: str) -> None:
        run = self._memory.of(name).run
        container = memory.container_of(self._pod, name)
        if run is None or container is None:
            return
        run.stop = lifecycle.new_stop(container, now=self._node.now(), grace_s=grace_s)
        self._node.tell(self._pod, "Killing", message, container=name)
        if run.unhealthy:
            self._cancel(name)

    def begin_hook(self, name: str, hook: str) -> None:
        run = self._memory.of(name).run
        container = memory.container_of(self._pod, name)
        if run is None or container is None or self._memory.pod_ip is None:
            return
        if hook == "postStart":
            run.post_start = Hook.RUNNING
        elif run.stop is not None:
            run.stop.pre_stop = Hook.RUNNING
        work = self._hooks.carry_out(self._worker, container, run, self._memory.pod_ip, hook)
        self._tasks[f"{name}/{hook}"] = self._node.tasks.create_task(work)

    async def send(self, name: str, signal: int) -> None:
        run = self._memory.of(name).run
        if run is None or run.stop is None:
            return
        if run.stop.terminated_at is None:
            run.stop.terminated_at = self._node.now()
        else:
            run.stop.killed_at = self._node.now()
        await self._node.runtime.signal_container(run.id, signal)

    def _cancel(self, name: str) -> None:
        for key in (name, f"{name}/postStart", f"{name}/preStop"):
            if (task := self._tasks.pop(key, None)) is not None:
                task.cancel()

    def tell_back_off(self) -> None:
        for known, run in self._memory.runs():
            container = memory.container_of(self._pod, known.name)
            if run.running or run.back_off_told or container is None:
                continue
            due = lifecycle.start_due_at(
                self._pod, container, known, init=container in self._pod.spec.init_containers
            )
            if due is not None and due > self._node.now() and not known.waiting_reason:
                run.back_off_told = True
                label = status.pod_label(self._pod)
                text = f"Back-off restarting failed container {known.name} in pod {label}"
                self._node.tell(self._pod, "BackOff", text, container=known.name, warning=True)

    def _last_words(self, run: Run, name: str) -> str:
        """Return the termination message."""
        data = b""
        with suppress(OSError), open(self._dir.last_words(name, run.attempt), "rb") as file:
            data = file.read(_LAST_WORDS_MAX)
        container = memory.container_of(self._pod, name)
        policy = container.termination_message_policy if container else ""
        if data or policy != "FallbackToLogsOnError":
            return data.decode(errors="replace")
        with suppress(OSError), open(self._dir.log(name, run.attempt), "rb") as file:
            file.seek(max(os.fstat(file.fileno()).st_size - 4 * _LOG_WORDS_MAX, 0))
            return last_lines(file.read(), lines=_LOG_LINES_MAX, max_bytes=_LOG_WORDS_MAX)
        return ""
