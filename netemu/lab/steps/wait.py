"""`wait`: until an object is as it should be."""

from __future__ import annotations

import time
from typing import Any, Final

import msgspec

from netemu.client.pods import resource_named
from netemu.errors import ApiError
from netemu.lab.contract import Step
from netemu.lab.lab import Lab
from netemu.model.schema import ApiObject


class Wait(Step):
    for_: str
    """`deployment/web`, `pod/client`, `node/worker-1` …"""
    until: str = "ready"
    """`ready`: a Deployment with all replicas updated and available, else the condition of
    that name in any case: `Available`, `Ready`; `deleted`; `exists`."""
    within_s: float = msgspec.field(default=30.0, name="withinSeconds")

    def title(self) -> str:
        return f"wait until {self.for_} is {self.until}"

    async def run(self, lab: Lab) -> str:
        plural, namespace, name = lab.split(self.for_)
        resource = resource_named(plural)
        where = namespace if resource.namespaced else ""
        began = time.monotonic()

        async def look() -> bool | None:
            try:
                obj = await lab.client.get(resource.type, name, where)
            except ApiError as error:
                if not error.not_found:
                    raise
                return True if self.until == "deleted" else None
            return True if _holds(obj, self.until) else None

        await lab.until(look, within_s=self.within_s, what=f"{self.for_} to be {self.until}")
        return f"after {time.monotonic() - began:.2f} s"


def _holds(obj: ApiObject, until: str) -> bool:
    if until == "deleted":
        return False
    if until == "exists":
        return True
    status: Any = getattr(obj, "status", None)
    if until == "ready" and hasattr(status, "updated_replicas"):
        wanted = getattr(obj, "spec").replicas  # noqa: B009 - Deployments only.
        return bool(
            (status.observed_generation or 0) >= (obj.metadata.generation or 0)
            and status.updated_replicas == status.replicas == wanted
            and status.available_replicas == wanted
        )
    conditions = getattr(status, "conditions", None) or []
    return any(c.type.lower() == until.lower() and c.status == "True" for c in conditions)


STEP: Final = Wait
