"""What estimates a prior for a task: made, fitted, or loaded where it has been learned."""

from __future__ import annotations

from pathlib import Path

from accelerate import PartialState

from latent_diffusion.configuration import LatentDiffusionConfig
from latent_diffusion.encoding import EncodedImages
from latent_diffusion.priors import PRIORS
from latent_diffusion.tasks import TASKS
from priordiff import (
    ClassMomentsEstimator,
    InpaintingEstimator,
    LearnedImageEstimator,
    LocalRegressionEstimator,
    PriorEstimator,
    ResidualEstimator,
)

__all__ = ["fit_estimator", "load_estimator", "make_estimator"]

_BATCH = 256


def make_estimator(
    config: LatentDiffusionConfig, data: EncodedImages, num_classes: int
) -> PriorEstimator | None:
    """The estimator of a run's prior, neither fitted nor trained; None for N(0, I).

    The mean is that of the class, or the best linear filter of the conditioning image, or that of all data,
    unless it is learned. For an image with a hole, a low-rank prior is that of all data given what is seen.

    Args:
        config: of the run.
        data: that it is for.
        num_classes: of the corpus.
    """
    choice, task, settings = PRIORS[config.prior], TASKS[config.task], config.estimator
    shape, floor = tuple(data.sample_shape), settings.floor
    if choice.is_learned:
        return LearnedImageEstimator(
            shape,
            data.conditioning_channels,
            num_classes if task.has_labels else 0,
            data.text_features,
            settings.channels,
            settings.layers,
            dropout=settings.dropout,
            floor=floor,
        )
    if choice.make_residual is None:
        return None
    if task.has_holes and config.prior == "low-rank":
        return InpaintingEstimator(shape, settings.rank, floor)
    of_class = (
        ClassMomentsEstimator(num_classes, shape, floor, settings.shrinkage) if task.has_labels else None
    )
    if of_class is not None and config.prior == "diagonal":
        return of_class
    residual = choice.make_residual(shape, settings.rank, floor)
    if of_class is not None:
        return ResidualEstimator(of_class, residual)
    if task.has_image:
        return ResidualEstimator(LocalRegressionEstimator(data.conditioning_channels, shape[0]), residual)
    return residual


def fit_estimator(
    config: LatentDiffusionConfig, variants: list[EncodedImages], num_classes: int
) -> PriorEstimator | None:
    """The estimator of a run's prior, fitted to the training images, on the device of this process.

    Args:
        config: of the run.
        variants: the training images, encoded in one or several ways.
        num_classes: of the corpus.
    """
    estimator = make_estimator(config, variants[0], num_classes)
    if estimator is None:
        return None
    state = PartialState()
    batches = [batch for variant in variants for batch in variant.batches(_BATCH)]
    return estimator.fit(batches[state.process_index :: state.num_processes]).to(state.device)


def load_estimator(directory: Path) -> PriorEstimator:
    """An estimator that has been learned before, not to be trained on, on the device of this process."""
    estimator = LearnedImageEstimator.from_pretrained(directory, low_cpu_mem_usage=False)
    return estimator.eval().requires_grad_(False).to(PartialState().device)
