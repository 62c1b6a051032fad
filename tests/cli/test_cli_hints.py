"""What the verbs say when something else was meant, and what to do next."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
from pathlib import Path

import click
import pytest
from netemu_command import ROOT, Netemu, new_name

from netemu.cli import _program
from netemu.host import clusters

pytestmark = pytest.mark.root

_FILE = """\
apiVersion: netemu.dev/v1alpha1
kind: Cluster
metadata: {{name: {name}}}
spec: {{nodes: 2, podCIDR: {cidr}}}
"""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("exec", "client", "-it", "bash"),
            "netemu: options go before the pod: netemu exec -it client -- bash\n",
        ),
        (
            ("exec", "client", "-c", "x", "--", "sh", "-c", "a b"),
            "before the pod: netemu exec -c x client -- sh -c 'a b'\n",
        ),
        (("apply", "a.yaml", "b.yaml"), "netemu apply -f a.yaml -f b.yaml\n"),
        (("up", "-n", "x"), "netemu: No such option '-n'"),
        (("down", "-n", "x"), "netemu: No such option '-n'"),
        (("run", "-c", "x", "y"), "netemu: No such option '-c'"),
        (("down", "a", "Capital"), '"Capital" cannot name a cluster'),
    ],
)
def test_orders_that_were_meant_otherwise(
    words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
):
    """Exit 2 and the order that is right, in netemu's own name."""
    with pytest.raises(SystemExit) as end:
        _program.main(words)
    refusal = capsys.readouterr().err
    assert (end.value.code, said in refusal) == (2, True), refusal


def test_every_option_is_explained():
    """No option of a verb that speaks with the API is without its help."""
    for verb in ("exec", "logs", "apply", "get", "delete"):
        command = _program.program.get_command(click.Context(_program.program), verb)
        assert command
        for parameter in command.params:
            record = parameter.to_info_dict()
            known = record["name"] in ("namespace", "strays")
            is_option = record["param_type_name"] == "option"
            assert not is_option or known or record["help"], (verb, record["name"])


def test_up_says_what_it_did_not_change(netemu: Netemu, lab: str, tmp_path: Path):
    """Options and a file that differ are told, what agrees is not, what is wrong is refused."""
    differing = netemu("up", lab, "--nodes", "5", "--overlay", "host-gw", "--no-context")
    assert differing.err == (
        f'netemu: cluster "{lab}" is there and stays as it was made: nodes 3 instead of 5, '
        f"overlay vxlan instead of host-gw; 'sudo netemu down {lab}' first, for another\n"
    )
    assert netemu("up", lab, "--nodes", "3", "--no-context").err == ""
    file = tmp_path / "cluster.yaml"
    file.write_text(_FILE.format(name=lab, cidr="10.10.0.0/16"))
    told = netemu("up", "-f", str(file), "--no-context").err
    assert "nodes 3 instead of 2, podCIDR 10.244.0.0/16 instead of 10.10.0.0/16;" in told
    file.write_text(_FILE.format(name=lab, cidr="nonsense"))
    refusal = netemu("up", "-f", str(file), "--no-context", code=2).err
    assert refusal.startswith(f"netemu: {file}:4: spec.podCIDR: ")


def test_shell_speaks_only_to_who_stays(netemu: Netemu, lab: str):
    """At a terminal, one command's output is all; an unknown pod is answered with those there."""
    ours, theirs = pty.openpty()
    try:
        once = netemu.start("shell", "worker-1", "hostname", stdin=theirs, stderr=subprocess.STDOUT)
        out, _ = once.communicate(timeout=20)
        os.write(ours, b"exit 3\n")
        stays = netemu.start("shell", "worker-1", stdin=theirs, stderr=subprocess.STDOUT)
        welcome, _ = stays.communicate(timeout=20)
    finally:
        os.close(ours)
        os.close(theirs)
    assert out == "worker-1\n"
    assert "worker-1: hostname worker-1; 'exit' leads back" in welcome
    assert stays.returncode == 3
    assert "; there are: coredns-" in netemu("shell", "pod/nobody", code=2).err


def test_a_cluster_without_its_daemon_says_how_it_gets_one(netemu: Netemu):
    """`status` of it, then `down` of several: each is told of."""
    name, other = new_name("calm"), new_name("gone")
    with netemu.cluster(name, "--nodes", "1") as made:
        record = clusters.daemon_of(made)
        assert record
        record.process.end(grace_s=0.0)
        told = netemu("status", name).out
        assert told.startswith(f"{name}: unattended\n")
        assert f"pods and Services go on; 'sudo netemu up {name}'" in told
        down = netemu("down", name, other, name).out.splitlines()
        assert down[0] == f'cluster "{name}" removed'
        assert down[1].startswith(f'cluster "{other}" was not there')
        assert len(down) == 2


def test_the_script_is_found_through_a_link(tmp_path: Path):
    """A symbolic link of one's own runs the checkout it points to, and tells its own verbs."""
    checkout = tmp_path / "checkout"
    venv = checkout / ".venv"
    (venv / "bin").mkdir(parents=True)
    for name in ("netemu.sh", "packages.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, checkout)
    python = venv / "bin" / "python"
    python.write_text('#!/bin/sh\necho "$0 $*"\n')
    python.chmod(0o755)
    with (checkout / "pyproject.toml").open("rb") as file:
        checksum = subprocess.run(["cksum"], stdin=file, capture_output=True, text=True, check=True)
    (venv / "netemu-stamp").write_text(f"{checksum.stdout.strip()} {venv} run\n")
    link = tmp_path / "emu"
    link.symlink_to("checkout/netemu.sh")

    def run(*words: str) -> list[str]:
        done = subprocess.run(
            [str(link), *words], capture_output=True, text=True, cwd="/", check=True, timeout=60
        )
        return (done.stdout + done.stderr).splitlines()

    assert run("status") == [f"{python} -m netemu status"]
    helped = run("--help")
    assert helped[0] == f"{python} -m netemu --help"
    assert helped[-1].startswith(f"{link} also takes: install, link, test, test-vm;")
    assert run("install") == [
        f"netemu.sh: all is there in {venv}; 'sudo {link} up' makes a cluster"
    ]
