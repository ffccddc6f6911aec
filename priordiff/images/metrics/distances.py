"""Distances between the features of generated and of real images."""

from __future__ import annotations

import torch
from torch import Tensor

from priordiff.images.metrics._checks import check_features
from priordiff.images.metrics._pairs import blocks, in_double

__all__ = ["frechet_distance", "kernel_distance"]


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
    _check_sets(samples, reference)
    (mean, root), (other_mean, other_root) = _mean_and_root(samples), _mean_and_root(reference)
    means = (mean - other_mean).square().sum()
    traces = root.square().sum() + other_root.square().sum()
    shared = torch.linalg.svdvals(root @ other_root.T).sum()
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
    _check_sets(samples, reference)
    x, y = in_double(samples), in_double(reference)
    between = _kernel_sum(x, y) / (len(x) * len(y))
    return _mean_within(x) + _mean_within(y) - 2 * between


def _check_sets(samples: Tensor, reference: Tensor) -> None:
    check_features(samples, "samples", least=2)
    check_features(reference, "reference images", least=2, width=samples.shape[1])


def _mean_and_root(features: Tensor) -> tuple[Tensor, Tensor]:
    """The mean, and A of the covariance AᵀA with as few rows as possible."""
    features = in_double(features)
    mean = features.mean(0)
    root = (features - mean) / (len(features) - 1) ** 0.5
    if len(root) > root.shape[1]:
        root = torch.linalg.qr(root, mode="r").R
    return mean, root


def _mean_within(x: Tensor) -> float:
    """Mean of the kernel over all pairs of two different rows."""
    alone = (x.square().mean(1) + 1).pow(3).sum().item()
    return (_kernel_sum(x, x) - alone) / (len(x) * (len(x) - 1))


def _kernel_sum(x: Tensor, y: Tensor) -> float:
    return sum((rows @ y.T / x.shape[1] + 1).pow(3).sum().item() for rows in blocks(x))
