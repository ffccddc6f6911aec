"""Noise shaped in the short-time Fourier domain, as in SpecGrad."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from priordiff.priors.conjugate_gradients import conjugate_gradients
from priordiff.priors.diagonalized import multiply_in_basis
from priordiff.priors.gaussian import GaussianPrior
from priordiff.priors.parameters import (
    as_parameter,
    check_positive,
    common_shape,
    expand_batch,
    sum_over_event,
)
from priordiff.priors.stft_determinant import stft_log_det
from priordiff.priors.stft_transform import check_window, inverse_tight_stft, tight_stft

__all__ = ["StftPrior"]


class StftPrior(GaussianPrior):
    r"""$\Sigma = L L^\top$ with $L = G^\top\operatorname{diag}(g)\,G$ and $G$ a tight STFT of the last axis.

    The time-varying filter of SpecGrad (Koizumi et al., Interspeech 2022) with gains $g > 0$: its phase is
    zero. Since $G^\top G = I$, $L$ is symmetric positive definite, its eigenvalues lie between the least and
    the largest gain, and $g = 1$ is white noise. But $G$ is redundant:

    - SpecGrad's $L^{-1} \approx G^\top\operatorname{diag}(1/g)\,G$ holds only where the gain hardly changes
      within a frame and from bin to bin. `whiten` is the inverse of `color` to the precision of the dtype:
      it solves $L y = r$ by conjugate gradients, with this approximation as start and preconditioner.
    - The noise has the power $g^2$ only as far as the gain is smooth; jumps are smeared by the window.
    - $\log\det\Sigma$ is not a sum of $\log g$. `log_det` is exact, by a banded Cholesky factor.

    For windows of W samples `color` costs two fast transforms, $O(N \tfrac WH \log W)$; `whiten` four for
    each of its iterations, 10 to 100 for smooth gains that spread over 1 to 4 decades; `log_det` $O(N W^2)$,
    with $O(W^2)$ memory. All compute in float32 at least. `LappedPrior` shapes noise in the same way in an
    orthonormal basis, where inverse and determinant cost no more than `color`.

    Args:
        mean: μ, broadcastable to the data (batch, …, N).
        gain: g > 0 (batch, …, frames, bins), frames in time by frequencies from 0 to the highest. The windows
            have W = 2 (bins − 1) samples, and N is frames · `hop_length`: see `tight_stft`.
        hop_length: H, which divides W at least twice: samples from frame to frame.

    Raises:
        ValueError: if the hop does not divide the window twice, a parameter is not finite, a gain is not
            positive or does not fit the mean.

    Example:
        >>> gain = torch.ones(1, 1, 8, 9)
        >>> gain[..., 4:] = 0.1  # little energy above a quarter of the sample rate
        >>> prior = StftPrior(0.0, gain, hop_length=8)
        >>> prior.sample((3, 1, 64)).shape
        torch.Size([3, 1, 64])
    """

    def __init__(self, mean: Tensor | float, gain: Tensor, hop_length: int) -> None:
        self.gain = as_parameter("gain", gain)
        self._check_values()
        self.mean = as_parameter("mean", mean, like=gain)
        if self.gain.dim() < 3:
            raise ValueError(f"gain has shape {tuple(self.gain.shape)}, expected (batch, …, frames, bins)")
        check_window(2 * (self.gain.shape[-1] - 1), hop_length)
        self.hop_length = hop_length
        samples = (*self.gain.shape[:-2], self.gain.shape[-2] * hop_length)
        shape = common_shape(self.mean, "gain", samples)
        self.event_shape = shape[1:]
        self.mean, self.gain = (expand_batch(tensor, shape) for tensor in (self.mean, self.gain))

    def color(self, z: Tensor) -> Tensor:
        self._check_event(z)
        return _multiply(z, self.gain, self.hop_length)

    def whiten(self, r: Tensor) -> Tensor:
        self._check_event(r)
        result_dtype = torch.promote_types(r.dtype, self.gain.dtype)
        compute_dtype = torch.promote_types(result_dtype, torch.float32)
        white = _Divide.apply(r.to(compute_dtype), self.gain.to(compute_dtype), self.hop_length)
        return white.to(result_dtype)

    def log_det(self, event_shape: Sequence[int] | None = None) -> Tensor:
        event_shape = self.event_shape if event_shape is None else event_shape
        self._check_shape((self.batch_size, *event_shape))
        gain = self.gain.to(torch.promote_types(self.gain.dtype, torch.float32))
        with torch.autocast(gain.device.type, enabled=False):
            of_signals = 2 * stft_log_det(gain, self.hop_length).to(self.gain.dtype)
        return sum_over_event(of_signals.expand(self.batch_size, *event_shape[:-1]))

    def _check_values(self) -> None:
        super()._check_values()
        check_positive("gain", self.gain)


def _multiply(x: Tensor, gain: Tensor, hop_length: int) -> Tensor:
    """$L x$."""
    window_length = 2 * (gain.shape[-1] - 1)
    return multiply_in_basis(
        x,
        gain,
        lambda weights: weights,
        lambda data: tight_stft(data, window_length, hop_length),
        lambda coefficients: inverse_tight_stft(coefficients, hop_length),
    )


class _Divide(torch.autograd.Function):
    r"""$y = L^{-1} r$, differentiated implicitly: $\mathrm dy = L^{-1}(\mathrm dr - \mathrm dL\,y)$."""

    @staticmethod
    def forward(ctx: Any, r: Tensor, gain: Tensor, hop_length: int) -> Tensor:
        inverse = gain.reciprocal()
        try:
            y = conjugate_gradients(
                lambda x: _multiply(x, gain, hop_length), lambda x: _multiply(x, inverse, hop_length), r
            )
        except ValueError as error:
            raise ValueError(
                f"a gain from {float(gain.min()):g} to {float(gain.max()):g} that varies like this cannot be "
                f"inverted, {error}: smooth it, narrow its range or use LappedPrior"
            ) from error
        ctx.save_for_backward(y, gain)
        ctx.hop_length = hop_length
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor | None, None]:
        y, gain = ctx.saved_tensors
        grad_r = _Divide.apply(*grads, gain, ctx.hop_length)
        if not ctx.needs_input_grad[1]:
            return grad_r, None, None
        bins = gain.shape[-1]
        here, there = (tight_stft(x, 2 * (bins - 1), ctx.hop_length) for x in (grad_r, y))
        # The inner bins stand for a negative frequency too.
        count = F.pad(gain.new_full((bins - 2,), 2), (1, 1), value=1)
        grad_gain = -count * (here.conj() * there).real
        return grad_r, grad_gain.sum_to_size(gain.shape), None
