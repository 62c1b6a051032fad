"""A command in a container: over an open client, and as the whole verb."""

from __future__ import annotations

import time
from statistics import median
from typing import Final

from netemu.client.https import HttpsClient
from netemu.client.streams import run_in_pod
from netemu.lab.bench.bed import Bed, timed
from netemu.lab.bench.contract import Figure, Samples, Target
from netemu.model.core_v1 import Pod

_TIMES = 20


def measure(bed: Bed) -> Samples:
    bed.pods()
    pod, trips = bed.talk(_trips)
    verb_s = timed("exec", "--cluster", bed.name, pod, "--", "true")
    return Samples(
        {"exec": median(trips), "exec-verb": verb_s},
        {"the slowest of them": max(trips), "the fastest": min(trips)},
    )


async def _trips(client: HttpsClient) -> tuple[str, list[float]]:
    """Run `true` many times, one after the other; return where, and how long each took."""
    pod = (await client.list(Pod, "default")).items[0]
    took = []
    for _ in range(_TIMES):
        began = time.monotonic()
        await run_in_pod(client, pod, ["true"])
        took.append(time.monotonic() - began)
    return pod.metadata.name, took


FIGURE: Final = Figure(
    {
        "exec": Target("exec, there and back", 0.05, digits=3),
        "exec-verb": Target("netemu exec POD -- true", 0.5),
    },
    measure,
    order=6,
)
