"""exec, attach and logs: bytes between a client and a container.

The API server does not know how to reach a container. It asks the hooks, which whoever
builds the cluster connects to the kubelets, and speaks the clients' protocols: chunked
text for logs; for exec and attach a WebSocket on which each message begins with its
channel: 0 stdin, 1 stdout, 2 stderr, 3 the final Status, 4 terminal sizes, and in v5
255, which closes the channel that follows (kube-api.md, 5).
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Protocol

from aiohttp import WSMessage, WSMsgType, web

from netemu.daemons.apiserver.options import flag
from netemu.daemons.apiserver.refusals import bad_request, status_of
from netemu.errors import ApiError, HostError
from netemu.host.contract import ExecSession
from netemu.model.core_v1 import Pod

log = logging.getLogger(__name__)

STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
_V4, _V5 = "v4.channel.k8s.io", "v5.channel.k8s.io"
_PROTOCOLS = (_V5, _V4)
_DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
_NOT_SPOKEN = (
    "exec, attach and cp need WebSocket, which kubectl speaks from version 1.30 on: "
    "use a newer kubectl, or `netemu exec`"
)
_LARGEST_MESSAGE = 4 * 1024 * 1024


class StreamHooks(Protocol):
    """The way to the containers."""

    def require_running(self, pod: Pod, container: str) -> None:
        """Raise ApiError if nothing can be executed there.

        A client whose WebSocket is refused asks again by SPDY and shows the second answer:
        this is what both begin with.
        """

    async def open_exec(
        self, pod: Pod, container: str, argv: Sequence[str], *, stdin: bool, tty: bool
    ) -> ExecSession:
        """Start a process in a running container; ApiError if that cannot be."""

    async def open_attach(self, pod: Pod, container: str, *, stdin: bool, tty: bool) -> ExecSession:
        """Join the container's first process; ApiError if that cannot be."""

    def read_log(
        self,
        pod: Pod,
        container: str,
        *,
        follow: bool = False,
        previous: bool = False,
        since: float | None = None,
        tail_lines: int | None = None,
        timestamps: bool = False,
        limit_bytes: int | None = None,
    ) -> AsyncIterator[bytes]:
        """Yield a container's log; `since` is in seconds since the epoch."""


def choose_container(pod: Pod, wanted: str) -> str:
    """Return the container that a request means; ApiError 400 if that is not clear."""
    spec, name = pod.spec, pod.metadata.name
    regular = [container.name for container in spec.containers]
    everything = [
        *regular,
        *(container.name for container in spec.init_containers),
        *(container.name for container in spec.ephemeral_containers),
    ]
    wanted = wanted or pod.metadata.annotations.get(_DEFAULT_CONTAINER, "")
    if wanted in everything:
        return wanted
    if wanted:
        raise bad_request(f"container {wanted} is not valid for pod {name}")
    if len(regular) != 1:
        choices = " ".join(regular)
        raise bad_request(
            f"a container name must be specified for pod {name}, choose one of: [{choices}]"
        )
    return regular[0]


def _require_host(pod: Pod) -> None:
    if not pod.spec.node_name:
        raise bad_request(f"pod {pod.metadata.name} does not have a host assigned")


async def serve_log(
    request: web.BaseRequest, pod: Pod, hooks: StreamHooks, *, now: float
) -> web.StreamResponse:
    """Answer `…/log`."""
    query = request.query
    container = choose_container(pod, query.get("container", ""))
    if not pod.spec.node_name:
        return web.Response(status=200, text="")
    chunks = hooks.read_log(
        pod,
        container,
        follow=flag(query, "follow"),
        previous=flag(query, "previous"),
        since=_since(query, now),
        tail_lines=_count(query, "tailLines"),
        timestamps=flag(query, "timestamps"),
        limit_bytes=_count(query, "limitBytes"),
    )
    # The first chunk is fetched before the reply begins: what fails, fails with a Status.
    first = await anext(chunks, None)
    reply = web.StreamResponse(headers={"Content-Type": "text/plain"})
    reply.enable_chunked_encoding()
    await reply.prepare(request)
    try:
        if first is not None:
            await reply.write(first)
            async for chunk in chunks:
                await reply.write(chunk)
    except ConnectionError:
        pass  # The reader has seen enough.
    except (ApiError, HostError) as error:
        # Too late for a Status: the reply has begun.
        log.info("log of %s broke off: %s", pod.metadata.name, error)
    finally:
        close = getattr(chunks, "aclose", None)
        if close is not None:
            await close()
    return reply


def _count(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name, "")
    if not text:
        return None
    if not text.isdecimal():
        raise bad_request(f"{name} is a number, not {text!r}")
    return int(text)


def _since(query: Mapping[str, str], now: float) -> float | None:
    seconds = _count(query, "sinceSeconds")
    if seconds is not None:
        return now - seconds
    text = query.get("sinceTime", "")
    if not text:
        return None
    from netemu.model.clock import parse_time
    from netemu.model.schema import Time

    try:
        return parse_time(Time(text)).timestamp()
    except ValueError as error:
        raise bad_request(f"sinceTime: {error}") from error


async def serve_exec(
    request: web.BaseRequest, pod: Pod, hooks: StreamHooks, *, attach: bool
) -> web.StreamResponse:
    """Answer `…/exec` or `…/attach`: everything that can be refused is, before the upgrade."""
    query = request.query
    container = choose_container(pod, query.get("container", ""))
    _require_host(pod)
    hooks.require_running(pod, container)
    argv = query.getall("command", [])
    if not attach and not argv:
        raise bad_request("you must specify at least one command for the container")
    upgrade = request.headers.get("Upgrade", "").lower()
    if upgrade != "websocket":
        raise bad_request(_NOT_SPOKEN if upgrade else "Upgrade request required")
    stdin, tty = flag(query, "stdin"), flag(query, "tty")
    if attach:
        session = await hooks.open_attach(pod, container, stdin=stdin, tty=tty)
    else:
        session = await hooks.open_exec(pod, container, argv, stdin=stdin, tty=tty)
    socket = web.WebSocketResponse(
        protocols=_PROTOCOLS, max_msg_size=_LARGEST_MESSAGE, autoping=True, compress=False
    )
    bridge = Bridge(socket, session)
    try:
        await socket.prepare(request)
        await bridge.run(takes_stdin=stdin)
    finally:
        await session.kill()
    return socket


class Bridge:
    """One session on one WebSocket."""

    def __init__(self, socket: web.WebSocketResponse, session: ExecSession) -> None:
        self._socket = socket
        self._session = session

    async def run(self, *, takes_stdin: bool) -> None:
        """Pump until the process has ended or the client has left."""
        process = asyncio.ensure_future(self._pump_out())
        client = asyncio.ensure_future(self._pump_in(takes_stdin=takes_stdin))
        try:
            # The client may leave first; it is read all the time, for pings and for that.
            await asyncio.wait((process, client), return_when=asyncio.FIRST_COMPLETED)
            if process.done():
                await self._finish(_ending(process))
        except ConnectionError:
            pass  # The client has left.
        finally:
            for task in (process, client):
                task.cancel()
            await asyncio.gather(process, client, return_exceptions=True)

    async def _pump_out(self) -> int:
        async for channel, data in self._session.output():
            await self._socket.send_bytes(bytes((channel,)) + data)
        return await self._session.wait()

    async def _pump_in(self, *, takes_stdin: bool) -> None:
        async for message in self._socket:
            channel, data = _content(message)
            if channel == STDIN and takes_stdin:
                takes_stdin = await self._feed(data)
            elif channel == CLOSE and data[:1] == bytes((STDIN,)):
                await self._session.close_stdin()
            elif channel == RESIZE:
                await self._resize(data)

    async def _feed(self, data: bytes) -> bool:
        """Write to the process; False when it reads no more, which ends nothing else."""
        try:
            await self._session.write_stdin(data)
        except (ConnectionError, HostError):
            return False
        return True

    async def _resize(self, data: bytes) -> None:
        try:
            size = json.loads(data)
            width, height = int(size["Width"]), int(size["Height"])
        except (ValueError, KeyError, TypeError):
            return  # Not a size: no reason to end a session.
        await self._session.resize(width=width, height=height)

    async def _finish(self, status: bytes) -> None:
        """Say how it ended, then close: a client without the Close frame waits for ever."""
        await self._socket.send_bytes(bytes((ERROR,)) + status)
        await self._socket.close(code=1000)


def _ending(process: asyncio.Future[int]) -> bytes:
    """Return the Status of how the session ended, or broke."""
    try:
        return exit_status(process.result())
    except ApiError as error:
        return json.dumps(status_of(error)).encode()
    except HostError as error:
        return json.dumps(status_of(ApiError(500, "InternalError", str(error)))).encode()


def _content(message: WSMessage) -> tuple[int, bytes]:
    data: Any = message.data
    if message.type is WSMsgType.TEXT:
        data = data.encode()
    if not isinstance(data, bytes) or not data:
        return -1, b""
    return data[0], data[1:]


def exit_status(exit_code: int) -> bytes:
    """Return the Status that ends a session."""
    if exit_code == 0:
        return b'{"metadata":{},"status":"Success"}'
    message = f"command terminated with non-zero exit code: exit status {exit_code}"
    status = {
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(exit_code)}]},
    }
    return json.dumps(status).encode()
