"""A node's pod network: the bridge `cni0`, and a cable from it to each pod.

What CNI's bridge and host-local plugins do, without starting a program for each pod.
The kernel takes half a millisecond to make a cable but sixteen to delete one, most of
which it waits for readers of its tables, however many links go at once. So cables that
are doomed at the same time are put in a link group and go together.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import PurePosixPath
from typing import ParamSpec, TypeVar

from netemu.core import ipam, mac, names, node_network
from netemu.core.netstate import Address, Link, Route, Scope, diff, mend
from netemu.core.node_network import POD_BRIDGE, POD_LINK
from netemu.errors import HostBusyError, HostError
from netemu.host import links, netns, routes, sysctl
from netemu.host.netlink import Netlink
from netemu.host.netns import Netns
from netemu.host.netstate import LinuxNetState
from netemu.host.pod_addresses import Lease, PodAddresses
from netemu.host.pod_network_repair import (
    Finding,
    has_carrier,
    has_default_route,
    pod_link_is_up,
    ports_of,
)

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

_LOOPBACK_INDEX = 1
_LOOKS_AGAIN_AFTER_S = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
"""Nine of ten forward at the first look, all within 20 ms where a hundred Pods are born."""
_PLUGGED = "its cable was plugged into the node's bridge again"
_DOOMED = 0x6E65746D
"""Link group of cables that are about to go."""


class LinuxPodNetwork:
    """Keeps the contract `PodNetwork` for one node.

    All work is done by one thread, in the order in which it was asked for, so a caller
    that is cancelled half-way cannot leave a cable that comes after its removal.
    """

    def __init__(
        self, *, netns: Netns, node: str, cluster: str, state_dir: PurePosixPath, mtu: int
    ) -> None:
        self._node = node
        self._cluster = cluster
        self._mtu = mtu
        self._state = LinuxNetState(netns)
        self._addresses = PodAddresses(str(state_dir / "networks" / node))
        self._pod_range: IPv4Network | None = None
        self._bridge_index = 0
        self._doomed: deque[Lease] = deque()
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"pods-{node}")

    async def ready(self, pod_cidr: IPv4Network) -> None:
        await self._do(self._make_bridge, pod_cidr)

    async def attach(
        self,
        *,
        sandbox_id: str,
        pid: int,
        namespace: str,
        pod: str,
        had: IPv4Address | None = None,
    ) -> IPv4Address:
        """Raise HostBusyError while the node has no pod range: try again."""
        name = names.pod_netns(self._cluster, self._node, namespace, pod)
        address, forwards = await self._do(self._attach, sandbox_id, pid, name, had)
        if not forwards:
            await self._wait_for_carrier(port_of(sandbox_id))
        return address

    async def _wait_for_carrier(self, port: str) -> None:
        """Wait until the bridge forwards what comes from the pod.

        The kernel takes note of a new cable in its own time, and a first question for a
        neighbour that is lost costs the pod a second. One that somebody set down is no
        reason not to start.
        """
        for pause_s in _LOOKS_AGAIN_AFTER_S:
            await asyncio.sleep(pause_s)
            if await self._do(self._has_carrier, port):
                return
        log.warning("%s: %s does not forward yet", self._node, port)

    def _has_carrier(self, port: str) -> bool:
        netlink = self._state.netlink
        index = netlink.index_of(port)
        return not index or has_carrier(netlink, index)

    async def detach(self, *, sandbox_id: str) -> None:
        lease = self._addresses.of(sandbox_id)
        if lease is not None:
            self._doomed.append(lease)
            await self._do(self._remove_doomed)

    async def repair(self, pids: Mapping[str, int]) -> list[Finding]:
        """Make again what is missing of the bridge and of these sandboxes' cables."""
        return await self._do(self._repair, pids)

    async def prune(self, sandbox_ids: Collection[str]) -> None:
        gone = [one for one in self._addresses.all() if one.sandbox_id not in sandbox_ids]
        if gone:
            self._doomed.extend(gone)
            await self._do(self._remove_doomed)

    def leases(self) -> list[Lease]:
        """Return who has which address."""
        return self._addresses.all()

    def close(self) -> None:
        """Stop working. What is cabled stays cabled."""
        self._worker.shutdown(wait=True)
        self._state.close()

    async def _do(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.wrap_future(self._worker.submit(work, *args, **kwargs))

    def _make_bridge(self, pod_range: IPv4Network) -> None:
        desired = node_network.plan_pod_bridge(pod_range, mtu=self._mtu)
        observed = self._state.observe(Scope(links=frozenset({POD_BRIDGE})))
        self._state.apply(diff(desired, observed))
        self._bridge_index = self._state.netlink.index_of(POD_BRIDGE)
        self._pod_range = pod_range

    def _attach(
        self, sandbox_id: str, pid: int, name: str, had: IPv4Address | None
    ) -> tuple[IPv4Address, bool]:
        """Return the address, and whether the bridge forwards already."""
        if self._pod_range is None:
            answer = "the node has no pod range yet"
            raise HostBusyError(f"cabling {name}", where=self._node, answer=answer)
        lease = self._addresses.take(
            self._pod_range, sandbox_id=sandbox_id, netns_name=name, had=had
        )
        self._cable(lease, pid, self._pod_range)
        netns.publish(pid, name)
        return lease.address, self._has_carrier(port_of(sandbox_id))

    def _cable(self, lease: Lease, pid: int, pod_range: IPv4Network) -> None:
        path = netns.netns_of(pid)
        with netns.inside(path):
            sysctl.write(node_network.POD_SYSCTLS)
            pod = Netlink.here(name=lease.netns_name)
        with contextlib.closing(pod):
            if not pod.index_of(POD_LINK):
                self._plug_in(lease, path)
            index = pod.index_of(POD_LINK)
            address = IPv4Interface((lease.address, pod_range.prefixlen))
            default = Route(
                destination=node_network.EVERYTHING,
                via=ipam.gateway(pod_range).ip,
                link=POD_LINK,
            )
            pod.send(
                [
                    links.set_up(_LOOPBACK_INDEX),
                    links.set_up(index),
                    routes.add_address(Address(link=POD_LINK, address=address), index),
                    routes.replace_route(default, index),
                ]
            )

    def _plug_in(self, lease: Lease, path: str) -> None:
        name = port_of(lease.sandbox_id)
        netlink = self._state.netlink
        with open(path, "rb") as space:
            cable = links.cable(
                name,
                alias=lease.netns_name,
                master=self._bridge_index,
                mtu=self._mtu,
                far_name=POD_LINK,
                far_mac=mac.of_address(lease.address),
                far_netns=space.fileno(),
            )
            # A cable of that name leads to an earlier namespace of the same sandbox.
            if netlink.index_of(name):
                netlink.send([links.delete(name)])
            # A pod that calls its own Service is answered through the port it came from.
            netlink.send([cable, links.hairpin(name)])

    def _repair(self, pids: Mapping[str, int]) -> list[Finding]:
        if self._pod_range is None:
            return []
        before = self._bridge_index
        findings = self._mend_bridge(self._pod_range)
        ports = ports_of(self._state.netlink, self._bridge_index)
        for lease in self._addresses.all():
            if (pid := pids.get(lease.sandbox_id)) is not None:
                # One that has ended meanwhile needs nothing.
                with contextlib.suppress(HostError):
                    for text, down in self._mend_cable(lease, pid, self._pod_range, ports):
                        findings.append(Finding(text, lease.sandbox_id, down))
        # A new bridge is news enough; that every cable was plugged into it goes without saying.
        remade = before != self._bridge_index
        return [one for one in findings if not (remade and one.text == _PLUGGED)]

    def _mend_bridge(self, pod_range: IPv4Network) -> list[Finding]:
        desired = node_network.plan_pod_bridge(pod_range, mtu=self._mtu)
        mending = mend(desired, self._state.observe(Scope(links=frozenset({POD_BRIDGE}))))
        self._state.apply(mending.changes)
        self._bridge_index = self._state.netlink.index_of(POD_BRIDGE)
        done = [Finding(str(change)) for change in mending.changes]
        if not mending.down:
            done += self._mend_own_route(pod_range)
        text = "{} was set down; it stays so until it is set up"
        return done + [Finding(text.format(link), down=link) for link in mending.down]

    def _mend_own_route(self, pod_range: IPv4Network) -> Iterator[Finding]:
        """Make the route to the node's own pods again; it comes with the bridge's address only."""
        netlink, index = self._state.netlink, self._bridge_index
        if pod_range in map(routes.decode_destination, netlink.dump(routes.list_routes())):
            return
        address = Address(link=POD_BRIDGE, address=ipam.gateway(pod_range))
        netlink.send([routes.delete_address(address, index), routes.add_address(address, index)])
        yield Finding(f"ip route add {pod_range} dev {POD_BRIDGE}")

    def _mend_cable(
        self, lease: Lease, pid: int, pod_range: IPv4Network, ports: Mapping[int, bool]
    ) -> Iterator[tuple[str, str]]:
        """Yield what was done, and the name of a link that was left down."""
        port = port_of(lease.sandbox_id)
        index = self._state.netlink.index_of(port)
        if not index:
            self._cable(lease, pid, pod_range)
            yield f"its cable {port} was gone and was made again", ""
        elif index not in ports:
            again = Link(name=port, master=POD_BRIDGE, hairpin=True)
            self._state.netlink.send(links.change(again, index, master=self._bridge_index))
            yield _PLUGGED, ""
        elif not ports[index]:
            yield f"{port}, the node's end of its cable, was set down; it stays so", port
        if index and not has_default_route(pid):
            yield from self._mend_pod_end(lease, pid, pod_range)
        if not netns.is_published(pid, lease.netns_name):
            netns.publish(pid, lease.netns_name)
            yield f"`ip netns` shows {lease.netns_name} again", ""

    def _mend_pod_end(
        self, lease: Lease, pid: int, pod_range: IPv4Network
    ) -> Iterator[tuple[str, str]]:
        with netns.inside(netns.netns_of(pid)):
            pod = Netlink.here(name=lease.netns_name)
        with contextlib.closing(pod):
            up = pod_link_is_up(pod)
        if up:
            self._cable(lease, pid, pod_range)
            yield "its address and default route were made again", ""
        else:
            yield f"{POD_LINK}, its end of its cable, was set down; it stays so", POD_LINK

    def _remove_doomed(self) -> None:
        """Remove all that are doomed by now; who asks later finds it done."""
        leases = []
        while self._doomed:
            leases.append(self._doomed.popleft())
        try:
            self._unplug(leases)
        except HostError:
            self._doomed.extend(leases)
            raise
        for lease in leases:
            self._addresses.release(lease.sandbox_id)

    def _unplug(self, leases: list[Lease]) -> None:
        for lease in leases:
            netns.withdraw(lease.netns_name)
        netlink = self._state.netlink
        ports = [port for lease in leases if netlink.index_of(port := port_of(lease.sandbox_id))]
        if len(ports) == 1:
            netlink.send([links.delete(ports[0])])
        elif ports:
            grouped = [links.put_in_group(port, _DOOMED) for port in ports]
            netlink.send([*grouped, links.delete_group(_DOOMED)])


def port_of(sandbox_id: str) -> str:
    """Return the name of the node's end of a pod's cable."""
    return names.veth("veth", sandbox_id)
