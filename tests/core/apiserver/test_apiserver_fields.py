"""Field selectors: what can be asked of whom."""

import pytest

from netemu.core.apiserver.fields import check_labels, field_value, field_values
from netemu.errors import ApiError
from netemu.model.core_v1 import ConfigMap, Event, Node, Pod
from netemu.model.meta_v1 import ObjectMeta


def test_a_pod_answers_for_its_place_and_phase():
    """What describe, drain and kubelets ask for."""
    pod = Pod(metadata=ObjectMeta(name="p", namespace="d"))
    pod.spec.node_name, pod.status.phase = "worker-1", "Running"
    values = field_values(pod)
    assert values["spec.nodeName"] == "worker-1"
    assert values["status.phase"] == "Running"
    assert values["spec.hostNetwork"] == "false"
    assert values["metadata.name"] == "p"


def test_an_event_answers_for_what_it_is_about():
    """In either form of its source."""
    event = Event(reporting_component="scheduler")
    event.involved_object.uid = "u"
    assert field_value(event, "involvedObject.uid") == "u"
    assert field_value(event, "source") == "scheduler"


def test_a_field_that_cannot_be_selected_by_is_refused():
    """With Kubernetes' own words."""
    with pytest.raises(ApiError) as caught:
        field_value(ConfigMap(), "spec.foo")
    assert (caught.value.code, caught.value.message) == (400, "field label not supported: spec.foo")
    check_labels(Node, ["spec.unschedulable", "metadata.name"])
    with pytest.raises(ApiError, match=r"field label not supported: spec\.nodeName"):
        check_labels(Node, ["spec.nodeName"])
