"""`exec`: run a command in a Pod and look at what it says."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Final

import msgspec

from netemu.client.pods import default_container
from netemu.client.streams import run_in_pod
from netemu.errors import ApiError, UserError
from netemu.lab import references
from netemu.lab.contract import Step, StepFailedError
from netemu.lab.lab import Lab
from netemu.model.wire import ApiStruct

_PAUSE_S = 0.1


class ExecExpectation(ApiStruct):
    """What the command must do."""

    exit_code: int = 0
    """The command's own."""
    output: str = ""
    """A regular expression that the joined output must contain."""


class Exec(Step):
    in_: str
    """`pod/NAME`, ready or not; `deployment/NAME` and the like: the first ready Pod."""
    command: list[str]
    """The program and its arguments, a list: no shell reads it."""
    container: str = ""
    """By default the Pod's first, or the one that its annotation names."""
    within_s: float = msgspec.field(default=0.0, name="withinSeconds")
    """How long the command is repeated until it does what is expected; 0 is once."""
    expect: ExecExpectation = msgspec.field(default_factory=ExecExpectation)
    """See below."""

    def title(self) -> str:
        return f"in {self.in_}: {' '.join(self.command)}"

    def check(self, folder: Path) -> None:
        references.check_pods(self.in_)
        references.check_pattern(self.expect.output)
        if not self.command:
            raise UserError("command: a program is needed")

    async def run(self, lab: Lab) -> str:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.within_s
        while True:
            try:
                return await self._once(lab)
            except (StepFailedError, ApiError):
                if loop.time() >= deadline:
                    raise
            await asyncio.sleep(_PAUSE_S)

    async def _once(self, lab: Lab) -> str:
        pod = await lab.running_pod(self.in_)
        container = self.container or default_container(pod)
        code, output = await run_in_pod(lab.client, pod, self.command, container=container)
        text = output.decode(errors="replace").strip()
        if code != self.expect.exit_code:
            raise StepFailedError(f"exit code {code}, expected {self.expect.exit_code}: {text}")
        if not re.search(self.expect.output, text, re.MULTILINE):
            raise StepFailedError(f'output does not match "{self.expect.output}": {text}')
        return text


STEP: Final = Exec
