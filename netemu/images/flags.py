"""Commands with flags as Go programs have them: `--port=80`, `--port 80`, `-t 5`, `--udp`.

A `Command` says what it does and which flags it takes; from that come its help, and what
is said of a flag that it has not or of a value that cannot be, as cobra says it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

_DURATION = re.compile(r"([0-9]*\.?[0-9]+)(ns|us|µs|ms|s|m|h)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_SWITCH = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}


class UsageError(Exception):
    """The arguments cannot be; the text says why."""


class HelpAsked(Exception):  # noqa: N818 - nothing went wrong.
    """`--help` was among them."""


class Flag:
    """One flag; the type of its default is the type of its values."""

    __slots__ = ("default", "duration", "help", "short")

    def __init__(
        self, default: str | float | bool, help: str, *, short: str = "", duration: bool = False
    ) -> None:
        self.default = default
        self.help = help
        self.short = short
        self.duration = duration
        """Its values are as `1m30s`; the default is in seconds."""

    @property
    def kind(self) -> str:
        if self.duration:
            return "duration"
        return {bool: "", int: "int", str: "string"}[type(self.default)]

    def parse(self, text: str) -> str | float | bool:
        """Return a value of the flag's type; ValueError if there is none."""
        if self.duration:
            return seconds(text)
        if isinstance(self.default, bool):
            if text.lower() not in _SWITCH:
                raise ValueError(f'strconv.ParseBool: parsing "{text}": invalid syntax')
            return _SWITCH[text.lower()]
        if isinstance(self.default, int):
            if not re.fullmatch(r"[-+]?[0-9]+", text):
                raise ValueError(f'strconv.ParseInt: parsing "{text}": invalid syntax')
            return int(text)
        return text


class Flags:
    """The values that were given, or else the defaults."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, str | float | bool]) -> None:
        self._values = values

    def text(self, name: str) -> str:
        return str(self._values[name])

    def number(self, name: str) -> int:
        return int(self._values[name])

    def seconds(self, name: str) -> float:
        return float(self._values[name])

    def on(self, name: str) -> bool:
        return bool(self._values[name])


class Command:
    """What people can call by one word."""

    __slots__ = ("arguments", "does", "flags", "most", "run")

    def __init__(
        self,
        does: str,
        run: Callable[[Flags, list[str]], int],
        flags: Mapping[str, Flag] | None = None,
        *,
        arguments: str = "",
        most: int = 0,
    ) -> None:
        """`most` is how many arguments it takes beside its flags; -1: all that come, unread."""
        self.does = does
        self.run = run
        self.flags = flags or {}
        self.arguments = arguments
        self.most = most

    def parse(self, args: Sequence[str]) -> tuple[Flags, list[str]]:
        """Return the flags and the other arguments; UsageError or HelpAsked."""
        values = {name: flag.default for name, flag in self.flags.items()}
        if self.most < 0:
            return Flags(values), list(args)
        rest: list[str] = []
        words = iter(args)
        for word in words:
            if word == "--":
                rest += words
            elif word.startswith("-") and word != "-":
                self._note(word, words, values)
            else:
                rest.append(word)
        if len(rest) > self.most:
            raise UsageError(f"accepts at most {self.most} arg(s), received {len(rest)}")
        return Flags(values), rest

    def _note(self, word: str, words: Iterator[str], values: dict[str, str | float | bool]) -> None:
        given, equals, text = word.lstrip("-").partition("=")
        if given in ("help", "h"):
            raise HelpAsked
        name = given if word.startswith("--") else self._named(given)
        if name not in self.flags:
            dashes = "--" if word.startswith("--") else "-"
            raise UsageError(f"unknown flag: {dashes}{given}")
        flag = self.flags[name]
        if not equals:
            more = "true" if isinstance(flag.default, bool) else next(words, None)
            if more is None:
                raise UsageError(f"flag needs an argument: --{name}")
            text = more
        try:
            values[name] = flag.parse(text)
        except ValueError as error:
            what = f'invalid argument "{text}" for "--{name}" flag'
            raise UsageError(f"{what}: {error}") from None

    def _named(self, short: str) -> str:
        """Return the flag of a short name; Go's own `flag` takes `-port`, too."""
        named = [name for name, flag in self.flags.items() if flag.short == short]
        return named[0] if named else short

    def usage(self, name: str) -> str:
        """Return how it is called, and its flags."""
        words = [name, self.arguments, "[flags]" if self.most >= 0 else ""]
        lines = ["Usage:", f"  app {' '.join(filter(None, words))}", "", "Flags:"]
        rows = [_row(name, flag) for name, flag in sorted(self.flags.items())]
        rows.append(("  -h, --help", f"help for {name}"))
        width = max(len(left) for left, _ in rows) + 3
        lines += [left.ljust(width) + right for left, right in rows]
        return "\n".join(lines) + "\n"


def _row(name: str, flag: Flag) -> tuple[str, str]:
    short = f"-{flag.short}, " if flag.short else "    "
    default = f"{flag.default:g}s" if flag.duration else str(flag.default)
    shown = "" if flag.default in ("", False, 0) else f" (default {default.lower()})"
    return f"  {short}--{name} {flag.kind}".rstrip(), flag.help + shown


def seconds(text: str) -> float:
    """Return a Go duration (`1m30s`, `100ms`) or a bare number in seconds."""
    if not text:
        return 0.0
    if re.fullmatch(r"[0-9]*\.?[0-9]+", text):
        return float(text)
    parts = _DURATION.findall(text)
    if "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"invalid duration {text!r}")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)
