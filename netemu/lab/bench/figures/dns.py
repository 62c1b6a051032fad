"""Cached answers of one DNS server that has one core, asked over the Pod network."""

from __future__ import annotations

import os
from typing import Final

from netemu.core import addons, names
from netemu.errors import HostError
from netemu.host.netns import Netns
from netemu.lab.bench import questions
from netemu.lab.bench.bed import Bed
from netemu.lab.bench.contract import Figure, Samples, Target
from netemu.lab.bench.memory import cpu_s
from netemu.model.core_v1 import Pod
from netemu.model.runtime import ContainerPhase

_ANSWERS = 120_000
_WITHIN_S = 10.0


def measure(bed: Bed) -> Samples:
    bed.up()
    node, address, pid = _server(bed)
    server_core, asker_core = _cores()
    before = os.sched_getaffinity(0)
    space = Netns.open(f"/run/netns/{names.node_netns(bed.name, node)}", name=node)
    try:
        os.sched_setaffinity(pid, {server_core})
        os.sched_setaffinity(0, {asker_core})
        used_s = cpu_s(pid)
        load = questions.ask_many(
            space, address, domain="cluster.local", answers=_ANSWERS, within_s=_WITHIN_S
        )
        used_s = cpu_s(pid) - used_s
    finally:
        os.sched_setaffinity(0, before)
        os.sched_setaffinity(pid, before)
        space.close()
    return Samples(
        {"dns": load.answers / load.took_s},
        {
            "answered of a thousand questions": 1000 * load.answers / load.questions,
            "server's core in use, %": 100 * used_s / load.took_s,
            "answers a second of its processor time": load.answers / used_s if used_s else 0.0,
        },
    )


def _cores() -> tuple[int, int]:
    """One core for the server, another for who asks, if there is another."""
    cores = sorted(os.sched_getaffinity(0))
    return cores[0], cores[-1]


def _server(bed: Bed) -> tuple[str, str, int]:
    """Return the node, address and process of one DNS server."""
    pods = bed.talk(lambda client: client.list(Pod, addons.NAMESPACE, labels="k8s-app=kube-dns"))
    _, sandboxes, containers = bed.processes()
    of_pod = {sandbox.id: sandbox.name for sandbox in sandboxes}
    for pod in pods.items:
        for container in containers:
            running = container.phase is ContainerPhase.RUNNING
            if running and of_pod.get(container.sandbox) == pod.metadata.name:
                return pod.spec.node_name, pod.status.pod_ip, container.pid
    raise HostError("measuring DNS", where=bed.name, answer="no DNS server runs")


FIGURE: Final = Figure(
    {"dns": Target("cached DNS answers on one core", 60_000, "/s", at_least=True, digits=0)},
    measure,
    order=2,
)
