"""What a stand-in Pod costs, and what daemon and zygote cost with a hundred of them."""

from __future__ import annotations

from typing import Final

from netemu.lab.bench.bed import Bed
from netemu.lab.bench.contract import Figure, Samples, Target
from netemu.lab.bench.memory import pss_mib
from netemu.model.runtime import ContainerPhase


def measure(bed: Bed) -> Samples:
    bed.pods()
    zygote, sandboxes, containers = bed.processes()
    of_pods = {each.id for each in sandboxes if each.namespace == "default"}
    pauses = [each.pid for each in sandboxes if each.id in of_pods]
    running = [
        each.pid
        for each in containers
        if each.sandbox in of_pods and each.phase is ContainerPhase.RUNNING
    ]
    daemon_mib, zygote_mib = pss_mib([bed.record().pid]), pss_mib([zygote])
    pause_mib, container_mib = pss_mib(pauses) / len(pauses), pss_mib(running) / len(running)
    return Samples(
        {"pod": pause_mib + container_mib, "base": daemon_mib + zygote_mib},
        {
            "a pause process": pause_mib,
            "a stand-in": container_mib,
            "daemon": daemon_mib,
            "zygote": zygote_mib,
        },
    )


FIGURE: Final = Figure(
    {
        "pod": Target("a stand-in Pod (PSS)", 6.0, "MiB"),
        "base": Target("daemon and zygote (PSS)", 150.0, "MiB", digits=1),
    },
    measure,
    order=5,
)
