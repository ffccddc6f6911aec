"""The interface of every prior: a Gaussian N(μ, Σ) known through μ, `color` and `whiten`."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from priordiff.priors.batched import ParameterBatch
from priordiff.priors.parameters import as_parameter, sum_over_event

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["GaussianPrior"]


class GaussianPrior(ParameterBatch, ABC):
    r"""A batch of Gaussians $N(\mu, \Sigma)$ with $\Sigma = L L^\top$.

    Dimension 0 of every tensor is the batch, all other dimensions are one event. A covariance structure is a
    subclass that says how to multiply by $L$ (`color`), by $L^{-1}$ (`whiten`) and what $\log\det\Sigma$ is;
    everything else follows. Its parameters are its attributes that are tensors, or dictionaries of them:
    0-dimensional, or with the batch as their first dimension; how they move and repeat is said by
    `ParameterBatch`. Batches broadcast: parameters with a batch of 1 serve every item.

    Attributes:
        mean: μ, broadcastable to the data: 0-dimensional, or with as many dimensions as the data.
        event_shape: shape of one event as far as the parameters determine it (1 where they broadcast).

    Example:
        >>> from priordiff import DiagonalPrior
        >>> prior = DiagonalPrior(mean=0.0, std=torch.full((2, 1, 4), 0.5))
        >>> prior.sample((2, 1, 4)).shape
        torch.Size([2, 1, 4])
    """

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

    def variance(self, event_shape: Sequence[int] | None = None) -> Tensor:
        r"""The diagonal of $\Sigma = L L^\top$, the variance of each element: (batch, \*event_shape).

        $\Sigma_{ii} = \sum_j L_{ij}^2$ by one `color` for every dimension of the event, unless the structure
        has a closed form.

        Args:
            event_shape: shape of the event where the parameters broadcast over it; by default the prior's
                own.
        """
        event_shape = self.event_shape if event_shape is None else event_shape
        self._check_shape((self.batch_size, *event_shape))
        return self._variance(torch.Size(event_shape)).expand(self.batch_size, *event_shape)

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
        return prior.to_data(white)

    def to_white(self, x: Tensor) -> Tensor:
        r"""$z = L^{-1}(x - \mu)$: data to the space where the prior is N(0, I)."""
        return self.whiten(x - self.mean)

    def to_data(self, z: Tensor) -> Tensor:
        r"""$x = \mu + L z$, the inverse of `to_white`."""
        return self.mean + self.color(z)

    def mahalanobis(self, r: Tensor) -> Tensor:
        r"""$r^\top\Sigma^{-1}r$ for each batch item, shape (batch,): squared, the mean not subtracted."""
        return sum_over_event(self.whiten(r).square())

    def log_prob(self, x: Tensor) -> Tensor:
        r"""$\log N(x; \mu, \Sigma)$ for each batch item, shape (batch,)."""
        self._check_event(x)
        size, distance = math.prod(x.shape[1:]), self.mahalanobis(x - self.mean)
        log_det = self.log_det(x.shape[1:]).to(distance.device)  # that of numbers is where these are
        return -0.5 * (distance + log_det + size * math.log(2 * math.pi))

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
        log_dets = (each.log_det(event_shape).to(difference.device) for each in (other, self))
        log_det_ratio = next(log_dets) - next(log_dets)
        return 0.5 * (trace + other.mahalanobis(difference) - math.prod(event_shape) + log_det_ratio)

    def shifted(self, offset: Tensor | float) -> Self:
        r"""The prior $N(\mu + \delta, \Sigma)$.

        Args:
            offset: δ, broadcastable to the data; a batch of them makes a batch of one's Gaussians.

        Raises:
            ValueError: if it is not finite.
        """
        offset = as_parameter("offset", offset, like=self.mean)
        moved = self._map(lambda tensor: tensor)
        moved.mean = self.mean + offset
        return moved

    def prepared(self) -> GaussianPrior:
        """The same Gaussians, prepared for many calls: what each would compute anew is computed here.

        Schedulers use it in place of the prior that they are given. By default it is this prior itself; a
        structure overrides it where a few tensors more make `whiten` or `color` faster.
        """
        return self

    def _trace_ratio(self, other: GaussianPrior, event_shape: torch.Size) -> Tensor:
        r"""$\operatorname{tr}(\Sigma'^{-1}\Sigma)$ for each batch item, shape (batch,).

        $\lVert L'^{-1}L\rVert_F^2$ by the columns of the identity, unless a subclass knows a closed form.
        """
        batch = max(self.batch_size, other.batch_size)
        squares = (other.mahalanobis(column) for column in self._columns(batch, event_shape))
        return sum(squares, start=self.mean.new_zeros(()))

    def _variance(self, event_shape: torch.Size) -> Tensor:
        """The diagonal of Σ, broadcastable to (batch, *event_shape), by the columns of L."""
        squares = (column.square() for column in self._columns(self.batch_size, event_shape))
        return sum(squares, start=self.mean.new_zeros(()))

    def _columns(self, batch: int, event_shape: Sequence[int]) -> Iterator[Tensor]:
        """L times each column of the identity, (batch, *event_shape)."""
        size = math.prod(event_shape)
        for element in range(size):
            unit = torch.zeros(batch, size, device=self.mean.device, dtype=self.mean.dtype)
            unit[:, element] = 1
            yield self.color(unit.reshape(batch, *event_shape))
