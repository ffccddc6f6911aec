"""Ctrl-C and SIGTERM as a request to stop after the current step."""

from __future__ import annotations

import signal
import sys
import threading
import time
from types import FrameType, TracebackType
from typing import Any

__all__ = ["StopRequest", "ignore_interrupts"]

# torchrun passes a terminal's Ctrl-C on to processes that have had it already: then it comes twice at once.
_SAME_SIGNAL_SECONDS = 1.0


class StopRequest:
    """Context in which the first SIGINT or SIGTERM is only noted; a second one acts as it would outside.

    Example:
        >>> with StopRequest() as stop:
        ...     signal.raise_signal(signal.SIGTERM)
        ...     stop.requested
        True
    """

    def __init__(self) -> None:
        self.requested = False
        self._previous: dict[int, Any] = {}
        self._since = 0.0

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()

    def _note(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if not self.requested:
            self.requested, self._since = True, now
            print(
                f"\n{signal.Signals(number).name}: stopping after this step; once more to abort",
                file=sys.stderr,
            )
        elif now - self._since > _SAME_SIGNAL_SECONDS:
            self._restore()
            signal.raise_signal(number)

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)


def ignore_interrupts(worker: int) -> None:
    """Let a data worker outlive a terminal's Ctrl-C, which reaches it too, until its trainer ends it.

    Args:
        worker: Number of the worker.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
