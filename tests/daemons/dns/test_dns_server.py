"""The DNS server's program in a loop of the test's own, against an API server in memory."""

import asyncio
import contextlib
import random
import socket
import struct
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Network
from pathlib import PurePosixPath

import pytest
from dnslib import EDNS0, QTYPE, RCODE, DNSHeader, DNSQuestion, DNSRecord
from name_server import LIE, TRUTH, NameServer, reply, silent

from netemu.core.dns.directory import Directory
from netemu.daemons.apiserver.server import ApiServer
from netemu.daemons.dns import DnsServer
from netemu.daemons.dns_upstream import Upstream, open_sockets
from netemu.errors import ApiError
from netemu.host.pki import create_pki
from netemu.model.authentication_v1 import UserInfo
from netemu.model.core_v1 import Service, ServicePort, ServiceSpec
from netemu.model.keys import ObjectKey
from netemu.model.meta_v1 import ObjectMeta
from netemu.model.schema import copy_of
from netemu.model.settings import ClusterSettings, NodeSettings
from netemu.storage.memory import MemoryStore

pytestmark = pytest.mark.root  # Port 53, and addresses that nobody else answers at.

PORT = 5353
FIRST, SECOND, NOBODY = "127.0.53.1", "127.0.53.2", "127.0.53.9"
NO_ROUTE = "10.254.254.254"
OUTSIDE = "www.example.com"
_SO_RCVBUFFORCE = 33
INSIDE = "web.default.svc.cluster.local"


@pytest.fixture
async def client():
    node = NodeSettings(name="cp", address=IPv4Address("198.18.0.11"), control_plane=True)
    settings = ClusterSettings(
        name="test",
        underlay=IPv4Network("198.18.0.0/24"),
        nodes=(node,),
        state_dir=PurePosixPath("/nowhere"),
        run_dir=PurePosixPath("/nowhere"),
    )
    server = ApiServer(
        settings=settings,
        store=MemoryStore(),
        pki=create_pki("test"),
        clock=lambda: datetime.now(UTC),
    )
    await server.load()
    client = server.client(UserInfo(username="test", groups=["system:masters"]))
    await client.create(service("web", "10.96.0.80"))
    return client


def service(name, address):
    return Service(
        metadata=ObjectMeta(name=name, namespace="default"),
        spec=ServiceSpec(cluster_ip=address, ports=[ServicePort(port=80)]),
    )


@pytest.fixture
def name_servers():
    servers = [NameServer(FIRST), NameServer(SECOND)]
    yield servers
    for server in servers:
        server.close()


@contextlib.asynccontextmanager
async def serving(client, *upstream, patience_s=0.5, memory=None):
    """Run a server; what its loop complains of fails the test."""
    complaints = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: complaints.append(what))
    sockets = open_sockets()
    outside = Upstream(sockets, upstream, patience_s)
    server = DnsServer(Directory("cluster.local"), outside, memory=memory)
    try:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(server.run(client, port=PORT))
            try:
                assert (await ask(INSIDE)).rr
                yield server
            finally:
                task.cancel()
    finally:
        for each in sockets:
            each.close()
    assert complaints == []


class _Asker(asyncio.DatagramProtocol):
    def __init__(self):
        self.answers = asyncio.Queue()

    def datagram_received(self, data, addr):
        self.answers.put_nowait(data)


@contextlib.asynccontextmanager
async def asker():
    """Yield a function that sends packets, and the queue of what comes back."""
    transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
        _Asker, remote_addr=("127.0.0.1", PORT)
    )
    plenty = (socket.SOL_SOCKET, _SO_RCVBUFFORCE, 8 << 20)
    transport.get_extra_info("socket").setsockopt(*plenty)
    try:
        yield transport.sendto, protocol.answers
    finally:
        transport.close()


def question(name, type="A", *, id=1, edns=0):
    message = DNSRecord(DNSHeader(id=id, rd=1), q=DNSQuestion(name, getattr(QTYPE, type)))
    if edns:
        message.add_ar(EDNS0(udp_len=edns))
    return bytes(message.pack())


async def ask(name, type="A", *, id=1, edns=0, within_s=6.0):
    """Ask until there is an answer: a server that starts may not listen yet."""
    async with asyncio.timeout(within_s):
        while True:
            async with asker() as (send, answers):
                send(question(name, type, id=id, edns=edns))
                with contextlib.suppress(TimeoutError):
                    return DNSRecord.parse(await asyncio.wait_for(answers.get(), within_s))


async def ask_by_tcp(*names, port=PORT):
    """Ask all the names on one connection at once; return the answers as they come."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for number, name in enumerate(names):
        packet = question(name, id=number)
        writer.write(struct.pack("!H", len(packet)) + packet)
    found = []
    for _ in names:
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        found.append(DNSRecord.parse(await reader.readexactly(length)))
    writer.close()
    await writer.wait_closed()
    return found


def rcode(message):
    return RCODE[message.header.rcode]


def addresses(message):
    return [str(record.rdata) for record in message.rr if record.rtype == QTYPE.A]


# --- what is known -----------------------------------------------------------


async def test_changes_are_answered_at_once(client):
    """What the API has accepted is in the answers within a tenth of a second."""
    async with serving(client):
        assert rcode(await ask("new.default.svc.cluster.local")) == "NXDOMAIN"
        await client.create(service("new", "10.96.0.81"))
        async with asyncio.timeout(0.1):
            while addresses(await ask("new.default.svc.cluster.local")) != ["10.96.0.81"]:
                pass
        await client.delete(Service, "new", "default")
        async with asyncio.timeout(0.1):
            while rcode(await ask("new.default.svc.cluster.local")) != "NXDOMAIN":
                pass


async def test_cached_answers_follow_changes(client):
    """An answer that was kept is forgotten when its Service changes."""
    async with serving(client):
        assert addresses(await ask(INSIDE)) == ["10.96.0.80"]
        changed = copy_of(await client.get(Service, "web", "default"))
        changed.spec.type, changed.spec.external_name = (
            "ExternalName",
            "other.default.svc.cluster.local",
        )
        changed.spec.cluster_ip, changed.spec.cluster_ips = "", []
        await client.create(service("other", "10.96.0.82"))
        await client.update(changed)
        async with asyncio.timeout(0.2):
            while addresses(await ask(INSIDE)) != ["10.96.0.82"]:
                pass


# --- what is asked -----------------------------------------------------------


async def test_two_thousand_random_datagrams_change_nothing(client, name_servers):
    """Noise, cut questions and flipped bits are refused or ignored, and the next is answered."""
    chance = random.Random(1035)
    async with serving(client, FIRST):
        async with asker() as (send, _):
            for number in range(2000):
                good = bytearray(question(chance.choice([INSIDE, OUTSIDE]), edns=1232))
                for _ in range(chance.randrange(6)):
                    good[chance.randrange(len(good))] = chance.randrange(256)
                noise = chance.randbytes(chance.randrange(120))
                send(noise if number % 2 else bytes(good[: chance.randrange(1, len(good) + 1)]))
                if number % 100 == 0:
                    assert addresses(await ask(INSIDE)) == ["10.96.0.80"]
        assert addresses(await ask(INSIDE)) == ["10.96.0.80"]
        assert addresses(await ask(OUTSIDE)) == [TRUTH]


async def test_tcp_connections_carry_several_questions(client):
    """Questions sent one behind the other on a connection are each answered."""
    async with serving(client):
        found = await ask_by_tcp(INSIDE, "no.default.svc.cluster.local", INSIDE)
        assert [rcode(each) for each in found] == ["NOERROR", "NXDOMAIN", "NOERROR"]
        assert [each.header.id for each in found] == [0, 1, 2]


async def test_broken_tcp_connections_harm_nobody(client):
    """Halves of messages, nonsense and resets leave the next connection to be served."""
    async with serving(client):
        for nonsense in (
            b"",
            b"\0",
            b"\0\0",
            b"\0\1x",
            b"\xff\xff" + b"x" * 100,
            b"\0\x0c" + b"\0" * 12,
        ):
            _, writer = await asyncio.open_connection("127.0.0.1", PORT)
            writer.write(nonsense)
            await writer.drain()
            linger = struct.pack("ii", 1, 0)  # Closing sends a reset.
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.close()
        assert addresses((await ask_by_tcp(INSIDE))[0]) == ["10.96.0.80"]


async def test_questions_that_never_repeat_do_not_end_the_caching(client):
    """Padded and ever new questions neither fill the memory nor keep others from being kept."""
    async with serving(client) as server:
        async with asker() as (send, answers):
            padded = DNSRecord.parse(question(INSIDE, edns=1232))
            for number in range(50):
                padded.ar[0].rdata = []
                packet = bytes(padded.pack())[:-2] + struct.pack("!HHH", 604, 12, 600)
                send(packet + bytes([number]) * 600)
                await asyncio.wait_for(answers.get(), 2)
        assert all(len(kept) <= 512 for kept in server._cache)
        assert len(server._cache) < 10


# --- upstream ----------------------------------------------------------------


async def test_names_outside_are_asked_upstream(client, name_servers):
    """A forwarded answer has the asker's number and the upstream's addresses."""
    async with serving(client, FIRST):
        found = await ask(OUTSIDE, id=4711)
        assert (found.header.id, addresses(found), found.header.aa) == (4711, [TRUTH], 0)


async def test_answers_from_upstream_are_repeated_for_a_while(client, name_servers):
    """The second asker does not trouble the upstream; after half the TTL the third does."""
    name_servers[0].behave = lambda _server, query: [reply(query, TRUTH, ttl=2)]
    async with serving(client, FIRST):
        assert [(await ask(OUTSIDE)).rr[0].ttl for _ in range(3)] == [2, 1, 1]
        assert len(name_servers[0].names) == 1
        async with asyncio.timeout(3):
            while len(name_servers[0].names) == 1:
                assert addresses(await ask(OUTSIDE)) == [TRUTH]


async def test_without_name_servers_the_outside_is_refused(client):
    """A host without name servers cannot forward: REFUSED says so at once."""
    async with serving(client):
        assert rcode(await ask(OUTSIDE)) == "REFUSED"


async def test_a_silent_name_server_becomes_a_failure(client, name_servers):
    """When nobody answers, SERVFAIL comes within the bound, and inside names go on meanwhile."""
    name_servers[0].behave = silent
    async with serving(client, FIRST, patience_s=0.4):
        began = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as group:
            outside = group.create_task(ask(OUTSIDE))
            assert addresses(await ask(INSIDE)) == ["10.96.0.80"]
            assert not outside.done()
        assert rcode(outside.result()) == "SERVFAIL"
        assert asyncio.get_running_loop().time() - began < 1
        assert name_servers[0].names == [f"{OUTSIDE}."] * 2


@pytest.mark.parametrize("address", [NOBODY, NO_ROUTE])
async def test_what_cannot_be_reached_fails_at_once(client, address):
    """Where nobody listens, or no route leads, SERVFAIL does not wait for any time-out."""
    async with serving(client, address, patience_s=60):
        assert rcode(await ask(OUTSIDE, within_s=1)) == "SERVFAIL"
        assert rcode((await asyncio.wait_for(ask_by_tcp(OUTSIDE), 1))[0]) == "SERVFAIL"


async def test_the_second_name_server_is_asked(client, name_servers):
    """A silent first server costs its share of patience once; then the second comes first."""
    name_servers[0].behave = silent
    async with serving(client, FIRST, SECOND, patience_s=0.6):
        assert addresses(await ask(OUTSIDE)) == [TRUTH]
        asked = len(name_servers[0].names)
        assert addresses(await ask("a.example.com")) == [TRUTH]
        assert len(name_servers[0].names) == asked
    name_servers[0].behave = name_servers[1].behave
    async with serving(client, NOBODY, NO_ROUTE, FIRST, patience_s=60):
        assert addresses(await ask(OUTSIDE, within_s=1)) == [TRUTH]


async def test_lies_are_not_believed(client, name_servers):
    """Another port, another number, another question, another server: none is taken."""

    def lie(server, query):
        server.lie_from_another_port(query)
        name_servers[1].udp.sendto(reply(query, LIE), server.asker)
        other = DNSRecord.parse(query.pack())
        other.q.qname = "www.example.org"
        kind = DNSRecord.parse(query.pack())
        kind.q.qtype = QTYPE.AAAA
        return [
            reply(query, LIE, id=query.header.id ^ 1),
            reply(other, LIE),
            reply(kind, LIE),
            bytes(query.pack()),
            reply(query, LIE)[:20],
            b"",
            reply(query, TRUTH),
            reply(query, LIE),
        ]

    name_servers[0].behave = lie
    async with serving(client, FIRST, SECOND, patience_s=4):
        for number in range(20):
            assert addresses(await ask(f"{number}.example.com")) == [TRUTH]


async def test_lies_alone_are_a_failure(client, name_servers):
    """If nothing but lies comes, the asker hears SERVFAIL."""

    def lie(server, query):
        server.lie_from_another_port(query)
        return [reply(query, LIE, id=query.header.id ^ 0x8000)]

    name_servers[0].behave = lie
    async with serving(client, FIRST, patience_s=0.3):
        assert rcode(await ask(OUTSIDE)) == "SERVFAIL"


async def test_askers_with_one_number_get_their_own_answers(client, name_servers):
    """Many at once, all with the same ID, answered backwards: everybody gets their own."""
    held = []

    def backwards(server, query):
        number = str(query.q.qname).split(".")[0]
        held.append((server.asker, reply(query, f"192.0.2.{number}")))
        if len(held) == 200:
            for asker, answer in reversed(held):
                server.udp.sendto(answer, asker)
        return []

    name_servers[0].behave = backwards
    async with serving(client, FIRST, patience_s=20), asyncio.TaskGroup() as group:
        tasks = [group.create_task(ask(f"{n}.example.com", id=99, within_s=30)) for n in range(200)]
    for number, task in enumerate(tasks):
        assert addresses(task.result()) == [f"192.0.2.{number}"]


async def test_a_flood_of_outside_questions_is_bounded(client, name_servers):
    """More than a thousand questions under way are refused, and inside names are answered."""
    name_servers[0].behave = silent
    async with serving(client, FIRST, patience_s=1.5), asker() as (send, answers):
        for number in range(1200):
            send(question(f"{number}.example.com", id=number))
            if number % 50 == 0:
                await asyncio.sleep(0)
        assert addresses(await ask(INSIDE)) == ["10.96.0.80"]
        async with asyncio.timeout(10):
            found = [DNSRecord.parse(await answers.get()) for _ in range(1200)]
    codes = [rcode(each) for each in found]
    assert (codes.count("REFUSED"), codes.count("SERVFAIL")) == (200, 1000)


async def test_long_answers_are_fetched_by_tcp(client, name_servers):
    """Cut by UDP, asked again by TCP, an answer comes whole: over sockets that are used again."""
    many = [f"192.0.2.{n}" for n in range(100)]
    name_servers[0].behave = lambda _server, query: [reply(query, tc=1)]
    name_servers[0].tcp_addresses = many
    async with serving(client, FIRST, patience_s=4):
        cut = await ask(OUTSIDE)
        assert (cut.header.tc, addresses(cut)) == (1, [])
        for _ in range(3):
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(ask_by_tcp(OUTSIDE)) for _ in range(10)]
            assert all(addresses(task.result()[0]) == many for task in tasks)


async def test_an_external_name_is_chased_upstream(client, name_servers):
    """An ExternalName outside the cluster: its CNAME first, then what upstream says of it."""
    spec = ServiceSpec(type="ExternalName", external_name=OUTSIDE)
    await client.create(Service(metadata=ObjectMeta(name="out", namespace="default"), spec=spec))
    async with serving(client, FIRST):
        found = await ask("out.default.svc.cluster.local")
        assert [QTYPE[record.rtype] for record in found.rr] == ["CNAME", "A"]
        assert addresses(found) == [TRUTH]
        assert addresses((await ask_by_tcp("out.default.svc.cluster.local"))[0]) == [TRUTH]
        name_servers[0].behave = lambda _server, query: [reply(query, rcode=3)]
        assert rcode(await ask("out.default.svc.cluster.local")) == "NXDOMAIN"


class _Away:
    """An API that is away."""

    async def list(self, *_args, **_more):
        raise ApiError(503, "ServiceUnavailable", "away")


async def test_a_server_that_starts_while_the_api_is_away_goes_by_memory(client, tmp_path):
    """The next container answers at once what the last one knew; then the API has the word."""
    memory = tmp_path / "known.json"
    async with serving(client, memory=memory):
        await client.create(service("late", "10.96.0.81"))
        while b'"late"' not in memory.read_bytes():
            await asyncio.sleep(0.05)
    async with serving(_Away(), memory=memory):
        answer = await ask("late.default.svc.cluster.local", within_s=2)
        assert [str(record.rdata) for record in answer.rr] == ["10.96.0.81"]
    await client.delete(Service, "late", "default")
    async with serving(client, memory=memory) as server:
        while ObjectKey("default", "late") in server.directory.services:
            await asyncio.sleep(0.01)


async def test_a_memory_that_cannot_be_read_is_none(client, tmp_path):
    """Half a file, or somebody else's, costs nothing but the time of a first start."""
    memory = tmp_path / "known.json"
    memory.write_text('{"services": [{')
    async with serving(client, memory=memory):
        assert (await ask(INSIDE)).rr


async def test_a_server_that_knows_nothing_is_not_ready(monkeypatch):
    """Its Pod is ready when TCP connects; until then UDP says that it failed, after a while."""
    monkeypatch.setattr("netemu.daemons.dns._START_PATIENCE_S", 0.1)
    server = DnsServer(Directory("cluster.local"), Upstream([], []))
    async with asyncio.TaskGroup() as group:
        task = group.create_task(server.run(_Away(), port=PORT))
        assert (await ask(INSIDE)).header.rcode == RCODE.SERVFAIL
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", PORT)
        task.cancel()
