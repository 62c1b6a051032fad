"""Batches of requests to the kernel, and settings below /proc/sys."""

import errno
from collections.abc import Iterator
from contextlib import closing
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

import pytest

from netemu.core.netstate import (
    Address,
    Link,
    NetState,
    Peer,
    Route,
    Scope,
    Sysctl,
    diff,
)
from netemu.errors import HostError, MissingFacility
from netemu.host import links, routes, sysctl
from netemu.host.netlink import Netlink
from netemu.host.netns import Netns
from netemu.host.netstate import LinuxNetState

pytestmark = pytest.mark.root


@pytest.fixture
def bridge() -> Iterator[tuple[Netlink, int]]:
    """A socket in the test's own namespace, and a bridge to play with."""
    with closing(Netlink.here(name="test")) as netlink:
        made = Link(name="b0", kind="bridge")
        netlink.send([links.create(made, index_of=netlink.index_of)])
        index = netlink.index_of("b0")
        netlink.send([links.set_up(index)])
        yield netlink, index
        netlink.send([links.delete("b0"), links.delete("b0")])


def address(number: int) -> Address:
    return Address(link="b0", address=IPv4Interface((IPv4Address("10.9.0.0") + number, 16)))


def test_more_requests_than_answers_have_room_for(bridge: tuple[Netlink, int]) -> None:
    """A thousand addresses in one call, each of them there, and again without harm."""
    netlink, index = bridge
    requests = [routes.add_address(address(n), index) for n in range(1, 1001)]
    netlink.send(requests)
    netlink.send(requests)
    found = {
        routes.decode_address(data, name_of=netlink.name_of)
        for data in netlink.dump(routes.list_addresses())
    }
    assert {address(n) for n in range(1, 1001)} <= found


def test_what_fails_is_said_and_the_rest_is_done(bridge: tuple[Netlink, int]) -> None:
    """The error names the command and the kernel's own words; requests around it took effect."""
    netlink, index = bridge
    nowhere = Route(destination=IPv4Network("10.8.0.0/16"), link="b0", via=IPv4Address("10.7.0.1"))
    batch = [
        routes.add_address(address(1), index),
        routes.replace_route(nowhere, index),
        routes.add_address(address(2), index),
    ]
    said = r"ip route replace 10\.8\.0\.0/16 via 10\.7\.0\.1 dev b0 in test: Nexthop has invalid"
    with pytest.raises(HostError, match=said) as caught:
        netlink.send(batch)
    assert caught.value.errno == errno.ENETUNREACH
    found = [
        routes.decode_address(data, name_of=netlink.name_of)
        for data in netlink.dump(routes.list_addresses())
    ]
    assert address(1) in found
    assert address(2) in found


def test_names_and_indexes_of_links(bridge: tuple[Netlink, int]) -> None:
    """Either way, and nothing for what is not there."""
    netlink, index = bridge
    assert netlink.name_of(index) == "b0"
    assert netlink.index_of("none") == 0
    assert netlink.name_of(4711) == ""


def test_what_was_applied_is_what_is_observed() -> None:
    """A state of every kind of item is made, found to be just that, and unmade."""
    space = Netns.open("/proc/self/ns/net", name="test")
    with closing(space), closing(LinuxNetState(space)) as state:
        wanted = NetState(
            sysctls=frozenset({Sysctl(name="net.ipv4.conf.default.rp_filter", value="0")}),
            links=(
                Link(name="b1", kind="bridge", mtu=1400, mac="02:00:00:00:00:01"),
                Link(
                    name="v1",
                    kind="veth",
                    mtu=1400,
                    master="b1",
                    hairpin=True,
                    alias="a cable with a long name of its own",
                    peer=Peer(name="v2", netns="here", mac="02:00:00:00:00:02"),
                ),
            ),
            addresses=frozenset({Address(link="b1", address=IPv4Interface("10.9.1.1/24"))}),
            routes=frozenset(
                {
                    Route(
                        destination=IPv4Network("10.9.2.0/24"),
                        link="b1",
                        via=IPv4Address("10.9.1.2"),
                    )
                }
            ),
        )
        scope = Scope(links=frozenset({"b1", "v1"}))
        state.apply(diff(wanted, NetState()), peers={"here": space.path})
        read = space.call_sync(sysctl.read, ["net.ipv4.conf.default.rp_filter"])
        assert read == wanted.sysctls
        observed = state.observe(scope)
        assert [str(c) for c in diff(wanted, observed)] == [f"sysctl -w {next(iter(read))}"]
        state.apply(diff(NetState(), observed))
        assert state.observe(scope) == NetState()


def test_settings_are_found_below_proc_and_what_is_missing_is_said() -> None:
    """A link's name may have a dot; an optional setting may be missing; others may not."""
    assert sysctl.path_of("net.ipv4.conf.flannel/1.forwarding") == (
        "/proc/sys/net/ipv4/conf/flannel.1/forwarding"
    )
    sysctl.write([Sysctl(name="net.no.such", value="1", optional=True)])
    with pytest.raises(HostError, match=r"setting net\.no\.such=1: No such file"):
        sysctl.write([Sysctl(name="net.no.such", value="1")])
    with pytest.raises(MissingFacility, match="modprobe br_netfilter"):
        sysctl.write([Sysctl(name="net.bridge.no-such", value="1")])
    with pytest.raises(HostError, match=r"rp_filter=x: Invalid argument"):
        sysctl.write([Sysctl(name="net.ipv4.conf.all.rp_filter", value="x")])
