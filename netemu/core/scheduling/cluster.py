"""The cluster as the scheduler sees it: Nodes with running sums of what is on them.

Everything is kept up to date by single Pods coming and going, so that placing
a Pod costs the same whether its Node holds one Pod or a hundred. A Pod that
was just placed is *assumed* here before the API server has even heard of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from netemu.core.control.pods import TERMINAL_PHASES
from netemu.core.scheduling.requests import (
    Amounts,
    HostPort,
    LabelClass,
    PodInfo,
    amounts,
    pod_info,
)
from netemu.model.core_v1 import Node, Pod
from netemu.model.selector import Selector


@dataclass(slots=True, eq=False)
class NodeInfo:
    name: str
    node: Node = field(default_factory=Node)
    is_known: bool = False
    """False while only Pods have told of it."""
    allocatable: Amounts = field(default_factory=dict)
    pods: dict[str, PodInfo] = field(default_factory=dict)
    """By uid."""
    requested: Counter[str] = field(default_factory=Counter)
    weighed: Counter[str] = field(default_factory=Counter)
    ports: Counter[HostPort] = field(default_factory=Counter)
    classes: Counter[LabelClass] = field(default_factory=Counter)
    staying: Counter[LabelClass] = field(default_factory=Counter)
    """The same without the Pods that are on their way out."""
    with_affinity: dict[str, PodInfo] = field(default_factory=dict)

    @property
    def labels(self) -> dict[str, str]:
        return self.node.metadata.labels

    def set_node(self, node: Node) -> None:
        self.node = node
        self.is_known = True
        self.allocatable = amounts(node.status.allocatable)

    def add(self, info: PodInfo) -> None:
        self.pods[info.pod.metadata.uid] = info
        self._count(info, 1)
        if info.has_affinity:
            self.with_affinity[info.pod.metadata.uid] = info

    def remove(self, uid: str) -> None:
        info = self.pods.pop(uid)
        self._count(info, -1)
        self.with_affinity.pop(uid, None)

    def _count(self, info: PodInfo, sign: int) -> None:
        for name, amount in info.request.items():
            self.requested[name] += sign * amount
        for name, amount in info.weighed.items():
            self.weighed[name] += sign * amount
        for port in info.ports:
            self.ports[port] += sign
        _bump(self.classes, info.label_class, sign)
        if not info.pod.metadata.deletion_timestamp:
            _bump(self.staying, info.label_class, sign)

    def matching(self, namespaces: frozenset[str], selector: Selector) -> int:
        return count_matching(self.classes, namespaces, selector)


def _bump(counter: Counter[LabelClass], key: LabelClass, by: int) -> None:
    counter[key] += by
    if not counter[key]:
        del counter[key]


def count_matching(
    classes: Mapping[LabelClass, int], namespaces: frozenset[str], selector: Selector
) -> int:
    """How many Pods of these namespaces the selector means."""
    return sum(
        count
        for (namespace, labels), count in classes.items()
        if namespace in namespaces and selector.matches(dict(labels))
    )


@dataclass(slots=True)
class Cluster:
    infos: dict[str, NodeInfo] = field(default_factory=dict)
    namespaces: dict[str, dict[str, str]] = field(default_factory=dict)
    """Labels by namespace: affinity terms may select namespaces."""
    _placed: dict[str, str] = field(default_factory=dict)
    """Node by Pod uid."""
    _known: list[NodeInfo] | None = None
    next_start: int = 0
    """Where the search for Nodes begins next time, in clusters too large to look at all."""

    @property
    def nodes(self) -> list[NodeInfo]:
        if self._known is None:
            self._known = [info for info in self.infos.values() if info.is_known]
        return self._known

    def with_affinity(self) -> Iterable[tuple[NodeInfo, PodInfo]]:
        for node in self.nodes:
            for info in node.with_affinity.values():
                yield node, info

    def set_node(self, node: Node) -> None:
        info = self._info(node.metadata.name)
        if not info.is_known:
            self._known = None
        info.set_node(node)

    def remove_node(self, name: str) -> None:
        info = self.infos.get(name)
        if info is None:
            return
        info.is_known = False
        self._known = None
        if not info.pods:
            del self.infos[name]

    def assume(self, info: PodInfo, node: str) -> None:
        """Count a Pod on a Node before the API server has confirmed it."""
        self._placed[info.pod.metadata.uid] = node
        self._info(node).add(info)

    def forget(self, uid: str) -> None:
        """Take a Pod off its Node; one that is on none is no error."""
        node = self._placed.pop(uid, None)
        if node is None:
            return
        info = self.infos[node]
        info.remove(uid)
        if not info.pods and not info.is_known:
            del self.infos[node]

    def observe(self, pod: Pod) -> None:
        """Take in what the API server says of a Pod that has a Node."""
        uid = pod.metadata.uid
        if pod.status.phase in TERMINAL_PHASES:
            self.forget(uid)
            return
        node = self._placed.get(uid)
        if node == pod.spec.node_name and _weighs_the_same(self.infos[node].pods[uid].pod, pod):
            return
        self.forget(uid)
        self.assume(pod_info(pod), pod.spec.node_name)

    def _info(self, name: str) -> NodeInfo:
        info = self.infos.get(name)
        if info is None:
            info = self.infos[name] = NodeInfo(name)
        return info


def _weighs_the_same(before: Pod, after: Pod) -> bool:
    """Status changes are frequent and mean nothing here; a Pod's spec hardly ever changes."""
    return (
        before.metadata.labels == after.metadata.labels
        and before.metadata.deletion_timestamp == after.metadata.deletion_timestamp
        and before.metadata.generation == after.metadata.generation
    )
