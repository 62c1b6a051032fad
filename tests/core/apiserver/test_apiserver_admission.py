"""Admission: what depends on other objects."""

import pytest

from netemu.core.apiserver.admission import TOKEN_PATH, admit
from netemu.errors import ApiError
from netemu.model.core_v1 import (
    ConfigMap,
    Container,
    LocalObjectReference,
    Namespace,
    Node,
    Pod,
    PodSpec,
    ServiceAccount,
    Toleration,
    VolumeMount,
)
from netemu.model.kinds import by_type
from netemu.model.meta_v1 import ObjectMeta


class Store:
    """A lookup over a few objects."""

    def __init__(self, *objects):
        self._objects = {(type(o), o.metadata.name, o.metadata.namespace): o for o in objects}

    def get(self, kind, name, namespace):
        return self._objects.get((kind, name, namespace))


def namespace(**more):
    return Namespace(metadata=ObjectMeta(name="default", **more))


def account(name="default", **more):
    return ServiceAccount(metadata=ObjectMeta(name=name, namespace="default"), **more)


def pod(**spec):
    return Pod(
        metadata=ObjectMeta(name="p", namespace="default", uid="u-1"),
        spec=PodSpec(containers=[Container(name="a")], **spec),
    )


def let_in(obj, *objects, operation="CREATE"):
    objects = objects or (namespace(), account())
    admit(obj, resource=by_type(type(obj)), operation=operation, lookup=Store(*objects))
    return obj


def test_a_missing_namespace_is_not_found():
    """With the namespace as what was not found."""
    obj = ConfigMap(metadata=ObjectMeta(name="c", namespace="nowhere"))
    with pytest.raises(ApiError) as caught:
        let_in(obj)
    assert (caught.value.code, caught.value.message) == (404, 'namespaces "nowhere" not found')
    assert caught.value.kind == "namespaces"


def test_nothing_new_enters_a_namespace_that_ends():
    """The cause is what controllers look at."""
    obj = ConfigMap(metadata=ObjectMeta(name="c", namespace="default"))
    with pytest.raises(ApiError, match="because it is being terminated") as caught:
        let_in(obj, namespace(deletion_timestamp="2026-01-01T00:00:00Z"))
    assert (caught.value.code, caught.value.reason) == (403, "Forbidden")
    assert [cause.reason for cause in caught.value.causes] == ["NamespaceTerminating"]


def test_a_pod_gets_its_account_and_token():
    """A projected volume, mounted read-only, named after the pod's uid."""
    obj = let_in(pod(), namespace(), account(image_pull_secrets=[LocalObjectReference(name="s")]))
    assert obj.spec.service_account_name == obj.spec.service_account == "default"
    (volume,) = obj.spec.volumes
    assert volume.name.startswith("kube-api-access-")
    assert len(volume.name) == len("kube-api-access-") + 5
    token, authority, names = volume.projected.sources
    assert (token.service_account_token.path, token.service_account_token.expiration_seconds) == (
        "token",
        3607,
    )
    assert authority.config_map.name == "kube-root-ca.crt"
    assert names.downward_api.items[0].path == "namespace"
    (mount,) = obj.spec.containers[0].volume_mounts
    assert (mount.name, mount.mount_path, mount.read_only) == (volume.name, TOKEN_PATH, True)
    assert [reference.name for reference in obj.spec.image_pull_secrets] == ["s"]


@pytest.mark.parametrize(
    ("in_pod", "in_account", "expected"),
    [(None, None, 1), (False, None, 0), (None, False, 0), (True, False, 1)],
)
def test_a_token_can_be_declined(in_pod, in_account, expected):
    """The pod's word counts more than its account's."""
    obj = pod(automount_service_account_token=in_pod)
    let_in(obj, namespace(), account(automount_service_account_token=in_account))
    assert len(obj.spec.volumes) == expected


def test_a_mount_of_ones_own_is_respected():
    """Nothing is put over what a manifest mounts there."""
    obj = pod()
    obj.spec.containers[0].volume_mounts.append(VolumeMount(name="mine", mount_path=TOKEN_PATH))
    assert let_in(obj).spec.volumes == []


def test_an_account_that_does_not_exist_is_forbidden():
    """The words are Kubernetes' own."""
    with pytest.raises(ApiError) as caught:
        let_in(pod(service_account_name="nope"))
    assert caught.value.code == 403
    assert caught.value.message == (
        'pods "p" is forbidden: error looking up service account default/nope: '
        'serviceaccount "nope" not found'
    )


def test_a_pod_puts_up_with_a_dead_node_for_five_minutes():
    """Unless it says otherwise itself; asking again adds nothing."""
    obj = let_in(pod())
    assert {(t.key, t.effect, t.toleration_seconds) for t in obj.spec.tolerations} == {
        ("node.kubernetes.io/not-ready", "NoExecute", 300),
        ("node.kubernetes.io/unreachable", "NoExecute", 300),
    }
    let_in(obj, operation="UPDATE")
    assert len(obj.spec.tolerations) == 2
    stubborn = let_in(pod(tolerations=[Toleration(operator="Exists")]))
    assert len(stubborn.spec.tolerations) == 1


def test_priorities():
    """Zero, or that of a system class; anything else does not exist."""
    plain = let_in(pod())
    assert (plain.spec.priority, plain.spec.preemption_policy) == (0, "PreemptLowerPriority")
    assert let_in(pod(priority_class_name="system-node-critical")).spec.priority == 2000001000
    with pytest.raises(ApiError, match="no PriorityClass with name gold was found"):
        let_in(pod(priority_class_name="gold"))
    with pytest.raises(ApiError, match="must not be provided in pod spec"):
        let_in(pod(priority=5))


def test_a_new_node_is_tainted_until_it_is_ready():
    """Once."""
    node = Node(metadata=ObjectMeta(name="n"))
    let_in(node)
    let_in(node)
    assert [(t.key, t.effect) for t in node.spec.taints] == [
        ("node.kubernetes.io/not-ready", "NoSchedule")
    ]


def test_the_first_namespaces_cannot_be_deleted():
    """Others can."""
    with pytest.raises(
        ApiError, match='namespaces "default" is forbidden: this namespace may not be deleted'
    ):
        let_in(namespace(), operation="DELETE")
    let_in(Namespace(metadata=ObjectMeta(name="shop")), operation="DELETE")
