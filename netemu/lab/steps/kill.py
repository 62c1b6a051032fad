"""`kill`: end a Pod without warning, and see what the cluster makes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from netemu.lab import references
from netemu.lab.contract import Step
from netemu.lab.lab import Lab
from netemu.model.core_v1 import Pod


class Kill(Step):
    pod: str
    """`pod/NAME`, or `deployment/NAME` and the like for its first ready Pod."""

    def title(self) -> str:
        return f"kill {self.pod}"

    def check(self, folder: Path) -> None:
        references.check_pods(self._reference())

    def _reference(self) -> str:
        return self.pod if "/" in self.pod else f"pod/{self.pod}"

    async def run(self, lab: Lab) -> str:
        pod = await lab.ready_pod(self._reference())
        meta = pod.metadata
        await lab.client.delete(Pod, meta.name, meta.namespace, uid=meta.uid, grace_period_s=0)
        return f"{meta.name} on {pod.spec.node_name} is gone"


STEP: Final = Kill
