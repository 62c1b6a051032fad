"""`fieldRef` and `resourceFieldRef`: a Pod's own facts for its containers.

The same references serve environment variables and downward API volumes; a few
fields are for one of them only (control-plane-and-node.md, 3.6).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from netemu.errors import NetemuError
from netemu.model import quantity
from netemu.model.core_v1 import Container, Pod, ResourceFieldSelector
from netemu.model.schema import Quantity


class ContainerConfigError(NetemuError):
    """A container cannot be made as it is configured."""

    reason = "CreateContainerConfigError"
    """Why the container waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodFacts:
    """What a Pod learns of itself only when it is on its node."""

    pod_ip: IPv4Address
    host_ip: IPv4Address
    allocatable: Mapping[str, Quantity] = field(default_factory=dict)
    """The node's, as quantities: what a missing limit comes to."""


_KEYED = re.compile(r"^metadata\.(labels|annotations)\['(.*)'\]$")


def env_field(pod: Pod, path: str, facts: PodFacts) -> str:
    """Return the value of a `fieldRef` in an environment variable."""
    if keyed := _KEYED.match(path):
        found = pod.metadata.labels if keyed[1] == "labels" else pod.metadata.annotations
        return found.get(keyed[2], "")
    values = {
        "metadata.name": pod.metadata.name,
        "metadata.namespace": pod.metadata.namespace,
        "metadata.uid": pod.metadata.uid,
        "spec.nodeName": pod.spec.node_name,
        "spec.serviceAccountName": pod.spec.service_account_name,
        "status.hostIP": str(facts.host_ip),
        "status.hostIPs": str(facts.host_ip),
        "status.podIP": str(facts.pod_ip),
        "status.podIPs": str(facts.pod_ip),
    }
    if path not in values:
        raise ContainerConfigError(f"unsupported fieldPath: {path}")
    return values[path]


def volume_field(pod: Pod, path: str) -> str:
    """Return the content of a downward API file."""
    if path in ("metadata.labels", "metadata.annotations"):
        found = pod.metadata.labels if path == "metadata.labels" else pod.metadata.annotations
        return "\n".join(f"{key}={_quoted(found[key])}" for key in sorted(found))
    if keyed := _KEYED.match(path):
        found = pod.metadata.labels if keyed[1] == "labels" else pod.metadata.annotations
        return found.get(keyed[2], "")
    values = {
        "metadata.name": pod.metadata.name,
        "metadata.namespace": pod.metadata.namespace,
        "metadata.uid": pod.metadata.uid,
    }
    if path not in values:
        raise ContainerConfigError(f"unsupported fieldPath: {path}")
    return values[path]


def _quoted(text: str) -> str:
    """Quote as Go's `%q` does."""
    escapes = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return '"' + "".join(escapes.get(letter, letter) for letter in text) + '"'


def resource_field(
    pod: Pod, container: Container, selector: ResourceFieldSelector, facts: PodFacts
) -> str:
    """Return a limit or request in units of the divisor, rounded up."""
    if selector.container_name:
        everyone = (*pod.spec.containers, *pod.spec.init_containers)
        named = [other for other in everyone if other.name == selector.container_name]
        if not named:
            raise ContainerConfigError(f"container {selector.container_name} not found")
        container = named[0]
    side, _, resource = selector.resource.partition(".")
    if side not in ("limits", "requests") or not resource:
        raise ContainerConfigError(f"unsupported container resource : {selector.resource}")
    given = container.resources.limits if side == "limits" else container.resources.requests
    amount = given.get(resource, Quantity(""))
    if not amount and side == "limits":
        amount = facts.allocatable.get(resource, Quantity(""))
    if not amount:
        return "0"
    divisor = selector.divisor if selector.divisor not in ("", "0") else Quantity("1")
    # Thousandths on both sides keep `100m / 1m` exact; plain integers rounded up.
    return str(-(-quantity.milli(amount) // quantity.milli(divisor)))
