"""Making a Pod's sandbox and starting its containers: decisions turned into requests.

Everything here can be repeated: a step that was done before a crash is found done.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Address

from netemu.core.kubelet import (
    container_spec,
    env,
    hostname,
    hosts,
    images,
    resolv_conf,
    security,
    volumes,
)
from netemu.core.kubelet.field_refs import ContainerConfigError, PodFacts
from netemu.core.kubelet.images import ImageSource, Resolution
from netemu.daemons.kubelet import host_facts
from netemu.daemons.kubelet.context import NodeContext
from netemu.daemons.kubelet.pod_dir import PodDir
from netemu.errors import ApiError, HostError
from netemu.model.authentication_v1 import BoundObjectReference, TokenRequest, TokenRequestSpec
from netemu.model.core_v1 import Container, Pod
from netemu.model.runtime import ContainerSpec

_TOKEN_RENEWED_AT = 0.8
"""Of its life: when a token is asked for anew."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """One run, ready to start."""

    spec: ContainerSpec
    resolution: Resolution


class ContainerStarter:
    """Sets up one Pod."""

    def __init__(self, node: NodeContext, pod_dir: PodDir) -> None:
        self._node = node
        self._dir = pod_dir
        self._volumes_known = False
        """Not so after adoption: the directories are there, but nobody said which."""
        self.tokens_renewed_at: float | None = None
        """When the Pod's tokens are to be renewed."""

    async def set_up_volumes(self, pod: Pod, address: IPv4Address | None = None) -> None:
        """Write all volumes; VolumeError or HostError says why one cannot be."""
        sources = await self._node.sources.for_pod(pod)
        plans = volumes.plan(pod, sources=sources, facts=self._facts(address))
        for plan in plans:
            tokens = {path: await self._token(pod, token) for path, token in plan.tokens.items()}
            try:
                self._dir.set_up(plan, tokens)
            except (HostError, OSError) as error:
                raise volumes.VolumeError(plan.name, str(error)) from error
            if plan.stands_in_for:
                text = (
                    f'volume "{plan.name}": there is no {plan.stands_in_for} storage,'
                    " an empty directory stands in"
                )
                self._node.tell(pod, "StandInVolume", text)
        self._volumes_known = True

    async def make_sandbox(self, pod: Pod) -> IPv4Address:
        """Make namespaces, cable and files; return the Pod's address."""
        node = self._node
        try:
            kernel_hostname = hostname.kernel_hostname_of(
                pod, node=node.node.name, cluster_domain=node.settings.domain
            )
        except hostname.HostnameTooLongError as error:
            raise HostError(str(error)) from error
        spec = container_spec.sandbox(pod, node=node.node.name, hostname=kernel_hostname)
        state = await node.runtime.create_sandbox(spec)
        if pod.spec.host_network:
            address = node.node.address
        else:
            address = await node.network.attach(
                sandbox_id=spec.id,
                pid=state.pid,
                namespace=pod.metadata.namespace,
                pod=pod.metadata.name,
                had=IPv4Address(pod.status.pod_ip) if pod.status.pod_ip else None,
            )
            await node.host_ports.add(pod, address)
        self._write_etc(pod, address)
        return address

    async def prepare(
        self,
        pod: Pod,
        container: Container,
        *,
        attempt: int,
        address: IPv4Address,
        pid_of: str = "",
    ) -> Prepared:
        """Decide on one run; raises ContainerConfigError."""
        if not self._volumes_known:
            try:
                await self.set_up_volumes(pod, address)
            except (volumes.VolumeError, ApiError) as error:
                raise ContainerConfigError(str(error)) from error
        sources = replace(await self._node.sources.for_pod(pod), file=self._dir.read_text)
        facts = self._facts(address)
        name = hostname.hostname_of(pod, node=self._node.node.name)
        environment = env.make(pod, container, hostname=name, sources=sources, facts=facts)
        for source, key in environment.skipped:
            text = (
                f"Keys [{key}] from the EnvFrom {source} were skipped since they are"
                " considered invalid environment variable names."
            )
            self._node.tell(pod, "InvalidEnvironmentVariableNames", text, warning=True)
        resolution = self._resolve(pod, container, environment.variables, address)
        chosen = security.decide(pod, container, image_runs_as_root=resolution.runs_as_root)
        spec = container_spec.make(
            pod,
            container,
            attempt=attempt,
            resolution=resolution,
            variables=environment.variables,
            security=chosen,
            paths=self._dir.paths(container.name, attempt),
            memory_capacity=self._node.facts.memory_bytes,
            pid_of=pid_of,
        )
        return Prepared(spec, resolution)

    def _resolve(
        self, pod: Pod, container: Container, variables: Mapping[str, str], address: IPv4Address
    ) -> Resolution:
        return images.resolve(
            container,
            command=env.expand_all(container.command, variables),
            args=env.expand_all(container.args, variables),
            pod_facts=_stand_in_facts(pod, container, node=self._node.node.name, address=address),
            has_program=host_facts.has_program,
            rules=self._node.settings.images,
            strict=self._node.settings.strict_images,
        )

    def _facts(self, address: IPv4Address | None) -> PodFacts:
        host = self._node.node.address
        return PodFacts(pod_ip=address or host, host_ip=host, allocatable=self._node.allocatable)

    def _write_etc(self, pod: Pod, address: IPv4Address) -> None:
        node = self._node
        name = hostname.hostname_of(pod, node=node.node.name)
        if pod.spec.host_network:
            text = hosts.render_host_network(node.facts.hosts, aliases=pod.spec.host_aliases)
        else:
            text = hosts.render(
                [address],
                hostname=name,
                domain=hostname.domain_of(pod, cluster_domain=node.settings.domain),
                aliases=pod.spec.host_aliases,
            )
        conf, warnings = resolv_conf.make(
            pod,
            cluster_dns=[str(node.settings.cluster_dns)],
            cluster_domain=node.settings.domain,
            node=node.resolv_conf,
        )
        for warned in warnings:
            node.tell(pod, warned.reason, warned.message, warning=True)
        self._dir.write_etc(hosts=text, resolv_conf=conf.render(), hostname=name)

    async def _token(self, pod: Pod, token: volumes.Token) -> bytes:
        request = TokenRequest(
            spec=TokenRequestSpec(
                audiences=[token.audience] if token.audience else [],
                expiration_seconds=token.expiration_s,
                bound_object_ref=BoundObjectReference(
                    kind="Pod", api_version="v1", name=pod.metadata.name, uid=pod.metadata.uid
                ),
            )
        )
        account = pod.spec.service_account_name or "default"
        answer = await self._node.client.create_token(pod.metadata.namespace, account, request)
        renewed_at = self._node.now() + token.expiration_s * _TOKEN_RENEWED_AT
        self.tokens_renewed_at = min(self.tokens_renewed_at or renewed_at, renewed_at)
        return answer.status.token.encode()


def _stand_in_facts(
    pod: Pod, container: Container, *, node: str, address: IPv4Address
) -> list[str]:
    """Return the options that tell a stand-in whose it is."""
    return [
        "--pod",
        pod.metadata.name,
        "--namespace",
        pod.metadata.namespace,
        "--ip",
        str(address),
        "--node",
        node,
        "--container",
        container.name,
        "--image",
        container.image,
    ]


def is_stand_in(image_id: str) -> bool:
    return image_id.startswith(f"netemu://{ImageSource.STAND_IN}/")
