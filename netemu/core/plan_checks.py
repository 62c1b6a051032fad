"""What every part of a cluster's description is checked with."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from ipaddress import IPv4Network

from netemu.errors import UserError

DNS_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
DOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
Complain = Callable[[str, str], UserError]
"""From a field's path and a sentence to the error that names file and line."""


def parse_network(text: str, field: str, complain: Complain, *, longest_prefix: int) -> IPv4Network:
    try:
        network = IPv4Network(text)
    except ValueError as error:
        raise complain(
            field, f'"{text}" is not an IPv4 network such as 10.244.0.0/16: {error}'
        ) from error
    if network.prefixlen > longest_prefix:
        raise complain(field, f"{network} is too small: at least a /{longest_prefix} is needed")
    return network


def one_of(value: str, known: Collection[str], field: str, complain: Complain) -> str:
    if value not in known:
        raise complain(field, f'no such choice "{value}"; there are: {", ".join(sorted(known))}')
    return value


def between(value: int, least: int, most: int, field: str, complain: Complain) -> int:
    if not least <= value <= most:
        raise complain(field, f"{value} is not between {least} and {most}")
    return value
