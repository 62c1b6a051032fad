"""The input that turns one state of tables into another, without a kernel."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from netemu.core.netfilter import restore
from netemu.core.netfilter.tables import Jump

RULES = tuple(f"-p tcp -m tcp --dport {n} -j ACCEPT" for n in range(1, 13))


def _load(state: dict, script: str) -> dict:
    """Do what iptables-restore --noflush does with our lines."""
    tables = {table: {c: list(r) for c, r in chains.items()} for table, chains in state.items()}
    chains: dict[str, list[str]] = {}
    for line in script.splitlines():
        verb, _, rest = line.partition(" ")
        if line.startswith("*"):
            chains = tables.setdefault(line[1:], {})
        elif line.startswith(":"):
            chains[verb[1:]] = []
        elif line != "COMMIT":
            chain, _, rule = rest.partition(" ")
            _edit(chains, verb, chain, rule)
    return {t: {c: tuple(r) for c, r in found.items()} for t, found in tables.items()}


def _edit(chains: dict[str, list[str]], verb: str, chain: str, rule: str) -> None:
    if verb == "-A":
        chains[chain].append(rule)
    elif verb == "-D":
        chains[chain].remove(rule)
    elif verb == "-I":
        place, _, rule = rule.partition(" ")
        assert int(place) <= len(chains[chain]) + 1, "iptables refuses a place beyond the end"
        chains[chain].insert(int(place) - 1, rule)
    else:
        assert verb == "-X"
        assert not chains[chain], "iptables refuses to delete a chain with rules"
        del chains[chain]


chains = st.dictionaries(
    st.sampled_from(["A", "B", "C", "D"]),
    st.lists(st.sampled_from(RULES), max_size=14).map(tuple),
)
states = st.dictionaries(st.sampled_from(["nat", "filter"]), chains)


@given(old=states, new=states, most=st.integers(0, 3))
def test_the_scripts_lead_from_old_to_new(old: dict, new: dict, most: int) -> None:
    """Whatever was there, what is wanted is there afterwards, in order."""
    state = old
    for script in restore.scripts(old, new, most_chains=most):
        state = _load(state, script)

    def filled(tables: dict) -> dict:
        return {table: found for table, found in tables.items() if found}

    assert filled(state) == filled(new)


@given(state=states)
def test_nothing_to_do_is_no_script(state: dict) -> None:
    """Equal states need no input at all."""
    assert restore.scripts(state, state) == []


def test_one_rule_of_many_is_one_line() -> None:
    """A new dispatch rule does not rewrite its chain."""
    more = {"nat": {"A": (*RULES[:5], "-j NEW", *RULES[5:])}}
    assert restore.scripts({"nat": {"A": RULES}}, more) == ["*nat\n-I A 6 -j NEW\nCOMMIT\n"]


def test_changed_order_rewrites_the_chain() -> None:
    """Rules that only moved cannot be expressed by few edits."""
    (script,) = restore.scripts({"nat": {"A": RULES}}, {"nat": {"A": RULES[::-1]}})
    assert script.startswith("*nat\n:A - [0:0]\n-A A ")


def test_jumps_are_inserted_in_their_order() -> None:
    """The first jump of a chain comes to stand first."""
    jumps = [Jump("nat", "OUTPUT", "-j A"), Jump("nat", "OUTPUT", "-j B")]
    (script,) = restore.scripts({}, {"nat": {"A": (), "B": ()}}, jumps=jumps)
    loaded = _load({"nat": {"OUTPUT": ("-j MINE",)}}, script)
    assert loaded["nat"]["OUTPUT"] == ("-j A", "-j B", "-j MINE")


def test_a_jump_may_come_last() -> None:
    """What must not overrule others is appended."""
    jumps = [Jump("nat", "OUTPUT", "-j A", last=True)]
    (script,) = restore.scripts({}, {"nat": {"A": ()}}, jumps=jumps)
    assert _load({"nat": {"OUTPUT": ("-j MINE",)}}, script)["nat"]["OUTPUT"] == ("-j MINE", "-j A")


def test_known_keeps_what_is_right_and_ours() -> None:
    """A right chain is kept, a changed one rewritten, a stale one deleted, others' left alone."""
    observed = {
        "nat": {
            "OUTPUT": ("-j SAME",),
            "SAME": ("-j MARK --set-xmark 0x4000/0x4000",),
            "CHANGED": ("-j DROP",),
            "KUBE-STALE": ("-j SAME",),
            "MINE": ("-j DROP",),
        }
    }
    wanted = {"nat": {"SAME": ("-j MARK --or-mark 0x4000",), "CHANGED": ("-j ACCEPT",)}}
    old = restore.known(observed, wanted, ours=lambda _, chain: chain.startswith("KUBE-"))
    assert restore.scripts(old, wanted) == [
        "*nat\n:CHANGED - [0:0]\n:KUBE-STALE - [0:0]\n-A CHANGED -j ACCEPT\n-X KUBE-STALE\nCOMMIT\n"
    ]


def test_drift_names_the_chains() -> None:
    """What is lost is told by table and chain; a lost jump by the chain it stood in."""
    wanted = {"nat": {"A": RULES, "B": ()}}
    jumps = [Jump("nat", "OUTPUT", "-j A")]
    whole = {"nat": {"A": RULES, "B": (), "OUTPUT": ("-j A",)}}
    assert restore.drifted(whole, wanted, jumps) == []
    assert restore.drifted({"nat": {"A": RULES[1:]}}, wanted, jumps) == [
        "nat/A",
        "nat/B",
        "nat/OUTPUT",
    ]
