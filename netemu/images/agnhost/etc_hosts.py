"""`etc-hosts`: print /etc/hosts."""

from __future__ import annotations

import os

from netemu.images.flags import Command, Flags


def _run(flags: Flags, rest: list[str]) -> int:
    del flags, rest
    with open("/etc/hosts", "rb") as file:
        os.write(1, file.read())
    return 0


COMMAND = Command("Prints the hosts file of this container", _run)
