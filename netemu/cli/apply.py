"""`netemu apply`: make objects what manifests say."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from netemu.cli._completion import files
from netemu.cli._options import cluster_option, need_root
from netemu.errors import UserError
from netemu.host.text_files import read_text


@click.command(
    short_help="Create or change the objects of manifests.",
    epilog="""\b
Examples:
  sudo netemu apply -f web.yaml
  sudo netemu apply -f manifests/ -n shop
  cat web.yaml | sudo netemu apply -f -
""",
)
@click.option(
    "-f",
    "--file",
    "files",
    multiple=True,
    metavar="FILE|FOLDER|-",
    shell_complete=files,
    help="Manifests; once or more.",
)
@click.option("-n", "--namespace", default="default", show_default=True)
@cluster_option
@click.argument("strays", nargs=-1, metavar="")
def apply(files: tuple[str, ...], namespace: str, cluster: str, strays: tuple[str, ...]) -> None:
    """Create or change the objects of manifests, as kubectl apply does.

    All files are read, and all objects checked, before the first one is stored.
    """
    if strays:
        raise click.UsageError(f"each file wants its -f: netemu apply -f {' -f '.join(strays)}")
    if not files:
        raise click.UsageError("Missing option '-f': a file, a folder, or - for standard input")
    need_root("apply")
    from netemu.cli._api import with_client
    from netemu.client.apply import apply_all
    from netemu.client.https import HttpsClient
    from netemu.core.apiserver.manifest import refuse_invalid
    from netemu.model.kinds import by_type
    from netemu.model.manifest import decode_manifest

    located = [
        each
        for name in files
        for text, file in read_manifests(name)
        for each in decode_manifest(text, file)
    ]
    if not located:
        raise UserError(f"no objects in {', '.join(files)}")
    for each in located:
        refuse_invalid(each, namespace=namespace)

    async def work(client: HttpsClient) -> None:
        async for verb, obj in apply_all(client, located, namespace=namespace):
            click.echo(f"{by_type(type(obj)).singular}/{obj.metadata.name} {verb}")

    with_client(cluster, work)


def read_manifests(name: str) -> list[tuple[str, str]]:
    """Return the texts of a file, of a folder's manifests, or of standard input."""
    if name == "-":
        return [(sys.stdin.read(), "standard input")]
    path = Path(name)
    endings = (".yaml", ".yml", ".json")
    paths = sorted(p for p in path.iterdir() if p.suffix in endings) if path.is_dir() else [path]
    if not paths:
        raise UserError("no .yaml, .yml or .json files in it", file=name)
    return [(read_text(each), str(each)) for each in paths]


COMMAND = apply
