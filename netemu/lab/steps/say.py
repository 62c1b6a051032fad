"""`say`: a sentence for whoever watches."""

from __future__ import annotations

from typing import ClassVar, Final

from netemu.lab.contract import Step
from netemu.lab.lab import Lab


class Say(Step):
    SHORTHAND: ClassVar[str] = "text"

    text: str
    """What is said. Nothing is done, so it does not count as a step."""

    def title(self) -> str:
        return self.text.strip()

    async def run(self, lab: Lab) -> str:
        return ""


STEP: Final = Say
