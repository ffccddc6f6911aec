"""Memorised or made? The training images nearest to each sample."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from priordiff.images.metrics._checks import check_features
from priordiff.images.metrics._pairs import blocks, in_double

__all__ = ["Neighbours", "nearest_neighbours", "share_near_training"]


class Neighbours(NamedTuple):
    """The images nearest to each of M others, the nearest first.

    Attributes:
        indices: (M, count), which images they are.
        distances: (M, count), cosine distances from 0 to 2.
    """

    indices: Tensor
    distances: Tensor


def nearest_neighbours(samples: Tensor, training: Tensor, count: int = 1) -> Neighbours:
    """Finds the training images that are most like each sample, by the cosine distance of features.

    1 - cos(x, y), from 0 for the same direction to 2 for the opposite one.

    Args:
        samples: features (M, D) of generated images, or of held-out ones as a reference.
        training: features (N, D) of the images that the model has learned from.
        count: how many for each.

    Raises:
        ValueError: there are fewer training images than `count`, NaN, or features of different networks.

    Example:
        >>> import torch
        >>> found = nearest_neighbours(torch.tensor([[2.0, 0.1]]), torch.eye(2))
        >>> found.indices
        tensor([[0]])
    """
    if count < 1:
        raise ValueError(f"count is {count}: expected at least 1")
    check_features(samples, "samples")
    check_features(training, "training images", least=count, width=samples.shape[1])
    x, y = F.normalize(in_double(samples)), F.normalize(in_double(training))
    indices = torch.cat([(rows @ y.T).topk(count).indices for rows in blocks(x)])
    # Not 1 - cos, which rounding keeps from being 0 for a copy.
    columns = [(x - y[column]).square().sum(1) / 2 for column in indices.T]
    return Neighbours(indices, torch.stack(columns, 1))


def share_near_training(samples: Tensor, held_out: Tensor, quantile: float = 0.05) -> float:
    """Share of the samples that are nearer to the training images than nearly every held-out image is.

    As near as the 5th percentile of the held-out images, or nearer. A model that makes new images of the same
    kind has about 0.05 itself, one that copies has 1, and one whose images are unlike the training images has
    0.

    Args:
        samples: (M,) or (M, 1), the distance of each sample to its nearest training image, from
            `nearest_neighbours`.
        held_out: the same, (N,) or (N, 1), of real images that the model has not seen.
        quantile: the share that held-out images themselves have.

    Raises:
        ValueError: there are no distances on one side, or NaN, or more than one for each image, or the
            quantile is not between 0 and 1.

    Example:
        >>> import torch
        >>> share_near_training(torch.tensor([0.0, 0.5]), torch.linspace(0.1, 1, 100))
        0.5
    """
    if not 0 < quantile < 1:
        raise ValueError(f"quantile is {quantile}: expected a share between 0 and 1")
    for distances, name in ((samples, "samples"), (held_out, "held-out images")):
        if distances.numel() != len(distances) or not len(distances) or not torch.isfinite(distances).all():
            raise ValueError(
                f"distances of {name} have shape {tuple(distances.shape)}: "
                "expected one finite number for each of one or more images"
            )
    threshold = held_out.flatten().quantile(quantile)
    return (samples.flatten().to(threshold) <= threshold).double().mean().item()
