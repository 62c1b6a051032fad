"""The help of every verb: it has examples, they are right, and no line of a list is cut."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import click
import pytest

from netemu import cli, plugins
from netemu.cli import _program

_WRITTEN_FOR_SHELLS = re.compile(r" \| | >|\)$|; | {2,}\S.*$")
"""Where an example goes on with what is not netemu's: a pipe, a file, a remark."""


def _commands() -> Iterator[tuple[str, click.Command]]:
    for verb in plugins.names(cli):
        command = plugins.load_one(cli, verb, "COMMAND")
        yield verb, command
        if isinstance(command, click.Group):
            yield from ((f"{verb} {name}", each) for name, each in command.commands.items())


COMMANDS = dict(_commands())


def _examples(command: click.Command) -> list[list[str]]:
    """Return the words after `netemu` of each example."""
    lines = [line.strip() for line in (command.epilog or "").splitlines()]
    found = [re.search(r"(?:^|[\s(|])netemu (\S.*)$", line) for line in lines]
    texts = [_WRITTEN_FOR_SHELLS.split(match[1])[0] for match in found if match]
    return [shlex.split(text.rstrip(")"), comments=True) for text in texts]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_examples_that_are_right(name: str) -> None:
    """Each verb has one, of itself, with options and arguments that it takes."""
    examples = _examples(COMMANDS[name])
    assert any(" ".join(words).startswith(name) for words in examples), COMMANDS[name].epilog
    for words in examples:
        _parse(_program.program, words)


def _parse(command: click.Command, words: list[str]) -> None:
    """Have click read the words as it does before a verb runs; UsageError if it cannot."""
    context = command.make_context("netemu", list(words))
    rest = [*context._protected_args, *context.args]
    if isinstance(command, click.Group) and rest:
        _, inner, more = command.resolve_command(context, rest)
        assert inner is not None
        _parse(inner, more)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_tells_all(name: str) -> None:
    """A docstring that is a sentence, and a word for each option that needs one."""
    command = COMMANDS[name]
    assert command.help
    assert re.search(r"[.:`]$", command.help.strip()), command.help
    plain = {"namespace", "output", "help"}
    options = [p for p in command.params if isinstance(p, click.Option) and p.name not in plain]
    assert [option.name for option in options if not option.help] == []


def test_no_line_of_a_list_is_cut() -> None:
    """`netemu --help` and those of groups fit 80 columns and end in no dots."""
    groups = [("", _program.program), *COMMANDS.items()]
    for name, command in groups:
        if isinstance(command, click.Group):
            context = click.Context(command, info_name=f"netemu {name}", terminal_width=80)
            listed = command.get_help(context).partition("Examples:")[0]
            assert "..." not in listed.replace("[ARGS]...", ""), listed


def test_every_verb_is_in_a_group() -> None:
    """A newcomer finds verbs by what they are about, not by the alphabet."""
    assert set(_program._ORDER) == set(plugins.names(cli))
