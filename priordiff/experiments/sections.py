"""What the reports of all experiments have: circumstances, convergence curves, configuration."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from omegaconf import OmegaConf

from priordiff.experiments.curves import Curve, curve_of
from priordiff.experiments.runs import Run
from priordiff.report import Report

__all__ = ["add_configuration", "add_curves", "machine_facts"]

_PRECISIONS = {"no": "float32", "bf16": "bfloat16", "fp16": "float16"}
_MINUTES = "minutes of training"


class Measure(Protocol):
    """What a measure is called, and the unit of its values."""

    @property
    def label(self) -> str:
        """Its name in words."""

    @property
    def unit(self) -> str:
        """Empty where it has none."""


def machine_facts(runs: Sequence[Run]) -> dict[str, str]:
    """Say in which precision the compared runs were trained, and on what machine this is."""
    stored = [run.folder.stored_section(run.training) for run in runs if not run.is_part]
    precisions = dict.fromkeys(_PRECISIONS[each.mixed_precision] for each in stored if each)
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return {
        "precision": ", ".join(precisions),
        "machine": f"{platform.machine()}, {torch.get_num_threads()} CPU threads{gpu}",
    }


def add_curves(
    report: Report, models: Mapping[str, Sequence[Run]], measures: Mapping[str, Measure], loss: str
) -> None:
    """Draw measures on held-out data, and the loss, against minutes of training.

    Args:
        report: Takes the section.
        models: The runs of each model that is compared, over different seeds.
        measures: By their names in the evaluations.
        loss: What the training loss is.
    """
    needs_others = any(run.needs for runs in models.values() for run in runs)
    minutes = f"{_MINUTES}, that of what it begins with included" if needs_others else _MINUTES
    report.heading("Convergence")
    for name, measure in measures.items():
        title = f"{measure.label} on held-out data"
        report.curves(title, _series(models, "evaluation", name), minutes, measure.unit or measure.label)
    report.curves(f"Training loss: {loss}", _series(models, "train", "loss"), minutes, "loss")


def _series(models: Mapping[str, Sequence[Run]], kind: str, name: str) -> dict[str, list[Curve]]:
    return {model: [curve_of(run, kind, name) for run in runs] for model, runs in models.items()}


def add_configuration(report: Report, config: Any) -> None:
    """Append the whole configuration of an experiment, an instance of a dataclass."""
    report.heading("Configuration")
    report.configuration(OmegaConf.to_yaml(OmegaConf.structured(config)), "The whole configuration")
