"""`netemu demo`: the main job, from nothing to nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from netemu.cli._completion import demos
from netemu.cli._options import need_root, strict_images_option
from netemu.errors import UserError


@click.command(
    short_help="Run a scenario on a cluster that comes and goes.",
    epilog="""\b
Examples:
  sudo netemu demo
  sudo netemu demo pod-birth
  sudo netemu demo rolling-update
""",
)
@click.argument("name", default="first-service", shell_complete=demos)
@strict_images_option
def demo(name: str, strict_images: bool) -> None:
    """Bring up three nodes, run a scenario on them with real packets, remove them again."""
    need_root("demo")
    from netemu.cli.run import run_scenarios

    folder = Path(__file__).resolve().parents[2] / "scenarios"
    path = folder / f"{name}.yaml"
    if not path.exists():
        there = ", ".join(sorted(each.stem for each in folder.glob("*.yaml"))) or "none"
        raise UserError(f'no scenario "{name}" in {folder}; there are: {there}')
    sys.exit(0 if run_scenarios([str(path)], strict_images=strict_images) else 1)


COMMAND = demo
