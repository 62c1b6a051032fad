"""The names of per-Service chains: sixteen characters that stand for a port.

They are kube-proxy's own, so that a chain on a node can be looked up in any
document or tool that knows them.
"""

from __future__ import annotations

from base64 import b32encode
from hashlib import sha256


def port_hash(label: str, protocol: str) -> str:
    """Return the H of KUBE-SVC-H; `label` is `ns/svc:port`."""
    return _hash(label + protocol)


def endpoint_hash(label: str, protocol: str, endpoint: str) -> str:
    """Return the H of KUBE-SEP-H; `endpoint` is `ip:port`."""
    return _hash(label + protocol + endpoint)


def _hash(text: str) -> str:
    # Ten bytes are sixteen characters: the rest of the digest would be cut off.
    return b32encode(sha256(text.encode()).digest()[:10]).decode()
