"""Verbs that talk to a cluster's API, without each writing the frame again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import click

from netemu.cli._attended import have_daemon
from netemu.cli._options import choose_cluster
from netemu.client.https import HttpsClient
from netemu.client.pods import default_container, pods_of, resource_named
from netemu.cluster.access import open_client
from netemu.errors import UserError
from netemu.model.core_v1 import Node, Pod
from netemu.model.kinds import Resource

T = TypeVar("T")

__all__ = ["choose_container", "find_pod", "resource_named", "split_reference", "with_client"]


def with_client(cluster: str, work: Callable[[HttpsClient], Awaitable[T]]) -> T:
    """Run `work` with the administrator's client of the chosen cluster."""
    name = choose_cluster(cluster)
    have_daemon(name)

    async def run() -> T:
        client = open_client(name)
        try:
            return await work(client)
        finally:
            await client.close()

    return asyncio.run(run())


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
    if resource.type is Node:
        raise UserError(f"{word} is no pod; a node is entered by: sudo netemu shell {name}")
    pods = await pods_of(client, resource, name, namespace)
    if not pods:
        raise UserError(f"{word} has no Pods now")
    return pods[0]


def choose_container(pod: Pod, wanted: str) -> str:
    """Return the container that is meant, and say which, where there are several."""
    if wanted:
        return wanted
    chosen = default_container(pod)
    names = [container.name for container in (*pod.spec.containers, *pod.spec.init_containers)]
    if len(names) > 1:
        others = ", ".join(names)
        click.echo(f'container "{chosen}" of: {others}; -c names another', err=True)
    return chosen
