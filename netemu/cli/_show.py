"""A scenario's results on a terminal, as they happen."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap

import click

from netemu.lab.runner import StepResult

_WIDEST = 100
_INDENT = 6
_COLUMN = re.compile(r"\S {2,}(?=\S)")


def show_result(result: StepResult) -> None:
    """Print one step: what it was, how it went, what was seen."""
    if result.step == "say" and result.passed:
        click.echo()
        for line in _wrapped(result.title, 0):
            click.secho(line, bold=True)
        return
    mark = click.style(" ✓ ", fg="green") if result.passed else click.style(" ✗ ", fg="red")
    first, *more = _wrapped(result.title, 3)
    click.echo(mark + first.lstrip())
    for line in more:
        click.echo(line)
    for line in result.detail.splitlines():
        for part in _wrapped(line, _INDENT):
            click.secho(part, dim=result.passed, fg=None if result.passed else "red")


def show_text(text: str) -> None:
    """Print a paragraph."""
    for line in _wrapped(text, 0):
        click.echo(line)


def _wrapped(text: str, indent: int) -> list[str]:
    """Return the lines of a text: wrapped at words on a terminal, whole in a pipe.

    What hangs over in a table goes below the table's last column.
    """
    if not sys.stdout.isatty():
        return [" " * indent + text]
    width = min(_WIDEST, shutil.get_terminal_size().columns)
    columns = [match.end() for match in _COLUMN.finditer(text) if match.end() < width // 2]
    return textwrap.wrap(
        text,
        width,
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + (columns[-1] if columns else 0)),
        break_long_words=False,
        break_on_hyphens=False,
        replace_whitespace=False,
    ) or [""]
