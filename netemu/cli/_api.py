"""Verbs that talk to a cluster's API, without each writing the frame again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from netemu.cli._options import choose_cluster, need_root
from netemu.client.https import HttpsClient
from netemu.cluster.access import open_client
from netemu.errors import UserError
from netemu.model.core_v1 import Pod
from netemu.model.kinds import RESOURCES, Resource, by_name

T = TypeVar("T")


def with_client(verb: str, cluster: str, work: Callable[[HttpsClient], Awaitable[T]]) -> T:
    """Run `work` with the administrator's client of the chosen cluster."""
    need_root(verb)
    name = choose_cluster(cluster)

    async def run() -> T:
        client = open_client(name)
        try:
            return await work(client)
        finally:
            await client.close()

    return asyncio.run(run())


def resource_named(word: str) -> Resource:
    """Return the kind that a person means: plural, singular, short name or Kind."""
    resource = by_name(word)
    if resource is None:
        import difflib

        known = sorted({resource.plural for resource in RESOURCES})
        near = difflib.get_close_matches(word, known, n=1)
        hint = f'did you mean "{near[0]}"?' if near else f"there are: {', '.join(known)}"
        raise UserError(f'no kind "{word}": {hint}')
    return resource


def split_reference(words: tuple[str, ...]) -> list[tuple[Resource, str]]:
    """Turn `pod/a pod/b` or `pods a b` into kinds and names."""
    if not words:
        raise UserError("name an object: KIND/NAME or KIND NAME")
    if any("/" in word for word in words):
        pairs = [word.partition("/") for word in words]
        wrong = [word for word, slash, name in pairs if not slash or not name]
        if wrong:
            raise UserError(f'"{wrong[0]}" is not KIND/NAME')
        return [(resource_named(kind), name) for kind, _, name in pairs]
    kind, *names = words
    return [(resource_named(kind), name) for name in names]


async def find_pod(client: HttpsClient, word: str, namespace: str) -> Pod:
    """Return the Pod of `NAME`, `pod/NAME`, `deployment/NAME` …: the first ready one."""
    kind, slash, name = word.partition("/")
    if not slash:
        return await client.get(Pod, word, namespace)
    resource = resource_named(kind)
    if resource.type is Pod:
        return await client.get(Pod, name, namespace)
    from netemu.core.control.pods import is_ready
    from netemu.model.selector import from_label_selector, from_map

    owner = await client.get(resource.type, name, namespace)
    spec = getattr(owner, "spec", None)
    selector = getattr(spec, "selector", None)
    if selector is None:
        raise UserError(f"{word} has no Pods of its own; name a Pod")
    chosen = from_map(selector) if isinstance(selector, dict) else from_label_selector(selector)
    pods = (await client.list(Pod, namespace, labels=str(chosen))).items
    if not pods:
        raise UserError(f"{word} has no Pods now")
    return min(pods, key=lambda pod: (not is_ready(pod), pod.metadata.name))
