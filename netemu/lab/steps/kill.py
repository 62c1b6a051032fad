"""`kill`: end a Pod, a node or a process of netemu without warning, and see what comes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from netemu.errors import UserError
from netemu.lab import components, references
from netemu.lab.contract import Step
from netemu.lab.lab import Lab
from netemu.lab.steps.node import NodeStep
from netemu.model.core_v1 import Pod


class Kill(Step):
    """Exactly one of `pod`, `node` and `component`."""

    pod: str = ""
    """`pod/NAME`, or `deployment/NAME` and the like for its first ready Pod."""
    node: str = ""
    """A node's name: its power is cut, all that runs there is gone. `start` brings it back."""
    component: str = ""
    """`daemon`: the API server, controllers, scheduler, kubelets and kube-proxies at once, while
    traffic goes on; `start` starts another. `zygote`: the parent of all containers, which
    live on; another comes by itself. `dns`: the servers of the DNS Pods, which are started
    again by their kubelets."""

    def title(self) -> str:
        if self.node:
            return f"kill node/{self.node}"
        return f"kill {self.pod or f'the {self.component}'}"

    def check(self, folder: Path) -> None:
        if sum(map(bool, (self.pod, self.node, self.component))) != 1:
            raise UserError("a step kill has exactly one of: pod, node, component")
        if self.pod:
            references.check_pods(self._reference())
        if self.node:
            NodeStep(kill=self.node).check(folder)
        if self.component:
            components.check_component(self.component, components.KILLABLE)

    def _reference(self) -> str:
        return self.pod if "/" in self.pod else f"pod/{self.pod}"

    async def run(self, lab: Lab) -> str:
        if self.node:
            return await NodeStep(kill=self.node).run(lab)
        if self.component:
            return await components.kill(self.component, lab)
        pod = await lab.ready_pod(self._reference())
        meta = pod.metadata
        await lab.client.delete(Pod, meta.name, meta.namespace, uid=meta.uid, grace_period_s=0)
        return f"{meta.name} on {pod.spec.node_name} is gone"


STEP: Final = Kill
