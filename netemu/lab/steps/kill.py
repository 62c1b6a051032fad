"""`kill`: end a Pod without warning, and see what the cluster makes of it."""

from __future__ import annotations

from typing import Final

from netemu.lab.contract import Step
from netemu.lab.lab import Lab
from netemu.model.core_v1 import Pod


class Kill(Step):
    pod: str
    """`pod/NAME`, or `deployment/NAME` and the like for its first ready Pod."""

    def title(self) -> str:
        return f"kill {self.pod}"

    async def run(self, lab: Lab) -> str:
        reference = self.pod if "/" in self.pod else f"pod/{self.pod}"
        pod = await lab.ready_pod(reference)
        meta = pod.metadata
        await lab.client.delete(Pod, meta.name, meta.namespace, uid=meta.uid, grace_period_s=0)
        return f"{meta.name} on {pod.spec.node_name} is gone"


STEP: Final = Kill
