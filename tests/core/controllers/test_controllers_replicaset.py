"""ReplicaSet: how many Pods are made, which go first, what the status says."""

from netemu.core.control.commands import Create, Delete, Requeue, Update
from netemu.core.control.ownership import owner_reference
from netemu.core.controllers.replicaset import CONTROLLER
from netemu.core.controllers.replicaset.ranking import rank
from netemu.model.apps_v1 import ReplicaSet, ReplicaSetSpec
from netemu.model.clock import format_time
from netemu.model.core_v1 import (
    Container,
    ContainerStatus,
    Pod,
    PodCondition,
    PodSpec,
    PodStatus,
    PodTemplateSpec,
)
from netemu.model.keys import ObjectKey, key_of
from netemu.model.meta_v1 import LabelSelector, ObjectMeta

LABELS = {"app": "web"}


def make_set(replicas=3, **spec):
    template = PodTemplateSpec(
        metadata=ObjectMeta(labels=dict(LABELS)),
        spec=PodSpec(containers=[Container(name="c", image="web")]),
    )
    return ReplicaSet(
        metadata=ObjectMeta(name="web", namespace="default"),
        spec=ReplicaSetSpec(
            replicas=replicas,
            selector=LabelSelector(match_labels=dict(LABELS)),
            template=template,
            **spec,
        ),
    )


def ready(world, since=None):
    stamp = format_time(since or world.now)
    return [PodCondition(type="Ready", status="True", last_transition_time=stamp)]


def test_missing_pods_are_created_from_the_template(world):
    """Three replicas, no Pods: three creates with the owner, and an event each."""
    replica_set = world.add(make_set())
    commands = world.step(CONTROLLER, key_of(replica_set))
    assert sum(isinstance(c, Create) for c in commands) == 3
    pods = world.all(Pod)
    assert {pod.metadata.generate_name for pod in pods} == {"web-"}
    assert all(pod.metadata.labels == LABELS for pod in pods)
    assert all(pod.metadata.owner_references[0].controller for pod in pods)
    assert f"Created pod: {pods[0].metadata.name}" in world.messages


def test_twice_equals_once(world):
    """Once settled, another reconcile does nothing."""
    replica_set = world.add(make_set())
    world.settle(CONTROLLER, key_of(replica_set))
    assert world.decide(CONTROLLER, key_of(replica_set)) == []
    assert len(world.all(Pod)) == 3


def test_status_counts_ready_and_available_pods(world):
    """A Pod that has not been ready for minReadySeconds is ready and not yet available."""
    replica_set = world.add(make_set(2, min_ready_seconds=10))
    world.settle(CONTROLLER, key_of(replica_set))
    for pod in world.all(Pod):
        world.change(pod, phase="Running", conditions=ready(world))
    commands = world.step(CONTROLLER, key_of(replica_set))
    status = world.get(ReplicaSet, key_of(replica_set)).status
    assert (status.replicas, status.ready_replicas, status.available_replicas) == (2, 2, 0)
    assert any(isinstance(c, Requeue) and 10 <= c.after_s < 11 for c in commands)
    world.pass_time(11)
    world.settle(CONTROLLER, key_of(replica_set))
    assert world.get(ReplicaSet, key_of(replica_set)).status.available_replicas == 2


def test_terminating_and_finished_pods_are_replaced(world):
    """Pods that are going or have ended do not count."""
    replica_set = world.add(make_set(2))
    world.settle(CONTROLLER, key_of(replica_set))
    one, other = world.all(Pod)
    one.metadata.deletion_timestamp = format_time(world.now)
    world.put(one)
    world.change(other, phase="Failed")
    commands = world.step(CONTROLLER, key_of(replica_set))
    assert sum(isinstance(c, Create) for c in commands) == 2


def test_orphans_are_adopted_and_strangers_released(world):
    """Matching orphans get the owner; own Pods whose labels changed lose it."""
    replica_set = world.add(make_set(1))
    orphan = world.add(Pod(metadata=ObjectMeta(name="o", namespace="default", labels=LABELS)))
    stray = Pod(metadata=ObjectMeta(name="s", namespace="default", labels={"app": "db"}))
    stray.metadata.owner_references = [owner_reference(replica_set)]
    world.add(stray)
    elsewhere = world.add(Pod(metadata=ObjectMeta(name="o", namespace="other", labels=LABELS)))
    commands = world.step(CONTROLLER, key_of(replica_set))
    assert {c.object.metadata.name for c in commands if isinstance(c, Update)} == {"o", "s"}
    assert world.get(Pod, key_of(orphan)).metadata.owner_references
    assert not world.get(Pod, ObjectKey("default", "s")).metadata.owner_references
    assert not world.get(Pod, key_of(elsewhere)).metadata.owner_references
    world.settle(CONTROLLER, key_of(replica_set))
    assert len(world.all(Pod)) == 3


def test_adoption_asks_whether_the_owner_is_still_alive(world):
    """An adoption names the owner that must be read live first."""
    replica_set = world.add(make_set(1))
    world.add(Pod(metadata=ObjectMeta(name="o", namespace="default", labels=LABELS)))
    (adoption,) = world.decide(CONTROLLER, key_of(replica_set))
    assert adoption.only_if_alive is replica_set


def test_a_refused_create_becomes_a_condition_and_goes_away(world):
    """ReplicaFailure says why, once; after a success it is gone."""
    replica_set = world.add(make_set(1))
    (_, create) = world.decide(CONTROLLER, key_of(replica_set))
    world.refuse(create, "Forbidden", "exceeded quota")
    status_update, again = world.decide(CONTROLLER, key_of(replica_set))
    (condition,) = status_update.object.status.conditions
    assert (condition.type, condition.reason) == ("ReplicaFailure", "FailedCreate")
    assert condition.message == "exceeded quota"
    assert isinstance(again, Create)
    world.step(CONTROLLER, key_of(replica_set))
    world.last_failure = None
    world.settle(CONTROLLER, key_of(replica_set))
    assert world.get(ReplicaSet, key_of(replica_set)).status.conditions == []


def test_a_dying_replica_set_creates_nothing(world):
    """While it is being deleted only its status is kept."""
    replica_set = make_set()
    replica_set.metadata.deletion_timestamp = format_time(world.now)
    world.add(replica_set)
    assert not any(isinstance(c, Create) for c in world.decide(CONTROLLER, key_of(replica_set)))


def test_scaling_down_deletes_the_least_useful_first(world):
    """Unassigned, then pending, then not ready, before the one that serves."""
    replica_set = world.add(make_set(1))
    owner = [owner_reference(replica_set)]

    def pod(name, node, phase, conditions=()):
        meta = ObjectMeta(name=name, namespace="default", labels=LABELS, owner_references=owner)
        status = PodStatus(phase=phase, conditions=list(conditions))
        return world.add(Pod(metadata=meta, spec=PodSpec(node_name=node), status=status))

    pod("serving", "n1", "Running", ready(world))
    pod("unready", "n1", "Running")
    pod("pending", "n1", "Pending")
    pod("unassigned", "", "Pending")
    deletions = [c for c in world.decide(CONTROLLER, key_of(replica_set)) if isinstance(c, Delete)]
    assert [c.object.metadata.name for c in deletions] == ["unassigned", "pending", "unready"]


def test_rank_prefers_cheap_crowded_young_and_restarted(world):
    """The later criteria, each with all earlier ones equal."""
    world_now = world.now

    def running(cost="0", node="n1", restarts=0, age_s=100):
        made = format_time(world_now.replace(year=2025)) if age_s is None else None
        pod = Pod(
            metadata=ObjectMeta(
                name="p",
                annotations={"controller.kubernetes.io/pod-deletion-cost": cost},
                creation_timestamp=made or format_time(world_now),
            ),
            spec=PodSpec(node_name=node),
            status=PodStatus(
                phase="Running",
                conditions=ready(world),
                container_statuses=[ContainerStatus(restart_count=restarts)],
            ),
        )
        return rank(pod, {"n1": 1, "n2": 5}, world_now)

    assert running(cost="-5") < running()
    assert running(node="n2") < running(node="n1")
    assert running(restarts=3) < running()
    assert running() < running(age_s=None)
    assert running(cost="nonsense") == running()
