"""All of this host that netemu could leave something in, as data that can be compared."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

State = dict[str, frozenset[str]]

_PROGRAMS = {
    "links and addresses": "ip -d -o addr",
    "routes": "ip -o route show table all",
    "routes of IPv6": "ip -o -6 route show table all",
    "policy rules": "ip -o rule",
    "neighbours": "ip -o neigh",
    "iptables": "iptables-nft-save",
    "iptables of IPv6": "ip6tables-nft-save",
    "legacy iptables": "iptables-legacy-save",
    "nft": "nft list ruleset",
}
_VOLATILE = re.compile(
    r"^(kernel\.(random\.|ns_last_pid|pty\.nr|sched_|perf)|fs\.(dentry|inode|file-nr|aio-nr|quota)"
    r"|net\.netfilter\.nf_conntrack_count|net\.ipv4\.tcp_(m?mem|fastopen_key)|net\.ipv4\.udp_mem"
    r"|vm\.|debug\.|dev\.|sunrpc\.|user\.)"
)


def host_state(*folders: Path, cluster: str) -> State:
    """Record links, rules, namespaces, mounts, groups, processes, sysctls and files.

    Control groups are the whole machine's, where others test, too: only those of
    `cluster` count.
    """
    state = {name: frozenset(_say(program)) for name, program in _PROGRAMS.items()}
    state["mounts"] = frozenset(_mounts())
    state["control groups"] = frozenset(_control_groups(f"netemu-{cluster}"))
    state["processes"] = frozenset(_processes())
    state["sysctls"] = frozenset(_sysctls())
    state["modules"] = frozenset(_modules())
    state["files"] = frozenset(
        line
        for folder in (Path("/run"), Path("/var/lib/netemu"), *folders)
        for line in _files(folder)
    )
    return state


def differences(before: State, after: State) -> dict[str, list[str]]:
    """Return what came (+) and what went (-); nothing if all is as it was."""
    return {
        name: [f"- {line}" for line in sorted(before[name] - after[name])]
        + [f"+ {line}" for line in sorted(after[name] - before[name])]
        for name in before
        if before[name] != after[name]
    }


def _say(program: str) -> Iterator[str]:
    argv = program.split()
    environment = os.environ | {"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
    done = subprocess.run(argv, capture_output=True, text=True, check=True, env=environment)
    for line in done.stdout.splitlines():
        if not line.startswith("#"):
            text = re.sub(r"\[\d+:\d+\]|counter packets \d+ bytes \d+", "", line)
            text = re.sub(r"\b(expires|valid_lft|preferred_lft|used) \S+", "", text)
            yield re.sub(r"\s+", " ", text).strip()


def _mounts() -> Iterator[str]:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split()
        # Ids and peer groups are numbered anew each time.
        yield " ".join(fields[3:6] + [f for f in fields[6:] if ":" not in f])


def _control_groups(wanted: str) -> Iterator[str]:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        mount, _, filesystem = line.partition(" - ")
        if filesystem.startswith("cgroup"):
            for folder, below, _ in os.walk(mount.split()[4]):
                yield from (f"{folder}/{n}" for n in below if n.partition(".")[0] == wanted)


def _processes() -> Iterator[str]:
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (FileNotFoundError, ProcessLookupError):
            continue
        # Who has ended and is waited for by nobody does nothing any more.
        if state != "Z":
            yield f"{pid} {command.strip()}"


def _sysctls() -> Iterator[str]:
    for line in _say("sysctl -a --ignore"):
        if not _VOLATILE.match(line):
            yield line


def _modules() -> Iterator[str]:
    """The module that netemu loads and unloads."""
    if Path("/sys/module/br_netfilter").exists():
        yield "br_netfilter"


def _files(folder: Path) -> Iterator[str]:
    for place, folders, files in os.walk(folder):
        for name in folders:
            path = Path(place, name)
            yield f"{path}/ {path.lstat().st_mode:o}"
        for name in files:
            path = Path(place, name)
            status = path.lstat()
            content = _digest(path) if path.is_file() and status.st_size else ""
            yield f"{path} {status.st_mode:o} {status.st_uid}:{status.st_gid} {content}"


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    except OSError:
        return ""
