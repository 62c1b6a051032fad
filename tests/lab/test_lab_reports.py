"""Reports for CI systems: several scenarios in one run, JUnit XML, and Ctrl-C in between."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from netemu_command import Netemu, new_name

from netemu.host import clusters

pytestmark = pytest.mark.root

_HEAD = """\
apiVersion: netemu.dev/v1alpha1
kind: Scenario
metadata: {name: NAME}
spec:
  cluster: {nodes: 1}
  steps:
"""
_GOOD = """\
    - say: All is well.
    - probe: {from: host, ping: control-plane}
    - probe: {from: external, http: "http://{node/control-plane}:10256/healthz"}
      title: "{node/control-plane} is healthy"
      at: 10ms
    - load: {from: host, http: "http://control-plane:10256/healthz", rate: 50, forSeconds: 0.2}
"""
_BAD = """\
    - probe: {from: host, tcp: "control-plane:9", withinSeconds: 0}
    - say: never said
    - probe: {from: host, ping: control-plane}
"""
_LONG = """\
    - load: {start: calm, from: host, http: "http://control-plane:10256/healthz", rate: 20}
    - say: waiting for Ctrl-C
    - load: {stop: calm}
      at: 50s
"""


def _write(folder: Path, steps: str) -> Path:
    name = new_name("report")
    file = folder / f"{name}.yaml"
    file.write_text(_HEAD.replace("NAME", name) + steps)
    return file


def test_two_scenarios_in_one_report(netemu: Netemu, tmp_path: Path) -> None:
    """A suite each, a case each step; the failure's sentence; what was not taken is skipped."""
    good, bad = _write(tmp_path, _GOOD), _write(tmp_path, _BAD)
    xml = tmp_path / "report.xml"
    done = netemu("run", str(good), str(bad), "--junit", str(xml), "-o", "json", code=1)
    assert [report["passed"] for report in json.loads(done.out)] == [True, False]
    assert clusters.known() == []

    root = ET.parse(xml).getroot()
    figures = ("tests", "failures", "errors", "skipped")
    assert [root.get(name) for name in figures] == ["5", "1", "0", "1"]
    first, second = root.findall("testsuite")
    assert [first.get("name"), second.get("name")] == [good.stem, bad.stem]
    names = [case.get("name") for case in first.findall("testcase")]
    assert names[0] == "02 from host: ping control-plane"
    assert names[1] == "03 at 0.01 s: node/control-plane is healthy" or "late" in str(names[1])
    assert float(first.findall("testcase")[2].get("time", 0)) >= 0.15
    assert "10 sent, 10 ok, 0 failed" in (first.findtext("system-out") or "")
    assert "All is well." in (first.findtext("system-out") or "")
    failure = second.find("testcase/failure")
    assert failure is not None
    assert failure.get("message") == "expected ok, got refused"
    assert second.find("testcase/skipped") is not None


def test_a_report_that_cannot_be_written_is_said_before_anything_is_made(
    netemu: Netemu, tmp_path: Path
) -> None:
    """Exit 2, one sentence."""
    file = _write(tmp_path, _GOOD)
    done = netemu("run", str(file), "--junit", str(tmp_path / "no" / "r.xml"), code=2)
    assert done.err.startswith("netemu: --junit: no file can be written at ")
    assert done.out == ""


def test_one_wrong_file_of_two_and_nothing_is_run(netemu: Netemu, tmp_path: Path) -> None:
    """All files are read before the first cluster is made."""
    good, wrong = _write(tmp_path, _GOOD), tmp_path / "wrong.yaml"
    wrong.write_text(_HEAD.replace("NAME", "wrong") + "    - jump: high\n")
    done = netemu("run", str(good), str(wrong), code=2)
    assert "wrong.yaml:" in done.err
    assert done.out == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda s: s.name)
def test_an_interrupted_run_leaves_a_report_and_nothing_else(
    netemu: Netemu, tmp_path: Path, number: signal.Signals
) -> None:
    """The load ends, the cluster goes, and the report says what was not reached."""
    long, never = _write(tmp_path, _LONG), _write(tmp_path, _GOOD)
    xml = tmp_path / "report.xml"
    running = netemu.start("run", str(long), str(never), "--junit", str(xml))
    assert running.stdout is not None
    while "waiting for Ctrl-C" not in running.stdout.readline():
        assert running.poll() is None
    early = ET.parse(xml).getroot()
    assert early.get("errors") == "2"
    running.send_signal(number)
    running.communicate(timeout=30)
    assert running.returncode == 128 + number
    assert clusters.known() == []
    first, second = ET.parse(xml).getroot().findall("testsuite")
    assert [case.get("name") for case in first.findall("testcase")][-1] == "the cluster"
    error = first.find("testcase/error")
    assert error is not None
    assert error.get("message") == "interrupted"
    assert second.get("errors") == "1"
