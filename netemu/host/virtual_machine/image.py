"""The image: built once from Debian's registry by an ordinary user, then found by its key.

Root is not needed: mmdebstrap installs the packages under fakechroot, fakeroot remembers
who should own what while the disk is written, and nothing is mounted.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from netemu.core.virtual_machine import initramfs, recipe
from netemu.core.virtual_machine.recipe import Recipe
from netemu.errors import HostError, MissingFacility
from netemu.host.virtual_machine import places
from netemu.host.virtual_machine.places import Image

Tell = Callable[[str], None]

_DISK_BYTES = 4 << 30
"""A hole, mostly: what is not written takes no space."""
_BUILD_TIMEOUT_S = 1200
_GUEST = {
    "netemu-vm.service": "/etc/systemd/system/netemu-vm.service",
    "netemu": "/usr/local/bin/netemu",
}


def wanted_recipe() -> Recipe:
    """Return the recipe of this checkout."""
    file = places.CHECKOUT / "packages.txt"
    project = tomllib.loads((places.CHECKOUT / "pyproject.toml").read_text())
    guest = {name: (places.GUEST_FILES / name).read_text() for name in ("init", *_GUEST)}
    # How it is put together matters as much as what is put in.
    guest["image.py"] = Path(__file__).read_text()
    return recipe.write_recipe(
        recipe.read_packages(file.read_text(), file=str(file)), project, guest
    )


def image(tell: Tell) -> Image:
    """Return the image of this checkout; build it if it is not there."""
    wanted = wanted_recipe()
    found = Image(places.cache_folder() / wanted.key)
    if found.exists:
        return found
    _need_programs()
    with _only_one():
        if not found.exists:
            _build(wanted, found, tell)
    return found


def _need_programs() -> None:
    programs = recipe.read_packages((places.CHECKOUT / "packages.txt").read_text())
    need_programs([each.program for each in programs if each.purpose == "vm"])


def need_programs(programs: Sequence[str]) -> None:
    """Raise MissingFacility unless all are there."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    missing = [program for program in programs if not shutil.which(program, path=path)]
    if missing:
        raise MissingFacility(
            ", ".join(missing),
            why="the virtual machine is built and booted with it",
            remedy="Run 'sudo ./netemu.sh install --vm' once, it installs them with apt-get",
        )


@contextlib.contextmanager
def _only_one() -> Iterator[None]:
    """Let whoever asks for the same image wait for it."""
    cache = places.cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(wanted: Recipe, result: Image, tell: Tell) -> None:
    folder = places.own_folder("building")
    try:
        tell("downloading the Python packages")
        _run(recipe.pip_arguments(wanted, python=sys.executable, target=str(folder / "python")))
        tell("installing Debian with its kernel and systemd (about a minute)")
        _run(_mmdebstrap(wanted, folder))
        tell("writing the disk")
        _write_disk(folder)
        _take_kernel(folder)
        shutil.rmtree(folder / "root")
        for path in (folder / "root.tar", folder / "python"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        for old in places.images():
            shutil.rmtree(old.folder)
        folder.rename(result.folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _mmdebstrap(wanted: Recipe, folder: Path) -> list[str]:
    packages = f"/usr/local/lib/python{recipe.PYTHON}/dist-packages"
    hooks = [
        f'mkdir -p "$1"{packages}',
        f"sync-in {shlex.quote(str(folder / 'python'))} {packages}",
        f'chroot "$1" python3 -m compileall -q -j 2 {packages} /usr/lib/python{recipe.PYTHON} || :',
        *(f"upload {shlex.quote(str(places.GUEST_FILES / n))} {p}" for n, p in _GUEST.items()),
        'chmod 755 "$1"/usr/local/bin/netemu',
        'echo netemu-vm >"$1"/etc/hostname',
        'echo "LABEL=netemu-root / ext4 rw,relatime 0 0" >"$1"/etc/fstab',
        'chroot "$1" systemctl enable netemu-vm.service',
        # Nobody logs in on the serial line, nothing is to be downloaded or checked.
        'chroot "$1" systemctl mask serial-getty@ttyS0.service getty@tty1.service',
        'chroot "$1" systemctl mask apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer',
        'rm -f "$1"/boot/initrd.img-*',
    ]
    return recipe.mmdebstrap_arguments(
        wanted,
        mode="root" if os.geteuid() == 0 else "fakechroot",
        tar=str(folder / "root.tar"),
        mirror=_mirror(),
        hooks=hooks,
        proxy=_proxy(),
    )


def _mirror() -> str:
    return os.environ.get("NETEMU_DEBIAN_MIRROR", recipe.MIRROR)


def _proxy() -> str:
    """Return the proxy that apt uses on this host, if it does."""
    asked = ["apt-config", "dump", "--format=%v", "Acquire::http::Proxy"]
    if not shutil.which(asked[0]):
        return ""
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()


def _write_disk(folder: Path) -> None:
    disk = folder / "root.ext4"
    with disk.open("wb") as file:
        file.truncate(_DISK_BYTES)
    write = (
        "mkdir root && tar -xf root.tar -C root && "
        "mke2fs -q -F -t ext4 -L netemu-root -m 0 -d root root.ext4"
    )
    fake = [] if os.geteuid() == 0 else ["fakeroot", "--"]
    _run([*fake, "sh", "-c", f"cd {shlex.quote(str(folder))} && {write}"])


def _take_kernel(folder: Path) -> None:
    """Put the kernel beside the disk, with what it needs to find it."""
    root = folder / "root"
    (modules,) = (root / "usr/lib/modules").iterdir()
    needed = initramfs.modules_in_order(
        (modules / "modules.dep").read_text(), initramfs.DISK_MODULES
    )
    content = {initramfs.module_name(name): (modules / name).read_bytes() for name in needed}
    packed = initramfs.initramfs(
        (places.GUEST_FILES / "init").read_text(), (root / "usr/bin/busybox").read_bytes(), content
    )
    (folder / "initramfs").write_bytes(packed)
    shutil.copyfile(root / f"boot/vmlinuz-{modules.name}", folder / "vmlinuz")


def _run(argv: Sequence[str]) -> None:
    environment = os.environ | {"PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"}
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
            timeout=_BUILD_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise HostError(
            f"building the virtual machine's image: {argv[0]}",
            answer=f"not done after {_BUILD_TIMEOUT_S} s",
        ) from error
    if done.returncode != 0:
        last = "\n".join(done.stdout.strip().splitlines()[-12:])
        raise HostError(f"building the virtual machine's image: {argv[0]} failed", answer=last)
