"""Encoded images as the training loop draws them."""

from __future__ import annotations

from typing import TypedDict

import torch
from torch import Tensor

from latent_diffusion.encoding import EncodedImages
from priordiff.training import Draw

__all__ = ["EncodedDataset", "EncodedItem"]


class EncodedItem(TypedDict):
    """A sample with its conditioning, and what a step draws for it; without what the task does not have."""

    index: int
    sample: Tensor
    noise: Tensor
    level: int
    dropped: bool


class EncodedDataset:
    """Encoded images by draw, with the noise, the noise level and the left-out label of a step.

    Args:
        variants: the same images in one or several ways, of which each draw takes one.
        num_levels: noise levels of the training.
        drop_labels: share of the draws without a label or text.
    """

    def __init__(self, variants: list[EncodedImages], num_levels: int = 1, drop_labels: float = 0.0) -> None:
        self.variants, self.num_levels, self.drop_labels = variants, num_levels, drop_labels

    def __len__(self) -> int:
        return len(self.variants[0])

    def __getitem__(self, draw: Draw) -> EncodedItem:
        random = draw.generator("step")
        variant = self.variants[int(torch.randint(len(self.variants), (), generator=random))]
        sample, given, row = variant.samples[draw.index], variant.conditioning, draw.index
        item: EncodedItem = {
            "index": row,
            "sample": sample,
            "noise": torch.randn(sample.shape, generator=random),
            "level": int(torch.randint(self.num_levels, (), generator=random)),
            "dropped": bool(torch.rand((), generator=random) < self.drop_labels),
        }
        parts = {name: part[row] for name, part in vars(given).items() if part is not None}
        return {**item, **parts}  # type: ignore[typeddict-item]

    def names(self, indices: Tensor) -> list[str]:
        """Names of images by their indices."""
        return [self.variants[0].names[index] for index in indices.tolist()]
