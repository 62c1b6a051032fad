"""What the doctor says of what it saw."""

from ipaddress import IPv4Network

import pytest

from netemu.core.doctor import findings, sights
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
