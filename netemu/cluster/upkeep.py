"""Looks after the nodes: their holders, their names, their cables, the run folder.

What a person's hand or a crash took away is made again within a few seconds, and an Event
on the Node says so. What somebody set down stays down and is told of, and what netemu was
asked to break (`netemu node kill`, `netemu node partition`) stays broken until it is asked
to heal it. docs/what-repairs-itself.md has the whole table.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Awaitable, Callable
from typing import NoReturn, Protocol

from netemu.client.contract import Client
from netemu.client.events import EventRecorder
from netemu.cluster.launch import AGAIN
from netemu.core.netstate import Mending
from netemu.core.node_network import HOST, SWITCH
from netemu.errors import ApiError, HostError
from netemu.host import clusters, underlay
from netemu.host.clusters import ClusterFolders
from netemu.host.netns import Netns
from netemu.model.core_v1 import Node
from netemu.model.settings import ClusterSettings

log = logging.getLogger(__name__)

LOOK_EVERY_S = 5.0


class Nodes(Protocol):
    """What `ClusterDaemon` lets others see of its nodes."""

    settings: ClusterSettings
    nodes: dict[str, Netns]
    switch: Netns

    async def hold_nodes(self) -> dict[str, str]:
        """Put holders and names back that are gone; return what was done, by node."""


class Upkeep:
    """Repairs what belongs to the nodes rather than to what runs on them."""

    def __init__(
        self,
        daemon: Nodes,
        *,
        client: Client,
        alone: asyncio.Lock,
        begins_again: bool,
    ) -> None:
        self._daemon = daemon
        self._client = client
        self._alone = alone
        """Held while nodes come and go."""
        self._begins_again = begins_again
        self._events = EventRecorder(client, component="netemu")
        self._down: set[tuple[str, str]] = set()
        """Links that are down, and that it was said of."""

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._events.run())
            if self._begins_again:
                text = "the run folder was lost: nodes and containers were started again"
                await self._tell_all("NodeRepaired", text)
            while True:
                await asyncio.sleep(LOOK_EVERY_S)
                await self._look()

    async def _look(self) -> None:
        if not ClusterFolders(self._daemon.settings.name).daemon_record.exists():
            begin_again(self._daemon.settings.name)
        for step in (self._hold, self._mend):
            await self._try(step)

    async def _try(self, step: Callable[[], Awaitable[None]]) -> None:
        try:
            async with self._alone:
                await step()
        except (HostError, OSError) as error:
            log.warning("looking after the nodes: %s", error)

    async def _hold(self) -> None:
        for node, done in (await self._daemon.hold_nodes()).items():
            await self._tell(node, "NodeRepaired", done)

    async def _mend(self) -> None:
        daemon = self._daemon
        found = await underlay.repair(daemon.settings, switch=daemon.switch, nodes=daemon.nodes)
        for place, mending in found.items():
            for change in mending.changes:
                await self._tell(place, "NodeRepaired", f"{_place(place)}: {change}")
        await self._tell_of_links_down(found)

    async def _tell_of_links_down(self, found: dict[str, Mending]) -> None:
        down = {(place, link) for place, mending in found.items() for link in mending.down}
        for place, link in sorted(down - self._down):
            text = f"{_place(place)}: link {link} was set down; it stays so until it is set up"
            await self._tell(place, "LinkDown", text)
        self._down = down

    async def _tell_all(self, reason: str, text: str) -> None:
        for node in self._daemon.settings.powered_nodes:
            await self._tell(node.name, reason, text)

    async def _tell(self, place: str, reason: str, text: str) -> None:
        """Log it, and make an Event of it; what is no node's is the control plane's."""
        settings = self._daemon.settings
        log.warning("%s", text)
        name = place if settings.node(place) is not None else settings.control_plane.name
        try:
            node = await self._client.get(Node, name)
        except ApiError:
            return
        self._events.event(node, "Warning", reason, text)


def _place(place: str) -> str:
    return {SWITCH: "the switch", HOST: "the host"}.get(place, place)


def begin_again(cluster: str) -> NoReturn:
    """Become a new daemon of the cluster, in this very process.

    Its sockets and records were lost with the run folder, and so was what the zygote had
    written down. A daemon that starts finds out by itself what is there.
    """
    log.warning("the run folder of %s is gone: beginning again", cluster)
    clusters.make_folders(cluster)
    clusters.save_record(cluster, clusters.record_of(os.getpid()))
    os.execv(sys.executable, [sys.executable, "-m", "netemu.cluster.daemon", cluster, AGAIN])
