"""`delete`: delete an object and wait until it is gone."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Final

import msgspec

from netemu.errors import ApiError
from netemu.lab import references
from netemu.lab.contract import Step
from netemu.lab.lab import Lab


class Delete(Step):
    SHORTHAND: ClassVar[str] = "target"

    target: str
    """`service/web`, `pod/client` …"""
    grace_period_s: int | None = msgspec.field(default=None, name="gracePeriodSeconds")
    """0 ends Pods at once; by default the object's own."""
    within_s: float = msgspec.field(default=40.0, name="withinSeconds")
    """How long it may take until it is gone."""

    def title(self) -> str:
        return f"delete {self.target}"

    def check(self, folder: Path) -> None:
        references.check(self.target)

    async def run(self, lab: Lab) -> str:
        _, namespace, name = lab.split(self.target)
        resource = references.check(self.target)
        where = namespace if resource.namespaced else ""
        await lab.client.delete(resource.type, name, where, grace_period_s=self.grace_period_s)

        async def look() -> bool | None:
            try:
                await lab.client.get(resource.type, name, where)
            except ApiError as error:
                if error.not_found:
                    return True
                raise
            return None

        await lab.until(look, within_s=self.within_s, what=f"{self.target} to be gone")
        return ""


STEP: Final = Delete
