"""White noise around a mean that a network predicts."""

from __future__ import annotations

from typing import Any

from torch import nn

from priordiff.estimators.base import PriorEstimator
from priordiff.priors import DiagonalPrior

__all__ = ["MeanEstimator"]


class MeanEstimator(PriorEstimator):
    r"""Conditioning to $N(\mu(c), I)$ with a network's $\mu$.

    The prior of Grad-TTS (Popov et al., ICML 2021), where $\mu$ is the text encoder's estimate of
    the mel frames, and of CARD (Han et al., NeurIPS 2022), where it is a regression $f(x)$ of the
    response. Both show the network the state with its mean: use `model_space="data"`.

    A network that is trained together with the denoiser has `prior_nll` for a loss, which here is half the
    mean squared error of $\mu$, up to a constant.

    Args:
        network: conditioning to μ, of the data's shape. It is saved with the estimator as weights alone:
            `MeanEstimator.from_pretrained(directory, network=...)` needs one of the same architecture.

    Example:
        >>> import torch
        >>> estimator = MeanEstimator(nn.Conv1d(16, 80, kernel_size=1))
        >>> estimator(torch.randn(2, 16, 50)).mean.shape
        torch.Size([2, 80, 50])
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, *conditioning: Any) -> DiagonalPrior:
        """What the network takes, to the prior of data of the shape that it gives."""
        return DiagonalPrior(self.network(*conditioning), 1.0)
