"""Ctrl-C and SIGTERM: one way out for both, and none while something is being put back."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class TerminatedError(KeyboardInterrupt):
    """SIGTERM or SIGHUP: to be handled as Ctrl-C is, but told apart in the exit code."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.exit_code = 128 + number


def interrupt_on_sigterm() -> None:
    """Let SIGTERM and a closed terminal end this process as Ctrl-C does: tidily."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        # nohup and the like have said that they want none.
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _raise)


def _raise(number: int, _frame: FrameType | None) -> None:
    raise TerminatedError(number)


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Go on to the end, whatever is pressed meanwhile.

    Programs that are started here have their own idea of these signals.
    """
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, _let_it_be)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _let_it_be(_number: int, _frame: FrameType | None) -> None:
    """Nothing: what is under way is finished first."""
