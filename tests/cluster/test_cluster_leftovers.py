"""Nothing left behind: the host before and after, whatever was killed in between."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from host_state import State, differences, host_state
from netemu_command import ROOT, Netemu, new_name, until

from netemu.host import clusters
from netemu.host.clusters import ClusterFolders
from netemu.host.processes import ProcessId

pytestmark = pytest.mark.root

WORKLOAD = Path(__file__).with_name("leftovers_workload.yaml")
_CONFIG = """\
# My clusters.
apiVersion: v1
kind: Config
clusters:
- {name: prod, cluster: {server: "https://prod.example:6443"}}  # careful
contexts:
- {name: prod, context: {cluster: prod, user: me}}
users:
- name: me
  user: {token: 0123, issued: 2020-01-01T00:00:00Z}
current-context: prod
"""


@pytest.fixture(scope="module", autouse=True)
def busy_host() -> Iterator[None]:
    """A host that has links, routes and rules of its own, to be left alone."""
    for command in (
        "ip link add mine0 type veth peer name mine1",
        # Addresses that come by themselves come late.
        "ip link set mine0 addrgenmode none",
        "ip link set mine1 addrgenmode none",
        "ip addr add 192.0.2.1/24 dev mine0",
        "ip link set mine0 up",
        "ip link set mine1 up",
        "ip route add 203.0.113.0/24 via 192.0.2.2",
        "ip rule add from 203.0.113.0/24 lookup 100",
        "ip netns add mine",
        "iptables-nft -A FORWARD -j DROP",
        "iptables-legacy -t nat -A OUTPUT -d 203.0.113.7 -j RETURN",
        "sysctl -qw net.ipv4.ip_forward=0",
    ):
        subprocess.run(command.split(), check=True)
    yield
    for command in (
        "iptables-nft -F FORWARD",
        "iptables-legacy -t nat -F OUTPUT",
        "ip netns del mine",
        "ip rule del from 203.0.113.0/24 lookup 100",
        "ip link del mine0",
    ):
        subprocess.run(command.split(), check=True)


class Bystander:
    """Somebody who looks at the host before, and again after."""

    def __init__(self, netemu: Netemu) -> None:
        self.netemu = netemu
        self.name = new_name("left")
        config = netemu.home / ".kube" / "config"
        config.parent.mkdir(mode=0o700)
        config.write_text(_CONFIG)
        config.chmod(0o640)
        self._before = self._look()

    def _look(self) -> State:
        return host_state(self.netemu.home, cluster=self.name)

    def differences(self) -> dict[str, list[str]]:
        return differences(self._before, self._look())

    @property
    def folders(self) -> ClusterFolders:
        return ClusterFolders(self.name)

    def daemon(self) -> ProcessId | None:
        record = clusters.daemon_of(self.name)
        return record.process if record else None

    def reached(self, stage: str) -> bool:
        record = clusters.daemon_of(self.name)
        return bool(record) and stage in dict(record.stages)

    def zygote(self) -> ProcessId | None:
        try:
            pid, start = (self.folders.run / "zygote.pid").read_text().split()
        except (FileNotFoundError, ValueError):
            return None
        return ProcessId(int(pid), int(start))


@pytest.fixture
def bystander(tmp_path: Path) -> Iterator[Bystander]:
    one = Bystander(Netemu(tmp_path))
    yield one
    one.netemu("down", one.name)


def test_down_leaves_the_host_as_it_was(bystander: Bystander):
    """Up, a workload with volumes and limits, down: links to kubeconfig, all is as before."""
    netemu, name = bystander.netemu, bystander.name
    netemu("up", name)
    changed = bystander.differences()
    # What the comparison would notice, it has noticed.
    assert {"links and addresses", "routes", "mounts", "processes", "files"} <= changed.keys()
    netemu("apply", "-f", str(WORKLOAD))
    netemu.kubectl(name, "rollout", "status", "deployment/web", "--timeout=20s")
    netemu(
        "exec",
        "-c",
        "web",
        "deployment/web",
        "--",
        "sh",
        "-c",
        "echo x > /memory/x; echo x > /disk/x",
    )
    assert "control groups" in bystander.differences()
    netemu("down")
    assert bystander.differences() == {}


def test_down_twice_and_down_of_nothing(bystander: Bystander):
    """What is gone already is no error, by name, alone or with --all."""
    netemu, name = bystander.netemu, bystander.name
    netemu("up", name, "--nodes", "1")
    assert netemu("down", "--all").out == f'cluster "{name}" removed\n'
    assert netemu("down", name).out == f'cluster "{name}" was not there\n'
    assert netemu("down").out == "no cluster is there\n"
    assert netemu("down", "--all").out == "no cluster is there\n"
    assert bystander.differences() == {}


def test_kept_logs_are_all_that_is_kept(bystander: Bystander):
    """--keep-logs leaves the log folder, which is no cluster any more."""
    netemu, name = bystander.netemu, bystander.name
    netemu("up", name, "--nodes", "1")
    netemu("down", name, "--keep-logs")
    changes = bystander.differences()
    assert changes.keys() == {"files"}
    assert all(line.startswith(f"+ /var/lib/netemu/{name}") for line in changes["files"])
    assert netemu("status", "-o", "json").json == {"clusters": []}
    netemu("down", name)
    assert bystander.differences() == {}


_STAGES = {
    "the folder": lambda one: one.folders.run.exists(),
    "the record": lambda one: clusters.daemon_of(one.name),
    "the zygote": lambda one: one.zygote(),
    "the API": lambda one: one.reached("API server answers"),
    "the nodes": lambda one: one.reached("nodes cabled"),
}


@pytest.mark.parametrize(
    ("stage", "victims"),
    [
        ("the folder", "up"),
        ("the record", "up"),
        ("the zygote", "up daemon zygote"),
        ("the API", "up daemon"),
        ("the nodes", "up"),
        ("the nodes", "up daemon zygote"),
    ],
)
def test_down_after_a_killed_up(bystander: Bystander, stage: str, victims: str):
    """However far `up` had come, and whoever of its processes died with it."""
    up = bystander.netemu.start("up", bystander.name)
    until(lambda: _STAGES[stage](bystander), what=stage)
    up.kill()
    up.communicate()
    for victim in victims.split()[1:]:
        if process := getattr(bystander, victim)():
            process.signal(signal.SIGKILL)
            assert process.wait(5.0)
    bystander.netemu("down", bystander.name)
    assert bystander.differences() == {}


@pytest.mark.parametrize("victims", ["daemon", "zygote", "daemon zygote"])
def test_down_after_a_crash(bystander: Bystander, victims: str):
    """A cluster whose processes were killed is removed like any other."""
    netemu = bystander.netemu
    netemu("up", bystander.name)
    netemu("apply", "-f", str(WORKLOAD))
    for victim in victims.split():
        process = getattr(bystander, victim)()
        process.signal(signal.SIGKILL)
        assert process.wait(5.0)
    netemu("down")
    assert bystander.differences() == {}


@pytest.mark.parametrize("reached", ["the daemon", "the zygote"])
def test_down_after_a_killed_down(bystander: Bystander, reached: str):
    """A `down` that was killed half-way is finished by the next."""
    netemu = bystander.netemu
    netemu("up", bystander.name, "--nodes", "2")
    ended = bystander.daemon() if reached == "the daemon" else bystander.zygote()
    assert ended
    down = netemu.start("down", bystander.name)
    until(lambda: not ended.alive, what=f"{reached} to be ended")
    down.kill()
    down.communicate()
    netemu("down", bystander.name)
    assert bystander.differences() == {}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_up_takes_itself_down(bystander: Bystander, number: signal.Signals):
    """Ctrl-C or SIGTERM at `up` leaves nothing, and no second one stops the tidying."""
    up = bystander.netemu.start("up", bystander.name)
    until(bystander.zygote, what="the zygote")
    up.send_signal(number)
    until(lambda: not bystander.daemon(), what="the daemon's end")
    up.send_signal(number)
    out, _ = up.communicate(timeout=20)
    assert (up.returncode, "Traceback" in out) == (128 + number, False), out
    assert bystander.differences() == {}


_SCENARIO = """\
apiVersion: netemu.dev/v1alpha1
kind: Scenario
metadata: {name: NAME}
spec:
  steps:
    - say: "waiting for godot"
    - wait: {for: pod/godot, until: exists}
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_removes_its_cluster(bystander: Bystander, number: signal.Signals):
    """A scenario that is stopped by Ctrl-C or SIGTERM leaves nothing."""
    file = bystander.netemu.temporary / "godot.yaml"
    file.write_text(_SCENARIO.replace("NAME", bystander.name))
    run = bystander.netemu.start("run", str(file))
    assert run.stdout
    until(lambda: "waiting for godot" in run.stdout.readline(), what="the first step")
    run.send_signal(number)
    out, _ = run.communicate(timeout=20)
    file.unlink()
    assert (run.returncode, "Traceback" in out) == (128 + number, False), out
    assert bystander.differences() == {}


def test_a_daemon_that_is_not_on_record_does_nothing(bystander: Bystander):
    """If `up` dies before it has written the daemon's pid down, there is no daemon."""
    orphan = subprocess.run(
        [sys.executable, "-m", "netemu.cluster.daemon", bystander.name],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=bystander.netemu.environment,
        timeout=20,
        check=False,
    )
    assert (orphan.returncode, orphan.stdout, orphan.stderr) == (0, b"", b"")
    assert bystander.differences() == {}


def test_a_zygote_that_comes_too_late_goes(bystander: Bystander):
    """One that begins when its cluster is removed already makes no folder again."""
    argv = [sys.executable, "-P", "-m", "netemu.host.zygote", "--cluster", bystander.name]
    argv += ["--run-dir", f"/run/netemu/{bystander.name}", "--state-dir", "/var/lib/netemu/x"]
    late = subprocess.run(argv, env=os.environ | {"PYTHONPATH": str(ROOT)}, timeout=20, check=False)
    assert late.returncode == 1
    assert bystander.differences() == {}
