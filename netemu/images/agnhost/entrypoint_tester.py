"""`entrypoint-tester`: print the arguments, the program's own name first."""

from __future__ import annotations

import os

from netemu.images.flags import Command, Flags


def _run(flags: Flags, rest: list[str]) -> int:
    del flags
    os.write(1, f"[{' '.join(['/agnhost', 'entrypoint-tester', *rest])}]\n".encode())
    return 0


COMMAND = Command("Prints the arguments that it was given", _run, arguments="[ARG...]", most=-1)
