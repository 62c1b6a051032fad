"""The virtual machine's files: what travels along, what the cache holds, what is swept out."""

from __future__ import annotations

import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from netemu.core.virtual_machine.order import Order, Terminal
from netemu.errors import MissingFacility
from netemu.host.virtual_machine import image, places
from netemu.host.virtual_machine.cargo import write_cargo


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "netemu" / "vm"


def test_the_cargo_holds_checkout_order_and_files(tmp_path: Path):
    """All of it root's, without caches; it is a whole number of sectors."""
    manifest = tmp_path / "web.yaml"
    manifest.write_text("a: 1\n")
    order = Order(command=["true"], terminal=Terminal(kind="dumb", columns=80, lines=24))
    path = tmp_path / "cargo.tar"
    write_cargo(path, order, {"/scenario/web.yaml": manifest})
    assert path.stat().st_size % 512 == 0
    with tarfile.open(path) as archive:
        names = archive.getnames()
        assert {(entry.uid, entry.gid) for entry in archive} == {(0, 0)}
    assert {"netemu/pyproject.toml", "netemu/netemu/cli/vm.py", "netemu/packages.txt"} <= {*names}
    assert {"order/start", "order/command", "order/terminal", "scenario/web.yaml"} <= {*names}
    parts = {part for name in names for part in name.split("/")}
    assert not {part for part in parts if part in (".venv", ".git") or part.endswith("_cache")}


def test_what_the_dead_left_is_swept_out(cache: Path):
    """A folder of a living process stays; an image, whoever built it, too."""
    process = subprocess.Popen(["true"])
    process.wait()
    mine = places.own_folder("run")
    (cache / f"run-{process.pid}-1").mkdir()
    (cache / f"building-{process.pid}-1").mkdir()
    (cache / "0123abcd").mkdir()
    other = places.own_folder("building")
    assert {path.name for path in cache.iterdir()} == {mine.name, other.name, "0123abcd"}


def test_an_image_counts_when_all_of_it_is_there(cache: Path):
    """One that is being built has the files, too, but not the name."""
    for name in ("abcd", "ef01", f"building-{os.getpid()}-1"):
        (cache / name).mkdir(parents=True)
        for file in ("root.ext4", "vmlinuz", "initramfs"):
            (cache / name / file).touch()
    (cache / "ef01" / "vmlinuz").unlink()
    assert [found.folder.name for found in places.images()] == ["abcd"]
    places.clean()
    assert not cache.exists()
    assert places.clean() == 0


def test_what_is_missing_is_told_with_its_remedy():
    """Which program, and the one command that brings it."""
    with pytest.raises(MissingFacility) as caught:
        image.need_programs(["sh", "no-such-program"])
    assert str(caught.value) == (
        "no-such-program is missing: the virtual machine is built and booted with it. "
        "Run 'sudo ./netemu.sh install --vm' once, it installs them with apt-get"
    )
