"""A scenario file → a cluster and steps, or one sentence that says what is wrong where.

Everything is read and checked before anything is made, the manifests that steps name
included: a scenario with an error in its last step does not start.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from netemu import plugins
from netemu.cluster.plan import complain_about, read_document
from netemu.core.plans import Complain
from netemu.errors import UserError
from netemu.lab import steps as step_files
from netemu.lab.contract import Step
from netemu.model.cluster_v1alpha1 import Cluster
from netemu.model.documents import Located, did_you_mean
from netemu.model.scenario_v1alpha1 import Scenario

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedScenario:
    """A scenario that can be run."""

    name: str
    description: str
    folder: Path
    cluster: Cluster
    complain: Complain
    steps: tuple[Step, ...]


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


def _read_step(document: Located, index: int, folder: Path) -> Step:
    path = f"spec.steps[{index}]"
    entry = document.at(path).obj
    if not isinstance(entry, dict) or len(entry) != 1:
        raise document.error("a step is one key, the step's name, and its fields", path)
    (name,) = entry
    known = plugins.names(step_files)
    if name not in known:
        hint = did_you_mean(name, known) or f"; there are: {', '.join(known)}"
        raise document.error(f'no step "{name}"{hint}', f"{path}.{name}")
    kind: type[Step] = plugins.load_one(step_files, name, "STEP")
    fields = document.at(f"{path}.{name}")
    if not isinstance(fields.obj, dict):
        if not kind.SHORTHAND:
            raise document.error(f"the step {name} needs fields, got {fields.obj!r}", path)
        fields = Located({kind.SHORTHAND: fields.obj}, fields.file, fields.line)
    step = fields.into(kind)
    try:
        step.check(folder)
    except UserError as error:
        # An error in another file knows its place; one in a field has the step's.
        if error.file:
            raise
        raise document.error(error.message, f"{path}.{name}") from error
    return step
