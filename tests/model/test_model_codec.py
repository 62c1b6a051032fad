"""JSON and YAML bodies: what gets in, what is said about the rest, what comes out."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_samples import objects

from netemu.errors import ApiError
from netemu.model import codec, kinds
from netemu.model.apps_v1 import Deployment
from netemu.model.autoscaling_v1 import Scale
from netemu.model.core_v1 import (
    ConfigMap,
    Container,
    ContainerStatus,
    Event,
    Node,
    Pod,
    Secret,
    Service,
)
from netemu.model.discovery_v1 import EndpointSlice
from netemu.model.meta_v1 import DeleteOptions, ObjectMeta, Status
from netemu.model.schema import copy_of


def refuse(body: bytes, expected=Pod, content_type: str = codec.JSON) -> ApiError:
    with pytest.raises(ApiError) as caught:
        codec.decode(body, expected=expected, content_type=content_type)
    return caught.value


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_objects_survive_json(data):
    """What is encoded and decoded again is the same object, with nothing unknown."""
    kind = data.draw(st.sampled_from([resource.type for resource in kinds.RESOURCES]))
    obj = data.draw(objects(kind))
    body = codec.encode(obj)
    decoded = codec.decode(body, expected=kind, strict=True)
    assert decoded.obj == obj
    assert (decoded.unknown, decoded.duplicates) == ([], [])
    assert codec.decode_stored(body, kind) == obj
    assert codec.from_dict(codec.to_dict(obj)) == obj
    assert json.loads(body) == codec.to_dict(obj)


@given(objects(Pod))
@settings(max_examples=50, deadline=None)
def test_a_copy_shares_nothing(pod):
    """Changing a copy leaves the original as it was."""
    before = codec.encode(pod)
    copy = copy_of(pod)
    assert copy == pod
    copy.metadata.labels["new"] = "label"
    copy.spec.containers.append(Container(name="new"))
    copy.spec.node_name = "elsewhere"
    assert codec.encode(pod) == before


def test_kind_comes_first():
    """Bodies start with kind and version, like Kubernetes' own."""
    pod = Pod(metadata=ObjectMeta(name="a"))
    assert codec.encode(pod).startswith(b'{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a"}')
    assert codec.encode(DeleteOptions()) == b'{"kind":"DeleteOptions","apiVersion":"v1"}'


def test_what_go_always_writes_is_written():
    """Zero values that clients insist on are there; unset times and empty lists are not."""
    status = codec.to_dict(ContainerStatus(name="a"))
    assert status == {
        "name": "a",
        "state": {},
        "lastState": {},
        "ready": False,
        "restartCount": 0,
        "image": "",
        "imageID": "",
    }
    assert codec.to_dict(EndpointSlice())["endpoints"] == []
    assert "creationTimestamp" not in codec.to_dict(Pod())["metadata"]


def test_explicit_zeros_are_kept():
    """Where zero differs from absent, both survive."""
    body = {"spec": {"replicas": 0, "template": {"spec": {"terminationGracePeriodSeconds": 0}}}}
    deployment = codec.from_dict(body, Deployment)
    assert deployment.spec.replicas == 0
    assert (
        codec.to_dict(deployment)["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 0
    )
    assert codec.from_dict({}, Deployment).spec.replicas is None


def test_nulls_are_absent():
    """Null means that a field is not there, wherever it stands."""
    body = b"""{"metadata": {"creationTimestamp": null, "labels": {"a": null, "b": "c"}},
        "spec": {"containers": [null, {"name": "x", "args": ["1", null], "resources": null}],
                 "securityContext": null}, "status": null}"""
    pod = codec.decode(body, expected=Pod).obj
    assert pod.metadata.labels == {"b": "c"}
    assert [container.name for container in pod.spec.containers] == ["x"]
    assert pod.spec.containers[0].args == ["1"]


def test_unknown_fields_are_reported_with_their_path():
    """Paths are as Kubernetes writes them; the fields are dropped."""
    body = b"""{"foo": 1, "spec": {"template": {"spec": {"containers": [{"name": "a"},
        {"name": "b", "foo": {"deep": 1}, "env": [{"nam": "X"}]}]}}}}"""
    decoded = codec.decode(body, expected=Deployment)
    assert decoded.unknown == [
        "foo",
        "spec.template.spec.containers[1].foo",
        "spec.template.spec.containers[1].env[0].nam",
    ]
    assert decoded.duplicates == []


def test_duplicates_are_looked_for_when_asked():
    """A strict reader is told which fields were there twice, and the last one wins."""
    body = b'{"metadata": {"name": "a", "name": "b"}, "data": {"x": "1", "x": "2"}}'
    decoded = codec.decode(body, expected=ConfigMap, strict=True)
    assert decoded.duplicates == ["metadata.name", "data.x"]
    assert decoded.obj.data == {"x": "2"}
    assert codec.decode(body, expected=ConfigMap).duplicates == []


def test_quantities_and_times_become_canonical():
    """Numbers are quantities too; times are in UTC and whole seconds, micro times in six digits."""
    body = b"""{"status": {"capacity": {"cpu": 0.5, "memory": "1024Mi", "pods": 110},
        "conditions": [{"type": "Ready", "lastHeartbeatTime": "2024-01-02T03:04:05.678+01:00"}]}}"""
    status = codec.decode(body, expected=Node).obj.status
    assert status.capacity == {"cpu": "500m", "memory": "1Gi", "pods": "110"}
    assert status.conditions[0].last_heartbeat_time == "2024-01-02T02:04:05Z"
    event = codec.decode(b'{"eventTime": "2024-01-02T03:04:05.1Z"}', expected=Event).obj
    assert event.event_time == "2024-01-02T03:04:05.100000Z"


def test_int_or_string():
    """A port may be a number or a name."""
    body = b'{"spec": {"ports": [{"targetPort": 80}, {"targetPort": "http"}]}}'
    ports = codec.decode(body, expected=Service).obj.spec.ports
    assert [port.target_port for port in ports] == [80, "http"]


def test_wrong_types_are_refused_with_their_path():
    """The message names kind, path and what was expected."""
    error = refuse(b'{"spec": {"replicas": "three"}}', Deployment)
    assert (error.code, error.reason) == (400, "BadRequest")
    assert error.message == (
        'Deployment in version "v1" cannot be handled as a Deployment: '
        "spec.replicas: expected int, got str"
    )
    error = refuse(b'{"spec": {"containers": [{}, {"ports": [{"containerPort": []}]}]}}')
    assert "spec.containers[1].ports[0].containerPort: expected int, got array" in error.message
    error = refuse(b'{"spec": {"containers": [{"resources": {"limits": {"cpu": "lots"}}}]}}')
    assert "spec.containers[0].resources.limits.cpu: 'lots' is not a quantity" in error.message
    error = refuse(b'{"spec": {"replicas": 2147483648}}', Deployment)
    assert "spec.replicas: 2147483648 is not a number of 32 bits" in error.message
    error = refuse(b'{"spec": {"tolerations": [{"tolerationSeconds": 9223372036854775808}]}}')
    assert "9223372036854775808 is not a number of 64 bits" in error.message
    error = refuse(b'{"metadata": {"creationTimestamp": "0001-01-01T00:00:00+23:00"}}')
    assert "is before the year 1" in error.message
    error = refuse(b'{"data": {"a": "%%%"}}', Secret)
    assert "data.a: illegal base64 data" in error.message
    error = refuse(b'{"metadata": {"creationTimestamp": "yesterday"}}')
    assert "metadata.creationTimestamp: 'yesterday' is not a time" in error.message
    assert "metadata: expected object, got str" in refuse(b'{"metadata": "x"}').message


def test_unregistered_kinds_are_refused_in_kubernetes_words():
    """The message is the one that clients know."""
    message = refuse(b'{"kind": "Foo", "apiVersion": "v1"}', ConfigMap).message
    assert message.startswith(
        'Foo in version "v1" cannot be handled as a ConfigMap: '
        'no kind "Foo" is registered for version "v1" in scheme '
    )
    message = refuse(b'{"kind": "Deployment", "apiVersion": "apps/v1"}', ConfigMap).message
    assert message.startswith('Deployment in version "v1" cannot be handled as a ConfigMap')


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"1", b'{"a": \xff}', b"[" * 100_000])
def test_bodies_that_are_no_object(body):
    """Whatever is not an object is a bad request that says what it should have been."""
    message = refuse(body, ConfigMap).message
    assert message.startswith(
        "the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; "
    )


def test_kind_is_needed_when_nothing_is_expected():
    """Without a type that the path implies, a body must say what it is."""
    assert "'Kind' is missing" in refuse(b'{"apiVersion": "v1"}', None).message
    assert isinstance(codec.decode(b'{"kind": "Pod", "apiVersion": "v1"}').obj, Pod)


def test_delete_options_come_in_every_version():
    """Clients send DeleteOptions in the version of what they delete."""
    body = b'{"kind": "DeleteOptions", "apiVersion": "apps/v1", "propagationPolicy": "Orphan"}'
    assert codec.decode(body, expected=DeleteOptions).obj.propagation_policy == "Orphan"


def test_media_types():
    """Parameters and a missing type are fine; what is not known is 415."""
    assert codec.decode(b"{}", expected=Pod, content_type="").obj == Pod()
    assert (
        codec.decode(b"{}", expected=Pod, content_type="application/json; charset=utf-8").obj
        == Pod()
    )
    error = refuse(b"{}", Pod, "text/plain")
    assert (error.code, error.reason) == (415, "UnsupportedMediaType")


def test_yaml_bodies():
    """YAML is as good as JSON, duplicates included."""
    body = b"kind: Scale\napiVersion: autoscaling/v1\nspec:\n  replicas: 3\n  replicas: 4\n  x: 1\n"
    decoded = codec.decode(body, content_type="application/yaml", expected=Scale)
    assert decoded.obj.spec.replicas == 4
    assert (decoded.unknown, decoded.duplicates) == (["spec.x"], ["spec.replicas"])
    assert "yaml parse error" in refuse(b"a: [", Scale, "application/yaml").message
    assert "not an object" in refuse(b"", Scale, "application/yaml").message


def test_lists_are_made_of_encoded_items():
    """A list joins what is encoded already, and its items are an array even when empty."""
    resource = kinds.by_type(Pod)
    pods = [Pod(metadata=ObjectMeta(name=name)) for name in "ab"]
    body = codec.encode_list(resource, map(codec.encode, pods), "7", continue_="x", remaining=3)
    found = json.loads(body)
    assert (found["kind"], found["apiVersion"]) == ("PodList", "v1")
    assert found["metadata"] == {"resourceVersion": "7", "continue": "x", "remainingItemCount": 3}
    decoded = codec.decode_list(body, Pod)
    assert (decoded.items, decoded.metadata.resource_version) == (pods, "7")
    assert json.loads(codec.encode_list(resource, [], "1"))["items"] == []


def test_status_is_decoded_as_what_it_is():
    """An error from the API is found by its kind."""
    body = (
        b'{"kind": "Status", "apiVersion": "v1", "metadata": {}, "code": 404, "reason": "NotFound"}'
    )
    status = codec.decode(body).obj
    assert isinstance(status, Status)
    assert status.code == 404
