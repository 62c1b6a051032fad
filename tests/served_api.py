"""Fixtures: an API server on the loopback, and what a test needs to talk to it."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path, PurePosixPath

import aiohttp
import pytest

from netemu.client.in_process import InProcessClient
from netemu.client.kubeconfig import ApiAccess
from netemu.daemons.apiserver.identity import ADMIN
from netemu.daemons.apiserver.server import ApiServer
from netemu.host.pki import ClusterPki, create_pki
from netemu.model.core_v1 import ServiceAccount
from netemu.model.meta_v1 import ObjectMeta
from netemu.model.settings import ClusterSettings, NodeSettings
from netemu.storage.memory import MemoryStore

SETTINGS = ClusterSettings(
    name="test",
    underlay=IPv4Network("198.18.0.0/24"),
    nodes=(
        NodeSettings(name="control-plane", address=IPv4Address("198.18.0.11"), control_plane=True),
    ),
    state_dir=PurePosixPath("/nowhere"),
    run_dir=PurePosixPath("/nowhere"),
)


@dataclass
class Served:
    """A running API server."""

    api: ApiServer
    pki: ClusterPki
    access: ApiAccess
    """As the administrator, by certificate."""
    http: aiohttp.ClientSession
    """As the administrator, by token; paths are relative."""
    client: InProcessClient


def _access(pki: ClusterPki, port: int) -> ApiAccess:
    admin = pki.issue_client("kubernetes-admin", groups=["system:masters"])
    return ApiAccess(
        server=f"https://127.0.0.1:{port}",
        ca_pem=pki.ca_pem,
        certificate_pem=admin.certificate_pem,
        key_pem=admin.key_pem,
    )


@pytest.fixture
def pki() -> ClusterPki:
    return create_pki("test")


@pytest.fixture
async def served(pki: ClusterPki) -> AsyncIterator[Served]:
    api = ApiServer(
        settings=SETTINGS, store=MemoryStore(), pki=pki, clock=lambda: datetime.now(UTC)
    )
    listener = socket.create_server(("127.0.0.1", 0))
    access = _access(pki, listener.getsockname()[1])
    trust = ssl.create_default_context(cadata=pki.ca_pem.decode())
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(api.run([listener]))
        await api.serving()
        client = api.client(ADMIN)
        await client.create(
            ServiceAccount(metadata=ObjectMeta(name="default", namespace="default"))
        )
        async with aiohttp.ClientSession(
            base_url=access.server,
            connector=aiohttp.TCPConnector(ssl=trust),
            headers={"Authorization": f"Bearer {pki.admin_token}"},
            timeout=aiohttp.ClientTimeout(total=20),
        ) as http:
            yield Served(api, pki, access, http, client)
        running.cancel()


@pytest.fixture
def kubeconfig(served: Served, tmp_path: Path) -> Path:
    import yaml

    from netemu.client.kubeconfig import render_kubeconfig

    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(render_kubeconfig("netemu-test", served.access)))
    return path
