"""kube-proxy as a whole: API objects in, packet rules in a namespace out, on the real kernel."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path, PurePosixPath

import pytest

from netemu.client.contract import EventType, Listing, WatchEvent
from netemu.core.netfilter.save import parse_save
from netemu.daemons.kube_proxy import KubeProxy
from netemu.daemons.service_feed import ServiceFeed
from netemu.host.conntrack import Conntrack
from netemu.host.netns import Netns
from netemu.model.core_v1 import Event, Node, Service
from netemu.model.core_v1.service import ServicePort, ServiceSpec
from netemu.model.discovery_v1 import Endpoint, EndpointPort, EndpointSlice
from netemu.model.keys import key_of
from netemu.model.meta_v1 import ObjectMeta
from netemu.model.selector import parse_label_selector
from netemu.model.settings import ClusterSettings, NodeSettings

pytestmark = pytest.mark.root

CLUSTER_IP = "10.96.0.50"


class FakeApi:
    """The three verbs a proxy uses, over a dictionary; the real ones are tested elsewhere."""

    def __init__(self) -> None:
        self.objects: dict = {}
        self._watchers: list[tuple[type, object, asyncio.Queue]] = []
        self._revision = 0

    def put(self, obj) -> None:
        self._revision += 1
        obj.metadata.resource_version = str(self._revision)
        place = (type(obj), key_of(obj))
        kind = EventType.MODIFIED if place in self.objects else EventType.ADDED
        self.objects[place] = obj
        self._tell(WatchEvent(kind, obj))

    def drop(self, obj) -> None:
        self._revision += 1
        del self.objects[type(obj), key_of(obj)]
        self._tell(WatchEvent(EventType.DELETED, obj))

    def _tell(self, event: WatchEvent) -> None:
        for kind, selector, queue in self._watchers:
            if isinstance(event.object, kind) and selector.matches(event.object.metadata.labels):
                queue.put_nowait(event)

    async def list(self, kind, namespace="", *, labels="", fields=""):
        selector = parse_label_selector(labels)
        found = [
            obj
            for (of, _), obj in self.objects.items()
            if of is kind and selector.matches(obj.metadata.labels)
        ]
        return Listing(found, str(self._revision))

    async def watch(
        self, kind, namespace="", *, resource_version, labels="", fields=""
    ) -> AsyncIterator[WatchEvent]:
        queue: asyncio.Queue = asyncio.Queue()
        self._watchers.append((kind, parse_label_selector(labels), queue))
        while True:
            yield await queue.get()

    async def create(self, obj):
        self.put(obj)
        return obj


def _service(name: str, *, ip: str = CLUSTER_IP, protocol: str = "TCP", **spec) -> Service:
    port = ServicePort(name="p", port=80, protocol=protocol, node_port=spec.pop("node_port", 0))
    return Service(
        metadata=ObjectMeta(name=name, namespace="t"),
        spec=ServiceSpec(cluster_ip=ip, ports=[port], **spec),
    )


def _slice(service: str, *addresses: str, protocol: str = "TCP", port: int = 8080) -> EndpointSlice:
    return EndpointSlice(
        metadata=ObjectMeta(
            name=f"{service}-1", namespace="t", labels={"kubernetes.io/service-name": service}
        ),
        address_type="IPv4",
        ports=[EndpointPort(name="p", protocol=protocol, port=port)],
        endpoints=[Endpoint(addresses=[a], node_name="worker-1") for a in addresses],
    )


@pytest.fixture
def netns() -> Iterator[Netns]:
    """A node with a default route, and 10.244.1.2 and .3 as addresses of its own."""
    commands = """
        netns add proxy
        -n proxy link set lo up
        -n proxy link add up0 type veth peer name up1
        -n proxy addr add 198.18.0.11/24 dev up0
        -n proxy addr add 10.244.1.2/32 dev up0
        -n proxy addr add 10.244.1.3/32 dev up0
        -n proxy link set up0 up
        -n proxy link set up1 up
        -n proxy route add default via 198.18.0.1
    """
    for line in commands.strip().splitlines():
        subprocess.run(["ip", *line.split()], check=True)
    opened = Netns.open("/run/netns/proxy", name="proxy")
    yield opened
    opened.close()
    subprocess.run(["ip", "netns", "del", "proxy"], check=True)


@pytest.fixture(params=["nft", "legacy"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> ClusterSettings:
    return ClusterSettings(
        name="t",
        underlay=IPv4Network("198.18.0.0/24"),
        nodes=(NodeSettings(name="worker-1", address=IPv4Address("198.18.0.11")),),
        iptables_flavour=request.param,
        state_dir=PurePosixPath(tmp_path),
        run_dir=PurePosixPath(tmp_path),
    )


@contextlib.asynccontextmanager
async def _running(
    api: FakeApi, settings: ClusterSettings, netns: Netns, **options
) -> AsyncIterator[KubeProxy]:
    proxy = KubeProxy(
        client=api,
        settings=settings,
        node=settings.nodes[0],
        netns=netns,
        clock=lambda: datetime.now(UTC),
        **options,
    )
    async with asyncio.TaskGroup() as group:
        task = group.create_task(proxy.run())
        await asyncio.wait_for(proxy.synced(), 5)
        yield proxy
        task.cancel()


async def _eventually(holds: Callable[[], bool], *, within_s: float = 5) -> None:
    async with asyncio.timeout(within_s):
        while not await asyncio.to_thread(holds):
            await asyncio.sleep(0.01)


def _rules(settings: ClusterSettings, netns: Netns) -> dict:
    done = netns.run_sync([f"iptables-{settings.iptables_flavour}-save"])
    return parse_save(done.stdout.decode())


def _rewrites_to(settings: ClusterSettings, netns: Netns) -> set[str]:
    rules = [r for chain in _rules(settings, netns).get("nat", {}).values() for r in chain]
    return {r.rpartition(" ")[2] for r in rules if "--to-destination" in r}


def _api(*objects) -> FakeApi:
    api = FakeApi()
    api.put(Node(metadata=ObjectMeta(name="worker-1")))
    for obj in objects:
        api.put(obj)
    return api


async def test_rules_follow_services_and_endpoints(settings: ClusterSettings, netns: Netns) -> None:
    """A Service's rules appear, change with its endpoints, and go with it."""
    service = _service("web")
    api = _api(service, _slice("web", "10.244.1.2"))
    async with _running(api, settings, netns):
        assert _rewrites_to(settings, netns) == {"10.244.1.2:8080"}
        api.put(_slice("web", "10.244.1.2", "10.244.1.3"))
        both = {"10.244.1.2:8080", "10.244.1.3:8080"}
        await _eventually(lambda: _rewrites_to(settings, netns) == both)
        api.put(_slice("web", "10.244.1.3"))
        await _eventually(lambda: _rewrites_to(settings, netns) == {"10.244.1.3:8080"})
        api.drop(service)
        await _eventually(lambda: _rewrites_to(settings, netns) == set())
        left = [c for c in _rules(settings, netns)["nat"] if c.startswith("KUBE-S")]
        assert left == ["KUBE-SERVICES"]


async def test_jumps_stand_as_on_a_real_node(settings: ClusterSettings, netns: Netns) -> None:
    """The built-in chains lead into ours in kube-proxy's own order."""
    async with _running(_api(), settings, netns):
        rules = _rules(settings, netns)

    def targets(table: str, chain: str) -> list[str]:
        return [rule.rpartition("-j ")[2] for rule in rules[table][chain]]

    assert targets("filter", "INPUT") == [
        "KUBE-FIREWALL",
        "KUBE-PROXY-FIREWALL",
        "KUBE-NODEPORTS",
        "KUBE-EXTERNAL-SERVICES",
    ]
    assert targets("filter", "FORWARD") == [
        "KUBE-PROXY-FIREWALL",
        "KUBE-FORWARD",
        "KUBE-SERVICES",
        "KUBE-EXTERNAL-SERVICES",
    ]
    assert targets("filter", "OUTPUT") == [
        "KUBE-FIREWALL",
        "KUBE-PROXY-FIREWALL",
        "KUBE-SERVICES",
    ]
    assert targets("nat", "PREROUTING") == targets("nat", "OUTPUT") == ["KUBE-SERVICES"]
    assert targets("nat", "POSTROUTING") == ["KUBE-POSTROUTING"]


async def test_a_request_through_the_service_arrives(
    settings: ClusterSettings, netns: Netns
) -> None:
    """A process of the node reaches an endpoint through the cluster IP and the node port."""
    listener = netns.socket()
    listener.bind(("10.244.1.2", 8080))

    async def answer(_, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()

    server = await asyncio.start_server(answer, sock=listener)
    service = _service("web", type="NodePort", node_port=30080)
    api = _api(service, _slice("web", "10.244.1.2"))
    async with _running(api, settings, netns):
        for target in ((CLUSTER_IP, 80), ("198.18.0.11", 30080), ("127.0.0.1", 30080)):
            assert await _fetch(netns, target) == b"hello"
        api.put(_slice("web"))
        await _eventually(lambda: not _rewrites_to(settings, netns))
        with pytest.raises(ConnectionRefusedError):
            await _fetch(netns, (CLUSTER_IP, 80))
    server.close()


async def _fetch(netns: Netns, target: tuple[str, int], request: bytes = b"") -> bytes:
    client = netns.socket()
    client.setblocking(False)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(3):
            await loop.sock_connect(client, target)
            await loop.sock_sendall(client, request)
            answer = b""
            while piece := await loop.sock_recv(client, 65536):
                answer += piece
            return answer
    finally:
        client.close()


async def test_starting_again_changes_nothing(settings: ClusterSettings, netns: Netns) -> None:
    """A second proxy over the rules of the first keeps every rule and its counters."""
    api = _api(_service("web"), _slice("web", "10.244.1.2"))
    async with _running(api, settings, netns):
        pass
    lock = f"{settings.run_dir}/xtables-worker-1.lock"
    program = f"iptables-{settings.iptables_flavour}"
    counters = [program, "-t", "nat", "-Z"]
    netns.run_sync(counters, env={"XTABLES_LOCKFILE": lock})
    program_save = [f"{program}-save", "-c"]
    netns.run_sync([program, "-t", "nat", "-A", "OUTPUT", "-p", "udp"])
    before = netns.run_sync(program_save).stdout
    async with _running(api, settings, netns):
        pass
    after = netns.run_sync(program_save).stdout

    def rules(text: bytes) -> list[bytes]:
        return [line for line in text.splitlines() if not line.startswith(b"#")]

    assert rules(before) == rules(after)


async def test_stale_chains_of_the_past_go(settings: ClusterSettings, netns: Netns) -> None:
    """Chains of Services that went while no proxy ran are deleted; others' chains stay."""
    script = (
        "*nat\n:KUBE-SVC-AAAAAAAAAAAAAAAA - [0:0]\n:KUBE-SEP-BBBBBBBBBBBBBBBB - [0:0]\n"
        ":MINE - [0:0]\n-A KUBE-SVC-AAAAAAAAAAAAAAAA -j KUBE-SEP-BBBBBBBBBBBBBBBB\nCOMMIT\n"
    )
    restore = [f"iptables-{settings.iptables_flavour}-restore", "--noflush"]
    assert netns.run_sync(restore, stdin=script.encode()).exit_code == 0
    async with _running(_api(), settings, netns):
        chains = set(_rules(settings, netns)["nat"])
    assert "MINE" in chains
    assert not {c for c in chains if c.startswith(("KUBE-SVC-", "KUBE-SEP-"))}


@pytest.mark.parametrize("damage", ["flush", "delete-chain-rule", "delete-jump", "insert"])
async def test_somebody_elses_change_is_repaired(
    settings: ClusterSettings, netns: Netns, damage: str
) -> None:
    """Whatever somebody does to our rules is noticed, told, and undone."""
    iptables = [f"iptables-{settings.iptables_flavour}", "-w", "5", "-t", "nat"]
    api = _api(_service("web"), _slice("web", "10.244.1.2"))
    async with _running(api, settings, netns, drift_check_every_s=0.1):
        before = _rules(settings, netns)
        commands = {
            "flush": [["-F"], ["-X"]],
            "delete-chain-rule": [["-D", "KUBE-SERVICES", "1"]],
            "delete-jump": [["-D", "OUTPUT", "1"]],
            "insert": [["-I", "KUBE-SERVICES", "1", "-j", "RETURN"]],
        }[damage]
        for command in commands:
            assert netns.run_sync([*iptables, *command]).exit_code == 0
        assert _rules(settings, netns) != before
        await _eventually(lambda: _sorted(_rules(settings, netns)) == _sorted(before))
        await _eventually(lambda: any(of is Event for of, _ in api.objects))
    told = {obj.reason for (of, _), obj in api.objects.items() if of is Event}
    assert told == {"ProxyRulesRepaired"}


def _sorted(tables: dict) -> dict:
    return {table: dict(sorted(chains.items())) for table, chains in tables.items()}


async def test_many_changes_become_few_syncs(settings: ClusterSettings, netns: Netns) -> None:
    """Changes that come faster than the minimal interval are loaded together."""
    api = _api()
    async with _running(api, settings, netns) as proxy:
        for n in range(100):
            api.put(_service(f"web-{n}", ip=f"10.96.1.{n}"))
            api.put(_slice(f"web-{n}", f"10.244.1.{n + 1}"))
            await asyncio.sleep(0)
        await _eventually(lambda: len(_rewrites_to(settings, netns)) == 100)
        assert _syncs(proxy) < 15


def _syncs(proxy: KubeProxy) -> float:
    registry = proxy._metrics.registry
    return registry.get_sample_value("kubeproxy_sync_proxy_rules_duration_seconds_count")


async def test_nothing_is_written_before_both_lists_are_in(
    settings: ClusterSettings, netns: Netns
) -> None:
    """With Services known and endpoints not yet, no Service may be refused."""
    api = _api(_service("web"))
    gate = asyncio.Event()
    list_now = api.list

    async def list_slowly(kind, *args, **kwargs):
        if kind is EndpointSlice:
            await gate.wait()
        return await list_now(kind, *args, **kwargs)

    api.list = list_slowly
    proxy = KubeProxy(
        client=api,
        settings=settings,
        node=settings.nodes[0],
        netns=netns,
        clock=lambda: datetime.now(UTC),
    )
    async with asyncio.TaskGroup() as group:
        task = group.create_task(proxy.run())
        await _eventually(lambda: proxy._netfilter is not None)
        assert "KUBE-SERVICES" not in _rules(settings, netns).get("filter", {})
        gate.set()
        await asyncio.wait_for(proxy.synced(), 5)
        assert "KUBE-SERVICES" in _rules(settings, netns)["filter"]
        task.cancel()


async def test_a_udp_client_is_not_kept_on_a_dead_endpoint(
    settings: ClusterSettings, netns: Netns
) -> None:
    """A client that goes on sending from one port reaches the endpoint that replaced the old."""
    loop = asyncio.get_running_loop()
    transports = [await _udp_server(netns, f"10.244.1.{n}") for n in (2, 3)]
    api = _api(_service("dns", protocol="UDP"), _slice("dns", "10.244.1.2", protocol="UDP"))
    client = netns.socket(type=socket.SOCK_DGRAM)
    client.setblocking(False)
    client.connect((CLUSTER_IP, 80))

    async def ask() -> bytes:
        async with asyncio.timeout(2):
            await loop.sock_sendall(client, b"?")
            return await loop.sock_recv(client, 100)

    async with _running(api, settings, netns) as proxy:
        assert await ask() == b"10.244.1.2"
        api.put(_slice("dns", "10.244.1.3", protocol="UDP"))
        deleted = "kubeproxy_conntrack_reconciler_deleted_entries_total"
        await _eventually(lambda: proxy._metrics.registry.get_sample_value(deleted) == 1)
        assert await ask() == b"10.244.1.3"
        assert [str(f.answer_from) for f in Conntrack(netns).udp_flows()] == ["10.244.1.3"]
    client.close()
    for transport in transports:
        transport.close()


async def _udp_server(netns: Netns, address: str) -> asyncio.DatagramTransport:
    class Answer(asyncio.DatagramProtocol):
        def connection_made(self, transport) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, addr) -> None:
            self.transport.sendto(address.encode(), addr)

    listener = netns.socket(type=socket.SOCK_DGRAM)
    listener.bind((address, 8080))
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Answer, sock=listener)
    return transport


async def test_a_refused_service_does_not_stop_the_others(
    settings: ClusterSettings, netns: Netns
) -> None:
    """The kernel's refusal is told of the Service it belongs to; all others are served."""
    bad = _service("bad", ip="10.96.2.1")
    bad.spec.ports[0].protocol = "NONSENSE"
    objects = [bad]
    for n in range(1, 10):
        objects += [_service(f"good-{n}", ip=f"10.96.1.{n}"), _slice(f"good-{n}", f"10.244.1.{n}")]
    api = _api(*objects)
    async with _running(api, settings, netns):
        assert len(_rewrites_to(settings, netns)) == 9
        await _eventually(lambda: _blamed(api) == {"bad"})
        api.put(_slice("good-1", "10.244.1.50"))
        await _eventually(lambda: "10.244.1.50:8080" in _rewrites_to(settings, netns))
        worse = _service("worse", ip="10.96.2.2")
        worse.spec.ports[0].protocol = "NONSENSE"
        api.put(worse)
        await _eventually(lambda: _blamed(api) == {"bad", "worse"})
        assert len(_rewrites_to(settings, netns)) == 9
        mended = _service("bad", ip="10.96.2.1")
        api.put(mended)
        api.put(_slice("bad", "10.244.1.60"))
        await _eventually(lambda: "10.244.1.60:8080" in _rewrites_to(settings, netns))


def _blamed(api: FakeApi) -> set[str]:
    return {
        obj.involved_object.name
        for (of, _), obj in api.objects.items()
        if of is Event and obj.reason == "FailedToProgramService"
    }


async def test_syncing_goes_on_when_the_kernel_gives_way(
    settings: ClusterSettings, netns: Netns, tmp_path: Path
) -> None:
    """What is nobody's fault is tried again until it works."""
    api = _api(_service("web"), _slice("web", "10.244.1.2"))
    async with _running(api, settings, netns) as proxy:
        broken = proxy._netfilter._iptables
        proxy._netfilter._iptables = replace(broken, directory=str(tmp_path / "nowhere"))
        api.put(_slice("web", "10.244.1.3"))
        await _eventually(lambda: _failures(proxy) > 0)
        proxy._netfilter._iptables = broken
        await _eventually(lambda: _rewrites_to(settings, netns) == {"10.244.1.3:8080"})


def _failures(proxy: KubeProxy) -> float:
    name = "kubeproxy_sync_proxy_rules_iptables_restore_failures_total"
    return proxy._metrics.registry.get_sample_value(name)


async def test_health_mode_and_metrics_are_served_on_the_node(
    settings: ClusterSettings, netns: Netns
) -> None:
    """/healthz on 10256, /proxyMode and /metrics on the loopback's 10249."""
    async with _running(_api(_service("web")), settings, netns):
        head, body = await _get(netns, ("198.18.0.11", 10256), "/healthz")
        assert " 200 " in head
        assert json.loads(body)["nodeEligible"] is True
        assert (await _get(netns, ("127.0.0.1", 10249), "/proxyMode"))[1] == "iptables"
        metrics = (await _get(netns, ("127.0.0.1", 10249), "/metrics"))[1]
        assert 'kubeproxy_sync_proxy_rules_iptables_total{table="nat"}' in metrics
        with pytest.raises(ConnectionRefusedError):
            await _fetch(netns, ("198.18.0.11", 10249))


async def test_a_port_that_is_taken_does_not_stop_the_services(
    settings: ClusterSettings, netns: Netns
) -> None:
    """A Pod of the node's network may sit on 10256; rules and the other ports are served."""
    with netns.socket() as squatter:
        squatter.bind(("0.0.0.0", 10256))
        squatter.listen()
        api = _api(_service("web"), _slice("web", "10.244.1.2"))
        async with _running(api, settings, netns):
            assert _rewrites_to(settings, netns) == {"10.244.1.2:8080"}
            assert (await _get(netns, ("127.0.0.1", 10249), "/proxyMode"))[1] == "iptables"


async def test_the_health_check_node_port_counts_local_endpoints(
    settings: ClusterSettings, netns: Netns
) -> None:
    """A load balancer learns which nodes have endpoints of a Local Service."""
    service = _service(
        "lb",
        type="LoadBalancer",
        node_port=30080,
        external_traffic_policy="Local",
        health_check_node_port=32000,
    )
    api = _api(service, _slice("lb", "10.244.1.2"))
    async with _running(api, settings, netns):
        head, body = await _get(netns, ("198.18.0.11", 32000), "/")
        assert " 200 " in head
        assert "X-Load-Balancing-Endpoint-Weight: 1" in head
        assert json.loads(body)["service"] == {"namespace": "t", "name": "lb"}
        api.put(_slice("lb"))
        await _eventually(lambda: not _rewrites_to(settings, netns))
        head, _ = await _get(netns, ("198.18.0.11", 32000), "/")
        assert " 503 " in head


async def _get(netns: Netns, target: tuple[str, int], path: str) -> tuple[str, str]:
    request = f"GET {path} HTTP/1.0\r\n\r\n".encode()
    head, _, body = (await _fetch(netns, target, request)).decode().partition("\r\n\r\n")
    return head, body


async def test_nodes_share_a_feed(settings: ClusterSettings, netns: Netns) -> None:
    """A proxy that is given a feed follows it, and does not run it."""
    api = _api(_service("web"), _slice("web", "10.244.1.2"))
    feed = ServiceFeed(client=api)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(feed.run())
        async with _running(api, settings, netns, feed=feed):
            assert _rewrites_to(settings, netns) == {"10.244.1.2:8080"}
        running.cancel()


async def test_the_first_change_is_loaded_at_once(settings: ClusterSettings, netns: Netns) -> None:
    """After a quiet time a change does not wait for the minimal interval, let alone a period."""
    api = _api()
    async with _running(api, settings, netns):
        await asyncio.sleep(0.1)
        began = time.monotonic()
        api.put(_service("web"))
        api.put(_slice("web", "10.244.1.2"))
        await _eventually(lambda: bool(_rewrites_to(settings, netns)))
        assert time.monotonic() - began < 1
