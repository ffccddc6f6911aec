"""A network that needs no weights."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["Colours"]


class Colours:
    """Sees the mean and the spread of each channel, and as maps the pixels at two resolutions."""

    name = "colours"

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __call__(self, images: Tensor) -> Tensor:
        self.batches.append(len(images))
        return torch.cat([images.mean((2, 3)), images.std((2, 3))], 1)

    def maps(self, images: Tensor) -> list[Tensor]:
        return [images, F.avg_pool2d(images, 2)]
