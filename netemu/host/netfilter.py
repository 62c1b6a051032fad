"""The packet rules of one network namespace, through iptables-restore and iptables-save.

Both flavours are two programs that speak the same words to different parts of the
kernel. Each node has a lock file of its own: the common `/run/xtables.lock` would
make all nodes of all clusters wait for each other, and for the host.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

from netemu.core.netfilter import restore
from netemu.core.netfilter.save import parse_save
from netemu.core.netfilter.tables import Jump, Rules, Tables
from netemu.errors import HostBusyError, HostError, MissingFacility, UserError
from netemu.host.netns import Netns

_LOCK_WAIT_S: Final = "5"
_EXIT_BUSY: Final = 4
"""iptables' RESOURCE_PROBLEM: somebody else holds the lock, or changed the rules meanwhile."""
_CHAINS_AT_ONCE: Final = 3000
"""In the nft flavour many new chains in one transaction cost quadratic time:
10,000 Services take half a minute at once, and seconds in ten pieces."""
_RANDOM_FULLY_SINCE: Final = (1, 6, 2)
_VERSION = re.compile(r"v(\d+)\.(\d+)\.(\d+)(?:.*\((nf_tables|legacy)\))?")


class Flavour(StrEnum):
    NFT = "nft"
    LEGACY = "legacy"


@dataclass(frozen=True, slots=True)
class Iptables:
    """One flavour of the programs, and their version."""

    flavour: Flavour
    version: tuple[int, int, int]
    directory: str

    @property
    def random_fully(self) -> bool:
        """Can masquerading choose ports at random?"""
        return self.version >= _RANDOM_FULLY_SINCE

    def program(self, what: str) -> str:
        """Return the path of `restore` or `save`."""
        return f"{self.directory}/iptables-{self.flavour}-{what}"


@lru_cache
def detect(flavour: str = "auto") -> Iptables:
    """Find the programs of a flavour; `auto` is what the host's own `iptables` is."""
    if flavour not in ("auto", *Flavour):
        raise UserError(f"iptables flavour {flavour!r} is unknown: auto, nft or legacy")
    path = _find("iptables" if flavour == "auto" else f"iptables-{flavour}")
    done = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    found = _VERSION.search(done.stdout)
    if found is None:
        raise HostError(f"reading the version of {path}", answer=done.stdout + done.stderr)
    major, minor, patch, kind = found.groups()
    if flavour == "auto":
        flavour = Flavour.NFT if kind == "nf_tables" else Flavour.LEGACY
    version = (int(major), int(minor), int(patch))
    return Iptables(Flavour(flavour), version, os.path.dirname(path))


def _find(program: str) -> str:
    # sudo and systemd may leave /usr/sbin out of PATH.
    path = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
    if path is None:
        raise MissingFacility(
            program, why="Services are iptables rules", remedy="Install the package iptables."
        )
    return path


class Netfilter:
    """The rules of one namespace. Every method raises HostError."""

    def __init__(self, netns: Netns, *, iptables: Iptables, lock_file: str) -> None:
        self._netns = netns
        self._iptables = iptables
        self._env = {"XTABLES_LOCKFILE": lock_file, "LC_ALL": "C"}

    async def save(self) -> str:
        """Return what iptables-save prints, without what changes from call to call."""
        text = await self._run("save", [], "reading rules")
        return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))

    async def observe(self) -> dict[str, dict[str, Rules]]:
        """Return the tables that there are, with their built-in chains."""
        return parse_save(await self.save())

    async def change(self, old: Tables, new: Tables, *, jumps: Iterable[Jump] = ()) -> int:
        """Turn `old`, which is there, into `new`; return how many bytes that took.

        `jumps` are the missing ones. If the kernel refuses, parts of the change may
        have been made: observe before trying again.
        """
        most = _CHAINS_AT_ONCE if self._iptables.flavour is Flavour.NFT else 0
        sent = 0
        for script in restore.scripts(old, new, jumps=jumps, most_chains=most):
            await self.restore(script)
            sent += len(script)
        return sent

    async def restore(self, script: str) -> None:
        """Load one input. Each of its tables is loaded wholly or not at all."""
        argv = ["-w", _LOCK_WAIT_S, "--noflush", "--counters"]
        await self._run("restore", argv, "loading rules", stdin=script.encode())

    async def _run(self, what: str, argv: list[str], doing: str, *, stdin: bytes = b"") -> str:
        program = self._iptables.program(what)
        done = await self._netns.run([program, *argv], stdin=stdin, env=self._env)
        answer = done.stderr.decode(errors="replace")
        if done.exit_code == _EXIT_BUSY:
            raise HostBusyError(doing, where=self._netns.name, answer=answer)
        if done.exit_code != 0:
            raise HostError(
                f"{doing} with {program}", where=self._netns.name, answer=_shown(answer, stdin)
            )
        return done.stdout.decode(errors="replace")


def _shown(answer: str, stdin: bytes) -> str:
    """Add the line that iptables-restore names by number only."""
    found = re.search(r"line:? (\d+)", answer)
    if found is None:
        return answer
    lines = stdin.decode().splitlines()
    number = int(found[1])
    refused = lines[number - 1] if 0 < number <= len(lines) else ""
    return f"{answer.strip().splitlines()[0]}: {refused}"
