"""br_netfilter as a module, with a modprobe of the test's own."""

from pathlib import Path

import pytest

from netemu.errors import MissingFacility
from netemu.host import bridge_filter

CALLS = ("bridge-nf-call-iptables", "bridge-nf-call-ip6tables", "bridge-nf-call-arptables")


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that stands for the kernel's settings, and a modprobe that makes it."""
    settings = tmp_path / "bridge"
    program = tmp_path / "modprobe"
    made = " ".join(str(settings / call) for call in CALLS)
    program.write_text(
        "#!/bin/sh\n"
        f'if [ "$1" = -r ]; then /bin/rm -r {settings}; exit; fi\n'
        f"/bin/mkdir {settings} && for file in {made}; do echo 1 > $file; done\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    return settings


def test_loading_it_changes_nothing_for_the_host(kernel: Path) -> None:
    """The host's bridges go on as before; the last cluster takes the module along."""
    mark = kernel.parent / "run" / "mark"
    bridge_filter.require(settings=str(kernel), mark=str(mark))
    assert [(kernel / call).read_text() for call in CALLS] == ["0", "0", "0"]
    bridge_filter.require(settings=str(kernel), mark=str(mark))
    bridge_filter.release(settings=str(kernel), mark=str(mark))
    assert not kernel.exists()
    assert not mark.exists()


def test_what_was_there_before_or_is_used_by_now_stays(kernel: Path) -> None:
    """Not ours to unload; and not when the host turned it on meanwhile."""
    mark = kernel.parent / "run" / "mark"
    bridge_filter.release(settings=str(kernel), mark=str(mark))
    bridge_filter.require(settings=str(kernel), mark=str(mark))
    (kernel / CALLS[0]).write_text("1\n")
    bridge_filter.release(settings=str(kernel), mark=str(mark))
    assert kernel.exists()
    assert not mark.exists()


def test_a_kernel_without_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing, why it matters, how to get it."""
    program = tmp_path / "modprobe"
    program.write_text("#!/bin/sh\necho Module br_netfilter not found. >&2; exit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingFacility, match=r"br_netfilter is missing: .*not found.*modprobe"):
        bridge_filter.require(settings=str(tmp_path / "none"), mark=str(tmp_path / "mark"))
