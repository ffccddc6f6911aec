"""A prior that is learned together with the denoiser, and the loss that keeps it in place."""

from __future__ import annotations

import math
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from priordiff.estimators.base import PriorEstimator
from priordiff.priors import DiagonalPrior, GaussianPrior, MaskedPrior

__all__ = ["LearnedDiagonalEstimator", "check_floor", "diagonal_of", "prior_nll"]


class LearnedDiagonalEstimator(PriorEstimator):
    r"""Conditioning to a `DiagonalPrior` whose mean and standard deviation a network predicts.

    $\sigma = \text{floor} + \operatorname{softplus}(s + \operatorname{softplus}^{-1}(1 - \text{floor}))$ for
    an output $(\mu, s)$ of the network, so that an output of 0, that of a zero-initialised last layer, is
    $N(0, I)$. Gradients reach the network through everything that uses the prior.

    Training it with `prior_loss` alone does not determine $\Sigma$: add `prior_nll`, which says why.

    Args:
        network: conditioning to (batch, 2 · channels, …) for data (batch, channels, …): first μ, then s. It
            is saved with the estimator as weights alone: `from_pretrained(directory, network=...)` needs one
            of the same architecture.
        floor: the standard deviation is larger than this, less than 1: where the data follow from the
            conditioning, the likelihood has no maximum without it.

    Raises:
        ValueError: if the floor does not lie between 0 and 1.

    Example:
        >>> import torch
        >>> estimator = LearnedDiagonalEstimator(nn.Conv1d(16, 2 * 80, kernel_size=1))
        >>> prior = estimator(torch.randn(2, 16, 50))
        >>> prior_nll(prior, torch.randn(2, 80, 50)).backward()
    """

    def __init__(self, network: nn.Module, floor: float = 0.1) -> None:
        super().__init__()
        check_floor(floor)
        self.register_to_config(floor=floor)
        self.network = network

    def forward(self, *conditioning: Any) -> DiagonalPrior:
        """What the network takes, to the prior of data with half as many channels as it gives."""
        output = self.network(*conditioning)
        if output.shape[1] % 2:
            raise ValueError(
                f"the network's output has shape {tuple(output.shape)}, expected (batch, 2 · channels, …): "
                "mean and standard deviation"
            )
        return diagonal_of(output, self.config.floor)


def check_floor(floor: float) -> None:
    """Checks the smallest standard deviation that a network can predict.

    Raises:
        ValueError: unless it lies between 0 and 1.
    """
    if not 0 < floor < 1:
        raise ValueError(f"floor={floor} must lie between 0 and 1, the standard deviation to start from")


def diagonal_of(output: Tensor, floor: float) -> DiagonalPrior:
    """The prior that a network's output (batch, 2 · channels, …) stands for; N(0, I) for an output of 0."""
    mean, raw = output.chunk(2, dim=1)
    return DiagonalPrior(mean, floor + F.softplus(raw + math.log(math.expm1(1 - floor))))


def prior_nll(prior: GaussianPrior, x0: Tensor, mask: Tensor | None = None) -> Tensor:
    r"""How badly a prior describes the data: $-\log N(x_0; \mu, \Sigma)$, the mean over elements.

    What keeps a learned $\Sigma$ in place, to be added to the loss of the denoiser. It is the encoder loss of
    Grad-TTS (Popov et al., ICML 2021), $-\log N(x_0; \mu, I)$, with a covariance, and a proper score:
    nothing has a smaller expectation than the moments of the data given the conditioning.

    `prior_loss` alone does not know where to stop. The larger $\Sigma$, the less of $z_0 = L^{-1}(x_0 - \mu)$
    is left beside the noise and the easier that is to predict, so $\Sigma$ grows without bound; under a loss
    that is not weighted by $\Sigma^{-1}$ the error has the size of $L$, and $\Sigma$ shrinks to nothing. The
    evidence bound has $\log\det\Sigma$ in the likelihood of its last step to balance this (see Kingma et al.,
    *Variational Diffusion Models*, 2021, and Sahoo et al., *Diffusion Models With Learned Adaptive Noise*,
    2024), but under the bound all noises are nearly equal, and the simplified loss has dropped it.

    - `prior_loss(…, prior) + prior_nll(prior, x0)` lets the denoiser have its say: for Gaussian data and
      their exact denoiser with "epsilon" prediction, σ ends up to $\sqrt2$ times too large ($(1 -
      1/2\lambda)^{-1/2}$ times for a weight λ of this term), and μ where it belongs.
    - With the noise and `prior_loss` from a prior that is cut off from the graph, it ends at the data's own.

    Args:
        prior: N(μ, Σ) of each item.
        x0: data (batch, …).
        mask: True (or non-zero) where an element counts, with as many dimensions as the data, broadcastable
            to them. Padding tells nothing: the likelihood is that of the other elements.

    Returns:
        A scalar, in nats per element that counts.

    Raises:
        ValueError: if the shapes do not fit each other.
        TypeError: if there is a mask, and the prior's structure is not one that `MaskedPrior` takes.

    Example:
        >>> import torch
        >>> x0 = torch.randn(1000, 4) * 2 + 1
        >>> std = torch.tensor(1.0, requires_grad=True)
        >>> prior_nll(DiagonalPrior(mean=1.0, std=std), x0).backward()
        >>> bool(std.grad < 0)  # a larger one describes them better
        True
    """
    count: Tensor | int = x0.numel()
    if mask is not None:
        prior = MaskedPrior(prior, mask)
        kept = (mask != 0).expand(x0.shape)
        x0, count = x0.masked_fill(~kept, 0), kept.sum().clamp(min=1)
    # log N without its constant, which each element that counts has once.
    surprise = 0.5 * (prior.mahalanobis(x0 - prior.mean) + prior.log_det(x0.shape[1:]))
    return surprise.sum() / count + 0.5 * math.log(2 * math.pi)
