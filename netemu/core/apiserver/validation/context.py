"""What of the cluster's settings a validation has to know."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    service_cidr: IPv4Network
    node_ports: range = range(30000, 32768)
