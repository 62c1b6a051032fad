"""Cabling on the real kernel, where an earlier switch has not been cleared away yet."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from ipaddress import IPv4Address, IPv4Network
from pathlib import PurePosixPath

import pytest

from netemu.core import names
from netemu.host import underlay
from netemu.host.netns import Netns
from netemu.model.settings import ClusterSettings, NodeSettings

pytestmark = pytest.mark.root

SETTINGS = ClusterSettings(
    name="loose",
    underlay=IPv4Network("198.18.41.0/24"),
    nodes=(
        NodeSettings(name="a", address=IPv4Address("198.18.41.11"), control_plane=True),
        NodeSettings(name="b", address=IPv4Address("198.18.41.12")),
    ),
    state_dir=PurePosixPath("/var/lib/netemu/loose"),
    run_dir=PurePosixPath("/run/netemu/loose"),
)


@pytest.fixture
def spaces() -> Iterator[dict[str, Netns]]:
    """Two switches, two nodes and the host."""
    with ExitStack() as stack:
        made = {}
        for name in ("first", "second", "a", "b"):
            subprocess.run(["ip", "netns", "add", f"loose-{name}"], check=True)
            stack.callback(subprocess.run, ["ip", "netns", "del", f"loose-{name}"], check=True)
            made[name] = Netns.open(f"/run/netns/loose-{name}", name=name)
            stack.callback(made[name].close)
        made["host"] = Netns.open("/proc/self/ns/net", name="host")
        stack.callback(made["host"].close)
        yield made
        underlay.remove_all("loose")


def _answers(host: Netns, address: IPv4Address) -> bool:
    return host.run_sync(["ping", "-c1", "-W2", str(address)]).exit_code == 0


async def test_a_new_switch_takes_the_cables_of_one_that_lingers(spaces: dict[str, Netns]):
    """A killed switch's namespace goes late: its cables' far ends are in nobody's way."""
    nodes = {"a": spaces["a"], "b": spaces["b"]}
    for switch in ("first", "second"):
        await underlay.wire(SETTINGS, switch=spaces[switch], nodes=nodes, host=spaces["host"])
        for node in SETTINGS.nodes:
            assert _answers(spaces["host"], node.address)
    left = spaces["first"].run_sync(["ip", "-o", "link", "show", "type", "veth"]).stdout
    assert left == b""
    link = names.host_link("loose")
    assert spaces["host"].run_sync(["ip", "link", "show", link]).exit_code == 0


async def test_wiring_again_changes_nothing(spaces: dict[str, Netns]):
    """The same switch: the cables are the same ones, with the same indexes."""
    nodes = {"a": spaces["a"], "b": spaces["b"]}
    seen = []
    for _ in range(2):
        await underlay.wire(SETTINGS, switch=spaces["first"], nodes=nodes, host=spaces["host"])
        seen.append(spaces["first"].run_sync(["ip", "-o", "link"]).stdout)
    assert seen[0].count(b"\n") == seen[1].count(b"\n")
    indexes = [[line.split(b":")[:2] for line in text.splitlines()] for text in seen]
    assert indexes[0] == indexes[1]
