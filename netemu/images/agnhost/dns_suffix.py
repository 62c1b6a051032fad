"""`dns-suffix`: print the search list of /etc/resolv.conf, joined by commas."""

from __future__ import annotations

import os

from netemu.images.flags import Command, Flags


def resolv_conf(keyword: str) -> list[str]:
    """Return the words after every `keyword` line."""
    with open("/etc/resolv.conf", encoding="utf-8") as file:
        lines = [line.split() for line in file]
    return [word for words in lines if words[:1] == [keyword] for word in words[1:]]


def _run(flags: Flags, rest: list[str]) -> int:
    del flags, rest
    os.write(1, ",".join(resolv_conf("search")).encode())
    return 0


COMMAND = Command("Prints the DNS search list of this container, joined by commas", _run)
