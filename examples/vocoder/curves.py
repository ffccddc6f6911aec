"""How the measures of a training fall with its minutes."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from priordiff.training import read_metrics
from vocoder.experiment import Run

__all__ = ["Curve", "curve_of", "first_reached", "mean_curve", "minutes_of"]

Curve = list[tuple[float, float]]


def first_reached(curve: Curve, value: float) -> float | None:
    """When a falling curve first reaches a value, None if it never does.

    Between its points the curve is a straight line.

    Example:
        >>> first_reached([(1.0, 2.0), (2.0, 1.0)], 1.25)
        1.75
    """
    for index, (moment, reached) in enumerate(curve):
        if reached <= value:
            if index == 0:
                return moment
            before, last = curve[index - 1]
            return before + (moment - before) * (last - value) / (last - reached)
    return None


def minutes_of(run: Run, of_prior: bool = False) -> float:
    """What the training of a run took, or that of its prior."""
    directory = run.learned_prior if of_prior and run.learned_prior else run.directory
    return read_metrics(directory, "train")[-1]["seconds"] / 60


def curve_of(run: Run, kind: str, name: str) -> Curve:
    """A measure of a run against the minutes of its training, that of its prior included."""
    before = minutes_of(run, of_prior=True) if run.learned_prior else 0.0
    return [(before + row["seconds"] / 60, row[name]) for row in read_metrics(run.directory, kind)]


def mean_curve(runs: Sequence[Run], name: str) -> Curve:
    """The mean of the curves of runs over different seeds."""
    curves = [curve_of(run, "evaluation", name) for run in runs]
    return [
        (fmean(x for x, _ in points), fmean(y for _, y in points)) for points in zip(*curves, strict=True)
    ]
