"""What `/version` says: a current Kubernetes release, and that it is netemu."""

from __future__ import annotations

import platform

_MINOR = 34
GIT_VERSION = f"v1.{_MINOR}.0-netemu"
VERSION = {
    "major": "1",
    "minor": str(_MINOR),
    "emulationMajor": "1",
    "emulationMinor": str(_MINOR),
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": str(_MINOR - 1),
    "gitVersion": GIT_VERSION,
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": f"Python {platform.python_version()}",
    "platform": f"linux/{platform.machine()}",
}
