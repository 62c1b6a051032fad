"""`netemu vm`: everything that netemu does, in a virtual machine, without root."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netemu.cli._completion import files
from netemu.cli._options import output_option
from netemu.errors import UserError

if TYPE_CHECKING:
    from netemu.core.virtual_machine.order import Order, Terminal
    from netemu.host.virtual_machine.places import Image

_SCENARIO_FILES = (".yaml", ".yml", ".json")


@click.group(
    short_help="Run netemu in a virtual machine, without root.",
    epilog="""\b
Examples:
  netemu vm run scenarios/first-service.yaml
  netemu vm run my.yaml -o json
  netemu vm exec -- netemu doctor
  netemu vm shell
""",
)
def vm() -> None:
    """A Debian with systemd and Debian's kernel, under qemu; no root, no KVM needed.

    The image is built at the first use, in one to two minutes, from Debian's registry, and
    kept in ~/.cache/netemu/vm ($XDG_CACHE_HOME); 'netemu vm clean' removes it. The machine
    has no network but its own, and what it writes is gone with it.
    """


def machine_options(function: Any) -> Any:
    """Options of all that boot."""
    for option in (
        click.option(
            "--cpus",
            type=click.IntRange(1, 64),
            default=2,
            show_default=True,
            help="Processors of the machine.",
        ),
        click.option(
            "--memory",
            "memory_mb",
            type=click.IntRange(512),
            default=2048,
            show_default=True,
            help="Its memory in MiB.",
        ),
        click.option(
            "--timeout",
            "timeout_s",
            type=click.FloatRange(1),
            metavar="SECONDS",
            help="End the machine if the command takes longer; the boot has its own bound.",
        ),
        click.option(
            "--kvm",
            "kvm",
            type=click.Choice(["auto", "yes", "no"]),
            default="auto",
            show_default=True,
            help="auto: if a trial shows that it works here.",
        ),
    ):
        function = option(function)
    return function


@vm.command(
    epilog="""\b
Examples:
  netemu vm run scenarios/first-service.yaml
  netemu vm run my.yaml -o json >report.json
""",
)
@machine_options
@click.argument("scenario", metavar="FILE", shell_complete=files)
@output_option
def run(scenario: str, output: str, **machine: Any) -> None:
    """Run a scenario, as 'netemu run' does, in a machine of its own.

    The YAML and JSON files beside FILE and in folders below it travel along. Exit code as
    that of 'netemu run'.
    """
    from netemu.core.virtual_machine.order import Order
    from netemu.lab.scenario import load_scenario

    load_scenario(scenario)  # What is wrong with it is said before anything boots.
    path = Path(scenario).resolve()
    command = ["netemu", "run", path.name, "-o", output]
    order = Order(command=command, folder="/scenario", terminal=_terminal())
    files = {f"/scenario/{p.relative_to(path.parent)}": p for p in _files_of(path)}
    sys.exit(_carry_out(order, files=files, **machine))


@vm.command(
    "exec",
    short_help="Run a command in a machine of its own.",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    epilog="""\b
Examples:
  netemu vm exec -- netemu doctor
  netemu vm exec --timeout 600 -- sh -c 'netemu demo && netemu demo pod-birth'
""",
)
@machine_options
@click.option("--env", "environment", multiple=True, metavar="NAME=VALUE", help="Set a variable.")
@click.option("--may-reboot", is_flag=True, help="Let it reboot; the command then runs anew.")
@click.argument("command", nargs=-1, required=True)
def execute(
    command: tuple[str, ...], environment: tuple[str, ...], may_reboot: bool, **machine: Any
) -> None:
    """Run a command as root in a machine of its own, in the checkout (/netemu there)."""
    from netemu.core.virtual_machine.order import Order

    settings = dict(_setting(each) for each in environment)
    order = Order(command=command, environment=settings, terminal=_terminal())
    sys.exit(_carry_out(order, may_reboot=may_reboot, **machine))


@vm.command(epilog="Example: netemu vm shell")
@machine_options
def shell(**machine: Any) -> None:
    """Open a root shell in a machine of its own; 'exit' switches it off."""
    from netemu.core.virtual_machine.order import Order

    terminal = _terminal()
    if terminal is None or not sys.stdin.isatty():
        raise UserError("a shell needs a terminal; 'netemu vm exec -- COMMAND' needs none")
    order = Order(command=["bash", "-l"], terminal=terminal)
    sys.exit(_carry_out(order, interactive=True, **machine))


@vm.command(epilog="Example: netemu vm build")
def build() -> None:
    """Build the image if this checkout's is not there yet."""
    image = _image()
    size_mb = image.disk.stat().st_blocks * 512 >> 20
    click.echo(f"the image is in {image.folder} ({size_mb} MiB)")


@vm.command(epilog="Example: netemu vm clean")
def clean() -> None:
    """Remove the image and all else that 'netemu vm' keeps."""
    from netemu.host.virtual_machine import places

    folder = places.cache_folder()
    size_mb = places.clean() >> 20
    click.echo(f"removed {folder} ({size_mb} MiB)" if size_mb else f"nothing is in {folder}")


def _image() -> Image:
    from netemu.host.virtual_machine.image import image

    return image(lambda doing: click.echo(f"netemu vm: {doing}", err=True))


def _carry_out(order: Order, *, interactive: bool = False, kvm: str, **wishes: Any) -> int:
    from netemu.host.interruption import interrupt_on_sigterm
    from netemu.host.virtual_machine.acceleration import kvm_works
    from netemu.host.virtual_machine.boot import Wish, carry_out
    from netemu.host.virtual_machine.image import need_programs

    interrupt_on_sigterm()
    need_programs(["qemu-system-x86_64", "setpriv"])
    image = _image()
    accelerated = kvm == "yes" or (kvm == "auto" and kvm_works(image))
    return carry_out(image, order, Wish(kvm=accelerated, interactive=interactive, **wishes))


def _terminal() -> Terminal | None:
    """Return the terminal that we write to, if it is one."""
    from netemu.core.virtual_machine.order import Terminal

    if not sys.stdout.isatty():
        return None
    size = os.get_terminal_size(sys.stdout.fileno())
    return Terminal(kind=os.environ.get("TERM", "dumb"), columns=size.columns, lines=size.lines)


def _files_of(scenario: Path) -> list[Path]:
    """Return what may travel along with a scenario."""
    found = [scenario]
    for place, folders, names in os.walk(scenario.parent):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(place, name) for name in names if name.endswith(_SCENARIO_FILES)]
        if len(found) > _FILES_MAX:
            raise UserError(
                f"more than {_FILES_MAX} YAML and JSON files lie beside and below {scenario}: "
                "put the scenario and its manifests into a folder of their own"
            )
    return found


_FILES_MAX = 1000


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise UserError(f"--env {text}: expected NAME=VALUE")
    return name, value


COMMAND = vm
