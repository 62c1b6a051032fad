"""Names of kinds, keys of objects, times as text."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from netemu.model import clock, kinds
from netemu.model.apps_v1 import Deployment
from netemu.model.core_v1 import Namespace, Node, Pod
from netemu.model.keys import ObjectKey, key_of
from netemu.model.meta_v1 import DeleteOptions, ObjectMeta
from netemu.model.wire import MicroTime, Time


def test_resources_are_found_by_any_name():
    """By type, by plural in a URL, by kind in a manifest."""
    deployments = kinds.by_type(Deployment)
    assert kinds.by_plural("apps", "v1", "deployments") is deployments
    assert kinds.by_kind("apps/v1", "Deployment") is deployments
    assert kinds.by_plural("", "v1", "zebras") is None
    assert (deployments.singular, deployments.list_kind) == ("deployment", "DeploymentList")
    assert deployments.qualified == "deployments.apps"
    assert deployments.short_names == ("deploy",)
    assert deployments.subresource("scale").group == "autoscaling"
    assert deployments.subresource("nope") is None


@pytest.mark.parametrize("name", ["deploy", "deployments", "Deployment", "deployments.apps"])
def test_resources_are_found_by_what_people_type(name):
    """Short, singular, plural, kind, or with the group."""
    assert kinds.by_name(name) is kinds.by_type(Deployment)
    assert kinds.by_name("zebra") is None


def test_paths():
    """Where each kind lives."""
    pods, nodes = kinds.by_type(Pod), kinds.by_type(Node)
    assert pods.path("default", "web", "log") == "/api/v1/namespaces/default/pods/web/log"
    assert pods.path() == "/api/v1/pods"
    assert nodes.path("ignored", "worker-1") == "/api/v1/nodes/worker-1"
    assert kinds.by_type(Deployment).path("d") == "/apis/apps/v1/namespaces/d/deployments"


def test_names_are_not_ambiguous():
    """No two resources share a name that people type."""
    names = [name for r in kinds.RESOURCES for name in (r.plural, r.singular, *r.short_names)]
    double = {"endpoints"}  # Its plural is its singular, as in Kubernetes.
    assert {name for name in names if names.count(name) > 1} == double


def test_what_is_no_resource_has_a_type_too():
    """Bodies such as DeleteOptions are found by their kind."""
    assert kinds.type_of("v1", "Pod") is Pod
    assert kinds.type_of("apps/v1", "DeleteOptions") is DeleteOptions
    assert kinds.type_of("v1", "Zebra") is None


def test_keys():
    """Keys order as lists do, and print as people write them."""
    keys = [ObjectKey("b", "a"), ObjectKey("a", "z"), ObjectKey("", "n")]
    assert sorted(keys) == [("", "n"), ("a", "z"), ("b", "a")]
    assert key_of(Pod(metadata=ObjectMeta(namespace="a", name="z"))) == keys[1]
    assert str(keys[1]) == "a/z"
    assert str(key_of(Namespace(metadata=ObjectMeta(name="n")))) == "n"


def test_times():
    """Text to time and back, always in UTC."""
    time = datetime(2024, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    assert clock.format_time(time) == "2024-01-02T03:04:05Z"
    assert clock.format_micro_time(time) == "2024-01-02T03:04:05.678901Z"
    assert clock.parse_time(MicroTime("2024-01-02T03:04:05.678901Z")) == time
    east = time.astimezone(timezone(timedelta(hours=5)))
    assert clock.format_time(east) == "2024-01-02T03:04:05Z"
    assert clock.canonical_time("2024-01-02T04:04:05+01:00") == "2024-01-02T03:04:05Z"
    assert clock.canonical_micro_time("2024-01-02T03:04:05Z") == "2024-01-02T03:04:05.000000Z"


@pytest.mark.parametrize(
    "text", ["", "now", "2024-01-02", "2024-13-02T03:04:05Z", "2024-01-02T03:04:05"]
)
def test_what_is_no_time(text):
    """Dates, words and local times are not times."""
    with pytest.raises(ValueError):
        clock.parse_time(Time(text))
