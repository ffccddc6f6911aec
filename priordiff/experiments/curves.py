"""How the measures of trainings change with their minutes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from priordiff.experiments.runs import Run
from priordiff.training import read_metrics

__all__ = ["Curve", "curve_of", "first_reached", "mean_curve", "minutes_of"]

Curve = list[tuple[float, float]]


def first_reached(curve: Curve, value: float) -> float | None:
    """Find when a falling curve first reaches a value; between its points it is a straight line.

    Returns:
        The moment; None if it never does.

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


def minutes_of(directory: Path) -> float:
    """Tell how long the training in a run's folder took."""
    return read_metrics(directory, "train")[-1]["seconds"] / 60


def curve_of(run: Run, kind: str, name: str) -> Curve:
    """Read a measure of a run against minutes of training, those of the runs that it needs included.

    Args:
        run: That has been trained.
        kind: ``"train"`` or ``"evaluation"``.
        name: Of the measure.
    """
    before = sum(map(minutes_of, run.needs))
    return [(before + row["seconds"] / 60, row[name]) for row in read_metrics(run.directory, kind)]


def mean_curve(runs: Sequence[Run], name: str) -> Curve:
    """Average a measure of the evaluations over runs of different seeds, point by point."""
    curves = [curve_of(run, "evaluation", name) for run in runs]
    return [
        (fmean(x for x, _ in points), fmean(y for _, y in points)) for points in zip(*curves, strict=True)
    ]
