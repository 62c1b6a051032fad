"""A scenario's results on a terminal, as they happen."""

from __future__ import annotations

import textwrap

import click

from netemu.lab.runner import StepResult

_WIDTH = 100
_MARK = 3


def show_result(result: StepResult) -> None:
    """Print one step: what it was, how it went, what was seen."""
    if result.step == "say" and result.passed:
        click.echo()
        for line in textwrap.wrap(result.title, _WIDTH):
            click.secho(line, bold=True)
        return
    mark = click.style(" ✓ ", fg="green") if result.passed else click.style(" ✗ ", fg="red")
    click.echo(f"{mark}{result.title}")
    for line in result.detail.splitlines():
        for part in textwrap.wrap(line, _WIDTH - 6, drop_whitespace=False) or [""]:
            click.secho(f"      {part}", dim=result.passed, fg=None if result.passed else "red")
