"""A cluster lives beside others, survives its daemon, and is found again."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from netemu_command import Netemu, new_name, until

from netemu.host import clusters, netns
from netemu.host.clusters import ClusterFolders

pytestmark = pytest.mark.root

MANIFESTS = Path(__file__).resolve().parents[2] / "scenarios" / "manifests"


@pytest.fixture
def netemu(tmp_path: Path) -> Netemu:
    return Netemu(tmp_path)


@pytest.fixture
def web(netemu: Netemu) -> Iterator[str]:
    """A cluster with web, its Service and a client, to be tormented."""
    with netemu.cluster(new_name("web")) as name:
        netemu("apply", "-f", str(MANIFESTS / "web.yaml"), "--cluster", name)
        netemu.kubectl(name, "rollout", "status", "deployment/web", "--timeout=20s")
        netemu.kubectl(name, "wait", "--for=condition=Ready", "pod", "--all", "--timeout=20s")
        yield name


def _in_netns(name: str, *argv: str) -> str:
    done = subprocess.run(
        ["ip", "netns", "exec", name, *argv], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else ""


def _kill_daemon(name: str) -> int:
    record = clusters.daemon_of(name)
    assert record
    record.process.signal(signal.SIGKILL)
    assert record.process.wait(5.0)
    return record.pid


def _pods(netemu: Netemu, name: str) -> dict[str, tuple[Any, ...]]:
    listing = netemu("get", "pods", "-A", "-o", "json", "--cluster", name).json
    return {
        pod["metadata"]["name"]: (
            pod["metadata"]["uid"],
            pod["status"]["podIP"],
            [
                (c["containerID"], c["restartCount"], c["state"]["running"]["startedAt"])
                for c in pod["status"]["containerStatuses"]
            ],
        )
        for pod in listing["items"]
    }


def test_traffic_flows_while_the_daemon_is_dead_and_up_adopts_everything(netemu: Netemu, web: str):
    """Pods, Services, NodePorts and DNS go on; then the same pods and connections are there."""
    before = _pods(netemu, web)
    address = clusters.load_settings(web).nodes[1].address
    client = f"netemu-{web}-worker-1-default-client"
    kept = socket.create_connection((str(address), 30080), 5)
    kept.settimeout(5)
    service = _in_netns(client, "dig", "+short", "@10.96.0.10", "web.default.svc.cluster.local")
    with netns.inside(f"{netns.NETNS_DIR}/{client}"):
        inner = socket.create_connection((service, 80), 5)
    inner.settimeout(5)
    with kept, inner:
        _kill_daemon(web)
        status = netemu("status", web, "-o", "json").json
        assert (status["state"], status["pid"]) == ("unattended", None)
        for node in clusters.load_settings(web).nodes:
            answer = subprocess.run(
                ["curl", "-sm5", f"http://{node.address}:30080/hostname"],
                capture_output=True,
                text=True,
                check=True,
            )
            assert answer.stdout.startswith("web-")
        name = "web.default.svc.cluster.local"
        service = _in_netns(client, "dig", "+short", "+time=2", "@10.96.0.10", name)
        assert service.startswith("10.96.")
        assert _in_netns(client, "curl", "-sm5", f"http://{service}/hostname").startswith("web-")
        other = before["other-node"][1]
        assert _in_netns(client, "curl", "-sm5", f"http://{other}:8080/hostname") == "other-node"

        said = netemu("up", web).out
        assert f'cluster "{web}" runs after' in said
        assert _pods(netemu, web) == before
        for connection in (kept, inner):
            connection.sendall(b"GET /hostname HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n")
            assert b"web-" in _read_all(connection)
    netemu.kubectl(web, "scale", "deployment/web", "--replicas=4")
    netemu.kubectl(web, "rollout", "status", "deployment/web", "--timeout=20s")
    now = _pods(netemu, web)
    assert {name: pod for name, pod in now.items() if name in before} == before


def _read_all(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(65536), b""))


def test_an_up_whose_forerunner_was_killed_goes_on(netemu: Netemu):
    """A daemon that starts for nobody is replaced: there is one, it is ready, all answers."""
    name = new_name("half")
    up = netemu.start("up", name)
    first = until(lambda: clusters.daemon_of(name), what="the daemon")
    up.kill()
    up.communicate()
    try:
        netemu("up", name)
        record = clusters.daemon_of(name)
        assert record
        assert record.ready
        assert not first.process.alive or first.pid == record.pid
        netemu("get", "nodes")
    finally:
        netemu("down", name)


def test_two_ups_of_one_name_make_one_cluster(netemu: Netemu):
    """Who comes second waits, and says that it runs."""
    name = new_name("twin")
    both = [netemu.start("up", name, "--nodes", "1") for _ in range(2)]
    try:
        said = [up.communicate(timeout=30)[0] for up in both]
        assert [up.returncode for up in both] == [0, 0]
        assert sorted(f'cluster "{name}" runs already' in text for text in said) == [False, True]
    finally:
        netemu("down", name)


def test_clusters_side_by_side(netemu: Netemu):
    """`lab` and `lab-2`, brought up at once: each answers, one goes, the other is unharmed."""
    one = new_name("lab")
    other = f"{one}-2"
    ups = [netemu.start("up", name, "--nodes", "2") for name in (one, other)]
    try:
        assert [up.communicate(timeout=40) and up.returncode for up in ups] == [0, 0]
        settings = [clusters.load_settings(name) for name in (one, other)]
        assert not settings[0].underlay.overlaps(settings[1].underlay)
        for name in (one, other):
            netemu("apply", "-f", str(MANIFESTS / "one-pod.yaml"), "--cluster", name)
        for name in (one, other):
            netemu.kubectl(name, "rollout", "status", "deployment/hello", "--timeout=20s")
        refusal = netemu("get", "pods", code=2)
        assert refusal.err == (
            f"netemu: several clusters are there ({one}, {other}); name one with --cluster\n"
        )
        assert netemu("down", code=2).err.startswith("netemu: several clusters are there")
        before = _pods(netemu, other)
        netemu("down", one)
        assert _pods(netemu, other) == before
        hello = next(pod for name, pod in before.items() if name.startswith("hello-"))[1]
        node = f"netemu-{other}-control-plane"
        assert _in_netns(node, "curl", "-sm5", f"http://{hello}/hostname").startswith("hello-")
        assert [c["name"] for c in netemu("status", "-o", "json").json["clusters"]] == [other]
    finally:
        netemu("down", one)
        netemu("down", other)


def test_a_second_up_says_that_it_runs(netemu: Netemu):
    """It changes nothing and exits 0, and says so when other settings were asked for."""
    name = new_name("again")
    with netemu.cluster(name, "--nodes", "2"):
        record = clusters.daemon_of(name)
        again = netemu("up", "--name", name)
        assert (again.out, again.err) == (f'cluster "{name}" runs already\n', "")
        wishful = netemu("up", name, "--nodes", "5")
        assert wishful.out == f'cluster "{name}" runs already\n'
        assert "stays as it was made" in wishful.err
        assert clusters.daemon_of(name) == record
        status = netemu("status", "-o", "json").json
        assert record
        assert status["pid"] == record.pid
        assert status["kubeconfig"] == str(ClusterFolders(name).kubeconfig)
        assert [node["name"] for node in status["nodes"]] == ["control-plane", "worker-1"]
        assert ClusterFolders(name).kubeconfig.stat().st_mode & 0o777 == 0o600
        assert f"{name}: running, pid {record.pid}" in netemu("status").out


def test_a_cluster_file_says_all_that_flags_can(netemu: Netemu, tmp_path: Path):
    """Nodes by name and label, ranges and domain of one's own: and the cluster works."""
    name = new_name("file")
    file = tmp_path / "cluster.yaml"
    file.write_text(f"""\
apiVersion: netemu.dev/v1alpha1
kind: Cluster
metadata: {{name: {name}}}
spec:
  nodes:
    - {{role: control-plane, name: boss}}
    - {{name: edge, labels: {{disk: ssd}}}}
  podCIDR: 10.32.0.0/16
  serviceCIDR: 10.33.0.0/20
  clusterDNS: 10.33.0.53
  domain: example.test
  underlay: 198.19.77.0/24
""")
    try:
        netemu("up", "--config", str(file))
        nodes = netemu("get", "nodes", "-l", "disk=ssd", "-o", "json").json["items"]
        assert [node["metadata"]["name"] for node in nodes] == ["edge"]
        assert nodes[0]["spec"]["podCIDR"].startswith("10.32.")
        assert nodes[0]["status"]["addresses"][0]["address"] == "198.19.77.12"
        asked = "kubernetes.default.svc.example.test"
        node = f"netemu-{name}-edge"
        assert _in_netns(node, "dig", "+short", "@10.33.0.53", asked) == "10.33.0.1"
    finally:
        netemu("down", name)


def test_the_callers_kubectl_gets_a_context_and_loses_it_again(netemu: Netemu):
    """The file is made where there is none, belongs to the caller of sudo, and goes again."""
    name = new_name("ctx")
    config = netemu.home / "someone" / ".kube" / "config"
    config.parent.parent.mkdir()
    uid, gid = 23456, 34567
    with open("/etc/passwd", encoding="utf-8") as passwd:
        accounts = passwd.read()
    # An account of this mount namespace only.
    fake = netemu.home / "passwd"
    fake.write_text(f"{accounts}someone:x:{uid}:{gid}::{config.parent.parent}:/bin/sh\n")
    subprocess.run(["mount", "--bind", str(fake), "/etc/passwd"], check=True)
    try:
        netemu("up", name, "--nodes", "1", SUDO_UID=str(uid), SUDO_GID=str(gid), HOME="/root")
        status = config.stat()
        assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (uid, gid, 0o600)
        assert config.parent.stat().st_uid == uid
        current = subprocess.run(
            ["kubectl", f"--kubeconfig={config}", "config", "current-context"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert current.stdout.strip() == f"netemu-{name}"
        nodes = subprocess.run(
            ["kubectl", f"--kubeconfig={config}", "get", "nodes", "-o", "json"],
            capture_output=True,
            check=True,
            env=netemu.environment,
        )
        assert len(json.loads(nodes.stdout)["items"]) == 1
        # From another shell, without a trace of sudo.
        netemu("down", name)
        assert list(config.parent.parent.iterdir()) == []
    finally:
        netemu("down", name)
        subprocess.run(["umount", "/etc/passwd"], check=True)


def test_a_kubectl_configuration_that_makes_no_sense_is_said_before_anything_is_made(
    netemu: Netemu,
):
    """A broken ~/.kube/config: exit 2 with its line, no cluster; --no-context goes on."""
    name = new_name("odd")
    config = netemu.home / ".kube" / "config"
    config.parent.mkdir()
    config.write_text("apiVersion: v1\nclusters: {\n")
    refusal = netemu("up", name, "--nodes", "1", code=2)
    assert refusal.err.startswith(f"netemu: {config}:3: not one YAML document")
    assert name not in clusters.known()
    assert netemu("up", name, "--nodes", "1", "--no-context").code == 0
    netemu("down", name)
    assert config.read_text() == "apiVersion: v1\nclusters: {\n"


def test_down_goes_on_when_kubectls_configuration_broke_meanwhile(netemu: Netemu):
    """The cluster goes all the same; what could not be put back is said."""
    name = new_name("broke")
    config = netemu.home / ".kube" / "config"
    netemu("up", name, "--nodes", "1")
    config.write_text("[")
    down = netemu("down", name)
    assert down.out == f'cluster "{name}" removed\n'
    assert f"the context netemu-{name} stays in your kubectl configuration" in down.err
    assert config.read_text() == "["


def test_a_host_that_lacks_iptables(netemu: Netemu):
    """What is missing, why it matters, how to get it; exit 3; nothing is made."""
    name = new_name("poor")
    folders = "/usr/sbin /sbin /usr/bin /bin"
    # Of this mount namespace's own: a file that cannot be run where the programs are.
    script = f"""
        touch /run/nothing
        for folder in {folders}; do
            for program in $folder/*tables*; do
                [ ! -x $program ] || mount --bind /run/nothing $program
            done
        done
        exec "$@"
    """
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", *netemu.argv("up", name)],
        capture_output=True,
        text=True,
        env=netemu.environment,
        check=False,
    )
    Path("/run/nothing").unlink()
    assert done.returncode == 3, done
    assert done.stderr.startswith("netemu: iptables is missing: ")
    assert done.stderr.count("\n") == 1
    assert "nstall" in done.stderr
    assert name not in clusters.known()
