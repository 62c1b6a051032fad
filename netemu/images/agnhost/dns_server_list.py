"""`dns-server-list`: print the name servers of /etc/resolv.conf, joined by commas."""

from __future__ import annotations

import os

from netemu.images.agnhost.dns_suffix import resolv_conf


def run(args: list[str]) -> int:
    del args
    os.write(1, ",".join(resolv_conf("nameserver")).encode())
    return 0


COMMAND = run
