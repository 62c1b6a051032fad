"""The kubelet's look at its pods' cables: damage is repaired, and the Pod's Events say so."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from netemu.core.kubelet.memory import SandboxPhase
from netemu.daemons.kubelet.context import NodeContext
from netemu.daemons.kubelet.node_agent import NodeAgent
from netemu.daemons.kubelet.pod_worker import PodWorker
from netemu.host.pod_network_repair import Finding
from netemu.model.runtime import SandboxState

log = logging.getLogger(__name__)


class NetworkWatch:
    """Remembers which links it has complained of."""

    def __init__(self, context: NodeContext, agent: NodeAgent) -> None:
        self._node = context
        self._agent = agent
        self._down: set[Finding] = set()

    async def look(
        self, sandboxes: Iterable[SandboxState], workers: Mapping[str, PodWorker]
    ) -> None:
        """Have the network repaired for the pods that have one."""
        pids = {
            sandbox.id: sandbox.pid
            for sandbox in sandboxes
            if sandbox.alive
            and (worker := workers.get(sandbox.id)) is not None
            and worker.memory.sandbox is SandboxPhase.READY
        }
        findings = await self._node.network.repair(pids)
        down = {finding for finding in findings if finding.down}
        for finding in findings:
            if finding not in self._down:
                self._tell(finding, workers)
        self._down = down
        # Nothing reaches any of its pods.
        await self._agent.network_is(
            "; ".join(f.text for f in findings if f in down and not f.sandbox_id)
        )

    def _tell(self, finding: Finding, workers: Mapping[str, PodWorker]) -> None:
        log.warning("%s: %s", self._node.node.name, finding.text)
        if not finding.sandbox_id:
            self._agent.warn("LinkDown" if finding.down else "NodeRepaired", finding.text)
        elif (worker := workers.get(finding.sandbox_id)) is not None:
            reason = "LinkDown" if finding.down else "PodNetworkRepaired"
            self._node.tell(worker.pod, reason, finding.text, warning=True)
