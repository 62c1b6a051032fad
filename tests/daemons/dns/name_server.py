"""A small name server of the test's own, that can also lie, cut, and keep silent."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable

from dnslib import RR, A, DNSHeader, DNSRecord

TRUTH = "192.0.2.1"
LIE = "192.0.2.66"


def reply(
    query: DNSRecord, *addresses: str, id: int | None = None, ttl: int = 60, **header: int
) -> bytes:
    """Return a response with one A record for each address."""
    number = query.header.id if id is None else id
    message = DNSRecord(DNSHeader(id=number, qr=1, ra=1, **header), q=query.q)
    message.add_answer(*(RR(query.q.qname, 1, ttl=ttl, rdata=A(each)) for each in addresses))
    return bytes(message.pack())


def truthful(server: NameServer, query: DNSRecord) -> list[bytes]:
    return [reply(query, TRUTH)]


def silent(server: NameServer, query: DNSRecord) -> list[bytes]:
    return []


class NameServer:
    """Answers at port 53 of one address, by UDP as `behave` says and by TCP truthfully."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.behave: Callable[[NameServer, DNSRecord], list[bytes]] = truthful
        self.tcp_addresses = [TRUTH]
        self.names: list[str] = []
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.udp.bind((address, 53))
        self.tcp = socket.create_server((address, 53), backlog=64)
        self.elsewhere = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.elsewhere.bind((address, 0))
        self.asker = ("", 0)
        self._threads = [
            threading.Thread(target=self._serve_udp, daemon=True),
            threading.Thread(target=self._serve_tcp, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def lie_from_another_port(self, query: DNSRecord) -> None:
        self.elsewhere.sendto(reply(query, LIE), self.asker)

    def _serve_udp(self) -> None:
        while True:
            packet, self.asker = self.udp.recvfrom(65535)
            if packet == b"end":
                return
            query = DNSRecord.parse(packet)
            self.names.append(str(query.q.qname))
            for answer in self.behave(self, query):
                self.udp.sendto(answer, self.asker)

    def _serve_tcp(self) -> None:
        while True:
            connection, _ = self.tcp.accept()
            with connection, contextlib.suppress(struct.error, OSError):
                connection.settimeout(2)
                (length,) = struct.unpack("!H", connection.recv(2, socket.MSG_WAITALL))
                if not length:
                    return
                query = DNSRecord.parse(connection.recv(length, socket.MSG_WAITALL))
                answer = reply(query, *self.tcp_addresses)
                connection.sendall(struct.pack("!H", len(answer)) + answer)

    def close(self) -> None:
        with socket.create_connection((self.address, 53)) as last:
            last.sendall(b"\0\0")
        self.elsewhere.sendto(b"end", (self.address, 53))
        for thread in self._threads:
            thread.join(5)
        for each in (self.udp, self.tcp, self.elsewhere):
            each.close()
