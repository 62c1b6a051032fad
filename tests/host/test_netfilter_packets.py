"""One table of packet outcomes, walked through the rules and tried with real packets.

A node hangs between the outside, two pods of its own and one far pod:

    outside 198.18.0.1, .2 ── node 198.18.0.11 ─┬─ near   10.244.1.2  (endpoint)
                                                ├─ client 10.244.1.9
                                                └─ far    10.244.2.2  (endpoint elsewhere)

Every Service of the table exists at once, so that they also prove to leave each
other alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

import pytest

from netemu.core.netfilter.tables import with_jumps
from netemu.core.netfilter.walk import Host, Packet, Verdict, walk
from netemu.core.proxy.contract import ProxyConfig, ProxyNode
from netemu.core.proxy.modes.iptables import MODE
from netemu.core.proxy.tracker import ServiceTracker
from netemu.host.netfilter import Flavour, Netfilter, detect
from netemu.host.netns import Netns
from netemu.model.core_v1 import Service
from netemu.model.core_v1.service import (
    LoadBalancerIngress,
    LoadBalancerStatus,
    ServicePort,
    ServiceSpec,
    ServiceStatus,
    SessionAffinityConfig,
)
from netemu.model.discovery_v1 import (
    Endpoint,
    EndpointConditions,
    EndpointHints,
    EndpointPort,
    EndpointSlice,
    ForNode,
    ForZone,
)
from netemu.model.meta_v1 import ObjectMeta

NODE = IPv4Address("198.18.0.11")
PLACES = {
    "near": IPv4Address("10.244.1.2"),
    "client": IPv4Address("10.244.1.9"),
    "far": IPv4Address("10.244.2.2"),
    "outside": IPv4Address("198.18.0.1"),
    "blocked": IPv4Address("198.18.0.2"),
    "node": NODE,
    "localhost": IPv4Address("127.0.0.1"),
}
VIP = "198.19.0.200"
EXTERNAL = "203.0.113.7"
SERVING, TERMINATING = (
    EndpointConditions(ready=True),
    EndpointConditions(ready=False, serving=True, terminating=True),
)
GONE = EndpointConditions(ready=False, serving=False, terminating=True)
NAMES = {"near": "worker-1", "far": "worker-2"}


@dataclass(frozen=True)
class Case:
    """A Service of the table: its number is the end of its ClusterIP and NodePort."""

    number: int
    endpoints: tuple[str, ...] = ("near", "far")
    conditions: EndpointConditions = SERVING
    protocol: str = "TCP"
    type: str = "NodePort"
    internal: str = "Cluster"
    external: str = "Cluster"
    affinity: bool = False
    external_ips: tuple[str, ...] = ()
    vip: str = ""
    ip_mode: str | None = None
    source_ranges: tuple[str, ...] = ()
    hints: dict[str, EndpointHints] | None = None

    @property
    def cluster_ip(self) -> str:
        return f"10.96.0.{self.number}"

    @property
    def node_port(self) -> int:
        return 30000 + self.number

    @property
    def port(self) -> int:
        """Different for each, for some share an external address."""
        return 1000 + self.number

    def service(self, name: str) -> Service:
        return Service(
            metadata=ObjectMeta(name=name, namespace="t"),
            spec=ServiceSpec(
                type=self.type,
                cluster_ip=self.cluster_ip,
                ports=[
                    ServicePort(
                        name="p",
                        protocol=self.protocol,
                        port=self.port,
                        node_port=self.node_port if self.type != "ClusterIP" else 0,
                    )
                ],
                internal_traffic_policy=self.internal,
                external_traffic_policy=self.external,
                session_affinity="ClientIP" if self.affinity else "None",
                session_affinity_config=SessionAffinityConfig() if self.affinity else None,
                external_ips=list(self.external_ips),
                load_balancer_source_ranges=list(self.source_ranges),
            ),
            status=ServiceStatus(
                load_balancer=LoadBalancerStatus(
                    ingress=[LoadBalancerIngress(ip=self.vip, ip_mode=self.ip_mode)]
                    if self.vip
                    else []
                )
            ),
        )

    def slice(self, name: str) -> EndpointSlice:
        return EndpointSlice(
            metadata=ObjectMeta(
                name=f"{name}-1", namespace="t", labels={"kubernetes.io/service-name": name}
            ),
            address_type="IPv4",
            ports=[EndpointPort(name="p", protocol=self.protocol, port=8080)],
            endpoints=[
                Endpoint(
                    addresses=[str(PLACES[where])],
                    node_name=NAMES[where],
                    conditions=self.conditions,
                    hints=(self.hints or {}).get(where),
                )
                for where in self.endpoints
            ],
        )


def _zones(**zones: str) -> dict[str, EndpointHints]:
    return {where: EndpointHints(for_zones=[ForZone(name=zone)]) for where, zone in zones.items()}


def _nodes(**nodes: str) -> dict[str, EndpointHints]:
    return {where: EndpointHints(for_nodes=[ForNode(name=node)]) for where, node in nodes.items()}


CASES = {
    "web": Case(20, external_ips=(EXTERNAL,), vip=VIP),
    "solo": Case(21, endpoints=("near",)),
    "empty": Case(22, endpoints=(), external_ips=(EXTERNAL,), vip=VIP),
    "ext-local": Case(23, external="Local", vip=VIP, external_ips=(EXTERNAL,)),
    "ext-local-far": Case(24, external="Local", endpoints=("far",), vip=VIP),
    "int-local": Case(25, internal="Local"),
    "int-local-far": Case(26, internal="Local", endpoints=("far",)),
    "ranges": Case(27, vip=VIP, source_ranges=("198.18.0.1/32", " 10.244.0.0/16")),
    "ending": Case(28, endpoints=("far",), conditions=TERMINATING),
    "gone": Case(29, conditions=GONE),
    "sticky": Case(30, affinity=True),
    "same-zone": Case(31, hints=_zones(near="a", far="b")),
    "same-node": Case(32, hints=_nodes(near="worker-1", far="worker-2")),
    "half-hints": Case(33, hints=_zones(near="a")),
    "proxied-vip": Case(34, vip=VIP, ip_mode="Proxy"),
    "udp": Case(35, protocol="UDP", endpoints=("near",)),
    "internal": Case(36, type="ClusterIP"),
    "both-local": Case(37, internal="Local", external="Local", endpoints=("far",)),
    "foreign-hints": Case(38, hints=_zones(near="x", far="y")),
    "node-allowed": Case(39, vip=VIP, source_ranges=("198.18.0.11/32",)),
    "udp-empty": Case(40, protocol="UDP", endpoints=()),
    "ending-local": Case(41, external="Local", endpoints=("near",), conditions=TERMINATING),
}

BOTH = frozenset({"near", "far"})
NEAR, FAR = frozenset({"near"}), frozenset({"far"})
REFUSED, DROPPED, AWAY = "refused", "dropped", "away"
KEPT, MASKED, EITHER = "kept", "masqueraded", "either"


@dataclass(frozen=True)
class Row:
    source: str
    case: str
    via: str
    """`cluster`, `node`, `localhost`, `external`, `vip`."""
    result: frozenset[str] | str
    client: str = KEPT
    """How the endpoint sees the client. `either`: masqueraded when it meets itself."""

    def __str__(self) -> str:
        return f"{self.source}->{self.case}/{self.via}"

    def target(self) -> tuple[IPv4Address, int]:
        case = CASES[self.case]
        match self.via:
            case "cluster":
                return IPv4Address(case.cluster_ip), case.port
            case "node":
                return NODE, case.node_port
            case "localhost":
                return IPv4Address("127.0.0.1"), case.node_port
            case "external":
                return IPv4Address(EXTERNAL), case.port
            case _:
                return IPv4Address(VIP), case.port


ROWS = [
    # Pods and cluster IPs.
    Row("client", "web", "cluster", BOTH),
    Row("far", "web", "cluster", BOTH, EITHER),
    Row("near", "web", "cluster", BOTH, EITHER),
    Row("near", "solo", "cluster", NEAR, MASKED),
    Row("outside", "web", "cluster", BOTH, MASKED),
    Row("node", "web", "cluster", BOTH, MASKED),
    Row("client", "internal", "cluster", BOTH),
    Row("client", "udp", "cluster", NEAR),
    Row("near", "udp", "cluster", NEAR, MASKED),
    Row("outside", "udp", "cluster", NEAR, MASKED),
    # Node ports and other ways in, policy Cluster.
    Row("outside", "web", "node", BOTH, MASKED),
    Row("outside", "web", "external", BOTH, MASKED),
    Row("outside", "web", "vip", BOTH, MASKED),
    Row("client", "web", "node", BOTH, MASKED),
    Row("client", "web", "external", BOTH, MASKED),
    Row("client", "web", "vip", BOTH, MASKED),
    Row("node", "web", "node", BOTH, MASKED),
    Row("node", "web", "localhost", BOTH, MASKED),
    Row("node", "web", "vip", BOTH, MASKED),
    Row("node", "web", "external", BOTH, MASKED),
    Row("outside", "udp", "node", NEAR, MASKED),
    Row("node", "udp", "node", NEAR, MASKED),
    # externalTrafficPolicy Local.
    Row("outside", "ext-local", "node", NEAR),
    Row("outside", "ext-local", "vip", NEAR),
    Row("outside", "ext-local", "external", NEAR),
    Row("client", "ext-local", "node", BOTH),
    Row("client", "ext-local", "vip", BOTH),
    Row("node", "ext-local", "node", BOTH, MASKED),
    Row("node", "ext-local", "vip", BOTH, MASKED),
    Row("client", "ext-local", "cluster", BOTH),
    Row("outside", "ext-local", "cluster", BOTH, MASKED),
    Row("outside", "ext-local-far", "node", DROPPED),
    Row("outside", "ext-local-far", "vip", DROPPED),
    Row("client", "ext-local-far", "node", FAR),
    Row("client", "ext-local-far", "vip", FAR),
    Row("node", "ext-local-far", "node", FAR, MASKED),
    Row("client", "ext-local-far", "cluster", FAR),
    Row("outside", "ending-local", "node", NEAR),
    # internalTrafficPolicy Local.
    Row("client", "int-local", "cluster", NEAR),
    Row("node", "int-local", "cluster", NEAR, MASKED),
    Row("outside", "int-local", "node", BOTH, MASKED),
    Row("client", "int-local-far", "cluster", DROPPED),
    Row("node", "int-local-far", "cluster", DROPPED),
    Row("outside", "int-local-far", "node", FAR, MASKED),
    Row("client", "both-local", "cluster", DROPPED),
    Row("client", "both-local", "node", FAR),
    Row("outside", "both-local", "node", DROPPED),
    # Nobody answers.
    Row("client", "empty", "cluster", REFUSED),
    Row("outside", "empty", "cluster", REFUSED),
    Row("node", "empty", "cluster", REFUSED),
    Row("outside", "empty", "node", REFUSED),
    Row("outside", "empty", "external", REFUSED),
    Row("outside", "empty", "vip", REFUSED),
    Row("client", "empty", "node", REFUSED),
    Row("client", "gone", "cluster", REFUSED),
    Row("outside", "gone", "node", REFUSED),
    Row("client", "udp-empty", "cluster", REFUSED),
    # The last resort: an endpoint that still serves while it ends.
    Row("client", "ending", "cluster", FAR),
    Row("outside", "ending", "node", FAR, MASKED),
    # Source ranges bind the LoadBalancer address, not the node port.
    Row("outside", "ranges", "vip", BOTH, MASKED),
    Row("client", "ranges", "vip", BOTH, MASKED),
    Row("blocked", "ranges", "vip", DROPPED),
    Row("blocked", "ranges", "node", BOTH, MASKED),
    Row("blocked", "ranges", "cluster", BOTH, MASKED),
    Row("outside", "node-allowed", "vip", DROPPED),
    Row("node", "node-allowed", "vip", BOTH, MASKED),
    # Topology.
    Row("client", "same-zone", "cluster", NEAR),
    Row("outside", "same-zone", "node", NEAR, MASKED),
    Row("client", "same-node", "cluster", NEAR),
    Row("client", "half-hints", "cluster", BOTH),
    Row("client", "foreign-hints", "cluster", BOTH),
    # Not ours.
    Row("client", "proxied-vip", "vip", AWAY),
    Row("client", "sticky", "cluster", BOTH),
]

CONFIG = ProxyConfig(cluster_cidr=IPv4Network("10.244.0.0/16"))


def _plan():
    tracker = ServiceTracker()
    for name, case in CASES.items():
        tracker.set_service(case.service(name))
        tracker.set_slice(case.slice(name))
    node = ProxyNode(name="worker-1", zone="a", address=NODE, addresses=(NODE,))
    return MODE.plan(tracker.table(), node, CONFIG)


STATE = _plan()


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_the_rules_lead_where_the_table_says(row: Row) -> None:
    """Walked purely, each packet ends where Kubernetes wants it."""
    address, port = row.target()
    source = PLACES["localhost"] if row.via == "localhost" else PLACES[row.source]
    packet = Packet(
        source=source,
        destination=address,
        protocol=CASES[row.case].protocol.lower(),
        port=port,
        in_link="" if row.source == "node" else "eth0",
    )
    host = Host(addresses=frozenset({NODE, PLACES["localhost"]}))
    tables = with_jumps(STATE.tables, STATE.jumps)
    outcomes = walk(tables, packet, host)
    if row.result in (REFUSED, DROPPED):
        expected = Verdict.REJECT if row.result == REFUSED else Verdict.DROP
        assert {outcome.verdict for outcome in outcomes} == {expected}
        return
    assert {outcome.verdict for outcome in outcomes} == {Verdict.ACCEPT}
    if row.result == AWAY:
        assert {outcome.destination for outcome in outcomes} == {address}
        return
    assert {outcome.destination for outcome in outcomes} == {PLACES[n] for n in row.result}
    for outcome in outcomes:
        itself = outcome.destination == source
        assert outcome.masqueraded is (row.client == MASKED or (row.client == EITHER and itself)), (
            outcome.path
        )


def test_who_came_once_comes_to_the_same_endpoint_again() -> None:
    """A client that an endpoint remembers is led to that endpoint only."""
    tables = with_jumps(STATE.tables, STATE.jumps)
    packet = Packet(
        source=PLACES["client"],
        destination=IPv4Address(CASES["sticky"].cluster_ip),
        port=CASES["sticky"].port,
        in_link="eth0",
    )
    addresses = frozenset({NODE})
    for first in walk(tables, packet, Host(addresses=addresses)):
        chain = next(step.chain for step in first.path if step.chain.startswith("KUBE-SEP"))
        remembered = {chain: frozenset({PLACES["client"]})}
        again = walk(tables, packet, Host(addresses=addresses, remembered=remembered))
        assert {outcome.destination for outcome in again} == {first.destination}


# The same with packets.


def _ip(text: str) -> None:
    for line in text.strip().splitlines():
        subprocess.run(["ip", *line.split()], check=True)


LEAVES = {"near": "10.244.1.2", "client": "10.244.1.9", "far": "10.244.2.2"}


def _build() -> dict[str, Netns]:
    spaces = ["node", "outside", *LEAVES]
    for space in spaces:
        _ip(f"netns add t-{space}\n-n t-{space} link set lo up")
    _ip("""
        link add out netns t-node type veth peer name eth0 netns t-outside
        -n t-node addr add 198.18.0.11/24 dev out
        -n t-outside addr add 198.18.0.1/24 dev eth0
        -n t-outside addr add 198.18.0.2/24 dev eth0
        -n t-node link set out up
        -n t-outside link set eth0 up
        -n t-node route add default via 198.18.0.1
        -n t-outside route add default via 198.18.0.11
    """)
    for leaf, address in LEAVES.items():
        _ip(f"""
            link add {leaf} netns t-node type veth peer name eth0 netns t-{leaf}
            -n t-node addr add 10.244.1.1/32 dev {leaf}
            -n t-node link set {leaf} up
            -n t-node route add {address} dev {leaf}
            -n t-{leaf} addr add {address}/32 dev eth0
            -n t-{leaf} link set eth0 up
            -n t-{leaf} route add 10.244.1.1 dev eth0
            -n t-{leaf} route add default via 10.244.1.1
        """)
    sysctls = {"net.ipv4.ip_forward": "1", "net.ipv4.conf.all.rp_filter": "0"}
    sysctls["net.ipv4.icmp_ratemask"] = "0"  # Each refusal of the table shall be heard.
    sysctls |= {f"net.ipv4.conf.{link}.rp_filter": "0" for link in ["out", *LEAVES]}
    for name, value in {**sysctls, **STATE.sysctls}.items():
        command = ["ip", "netns", "exec", "t-node", "sysctl", "-qw", f"{name}={value}"]
        subprocess.run(command, check=True)
    return {space: Netns.open(f"/run/netns/t-{space}", name=space) for space in spaces}


@pytest.fixture(params=list(Flavour))
def network(request: pytest.FixtureRequest, tmp_path) -> Iterator[dict[str, Netns]]:
    spaces = _build()
    try:
        netfilter = Netfilter(
            spaces["node"], iptables=detect(request.param), lock_file=str(tmp_path / "lock")
        )
        asyncio.run(netfilter.change({}, STATE.tables, jumps=STATE.jumps))
        yield spaces
    finally:
        for space, netns in spaces.items():
            netns.close()
            subprocess.run(["ip", "netns", "del", f"t-{space}"], check=True)


class _Echo(asyncio.DatagramProtocol):
    """Answers with its name and the client's address."""

    def __init__(self, name: str) -> None:
        self._name = name

    def connection_made(self, transport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr) -> None:
        self._transport.sendto(f"{self._name} {addr[0]}".encode(), addr)


@contextlib.asynccontextmanager
async def _servers(spaces: dict[str, Netns]):
    loop = asyncio.get_running_loop()

    def tell(name: str):
        async def answer(_, writer: asyncio.StreamWriter) -> None:
            writer.write(f"{name} {writer.get_extra_info('peername')[0]}".encode())
            writer.close()

        return answer

    running, transports = [], []
    for name in ("near", "far"):
        listener = spaces[name].socket()
        listener.bind(("0.0.0.0", 8080))
        running.append(await asyncio.start_server(tell(name), sock=listener))
        listener = spaces[name].socket(type=socket.SOCK_DGRAM)
        listener.bind(("0.0.0.0", 8080))
        transport, _ = await loop.create_datagram_endpoint(
            lambda name=name: _Echo(name), sock=listener
        )
        transports.append(transport)
    try:
        yield
    finally:
        for server in running:
            server.close()
        for transport in transports:
            transport.close()
        await asyncio.sleep(0)


async def _try(spaces: dict[str, Netns], row: Row) -> tuple[str, str]:
    """Return who answered and how it saw the client, or what happened instead."""
    space = spaces["outside" if row.source == "blocked" else row.source]
    udp = CASES[row.case].protocol == "UDP"
    client = space.socket(type=socket.SOCK_DGRAM if udp else socket.SOCK_STREAM)
    client.setblocking(False)
    if row.source not in ("node", "localhost"):
        client.bind((str(PLACES[row.source]), 0))
    loop = asyncio.get_running_loop()
    address, port = row.target()
    try:
        async with asyncio.timeout(0.8):
            await loop.sock_connect(client, (str(address), port))
            if udp:
                await loop.sock_sendall(client, b"?")
            own = client.getsockname()[0]
            name, seen = (await loop.sock_recv(client, 100)).decode().split()
            return name, KEPT if seen == own else MASKED
    except ConnectionRefusedError:
        return REFUSED, ""
    except TimeoutError:
        return DROPPED, ""
    finally:
        client.close()


@pytest.mark.root
async def test_real_packets_go_where_the_table_says(network: dict[str, Netns]) -> None:
    """The kernel agrees with the table, row by row, in both flavours."""
    wrong = []
    few_at_once = asyncio.Semaphore(30)

    async def attempt(row: Row) -> tuple[str, str]:
        async with few_at_once:
            return await _try(network, row)

    async with _servers(network):
        tries = [16 if row.result == BOTH and row.case != "sticky" else 2 for row in ROWS]
        rows = [row for row, times in zip(ROWS, tries, strict=True) for _ in range(times)]
        results = await asyncio.gather(*(attempt(row) for row in rows))
    for row in ROWS:
        got = {result for tried, result in zip(rows, results, strict=True) if tried is row}
        if not _as_expected(row, got):
            wrong.append(f"{row}: expected {row.result} {row.client}, got {got}")
    assert not wrong, "\n".join(wrong)


def _as_expected(row: Row, got: set[tuple[str, str]]) -> bool:
    if row.result in (REFUSED, DROPPED, AWAY):
        # What is routed away meets nobody: the outside has no such address, and no way on.
        return got == {(DROPPED if row.result == AWAY else row.result, "")}
    if row.case == "sticky":
        return len(got) == 1 and {name for name, _ in got} <= row.result
    if {name for name, _ in got} != row.result:
        return False
    return all(
        seen == row.client or (row.client == EITHER and (seen == MASKED) is (name == row.source))
        for name, seen in got
    )


@pytest.mark.root
async def test_affinity_keeps_to_one_endpoint(network: dict[str, Netns]) -> None:
    """Twenty connections of a client through two ways in reach one endpoint."""
    async with _servers(network):
        rows = [Row("client", "sticky", via, BOTH) for via in ["cluster", "node"] * 10]
        names = {(await _try(network, row))[0] for row in rows}
    assert len(names) == 1
    assert names <= BOTH
