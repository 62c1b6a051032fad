"""`netemu logs`: what a container has said."""

from __future__ import annotations

import sys

import click

from netemu.cli._completion import pods
from netemu.cli._options import cluster_option, need_root


@click.command(
    epilog="""\b
Examples:
  sudo netemu logs web-1
  sudo netemu logs deployment/web -f
  sudo netemu logs pod/web-1 -c sidecar --previous --tail 20
"""
)
@click.argument("pod", metavar="POD | KIND/NAME", shell_complete=pods)
@click.option("-c", "--container", default="", help="Which of the pod's containers.")
@click.option("-f", "--follow", is_flag=True, help="Go on as more is said.")
@click.option("-p", "--previous", is_flag=True, help="Of the run before the last restart.")
@click.option("--tail", type=int, metavar="LINES", help="Only the last ones.")
@click.option("--timestamps", is_flag=True, help="Before each line, when it was said.")
@click.option("-n", "--namespace", default="default", show_default=True)
@cluster_option
def logs(
    pod: str,
    container: str,
    follow: bool,
    previous: bool,
    tail: int | None,
    timestamps: bool,
    namespace: str,
    cluster: str,
) -> None:
    """Print a container's log."""
    need_root("logs")
    from netemu.cli._api import choose_container, find_pod, with_client
    from netemu.client.https import HttpsClient
    from netemu.model.core_v1 import Pod
    from netemu.model.kinds import by_type

    flags = {"follow": follow, "previous": previous, "timestamps": timestamps}
    query = {name: "true" for name, given in flags.items() if given}
    if tail is not None:
        query["tailLines"] = str(tail)

    async def work(client: HttpsClient) -> None:
        found = await find_pod(client, pod, namespace)
        query["container"] = choose_container(found, container)
        path = by_type(Pod).path(namespace, found.metadata.name, "log")
        async for data in client.stream(path, query):
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()

    with_client(cluster, work)


COMMAND = logs
