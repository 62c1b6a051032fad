"""hosts, resolv.conf, hostname, volumes, logs: the files of a Pod."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import IPv4Address

import pytest
import yaml

from netemu.core.kubelet import cri_log, hosts, resolv_conf, volumes
from netemu.core.kubelet.cri_log import LogFilter
from netemu.core.kubelet.env import Sources
from netemu.core.kubelet.field_refs import PodFacts
from netemu.core.kubelet.hostname import (
    HostnameTooLongError,
    domain_of,
    hostname_of,
    kernel_hostname_of,
)
from netemu.core.kubelet.resolv_conf import ResolvConf
from netemu.core.kubelet.volumes import File, Token, VolumeError, VolumeKind
from netemu.model.codec import from_dict
from netemu.model.core_v1 import ConfigMap, HostAlias, Pod, Secret

NODE = ResolvConf(nameservers=("192.0.2.1",), search=("corp.example",), options=("timeout:1",))
FACTS = PodFacts(pod_ip=IPv4Address("10.244.1.5"), host_ip=IPv4Address("198.18.0.12"))


def pod(spec: str = "{}", name: str = "web") -> Pod:
    metadata = {
        "name": name,
        "namespace": "shop",
        "uid": "u1",
        "labels": {"b": "2", "a": 'say "1"'},
    }
    body = {"containers": [{"name": "c"}], **yaml.safe_load(spec)}
    return from_dict({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": body}, Pod)


def test_hosts_file_is_the_kubelets_to_the_byte() -> None:
    """Tabs, order and the aliases' block are as Kubernetes writes them."""
    text = hosts.render(
        [IPv4Address("10.244.1.5")],
        hostname="web",
        domain="sub.shop.svc.cluster.local",
        aliases=[HostAlias(ip="10.1.2.3", hostnames=["foo", "bar"])],
    )
    assert text == (
        "# Kubernetes-managed hosts file.\n"
        "127.0.0.1\tlocalhost\n"
        "::1\tlocalhost ip6-localhost ip6-loopback\n"
        "fe00::0\tip6-localnet\n"
        "fe00::0\tip6-mcastprefix\n"
        "fe00::1\tip6-allnodes\n"
        "fe00::2\tip6-allrouters\n"
        "10.244.1.5\tweb.sub.shop.svc.cluster.local\tweb\n"
        "\n# Entries added by HostAliases.\n"
        "10.1.2.3\tfoo\tbar\n"
    )


def test_hosts_file_of_host_network_is_the_nodes() -> None:
    """A hostNetwork Pod sees the node's own file under a header that says so."""
    text = hosts.render_host_network("127.0.0.1 localhost\n")
    assert text == "# Kubernetes-managed hosts file (host network).\n127.0.0.1 localhost\n"


@pytest.mark.parametrize(
    ("spec", "name", "expected"),
    [
        ("{}", "web", "web"),
        ("{hostname: db}", "web", "db"),
        ("{hostNetwork: true}", "web", "worker-1"),
        ("{}", "a" * 62 + "-.b", "a" * 62),
    ],
)
def test_hostname(spec: str, name: str, expected: str) -> None:
    """The hostname is the spec's or the Pod's, cut to 63 and tidied at the end."""
    assert hostname_of(pod(spec, name), node="worker-1") == expected


def test_fully_qualified_hostname() -> None:
    """setHostnameAsFQDN needs a subdomain and 64 characters at most."""
    spec = "{setHostnameAsFQDN: true, subdomain: sub}"
    full = kernel_hostname_of(pod(spec), node="n", cluster_domain="cluster.local")
    assert full == "web.sub.shop.svc.cluster.local"
    assert domain_of(pod(spec), cluster_domain="x") == "sub.shop.svc.x"
    long = pod(spec, "w" * 50)
    with pytest.raises(HostnameTooLongError, match="64 characters is the max"):
        kernel_hostname_of(long, node="n", cluster_domain="cluster.local")


def made(spec: str, dns: tuple[str, ...] = ("10.96.0.10",)) -> str:
    conf, _ = resolv_conf.make(
        pod(spec), cluster_dns=dns, cluster_domain="cluster.local", node=NODE
    )
    return conf.render()


CLUSTER = (
    "search shop.svc.cluster.local svc.cluster.local cluster.local corp.example\n"
    "nameserver 10.96.0.10\n"
    "options ndots:5\n"
)
OF_THE_NODE = "search corp.example\nnameserver 192.0.2.1\noptions timeout:1\n"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("{}", CLUSTER),
        ("{dnsPolicy: ClusterFirstWithHostNet, hostNetwork: true}", CLUSTER),
        ("{hostNetwork: true}", OF_THE_NODE),
        ("{dnsPolicy: Default}", OF_THE_NODE),
        ("{dnsPolicy: None, dnsConfig: {nameservers: [1.1.1.1]}}", "nameserver 1.1.1.1\n"),
        (
            "{dnsConfig: {searches: [x.example], options: [{name: ndots, value: '2'}, {name: edns0}]}}",
            CLUSTER.replace("corp.example", "corp.example x.example").replace(
                "ndots:5", "ndots:2 edns0"
            ),
        ),
    ],
)
def test_dns_policies(spec: str, expected: str) -> None:
    """Each dnsPolicy takes its lines from where it should; dnsConfig adds to them."""
    assert made(spec) == expected


def test_resolv_conf_limits_warn() -> None:
    """What the resolver could not take in is cut, with the kubelet's warning."""
    many = "{dnsConfig: {nameservers: [1.1.1.1, 1.1.1.2, 1.1.1.3]}}"
    conf, warnings = resolv_conf.make(
        pod(many), cluster_dns=["10.96.0.10"], cluster_domain="cluster.local", node=NODE
    )
    assert conf.nameservers == ("10.96.0.10", "1.1.1.1", "1.1.1.2")
    assert warnings[0].reason == "DNSConfigForming"
    assert warnings[0].message.startswith("Nameserver limits were exceeded,")


def test_no_cluster_dns_falls_back_with_a_warning() -> None:
    """Without clusterDNS the node's file is used, and an event says so."""
    conf, warnings = resolv_conf.make(pod(), cluster_dns=[], cluster_domain="d", node=NODE)
    assert conf == NODE
    assert [warned.reason for warned in warnings] == ["MissingClusterDNS"]


def test_node_resolv_conf_is_read_like_glibc_does() -> None:
    """The last search line counts, dots at the end go, comments are none of it."""
    text = (
        "# c\nnameserver 1.1.1.1\nsearch a.example\nsearch b.example. c.example ; x\noptions a b\n"
    )
    assert resolv_conf.parse(text) == ResolvConf(
        nameservers=("1.1.1.1",), search=("b.example", "c.example"), options=("a", "b")
    )


def lookups() -> Sources:
    config = ConfigMap(data={"a": "1", "b": "2"})
    secret = Secret(data={"k": "djE="})
    return Sources(
        config_map=lambda name: config if name == "cm" else None,
        secret=lambda name: secret if name == "s" else None,
        services=(),
    )


def planned(text: str) -> volumes.VolumePlan:
    volume = yaml.safe_load(text)
    body = pod("{volumes: []}")
    body.spec.volumes = from_dict(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "spec": {"containers": [], "volumes": [{"name": "v", **volume}]},
        },
        Pod,
    ).spec.volumes
    return volumes.plan(body, sources=lookups(), facts=FACTS)[0]


@pytest.mark.parametrize(
    ("size_limit", "memory", "size_bytes"),
    [
        ("", ["", ""], 0),
        ("sizeLimit: 1Mi", ["", ""], 1 << 20),
        ("sizeLimit: 1Gi", ["64Mi", "32Mi"], 96 << 20),
        ("sizeLimit: 1Mi", ["64Mi", "32Mi"], 1 << 20),
        ("sizeLimit: 1Gi", ["64Mi", ""], 1 << 30),
        ("", ["64Mi", "32Mi"], 96 << 20),
    ],
)
def test_a_directory_in_memory_holds_no_more_than_its_pod(size_limit, memory, size_bytes) -> None:
    """Its limit counts, and what all containers may have; without both, half of the memory."""
    containers = [
        {"name": f"c{number}", "resources": {"limits": {"memory": limit} if limit else {}}}
        for number, limit in enumerate(memory)
    ]
    volume = f"{{name: v, emptyDir: {{medium: Memory, {size_limit}}}}}"
    body = pod(yaml.safe_dump({"containers": containers, "volumes": [yaml.safe_load(volume)]}))
    (plan,) = volumes.plan(body, sources=lookups(), facts=FACTS)
    assert (plan.kind, plan.in_memory) == (VolumeKind.EMPTY, True)
    assert plan.size_bytes == size_bytes


def test_config_map_volume() -> None:
    """All keys become files of the default mode; items choose, rename and set modes."""
    assert planned("{configMap: {name: cm}}").files == {
        "a": File(b"1", 0o644),
        "b": File(b"2", 0o644),
    }
    some = planned(
        "{configMap: {name: cm, defaultMode: 256, items: [{key: a, path: d/x, mode: 511}]}}"
    )
    assert some.files == {"d/x": File(b"1", 0o777)}


def test_secret_volume_is_in_memory() -> None:
    """A Secret is decoded and never touches a disk."""
    plan = planned("{secret: {secretName: s}}")
    assert plan.files == {"k": File(b"v1", 0o644)}
    assert plan.in_memory


def test_projected_volume_as_the_api_server_adds_it() -> None:
    """Token, CA and namespace lie side by side."""
    plan = planned("""
projected:
  defaultMode: 420
  sources:
  - serviceAccountToken: {path: token, expirationSeconds: 3607}
  - configMap: {name: cm, items: [{key: a, path: ca.crt}]}
  - downwardAPI: {items: [{path: namespace, fieldRef: {fieldPath: metadata.namespace}}]}
""")
    assert plan.tokens == {"token": Token("", 3607, 0o644)}
    assert {name: file.data for name, file in plan.files.items()} == {
        "ca.crt": b"1",
        "namespace": b"shop",
    }


def test_downward_labels_are_sorted_and_quoted() -> None:
    """Labels come as sorted lines of key and quoted value."""
    plan = planned("{downwardAPI: {items: [{path: l, fieldRef: {fieldPath: metadata.labels}}]}}")
    assert plan.files["l"].data == b'a="say \\"1\\""\nb="2"'


@pytest.mark.parametrize(
    ("volume", "why"),
    [
        ("{configMap: {name: x}}", 'configmap "x" not found'),
        ("{secret: {secretName: x}}", 'secret "x" not found'),
        (
            "{configMap: {name: cm, items: [{key: z, path: z}]}}",
            "configmap references non-existent config key: z",
        ),
    ],
)
def test_missing_sources_fail_the_mount(volume: str, why: str) -> None:
    """The text is the event FailedMount's."""
    with pytest.raises(VolumeError) as caught:
        planned(volume)
    assert str(caught.value) == f'MountVolume.SetUp failed for volume "v" : {why}'


def test_optional_sources_may_be_absent() -> None:
    """optional: true makes an empty volume of a missing source."""
    assert planned("{configMap: {name: x, optional: true}}").files == {}


def test_storage_that_is_not_there_is_stood_in_for() -> None:
    """A claim becomes an empty directory, and says so."""
    plan = planned("{persistentVolumeClaim: {claimName: data}}")
    assert (plan.kind, plan.stands_in_for) == (VolumeKind.EMPTY, "persistentVolumeClaim")


LOG = [
    b"2026-01-02T03:04:05.000000001Z stdout F one",
    b"2026-01-02T03:04:06.5Z stderr P tw",
    b"2026-01-02T03:04:06.6Z stderr F o",
    b"damaged",
    b"2026-01-02T03:04:07Z stdout F three",
]


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (LogFilter(), b"one\ntwo\nthree\n"),
        (LogFilter(tail_lines=2), b"two\nthree\n"),
        (LogFilter(tail_lines=0), b""),
        (LogFilter(limit_bytes=5), b"one\nt"),
        (LogFilter(since=datetime(2026, 1, 2, 3, 4, 7, tzinfo=UTC)), b"three\n"),
        (
            LogFilter(timestamps=True, tail_lines=2),
            b"2026-01-02T03:04:06.5Z two\n2026-01-02T03:04:07Z three\n",
        ),
    ],
)
def test_log_filters(chosen: LogFilter, expected: bytes) -> None:
    """Tail, limit, since and timestamps work on whole lines; pieces are joined."""
    assert b"".join(chosen.first(LOG)) == expected


def test_last_lines_for_a_termination_message() -> None:
    """The end of the log is what FallbackToLogsOnError shows."""
    assert cri_log.last_lines(b"\n".join(LOG), lines=2, max_bytes=6) == "three\n"
