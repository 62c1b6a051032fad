"""The HTTP face answers as Kubernetes does, in success and in failure."""

from __future__ import annotations

import asyncio
import io
import itertools
import json

import pytest

from netemu.daemons.apiserver import reads
from netemu.model import protobuf
from netemu.model.core_v1 import ConfigMap, Namespace, ServiceAccount
from netemu.model.kinds import by_type
from netemu.model.meta_v1 import ObjectMeta

JSON = {"Content-Type": "application/json"}
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


def config_map(name: str, **data: str) -> dict:
    return {"metadata": {"name": name}, "data": data}


async def post(served, path: str, body: dict, **query: str):
    async with served.http.post(path, json=body, params=query) as reply:
        return reply.status, await reply.json()


async def get(served, path: str, accept: str = "*/*", **query: str):
    async with served.http.get(path, params=query, headers={"Accept": accept}) as reply:
        return reply.status, await reply.json()


async def lines(reply, count: int) -> list[dict]:
    return [json.loads(await reply.content.readline()) for _ in range(count)]


@pytest.mark.parametrize("path", ["/version", "/version/", "/healthz", "/livez", "/readyz/ping"])
async def test_health_and_version_are_open_to_all(served, path: str):
    """Health and version need no login."""
    async with served.http.get(path, headers={"Authorization": ""}) as reply:
        assert reply.status == 200


@pytest.mark.parametrize(
    ("method", "path", "code", "reason"),
    [
        ("GET", "/api/v1/nothings", 404, "NotFound"),
        ("GET", "/apis/nothing.io/v1", 404, "NotFound"),
        ("GET", "/nothing", 404, "NotFound"),
        ("GET", CONFIG_MAPS + "/none", 404, "NotFound"),
        ("GET", "/api/v1/pods/none", 404, "NotFound"),
        ("GET", CONFIG_MAPS + "/none/status", 404, "NotFound"),
        ("DELETE", "/api/v1/namespaces", 405, "MethodNotAllowed"),
        ("POST", CONFIG_MAPS + "/one", 405, "MethodNotAllowed"),
        ("PUT", CONFIG_MAPS, 405, "MethodNotAllowed"),
        ("GET", CONFIG_MAPS + "?labelSelector=a%3D%3D%3Db", 400, "BadRequest"),
        ("GET", CONFIG_MAPS + "?fieldSelector=spec.foo%3D1", 400, "BadRequest"),
        ("GET", CONFIG_MAPS + "?resourceVersion=99999", 504, "Timeout"),
        ("GET", CONFIG_MAPS + "?resourceVersion=x", 400, "BadRequest"),
        ("GET", CONFIG_MAPS + "?resourceVersionMatch=Exact", 422, "Invalid"),
        ("GET", CONFIG_MAPS + "?resourceVersion=1&resourceVersionMatch=Odd", 422, "Invalid"),
        ("GET", CONFIG_MAPS + "?sendInitialEvents=true", 422, "Invalid"),
        ("GET", CONFIG_MAPS + "?watch=true&sendInitialEvents=true", 422, "Invalid"),
        ("GET", CONFIG_MAPS + "?watch=true&resourceVersionMatch=NotOlderThan", 422, "Invalid"),
        ("GET", CONFIG_MAPS + "?continue=nonsense", 400, "BadRequest"),
        ("GET", CONFIG_MAPS + "?continue=x&resourceVersion=3", 400, "BadRequest"),
        ("GET", CONFIG_MAPS + "?limit=few", 400, "BadRequest"),
    ],
)
async def test_refusals_are_statuses(served, method: str, path: str, code: int, reason: str):
    """Every refusal is a Status with the right code and reason."""
    async with served.http.request(method, path) as reply:
        status = await reply.json()
        assert (reply.status, status["kind"], status["code"]) == (code, "Status", code)
        assert (status["status"], status["reason"]) == ("Failure", reason)


async def test_too_new_revision_asks_to_come_back(served):
    """A revision that is yet to come is a timeout with its cause and a Retry-After."""
    async with served.http.get(CONFIG_MAPS + "?resourceVersion=99999") as reply:
        status = await reply.json()
        assert reply.headers["Retry-After"] == "1"
        assert status["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"
        assert status["message"].startswith("Too large resource version: 99999, current: ")


async def test_body_forms(served):
    """A body may be JSON without a Content-Type, or YAML; anything else is a 415."""
    body = json.dumps(config_map("one"))
    async with served.http.post(
        CONFIG_MAPS, data=body, skip_auto_headers=["Content-Type"]
    ) as reply:
        assert reply.status == 201
    text = "metadata: {name: two}\ndata: {a: b}\n"
    async with served.http.post(
        CONFIG_MAPS, data=text, headers={"Content-Type": "application/yaml"}
    ) as reply:
        assert reply.status == 201
        assert (await reply.json())["data"] == {"a": "b"}
    async with served.http.post(
        CONFIG_MAPS, data=body, headers={"Content-Type": "text/csv"}
    ) as reply:
        assert (reply.status, (await reply.json())["reason"]) == (415, "UnsupportedMediaType")
    async with served.http.post(CONFIG_MAPS, data="{", headers=JSON) as reply:
        assert (reply.status, (await reply.json())["reason"]) == (400, "BadRequest")


async def test_protobuf_body(served):
    """A protobuf body, as new kubectl sends it, is taken; the answer is labelled as what it is."""
    obj = ConfigMap(metadata=ObjectMeta(name="one"), data={"a": "b"})
    headers = {
        "Content-Type": "application/vnd.kubernetes.protobuf",
        "Accept": "application/vnd.kubernetes.protobuf,application/json",
    }
    async with served.http.post(CONFIG_MAPS, data=protobuf.encode(obj), headers=headers) as reply:
        assert reply.status == 201
        assert reply.content_type == "application/json"
        assert (await reply.json())["data"] == {"a": "b"}


async def test_unknown_fields(served):
    """Unknown fields are refused, warned of or ignored, as the client wishes."""
    body = {**config_map("one"), "dat": {"a": "b"}}
    code, status = await post(served, CONFIG_MAPS, body, fieldValidation="Strict")
    assert code == 400
    assert status["message"] == (
        'ConfigMap in version "v1" cannot be handled as a ConfigMap: '
        'strict decoding error: unknown field "dat"'
    )
    async with served.http.post(CONFIG_MAPS, json=body) as reply:
        assert reply.status == 201
        assert reply.headers.getall("Warning") == [r'299 - "unknown field \"dat\""']
        assert "dat" not in await reply.json()
    async with served.http.post(
        CONFIG_MAPS,
        json={**body, "metadata": {"name": "two"}},
        params={"fieldValidation": "Ignore"},
    ) as reply:
        assert reply.status == 201
        assert "Warning" not in reply.headers
    assert (await post(served, CONFIG_MAPS, body, fieldValidation="Odd"))[0] == 422


async def test_dry_run_changes_nothing(served):
    """A dry run shows the result, and nothing is stored, allocated or told."""
    before = served.api.registry.revision
    service = {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}}
    services = "/api/v1/namespaces/default/services"
    code, made = await post(served, services, service, dryRun="All")
    assert code == 201
    assert made["spec"]["clusterIP"].startswith("10.96.")
    assert made["metadata"]["uid"]
    assert served.api.registry.revision == before
    assert (await get(served, services + "/web"))[0] == 404
    assert (await post(served, services, service, dryRun="Some"))[0] == 422
    service["spec"]["clusterIP"] = made["spec"]["clusterIP"]
    assert (await post(served, services, service))[0] == 201, "its address is still free"


async def test_service_addresses_are_allocated_and_released(served):
    """An address belongs to one Service at a time; after its end it is free again."""
    services = "/api/v1/namespaces/default/services"
    spec = {"clusterIP": "10.96.7.7", "ports": [{"port": 80}]}
    assert (await post(served, services, {"metadata": {"name": "a"}, "spec": spec}))[0] == 201
    code, status = await post(served, services, {"metadata": {"name": "b"}, "spec": spec})
    assert code == 422
    assert "provided IP is already allocated" in status["message"]
    async with served.http.delete(services + "/a") as reply:
        assert (await reply.json())["status"] == "Success"
    assert (await post(served, services, {"metadata": {"name": "b"}, "spec": spec}))[0] == 201


async def test_pages_show_one_moment(served):
    """All pages of a list show what was there when the first was asked for."""
    for number in range(5):
        await post(served, CONFIG_MAPS, config_map(f"c{number}"))
    _, first = await get(served, CONFIG_MAPS, limit="2")
    assert first["metadata"]["remainingItemCount"] == 3
    await served.http.delete(CONFIG_MAPS + "/c3")
    names = [item["metadata"]["name"] for item in first["items"]]
    token = first["metadata"]["continue"]
    while token:
        _, page = await get(served, CONFIG_MAPS, limit="2", **{"continue": token})
        assert page["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
        names += [item["metadata"]["name"] for item in page["items"]]
        token = page["metadata"].get("continue", "")
    assert names == ["c0", "c1", "c2", "c3", "c4"]


async def test_lists_at_a_revision(served):
    """A list is never older than asked; exactly as old only while nothing changed since."""
    await post(served, CONFIG_MAPS, config_map("one"))
    _, listed = await get(served, CONFIG_MAPS)
    then = listed["metadata"]["resourceVersion"]
    exact = {"resourceVersion": then, "resourceVersionMatch": "Exact"}
    assert (await get(served, CONFIG_MAPS, **exact))[1]["metadata"]["resourceVersion"] == then
    assert (await get(served, CONFIG_MAPS, resourceVersion="0", limit="1"))[0] == 200
    await post(served, CONFIG_MAPS, config_map("two"))
    assert (await get(served, CONFIG_MAPS, **exact))[0] == 410
    code, newer = await get(served, CONFIG_MAPS, resourceVersion=then)
    assert (code, len(newer["items"])) == (200, 2)


async def test_tables_and_metadata(served):
    """Tables and bare metadata are made for those who ask, in any order of parameters."""
    await post(served, CONFIG_MAPS, config_map("one", a="b"))
    for accept in (TABLE, "application/json;g=meta.k8s.io;v=v1;as=Table"):
        _, table = await get(served, CONFIG_MAPS, accept)
        assert table["kind"] == "Table"
        assert [c["name"] for c in table["columnDefinitions"]] == ["Name", "Data", "Age"]
        assert table["rows"][0]["cells"][:2] == ["one", 1]
        assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    partial = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    _, listed = await get(served, CONFIG_MAPS, partial)
    assert listed["kind"] == "PartialObjectMetadataList"
    assert "data" not in listed["items"][0]
    assert (await get(served, CONFIG_MAPS, "text/csv"))[0] == 406
    async with served.http.get(
        CONFIG_MAPS + "/one", headers={"Accept": "application/yaml"}
    ) as reply:
        assert reply.content_type == "application/yaml"
        assert "name: one" in await reply.text()


async def test_discovery(served):
    """Both forms of discovery list what is served, and everything listed answers."""
    _, groups = await get(served, "/apis")
    versions = [group["preferredVersion"]["groupVersion"] for group in groups["groups"]]
    assert "apps/v1" in versions
    for version in versions:
        code, document = await get(served, f"/apis/{version}")
        assert (code, document["groupVersion"]) == (200, version)
    _, core = await get(served, "/api/v1")
    assert {"pods", "pods/exec", "services"} <= {entry["name"] for entry in core["resources"]}
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    async with served.http.get("/apis", headers={"Accept": accept}) as reply:
        assert reply.headers["Content-Type"] == accept
        assert (await reply.json())["kind"] == "APIGroupDiscoveryList"


async def test_openapi_is_kept_by_its_etag(served):
    """OpenAPI is protobuf for old kubectl, in hashed parts for new, and is not sent twice."""
    asked = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
    async with served.http.get("/openapi/v2", headers={"Accept": asked}) as reply:
        assert "@" not in reply.headers["Content-Type"]
        etag = reply.headers["ETag"]
    async with served.http.get(
        "/openapi/v2", headers={"Accept": asked, "If-None-Match": etag}
    ) as reply:
        assert reply.status == 304
    _, index = await get(served, "/openapi/v3")
    url = index["paths"]["apis/apps/v1"]["serverRelativeURL"]
    async with served.http.get(url) as reply:
        assert reply.headers["Cache-Control"] == "public, immutable"
        assert "io.k8s.api.apps.v1.Deployment" in (await reply.json())["components"]["schemas"]
    wrong = url.partition("?")[0] + "?hash=0"
    async with served.http.get(wrong, allow_redirects=False) as reply:
        assert (reply.status, reply.headers["Location"]) == (301, url)


async def test_watch_without_a_revision_begins_with_what_is_there(served):
    """Without a revision, what is there is told first; the watch ends in good order."""
    await post(served, CONFIG_MAPS, config_map("one"))
    query = {"watch": "1", "timeoutSeconds": "1"}
    async with served.http.get(CONFIG_MAPS, params=query) as reply:
        (added,) = await lines(reply, 1)
        assert (added["type"], added["object"]["metadata"]["name"]) == ("ADDED", "one")
        assert await reply.content.read() == b"", "then it ends, with its time"


async def test_watch_list_ends_its_beginning_with_a_bookmark(served):
    """sendInitialEvents: everything, then the bookmark that says so, then what happens."""
    await post(served, CONFIG_MAPS, config_map("one"))
    query = {
        "watch": "true",
        "sendInitialEvents": "true",
        "resourceVersionMatch": "NotOlderThan",
        "allowWatchBookmarks": "true",
    }
    async with served.http.get(CONFIG_MAPS, params=query) as reply:
        added, bookmark = await lines(reply, 2)
        assert (added["type"], bookmark["type"]) == ("ADDED", "BOOKMARK")
        annotations = bookmark["object"]["metadata"]["annotations"]
        assert annotations == {"k8s.io/initial-events-end": "true"}
        await post(served, CONFIG_MAPS, config_map("two"))
        assert [e["object"]["metadata"]["name"] for e in await lines(reply, 1)] == ["two"]


async def test_watch_of_the_forgotten_past_is_an_error_event(served):
    """410 of a watch comes as an event in a 200, and the watch ends."""
    await post(served, CONFIG_MAPS, config_map("one"))
    for number in range(5000):
        await served.client.patch(ConfigMap, "one", "default", {"data": {"n": str(number)}})
    await served.api.registry.compact(keep=100)
    async with served.http.get(CONFIG_MAPS, params={"watch": "1", "resourceVersion": "1"}) as reply:
        assert reply.status == 200
        (event,) = await lines(reply, 1)
        assert (event["type"], event["object"]["code"]) == ("ERROR", 410)
        assert event["object"]["reason"] == "Expired"
        assert await reply.content.read() == b""


async def test_bookmarks_come_before_the_end(served):
    """A watch that allows bookmarks gets one shortly before its time is up."""
    await post(served, CONFIG_MAPS, config_map("one"))
    query = {
        "watch": "1",
        "resourceVersion": str(served.api.registry.revision),
        "allowWatchBookmarks": "true",
        "timeoutSeconds": "3",
    }
    async with served.http.get(CONFIG_MAPS, params=query) as reply:
        (bookmark,) = await lines(reply, 1)
        assert bookmark["type"] == "BOOKMARK"
        expected = str(served.api.registry.revision)
        assert bookmark["object"]["metadata"]["resourceVersion"] == expected


async def test_nothing_older_follows_a_bookmark(served, monkeypatch: pytest.MonkeyPatch):
    """Whoever resumes from a bookmark has missed nothing, however closely a write came to it."""
    monkeypatch.setattr(reads, "_BOOKMARK_EVERY_S", 0.0011)
    await served.client.create(ConfigMap(metadata=ObjectMeta(name="a", namespace="default")))

    async def write() -> None:
        for number in itertools.count():
            await served.client.patch(ConfigMap, "a", "default", {"data": {"n": str(number)}})
            await asyncio.sleep(0.0011 if number % 3 else 0)

    writing = [asyncio.ensure_future(write()) for _ in range(4)]
    query = {"watch": "1", "allowWatchBookmarks": "true", "timeoutSeconds": "5"}
    bookmarked = bookmarks = 0
    async with served.http.get(CONFIG_MAPS, params=query) as reply:
        async for line in reply.content:
            event = json.loads(line)
            revision = int(event["object"]["metadata"]["resourceVersion"])
            if event["type"] == "BOOKMARK":
                bookmarked, bookmarks = revision, bookmarks + 1
            else:
                assert revision > bookmarked
            if bookmarks == 100:
                break
    assert bookmarks == 100
    for task in writing:
        task.cancel()


async def test_watch_in_table_form(served):
    """A Table watch has its columns in the first event only."""
    query = {"watch": "1", "resourceVersion": str(served.api.registry.revision)}
    async with served.http.get(CONFIG_MAPS, params=query, headers={"Accept": TABLE}) as reply:
        await post(served, CONFIG_MAPS, config_map("one"))
        await post(served, CONFIG_MAPS, config_map("two"))
        first, second = (event["object"] for event in await lines(reply, 2))
        assert first["kind"] == second["kind"] == "Table"
        assert first["columnDefinitions"]
        assert second["columnDefinitions"] is None


async def test_watcher_that_leaves_is_forgotten(served):
    """A client that closes its connection leaves no watcher behind."""
    import asyncio

    async with served.http.get(CONFIG_MAPS, params={"watch": "1"}) as reply:
        assert reply.status == 200
        assert served.api.registry.watchers == 1
        reply.close()
    async with asyncio.timeout(5):
        while served.api.registry.watchers:
            await asyncio.sleep(0.01)


async def test_scale(served):
    """`/scale` reads and writes how many, and nothing else."""
    deployments = "/apis/apps/v1/namespaces/default/deployments"
    template = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "c", "image": "nginx"}]},
    }
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    await post(served, deployments, {"metadata": {"name": "web"}, "spec": spec})
    _, scale = await get(served, deployments + "/web/scale")
    assert (scale["kind"], scale["spec"]["replicas"]) == ("Scale", 2)
    assert scale["status"]["selector"] == "app=web"
    async with served.http.patch(
        deployments + "/web/scale",
        json={"spec": {"replicas": 5}},
        headers={"Content-Type": "application/merge-patch+json"},
    ) as reply:
        assert (await reply.json())["spec"]["replicas"] == 5
    _, web = await get(served, deployments + "/web")
    assert (web["spec"]["replicas"], web["metadata"]["generation"]) == (5, 2)


async def test_eviction_deletes_the_pod(served):
    """An eviction that is granted is a 201 Status, and the Pod goes."""
    pods = "/api/v1/namespaces/default/pods"
    spec = {"containers": [{"name": "c", "image": "nginx"}]}
    await post(served, pods, {"metadata": {"name": "one"}, "spec": spec})
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "one"}}
    code, status = await post(served, pods + "/one/eviction", eviction)
    assert (code, status["status"]) == (201, "Success")
    assert (await get(served, pods + "/one"))[0] == 404


async def test_delete_collection(served):
    """DELETE of a collection answers with the list of what went, selected by labels."""
    await post(served, CONFIG_MAPS, {"metadata": {"name": "one", "labels": {"a": "b"}}})
    await post(served, CONFIG_MAPS, config_map("two"))
    async with served.http.delete(CONFIG_MAPS, params={"labelSelector": "a=b"}) as reply:
        deleted = await reply.json()
    assert deleted["kind"] == "ConfigMapList"
    assert [item["metadata"]["name"] for item in deleted["items"]] == ["one"]
    _, left = await get(served, CONFIG_MAPS)
    assert [item["metadata"]["name"] for item in left["items"]] == ["two"]


async def test_metrics(served):
    """Metrics are Prometheus text."""
    async with served.http.get("/metrics") as reply:
        text = await reply.text()
    assert 'apiserver_storage_objects{resource="namespaces"} 4.0' in text
    assert "netemu_revision" in text


async def test_large_body_is_refused(served):
    """A body of more than three megabytes is refused with a Status."""
    body = io.BytesIO(json.dumps(config_map("one", a="x" * 4_000_000)).encode())
    async with served.http.post(CONFIG_MAPS, data=body, headers=JSON) as reply:
        assert (reply.status, (await reply.json())["reason"]) == (413, "RequestEntityTooLarge")


async def test_long_lists_are_whole(served):
    """A list of several megabytes arrives whole."""
    for number in range(40):
        await post(served, CONFIG_MAPS, config_map(f"c{number}", a="x" * 100_000))
    _, listed = await get(served, CONFIG_MAPS)
    assert len(listed["items"]) == 40


async def test_a_pod_waits_for_its_namespaces_account(served):
    """A namespace gets its ServiceAccount a moment later; a Pod made in between is not refused."""
    await served.client.create(Namespace(metadata=ObjectMeta(name="new")))
    body = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        making = group.create_task(post(served, "/api/v1/namespaces/new/pods", body))
        while not served.api.registry.cache(by_type(ServiceAccount)).watchers:
            await asyncio.sleep(0.001)
        assert not making.done()
        account = ServiceAccount(metadata=ObjectMeta(name="default", namespace="new"))
        await served.client.create(account)
    assert making.result()[0] == 201


async def test_a_pod_does_not_wait_for_ever(served):
    """Nobody makes the account: the refusal names it. Another account is not waited for at all."""
    await served.client.create(Namespace(metadata=ObjectMeta(name="bare")))
    spec = {"containers": [{"name": "c", "image": "i"}]}
    for account in ("default", "other"):
        body = {"metadata": {"name": "p"}, "spec": {**spec, "serviceAccountName": account}}
        code, status = await post(served, "/api/v1/namespaces/bare/pods", body)
        assert (code, f'serviceaccount "{account}" not found' in status["message"]) == (403, True)
    assert served.api.registry.cache(by_type(ServiceAccount)).watchers == 0
