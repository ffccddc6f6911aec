"""The interface of every prior: a Gaussian N(μ, Σ) known through μ, `color` and `whiten`."""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from priordiff.priors.parameters import as_parameter, sum_over_event

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["GaussianPrior"]


class GaussianPrior(ABC):
    r"""A batch of Gaussians $N(\mu, \Sigma)$ with $\Sigma = L L^\top$.

    Dimension 0 of every tensor is the batch, all other dimensions are one event. A covariance structure is a
    subclass that says how to multiply by $L$ (`color`), by $L^{-1}$ (`whiten`) and what $\log\det\Sigma$ is;
    everything else follows. Its parameters are its attributes that are tensors, or dictionaries of them:
    0-dimensional, or with the batch as their first dimension. Batches broadcast: parameters with a batch of
    1 serve every item.

    Attributes:
        mean: μ, broadcastable to the data: 0-dimensional, or with as many dimensions as the data.
        event_shape: shape of one event as far as the parameters determine it (1 where they broadcast).

    Example:
        >>> from priordiff import DiagonalPrior
        >>> prior = DiagonalPrior(mean=0.0, std=torch.full((2, 1, 4), 0.5))
        >>> prior.sample((2, 1, 4)).shape
        torch.Size([2, 1, 4])
    """

    mean: Tensor
    event_shape: torch.Size

    @cached_property
    def batch_size(self) -> int:
        """Number of Gaussians that the parameters hold (1 where they broadcast)."""
        return max((len(value) for value in self._parameters() if value.dim()), default=1)

    @cached_property
    def has_zero_mean(self) -> bool:
        """Whether μ is the number 0; a mean of tensors is not looked at."""
        mean = self.mean
        return not mean.dim() and mean.device.type == "cpu" and not mean.requires_grad and not mean.item()

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
        """The prior with its tensors on another device or of another floating dtype.

        Raises:
            ValueError: if the dtype spoils the parameters: it may round a small std to zero.
        """
        moved = self._map(lambda tensor: tensor.to(device_or_dtype))
        if moved.mean.dtype != self.mean.dtype:
            moved._check_values()
        return moved

    def repeat_interleave(self, repeats: int) -> Self:
        """The prior for `repeats` samples of each item, ordered as by `torch.repeat_interleave`."""
        return self._map_items(lambda tensor: tensor.repeat_interleave(repeats, 0))

    def tile(self, repeats: int) -> Self:
        """The prior for the whole batch `repeats` times over, as `torch.cat([x] * repeats)` orders it."""
        return self._map_items(lambda tensor: tensor.repeat(repeats, *[1] * (tensor.dim() - 1)))

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

    def detach(self) -> Self:
        """The prior without gradients: what follows no longer reaches what its parameters came from."""
        return self._map(Tensor.detach)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        # Unlike torch's own copies, which refuse tensors that were computed with gradients.
        return self._map(_with_own_memory)

    def prepared(self) -> GaussianPrior:
        """The same Gaussians, prepared for many calls: what each would compute anew is computed here.

        Schedulers use it in place of the prior that they are given. By default it is this prior itself; a
        structure overrides it where a few tensors more make `whiten` or `color` faster.
        """
        return self

    def require_fit(self, sample: Tensor) -> None:
        """Checks that this prior fits a sample in shape, batch, device and dtype.

        A prior whose parameters are all numbers fits every sample.

        Args:
            sample: data, noise or state, batch first.

        Raises:
            ValueError: if it does not fit; the message names both.
        """
        self._check_event(sample)
        if not self.event_shape:
            return
        name = type(self).__name__
        if self.mean.device != sample.device:
            raise ValueError(
                f"{name} is on {self.mean.device} and the sample on {sample.device}: move one of them, e.g. "
                f"prior.to({str(sample.device)!r})"
            )
        if self.mean.dtype != sample.dtype:
            raise ValueError(
                f"{name} has dtype {self.mean.dtype} and the sample {sample.dtype}: convert one of them, "
                f"e.g. prior.to({sample.dtype})"
            )

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

    def _check_values(self) -> None:
        """Raises a ValueError unless the parameters are finite, and whatever else makes them a Gaussian's."""
        for name, value in vars(self).items():
            if isinstance(value, Tensor):
                as_parameter(name, value)

    def _parameters(self) -> list[Tensor]:
        attributes = vars(self).values()
        values = chain.from_iterable(
            value.values() if isinstance(value, dict) else [value] for value in attributes
        )
        return [value for value in values if isinstance(value, Tensor)]

    def _map(self, function: Callable[[Tensor], Tensor]) -> Self:
        """The prior with `function` applied to each of its tensors; what was checked once stays checked."""
        mapped = copy.copy(self)
        for name in ("batch_size", "has_zero_mean"):
            vars(mapped).pop(name, None)
        for name, value in vars(self).items():
            if isinstance(value, Tensor):
                setattr(mapped, name, function(value))
            elif isinstance(value, dict):
                setattr(mapped, name, {key: function(tensor) for key, tensor in value.items()})
        return mapped

    def _map_items(self, function: Callable[[Tensor], Tensor]) -> Self:
        """`_map` for functions that change the batch: what serves every item stays as it is."""
        items = self.batch_size
        return self._map(lambda tensor: function(tensor) if tensor.dim() and len(tensor) == items else tensor)

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
        return (
            made_of_numbers
            or own == shape
            or (
                len(own) == len(shape)
                and all(size in (1, wanted) for size, wanted in zip(own, shape, strict=True))
            )
        )

    def _common_shape(self, other: GaussianPrior) -> tuple[int, ...]:
        """The shape, batch first, of data that fit this prior and `other`."""
        ours, theirs = self.event_shape, other.event_shape
        if len(ours) == len(theirs):
            event_shape = torch.Size(max(sizes) for sizes in zip(ours, theirs, strict=True))
        else:  # one leaves open how many dimensions an event has
            event_shape = max(ours, theirs, key=len)
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


def _with_own_memory(tensor: Tensor) -> Tensor:
    """A copy of a parameter, which stays one for all if it is shared by the batch."""
    if tensor.dim() and tensor.stride(0) == 0:
        return tensor[:1].clone().expand_as(tensor)
    return tensor.clone()
