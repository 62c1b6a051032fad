"""exec by SPDY and port-forward by all its protocols, against sessions and servers of the test."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest
from spdy_client import SpdyClient

from netemu.core.spdy import frames
from netemu.errors import HostError
from netemu.model.core_v1 import Container, Pod, PodSpec
from netemu.model.meta_v1 import ObjectMeta

POD = "/api/v1/namespaces/default/pods/one"
EXEC = f"{POD}/exec?command=cat&stdin=true&stdout=true&stderr=true"
TUNNEL = "SPDY/3.1+portforward.k8s.io"
REFUSED = "connection refused"


class Cat:
    """A process that repeats its input and says its size, then ends with 3."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[bytes] = asyncio.Queue(1)
        self.killed = asyncio.Event()

    async def write_stdin(self, data: bytes) -> None:
        await self.heard.put(data)

    async def close_stdin(self) -> None:
        await self.heard.put(b"")

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        yield 2, b"ready"
        while data := await self.heard.get():
            yield 1, data

    async def resize(self, *, width: int, height: int) -> None:
        await self.heard.put(f"{width}x{height}".encode())

    async def wait(self) -> int:
        return 3

    async def kill(self) -> None:
        self.killed.set()


class Ports:
    """A Pod whose ports are those of this process."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        self.closed = False

    async def connect(self, port: int):
        try:
            return await asyncio.open_connection("127.0.0.1", port)
        except OSError as error:
            raise HostError("failed to connect", answer=REFUSED) from error

    async def gone(self) -> None:
        await self.ended.wait()

    def close(self) -> None:
        self.closed = True


class Node:
    """What the cluster would connect."""

    def __init__(self) -> None:
        self.session = Cat()
        self.ports = Ports()

    def require_running(self, pod, container) -> None:
        pass

    async def open_exec(self, pod, container, argv, *, stdin, tty):
        return self.session

    async def open_ports(self, pod):
        return self.ports


@pytest.fixture
async def node(served) -> Node:
    served.api.streams = Node()
    spec = PodSpec(containers=[Container(name="main", image="nginx")])
    await served.client.create(Pod(metadata=ObjectMeta(name="one", namespace="default"), spec=spec))
    await served.client.bind("one", "default", "worker-1")
    return served.api.streams


@pytest.fixture
async def server() -> AsyncIterator[int]:
    """A port where what is sent comes back reversed, after its end."""

    async def answer(reader, writer) -> None:
        data = await reader.read()
        writer.write(data[::-1])
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as listening:
        yield listening.sockets[0].getsockname()[1]


async def upgrade(served, path: str, *versions: str, **more: str) -> tuple[int, bytes, SpdyClient]:
    headers = {
        "Authorization": served.http.headers["Authorization"],
        "Connection": "Upgrade",
        "Upgrade": "SPDY/3.1",
        "X-Stream-Protocol-Version": ", ".join(versions),
        "Content-Length": "0",
        **more,
    }
    port = int(served.access.server.rpartition(":")[2])
    return await SpdyClient.upgrade(port, path, headers)


async def forwarding(served) -> SpdyClient:
    code, head, client = await upgrade(served, f"{POD}/portforward", "portforward.k8s.io")
    assert code == 101
    assert b"X-Stream-Protocol-Version: portforward.k8s.io" in head
    return client


async def test_exec_by_spdy(served, node):
    """A stream each; input and its end go in, output and the Status come out, all is ended."""
    code, head, client = await upgrade(served, EXEC, "v5.channel.k8s.io", "v4.channel.k8s.io")
    assert (code, b"Upgrade: SPDY/3.1" in head) == (101, True)
    assert b"X-Stream-Protocol-Version: v4.channel.k8s.io" in head
    error, stdin, stdout, stderr = [
        await client.open(streamtype=name) for name in ("error", "stdin", "stdout", "stderr")
    ]
    await client.send(stdin, b"meow" * 50_000)
    await client.send(stdin, b"", fin=True)
    await client.send_raw(frames.of_numbers(frames.Type.PING, (5,)))
    await client.until(lambda: {error, stdout, stderr} <= client.ended)
    assert client.accepted == {error, stdin, stdout, stderr}
    assert client.pongs == [b"\0\0\0\x05"]
    assert (client.said[stdout], client.said[stderr]) == (b"meow" * 50_000, b"ready")
    status = json.loads(client.said[error])
    assert status["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]
    await client.close()


async def test_terminal_by_spdy(served, node):
    """With a terminal there are sizes, one JSON object a line, and no stderr."""
    code, _, client = await upgrade(served, EXEC + "&tty=true", "v4.channel.k8s.io")
    assert code == 101
    names = ("error", "stdin", "stdout", "resize", "stderr", "nonsense")
    _, stdin, stdout, resize, stderr, nonsense = [
        await client.open(streamtype=name) for name in names
    ]
    await client.send(resize, b'{"Width":97,"Hei')
    await client.send(resize, b'ght":31}\n')
    await client.until(lambda: client.said.get(stdout) == b"97x31")
    assert client.reset == {stderr, nonsense}
    await client.send(stdin, b"", fin=True)
    await client.until(lambda: stdout in client.ended)
    await client.close()


async def test_older_protocols_say_what_failed_in_words(served, node):
    """Before v4 the error stream holds text."""
    path = f"{POD}/exec?command=cat&stdin=true&stdout=true"
    _, head, client = await upgrade(served, path, "v2.channel.k8s.io")
    assert b"v2.channel.k8s.io" in head
    error, stdin, _ = [await client.open(streamtype=n) for n in ("error", "stdin", "stdout")]
    await client.send(stdin, b"", fin=True)
    await client.until(lambda: error in client.ended)
    assert client.said[error].startswith(b"command terminated with non-zero exit code")
    await client.close()


@pytest.mark.parametrize("nonsense", [b"\x80\x02\x00\x01\x00\x00\x00\x00", None])
async def test_whoever_leaves_or_speaks_nonsense_ends_the_session(served, node, nonsense):
    """The process does not outlive its client."""
    _, _, client = await upgrade(served, EXEC, "v4.channel.k8s.io")
    for name in ("error", "stdin", "stdout", "stderr"):
        await client.open(streamtype=name)
    if nonsense:
        await client.send_raw(nonsense)
        await client.until_closed()
    await client.close()
    async with asyncio.timeout(5):
        await node.session.killed.wait()


@pytest.mark.parametrize(
    ("path", "headers", "code", "complaint"),
    [
        (EXEC, {"X-Stream-Protocol-Version": "v9"}, 403, "client supports [v9], server accepts ["),
        (EXEC, {"X-Stream-Protocol-Version": ""}, 400, "X-Stream-Protocol-Version is required"),
        (EXEC, {"Upgrade": "h2c"}, 400, "unable to upgrade"),
        (EXEC, {"Connection": "keep-alive"}, 400, "Upgrade request required"),
        (f"{POD}/portforward", {}, 403, "server accepts [portforward.k8s.io]"),
        (EXEC.replace("one", "two"), {}, 404, 'pods "two" not found'),
    ],
)
async def test_upgrades_are_refused_with_a_status(served, node, path, headers, code, complaint):
    """In Kubernetes' words, before anything is begun."""
    found, head, client = await upgrade(served, path, "v4.channel.k8s.io", **headers)
    size = int(head.lower().partition(b"content-length: ")[2].split()[0])
    status = json.loads(await client._reader.readexactly(size))
    assert (found, status["kind"], status["code"]) == (code, "Status", code)
    assert complaint in status["message"]
    await client.close()


@pytest.mark.parametrize(
    ("query", "protocol", "code"),
    [
        ("", "v4.channel.k8s.io", 400),
        ("ports=", "v4.channel.k8s.io", 400),
        ("ports=0", "v4.channel.k8s.io", 400),
        ("ports=http", "v4.channel.k8s.io", 400),
        ("ports=80&ports=70000", "v4.channel.k8s.io", 400),
        ("ports=80", "v9.channel.k8s.io", 403),
    ],
)
async def test_websockets_are_refused_with_a_status(served, node, query, protocol, code):
    """Ports that are none, and protocols that nobody speaks."""
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await served.http.ws_connect(f"{POD}/portforward?{query}", protocols=(protocol,))
    assert caught.value.status == code


async def test_ports_are_forwarded_by_spdy(served, node, server):
    """Many connections at once, each a pair of streams; half-closing passes through."""
    client = await forwarding(served)
    pairs = []
    for number in range(20):
        request = {"port": str(server), "requestid": str(number)}
        error = await client.open(streamtype="error", **request)
        await client.send(error, b"", fin=True)
        pairs.append((error, await client.open(streamtype="data", **request)))
    for number, (_, data) in enumerate(pairs):
        await client.send(data, b"%d:" % number + b"x" * 100_000)
        await client.send(data, b"end", fin=True)
    await client.until(lambda: client.ended >= {stream for pair in pairs for stream in pair})
    for number, (error, data) in enumerate(pairs):
        assert client.said[data] == (b"%d:" % number + b"x" * 100_000 + b"end")[::-1]
        assert client.said[error] == b""
    await client.close()


async def test_what_cannot_be_forwarded(served, node):
    """A port where nobody listens is told on the error stream; bad headers reset a stream."""
    client = await forwarding(served)
    error = await client.open(streamtype="error", port="1", requestid="1")
    data = await client.open(streamtype="data", port="1", requestid="1")
    await client.send(data, b"x" * 2_000_000)  # Nobody reads it, and nobody is held up by it.
    await client.until(lambda: {error, data} <= client.ended)
    assert client.said[error].startswith(b"error forwarding port 1 to pod one, uid ")
    assert client.said[error].endswith(REFUSED.encode())
    bad = [
        await client.open(streamtype="data", port="0"),
        await client.open(streamtype="data", port="http"),
        await client.open(streamtype="data"),
        await client.open(port="80"),
        await client.open(streamtype="stdin", port="80"),
    ]
    await client.until(lambda: client.reset >= set(bad))
    await client.close()


async def test_a_slow_reader_holds_no_more_than_a_bound(served, node):
    """What the Pod does not read stays with the client."""
    held = asyncio.Event()
    total = 0

    async def slow(reader, writer) -> None:
        nonlocal total
        await held.wait()
        while data := await reader.read(1 << 16):
            total += len(data)
        writer.close()

    async with await asyncio.start_server(slow, "127.0.0.1", 0) as listening:
        client = await forwarding(served)
        port = str(listening.sockets[0].getsockname()[1])
        await client.open(streamtype="error", port=port, requestid="1")
        data = await client.open(streamtype="data", port=port, requestid="1")
        sending = asyncio.ensure_future(client.send_much(data, 64))
        done, _ = await asyncio.wait([sending], timeout=0.5)
        assert not done
        held.set()
        async with asyncio.timeout(10):
            await sending
            await client.send(data, b"", fin=True)
            await client.until(lambda: data in client.ended)
        assert total == 64 << 20
        await client.close()


async def test_forwarding_ends_with_its_pod(served, node):
    """No client waits for a Pod that is gone, and nothing is held for it."""
    client = await forwarding(served)
    node.ports.ended.set()
    await client.until_closed()
    async with asyncio.timeout(5):
        while not node.ports.closed:
            await asyncio.sleep(0.01)


async def test_ports_are_forwarded_through_a_tunnel(served, node, server):
    """SPDY's bytes in messages cut anywhere; an empty message is no end."""
    path = f"{POD}/portforward"
    async with served.http.ws_connect(path, protocols=(TUNNEL,)) as socket:
        assert socket.protocol == TUNNEL
        deflate = frames_of_a_connection(server)
        for at in range(0, len(deflate), 7):
            await socket.send_bytes(deflate[at : at + 7])
            await socket.send_bytes(b"")
        reader, said = frames.FrameReader(), b""
        async with asyncio.timeout(5):
            async for message in socket:
                found = [f for f in reader.feed(message.data) if isinstance(f, frames.Data)]
                said += b"".join(frame.data for frame in found if frame.stream == 3)
                if any(frame.fin for frame in found if frame.stream == 3):
                    break
        assert said == b"olleh"


def frames_of_a_connection(port: int) -> bytes:
    """What kubectl sends for one connection that says hello."""
    from netemu.core.spdy.headers import Compressor

    deflate = Compressor()
    both = {"port": str(port), "requestid": "0"}
    return (
        frames.syn_stream(1, deflate.block({"streamtype": "error", **both}))
        + frames.data(1, b"", fin=True)
        + frames.syn_stream(3, deflate.block({"streamtype": "data", **both}))
        + frames.data(3, b"hello", fin=True)
    )


async def test_ports_are_forwarded_on_channels(served, node):
    """Two channels a port, each beginning with its number; base64 is text."""

    async def echo(reader, writer) -> None:
        writer.write(b"<" + await reader.readexactly(5) + b">")
        writer.close()

    async with await asyncio.start_server(echo, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        number = port.to_bytes(2, "little")
        path = f"{POD}/portforward?ports={port},1"
        async with served.http.ws_connect(path, protocols=("v4.channel.k8s.io",)) as socket:
            await socket.send_bytes(b"\x00hello")
            said = [message.data async for message in socket]
        assert said[:4] == [b"\0" + number, b"\1" + number, b"\2\1\0", b"\3\1\0"]
        assert said[4].startswith(b"\3error forwarding port 1 to pod one")
        assert b"".join(data[1:] for data in said[5:]) == b"<hello>"
        path = f"{POD}/portforward?ports={port}"
        async with served.http.ws_connect(path, protocols=("v4.base64.channel.k8s.io",)) as socket:
            await socket.send_str("0" + base64.b64encode(b"hello").decode())
            said = [message.data async for message in socket]
        assert said[0] == "0" + base64.b64encode(number).decode()
        assert "".join(said[2:]) == "0" + base64.b64encode(b"<hello>").decode()
