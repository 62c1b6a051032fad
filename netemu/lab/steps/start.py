"""`start`: bring back what `kill` has ended."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from netemu.errors import UserError
from netemu.lab import components
from netemu.lab.contract import Step
from netemu.lab.lab import Lab
from netemu.lab.steps.node import NodeStep


class Start(Step):
    """Exactly one of `node` and `component`."""

    node: str = ""
    """A node's name: it boots with the addresses it had; over when it is Ready."""
    component: str = ""
    """`daemon`: another adopts all that is there; over when the cluster is usable."""

    def title(self) -> str:
        return f"start node/{self.node}" if self.node else f"start the {self.component}"

    def check(self, folder: Path) -> None:
        if bool(self.node) == bool(self.component):
            raise UserError("a step start has exactly one of: node, component")
        if self.node:
            NodeStep(start=self.node).check(folder)
        else:
            components.check_component(self.component, components.STARTABLE)

    async def run(self, lab: Lab) -> str:
        if self.node:
            return await NodeStep(start=self.node).run(lab)
        return await components.start(self.component, lab)


STEP: Final = Start
