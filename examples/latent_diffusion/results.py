"""The report of an experiment: for each task its models in tables, curves and sheets of pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from latent_diffusion.configuration import LatentDiffusionConfig
from latent_diffusion.gallery import add_neighbours, add_samples
from latent_diffusion.references import Data, References, feature_network
from latent_diffusion.shown import Shown
from latent_diffusion.strips import add_strips
from latent_diffusion.table import add_solvers, add_table
from latent_diffusion.tasks import TASKS
from latent_diffusion.tuning_report import add_tunings
from priordiff.experiments import add_configuration, add_curves, by_name, machine_facts
from priordiff.images.metrics import IMAGE_METRICS
from priordiff.report import Report

if TYPE_CHECKING:
    from latent_diffusion.experiment import LatentDiffusionRun

__all__ = ["write_report"]


def write_report(
    path: Path, config: LatentDiffusionConfig, runs: Sequence[LatentDiffusionRun], data: Data
) -> None:
    """Writes the page about the finished runs of an experiment.

    Args:
        path: of the HTML file.
        config: of the experiment.
        runs: that have been trained and evaluated.
        data: their images.
    """
    models = by_name(runs)
    report = Report(
        "Image models under data-dependent priors",
        "The same images, network, seeds, batches and steps under each prior",
        models=list(models),
    )
    report.facts(
        {
            "training data": f"{len(data.all.training):,} images",
            "held out": f"{len(data.all.validation):,} images",
            "samples": f"{config.evaluation.final_images:,}",
            "features": feature_network().name,
            **machine_facts(runs),
        }
    )
    for task in dict.fromkeys(name.task for name in config.names):
        of_task = {name: group for name, group in models.items() if group[0].config.task == task}
        report.heading(TASKS[task].description.capitalize())
        references = data.of(task)
        if left_out := len(data.all.training) + len(data.all.validation) - _size(references):
            report.paragraph(f"Left out are {left_out:,} images whose line drawing is blank or that of many.")
        add_table(report, config, task, of_task)
        add_solvers(report, config, task, of_task)
        loss = "squared error in the space of the network"
        add_curves(report, of_task, {name: IMAGE_METRICS[name] for name in TASKS[task].measures}, loss)
        add_tunings(report, task, of_task)
        report.heading("Pictures")
        shown = {name: Shown.read(group[0].directory) for name, group in of_task.items()}
        add_samples(report, config, task, shown, references.validation)
        add_strips(report, task, shown, references.validation)
        add_neighbours(report, task, shown, references, config.evaluation.num_inference_steps)
    add_configuration(report, config)
    report.write(path)


def _size(references: References) -> int:
    return len(references.training) + len(references.validation)
