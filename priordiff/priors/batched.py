"""Parameters of a batch of distributions: they move, repeat and fit data together."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from priordiff.priors.parameters import as_parameter

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["ParameterBatch"]


class ParameterBatch:
    """A batch of parameters: the attributes that are tensors, or dictionaries of them.

    Each is 0-dimensional, or has the batch as its first dimension; a batch of 1 serves every item.

    Attributes:
        mean: the parameter whose device and dtype are those of the batch.
        event_shape: shape of one event as far as the parameters determine it (1 where they broadcast).
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

    def detach(self) -> Self:
        """The prior without gradients: what follows no longer reaches what its parameters came from."""
        return self._map(Tensor.detach)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        # Unlike torch's own copies, which refuse tensors that were computed with gradients.
        return self._map(_with_own_memory)

    def require_fit(self, sample: Tensor) -> None:
        """Checks that the prior fits a sample in shape, batch, device and dtype.

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

    def _common_shape(self, other: ParameterBatch) -> tuple[int, ...]:
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
