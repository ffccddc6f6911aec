"""Stationary noise: Σ diagonal in the real Fourier transform."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from priordiff.priors.diagonalized import multiply_in_basis
from priordiff.priors.gaussian import GaussianPrior
from priordiff.priors.parameters import (
    as_parameter,
    check_positive,
    common_shape,
    event_axes,
    expand_batch,
    sum_over_event,
)
from priordiff.value_checks import values_are_checked

__all__ = ["SpectralPrior"]

# Two bins of a power averaged in float32 differ by rounding errors that are relative to the largest bins.
ROUNDING = 1e-3


class SpectralPrior(GaussianPrior):
    r"""$\Sigma = F^*\operatorname{diag}(p)F$ with $F$ the orthonormal Fourier transform over some axes.

    Noise that is stationary over these axes, with periodic boundaries, and has the power spectrum $p$, like
    that of non-isotropic DDPM (Voleti et al., arXiv 2210.12254) and of spectrally anisotropic diffusion
    (Scimeca et al., arXiv 2510.09660). The entries of $p$ are the eigenvalues of $\Sigma$: $p = 1$ is white
    noise. $L = F^*\operatorname{diag}(\sqrt p)F$ is the symmetric root. `color` and `whiten` cost two fast
    transforms, O(D log D), and compute in float32 at least.

    Args:
        mean: μ, broadcastable to the data.
        power: p > 0, of the shape of `torch.fft.rfftn(data, dim=dims)` or broadcastable to it. The last of
            `dims` has n // 2 + 1 bins, from frequency 0 up, which leave open whether n is even or odd: n is
            that of the mean if the mean has this axis; otherwise data of either length fit, and
            `event_shape` says the even one.
        dims: axes of the data, without axis 0, the batch; the last of them is the one that is halved.

    Raises:
        ValueError: if `dims` are not different axes of an event, a parameter is not finite, a power is not
            positive or does not fit the mean, or a power over several axes is not that of real data, which
            has $p(k) = p(-k)$ in the lowest and, unless n is odd, in the highest bin of the last axis.

    Example:
        >>> power = torch.ones(1, 1, 9)
        >>> power[..., 4:] = 0.01  # little energy above a quarter of the sample rate
        >>> prior = SpectralPrior(0.0, power, dims=[-1])
        >>> prior.sample((3, 1, 16)).shape
        torch.Size([3, 1, 16])
    """

    def __init__(self, mean: Tensor | float, power: Tensor, dims: Sequence[int]) -> None:
        self.power = as_parameter("power", power)
        self._check_values()
        self.mean = as_parameter("mean", mean, like=power)
        self.dims = event_axes("dims", dims, self.power.dim())
        if not self.dims:
            raise ValueError(f"dims={dims} names no axis, expected at least one")
        halved, bins = self.dims[-1], self.power.shape[self.dims[-1]]
        mean_length = self.mean.shape[halved] if self.mean.dim() == self.power.dim() else 1
        self._either_parity = bins > 1 and mean_length == 1
        samples = list(self.power.shape)
        samples[halved] = bins if bins == 1 else 2 * bins - (1 if mean_length == 2 * bins - 1 else 2)
        shape = common_shape(self.mean, "power", samples)
        self.event_shape = shape[1:]
        self.power = self._symmetric()
        self.mean, self.power = (expand_batch(tensor, shape) for tensor in (self.mean, self.power))

    def color(self, z: Tensor) -> Tensor:
        return self._multiply_spectrum(z, torch.sqrt)

    def whiten(self, r: Tensor) -> Tensor:
        return self._multiply_spectrum(r, lambda power: power.sqrt().reciprocal())

    def log_det(self, event_shape: Sequence[int] | None = None) -> Tensor:
        event_shape = self.event_shape if event_shape is None else event_shape
        self._check_shape((self.batch_size, *event_shape))
        return self._sum_over_frequencies(self.power.log(), (self.batch_size, *event_shape))

    def _multiply_spectrum(self, x: Tensor, weights: Callable[[Tensor], Tensor]) -> Tensor:
        self._check_event(x)
        sizes = [x.shape[axis] for axis in self.dims]
        return multiply_in_basis(
            x,
            self.power,
            weights,
            # MKL, as torch 2.5 calls it, refuses data that are expanded over an axis.
            lambda data: torch.fft.rfftn(data.contiguous(), dim=self.dims, norm="ortho"),
            lambda spectrum: torch.fft.irfftn(spectrum, sizes, dim=self.dims, norm="ortho"),
        )

    def _sum_over_frequencies(self, values: Tensor, shape: Sequence[int]) -> Tensor:
        """The sum for each batch item over the whole spectrum of real data of a given shape."""
        return sum_over_event(self._counted(values, shape))

    def _counted(self, values: Tensor, shape: Sequence[int]) -> Tensor:
        """The values at all bins for data of a given shape, each times the frequencies that it stands for."""
        halved, bins = self.dims[-1], shape[self.dims[-1]] // 2 + 1
        frequency = torch.arange(bins, device=values.device)
        # A bin stands for two frequencies, k and -k, unless they are the same.
        count = 2 - (2 * frequency % shape[halved] == 0).to(values.dtype)
        grid = [bins if axis == halved else size for axis, size in enumerate(shape)]
        return (count * values.expand(grid).movedim(halved, -1)).movedim(-1, halved)

    def _variance(self, event_shape: torch.Size) -> Tensor:
        # Stationary: the same everywhere, the mean of the power.
        shape = (self.batch_size, *event_shape)
        total = self._counted(self.power, shape).sum(self.dims, keepdim=True)
        return total / math.prod(shape[axis] for axis in self.dims)

    def _trace_ratio(self, other: GaussianPrior, event_shape: torch.Size) -> Tensor:
        if not isinstance(other, SpectralPrior) or other.dims != self.dims:
            return super()._trace_ratio(other, event_shape)
        batch = max(self.batch_size, other.batch_size)
        return self._sum_over_frequencies(self.power / other.power, (batch, *event_shape))

    def _symmetric(self) -> Tensor:
        """The power with rounding errors removed from bins that are each other's mirror image.

        The inverse transform would average their roots without a word, and `whiten` not be the inverse.
        """
        *others, halved = self.dims
        if not others:
            return self.power
        frequency = torch.arange(self.power.shape[halved], device=self.power.device)
        own_mirror = (2 * frequency) % self.event_shape[halved - 1] == 0
        own_mirror = own_mirror.reshape([-1 if axis == halved else 1 for axis in range(self.power.dim())])
        image = self.power.flip(others).roll([1] * len(others), others)
        image = torch.where(own_mirror, image, self.power)
        if not values_are_checked():
            return self.power.lerp(image, 0.5)
        differs = (self.power - image).abs() > ROUNDING * torch.maximum(self.power, image)
        if differs.any():
            index = tuple(differs.nonzero()[0].tolist())
            raise ValueError(
                f"power{list(index)} is {float(self.power[index]):g} and at the negative frequency "
                f"{float(image[index]):g}: real data have p(k) = p(-k) in the lowest and highest bin of axis "
                f"{halved}, take the average of the two"
            )
        return self.power if torch.equal(self.power, image) else self.power.lerp(image, 0.5)

    def _fits(self, shape: Sequence[int]) -> bool:
        halved = self.dims[-1]
        if self._either_parity and len(shape) > halved and shape[halved] == self.event_shape[halved - 1] + 1:
            shape = [size - (axis == halved) for axis, size in enumerate(shape)]
        return super()._fits(shape)

    def _check_values(self) -> None:
        super()._check_values()
        check_positive("power (the eigenvalues of Σ)", self.power)
