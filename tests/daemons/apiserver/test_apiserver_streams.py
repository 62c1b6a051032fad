"""exec, attach and logs, as their clients speak them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence

import aiohttp
import pytest

from netemu.errors import ApiError, HostError
from netemu.model.core_v1 import Container, Pod, PodSpec
from netemu.model.meta_v1 import ObjectMeta

V4, V5 = "v4.channel.k8s.io", "v5.channel.k8s.io"
EXEC = "/api/v1/namespaces/default/pods/one/exec"
LOG = "/api/v1/namespaces/default/pods/one/log"


NO_SIZES = (
    b'{"Width":-1,"Height":30}',
    b'{"Width":70000,"Height":30}',
    b'{"Width":Infinity,"Height":30}',
)


class Echo:
    """A process that says its arguments, repeats its input, and ends with it."""

    def __init__(self, argv: Sequence[str]) -> None:
        self.argv = argv
        self.input: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.size = (0, 0)
        self.killed = False

    async def write_stdin(self, data: bytes) -> None:
        await self.input.put(data)

    async def close_stdin(self) -> None:
        await self.input.put(None)

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        yield 1, " ".join(self.argv).encode()
        yield 2, b"said"
        while self.argv[0] == "cat" and (data := await self.input.get()) is not None:
            yield 1, data

    async def resize(self, *, width: int, height: int) -> None:
        self.size = (width, height)
        await self.input.put(b"resized")

    async def wait(self) -> int:
        if self.argv[0] == "break":
            raise HostError("waiting for a process", where="the zygote", answer="gone")
        return int(self.argv[1]) if self.argv[0] == "exit" else 0

    async def kill(self) -> None:
        self.killed = True


class Kubelets:
    """What the cluster would connect: here, processes that only exist on paper."""

    def __init__(self) -> None:
        self.sessions: list[Echo] = []
        self.asked: dict[str, object] = {}

    def require_running(self, pod, container):
        pass

    def refuse(self):
        raise ApiError(500, "InternalError", "it has ended")

    async def open_exec(self, pod, container, argv, *, stdin, tty):
        if argv[0] == "none":
            raise ApiError(500, "InternalError", "no such program")
        self.sessions.append(Echo(argv))
        return self.sessions[-1]

    async def open_attach(self, pod, container, *, stdin, tty):
        self.sessions.append(Echo(["attached", container]))
        return self.sessions[-1]

    async def open_ports(self, pod):
        raise ApiError(500, "InternalError", "no sandbox")

    async def read_log(self, pod, container, **options) -> AsyncIterator[bytes]:
        self.asked = options
        if options["previous"]:
            raise ApiError(400, "BadRequest", "previous terminated container not found")
        yield f"log of {container}\n".encode()
        if options["follow"]:
            yield b"more\n"
        if options["limit_bytes"]:
            raise HostError("reading a log", answer="gone")


@pytest.fixture
async def kubelets(served) -> Kubelets:
    served.api.streams = Kubelets()
    spec = PodSpec(containers=[Container(name="main", image="nginx")])
    await served.client.create(Pod(metadata=ObjectMeta(name="one", namespace="default"), spec=spec))
    await served.client.bind("one", "default", "worker-1")
    return served.api.streams


async def ended(kubelets: Kubelets) -> None:
    """Wait until the session's process is put to an end, if it had none of its own."""
    async with asyncio.timeout(5):
        while not kubelets.sessions[0].killed:
            await asyncio.sleep(0.01)


async def messages(socket: aiohttp.ClientWebSocketResponse) -> list[tuple[int, bytes]]:
    """Return all messages until the Close frame."""
    async with asyncio.timeout(5):
        return [(message.data[0], message.data[1:]) async for message in socket]


async def test_exec_ends_with_status_and_close(served, kubelets):
    """Output comes on its channels, then the Status, then a Close frame."""
    query = [("command", "echo"), ("command", "a b"), ("stdout", "true"), ("stderr", "true")]
    async with served.http.ws_connect(EXEC, params=query, protocols=(V5, V4)) as socket:
        assert socket.protocol == V5
        said = await messages(socket)
        assert socket.close_code == 1000
    assert said[:2] == [(1, b"echo a b"), (2, b"said")]
    assert (said[2][0], json.loads(said[2][1])) == (3, {"metadata": {}, "status": "Success"})
    await ended(kubelets)


async def test_exit_code_is_passed_on(served, kubelets):
    """A failure carries its exit code in the Status' causes."""
    query = [("command", "exit"), ("command", "3"), ("stdout", "true")]
    async with served.http.ws_connect(EXEC, params=query, protocols=(V4,)) as socket:
        assert socket.protocol == V4
        *_, (channel, body) = await messages(socket)
    status = json.loads(body)
    assert (channel, status["reason"]) == (3, "NonZeroExitCode")
    assert status["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]


async def test_broken_session_ends_with_a_failure(served, kubelets):
    """A session that breaks ends with a Status that says so, and the Close frame."""
    query = {"command": "break", "stdout": "true"}
    async with served.http.ws_connect(EXEC, params=query, protocols=(V5,)) as socket:
        *_, (channel, body) = await messages(socket)
        assert socket.close_code == 1000
    status = json.loads(body)
    assert (channel, status["status"], status["reason"]) == (3, "Failure", "InternalError")
    assert "the zygote" in status["message"]


async def test_process_that_does_not_read(served, kubelets):
    """Input for a process that reads no more ends nothing."""
    query = {"command": "cat", "stdin": "true"}
    async with served.http.ws_connect(EXEC, params=query, protocols=(V5,)) as socket:
        await socket.receive(timeout=5)
        await socket.receive(timeout=5)

        async def broken(_data: bytes) -> None:
            raise BrokenPipeError

        kubelets.sessions[0].write_stdin = broken
        await socket.send_bytes(b"\x00one")
        await socket.send_bytes(b"\x00two")
        await socket.send_bytes(b"\xff\x00")
        (ending,) = await messages(socket)
        assert json.loads(ending[1])["status"] == "Success"


async def test_log_that_breaks_off_just_ends(served, kubelets):
    """What was read of a log before it broke is there."""
    async with served.http.get(LOG, params={"limitBytes": "9"}) as reply:
        assert await reply.text() == "log of main\n"


async def test_stdin_resize_and_its_end(served, kubelets):
    """Input and sizes go in on their channels; v5 says when the input ends."""
    query = {"command": "cat", "stdin": "true", "stdout": "true", "tty": "true"}
    async with served.http.ws_connect(EXEC, params=query, protocols=(V5,)) as socket:
        await socket.send_bytes(b"\x00hello")
        for nonsense in (b"nonsense", b"[1]", b"[" * 100_000, *NO_SIZES):
            await socket.send_bytes(b"\x04" + nonsense)
        await socket.send_bytes(b'\x04{"Width":100,"Height":30}\n')
        await socket.send_bytes(b"\xff\x00")
        said = await messages(socket)
    assert (1, b"hello") in said
    assert (1, b"resized") in said
    assert kubelets.sessions[0].size == (100, 30)


async def test_pings_are_answered_while_the_process_is_silent(served, kubelets):
    """A client that pings hears a pong although nothing is said."""
    query = {"command": "cat", "stdin": "true"}
    async with served.http.ws_connect(
        EXEC, params=query, protocols=(V5,), autoping=False
    ) as socket:
        asked = await socket.receive(timeout=5)
        assert asked.type == aiohttp.WSMsgType.PING  # Does it listen? It says nothing.
        assert (await socket.receive(timeout=5)).data == b"\x01cat"
        await socket.receive(timeout=5)
        await socket.ping(b"there?")
        pong = await socket.receive(timeout=5)
        assert (pong.type, pong.data) == (aiohttp.WSMsgType.PONG, b"there?")


async def test_process_of_a_client_that_left_is_killed(served, kubelets):
    """When the client goes, its process is not left behind."""
    query = {"command": "cat", "stdin": "true"}
    async with served.http.ws_connect(EXEC, params=query, protocols=(V5,)) as socket:
        await socket.receive(timeout=5)
    await ended(kubelets)


async def test_attach(served, kubelets):
    """attach joins the container's own process."""
    path = EXEC.replace("/exec", "/attach")
    async with served.http.ws_connect(path, params={"stdout": "1"}, protocols=(V5,)) as socket:
        assert (await messages(socket))[0] == (1, b"attached main")


@pytest.mark.parametrize(
    ("path", "code", "complaint"),
    [
        (EXEC + "?command=ls&container=zz", 400, "container zz is not valid for pod one"),
        (EXEC + "?command=ls", 400, "you must specify at least 1 of stdin, stdout, stderr"),
        (EXEC + "?command=ls&stdout=1", 400, "Upgrade request required"),
        (EXEC, 400, "at least one command"),
        (EXEC.replace("one", "none") + "?command=ls", 404, 'pods "none" not found'),
        (LOG + "?container=zz", 400, "container zz is not valid for pod one"),
        (LOG + "?tailLines=x", 400, "tailLines is a number"),
        (LOG + "?tailLines=" + "9" * 5000, 400, "tailLines is a number"),
        (LOG + "?sinceSeconds=" + "9" * 400, 400, "sinceSeconds is a number"),
        (LOG + "?tailLines=-1", 422, "-1: must be greater than or equal to 0"),
        (LOG + "?sinceSeconds=0", 422, "sinceSeconds: Invalid value: 0: must be greater than 0"),
        (LOG + "?sinceTime=x", 400, "sinceTime"),
        (EXEC + "?command=a%00b&stdout=1", 400, "a command holds no NUL"),
        (EXEC + "/more?command=ls&stdout=1", 404, "could not find the requested resource"),
        (LOG + "?previous=true", 400, "previous terminated container not found"),
        (EXEC.replace("/exec", "/portforward"), 400, "Upgrade request required"),
        (EXEC.replace("/exec", "/proxy"), 501, "not served yet"),
    ],
)
async def test_refusals_come_before_the_upgrade(served, kubelets, path, code, complaint):
    """What cannot be is refused with a Status, not with a broken stream."""
    async with served.http.get(path) as reply:
        status = await reply.json()
        assert (reply.status, status["kind"]) == (code, "Status")
        assert complaint in status["message"]


async def test_program_that_cannot_start(served, kubelets):
    """A process that cannot be started is refused before the upgrade, too."""
    query = {"command": "none", "stdout": "true"}
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await served.http.ws_connect(EXEC, params=query, protocols=(V5,))
    assert caught.value.status == 500


async def test_logs(served, kubelets):
    """Logs are text, with the options that were asked for."""
    async with served.http.get(LOG, params={"tailLines": "5", "timestamps": "true"}) as reply:
        assert reply.content_type == "text/plain"
        assert await reply.text() == "log of main\n"
    assert kubelets.asked["tail_lines"] == 5
    assert kubelets.asked["timestamps"] is True
    async with served.http.get(LOG, params={"follow": "true"}) as reply:
        assert await reply.text() == "log of main\nmore\n"


async def test_no_kubelet_yet(served, kubelets):
    """Before the kubelets are connected, streams are not available."""
    served.api.streams = None
    async with served.http.get(LOG) as reply:
        assert (reply.status, (await reply.json())["reason"]) == (503, "ServiceUnavailable")


async def test_a_refusal_is_the_same_by_any_protocol(served, kubelets):
    """kubectl asks again by SPDY and shows that answer: what is wrong comes first."""
    spdy = {"Upgrade": "SPDY/3.1", "Connection": "Upgrade"}
    query = {"command": "a", "stdout": "1"}
    for headers in (spdy, {}):
        async with served.http.post(
            EXEC, params=query | {"container": "ended"}, headers=headers
        ) as reply:
            assert "container ended is not valid" in (await reply.json())["message"]
    kubelets.require_running = lambda _pod, _container: kubelets.refuse()
    async with served.http.post(EXEC, params=query, headers=spdy) as reply:
        assert (await reply.json())["message"] == "it has ended"
