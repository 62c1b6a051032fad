"""DELETE: who goes at once, who later, and what the client is told."""

import pytest

from netemu.core.apiserver.deletion import after_update, plan_delete
from netemu.errors import ApiError
from netemu.model.apps_v1 import Deployment
from netemu.model.core_v1 import ConfigMap, Event, Namespace, NamespaceSpec, Pod, PodSpec
from netemu.model.kinds import by_type
from netemu.model.meta_v1 import DeleteOptions, ObjectMeta, Preconditions, Status
from netemu.model.schema import Time, copy_of

NOW = Time("2026-01-02T03:04:05Z")


def meta(**more):
    return ObjectMeta(name="x", namespace="default", uid="u-1", resource_version="9", **more)


def delete(obj, now=NOW, **options):
    return plan_delete(obj, DeleteOptions(**options), resource=by_type(type(obj)), now=now)


def pod(node="worker-1", grace=30, **more):
    return Pod(
        metadata=meta(**more), spec=PodSpec(node_name=node, termination_grace_period_seconds=grace)
    )


def test_a_plain_object_is_gone_and_a_status_says_so():
    """The status names it by its plural and uid."""
    plan = delete(ConfigMap(metadata=meta()))
    assert plan.remove
    assert isinstance(plan.answer, Status)
    details = plan.answer.details
    assert (plan.answer.status, details.kind, details.name, details.uid) == (
        "Success", "configmaps", "x", "u-1",
    )  # fmt: skip


def test_no_options_at_all_are_fine():
    """The body of a DELETE may be empty."""
    obj = ConfigMap(metadata=meta())
    assert plan_delete(obj, None, resource=by_type(ConfigMap), now=NOW).remove


def test_finalizers_hold_an_object():
    """It is marked, counted as changed, and the client gets the object."""
    plan = delete(Deployment(metadata=meta(finalizers=["x/y"], generation=3)))
    assert (plan.remove, plan.changed) == (False, True)
    assert plan.answer is plan.object
    marked = plan.object.metadata
    assert (marked.deletion_timestamp, marked.deletion_grace_period_seconds) == (NOW, 0)
    assert marked.generation == 4
    again = delete(plan.object, now=Time("2026-01-02T04:00:00Z"))
    assert (again.remove, again.changed) == (False, False)
    freed = copy_of(plan.object)
    freed.metadata.finalizers = []
    assert after_update(freed)
    assert not after_update(plan.object)


@pytest.mark.parametrize(
    ("policy", "before", "after"),
    [
        ("Foreground", ["orphan"], ["foregroundDeletion"]),
        ("Orphan", ["x/y"], ["x/y", "orphan"]),
        ("Background", ["foregroundDeletion", "x/y"], ["x/y"]),
        (None, ["orphan"], ["orphan"]),
    ],
)
def test_the_propagation_policy_is_a_finalizer(policy, before, after):
    """The garbage collector sees to it."""
    plan = delete(Deployment(metadata=meta(finalizers=before)), propagation_policy=policy)
    assert plan.object.metadata.finalizers == after
    assert not plan.remove


def test_a_running_pod_gets_its_time():
    """Marked with when it must be gone; its kubelet ends it with grace 0."""
    plan = delete(pod())
    marked = plan.object.metadata
    assert not plan.remove
    assert marked.deletion_timestamp == "2026-01-02T03:04:35Z"
    assert marked.deletion_grace_period_seconds == 30
    assert isinstance(plan.answer, Pod)
    assert not after_update(plan.object)
    final = delete(plan.object, grace_period_seconds=0, preconditions=Preconditions(uid="u-1"))
    assert final.remove
    assert final.object.metadata.deletion_timestamp == "2026-01-02T03:04:05Z"


def test_a_second_delete_may_only_shorten():
    """Longer is no news; shorter moves the end."""
    first = delete(pod()).object
    assert not delete(first, grace_period_seconds=60).changed
    assert not delete(first).changed
    sooner = delete(first, grace_period_seconds=10)
    assert sooner.changed
    assert sooner.object.metadata.deletion_timestamp == "2026-01-02T03:04:15Z"
    assert sooner.object.metadata.deletion_grace_period_seconds == 10


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_pod_without_processes_goes_at_once(phase):
    """Unscheduled, finished, or told to."""
    ended = pod()
    ended.status.phase = phase
    for plan in (delete(ended), delete(pod(node="")), delete(pod(), grace_period_seconds=0)):
        assert plan.remove
        assert plan.answer.metadata.deletion_grace_period_seconds == 0


def test_a_pod_with_a_finalizer_stays_after_its_last_delete():
    """Until the finalizer is taken off."""
    plan = delete(pod(finalizers=["x/y"]), grace_period_seconds=0)
    assert not plan.remove
    freed = copy_of(plan.object)
    freed.metadata.finalizers = []
    assert after_update(freed)


def test_a_namespace_waits_for_its_contents():
    """Terminating until the namespace controller has finalized it."""
    obj = Namespace(metadata=meta(), spec=NamespaceSpec(finalizers=["kubernetes"]))
    plan = delete(obj)
    assert (plan.remove, plan.object.status.phase) == (False, "Terminating")
    assert isinstance(plan.answer, Namespace)
    assert obj.status.phase == ""
    finalized = copy_of(plan.object)
    finalized.spec.finalizers = []
    assert after_update(finalized)
    assert not after_update(plan.object)


def test_preconditions_are_checked():
    """The client means another object, or an older one."""
    with pytest.raises(ApiError) as caught:
        delete(ConfigMap(metadata=meta()), preconditions=Preconditions(uid="xx"))
    assert caught.value.message == (
        'Operation cannot be fulfilled on ConfigMap "x": the UID in the precondition (xx) does not '
        "match the UID in record (u-1). The object might have been deleted and then recreated"
    )
    assert caught.value.conflict
    with pytest.raises(ApiError, match="ResourceVersion in the precondition"):
        delete(ConfigMap(metadata=meta()), preconditions=Preconditions(resource_version="8"))


def test_options_that_contradict_or_do_not_exist_are_invalid():
    """The head names the options, not the object."""
    with pytest.raises(ApiError, match=r'DeleteOptions.meta.k8s.io "" is invalid: ') as caught:
        delete(ConfigMap(metadata=meta()), propagation_policy="Sideways")
    assert caught.value.code == 422
    with pytest.raises(ApiError, match="cannot be both set"):
        delete(ConfigMap(metadata=meta()), propagation_policy="Orphan", orphan_dependents=True)


@pytest.mark.parametrize("policy", ["Orphan", "Foreground", "Background"])
def test_an_event_is_gone_whatever_is_said_of_its_dependents(policy):
    """It has none, and a finalizer would wait for a collector that does not look at Events."""
    assert delete(Event(metadata=meta()), propagation_policy=policy).remove
