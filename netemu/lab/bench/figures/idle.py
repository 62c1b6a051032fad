"""A large cluster that nobody asks for anything: what it costs to keep it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final

from netemu.errors import HostError
from netemu.lab.bench.bed import Bed
from netemu.lab.bench.contract import Figure, Samples, Target
from netemu.lab.bench.memory import cpu_s, pss_mib
from netemu.model.core_v1 import Pod

_PODS = 300
_NODES = 10
_SETTLED_AFTER_S = 5.0
_OVER_S = 30.0


def measure(_: Bed) -> Samples:
    with Bed(pods=_PODS, nodes=_NODES) as large:
        large.pods()
        time.sleep(_SETTLED_AFTER_S)
        daemon, zygote, others = _processes(large)
        before = [cpu_s(daemon), cpu_s(zygote), _together(others)]
        time.sleep(_OVER_S)
        after = [cpu_s(daemon), cpu_s(zygote), _together(others)]
        used = [(late - early) / _OVER_S for early, late in zip(before, after, strict=True)]
        _require_ready(large)
        return Samples(
            {"idle": sum(used), "idle-memory": pss_mib([daemon, zygote])},
            {
                "of that the daemon, % of a core": 100 * used[0],
                "the zygote": 100 * used[1],
                "all Pods, DNS servers and nodes": 100 * used[2],
            },
        )


def _processes(bed: Bed) -> tuple[int, int, list[int]]:
    zygote, sandboxes, containers = bed.processes()
    others = [each.pid for each in sandboxes] + [each.pid for each in containers if each.pid]
    return bed.record().pid, zygote, others


def _together(pids: Iterable[int]) -> float:
    return sum(map(cpu_s, pids))


def _require_ready(bed: Bed) -> None:
    """HostError if a Pod did not stay Ready, or was started again."""
    for pod in bed.talk(lambda client: client.list(Pod, "default")).items:
        ready = any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions)
        if not ready or any(c.restart_count for c in pod.status.container_statuses):
            answer = f"Pod {pod.metadata.name} did not stay Ready"
            raise HostError("measuring", where=bed.name, answer=answer)


FIGURE: Final = Figure(
    {
        "idle": Target(f"{_PODS} Pods on {_NODES} nodes, idle", 0.2, "core", digits=3),
        "idle-memory": Target("their daemon and zygote (PSS)", 150.0, "MiB", digits=1),
    },
    measure,
    order=10,
)
