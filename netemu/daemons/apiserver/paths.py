"""What a URL path names: a resource, and in it a namespace, an object, a part of one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from netemu.model.kinds import Resource, by_plural

_PARTS_OF_A_NAMESPACE = ("status", "finalize")


@dataclass(frozen=True, slots=True)
class Target:
    """What a request is about."""

    resource: Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    tail: str = ""
    """What follows the subresource: `…/proxy/metrics`."""
    watch: bool = False
    """The path itself asks for a watch: `/api/v1/watch/pods`, long deprecated."""


@lru_cache(maxsize=2048)
def parse_target(path: str) -> Target | None:
    """Return what the path names; None if it names no resource."""
    match path.strip("/").split("/"):
        case ["api", version, *rest]:
            return _in_group("", version, rest)
        case ["apis", group, version, *rest]:
            return _in_group(group, version, rest)
    return None


def _in_group(group: str, version: str, parts: list[str]) -> Target | None:
    watch = bool(parts) and parts[0] == "watch"
    if watch:
        parts = parts[1:]
    namespace = ""
    if len(parts) >= 3 and parts[0] == "namespaces" and parts[2] not in _PARTS_OF_A_NAMESPACE:
        namespace, parts = parts[1], parts[2:]
    if not parts:
        return None
    plural, name, subresource, *tail = [*parts, "", "", ""][: max(len(parts), 3)]
    resource = by_plural(group, version, plural)
    if resource is None or (namespace and not resource.namespaced):
        return None
    return Target(resource, namespace, name, subresource, "/".join(tail), watch)
