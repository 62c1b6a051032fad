"""A host whose `/` is itself an overlay, as in a container or on a live medium."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from netemu_command import PATIENCE, Netemu, new_name

pytestmark = pytest.mark.root

_ENTER = """
set -eu
mount -t tmpfs -o mode=755 tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root
cd /mnt/root
for folder in proc sys dev; do mount --rbind /$folder $folder; done
mount -t tmpfs -o mode=755 tmpfs run
mkdir -p run/netns run/lock run/host
mount -t tmpfs -o mode=755 tmpfs var/lib/netemu
pivot_root . run/host
cd /
umount -l /run/host
rmdir /run/host
mounts() { cut -d ' ' -f 3-5,9- /proc/self/mountinfo | sort; }
"""
_USE = """
mounts >/run/before
test "$(stat -f -c %T /)" = overlayfs
netemu up "$NAME" --nodes 2 >/dev/null
trap 'netemu down "$NAME"' EXIT
k() { kubectl --kubeconfig="/var/lib/netemu/$NAME/kubeconfig" --cache-dir=/run/cache "$@"; }
k run web --image=nginx >/dev/null
k wait pod/web --for=condition=Ready --timeout="${WITHIN_S}s" >/dev/null
k exec web -- sh -c 'echo written >/usr/netemu-proof; rm /etc/passwd; cat /usr/netemu-proof'
test ! -e /usr/netemu-proof
test -e /etc/passwd
trap - EXIT
netemu down "$NAME" >/dev/null
mounts | diff /run/before -
test ! -e "/run/netemu/$NAME"
test ! -e "/var/lib/netemu/$NAME"
echo clean
"""


def test_a_cluster_runs_where_the_root_is_an_overlay(netemu: Netemu, tmp_path: Path) -> None:
    """Pods become Ready, what they write stays in them, and nothing is left behind."""
    command = tmp_path / "netemu"
    command.write_text(f'#!/bin/sh\nexec {" ".join(netemu.argv())} "$@"\n')
    command.chmod(0o755)
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", _ENTER + _USE],
        capture_output=True,
        text=True,
        timeout=120 * PATIENCE,
        env=netemu.environment
        | {
            "NAME": new_name("layered"),
            "PATH": f"{tmp_path}:{netemu.environment['PATH']}:/usr/sbin:/sbin",
            "WITHIN_S": f"{30 * PATIENCE:.0f}",
        },
        check=False,
    )
    assert (done.returncode, done.stdout.splitlines()) == (0, ["written", "clean"]), done.stderr
