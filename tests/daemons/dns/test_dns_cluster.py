"""Names in a running cluster: asked from nodes and Pods, through the Service's address.

The host's name servers are the test's own: one is a stub resolver at 127.0.0.53, as
systemd-resolved has it, which only sockets of the host's own namespace can reach.
"""

from __future__ import annotations

import os
import random
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from dnslib import EDNS0, QTYPE, RCODE, DNSHeader, DNSQuestion, DNSRecord
from name_server import TRUTH, NameServer, reply
from netemu_command import Netemu, new_name, until

from netemu.client.https import HttpsClient
from netemu.cluster.access import open_client
from netemu.core import names
from netemu.host import clusters
from netemu.host.netns import Netns
from netemu.model.apps_v1 import Deployment
from netemu.model.core_v1 import Pod, Service, ServicePort, ServiceSpec
from netemu.model.discovery_v1 import Endpoint, EndpointPort, EndpointSlice
from netemu.model.meta_v1 import ObjectMeta
from netemu.model.schema import copy_of

pytestmark = pytest.mark.root

WORKLOAD = Path(__file__).with_name("dns_workload.yaml")
DNS = "10.96.0.10"
SHOP = "shop.svc.cluster.local"
STUB, DEAD = "127.0.0.53", "127.0.53.9"
LAN = "lan.example"
SOON_S = 0.1


@dataclass
class Names:
    """A cluster, a node to ask from, and the name server outside."""

    cluster: str
    netemu: Netemu
    node: Netns
    upstream: NameServer

    def client(self) -> HttpsClient:
        return open_client(self.cluster)

    def send(self, packet: bytes, *, server: str = DNS, within_s: float = 5) -> bytes:
        """Send one datagram from the node; return what comes back."""
        with self.node.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.settimeout(within_s)
            udp.sendto(packet, (server, 53))
            return udp.recv(65535)

    def ask(self, name: str, type: str = "A", *, edns: int = 0, server: str = DNS) -> DNSRecord:
        return DNSRecord.parse(self.send(question(name, type, edns=edns), server=server))

    def ask_by_tcp(self, name: str, type: str = "A") -> DNSRecord:
        packet = question(name, type)
        with self.node.socket() as tcp:
            tcp.settimeout(5)
            tcp.connect((DNS, 53))
            tcp.sendall(struct.pack("!H", len(packet)) + packet)
            (length,) = struct.unpack("!H", tcp.recv(2, socket.MSG_WAITALL))
            return DNSRecord.parse(tcp.recv(length, socket.MSG_WAITALL))

    def in_pod(self, *words: str, code: int | None = 0) -> str:
        return self.netemu(
            *("exec", "--cluster", self.cluster, "-n", "shop", "client", "--", *words), code=code
        ).out

    def dig(self, *words: str) -> str:
        """Run dig on the node."""
        netns = names.node_netns(self.cluster, "worker-1")
        argv = ["ip", "netns", "exec", netns, "dig", f"@{DNS}", "+timeout=5", "+tries=1", *words]
        return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=20).stdout


def question(name: str, type: str = "A", *, edns: int = 0) -> bytes:
    message = DNSRecord(DNSHeader(id=7, rd=1), q=DNSQuestion(name, getattr(QTYPE, type)))
    if edns:
        message.add_ar(EDNS0(udp_len=edns))
    return bytes(message.pack())


def data(message: DNSRecord) -> list[str]:
    """Return what the answers say, sorted, without their owners."""
    return sorted(str(record.rdata) for record in message.rr)


def rcode(message: DNSRecord) -> str:
    return RCODE[message.header.rcode]


def behave_outside(_server: NameServer, query: DNSRecord) -> list[bytes]:
    """Everything exists but what the search list made up, and what has no domain."""
    if str(query.q.qname).endswith(f"{LAN}.") or len(query.q.qname.label) == 1:
        return [reply(query, rcode=3)]
    return [reply(query, *([TRUTH] if query.q.qtype == QTYPE.A else []))]


@pytest.fixture(scope="module")
def resolv_conf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let the host have two name servers, the first of which is not there."""
    path = os.path.realpath("/etc/resolv.conf")
    made = not os.path.exists(path)
    if made:  # A link into /run, which is empty here.
        os.makedirs(os.path.dirname(path), exist_ok=True)
        Path(path).touch()
    ours = tmp_path_factory.mktemp("etc") / "resolv.conf"
    ours.write_text(f"nameserver {DEAD}\nnameserver {STUB}\nsearch {LAN}\n")
    subprocess.run(["mount", "--bind", ours, path], check=True)
    yield
    subprocess.run(["umount", path], check=True)
    if made:
        os.unlink(path)


@pytest.fixture(scope="module")
def cluster(resolv_conf: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Names]:
    upstream = NameServer(STUB)
    upstream.behave = behave_outside
    netemu = Netemu(tmp_path_factory.mktemp("home"))
    name = new_name("dns")
    with netemu.cluster(name, "--no-context", "-q"):
        netemu("apply", "--cluster", name, "-f", str(WORKLOAD))
        node = Netns.open(f"/run/netns/{names.node_netns(name, 'worker-1')}", name="worker-1")
        found = Names(name, netemu, node, upstream)
        until(lambda: len(data(found.ask(f"peers.{SHOP}"))) == 3, what="three Pods with names")
        until(lambda: data(found.ask(f"first.db.{SHOP}")), what="a Pod with a hostname")
        yield found
        node.close()
    upstream.close()


async def addresses(cluster: Names) -> dict[str, str]:
    """Return the ClusterIPs by Service and the Pods' addresses by Pod."""
    client = cluster.client()
    services = (await client.list(Service, "shop")).items
    pods = (await client.list(Pod, "shop")).items
    await client.close()
    return {s.metadata.name: s.spec.cluster_ip for s in services} | {
        p.metadata.name: p.status.pod_ip for p in pods
    }


# --- answers -----------------------------------------------------------------


async def test_services_pods_and_aliases_have_names(cluster):
    """A, SRV and PTR, headless and not, hostnames, ExternalName, and names made of addresses."""
    known = await addresses(cluster)
    web, db, client = known["web"], known["db-0"], known["client"]
    pods = sorted(address for name, address in known.items() if name.startswith("web-"))
    dashed = db.replace(".", "-")
    asked = [
        (f"web.{SHOP}", "A", [web]),
        (f"peers.{SHOP}", "A", pods),
        (f"db.{SHOP}", "A", [db]),
        (f"first.db.{SHOP}", "A", [db]),
        (f"{client.replace('.', '-')}.shop.pod.cluster.local", "A", [client]),
        (f"{pods[0].replace('.', '-')}.peers.{SHOP}", "A", [pods[0]]),
        (f"inside.{SHOP}", "A", sorted([f"web.{SHOP}.", web])),
        (f"outside.{SHOP}", "A", sorted(["www.example.com.", TRUTH])),
        (f"_http._tcp.web.{SHOP}", "SRV", [f"0 100 80 web.{SHOP}."]),
        (f"web.{SHOP}", "SRV", [f"0 50 80 web.{SHOP}.", f"0 50 81 web.{SHOP}."]),
        (f"_sql._tcp.db.{SHOP}", "SRV", [f"0 100 5432 first.db.{SHOP}."]),
        (".".join(reversed(web.split("."))) + ".in-addr.arpa", "PTR", [f"web.{SHOP}."]),
        (".".join(reversed(db.split("."))) + ".in-addr.arpa", "PTR", [f"first.db.{SHOP}."]),
        ("dns-version.cluster.local", "TXT", ['"1.1.0"']),
        ("kubernetes.default.svc.cluster.local", "A", ["10.96.0.1"]),
        ("kube-dns.kube-system.svc.cluster.local", "A", [DNS]),
    ]
    for name, type, expected in asked:
        assert (name, type, data(cluster.ask(name, type))) == (name, type, expected)
    (beside,) = cluster.ask(f"_sql._tcp.db.{SHOP}", "SRV").ar
    assert (str(beside.rname), str(beside.rdata)) == (f"first.db.{SHOP}.", db)
    assert rcode(cluster.ask(f"{dashed}.db.{SHOP}")) == "NXDOMAIN"  # Its hostname replaces it.


@pytest.mark.parametrize(
    ("name", "type", "code"),
    [
        (f"web.{SHOP}", "AAAA", "NOERROR"),
        (f"peers.{SHOP}", "AAAA", "NOERROR"),
        (f"web.{SHOP}", "MX", "NOERROR"),
        (SHOP, "A", "NOERROR"),
        ("svc.cluster.local", "A", "NOERROR"),
        (f"none.{SHOP}", "A", "NXDOMAIN"),
        (f"crowd.{SHOP}", "A", "NXDOMAIN"),
        ("web.none.svc.cluster.local", "A", "NXDOMAIN"),
        ("www.example.com.cluster.local", "A", "NXDOMAIN"),
        ("1-2-3-4.none.pod.cluster.local", "A", "NXDOMAIN"),
    ],
)
def test_negative_answers_say_which_kind_they_are(cluster, name, type, code):
    """NODATA and NXDOMAIN are told apart; both are authoritative and carry the zone's SOA."""
    for message in (cluster.ask(name, type), cluster.ask_by_tcp(name, type)):
        assert (rcode(message), message.rr, message.header.aa) == (code, [], 1)
        (soa,) = message.auth
        assert (str(soa.rname), QTYPE[soa.rtype]) == ("cluster.local.", "SOA")


def test_mixed_case_comes_back(cluster):
    """The asker's mixture of cases is in the question and in the records' owners."""
    mixed = f"wEb.{SHOP.title()}"
    for _ in range(2):  # Once built, once from the cache.
        message = cluster.ask(mixed)
        assert str(message.q.qname) == str(message.rr[0].rname) == f"{mixed}."


async def test_long_answers_are_cut_to_what_the_asker_takes(cluster):
    """512 bytes without EDNS, else the advertised size; more is truncated, and whole by TCP."""
    client = cluster.client()
    await client.create(crowd([f"10.9.0.{n}" for n in range(1, 61)]))
    await client.close()
    name = f"crowd.{SHOP}"
    until(lambda: cluster.ask(name).header.tc, what="an answer that is too long")
    for edns, whole in ((0, False), (600, False), (1232, True), (4096, True)):
        message = cluster.ask(name, edns=edns)
        assert (message.header.tc, len(message.rr)) == (int(not whole), 60 if whole else 0)
    assert len(cluster.ask_by_tcp(name).rr) == 60
    # dig asks again by TCP by itself, and says so.
    told = cluster.dig("+noedns", name)
    assert "Truncated, retrying in TCP mode" in told
    assert told.count("10.9.0.") == 60


def crowd(listed: list[str]) -> EndpointSlice:
    labels = {"kubernetes.io/service-name": "crowd"}
    return EndpointSlice(
        metadata=ObjectMeta(name="crowd-0", namespace="shop", labels=labels),
        address_type="IPv4",
        endpoints=[Endpoint(addresses=[address]) for address in listed],
        ports=[EndpointPort(name="http", port=80, protocol="TCP")],
    )


def test_answers_come_in_turns(cluster):
    """A headless Service's first address changes from answer to answer: a share for everybody."""
    firsts = {str(cluster.ask(f"peers.{SHOP}").rr[0].rdata) for _ in range(40)}
    assert len(firsts) == 3


def test_noise_at_the_service_address_breaks_no_server(cluster):
    """After two thousand random datagrams both servers run on, and answer."""
    chance = random.Random(53)
    with cluster.node.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.connect((DNS, 53))
        for number in range(2000):
            good = bytearray(question(f"web.{SHOP}", edns=1232))
            for _ in range(4):
                good[chance.randrange(len(good))] = chance.randrange(256)
            udp.send(chance.randbytes(chance.randrange(1, 90)) if number % 2 else good)
    for _ in range(10):
        assert data(cluster.ask(f"web.{SHOP}"))
    told = cluster.netemu("get", "--cluster", cluster.cluster, "pods", "-n", "kube-system").out
    lines = [line.split() for line in told.splitlines()[1:]]
    assert [(words[2], words[3]) for words in lines] == [("Running", "0")] * 2


# --- changes -----------------------------------------------------------------


async def test_an_api_write_is_a_dns_answer_at_once(cluster):
    """A tenth of a second after the API took it, every server answers with the change."""
    client = cluster.client()
    pods = (await client.list(Pod, "kube-system")).items
    servers = [pod.status.pod_ip for pod in pods]
    assert len(servers) == 2
    spec = ServiceSpec(cluster_ip="None", ports=[ServicePort(name="http", port=80)])
    await client.create(Service(metadata=ObjectMeta(name="swift", namespace="shop"), spec=spec))
    labels = {"kubernetes.io/service-name": "swift"}
    piece = crowd(["10.9.9.1"])
    piece.metadata = ObjectMeta(name="swift-0", namespace="shop", labels=labels)
    piece = await client.create(piece)
    took = []
    for count in (1, 4, 2, 5):
        changed = copy_of(piece)
        changed.endpoints = [Endpoint(addresses=[f"10.9.9.{n}"]) for n in range(1, count + 1)]
        piece = await client.update(changed)
        began = time.monotonic()
        for server in servers:
            until(
                lambda s=server, c=count: len(cluster.ask(f"swift.{SHOP}", server=s).rr) == c,
                what="the change",
            )
        took.append(time.monotonic() - began)
    await client.close()
    assert min(took) < SOON_S


async def test_a_scaled_headless_service_has_as_many_addresses(cluster):
    """Pods that become ready appear under the Service's name, and those that go disappear."""
    client = cluster.client()
    for count in (5, 2, 3):
        patch = {"spec": {"replicas": count}}
        await client.patch(Deployment, "web", "shop", patch)
        until(lambda c=count: len(cluster.ask(f"peers.{SHOP}").rr) == c, what=f"{count} addresses")
    await client.close()


# --- as programs ask ---------------------------------------------------------


async def test_glibc_in_a_pod_walks_the_search_list(cluster):
    """Short names, names of other namespaces and names outside resolve as in any Pod."""
    known = await addresses(cluster)
    conf = cluster.in_pod("cat", "/etc/resolv.conf").splitlines()
    domains = f"{SHOP} svc.cluster.local cluster.local {LAN}"
    assert conf == [f"search {domains}", f"nameserver {DNS}", "options ndots:5"]
    cluster.upstream.names.clear()
    script = """
        for name in web web.shop web.shop.svc kubernetes.default first.db inside ftp.example.com; do
            getent ahostsv4 $name | awk -v n=$name '$2 == "STREAM" { print n, $1 }'
        done
        getent hosts ADDRESS | awk '{ print $2 }'
        getent hosts no-such-name || echo none""".replace("ADDRESS", known["web"])
    assert cluster.in_pod("sh", "-c", script).splitlines() == [
        *(f"{name} {known['web']}" for name in ("web", "web.shop", "web.shop.svc")),
        "kubernetes.default 10.96.0.1",
        f"first.db {known['db-0']}",
        f"inside {known['web']}",
        f"ftp.example.com {TRUTH}",
        f"web.{SHOP}",
        "none",
    ]
    # ndots:5: the whole list is tried before the name itself; only what is outside gets out.
    assert list(dict.fromkeys(cluster.upstream.names)) == [
        *(f"ftp.example.com.{LAN}.", "ftp.example.com."),
        *(f"no-such-name.{LAN}.", "no-such-name."),
    ]


def test_dig_from_node_and_pod(cluster):
    """The field's own tool gets a clean answer through the Service, from either place."""
    words = ("+short", f"web.{SHOP}", "A", f"_http._tcp.web.{SHOP}", "SRV", "-x", "10.96.0.1")
    from_node = cluster.dig(*words)
    assert from_node.splitlines()[1:] == [
        f"0 100 80 web.{SHOP}.",
        "kubernetes.default.svc.cluster.local.",
    ]
    assert cluster.in_pod("dig", *words) == from_node
    told = cluster.dig("+cookie", f"web.{SHOP}")
    assert "WARNING: recursion" not in told
    assert "flags: qr aa rd ra;" in told


# --- upstream and outage -----------------------------------------------------


def test_a_stub_resolver_on_the_hosts_loopback_serves_pods(cluster):
    """Names outside reach 127.0.0.53 of the host; that the first server is dead costs nothing."""
    began = time.monotonic()
    assert data(cluster.ask("www.example.com")) == [TRUTH]
    assert data(cluster.ask_by_tcp("mail.example.com")) == [TRUTH]
    assert time.monotonic() - began < 1


def test_dns_outlives_the_daemon(cluster):
    """With the daemon killed, names inside and outside are answered; with a new one, changes."""
    record = clusters.daemon_of(cluster.cluster)
    assert record is not None
    record.process.end(grace_s=0)
    for number in range(20):
        assert data(cluster.ask(f"web.{SHOP}"))
        assert data(cluster.ask(f"{number}.example.com")) == [TRUTH]
        assert rcode(cluster.ask(f"{number}.{SHOP}")) == "NXDOMAIN"
    cluster.netemu("up", cluster.cluster, "--no-context", "-q")
    manifest = "apiVersion: v1\nkind: Service\nmetadata: {name: late, namespace: shop}\n"
    manifest += "spec: {ports: [{port: 80}]}\n"
    cluster.netemu("apply", "--cluster", cluster.cluster, "-f", "-", stdin=manifest)
    until(lambda: data(cluster.ask(f"late.{SHOP}")), what="the new Service's name")
