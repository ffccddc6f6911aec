"""The report of an experiment: for each task its models in one table, one chart and one gallery."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from einops import rearrange
from torch import Tensor

from latent_diffusion.autoencoding import in_8_bits
from latent_diffusion.configuration import LatentDiffusionConfig
from latent_diffusion.judging import report_pictures
from latent_diffusion.pictures import Pictures
from latent_diffusion.references import Data, References, feature_network
from latent_diffusion.table import add_table
from latent_diffusion.tasks import TASKS
from priordiff.experiments import add_configuration, add_curves, by_name, machine_facts
from priordiff.images.metrics import IMAGE_METRICS
from priordiff.report import Figure, Report, image_png

if TYPE_CHECKING:
    from latent_diffusion.experiment import LatentDiffusionRun

__all__ = ["write_report"]

_COLUMNS = 6


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
        loss = "squared error in the space of the network"
        add_curves(report, of_task, {name: IMAGE_METRICS[name] for name in TASKS[task].measures}, loss)
        _add_gallery(report, config, task, of_task, references.validation)
    add_configuration(report, config)
    report.write(path)


def _add_gallery(
    report: Report,
    config: LatentDiffusionConfig,
    task: str,
    models: dict[str, list[LatentDiffusionRun]],
    held_out: Pictures,
) -> None:
    count = min(config.evaluation.report_images, len(held_out))
    if not count:
        return
    pictures = {name: report_pictures(group[0].directory) for name, group in models.items()}
    originals, kind = held_out.originals(range(count)), TASKS[task]
    caption = "held-out images"
    if kind.has_text or kind.has_labels:
        names, labels = held_out.images.class_names, held_out.images.labels[:count].tolist()
        texts = held_out.captions[:count] if kind.has_text else [names[label] for label in labels]
        caption += ": " + "; ".join(f"{number}. {text}" for number, text in enumerate(texts, start=1))
    first = [Figure("held-out images", _grid(in_8_bits(originals.images)), caption)]
    if kind.degrade is not None:
        left = kind.degrade(originals, config, 0)
        # White holes would not be seen in white drawings.
        shown = left.images if left.hidden is None else left.images.masked_fill(left.hidden, 0.0)
        first.append(Figure("what is left of them", _grid(in_8_bits(shown)), "the images to be restored"))
    rows = {"Held out": first}
    for stored, caption in (("mean", "mean of the prior"), ("noise", "noise of the prior")):
        rows[caption.capitalize()] = [
            Figure(name, _grid(each[stored][:count]), f"{caption}, {name}") for name, each in pictures.items()
        ]
    for steps in config.evaluation.all_inference_steps:
        rows[f"In {steps} evaluations"] = [
            Figure(name, _grid(each[str(steps)][:count]), f"samples of {name} in {steps} evaluations")
            for name, each in pictures.items()
        ]
    report.gallery(rows)


def _size(references: References) -> int:
    return len(references.training) + len(references.validation)


def _grid(images: Tensor) -> bytes:
    """Images (N, 3, height, width) in rows, as a PNG file; white where none is left."""
    missing = -len(images) % _COLUMNS
    filled = torch.cat([images, images.new_full((missing, *images.shape[1:]), 255)])
    return image_png(rearrange(filled, "(r c) rgb h w -> (r h) (c w) rgb", c=_COLUMNS) / 255)
