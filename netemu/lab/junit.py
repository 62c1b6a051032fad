"""Reports as JUnit XML, which CI systems read: a suite each scenario, a case each step.

The file is whole at any moment: it is written before the first step, with every scenario
as not finished, and replaced when one has ended. Whoever is killed in between leaves a
file that says so, and no stale one that says otherwise.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from netemu.errors import UserError
from netemu.host.clusters import write_atomically
from netemu.lab.runner import Report, StepResult
from netemu.lab.scenario import LoadedScenario

_UNFINISHED = "the scenario was not run to its end"
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class JUnitFile:
    """The file, and what is known so far."""

    def __init__(self, path: Path, scenarios: Sequence[LoadedScenario]) -> None:
        if not path.absolute().parent.is_dir() or path.is_dir():
            raise UserError(f"--junit: no file can be written at {path}")
        self._path = path
        self._scenarios = scenarios
        self._suites = [_unfinished(scenario) for scenario in scenarios]
        self._write()

    def note(self, index: int, report: Report) -> None:
        """Replace one scenario's suite by what became of it."""
        self._suites[index] = suite(self._scenarios[index], report)
        self._write()

    def _write(self) -> None:
        root = Element("testsuites", name="netemu")
        root.extend(self._suites)
        _count(root)
        root.set("time", f"{sum(float(each.get('time', 0)) for each in self._suites):.3f}")
        indent(root)
        text = tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"
        write_atomically(self._path, text, mode=0o644)


def suite(scenario: LoadedScenario, report: Report) -> Element:
    """Return a scenario's report as a `testsuite`."""
    element = _new_suite(scenario, report.seconds)
    results = {result.index: result for result in report.steps}
    for index, planned in enumerate(scenario.steps):
        if planned.is_speech:
            continue
        result = results.get(index)
        title = planned.title if result is None else result.title
        case = _case(element, scenario, f"{index + 1:02} {title}")
        if result is None:
            SubElement(case, "skipped", message=report.error or "an earlier step failed")
        else:
            _fill(case, result)
    if report.error:
        case = _case(element, scenario, "the cluster")
        SubElement(case, "error", message=_first_line(report.error)).text = _clean(report.error)
    SubElement(element, "system-out").text = _clean(_story(report))
    _count(element)
    return element


def _new_suite(scenario: LoadedScenario, seconds: float) -> Element:
    element = Element("testsuite", name=scenario.name, time=f"{seconds:.3f}")
    element.set("timestamp", datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"))
    element.set("hostname", socket.gethostname())
    return element


def _unfinished(scenario: LoadedScenario) -> Element:
    element = _new_suite(scenario, 0.0)
    SubElement(_case(element, scenario, "the whole"), "error", message=_UNFINISHED)
    _count(element)
    return element


def _case(element: Element, scenario: LoadedScenario, name: str) -> Element:
    return SubElement(element, "testcase", classname=scenario.name, name=_clean(name), time="0.000")


def _fill(case: Element, result: StepResult) -> None:
    case.set("time", f"{result.seconds:.3f}")
    if not result.passed:
        message = _first_line(result.detail)
        SubElement(case, "failure", message=message, type=result.step).text = _clean(result.detail)
    elif result.detail:
        SubElement(case, "system-out").text = _clean(result.detail)


def _count(element: Element) -> None:
    kinds = {"failures": "failure", "errors": "error", "skipped": "skipped"}
    found = list(element.iter("testcase"))
    element.set("tests", str(len(found)))
    for attribute, kind in kinds.items():
        element.set(attribute, str(sum(case.find(kind) is not None for case in found)))


def _story(report: Report) -> str:
    """Return what a person would have read."""
    lines: list[str] = []
    for result in report.steps:
        if result.step == "say":
            lines += ["", result.title]
            continue
        lines.append(f" {'✓' if result.passed else '✗'} {result.title}")
        lines += [f"      {line}" for line in result.detail.splitlines()]
    return "\n".join(lines).strip("\n")


def _first_line(text: str) -> str:
    return _clean(text.partition("\n")[0])


def _clean(text: str) -> str:
    """XML has no way to say control characters, not even escaped."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
