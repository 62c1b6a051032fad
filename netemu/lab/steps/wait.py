"""`wait`: until an object is as it should be."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Final

import msgspec

from netemu.core.control.pods import is_ready
from netemu.errors import ApiError, UserError
from netemu.lab import references
from netemu.lab.contract import Step
from netemu.lab.lab import Lab
from netemu.model.apps_v1 import Deployment, ReplicaSet
from netemu.model.documents import did_you_mean
from netemu.model.schema import ApiObject

_STATES = (
    "ready",
    "settled",
    "NotReady",
    "deleted",
    "exists",
    "Available",
    "Progressing",
    "ReplicaFailure",
    "Initialized",
    "ContainersReady",
    "PodScheduled",
    "PodReadyToStartContainers",
    "MemoryPressure",
    "DiskPressure",
    "PIDPressure",
    "NetworkUnavailable",
)


class Wait(Step):
    for_: str
    """`deployment/web`, `pod/client`, `node/worker-1` …"""
    until: str = "ready"
    """`ready`: a Deployment or ReplicaSet whose Pods are all there, updated and ready;
    `settled`: and of those that had to go the last is gone. `NotReady`: the condition Ready is
    not True. Else the condition of that name in any case: `Available`, `Ready`, `Initialized`;
    `deleted`; `exists`."""
    within_s: float = msgspec.field(default=30.0, name="withinSeconds")
    """How long it may take."""

    def title(self) -> str:
        return f"wait until {self.for_} is {self.until}"

    def check(self, folder: Path) -> None:
        kind = references.check(self.for_)
        if self.until == "settled" and kind.type not in (Deployment, ReplicaSet):
            raise UserError(f"until: a {kind.singular} does not settle; a deployment does")
        # Readiness gates have conditions of anybody's naming: `example.com/ready`.
        if "/" not in self.until and self.until.lower() not in map(str.lower, _STATES):
            hint = did_you_mean(self.until, list(_STATES)) or f"; there are: {', '.join(_STATES)}"
            raise UserError(f'no state "{self.until}"{hint}')

    async def run(self, lab: Lab) -> str:
        _, namespace, name = lab.split(self.for_)
        resource = references.check(self.for_)
        where = namespace if resource.namespaced else ""
        began = time.monotonic()
        seen = ""

        async def look() -> bool | None:
            nonlocal seen
            try:
                obj = await lab.client.get(resource.type, name, where)
                holds, seen = await self._look_at(obj, lab)
            except ApiError as error:
                if not error.not_found:
                    raise
                holds, seen = self.until == "deleted", "it is not there"
            return True if holds else None

        what = f"{self.for_} to be {self.until}"
        await lab.until(look, within_s=self.within_s, what=what, seen=lambda: seen)
        return f"after {time.monotonic() - began:.2f} s"

    async def _look_at(self, obj: ApiObject, lab: Lab) -> tuple[bool, str]:
        """Return whether it is as it should be, and how it is."""
        if self.until in ("deleted", "exists"):
            return self.until == "exists", "it is there"
        if self.until in ("ready", "settled") and isinstance(obj, Deployment | ReplicaSet):
            return await self._have_pods(obj, lab)
        conditions = getattr(getattr(obj, "status", None), "conditions", None) or []
        if self.until == "NotReady":
            ready = any(c.type == "Ready" and c.status == "True" for c in conditions)
            return not ready, _conditions(conditions)
        holds = any(c.type.lower() == self.until.lower() and c.status == "True" for c in conditions)
        return holds, _conditions(conditions)

    async def _have_pods(self, owner: Deployment | ReplicaSet, lab: Lab) -> tuple[bool, str]:
        wanted = 1 if owner.spec.replicas is None else owner.spec.replicas
        # The status may be older than what has just happened to a Pod: count them, too.
        pods = await lab.pods(self.for_)
        ready = sum(is_ready(pod) for pod in pods)
        holds = _is_done(owner, wanted) and ready == len(pods) == wanted
        said = f"{ready} of {len(pods)} Pods ready, {wanted} wanted"
        if not holds or self.until == "ready":
            return holds, said
        ending = await lab.ending_pods(owner)
        return not ending, f"{said}, {len(ending)} ending"


def _is_done(owner: Deployment | ReplicaSet, wanted: int) -> bool:
    """Whether the controller has seen the object as it is, and is done with it."""
    status: Any = owner.status
    if (status.observed_generation or 0) < (owner.metadata.generation or 0):
        return False
    counts = [status.replicas, status.available_replicas]
    if isinstance(owner, Deployment):
        counts.append(status.updated_replicas)
    return all((count or 0) == wanted for count in counts)


def _conditions(conditions: list[Any]) -> str:
    said = [f"{c.type} {c.status}" + (f" ({c.reason})" if c.reason else "") for c in conditions]
    return ", ".join(said) or "it has no conditions"


STEP: Final = Wait
