"""exec, attach, port-forward and logs: bytes between a client and a container.

The API server does not know how to reach a container. It asks the hooks, which whoever
builds the cluster connects to the kubelets. Logs are chunked text; for the others the
connection is upgraded to WebSocket or SPDY, which `streaming/` speaks.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol

from aiohttp import web

from netemu.core.apiserver.field_errors import bad_value, invalid_kind
from netemu.daemons.apiserver.options import flag
from netemu.daemons.apiserver.refusals import bad_request
from netemu.errors import ApiError, HostError
from netemu.host.contract import ExecSession, SandboxPorts
from netemu.model.core_v1 import Pod

log = logging.getLogger(__name__)

_LONGEST_COUNT = 18
"""Digits that 64 bits hold, whatever they are."""
_DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"


class StreamHooks(Protocol):
    """The way to the containers."""

    def require_running(self, pod: Pod, container: str) -> None:
        """Raise ApiError if nothing can be executed there."""

    async def open_exec(
        self, pod: Pod, container: str, argv: Sequence[str], *, stdin: bool, tty: bool
    ) -> ExecSession:
        """Start a process in a running container; ApiError if that cannot be."""

    async def open_attach(self, pod: Pod, container: str, *, stdin: bool, tty: bool) -> ExecSession:
        """Join the container's first process; ApiError if that cannot be."""

    async def open_ports(self, pod: Pod) -> SandboxPorts:
        """Find the way to a running Pod's ports; ApiError if it has none."""

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


def require_host(pod: Pod) -> None:
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
        tail_lines=_count(query, "tailLines", least=0),
        timestamps=flag(query, "timestamps"),
        limit_bytes=_count(query, "limitBytes", least=1),
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


def _count(query: Mapping[str, str], name: str, *, least: int) -> int | None:
    text = query.get(name, "")
    if not text:
        return None
    if not text.removeprefix("-").isdecimal() or len(text) > _LONGEST_COUNT:
        raise bad_request(f"{name} is a number, not {text[:40]!r}")
    if int(text) < least:
        bound = "greater than 0" if least else "greater than or equal to 0"
        fault = bad_value(name, int(text), f"must be {bound}")
        raise invalid_kind("", "PodLogOptions", "", [fault])
    return int(text)


def _since(query: Mapping[str, str], now: float) -> float | None:
    seconds = _count(query, "sinceSeconds", least=1)
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
    from netemu.daemons.apiserver.streaming.exec import serve_session

    query = request.query
    container = choose_container(pod, query.get("container", ""))
    require_host(pod)
    hooks.require_running(pod, container)
    argv = query.getall("command", [])
    if not attach and not argv:
        raise bad_request("you must specify at least one command for the container")
    if any("\0" in word for word in argv):
        raise bad_request("a command holds no NUL")
    stdin, tty = flag(query, "stdin"), flag(query, "tty")

    async def start() -> ExecSession:
        if attach:
            return await hooks.open_attach(pod, container, stdin=stdin, tty=tty)
        return await hooks.open_exec(pod, container, argv, stdin=stdin, tty=tty)

    return await serve_session(request, start)


async def serve_port_forward(
    request: web.BaseRequest, pod: Pod, hooks: StreamHooks
) -> web.StreamResponse:
    """Answer `…/portforward`."""
    from netemu.daemons.apiserver.streaming import port_forward

    require_host(pod)
    return await port_forward.serve(request, pod, hooks.open_ports)
