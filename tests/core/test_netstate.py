"""The way from an observed network state to a desired one."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from hypothesis import given
from hypothesis import strategies as st

from netemu.core.netstate import (
    Address,
    ForwardingEntry,
    Link,
    Neighbour,
    NetState,
    Peer,
    Route,
    Scope,
    Sysctl,
    Verb,
    Vxlan,
    diff,
    mend,
    sparing,
)

TUNNEL = Vxlan(vni=1, local=IPv4Address("198.18.0.11"), device="eth0", port=8472)
LINK = Link(name="t0", kind="vxlan", mtu=1450, mac="02:00:00:00:00:01", vxlan=TUNNEL)
WANTED = NetState(
    sysctls=frozenset({Sysctl(name="net.ipv4.ip_forward", value="1")}),
    links=(LINK,),
    addresses=frozenset({Address(link="t0", address=IPv4Interface("10.244.0.0/32"))}),
    neighbours=frozenset(
        {Neighbour(link="t0", address=IPv4Address("10.244.1.0"), mac="02:00:00:00:00:02")}
    ),
    forwarding=frozenset(
        {
            ForwardingEntry(
                link="t0", mac="02:00:00:00:00:02", destination=IPv4Address("198.18.0.12")
            )
        }
    ),
    routes=frozenset(
        {
            Route(
                destination=IPv4Network("10.244.1.0/24"),
                link="t0",
                via=IPv4Address("10.244.1.0"),
                onlink=True,
            )
        }
    ),
)


def commands(desired: NetState, observed: NetState) -> list[str]:
    return [str(change) for change in diff(desired, observed)]


def test_from_nothing_everything_is_made_in_an_order_that_works() -> None:
    """Settings, link, address, neighbour, forwarding entry, route; printed as commands."""
    assert commands(WANTED, NetState()) == [
        "sysctl -w net.ipv4.ip_forward=1",
        (
            "ip link add t0 mtu 1450 address 02:00:00:00:00:01 type vxlan"
            " id 1 local 198.18.0.11 dev eth0 dstport 8472 nolearning up"
        ),
        "ip addr add 10.244.0.0/32 dev t0",
        "ip neigh replace 10.244.1.0 lladdr 02:00:00:00:00:02 dev t0 nud permanent",
        "bridge fdb replace 02:00:00:00:00:02 dev t0 dst 198.18.0.12 self permanent",
        "ip route replace 10.244.1.0/24 via 10.244.1.0 dev t0 onlink",
    ]


def test_what_is_not_wanted_goes_first_and_backwards() -> None:
    """Routes before what they need, and the link, with all that hangs on it, as one."""
    observed = replace(WANTED, links=())
    assert commands(NetState(), observed) == [
        "ip route del 10.244.1.0/24 via 10.244.1.0 dev t0 onlink",
        "bridge fdb del 02:00:00:00:00:02 dev t0 dst 198.18.0.12 self permanent",
        "ip neigh del 10.244.1.0 lladdr 02:00:00:00:00:02 dev t0 nud permanent",
        "ip addr del 10.244.0.0/32 dev t0",
    ]
    assert commands(NetState(), WANTED) == ["ip link del t0"]


def test_what_moves_is_replaced_and_never_missing() -> None:
    """A route, neighbour or forwarding entry that changes is not deleted in between."""
    moved = replace(
        WANTED,
        neighbours=frozenset(replace(n, mac="02:00:00:00:00:09") for n in WANTED.neighbours),
        forwarding=frozenset(
            replace(f, destination=IPv4Address("198.18.0.13")) for f in WANTED.forwarding
        ),
        routes=frozenset(replace(r, via=IPv4Address("10.244.1.9")) for r in WANTED.routes),
    )
    assert {change.verb for change in diff(moved, WANTED)} == {Verb.REPLACE}


def test_a_link_of_other_nature_is_made_anew_with_what_hung_on_it() -> None:
    """The kernel changes no tunnel's port; all else that is on the link comes again."""
    other = replace(LINK, vxlan=replace(TUNNEL, port=4789))
    made = commands(WANTED, replace(WANTED, links=(other,)))
    assert made[0] == "ip link del t0"
    assert made[1:] == commands(WANTED, NetState(sysctls=WANTED.sysctls))


def test_a_link_is_changed_in_place_only_where_something_is_asked_for() -> None:
    """A link that is down or has another MTU is set; a MAC that nobody asked for stays."""
    assert commands(WANTED, replace(WANTED, links=(replace(LINK, up=False),))) == [
        f"ip link set {str(LINK).partition(' ')[2]}"
    ]
    free = NetState(links=(Link(name="eth0", mtu=1500),))
    found = NetState(links=(Link(name="eth0", kind="veth", mtu=1500, mac="02:00:00:00:00:07"),))
    assert diff(free, found) == []


def test_a_scope_covers_its_links_and_its_part_of_a_shared_one() -> None:
    """host-gw owns the routes into the cluster's range on eth0, not the default route."""
    scope = Scope(shared_link="eth0", within=IPv4Network("10.244.0.0/16"))
    gateway = IPv4Address("198.18.0.12")
    assert scope.covers(Route(destination=IPv4Network("10.244.1.0/24"), link="eth0", via=gateway))
    assert not scope.covers(Route(destination=IPv4Network("0.0.0.0/0"), link="eth0", via=gateway))
    assert not scope.covers(Route(destination=IPv4Network("10.244.1.0/24"), link="cni0"))


numbers = st.integers(min_value=1, max_value=4)
routes = st.builds(
    lambda n, via: Route(
        destination=IPv4Network(f"10.244.{n}.0/24"), link="t0", via=IPv4Address(via), onlink=True
    ),
    numbers,
    numbers,
)
route_sets = st.lists(routes, unique_by=lambda route: route.destination).map(frozenset)


@given(route_sets, route_sets)
def test_carrying_out_a_difference_leads_to_what_is_desired(
    desired: frozenset[Route], observed: frozenset[Route]
) -> None:
    """Whatever was there, deletions and replacements of routes end in the desired ones."""
    table = {route.destination: route for route in observed}
    for change in diff(NetState(routes=desired), NetState(routes=observed)):
        assert isinstance(change.item, Route)
        if change.verb is Verb.DELETE:
            del table[change.item.destination]
        else:
            table[change.item.destination] = change.item
    assert frozenset(table.values()) == desired


def test_mending_makes_again_what_is_gone_and_deletes_nothing() -> None:
    """Also when more is there than was planned; sysctls are not looked at."""
    assert mend(WANTED, replace(WANTED, sysctls=frozenset())).changes == ()
    stray = Address(link="t0", address=IPv4Interface("192.0.2.1/32"))
    damaged = replace(WANTED, addresses=frozenset({stray}), routes=frozenset())
    verbs = {change.verb for change in mend(WANTED, damaged).changes}
    assert verbs == {Verb.ADD, Verb.REPLACE}
    made = [change.item for change in mend(WANTED, NetState()).changes]
    assert made[0] == LINK
    assert len(made) == 5


def test_what_is_set_down_stays_down_with_all_that_hangs_on_it() -> None:
    """It is only told of; a link that should be down is no news."""
    observed = NetState(links=(replace(LINK, up=False),))
    mending = mend(WANTED, observed)
    assert (mending.changes, mending.down) == ((), ("t0",))
    assert sparing(diff(WANTED, observed), mending.down) == [
        change for change in diff(WANTED, observed) if isinstance(change.item, Sysctl)
    ]
    cut = replace(WANTED, links=(replace(LINK, up=False),))
    assert mend(cut, observed).down == ()


def test_a_route_that_leads_elsewhere_is_somebodys_own() -> None:
    """The planned one is not put in its place."""
    (route,) = WANTED.routes
    other = replace(route, via=IPv4Address("192.0.2.9"))
    assert mend(WANTED, replace(WANTED, routes=frozenset({other}))).changes == ()


def test_a_new_cables_far_end_is_known() -> None:
    """It comes down into the other namespace, where it must be set up by plan."""
    cable = Link(name="port1", kind="veth", peer=Peer(name="eth0", netns="worker-1"))
    assert mend(NetState(links=(cable,)), NetState()).recabled == {"worker-1"}
    assert mend(NetState(links=(LINK,)), NetState()).recabled == frozenset()
