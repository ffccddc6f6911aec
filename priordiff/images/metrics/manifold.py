"""Precision and recall of generated images."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from priordiff.images.metrics._checks import check_sets
from priordiff.images.metrics._pairs import blocks, in_double

__all__ = ["NEIGHBOURS", "PrecisionRecall", "precision_recall", "radii", "share_within"]

NEIGHBOURS = 3


class PrecisionRecall(NamedTuple):
    """How much of the samples is like real images, and how much of these the samples reach.

    Attributes:
        precision: share of the samples that lie among real images: are they good?
        recall: share of the real images that lie among samples: is nothing left out?
    """

    precision: float
    recall: float


def precision_recall(samples: Tensor, reference: Tensor, neighbours: int = NEIGHBOURS) -> PrecisionRecall:
    """Improved precision and recall of Kynkäänniemi et al. (NeurIPS 2019).

    From "Improved Precision and Recall Metric for Assessing Generative Models", eq. 1 and 2: a set's manifold
    are the balls around its features that reach to their k-th nearest neighbour in the set. Both shares
    depend on the numbers of images, so compare them at equal numbers.

    Args:
        samples: features (M, D) of generated images.
        reference: features (N, D) of real ones.
        neighbours: k.

    Raises:
        ValueError: k or fewer images on one side, NaN, or features of different networks.

    Example:
        >>> import torch
        >>> real = torch.randn(200, 8)
        >>> precision_recall(0.01 * real, real).precision  # all alike, and like the average
        1.0
        >>> precision_recall(0.01 * real, real).recall < 0.1
        True
    """
    if neighbours < 1:
        raise ValueError(f"neighbours is {neighbours}: expected at least 1")
    check_sets(samples, reference, least=neighbours + 1)
    return PrecisionRecall(
        precision=share_within(samples, reference, radii(reference, neighbours)),
        recall=share_within(reference, samples, radii(samples, neighbours)),
    )


def radii(features: Tensor, neighbours: int = NEIGHBOURS) -> Tensor:
    """Distance of each to its k-th nearest neighbour; the nearest of all is itself."""
    features = in_double(features)
    distances = (torch.cdist(rows, features).kthvalue(neighbours + 1).values for rows in blocks(features))
    return torch.cat(list(distances))


def share_within(points: Tensor, centres: Tensor, reach: Tensor) -> float:
    """Share of the points that lie in at least one ball."""
    points, centres = in_double(points), in_double(centres)
    inside = ((torch.cdist(rows, centres) <= reach).any(1) for rows in blocks(points))
    return torch.cat(list(inside)).double().mean().item()
