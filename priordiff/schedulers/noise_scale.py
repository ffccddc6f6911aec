"""What stands in for the number `init_noise_sigma` once a scheduler has a prior."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from priordiff.priors import GaussianPrior

__all__ = ["PriorNoiseScale", "fitted_to"]

_PRODUCTS = {torch.mul, torch.multiply, Tensor.mul, Tensor.multiply, Tensor.__mul__, Tensor.__rmul__}
_IN_PLACE_PRODUCTS = {Tensor.mul_, Tensor.multiply_, Tensor.__imul__}


class PriorNoiseScale:
    r"""The affine map $n \mapsto \mu + \sigma L n$, written as a product with white noise $n$.

    Every diffusers pipeline draws white noise and multiplies it by `scheduler.init_noise_sigma`. A tensor
    times an object that defines `__torch_function__` calls that object, so this one makes such a pipeline
    start from $x_T \sim N(\mu, \sigma^2\Sigma)$ without a change to its code.

    Args:
        sigma: σ, the plain scheduler's own `init_noise_sigma`.
        prior: N(μ, Σ).

    Raises:
        ValueError: when it is multiplied with noise that the prior does not fit.
        TypeError: when it is used in anything but a product with a tensor.

    Example:
        >>> from priordiff import DiagonalPrior
        >>> torch.ones(1, 2) * PriorNoiseScale(2.0, DiagonalPrior(mean=3.0, std=0.5))
        tensor([[4., 4.]])
    """

    def __init__(self, sigma: float | Tensor, prior: GaussianPrior) -> None:
        self.sigma = sigma
        self.prior = prior

    def __mul__(self, white_noise: Tensor) -> Tensor:
        return self._applied_to(white_noise) if isinstance(white_noise, Tensor) else NotImplemented

    __rmul__ = __mul__

    @classmethod
    def __torch_function__(
        cls,
        function: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if kwargs or function not in _PRODUCTS | _IN_PLACE_PRODUCTS:
            return NotImplemented
        first, second = args
        scale, white_noise = (first, second) if isinstance(first, cls) else (second, first)
        product = scale._applied_to(white_noise)
        return white_noise.copy_(product) if function in _IN_PLACE_PRODUCTS else product

    def _applied_to(self, white_noise: Tensor) -> Tensor:
        prior = fitted_to(white_noise, self.prior)
        return prior.mean + self.sigma * prior.color(white_noise)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(sigma={self.sigma}, prior={type(self.prior).__name__})"


def fitted_to(sample: Tensor, prior: GaussianPrior) -> GaussianPrior:
    """A prior that fits a sample, in the sample's dtype if it is more precise, or under autocast.

    Raises:
        ValueError: if it does not fit; the message names both.
    """
    ours, theirs = prior.mean.dtype, sample.dtype
    follows = torch.promote_types(ours, theirs) == ours or torch.is_autocast_enabled(sample.device.type)
    if follows and prior.event_shape and ours != theirs:
        prior = prior.to(theirs)
    prior.require_fit(sample)
    return prior
