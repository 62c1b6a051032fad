"""Whose fault is it, when the kernel refuses a load? One Service must not stop all others.

The candidates are those that the kernel has not accepted before, so that no Service that
works is taken away while the search goes on. Halves are loaded for real: what is accepted
stays, what is refused is halved again, down to single ports.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass

from netemu.core.proxy.contract import ServedPort
from netemu.errors import HostBusyError, HostError

Load = Callable[[Collection[ServedPort]], Awaitable[None]]
"""Make exactly these ports be served. HostError if the kernel refuses."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A port that cannot be served, and what the kernel said."""

    served: ServedPort
    error: HostError


async def load_what_is_accepted(
    accepted: Collection[ServedPort], candidates: Sequence[ServedPort], load: Load
) -> list[Refusal]:
    """Load all that can be loaded; return the rest.

    HostError if not even the accepted ones can be: then it is no Service's fault.
    """
    good = set(accepted)
    await load(good)
    refusals: list[Refusal] = []
    waiting = [candidates]
    while waiting:
        several = waiting.pop()
        if not several:
            continue
        try:
            await load(good.union(several))
        except HostBusyError:
            raise  # Nobody's fault: later.
        except HostError as error:
            middle = len(several) // 2
            if middle:
                waiting += [several[middle:], several[:middle]]
            else:
                refusals.append(Refusal(several[0], error))
        else:
            good.update(several)
    if refusals:
        await load(good)  # The last try may have failed half-way.
    return refusals
