"""What is left of images that are to be restored: small ones, ones with a hole, ones without colour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from latent_diffusion.holes import hole
from priordiff.pipelines import enlarged, filled, in_grey

if TYPE_CHECKING:
    from latent_diffusion.configuration import LatentDiffusionConfig

__all__ = [
    "Left",
    "Originals",
    "reduced",
    "small",
    "with_hole",
    "without_colour",
]


@dataclass(frozen=True)
class Originals:
    """Images, with what is known of them.

    Attributes:
        images: (batch, 3, height, width) in [−1, 1].
        names: of the images.
        lines: the same as line drawings, if there are any.
    """

    images: Tensor
    names: tuple[str, ...]
    lines: Tensor | None = None


@dataclass(frozen=True)
class Left:
    """What is left of images.

    Attributes:
        images: (batch, 3, height, width) in [−1, 1].
        hidden: bool (batch, 1, height, width), True where nothing is left; None if nothing is hidden.
    """

    images: Tensor
    hidden: Tensor | None = None


def small(originals: Originals, config: LatentDiffusionConfig, seed: int) -> Left:
    """The images `factor` times smaller, enlarged again."""
    return Left(enlarged(reduced(originals.images, config.factor), config.factor))


def with_hole(originals: Originals, config: LatentDiffusionConfig, seed: int) -> Left:
    """The images with a hole in each, white or grey."""
    images, size = originals.images, originals.images.shape[-1]
    hidden = torch.stack([hole(name, size, seed) for name in originals.names]).to(images.device)
    return Left(filled(images, hidden, config.inpainting.fill), hidden)


def without_colour(originals: Originals, config: LatentDiffusionConfig, seed: int) -> Left:
    """The line drawings; where there are none, the images in grey."""
    return Left(in_grey(originals.images if originals.lines is None else originals.lines))


def reduced(images: Tensor, factor: int) -> Tensor:
    """Images of a height and width that are `factor` times smaller, each pixel a mean."""
    return F.avg_pool2d(images, factor)
