"""`dns-server-list`: print the name servers of /etc/resolv.conf, joined by commas."""

from __future__ import annotations

import os

from netemu.images.agnhost.dns_suffix import resolv_conf
from netemu.images.flags import Command, Flags


def _run(flags: Flags, rest: list[str]) -> int:
    del flags, rest
    os.write(1, ",".join(resolv_conf("nameserver")).encode())
    return 0


COMMAND = Command("Prints the DNS servers of this container, joined by commas", _run)
