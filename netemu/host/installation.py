"""What `netemu.sh` and its verbs have put on this host beside clusters, and its removal.

/usr/local/bin/netemu                 `netemu.sh link`
/etc/bash_completion.d/netemu         as `netemu completion --help` says
~/.cache/netemu                       the virtual machine's image
CHECKOUT/.venv                        the environment
/var/lib/netemu-packages              which packages netemu.sh has installed
"""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from netemu.errors import HostError
from netemu.host import kubectl_config

CHECKOUT = Path(__file__).resolve().parents[2]
LINK = Path("/usr/local/bin/netemu")
COMPLETION = Path("/etc/bash_completion.d/netemu")
PACKAGES = Path("/var/lib/netemu-packages")
_STAMP = "netemu-stamp"
"""netemu.sh writes it into an environment that it made: no other is ours to remove."""


@dataclass(frozen=True, slots=True)
class Trace:
    """A file or folder that is ours."""

    path: Path
    what: str

    def remove(self) -> None:
        try:
            if self.path.is_dir() and not self.path.is_symlink():
                shutil.rmtree(self.path)
            else:
                self.path.unlink(missing_ok=True)
        except OSError as error:
            raise HostError(
                "removing", where=str(self.path), answer=error.strerror or ""
            ) from error


def traces() -> list[Trace]:
    """Return what is there, in the order in which it may go: the environment is last."""
    found = [
        Trace(LINK, "the command") if _tells_of(LINK, "-m netemu") else None,
        Trace(COMPLETION, "bash's completion") if _tells_of(COMPLETION, "_NETEMU_") else None,
        *(Trace(folder, "virtual machine images") for folder in _caches()),
        Trace(PACKAGES, "the list of installed packages") if PACKAGES.exists() else None,
        *(Trace(folder, "the Python environment") for folder in _environments()),
    ]
    return [trace for trace in found if trace]


def installed_packages() -> list[str]:
    """Return the packages that netemu.sh has installed, as far as it noted them."""
    try:
        return list(dict.fromkeys(PACKAGES.read_text(encoding="utf-8").split()))
    except FileNotFoundError:
        return []


def _tells_of(path: Path, words: str) -> bool:
    """Whether the file is one that netemu made: somebody else's of that name stays."""
    try:
        return words in path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


def _caches() -> list[Path]:
    """The caller's and, behind sudo, root's: either may have built images."""
    named = os.environ.get("XDG_CACHE_HOME")
    homes = [kubectl_config.caller().home, os.path.expanduser("~")]
    bases = [Path(named)] if named else [Path(home, ".cache") for home in homes]
    return [base / "netemu" for base in dict.fromkeys(bases) if (base / "netemu").is_dir()]


def _environments() -> list[Path]:
    running = Path(sys.prefix)
    ours = running.parent == CHECKOUT and (running / _STAMP).exists()
    return [running] if ours else []
