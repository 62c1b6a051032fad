"""What is said of the rarer fields of Pods, and of those that depend on others."""

from __future__ import annotations

import pytest
import yaml

from netemu.core.apiserver.defaults import apply_defaults
from netemu.core.apiserver.validation import validate_create
from netemu.model import codec
from netemu.model.core_v1 import Pod
from netemu.model.kinds import by_type

_PLAIN = "containers: [{name: a, image: i}]"


def complaints(spec: str) -> list[str]:
    made = codec.from_dict(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "x", "namespace": "default"},
            "spec": yaml.safe_load(spec),
        },
        Pod,
    )
    apply_defaults(made)
    return [str(error) for error in validate_create(made, by_type(Pod))]


def container(more: str) -> str:
    return f"containers: [{{name: a, image: i, {more}}}]"


@pytest.mark.parametrize(
    "spec",
    [
        "os: {name: linux}\n" + container("lifecycle: {stopSignal: SIGUSR1}"),
        container("lifecycle: {preStop: {sleep: {seconds: 30}}}"),
        container(
            "restartPolicy: Never, restartPolicyRules:"
            " [{action: Restart, exitCodes: {operator: In, values: [42]}}]"
        ),
        container("livenessProbe: {tcpSocket: {port: 1}, terminationGracePeriodSeconds: 1}"),
        f"{_PLAIN}\nsecurityContext: {{fsGroupChangePolicy: Always, supplementalGroupsPolicy: Merge}}",
        f"{_PLAIN}\ninitContainers: [{{name: b, image: i, restartPolicy: Always}}]",
    ],
)
def test_what_is_right_passes(spec: str) -> None:
    """Each is what a manifest may well say."""
    assert complaints(spec) == []


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        (
            container("lifecycle: {stopSignal: SIGUSR1}"),
            (
                "containers[0].lifecycle.stopSignal: Forbidden:"
                " may not be set for containers with empty `spec.os.name`"
            ),
        ),
        (
            "os: {name: linux}\n" + container("lifecycle: {stopSignal: SIGNO}"),
            'containers[0].lifecycle.stopSignal: Unsupported value: "SIGNO"',
        ),
        (
            container("lifecycle: {preStop: {sleep: {seconds: 31}}}"),
            (
                "containers[0].lifecycle.preStop.sleep: Invalid value: 31:"
                " must be non-negative and less than terminationGracePeriodSeconds (30)"
            ),
        ),
        (
            container("readinessProbe: {tcpSocket: {port: 1}, terminationGracePeriodSeconds: 1}"),
            (
                "containers[0].readinessProbe.terminationGracePeriodSeconds: Invalid value: 1:"
                " must not be set for readinessProbes"
            ),
        ),
        (
            container("startupProbe: {tcpSocket: {port: 1}, terminationGracePeriodSeconds: 0}"),
            (
                "containers[0].startupProbe.terminationGracePeriodSeconds: Invalid value: 0:"
                " must be greater than 0"
            ),
        ),
        (
            container(
                "restartPolicyRules: [{action: Restart, exitCodes: {operator: In, values: [1]}}]"
            ),
            (
                "containers[0].restartPolicy: Required value:"
                " must specify restartPolicy when restart rules are used"
            ),
        ),
        (
            f"{_PLAIN}\ninitContainers: [{{name: b, image: i, restartPolicy: Never}}]",
            'initContainers[0].restartPolicy: Unsupported value: "Never": supported values: "Always"',
        ),
        (
            f"{_PLAIN}\nhostNetwork: true\nsecurityContext: {{sysctls: [{{name: net.core.x, value: a}}]}}",
            (
                'securityContext.sysctls[0].name[net.core.x]: Invalid value: "net.core.x":'
                " may not be specified when 'hostNetwork' is true"
            ),
        ),
        (
            f"{_PLAIN}\nhostPID: true\nshareProcessNamespace: true",
            (
                "shareProcessNamespace: Invalid value: true:"
                " ShareProcessNamespace and HostPID cannot both be enabled"
            ),
        ),
        (
            f"{_PLAIN}\nsecurityContext: {{fsGroupChangePolicy: Sometimes}}",
            'securityContext.fsGroupChangePolicy: Unsupported value: "Sometimes"',
        ),
        (
            f"{_PLAIN}\nsecurityContext: {{seccompProfile: {{type: Localhost}}}}",
            (
                "securityContext.seccompProfile.localhostProfile: Required value:"
                " must be set when seccomp type is Localhost"
            ),
        ),
        (
            container("securityContext: {procMount: Unmasked}"),
            (
                'containers[0].securityContext.procMount: Invalid value: "Unmasked":'
                " `hostUsers` must be false to use `Unmasked`"
            ),
        ),
        (
            container(
                "securityContext:"
                " {allowPrivilegeEscalation: false, capabilities: {add: [CAP_SYS_ADMIN]}}"
            ),
            (
                "containers[0].securityContext: Invalid value: false: cannot set"
                " `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
            ),
        ),
        (
            container("ports: [{containerPort: 1, hostPort: 1, hostIP: here}]"),
            'containers[0].ports[0].hostIP: Invalid value: "here": must be a valid IP address',
        ),
        (
            container("env: [{name: A, valueFrom: {fileKeyRef: {path: p, volumeName: v}}}]"),
            "containers[0].env[0].valueFrom.fileKeyRef.key: Required value",
        ),
        (
            "volumes: [{name: v, emptyDir: {sizeLimit: -1}}]\n" + _PLAIN,
            (
                "volumes[0].emptyDir.sizeLimit: Forbidden:"
                " SizeLimit field must be a valid resource quantity"
            ),
        ),
        (
            "volumes: [{name: v, emptyDir: {}}]\n"
            + container("volumeMounts: [{name: v, mountPath: /v, subPath: a, subPathExpr: b}]"),
            (
                'containers[0].volumeMounts[0].subPathExpr: Invalid value: "b":'
                " subPathExpr and subPath are mutually exclusive"
            ),
        ),
        (
            "volumes: [{name: v, emptyDir: {}}]\n"
            + container(
                "volumeMounts: [{name: v, mountPath: /v, mountPropagation: Bidirectional}]"
            ),
            (
                "containers[0].volumeMounts[0].mountPropagation: Forbidden:"
                " Bidirectional mount propagation is available only to privileged containers"
            ),
        ),
        (
            "volumes: [{name: v, downwardAPI: {items:"
            " [{path: p, fieldRef: {fieldPath: spec.nodeName}}]}}]\n" + _PLAIN,
            'volumes[0].downwardAPI.items[0].fieldRef.fieldPath: Unsupported value: "spec.nodeName"',
        ),
        (
            "volumes: [{name: v, downwardAPI: {items:"
            " [{path: p, resourceFieldRef: {resource: limits.cpu}}]}}]\n" + _PLAIN,
            "volumes[0].downwardAPI.items[0].resourceFieldRef.containerName: Required value",
        ),
        (
            f"{_PLAIN}\nreadinessGates: [{{conditionType: 'a b'}}]",
            'readinessGates[0].conditionType: Invalid value: "a b": name part must consist of',
        ),
        (
            f"{_PLAIN}\nos: {{name: plan9}}",
            'os: Unsupported value: "plan9": supported values: "linux", "windows"',
        ),
    ],
)
def test_what_is_wrong_is_said_in_kubernetes_words(spec: str, complaint: str) -> None:
    """With the field, what it says, and what would be right."""
    assert [text for text in complaints(spec) if text.startswith(f"spec.{complaint}")], complaints(
        spec
    )


def test_search_domains_are_counted_in_letters_too() -> None:
    """Thirty-two may be too much, if they are long."""
    domains = [f"{n:02}" + "x" * 61 + ".example" for n in range(32)]
    found = complaints(
        yaml.safe_dump({**yaml.safe_load(_PLAIN), "dnsConfig": {"searches": domains}})
    )
    assert [text for text in found if text.endswith("(including spaces) in the search list")]
