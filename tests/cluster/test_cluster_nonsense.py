"""Nonsense through the API of a running cluster: it is refused or stored, and nothing crashes."""

from __future__ import annotations

import asyncio
import io
import json
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cluster_nonsense import Nonsense

from netemu.client.kubeconfig import load_kubeconfig
from netemu.host import clusters
from netemu.model.kinds import RESOURCES, Resource

pytestmark = pytest.mark.root

FOR_S = 8.0
NAMESPACES = ("default", "odd", "odder")
KINDS = tuple(r for r in RESOURCES if r.kind not in ("Namespace", "Lease"))
PATCHES = ("application/merge-patch+json", "application/apply-patch+yaml")


@pytest.fixture
async def http(lab: str, tmp_path: Path) -> AsyncIterator[aiohttp.ClientSession]:
    """The cluster's API, as its administrator."""
    access = load_kubeconfig(clusters.ClusterFolders(lab).kubeconfig)
    (tmp_path / "cert").write_bytes(access.certificate_pem)
    (tmp_path / "key").write_bytes(access.key_pem)
    trust = ssl.create_default_context(cadata=access.ca_pem.decode())
    trust.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    connector = aiohttp.TCPConnector(ssl=trust, force_close=True)
    async with aiohttp.ClientSession(base_url=access.server, connector=connector) as session:
        yield session


def url(resource: Resource, namespace: str, name: str = "", part: str = "") -> str:
    root = f"/apis/{resource.group}" if resource.group else "/api"
    inside = f"/namespaces/{namespace}" if resource.namespaced else ""
    path = f"{root}/{resource.version}{inside}/{resource.plural}"
    return "/".join((path, *(piece for piece in (name, part) if piece)))


class Client:
    """Creates, changes and deletes nonsense, and notes what the server broke over."""

    def __init__(self, http: aiohttp.ClientSession, seed: int) -> None:
        self.http = http
        self.nonsense = Nonsense(seed)
        self.alive: dict[tuple[str, str, str], Resource] = {}
        self.stored = 0
        self.broken: list[str] = []

    async def ask(self, method: str, path: str, body: Any, **options: Any) -> int:
        text = json.dumps(body).encode()
        headers = {"Content-Type": options.get("content_type", "application/json")}
        async with self.http.request(
            method, path, data=io.BytesIO(text), headers=headers, params=options.get("params")
        ) as reply:
            said = await reply.text()
            if "Internal error occurred" in said:
                self.broken.append(f"{method} {path} {text[:500]!r}: {said}")
            self.stored += reply.status in (200, 201)
            return reply.status

    async def go_on(self, until: float) -> None:
        while time.monotonic() < until:
            await self._step()

    async def _step(self) -> None:
        choose = self.nonsense.random
        if not self.alive or choose.random() < 0.5:
            resource, namespace = choose.choice(KINDS), choose.choice(NAMESPACES)
            made = self.nonsense.object(resource, namespace)
            name = made["metadata"].get("name", "")
            if await self.ask("POST", url(resource, namespace), made) == 201 and name:
                place = namespace if resource.namespaced else ""
                self.alive[resource.plural, place, name] = resource
            return
        key = choose.choice(list(self.alive))
        resource, (_, namespace, name) = self.alive[key], key
        if choose.random() < 0.3:
            await self.ask("DELETE", url(resource, namespace, name), {"gracePeriodSeconds": 0})
            self.alive.pop(key, None)
            return
        part = "status" if resource.subresource("status") and choose.random() < 0.5 else ""
        said = self.nonsense.value(resource.type, 5)
        body = {
            key: said[key]
            for key in ({"status"} if part else said.keys() - {"metadata"})
            if key in said
        }
        kind = {"apiVersion": resource.api_version, "kind": resource.kind}
        content_type = choose.choice(PATCHES)
        params = {"fieldManager": "odd", "force": "true"} if "apply" in content_type else {}
        await self.ask(
            "PATCH",
            url(resource, namespace, name, part),
            {**kind, **body},
            content_type=content_type,
            params=params,
        )

    async def clear(self) -> None:
        """Delete what is there: nodes that are made up get Pods if they are thought ready."""
        for (_, namespace, name), resource in self.alive.items():
            await self.ask("DELETE", url(resource, namespace, name), {"gracePeriodSeconds": 0})


async def restarts(http: aiohttp.ClientSession) -> list[str]:
    async with http.get("/metrics") as reply:
        lines = (await reply.text()).splitlines()
    return [line for line in lines if line.startswith("netemu_component_restarts_total")]


@pytest.mark.parametrize("seed", [1, 2])
async def test_nothing_crashes(lab: str, netemu: Any, http: aiohttp.ClientSession, seed: int):
    """All components go on, and afterwards the cluster works as before."""
    for name in NAMESPACES:
        await http.post("/api/v1/namespaces", json={"metadata": {"name": name}})
    client = Client(http, seed)
    until = time.monotonic() + FOR_S
    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(client.go_on(until))
    assert client.broken == []
    assert client.stored > 100
    assert await restarts(http) == []
    log = clusters.ClusterFolders(lab).daemon_log.read_text()
    assert "Traceback" not in log
    await client.clear()
    netemu.kubectl(lab, "create", "deployment", f"after-{seed}", "--image=nginx", "--port=80")
    netemu.kubectl(
        lab, "rollout", "status", f"deployment/after-{seed}", "--timeout=60s", timeout_s=70
    )
