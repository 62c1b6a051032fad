"""`scale`: set the replicas of a Deployment or ReplicaSet."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from netemu.client.contract import PatchType
from netemu.errors import UserError
from netemu.lab import references
from netemu.lab.contract import Step
from netemu.lab.lab import Lab
from netemu.model.apps_v1 import Deployment, ReplicaSet


class Scale(Step):
    target: str
    """`deployment/NAME` or `replicaset/NAME`."""
    replicas: int
    """How many Pods there shall be."""

    def title(self) -> str:
        return f"scale {self.target} to {self.replicas}"

    def check(self, folder: Path) -> None:
        resource = references.check(self.target)
        if resource.type not in (Deployment, ReplicaSet):
            raise UserError(
                f"a {resource.singular} cannot be scaled; there are: deployment, replicaset"
            )
        if self.replicas < 0:
            raise UserError(f"replicas: {self.replicas} is below zero")

    async def run(self, lab: Lab) -> str:
        _, namespace, name = lab.split(self.target)
        await lab.client.patch(
            references.check(self.target).type,
            name,
            namespace,
            {"spec": {"replicas": self.replicas}},
            how=PatchType.MERGE,
        )
        return ""


STEP: Final = Scale
