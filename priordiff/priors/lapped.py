"""Noise whose spectrum varies in time: Σ diagonal in an orthonormal lapped transform."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from einops import rearrange
from torch import Tensor

from priordiff.priors.gaussian import (
    GaussianPrior,
    as_parameter,
    as_std,
    expand_batch,
    sum_over_event,
    trace_ratio_by_columns,
)
from priordiff.priors.lapped_transform import check_hop_length, inverse_mdct, mdct

if TYPE_CHECKING:
    from typing_extensions import Self

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
        self.std = as_std(std)
        self.mean = as_parameter("mean", mean, like=std)
        self.hop_length = check_hop_length(hop_length)
        if self.std.dim() < 3 or self.std.shape[-1] != hop_length:
            raise ValueError(
                f"std has shape {tuple(self.std.shape)}, expected (batch, …, blocks, hop_length={hop_length})"
            )
        samples = (*self.std.shape[:-2], self.std.shape[-2] * hop_length)
        if self.mean.dim() not in (0, len(samples)):
            raise ValueError(
                f"mean has shape {tuple(self.mean.shape)}, expected no dimensions or those of data {samples}"
            )
        try:
            self._shape = torch.broadcast_shapes(self.mean.shape, samples)
        except RuntimeError as error:
            raise ValueError(
                f"mean of shape {tuple(self.mean.shape)} does not broadcast to data of shape {samples}"
            ) from error
        self.mean, self.std = (expand_batch(tensor, self.batch_size) for tensor in (self.mean, self.std))

    @property
    def event_shape(self) -> torch.Size:
        return self._shape[1:]

    @property
    def batch_size(self) -> int:
        return self._shape[0]

    def color(self, z: Tensor) -> Tensor:
        return self._on_coefficients(torch.mul, z)

    def whiten(self, r: Tensor) -> Tensor:
        return self._on_coefficients(torch.div, r)

    def log_det(self, event_shape: Sequence[int] | None = None) -> Tensor:
        event_shape = self.event_shape if event_shape is None else event_shape
        self._check_shape((self.batch_size, *event_shape))
        per_sample = rearrange(2 * self.std.log(), "... block k -> ... (block k)")
        return sum_over_event(per_sample.expand(self.batch_size, *event_shape))

    def _on_coefficients(self, operation: Callable[[Tensor, Tensor], Tensor], x: Tensor) -> Tensor:
        self._check_event(x)
        result_dtype = torch.promote_types(x.dtype, self.std.dtype)
        compute_dtype = torch.promote_types(result_dtype, torch.float32)
        coefficients = operation(mdct(x.to(compute_dtype), self.hop_length), self.std.to(compute_dtype))
        return inverse_mdct(coefficients).to(result_dtype)

    def _trace_ratio(self, other: GaussianPrior, event_shape: torch.Size) -> Tensor:
        if not isinstance(other, LappedPrior) or other.hop_length != self.hop_length:
            return trace_ratio_by_columns(self, other, event_shape)
        ratio = rearrange((self.std / other.std).square(), "... block k -> ... (block k)")
        return sum_over_event(ratio.expand(max(self.batch_size, other.batch_size), *event_shape))

    def _map(self, function: Callable[[Tensor], Tensor]) -> Self:
        return type(self)(function(self.mean), function(self.std), self.hop_length)
