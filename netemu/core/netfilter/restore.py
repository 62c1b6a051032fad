"""The input of `iptables-restore --noflush` that turns one state of tables into another.

A chain that is equal is not mentioned. One that differs in a few rules out of many
gets `-D` and `-I` lines; any other is declared, which flushes it, and written anew.
A chain that is no longer wanted is flushed and deleted. So a changed endpoint costs
a handful of lines however many Services there are, and the counters of all other
rules live on.

One table of one input is one transaction. The nft flavour needs quadratic time for
many new chains in one, so a large change is cut into several inputs: since chains
come leaf first and the dispatch chains last, each of them can be loaded alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from netemu.core.netfilter.rule import parse
from netemu.core.netfilter.save import same_rules
from netemu.core.netfilter.tables import BUILT_IN, Chains, Jump, Rules, Tables

_REWRITE_BELOW = 6
"""A chain this short is rewritten: cheaper than finding its rules again."""
_EDITS_MOST = 64
"""Each `-D` and `-I` makes iptables search the chain."""

Edit = tuple[str, Rules]
"""Lines that change one chain: (declaration or "", other lines)."""


def scripts(
    old: Tables, new: Tables, *, jumps: Iterable[Jump] = (), most_chains: int = 0
) -> list[str]:
    """Return the inputs, to be run in order; none if there is nothing to do.

    `jumps` are inserted at the top of built-in chains, in their order, or appended to
    them. With `most_chains` no input but the last touches more chains than that.
    """
    inserts = _insert_lines(jumps)
    parts: list[str] = []
    last: list[str] = []
    for table in dict.fromkeys([*new, *old, *inserts]):
        edits, doomed = _edits(old.get(table, {}), new.get(table, {}))
        while most_chains and len(edits) > most_chains:
            parts.append(_table(table, edits[:most_chains]))
            edits = edits[most_chains:]
        if edits or doomed or table in inserts:
            last.append(_table(table, edits, doomed, inserts.get(table, ())))
    return [*parts, "".join(last)] if last else parts


def known(observed: Tables, wanted: Tables, *, ours: Callable[[str, str], bool]) -> Tables:
    """Return what of the observed tables can be the `old` of a change to `wanted`.

    Chains that mean what is wanted count as being just that; our own stale ones are
    kept, to be deleted; a chain that somebody changed counts as missing, and is
    therefore written anew.
    """
    found: dict[str, dict[str, Rules]] = {}
    for table, chains in observed.items():
        aims = wanted.get(table, {})
        kept = found.setdefault(table, {})
        for chain, rules in chains.items():
            if chain in aims:
                if same_rules(rules, aims[chain]):
                    kept[chain] = aims[chain]
            elif chain not in BUILT_IN and ours(table, chain):
                kept[chain] = rules
    return found


def missing_jumps(observed: Tables, jumps: Iterable[Jump]) -> list[Jump]:
    """Return the jumps that the built-in chains lack."""
    there: dict[tuple[str, str], set[object]] = {}

    def rules_of(jump: Jump) -> set[object]:
        place = (jump.table, jump.chain)
        if place not in there:
            there[place] = {
                parse(rule) for rule in observed.get(jump.table, {}).get(jump.chain, ())
            }
        return there[place]

    return [jump for jump in jumps if parse(jump.rule) not in rules_of(jump)]


def drifted(observed: Tables, wanted: Tables, jumps: Iterable[Jump]) -> list[str]:
    """Return what the kernel should hold and does not, as `table/CHAIN`."""
    chains = [
        f"{table}/{chain}"
        for table, aims in wanted.items()
        for chain, rules in aims.items()
        if not _holds(observed, table, chain, rules)
    ]
    lost = dict.fromkeys(f"{j.table}/{j.chain}" for j in missing_jumps(observed, jumps))
    return [*chains, *lost]


def _holds(observed: Tables, table: str, chain: str, rules: Rules) -> bool:
    found = observed.get(table, {}).get(chain)
    return found is not None and same_rules(found, rules)


def _insert_lines(jumps: Iterable[Jump]) -> dict[str, list[str]]:
    lines: dict[str, list[str]] = {}
    places: dict[tuple[str, str], int] = {}
    for jump in jumps:
        if jump.last:
            lines.setdefault(jump.table, []).append(f"-A {jump.chain} {jump.rule}")
            continue
        place = places[jump.table, jump.chain] = places.get((jump.table, jump.chain), 0) + 1
        lines.setdefault(jump.table, []).append(f"-I {jump.chain} {place} {jump.rule}")
    return lines


def _edits(old: Chains, new: Chains) -> tuple[list[Edit], list[str]]:
    edits = [
        edit
        for chain, rules in new.items()
        if (edit := _edit(chain, old.get(chain), rules)) is not None
    ]
    return edits, [chain for chain in old if chain not in new]


def _edit(chain: str, old: Rules | None, new: Rules) -> Edit | None:
    if old is new or old == new:
        return None
    if old is not None and len(old) >= _REWRITE_BELOW:
        lines = _few_edits(chain, old, new)
        if lines is not None:
            return "", lines
    return f":{chain} - [0:0]", tuple(f"-A {chain} {rule}" for rule in new)


def _few_edits(chain: str, old: Rules, new: Rules) -> Rules | None:
    """Return `-D` and `-I` lines, or None if rewriting is better or the only way.

    Deleting is by rule, not by number: if the chain is not what we think, the whole
    input fails, and nothing of somebody else's is deleted.
    """
    before, after = set(old), set(new)
    if len(before) < len(old) or len(after) < len(new):
        return None  # Equal rules: which one to delete is anybody's guess.
    gone = [rule for rule in old if rule not in after]
    added = [(place, rule) for place, rule in enumerate(new, 1) if rule not in before]
    if len(gone) + len(added) > min(_EDITS_MOST, len(new)):
        return None
    if [rule for rule in old if rule in after] != [rule for rule in new if rule in before]:
        return None  # The order changed.
    return (
        *(f"-D {chain} {rule}" for rule in gone),
        *(f"-I {chain} {place} {rule}" for place, rule in added),
    )


def _table(
    table: str, edits: list[Edit], doomed: Iterable[str] = (), inserts: Iterable[str] = ()
) -> str:
    lines = [f"*{table}"]
    lines += [declaration for declaration, _ in edits if declaration]
    lines += [f":{chain} - [0:0]" for chain in doomed]
    for _, rules in edits:
        lines += rules
    lines += inserts
    lines += [f"-X {chain}" for chain in doomed]
    lines.append("COMMIT\n")
    return "\n".join(lines)


def render(tables: Tables, *, jumps: Iterable[Jump] = ()) -> str:
    """Return the whole of the tables in one input, as for an empty kernel."""
    return "".join(scripts({}, tables, jumps=jumps))
