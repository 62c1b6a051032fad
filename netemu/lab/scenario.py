"""A scenario file → a cluster and steps, or one sentence that says what is wrong where.

Everything is read and checked before anything is made, the manifests that steps name
included: a scenario with an error in its last step does not start.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from netemu import plugins
from netemu.cluster.plan import complain_about, read_document
from netemu.core.plan_checks import Complain
from netemu.errors import UserError
from netemu.lab import steps as step_files
from netemu.lab.contract import Step
from netemu.lab.moments import Moment, parse_moment
from netemu.model.cluster_v1alpha1 import Cluster
from netemu.model.documents import Located, did_you_mean
from netemu.model.scenario_v1alpha1 import Scenario

_BESIDE = ("at", "title")
"""What may stand beside the step's name."""
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One entry of `steps`: what is done, what it is called, and when."""

    name: str
    step: Step
    title: str
    at: Moment | None = None

    @property
    def is_speech(self) -> bool:
        """Nothing is done, so nothing can fail: it does not count."""
        return self.name == "say"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedScenario:
    """A scenario that can be run."""

    name: str
    description: str
    folder: Path
    cluster: Cluster
    complain: Complain
    steps: tuple[PlannedStep, ...]


def load_scenario(path: str) -> LoadedScenario:
    """Read a scenario; UserError with file and line."""
    document = read_document(path, "Scenario")
    scenario = document.into(Scenario)
    folder = Path(path).parent
    if not _NAME.fullmatch(scenario.metadata.name):
        raise document.error(
            f'metadata.name: "{scenario.metadata.name}" is no name: lower-case letters, digits '
            "and hyphens, at most 63, beginning and ending with a letter or digit",
            "metadata.name",
        )
    steps = tuple(_read_step(document, index, folder) for index in range(len(scenario.spec.steps)))
    if not steps:
        raise document.error("a scenario needs at least one step", "spec.steps")
    _check_order(document, steps)
    complain = complain_about(document)
    return LoadedScenario(
        name=scenario.metadata.name,
        description=scenario.spec.description.strip(),
        folder=folder,
        cluster=Cluster(spec=scenario.spec.cluster),
        complain=lambda field, message: complain(_in_scenario(field), message),
        steps=steps,
    )


def _in_scenario(field: str) -> str:
    """Return where a field of a cluster file stands in a scenario."""
    return field.replace("spec.", "spec.cluster.", 1)


def _read_step(document: Located, index: int, folder: Path) -> PlannedStep:
    path = f"spec.steps[{index}]"
    entry = document.at(path).obj
    named = [key for key in entry if key not in _BESIDE] if isinstance(entry, dict) else []
    if len(named) != 1:
        raise document.error(
            "a step is one key, the step's name, and its fields; "
            "only `at` and `title` may stand beside it",
            path,
        )
    (name,) = named
    known = plugins.names(step_files)
    if name not in known:
        hint = did_you_mean(name, known) or f"; there are: {', '.join(known)}"
        raise document.error(f'no step "{name}"{hint}', f"{path}.{name}")
    step = _read_fields(document, path, name)
    try:
        step.check(folder)
    except UserError as error:
        # An error in another file knows its place; one in a field has the step's.
        if error.file:
            raise
        raise document.error(error.message, f"{path}.{name}") from error
    return PlannedStep(name, step, _title(document, path, step), _moment(document, path))


def _read_fields(document: Located, path: str, name: str) -> Step:
    kind: type[Step] = plugins.load_one(step_files, name, "STEP")
    fields = document.at(f"{path}.{name}")
    if not isinstance(fields.obj, dict):
        if not kind.SHORTHAND:
            raise document.error(f"the step {name} needs fields, got {fields.obj!r}", path)
        fields = Located({kind.SHORTHAND: fields.obj}, fields.file, fields.line)
    return fields.into(kind)


def _title(document: Located, path: str, step: Step) -> str:
    title = document.at(path).obj.get("title")
    if title is not None and not isinstance(title, str):
        raise document.error(f"title: expected text, got {title!r}", f"{path}.title")
    # A placeholder is where an address will stand; what it names says more to people.
    return re.sub(r"\{([a-z]+(?:/[^{}]+)?)\}", r"\1", title or step.title())


def _moment(document: Located, path: str) -> Moment | None:
    written = document.at(path).obj.get("at")
    if written is None:
        return None
    try:
        return parse_moment(written)
    except UserError as error:
        raise document.error(error.message, f"{path}.at") from error


def _check_order(document: Located, steps: Sequence[PlannedStep]) -> None:
    """Raise UserError unless loads are started, waited for and stopped in that order."""
    running: dict[str, int] = {}
    latest: dict[str, Moment] = {}
    for index, planned in enumerate(steps):
        path = f"spec.steps[{index}]"
        if planned.at is not None:
            _check_moment(document, f"{path}.at", planned.at, running, latest)
        starts, stops = planned.step.starts_load(), planned.step.stops_load()
        if starts and starts in running:
            raise document.error(f'the load "{starts}" runs already', f"{path}.load")
        if stops and stops not in running:
            hint = f"; there are: {', '.join(running)}" if running else "; none is"
            raise document.error(f'no load "{stops}" was started{hint}', f"{path}.load")
        if starts:
            running[starts] = index
        running.pop(stops, None)
    for name, index in running.items():
        raise document.error(
            f'nobody stops the load "{name}": a later step is `load: {{ stop: {name} }}`',
            f"spec.steps[{index}].load",
        )


def _check_moment(
    document: Located,
    path: str,
    at: Moment,
    running: Mapping[str, int],
    latest: dict[str, Moment],
) -> None:
    if at.load and at.load not in running:
        raise document.error(f'at: no load "{at.load}" runs then', path)
    before = latest.get(at.load, at)
    if at.after_s < before.after_s:
        raise document.error(
            f"at: {at} is before {before} of an earlier step: steps are taken in order", path
        )
    latest[at.load] = at
