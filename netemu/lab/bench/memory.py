"""What processes cost: the proportional set size, in which shared pages count once.

A container is a fork of the zygote and shares most of its pages with it and with all
others; its resident size would count them again for each.
"""

from __future__ import annotations

import os
from collections.abc import Iterable


def pss_mib(pids: Iterable[int]) -> float:
    """Return the PSS of some processes together, in MiB."""
    return sum(_pss_kib(pid) for pid in pids) / 1024


def _pss_kib(pid: int) -> int:
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        for line in file:
            name, _, value = line.partition(":")
            if name == "Pss":
                return int(value.split()[0])
    return 0


def rss_mib(pid: int) -> float:
    """Return what of a process is in memory."""
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def descriptors(pid: int) -> int:
    """Return how many files a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def cpu_s(pid: int) -> float:
    """Return the processor time that a process and its threads have used so far."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        text = file.read()
    fields = text[text.rindex(b")") + 2 :].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
