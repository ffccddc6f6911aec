"""The progress bar of a run."""

from __future__ import annotations

import sys
from types import TracebackType

from tqdm import tqdm

from priordiff.training.time_left import TimeLeft

__all__ = ["ProgressBar"]


class ProgressBar:
    """Context with a line on the screen: steps, speed and time left of a run, its loss, the time of all runs.

    Args:
        name: Name of the run.
        step: Steps taken before.
        num_steps: Steps in all.
        time_left: Of all runs, if there are others; it learns what is done here.
        is_shown: Whether there is anything to be seen.
    """

    def __init__(
        self, name: str, step: int, num_steps: int, time_left: TimeLeft | None, is_shown: bool
    ) -> None:
        self._time_left = time_left
        self._bar = tqdm(
            desc=name,
            total=num_steps,
            initial=step,
            disable=not is_shown,
            unit="step",
            dynamic_ncols=True,
            # A log file, where every refresh is a line, gets one now and then.
            mininterval=0.1 if sys.stderr.isatty() else 10.0,
        )

    def __enter__(self) -> ProgressBar:
        if self._time_left is not None:
            self._time_left.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    def step(self, loss: float) -> None:
        """Go on by a step.

        Args:
            loss: Its loss.
        """
        text = f"loss={loss:.4f}"
        if self._time_left is not None:
            self._time_left.count(steps=1)
            text += f", all runs: {self._time_left} left"
        self._bar.set_postfix_str(text, refresh=False)
        self._bar.update()

    def evaluated(self) -> None:
        """Note an evaluation."""
        if self._time_left is not None:
            self._time_left.count(evaluations=1)

    def write(self, message: str) -> None:
        """Put a line above the bar.

        Args:
            message: The line.
        """
        self._bar.write(message, file=sys.stderr)
