"""The control plane as one: what comes of an object, through the API alone."""

import asyncio
from collections import Counter

from netemu.core.control.contract import Controller, Watch, own_key
from netemu.model.apps_v1 import Deployment, ReplicaSet
from netemu.model.core_v1 import (
    ConfigMap,
    Endpoints,
    Event,
    Namespace,
    Node,
    Pod,
    Service,
    ServiceAccount,
    ServicePort,
    ServiceSpec,
)
from netemu.model.discovery_v1 import EndpointSlice
from netemu.model.meta_v1 import ObjectMeta


async def _ready(plane, wanted, name="web", namespace="default"):
    async def complete():
        await plane.make_ready(namespace)
        deployment = await plane.get(Deployment, name, namespace)
        status = deployment.status
        counts = (status.replicas, status.updated_replicas, status.available_replicas)
        current = status.observed_generation == deployment.metadata.generation
        return current and counts == (wanted, wanted, wanted)

    await plane.until(complete)


async def test_a_deployment_becomes_bound_pods(plane, make_deployment):
    """Deployment, ReplicaSet, Pods, bindings, spread over the Nodes; events tell of it."""
    async with plane.running():
        await plane.add_node("worker-1")
        await plane.add_node("worker-2")
        await plane.client.create(make_deployment(4))
        await _ready(plane, 4)
        pods = await plane.all(Pod)
        assert Counter(pod.spec.node_name for pod in pods) == {"worker-1": 2, "worker-2": 2}

        async def told():
            reasons = {event.reason for event in await plane.all(Event)}
            return {"ScalingReplicaSet", "SuccessfulCreate", "Scheduled"} <= reasons

        await plane.until(told)


async def test_components_do_not_know_where_the_api_is(plane, make_deployment):
    """The same across HTTPS: up, down, gone, and never a Pod too many."""
    async with plane.over_https() as client, plane.running(client):
        await plane.add_node("worker-1")
        await plane.client.create(make_deployment(10))
        await _ready(plane, 10)
        assert len(await plane.all(Pod)) == 10
        await plane.patch(Deployment, "web", {"spec": {"replicas": 3}})
        await _ready(plane, 3)
        await plane.client.delete(Deployment, "web", "default")

        async def gone():
            await plane.make_ready()
            return not (await plane.all(ReplicaSet) or await plane.all(Pod))

        await plane.until(gone)


async def test_exactly_as_many_pods_as_wanted_are_ever_made(plane, make_deployment):
    """Up, down and up again in one breath never makes a Pod too many."""
    async with plane.running():
        await plane.add_node("worker-1")
        await plane.client.create(make_deployment(30))
        for replicas in (10, 40, 5, 25):
            await plane.patch(Deployment, "web", {"spec": {"replicas": replicas}})
            await asyncio.sleep(0)
        await _ready(plane, 25)
        assert len([p for p in await plane.all(Pod) if not p.metadata.deletion_timestamp]) == 25
        messages = [e.message for e in await plane.all(Event) if e.reason == "SuccessfulCreate"]
        assert len(messages) == len(set(messages)) <= 40


async def test_a_hundred_pods_spread_evenly(plane, make_deployment):
    """A hundred Pods placed in one go see each other."""
    async with plane.running():
        for number in (1, 2, 3):
            await plane.add_node(f"worker-{number}")
        await plane.client.create(make_deployment(100))

        async def bound():
            pods = await plane.all(Pod)
            return len(pods) == 100 and all(pod.spec.node_name for pod in pods)

        await plane.until(bound)
        counts = Counter(pod.spec.node_name for pod in await plane.all(Pod))
        assert max(counts.values()) - min(counts.values()) <= 1


async def test_a_service_finds_its_pods(plane, make_deployment):
    """EndpointSlice and Endpoints list the ready Pods, and only those."""
    async with plane.running():
        await plane.add_node("worker-1")
        spec = ServiceSpec(selector={"app": "web"}, ports=[ServicePort(port=80)])
        service = Service(metadata=ObjectMeta(name="web", namespace="default"), spec=spec)
        await plane.client.create(service)
        await plane.client.create(make_deployment(3))
        await _ready(plane, 3)

        async def listed(count):
            slices = [s for s in await plane.all(EndpointSlice) if s.metadata.name != "kubernetes"]
            ready = [e for s in slices for e in s.endpoints if e.conditions.ready]
            endpoints = await plane.get(Endpoints, "web")
            addresses = [a for s in endpoints.subsets for a in s.addresses] if endpoints else []
            return len(ready) == len(addresses) == count

        await plane.until(lambda: listed(3))
        await plane.patch(Deployment, "web", {"spec": {"replicas": 1}})
        await plane.until(lambda: listed(1))
        await plane.client.delete(Service, "web", "default")

        async def gone():
            slices = [s for s in await plane.all(EndpointSlice) if s.metadata.name != "kubernetes"]
            return not slices and await plane.get(Endpoints, "web") is None

        await plane.until(gone)


async def test_a_rolling_update_replaces_all_pods(plane, make_deployment):
    """The old ReplicaSet ends empty, the new one full."""
    async with plane.running():
        await plane.add_node("worker-1")
        await plane.client.create(make_deployment(3))
        await _ready(plane, 3)
        container = {"name": "c", "image": "web:2", "ports": [{"containerPort": 80}]}
        patch = {"spec": {"template": {"spec": {"containers": [container]}}}}
        await plane.patch(Deployment, "web", patch)
        await _ready(plane, 3)
        sets = await plane.all(ReplicaSet)
        assert sorted(one.spec.replicas for one in sets) == [0, 3]
        images = {pod.spec.containers[0].image for pod in await plane.all(Pod)}
        assert images == {"web:2"}


async def test_deleting_a_deployment_takes_all_with_it(plane, make_deployment):
    """Background: owner first, then ReplicaSet and Pods."""
    async with plane.running():
        await plane.add_node("worker-1")
        await plane.client.create(make_deployment(3))
        await _ready(plane, 3)
        await plane.client.delete(Deployment, "web", "default")

        async def gone():
            await plane.make_ready()
            return not (await plane.all(ReplicaSet) or await plane.all(Pod))

        await plane.until(gone)


async def test_foreground_deletion_waits_for_the_pods(plane, make_deployment):
    """The Deployment is the last to go."""
    async with plane.running():
        await plane.add_node("worker-1")
        await plane.client.create(make_deployment(2))
        await _ready(plane, 2)
        await plane.client.delete(Deployment, "web", "default", propagation="Foreground")

        async def pods_are_going():
            pods = await plane.all(Pod)
            return pods and all(pod.metadata.deletion_timestamp for pod in pods)

        await plane.until(pods_are_going)
        assert await plane.get(Deployment, "web") is not None

        async def gone():
            await plane.make_ready()
            return await plane.get(Deployment, "web") is None

        await plane.until(gone)
        assert not await plane.all(Pod)


async def test_orphaned_pods_stay_and_are_adopted_again(plane, make_deployment):
    """With propagation Orphan the ReplicaSet stays, and a new Deployment takes it over."""
    async with plane.running():
        await plane.add_node("worker-1")
        await plane.client.create(make_deployment(2))
        await _ready(plane, 2)
        before = {pod.metadata.uid for pod in await plane.all(Pod)}
        await plane.client.delete(Deployment, "web", "default", propagation="Orphan")

        async def orphaned():
            (one,) = await plane.all(ReplicaSet)
            return await plane.get(Deployment, "web") is None and not one.metadata.owner_references

        await plane.until(orphaned)
        await plane.client.create(make_deployment(2))
        await _ready(plane, 2)
        assert {pod.metadata.uid for pod in await plane.all(Pod)} == before


async def test_a_namespace_is_drained_before_it_goes(plane, make_deployment):
    """All content of all kinds goes; meanwhile the conditions say what remains."""
    async with plane.running():
        await plane.add_node("worker-1")
        await plane.client.create(Namespace(metadata=ObjectMeta(name="shop")))

        async def furnished():
            account = await plane.get(ServiceAccount, "default", "shop")
            authority = await plane.get(ConfigMap, "kube-root-ca.crt", "shop")
            return account is not None and authority is not None

        await plane.until(furnished)
        await plane.client.create(make_deployment(2, namespace="shop"))
        await _ready(plane, 2, namespace="shop")
        await plane.client.delete(Namespace, "shop")

        async def said():
            namespace = await plane.get(Namespace, "shop", "")
            conditions = {c.type: c for c in namespace.status.conditions}
            remaining = conditions.get("NamespaceContentRemaining")
            return remaining and "pods. has 2 resource instances" in remaining.message

        await plane.until(said)

        async def gone():
            await plane.make_ready("shop")
            return await plane.get(Namespace, "shop", "") is None

        await plane.until(gone)
        for kind in (Pod, ReplicaSet, Deployment, ConfigMap, ServiceAccount, Event):
            assert not await plane.all(kind, "shop")


async def test_nodes_get_blocks_of_their_own(plane):
    """Each Node a /24 of the cluster's Pod addresses."""
    async with plane.running():
        for name in ("a", "b", "c"):
            await plane.add_node(name)

        async def assigned():
            blocks = [node.spec.pod_cidr for node in await plane.all(Node, "")]
            return all(blocks) and sorted(blocks)

        blocks = await plane.until(assigned)
        assert blocks == ["10.244.0.0/24", "10.244.1.0/24", "10.244.2.0/24"]


async def test_a_silent_node_becomes_unknown_and_comes_back(plane, make_deployment):
    """Its Pods are not ready, it is tainted; one word of its kubelet, and all is well."""
    async with plane.running(node_grace_s=0.3, node_monitor_period_s=0.0, eviction_interval_s=0.1):
        await plane.add_node("worker-1")
        await plane.add_node("worker-2")
        await plane.client.create(make_deployment(2))
        await _ready(plane, 2)

        async def lost():
            await plane.post_node("worker-2")
            node = await plane.get(Node, "worker-1", "")
            taints = {(taint.key, taint.effect) for taint in node.spec.taints}
            key = "node.kubernetes.io/unreachable"
            return {(key, "NoSchedule"), (key, "NoExecute")} <= taints

        await plane.until(lost)
        node = await plane.get(Node, "worker-1", "")
        ready = next(c for c in node.status.conditions if c.type == "Ready")
        assert (ready.status, ready.reason) == ("Unknown", "NodeStatusUnknown")

        async def unready():
            pods = [p for p in await plane.all(Pod) if p.spec.node_name == "worker-1"]
            return pods and all(
                c.status == "False" for p in pods for c in p.status.conditions if c.type == "Ready"
            )

        await plane.until(unready)

        async def back():
            await plane.post_node("worker-1")
            await plane.post_node("worker-2")
            return not (await plane.get(Node, "worker-1", "")).spec.taints

        await plane.until(back)


async def test_controllers_go_on_where_their_predecessors_died(plane, make_deployment):
    """Killed in the midst of scaling and started again: exactly what was asked for."""
    async with plane.running():
        await plane.add_node("worker-1")
        await plane.client.create(make_deployment(50))

        async def begun():
            return len(await plane.all(Pod)) >= 5

        await plane.until(begun)
    assert len(await plane.all(Pod)) <= 50
    await plane.patch(Deployment, "web", {"spec": {"replicas": 20}})
    async with plane.running():
        await _ready(plane, 20)
        assert len([p for p in await plane.all(Pod) if not p.metadata.deletion_timestamp]) == 20


async def test_a_pod_of_a_vanished_node_is_collected(plane, make_deployment):
    """After the quarantine it is gone, and its ReplicaSet makes another elsewhere."""
    async with plane.running(pod_gc_quarantine_s=0.05):
        await plane.add_node("worker-1")
        await plane.client.create(make_deployment(1))
        await _ready(plane, 1)
        await plane.add_node("worker-2")
        await plane.client.delete(Node, "worker-1")

        async def moved():
            await plane.make_ready()
            pods = await plane.all(Pod)
            return len(pods) == 1 and pods[0].spec.node_name == "worker-2"

        await plane.until(moved)


async def test_what_one_controller_cannot_digest_is_not_the_others(plane):
    """It is tried again, later and later; everything else goes on."""
    tried = []

    def reconcile(key, _view):
        tried.append(key.name)
        if key.name == "poison" and tried.count("poison") < 3:
            raise ZeroDivisionError
        return ()

    fragile = Controller(
        name="fragile",
        component="fragile",
        watches=(Watch(ConfigMap, own_key),),
        reconcile=reconcile,
    )
    async with plane.running(besides=[fragile]):
        for name in ("poison", "fine"):
            meta = ObjectMeta(name=name, namespace="default")
            await plane.client.create(ConfigMap(metadata=meta))

        async def digested():
            return tried.count("poison") >= 3 and "fine" in tried

        await plane.until(digested)
        await plane.client.create(Namespace(metadata=ObjectMeta(name="new")))

        async def given_an_account():
            return await plane.get(ServiceAccount, "default", "new")

        await plane.until(given_an_account)
