"""Tables: the cells that kubectl prints."""

from datetime import UTC, datetime

import msgspec
import pytest

from netemu.core.apiserver.tables import to_table
from netemu.model import apps_v1, coordination_v1, core_v1, discovery_v1
from netemu.model.codec import from_dict
from netemu.model.kinds import RESOURCES, by_type

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
BORN = "2026-01-01T11:55:00Z"


def make(kind, data):
    data = {"metadata": {"name": "x", "namespace": "d", "creationTimestamp": BORN}} | data
    return from_dict(data, kind)


def cells(kind, data):
    table = to_table(by_type(kind), [make(kind, data)], now=NOW)
    return table["rows"][0]["cells"]


def running(name="a", **more):
    return {"name": name, "ready": True, "state": {"running": {}}} | more


def waiting(reason, name="a"):
    return {"name": name, "state": {"waiting": {"reason": reason}}}


def ended(code=0, name="a", **more):
    return {"name": name, "state": {"terminated": {"exitCode": code, **more}}}


def pod(phase="Running", statuses=(), init=(), meta=None, spec=None, **status):
    containers = [{"name": s["name"]} for s in statuses] or [{"name": "a"}]
    inits = [{"name": s["name"]} for s in init]
    data = {
        "spec": {"containers": containers, "initContainers": inits, **(spec or {})},
        "status": {
            "phase": phase,
            "containerStatuses": list(statuses),
            "initContainerStatuses": list(init),
            **status,
        },
    }
    if meta:
        data["metadata"] = {"name": "x", "namespace": "d", "creationTimestamp": BORN, **meta}
    return data


READY = {"conditions": [{"type": "Ready", "status": "True"}]}

PODS = {
    "running": (pod(statuses=[running()]), "1/1", "Running"),
    "pending": (pod("Pending"), "0/1", "Pending"),
    "creating": (pod("Pending", [waiting("ContainerCreating")]), "0/1", "ContainerCreating"),
    "crashing": (pod(statuses=[waiting("CrashLoopBackOff"), running("b")]), "1/2", "CrashLoopBackOff"),
    "the first container's reason wins": (
        pod(statuses=[waiting("A"), waiting("B", "b")]), "0/2", "A"),
    "completed": (pod("Succeeded", [ended(reason="Completed")]), "0/1", "Completed"),
    "exit code": (pod("Failed", [ended(3)]), "0/1", "ExitCode:3"),
    "signal": (pod("Failed", [ended(0, signal=9)]), "0/1", "Signal:9"),
    "one done, one running, ready": (
        pod(statuses=[ended(reason="Completed"), running("b")], **READY), "1/2", "Running"),
    "one done, one running, not ready": (
        pod(statuses=[ended(reason="Completed"), running("b")]), "1/2", "NotReady"),
    "evicted": (pod("Failed", reason="Evicted"), "0/1", "Evicted"),
    "terminating": (
        pod(statuses=[running()], meta={"deletionTimestamp": BORN}), "1/1", "Terminating"),
    "lost": (
        pod(statuses=[running()], meta={"deletionTimestamp": BORN}, reason="NodeLost"),
        "1/1", "Unknown"),
    "init running": (pod("Pending", init=[{"name": "i", "state": {"running": {}}}]), "0/1", "Init:0/1"),
    "init waiting": (pod("Pending", init=[waiting("ImagePullBackOff", "i")]), "0/1", "Init:ImagePullBackOff"),
    "init initializing": (pod("Pending", init=[waiting("PodInitializing", "i")]), "0/1", "Init:0/1"),
    "second init": (
        pod("Pending", init=[ended(0, "i"), {"name": "j", "state": {"running": {}}}]), "0/1", "Init:1/2"),
    "init failed": (pod("Failed", init=[ended(1, "i", reason="Error")]), "0/1", "Init:Error"),
    "init exit code": (pod("Failed", init=[ended(2, "i")]), "0/1", "Init:ExitCode:2"),
    "gated": (
        pod("Pending", conditions=[{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]),
        "0/1", "SchedulingGated"),
}  # fmt: skip


@pytest.mark.parametrize(("data", "ready", "status"), PODS.values(), ids=PODS.keys())
def test_the_status_of_a_pod_in_one_word(data, ready, status):
    """The most telling reason that its containers give."""
    found = cells(core_v1.Pod, data)
    assert found[1:3] == [ready, status]


def test_a_pods_other_cells():
    """Restarts say how long ago, wide cells say none."""
    status = running(
        restartCount=2,
        lastState={"terminated": {"exitCode": 1, "finishedAt": "2026-01-01T11:57:00Z"}},
    )
    data = pod(statuses=[status], podIP="10.244.1.2", spec={"nodeName": "worker-1"})
    assert cells(core_v1.Pod, data) == [
        "x", "1/1", "Running", "2 (3m ago)", "5m", "10.244.1.2", "worker-1", "<none>", "<none>",
    ]  # fmt: skip


def test_a_sidecar_counts_as_ready():
    """It runs beside the others for as long as the pod lives."""
    data = pod(statuses=[running()], init=[running("s", started=True)])
    data["spec"]["initContainers"][0]["restartPolicy"] = "Always"
    assert cells(core_v1.Pod, data)[1:3] == ["2/2", "Running"]


def test_a_pod_that_has_ended_is_marked():
    """Some listings leave such rows out."""
    row = to_table(by_type(core_v1.Pod), [make(core_v1.Pod, pod("Failed"))], now=NOW)["rows"][0]
    assert row["conditions"] == [
        {
            "type": "Completed",
            "status": "True",
            "reason": "Failed",
            "message": "The pod has completed unsuccessfully.",
        }
    ]


PORTS = [{"port": 80, "nodePort": 31656, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]
TEMPLATE = {"spec": {"containers": [{"name": "a", "image": "i"}, {"name": "b", "image": "j"}]}}

CELLS = [
    (core_v1.Service, {"spec": {"type": "NodePort", "clusterIP": "10.96.0.9", "ports": PORTS, "selector": {"b": "2", "a": "1"}}},
     ["x", "NodePort", "10.96.0.9", "<none>", "80:31656/TCP,53/UDP", "5m", "a=1,b=2"]),
    (core_v1.Service, {"spec": {"type": "LoadBalancer", "clusterIP": "10.96.0.9"}},
     ["x", "LoadBalancer", "10.96.0.9", "<pending>", "<none>", "5m", "<none>"]),
    (core_v1.Service, {"spec": {"type": "LoadBalancer"}, "status": {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}}},
     ["x", "LoadBalancer", "<none>", "1.2.3.4", "<none>", "5m", "<none>"]),
    (core_v1.Service, {"spec": {"type": "ExternalName", "externalName": "e.com"}},
     ["x", "ExternalName", "<none>", "e.com", "<none>", "5m", "<none>"]),
    (core_v1.Node, {"metadata": {"name": "n", "creationTimestamp": BORN, "labels": {"node-role.kubernetes.io/control-plane": "", "kubernetes.io/role": "a"}},
                    "spec": {"unschedulable": True},
                    "status": {"conditions": [{"type": "Ready", "status": "True"}], "addresses": [{"type": "InternalIP", "address": "198.18.0.11"}],
                               "nodeInfo": {"kubeletVersion": "v1.33.0", "osImage": "Debian", "kernelVersion": "6.1", "containerRuntimeVersion": "netemu://1"}}},
     ["n", "Ready,SchedulingDisabled", "a,control-plane", "5m", "v1.33.0", "198.18.0.11", "<none>", "Debian", "6.1", "netemu://1"]),
    (core_v1.Node, {"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}},
     ["x", "NotReady", "<none>", "5m", "", "<none>", "<none>", "<unknown>", "<unknown>", "<unknown>"]),
    (core_v1.Endpoints, {"subsets": [{"addresses": [{"ip": f"10.0.0.{i}"} for i in range(1, 6)], "ports": [{"port": 80}]}]},
     ["x", "10.0.0.1:80,10.0.0.2:80,10.0.0.3:80 + 2 more...", "5m"]),
    (core_v1.Endpoints, {}, ["x", "<none>", "5m"]),
    (discovery_v1.EndpointSlice, {"addressType": "IPv4", "ports": [{"port": 80}], "endpoints": [{"addresses": ["10.0.0.1"]}]},
     ["x", "IPv4", "80", "10.0.0.1", "5m"]),
    (discovery_v1.EndpointSlice, {"addressType": "IPv4"}, ["x", "IPv4", "<unset>", "<unset>", "5m"]),
    (apps_v1.Deployment, {"spec": {"replicas": 3, "selector": {"matchLabels": {"app": "x"}}, "template": TEMPLATE},
                          "status": {"readyReplicas": 2, "updatedReplicas": 3, "availableReplicas": 2}},
     ["x", "2/3", 3, 2, "5m", "a,b", "i,j", "app=x"]),
    (apps_v1.ReplicaSet, {"spec": {"replicas": 3, "selector": {"matchLabels": {"app": "x"}}, "template": TEMPLATE}, "status": {"replicas": 2, "readyReplicas": 1}},
     ["x", 3, 2, 1, "5m", "a,b", "i,j", "app=x"]),
    (core_v1.Namespace, {"status": {"phase": "Active"}}, ["x", "Active", "5m"]),
    (core_v1.ConfigMap, {"data": {"a": "1"}, "binaryData": {"b": "YQ=="}}, ["x", 2, "5m"]),
    (core_v1.Secret, {"type": "Opaque", "data": {"a": "YQ=="}}, ["x", "Opaque", 1, "5m"]),
    (core_v1.ServiceAccount, {}, ["x", 0, "5m"]),
    (coordination_v1.Lease, {"spec": {"holderIdentity": "me"}}, ["x", "me", "5m"]),
    (core_v1.Event, {"involvedObject": {"kind": "Pod", "name": "p", "fieldPath": "spec.containers{a}"}, "type": "Normal", "reason": "Started",
                     "message": "Started a\n", "count": 4, "source": {"component": "kubelet", "host": "worker-1"},
                     "firstTimestamp": BORN, "lastTimestamp": "2026-01-01T11:59:00Z"},
     ["60s", "Normal", "Started", "pod/p", "spec.containers{a}", "kubelet, worker-1", "Started a", "5m", 4, "x"]),
    (core_v1.Event, {"involvedObject": {"kind": "Pod", "name": "p"}, "type": "Normal", "reason": "Scheduled", "message": "m",
                     "eventTime": "2026-01-01T11:59:00.000000Z", "reportingComponent": "default-scheduler"},
     ["60s", "Normal", "Scheduled", "pod/p", "", "default-scheduler", "m", "60s", 1, "x"]),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "data", "expected"), CELLS)
def test_cells(kind, data, expected):
    """As kubectl shows them; counts are numbers."""
    assert cells(kind, data) == expected


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda r: r.plural)
def test_every_kind_has_as_many_cells_as_columns(resource):
    """Even for an object that says nothing at all."""
    table = to_table(resource, [resource.type()], now=NOW)
    assert len(table["rows"][0]["cells"]) == len(table["columnDefinitions"])
    assert msgspec.json.decode(msgspec.json.encode(table))["kind"] == "Table"


@pytest.mark.parametrize(
    ("include", "expected"),
    [("None", None), ("Metadata", "PartialObjectMetadata"), ("Object", "ConfigMap")],
)
def test_rows_carry_the_object_that_was_asked_for(include, expected):
    """kubectl takes the namespace of a row from there."""
    obj = make(core_v1.ConfigMap, {"data": {"a": "1"}})
    table = to_table(by_type(core_v1.ConfigMap), [obj], now=NOW, include_object=include)
    row = msgspec.json.decode(msgspec.json.encode(table))["rows"][0]
    found = row.get("object")
    assert (found and found["kind"]) == expected
    if found:
        assert found["metadata"]["namespace"] == "d"


def test_a_watch_sends_its_columns_once():
    """Later events have none, and any version is named as asked."""
    table = to_table(
        by_type(core_v1.Pod),
        [],
        now=NOW,
        version="v1beta1",
        with_columns=False,
        metadata={"resourceVersion": "5"},
    )
    assert table["columnDefinitions"] is None
    assert table["apiVersion"] == "meta.k8s.io/v1beta1"
    assert table["metadata"] == {"resourceVersion": "5"}
    assert table["rows"] == []
