"""How the measures of trainings change with their minutes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from priordiff.experiments.runs import Run
from priordiff.training import read_metrics
from priordiff.training.metrics import MetricsLog

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
    """Tell how long the training in a run's folder took.

    Raises:
        FileNotFoundError: If its history is missing.
        ValueError: If that is damaged or says nothing.
    """
    return _history(directory, "train")[-1]["seconds"] / 60


def curve_of(run: Run, kind: str, name: str) -> Curve:
    """Read a measure of a run against minutes of training, those of the runs that it needs included.

    Args:
        run: That has been trained.
        kind: ``"train"`` or ``"evaluation"``.
        name: Of the measure.

    Raises:
        FileNotFoundError: If the history of one of them is missing.
        ValueError: If that is damaged, or ends before the run.
    """
    before = sum(map(minutes_of, run.needs))
    rows = _history(run.directory, kind)
    if rows[-1]["step"] != run.num_steps:
        raise _too_short(run.directory, f"ends at step {rows[-1]['step']} of {run.num_steps}")
    return [(before + row["seconds"] / 60, row[name]) for row in rows]


def mean_curve(runs: Sequence[Run], name: str) -> Curve:
    """Average a measure of the evaluations over runs of different seeds, point by point.

    Raises:
        FileNotFoundError: If the history of a run is missing.
        ValueError: If one is damaged, or has fewer points than another.
    """
    curves = [curve_of(run, "evaluation", name) for run in runs]
    most = max(map(len, curves))
    for run, curve in zip(runs, curves, strict=True):
        if len(curve) < most:
            raise _too_short(run.directory, f"has {len(curve)} evaluations, where another seed has {most}")
    return [
        (fmean(x for x, _ in points), fmean(y for _, y in points)) for points in zip(*curves, strict=True)
    ]


def _history(directory: Path, kind: str) -> list[dict[str, Any]]:
    rows = read_metrics(directory, kind)
    if not rows:
        raise _too_short(directory, f"has no lines of the kind {kind!r}")
    return rows


def _too_short(directory: Path, what: str) -> ValueError:
    return ValueError(
        f"{directory / MetricsLog.FILE} {what}: put back the whole file, or delete {directory} to train that "
        "run anew"
    )
