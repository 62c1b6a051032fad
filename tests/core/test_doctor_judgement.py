"""What the doctor says of what it saw."""

from ipaddress import IPv4Network

import pytest

from netemu.core.doctor import findings, health, sights
from netemu.core.doctor.catalogue import CATALOGUE, FOR_UP
from netemu.core.doctor.findings import Need, Observation, Verdict
from netemu.errors import MissingFacility

FINE = {check.name: Observation(True) for check in CATALOGUE}


def test_every_check_tells_why_and_how():
    """Each name is there once, with sentences that go into a MissingFacility."""
    assert len({check.name for check in CATALOGUE}) == len(CATALOGUE)
    for check in CATALOGUE:
        assert check.why
        assert not check.why.endswith(".")
        assert check.remedy.endswith(".")
    assert {check.name for check in CATALOGUE if check.need is Need.NEEDED} >= set(FOR_UP)


@pytest.mark.parametrize(
    ("name", "fine", "verdict"),
    [
        ("veth", True, Verdict.OK),
        ("veth", False, Verdict.MISSING),
        ("netem", False, Verdict.ABSENT),
        ("firewalls", False, Verdict.NOTE),
        ("veth", None, Verdict.UNKNOWN),
    ],
)
def test_what_is_missing_matters_more_or_less(name, fine, verdict):
    """A needed thing is missing, an optional one absent, and what nobody could try is unknown."""
    (finding,) = findings.judge(CATALOGUE, {name: Observation(fine)})
    assert finding.verdict is verdict


def test_findings_come_in_the_catalogues_order():
    """Whatever was looked at first, root and kernel are told first."""
    found = [finding.name for finding in findings.judge(CATALOGUE, dict(reversed(FINE.items())))]
    assert found == [check.name for check in CATALOGUE]


def test_the_first_that_is_missing_is_told_with_the_others():
    """One sentence: what, why it matters, what was seen, how to get it; the others by name."""
    observations = FINE | {
        "vxlan": Observation(False, "Unknown device type"),
        "overlayfs": Observation(False),
        "netem": Observation(False),
    }
    with pytest.raises(MissingFacility) as caught:
        findings.stop_at_missing(findings.judge(CATALOGUE, observations))
    assert str(caught.value) == (
        "vxlan is missing: Pods of different nodes meet across it (Unknown device type)."
        " Try `modprobe vxlan`; if there is none, boot your distribution's standard kernel."
        " Missing, too: overlayfs. `sudo netemu doctor` tells all."
    )
    findings.stop_at_missing(findings.judge(CATALOGUE, FINE | {"netem": Observation(False)}))


@pytest.mark.parametrize(
    ("text", "fine"),
    [("6.1.0-18-amd64", True), ("5.4", True), ("5.3.18", False), ("4.19", False), ("what", None)],
)
def test_versions_are_compared_by_number(text, fine):
    """5.10 is newer than 5.4, and what is no version is unknown."""
    assert sights.see_version(text, (5, 4)).fine is fine


def networks(*texts):
    return [IPv4Network(text) for text in texts]


def test_addresses_that_others_use_are_told():
    """A stranger in the range is named; clusters of our own are none; a default route is none."""
    taken = networks("0.0.0.0/0", "192.168.1.0/24", "198.18.0.0/24", "198.18.1.0/25")
    seen = sights.see_addresses(taken, networks("198.18.0.0/24"))
    assert seen == Observation(
        True, "the next cluster gets 198.18.2.0/24; this host uses 198.18.1.0/25"
    )


def test_a_range_without_room_is_missing():
    """A route over the whole range leaves no /24."""
    seen = sights.see_addresses(networks("198.18.0.0/15"), [])
    assert seen.fine is False
    assert "198.18.0.0/15 is free; this host uses 198.18.0.0/15" in seen.detail


@pytest.mark.parametrize(
    ("hierarchies", "fine", "detail"),
    [
        ([], False, "none is mounted"),
        ([(2, {"cpu", "memory", "pids"})], True, "v2: cpu, memory, pids"),
        ([(1, {"cpu"}), (1, {"memory"})], False, "v1, without pids"),
        ([(1, {"cpu"}), (2, {"memory", "pids"})], True, "v1 and v2: cpu, memory, pids"),
    ],
)
def test_cgroups_of_either_version_will_do(hierarchies, fine, detail):
    """Versions 1 and 2 and mixtures are fine if the three controllers are there."""
    assert sights.see_cgroups(hierarchies) == Observation(fine, detail)


def test_limits_paths_and_clusters():
    """The small ones: descriptors, PATH, and how the clusters are."""
    assert sights.see_open_files(-1).fine
    assert not sights.see_open_files(1024).fine
    assert sights.see_path("/usr/bin:/usr/sbin/").fine
    assert not sights.see_path("/usr/bin:/usr/local/sbin").fine
    assert sights.see_clusters({}) == Observation(True, "none")
    told = sights.see_clusters({"lab": "running", "a": "stopped"})
    assert told == Observation(False, "a (stopped), lab (running)")


@pytest.mark.parametrize(
    ("count", "most", "fine"),
    [(0, None, True), (10, 262144, True), (250000, 262144, False), (0, 4096, False)],
)
def test_a_connection_table_that_is_small_or_full_is_told(count, most, fine):
    """New connections are dropped when it is full, wherever they belong."""
    assert sights.see_connections(count, most).fine is fine


@pytest.mark.parametrize(
    ("room", "fine", "detail"),
    [
        ({}, True, "100 MiB free"),
        ({"free_bytes": 1 << 20}, False, "1 MiB free"),
        ({"writable": False}, False, "read-only"),
        ({"free_inodes": 3}, False, "100 MiB free, but only 3 inodes"),
        ({"free_inodes": 0, "inodes": 0}, True, "100 MiB free"),
    ],
)
def test_the_state_folder_needs_room(room, fine, detail):
    """Bytes, inodes where the file system counts them, and that it can be written."""
    plenty = {"free_bytes": 100 << 20, "free_inodes": 10**6, "inodes": 10**7, "writable": True}
    assert sights.see_state_folder(**plenty | room) == Observation(fine, detail)


def test_routes_to_pod_addresses_are_told():
    """A VPN may have the same addresses; a default route and others' networks are no news."""
    ranges = networks("10.244.0.0/16", "10.96.0.0/16")
    seen = sights.see_pod_ranges(networks("0.0.0.0/0", "10.0.0.0/8", "192.168.0.0/16"), ranges)
    assert seen == Observation(False, "10.0.0.0/8")
    assert sights.see_pod_ranges(networks("0.0.0.0/0", "10.1.0.0/16"), ranges).fine


@pytest.mark.parametrize(
    ("legacy", "nft", "fine", "detail"),
    [
        ([], [], True, "neither holds rules"),
        (["nat"], [], True, "legacy"),
        ([], ["filter"], True, "nft"),
        (["nat", "filter"], ["nat"], False, "legacy (filter, nat), nft (nat)"),
    ],
)
def test_two_flavours_with_rules_are_one_too_many(legacy, nft, fine, detail):
    """Each alone is fine; both together show half of the truth each."""
    assert sights.see_flavours(legacy=legacy, nft=nft) == Observation(fine, detail)


def test_contexts_machines_and_name_servers():
    """Contexts of clusters that are gone, containers without privileges, stubs that are fine."""
    assert sights.see_contexts(["netemu-a", "netemu-b"], ["b"]) == Observation(False, "netemu-a")
    assert sights.see_contexts(["netemu-b"], ["b"]).fine
    assert sights.see_machine("virtual machine (QEMU)", privileged=False).fine
    assert not sights.see_machine("container (docker)", privileged=False).fine
    assert sights.see_name_servers("nameserver 127.0.0.53\n").fine
    assert not sights.see_name_servers("# nothing\nsearch lan\n").fine
    assert sights.see_most(None, 5).fine
    assert not sights.see_most(4, 5).fine


def test_findings_name_their_place_on_the_page():
    """Each finding says where more is told."""
    (finding,) = findings.judge(CATALOGUE, {"state folder": Observation(False)})
    assert finding.page == "docs/troubleshooting.md#state-folder"


def test_a_clusters_troubles_are_told_by_name():
    """Nodes, pods and rules that lack something are named, not counted."""
    assert health.see_nodes_there(["a", "b"], {"a"}) == Observation(False, "none for b")
    assert health.see_power(unpowered=["b"], uncabled=["c", "a"]).detail == (
        "no power: b; cut off: a, c"
    )
    many = {f"p{number}": "Pending" for number in range(7)}
    assert health.see_some(many, 9, "Ready").detail.endswith("p4 (Pending) and 2 more")
    assert health.see_some({}, 9, "Ready") == Observation(True, "9 Ready")
    lacking = health.see_rules({"a": [], "b": ["default/web"]})
    assert lacking == Observation(False, "b (lacks 1: default/web)")
    assert all("NAME" not in check.remedy for check in health.checks_of("lab"))


@pytest.mark.parametrize(
    ("version", "fine", "said"),
    [
        ("v1.20.2", True, "v1.20.2"),
        ("v1.19.0", False, "older"),
        ("v1.40.1", True, "newer"),
        ("odd", True, "odd"),
    ],
)
def test_kubectls_of_all_ages(version, fine, said):
    """From 1.20 on all will do; what is newer than Kubernetes promises is told."""
    seen = sights.see_kubectl(Observation(True, version))
    assert (seen.fine, said in seen.detail) == (fine, True)
    assert not sights.see_kubectl(Observation(False, "not installed")).fine
