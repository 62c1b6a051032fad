"""Node controllers: address blocks, silence and return, eviction, Pods of lost Nodes."""

from dataclasses import replace
from ipaddress import IPv4Network

import pytest
from msgspec import structs

from netemu.core.control.commands import Delete, Emit, Requeue, Update
from netemu.core.controllers import nodeipam, nodelifecycle, podgc, tainteviction
from netemu.core.controllers.nodeipam import next_block
from netemu.model.clock import format_micro_time, format_time
from netemu.model.coordination_v1 import Lease, LeaseSpec
from netemu.model.core_v1 import (
    Node,
    NodeCondition,
    NodeSpec,
    NodeStatus,
    Pod,
    PodCondition,
    PodSpec,
    PodStatus,
    Taint,
    Toleration,
)
from netemu.model.keys import ObjectKey, key_of
from netemu.model.meta_v1 import ObjectMeta

CLUSTER = IPv4Network("10.244.0.0/22")
SERVICES = IPv4Network("10.96.0.0/16")
UNREACHABLE = "node.kubernetes.io/unreachable"
NOT_READY = "node.kubernetes.io/not-ready"


def block(number):
    return IPv4Network(f"10.244.{number}.0/24")


@pytest.mark.parametrize(
    ("taken", "expected"),
    [
        ([], block(0)),
        ([block(0)], block(1)),
        ([block(0), block(2)], block(3)),
        ([block(2), block(3)], block(0)),
        ([block(n) for n in range(4)], None),
    ],
)
def test_the_next_block_follows_the_highest(taken, expected):
    """And wraps; a full range has none."""
    assert next_block(CLUSTER, taken, SERVICES) == expected


def test_blocks_that_overlap_services_are_left_out():
    """Pods and Services never share addresses."""
    assert next_block(CLUSTER, [], IPv4Network("10.244.0.0/23")) == block(2)


def test_all_nodes_get_blocks_at_once(world):
    """Two Nodes in one look never get the same."""
    for name in ("b", "a"):
        world.add(Node(metadata=ObjectMeta(name=name)))
    key = ObjectKey("", "")
    world.settle(nodeipam.CONTROLLER, key)
    cidrs = {n.metadata.name: n.spec.pod_cidr for n in world.all(Node)}
    assert cidrs == {"a": "10.244.0.0/24", "b": "10.244.1.0/24"}
    assert world.all(Node)[0].spec.pod_cidrs == ["10.244.0.0/24"]


def test_a_node_of_the_plan_gets_the_block_of_its_place(world):
    """Whoever registers first; who is not in the plan comes behind."""
    key = ObjectKey("", "")
    planned = ["control-plane", "worker-1", "worker-2"]
    (first,) = world.environment.settings.nodes
    nodes = tuple(replace(first, name=name) for name in planned)
    settings = replace(world.environment.settings, nodes=nodes)
    world.environment = structs.replace(world.environment, settings=settings)
    for name in (*reversed(planned), "stranger"):
        world.add(Node(metadata=ObjectMeta(name=name)))
        world.settle(nodeipam.CONTROLLER, key)
    blocks = {n.metadata.name: IPv4Network(n.spec.pod_cidr) for n in world.all(Node)}
    assert [blocks[name] for name in planned] == [block(n) for n in range(len(planned))]
    assert blocks["stranger"] == block(len(planned))


def add_node(world, name, ready="True", **spec):
    world.set_timings(node_monitor_period_s=0)
    stamp = format_time(world.now)
    condition = NodeCondition(
        type="Ready", status=ready, last_heartbeat_time=stamp, last_transition_time=stamp
    )
    return world.add(
        Node(
            metadata=ObjectMeta(name=name),
            spec=NodeSpec(**spec),
            status=NodeStatus(conditions=[condition]),
        )
    )


def renew(world, name):
    meta = ObjectMeta(name=name, namespace="kube-node-lease")
    lease = Lease(metadata=meta, spec=LeaseSpec(renew_time=format_micro_time(world.now)))
    world.add(lease)


def add_pod(world, name, node, tolerations=()):
    ready = PodCondition(type="Ready", status="True", last_transition_time=format_time(world.now))
    return world.add(
        Pod(
            metadata=ObjectMeta(name=name, namespace="default"),
            spec=PodSpec(node_name=node, tolerations=list(tolerations)),
            status=PodStatus(phase="Running", conditions=[ready]),
        )
    )


def watch_node(world, name):
    key = ObjectKey("", name)
    world.step(nodelifecycle.CONTROLLER, key)
    return world.get(Node, key)


def taints(node):
    return {(taint.key, taint.effect) for taint in node.spec.taints}


def ready_of(node):
    return next(c for c in node.status.conditions if c.type == "Ready")


def test_a_node_that_renews_its_lease_stays_ready(world):
    """However long; it is looked at again when its grace would end."""
    add_node(world, "n")
    for _ in range(10):
        renew(world, "n")
        node = watch_node(world, "n")
        assert world.requeue_s == 40
        world.pass_time(30)
    assert ready_of(node).status == "True"


def test_a_silent_node_becomes_unknown(world):
    """After 40 s: conditions Unknown, taints, its Pods not ready, events."""
    add_node(world, "n")
    add_node(world, "other")
    pod = add_pod(world, "p", "n")
    renew(world, "n")
    watch_node(world, "n")
    world.pass_time(39)
    assert ready_of(watch_node(world, "n")).status == "True"
    world.pass_time(2)
    node = watch_node(world, "n")
    assert ready_of(node).reason == "NodeStatusUnknown"
    assert ready_of(node).message == "Kubelet stopped posting node status."
    assert taints(node) == {(UNREACHABLE, "NoSchedule"), (UNREACHABLE, "NoExecute")}
    assert world.get(Pod, key_of(pod)).status.conditions[0].status == "False"
    assert "Node n status is now: NodeNotReady" in world.messages
    again = world.decide(nodelifecycle.CONTROLLER, ObjectKey("", "n"))
    assert not any(isinstance(c, Update | Emit) for c in again)


def test_a_node_that_comes_back_is_freed(world):
    """All of our taints go, others' stay."""
    add_node(world, "other")
    own = Taint(key="mine", effect="NoSchedule")
    stale = [Taint(key=UNREACHABLE, effect=effect) for effect in ("NoSchedule", "NoExecute")]
    add_node(world, "n", taints=[own, *stale])
    assert watch_node(world, "n").spec.taints == [own]


def test_a_node_that_never_reported_gets_longer(world):
    """A minute, and then other words."""
    world.add(Node(metadata=ObjectMeta(name="n")))
    assert not watch_node(world, "n").status.conditions
    world.pass_time(59)
    assert not watch_node(world, "n").status.conditions
    world.pass_time(2)
    assert ready_of(watch_node(world, "n")).reason == "NodeStatusNeverUpdated"


def test_when_all_nodes_are_silent_none_is_emptied(world):
    """Then it is the control plane that is cut off."""
    for name in ("a", "b"):
        add_node(world, name, ready="Unknown")
    for name in ("a", "b"):
        assert taints(watch_node(world, name)) == {(UNREACHABLE, "NoSchedule")}


def test_a_node_that_only_starts_is_not_emptied(world):
    """It keeps its Pods for as long as a check takes to come round."""
    for name in ("a", "b"):
        add_node(world, name, ready="True" if name == "b" else "False")
    world.set_timings()
    assert taints(watch_node(world, "a")) == {(NOT_READY, "NoSchedule")}
    assert world.requeue_s == 5
    world.pass_time(5)
    assert (NOT_READY, "NoExecute") in taints(watch_node(world, "a"))


def test_nodes_are_emptied_one_after_the_other(world):
    """The second of a zone waits ten seconds."""
    for name in ("a", "b", "c"):
        add_node(world, name, ready="True" if name == "c" else "False")
    assert (NOT_READY, "NoExecute") in taints(watch_node(world, "a"))
    assert (NOT_READY, "NoExecute") not in taints(watch_node(world, "b"))
    assert world.requeue_s == 10
    world.pass_time(10)
    assert (NOT_READY, "NoExecute") in taints(watch_node(world, "b"))


def test_a_zone_that_is_mostly_down_is_not_emptied(world):
    """Three of four: partial disruption of a small zone."""
    for name in ("a", "b", "c", "d"):
        add_node(world, name, ready="True" if name == "d" else "False")
    assert taints(watch_node(world, "a")) == {(NOT_READY, "NoSchedule")}


def test_taints_follow_all_conditions(world):
    """Pressure, network, cordon."""
    node = add_node(world, "n", unschedulable=True)
    for type in ("MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable"):
        node.status.conditions.append(NodeCondition(type=type, status="True"))
    assert {key.rpartition("/")[2] for key, _ in taints(watch_node(world, "n"))} == {
        "memory-pressure",
        "disk-pressure",
        "pid-pressure",
        "network-unavailable",
        "unschedulable",
    }


def evict(world, pod):
    return world.decide(tainteviction.CONTROLLER, key_of(pod))


def test_untolerated_pods_go_at_once(world):
    """With the mark that says why, and an event."""
    add_node(world, "n", taints=[Taint(key="k", effect="NoExecute")])
    pod = add_pod(world, "p", "n")
    said, marked, deletion = evict(world, pod)
    assert said.say.message == "Marking for deletion Pod default/p"
    assert marked.object.status.conditions[-1].reason == "DeletionByTaintManager"
    assert isinstance(deletion, Delete)


def test_the_shortest_toleration_counts(world):
    """From when the taint was put on; without seconds a Pod stays for ever."""
    stamp = format_time(world.now)
    add_node(world, "n", taints=[Taint(key="k", effect="NoExecute", time_added=stamp)])
    forever = Toleration(key="k", operator="Exists")
    minute = Toleration(key="k", operator="Exists", toleration_seconds=60)
    assert evict(world, add_pod(world, "stays", "n", [forever])) == []
    pod = add_pod(world, "goes", "n", [forever, minute])
    world.pass_time(20)
    assert evict(world, pod) == [Requeue(40.0)]
    world.pass_time(40)
    assert isinstance(evict(world, pod)[-1], Delete)


def test_taints_without_a_time_are_timed_by_us(world):
    """What kubectl taint writes."""
    add_node(world, "n", taints=[Taint(key="k", effect="NoExecute")])
    pod = add_pod(world, "p", "n", [Toleration(operator="Exists", toleration_seconds=5)])
    assert evict(world, pod) == [Requeue(5.0)]
    world.pass_time(6)
    assert isinstance(evict(world, pod)[-1], Delete)


def test_pods_of_a_missing_node_are_lost_after_a_quarantine(world):
    """Asked live first: the cache may lag."""
    pod = add_pod(world, "p", "gone")
    key = key_of(pod)
    assert podgc.CONTROLLER.needs(key, world)
    assert world.decide(podgc.CONTROLLER, key) == [Requeue(40.0)]
    world.pass_time(41)
    failed, deletion = world.decide(podgc.CONTROLLER, key)
    assert failed.object.status.phase == "Failed"
    assert deletion.grace_period_s == 0
    node = Node(metadata=ObjectMeta(name="gone"))
    world.hidden[Node][ObjectKey("", "gone")] = node
    assert world.decide(podgc.CONTROLLER, key) == []


def test_terminating_pods_that_nobody_runs_are_removed(world):
    """Never placed, or on a Node that is out of service."""
    unplaced = add_pod(world, "p", "")
    unplaced.metadata.deletion_timestamp = format_time(world.now)
    (deletion,) = world.decide(podgc.CONTROLLER, key_of(unplaced))
    assert deletion.grace_period_s == 0
    out = Taint(key="node.kubernetes.io/out-of-service", effect="NoExecute")
    add_node(world, "dead", ready="Unknown", taints=[out])
    stuck = add_pod(world, "q", "dead")
    assert world.decide(podgc.CONTROLLER, key_of(stuck)) == []
    stuck.metadata.deletion_timestamp = format_time(world.now)
    assert isinstance(world.decide(podgc.CONTROLLER, key_of(stuck))[-1], Delete)
