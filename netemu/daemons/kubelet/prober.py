"""Probing one run of one container, until it ends.

A task for each probe; startup first, the others when it has succeeded. Verdicts are
written into the run, and the Pod's worker is told.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from netemu.core.kubelet import probes
from netemu.core.kubelet.memory import Run
from netemu.core.kubelet.probes import Outcome, ProbeKind, ProbeResult, ProbeState
from netemu.daemons.kubelet.context import NodeContext
from netemu.daemons.kubelet.handlers import Handlers
from netemu.model.core_v1 import Container, Probe

if TYPE_CHECKING:
    from netemu.daemons.kubelet.pod_worker import PodWorker

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """Whom the probes are about, and whom they tell."""

    worker: PodWorker
    container: Container
    run: Run
    pod_ip: IPv4Address
    stand_in: bool

    def changed(self) -> None:
        self.worker.wake()


def has_probes(container: Container) -> bool:
    return any(probes.probe_of(container, kind) is not None for kind in ProbeKind)


class Prober:
    """Runs the probes of one node."""

    def __init__(self, node: NodeContext, handlers: Handlers) -> None:
        self._node = node
        self._handlers = handlers

    async def follow(self, probed: Probed) -> None:
        """Probe until the run ends or the task is cancelled."""
        startup = None if probed.run.started else probed.container.startup_probe
        if startup is not None and not await self._until_started(probed, startup):
            return
        probed.run.started = True
        if probed.container.readiness_probe is None:
            probed.run.ready = True
        probed.changed()
        async with asyncio.TaskGroup() as group:
            for kind in (ProbeKind.LIVENESS, ProbeKind.READINESS):
                if (probe := probes.probe_of(probed.container, kind)) is not None:
                    group.create_task(self._keep_probing(probed, kind, probe))

    async def _until_started(self, probed: Probed, probe: Probe) -> bool:
        state = probes.state_of(ProbeKind.STARTUP, probe, started_at=probed.run.started_at)
        verdict = await self._next_verdict(probed, probe, state)
        if verdict is False:
            probed.run.unhealthy = "startup"
            probed.changed()
        return bool(verdict)

    async def _keep_probing(self, probed: Probed, kind: ProbeKind, probe: Probe) -> None:
        state = probes.state_of(kind, probe, started_at=probed.run.started_at)
        while (verdict := await self._next_verdict(probed, probe, state)) is not None:
            if kind is ProbeKind.READINESS:
                probed.run.ready = verdict
                probed.changed()
            elif not verdict:
                probed.run.unhealthy = "liveness"
                probed.changed()
                return  # Held until there is a new run.

    async def _next_verdict(self, probed: Probed, probe: Probe, state: ProbeState) -> bool | None:
        """Probe until the verdict changes; None when the run has ended."""
        while True:
            now = self._node.now()
            if state.next_at > now:
                await asyncio.sleep(state.next_at - now)
            stopping = probed.run.stop is not None and state.kind is not ProbeKind.READINESS
            if not probed.run.running or stopping:
                return None
            result = await self._probe_or_say_why_not(probed, probe, state.timeout_s)
            now = self._node.now()
            settling = state.settling(result, now)
            state.next_at = state.next_after(now, settling=settling)
            if settling:
                continue
            self._tell(probed, state.kind, result)
            if state.record(result):
                return state.verdict

    async def _probe_or_say_why_not(
        self, probed: Probed, probe: Probe, timeout_s: float
    ) -> ProbeResult:
        try:
            return await self._probe(probed, probe, timeout_s)
        except Exception as error:
            # One Pod's probe must not cost its neighbours their kubelet.
            log.exception("probing container %s", probed.container.name)
            return ProbeResult(Outcome.ERROR, f"the probe broke: {error!r}")

    async def _probe(self, probed: Probed, probe: Probe, timeout_s: float) -> ProbeResult:
        container, run = probed.container, probed.run
        if probe.exec is not None:
            return await self._handlers.exec(
                run.id, probe.exec.command, timeout_s, stand_in=probed.stand_in
            )
        if (http := probe.http_get) is not None:
            if probed.stand_in and http.scheme == "HTTPS":
                # A stand-in speaks no TLS: that it listens must do.
                host = http.host or str(probed.pod_ip)
                return await self._handlers.tcp_action(http.port, host, container, timeout_s)
            return await self._handlers.http(http, container, probed.pod_ip, timeout_s)
        if (tcp := probe.tcp_socket) is not None:
            host = tcp.host or str(probed.pod_ip)
            return await self._handlers.tcp_action(tcp.port, host, container, timeout_s)
        if (grpc := probe.grpc) is not None:
            return await self._handlers.grpc(grpc, str(probed.pod_ip), timeout_s)
        return ProbeResult(Outcome.ERROR, "missing probe handler")

    def _tell(self, probed: Probed, kind: ProbeKind, result: ProbeResult) -> None:
        name = probed.container.name
        if result.warning:
            text = f"{kind.value.capitalize()} probe warning: {result.warning}"
            self._node.tell(probed.worker.pod, "ProbeWarning", text, container=name, warning=True)
        elif result.outcome is not Outcome.SUCCESS:
            text = probes.event_message(kind, result)
            self._node.tell(probed.worker.pod, "Unhealthy", text, container=name, warning=True)
