"""What `iptables-save` prints, as tables."""

from __future__ import annotations

import re

from netemu.core.netfilter.rule import parse, same_rule
from netemu.core.netfilter.tables import Rules, Tables

_COUNTERS = re.compile(r"^\[\d+:\d+\] ")


def parse_save(text: str) -> dict[str, dict[str, Rules]]:
    """Read all tables, with the built-in chains; policies and counters are left out."""
    tables: dict[str, dict[str, list[str]]] = {}
    chains: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("*"):
            chains = tables.setdefault(line[1:].strip(), {})
        elif line.startswith(":"):
            chains.setdefault(line[1:].partition(" ")[0], [])
        elif line.startswith(("-A ", "[")):
            _, chain, rule = _COUNTERS.sub("", line).split(" ", 2)
            chains.setdefault(chain, []).append(rule)
    return {
        table: {chain: tuple(rules) for chain, rules in found.items()}
        for table, found in tables.items()
    }


def same_rules(one: Rules, other: Rules) -> bool:
    """Do the chains mean the same, however their rules are spelt?"""
    return len(one) == len(other) and all(map(same_rule, one, other))


def normalised(tables: Tables) -> dict[str, dict[str, tuple[object, ...]]]:
    """Return the tables with parsed rules, for comparing them as a whole."""
    return {
        table: {chain: tuple(parse(rule) for rule in rules) for chain, rules in chains.items()}
        for table, chains in tables.items()
    }
