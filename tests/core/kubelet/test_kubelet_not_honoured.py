"""What a Pod is told of fields that have no effect."""

import pytest
import yaml

from netemu.core.kubelet import not_honoured as gaps
from netemu.core.kubelet.not_honoured import not_honoured
from netemu.model.codec import from_dict
from netemu.model.core_v1 import Pod


def pod(spec: str) -> Pod:
    return from_dict({"spec": yaml.safe_load(spec)}, Pod)


def test_an_ordinary_pod_is_told_nothing():
    """Everything that it asks for it gets."""
    asked = """
containers:
- name: web
  image: web
  ports: [{containerPort: 80}]
  resources: {limits: {cpu: 1, memory: 1Gi}}
  securityContext: {runAsUser: 1, seccompProfile: {type: Unconfined}, procMount: Default}
  livenessProbe: {httpGet: {port: 80}}
  lifecycle: {preStop: {sleep: {seconds: 1}}}
volumes: [{name: v, emptyDir: {medium: Memory}}]
securityContext: {fsGroup: 1}
os: {name: linux}
hostUsers: true
"""
    assert not_honoured(pod(asked)) is None


def test_a_pod_is_told_what_happens_instead():
    """Every field once, with the containers that use it."""
    asked = """
hostPID: true
containers:
- {name: a, image: a, volumeDevices: [{name: v}]}
- {name: b, image: b, volumeDevices: [{name: v}]}
"""
    told = not_honoured(pod(asked))
    assert told.matters
    assert told.message == (
        "netemu stores but does not honour hostPID (it sees its own processes); "
        "volumeDevices of a, b (there are no block devices)"
    )


@pytest.mark.parametrize(
    ("field", "spec"),
    [
        ("hostIPC", "{hostIPC: true}"),
        ("hostUsers", "{hostUsers: false}"),
        ("runtimeClassName", "{runtimeClassName: gvisor}"),
        ("resourceClaims", "{resourceClaims: [{name: a}]}"),
        ("resources", "{resources: {limits: {cpu: 1}}}"),
        ("schedulingGroup", "{schedulingGroup: {podGroupName: g}}"),
        ("evictionResponders", "{evictionResponders: [{name: a/b}]}"),
        ("os", "{os: {name: windows}}"),
        (
            "securityContext.seccompProfile",
            "{securityContext: {seccompProfile: {type: Localhost, localhostProfile: x}}}",
        ),
        (
            "securityContext.appArmorProfile",
            "{containers: [{name: a, securityContext: {appArmorProfile: {type: RuntimeDefault}}}]}",
        ),
        ("securityContext.seLinuxOptions", "{securityContext: {seLinuxOptions: {level: s0}}}"),
        (
            "securityContext.windowsOptions",
            "{containers: [{name: a, securityContext: {windowsOptions: {hostProcess: true}}}]}",
        ),
        (
            "securityContext.supplementalGroupsPolicy",
            "{securityContext: {supplementalGroupsPolicy: Merge}}",
        ),
        (
            "securityContext.procMount",
            "{containers: [{name: a, securityContext: {procMount: Unmasked}}]}",
        ),
        ("volumeDevices", "{containers: [{name: a, volumeDevices: [{name: v}]}]}"),
        ("resizePolicy", "{containers: [{name: a, resizePolicy: [{resourceName: cpu}]}]}"),
        ("resources.claims", "{containers: [{name: a, resources: {claims: [{name: g}]}}]}"),
        ("resources.limits", "{containers: [{name: a, resources: {limits: {x.io/gpu: 1}}}]}"),
        (
            "volumeMounts.recursiveReadOnly",
            "{containers: [{name: a, volumeMounts: [{name: v, recursiveReadOnly: Enabled}]}]}",
        ),
        (
            "volumeMounts.bindMountOptions",
            "{containers: [{name: a, volumeMounts: [{name: v, bindMountOptions: [noexec]}]}]}",
        ),
        ("emptyDir.medium", "{volumes: [{name: v, emptyDir: {medium: HugePages}}]}"),
        (
            "projected.sources.clusterTrustBundle",
            "{volumes: [{name: v, projected: {sources: [{clusterTrustBundle: {path: p}}]}}]}",
        ),
        (
            "projected.sources.podCertificate",
            "{volumes: [{name: v, projected: {sources: [{podCertificate: {keyType: k}}]}}]}",
        ),
        ("hostPID", "{hostPID: true}"),
    ],
)
def test_each_gap_is_told(field: str, spec: str):
    """By the field's own name."""
    told = not_honoured(pod(spec))
    assert told is not None
    assert told.message.startswith(f"netemu stores but does not honour {field} ")


def test_every_gap_is_tried_above():
    """A line of the table without a test would be a guess."""
    tables = (
        gaps.POD_GAPS,
        gaps.POD_CONTEXT_GAPS,
        gaps.CONTAINER_GAPS,
        gaps.CONTAINER_CONTEXT_GAPS,
        gaps.VOLUME_GAPS,
    )
    (marks,) = test_each_gap_is_told.pytestmark
    tried = {field for field, _ in marks.args[1]}
    assert tried == {gap.field for table in tables for gap in table}
