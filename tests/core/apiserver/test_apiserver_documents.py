"""Discovery, OpenAPI, Scale and Eviction: documents that clients are made of."""

import json

import pytest

from netemu.core.apiserver import discovery, openapi
from netemu.core.apiserver.eviction import options_for
from netemu.core.apiserver.negotiation import negotiate
from netemu.core.apiserver.scale import scale_of, scaled
from netemu.errors import ApiError
from netemu.model.apps_v1 import Deployment
from netemu.model.codec import from_dict
from netemu.model.core_v1 import Pod
from netemu.model.kinds import RESOURCES
from netemu.model.meta_v1 import DeleteOptions, ObjectMeta
from netemu.model.policy_v1 import Eviction


def entries(group_version):
    listing = discovery.api_resource_list(group_version)
    return {entry["name"]: entry for entry in listing["resources"]}


def test_every_group_that_is_listed_answers():
    """A group that does not would break whole clients."""
    for group in discovery.api_group_list()["groups"]:
        assert discovery.api_group(group["name"])["name"] == group["name"]
        for version in group["versions"]:
            assert entries(version["groupVersion"])


def test_pods_as_kubectl_wants_them():
    """Short names, categories, and the group of an eviction."""
    pods = entries("v1")
    assert pods["pods"]["shortNames"] == ["po"]
    assert pods["pods"]["categories"] == ["all"]
    assert (pods["pods/eviction"]["group"], pods["pods/eviction"]["kind"]) == ("policy", "Eviction")
    assert "group" not in pods["pods/status"]
    assert entries("apps/v1")["deployments/scale"]["group"] == "autoscaling"


@pytest.mark.parametrize("ask", [discovery.api_group, discovery.api_resource_list])
def test_what_is_not_served_is_not_found(ask):
    """With a Status, as for any unknown resource."""
    with pytest.raises(ApiError, match="could not find the requested resource") as caught:
        ask("batch/v1")
    assert caught.value.not_found


@pytest.mark.parametrize("version", ["v2", "v2beta1"])
def test_aggregated_discovery_says_the_same(version):
    """In the version that was asked for, every entry with a kind."""
    accept = f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
    core = discovery.aggregated(negotiate(accept), core=True)
    named = discovery.aggregated(negotiate(accept), core=False)
    assert core["apiVersion"] == f"apidiscovery.k8s.io/{version}"
    assert core["items"][0]["metadata"] == {}
    found = [
        (item["metadata"].get("name", ""), v["version"], r["resource"])
        for item in core["items"] + named["items"]
        for v in item["versions"]
        for r in v["resources"]
    ]
    assert {(r.group, r.version, r.plural) for r in RESOURCES} <= set(found)
    pods = next(r for r in core["items"][0]["versions"][0]["resources"] if r["resource"] == "pods")
    assert pods["scope"] == "Namespaced"
    parts = {part["subresource"]: part["responseKind"] for part in pods["subresources"]}
    assert parts["eviction"] == {"group": "policy", "version": "v1", "kind": "Eviction"}


def references(schema):
    if isinstance(schema, dict):
        if "$ref" in schema:
            yield schema["$ref"]
        for below in schema.values():
            yield from references(below)
    elif isinstance(schema, list):
        for below in schema:
            yield from references(below)


def test_openapi_v2_is_closed_and_names_every_kind():
    """No reference leads nowhere; each kind is found by its group, version and kind."""
    document = json.loads(openapi.v2_json())
    definitions = document["definitions"]
    names = {reference.removeprefix("#/definitions/") for reference in references(definitions)}
    assert names <= definitions.keys()
    found = {
        (gvk["group"], gvk["version"], gvk["kind"])
        for schema in definitions.values()
        for gvk in schema.get("x-kubernetes-group-version-kind", ())
    }
    assert {(r.group, r.version, r.kind) for r in RESOURCES} <= found


def test_openapi_tells_how_lists_merge():
    """kubectl apply needs to know."""
    definitions = json.loads(openapi.v2_json())["definitions"]
    containers = definitions["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"]
    assert containers == {
        "type": "array",
        "description": "The containers that make up the pod; there is at least one.",
        "items": {"$ref": "#/definitions/io.k8s.api.core.v1.Container"},
        "x-kubernetes-patch-strategy": "merge",
        "x-kubernetes-patch-merge-key": "name",
    }
    assert "name" in definitions["io.k8s.api.core.v1.Container"]["required"]


def messages(data):
    """Read one level of a protobuf message that holds nothing but length-delimited fields."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        key = varint()
        assert key & 7 == 2
        size = varint()
        yield key >> 3, data[at : at + size]
        at += size


def test_openapi_v2_as_protobuf_holds_the_same_definitions():
    """Field numbers are gnostic's; old kubectl reads nothing else."""
    document = dict(messages(openapi.v2_protobuf()))
    assert document[1] == b"2.0"
    named = {
        dict(messages(entry))[1].decode(): dict(messages(entry))[2]
        for _, entry in messages(document[9])
    }
    assert named.keys() == json.loads(openapi.v2_json())["definitions"].keys()
    service = list(messages(named["io.k8s.api.core.v1.Service"]))
    assert (22, b"\x0a\x06object") in service
    extensions = [dict(messages(value)) for number, value in service if number == 31]
    (gvk,) = [e for e in extensions if e[1] == b"x-kubernetes-group-version-kind"]
    assert json.loads(dict(messages(gvk[2]))[2]) == [
        {"group": "", "version": "v1", "kind": "Service"}
    ]


def test_openapi_v2_patches_take_a_dry_run():
    """kubectl 1.20 looks for that before it sends one."""
    document = dict(messages(openapi.v2_protobuf()))
    for number, entry in messages(document[8]):
        assert number == 2
        item = dict(messages(entry))[2]
        operation = dict(messages(item))[8]
        queries = [
            dict(messages(dict(messages(dict(messages(value))[1]))[2]))[3]
            for number, value in messages(operation)
            if number == 8
        ]
        assert b"dryRun" in [dict(messages(query))[4] for query in queries]


def test_openapi_v3_has_a_document_for_each_address_of_its_index():
    """An address carries the hash of what is there."""
    for path, entry in openapi.v3_index()["paths"].items():
        url = entry["serverRelativeURL"]
        assert url == f"/openapi/v3/{path}?hash={openapi.etag(openapi.v3_document(path))}"
        document = json.loads(openapi.v3_document(path))
        schemas = document["components"]["schemas"]
        names = {r.removeprefix("#/components/schemas/") for r in references(schemas)}
        assert names <= schemas.keys()
    with pytest.raises(KeyError):
        openapi.v3_document("apis/nowhere/v1")


def test_openapi_v3_says_that_the_server_validates_fields():
    """Then kubectl leaves it to us."""
    document = json.loads(openapi.v3_document("apis/apps/v1"))
    operation = document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"][
        "patch"
    ]
    assert operation["x-kubernetes-group-version-kind"] == {
        "group": "apps", "version": "v1", "kind": "Deployment",
    }  # fmt: skip
    assert {"name": "fieldValidation", "in": "query", "schema": {"type": "string"}} in operation[
        "parameters"
    ]


def deployment():
    data = {
        "metadata": {"name": "web", "namespace": "d", "uid": "u", "resourceVersion": "7"},
        "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "web"}}},
        "status": {"replicas": 2},
    }
    return from_dict(data, Deployment)


def test_a_scale_says_how_many_and_of_which():
    """The selector is text there."""
    scale = scale_of(deployment())
    assert (scale.spec.replicas, scale.status.replicas, scale.status.selector) == (3, 2, "app=web")
    assert (scale.metadata.name, scale.metadata.uid, scale.metadata.resource_version) == (
        "web",
        "u",
        "7",
    )


def test_scaling_changes_the_number_alone():
    """And makes the write depend on what was read."""
    scale = scale_of(deployment())
    scale.spec.replicas = 5
    changed = scaled(deployment(), scale)
    assert changed.spec.replicas == 5
    assert changed.metadata == deployment().metadata
    scale.spec.replicas = -1
    with pytest.raises(
        ApiError, match=r'Scale\.autoscaling "web" is invalid: spec\.replicas'
    ) as caught:
        scaled(deployment(), scale)
    assert caught.value.code == 422


def test_an_eviction_becomes_a_delete():
    """With the options that it brings, if it means this pod."""
    pod = Pod(metadata=ObjectMeta(name="p"))
    assert options_for(pod, Eviction()) == DeleteOptions()
    options = DeleteOptions(grace_period_seconds=5)
    assert options_for(pod, Eviction(delete_options=options)) is options
    with pytest.raises(ApiError, match="does not match"):
        options_for(pod, Eviction(metadata=ObjectMeta(name="q")))
