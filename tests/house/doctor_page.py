"""The second half of docs/troubleshooting.md, made from what the doctor looks at."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from netemu.core.doctor.catalogue import CATALOGUE
from netemu.core.doctor.findings import Check, Need
from netemu.core.doctor.health import HEALTH

_WEIGHT = {
    Need.NEEDED: "needed: without it no cluster runs",
    Need.OPTIONAL: "needed for some things only",
    Need.NOTE: "worth knowing; nothing is missing",
}
_TITLES = {
    "facilities": "What the kernel and the host must offer",
    "programs": "Programs",
    "this host": "What else is on this host",
    "netemu's own": "What netemu left",
}


def of_host() -> str:
    """Return a section for each group of checks of a host, with an entry for each check."""
    parts = []
    for group, checks in groupby(CATALOGUE, key=lambda check: check.group):
        parts += [f"### In `netemu doctor`: {_TITLES[group]}\n", _entries(checks, _WEIGHT)]
    return "\n".join(parts)


def of_clusters() -> str:
    """Return an entry for each check of a cluster."""
    weights = {Need.NEEDED: "the cluster is not well", Need.NOTE: "worth knowing"}
    return _entries(HEALTH, weights)


def _entries(checks: Iterable[Check], weights: dict[Need, str]) -> str:
    return "\n".join(_entry(check, weights[check.need]) for check in checks)


def _entry(check: Check, weight: str) -> str:
    look = "\n".join(check.look)
    lines = [
        f"#### {check.name}\n",
        f"*If it is not fine: {weight}.*\n",
        f"**Why**: {check.why}.\n",
        f"**What to do**: {check.remedy}\n",
        f"**What follows**: {check.follows}\n" if check.follows else "",
        f"**By hand**:\n\n```sh\n{look}\n```\n" if look else "",
    ]
    return "\n".join(line for line in lines if line)
