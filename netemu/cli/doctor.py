"""`netemu doctor`: is all there that netemu needs?"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import click

from netemu.cli._options import output_option

if TYPE_CHECKING:
    from netemu.core.doctor import Finding

_WIDTH = 100
_MARKS = {
    "ok": ("✓", "green"),
    "missing": ("✗", "red"),
    "absent": ("–", "yellow"),
    "note": ("!", "yellow"),
    "unknown": ("?", "yellow"),
}


@click.command(
    epilog="""\b
Examples:
  sudo netemu doctor
  netemu doctor                 without root: as far as that goes
  netemu doctor -o json | jq -r '.checks[] | select(.verdict == "missing") | .remedy'
"""
)
@output_option
def doctor(output: str) -> int:
    """Try out what netemu needs of this host.

    Everything is tried in a namespace that is thrown away; nothing is changed. Exit
    code 3 means that something is missing without which no cluster can run.
    """
    from netemu.core.doctor import Verdict, judge
    from netemu.host.doctor.examination import examine

    findings = judge(examine())
    missing = [finding for finding in findings if finding.verdict is Verdict.MISSING]
    if output == "json":
        import msgspec

        document = {"ready": not missing, "checks": findings}
        click.echo(msgspec.json.format(msgspec.json.encode(document)).decode())
    else:
        for finding in findings:
            _show(finding)
        click.echo()
        click.echo(_sum_up(findings))
    return 3 if missing else 0


def _show(finding: Finding) -> None:
    mark, colour = _MARKS[finding.verdict]
    click.echo(f"{click.style(f' {mark} ', fg=colour)}{finding.name:<19}{finding.detail}".rstrip())
    if finding.verdict not in ("ok", "unknown"):
        told = f"{finding.why}. {finding.remedy}"
        for line in textwrap.wrap(told, _WIDTH - 6, break_on_hyphens=False):
            click.echo(f"      {line}")


def _sum_up(findings: list[Finding]) -> str:
    missing = [finding.name for finding in findings if finding.verdict == "missing"]
    unknown = [finding.name for finding in findings if finding.verdict == "unknown"]
    if missing:
        return f"no cluster can run here: {', '.join(missing)} missing"
    if unknown:
        return f"nothing is missing as far as can be seen; not tried: {', '.join(unknown)}"
    return "all that netemu needs is there"


COMMAND = doctor
