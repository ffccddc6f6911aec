"""What is left of images that are to be restored: small ones, ones with a hole, ones without colour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from latent_diffusion.holes import hole
from priordiff.pipelines import enlarged

if TYPE_CHECKING:
    from latent_diffusion.configuration import LatentDiffusionConfig

__all__ = [
    "Left",
    "Originals",
    "mask_in_cells",
    "reduced",
    "small",
    "with_hole",
    "without_colour",
]

# Of red, green and blue, by ITU-R BT.601.
_LUMA = (0.299, 0.587, 0.114)


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
    return Left(images.masked_fill(hidden, 1.0 if config.inpainting.fill == "white" else 0.0), hidden)


def without_colour(originals: Originals, config: LatentDiffusionConfig, seed: int) -> Left:
    """The line drawings; where there are none, the images in grey."""
    if originals.lines is not None:
        return Left(originals.lines)
    weights = originals.images.new_tensor(_LUMA)[:, None, None]
    return Left((weights * originals.images).sum(1, keepdim=True).expand(-1, 3, -1, -1))


def reduced(images: Tensor, factor: int) -> Tensor:
    """Images of a height and width that are `factor` times smaller, each pixel a mean."""
    return F.avg_pool2d(images, factor)


def mask_in_cells(hidden: Tensor, cell: int, margin: int) -> Tensor:
    """A mask of pixels in the resolution of latents: 1 for a cell of which any pixel is hidden.

    An encoder sees more than the cell, so what a latent says of a place next to a hole is about the hole as
    well. A margin of so many cells counts as hidden.

    Args:
        hidden: bool (batch, 1, height, width).
        cell: pixels of a side of a cell.
        margin: in cells.

    Returns:
        Numbers (batch, 1, height / cell, width / cell).
    """
    mask = F.max_pool2d(hidden.float(), cell)
    return F.max_pool2d(mask, 2 * margin + 1, stride=1, padding=margin)
