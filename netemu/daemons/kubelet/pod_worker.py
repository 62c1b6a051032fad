"""One Pod on its node: plan, act, plan again, until it is gone.

`lifecycle.plan` says what is due; this carries it out and keeps the Pod's memory true.
Exits, probe verdicts, new versions of the Pod and the clock wake the worker; its status
is written by `StatusWriter`, so that a slow API server holds up no container.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from netemu.core.kubelet import eviction, lifecycle
from netemu.core.kubelet.memory import PodMemory, SandboxPhase
from netemu.core.kubelet.volumes import VolumeError
from netemu.daemons.kubelet.container_starter import ContainerStarter
from netemu.daemons.kubelet.containers import Containers
from netemu.daemons.kubelet.context import NodeContext
from netemu.daemons.kubelet.handlers import Handlers
from netemu.daemons.kubelet.pod_dir import PodDir
from netemu.errors import ApiError, HostBusyError, HostError
from netemu.model.core_v1 import Pod
from netemu.model.runtime import ContainerState

log = logging.getLogger(__name__)

_RETRY_S = 2.0
_CREATING_SHOWN_AFTER_S = 1.0
"""A Pod that is up sooner goes from Pending to Running in one status."""


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
        self._containers = Containers(self, node=node, handlers=handlers, starter=self._starter)
        self._wake = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
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
        """A run has ended."""
        if self._containers.note_exit(state):
            self.wake()

    def adopt(self) -> None:
        """Watch over the runs that an earlier kubelet left running."""
        self._containers.adopt()
        if self.memory.pod_ip is not None:
            self._node.host_ports.note(self.pod, self.memory.pod_ip)
        # What changed meanwhile is written, and tokens get a time to be renewed at.
        self._volumes_stale = self.memory.sandbox is SandboxPhase.READY

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
            self._containers.abandon()

    async def _turn(self) -> None:
        plan = lifecycle.plan(self.pod, self.memory, self._node.now())
        for action in plan.actions:
            await self._do(action)
        if plan.actions:
            return
        if self._volumes_stale:
            await self._refresh_volumes()
        self._publish(self, 0.0)
        self._containers.tell_back_off()
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
        log.debug("%s/%s: %s", self.pod.metadata.namespace, self.pod.metadata.name, action)
        match action:
            case lifecycle.MakeSandbox():
                await self._make_sandbox()
            case lifecycle.DropSandbox():
                await self._drop_sandbox()
            case lifecycle.Start(name):
                await self._containers.start(name)
            case lifecycle.BeginStop(name, grace_s, message):
                self._containers.begin_stop(name, grace_s, message)
            case lifecycle.RunHook(name, hook):
                self._containers.begin_hook(name, hook)
            case lifecycle.Send(name, signal):
                await self._containers.send(name, signal)
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
        # What runs by now was found: an earlier kubelet died before it wrote the address.
        self._containers.adopt()

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
        self._containers.lose()
        self.memory.sandbox = SandboxPhase.NONE

    async def _remove_sandbox(self) -> None:
        if not self.pod.spec.host_network:
            await self._node.host_ports.remove(self.pod.metadata.uid)
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

    # --- the end ---------------------------------------------------------------------

    async def evict_if_overfull(self) -> None:
        """Give the Pod up if it fills its empty directories beyond their limits."""
        memory = self.memory
        if memory.sandbox is not SandboxPhase.READY or memory.failed_reason or memory.frozen:
            return
        if limits := eviction.size_limits(self.pod):
            used = await asyncio.to_thread(
                lambda: {name: self.dir.used_bytes(name) for name in limits}
            )
            if (end := eviction.overfull(self.pod, used)) is not None:
                self.fail(end.reason, end.message, grace_s=eviction.GRACE_S)
                self.wake()

    def fail(self, reason: str, message: str, *, grace_s: float | None = None) -> None:
        self.memory.failed_reason = reason
        self.memory.failed_message = message
        self.memory.failed_grace_s = grace_s
        self._node.tell(self.pod, reason, message, warning=True)

    async def _tear_down(self) -> None:
        self._containers.abandon()
        await self._remove_sandbox()
        if self.memory.terminating_since is not None:
            await asyncio.to_thread(self.dir.remove_volumes)  # They may be large.
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
        await asyncio.to_thread(self.dir.remove)
        self._done = True


def _labels(pod: Pod) -> tuple[dict[str, str], dict[str, str]]:
    return pod.metadata.labels, pod.metadata.annotations
