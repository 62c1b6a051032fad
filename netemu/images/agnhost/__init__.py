"""agnhost: the test program of Kubernetes' own end-to-end tests, worked alike.

One file a subcommand, each with `COMMAND`, a `Command`; the file's name is what users
type (kube-proxy.md, 8.3).
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from netemu import plugins
from netemu.images.flags import HelpAsked, UsageError

if TYPE_CHECKING:
    from netemu.images.flags import Command

PROGRAMS = dict.fromkeys(("agnhost", "/agnhost", "/agnhost-2"), f"{__name__}:main")
"""What an exec may call without a new interpreter, or although no such file is there."""


def furnish(folder: str) -> None:
    """Put into an image's root what a shell in it may call."""
    from netemu.images.executable import write_agnhost

    write_agnhost(f"{folder}/agnhost")
    os.symlink("agnhost", f"{folder}/agnhost-2")


def main(args: list[str]) -> int:
    if not args or args[0] in ("help", "-h", "--help"):
        return _help(args[1:])
    name, *rest = args
    command = _COMMANDS.get(name)
    if command is None:
        known = ", ".join(sorted(_COMMANDS))
        say(2, f'Error: unknown command "{name}" for "app"; there are: {known}\n')
        return 1
    try:
        flags, arguments = command.parse(rest)
    except HelpAsked:
        return _help([name])
    except UsageError as error:
        say(2, f"Error: {error}\n{command.usage(name)}\n")
        return 1
    try:
        return command.run(flags, arguments)
    except OSError as error:
        say(2, f"{name}: {error.filename or ''}{': ' * bool(error.filename)}{error.strerror}\n")
        return 1


def _help(names: list[str]) -> int:
    if names and (command := _COMMANDS.get(names[0])):
        say(1, f"{command.does}\n\n{command.usage(names[0])}")
        return 0
    width = max(map(len, _COMMANDS)) + 2
    lines = [f"  {name.ljust(width)}{each.does}" for name, each in sorted(_COMMANDS.items())]
    what = "The test program of Kubernetes' end-to-end tests, worked alike by netemu"
    say(1, "\n".join([what, "", "Usage:", "  app COMMAND", "", "Commands:", *lines, ""]))
    return 0


def say(stream: int, text: str) -> None:
    os.write(stream, text.encode(errors="replace"))


# Now, not at first use: in a container Python's own files may be hidden.
_COMMANDS: dict[str, Command] = plugins.load(sys.modules[__name__], "COMMAND")
