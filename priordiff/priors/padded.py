"""Items of different lengths in one batch, each with a prior of its own."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from priordiff.priors.gaussian import GaussianPrior

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["PaddedPrior"]


class PaddedPrior(GaussianPrior):
    r"""The priors of single items, of any structure, for a batch that is padded along one axis.

    The covariance of item $i$ is block diagonal, $\Sigma_i$ over its first elements and $I$ over the padding,
    where the mean is 0: an item is treated as if it were alone, however long the others are. `color` and
    `whiten` take the items one after the other.

    Args:
        priors: for each item a prior of one Gaussian, over the events of that item without its padding.
        mask: True (or non-zero) for the elements of an item, which are the first ones along an axis, False
            for padding: (batch, …) with as many dimensions as the data, of size 1 but for batch and axis.

    Raises:
        ValueError: if there is not one such prior for each item, a prior does not fit the length of its item,
            or the mask has another form.

    Example:
        >>> from priordiff import LappedPrior
        >>> priors = [LappedPrior(0.0, torch.full((1, 1, blocks, 4), 0.1), hop_length=4) for blocks in (2, 5)]
        >>> mask = torch.arange(20) < torch.tensor([8, 20])[:, None, None]  # (batch, channels, time)
        >>> PaddedPrior(priors, mask).sample((2, 1, 20)).shape
        torch.Size([2, 1, 20])
    """

    def __init__(self, priors: Sequence[GaussianPrior], mask: Tensor) -> None:
        self.priors = tuple(priors)
        sizes = [prior.batch_size for prior in self.priors]
        if sizes != [1] * len(mask):
            raise ValueError(
                f"priors hold {sizes} Gaussians and mask is for {len(mask)} items: expected one for each item"
            )
        kinds = sorted({f"{prior.mean.dtype} on {prior.mean.device}" for prior in self.priors})
        if len(kinds) > 1:
            raise ValueError(f"priors are of {' and '.join(kinds)}: convert them to one")
        self.axis, self.lengths = _axis_and_lengths(mask)
        self.event_shape = _event_shape(self.priors, self.axis, mask.shape)
        self.mean = torch.cat([self._padded_mean(index) for index in range(len(mask))])
        # Which prior is an item's: on the CPU, so that taking the items apart waits for no device.
        self.items = torch.arange(len(mask))

    def color(self, z: Tensor) -> Tensor:
        return self._on_items(lambda prior, part: prior.color(part), z)

    def whiten(self, r: Tensor) -> Tensor:
        return self._on_items(lambda prior, part: prior.whiten(part), r)

    def log_det(self, event_shape: Sequence[int] | None = None) -> Tensor:
        event_shape = self.event_shape if event_shape is None else event_shape
        self._check_shape((self.batch_size, *event_shape))
        return self._of_items(lambda index, region: self.priors[index].log_det(region), event_shape)

    def to(self, device_or_dtype: torch.device | torch.dtype | str) -> Self:
        return self._with_items_of(super().to(device_or_dtype), lambda prior: prior.to(device_or_dtype))

    def detach(self) -> Self:
        return self._with_items_of(super().detach(), lambda prior: prior.detach())

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self._with_items_of(super().__deepcopy__(memo), lambda prior: copy.deepcopy(prior, memo))

    def _with_items_of(self, mapped: Self, function: Callable[[GaussianPrior], GaussianPrior]) -> Self:
        """A prior whose tensors were mapped already, with the items' own priors mapped likewise."""
        mapped.priors = tuple(function(prior) for prior in self.priors)
        mapped.items = self.items
        return mapped

    def _on_items(self, operation: Callable[[GaussianPrior, Tensor], Tensor], x: Tensor) -> Tensor:
        self._check_event(x)
        result = x.to(torch.promote_types(x.dtype, self.mean.dtype), copy=True)
        items = self.items.expand(len(x))
        for index, (prior, length) in enumerate(zip(self.priors, self.lengths, strict=True)):
            rows = (items == index).nonzero()[:, 0].to(x.device, non_blocking=True)
            if len(rows) and length:
                part = x.narrow(self.axis, 0, length)[rows]
                result.narrow(self.axis, 0, length)[rows] = operation(prior, part)
        return result

    def _of_items(self, function: Callable[[int, torch.Size], Tensor], event_shape: Sequence[int]) -> Tensor:
        """What a function of a prior and of the shape of its events gives for each item, 0 if empty."""
        values = [
            function(index, self._region(index, event_shape)) if length else self.mean.new_zeros(1)
            for index, length in enumerate(self.lengths)
        ]
        return torch.cat(values)[self.items.to(self.mean.device, non_blocking=True)]

    def _region(self, index: int, event_shape: Sequence[int]) -> torch.Size:
        """The shape of an item's event without its padding."""
        return torch.Size([*event_shape[: self.axis - 1], self.lengths[index], *event_shape[self.axis :]])

    def _padded_mean(self, index: int) -> Tensor:
        prior, region = self.priors[index], self._region(index, self.event_shape)
        padded = prior.mean.new_zeros(1, *self.event_shape)
        if not self.lengths[index]:
            return padded
        if not prior._fits((1, *region)):
            raise ValueError(
                f"item {index} is of shape {tuple(region)} without its padding, but {prior._described()}"
            )
        rest = padded.narrow(self.axis, self.lengths[index], padded.shape[self.axis] - self.lengths[index])
        return torch.cat([prior.mean.expand(1, *region), rest], dim=self.axis)

    def _trace_ratio(self, other: GaussianPrior, event_shape: torch.Size) -> Tensor:
        if not (
            isinstance(other, PaddedPrior)
            and (self.axis, self.lengths) == (other.axis, other.lengths)
            and torch.equal(self.items, other.items)
        ):
            return super()._trace_ratio(other, event_shape)
        ours, theirs = self.priors, other.priors
        trace = self._of_items(
            lambda index, region: ours[index]._trace_ratio(theirs[index], region), event_shape
        )
        regions = [math.prod(self._region(index, event_shape)) for index in self.items.tolist()]
        return trace + math.prod(event_shape) - trace.new_tensor(regions)

    def _fits(self, shape: Sequence[int]) -> bool:
        return super()._fits(shape) and shape[self.axis] == self.event_shape[self.axis - 1]

    def _check_values(self) -> None:
        for prior in self.priors:
            prior._check_values()


def _axis_and_lengths(mask: Tensor) -> tuple[int, tuple[int, ...]]:
    """The axis along which a mask is padded, and each item's length along it."""
    axis = max(range(1, mask.dim()), key=lambda axis: mask.shape[axis], default=0)
    kept = (mask != 0).reshape(len(mask), -1)
    lengths = kept.sum(1)
    first = torch.arange(kept.shape[1], device=mask.device) < lengths[:, None]
    if axis == 0 or kept.shape[1] != mask.shape[axis] or not torch.equal(kept, first):
        raise ValueError(
            f"mask of shape {tuple(mask.shape)} must be True for the first elements of each item along one "
            "axis, and be of size 1 along all others but the batch"
        )
    return axis, tuple(lengths.tolist())


def _event_shape(priors: Sequence[GaussianPrior], axis: int, mask_shape: torch.Size) -> torch.Size:
    """The shape of a padded event, as far as the parameters determine it."""
    shapes = [prior.event_shape for prior in priors if prior.event_shape]
    if any(len(shape) + 1 != len(mask_shape) for shape in shapes):
        raise ValueError(
            f"priors are over events of shape {', '.join(str(tuple(shape)) for shape in shapes)} and mask "
            f"has shape {tuple(mask_shape)}: expected all with as many dimensions as the data"
        )
    event_shape = [max(sizes) for sizes in zip(*shapes, strict=True)] or [1] * (len(mask_shape) - 1)
    event_shape[axis - 1] = mask_shape[axis]
    return torch.Size(event_shape)
