"""The node itself: registered, ready as soon as its network is, and alive ever after.

The Node object comes first; its pod range comes from the node IPAM controller and is
what the network waits for. Then a status every ten seconds if it changed, else every
five minutes, and a Lease every ten seconds (control-plane-and-node.md, 3.9). A Node
that is believed dead, its kubelet having been silent, is alive with the next look at it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from ipaddress import IPv4Network

import msgspec

from netemu.client.contract import PatchType
from netemu.client.informer import Informer
from netemu.core.kubelet import node as nodes
from netemu.daemons.kubelet.context import NodeContext
from netemu.errors import ApiError, HostError
from netemu.model.clock import format_micro_time, format_time
from netemu.model.core_v1 import Node, NodeStatus
from netemu.model.keys import ObjectKey

log = logging.getLogger(__name__)

_EVERY_S = 10.0
_RENEWED_AFTER = 0.25
"""A Lease is renewed four times in the grace period: every ten seconds of forty."""
_POST_UNCHANGED_AFTER_S = 300.0
_RETRY_S = 0.2


class NodeAgent:
    """Speaks for one node."""

    def __init__(
        self, context: NodeContext, *, informer: Informer[Node], network_came: Callable[[], None]
    ) -> None:
        self._node = context
        self._name = context.node.name
        self._informer = informer
        self._network_came = network_came
        self._changed = asyncio.Event()
        self._believed_dead = asyncio.Event()
        self._posted_at = 0.0
        self._trouble = ""
        """Why the pods' network, once made, carries nothing now."""
        self._uid = ""

    async def run(self) -> None:
        """Register, then report until cancelled."""
        await self._register()
        self._informer.subscribe(self._node_changed)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._bring_up_network())
            group.create_task(self._report())
            group.create_task(self._renew_lease())

    def labels(self) -> dict[str, str] | None:
        """Return the Node's labels; None until it is known."""
        found = self._informer.get(ObjectKey("", self._name))
        return found.metadata.labels if found is not None else None

    async def _register(self) -> None:
        context = self._node
        wanted = nodes.make(
            context.node,
            context.facts,
            network_ready=context.network_ready.is_set(),
            now=format_time(context.clock()),
        )
        said = ""
        while True:
            try:
                self._uid = (await self._create_or_get(wanted)).metadata.uid
                break
            except ApiError as error:
                if str(error) != said:  # A node that is cut off tries for long.
                    said = str(error)
                    log.warning("registering node %s: %s", self._name, error)
                await asyncio.sleep(_RETRY_S)
        self._tell("Starting", "Starting kubelet.")
        for reason in (
            "NodeHasSufficientMemory",
            "NodeHasNoDiskPressure",
            "NodeHasSufficientPID",
        ):
            self._tell(reason, f"Node {self._name} status is now: {reason}")

    async def _create_or_get(self, wanted: Node) -> Node:
        try:
            return await self._node.client.create(wanted)
        except ApiError as error:
            if not error.already_exists:
                raise
        return await self._node.client.get(Node, self._name)

    async def _bring_up_network(self) -> None:
        """Wait for the pod range, make the bridge, be Ready at once."""
        context = self._node
        while not context.network_ready.is_set():
            self._changed.clear()
            found = self._informer.get(ObjectKey("", self._name))
            if found is not None and found.spec.pod_cidr:
                pod_range = IPv4Network(found.spec.pod_cidr)
                try:
                    await context.network.ready(pod_range)
                except HostError as error:
                    log.warning("bringing up the pod network of %s: %s", self._name, error)
                    await asyncio.sleep(_RETRY_S)
                    continue
                context.host_ports.pod_range = pod_range
                context.network_ready.set()
                break
            await self._changed.wait()
        self._network_came()
        await self._post(force=True)
        self._tell("NodeReady", f"Node {self._name} status is now: NodeReady")

    def _node_changed(self, _old: Node | None, new: Node | None) -> None:
        self._changed.set()
        if new is not None and nodes.is_believed_dead(new):
            self._believed_dead.set()

    async def _report(self) -> None:
        """Post now and then, and at once when the Node is said to be dead."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._believed_dead.wait(), _EVERY_S)
            self._believed_dead.clear()
            await self._post(force=False)

    async def _post(self, *, force: bool) -> None:
        """Write the status if it changed, or is due; failures wait for the next time."""
        now = self._node.now()
        try:
            for _ in range(5):
                current = self._informer.get(ObjectKey("", self._name))
                if current is None:
                    current = await self._node.client.get(Node, self._name)
                status = self._status(current)
                due = now - self._posted_at >= _POST_UNCHANGED_AFTER_S
                if not (force or due or _differs(status, current.status)):
                    return
                await self._write(status)
                self._posted_at = now
                return
        except ApiError as error:
            if error.not_found:
                await self._register()  # Somebody deleted the Node of a living kubelet.
            else:
                log.warning("posting the status of node %s: %s", self._name, error)

    async def _write(self, status: NodeStatus) -> None:
        # Conditions of others, images and volumes must survive: a strategic merge
        # patch touches what it names and no more, and needs no resourceVersion.
        await self._node.client.patch(
            Node,
            self._name,
            "",
            {"status": msgspec.to_builtins(status)},
            how=PatchType.STRATEGIC,
            subresource="status",
        )

    def _status(self, current: Node) -> NodeStatus:
        context = self._node
        return nodes.status(
            context.node,
            context.facts,
            before=current.status.conditions,
            network_ready=context.network_ready.is_set(),
            now=format_time(context.clock()),
            trouble=self._trouble,
        )

    async def _renew_lease(self) -> None:
        while True:
            try:
                await self._write_lease()
            except ApiError as error:
                log.debug("renewing the lease of node %s: %s", self._name, error)
                await asyncio.sleep(_RETRY_S)
                continue
            await asyncio.sleep(self._node.settings.node_grace_s * _RENEWED_AFTER)

    async def _write_lease(self) -> None:
        lease = nodes.lease(
            self._name,
            uid=self._uid,
            now=format_micro_time(self._node.clock()),
            duration_s=max(1, round(self._node.settings.node_grace_s)),
        )
        try:
            await self._node.client.update(lease)
        except ApiError as error:
            if not error.not_found:
                raise
            await self._node.client.create(lease)

    async def network_is(self, trouble: str) -> None:
        """Hear how the network is; empty: well. The Node says so at once."""
        if trouble != self._trouble:
            self._trouble = trouble
            self._tell(*_verdict(self._name, trouble))
            await self._post(force=True)

    def warn(self, reason: str, message: str) -> None:
        """Make an Event of what should not be."""
        self._tell(reason, message, type="Warning")

    def _tell(self, reason: str, message: str, *, type: str = "Normal") -> None:
        found = self._informer.get(ObjectKey("", self._name))
        if found is None:
            found = nodes.make(
                self._node.node,
                self._node.facts,
                network_ready=False,
                now=format_time(self._node.clock()),
            )
            found.metadata.uid = self._uid
        self._node.events.event(found, type, reason, message)


def _verdict(node: str, trouble: str) -> tuple[str, str]:
    reason = "NodeNotReady" if trouble else "NodeReady"
    return reason, f"Node {node} status is now: {reason}"


def _differs(status: NodeStatus, posted: NodeStatus) -> bool:
    """Whether anything but heartbeats is new."""
    return _without_heartbeats(status) != _without_heartbeats(posted)


def _without_heartbeats(status: NodeStatus) -> tuple[object, ...]:
    verdicts = {c.type: (c.status, c.reason, c.message) for c in status.conditions}
    return (verdicts, status.capacity, status.allocatable, status.addresses, status.node_info)
