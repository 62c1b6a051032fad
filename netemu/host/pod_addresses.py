"""Which pod has which address, on disk, in the form of the host-local CNI plugin.

A file for each address, named after it; in it whose it is: the container's id, the
link, and, for our own use, the pod's namespace name. Making the file is taking the
address, so a daemon may die between any two steps: at worst an address is taken by a
pod that was never cabled, and cabling that pod again finds it.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network

from netemu.core import ipam
from netemu.core.node_network import POD_LINK
from netemu.errors import HostError

_LAST = "last_reserved_ip.0"
_NEWLINE = "\r\n"


@dataclass(frozen=True, slots=True)
class Lease:
    """An address and who has it."""

    address: IPv4Address
    sandbox_id: str
    netns_name: str


class PodAddresses:
    """One node's leases."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        os.makedirs(directory, mode=0o755, exist_ok=True)
        self._by_address: dict[IPv4Address, Lease] = {}
        self._by_sandbox: dict[str, Lease] = {}
        self._last: IPv4Address | None = None
        for name in os.listdir(directory):
            self._load(name)

    def of(self, sandbox_id: str) -> Lease | None:
        return self._by_sandbox.get(sandbox_id)

    def all(self) -> list[Lease]:
        return list(self._by_sandbox.values())

    def take(
        self,
        pod_range: IPv4Network,
        *,
        sandbox_id: str,
        netns_name: str,
        had: IPv4Address | None = None,
    ) -> Lease:
        """Return the sandbox's lease, a new one if it has none. HostError if all are taken.

        The address that it `had` is preferred: a crash of the host may have lost its file.
        """
        lease = self._by_sandbox.get(sandbox_id)
        if lease is not None and lease.address in pod_range:
            return lease
        if lease is not None:
            self.release(sandbox_id)  # The node was given another range.
        address = ipam.allocate(pod_range, taken=self._by_address, last=self._last, wish=had)
        if address is None:
            answer = ipam.exhausted(pod_range)
            raise HostError(f"allocating an address for {netns_name}", answer=answer)
        lease = Lease(address, sandbox_id, netns_name)
        _write(f"{self._directory}/{address}", _NEWLINE.join([sandbox_id, POD_LINK, netns_name]))
        _write(f"{self._directory}/{_LAST}", str(address))
        self._last = address
        self._remember(lease)
        return lease

    def release(self, sandbox_id: str) -> None:
        lease = self._by_sandbox.pop(sandbox_id, None)
        if lease is not None:
            del self._by_address[lease.address]
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{self._directory}/{lease.address}")

    def _load(self, name: str) -> None:
        with open(f"{self._directory}/{name}", encoding="utf-8", newline="") as file:
            text = file.read()
        try:
            if name == _LAST:
                self._last = IPv4Address(text.strip())
                return
            address = IPv4Address(name)
        except AddressValueError:
            return  # Half written at a crash, or not ours.
        parts = text.split(_NEWLINE)
        if len(parts) == 3 and parts[0] not in self._by_sandbox:
            self._remember(Lease(address, parts[0], parts[2]))
        else:
            # The crash came before its owner was written: nobody was told of it.
            os.unlink(f"{self._directory}/{name}")

    def _remember(self, lease: Lease) -> None:
        self._by_address[lease.address] = lease
        self._by_sandbox[lease.sandbox_id] = lease


def _write(path: str, text: str) -> None:
    with open(path, "wb", buffering=0) as file:
        file.write(text.encode())
