"""Distances between the features of generated and of real images."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from priordiff.images.metrics._checks import check_sets
from priordiff.images.metrics._pairs import blocks, in_double

__all__ = [
    "Spread",
    "frechet_between",
    "frechet_distance",
    "kernel_between",
    "kernel_distance",
    "mean_kernel",
]


class Spread(NamedTuple):
    """The Gaussian of a set of features.

    Attributes:
        mean: (D,).
        root: A of the covariance AᵀA, with as few rows as possible.
    """

    mean: Tensor
    root: Tensor

    @classmethod
    def of(cls, features: Tensor) -> Spread:
        """That of features (N, D)."""
        features = in_double(features)
        mean = features.mean(0)
        root = (features - mean) / (len(features) - 1) ** 0.5
        if len(root) > root.shape[1]:
            root = torch.linalg.qr(root, mode="r").R
        return cls(mean, root)


def frechet_distance(samples: Tensor, reference: Tensor) -> float:
    r"""Fréchet distance of the Gaussians with the means and covariances of two sets, FID's formula.

    $\lVert \mu_1 - \mu_2 \rVert^2 + \operatorname{tr}(\Sigma_1 + \Sigma_2 - 2 (\Sigma_1 \Sigma_2)^{1/2})$
    (Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium",
    NeurIPS 2017), in float64. With $\Sigma_i = A_i^\top A_i$ the trace of the root is the sum of the singular
    values of $A_1 A_2^\top$: no root of a matrix is taken, and fewer images than dimensions are no special
    case.

    It falls as images are added, to both sides, so compare it at equal numbers of images.

    Args:
        samples: features (M, D) of generated images.
        reference: features (N, D) of real ones.

    Returns:
        The squared distance, at least 0.

    Raises:
        ValueError: fewer than two images on one side, NaN, or features of different networks.

    Example:
        >>> import torch
        >>> real = torch.randn(500, 8)
        >>> round(frechet_distance(real + 0.5, real), 3)  # a shift by 0.5 in 8 dimensions
        2.0
    """
    check_sets(samples, reference, least=2)
    return frechet_between(Spread.of(samples), Spread.of(reference))


def frechet_between(left: Spread, right: Spread) -> float:
    """`frechet_distance` of two sets of which the means and covariances are known."""
    means = (left.mean - right.mean).square().sum()
    traces = left.root.square().sum() + right.root.square().sum()
    shared = torch.linalg.svdvals(left.root @ right.root.T).sum()
    return float((means + traces - 2 * shared).clamp_min(0))


def kernel_distance(samples: Tensor, reference: Tensor) -> float:
    r"""Kernel distance, KID: the unbiased estimate of the squared maximum mean discrepancy, over all pairs.

    With the kernel $k(x, y) = (x^\top y / D + 1)^3$ of Bińkowski et al. ("Demystifying MMD GANs", ICLR 2018),
    in their units; some tables have a thousand times that. Its mean does not depend on the number of images,
    so for equal distributions it is around 0, below as often as above.

    Args:
        samples: features (M, D) of generated images.
        reference: features (N, D) of real ones.

    Raises:
        ValueError: fewer than two images on one side, NaN, or features of different networks.

    Example:
        >>> import torch
        >>> real = torch.randn(500, 8)
        >>> kernel_distance(real + 1, real) > 1
        True
    """
    check_sets(samples, reference, least=2)
    return kernel_between(samples, reference, mean_kernel(samples), mean_kernel(reference))


def kernel_between(samples: Tensor, reference: Tensor, within_samples: float, within: float) -> float:
    """`kernel_distance` of two sets of which the mean kernels are known."""
    x, y = in_double(samples), in_double(reference)
    return within_samples + within - 2 * _kernel_sum(x, y) / (len(x) * len(y))


def mean_kernel(features: Tensor) -> float:
    """Mean of the kernel over all pairs of two different rows of features (N, D)."""
    x = in_double(features)
    alone = (x.square().mean(1) + 1).pow(3).sum().item()
    return (_kernel_sum(x, x) - alone) / (len(x) * (len(x) - 1))


def _kernel_sum(x: Tensor, y: Tensor) -> float:
    return sum((rows @ y.T / x.shape[1] + 1).pow(3).sum().item() for rows in blocks(x))
