"""What the figures were measured on: without that they say little."""

from __future__ import annotations

import os
from typing import Any


def describe() -> dict[str, Any]:
    """Return cores, load, processor, memory and kernel of this machine."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "load": load(),
        "processor": _field("/proc/cpuinfo", "model name"),
        "memory": _field("/proc/meminfo", "MemTotal"),
        "kernel": os.uname().release,
    }


def load() -> float:
    """Return how many processes wanted a core in the last minute, ours included."""
    return round(os.getloadavg()[0], 2)


def _field(path: str, name: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            key, _, value = line.partition(":")
            if key.strip() == name:
                return value.strip()
    return ""
