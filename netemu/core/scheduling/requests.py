"""What a Pod asks of a Node: resources and host ports, computed once a Pod.

The request is the larger of what all app containers need together and what
any init container needs while it runs, sidecars included from where they are
declared on, plus the overhead (control-plane-and-node.md, 1).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import msgspec

from netemu.model.core_v1 import Container, Pod
from netemu.model.quantity import milli, value
from netemu.model.schema import Quantity

Amounts = dict[str, int]
"""Milli-CPUs under `cpu`, whole units under everything else."""

DEFAULT_CPU_MILLI = 100
DEFAULT_MEMORY_BYTES = 200 * 1024 * 1024
_DEFAULTS = {"cpu": DEFAULT_CPU_MILLI, "memory": DEFAULT_MEMORY_BYTES}

HostPort = tuple[str, str, int]
_EVERY_ADDRESS = "0.0.0.0"
"""Address (`0.0.0.0` is every one), protocol, port."""


@lru_cache(maxsize=4096)
def _amount(name: str, quantity: Quantity) -> int:
    return milli(quantity) if name == "cpu" else value(quantity)


def amounts(quantities: Mapping[str, Quantity]) -> Amounts:
    return {name: _amount(name, quantity) for name, quantity in quantities.items()}


def _add(total: Amounts, more: Mapping[str, int]) -> None:
    for name, amount in more.items():
        total[name] = total.get(name, 0) + amount


def _raise_to(total: Amounts, least: Mapping[str, int]) -> None:
    for name, amount in least.items():
        total[name] = max(total.get(name, 0), amount)


def _of_container(container: Container, *, defaults: bool) -> Amounts:
    asked = amounts(container.resources.requests)
    return {**_DEFAULTS, **asked} if defaults else asked


def pod_request(pod: Pod, *, defaults: bool = False) -> Amounts:
    """What the Pod asks for; with `defaults`, silent containers count as 100 m and 200 MiB."""
    total: Amounts = {}
    for container in pod.spec.containers:
        _add(total, _of_container(container, defaults=defaults))
    sidecars: Amounts = {}
    initial: Amounts = {}
    for container in pod.spec.init_containers:
        asked = _of_container(container, defaults=defaults)
        if container.restart_policy == "Always":
            _add(sidecars, asked)
            asked = sidecars
        else:
            _add(asked, sidecars)
        _raise_to(initial, asked)
    _add(total, sidecars)
    _raise_to(total, initial)
    _add(total, amounts(pod.spec.overhead))
    return total


def host_ports(pod: Pod) -> tuple[HostPort, ...]:
    containers = [*pod.spec.containers, *pod.spec.init_containers]
    return tuple(
        (port.host_ip or _EVERY_ADDRESS, port.protocol or "TCP", port.host_port)
        for container in containers
        for port in container.ports
        if port.host_port
    )


def ports_clash(mine: HostPort, theirs: HostPort) -> bool:
    """Whether two host ports cannot be had on one node."""
    same_port = mine[1:] == theirs[1:]
    return same_port and (mine[0] == theirs[0] or _EVERY_ADDRESS in (mine[0], theirs[0]))


class PodInfo(msgspec.Struct, frozen=True, eq=False):
    """A Pod and what scheduling needs of it."""

    pod: Pod
    request: Amounts = msgspec.field(default_factory=dict)
    weighed: Amounts = msgspec.field(default_factory=dict)
    """The request with defaults: what scores weigh."""
    ports: tuple[HostPort, ...] = ()
    label_class: LabelClass = ("", frozenset())

    @property
    def has_affinity(self) -> bool:
        affinity = self.pod.spec.affinity
        return affinity is not None and (
            affinity.pod_affinity is not None or affinity.pod_anti_affinity is not None
        )


LabelClass = tuple[str, frozenset[tuple[str, str]]]
"""A namespace and labels. Pods of one template are of one class: to count the Pods that
match a selector, one looks at each class once, not at each Pod."""


def label_class(pod: Pod) -> LabelClass:
    return pod.metadata.namespace, frozenset(pod.metadata.labels.items())


def pod_info(pod: Pod) -> PodInfo:
    return PodInfo(
        pod,
        request=pod_request(pod),
        weighed=pod_request(pod, defaults=True),
        ports=host_ports(pod),
        label_class=label_class(pod),
    )
