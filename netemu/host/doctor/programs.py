"""The programs that netemu runs or that people use beside it, and their versions."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping

from netemu.core.doctor.findings import Observation

_QUESTIONS: Mapping[str, tuple[str, ...]] = {
    "iptables": ("iptables", "--version"),
    "nft": ("nft", "--version"),
    "ip": ("ip", "-V"),
    "tcpdump": ("tcpdump", "--version"),
    "dig": ("dig", "-v"),
    "kubectl": ("kubectl", "version", "--client"),
    "conntrack-tools": ("conntrack", "--version"),
}
_ALSO_IN = "/usr/sbin:/sbin"
_PATIENCE_S = 30.0
_VERSION = re.compile(r"v?\d+\.\d+[\w.+-]*(?: \((?:nf_tables|legacy)\))?")

Asked = dict[str, "subprocess.Popen[str] | None"]


def ask_versions() -> Asked:
    """Start all of them at once; they answer while others are looked at."""
    return {name: _start(question) for name, question in _QUESTIONS.items()}


def _start(question: tuple[str, ...]) -> subprocess.Popen[str] | None:
    # sudo and systemd may leave /usr/sbin out of PATH.
    path = shutil.which(question[0]) or shutil.which(question[0], path=_ALSO_IN)
    if path is None:
        return None
    return subprocess.Popen(
        [path, *question[1:]],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )


def read_versions(asked: Asked) -> dict[str, Observation]:
    return {name: _read(program) for name, program in asked.items()}


def _read(program: subprocess.Popen[str] | None) -> Observation:
    if program is None:
        return Observation(False, "not installed")
    with program:
        try:
            said, _ = program.communicate(timeout=_PATIENCE_S)
        except subprocess.TimeoutExpired:
            program.kill()
            return Observation(None, "does not say its version")
    found = _VERSION.search(said)
    return Observation(True, found[0] if found else (said.splitlines() or [""])[0].strip())
