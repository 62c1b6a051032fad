"""Pods and pod templates: what each container, probe and volume leaves open."""

from __future__ import annotations

from netemu.model.core_v1 import (
    Container,
    EmptyDirVolumeSource,
    HTTPGetAction,
    Pod,
    PodSecurityContext,
    PodSpec,
    Probe,
    ProjectedVolumeSource,
    Volume,
)
from netemu.model.schema import fields_of

_TOKEN_LIFETIME_S = 3600
_FILE_MODE = 0o644


def default_pod(pod: Pod) -> None:
    spec = pod.spec
    default_pod_spec(spec)
    if spec.enable_service_links is None:
        spec.enable_service_links = True
    for container in (*spec.init_containers, *spec.containers):
        resources = container.resources
        resources.requests = {**resources.limits, **resources.requests}
    if spec.host_network:
        # The node's ports are the container's: the scheduler must know them.
        for container in (*spec.init_containers, *spec.containers):
            for port in container.ports:
                port.host_port = port.host_port or port.container_port


def default_pod_spec(spec: PodSpec) -> None:
    """Fill in what a template gets as well."""
    spec.restart_policy = spec.restart_policy or "Always"
    spec.dns_policy = spec.dns_policy or "ClusterFirst"
    spec.scheduler_name = spec.scheduler_name or "default-scheduler"
    if spec.termination_grace_period_seconds is None:
        spec.termination_grace_period_seconds = 30
    if spec.security_context is None:
        spec.security_context = PodSecurityContext()
    # Two names for one thing: the older one is still read by some.
    account = spec.service_account_name or spec.service_account
    spec.service_account_name = spec.service_account = account
    for volume in spec.volumes:
        _default_volume(volume)
    for container in (*spec.init_containers, *spec.containers, *spec.ephemeral_containers):
        _default_container(container)


def _default_container(container: Container) -> None:
    container.image_pull_policy = container.image_pull_policy or pull_policy(container.image)
    container.termination_message_path = (
        container.termination_message_path or "/dev/termination-log"
    )
    container.termination_message_policy = container.termination_message_policy or "File"
    for port in container.ports:
        port.protocol = port.protocol or "TCP"
    for variable in container.env:
        source = variable.value_from
        if source is not None and source.field_ref is not None:
            source.field_ref.api_version = source.field_ref.api_version or "v1"
    for probe in (container.liveness_probe, container.readiness_probe, container.startup_probe):
        if probe is not None:
            _default_probe(probe)
    if container.lifecycle is not None:
        for handler in (container.lifecycle.post_start, container.lifecycle.pre_stop):
            if handler is not None and handler.http_get is not None:
                _default_http_get(handler.http_get)


def pull_policy(image: str) -> str:
    """A name without a tag means the newest, which may be another tomorrow."""
    last_part = image.rpartition("/")[2]
    if "@" in image:
        return "IfNotPresent"
    tag = last_part.partition(":")[2]
    return "Always" if tag in ("", "latest") else "IfNotPresent"


def _default_probe(probe: Probe) -> None:
    probe.timeout_seconds = probe.timeout_seconds or 1
    probe.period_seconds = probe.period_seconds or 10
    probe.success_threshold = probe.success_threshold or 1
    probe.failure_threshold = probe.failure_threshold or 3
    if probe.http_get is not None:
        _default_http_get(probe.http_get)
    if probe.grpc is not None and probe.grpc.service is None:
        probe.grpc.service = ""


def _default_http_get(action: HTTPGetAction) -> None:
    action.path = action.path or "/"
    action.scheme = action.scheme or "HTTP"


_SOURCES = tuple(field.attribute for field in fields_of(Volume) if field.attribute != "name")


def _default_volume(volume: Volume) -> None:
    if not any(getattr(volume, source) is not None for source in _SOURCES):
        volume.empty_dir = EmptyDirVolumeSource()
    if volume.host_path is not None and volume.host_path.type is None:
        volume.host_path.type = ""
    for source in (volume.config_map, volume.secret, volume.downward_api, volume.projected):
        if source is not None and source.default_mode is None:
            source.default_mode = _FILE_MODE
    if volume.projected is not None:
        _default_projected(volume.projected)
    if volume.downward_api is not None:
        for item in volume.downward_api.items:
            if item.field_ref is not None:
                item.field_ref.api_version = item.field_ref.api_version or "v1"


def _default_projected(projected: ProjectedVolumeSource) -> None:
    for source in projected.sources:
        token = source.service_account_token
        if token is not None and token.expiration_seconds is None:
            token.expiration_seconds = _TOKEN_LIFETIME_S
        for item in source.downward_api.items if source.downward_api is not None else ():
            if item.field_ref is not None:
                item.field_ref.api_version = item.field_ref.api_version or "v1"
