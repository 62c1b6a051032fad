"""Our types against those of a client that we did not write."""

import re
from typing import Any

import pytest
from kubernetes.client import models

from netemu.model import events_v1, kinds, meta_v1
from netemu.model.autoscaling_v1 import Scale
from netemu.model.core_v1 import Binding, PodTemplate
from netemu.model.policy_v1 import Eviction
from netemu.model.wire import ApiStruct, Kinded, fields_of, struct_in, wire_name

OTHER_NAMES = {
    "v1.Event": "CoreV1Event",
    "events.k8s.io/v1.Event": "EventsV1Event",
    "authentication.k8s.io/v1.TokenRequest": "AuthenticationV1TokenRequest",
}
KINDS: list[type[Kinded]] = [
    *(resource.type for resource in kinds.RESOURCES + kinds.REVIEWS),
    *(
        Binding,
        PodTemplate,
        Eviction,
        Scale,
        events_v1.Event,
        meta_v1.DeleteOptions,
        meta_v1.Status,
    ),
    kinds.type_of("authentication.k8s.io/v1", "TokenRequest") or Kinded,
]


def known_elsewhere(kind: type[Kinded]) -> Any:
    name = OTHER_NAMES.get(f"{kind.API_VERSION}.{kind.KIND}", f"V1{kind.KIND}")
    return getattr(models, name)


def missing(ours: type[ApiStruct], theirs: Any, path: str, seen: set[Any]) -> list[str]:
    """Return the paths of fields that the other client's model has and our type lacks."""
    if (ours, theirs) in seen:
        return []
    seen.add((ours, theirs))
    mine = {info.wire_name: info for info in fields_of(ours)}
    found = []
    for attribute, wire in theirs.attribute_map.items():
        if wire in ("apiVersion", "kind") and issubclass(ours, Kinded):
            continue
        if wire not in mine:
            found.append(f"{path}.{wire}")
            continue
        inner = struct_in(mine[wire].type)
        named = re.findall(r"\w+", theirs.openapi_types[attribute])
        model = next(
            (
                getattr(models, n)
                for n in named
                if hasattr(getattr(models, n, None), "attribute_map")
            ),
            None,
        )
        assert (inner is None) == (model is None), f"{path}.{wire}: {mine[wire].type} is {named}"
        if inner and model:
            found += missing(inner, model, f"{path}.{wire}", seen)
    return found


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.API_VERSION}.{kind.KIND}")
def test_no_field_is_missing(kind):
    """Whatever field the Python client knows of a kind, we have."""
    assert missing(kind, known_elsewhere(kind), kind.KIND, set()) == []


def all_structs() -> set[type[ApiStruct]]:
    found: set[type[ApiStruct]] = set()
    todo: list[type[ApiStruct]] = list(KINDS)
    while todo:
        kind = todo.pop()
        if kind not in found:
            found.add(kind)
            todo += filter(None, (struct_in(info.type) for info in fields_of(kind)))
    return found


def test_numbers_are_unique():
    """No two fields of a message share a protobuf number."""
    for kind in all_structs():
        numbers = [(info.inline, info.number) for info in fields_of(kind) if info.number]
        assert len(numbers) == len(set(numbers)), kind
        own = {info.number for info in fields_of(kind) if not info.inline}
        assert kind.INLINE == 0 or kind.INLINE not in own, kind


def test_what_merges_names_a_field_of_its_elements():
    """A merge key is a field of the struct that is listed."""
    for kind in all_structs():
        for info in fields_of(kind):
            inner = struct_in(info.type)
            names = {field.wire_name for field in fields_of(inner)} if inner else set()
            assert not info.patch_merge_key or info.patch_merge_key in names, info


def test_merge_keys_are_those_of_kubernetes():
    """The lists that strategic merge patch merges, by the key that it merges them by."""
    keys = {
        (kind.__name__, info.wire_name): (info.patch_strategy, info.patch_merge_key)
        for kind in all_structs()
        for info in fields_of(kind)
        if info.patch_strategy
    }
    assert keys["PodSpec", "containers"] == ("merge", "name")
    assert keys["PodSpec", "volumes"] == ("merge,retainKeys", "name")
    assert keys["Container", "ports"] == ("merge", "containerPort")
    assert keys["Container", "volumeMounts"] == ("merge", "mountPath")
    assert keys["ServiceSpec", "ports"] == ("merge", "port")
    assert keys["ObjectMeta", "finalizers"] == ("merge", "")
    assert keys["NodeSpec", "podCIDRs"] == ("merge", "")
    assert keys["DeploymentSpec", "strategy"] == ("retainKeys", "")
    assert keys["PodStatus", "podIPs"] == ("merge", "ip")
    assert ("PodSpec", "tolerations") not in keys
    assert ("Endpoints", "subsets") not in keys


@pytest.mark.parametrize(
    ("attribute", "name"),
    [
        ("cluster_ip", "clusterIP"),
        ("pod_ips", "podIPs"),
        ("pod_cidrs", "podCIDRs"),
        ("set_hostname_as_fqdn", "setHostnameAsFQDN"),
        ("image_id", "imageID"),
        ("api_version", "apiVersion"),
        ("from_", "from"),
        ("fields_v1", "fieldsV1"),
        ("downward_api", "downwardAPI"),
        ("ip", "ip"),
    ],
)
def test_wire_names(attribute, name):
    """Attributes are Kubernetes' names in snake case, acronyms included."""
    assert wire_name(attribute) == name
