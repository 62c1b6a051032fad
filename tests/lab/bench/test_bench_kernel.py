"""The bench on real clusters. How fast they are is nothing for a test to judge."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from netemu.host import clusters
from netemu.lab.bench.bed import Bed
from netemu.lab.bench.figures import adoption, dns, forward, memory, pods
from netemu.lab.bench.figures import exec as exec_trips
from netemu.lab.bench.space import throwaway_netns

pytestmark = pytest.mark.root


def test_the_smallest_bench_prints_its_figures():
    """One run of what needs no cluster: as JSON, with bounds, samples and the machine."""
    done = subprocess.run(
        [sys.executable, "-m", "netemu", "bench", "verbs", "--runs", "1", "-o", "json"],
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    said = json.loads(done.stdout)
    assert [figure["name"] for figure in said["figures"]] == ["help", "status"]
    assert all(figure["samples"][0] > 0 for figure in said["figures"])
    assert all(figure["atMost"] == 0.2 for figure in said["figures"])
    assert said["machine"]["cores"] >= 1


def test_a_namespace_to_measure_in_is_empty_and_goes():
    """Nothing but its loopback, and its holder ends with it."""
    with throwaway_netns() as space:
        assert space.run_sync(["ip", "-br", "link"]).stdout.split()[:2] == [b"lo", b"UNKNOWN"]
        assert Path(space.path).exists()
    assert not Path(space.path).exists()


def test_a_bench_that_breaks_off_leaves_no_cluster():
    """What it has made it removes, whatever went wrong; what it measures is there before."""
    before = clusters.known()

    def measure() -> None:
        with Bed(pods=2) as bed:
            assert pods.FIGURE.measure(bed).values["pods"] > 0
            assert [name for name, _ in bed.stages][-1] == "DNS answers on every node"
            cost = memory.FIGURE.measure(bed)
            assert 0 < cost.values["pod"] < cost.values["base"]
            load = dns.FIGURE.measure(bed)
            assert load.values["dns"] > 0
            assert load.details["answered of a thousand questions"] > 500
            assert exec_trips.FIGURE.measure(bed).values["exec"] > 0
            assert forward.FIGURE.measure(bed).values["forward"] > 0
            assert adoption.FIGURE.measure(bed).values["adoption"] > 0
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure()
    assert clusters.known() == before
