"""Garbage collector, namespaces and what every namespace has."""

import pytest

from netemu.core.control.commands import Create, Delete, Emit, Requeue, Update
from netemu.core.controllers import (
    garbagecollector,
    namespace,
    root_ca_certificate_publisher,
    serviceaccount,
)
from netemu.core.controllers.garbagecollector import Ref
from netemu.model.clock import format_time
from netemu.model.core_v1 import (
    ConfigMap,
    Namespace,
    NamespaceSpec,
    Pod,
    PodSpec,
    Secret,
    ServiceAccount,
)
from netemu.model.keys import ObjectKey, key_of
from netemu.model.meta_v1 import ObjectMeta, OwnerReference

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"


def owner_of(obj, block=True):
    return OwnerReference(
        api_version=obj.API_VERSION,
        kind=obj.KIND,
        name=obj.metadata.name,
        uid=obj.metadata.uid,
        block_owner_deletion=block,
    )


def add(world, kind, name, owners=(), finalizers=(), deleted=False, place="default"):
    meta = ObjectMeta(
        name=name, namespace=place, owner_references=list(owners), finalizers=list(finalizers)
    )
    if deleted:
        meta.deletion_timestamp = format_time(world.now)
    return world.add(kind(metadata=meta))


def judge(world, obj):
    return world.decide(garbagecollector.CONTROLLER, Ref(type(obj), key_of(obj)))


def test_a_dependent_with_a_living_owner_stays(world):
    """Nothing to do, and nothing to ask."""
    pod = add(world, Pod, "p", [owner_of(add(world, ConfigMap, "o"))])
    assert judge(world, pod) == []
    assert garbagecollector.CONTROLLER.needs(Ref(Pod, key_of(pod)), world) == []


def test_a_dependent_whose_owners_are_gone_goes(world):
    """After asking live; an owner of the same name and another uid is another."""
    owner = add(world, ConfigMap, "o")
    pod = add(world, Pod, "p", [owner_of(owner)])
    world.remove(owner)
    add(world, ConfigMap, "o")
    (query,) = garbagecollector.CONTROLLER.needs(Ref(Pod, key_of(pod)), world)
    assert query.key == ObjectKey("default", "o")
    (deletion,) = judge(world, pod)
    assert deletion.propagation == "Background"


def test_an_owner_that_only_the_server_knows_is_alive(world):
    """The cache lags; nobody is deleted for it."""
    owner = add(world, ConfigMap, "o")
    pod = add(world, Pod, "p", [owner_of(owner)])
    world.remove(owner)
    world.hidden[ConfigMap][key_of(owner)] = owner
    assert judge(world, pod) == []


def test_dangling_references_beside_a_solid_one_are_removed(world):
    """The dependent stays."""
    solid, gone = add(world, ConfigMap, "o"), add(world, ConfigMap, "g")
    pod = add(world, Pod, "p", [owner_of(solid), owner_of(gone)])
    world.remove(gone)
    (update,) = judge(world, pod)
    assert [r.name for r in update.object.metadata.owner_references] == ["o"]


def test_owners_of_unknown_kinds_are_trusted(world):
    """Nobody can say that they are gone."""
    reference = OwnerReference(api_version="example.com/v1", kind="Widget", name="w", uid="u")
    assert judge(world, add(world, Pod, "p", [reference])) == []


def test_an_owner_in_another_namespace_counts_as_absent(world):
    """With a warning that says so."""
    owner = add(world, ConfigMap, "o", place="other")
    said, deletion = judge(world, add(world, Pod, "p", [owner_of(owner)]))
    assert isinstance(said, Emit)
    assert said.say.reason == "OwnerRefInvalidNamespace"
    assert isinstance(deletion, Delete)


def test_foreground_waits_for_those_that_block(world):
    """The finalizer goes when the last of them is gone."""
    owner = add(world, ConfigMap, "o", finalizers=[FOREGROUND], deleted=True)
    blocking = add(world, Pod, "p", [owner_of(owner)])
    free = add(world, Pod, "q", [owner_of(owner, block=False)])
    assert judge(world, owner) == []
    assert isinstance(judge(world, blocking)[0], Delete)
    assert isinstance(judge(world, free)[0], Delete)
    world.remove(blocking)
    (update,) = judge(world, owner)
    assert update.object.metadata.finalizers == []


def test_foreground_goes_down_the_tree(world):
    """A dependent that has dependents is deleted in the foreground, too."""
    owner = add(world, ConfigMap, "o", finalizers=[FOREGROUND], deleted=True)
    middle = add(world, Secret, "m", [owner_of(owner)])
    add(world, Pod, "p", [owner_of(middle)])
    (deletion,) = judge(world, middle)
    assert deletion.propagation == "Foreground"


def test_orphans_are_set_free_first(world):
    """Then the owner may go, in the same plan."""
    owner = add(world, ConfigMap, "o", finalizers=[ORPHAN], deleted=True)
    add(world, Pod, "p", [owner_of(owner)])
    freed, released = judge(world, owner)
    assert freed.object.metadata.owner_references == []
    assert released.object.metadata.finalizers == []


def test_keys_lead_from_a_vanished_owner_to_its_dependents(world):
    """And from a vanished dependent to an owner that waits for it."""
    (watch,) = (w for w in garbagecollector.CONTROLLER.watches if w.kind is ConfigMap)
    owner = add(world, ConfigMap, "o", finalizers=[FOREGROUND], deleted=True)
    pod = add(world, Pod, "p", [owner_of(owner)])
    assert set(watch.keys(owner, world)) == {
        Ref(ConfigMap, key_of(owner)),
        Ref(Pod, key_of(pod)),
    }
    world.remove(pod)
    (pod_watch,) = (w for w in garbagecollector.CONTROLLER.watches if w.kind is Pod)
    assert set(pod_watch.keys(pod, world)) == {Ref(ConfigMap, key_of(owner))}


@pytest.fixture
def ending(world):
    meta = ObjectMeta(name="shop", deletion_timestamp=format_time(world.now))
    return world.add(Namespace(metadata=meta, spec=NamespaceSpec(finalizers=["kubernetes"])))


def test_an_empty_namespace_is_let_go(world, ending):
    """All five conditions are fine, and the finalizer goes."""
    status, finalize = world.decide(namespace.CONTROLLER, ObjectKey("", "shop"))
    assert {c.status for c in status.object.status.conditions} == {"False"}
    assert len(status.object.status.conditions) == 5
    assert finalize.subresource == "finalize"
    assert finalize.object.spec.finalizers == []


def test_a_namespace_is_emptied_pods_first(world, ending):
    """And says what it waits for."""
    key = ObjectKey("", "shop")
    add(world, ConfigMap, "c", place="shop")
    add(world, Pod, "p", place="shop", finalizers=["hold"], deleted=True)
    add(world, Secret, "s", place="shop")
    add(world, Secret, "elsewhere")
    commands = world.decide(namespace.CONTROLLER, key)
    deleted = [c.object.metadata.name for c in commands if isinstance(c, Delete)]
    assert deleted == ["c", "s"]
    (status,) = (c for c in commands if isinstance(c, Update))
    messages = {c.type: c.message for c in status.object.status.conditions}
    assert messages["NamespaceContentRemaining"] == (
        "Some resources are remaining: pods. has 1 resource instances"
    )
    assert messages["NamespaceFinalizersRemaining"] == (
        "Some content in the namespace has finalizers remaining: hold in 1 resource instances"
    )
    assert isinstance(commands[-1], Requeue)


def test_content_is_read_live(world, ending):
    """Every namespaced kind, Pods before all others; a living namespace asks nothing."""
    queries = namespace.CONTROLLER.needs(ObjectKey("", "shop"), world)
    assert queries[0].kind is Pod
    assert len(queries) > 8
    world.add(Namespace(metadata=ObjectMeta(name="alive")))
    assert namespace.CONTROLLER.needs(ObjectKey("", "alive"), world) == ()


def test_content_that_will_not_go_is_said(world, ending):
    """In the condition about content."""
    add(world, ConfigMap, "c", place="shop")
    (deletion, *_) = world.decide(namespace.CONTROLLER, ObjectKey("", "shop"))
    world.refuse(deletion, "Forbidden", "not you")
    commands = world.decide(namespace.CONTROLLER, ObjectKey("", "shop"))
    (status,) = (c for c in commands if isinstance(c, Update))
    failed = next(
        c for c in status.object.status.conditions if c.type == "NamespaceDeletionContentFailure"
    )
    assert (failed.status, failed.reason) == ("True", "ContentDeletionFailed")


def test_every_namespace_has_an_account_and_the_root_certificate(world):
    """Made once, corrected when wrong, not made in one that ends."""
    key = ObjectKey("", "default")
    world.add(Namespace(metadata=ObjectMeta(name="default")))
    world.settle(serviceaccount.CONTROLLER, key)
    world.settle(root_ca_certificate_publisher.CONTROLLER, key)
    assert world.get(ServiceAccount, ObjectKey("default", "default"))
    published = world.get(ConfigMap, ObjectKey("default", "kube-root-ca.crt"))
    assert published.data == {"ca.crt": "the CA"}
    published.data = {}
    world.settle(root_ca_certificate_publisher.CONTROLLER, key)
    published = world.get(ConfigMap, ObjectKey("default", "kube-root-ca.crt"))
    assert published.data == {"ca.crt": "the CA"}


def test_a_namespace_that_ends_gets_nothing_new(world, ending):
    """It would only have to be deleted again."""
    key = ObjectKey("", "shop")
    assert not any(
        isinstance(command, Create)
        for controller in (serviceaccount, root_ca_certificate_publisher)
        for command in world.decide(controller.CONTROLLER, key)
    )


def test_pods_are_only_looked_at_with_owners(world):
    """A Pod that nobody owns is no work for the garbage collector."""
    pod = world.add(Pod(metadata=ObjectMeta(name="p", namespace="default"), spec=PodSpec()))
    (watch,) = (w for w in garbagecollector.CONTROLLER.watches if w.kind is Pod)
    assert list(watch.keys(pod, world)) == []
