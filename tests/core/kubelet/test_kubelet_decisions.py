"""Probes, resources, security, admission, container specs, the Node."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
import yaml

from netemu.core.kubelet import admission, container_spec, node, probes, resources, security
from netemu.core.kubelet.container_spec import PodPaths
from netemu.core.kubelet.field_refs import ContainerConfigError
from netemu.core.kubelet.images import ImageSource, Resolution
from netemu.core.kubelet.node import HostFacts
from netemu.core.kubelet.probes import Outcome, ProbeKind, ProbeResult
from netemu.model.codec import from_dict
from netemu.model.core_v1 import NodeCondition, Pod, Probe
from netemu.model.settings import NodeSettings

GOOD, BAD = ProbeResult(Outcome.SUCCESS), ProbeResult(Outcome.FAILURE, "no")
ERROR = ProbeResult(Outcome.ERROR, "broken")


def pod(spec: str, **metadata: object) -> Pod:
    return from_dict(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "web", "namespace": "shop", "uid": "u1", **metadata},
            "spec": yaml.safe_load(spec),
        },
        Pod,
    )


def test_a_verdict_flips_at_its_threshold() -> None:
    """Equal results in a row count, errors do not, and a flip is told once."""
    probe = Probe(failure_threshold=3, success_threshold=2)
    state = probes.state_of(ProbeKind.READINESS, probe, started_at=0)
    results = [GOOD, BAD, GOOD, GOOD, GOOD, BAD, ERROR, BAD, BAD, BAD]
    flips = [state.record(result) for result in results]
    assert flips == [False, False, False, True, False, False, False, False, True, False]
    assert state.verdict is False


def test_a_failure_right_after_the_start_is_tried_again_and_not_counted() -> None:
    """Nobody waits a period for a port that opens in ten milliseconds."""
    state = probes.state_of(ProbeKind.READINESS, Probe(), started_at=100.0)
    assert state.settling(BAD, 100.01)
    assert state.next_after(100.01, settling=True) == pytest.approx(100.06)
    assert not state.settling(GOOD, 100.01)
    assert not state.settling(BAD, 101.0)
    assert state.next_after(101.0, settling=False) == 111.0


def test_named_ports_and_urls() -> None:
    """A port may be a name; the URL goes to the Pod unless a host is named."""
    body = pod("""
containers:
- name: c
  ports: [{name: web, containerPort: 8080}]
  readinessProbe: {httpGet: {port: web, path: healthz}}
""")
    container = body.spec.containers[0]
    action = container.readiness_probe.http_get
    assert (
        probes.url_of(action, container, IPv4Address("10.0.0.5")) == "http://10.0.0.5:8080/healthz"
    )
    with pytest.raises(probes.ProbePortError):
        probes.port_of(container, "none")


def test_http_statuses() -> None:
    """200 to 399 is well; a redirect to elsewhere is well with a warning."""
    assert probes.judge_status(204, same_host=True, location="").outcome is Outcome.SUCCESS
    assert probes.judge_status(302, same_host=False, location="x").warning
    bad = probes.judge_status(500, same_host=True, location="")
    assert probes.event_message(ProbeKind.LIVENESS, bad) == (
        "Liveness probe failed: HTTP probe failed with statuscode: 500"
    )


@pytest.mark.parametrize(
    ("containers", "qos", "cgroup"),
    [
        ("[{name: a}]", "BestEffort", "kubepods/besteffort/podu1"),
        (
            "[{name: a, resources: {requests: {cpu: 100m}}}]",
            "Burstable",
            "kubepods/burstable/podu1",
        ),
        (
            "[{name: a, resources: {limits: {cpu: '1', memory: 1Gi}, requests: {cpu: 1000m, memory: 1024Mi}}}]",
            "Guaranteed",
            "kubepods/podu1",
        ),
    ],
)
def test_quality_of_service(containers: str, qos: str, cgroup: str) -> None:
    """The class follows requests and limits, and the cgroup's path the class."""
    body = pod(f"containers: {containers}")
    assert resources.qos_class(body) == qos
    assert resources.pod_cgroup(body) == cgroup


def test_cgroup_numbers() -> None:
    """Shares, quota, memory and the score for the out-of-memory killer."""
    body = pod(
        "containers: [{name: a, resources: {requests: {cpu: 500m, memory: 256Mi}, limits: {cpu: '2'}}}]"
    )
    made = resources.container_resources(body, body.spec.containers[0], memory_capacity=2**30)
    assert (made.cpu_shares, made.cpu_quota_us, made.memory_bytes) == (512, 200_000, 0)
    assert made.oom_score_adj == 750


def security_of(spec: str, *, as_root: bool = True) -> security.Security:
    body = pod(spec)
    return security.decide(body, body.spec.containers[0], image_runs_as_root=as_root)


def test_default_capabilities_let_ping_but_not_configure_links() -> None:
    """The runtimes' default set: NET_RAW yes, NET_ADMIN no."""
    found = security_of("containers: [{name: a}]").capabilities
    assert "NET_RAW" in found
    assert "NET_ADMIN" not in found


def test_capabilities_added_and_dropped() -> None:
    """Names come with or without CAP_; dropping ALL leaves what is added by name."""
    some = security_of(
        "containers: [{name: a, securityContext: {capabilities: {add: [CAP_NET_ADMIN], drop: [ALL]}}}]"
    )
    assert some.capabilities == ("NET_ADMIN",)
    every = security_of("containers: [{name: a, securityContext: {privileged: true}}]")
    assert "SYS_ADMIN" in every.capabilities


def test_users_and_groups() -> None:
    """The container's context beats the Pod's; fsGroup is one of the groups."""
    found = security_of("""
securityContext: {runAsUser: 1000, runAsGroup: 3000, fsGroup: 2000}
containers: [{name: a, securityContext: {runAsUser: 1001}}]
""")
    assert (found.user_id, found.group_id, found.groups) == (1001, 3000, (2000,))


def test_run_as_non_root() -> None:
    """Root is refused where it is forbidden; an image nobody knows gives way."""
    text = "{securityContext: {runAsNonRoot: true}, containers: [{name: a}]}"
    with pytest.raises(ContainerConfigError, match="image will run as root"):
        security_of(text)
    assert security_of(text, as_root=False).user_id == security.NOBODY_OF_IMAGES


def test_admission() -> None:
    """Too many Pods, wrong labels, taken ports and unsafe sysctls are refused."""
    plain = pod("containers: [{name: a, ports: [{containerPort: 80, hostPort: 80}]}]")

    def reason(of: Pod, others: list[Pod], limit: int = 110) -> str:
        refusal = admission.admit(of, others=others, labels={"zone": "a"}, max_pods=limit)
        return refusal.reason if refusal else ""

    assert reason(plain, []) == ""
    assert reason(plain, [plain], 1) == "OutOfpods"
    assert reason(plain, [plain]) == "NodePorts"
    one, two = (
        pod(
            f"containers: [{{name: a, ports: [{{containerPort: 80, hostPort: 80, hostIP: {ip}}}]}}]"
        )
        for ip in ("127.0.0.1", "198.18.0.12")
    )
    assert [reason(one, [other]) for other in (two, one, plain)] == ["", "NodePorts", "NodePorts"]
    assert reason(pod("{nodeSelector: {zone: b}, containers: []}"), []) == "NodeAffinity"
    unsafe = "{securityContext: {sysctls: [{name: kernel.msgmax, value: '1'}]}, containers: []}"
    assert reason(pod(unsafe), []) == "SysctlForbidden"


def test_container_spec() -> None:
    """The runtime's request holds every decision; the kubelet's files give way to own mounts."""
    body = pod("""
volumes: [{name: v, emptyDir: {}}, {name: files, configMap: {name: c}}]
containers:
- name: a
  workingDir: /srv
  volumeMounts:
  - {name: files, mountPath: /files}
  - {name: v, mountPath: /data/, subPathExpr: "$(NAME)", readOnly: true}
  - {name: v, mountPath: /etc/hosts, subPath: hosts}
""")
    container = body.spec.containers[0]
    made = container_spec.make(
        body,
        container,
        attempt=2,
        resolution=Resolution(
            source=ImageSource.STAND_IN,
            image="nginx:latest",
            image_id="x",
            entrypoint="m:f",
            args=("--port", "80/tcp"),
            pulled="",
        ),
        variables={"NAME": "web"},
        security=security.decide(body, container, image_runs_as_root=True),
        paths=PodPaths(
            hosts="/r/hosts",
            resolv_conf="/r/resolv.conf",
            hostname="/r/hostname",
            volumes={"v": "/s/v", "files": "/s/files"},
            termination_message="/r/t",
            log="/l",
        ),
        memory_capacity=2**30,
    )
    assert [(m.target, m.source, m.sub_path, m.read_only) for m in made.mounts] == [
        ("/data", "/s/v", "web", True),
        ("/files", "/s/files", "", True),
        ("/etc/hostname", "/r/hostname", "", False),
        ("/etc/hosts", "/s/v", "hosts", False),
        ("/etc/resolv.conf", "/r/resolv.conf", "", False),
    ]
    assert made.title == "netemu: shop/web a (stand-in)"
    assert (made.restart_count, made.cwd, made.env["HOME"]) == (2, "/srv", "/root")
    assert made.id == container_spec.container_id(body, container, 2)
    assert made.id != container_spec.container_id(body, container, 3)


FACTS = HostFacts(
    cpus=2,
    memory_bytes=4 * 2**30,
    storage_bytes=100 * 2**30,
    machine_id="m",
    system_uuid="s",
    boot_id="b",
    kernel_version="6.1",
    os_image="Debian",
    architecture="amd64",
)


def test_the_node_object() -> None:
    """Addresses, labels, taint, capacity and conditions are a kubelet's."""
    settings = NodeSettings(
        name="control-plane", address=IPv4Address("198.18.0.11"), control_plane=True
    )
    made = node.make(settings, FACTS, network_ready=False, now="2026-01-02T03:04:05Z")
    assert made.spec.taints[0].key == "node-role.kubernetes.io/control-plane"
    assert made.metadata.labels["kubernetes.io/hostname"] == "control-plane"
    assert made.status.capacity["memory"] == "4Gi"
    assert made.status.allocatable["memory"] == "3996Mi"
    assert [(c.type, c.status) for c in made.status.conditions] == [
        ("MemoryPressure", "False"),
        ("DiskPressure", "False"),
        ("PIDPressure", "False"),
        ("Ready", "False"),
    ]
    assert "NetworkPluginNotReady" in made.status.conditions[-1].message


def test_node_conditions_of_others_are_kept() -> None:
    """The network plugin's condition stays; transition times move with the status only."""
    settings = NodeSettings(name="n", address=IPv4Address("198.18.0.12"))
    before = node.make(settings, FACTS, network_ready=False, now="2026-01-01T00:00:00Z")
    others = NodeCondition(type="NetworkUnavailable", status="False")
    after = node.status(
        settings,
        FACTS,
        before=[*before.status.conditions, others],
        network_ready=True,
        now="2026-01-01T00:00:10Z",
    )
    times = {c.type: c.last_transition_time[-3:-1] for c in after.conditions[1:]}
    assert after.conditions[0] == others
    assert times == {
        "MemoryPressure": "00",
        "DiskPressure": "00",
        "PIDPressure": "00",
        "Ready": "10",
    }


def test_a_node_whose_bridge_was_set_down_is_not_ready() -> None:
    """As where a container runtime says that its network plugin does not work."""
    settings = NodeSettings(name="n", address=IPv4Address("198.18.0.12"))
    made = node.status(
        settings,
        FACTS,
        before=(),
        network_ready=True,
        now="2026-01-01T00:00:10Z",
        trouble="cni0 was set down",
    )
    ready = made.conditions[-1]
    assert (ready.type, ready.status, ready.reason) == ("Ready", "False", "KubeletNotReady")
    assert ready.message.endswith("Network plugin returns error: cni0 was set down")


def test_the_lease() -> None:
    """The Lease belongs to the Node and says who holds it."""
    made = node.lease("n", uid="u", now="2026-01-01T00:00:00.000000Z")
    assert made.spec.holder_identity == "n"
    assert made.metadata.owner_references[0].uid == "u"
