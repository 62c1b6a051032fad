"""The command line as a person uses it: a process of its own, what it says, how it ends."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netemu.host import clusters

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = float(os.environ.get("NETEMU_TEST_PATIENCE", "1"))
"""How much slower than others this machine may be: an emulated one is, fifteen times."""
_OURS = ("PATH", "LANG", "PYTHONDONTWRITEBYTECODE")


@dataclass(frozen=True)
class Finished:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Netemu:
    """Somebody with a home folder and a terminal."""

    def __init__(self, home: Path, **environment: str) -> None:
        self.home = home
        self.temporary = home / "tmp"
        self.temporary.mkdir(exist_ok=True)
        self.environment = {name: os.environ[name] for name in _OURS if name in os.environ} | {
            "HOME": str(home),
            "TMPDIR": str(self.temporary),
            "TERM": "dumb",
            "PYTHONPATH": str(ROOT),
            **environment,
        }

    def __call__(
        self, *words: str, stdin: str = "", code: int | None = 0, timeout_s: float = 60, **env: str
    ) -> Finished:
        """Run a verb to its end; fail unless it ends with `code` (None: whatever it is)."""
        done = subprocess.run(
            self.argv(*words),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout_s * PATIENCE,
            env=self.environment | env,
            check=False,
        )
        finished = Finished(done.returncode, done.stdout, done.stderr)
        assert code is None or finished.code == code, f"netemu {' '.join(words)}: {finished}"
        return finished

    def start(self, *words: str, **options: Any) -> subprocess.Popen[str]:
        """Start a verb; its output can be read line by line."""
        settings: dict[str, Any] = {
            "stdout": subprocess.PIPE,
            "stderr": subprocess.STDOUT,
            "text": True,
            "env": self.environment,
        }
        return subprocess.Popen(self.argv(*words), **settings | options)

    @staticmethod
    def argv(*words: str) -> list[str]:
        return [sys.executable, "-m", "netemu", *words]

    @contextmanager
    def cluster(self, name: str, *flags: str) -> Iterator[str]:
        """A cluster for as long as it is needed."""
        try:
            self("up", name, *flags)
            yield name
        finally:
            self("down", name)

    def kubectl(
        self, cluster: str, *words: str, code: int | None = 0, timeout_s: float = 30
    ) -> Finished:
        """Run the kubectl of this host with the cluster's own kubeconfig."""
        config = clusters.ClusterFolders(cluster).kubeconfig
        cache = self.home.with_name(f"{self.home.name}-cache")
        argv = ["kubectl", f"--kubeconfig={config}", f"--cache-dir={cache}", *words]
        done = subprocess.run(
            argv,
            capture_output=True,
            text=True,
            timeout=timeout_s * PATIENCE,
            env=self.environment,
            check=False,
        )
        finished = Finished(done.returncode, done.stdout, done.stderr)
        assert code is None or finished.code == code, f"kubectl {' '.join(words)}: {finished}"
        return finished


def new_name(stem: str) -> str:
    """Return a cluster name that nobody else on this machine tests with right now."""
    return f"{stem}-{secrets.token_hex(3)}"


def until(look: Callable[[], Any], *, what: str, within_s: float = 20.0) -> Any:
    """Look until there is something; fail when there is nothing in time."""
    deadline = time.monotonic() + within_s * PATIENCE
    while not (found := look()):
        assert time.monotonic() < deadline, f"waited {within_s:g} s for {what}"
        time.sleep(0.005)
    return found
