"""Scenarios as acceptance tests: all of them pass, and what fails is told and removed."""

from __future__ import annotations

from pathlib import Path

import pytest
from netemu_command import ROOT, Netemu, new_name

from netemu.host import clusters

pytestmark = pytest.mark.root

SCENARIOS = sorted((ROOT / "scenarios").glob("*.yaml"))

_HEAD = """\
apiVersion: netemu.dev/v1alpha1
kind: Scenario
metadata: {name: NAME}
spec:
  cluster: {nodes: 2}
  steps:
"""


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda path: path.stem)
def test_scenario_passes(netemu: Netemu, scenario: Path):
    """Each file in scenarios/ runs on a cluster of its own, and leaves none."""
    report = netemu("run", str(scenario), "-o", "json").json
    assert report["scenario"] == scenario.stem
    assert report["passed"] is True
    assert [step["index"] for step in report["steps"]] == list(range(len(report["steps"])))
    assert all(step["passed"] for step in report["steps"])
    assert 0 < max(step["seconds"] for step in report["steps"]) < report["seconds"]
    assert report["cluster"] not in clusters.known()


def test_the_demo_tells_what_it_saw(netemu: Netemu):
    """What a person reads: the steps, what answered, the sum; and the cluster is gone."""
    told = netemu("demo", "pod-birth").out
    assert told.startswith("scenario pod-birth\n")
    assert "cluster of 3 nodes after" in told
    for who in (
        "kubectl",
        "deployment-controller",
        "replicaset-controller",
        "scheduler",
        "kubelet",
    ):
        assert who in told
    assert told.index("binds it to worker-") < told.index("is Running")
    assert "passed: 2 steps in" in told
    assert clusters.known() == []


def _run(netemu: Netemu, steps: str, *words: str, code: int) -> tuple[str, str]:
    name = new_name("scene")
    file = netemu.temporary / f"{name}.yaml"
    file.write_text(_HEAD.replace("NAME", name) + steps)
    done = netemu("run", str(file), *words, code=code)
    file.unlink()
    return name, done.out


def test_a_step_that_fails_says_what_was_expected_and_seen(netemu: Netemu):
    """Exit 1, the rest is not taken, and the cluster is removed all the same."""
    steps = """\
    - say: nobody listens there
    - probe: {from: node/worker-1, tcp: "control-plane:9", withinSeconds: 0.1}
    - say: never reached
"""
    name, told = _run(netemu, steps, code=1)
    assert " ✗ from node/worker-1: tcp control-plane:9\n" in told
    assert "expected ok, got refused" in told
    assert "never reached" not in told
    assert "FAILED in step 1 of 1 (" in told
    assert name not in clusters.known()


def test_a_failure_as_json(netemu: Netemu):
    """-o json has what was seen, too, and nothing else on standard output."""
    steps = """\
    - wait: {for: deployment/kube-system/coredns, until: ready}
    - wait: {for: pod/godot, until: ready, withinSeconds: 0.2}
    - say: never reached
"""
    name = new_name("scene")
    file = netemu.temporary / f"{name}.yaml"
    file.write_text(_HEAD.replace("NAME", name) + steps)
    report = netemu("run", str(file), "-o", "json", code=1).json
    file.unlink()
    assert (report["passed"], [step["passed"] for step in report["steps"]]) == (
        False,
        [True, False],
    )
    assert report["steps"][1]["step"] == "wait"
    assert report["steps"][1]["detail"] == (
        "waited 0.2 s for pod/godot to be ready; seen: it is not there"
    )


_EVERYTHING = """\
    - apply:
        manifest: |
          apiVersion: v1
          kind: Pod
          metadata: {name: one}
          spec:
            containers: [{name: a, image: nginx, ports: [{containerPort: 80}]}]
          ---
          apiVersion: v1
          kind: Service
          metadata: {name: one}
          spec:
            clusterIP: None
            selector: {}
            ports: [{port: 80}]
    - wait: {for: pod/one}
    - wait: {for: node/worker-1}
    - exec: {in: pod/one, command: [sh, -c, "echo out; exit 3"], expect: {exitCode: 3, output: ^out$}}
    - probe: {from: host, ping: worker-1}
    - probe: {from: node/control-plane, http: "http://{pod/one}/", times: 3, expect: {body: "pod: one"}}
    - probe: {from: node/worker-1, tcp: "{pod/one}:81", expect: {result: refused}}
    - probe: {from: pod/one, dns: kubernetes.default, expect: {body: ^10.96.0.1$}}
    - probe: {from: pod/one, dns: _https._tcp.kubernetes.default.svc.cluster.local, type: SRV, expect: {body: " 443 "}}
    - probe: {from: pod/one, udp: "10.255.255.1:9", timeoutSeconds: 0.1, expect: {result: timeout}}
    - kill: {pod: one}
    - wait: {for: pod/one, until: deleted}
    - delete: service/one
"""


def test_every_step_on_one_cluster(netemu: Netemu):
    """Steps in their forms that the shipped scenarios do not use; the cluster is kept and used."""
    name, told = _run(netemu, _EVERYTHING, "--keep", code=None)
    kept = next(each for each in clusters.known() if each.startswith(name[:12]))
    try:
        assert "passed: 13 steps in" in told, told
        assert f'cluster "{kept}" is left; sudo netemu down {kept}' in told
        steps = "    - probe: {from: host, ping: control-plane}\n"
        _, again = _run(netemu, steps, "--cluster", kept, code=0)
        assert "passed: 1 step in" in again
        assert kept in clusters.known()
    finally:
        netemu("down", kept)


_KILLS = """\
    - apply: MANIFEST
    - wait: {for: deployment/hello}
    - load: {start: requests, from: node/worker-1, http: "http://{deployment/hello}/", rate: 50}
    - kill: {component: daemon}
    - probe: {from: node/worker-1, ping: control-plane}
      at: requests+300ms
    - start: {component: daemon}
    - kill: {component: zygote}
    - exec: {in: deployment/hello, command: [hostname], withinSeconds: 10}
    - kill: {component: dns}
    - load: {stop: requests, expect: {failed: 0, ok: 20, backends: 1}}
    - node: {add: worker-2, zone: west}
    - wait: {for: node/worker-2}
    - node: {partition: worker-2}
    - probe: {from: host, ping: worker-2, timeoutSeconds: 0.2, expect: {result: timeout}}
    - node: {heal: worker-2}
    - probe: {from: node/worker-2, ping: control-plane}
    - node: {remove: worker-2}
    - wait: {for: node/worker-2, until: deleted}
"""


def test_what_is_killed_and_cut_under_load(netemu: Netemu):
    """No request is lost to the deaths of netemu's own processes; nodes come and go."""
    steps = _KILLS.replace("MANIFEST", str(ROOT / "scenarios/manifests/one-pod.yaml"))
    _, told = _run(netemu, steps, code=None)
    assert "passed: 18 steps in" in told, told


def test_ready_means_that_the_pods_are(netemu: Netemu):
    """Right after a kill a Deployment is not ready, whatever its status still says."""
    steps = """\
    - apply: MANIFEST
    - wait: {for: deployment/hello}
    - kill: {pod: deployment/hello}
    - wait: {for: deployment/hello}
    - exec: {in: deployment/hello, command: [hostname], expect: {output: ^hello-}}
""".replace("MANIFEST", str(ROOT / "scenarios/manifests/one-pod.yaml"))
    _, told = _run(netemu, steps, "-o", "json", code=0)
    assert '"passed": true' in told


def test_two_demos_at_once_do_not_share_a_cluster(netemu: Netemu):
    """Each takes a name of its own, and removes its own cluster only."""
    both = [netemu.start("demo", "pod-birth") for _ in range(2)]
    told = [demo.communicate(timeout=60)[0] for demo in both]
    assert [demo.returncode for demo in both] == [0, 0], told
    assert clusters.known() == []
