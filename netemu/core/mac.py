"""MAC addresses that mean something, so that they are the same at every attempt."""

from __future__ import annotations

import hashlib
from ipaddress import IPv4Address


def of_address(address: IPv4Address) -> str:
    """Return the MAC that belongs to a pod address, whoever has it.

    So nobody's ARP entry is stale when an address passes from one pod to another.
    """
    return "0a:58:" + _text(address.packed)


def of_name(owner: str) -> str:
    """Return a locally administered unicast MAC that stands for `owner`."""
    digest = hashlib.sha256(owner.encode()).digest()
    return _text(bytes([digest[0] & 0xFC | 0x02]) + digest[1:6])


def _text(octets: bytes) -> str:
    return ":".join(f"{octet:02x}" for octet in octets)
