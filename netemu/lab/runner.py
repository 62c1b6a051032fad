"""Runs a scenario's steps on a cluster and tells each result as it happens."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec

from netemu.cluster.access import open_client
from netemu.errors import ApiError, HostError, UserError
from netemu.host.clusters import load_settings
from netemu.lab.contract import StepFailedError
from netemu.lab.lab import Lab
from netemu.lab.scenario import LoadedScenario, PlannedStep


class StepResult(msgspec.Struct, kw_only=True):
    """How one step went."""

    index: int
    step: str
    title: str
    passed: bool
    seconds: float
    detail: str = ""


class Report(msgspec.Struct, kw_only=True):
    """How a whole scenario went: what `-o json` prints."""

    scenario: str
    cluster: str
    passed: bool
    seconds: float
    steps: list[StepResult]
    error: str = ""
    """What ended it from outside of its steps: no cluster, Ctrl-C."""


async def run_steps(scenario: LoadedScenario, lab: Lab) -> AsyncIterator[StepResult]:
    """Run the steps in order; the first that fails is the last."""
    for index, planned in enumerate(scenario.steps):
        result = await _run_step(index, planned, lab)
        yield result
        if not result.passed:
            return


async def run_on(
    cluster: str, scenario: LoadedScenario, tell: Callable[[StepResult], None]
) -> None:
    """Run the steps on a cluster that runs, and tell each result as it happens."""
    client = open_client(cluster)
    lab = Lab(settings=load_settings(cluster), client=client, folder=scenario.folder)
    try:
        async for result in run_steps(scenario, lab):
            tell(result)
    finally:
        lab.close()
        await client.close()


async def _run_step(index: int, planned: PlannedStep, lab: Lab) -> StepResult:
    late = "" if planned.at is None else await lab.wait_for(planned.at)
    began = time.monotonic()
    passed = True
    try:
        detail = await planned.step.run(lab)
    except (StepFailedError, ApiError, HostError, UserError) as error:
        passed, detail = False, str(error)
    return StepResult(
        index=index,
        step=planned.name,
        title=planned.title if planned.at is None else f"at {planned.at}{late}: {planned.title}",
        passed=passed,
        seconds=round(time.monotonic() - began, 3),
        detail=detail,
    )


def to_json(report: Report) -> dict[str, Any]:
    result: dict[str, Any] = msgspec.to_builtins(report)
    return result
