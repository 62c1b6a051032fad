"""Pod addresses, handed out as the host-local CNI plugin does (control-plane-and-node.md, 4.2).

Round robin from the last one given: an address that was released is not used again
before the range has wrapped, so that nobody's stale connection meets a stranger.
"""

from __future__ import annotations

from collections.abc import Container
from ipaddress import IPv4Address, IPv4Interface, IPv4Network


def gateway(pod_range: IPv4Network) -> IPv4Interface:
    """Return the bridge's own address: the first one, with the range's prefix."""
    return IPv4Interface((pod_range.network_address + 1, pod_range.prefixlen))


def allocate(
    pod_range: IPv4Network,
    *,
    taken: Container[IPv4Address],
    last: IPv4Address | None,
    wish: IPv4Address | None = None,
) -> IPv4Address | None:
    """Return the `wish` if that is free, else the next free one after `last`; None if none is."""
    # Not the network's own, the gateway's, nor the broadcast address.
    first = int(pod_range.network_address) + 2
    count = pod_range.num_addresses - 3
    if wish is not None and first <= int(wish) < first + count and wish not in taken:
        return wish
    start = int(last) - first + 1 if last is not None and last in pod_range else 0
    for step in range(max(count, 0)):
        candidate = IPv4Address(first + (start + step) % count)
        if candidate not in taken:
            return candidate
    return None


def exhausted(pod_range: IPv4Network) -> str:
    """Say so in the plugin's own words."""
    first, last = pod_range.network_address + 1, pod_range.broadcast_address - 1
    return f"no IP addresses available in range set: {first}-{last}"
