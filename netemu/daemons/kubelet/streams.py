"""exec, attach and logs for the API server: each asks the kubelet of the Pod's node."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence

from netemu.daemons.kubelet.kubelet import Kubelet
from netemu.errors import ApiError, HostError
from netemu.host.contract import ExecSession
from netemu.model.core_v1 import Pod


class KubeletStreams:
    """Keeps `netemu.daemons.apiserver.streams.StreamHooks`."""

    def __init__(self, kubelets: Mapping[str, Kubelet]) -> None:
        self._kubelets = kubelets

    async def open_exec(
        self, pod: Pod, container: str, argv: Sequence[str], *, stdin: bool, tty: bool
    ) -> ExecSession:
        try:
            return await self._kubelet(pod).open_exec(pod, container, argv, stdin=stdin, tty=tty)
        except HostError as error:
            raise ApiError(500, "InternalError", f"error executing command: {error}") from error

    async def open_attach(self, pod: Pod, container: str, *, stdin: bool, tty: bool) -> ExecSession:
        """Join a container's output. Its input was decided when it started: there is none."""
        del stdin, tty
        kubelet = self._kubelet(pod)
        return AttachedLog(kubelet.read_log(pod, container, follow=True), kubelet, pod, container)

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
        return self._kubelet(pod).read_log(
            pod,
            container,
            follow=follow,
            previous=previous,
            since=since,
            tail_lines=tail_lines,
            timestamps=timestamps,
            limit_bytes=limit_bytes,
        )

    def _kubelet(self, pod: Pod) -> Kubelet:
        kubelet = self._kubelets.get(pod.spec.node_name)
        if kubelet is None:
            raise ApiError(500, "InternalError", f'no kubelet on node "{pod.spec.node_name}"')
        return kubelet


class AttachedLog:
    """A container's output as a session: it ends when the container does."""

    def __init__(
        self, log: AsyncIterator[bytes], kubelet: Kubelet, pod: Pod, container: str
    ) -> None:
        self._log = log
        self._kubelet = kubelet
        self._pod = pod
        self._container = container
        self._ended = asyncio.Event()

    async def write_stdin(self, data: bytes) -> None:
        del data

    async def close_stdin(self) -> None:
        pass

    async def resize(self, *, width: int, height: int) -> None:
        del width, height

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        async for data in self._log:
            yield 1, data
        self._ended.set()

    async def wait(self) -> int:
        await self._ended.wait()
        return self._kubelet.exit_code(self._pod, self._container)

    async def kill(self) -> None:
        """Leave; the container goes on."""
        self._ended.set()
