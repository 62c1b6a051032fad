"""Rules on the real kernel, in both flavours: what is written is what is read."""

from __future__ import annotations

import asyncio
import fcntl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from netemu.core.netfilter import restore
from netemu.core.netfilter.tables import Jump
from netemu.errors import HostError
from netemu.host.netfilter import Flavour, Netfilter, detect
from netemu.host.netns import Netns

pytestmark = pytest.mark.root

JUMPS = (
    Jump("filter", "FORWARD", "-m conntrack --ctstate NEW -j OURS"),
    Jump("filter", "FORWARD", '-m comment --comment "two words" -j THEIRS'),
)
TABLES = {
    "filter": {
        "THEIRS": ("-m mark --mark 0x4000/0x4000 -j ACCEPT",),
        "OURS": tuple(
            f'-m comment --comment "port {n}" -m tcp -p tcp -d 10.96.0.1 --dport {n} -j THEIRS'
            for n in range(1, 11)
        ),
    },
    "nat": {
        "MARK-IT": ("-j MARK --or-mark 0x4000",),
        "CHOOSE": (
            "-m recent --name A --rcheck --seconds 7 --reap -j MARK-IT",
            "-m statistic --mode random --probability 0.3333333333 -j MARK-IT",
            "-m addrtype --dst-type LOCAL -m udp -p udp --dport 53 -j RETURN",
            "-m tcp -p tcp -j DNAT --to-destination 10.1.1.1:80",
        ),
    },
}


@pytest.fixture
def netns() -> Iterator[Netns]:
    subprocess.run(["ip", "netns", "add", "netfilter"], check=True)
    opened = Netns.open("/run/netns/netfilter", name="netfilter")
    yield opened
    opened.close()
    subprocess.run(["ip", "netns", "del", "netfilter"], check=True)


@pytest.fixture(params=list(Flavour))
def netfilter(request: pytest.FixtureRequest, netns: Netns, tmp_path: Path) -> Netfilter:
    iptables = detect(request.param)
    return Netfilter(netns, iptables=iptables, lock_file=str(tmp_path / "lock"))


async def test_what_is_written_is_read_back(netfilter: Netfilter) -> None:
    """The kernel's spelling of every rule means what was asked for."""
    await netfilter.change({}, TABLES, jumps=JUMPS)
    assert restore.drifted(await netfilter.observe(), TABLES, JUMPS) == []


async def test_a_second_look_finds_nothing_to_do(netfilter: Netfilter) -> None:
    """Applying twice equals applying once."""
    await netfilter.change({}, TABLES, jumps=JUMPS)
    observed = await netfilter.observe()
    old = restore.known(observed, TABLES, ours=lambda *_: True)
    assert restore.missing_jumps(observed, JUMPS) == []
    assert await netfilter.change(old, TABLES) == 0


async def test_small_edits_keep_the_order(netfilter: Netfilter) -> None:
    """Deleted and inserted rules leave the chain in the order that was wanted."""
    await netfilter.change({}, TABLES, jumps=JUMPS)
    rules = list(TABLES["filter"]["OURS"])
    del rules[7], rules[2]
    rules.insert(0, "-p udp -j DROP")
    rules.append("-p sctp -j DROP")
    after = {**TABLES, "filter": {**TABLES["filter"], "OURS": tuple(rules)}}
    script = "".join(restore.scripts(TABLES, after))
    assert script.count("\n") == 2 + 4, "only the four rules that differ travel"
    await netfilter.change(TABLES, after)
    assert restore.drifted(await netfilter.observe(), after, JUMPS) == []


async def test_chains_that_are_not_wanted_go(netfilter: Netfilter) -> None:
    """A chain and the rules that lead to it go in one change."""
    await netfilter.change({}, TABLES, jumps=JUMPS)
    after = {"filter": TABLES["filter"], "nat": {}}
    await netfilter.change(TABLES, after)
    assert "CHOOSE" not in (await netfilter.observe())["nat"]


async def test_foreign_rules_stay(netfilter: Netfilter) -> None:
    """Jumps go on top of a built-in chain; what others put there is not touched."""
    foreign = "*filter\n-A FORWARD -s 192.0.2.1/32 -j DROP\nCOMMIT\n"
    await netfilter.restore(foreign)
    await netfilter.change({}, TABLES, jumps=JUMPS)
    rules = (await netfilter.observe())["filter"]["FORWARD"]
    assert len(rules) == 3
    assert rules[2] == "-s 192.0.2.1/32 -j DROP"


async def test_a_refused_table_names_the_rule(netfilter: Netfilter) -> None:
    """The error shows the line that iptables only counts, and nothing was loaded."""
    bad = {"filter": {"OURS": ("-p tcp -j ACCEPT", "-m tcp -p tcp --dport 99999 -j ACCEPT")}}
    with pytest.raises(HostError, match="99999"):
        await netfilter.change({}, bad)
    assert "OURS" not in (await netfilter.observe()).get("filter", {})


async def test_somebody_elses_edit_makes_a_small_edit_fail(netfilter: Netfilter) -> None:
    """If a rule to delete is not there, the whole input is refused."""
    await netfilter.change({}, TABLES, jumps=JUMPS)
    await netfilter.restore("*filter\n-D OURS 3\nCOMMIT\n")
    rules = TABLES["filter"]["OURS"]
    after = {**TABLES, "filter": {**TABLES["filter"], "OURS": rules[:2] + rules[3:]}}
    with pytest.raises(HostError):
        await netfilter.change(TABLES, after)


async def test_many_chains_are_loaded_in_pieces(netfilter: Netfilter) -> None:
    """Leaf first and dispatch last, each piece can be loaded alone."""
    chains = {f"LEAF-{n}": ("-j RETURN",) for n in range(40)}
    tables = {"nat": {**chains, "TOP": tuple(f"-j LEAF-{n}" for n in range(40))}}
    pieces = restore.scripts({}, tables, most_chains=7)
    assert len(pieces) == 6
    for piece in pieces:
        await netfilter.restore(piece)
    assert restore.drifted(await netfilter.observe(), tables, ()) == []


async def test_nodes_do_not_wait_for_the_common_lock(netns: Netns, tmp_path: Path) -> None:
    """With a lock file of its own a node loads rules while the host's lock is held."""
    netfilter = Netfilter(netns, iptables=detect("legacy"), lock_file=str(tmp_path / "own"))
    with open("/run/xtables.lock", "w", encoding="ascii") as common:
        fcntl.flock(common, fcntl.LOCK_EX)
        await asyncio.wait_for(netfilter.change({}, TABLES), 4)


def test_auto_is_what_the_host_has() -> None:
    """`auto` resolves to the flavour that `iptables --version` names."""
    said = subprocess.run(["iptables", "--version"], capture_output=True, text=True, check=True)
    expected = Flavour.NFT if "nf_tables" in said.stdout else Flavour.LEGACY
    found = detect()
    assert found.flavour is expected
    assert found.random_fully
