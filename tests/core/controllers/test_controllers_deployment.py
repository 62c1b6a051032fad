"""Deployment: rollouts step by step, sizes, history, conditions."""

import pytest

from netemu.core.control.commands import Create, Delete, Requeue
from netemu.core.controllers import deployment, replicaset
from netemu.core.controllers.deployment.revisions import (
    HASH_LABEL,
    HISTORY,
    REVISION,
    size_of,
    template_hash,
)
from netemu.core.controllers.deployment.rollout import Bounds, bounds_of
from netemu.model.apps_v1 import (
    Deployment,
    DeploymentSpec,
    DeploymentStrategy,
    ReplicaSet,
    RollingUpdateDeployment,
)
from netemu.model.clock import format_time
from netemu.model.core_v1 import Container, Pod, PodCondition, PodSpec, PodTemplateSpec
from netemu.model.keys import ObjectKey, key_of
from netemu.model.meta_v1 import LabelSelector, ObjectMeta
from netemu.model.schema import copy_of

KEY = ObjectKey("default", "web")
LABELS = {"app": "web"}


def make(replicas=3, image="web:1", strategy="RollingUpdate", surge=1, unavailable=0, **spec):
    rolling = RollingUpdateDeployment(max_surge=surge, max_unavailable=unavailable)
    return Deployment(
        metadata=ObjectMeta(name="web", namespace="default"),
        spec=DeploymentSpec(
            replicas=replicas,
            selector=LabelSelector(match_labels=dict(LABELS)),
            template=PodTemplateSpec(
                metadata=ObjectMeta(labels=dict(LABELS)),
                spec=PodSpec(containers=[Container(name="c", image=image)]),
            ),
            strategy=DeploymentStrategy(
                type=strategy, rolling_update=rolling if strategy == "RollingUpdate" else None
            ),
            progress_deadline_seconds=600,
            **spec,
        ),
    )


class Rollout:
    """A Deployment, its ReplicaSets and Pods, moved on by hand."""

    def __init__(self, world, **spec):
        self.world = world
        world.add(make(**spec))

    @property
    def deployment(self):
        return self.world.get(Deployment, KEY)

    @property
    def sets(self):
        return sorted(
            self.world.all(ReplicaSet), key=lambda one: int(one.metadata.annotations[REVISION])
        )

    @property
    def sizes(self):
        return [size_of(one) for one in self.sets]

    def edit(self, **fields):
        changed = copy_of(self.deployment)
        for name, value in fields.items():
            if name == "image":
                changed.spec.template.spec.containers[0].image = value
            else:
                setattr(changed.spec, name, value)
        changed.metadata.generation += 1
        self.world.put(changed)
        self.world.pass_time(1)

    def step(self):
        """All controllers once; Pods stay as they are."""
        commands = self.world.step(deployment.CONTROLLER, KEY)
        for one in self.world.all(ReplicaSet):
            self.world.settle(replicaset.CONTROLLER, key_of(one))
        return commands

    def make_ready(self):
        for pod in self.world.all(Pod):
            stamp = format_time(self.world.now)
            ready = PodCondition(type="Ready", status="True", last_transition_time=stamp)
            self.world.change(pod, phase="Running", conditions=[ready])
        for one in self.world.all(ReplicaSet):
            self.world.settle(replicaset.CONTROLLER, key_of(one))

    def finish(self, most=60):
        """Until nothing changes, Pods becoming ready as they come."""
        before = None
        for _ in range(most):
            self.step()
            self.make_ready()
            now = (self.sizes, self.deployment.status)
            if now == before:
                return
            before = now
        raise AssertionError("the rollout never ends")

    def condition(self, type):
        return next((c for c in self.deployment.status.conditions if c.type == type), None)


@pytest.fixture
def rollout(world):
    def start(**spec):
        return Rollout(world, **spec)

    return start


def test_the_first_replica_set_is_made_whole(rollout, world):
    """Its name, labels and selector bear the hash; the Deployment says revision 1."""
    web = rollout()
    web.step()
    (one,) = web.sets
    hashed = one.metadata.labels[HASH_LABEL]
    assert one.metadata.name == f"web-{hashed}"
    assert one.spec.selector.match_labels == {**LABELS, HASH_LABEL: hashed}
    assert one.spec.template.metadata.labels == {**LABELS, HASH_LABEL: hashed}
    assert size_of(one) == 3
    assert web.deployment.metadata.annotations[REVISION] == "1"
    assert f"Scaled up replica set {one.metadata.name} from 0 to 3" in world.messages
    assert web.condition("Progressing").reason == "NewReplicaSetCreated"


def test_hashes_are_short_and_of_kubernetes_letters():
    """At most ten characters of a small alphabet, another one after a collision."""
    template = make().spec.template
    first, second = template_hash(template, None), template_hash(template, 1)
    assert first != second
    assert set(first) <= set("456789bcdf")
    assert len(first) <= 10
    assert template_hash(template, -1) != first  # Anybody may write a status.
    assert template_hash(template, 2**40) != first


def test_a_complete_rollout_says_so(rollout):
    """All Pods available: Available and Progressing are True, and nothing is left to do."""
    web = rollout()
    web.finish()
    status = web.deployment.status
    assert (status.replicas, status.updated_replicas, status.available_replicas) == (3, 3, 3)
    assert web.condition("Available").reason == "MinimumReplicasAvailable"
    assert web.condition("Progressing").reason == "NewReplicaSetAvailable"
    assert [c for c in web.step() if not isinstance(c, Requeue)] == []


def test_a_rolling_update_keeps_within_its_bounds(rollout):
    """With surge 1 and nothing unavailable there are always 3 ready and never 5 Pods."""
    web = rollout()
    web.finish()
    web.edit(image="web:2")
    for _ in range(20):
        web.step()
        assert sum(web.sizes) <= 4
        available = sum(one.status.available_replicas for one in web.sets)
        assert available >= 3
        web.make_ready()
    assert web.sizes == [0, 3]
    assert web.deployment.metadata.annotations[REVISION] == "2"


def test_a_rolling_update_waits_for_pods_that_never_become_ready(rollout):
    """The old Pods go on serving."""
    web = rollout()
    web.finish()
    web.edit(image="broken")
    for _ in range(10):
        web.step()
    assert web.sizes == [3, 1]


def test_unhealthy_old_pods_go_first(rollout):
    """A rollout that replaces a broken one does not wait for the broken Pods."""
    web = rollout(unavailable=1)
    web.finish()
    web.edit(image="broken")
    for _ in range(5):
        web.step()
    assert web.sizes == [2, 2]
    web.edit(image="web:3")
    web.finish()
    assert web.sizes == [0, 0, 3]


def test_going_back_reuses_the_old_replica_set(rollout):
    """Its revision becomes the newest, the former one goes into its history."""
    web = rollout()
    web.finish()
    web.edit(image="web:2")
    web.finish()
    web.edit(image="web:1")
    web.finish()
    assert [one.metadata.annotations[REVISION] for one in web.sets] == ["2", "3"]
    assert web.sets[-1].metadata.annotations[HISTORY] == "1"
    assert web.sizes == [0, 3]
    assert web.deployment.metadata.annotations[REVISION] == "3"


def test_recreate_never_mixes_old_and_new(rollout, world):
    """The new ReplicaSet waits until the last old Pod is gone."""
    web = rollout(strategy="Recreate")
    web.finish()
    old_pods = world.all(Pod)
    web.edit(image="web:2")
    world.step(deployment.CONTROLLER, KEY)
    assert web.sizes == [0]
    world.step(deployment.CONTROLLER, KEY)
    assert web.sizes == [0], "old Pods are still there"
    for pod in old_pods:
        world.remove(pod)
    web.finish()
    assert web.sizes == [0, 3]


def test_scaling_in_the_middle_of_a_rollout_is_proportional(rollout):
    """10 replicas as 8 old and 5 new, scaled to 20: both grow in proportion."""
    web = rollout(replicas=10, surge=3, unavailable=2)
    web.finish()
    web.edit(image="broken")
    for _ in range(5):
        web.step()
    assert web.sizes == [8, 5]
    web.edit(replicas=20)
    web.step()
    assert sum(web.sizes) == 23
    assert web.sizes == [14, 9]


def test_scaling_alone_sets_the_only_replica_set(rollout, world):
    """No rollout, no new revision."""
    web = rollout()
    web.finish()
    web.edit(replicas=5)
    web.finish()
    assert web.sizes == [5]
    assert web.deployment.metadata.annotations[REVISION] == "1"
    web.edit(replicas=0)
    web.finish()
    assert web.sizes == [0]
    assert any("from 5 to 0" in message for message in world.messages)


def test_a_paused_deployment_scales_and_does_not_roll(rollout):
    """And says so; resumed, it rolls."""
    web = rollout()
    web.finish()
    web.edit(paused=True)
    web.finish()
    assert web.condition("Progressing").reason == "DeploymentPaused"
    web.edit(image="web:2", replicas=4)
    web.finish()
    assert web.sizes == [4]
    web.edit(paused=False)
    web.step()
    assert web.condition("Progressing").reason == "DeploymentResumed"
    web.finish()
    assert web.sizes == [0, 4]


def test_old_replica_sets_beyond_the_history_limit_are_deleted(rollout):
    """The oldest go."""
    web = rollout(revision_history_limit=1)
    for number in range(1, 5):
        web.edit(image=f"web:{number}")
        web.finish()
    assert len(web.sets) == 2
    assert web.sizes == [0, 3]


def test_a_stuck_rollout_misses_its_deadline(rollout, world):
    """Progressing becomes False after progressDeadlineSeconds, and is asked for in time."""
    web = rollout()
    commands = [*web.step(), *web.step(), *web.step()]
    assert any(isinstance(c, Requeue) and c.after_s <= 601 for c in commands)
    world.pass_time(700)
    web.step()
    condition = web.condition("Progressing")
    assert (condition.status, condition.reason) == ("False", "ProgressDeadlineExceeded")
    web.finish()
    assert web.condition("Progressing").reason == "NewReplicaSetAvailable"


def test_a_foreign_replica_set_of_the_same_name_is_a_collision(rollout, world):
    """Another's name is not taken: the hash changes."""
    web = rollout()
    create = world.decide(deployment.CONTROLLER, KEY)[0]
    foreign = copy_of(create.object)
    foreign.metadata.owner_references = []
    foreign.spec.selector = LabelSelector(match_labels={"app": "other"})
    foreign.metadata.labels = {"app": "other"}
    foreign.metadata.annotations = {REVISION: "0"}
    foreign.spec.replicas = 0
    world.add(foreign)
    world.refuse(create, "AlreadyExists", "exists", 409)
    world.step(deployment.CONTROLLER, KEY)
    assert web.deployment.status.collision_count == 1
    world.last_failure = None
    web.finish()
    assert len(web.sets) == 2


def test_a_refused_replica_set_is_said_in_the_conditions(rollout, world):
    """ReplicaSetCreateError with the API server's words, and another attempt."""
    web = rollout()
    create = world.decide(deployment.CONTROLLER, KEY)[0]
    world.refuse(create, "Forbidden", "exceeded quota")
    commands = world.decide(deployment.CONTROLLER, KEY)
    assert any(isinstance(c, Create) for c in commands)
    world.step(deployment.CONTROLLER, KEY)
    assert web.condition("Progressing").reason == "ReplicaSetCreateError"


def test_a_deployment_that_is_deleted_does_nothing_more(rollout, world):
    """Its ReplicaSets are the garbage collector's."""
    web = rollout()
    web.finish()
    dying = copy_of(web.deployment)
    dying.metadata.deletion_timestamp = format_time(world.now)
    world.put(dying)
    assert not any(isinstance(c, Create | Delete) for c in web.step())


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "expected"),
    [
        (10, "25%", "25%", Bounds(10, 3, 2)),
        (3, "25%", "25%", Bounds(3, 1, 0)),
        (1, 0, "10%", Bounds(1, 0, 1)),
        (4, 2, 9, Bounds(4, 2, 4)),
    ],
)
def test_bounds_round_surge_up_and_unavailable_down(replicas, surge, unavailable, expected):
    """As Kubernetes rounds them; 0 and 0 would never move."""
    assert bounds_of(make(replicas, surge=surge, unavailable=unavailable)) == expected
