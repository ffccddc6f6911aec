"""How long several runs will still take."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from tqdm import tqdm

__all__ = ["TimeLeft"]


class TimeLeft:
    r"""The time that a plan of training runs will still take, at the speed that it has had so far.

    With $w$ of the work $W$ done after $s$ seconds it is $s (W - w) / w$. Work is counted in training steps,
    and an evaluation as so many of them.

    Args:
        steps: Training steps that are planned, over all runs.
        evaluations: Evaluations that are planned, over all runs.
        steps_per_evaluation: About how many steps take as long as an evaluation.
        clock: What time it is, in seconds.

    Example:
        >>> time_left = TimeLeft(steps=800, evaluations=10, clock=iter([0.0, 30.0]).__next__)
        >>> time_left.start()
        >>> time_left.count(steps=40)
        >>> print(time_left)
        09:37
    """

    def __init__(
        self,
        steps: float,
        evaluations: float = 0.0,
        steps_per_evaluation: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._steps_per_evaluation = steps_per_evaluation
        self._left = self._in_steps(steps, evaluations)
        self._done = 0.0
        self._weight = 1.0
        self._clock = clock
        self._started: float | None = None

    def start(self) -> None:
        """Begin to measure, unless that was done before: called before each run's first step."""
        if self._started is None:
            self._started = self._clock()

    def weigh(self, weight: float) -> None:
        """Say what the steps and evaluations of the run that comes now cost, others being planned for 1.

        Args:
            weight: In the units of the plan.
        """
        self._weight = weight

    def count(self, steps: float = 0.0, evaluations: float = 0.0) -> None:
        """Note what has been done.

        Args:
            steps: Training steps.
            evaluations: Evaluations.
        """
        work = self._weight * self._in_steps(steps, evaluations)
        self._done += work
        self._left = max(0.0, self._left - work)

    def steps(self) -> float:
        """Tell how much is left to do.

        Returns:
            Work in training steps, evaluations included.
        """
        return self._left

    def seconds(self) -> float:
        """Estimate the time left.

        Returns:
            Seconds; NaN before anything is done.
        """
        if self._started is None or not self._done:
            return math.nan
        return (self._clock() - self._started) * self._left / self._done

    def __str__(self) -> str:
        seconds = self.seconds()
        return "?" if math.isnan(seconds) else tqdm.format_interval(seconds)

    def _in_steps(self, steps: float, evaluations: float) -> float:
        return steps + evaluations * self._steps_per_evaluation
