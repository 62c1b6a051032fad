"""Both clients behave the same: one suite, run in the server's process and across HTTPS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from netemu.client.contract import Client, EventType, PatchType, WatchEvent
from netemu.client.https import HttpsClient
from netemu.errors import ApiError
from netemu.model.apps_v1 import Deployment
from netemu.model.authentication_v1 import TokenRequest
from netemu.model.core_v1 import ConfigMap, Container, Namespace, Pod, PodSpec
from netemu.model.meta_v1 import ObjectMeta
from netemu.model.schema import copy_of


@pytest.fixture(params=["in-process", "https"])
async def client(request: pytest.FixtureRequest, served) -> AsyncIterator[Client]:
    made: Client = served.client if request.param == "in-process" else HttpsClient(served.access)
    yield made
    await made.close()


def config_map(name: str, **data: str) -> ConfigMap:
    meta = ObjectMeta(name=name, namespace="default", labels={"app": name})
    return ConfigMap(metadata=meta, data=data)


def pod(name: str) -> Pod:
    spec = PodSpec(containers=[Container(name="main", image="nginx")])
    return Pod(metadata=ObjectMeta(name=name, namespace="default"), spec=spec)


async def take(events: AsyncIterator[WatchEvent], count: int) -> list[WatchEvent]:
    return [await asyncio.wait_for(anext(events), 5) for _ in range(count)]


async def test_created_object_is_read_back(client: Client):
    """What was created is got and listed, with what the server added to it."""
    created = await client.create(config_map("one", a="1"))
    assert created.metadata.uid
    assert created.metadata.creation_timestamp
    got = await client.get(ConfigMap, "one", "default")
    assert got == created
    listed = await client.list(ConfigMap, "default")
    assert listed.items == [created]
    assert int(listed.resource_version) >= int(created.metadata.resource_version)


async def test_caller_may_go_on_with_its_object(client: Client):
    """Changing what was handed in changes nothing in the server."""
    mine = config_map("one", a="1")
    await client.create(mine)
    mine.data["a"] = "2"
    assert (await client.get(ConfigMap, "one", "default")).data == {"a": "1"}


async def test_selectors(client: Client):
    """Lists are narrowed by labels, by fields and by namespace."""
    await client.create(config_map("one"))
    await client.create(config_map("two"))
    by_label = await client.list(ConfigMap, labels="app in (one)")
    assert [obj.metadata.name for obj in by_label.items] == ["one"]
    by_field = await client.list(ConfigMap, fields="metadata.name!=one")
    assert [obj.metadata.name for obj in by_field.items] == ["two"]
    assert (await client.list(ConfigMap, "kube-system")).items == []
    with pytest.raises(ApiError) as caught:
        await client.list(ConfigMap, fields="spec.foo=1")
    assert (caught.value.code, caught.value.reason) == (400, "BadRequest")


async def test_failures_have_reasons(client: Client):
    """Failures are ApiErrors with Kubernetes' codes, reasons and words."""
    with pytest.raises(ApiError) as caught:
        await client.get(ConfigMap, "none", "default")
    assert caught.value.not_found
    assert str(caught.value) == 'configmaps "none" not found'
    await client.create(config_map("one"))
    with pytest.raises(ApiError) as caught:
        await client.create(config_map("one"))
    assert caught.value.already_exists
    lost = config_map("one")
    lost.metadata.namespace = "nowhere"
    with pytest.raises(ApiError) as caught:
        await client.create(lost)
    assert str(caught.value) == 'namespaces "nowhere" not found'
    with pytest.raises(ApiError) as caught:
        await client.create(config_map("Bad_Name"))
    assert (caught.value.code, caught.value.reason) == (422, "Invalid")
    assert caught.value.causes[0].field == "metadata.name"


async def test_second_writer_conflicts(client: Client):
    """An update with an old resourceVersion is refused, one without is not."""
    first = await client.create(config_map("one", a="1"))
    changed = copy_of(first)
    changed.data["a"] = "2"
    second = await client.update(changed)
    assert int(second.metadata.resource_version) > int(first.metadata.resource_version)
    with pytest.raises(ApiError) as caught:
        await client.update(changed)
    assert caught.value.conflict
    changed.metadata.resource_version = ""
    changed.data["a"] = "3"
    assert (await client.update(changed)).data == {"a": "3"}


async def test_unchanged_update_is_no_write(client: Client):
    """A write that changes nothing makes no revision."""
    created = await client.create(config_map("one", a="1"))
    again = await client.update(copy_of(created))
    assert again.metadata.resource_version == created.metadata.resource_version


async def test_status_is_a_part_of_its_own(client: Client):
    """Status is written through `status` and spec through the object itself."""
    created = await client.create(pod("one"))
    changed = copy_of(created)
    changed.status.phase = "Running"
    assert (await client.update(changed)).status.phase == "Pending"
    changed.metadata.resource_version = ""
    changed.spec.containers[0].image = "other"
    updated = await client.update(changed, subresource="status")
    assert updated.status.phase == "Running"
    assert updated.spec.containers[0].image == "nginx"


@pytest.mark.parametrize(
    ("how", "patch"),
    [
        (PatchType.MERGE, {"data": {"b": "2", "a": None}}),
        (PatchType.STRATEGIC, {"data": {"b": "2", "a": None}}),
        (
            PatchType.JSON,
            [{"op": "remove", "path": "/data/a"}, {"op": "add", "path": "/data/b", "value": "2"}],
        ),
    ],
)
async def test_patches(client: Client, how: PatchType, patch):
    """Merge, strategic and JSON patches are applied."""
    await client.create(config_map("one", a="1"))
    patched = await client.patch(ConfigMap, "one", "default", patch, how=how)
    assert patched.data == {"b": "2"}


async def test_patch_with_an_old_revision_conflicts(client: Client):
    """A resourceVersion in a patch is a condition."""
    created = await client.create(config_map("one", a="1"))
    old = {"metadata": {"resourceVersion": created.metadata.resource_version}, "data": {"a": "2"}}
    await client.patch(ConfigMap, "one", "default", old)
    old["data"] = {"a": "3"}
    with pytest.raises(ApiError) as caught:
        await client.patch(ConfigMap, "one", "default", old)
    assert caught.value.conflict


async def test_delete_with_preconditions(client: Client):
    """A uid says which object of that name is meant."""
    created = await client.create(config_map("one"))
    with pytest.raises(ApiError) as caught:
        await client.delete(ConfigMap, "one", "default", uid="another")
    assert caught.value.conflict
    await client.delete(ConfigMap, "one", "default", uid=created.metadata.uid)
    with pytest.raises(ApiError) as caught:
        await client.delete(ConfigMap, "one", "default")
    assert caught.value.not_found


async def test_bound_pod_gets_its_grace(client: Client):
    """A bound Pod ends slowly: the first DELETE marks it, grace 0 removes it."""
    await client.create(pod("one"))
    await client.bind("one", "default", "worker-1")
    bound = await client.get(Pod, "one", "default")
    assert bound.spec.node_name == "worker-1"
    assert [c.status for c in bound.status.conditions if c.type == "PodScheduled"] == ["True"]
    with pytest.raises(ApiError) as caught:
        await client.bind("one", "default", "worker-2")
    assert caught.value.conflict
    await client.delete(Pod, "one", "default", grace_period_s=20)
    ending = await client.get(Pod, "one", "default")
    assert ending.metadata.deletion_grace_period_seconds == 20
    await client.delete(Pod, "one", "default", uid=bound.metadata.uid, grace_period_s=0)
    with pytest.raises(ApiError):
        await client.get(Pod, "one", "default")


async def test_finalizers_hold_an_object(client: Client):
    """An object with a finalizer goes when the last one is taken away."""
    held = config_map("one")
    held.metadata.finalizers = ["example.com/hold"]
    await client.create(held)
    await client.delete(ConfigMap, "one", "default")
    marked = await client.get(ConfigMap, "one", "default")
    assert marked.metadata.deletion_timestamp
    await client.patch(ConfigMap, "one", "default", {"metadata": {"finalizers": None}})
    with pytest.raises(ApiError) as caught:
        await client.get(ConfigMap, "one", "default")
    assert caught.value.not_found


async def test_watch_tells_what_happens(client: Client):
    """A watch begins after a revision and tells additions, changes and deletions."""
    listing = await client.list(ConfigMap)
    created = await client.create(config_map("one", a="1"))
    watch = client.watch(ConfigMap, resource_version=listing.resource_version)
    (added,) = await take(watch, 1)
    assert (added.type, added.object) == (EventType.ADDED, created)
    await client.patch(ConfigMap, "one", "default", {"data": {"a": "2"}})
    await client.delete(ConfigMap, "one", "default")
    modified, deleted = await take(watch, 2)
    assert (modified.type, modified.object.data) == (EventType.MODIFIED, {"a": "2"})
    assert deleted.type is EventType.DELETED
    revisions = [int(e.object.metadata.resource_version) for e in (added, modified, deleted)]
    assert revisions == sorted(set(revisions))
    await watch.aclose()


async def test_watch_with_selector_sees_entries_and_exits(client: Client):
    """An object that begins to match is added, one that ceases to is deleted."""
    await client.create(config_map("one", a="1"))
    listing = await client.list(ConfigMap, labels="tier=gold")
    watch = client.watch(
        ConfigMap, "default", resource_version=listing.resource_version, labels="tier=gold"
    )
    for tier in ("gold", "gold", "tin"):
        patch = {"metadata": {"labels": {"tier": tier}}, "data": {"a": tier + tier}}
        await client.patch(ConfigMap, "one", "default", patch)
    await client.patch(ConfigMap, "one", "default", {"metadata": {"labels": {"tier": "gold"}}})
    added, deleted, back = await take(watch, 3)
    assert [added.type, deleted.type, back.type] == ["ADDED", "DELETED", "ADDED"]
    assert deleted.object.metadata.labels["tier"] == "gold", "the leaver is shown as it was"
    left = int(deleted.object.metadata.resource_version)
    assert left > int(added.object.metadata.resource_version)
    await watch.aclose()


async def test_watch_of_the_forgotten_past_is_expired(client: Client, served):
    """A watch from before the server's memory says so: list again."""
    await served.client.create(config_map("one"))
    for number in range(5000):
        patch = {"data": {"n": str(number)}}
        await served.client.patch(ConfigMap, "one", "default", patch)
    await served.api.registry.compact(keep=100)
    with pytest.raises(ApiError) as caught:
        await anext(client.watch(ConfigMap, resource_version="1"))
    assert caught.value.expired
    assert caught.value.code == 410


async def test_generation_counts_spec_changes(client: Client):
    """A Deployment's generation rises with its spec, not with its labels or status."""
    made = await client.create(deployment("web", 1))
    assert made.metadata.generation == 1
    scaled = await client.patch(Deployment, "web", "default", {"spec": {"replicas": 3}})
    assert scaled.metadata.generation == 2
    labelled = await client.patch(
        Deployment, "web", "default", {"metadata": {"labels": {"x": "y"}}}
    )
    assert labelled.metadata.generation == 2
    status = {"status": {"observedGeneration": 2}}
    seen = await client.patch(Deployment, "web", "default", status, subresource="status")
    assert (seen.metadata.generation, seen.status.observed_generation) == (2, 2)


def deployment(name: str, replicas: int) -> Deployment:
    from netemu.model.apps_v1 import DeploymentSpec
    from netemu.model.core_v1 import PodTemplateSpec
    from netemu.model.meta_v1 import LabelSelector

    template = PodTemplateSpec(
        metadata=ObjectMeta(labels={"app": name}),
        spec=PodSpec(containers=[Container(name="main", image="nginx")]),
    )
    return Deployment(
        metadata=ObjectMeta(name=name, namespace="default"),
        spec=DeploymentSpec(
            replicas=replicas,
            selector=LabelSelector(match_labels={"app": name}),
            template=template,
        ),
    )


async def test_generated_names(client: Client):
    """A name is made of the prefix and five characters, another each time."""
    prefix = config_map("")
    prefix.metadata.labels = {}
    prefix.metadata.generate_name = "made-"
    names = {(await client.create(prefix)).metadata.name for _ in range(3)}
    assert len(names) == 3
    assert all(name.startswith("made-") and len(name) == 10 for name in names)


async def test_token_for_a_service_account(client: Client):
    """A service account's token is issued with an expiry."""
    answer = await client.create_token("default", "default", TokenRequest())
    assert answer.status.token.count(".") == 2
    assert answer.status.expiration_timestamp
    assert answer.spec.expiration_seconds == 3600


async def test_namespace_ends_through_finalize(client: Client):
    """A namespace is Terminating until its finalizer is taken away through `finalize`."""
    await client.create(Namespace(metadata=ObjectMeta(name="shop")))
    await client.delete(Namespace, "shop")
    ending = copy_of(await client.get(Namespace, "shop"))
    assert ending.status.phase == "Terminating"
    inside = config_map("one")
    inside.metadata.namespace = "shop"
    with pytest.raises(ApiError) as caught:
        await client.create(inside)
    assert caught.value.reason == "Forbidden"
    ending.spec.finalizers = []
    await client.update(ending, subresource="finalize")
    with pytest.raises(ApiError) as caught:
        await client.get(Namespace, "shop")
    assert caught.value.not_found


async def test_unreachable_server_is_an_api_error(served):
    """A server that is not there is an ApiError 503 that says where it was looked for."""
    from dataclasses import replace

    client = HttpsClient(replace(served.access, server="https://127.0.0.1:1"))
    with pytest.raises(ApiError, match=r"https://127.0.0.1:1 cannot be reached") as caught:
        await client.get(ConfigMap, "one", "default")
    assert caught.value.code == 503
    await client.close()
