"""Nodes and Pods for the scheduler, in few words."""

from __future__ import annotations

from itertools import count

import pytest

from netemu.core.scheduling.cluster import Cluster
from netemu.core.scheduling.contract import Candidate
from netemu.core.scheduling.cycle import Placement, schedule
from netemu.core.scheduling.profile import default_profile
from netemu.core.scheduling.requests import pod_info
from netemu.model.core_v1 import (
    Container,
    ContainerPort,
    Node,
    NodeSpec,
    NodeStatus,
    Pod,
    PodSpec,
    ResourceRequirements,
)
from netemu.model.meta_v1 import ObjectMeta
from netemu.model.selector import from_map

_PROFILE = default_profile()


class Bench:
    """A cluster to place Pods in."""

    def __init__(self):
        self.cluster = Cluster()
        self._numbers = count(1)

    def node(self, name, *, labels=None, taints=(), cpu="4", memory="8Gi", pods="110", **spec):
        room = {"cpu": cpu, "memory": memory, "pods": pods}
        all_labels = {"kubernetes.io/hostname": name, **(labels or {})}
        node = Node(
            metadata=ObjectMeta(name=name, labels=all_labels),
            spec=NodeSpec(taints=list(taints), **spec),
            status=NodeStatus(allocatable=room),
        )
        self.cluster.set_node(node)
        return node

    def pod(self, *, labels=None, cpu="", memory="", host_port=0, namespace="default", **spec):
        requests = {k: v for k, v in {"cpu": cpu, "memory": memory}.items() if v}
        container = Container(
            name="c",
            image="web",
            resources=ResourceRequirements(requests=requests),
            ports=[ContainerPort(container_port=80, host_port=host_port)] if host_port else [],
        )
        number = next(self._numbers)
        meta = ObjectMeta(
            name=f"p{number}", namespace=namespace, uid=f"uid-{number}", labels=labels or {}
        )
        return Pod(metadata=meta, spec=PodSpec(containers=[container], **spec))

    def try_pod(self, pod, group=None):
        candidate = Candidate(pod_info(pod), from_map(group) if group else None)
        return schedule(candidate, self.cluster, _PROFILE, min)

    def place(self, pod, group=None):
        """Schedule and assume; the Node's name, or why there is none."""
        result = self.try_pod(pod, group)
        if not isinstance(result, Placement):
            return result.message
        self.cluster.assume(pod_info(pod), result.node)
        return result.node

    def put(self, pod, node):
        self.cluster.assume(pod_info(pod), node)


@pytest.fixture
def bench():
    return Bench()
