"""The interface of every prior: a Gaussian N(μ, Σ) known through μ, `color` and `whiten`."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from einops import reduce
from torch import Tensor

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["GaussianPrior"]


class GaussianPrior(ABC):
    r"""A batch of Gaussians $N(\mu, \Sigma)$ with $\Sigma = L L^\top$.

    Dimension 0 of every tensor is the batch, all other dimensions are one event. A covariance structure is a
    subclass that says how to multiply by $L$ (`color`), by $L^{-1}$ (`whiten`) and what $\log\det\Sigma$ is;
    everything else follows. Batches broadcast: parameters with a batch of 1 serve every item.

    Attributes:
        mean: μ, broadcastable to the data: 0-dimensional, or with as many dimensions as the data.

    Example:
        >>> from priordiff import DiagonalPrior
        >>> prior = DiagonalPrior(mean=0.0, std=torch.full((2, 1, 4), 0.5))
        >>> prior.sample((2, 1, 4)).shape
        torch.Size([2, 1, 4])
    """

    mean: Tensor

    @property
    @abstractmethod
    def event_shape(self) -> torch.Size:
        """Shape of one event as far as the parameters determine it (1 where they broadcast)."""

    @property
    @abstractmethod
    def batch_size(self) -> int:
        """Number of Gaussians that the parameters hold (1 where they broadcast)."""

    @abstractmethod
    def color(self, z: Tensor) -> Tensor:
        r"""$L z$: white noise to noise with covariance $\Sigma$. Never adds the mean."""

    @abstractmethod
    def whiten(self, r: Tensor) -> Tensor:
        r"""$L^{-1} r$, the inverse of `color`. Never subtracts the mean."""

    @abstractmethod
    def log_det(self, event_shape: Sequence[int] | None = None) -> Tensor:
        r"""$\log\det\Sigma$ for each batch item, shape (batch,).

        Args:
            event_shape: shape of the event where the parameters broadcast over it; by default the prior's
                own.
        """

    @abstractmethod
    def _trace_ratio(self, other: GaussianPrior, event_shape: torch.Size) -> Tensor:
        r"""$\operatorname{tr}(\Sigma_{other}^{-1}\Sigma)$ for each batch item, shape (batch,)."""

    @abstractmethod
    def _map(self, function: Callable[[Tensor], Tensor]) -> Self:
        """The prior with `function` applied to each of its tensors."""

    def sample(
        self,
        shape: Sequence[int],
        generator: torch.Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> Tensor:
        r"""Draws $\mu + L n$ with $n \sim N(0, I)$; gradients reach the parameters.

        Args:
            shape: shape of the sample, batch first.
            generator: source of the white noise, which is drawn on the generator's device.
            device: device of the result; the prior's by default.
            dtype: dtype of the result; the prior's by default.
        """
        device = torch.device(device) if device is not None else self.mean.device
        white = torch.randn(
            tuple(shape),
            generator=generator,
            device=generator.device if generator is not None else device,
            dtype=dtype or self.mean.dtype,
        ).to(device)
        prior = self.to(device).to(white.dtype)
        return prior.mean + prior.color(white)

    def mahalanobis(self, r: Tensor) -> Tensor:
        r"""$r^\top\Sigma^{-1}r$ for each batch item, shape (batch,): squared, the mean not subtracted."""
        return sum_over_event(self.whiten(r).square())

    def log_prob(self, x: Tensor) -> Tensor:
        r"""$\log N(x; \mu, \Sigma)$ for each batch item, shape (batch,)."""
        self._check_event(x)
        log_det = self.log_det(x.shape[1:])
        size = math.prod(x.shape[1:])
        return -0.5 * (self.mahalanobis(x - self.mean) + log_det + size * math.log(2 * math.pi))

    def kl_divergence(self, other: GaussianPrior) -> Tensor:
        r"""$\mathrm{KL}(N(\mu, \Sigma)\,\|\,N(\mu', \Sigma'))$ for each batch item, shape (batch,).

        $\tfrac12[\operatorname{tr}(\Sigma'^{-1}\Sigma) + (\mu'-\mu)^\top\Sigma'^{-1}(\mu'-\mu) - D
        + \log\det\Sigma' - \log\det\Sigma]$. The trace has a closed form between priors of the same
        structure; between different ones it costs one `color` and one `whiten` for every dimension of the
        event.

        Args:
            other: the Gaussian with μ′ and Σ′, over events of the same shape.

        Raises:
            ValueError: if the two are not over the same events; the message names the shapes of both.
        """
        batch, *event_shape = self._common_shape(other)
        difference = (other.mean - self.mean).expand(batch, *event_shape)
        trace = self._trace_ratio(other, torch.Size(event_shape))
        log_det_ratio = other.log_det(event_shape) - self.log_det(event_shape)
        return 0.5 * (trace + other.mahalanobis(difference) - math.prod(event_shape) + log_det_ratio)

    def to(self, device_or_dtype: torch.device | torch.dtype | str) -> Self:
        """The prior with its tensors on another device or of another floating dtype."""
        return self._map(lambda tensor: tensor.to(device_or_dtype))

    def repeat_interleave(self, repeats: int) -> Self:
        """The prior for `repeats` samples of each item, ordered as by `torch.repeat_interleave`."""
        return self._map(lambda tensor: tensor.repeat_interleave(repeats, 0) if tensor.dim() else tensor)

    def _check_event(self, x: Tensor) -> None:
        """Raises a ValueError that names both shapes unless this prior's parameters broadcast to `x`."""
        self._check_shape(x.shape)

    def _check_shape(self, shape: Sequence[int]) -> None:
        if not self._fits(shape):
            raise ValueError(
                f"{self._described()}, which does not fit data of shape {tuple(shape)}: the batch and each "
                "dimension must be equal, or 1"
            )

    def _fits(self, shape: Sequence[int]) -> bool:
        own = (self.batch_size, *self.event_shape)
        made_of_numbers = own == (1,)
        return made_of_numbers or (
            len(own) == len(shape)
            and all(size in (1, wanted) for size, wanted in zip(own, shape, strict=True))
        )

    def _common_shape(self, other: GaussianPrior) -> tuple[int, ...]:
        """The shape, batch first, of data that fit this prior and `other`."""
        ours, theirs = (prior.event_shape or self.event_shape or other.event_shape for prior in (self, other))
        event_shape = (max(sizes) for sizes in zip(ours, theirs, strict=False))
        shape = (max(self.batch_size, other.batch_size), *event_shape)
        if not (self._fits(shape) and other._fits(shape)):
            raise ValueError(
                f"{self._described()}, and {other._described()}: the batch and each dimension must be "
                "equal, or 1"
            )
        return shape

    def _described(self) -> str:
        shape = tuple(self.event_shape)
        return f"{type(self).__name__} holds {self.batch_size} Gaussians over events of shape {shape}"


def trace_ratio_by_columns(prior: GaussianPrior, other: GaussianPrior, event_shape: torch.Size) -> Tensor:
    r"""$\operatorname{tr}(\Sigma'^{-1}\Sigma) = \lVert L'^{-1}L\rVert_F^2$, by the identity's columns."""
    batch = max(prior.batch_size, other.batch_size)
    size = math.prod(event_shape)
    total = torch.zeros(batch, device=prior.mean.device, dtype=prior.mean.dtype)
    for column in range(size):
        unit = torch.zeros(batch, size, device=prior.mean.device, dtype=prior.mean.dtype)
        unit[:, column] = 1
        total = total + other.mahalanobis(prior.color(unit.reshape(batch, *event_shape)))
    return total


def sum_over_event(values: Tensor) -> Tensor:
    """The sum of each batch item's values, shape (batch,)."""
    return reduce(values, "batch ... -> batch", "sum")


def expand_batch(parameter: Tensor, batch_size: int) -> Tensor:
    """A parameter for the whole batch, unless it is a number."""
    # A parameter that is whole already stays the caller's own, so that a prior of leaf tensors can be copied.
    if not parameter.dim() or len(parameter) == batch_size:
        return parameter
    return parameter.expand(batch_size, *parameter.shape[1:])


def as_parameter(name: str, value: Tensor | float, like: Tensor | float | None = None) -> Tensor:
    """`value` as a finite floating tensor, on the device and of the dtype of `like` if `value` is a number.

    Raises:
        ValueError: if it is not floating or holds NaN or infinity.
    """
    if not isinstance(value, Tensor):
        if isinstance(like, Tensor) and like.is_floating_point():
            value = torch.tensor(float(value), device=like.device, dtype=like.dtype)
        else:
            value = torch.tensor(float(value))
    if not value.is_floating_point():
        raise ValueError(f"{name} has dtype {value.dtype}, expected a floating dtype")
    if not torch.isfinite(value).all():
        raise ValueError(f"{name} holds {int((~torch.isfinite(value)).sum())} NaN or infinite values")
    return value


def as_std(value: Tensor | float, like: Tensor | float | None = None) -> Tensor:
    """A standard deviation as a tensor; see `as_parameter`.

    Raises:
        ValueError: if it is not positive everywhere; the message names the smallest value.
    """
    std = as_parameter("std", value, like)
    if not (std > 0).all():
        raise ValueError(f"std must be positive everywhere, its smallest value is {float(std.min()):g}")
    return std
