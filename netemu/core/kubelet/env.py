"""A container's environment: Services, envFrom, env, `$(VAR)`.

Precedence, weakest first: the image's own, Services, `envFrom`, `env`. What `$(NAME)`
may refer to is exactly what stands before it (kube-proxy.md, 5).
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from netemu.core.kubelet import env_file
from netemu.core.kubelet.field_refs import (
    ContainerConfigError,
    PodFacts,
    env_field,
    resource_field,
)
from netemu.core.kubelet.service_env import service_variables
from netemu.model.core_v1 import (
    ConfigMap,
    Container,
    EnvFromSource,
    EnvVarSource,
    FileKeySelector,
    Pod,
    Secret,
    Service,
)

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_C_IDENTIFIER = re.compile(r"^[-._a-zA-Z][-._a-zA-Z0-9]*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where values come from: lookups in the Pod's own namespace; None is "not there"."""

    config_map: Callable[[str], ConfigMap | None]
    secret: Callable[[str], Secret | None]
    services: Iterable[Service]
    file: Callable[[str, str], str | None] = lambda _volume, _path: None
    """The text of a file of one of the Pod's volumes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """The result: the variables, and the keys of `envFrom` that cannot be names."""

    variables: dict[str, str]
    skipped: tuple[tuple[str, str], ...] = ()
    """Pairs of source (`ConfigMap ns/name`) and key, for InvalidEnvironmentVariableNames."""


def make(
    pod: Pod, container: Container, *, hostname: str, sources: Sources, facts: PodFacts
) -> Environment:
    """Return the environment of one container; raises ContainerConfigError."""
    links = pod.spec.enable_service_links is not False
    services = service_variables(sources.services, namespace=pod.metadata.namespace, links=links)
    imported, skipped = _env_from(pod, container, sources)
    known = services | imported
    for variable in container.env:
        if variable.value_from is None:
            known[variable.name] = expand(variable.value, known)
            continue
        value = _value_from(pod, container, variable.value_from, sources, facts)
        if value is not None:
            known[variable.name] = value
    image = {"PATH": DEFAULT_PATH, "HOSTNAME": hostname}
    return Environment(variables=image | known, skipped=tuple(skipped))


def expand_all(words: Sequence[str], variables: Mapping[str, str]) -> list[str]:
    return [expand(word, variables) for word in words]


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replace `$(NAME)`; `$$` is a dollar; what is unknown or unclosed stays as it is."""
    if "$" not in text:
        return text
    out: list[str] = []
    at = 0
    while at < len(text):
        if text[at] != "$" or at + 1 == len(text):
            out.append(text[at])
            at += 1
        elif text[at + 1] == "$":
            out.append("$")
            at += 2
        elif text[at + 1] == "(" and (end := text.find(")", at + 2)) >= 0:
            name = text[at + 2 : end]
            out.append(variables.get(name, f"$({name})"))
            at = end + 1
        else:
            out.append(text[at : at + 2])
            at += 2
    return "".join(out)


def _env_from(
    pod: Pod, container: Container, sources: Sources
) -> tuple[dict[str, str], list[tuple[str, str]]]:
    variables: dict[str, str] = {}
    skipped: list[tuple[str, str]] = []
    for source in container.env_from:
        where, values = _imported(pod, source, sources)
        for key in sorted(values):
            name = source.prefix + key
            if _C_IDENTIFIER.match(name):
                variables[name] = values[key]
            else:
                skipped.append((where, key))
    return variables, skipped


def _imported(pod: Pod, source: EnvFromSource, sources: Sources) -> tuple[str, dict[str, str]]:
    namespace = pod.metadata.namespace
    if (wanted := source.config_map_ref) is not None:
        config_map = sources.config_map(wanted.name)
        if config_map is None and not wanted.optional:
            raise ContainerConfigError(f'configmap "{wanted.name}" not found')
        data = dict(config_map.data) if config_map else {}
        return f"ConfigMap {namespace}/{wanted.name}", data
    if (ref := source.secret_ref) is not None:
        secret = sources.secret(ref.name)
        if secret is None and not ref.optional:
            raise ContainerConfigError(f'secret "{ref.name}" not found')
        text = {key: _text(value) for key, value in secret.data.items()} if secret else {}
        return f"Secret {namespace}/{ref.name}", text
    return "", {}


def _value_from(
    pod: Pod, container: Container, source: EnvVarSource, sources: Sources, facts: PodFacts
) -> str | None:
    """Return the value; None when it is optional and not there."""
    namespace = pod.metadata.namespace
    if source.field_ref is not None:
        return env_field(pod, source.field_ref.field_path, facts)
    if source.resource_field_ref is not None:
        return resource_field(pod, container, source.resource_field_ref, facts)
    if (wanted := source.config_map_key_ref) is not None:
        config_map = sources.config_map(wanted.name)
        if config_map is None:
            return _without(f'configmap "{wanted.name}" not found', optional=wanted.optional)
        if wanted.key in config_map.data:
            return config_map.data[wanted.key]
        text = f"couldn't find key {wanted.key} in ConfigMap {namespace}/{wanted.name}"
        return _without(text, optional=wanted.optional)
    if (ref := source.secret_key_ref) is not None:
        secret = sources.secret(ref.name)
        if secret is None:
            return _without(f'secret "{ref.name}" not found', optional=ref.optional)
        if ref.key in secret.data:
            return _text(secret.data[ref.key])
        text = f"couldn't find key {ref.key} in Secret {namespace}/{ref.name}"
        return _without(text, optional=ref.optional)
    if source.file_key_ref is not None:
        return _from_file(source.file_key_ref, sources)
    return ""


def _from_file(ref: FileKeySelector, sources: Sources) -> str | None:
    text = sources.file(ref.volume_name, ref.path)
    if text is None:
        missing = f'file "{ref.path}" not found in volume "{ref.volume_name}"'
        return _without(missing, optional=ref.optional)
    variables = env_file.parse(text)
    if ref.key in variables:
        return variables[ref.key]
    missing = f'environment variable key "{ref.key}" not found in file "{ref.path}"'
    return _without(missing, optional=ref.optional)


def _without(message: str, *, optional: bool | None) -> str | None:
    """Return the value of what is not there."""
    if not optional:
        raise ContainerConfigError(message)
    return None


def _text(value: str) -> str:
    return b64decode(value).decode("utf-8", errors="surrogateescape")
