"""What a scenario step is.

A step is a file in `steps/` whose name is its YAML key and whose `STEP` is a
subclass of `Step`; the subclass' fields are the step's fields.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from netemu.model.wire import ApiStruct

if TYPE_CHECKING:
    from netemu.lab.lab import Lab


class StepFailedError(Exception):
    """What was expected and what was seen, for people."""


class Step(ApiStruct):
    """One step: data from the scenario file that knows how to run itself."""

    SHORTHAND: ClassVar[str] = ""
    """The field that a bare value means: `say: hello` is `say: {text: hello}`."""

    def title(self) -> str:
        """What is done, in a few words, before it is done."""
        raise NotImplementedError

    def check(self, folder: Path) -> None:
        """Raise UserError for what can be seen to be wrong before anything runs.

        `folder` is the scenario's: relative paths start there.
        """

    def starts_load(self) -> str:
        """Name the load that goes on when this step is over."""
        return ""

    def stops_load(self) -> str:
        """Name the load that this step ends."""
        return ""

    async def run(self, lab: Lab) -> str:
        """Do it; return what was seen, StepFailedError if that is not what should be."""
        raise NotImplementedError
