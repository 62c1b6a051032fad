"""`uninstall` in a copy of the checkout: all goes but the copy, and what stays is named."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest
from netemu_command import PATIENCE, ROOT, new_name

pytestmark = pytest.mark.root

_PACKAGES = Path("/var/lib/netemu-packages")


@pytest.fixture
def copy(tmp_path: Path) -> Iterator[Path]:
    """A checkout with an environment of its own, as netemu.sh makes one."""
    here = tmp_path / "netemu"
    here.mkdir()
    shutil.copy(ROOT / "netemu.sh", here)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "netemu", here / "netemu", ignore=ignored)
    environment = here / ".venv"
    venv.create(environment, symlinks=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    own = [path for path in sys.path if path.endswith("-packages")]
    (packages / "dependencies.pth").write_text("\n".join([str(here), *own]) + "\n")
    (environment / "netemu-stamp").touch()
    _PACKAGES.write_text("tcpdump\nconntrack\ntcpdump\n")
    yield here
    _PACKAGES.unlink(missing_ok=True)


def run(copy: Path, script: str) -> subprocess.CompletedProcess[str]:
    """Run some shell commands where /usr/local/bin and the home are nobody else's."""
    home = copy.parent / "home"
    home.mkdir(exist_ok=True)
    (copy.parent / "bin").mkdir(exist_ok=True)
    mounts = f"mount --bind {copy.parent}/bin /usr/local/bin"
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "TERM": "dumb"}
    return subprocess.run(
        ["unshare", "--mount", "sh", "-c", f"{mounts}; {script}"],
        cwd=copy,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60 * PATIENCE,
    )


def test_uninstall_removes_all_but_the_checkout(copy: Path) -> None:
    """First it asks; then cluster, context, link, images, list and environment are gone."""
    name = new_name("bye")
    home, link = copy.parent / "home", copy.parent / "bin" / "netemu"
    link.parent.mkdir()
    link.write_text(f'#!/bin/sh\nexec "{copy}/.venv/bin/python" -m netemu "$@"\n')
    (home / ".cache/netemu/vm").mkdir(parents=True)
    made = run(copy, f".venv/bin/python -m netemu up --nodes 1 -q --name {name}")
    assert made.returncode == 0, made.stderr

    asked = run(copy, "echo n | ./netemu.sh uninstall")
    assert asked.returncode != 0
    told = [f'cluster "{name}"', f"context netemu-{name}", "/usr/local/bin/netemu: the command"]
    told += [f"{home}/.cache/netemu: virtual", f"{copy}/.venv: the Python environment"]
    assert [words for words in told if words not in asked.stdout] == []
    # Neither this very checkout's environment nor anybody's home is in the list.
    assert str(ROOT / ".venv") not in asked.stdout
    assert link.exists()

    gone = run(copy, "./netemu.sh uninstall --yes; code=$?; ls /run/netns; exit $code")
    assert (gone.returncode, gone.stderr) == (0, "")
    assert "installed for netemu: tcpdump conntrack\n" in gone.stdout
    assert f"{copy} stays" in gone.stdout
    assert f"netemu-{name}" not in gone.stdout.replace(f"context netemu-{name} ", "")
    gone_paths = (link, home / ".cache/netemu", copy / ".venv", _PACKAGES)
    assert [path for path in gone_paths if path.exists()] == []
    assert not (home / ".kube").exists()
    assert (copy / "netemu.sh").exists()

    again = run(copy, "./netemu.sh uninstall")
    assert again.returncode == 3
    assert "nothing is installed from here" in again.stderr


def test_what_others_made_stays(copy: Path) -> None:
    """A command `netemu` that is not ours, and an environment that netemu.sh did not make."""
    link = copy.parent / "bin" / "netemu"
    link.parent.mkdir()
    link.write_text("#!/bin/sh\necho another netemu\n")
    (copy / ".venv" / "netemu-stamp").unlink()
    done = run(copy, "./netemu.sh uninstall --yes")
    assert done.returncode == 0
    assert link.exists()
    assert (copy / ".venv").exists()
    assert run(copy, "./netemu.sh uninstall --yes").stdout == "nothing of netemu is on this host\n"
