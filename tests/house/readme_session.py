"""README.md as a session: its ```console blocks, played in order and compared loosely.

In a block, a line that starts with `$ ` is a command (a `\\` at its end continues it) and
the lines below are what it printed. Loosely means: each of these lines has to come, in
this order, with others between them if need be; a word that has a digit in it (an
address, a hash, an age) stands for any word; a line `…` stands for lines left out.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

_MARK = "=== readme ==="


@dataclass(frozen=True, slots=True)
class Command:
    """One command and what README says that it prints."""

    line: int
    text: str
    expected: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the command really did."""

    exit_code: int
    printed: tuple[str, ...]


def read_commands(text: str) -> list[Command]:
    """Return the commands of all console blocks, in order."""
    commands = []
    for block in re.finditer(r"^```console\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        line = text.count("\n", 0, block.start(1)) + 1
        commands += _read_block(line, block[1].splitlines())
    return commands


def _read_block(first_line: int, lines: list[str]) -> list[Command]:
    starts = [index for index, line in enumerate(lines) if line.startswith("$ ")]
    found = []
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        rest = lines[start:end]
        text = rest.pop(0)[2:]
        while text.endswith("\\"):
            text = f"{text[:-1]}{rest.pop(0).strip()}"
        found.append(Command(first_line + start, text, tuple(line for line in rest if line)))
    return found


def play(
    commands: list[Command],
    *,
    folder: Path,
    environment: dict[str, str],
    within_s: float,
    inside: tuple[str, ...] = (),
) -> list[Outcome]:
    """Run the commands in one shell, without their `sudo`; the outcomes of those that ran.

    `inside` is a command that runs the shell in a place of its own.
    """
    script = "\n".join(
        f"{re.sub(r'(^|[|;&(] *)sudo ', lambda found: found[1], command.text)}\n"
        f'printf "\\n{_MARK} %d\\n" $?'
        for command in commands
    )
    done = subprocess.run(
        [*inside, "bash", "-c", f"exec 2>&1\n{script}"],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        timeout=within_s,
        check=False,
    )
    pieces = re.split(rf"\n{_MARK} (\d+)\n", done.stdout)
    return [
        Outcome(int(code), tuple(printed.splitlines()))
        for printed, code in zip(pieces[::2], pieces[1::2], strict=False)
    ]


def missing_line(expected: tuple[str, ...], printed: tuple[str, ...]) -> str | None:
    """Return the first expected line that did not come in its turn, None if all came."""
    rest = iter(printed)
    for line in expected:
        if line.strip() != "…" and not any(_same(line, candidate) for candidate in rest):
            return line
    return None


def _same(expected: str, printed: str) -> bool:
    wanted, seen = expected.split(), printed.split()
    return len(wanted) == len(seen) and all(
        re.search(r"\d", word) or word == other for word, other in zip(wanted, seen, strict=True)
    )
