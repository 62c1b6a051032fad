"""`netemu doctor`: is all there that netemu needs, and is a cluster well?"""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from netemu.cli._options import cluster_argument, need_root, output_option

if TYPE_CHECKING:
    from netemu.core.doctor.findings import Finding

_WIDEST = 80
_COLUMN = 19
_MARKS = {
    "ok": ("✓", "green"),
    "missing": ("✗", "red"),
    "absent": ("–", "yellow"),
    "note": ("!", "yellow"),
    "unknown": ("?", "yellow"),
}
_HEADINGS = {
    "missing": "Missing",
    "unknown": "Not tried",
    "note": "Worth knowing",
    "absent": "Absent, and not needed for most things",
}


@click.command(
    short_help="Look for what this host lacks or what ails a cluster.",
    epilog="""\b
Examples:
  sudo netemu doctor                 this host
  netemu doctor                      without root: as far as that goes
  sudo netemu doctor netemu          a cluster: each part, and what its API says
  sudo netemu doctor --verbose       what is fine, too, each with a line of its own
  sudo netemu doctor -o json | jq -r '.checks[] | select(.verdict == "missing") | .remedy'
""",
)
@cluster_argument
@click.option("-v", "--verbose", is_flag=True, help="A line for what is fine, too.")
@output_option
def doctor(name: str, verbose: bool, output: str) -> int:
    """Look at this host, or at one cluster: what is missing, and what follows.

    On the host everything is tried in a namespace that is thrown away; nothing is
    changed. Exit code 3 means that something is missing without which no cluster can
    run; 1 that the named cluster is not well. docs/troubleshooting.md has more.
    """
    from netemu.core.doctor.findings import Verdict

    findings = _of_cluster(name) if name else _of_host()
    missing = [finding for finding in findings if finding.verdict is Verdict.MISSING]
    if output == "json":
        import msgspec

        state = {"cluster": name, "well": not missing} if name else {"ready": not missing}
        document = {**state, "checks": findings}
        click.echo(msgspec.json.format(msgspec.json.encode(document)).decode())
    else:
        _show_all(findings, verbose=verbose)
        click.echo(f"\n{_sum_up_cluster(name, findings) if name else _sum_up(findings)}")
    return (1 if name else 3) if missing else 0


def _of_host() -> list[Finding]:
    from netemu.core.doctor.catalogue import CATALOGUE
    from netemu.core.doctor.findings import judge
    from netemu.host.doctor.examination import examine

    return judge(CATALOGUE, examine())


def _of_cluster(name: str) -> list[Finding]:
    need_root(f"doctor {name}")
    from netemu.cluster.health import examine
    from netemu.core.doctor.findings import judge
    from netemu.core.doctor.health import checks_of
    from netemu.host import clusters

    if name not in clusters.known():
        clusters.load_settings(name)  # Says which there are.
    return judge(checks_of(name), examine(name))


# --- what a person reads -----------------------------------------------------


def _show_all(findings: list[Finding], *, verbose: bool) -> None:
    """What needs attention first, then what is fine, in brief."""
    for verdict, heading in _HEADINGS.items():
        chosen = [finding for finding in findings if finding.verdict == verdict]
        if chosen:
            click.secho(f"{heading}:", bold=True)
        for finding in chosen:
            _show(finding)
    fine = [finding for finding in findings if finding.verdict == "ok"]
    if fine:
        click.secho("Fine:", bold=True)
    if verbose:
        for finding in fine:
            _show(finding)
    else:
        _show_briefly(fine)


def _show(finding: Finding) -> None:
    mark, colour = _MARKS[finding.verdict]
    lead = f"{finding.name:<{_COLUMN}}" if finding.detail else finding.name
    first, *more = _wrapped(lead + finding.detail, " " * 3, " " * (_COLUMN + 3))
    click.echo(f"{click.style(f' {mark} ', fg=colour)}{first[3:]}")
    if finding.verdict not in ("ok", "unknown"):
        more += _wrapped(f"{finding.why}. {finding.remedy}", " " * 6, " " * 6)
        more.append(f"      {finding.page}")
    for line in more:
        click.echo(line)


def _show_briefly(fine: Iterable[Finding]) -> None:
    groups: dict[str, list[str]] = {}
    for finding in fine:
        groups.setdefault(finding.group, []).append(finding.name)
    mark = click.style(" ✓ ", fg="green")
    for group, names in groups.items():
        lead = f"{group + ':':<{_COLUMN}}" if group else ""
        lines = _wrapped(lead + ", ".join(names), " " * 3, " " * (3 + len(lead)))
        click.echo(mark + "\n".join(lines)[3:])


def _wrapped(text: str, first: str, others: str) -> list[str]:
    # A pipe is wrapped as well: the lines of a log are read by people.
    width = min(_WIDEST, shutil.get_terminal_size().columns) if sys.stdout.isatty() else _WIDEST
    return textwrap.wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=others,
        break_on_hyphens=False,
        break_long_words=False,
        replace_whitespace=False,
    )


def _sum_up(findings: list[Finding]) -> str:
    missing = [finding.name for finding in findings if finding.verdict == "missing"]
    unknown = [finding.name for finding in findings if finding.verdict == "unknown"]
    if missing:
        return f"no cluster can run here: {', '.join(missing)} missing"
    if unknown:
        return f"nothing is missing as far as can be seen; not tried: {', '.join(unknown)}"
    return "all that netemu needs is there"


def _sum_up_cluster(name: str, findings: list[Finding]) -> str:
    bad = [finding.name for finding in findings if finding.verdict == "missing"]
    noted = [finding.name for finding in findings if finding.verdict in ("note", "unknown")]
    if bad:
        return f'cluster "{name}" is not well: {", ".join(bad)}'
    return f'cluster "{name}" is well' + (f", but: {', '.join(noted)}" if noted else "")


COMMAND = doctor
