"""A forwarded port: how many bytes a second come out of a Pod through the API."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Final

from netemu.client.https import HttpsClient
from netemu.client.lean_aiohttp import aiohttp
from netemu.errors import HostError
from netemu.host.netns import Netns
from netemu.lab.bench.bed import Bed
from netemu.lab.bench.contract import Figure, Samples, Target
from netemu.model.core_v1 import Pod
from netemu.model.kinds import by_type

_PORT = 5001
_BYTES = 64 << 20
_CHUNK = bytes(1 << 16)
_WITHIN_S = 60.0
_HEAD = 3
"""Each channel begins with its number and the port's two bytes."""


def measure(bed: Bed) -> Samples:
    bed.pods()
    pod = bed.talk(lambda client: client.list(Pod, "default")).items[0]
    with _source(bed, pod):
        took_s = bed.talk(lambda client: _receive(client, pod))
    return Samples({"forward": _BYTES / took_s / (1 << 20)})


@contextlib.contextmanager
def _source(bed: Bed, pod: Pod) -> Iterator[None]:
    """Have a server in the Pod's namespace that sends zeros to the first who connects."""
    _, sandboxes, _ = bed.processes()
    pid = next(each.pid for each in sandboxes if each.name == pod.metadata.name)
    space = Netns.open(f"/proc/{pid}/ns/net", name=pod.metadata.name)
    try:
        with space.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
            listener.settimeout(_WITHIN_S)
            listener.bind(("127.0.0.1", _PORT))
            listener.listen()
            sender = threading.Thread(target=_send, args=(listener,), daemon=True)
            sender.start()
            yield
            sender.join(_WITHIN_S)
    finally:
        space.close()


def _send(listener: socket.socket) -> None:
    with contextlib.suppress(OSError), listener.accept()[0] as connection:
        for _ in range(_BYTES // len(_CHUNK)):
            connection.sendall(_CHUNK)


async def _receive(client: HttpsClient, pod: Pod) -> float:
    """Return how long all the bytes took; HostError if they do not come."""
    path = by_type(Pod).path(pod.metadata.namespace, pod.metadata.name, "portforward")
    opened = await client.websocket(path, [("ports", str(_PORT))], protocols=("v4.channel.k8s.io",))
    began = time.monotonic()
    missing = _BYTES + _HEAD - 1
    async with opened:
        while missing > 0:
            message = await opened.receive(_WITHIN_S)
            if message.type is not aiohttp.WSMsgType.BINARY:
                raise HostError("forwarding a port", answer="the connection broke")
            if message.data[0] == 0:
                missing -= len(message.data) - 1
        return time.monotonic() - began


FIGURE: Final = Figure(
    {"forward": Target("port-forward, out of a Pod", 50.0, "MiB/s", at_least=True, digits=0)},
    measure,
    order=7,
)
