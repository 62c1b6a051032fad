"""The virtual machine as data: recipe, initramfs, command line, order."""

from __future__ import annotations

import io
import shutil
import subprocess
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from netemu.core.virtual_machine import initramfs, recipe
from netemu.core.virtual_machine.initramfs import Entry
from netemu.core.virtual_machine.machine import STREAMS, Machine, qemu_arguments
from netemu.core.virtual_machine.order import Order, Terminal, script
from netemu.errors import UserError

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = (ROOT / "packages.txt").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
MACHINE = Machine(
    kernel="/k",
    initramfs="/i",
    disk="/a,b/root.ext4",
    cargo="/cargo.tar",
    console="/log",
    wires={stream: number for number, stream in enumerate(STREAMS, start=10)},
)


def test_the_list_of_packages_is_read():
    """Purpose, program, package; comments and empty lines are none."""
    text = "# all\n\nrun  ip  iproute2  # routes\ntest dig bind9-dnsutils\n"
    found = [(each.purpose, each.program, each.package) for each in recipe.read_packages(text)]
    assert found == [("run", "ip", "iproute2"), ("test", "dig", "bind9-dnsutils")]


@pytest.mark.parametrize("line", ["run ip", "walk ip iproute2", "run ip iproute2 more"])
def test_a_line_that_is_none_is_told(line: str):
    """File, line, what was expected, what is there."""
    with pytest.raises(UserError) as caught:
        recipe.read_packages(f"\n{line}\n", file="packages.txt")
    assert str(caught.value) == (
        f"packages.txt:2: expected purpose (run, test, vm), program, package; got {line!r}"
    )


def test_the_script_reads_the_list_as_the_recipe_does():
    """netemu.sh's `needed_to` finds the same pairs."""
    body = (ROOT / "netemu.sh").read_text()
    function = body[body.index("needed_to() {") : body.index("missing_packages() {")]
    argv = ["sh", "-c", f"here={ROOT}\n{function}\nneeded_to run test vm"]
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()
    assert said == [f"{e.program}:{e.package}" for e in recipe.read_packages(PACKAGES)]


def test_the_key_follows_what_the_disk_holds():
    """Other packages, dependencies or guest files: another disk. The order does not matter."""
    packages = recipe.read_packages(PACKAGES)
    made = recipe.write_recipe(packages, PROJECT, {"init": "a"})
    assert made.key == recipe.write_recipe(packages[::-1], PROJECT, {"init": "a"}).key
    assert made.key != recipe.write_recipe(packages, PROJECT, {"init": "b"}).key
    assert made.key != replace(made, packages=made.packages[1:]).key
    assert made.key != replace(made, python=made.python[1:]).key
    assert {"iproute2", "systemd-sysv", recipe.KERNEL} <= set(made.packages)
    assert "qemu-system-x86" not in made.packages
    assert any(each.startswith("pytest>") for each in made.python)
    assert not any(each.startswith("mypy") for each in made.python)


def test_commands_that_build_the_disk():
    """Debian's release from the mirror as a tar; wheels for its Python, nothing compiled."""
    made = recipe.write_recipe(recipe.read_packages(PACKAGES), PROJECT, {})
    argv = recipe.mmdebstrap_arguments(
        made, mode="fakechroot", tar="/t", mirror="http://m", hooks=["true"], proxy="http://p:1"
    )
    assert argv[:2] == ["mmdebstrap", "--mode=fakechroot"]
    assert argv[-3:] == ["bookworm", "/t", "http://m"]
    assert '--aptopt=Acquire::http::Proxy "http://p:1";' in argv
    assert "--customize-hook=true" in argv
    argv = recipe.pip_arguments(made, python="py", target="/d")
    assert "--only-binary=:all:" in argv
    assert argv[-len(made.python) :] == list(made.python)


def test_modules_come_after_what_they_need():
    """depmod lists the deepest last; what is built in is in no list."""
    listed = "a/virtio.ko:\na/ring.ko: a/virtio.ko\nb/virtio-blk.ko: a/ring.ko a/virtio.ko\n"
    order = initramfs.modules_in_order(listed, ["virtio_blk", "ext4", "ring"])
    assert order == ["a/virtio.ko", "a/ring.ko", "b/virtio-blk.ko"]


def test_the_archive_is_one_that_cpio_reads(tmp_path: Path):
    """Names, modes, contents, padded to four; owned by root."""
    entries = [Entry("bin", 0o040755), Entry("bin/x", 0o100755, b"12345")]
    data = initramfs.archive(entries)
    assert len(data) % 4 == 0
    stream = io.BytesIO(data)
    found = {}
    while (head := stream.read(110)) and head.startswith(b"070701"):
        numbers = [int(head[6 + 8 * i : 14 + 8 * i], 16) for i in range(13)]
        name = stream.read(numbers[11])[:-1].decode()
        stream.seek(-stream.tell() % 4, io.SEEK_CUR)
        found[name] = (numbers[1], numbers[2], stream.read(numbers[6]))
        stream.seek(-stream.tell() % 4, io.SEEK_CUR)
    assert found == {
        "bin": (0o040755, 0, b""),
        "bin/x": (0o100755, 0, b"12345"),
        "TRAILER!!!": (0, 0, b""),
    }


def test_the_machine_has_no_network_and_its_disk_is_never_written():
    """No card at all; a snapshot; commas in paths doubled; every wire by its descriptor."""
    line = " ".join(qemu_arguments(MACHINE))
    assert "-nic none" in line
    assert "file=/a,,b/root.ext4,id=root,if=none,format=raw,snapshot=on" in line
    assert "file=/cargo.tar,id=cargo,if=none,format=raw,readonly=on" in line
    assert "-accel tcg,thread=multi -cpu max -smp 2 -m 2048" in line
    assert "-no-reboot" in line
    assert "socket,id=stdout,fd=10" in line
    assert "virtconsole,chardev=terminal,name=netemu.terminal" in line


def test_kvm_and_reboots_are_asked_for():
    """The host's processor under KVM; a reset instead of an end."""
    argv = qemu_arguments(replace(MACHINE, kvm=True, may_reboot=True))
    assert argv[argv.index("-accel") + 1] == "kvm"
    assert argv[argv.index("-cpu") + 1] == "host"
    assert "-no-reboot" not in argv


def test_an_order_is_a_script_that_any_shell_runs(tmp_path: Path):
    """Quotes survive, variables are set, the exit code is the command's."""
    order = Order(
        command=["sh", "-c", 'echo "$WORD" $PWD; exit 7'],
        folder=str(tmp_path),
        environment={"WORD": "it's; a $(word)"},
    )
    done = subprocess.run(
        [shutil.which("sh") or "sh"],
        input=script(order),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (7, f"it's; a $(word) {tmp_path}\n")


def test_a_terminal_gets_its_size():
    """A wire has none; programs ask."""
    text = script(Order(command=["a"], terminal=Terminal(kind="xterm", columns=80, lines=24)))
    assert "stty columns 80 rows 24\n" in text
    assert "export TERM=xterm\n" in text
