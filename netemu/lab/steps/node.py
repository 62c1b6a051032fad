"""`node`: a node joins or leaves, loses its power or its cable, and gets it back."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from netemu.cluster import nodes
from netemu.errors import UserError
from netemu.lab.contract import Step
from netemu.lab.lab import Lab

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_DEEDS = ("add", "remove", "kill", "start", "partition", "heal")


class NodeStep(Step):
    """Exactly one of these, with the node's name."""

    add: str = ""
    """Let a new node join; over when it is Ready."""
    remove: str = ""
    """Switch it off for good and delete its Node."""
    kill: str = ""
    """Take its power away: what runs there is gone at once; its Node stays, and becomes NotReady
    when its kubelet has been silent for the grace period."""
    start: str = ""
    """Boot it again with the addresses it had; over when it is Ready."""
    partition: str = ""
    """Cut its cable at the switch: it runs on, alone."""
    heal: str = ""
    """Mend the cable."""
    zone: str = ""
    """With `add`: the zone of the new node (label `topology.kubernetes.io/zone`)."""

    def _deed(self) -> tuple[str, str]:
        given = [(deed, str(getattr(self, deed))) for deed in _DEEDS if getattr(self, deed)]
        if len(given) != 1:
            raise UserError(f"a step node has exactly one of: {', '.join(_DEEDS)}")
        return given[0]

    def title(self) -> str:
        deed, name = self._deed()
        return f"{deed} node/{name}"

    def check(self, folder: Path) -> None:
        deed, name = self._deed()
        if not _NAME.fullmatch(name):
            raise UserError(f'{deed}: "{name}" is no node: write its name alone, as worker-1')
        if self.zone and deed != "add":
            raise UserError(f"zone: a node gets its zone when it is added, not with {deed}")

    async def run(self, lab: Lab) -> str:
        deed, name = self._deed()
        cluster = lab.settings.name
        match deed:
            case "add":
                await lab.blocking(nodes.add_node, cluster, name, zone=self.zone)
            case "remove":
                await lab.blocking(nodes.remove_node, cluster, name)
            case "kill":
                await lab.blocking(nodes.kill_node, cluster, name)
            case "start":
                await lab.blocking(nodes.start_node, cluster, name)
            case _:
                await lab.blocking(nodes.partition_node, cluster, name, heal=deed == "heal")
        return _SAID[deed].format(name=name)


_SAID = {
    "add": "{name} has joined and is Ready",
    "remove": "{name} is gone for good",
    "kill": "{name} has no power: what ran there is gone",
    "start": "{name} is up and Ready",
    "partition": "the cable of {name} is cut",
    "heal": "the cable of {name} is mended",
}

STEP: Final = NodeStep
