"""Validation: what Kubernetes would say."""

import pytest
import yaml

from netemu.core.apiserver.defaults import apply_defaults
from netemu.core.apiserver.validation import invalid, validate_create, validate_update
from netemu.model import codec
from netemu.model.apps_v1 import Deployment
from netemu.model.core_v1 import ConfigMap, Node, Pod, Secret, Service, Toleration
from netemu.model.discovery_v1 import EndpointSlice
from netemu.model.kinds import by_type
from netemu.model.schema import copy_of

HEADS = {
    "Pod": "apiVersion: v1\nkind: Pod",
    "Service": "apiVersion: v1\nkind: Service",
    "Deployment": "apiVersion: apps/v1\nkind: Deployment",
    "ReplicaSet": "apiVersion: apps/v1\nkind: ReplicaSet",
    "ConfigMap": "apiVersion: v1\nkind: ConfigMap",
    "Secret": "apiVersion: v1\nkind: Secret",
    "Namespace": "apiVersion: v1\nkind: Namespace",
    "Node": "apiVersion: v1\nkind: Node",
    "Endpoints": "apiVersion: v1\nkind: Endpoints",
    "EndpointSlice": "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice",
    "Lease": "apiVersion: coordination.k8s.io/v1\nkind: Lease",
    "Event": "apiVersion: v1\nkind: Event",
}
_CLUSTER_WIDE = ("Namespace", "Node")


def load(kind, text):
    data = yaml.safe_load(HEADS[kind]) | yaml.safe_load(text)
    data.setdefault("metadata", {"name": "x"})
    if kind not in _CLUSTER_WIDE:
        data["metadata"].setdefault("namespace", "default")
    obj = codec.from_dict(data, None)
    apply_defaults(obj)
    return obj


def complaints(kind, text):
    obj = load(kind, text)
    return [str(error) for error in validate_create(obj, by_type(type(obj)))]


def spec(**more):
    return yaml.safe_dump({"spec": more})


def container(**more):
    return {"name": "a", "image": "i", **more}


def pod(*containers, **more):
    return spec(containers=list(containers) or [container()], **more)


VALID = [
    ("Pod", pod()),
    ("Pod", pod(container(ports=[{"containerPort": 80, "name": "http"}]), dnsPolicy="None",
                dnsConfig={"nameservers": ["10.96.0.10"]})),
    ("Pod", pod(container(volumeMounts=[{"name": "v", "mountPath": "/v"}]), volumes=[{"name": "v"}])),
    ("Pod", pod(initContainers=[container(name="i")])),
    ("Pod", pod(tolerations=[{"operator": "Exists"}])),
    ("Pod", pod(container(env=[{"name": "L", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['a']"}}}]))),
    ("Service", spec(ports=[{"port": 80}])),
    ("Service", spec(clusterIP="None")),
    ("Service", spec(type="ExternalName", externalName="example.com.")),
    ("Service", spec(type="NodePort", ports=[{"port": 80, "nodePort": 30080}])),
    ("Service", spec(ports=[{"port": 53, "name": "a"}, {"port": 53, "name": "b", "protocol": "UDP"}])),
    ("Deployment", spec(selector={"matchLabels": {"a": "b"}},
                        template={"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [container()]}})),
    ("Endpoints", "subsets: [{addresses: [{ip: 10.0.0.1}], ports: [{port: 80}]}]"),
    ("EndpointSlice", "addressType: IPv4\nendpoints: [{addresses: [10.0.0.1]}]\nports: [{port: 80}]"),
    ("ConfigMap", "data: {a.b-c_d: x}"),
    ("Lease", spec(leaseDurationSeconds=40)),
    ("Event", "involvedObject: {kind: Node, name: n}"),
    ("Node", spec(taints=[{"key": "a/b", "effect": "NoSchedule"}])),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text"), VALID)
def test_what_is_right_passes(kind, text):
    """Nothing is complained about that Kubernetes takes."""
    assert complaints(kind, text) == []


LABEL_1035 = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
    "alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', "
    "regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
)
SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    r"for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)

INVALID = [
    # metadata
    ("ConfigMap", "metadata: {namespace: default}", ["metadata.name: Required value: name or generateName is required"]),
    ("ConfigMap", "metadata: {name: A_B}", [f'metadata.name: Invalid value: "A_B": {SUBDOMAIN}']),
    ("ConfigMap", "metadata: {name: x, namespace: ''}", ["metadata.namespace: Required value"]),
    ("Namespace", "{metadata: {name: x}, spec: {finalizers: [kubernetes, a/b, mine]}}", ['spec.finalizers: Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified']),
    ("Namespace", "metadata: {name: x, namespace: y}", ["metadata.namespace: Forbidden: not allowed on this type"]),
    ("Service", "metadata: {name: 1a}\nspec: {ports: [{port: 80}]}", [f'metadata.name: Invalid value: "1a": {LABEL_1035}']),
    ("ConfigMap", "metadata: {name: x, finalizers: [foo]}",
     ['metadata.finalizers: Invalid value: "foo": name is neither a standard finalizer name nor is it fully qualified']),
    ("ConfigMap", "metadata: {name: x, ownerReferences: [{apiVersion: v1, kind: Pod, name: p, uid: ''}]}",
     ['metadata.ownerReferences.uid: Invalid value: "": uid must not be empty']),
    # services, by number of the sheet
    ("Service", spec(), ["spec.ports: Required value"]),
    ("Service", spec(ports=[{"port": 80, "name": "a"}, {"port": 81}]), ["spec.ports[1].name: Required value"]),
    ("Service", spec(ports=[{"port": 80, "name": "http"}, {"port": 81, "name": "http"}]),
     ['spec.ports[1].name: Duplicate value: "http"']),
    ("Service", spec(ports=[{"port": 0}]), ["spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive"]),
    ("Service", spec(ports=[{"port": 80, "name": "a"}, {"port": 80, "name": "b"}]),
     ['spec.ports[1]: Duplicate value: {"name": "b", "protocol": "TCP", "port": 80, "targetPort": 80}']),
    ("Service", spec(type="NodePort", ports=[{"port": 80, "name": "a", "nodePort": 30080}, {"port": 81, "name": "b", "nodePort": 30080}]),
     ["spec.ports[1].nodePort: Duplicate value: 30080"]),
    ("Service", spec(ports=[{"port": 80, "protocol": "HTTP"}]),
     ['spec.ports[0].protocol: Unsupported value: "HTTP": supported values: "SCTP", "TCP", "UDP"']),
    ("Service", spec(ports=[{"port": 80, "nodePort": 30080}]),
     ["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"]),
    ("Service", spec(type="NodePort", clusterIP="None", clusterIPs=["None"], ports=[{"port": 80}]),
     ["spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort services"]),
    ("Service", spec(type="ExternalName"), ["spec.externalName: Required value"]),
    ("Service", spec(type="ExternalName", externalName="e.com", clusterIP="10.96.0.9"),
     ["spec.clusterIPs: Forbidden: may not be set for ExternalName services"]),
    ("Service", spec(externalTrafficPolicy="Local", ports=[{"port": 80}]),
     ['spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services']),
    ("Service", spec(sessionAffinity="X", ports=[{"port": 80}]),
     ['spec.sessionAffinity: Unsupported value: "X": supported values: "ClientIP", "None"']),
    ("Service", spec(sessionAffinity="ClientIP", sessionAffinityConfig={"clientIP": {"timeoutSeconds": 0}}, ports=[{"port": 80}]),
     ["spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 0: must be greater than 0 and less than 86400"]),
    ("Service", spec(sessionAffinityConfig={"clientIP": {"timeoutSeconds": 5}}, ports=[{"port": 80}]),
     ["spec.sessionAffinityConfig: Forbidden: must not be set when session affinity is None"]),
    ("Service", spec(loadBalancerSourceRanges=["10.0.0.0/8"], ports=[{"port": 80}]),
     ["spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'"]),
    ("Service", spec(externalIPs=["x"], ports=[{"port": 80}]),
     ['spec.externalIPs[0]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)']),
    ("Service", spec(externalIPs=["127.0.0.1"], ports=[{"port": 80}]),
     ['spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)']),
    ("Service", spec(ipFamilyPolicy="RequireDualStack", ports=[{"port": 80}]),
     ['spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services']),
    ("Service", spec(ipFamilies=["IPv6"], ports=[{"port": 80}]),
     ['spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster']),
    ("Service", spec(clusterIP="10.96.0.9", clusterIPs=["10.96.0.8"], ports=[{"port": 80}]),
     ['spec.clusterIPs: Invalid value: ["10.96.0.8"]: first value must match `clusterIP`']),
    ("Service", spec(healthCheckNodePort=31000, ports=[{"port": 80}]),
     ["spec.healthCheckNodePort: Invalid value: 31000: may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"]),
    ("Service", spec(ports=[{"port": 80, "targetPort": "no--good"}]),
     ['spec.ports[0].targetPort: Invalid value: "no--good": must not contain consecutive hyphens']),
    # pods
    ("Pod", spec(containers=[]), ["spec.containers: Required value"]),
    ("Pod", pod({"image": "i"}), ["spec.containers[0].name: Required value"]),
    ("Pod", pod({"name": "a"}), ["spec.containers[0].image: Required value"]),
    ("Pod", pod(container(), container()), ['spec.containers[1].name: Duplicate value: "a"']),
    ("Pod", pod(container(volumeMounts=[{"name": "v", "mountPath": "/v"}])),
     ['spec.containers[0].volumeMounts[0].name: Not found: "v"']),
    ("Pod", pod(volumes=[{"name": "v", "emptyDir": {}, "hostPath": {"path": "/"}}]),
     ["spec.volumes[0].emptyDir: Forbidden: may not specify more than 1 volume type"]),
    ("Pod", pod(volumes=[{"name": "v"}, {"name": "v"}]), ['spec.volumes[1].name: Duplicate value: "v"']),
    ("Pod", pod(volumes=[{"name": "v", "secret": {}}]), ["spec.volumes[0].secret.secretName: Required value"]),
    ("Pod", pod(container(ports=[{"containerPort": 70000}])),
     ["spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive"]),
    ("Pod", pod(container(resources={"requests": {"cpu": "2"}, "limits": {"cpu": "1"}})),
     ['spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1']),
    ("Pod", pod(container(env=[{"name": "a=b"}])),
     ["spec.containers[0].env[0].name: Invalid value: \"a=b\": a valid environment variable name must consist only of printable ASCII characters other than '='"]),
    ("Pod", pod(container(env=[{"name": "A", "value": "x", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}])),
     ['spec.containers[0].env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty']),
    ("Pod", pod(container(livenessProbe={})), ["spec.containers[0].livenessProbe: Required value: must specify a handler type"]),
    ("Pod", pod(container(livenessProbe={"tcpSocket": {"port": 80}, "successThreshold": 2})),
     ["spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1"]),
    ("Pod", pod(initContainers=[container(name="i", readinessProbe={"tcpSocket": {"port": 1}})]),
     ["spec.initContainers[0].readinessProbe: Forbidden: may not be set for init containers without restartPolicy=Always"]),
    ("Pod", pod(restartPolicy="Sometimes"),
     ['spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "Never", "OnFailure"']),
    ("Pod", pod(dnsPolicy="None"), ["spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None"]),
    ("Pod", pod(terminationGracePeriodSeconds=-1),
     ["spec.terminationGracePeriodSeconds: Invalid value: -1: must be greater than or equal to 0"]),
    ("Pod", pod(tolerations=[{"key": "a", "operator": "Exists", "value": "b"}]),
     ['spec.tolerations[0].operator: Invalid value: "b": value must be empty when `operator` is \'Exists\'']),
    ("Pod", pod(container(ports=[{"containerPort": 80, "hostPort": 81}]), hostNetwork=True),
     ["spec.containers[0].ports[0].containerPort: Invalid value: 80: must match `hostPort` when `hostNetwork` is true"]),
    ("Pod", pod(container(ports=[{"containerPort": 80, "hostPort": 80}]), container(name="b", ports=[{"containerPort": 81, "hostPort": 80}])),
     ['spec.containers[1].ports[0].hostPort: Duplicate value: "/TCP/80"']),
    ("Pod", pod(topologySpreadConstraints=[{"maxSkew": 0, "topologyKey": "z", "whenUnsatisfiable": "DoNotSchedule"}]),
     ["spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero"]),
    ("Pod", pod(securityContext={"runAsUser": -1, "fsGroup": 2**31, "supplementalGroups": [0, -2]}),
     ["spec.securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive",
      "spec.securityContext.fsGroup: Invalid value: 2147483648: must be between 0 and 2147483647, inclusive",
      "spec.securityContext.supplementalGroups[1]: Invalid value: -2: must be between 0 and 2147483647, inclusive"]),
    ("Pod", pod(securityContext={"sysctls": [{"name": "net.ipv4.x"}, {"name": "net.ipv4.x"}, {"name": ""}]}),
     ['spec.securityContext.sysctls[1].name: Duplicate value: "net.ipv4.x"',
      "spec.securityContext.sysctls[2].name: Required value"]),
    ("Pod", pod(container(securityContext={"runAsGroup": -1})),
     ["spec.containers[0].securityContext.runAsGroup: Invalid value: -1: must be between 0 and 2147483647, inclusive"]),
    ("Pod", pod(container(securityContext={"privileged": True, "allowPrivilegeEscalation": False})),
     ["spec.containers[0].securityContext.allowPrivilegeEscalation: Invalid value: false: cannot set `allowPrivilegeEscalation` to false and `privileged` to true"]),
    ("Pod", pod(volumes=[{"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "../../etc/x"}}]}}]),
     ['spec.volumes[0].projected.sources[0].serviceAccountToken.path: Invalid value: "../../etc/x": must not contain \'..\'']),
    ("Pod", pod(volumes=[{"name": "v", "downwardAPI": {"defaultMode": 512, "items": [{"path": "../x"}]}}]),
     ["spec.volumes[0].downwardAPI.defaultMode: Invalid value: 512: must be a number between 0 and 0777 (octal), both inclusive",
      'spec.volumes[0].downwardAPI.items[0].path: Invalid value: "../x": must not contain \'..\'',
      "spec.volumes[0].downwardAPI.items[0]: Required value: one of fieldRef and resourceFieldRef is required"]),
    ("Pod", pod(volumes=[{"name": "v", "configMap": {"name": "c", "defaultMode": -1}}]),
     ["spec.volumes[0].configMap.defaultMode: Invalid value: -1: must be a number between 0 and 0777 (octal), both inclusive"]),
    ("Pod", pod(dnsConfig={"searches": ["fine.example_x.", ".", "b\nc"]}),
     [f'spec.dnsConfig.searches[2]: Invalid value: "b\\nc": {SUBDOMAIN}']),
    ("Pod", pod(hostAliases=[{"ip": "10.0.0.1", "hostnames": ["a b"]}]),
     [f'spec.hostAliases[0].hostnames: Invalid value: "a b": {SUBDOMAIN}']),
    # workloads
    ("Deployment", spec(template={"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [container()]}}), ["spec.selector: Required value"]),
    ("Deployment", spec(selector={"matchLabels": {"a": "c"}}, template={"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [container()]}}),
     ['spec.template.metadata.labels: Invalid value: {"a": "b"}: `selector` does not match template `labels`']),
    ("ReplicaSet", spec(selector={}, template={"spec": {"containers": [container()]}}),
     ["spec.selector: Invalid value: {}: empty selector is invalid for replicaset"]),
    ("Deployment", spec(replicas=-1, selector={"matchLabels": {"a": "b"}}, strategy={"type": "Recreate", "rollingUpdate": {}},
                        template={"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [container()], "restartPolicy": "Never"}}),
     ["spec.replicas: Invalid value: -1: must be greater than or equal to 0",
      'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
      "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"]),
    ("Deployment", spec(selector={"matchLabels": {"a": "b"}}, strategy={"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "0%"}},
                        template={"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [container()]}}),
     ['spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "0%": may not be 0 when `maxSurge` is 0']),
    # the rest
    ("Endpoints", "subsets: [{ports: [{port: 80}]}]", ["subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`"]),
    ("Endpoints", "subsets: [{addresses: [{ip: 127.0.0.1}]}]",
     ['subsets[0].addresses[0].ip: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)']),
    ("EndpointSlice", "endpoints: []", ["addressType: Required value"]),
    ("EndpointSlice", "addressType: IPv4\nendpoints: [{addresses: []}]",
     ["endpoints[0].addresses: Required value: must contain at least 1 address"]),
    ("EndpointSlice", "addressType: IPv6\nendpoints: [{addresses: [10.0.0.1]}]",
     ['endpoints[0].addresses[0]: Invalid value: "10.0.0.1": must be a valid IPv6 address, (e.g. 2001:db8::ffff)']),
    ("ConfigMap", "data: {'..': x}", ["data[..]: Invalid value: \"..\": must not be '..'"]),
    ("ConfigMap", "data: {a: x}\nbinaryData: {a: eA==}", ['data[a]: Invalid value: "a": duplicate of key present in binaryData']),
    ("Lease", spec(leaseDurationSeconds=0), ["spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0"]),
    ("Event", "involvedObject: {kind: Pod, name: p, namespace: other}",
     ['involvedObject.namespace: Invalid value: "other": does not match event.namespace']),
    ("Node", spec(taints=[{"key": "a"}]), ["spec.taints[0].effect: Required value"]),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text", "expected"), INVALID)
def test_what_is_wrong_is_said_in_kubernetes_words(kind, text, expected):
    """Field by field, in the order of the fields."""
    assert complaints(kind, text) == expected


def test_a_config_map_has_at_most_a_mebibyte():
    """In all its keys together."""
    obj = load("ConfigMap", "{}")
    obj.data = {"a": "x" * (1 << 20)}
    assert validate_create(obj, by_type(ConfigMap)) == []
    obj.data["b"] = "y"
    (error,) = validate_create(obj, by_type(ConfigMap))
    assert error.reason == "FieldValueTooLong"


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        ({"a b": "c"}, "name part must consist of alphanumeric characters, '-', '_' or '.'"),
        ({"/a": "c"}, "prefix part must be non-empty"),
        ({"A_B/a": "c"}, "prefix part a lowercase RFC 1123 subdomain"),
        ({"a/b/c": "d"}, "a qualified name must consist of"),
        ({"a": "b c"}, "a valid label must be an empty string or consist of"),
        ({"a": "b" * 64}, "must be no more than 63 characters"),
    ],
)
def test_labels(labels, text):
    """Keys are qualified names, values are short."""
    obj = load("ConfigMap", "{}")
    obj.metadata.labels = labels
    (error,) = validate_create(obj, by_type(ConfigMap))
    assert error.field == "metadata.labels"
    assert text in error.detail


def test_the_reply_says_all_errors_and_lists_the_causes():
    """One error stands alone, several in brackets; the group is in the head."""
    text = spec(ports=[{"port": 80}, {"port": 81}])
    service = load("Service", text)
    errors = validate_create(service, by_type(Service))
    reply = invalid(by_type(Service), "s1e", errors)
    assert reply.message == (
        'Service "s1e" is invalid: [spec.ports[0].name: Required value, '
        "spec.ports[1].name: Required value]"
    )
    assert (reply.code, reply.reason, reply.kind) == (422, "Invalid", "Service")
    assert [(c.reason, c.message, c.field) for c in reply.causes] == [
        ("FieldValueRequired", "Required value", "spec.ports[0].name"),
        ("FieldValueRequired", "Required value", "spec.ports[1].name"),
    ]
    alone = invalid(by_type(Deployment), "dep", errors[:1])
    assert alone.message == 'Deployment.apps "dep" is invalid: spec.ports[0].name: Required value'


# --- updates ------------------------------------------------------------------------


def changes(kind, text, change):
    old = load(kind, text)
    new = copy_of(old)
    change(new)
    return [str(error) for error in validate_update(new, old, by_type(type(new)))]


def test_of_a_pod_only_little_may_change():
    """An image may, a tolerations may come; nothing else."""

    def new_image(new):
        new.spec.containers[0].image = "other"
        new.spec.tolerations.append(Toleration(key="a", operator="Exists"))

    def move(new):
        new.spec.node_name = "n1"

    assert changes("Pod", pod(), new_image) == []
    (complaint,) = changes("Pod", pod(), move)
    assert complaint.startswith(
        "spec: Forbidden: pod updates may not change fields other than "
        "`spec.containers[*].image`,`spec.initContainers[*].image`,"
    )
    assert complaint.endswith("spec.nodeName: None -> 'n1'")


def test_a_pod_gains_and_loses_no_containers():
    """It would be another pod."""

    def drop(new):
        new.spec.containers.pop()

    assert changes("Pod", pod(container(), container(name="b")), drop) == [
        "spec.containers: Forbidden: pod updates may not add or remove containers"
    ]


def test_tolerations_and_gates_go_one_way():
    """Tolerations are only added, gates only removed."""
    text = pod(tolerations=[{"key": "a", "operator": "Exists"}], schedulingGates=[{"name": "g"}])

    def clear(new):
        new.spec.tolerations = []
        new.spec.scheduling_gates = []

    assert changes("Pod", text, clear) == [
        (
            "spec.tolerations: Forbidden: existing toleration can not be modified except its "
            "tolerationSeconds"
        )
    ]


def test_a_deadline_only_shortens():
    """And never goes away."""
    text = pod(activeDeadlineSeconds=10)

    def longer(new):
        new.spec.active_deadline_seconds = 20

    def none(new):
        new.spec.active_deadline_seconds = None

    assert "must be less than or equal to previous value" in changes("Pod", text, longer)[0]
    assert "must not update from a positive integer" in changes("Pod", text, none)[0]


UPDATES = [
    ("Service", spec(clusterIP="10.96.0.9", clusterIPs=["10.96.0.9"], ports=[{"port": 80}]),
     lambda s: (setattr(s.spec, "cluster_ip", "10.96.0.11"), setattr(s.spec, "cluster_ips", ["10.96.0.11"])),
     ['spec.clusterIPs[0]: Invalid value: ["10.96.0.11"]: may not change once set']),
    ("Deployment", spec(selector={"matchLabels": {"a": "b"}}, template={"metadata": {"labels": {"a": "b", "c": "d"}}, "spec": {"containers": [container()]}}),
     lambda d: d.spec.selector.match_labels.update(c="d"),
     ['spec.selector: Invalid value: {"matchLabels": {"a": "b", "c": "d"}}: field is immutable']),
    ("ConfigMap", "immutable: true\ndata: {a: b}", lambda c: c.data.update(a="c"),
     ["data: Forbidden: field is immutable when `immutable` is set"]),
    ("Secret", "immutable: true", lambda s: setattr(s, "immutable", None),
     ["immutable: Forbidden: field is immutable when `immutable` is set"]),
    ("Secret", "type: Opaque", lambda s: setattr(s, "type", "x/y"),
     ['type: Invalid value: "x/y": field is immutable']),
    ("EndpointSlice", "addressType: IPv4\nendpoints: []", lambda e: setattr(e, "address_type", "IPv6"),
     ['addressType: Invalid value: "IPv6": field is immutable']),
    ("Node", spec(podCIDR="10.244.1.0/24", podCIDRs=["10.244.1.0/24"]), lambda n: setattr(n.spec, "pod_cidr", "10.244.2.0/24"),
     ['spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid']),
    ("ConfigMap", "metadata: {name: x, deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: [a/b]}", lambda c: c.metadata.finalizers.append("c/d"),
     ["metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers ['c/d']"]),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text", "change", "expected"), UPDATES)
def test_what_never_changes(kind, text, change, expected):
    """The words say which way out there is."""
    assert changes(kind, text, change) == expected


@pytest.mark.parametrize("kind", [Pod, Service, ConfigMap, Secret, Node, EndpointSlice, Deployment])
def test_storing_the_same_again_is_always_fine(kind):
    """Nothing is validated that did not change."""
    obj = kind()
    assert validate_update(copy_of(obj), obj, by_type(kind)) == []


REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


@pytest.mark.parametrize(
    ("requirement", "complaint"),
    [
        (
            {"key": "k", "operator": "in", "values": ["v"]},
            '.operator: Invalid value: "in": not a valid selector operator',
        ),
        (
            {"key": "k", "operator": "In"},
            ".values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
        ),
        (
            {"key": "k", "operator": "Exists", "values": ["v"]},
            ".values: Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
        ),
        (
            {"key": "k", "operator": "Gt", "values": ["1", "2"]},
            ".values: Required value: must be specified single value when `operator` is 'Lt' or 'Gt'",
        ),
        ({"key": "k", "operator": "Lt", "values": ["1"]}, ""),
        ({"key": "k", "operator": "DoesNotExist"}, ""),
    ],
)
def test_node_affinity(requirement, complaint):
    """What no node could ever meet is refused, where it stands."""
    terms = [{"matchExpressions": [requirement]}]
    needed = pod(affinity={"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": terms}}})
    at = f"spec.affinity.nodeAffinity.{REQUIRED}.nodeSelectorTerms[0].matchExpressions[0]"
    assert complaints("Pod", needed) == ([at + complaint] if complaint else [])
    wish = {"weight": 1, "preference": terms[0]}
    wanted = pod(affinity={"nodeAffinity": {PREFERRED: [wish]}})
    assert len(complaints("Pod", wanted)) == bool(complaint)


def test_node_fields_are_names():
    """A node can be asked for by its name, and by no other field."""
    field = {"key": "spec.unschedulable", "operator": "Exists"}
    terms = {"nodeSelectorTerms": [{"matchFields": [field]}]}
    at = f"spec.affinity.nodeAffinity.{REQUIRED}.nodeSelectorTerms[0].matchFields[0]"
    assert complaints("Pod", pod(affinity={"nodeAffinity": {REQUIRED: terms}})) == [
        f'{at}.operator: Invalid value: "Exists": not a valid selector operator',
        f'{at}.key: Invalid value: "spec.unschedulable": not a valid field selector key',
    ]


@pytest.mark.parametrize("which", ["podAffinity", "podAntiAffinity"])
def test_pod_affinity(which):
    """A term needs a topology key and a selector that can be read; a wish a weight."""
    term = {"labelSelector": {"matchExpressions": [{"key": "k", "operator": "Is"}]}}
    wish = {"weight": 101, "podAffinityTerm": {"topologyKey": "t"}}
    at = f"spec.affinity.{which}"
    unreadable = 'Invalid value: "Is": not a valid selector operator'
    assert complaints("Pod", pod(affinity={which: {REQUIRED: [term], PREFERRED: [wish]}})) == [
        f"{at}.{REQUIRED}[0].labelSelector.matchExpressions[0].operator: " + unreadable,
        f"{at}.{REQUIRED}[0].topologyKey: Required value: can not be empty",
        f"{at}.{PREFERRED}[0].weight: Invalid value: 101: must be in the range 1-100",
    ]
