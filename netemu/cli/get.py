"""`netemu get`: show objects as the API server tables them."""

from __future__ import annotations

import json
from typing import Any

import click

from netemu.cli._options import cluster_option

_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


@click.command(
    epilog="""\b
Examples:
  sudo netemu get pods
  sudo netemu get pods -A -o wide
  sudo netemu get svc web -o yaml
  sudo netemu get pods -l app=web
"""
)
@click.argument("kind")
@click.argument("names", nargs=-1)
@click.option("-n", "--namespace", default="default", show_default=True)
@click.option("-A", "--all-namespaces", "everywhere", is_flag=True)
@click.option("-l", "--selector", default="", help="Labels: app=web,tier!=db.")
@click.option("-o", "--output", type=click.Choice(["table", "wide", "json", "yaml", "name"]))
@cluster_option
def get(
    kind: str,
    names: tuple[str, ...],
    namespace: str,
    everywhere: bool,
    selector: str,
    output: str | None,
    cluster: str,
) -> None:
    """Show objects of one kind, all or by name."""
    from netemu.cli._api import resource_named, with_client
    from netemu.client.https import HttpsClient

    if "/" in kind:
        kind, _, name = kind.partition("/")
        names = (name, *names)
    resource = resource_named(kind)
    where = "" if everywhere or not resource.namespaced else namespace
    query = {"labelSelector": selector} if selector else {}
    as_table = output in (None, "table", "wide")
    accept = _TABLE if as_table else "application/json"

    async def work(client: HttpsClient) -> list[dict[str, Any]]:
        paths = [resource.path(where, name) for name in names] or [resource.path(where)]
        return [json.loads(await client.read_as(path, accept, query)) for path in paths]

    answers = with_client("get", cluster, work)
    if as_table:
        with_namespace = everywhere and resource.namespaced
        _print_table(answers, wide=output == "wide", with_namespace=with_namespace)
        if not any(answer["rows"] for answer in answers):
            place = f" in namespace {where}" if where else ""
            click.echo(f"no {resource.plural}{place}", err=True)
        return
    items = [item for answer in answers for item in answer.get("items", [answer])]
    if output == "name":
        for item in items:
            click.echo(f"{resource.singular}/{item['metadata']['name']}")
        return
    document: Any = answers[0] if len(answers) == 1 else {"kind": "List", "items": items}
    if output == "json":
        click.echo(json.dumps(document, indent=2))
    else:
        import yaml

        click.echo(yaml.safe_dump(document, sort_keys=False), nl=False)


def _print_table(tables: list[dict[str, Any]], *, wide: bool, with_namespace: bool) -> None:
    columns = tables[0].get("columnDefinitions") or []
    shown = [i for i, column in enumerate(columns) if wide or not column.get("priority")]
    lines = [[columns[i]["name"].upper() for i in shown]]
    for table in tables:
        for row in table.get("rows") or []:
            cells = [str(row["cells"][i]) for i in shown]
            place = row["object"]["metadata"].get("namespace", "")
            lines.append([place, *cells] if with_namespace else cells)
    if len(lines) == 1:
        return
    if with_namespace:
        lines[0].insert(0, "NAMESPACE")
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    for line in lines:
        text = "   ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo(text.rstrip())


COMMAND = get
