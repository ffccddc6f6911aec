"""Noise whose spectrum varies in time: Σ diagonal in an orthonormal lapped transform."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from einops import rearrange
from torch import Tensor

from priordiff.lapped_transform import check_hop_length, inverse_mdct, mdct
from priordiff.priors.diagonalized import multiply_in_basis
from priordiff.priors.gaussian import GaussianPrior
from priordiff.priors.parameters import (
    as_parameter,
    check_positive,
    common_shape,
    expand_batch,
    sum_over_event,
)

__all__ = ["LappedPrior"]


class LappedPrior(GaussianPrior):
    r"""$\Sigma = M^\top\operatorname{diag}(\sigma^2) M$ with $M$ the orthonormal MDCT of the last axis.

    Noise whose spectrum varies in time, like that of SpecGrad (Koizumi et al., Interspeech 2022), but with an
    exact square root, inverse and determinant, since the MDCT is an orthonormal basis where the STFT is
    redundant. $L = M^\top\operatorname{diag}(\sigma)M$ is the symmetric root: white noise keeps its place in
    time. `color` and `whiten` cost two fast transforms, O(N log H), and compute in float32 at least.

    Args:
        mean: μ, broadcastable to the data (batch, …, N).
        std: σ > 0 of each coefficient (batch, …, N / H, H), blocks in time by frequencies from low to high.
        hop_length: H, even: samples per block.

    Raises:
        ValueError: if the hop is odd, σ's last axis is not `hop_length` long, a parameter is not finite or σ
            not positive.

    Example:
        >>> std = torch.ones(1, 1, 4, 8)
        >>> std[..., 4:] = 0.1  # little energy above a quarter of the sample rate
        >>> prior = LappedPrior(0.0, std, hop_length=8)
        >>> prior.sample((3, 1, 32)).shape
        torch.Size([3, 1, 32])
    """

    def __init__(self, mean: Tensor | float, std: Tensor, hop_length: int) -> None:
        self.std = as_parameter("std", std)
        self._check_values()
        self.mean = as_parameter("mean", mean, like=std)
        self.hop_length = check_hop_length(hop_length)
        if self.std.dim() < 3 or self.std.shape[-1] != hop_length:
            raise ValueError(
                f"std has shape {tuple(self.std.shape)}, expected (batch, …, blocks, hop_length={hop_length})"
            )
        samples = (*self.std.shape[:-2], self.std.shape[-2] * hop_length)
        shape = common_shape(self.mean, "std", samples)
        self.event_shape = shape[1:]
        self.mean, self.std = (expand_batch(tensor, shape) for tensor in (self.mean, self.std))

    def color(self, z: Tensor) -> Tensor:
        return self._multiply_coefficients(z, lambda std: std)

    def whiten(self, r: Tensor) -> Tensor:
        return self._multiply_coefficients(r, torch.reciprocal)

    def log_det(self, event_shape: Sequence[int] | None = None) -> Tensor:
        event_shape = self.event_shape if event_shape is None else event_shape
        self._check_shape((self.batch_size, *event_shape))
        per_sample = rearrange(2 * self.std.log(), "... block k -> ... (block k)")
        return sum_over_event(per_sample.expand(self.batch_size, *event_shape))

    def _multiply_coefficients(self, x: Tensor, weights: Callable[[Tensor], Tensor]) -> Tensor:
        self._check_event(x)
        return multiply_in_basis(x, self.std, weights, lambda data: mdct(data, self.hop_length), inverse_mdct)

    def _trace_ratio(self, other: GaussianPrior, event_shape: torch.Size) -> Tensor:
        if not isinstance(other, LappedPrior) or other.hop_length != self.hop_length:
            return super()._trace_ratio(other, event_shape)
        ratio = rearrange((self.std / other.std).square(), "... block k -> ... (block k)")
        return sum_over_event(ratio.expand(max(self.batch_size, other.batch_size), *event_shape))

    def _check_values(self) -> None:
        super()._check_values()
        check_positive("std", self.std)
