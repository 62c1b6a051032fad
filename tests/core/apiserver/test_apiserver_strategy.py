"""What a write may not decide."""

import pytest

from netemu.core.apiserver.strategy import is_noop, prepare_create, prepare_update
from netemu.errors import ApiError
from netemu.model import codec
from netemu.model.apps_v1 import Deployment
from netemu.model.core_v1 import ConfigMap, Namespace, Node, Pod, Service
from netemu.model.discovery_v1 import EndpointSlice
from netemu.model.kinds import by_type
from netemu.model.schema import Time, copy_of

NOW = Time("2026-01-02T03:04:05Z")


def make(kind, **fields):
    data = {"metadata": {"name": "x", "namespace": "default"}, **fields}
    return codec.from_dict(data, kind)


def create(obj, **more):
    args = {"now": NOW, "uid": "u-1", "name_suffix": "abcde"} | more
    prepare_create(obj, resource=by_type(type(obj)), **args)
    return obj


def update(new, old, subresource=""):
    prepare_update(new, old, resource=by_type(type(new)), subresource=subresource)
    return new


def test_creation_stamps_what_is_the_servers():
    """Whatever the client sent for these."""
    obj = make(ConfigMap)
    obj.metadata.uid, obj.metadata.creation_timestamp = "mine", Time("2000-01-01T00:00:00Z")
    obj.metadata.deletion_timestamp, obj.metadata.generation = NOW, 7
    meta = create(obj).metadata
    assert (meta.uid, meta.creation_timestamp, meta.generation) == ("u-1", NOW, 0)
    assert meta.deletion_timestamp is None


def test_a_resource_version_on_creation_is_an_error():
    """As in Kubernetes, with code 500."""
    obj = make(ConfigMap)
    obj.metadata.resource_version = "5"
    with pytest.raises(ApiError, match="should not be set on objects to be created") as caught:
        create(obj)
    assert caught.value.code == 500


def test_a_generated_name_is_cut_to_fit():
    """58 characters of the base, five of chance."""
    obj = make(ConfigMap)
    obj.metadata.name, obj.metadata.generate_name = "", "a" * 70
    assert create(obj).metadata.name == "a" * 58 + "abcde"


def test_a_generated_namespace_gets_its_label():
    """Network policies count on it."""
    obj = make(Namespace)
    obj.metadata.name, obj.metadata.generate_name = "", "e2e-"
    create(obj)
    assert obj.metadata.labels == {"kubernetes.io/metadata.name": "e2e-abcde"}
    assert (obj.metadata.namespace, obj.status.phase) == ("", "Active")
    assert obj.spec.finalizers == ["kubernetes"]


def test_creation_forgets_the_status_except_a_nodes():
    """A kubelet registers its Node with a status."""
    pod = create(make(Pod, status={"phase": "Running", "podIP": "1.2.3.4"}))
    assert (pod.status.phase, pod.status.pod_ip, pod.status.qos_class) == (
        "Pending",
        "",
        "BestEffort",
    )
    deployment = create(make(Deployment, status={"replicas": 3}))
    assert (deployment.status.replicas, deployment.metadata.generation) == (0, 1)
    node = create(make(Node, status={"phase": "x"}))
    assert node.status.phase == "x"


def test_a_gated_pod_says_so_from_the_start():
    """The scheduler does not touch it."""
    pod = create(make(Pod, spec={"schedulingGates": [{"name": "x"}]}))
    assert [(c.type, c.reason) for c in pod.status.conditions] == [
        ("PodScheduled", "SchedulingGated")
    ]


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        (
            {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1", "memory": "1Gi"}},
            "Guaranteed",
        ),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1"}, "requests": {"cpu": "1000m"}}, "Burstable"),
        ({"requests": {"example.com/gpu": "1"}}, "BestEffort"),
    ],
)
def test_quality_of_service(resources, expected):
    """How much of what it may use a pod has asked for."""
    pod = create(make(Pod, spec={"containers": [{"name": "a", "resources": resources}]}))
    assert pod.status.qos_class == expected


def test_an_update_keeps_identity_and_status():
    """The main resource is deaf to status."""
    old = create(make(Deployment, spec={"replicas": 1}))
    old.status.replicas = 1
    new = copy_of(old)
    new.metadata.uid = new.metadata.name = ""
    new.metadata.creation_timestamp = Time("2000-01-01T00:00:00Z")
    new.status.replicas = 9
    update(new, old)
    assert (new.metadata.uid, new.metadata.name, new.status.replicas) == ("u-1", "x", 1)
    assert new.metadata.creation_timestamp == NOW
    assert is_noop(new, old)


def test_generation_counts_changes_of_spec_only():
    """Labels and status leave it."""
    old = create(make(Deployment, spec={"replicas": 1}))
    labelled = copy_of(old)
    labelled.metadata.labels = {"a": "b"}
    assert update(labelled, old).metadata.generation == 1
    scaled = copy_of(old)
    scaled.spec.replicas = 2
    assert update(scaled, old).metadata.generation == 2
    reported = copy_of(scaled)
    reported.status.replicas, reported.spec.replicas = 5, 9
    update(reported, scaled, "status")
    assert (reported.metadata.generation, reported.status.replicas, reported.spec.replicas) == (
        2,
        5,
        2,
    )


def test_an_endpoint_slice_counts_any_content():
    """It has no spec."""
    old = create(make(EndpointSlice, addressType="IPv4", endpoints=[{"addresses": ["10.0.0.1"]}]))
    new = copy_of(old)
    new.endpoints[0].addresses = ["10.0.0.2"]
    assert update(new, old).metadata.generation == 2


def test_a_name_or_uid_that_differs_is_refused():
    """One is invalid, the other a conflict: the client means another object."""
    old = create(make(ConfigMap))
    renamed, other = copy_of(old), copy_of(old)
    renamed.metadata.name, other.metadata.uid = "y", "u-2"
    with pytest.raises(ApiError, match="field is immutable"):
        update(renamed, old)
    with pytest.raises(
        ApiError, match="UID in precondition: u-2, UID in object meta: u-1"
    ) as caught:
        update(other, old)
    assert caught.value.conflict


def test_a_status_write_of_a_workload_leaves_labels_alone():
    """Kubernetes does so for the kinds of apps."""
    old = create(make(Deployment))
    new = copy_of(old)
    new.metadata.labels = {"a": "b"}
    assert update(new, old, "status").metadata.labels == {}


def test_a_namespace_loses_its_finalizer_only_through_finalize():
    """The namespace controller alone uses that subresource."""
    old = create(make(Namespace))
    new = copy_of(old)
    new.spec.finalizers = []
    assert update(copy_of(new), old).spec.finalizers == ["kubernetes"]
    assert update(new, old, "finalize").spec.finalizers == []


def test_an_update_of_a_pod_keeps_its_priority():
    """A manifest from a file does not say it."""
    old = create(make(Pod))
    old.spec.priority, old.spec.preemption_policy = 0, "PreemptLowerPriority"
    new = make(Pod)
    update(new, old)
    assert (new.spec.priority, new.spec.preemption_policy) == (0, "PreemptLowerPriority")


def test_a_service_keeps_what_was_allocated():
    """A replace with the original manifest names neither address nor node port."""
    spec = {"type": "NodePort", "ports": [{"port": 80, "protocol": "TCP"}]}
    old = create(make(Service, spec=spec))
    old.spec.cluster_ip, old.spec.cluster_ips = "10.96.0.9", ["10.96.0.9"]
    old.spec.ports[0].node_port = 30080
    new = update(make(Service, spec=spec), old)
    assert (new.spec.cluster_ip, new.spec.ports[0].node_port) == ("10.96.0.9", 30080)


def test_a_service_that_changes_type_drops_what_only_the_old_type_had():
    """Unless the client changed that, too."""
    old = create(make(Service, spec={"type": "NodePort", "ports": [{"port": 80}]}))
    old.spec.cluster_ip, old.spec.cluster_ips = "10.96.0.9", ["10.96.0.9"]
    old.spec.external_traffic_policy, old.spec.ports[0].node_port = "Cluster", 30080
    inner = copy_of(old)
    inner.spec.type = "ClusterIP"
    update(inner, old)
    assert (inner.spec.ports[0].node_port, inner.spec.external_traffic_policy) == (0, "")
    assert inner.spec.cluster_ip == "10.96.0.9"
    alias = copy_of(old)
    alias.spec.type, alias.spec.external_name = "ExternalName", "example.com"
    update(alias, old)
    assert (alias.spec.cluster_ip, alias.spec.cluster_ips) == ("", [])


def test_a_noop_is_seen_whatever_the_revision():
    """Such a write makes no event."""
    old = create(make(ConfigMap, data={"a": "1"}))
    old.metadata.resource_version = "7"
    same = copy_of(old)
    same.metadata.resource_version = ""
    assert is_noop(same, old)
    same.data["a"] = "2"
    assert not is_noop(same, old)
    labelled = copy_of(old)
    labelled.metadata.labels["a"] = "b"
    assert not is_noop(labelled, old)
