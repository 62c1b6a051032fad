"""The names under which netemu's things appear on the host.

All bear the prefix `netemu-` and the cluster's name, so that `down` can find
what is left of a cluster whose state is lost, and touch nothing else. A name
that is too long keeps its readable beginning and ends in a hash of the whole.
"""

from __future__ import annotations

import hashlib

PREFIX = "netemu"
_HASH_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
NETNS_NAME_MAX = 128
LINK_NAME_MAX = 15  # IFNAMSIZ - 1


def short_hash(text: str, length: int) -> str:
    """Return `length` characters that stand for `text`."""
    number = int.from_bytes(hashlib.sha256(text.encode()).digest())
    letters = []
    for _ in range(length):
        number, index = divmod(number, len(_HASH_ALPHABET))
        letters.append(_HASH_ALPHABET[index])
    return "".join(letters)


def _fit(name: str, longest: int) -> str:
    if len(name) <= longest:
        return name
    return f"{name[: longest - 9]}-{short_hash(name, 8)}"


def underlay_netns(cluster: str) -> str:
    """The namespace that holds the underlay switch."""
    return _fit(f"{PREFIX}-{cluster}-underlay", NETNS_NAME_MAX)


def node_netns(cluster: str, node: str) -> str:
    return _fit(f"{PREFIX}-{cluster}-{node}", NETNS_NAME_MAX)


def pod_netns(cluster: str, node: str, namespace: str, pod: str) -> str:
    return _fit(f"{PREFIX}-{cluster}-{node}-{namespace}-{pod}", NETNS_NAME_MAX)


def netns_prefix(cluster: str) -> str:
    """What every namespace name of the cluster begins with."""
    return f"{PREFIX}-{cluster}-"


def host_link(cluster: str) -> str:
    """The host's own end of its cable to the underlay switch."""
    return f"netemu-{short_hash(cluster, 6)}"


def veth(purpose: str, full_name: str) -> str:
    """A link's name: `purpose` (at most 5 characters) and a hash of the full name."""
    return f"{purpose}{short_hash(full_name, LINK_NAME_MAX - max(len(purpose), 4))}"[:LINK_NAME_MAX]
