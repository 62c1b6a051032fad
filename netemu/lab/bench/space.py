"""A network namespace for as long as something is measured in it."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator

from netemu.errors import HostError
from netemu.host.netns import Netns

_HOLDER = ("unshare", "--net", "sh", "-c", "ip link set lo up && echo there && exec cat")


@contextlib.contextmanager
def throwaway_netns() -> Iterator[Netns]:
    """Give an empty namespace, gone afterwards; its holder ends when its input does."""
    with subprocess.Popen(_HOLDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        if holder.stdout is None or not holder.stdout.readline():
            raise HostError("making a namespace to measure in", answer="unshare --net failed")
        space = Netns.open(f"/proc/{holder.pid}/ns/net", name="bench")
        try:
            yield space
        finally:
            space.close()
