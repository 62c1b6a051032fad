"""`netemu run`: a scenario on a cluster of its own."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING

import click

from netemu.cli._options import need_root, output_option

if TYPE_CHECKING:
    from netemu.lab.runner import StepResult
    from netemu.lab.scenario import LoadedScenario


@click.command(
    short_help="Run a scenario on a cluster of its own.",
    epilog="""\b
Examples:
  sudo netemu run scenarios/first-service.yaml
  sudo netemu run scenarios/first-service.yaml -o json
  sudo netemu run my.yaml --keep            leave its cluster for a look around
  sudo netemu run my.yaml --cluster lab     on a cluster that is there
""",
)
@click.argument("scenario", metavar="FILE")
@click.option("--cluster", metavar="NAME", default="", help="Use this cluster, and leave it.")
@click.option("--keep", is_flag=True, help="Leave the scenario's cluster when it is over.")
@output_option
def run(scenario: str, cluster: str, keep: bool, output: str) -> None:
    """Run a scenario: bring up its cluster, take its steps, report, remove the cluster.

    Exit code 0 if every step passed, 1 if one did not, 2 if the scenario is wrong.
    """
    need_root("run")
    sys.exit(0 if run_scenario(scenario, cluster=cluster, keep=keep, output=output) else 1)


def run_scenario(
    path: str, *, cluster: str = "", keep: bool = False, output: str = "table"
) -> bool:
    """Run one scenario file and tell of it; return whether every step passed."""
    import asyncio

    from netemu.cli._show import show_result
    from netemu.cluster import lifecycle
    from netemu.host import clusters
    from netemu.host.interruption import interrupt_on_sigterm
    from netemu.lab.runner import Report, run_on, to_json
    from netemu.lab.scenario import load_scenario

    began = time.monotonic()
    loaded = load_scenario(path)
    quiet = output == "json"
    results: list[StepResult] = []

    def tell(result: StepResult) -> None:
        results.append(result)
        if not quiet:
            show_result(result)

    interrupt_on_sigterm()
    if cluster:
        clusters.load_settings(cluster)  # Says which there are.
    name = cluster or lifecycle.reserve_name(loaded.name)
    loaded.cluster.metadata.name = name
    try:
        if cluster:
            _introduce(loaded, quiet=quiet)
        else:
            _bring_up(loaded, began, quiet=quiet)
        asyncio.run(run_on(name, loaded, tell))
    finally:
        if not cluster and not keep:
            lifecycle.take_down(name, keep_logs=False)
    taken = time.monotonic() - began
    passed = len(results) == len(loaded.steps) and all(result.passed for result in results)
    if quiet:
        report = Report(
            scenario=loaded.name,
            cluster=name,
            passed=passed,
            seconds=round(taken, 3),
            steps=results,
        )
        click.echo(json.dumps(to_json(report), indent=2))
    else:
        _sum_up(results, loaded, taken, kept=name if keep else "")
    return passed


def _bring_up(loaded: LoadedScenario, began: float, *, quiet: bool) -> None:
    from netemu.cluster import lifecycle
    from netemu.host import clusters

    for progress in lifecycle.bring_up(loaded.cluster, loaded.complain, began=began, context=False):
        if not progress.ready and not progress.stage:
            _introduce(loaded, quiet=quiet)
        elif progress.ready and not quiet:
            nodes = len(clusters.load_settings(loaded.cluster.metadata.name).nodes)
            click.echo(f"cluster of {nodes} nodes after {progress.at_s:.2f} s")


def _introduce(loaded: LoadedScenario, *, quiet: bool) -> None:
    """Say what is coming: nothing is wrong with the file."""
    from netemu.cli._show import show_text

    if not quiet:
        click.secho(f"scenario {loaded.name}", bold=True)
        if loaded.description:
            show_text(loaded.description)


def _sum_up(done: list[StepResult], loaded: LoadedScenario, seconds: float, *, kept: str) -> None:
    """Say how it ended; what is only said is no step that could fail."""
    steps = sum(not planned.is_speech for planned in loaded.steps)
    taken = sum(not planned.is_speech for planned in loaded.steps[: len(done)])
    failed = [result for result in done if not result.passed]
    click.echo()
    if failed:
        left = steps - taken
        after = f", {left} not taken" if left else ""
        click.secho(f"FAILED in step {taken} of {steps}{after} ({seconds:.1f} s)", fg="red")
    else:
        plural = "" if steps == 1 else "s"
        click.secho(f"passed: {steps} step{plural} in {seconds:.1f} s", fg="green")
    if kept:
        _tell_of_kept(kept)


def _tell_of_kept(name: str) -> None:
    from netemu.host.clusters import ClusterFolders

    click.echo(f'cluster "{name}" is left; sudo netemu down {name} removes it')
    click.echo(f"kubectl:  KUBECONFIG={ClusterFolders(name).kubeconfig} kubectl get pods -A")
    click.echo(f"netemu:   sudo netemu get pods --cluster {name}")


COMMAND = run
