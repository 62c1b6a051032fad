"""The command line: verbs loaded when they are typed, errors said in one sentence.

Exit codes: 0 done, 1 the thing asked for failed, 2 wrong usage or input, 3 the host
lacks something.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from netemu import __version__, cli, plugins
from netemu.errors import ApiError, HostError, MissingFacility, UserError

_GROUPS = {
    # As people meet them.
    "Clusters": "demo up status stop start down node",
    "Objects and pods": "apply get delete exec logs shell",
    "Scenarios": "run vm",
    "This host": "doctor bench completion uninstall",
}
_ORDER = " ".join(_GROUPS.values()).split()


class VerbGroup(click.Group):
    """Finds a verb in the file of its name; nothing else is imported."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        found = plugins.names(cli)
        return [v for v in _ORDER if v in found] + [v for v in found if v not in _ORDER]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs in groups, each with its one line."""
        there = self.list_commands(ctx)
        groups = {
            title: [v for v in words.split() if v in there] for title, words in _GROUPS.items()
        }
        groups["More"] = [verb for verb in there if verb not in _ORDER]
        width = max(map(len, there))
        for title, verbs in groups.items():
            rows = [
                (f"{v:<{width}}", self._line_of(ctx, v, formatter.width - width - 6)) for v in verbs
            ]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)

    def _line_of(self, ctx: click.Context, verb: str, limit: int) -> str:
        try:
            command = self.get_command(ctx, verb)
        except Exception as error:
            # The others can be used all the same; whoever types this one sees the traceback.
            return f"cannot be loaded: {error}"
        assert command is not None
        return command.get_short_help_str(limit)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        try:
            command = plugins.load_one(cli, cmd_name, "COMMAND")
        except KeyError:
            return None
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Answer an unknown verb with the nearest one that exists."""
        if args and not args[0].startswith("-") and args[0] not in plugins.names(cli):
            import difflib

            near = difflib.get_close_matches(args[0], plugins.names(cli), n=1)
            hint = f'did you mean "{near[0]}"?' if near else "'netemu --help' lists them"
            raise click.UsageError(f'no verb "{args[0]}": {hint}', ctx=ctx)
        return super().resolve_command(ctx, args)


@click.group(
    cls=VerbGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="'netemu VERB --help' has examples; most verbs need sudo.",
)
@click.version_option(__version__, message="netemu %(version)s")
def program() -> None:
    """Kubernetes networking on one Linux host, made of real parts."""


def main(argv: Sequence[str] | None = None) -> None:
    """Run one verb and exit with the code that says how it went."""
    try:
        code = program.main(args=argv, prog_name="netemu", standalone_mode=False)
    except click.exceptions.Exit as done:
        code = done.exit_code
    except click.ClickException as error:
        code = _say_usage(error)
    except (KeyboardInterrupt, click.Abort) as interruption:
        # click wraps the one in the other.
        code = getattr(interruption.__cause__ or interruption, "exit_code", 130)
    except BrokenPipeError:
        # Whoever read our output (head, less) has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except UserError as error:
        code = _say(error, 2)
    except MissingFacility as error:
        code = _say(error, 3)
    except (ApiError, HostError) as error:
        code = _say(error, 1)
    except BaseExceptionGroup as group:
        code = _say_group(group)
    sys.exit(code if isinstance(code, int) else 0)


def _say_usage(error: click.ClickException) -> int:
    """Say what click says, but in our name."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is not None:
        print(context.get_usage(), file=sys.stderr)
        print(f"'{context.command_path} --help' says more.\n", file=sys.stderr)
    print(f"netemu: {error.format_message()}", file=sys.stderr)
    return 2


def _say(error: Exception, code: int) -> int:
    print(f"netemu: {error}", file=sys.stderr)
    return code


def _say_group(group: BaseExceptionGroup[BaseException]) -> int:
    """A task group wraps what went wrong in one of its tasks: say that one."""
    deliberate, rest = group.split((UserError, MissingFacility, ApiError, HostError))
    if deliberate is None or rest is not None:
        raise group
    error: BaseException = deliberate
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, Exception)
    codes = {UserError: 2, MissingFacility: 3}
    return _say(error, codes.get(type(error), 1))
