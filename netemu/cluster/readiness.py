"""When a cluster is really usable: every node Ready, every node gets answers from DNS."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
from collections.abc import Collection

from netemu.client.contract import Client
from netemu.core import addons
from netemu.core.dns.question import address_question, has_records
from netemu.host.netns import Netns
from netemu.model.core_v1 import Node
from netemu.model.settings import ClusterSettings

_LOOK_EVERY_S = 0.005
_ASK_AGAIN_S = 0.02
_UNUSABLE = frozenset(
    f"node.kubernetes.io/{why}" for why in ("not-ready", "unreachable", "network-unavailable")
)


async def nodes_ready(client: Client, names: Collection[str]) -> None:
    """Wait until these nodes are Ready and carry no taint that says otherwise."""
    wanted = set(names)
    while True:
        nodes = (await client.list(Node)).items
        if wanted <= {node.metadata.name for node in nodes if _is_ready(node)}:
            return
        await asyncio.sleep(_LOOK_EVERY_S)


def _is_ready(node: Node) -> bool:
    ready = any(c.type == "Ready" and c.status == "True" for c in node.status.conditions)
    return ready and not any(taint.key in _UNUSABLE for taint in node.spec.taints)


async def dns_answers(settings: ClusterSettings, nodes: dict[str, Netns]) -> None:
    """Wait until each node's own question through the Service address is answered.

    In a cluster that is partly dead or cut off, nobody waits for what may not come.
    """
    if len(settings.reachable_nodes) < len(settings.nodes) or not settings.dns_replicas:
        return
    name = f"{addons.DNS_SERVICE}.{addons.NAMESPACE}.svc.{settings.domain}"
    question = address_question(name, id=secrets.randbits(16))
    await asyncio.gather(
        *(_ask(space, str(settings.cluster_dns), question) for space in nodes.values())
    )


async def _ask(space: Netns, server: str, question: bytes) -> None:
    loop = asyncio.get_running_loop()
    while True:
        # A socket each: a refused or lost question leaves a conntrack entry behind.
        with space.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.setblocking(False)
            with contextlib.suppress(OSError, TimeoutError):
                udp.connect((server, 53))
                udp.send(question)
                async with asyncio.timeout(_ASK_AGAIN_S * 5):
                    answer = await loop.sock_recv(udp, 4096)
                if has_records(answer):
                    return
        await asyncio.sleep(_ASK_AGAIN_S)
