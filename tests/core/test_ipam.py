"""Pod addresses, round robin."""

from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from hypothesis import given
from hypothesis import strategies as st

from netemu.core import ipam, mac

RANGE = IPv4Network("10.244.1.0/29")
USABLE = [IPv4Address(f"10.244.1.{n}") for n in range(2, 7)]


def test_the_bridge_has_the_first_address() -> None:
    """Pods' gateway is .1 with the range's prefix."""
    assert ipam.gateway(RANGE) == IPv4Interface("10.244.1.1/29")


def test_addresses_come_one_after_the_other_and_wrap() -> None:
    """Network, gateway and broadcast are skipped; a released one waits for the wrap."""
    assert ipam.allocate(RANGE, taken=(), last=None) == USABLE[0]
    assert ipam.allocate(RANGE, taken=(), last=USABLE[2]) == USABLE[3]
    assert ipam.allocate(RANGE, taken={USABLE[0]}, last=USABLE[-1]) == USABLE[1]
    assert ipam.allocate(RANGE, taken=(), last=IPv4Address("10.244.9.9")) == USABLE[0]


def test_an_address_that_was_had_is_given_again() -> None:
    """Unless it is another's by now, or never was one for Pods."""
    assert ipam.allocate(RANGE, taken=(), last=USABLE[0], wish=USABLE[3]) == USABLE[3]
    assert ipam.allocate(RANGE, taken={USABLE[3]}, last=USABLE[0], wish=USABLE[3]) == USABLE[1]
    for foreign in ("10.244.1.0", "10.244.1.1", "10.244.1.7", "10.244.9.3"):
        found = ipam.allocate(RANGE, taken=(), last=USABLE[0], wish=IPv4Address(foreign))
        assert found == USABLE[1]


def test_a_full_range_is_said_in_the_plugins_words() -> None:
    """There is no address left, and the message names the range."""
    assert ipam.allocate(RANGE, taken=set(USABLE), last=USABLE[1]) is None
    assert ipam.exhausted(RANGE) == "no IP addresses available in range set: 10.244.1.1-10.244.1.6"


@given(st.sets(st.sampled_from(USABLE)), st.sampled_from([None, *USABLE]))
def test_an_address_is_found_exactly_if_one_is_free(
    taken: set[IPv4Address], last: IPv4Address | None
) -> None:
    """Never one that is taken, and never none while one is free."""
    found = ipam.allocate(RANGE, taken=taken, last=last)
    if len(taken) == len(USABLE):
        assert found is None
    else:
        assert found in set(USABLE) - taken


def test_an_address_has_its_mac_for_ever() -> None:
    """The MAC spells the address; a name's MAC is local, unicast and its own."""
    assert mac.of_address(IPv4Address("10.244.1.5")) == "0a:58:0a:f4:01:05"
    first = mac.of_name("lab/worker-1")
    assert first == mac.of_name("lab/worker-1") != mac.of_name("lab/worker-2")
    assert int(first[:2], 16) & 3 == 2
