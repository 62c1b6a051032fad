"""Two nodes, a switch, pods and the overlay agents, on the real kernel."""

import asyncio
import os
import shutil
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from netemu.client.contract import EventType, Listing, PatchType, WatchEvent
from netemu.core.apiserver.patch import apply_patch
from netemu.core.overlay import masquerade
from netemu.daemons.overlay import Overlay, backend_named
from netemu.errors import HostBusyError
from netemu.host import masquerading, netns, underlay
from netemu.host.netfilter import Netfilter, detect
from netemu.host.netns import Netns
from netemu.host.pod_network import LinuxPodNetwork
from netemu.model.codec import from_dict, to_dict
from netemu.model.core_v1 import Event, Node
from netemu.model.settings import ClusterSettings, NodeSettings

pytestmark = pytest.mark.root

NODES = (
    NodeSettings(name="control-plane", address=IPv4Address("198.18.0.11"), control_plane=True),
    NodeSettings(name="worker-1", address=IPv4Address("198.18.0.12")),
)
RANGES = {node.name: IPv4Network(f"10.244.{number}.0/24") for number, node in enumerate(NODES)}
HOST_ADDRESS = "198.18.0.1"


class NodesApi:
    """The API server's Nodes, for agents of this process: list, watch, patch."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self.events: list[Event] = []
        self._revision = 0
        self._watchers: list[asyncio.Queue[WatchEvent[Node]]] = []

    def add(self, place: NodeSettings) -> None:
        self._put(
            {
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {"name": place.name},
                "spec": {"podCIDR": str(RANGES[place.name])},
                "status": {"addresses": [{"type": "InternalIP", "address": str(place.address)}]},
            },
            EventType.ADDED,
        )

    def remove(self, name: str) -> None:
        self._tell(EventType.DELETED, self.nodes.pop(name))

    async def list(self, kind: type[Node], *_: Any, **__: Any) -> Listing[Node]:
        return Listing(list(self.nodes.values()), str(self._revision))

    async def watch(self, kind: type[Node], *_: Any, **__: Any) -> AsyncIterator[WatchEvent[Node]]:
        events: asyncio.Queue[WatchEvent[Node]] = asyncio.Queue()
        self._watchers.append(events)
        while True:
            yield await events.get()

    async def patch(
        self,
        kind: type[Node],
        name: str,
        _: str,
        patch: Any,
        *,
        how: PatchType,
        subresource: str = "",
    ) -> Node:
        changed = apply_patch(Node, to_dict(self.nodes[name]), patch, how)
        return self._put(changed, EventType.MODIFIED)

    async def create(self, event: Event) -> Event:
        self.events.append(event)
        return event

    def _put(self, data: dict[str, Any], event: EventType) -> Node:
        self._revision += 1
        data["metadata"]["resourceVersion"] = str(self._revision)
        node = from_dict(data, Node)
        self.nodes[node.metadata.name] = node
        self._tell(event, node)
        return node

    def _tell(self, event: EventType, node: Node) -> None:
        for watcher in self._watchers:
            watcher.put_nowait(WatchEvent(event, node))


@contextmanager
def holders(count: int) -> Iterator[list[int]]:
    """Processes that hold a namespace each."""
    own = os.stat("/proc/self/ns/net").st_ino
    with ExitStack() as stack:
        found = []
        for _ in range(count):
            process = subprocess.Popen(["unshare", "--net", "sleep", "120"])
            stack.callback(process.wait)
            stack.callback(process.kill)
            found.append(process.pid)
        deadline = time.monotonic() + 10
        while any(os.stat(netns.netns_of(pid)).st_ino == own for pid in found):
            assert time.monotonic() < deadline
            os.sched_yield()
        yield found


async def eventually(holds: Callable[[], Awaitable[bool]], *, within_s: float = 10) -> None:
    deadline = time.monotonic() + within_s
    while not await holds():
        assert time.monotonic() < deadline, "did not come true in time"
        await asyncio.sleep(0.01)


class Lab:
    """A cluster's network without a cluster."""

    def __init__(self, settings: ClusterSettings, stack: ExitStack) -> None:
        self.settings = settings
        self.api = NodesApi()
        self.host = self._open("/proc/self/ns/net", "host", stack)
        switch, *nodes = stack.enter_context(holders(1 + len(NODES)))
        self.switch = self._open(netns.netns_of(switch), "switch", stack)
        self.nodes = {
            node.name: self._open(netns.netns_of(pid), node.name, stack)
            for node, pid in zip(NODES, nodes, strict=True)
        }
        self.pids = stack.enter_context(holders(3))
        self.pods = [
            self._open(netns.netns_of(pid), f"pod{n}", stack) for n, pid in enumerate(self.pids)
        ]
        mtu = backend_named(settings.overlay).mtu(1500)
        self.networks = {
            name: LinuxPodNetwork(
                netns=space, node=name, cluster=settings.name, state_dir=settings.state_dir, mtu=mtu
            )
            for name, space in self.nodes.items()
        }
        for network in self.networks.values():
            stack.callback(network.close)
        iptables = detect()
        self.agents = {
            place.name: Overlay(
                client=self.api,  # type: ignore[arg-type]  # As much of it as is used.
                settings=settings,
                node=place,
                netns=self.nodes[place.name],
                clock=lambda: datetime(2026, 1, 1, tzinfo=UTC),
                network=self.networks[place.name],
                iptables=iptables,
                rules_every_s=0.0,
            )
            for place in NODES
        }
        self.addresses: list[IPv4Address] = []

    @staticmethod
    def _open(path: str, name: str, stack: ExitStack) -> Netns:
        space = Netns.open(path, name=name)
        stack.callback(space.close)
        return space

    async def attach(self, pod: int, node: str) -> IPv4Address:
        return await self.networks[node].attach(
            sandbox_id=f"uid-{pod}", pid=self.pids[pod], namespace="default", pod=f"web-{pod}"
        )


@asynccontextmanager
async def running_lab(overlay: str = "vxlan") -> AsyncIterator[Lab]:
    settings = ClusterSettings(
        name="t",
        underlay=underlay.free_underlay(),
        nodes=NODES,
        overlay=overlay,
        state_dir=PurePosixPath(tempfile.mkdtemp(dir="/var/lib/netemu")),
        run_dir=PurePosixPath("/run/netemu/t"),
    )
    Path(settings.run_dir).mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        lab = Lab(settings, stack)
        await underlay.wire(settings, switch=lab.switch, nodes=lab.nodes, host=lab.host)
        tasks = []
        async with asyncio.TaskGroup() as group:
            for place in NODES:
                lab.api.add(place)
                tasks.append(group.create_task(lab.agents[place.name].run()))
            async with asyncio.timeout(20):
                for agent in lab.agents.values():
                    await agent.synced()
                # Pods 0 and 1 on the first node, pod 2 on the second.
                for pod, node in enumerate(["control-plane", "control-plane", "worker-1"]):
                    lab.addresses.append(await lab.attach(pod, node))
                far = lab.addresses[1 if overlay == "none" else 2]
                await eventually(lambda: reaches(lab.pods[0], far))
            yield lab
            for task in tasks:
                task.cancel()
    underlay.remove_all("t")
    for folder in (settings.state_dir, settings.run_dir):
        shutil.rmtree(folder)


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    async with running_lab() as made:
        yield made


async def reaches(space: Netns, address: object, *more: str) -> bool:
    done = await space.run(["ping", "-c", "1", "-W", "1", *more, str(address)])
    return done.exit_code == 0


async def said(space: Netns, *argv: str) -> str:
    done = await space.run(argv)
    assert done.exit_code == 0, done.stderr.decode()
    return done.stdout.decode()


async def source_seen(client: Netns, server: Netns, address: str) -> str:
    """Return the address from which a connection arrives."""
    with server.socket() as listener, client.socket() as caller:
        listener.bind((address, 0))
        listener.listen()
        listener.settimeout(5)
        caller.settimeout(5)
        await asyncio.to_thread(caller.connect, listener.getsockname())
        accepted, (source, _) = await asyncio.to_thread(listener.accept)
        accepted.close()
        return str(source)


async def test_pods_nodes_and_host_reach_each_other(lab: Lab) -> None:
    """Same node, across nodes, node and pod, host and node, pod and host."""
    first, second, third = lab.addresses
    assert [str(a) for a in lab.addresses] == ["10.244.0.2", "10.244.0.3", "10.244.1.2"]
    assert await reaches(lab.pods[0], second)
    assert await reaches(lab.pods[2], first)
    assert await reaches(lab.nodes["control-plane"], first)
    assert await reaches(lab.nodes["control-plane"], third)
    assert await reaches(lab.host, "198.18.0.12")
    assert await reaches(lab.pods[0], HOST_ADDRESS)
    assert await reaches(lab.pods[0], "198.18.0.12")


async def test_who_sends_is_seen_as_on_a_real_node(lab: Lab) -> None:
    """Pods keep their address among pods, take the node's outside; a node is its bridge."""
    first, _, third = map(str, lab.addresses)
    worker = lab.nodes["worker-1"]
    assert await source_seen(lab.pods[0], lab.pods[2], third) == first
    assert await source_seen(worker, lab.pods[2], third) == "10.244.1.1"
    assert await source_seen(lab.pods[2], lab.host, HOST_ADDRESS) == "198.18.0.12"
    assert await source_seen(lab.nodes["control-plane"], lab.pods[2], third) == "10.244.0.0"


async def test_a_packet_between_nodes_is_wrapped_as_flannel_does(lab: Lab) -> None:
    """UDP to 8472 with VNI 1 on the underlay, and pods' packets of 1450 bytes but not more."""
    with lab.nodes["worker-1"].socket(
        socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800)
    ) as wire:
        wire.bind(("eth0", 0x0800))
        wire.settimeout(5)
        assert await reaches(lab.pods[0], lab.addresses[2], "-M", "do", "-s", str(1450 - 28))
        packet = wire.recv(4096)
    assert packet[9] == socket.IPPROTO_UDP
    assert len(packet) == 1500  # The headers take 50 bytes.
    assert struct.unpack_from("!H", packet, 22)[0] == 8472
    assert int.from_bytes(packet[32:35]) == 1
    assert not await reaches(lab.pods[0], lab.addresses[2], "-M", "do", "-s", str(1450 - 27))


async def test_a_node_says_what_flannel_says(lab: Lab) -> None:
    """Annotations, and the condition that takes the taint away."""
    node = lab.api.nodes["worker-1"]
    told = node.metadata.annotations
    assert told["flannel.alpha.coreos.com/public-ip"] == "198.18.0.12"
    link = await said(lab.nodes["worker-1"], "ip", "-d", "link", "show", "flannel.1")
    assert told["flannel.alpha.coreos.com/backend-data"].split('"')[5] in link
    assert "vxlan id 1 local 198.18.0.12 dev eth0" in link
    assert "dstport 8472 nolearning" in link
    assert "mtu 1450" in link
    await eventually(lambda: _has_condition(lab))


async def _has_condition(lab: Lab) -> bool:
    found = lab.api.nodes["worker-1"].status.conditions
    return [(c.type, c.status, c.reason) for c in found] == [
        ("NetworkUnavailable", "False", "FlannelIsUp")
    ]


@pytest.mark.parametrize(
    "damage",
    [
        "ip route del 10.244.1.0/24",
        "ip route replace 10.244.1.0/24 via 198.18.0.2 dev eth0",
        "ip neigh flush dev flannel.1 nud permanent",
        "ip link set flannel.1 address 02:00:00:00:00:77",
        "ip link del flannel.1",
        "ip addr del 10.244.0.0/32 dev flannel.1",
    ],
)
async def test_damage_is_repaired_when_the_kernel_tells_of_it(lab: Lab, damage: str) -> None:
    """Long before the next look that would come anyway."""
    node = lab.nodes["control-plane"]

    async def state() -> str:
        parts = [
            await said(node, "ip", "route", "show", "10.244.1.0/24"),
            await said(node, "ip", "-br", "addr", "show", "dev", "flannel.1"),
            await said(node, "ip", "neigh", "show", "dev", "flannel.1", "nud", "permanent"),
            await said(node, "bridge", "fdb", "show", "dev", "flannel.1"),
        ]
        return "".join(parts)

    whole = await state()
    await said(node, *damage.split())

    async def repaired() -> bool:
        try:
            return await state() == whole and await reaches(lab.pods[0], lab.addresses[2])
        except AssertionError:
            return False  # The device is not there at the moment.

    await eventually(repaired, within_s=5)

    assert [event.reason for event in lab.api.events] == ["NodeRepaired"] * len(lab.api.events)
    assert any("flannel.1" in event.message for event in lab.api.events)


async def test_flushed_rules_are_written_again_and_told_of(lab: Lab) -> None:
    """At the next look, which a Node's change brings about here."""
    node = lab.nodes["control-plane"]
    await said(node, *"iptables -w -t nat -F FLANNEL-POSTRTG".split())
    lab.api.remove("worker-1")

    await _told_of(lab, "OverlayRulesRepaired")
    assert "-A FLANNEL-POSTRTG -s" in await said(node, "iptables-save", "-t", "nat")


async def _told_of(lab: Lab, reason: str) -> None:
    async with asyncio.timeout(10):
        while [event.reason for event in lab.api.events] != [reason]:
            await asyncio.sleep(0.01)


async def test_what_somebody_set_down_stays_down_and_is_told_of(lab: Lab) -> None:
    """Its routes went with it and come back with it, when the same hand sets it up."""
    node = lab.nodes["control-plane"]
    await said(node, "ip", "link", "set", "flannel.1", "down")
    await _told_of(lab, "LinkDown")
    assert "stays so until it is set up" in lab.api.events[0].message
    assert "state DOWN" in await said(node, "ip", "link", "show", "flannel.1")
    await said(node, "ip", "link", "set", "flannel.1", "up")

    async def again() -> bool:
        return await reaches(lab.pods[0], lab.addresses[2])

    await eventually(again)


async def test_a_node_that_leaves_is_forgotten(lab: Lab) -> None:
    """Its route, neighbour and forwarding entry go; when it returns, so do they."""
    node = lab.nodes["control-plane"]

    async def routed() -> bool:
        shown = await said(node, "ip", "route")
        entries = await said(node, "bridge", "fdb", "show", "dev", "flannel.1")
        return "10.244.1.0/24" in shown and "198.18.0.12" in entries

    async def forgotten() -> bool:
        return not await routed()

    gone = lab.api.nodes["worker-1"]
    lab.api.remove("worker-1")
    await eventually(forgotten)
    lab.api._put(to_dict(gone), EventType.ADDED)
    await eventually(routed)


async def test_service_addresses_let_netfilter_have_its_say(lab: Lab) -> None:
    """REJECT refuses at once, from a node and from a pod; what nobody answers is dropped."""
    node = lab.nodes["control-plane"]
    for chain in ("OUTPUT", "FORWARD"):
        rule = ["-I", chain, "-d", "10.96.0.5", "-p", "tcp", "-j", "REJECT"]
        await said(node, "iptables", "-w", *rule)
    for space in (node, lab.pods[0]):
        with space.socket() as caller:
            caller.settimeout(5)
            with pytest.raises(ConnectionRefusedError):
                await asyncio.to_thread(caller.connect, ("10.96.0.5", 80))
        with space.socket() as caller:
            caller.settimeout(0.2)
            with pytest.raises(TimeoutError):
                await asyncio.to_thread(caller.connect, ("10.96.0.6", 80))


async def test_a_service_on_the_same_bridge_answers_also_the_pod_itself(lab: Lab) -> None:
    """Bridged packets pass netfilter, and the port lets them back: both Service traps."""
    node = lab.nodes["control-plane"]
    for backend, service in ((lab.addresses[1], "10.96.0.7"), (lab.addresses[0], "10.96.0.8")):
        to = ["-d", service, "-j", "DNAT", "--to-destination", str(backend)]
        await said(node, "iptables", "-w", "-t", "nat", "-A", "PREROUTING", *to)
    itself = ["-s", str(lab.addresses[0]), "-d", str(lab.addresses[0]), "-j", "MASQUERADE"]
    await said(node, "iptables", "-w", "-t", "nat", "-I", "POSTROUTING", *itself)
    assert await reaches(lab.pods[0], "10.96.0.7")
    assert await reaches(lab.pods[0], "10.96.0.8")


@pytest.mark.parametrize("flavour", ["nft", "legacy"])
async def test_rules_are_written_once_and_again_when_somebody_flushed_them(
    lab: Lab, flavour: str
) -> None:
    """What the kernel prints of them is recognised: no second jump, no rule written twice."""
    space = lab.nodes["worker-1"]
    lock_file = f"{lab.settings.run_dir}/xtables-test.lock"
    netfilter = Netfilter(space, iptables=detect(flavour), lock_file=lock_file)
    wanted = masquerade.plan(
        cluster=lab.settings.pod_cidr, mine=RANGES["worker-1"], random_fully=True
    )
    await masquerading.keep(netfilter, wanted)
    assert await masquerading.keep(netfilter, wanted) == 0
    save = [f"iptables-{flavour}", "-w", "-t", "nat", "-S"]
    whole = await said(space, *save)
    assert whole.count("-j FLANNEL-POSTRTG") == 1
    await said(space, f"iptables-{flavour}", "-w", "-t", "nat", "-F", "FLANNEL-POSTRTG")
    assert await masquerading.keep(netfilter, wanted) > 0
    assert await said(space, *save) == whole


async def test_attaching_and_detaching_can_be_repeated(lab: Lab) -> None:
    """The same address again; after detaching, the next one; a new daemon knows them all."""
    again = await lab.attach(0, "control-plane")
    assert again == lab.addresses[0]
    network = lab.networks["control-plane"]
    assert netns.published("netemu-t-") == [
        "netemu-t-control-plane-default-web-0",
        "netemu-t-control-plane-default-web-1",
        "netemu-t-worker-1-default-web-2",
    ]
    await network.detach(sandbox_id="uid-0")
    await network.detach(sandbox_id="uid-0")
    assert not await reaches(lab.pods[1], again)
    assert "netemu-t-control-plane-default-web-0" not in netns.published("netemu-t-")

    restarted = LinuxPodNetwork(
        netns=lab.nodes["control-plane"],
        node="control-plane",
        cluster="t",
        state_dir=lab.settings.state_dir,
        mtu=1450,
    )
    try:
        with pytest.raises(HostBusyError, match="the node has no pod range yet"):
            await restarted.attach(sandbox_id="x", pid=lab.pids[0], namespace="d", pod="p")
        await restarted.ready(RANGES["control-plane"])
        address = await restarted.attach(
            sandbox_id="uid-9", pid=lab.pids[0], namespace="default", pod="web-9"
        )
        # Not the one that was just released: round robin.
        assert str(address) == "10.244.0.4"
        # The bridge hears of a new port's carrier a moment after the cable is plugged in.
        assert await reaches(lab.pods[1], address, "-c", "3", "-i", "0.2")
        await restarted.prune({"uid-1"})
        assert [lease.sandbox_id for lease in restarted.leases()] == ["uid-1"]
        assert "eth0" not in await said(lab.pods[0], "ip", "-br", "link")
    finally:
        restarted.close()


async def test_addresses_of_before_a_reboot_are_kept_for_the_pods_that_are_left(lab: Lab) -> None:
    """A lease on disk outlives its cable; it goes with its Pod, not with the kernel's memory."""
    directory = Path(lab.settings.state_dir) / "networks" / "worker-1"
    (directory / "10.244.1.200").write_bytes(b"uid-old\r\neth0\r\nnetemu-t-worker-1-default-old")
    (directory / "10.244.1.201").write_bytes(b"uid-ha")  # The crash came while it was written.
    restarted = LinuxPodNetwork(
        netns=lab.nodes["worker-1"],
        node="worker-1",
        cluster="t",
        state_dir=lab.settings.state_dir,
        mtu=1450,
    )
    try:
        assert {lease.sandbox_id for lease in restarted.leases()} == {"uid-2", "uid-old"}
        await restarted.ready(RANGES["worker-1"])
        assert {lease.sandbox_id for lease in restarted.leases()} == {"uid-2", "uid-old"}
        await restarted.prune({"uid-2"})
        assert {lease.sandbox_id for lease in restarted.leases()} == {"uid-2"}
        assert sorted(os.listdir(directory)) == ["10.244.1.2", "last_reserved_ip.0"]
    finally:
        restarted.close()


async def test_many_pods_come_and_go_at_once(lab: Lab) -> None:
    """Twenty cabled and uncabled side by side, one of them cancelled on its way."""
    network = lab.networks["worker-1"]
    with holders(20) as pids:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(
                    network.attach(sandbox_id=f"m{n}", pid=pid, namespace="many", pod=f"p{n}")
                )
                for n, pid in enumerate(pids)
            ]
            await asyncio.sleep(0)
            tasks[7].cancel()
        addresses = {task.result() for task in tasks if not task.cancelled()}
        assert len(addresses) == 19
        bridged = await said(lab.nodes["worker-1"], "bridge", "link", "show")
        assert bridged.count("state forwarding") == bridged.count("master cni0") >= 20
        assert await reaches(lab.pods[0], max(addresses))
        async with asyncio.TaskGroup() as group:
            for n in range(20):
                group.create_task(network.detach(sandbox_id=f"m{n}"))
        ports = await said(lab.nodes["worker-1"], "ip", "-br", "link", "show", "type", "veth")
        assert ports.count("veth") == 1
        assert [lease.sandbox_id for lease in network.leases()] == ["uid-2"]


async def test_wiring_twice_and_removing_twice_leave_the_host_as_it_was() -> None:
    """Links, addresses, routes and names of namespaces."""

    async def host_state() -> str:
        with ExitStack() as stack:
            space = Netns.open("/proc/self/ns/net", name="host")
            stack.callback(space.close)
            parts = [
                await said(space, "ip", "-br", "link"),
                await said(space, "ip", "addr"),
                await said(space, "ip", "route", "show", "table", "all"),
                await said(space, "sysctl", "-a"),
                Path("/proc/self/mountinfo").read_text(),
            ]
        return "".join(line for line in "".join(parts).splitlines(True) if _is_setting(line))

    before = await host_state()
    async with running_lab() as lab:
        await underlay.wire(lab.settings, switch=lab.switch, nodes=lab.nodes, host=lab.host)
        assert underlay.free_underlay() == IPv4Network("198.18.1.0/24")
        assert await reaches(lab.host, "198.18.0.11")
    underlay.remove_all("t")
    assert await host_state() == before


def _is_setting(line: str) -> bool:
    """Leave out what the kernel counts and draws by lot."""
    return not line.startswith(("kernel.random", "fs.", "kernel.ns_last_pid", "kernel.pty", "vm."))


async def test_names_of_a_cluster_whose_name_begins_alike_stay() -> None:
    """Removing `lab` leaves `lab-2` alone."""
    with holders(1) as (pid,):
        for name in ("netemu-lab-worker-1", "netemu-lab-2-worker-1"):
            netns.publish(pid, name)
        underlay.remove_all("lab", others=["lab", "lab-2"])
        assert netns.published("netemu-") == ["netemu-lab-2-worker-1"]
        underlay.remove_all("lab-2")
        assert netns.published("netemu-") == []


async def test_plain_routes_do_it_too() -> None:
    """host-gw: across nodes in full size, without a tunnel; damage is repaired as well."""
    async with running_lab("host-gw") as lab:
        size = ["-M", "do", "-s", str(1500 - 28)]
        assert await reaches(lab.pods[0], lab.addresses[2], *size)
        node = lab.nodes["control-plane"]
        await said(node, "ip", "route", "del", "10.244.1.0/24")
        await eventually(lambda: reaches(lab.pods[0], lab.addresses[2]), within_s=5)
        assert "flannel.1" not in await said(node, "ip", "-br", "link")


async def test_without_an_overlay_pods_reach_their_own_node_only() -> None:
    """none: the way to another node's pods is one's own to make, and stays as it was made."""
    async with running_lab("none") as lab:
        node, peer = lab.nodes["control-plane"], lab.nodes["worker-1"]
        assert await reaches(lab.pods[0], lab.addresses[1])
        assert await reaches(node, lab.addresses[0])
        assert not await reaches(lab.pods[0], lab.addresses[2])
        assert "10.244.1.0/24" not in await said(node, "ip", "route")
        there, back = NODES[1].address, NODES[0].address
        await said(node, "ip", "route", "add", "10.244.1.0/24", "via", str(there))
        await said(peer, "ip", "route", "add", "10.244.0.0/24", "via", str(back))
        await eventually(lambda: reaches(lab.pods[0], lab.addresses[2]), within_s=5)
