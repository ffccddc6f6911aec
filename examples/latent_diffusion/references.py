"""What is known of the images of an experiment whatever is sampled: computed once for all models."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from functools import cached_property

import torch
from accelerate import PartialState
from torch import Tensor

from latent_diffusion.autoencoding import pixels
from latent_diffusion.order import spread
from latent_diffusion.pictures import Pictures, with_telling_lines
from latent_diffusion.tasks import TASKS
from priordiff.images.metrics import (
    FEWEST_IMAGES,
    EfficientNetLite,
    ImageFeatures,
    LinearProbe,
    nearest_neighbours,
)

__all__ = ["Data", "References", "feature_network"]

_BATCH = 64


@functools.cache
def feature_network() -> EfficientNetLite:
    """That computes the features, on the device of this process."""
    return EfficientNetLite().to(PartialState().device)


class References:
    """What samples are compared with.

    Args:
        training: images that the models learn from.
        validation: images that they are judged by.
        remembered: the training images among which the nearest to a sample are looked for, and from which a
            classifier learns; as many are drawn of them, all if there are fewer.

    Attributes:
        remembered: these.
    """

    def __init__(self, training: Pictures, validation: Pictures, remembered: int) -> None:
        self.training, self.validation = training, validation
        drawn = torch.randperm(len(training), generator=torch.Generator().manual_seed(0))[:remembered]
        self.remembered = training.select(drawn.sort().values.tolist())

    @cached_property
    def of_training(self) -> ImageFeatures:
        """Features of the remembered training images."""
        corpus = self.remembered.images
        return _features(pixels(corpus.images(rows)) for rows in torch.arange(len(corpus)).split(_BATCH))

    @cached_property
    def of_validation(self) -> ImageFeatures:
        """Features of the held-out images."""
        return self.features(self.targets)

    @cached_property
    def targets(self) -> Tensor:
        """The held-out images (N, 3, height, width) in [−1, 1]."""
        return pixels(self.validation.images.images())

    def class_accuracy(self, features: Tensor, rows: Tensor) -> dict[str, float]:
        """How often a classifier of the remembered training images finds the classes of held-out images.

        Nothing if these are all of one class. Held-out classes that none of them has are left out.

        Args:
            features: (N, D), of samples for the classes.
            rows: (N,), the held-out images that have them.
        """
        if self._probe is None:
            return {}
        labels = self.validation.images.labels[rows]
        known = torch.isin(labels, self._probe.classes)
        if not known.any():
            return {}
        return {"class_accuracy": self._probe.accuracy(features[known], labels[known])}

    @cached_property
    def _probe(self) -> LinearProbe | None:
        labels = self.remembered.images.labels
        return LinearProbe.fit(self.of_training.values, labels) if len(labels.unique()) > 1 else None

    @cached_property
    def nearness(self) -> Tensor:
        """How far each held-out image is from the nearest remembered one."""
        return nearest_neighbours(self.of_validation.values, self.of_training.values).distances

    def features(self, images: Tensor) -> ImageFeatures:
        """Features of images (N, 3, height, width) in [−1, 1]."""
        return _features(images.split(_BATCH))


def _features(batches: Iterable[Tensor]) -> ImageFeatures:
    network, device = feature_network(), PartialState().device
    values = [network(batch.to(device)).cpu() for batch in batches]
    return ImageFeatures(torch.cat(values), network.name)


class Data:
    """The images of an experiment, and those of each task.

    Held-out images stand in another order than in their corpus, where classes follow each other: in that of
    `spread`, so that fewer samples than there are held-out images are for the conditioning of all classes.

    Args:
        training: images to learn from.
        validation: images that are held out.
        remembered: see `References`.
    """

    def __init__(self, training: Pictures, validation: Pictures, remembered: int) -> None:
        order = spread(validation.images.labels.tolist())
        self.all, self._remembered = References(training, validation.select(order), remembered), remembered

    @property
    def class_names(self) -> tuple[str, ...]:
        """Of all images."""
        return self.all.training.images.class_names

    def of(self, task: str) -> References:
        """The images of a task: all of them, but for drawings whose lines say nothing, where there are lines.

        Args:
            task: a key of `TASKS`.
        """
        return self._with_lines if TASKS[task].has_lines else self.all

    def check(self, task: str) -> None:
        """Refuses a task for which there are too few images to be judged as a set.

        Args:
            task: a key of `TASKS`.

        Raises:
            ValueError: if there are.
        """
        images = self.of(task)
        for part, some in {"training": images.training, "held-out": images.validation}.items():
            if len(some) < FEWEST_IMAGES:
                raise ValueError(
                    f"there are {len(some)} {part} images for the task {task}: expected at least "
                    f"{FEWEST_IMAGES}; corpus.validation_fraction is the share that is held out where images "
                    "have no such part of their own"
                )

    @cached_property
    def _with_lines(self) -> References:
        if self.all.training.lines is None:
            return self.all
        return References(*with_telling_lines(self.all.training, self.all.validation), self._remembered)
