"""Features of a set of images, computed once for all measures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from priordiff.images.metrics._checks import check_features, check_images
from priordiff.images.metrics.distances import Spread, mean_kernel
from priordiff.images.metrics.manifold import radii

__all__ = ["FeatureNetwork", "ImageFeatures"]


class FeatureNetwork(Protocol):
    """What the measures ask of a network: `EfficientNetLite`, or one of your own."""

    @property
    def name(self) -> str:
        """What tells its features from those of another network."""

    def __call__(self, images: Tensor) -> Tensor:
        """Features (batch, D) of images (batch, channels, height, width) in [-1, 1]."""

    def maps(self, images: Tensor) -> Sequence[Tensor]:
        """Feature maps (batch, channels, height, width) of one or more layers."""


@dataclass(frozen=True, eq=False)
class ImageFeatures:
    """The features of images, real or generated, and the name of the network that computed them.

    Those of the training images or of the real ones are computed once and compared with the samples of every
    model; so is what the measures need of them alone.

    Attributes:
        values: (N, D), one row for each image.
        network: the name of the network.

    Raises:
        ValueError: the values are no matrix of finite numbers, or empty.

    Example:
        >>> import torch
        >>> real = ImageFeatures(torch.randn(100, 8), "a network")
        >>> len(real), real.values.shape[1]
        (100, 8)
    """

    values: Tensor
    network: str

    def __post_init__(self) -> None:
        check_features(self.values, "images")

    def __len__(self) -> int:
        return len(self.values)

    @cached_property
    def spread(self) -> Spread:
        """Their mean and covariance, for the Fréchet distance."""
        return Spread.of(self.values)

    @cached_property
    def mean_kernel(self) -> float:
        """How alike they are on average, for the kernel distance."""
        return mean_kernel(self.values)

    @cached_property
    def radii(self) -> Tensor:
        """The balls around them, for precision and recall."""
        return radii(self.values)

    @classmethod
    def of(cls, images: Tensor, network: FeatureNetwork, batch_size: int = 16) -> ImageFeatures:
        """Computes the features, batch by batch.

        Args:
            images: (N, channels, height, width) in [-1, 1].
            network: that sees them.
            batch_size: images at once. It changes memory and speed alone; 16 is fastest on a CPU.

        Raises:
            ValueError: the images have another shape or range, or hold NaN.
        """
        check_images(images, "images")
        return cls(torch.cat([network(batch) for batch in images.split(batch_size)]), network.name)
