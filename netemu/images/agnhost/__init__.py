"""agnhost: the test program of Kubernetes' own end-to-end tests, worked alike.

One file a subcommand, each with `COMMAND`, a function from its arguments to an exit
code; the file's name is what users type (kube-proxy.md, 8.3).
"""

from __future__ import annotations

import sys

from netemu import plugins

PROGRAMS = {"agnhost": f"{__name__}:main", "/agnhost": f"{__name__}:main"}
"""What an exec may call although no such file is there."""


def main(args: list[str]) -> int:
    name = args[0] if args else "help"
    command = _COMMANDS.get(name)
    if command is None:
        known = ", ".join(sorted(_COMMANDS))
        sys.stderr.write(f'unknown command "{name}" for "app"; there are: {known}\n')
        return 1
    code: int = command(args[1:])
    return code


# Now, not at first use: in a container Python's own files may be hidden.
_COMMANDS = plugins.load(sys.modules[__name__], "COMMAND")
