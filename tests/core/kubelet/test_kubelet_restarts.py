"""Restart rules, stop signals, limits of volumes and files of variables, decided."""

from __future__ import annotations

import pytest
import yaml

from netemu.core.kubelet import env_file, eviction
from netemu.core.kubelet.memory import Run
from netemu.core.kubelet.restarting import will_restart
from netemu.core.kubelet.stop_signal import NAMES, stop_signal
from netemu.model.codec import from_dict
from netemu.model.core_v1 import Container, Pod


def pod(spec: str) -> Pod:
    return from_dict({"spec": yaml.safe_load(spec)}, Pod)


@pytest.mark.parametrize(
    ("policy", "container", "exit_code", "again"),
    [
        ("Never", "{}", 1, False),
        ("Never", "{restartPolicy: Always}", 0, True),
        ("Always", "{restartPolicy: Never}", 1, False),
        ("Always", "{restartPolicy: OnFailure}", 0, False),
        ("Never", "{restartPolicy: OnFailure}", 1, True),
        (
            "Never",
            "{restartPolicyRules: [{action: Restart, exitCodes: {operator: In, values: [42]}}]}",
            42,
            True,
        ),
        (
            "Never",
            "{restartPolicyRules: [{action: Restart, exitCodes: {operator: In, values: [42]}}]}",
            41,
            False,
        ),
        (
            "Never",
            "{restartPolicyRules: [{action: Restart, exitCodes: {operator: NotIn, values: [0]}}]}",
            3,
            True,
        ),
    ],
)
def test_who_is_started_again(policy: str, container: str, exit_code: int, again: bool) -> None:
    """The container's rules, then its own policy, then the Pod's."""
    of = pod(f"{{restartPolicy: {policy}, containers: [{container}]}}")
    run = Run(id="r", attempt=0, started_at=0, running=False, exit_code=exit_code)
    assert will_restart(of, of.spec.containers[0], run, init=False) is again


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("SIGTERM", 15),
        ("SIGINT", 2),
        ("SIGQUIT", 3),
        ("SIGUSR1", 10),
        ("SIGRTMIN+3", 37),
        ("SIGRTMAX-1", 63),
        ("SIGCLD", 17),
    ],
)
def test_stop_signals(name: str, number: int) -> None:
    """By their names on Linux; SIGTERM where none is named."""
    container = from_dict({"lifecycle": {"stopSignal": name}}, Container)
    assert stop_signal(container) == number
    assert name in NAMES
    assert stop_signal(Container()) == 15


def test_a_volume_beyond_its_limit() -> None:
    """The first that is too full is named, with its limit as it was written."""
    of = pod(
        "{volumes: [{name: a, emptyDir: {}}, {name: b, emptyDir: {sizeLimit: 1Ki}},"
        " {name: c, emptyDir: {sizeLimit: 1Mi}}]}"
    )
    assert eviction.size_limits(of) == {"b": 1024, "c": 1 << 20}
    assert eviction.overfull(of, {"b": 1024, "c": 5}) is None
    end = eviction.overfull(of, {"b": 0, "c": 2 << 20})
    assert end is not None
    assert end.message == 'Usage of EmptyDir volume "c" exceeds the limit "1Mi". '


def test_a_file_of_variables() -> None:
    """Quoted values may go on over lines; comments are none."""
    text = "# no\nA='one # two'\nB=plain # said\nexport C=\"x y\"\nD='1\n2'\nA='last'\nnot one\n"
    assert env_file.parse(text) == {"A": "last", "B": "plain", "C": "x y", "D": "1\n2"}
