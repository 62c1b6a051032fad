"""The prober, with handlers that break."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address
from typing import Any, cast

from netemu.core.kubelet.memory import Run
from netemu.daemons.kubelet.context import NodeContext
from netemu.daemons.kubelet.handlers import Handlers
from netemu.daemons.kubelet.pod_worker import PodWorker
from netemu.daemons.kubelet.prober import Probed, Prober
from netemu.model.core_v1 import Container, Pod, Probe, TCPSocketAction


class _Broken:
    async def tcp_action(self, *args: Any) -> None:
        raise ZeroDivisionError(f"for {args[0]}")


class _Node:
    """Hears what is told, and ends the run when it has heard it twice."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.told: list[str] = []

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def tell(self, pod: Pod, reason: str, text: str, **more: object) -> None:
        del pod, more
        self.told.append(f"{reason}: {text}")
        self.run.running = len(self.told) < 2


class _Worker:
    pod = Pod()

    def wake(self) -> None:
        pass


async def test_a_probe_that_breaks_is_told_and_tried_again(caplog) -> None:
    """A bug in one Pod's probe ends neither the probing nor the kubelet."""
    run = Run(id="one", attempt=0, started_at=-100.0)
    node = _Node(run)
    probe = Probe(tcp_socket=TCPSocketAction(port=1), period_seconds=1)
    probed = Probed(
        worker=cast("PodWorker", _Worker()),
        container=Container(name="c", liveness_probe=probe),
        run=run,
        pod_ip=IPv4Address("127.0.0.1"),
        stand_in=False,
    )
    prober = Prober(cast("NodeContext", node), cast("Handlers", _Broken()))
    async with asyncio.timeout(10):
        await prober.follow(probed)
    assert len(node.told) == 2
    assert all("ZeroDivisionError('for 1')" in text for text in node.told)
    assert run.unhealthy == ""
    assert "probing container c" in caplog.text
