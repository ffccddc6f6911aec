"""The tables of a task: every model at every number of evaluations, by every solver, and its prior."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from latent_diffusion.configuration import LatentDiffusionConfig
from latent_diffusion.fine_tuning import TUNINGS
from latent_diffusion.judging import CEILING_SCORES, NOISE_SCORES, scores_at
from latent_diffusion.priors import BASELINE, PRIORS
from latent_diffusion.tasks import TASKS
from priordiff.experiments import minutes_of, read_scores
from priordiff.images.metrics import IMAGE_METRICS
from priordiff.report import Cell, Column, Report, cells_of

if TYPE_CHECKING:
    from latent_diffusion.experiment import LatentDiffusionRun

__all__ = ["add_solvers", "add_table"]


def add_table(
    report: Report, config: LatentDiffusionConfig, task: str, models: dict[str, list[LatentDiffusionRun]]
) -> None:
    """Adds the table of a task, in which the models of each name are the runs over different seeds."""
    evaluation = config.evaluation
    numbers = evaluation.all_inference_steps
    first = read_scores(next(iter(models.values()))[0].directory, scores_at(numbers[0]))
    measured = [name for name in IMAGE_METRICS if name in first]
    columns = [
        Column(IMAGE_METRICS[name].label, IMAGE_METRICS[name].unit, better=IMAGE_METRICS[name].better)
        for name in measured
    ]
    columns += [
        Column("−log p of the prior", "nats an element", better="lower"),
        Column("an image", "s", better="lower"),
        Column("training", "min", digits=1),
    ]
    rows: dict[str, Sequence[Cell]] = {}
    for steps in numbers:
        for name, runs in models.items():
            scores = [read_scores(run.directory, scores_at(steps)) for run in runs]
            minutes = [_minutes(run) for run in runs] if steps == numbers[-1] else None
            rows[f"{name}, {steps}"] = [
                *cells_of(scores, measured),
                None,
                cells_of(scores, ["seconds"])[0],
                minutes,
            ]
    for name, runs in models.items():
        scores = [read_scores(run.directory, NOISE_SCORES) for run in runs]
        rows[f"{name}: prior alone"] = [*cells_of(scores, [*measured, "nll"]), None, None]
    ceiling = read_scores(next(iter(models.values()))[0].directory, CEILING_SCORES)
    best = "the true images" if TASKS[task].has_image else "real images"
    rows[f"{best}, through the autoencoder" if config.space == "latent" else best] = [
        *(ceiling.get(name) for name in measured),
        None,
        None,
        None,
    ]
    main, baseline = evaluation.num_inference_steps, f"{task}/{BASELINE}"
    described = [f"{name}: {_description(runs[0])}" for name, runs in models.items()]
    report.table(
        columns,
        rows,
        baseline=f"{baseline}, {main}" if baseline in models else None,
        caption=". ".join([*described, *_circumstances(config, next(iter(models.values()))[0])]),
        corner="model, evaluations",
    )


def add_solvers(
    report: Report, config: LatentDiffusionConfig, task: str, models: dict[str, list[LatentDiffusionRun]]
) -> None:
    """Adds a table for each of a task's first measures: solvers against numbers of evaluations.

    There are none where the configuration names no solver besides the main one.
    """
    evaluation = config.evaluation
    if not evaluation.other_solvers:
        return
    main = evaluation.solver or "training"
    solvers = {main: None, **{solver: solver for solver in evaluation.other_solvers}}
    for measure in TASKS[task].measures:
        metric = IMAGE_METRICS[measure]
        columns = [
            Column(f"{steps} evaluations", metric.unit, better=metric.better)
            for steps in evaluation.all_inference_steps
        ]
        rows: dict[str, Sequence[Cell]] = {}
        for name, runs in models.items():
            for label, solver in solvers.items():
                rows[f"{name}, {label}"] = [
                    [read_scores(run.directory, scores_at(steps, solver))[measure] for run in runs]
                    for steps in evaluation.all_inference_steps
                ]
        caption = f"{metric.label} by solver and number of evaluations, from the same noise"
        report.table(columns, rows, caption=caption, corner=f"{metric.label}: model, solver")


def _description(run: LatentDiffusionRun) -> str:
    prior, tuning = PRIORS[run.config.prior].description, run.config.tuning
    return prior if tuning is None else f"{prior}; {TUNINGS[tuning]}, {run.num_steps:,} further steps"


def _circumstances(config: LatentDiffusionConfig, run: LatentDiffusionRun) -> list[str]:
    is_new = not TASKS[run.config.task].has_image
    parameters = read_scores(run.directory, scores_at(config.evaluation.num_inference_steps))["parameters"]
    solver = config.evaluation.solver or "the scheduler of the training"
    training, count = run.training, config.evaluation.final_images
    return [
        f"Each network has {parameters:,.0f} parameters and learned for {training.num_steps:,} steps of "
        f"{training.batch_size} images, if nothing else is said; {count:,} samples by {solver}",
        "Prior alone: a sample of the prior, no network",
        *(["Real images: training ones as a set, held-out ones one by one"] if is_new else []),
        "The training of what a model begins with counts as training: a learned prior, a model with N(0, I)",
        "With several seeds: mean ± standard deviation",
    ]


def _minutes(run: LatentDiffusionRun) -> float:
    """Of its training, and of those that it needs."""
    return minutes_of(run.directory) + sum(map(minutes_of, run.needs))
