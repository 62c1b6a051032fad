"""A client that we did not write, against our API server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client as kube
from kubernetes import config, dynamic, watch
from kubernetes.client.exceptions import ApiException

DEPLOYMENT = {
    "metadata": {"name": "web"},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "c", "image": "nginx"}]},
        },
    },
}


async def run(kubeconfig: Path, visit: Callable[[kube.ApiClient], Any]) -> Any:
    """Visit the server in a thread: that client blocks."""

    def visiting() -> Any:
        with config.new_client_from_config(str(kubeconfig)) as api_client:
            return visit(api_client)

    return await asyncio.wait_for(asyncio.to_thread(visiting), 20)


async def test_objects_come_and_go(served, kubeconfig: Path):
    """Create, read, patch, replace, scale, list and delete."""

    def visit(api_client: kube.ApiClient) -> None:
        core, apps = kube.CoreV1Api(api_client), kube.AppsV1Api(api_client)
        apps.create_namespaced_deployment("default", DEPLOYMENT)
        patched = apps.patch_namespaced_deployment("web", "default", {"spec": {"replicas": 3}})
        assert patched.spec.replicas == 3
        patched.metadata.labels = {"x": "y"}
        assert apps.replace_namespaced_deployment("web", "default", patched).metadata.labels
        body = {"spec": {"replicas": 4}}
        assert apps.patch_namespaced_deployment_scale("web", "default", body).spec.replicas == 4
        assert apps.read_namespaced_deployment("web", "default").metadata.generation == 3
        apps.delete_namespaced_deployment("web", "default")
        assert apps.list_namespaced_deployment("default").items == []
        core.create_namespace(kube.V1Namespace(metadata=kube.V1ObjectMeta(name="shop")))
        core.create_namespaced_config_map(
            "shop", kube.V1ConfigMap(metadata=kube.V1ObjectMeta(name="one"), data={"a": "b"})
        )
        listed = core.list_config_map_for_all_namespaces(label_selector="!x", limit=1)
        assert [item.metadata.name for item in listed.items] == ["one"]
        service = core.read_namespaced_service("kubernetes", "default")
        assert service.spec.cluster_ip == "10.96.0.1"

    await run(kubeconfig, visit)


async def test_json_patch_and_failures(served, kubeconfig: Path):
    """A list as the body is a JSON patch; failures carry their Status."""

    def visit(api_client: kube.ApiClient) -> None:
        core = kube.CoreV1Api(api_client)
        core.create_namespaced_config_map("default", {"metadata": {"name": "one"}})
        patch = [{"op": "add", "path": "/data", "value": {"a": "b"}}]
        assert core.patch_namespaced_config_map("one", "default", patch).data == {"a": "b"}
        for call, code in (
            (lambda: core.read_namespaced_pod("none", "default"), 404),
            (
                lambda: core.create_namespaced_config_map("default", {"metadata": {"name": "one"}}),
                409,
            ),
            (lambda: core.create_namespaced_config_map("default", {"metadata": {}}), 422),
        ):
            with pytest.raises(ApiException) as caught:
                call()
            assert caught.value.status == code

    await run(kubeconfig, visit)


async def test_watch(served, kubeconfig: Path):
    """A watch begins with what is there and ends with its time."""

    def visit(api_client: kube.ApiClient) -> list[tuple[str, str]]:
        core = kube.CoreV1Api(api_client)
        events = watch.Watch().stream(core.list_namespace, timeout_seconds=1)
        return [(event["type"], event["object"].metadata.name) for event in events]

    told = await run(kubeconfig, visit)
    assert ("ADDED", "default") in told
    assert len(told) == 4


async def test_dynamic_client(served, kubeconfig: Path):
    """The dynamic client finds its way by discovery alone."""

    def visit(api_client: kube.ApiClient) -> str:
        found = dynamic.DynamicClient(api_client)
        services = found.resources.get(api_version="v1", kind="Service")
        return services.get(name="kubernetes", namespace="default").spec.clusterIP

    assert await run(kubeconfig, visit) == "10.96.0.1"
