"""What a Pod's volumes hold, as data (control-plane-and-node.md, 3.6).

A volume is a directory of the host: an empty one, the host's own path, or files that
come from ConfigMaps, Secrets, the Pod itself and tokens. `plan` says what must be in
each; a thin layer writes it, atomically, and again when a source changes.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from netemu.core.kubelet import resources
from netemu.core.kubelet.env import Sources
from netemu.core.kubelet.field_refs import (
    ContainerConfigError,
    PodFacts,
    resource_field,
    volume_field,
)
from netemu.errors import NetemuError
from netemu.model import quantity
from netemu.model.core_v1 import (
    ConfigMap,
    DownwardAPIVolumeFile,
    EmptyDirVolumeSource,
    KeyToPath,
    Pod,
    Secret,
    Volume,
    VolumeProjection,
)
from netemu.model.schema import fields_of

_DEFAULT_MODE = 0o644
_TOKEN_SECONDS = 3600


class VolumeKind(StrEnum):
    EMPTY = "empty"
    HOST_PATH = "host-path"
    FILES = "files"


@dataclass(frozen=True, slots=True)
class File:
    data: bytes
    mode: int


@dataclass(frozen=True, slots=True)
class Token:
    """A file that a TokenRequest fills."""

    audience: str
    expiration_s: int
    mode: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumePlan:
    """What one volume is."""

    name: str
    plugin: str
    """The kubelet's directory name of it: `kubernetes.io~configmap`."""
    kind: VolumeKind
    in_memory: bool = False
    size_bytes: int = 0
    """What memory may hold of it; 0 is half of what the machine has."""
    mode: int = 0o777
    """Of an empty directory."""
    host_path: str = ""
    host_path_type: str = ""
    files: dict[str, File] = field(default_factory=dict)
    tokens: dict[str, Token] = field(default_factory=dict)
    stands_in_for: str = ""
    """The kind of storage that is not there and that an empty directory replaces."""


class VolumeError(NetemuError):
    """A volume cannot be set up yet; the message is the event FailedMount's."""

    def __init__(self, volume: str, why: str) -> None:
        super().__init__(f'MountVolume.SetUp failed for volume "{volume}" : {why}')
        self.volume = volume


def plan(pod: Pod, *, sources: Sources, facts: PodFacts) -> list[VolumePlan]:
    """Return the plan of every volume; raises VolumeError when a source is missing."""
    return [_plan_one(pod, volume, sources, facts) for volume in pod.spec.volumes]


def names_used(pod: Pod) -> tuple[frozenset[str], frozenset[str]]:
    """Return the names of all ConfigMaps and Secrets that a Pod refers to."""
    config_maps: set[str] = set()
    secrets: set[str] = set()
    for container in (*pod.spec.init_containers, *pod.spec.containers):
        for source in container.env_from:
            if source.config_map_ref is not None:
                config_maps.add(source.config_map_ref.name)
            if source.secret_ref is not None:
                secrets.add(source.secret_ref.name)
        for variable in container.env:
            if (origin := variable.value_from) is None:
                continue
            if origin.config_map_key_ref is not None:
                config_maps.add(origin.config_map_key_ref.name)
            if origin.secret_key_ref is not None:
                secrets.add(origin.secret_key_ref.name)
    for volume in pod.spec.volumes:
        if volume.config_map is not None:
            config_maps.add(volume.config_map.name)
        if volume.secret is not None:
            secrets.add(volume.secret.secret_name)
        for projection in volume.projected.sources if volume.projected else ():
            if projection.config_map is not None:
                config_maps.add(projection.config_map.name)
            if projection.secret is not None:
                secrets.add(projection.secret.name)
    return frozenset(config_maps), frozenset(secrets)


def _plan_one(pod: Pod, volume: Volume, sources: Sources, facts: PodFacts) -> VolumePlan:
    if volume.host_path is not None:
        return VolumePlan(
            name=volume.name,
            plugin="kubernetes.io~host-path",
            kind=VolumeKind.HOST_PATH,
            host_path=volume.host_path.path,
            host_path_type=volume.host_path.type or "",
        )
    if volume.empty_dir is not None:
        asked = volume.empty_dir
        mode = 0o777 if asked.mode is None else asked.mode
        if asked.medium == "Memory":
            return _empty(volume.name, in_memory=True, size_bytes=_memory_of(pod, asked), mode=mode)
        return _empty(volume.name, mode=mode)
    try:
        return _files(pod, volume, sources, facts) or _stand_in(volume)
    except (_SourceMissing, ContainerConfigError) as error:
        raise VolumeError(volume.name, str(error)) from error


def _memory_of(pod: Pod, asked: EmptyDirVolumeSource) -> int:
    """Return what a directory in memory may hold: its own limit, but no more than the Pod."""
    bounds = [resources.memory_limit(pod)]
    if asked.size_limit:
        bounds.append(quantity.value(asked.size_limit))
    return min(filter(None, bounds), default=0)


def _empty(
    name: str,
    *,
    in_memory: bool = False,
    size_bytes: int = 0,
    mode: int = 0o777,
    stands_in_for: str = "",
) -> VolumePlan:
    return VolumePlan(
        name=name,
        plugin="kubernetes.io~empty-dir",
        kind=VolumeKind.EMPTY,
        in_memory=in_memory,
        size_bytes=size_bytes,
        mode=mode,
        stands_in_for=stands_in_for,
    )


def _stand_in(volume: Volume) -> VolumePlan:
    """Storage that netemu does not have: an empty directory, and the Pod runs."""
    kinds = [field for field in fields_of(Volume) if field.attribute != "name"]
    found = [kind.wire_name for kind in kinds if getattr(volume, kind.attribute) is not None]
    return _empty(volume.name, stands_in_for=found[0] if found else "unknown volume type")


class _SourceMissing(Exception):  # noqa: N818 - never leaves this file.
    pass


def _files(pod: Pod, volume: Volume, sources: Sources, facts: PodFacts) -> VolumePlan | None:
    tokens: dict[str, Token] = {}
    if (config_map := volume.config_map) is not None:
        plugin, memory = "kubernetes.io~configmap", False
        mode = _mode(config_map.default_mode)
        found = sources.config_map(config_map.name)
        files = _from_config_map(
            config_map.name, found, config_map.items, mode, optional=config_map.optional
        )
    elif (secret := volume.secret) is not None:
        plugin, memory = "kubernetes.io~secret", True
        mode = _mode(secret.default_mode)
        held = sources.secret(secret.secret_name)
        files = _from_secret(secret.secret_name, held, secret.items, mode, optional=secret.optional)
    elif (downward := volume.downward_api) is not None:
        plugin, memory = "kubernetes.io~downward-api", False
        files = _from_downward(pod, downward.items, _mode(downward.default_mode), facts)
    elif (projected := volume.projected) is not None:
        plugin, memory = "kubernetes.io~projected", True
        files = {}
        mode = _mode(projected.default_mode)
        for source in projected.sources:
            files |= _from_projection(pod, source, mode, sources, facts)
            tokens |= _tokens(source, mode)
    else:
        return None
    return VolumePlan(
        name=volume.name,
        plugin=plugin,
        kind=VolumeKind.FILES,
        in_memory=memory,
        files=files,
        tokens=tokens,
    )


def _mode(mode: int | None) -> int:
    return _DEFAULT_MODE if mode is None else mode


def _from_projection(
    pod: Pod, source: VolumeProjection, mode: int, sources: Sources, facts: PodFacts
) -> dict[str, File]:
    if (wanted := source.config_map) is not None:
        config_map = sources.config_map(wanted.name)
        return _from_config_map(
            wanted.name, config_map, wanted.items, mode, optional=wanted.optional
        )
    if (ref := source.secret) is not None:
        secret = sources.secret(ref.name)
        return _from_secret(ref.name, secret, ref.items, mode, optional=ref.optional)
    if source.downward_api is not None:
        return _from_downward(pod, source.downward_api.items, mode, facts)
    return {}


def _tokens(source: VolumeProjection, mode: int) -> dict[str, Token]:
    token = source.service_account_token
    if token is None:
        return {}
    seconds = token.expiration_seconds or _TOKEN_SECONDS
    return {token.path: Token(token.audience, seconds, mode)}


def _from_config_map(
    name: str, found: ConfigMap | None, items: list[KeyToPath], mode: int, *, optional: bool | None
) -> dict[str, File]:
    if found is None:
        if optional:
            return {}
        raise _SourceMissing(f'configmap "{name}" not found')
    data = {key: text.encode() for key, text in found.data.items()}
    data |= {key: b64decode(value) for key, value in found.binary_data.items()}
    complaint = "configmap references non-existent config key"
    return _chosen(data, items, mode, complaint, optional=optional)


def _from_secret(
    name: str, found: Secret | None, items: list[KeyToPath], mode: int, *, optional: bool | None
) -> dict[str, File]:
    if found is None:
        if optional:
            return {}
        raise _SourceMissing(f'secret "{name}" not found')
    complaint = "references non-existent secret key"
    data = {key: b64decode(value) for key, value in found.data.items()}
    return _chosen(data, items, mode, complaint, optional=optional)


def _chosen(
    data: dict[str, bytes],
    items: list[KeyToPath],
    mode: int,
    complaint: str,
    *,
    optional: bool | None,
) -> dict[str, File]:
    if not items:
        return {key: File(content, mode) for key, content in data.items()}
    files: dict[str, File] = {}
    for item in items:
        if item.key in data:
            files[item.path] = File(data[item.key], mode if item.mode is None else item.mode)
        elif not optional:
            raise _SourceMissing(f"{complaint}: {item.key}")
    return files


def _from_downward(
    pod: Pod, items: Iterable[DownwardAPIVolumeFile], mode: int, facts: PodFacts
) -> dict[str, File]:
    files: dict[str, File] = {}
    for item in items:
        text = ""
        if item.field_ref is not None:
            text = volume_field(pod, item.field_ref.field_path)
        elif item.resource_field_ref is not None:
            named = pod.spec.containers[0]
            text = resource_field(pod, named, item.resource_field_ref, facts)
        files[item.path] = File(text.encode(), mode if item.mode is None else item.mode)
    return files
