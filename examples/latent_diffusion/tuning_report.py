"""The report's section on models that go on from one that was trained with N(0, I)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from latent_diffusion.configuration import ModelName
from latent_diffusion.priors import BASELINE
from latent_diffusion.tasks import TASKS
from priordiff.experiments import Curve, first_reached
from priordiff.images.metrics import IMAGE_METRICS, Metric
from priordiff.report import Cell, Column, Report
from priordiff.training import read_metrics

if TYPE_CHECKING:
    from latent_diffusion.experiment import LatentDiffusionRun

__all__ = ["add_tunings"]


def add_tunings(report: Report, task: str, models: Mapping[str, Sequence[LatentDiffusionRun]]) -> None:
    """Adds what further training gives, against its steps; nothing if no model goes on from another one.

    Args:
        report: takes the section.
        task: a key of `TASKS`.
        models: of this task, the runs of each name over different seeds.
    """
    names = {name: ModelName.of(name, task) for name in models}
    tuned = [name for name, each in names.items() if each.tuning]
    priors = {names[name].prior for name in tuned} - {BASELINE}
    from_scratch = [name for name, each in names.items() if each.tuning is None and each.prior in priors]
    if not tuned:
        return
    key = TASKS[task].measures[0]
    measure = IMAGE_METRICS[key]
    curves = {name: [_curve(run, key) for run in models[name]] for name in [*from_scratch, *tuned]}
    report.heading("Going on from the model that was trained with N(0, I)")
    report.curves(
        f"{measure.label} on held-out data",
        curves,
        "steps, from scratch or further ones",
        measure.unit or measure.label,
    )
    _add_table(report, measure, curves, from_scratch)


def _add_table(
    report: Report,
    measure: Metric,
    curves: Mapping[str, Sequence[Curve]],
    from_scratch: Sequence[str],
) -> None:
    columns = [
        Column(f"{measure.label}, before any step", measure.unit, better=measure.better),
        Column("in the end", measure.unit, better=measure.better),
        Column("steps", digits=0),
        *(Column(f"steps until it is as good as {name} in the end", digits=0) for name in from_scratch),
    ]
    means = {name: _mean(runs) for name, runs in curves.items()}
    rows: dict[str, Sequence[Cell]] = {}
    for name, runs in curves.items():
        before = [curve[0][1] if curve[0][0] == 0 else None for curve in runs]
        last = [curve[-1][1] for curve in runs]
        until = (_steps_until(means[name], means[other][-1][1], measure) for other in from_scratch)
        rows[name] = [before, last, means[name][-1][0], *until]
    report.table(
        columns,
        rows,
        caption="From the evaluations during the training, between which the measure is taken to change "
        "evenly; steps until a quality, of the mean over the seeds. What the model had learned before that "
        "another one goes on from is not counted",
    )


def _steps_until(curve: Curve, value: float, measure: Metric) -> float | str:
    sign = 1 if measure.better == "lower" else -1
    reached = first_reached([(step, sign * each) for step, each in curve], sign * value)
    return "not reached" if reached is None else reached


def _curve(run: LatentDiffusionRun, name: str) -> Curve:
    return [(row["step"], row[name]) for row in read_metrics(run.directory, "evaluation")]


def _mean(curves: Sequence[Curve]) -> Curve:
    """Over runs of different seeds, which were evaluated after the same steps."""
    return [(points[0][0], fmean(value for _, value in points)) for points in zip(*curves, strict=True)]
