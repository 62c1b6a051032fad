"""What nodes tell each other in their annotations."""

from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Network
from pathlib import PurePosixPath

import pytest

from netemu.core.overlay import announcement
from netemu.core.overlay.backends.host_gw import BACKEND as HOST_GW
from netemu.core.overlay.backends.vxlan import BACKEND as VXLAN
from netemu.model.codec import from_dict
from netemu.model.core_v1 import Node
from netemu.model.settings import ClusterSettings, NodeSettings

PLACE = NodeSettings(name="worker-1", address=IPv4Address("198.18.0.12"))
SETTINGS = ClusterSettings(
    name="lab",
    underlay=IPv4Network("198.18.0.0/24"),
    nodes=(PLACE,),
    state_dir=PurePosixPath("/s"),
    run_dir=PurePosixPath("/r"),
)
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def node(annotations: dict[str, str] | None = None, *, pod_cidr: str = "10.244.1.0/24") -> Node:
    return from_dict(
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": "worker-1", "annotations": annotations or {}},
            "spec": {"podCIDR": pod_cidr},
            "status": {"addresses": [{"type": "InternalIP", "address": "198.18.0.12"}]},
        },
        Node,
    )


def test_a_node_without_a_range_has_nothing_to_tell() -> None:
    """Before node IPAM has acted there is neither a me nor a peer."""
    assert announcement.myself(node(pod_cidr=""), SETTINGS, PLACE, VXLAN) is None
    assert announcement.read(node(pod_cidr="")) is None


def test_what_is_announced_is_understood() -> None:
    """Writing a node's annotations and reading them gives the node back, and then no patch."""
    me = announcement.myself(node(), SETTINGS, PLACE, VXLAN)
    assert me is not None
    told = announcement.announce(me, VXLAN)
    assert told == {
        "flannel.alpha.coreos.com/kube-subnet-manager": "true",
        "flannel.alpha.coreos.com/backend-type": "vxlan",
        "flannel.alpha.coreos.com/backend-data": f'{{"VNI":1,"VtepMAC":"{me.mac}"}}',
        "flannel.alpha.coreos.com/public-ip": "198.18.0.12",
    }
    assert announcement.missing_annotations(node(), told) == {"metadata": {"annotations": told}}
    assert announcement.missing_annotations(node(told), told) == {}
    assert announcement.read(node(told)) == me


def test_a_tunnel_keeps_the_mac_that_it_announced() -> None:
    """A node whose agent starts anew is not a stranger to its peers."""
    told = {announcement.BACKEND_DATA: '{"VNI":1,"VtepMAC":"5E:00:00:00:00:01"}'}
    me = announcement.myself(node(told), SETTINGS, PLACE, VXLAN)
    assert me is not None
    assert me.mac == "5e:00:00:00:00:01"


def test_plain_routes_have_no_data_to_announce() -> None:
    """The annotation says null, as flannel's does."""
    me = announcement.myself(node(), SETTINGS, PLACE, HOST_GW)
    assert me is not None
    assert announcement.announce(me, HOST_GW)[announcement.BACKEND_DATA] == "null"


@pytest.mark.parametrize("data", ["", "{", "null", "[]", '{"VtepMAC":1}', '{"VtepMAC":"x"}'])
def test_nonsense_in_an_annotation_is_as_good_as_nothing(data: str) -> None:
    """Anybody may write annotations; an agent does not fall over them."""
    found = announcement.read(
        node({announcement.BACKEND_DATA: data, announcement.PUBLIC_IP: "somewhere"})
    )
    assert found is not None
    assert (found.mac, found.address) == ("", IPv4Address("198.18.0.12"))


def test_the_network_is_said_to_be_there_once() -> None:
    """The condition has flannel's words; a node that has it needs no patch."""
    patch = announcement.missing_condition(node(), NOW)
    (condition,) = patch["status"]["conditions"]
    assert condition == {
        "type": "NetworkUnavailable",
        "status": "False",
        "reason": "FlannelIsUp",
        "message": "Flannel is running on this node",
        "lastHeartbeatTime": "2026-01-02T03:04:05Z",
        "lastTransitionTime": "2026-01-02T03:04:05Z",
    }
    said = node()
    said.status.conditions = from_dict(
        {"apiVersion": "v1", "kind": "Node", "status": patch["status"]}, Node
    ).status.conditions
    assert announcement.missing_condition(said, NOW) == {}
