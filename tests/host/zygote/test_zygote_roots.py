"""Roots other than the plain copy of the host's."""

from __future__ import annotations

import os

import pytest
from zygote_pods import CLUSTER, PRELOAD, Pods

from netemu.host.runtime import ZygoteRuntime, start_zygote
from netemu.host.zygote import syscalls
from netemu.host.zygote.cgroup import Cgroups, Hierarchy
from netemu.model.runtime import Mount, Resources

pytestmark = pytest.mark.root


@pytest.fixture
def separate_srv(tmp_path):
    """A host with a filesystem of its own at /srv."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "a" / "file").write_text("the host's")
    options = f"lowerdir={tmp_path}/a:{tmp_path}/b"
    syscalls.mount("overlay", "/srv", "overlay", data=options)
    yield
    syscalls.unmount("/srv")


@pytest.fixture
def shared_root():
    """A host whose mounts are shared, as systemd makes them."""
    syscalls.mount("", "/", flags=syscalls.MS_REC | syscalls.MS_SHARED)
    yield
    syscalls.mount("", "/", flags=syscalls.MS_REC | syscalls.MS_PRIVATE)


async def _in_a_zygote(tmp_path, test) -> None:
    await start_zygote(tmp_path / "run", tmp_path / "state", CLUSTER, PRELOAD)
    pods = Pods(await ZygoteRuntime.connect(tmp_path / "run"), tmp_path)
    try:
        await test(pods)
    finally:
        await pods.runtime.shutdown()


async def test_other_filesystems_are_copied_on_write(tmp_path, monkeypatch, separate_srv):
    """What is mounted below / is there, is writable, and stays what it was."""
    monkeypatch.setenv("PYTHONPATH", os.path.dirname(__file__))

    async def look(pods):
        state, said = await pods.run("sh", "-c", "cat /srv/file; echo > /srv/file; echo > /srv/x")
        assert (state.exit_code, said) == (0, "the host's\n")
        assert os.listdir("/srv") == ["file"]
        state, said = await pods.run("touch", "/srv/x", read_only_root=True, name="d")
        assert "Read-only file system" in said

    await _in_a_zygote(tmp_path, look)


async def test_mounts_of_containers_stay_in_them(tmp_path, monkeypatch, shared_root):
    """With shared propagation, too, the host's mount table does not change."""
    monkeypatch.setenv("PYTHONPATH", os.path.dirname(__file__))
    (tmp_path / "volume").mkdir()

    def mounts():
        with open("/proc/self/mountinfo", encoding="utf-8") as file:
            return [line.split()[4] for line in file]

    before = mounts()

    async def look(pods):
        volume = Mount(source=str(tmp_path / "volume"), target="/v", propagation="rslave")
        plain = Mount(source=str(tmp_path / "volume"), target="/w")
        await pods.start("sleep", "60", mounts=[volume, plain])
        assert mounts() == before
        (tmp_path / "volume" / "late").mkdir()
        syscalls.mount("late", str(tmp_path / "volume" / "late"), "tmpfs")
        try:
            _, said = await pods.shell("grep -c late /proc/mounts; ls /v/late")
            assert said == "1\n"
        finally:
            syscalls.unmount(str(tmp_path / "volume" / "late"))

    await _in_a_zygote(tmp_path, look)
    assert mounts() == before


async def test_a_root_of_ones_own(pods):
    """`rootfs` replaces the host's root, and is not written to."""
    root = pods.folder / "rootfs"
    root.mkdir()
    (root / "hello").write_text("from the image")
    state, said = await pods.run(
        entrypoint="zygote_programs:look", args=["/", "/hello"], rootfs=str(root)
    )
    assert state.exit_code == 0, said
    assert "/hello from the image" in said
    assert "/ ['dev', 'hello', 'proc', 'sys']" in said
    assert not (root / "written").exists()


def test_groups_of_version_2(tmp_path):
    """Entering, killing and removing work on a real version 2 tree."""
    root = tmp_path / "cgroup2"
    root.mkdir()
    syscalls.mount("cgroup", str(root), "cgroup2")
    try:
        groups = Cgroups("v2-test", (Hierarchy(str(root), 2, frozenset()),))
        child = os.fork()
        if child == 0:
            groups.enter("kubepods/pod1/c", Resources())
            os.kill(os.getpid(), 19)
            os._exit(0)
        os.waitpid(child, os.WUNTRACED)
        path = root / "netemu-v2-test/kubepods/pod1/c/cgroup.procs"
        assert path.read_text().split() == [str(child)]
        groups.kill("kubepods/pod1/c")
        assert os.waitpid(child, 0)[1] == 9
        groups.remove_all()
        assert not (root / "netemu-v2-test").exists()
    finally:
        syscalls.unmount(str(root))
