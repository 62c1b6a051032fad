"""Of every field of a Pod's spec: whether it does what Kubernetes says.

What has no effect and is told of by an event stands in `not_honoured`, and nowhere else; this
has the rest: what is done, what is done with a difference, what is refused, and what has no
effect and is nobody's loss. Who adds a field to the model adds it here: a test asks for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from netemu.model import core_v1 as v1
from netemu.model import meta_v1
from netemu.model.schema import fields_of
from netemu.model.wire import ApiStruct

_STAND_IN = "an empty directory stands in, and an event says so"
_NOT_PULLED = "nothing is pulled"
_FILES_ARE_ROOTS = "files belong to root and to the Pod's fsGroup"
_ONLY_DEBUGGING = "the API server refuses it, as Kubernetes' does"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """What is said of the fields of one type."""

    done: str = ""
    """Names of those that do what Kubernetes says."""
    but: Mapping[str, str] = field(default_factory=dict)
    """Done with a difference."""
    nothing: Mapping[str, str] = field(default_factory=dict)
    """Without effect, and no event tells of it."""
    refused: Mapping[str, str] = field(default_factory=dict)


_MOUNTED = "hostPath emptyDir secret downwardAPI configMap projected name"
_CONTAINER = Fields(
    done=(
        "name command args workingDir ports envFrom env resources restartPolicy volumeMounts"
        " livenessProbe readinessProbe startupProbe lifecycle terminationMessagePath"
        " terminationMessagePolicy securityContext stdin stdinOnce tty restartPolicyRules"
    ),
    but={
        "image": "a work-alike, a program of the host or a stand-in runs; see the README",
        "imagePullPolicy": "nothing is pulled; `Never` counts where there is no such image",
    },
)
_OF_CONTAINERS_ONLY = (
    "ports livenessProbe readinessProbe startupProbe lifecycle resources resizePolicy"
    " restartPolicy restartPolicyRules"
).split()

FIELDS: Mapping[type[ApiStruct], Fields] = {
    v1.PodSpec: Fields(
        done=(
            "volumes initContainers containers restartPolicy terminationGracePeriodSeconds"
            " activeDeadlineSeconds dnsPolicy nodeSelector serviceAccountName serviceAccount"
            " automountServiceAccountToken nodeName hostNetwork shareProcessNamespace"
            " securityContext hostname subdomain affinity schedulerName tolerations hostAliases"
            " dnsConfig readinessGates enableServiceLinks overhead topologySpreadConstraints"
            " setHostnameAsFQDN schedulingGates hostnameOverride ephemeralContainers"
        ),
        but={
            "priority": "it orders those that wait; nobody makes room for anybody",
            "priorityClassName": "there are `system-cluster-critical` and `system-node-critical`;"
            " any other is refused",
        },
        nothing={
            "imagePullSecrets": _NOT_PULLED,
            "preemptionPolicy": "nobody makes room for anybody",
        },
    ),
    v1.Volume: Fields(
        done=_MOUNTED,
        nothing={
            one.wire_name: _STAND_IN
            for one in fields_of(v1.Volume)
            if one.wire_name not in _MOUNTED.split()
        },
    ),
    v1.HostPathVolumeSource: Fields(
        done="type", but={"path": "all nodes have the one file system of the host"}
    ),
    v1.EmptyDirVolumeSource: Fields(
        done="mode",
        but={
            "sizeLimit": "the Pod is evicted when it is looked at, every ten seconds; with"
            " `medium: Memory` it is the size of the file system",
        },
    ),
    v1.SecretVolumeSource: Fields(
        done="secretName items defaultMode optional", nothing={"defaultUser": _FILES_ARE_ROOTS}
    ),
    v1.ConfigMapVolumeSource: Fields(
        done="name items defaultMode optional", nothing={"defaultUser": _FILES_ARE_ROOTS}
    ),
    v1.DownwardAPIVolumeSource: Fields(
        done="items defaultMode", nothing={"defaultUser": _FILES_ARE_ROOTS}
    ),
    v1.ProjectedVolumeSource: Fields(
        done="sources defaultMode", nothing={"defaultUser": _FILES_ARE_ROOTS}
    ),
    v1.KeyToPath: Fields(done="key path mode", nothing={"user": _FILES_ARE_ROOTS}),
    v1.DownwardAPIVolumeFile: Fields(
        done="path fieldRef resourceFieldRef mode", nothing={"user": _FILES_ARE_ROOTS}
    ),
    v1.ObjectFieldSelector: Fields(done="apiVersion fieldPath"),
    v1.ResourceFieldSelector: Fields(done="containerName resource divisor"),
    v1.VolumeProjection: Fields(done="secret downwardAPI configMap serviceAccountToken"),
    v1.SecretProjection: Fields(done="name items optional"),
    v1.ConfigMapProjection: Fields(done="name items optional"),
    v1.DownwardAPIProjection: Fields(done="items"),
    v1.ServiceAccountTokenProjection: Fields(
        done="audience expirationSeconds path", nothing={"user": _FILES_ARE_ROOTS}
    ),
    v1.Container: _CONTAINER,
    v1.EphemeralContainer: Fields(
        done=" ".join(
            [
                *(name for name in _CONTAINER.done.split() if name not in _OF_CONTAINERS_ONLY),
                "targetContainerName",
            ]
        ),
        but=_CONTAINER.but,
        nothing=_CONTAINER.nothing,
        refused=dict.fromkeys(_OF_CONTAINERS_ONLY, _ONLY_DEBUGGING),
    ),
    v1.ContainerPort: Fields(done="name hostPort containerPort protocol hostIP"),
    v1.EnvFromSource: Fields(done="prefix configMapRef secretRef"),
    v1.ConfigMapEnvSource: Fields(done="name optional"),
    v1.SecretEnvSource: Fields(done="name optional"),
    v1.EnvVar: Fields(done="name value valueFrom"),
    v1.EnvVarSource: Fields(
        done="fieldRef resourceFieldRef configMapKeyRef secretKeyRef fileKeyRef"
    ),
    v1.ConfigMapKeySelector: Fields(done="name key optional"),
    v1.SecretKeySelector: Fields(done="name key optional"),
    v1.FileKeySelector: Fields(done="volumeName path key optional"),
    v1.ResourceRequirements: Fields(done="requests"),
    v1.VolumeMount: Fields(done="name readOnly mountPath subPath mountPropagation subPathExpr"),
    v1.Probe: Fields(
        done=(
            "httpGet tcpSocket timeoutSeconds periodSeconds successThreshold failureThreshold"
            " terminationGracePeriodSeconds"
        ),
        but={
            "exec": "a stand-in that lacks the program is taken to be well",
            "grpc": "a stand-in says SERVING of every service",
            "initialDelaySeconds": "the first probe comes then, and not at a random moment of the"
            " first period",
        },
    ),
    v1.ExecAction: Fields(done="command"),
    v1.HTTPGetAction: Fields(
        done="path port host httpHeaders",
        but={"scheme": "of a stand-in's HTTPS only the connection is tried"},
        nothing={"protocol": "it is HTTP/1.1"},
    ),
    v1.HTTPHeader: Fields(done="name value"),
    v1.TCPSocketAction: Fields(done="port host"),
    v1.Lifecycle: Fields(done="postStart preStop stopSignal"),
    v1.LifecycleHandler: Fields(done="exec httpGet tcpSocket sleep"),
    v1.SleepAction: Fields(done="seconds"),
    v1.SecurityContext: Fields(
        done="runAsUser runAsGroup runAsNonRoot readOnlyRootFilesystem allowPrivilegeEscalation",
        but={
            "capabilities": "CAP_MKNOD is for privileged containers only",
            "privileged": "all capabilities, writable /sys and /proc/sys; no devices of the host",
        },
    ),
    v1.Capabilities: Fields(done="add drop"),
    v1.SeccompProfile: Fields(
        but={"type": "`RuntimeDefault` filters as container runtimes do; on x86_64 and aarch64"},
        nothing={"localhostProfile": "profiles of your own are not loaded"},
    ),
    v1.ContainerRestartRule: Fields(
        done="exitCodes", but={"action": "whichever is named, that container is started again"}
    ),
    v1.ContainerRestartRuleOnExitCodes: Fields(done="operator values"),
    v1.PodSecurityContext: Fields(
        done="runAsUser runAsGroup runAsNonRoot supplementalGroups fsGroup",
        but={
            "sysctls": "those that Kubernetes calls safe; a Pod with another fails with"
            " SysctlForbidden, as on a node that allows no others",
            "fsGroupChangePolicy": "no volume is older than its Pod: there is nothing to change",
        },
        nothing={"seLinuxChangePolicy": "nothing is labelled"},
    ),
    v1.Sysctl: Fields(done="name value"),
    v1.Affinity: Fields(done="nodeAffinity podAffinity podAntiAffinity"),
    **dict.fromkeys(
        (v1.NodeAffinity, v1.PodAffinity, v1.PodAntiAffinity),
        Fields(
            done=(
                "requiredDuringSchedulingIgnoredDuringExecution"
                " preferredDuringSchedulingIgnoredDuringExecution"
            )
        ),
    ),
    v1.NodeSelector: Fields(done="nodeSelectorTerms"),
    v1.NodeSelectorTerm: Fields(done="matchExpressions matchFields"),
    v1.NodeSelectorRequirement: Fields(done="key operator values"),
    v1.PreferredSchedulingTerm: Fields(done="weight preference"),
    v1.PodAffinityTerm: Fields(
        done=(
            "labelSelector namespaces topologyKey namespaceSelector matchLabelKeys"
            " mismatchLabelKeys"
        )
    ),
    v1.WeightedPodAffinityTerm: Fields(done="weight podAffinityTerm"),
    v1.Toleration: Fields(done="key operator value effect tolerationSeconds"),
    v1.HostAlias: Fields(done="ip hostnames"),
    v1.PodDNSConfig: Fields(done="nameservers searches options"),
    v1.PodDNSConfigOption: Fields(done="name value"),
    v1.PodReadinessGate: Fields(done="conditionType"),
    v1.TopologySpreadConstraint: Fields(
        done=(
            "maxSkew topologyKey whenUnsatisfiable labelSelector minDomains nodeAffinityPolicy"
            " nodeTaintsPolicy matchLabelKeys"
        )
    ),
    v1.PodOS: Fields(done="name"),
    v1.PodSchedulingGate: Fields(done="name"),
    v1.GRPCAction: Fields(done="port service", nothing={"mode": "there is no TLS"}),
    meta_v1.LabelSelector: Fields(done="matchLabels matchExpressions"),
    meta_v1.LabelSelectorRequirement: Fields(done="key operator values"),
}
