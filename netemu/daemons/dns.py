"""The cluster's DNS server: the program inside the `netemu/dns` Pods.

It is a client of the API like any other Pod: with its ServiceAccount's token, at the
address that KUBERNETES_SERVICE_HOST names. It watches Services, EndpointSlices and
Namespaces, and goes on answering from what it knows when the API is away; what it knows
is kept in its Pod's volume, too, for the container that comes after it.

Most questions are repeats. A response is built once and kept as wire bytes under
the question's own bytes (all of the packet but its ID), so a repeat costs one
dictionary look-up and no parsing, and the asker's letter case comes back as it came.
Everything kept is dropped when the directory changes.

Names outside the cluster go to the host's name servers, through sockets that were
opened in the host's network namespace before this process entered the Pod's.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import signal
import socket
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from netemu.client.contract import Client
from netemu.client.https import HttpsClient
from netemu.client.informer import Informer, Informers
from netemu.client.kubeconfig import in_cluster
from netemu.core.dns import wire
from netemu.core.dns.answers import Rcode, Reply, Type, answer
from netemu.core.dns.directory import Directory, describe
from netemu.daemons.dns_memory import recall, remember, service_of
from netemu.daemons.dns_upstream import Upstream, open_sockets
from netemu.model.core_v1 import Namespace, Service
from netemu.model.discovery_v1 import EndpointSlice
from netemu.model.keys import ObjectKey

_log = logging.getLogger(__name__)

_BATCH = 64
"""Datagrams taken at one wake-up, before anything else gets its turn."""
_CACHE_ENTRIES = 20_000
_START_PATIENCE_S = 5.0
_CACHED_QUESTION_BYTES = 512
"""Longer than any sensible question: nobody shall fill the memory with padding."""
_FORWARDED_S = 30
"""How long an answer from upstream is repeated, if its TTL allows that."""
_TCP_IDLE_S = 10.0
_REMEMBER_EVERY_S = 1.0


def prepare() -> list[socket.socket]:
    """Open the sockets to the upstream servers while the host's network is still ours."""
    return open_sockets()


def main(args: Sequence[str], upstream_sockets: list[socket.socket] | None = None) -> int:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="netemu-dns")
    parser.add_argument("--domain", default="cluster.local")
    parser.add_argument("--upstream", action="append", default=[], metavar="ADDRESS")
    parser.add_argument("--port", type=int, default=53)
    parser.add_argument("--memory", type=Path, metavar="FILE")
    options = parser.parse_args(args)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    upstream = Upstream(upstream_sockets or [], options.upstream)
    server = DnsServer(Directory(options.domain), upstream, memory=options.memory)
    with contextlib.suppress(asyncio.CancelledError, KeyboardInterrupt):
        asyncio.run(_serve(server, options.port))
    return 0


async def _serve(server: DnsServer, port: int) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    client = HttpsClient(in_cluster())
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(server.run(client, port=port))
        await stop.wait()
        serving.cancel()
    await client.close()


class DnsServer:
    """Answers by UDP and TCP from a directory that follows the API."""

    def __init__(
        self, directory: Directory, upstream: Upstream, *, memory: Path | None = None
    ) -> None:
        self.directory = directory
        self._memory = memory
        self._knows = asyncio.Event()
        """Something to answer from, be it of yesterday."""
        self._news = asyncio.Event()
        self._upstream = upstream
        self._cache: dict[bytes, list[bytes]] = {}
        self._turn = 0
        self._tasks: asyncio.TaskGroup | None = None

    async def run(self, client: Client, *, port: int) -> None:
        """Listen at once, so that nobody is refused; answer as soon as there is a picture."""
        if self._memory is not None and recall(self._memory, self.directory):
            _log.info("going by memory: %d services", len(self.directory.services))
            self._knows.set()
        udp = self._bind_udp(port)
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            self._tasks = group
            self._upstream.listen()
            try:
                group.create_task(self._follow(client, group))
                await self._wait_for_a_picture()
                if not self._knows.is_set():
                    loop.add_reader(udp, self._receive, udp)
                    await self._knows.wait()
                # Not before: that it listens is what its Pod's readiness is told by.
                tcp = await asyncio.start_server(self._serve_tcp, port=port, backlog=256)
                with contextlib.closing(tcp):
                    loop.add_reader(udp, self._receive, udp)
                    await asyncio.Event().wait()
            finally:
                loop.remove_reader(udp)
                udp.close()
                self._upstream.close()

    @staticmethod
    def _bind_udp(port: int) -> socket.socket:
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        udp.setblocking(False)
        udp.bind(("", port))
        return udp

    async def _wait_for_a_picture(self) -> None:
        """After the bound, failures are an answer too: askers then try elsewhere."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_START_PATIENCE_S):
                await self._knows.wait()

    # --- what is known -------------------------------------------------------

    async def _follow(self, client: Client, group: asyncio.TaskGroup) -> None:
        informers = Informers(client, task_group=group)
        services = informers.of(Service)
        slices = informers.of(EndpointSlice)
        namespaces = informers.of(Namespace)
        slices.add_index("service", _service_of_slice)
        for informer in (services, slices, namespaces):
            await informer.synced()
        # Only now: half a picture is worse than that of yesterday.
        for key in [key for key in self.directory.services if services.get(key) is None]:
            self.directory.drop(key)
        self.directory.namespaces &= {each.metadata.name for each in namespaces.list()}
        refresh = _Refresher(self, services, slices)
        services.subscribe(refresh.on_service)
        slices.subscribe(refresh.on_slice)
        namespaces.subscribe(self._on_namespace)
        self._knows.set()
        self.forget_answers()
        _log.info("ready: %d services", len(self.directory.services))
        if self._memory is not None:
            await self._keep_memory(self._memory, services, slices)

    async def _keep_memory(
        self, path: Path, services: Informer[Service], slices: Informer[EndpointSlice]
    ) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            await self._news.wait()
            self._news.clear()
            began = clock()
            remember(path, services.list(), slices.list(), self.directory.namespaces)
            # A large cluster takes longer to write: then it is written less often.
            await asyncio.sleep(max(_REMEMBER_EVERY_S, 20 * (clock() - began)))

    def forget_answers(self) -> None:
        self._cache.clear()
        self._news.set()

    def _on_namespace(self, old: Namespace | None, new: Namespace | None) -> None:
        if new is not None and old is None:
            self.directory.namespaces.add(new.metadata.name)
            self.forget_answers()
        elif new is None and old is not None:
            self.directory.namespaces.discard(old.metadata.name)
            self.forget_answers()

    # --- what is asked -------------------------------------------------------

    def _receive(self, udp: socket.socket) -> None:
        cache = self._cache
        for _ in range(_BATCH):
            try:
                packet, asker = udp.recvfrom(65535)
            except BlockingIOError:
                return
            kept = cache.get(packet[2:])
            if kept is None:
                self._answer_new(packet, partial(_send, udp, asker), tcp=False)
            else:
                self._turn += 1
                _send(udp, asker, packet[:2] + kept[self._turn % len(kept)])

    def _answer_new(self, packet: bytes, send: Callable[[bytes], None], *, tcp: bool) -> None:
        question = wire.parse(packet)
        if not isinstance(question, wire.Question):
            if question:
                send(question)
            return
        if not self._knows.is_set():
            send(wire.refuse(question, Rcode.SERVFAIL))
            return
        reply = answer(question.name, question.type, self.directory)
        if reply.forward:
            assert self._tasks is not None
            self._tasks.create_task(self._forward(packet, question, reply, send, tcp=tcp))
            return
        variants = [
            wire.respond(question, each, domain=self.directory.domain, tcp=tcp)
            for each in _rotations(reply)
        ]
        if not tcp:
            self._keep(packet, variants)
        send(variants[0])

    def _keep(self, packet: bytes, variants: list[bytes]) -> None:
        if len(packet) > _CACHED_QUESTION_BYTES:
            return
        if len(self._cache) >= _CACHE_ENTRIES:
            self._cache.clear()  # Questions that differ each time shall not end the caching.
        self._cache[packet[2:]] = [variant[2:] for variant in variants]

    def _keep_for_a_while(self, packet: bytes, answered: bytes) -> None:
        """Keep what is not ours no longer than it may live, and not for long in any case."""
        if kept := wire.keep(answered, _FORWARDED_S):
            answer, seconds = kept
            self._keep(packet, [answer])
            asyncio.get_running_loop().call_later(seconds, self._cache.pop, packet[2:], None)

    async def _forward(
        self,
        packet: bytes,
        question: wire.Question,
        reply: Reply,
        send: Callable[[bytes], None],
        *,
        tcp: bool,
    ) -> None:
        if not self._upstream.usable:
            send(wire.refuse(question, Rcode.REFUSED))
            return
        if not reply.answers:
            answered = await self._upstream.ask(packet, tcp=tcp)
            send(answered or wire.refuse(question, Rcode.SERVFAIL))
            if answered and not tcp:
                self._keep_for_a_while(packet, answered)
            return
        # An ExternalName that leads outside: our CNAME first, then what it leads to.
        asked = wire.query(reply.forward, question.type, id=question.message.header.id)
        answered = await self._upstream.ask(asked, tcp=tcp)
        if answered is None:
            send(wire.refuse(question, Rcode.SERVFAIL))
        else:
            domain = self.directory.domain
            send(wire.join(question, reply, answered, domain=domain, tcp=tcp))

    async def _serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def send(data: bytes) -> None:
            if not writer.is_closing():
                writer.write(struct.pack("!H", len(data)) + data)

        with contextlib.suppress(
            asyncio.IncompleteReadError, TimeoutError, ConnectionError, asyncio.CancelledError
        ):
            while True:
                async with asyncio.timeout(_TCP_IDLE_S):
                    (length,) = struct.unpack("!H", await reader.readexactly(2))
                    packet = await reader.readexactly(length)
                self._answer_new(packet, send, tcp=True)
                await writer.drain()
        writer.close()


def _send(udp: socket.socket, to: tuple[str, int], data: bytes) -> None:
    # A full buffer or an asker that is gone loses this answer, as UDP does.
    with contextlib.suppress(OSError):
        udp.sendto(data, to)


_ROTATIONS = 8


def _rotations(reply: Reply) -> list[Reply]:
    """Every asker gets the addresses in another order, so that each gets its share of load."""
    records = reply.answers
    if len(records) < 2 or any(r.type not in (Type.A, Type.AAAA) for r in records):
        return [reply]
    turned = (records[n:] + records[:n] for n in range(min(len(records), _ROTATIONS)))
    return [Reply(reply.rcode, answers, reply.additional) for answers in turned]


def _service_of_slice(piece: EndpointSlice) -> list[str]:
    return [str(service_of(piece))]


@dataclass(eq=False)
class _Refresher:
    """Describes a Service anew whenever it or one of its slices changes."""

    server: DnsServer
    services: Informer[Service]
    slices: Informer[EndpointSlice]

    def on_service(self, old: Service | None, new: Service | None) -> None:
        about = new or old
        assert about is not None
        self._refresh(ObjectKey(about.metadata.namespace, about.metadata.name))

    def on_slice(self, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        # A slice that changed its label concerns two Services.
        for key in {service_of(piece) for piece in (old, new) if piece is not None}:
            self._refresh(key)

    def _refresh(self, key: ObjectKey) -> None:
        directory = self.server.directory
        service = self.services.get(key)
        if service is None:
            directory.drop(key)
        else:
            directory.put(describe(service, self.slices.by_index("service", str(key))))
        self.server.forget_answers()
