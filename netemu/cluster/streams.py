"""The API server's way to the containers: each request goes to the kubelet of its node."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence

from netemu.daemons.kubelet import Kubelet
from netemu.daemons.node_link import NodeLink
from netemu.errors import ApiError
from netemu.host.contract import ExecSession, SandboxPorts
from netemu.model.core_v1 import Pod

_KUBELET_PORT = 10250


class KubeletStreams:
    """Keeps `daemons.apiserver.streams.StreamHooks`."""

    def __init__(self, kubelets: Mapping[str, Kubelet], links: Mapping[str, NodeLink]) -> None:
        self._kubelets = kubelets
        self._links = links

    def require_running(self, pod: Pod, container: str) -> None:
        self._kubelet(pod).require_running(pod, container)

    async def open_exec(
        self, pod: Pod, container: str, argv: Sequence[str], *, stdin: bool, tty: bool
    ) -> ExecSession:
        await self._reach(pod)
        return await self._kubelet(pod).open_exec(pod, container, argv, stdin=stdin, tty=tty)

    async def open_attach(self, pod: Pod, container: str, *, stdin: bool, tty: bool) -> ExecSession:
        del tty  # A terminal is the container's from its start, or not at all.
        await self._reach(pod)
        return await self._kubelet(pod).open_attach(pod, container, stdin=stdin)

    async def open_ports(self, pod: Pod) -> SandboxPorts:
        await self._reach(pod)
        return await self._kubelet(pod).open_ports(pod)

    async def read_log(
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
        await self._reach(pod)
        async for data in self._kubelet(pod).read_log(
            pod,
            container,
            follow=follow,
            previous=previous,
            since=since,
            tail_lines=tail_lines,
            timestamps=timestamps,
            limit_bytes=limit_bytes,
        ):
            yield data

    async def _reach(self, pod: Pod) -> None:
        """Return if the pod's node can be reached; ApiError, as the API server says it, if not."""
        link = self._links.get(pod.spec.node_name)
        if link is None:
            return
        try:
            await link.reach()
        except ApiError:
            raise self._unreachable(pod) from None

    def _kubelet(self, pod: Pod) -> Kubelet:
        try:
            return self._kubelets[pod.spec.node_name]
        except KeyError:
            raise self._unreachable(pod) from None

    def _unreachable(self, pod: Pod) -> ApiError:
        """What the API server says of a node that does not answer; a dark one can be booted."""
        node, where = pod.spec.node_name, f"{pod.status.host_ip}:{_KUBELET_PORT}"
        text = f'Get "https://{where}/": dial tcp {where}: i/o timeout: node'
        text += f' "{node}" cannot be reached'
        if node not in self._kubelets:
            text += f"; 'sudo netemu node start {node}' boots it"
        return ApiError(500, "InternalError", text)
