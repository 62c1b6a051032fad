"""One rule taken apart, in the one form that all its spellings share.

`iptables-save` does not print what was put in: addresses gain their mask,
`--or-mark` becomes `--set-xmark`, probabilities are rounded to what the kernel
keeps, defaults appear (kube-proxy.md, 1.5). Two rules mean the same exactly if
`parse` returns equal values for them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network

Network = IPv4Network | IPv6Network
Value = str | int | frozenset[str] | tuple[int, int]

_TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"|(\S+)')
_ESCAPED = re.compile(r"\\(.)")
_PROTOCOL_NAMES = {"6": "tcp", "17": "udp", "132": "sctp", "1": "icmp"}
_PROTOCOL_MATCHES = frozenset({"tcp", "udp", "sctp"})
_LONG = {
    "-s": "--source",
    "--src": "--source",
    "-d": "--destination",
    "--dst": "--destination",
    "-p": "--protocol",
    "-i": "--in-interface",
    "-o": "--out-interface",
    "-m": "--match",
    "-j": "--jump",
    "-g": "--goto",
    "--sports": "--source-ports",
    "--source-port": "--sport",
    "--destination-port": "--dport",
}
_RANDOM_SCALE = 1 << 31
"""xt_statistic keeps a probability as a 31-bit fraction."""


@dataclass(frozen=True, slots=True)
class Option:
    """`--dport 80`, `! --mark 0x4000/0x4000`, `--reap`."""

    name: str
    value: Value = ""
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Match:
    """`-m NAME` with its options. Their order means nothing."""

    name: str
    options: frozenset[Option]

    def option(self, name: str) -> Option | None:
        return next((option for option in self.options if option.name == name), None)


@dataclass(frozen=True, slots=True)
class Where:
    """A source or destination; `negated` for `! -s`."""

    network: Network
    negated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule's parts. What it says is compared, how it was spelt is not."""

    source: Where | None = None
    destination: Where | None = None
    protocol: str = ""
    in_link: Option | None = None
    out_link: Option | None = None
    matches: tuple[Match, ...] = ()
    comment: str = ""
    target: str = ""
    target_options: frozenset[Option] = frozenset()
    text: str = field(default="", compare=False)


@lru_cache(maxsize=4096)
def parse(text: str) -> Rule:
    """Take apart what stands behind `-A CHAIN`."""
    rule = _Draft()
    for token in _options(text):
        rule.take(token)
    return rule.finished(text)


@lru_cache(maxsize=1 << 18)
def same_rule(one: str, other: str) -> bool:
    """Do two texts say the same? What was once found is remembered, for all nodes."""
    return one == other or parse.__wrapped__(one) == parse.__wrapped__(other)


def _options(text: str) -> Iterator[Option]:
    """Yield each option with its value: `! -s 10.0.0.0/8` is one of them."""
    negated = False
    name: str | None = None
    values: list[str] = []
    was_negated = False
    for found in _TOKEN.finditer(text):
        quoted, bare = found.groups()
        if bare == "!":
            negated = True
        elif bare is not None and bare.startswith("-") and len(bare) > 1:
            if name is not None:
                yield Option(name, " ".join(values), was_negated)
            name, values, was_negated, negated = _LONG.get(bare, bare), [], negated, False
        else:
            values.append(_ESCAPED.sub(r"\1", quoted) if quoted is not None else bare)
    if name is not None:
        yield Option(name, " ".join(values), was_negated)


class _Draft:
    """A rule while its options are read one after the other."""

    def __init__(self) -> None:
        self._head: dict[str, Option] = {}
        self._matches: list[tuple[str, list[Option]]] = []
        self._target = ""
        self._target_options: list[Option] = []
        self._comment = ""

    def take(self, option: Option) -> None:
        if option.name == "--match":
            self._matches.append((str(option.value), []))
        elif option.name in ("--jump", "--goto"):
            self._target = str(option.value)
            if option.name == "--goto":
                self._target_options.append(Option("--goto"))
        elif option.name in _HEAD:
            self._head[option.name] = option
        elif option.name == "--comment":
            self._comment = str(option.value)
        elif self._target:
            self._target_options.append(_canonical(self._target, option))
        elif self._matches:
            name, options = self._matches[-1]
            options.append(_canonical(name, option))
        else:
            # iptables lets `-p tcp --dport 80` stand for `-p tcp -m tcp --dport 80`.
            protocol = self._head.get("--protocol")
            name = str(protocol.value) if protocol else ""
            self._matches.append((name, [_canonical(name, option)]))

    def finished(self, text: str) -> Rule:
        protocol = str(self._head.get("--protocol", _NONE).value)
        return Rule(
            source=_where(self._head.get("--source")),
            destination=_where(self._head.get("--destination")),
            protocol=_PROTOCOL_NAMES.get(protocol, "" if protocol == "all" else protocol),
            in_link=self._head.get("--in-interface"),
            out_link=self._head.get("--out-interface"),
            matches=tuple(_finished_matches(self._matches)),
            comment=self._comment,
            target=self._target,
            target_options=frozenset(self._target_options) | _target_defaults(self),
            text=text,
        )

    @property
    def rejects_by_default(self) -> bool:
        return self._target == "REJECT" and not self._target_options


_HEAD = frozenset({"--source", "--destination", "--protocol", "--in-interface", "--out-interface"})
_NONE = Option("")
_RECENT_DEFAULTS = (Option("--mask", "255.255.255.255"), Option("--rsource"))


def _finished_matches(drafts: list[tuple[str, list[Option]]]) -> Iterator[Match]:
    for name, options in drafts:
        if name == "comment" or (name in _PROTOCOL_MATCHES and not options):
            continue  # The comment is kept apart; an empty `-m tcp` says what `-p tcp` says.
        if name == "recent":
            options = [*options, *_RECENT_DEFAULTS]  # noqa: PLW2901 - the same, completed
        yield Match(name, frozenset(options))


def _target_defaults(draft: _Draft) -> frozenset[Option]:
    if draft.rejects_by_default:
        return frozenset({Option("--reject-with", "icmp-port-unreachable")})
    return frozenset()


def _where(option: Option | None) -> Where | None:
    if option is None:
        return None
    network = ip_network(str(option.value), strict=False)
    if network.prefixlen == 0 and not option.negated:
        return None  # Everything: iptables-save leaves it out.
    return Where(network, option.negated)


def _canonical(owner: str, option: Option) -> Option:
    """Return the option in the form in which the kernel keeps it."""
    value = str(option.value)
    match option.name:
        case "--or-mark":
            mark = int(value, 0)
            return Option("--set-xmark", (mark, mark))
        case "--xor-mark":
            return Option("--set-xmark", (int(value, 0), 0))
        case "--and-mark":
            return Option("--set-xmark", (0, int(value, 0) ^ 0xFFFFFFFF))
        case "--set-mark" if owner == "MARK":
            mark, mask = _mark(value)
            return Option("--set-xmark", (mark, mark | mask))
        case "--set-xmark" | "--mark":
            return Option(option.name, _mark(value), option.negated)
        case "--probability":
            return Option(option.name, round(float(value) * _RANDOM_SCALE), option.negated)
        case "--ctstate" | "--ctstatus":
            return Option(option.name, frozenset(value.split(",")), option.negated)
        case _:
            return option


def _mark(text: str) -> tuple[int, int]:
    mark, _, mask = text.partition("/")
    return int(mark, 0), int(mask, 0) if mask else 0xFFFFFFFF
