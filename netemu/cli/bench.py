"""`netemu bench`: how fast and how small netemu is on this machine."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from netemu.cli._options import need_root, output_option

if TYPE_CHECKING:
    from netemu.lab.bench.contract import Figure, Line, Samples


@click.command(
    epilog="""\b
Examples:
  sudo netemu bench                  everything
  sudo netemu bench up down          only these figures
  sudo netemu bench pods --runs 5 -o json

Figures: up, verbs, dns, nodes, proxy, pods, memory, exec, forward, adoption,
growth, idle, down. growth and idle take a minute a run.
"""
)
@click.argument("figures", metavar="[FIGURE]...", nargs=-1)
@click.option(
    "--runs", type=click.IntRange(1, 100), default=3, show_default=True, help="How often."
)
@output_option
def bench(figures: tuple[str, ...], runs: int, output: str) -> None:
    """Measure netemu and print each figure beside what it must be.

    Each run makes a cluster of its own and removes it; the medians of all runs count.
    Exit code 1 if a figure is not what it must be.
    """
    need_root("bench")
    import signal

    from netemu.lab.bench import contract, machine
    from netemu.lab.bench.runner import choose, measure

    # Who ends us wants the cluster gone, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    chosen = choose(figures)
    before = machine.describe()
    seen = []
    for number, samples in enumerate(measure(chosen, runs), 1):
        seen.append(samples)
        if output == "table" and sys.stderr.isatty():
            click.echo(f"run {number} of {runs}", err=True)
    before["loadAfter"] = machine.load()
    lines = contract.lines(chosen, seen)
    if output == "json":
        click.echo(json.dumps(_document(before, chosen, lines, seen), indent=2))
    else:
        _print(before, chosen, lines, seen)
    sys.exit(0 if all(line.kept for line in lines) else 1)


def _document(
    machine: dict[str, Any],
    figures: dict[str, Figure],
    lines: list[Line],
    runs: list[dict[str, Samples]],
) -> dict[str, Any]:
    from netemu.lab.bench import contract

    return {
        "machine": machine,
        "figures": [
            {
                "name": line.name,
                "title": line.target.title,
                "unit": line.target.unit,
                "median": round(line.median, 3),
                "samples": [round(value, 3) for value in line.values],
                "atLeast" if line.target.at_least else "atMost": line.target.bound,
                "kept": line.kept,
            }
            for line in lines
        ],
        "details": {
            name: {key: round(value, 3) for key, value in found.items()}
            for name in figures
            if (found := contract.details(name, runs))
        },
    }


def _print(
    machine: dict[str, Any],
    figures: dict[str, Figure],
    lines: list[Line],
    runs: list[dict[str, Samples]],
) -> None:
    from netemu.lab.bench import contract

    click.echo(
        f"{machine['cores']} cores of {machine['processor'] or 'an unnamed processor'},"
        f" load {machine['load']} → {machine['loadAfter']},"
        f" Linux {machine['kernel']}, {len(runs)} runs\n"
    )
    for name, figure in figures.items():
        for line in lines:
            if line.name in figure.targets:
                _print_line(line)
        for title, value in contract.details(name, runs).items():
            click.secho(f"     {title:<42}{value:12.2f}", dim=True)


def _print_line(line: Line) -> None:
    target = line.target
    mark = click.style(" ✓ ", fg="green") if line.kept else click.style(" ✗ ", fg="red")
    bound = f"{'≥' if target.at_least else '≤'} {target.bound:,g} {target.unit}"
    spread = f"{min(line.values):,.{target.digits}f} … {max(line.values):,.{target.digits}f}"
    value = f"{line.median:,.{target.digits}f} {target.unit}"
    click.echo(f"{mark}{target.title:<42}{value:>14}   {bound:<14} ({spread})")


COMMAND = bench
