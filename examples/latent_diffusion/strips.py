"""Strips of pictures: how a model makes an image of its prior's noise, evaluation by evaluation."""

from __future__ import annotations

from collections.abc import Mapping

from latent_diffusion.gallery import names_of, pictures_of
from latent_diffusion.pictures import Pictures
from latent_diffusion.shown import Shown
from priordiff.report import Report, Sheet

__all__ = ["add_strips"]


def add_strips(report: Report, task: str, shown: Mapping[str, Shown], held_out: Pictures) -> None:
    """Adds a sheet for each of a few held-out images, with two strips of every model.

    Args:
        report: takes them.
        task: of the models.
        shown: what was kept of each.
        held_out: images of the task.
    """
    first = next(iter(shown.values()))
    count, evaluations = len(first.states), first.states.shape[1] - 1
    sheets = [
        Sheet(
            title,
            ["prior", *map(str, range(1, evaluations + 1))],
            {
                name: {
                    "state": pictures_of(each.states[number]),
                    "predicted": pictures_of(each.predictions[number]),
                }
                for name, each in shown.items()
            },
            corner="evaluations",
        )
        for number, title in enumerate(names_of(task, held_out, first.rows[:count].tolist()))
    ]
    report.sheets(
        f"From the prior to an image in {evaluations} evaluations",
        sheets,
        "The state after each evaluation, and the image that the evaluation has predicted from the state "
        "before it; before the first one, a sample of the prior and its mean.",
    )
