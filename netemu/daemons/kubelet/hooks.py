"""postStart and preStop: what a container asks to have done at its start and before its end."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from netemu.core.kubelet.memory import Hook, Run
from netemu.core.kubelet.probes import Outcome, ProbeResult
from netemu.daemons.kubelet.container_starter import is_stand_in
from netemu.daemons.kubelet.context import NodeContext
from netemu.daemons.kubelet.handlers import Handlers
from netemu.model.core_v1 import Container, LifecycleHandler

if TYPE_CHECKING:
    from netemu.daemons.kubelet.pod_worker import PodWorker

_HOOK_TIMEOUT_S = 3600.0
"""preStop ends with the grace period, postStart when it ends."""


class Hooks:
    """Carries hooks out and writes their end into the run."""

    def __init__(self, node: NodeContext, handlers: Handlers) -> None:
        self._node = node
        self._handlers = handlers

    async def carry_out(
        self, worker: PodWorker, container: Container, run: Run, pod_ip: IPv4Address, hook: str
    ) -> None:
        lifecycle = container.lifecycle
        if lifecycle is None:
            return
        wanted = lifecycle.post_start if hook == "postStart" else lifecycle.pre_stop
        result = await self._do(wanted, container, run, pod_ip) if wanted else None
        failed = result is not None and result.outcome is not Outcome.SUCCESS
        if failed and result is not None:
            reason = "FailedPostStartHook" if hook == "postStart" else "FailedPreStopHook"
            text = f"{'PostStartHook' if hook == 'postStart' else 'PreStopHook'} failed"
            if result.message:
                text = f"{text}: {result.message}"
            self._node.tell(worker.pod, reason, text, container=container.name, warning=True)
        if hook == "postStart":
            run.post_start = Hook.DONE
            if failed:
                run.unhealthy = "postStart"
        elif run.stop is not None:
            run.stop.pre_stop = Hook.DONE
        worker.wake()

    async def _do(
        self, hook: LifecycleHandler, container: Container, run: Run, pod_ip: IPv4Address
    ) -> ProbeResult:
        if hook.exec is not None:
            stand_in = is_stand_in(run.image_id)
            return await self._handlers.exec(
                run.id, hook.exec.command, _HOOK_TIMEOUT_S, stand_in=stand_in
            )
        if hook.http_get is not None:
            return await self._handlers.http(hook.http_get, container, pod_ip, _HOOK_TIMEOUT_S)
        if hook.sleep is not None:
            await asyncio.sleep(hook.sleep.seconds)
        elif hook.tcp_socket is not None:
            tcp = hook.tcp_socket
            host = tcp.host or str(pod_ip)
            return await self._handlers.tcp_action(tcp.port, host, container, _HOOK_TIMEOUT_S)
        return ProbeResult(Outcome.SUCCESS)
