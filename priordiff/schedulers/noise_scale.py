"""What stands in for the number `init_noise_sigma` once a scheduler has a prior."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from priordiff.priors import GaussianPrior

__all__ = ["PriorNoiseScale"]

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
        if not isinstance(white_noise, Tensor):
            return NotImplemented
        self.prior.require_fit(white_noise)
        return self.prior.mean + self.sigma * self.prior.color(white_noise)

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
        product = scale * white_noise
        return white_noise.copy_(product) if function in _IN_PLACE_PRODUCTS else product

    def __repr__(self) -> str:
        return f"{type(self).__name__}(sigma={self.sigma}, prior={type(self.prior).__name__})"
