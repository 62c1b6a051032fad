"""`netemu run`: scenarios, each on a cluster of its own."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from netemu.cli._completion import files, known_clusters
from netemu.cli._options import need_root, output_option, strict_images_option
from netemu.errors import UserError

if TYPE_CHECKING:
    from netemu.lab.runner import Report, StepResult
    from netemu.lab.scenario import LoadedScenario


@click.command(
    short_help="Run scenarios, each on a cluster of its own.",
    epilog="""\b
Examples:
  sudo netemu run scenarios/first-service.yaml
  sudo netemu run scenarios/first-service.yaml -o json
  sudo netemu run scenarios/*.yaml --junit report.xml
  sudo netemu run my.yaml --keep            leave its cluster for a look around
  sudo netemu run my.yaml --cluster lab     on a cluster that is there
""",
)
@click.argument("scenarios", metavar="FILE...", nargs=-1, required=True, shell_complete=files)
@click.option(
    "--cluster",
    metavar="NAME",
    default="",
    shell_complete=known_clusters,
    help="Use this cluster, and leave it.",
)
@click.option("--keep", is_flag=True, help="Leave the scenario's cluster when it is over.")
@click.option("--junit", metavar="FILE", default="", help="Write a report for CI systems, too.")
@strict_images_option
@output_option
def run(
    scenarios: tuple[str, ...],
    cluster: str,
    keep: bool,
    junit: str,
    strict_images: bool,
    output: str,
) -> None:
    """Run scenarios: bring up a cluster, take the steps, report, remove the cluster.

    Nothing is made unless all files are right. Exit code 0 if every step passed, 1 if one
    did not, 2 if a scenario is wrong.
    """
    need_root("run")
    if cluster and strict_images:
        raise UserError("--strict-images is for a new cluster: leave --cluster out")
    passed = run_scenarios(
        scenarios,
        cluster=cluster,
        keep=keep,
        junit=junit,
        strict_images=strict_images,
        output=output,
    )
    sys.exit(0 if passed else 1)


def run_scenarios(
    paths: Sequence[str],
    *,
    cluster: str = "",
    keep: bool = False,
    junit: str = "",
    strict_images: bool = False,
    output: str = "table",
) -> bool:
    """Run scenario files one after the other; return whether every step of all passed."""
    from netemu.host.interruption import interrupt_on_sigterm
    from netemu.lab.junit import JUnitFile
    from netemu.lab.runner import to_json
    from netemu.lab.scenario import load_scenario

    began = time.monotonic()
    loaded = [load_scenario(path) for path in paths]
    file = JUnitFile(Path(junit), loaded) if junit else None
    interrupt_on_sigterm()
    quiet = output == "json"
    reports: list[Report] = []
    for index, scenario in enumerate(loaded):
        scenario.cluster.spec.strict_images |= strict_images
        if index and not quiet:
            click.echo()
        performance = _Performance(scenario, cluster=cluster, keep=keep, quiet=quiet, began=began)
        try:
            reports.append(performance.run())
        finally:
            if file is not None:
                file.note(index, performance.report())
        began = time.monotonic()
    if quiet:
        told = [to_json(report) for report in reports]
        click.echo(json.dumps(told[0] if len(told) == 1 else told, indent=2))
    return all(report.passed for report in reports)


class _Performance:
    """One scenario on its cluster, told of while it runs."""

    def __init__(
        self, scenario: LoadedScenario, *, cluster: str, keep: bool, quiet: bool, began: float
    ) -> None:
        self._scenario = scenario
        self._cluster = cluster
        self._keep = keep
        self._quiet = quiet
        self._began = began
        self._results: list[StepResult] = []
        self._name = ""
        self._error = ""

    def run(self) -> Report:
        """Run it from nothing to nothing."""
        try:
            self._run()
        except KeyboardInterrupt:
            self._error = "interrupted"
            raise
        except Exception as error:
            self._error = str(error)
            raise
        if not self._quiet:
            kept = self._name if self._keep else ""
            _sum_up(self._results, self._scenario, self.report().seconds, kept=kept)
        return self.report()

    def _run(self) -> None:
        import asyncio

        from netemu.cluster import lifecycle
        from netemu.host import clusters
        from netemu.lab.runner import run_on

        if self._cluster:
            clusters.load_settings(self._cluster)  # Says which there are.
        self._name = self._cluster or lifecycle.reserve_name(self._scenario.name)
        self._scenario.cluster.metadata.name = self._name
        try:
            if self._cluster:
                _introduce(self._scenario, quiet=self._quiet)
            else:
                _bring_up(self._scenario, self._began, quiet=self._quiet)
            asyncio.run(run_on(self._name, self._scenario, self._tell))
        finally:
            if not self._cluster and not self._keep:
                lifecycle.take_down(self._name, keep_logs=False)

    def _tell(self, result: StepResult) -> None:
        from netemu.cli._show import show_result

        self._results.append(result)
        if not self._quiet:
            show_result(result)

    def report(self) -> Report:
        """Return what is known of it, also when it was interrupted."""
        from netemu.lab.runner import Report

        whole = len(self._results) == len(self._scenario.steps)
        return Report(
            scenario=self._scenario.name,
            cluster=self._name,
            passed=whole and all(result.passed for result in self._results),
            seconds=round(time.monotonic() - self._began, 3),
            steps=self._results,
            error=self._error,
        )


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
