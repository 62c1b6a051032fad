"""One file adds one thing: the modules of a folder, by the name that users type.

`load(modes, "MODE")` imports every module of the package `modes` and takes its
constant `MODE`. There is no list to edit and nothing to register.
"""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType
from typing import Any


def names(package: ModuleType) -> list[str]:
    """Return the names of the package's plugins, sorted, without importing them.

    A file `host_gw.py` is the plugin `host-gw`: users type hyphens.
    """
    found = (module.name for module in pkgutil.iter_modules(package.__path__))
    return sorted(name.replace("_", "-") for name in found if not name.startswith("_"))


def load_one(package: ModuleType, name: str, constant: str) -> Any:
    """Return the constant of one plugin; KeyError if there is none of that name."""
    if name not in names(package):
        raise KeyError(name)
    module = importlib.import_module(f"{package.__name__}.{name.replace('-', '_')}")
    return getattr(module, constant)


def load(package: ModuleType, constant: str) -> dict[str, Any]:
    """Return every plugin's constant by the plugin's name."""
    return {name: load_one(package, name, constant) for name in names(package)}
