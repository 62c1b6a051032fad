"""`netemu get`: show objects as the API server tables them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from netemu.cli._completion import kinds
from netemu.cli._options import cluster_option, need_root

if TYPE_CHECKING:
    from netemu.model.kinds import Resource

_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


@click.command(
    epilog="""\b
Examples:
  sudo netemu get pods
  sudo netemu get pods -A -o wide
  sudo netemu get svc web -o yaml
  sudo netemu get pods,services; sudo netemu get all
  sudo netemu get pods -l app=web
"""
)
@click.argument("kind", metavar="KIND[,KIND…] | KIND/NAME… | all", shell_complete=kinds)
@click.argument("names", nargs=-1, shell_complete=kinds)
@click.option("-n", "--namespace", default="default", show_default=True)
@click.option("-A", "--all-namespaces", "everywhere", is_flag=True, help="Of every namespace.")
@click.option("-l", "--selector", default="", help="Labels: app=web,tier!=db.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "wide", "json", "yaml", "name"]),
    help="Default: table.",
)
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
    """Show objects, all of a kind or by name."""
    need_root("get")
    from netemu.cli._api import with_client
    from netemu.client.https import HttpsClient

    wanted = _wanted(kind, names)
    query = {"labelSelector": selector} if selector else {}
    as_table = output in (None, "table", "wide")
    accept = _TABLE if as_table else "application/json"

    async def work(client: HttpsClient) -> list[tuple[Resource, dict[str, Any]]]:
        answers = []
        for resource, name in wanted:
            where = "" if everywhere or not resource.namespaced else namespace
            body = await client.read_as(resource.path(where, name), accept, query)
            answers.append((resource, json.loads(body)))
        return answers

    answers = with_client(cluster, work)
    if as_table:
        _print_tables(answers, wide=output == "wide", everywhere=everywhere)
        if not any(answer["rows"] for _, answer in answers):
            plurals = ", ".join(resource.plural for resource, _ in answers)
            click.echo(f"no {plurals}{'' if everywhere else _place(wanted, namespace)}", err=True)
    else:
        _print_objects(answers, str(output))


def _wanted(kinds: str, names: tuple[str, ...]) -> list[tuple[Resource, str]]:
    """Turn `pods`, `pod/a svc/b`, `pods,svc`, `all` or `pod a b` into kinds and names."""
    from netemu.cli._api import resource_named, split_reference
    from netemu.model.kinds import RESOURCES

    if "/" in kinds:
        return split_reference((kinds, *names))
    resources: list[Resource] = []
    for kind in kinds.split(","):
        if kind == "all":
            resources += [resource for resource in RESOURCES if "all" in resource.categories]
        else:
            resources.append(resource_named(kind))
    return [(resource, name) for resource in resources for name in names or ("",)]


def _place(wanted: list[tuple[Resource, str]], namespace: str) -> str:
    return f" in namespace {namespace}" if any(r.namespaced for r, _ in wanted) else ""


def _print_objects(answers: list[tuple[Resource, dict[str, Any]]], output: str) -> None:
    items = [
        (resource, item) for resource, answer in answers for item in answer.get("items", [answer])
    ]
    if output == "name":
        for resource, item in items:
            click.echo(f"{resource.singular}/{item['metadata']['name']}")
        return
    together = {"apiVersion": "v1", "kind": "List", "items": [item for _, item in items]}
    document: Any = answers[0][1] if len(answers) == 1 else together
    if output == "json":
        click.echo(json.dumps(document, indent=2))
    else:
        import yaml

        click.echo(yaml.safe_dump(document, sort_keys=False), nl=False)


def _print_tables(
    answers: list[tuple[Resource, dict[str, Any]]], *, wide: bool, everywhere: bool
) -> None:
    """Print a table for each kind; rows bear their kind where there are several."""
    tables: dict[str, list[dict[str, Any]]] = {}
    for resource, answer in answers:
        tables.setdefault(resource.singular, []).append(answer)
    shown = 0
    for singular, parts in tables.items():
        if any(part["rows"] for part in parts):
            if shown:
                click.echo()
            namespaced = any(r.namespaced for r, _ in answers if r.singular == singular)
            kind = f"{singular}/" if len(tables) > 1 else ""
            _print_table(parts, wide=wide, with_namespace=everywhere and namespaced, kind=kind)
            shown += 1


def _print_table(
    tables: list[dict[str, Any]], *, wide: bool, with_namespace: bool, kind: str
) -> None:
    columns = tables[0].get("columnDefinitions") or []
    shown = [i for i, column in enumerate(columns) if wide or not column.get("priority")]
    lines = [[columns[i]["name"].upper() for i in shown]]
    for table in tables:
        for row in table.get("rows") or []:
            cells = [str(row["cells"][i]) for i in shown]
            cells[0] = kind + cells[0]
            place = row["object"]["metadata"].get("namespace", "")
            lines.append([place, *cells] if with_namespace else cells)
    if with_namespace:
        lines[0].insert(0, "NAMESPACE")
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    for line in lines:
        text = "   ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo(text.rstrip())


COMMAND = get
