"""`netemu delete`: delete objects by name or by manifest."""

from __future__ import annotations

import asyncio

import click

from netemu.cli._completion import kinds
from netemu.cli._options import cluster_option, need_root
from netemu.errors import ApiError, UserError

_LOOK_EVERY_S = 0.05


@click.command(
    epilog="""\b
Examples:
  sudo netemu delete pod web-1
  sudo netemu delete deployment/web service/web
  sudo netemu delete -f web.yaml
"""
)
@click.argument("objects", nargs=-1, metavar="KIND NAME… | KIND/NAME…", shell_complete=kinds)
@click.option(
    "-f",
    "--file",
    "files",
    multiple=True,
    metavar="FILE|FOLDER|-",
    help="What these manifests name.",
)
@click.option("-n", "--namespace", default="default", show_default=True)
@click.option("--now", is_flag=True, help="Pods get one second instead of their grace period.")
@click.option("--no-wait", is_flag=True, help="Do not wait until they are gone.")
@cluster_option
def delete(
    objects: tuple[str, ...],
    files: tuple[str, ...],
    namespace: str,
    now: bool,
    no_wait: bool,
    cluster: str,
) -> None:
    """Delete objects and wait until they are gone. What is gone already is said, and no error."""
    need_root("delete")
    from netemu.cli._api import split_reference, with_client
    from netemu.cli.apply import read_manifests
    from netemu.client.https import HttpsClient
    from netemu.model.kinds import Resource, by_type
    from netemu.model.manifest import decode_manifest

    doomed: list[tuple[Resource, str, str]] = []
    for file in files:
        for text, name in read_manifests(file):
            for located in decode_manifest(text, name):
                meta = located.obj.metadata
                resource = by_type(type(located.obj))
                doomed.append((resource, meta.name, meta.namespace or namespace))
    if objects:
        doomed += [(resource, name, namespace) for resource, name in split_reference(objects)]
    if not doomed:
        raise UserError("name what to delete: KIND/NAME, KIND NAME or -f FILE")

    async def work(client: HttpsClient) -> None:
        for resource, name, place in doomed:
            where = place if resource.namespaced else ""
            try:
                await client.delete(resource.type, name, where, grace_period_s=1 if now else None)
                click.echo(f"{resource.singular}/{name} deleted")
            except ApiError as error:
                if not error.not_found:
                    raise
                click.echo(f"{resource.singular}/{name} was not there")
        for resource, name, place in doomed if not no_wait else ():
            await _gone(client, resource, name, place if resource.namespaced else "")

    with_client(cluster, work)


async def _gone(client: object, resource: object, name: str, namespace: str) -> None:
    from netemu.client.https import HttpsClient
    from netemu.model.kinds import Resource

    assert isinstance(client, HttpsClient)
    assert isinstance(resource, Resource)
    while True:
        try:
            await client.get(resource.type, name, namespace)
        except ApiError as error:
            if error.not_found:
                return
            raise
        await asyncio.sleep(_LOOK_EVERY_S)


COMMAND = delete
