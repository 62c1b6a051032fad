"""`scale`: set the replicas of a Deployment or ReplicaSet."""

from __future__ import annotations

from typing import Final

from netemu.client.contract import PatchType
from netemu.errors import UserError
from netemu.lab.contract import Step
from netemu.lab.lab import Lab
from netemu.model.apps_v1 import Deployment, ReplicaSet
from netemu.model.schema import ApiObject


class Scale(Step):
    target: str
    """`deployment/NAME` or `replicaset/NAME`."""
    replicas: int

    def title(self) -> str:
        return f"scale {self.target} to {self.replicas}"

    async def run(self, lab: Lab) -> str:
        kind, namespace, name = lab.split(self.target)
        kinds: dict[str, type[ApiObject]] = {"deployment": Deployment, "replicaset": ReplicaSet}
        if kind not in kinds:
            raise UserError(f'"{kind}" cannot be scaled; there are: {", ".join(kinds)}')
        await lab.client.patch(
            kinds[kind],
            name,
            namespace,
            {"spec": {"replicas": self.replicas}},
            how=PatchType.MERGE,
        )
        return ""


STEP: Final = Scale
