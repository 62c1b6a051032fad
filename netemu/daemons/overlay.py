"""The overlay agent of one node: what flanneld is.

It follows the Node objects, has its backend plan what this node's kernel should hold
for the other nodes' pods to be reached, and applies what differs from what the kernel
does hold. It looks again whenever a Node changes, when the kernel says that somebody
else changed something, and every ten seconds in any case.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from ipaddress import IPv4Network
from typing import Final

from netemu import plugins
from netemu.client.contract import Client, PatchType
from netemu.client.events import EventRecorder
from netemu.client.informer import Informer, Informers
from netemu.core.netfilter.tables import Tables
from netemu.core.netstate import NetState, diff, set_down, sparing
from netemu.core.overlay import announcement, backends, masquerade
from netemu.core.overlay.contract import OverlayBackend, OverlayNode
from netemu.errors import ApiError, HostError
from netemu.host import masquerading, notifications
from netemu.host.contract import PodNetwork
from netemu.host.netfilter import Iptables, Netfilter, detect
from netemu.host.netns import Netns
from netemu.host.netstate import LinuxNetState
from netemu.model.core_v1 import Node
from netemu.model.keys import ObjectKey
from netemu.model.settings import ClusterSettings, NodeSettings

log = logging.getLogger(__name__)

RESYNC_EVERY_S: Final = 10.0
RULES_EVERY_S: Final = 30.0
"""Looking at rules starts a program; flannel's own interval is 5 s."""
_FIRST_RETRY_S: Final = 0.1
_LONGEST_RETRY_S: Final = 5.0


def backend_named(name: str) -> OverlayBackend:
    """Return a backend; KeyError if there is none of that name."""
    found: OverlayBackend = plugins.load_one(backends, name, "BACKEND")
    return found


class Overlay:
    """Keeps one node's way to the other nodes' pods."""

    def __init__(
        self,
        *,
        client: Client,
        settings: ClusterSettings,
        node: NodeSettings,
        netns: Netns,
        clock: Callable[[], datetime],
        network: PodNetwork,
        iptables: Iptables | None = None,
        resync_every_s: float = RESYNC_EVERY_S,
        rules_every_s: float = RULES_EVERY_S,
    ) -> None:
        self._client = client
        self._settings = settings
        self._node = node
        self._netns = netns
        self._clock = clock
        self._network = network
        self._iptables = iptables
        self._resync_every_s = resync_every_s
        self._rules_every_s = rules_every_s
        self._backend = backend_named(settings.overlay)
        self._scope = self._backend.scope(settings.pod_cidr)
        self._wanted = asyncio.Event()
        self._synced_once = asyncio.Event()
        self._indexes: frozenset[int] = frozenset()
        """Of the links in scope, when they were last looked at."""
        self._events = EventRecorder(client, component="overlay", host=node.name, clock=clock)
        self._desired: NetState | None = None
        """What the last sync made sure of: if that is not there any more, it was damaged."""
        self._down: frozenset[str] = frozenset()
        self._findings: list[tuple[str, str]] = []
        """Reasons and texts of what the last sync found damaged."""
        self._range: IPv4Network | None = None
        """The pods' range that the bridge was made for."""
        self._rules_due_s = 0.0
        self._rules: Tables = {}
        """What the last look made sure of: if that is not there any more, it was damaged."""
        self._netfilter: Netfilter | None = None

    async def synced(self) -> None:
        """Wait until the node's kernel was as planned for the first time."""
        await self._synced_once.wait()

    async def run(self) -> None:
        state = LinuxNetState(self._netns)
        self._range = self._desired = None
        self._rules_due_s = 0.0
        self._rules = {}
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._events.run())
                nodes = Informers(self._client, task_group=group).of(Node)
                nodes.subscribe(self._node_changed)
                await nodes.synced()
                with notifications.watching(
                    self._netns, concerns=self._concerns, tell=self._wanted.set
                ):
                    await self._sync_forever(nodes, state)
        finally:
            state.close()

    def _node_changed(self, old: Node | None, new: Node | None) -> None:
        # Heartbeats come all the time and mean nothing here.
        mine = new if new is not None and new.metadata.name == self._node.name else None
        unsaid = mine is not None and not announcement.says_available(mine)
        if unsaid or _told(old) != _told(new):
            self._wanted.set()

    def _concerns(self, index: int) -> bool:
        return index in self._indexes

    async def _sync_forever(self, nodes: Informer[Node], state: LinuxNetState) -> None:
        retry_s = _FIRST_RETRY_S
        wait_s = 0.0
        while True:
            await self._wait(wait_s)
            try:
                await self._sync(nodes, state)
                retry_s, wait_s = _FIRST_RETRY_S, self._resync_every_s
            except (HostError, ApiError) as error:
                log.warning("%s: overlay is not as it should be: %s", self._node.name, error)
                retry_s, wait_s = min(retry_s * 2, _LONGEST_RETRY_S), retry_s

    async def _wait(self, most_s: float) -> None:
        try:
            async with asyncio.timeout(most_s):
                await self._wanted.wait()
        except TimeoutError:
            pass
        self._wanted.clear()

    async def _sync(self, nodes: Informer[Node], state: LinuxNetState) -> None:
        node = nodes.get(ObjectKey("", self._node.name))
        if node is None:
            return  # The kubelet has not registered it yet.
        me = announcement.myself(node, self._settings, self._node, self._backend)
        if me is None:
            return  # It has no range yet: the change that gives it one comes here.
        if self._range != me.pod_range:
            await self._network.ready(me.pod_range)
            self._range = me.pod_range
            self._rules_due_s = 0.0
        others = [n for n in nodes.list() if n.metadata.name != self._node.name]
        peers = [peer for other in others if (peer := announcement.read(other))]
        await asyncio.to_thread(self._bring_to_plan, me, peers, state)
        for reason, text in self._findings:
            self._events.event(node, "Warning", reason, f"{self._node.name}: {text}")
        await self._announce(node, me)
        await self._keep_rules(me, node)
        self._synced_once.set()

    def _bring_to_plan(
        self, me: OverlayNode, peers: list[OverlayNode], state: LinuxNetState
    ) -> None:
        desired = self._backend.plan(me, peers)
        observed = state.observe(self._scope)
        for link in desired.links:
            if link.vxlan is not None and not state.netlink.index_of(link.vxlan.device):
                # Made without it, the tunnel would only have to be made again.
                answer = f"{link.vxlan.device} is missing"
                raise HostError(f"making {link.name}", where=self._node.name, answer=answer)
        down = set_down(desired, observed) if self._synced_once.is_set() else frozenset()
        changes = sparing(diff(desired, observed), down)
        for change in changes:
            log.info("%s: %s", self._node.name, change)
        state.apply(changes)
        self._findings = []
        if changes and desired == self._desired:
            self._findings.append(("NodeRepaired", "; ".join(map(str, changes))))
        for name in sorted(down - self._down):
            text = f"link {name} was set down; it stays so until it is set up"
            self._findings.append(("LinkDown", text))
        self._desired, self._down = desired, down
        self._indexes = frozenset(state.netlink.index_of(name) for name in self._scope.links)

    async def _announce(self, node: Node, me: OverlayNode) -> None:
        """Tell the peers first: what they do with it takes longest."""
        name = self._node.name
        told = announcement.announce(me, self._backend)
        if patch := announcement.missing_annotations(node, told):
            node = await self._client.patch(Node, name, "", patch, how=PatchType.MERGE)
        if patch := announcement.missing_condition(node, self._clock()):
            await self._client.patch(
                Node, name, "", patch, how=PatchType.STRATEGIC, subresource="status"
            )

    async def _keep_rules(self, me: OverlayNode, node: Node) -> None:
        now_s = asyncio.get_running_loop().time()
        if now_s < self._rules_due_s:
            return
        netfilter, iptables = await self._ready_netfilter()
        wanted = masquerade.plan(
            cluster=self._settings.pod_cidr,
            mine=me.pod_range,
            random_fully=iptables.random_fully,
        )
        written = await masquerading.keep(netfilter, wanted)
        if written and wanted == self._rules:
            text = "rules of the overlay (FLANNEL-…) were changed by somebody else"
            log.warning("%s: %s", self._node.name, text)
            self._events.event(node, "Warning", "OverlayRulesRepaired", text)
        self._rules = wanted
        self._rules_due_s = now_s + self._rules_every_s

    async def _ready_netfilter(self) -> tuple[Netfilter, Iptables]:
        iptables = self._iptables
        if iptables is None:
            iptables = await asyncio.to_thread(detect, self._settings.iptables_flavour)
            self._iptables = iptables
        if self._netfilter is None:
            # kube-proxy's: the two write the same tables.
            lock_file = f"{self._settings.run_dir}/xtables-{self._node.name}.lock"
            self._netfilter = Netfilter(self._netns, iptables=iptables, lock_file=lock_file)
        return self._netfilter, iptables


def _told(node: Node | None) -> OverlayNode | None:
    return announcement.read(node) if node else None
