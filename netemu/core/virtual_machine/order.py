"""What is to be done inside: a command, its folder, its environment, its terminal.

It travels in the cargo as a shell script, so that nothing has to understand more than a
shell at the other end.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

CHECKOUT = "/netemu"
"""Where the checkout lies inside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminal:
    """The terminal that waits for what the command says."""

    kind: str
    columns: int
    lines: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One command."""

    command: Sequence[str]
    folder: str = CHECKOUT
    environment: Mapping[str, str] = field(default_factory=dict)
    terminal: Terminal | None = None


def script(order: Order) -> str:
    """Return the order as a shell script."""
    settings = dict(order.environment)
    lines = ["#!/bin/sh"]
    if terminal := order.terminal:
        settings["TERM"] = terminal.kind
        # A wire has no size; programs ask the terminal for it.
        lines.append(f"stty columns {terminal.columns} rows {terminal.lines}")
    lines.append(f"cd {shlex.quote(order.folder)} || exit 3")
    lines += [f"export {name}={shlex.quote(value)}" for name, value in sorted(settings.items())]
    lines.append(f"exec {shlex.join(order.command)}")
    return "\n".join(lines) + "\n"
