"""What nodes tell each other of their overlay, in the annotations and words of flannel."""

from __future__ import annotations

import json
import re
from datetime import datetime
from ipaddress import AddressValueError, IPv4Address, IPv4Network
from typing import Any

from netemu.core import mac
from netemu.core.overlay.contract import OverlayBackend, OverlayNode
from netemu.model.clock import format_time
from netemu.model.core_v1 import Node
from netemu.model.settings import ClusterSettings, NodeSettings

PREFIX = "flannel.alpha.coreos.com/"
BACKEND_TYPE = f"{PREFIX}backend-type"
BACKEND_DATA = f"{PREFIX}backend-data"
PUBLIC_IP = f"{PREFIX}public-ip"
SUBNET_MANAGER = f"{PREFIX}kube-subnet-manager"

_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_NETWORK_UNAVAILABLE = "NetworkUnavailable"
_REASON = "FlannelIsUp"
_MESSAGE = "Flannel is running on this node"


def read(node: Node) -> OverlayNode | None:
    """Return what a Node says of its overlay; None while it has no pods' range or address.

    Annotations may say anything: what makes no sense is as good as not said.
    """
    pod_range = _network(node.spec.pod_cidr)
    told = node.metadata.annotations
    address = _address(told.get(PUBLIC_IP, "")) or _internal_address(node)
    if pod_range is None or address is None:
        return None
    return OverlayNode(
        name=node.metadata.name,
        address=address,
        pod_range=pod_range,
        backend=told.get(BACKEND_TYPE, ""),
        mac=_tunnel_mac(told.get(BACKEND_DATA, "")),
    )


def myself(
    node: Node, settings: ClusterSettings, place: NodeSettings, backend: OverlayBackend
) -> OverlayNode | None:
    """Return this node's own part; its tunnel keeps the MAC that it once announced."""
    pod_range = _network(node.spec.pod_cidr)
    if pod_range is None:
        return None
    announced = _tunnel_mac(node.metadata.annotations.get(BACKEND_DATA, ""))
    return OverlayNode(
        name=place.name,
        address=place.address,
        pod_range=pod_range,
        backend=backend.kind,
        mac=announced or mac.of_name(f"{settings.name}/{place.name}/overlay"),
    )


def announce(me: OverlayNode, backend: OverlayBackend) -> dict[str, str]:
    """Return what this node announces."""
    data = backend.data(me)
    return {
        SUBNET_MANAGER: "true",
        BACKEND_TYPE: backend.kind,
        BACKEND_DATA: json.dumps(data, separators=(",", ":")),
        PUBLIC_IP: str(me.address),
    }


def missing_annotations(node: Node, wanted: dict[str, str]) -> dict[str, Any]:
    """Return the merge patch that makes a Node announce this; empty if it does."""
    told = node.metadata.annotations
    missing = {key: value for key, value in wanted.items() if told.get(key) != value}
    return {"metadata": {"annotations": missing}} if missing else {}


def missing_condition(node: Node, now: datetime) -> dict[str, Any]:
    """Return the status patch that says the network is there; empty if it is said."""
    if says_available(node):
        return {}
    time = format_time(now)
    condition = {
        "type": _NETWORK_UNAVAILABLE,
        "status": "False",
        "reason": _REASON,
        "message": _MESSAGE,
        "lastHeartbeatTime": time,
        "lastTransitionTime": time,
    }
    return {"status": {"conditions": [condition]}}


def says_available(node: Node) -> bool:
    """Tell whether the node's status says that its network is there."""
    return any(
        (condition.type, condition.status, condition.reason)
        == (_NETWORK_UNAVAILABLE, "False", _REASON)
        for condition in node.status.conditions
    )


def _internal_address(node: Node) -> IPv4Address | None:
    found = (a.address for a in node.status.addresses if a.type == "InternalIP")
    return next((address for text in found if (address := _address(text))), None)


def _address(text: str) -> IPv4Address | None:
    try:
        return IPv4Address(text)
    except AddressValueError:
        return None


def _network(text: str) -> IPv4Network | None:
    try:
        return IPv4Network(text)
    except ValueError:
        return None


def _tunnel_mac(data: str) -> str:
    try:
        parsed = json.loads(data)
    except ValueError:
        return ""
    found = parsed.get("VtepMAC") if isinstance(parsed, dict) else None
    text = found.lower() if isinstance(found, str) else ""
    return text if _MAC.fullmatch(text) else ""
