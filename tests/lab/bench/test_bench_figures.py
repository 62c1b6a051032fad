"""What a bench makes of its samples."""

from __future__ import annotations

import json
import os

import pytest
from click.testing import CliRunner

from netemu.cli.bench import COMMAND
from netemu.errors import UserError
from netemu.lab.bench import contract, machine, runner
from netemu.lab.bench.contract import Figure, Samples, Target
from netemu.lab.bench.memory import cpu_s, descriptors, pss_mib, rss_mib


def _figure(**targets: Target) -> Figure:
    return Figure(targets, lambda _bed: Samples({}), order=0)


def test_the_median_of_all_runs_decides():
    """One slow run does not break a bound, two of three do."""
    figures = {"up": _figure(up=Target("up", 1.5))}
    runs = [{"up": Samples({"up": seconds})} for seconds in (1.4, 9.0, 1.2)]
    [line] = contract.lines(figures, runs)
    assert (line.median, line.kept) == (1.4, True)
    runs[0] = {"up": Samples({"up": 1.6})}
    [line] = contract.lines(figures, runs)
    assert (line.median, line.kept) == (1.6, False)


def test_a_rate_must_be_reached_where_a_time_must_be_kept():
    """The bound itself is good enough either way."""
    rate = Target("answers", 60_000, "/s", at_least=True)
    assert rate.kept(60_000)
    assert not rate.kept(59_999)
    assert Target("seconds", 0.5).kept(0.5)


def test_details_are_medians_too():
    """A stage that one run did not reach counts as nothing there."""
    runs = [{"up": Samples({}, {"cabled": at})} for at in (1.0, 3.0, 2.0)]
    assert contract.details("up", runs) == {"cabled": 2.0}


def test_what_the_host_cannot_do_has_no_line():
    """A flavour of iptables that is not there is neither kept nor broken."""
    figures = {"proxy": _figure(nft=Target("nft", 1.0), legacy=Target("legacy", 1.0))}
    [line] = contract.lines(figures, [{"proxy": Samples({"nft": 0.5})}])
    assert line.name == "nft"


def test_figures_come_in_the_order_in_which_a_run_takes_them():
    """However they were typed: what ends the cluster is last."""
    assert list(runner.choose(["down", "memory", "up"])) == ["up", "memory", "down"]
    assert list(runner.choose([]))[-1] == "down"


def test_an_unknown_figure_is_refused_with_those_there_are():
    """Before anything is made."""
    with pytest.raises(UserError, match=r'no figure "speed"; there are: .*up.*verbs'):
        runner.choose(["speed"])


def test_every_figure_of_the_help_is_there():
    """The list that people read is the list of files."""
    said = CliRunner().invoke(COMMAND, ["--help"]).output.partition("Figures: ")[2]
    names = said.partition(".")[0].replace(",", " ").split()
    assert sorted(names) == sorted(runner.choose([]))


def test_processes_cost_memory_and_time():
    """As the kernel counts them, for this very process."""
    assert 1 < pss_mib([os.getpid()]) < 10_000
    assert 1 < rss_mib(os.getpid()) < 10_000
    assert cpu_s(os.getpid()) > 0
    before = descriptors(os.getpid())
    with open(os.devnull, encoding="ascii"):
        assert descriptors(os.getpid()) == before + 1


def test_the_machine_is_described():
    """Figures without it say little; it can be written as JSON."""
    found = json.loads(json.dumps(machine.describe()))
    assert found["cores"] >= 1
    assert found["kernel"]
