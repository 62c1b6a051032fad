"""Tab in a real bash: what is offered where, also behind sudo."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from netemu_command import PATIENCE, ROOT

from netemu.cli._completion import nodes_in, pods_in
from netemu.host import clusters, netns

pytestmark = pytest.mark.root

_ASK = """
shopt -u progcomp 2>/dev/null; shopt -s progcomp
source <(netemu completion bash)
read -ra COMP_WORDS <<<"$1"
[[ $1 == *' ' ]] && COMP_WORDS+=("")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
function=$(complete -p "${COMP_WORDS[0]}" | sed 's/.*-F \\([^ ]*\\) .*/\\1/')
compopt() { :; }  # Only readline's own caller may.
"$function" "${COMP_WORDS[0]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Path]:
    """A host with two clusters' names on it, and `netemu` on the PATH."""
    program = tmp_path / "netemu"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m netemu "$@"\n')
    program.chmod(0o755)
    made = [clusters.STATE_ROOT / "tab", clusters.STATE_ROOT / "tab" / "log"]
    names = ("worker-1", "control-plane", "underlay", "worker-1-default-web-1")
    spaces = [Path(netns.NETNS_DIR, f"netemu-tab-{name}") for name in names]
    for folder in made:
        folder.mkdir(parents=True)
    (made[0] / "settings.json").touch()
    for space in spaces:
        space.touch()
    yield tmp_path
    for path in (*spaces, made[0] / "settings.json"):
        path.unlink()
    for folder in reversed(made):
        folder.rmdir()


def offered(host: Path, line: str) -> list[str]:
    """Return what Tab offers at the end of a line."""
    done = subprocess.run(
        ["bash", "--norc", "-c", _ASK, "bash", line],
        env={"PATH": f"{host}:/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=20 * PATIENCE,
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "some"),
    [
        ("netemu do", ["down", "doctor"]),
        ("netemu down ", ["tab"]),
        ("netemu get pods --cluster t", ["tab"]),
        ("netemu node kill w", ["worker-1"]),
        ("netemu shell ", ["control-plane", "pod/web-1", "switch", "worker-1"]),
        ("netemu exec pod/", ["pod/web-1"]),
        ("netemu logs --cluster tab w", ["web-1"]),
        ("netemu logs -n other w", []),
        ("netemu get end", ["endpoints", "endpointslices"]),
        ("netemu get pods w", ["web-1"]),
        ("netemu delete pod w", ["web-1"]),
        ("netemu demo first", ["first-service"]),
        ("netemu up --no-c", ["--no-context"]),
        ("sudo netemu status t", ["tab"]),
    ],
)
def test_tab_offers(host: Path, line: str, some: list[str]) -> None:
    """Verbs, options, clusters, nodes, pods, kinds, scenarios: what fits what is begun."""
    assert sorted(offered(host, line)) == sorted(some)


def test_tab_is_quick(host: Path) -> None:
    """Who waits for Tab types on: the program's answer alone takes a blink."""
    environment = {
        "PATH": f"{host}:/usr/bin:/bin",
        "PYTHONPATH": str(ROOT),
        "_NETEMU_COMPLETE": "bash_complete",
        "COMP_WORDS": "netemu shell ",
        "COMP_CWORD": "2",
    }
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(["netemu"], env=environment, capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert b"pod/web-1" in done.stdout
    # The processor's time, not the clock's: others work here, too.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.15 * PATIENCE


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_scripts_of_their_own(host: Path, shell: str) -> None:
    """Each asks netemu in its own way."""
    done = subprocess.run(
        [f"{host}/netemu", "completion", shell],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"_NETEMU_COMPLETE={shell}_complete" in done.stdout


def test_nodes_and_pods_are_told_apart() -> None:
    """A pod's namespace bears its node's name, then the pod's namespace, then the pod's."""
    spaces = ["underlay", "edge", "edge-1", "edge-1-kube-system-dns-x", "w", "w-default-a"]
    assert nodes_in(spaces) == ["edge", "edge-1", "w"]
    assert pods_in(spaces, "kube-system") == ["dns-x"]
    assert pods_in(spaces, "default") == ["a"]
