"""`netemu completion`: the script that has a shell complete netemu's words."""

from __future__ import annotations

import click

_BEHIND_SUDO = """
# Without the package bash-completion nobody completes what follows sudo.
if ! complete -p sudo >/dev/null 2>&1 && ! declare -F _completion_loader >/dev/null; then
    _netemu_behind_sudo() {
        case ${COMP_WORDS[1]-} in
            netemu|*/netemu) [ "$COMP_CWORD" -gt 1 ] || return ;;
            *) return ;;
        esac
        COMP_WORDS=("${COMP_WORDS[@]:1}")
        COMP_CWORD=$((COMP_CWORD - 1))
        _netemu_completion "${COMP_WORDS[0]}"
    }
    complete -o default -o nosort -F _netemu_behind_sudo sudo
fi
"""


@click.command(
    short_help="Print a script with which Tab completes netemu's words.",
    epilog="""\b
Examples:
  source <(netemu completion bash)                      in this shell only
  netemu completion bash | sudo tee /etc/bash_completion.d/netemu
  netemu completion zsh > "${fpath[1]}/_netemu"
  netemu completion fish > ~/.config/fish/completions/netemu.fish
""",
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print a script with which Tab completes verbs, options, clusters, nodes, pods, kinds.

    Have your shell read it each time it starts: `source <(netemu completion bash)` in
    ~/.bashrc, `source <(netemu completion zsh)` in ~/.zshrc. It needs `netemu` on the
    PATH ('./netemu.sh link'), and completes 'sudo netemu', too.
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    program = context.find_root().command
    script = kind(program, {}, "netemu", "_NETEMU_COMPLETE").source()
    click.echo(script + (_BEHIND_SUDO if shell == "bash" else ""))


COMMAND = completion
