"""Tables, chains and rules of iptables as plain data.

A rule is the text that stands behind `-A CHAIN` in iptables-restore's input, for
that is the field's own notation: it is what people read on a node, and rendering
it costs nothing. `rule.parse` turns it into its parts where parts are needed:
to compare rules that iptables spells differently, and to walk packets through them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Rules = tuple[str, ...]
Chains = Mapping[str, Rules]
"""Chain name → rules. Where a mode makes them, the order is leaf first: a chain
jumps only to chains before it, so that any prefix of them can be loaded alone."""
Tables = Mapping[str, Chains]
"""Table name (`nat`, `filter`, `mangle`) → chains."""

BUILT_IN = frozenset({"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"})


@dataclass(frozen=True, slots=True)
class Jump:
    """A rule in a built-in chain, which belongs to everybody: it is added, never flushed."""

    table: str
    chain: str
    rule: str
    last: bool = False
    """Behind everybody else's rules, not before them: for what accepts by and large."""


def with_jumps(tables: Tables, jumps: tuple[Jump, ...]) -> dict[str, dict[str, Rules]]:
    """Return the tables with their built-in chains, as they look on a clean host."""
    whole = {table: dict(chains) for table, chains in tables.items()}
    for jump in jumps:
        chains = whole.setdefault(jump.table, {})
        chains[jump.chain] = (*chains.get(jump.chain, ()), jump.rule)
    return whole
