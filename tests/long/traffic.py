"""Traffic of one place: requests and questions at a steady pace, until told to stop.

    python traffic.py '{"web": {"http": ["10.96.3.4", 80], "pace_s": 0.05}, …}'

Run in a Pod's network namespace or on the host, with nothing but the standard library.
Each failure becomes a line of JSON at once, the totals come at the end. A probe is
`http` (a connection each), `kept` (one connection for all) or `dns`.
"""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import struct
import sys
import time
from typing import Any

_PATIENCE_S = 5.0
_OK = b"HTTP/1.1 200 "


class Probe:
    def __init__(self, name: str, how: dict[str, Any]) -> None:
        self.name = name
        self.how = how
        self.sent = 0
        self._kept: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._doing = ""
        """What it waits for, for those who have to find out why it waited in vain."""

    async def run(self) -> None:
        one = self._dns if "dns" in self.how else self._request if "kept" in self.how else self._get
        while True:
            began = time.monotonic()
            self.sent += 1
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    await one()
            except (OSError, EOFError, ValueError, TimeoutError) as error:
                ended = time.monotonic()
                why = f"{error!r} while {self._doing}"
                line = {"probe": self.name, "began": began, "ended": ended, "why": why}
                print(json.dumps(line), flush=True)
                self._hang_up()
            await asyncio.sleep(max(0.0, began + self.how["pace_s"] - time.monotonic()))

    async def _get(self) -> None:
        self._doing = "connecting"
        reader, writer = await asyncio.open_connection(*self.how["http"])
        self._doing = f"reading at {writer.get_extra_info('sockname')}"
        try:
            writer.write(b"GET /hostname HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            answer = await reader.read(-1)
        finally:
            writer.transport.abort()
        _check(answer)

    async def _request(self) -> None:
        """Use the connection of the last time."""
        self._doing = "connecting"
        if self._kept is None:
            self._kept = await asyncio.open_connection(*self.how["kept"])
        reader, writer = self._kept
        self._doing = f"reading at {writer.get_extra_info('sockname')}"
        writer.write(b"GET /hostname HTTP/1.1\r\nHost: x\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        _check(head)
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
        await reader.readexactly(int(fields[b"content-length"]))

    async def _dns(self) -> None:
        server, name = self.how["dns"]
        labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
        query = struct.pack(">6H", self.sent & 0xFFFF, 0x100, 1, 0, 0, 0)
        query += labels + b"\0" + struct.pack(">2H", 1, 1)
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
            asker.setblocking(False)
            await loop.sock_connect(asker, (server, 53))
            self._doing = f"reading at {asker.getsockname()}"
            await loop.sock_sendall(asker, query)
            answer = await loop.sock_recv(asker, 4096)
        if answer[:2] != query[:2] or answer[3] & 15 or not struct.unpack(">H", answer[6:8])[0]:
            raise ValueError(answer.hex())

    def _hang_up(self) -> None:
        if self._kept is not None:
            self._kept[1].transport.abort()
        self._kept = None


def _check(answer: bytes) -> None:
    if not answer.startswith(_OK):
        raise ValueError(repr(answer[:80]))


async def _main(probes: dict[str, dict[str, Any]]) -> None:
    running = [Probe(name, how) for name, how in probes.items()]
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(probe.run()) for probe in running]
        await stop.wait()
        for task in tasks:
            task.cancel()
    print(json.dumps({"sent": {probe.name: probe.sent for probe in running}}), flush=True)


if __name__ == "__main__":
    asyncio.run(_main(json.loads(sys.argv[1])))
